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
// instance profile, only our statement and tags are removed; only our tags if adopting it
// added nothing else. If apps outside the scope still use it, only the subjects of the
// others are removed. A statement of ours that someone turned into a Deny goes only with
// its role. The provider is deleted if it is ours and no remaining role trusts it. What
// something else manages, as in TagManagedBy, stays. AWS_REGION stays in fly.toml.
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
			if app := (App{Name: name}); !app.IsPattern() {
				apps = append(apps, app)
			}
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
	if err := facts.checkAccount(scope.Account); err != nil {
		return nil, err
	}
	var found []Resource
	var state State
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		found, err = w.AWS.Roles(gctx, facts, scope.Org, nil)
		return err
	})
	g.Go(func() (err error) {
		state, err = w.read(gctx, scope.entries())
		return err
	})
	if err := g.Wait(); err != nil {
		return nil, cmp.Or(ctx.Err(), err)
	}
	for _, r := range found {
		state[r.ID()] = r
	}
	return resolveDestroy(scope, facts, state), nil
}

// check reports what is wrong with the scope, as joined *InvalidErrors.
func (s Scope) check() error {
	if isOrgKnown(s.Org) {
		if err := flyname.CheckOrg(s.Org); err != nil {
			return &InvalidError{Field: FieldOrg, Value: s.Org, Reason: nameReason(err), Err: err}
		}
	}
	names := slices.Clone(s.Apps)
	for _, e := range s.Entries {
		names = append(names, e.App)
	}
	for _, app := range names {
		if err := flyname.CheckAppPattern(app); err != nil {
			return &InvalidError{Field: FieldApp, App: app, Value: app, Reason: nameReason(err), Err: err}
		}
	}
	return nil
}

// Includes says whether the app loses access.
func (s Scope) Includes(app string) bool { return len(s.Apps) == 0 || slices.Contains(s.Apps, app) }

// entries returns the fly.toml entries to read because they may have to be removed.
func (s Scope) entries() []Resource {
	var out []Resource
	for _, e := range s.Entries {
		if s.Includes(e.App) && SyntaxOf(e.Config) == SyntaxTOML {
			out = append(out, Resource{Env: &e})
		}
	}
	return out
}

// resolveDestroy makes the plan from what Account.Roles and the config files returned.
func resolveDestroy(scope Scope, facts Facts, state State) *Plan {
	p := &Plan{
		Schema: PlanSchema, Partition: facts.Partition, Account: facts.Account, Org: scope.Org,
		Issuer: flyname.Issuer(scope.Org), Audience: flyname.AudienceAWS, Caller: facts.Caller,
		Scope: &scope, Facts: facts, Grants: []Grant{}, Changes: []Change{}, Extras: []Extra{}, state: state,
	}
	on := state.policies()
	var roles, policies, providers []Change
	providerARN := trustpolicy.ProviderARN(facts.Partition, facts.Account, scope.Org)
	trusted := false      // by a role that remains
	var managed []Warning // of the provider
	for _, id := range slices.Sorted(maps.Keys(state)) {
		r := state[id]
		switch {
		case r.Provider != nil && r.Provider.ARN == providerARN && r.Provider.Tags[TagOrg] == scope.Org:
			if by := r.ManagedBy(); by != "" {
				managed = append(managed, Warning{Code: WarningManaged, Value: by})
				continue
			}
			providers = append(providers, Change{Action: ActionDelete, Before: &r})
		case r.Role != nil:
			c, grants := scope.lose(*r.Role)
			if r.ManagedBy() != "" {
				c, grants = nil, nil
			}
			p.Grants = append(p.Grants, grants...)
			if c == nil {
				trusted = trusted || trusts(*r.Role, providerARN)
				continue
			}
			roles = append(roles, *c)
			if c.Action == ActionDelete {
				policies = append(policies, deletes(on[strings.ToLower(r.Role.Name)])...)
			} else {
				trusted = trusted || c.Action == ActionConflict || trusts(*c.After.Role, providerARN)
			}
		}
	}
	for _, entry := range scope.entries() {
		have := state.find(entry)
		if have == nil {
			continue
		}
		loses := slices.ContainsFunc(p.Grants, func(g Grant) bool {
			return g.Removed && g.App == have.Env.App && g.RoleARN == have.Env.Value
		})
		untagged := slices.ContainsFunc(roles, func(c Change) bool { // without our statement
			role := c.Resource().Role
			return role.ARN == have.Env.Value && len(grantsOf(p.Grants, role.Name)) == 0
		})
		if loses || untagged {
			p.Changes = append(p.Changes, Change{Action: ActionDelete, Before: have})
		}
	}
	p.Changes = slices.Concat(p.Changes, policies, roles)
	p.Warnings = append(p.stillAllowed(roles), scope.notOurs(state)...)
	if !trusted {
		p.Changes = append(p.Changes, providers...)
		p.Warnings = append(p.Warnings, managed...)
	}
	for i, c := range p.Changes {
		if c.Action != ActionConflict {
			p.Changes[i].Reasons = c.differences(p.Org)
		}
	}
	p.found()
	return p
}

// stillAllowed warns of apps that lose our grant of a role and that the role allows
// nevertheless, or might, by what someone else added to it.
func (p *Plan) stillAllowed(roles []Change) []Warning {
	after := State{}
	for _, c := range roles {
		if c.Action != ActionDelete {
			after[c.After.ID()] = *c.After
		}
	}
	var out []Warning
	for _, check := range p.checks(after) {
		if !check.Want.Denied() || check.Passed() || !slices.ContainsFunc(p.Grants, func(g Grant) bool {
			return g.Removed && g.App == check.App && g.Role == check.Role
		}) {
			continue
		}
		w := Warning{Code: WarningStillAllowed, Apps: []string{check.App}, Role: check.Role}
		for _, s := range check.Evaluation.Statements {
			if s.Effect == trustpolicy.Allow && s.Match != trustpolicy.DoesNotMatch {
				w.Names = append(w.Names, statementName(s.Index, s.Sid))
			}
		}
		out = append(out, w)
	}
	return out
}

