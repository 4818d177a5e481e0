package setup

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"golang.org/x/sync/errgroup"
)

// Plan finds out what is there and makes the plan for a request.
//
// Its errors are those of Request.Check, also for an organization that is left for Fly
// to say and cannot be found out; *OtherOrgError, *SeveralOrgsError; a *FlyProblem for
// each app that does not exist or is out of reach; *TokenMismatchError; those of
// Resolve; and the targets' own.
func (w World) Plan(ctx context.Context, req Request) (*Plan, error) {
	if err := w.Check(req); err != nil {
		return nil, err
	}
	s, err := w.survey(ctx, &req)
	if err != nil {
		return nil, cmp.Or(ctx.Err(), err)
	}
	want, err := desire(req, s.facts)
	if err != nil {
		return nil, err
	}
	state, err := w.read(ctx, want.resources())
	if err != nil {
		return nil, err
	}
	for id, r := range s.files {
		state[id] = r
	}
	plan, err := w.fit(ctx, want, state)
	if err != nil {
		return nil, err
	}
	plan.OrgAlias = s.fly.alias(req.Org)
	plan.Warnings = req.warnings(s.files, s.fly)
	if req.Prove {
		return plan, w.prove(ctx, plan, req, s.fly)
	}
	return plan, nil
}

// checkRequest is a variable so that a test can count its calls.
var checkRequest = Request.Check

// Check is Request.Check, and says whether the organization can be found out. It makes
// no call.
func (w World) Check(req Request) error {
	err := checkRequest(req)
	if w.Fly == nil && !isOrgKnown(req.Org) {
		err = errors.Join(missingOrg(req.Org, w.FlyProblem), err)
	}
	return err
}

// fit makes the plan, with the account's own quota of a trust policy's size where the
// default does not do.
func (w World) fit(ctx context.Context, want *desired, state State) (*Plan, error) {
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

// A survey is what is found out before it is known which resources to read.
type survey struct {
	facts Facts
	fly   flyAnswer
	files State
}

// survey asks AWS, Fly and the folder, at the same time as far as the organization is
// known, and completes req.Org.
func (w World) survey(ctx context.Context, req *Request) (survey, error) {
	var s survey
	askFly := func(ctx context.Context) (err error) {
		s.fly, req.Org, err = w.askFly(ctx, req.Org, req.Apps)
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

// A flyAnswer is what Fly says of the apps of a request.
type flyAnswer struct {
	apps map[string]FlyApp
	// problem is why it says nothing of some; nil when it does of all.
	problem *FlyProblem
}

// askFly asks about the apps, and returns the organization that they are of, or org
// when Fly cannot say. What cannot be known is part of the answer, unless FlyRequired.
func (w World) askFly(ctx context.Context, org string, apps []App) (flyAnswer, string, error) {
	if w.Fly == nil {
		return flyAnswer{problem: w.FlyProblem}, org, nil
	}
	var names []string
	for _, app := range apps {
		names = append(names, app.Name)
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
	org, err = OrgOf(org, known)
	return answer, org, err
}

// knows says whether Fly said whose the app is.
func (f flyAnswer) knows(app string) bool {
	a, ok := f.apps[app]
	return ok && a.Problem == nil
}

// alias is what Fly's tools call an organization; empty when that is its slug.
func (f flyAnswer) alias(org string) string {
	for _, app := range f.apps {
		if app.RawSlug == org && app.Slug != org {
			return app.Slug
		}
	}
	return ""
}

// warnings says what Fly could not be asked about.
func (f flyAnswer) warnings(req Request) []Warning {
	var out []Warning
	var unknown []string
	for _, app := range req.Apps {
		if !f.knows(app.Name) {
			unknown = append(unknown, app.Name)
		}
	}
	if f.problem != nil && len(unknown) > 0 {
		out = append(out, Warning{Code: WarningUnchecked, Apps: unknown, Cause: f.problem})
	}
	for _, app := range req.Apps {
		if hidden := f.apps[app.Name].SecretsProblem; hidden != nil && f.knows(app.Name) {
			out = append(out, Warning{Code: WarningHiddenSecrets, Apps: []string{app.Name}, Cause: hidden})
		}
	}
	return out
}

// provers bounds how many machines mint tokens at a time.
const provers = 25

// prove has a running machine of each app mint a token and compares it with the plan.
// What keeps it from doing so is a warning.
func (w World) prove(ctx context.Context, plan *Plan, req Request, fly flyAnswer) error {
	var names []string
	for _, app := range req.Apps {
		names = append(names, app.Name)
	}
	if w.Fly == nil {
		plan.Warnings = append(plan.Warnings, Warning{Code: WarningUnproven, Apps: names, Cause: cmp.Or(w.FlyProblem, &FlyProblem{Kind: FlyNotSignedIn})})
		return nil
	}
	problems, proofs := make([]*FlyProblem, len(names)), make([]Proof, len(names))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(provers)
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

// PlanEntries makes a plan of fly.toml entries alone, for a role that came from
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
