package export

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/hashicorp/hcl/v2/hclwrite"

	"github.com/fly-aws/fly-aws/setup"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

// defaultSession is IAM's default of a role's maximum session duration, in seconds
// (IAM API reference, CreateRole).
const defaultSession = 3600

// TerraformOptions say what else to write.
type TerraformOptions struct {
	// Import adds import blocks for what exists.
	Import bool
	// HandOver tags provider and roles as Terraform's, after which fly-aws changes them no
	// more.
	HandOver bool
}

// A File is an exported file.
type File struct {
	Name string
	Text []byte
}

// Terraform files, in the order in which they read.
const (
	fileTerraform = "terraform.tf"
	fileVariables = "variables.tf"
	fileMain      = "main.tf"
	fileOutputs   = "outputs.tf"
	fileImports   = "imports.tf"
)

// TerraformFiles returns the names of the files that ToTerraform may return.
func TerraformFiles() []string {
	return []string{fileTerraform, fileVariables, fileMain, fileOutputs, fileImports}
}

// writing has exports take turns: hclwrite's formatter writes to a variable of its package
// (format.go, nilToken), which the race detector finds.
var writing sync.Mutex

// ToTerraform returns the Terraform configuration of what a plan leaves in the account,
// which needs the AWS provider 5.100 or later. Together the files are one module; joined
// they are one valid file. The error is ErrNothing, or a *setup.ConflictError.
func ToTerraform(plan *setup.Plan, o TerraformOptions) ([]File, error) {
	writing.Lock()
	defer writing.Unlock()
	manager := ""
	if o.HandOver {
		manager = setup.ManagerTerraform
	}
	f, err := newFederation(plan, manager)
	if err != nil {
		return nil, err
	}
	t := newTerraform(f)
	const made = Mark + " terraform."
	preface := append([]string{
		made, "", t.title(),
		"It is for the AWS account " + plan.Account + ".",
		"What belongs under [env] in each fly.toml is the output fly_env.",
	}, t.notExported("Terraform")...)
	files := []File{
		{fileTerraform, source([]string{made}, t.settings)},
		{fileVariables, source([]string{made}, t.variables)},
		{fileMain, source(preface, t.main)},
		{fileOutputs, source([]string{made}, t.outputs)},
	}
	if o.Import {
		files = append(files, File{fileImports, source([]string{Mark + " terraform, with --import. Delete this file after terraform apply."}, t.imports)})
	}
	return files, t.err
}

// A terraform is a federation as Terraform resources. The roles are instances of one
// resource, also if there is only one: an app more then moves no other.
type terraform struct {
	*federation
	// tags are those of provider and roles, roleTags the others that all roles have.
	tags, roleTags map[string]string
	// boundary is that of all roles, and a variable, unless they differ.
	boundary    string
	oneBoundary bool
	// differs says in what the roles differ.
	differs struct{ path, session, actions bool }
	// conditions, attached and inline say that a role has some, trusts that one has a trust
	// policy of another form than setup's.
	conditions, attached, inline, plain, trusts bool
	err                                         error
}

func newTerraform(f *federation) *terraform {
	t := &terraform{federation: f, roleTags: f.roleTags()}
	t.tags = without(f.provider.Tags, without(f.provider.Tags, t.roleTags)) // what both have
	t.roleTags = without(t.roleTags, t.tags)
	t.boundary, t.oneBoundary = f.boundary()
	var first *role // with a plain trust policy
	for i, r := range f.roles {
		t.differs.path = t.differs.path || r.Path != f.roles[0].Path
		t.differs.session = t.differs.session || session(r.Role) != session(f.roles[0].Role)
		t.attached = t.attached || len(r.attached) > 0
		t.inline = t.inline || len(r.inline) > 0
		if !t.isPlain(r) {
			t.trusts = true
			continue
		}
		if first == nil {
			first = &f.roles[i]
		}
		t.plain = true
		t.differs.actions = t.differs.actions || !slices.Equal(r.trust.actions, first.trust.actions)
		t.conditions = t.conditions || len(r.trust.conditions) > 0
	}
	return t
}

// isPlain says whether a role's trust policy is an instance of the one for all.
func (t *terraform) isPlain(r role) bool { return r.trust.plain && isExpressible(r.Trust) }

// labelOf makes a block's label from a role's key.
func labelOf(key string) string {
	label := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, key)
	if label[0] >= '0' && label[0] <= '9' {
		label = "_" + label
	}
	return label
}

