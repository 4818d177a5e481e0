package cmd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
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
	output       outputFlags
	aws          awsFlags
	fly          flyFlags
	file         fileFlags
	apps         []string
	adopt, prune bool
	yes          bool
	digest       string
	plan         string
}

func newApply(sys System) *cobra.Command {
	var o applyOptions
	c := &cobra.Command{
		Use:   "apply [PLAN]",
		Short: "Apply fly-aws.toml, or a saved plan",
		Long: `Plan what the request file asks for (--file, or the fly-aws.toml in this
folder), show the plan, ask, and apply it.

With PLAN, a plan that fly-aws plan --out saved (- for standard input), apply
that plan as it is, without asking. It is refused before the first write when it
was made for another account, when something in it is no longer as the plan
found it, or when something was added to its roles since.

With --digest, another plan than the one with that digest is refused.`,
		Example: `  fly-aws apply
  fly-aws apply --app web --yes
  fly-aws plan --out plan.json && fly-aws apply plan.json`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usagef("see fly-aws apply --help", "apply takes one plan file, not %d", len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return runApplyFile(cmd.Context(), sys, o)
			}
			for _, name := range []string{"file", "app", "adopt", "prune", "strict", "prove"} {
				if cmd.Flags().Lookup(name).Changed {
					return usagef("give it to fly-aws plan", "--%s cannot change a saved plan", name)
				}
			}
			o.plan = args[0]
			return runApply(cmd.Context(), sys, o)
		},
	}
	flags := c.Flags()
	o.file.register(flags)
	flags.StringArrayVarP(&o.apps, "app", "a", nil, "only the roles of this Fly `app`; repeatable")
	flags.BoolVar(&o.adopt, "adopt", false, adoptUsage)
	flags.BoolVar(&o.prune, "prune", false, pruneUsage)
	flags.BoolVarP(&o.yes, "yes", "y", false, "apply the plan without asking")
	flags.StringVar(&o.digest, "digest", "", "refuse a plan with another `digest` than this. It is the one that fly-aws plan shows.")
	o.output.register(flags)
	o.aws.register(flags)
	o.fly.register(flags)
	return c
}

// runApplyFile plans what the request file asks for and applies it.
func runApplyFile(ctx context.Context, sys System, o applyOptions) error {
	c := newConsole(sys, o.output)
	file, err := openRequestFile(sys, o.file.file)
	switch {
	case err != nil:
		return err
	case file == nil:
		return usagef("write one with fly-aws setup --save or fly-aws import, or pass a plan that fly-aws plan --out saved",
			"there is no %s in this folder", requestFileName)
	}
	if !o.yes && (!sys.StdinTTY || !sys.StdoutTTY || o.output.json || sys.Getenv("CI") != "") {
		if err := noConfirmation(sys, o.yes, o.output.json); err != nil {
			return err
		}
	}
	folder := &workdir.Folder{Dir: sys.Dir}
	req, err := file.request(sys, folder, commaList(o.apps))
	if err != nil {
		return err
	}
	req.Adopt, req.Prune, req.Prove = o.adopt, o.prune, o.fly.prove
	world, err := c.open(ctx, folder, o.aws, o.fly)
	if err != nil {
		return err
	}
	plan, err := c.plan(ctx, world, req, true)
	if err != nil {
		return file.locate(err)
	}
	if err := checkDigest(plan, o.digest); err != nil {
		return err
	}
	return c.carryOut(ctx, world, plan, nil, o.fly.strict, c.confirmUnless(o.yes), o.aws.verbose)
}

// checkDigest refuses a plan with another digest than the one wanted, if any.
func checkDigest(plan *setup.Plan, want string) error {
	if want == "" {
		return nil
	}
	have, err := plan.Digest()
	if err != nil {
		return err
	}
	if have != "sha256:"+strings.TrimPrefix(want, "sha256:") {
		return &hintedError{
			err:  fmt.Errorf("this is not the plan of --digest: its digest is %s", have),
			hint: "look at it again: fly-aws plan",
		}
	}
	return nil
}

