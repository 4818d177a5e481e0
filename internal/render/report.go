package render

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/fly-aws/fly-aws/internal/text"
	"github.com/fly-aws/fly-aws/setup"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

// Report summarizes a plan that was not completely applied, and lists what was not
// reached. The events have already shown what was done and what failed.
func Report(w io.Writer, report *setup.Report, style Style) {
	p := printer{w, style}
	failed, unreached := report.Count(setup.StatusFailed), report.Count(setup.StatusUnreached)
	counts := fmt.Sprintf("%d done, %d failed, %d not reached", report.Count(setup.StatusDone), failed, unreached)
	if unreached > 0 {
		counts += ":"
	}
	p.line("%s", counts)
	for _, r := range report.Results {
		if r.Status == setup.StatusUnreached {
			p.line("  - %s", resourceName(r.Change.Resource()))
		}
	}
}

// maxChecks is how many passed checks are shown; failed ones are all shown.
const maxChecks = 10

// TrustChecks shows what the roles' live trust policies decide for a machine of each app
// and for a machine of other apps, and whom they let in besides.
func TrustChecks(w io.Writer, report *setup.Report, style Style) {
	p := printer{w, style}
	passed := 0
	show := func(ok bool, line func()) {
		if ok {
			passed++
		}
		if !ok || passed <= maxChecks {
			line()
		}
	}
	for _, c := range report.Checks {
		show(c.Passed(), func() { p.check(c) })
	}
	for _, o := range report.Openness {
		show(len(o.Beyond) == 0, func() { p.openness(o) })
	}
	if more := passed - maxChecks; more > 0 {
		p.line("%s checked: %d more, all as intended", p.ok(), more)
	}
}

func (p printer) openness(o setup.Openness) {
	role := text.Name(o.Role)
	if len(o.Beyond) == 0 {
		p.line("%s checked: role %s lets nobody else in", p.ok(), role)
		return
	}
	p.line("%s role %s lets in more than these apps:", p.paint(yellow, "!"), role)
	for _, a := range o.Beyond {
		p.line("    %s: %s", statementName(a.Statement, a.Sid), Admission(a))
	}
}

// Admission says whom a statement lets assume a role, with an example where a pattern has
// one.
func Admission(a trustpolicy.Admission) string {
	var who string
	switch a.Kind {
	case trustpolicy.AdmitsAnyone:
		who = "anyone"
	case trustpolicy.AdmitsPrincipal:
		_, name, _ := strings.Cut(a.Name, " ") // without its kind
		who = "principal " + text.Name(name)
	default:
		who = text.Name(a.Name)
		if a.Name == "*" {
			who = "every machine with a token of " + text.Name(a.Issuer)
		}
		switch {
		case a.Example == "":
			who += " (too many cases to find an example)"
		case a.Example != a.Name:
			who += ", such as " + text.Name(a.Example)
		}
	}
	if a.Conditional {
		who += ", under conditions"
	}
	return who
}

func (p printer) check(c setup.Check) {
	subject, role := text.Name(c.Subject), text.Name(c.Role)
	switch {
	case c.Passed() && c.Want == trustpolicy.Allowed:
		p.line("%s checked: role %s allows %s", p.ok(), role, subject)
	case c.Passed():
		p.line("%s checked: role %s denies %s", p.ok(), role, subject)
	case c.Got == trustpolicy.Undecided:
		p.line("%s undecided: whether role %s allows %s", p.paint(yellow, "!"), role, subject)
		p.because(c)
	case c.Want.Denied():
		p.line("%s role %s also allows %s", p.paint(yellow, "!"), role, subject)
		p.because(c)
		p.line("    fly-aws did not add it and leaves it alone. Remove it if that is not intended.")
	default:
		p.line("%s role %s does not allow %s", p.bad(), role, subject)
		p.because(c)
	}
}

// because names the statements that decided a check.
func (p printer) because(c setup.Check) {
	for _, s := range c.Evaluation.Statements {
		switch {
		case s.Match == trustpolicy.Matches && s.Effect == trustpolicy.Allow && c.Want.Denied():
			p.line("    %s allows it.", statementName(s.Index, s.Sid))
		case s.Match == trustpolicy.Matches && s.Effect == trustpolicy.Deny:
			p.line("    %s denies it.", statementName(s.Index, s.Sid))
		case s.Match == trustpolicy.MatchUndecided:
			p.line("    %s depends on what fly-aws cannot know:", statementName(s.Index, s.Sid))
			p.conditions(s)
		case s.Match == trustpolicy.DoesNotMatch && s.Effect == trustpolicy.Allow && c.Want == trustpolicy.Allowed:
			p.line("    %s does not apply:", statementName(s.Index, s.Sid))
			p.conditions(s)
		}
	}
}