// isExpressible says whether the data source aws_iam_policy_document can make the policy:
// it takes "&{" for "${", makes {"AWS": "*"} of the principal "*", and has no empty lists.
func isExpressible(p *trustpolicy.Policy) bool {
	for _, s := range p.Statements {
		for _, principal := range []*trustpolicy.Principal{s.Principal, s.NotPrincipal} {
			if principal != nil && (principal.Any || len(principals(principal)) == 0) {
				return false
			}
		}
		if len(s.Action)+len(s.NotAction) == 0 {
			return false
		}
		for _, c := range s.Conditions {
			if len(c.Values) == 0 {
				return false
			}
		}
	}
	return !strings.Contains(p.String(), "&{")
}

func (t *terraform) settings(file body) {
	b := file.block("terraform")
	b.set(field{"required_version", str(">= 1.5")})
	b.block("required_providers").set(field{"aws", object([]field{
		{"source", str("hashicorp/aws")},
		{"version", str(">= 5.100")},
	})})
}

func (t *terraform) variables(file body) {
	file.block("variable", "create_provider").set(
		field{"description", str("False where something else makes the OIDC provider, of which an account has one.")},
		field{"type", expr("bool")},
		field{"default", expr(strconv.FormatBool(!t.provider.elsewhere))},
	)
	file.block("variable", "tags").set(
		field{"description", str("More tags for the OIDC provider and the roles.")},
		field{"type", expr("map(string)")},
		field{"default", object(nil)},
	)
	if t.oneBoundary {
		file.block("variable", "permissions_boundary").set(
			field{"description", str("ARN of the managed policy that is the roles' permissions boundary; null for none.")},
			field{"type", expr("string")},
			field{"default", orNull(t.boundary)},
		)
	}
}

func (t *terraform) main(file body) {
	b := file.block("locals")
	b.set(field{"tags", stringMap(t.tags)})
	var roles []field
	for _, r := range t.roles {
		roles = append(roles, field{r.key, t.roleObject(r)})
	}
	b.AppendNewline()
	b.set(field{"roles", object(roles)})
	t.oidcProvider(file)
	t.trustPolicies(file)
	t.roleResources(file)
}

// roleObject is a role in local.roles.
func (t *terraform) roleObject(r role) hclwrite.Tokens {
	var fields []field
	add := func(has bool, name string, value hclwrite.Tokens) {
		if has {
			fields = append(fields, field{name, value})
		}
	}
	add(true, "name", str(r.Name))
	add(t.differs.path, "path", str(r.Path))
	add(true, "description", str(r.Description))
	add(t.differs.session, "max_session_duration", number(session(r.Role)))
	add(!t.oneBoundary, "permissions_boundary", orNull(r.Boundary))
	trust := r.trust
	if !t.isPlain(r) {
		trust.actions, trust.subjects, trust.conditions = nil, nil, nil
	}
	add(t.differs.actions, "actions", strs(trust.actions))
	add(t.plain, "subjects", strs(trust.subjects))
	if t.conditions {
		var conditions []hclwrite.Tokens
		for _, c := range trust.conditions {
			conditions = append(conditions, object([]field{{"test", str(c.Operator)}, {"variable", str(c.Key)}, {"values", strs(c.Values)}}))
		}
		add(true, "conditions", list(conditions))
	}
	add(true, "tags", stringMap(without(without(r.Tags, t.tags), t.roleTags)))
	var policies, documents []field
	for _, p := range r.attached {
		policies = append(policies, field{p.name, str(p.ARN)})
	}
	for _, p := range r.inline {
		documents = append(documents, field{p.name, t.jsonencode(p.Document.String())})
	}
	add(t.attached, "policies", object(policies))
	add(t.inline, "inline_policies", object(documents))
	return object(fields)
}

func session(r setup.Role) int64 {
	if r.MaxSession == 0 {
		return defaultSession
	}
	return int64(r.MaxSession)
}

func orNull(value string) hclwrite.Tokens {
	if value == "" {
		return word("null")
	}
	return str(value)
}

// jsonencode keeps the first error.
func (t *terraform) jsonencode(document string) hclwrite.Tokens {
	tokens, err := jsonencode(document)
	if err != nil && t.err == nil {
		t.err = err
	}
	return tokens
}

// Addresses of resources.
const (
	providerAddress   = "aws_iam_openid_connect_provider.fly[0]"
	roleAddress       = "aws_iam_role.app"
	attachmentAddress = "aws_iam_role_policy_attachment.app"
	inlineAddress     = "aws_iam_role_policy.app"
)

