package cmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"

	"github.com/natefinch/atomic"
	"github.com/spf13/cobra"

	"github.com/fly-aws/fly-aws/internal/flyname"
	"github.com/fly-aws/fly-aws/internal/lint"
	"github.com/fly-aws/fly-aws/internal/render"
	"github.com/fly-aws/fly-aws/internal/text"
	"github.com/fly-aws/fly-aws/internal/trustfile"
	"github.com/fly-aws/fly-aws/internal/wizard"
	"github.com/fly-aws/fly-aws/setup"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

type lintOptions struct {
	output outputFlags
	aws    awsFlags
	files  []string
	roles  []string
	sarif  bool
	fix    bool
	yes    bool
	failOn string
}

func newLint(sys System) *cobra.Command {
	var o lintOptions
	c := &cobra.Command{
		Use:   "lint [FILE...|-]",
		Short: "Check trust policies for mistakes about Fly",
		Long: `Check the trust policies in files (- for standard input), or those of live roles
(--role), for mistakes about Fly's tokens and for access that is too wide. Files
are read as people have them: a policy, what the AWS CLI prints for roles,
terraform show -json, CloudFormation templates. What a file does not say yet,
such as an intrinsic function, is reported as not checked.

The exit code is 3 for findings of at least --fail-on. docs/lint.md has every
rule. --fix makes the repairs that are certain in files that are one policy.`,
		Example: `  fly-aws lint trust.json
  terraform show -json plan.out | fly-aws lint -
  fly-aws lint --role fly-acme-web --role backend
  fly-aws lint --sarif templates/*.yaml > lint.sarif`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.files = args
			return runLint(cmd.Context(), sys, o)
		},
	}
	flags := c.Flags()
	flags.StringArrayVar(&o.roles, "role", nil, "check the trust policy of the live IAM `role`; repeatable")
	flags.StringVar(&o.failOn, "fail-on", "warning", "exit with 3 for findings of at least this `severity`: warning, error or never")
	flags.BoolVar(&o.sarif, "sarif", false, "print a SARIF 2.1.0 log, for code scanning")
	flags.BoolVar(&o.fix, "fix", false, "make the certain repairs in files that are one policy")
	flags.BoolVarP(&o.yes, "yes", "y", false, "write the repairs without asking")
	o.output.register(flags)
	o.aws.register(flags)
	return c
}

// check reports what is wrong with the flags together.
func (o lintOptions) check() error {
	switch {
	case len(o.files)+len(o.roles) == 0:
		return usagef("pass a file, - for standard input, or --role with the name of a live role", "nothing says what to check")
	case o.sarif && o.output.json:
		return usagef("drop one", "--json and --sarif are two forms of the findings")
	case o.fix && (o.sarif || o.output.json):
		return usagef("drop --fix, or the other", "--fix shows what it changes, so it excludes --json and --sarif")
	case o.fix && (len(o.roles) > 0 || slices.Contains(o.files, "-")):
		return usagef("pass files only", "--fix changes files, not live roles and standard input")
	}
	return checkFailOn(o.failOn)
}

func runLint(ctx context.Context, sys System, o lintOptions) error {
	if err := o.check(); err != nil {
		return err
	}
	c := newConsole(sys, o.output)
	var policies []lint.Policy
	for _, file := range o.files {
		found, err := c.lintFile(ctx, file, o)
		if err != nil {
			return err
		}
		policies = append(policies, found...)
	}
	if len(o.roles) > 0 {
		found, err := c.lintRoles(ctx, o)
		if err != nil {
			return err
		}
		policies = append(policies, found...)
	}
	var err error
	switch {
	case o.sarif:
		err = render.JSON(sys.Stdout, render.NewSARIF(policies, sys.Build.Version))
	case c.json:
		err = render.JSON(sys.Stdout, render.NewLint(policies))
	default:
		render.Lint(sys.Stdout, policies, c.out)
	}
	if err == nil && fails(policies, o.failOn) {
		return exitCode(exitPending)
	}
	return err
}

// fails says whether a finding is at least as severe as failOn.
func fails(policies []lint.Policy, failOn string) bool {
	return slices.ContainsFunc(policies, func(p lint.Policy) bool {
		return slices.ContainsFunc(p.Findings, func(f lint.Finding) bool { return isAtLeast(f.Severity, failOn) })
	})
}

