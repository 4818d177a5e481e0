package cmd_test

import (
	"bytes"
	"context"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/fly-aws/fly-aws/cmd"
)

// printed is what the program prints, without anything in its environment.
func printed(args ...string) string {
	var out bytes.Buffer
	cmd.Main(context.Background(), cmd.System{
		Stdin: strings.NewReader(""), Stdout: &out, Stderr: &out,
		Getenv: func(string) string { return "" },
		Now:    time.Now, Sleep: func(context.Context, time.Duration) {},
		Size: func() (columns, rows int) { return 80, 24 },
	}, args)
	return out.String()
}

// A helpPage is what --help says of a command.
type helpPage struct {
	command []string
	text    string
}

func (p helpPage) String() string {
	return strings.Join(append([]string{"fly-aws"}, p.command...), " ")
}

// commands are those that the page lists, by the title above them.
func (p helpPage) commands() map[string][]string {
	listed := map[string][]string{}
	title := ""
	for line := range strings.Lines(p.text) {
		line = strings.TrimSuffix(line, "\n")
		if section, ok := strings.CutSuffix(line, ":"); ok && !strings.HasPrefix(line, " ") {
			title = section
		} else if name := regexp.MustCompile(`^ {2}([a-z][a-z-]*) {2,}[A-Z]`).FindStringSubmatch(line); name != nil {
			listed[title] = append(listed[title], name[1])
		}
	}
	return listed
}

// flags are those that the page lists, each with the title above it.
func (p helpPage) flags() map[string]string {
	flags := map[string]string{}
	title := ""
	for line := range strings.Lines(p.text) {
		line = strings.TrimSuffix(line, "\n")
		if section, ok := strings.CutSuffix(line, ":"); ok && !strings.HasPrefix(line, " ") {
			title = section
		} else if name := regexp.MustCompile(`^(?: {2}-[a-z], | {6})(--[a-z-]+)`).FindStringSubmatch(line); name != nil {
			flags[name[1]] = title
		}
	}
	return flags
}

// helpPages are those of all commands, found by what they list.
func helpPages(t *testing.T, below ...string) []helpPage {
	t.Helper()
	page := helpPage{below, printed(append(slices.Clone(below), "--help")...)}
	pages := []helpPage{page}
	for _, names := range page.commands() {
		for _, name := range names {
			pages = append(pages, helpPages(t, append(slices.Clone(below), name)...)...)
		}
	}
	if len(below) == 0 && len(pages) < 28 {
		t.Fatalf("there are only %v", pages)
	}
	return pages
}

// TestHelpFits: the help of every command fits into 80 columns and 60 lines, and has an
// example.
func TestHelpFits(t *testing.T) {
	t.Parallel()
	for _, page := range helpPages(t) {
		for line := range strings.Lines(page.text) {
			if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > 80 {
				t.Errorf("%s --help has a line of %d columns:\n%s", page, n, line)
			}
		}
		if n := strings.Count(page.text, "\n"); n > 60 {
			t.Errorf("%s --help has %d lines", page, n)
		}
		if !strings.Contains(page.text, "\nExamples:\n  ") {
			t.Errorf("%s --help has no example", page)
		}
		if strings.Contains(page.text, "`") {
			t.Errorf("%s --help has a backquote:\n%s", page, page.text)
		}
		for _, kind := range []string{" string ", " stringArray ", " strings ", " int "} {
			if strings.Contains(page.text, kind) {
				t.Errorf("%s --help names the type%sin place of a value", page, kind)
			}
		}
	}
}

// TestHelpGroups: the root lists the commands in groups, and a command with many flags lists
// these so, each flag on one line.
func TestHelpGroups(t *testing.T) {
	t.Parallel()
	pages := helpPages(t)
	groups := pages[0].commands()
	for title, first := range map[string]string{"Set up": "setup", "Look": "doctor", "In a machine": "exec", "Try": "demo"} {
		if len(groups[title]) < 2 || groups[title][0] != first {
			t.Errorf("%s has %q", title, groups[title])
		}
	}
	for _, name := range groups["More"] {
		if !slices.Contains([]string{"completion", "help", "version"}, name) {
			t.Errorf("the command %s is in no group", name)
		}
	}
	for _, page := range pages {
		flags := page.flags()
		if len(flags) < 20 {
			continue
		}
		if flags["--policy"] != "What to allow" || flags["--role"] != "The role" || flags["--profile"] != "AWS" || flags["--strict"] != "This run" {
			t.Errorf("%s has the groups %v", page, flags)
		}
		if strings.Contains(page.text, "\n"+strings.Repeat(" ", 20)) {
			t.Errorf("%s --help breaks what a flag does into lines: make the first sentence of its text shorter", page)
		}
	}
}

// TestOneNamePerThing: a flag takes the same kind of value in every command that has it, and
// has the same letter.
func TestOneNamePerThing(t *testing.T) {
	t.Parallel()
	same := strings.NewReplacer("duration", "time", "folder", "file", "[=", " ", "]", "")
	seen, letters := map[string]string{}, map[string]string{}
	for _, page := range helpPages(t) {
		for _, flag := range regexp.MustCompile(`(?m)^  (?:-([a-z]),|   ) (--[a-z-]+)((?:\[=| )[A-Za-z:=]+\]?)?  `).FindAllStringSubmatch(page.text, -1) {
			letter, name, value := flag[1], flag[2], strings.TrimSpace(same.Replace(flag[3]))
			if before, ok := seen[name]; ok && before != value {
				t.Errorf("%s: %s takes %q, elsewhere %q", page, name, value, before)
			}
			seen[name] = value
			if before, ok := letters[letter]; ok && letter != "" && before != name {
				t.Errorf("%s: -%s is %s, elsewhere %s", page, letter, name, before)
			}
			letters[letter] = name
		}
	}
	if len(seen) < 50 {
		t.Errorf("there are only %d flags: %v", len(seen), seen)
	}
}
