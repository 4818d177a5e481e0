package cmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/pflag"
	"golang.org/x/sync/errgroup"

	"github.com/fly-aws/fly-aws/internal/flyapi"
	"github.com/fly-aws/fly-aws/internal/flyname"
	"github.com/fly-aws/fly-aws/internal/flyoidc"
	"github.com/fly-aws/fly-aws/internal/render"
	"github.com/fly-aws/fly-aws/setup"
)

// flyFlags say how to reach Fly, and how far to look there.
type flyFlags struct {
	token         string
	prove, strict bool
}

func (f *flyFlags) register(flags *pflag.FlagSet) {
	flags.StringVarP(&f.token, "access-token", "t", "", "Fly access `token` (default: FLY_ACCESS_TOKEN, FLY_API_TOKEN, or flyctl's own)")
	flags.BoolVar(&f.prove, "prove", false, "have a running machine of each app fetch a token, and compare its issuer and subject with the plan")
	flags.BoolVar(&f.strict, "strict", false, "make every warning an error, before anything is written")
}

// fly is Fly's API, for whoever is signed in there.
type fly struct {
	client *flyapi.Client // nil when nobody is
	// cause is why nobody is.
	cause error
	// insisted says that the token was given on the command line: then a failure
	// of it is one of the command.
	insisted bool

	// unproven is why machines' tokens could not be compared, by the app.
	unproven map[string]error

	// What was asked is remembered: the question is the same all along.
	asked  []string
	answer flyAnswer
}

// flyAnswer is what Fly says of the apps of a request.
type flyAnswer struct {
	apps []setup.FlyApp
	// unchecked is why some of it is missing; nil when nothing is.
	unchecked error
	// hidden is why secrets of apps are not told, by the app's name.
	hidden map[string]error
}

// openFly signs in to Fly as flyctl does. It makes no call.
func (e *engine) openFly(f flyFlags) error {
	e.fly, e.proven, e.strict = &fly{insisted: f.token != ""}, f.prove, f.strict
	token, err := flyapi.FindToken(flyapi.SignIn{AccessToken: f.token, Getenv: e.sys.Getenv, Home: e.sys.Home})
	if err == nil {
		if e.sys.Getenv(flyBaseURL) == "" {
			ensureRoots(e.sys.Stderr)
		}
		e.fly.client, err = flyapi.New(flyapi.Options{
			Token: token, BaseURL: e.sys.Getenv(flyBaseURL), MachinesURL: e.sys.Getenv("FLY_FLAPS_BASE_URL"),
			Version: e.sys.Build.String(),
		})
	}
	if err != nil && e.fly.insisted {
		return err
	}
	e.fly.cause = err
	return nil
}

// flyBaseURL is flyctl's variable for another GraphQL API.
const flyBaseURL = "FLY_API_BASE_URL"

// flyInFlight bounds the calls to Fly that are under way at a time.
const flyInFlight = 25

// ask asks Fly about apps. Its error says what cannot be: an app that does not
// exist, or one that the token does not reach. Other failures leave a part of the
// answer unchecked.
func (f *fly) ask(ctx context.Context, names []string) (flyAnswer, error) {
	switch {
	case f.client == nil:
		return flyAnswer{unchecked: f.cause}, nil
	case f.asked != nil && slices.Equal(f.asked, names):
		return f.answer, nil
	}
	var mu sync.Mutex
	answer := flyAnswer{hidden: map[string]error{}}
	found, wrong := map[string]setup.FlyApp{}, map[string]error{}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(flyInFlight)
	for _, name := range names {
		g.Go(func() error {
			app, hidden, err := f.app(gctx, name)
			mu.Lock()
			defer mu.Unlock()
			var e *flyapi.Error
			switch {
			case err == nil:
				found[name] = app
				if hidden != nil {
					answer.hidden[name] = hidden
				}
			case errors.As(err, &e) && (e.Kind == flyapi.KindNotFound || e.Kind == flyapi.KindElsewhere):
				wrong[name] = err
			default:
				return err // the others would fail alike
			}
			return nil
		})
	}
	answer.unchecked = g.Wait()
	if ctx.Err() != nil {
		return flyAnswer{}, ctx.Err()
	}
	if answer.unchecked != nil && f.insisted {
		return flyAnswer{}, answer.unchecked
	}
	var errs []error
	for _, name := range names {
		if app, ok := found[name]; ok {
			answer.apps = append(answer.apps, app)
		}
		errs = append(errs, wrong[name])
	}
	if err := errors.Join(errs...); err != nil {
		return flyAnswer{}, err
	}
	f.asked, f.answer = nil, answer
	if answer.unchecked == nil { // a failure may have passed by the next time
		f.asked = slices.Clone(names)
	}
	return answer, nil
}

