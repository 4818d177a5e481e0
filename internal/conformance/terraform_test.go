package conformance

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A terraformFolder is a folder with an exported configuration, and Terraform for it.
type terraformFolder struct {
	*world
	env []string
}

// terraformPlugins is a folder with the AWS provider for "terraform init -plugin-dir".
func terraformPlugins(t *testing.T) string {
	t.Helper()
	if os.Getenv("FLY_AWS_CONFORMANCE") != "1" {
		t.Skip("Terraform's AWS provider takes seconds for each start: make conformance runs it")
	}
	need(t, "terraform", "moto_server", "git", "sh")
	dir := os.Getenv("FLY_AWS_TERRAFORM_PLUGINS")
	if dir == "" {
		dir = "/opt/tf-plugins"
	}
	if _, err := os.Stat(filepath.Join(dir, "registry.terraform.io", "hashicorp", "aws")); err != nil {
		t.Fatalf("Terraform's AWS provider is missing; FLY_AWS_TERRAFORM_PLUGINS names its plugin directory: %v", err)
	}
	return dir
}

// newTerraform returns a world in an account of its own, with a request file.
func newTerraform(t *testing.T, org, file string) terraformFolder {
	t.Helper()
	terraformPlugins(t)
	endpoint, err := startMoto()
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, org, endpoint, motoEnv("testing", "testing"))
	w.write("fly-aws.toml", file)
	return terraformFolder{w, append(slices.Clip(w.env), "AWS_ENDPOINT_URL="+endpoint,
		"TF_CLI_CONFIG_FILE=", "TF_IN_AUTOMATION=1", "CHECKPOINT_DISABLE=1")}
}

// blocks returns the blocks of code of a page in docs, by the second word of the comment
// before each, whose first word is mark.
func (w *world) blocks(page, mark string) map[string]string {
	w.t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", page))
	if err != nil {
		w.t.Fatal(err)
	}
	blocks := map[string]string{}
	for _, m := range regexp.MustCompile("(?s)<!-- "+mark+" ([a-z.]+) -->\n```[a-z]+\n(.*?)```\n<!-- /"+mark+" -->").FindAllSubmatch(text, -1) {
		blocks[string(m[1])] = string(m[2])
	}
	if n := strings.Count(string(text), "```") / 2; n == 0 || len(blocks) != n {
		w.t.Fatalf("docs/%s has %d blocks of code, and these are named: %q", page, n, slices.Sorted(maps.Keys(blocks)))
	}
	return blocks
}

// shell runs a block of a page with the program in its path, and returns its output.
func (w *world) shell(block string, env ...string) string {
	w.t.Helper()
	path, err := binary()
	if err != nil {
		w.t.Fatal(err)
	}
	r := w.exec(append(append(slices.Clip(w.env), env...), "PATH="+filepath.Dir(path)+string(os.PathListSeparator)+os.Getenv("PATH")), "sh", "-e", "-c", block)
	if r.code != 0 {
		w.t.Fatalf("exit code %d: %s", r.code, r)
	}
	return r.stdout
}

// terraform runs Terraform in the exported folder.
func (f terraformFolder) terraform(args ...string) string {
	f.t.Helper()
	r := f.exec(f.env, "terraform", append([]string{"-chdir=tf"}, args...)...)
	if r.code != 0 {
		f.t.Fatalf("exit code %d: %s", r.code, r)
	}
	return r.stdout
}

// export writes the configuration and has Terraform judge its form.
func (f terraformFolder) export(flags ...string) {
	f.t.Helper()
	f.flyAWS(0, append([]string{"export", "terraform", "--out", "tf"}, flags...)...)
	f.terraform("fmt", "-check", "-diff")
	if _, err := os.Stat(filepath.Join(f.dir, "tf", ".terraform")); err != nil {
		f.terraform("init", "-input=false", "-plugin-dir="+terraformPlugins(f.t))
	}
}

// plan returns the addresses of what Terraform would change, with the action.
func (f terraformFolder) plan() (changes []string, resources int) {
	f.t.Helper()
	f.terraform("plan", "-input=false", "-out=plan")
	var plan struct {
		Changes []struct {
			Address string
			Mode    string
			Change  struct{ Actions []string }
		} `json:"resource_changes"`
	}
	if err := json.Unmarshal([]byte(f.terraform("show", "-json", "plan")), &plan); err != nil {
		f.t.Fatal(err)
	}
	for _, c := range plan.Changes {
		if c.Mode != "managed" {
			continue
		}
		resources++
		if !slices.Equal(c.Change.Actions, []string{"no-op"}) {
			changes = append(changes, fmt.Sprintf("%s: %s", c.Address, strings.Join(c.Change.Actions, ", ")))
		}
	}
	return changes, resources
}

