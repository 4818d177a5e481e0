//go:build unix

package cmd_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fly-aws/fly-aws/internal/terminal"
)

// TestPictures: the pictures in the docs match what the program shows, except for how
// long each step took. With -update they are redrawn.
func TestPictures(t *testing.T) {
	t.Parallel()
	p := oneApp(t)
	s := p.sit(t, 80, 40, "setup")
	s.press("> [x] web", enter)
	s.write("Search: _", "s3")
	s.see("Search: s3_")
	s.shows("wizard.svg", terminal.Picture{
		Title: "fly-aws setup",
		Description: "In a terminal, fly-aws setup has found the AWS account and the Fly organization acme, and the app web is chosen. " +
			"It asks: What may it do in AWS? Of the presets and managed policies, those with s3 in their names are listed, " +
			"the preset s3-read first, and one of them can be chosen by the arrow keys and Enter.",
	}, s.Lines)

	s.write("Search: s3_", "readonly")
	s.press("> AmazonS3ReadOnlyAccess", enter)
	s.press("anything else", enter)
	s.write("> us-east-1", "fra")
	s.press("> eu-central-1", enter)
	s.press("Apply this plan?", "y")
	s.end(0)
	s.shows("plan.svg", terminal.Picture{
		Title: "fly-aws setup",
		Description: "In a terminal, fly-aws setup shows its plan: an OIDC provider, a role for the app web with the policy " +
			"AmazonS3ReadOnlyAccess, and AWS_ROLE_ARN and AWS_REGION in fly.toml. It asks whether to apply the plan, and the answer is yes. " +
			"Each of the five steps is done. A machine of the app is accepted by the role, one of another app is refused. " +
			"The next step is fly deploy.",
	}, func() []terminal.Line {
		return between(s.Transcript(), "Plan for the Fly organization", "Next: ")
	})
}

// TestPicturesOfCommands: pictures of commands that ask for no more than a yes.
func TestPicturesOfCommands(t *testing.T) {
	t.Parallel()
	for _, picture := range []struct {
		file, title, description string
		before                   [][]string
		command                  []string
		yes                      bool
		exit                     int
		first, last              string // the lines to show begin so
	}{
		{
			file: "extras.svg", title: "fly-aws plan",
			description: "In a terminal, fly-aws plan would attach AmazonS3ReadOnlyAccess to the role fly-acme-web. Below that it lists " +
				"what is on the role and was not asked for: the policy AmazonSQSFullAccess and the inline policy s3-write-uploads. " +
				"It says to remove them with --prune, or to ask for them.",
			before: [][]string{
				{"setup", "--app", "web", "--policy", "AmazonSQSFullAccess", "--preset", "s3-write=uploads", "--aws-region", "eu-central-1", "--yes"},
			},
			command: []string{"plan", "--app", "web", "--policy", "AmazonS3ReadOnlyAccess"},
			first:   "Plan for the Fly organization", last: "  → ",
		},
		{
			file: "destroy.svg", title: "fly-aws destroy",
			description: "In a terminal, fly-aws destroy says that web loses access through two roles at once, and shows its plan: AWS_ROLE_ARN " +
				"goes from fly.toml, the role fly-acme-web goes with its policy, and the shared role backend no longer names web. " +
				"It asks whether to apply the plan, and the answer is yes. Each step is done, and a machine of web is denied by the role that stays.",
			before: [][]string{
				{"setup", "--app", "web", "--policy", "AmazonS3ReadOnlyAccess", "--aws-region", "eu-central-1", "--yes"},
				{"setup", "--app", "web", "--app", "api", "--role", "backend", "--env-name", "BACKEND_ROLE_ARN", "--no-patch", "--yes"},
			},
			command: []string{"destroy", "--app", "web"}, yes: true,
			first: "! web loses access", last: "Next: ",
		},
		{
			file: "refusal.svg", title: "fly-aws explain",
			description: "In a terminal, fly-aws explain says that AWS refuses a token of the app web-staging for the role fly-acme-web, and why: " +
				"the condition on the subject wants acme:web:*, and one app's name begins with the other's. It says to give the app a role of its own, with the command.",
			before:  [][]string{{"setup", "--app", "web", "--aws-region", "eu-central-1", "--yes"}},
			command: []string{"explain", "--role", "fly-acme-web", "--subject", "acme:web-staging:cold-shape-2007"}, exit: 3,
			first: "✗ refused", last: "→ each step",
		},
	} {
		t.Run(picture.file, func(t *testing.T) {
			t.Parallel()
			p := oneApp(t)
			for _, args := range picture.before {
				if out, exit := p.run(t, args...); exit != 0 {
					t.Fatalf("%v exits %d:\n%s", args, exit, out)
				}
			}
			s := p.sit(t, 80, 40, picture.command...)
			if picture.yes {
				s.press("Apply this plan?", "y", enter)
			}
			s.end(picture.exit)
			s.shows(picture.file, terminal.Picture{Title: picture.title, Description: picture.description}, func() []terminal.Line {
				return between(s.Transcript(), picture.first, picture.last)
			})
		})
	}
}

