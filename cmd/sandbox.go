package cmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fly-aws/fly-aws/internal/sandbox"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

type sandboxOptions struct {
	org, app, machine string
	command           []string
}

func newSandbox(sys System) *cobra.Command {
	var o sandboxOptions
	c := &cobra.Command{
		Use:   "sandbox [-- COMMAND [ARGUMENT…]]",
		Short: "Serve a pretend AWS and Fly on this machine, for a command or a shell",
		Long: `Serve a pretend AWS account (IAM and STS), a Fly organisation's token endpoint and
its OIDC issuer on loopback, and run COMMAND with the environment set so that the
AWS CLI, an SDK, fly-aws or a test suite talks to them. They start empty and
refuse what AWS refuses. Its exit code is COMMAND's.

Without COMMAND the exports are printed, and it serves until Ctrl-C.`,
		Example: `  fly-aws sandbox -- aws iam list-roles
  fly-aws sandbox -- sh -c 'fly-aws setup -o acme -a web --no-patch --yes && aws iam get-role --role-name fly-acme-web'`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 && cmd.ArgsLenAtDash() != 0 {
				return usagef("write fly-aws sandbox -- "+strings.Join(args, " "), "the command to run stands after --")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			o.command = args
			return runSandbox(cmd.Context(), sys, o)
		},
	}
	c.Flags().StringVarP(&o.org, "org", "o", "acme", "organisation of the machine whose tokens the socket gives")
	c.Flags().StringVarP(&o.app, "app", "a", "web", "app of that machine")
	c.Flags().StringVar(&o.machine, "machine", "cold-shape-2007", "name of that machine")
	return c
}

func runSandbox(ctx context.Context, sys System, o sandboxOptions) (err error) {
	for _, check := range []error{trustpolicy.CheckOrg(o.org), trustpolicy.CheckApp(o.app), trustpolicy.CheckMachine(o.machine)} {
		if check != nil {
			return usagef("see fly-aws sandbox --help", "%w", check)
		}
	}
	world := sandbox.World{}
	world.AddMachine(o.org, o.app, o.machine)
	server, err := world.Start()
	if err != nil {
		return fmt.Errorf("the sandbox does not start: %w", err)
	}
	defer func() { err = errors.Join(err, server.Close()) }()

	if len(o.command) == 0 {
		for _, assignment := range server.Env() {
			if name, value, _ := strings.Cut(assignment, "="); value == "" {
				fmt.Fprintf(sys.Stdout, "unset %s\n", name)
			} else {
				fmt.Fprintf(sys.Stdout, "export %s=%s\n", name, shellWord(value))
			}
		}
		fmt.Fprintln(sys.Stderr, "Serving until Ctrl-C. Paste the lines above into another shell.")
		<-ctx.Done()
		return nil
	}
	return runCommand(ctx, sys, server.Env(), o.command)
}

// runCommand runs a command to its end in the sandbox's environment. Ctrl-C goes
// to the whole foreground group, so the command gets its own and decides.
func runCommand(ctx context.Context, sys System, env, command []string) error {
	path, err := lookPath(command[0])
	if err != nil {
		return err
	}
	c := exec.CommandContext(ctx, path, command[1:]...) //nolint:gosec // running it is what was asked for
	c.Stdin, c.Stdout, c.Stderr = sys.Stdin, sys.Stdout, sys.Stderr
	c.Env = overlay(sys.Environ, env)
	c.Cancel = func() error { return c.Process.Signal(os.Interrupt) }
	c.WaitDelay = 5 * time.Second
	err = c.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &exit):
		if code := exit.ExitCode(); code > 0 {
			return exitCode(code)
		}
		return exitCode(exitInterrupted) // ended by a signal
	}
	return fmt.Errorf("%s did not run: %w", command[0], err)
}

// lookPath finds the program of a command line.
func lookPath(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		return "", usagef("is it installed, and in PATH?", "there is no command %q", name)
	}
	return path, nil
}

// overlay returns environ with the assignments of env. A variable that is empty
// there is taken away: the AWS CLI looks for the profile named by an empty
// AWS_PROFILE.
func overlay(environ, env []string) []string {
	set := map[string]bool{}
	var out []string
	for _, assignment := range env {
		name, value, _ := strings.Cut(assignment, "=")
		set[name] = true
		if value != "" {
			out = append(out, assignment)
		}
	}
	for _, assignment := range environ {
		if name, _, _ := strings.Cut(assignment, "="); !set[name] {
			out = append(out, assignment)
		}
	}
	return out
}