// lintFile judges the trust policies in a file, after its repairs if they are wanted.
func (c console) lintFile(ctx context.Context, file string, o lintOptions) ([]lint.Policy, error) {
	name := inputName(file)
	var policies []lint.Policy
	var bare *trustfile.Found
	_, err := readInput(ctx, c.System, file, func(r io.Reader) ([]byte, error) {
		_, err := trustfile.Read(r, trustfile.Options{}, func(f trustfile.Found) error {
			if policies = append(policies, lint.InFile(name, f)); f.Bare() {
				bare = &f
			}
			return nil
		})
		return nil, err
	})
	if err != nil {
		return nil, fileProblem(name, err)
	}
	if !o.fix || bare == nil {
		return policies, nil
	}
	fixed, n := lint.Fix(bare.Text)
	if n == 0 {
		return policies, nil
	}
	if err := c.writeFix(ctx, file, bare.Text, fixed, o.yes); err != nil {
		return nil, err
	}
	return c.lintFile(ctx, file, lintOptions{})
}

// fileProblem says what is wrong with a file that has no trust policies to judge.
func fileProblem(name string, err error) error {
	var syntax *trustfile.SyntaxError
	var none *trustfile.NoPolicyError
	switch {
	case errors.As(err, &syntax):
		return usagef("fix the file", "%s:%d:%d: %s", name, syntax.Line, syntax.Column, syntax.Reason)
	case errors.As(err, &none):
		return usagef("pass a trust policy, what the AWS CLI prints for roles, terraform show -json, or a CloudFormation template", "%s holds no trust policy; it is %s", name, none.Holds)
	}
	return usagef("pass the path of a file with trust policies", "%w", err)
}

// writeFix shows what the repairs change in a file, asks, and writes them.
func (c console) writeFix(ctx context.Context, file string, before, after []byte, yes bool) error {
	render.Diff(c.Stdout, file, string(before), string(after), c.out)
	if !yes {
		if err := noConfirmation(c.System, c.StdinTTY && c.StdoutTTY && c.Getenv("CI") == "", false); err != nil {
			return err
		}
		ok, err := wizard.Confirm(ctx, wizard.Options{In: c.Stdin, Out: c.Stderr, Accessible: true}, "Write these repairs?", wizard.Instead{})
		if err != nil {
			return err
		}
		if !ok {
			c.note("Nothing was changed.")
			return exitCode(exitFailed)
		}
	}
	path := c.path(file)
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	whole, err := readBounded(path, maxFile)
	if err != nil {
		return fmt.Errorf("%s cannot be read: %w", file, cause(err))
	}
	at := bytes.Index(whole, before)
	if at < 0 {
		return &hintedError{err: fmt.Errorf("%s changed after it was read; nothing was written", file), hint: "run the same command again"}
	}
	whole = slices.Concat(whole[:at], after, whole[at+len(before):]) // a byte order mark and white space stay
	if err := atomic.WriteFile(path, bytes.NewReader(whole)); err != nil {
		return fmt.Errorf("%s cannot be written: %w", file, cause(err))
	}
	c.note("wrote %s", text.Name(file))
	return nil
}

// lintRoles judges the trust policies of live roles.
func (c console) lintRoles(ctx context.Context, o lintOptions) ([]lint.Policy, error) {
	account, err := c.openAccount(ctx, o.aws.options(&callLog{console: c}))
	if err != nil {
		return nil, err
	}
	defer c.waiting("AWS")()
	facts, err := account.Facts(ctx, setup.Request{})
	if err != nil {
		return nil, err
	}
	var out []lint.Policy
	for _, name := range commaList(o.roles) {
		role, err := account.Role(ctx, name)
		switch {
		case err != nil:
			return nil, err
		case role == nil:
			return nil, &hintedError{
				err:  fmt.Errorf("there is no role %s in the account %s", text.Quote(name), facts.Account),
				hint: "list the roles with: aws iam list-roles --query 'Roles[].RoleName'",
			}
		}
		expected := trustpolicy.Expected{AppAccess: trustpolicy.AppAccess{Partition: facts.Partition, Account: facts.Account}}
		if orgs := role.Trust.Orgs(); len(orgs) == 1 && flyname.CheckOrg(orgs[0]) == nil {
			provider := setup.Resource{Provider: &setup.Provider{ARN: trustpolicy.ProviderARN(facts.Partition, facts.Account, orgs[0])}}
			found, err := account.Read(ctx, []setup.Resource{provider})
			if err != nil {
				return nil, err
			}
			for _, r := range found {
				expected.Registered = append([]string{}, r.Provider.Audiences...)
			}
		}
		out = append(out, lint.Live(role.Name, role.Trust, expected))
	}
	return out, nil
}
