//go:build unix

package cmd_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fly-aws/fly-aws/cmd"
	"github.com/fly-aws/fly-aws/internal/sandbox"
	"github.com/fly-aws/fly-aws/internal/terminal"
)

// TestPages runs the shell examples of the README and of every page in docs, as a reader who
// copies them: the examples of a page in their order, in one folder with the fly.toml of the
// app web, signed in to a sandbox's AWS and Fly. An example is a block of
//
//   - sh: one script, which must succeed;
//   - console: lines that begin with "$ " are commands, and end in \ where the next line
//     belongs to them; the lines below a command are of its output, in this order. A "…"
//     stands for any lines, and within a line for any text.
//
// Comments on the lines before a block say what is special about it:
//
//	<!-- not run: REASON -->   it is not run
//	<!-- run by TestName -->   another test runs it
//	<!-- run in CI -->         it takes long, and is run where FLY_AWS_CONFORMANCE is 1
//	<!-- file: PATH -->        a block of any language: the reader saves it under that path
//	<!-- before: COMMAND -->   what happens before, out of the reader's sight
//	<!-- answers: A B -->      the last command runs at a terminal, where this is typed; "" is enter
//	<!-- exits N -->           the exit code of the last command, if not 0
func TestPages(t *testing.T) {
	t.Parallel()
	skipPrograms(t)
	pages, err := filepath.Glob("../docs/*.md")
	if err != nil || len(pages) < 5 {
		t.Fatal(pages, err)
	}
	for _, path := range append(pages, "../README.md") {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			examples, err := parseExamples(string(text))
			if err != nil {
				t.Fatal(err)
			}
			if !slices.ContainsFunc(examples, example.runs) {
				return
			}
			r := newReader(t, examples)
			for _, e := range examples {
				r.follow(t, e)
			}
		})
	}
}

// TestExemptExamples: the test that is said to run an example exists.
func TestExemptExamples(t *testing.T) {
	t.Parallel()
	var tests strings.Builder
	for _, pattern := range []string{"*_test.go", "../internal/*/*_test.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			tests.Write(text)
		}
	}
	pages, err := filepath.Glob("../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range append(pages, "../README.md") {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range regexp.MustCompile(`<!-- run by (.*) -->`).FindAllStringSubmatch(string(text), -1) {
			if !strings.Contains(tests.String(), "\nfunc "+found[1]+"(t *testing.T) {\n") {
				t.Errorf("%s: there is no test %s", path, found[1])
			}
		}
	}
}

// inCI is 1 where no example may be skipped.
const inCI = "FLY_AWS_CONFORMANCE"

// An example is a block of a page that is run, or saved to a file.
type example struct {
	line     int // of the page, counting from 1, of the block's first line
	commands []shownCommand
	file     string // the path that the block is saved under
	text     string
	before   []string
	exempt   bool
}

func (e example) runs() bool { return !e.exempt && e.file == "" }

// A shownCommand is a command, and what the page shows of its output.
type shownCommand struct {
	line    int
	text    string
	shows   []string
	answers []string // nil without a terminal
	exit    int
}

var (
	fence   = regexp.MustCompile("^( *)```(.*)$")
	comment = regexp.MustCompile(`^ *<!-- (.*) -->$`)
)

// parseExamples returns the examples of a page, and the blocks that its reader saves.
func parseExamples(page string) ([]example, error) {
	var examples []example
	var notes []string
	lines := strings.Split(page, "\n")
	for i := 0; i < len(lines); i++ {
		if found := comment.FindStringSubmatch(lines[i]); found != nil {
			notes = append(notes, found[1])
			continue
		}
		found := fence.FindStringSubmatch(lines[i])
		if found == nil {
			notes = nil
			continue
		}
		indent, language, begin := found[1], found[2], i+1
		var block []string
		for i++; i < len(lines) && lines[i] != indent+"```"; i++ {
			block = append(block, strings.TrimPrefix(lines[i], indent))
		}
		e, err := newExample(begin+1, language, block, notes)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", begin, err)
		}
		if e.runs() && len(e.commands) == 0 {
			e.exempt = true // in another language
		}
		examples = append(examples, e)
		notes = nil
	}
	return examples, nil
}

