package conformance

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
)

// implied are permissions that calls need besides their own: creating a provider
// with tags needs the permission to tag, which roles need anyway.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags_oidc.html
var implied = []string{"iam:TagOpenIDConnectProvider"}

// operatorJobs are the jobs of policy operator.
var operatorJobs = []string{"setup", "plan", "audit", "destroy"}

// The policies of policy operator, and what docs/permissions.md says that they leave out,
// have exactly the actions that commands call.
func TestPermissionsNameEveryCall(t *testing.T) {
	t.Parallel()
	need(t, "git")
	w := newWorld(t, "acme", "http://127.0.0.1:1", nil)
	var apps []string // so many that the quota of the trust policy is asked for
	for i := range 150 {
		apps = append(apps, strconv.Quote("app-"+strconv.Itoa(i)))
	}
	w.write("fly-aws.toml", `
version = 1
name = "production"
org = "acme"
account = "`+account+`"
[defaults]
region = "eu-central-1"
permissions_boundary = "ReadOnlyAccess"
max_session = "2h"
[roles.fleet]
apps = [`+strings.Join(apps, ", ")+`]
policies = ["AmazonS3ReadOnlyAccess"]
allow.s3-read = ["uploads"]
`)
	var granted []string
	for _, job := range operatorJobs {
		for _, action := range w.operatorActions("--for", job) {
			if job == "plan" || job == "audit" {
				if !strings.HasPrefix(action, "iam:Get") && !strings.HasPrefix(action, "iam:List") {
					t.Errorf("the policy for %s has %s", job, action)
				}
			}
			granted = append(granted, action)
		}
	}
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "permissions.md"))
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, row := range regexp.MustCompile("(?m)^\\| (`iam:.*?) \\|").FindAllStringSubmatch(string(page), -1) {
		left = append(left, regexp.MustCompile(`iam:\w+`).FindAllString(row[1], -1)...)
	}
	for _, action := range left {
		if slices.Contains(granted, action) {
			t.Errorf("docs/permissions.md says that %s is left out", action)
		}
	}
	granted = append(granted, left...)
	slices.Sort(granted)
	granted = slices.Compact(granted)

	called := append(slices.Clone(implied), calledActions(t)...)
	slices.Sort(called)
	if called = slices.Compact(called); !slices.Equal(granted, called) {
		t.Errorf("the policies grant\n%q\nand the code needs\n%q", granted, called)
	}
}

// calledActions returns the calls of IAM that the code makes, sorted.
func calledActions(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "awsapi", "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var called []string
	input := regexp.MustCompile(`\biam\.(\w+)Input\{`)
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range input.FindAllStringSubmatch(string(src), -1) {
			called = append(called, "iam:"+m[1])
		}
	}
	slices.Sort(called)
	return slices.Compact(called)
}

// operatorActions returns the actions in what policy operator prints.
func (w *world) operatorActions(args ...string) []string {
	w.t.Helper()
	var policy struct {
		Statement []struct{ Action any }
	}
	text := w.flyAWS(0, append([]string{"policy", "operator"}, args...)...).stdout
	if err := json.Unmarshal([]byte(text), &policy); err != nil {
		w.t.Fatalf("%v: %s", err, text)
	}
	var actions []string
	for _, s := range policy.Statement {
		actions = append(actions, texts(s.Action)...)
	}
	return actions
}

// TestOperatorPolicies: for moto, too, the policies of policy operator are enough. Of a
// policy moto evaluates the actions alone: it takes "*" for the resource of every call, and
// knows no condition key but those of trust policies (5.2.1, moto/iam/access_control.py). So
// the statements come without their resources and conditions, which the sandbox evaluates.
// No audience is added, which moto cannot (AddClientIDToOpenIDConnectProvider).
func TestOperatorPolicies(t *testing.T) {
	t.Parallel()
	need(t, "moto_server", "git", "sh")
	// The first calls need no credentials: they make an administrator.
	endpoint, err := startMoto("INITIAL_NO_AUTH_ACTION_COUNT=3")
	if err != nil {
		t.Fatal(err)
	}
	const org = "acme"
	admin := motoUser(t, newWorld(t, org, endpoint, motoEnv("testing", "testing")), "admin", []string{"*"})
	admin.setup(0, "setup", "--yes") // and what is there for the others
	for _, test := range []struct {
		job  string
		args [][]string
	}{
		{"setup", [][]string{
			{"setup", "-o", org, "-a", "api", "--policy", "AmazonS3ReadOnlyAccess", "--preset", "s3-read=uploads", "--no-patch", "--aws-region", "eu-central-1", "--yes"},
			{"setup", "-o", org, "-a", "api", "--tag", "team=x", "--max-session-duration", "2h", "--prune", "--no-patch", "--yes"},
			{"setup", "-o", org, "-a", "worker", "--policy", "AmazonSQSFullAccess", "--no-patch", "--yes"},
		}},
		{"plan", [][]string{{"plan", "-o", org, "-a", "web", "--policy", "ReadOnlyAccess"}}},
		{"audit", [][]string{{"import", "-o", org}, {"plan"}}},
		{"destroy", [][]string{{"destroy", "--all", "-o", org, "--yes"}}},
	} {
		actions := admin.operatorActions("--for", test.job, "--account", account, "-o", org)
		nobody := motoUser(t, admin, test.job+"-without", []string{"sts:GetCallerIdentity"})
		if r := nobody.flyAWS(1, test.args[0]...); !strings.Contains(r.stderr, "403") { // not in the form of IAM's
			t.Errorf("without the policy: %s", r)
		}
		user := motoUser(t, admin, test.job, actions)
		for _, args := range test.args {
			user.flyAWS(0, args...)
		}
	}
}

func motoEnv(id, secret string) []string {
	return []string{"AWS_ACCESS_KEY_ID=" + id, "AWS_SECRET_ACCESS_KEY=" + secret, "AWS_REGION=us-east-1", "AWS_DEFAULT_REGION=us-east-1"}
}

// motoUser makes a user who may call some actions, with the credentials of a world, and
// returns a world of the user.
func motoUser(t *testing.T, by *world, name string, actions []string) *world {
	t.Helper()
	ctx := t.Context()
	if _, err := by.iam.CreateUser(ctx, &iam.CreateUserInput{UserName: &name}); err != nil {
		t.Fatal(err)
	}
	document, err := json.Marshal(map[string]any{
		"Version":   "2012-10-17",
		"Statement": []any{map[string]any{"Effect": "Allow", "Action": actions, "Resource": "*"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := by.iam.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: &name, PolicyName: aws.String("p"), PolicyDocument: aws.String(string(document))}); err != nil {
		t.Fatal(err)
	}
	out, err := by.iam.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: &name})
	if err != nil {
		t.Fatal(err)
	}
	return newWorld(t, by.org, by.endpoint, motoEnv(*out.AccessKey.AccessKeyId, *out.AccessKey.SecretAccessKey))
}
