package cmd_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/fly-aws/fly-aws/cmd"
	"github.com/fly-aws/fly-aws/internal/sandbox"
)

const flyTOML = "app = \"web\"\n\n[env]\n  LOG = \"info\"\n"

var setupArgs = []string{"setup", "--org", "acme", "--app", "web", "--policy", "AmazonS3ReadOnlyAccess", "--yes"}

// skipPrograms skips a test that runs many programs in short mode, which is for the race
// detector: it slows them down, and sees nothing that TestScripts does not show it.
func skipPrograms(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("runs many programs; not in short mode")
	}
}

// A program is the built program, with its own folder and its own world.
type program struct {
	world *sandbox.World
	env   []string
	dir   string
}

func newProgram(t *testing.T, fault func(sandbox.Call) sandbox.Fault) *program {
	t.Helper()
	return newProgramIn(t, &sandbox.World{Fault: fault})
}

func newProgramIn(t *testing.T, world *sandbox.World) *program {
	t.Helper()
	p := &program{world: world, dir: t.TempDir()}
	p.world.AddApp("acme", "web")
	server, err := p.world.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	p.env = append(os.Environ(), server.Env()...)
	p.env = append(p.env, "LANG=C.UTF-8", "NO_COLOR=1")
	p.write(t, flyTOML)
	return p
}

func (p *program) write(t *testing.T, text string) {
	t.Helper()
	p.file(t, "fly.toml", text)
}

