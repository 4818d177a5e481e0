// Package export writes what a plan leaves in an AWS account as code: Terraform or
// CloudFormation.
package export

import (
	"cmp"
	"errors"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/fly-aws/fly-aws/setup"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

// Mark is in the first line of every exported file. A file with another first line was not
// made by an export.
const Mark = "Made by fly-aws export"

// ErrNothing says that a plan leaves nothing of fly-aws's in the account, so that there is
// nothing to export: all its roles are only watched.
var ErrNothing = errors.New("nothing to export: every role of the request is only watched")

// A federation is what a plan leaves in the account.
type federation struct {
	plan     *setup.Plan
	provider provider
	roles    []role
	// deleted are the policies and roles that the plan deletes.
	deleted []setup.Resource
}

type provider struct {
	setup.Provider
	exists bool
	// elsewhere says that it is there and that something else manages it, which stays so.
	elsewhere bool
}

type role struct {
	setup.Role
	// key is a short name of the role, different from those of the others.
	key              string
	exists           bool
	attached, inline []policy
	trust            trust
}

type policy struct {
	setup.RolePolicy
	exists bool
	// name tells it from the others of its kind on the role.
	name string
}

// A trust is what differs between trust policies that setup writes.
type trust struct {
	// plain says that the policy has the form that setup writes, and nothing else. The other
	// fields are empty if it has not.
	plain bool
	// All are in an order of their own, since IAM's clients reorder policies.
	actions, subjects []string
	conditions        []trustpolicy.Condition
}

// newFederation takes a plan apart. If manager is not empty, provider and roles are handed
// over to it. The error is ErrNothing, or a *setup.ConflictError.
func newFederation(plan *setup.Plan, manager string) (*federation, error) {
	if conflicts := plan.Conflicts(); len(conflicts) > 0 {
		return nil, &setup.ConflictError{Conflicts: conflicts}
	}
	f := &federation{plan: plan}
	places := map[string]int{} // of the roles, by name
	for _, c := range plan.Changes {
		exists := c.Action != setup.ActionCreate
		r := c.Resource()
		switch {
		case r.Env != nil:
		case c.After == nil:
			f.deleted = append(f.deleted, r)
		case r.Provider != nil:
			f.provider = provider{Provider: *r.Provider, exists: exists, elsewhere: managed(plan, r)}
			f.provider.Tags = handedOver(r.Provider.Tags, manager)
		case r.Role != nil && c.Action == setup.ActionUpdate && !f.names(r.Role.Name):
			f.deleted = append(f.deleted, r) // a role that loses only what is ours
		case r.Role != nil:
			places[r.Role.Name] = len(f.roles)
			f.roles = append(f.roles, role{Role: *r.Role, exists: exists})
			f.roles[len(f.roles)-1].Tags = handedOver(r.Role.Tags, manager)
		case r.Policy.ARN != "":
			on := &f.roles[places[r.Policy.Role]]
			on.attached = append(on.attached, policy{RolePolicy: *r.Policy, exists: exists, name: on.nameOf(r.Policy.ARN)})
		default:
			on := &f.roles[places[r.Policy.Role]]
			on.inline = append(on.inline, policy{RolePolicy: ordered(*r.Policy), exists: exists, name: r.Policy.Name})
		}
	}
	if f.provider.ARN == "" {
		return nil, ErrNothing
	}
	f.provider.Audiences = slices.Sorted(slices.Values(f.provider.Audiences))
	f.nameRoles()
	for i, r := range f.roles {
		f.roles[i].trust = f.trust(r)
	}
	return f, nil
}

// managed says whether something else than who applies the plan manages the resource.
func managed(plan *setup.Plan, r setup.Resource) bool {
	return slices.ContainsFunc(plan.Managed(), func(m setup.Resource) bool { return m.ID() == r.ID() })
}

// nameOf returns a name for a managed policy on the role: the last part of its ARN, or all
// of it if the role has a policy of that name.
func (r *role) nameOf(arn string) string {
	name := path.Base(arn)
	if slices.ContainsFunc(r.attached, func(p policy) bool { return p.name == name }) {
		return arn
	}
	return name
}

// ordered returns an inline policy whose document has the order that setup writes, if it
// can be parsed.
func ordered(p setup.RolePolicy) setup.RolePolicy {
	if document, err := setup.ParseDocument([]byte(p.Document.String())); err == nil {
		p.Document = document
	}
	return p
}

// trust takes a role's trust policy apart.
func (f *federation) trust(r role) trust {
	if len(r.Trust.Statements) != 1 || r.Trust.Version != trustpolicy.Version2012 || r.Trust.ID != "" {
		return trust{}
	}
	s := r.Trust.Statements[0]
	out := trust{plain: true, actions: slices.Sorted(slices.Values(s.Action))}
	issuer := f.issuer()
	audience := false
	for _, c := range s.Conditions {
		values := slices.Sorted(slices.Values(c.Values))
		switch {
		case c.Operator == "StringEquals" && c.Key == issuer+":aud":
			audience = slices.Equal(values, []string{f.plan.Audience})
		case c.Operator == "StringLike" && c.Key == issuer+":sub":
			out.subjects = values
		default:
			out.conditions = append(out.conditions, trustpolicy.Condition{Operator: c.Operator, Key: c.Key, Values: values})
		}
	}
	slices.SortFunc(out.conditions, func(a, b trustpolicy.Condition) int {
		return cmp.Or(strings.Compare(a.Operator, b.Operator), strings.Compare(a.Key, b.Key))
	})
	if !audience || len(out.subjects) == 0 || len(out.actions) == 0 || !f.statement(out).Equal(s) {
		return trust{}
	}
	return out
}

// statement is the statement of a plain trust policy.
func (f *federation) statement(t trust) trustpolicy.Statement {
	return trustpolicy.Statement{
		Sid: trustpolicy.Sid(f.plan.Org), Effect: trustpolicy.Allow, Action: t.actions,
		Principal: &trustpolicy.Principal{Federated: []string{f.provider.ARN}},
		Conditions: append([]trustpolicy.Condition{
			{Operator: "StringEquals", Key: f.issuer() + ":aud", Values: []string{f.plan.Audience}},
			{Operator: "StringLike", Key: f.issuer() + ":sub", Values: t.subjects},
		}, t.conditions...),
	}
}

// issuer is the path of the provider, which begins its condition keys.
func (f *federation) issuer() string { return strings.TrimPrefix(f.plan.Issuer, "https://") }

// names says whether the plan's request names the role.
func (f *federation) names(role string) bool {
	return slices.Contains(f.plan.Request.RoleNames(), role)
}

// handedOver returns the tags with the one that says who manages the resource.
func handedOver(tags map[string]string, manager string) map[string]string {
	if manager == "" {
		return tags
	}
	out := map[string]string{setup.TagManagedBy: manager}
	for key, value := range tags {
		if !strings.EqualFold(key, setup.TagManagedBy) {
			out[key] = value
		}
	}
	return out
}

// nameRoles gives the roles their keys: the app's name for a role of the default name,
// unless that is another's key too, and the role's name otherwise.
func (f *federation) nameRoles() {
	taken := map[string]int{}
	short := func(r role) string {
		return cmp.Or(strings.TrimPrefix(r.Name, "fly-"+f.plan.Org+"-"), r.Name)
	}
	for _, r := range f.roles {
		taken[short(r)]++
		if r.Name != short(r) {
			taken[r.Name]++
		}
	}
	for i, r := range f.roles {
		f.roles[i].key = r.Name
		if taken[short(r)] == 1 {
			f.roles[i].key = short(r)
		}
	}
}

// roleTags returns the tags that all roles have, but for the app's, which is a role's own.
func (f *federation) roleTags() map[string]string {
	shared := map[string]string{}
	for i, r := range f.roles {
		if i == 0 {
			shared = maps.Clone(r.Tags)
		}
		maps.DeleteFunc(shared, func(key, value string) bool { return key == setup.TagApp || !has(r.Tags, key, value) })
	}
	return shared
}

// without returns the tags that are not among others.
func without(tags, others map[string]string) map[string]string {
	own := maps.Clone(tags)
	maps.DeleteFunc(own, func(key, value string) bool { return has(others, key, value) })
	return own
}

func has(tags map[string]string, key, value string) bool {
	have, ok := tags[key]
	return ok && have == value
}

// boundary returns the permissions boundary of all roles; ok is false if they differ.
func (f *federation) boundary() (arn string, ok bool) {
	for i, r := range f.roles {
		if i > 0 && r.Boundary != arn {
			return "", false
		}
		arn = r.Boundary
	}
	return arn, true
}

// An entry is a variable of an app's fly.toml.
type entry struct {
	app, variable string
	// role is the key of the role whose ARN is the value; value is the value if it is "".
	role, value string
}

// entries returns what belongs into the [env] of each app's fly.toml, in the order of the
// request.
func (f *federation) entries() []entry {
	req := f.plan.Request
	keys := map[string]string{}
	for _, r := range f.roles {
		keys[r.Name] = r.key
	}
	var out []entry
	for _, want := range req.Roles {
		key, exported := keys[req.RoleName(want)]
		if !exported {
			continue
		}
		for _, app := range want.Apps {
			out = append(out, entry{app: app.Name, variable: app.Variable(), role: key})
			if region := cmp.Or(app.Region, req.Region); region != "" && !app.IsPattern() {
				out = append(out, entry{app: app.Name, variable: setup.EnvRegion, value: region})
			}
		}
	}
	slices.SortStableFunc(out, func(a, b entry) int {
		return cmp.Or(strings.Compare(a.app, b.app), strings.Compare(a.variable, b.variable))
	})
	return slices.CompactFunc(out, func(a, b entry) bool { return a.app == b.app && a.variable == b.variable })
}

// title says what the export is for.
func (f *federation) title() string {
	return "Access to AWS for apps of the Fly.io organization " + f.plan.Org + "."
}

// notExported says, as lines of a comment, what of the plan is not in the export.
func (f *federation) notExported(tool string) []string {
	if len(f.deleted) == 0 {
		return nil
	}
	lines := []string{"", "fly-aws apply --prune would also remove these, which " + tool + " does not know:"}
	for _, r := range f.deleted {
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
