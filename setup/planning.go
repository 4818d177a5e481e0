package setup

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"

	"golang.org/x/sync/errgroup"
)

// Plan reads the current state and makes the plan for a request.
//
// The errors are those of Request.Check, also for an organization that was not given and
// that Fly does not report and another account than the request's; *OtherOrgError, *SeveralOrgsError; a
// *FlyProblem for each app that does not exist or that the token has no access to;
// *TokenMismatchError; those of Resolve; and the targets' own.
func (w World) Plan(ctx context.Context, req Request) (*Plan, error) {
	if err := w.Check(req); err != nil {
		return nil, err
	}
	s, err := w.survey(ctx, &req)
	if err != nil {
		return nil, cmp.Or(ctx.Err(), err)
	}
	if err := s.facts.checkAccount(req.Account); err != nil {
		return nil, err
	}
	want, err := desire(req, s.facts, s.files)
	if err != nil {
		return nil, err
	}
	state, err := w.holdings(ctx, want)
	if err != nil {
		return nil, err
	}
	maps.Copy(state, s.files)
	plan, err := w.planWithinQuota(ctx, want, state)
	if err != nil {
		return nil, err
	}
	if unread := plan.unread(); len(unread) > 0 {
		if want.facts.Documents, err = w.documents(ctx, unread); err != nil {
			return nil, err
		}
		if plan, err = want.plan(state); err != nil {
			return nil, err
		}
	}
	plan.OrgAlias = s.fly.alias(req.Org)
	plan.Warnings = append(plan.Warnings, req.warnings(s.files, s.fly)...)
	if req.Prove {
		return plan, w.prove(ctx, plan, req, s.fly)
	}
	return plan, nil
}

// holdings reads what exists in the account of what is desired, with each role all its
// policies. For a whole file that is every role with our tags, since it may have made
// roles that it no longer names.
func (w World) holdings(ctx context.Context, want *desired) (State, error) {
	if want.req.File == "" || want.req.Partial {
		return w.read(ctx, want.resources())
	}
	found, err := w.AWS.Roles(ctx, want.facts, want.req.Org, want.toRead())
	state := State{}
	for _, r := range found {
		state[r.ID()] = r
	}
	return state, err
}

// unread returns the ARNs of the managed policies among the extras, since what they
// allow depends on their documents.
func (p *Plan) unread() []string {
	var out []string
	for _, e := range p.Extras {
		if _, known := p.Facts.Documents[e.Name]; e.Kind == ExtraPolicy && !known {
			out = append(out, e.Name)
		}
	}
	return sorted(out)
}

// documents reads documents of managed policies. It leaves out those that cannot be read.
func (w World) documents(ctx context.Context, arns []string) (map[string]Document, error) {
	docs := make([]Document, len(arns))
	g, gctx := errgroup.WithContext(ctx)
	for i, arn := range arns {
		g.Go(func() (err error) {
			docs[i], err = w.AWS.PolicyDocument(gctx, arn)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, cmp.Or(ctx.Err(), err)
	}
	out := map[string]Document{}
	for i, arn := range arns {
		if !docs[i].IsZero() {
			out[arn] = docs[i]
		}
	}
	return out, nil
}

// checkRequest is a variable so that a test can count its calls.
var checkRequest = Request.Check

// Check runs Request.Check and also requires an organization, or a sign-in to Fly to
// look it up with. It makes no calls.
func (w World) Check(req Request) error {
	err := checkRequest(req)
	if w.Fly == nil && !isOrgKnown(req.Org) {
		err = errors.Join(missingOrg(req.Org, w.FlyProblem), err)
	}
	return err
}

// planWithinQuota makes the plan. If a trust policy exceeds the default size quota, it
// looks up the account's own.
func (w World) planWithinQuota(ctx context.Context, want *desired, state State) (*Plan, error) {
	plan, err := want.plan(state)
	var size *SizeError
	if !errors.As(err, &size) {
		return plan, err
	}
	quota, quotaErr := w.AWS.TrustPolicyQuota(ctx)
	if quotaErr != nil {
		return nil, errors.Join(err, quotaErr)
	}
	if quota <= size.Quota {
		return nil, err
	}
	want.facts.TrustPolicyQuota = quota
	return want.plan(state)
}

// A survey is what has to be known to tell which resources to read.
type survey struct {
	facts Facts
	fly   flyAnswer
	files State
}

// survey asks AWS, Fly and the folder and completes req.Org. It asks them in parallel,
// unless Fly has to report the organization first.
func (w World) survey(ctx context.Context, req *Request) (survey, error) {
	var s survey
	askFly := func(ctx context.Context) (err error) {
		s.fly, req.Org, err = w.askFly(ctx, req.Org, req.apps())
		return err
	}
	if !isOrgKnown(req.Org) {
		if err := askFly(ctx); err != nil {
			return s, err
		}
		if !isOrgKnown(req.Org) {
			return s, missingOrg(req.Org, s.fly.problem)
		}
		if err := req.checkOrg(); err != nil {
			return s, err
		}
		askFly = func(context.Context) error { return nil }
	}
	asked := *req
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return askFly(gctx) })
	g.Go(func() (err error) {
		s.facts, err = w.AWS.Facts(gctx, asked)
		return err
	})
	g.Go(func() (err error) {
		s.files, err = w.read(gctx, asked.surroundings())
		return err
	})
	return s, g.Wait()
}

