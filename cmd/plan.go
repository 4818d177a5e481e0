package cmd

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/natefinch/atomic"
	"github.com/spf13/cobra"

	"github.com/fly-aws/fly-aws/internal/render"
	"github.com/fly-aws/fly-aws/setup"
)

type planOptions struct {
	request requestFlags
	output  outputFlags
	aws     awsFlags
	fly     flyFlags
	out     string
}

func newPlan(sys System) *cobra.Command {
	var o planOptions
	c := &cobra.Command{
		Use:   "plan",
		Short: "Show what setup would change, and change nothing",
		Long: `Show what setup would change, and change nothing.

Exit code 0 says that there is nothing to do, 3 that changes are pending, 1 that
a conflict stands in the way. With --out the plan is kept in a file, which
fly-aws apply writes exactly as it is.`,
		Example: `  fly-aws plan -o acme -a web --policy AmazonS3ReadOnlyAccess
  fly-aws plan -o acme -a web --out plan.json && echo nothing to do`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return runPlan(cmd.Context(), sys, o) },
	}
	o.request.register(c.Flags())
	o.output.register(c.Flags())
	o.aws.register(c.Flags())
	o.fly.register(c.Flags())
	c.Flags().StringVar(&o.out, "out", "", "`file` to keep the plan in, for fly-aws apply")
	return c
}

func runPlan(ctx context.Context, sys System, o planOptions) error {
	if o.out == "-" {
		return usagef("use --json, which prints the plan", "--out takes a file, not standard output")
	}
	e := newEngine(sys, o.output)
	if err := e.openFly(o.fly); err != nil {
		return err
	}
	w, err := e.wish(ctx, &o.request)
	if err != nil {
		return err
	}
	if err := e.openAWS(ctx, o.aws.options(e)); err != nil {
		return err
	}
	plan, _, err := e.plan(ctx, w)
	if err != nil {
		return err
	}
	if o.out != "" && len(plan.Conflicts()) == 0 && (!e.strict || len(plan.Warnings) == 0) {
		if err := e.keepPlan(plan, o.out); err != nil {
			return err
		}
	}
	if err := e.showPlan(plan); err != nil {
		return err
	}
	if o.out != "" && !o.output.json && len(plan.Pending()) > 0 {
		render.Next(sys.Stdout, e.out, "fly-aws apply "+shellWord(o.out))
	}
	if len(plan.Pending()) > 0 {
		return exitCode(exitPending)
	}
	return nil
}

// showPlan shows a plan as text or JSON; a conflict in it is an error, and with
// --strict a warning too.
func (e *engine) showPlan(plan *setup.Plan) error {
	if !e.json {
		render.Plan(e.sys.Stdout, plan, e.out)
	}
	if err := e.showWarnings(plan); err != nil {
		return err
	}
	if e.json {
		if err := render.JSON(e.sys.Stdout, plan); err != nil {
			return err
		}
		if len(plan.Conflicts()) > 0 {
			return exitCode(exitFailed) // the document says it
		}
		return nil
	}
	if conflicts := plan.Conflicts(); len(conflicts) > 0 {
		return &setup.ConflictError{Conflicts: conflicts}
	}
	return nil
}

// keepPlan writes a plan to a file, whole or not at all.
func (e *engine) keepPlan(plan *setup.Plan, file string) error {
	data, err := plan.MarshalIndent()
	if err != nil {
		return err
	}
	path := e.sys.path(file)
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	if info, errStat := os.Stat(path); errStat == nil && !info.Mode().IsRegular() {
		return usagef("give --out the path of a file; --json prints the plan", "--out %s is not a file", file)
	}
	if err := atomic.WriteFile(path, bytes.NewReader(data)); err != nil {
		return &hintedError{
			err:  fmt.Errorf("the plan could not be kept in %s: %w", file, cause(err)),
			hint: "give --out the path of a file that can be written",
		}
	}
	return nil
}
