package render

import (
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/fly-aws/fly-aws/internal/explain"
	"github.com/fly-aws/fly-aws/internal/text"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

// columns is the maximum width of prose.
const columns = 80

// Explanation shows how STS responds to a token, the reason, and what to do about it. With
// details, the steps of STS, every condition and all the reasons follow.
func Explanation(w io.Writer, e explain.Explanation, details bool, style Style) {
	p := printer{w, style}
	p.verdict(e)
	if e.Verdict == explain.Accepted {
		p.warnings(e.Warnings)
		for _, a := range e.Beyond {
			p.prose("  ! ", placeWords(a.Statement, a.Sid)+" lets in others too: "+Admission(a))
		}
	} else if len(e.Reasons) > 0 {
		p.prose("  - ", reasonWords(e.Reasons[0]))
	}
	if note := intendedWords(e); note != "" {
		p.line("")
		p.prose("", note)
	}
	p.fix(e)
	if !details {
		p.line("%s each step and condition: --details", p.arrow())
		return
	}
	p.steps(e.Steps)
	for _, s := range e.Statements {
		p.line("")
		p.statement(s)
	}
	p.reasons(e.Reasons)
	if e.Verdict != explain.Accepted {
		p.warnings(e.Warnings)
	}
}

func (p printer) warnings(warnings []explain.RefusalReason) {
	for _, r := range warnings {
		p.prose("  ! ", reasonWords(r))
	}
}

// prose writes words wrapped at 80 columns; a longer word gets a line of its own. Later
// lines are indented to the text of the first.
func (p printer) prose(lead, words string) {
	width := len([]rune(lead))
	line, n := lead, width
	for i, word := range strings.Fields(words) {
		size := len([]rune(word))
		switch {
		case i == 0:
		case n+1+size > columns:
			p.line("%s", line)
			line, n = strings.Repeat(" ", width), width
		default:
			line, n = line+" ", n+1
		}
		line, n = line+word, n+size
	}
	p.line("%s", line)
}

func (s Style) unsure() string { return s.paint(yellow, "?") }

func (p printer) match(m trustpolicy.Match) string {
	switch m {
	case trustpolicy.Matches:
		return p.ok()
	case trustpolicy.DoesNotMatch:
		return p.bad()
	}
	return p.unsure()
}

func (p printer) result(r explain.StepResult) string {
	switch r {
	case explain.StepPassed:
		return p.ok()
	case explain.StepFailed:
		return p.bad()
	}
	return p.unsure()
}

func (p printer) verdict(e explain.Explanation) {
	switch e.Verdict {
	case explain.Accepted:
		gives := "STS issues credentials for this token"
		if slices.ContainsFunc(e.Steps, func(s explain.Step) bool { return s.Result == explain.StepUndecided }) {
			gives += ", as far as is known here"
		}
		p.line("%s %s: %s", p.ok(), p.paint(bold, "accepted"), gives)
	case explain.Refused:
		p.line("%s %s", p.bad(), p.paint(bold, "refused"))
		if e.Error != nil {
			p.prose("  ", text.Name(e.Error.Code)+": "+text.Line(e.Error.Message))
		}
	default:
		p.line("%s %s: it depends on what is not known here", p.unsure(), p.paint(bold, "undecided"))
	}
}

func (p printer) steps(steps []explain.Step) {
	p.line("")
	p.line("%s", p.paint(bold, "What STS checks, in order"))
	for _, s := range steps {
		note := ""
		if s.Result == explain.StepUndecided {
			note = ": not known here"
			if s.Note != "" {
				note += ": " + text.Line(s.Note)
			}
		}
		p.line("  %s %s%s", p.result(s.Result), stepWords(s.Code), note)
	}
}

// statement shows a statement, element by element.
func (p printer) statement(s trustpolicy.StatementResult) {
	does := map[trustpolicy.Match]string{
		trustpolicy.Matches: "applies", trustpolicy.DoesNotMatch: "does not apply", trustpolicy.MatchUndecided: "may apply",
	}[s.Match]
	p.line("%s, %s: it %s", p.paint(bold, statementName(s.Index, s.Sid)), text.Name(string(s.Effect)), does)
	p.element("principal", s.Principal)
	p.element("action", s.Action)
	for _, c := range s.Conditions {
		p.element(text.Name(c.Operator)+" "+text.Name(c.Key), c)
	}
}

func statementName(index int, sid string) string {
	name := "Statement " + strconv.Itoa(index+1)
	if sid != "" {
		name += " (" + text.Name(sid) + ")"
	}
	return name
}

func (p printer) element(name string, c trustpolicy.Comparison) {
	p.line("  %s %s", p.match(c.Match), name)
	p.values("wanted", c.Wanted)
	if c.Presented == nil {
		p.line("      presented  nothing")
	} else {
		p.values("presented", c.Presented)
	}
	if c.Match != trustpolicy.Matches || c.Reason != trustpolicy.ReasonMatched {
		p.prose("      ", comparisonWords(c))
	}
}

// maxValues is how many values of an element are shown.
const maxValues = 10

func (p printer) values(name string, values []string) {
	if len(values) == 0 {
		p.line("      %-9s  nothing", name)
	}
	for i, v := range values {
		if i == maxValues {
			p.line("      %-9s  and %d more", name, len(values)-i)
			return
		}
		p.line("      %-9s  %s", name, text.Quote(v))
		name = "or"
	}
}

func (p printer) reasons(reasons []explain.RefusalReason) {
	if len(reasons) < 2 { // the first is above
		return
	}
	p.line("")
	p.line("%s", p.paint(bold, "All the reasons"))
	for _, r := range reasons {
		p.prose("  - ", reasonWords(r))
	}
}

// fix shows what to do, or why nothing is suggested.
func (p printer) fix(e explain.Explanation) {
	if e.Verdict == explain.Accepted || e.Fix == nil && e.Verdict != explain.Refused {
		return
	}
	p.line("")
	if e.Fix == nil {
		p.prose("", obstacleWords(e.Obstacle))
		return
	}
	f, title := *e.Fix, "What to do first"
	switch {
	case e.Complete:
		title = "What makes it accepted"
	case f.Kind == explain.FixOwnRole:
		title = "What to do"
	}
	p.line("%s", p.paint(bold, title))
	if f.NewOrg {
		p.prose("  ! ", newOrgWords(f))
	}
	command, words := fixCommand(f), fixWords(f)
	if command != "" || f.After != nil {
		words += ":"
	} else {
		words += "."
	}
	p.prose("  ", words)
	if f.After != nil {
		before := ""
		if f.Before != nil {
			before = f.Before.Indent() + "\n"
		}
		p.lines("    ", "  ", false, before, f.After.Indent()+"\n")
	}
	if command != "" {
		p.line("    %s", command)
	}
}

// fixCommand returns the command that makes a fix, for a POSIX shell; "" if there is
// none, or if a name in it has characters that are unsafe on a terminal.
func fixCommand(f explain.Fix) string {
	if f.Kind == explain.FixRawSlug {
		return "fly orgs replay-sources list -o personal"
	}
	s := f.Setup
	if s == nil {
		return ""
	}
	command := "fly-aws setup"
	for _, flag := range []struct{ name, value string }{
		{"--org", s.Org},
		{"--app", s.App},
		{"--role", s.Role},
		{"--path", s.Path},
		{"--audience", s.Audience},
	} {
		if text.Clean(flag.value) != flag.value {
			return ""
		}
		if flag.value != "" {
			command += " " + flag.name + " " + text.ShellWord(flag.value)
		}
	}
	if s.AllMachines {
		command += " --machine " + text.ShellWord("*")
	}
	if s.Adopt {
		command += " --adopt"
	}
	return command
}
