package architecture

import (
	"strings"
	"testing"
)

// tree is a small module that keeps every rule.
func tree(t *testing.T) map[string]*pkg {
	t.Helper()
	pkgs := make(map[string]*pkg)
	for path, src := range map[string]string{
		"trustpolicy":      `package trustpolicy; import "encoding/json"; var _ = json.Valid`,
		"flytoml":          `package flytoml; import _ "github.com/pelletier/go-toml/v2/unstable"`,
		"setup":            `package setup; import _ "github.com/fly-aws/fly-aws/trustpolicy"`,
		"internal/awsapi":  `package awsapi; import (_ "github.com/aws/aws-sdk-go-v2/service/iam"; _ "github.com/fly-aws/fly-aws/setup")`,
		"internal/workdir": `package workdir; import (_ "github.com/fly-aws/fly-aws/flytoml"; _ "github.com/fly-aws/fly-aws/setup"; _ "os")`,
		"internal/render":  `package render; import _ "github.com/fly-aws/fly-aws/setup"`,
		"internal/sandbox": `package sandbox; import (_ "github.com/fly-aws/fly-aws/trustpolicy"; _ "net/http")`,
		"cmd":              `package cmd; import (_ "github.com/fly-aws/fly-aws/internal/awsapi"; _ "github.com/spf13/cobra")`,
		"cmd/fly-aws":      `package main; import ("github.com/fly-aws/fly-aws/cmd"; "os"); func main() { os.Exit(cmd.Main(os.Args)) }`,
	} {
		p := &pkg{path: path}
		p.write(t, "x.go", src)
		pkgs[path] = p
	}
	return pkgs
}

// write adds a file to a package.
func (p *pkg) write(t *testing.T, name, src string) {
	t.Helper()
	u := &p.code
	if strings.HasSuffix(name, "_test.go") {
		u = &p.test
	}
	if err := u.add(name, []byte(src)); err != nil {
		t.Fatal(err)
	}
	p.name = strings.TrimSuffix(strings.Fields(src)[1], ";")
}

