package cmd_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fly-aws/fly-aws/cmd"
	"github.com/fly-aws/fly-aws/internal/sandbox"
)

// A fakeMachine is a Fly Machine of the app web, whose role is set up.
type fakeMachine struct {
	*program
	socket string            // the real one
	env    map[string]string // the machine's; AWS_ENDPOINT_URL and the like are set in the test's process
	offset time.Duration     // of the machine's clock; Sleep adds to it
	slept  func(n int)       // called when the program has slept n times
	argv   []string          // the command that was run
	exec   []string          // its environment
}

func newMachine(t *testing.T) *fakeMachine {
	t.Helper()
	p := newProgram(t, nil)
	p.world.AddMachine("acme", "web", "cold-shape-2007")
	if out, exit := p.run(t, slices.Concat(setupArgs, []string{"--no-patch"})...); exit != 0 {
		t.Fatalf("setup exits %d:\n%s", exit, out)
	}
	m := &fakeMachine{program: p, env: map[string]string{
		"FLY_APP_NAME": "web", "FLY_MACHINE_ID": "9080e6f3a12345", "AWS_REGION": "us-east-1",
		"AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/fly-acme-web",
	}}
	for _, v := range p.env {
		name, value, _ := strings.Cut(v, "=")
		if name == "FLY_AWS_SOCKET" {
			m.socket = value
		}
		if strings.HasPrefix(name, "AWS_") { // the AWS SDK reads the process's own environment
			t.Setenv(name, value)
		}
	}
	return m
}

func (m *fakeMachine) main(args ...string) (out string, exit int) {
	var environ []string
	for name, value := range m.env {
		environ = append(environ, name+"="+value)
	}
	var buf bytes.Buffer
	sleeps := 0
	exit = cmd.Main(context.Background(), cmd.System{
		Stdin: strings.NewReader(""), Stdout: &buf, Stderr: &buf,
		Getenv: func(name string) string { return m.env[name] }, Environ: environ,
		Dir: m.dir, Now: func() time.Time { return time.Now().Add(m.offset) },
		Sleep: func(_ context.Context, d time.Duration) {
			m.offset += d
			sleeps++
			if m.slept != nil {
				m.slept(sleeps)
			}
		},
		Exec: func(_ string, argv, env []string) error { m.argv, m.exec = argv, env; return nil },
		Size: func() (columns, rows int) { return 80, 24 },
	}, args)
	return buf.String(), exit
}

// TestCredentialsWaitAtBoot: Fly's init creates the socket and the token file a few
// seconds after a machine's first process has started.
func TestCredentialsWaitAtBoot(t *testing.T) {
	for _, appears := range []string{"socket", "token file", "neither"} {
		for _, command := range [][]string{{"credentials"}, {"exec"}} {
			t.Run(command[0]+", "+appears, func(t *testing.T) {
				m := newMachine(t)
				socket, file := filepath.Join(m.dir, "api"), filepath.Join(m.dir, "token")
				m.env["AWS_WEB_IDENTITY_TOKEN_FILE"] = file
				m.slept = func(n int) {
					var err error
					switch {
					case n == 3 && appears == "socket":
						err = os.Symlink(m.socket, socket)
					case n == 3 && appears == "token file":
						var token string
						token, err = m.world.Mint(sandbox.TokenRequest{Org: "acme", App: "web", Machine: "cold-shape-2007", Audience: "sts.amazonaws.com"})
						if err == nil {
							err = os.WriteFile(file, []byte(token), 0o600)
						}
					}
					if err != nil {
						t.Fatal(err)
					}
				}
				args := slices.Concat(command, []string{"--socket", socket})
				if command[0] == "exec" {
					args = append(args, "--", os.Args[0])
				}
				out, exit := m.main(args...)
				if came := appears != "neither"; came != (exit == 0) {
					t.Errorf("exit code %d:\n%s", exit, out)
				}
				if m.offset < time.Second || m.offset > 30*time.Second {
					t.Errorf("it waited %s", m.offset)
				}
			})
		}
	}
}

