package cmd

import (
	"cmp"
	"context"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/fly-aws/fly-aws/internal/render"
	"github.com/fly-aws/fly-aws/internal/text"
)

// Exit codes.
const (
	exitDone        = 0   // done, or nothing to do
	exitFailed      = 1   // failed
	exitUsage       = 2   // usage error
	exitPending     = 3   // changes are pending
	exitNotAllowed  = 4   // not signed in, or not allowed
	exitNoCommand   = 127 // sandbox and exec: no such command, as in shells
	exitInterrupted = 130 // ended by Ctrl-C
)

// Main runs the program with its arguments (without the program's name) and
// returns its exit code. It ends early, but cleanly, when ctx does.
func Main(ctx context.Context, sys System, args []string) int {
	var mu sync.Mutex // several goroutines show calls and events
	out, errs := &output{mu: &mu, w: sys.Stdout}, &output{mu: &mu, w: sys.Stderr}
	sys.rawStdout, sys.rawStderr = sys.Stdout, sys.Stderr
	sys.Stdout, sys.Stderr = out, errs
	exit := run(ctx, sys, args)
	if out.err != nil {
		render.Error(sys.Stderr, render.Problem{
			Message: "standard output cannot be written: " + text.Line(cause(out.err).Error()),
		}, sys.style(sys.StderrTTY, false))
		if exit == exitDone || exit == exitPending {
			exit = exitFailed
		}
	}
	return exit
}

// An output redacts secrets, and keeps the first error of the underlying writer for
// Main to report; Write itself returns none. Each write must be whole lines or a whole
// prompt.
type output struct {
	mu  *sync.Mutex
	w   io.Writer
	err error
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	_, err := io.WriteString(o.w, text.Redact(string(p)))
	if err != nil && o.err == nil && !errors.Is(err, syscall.EPIPE) { // a reader such as head may stop early
		o.err = err
	}
	return len(p), nil
}

func run(ctx context.Context, sys System, args []string) int {
	if n := len(args); n > 1 && args[0] == "explain" && args[n-1] == "--error" && !sys.StdinTTY {
		args = append(slices.Clip(args), "-") // the text is on standard input
	}
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

	command, err := root, findCommand(root, args)
	if err == nil {
		command, err = root.ExecuteContextC(ctx)
	}
	if err == nil {
		return exitDone
	}
	var code exitCode
	if errors.As(err, &code) {
		return int(code)
	}
	if !began { // cobra's own: an unknown flag or command, a wrong number of arguments
		err = asUsage(err)
	}
	problem := problemOf(ctx, err, func(flag string) bool { return command.Flags().Lookup(flag) != nil })
	var report *reportError
	switch {
	case forGoogle(command, args):
		return failForGoogle(sys, problem)
	case errors.As(err, &report):
		_ = render.JSON(sys.Stdout, report.document(problem))
	case isSet(args, "json", "j"):
		write := render.JSON
		if command.CommandPath() == keepPath {
			write = render.JSONLine // as its events
		}
		_ = write(sys.Stdout, render.ErrorDocument{Schema: render.ErrorSchema, Error: problem})
	default:
		render.Error(sys.Stderr, problem, sys.style(sys.StderrTTY, isSet(args, "no-color", "")))
	}
	return problem.Exit
}

// refuseEmptyFlags refuses a flag whose value is empty: a script's variable that is
// not set must not mean "all machines" or "no boundary".
func refuseEmptyFlags(cmd *cobra.Command) error {
	var err error
	cmd.Flags().Visit(func(f *pflag.Flag) {
		values := []string{f.Value.String()}
		if list, ok := f.Value.(pflag.SliceValue); ok {
			values = list.GetSlice()
		}
		for _, value := range values {
			if err == nil && strings.TrimSpace(value) == "" {
				err = usagef("give it a value, or drop the flag", "--%s is empty", f.Name)
			}
		}
	})
	return err
}

// An exitCode ends the program with that code and no further message.
type exitCode int

func (exitCode) Error() string { return "the output says why" }

// isSet finds a flag even if the flags cannot be parsed, so that --json also applies to
// flag errors.
func isSet(args []string, name, short string) bool {
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
		// After the letter of a flag that takes a value comes the value.
		before, after, found := strings.Cut(letters, short)
		if short != "" && found && letters != flag && strings.Trim(before, "y") == "" {
			return on || after != ""
		}
	}
	return false
}

// commands are in the order of their importance.
var commands = [...]struct {
	name string
	make func(System) *cobra.Command
}{
	{"setup", newSetup},
	{"plan", newPlan},
	{"apply", newApply},
	{"destroy", newDestroy},
	{"import", newImport},
	{"export", newExport},
	{"patch", newPatch},
	{"policy", newPolicy},
	{"trust-policy", newTrustPolicy},
	{"token", newToken},
	{"credentials", newCredentials},
	{"exec", newExec},
	{"doctor", newDoctor},
	{"explain", newExplain},
	{"lint", newLint},
	{"audit", newAudit},
	{"demo", newDemo},
	{"sandbox", newSandbox},
	{"completion", newCompletion},
	{"version", newVersion},
}

