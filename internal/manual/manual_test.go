package main

import (
	"bytes"
	"errors"
	"flag"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/fly-aws/fly-aws/cmd"
)

var update = flag.Bool("update", false, "write docs/reference.md, and the list of man pages in goreleaser.yaml")

// TestReference: docs/reference.md is written from the commands as they are.
func TestReference(t *testing.T) {
	t.Parallel()
	page := filepath.Join("..", "..", "docs", "reference.md")
	want := reference(cmd.Commands())
	if *update {
		if err := os.WriteFile(page, want, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(page); err != nil || !bytes.Equal(got, want) {
		t.Errorf("docs/reference.md is not what the commands say (%v); run go test ./internal/manual -update", err)
	}
}

// TestCask: Homebrew's cask in goreleaser.yaml, which knows no patterns, lists the pages.
func TestCask(t *testing.T) {
	t.Parallel()
	file := filepath.Join("..", "..", "goreleaser.yaml")
	config, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, c := range documented(cmd.Commands()) {
		names = append(names, "      - man/"+pageName(c)+".1\n")
	}
	slices.Sort(names)
	list := regexp.MustCompile(`(?m)^ {4}manpages:\n( +- man/.*\n)*`)
	want := "    manpages:\n" + strings.Join(names, "")
	if *update {
		config = list.ReplaceAllLiteral(config, []byte(want))
		if err := os.WriteFile(file, config, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got := list.Find(config); string(got) != want {
		t.Errorf("the cask in goreleaser.yaml does not list the man pages; run go test ./internal/manual -update\n%s", want)
	}
}

// TestPages: man shows each page without warnings, and it says what the help says.
func TestPages(t *testing.T) {
	t.Parallel()
	man, err := exec.LookPath("man")
	if err != nil {
		t.Skip("there is no man to show the pages")
	}
	root := cmd.Commands()
	dir := t.TempDir()
	if err := run("1.2.3", "2026-01-02T23:04:05-08:00", []string{dir}); err != nil {
		t.Fatal(err)
	}
	commands := documented(root)
	if len(commands) < 20 {
		t.Fatalf("there are only %d pages", len(commands))
	}
	bold := regexp.MustCompile(".\b")
	for _, c := range commands {
		show := exec.CommandContext(t.Context(), man, "--warnings", "-E", "UTF-8", "-l", filepath.Join(dir, "man", pageName(c)+".1.gz"))
		show.Env = append(os.Environ(), "MANWIDTH=80", "LC_ALL=C.UTF-8", "GROFF_NO_SGR=1")
		var out, errs bytes.Buffer
		show.Stdout, show.Stderr = &out, &errs
		if err := show.Run(); err != nil || errs.Len() > 0 {
			t.Errorf("man %s: %v\n%s", pageName(c), err, &errs)
		}
		page := bold.ReplaceAllString(out.String(), "")
		for line := range strings.Lines(page) {
			if !inCode(c, line) && utf8.RuneCountInString(strings.TrimRight(line, "\n")) > 80 {
				t.Errorf("man %s has a wide line: %s", pageName(c), line)
			}
		}
		words := strings.Join(strings.Fields(page), " ")
		for _, want := range said(c) {
			if want = strings.Join(strings.Fields(want), " "); !strings.Contains(words, want) {
				t.Errorf("man %s lacks %q:\n%s", pageName(c), want, page)
			}
		}
	}
}

// inCode reports whether a line of a page is one of the command's examples, which are not
// wrapped.
func inCode(c *cobra.Command, line string) bool {
	return strings.Contains(c.Example+c.Long, strings.TrimSpace(line))
}

// said is what the page of a command must say.
func said(c *cobra.Command) []string {
	want := []string{pageName(c) + " - " + c.Short, "SYNOPSIS " + c.CommandPath(), c.Example, "fly-aws 1.2.3 2026-01-03"}
	want = append(want, strings.Split(c.Long, "\n\n")...)
	for _, f := range flags(c) {
		want = append(want, f.term("", ""), strings.ReplaceAll(f.Usage, "`", ""))
	}
	return want
}

// TestEscape: a text is shown as it is, whatever Markdown and roff would make of it.
func TestEscape(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"acme:web:* and api:*":            `acme:web:* and api:*`,
		"fly-<org>-<app>, a_b_c":          `fly\-<org>\-<app>, a_b_c`,
		`C:\users [x](y) ` + "`tick`":     `C:\\users [x](y) ` + "`tick`",
		"set --no-patch or AWS_ROLE_ARN.": `set \fB\-\-no\-patch\fR or \fBAWS_ROLE_ARN\fR\&.`,
	} {
		if got := strings.TrimSpace(strings.TrimPrefix(string(roff([]byte("# X\n\n"+inline(text)+"\n"))), ".nh\n.TH X\n.nh\n.nr HY 0\n.ad l\n")); got != want {
			t.Errorf("%s becomes\n%s\nnot\n%s", text, got, want)
		}
	}
}

// TestSameFilesOnAnyDay: two runs write the same files.
func TestSameFilesOnAnyDay(t *testing.T) {
	t.Parallel()
	read := func() map[string]string {
		dir, files := t.TempDir(), make(map[string]string)
		err := errors.Join(
			run("1.2.3", "2026-01-02T03:04:05Z", []string{dir}),
			filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
				if err != nil || d.IsDir() {
					return err
				}
				content, err := os.ReadFile(path)
				files[strings.TrimPrefix(path, dir)] = string(content)
				return err
			}))
		if err != nil {
			t.Fatal(err)
		}
		return files
	}
	first, second := read(), read()
	for name, content := range first {
		if second[name] != content {
			t.Errorf("%s differs", name)
		}
	}
	for _, name := range completions {
		if !strings.Contains(first[filepath.Join("/completions", name)], "fly-aws") {
			t.Errorf("the script %s does not name fly-aws", name)
		}
	}
	if len(first) != len(second) || len(first) < 2*20+len(completions) {
		t.Errorf("there are %d and %d files", len(first), len(second))
	}
}

// TestOnlyDocumentedCommandsHavePages: hidden commands and help do not.
func TestOnlyDocumentedCommandsHavePages(t *testing.T) {
	t.Parallel()
	var names []string
	for _, c := range documented(cmd.Commands()) {
		names = append(names, pageName(c))
	}
	for _, name := range []string{"fly-aws-trust-policy", "fly-aws-help"} {
		if slices.Contains(names, name) {
			t.Errorf("there is a page %s", name)
		}
	}
	if !slices.Contains(names, "fly-aws-token-exchange") {
		t.Errorf("there is no page fly-aws-token-exchange: %v", names)
	}
}