func (t *terraform) oidcProvider(file body) {
	file.block("data", "aws_caller_identity", "current").block("lifecycle").block("postcondition").set(
		field{"condition", expr("self.account_id == " + strconv.Quote(t.plan.Account))},
		field{"error_message", str("This configuration is for the AWS account " + t.plan.Account + ".")},
	)
	b := file.block("resource", "aws_iam_openid_connect_provider", "fly")
	b.set(field{"count", expr("var.create_provider ? 1 : 0")})
	b.AppendNewline()
	b.set(
		field{"url", str(t.provider.URL)},
		field{"client_id_list", strs(t.provider.Audiences)},
		field{"tags", merged(without(t.provider.Tags, t.tags))},
	)
	file.block("locals").set(field{"provider_arn", append(expr("var.create_provider ? "+providerAddress+".arn : "), str(t.provider.ARN)...)})
}

// merged are the tags of a resource: the user's, those of all, its own, and more.
func merged(own map[string]string, more ...hclwrite.Tokens) hclwrite.Tokens {
	args := []hclwrite.Tokens{expr("var.tags"), expr("local.tags")}
	if len(own) > 0 {
		args = append(args, stringMap(own))
	}
	return call("merge", append(args, more...)...)
}

// trustPolicies writes one data source for the trust policies that setup writes, and one
// for each other that a data source can make. local.trust has all if there are others.
func (t *terraform) trustPolicies(file body) {
	if t.plain {
		t.plainTrust(file.block("data", "aws_iam_policy_document", "trust"))
	}
	if !t.trusts {
		return
	}
	var others []field
	taken := map[string]bool{"trust": true}
	for _, r := range t.roles {
		if t.isPlain(r) {
			continue
		}
		if !isExpressible(r.Trust) {
			others = append(others, field{r.key, t.jsonencode(r.Trust.String())})
			continue
		}
		label := labelOf(r.key) + "_trust"
		for taken[label] {
			label += "_"
		}
		taken[label] = true
		t.trustDocument(file, label, r.Trust)
		others = append(others, field{r.key, expr("data.aws_iam_policy_document." + label + ".json")})
	}
	value := object(others)
	if t.plain {
		value = call("merge", expr("{ for key, policy in data.aws_iam_policy_document.trust : key => policy.json }"), value)
	}
	file.block("locals").set(field{"trust", value})
}

// plainTrust writes the trust policies that setup writes.
func (t *terraform) plainTrust(b body) {
	forEach := expr("local.roles")
	if t.trusts {
		forEach = expr("{ for key, role in local.roles : key => role if length(role.subjects) > 0 }")
	}
	b.set(field{"for_each", forEach})
	s := b.block("statement")
	i := slices.IndexFunc(t.roles, t.isPlain)
	actions := strs(t.roles[i].trust.actions)
	if t.differs.actions {
		actions = expr("each.value.actions")
	}
	s.set(field{"sid", str(trustpolicy.Sid(t.plan.Org))}, field{"actions", actions})
	s.block("principals").set(
		field{"type", str("Federated")},
		field{"identifiers", list([]hclwrite.Tokens{expr("local.provider_arn")})},
	)
	s.condition(str("StringEquals"), str(t.issuer()+":aud"), strs([]string{t.plan.Audience}))
	s.condition(str("StringLike"), str(t.issuer()+":sub"), expr("each.value.subjects"))
	if t.conditions {
		d := s.block("dynamic", "condition")
		d.set(field{"for_each", expr("each.value.conditions")})
		d.block("content").set(
			field{"test", expr("condition.value.test")},
			field{"variable", expr("condition.value.variable")},
			field{"values", expr("condition.value.values")},
		)
	}
}

func (b body) condition(test, variable, values hclwrite.Tokens) {
	b.block("condition").set(field{"test", test}, field{"variable", variable}, field{"values", values})
}

func (t *terraform) roleResources(file body) {
	r := file.block("resource", "aws_iam_role", "app")
	r.set(field{"for_each", expr("local.roles")})
	r.AppendNewline()
	r.set(field{"name", expr("each.value.name")})
	first := t.roles[0].Role
	switch {
	case t.differs.path:
		r.set(field{"path", expr("each.value.path")})
	case first.Path != "/":
		r.set(field{"path", str(first.Path)})
	}
	r.set(field{"description", expr("each.value.description")})
	switch {
	case t.differs.session:
		r.set(field{"max_session_duration", expr("each.value.max_session_duration")})
	case session(first) != defaultSession:
		r.set(field{"max_session_duration", number(session(first))})
	}
	boundary, trust := expr("each.value.permissions_boundary"), expr("data.aws_iam_policy_document.trust[each.key].json")
	if t.oneBoundary {
		boundary = expr("var.permissions_boundary")
	}
	if t.trusts {
		trust = expr("local.trust[each.key]")
	}
	r.set(
		field{"permissions_boundary", boundary},
		field{"assume_role_policy", trust},
		field{"tags", merged(t.roleTags, expr("each.value.tags"))},
	)
	if t.attached {
		policies(file, "aws_iam_role_policy_attachment", `merge([
  for key, role in local.roles : {
    for name, arn in role.policies : "${key}/${name}" => { role = key, arn = arn }
  }
]...)`, field{"policy_arn", expr("each.value.arn")})
	}
	if t.inline {
		policies(file, "aws_iam_role_policy", `merge([
  for key, role in local.roles : {
    for name, policy in role.inline_policies : "${key}/${name}" => { role = key, name = name, policy = policy }
  }
]...)`, field{"name", expr("each.value.name")}, field{"policy", expr("each.value.policy")})
	}
}

