package cmd

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

const (
	// usageWidth is the width that help text is wrapped to.
	usageWidth = 80
	// manyFlags is from how many flags on they are shown in groups, with less text.
	manyFlags = 20
)

// A group is what belongs together in a help text, in the order of importance.
type group struct {
	title string
	names []string
}

// commandGroups are the groups of the commands; the rest comes last.
func commandGroups() []group {
	return []group{
		{"Set up", []string{"setup", "plan", "apply", "destroy", "import", "patch", "policy", "export"}},
		{"Look", []string{"doctor", "audit", "explain", "lint"}},
		{"In a machine", []string{"exec", "credentials", "token"}},
		{"Try", []string{"demo", "sandbox"}},
		{"More", nil},
	}
}

// flagGroups are the groups of the flags; the rest comes last.
func flagGroups() []group {
	return []group{
		{"What to allow", []string{"org", "app", "machine", "policy", "preset", "inline-policy", "session-tags", "audience"}},
		{"The role", []string{"role", "path", "permissions-boundary", "max-session-duration", "tag", "adopt", "prune"}},
		{"Files", []string{"config", "aws-region", "env-name", "no-patch", "file", "save"}},
		{"Fly", []string{"access-token", "prove"}},
		{"AWS", []string{"profile", "region", "verbose"}},
		{"This run", []string{"strict", "yes", "accessible"}},
	}
}

// grouped calls show with each group that has some of the names, in the group's order. The
// last group takes the names that are in none.
func grouped(groups []group, names []string, show func(title string, names []string)) {
	shown := map[string]bool{}
	for i, g := range groups {
		var in []string
		for _, name := range g.names {
			if slices.Contains(names, name) {
				in, shown[name] = append(in, name), true
			}
		}
		if i == len(groups)-1 {
			in = append(in, slices.DeleteFunc(slices.Clone(names), func(name string) bool { return shown[name] })...)
		}
		if len(in) > 0 {
			show(g.title, in)
		}
	}
}

// help prints the help text of a command, in at most 80 columns. If it has many flags, there
// is room for the first paragraph of what it does; docs/reference.md and the manual page have
// the rest.
func help(c *cobra.Command, _ []string) {
	long := c.Long
	if long == "" {
		long = c.Short
	}
	if len(flagsOf(c)) >= manyFlags {
		long, _, _ = strings.Cut(long, "\n\n")
	}
	fmt.Fprintf(c.OutOrStdout(), "%s\n\n", long)
	_ = usage(c) // returns no error
}

// usage prints how to use a command.
func usage(c *cobra.Command) error {
	w := c.OutOrStdout()
	fmt.Fprint(w, "Usage:\n")
	if c.Runnable() && c.HasParent() {
		fmt.Fprintf(w, "  %s\n", c.UseLine())
	}
	if c.HasAvailableSubCommands() {
		fmt.Fprintf(w, "  %s COMMAND [flags]\n", c.CommandPath())
	}
	if c.HasExample() {
		fmt.Fprintf(w, "\nExamples:\n%s\n", c.Example)
	}
	commandUsages(w, c)
	flagUsages(w, c)
	if len(flagsOf(c)) >= manyFlags {
		fmt.Fprintf(w, "\nMore about each: man %s, or docs/reference.md\n", strings.ReplaceAll(c.CommandPath(), " ", "-"))
	}
	if c.HasAvailableSubCommands() {
		fmt.Fprintf(w, "\n%s COMMAND --help has more about a command.\n", c.CommandPath())
	}
	return nil
}

// commandUsages prints the commands below one, those of the root in groups.
func commandUsages(w io.Writer, c *cobra.Command) {
	about := map[string]string{}
	var names []string
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() || sub.Name() == "help" {
			names, about[sub.Name()] = append(names, sub.Name()), sub.Short
		}
	}
	widest := 0
	for _, name := range names {
		widest = max(widest, len(name))
	}
	groups := []group{{title: "Commands"}}
	if !c.HasParent() {
		groups = commandGroups()
	}
	grouped(groups, names, func(title string, names []string) {
		fmt.Fprintf(w, "\n%s:\n", title)
		for _, name := range names {
			fmt.Fprintf(w, "  %-*s  %s\n", widest, name, about[name])
		}
	})
}

// flagsOf are the names of the flags that help shows, sorted.
func flagsOf(c *cobra.Command) []string {
	var names []string
	c.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, f.Name)
		}
	})
	return names
}

// flagUsages prints the flags of a command, in groups if there are many.
func flagUsages(w io.Writer, c *cobra.Command) {
	names := flagsOf(c)
	widest := 0
	for _, name := range names {
		left, _ := flagUsage(c.LocalFlags().Lookup(name))
		widest = max(widest, utf8.RuneCountInString(left))
	}
	groups := []group{{title: "Flags"}}
	if len(names) >= manyFlags {
		groups = flagGroups()
	}
	grouped(groups, names, func(title string, names []string) {
		fmt.Fprintf(w, "\n%s:\n", title)
		for _, name := range names {
			left, right := flagUsage(c.LocalFlags().Lookup(name))
			for i, line := range wrapped(right, usageWidth-widest-2) {
				if i > 0 {
					left = ""
				}
				fmt.Fprintf(w, "%-*s  %s\n", widest, left, line)
			}
		}
	})
}

// flagUsage is a flag with the name of its value, and the first sentence of what it does: a
// screen has no room for the rest, which is in docs/reference.md and the manual page.
func flagUsage(f *pflag.Flag) (left, right string) {
	value, does := pflag.UnquoteUsage(f)
	left = "      --" + f.Name
	if f.Shorthand != "" {
		left = "  -" + f.Shorthand + ", --" + f.Name
	}
	switch {
	case f.NoOptDefVal != "" && f.Value.Type() != "bool":
		left += "[=" + value + "]"
	case value != "":
		left += " " + value
	}
	right, _, _ = strings.Cut(does, ". ")
	switch f.DefValue {
	case "", "false", "0", "0s", "[]":
	default:
		right += " (default " + strings.ReplaceAll(strings.Trim(f.DefValue, "[]"), ",", ", ") + ")"
	}
	return left, right
}

// wrapped breaks a text into lines of at most width characters.
func wrapped(s string, width int) []string {
	lines := []string{""}
	for _, word := range strings.Fields(s) {
		last := &lines[len(lines)-1]
		switch {
		case *last == "":
			*last = word
		case utf8.RuneCountInString(*last)+1+utf8.RuneCountInString(word) <= width:
			*last += " " + word
		default:
			lines = append(lines, word)
		}
	}
	return lines
}
