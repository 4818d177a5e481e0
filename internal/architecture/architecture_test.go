package architecture

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestTreeKeepsTheTable holds the table over every package of the module.
func TestTreeKeepsTheTable(t *testing.T) {
	t.Parallel()
	pkgs := load(t)
	for _, sentence := range check(pkgs) {
		t.Error(sentence)
	}
	// Had nothing been read, nothing would be broken either.
	seen := make(map[string]pkg)
	for _, p := range pkgs {
		seen[p.path] = p
	}
	if _, ok := seen["setup"].code.imports[module+"/trustpolicy"]; !ok {
		t.Errorf("setup was read without its import of trustpolicy; the test looked at %d packages", len(pkgs))
	}
}

// TestDrawingNamesEveryPackage keeps docs/architecture.md in step with the tree:
// it names every package, and no test that does not exist.
func TestDrawingNamesEveryPackage(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "architecture.md"))
	if err != nil {
		t.Fatal(err)
	}
	tests := make(map[string]bool)
	for _, p := range load(t) {
		if !strings.Contains(string(text), "`"+p.path+"`") {
			t.Errorf("docs/architecture.md does not name the package `%s`", p.path)
		}
		for _, name := range p.test.funcs {
			tests[name] = true
		}
	}
	for _, name := range regexp.MustCompile(`\b(Test|Fuzz)[A-Z]\w+\b`).FindAllString(string(text), -1) {
		if !tests[name] {
			t.Errorf("docs/architecture.md names the test %s, which does not exist", name)
		}
	}
}

// load reads all packages of the module. Files are parsed here, and not listed
// by the go command alone, so that those of other systems are looked at too.
func load(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-e", "-json=Dir,ImportPath,Name", module+"/...")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var pkgs []pkg
	dec := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var listed struct{ Dir, ImportPath, Name string }
		err := dec.Decode(&listed)
		if errors.Is(err, io.EOF) {
			return pkgs
		}
		if err != nil {
			t.Fatalf("go list: %v", err)
		}
		below, ok := cutModule(listed.ImportPath)
		if !ok {
			t.Fatalf("go list names a package of another module: %s", listed.ImportPath)
		}
		p := pkg{path: below, name: listed.Name}
		readDir(t, listed.Dir, &p)
		pkgs = append(pkgs, p)
	}
}

func readDir(t *testing.T, dir string, p *pkg) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		u := &p.code
		if strings.HasSuffix(name, "_test.go") {
			u = &p.test
		}
		if err := u.add(filepath.Base(name), src); err != nil {
			t.Fatal(err)
		}
	}
}

// add notes the imports and calls of a file.
func (u *uses) add(name string, src []byte) error {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, src, 0)
	if err != nil {
		return err
	}
	if u.imports == nil {
		u.imports, u.calls = make(map[string]string), make(map[string]string)
	}
	place := func(n ast.Node) string {
		at := fset.Position(n.Pos())
		return at.Filename + ":" + strconv.Itoa(at.Line)
	}
	local := make(map[string]string) // the name a file uses for a package, to its path
	for _, spec := range file.Imports {
		imp, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return err
		}
		u.imports[imp] = place(spec)
		switch {
		case spec.Name != nil:
			local[spec.Name.Name] = imp
		default:
			local[imp[strings.LastIndex(imp, "/")+1:]] = imp
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			switch {
			case n.Recv != nil:
			case n.Name.Name == "init":
				u.inits = append(u.inits, place(n))
			default:
				u.funcs = append(u.funcs, n.Name.Name)
			}
		case *ast.SelectorExpr:
			// An identifier that the parser resolved within the file is a variable
			// that shadows the package.
			if x, ok := n.X.(*ast.Ident); ok && x.Obj == nil && local[x.Name] != "" {
				u.calls[local[x.Name]+"."+n.Sel.Name] = place(n)
			}
		}
		return true
	})
	return nil
}
