package conformance

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/fly-aws/fly-aws/internal/sandbox"
)

// inMachine runs a command line in a machine of the app web, whose role is in AWS_ROLE_ARN,
// with tokens and credentials that last a few seconds. It wants three lines: the role's
// session, and another key each time.
func inMachine(t *testing.T, dir string, env []string, args ...string) {
	t.Helper()
	w := sandbox.World{TokenLifetime: shortLifetime, CredentialsLifetime: shortLifetime}
	w.AddMachine("acme", "web", "cold-shape-2007")
	server, err := w.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	client := &world{t: t, dir: dir}
	env = append(append(append(environ(dir), server.Env()...), "HOME="+dir), env...)
	if r := client.exec(env, path, "setup", "--org", "acme", "--app", "web", "--no-patch", "--yes"); r.code != 0 {
		t.Fatal(r)
	}
	env = append(env, "AWS_ROLE_ARN=arn:aws:iam::123456789012:role/fly-acme-web")
	env = slices.DeleteFunc(env, func(s string) bool {
		name, value, _ := strings.Cut(s, "=")
		return value == "" || name == "AWS_ACCESS_KEY_ID" || name == "AWS_SECRET_ACCESS_KEY" // botocore looks for the profile ""
	})
	r := client.exec(env, path, args...)
	keys := map[string]bool{}
	for line := range strings.Lines(r.stdout) {
		arn, key, _ := strings.Cut(strings.TrimSpace(line), " ")
		if !strings.HasPrefix(arn, "arn:aws:sts::123456789012:assumed-role/fly-acme-web/") {
			t.Errorf("AWS says it is %s", arn)
		}
		keys[key] = true
	}
	if r.code != 0 || len(keys) != 3 {
		t.Errorf("exit code %d, %d keys: %s", r.code, len(keys), r)
	}
}

// botocore reads the file that token keep renews, for AWS.
func TestBotocoreFile(t *testing.T) {
	t.Parallel()
	need(t, "python3")
	if err := exec.CommandContext(t.Context(), "python3", "-c", "import botocore").Run(); err != nil {
		t.Skip("python3 has no botocore")
	}
	dir := t.TempDir()
	script, err := filepath.Abs(filepath.Join("testdata", "web_identity.py"))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "token")
	inMachine(t, dir, []string{"AWS_WEB_IDENTITY_TOKEN_FILE=" + file},
		"token", "keep", "--audience", "sts.amazonaws.com", "--out", file, "--", "python3", script, exchanges)
}

// AWS's SDK for JavaScript takes the credentials that exec --serve renews.
func TestJavaScriptServed(t *testing.T) {
	t.Parallel()
	dir := nodeClients(t)
	inMachine(t, dir, nil, "exec", "--serve", "--", "node", "aws.mjs", exchanges)
}

// So does AWS's SDK for Go.
func TestGoServed(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes seconds; not in short mode")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	inMachine(t, t.TempDir(), []string{goClientVariable + "=" + exchanges}, "exec", "--serve", "--", self)
}

// goClientVariable has the test's program be goClient, and says how often it calls.
const goClientVariable = "FLY_AWS_GO_CLIENT"

// goClient does with AWS's SDK for Go what aws.mjs does with that for JavaScript.
func goClient(ctx context.Context) error {
	calls, err := strconv.Atoi(os.Getenv(goClientVariable))
	if err != nil {
		return err
	}
	configuration, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return err
	}
	client := sts.NewFromConfig(configuration)
	last := ""
	for range calls {
		key := last
		for key == last {
			<-time.After(20 * time.Millisecond)
			used, err := configuration.Credentials.Retrieve(ctx)
			if err != nil {
				return err
			}
			key = used.AccessKeyID
		}
		last = key
		identity, err := client.GetCallerIdentity(ctx, nil)
		if err != nil {
			return err
		}
		fmt.Fprintln(os.Stdout, *identity.Arn, key)
	}
	return nil
}
