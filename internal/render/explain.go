package render

import (
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/fly-aws/fly-aws/internal/explain"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

// columns is how wide prose may be.
const columns = 80

// Explanation shows what STS answers to a token, why, and what to do about it.
func Explanation(w io.Writer, e explain.Explanation, style Style) {
	p := printer{w, style}
	p.verdict(e)
	if e.Verdict == explain.Accepted {
		p.warnings("  ! ", e.Warnings)
	}
	p.steps(e.Steps)
	for _, s := range e.Statements {
		p.line("")
		p.statement(s)
	}
	p.reasons(e.Reasons)
	if note, command := meantWords(e); note != "" {
		p.line("")
		p.prose("", note)
		if command != "" {
			p.line("  %s", command)
		}
	}
	p.fixes(e.Fixes, e.Complete)
	if e.Verdict != explain.Accepted {
		p.warnings("  ! ", e.Warnings)
	}
	if !e.Complete && e.Verdict == explain.Refused {
		p.line("")
		p.prose("", obstacleWords(e))
	}
}

func (p printer) warnings(lead string, warnings []explain.Reason) {
	for _, r := range warnings {
		p.prose(lead, reasonWords(r))
	}
}

// Meaning shows what an error message of AWS's is about.
func Meaning(w io.Writer, m explain.Meaning, style Style) {
	p := printer{w, style}
	if m.AWSCode != "" {
		p.line("%s", p.paint(bold, Clean(m.AWSCode)))
	}
	for _, sentence := range meaningText(m) {
		p.prose("", sentence)
	}
}

// prose writes text in lines of at most 80 columns, as far as its words allow,
// all but the first behind as many spaces as the first has before its text.
func (p printer) prose(lead, text string) {
	width := len([]rune(lead))
	line, n := lead, width
	for i, word := range strings.Fields(text) {
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

func (p printer) outcome(o trustpolicy.Match) string {
	switch o {
	case trustpolicy.Matches:
		return p.ok()
	case trustpolicy.DoesNotMatch:
		return p.bad()
	}
	return p.unsure()
}

func (p printer) verdict(e explain.Explanation) {
	switch e.Verdict {
	case explain.Accepted:
		gives := "STS gives credentials for this token"
		if slices.ContainsFunc(e.Steps, func(s explain.Step) bool { return s.Match == trustpolicy.MatchUndecided }) {
			gives += ", as far as is known here"
		}
		p.line("%s %s: %s", p.ok(), p.paint(bold, "accepted"), gives)
	case explain.Refused:
		p.line("%s %s", p.bad(), p.paint(bold, "refused"))
		if e.Error != nil {
			p.prose("  ", Clean(e.Error.Code)+": "+Clean(e.Error.Message))
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
		if s.Match == trustpolicy.MatchUndecided {
			note = ": not known here"
			if s.Note != "" {
				note += ": " + Clean(s.Note)
			}
		}
		p.line("  %s %s%s", p.outcome(s.Match), stepWords(s.Code), note)
	}
}

// statement shows every test of one.
func (p printer) statement(s trustpolicy.StatementResult) {
	does := map[trustpolicy.Match]string{
		trustpolicy.Matches: "applies", trustpolicy.DoesNotMatch: "does not apply", trustpolicy.MatchUndecided: "may apply",
	}[s.Match]
	p.line("%s, %s: it %s", p.paint(bold, statementName(s.Index, s.Sid)), Clean(string(s.Effect)), does)
	p.test("principal", s.Principal)
	p.test("action", s.Action)
	for _, c := range s.Conditions {
		p.test(Clean(c.Operator)+" "+Clean(c.Key), c)
	}
}

func statementName(index int, sid string) string {
	name := "Statement " + number(index+1)
	if sid != "" {
		name += " (" + Clean(sid) + ")"
	}
	return name
}

func (p printer) test(name string, c trustpolicy.Comparison) {
	p.line("  %s %s", p.outcome(c.Match), name)
	p.values("wanted", c.Wanted)
	if c.Presented == nil {
		p.line("      presented  nothing")
	} else {
		p.values("presented", c.Presented)
	}
	if c.Match != trustpolicy.Matches || c.Reason != trustpolicy.ReasonMatched {
		p.prose("      ", checkWords(c))
	}
}

// maxValues is how many values of a test are shown.
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
		p.line("      %-9s  %s", name, strconv.Quote(v))
		name = "or"
	}
}

func (p printer) reasons(reasons []explain.Reason) {
	if len(reasons) == 0 {
		return
	}
	p.line("")
	p.line("%s", p.paint(bold, "Why"))
	for _, r := range reasons {
		p.prose("  - ", reasonWords(r))
	}
}

func (p printer) fixes(fixes []explain.Fix, complete bool) {
	if len(fixes) == 0 {
		return
	}
	p.line("")
	title := "What makes it accepted"
	switch {
	case !complete:
		title = "What has to change first"
	case len(fixes) > 1:
		title += ", all of it"
	}
	p.line("%s", p.paint(bold, title))
	if i := slices.IndexFunc(fixes, func(f explain.Fix) bool { return f.NewOrg }); i >= 0 {
		p.prose("  ! ", newOrgWords(fixes[i]))
	}
	for _, f := range fixes {
		command := FixCommand(f)
		words := fixWords(f)
		if command != "" {
			words += ":"
		}
		p.prose("  - ", words)
		if f.Before != nil && f.Policy != nil {
			p.lines("      ", "  ", false, f.Before.Indent()+"\n", f.Policy.Indent()+"\n")
		}
		for line := range strings.Lines(command) {
			p.line("    %s", strings.TrimSuffix(line, "\n"))
		}
		for _, warning := range fixWarnings(f) {
			p.prose("    ! ", warning)
		}
		p.warnings("    ! ", f.Warnings)
	}
}

// FixCommand returns a command of the AWS CLI that does what a fix says, ready for
// a POSIX shell; "" when none can, or when a name in it holds what no terminal
// should get. ROLE stands for a role whose name is not known.
func FixCommand(f explain.Fix) string {
	for _, name := range []string{f.Role, f.ProviderARN, f.Issuer, f.Audience} {
		if Clean(name) != name {
			return ""
		}
	}
	switch f.Kind {
	case explain.FixEditStatement, explain.FixAddStatement, explain.FixReplacePolicy:
		role := f.Role
		if role == "" {
			role = "ROLE"
		}
		return "aws iam update-assume-role-policy --role-name " + shellWord(role) +
			" \\\n  --policy-document " + shellQuote(f.Policy.Indent())
	case explain.FixCreateProvider:
		return "aws iam create-open-id-connect-provider --url " + shellWord(f.Issuer) +
			" \\\n  --client-id-list " + shellWord(f.Audience)
	case explain.FixAddAudience:
		if f.ProviderARN == "" {
			return ""
		}
		return "aws iam add-client-id-to-open-id-connect-provider \\\n  --open-id-connect-provider-arn " + shellWord(f.ProviderARN) +
			" \\\n  --client-id " + shellWord(f.Audience)
	}
	return ""
}

// shellWord leaves a word alone that a shell takes for itself.
func shellWord(s string) string {
	safe := func(r rune) bool {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("_@%+=:,./-", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !safe(r) }) < 0 && s[0] != '-' {
		return s
	}
	return shellQuote(s)
}

// shellQuote quotes a word. A policy needs no cleaning: as it is printed, control
// characters and all above U+00FF are escaped.
func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
