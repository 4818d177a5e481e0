package cmd

import (
	"context"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/fly-aws/fly-aws/internal/doctor"
	"github.com/fly-aws/fly-aws/internal/render"
	"github.com/fly-aws/fly-aws/internal/text"
)

type doctorOptions struct {
	output  outputFlags
	socket  string
	user    string
	wait    time.Duration
	verbose bool
	chain   chainOptions
}

func newDoctor(sys System) *cobra.Command {
	var o doctorOptions
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Find out why AWS does not work, at a keyboard or in a machine",
		Long: `At a keyboard, or with --app: walk the chain of one app and stop at the first
broken link, with its fix. The links are the sign-in at Fly, the organization,
the app and its machines, the role's ARN, what the machines have of fly.toml,
the sign-in to AWS, the role, the provider, the trust policy for each machine
and for nobody else, the permissions, the region, and secrets and variables that
take precedence over the role. With --exec the check in a machine runs too, in
the first running one; what it runs and where is said before.

In a Fly Machine: say that AWS access works, or name the one cause that it does
not and the next thing to do. Then come the checks, in the order in which things
break: the role, what takes precedence over it, the clock, the token file and
who can read it, the session's name, the region, the socket, the exchange at
STS, and which identity the AWS SDKs use. The environment is that of this
process, and the files are read as its user. Run as root, it also checks whether
the app's user can read the token file.

The exit code is 3 when something is broken, 1 when that could not be found out.
Nothing is changed.`,
		Example: `  fly-aws doctor
  fly-aws doctor --app web --exec
  fly ssh console -C 'fly-aws doctor --app-environment'
  fly-aws doctor --wait=1m --user web`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 && o.wait > 0 {
				if _, err := time.ParseDuration(args[0]); err == nil {
					return usagef("write --wait="+args[0], "the duration of --wait goes behind an equals sign")
				}
			}
			return noArguments(cmd, args)
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			keyboard := !o.chain.environment && o.chain.wanted(sys, cmd.Flags())
			if err := checkPlace(cmd.Flags(), keyboard); err != nil {
				return err
			}
			switch {
			case o.chain.environment:
				return runInAppEnvironment(sys, cmd.Flags())
			case keyboard:
				return runChain(cmd.Context(), sys, o)
			}
			return runMachineDoctor(cmd.Context(), sys, o)
		},
	}
	o.output.register(c.Flags())
	registerSocket(sys, c, &o.socket)
	o.chain.register(c.Flags())
	c.Flags().StringVar(&o.user, "user", "", "`name` or ID of the app's user. The default is the owner of the process that Fly started at boot.")
	c.Flags().DurationVar(&o.wait, "wait", 0, "wait for the token file while the machine boots. The time is 30s, or that of --wait=`duration`.")
	c.Flags().Lookup("wait").NoOptDefVal = waitAtBoot.String()
	c.Flags().BoolVar(&o.verbose, "verbose", false, verboseUsage)
	return c
}

// checkPlace reports a flag of doctor at a keyboard in a machine, or the reverse.
func checkPlace(flags *pflag.FlagSet, keyboard bool) error {
	others, hint, format := []string{"app", "config", "exec", "role", "env-name", "profile", "region", "access-token"},
		"drop it, or run this at a keyboard", "--%s is for doctor at a keyboard, and this checks a machine"
	if keyboard {
		others, hint, format = []string{"user", "wait", "socket"},
			"drop it, or run this in a machine: fly ssh console", "--%s is for doctor in a machine, and this checks an app from a keyboard"
	}
	if i := slices.IndexFunc(others, flags.Changed); i >= 0 {
		return usagef(hint, format, others[i])
	}
	return nil
}

// runMachineDoctor examines the machine that this process is in.
func runMachineDoctor(ctx context.Context, sys System, o doctorOptions) error {
	c := newConsole(sys, o.output)
	m := machineOf(ctx, c, o)
	if file := m.TokenFile(); o.wait > 0 && file != "" {
		c.note("Waiting up to %s for the token file %s", render.Duration(o.wait), text.Name(file))
		m.Wait(ctx, o.wait)
	}
	report := m.Examine(ctx, o.user)
	if o.output.json {
		if err := render.JSON(sys.Stdout, render.NewDoctorDocument(report)); err != nil {
			return err
		}
	} else {
		render.Doctor(sys.Stdout, report, c.out)
	}
	switch {
	case ctx.Err() != nil:
		return exitCode(exitInterrupted) // the checks so far have been shown
	case report.Conclusion.Code != doctor.CodeWorks:
		return exitCode(exitPending)
	}
	return nil
}
