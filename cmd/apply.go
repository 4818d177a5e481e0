package cmd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/fly-aws/fly-aws/internal/awsapi"
	"github.com/fly-aws/fly-aws/internal/render"
	"github.com/fly-aws/fly-aws/internal/text"
	"github.com/fly-aws/fly-aws/internal/workdir"
	"github.com/fly-aws/fly-aws/setup"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

type applyOptions struct {
	output outputFlags
	aws    awsFlags
	file   string
}

func newApply(sys System) *cobra.Command {
	var o applyOptions
	c := &cobra.Command{
		Use:   "apply FILE",
		Short: "Apply a saved plan",
		Long: `Apply the plan in FILE (- for standard input) as it is, without asking.

A plan is refused before the first write when it was made for another account,
or when something in it is no longer as the plan found it. The paths of fly.toml
files in the plan are relative to this folder.`,
		Example: `  fly-aws plan -o acme -a web --out plan.json
  fly-aws apply plan.json`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef("see fly-aws apply --help", "apply takes one plan file, not %d", len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			o.file = args[0]
			return runApply(cmd.Context(), sys, o)
		},
	}
	o.output.register(c.Flags())
	o.aws.register(c.Flags())
	return c
}

func runApply(ctx context.Context, sys System, o applyOptions) error {
	const hint = "make one with fly-aws plan --out FILE"
	data, err := readFile(ctx, sys, o.file)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return &hintedError{err: fmt.Errorf("the plan cannot be read: %w", err), hint: hint}
	}
	plan, err := setup.ReadPlan(data)
	if err != nil {
		return &hintedError{err: fmt.Errorf("%s cannot be applied: %w", o.file, err), hint: hint}
	}
	c := newConsole(sys, o.output)
	account, err := c.openAccount(ctx, o.aws.options(&callLog{console: c}))
	if err != nil {
		return err
	}
	world := c.newWorld(&workdir.Folder{Dir: sys.Dir}, account, flySession{})
	stop := c.waiting("AWS")
	err = world.CheckAccount(ctx, plan)
	stop()
	if err != nil {
		return err
	}
	c.introduce(plan, false)
	if err := c.showText(plan, false); err != nil {
		return err
	}
	return c.apply(ctx, world, plan, o.aws.verbose)
}

// apply applies a plan and shows the result. With verbose, AWS calls are shown
// meanwhile, so progress cannot be drawn in place.
func (c console) apply(ctx context.Context, world setup.World, plan *setup.Plan, verbose bool) error {
	columns, rows := c.Size()
	progress := render.NewProgress(c.Stderr, plan.Changes, render.ProgressOptions{
		Style: c.err, Live: c.StderrTTY && c.Getenv("TERM") != "dumb" && !verbose, Columns: columns, Rows: rows,
	})
	stop := context.AfterFunc(ctx, func() {
		progress.Say("Stopping after the call in flight; press Ctrl-C again to stop at once.")
	})
	defer stop()
	waiting := time.AfterFunc(patience, func() { progress.Say("Still waiting for AWS") })
	report, err := world.Apply(ctx, plan, func(e setup.Event) {
		waiting.Reset(patience)
		if e.Status == setup.StatusWaiting { // the event says for what
			waiting.Stop()
		}
		progress.Event(e)
	})
	waiting.Stop()
	progress.End(report)
	if err == nil {
		err = verdict(report)
	}
	if err != nil {
		err = withNext(report, err)
	}
	if c.json {
		doc := render.NewReport(plan, report)
		if err != nil {
			return &reportError{err: err, doc: doc}
		}
		return render.JSON(c.Stdout, doc)
	}
	if err != nil && report.Count(setup.StatusDone)+report.Count(setup.StatusFailed) > 0 && report.Checks == nil {
		render.Report(c.Stderr, report, c.err)
	}
	if err == nil && len(plan.Pending()) > 0 && report.Count(setup.StatusDone) == 0 {
		render.Done(c.Stdout, "nothing to do: everything is already done", c.out)
	}
	render.Mismatches(c.Stdout, report.Mismatches, c.out)
	render.TrustChecks(c.Stdout, report.Checks, c.out)
	if err != nil {
		return err
	}
	render.Next(c.Stdout, c.out, nextSteps(plan, report)...)
	return nil
}

// verdict returns the failure that mismatches and failed checks amount to, if any. A
// role that also allows another app, by a statement that fly-aws did not create, is
// shown but is its owner's choice; so is a condition that cannot be decided here.
func verdict(report *setup.Report) error {
	if len(report.Mismatches) > 0 {
		return &hintedError{
			err:  errors.New("not everything reads back as planned"),
			hint: "someone else may be changing it too; run the same command again",
		}
	}
	for _, check := range report.Checks {
		if check.Want == trustpolicy.Allowed && check.Got.Denied() {
			return &hintedError{
				err:  fmt.Errorf("the trust policy of the role %s does not allow %s", check.Role, check.Subject),
				hint: "look at its trust policy: aws iam get-role --role-name " + text.ShellWord(check.Role),
			}
		}
	}
	return nil
}

// withNext adds a hint on how to continue from where a failed run stopped.
func withNext(report *setup.Report, err error) error {
	done, failed := report.Count(setup.StatusDone), report.Count(setup.StatusFailed)
	hint := "then run the same command again; it picks up where it stopped"
	switch {
	case errors.As(err, new(*hintedError)), errors.As(err, new(*awsapi.ThrottledError)),
		done+failed == 0 && errors.As(err, new(*setup.StaleError)):
		return err
	case done+failed == 0:
		hint = "nothing was written"
	case failed == 0 && report.Count(setup.StatusUnreached) == 0:
		hint = "everything was written; run the same command again to have it checked"
	case errors.Is(err, context.Canceled):
		hint = "run the same command again; it picks up where it stopped"
	}
	return &hintedError{err: err, hint: hint}
}

// A reportError is a failure whose report is the document to print.
type reportError struct {
	err error
	doc render.ReportDocument
}

func (e *reportError) Error() string { return e.err.Error() }
func (e *reportError) Unwrap() error { return e.err }

// document returns the report with the failure in it.
func (e *reportError) document(problem render.Problem) render.ReportDocument {
	e.doc.Error, e.doc.Status = &problem, "failed"
	if problem.Exit == exitInterrupted {
		e.doc.Status = "interrupted"
	}
	return e.doc
}

// nextSteps are the commands that make the changes take effect; none for changes that
// take effect at once, such as permissions.
func nextSteps(plan *setup.Plan, report *setup.Report) []string {
	var deploys, lines []string
	patched := map[string]bool{}
	for _, r := range report.Results {
		env := r.Change.Resource().Env
		if env == nil {
			continue
		}
		patched[env.App] = true
		command := "fly deploy"
		if env.Config != "fly.toml" {
			command += " --config " + text.ShellWord(env.Config)
		}
		if r.Status == setup.StatusDone && !slices.Contains(deploys, command) {
			deploys = append(deploys, command)
		}
	}
	for _, r := range report.Results {
		created := r.Change.Action == setup.ActionCreate || r.Change.Action == setup.ActionAdopt
		if !created || r.Change.After.Role == nil || r.Status != setup.StatusDone {
			continue
		}
		for _, g := range plan.Grants {
			if g.Role == r.Change.After.Role.Name && !patched[g.App] {
				lines = append(lines, "set "+setup.EnvRoleARN+"="+g.RoleARN+" and "+setup.EnvRegion+" in the [env] of "+g.App+", then fly deploy")
			}
		}
	}
	return slices.Concat(deploys, lines)
}
