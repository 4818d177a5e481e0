package main

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/cpuguy83/go-md2man/v2/md2man"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

const repository = "https://github.com/fly-aws/fly-aws"

// manPage is the man page of a command, in roff. Cobra's own generator takes help texts
// for Markdown and shows flags as --json[=false], so the pages are written here.
func manPage(c *cobra.Command, version, date string) []byte {
	var b bytes.Buffer
	section := func(title string) { fmt.Fprintf(&b, "\n# %s\n\n", title) }
	fmt.Fprintf(&b, "%% %q \"1\" %q %q %q\n", strings.ToUpper(pageName(c)), date, strings.TrimSpace("fly-aws "+version), "fly-aws manual")
	section("NAME")
	fmt.Fprintf(&b, "%s - %s\n", pageName(c), escape(c.Short))
	section("SYNOPSIS")
	for _, line := range synopsis(c) {
		fmt.Fprintf(&b, "**%s** %s\n\n", c.CommandPath(), escape(line))
	}
	section("DESCRIPTION")
	b.WriteString(prose(c.Long))
	if subs := subcommands(c); len(subs) > 0 {
		section("COMMANDS")
		for _, sub := range subs {
			fmt.Fprintf(&b, "**%s**\n: %s\n\n", sub.CommandPath(), escape(sub.Short))
		}
	}
	section("OPTIONS")
	for _, f := range flags(c) {
		fmt.Fprintf(&b, "%s\n: %s\n\n", f.term("**", "*"), f.description())
	}
	if c.HasExample() {
		section("EXAMPLES")
		b.WriteString(code("", c.Example))
	}
	section("SEE ALSO")
	var also []string
	if c.HasParent() {
		also = append(also, "**"+pageName(c.Parent())+"**(1)")
	}
	for _, sub := range subcommands(c) {
		also = append(also, "**"+pageName(sub)+"**(1)")
	}
	fmt.Fprintf(&b, "%s\n\n%s\n", strings.Join(also, ", "), repository)
	return roff(b.Bytes())
}

// roff is a page of Markdown as roff. Its lines are not justified, no word is hyphenated,
// and a hyphen is one that can be copied into a shell and does not end a line.
func roff(markdown []byte) []byte {
	lines := strings.SplitAfter(string(md2man.Render(markdown)), "\n")
	for i, line := range lines {
		switch {
		case strings.HasPrefix(line, ".TH "):
			lines[i] += ".nh\n.nr HY 0\n.ad l\n" // groff restores HY after code
		case !strings.HasPrefix(line, "."):
			lines[i] = strings.ReplaceAll(strings.ReplaceAll(line, `\-`, "-"), "-", `\-`)
		}
	}
	return []byte(strings.Join(lines, ""))
}

// reference is the page with every command, in Markdown.
func reference(root *cobra.Command) []byte {
	var b bytes.Buffer
	b.WriteString(`# Command reference

<!-- Written from the commands by go test ./internal/manual -update. -->

The same text is in the man pages that packages install, and the most of it in
` + "`fly-aws COMMAND --help`" + `.

| command | |
|---|---|
`)
	for _, c := range documented(root)[1:] {
		fmt.Fprintf(&b, "| [%s](#%s) | %s |\n", c.CommandPath(), strings.ReplaceAll(c.CommandPath(), " ", "-"), cell(escape(c.Short)))
	}
	for _, c := range documented(root) {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n", c.CommandPath(), escape(c.Short))
		var usage strings.Builder
		for _, line := range synopsis(c) {
			usage.WriteString(c.CommandPath() + " " + line + "\n")
		}
		b.WriteString(code("text", usage.String()) + "\n" + prose(c.Long) + "\n| flag | |\n|---|---|\n")
		for _, f := range flags(c) {
			fmt.Fprintf(&b, "| %s | %s |\n", cell(f.term("`", "*")), cell(f.description()))
		}
		if c.HasExample() {
			b.WriteString("\n<!-- run by TestHelpExamples -->\n" + code("sh", c.Example))
		}
	}
	return b.Bytes()
}

func pageName(c *cobra.Command) string { return strings.ReplaceAll(c.CommandPath(), " ", "-") }

// synopsis has what comes after the name of a command, for each form.
func synopsis(c *cobra.Command) []string {
	var lines []string
	if c.Runnable() && c.HasParent() {
		lines = append(lines, strings.TrimSpace(strings.TrimPrefix(c.UseLine(), c.CommandPath())))
	}
	if c.HasAvailableSubCommands() {
		lines = append(lines, "COMMAND [flags]")
	}
	return lines
}

func subcommands(c *cobra.Command) []*cobra.Command {
	return slices.DeleteFunc(slices.Clone(c.Commands()), func(sub *cobra.Command) bool {
		return !sub.IsAvailableCommand()
	})
}

type docFlag struct{ *pflag.Flag }

// flags are the flags of a command that its help shows.
func flags(c *cobra.Command) []docFlag {
	c.InitDefaultHelpFlag()
	c.InitDefaultVersionFlag()
	var shown []docFlag
	c.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden && f.Deprecated == "" {
			shown = append(shown, docFlag{f})
		}
	})
	return shown
}

// term is a flag with its value, between marks for the name and for the value.
func (f docFlag) term(name, value string) string {
	term := name + "--" + f.Name + name
	if f.Shorthand != "" {
		term = name + "-" + f.Shorthand + name + ", " + term
	}
	if what, _ := pflag.UnquoteUsage(f.Flag); what != "" {
		term += " " + value + escape(what) + value
	}
	return term
}

func (f docFlag) description() string {
	_, usage := pflag.UnquoteUsage(f.Flag)
	usage = inline(usage)
	switch f.DefValue {
	case "", "false", "0", "0s", "[]":
		return usage
	}
	return usage + " (default " + escape(strings.Trim(f.DefValue, "[]")) + ")"
}

// prose is a help text as Markdown; its indented lines are code.
func prose(long string) string {
	var b strings.Builder
	for _, paragraph := range strings.Split(strings.TrimSpace(long), "\n\n") {
		if strings.HasPrefix(paragraph, "  ") {
			b.WriteString(code("", paragraph))
		} else {
			b.WriteString(inline(paragraph) + "\n")
		}
		b.WriteString("\n")
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// code is a block of code without the indent of help texts.
func code(language, text string) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimPrefix(line, "  ")
	}
	return "```" + language + "\n" + strings.Join(lines, "\n") + "\n```\n"
}

// literal finds flags and variables in a text.
var literal = regexp.MustCompile(`--[a-z]+(-[a-z]+)*(=\w+)?|\b[A-Z]+(_[A-Z]+)+\b`)

// inline is a text as Markdown, with flags and variables as code.
func inline(text string) string {
	var b strings.Builder
	for {
		at := literal.FindStringIndex(text)
		if at == nil {
			return b.String() + escape(text)
		}
		b.WriteString(escape(text[:at[0]]) + "`" + text[at[0]:at[1]] + "`")
		text = text[at[1]:]
	}
}

var special = regexp.MustCompile("[\\\\`*_<>\\[\\]]")

// escape is a text as Markdown that shows it unchanged.
func escape(text string) string { return special.ReplaceAllString(text, `\$0`) }

// cell is Markdown for a cell of a table.
func cell(markdown string) string { return strings.ReplaceAll(markdown, "|", `\|`) }
