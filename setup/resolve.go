package setup

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/fly-aws/fly-aws/internal/flyname"
	"github.com/fly-aws/fly-aws/internal/preset"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

// A SizeError says that a role's trust policy would exceed its size quota.
type SizeError struct {
	Role string
	// Size and Quota are in characters without white space.
	Size, Quota int
	// Apps is the number of apps in our statement.
	Apps int
}

func (e *SizeError) Error() string {
	return fmt.Sprintf("the trust policy of role %s would have %d characters for %d apps; the quota is %d", e.Role, e.Size, e.Apps, e.Quota)
}

// Resolve makes the complete plan for a request, with before and after of every resource.
// req must have passed Check and name an organization; state holds those of the request's
// resources that exist.
//
// The error is a *SizeError, an *InvalidError for what would exceed IAM's limits, or
// several of them joined. Any other obstacle is a conflict in the plan.
func Resolve(req Request, facts Facts, state State) (*Plan, error) {
	want, err := desire(req, facts)
	if err != nil {
		return nil, err
	}
	return want.plan(state)
}

// desired is what a request amounts to in an account, whatever exists there.
type desired struct {
	req      Request
	facts    Facts
	provider Provider
	roles    []desiredRole
}

// A desiredRole is a role with the apps that use it. Its Role has no trust policy, which
// depends on the existing one.
type desiredRole struct {
	Role
	apps     []App
	policies []RolePolicy
}

// desire works out what a request amounts to.
func desire(req Request, facts Facts) (*desired, error) {
	d := &desired{req: req, facts: facts, provider: Provider{
		ARN:       trustpolicy.ProviderARN(facts.Partition, facts.Account, req.Org),
		URL:       flyname.Issuer(req.Org),
		Audiences: []string{req.audience()},
		Tags:      map[string]string{TagOrg: req.Org},
	}}
	inline, err := inlineOf(req, facts)
	if err != nil {
		return nil, err
	}
	for _, group := range req.groups() {
		role, err := desireRole(req, group, facts, inline)
		if err != nil {
			return nil, err
		}
		d.roles = append(d.roles, role)
	}
	return d, nil
}

// inlineOf returns the inline policies of each app, presets included, by app name.
func inlineOf(req Request, facts Facts) (map[string][]InlinePolicy, error) {
	type answered struct {
		Preset
		region string
	}
	made := map[answered]InlinePolicy{}
	out := map[string][]InlinePolicy{}
	for _, app := range req.Apps {
		out[app.Name] = slices.Clone(app.Role.Inline)
		for _, p := range app.Role.Presets {
			key := answered{p, app.Region}
			policy, ok := made[key]
			if !ok {
				var err error
				if policy, err = p.policy(preset.Scope{Partition: facts.Partition, Account: facts.Account, Region: app.Region}); err != nil {
					return nil, &InvalidError{Field: FieldPreset, App: app.Name, Value: p.String(), Reason: presetReason(err), Err: err}
				}
				made[key] = policy
			}
			out[app.Name] = append(out[app.Name], policy)
		}
	}
	var errs []error
	for _, group := range req.groups() {
		errs = append(errs, checkInline(group, out)...)
	}
	return out, errors.Join(errs...)
}

// policy makes the inline policy of the preset.
func (p Preset) policy(scope preset.Scope) (InlinePolicy, error) {
	found, err := preset.Named(p.Name)
	if err != nil {
		return InlinePolicy{}, err
	}
	name, text, err := found.Policy(scope, p.Answer)
	if err != nil {
		return InlinePolicy{}, err
	}
	doc, err := ParseDocument(text)
	return InlinePolicy{Name: name, Document: doc, Source: "preset " + p.String()}, err
}

func presetReason(err error) string {
	var e *preset.AnswerError
	if errors.As(err, &e) {
		return e.Reason
	}
	return err.Error()
}