// policies writes the resource for the policies of a kind, of all roles.
func policies(file body, kind, forEach string, fields ...field) {
	b := file.block("resource", kind, "app")
	b.set(field{"for_each", expr(forEach)})
	b.AppendNewline()
	b.set(field{"role", expr(roleAddress + "[each.value.role].name")})
	b.set(fields...)
}

// trustDocument writes a trust policy as a data source.
func (t *terraform) trustDocument(file body, label string, p *trustpolicy.Policy) {
	doc := file.block("data", "aws_iam_policy_document", label)
	if p.Version != trustpolicy.Version2012 { // the data source's default
		doc.set(field{"version", str(trustpolicy.Version2008)})
	}
	if p.ID != "" {
		doc.set(field{"policy_id", str(p.ID)})
	}
	for _, st := range p.Statements {
		b := doc.block("statement")
		if st.Sid != "" {
			b.set(field{"sid", str(st.Sid)})
		}
		if st.Effect != trustpolicy.Allow {
			b.set(field{"effect", str(string(st.Effect))})
		}
		if len(st.Action) > 0 {
			b.set(field{"actions", strs(st.Action)})
		}
		if len(st.NotAction) > 0 {
			b.set(field{"not_actions", strs(st.NotAction)})
		}
		t.principals(b, "principals", st.Principal)
		t.principals(b, "not_principals", st.NotPrincipal)
		for _, c := range st.Conditions {
			b.condition(str(c.Operator), str(c.Key), strs(c.Values))
		}
	}
}

func (t *terraform) principals(b body, kind string, p *trustpolicy.Principal) {
	if p == nil {
		return
	}
	for _, part := range principals(p) {
		var identifiers []hclwrite.Tokens
		for _, v := range part.list {
			if v == t.provider.ARN {
				identifiers = append(identifiers, expr("local.provider_arn"))
			} else {
				identifiers = append(identifiers, str(v))
			}
		}
		b.block(kind).set(field{"type", str(part.kind)}, field{"identifiers", list(identifiers)})
	}
}

type principalList struct {
	kind string
	list []string
}

// principals returns the lists of a principal that are not empty.
func principals(p *trustpolicy.Principal) []principalList {
	all := []principalList{{"AWS", p.AWS}, {"Federated", p.Federated}, {"Service", p.Service}, {"CanonicalUser", p.CanonicalUser}}
	return slices.DeleteFunc(all, func(l principalList) bool { return len(l.list) == 0 })
}

func (t *terraform) outputs(file body) {
	file.block("output", "role_arns").set(
		field{"description", str("The ARN of each role.")},
		field{"value", expr("{ for key, role in " + roleAddress + " : key => role.arn }")},
	)
	lines := map[string][]field{}
	for _, e := range t.entries() {
		value := str(e.value)
		if e.role != "" {
			value = append(index(roleAddress, e.role), expr(".arn")...)
		}
		lines[e.app] = append(lines[e.app], field{e.variable, value})
	}
	var apps []field
	for _, app := range slices.Sorted(maps.Keys(lines)) {
		apps = append(apps, field{app, object(lines[app])})
	}
	file.block("output", "fly_env").set(
		field{"description", str("What belongs under [env] in each app's fly.toml.")},
		field{"value", object(apps)},
	)
}

func (t *terraform) imports(file body) {
	add := func(exists bool, to hclwrite.Tokens, id string) {
		if exists {
			file.block("import").set(field{"to", to}, field{"id", str(id)})
		}
	}
	add(t.provider.exists && !t.provider.elsewhere, expr(providerAddress), t.provider.ARN)
	for _, r := range t.roles {
		add(r.exists, index(roleAddress, r.key), r.Name)
		for _, p := range r.attached {
			add(p.exists, index(attachmentAddress, r.key+"/"+p.name), r.Name+"/"+p.ARN)
		}
		for _, p := range r.inline {
			add(p.exists, index(inlineAddress, r.key+"/"+p.name), r.Name+":"+p.name)
		}
	}
}
