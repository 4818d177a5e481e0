package cmd

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/fly-aws/fly-aws/internal/awsapi"
	"github.com/fly-aws/fly-aws/internal/flyapi"
	"github.com/fly-aws/fly-aws/internal/flyname"
	"github.com/fly-aws/fly-aws/internal/render"
	"github.com/fly-aws/fly-aws/internal/wizard"
	"github.com/fly-aws/fly-aws/internal/workdir"
	"github.com/fly-aws/fly-aws/setup"
)

// wantsPlain says whether questions are to be asked by plain prompts, as screen
// readers and pipes need them. ACCESSIBLE is the variable of huh and gh.
func (o setupOptions) wantsPlain(sys System) bool {
	on, err := strconv.ParseBool(sys.Getenv("ACCESSIBLE"))
	return o.accessible || on || err != nil && sys.Getenv("ACCESSIBLE") != ""
}

// asks says whether there is somebody to ask: at a terminal, or at the other end
// of a pipe where plain prompts were asked for.
func (o setupOptions) asks(sys System) bool {
	return !o.yes && !o.output.json && sys.Getenv("CI") == "" && (sys.StdinTTY && sys.StdoutTTY || o.wantsPlain(sys))
}

// interview asks for what the flags do not say, opens the AWS account, and gives
// the wish and the arguments that say it whole; these are nil when nothing had to
// be asked.
func (e *engine) interview(ctx context.Context, o setupOptions) (wish, []string, error) {
	w, err := o.request.read(ctx, e.sys, e.folder, true)
	if err != nil {
		return wish{}, nil, err
	}
	role, err := o.request.role(ctx, e.sys)
	if err != nil {
		return wish{}, nil, err
	}
	if err := wrongAlready(w, role, commaList(o.request.machines)); err != nil {
		return wish{}, nil, err
	}
	if w.Request, err = e.draftOrg(ctx, w.Request); err != nil {
		return wish{}, nil, err
	}
	draft := wizard.Draft{
		Args: o.arguments(e.sys, w.Org), Profile: o.aws.profile,
		Org: w.Org, Apps: w.Apps, NoPatch: o.request.noPatch,
		Role: role, Presets: o.request.presets, Region: o.request.awsRegion,
		Machines: commaList(o.request.machines), Audience: w.Audience, Adopt: w.Adopt,
	}
	s := &sources{engine: e, options: o, accounts: map[string]*signedIn{}}
	options := e.wizardOptions(o)
	if !options.Accessible {
		e.hold()
	}
	result, err := wizard.Run(ctx, options, s, draft)
	e.release()
	var signIn *signInError
	if errors.As(err, &signIn) {
		err = signIn.err // whose next step stands in the table of errors
	}
	if err != nil {
		return wish{}, nil, err
	}
	account := s.accounts[result.Profile]
	if account == nil || account.err != nil {
		return wish{}, nil, errors.New("the questions ended without an AWS account, which is a fault of fly-aws")
	}
	e.use(account.account)
	if !result.Asked {
		return wish{Request: result.Request}, nil, nil
	}
	e.introduced = true
	e.progress("") // between the answers and what comes of them
	return wish{Request: result.Request}, result.Args, nil
}

// wrongAlready is what is wrong with the flags, whatever will be answered, so that
// nobody answers in vain.
func wrongAlready(w wish, role setup.RoleRequest, machines []string) error {
	req := w.Request
	if len(req.Apps) == 0 {
		req.Apps = []setup.App{{Name: "app", Role: role, Machines: machines, Region: w.region}}
	}
	return checkRest(req)
}

// draftOrg finds the organisation that the flags mean, where they say it by an
// app or by an alias. What Fly cannot be asked for the wizard asks the person.
// An app that is wrong, and a token of the command line that Fly refuses, are
// errors before anything is asked.
func (e *engine) draftOrg(ctx context.Context, req setup.Request) (setup.Request, error) {
	switch {
	case e.fly.client == nil:
		return req, nil
	case len(req.Apps) > 0:
		return e.inOrg(ctx, req)
	case flyname.CheckOrg(req.Org) != nil && req.Org != "":
		if org, err := e.fly.client.Organization(ctx, req.Org); err == nil {
			req.Org = org.RawSlug
		}
	}
	if e.fly.insisted {
		_, err := e.fly.client.Organizations(ctx)
		var failed *flyapi.Error
		if errors.As(err, &failed) && failed.Kind == flyapi.KindToken {
			return req, err
		}
	}
	return req, ctx.Err()
}