// desireRole works out the role of a group of apps and its permissions.
func desireRole(req Request, group []App, facts Facts, inline map[string][]InlinePolicy) (desiredRole, error) {
	first := group[0]
	role := desiredRole{apps: group, Role: Role{
		Name:        req.RoleName(first),
		Path:        rolePath(first.Role),
		Description: description(req.Org, first),
		MaxSession:  first.Role.MaxSession,
		Tags:        map[string]string{TagOrg: req.Org},
	}}
	role.ARN = roleARN(facts.Partition, facts.Account, role.Role)
	maps.Copy(role.Tags, first.Role.Tags)
	if !first.Role.Shared {
		role.Tags[TagApp] = first.Name
	}
	var err error
	if first.Role.Boundary != "" {
		if role.Boundary, err = managedPolicy(facts, FieldBoundary, first.Name, first.Role.Boundary); err != nil {
			return role, err
		}
	}
	var managed, own []RolePolicy
	seen := map[string]bool{}
	add := func(list *[]RolePolicy, p RolePolicy) {
		if id := (Resource{Policy: &p}).ID(); !seen[id] {
			seen[id] = true
			*list = append(*list, p)
		}
	}
	for _, app := range group {
		for _, ref := range app.Role.Policies {
			arn, err := managedPolicy(facts, FieldPolicy, app.Name, ref)
			if err != nil {
				return role, err
			}
			add(&managed, RolePolicy{Role: role.Name, ARN: arn})
		}
		for _, p := range inline[app.Name] {
			add(&own, RolePolicy{Role: role.Name, Name: p.Name, Document: p.Document})
		}
	}
	role.policies = slices.Concat(managed, own)
	return role, nil
}

// roleARN returns the ARN of a role from its path and name.
func roleARN(partition, account string, r Role) string {
	return fmt.Sprintf("arn:%s:iam::%s:role%s%s", partition, account, r.Path, r.Name)
}

func description(org string, app App) string {
	if app.Role.Shared {
		return "Apps of the Fly.io organization " + org + ", through OIDC. Made by fly-aws."
	}
	return "Fly.io app " + app.Name + " of the organization " + org + ", through OIDC. Made by fly-aws."
}

func managedPolicy(facts Facts, field Field, app, ref string) (string, error) {
	arn, ok := facts.Policies[ref]
	if !ok {
		return "", &InvalidError{Field: field, App: app, Value: ref, Reason: "no managed policy has this name"}
	}
	return arn, nil
}

// entries returns the fly.toml entries that the request asks for.
func (d *desired) entries() []Env {
	var out []Env
	for _, role := range d.roles {
		for _, app := range role.apps {
			if app.Config == "" {
				continue
			}
			out = append(out, Env{Config: app.Config, App: app.Name, Key: EnvRoleARN, Value: role.ARN})
			if app.Region != "" {
				out = append(out, Env{Config: app.Config, App: app.Name, Key: EnvRegion, Value: app.Region, IfAbsent: true})
			}
		}
	}
	return out
}

// resources returns the account's resources to read for the plan.
func (d *desired) resources() []Resource {
	out := []Resource{{Provider: &d.provider}}
	for i := range d.roles {
		out = append(out, Resource{Role: &d.roles[i].Role})
	}
	for _, role := range d.roles {
		for _, p := range role.policies {
			out = append(out, Resource{Policy: &p})
		}
	}
	return out
}

// plan makes the plan that turns the state into what is desired.
func (d *desired) plan(state State) (*Plan, error) {
	p := &Plan{
		Schema:    PlanSchema,
		Partition: d.facts.Partition,
		Account:   d.facts.Account,
		Org:       d.req.Org,
		Issuer:    flyname.Issuer(d.req.Org),
		Audience:  d.req.audience(),
		Caller:    d.facts.Caller,
		state:     state,
	}
	add := func(c Change) Action {
		if len(c.Reasons) == 0 {
			c.Reasons = c.differences(p.Org)
		}
		p.Changes = append(p.Changes, c)
		return c.Action
	}
	add(change(state, Resource{Provider: mergeProvider(state, d.provider)}))

	adopted := map[string]bool{}
	var grants, kept [][]Grant
	for _, role := range d.roles {
		asked, others := role.grants(p.Org, state)
		grants, kept = append(grants, asked), append(kept, others)
		c, err := d.changeRole(state, role.Role, asked, others)
		if err != nil {
			return nil, err
		}
		adopted[role.Name] = add(c) == ActionAdopt
	}
	p.Grants = slices.Concat(append(grants, kept...)...)
	for _, role := range d.roles {
		for _, policy := range role.policies {
			c := change(state, Resource{Policy: &policy})
			if c.Action == ActionUpdate && adopted[role.Name] {
				// An existing policy of that name may be someone else's.
				c.Action, c.Reasons = ActionConflict, []Reason{{Code: ReasonDocument}}
			}
			add(c)
		}
	}
	for _, env := range d.entries() {
		add(change(state, Resource{Env: &env}))
	}
	return p, nil
}

