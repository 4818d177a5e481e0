package cmd

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fly-aws/fly-aws/internal/text"
)

// usageWidth is the width that help text is wrapped to.
const usageWidth = 80

// usage prints cobra's usage text in at most 80 columns.
func usage(c *cobra.Command) error {
	w := c.OutOrStderr()
	part := func(title string) { fmt.Fprintf(w, "\n%s:\n", title) }
	fmt.Fprint(w, "Usage:\n")
	if c.Runnable() && c.HasParent() {
		fmt.Fprintf(w, "  %s\n", c.UseLine())
	}
	if c.HasAvailableSubCommands() {
		fmt.Fprintf(w, "  %s [command]\n", c.CommandPath())
	}
	if c.HasExample() {
		part("Examples")
		fmt.Fprintln(w, c.Example)
	}
	if c.HasAvailableSubCommands() {
		part("Available Commands")
		for _, sub := range c.Commands() {
			if sub.IsAvailableCommand() || sub.Name() == "help" {
				fmt.Fprintf(w, "  %-*s %s\n", sub.NamePadding(), sub.Name(), sub.Short)
			}
		}
	}
	if c.HasAvailableLocalFlags() {
		part("Flags")
		fmt.Fprint(w, c.LocalFlags().FlagUsagesWrapped(usageWidth))
	}
	if c.HasAvailableSubCommands() {
		fmt.Fprintf(w, "\n%s [command] --help has more about a command.\n", c.CommandPath())
	}
	return nil
}

// shellWords joins words into a command line, quoted for a shell.
func shellWords(words []string) string {
	quoted := make([]string, len(words))
	for i, word := range words {
		quoted[i] = text.ShellWord(word)
	}
	return strings.Join(quoted, " ")
}
