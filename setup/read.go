package setup

import (
	"bytes"
	stdjson "encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/fly-aws/fly-aws/internal/flyname"
	"github.com/fly-aws/fly-aws/internal/text"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

// MarshalIndent returns the plan's JSON form, with a final newline. ReadPlan
// reads it back.
func (p *Plan) MarshalIndent() ([]byte, error) {
	var buf bytes.Buffer
	enc := stdjson.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(p); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

// ReadPlan reads a plan's JSON form. A plan must show everything it does, and the file
// may have been edited, so ReadPlan is strict: it refuses another schema version, names
// that are unknown, duplicate or in another case, and anything that World.Plan and
// World.PlanDestroy do not produce. It derives Reasons again from Before and After.
func ReadPlan(data []byte) (*Plan, error) {
	var head struct {
		Schema string `json:"schema"`
	}
	if err := stdjson.Unmarshal(data, &head); err != nil {
		return nil, fmt.Errorf("not a plan: %w", err)
	}
	if head.Schema != PlanSchema {
		return nil, fmt.Errorf("its schema is %s; this version reads %q", text.Quote(head.Schema), PlanSchema)
	}
	var p Plan
	if err := json.Unmarshal(data, &p, json.RejectUnknownMembers(true)); err != nil {
		return nil, fmt.Errorf("not a plan: %s", text.Line(err.Error()))
	}
	if err := p.check(); err != nil {
		return nil, err
	}
	for i, c := range p.Changes {
		p.Changes[i].Reasons = c.differences(p.Org)
	}
	return &p, nil
}

// check refuses a plan that World.Plan and World.PlanDestroy do not produce.
func (p *Plan) check() error {
	if err := flyname.CheckOrg(p.Org); err != nil {
		return err
	}
	switch {
	case p.Issuer != flyname.Issuer(p.Org):
		return fmt.Errorf("its issuer %s is not that of the organization %q", text.Quote(p.Issuer), p.Org)
	case !trustpolicy.IsPartition(p.Partition):
		return fmt.Errorf("its partition %s is not one of AWS's", text.Quote(p.Partition))
	case AccountProblem(p.Account) != "":
		return fmt.Errorf("its account %s: %s", text.Quote(p.Account), AccountProblem(p.Account))
	case len(p.Changes) == 0:
		return errors.New("it has no changes")
	}
	if err := checkAudience(p.Audience); err != nil {
		return err
	}
	seen := map[string]bool{}
	for i, c := range p.Changes {
		if err := c.checkForm(); err != nil {
			return fmt.Errorf("its change %d: %w", i+1, err)
		}
		id := c.Resource().ID()
		if seen[id] {
			return fmt.Errorf("its change %d: %s appears twice", i+1, text.Quote(id))
		}
		seen[id] = true
	}
	if err := p.checkGrants(); err != nil {
		return err
	}
	for i, c := range p.Changes {
		if err := p.checkChange(c); err != nil {
			return fmt.Errorf("its change %d: %w", i+1, err)
		}
	}
	for _, w := range p.Warnings {
		if err := w.check(); err != nil {
			return err
		}
	}
	return nil
}

// checkForm requires the before and after that the action needs, of the same resource.
func (c Change) checkForm() error {
	before, after := c.Before != nil, c.After != nil
	ok := false
	switch c.Action {
	case ActionKeep, ActionCreate:
		ok = after && !before
	case ActionUpdate, ActionAdopt:
		ok = after && before
	case ActionDelete:
		ok = before && !after
	case ActionConflict:
		return errors.New("a conflict cannot be applied")
	default:
		return fmt.Errorf("unknown action %s", text.Quote(string(c.Action)))
	}
	if !ok {
		return fmt.Errorf("the action %s does not fit its before and after", c.Action)
	}
	for _, r := range []*Resource{c.Before, c.After} {
		if r == nil {
			continue
		}
		n := 0
		for _, set := range []bool{r.Provider != nil, r.Role != nil, r.Policy != nil, r.Env != nil} {
			if set {
				n++
			}
		}
		if n != 1 {
			return fmt.Errorf("a resource has exactly one of provider, role, policy and env, not %d", n)
		}
	}
	if before && after && c.Before.ID() != c.After.ID() {
		return errors.New("before and after are different resources")
	}
	return nil
}

// role returns the change of the role with that name, or nil.
func (p *Plan) role(name string) *Change {
	i := slices.IndexFunc(p.Changes, func(c Change) bool {
		role := c.Resource().Role
		return role != nil && role.Name == name
	})
	if i < 0 {
		return nil
	}
	return &p.Changes[i]
}

func (p *Plan) checkGrants() error {
	seen := map[[2]string]bool{}
	for _, g := range p.Grants {
		role := p.role(g.Role)
		if role == nil || role.Resource().Role.ARN != g.RoleARN {
			return fmt.Errorf("it grants the role %s, which is not in the plan", text.Quote(g.Role))
		}
		if err := flyname.CheckApp(g.App); err != nil {
			return err
		}
		for _, m := range g.Machines {
			if err := flyname.CheckMachine(m); err != nil {
				return err
			}
		}
		if seen[[2]string{g.Role, g.App}] || g.Kept && g.Removed {
			return fmt.Errorf("it grants the role %s to the app %s twice", text.Quote(g.Role), g.App)
		}
		seen[[2]string{g.Role, g.App}] = true
	}
	return nil
}

func (p *Plan) checkChange(c Change) error {
	for _, r := range []*Resource{c.Before, c.After} {
		if r == nil {
			continue
		}
		if err := p.checkIdentity(*r); err != nil {
			return err
		}
	}
	switch r := c.Resource(); {
	case r.Provider != nil:
		return p.checkProvider(c)
	case r.Role != nil:
		return p.checkRole(c)
	case r.Policy != nil:
		return p.checkPolicy(c)
	}
	return p.checkEnv(c)
}

// checkIdentity requires a resource of the plan's account and organization.
func (p *Plan) checkIdentity(r Resource) error {
	switch {
	case r.Provider != nil:
		if want := trustpolicy.ProviderARN(p.Partition, p.Account, p.Org); r.Provider.ARN != want || r.Provider.URL != p.Issuer {
			return fmt.Errorf("the provider is %s for %s, not %q", text.Quote(r.Provider.ARN), text.Quote(r.Provider.URL), want)
		}
	case r.Role != nil:
		switch {
		case NameProblem(r.Role.Name, maxRoleName) != "":
			return fmt.Errorf("the role %s: %s", text.Quote(r.Role.Name), NameProblem(r.Role.Name, maxRoleName))
		case pathProblem(r.Role.Path) != "":
			return fmt.Errorf("the role's path %s: %s", text.Quote(r.Role.Path), pathProblem(r.Role.Path))
		case r.Role.ARN != roleARN(p.Partition, p.Account, *r.Role):
			return fmt.Errorf("the role's ARN is %s, not %q", text.Quote(r.Role.ARN), roleARN(p.Partition, p.Account, *r.Role))
		case r.Role.Trust == nil:
			return errors.New("the role has no trust policy")
		}
		folded := map[string]bool{}
		for key := range r.Role.Tags {
			if folded[strings.ToLower(key)] {
				return fmt.Errorf("the role has the tag %s twice", text.Quote(key))
			}
			folded[strings.ToLower(key)] = true
		}
	case r.Policy != nil:
		if p.role(r.Policy.Role) == nil {
			return fmt.Errorf("it is for the role %s, which is not in the plan", text.Quote(r.Policy.Role))
		}
		if r.Policy.ARN != "" && (r.Policy.Name != "" || !r.Policy.Document.IsZero()) {
			return fmt.Errorf("%s is both a managed and an inline policy", text.Quote(r.Policy.ARN))
		}
	case r.Env.Config == "":
		return errors.New("a fly.toml entry needs a config file")
	}
	return nil
}

func (p *Plan) checkProvider(c Change) error {
	var before Provider
	if c.Before != nil {
		before = *c.Before.Provider
	}
	ok := false
	switch c.Action {
	case ActionKeep:
		ok = true
	case ActionCreate:
		ok = slices.Equal(c.After.Provider.Audiences, []string{p.Audience}) && maps.Equal(c.After.Provider.Tags, map[string]string{TagOrg: p.Org})
	case ActionUpdate:
		ok = slices.Equal(c.After.Provider.Audiences, append(slices.Clone(before.Audiences), p.Audience)) && maps.Equal(c.After.Provider.Tags, before.Tags)
	case ActionDelete:
		ok = before.Tags[TagOrg] == p.Org
	}
	if !ok {
		return fmt.Errorf("fly-aws would not %s a provider in this way", c.Action)
	}
	return nil
}

func (p *Plan) checkRole(c Change) error {
	role := c.Resource().Role
	name := text.Quote(role.Name)
	switch c.Action {
	case ActionKeep:
		return p.checkStatement(c)
	case ActionDelete:
		statement, ours := role.Trust.Statement(trustpolicy.Sid(p.Org))
		others := role.Trust.Without(statement.Sid).Statements
		if !ours || role.Tags[TagOrg] != p.Org || role.Tags[TagAdopted] != "" ||
			slices.ContainsFunc(others, func(s trustpolicy.Statement) bool { return s.Effect == trustpolicy.Allow }) {
			return fmt.Errorf("the role %s is not one that fly-aws deletes", name)
		}
		return nil
	case ActionUpdate:
		if c.Before.Role.Tags[TagOrg] != p.Org {
			return fmt.Errorf("the role %s does not belong to the organization, so it would be adopted, not updated", name)
		}
	case ActionAdopt:
		if _, ours := c.Before.Role.Tags[TagOrg]; ours {
			return fmt.Errorf("the role %s already belongs to an organization, so it is not adopted", name)
		}
	}
	before := Role{Name: role.Name, Path: role.Path, ARN: role.ARN, Description: p.descriptionOf(*role)}
	if c.Before != nil {
		before = *c.Before.Role
	}
	switch {
	case role.Name != before.Name || role.Path != before.Path || role.Description != before.Description:
		return fmt.Errorf("the role %s gets a name, path or description that fly-aws does not set", name)
	case role.MaxSession != before.MaxSession && sessionProblem(role.MaxSession) != "":
		return fmt.Errorf("the role %s gets sessions of %s: %s", name, seconds(role.MaxSession), sessionProblem(role.MaxSession))
	case role.Boundary != before.Boundary && p.policyProblem(role.Boundary) != "":
		return fmt.Errorf("the role %s gets the permissions boundary %s: %s", name, text.Quote(role.Boundary), p.policyProblem(role.Boundary))
	case len(role.Tags) > maxTags:
		return fmt.Errorf("the role %s would have %d tags; IAM allows %d", name, len(role.Tags), maxTags)
	}
	if err := p.checkTagChanges(c, before); err != nil {
		return fmt.Errorf("the role %s: %w", name, err)
	}
	return p.checkStatement(c)
}

// descriptionOf returns the description of a role that the plan creates.
func (p *Plan) descriptionOf(role Role) string {
	app := role.Tags[TagApp]
	return description(p.Org, App{Name: app, Role: RoleRequest{Shared: app == ""}})
}

// checkTagChanges refuses tag changes that World.Plan and World.PlanDestroy do not make.
func (p *Plan) checkTagChanges(c Change, before Role) error {
	after := c.After.Role
	_, trusts := after.Trust.Statement(trustpolicy.Sid(p.Org))
	for _, d := range compareTags(before.Tags, after.Tags, strings.ToLower) {
		key, value, _ := strings.Cut(d.Want, "=")
		var ok bool
		switch d.key {
		case TagOrg:
			ok = value == p.Org && trusts || d.Want == "" && !trusts
		case TagApp:
			ok = d.Want == "" && !trusts || d.Want != "" && trusts && (value == "" && c.Action == ActionUpdate || p.onlyApp(after.Name) == value)
		case TagAdopted:
			ok = value == "true" && c.Action == ActionAdopt || d.Want == "" && !trusts
		default:
			ok = d.Want != "" && tagProblem(key, value) == ""
		}
		if !ok {
			return fmt.Errorf("fly-aws would not change its tag %s to %s", text.Quote(d.key), text.Quote(d.Want))
		}
	}
	if trusts && after.Tags[TagOrg] != p.Org {
		return fmt.Errorf("it lacks the tag %s", TagOrg)
	}
	return nil
}

// onlyApp returns the one app with a grant for the role; "" if there are several.
func (p *Plan) onlyApp(role string) string {
	grants := grantsOf(p.Grants, role)
	if len(grants) != 1 {
		return ""
	}
	return grants[0].App
}

// checkStatement requires that a role's trust policy differs from the one before only in
// our statement, and that our statement is the one for the plan's grants.
func (p *Plan) checkStatement(c Change) error {
	after := c.After.Role
	before := after.Trust // for a role that is kept
	switch {
	case c.Before != nil:
		before = c.Before.Role.Trust
	case c.Action == ActionCreate:
		before = trustpolicy.New()
	}
	sid := trustpolicy.Sid(p.Org)
	ours, found := before.Statement(sid)
	var given, removed []Grant
	for _, g := range grantsOf(p.Grants, after.Name) {
		if g.Removed {
			removed = append(removed, g)
		} else {
			given = append(given, g)
		}
	}
	expected := before.Without(sid)
	left := p.withoutApps(ours, removed)
	switch {
	case len(removed) > 0 && len(given) > 0, len(removed) > 0 && after.Trust.Equal(before.Merge(left)):
		expected = before.Merge(left)
	case len(given) > 0:
		statement, err := statementFor(p.Partition, p.Account, p.Org, p.Audience, given)
		if err != nil {
			return fmt.Errorf("the role %s: %w", text.Quote(after.Name), err)
		}
		expected = before.Merge(statement)
	case len(removed) == 0 && (found || c.Action != ActionUpdate):
		return fmt.Errorf("no app is granted the role %s", text.Quote(after.Name))
	}
	if !after.Trust.Equal(expected) {
		return fmt.Errorf("the trust policy of the role %s is not the one before with the statement for its grants", text.Quote(after.Name))
	}
	return nil
}

// policyProblem says why the plan's account cannot use arn as a managed policy, or "".
func (p *Plan) policyProblem(arn string) string {
	rest, ok := strings.CutPrefix(arn, "arn:"+p.Partition+":iam::")
	owner, resource, _ := strings.Cut(rest, ":")
	path, isPolicy := strings.CutPrefix(resource, "policy/")
	i := strings.LastIndexByte(path, '/') + 1
	switch {
	case !ok || !isPolicy || owner != "aws" && owner != p.Account:
		return "it is not a managed policy of this account"
	case pathProblem("/"+path[:i]) != "":
		return pathProblem("/" + path[:i])
	}
	return NameProblem(path[i:], maxPolicyName)
}

func (p *Plan) checkPolicy(c Change) error {
	policy := c.Resource().Policy
	switch {
	case c.Action == ActionAdopt, c.Action == ActionUpdate && policy.ARN != "":
		return fmt.Errorf("fly-aws does not %s a policy", c.Action)
	case c.Action == ActionDelete && p.role(policy.Role).Action != ActionDelete:
		return fmt.Errorf("a policy is deleted only with its role, and the role %s stays", text.Quote(policy.Role))
	case c.Action != ActionDelete && p.role(policy.Role).Action == ActionDelete:
		return fmt.Errorf("the role %s is deleted", text.Quote(policy.Role))
	case policy.ARN != "":
		if reason := p.policyProblem(policy.ARN); reason != "" {
			return fmt.Errorf("the policy %s: %s", text.Quote(policy.ARN), reason)
		}
		return nil
	case NameProblem(policy.Name, maxPolicyName) != "":
		return fmt.Errorf("the inline policy %s: %s", text.Quote(policy.Name), NameProblem(policy.Name, maxPolicyName))
	case policy.Document.IsZero():
		return fmt.Errorf("the inline policy %s has no document", text.Quote(policy.Name))
	case c.Action == ActionDelete:
		return nil
	}
	if _, err := ParseDocument([]byte(policy.Document.String())); err != nil {
		return fmt.Errorf("the inline policy %s: %w", text.Quote(policy.Name), err)
	}
	return nil
}

func (p *Plan) checkEnv(c Change) error {
	env := *c.Resource().Env
	if c.Before != nil && (c.Before.Env.App != env.App || c.Action == ActionAdopt) {
		return errors.New("a fly.toml cannot move to another app")
	}
	granted := slices.ContainsFunc(p.Grants, func(g Grant) bool {
		return g.App == env.App && g.Removed == (c.Action == ActionDelete) && (env.Key == EnvRegion || g.RoleARN == env.Value)
	})
	switch {
	case env.Key != EnvRoleARN && env.Key != EnvRegion:
		return fmt.Errorf("%s is not a variable that fly-aws writes", text.Quote(env.Key))
	case !granted:
		return fmt.Errorf("%s is %s, which is not granted to the app %s", env.Key, text.Quote(env.Value), text.Quote(env.App))
	case env.IfAbsent != (env.Key == EnvRegion):
		return fmt.Errorf("fly-aws would not write %s in this way", env.Key)
	case env.Key == EnvRegion && c.Action != ActionKeep && (c.Action != ActionCreate || !RegionLike(env.Value)):
		return fmt.Errorf("fly-aws would not change %s to %s", env.Key, text.Quote(env.Value))
	}
	return nil
}
