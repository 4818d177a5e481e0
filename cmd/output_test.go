package cmd_test

import (
	"bytes"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/fly-aws/fly-aws/internal/sandbox"
)

// TestFullDisk: a failure to write output is reported.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("there is no /dev/full")
	}
	defer full.Close()
	p := newProgram(t, nil)
	for _, args := range [][]string{
		{"--version"},
		{"help", "plan"},
		{"plan", "-o", "acme"},
		{"plan", "-o", "acme", "--json"},
		{"policy", "trust", "--account", "123456789012", "-o", "acme", "-a", "web"},
		{"demo"},
	} {
		c, _ := p.command(args...)
		var stderr bytes.Buffer
		c.Stdout, c.Stderr = full, &stderr
		_ = c.Run()
		if exit := c.ProcessState.ExitCode(); exit != 1 || !strings.Contains(stderr.String(), "Error: standard output cannot be written: no space left on device") {
			t.Errorf("%v exits %d:\n%s", args, exit, &stderr)
		}
	}
}

// TestHangup: a terminal that goes away ends the program as cleanly as Ctrl-C does.
func TestHangup(t *testing.T) {
	t.Parallel()
	// Under nohup, a child would start with the signal ignored.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	var victim atomic.Pointer[os.Process]
	stderr := &watcher{text: "Stopping after the call in flight", seen: make(chan struct{})}
	p := newProgram(t, func(c sandbox.Call) sandbox.Fault {
		if c.Action != "CreateRole" {
			return sandbox.Fault{}
		}
		return sandbox.Fault{Before: func() { _ = victim.Load().Signal(syscall.SIGHUP); <-stderr.seen }}
	})
	c, _ := p.command(setupArgs...)
	c.Stderr = stderr
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	victim.Store(c.Process)
	_ = c.Wait()
	stderr.release()
	if exit := c.ProcessState.ExitCode(); exit != 130 || !strings.Contains(stderr.all.String(), "run the same command again") {
		t.Errorf("exit code is %d:\n%s", exit, &stderr.all)
	}
	if done := succeeded(p.world); done["CreateRole"] != 1 || done["AttachRolePolicy"] != 0 {
		t.Errorf("written: %v", done)
	}
}

// A watcher keeps what is written to it, and closes seen once that contains text.
type watcher struct {
	text string
	seen chan struct{}

	mu   sync.Mutex
	all  bytes.Buffer
	once sync.Once
}

func (w *watcher) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n, err := w.all.Write(p)
	if strings.Contains(w.all.String(), w.text) {
		w.once.Do(func() { close(w.seen) })
	}
	return n, err
}

// release unblocks waiters if the text was never written.
func (w *watcher) release() { w.once.Do(func() { close(w.seen) }) }

// TestWaiting: after two seconds, the program says what it is waiting for.
func TestWaiting(t *testing.T) {
	t.Parallel()
	stderr := &watcher{text: "Still waiting for AWS and Fly", seen: make(chan struct{})}
	p := newProgram(t, func(c sandbox.Call) sandbox.Fault {
		if c.Action != "GetCallerIdentity" {
			return sandbox.Fault{}
		}
		return sandbox.Fault{Before: func() { <-stderr.seen }}
	})
	c, _ := p.command("plan", "-o", "acme")
	c.Stderr = stderr
	_ = c.Run()
	stderr.release()
	if exit := c.ProcessState.ExitCode(); exit != 0 {
		t.Errorf("exit code is %d:\n%s", exit, &stderr.all)
	}
}

// TestWrittenButNotChecked: if everything was written but reading back fails, the hint
// says so.
func TestWrittenButNotChecked(t *testing.T) {
	t.Parallel()
	var attached atomic.Bool
	p := newProgram(t, func(c sandbox.Call) sandbox.Fault {
		switch {
		case c.Action == "AttachRolePolicy":
			attached.Store(true)
		case attached.Load() && !c.Write:
			return sandbox.Deny()
		}
		return sandbox.Fault{}
	})
	out, exit := p.run(t, setupArgs...)
	if exit != 4 || !strings.Contains(out, "→ everything was written; run the same command again to have it checked") {
		t.Errorf("exit code is %d:\n%s", exit, out)
	}
	if strings.Contains(out, "picks up where it stopped") {
		t.Errorf("it says that something is left to do:\n%s", out)
	}
}

// TestSameWarnings: a plan shows the same warnings, byte for byte, when it is made, when
// it is applied from a file, and when it is made again.
func TestSameWarnings(t *testing.T) {
	t.Parallel()
	p := newProgram(t, nil)
	p.world.AddMachine("acme", "api", "cold-shape-2007")
	p.world.SetSecrets("web", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_PROFILE", "AWS_ENDPOINT_URL_S3", "AWS_ROLE_ARN")
	if err := os.Mkdir(filepath.Join(p.dir, "api"), 0o700); err != nil {
		t.Fatal(err)
	}
	for file, content := range map[string]string{
		"fly.toml":     "app = 'web'\n[env]\nAWS_REGION = 'auto'\nAWS_PROFILE = 'x'\nAWS_SESSION_TOKEN = 'x'\n",
		"api/fly.toml": "app = 'api'\n",
	} {
		if err := os.WriteFile(filepath.Join(p.dir, file), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, env := range map[string][]string{
		"signed in":      nil,
		"not signed in":  {"FLY_API_TOKEN=", "HOME=" + t.TempDir()},
		"token refused":  {"FLY_API_TOKEN=fo1_revoked_long_ago"},
		"wrong endpoint": {"FLY_API_BASE_URL=http://api.example.com"},
	} {
		q := *p
		q.env = append(slices.Clone(p.env), env...)
		plan := []string{"plan", "-o", "acme", "-c", ".", "-c", "api", "--prove", "--out", name + ".json"}
		planned, _ := q.run(t, plan...)
		applied, exit := q.run(t, "apply", name+".json")
		again, _ := q.run(t, plan...)
		want := warnings(planned)
		if exit != 0 || strings.Count(want, "\n! ") < 3 {
			t.Fatalf("%s: apply exits %d, and the plan shows:\n%s", name, exit, planned)
		}
		if got := warnings(applied); got != want {
			t.Errorf("%s: the plan has the warnings\n%sand from a file\n%s", name, want, got)
		}
		if got := warnings(again); requestID.ReplaceAllString(got, "") != requestID.ReplaceAllString(want, "") {
			t.Errorf("%s: the plan has the warnings\n%sand made again\n%s", name, want, got)
		}
	}
}

// requestID is different in each response from Fly.
var requestID = regexp.MustCompile(`request \S+`)

// warnings returns the lines of an output that belong to warnings.
func warnings(out string) string {
	lines, in := "\n", false
	for line := range strings.Lines(out) {
		in = strings.HasPrefix(line, "! ") || in && (strings.HasPrefix(line, "    ") || strings.HasPrefix(line, "  → "))
		if in {
			lines += line
		}
	}
	return lines
}