// conditions shows the conditions of a statement that do not match.
func (p printer) conditions(s trustpolicy.StatementResult) {
	for _, c := range s.Conditions {
		if c.Match != trustpolicy.Matches {
			p.condition(c)
		}
	}
}

func (p printer) condition(c trustpolicy.Comparison) {
	presented := "missing"
	if c.Presented != nil {
		presented = quoted(c.Presented)
	}
	p.line("      %s %s", text.Clean(c.Operator), text.Clean(c.Key))
	p.line("        wants %s, is %s", quoted(c.Wanted), presented)
}

// Refused shows AWS's refusal and, since AWS gives no cause, the conditions of the
// trust policy that do not match.
func Refused(w io.Writer, code, message string, d trustpolicy.Evaluation, style Style) {
	p := printer{w, style}
	p.line("%s refused: %s: %s", p.bad(), text.Clean(code), text.Clean(message))
	p.line("  AWS says no more than that. This is the condition that does not match:")
	for _, s := range d.Statements {
		p.conditions(s)
	}
}

func quoted(values []string) string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = text.Quote(v)
	}
	return strings.Join(out, " or ")
}

// Mismatches shows the resources that do not read back as planned.
func Mismatches(w io.Writer, mismatches []setup.Mismatch, style Style) {
	p := printer{w, style}
	for _, m := range mismatches {
		words := "is not as planned"
		switch {
		case m.Absent:
			words = "does not exist"
		case m.Remains:
			words = "still exists"
		}
		p.line("%s %s %s", p.bad(), resourceName(m.Resource), words)
	}
}

// A TracedCall is one request to AWS, as --verbose shows it.
type TracedCall struct {
	Name      string
	Attempt   int
	Elapsed   time.Duration
	Status    int
	RequestID string
	Code      string
}

// Call shows a request to AWS: name, time, status, error code and request ID.
func Call(w io.Writer, c TracedCall, style Style) {
	p := printer{w, style}
	line := fmt.Sprintf("%s: %d ms", c.Name, c.Elapsed.Milliseconds())
	if c.Attempt > 1 {
		line += fmt.Sprintf(", attempt %d", c.Attempt)
	}
	switch {
	case c.Status == 0:
		line += ", no answer"
	case c.Code != "":
		line += fmt.Sprintf(", %d %s", c.Status, text.Name(c.Code))
	default:
		line += fmt.Sprintf(", %d", c.Status)
	}
	if c.RequestID != "" {
		line += ", request " + text.Clean(c.RequestID)
	}
	p.line("%s", p.paint(dim, line))
}

// Done shows on one line that something is done.
func Done(w io.Writer, text string, style Style) {
	p := printer{w, style}
	p.line("%s %s", p.ok(), text)
}

// maxNext is how many next steps are shown.
const maxNext = 10

// Next shows the next steps, one per app, if there are any.
func Next(w io.Writer, style Style, steps ...string) {
	p := printer{w, style}
	switch len(steps) {
	case 0:
		return
	case 1:
		p.line("")
		p.line("Next: %s", p.paint(bold, text.Clean(steps[0])))
		return
	}
	p.line("")
	p.line("Next:")
	for _, step := range steps[:min(len(steps), maxNext)] {
		p.line("  %s", p.paint(bold, text.Clean(step)))
	}
	if more := len(steps) - maxNext; more > 0 {
		p.line("  and the same for %s", Count(more, "more app"))
	}
}

// Then shows the command for when the next steps are done; nothing for "".
func Then(w io.Writer, style Style, command string) {
	p := printer{w, style}
	if command != "" {
		p.line("Then: %s", p.paint(bold, text.Clean(command)))
	}
}

// Heading shows the title of a section.
func Heading(w io.Writer, text string, style Style) {
	p := printer{w, style}
	p.line("%s", p.paint(bold, text))
}

// Proofs shows the machines whose tokens match a plan.
func Proofs(w io.Writer, proofs []setup.Proof, style Style) {
	p := printer{w, style}
	for _, proof := range proofs {
		p.line("%s proven: a token of the machine %s of %s matches the plan", p.ok(), text.Name(proof.Machine), text.Name(proof.App))
	}
}