// app asks about one app. hidden is why its secrets are not told: a token may
// know an app without seeing them.
func (f *fly) app(ctx context.Context, name string) (found setup.FlyApp, hidden, err error) {
	results, err := f.client.Apps(ctx, []string{name})
	result := results[name]
	if err = cmp.Or(err, result.Err); err != nil {
		return setup.FlyApp{}, nil, err
	}
	app := result.App
	return setup.FlyApp{
		Name: app.Name, Slug: app.Organization.Slug, RawSlug: app.Organization.RawSlug, Secrets: app.Secrets,
	}, result.Hidden, nil
}

// inOrg puts a request into the organisation of its apps, and refuses apps of
// another.
func (e *engine) inOrg(ctx context.Context, req setup.Request) (setup.Request, error) {
	answer, err := e.fly.ask(ctx, appNames(req))
	if err != nil {
		return req, err
	}
	return req.InOrgOf(answer.apps)
}

func appNames(req setup.Request) []string {
	names := make([]string, len(req.Apps))
	for i, app := range req.Apps {
		names[i] = app.Name
	}
	return names
}

// flyWarnings says what Fly could not be asked about.
func (e *engine) flyWarnings(req setup.Request) []setup.Warning {
	var out []setup.Warning
	if cause := e.fly.failure(); cause != nil {
		var apps []string
		for _, name := range appNames(req) {
			if !e.fly.knows(name) {
				apps = append(apps, name)
			}
		}
		out = append(out, setup.Warning{Code: setup.WarningUnchecked, Apps: apps, Cause: cause.Error()})
	}
	for _, name := range appNames(req) {
		if hidden := e.fly.answer.hidden[name]; hidden != nil {
			out = append(out, setup.Warning{Code: setup.WarningHiddenSecrets, Apps: []string{name}, Cause: hidden.Error()})
		}
	}
	return out
}

// failure is why Fly did not answer for all the apps; nil when it did.
func (f *fly) failure() error {
	if f.client == nil {
		return f.cause
	}
	return f.answer.unchecked
}

// knows says whether Fly answered for an app.
func (f *fly) knows(app string) bool {
	return slices.ContainsFunc(f.answer.apps, func(a setup.FlyApp) bool { return a.Name == app })
}

// sayOrg shows the organisation as what it is.
func (e *engine) sayOrg(req setup.Request) {
	for _, app := range e.fly.answer.apps {
		if app.RawSlug == req.Org {
			alias := ""
			if app.Slug != app.RawSlug {
				alias = ", which Fly's tools call " + app.Slug
			}
			e.progress("Fly organisation %s", render.Clean(app.RawSlug+alias))
			return
		}
	}
}

// A tokenMismatchError says that the token of a machine is not one that the plan
// is for.
type tokenMismatchError struct {
	app, machine string
	claims       flyoidc.Claims
	plan         *setup.Plan
	// pinned says that the plan is for named machines of the app.
	pinned bool
	// confirmed says that Fly's API has the app in the plan's organisation.
	confirmed bool
}

func (e *tokenMismatchError) Error() string {
	return "the machine " + e.machine + " of " + e.app + " has tokens that the plan is not for"
}

