package render

import (
	"io"

	"github.com/fly-aws/fly-aws/setup"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

// A WarningText is something to know of that does not stop anything, in words.
type WarningText struct {
	// Message is a line that says what it is.
	Message string `json:"message"`
	// Details are lines that say more.
	Details []string `json:"details,omitempty"`
	// Fix is the next thing to do; "" when there is none to name.
	Fix string `json:"fix,omitempty"`
}

// Clean makes text from outside in it safe for a terminal.
func (t WarningText) Clean() WarningText {
	details := make([]string, len(t.Details))
	for i, line := range t.Details {
		details[i] = Clean(line)
	}
	return WarningText{Message: Clean(t.Message), Details: details, Fix: Clean(t.Fix)}
}

// Warning shows a warning.
func Warning(w io.Writer, t WarningText, style Style) {
	p := printer{w, style}
	t = t.Clean()
	p.line("%s %s", p.paint(yellow, "!"), t.Message)
	for _, line := range t.Details {
		p.line("    %s", line)
	}
	if t.Fix != "" {
		p.line("  %s %s", p.arrow(), t.Fix)
	}
}

// A WarningDocument is a warning as data and in words.
type WarningDocument struct {
	setup.Warning
	WarningText
}

// The codes of warnings that a proof gives cause for.
const (
	// WarningAcceptsOthers: a statement that is not fly-aws's lets another app in.
	WarningAcceptsOthers setup.WarningCode = "accepts-others"
	// WarningUndecided: conditions that are not known here decide about the app.
	WarningUndecided setup.WarningCode = "undecided"
)

// proofWarning is the warning of a proof that did not hold, but is not fly-aws's
// to mend.
func proofWarning(proof setup.Proof) WarningDocument {
	doc := WarningDocument{Warning: setup.Warning{Code: WarningAcceptsOthers, Apps: []string{proof.App}}}
	subject, role := Clean(proof.Subject), Clean(proof.Role)
	if proof.Got == trustpolicy.Undecided {
		doc.Code = WarningUndecided
		doc.Message = "whether " + subject + " may assume the role " + role + " depends on conditions that are not known here"
	} else {
		doc.Message = subject + " may assume the role " + role + " too, by a statement that is not fly-aws's"
	}
	return doc
}
