package cmd

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/fly-aws/fly-aws/internal/text"
	"github.com/fly-aws/fly-aws/internal/wizard"
	"github.com/fly-aws/fly-aws/internal/workdir"
	"github.com/fly-aws/fly-aws/setup"
)

type setupOptions struct {
	request requestFlags
	output  outputFlags
	aws     awsFlags
	fly     flyFlags
	dryRun  bool
	yes     bool
	// accessible asks with plain prompts.
	accessible bool
}

func newSetup(sys System) *cobra.Command {
	var o setupOptions
	c := &cobra.Command{
		Use:   "setup",
		Short: "Connect Fly apps to AWS: plan, confirm, apply, verify",
		Long: `Make AWS trust your Fly apps: the OIDC provider of the organization, a role for
each app with the permissions you name, and AWS_ROLE_ARN in each app's fly.toml.

On a terminal it asks for what the flags don't say, and prints the command line
that does the same without questions. With --yes, without a terminal, or with
the variable CI set, it asks nothing and reports everything that is missing.

The plan is shown before anything is written. Setup keeps what is already right,
repairs what differs, and has nothing to do when you run it again. At the end it
reads everything back and checks the live trust policies: each must allow a
machine of the app and deny one of another app.`,
		Example: `  fly-aws setup
  fly-aws setup -o acme -a web --policy AmazonS3ReadOnlyAccess
  fly-aws setup -a web --preset s3-write=my-bucket --aws-region eu-west-1 -y
  fly-aws setup -o acme -c web -c api --shared-role fly-backend
  fly-aws setup -o acme --inline-policy uploads.json --yes --json`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return runSetup(cmd.Context(), sys, o) },
	}
	o.request.register(c.Flags())
	o.output.register(c.Flags())
	o.aws.register(c.Flags())
	o.fly.register(c.Flags())
	c.Flags().BoolVar(&o.accessible, "accessible", false, "ask with plain one-line prompts, also through a pipe; ACCESSIBLE=1 does the same")
	c.Flags().BoolVar(&o.dryRun, "dry-run", false, "show the plan and change nothing")
	c.Flags().BoolVarP(&o.yes, "yes", "y", false, "apply the plan without asking")
	return c
}

func runSetup(ctx context.Context, sys System, o setupOptions) error {
	c := newConsole(sys, o.output)
	if o.asks(sys) {
		return c.interviewAndSetUp(ctx, o)
	}
	folder := &workdir.Folder{Dir: sys.Dir}
	req, err := o.request.request(ctx, sys, folder)
	noConfirmation := o.noConfirmation(sys)
	if err != nil {
		if isUsage(err) { // all usage errors are reported together
			err = errors.Join(err, noConfirmation)
		}
		return err
	}
	world, err := c.open(ctx, folder, o.aws, o.fly)
	if err != nil {
		return err
	}
	if noConfirmation != nil {
		return errors.Join(world.Check(req), noConfirmation)
	}
	req.Prove = o.fly.prove
	plan, err := c.plan(ctx, world, req, true)
	if err != nil {
		return err
	}
	return c.setUp(ctx, world, plan, o)
}

// interviewAndSetUp first asks for what the flags don't say.
func (c console) interviewAndSetUp(ctx context.Context, o setupOptions) error {
	answers, err := c.interview(ctx, o)
	if errors.Is(err, wizard.ErrAborted) { // aborted with a key, not a signal that ends ctx
		c.note("Nothing was changed.")
		return exitCode(exitInterrupted)
	}
	if err != nil {
		return err
	}
	answers.Request.Prove = o.fly.prove
	plan, err := c.plan(ctx, answers.world, answers.Request, !answers.Asked)
	if err == nil {
		err = c.setUp(ctx, answers.world, plan, o)
	}
	switch {
	case !answers.Asked || ctx.Err() != nil:
	case err == nil, errors.As(err, new(exitCode)): // done, or declined
		c.showCommand("The same without questions:", append(answers.Args, "--yes"))
	default: // keep the answers after a failure
		c.showCommand("Your answers as a command line:", answers.Args)
	}
	return err
}

// showCommand shows the setup command with those arguments, on lines that can be pasted
// into a shell.
func (c console) showCommand(title string, args []string) {
	const indent = 2
	width := 80
	if columns, _ := c.Size(); columns > 0 {
		width = columns
	}
	lines := []string{"fly-aws setup"}
	for i := 0; i < len(args); i++ {
		part := args[i] // a flag
		for i+1 < len(args) && !strings.HasPrefix(args[i+1], "--") {
			i++
			part += " " + text.ShellWord(args[i])
		}
		last := &lines[len(lines)-1]
		if utf8.RuneCountInString(*last)+1+utf8.RuneCountInString(part)+indent+len(` \`) > width {
			*last += ` \`
			lines = append(lines, "  "+part)
			continue
		}
		*last += " " + part
	}
	fmt.Fprintf(c.Stdout, "\n%s\n", title)
	for _, line := range lines {
		fmt.Fprintln(c.Stdout, strings.Repeat(" ", indent)+text.Clean(line))
	}
}

// noConfirmation is the error that says why no one can be asked to confirm the plan;
// nil if no confirmation is needed.
func (o setupOptions) noConfirmation(sys System) error {
	const hint = "pass --yes to apply the plan, or --dry-run to see it"
	switch {
	case o.yes || o.dryRun:
		return nil
	case o.output.json:
		return usagef(hint, "--json asks no questions")
	case sys.Getenv("CI") != "":
		return usagef(hint, "the variable CI is set, so there is no one to confirm the plan")
	}
	return usagef(hint, "there is no terminal to confirm the plan on")
}

// setUp shows a plan, asks whether to apply it, and applies it.
func (c console) setUp(ctx context.Context, world setup.World, plan *setup.Plan, o setupOptions) error {
	if o.dryRun {
		return c.showPlan(plan, o.fly.strict)
	}
	if err := c.showText(plan, o.fly.strict); err != nil {
		return err
	}
	if conflicts := plan.Conflicts(); len(conflicts) > 0 {
		return &setup.ConflictError{Conflicts: conflicts}
	}
	if len(plan.Pending()) > 0 && !o.yes {
		ok, err := c.confirm(ctx, "Apply this plan?")
		if err != nil {
			return err
		}
		if !ok {
			c.note("Nothing was changed.")
			return exitCode(exitFailed)
		}
	}
	return c.apply(ctx, world, plan, o.aws.verbose)
}