func (p *program) file(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// read is the text of a file of the folder.
func (p *program) read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(p.dir, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// getenv is a variable of the program's environment, where the last one counts.
func (p *program) getenv(name string) string {
	value := ""
	for _, assignment := range p.env {
		if v, ok := strings.CutPrefix(assignment, name+"="); ok {
			value = v
		}
	}
	return value
}

// roles returns the trust policies of the roles that fly-aws created, by role name.
func (p *program) roles(t *testing.T) map[string]string {
	t.Helper()
	client := iam.New(iam.Options{
		Region:       "us-east-1",
		BaseEndpoint: aws.String(p.getenv("AWS_ENDPOINT_URL")),
		Credentials:  credentials.NewStaticCredentialsProvider(sandbox.AccessKeyID, sandbox.SecretAccessKey, ""),
	})
	out, err := client.ListRoles(t.Context(), &iam.ListRolesInput{PathPrefix: aws.String("/")})
	if err != nil {
		t.Fatal(err)
	}
	roles := map[string]string{}
	for _, r := range out.Roles {
		if !strings.HasPrefix(*r.Path, "/aws-service-role/") {
			trust, err := url.QueryUnescape(*r.AssumeRolePolicyDocument)
			if err != nil {
				t.Fatal(err)
			}
			roles[*r.RoleName] = trust
		}
	}
	return roles
}

// wrote returns the write calls since the nth call.
func (p *program) wrote(n int) []string {
	var actions []string
	for _, c := range p.world.Calls()[n:] {
		if c.Write {
			actions = append(actions, c.Action)
		}
	}
	return actions
}

func (p *program) command(args ...string) (*exec.Cmd, *bytes.Buffer) {
	c := exec.CommandContext(context.Background(), "fly-aws", args...) // TestMain puts it in PATH
	c.Dir, c.Env = p.dir, p.env
	out := &bytes.Buffer{}
	c.Stdout, c.Stderr = out, out
	return c, out
}

func (p *program) run(t *testing.T, args ...string) (out string, exit int) {
	t.Helper()
	c, buf := p.command(args...)
	err := c.Run()
	if exitErr := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exitErr) {
		t.Fatal(err)
	}
	return buf.String(), c.ProcessState.ExitCode()
}

// succeeded returns how often each writing action succeeded.
func succeeded(w *sandbox.World) map[string]int {
	n := map[string]int{}
	for _, c := range w.Calls() {
		if c.Write && c.Code == "" && c.Status != 0 {
			n[c.Action]++
		}
	}
	return n
}

// TestKilledAnywhere kills the program at each of its AWS calls, before and after the
// call's effect, and runs it again: it converges, does nothing twice and loses nothing.
func TestKilledAnywhere(t *testing.T) {
	t.Parallel()
	skipPrograms(t)
	const patched = flyTOML + "  AWS_ROLE_ARN = \"arn:aws:iam::123456789012:role/fly-acme-web\"\n"
	for _, tt := range []struct {
		name        string
		first, args []string // first is run before, without being killed
		calls       int      // the program makes at least as many
		roles       int
		flyTOML     string
	}{
		{"setup", nil, setupArgs, 10, 1, patched},
		{"destroy", setupArgs, []string{"destroy", "--org", "acme", "--app", "web", "--yes"}, 10, 0, flyTOML},
	} {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/after=%v", tt.name, after), func(t *testing.T) {
				t.Parallel()
				for n := 1; ; n++ {
					var victim atomic.Pointer[os.Process]
					killed, from := false, 0
					p := newProgram(t, func(c sandbox.Call) sandbox.Fault {
						if victim.Load() == nil || c.N != from+n {
							return sandbox.Fault{}
						}
						kill := func() { killed = true; _ = victim.Load().Kill() }
						if after {
							return sandbox.Fault{After: kill}
						}
						return sandbox.Fault{Before: kill}.And(sandbox.DropBefore())
					})
					if tt.first != nil {
						if out, exit := p.run(t, tt.first...); exit != 0 {
							t.Fatalf("%v exits %d:\n%s", tt.first, exit, out)
						}
						from = len(p.world.Calls())
					}
					c, out := p.command(tt.args...)
					if err := c.Start(); err != nil {
						t.Fatal(err)
					}
					victim.Store(c.Process)
					_ = c.Wait()
					if !killed {
						if n < tt.calls {
							t.Fatalf("the program made only %d calls:\n%s", n-1, out)
						}
						break
					}

					name := fmt.Sprintf("killed at call %d", n)
					if out, exit := p.run(t, tt.args...); exit != 0 {
						t.Fatalf("%s: the next run exits %d:\n%s", name, exit, out)
					}
					if text := p.read(t, "fly.toml"); text != tt.flyTOML {
						t.Errorf("%s: fly.toml is %q", name, text)
					}
					if roles := p.roles(t); len(roles) != tt.roles {
						t.Errorf("%s: the roles are %v", name, roles)
					}
					if entries, err := os.ReadDir(p.dir); err != nil || len(entries) != 1 {
						t.Errorf("%s: the folder holds %v, %v", name, entries, err)
					}
					before := len(p.world.Calls())
					if out, exit := p.run(t, tt.args...); exit != 0 || !strings.Contains(out, "nothing to do") {
						t.Errorf("%s: the third run exits %d:\n%s", name, exit, out)
					}
					if wrote := p.wrote(before); len(wrote) > 0 {
						t.Errorf("%s: the third run calls %v", name, wrote)
					}
					for action, n := range succeeded(p.world) {
						if n > 1 {
							t.Errorf("%s: %s succeeded %d times", name, action, n)
						}
					}
				}
			})
		}
	}
}

// ended is what a run printed, and its exit code.
type ended struct {
	out  string
	exit int
}

// meanwhile makes a program that runs another command from beginning to end the first time
// that AWS is asked for an action, before the answer. result holds what came of it.
func meanwhile(t *testing.T, action string, args ...string) (p *program, result *ended) {
	t.Helper()
	var met atomic.Bool
	result = &ended{"it did not run", -1}
	p = newProgram(t, func(c sandbox.Call) sandbox.Fault {
		if c.Action != action || met.Swap(true) {
			return sandbox.Fault{}
		}
		return sandbox.Fault{Before: func() { result.out, result.exit = p.run(t, args...) }}
	})
	p.world.AddApp("acme", "api")
	p.file(t, "fly-aws.toml", "version = 1\nname = \"p\"\norg = \"acme\"\naccount = \"123456789012\"\n\n[apps.web]\nconfig = \"fly.toml\"\npolicies = [\"ReadOnlyAccess\"]\nallow.s3-write = [\"files\"]\n")
	return p, result
}

