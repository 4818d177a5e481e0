package cmd

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/spf13/pflag"

	"github.com/fly-aws/fly-aws/internal/flyapi"
	"github.com/fly-aws/fly-aws/internal/flyoidc"
	"github.com/fly-aws/fly-aws/internal/text"
	"github.com/fly-aws/fly-aws/setup"
)

// flyFlags say how to reach Fly, and what to check there.
type flyFlags struct {
	token         string
	prove, strict bool
}

func (f *flyFlags) registerToken(flags *pflag.FlagSet) {
	flags.StringVarP(&f.token, "access-token", "t", "", "Fly access `token` (default: flyctl's). The default is FLY_ACCESS_TOKEN, FLY_API_TOKEN, or what fly auth login left.")
}

func (f *flyFlags) register(flags *pflag.FlagSet) {
	f.registerToken(flags)
	flags.BoolVar(&f.prove, "prove", false, "compare the plan with a machine's token. A running machine of each app fetches it, with curl; its issuer and subject must be those of the plan.")
	flags.BoolVar(&f.strict, "strict", false, "treat every warning as an error. The command then fails before it writes anything.")
}

// flyOrg is the organization that the environment names, as in flyctl
// (https://github.com/superfly/flyctl, internal/config/config.go), or "".
func flyOrg(sys System) string {
	return cmp.Or(sys.Getenv("FLY_ORG"), sys.Getenv("FLY_ORGANIZATION"))
}

// flyBaseURL is flyctl's variable for the URL of the GraphQL API.
const flyBaseURL = "FLY_API_BASE_URL"

// A flySession is Fly's API for the signed-in user.
type flySession struct {
	client *flyapi.Client // nil when not signed in
	// problem says why there is no client.
	problem *setup.FlyProblem
	// required is true if the token was given on the command line: the command then
	// fails if the token cannot be used.
	required bool
}

// openFly signs in to Fly as flyctl does. It makes no call.
func (c console) openFly(f flyFlags) (flySession, error) {
	session := flySession{required: f.token != ""}
	token, err := flyapi.FindToken(flyapi.SignIn{AccessToken: f.token, Getenv: c.Getenv, Home: c.Home})
	if err == nil {
		if c.Getenv(flyBaseURL) == "" {
			ensureRoots(c.Stderr)
		}
		session.client, err = flyapi.New(flyapi.Options{
			Token: token, BaseURL: c.Getenv(flyBaseURL), MachinesURL: c.Getenv("FLY_FLAPS_BASE_URL"),
			Version: c.Build.String(),
		})
	}
	session.problem = flyProblem(err, "")
	if err != nil && session.required {
		return session, session.problem
	}
	return session, nil
}

// A directory is Fly's API as setup needs it.
type directory struct{ client *flyapi.Client }

// Apps implements setup.Directory.
func (d directory) Apps(ctx context.Context, names []string) (map[string]setup.FlyApp, error) {
	found, err := d.client.Apps(ctx, names)
	apps := map[string]setup.FlyApp{}
	for name, result := range found {
		apps[name] = setup.FlyApp{
			Name: name, Slug: result.App.Organization.Slug, RawSlug: result.App.Organization.RawSlug, Secrets: result.App.Secrets,
			Problem: flyProblem(result.Err, name), SecretsProblem: flyProblem(result.Hidden, name),
		}
	}
	if err != nil {
		return apps, flyProblem(err, "")
	}
	return apps, nil
}

// MachineToken implements setup.Directory.
func (d directory) MachineToken(ctx context.Context, app string, names []string, audience string) (setup.MachineToken, error) {
	machines, err := d.client.Machines(ctx, app)
	if err != nil {
		return setup.MachineToken{}, flyProblem(err, app)
	}
	i := slices.IndexFunc(machines, func(m flyapi.Machine) bool {
		return m.State == flyapi.StateStarted && (len(names) == 0 || slices.Contains(names, m.Name))
	})
	if i < 0 {
		return setup.MachineToken{}, &setup.FlyProblem{Kind: setup.FlyNoMachine, App: app}
	}
	minted, err := d.client.MintToken(ctx, app, machines[i].ID, audience)
	if err != nil {
		return setup.MachineToken{}, flyProblem(err, app)
	}
	token, err := flyoidc.Decode(minted)
	if err != nil {
		return setup.MachineToken{}, &setup.FlyProblem{Kind: setup.FlyNoToken, App: app, Detail: text.Line(err.Error())}
	}
	return setup.MachineToken{
		Machine: machines[i].Name, Issuer: token.Claims.Issuer, Subject: token.Claims.Subject, Audience: token.Claims.Audience,
	}, nil
}

// flyProblem is an error of package flyapi as setup knows it; nil for nil. app is the
// app that it is about, "" for none.
func flyProblem(err error, app string) *setup.FlyProblem {
	if err == nil {
		return nil
	}
	var failed *flyapi.Error
	if !errors.As(err, &failed) {
		return &setup.FlyProblem{Kind: setup.FlyUnexpected, App: app, Detail: text.Line(err.Error())}
	}
	p := failed.FlyProblem
	p.App = app
	return &p
}
