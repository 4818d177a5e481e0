package export

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/fly-aws/fly-aws/setup"
)

// CloudFormationOptions say what else to write.
type CloudFormationOptions struct {
	// HandOver tags provider and roles as CloudFormation's, after which fly-aws changes them
	// no more.
	HandOver bool
}

// ToCloudFormation returns the CloudFormation template of what a plan leaves in the
// account, in YAML. Accounts and partitions are pseudo parameters, so that the template
// suits every account of a StackSet. The error is ErrNothing, or a *setup.ConflictError.
func ToCloudFormation(plan *setup.Plan, o CloudFormationOptions) ([]byte, error) {
	manager := ""
	if o.HandOver {
		manager = setup.ManagerCloudFormation
	}
	f, err := newFederation(plan, manager)
	if err != nil {
		return nil, err
	}
	t := newTemplate(f)
	document := mapping(
		pair{"AWSTemplateFormatVersion", quoted("2010-09-09")},
		pair{"Description", scalar(t.title() + " Made by fly-aws.")},
		pair{"Parameters", t.parameters()},
		pair{"Conditions", t.conditions()},
		pair{"Resources", t.resources()},
		pair{"Outputs", t.outputs()},
	)
	if t.err != nil {
		return nil, t.err
	}
	out := bytes.NewBufferString("# " + Mark + " cloudformation.\n")
	for _, line := range t.notExported("CloudFormation") {
		fmt.Fprintln(out, strings.TrimSpace("# "+line))
	}
	enc := yaml.NewEncoder(out)
	enc.SetIndent(2)
	err = enc.Encode(document)
	return out.Bytes(), err
}

// A template is a federation as CloudFormation resources.
type template struct {
	*federation
	ids map[string]string // logical IDs of the roles, by key
	// account matches the plan's account, partition the beginning of an ARN.
	account   *regexp.Regexp
	partition string
	err       error
}

func newTemplate(f *federation) *template {
	t := &template{
		federation: f, ids: map[string]string{},
		account: regexp.MustCompile(`\b` + f.plan.Account + `\b`), partition: "arn:" + f.plan.Partition + ":",
	}
	taken := map[string]bool{}
	for _, r := range f.roles {
		id := logicalID(r.key) + "Role"
		for n := 2; taken[id]; n++ {
			id = logicalID(r.key) + "Role" + strconv.Itoa(n)
		}
		taken[id], t.ids[r.key] = true, id
	}
	return t
}

// logicalID makes a logical ID, which has letters and digits only, from a role's key.
func logicalID(key string) string {
	var id strings.Builder
	for _, part := range strings.FieldsFunc(key, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9')
	}) {
		id.WriteString(strings.ToUpper(part[:1]) + part[1:])
	}
	return id.String()
}

// A pair is an entry of a mapping.
type pair struct {
	key   string
	value *yaml.Node
}

func mapping(pairs ...pair) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode}
	for _, p := range pairs {
		n.Content = append(n.Content, scalar(p.key), p.value)
	}
	return n
}

func sequence(nodes ...*yaml.Node) *yaml.Node {
	return &yaml.Node{Kind: yaml.SequenceNode, Content: nodes}
}

// scalar is a string, quoted where it must be: CloudFormation reads YAML 1.1, to which "yes"
// is a boolean, "1:30" a number and "=" a type of its own.
func scalar(s string) *yaml.Node {
	if s == "=" {
		return quoted(s)
	}
	n := &yaml.Node{}
	_ = n.Encode(s) // a string can be encoded
	return n
}

func quoted(s string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s, Style: yaml.DoubleQuotedStyle}
}

// function is a call in short form: !Ref X, or !Equals [A, B].
func function(name string, arguments ...*yaml.Node) *yaml.Node {
	n := sequence(arguments...)
	n.Style = yaml.FlowStyle
	if len(arguments) == 1 && arguments[0].Kind == yaml.ScalarNode {
		n = arguments[0]
	}
	n.Tag = "!" + name
	n.Style |= yaml.TaggedStyle
	return n
}

func ref(name string) *yaml.Node { return function("Ref", scalar(name)) }

// text is a string with the account and partitions as pseudo parameters.
func (t *template) text(s string) *yaml.Node {
	sub := strings.ReplaceAll(s, "${", "${!")
	sub = t.account.ReplaceAllLiteralString(sub, "${AWS::AccountId}")
	sub = strings.ReplaceAll(sub, t.partition, "arn:${AWS::Partition}:")
	if sub == strings.ReplaceAll(s, "${", "${!") {
		return scalar(s)
	}
	return function("Sub", scalar(sub))
}

// document is a JSON document in YAML, whose keys keep their order.
func (t *template) document(text string) *yaml.Node {
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	n, err := t.value(dec)
	if err != nil && t.err == nil {
		t.err = err
	}
	return n
}

func (t *template) value(dec *json.Decoder) (*yaml.Node, error) {
	token, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch v := token.(type) {
	case json.Delim:
		return t.compound(dec, v)
	case string:
		if v == t.provider.ARN { // so that the role is made after the provider
			return function("If", scalar("CreatesProvider"), function("GetAtt", scalar("Provider.Arn")), t.text(v)), nil
		}
		return t.text(v), nil
	case json.Number:
		return &yaml.Node{Kind: yaml.ScalarNode, Value: v.String()}, nil
	}
	n := &yaml.Node{}
	err = n.Encode(token) // a boolean or null
	return n, err
}