// TestTwoRunsAtOnce: while one run is in the middle of its writes, another of the same file
// runs from beginning to end. Both converge, and nothing is created twice.
func TestTwoRunsAtOnce(t *testing.T) {
	t.Parallel()
	for _, action := range []string{"CreateOpenIDConnectProvider", "CreateRole", "AttachRolePolicy", "PutRolePolicy"} {
		t.Run(action, func(t *testing.T) {
			t.Parallel()
			p, other := meanwhile(t, action, "apply", "--yes")
			if out, exit := p.run(t, "apply", "--yes"); exit != 0 || other.exit != 0 {
				t.Errorf("exit codes are %d and %d:\n%s\n%s", exit, other.exit, out, other.out)
			}
			for action, n := range succeeded(p.world) {
				if n > 1 && strings.HasPrefix(action, "Create") { // the others have the same effect again
					t.Errorf("%s succeeded %d times", action, n)
				}
			}
			before := len(p.world.Calls())
			if out, exit := p.run(t, "apply", "--yes"); exit != 0 || len(p.wrote(before)) > 0 {
				t.Errorf("another run exits %d:\n%s", exit, out)
			}
		})
	}
}

// TestTwoSetupsOfOneFile: of two runs that add to the same file at once, one is refused.
func TestTwoSetupsOfOneFile(t *testing.T) {
	t.Parallel()
	p, other := meanwhile(t, "GetOpenIDConnectProvider", "setup", "--app", "api", "--policy", "ReadOnlyAccess", "--no-patch", "--yes")
	out, exit := p.run(t, "setup", "--app", "web", "--policy", "SecurityAudit", "--yes")
	if other.exit != 0 {
		t.Errorf("the other run exits %d:\n%s", other.exit, other.out)
	}
	if exit != 1 || !strings.Contains(out, "fly-aws.toml changed after it was read; nothing was written") {
		t.Errorf("it exits %d:\n%s", exit, out)
	}
	if text := p.read(t, "fly-aws.toml"); !strings.Contains(text, "[apps.api]") || strings.Contains(text, "SecurityAudit") {
		t.Errorf("the file is\n%s", text)
	}
	if roles := p.roles(t); len(roles) != 1 || roles["fly-acme-api"] == "" {
		t.Errorf("the roles are %v", roles)
	}
}

// inside runs Main in this process, on a terminal if tty. The AWS SDK reads the
// process's own environment, so such a test cannot run in parallel.
func (p *program) inside(ctx context.Context, t *testing.T, stdin string, tty bool, args ...string) (out string, exit int) {
	t.Helper()
	for _, v := range p.env {
		if name, value, _ := strings.Cut(v, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, value)
		}
	}
	var buf bytes.Buffer
	exit = cmd.Main(ctx, cmd.System{
		Stdin: strings.NewReader(stdin), Stdout: &buf, Stderr: &buf,
		StdinTTY: tty, StdoutTTY: tty,
		Getenv: func(string) string { return "" },
		Dir:    p.dir, Now: time.Now, Sleep: func(context.Context, time.Duration) {},
		Size: func() (columns, rows int) { return 80, 24 },
	}, args)
	return buf.String(), exit
}

// TestInterruptedAtAWrite interrupts the program while a call is in flight: the call
// finishes, no other starts, the report says so, and the exit code is 130.
func TestInterruptedAtAWrite(t *testing.T) {
	ctx, interrupt := context.WithCancel(context.Background())
	defer interrupt()
	p := newProgram(t, func(c sandbox.Call) sandbox.Fault {
		if c.Action != "CreateRole" {
			return sandbox.Fault{}
		}
		return sandbox.Fault{Before: interrupt}
	})
	out, exit := p.inside(ctx, t, "", false, setupArgs...)
	if exit != 130 {
		t.Errorf("exit code is %d", exit)
	}
	for _, want := range []string{
		"2 done, 0 failed, 2 not reached:", "- policy AmazonS3ReadOnlyAccess", "- AWS_ROLE_ARN in fly.toml",
		"Error: interrupted", "run the same command again",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("it does not say %q:\n%s", want, out)
		}
	}
	if got := succeeded(p.world); got["CreateRole"] != 1 || got["AttachRolePolicy"] != 0 {
		t.Errorf("written: %v", got)
	}
}