// terraformRequest has roles of every kind, most of which are alike.
const terraformRequest = `version = 1
name = "production"
org = "ORG"
account = "123456789012"

[defaults]
region = "eu-central-1"
tags = { team = "platform", "cost center" = "a @b/c" }

[apps.web]
policies = ["AmazonS3ReadOnlyAccess", "AmazonSQSFullAccess"]
allow.s3-write = ["uploads-{account}"]

[apps.api]
policies = ["AmazonS3ReadOnlyAccess"]
inline = ["variables.json"]
max_session = "2h"

[apps."1-batch"]
session_tags = true
permissions_boundary = "PowerUserAccess"
path = "/fly/"

[roles.tenants]
apps = ["tenant-*"]
except = ["tenant-x"]
allow.sqs-send = ["jobs"]

[roles.backups]
apps = ["web", "api"]
env = "BACKUP_ROLE"
allow.s3-read = ["backups-{account}"]
conditions = { IpAddress = { "aws:SourceIp" = ["192.0.2.0/24", "198.51.100.0/24"] } }
`

// variablesPolicy has what HCL would expand, and values of every type.
const variablesPolicy = `{
  "Version": "2012-10-17",
  "Statement": [
    {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::home/${aws:PrincipalTag/team}/*",
     "Condition": {"StringLike": {"aws:PrincipalTag/team": ["${*}<&>\"\\", "%{if}", "a"]}, "Bool": {"aws:SecureTransport": "true"}, "NumericLessThan": {"s3:max-keys": 10}}},
    {"Sid": "No", "Effect": "Deny", "NotAction": ["s3:*"], "Resource": ["*"]}
  ]
}
`

// otherStatements are what someone else has in the trust policy of a role: those that the
// data source of Terraform can make, and those that it cannot.
var otherStatements = []string{
	`{"Sid":"Root","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root","Service":["ec2.amazonaws.com","lambda.amazonaws.com"]},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"sts:ExternalId":"${aws:username}"},"Bool":{"aws:MultiFactorAuthPresent":"true"}}},
	 {"Effect":"Deny","NotPrincipal":{"AWS":"arn:aws:iam::123456789012:user/a"},"Action":"sts:AssumeRole"}`,
	`{"Sid":"Odd","Effect":"Deny","Principal":{"AWS":"*"},"Action":"sts:AssumeRole","Condition":{"StringLike":{"aws:PrincipalTag/x":["&{y}","${*}"]}}}`,
	`{"Sid":"Anyone","Effect":"Deny","Principal":"*","Action":"sts:AssumeRole"}`,
}

// addStatements adds statements to the trust policy of a role.
func (f terraformFolder) addStatements(role, statements string) {
	f.t.Helper()
	trust := f.aws("iam", "get-role", "--role-name", role)["Role"].(map[string]any)["AssumeRolePolicyDocument"].(map[string]any)
	var more []any
	if err := json.Unmarshal([]byte("["+statements+"]"), &more); err != nil {
		f.t.Fatal(err)
	}
	trust["Statement"] = append(trust["Statement"].([]any), more...)
	document, err := json.Marshal(trust)
	if err != nil {
		f.t.Fatal(err)
	}
	f.aws("iam", "update-assume-role-policy", "--role-name", role, "--policy-document", string(document))
}

// Terraform imports what apply made and would change nothing; and what it makes from the
// export on an empty account is what fly-aws would make.
func TestTerraformOfAFile(t *testing.T) {
	t.Parallel()
	file := strings.ReplaceAll(terraformRequest, "ORG", "tf-file")
	made := newTerraform(t, "tf-file", file)
	made.write("variables.json", variablesPolicy)
	made.flyAWS(0, "apply", "--yes")
	for i, role := range []string{"web", "api", "tenants"} {
		made.addStatements("fly-tf-file-"+role, otherStatements[i])
	}
	made.export("--import")
	made.terraform("validate") // which plan and apply do too
	if changes, n := made.plan(); len(changes) > 0 || n != 13 {
		t.Errorf("of %d resources Terraform would change what fly-aws would not: %q", n, changes)
	}

	empty := newTerraform(t, "tf-file", file)
	empty.write("variables.json", variablesPolicy)
	empty.export()
	empty.terraform("apply", "-input=false", "-auto-approve")
	if r := empty.flyAWS(0, "plan", "--exit-code"); !strings.Contains(r.stdout, "nothing to do: all 13 resources") {
		t.Errorf("after terraform apply: %s", r)
	}
	empty.handOver()
}

