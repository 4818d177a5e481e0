package cmd

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"

	"github.com/natefinch/atomic"
	"github.com/spf13/cobra"

	"github.com/fly-aws/fly-aws/internal/audit"
	"github.com/fly-aws/fly-aws/internal/flyname"
	"github.com/fly-aws/fly-aws/internal/render"
	"github.com/fly-aws/fly-aws/internal/text"
	"github.com/fly-aws/fly-aws/internal/workdir"
	"github.com/fly-aws/fly-aws/setup"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

type auditOptions struct {
	output outputFlags
	aws    awsFlags
	fly    flyFlags
	file   fileFlags
	input  string
	html   string
	failOn string
}

func newAudit(sys System) *cobra.Command {
	var o auditOptions
	c := &cobra.Command{
		Use:   "audit",
		Short: "Show which Fly apps can become which roles, and what is wrong",
		Long: `Read the whole account and answer which Fly apps can assume which roles, what
these may do, and what about that is wrong, the worst first: roles open to every
app or to anyone, administrators, mistakes in trust policies, apps that do not
exist, roles and providers that nobody uses. When you are signed in to Fly its
apps are compared, and those that still have AWS keys as secrets are listed;
with a request file the account is compared with it.

Nothing is written in AWS or on Fly. With --input, a file from
aws iam get-account-authorization-details is read and AWS is not called. The
exit code is 3 for findings of at least --fail-on, and 1 when not every role
could be seen.`,
		Example: `  fly-aws audit
  fly-aws audit --html audit.html --fail-on error
  aws iam get-account-authorization-details > account.json
  fly-aws audit --input account.json --json`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return runAudit(cmd.Context(), sys, o) },
	}
	flags := c.Flags()
	o.file.register(flags)
	flags.StringVar(&o.input, "input", "", "audit this `file` from aws iam get-account-authorization-details (- for standard input) instead of the account")
	flags.StringVar(&o.html, "html", "", "also write the audit as a page to this `file`")
	flags.StringVar(&o.failOn, "fail-on", "warning", "exit with 3 for findings of at least this `severity`: warning, error or never")
	o.output.register(flags)
	o.aws.register(flags)
	o.fly.registerToken(flags)
	return c
}

func runAudit(ctx context.Context, sys System, o auditOptions) error {
	if err := checkFailOn(o.failOn); err != nil {
		return err
	}
	c := newConsole(sys, o.output)
	file, err := openRequestFile(sys, o.file.file)
	if err != nil {
		return err
	}
	in, err := c.inventory(ctx, o, file)
	if err != nil {
		return err
	}
	report := audit.Audit(in)
	if o.html != "" {
		if err := c.writePage(o.html, report); err != nil {
			return err
		}
	}
	if c.json {
		err = render.JSON(sys.Stdout, render.NewAudit(report))
	} else {
		render.Audit(sys.Stdout, report, c.out)
	}
	switch {
	case err != nil:
		return err
	case slices.ContainsFunc(report.Findings, func(f audit.Finding) bool { return isAtLeast(f.Severity, o.failOn) }):
		return exitCode(exitPending)
	case slices.ContainsFunc(report.Gaps, audit.Gap.IsPartial):
		return exitCode(exitFailed)
	}
	return nil
}

// checkFailOn refuses another severity than warning, error and never.
func checkFailOn(severity string) error {
	if !slices.Contains([]string{"warning", "error", "never"}, severity) {
		return usagef("use warning, error or never", "--fail-on %s is not a severity", text.Quote(severity))
	}
	return nil
}

// isAtLeast says whether a finding is at least as severe as --fail-on.
func isAtLeast(s trustpolicy.Severity, failOn string) bool {
	return failOn == "warning" || failOn == string(s)
}