func (e *engine) wizardOptions(o setupOptions) wizard.Options {
	out, style := e.sys.childStderr, e.err
	if !e.sys.StderrTTY && e.sys.StdoutTTY {
		out, style = e.sys.childStdout, e.out
	}
	plain := o.wantsPlain(e.sys) || e.sys.Getenv("TERM") == "dumb"
	if plain {
		out = e.sys.Stderr
		if !e.sys.StderrTTY && e.sys.StdoutTTY {
			out = e.sys.Stdout
		}
	}
	return wizard.Options{
		In: e.sys.Stdin, Out: out,
		Accessible: plain, Strict: !e.sys.StdinTTY,
		NoColor: !style.Color, ASCII: style.ASCII, Term: e.sys.Getenv("TERM"),
		Clean: render.Clean,
	}
}

// arguments are those of the command line that say what is wanted, with the
// organisation as it was found and without what concerns only this run: how to
// show it, whether to ask, and a token.
func (o setupOptions) arguments(sys System, org string) []string {
	r := o.request
	var args []string
	add := func(name string, values ...string) {
		for _, value := range values {
			if value != "" {
				args = append(args, "--"+name, value)
			}
		}
	}
	on := func(name string, set bool) {
		if set {
			args = append(args, "--"+name)
		}
	}
	add("profile", o.aws.profile)
	add("region", o.aws.region)
	if flyname.CheckOrg(org) == nil { // no alias: the answer follows
		add("org", org)
	}
	if len(r.apps) == 0 {
		add("app", sys.Getenv("FLY_APP"))
	}
	add("app", r.apps...)
	add("config", r.configs...)
	add("policy", r.policies...)
	add("preset", r.presets...)
	add("inline-policy", r.inline...)
	add("role-name", r.roleName)
	add("shared-role", r.shared)
	add("machine", r.machines...)
	add("audience", r.audience)
	add("path", r.path)
	add("permissions-boundary", r.boundary)
	add("max-session-duration", r.maxSession)
	add("tag", r.tags...)
	add("aws-region", r.awsRegion)
	on("adopt", r.adopt)
	on("no-patch", r.noPatch)
	on("prove", o.fly.prove)
	on("strict", o.fly.strict)
	return args
}

// sources tell the wizard of the world: AWS by the engine's account of a profile,
// Fly by its API, and the folder.
type sources struct {
	engine  *engine
	options setupOptions

	mu       sync.Mutex
	accounts map[string]*signedIn // by profile
}

var _ wizard.Sources = (*sources)(nil)

// signedIn is the AWS account of a profile.
type signedIn struct {
	account *awsapi.Account
	err     error
}

// account opens the account of a profile once. It makes no call.
func (s *sources) account(ctx context.Context, profile string) (*awsapi.Account, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.accounts[profile]
	if a == nil || a.err != nil { // the person may have signed in meanwhile
		flags := s.options.aws
		flags.profile = profile
		a = &signedIn{}
		a.account, a.err = s.engine.newAccount(ctx, flags.options(s.engine))
		s.accounts[profile] = a
	}
	return a.account, a.err
}

// Profiles lists the profiles of AWS's shared files, unless the environment has
// chosen already, as the SDKs see it.
func (s *sources) Profiles(context.Context) ([]string, error) {
	for _, name := range []string{"AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY", "AWS_WEB_IDENTITY_TOKEN_FILE"} {
		if s.engine.sys.Getenv(name) != "" {
			return nil, nil
		}
	}
	return awsapi.Profiles(s.engine.sys.Getenv, s.engine.sys.Home)
}

// Identity signs in. The alias is only for the eye: without it all goes on.
func (s *sources) Identity(ctx context.Context, profile string) (wizard.Identity, error) {
	account, err := s.account(ctx, profile)
	if err != nil {
		return wizard.Identity{}, &signInError{err: err}
	}
	var facts setup.Facts
	var alias string
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		facts, err = account.Facts(gctx, awsapi.Hints{})
		return err
	})
	g.Go(func() error {
		alias, _ = account.Alias(gctx)
		return nil
	})
	if err := g.Wait(); err != nil {
		return wizard.Identity{}, &signInError{err: err}
	}
	return wizard.Identity{
		Account: facts.Account, Alias: alias, Partition: facts.Partition, Caller: facts.Caller, Region: account.Region(),
	}, nil
}

