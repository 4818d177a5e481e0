package cmd

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/fly-aws/fly-aws/internal/render"
	"github.com/fly-aws/fly-aws/setup"
)

type setupOptions struct {
	request requestFlags
	output  outputFlags
	aws     awsFlags
	dryRun  bool
	yes     bool
}

func newSetup(sys System) *cobra.Command {
	var o setupOptions
	c := &cobra.Command{
		Use:   "setup",
		Short: "Federate Fly apps with AWS: plan, ask, apply, prove",
		Long: `Make AWS trust your Fly apps: the OIDC provider of the organisation, a role for
each app with the permissions you name, and AWS_ROLE_ARN in each app's fly.toml.

The plan is shown before anything happens. What is there already is kept; what
differs is mended; running it again finds nothing to do. At the end everything
is read back, and the live trust policy is tried with a machine of the app,
which it has to accept, and one of another app, which it has to refuse.`,
		Example: `  fly-aws setup -o acme -a web --policy AmazonS3ReadOnlyAccess
  fly-aws setup -o acme -c web/fly.toml -c api/fly.toml --shared-role fly-backend
  fly-aws setup -o acme --inline-policy uploads.json --aws-region eu-central-1 --yes --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runSetup(cmd.Context(), sys, o) },
	}
	o.request.register(c.Flags())
	o.output.register(c.Flags())
	o.aws.register(c.Flags())
	c.Flags().BoolVar(&o.dryRun, "dry-run", false, "show the plan and change nothing")
	c.Flags().BoolVarP(&o.yes, "yes", "y", false, "apply the plan without asking")
	return c
}

func runSetup(ctx context.Context, sys System, o setupOptions) error {
	if !o.yes && !o.dryRun {
		switch {
		case o.output.json:
			return usagef("pass --yes to apply the plan, or --dry-run to see it", "--json asks no question")
		case !sys.interactive():
			return usagef("pass --yes to apply the plan, or --dry-run to see it", "there is no terminal to confirm the plan on")
		}
	}
	e := newEngine(sys, o.output)
	req, err := o.request.request(sys, e.folder)
	if err != nil {
		return err
	}
	if err := e.openAWS(ctx, o.aws.options(e)); err != nil {
		return err
	}
	return e.setup(ctx, req, o.dryRun, o.yes)
}

// setup is the main job, with every question about flags answered.
func (e *engine) setup(ctx context.Context, req setup.Request, dryRun, yes bool) error {
	plan, state, err := e.plan(ctx, req)
	if err != nil {
		return err
	}
	if dryRun {
		return e.showPlan(plan)
	}
	if !e.json {
		render.Plan(e.sys.Stdout, plan, e.out)
	}
	if conflicts := plan.Conflicts(); len(conflicts) > 0 {
		return &setup.ConflictError{Conflicts: conflicts}
	}
	if len(plan.Pending()) > 0 && !yes {
		ok, err := e.confirm(ctx, "Apply this plan?")
		if err != nil {
			return err
		}
		if !ok {
			e.progress("Nothing was changed.")
			return exitCode(exitFailed)
		}
	}
	return e.applyAndTell(ctx, plan, state)
}

// applyAndTell applies a plan and shows what came of it.
func (e *engine) applyAndTell(ctx context.Context, plan *setup.Plan, state setup.State) error {
	o, err := e.apply(ctx, plan, state)
	if err == nil {
		err = o.verdict()
	}
	if err != nil {
		err = e.again(plan, o, err)
	}
	if e.json {
		return e.tellJSON(ctx, plan, o, err)
	}
	if err != nil && o.report.Count(setup.StatusDone)+o.report.Count(setup.StatusFailed) > 0 && o.proofs == nil {
		render.Report(e.sys.Stderr, o.report, e.err)
	}
	if err == nil && len(plan.Pending()) > 0 && o.report.Count(setup.StatusDone) == 0 {
		render.Done(e.sys.Stdout, "nothing to do: all of it is done already", e.out)
	}
	render.Findings(e.sys.Stdout, o.findings, e.out)
	render.Proofs(e.sys.Stdout, o.proofs, e.out)
	if err != nil {
		return err
	}
	if next := nextStep(plan); next != "" && o.report.Count(setup.StatusDone) > 0 {
		render.Next(e.sys.Stdout, next, e.out)
	}
	return nil
}

// again adds to a failure midway that the same command goes on from there.
func (e *engine) again(plan *setup.Plan, o outcome, err error) error {
	done, unreached := o.report.Count(setup.StatusDone), o.report.Count(setup.StatusUnreached)
	var stale *setup.StaleError
	if len(plan.Pending()) == 0 || errors.As(err, &stale) && done == 0 || errors.As(err, new(*hintedError)) {
		return err
	}
	switch {
	case done == 0 && o.report.Count(setup.StatusFailed) == 0:
		return &hintedError{err: err, hint: "nothing was written"}
	case unreached == 0 && o.report.Count(setup.StatusFailed) == 0:
		return &hintedError{err: err, hint: "everything was written; run the same command again to have it proven"}
	}
	return &hintedError{err: err, hint: "run the same command again: what is done stays, and it goes on from there"}
}

func (e *engine) tellJSON(ctx context.Context, plan *setup.Plan, o outcome, err error) error {
	doc := render.NewReport(plan, o.report, o.findings, o.proofs)
	if err != nil {
		problem := problemOf(ctx, err)
		doc.Error = &problem
		doc.Status = "failed"
		if problem.Exit == exitInterrupted {
			doc.Status = "interrupted"
		}
	}
	if errWrite := render.JSON(e.sys.Stdout, doc); errWrite != nil {
		return errWrite
	}
	if doc.Error != nil {
		return exitCode(doc.Error.Exit)
	}
	return nil
}

// nextStep is the command that makes the change take effect.
func nextStep(plan *setup.Plan) string {
	var commands []string
	for _, c := range plan.Changes {
		env := c.After.Env
		if env == nil || env.Key != setup.EnvRoleARN {
			continue
		}
		command := "fly deploy"
		if env.Config != "fly.toml" {
			command += " --config " + shellWord(env.Config)
		}
		commands = append(commands, command)
	}
	switch len(commands) {
	case 0:
		if len(plan.Grants) == 1 {
			return "set " + setup.EnvRoleARN + "=" + plan.Grants[0].RoleARN + " in the [env] of the app's config, then fly deploy"
		}
		return "set " + setup.EnvRoleARN + " in the [env] of each app's config, then fly deploy"
	case 1:
		return commands[0]
	}
	return commands[0] + ", and likewise for the other " + render.Count(len(commands)-1, "app")
}
