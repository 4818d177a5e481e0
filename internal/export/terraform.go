package export

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"
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

// ToTerraform returns the Terraform configuration of what a plan leaves in the account,
// which needs the AWS provider 5.100 or later. Together the files are one module; joined
// they are one valid file. The error is ErrNothing, or a *setup.ConflictError.
func ToTerraform(plan *setup.Plan, o TerraformOptions) ([]File, error) {
	manager := ""
	if o.HandOver {
		manager = setup.ManagerTerraform
	}
	f, err := newFederation(plan, manager)
	if err != nil {
		return nil, err
	}
	t := newTerraform(f)
	files := []File{
		{fileTerraform, source([]string{Mark + " terraform."}, t.settings)},
		{fileVariables, source([]string{Mark + " terraform."}, t.variables)},
		{fileMain, source(t.preface(), t.main)},
		{fileOutputs, source([]string{Mark + " terraform."}, t.outputs)},
	}
	if o.Import {
		files = append(files, File{fileImports, source([]string{
			Mark + " terraform, with --import. Delete this file after terraform apply.",
		}, t.imports)})
	}
	return files, t.err
}

// A terraform is a federation as Terraform resources: roles whose trust policies differ
// only in the values of our statement are instances of one resource, the others are
// resources of their own.
type terraform struct {
	*federation
	alike  []role // at least two, or none
	single []role
	labels map[string]string // of the single roles, by key
	shared map[string]string // tags
	// boundary is a variable unless the roles differ.
	hasBoundaryVariable bool
	commonBoundary      string
	err                 error
}

func newTerraform(f *federation) *terraform {
	t := &terraform{federation: f, labels: map[string]string{}, shared: f.sharedTags()}
	for _, r := range f.roles {
		if _, ok := f.plain(r); ok {
			t.alike = append(t.alike, r)
		} else {
			t.single = append(t.single, r)
		}
	}
	if len(t.alike) == 1 {
		t.alike, t.single = nil, f.roles
	}
	taken := map[string]bool{alikeLabel: len(t.alike) > 0}
	for _, r := range t.single {
		label := labelOf(r.key)
		for taken[label] {
			label += "_"
		}
		taken[label] = true
		t.labels[r.key] = label
	}
	t.commonBoundary, t.hasBoundaryVariable = f.boundary()
	return t
}

// alikeLabel is the label of the resources with for_each.
const alikeLabel = "app"

// labelOf makes a resource's label from a role's key.
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

// A plainTrust is what differs between trust policies that setup writes.
type plainTrust struct {
	actions, subjects []string
	conditions        []trustpolicy.Condition
}

