package conformance

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestExitCodes(t *testing.T) {
	t.Parallel()
	need(t, "git", "sh")
	w := newWorld(t, "acme", "http://127.0.0.1:1", nil)
	for _, tt := range []struct {
		name string
		code int
		args []string
		want string // in what is written to standard error
	}{
		{"version", 0, []string{"--version"}, ""},
		{"unknown command", 2, []string{"frobnicate"}, "frobnicate"},
		{"unknown flag", 2, []string{"setup", "--frobnicate"}, "--frobnicate"},
		{"the alias personal", 2, []string{"setup", "--org", "personal", "--app", "web", "--yes"}, "personal"},
		{"no plan of that name", 1, []string{"apply", "absent.json"}, "absent.json"},
		{"no credentials", 4, []string{"setup", "--org", "acme", "--app", "web", "--region", "us-east-1", "--yes"}, "credentials"},
	} {
		r := w.flyAWS(tt.code, tt.args...)
		if !strings.Contains(r.stderr, tt.want) {
			t.Errorf("%s: standard error lacks %q: %s", tt.name, tt.want, r)
		}
	}
	if w.toml() != flyToml {
		t.Error("a command that failed changed fly.toml")
	}
}

// The sandbox ends as its command ends.
func TestSandboxPassesTheExitCodeOn(t *testing.T) {
	t.Parallel()
	need(t, "sh")
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, dir: t.TempDir()}
	if r := w.exec(slices.Clip(environ(w.dir)), path, "sandbox", "--", "sh", "-c", "exit 7"); r.code != 7 {
		t.Errorf("exit code %d, want the command's 7: %s", r.code, r)
	}
}

// A reader such as head may go away; the program ends its work all the same, and
// quietly. Only the real main can show it: it tells the runtime of SIGPIPE.
func TestReaderMayGoAway(t *testing.T) {
	t.Parallel()
	need(t, "go")
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	var stderr bytes.Buffer
	c := exec.CommandContext(context.Background(), path, "demo")
	c.Dir, c.Stdout, c.Stderr = t.TempDir(), w, &stderr
	if err := c.Run(); err != nil || stderr.Len() > 0 {
		t.Errorf("%v: %s", err, &stderr)
	}
}

// Releases, "make build" and these tests build with the same flags.
func TestReleaseFlags(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"goreleaser.yaml", "Makefile"} {
		text, err := os.ReadFile(filepath.Join("..", "..", file))
		if err != nil {
			t.Fatal(err)
		}
		for _, flag := range release {
			if _, value, ok := strings.Cut(flag, "="); ok && !strings.HasPrefix(flag, "-gcflags") {
				flag = value // goreleaser has a list of its own for these
			}
			if !strings.Contains(string(text), flag) {
				t.Errorf("%s does not build with %s", file, flag)
			}
		}
		if want, got := countGCFlags(strings.Join(release, " ")), countGCFlags(string(text)); got != want {
			t.Errorf("%s has %d -gcflags, want %d", file, got, want)
		}
	}
}

func countGCFlags(text string) int { return strings.Count(text, "-gcflags=") }

// The linker leaves away the hundreds of calls of the AWS SDK that nobody makes,
// but only while nothing can look a method up by its name at run time. Package
// text/template does (cobra's SetVersionTemplate and its like bring it in), and
// makes the binary half as large again.
func TestBinaryIsSmall(t *testing.T) {
	t.Parallel()
	need(t, "go")
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	const most = 14_000_000
	if info.Size() > most {
		t.Errorf("the stripped binary has %d bytes, more than %d", info.Size(), most)
	}
}