// A flyAnswer is what Fly reports about the apps of a request.
type flyAnswer struct {
	apps map[string]FlyApp
	// problem says why some apps are unknown; nil if all are known.
	problem *FlyProblem
}

// Organization returns the raw slug of the apps' organization. org is what was asked for,
// which may be empty or an alias; it comes back as it is if Fly cannot be asked, which is
// an error if FlyRequired is set. The other errors are those of Plan about Fly's apps.
func (w World) Organization(ctx context.Context, org string, apps []App) (string, error) {
	_, org, err := w.askFly(ctx, org, apps)
	return org, err
}

// askFly looks up the apps and returns their organization, or org if Fly does not
// report it. A failure is part of the answer, or the error if FlyRequired is set.
func (w World) askFly(ctx context.Context, org string, apps []App) (flyAnswer, string, error) {
	if w.Fly == nil {
		return flyAnswer{problem: w.FlyProblem}, org, nil
	}
	var names []string
	for _, app := range apps {
		if !app.IsPattern() {
			names = append(names, app.Name)
		}
	}
	found, err := w.Fly.Apps(ctx, names)
	if ctx.Err() != nil {
		return flyAnswer{}, org, ctx.Err()
	}
	answer := flyAnswer{apps: found}
	if err != nil {
		answer.problem = asFlyProblem(err)
	}
	var known []FlyApp
	var errs []error
	for _, name := range names {
		app, ok := found[name]
		switch {
		case !ok:
		case app.Problem == nil:
			known = append(known, app)
		case app.Problem.Kind == FlyNotFound || app.Problem.Kind == FlyElsewhere:
			errs = append(errs, app.Problem)
		default:
			answer.problem = cmp.Or(answer.problem, app.Problem)
		}
	}
	if answer.problem != nil && w.FlyRequired {
		errs = append(errs, cmp.Or(err, error(answer.problem)))
	}
	if err := errors.Join(errs...); err != nil {
		return answer, org, err
	}
	org, err = orgOf(org, known)
	return answer, org, err
}

// knows says whether Fly reported the app's organization.
func (f flyAnswer) knows(app string) bool {
	a, ok := f.apps[app]
	return ok && a.Problem == nil
}

// alias returns the organization's slug in Fly's tools; empty if that is org.
func (f flyAnswer) alias(org string) string {
	for _, app := range f.apps {
		if app.RawSlug == org && app.Slug != org {
			return app.Slug
		}
	}
	return ""
}

// warnings reports what could not be looked up on Fly.
func (f flyAnswer) warnings(apps []App) []Warning {
	var out []Warning
	var unknown []string
	for _, app := range apps {
		if !f.knows(app.Name) {
			unknown = append(unknown, app.Name)
		}
	}
	if f.problem != nil && len(unknown) > 0 {
		out = append(out, Warning{Code: WarningUnchecked, Apps: unknown, Cause: f.problem})
	}
	for _, app := range apps {
		if hidden := f.apps[app.Name].SecretsProblem; hidden != nil && f.knows(app.Name) {
			out = append(out, Warning{Code: WarningHiddenSecrets, Apps: []string{app.Name}, Cause: hidden})
		}
	}
	return out
}

// maxProofs limits how many machines mint tokens at a time.
const maxProofs = 25

// prove has a running machine of each app mint a token and compares it with the plan. A
// failure to get a token is a warning.
func (w World) prove(ctx context.Context, plan *Plan, req Request, fly flyAnswer) error {
	var names []string
	for _, app := range req.apps() {
		names = append(names, app.Name)
	}
	if w.Fly == nil {
		plan.Warnings = append(plan.Warnings, Warning{Code: WarningUnproven, Apps: names, Cause: cmp.Or(w.FlyProblem, &FlyProblem{Kind: FlyNotSignedIn})})
		return nil
	}
	problems, proofs := make([]*FlyProblem, len(names)), make([]Proof, len(names))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(maxProofs)
	for i, app := range names {
		var machines []string
		if at := slices.IndexFunc(plan.Grants, func(g Grant) bool { return g.App == app }); at >= 0 {
			machines = plan.Grants[at].Machines
		}
		g.Go(func() error {
			token, err := w.Fly.MachineToken(gctx, app, machines, plan.Audience)
			switch {
			case ctx.Err() != nil:
				return ctx.Err()
			case err != nil:
				problems[i] = asFlyProblem(err)
				return nil
			}
			if mismatch := plan.mismatch(app, token, fly.knows(app)); mismatch != nil {
				return mismatch
			}
			proofs[i] = Proof{App: app, Machine: token.Machine}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return cmp.Or(ctx.Err(), err)
	}
	for i, app := range names {
		if problems[i] != nil {
			plan.Warnings = append(plan.Warnings, Warning{Code: WarningUnproven, Apps: []string{app}, Cause: problems[i]})
		} else {
			plan.Proofs = append(plan.Proofs, proofs[i])
		}
	}
	return nil
}

// PlanEntries makes a plan of fly.toml entries alone, for a role that is managed
// elsewhere. It needs no AWS account.
func (w World) PlanEntries(ctx context.Context, entries []Env) (*Plan, error) {
	var want []Resource
	for _, env := range entries {
		want = append(want, Resource{Env: &env})
	}
	state, err := w.read(ctx, want)
	if err != nil {
		return nil, err
	}
	plan := &Plan{Schema: PlanSchema, state: state}
	for _, r := range want {
		c := change(state, r)
		c.Reasons = c.differences("")
		plan.Changes = append(plan.Changes, c)
	}
	return plan, nil
}
