package cmd_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/fly-aws/fly-aws/cmd"
	"github.com/fly-aws/fly-aws/internal/explain"
	"github.com/fly-aws/fly-aws/internal/operator"
	"github.com/fly-aws/fly-aws/setup"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

const schemaDir = "../docs/schema"

// schemaFile is the file of a schema: "fly-aws.plan/2" is in fly-aws.plan-2.json.
func schemaFile(id string) string { return strings.ReplaceAll(id, "/", "-") + ".json" }

// TestSchemas: docs/schema has the JSON Schema of each document, as its Go type prints it.
// With -update the files are written, which is done when the other tests begin.
func TestSchemas(t *testing.T) {
	source := readSource(t)
	want := map[string]bool{}
	for _, d := range cmd.Documents() {
		want[schemaFile(d.Schema)] = true
		golden(t, filepath.Join(schemaDir, schemaFile(d.Schema)), schemaText(t, d, source))
	}
	list := "| schema | is | printed by |\n|---|---|---|\n"
	for _, d := range cmd.Documents() {
		list += fmt.Sprintf("| [%s](schema/%s) | %s | %s |\n", d.Schema, schemaFile(d.Schema), d.What, d.Commands)
	}
	goldenPart(t, "../docs/json.md", "documents", list)
	files, err := os.ReadDir(schemaDir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !want[f.Name()] {
			t.Errorf("%s is the schema of no document in cmd.Documents", f.Name())
		}
	}
}

// golden compares a file with a text, or with -update writes it.
func golden(t *testing.T, path string, want []byte) {
	t.Helper()
	old, err := os.ReadFile(path)
	switch {
	case *update:
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
	case err != nil:
		t.Error(err)
	case !bytes.Equal(old, want):
		t.Errorf("%s is out of date; run go test ./cmd -update", path)
	}
}

// goldenPart compares the part of a page between <!-- name --> and <!-- /name --> with a text,
// or with -update writes it.
func goldenPart(t *testing.T, page, name, want string) {
	t.Helper()
	old, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	begin, end := "<!-- "+name+" -->\n", "<!-- /"+name+" -->\n"
	before, rest, begins := strings.Cut(string(old), begin)
	_, after, ends := strings.Cut(rest, end)
	if !begins || !ends {
		t.Fatalf("%s has no part %s", page, name)
	}
	golden(t, page, []byte(before+begin+want+end+after))
}

// TestEverySchemaIsListed: each schema that the program names is in cmd.Documents.
func TestEverySchemaIsListed(t *testing.T) {
	t.Parallel()
	listed := map[string]bool{}
	for _, d := range cmd.Documents() {
		listed[d.Schema] = false
	}
	literal := regexp.MustCompile(`"(fly-aws\.[a-z-]+/\d+)"`)
	eachSource(t, func(path string, text []byte) {
		for _, m := range literal.FindAllSubmatch(text, -1) {
			if _, ok := listed[string(m[1])]; !ok {
				t.Errorf("%s names %s, which cmd.Documents in schema_export_test.go does not have; add it and run go test ./cmd -update", path, m[1])
			}
			listed[string(m[1])] = true
		}
	})
	for schema, named := range listed {
		if !named {
			t.Errorf("cmd.Documents has %s, which the program does not name", schema)
		}
	}
}

