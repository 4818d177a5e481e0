package conformance

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// templateRequest has roles of every kind without permissions: moto's CloudFormation leaves
// those of a role out.
const templateRequest = `version = 1
name = "production"
org = "cfn"
account = "123456789012"

[defaults]
tags = { team = "platform", home = "arn:aws:iam::123456789012:root" }

[apps.web]
session_tags = true

[apps.api]
path = "/fly/"
conditions = { IpAddress = { "aws:SourceIp" = ["192.0.2.0/24", "198.51.100.0/24"] }, StringLike = { "aws:PrincipalTag/x" = ["${aws:PrincipalTag/y}"] } }

[roles.tenants]
apps = ["tenant-*", { name = "web", machines = ["m-1"], env = "OTHER_ROLE_ARN" }]
except = ["tenant-x"]
`

// CloudFormation as moto has it makes the roles that fly-aws would make. It has no OIDC
// providers.
func TestCloudFormationMakesTheRoles(t *testing.T) {
	t.Parallel()
	need(t, "moto_server", "aws", "git", "sh")
	endpoint, err := startMoto()
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, "cfn", endpoint, motoEnv("testing", "testing"))
	w.write("fly-aws.toml", templateRequest)
	w.flyAWS(0, "export", "cloudformation", "--out", "fly-aws.yaml")
	if r := w.awsCLI("cloudformation", "deploy", "--stack-name", "fly-aws", "--template-file", "fly-aws.yaml",
		"--capabilities", "CAPABILITY_NAMED_IAM", "--parameter-overrides", "CreateProvider=false"); r.code != 0 {
		t.Fatal(r)
	}
	w.aws("iam", "create-open-id-connect-provider", "--url", "https://oidc.fly.io/cfn", "--client-id-list", "sts.amazonaws.com",
		"--thumbprint-list", strings.Repeat("a", 40), "--tags", "Key=fly-aws:org,Value=cfn")
	if r := w.flyAWS(0, "plan", "--exit-code"); !strings.Contains(r.stdout, "nothing to do: all 4 resources") {
		t.Error(r)
	}
}

// cfn-lint has nothing to say about a template, also of roles that were edited by hand.
func TestTemplatesAreClean(t *testing.T) {
	t.Parallel()
	need(t, "cfn-lint", "git")
	w := sandboxWorld(t, "acme")
	templates, err := filepath.Glob(filepath.Join("..", "export", "testdata", "*.yaml"))
	if err != nil || len(templates) < 3 {
		t.Fatal(templates, err)
	}
	for _, path := range templates {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		w.write(filepath.Base(path), string(text))
	}
	w.write("fly-aws.toml", strings.NewReplacer("ORG", "acme", `"1-batch"`, "worker").Replace(terraformRequest))
	w.write("variables.json", variablesPolicy)
	w.flyAWS(0, "export", "cloudformation", "--out", "rich.yaml")
	for _, path := range append(templates, "rich.yaml") {
		if r := w.exec(w.env, "cfn-lint", "--non-zero-exit-code", "informational", filepath.Base(path)); r.code != 0 {
			t.Error(r)
		}
	}
}

// The commands of docs/accounts.md run, and reach each account by its profile.
func TestDocsAccounts(t *testing.T) {
	t.Parallel()
	need(t, "moto_server", "aws", "git", "sh")
	endpoint, err := startMoto()
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, "acme", endpoint, append(motoEnv("testing", "testing"), "AWS_ENDPOINT_URL="+endpoint))
	blocks := w.blocks("accounts.md", "accounts")
	staging := blocks["staging.toml"]
	w.write("staging.toml", staging)
	w.write("production.toml", strings.NewReplacer(`"staging"`, `"production"`, "111122223333", "444455556666", "web-staging", "web").Replace(staging))
	var profiles strings.Builder
	for profile, id := range map[string]string{"staging": "111122223333", "production": "444455556666"} {
		keys := w.aws("sts", "assume-role", "--role-arn", "arn:aws:iam::"+id+":role/admin", "--role-session-name", "test")["Credentials"].(map[string]any)
		fmt.Fprintf(&profiles, "[%s]\naws_access_key_id = %s\naws_secret_access_key = %s\naws_session_token = %s\n",
			profile, keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])
	}
	w.write("keys", profiles.String())
	w.env = append(w.env, "AWS_SHARED_CREDENTIALS_FILE="+filepath.Join(w.dir, "keys"))
	out := w.shell(blocks["profiles"])
	for _, arn := range []string{"arn:aws:iam::111122223333:role/fly-acme-web-staging", "arn:aws:iam::444455556666:role/fly-acme-web"} {
		if !strings.Contains(out, arn) {
			t.Errorf("it does not show %s:\n%s", arn, out)
		}
	}
	w.shell(blocks["stackset"])
	w.shell(blocks["update"])
	template, err := os.ReadFile(filepath.Join(w.dir, "fly-aws.yaml"))
	if err != nil || strings.Contains(string(template), "444455556666") {
		t.Errorf("%v: the template names the account:\n%s", err, template)
	}
	set := w.aws("cloudformation", "describe-stack-set", "--stack-set-name", "fly-aws")["StackSet"].(map[string]any)
	if set["TemplateBody"] != string(template) {
		t.Errorf("the StackSet has the template\n%s", set["TemplateBody"])
	}
}
