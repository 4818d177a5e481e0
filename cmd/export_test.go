package cmd

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// FlagReference is a page's part about all flags of some commands, in the groups of their
// help, with the whole text of each.
func FlagReference(commands ...string) string {
	root := newRoot(System{Getenv: func(string) string { return "" }}, nil)
	flags, of := map[string]*pflag.Flag{}, map[string][]string{}
	var names []string
	for _, name := range commands {
		c, _, err := root.Find([]string{name})
		if err != nil {
			panic(err)
		}
		for _, flag := range flagsOf(c) {
			if flags[flag] == nil {
				names = append(names, flag)
			}
			flags[flag], of[flag] = c.Flags().Lookup(flag), append(of[flag], name)
		}
	}
	slices.Sort(names)
	var b strings.Builder
	grouped(flagGroups(), names, func(title string, names []string) {
		fmt.Fprintf(&b, "\n### %s\n\n| flag | meaning |\n|---|---|\n", title)
		for _, name := range names {
			f := flags[name]
			value, does := pflag.UnquoteUsage(f)
			left := strings.TrimSpace("--" + name + " " + strings.ToUpper(value))
			if f.Shorthand != "" {
				left = "-" + f.Shorthand + "`, `" + left
			}
			text := strings.TrimSuffix(does, ".") + "."
			if len(of[name]) < len(commands) {
				text += " For `" + strings.Join(of[name], "` and `") + "`."
			}
			fmt.Fprintf(&b, "| `%s` | %s |\n", left, strings.NewReplacer("|", `\|`, "<", `\<`, "*", `\*`).Replace(text))
		}
	})
	return b.String()[1:]
}
