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
		want string // in standard error
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

// The sandbox exits with its command's exit code.
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

// When a reader such as head goes away, the program finishes its work quietly. This
// needs the real main, which handles SIGPIPE.
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

// Releases and "make build" use exactly these flags: unusual flags make builds that
// nobody else tests.
func TestReleaseFlags(t *testing.T) {
	t.Parallel()
	for file, want := range map[string][]string{
		"goreleaser.yaml": {"    flags:\n      - -trimpath\n    ldflags:\n      - -s -w\n      - -X main.version=", "CGO_ENABLED=0", "platforms: [linux/amd64, linux/arm64]"},
		"Makefile":        {"-trimpath -ldflags '-s -w -X main.version=", "CGO_ENABLED=0", "PLATFORMS ?= linux/amd64 linux/arm64"},
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

// The linker drops unused AWS SDK calls as long as no code looks up methods by name
// at run time. Package text/template does (cobra's SetVersionTemplate and similar
// functions import it), which adds half the binary's size again. The bound catches
// accidents.
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
	const most = 22_500_000
	if info.Size() > most {
		t.Errorf("the stripped binary has %d bytes, more than %d", info.Size(), most)
	}
}
