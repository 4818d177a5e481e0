package cmd

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/pflag"

	"github.com/fly-aws/fly-aws/internal/awsapi"
	"github.com/fly-aws/fly-aws/internal/flyapi"
	"github.com/fly-aws/fly-aws/internal/flyoidc"
	"github.com/fly-aws/fly-aws/internal/render"
	"github.com/fly-aws/fly-aws/internal/text"
	"github.com/fly-aws/fly-aws/internal/workdir"
	"github.com/fly-aws/fly-aws/setup"
)

// awsFlags say how to reach AWS.
type awsFlags struct {
	profile, region string
	verbose         bool
}

func (f *awsFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.profile, "profile", "", "AWS profile to use, by `name`")
	flags.StringVar(&f.region, "region", "", "AWS `region` to send the calls to")
	flags.BoolVar(&f.verbose, "verbose", false, "show each AWS call with its time and request ID")
}

// options are the AWS options of the flags. Calls are shown in the log.
func (f awsFlags) options(log *callLog) awsapi.Options {
	o := awsapi.Options{Profile: f.profile, Region: f.region}
	if f.verbose {
		o.Trace = log.show
	}
	return o
}

// openAccount opens an AWS account. It makes no call.
func (c console) openAccount(ctx context.Context, o awsapi.Options) (*awsapi.Account, error) {
	if o.Endpoint == "" && c.Getenv("AWS_ENDPOINT_URL") == "" {
		ensureRoots(c.Stderr)
	}
	o.UserAgent = "fly-aws/" + strings.Fields(c.Build.String())[0]
	return awsapi.Open(ctx, o)
}

// A callLog shows AWS calls, or keeps them while a form has the terminal.
type callLog struct {
	console console

	mu     sync.Mutex
	paused bool
	calls  []awsapi.Call // made while it is paused
}

func (l *callLog) show(call awsapi.Call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.paused {
		l.calls = append(l.calls, call)
		return
	}
	l.print(call)
}

func (l *callLog) print(call awsapi.Call) {
	render.Call(l.console.Stderr, render.TracedCall{
		Name: call.Service + " " + call.Operation, Attempt: call.Attempt, Elapsed: call.Elapsed,
		Status: call.Status, RequestID: call.RequestID, Code: call.Code,
	}, l.console.err)
}

// pause keeps calls from being shown until resume.
func (l *callLog) pause() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.paused = true
}

func (l *callLog) resume() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, call := range l.calls {
		l.print(call)
	}
	l.paused, l.calls = false, nil
}

// flyFlags say how to reach Fly, and how far to look there.
type flyFlags struct {
	token         string
	prove, strict bool
}

func (f *flyFlags) register(flags *pflag.FlagSet) {
	flags.StringVarP(&f.token, "access-token", "t", "", "Fly access `token` (default: FLY_ACCESS_TOKEN, FLY_API_TOKEN, or flyctl's own)")
	flags.BoolVar(&f.prove, "prove", false, "have a running machine of each app fetch a token, and compare its issuer and subject with the plan")
	flags.BoolVar(&f.strict, "strict", false, "treat every warning as an error, before anything is written")
}

// flyBaseURL is flyctl's variable for another GraphQL API.
const flyBaseURL = "FLY_API_BASE_URL"

// A flySession is Fly's API for whoever is signed in there.
type flySession struct {
	client *flyapi.Client // nil when nobody is
	// problem is why nobody is.
	problem *setup.FlyProblem
	// required says that the token was given on the command line, so that the
	// command fails when it cannot be used.
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

// newWorld is what setup works on in the folder, the account and at Fly.
func (c console) newWorld(folder *workdir.Folder, account *awsapi.Account, fly flySession) setup.World {
	w := setup.World{
		AWS: account, FlyProblem: fly.problem, FlyRequired: fly.required,
		Files: folder, Clock: clock{c.System},
	}
	if fly.client != nil {
		w.Fly = directory{fly.client}
	}
	return w
}

// A clock is that of a System.
type clock struct{ System }

// Now implements setup.Clock.
func (c clock) Now() time.Time { return c.System.Now() }

// Sleep implements setup.Clock.
func (c clock) Sleep(ctx context.Context, d time.Duration) { c.System.Sleep(ctx, d) }

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
	p := &setup.FlyProblem{
		Kind: setup.FlyProblemKind(failed.Kind), App: app, Source: flySourceOf(failed.Source), Host: failed.Host,
		Status: failed.Status, Code: failed.Code, Message: failed.Message, RequestID: failed.RequestID,
		Attempts: failed.Attempts, Detail: failed.Reason,
	}
	if failed.Err != nil && failed.Kind != flyapi.KindTimeout {
		p.Detail = strings.TrimPrefix(p.Detail+": "+text.Line(failed.Err.Error()), ": ")
	}
	return p
}

func flySourceOf(s flyapi.Source) setup.FlySource {
	switch s {
	case "":
		return ""
	case flyapi.SourceCommandLine:
		return setup.FlySourceFlag
	case flyapi.SourceAccessToken:
		return setup.FlySourceAccessToken
	case flyapi.SourceAPIToken:
		return setup.FlySourceAPIToken
	}
	return setup.FlySourceConfig
}
