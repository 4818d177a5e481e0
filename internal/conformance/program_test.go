package conformance

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
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

// Releases and "make build" are built with these flags and no others: a build
// that is smaller or faster for a flag nobody else uses is one nobody else tests.
func TestReleaseFlags(t *testing.T) {
	t.Parallel()
	for file, want := range map[string][]string{
		"goreleaser.yaml": {"    flags:\n      - -trimpath\n    ldflags:\n      - -s -w\n      - -X main.version=", "CGO_ENABLED=0"},
		"Makefile":        {"-trimpath -ldflags '-s -w -X main.version=", "CGO_ENABLED=0"},
	} {
		text, err := os.ReadFile(filepath.Join("..", "..", file))
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range want {
			if !strings.Contains(string(text), part) {
				t.Errorf("%s lacks %q", file, part)
			}
		}
		for _, flag := range []string{"gcflags", " -tags", "-funcalign", "nethttpomithttp2"} {
			if strings.Contains(string(text), flag) {
				t.Errorf("%s has %s", file, flag)
			}
		}
	}
}

// The linker drops the hundreds of AWS SDK calls that nothing makes, as long as
// nothing can look up a method by name at run time. Package text/template does
// (cobra's SetVersionTemplate and similar functions bring it in), and adds half
// the binary's size again. The bound is there to notice accidents.
func TestBinarySize(t *testing.T) {
	t.Parallel()
	need(t, "go")
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		t.Skip("the bound is for linux/amd64")
	}
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	const most = 20_000_000
	if info.Size() > most {
		t.Errorf("the stripped binary has %d bytes, more than %d", info.Size(), most)
	}
}