// plain takes a trust policy apart that has the form that setup writes and nothing else.
func (f *federation) plain(r role) (plainTrust, bool) {
	if len(r.Trust.Statements) != 1 || r.Trust.Version != trustpolicy.Version2012 || r.Trust.ID != "" || !isExpressible(r.Trust) {
		return plainTrust{}, false
	}
	s := r.Trust.Statements[0]
	key := strings.TrimPrefix(f.plan.Issuer, "https://")
	want := trustpolicy.Statement{
		Sid: trustpolicy.Sid(f.plan.Org), Effect: trustpolicy.Allow, Action: s.Action,
		Principal: &trustpolicy.Principal{Federated: []string{f.provider.ARN}},
		Conditions: []trustpolicy.Condition{
			{Operator: "StringEquals", Key: key + ":aud", Values: []string{f.plan.Audience}},
			{Operator: "StringLike", Key: key + ":sub"},
		},
	}
	if len(s.Action) == 0 || len(s.Conditions) < 2 {
		return plainTrust{}, false
	}
	subjects, more := s.Conditions[1].Values, s.Conditions[2:]
	want.Conditions[1].Values = subjects
	want.Conditions = append(want.Conditions, more...)
	return plainTrust{s.Action, subjects, more}, s.Equal(want)
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

// preface is the comment at the top of the resources.
func (t *terraform) preface() []string {
	lines := []string{
		Mark + " terraform.",
		"",
		"Access to AWS for apps of the Fly.io organization " + t.plan.Org + ", in the account " + t.plan.Account + ".",
		"What belongs into each fly.toml is the output fly_env.",
	}
	if len(t.deleted) == 0 {
		return lines
	}
	lines = append(lines, "", "The plan also removes these, which Terraform does not know:")
	for _, r := range t.deleted {
		switch {
		case r.Role != nil:
			lines = append(lines, "  role "+r.Role.Name)
		case r.Policy != nil && r.Policy.ARN != "":
			lines = append(lines, "  policy "+r.Policy.ARN+" on role "+r.Policy.Role)
		case r.Policy != nil:
			lines = append(lines, "  inline policy "+r.Policy.Name+" in role "+r.Policy.Role)
		}
	}
	return lines
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
	file.block("variable", "tags").set(
		field{"description", str("More tags for the OIDC provider and the roles.")},
		field{"type", expr("map(string)")},
		field{"default", object(nil)},
	)
	if !t.hasBoundaryVariable {
		return
	}
	value := word("null")
	if t.commonBoundary != "" {
		value = str(t.commonBoundary)
	}
	file.block("variable", "permissions_boundary").set(
		field{"description", str("ARN of the managed policy that is the roles' permissions boundary; null for none.")},
		field{"type", expr("string")},
		field{"default", value},
	)
}

func (t *terraform) main(file body) {
	t.locals(file)
	t.oidcProvider(file)
	if len(t.alike) > 0 {
		t.alikeRoles(file)
	}
	for _, r := range t.single {
		t.singleRole(file, r)
	}
}

// traits are what the roles that are alike do not have in common.
type traits struct {
	path, session, boundary, actions, conditions, attached, inline bool
}

func (t *terraform) traits() traits {
	var x traits
	first := t.alike[0]
	firstTrust, _ := t.plain(first)
	for _, r := range t.alike {
		trust, _ := t.plain(r)
		x.path = x.path || r.Path != first.Path
		x.session = x.session || r.MaxSession != first.MaxSession
		x.actions = x.actions || !slices.Equal(trust.actions, firstTrust.actions)
		x.conditions = x.conditions || len(trust.conditions) > 0
		x.attached = x.attached || len(r.attached) > 0
		x.inline = x.inline || len(r.inline) > 0
	}
	x.boundary = !t.hasBoundaryVariable
	return x
}

func (t *terraform) locals(file body) {
	b := file.block("locals")
	b.set(field{"tags", stringMap(t.shared)})
	if len(t.alike) == 0 {
		return
	}
	var roles []field
	x := t.traits()
	for _, r := range t.alike {
		roles = append(roles, field{r.key, t.roleObject(r, x)})
	}
	b.AppendNewline()
	b.set(field{"roles", object(roles)})
}

// roleObject is a role in local.roles.
func (t *terraform) roleObject(r role, x traits) hclwrite.Tokens {
	trust, _ := t.plain(r)
	fields := []field{{"name", str(r.Name)}}
	add := func(has bool, name string, value hclwrite.Tokens) {
		if has {
			fields = append(fields, field{name, value})
		}
	}
	add(x.path, "path", str(r.Path))
	add(true, "description", str(r.Description))
	add(x.session, "max_session_duration", number(session(r.Role)))
	add(x.boundary, "permissions_boundary", orNull(r.Boundary))
	add(x.actions, "actions", strs(trust.actions))
	add(true, "subjects", strs(trust.subjects))
	if x.conditions {
		var conditions []hclwrite.Tokens
		for _, c := range trust.conditions {
			conditions = append(conditions, object([]field{{"test", str(c.Operator)}, {"variable", str(c.Key)}, {"values", strs(c.Values)}}))
		}
		add(true, "conditions", list(conditions))
	}
	add(true, "tags", stringMap(ownTags(ownTags(r.Tags, t.shared), t.alikeTags())))
	if x.attached {
		var arns []string
		for _, p := range r.attached {
			arns = append(arns, p.ARN)
		}
		add(true, "policies", strs(arns))
	}
	if x.inline {
		add(true, "inline_policies", t.inlineDocuments(r))
	}
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

const providerAddress = "aws_iam_openid_connect_provider.fly"

func (t *terraform) oidcProvider(file body) {
	file.empty("data", "aws_caller_identity", "current")
	b := file.block("resource", "aws_iam_openid_connect_provider", "fly")
	b.set(
		field{"url", str(t.provider.URL)},
		field{"client_id_list", strs(t.provider.Audiences)},
		field{"tags", t.tags(ownTags(t.provider.Tags, t.shared))},
	)
	check := b.block("lifecycle").block("precondition")
	check.set(
		field{"condition", expr(`data.aws_caller_identity.current.account_id == ` + strconv.Quote(t.plan.Account))},
		field{"error_message", str("This configuration is for the AWS account " + t.plan.Account + ".")},
	)
}

// tags are those of a resource: the user's, those of all, its own, and more.
func (t *terraform) tags(own map[string]string, more ...hclwrite.Tokens) hclwrite.Tokens {
	args := []hclwrite.Tokens{expr("var.tags"), expr("local.tags")}
	if len(own) > 0 {
		args = append(args, stringMap(own))
	}
	return call("merge", append(args, more...)...)
}

// alikeTags are the tags that the roles that are alike have in common, beside those of all.
func (t *terraform) alikeTags() map[string]string {
	common := ownTags(t.alike[0].Tags, t.shared)
	for _, r := range t.alike {
		maps.DeleteFunc(common, func(key, value string) bool { return r.Tags[key] != value || value == "" })
	}
	return common
}

// alikeRoles writes the resources with for_each.
func (t *terraform) alikeRoles(file body) {
	x := t.traits()
	first, _ := t.plain(t.alike[0])
	issuer := strings.TrimPrefix(t.plan.Issuer, "https://")

	trust := file.block("data", "aws_iam_policy_document", alikeLabel+"_trust")
	trust.set(field{"for_each", expr("local.roles")})
	s := trust.block("statement")
	actions := strs(first.actions)
	if x.actions {
		actions = expr("each.value.actions")
	}
	s.set(field{"sid", str(trustpolicy.Sid(t.plan.Org))}, field{"actions", actions})
	s.block("principals").set(
		field{"type", str("Federated")},
		field{"identifiers", list([]hclwrite.Tokens{expr(providerAddress + ".arn")})},
	)
	s.condition(str("StringEquals"), str(issuer+":aud"), strs([]string{t.plan.Audience}))
	s.condition(str("StringLike"), str(issuer+":sub"), expr("each.value.subjects"))
	if x.conditions {
		d := s.block("dynamic", "condition")
		d.set(field{"for_each", expr("each.value.conditions")})
		d.block("content").set(
			field{"test", expr("condition.value.test")},
			field{"variable", expr("condition.value.variable")},
			field{"values", expr("condition.value.values")},
		)
	}

	r := file.block("resource", "aws_iam_role", alikeLabel)
	r.set(field{"for_each", expr("local.roles")})
	r.AppendNewline()
	r.set(field{"name", expr("each.value.name")})
	if x.path {
		r.set(field{"path", expr("each.value.path")})
	} else {
		r.path(t.alike[0].Role)
	}
	r.set(field{"description", expr("each.value.description")})
	if x.session {
		r.set(field{"max_session_duration", expr("each.value.max_session_duration")})
	} else {
		r.session(t.alike[0].Role)
	}
	if x.boundary {
		r.set(field{"permissions_boundary", expr("each.value.permissions_boundary")})
	} else {
		r.set(field{"permissions_boundary", expr("var.permissions_boundary")})
	}
	r.set(
		field{"assume_role_policy", expr("data.aws_iam_policy_document." + alikeLabel + "_trust[each.key].json")},
		field{"tags", t.tags(t.alikeTags(), expr("each.value.tags"))},
	)
	if x.attached {
		name := "basename(arn)"
		if !t.hasShortNames() {
			name = "arn"
		}
		t.alikePolicies(file, "aws_iam_role_policy_attachment", fmt.Sprintf(`merge([
  for key, role in local.roles : {
    for arn in role.policies : "${key}/${%s}" => { role = key, arn = arn }
  }
]...)`, name), field{"policy_arn", expr("each.value.arn")})
	}
	if x.inline {
		t.alikePolicies(file, "aws_iam_role_policy", `merge([
  for key, role in local.roles : {
    for name, policy in role.inline_policies : "${key}/${name}" => { role = key, name = name, policy = policy }
  }
]...)`, field{"name", expr("each.value.name")}, field{"policy", expr("each.value.policy")})
	}
}

func (t *terraform) alikePolicies(file body, kind, forEach string, fields ...field) {
	b := file.block("resource", kind, alikeLabel)
	b.set(field{"for_each", expr(forEach)})
	b.AppendNewline()
	b.set(field{"role", expr("aws_iam_role." + alikeLabel + "[each.value.role].name")})
	b.set(fields...)
}

// hasShortNames says whether the last parts of the ARNs of managed policies tell those on
// one role apart.
func (t *terraform) hasShortNames() bool {
	for _, r := range t.alike {
		seen := map[string]bool{}
		for _, p := range r.attached {
			if seen[path.Base(p.ARN)] {
				return false
			}
			seen[path.Base(p.ARN)] = true
		}
	}
	return true
}

func (b body) condition(test, variable, values hclwrite.Tokens) {
	b.block("condition").set(field{"test", test}, field{"variable", variable}, field{"values", values})
}

// path sets a role's path unless it is the default.
func (b body) path(r setup.Role) {
	if r.Path != "/" && r.Path != "" {
		b.set(field{"path", str(r.Path)})
	}
}

// session sets a role's maximum session duration unless it is the default.
func (b body) session(r setup.Role) {
	if session(r) != defaultSession {
		b.set(field{"max_session_duration", number(session(r))})
	}
}

// singleRole writes a role with its policies as resources of their own.
func (t *terraform) singleRole(file body, r role) {
	label := t.labels[r.key]
	trust := expr("data.aws_iam_policy_document." + label + "_trust.json")
	if isExpressible(r.Trust) {
		t.trustDocument(file, label+"_trust", r.Trust)
	} else {
		trust = t.jsonencode(r.Trust.String())
	}
	b := file.block("resource", "aws_iam_role", label)
	b.set(field{"name", str(r.Name)})
	b.path(r.Role)
	b.set(field{"description", str(r.Description)})
	b.session(r.Role)
	switch {
	case t.hasBoundaryVariable:
		b.set(field{"permissions_boundary", expr("var.permissions_boundary")})
	case r.Boundary != "":
		b.set(field{"permissions_boundary", str(r.Boundary)})
	}
	b.set(field{"assume_role_policy", trust}, field{"tags", t.tags(ownTags(r.Tags, t.shared))})

	name := field{"role", expr("aws_iam_role." + label + ".name")}
	switch len(r.attached) {
	case 0:
	case 1:
		file.block("resource", "aws_iam_role_policy_attachment", label).set(name, field{"policy_arn", str(r.attached[0].ARN)})
	default:
		var arns []string
		for _, p := range r.attached {
			arns = append(arns, p.ARN)
		}
		a := file.block("resource", "aws_iam_role_policy_attachment", label)
		a.set(field{"for_each", call("toset", strs(arns))})
		a.AppendNewline()
		a.set(name, field{"policy_arn", expr("each.value")})
	}
	switch len(r.inline) {
	case 0:
	case 1:
		p := r.inline[0]
		file.block("resource", "aws_iam_role_policy", label).set(name, field{"name", str(p.Name)}, field{"policy", t.jsonencode(p.Document.String())})
	default:
		i := file.block("resource", "aws_iam_role_policy", label)
		i.set(field{"for_each", t.inlineDocuments(r)})
		i.AppendNewline()
		i.set(name, field{"name", expr("each.key")}, field{"policy", expr("each.value")})
	}
}

// inlineDocuments are the role's inline policies by name.
func (t *terraform) inlineDocuments(r role) hclwrite.Tokens {
	var documents []field
	for _, p := range r.inline {
		documents = append(documents, field{p.Name, t.jsonencode(p.Document.String())})
	}
	return object(documents)
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
				identifiers = append(identifiers, expr(providerAddress+".arn"))
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

// address is the role's resource.
func (t *terraform) address(key string) hclwrite.Tokens {
	if label, ok := t.labels[key]; ok {
		return expr("aws_iam_role." + label)
	}
	return index("aws_iam_role."+alikeLabel, key)
}

func (t *terraform) outputs(file body) {
	var arns []field
	for _, r := range t.roles {
		arns = append(arns, field{r.key, t.arn(r.key)})
	}
	file.block("output", "role_arns").set(
		field{"description", str("The ARN of each role.")},
		field{"value", object(arns)},
	)
	lines := map[string][]field{}
	for _, e := range t.entries() {
		value := str(e.value)
		if e.role != "" {
			value = t.arn(e.role)
		}
		lines[e.app] = append(lines[e.app], field{e.variable, value})
	}
	var apps []field
	for _, app := range slices.Sorted(maps.Keys(lines)) {
		apps = append(apps, field{app, object(lines[app])})
	}
	file.block("output", "fly_env").set(
		field{"description", str("What belongs into [env] of each app's fly.toml.")},
		field{"value", object(apps)},
	)
}

func (t *terraform) arn(key string) hclwrite.Tokens {
	return append(t.address(key), punctuation(hclsyntax.TokenDot, "."), word("arn")[0])
}

func (t *terraform) imports(file body) {
	add := func(exists bool, to hclwrite.Tokens, id string) {
		if exists {
			file.block("import").set(field{"to", to}, field{"id", str(id)})
		}
	}
	add(t.provider.exists, expr(providerAddress), t.provider.ARN)
	for _, r := range t.roles {
		add(r.exists, t.address(r.key), r.Name)
	}
	for _, r := range t.roles {
		for _, p := range r.attached {
			key := path.Base(p.ARN)
			if !t.hasShortNames() {
				key = p.ARN
			}
			add(p.exists, t.policyAddress("aws_iam_role_policy_attachment", r, len(r.attached), key, p.ARN), r.Name+"/"+p.ARN)
		}
		for _, p := range r.inline {
			add(p.exists, t.policyAddress("aws_iam_role_policy", r, len(r.inline), p.Name, p.Name), r.Name+":"+p.Name)
		}
	}
}

// policyAddress is a policy's resource, one of n of its kind on the role. name is its key
// among those of roles that are alike, behind the role's; id is its key on a single role.
func (t *terraform) policyAddress(kind string, r role, n int, name, id string) hclwrite.Tokens {
	label, single := t.labels[r.key]
	switch {
	case single && n == 1:
		return expr(kind + "." + label)
	case single:
		return index(kind+"."+label, id)
	}
	return index(kind+"."+alikeLabel, r.key+"/"+name)
}
