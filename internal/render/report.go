package render

import (
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/fly-aws/fly-aws/setup"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

func number(n int) string { return strconv.Itoa(n) }

// Report sums up a plan that was not applied whole. The events have shown what
// was done and what failed; when several failed, each has its cause here, and what
// was not reached is listed.
func Report(w io.Writer, report setup.Report, style Style) {
	p := printer{w, style}
	failed, unreached := report.Count(setup.StatusFailed), report.Count(setup.StatusUnreached)
	text := fmt.Sprintf("%d done, %d failed, %d not reached", report.Count(setup.StatusDone), failed, unreached)
	if failed > 1 || unreached > 0 {
		text += ":"
	}
	p.line("%s", text)
	for _, r := range report.Results {
		switch {
		case r.Status == setup.StatusFailed && failed > 1:
			p.line("  %s %s: %s", p.bad(), Name(*r.Change.After), Clean(r.Err.Error()))
		case r.Status == setup.StatusUnreached:
			p.line("  - %s", Name(*r.Change.After))
		}
	}
}

// maxProofs is how many apps' proofs are shown in full; those that did not hold
// always are.
const maxProofs = 5

// Proofs shows what the live trust policies make of a machine of each app and of
// one of another app.
func Proofs(w io.Writer, proofs []setup.Proof, style Style) {
	p := printer{w, style}
	held := 0
	for _, proof := range proofs {
		if proof.Held() {
			held++
		}
		if proof.Held() && held > 2*maxProofs {
			continue
		}
		p.proof(proof)
	}
	if more := held - 2*maxProofs; more > 0 {
		p.line("%s and %d more, all as they should be", p.ok(), more)
	}
}

func (p printer) proof(proof setup.Proof) {
	subject, role := Clean(proof.Subject), Clean(proof.Role)
	switch {
	case proof.Held() && proof.Want == trustpolicy.Allowed:
		p.line("%s %s %s %s: accepted", p.ok(), subject, p.arrow(), role)
	case proof.Held():
		p.line("%s %s %s %s: refused, as it should be", p.ok(), subject, p.arrow(), role)
	case proof.Want.Denied() && proof.Got == trustpolicy.Allowed:
		p.line("%s %s %s %s: accepted too", p.paint(yellow, "!"), subject, p.arrow(), role)
		p.because(proof)
		p.line("    It is not fly-aws's and is left alone. Remove it if that is not meant.")
	case proof.Got == trustpolicy.Undecided:
		p.line("%s %s %s %s: undecided", p.paint(yellow, "!"), subject, p.arrow(), role)
		p.because(proof)
	default:
		p.line("%s %s %s %s: %s, but should be %s", p.bad(), subject, p.arrow(), role, proof.Got, proof.Want)
		p.because(proof)
	}
}

// because names the statements that made a proof come out as it did.
func (p printer) because(proof setup.Proof) {
	for _, s := range proof.Decision.Statements {
		switch {
		case s.Match == trustpolicy.Matches && s.Effect == trustpolicy.Allow && proof.Want.Denied():
			p.line("    %s allows it.", statementName(s.Index, s.Sid))
		case s.Match == trustpolicy.Matches && s.Effect == trustpolicy.Deny:
			p.line("    %s denies it.", statementName(s.Index, s.Sid))
		case s.Match == trustpolicy.MatchUndecided:
			p.line("    %s depends on what is not known here:", statementName(s.Index, s.Sid))
			p.failures(s)
		case s.Match == trustpolicy.DoesNotMatch && s.Effect == trustpolicy.Allow && proof.Want == trustpolicy.Allowed:
			p.line("    %s does not apply:", statementName(s.Index, s.Sid))
			p.failures(s)
		}
	}
}

// failures shows the conditions of a statement that did not hold.
func (p printer) failures(s trustpolicy.StatementResult) {
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
	p.line("      %s %s", Clean(c.Operator), Clean(c.Key))
	p.line("        wants %s, is %s", quoted(c.Wanted), presented)
}

// Refused shows AWS's refusal and, since AWS names no cause, the conditions of
// the trust policy that did not hold.
func Refused(w io.Writer, code, message string, d trustpolicy.Evaluation, style Style) {
	p := printer{w, style}
	p.line("%s refused: %s: %s", p.bad(), Clean(code), Clean(message))
	p.line("  AWS says no more. It is this condition that did not hold:")
	for _, s := range d.Statements {
		p.failures(s)
	}
}

func quoted(values []string) string {
	out := ""
	for i, v := range values {
		if i > 0 {
			out += " or "
		}
		out += strconv.Quote(v)
	}
	return out
}

// Findings shows what is not as planned after all.
func Findings(w io.Writer, findings []setup.Finding, style Style) {
	p := printer{w, style}
	for _, f := range findings {
		if f.Absent {
			p.line("%s %s does not exist", p.bad(), NameOf(f.ID))
		} else {
			p.line("%s %s is not as planned", p.bad(), NameOf(f.ID))
		}
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
	text := fmt.Sprintf("%s: %d ms", c.Name, c.Elapsed.Milliseconds())
	if c.Attempt > 1 {
		text += fmt.Sprintf(", attempt %d", c.Attempt)
	}
	switch {
	case c.Status == 0:
		text += ", no answer"
	case c.Code != "":
		text += fmt.Sprintf(", %d %s", c.Status, Clean(c.Code))
	default:
		text += fmt.Sprintf(", %d", c.Status)
	}
	if c.RequestID != "" {
		text += ", request " + Clean(c.RequestID)
	}
	p.line("%s", p.paint(dim, text))
}

// Done shows that something is done, in one line.
func Done(w io.Writer, text string, style Style) {
	p := printer{w, style}
	p.line("%s %s", p.ok(), text)
}

// maxNext is how many next steps are shown.
const maxNext = 10

// Next shows the next steps, each for another app; nothing when there are none.
func Next(w io.Writer, style Style, steps ...string) {
	p := printer{w, style}
	switch len(steps) {
	case 0:
		return
	case 1:
		p.line("")
		p.line("Next: %s", p.paint(bold, Clean(steps[0])))
		return
	}
	p.line("")
	p.line("Next:")
	for _, step := range steps[:min(len(steps), maxNext)] {
		p.line("  %s", p.paint(bold, Clean(step)))
	}
	if more := len(steps) - maxNext; more > 0 {
		p.line("  and likewise for %s more", Count(more, "app"))
	}
}

// Heading shows the title of a part.
func Heading(w io.Writer, text string, style Style) {
	p := printer{w, style}
	p.line("%s", p.paint(bold, text))
}
