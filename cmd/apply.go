package cmd

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/fly-aws/fly-aws/internal/awsapi"
	"github.com/fly-aws/fly-aws/internal/render"
	"github.com/fly-aws/fly-aws/setup"
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
		Short: "Apply a plan that fly-aws plan kept in a file",
		Long: `Apply exactly the plan in FILE (- for standard input), without asking.

A plan is refused before the first write when it was made for another account,
or when something in it is no longer as the plan found it. The fly.toml files
are those that the plan names, seen from this folder.`,
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
	data, err := readFile(ctx, sys, o.file)
	if err != nil {
		return &hintedError{err: fmt.Errorf("the plan cannot be read: %w", err), hint: "make one with fly-aws plan --out FILE"}
	}
	plan, err := setup.ReadPlan(data)
	if err != nil {
		return &hintedError{err: fmt.Errorf("%s cannot be applied: %w", o.file, err), hint: "make one with fly-aws plan --out FILE"}
	}
	e := newEngine(sys, o.output)
	if err := e.openAWS(ctx, o.aws.options(e)); err != nil {
		return err
	}
	facts, err := e.account.Facts(ctx, awsapi.Hints{})
	if err != nil {
		return err
	}
	if facts.Account != plan.Account || facts.Partition != plan.Partition {
		return &hintedError{
			err:  fmt.Errorf("the plan is for the account %s in %s; these credentials are for %s in %s", plan.Account, plan.Partition, facts.Account, facts.Partition),
			hint: "sign in to the plan's account, or make a new plan",
		}
	}
	e.progress("AWS account %s, as %s", render.Clean(facts.Account), render.Clean(facts.Caller))
	if !e.json {
		render.Plan(sys.Stdout, plan, e.out)
	}
	if err := e.showWarnings(plan); err != nil {
		return err
	}
	return e.applyAndTell(ctx, plan, nil)
}
