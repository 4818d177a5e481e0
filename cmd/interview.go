package cmd

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"

	"github.com/fly-aws/fly-aws/internal/flyapi"
	"github.com/fly-aws/fly-aws/internal/flyname"
	"github.com/fly-aws/fly-aws/internal/text"
	"github.com/fly-aws/fly-aws/internal/wizard"
	"github.com/fly-aws/fly-aws/internal/workdir"
	"github.com/fly-aws/fly-aws/setup"
)

// usesPlainPrompts reports whether to ask with plain prompts, which screen readers and
// pipes need. ACCESSIBLE is the variable that huh and gh use.
func (o setupOptions) usesPlainPrompts(sys System) bool {
	on, err := strconv.ParseBool(sys.Getenv("ACCESSIBLE"))
	return o.accessible || on || err != nil && sys.Getenv("ACCESSIBLE") != ""
}

// asks reports whether there is someone to ask: at a terminal, or at the other end of a
// pipe if plain prompts were requested.
func (o setupOptions) asks(sys System) bool {
	return !o.yes && !o.output.json && sys.Getenv("CI") == "" && (sys.StdinTTY && sys.StdoutTTY || o.usesPlainPrompts(sys))
}

// interviewed is the result of an interview, with the world that it looked things up in.
type interviewed struct {
	wizard.Result
	world setup.World
}

// interview asks for what the flags do not say, and opens the AWS account.
func (c console) interview(ctx context.Context, o setupOptions) (interviewed, error) {
	session, err := c.openFly(o.fly)
	if err != nil {
		return interviewed{}, err
	}
	folder := &workdir.Folder{Dir: c.Dir}
	draft, err := c.draft(ctx, o, folder, session)
	if err != nil {
		return interviewed{}, err
	}
	log := &callLog{console: c}
	accounts := &accountSource{console: c, flags: o.aws, log: log, opened: map[string]openedAccount{}}
	options := c.wizardOptions(o)
	if !options.Accessible {
		log.pause()
	}
	result, err := wizard.Run(ctx, options, sources{
		accountSource: accounts,
		flySource:     flySource{session},
		folderSource:  folderSource{console: c, folder: folder, configs: o.request.configs, fly: session},
	}, draft)
	log.resume()
	var signIn *signInError
	if errors.As(err, &signIn) {
		err = signIn.err // failureOf has its hint
	}
	if err != nil {
		return interviewed{}, err
	}
	account, err := accounts.open(ctx, result.Profile)
	if err != nil {
		return interviewed{}, err
	}
	if result.Asked {
		c.note("") // a blank line between the answers and the plan
	}
	return interviewed{result, c.newWorld(folder, account, session)}, nil
}

// draft is the request so far, from the flags. Errors that no answer can fix are
// reported before the first question.
func (c console) draft(ctx context.Context, o setupOptions, folder *workdir.Folder, fly flySession) (wizard.Draft, error) {
	f := o.request
	f.org = cmp.Or(f.org, flyOrg(c.System))
	role, err := f.roleRequest(ctx, c.System)
	names := f.appNames(c.System)
	apps := plainApps(names)
	if len(f.configs) > 0 && err == nil {
		if apps, err = f.findConfigs(folder, names, f.configs); f.noPatch {
			for i := range apps {
				apps[i].Config = ""
			}
		}
	}
	if err != nil {
		return wizard.Draft{}, err
	}
	known := apps
	if len(known) == 0 {
		known = plainApps([]string{"app"})
	}
	req := f.fill(slices.Clone(known), role)
	if err := withoutRegions(req.Check()); err != nil {
		return wizard.Draft{}, err
	}
	stop := c.waiting("Fly")
	org, err := draftOrg(ctx, f.org, apps, fly)
	stop()
	if err != nil {
		return wizard.Draft{}, err
	}
	return wizard.Draft{
		Args: o.arguments(c.System, org), Profile: o.aws.profile,
		Org: org, Apps: apps, NoPatch: f.noPatch,
		Role: role, Region: f.awsRegion,
		Machines: commaList(f.machines), Audience: f.audience, Adopt: f.adopt,
	}, nil
}

// withoutRegions drops the missing region from the errors of a request, since the
// wizard asks for it.
func withoutRegions(err error) error {
	var errs []error
	for _, e := range flatten(err) {
		var invalid *setup.InvalidError
		if !errors.As(e, &invalid) || !invalid.NoRegion {
			errs = append(errs, e)
		}
	}
	return errors.Join(errs...)
}

// draftOrg finds the organization if the flags give only an app or an alias. The wizard
// asks if Fly cannot tell. An app that does not exist is an error, and so is a token
// on the command line that Fly rejects.
func draftOrg(ctx context.Context, org string, apps []setup.App, fly flySession) (string, error) {
	switch {
	case fly.client == nil:
		return org, nil
	case len(apps) > 0:
		world := setup.World{Fly: directory{fly.client}, FlyRequired: fly.required}
		return world.Organization(ctx, org, apps)
	case org != "" && flyname.CheckOrg(org) != nil:
		if found, err := fly.client.Organization(ctx, org); err == nil {
			org = found.RawSlug
		}
	}
	if fly.required {
		_, err := fly.client.Organizations(ctx)
		var failed *flyapi.Error
		if errors.As(err, &failed) && failed.Kind == setup.FlyToken {
			return org, flyProblem(err, "")
		}
	}
	return org, ctx.Err()
}

func (c console) wizardOptions(o setupOptions) wizard.Options {
	out, raw, style := c.Stderr, c.rawStderr, c.err
	if !c.StderrTTY && c.StdoutTTY {
		out, raw, style = c.Stdout, c.rawStdout, c.out
	}
	plain := o.usesPlainPrompts(c.System) || c.Getenv("TERM") == "dumb"
	if !plain {
		out = raw
	}
	return wizard.Options{
		In: c.Stdin, Out: out,
		Accessible: plain, Strict: !c.StdinTTY,
		NoColor: !style.Color, ASCII: style.ASCII, Term: c.Getenv("TERM"),
		Clean: func(s string) string { return text.Clean(text.Redact(s)) },
	}
}

// arguments are the flags that make the same request, with the organization that was
// found, and without those that concern only this run: output, confirmation and token.
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
	if flyname.CheckOrg(org) == nil { // an alias is replaced by the answer
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
	add("role", r.role)
	add("env-name", r.envName)
	add("machine", r.machines...)
	add("audience", r.audience)
	add("path", r.path)
	add("permissions-boundary", r.boundary)
	add("max-session-duration", r.maxSession)
	add("tag", r.tags...)
	add("aws-region", r.awsRegion)
	on("session-tags", r.sessionTags)
	on("adopt", r.adopt)
	on("prune", r.prune)
	on("no-patch", r.noPatch)
	on("prove", o.fly.prove)
	on("strict", o.fly.strict)
	return args
}
