package cmd

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/fly-aws/fly-aws/internal/render"
	"github.com/fly-aws/fly-aws/setup"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

type trustPolicyOptions struct {
	output    outputFlags
	partition string
	account   string
	org       string
	apps      []string
	machines  []string
	audience  string
}

// newTrustPolicy is policy trust under its former name.
func newTrustPolicy(sys System) *cobra.Command {
	c := newPolicyTrust(sys)
	c.Use, c.Hidden = "trust-policy", true
	return c
}

func newPolicyTrust(sys System) *cobra.Command {
	var o trustPolicyOptions
	c := &cobra.Command{
		Use:   "trust",
		Short: "Print a trust policy for Fly apps, and change nothing",
		Long: `Print the trust policy that setup would give a role, for a role that is created
elsewhere. Nothing is read or written, here or in AWS.`,
		Example: `  fly-aws policy trust --account 123456789012 -o acme -a web > trust.json
  aws iam create-role --role-name web \
    --assume-role-policy-document file://trust.json`,
		Args: noArguments,
		RunE: func(*cobra.Command, []string) error {
			o.apps, o.machines = commaList(o.apps), commaList(o.machines)
			return runTrustPolicy(sys, o)
		},
	}
	o.output.register(c.Flags())
	c.Flags().StringVar(&o.account, "account", "", "AWS account `ID`, 12 digits")
	c.Flags().StringVar(&o.partition, "partition", "aws", "AWS `partition`, such as aws or aws-us-gov")
	c.Flags().StringVarP(&o.org, "org", "o", "", "Fly organization, by its raw `slug` (default: FLY_ORG)")
	c.Flags().StringArrayVarP(&o.apps, "app", "a", nil, "Fly `app` that may use the role; repeatable")
	c.Flags().StringArrayVar(&o.machines, "machine", nil, "only the machine of this `name`; repeatable (default: all)")
	c.Flags().StringVar(&o.audience, "audience", "", "`audience` of the tokens (default sts.amazonaws.com)")
	return c
}

// A trustPolicyDocument is what policy trust --json prints.
type trustPolicyDocument struct {
	Schema      string              `json:"schema"`
	ProviderARN string              `json:"provider_arn"`
	Size        int                 `json:"size"`
	Policy      *trustpolicy.Policy `json:"policy"`
}

func runTrustPolicy(sys System, o trustPolicyOptions) error {
	o.org = cmp.Or(o.org, flyOrg(sys))
	if err := o.check(); err != nil {
		return err
	}
	statement, err := trustpolicy.Build(trustpolicy.AppAccess{
		Partition: o.partition,
		Account:   o.account,
		Org:       o.org,
		Apps:      o.apps,
		Machines:  o.machines,
		Audience:  o.audience,
	})
	if err != nil {
		return err
	}
	policy := trustpolicy.New(statement)
	if size := policy.Size(); size > trustpolicy.MaxSizeQuota {
		return usagef("split the apps over several roles", "the policy has %d characters for %d apps; IAM allows at most %d", size, len(o.apps), trustpolicy.MaxSizeQuota)
	} else if size > trustpolicy.DefaultSizeQuota {
		fmt.Fprintf(sys.Stderr, "The policy has %d characters; an account takes %d unless its quota L-C07B4B0D was raised.\n", size, trustpolicy.DefaultSizeQuota)
	}
	if o.output.json {
		return render.JSON(sys.Stdout, trustPolicyDocument{
			Schema:      render.TrustPolicySchema,
			ProviderARN: trustpolicy.ProviderARN(o.partition, o.account, o.org),
			Size:        policy.Size(),
			Policy:      policy,
		})
	}
	_, err = fmt.Fprintln(sys.Stdout, policy.Indent())
	return err
}

// check reports everything that is missing or wrong together.
func (o trustPolicyOptions) check() error {
	role := setup.RoleRequest{Name: "role"} // any valid name: the role is created elsewhere
	for _, app := range o.apps {
		role.Apps = append(role.Apps, setup.App{Name: app, Machines: o.machines})
	}
	req := setup.Request{Org: o.org, Audience: o.audience, Roles: []setup.RoleRequest{role}}
	err := setup.World{}.Check(req)
	return errors.Join(checkAccount(o.account, o.partition), err)
}

// checkAccount reports what is wrong with the account and the partition of a policy.
func checkAccount(account, partition string) error {
	var err error
	switch {
	case account == "":
		err = usagef("pass --account with the 12 digits that aws sts get-caller-identity shows", "--account is missing")
	case setup.AccountProblem(account) != "":
		err = usagef("aws sts get-caller-identity shows it", "--account %q: %s", account, setup.AccountProblem(account))
	}
	if !trustpolicy.IsPartition(partition) {
		err = errors.Join(usagef("the partitions of AWS are aws, aws-cn, aws-us-gov and aws-eusc", "--partition %q: unknown partition", partition), err)
	}
	return err
}
