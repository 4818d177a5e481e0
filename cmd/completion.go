package cmd

import (
	"cmp"
	"context"
	"io"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/fly-aws/fly-aws/internal/awsapi"
	"github.com/fly-aws/fly-aws/internal/preset"
	"github.com/fly-aws/fly-aws/internal/region"
	"github.com/fly-aws/fly-aws/internal/text"
)

// completionTime is how long a lookup may take while a shell waits for it. With the start and
// the exit of the program, Tab answers within 300 ms.
const completionTime = 250 * time.Millisecond

const fish, bash, zsh, powershell = "fish", "bash", "zsh", "powershell"

func newCompletion(System) *cobra.Command {
	var noDescriptions bool
	c := &cobra.Command{
		Use:   "completion {bash|zsh|fish|powershell}",
		Short: "Print the script that completes commands in a shell",
		Long: `Print a script with which Tab completes commands, flags and values. Apps and
organizations come from Fly, roles and policies from IAM, profiles from AWS's
configuration files. What takes longer than 300 ms is left out. Nothing is asked
or written, and no credential_process is run.

Load it whenever a shell starts:

  bash        source <(fly-aws completion bash)
              in ~/.bashrc; it needs the package bash-completion
  zsh         source <(fly-aws completion zsh)
              in ~/.zshrc, after compinit
  fish        fly-aws completion fish | source
              in ~/.config/fish/config.fish
  powershell  fly-aws completion powershell | Out-String | Invoke-Expression
              in $PROFILE`,
		Example: `  fly-aws completion bash > /etc/bash_completion.d/fly-aws
  fly-aws completion fish > ~/.config/fish/completions/fly-aws.fish`,
		ValidArgs: []cobra.Completion{bash, zsh, fish, powershell},
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef("name one: bash, zsh, fish or powershell", "completion is for one shell")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			root, w := cmd.Root(), cmd.OutOrStdout()
			switch args[0] {
			case bash:
				return root.GenBashCompletionV2(w, !noDescriptions)
			case zsh:
				if noDescriptions {
					return root.GenZshCompletionNoDesc(w)
				}
				return root.GenZshCompletion(w)
			case fish:
				return root.GenFishCompletion(w, !noDescriptions)
			case powershell:
				if noDescriptions {
					return root.GenPowerShellCompletion(w)
				}
				return root.GenPowerShellCompletionWithDesc(w)
			}
			return usagef("use bash, zsh, fish or powershell", "there is no completion for the shell %q", args[0])
		},
	}
	c.Flags().BoolVar(&noDescriptions, "no-descriptions", false, "leave out what the values mean")
	return c
}

// completes reports whether a shell asks what could be typed next. Then words are those
// before the one that is being typed.
func completes(args []string) (words []string, ok bool) {
	if len(args) == 0 || args[0] != cobra.ShellCompRequestCmd && args[0] != cobra.ShellCompNoDescRequestCmd {
		return nil, false
	}
	return args[1:max(1, len(args)-1)], true
}

// complete says what the flags and arguments of a command, and of those below it, can be.
func complete(sys System, c *cobra.Command) {
	c.Flags().VisitAll(func(f *pflag.Flag) {
		_, f.Usage = flagUsage(f)
		if _, has := c.GetFlagCompletionFunc(f.Name); has || f.Hidden {
			return
		}
		_ = c.RegisterFlagCompletionFunc(f.Name, func(c *cobra.Command, _ []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
			return newCompleter(sys, c).values(f.Name, typed)
		}) // fails only for a flag that does not exist
	})
	if c.ValidArgsFunction == nil && len(c.ValidArgs) == 0 {
		c.ValidArgsFunction = arguments
	}
	for _, sub := range c.Commands() {
		complete(sys, sub)
	}
}

// trustFiles are the extensions of files with a trust policy.
var trustFiles = []cobra.Completion{"json", "yaml", "yml", "template"}

// arguments completes what is not a flag.
func arguments(c *cobra.Command, _ []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	switch c.Name() {
	case "apply":
		return []cobra.Completion{"json"}, cobra.ShellCompDirectiveFilterFileExt
	case "lint":
		return trustFiles, cobra.ShellCompDirectiveFilterFileExt
	case "inspect", "verify", "exec", "sandbox", "keep": // a token's file, or a command to run
		return nil, cobra.ShellCompDirectiveDefault
	}
	return nil, cobra.ShellCompDirectiveNoFileComp
}

// A completer looks up values while a shell waits. It prints nothing.
type completer struct {
	console
	command *cobra.Command
}

func newCompleter(sys System, c *cobra.Command) completer {
	sys.Stdin, sys.Stdout, sys.Stderr = strings.NewReader(""), io.Discard, io.Discard
	return completer{console: newConsole(sys, outputFlags{}), command: c}
}