// TestInterruptedWhileReading: before the first write, Ctrl-C ends it at once.
func TestInterruptedWhileReading(t *testing.T) {
	t.Parallel()
	var victim atomic.Pointer[os.Process]
	ended := make(chan struct{})
	p := newProgram(t, func(c sandbox.Call) sandbox.Fault {
		if c.Action != "GetCallerIdentity" {
			return sandbox.Fault{}
		}
		return sandbox.Fault{Before: func() { _ = victim.Load().Signal(os.Interrupt); <-ended }}
	})
	c, out := p.command(setupArgs...)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	victim.Store(c.Process)
	_ = c.Wait()
	close(ended)
	if exit := c.ProcessState.ExitCode(); exit != 130 || !strings.Contains(out.String(), "nothing was written") {
		t.Errorf("exit code is %d:\n%s", exit, out)
	}
}

// TestInterruptedBeforeThePlanIsRead: interrupted at its input, apply does not send for
// another plan.
func TestInterruptedBeforeThePlanIsRead(t *testing.T) {
	ctx, interrupt := context.WithCancel(context.Background())
	interrupt()
	out, exit := newProgram(t, nil).inside(ctx, t, "", false, "apply", "-")
	if exit != 130 || !strings.Contains(out, "nothing was written") || strings.Contains(out, "fly-aws plan") {
		t.Errorf("exit code is %d:\n%s", exit, out)
	}
}

// TestConfirmation: on a terminal, the default answer is no. Nothing else is missing, so
// nothing else is asked.
func TestConfirmation(t *testing.T) {
	for answer, applied := range map[string]bool{"\n": false, "n\n": false, "yess\n": false, "": false, "y\n": true, "YES\n": true} {
		p := newProgram(t, nil)
		args := slices.DeleteFunc(slices.Clone(setupArgs), func(s string) bool { return s == "--yes" })
		args = append(args, "--aws-region", "eu-central-1")
		out, exit := p.inside(context.Background(), t, answer, true, args...)
		if !strings.Contains(out, "Apply this plan? [y/N] ") {
			t.Errorf("it does not ask:\n%s", out)
		}
		if written := len(succeeded(p.world)) > 0; written != applied || (exit == 0) != applied {
			t.Errorf("answer %q: exit %d, written %v:\n%s", answer, exit, written, out)
		}
	}
}

// TestHostileAnswers: whatever a server returns, none of its control characters reach
// the terminal, and the program ends with an error.
func TestHostileAnswers(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]http.HandlerFunc{
		"escapes in an error": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, "<ErrorResponse><Error><Code>AccessDenied</Code><Message>User: \u009b31m\u202e&#x9b;evil is not authorized to perform: iam:\u0085GetRole</Message></Error></ErrorResponse>")
		},
		"HTML":  func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>\x1b[31mhello") },
		"empty": func(http.ResponseWriter, *http.Request) {},
		"not XML 404": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, "\x1b]0;x\a{}")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(answer)
			t.Cleanup(server.Close)
			p := newProgram(t, nil)
			p.env = append(p.env, "AWS_ENDPOINT_URL="+server.URL)
			out, exit := p.run(t, "plan", "--org", "acme", "--verbose")
			if exit == 0 || exit == 3 {
				t.Errorf("exit code is %d", exit)
			}
			if i := strings.IndexFunc(out, func(r rune) bool { return r != '\n' && (r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u202e') }); i >= 0 {
				t.Errorf("output has %q:\n%q", out[i], out)
			}
		})
	}
}

