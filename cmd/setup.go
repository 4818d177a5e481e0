package cmd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/fly-aws/fly-aws/internal/text"
	"github.com/fly-aws/fly-aws/internal/workdir"
	"github.com/fly-aws/fly-aws/setup"
)

type setupOptions struct {
	request requestFlags
	file    fileFlags
	save    bool
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
It asks for what the flags don't say, shows the plan before it writes anything,
and checks the live trust policies at the end. Run it again to repair them.

On a terminal it asks, and at the end prints the command line that does the same
without questions. With --yes, without a terminal, or with the variable CI set,
it asks nothing and reports everything that is missing. FLY_APP and FLY_ORG are
the defaults of --app and --org, as in flyctl.

Setup keeps what is already right, repairs what differs, and has nothing to do
when you run it again. What is on a role and was not asked for is shown and left
alone; --prune removes it. At the end it reads everything back: each live trust
policy must allow a machine of its app and deny those of other apps, and whom
else it lets in is computed from its statements and shown.`,
		Example: `  fly-aws setup
  fly-aws setup -o acme -a web --policy AmazonS3ReadOnlyAccess
  fly-aws setup -a web --preset s3-write=my-bucket --aws-region eu-west-1 -y
  fly-aws setup -o acme --inline-policy uploads.json --yes --json`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return runSetup(cmd.Context(), sys, o) },
	}
	o.file.register(c.Flags())
	o.request.register(c.Flags())
	o.output.register(c.Flags())
	o.aws.register(c.Flags())
	o.fly.register(c.Flags())
	c.Flags().BoolVar(&o.accessible, "accessible", false, "ask with plain one-line prompts. This works through a pipe too. ACCESSIBLE=1 does the same.")
	c.Flags().BoolVar(&o.save, "save", false, "also write the request to fly-aws.toml. With --file it is that file.")
	c.Flags().BoolVar(&o.dryRun, "dry-run", false, "show the plan and change nothing")
	_ = c.Flags().MarkHidden("dry-run") // fly-aws plan
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
	return c.setUp(ctx, world, req, o, true, c.confirmUnless(o.yes))
}

// showCommands shows setup commands with those arguments, and more after each, on lines
// that can be pasted into a shell.
func (c console) showCommands(title string, commands [][]string, more ...string) {
	if len(commands) > 1 {
		title = strings.Replace(title, "a command line", "command lines", 1)
	}
	fmt.Fprintf(c.Stdout, "\n%s\n", title)
	for _, args := range commands {
		c.showCommand(slices.Concat(args, more))
	}
}

func (c console) showCommand(args []string) {
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
	for _, line := range lines {
		fmt.Fprintln(c.Stdout, strings.Repeat(" ", indent)+text.Clean(line))
	}
}

// noConfirmation is the error that says why no one can be asked to confirm the plan;
// nil if no confirmation is needed.
func (o setupOptions) noConfirmation(sys System) error {
	return noConfirmation(sys, o.yes || o.dryRun, o.output.json)
}

// noConfirmation is the error that says why no one can be asked to confirm a plan; nil if
// the answer is yes already, or there is a terminal to ask on.
func noConfirmation(sys System, yes, json bool) error {
	const hint = "pass --yes to apply the plan; fly-aws plan shows it"
	switch {
	case yes:
		return nil
	case json:
		return usagef(hint, "--json asks no questions")
	case sys.Getenv("CI") != "":
		return usagef(hint, "the variable CI is set, so there is no one to confirm the plan")
	}
	return usagef(hint, "there is no terminal to confirm the plan on")
}

// setUp makes the plan for a request, shows it, asks whether to apply it, and applies it.
// Where there is a request file, the request is first added to it. confirm asks; if it is
// nil, the answer is yes.
func (c console) setUp(ctx context.Context, world setup.World, req setup.Request, o setupOptions, introduce bool, confirm func(context.Context) (bool, error)) error {
	saved, err := c.saving(ctx, world, &req, o)
	if err != nil {
		return err
	}
	req.Prove = o.fly.prove
	plan, err := c.plan(ctx, world, req, introduce)
	if err != nil {
		return saved.locate(err)
	}
	plan.CallRegion = o.aws.region
	if saved != nil {
		if err := saved.finish(plan); err != nil {
			return err
		}
		if !c.json {
			saved.show(c)
		}
	}
	if o.dryRun {
		return c.showPlan(plan, o.fly.strict)
	}
	return c.carryOut(ctx, world, plan, saved.write, o.fly.strict, confirm, o.aws.verbose)
}

// carryOut shows a plan, asks whether to apply it if confirm is not nil, and applies it.
// before, if not nil, runs before the first write.
func (c console) carryOut(ctx context.Context, world setup.World, plan *setup.Plan, before func(console) error, strict bool, confirm func(context.Context) (bool, error), verbose bool) error {
	if err := c.showText(plan, strict); err != nil {
		return err
	}
	if conflicts := plan.Conflicts(); len(conflicts) > 0 {
		return &setup.ConflictError{Conflicts: conflicts}
	}
	if len(plan.Pending()) > 0 && confirm != nil {
		ok, err := confirm(ctx)
		if err != nil {
			return err
		}
		if !ok {
			c.note("Nothing was changed.")
			return exitCode(exitFailed)
		}
	}
	if before != nil {
		if err := before(c); err != nil {
			return err
		}
	}
	return c.apply(ctx, world, plan, verbose)
}
