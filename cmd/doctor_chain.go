package cmd

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/fly-aws/fly-aws/internal/awsapi"
	"github.com/fly-aws/fly-aws/internal/doctor"
	"github.com/fly-aws/fly-aws/internal/flyapi"
	"github.com/fly-aws/fly-aws/internal/flyname"
	"github.com/fly-aws/fly-aws/internal/render"
	"github.com/fly-aws/fly-aws/internal/text"
	"github.com/fly-aws/fly-aws/internal/workdir"
	"github.com/fly-aws/fly-aws/setup"
)

// chainOptions are those of doctor at a keyboard.
type chainOptions struct {
	app, config   string
	envName, role string
	exec          bool
	environment   bool
	aws           awsFlags
	fly           flyFlags
}

func (o *chainOptions) register(flags *pflag.FlagSet) {
	flags.StringVarP(&o.app, "app", "a", "", "Fly `app` to check, from a keyboard. The default is FLY_APP, or the app of this folder's fly.toml.")
	flags.StringVarP(&o.config, "config", "c", "", configUsage)
	flags.StringVar(&o.envName, "env-name", setup.EnvRoleARN, "`variable` with the role's ARN")
	flags.StringVar(&o.role, "role", "", "name or ARN of the `role`, if the ARN is a secret")
	flags.BoolVar(&o.exec, "exec", false, "also run fly-aws doctor in a running machine. It is run through Fly's API.")
	flags.BoolVar(&o.environment, appEnvironmentFlag, false, "in a machine: use the app's environment. It is that of the app's process, as /proc shows it to root.")
	o.fly.registerToken(flags)
	o.aws.registerAccount(flags)
}

// wanted says whether to walk the chain, and not to check the machine that this is.
func (o *chainOptions) wanted(sys System, flags *pflag.FlagSet) bool {
	if slices.ContainsFunc([]string{"app", "config", "exec", "role", "env-name"}, flags.Changed) {
		return true
	}
	return !onMachine(sys) && !flags.Changed("socket")
}

// maxRoleName is IAM's limit for the name of a role, in characters.
const maxRoleName = 64

// check reports what is wrong with the flags.
func (o *chainOptions) check() error {
	const hint = "give the role's name, or its full ARN"
	isARN := strings.HasPrefix(o.role, "arn:")
	switch {
	case isARN && setup.RoleARNProblem(o.role) != "":
		return usagef(hint, "--role %s: %s", text.Quote(o.role), setup.RoleARNProblem(o.role))
	case !isARN && o.role != "" && setup.NameProblem(o.role, maxRoleName) != "":
		return usagef(hint, "--role %s: %s", text.Quote(o.role), setup.NameProblem(o.role, maxRoleName))
	case o.envName == "":
		return usagef("drop --env-name for "+setup.EnvRoleARN, "--env-name is empty")
	}
	return nil
}

func runChain(ctx context.Context, sys System, d doctorOptions) error {
	o := d.chain
	o.aws.verbose = d.verbose
	if err := o.check(); err != nil {
		return err
	}
	c := newConsole(sys, d.output)
	folder := &workdir.Folder{Dir: sys.Dir}
	chain, err := o.chainOf(sys, folder)
	if err != nil {
		return err
	}
	session, err := c.openFly(o.fly)
	if err != nil {
		return err
	}
	fly := machinesAPI{directory{session.client}}
	if chain.FlyProblem = session.problem; session.client != nil {
		chain.Fly = fly
	}
	chain.AWS = func(ctx context.Context) (doctor.Account, error) {
		account, err := c.openAccount(ctx, o.aws.options(&callLog{console: c}))
		return signedIn{account}, asSignIn(err)
	}
	stop := c.waiting("Fly and AWS")
	report := render.ChainReport{Chain: chain, Result: doctor.Walk(ctx, chain), Failure: firstHint}
	stop()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if o.exec && len(report.Result.Machines) > 0 {
		report.Probe = c.examine(ctx, fly, report.Result.Machines, chain.App)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		report.Result = doctor.Together(report.Result, report.Probe)
	}
	if c.json {
		if err := render.JSON(c.Stdout, render.NewChain(report)); err != nil {
			return err
		}
	} else {
		render.Chain(c.Stdout, report, c.out)
	}
	return chainExit(report)
}