// TestGoldenDocuments: the documents that render's tests keep are as their schemas say.
func TestGoldenDocuments(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../internal/render/testdata/*.json.golden")
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no golden documents: %v", err)
	}
	validators := newValidators(t)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := validators.check(text); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}

// TestSchemaNoticesFields: what checks the documents fails for a field that a schema does
// not have, and for one that is missing, at any depth; the published schema is open.
func TestSchemaNoticesFields(t *testing.T) {
	t.Parallel()
	const whole = `{"schema":"fly-aws.token/1","verified":false,"violations":[{"rule":"parts","reason":"x"}]}`
	validators := newValidators(t)
	if _, err := validators.check([]byte(whole)); err != nil {
		t.Error(err)
	}
	for _, change := range []struct{ old, with string }{
		{`"verified":false,`, `"verified":false,"new":1,`},
		{`"verified":false,`, ``},
		{`"reason":"x"`, `"reason":"x","new":1`},
		{`"rule":"parts",`, ``},
		{`[{"rule":"parts","reason":"x"}]`, `null`},
		{`"parts"`, `"new"`},
	} {
		text := strings.Replace(whole, change.old, change.with, 1)
		if _, err := validators.check([]byte(text)); err == nil {
			t.Errorf("%s passes", text)
		}
	}
	if _, err := validators.check([]byte(`{"schema":"fly-aws.token/99"}`)); err == nil {
		t.Error("an unknown schema passes")
	}
	var open map[string]any
	published, err := readSchema(t, "fly-aws.token/1").Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(strings.Replace(whole, `"verified":false,`, `"verified":false,"new":1,`, 1)), &open); err != nil {
		t.Fatal(err)
	}
	if err := published.Validate(open); err != nil {
		t.Errorf("the published schema is not open: %v", err)
	}
}

// Validators check documents by the published schemas, made strict: a field or value that a
// schema does not have is an error.
type validators map[string]*jsonschema.Resolved

func newValidators(t *testing.T) validators {
	t.Helper()
	out := validators{}
	for _, d := range cmd.Documents() {
		schema := readSchema(t, d.Schema)
		makeStrict(schema)
		resolved, err := schema.Resolve(nil)
		if err != nil {
			t.Fatalf("%s: %v", d.Schema, err)
		}
		out[d.Schema] = resolved
	}
	return out
}

// readSchema reads a published schema.
func readSchema(t *testing.T, id string) *jsonschema.Schema {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(schemaDir, schemaFile(id)))
	if err != nil {
		t.Fatal(err)
	}
	schema := &jsonschema.Schema{}
	if err := json.Unmarshal(text, schema); err != nil {
		t.Fatalf("%s: %v", id, err)
	}
	return schema
}

// makeStrict makes a schema take no other fields than those it has, and of the values that
// it gives as examples no other.
func makeStrict(s *jsonschema.Schema) {
	if s == nil {
		return
	}
	s.Enum = s.Examples
	makeStrict(s.AdditionalProperties)
	makeStrict(s.Items)
	for _, p := range s.Properties {
		makeStrict(p)
	}
	if s.Properties != nil {
		s.AdditionalProperties = &jsonschema.Schema{Not: &jsonschema.Schema{}}
	}
}

// check checks the documents in a text, one after the other, and returns their schemas.
func (v validators) check(text []byte) (seen []string, err error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	for {
		var document map[string]any
		if err := decoder.Decode(&document); errors.Is(err, io.EOF) {
			return seen, nil
		} else if err != nil {
			return seen, err
		}
		id, _ := document["schema"].(string)
		if v[id] == nil {
			return seen, fmt.Errorf("the schema %q is unknown", id)
		}
		if err := v[id].Validate(document); err != nil {
			return seen, fmt.Errorf("%s: %w", id, err)
		}
		seen = append(seen, id)
	}
}

// documentsEnv names the folder that the program under test copies its documents to.
const documentsEnv = "FLY_AWS_TEST_DOCUMENTS"

// recordDocuments has what the program prints with --json kept for checkDocuments. Where the
// standard output is a command's too, or not JSON of ours, nothing is kept.
func recordDocuments(sys *cmd.System, args []string) (printed func()) {
	dir := os.Getenv(documentsEnv)
	isJSON := slices.Contains(args, "--json") || slices.Contains(args, "-j")
	if dir == "" || !isJSON || slices.Contains(args, "--") || slices.Contains(args, "--sarif") {
		return func() {}
	}
	var copied bytes.Buffer
	sys.Stdout = io.MultiWriter(sys.Stdout, &copied)
	return func() {
		file, err := os.CreateTemp(dir, "*.json")
		if err == nil {
			_, err = fmt.Fprintf(file, "%s\n%s", strconv.Quote(strings.Join(args, " ")), &copied)
			err = errors.Join(err, file.Close())
		}
		if err != nil {
			panic(err)
		}
	}
}

// checkDocuments checks the documents that the program printed, and, if all scripts ran, that
// each kind of document was among them.
func checkDocuments(t *testing.T, dir string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	validators, seen := newValidators(t), map[string]int{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		args, text, _ := bytes.Cut(text, []byte("\n"))
		schemas, err := validators.check(text)
		if err != nil {
			t.Errorf("fly-aws %s: %v", args, err)
		}
		for _, schema := range schemas {
			seen[schema]++
		}
	}
	t.Logf("%d outputs: %v", len(files), seen)
	if some := flag.Lookup("test.run").Value.String(); strings.Contains(some, "/") {
		return
	}
	for schema := range validators {
		if seen[schema] == 0 {
			t.Errorf("no script prints a document of %s", schema)
		}
	}
}

// nullable says of fields whether they can be null where their types mislead: a list cannot
// otherwise, and a pointer without omitempty can.
var nullable = map[string]bool{
	"render.comparisonDocument.Presented": true, // what was not presented
	"cmd.operatorDocument.Policy":         false,
	"cmd.trustPolicyDocument.Policy":      false,
}

// schemaText is the JSON Schema of a document. Fields may be added to a document, so its
// objects are open.
func schemaText(t *testing.T, d cmd.Document, source source) []byte {
	t.Helper()
	anything := &jsonschema.Schema{}
	object := &jsonschema.Schema{Type: "object"}
	custom := map[reflect.Type]*jsonschema.Schema{
		reflect.TypeFor[json.RawMessage]():    anything,
		reflect.TypeFor[setup.Document]():     object, // policies, as IAM has them
		reflect.TypeFor[trustpolicy.Policy](): object,
		reflect.TypeFor[operator.Policy]():    object,
	}
	s, err := jsonschema.ForType(d.Type, &jsonschema.ForOptions{TypeSchemas: custom})
	if err != nil {
		t.Fatal(err)
	}
	source.describe(t, s, d.Type, custom)
	var id any = d.Schema
	s.Properties["schema"].Const = &id
	s.Schema = "https://json-schema.org/draft/2020-12/schema"
	s.ID = "https://raw.githubusercontent.com/fly-aws/fly-aws/main/docs/schema/" + schemaFile(d.Schema)
	s.Title = d.Schema
	s.Description = strings.ToUpper(d.What[:1]) + d.What[1:] + "."
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(text, '\n')
}

// A source is what the source of the program says of its types beyond what reflection knows.
type source struct {
	comments map[string]string // of fields: "setup.Plan.Org"
	values   map[string][]any  // the constants of a type of strings: "setup.Action"
}

// describe adds to an inferred schema what the source says: comments of fields, values of
// types; and which lists are not null.
func (src source) describe(t *testing.T, s *jsonschema.Schema, of reflect.Type, custom map[reflect.Type]*jsonschema.Schema) {
	t.Helper()
	for of.Kind() == reflect.Pointer {
		of = of.Elem()
	}
	if custom[of] != nil || of == reflect.TypeFor[time.Time]() {
		return
	}
	switch of.Kind() {
	case reflect.String:
		if of.PkgPath() != "" {
			s.Examples = src.values[of.String()]
			if of == reflect.TypeFor[explain.ReasonCode]() { // it also has lint's codes
				s.Examples = slices.Concat(s.Examples, src.values["trustpolicy.FindingCode"])
			}
		}
	case reflect.Slice:
		src.describe(t, s.Items, of.Elem(), custom)
	case reflect.Map:
		src.describe(t, s.AdditionalProperties, of.Elem(), custom)
	case reflect.Struct:
		s.AdditionalProperties = nil
		for _, f := range reflect.VisibleFields(of) {
			name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
			if f.Anonymous || !f.IsExported() || name == "-" {
				continue
			}
			if name == "" {
				t.Fatalf("the field %s of %s has no name in JSON", f.Name, of)
			}
			p, owner := s.Properties[name], of
			if len(f.Index) > 1 {
				owner = of.FieldByIndex(f.Index[:len(f.Index)-1]).Type
			}
			p.Description = src.comments[owner.String()+"."+f.Name]
			null, known := nullable[owner.String()+"."+f.Name]
			if !known {
				null = f.Type.Kind() == reflect.Pointer && options != "omitempty" && options != "omitzero"
			}
			if !null && len(p.Types) == 2 { // null, and a type
				p.Type, p.Types = p.Types[1], nil
			}
			src.describe(t, p, f.Type, custom)
		}
	}
}

// readSource reads all Go files of the program.
func readSource(t *testing.T) source {
	t.Helper()
	out := source{map[string]string{}, map[string][]any{}}
	eachSource(t, func(path string, text []byte) {
		file, err := parser.ParseFile(token.NewFileSet(), path, text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			if d, ok := d.(*ast.GenDecl); ok {
				for _, spec := range d.Specs {
					out.read(file.Name.Name, spec)
				}
			}
		}
	})
	return out
}

func (src source) read(pkg string, spec ast.Spec) {
	switch spec := spec.(type) {
	case *ast.TypeSpec:
		body, ok := spec.Type.(*ast.StructType)
		if !ok {
			return
		}
		for _, f := range body.Fields.List {
			comment := f.Doc.Text()
			if comment == "" {
				comment = f.Comment.Text()
			}
			for _, name := range f.Names {
				src.comments[pkg+"."+spec.Name.Name+"."+name.Name] = strings.Join(strings.Fields(comment), " ")
			}
		}
	case *ast.ValueSpec:
		of := ""
		switch t := spec.Type.(type) {
		case *ast.Ident:
			of = pkg + "." + t.Name
		case *ast.SelectorExpr: // of another package
			of = fmt.Sprint(t.X, ".", t.Sel)
		}
		for _, value := range spec.Values {
			if literal, ok := value.(*ast.BasicLit); ok && literal.Kind == token.STRING {
				text, _ := strconv.Unquote(literal.Value) // it was parsed
				src.values[of] = append(src.values[of], text)
			}
		}
	}
}

// eachSource calls f with each Go file of the program, tests left out.
func eachSource(t *testing.T, f func(path string, text []byte)) {
	t.Helper()
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		if err == nil {
			f(path, text)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
