package render

import (
	"fmt"
	"io"
	"strings"

	"github.com/fly-aws/fly-aws/internal/lint"
	"github.com/fly-aws/fly-aws/internal/text"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

// LintSchema is the schema of a LintDocument.
const LintSchema = "fly-aws.lint/1"

// Lint shows the findings about trust policies, with the repairs that are certain, and how
// many there are.
func Lint(w io.Writer, policies []lint.Policy, style Style) {
	p := printer{w, style}
	for _, policy := range policies {
		if policy.Undecided != "" {
			p.prose("? ", lintPlace(policy, policy.Line, policy.Column)+": not judged: "+text.Line(policy.Undecided))
		}
		for _, f := range policy.Findings {
			p.lintFinding(policy, f)
		}
	}
	errors, warnings, undecided := lintCounts(policies)
	many := fmt.Sprintf("%d trust policies", len(policies))
	if len(policies) == 1 {
		many = "1 trust policy"
	}
	if errors+warnings+undecided == 0 {
		p.line("%s %s: nothing found", p.ok(), many)
		return
	}
	parts := []string{Count(errors, "error"), Count(warnings, "warning")}
	if undecided > 0 {
		parts = append(parts, fmt.Sprintf("%d not judged", undecided))
	}
	p.line("%s: %s", many, strings.Join(parts, ", "))
}

func (p printer) lintFinding(policy lint.Policy, f lint.Finding) {
	mark := p.paint(yellow, "!")
	if f.Severity == trustpolicy.SeverityError {
		mark = p.bad()
	}
	p.line("%s %s %s", mark, lintPlace(policy, f.Line, f.Column), p.paint(dim, f.Rule().ID))
	p.prose("    ", findingWords(f.Finding))
	p.line("    %s", p.paint(dim, text.Clean(f.Path)))
	if f.After != nil {
		p.line("    the statement repaired:")
		p.lines("    ", "  ", false, f.Before.Indent()+"\n", f.After.Indent()+"\n")
	}
}

// lintPlace names a place in a file, or a live role.
func lintPlace(policy lint.Policy, line, column int) string {
	place := ""
	if policy.File != "" {
		place = fmt.Sprintf("%s:%d:%d", text.Name(policy.File), line, column)
	}
	if policy.Role != "" {
		place += " role " + text.Name(policy.Role)
	}
	return strings.TrimSpace(place)
}

func lintCounts(policies []lint.Policy) (errors, warnings, undecided int) {
	for _, policy := range policies {
		if policy.Undecided != "" {
			undecided++
		}
		for _, f := range policy.Findings {
			if f.Severity == trustpolicy.SeverityError {
				errors++
			} else {
				warnings++
			}
		}
	}
	return errors, warnings, undecided
}

// A LintDocument is what lint --json prints.
type LintDocument struct {
	Schema    string               `json:"schema"`
	Policies  []lintPolicyDocument `json:"policies"`
	Errors    int                  `json:"errors"`
	Warnings  int                  `json:"warnings"`
	Undecided int                  `json:"undecided"`
}

type lintPolicyDocument struct {
	// File is absent for a live role, as are all lines and columns.
	File      string                `json:"file,omitempty"`
	Role      string                `json:"role,omitempty"`
	Path      string                `json:"path"`
	Line      int                   `json:"line,omitempty"`
	Column    int                   `json:"column,omitempty"`
	Undecided string                `json:"undecided,omitempty"`
	Findings  []lintFindingDocument `json:"findings"`
	// Admits is whom the policy lets assume the role.
	Admits []AdmissionDocument `json:"admits"`
}

type lintFindingDocument struct {
	Rule     string                  `json:"rule"`
	Code     trustpolicy.FindingCode `json:"code"`
	Severity trustpolicy.Severity    `json:"severity"`
	Title    string                  `json:"title"`
	Message  string                  `json:"message"`
	Why      string                  `json:"why"`
	Source   string                  `json:"source"`
	Path     string                  `json:"path"`
	Line     int                     `json:"line,omitempty"`
	Column   int                     `json:"column,omitempty"`
	// Have and Want are the value and what it should be.
	Have string `json:"have,omitempty"`
	Want string `json:"want,omitempty"`
	// Repaired is the statement with the certain repair, as JSON text.
	Repaired string `json:"repaired,omitempty"`
}

// NewLint makes the document of lint's findings.
func NewLint(policies []lint.Policy) LintDocument {
	doc := LintDocument{Schema: LintSchema, Policies: []lintPolicyDocument{}}
	doc.Errors, doc.Warnings, doc.Undecided = lintCounts(policies)
	for _, policy := range policies {
		d := lintPolicyDocument{
			File: policy.File, Role: policy.Role, Path: policy.Path, Line: policy.Line, Column: policy.Column,
			Undecided: policy.Undecided, Findings: newLintFindings(policy.Findings), Admits: NewAdmissions(policy.Admissions),
		}
		doc.Policies = append(doc.Policies, d)
	}
	return doc
}

func newLintFindings(findings []lint.Finding) []lintFindingDocument {
	out := []lintFindingDocument{}
	for _, f := range findings {
		rule := ruleDoc(f.Rule())
		d := lintFindingDocument{
			Rule: rule.ID, Code: f.Code, Severity: f.Severity, Title: rule.Title, Message: findingWords(f.Finding), Why: rule.Why, Source: rule.Source,
			Path: f.Path, Line: f.Line, Column: f.Column, Have: f.Have, Want: f.Want,
		}
		if f.After != nil {
			d.Repaired = f.After.Indent()
		}
		out = append(out, d)
	}
	return out
}
