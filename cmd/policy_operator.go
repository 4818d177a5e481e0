package cmd

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/fly-aws/fly-aws/internal/operator"
	"github.com/fly-aws/fly-aws/internal/render"
	"github.com/fly-aws/fly-aws/setup"
)

type operatorOptions struct {
	output    outputFlags
	file      fileFlags
	job       string
	partition string
	account   string
	org       string
	apps      []string
	role      string
	adopt     bool
}

func newPolicyOperator(sys System) *cobra.Command {
	var o operatorOptions
	c := &cobra.Command{
		Use:   "operator",
		Short: "Print the smallest IAM policy for whoever runs fly-aws",
		Long: `Print the smallest IAM policy for the person or the CI role that runs fly-aws.
--for says what for: setup (and apply, with --prune), plan, audit (also import,
explain, and any plan of the organization) or destroy. The last one alone may
delete the OIDC provider.

With a request file, the policy is for what the file names: its roles, and no
others of its policies and boundaries. Without one, it is for the roles of the
--app or the --role, or for every role of the organization with a default name,
and lets these get any policy. Roles of other organizations and roles without
fly-aws's tag stay out of reach, unless --adopt is given.`,
		Example: `  fly-aws policy operator -f fly-aws.toml > operator.json
  fly-aws policy operator --for plan --account 123456789012 -o acme
  aws iam create-policy --policy-name fly-aws-operator \
    --policy-document file://operator.json`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.apps = commaList(o.apps)
			return runPolicyOperator(sys, cmd.Flags(), o)
		},
	}
	flags := c.Flags()
	flags.StringVar(&o.job, "for", string(operator.JobSetup), "the `job`: "+strings.Join(jobNames(), ", "))
	o.file.register(flags)
	flags.StringVar(&o.account, "account", "", "AWS account `ID`, 12 digits")
	flags.StringVar(&o.partition, "partition", "", "AWS `partition` (default: that of the file's regions, or aws)")
	flags.StringVarP(&o.org, "org", "o", "", "Fly organization, by its raw `slug` (default: FLY_ORG)")
	flags.StringArrayVarP(&o.apps, "app", "a", nil, "only for the role of this Fly `app`; repeatable")
	flags.StringVar(&o.role, "role", "", "only for the `role` of this name")
	flags.BoolVar(&o.adopt, "adopt", false, "also for taking over roles that nobody has tagged")
	o.output.register(flags)
	c.RegisterFlagCompletionFunc("for", cobra.FixedCompletions(jobNames(), cobra.ShellCompDirectiveNoFileComp)) //nolint:errcheck // the flag exists
	return c
}

func jobNames() []string {
	var names []string
	for _, job := range operator.Jobs() {
		names = append(names, string(job))
	}
	return names
}

// An operatorDocument is what policy operator --json prints.
type operatorDocument struct {
	Schema  string           `json:"schema"`
	For     operator.Job     `json:"for"`
	Account string           `json:"account"`
	Org     string           `json:"org"`
	Size    int              `json:"size"`
	Policy  *operator.Policy `json:"policy"`
}

func runPolicyOperator(sys System, flags *pflag.FlagSet, o operatorOptions) error {
	job := operator.Job(o.job)
	switch {
	case !slices.Contains(operator.Jobs(), job):
		return usagef("choose one of "+strings.Join(jobNames(), ", "), "--for %q: there is no such job", o.job)
	case o.adopt && job != operator.JobSetup:
		return usagef("drop it", "--adopt is for setup, and %s takes over no role", o.job)
	}
	facts, req, err := o.request(sys, flags)
	if err != nil {
		return err
	}
	policy, err := operator.New(job, facts, req)
	var tooLarge *operator.SizeError
	if errors.As(err, &tooLarge) {
		return usagef("print one for some of the apps with --app, and others for the rest", "%w in a managed policy", err)
	}
	if err != nil {
		return err
	}
	if o.output.json {
		return render.JSON(sys.Stdout, operatorDocument{
			Schema: render.OperatorPolicySchema, For: job, Account: facts.Account, Org: req.Org, Size: policy.Size(), Policy: policy,
		})
	}
	_, err = fmt.Fprintln(sys.Stdout, policy.Indent())
	return err
}

// request returns what the policy is for: what the request file names, if there is one, or
// else the flags.
func (o operatorOptions) request(sys System, flags *pflag.FlagSet) (setup.Facts, setup.Request, error) {
	file, err := openRequestFile(sys, o.file.file)
	if err != nil {
		return setup.Facts{}, setup.Request{}, err
	}
	if file == nil {
		return o.flagRequest(sys)
	}
	if given := given(flags, "account", "org", "role"); len(given) > 0 {
		return setup.Facts{}, setup.Request{}, usagef("leave out what the file says, or run it in a folder without the file", "%s says what the policy is for, so %s cannot be given too", file.path, strings.Join(given, ", "))
	}
	facts := setup.Facts{Partition: cmp.Or(o.partition, file.Partition()), Account: file.Request().Account}
	part := file.File
	if len(o.apps) > 0 {
		if part, err = file.Narrow(o.apps); err != nil {
			return facts, setup.Request{}, err
		}
	}
	req := part.Request()
	req.Adopt = o.adopt
	return facts, req, checkAccount(facts.Account, facts.Partition)
}

// flagRequest returns what the flags name. Everything that is missing or wrong is reported
// together.
func (o operatorOptions) flagRequest(sys System) (setup.Facts, setup.Request, error) {
	facts := setup.Facts{Partition: cmp.Or(o.partition, "aws"), Account: o.account}
	req := setup.Request{Org: cmp.Or(o.org, flyOrg(sys)), Adopt: o.adopt}
	apps := plainApps(o.apps)
	anyApp := []setup.App{{Name: "app"}} // a role has one, and its name does not matter here
	if len(apps) == 0 && o.role != "" {
		apps = anyApp
	}
	if len(apps) > 0 {
		req.Roles = setup.RolesFor(apps, setup.RoleRequest{Name: o.role})
	}
	checked := req
	if len(req.Roles) == 0 {
		checked.Roles = setup.RolesFor(anyApp, setup.RoleRequest{})
	}
	return facts, req, errors.Join(checkAccount(facts.Account, facts.Partition), setup.World{}.Check(checked))
}