// compound reads what follows the opening of an object or a list.
func (t *template) compound(dec *json.Decoder, open json.Delim) (*yaml.Node, error) {
	n := sequence()
	if open == '{' {
		n = mapping()
	}
	for dec.More() {
		if open == '{' {
			key, err := dec.Token()
			if err != nil {
				return nil, err
			}
			n.Content = append(n.Content, scalar(fmt.Sprint(key)))
		}
		v, err := t.value(dec)
		if err != nil {
			return nil, err
		}
		n.Content = append(n.Content, v)
	}
	_, err := dec.Token()
	return n, err
}

func (t *template) parameters() *yaml.Node {
	return mapping(
		pair{"CreateProvider", mapping(
			pair{"Type", scalar("String")},
			pair{"Description", scalar(`Write "false" where the account has the OIDC provider ` + t.issuer() + ` already: it can have only one.`)},
			pair{"AllowedValues", sequence(scalar("true"), scalar("false"))},
			pair{"Default", scalar(strconv.FormatBool(!t.provider.elsewhere))},
		)},
		pair{"PermissionsBoundary", mapping(
			pair{"Type", scalar("String")},
			pair{"Description", scalar("ARN of a managed policy that is the permissions boundary of every role; empty for that of this template, if it has one.")},
			pair{"Default", scalar("")},
		)},
	)
}

func (t *template) conditions() *yaml.Node {
	return mapping(
		pair{"CreatesProvider", function("Equals", ref("CreateProvider"), scalar("true"))},
		pair{"HasBoundary", function("Not", function("Equals", ref("PermissionsBoundary"), scalar("")))},
	)
}

func (t *template) resources() *yaml.Node {
	resources := []pair{{"Provider", mapping(
		pair{"Type", scalar("AWS::IAM::OIDCProvider")},
		pair{"Condition", scalar("CreatesProvider")},
		pair{"Properties", mapping(
			pair{"Url", scalar(t.provider.URL)},
			pair{"ClientIdList", t.texts(t.provider.Audiences)},
			pair{"Tags", t.tags(t.provider.Tags)},
		)},
	)}}
	for _, r := range t.roles {
		resources = append(resources, pair{t.ids[r.key], mapping(
			pair{"Type", scalar("AWS::IAM::Role")},
			pair{"Properties", t.role(r)},
		)})
	}
	return mapping(resources...)
}

// role is the properties of a role.
func (t *template) role(r role) *yaml.Node {
	boundary := ref("AWS::NoValue")
	if r.Boundary != "" {
		boundary = t.text(r.Boundary)
	}
	pairs := []pair{{"RoleName", t.text(r.Name)}}
	add := func(has bool, key string, value *yaml.Node) {
		if has {
			pairs = append(pairs, pair{key, value})
		}
	}
	add(r.Path != "/" && r.Path != "", "Path", scalar(r.Path))
	add(r.Description != "", "Description", t.text(r.Description))
	add(session(r.Role) != defaultSession, "MaxSessionDuration", &yaml.Node{Kind: yaml.ScalarNode, Value: strconv.FormatInt(session(r.Role), 10)})
	add(true, "PermissionsBoundary", function("If", scalar("HasBoundary"), ref("PermissionsBoundary"), boundary))
	add(true, "AssumeRolePolicyDocument", t.document(r.Trust.String()))
	var arns, policies []*yaml.Node
	for _, p := range r.attached {
		arns = append(arns, t.text(p.ARN))
	}
	for _, p := range r.inline {
		policies = append(policies, mapping(
			pair{"PolicyName", t.text(p.Name)},
			pair{"PolicyDocument", t.document(p.Document.String())},
		))
	}
	add(len(arns) > 0, "ManagedPolicyArns", sequence(arns...))
	add(len(policies) > 0, "Policies", sequence(policies...))
	add(true, "Tags", t.tags(r.Tags))
	return mapping(pairs...)
}

func (t *template) texts(values []string) *yaml.Node {
	n := sequence()
	for _, v := range values {
		n.Content = append(n.Content, t.text(v))
	}
	return n
}

func (t *template) tags(tags map[string]string) *yaml.Node {
	n := sequence()
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		n.Content = append(n.Content, mapping(pair{"Key", scalar(key)}, pair{"Value", t.text(tags[key])}))
	}
	return n
}

func (t *template) outputs() *yaml.Node {
	users := map[string][]string{} // by the role's key
	for _, e := range t.entries() {
		if e.role != "" {
			users[e.role] = append(users[e.role], e.variable+" in the fly.toml of "+e.app)
		}
	}
	var outputs []pair
	for _, r := range t.roles {
		description := "The ARN of the role " + r.Name
		if len(users[r.key]) > 0 {
			description = strings.Join(users[r.key], ", ")
		}
		const most = 1024 // characters of a description
		if len(description) > most {
			description = "The ARN of the role " + r.Name
		}
		outputs = append(outputs, pair{t.ids[r.key] + "Arn", mapping(
			pair{"Description", scalar(description)},
			pair{"Value", function("GetAtt", scalar(t.ids[r.key]+".Arn"))},
		)})
	}
	return mapping(outputs...)
}
