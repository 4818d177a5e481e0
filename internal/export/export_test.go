package export_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"go.yaml.in/yaml/v3"

	"github.com/fly-aws/fly-aws/internal/export"
	"github.com/fly-aws/fly-aws/setup"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const account = "123456789012"

func facts() setup.Facts {
	return setup.Facts{Partition: "aws", Account: account, Policies: map[string]string{
		"AmazonS3ReadOnlyAccess": "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess",
		"reports":                "arn:aws:iam::" + account + ":policy/team/reports",
		"aws-reports":            "arn:aws:iam::aws:policy/job-function/reports",
		"boundary":               "arn:aws:iam::" + account + ":policy/boundary",
	}}
}

func inline(t *testing.T, name, text string) setup.InlinePolicy {
	t.Helper()
	p, err := setup.NewInlinePolicy(name, name+".json", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func resolve(t *testing.T, req setup.Request, state setup.State) *setup.Plan {
	t.Helper()
	plan, err := setup.Resolve(req, facts(), state)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// one is a request for one app.
func one(t *testing.T) setup.Request {
	t.Helper()
	return setup.Request{Org: "acme", Region: "eu-central-1", Roles: []setup.RoleRequest{{
		Apps: []setup.App{{Name: "web"}}, Policies: []string{"AmazonS3ReadOnlyAccess"},
	}}}
}

// many is a request whose roles differ in everything.
func many(t *testing.T) setup.Request {
	t.Helper()
	return setup.Request{Org: "acme", File: "production", Roles: []setup.RoleRequest{
		{
			Apps: []setup.App{{Name: "web", Region: "eu-west-1"}}, Policies: []string{"reports", "aws-reports"},
			Tags: map[string]string{"team": "platform", "account": account},
		},
		{
			Apps: []setup.App{{Name: "1-api", Machines: []string{"m-1", "m-2"}}}, SessionTags: true, MaxSession: 7200, Path: "/fly/", Boundary: "boundary",
			Tags: map[string]string{"team": "platform"},
			Inline: []setup.InlinePolicy{inline(t, "own", `{"Version":"2012-10-17","Statement":[
				{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::home-`+account+`/${aws:PrincipalTag/team}/*","Condition":{"StringLike":{"aws:PrincipalTag/team":["${*}<&>\"\\","%{if}"]},"Bool":{"aws:SecureTransport":true}}},
				{"Effect":"Deny","NotAction":"s3:*","Resource":["*"]}]}`)},
		},
		{
			Name: "backups", Apps: []setup.App{{Name: "web", Env: "BACKUP_ROLE"}, {Name: "tenant-*"}}, Except: []string{"tenant-x"},
			Tags:       map[string]string{"team": "platform"},
			Conditions: []trustpolicy.Condition{{Operator: "IpAddress", Key: "aws:SourceIp", Values: []string{"192.0.2.0/24", "198.51.100.0/24"}}},
			Presets:    []setup.Preset{{Name: "s3-read", Answer: "backups-" + account}},
		},
	}}
}

// edited is the plan of many roles that exist, two of them with statements of someone else.
func edited(t *testing.T) *setup.Plan {
	t.Helper()
	state := setup.State{}
	for _, c := range resolve(t, many(t), setup.State{}).Changes {
		state[c.After.ID()] = *c.After
	}
	add := func(role, statements string) {
		r := state["role:"+role].Role
		more, err := trustpolicy.Parse([]byte(`{"Version":"2012-10-17","Statement":[` + statements + `]}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Trust = r.Trust.Merge(more.Statements...)
	}
	add("fly-acme-web", `{"Sid":"Root","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::`+account+`:root","Service":["ec2.amazonaws.com","lambda.amazonaws.com"]},"Action":["sts:AssumeRole","sts:TagSession"],"Condition":{"StringEquals":{"sts:ExternalId":"${aws:username}"}}},
		{"Sid":"Not","Effect":"Deny","NotPrincipal":{"AWS":"arn:aws:iam::444455556666:user/a"},"NotAction":"sts:AssumeRole"}`)
	add("backups", `{"Sid":"Odd","Effect":"Deny","Principal":"*","Action":"sts:*","Condition":{"StringLike":{"aws:PrincipalTag/x":["&{y}","${*}"]}}}`)
	return resolve(t, many(t), state)
}

// TestGolden shows every export of some plans. Terraform's and CloudFormation's own tools
// judge the like in internal/conformance.
func TestGolden(t *testing.T) {
	t.Parallel()
	for name, plan := range map[string]*setup.Plan{
		"one": resolve(t, one(t), setup.State{}), "many": resolve(t, many(t), setup.State{}), "edited": edited(t),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			files, err := export.ToTerraform(plan, export.TerraformOptions{Import: name == "edited", HandOver: name == "many"})
			if err != nil {
				t.Fatal(err)
			}
			var joined []byte
			for i, f := range files {
				if i > 0 {
					joined = append(joined, '\n')
				}
				joined = append(joined, f.Text...)
				if !slices.Contains(export.TerraformFiles(), f.Name) || !strings.HasPrefix(string(f.Text), "# "+export.Mark) {
					t.Errorf("the file %s begins with %.50q", f.Name, f.Text)
				}
			}
			if _, diags := hclsyntax.ParseConfig(joined, name+".tf", hcl.InitialPos); diags.HasErrors() {
				t.Error(diags)
			}
			golden(t, name+".tf", joined)
			template, err := export.ToCloudFormation(plan, export.CloudFormationOptions{HandOver: name == "many"})
			if err != nil {
				t.Fatal(err)
			}
			golden(t, name+".yaml", template)
			if bytes.Contains(template, []byte(account)) {
				t.Error("the template names the account")
			}
		})
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what the export writes; run go test ./internal/export -update, and read the diff\n%s", path, got)
	}
}

// Law: in the account of the plan, a template has the plan's trust policies, documents,
// tags and settings, also if it does not create the provider.
func TestTemplateMeansThePlan(t *testing.T) {
	t.Parallel()
	for name, plan := range map[string]*setup.Plan{
		"one": resolve(t, one(t), setup.State{}), "many": resolve(t, many(t), setup.State{}), "edited": edited(t),
	} {
		for _, creates := range []string{"true", "false"} {
			t.Run(name+" "+creates, func(t *testing.T) {
				t.Parallel()
				text, err := export.ToCloudFormation(plan, export.CloudFormationOptions{})
				if err != nil {
					t.Fatal(err)
				}
				var document yaml.Node
				if err := yaml.Unmarshal(text, &document); err != nil {
					t.Fatal(err)
				}
				template := deployed{t, creates == "true"}.value(document.Content[0]).(map[string]any)
				roles, policies := 0, 0
				for _, r := range template["Resources"].(map[string]any) {
					if r.(map[string]any)["Type"] == "AWS::IAM::Role" {
						roles++
						policies += compareRole(t, plan, r.(map[string]any)["Properties"].(map[string]any))
					}
				}
				for _, c := range plan.Changes {
					switch r := c.Resource(); {
					case r.Role != nil:
						roles--
					case r.Policy != nil:
						policies--
					}
				}
				if roles != 0 || policies != 0 {
					t.Errorf("the template has %d roles and %d policies more than the plan", roles, policies)
				}
			})
		}
	}
}

// compareRole compares the properties of a role with the plan, and returns its number of
// policies.
func compareRole(t *testing.T, plan *setup.Plan, have map[string]any) int {
	t.Helper()
	find := func(r setup.Resource) setup.Resource {
		for _, c := range plan.Changes {
			if c.Resource().ID() == r.ID() {
				return c.Resource()
			}
		}
		t.Fatalf("the plan has no %s", r.ID())
		return setup.Resource{}
	}
	name := have["RoleName"].(string)
	want := find(setup.Resource{Role: &setup.Role{Name: name}}).Role
	trust, err := trustpolicy.Parse(toJSON(t, have["AssumeRolePolicyDocument"]))
	if err != nil || !trust.Equal(want.Trust) {
		t.Errorf("%v: the trust policy of %s is\n%s, want\n%s", err, name, trust, want.Trust)
	}
	tags := map[string]string{}
	for _, tag := range have["Tags"].([]any) {
		tags[tag.(map[string]any)["Key"].(string)] = tag.(map[string]any)["Value"].(string)
	}
	path, _ := have["Path"].(string)
	if path == "" {
		path = "/"
	}
	boundary, _ := have["PermissionsBoundary"].(string)
	session, _ := have["MaxSessionDuration"].(string)
	got := fmt.Sprint(path, boundary, session, tags, have["Description"])
	wantSession := ""
	if want.MaxSession != 0 {
		wantSession = fmt.Sprint(want.MaxSession)
	}
	if w := fmt.Sprint(want.Path, want.Boundary, wantSession, want.Tags, want.Description); got != w {
		t.Errorf("%s is %s, want %s", name, got, w)
	}
	n := 0
	arns, _ := have["ManagedPolicyArns"].([]any)
	for _, arn := range arns {
		find(setup.Resource{Policy: &setup.RolePolicy{Role: name, ARN: arn.(string)}})
		n++
	}
	inlines, _ := have["Policies"].([]any)
	for _, p := range inlines {
		p := p.(map[string]any)
		want := find(setup.Resource{Policy: &setup.RolePolicy{Role: name, Name: p["PolicyName"].(string)}}).Policy
		document, err := setup.ParseDocument(toJSON(t, p["PolicyDocument"]))
		if err != nil || !document.Equal(want.Document) {
			t.Errorf("%v: the inline policy %s of %s is\n%s, want\n%s", err, want.Name, name, document, want.Document)
		}
		n++
	}
	return n
}

// Names that are words of HCL or YAML, and roles whose short names are others' names, are
// keys like any other.
func TestNames(t *testing.T) {
	t.Parallel()
	req := setup.Request{Org: "acme"}
	for _, name := range []string{"for", "null", "true", "yes", "0x1", "fly-acme-web", "web", "1"} {
		req.Roles = append(req.Roles, setup.RoleRequest{Apps: []setup.App{{Name: name}}, Tags: map[string]string{"for": "on", "no": "1"}})
	}
	req.Roles = append(req.Roles, setup.RoleRequest{Name: "web", Apps: []setup.App{{Name: "web", Env: "OTHER_ROLE_ARN"}}})
	plan := resolve(t, req, setup.State{})
	files, err := export.ToTerraform(plan, export.TerraformOptions{})
	if err != nil {
		t.Fatal(err)
	}
	file, diags := hclsyntax.ParseConfig(files[2].Text, "main.tf", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	keys := map[string]bool{}
	for _, block := range file.Body.(*hclsyntax.Body).Blocks {
		if roles := block.Body.Attributes["roles"]; roles != nil {
			for _, item := range roles.Expr.(*hclsyntax.ObjectConsExpr).Items {
				key, diags := item.KeyExpr.Value(nil)
				if diags.HasErrors() {
					t.Fatal(diags)
				}
				keys[key.AsString()] = true
			}
		}
	}
	if len(keys) != len(req.Roles) {
		t.Errorf("%d roles have the keys %v:\n%s", len(req.Roles), keys, files[2].Text)
	}
	template, err := export.ToCloudFormation(plan, export.CloudFormationOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var document yaml.Node
	if err := yaml.Unmarshal(template, &document); err != nil {
		t.Fatal(err)
	}
	resources := deployed{t, true}.value(document.Content[0]).(map[string]any)["Resources"].(map[string]any)
	if len(resources) != len(req.Roles)+1 {
		t.Errorf("%d roles have %d resources", len(req.Roles), len(resources)-1)
	}
	for id, r := range resources {
		if r := r.(map[string]any); r["Type"] == "AWS::IAM::Role" {
			compareRole(t, plan, r["Properties"].(map[string]any))
		} else if id != "Provider" {
			t.Errorf("%s is %v", id, r["Type"])
		}
	}
}

// What YAML 1.1 takes for something else than a string is quoted in a template: the parser of
// this test reads YAML 1.2, CloudFormation does not.
func TestTemplateQuotes(t *testing.T) {
	t.Parallel()
	req := setup.Request{Org: "acme", Roles: []setup.RoleRequest{{Apps: []setup.App{{Name: "yes"}}, Tags: map[string]string{}}}}
	values := []string{"on", "Off", "y", "N", "no", "true", "null", "~", "0123", "0o17", "0x1F", "1_000", "1e3", ".5", "1:30", "190:20:30.5", "2020-01-01", "=", ""}
	for i, value := range values {
		req.Roles[0].Tags[fmt.Sprint("tag-", i)] = value
	}
	template, err := export.ToCloudFormation(resolve(t, req, setup.State{}), export.CloudFormationOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, value := range append(values, "yes") {
		if want := fmt.Sprintf("Value: %q\n", value); !strings.Contains(string(template), want) {
			t.Errorf("it has no line %s%s", want, template)
		}
	}
}

func TestNothingToExport(t *testing.T) {
	t.Parallel()
	req := setup.Request{Org: "acme", Roles: []setup.RoleRequest{{Name: "legacy", Unmanaged: true}}}
	_, err := export.ToTerraform(resolve(t, req, setup.State{}), export.TerraformOptions{})
	_, errTemplate := export.ToCloudFormation(resolve(t, req, setup.State{}), export.CloudFormationOptions{})
	if !errors.Is(err, export.ErrNothing) || !errors.Is(errTemplate, export.ErrNothing) {
		t.Errorf("roles that are only watched: %v, %v", err, errTemplate)
	}
}

// A conflict is no plan to export.
func TestConflict(t *testing.T) {
	t.Parallel()
	trust, err := trustpolicy.Parse([]byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	r := setup.Resource{Role: &setup.Role{Name: "fly-acme-web", Path: "/", Trust: trust}}
	_, err = export.ToTerraform(resolve(t, one(t), setup.State{r.ID(): r}), export.TerraformOptions{})
	var conflict *setup.ConflictError
	if !errors.As(err, &conflict) {
		t.Errorf("the error of a conflict is %v", err)
	}
}

// What a plan prunes is said, since neither tool knows it.
func TestPruned(t *testing.T) {
	t.Parallel()
	state := setup.State{}
	for _, c := range resolve(t, one(t), setup.State{}).Changes {
		state[c.After.ID()] = *c.After
	}
	extra := setup.Resource{Policy: &setup.RolePolicy{Role: "fly-acme-web", Name: "extra", Document: inline(t, "x", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}`).Document}}
	state[extra.ID()] = extra
	req := one(t)
	req.Prune = true
	files, err := export.ToTerraform(resolve(t, req, state), export.TerraformOptions{})
	template, errTemplate := export.ToCloudFormation(resolve(t, req, state), export.CloudFormationOptions{})
	if err != nil || errTemplate != nil {
		t.Fatal(err, errTemplate)
	}
	const want = "#   inline policy extra in role fly-acme-web\n"
	if !strings.Contains(string(files[2].Text), want) || !strings.Contains(string(template), want) {
		t.Errorf("it does not say what is pruned:\n%s\n%s", files[2].Text, template)
	}
}

// A provider that something else manages is neither made nor imported, and is used.
func TestProviderElsewhere(t *testing.T) {
	t.Parallel()
	req := one(t)
	req.Manager = setup.ManagerTerraform
	for by, elsewhere := range map[string]bool{"": false, setup.ManagerTerraform: false, "pulumi": true} {
		state := setup.State{}
		for _, c := range resolve(t, req, setup.State{}).Changes {
			if c.After.Provider != nil {
				c.After.Provider.Tags[setup.TagManagedBy] = by
				state[c.After.ID()] = *c.After
			}
		}
		plan := resolve(t, req, state)
		files, err := export.ToTerraform(plan, export.TerraformOptions{Import: true})
		template, errTemplate := export.ToCloudFormation(plan, export.CloudFormationOptions{})
		if err != nil || errTemplate != nil {
			t.Fatal(err, errTemplate)
		}
		if bytes.Contains(files[4].Text, []byte("oidc-provider")) == elsewhere {
			t.Errorf("managed by %q: the imports are\n%s", by, files[4].Text)
		}
		for _, c := range []struct {
			text   []byte
			format string
		}{{files[1].Text, "default     = %t\n"}, {template, "Default: \"%t\"\n"}} {
			if want := fmt.Sprintf(c.format, !elsewhere); !bytes.Contains(c.text, []byte(want)) {
				t.Errorf("managed by %q: there is no %s%s", by, want, c.text)
			}
		}
	}
}