// A signInError says how to sign in to AWS too: where there are several profiles
// the wizard goes on after it.
type signInError struct{ err error }

func (e *signInError) Error() string {
	text := e.err.Error()
	var creds *awsapi.CredentialsError
	if errors.As(e.err, &creds) {
		text += "; " + strings.Join(credentialHints(creds, func(string) bool { return false }), "; ") + ", then choose again"
	}
	return text
}

// Policies lists the managed policies that can be attached.
func (s *sources) Policies(ctx context.Context, profile string) ([]wizard.ManagedPolicy, error) {
	account, err := s.account(ctx, profile)
	if err != nil {
		return nil, err
	}
	all, err := account.ManagedPolicies(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]wizard.ManagedPolicy, len(all))
	for i, p := range all {
		out[i] = wizard.ManagedPolicy{Name: p.Name, ARN: p.ARN}
	}
	return out, nil
}

// DescribePolicy gives the description of a managed policy.
func (s *sources) DescribePolicy(ctx context.Context, profile, arn string) (string, error) {
	account, err := s.account(ctx, profile)
	if err != nil {
		return "", err
	}
	return account.PolicyDescription(ctx, arn)
}

// Organizations lists those of whoever is signed in to Fly.
func (s *sources) Organizations(ctx context.Context) ([]wizard.Organization, error) {
	f := s.engine.fly
	if f.client == nil {
		return nil, withNext(f.cause)
	}
	all, err := f.client.Organizations(ctx)
	if err != nil {
		return nil, withNext(err)
	}
	out := make([]wizard.Organization, len(all))
	for i, o := range all {
		out[i] = wizard.Organization{Slug: o.Slug, RawSlug: o.RawSlug, Name: o.Name}
	}
	return out, nil
}

// withNext adds the next step to a failure with Fly: the wizard goes on after it.
func withNext(err error) error {
	var e *flyapi.Error
	if errors.As(err, &e) {
		if next := flyNext(e); next != "" {
			return fmt.Errorf("%w; %s", err, next)
		}
	}
	return err
}

// Apps lists the apps of an organisation.
func (s *sources) Apps(ctx context.Context, org string) ([]string, error) {
	f := s.engine.fly
	if f.client == nil {
		return nil, withNext(f.cause)
	}
	found, err := f.client.Organization(ctx, org)
	if err != nil {
		return nil, withNext(err)
	}
	apps, err := f.client.OrganizationApps(ctx, found)
	if err != nil {
		return nil, withNext(err)
	}
	out := make([]string, len(apps))
	for i, app := range apps {
		out[i] = app.Name
	}
	return out, nil
}

// Configs are those of --config, else the folder's own, and those in folders
// below. A folder's own that cannot be used is an error; one that is absent is not.
func (s *sources) Configs(ctx context.Context) ([]wizard.Config, error) {
	folder := s.engine.folder
	var out []wizard.Config
	for _, path := range s.options.request.configs {
		config, err := folder.Find(path)
		if err != nil {
			return nil, err
		}
		out = append(out, wizardConfig(config))
	}
	if len(out) > 0 {
		return out, nil
	}
	own, err := folder.Find("")
	var missing *workdir.NotFoundError
	var format *workdir.FormatError
	switch {
	case err == nil:
		config := wizardConfig(own)
		config.Own = true
		if f := s.engine.fly; f.client != nil && own.App != "" {
			if answer, err := f.ask(ctx, []string{own.App}); err == nil && len(answer.apps) == 1 {
				config.Org = answer.apps[0].RawSlug
			}
		}
		out = append(out, config)
	case !errors.As(err, &missing) && !errors.As(err, &format):
		return nil, err
	}
	for _, config := range folder.Nearby(ctx) {
		out = append(out, wizardConfig(config))
	}
	return out, nil
}

// ConfigAt reads a config file.
func (s *sources) ConfigAt(_ context.Context, path string) (wizard.Config, error) {
	config, err := s.engine.folder.Find(path)
	return wizardConfig(config), err
}

func wizardConfig(c workdir.Config) wizard.Config {
	return wizard.Config{Path: c.Path, App: c.App, PrimaryRegion: c.PrimaryRegion, AWSRegion: c.AWSRegion}
}

// PolicyFile reads a permissions policy.
func (s *sources) PolicyFile(ctx context.Context, path string) (setup.InlinePolicy, error) {
	return inlinePolicy(ctx, s.engine.sys, path)
}
