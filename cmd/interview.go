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

// An interview asks for what the flags do not say.
type interview struct {
	console  console
	options  setupOptions
	session  flySession
	folder   *workdir.Folder
	log      *callLog
	accounts *accountSource
	wizard   *wizard.Interview
}

// newInterview opens what the interview looks things up in. It reports errors that no
// answer can fix.
func (c console) newInterview(ctx context.Context, o setupOptions) (*interview, error) {
	session, err := c.openFly(o.fly)
	if err != nil {
		return nil, err
	}
	iv := &interview{
		console: c, options: o, session: session, folder: &workdir.Folder{Dir: c.Dir}, log: &callLog{console: c},
	}
	draft, err := c.draft(ctx, o, iv.folder, session)
	if err != nil {
		return nil, err
	}
	iv.accounts = &accountSource{console: c, flags: o.aws, log: iv.log, opened: map[string]openedAccount{}}
	iv.wizard = wizard.New(c.wizardOptions(o), sources{
		accountSource: iv.accounts,
		flySource:     flySource{session},
		folderSource:  folderSource{console: c, folder: iv.folder, configs: o.request.configs, fly: session},
	}, draft)
	return iv, nil
}

// ask asks, and opens the AWS account. Another call goes back to the last question.
func (iv *interview) ask(ctx context.Context) (wizard.Result, setup.World, error) {
	if !iv.console.wizardOptions(iv.options).Accessible {
		iv.log.pause()
	}
	result, err := iv.wizard.Ask(ctx)
	iv.log.resume()
	var signIn *signInError
	if errors.As(err, &signIn) {
		err = signIn.err // failureOf has its hint
	}
	if err != nil {
		return wizard.Result{}, setup.World{}, err
	}
	account, err := iv.accounts.open(ctx, result.Profile)
	if err != nil {
		return wizard.Result{}, setup.World{}, err
	}
	if result.Asked {
		iv.console.note("") // a blank line between the answers and the plan
	}
	return result, iv.console.newWorld(iv.folder, account, iv.session), nil
}

// confirm asks whether to apply the plan that follows from the answers. file is the
// request file to offer, if any.
func (iv *interview) confirm(asked bool, file string) func(context.Context) (bool, error) {
	return func(ctx context.Context) (bool, error) {
		if !asked {
			return iv.console.confirm(ctx)
		}
		return wizard.Confirm(ctx, iv.console.wizardOptions(iv.options), confirmQuestion, wizard.Instead{Back: true, File: file})
	}
}

// offered is the request file that the wizard offers to write; "" if there is one or the
// flags ask for it.
func (c console) offered(o setupOptions) string {
	if file, err := openRequestFile(c.System, o.file.file); o.save || file != nil || err != nil {
		return ""
	}
	return requestFileName
}

// interviewAndSetUp first asks for what the flags don't say. From the plan, the user can
// go back to the answers.
func (c console) interviewAndSetUp(ctx context.Context, o setupOptions) error {
	iv, err := c.newInterview(ctx, o)
	if err != nil {
		return err
	}
	offered := c.offered(o)
	var answers wizard.Result // those of the last plan
	var saves []string
	for {
		var result wizard.Result
		var world setup.World
		if result, world, err = iv.ask(ctx); err != nil {
			break
		}
		answers = result
		setUp := func() error {
			return c.setUp(ctx, world, result.Request, o, !result.Asked, iv.confirm(result.Asked, offered))
		}
		if err = setUp(); errors.Is(err, wizard.ErrSave) {
			o.save, offered, saves = true, "", []string{"--save"}
			c.note("")
			err = setUp()
		}
		if !errors.Is(err, wizard.ErrBack) {
			break
		}
	}
	aborted := errors.Is(err, wizard.ErrAborted) // with a key, not a signal that ends ctx
	if aborted {
		c.note("Nothing was changed.")
		err = exitCode(exitInterrupted)
	}
	switch {
	case !answers.Asked:
	case !aborted && (err == nil || errors.As(err, new(exitCode))): // done, or declined
		c.showCommands("The same without questions:", answers.Commands, append(saves, "--yes")...)
	default: // keep the answers after a failure
		c.showCommands("Your answers as a command line:", answers.Commands, saves...)
	}
	return err
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
		Args: o.arguments(org), Profile: o.aws.profile,
		Org: org, Apps: apps, NoPatch: f.noPatch,
		Role: role, Region: f.awsRegion,
		Env: f.envName, Machines: commaList(f.machines), Audience: f.audience, Adopt: f.adopt, Prune: f.prune,
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
// found, and without those that the wizard adds and those that concern only this run:
// output, confirmation and token.
func (o setupOptions) arguments(org string) []string {
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
	add("file", o.file.file)
	on("save", o.save)
	if flyname.CheckOrg(org) == nil { // an alias is replaced by the answer
		add("org", org)
	}
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
	on("session-tags", r.sessionTags)
	on("adopt", r.adopt)
	on("prune", r.prune)
	on("prove", o.fly.prove)
	on("strict", o.fly.strict)
	return args
}