// notOurs warns of roles that let apps of the scope in and are not fly-aws's, or another
// file's, or managed by something else, so that they stay.
func (s Scope) notOurs(state State) []Warning {
	var out []Warning
	for _, id := range slices.Sorted(maps.Keys(state)) {
		role, by := state[id].Role, state[id].ManagedBy()
		if role != nil && by != "" && role.Tags[TagOrg] == s.Org && (s.File == "" || role.Tags[TagFile] == s.File) {
			w := Warning{Code: WarningManaged, Role: role.Name, Value: by, Apps: s.admitted(*role)}
			if len(s.Apps) == 0 || len(w.Apps) > 0 {
				out = append(out, w)
			}
			continue
		}
		if role == nil || role.Trust == nil || isOurs(s.Org, *role) && (s.File == "" || role.Tags[TagFile] == s.File) || s.File != "" && len(s.Apps) == 0 {
			continue
		}
		w := Warning{Code: WarningNotOurs, Role: role.Name, Apps: s.admitted(*role)}
		for _, key := range slices.Sorted(maps.Keys(role.Tags)) {
			w.Names = append(w.Names, key+"="+role.Tags[key])
		}
		if len(w.Apps) > 0 {
			out = append(out, w)
		}
	}
	return out
}

// admitted returns the apps of the scope that a role lets in.
func (s Scope) admitted(role Role) []string {
	var apps []string
	for _, a := range role.Trust.Admissions(nil) {
		subject, ok := ourSubject(s.Org, a.Name)
		if ok && s.Includes(subject.App) && !slices.Contains(apps, subject.App) {
			apps = append(apps, subject.App)
		}
	}
	return apps
}

// lose returns the change of a role whose apps in scope lose access, and its grants; nil
// if nothing about the role changes.
func (s Scope) lose(role Role) (*Change, []Grant) {
	if role.Trust == nil || role.Tags[TagOrg] != s.Org || s.File != "" && role.Tags[TagFile] != s.File {
		return nil, nil
	}
	sid := trustpolicy.Sid(s.Org)
	statement, found := role.Trust.Statement(sid)
	before := &Resource{Role: &role}
	after := role
	after.InstanceProfiles = nil
	if !found {
		// Adopting it added only the tags, or an interrupted run removed the statement
		// but not yet the tags, which are all that is left to remove.
		if app := role.Tags[TagApp]; len(s.Apps) > 0 && !slices.Contains(s.Apps, app) {
			return nil, nil
		}
		after.Tags = withoutOurTags(role.Tags)
		return &Change{Action: ActionUpdate, Before: before, After: &Resource{Role: &after}}, nil
	}
	a := takeApart(s.Org, statement)
	machines := a.machines(s.Org)
	var removed, kept []Grant
	for _, app := range slices.Sorted(maps.Keys(machines)) {
		g := Grant{App: app, Machines: machines[app], Role: role.Name, RoleARN: role.ARN}
		if g.Removed = s.Includes(app); g.Removed {
			removed = append(removed, g)
		} else {
			g.Kept = true
			kept = append(kept, g)
		}
	}
	left := a.subjects()
	if len(s.Apps) > 0 {
		if len(removed) == 0 {
			return nil, nil
		}
		left = slices.DeleteFunc(slices.Clone(left), func(subject string) bool {
			o, ok := ourSubject(s.Org, subject)
			return ok && s.Includes(o.App)
		})
	}
	grants := slices.Concat(removed, kept)
	denies := statement.Effect == trustpolicy.Deny
	switch partial := len(s.Apps) > 0 && len(left) > 0; {
	case partial && denies: // what it denies is not given back
		return nil, nil
	case partial:
		statement.Conditions = slices.Clone(statement.Conditions)
		statement.Conditions[a.subject].Values = left
		after.Trust = role.Trust.Merge(statement)
		return &Change{Action: ActionUpdate, Before: before, After: &Resource{Role: &after}}, grants
	case denies: // nobody loses access by it, and it stays if the role does
		grants = nil
	default:
		after.Trust = role.Trust.Without(sid)
	}
	after.Tags = withoutOurTags(role.Tags)
	others := slices.ContainsFunc(after.Trust.Statements, func(s trustpolicy.Statement) bool { return s.Effect == trustpolicy.Allow })
	switch {
	case role.Tags[TagAdopted] == "" && !others && len(role.InstanceProfiles) == 0:
		return &Change{Action: ActionDelete, Before: before}, grants
	case len(after.Trust.Statements) == 0: // a trust policy needs at least one
		after.Trust = nil
		return &Change{
			Action: ActionConflict, Before: before, After: &Resource{Role: &after},
			Reasons: []Reason{{Code: ReasonLastStatement, Have: sid}},
		}, grants
	}
	return &Change{Action: ActionUpdate, Before: before, After: &Resource{Role: &after}}, grants
}

// withoutOurTags returns the tags that are not ours.
func withoutOurTags(tags map[string]string) map[string]string {
	out := maps.Clone(tags)
	maps.DeleteFunc(out, func(key, _ string) bool { return isOurTag(key) })
	return out
}

func isOurTag(key string) bool { return strings.HasPrefix(strings.ToLower(key), ourTags) }
