package cmd

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fly-aws/fly-aws/internal/render"
)

// Exit codes.
const (
	exitDone        = 0   // done, or nothing to do
	exitFailed      = 1   // failed
	exitUsage       = 2   // the command line cannot be used
	exitPending     = 3   // changes are pending
	exitNotAllowed  = 4   // not signed in, or not allowed
	exitInterrupted = 130 // ended by Ctrl-C
)

// Main runs the program with its arguments (without the program's name) and
// returns its exit code. It ends early, but cleanly, when ctx does.
func Main(ctx context.Context, sys System, args []string) int {
	root := newRoot(sys)
	root.SetArgs(args)
	root.SetIn(sys.Stdin)
	root.SetOut(sys.Stdout)
	root.SetErr(sys.Stderr)
	began := false
	root.PersistentPreRun = func(*cobra.Command, []string) { began = true }

	err := findVerb(root, args)
	if err == nil {
		err = root.ExecuteContext(ctx)
	}
	if err == nil {
		return exitDone
	}
	var code exitCode
	if errors.As(err, &code) {
		return int(code) // everything is said
	}
	if !began { // cobra's own: an unknown flag or command, a wrong number of arguments
		err = asUsage(err)
	}
	problem := problemOf(ctx, err)
	if wantsJSON(args) {
		_ = render.JSON(sys.Stdout, render.ErrorDocument{Schema: render.ErrorSchema, Error: problem})
	} else {
		render.Error(sys.Stderr, problem, sys.style(sys.StderrTTY, slices.Contains(args, "--no-color")))
	}
	return problem.Exit
}

// An exitCode ends the program with that code, when all is said already.
type exitCode int

func (exitCode) Error() string { return "the program has said why it ends" }

// wantsJSON finds --json even where the flags could not be parsed, so that a
// script gets its document for a wrong flag too.
func wantsJSON(args []string) bool {
	for _, arg := range args {
		switch {
		case arg == "--":
			return false
		case arg == "--json", arg == "--json=true":
			return true
		case strings.HasPrefix(arg, "-") && !strings.HasPrefix(arg, "--") && strings.Trim(arg[1:], "yj") == "" && strings.Contains(arg, "j"):
			return true
		}
	}
	return false
}

func newRoot(sys System) *cobra.Command {
	root := &cobra.Command{
		Use:   "fly-aws",
		Short: "Give Fly.io Machines access to AWS without any access key",
		Long: `fly-aws gives Fly.io Machines access to AWS without any access key.

It makes IAM trust the OpenID Connect issuer of your Fly organisation, makes a
role that only machines of your app may assume, and writes the role's ARN into
fly.toml, from where every AWS SDK takes it.`,
		Example: `  fly-aws demo                     the whole story, without any account
  fly-aws setup -o acme -a web --policy AmazonS3ReadOnlyAccess`,
		Version:       sys.Build.String(),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noSuchCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return &usageError{err: err, hint: "see " + cmd.CommandPath() + " --help"}
	})
	root.AddCommand(
		newSetup(sys), newPlan(sys), newApply(sys), newPatch(sys),
		newTrustPolicy(sys), newToken(sys), newCredentials(sys), newExec(sys), newDoctor(sys), newExplain(sys),
		newDemo(sys), newSandbox(sys),
	)
	return root
}

// findVerb refuses what is no verb before its flags are looked at, of which the
// root knows none.
func findVerb(root *cobra.Command, args []string) error {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd(args...)
	found, rest, err := root.Find(args)
	if err != nil || found != root || len(rest) == 0 || strings.HasPrefix(rest[0], "-") {
		return nil // cobra has its own words for what else is wrong
	}
	return noSuchCommand(root, rest[:1])
}

// noSuchCommand refuses what is no verb and names the nearest ones.
func noSuchCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	cmd.SuggestionsMinimumDistance = 2
	hint := "see fly-aws --help"
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		hint = "did you mean " + strings.Join(near, " or ") + "?"
	}
	return usagef(hint, "there is no command %q", args[0])
}
