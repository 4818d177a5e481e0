package setup

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/fly-aws/fly-aws/internal/flyname"
	"github.com/fly-aws/fly-aws/internal/preset"
	"github.com/fly-aws/fly-aws/internal/region"
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

// Resolve makes the complete plan for a request, with before and after of every resource,
// and with the warnings that follow from them. req must have passed Check and name an
// organization; state holds those of the request's resources that exist, with each role
// all its policies.
//
// The error is a *SizeError, an *InvalidError for what would exceed IAM's limits, or
// several of them joined. Any other obstacle is a conflict in the plan.
func Resolve(req Request, facts Facts, state State) (*Plan, error) {
	want, err := desire(req, facts, state)
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

// A desiredRole is a role with its policies. Its Role has no trust policy and lacks the
// tags that depend on the existing role.
type desiredRole struct {
	Role
	request  RoleRequest
	policies []RolePolicy
}

// desire works out what a request amounts to. files holds the entries of config files.
func desire(req Request, facts Facts, files State) (*desired, error) {
	req.Roles = slices.Clone(req.Roles)
	for i := range req.Roles {
		req.Roles[i].Apps = append([]App{}, req.Roles[i].Apps...) // a list in JSON, also where it is empty
	}
	d := &desired{req: req, facts: facts, provider: Provider{
		ARN:       trustpolicy.ProviderARN(facts.Partition, facts.Account, req.Org),
		URL:       flyname.Issuer(req.Org),
		Audiences: []string{req.audience()},
		Tags:      map[string]string{TagOrg: req.Org},
	}}
	for i := range req.Roles {
		role, err := d.role(i, files)
		if err != nil {
			return nil, err
		}
		d.roles = append(d.roles, role)
	}
	return d, nil
}

// role works out a role of the request and its permissions.
func (d *desired) role(i int, files State) (desiredRole, error) {
	want := d.req.Roles[i]
	role := desiredRole{request: want, Role: Role{
		Name:       d.req.RoleName(want),
		Path:       rolePath(want),
		MaxSession: want.MaxSession,
		Tags:       maps.Clone(want.Tags),
	}}
	role.ARN = RoleARN(d.facts.Partition, d.facts.Account, role.Path, role.Name)
	invalid := func(field Field, value, reason string) error {
		return &InvalidError{Field: field, Role: i + 1, Value: value, Reason: reason}
	}
	managed := func(field Field, ref string) (string, error) {
		arn, ok := d.facts.Policies[ref]
		if !ok {
			return "", invalid(field, ref, "no managed policy has this name")
		}
		return arn, nil
	}
	var err error
	if want.Boundary != "" {
		if role.Boundary, err = managed(FieldBoundary, want.Boundary); err != nil {
			return role, err
		}
	}
	for _, ref := range want.Policies {
		arn, err := managed(FieldPolicy, ref)
		if err != nil {
			return role, err
		}
		if p := (RolePolicy{Role: role.Name, ARN: arn}); !slices.ContainsFunc(role.policies, func(q RolePolicy) bool { return q.ARN == arn }) {
			role.policies = append(role.policies, p)
		}
	}
	inline := slices.Clone(want.Inline)
	if len(want.Presets) > 0 {
		where, err := d.req.presetRegion(i, files)
		if err != nil {
			return role, err
		}
		for _, p := range want.Presets {
			policy, err := p.policy(preset.Scope{Partition: d.facts.Partition, Account: d.facts.Account, Region: where})
			if err != nil {
				return role, &InvalidError{Field: FieldPreset, Role: i + 1, Value: p.String(), Reason: presetReason(err), Err: err}
			}
			inline = append(inline, policy)
		}
	}
	if errs := checkInline(i, inline); len(errs) > 0 {
		return role, errors.Join(errs...)
	}
	for _, p := range inline {
		if !slices.ContainsFunc(role.policies, func(q RolePolicy) bool { return q.Name == p.Name && q.ARN == "" }) {
			role.policies = append(role.policies, RolePolicy{Role: role.Name, Name: p.Name, Document: p.Document})
		}
	}
	return role, nil
}

// presetRegion returns the region of the resources that the presets of a role name: the
// role's own, or that of its apps, which an app's config file may set. It is "" if no
// preset needs one and the apps have none or differ.
func (req Request) presetRegion(i int, files State) (string, error) {
	role := req.Roles[i]
	var regions []string
	for _, app := range role.Apps {
		name := cmp.Or(role.Region, app.Region)
		if env := files.find(Resource{Env: &Env{Config: app.Config, Key: EnvRegion}}); name == "" && env != nil {
			if _, err := region.Check(env.Env.Value); err == nil {
				name = env.Env.Value
			}
		}
		if name = cmp.Or(name, req.Region); name != "" {
			regions = append(regions, name)
		}
	}
	regions = sorted(regions)
	if len(regions) == 1 {
		return regions[0], nil
	}
	for _, p := range role.Presets {
		found, err := preset.Named(p.Name)
		if err != nil || !found.NeedsRegion(p.Answer) {
			continue
		}
		e := &InvalidError{Field: FieldPreset, Role: i + 1, Value: p.String(), NoRegion: true, Reason: "it needs a region"}
		if len(regions) > 1 {
			e.Reason = "it needs one region, and the role's apps are in " + strings.Join(regions, " and ")
		}
		return "", e
	}
	return "", nil
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

// RoleARN returns the ARN of a role; path is "" for "/".
func RoleARN(partition, account, path, name string) string {
	return fmt.Sprintf("arn:%s:iam::%s:role%s%s", partition, account, cmp.Or(path, "/"), name)
}

// description returns the description of a new role; app is "" for a shared one.
func description(org, app string) string {
	if app == "" {
		return "Apps of the Fly.io organization " + org + ", through OIDC. Made by fly-aws."
	}
	return "Fly.io app " + app + " of the organization " + org + ", through OIDC. Made by fly-aws."
}

// entries returns the fly.toml entries that the request asks for.
func (d *desired) entries() []Env {
	var out []Env
	add := func(e Env) {
		if !slices.ContainsFunc(out, func(f Env) bool { return f.Config == e.Config && f.Key == e.Key }) {
			out = append(out, e)
		}
	}
	for _, role := range d.roles {
		for _, app := range role.request.Apps {
			if !app.IsPatched() || role.request.Unmanaged {
				continue
			}
			add(Env{Config: app.Config, App: app.Name, Key: app.Variable(), Value: role.ARN})
			if region := cmp.Or(app.Region, d.req.Region); region != "" {
				add(Env{Config: app.Config, App: app.Name, Key: EnvRegion, Value: region, IfAbsent: app.Region == ""})
			}
		}
	}
	return out
}

// resources returns the account's resources to read for the plan. Roles are read with
// their policies.
func (d *desired) resources() []Resource {
	out := []Resource{{Provider: &d.provider}}
	for _, role := range d.toRead() {
		out = append(out, Resource{Role: &role})
	}
	return out
}

// toRead returns the roles as Target.Read wants them.
func (d *desired) toRead() []Role {
	var out []Role
	for _, role := range d.roles {
		if d.req.Manager != "" {
			role.MaxSession = cmp.Or(role.MaxSession, defaultSession) // which has the role read whole
		}
		out = append(out, role.Role)
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
		Request:   &d.req,
		Facts:     d.facts,
		Grants:    []Grant{},
		Changes:   []Change{},
		Extras:    []Extra{},
		state:     state,
	}
	add := func(c Change) {
		if len(c.Reasons) == 0 {
			c.Reasons = c.differences(p.Org)
		}
		p.Changes = append(p.Changes, c)
	}
	on := state.policies()
	var pruned []Change
	var grants, kept [][]Grant
	var outcomes []outcome
	managed := false
	for _, role := range d.roles {
		o, err := d.outcome(state, role, on[strings.ToLower(role.Name)])
		if err != nil {
			return nil, err
		}
		managed = managed || !role.request.Unmanaged
		grants, kept = append(grants, o.asked), append(kept, o.kept)
		pruned = append(pruned, o.pruned...)
		p.Extras = append(p.Extras, o.extras...)
		p.Warnings = append(p.Warnings, o.warnings...)
		outcomes = append(outcomes, o)
	}
	p.Grants = append(p.Grants, slices.Concat(append(grants, kept...)...)...)
	if managed {
		c := change(state, Resource{Provider: mergeProvider(state, d.provider)})
		if by := d.req.otherManager(state.find(Resource{Provider: &d.provider})); by != "" && c.Action != ActionKeep {
			c.conflict(by, p.Org)
		}
		add(c)
	}
	for _, o := range outcomes {
		if o.role != nil {
			add(*o.role)
		}
	}
	for _, o := range outcomes {
		for _, c := range o.policies {
			add(c)
		}
	}
	for _, env := range d.entries() {
		add(change(state, Resource{Env: &env}))
	}
	pruned = append(pruned, d.leftRoles(p, on)...)
	for _, c := range pruned {
		add(c)
	}
	p.found()
	return p, nil
}

// policies returns the policies of each role, by its name in lower case, sorted by ID.
func (s State) policies() map[string][]RolePolicy {
	out := map[string][]RolePolicy{}
	for _, id := range slices.Sorted(maps.Keys(s)) {
		if p := s[id].Policy; p != nil {
			role := strings.ToLower(p.Role)
			out[role] = append(out[role], *p)
		}
	}
	return out
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

// An outcome is what becomes of one role of the request.
type outcome struct {
	role        *Change // nil for an unmanaged role
	policies    []Change
	pruned      []Change // deletes of its policies
	asked, kept []Grant
	extras      []Extra
	warnings    []Warning
}

// outcome works out what becomes of a role. on are the policies that it has.
func (d *desired) outcome(state State, want desiredRole, on []RolePolicy) (outcome, error) {
	found := state.find(Resource{Role: &want.Role})
	if want.request.Unmanaged {
		return d.watch(found, want, on), nil
	}
	var o outcome
	o.warnings = want.broadWarnings()
	if len(want.policies)+len(on) == 0 {
		o.warnings = append(o.warnings, Warning{Code: WarningNoPermissions, Apps: want.appNames(), Role: want.Name})
	}
	if found == nil {
		o.asked = want.grants(d.req, access{subject: -1})
		err := d.create(&o, want)
		return o, err
	}
	err := d.existing(&o, state, found, want, on)
	if by := d.req.otherManager(found); by != "" && err == nil {
		o.leave(by, d.req.Org)
	}
	return o, err
}

// otherManager returns what manages a resource, unless that is who makes the plan's changes.
func (req Request) otherManager(r *Resource) string {
	if r == nil || r.ManagedBy() == req.Manager {
		return ""
	}
	return r.ManagedBy()
}

// conflict makes the change a conflict with what manages the resource.
func (c *Change) conflict(by, org string) {
	reasons := []Reason{{Code: ReasonManaged, Have: by}}
	if c.Action != ActionConflict && c.Action != ActionKeep {
		reasons = append(reasons, c.differences(org)...)
	}
	c.Action, c.Before, c.Reasons = ActionConflict, c.found(), reasons
}

// found returns the resource as it was found.
func (c *Change) found() *Resource {
	if c.Before == nil && c.Action == ActionKeep {
		return c.After
	}
	return c.Before
}

// leave makes an outcome that writes nothing of a role that something else manages: it is
// a conflict unless the role is as desired.
func (o *outcome) leave(by, org string) {
	var kept []Change
	var differs []Reason
	for _, c := range o.policies {
		switch {
		case c.Action == ActionKeep:
			kept = append(kept, c)
		case c.Before == nil:
			differs = append(differs, Reason{Code: ReasonNotAttached, Want: cmp.Or(c.After.Policy.ARN, c.After.Policy.Name)})
		default:
			differs = append(differs, Reason{Code: ReasonDocument, Want: c.After.Policy.Name})
		}
	}
	o.policies, o.pruned = kept, nil
	if o.role.Action != ActionKeep || len(differs) > 0 {
		o.role.conflict(by, org)
		o.role.Reasons = append(o.role.Reasons, differs...)
	}
}

// existing works out what becomes of a role that exists.
func (d *desired) existing(o *outcome, state State, found *Resource, want desiredRole, on []RolePolicy) error {
	have := *found.Role
	statement, held := ourStatement(d.req.Org, have)
	ours := held && have.Tags[TagOrg] == d.req.Org
	a := allowedBy(d.req.Org, statement)
	o.asked = want.grants(d.req, a)
	if d.req.File == "" && held && (ours && have.Tags[TagApp] == "" || d.req.Adopt) {
		o.kept = want.keptGrants(d.req, a)
	}
	built, err := d.statement(want, slices.Concat(o.asked, o.kept))
	if err != nil {
		return err
	}
	if conflict := d.roleConflict(have, want, ours, held, len(o.kept) > 0); conflict != nil {
		after := want.Role
		after.Trust = trustpolicy.New(built)
		o.role = &Change{Action: ActionConflict, Before: found, After: &Resource{Role: &after}, Reasons: []Reason{*conflict}}
		return nil
	}

	watched := !ours || have.Tags[TagAdopted] != "" || d.req.otherManager(found) != ""
	prune := d.pruner(o, want.request.Keep, have, watched)
	after := d.merge(have, want, ours, o.kept)
	var at int // the place of our statement
	switch {
	case held:
		at = slices.IndexFunc(have.Trust.Statements, func(s trustpolicy.Statement) bool { return s.Equal(statement) })
		w := wish{org: d.req.Org, built: built, asked: o.asked, kept: o.kept, adopt: d.req.Adopt, extra: func(kind ExtraKind, name string, means ...Meaning) bool {
			return prune(Extra{Kind: kind, Name: name, Means: means})
		}}
		w.built.Sid = statement.Sid
		merged, narrowed := w.merge(statement)
		if len(narrowed) > 0 {
			o.warnings = append(o.warnings, Warning{Code: WarningNarrower, Apps: want.appNames(), Role: want.Name, Narrowed: narrowed})
		}
		switch {
		case merged.Equal(statement):
		case statement.Sid != built.Sid: // the role owner's own statement
			after.Trust = have.Trust.Merge(built)
		default:
			after.Trust = have.Trust.Clone()
			after.Trust.Statements[at] = merged
		}
	default:
		if at = slices.IndexFunc(have.Trust.Statements, func(s trustpolicy.Statement) bool {
			s.Sid = built.Sid
			return s.Equal(built)
		}); at < 0 {
			after.Trust = have.Trust.Merge(built)
		}
	}
	var removed []string
	for _, e := range otherStatements(d.facts, d.req.Org, have.Trust, at) {
		if prune(e) {
			removed = append(removed, e.Name)
		}
	}
	after.Trust = withoutStatements(after.Trust, removed)

	c := change(state, Resource{Role: &after})
	if !ours {
		c.Action, c.Before = ActionAdopt, found
	}
	c.After = &Resource{Role: &after}
	o.role = &c
	o.policies = d.policyChanges(state, want, !ours)
	for _, p := range on {
		if !want.has(p) && prune(policyExtra(d.facts, p)) {
			o.pruned = append(o.pruned, Change{Action: ActionDelete, Before: &Resource{Policy: &p}})
		}
	}
	o.warnings = append(o.warnings, d.sizeWarning(after)...)
	return d.checkLimits(c, len(o.asked)+len(o.kept))
}

// create makes the outcome of a role that does not exist.
func (d *desired) create(o *outcome, want desiredRole) error {
	statement, err := d.statement(want, o.asked)
	if err != nil {
		return err
	}
	role := want.Role
	role.Trust = trustpolicy.New(statement)
	role.Description = description(d.req.Org, want.onlyApp())
	role.Tags = map[string]string{TagOrg: d.req.Org}
	maps.Copy(role.Tags, want.Tags)
	if app := want.onlyApp(); app != "" {
		role.Tags[TagApp] = app
	}
	if d.req.File != "" {
		role.Tags[TagFile] = d.req.File
	}
	c := Change{Action: ActionCreate, After: &Resource{Role: &role}}
	o.role = &c
	o.policies = d.policyChanges(State{}, want, false)
	o.warnings = append(o.warnings, d.sizeWarning(role)...)
	return d.checkLimits(c, len(o.asked))
}

// policyChanges returns the changes of the role's wanted policies.
func (d *desired) policyChanges(state State, want desiredRole, adopting bool) []Change {
	var out []Change
	for _, policy := range want.policies {
		c := change(state, Resource{Policy: &policy})
		if c.Action == ActionUpdate && adopting {
			// An existing policy of that name may be someone else's.
			c.Action, c.Reasons = ActionConflict, []Reason{{Code: ReasonDocument}}
		}
		out = append(out, c)
	}
	return out
}

// has says whether the request asks for the policy.
func (want desiredRole) has(p RolePolicy) bool {
	return slices.ContainsFunc(want.policies, func(q RolePolicy) bool { return p.ARN == q.ARN && p.Name == q.Name })
}

// pruner returns a function that adds an extra of an existing role to the outcome and
// says whether to remove it.
func (d *desired) pruner(o *outcome, keep []string, have Role, watched bool) func(Extra) bool {
	return func(e Extra) bool {
		if e.isKept(keep) {
			return false
		}
		e.Role, e.Watched = have.Name, watched
		e.Stays, e.Pruned = d.req.prunes(have, watched, e.Stays)
		o.extras = append(o.extras, e)
		return e.Pruned
	}
}

// prunes says whether an extra of a role is removed, and if not, why not. stays is the
// extra's own reason.
func (req Request) prunes(role Role, watched bool, stays StayReason) (StayReason, bool) {
	switch {
	case !req.Prune:
		return "", false
	case req.otherManager(&Resource{Role: &role}) != "":
		return StaysManaged, false
	case watched:
		return StaysWatched, false
	case req.Partial:
		return StaysPartial, false
	case req.File != "" && role.Tags[TagFile] != req.File && !req.Adopt: // which takes it over
		return StaysOtherFile, false
	}
	return stays, stays == ""
}

// withoutStatements removes the statements with the names, as statementName gives them.
func withoutStatements(p *trustpolicy.Policy, names []string) *trustpolicy.Policy {
	if len(names) == 0 {
		return p
	}
	q := p.Clone()
	q.Statements = nil
	for i, s := range p.Statements {
		if !slices.Contains(names, statementName(i, s.Sid)) {
			q.Statements = append(q.Statements, s)
		}
	}
	return q
}

// leftRoles adds to the plan, as extras, the roles that the file made and no longer
// names, and returns the changes that prune them.
func (d *desired) leftRoles(p *Plan, on map[string][]RolePolicy) []Change {
	if d.req.File == "" || d.req.Partial {
		return nil
	}
	named := map[string]bool{}
	for _, role := range d.roles {
		named[strings.ToLower(role.Name)] = true
	}
	var policies, roles []Change
	for _, id := range slices.Sorted(maps.Keys(p.state)) {
		role := p.state[id].Role
		if role == nil || named[strings.ToLower(role.Name)] || role.Tags[TagFile] != d.req.File || !isOurs(d.req.Org, *role) {
			continue
		}
		e := Extra{Kind: ExtraRole, Role: role.Name, Watched: role.Tags[TagAdopted] != "" || d.req.otherManager(&Resource{Role: role}) != ""}
		statement, _ := ourStatement(d.req.Org, *role)
		for _, pattern := range allowedBy(d.req.Org, statement).subjects() {
			e.Means = append(e.Means, subjectMeaning(d.req.Org, pattern))
		}
		e.Stays, e.Pruned = d.req.prunes(*role, e.Watched, "")
		c, grants := Scope{Org: d.req.Org, File: d.req.File}.lose(*role)
		if e.Pruned && c.Action == ActionConflict {
			e.Stays, e.Pruned = StaysInUse, false
		}
		if e.Pruned {
			p.Grants = append(p.Grants, grants...)
			roles = append(roles, *c)
			if c.Action == ActionDelete {
				policies = append(policies, deletes(on[strings.ToLower(role.Name)])...)
			}
		}
		p.Extras = append(p.Extras, e)
	}
	return slices.Concat(policies, roles)
}

// deletes returns the changes that delete the policies.
func deletes(policies []RolePolicy) []Change {
	var out []Change
	for _, p := range policies {
		out = append(out, Change{Action: ActionDelete, Before: &Resource{Policy: &p}})
	}
	return out
}

// watch compares an unmanaged role with what the request says about it.
func (d *desired) watch(found *Resource, want desiredRole, on []RolePolicy) outcome {
	var o outcome
	differs := func(r Reason) {
		if len(o.warnings) == 0 {
			o.warnings = []Warning{{Code: WarningWatched, Role: want.Name}}
		}
		o.warnings[0].Reasons = append(o.warnings[0].Reasons, r)
	}
	if found == nil {
		differs(Reason{Code: ReasonAbsent})
		return o
	}
	have := *found.Role
	add := d.pruner(&o, want.request.Keep, have, true)
	switch {
	case have.Trust == nil:
		differs(Reason{Code: ReasonUnreadTrust})
	case want.request.Trust == nil:
		for _, e := range otherStatements(d.facts, d.req.Org, have.Trust) {
			add(e)
		}
	case !have.Trust.Equal(want.request.Trust):
		differs(Reason{Code: ReasonTrust})
	}
	if want.Boundary != "" && have.Boundary != want.Boundary {
		differs(Reason{Code: ReasonBoundary, Have: have.Boundary, Want: want.Boundary})
	}
	for _, p := range want.policies {
		i := slices.IndexFunc(on, func(q RolePolicy) bool { return p.ARN == q.ARN && p.Name == q.Name })
		switch {
		case i < 0:
			differs(Reason{Code: ReasonNotAttached, Want: cmp.Or(p.ARN, p.Name)})
		case !on[i].Document.Equal(p.Document):
			differs(Reason{Code: ReasonDocument, Want: p.Name})
		}
	}
	for _, p := range on {
		if !want.has(p) {
			add(policyExtra(d.facts, p))
		}
	}
	return o
}

// appNames returns the names of the role's apps.
func (want desiredRole) appNames() []string {
	var names []string
	for _, app := range want.request.Apps {
		names = append(names, app.Name)
	}
	return names
}

// onlyApp returns the role's app if it is the only one and not a pattern.
func (want desiredRole) onlyApp() string {
	if apps := want.request.Apps; len(apps) == 1 && !apps[0].IsPattern() {
		return apps[0].Name
	}
	return ""
}

// ourStatement returns our statement on a role: the one with our Sid, or on an adopted
// role without it the first that allows what ours would for some apps. Then only the
// tags were added when the role was adopted.
func ourStatement(org string, role Role) (trustpolicy.Statement, bool) {
	if s, ok := role.Trust.Statement(trustpolicy.Sid(org)); ok {
		return s, true
	}
	if role.Tags[TagAdopted] == "" || role.Trust == nil {
		return trustpolicy.Statement{}, false
	}
	i := slices.IndexFunc(role.Trust.Statements, func(s trustpolicy.Statement) bool { return isLikeOurs(org, s) })
	if i < 0 {
		return trustpolicy.Statement{}, false
	}
	return role.Trust.Statements[i], true
}

// isLikeOurs says whether a statement is one of ours but for its Sid.
func isLikeOurs(org string, s trustpolicy.Statement) bool {
	a := takeApart(org, s)
	return s.Effect == trustpolicy.Allow && a.known && a.audience >= 0 && a.subject >= 0 &&
		!s.Principal.Any && len(principals(*s.Principal)) == 1 && len(s.Principal.Federated) == 1 &&
		strings.HasSuffix(s.Principal.Federated[0], "/"+flyname.IssuerPath(org)) &&
		len(s.Action) > 0 && !slices.ContainsFunc(s.Action, func(action string) bool {
		return !strings.EqualFold(action, trustpolicy.AssumeAction) && !strings.EqualFold(action, trustpolicy.TagSessionAction)
	})
}

// isOurs says whether a role is ours: its tags name the organization and it holds our
// statement. Tags alone authorize no write.
func isOurs(org string, role Role) bool {
	_, held := ourStatement(org, role)
	return held && role.Tags[TagOrg] == org
}

// grants returns the role's requested grants. An app whose machines the request does not
// mention keeps the limit in our statement.
func (want desiredRole) grants(req Request, a access) []Grant {
	found := a.machines(req.Org)
	var out []Grant
	for _, app := range want.request.Apps {
		g := Grant{App: app.Name, Machines: sorted(app.Machines), Role: want.Name, RoleARN: want.ARN}
		byHand := req.File != "" || a.isExact() // fly-aws would have written another statement
		switch {
		case slices.Contains(g.Machines, AllMachines):
			g.Machines = nil
		case len(g.Machines) == 0 && byHand:
			g.narrowed = found[app.Name]
			if !req.Adopt {
				g.Machines = g.narrowed
			}
		case len(g.Machines) == 0:
			g.Machines = found[app.Name]
		}
		out = append(out, g)
	}
	return out
}

// keptGrants returns the grants in our statement for apps that the request does not
// mention.
func (want desiredRole) keptGrants(req Request, a access) []Grant {
	found := a.machines(req.Org)
	var out []Grant
	for _, app := range slices.Sorted(maps.Keys(found)) {
		if !slices.Contains(want.appNames(), app) {
			out = append(out, Grant{App: app, Machines: found[app], Role: want.Name, RoleARN: want.ARN, Kept: true})
		}
	}
	return out
}

// statement builds our statement for the grants of a role.
func (d *desired) statement(want desiredRole, grants []Grant) (trustpolicy.Statement, error) {
	var apps, subjects []string
	for _, g := range grants {
		apps = append(apps, g.App)
		subjects = append(subjects, g.subjects(d.req.Org)...)
	}
	s, err := trustpolicy.Build(trustpolicy.AppAccess{
		Partition: d.facts.Partition, Account: d.facts.Account, Org: d.req.Org, Apps: apps, Audience: d.req.audience(),
	})
	if err != nil {
		return s, err
	}
	s.Conditions[1].Values = sorted(subjects)
	if want.request.SessionTags {
		s.Action = append(s.Action, trustpolicy.TagSessionAction)
	}
	if len(want.request.Except) > 0 {
		except := trustpolicy.Condition{Operator: "StringNotLike", Key: s.Conditions[1].Key}
		for _, app := range sorted(want.request.Except) {
			except.Values = append(except.Values, flyname.Subject{Org: d.req.Org, App: app, Machine: flyname.AnyMachine}.String())
		}
		s.Conditions = append(s.Conditions, except)
	}
	s.Conditions = append(s.Conditions, want.request.Conditions...)
	return s, nil
}

// sizeWarning warns of a trust policy near its quota, as Lint does.
func (d *desired) sizeWarning(role Role) []Warning {
	for _, f := range role.Trust.Lint(trustpolicy.Expected{Quota: d.facts.TrustPolicyQuota}) {
		if f.Code == trustpolicy.FindingSize {
			return []Warning{{Code: WarningSize, Role: role.Name, Value: f.Have + " of " + f.Want}}
		}
	}
	return nil
}

// checkLimits checks what IAM limits on a role that is created or changed.
func (d *desired) checkLimits(c Change, apps int) error {
	if c.Action == ActionKeep {
		return nil
	}
	role := c.After.Role
	if len(role.Tags) > maxTags {
		return &InvalidError{Field: FieldTag, Value: role.Name, Reason: fmt.Sprintf("with its existing tags the role would have %d; IAM allows %d", len(role.Tags), maxTags)}
	}
	if size, quota := role.Trust.Size(), cmp.Or(d.facts.TrustPolicyQuota, trustpolicy.DefaultSizeQuota); size > quota {
		return &SizeError{Role: role.Name, Size: size, Quota: quota, Apps: apps}
	}
	return nil
}

// roleConflict says why the request must not change an existing role.
func (d *desired) roleConflict(have Role, want desiredRole, ours, held, sharedWithOthers bool) *Reason {
	owner := have.Tags[TagOrg]
	app, file := have.Tags[TagApp], have.Tags[TagFile]
	audience := audienceOf(d.req.Org, have)
	switch {
	case have.Trust == nil:
		return &Reason{Code: ReasonUnreadTrust}
	case have.Name != want.Name:
		return &Reason{Code: ReasonNameCase, Have: have.Name, Want: want.Name}
	case have.Path != want.Path:
		return &Reason{Code: ReasonOtherPath, Have: have.Path, Want: want.Path}
	case owner != "" && owner != d.req.Org:
		return &Reason{Code: ReasonOtherOrg, Have: owner, Want: d.req.Org}
	case d.req.Adopt:
	case owner != "" && !held:
		return &Reason{Code: ReasonTagsAlone, Want: trustpolicy.Sid(d.req.Org)}
	case !ours:
		return &Reason{Code: ReasonForeignRole, Want: TagOrg + "=" + d.req.Org}
	case app != "" && !slices.Contains(want.appNames(), app) && (d.req.File == "" || file != d.req.File):
		return &Reason{Code: ReasonOtherApp, Have: app, Want: want.onlyApp()}
	case d.req.File != "" && file != "" && file != d.req.File:
		return &Reason{Code: ReasonOtherFile, Have: file, Want: d.req.File}
	}
	if sharedWithOthers && audience != "" && audience != d.req.audience() {
		// A new audience would end the access of the other apps.
		return &Reason{Code: ReasonSharedAudience, Have: audience, Want: d.req.audience()}
	}
	return nil
}

// audienceOf returns the audience in our statement, "" if it has none or several.
func audienceOf(org string, role Role) string {
	statement, _ := ourStatement(org, role)
	if a := allowedBy(org, statement).audiences(); len(a) == 1 {
		return a[0]
	}
	return ""
}

// merge returns the existing role with the requested settings, but for its trust policy.
func (d *desired) merge(have Role, want desiredRole, ours bool, kept []Grant) Role {
	after := have
	after.MaxSession = cmp.Or(want.MaxSession, have.MaxSession)
	after.Boundary = cmp.Or(want.Boundary, have.Boundary)
	tags := map[string]string{TagOrg: d.req.Org}
	maps.Copy(tags, want.Tags)
	app, wasShared := want.onlyApp(), ours && have.Tags[TagApp] == ""
	switch {
	case app != "" && !wasShared && len(kept) == 0:
		tags[TagApp] = app
	case have.Tags[TagApp] != "":
		tags[TagApp] = "" // now shared
	}
	if !ours {
		tags[TagAdopted] = "true"
	}
	if d.req.File != "" && d.req.Adopt {
		tags[TagFile] = d.req.File
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