// chainOf finds the app and its fly.toml.
func (o *chainOptions) chainOf(sys System, folder *workdir.Folder) (doctor.Chain, error) {
	chain := doctor.Chain{App: cmp.Or(o.app, sys.Getenv("FLY_APP")), Variable: o.envName, Role: o.role, Files: folder}
	config, err := folder.Find(o.config)
	var missing *workdir.NotFoundError
	switch {
	case err != nil && (o.config != "" || !errors.As(err, &missing)):
		return chain, err
	case chain.App == "":
		chain.App, chain.Config = config.App, config.Path
	case config.App == "" || config.App == chain.App:
		chain.Config = config.Path
	case o.config != "":
		return chain, &workdir.OtherAppError{Path: config.Path, App: config.App, Want: chain.App}
	}
	if chain.App == "" {
		return chain, usagef("pass --app, or run it in the folder of the app's fly.toml", "nothing says which app to check")
	}
	if err := flyname.CheckApp(chain.App); err != nil {
		return chain, usagef("list your apps: fly apps list", "%w", err)
	}
	return chain, nil
}

// examineTimeout is how long doctor may take in a machine, where it waits for AWS twice.
const examineTimeout = 45 * time.Second

// examine runs doctor in a machine, with the environment that counts: the app's.
func (c console) examine(ctx context.Context, fly machinesAPI, machines []doctor.AppMachine, app string) *doctor.Probe {
	command := []string{"fly-aws", "doctor", "--" + appEnvironmentFlag, "--json"}
	defer c.waiting("the machine")()
	probe := doctor.Examine(ctx, fly, app, machines, command, func(m doctor.AppMachine, argv []string) {
		what := strings.Join(argv, " ")
		if argv[0] == "sh" {
			what = "a shell script, which reads the AWS variables of the app's process,"
		}
		c.note("Running %s in the machine %s (ID %s) of %s, through Fly's API.", what, text.Name(m.Name), text.Name(m.ID), text.Name(app))
	})
	return &probe
}

// firstHint puts an error into words: what happened and the first thing to do.
func firstHint(err error) (message, next string) {
	f := failureOf(err, func(flag string) bool { return flag == "profile" })
	if len(f.Hints) > 0 {
		next = f.Hints[0]
	}
	return f.Message, next
}

// chainExit is the exit code of a report.
func chainExit(r render.ChainReport) error {
	state := r.Result.State
	link := r.Result.Find(state)
	switch {
	case state == doctor.StateOK:
		return nil
	case state == doctor.StateUnknown:
		return exitCode(exitFailed)
	case link == nil: // broken in the machine
		return exitCode(exitPending)
	case link.Code == doctor.LinkFly, link.Cause == doctor.CauseSignIn,
		link.Fly != nil && failureOf(link.Fly, func(string) bool { return false }).exit == exitNotAllowed:
		return exitCode(exitNotAllowed)
	}
	return exitCode(exitPending)
}

// machinesAPI is Fly's API as doctor needs it.
type machinesAPI struct{ directory }

// Machines implements doctor.Fly.
func (f machinesAPI) Machines(ctx context.Context, app string) ([]doctor.AppMachine, error) {
	list, err := f.client.Machines(ctx, app)
	if err != nil {
		return nil, flyProblem(err, app)
	}
	out := make([]doctor.AppMachine, len(list))
	for i, m := range list {
		out[i] = doctor.AppMachine{ID: m.ID, Name: m.Name, Region: m.Region, Running: m.State == flyapi.StateStarted, Env: m.Env}
	}
	return out, nil
}

// Exec implements doctor.Executor.
func (f machinesAPI) Exec(ctx context.Context, app, machine string, argv []string) (doctor.Output, error) {
	out, err := f.client.Exec(ctx, app, machine, flyapi.Command{Argv: argv, Timeout: examineTimeout})
	if err != nil {
		return doctor.Output{}, flyProblem(err, app)
	}
	return doctor.Output(out), nil
}

// signedIn is an AWS account as doctor needs it.
type signedIn struct{ *awsapi.Account }

// Facts implements doctor.Account.
func (a signedIn) Facts(ctx context.Context, req setup.Request) (setup.Facts, error) {
	facts, err := a.Account.Facts(ctx, req)
	return facts, asSignIn(err)
}

// asSignIn marks an error about missing credentials for doctor.
func asSignIn(err error) error {
	if errors.As(err, new(*awsapi.CredentialsError)) {
		return &doctor.SignInError{Err: err}
	}
	return err
}