func newExample(line int, language string, block, notes []string) (example, error) {
	e := example{line: line, text: strings.Join(block, "\n") + "\n"}
	last := shownCommand{}
	for _, note := range notes {
		kind, rest, _ := strings.Cut(note, ": ")
		switch kind {
		case "not run":
			e.exempt = true
		case "file":
			e.file = rest
		case "before":
			e.before = append(e.before, rest)
		case "answers":
			last.answers = strings.Fields(strings.ReplaceAll(rest, `""`, "\x00"))
		default:
			switch {
			case strings.HasPrefix(note, "run by "):
				e.exempt = true
			case note == "run in CI":
				e.exempt = os.Getenv(inCI) != "1"
			}
			if code, ok := strings.CutPrefix(note, "exits "); ok {
				n, err := strconv.Atoi(code)
				if err != nil {
					return e, err
				}
				last.exit = n
			}
		}
	}
	switch language {
	case "sh":
		e.commands = []shownCommand{{line: line, text: e.text}}
	case "console":
		for i := 0; i < len(block); i++ {
			command, ok := strings.CutPrefix(block[i], "$ ")
			if !ok {
				if len(e.commands) == 0 {
					return e, errors.New("the block does not begin with a command")
				}
				c := &e.commands[len(e.commands)-1]
				c.shows = append(c.shows, block[i])
				continue
			}
			c := shownCommand{line: line + i, text: command}
			for strings.HasSuffix(block[i], `\`) && i+1 < len(block) {
				i++
				c.text += "\n" + block[i]
			}
			e.commands = append(e.commands, c)
		}
	case "bash", "zsh", "fish", "shell", "shell-session", "powershell":
		if !e.exempt {
			return e, fmt.Errorf("a block of %s is not run: make it console or sh", language)
		}
	}
	if n := len(e.commands); n > 0 {
		e.commands[n-1].answers, e.commands[n-1].exit = last.answers, last.exit
	}
	return e, nil
}

// A reader is somebody at a shell. state holds its folder and its variables between two
// commands.
type reader struct {
	bash, state string
	env         []string
}

func newReader(t *testing.T, examples []example) *reader {
	t.Helper()
	bin, dir := t.TempDir(), t.TempDir()
	home := t.TempDir()
	r := &reader{state: t.TempDir()}
	world := &sandbox.World{}
	world.AddMachine("acme", "web", "cold-shape-2007")
	world.AddMachine("acme", "api", "warm-sun-1999")
	world.AddApp("acme", "worker")
	server, err := world.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })

	r.env = slices.DeleteFunc(os.Environ(), func(assignment string) bool {
		name, _, _ := strings.Cut(assignment, "=")
		return strings.HasPrefix(name, "AWS_") || strings.HasPrefix(name, "FLY_") || strings.HasPrefix(name, "GIT_") ||
			slices.Contains([]string{"CI", "HOME", "PATH", "LC_ALL", "ACCESSIBLE", "CLICOLOR", "CLICOLOR_FORCE"}, name)
	})
	for _, assignment := range server.Env() {
		if !strings.HasSuffix(assignment, "=") {
			r.env = append(r.env, assignment)
		}
	}
	r.env = append(r.env, newStandInFly(t, world, server.Env(), bin)...)
	r.env = append(r.env, "HOME="+home, "PATH="+bin+":"+os.Getenv("PATH"), "LANG=C.UTF-8", "NO_COLOR=1", "AWS_PAGER=", "GIT_CONFIG_NOSYSTEM=1")
	r.needs(t, examples)
	r.write(t, filepath.Join(dir, "fly.toml"), "app = \"web\"\nprimary_region = \"fra\"\n\n[env]\n  LOG_LEVEL = \"info\" # debug is expensive\n")
	r.write(t, filepath.Join(r.state, "env"), "")
	r.write(t, filepath.Join(r.state, "dir"), dir)
	r.clone(t, home)
	return r
}

// needs skips the test if a program that an example calls is missing. In CI none is.
func (r *reader) needs(t *testing.T, examples []example) {
	t.Helper()
	all := "bash"
	for _, e := range examples {
		if !e.runs() {
			continue
		}
		for _, c := range e.commands {
			all += "\n" + c.text
		}
	}
	for _, program := range regexp.MustCompile(`(?m)(?:^|[|;&(] *)(bash|aws|git|go|jq)\b`).FindAllStringSubmatch(all, -1) {
		if _, err := exec.LookPath(program[1]); err != nil {
			if os.Getenv(inCI) == "1" {
				t.Fatalf(inCI+" is 1, but %s is missing: %v", program[1], err)
			}
			t.Skipf("%s is missing: %v", program[1], err)
		}
	}
	r.bash, _ = exec.LookPath("bash")
}

// clone has git clone this repository from here, and the go command use its caches.
func (r *reader) clone(t *testing.T, home string) {
	t.Helper()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	r.write(t, filepath.Join(home, ".gitconfig"), fmt.Sprintf(
		"[url %q]\n\tinsteadOf = https://github.com/fly-aws/fly-aws\n[safe]\n\tdirectory = *\n[advice]\n\tdetachedHead = false\n", root))
	for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOPATH"} {
		if value, err := exec.CommandContext(t.Context(), "go", "env", name).Output(); err == nil {
			r.env = append(r.env, name+"="+strings.TrimSpace(string(value)))
		}
	}
}

func (r *reader) write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// follow does what an example says, and ends the test if it does not work.
func (r *reader) follow(t *testing.T, e example) {
	t.Helper()
	for _, command := range e.before {
		if out, exit := r.run(t, command); exit != 0 {
			t.Fatalf("before line %d: %s exits %d:\n%s", e.line, command, exit, out)
		}
	}
	if e.file != "" {
		dir, err := os.ReadFile(filepath.Join(r.state, "dir"))
		if err != nil {
			t.Fatal(err)
		}
		r.write(t, filepath.Join(strings.TrimSpace(string(dir)), e.file), e.text)
		return
	}
	if e.exempt {
		return
	}
	for _, c := range e.commands {
		var out string
		var exit int
		if c.answers != nil {
			out, exit = r.answer(t, c)
		} else {
			out, exit = r.run(t, c.text)
		}
		if exit != c.exit {
			t.Fatalf("line %d: this exits %d, not %d:\n$ %s\n%s", c.line, exit, c.exit, c.text, out)
		}
		if missing := lacks(out, c.shows); missing != "" {
			t.Errorf("line %d: the output of this has no line %q here:\n$ %s\n%s", c.line, missing, c.text, out)
		}
	}
}

// script is a command in the reader's shell, which begins as the last one ended.
func (r *reader) script(command string) []string {
	return []string{"-c", `cd "$(cat "$0/dir")" && . "$0/env" && trap 'export -p >"$0/env"; pwd >"$0/dir"' EXIT && set -e
` + command, r.state}
}

func (r *reader) run(t *testing.T, command string) (out string, exit int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*patience) // the README's first example compiles
	defer cancel()
	c := exec.CommandContext(ctx, r.bash, r.script(command)...)
	c.Env = r.env
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // so that all that it started ends with it
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
	output, err := c.CombinedOutput()
	if ctx.Err() != nil {
		t.Fatalf("this takes too long:\n$ %s\n%s", command, output)
	}
	if failed := (*exec.ExitError)(nil); err != nil && !errors.As(err, &failed) {
		t.Fatal(err)
	}
	return string(output), c.ProcessState.ExitCode()
}

// answer runs a command at a terminal, and types the answers to its questions, which it asks
// as for a screen reader: a line each.
func (r *reader) answer(t *testing.T, c shownCommand) (out string, exit int) {
	t.Helper()
	term, err := terminal.Open(80, 40)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = term.Close() }()
	shell := exec.CommandContext(context.Background(), r.bash, r.script(c.text)...)
	shell.Env = append(slices.Clone(r.env), "TERM=xterm-256color", "ACCESSIBLE=1")
	if err := term.Start(shell); err != nil {
		t.Fatal(err)
	}
	for _, answer := range c.answers {
		if err := term.Type(strings.ReplaceAll(answer, "\x00", "") + "\r"); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	exit, err = term.Wait(ctx)
	if err != nil {
		t.Fatalf("line %d: %v\n%s", c.line, err, term.Screen())
	}
	var text strings.Builder
	for _, l := range term.Transcript() {
		text.WriteString(l.String() + "\n")
	}
	return text.String(), exit
}

// took matches how long something took, which differs.
var took = regexp.MustCompile(`\([0-9.]+m?s\)`)

// lacks returns the first of the shown lines that does not follow those before it in the
// output; "" if all are there.
func lacks(out string, shown []string) string {
	lines := strings.Split(took.ReplaceAllString(out, "(1ms)"), "\n")
	for _, want := range shown {
		want = strings.TrimRight(took.ReplaceAllString(want, "(1ms)"), " ")
		if want == "" || want == "…" {
			continue
		}
		match := regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(want), "…", ".*") + "$")
		at := slices.IndexFunc(lines, func(l string) bool { return match.MatchString(strings.TrimRight(l, " \r")) })
		if at < 0 {
			return want
		}
		lines = lines[at+1:]
	}
	return ""
}

// TestHelpExamples: the commands and flags of the examples in docs/reference.md, which are
// those of --help, exist. They name files and roles that only their reader has.
func TestHelpExamples(t *testing.T) {
	t.Parallel()
	skipPrograms(t)
	page, err := os.ReadFile("../docs/reference.md")
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	for _, block := range regexp.MustCompile("(?s)<!-- run by TestHelpExamples -->\n```sh\n(.*?)```").FindAllStringSubmatch(string(page), -1) {
		for _, call := range regexp.MustCompile(`(?m)fly-aws ([a-z][^|&;>)"\n]*)`).FindAllStringSubmatch(block[1], -1) {
			line, _, _ := strings.Cut(call[1], "   ")
			line, _, _ = strings.Cut(line, " -- ")
			args := append(strings.Fields(strings.ReplaceAll(line, "'", "")), "--help")
			var out, errOut bytes.Buffer
			exit := cmd.Main(t.Context(), cmd.System{
				Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errOut,
				Getenv: func(string) string { return "" },
				Now:    time.Now, Sleep: func(context.Context, time.Duration) {},
			}, args)
			if exit != 0 || !strings.Contains(out.String(), "\n  fly-aws "+args[0]) {
				t.Errorf("fly-aws %s exits %d:\n%s%s", strings.Join(args, " "), exit, &out, &errOut)
			}
			checked++
		}
	}
	if checked < 20 {
		t.Errorf("only %d commands were found", checked)
	}
}

// TestParseExamples: no example escapes, and output is compared in its order.
func TestParseExamples(t *testing.T) {
	t.Parallel()
	page := strings.ReplaceAll(`
<!-- exits 3 -->
'''console
$ one \
    more
first
…
last (12ms)
$ two
'''
<!-- not run: it cannot be -->
<!-- name -->
'''sh
three
'''
'''toml
a = 1
'''
`, "'''", "```")
	examples, err := parseExamples(page)
	if err != nil || len(examples) != 3 {
		t.Fatal(examples, err)
	}
	first := examples[0]
	if !first.runs() || examples[1].runs() || examples[2].runs() || len(first.commands) != 2 {
		t.Fatalf("%+v", examples)
	}
	one, two := first.commands[0], first.commands[1]
	if one.text != "one \\\n    more" || one.line != 4 || one.exit != 0 || two.text != "two" || two.exit != 3 {
		t.Errorf("%+v", first.commands)
	}
	for out, missing := range map[string]string{
		"zero\nfirst\nmore\nlast (3ms)\n": "",
		"last (3ms)\nfirst\n":             "last (1ms)",
		"first of all\nlast (3ms)\n":      "first",
	} {
		if got := lacks(out, one.shows); got != missing {
			t.Errorf("of %q there is missing %q, not %q", out, got, missing)
		}
	}
	for _, bad := range []string{"```bash\nls\n```\n", "```console\nls\n```\n"} {
		if _, err := parseExamples(bad); err == nil {
			t.Errorf("no error for\n%s", bad)
		}
	}
}

// TestLinks: what the README and the pages link to in the repository is there, with the
// heading.
func TestLinks(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob("../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range append(pages, "../README.md", "../CONTRIBUTING.md", "../CHANGELOG.md") {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range regexp.MustCompile(`\]\(([^)\s]*)\)`).FindAllStringSubmatch(string(text), -1) {
			file, anchor, _ := strings.Cut(found[1], "#")
			if strings.Contains(file, ":") {
				continue // elsewhere
			}
			target := path
			if file != "" {
				target = filepath.Join(filepath.Dir(path), file)
			}
			to, err := os.ReadFile(target)
			if info, statErr := os.Stat(target); statErr == nil && info.IsDir() {
				continue
			}
			if err != nil {
				t.Errorf("%s: %v", path, err)
			} else if anchor != "" && !slices.Contains(anchors(string(to)), anchor) {
				t.Errorf("%s: there is no heading #%s in %s", path, anchor, target)
			}
		}
	}
}

// anchors returns what GitHub makes of the headings of a page.
func anchors(page string) []string {
	var names []string
	for _, heading := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(page, -1) {
		name := strings.ReplaceAll(strings.ToLower(heading[1]), " ", "-")
		names = append(names, regexp.MustCompile(`[^\pL\pN_-]`).ReplaceAllString(name, ""))
	}
	return names
}