// values are those of a flag. A flag means the same in every command, except in sandbox,
// where names are made up.
func (c completer) values(flag, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if c.command.Name() == "sandbox" {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var found []cobra.Completion
	switch flag {
	case "org":
		found = c.inTime(c.organizations)
	case "app":
		found = c.inTime(c.apps)
	case "role":
		found = c.inTime(c.roles(func(r awsapi.RoleName) string { return r.Name }))
	case "role-arn":
		found = c.inTime(c.roles(func(r awsapi.RoleName) string { return r.ARN }))
	case "policy", "permissions-boundary":
		found = c.inTime(c.policies)
	case "profile":
		found = c.inTime(c.profiles)
	case "region", "aws-region":
		for _, r := range region.All() {
			found = append(found, offer(r.Name, r.Description)...)
		}
	case "partition":
		for _, r := range region.All() {
			found = append(found, offer(r.Partition, "")...)
		}
		found = slices.Compact(found)
	case "preset":
		if strings.Contains(typed, "=") {
			break
		}
		for _, p := range preset.All() {
			found = append(found, offer(p.Name+"=", p.Title)...)
		}
		return found, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	case "fail-on":
		found = []cobra.Completion{"warning", "error", "never"}
	case "format": // of token
		found = []cobra.Completion{formatGoogle}
	case "audience":
		found = []cobra.Completion{"sts.amazonaws.com"}
	case "config":
		return []cobra.Completion{"toml", "json", "yaml", "yml"}, cobra.ShellCompDirectiveFilterFileExt
	case "file":
		return []cobra.Completion{"toml"}, cobra.ShellCompDirectiveFilterFileExt
	case "inline-policy", "claims", "event", "input", "jwks":
		return []cobra.Completion{"json"}, cobra.ShellCompDirectiveFilterFileExt
	case "trust-policy":
		return trustFiles, cobra.ShellCompDirectiveFilterFileExt
	case "token", "out", "html", "socket":
		return nil, cobra.ShellCompDirectiveDefault
	}
	return found, cobra.ShellCompDirectiveNoFileComp
}

// inTime looks values up, for at most completionTime: whatever goes wrong, and whatever
// does not end, gives none.
func (c completer) inTime(look func(context.Context) ([]cobra.Completion, error)) []cobra.Completion {
	ctx, cancel := context.WithCancel(c.command.Context())
	defer cancel()
	go func() {
		c.Sleep(ctx, completionTime)
		cancel()
	}()
	found := make(chan []cobra.Completion, 1)
	go func() {
		if values, err := look(ctx); err == nil {
			found <- values
		}
		cancel()
	}()
	<-ctx.Done()
	select {
	case values := <-found:
		return values
	default:
		return nil
	}
}

// given is the value of a flag of the command, "" if it has no such flag.
func (c completer) given(flag string) string {
	if f := c.command.Flags().Lookup(flag); f != nil {
		return f.Value.String()
	}
	return ""
}

// offer is a value with what it is. A value with other characters than those of names, ARNs
// and slugs is not offered: a shell could take it for more than a word.
func offer(value, meaning string) []cobra.Completion {
	plain := !strings.ContainsFunc(value, func(r rune) bool {
		return r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("_+=,.@:/-", r)
	})
	if value == "" || value[0] == '-' || !plain {
		return nil
	}
	return []cobra.Completion{cobra.CompletionWithDesc(value, text.Line(meaning))}
}

func (c completer) organizations(ctx context.Context) ([]cobra.Completion, error) {
	fly, err := c.openFly(flyFlags{token: c.given("access-token")})
	if err != nil || fly.client == nil {
		return nil, err
	}
	all, err := fly.client.Organizations(ctx)
	var found []cobra.Completion
	for _, o := range all {
		found = append(found, offer(o.RawSlug, o.Name)...)
	}
	return found, err
}

// apps are those of the organization, if one is given.
func (c completer) apps(ctx context.Context) ([]cobra.Completion, error) {
	fly, err := c.openFly(flyFlags{token: c.given("access-token")})
	if err != nil || fly.client == nil {
		return nil, err
	}
	all, err := fly.client.AllApps(ctx)
	org := cmp.Or(c.given("org"), flyOrg(c.System))
	var found []cobra.Completion
	for _, app := range all {
		if of := app.Organization; org == "" || org == of.Slug || org == of.RawSlug {
			found = append(found, offer(app.Name, of.RawSlug)...)
		}
	}
	return found, err
}

// account is the AWS account that the command's flags name.
func (c completer) account(ctx context.Context) (*awsapi.Account, error) {
	return c.openAccount(ctx, awsapi.Options{Profile: c.given("profile"), Region: c.given("region"), Passive: true})
}

func (c completer) roles(name func(awsapi.RoleName) string) func(context.Context) ([]cobra.Completion, error) {
	return func(ctx context.Context) ([]cobra.Completion, error) {
		account, err := c.account(ctx)
		if err != nil {
			return nil, err
		}
		all, err := account.RoleNames(ctx)
		var found []cobra.Completion
		for _, r := range all {
			found = append(found, offer(name(r), r.Description)...)
		}
		return found, err
	}
}

// policies are offered by name, or by ARN where two have one name.
func (c completer) policies(ctx context.Context) ([]cobra.Completion, error) {
	account, err := c.account(ctx)
	if err != nil {
		return nil, err
	}
	all, err := account.ManagedPolicies(ctx)
	var found []cobra.Completion
	for i, p := range all { // sorted by name
		value := p.Name
		if i > 0 && all[i-1].Name == p.Name || i+1 < len(all) && all[i+1].Name == p.Name {
			value = p.ARN
		}
		meaning := "customer managed"
		if strings.Contains(p.ARN, ":iam::aws:") {
			meaning = "AWS managed"
		}
		found = append(found, offer(value, meaning)...)
	}
	return found, err
}

func (c completer) profiles(context.Context) ([]cobra.Completion, error) {
	names, err := awsapi.Profiles(c.Getenv, c.Home)
	var found []cobra.Completion
	for _, name := range names {
		found = append(found, offer(name, "")...)
	}
	return found, err
}
