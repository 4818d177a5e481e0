package cmd

import (
	"context"
	"errors"
	"io"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/fly-aws/fly-aws/internal/render"
)

// Exit codes.
const (
	exitDone        = 0   // done, or nothing to do
	exitFailed      = 1   // failed
	exitUsage       = 2   // the command line cannot be used
	exitPending     = 3   // changes are pending
	exitNotAllowed  = 4   // not signed in, or not allowed
	exitNoCommand   = 127 // sandbox and exec: there is no such command, as shells say it
	exitInterrupted = 130 // ended by Ctrl-C
)

// Main runs the program with its arguments (without the program's name) and
// returns its exit code. It ends early, but cleanly, when ctx does.
func Main(ctx context.Context, sys System, args []string) int {
	var mu sync.Mutex // calls and events are told of by several goroutines
	out := &checkedWriter{mu: &mu, w: sys.Stdout}
	sys.childStdout, sys.childStderr = sys.Stdout, sys.Stderr
	sys.Stdout, sys.Stderr = out, &checkedWriter{mu: &mu, w: sys.Stderr}
	exit := run(ctx, sys, args)
	if out.err != nil && !errors.Is(out.err, syscall.EPIPE) && (exit == exitDone || exit == exitPending) {
		render.Error(sys.Stderr, render.Problem{
			Message: "standard output cannot be written: " + render.Clean(cause(out.err).Error()),
		}, sys.style(sys.StderrTTY, false))
		return exitFailed
	}
	return exit
}

// A checkedWriter lets one line through at a time and remembers the first error of
// the writer it stands for, so that text for people need not look at every line.
type checkedWriter struct {
	mu  *sync.Mutex
	w   io.Writer
	err error
}

func (c *checkedWriter) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, err := c.w.Write(p)
	if c.err == nil {
		c.err = err
	}
	if errors.Is(err, syscall.EPIPE) {
		return len(p), nil // the reader, such as head, has enough: that is no error
	}
	return n, err
}

func run(ctx context.Context, sys System, args []string) int {
	root := newRoot(sys, args)
	root.SetArgs(args)
	root.SetIn(sys.Stdin)
	root.SetOut(sys.Stdout)
	root.SetErr(sys.Stderr)
	began := false
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		began = true
		return refuseEmptyFlags(cmd)
	}

	verb, err := root, findVerb(root, args)
	if err == nil {
		verb, err = root.ExecuteContextC(ctx)
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
	problem := problemOf(ctx, err, func(flag string) bool { return verb.Flags().Lookup(flag) != nil })
	var report *reportError
	switch {
	case errors.As(err, &report):
		_ = render.JSON(sys.Stdout, report.document(problem))
	case asked(args, "json", "j"):
		_ = render.JSON(sys.Stdout, render.ErrorDocument{Schema: render.ErrorSchema, Error: problem})
	default:
		render.Error(sys.Stderr, problem, sys.style(sys.StderrTTY, asked(args, "no-color", "")))
	}
	return problem.Exit
}

// refuseEmptyFlags refuses a flag whose value is empty: a script's variable that
// is not set must not mean "all machines" or "no boundary".
func refuseEmptyFlags(cmd *cobra.Command) error {
	var err error
	cmd.Flags().Visit(func(f *pflag.Flag) {
		values := []string{f.Value.String()}
		if list, ok := f.Value.(pflag.SliceValue); ok {
			values = list.GetSlice()
		}
		for _, value := range values {
			if err == nil && strings.TrimSpace(value) == "" {
				err = usagef("give it a value, or leave the flag away", "--%s is empty", f.Name)
			}
		}
	})
	return err
}

// An exitCode ends the program with that code, when all is said already.
type exitCode int

func (exitCode) Error() string { return "the program has said why it ends" }

// asked finds a flag even where the flags could not be parsed, so that a script
// gets its document for a wrong flag too.
func asked(args []string, name, short string) bool {
	for _, arg := range args {
		if arg == "--" {
			return false
		}
		flag, value, given := strings.Cut(arg, "=")
		on := true
		if given {
			on, _ = strconv.ParseBool(value)
		}
		letters := strings.TrimPrefix(flag, "-")
		if flag == "--"+name {
			return on
		}
		// Behind the first letter of a flag that takes a value is the value.
		before, after, found := strings.Cut(letters, short)
		if short != "" && found && letters != flag && strings.Trim(before, "y") == "" {
			return on || after != ""
		}
	}
	return false
}

// verbs are the commands, in the order of their importance.
var verbs = [...]struct {
	name string
	make func(System) *cobra.Command
}{
	{"setup", newSetup},
	{"plan", newPlan},
	{"apply", newApply},
	{"patch", newPatch},
	{"trust-policy", newTrustPolicy},
	{"token", newToken},
	{"credentials", newCredentials},
	{"exec", newExec},
	{"doctor", newDoctor},
	{"explain", newExplain},
	{"demo", newDemo},
	{"sandbox", newSandbox},
}

// newRoot makes the command tree, as far as args need it: to make all verbs with
// all their flags is a tenth of a short run.
func newRoot(sys System, args []string) *cobra.Command {
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
	root.SetHelpCommand(newHelp(root))
	root.SetUsageFunc(usage)
	first := ""
	if len(args) > 0 {
		first = args[0]
	}
	named := first == "--version"
	for _, verb := range verbs {
		if verb.name == first {
			named = true
			root.AddCommand(verb.make(sys))
		}
	}
	if !named {
		for _, verb := range verbs {
			root.AddCommand(verb.make(sys))
		}
	}
	return root
}

// newHelp is cobra's help command, but for a topic that does not exist, which is
// an error.
func newHelp(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Show what a command does",
		RunE: func(_ *cobra.Command, args []string) error {
			found, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return noSuchCommand(root, args[:1])
			}
			return found.Help()
		},
	}
}

// noArguments refuses arguments for a verb that has only flags.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("see "+cmd.CommandPath()+" --help", "%s takes flags only; %q is one argument too many", cmd.Name(), args[0])
	}
	return nil
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
	if rest[0] == cobra.ShellCompRequestCmd || rest[0] == cobra.ShellCompNoDescRequestCmd {
		return nil // cobra adds these when it executes
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