// shows compares a picture in the docs with the lines on the screen. It waits a moment
// for them to match, since the screen may be half drawn.
func (s *sitting) shows(name string, p terminal.Picture, lines func() []terminal.Line) {
	s.t.Helper()
	file := filepath.Join("..", "docs", "images", name)
	drawn := func() []byte {
		p.Lines, p.Columns = untimed(lines()), 80
		var picture bytes.Buffer
		if err := terminal.SVG(&picture, p); err != nil {
			s.t.Fatal(err)
		}
		return picture.Bytes()
	}
	// becomes waits for a picture, as long as the screen differs from it.
	becomes := func(wait time.Duration, wanted func([]byte) bool) bool {
		ctx, cancel := context.WithTimeout(s.t.Context(), wait)
		defer cancel()
		return s.Until(ctx, name, func(string) bool { return wanted(drawn()) }) == nil
	}
	if *update {
		picture := drawn()
		for becomes(500*time.Millisecond, func(b []byte) bool { return !bytes.Equal(b, picture) }) {
			picture = drawn()
		}
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			s.t.Fatal(err)
		}
		if err := os.WriteFile(file, picture, 0o644); err != nil {
			s.t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		s.t.Fatal(err)
	}
	if !becomes(patience/3, func(b []byte) bool { return bytes.Equal(b, want) }) {
		s.t.Errorf("docs/images/%s does not show what the program shows; run make pictures and look at it. The screen is\n%s", name, s.Screen())
	}
}

// between returns the lines from the one that begins with first to the one that begins
// with last.
func between(lines []terminal.Line, first, last string) []terminal.Line {
	starts := func(text string) func(terminal.Line) bool {
		return func(l terminal.Line) bool { return strings.HasPrefix(l.String(), text) }
	}
	from := slices.IndexFunc(lines, starts(first))
	if from < 0 {
		return nil
	}
	lines = lines[from:]
	return lines[:slices.IndexFunc(lines, starts(last))+1]
}

// elapsed matches the time that a step took, at the end of its line.
var elapsed = regexp.MustCompile(`\([0-9.]+m?s\)$`)

// untimed returns the lines with the same time in place of each elapsed time.
func untimed(lines []terminal.Line) []terminal.Line {
	lines = slices.Clone(lines)
	for i, l := range lines {
		at := elapsed.FindStringIndex(l.String())
		if at == nil {
			continue
		}
		begin := 0 // the cell of the bracket; a cell may have several bytes
		for bytes := 0; bytes < at[0]; begin++ {
			bytes += len(l[begin].Content)
		}
		line := slices.Clone(l[:begin])
		for _, r := range "(1ms)" {
			cell := l[begin]
			cell.Content = string(r)
			line = append(line, cell)
		}
		lines[i] = line
	}
	return lines
}