// handOver hands everything over to Terraform, after which fly-aws writes none of it.
func (f terraformFolder) handOver() {
	f.t.Helper()
	f.export("--hand-over")
	changes, _ := f.plan()
	if len(changes) != 6 || slices.ContainsFunc(changes, func(c string) bool { return !strings.HasSuffix(c, ": update") }) {
		f.t.Errorf("a provider and five roles are handed over by %q", changes)
	}
	f.terraform("apply", "-input=false", "plan")
	f.aws("iam", "attach-role-policy", "--role-name", "fly-"+f.org+"-web", "--policy-arn", "arn:aws:iam::aws:policy/PowerUserAccess")
	for _, run := range []struct {
		code int
		args []string
		want string
	}{
		{0, []string{"plan", "--exit-code"}, "Managed by terraform"},
		{0, []string{"apply", "--prune", "--yes"}, "--prune leaves it: something else manages the role"},
		{0, []string{"destroy", "--file", "fly-aws.toml", "--yes"}, "stays: it is managed by terraform"},
		{0, []string{"destroy", "--all", "--org", f.org, "--yes"}, "stays: it is managed by terraform"},
		{1, []string{"setup", "--file", "other.toml", "--save", "--org", f.org, "--app", "web", "--policy", "AmazonSNSReadOnlyAccess", "--no-patch", "--adopt", "--yes"}, "is managed by terraform"},
	} {
		r := f.flyAWS(run.code, run.args...)
		if writes := f.calls.writes(f.t); len(writes) > 0 || !strings.Contains(r.stdout+r.stderr, run.want) {
			f.t.Errorf("calls %q, want none, and %q in %s", writes, run.want, r)
		}
	}
}

// The same for forty apps, whose roles are alike.
func TestTerraformOfFortyApps(t *testing.T) {
	t.Parallel()
	file := "version = 1\nname = \"all\"\norg = \"tf-forty\"\naccount = \"" + account + "\"\n"
	for i := range 40 {
		file += fmt.Sprintf("\n[apps.app-%d]\npolicies = [\"AmazonS3ReadOnlyAccess\"]\nallow.sqs-send = [\"arn:aws:sqs:eu-west-1:{account}:jobs-%d\"]\n", i, i)
	}
	f := newTerraform(t, "tf-forty", file)
	f.export()
	f.terraform("apply", "-input=false", "-auto-approve")
	if r := f.flyAWS(0, "plan", "--exit-code"); !strings.Contains(r.stdout, "nothing to do: all 121 resources") {
		t.Errorf("after terraform apply: %s", r)
	}
	if err := os.Remove(filepath.Join(f.dir, "tf", "terraform.tfstate")); err != nil {
		t.Fatal(err)
	}
	f.export("--import")
	if changes, n := f.plan(); len(changes) > 0 || n != 121 {
		t.Errorf("of %d resources Terraform would change what fly-aws would not: %q", n, changes)
	}
}

// The commands of docs/terraform.md run in their order: something new, then what exists,
// then the hand-over, and the folder as a module.
func TestDocsTerraform(t *testing.T) {
	t.Parallel()
	f := newTerraform(t, "tf-docs", strings.ReplaceAll("version = 1\nname = \"production\"\norg = \"tf-docs\"\naccount = \"ACCOUNT\"\n\n[apps.web]\npolicies = [\"AmazonS3ReadOnlyAccess\"]\n", "ACCOUNT", account))
	blocks := f.blocks("terraform.md", "terraform")
	env := append(slices.Clone(f.env[len(f.world.env):]), "TF_INPUT=0", "TF_CLI_ARGS_plan=-no-color", "TF_CLI_ARGS_init=-plugin-dir="+terraformPlugins(t), "TF_CLI_ARGS_apply=-auto-approve -no-color")
	f.shell(blocks["new"], env...)
	if r := f.flyAWS(0, "plan", "--exit-code"); !strings.Contains(r.stdout, "nothing to do: all 3 resources") {
		t.Errorf("after terraform apply: %s", r)
	}
	const lines = `{"web":{"AWS_ROLE_ARN":"arn:aws:iam::123456789012:role/fly-tf-docs-web"}}`
	if out := f.shell(blocks["env"], env...); strings.TrimSpace(out) != lines {
		t.Errorf("the output is %s", out)
	}

	if err := os.RemoveAll(filepath.Join(f.dir, "infra")); err != nil {
		t.Fatal(err)
	}
	if out := f.shell(blocks["import"], env...); !strings.Contains(out, "Plan: 3 to import, 0 to add, 0 to change, 0 to destroy.") {
		t.Errorf("the import is\n%s", out)
	}
	if out := f.shell(blocks["handover"], env...); !strings.Contains(out, "Plan: 0 to add, 2 to change, 0 to destroy.") {
		t.Errorf("the hand-over is\n%s", out)
	}
	if r := f.flyAWS(0, "plan", "--exit-code"); !strings.Contains(r.stdout, "Managed by terraform") {
		t.Errorf("after the hand-over: %s", r)
	}

	f.write("infra/main.tf", blocks["module"])
	f.shell("terraform -chdir=infra fmt -check && terraform -chdir=infra init && terraform -chdir=infra validate", env...)
}
