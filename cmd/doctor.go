package cmd

import (
	"context"
	"time"

	"github.com/spf13/cobra"

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
}

func newDoctor(sys System) *cobra.Command {
	var o doctorOptions
	c := &cobra.Command{
		Use:   "doctor",
		Short: "In a machine: find out why AWS does not work",
		Long: `In a Fly Machine: find out why AWS access through OIDC does not work. The first
line says that it works, or names the one cause and the next thing to do. Then
come the checks, in the order in which things break: the role, what takes
precedence over it, the clock, the token file and who can read it, the session's
name, the region, the socket, the exchange at STS, and which identity the AWS
SDKs use.

The environment is that of this process, and the files are read as its user. Run
as root, it also checks whether the app's user can read the token file.

The exit code is 3 when a check fails. Nothing is changed.`,
		Example: `  fly ssh console -C 'fly-aws doctor'
  fly-aws doctor --wait=1m --user web`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 && o.wait > 0 {
				if _, err := time.ParseDuration(args[0]); err == nil {
					return usagef("write --wait="+args[0], "the duration of --wait goes behind an equals sign")
				}
			}
			return noArguments(cmd, args)
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return runMachineDoctor(cmd.Context(), sys, o) },
	}
	o.output.register(c.Flags())
	registerSocket(sys, c, &o.socket)
	c.Flags().StringVar(&o.user, "user", "", "`name` or ID of the app's user (default: the owner of the process that Fly started at boot)")
	c.Flags().DurationVar(&o.wait, "wait", 0, "wait for the token file while the machine boots, for 30s or --wait=`duration`")
	c.Flags().Lookup("wait").NoOptDefVal = waitAtBoot.String()
	c.Flags().BoolVar(&o.verbose, "verbose", false, "show each AWS call with its time and request ID")
	return c
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