// TestCheckFindsWhatIsBroken breaks one rule at a time in a tree that keeps
// them all, and wants exactly one sentence, which says why.
func TestCheckFindsWhatIsBroken(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, path, file, src string
		want                  string // in the sentence; empty when nothing is broken
	}{
		{name: "a tree that keeps the rules"},
		{
			"ground imports hall", "trustpolicy", "y.go",
			`package trustpolicy; import _ "github.com/fly-aws/fly-aws/setup"`, "arrows go down only",
		},
		{
			"hall imports a room", "setup", "y.go",
			`package setup; import _ "github.com/fly-aws/fly-aws/internal/awsapi"`, "arrows go down only",
		},
		{
			"a room imports a room", "internal/render", "y.go",
			`package render; import _ "github.com/fly-aws/fly-aws/internal/awsapi"`, "rooms on one floor never import each other",
		},
		{
			"the sandbox imports the engine", "internal/sandbox", "y.go",
			`package sandbox; import _ "github.com/fly-aws/fly-aws/setup"`, "could share a mistake",
		},
		{
			"the program depends on the sandbox", "internal/awsapi", "y.go",
			`package awsapi; import _ "github.com/fly-aws/fly-aws/internal/sandbox"`, "the pretended world",
		},
		{
			"a room is tested on the wire", "internal/awsapi", "y_test.go",
			`package awsapi; import _ "github.com/fly-aws/fly-aws/internal/sandbox"`, "",
		},
		{
			"the wizard draws on the tests' terminal", "internal/wizard", "y.go",
			`package wizard; import _ "github.com/fly-aws/fly-aws/internal/terminal"`, "for tests, and part of no program",
		},
		{
			"a command draws on the tests' terminal", "cmd", "y.go",
			`package cmd; import _ "github.com/fly-aws/fly-aws/internal/terminal"`, "for tests, and part of no program",
		},
		{
			"a command is tested at a terminal", "cmd", "y_test.go",
			`package cmd; import _ "github.com/fly-aws/fly-aws/internal/terminal"`, "",
		},
		{
			"a room that shows nothing is tested at a terminal", "internal/awsapi", "y_test.go",
			`package awsapi; import _ "github.com/fly-aws/fly-aws/internal/terminal"`, "for tests, and part of no program",
		},
		{
			"a test opens a terminal of its own", "internal/wizard", "y_test.go",
			`package wizard; import _ "github.com/creack/pty"`, "internal/terminal is theirs",
		},
		{
			"the tests' terminal knows the program", "internal/terminal", "y.go",
			`package terminal; import _ "github.com/fly-aws/fly-aws/setup"`, "no such arrow",
		},
		{
			"a test goes up", "trustpolicy", "y_test.go",
			`package trustpolicy_test; import _ "github.com/fly-aws/fly-aws/setup"`, "arrows go down only",
		},
		{
			"the roof edits TOML", "cmd", "y.go",
			`package cmd; import _ "github.com/fly-aws/fly-aws/flytoml"`, "only workdir knows",
		},
		{
			"main does more than start", "cmd/fly-aws", "y.go",
			`package main; import _ "github.com/fly-aws/fly-aws/setup"`, "no such arrow",
		},
		{
			"the SDK leaks", "cmd", "y.go",
			`package cmd; import _ "github.com/aws/smithy-go"`, "awsapi turns the SDK's types",
		},
		{
			"the sandbox signs with the SDK", "internal/sandbox", "y.go",
			`package sandbox; import _ "github.com/aws/aws-sdk-go-v2/aws/signer/v4"`, "awsapi turns the SDK's types",
		},
		{
			"the sandbox is tested with the SDK", "internal/sandbox", "y_test.go",
			`package sandbox; import _ "github.com/aws/aws-sdk-go-v2/service/sts"`, "",
		},
		{
			"unstable positions spread", "internal/workdir", "y.go",
			`package workdir; import _ "github.com/pelletier/go-toml/v2/unstable"`, "no promise of stability",
		},
		{
			"cobra below the roof", "internal/render", "y.go",
			`package render; import _ "github.com/spf13/cobra"`, "only the roof",
		},
		{
			"the engine opens a file", "setup", "y.go",
			`package setup; import _ "os"`, "works on values",
		},
		{
			"the ground starts a process", "flytoml", "y.go",
			`package flytoml; import _ "os/exec"`, "works on values",
		},
		{
			"the renderer dials", "internal/render", "y.go",
			`package render; import _ "net/http"`, "talks to nobody",
		},
		{
			"an address is a value", "trustpolicy", "y.go",
			`package trustpolicy; import _ "net/netip"`, "",
		},
		{
			"a test reads a golden file", "internal/render", "y_test.go",
			`package render; import _ "os"`, "",
		},
		{
			"a file for another system", "setup", "y_windows.go",
			`package setup; import _ "syscall"`, "works on values",
		},
		{
			"exit below main", "cmd", "y.go",
			`package cmd; import "os"; func f() { os.Exit(1) }`, "one function that returns its exit code",
		},
		{
			"exit by another name", "cmd", "y.go",
			`package cmd; import sys "os"; var quit = sys.Exit`, "one function that returns its exit code",
		},
		{
			"a variable called os", "cmd", "y.go",
			`package cmd; import "os"; var _ os.FileMode; func f() { os := struct{ Exit func(int) }{}; os.Exit(1) }`, "",
		},
		{
			"exit by log", "cmd", "y.go",
			`package cmd; import "log"; func f() { log.Fatalf("x") }`, "return an error",
		},
		{
			"the clock in the engine", "setup", "y.go",
			`package setup; import "time"; var now = time.Now`, "the time comes in as an argument",
		},
		{
			"the clock in a room that waits", "internal/awsapi", "y.go",
			`package awsapi; import "time"; var now = time.Now`, "",
		},
		{
			"a test sleeps", "setup", "y_test.go",
			`package setup; import "time"; func f() { time.Sleep(1) }`, "too long or too short",
		},
		{
			"print past the streams", "cmd", "y.go",
			`package cmd; import "fmt"; func f() { fmt.Println() }`, "streams come in from main",
		},
		{
			"the environment below the roof", "internal/workdir", "y.go",
			`package workdir; import "os"; var home = os.Getenv("HOME")`, "cmd.Host collects the environment",
		},
		{
			"a stream below the roof", "internal/awsapi", "y.go",
			`package awsapi; import "os"; var log = os.Stderr`, "cmd.Host collects the streams",
		},
		{
			"work before main", "setup", "y.go",
			`package setup; func init() {}`, "func init",
		},
		{
			"a package nobody placed", "internal/newcomer", "y.go",
			`package newcomer`, "the table does not know this package",
		},
		{
			"a name that says nothing", "setup", "y.go",
			`package util`, "says nothing of what is inside",
		},
		{
			"test code in the program", "internal/sandbox", "y.go",
			`package sandbox; import _ "net/http/httptest"`, "carries no test code",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			pkgs := tree(t)
			if tt.path != "" {
				if pkgs[tt.path] == nil {
					pkgs[tt.path] = &pkg{path: tt.path}
				}
				pkgs[tt.path].write(t, tt.file, tt.src)
			}
			var list []pkg
			for _, p := range pkgs {
				list = append(list, *p)
			}
			got := check(list)
			switch {
			case tt.want == "" && len(got) > 0:
				t.Errorf("check found %q, want nothing", got)
			case tt.want != "" && (len(got) != 1 || !strings.Contains(got[0], tt.want)):
				t.Errorf("check found %q, want one sentence with %q", got, tt.want)
			}
		})
	}
}

// TestTableIsDownhill checks the table itself: its arrows go down, only the
// roof reaches rooms, and it names no package twice over.
func TestTableIsDownhill(t *testing.T) {
	t.Parallel()
	for from, r := range table {
		for _, to := range r.imports {
			target, known := table[to]
			if !known {
				t.Errorf("%s may import %s, which has no row", from, to)
			}
			if target.floor >= r.floor {
				t.Errorf("%s may import %s, which does not stand below it", from, to)
			}
		}
	}
}
