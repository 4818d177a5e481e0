package render

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf16"

	"github.com/fly-aws/fly-aws/setup"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

// Schemas of the documents that --json prints, besides setup.PlanSchema. A
// number changes when a document no longer reads the same.
const (
	ReportSchema      = "fly-aws.report/1"
	PatchSchema       = "fly-aws.patch/1"
	TrustPolicySchema = "fly-aws.trust-policy/1"
	ErrorSchema       = "fly-aws.error/1"
)

// JSON writes v as one indented document with a final newline. Characters that a
// terminal could take for commands are escaped, so that a document may be looked
// at too.
func JSON(w io.Writer, v any) error {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return err
	}
	var out strings.Builder
	for _, r := range buf.String() {
		switch {
		case r < 0x7f || unicode.IsGraphic(r) && !unicode.Is(unicode.Bidi_Control, r):
			out.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&out, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&out, `\u%04x`, r)
		}
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// A ReportDocument is what setup and apply print.
type ReportDocument struct {
	Schema    string `json:"schema"`
	Partition string `json:"partition"`
	Account   string `json:"account"`
	Org       string `json:"org"`
	// Status is "done", "nothing-to-do", "failed" or "interrupted".
	Status   string           `json:"status"`
	Roles    []setup.Grant    `json:"roles"`
	Changes  []ResultDocument `json:"changes"`
	Findings []setup.Finding  `json:"findings"`
	Proofs   []ProofDocument  `json:"proofs"`
	// Warnings are to know of; they do not make it fail.
	Warnings []WarningDocument `json:"warnings"`
	// Error is the failure that ended it, as in an ErrorDocument.
	Error *Problem `json:"error,omitempty"`
}

// A ResultDocument is one change of a ReportDocument.
type ResultDocument struct {
	ID      string         `json:"id"`
	Action  setup.Action   `json:"action"`
	Status  setup.Status   `json:"status"`
	Reasons []setup.Reason `json:"reasons,omitempty"`
	Error   string         `json:"error,omitempty"`
}

// A ProofDocument is one proof and whether it held.
type ProofDocument struct {
	setup.Proof
	Held bool `json:"held"`
}

// A Problem is a failure: what kind, what happened, what to do next.
type Problem struct {
	// Code is stable, for scripts; Exit is the exit code.
	Code string `json:"code"`
	Exit int    `json:"exit"`
	// Message has a line for each thing that is wrong.
	Message string   `json:"message"`
	Hints   []string `json:"hints,omitempty"`
}

// An ErrorDocument is what --json prints of a failure before there is a report.
type ErrorDocument struct {
	Schema string  `json:"schema"`
	Error  Problem `json:"error"`
}

// NewReport makes the document of a report, with warnings and those that proofs
// give cause for.
func NewReport(plan *setup.Plan, report setup.Report, findings []setup.Finding, proofs []setup.Proof, warnings []WarningDocument) ReportDocument {
	doc := ReportDocument{
		Schema:    ReportSchema,
		Partition: plan.Partition,
		Account:   plan.Account,
		Org:       plan.Org,
		Status:    "done",
		Roles:     append([]setup.Grant{}, plan.Grants...),
		Changes:   []ResultDocument{},
		Findings:  append([]setup.Finding{}, findings...),
		Proofs:    []ProofDocument{},
		Warnings:  append([]WarningDocument{}, warnings...),
	}
	if report.Count(setup.StatusKept) == len(report.Results) {
		doc.Status = "nothing-to-do"
	}
	for _, r := range report.Results {
		result := ResultDocument{ID: r.Change.After.ID(), Action: r.Change.Action, Status: r.Status, Reasons: r.Change.Reasons}
		if r.Err != nil {
			result.Error = Clean(r.Err.Error())
		}
		doc.Changes = append(doc.Changes, result)
	}
	for _, p := range proofs {
		doc.Proofs = append(doc.Proofs, ProofDocument{p, p.Held()})
		if !p.Held() && (p.Want.Denied() || p.Got == trustpolicy.Undecided) {
			doc.Warnings = append(doc.Warnings, proofWarning(p))
		}
	}
	return doc
}

// Error shows a failure: the message, then what to do about it.
func Error(w io.Writer, problem Problem, style Style) {
	p := printer{w, style}
	for line := range strings.Lines(problem.Message) {
		p.line("%s %s", p.paint(red, "Error:"), strings.TrimSuffix(line, "\n"))
	}
	for _, hint := range problem.Hints {
		p.line("%s %s", p.arrow(), hint)
	}
}
