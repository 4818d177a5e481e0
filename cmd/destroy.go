package cmd

import (
	"cmp"
	"context"
	"errors"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/fly-aws/fly-aws/internal/render"
	"github.com/fly-aws/fly-aws/internal/workdir"
	"github.com/fly-aws/fly-aws/setup"
)

type destroyOptions struct {
	output        outputFlags
	aws           awsFlags
	fly           flyFlags
	org           string
	apps, configs []string
	file          string
	all, yes      bool
}

func newDestroy(sys System) *cobra.Command {
	var o destroyOptions
	c := &cobra.Command{
		Use:   "destroy",
		Short: "Remove what setup and apply made",
		Long: `Remove what setup and apply made: an app's access (--app), what a file made
(--file), or everything of an organization (--all --org). The plan is shown
first.

A role is removed with everything on it when all the apps that use it lose
access. From a role that was adopted, that has another Allow statement, or that
is in an instance profile, only fly-aws's statement and tags are removed; from a
role that other apps use too, only the app's subject. The OIDC provider goes
when fly-aws made it and no role trusts it any more. AWS_ROLE_ARN is removed
from fly.toml when it still names the role; AWS_REGION stays.`,
		Example: `  fly-aws destroy -a web
  fly-aws destroy -f fly-aws.toml
  fly-aws destroy --all -o acme --yes --json`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return runDestroy(cmd.Context(), sys, o) },
	}
	flags := c.Flags()
	flags.StringArrayVarP(&o.apps, "app", "a", nil, "Fly `app` that loses access; repeatable. It can be a pattern that a role is for.")
	flags.StringVarP(&o.file, "file", "f", "", "request `file` that made what is removed")
	flags.BoolVar(&o.all, "all", false, "remove everything of the organization --org in this account")
	flags.StringVarP(&o.org, "org", "o", "", "Fly organization (default: the apps'). Its `slug`; the default is FLY_ORG, or the organization that the apps belong to, as Fly reports it.")
	flags.StringArrayVarP(&o.configs, "config", "c", nil, configsUsage)
	flags.BoolVarP(&o.yes, "yes", "y", false, "apply the plan without asking")
	o.output.register(flags)
	o.aws.register(flags)
	o.fly.registerToken(flags)
	return c
}

// check reports what is wrong with the flags together.
func (o destroyOptions) check(sys System) error {
	var err error
	switch {
	case !o.all && len(o.apps) == 0 && o.file == "":
		err = usagef("pass --app NAME, --file fly-aws.toml, or --all --org ORG", "nothing says what to destroy")
	case o.all && (len(o.apps) > 0 || o.file != ""):
		err = usagef("drop --all, or the others", "--all is for everything of the organization, so it excludes --app and --file")
	case o.all && o.org == "":
		err = usagef("pass --org with its slug", "--all needs --org")
	case o.file != "" && len(o.configs) > 0:
		err = usagef("drop --config", "--file says which fly.toml files there are")
	}
	if sys.StdinTTY && sys.StdoutTTY && !o.output.json && sys.Getenv("CI") == "" {
		return err
	}
	return errors.Join(err, noConfirmation(sys, o.yes, o.output.json))
}

func runDestroy(ctx context.Context, sys System, o destroyOptions) error {
	if err := o.check(sys); err != nil {
		return err
	}
	c := newConsole(sys, o.output)
	folder := &workdir.Folder{Dir: sys.Dir}
	scope, file, err := o.scope(sys, folder)
	if err != nil {
		return err
	}
	world, err := c.open(ctx, folder, o.aws, o.fly)
	if err != nil {
		return err
	}
	stop := c.waiting("AWS")
	plan, err := world.PlanDestroy(ctx, scope)
	stop()
	if err != nil {
		return file.locate(err)
	}
	c.introduce(plan, plan.Org != scope.Org)
	if !c.json {
		render.Losses(sys.Stdout, plan, c.Now(), c.out)
	}
	return c.carryOut(ctx, world, plan, nil, false, c.confirmUnless(o.yes), o.aws.verbose)
}

// scope is what the flags say to remove, with the request file if they name one.
func (o destroyOptions) scope(sys System, folder *workdir.Folder) (setup.Scope, *requestFile, error) {
	if o.file != "" {
		return o.fileScope(sys)
	}
	scope := setup.Scope{Org: cmp.Or(o.org, flyOrg(sys)), Apps: commaList(o.apps)}
	paths := o.configs
	if len(paths) == 0 {
		paths = []string{""} // the one in this folder
	}
	for _, path := range paths {
		config, err := folder.Find(path)
		switch {
		case err != nil && path == "": // there may be none
			continue
		case err != nil:
			return scope, nil, err
		case path == "" && len(scope.Apps) > 0 && config.App == "":
			config.App = scope.Apps[0]
		case path == "" && !scope.Includes(config.App):
			continue
		}
		scope.Entries = append(scope.Entries, setup.Env{Config: config.Path, App: config.App, Key: setup.EnvRoleARN})
	}
	return scope, nil, nil
}

// fileScope is what a request file made, or the part of it that is for --app.
func (o destroyOptions) fileScope(sys System) (setup.Scope, *requestFile, error) {
	file, err := openRequestFile(sys, o.file)
	if err != nil {
		return setup.Scope{}, nil, err
	}
	req := file.Request()
	if o.org != "" && o.org != req.Org {
		return setup.Scope{}, nil, usagef("drop --org", "%s is for the organization %s, not %s", file.path, req.Org, o.org)
	}
	scope := setup.Scope{Org: req.Org, Account: req.Account, File: req.File, Apps: commaList(o.apps)}
	for _, role := range req.Roles {
		for _, app := range role.Apps {
			if app.Config != "" {
				scope.Entries = append(scope.Entries, setup.Env{Config: filepath.Join(file.dir, app.Config), App: app.Name, Key: app.Variable()})
			}
		}
	}
	return scope, file, nil
}
