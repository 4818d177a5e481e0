package render

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/fly-aws/fly-aws/internal/text"
	"github.com/fly-aws/fly-aws/setup"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

// Schemas of the documents that --json prints, besides setup.PlanSchema. The number
// increases with each incompatible change.
const (
	reportSchema         = "fly-aws.report/2"
	PatchSchema          = "fly-aws.patch/1"
	TrustPolicySchema    = "fly-aws.trust-policy/1"
	OperatorPolicySchema = "fly-aws.operator-policy/1"
	VariablesSchema      = "fly-aws.variables/1"
	ImportSchema         = "fly-aws.import/1"
	ErrorSchema          = "fly-aws.error/1"
)

// JSON writes v as one indented document with a final newline. Control characters and
// invisible characters are escaped.
func JSON(w io.Writer, v any) error { return writeJSON(w, v, "  ") }

// JSONLine writes v as JSON does, in one line: for events.
func JSONLine(w io.Writer, v any) error { return writeJSON(w, v, "") }

func writeJSON(w io.Writer, v any, indent string) error {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", indent)
	if err := enc.Encode(v); err != nil {
		return err
	}
	var out strings.Builder
	for _, r := range buf.String() {
		switch {
		case r == '\n' || text.Visible(r):
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
	// Caller is the ARN of the AWS identity, Time when the run ended, Version that of
	// fly-aws, and Digest that of the plan.
	Caller  string    `json:"caller,omitempty"`
	Time    time.Time `json:"time"`
	Version string    `json:"version"`
	Digest  string    `json:"digest"`
	// Status is "done", "nothing-to-do", "failed" or "interrupted".
	Status  string           `json:"status"`
	Roles   []setup.Grant    `json:"roles"`
	Changes []resultDocument `json:"changes"`
	// Extras are what is on the roles and nobody asked for.
	Extras []setup.Extra `json:"extras"`
	// Findings are the resources that do not read back as planned.
	Findings []findingDocument    `json:"findings"`
	Checks   []trustCheckDocument `json:"checks"`
	// Openness is whom the roles let in beyond the apps of the plan.
	Openness []opennessDocument `json:"openness"`
	// Warnings do not change the status.
	Warnings []WarningDocument `json:"warnings"`
	// Error is the failure that ended the run, as in an ErrorDocument.
	Error *Problem `json:"error,omitempty"`
}

// A resultDocument is one change of a ReportDocument.
type resultDocument struct {
	ID      string         `json:"id"`
	Action  setup.Action   `json:"action"`
	Status  setup.Status   `json:"status"`
	Reasons []setup.Reason `json:"reasons,omitempty"`
	// RequestIDs are AWS's IDs of the calls that changed something.
	RequestIDs []string `json:"request_ids,omitempty"`
	Error      string   `json:"error,omitempty"`
}

// A findingDocument is a resource that does not read back as planned.
type findingDocument struct {
	ID string `json:"id"`
	// Absent says that the resource does not exist, Remains that it should have been
	// deleted but still exists; otherwise it differs from the plan.
	Absent  bool `json:"absent"`
	Remains bool `json:"remains,omitempty"`
}

// A trustCheckDocument is what a role's live trust policy decides for a subject.
type trustCheckDocument struct {
	App     string               `json:"app"`
	Role    string               `json:"role"`
	Subject string               `json:"subject"`
	Want    trustpolicy.Decision `json:"want"`
	Got     trustpolicy.Decision `json:"got"`
	Passed  bool                 `json:"passed"`
}

// An opennessDocument is whom a role's live trust policy lets in beyond the plan's grants.
type opennessDocument struct {
	Role   string              `json:"role"`
	Beyond []AdmissionDocument `json:"beyond"`
}

// An AdmissionDocument is whom one statement of a trust policy lets assume the role.
type AdmissionDocument struct {
	// Statement counts from 0.
	Statement   int                       `json:"statement"`
	Sid         string                    `json:"sid,omitempty"`
	Kind        trustpolicy.AdmissionKind `json:"kind"`
	Issuer      string                    `json:"issuer,omitempty"`
	Name        string                    `json:"name,omitempty"`
	Example     string                    `json:"example,omitempty"`
	Conditional bool                      `json:"conditional,omitempty"`
}

// NewAdmissions makes the documents of admissions.
func NewAdmissions(list []trustpolicy.Admission) []AdmissionDocument {
	out := []AdmissionDocument{}
	for _, a := range list {
		out = append(out, AdmissionDocument{a.Statement, a.Sid, a.Kind, a.Issuer, a.Name, a.Example, a.Conditional})
	}
	return out
}

// A Problem is a failure: what kind, what happened, what to do next.
type Problem struct {
	// Code is stable, for scripts; Exit is the exit code.
	Code string `json:"code"`
	Exit int    `json:"exit"`
	// Message has one line per problem.
	Message string   `json:"message"`
	Hints   []string `json:"hints,omitempty"`
	// Causes are the individual failures if there are several. Message and Hints then
	// combine them.
	Causes []Cause `json:"causes,omitempty"`
}

// A Cause is one of several failures, with its own next steps.
type Cause struct {
	Code    string   `json:"code"`
	Message string   `json:"message"`
	Hints   []string `json:"hints,omitempty"`
}

// An ErrorDocument is what --json prints for a failure before there is a report.
type ErrorDocument struct {
	Schema string  `json:"schema"`
	Error  Problem `json:"error"`
}

// NewReport makes the document of a plan's results. now and version are those of the run.
func NewReport(plan *setup.Plan, report *setup.Report, now time.Time, version string) ReportDocument {
	digest, _ := plan.Digest() // fails only for a plan that cannot be shown as JSON
	doc := ReportDocument{
		Caller:    plan.Caller,
		Time:      now.UTC().Truncate(time.Second),
		Version:   version,
		Digest:    digest,
		Extras:    plan.Extras,
		Schema:    reportSchema,
		Partition: plan.Partition,
		Account:   plan.Account,
		Org:       plan.Org,
		Status:    "done",
		Roles:     append([]setup.Grant{}, plan.Grants...),
		Changes:   []resultDocument{},
		Findings:  []findingDocument{},
		Checks:    []trustCheckDocument{},
		Openness:  []opennessDocument{},
		Warnings:  WarningDocuments(plan),
	}
	if report.Count(setup.StatusKept) == len(report.Results) {
		doc.Status = "nothing-to-do"
	}
	for _, r := range report.Results {
		result := resultDocument{ID: r.Change.Resource().ID(), Action: r.Change.Action, Status: r.Status, Reasons: r.Change.Reasons, RequestIDs: r.Receipt.RequestIDs}
		if r.Err != nil {
			result.Error = text.Clean(r.Err.Error())
		}
		doc.Changes = append(doc.Changes, result)
	}
	for _, m := range report.Mismatches {
		doc.Findings = append(doc.Findings, findingDocument{ID: m.Resource.ID(), Absent: m.Absent, Remains: m.Remains})
	}
	for _, o := range report.Openness {
		doc.Openness = append(doc.Openness, opennessDocument{o.Role, NewAdmissions(o.Beyond)})
	}
	for _, c := range report.Checks {
		doc.Checks = append(doc.Checks, trustCheckDocument{c.App, c.Role, c.Subject, c.Want, c.Got, c.Passed()})
		if !c.Passed() && (c.Want.Denied() || c.Got == trustpolicy.Undecided) {
			doc.Warnings = append(doc.Warnings, checkWarning(c))
		}
	}
	return doc
}

// Error shows a failure: what is wrong, then what to do about it. Several failures are
// a list, each with its own hints; hints that apply to all come last.
func Error(w io.Writer, problem Problem, style Style) {
	p := printer{w, style}
	shown := map[string]bool{}
	show := func(message string, hints []string) {
		for line := range strings.Lines(message) {
			p.line("%s %s", p.paint(red, "Error:"), strings.TrimSuffix(line, "\n"))
		}
		for _, hint := range hints {
			if !shown[hint] {
				p.line("%s %s", p.arrow(), hint)
			}
			shown[hint] = true
		}
	}
	message := problem.Message
	for _, cause := range problem.Causes {
		show(cause.Message, cause.Hints)
		message = ""
	}
	show(message, problem.Hints)
}
