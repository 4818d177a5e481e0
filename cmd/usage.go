package cmd

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// usageWidth is the narrowest terminal that help is made for.
const usageWidth = 80

// usage is cobra's usage text in lines of at most 80 columns.
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

// shellWord quotes a word for a command line that is shown, where it needs it.
func shellWord(word string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-./=:@%+,", r)
	}
	if word != "" && !slices.ContainsFunc([]rune(word), func(r rune) bool { return !plain(r) }) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
