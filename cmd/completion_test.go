//go:build unix

package cmd_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fly-aws/fly-aws/cmd"
	"github.com/fly-aws/fly-aws/internal/sandbox"
	"github.com/fly-aws/fly-aws/internal/terminal"
)

// TestShellsComplete: in a real shell, Tab completes a command, a flag and the name of an
// app, and the shell then runs what it completed.
func TestShellsComplete(t *testing.T) {
	t.Parallel()
	skipPrograms(t)
	const bashCompletion = "/usr/share/bash-completion/bash_completion"
	for _, shell := range []struct {
		name  string
		start []string
		load  string
		file  string // that the script needs, if any
	}{
		{"bash", []string{"--noprofile", "--norc", "-i"}, "source " + bashCompletion + "; source <(fly-aws completion bash)", bashCompletion},
		{"zsh", []string{"-f", "-i"}, "autoload -Uz compinit; compinit -u -D; source <(fly-aws completion zsh)", ""},
		{"fish", []string{"--no-config", "--private"}, "fly-aws completion fish | source", ""},
	} {
		t.Run(shell.name, func(t *testing.T) {
			t.Parallel()
			path, err := exec.LookPath(shell.name)
			if err != nil {
				t.Skipf("%s is missing: %v", shell.name, err)
			}
			if shell.file != "" {
				if _, err := os.Stat(shell.file); err != nil {
					t.Skipf("the completions of %s need it: %v", shell.name, err)
				}
			}
			w := &sandbox.World{}
			w.AddOrg("acme", "$(touch evil) `touch evil`; touch evil; 'touch evil")
			w.AddOrg("acne", "$(touch evil)")
			for _, app := range []string{"web", "api", "worker"} {
				w.AddApp("acme", app)
			}
			p := newAsking(t, w)
			p.env = append(p.env, "PATIENT=1", "HISTFILE=", "PS1=$ ")
			s := p.sitAtShell(t, path, shell.start...)
			s.press("", shell.load+` && echo rea""dy`+enter)
			s.press("ready", "fly-aws pla\t")
			s.press("fly-aws plan", "--no-pat\t")
			s.press("plan --no-patch", "--app wor\t")
			s.press("--app worker", "-o acm\t")
			s.press("-o acme", enter)
			s.see("+ role fly-acme-worker")
			if screen := s.Screen(); strings.Contains(screen, "rror") {
				t.Errorf("there is an error on the terminal:\n%s", screen)
			}

			// What organizations are called is shown beside them, and not run.
			s = p.sitAtShell(t, path, shell.start...)
			s.press("", shell.load+` && echo rea""dy`+enter)
			s.press("ready", "fly-aws plan -o ac\t\t")
			s.see("touch evil")
			if _, err := os.Stat(filepath.Join(p.dir, "evil")); err == nil {
				t.Error("the shell ran what an organization is called")
			}
		})
	}
}

// sitAtShell starts a shell at a terminal.
func (p *program) sitAtShell(t *testing.T, path string, args ...string) *sitting {
	t.Helper()
	term, err := terminal.Open(120, 40)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := term.Close(); err != nil {
			t.Error(err)
		}
	})
	c := exec.CommandContext(context.Background(), path, args...)
	c.Dir, c.Env = p.dir, p.env
	if err := term.Start(c); err != nil {
		t.Fatal(err)
	}
	return &sitting{Terminal: term, t: t, program: p}
}

// TestCompletionEnds: when AWS and Fly do not answer in time, nothing is offered, and what
// needs neither still is.
func TestCompletionEnds(t *testing.T) {
	t.Parallel()
	slow := sandbox.Latency(time.Hour)
	w := &sandbox.World{
		Fault:    func(sandbox.Call) sandbox.Fault { return slow },
		FlyFault: func(sandbox.FlyCall) sandbox.FlyFault { return sandbox.FlyFault{Fault: slow} },
	}
	w.AddApp("acme", "web")
	p := newAsking(t, w)
	for line, want := range map[string]string{
		"setup --app": ":4\n", "setup --org": ":4\n", "setup --policy": ":4\n", "lint --role": ":4\n", "patch --role-arn": ":4\n",
		"audit --fail-on": "warning\nerror\nnever\n:4\n",
	} {
		var out, errOut bytes.Buffer
		exit := cmd.Main(t.Context(), cmd.System{
			Stdin: strings.NewReader("y\n"), Stdout: &out, Stderr: &errOut, StdinTTY: true, StdoutTTY: true,
			Getenv: p.getenv, Dir: p.dir, Home: p.dir,
			Now:   time.Now,
			Sleep: func(context.Context, time.Duration) {}, // the time is over
			Size:  func() (columns, rows int) { return 80, 24 },
		}, append([]string{"__complete"}, append(strings.Fields(line), "")...))
		if exit != 0 || out.String() != want {
			t.Errorf("%s: exit %d, got %q, want %q", line, exit, &out, want)
		}
		if got := errOut.String(); got != "Completion ended with directive: ShellCompDirectiveNoFileComp\n" {
			t.Errorf("%s: on standard error is %q", line, got)
		}
	}
}

// TestCompletionCalls: a completion makes the one call that it needs, if any.
func TestCompletionCalls(t *testing.T) {
	t.Parallel()
	w := &sandbox.World{}
	w.AddApp("acme", "web")
	p := newAsking(t, w)
	p.env = append(p.env, "PATIENT=1")
	for _, line := range []string{"setup -a", "setup --org", "setup --policy", "setup --role", "setup --profile", "setup --region", "setup --pre"} {
		c, _ := p.command(append([]string{"__complete"}, append(strings.Fields(line), "")...)...)
		if err := c.Run(); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
	}
	var calls []string
	for _, call := range w.Calls() {
		calls = append(calls, call.Action)
	}
	for _, call := range w.FlyCalls() {
		calls = append(calls, strings.Join(call.Fields, ","))
	}
	if got := strings.Join(calls, " "); got != "ListPolicies ListRoles apps organizations" {
		t.Errorf("calls are %s", got)
	}
}
