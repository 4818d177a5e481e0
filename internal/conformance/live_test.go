package conformance

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/fly-aws/fly-aws/internal/sandbox"
)

// live runs .ci/live in a sandbox, with a stand-in for fly, and returns its output, its
// exit code and the report. before is put before its command line.
func live(t *testing.T, world *sandbox.World, before string) (s *standIn, out, report string, code int) {
	t.Helper()
	need(t, "bash", "aws", "awk")
	s = newStandIn(t, world)
	dir := t.TempDir()
	script, err := filepath.Abs(filepath.Join("..", "..", ".ci", "live"))
	if err != nil {
		t.Fatal(err)
	}
	program, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	// The machines of the stand-in run this computer's program.
	if err := os.MkdirAll(filepath.Join(dir, "bin", "linux"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"bin/fly-aws", "bin/linux/fly-aws"} {
		if err := os.Symlink(program, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	line := script + " --org acme --prefix live --region eu-central-1 --bin bin --report report.md --yes"
	out, code = s.shell(dir, []string{"TMPDIR=" + dir}, before+line)
	if b, err := os.ReadFile(filepath.Join(dir, "report.md")); err == nil {
		report = string(b)
	}
	left, err := filepath.Glob(filepath.Join(dir, "tmp.*"))
	if err != nil || len(left) > 0 {
		t.Errorf("it leaves %q behind, %v", left, err)
	}
	return s, out, report, code
}

// TestLive runs every step of the acceptance test. The stand-in for fly differs from flyctl
// in what it builds and starts: nothing.
func TestLive(t *testing.T) {
	t.Parallel()
	var world sandbox.World
	s, out, report, code := live(t, &world, "")
	if code != 0 || strings.Count(report, "| passed |") != 13 || strings.Contains(report, "failed") {
		t.Fatalf("exit code %d:\n%s", code, out)
	}
	if !strings.Contains(report, "**This ran in fly-aws's sandbox, not on AWS and Fly.**") {
		t.Errorf("the report does not say that it is the sandbox's:\n%s", report)
	}
	if found := regexp.MustCompile(`\d{12}|acme|arn:`).FindString(report); found != "" {
		t.Errorf("the report has %q:\n%s", found, report)
	}
	secret := regexp.MustCompile(`eyJ|ASIA[A-Z0-9]{12}|` + regexp.QuoteMeta(sandbox.SecretAccessKey) + `|` + regexp.QuoteMeta(sandbox.FlyToken))
	if found := secret.FindString(out); found != "" {
		t.Errorf("it prints %q:\n%s", found, out)
	}
	if !slices.Equal(s.destroyed, []string{"live", "live-neighbor"}) || len(s.apps) > 0 {
		t.Errorf("destroyed %q, left %d apps", s.destroyed, len(s.apps))
	}
}

// TestLiveCleansUp: a step that fails, or a signal, leaves nothing behind.
func TestLiveCleansUp(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, command, then string // what a command of fly's does
		code                int
		failed              string // the step that the report names; "" if there is no report
	}{
		{"exchange", "ssh", "exit 1", 1, "`fly-aws token exchange` in a machine: AWS accepts the token"},
		{"create", "apps create live-neighbor", "exit 1", 1, "Two apps on Fly"},
		{"signal", "deploy", "kill -TERM $PPID", 130, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var world sandbox.World
			// A fly in front of the stand-in.
			broken := `mkdir -p broken && printf '%s\n' '#!/bin/sh' 'case "$*" in "` + tt.command + `"*) ` + tt.then + ` ;; esac' "exec $(command -v fly) \"\$@\"" >broken/fly &&
chmod +x broken/fly && PATH=$PWD/broken:$PATH `
			s, out, report, code := live(t, &world, broken)
			if code != tt.code || strings.Contains(report, "| "+tt.failed+" | **failed** |") != (tt.failed != "") {
				t.Errorf("exit code %d:\n%s", code, out)
			}
			if len(s.apps) > 0 {
				t.Errorf("apps are left: %v\n%s", s.apps, out)
			}
			said, code := s.shell(t.TempDir(), nil, "aws iam list-roles --query 'Roles[].RoleName' && aws iam list-open-id-connect-providers --query 'OpenIDConnectProviderList[].Arn'")
			if code != 0 || strings.Contains(said, "fly") {
				t.Errorf("AWS has:\n%s\n%s", said, out)
			}
		})
	}
}

// TestLiveAsks: without --yes nothing is called.
func TestLiveAsks(t *testing.T) {
	t.Parallel()
	need(t, "bash")
	w := &world{t: t, dir: t.TempDir()}
	script, err := filepath.Abs(filepath.Join("..", "..", ".ci", "live"))
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"--org", "acme", "--prefix", "live", "--region", "eu-central-1"},
		{"--org", "acme", "--prefix", "$(x)", "--region", "eu-central-1", "--yes"},
		{"--org", "acme", "--yes"},
	} {
		if r := w.exec(append(environ(w.dir), "PATH="+os.Getenv("PATH")), script, args...); r.code != 2 || r.stdout != "" {
			t.Errorf("exit code %d: %s", r.code, r)
		}
	}
}
