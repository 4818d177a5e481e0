package setup

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/fly-aws/fly-aws/internal/flyname"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

// PlanDestroy makes the plan that removes what earlier plans for the scope created.
//
// A role is ours if its tags name the organization and its trust policy has our
// statement. It is deleted with all its policies if every app that uses it loses access.
// If it was adopted, if another of its statements allows access, or if it is in an
// instance profile, only our statement and tags are removed. If apps outside the scope
// still use it, only the subjects of the others are removed. The provider is deleted if
// it is ours and no remaining role trusts it. AWS_REGION stays in fly.toml.
//
// The errors are those of Plan.
func (w World) PlanDestroy(ctx context.Context, scope Scope) (*Plan, error) {
	if err := scope.check(); err != nil {
		return nil, err
	}
	if !isOrgKnown(scope.Org) {
		if w.Fly == nil || len(scope.Apps) == 0 {
			return nil, missingOrg(scope.Org, w.FlyProblem)
		}
		var apps []App
		for _, name := range scope.Apps {
			apps = append(apps, App{Name: name})
		}
		answer, org, err := w.askFly(ctx, scope.Org, apps)
		if err != nil {
			return nil, err
		}
		if !isOrgKnown(org) {
			return nil, missingOrg(scope.Org, answer.problem)
		}
		scope.Org = org
	}
	facts, err := w.AWS.Facts(ctx, Request{Org: scope.Org})
	if err != nil {
		return nil, err
	}
	var found []Resource
	var files State
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		found, err = w.AWS.Roles(gctx, facts, scope)
		return err
	})
	g.Go(func() (err error) {
		files, err = w.read(gctx, scope.entries())
		return err
	})
	if err := g.Wait(); err != nil {
		return nil, cmp.Or(ctx.Err(), err)
	}
	return resolveDestroy(scope, facts, found, files), nil
}

// check reports what is wrong with the scope, as joined *InvalidErrors.
func (s Scope) check() error {
	if isOrgKnown(s.Org) {
		if err := flyname.CheckOrg(s.Org); err != nil {
			return &InvalidError{Field: FieldOrg, Value: s.Org, Reason: nameReason(err), Err: err}
		}
	}
	for _, app := range slices.Concat(s.Apps, slices.Sorted(maps.Keys(s.Configs))) {
		if err := flyname.CheckApp(app); err != nil {
			return &InvalidError{Field: FieldApp, App: app, Value: app, Reason: nameReason(err), Err: err}
		}
	}
	return nil
}

// includes says whether the app loses access.
func (s Scope) includes(app string) bool { return len(s.Apps) == 0 || slices.Contains(s.Apps, app) }

// entries returns the fly.toml entries to read because they may have to be removed.
func (s Scope) entries() []Resource {
	var out []Resource
	for _, app := range slices.Sorted(maps.Keys(s.Configs)) {
		if s.includes(app) {
			out = append(out, Resource{Env: &Env{Config: s.Configs[app], App: app, Key: EnvRoleARN}})
		}
	}
	return out
}

// resolveDestroy makes the plan from what Account.Roles returned.
func resolveDestroy(scope Scope, facts Facts, found []Resource, files State) *Plan {
	p := &Plan{
		Schema: PlanSchema, Partition: facts.Partition, Account: facts.Account, Org: scope.Org,
		Issuer: flyname.Issuer(scope.Org), Audience: flyname.AudienceAWS, Caller: facts.Caller, Grants: []Grant{}, state: State{},
	}
	for _, r := range found {
		p.state[r.ID()] = r
	}
	slices.SortFunc(found, func(a, b Resource) int { return cmp.Compare(a.ID(), b.ID()) })

	var roles, policies []Change
	providerARN := trustpolicy.ProviderARN(facts.Partition, facts.Account, scope.Org)
	trusted := false // by a role that remains
	for _, r := range found {
		if r.Role == nil {
			continue
		}
		c := p.loseRole(scope, *r.Role)
		switch {
		case c == nil:
			trusted = trusted || trusts(*r.Role, providerARN)
			continue
		case c.Action == ActionDelete:
			policies = append(policies, deletePolicies(found, r.Role.Name)...)
		case c.Action == ActionConflict:
			trusted = true
		default:
			trusted = trusted || trusts(*c.After.Role, providerARN)
		}
		roles = append(roles, *c)
	}
	for _, g := range p.Grants {
		entry := files.find(Resource{Env: &Env{Config: scope.Configs[g.App], App: g.App, Key: EnvRoleARN}})
		if g.Removed && entry != nil && entry.Env.Value == g.RoleARN {
			p.Changes = append(p.Changes, Change{Action: ActionDelete, Before: entry})
		}
	}
	p.Changes = slices.Concat(p.Changes, policies, roles)
	for _, r := range found {
		if r.Provider != nil && r.Provider.ARN == providerARN && r.Provider.Tags[TagOrg] == scope.Org && !trusted {
			p.Changes = append(p.Changes, Change{Action: ActionDelete, Before: &r})
		}
	}
	for i, c := range p.Changes {
		if c.Action != ActionConflict {
			p.Changes[i].Reasons = c.differences(p.Org)
		}
	}
	return p
}

