package cmd

import (
	"fmt"

	"github.com/spf13/cobra"
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