// change returns the change from the state's resource to after.
func change(state State, after Resource) Change {
	have := state.find(after)
	switch {
	case have == nil:
		return Change{Action: ActionCreate, After: &after}
	case len(compare(*have, after)) > 0:
		return Change{Action: ActionUpdate, Before: have, After: &after}
	case after.Env != nil: // with IfAbsent the existing value is kept
		kept := *have.Env
		kept.IfAbsent = after.Env.IfAbsent
		return Change{Action: ActionKeep, After: &Resource{Env: &kept}}
	}
	return Change{Action: ActionKeep, After: have}
}

// mergeProvider adds missing audiences to an existing provider, ours or not: it removes
// nothing.
func mergeProvider(state State, want Provider) *Provider {
	have := state.find(Resource{Provider: &want})
	if have == nil {
		return &want
	}
	merged := *have.Provider
	merged.Audiences = slices.Concat(merged.Audiences, missing(merged.Audiences, want.Audiences))
	return &merged
}

// grants returns the grants of a role: the requested ones, with the existing limit to
// machines if the request does not mention machines, and those of the other apps of a
// shared role.
func (role desiredRole) grants(org string, state State) (asked, kept []Grant) {
	found := grantsIn(org, state, role.Name)
	for _, app := range role.apps {
		g := Grant{App: app.Name, Machines: sorted(app.Machines), Role: role.Name, RoleARN: role.ARN}
		switch {
		case slices.Contains(g.Machines, AllMachines):
			g.Machines = nil
		case len(g.Machines) == 0:
			g.Machines = found[app.Name]
		}
		asked = append(asked, g)
	}
	if role.Tags[TagApp] != "" {
		return asked, nil
	}
	for _, app := range slices.Sorted(maps.Keys(found)) {
		if !slices.ContainsFunc(asked, func(g Grant) bool { return g.App == app }) {
			kept = append(kept, Grant{App: app, Machines: found[app], Role: role.Name, RoleARN: role.ARN, Kept: true})
		}
	}
	return asked, kept
}

// grantsIn returns the machines that our statement in a role of ours names, by app; none
// for all machines.
func grantsIn(org string, state State, role string) map[string][]string {
	have := state.find(Resource{Role: &Role{Name: role}})
	if have == nil || have.Role.Tags[TagOrg] != org {
		return nil
	}
	statement, _ := have.Role.Trust.Statement(trustpolicy.Sid(org))
	found, all := map[string][]string{}, map[string]bool{}
	for _, text := range Subjects(statement) {
		subject, ok := ourSubject(org, text)
		switch {
		case !ok:
		case subject.Machine == flyname.AnyMachine:
			all[subject.App] = true
		default:
			found[subject.App] = sorted(append(found[subject.App], subject.Machine))
		}
	}
	for app := range all {
		found[app] = nil
	}
	return found
}

// ourSubject parses a subject in the form that fly-aws writes.
func ourSubject(org, text string) (flyname.Subject, bool) {
	s, ok := flyname.ParseSubject(text)
	ok = ok && s.Org == org && flyname.CheckApp(s.App) == nil &&
		(s.Machine == flyname.AnyMachine || flyname.CheckMachine(s.Machine) == nil)
	return s, ok
}

// statementFor builds our statement for the grants of a role.
func statementFor(partition, account, org, audience string, grants []Grant) (trustpolicy.Statement, error) {
	var apps, subjects []string
	for _, g := range grants {
		apps = append(apps, g.App)
		subjects = append(subjects, g.subjects(org)...)
	}
	statement, err := trustpolicy.Build(trustpolicy.AppAccess{Partition: partition, Account: account, Org: org, Apps: apps, Audience: audience})
	if err != nil {
		return statement, err
	}
	return withSubjects(statement, sorted(subjects)), nil
}