// deletePolicies returns the changes that delete a role's policies.
func deletePolicies(found []Resource, role string) []Change {
	var out []Change
	for _, r := range found {
		if r.Policy != nil && strings.EqualFold(r.Policy.Role, role) {
			out = append(out, Change{Action: ActionDelete, Before: &r})
		}
	}
	return out
}

// loseRole returns the change of a role whose apps in scope lose access, or nil if
// nothing about the role changes. It adds the role's grants to the plan.
func (p *Plan) loseRole(scope Scope, role Role) *Change {
	sid := trustpolicy.Sid(p.Org)
	statement, found := role.Trust.Statement(sid)
	if role.Trust == nil || role.Tags[TagOrg] != p.Org {
		return nil
	}
	before := &Resource{Role: &role}
	after := role
	after.InstanceProfiles = nil
	if !found {
		// An interrupted run removed the statement but not the tags, which are all that
		// is left to remove.
		if app := role.Tags[TagApp]; app != "" && !scope.includes(app) {
			return nil
		}
		after.Tags = withoutOurTags(role.Tags)
		return &Change{Action: ActionUpdate, Before: before, After: &Resource{Role: &after}}
	}
	machines := grantsIn(p.Org, p.state, role.Name)
	var removed, kept []Grant
	for _, app := range slices.Sorted(maps.Keys(machines)) {
		g := Grant{App: app, Machines: machines[app], Role: role.Name, RoleARN: role.ARN}
		if g.Removed = scope.includes(app); g.Removed {
			removed = append(removed, g)
		} else {
			g.Kept = true
			kept = append(kept, g)
		}
	}
	left := statement
	if len(scope.Apps) > 0 {
		if len(removed) == 0 {
			return nil
		}
		left = p.withoutApps(statement, removed)
	}
	p.Grants = slices.Concat(p.Grants, removed, kept)
	if len(scope.Apps) > 0 && len(Subjects(left)) > 0 {
		after.Trust = role.Trust.Merge(left)
		return &Change{Action: ActionUpdate, Before: before, After: &Resource{Role: &after}}
	}
	after.Trust, after.Tags = role.Trust.Without(sid), withoutOurTags(role.Tags)
	others := slices.ContainsFunc(after.Trust.Statements, func(s trustpolicy.Statement) bool { return s.Effect == trustpolicy.Allow })
	switch {
	case role.Tags[TagAdopted] == "" && !others && len(role.InstanceProfiles) == 0:
		return &Change{Action: ActionDelete, Before: before}
	case len(after.Trust.Statements) == 0: // a trust policy needs at least one
		return &Change{
			Action: ActionConflict, Before: before, After: &Resource{Role: &after},
			Reasons: []Reason{{Code: ReasonLastStatement, Have: sid}},
		}
	}
	return &Change{Action: ActionUpdate, Before: before, After: &Resource{Role: &after}}
}

// withoutApps returns our statement without the subjects of the apps.
func (p *Plan) withoutApps(statement trustpolicy.Statement, apps []Grant) trustpolicy.Statement {
	return withSubjects(statement, slices.DeleteFunc(slices.Clone(Subjects(statement)), func(subject string) bool {
		s, ok := ourSubject(p.Org, subject)
		return ok && slices.ContainsFunc(apps, func(g Grant) bool { return g.App == s.App })
	}))
}

// withoutOurTags returns the tags that are not ours.
func withoutOurTags(tags map[string]string) map[string]string {
	out := maps.Clone(tags)
	maps.DeleteFunc(out, func(key, _ string) bool { return isOurTag(key) })
	return out
}

func isOurTag(key string) bool { return strings.HasPrefix(strings.ToLower(key), ourTags) }
