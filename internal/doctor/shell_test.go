package doctor_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fly-aws/fly-aws/internal/doctor"
)

// TestShell runs the script on processes that are files.
func TestShell(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip(err)
	}
	const app = "PATH=/bin\x00AWS_ROLE_ARN=arn:aws:iam::123456789012:role/a b=c\x00AWS_SECRET_ACCESS_KEY=" + chainSecret +
		"\x00AWS_REGION=auto\x00NOTE=two\nAWS_SESSION_TOKEN=" + chainSecret + "\x00XAWS_ROLE_ARN=x\x00"
	for name, test := range map[string]struct {
		processes []string // command and environment
		want      string
	}{
		"one":       {[]string{"/app/web\x00", app}, "map[AWS_REGION:auto AWS_ROLE_ARN:arn:aws:iam::123456789012:role/a b=c] [AWS_REGION AWS_ROLE_ARN AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN]"},
		"alike":     {[]string{"/app/web\x00", app, "/app/cron\x00-x\x00", app}, "map[AWS_REGION:auto AWS_ROLE_ARN:arn:aws:iam::123456789012:role/a b=c] [AWS_REGION AWS_ROLE_ARN AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN]"},
		"different": {[]string{"/app/web\x00", app, "/app/cron\x00", "A=1\x00"}, "none"},
		"no AWS":    {[]string{"/app/web\x00", "A=1\x00"}, "map[] []"},
		"Fly's own": {[]string{"/.fly/hallpass\x00", app, "/fly/hallpass\x00", app, "sh\x00-c\x00x\x00fly-aws-doctor\x00/proc\x00", app, "", ""}, "none"},
		"nothing":   {nil, "none"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			proc := t.TempDir()
			write := func(pid, file, content string) {
				if err := os.MkdirAll(filepath.Join(proc, pid), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(proc, pid, file), []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			write("1", "status", "Name:\tinit\nPPid:\t0\n")
			write("7", "status", "Name:\tchild\nPPid:\t10\n")
			for i := 0; i < len(test.processes); i += 2 {
				pid := fmt.Sprint(10 + i)
				write(pid, "status", "Name:\tx\nPPid:\t1\nUid:\t0\n")
				write(pid, "cmdline", test.processes[i])
				write(pid, "environ", test.processes[i+1])
			}
			argv := doctor.ShellCommand(proc)
			out, err := exec.CommandContext(t.Context(), argv[0], argv[1:]...).CombinedOutput()
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			if strings.Contains(string(out), chainSecret) {
				t.Errorf("it prints a secret:\n%s", out)
			}
			got := "none"
			if p := doctor.ReadProcess(string(out)); p != nil {
				got = fmt.Sprint(p.Values, p.Names)
			}
			if got != test.want {
				t.Errorf("got %s\nwant %s\nfrom %q", got, test.want, out)
			}
		})
	}
}