// inventory reads what the audit looks at: AWS or a file, Fly, and the request file.
func (c console) inventory(ctx context.Context, o auditOptions, file *requestFile) (audit.Input, error) {
	in := audit.Input{Now: c.Now()}
	if o.input != "" {
		if err := c.readDetails(ctx, o.input, &in.Inventory); err != nil {
			return in, err
		}
	} else {
		account, err := c.openAccount(ctx, o.aws.options(&callLog{console: c}))
		if err != nil {
			return in, err
		}
		stop := c.waiting("AWS")
		in.Inventory, err = account.Inventory(ctx)
		stop()
		if err != nil {
			return in, err
		}
		c.introduce(&setup.Plan{Account: in.Account, Caller: in.Caller}, false)
	}
	session, err := c.openFly(o.fly)
	if err != nil {
		return in, err
	}
	if file != nil {
		req := file.Request()
		for _, app := range appsOf(req) {
			in.Declared = append(in.Declared, audit.App{Org: req.Org, Name: app.Name})
		}
		if o.input == "" {
			in.Drift, err = c.drift(ctx, o, file)
		}
		if in.Drift == nil {
			gap := audit.Gap{Code: audit.GapDrift}
			if err != nil {
				gap.Reason = text.Line(err.Error())
			}
			in.Gaps = append(in.Gaps, gap)
		}
	}
	stop := c.waiting("Fly")
	defer stop()
	err = c.askFly(ctx, session, &in)
	return in, err
}

// readDetails reads the account from a file.
func (c console) readDetails(ctx context.Context, name string, inv *audit.Inventory) error {
	_, err := readInput(ctx, c.System, name, func(r io.Reader) (_ []byte, err error) {
		*inv, err = audit.ReadDetails(r)
		return nil, err
	})
	if err != nil {
		return usagef("make it with: aws iam get-account-authorization-details", "--input %s cannot be read: %w", name, err)
	}
	return nil
}

// drift plans the request file.
func (c console) drift(ctx context.Context, o auditOptions, file *requestFile) (*setup.Plan, error) {
	folder := &workdir.Folder{Dir: c.Dir}
	req, err := file.request(c.System, folder, nil)
	if err != nil {
		return nil, err
	}
	world, err := c.open(ctx, folder, o.aws, o.fly)
	if err != nil {
		return nil, err
	}
	plan, err := world.Plan(ctx, req)
	return plan, file.locate(err)
}

// askFly fills in the apps of the organizations that the account trusts. What Fly does not
// tell is a gap.
func (c console) askFly(ctx context.Context, session flySession, in *audit.Input) error {
	var orgs []string
	add := func(org string) {
		if flyname.CheckOrg(org) == nil && !slices.Contains(orgs, org) {
			orgs = append(orgs, org)
		}
	}
	for _, role := range in.Roles {
		for _, org := range role.Trust.Orgs() {
			add(org)
		}
	}
	for _, app := range in.Declared {
		add(app.Org)
	}
	for _, org := range orgs {
		apps, err := flyApps(ctx, session, org)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil && session.required:
			return err
		case err != nil:
			in.Gaps = append(in.Gaps, audit.Gap{Code: audit.GapFly, Reason: render.FlyProblem(err)})
			return nil
		}
		in.Apps, in.FlyOrgs = append(in.Apps, apps...), append(in.FlyOrgs, org)
	}
	return nil
}

// flyApps returns the apps of an organization, with their secrets that hold AWS keys.
func flyApps(ctx context.Context, session flySession, org string) ([]audit.App, *setup.FlyProblem) {
	if session.client == nil {
		return nil, session.problem
	}
	found, err := session.client.Organization(ctx, org)
	if err != nil {
		return nil, flyProblem(err, "")
	}
	list, err := session.client.OrganizationApps(ctx, found)
	if err != nil {
		return nil, flyProblem(err, "")
	}
	var names []string
	for _, app := range list {
		names = append(names, app.Name)
	}
	details, err := session.client.Apps(ctx, names)
	if err != nil {
		return nil, flyProblem(err, "")
	}
	var out []audit.App
	for _, name := range names {
		app := audit.App{Org: org, Name: name}
		for _, secret := range details[name].App.Secrets {
			if slices.Contains([]string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}, secret) {
				app.StaticKeys = append(app.StaticKeys, secret)
			}
		}
		out = append(out, app)
	}
	return out, nil
}

// writePage writes the audit as a page.
func (c console) writePage(file string, report audit.Report) error {
	var page bytes.Buffer
	if err := render.AuditHTML(&page, report, c.Build.String()); err != nil {
		return err
	}
	path := c.path(file)
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	if err := atomic.WriteFile(path, &page); err != nil {
		return &hintedError{err: fmt.Errorf("the page could not be written to %s: %w", file, cause(err)), hint: "give --html the path of a file that can be written"}
	}
	c.note("wrote %s", text.Name(file))
	return nil
}