// differences has a line for each claim that is not what the plan is for.
func (e *tokenMismatchError) differences() []string {
	machine := e.machine
	if subject, ok := flyname.ParseSubject(e.claims.Subject); ok && !e.pinned {
		machine = subject.Machine
	}
	var out []string
	for _, claim := range []struct{ name, have, want string }{
		{"issuer", e.claims.Issuer, e.plan.Issuer},
		{"subject", e.claims.Subject, flyname.Subject{Org: e.plan.Org, App: e.app, Machine: machine}.String()},
		{"audience", strings.Join(e.claims.Audience, ", "), e.plan.Audience},
	} {
		if claim.have != claim.want {
			out = append(out, "their "+claim.name+" is "+cmp.Or(claim.have, "empty")+", not "+claim.want)
		}
	}
	return out
}

// hint is the next step, if the organisation is what differs.
func (e *tokenMismatchError) hint() string {
	org, ok := flyname.IssuerOrg(e.claims.Issuer)
	switch {
	case !ok || org == e.plan.Org:
		return ""
	case e.confirmed:
		return "to Fly's API the app is of " + e.plan.Org + "; if it moved there: fly apps restart " + shellWord(e.app)
	}
	return "the organisation of its tokens is " + org + ": pass --org " + shellWord(org)
}

// prove has a running machine of each app fetch a token, and compares it with the
// plan. What keeps it from doing so is a warning.
func (e *engine) prove(ctx context.Context, req setup.Request, plan *setup.Plan) ([]setup.Warning, error) {
	if e.fly.client == nil {
		return []setup.Warning{{Code: setup.WarningUnproven, Apps: appNames(req), Cause: e.fly.cause.Error()}}, nil
	}
	failures, lines := make([]error, len(req.Apps)), make([]string, len(req.Apps))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(flyInFlight)
	for i, app := range req.Apps {
		g.Go(func() error {
			machine, err := e.proveApp(gctx, app.Name, plan)
			var mismatch *tokenMismatchError
			switch {
			case err == nil:
				lines[i] = render.Clean("the machine " + machine + " of " + app.Name + " has tokens that the plan is for")
			case errors.As(err, &mismatch), ctx.Err() != nil:
				return err
			default:
				failures[i] = err
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, cmp.Or(ctx.Err(), err)
	}
	var out []setup.Warning
	e.fly.unproven = map[string]error{}
	for i, app := range req.Apps {
		if err := failures[i]; err != nil {
			e.fly.unproven[app.Name] = err
			out = append(out, setup.Warning{Code: setup.WarningUnproven, Apps: []string{app.Name}, Cause: err.Error()})
		} else {
			render.Done(e.sys.Stderr, lines[i], e.err)
		}
	}
	return out, nil
}

// proveApp returns the name of the machine whose token was compared.
func (e *engine) proveApp(ctx context.Context, app string, plan *setup.Plan) (string, error) {
	machines, err := e.fly.client.Machines(ctx, app)
	if err != nil {
		return "", err
	}
	pinned := pinnedMachines(plan, app)
	running := slices.IndexFunc(machines, func(m flyapi.Machine) bool {
		return m.State == flyapi.StateStarted && (len(pinned) == 0 || slices.Contains(pinned, m.Name))
	})
	switch {
	case running < 0 && len(pinned) > 0:
		return "", fmt.Errorf("none of the machines of the app %s that may use the role is running", app)
	case running < 0:
		return "", fmt.Errorf("no machine of the app %s is running", app)
	}
	machine := machines[running]
	text, err := e.fly.client.MintToken(ctx, app, machine.ID, plan.Audience)
	if err != nil {
		return "", err
	}
	token, err := flyoidc.Decode(text)
	if err != nil {
		return "", fmt.Errorf("the machine %s of the app %s: %w", machine.Name, app, err)
	}
	mismatch := &tokenMismatchError{
		app: app, machine: machine.Name, claims: token.Claims, plan: plan,
		pinned: len(pinned) > 0, confirmed: e.fly.knows(app),
	}
	if len(mismatch.differences()) > 0 {
		return "", mismatch
	}
	return machine.Name, nil
}

// pinnedMachines are the machines of an app that a plan is for; none for all.
func pinnedMachines(plan *setup.Plan, app string) []string {
	i := slices.IndexFunc(plan.Grants, func(g setup.Grant) bool { return g.App == app })
	if i < 0 {
		return nil
	}
	return plan.Grants[i].Machines
}
