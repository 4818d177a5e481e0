package cmd

import "github.com/spf13/cobra"

func newPolicy(sys System) *cobra.Command {
	c := &cobra.Command{
		Use:   "policy",
		Short: "Print policies to use elsewhere, and change nothing",
		Long: `Print policies to use elsewhere: of a role that is managed without fly-aws, and
of those who run fly-aws. AWS is not called, and nothing is written.`,
		Example: `  fly-aws policy operator -f fly-aws.toml
  fly-aws policy trust --account 123456789012 -o acme -a web`,
		Args: noSuchCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	c.AddCommand(newPolicyTrust(sys), newPolicyOperator(sys))
	return c
}