// changeRole returns the change that gives a role the requested settings and grants and
// leaves everything else as it is.
func (d *desired) changeRole(state State, want Role, asked, kept []Grant) (Change, error) {
	grants := slices.Concat(asked, kept)
	statement, err := statementFor(d.facts.Partition, d.facts.Account, d.req.Org, d.req.audience(), grants)
	if err != nil {
		return Change{}, err
	}
	c := Change{Action: ActionCreate}
	after := want
	after.Trust = trustpolicy.New(statement)
	if have := state.find(Resource{Role: &want}); have != nil {
		if conflict := d.roleConflict(*have.Role, want, len(kept) > 0); conflict != nil {
			return Change{Action: ActionConflict, Before: have, After: &Resource{Role: &after}, Reasons: []Reason{*conflict}}, nil
		}
		after = d.mergeRole(*have.Role, want, statement)
		c = change(state, Resource{Role: &after})
		if _, ours := have.Role.Tags[TagOrg]; !ours {
			c.Action, c.Before = ActionAdopt, have
		}
	}
	c.After = &Resource{Role: &after}
	if c.Action == ActionKeep {
		return c, nil
	}
	if len(after.Tags) > maxTags {
		return c, &InvalidError{Field: FieldTag, Value: after.Name, Reason: fmt.Sprintf("with its existing tags the role would have %d; IAM allows %d", len(after.Tags), maxTags)}
	}
	quota := d.facts.TrustPolicyQuota
	if quota == 0 {
		quota = trustpolicy.DefaultSizeQuota
	}
	if size := after.Trust.Size(); size > quota {
		return c, &SizeError{Role: after.Name, Size: size, Quota: quota, Apps: len(grants)}
	}
	return c, nil
}

// roleConflict says why the request must not change an existing role.
func (d *desired) roleConflict(have, want Role, sharedWithOthers bool) *Reason {
	owner, ours := have.Tags[TagOrg]
	app, wantApp := have.Tags[TagApp], want.Tags[TagApp]
	audience := audienceOf(d.req.Org, have)
	switch {
	case have.Name != want.Name:
		return &Reason{Code: ReasonNameCase, Have: have.Name, Want: want.Name}
	case have.Path != want.Path:
		return &Reason{Code: ReasonOtherPath, Have: have.Path, Want: want.Path}
	case ours && owner != d.req.Org:
		return &Reason{Code: ReasonOtherOrg, Have: owner, Want: d.req.Org}
	case ours && app != wantApp && (wantApp != "" || !d.req.Adopt):
		// Taking another app's role would end its access, since both apps' statements
		// would have the same Sid. A shared role keeps both.
		return &Reason{Code: ReasonOtherApp, Have: app, Want: wantApp}
	case !ours && !d.req.Adopt:
		return &Reason{Code: ReasonForeignRole, Want: TagOrg + "=" + d.req.Org}
	case sharedWithOthers && audience != "" && audience != d.req.audience():
		// A new audience would end the access of the other apps.
		return &Reason{Code: ReasonSharedAudience, Have: audience, Want: d.req.audience()}
	}
	return nil
}

// audienceOf returns the audience in our statement, "" if it is not in the form that
// fly-aws writes.
func audienceOf(org string, role Role) string {
	statement, _ := role.Trust.Statement(trustpolicy.Sid(org))
	for _, c := range statement.Conditions {
		if c.Operator == "StringEquals" && strings.HasSuffix(c.Key, ":aud") && len(c.Values) == 1 {
			return c.Values[0]
		}
	}
	return ""
}

// mergeRole returns the existing role with the requested settings.
func (d *desired) mergeRole(have, want Role, statement trustpolicy.Statement) Role {
	after := have
	if found, ok := have.Trust.Statement(statement.Sid); !ok || !found.Equal(statement) {
		after.Trust = have.Trust.Merge(statement)
	}
	if want.MaxSession != 0 {
		after.MaxSession = want.MaxSession
	}
	if want.Boundary != "" {
		after.Boundary = want.Boundary
	}
	tags := maps.Clone(want.Tags)
	if _, ours := have.Tags[TagOrg]; !ours {
		tags[TagAdopted] = "true"
	} else if have.Tags[TagApp] != "" && tags[TagApp] == "" {
		tags[TagApp] = "" // now shared
	}
	after.Tags = maps.Clone(have.Tags)
	if after.Tags == nil {
		after.Tags = map[string]string{}
	}
	for key, value := range tags {
		after.Tags[spelled(have.Tags, key)] = value
	}
	return after
}

// spelled returns the key as the role's tags spell it: IAM ignores the case of a role's
// tag keys.
func spelled(tags map[string]string, key string) string {
	if _, ok := tags[key]; ok {
		return key
	}
	for name := range tags {
		if strings.EqualFold(name, key) {
			return name
		}
	}
	return key
}