// Commands is the whole command tree, for documentation: the commands cannot be run.
func Commands() *cobra.Command {
	root := newRoot(System{Getenv: func(string) string { return "" }}, nil)
	root.InitDefaultHelpCmd()
	return root
}

// newRoot makes as much of the command tree as args need: making every command with its
// flags would take a tenth of a short run.
func newRoot(sys System, args []string) *cobra.Command {
	root := &cobra.Command{
		Use:   "fly-aws",
		Short: "Give Fly.io Machines access to AWS without access keys",
		Long: `fly-aws gives Fly.io Machines access to AWS without access keys.

It makes IAM trust the OpenID Connect issuer of your Fly organization, creates a
role that machines of your app can assume, and writes the role's ARN into
fly.toml. Fly then keeps a token file in each machine, which the AWS SDKs use.`,
		Example: `  fly-aws demo                     the whole run, without any account
  fly-aws setup -o acme -a web --policy AmazonS3ReadOnlyAccess`,
		Version:       sys.Build.String(),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noSuchCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(flagError)
	root.SetHelpCommand(newHelp(root))
	root.SetUsageFunc(usage)
	root.SetHelpFunc(help)
	root.CompletionOptions.DisableDefaultCmd = true // newCompletion
	words, completing := completes(args)
	if !completing {
		words = args
	}
	first := ""
	if len(words) > 0 {
		first = words[0]
	}
	named := first == "--version"
	for _, command := range commands {
		if command.name == first {
			named = true
			root.AddCommand(command.make(sys))
		}
	}
	if !named {
		for _, command := range commands {
			root.AddCommand(command.make(sys))
		}
	}
	if completing {
		complete(sys, root)
	}
	return root
}

// newHelp is cobra's help command, except that an unknown topic is an error.
func newHelp(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Show what a command does",
		Example: `  fly-aws help setup
  fly-aws help token verify`,
		RunE: func(_ *cobra.Command, args []string) error {
			found, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return noSuchCommand(root, args[:1])
			}
			return found.Help()
		},
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
			var names []cobra.Completion
			if found, rest, err := root.Find(args); err == nil && len(rest) == 0 {
				for _, sub := range found.Commands() {
					if sub.IsAvailableCommand() {
						names = append(names, cobra.CompletionWithDesc(sub.Name(), sub.Short))
					}
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
	}
}

// noArguments refuses arguments for a command that takes flags only.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if cmd.HasAvailableSubCommands() {
		return noSuchCommand(cmd, args)
	}
	hint := "see " + cmd.CommandPath() + " --help"
	if text.Redact(args[0]) != args[0] {
		hint = "a token of several words needs quotes: -t 'FlyV1 ...'"
	}
	return usagef(hint, "%s takes flags only; %q is one argument too many", cmd.Name(), args[0])
}

// findCommand reports an unknown command before its flags, which the root does not
// know, are parsed.
func findCommand(root *cobra.Command, args []string) error {
	root.InitDefaultHelpCmd()
	found, rest, err := root.Find(args)
	if err != nil || found != root || len(rest) == 0 || strings.HasPrefix(rest[0], "-") {
		return nil // cobra reports other errors
	}
	if rest[0] == cobra.ShellCompRequestCmd || rest[0] == cobra.ShellCompNoDescRequestCmd {
		return nil // cobra adds these when it executes
	}
	return noSuchCommand(root, rest[:1])
}

// noSuchCommand is the error for an unknown command; it suggests similar ones.
func noSuchCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := "see " + cmd.CommandPath() + " --help"
	if near := similar(cmd, args[0]); len(near) > 0 {
		hint = "did you mean " + strings.Join(near, " or ") + "?"
	}
	return usagef(hint, "there is no command %q", args[0])
}

// flagError is the error for flags that cannot be parsed; for an unknown one it suggests
// similar ones.
func flagError(cmd *cobra.Command, err error) error {
	hint := "see " + cmd.CommandPath() + " --help"
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) {
		flags := &cobra.Command{}
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			flags.AddCommand(&cobra.Command{Use: "--" + f.Name, Hidden: f.Hidden, Run: func(*cobra.Command, []string) {}})
		})
		// "-policy" is taken for the flag -p.
		typed := cmp.Or(unknown.GetSpecifiedShortnames(), unknown.GetSpecifiedName())
		if near := similar(flags, "--"+typed); len(typed) > 1 && len(near) > 0 {
			hint = "did you mean " + strings.Join(near, " or ") + "?"
		}
	}
	return &usageError{err: err, hint: hint}
}

// similar returns the commands below one that a word may be a typo of: the nearest, by
// cobra's measure, or those that begin with the word.
func similar(cmd *cobra.Command, word string) []string {
	most := 2 // letters
	if len(strings.TrimLeft(word, "-")) < 5 {
		most = 1
	}
	for cmd.SuggestionsMinimumDistance = 1; cmd.SuggestionsMinimumDistance <= most; cmd.SuggestionsMinimumDistance++ {
		if near := cmd.SuggestionsFor(word); len(near) > 0 {
			return near
		}
	}
	return nil
}