func runApply(ctx context.Context, sys System, o applyOptions) error {
	const hint = "make one with fly-aws plan --out FILE"
	data, err := readFile(ctx, sys, o.plan)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return &hintedError{err: fmt.Errorf("the plan cannot be read: %w", err), hint: hint}
	}
	plan, err := setup.ReadPlan(data)
	if err != nil {
		return &hintedError{err: fmt.Errorf("%s cannot be applied: %w", o.plan, err), hint: hint}
	}
	if err := checkDigest(plan, o.digest); err != nil {
		return err
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
		doc := render.NewReport(plan, report, c.Now(), c.Build.String())
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
	render.TrustChecks(c.Stdout, report, c.out)
	if err != nil {
		return err
	}
	c.showNext(plan, report)
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

// showNext shows the next steps, and how to find out afterwards whether they were enough.
func (c console) showNext(plan *setup.Plan, report *setup.Report) {
	steps := nextSteps(plan, report)
	render.Next(c.Stdout, c.out, steps...)
	if len(steps) > 0 {
		render.Then(c.Stdout, c.out, doctorStep(plan, report))
	}
}

// doctorStep is the command that checks the apps that use a role now; "" if none does.
func doctorStep(plan *setup.Plan, report *setup.Report) string {
	var apps []setup.App
	add := func(app setup.App) {
		if !slices.ContainsFunc(apps, func(a setup.App) bool { return a.Name == app.Name }) {
			apps = append(apps, app)
		}
	}
	for _, g := range plan.Grants {
		if !g.Kept && !g.Removed && !strings.HasSuffix(g.App, "*") {
			add(requested(plan, g))
		}
	}
	for _, r := range report.Results {
		if after := r.Change.After; after != nil && after.Env != nil {
			add(setup.App{Name: after.Env.App, Config: after.Env.Config})
		}
	}
	if len(apps) != 1 {
		if len(apps) == 0 {
			return ""
		}
		return "fly-aws doctor --app NAME, for each app"
	}
	command := "fly-aws doctor"
	switch config := apps[0].Config; config {
	case "fly.toml":
	case "":
		command += " --app " + text.ShellWord(apps[0].Name)
	default:
		command += " --config " + text.ShellWord(config)
	}
	if name := apps[0].Variable(); name != setup.EnvRoleARN {
		command += " --env-name " + text.ShellWord(name)
	}
	return command
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
		if r.Change.After == nil || r.Change.After.Role == nil || r.Status != setup.StatusDone {
			continue
		}
		for _, g := range plan.Grants {
			if g.Role != r.Change.After.Role.Name || strings.HasSuffix(g.App, "*") || !gains(r.Change, plan.Org, g) {
				continue
			}
			app := requested(plan, g)
			switch name := app.Variable(); {
			case setup.SyntaxOf(app.Config) != setup.SyntaxTOML: // see editsByHand
			case name != setup.EnvRoleARN:
				lines = append(lines, "set "+name+"="+g.RoleARN+" in the [env] of "+g.App+", and give the AWS SDKs a profile with: credential_process = fly-aws credentials --role-arn "+g.RoleARN)
			case !patched[g.App]:
				region := setup.EnvRegion
				if value := regionOf(plan, app); value != "" {
					region += "=" + value
				}
				lines = append(lines, "set "+name+"="+g.RoleARN+" and "+region+" in the [env] of "+g.App+", then fly deploy")
			}
		}
	}
	return slices.Concat(deploys, editsByHand(plan), lines)
}

// gains says whether an app may assume the role of a change that it could not before.
func gains(c setup.Change, org string, g setup.Grant) bool {
	return !g.Kept && !g.Removed && (c.Action == setup.ActionCreate || c.Action == setup.ActionAdopt ||
		slices.ContainsFunc(c.Reasons, func(r setup.Reason) bool {
			return r.Code == setup.ReasonStatementMissing ||
				r.Code == setup.ReasonSubjectMissing && strings.HasPrefix(r.Want, org+":"+g.App+":")
		}))
}

// requested returns the app of a grant as the plan's request has it.
func requested(plan *setup.Plan, g setup.Grant) setup.App {
	if plan.Request != nil {
		for _, role := range plan.Request.Roles {
			for _, app := range role.Apps {
				if plan.Request.RoleName(role) == g.Role && app.Name == g.App {
					return app
				}
			}
		}
	}
	return setup.App{Name: g.App}
}

// regionOf is the AWS region that the plan's request has for an app, or "".
func regionOf(plan *setup.Plan, app setup.App) string {
	if app.Region == "" && plan.Request != nil {
		return plan.Request.Region
	}
	return app.Region
}