// TestExecClearsCredentials: variables in the machine's environment that select other
// credentials are not passed to the command.
func TestExecClearsCredentials(t *testing.T) {
	m := newMachine(t)
	others := []string{
		"AWS_SECURITY_TOKEN", "AWS_ACCESS_KEY", "AWS_SECRET_KEY", "AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_SESSION_NAME",
	}
	for _, name := range others {
		if m.env[name] == "" {
			m.env[name] = "other"
		}
	}
	if out, exit := m.main("exec", "--socket", m.socket, "--", os.Args[0]); exit != 0 {
		t.Fatalf("exit code %d:\n%s", exit, out)
	}
	for _, assignment := range m.exec {
		if name, _, _ := strings.Cut(assignment, "="); slices.Contains(others, name) {
			t.Errorf("the command sees %s", assignment)
		}
	}
	if !slices.ContainsFunc(m.exec, func(s string) bool { return strings.HasPrefix(s, "AWS_SESSION_TOKEN=") }) {
		t.Errorf("the command has no credentials: %q", m.exec)
	}
}

// TestDoctorReadsRegularFiles: a pipe as the token file would block it forever.
func TestDoctorReadsRegularFiles(t *testing.T) {
	m := newMachine(t)
	pipe, file, link := filepath.Join(m.dir, "pipe"), filepath.Join(m.dir, "file"), filepath.Join(m.dir, "link")
	if out, err := exec.CommandContext(t.Context(), "mkfifo", pipe).CombinedOutput(); err != nil {
		t.Skipf("%v: %s", err, out)
	}
	m.file(t, "file", "not a token")
	if err := os.Symlink(file, link); err != nil {
		t.Skip(err)
	}
	for path, want := range map[string]string{
		pipe:  "✗ token file  the token file cannot be read: " + pipe + " is not a regular file\n",
		m.dir: "✗ token file  the token file cannot be read: " + m.dir + " is not a regular file\n",
		link:  "✗ token file  the text in " + link + " has white space inside",
	} {
		m.env["AWS_WEB_IDENTITY_TOKEN_FILE"] = path
		out, exit := m.main("doctor", "--socket", m.socket, "--user", "0", "--wait=1s")
		if exit != 3 || !strings.Contains(out, want) {
			t.Errorf("exit code %d, without %q:\n%s", exit, want, out)
		}
	}
}

// TestDoctorComparesTheClock: AWS refuses calls that are signed with a wrong clock.
func TestDoctorComparesTheClock(t *testing.T) {
	m := newMachine(t)
	for offset, want := range map[time.Duration]string{
		0:          "✓ clock ",
		-time.Hour: "✗ clock ",
		time.Hour:  "✗ clock ",
	} {
		m.offset = offset
		out, exit := m.main("doctor", "--socket", m.socket)
		if !strings.Contains(out, want) {
			t.Errorf("a clock that is off by %s lacks %q:\n%s", offset, want, out)
		}
		if wrong := offset != 0; wrong && exit != 3 {
			t.Errorf("a clock that is off by %s: exit code %d", offset, exit)
		}
	}
}

// TestDoctorTakesTheAppsEnvironment: it runs again with the same flags, and checks the
// machine even if the environment does not say that it is one.
func TestDoctorTakesTheAppsEnvironment(t *testing.T) {
	m := newMachine(t)
	out, exit := m.main("doctor", "--app-environment", "--json", "--socket", "/.fly/api")
	switch {
	case m.argv == nil: // this system has no such process, or hides it
		if exit != 1 || !strings.Contains(out, "the environment of the app's process is not known: ") {
			t.Errorf("exit code %d:\n%s", exit, out)
		}
	case !slices.Equal(m.argv, []string{"fly-aws", "doctor", "--socket=/.fly/api", "--json=true"}):
		t.Errorf("it runs %q", m.argv)
	}
}
