package cmd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/fly-aws/fly-aws/internal/awsapi"
	"github.com/fly-aws/fly-aws/internal/render"
	"github.com/fly-aws/fly-aws/internal/wizard"
	"github.com/fly-aws/fly-aws/setup"
)

type setupOptions struct {
	request requestFlags
	output  outputFlags
	aws     awsFlags
	fly     flyFlags
	dryRun  bool
	yes     bool
	// accessible asks by plain prompts.
	accessible bool
}

func newSetup(sys System) *cobra.Command {
	var o setupOptions
	c := &cobra.Command{
		Use:   "setup",
		Short: "Connect Fly apps to AWS: plan, confirm, apply, verify",
		Long: `Make AWS trust your Fly apps: the OIDC provider of the organisation, a role for
each app with the permissions you name, and AWS_ROLE_ARN in each app's fly.toml.

On a terminal it asks for what the flags do not say, and prints the command line
that does the same without questions. With --yes, without a terminal or with the
variable CI set it asks nothing, and names all that is missing.

The plan is shown before anything happens. What is there already is kept, what
differs is repaired, and running it again finds nothing to do. At the end all is
read back, and the live trust policy is tried with a machine of the app, which
it has to accept, and one of another app, which it has to refuse.`,
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
	c.Flags().BoolVar(&o.accessible, "accessible", false, "ask by plain prompts, a line each, also through a pipe; ACCESSIBLE=1 does the same")
	c.Flags().BoolVar(&o.dryRun, "dry-run", false, "show the plan and change nothing")
	c.Flags().BoolVarP(&o.yes, "yes", "y", false, "apply the plan without asking")
	return c
}

func runSetup(ctx context.Context, sys System, o setupOptions) error {
	e := newEngine(sys, o.output)
	if err := e.openFly(o.fly); err != nil {
		return err
	}
	if !o.asks(sys) {
		w, err := e.wish(ctx, &o.request)
		if err == nil || wrongLine(err) { // what is wrong with the command line is said at once
			err = errors.Join(err, o.unasked(sys))
		}
		if err != nil {
			return err
		}
		if err := e.openAWS(ctx, o.aws.options(e)); err != nil {
			return err
		}
		return e.setup(ctx, w, o.dryRun, o.yes)
	}
	w, args, err := e.interview(ctx, o)
	if errors.Is(err, wizard.ErrAborted) { // a key, and no signal that ends ctx
		e.progress("Nothing was changed.")
		return exitCode(exitInterrupted)
	}
	if err != nil {
		return err
	}
	err = e.setup(ctx, w, o.dryRun, false)
	var code exitCode
	switch {
	case args == nil || ctx.Err() != nil:
	case err == nil, errors.As(err, &code): // done, or declined
		e.sayAgain("The same without questions:", append(args, "--yes"))
	default: // no answer is lost with what failed
		e.sayAgain("Your answers as a command line:", args)
	}
	return err
}

// sayAgain shows the command that says the same as what was answered, in lines
// that a shell takes as they are.
func (e *engine) sayAgain(title string, args []string) {
	const indent = 2
	width := 80
	if columns, _ := e.sys.Size(); columns > 0 {
		width = columns
	}
	lines := []string{"fly-aws setup"}
	for i := 0; i < len(args); i++ {
		part := shellWord(args[i])
		for i+1 < len(args) && !strings.HasPrefix(args[i+1], "--") {
			i++
			part += " " + shellWord(args[i])
		}
		last := &lines[len(lines)-1]
		if utf8.RuneCountInString(*last)+1+utf8.RuneCountInString(part)+indent+len(` \`) > width {
			*last += ` \`
			lines = append(lines, "  "+part)
			continue
		}
		*last += " " + part
	}
	fmt.Fprintf(e.sys.Stdout, "\n%s\n", title)
	for _, line := range lines {
		fmt.Fprintln(e.sys.Stdout, strings.Repeat(" ", indent)+render.Clean(line))
	}
}

// unasked says why the question whether to apply the plan cannot be asked.
func (o setupOptions) unasked(sys System) error {
	const hint = "pass --yes to apply the plan, or --dry-run to see it"
	switch {
	case o.yes || o.dryRun:
		return nil
	case o.output.json:
		return usagef(hint, "--json asks no question")
	case sys.Getenv("CI") != "":
		return usagef(hint, "the variable CI is set, so nobody is asked to confirm the plan")
	}
	return usagef(hint, "there is no terminal to confirm the plan on")
}

// setup is the main job, with every question about flags answered.
func (e *engine) setup(ctx context.Context, w wish, dryRun, yes bool) error {
	plan, state, err := e.plan(ctx, w)
	if err != nil {
		return err
	}
	if dryRun {
		return e.showPlan(plan)
	}
	if !e.json {
		render.Plan(e.sys.Stdout, plan, e.out)
	}
	if err := e.showWarnings(plan); err != nil {
		return err
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

// applyAndTell applies a plan and shows what came of it. Without a state the plan
// comes from a file, and what it was made from is looked at again.
func (e *engine) applyAndTell(ctx context.Context, plan *setup.Plan, state setup.State) error {
	o, err := e.apply(ctx, plan, state)
	if err == nil {
		err = o.verdict()
	}
	if err != nil {
		err = goesOn(o, err)
	}
	if e.json {
		doc := render.NewReport(plan, o.report, o.findings, o.proofs, e.warnings(plan))
		if err != nil {
			return &reportError{err: err, doc: doc}
		}
		return render.JSON(e.sys.Stdout, doc)
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
	render.Next(e.sys.Stdout, e.out, nextSteps(plan, o.report)...)
	return nil
}

// goesOn adds to a failure midway how to go on from there.
func goesOn(o outcome, err error) error {
	done, failed := o.report.Count(setup.StatusDone), o.report.Count(setup.StatusFailed)
	hinted := errors.As(err, new(*hintedError)) || errors.As(err, new(*awsapi.ThrottledError))
	switch {
	case hinted, done+failed == 0 && errors.As(err, new(*setup.StaleError)):
		return err
	case done+failed == 0:
		return &hintedError{err: err, hint: "nothing was written"}
	case failed == 0 && o.report.Count(setup.StatusUnreached) == 0:
		return &hintedError{err: err, hint: "everything was written; run the same command again to have it proven"}
	case errors.Is(err, context.Canceled):
		return &hintedError{err: err, hint: "run the same command again; it picks up where it stopped"}
	}
	return &hintedError{err: err, hint: "then run the same command again; it picks up where it stopped"}
}

// A reportError is a failure whose report is the one document to print.
type reportError struct {
	err error
	doc render.ReportDocument
}

func (e *reportError) Error() string { return e.err.Error() }
func (e *reportError) Unwrap() error { return e.err }

// document is the report with the failure put into words.
func (e *reportError) document(problem render.Problem) render.ReportDocument {
	e.doc.Error, e.doc.Status = &problem, "failed"
	if problem.Exit == exitInterrupted {
		e.doc.Status = "interrupted"
	}
	return e.doc
}

// nextSteps are what makes the changes that were made take effect; none when they
// have already, as permissions do.
func nextSteps(plan *setup.Plan, report setup.Report) []string {
	var deploys, lines []string
	patched := map[string]bool{}
	for _, r := range report.Results {
		env := r.Change.After.Env
		if env == nil {
			continue
		}
		patched[env.App] = true
		command := "fly deploy"
		if env.Config != "fly.toml" {
			command += " --config " + shellWord(env.Config)
		}
		if r.Status == setup.StatusDone && !slices.Contains(deploys, command) {
			deploys = append(deploys, command)
		}
	}
	for _, r := range report.Results {
		made := r.Change.Action == setup.ActionCreate || r.Change.Action == setup.ActionAdopt
		if !made || r.Change.After.Role == nil || r.Status != setup.StatusDone {
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