// TestSecretsStayInside: no command shows a secret key or a token unless asked to with
// --raw, credentials or exec, even with --verbose or when it fails.
func TestSecretsStayInside(t *testing.T) {
	t.Parallel()
	var denied atomic.Bool
	p := newProgram(t, func(c sandbox.Call) sandbox.Fault {
		if denied.Load() && (c.Action == "CreateRole" || c.Action == "AssumeRoleWithWebIdentity") {
			return sandbox.Deny()
		}
		return sandbox.Fault{}
	})
	p.world.AddMachine("acme", "web", "cold-shape-2007")
	role := "arn:aws:iam::123456789012:role/fly-acme-web"
	p.env = append(p.env, "AWS_ROLE_ARN="+role, "AWS_WEB_IDENTITY_TOKEN_FILE=token.jwt")
	commands := [][]string{
		{"plan", "--org", "acme", "--verbose"},
		{"plan", "--org", "acme", "--verbose", "--json"},
		{"setup", "--org", "acme", "--verbose", "--yes"},
		{"setup", "--org", "acme", "--app", "new", "--no-patch", "--verbose", "--yes"},
		{"token"},
		{"token", "--json"},
		{"token", "inspect"},
		{"token", "inspect", "token.jwt", "--json"},
		{"token", "inspect", "half.jwt"},
		{"token", "verify", "token.jwt"},
		{"token", "verify", "half.jwt"},
		{"token", "verify", "token.jwt", "--aud", "other", "--json"},
		{"token", "exchange", "--verbose", "--wait", "0s"},
		{"token", "exchange", "--json", "--verbose", "--wait", "0s"},
		{"token", "exchange", "--role-arn", role + "x", "--wait", "0s", "--verbose"},
		{"token", "exchange", "--token", "half.jwt", "--wait", "0s"},
		{"credentials", "--token", "half.jwt", "--verbose"},
		{"credentials", "--role-arn", role + "x", "--verbose"},
		{"exec", "--role-arn", role + "x", "--", "env"},
		{"exec", "--token", "half.jwt", "--", "env"},
		{"token", "verify", "token.jwt", "--jwks", "token.jwt"},
		{"token", "--socket", "fly.toml"},
		{"token", "exchange", "--socket", "fly.toml", "--aud", "other"},
		{"explain", "--role", "fly-acme-web", "--verbose"},
		{"explain", "--role", "fly-acme-web", "--token", "token.jwt", "--json"},
		{"explain", "--role", "fly-acme-web", "--token", "half.jwt"},
		{"explain", "--role", "token.jwt", "--claims", "token.jwt"},
		{"doctor", "--verbose"},
		{"doctor", "--json"},
		{"doctor", "--exec"},
		{"doctor", "--app", "web", "--exec", "--json", "--verbose"},
		{"demo"},
	}
	// Set up first, so that there are secrets to leak.
	if out, exit := p.run(t, "setup", "--org", "acme", "--yes"); exit != 0 {
		t.Fatal(out)
	}
	raw, exit := p.run(t, "token", "--raw")
	token := strings.TrimSpace(raw)
	if exit != 0 || strings.Count(token, ".") != 2 {
		t.Fatal("there is no token")
	}
	for name, text := range map[string]string{"token.jwt": token, "half.jwt": token[:len(token)-7]} {
		if err := os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	secrets := regexp.MustCompile(`eyJ[A-Za-z0-9_-]{8}|IQoJ[A-Z0-9]{8}|AWS4-HMAC-SHA256|(^|[^A-Za-z0-9/+=:])[A-Za-z0-9/+]{40}([^A-Za-z0-9/+=]|$)`)
	for _, fails := range []bool{false, true} {
		denied.Store(fails)
		for _, args := range commands {
			out, _ := p.run(t, args...)
			if found := secrets.FindString(out); found != "" || strings.Contains(out, sandbox.SecretAccessKey) {
				t.Errorf("fly-aws %s shows a secret, %.12s…", strings.Join(args, " "), found)
			}
			if out == "" {
				t.Errorf("fly-aws %s says nothing", strings.Join(args, " "))
			}
		}
	}
}
