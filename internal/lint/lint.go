// Package lint judges the trust policies of files and of live roles by the rules of
// trustpolicy, and places what it finds in the file.
package lint

import (
	"errors"
	"slices"
	"strings"

	"github.com/fly-aws/fly-aws/internal/trustfile"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

// A Policy is a trust policy with what is found in it. Names and paths are as in the file,
// not cleaned for a terminal.
type Policy struct {
	// File is the name of the file; "" for a live role. Role, Path, Line and Column are as
	// in trustfile.Found; Path is "$" and Line 0 for a live role.
	File, Role, Path string
	Line, Column     int
	// Undecided says, as a clause, why the policy cannot be judged; "" if it was.
	Undecided string
	Findings  []Finding
	// Admissions are whom it lets in, granted or not; nil if it was not judged.
	Admissions []trustpolicy.Admission
}

// A Finding is a finding with its place.
type Finding struct {
	trustpolicy.Finding
	// Path is the JSON path, in the file or in the live policy.
	Path string
	// Line and Column are where it is in the file; 0 in a live policy.
	Line, Column int
	// Before and After are the statement and its repair; nil if no repair is certain.
	Before, After *trustpolicy.Statement
}

// InFile judges a policy that was found in a file.
func InFile(file string, found trustfile.Found) Policy {
	p := Policy{File: file, Role: found.Role, Path: found.Path, Line: found.Line, Column: found.Column, Undecided: found.Undecided}
	if p.Undecided != "" {
		return p
	}
	place := func(f Finding, path string, offset int) Finding {
		f.Path = found.Path + strings.TrimPrefix(path, "$")
		f.Line, f.Column = found.Position(offset)
		return f
	}
	policy, err := trustpolicy.Parse(found.Text)
	var syntax *trustpolicy.SyntaxError
	if errors.As(err, &syntax) {
		malformed := Finding{Finding: trustpolicy.Finding{Code: trustpolicy.FindingMalformed, Severity: trustpolicy.SeverityError, Statement: -1, Have: syntax.Reason}}
		p.Findings = []Finding{place(malformed, "$", syntax.Offset)}
		return p
	}
	p.Admissions = policy.Admissions(nil)
	places := trustpolicy.PlacesIn(found.Text)
	for _, f := range judge(policy, trustpolicy.Expected{}) {
		path, offset := places.Of(f.Finding)
		p.Findings = append(p.Findings, place(f, path, offset))
	}
	return p
}

// Live judges the trust policy of a role.
func Live(role string, policy *trustpolicy.Policy, expected trustpolicy.Expected) Policy {
	p := Policy{Role: role, Path: "$"}
	if policy == nil {
		p.Undecided = "its trust policy cannot be read"
		return p
	}
	p.Admissions = policy.Admissions(nil)
	text, err := policy.MarshalJSON()
	if err != nil {
		p.Undecided = "its trust policy cannot be printed"
		return p
	}
	places := trustpolicy.PlacesIn(text)
	for _, f := range judge(policy, expected) {
		f.Path, _ = places.Of(f.Finding)
		p.Findings = append(p.Findings, f)
	}
	return p
}

// judge returns the findings of a policy with their repairs. One that is too large for any
// role is not repaired: what is left would still be too large.
func judge(policy *trustpolicy.Policy, expected trustpolicy.Expected) []Finding {
	var out []Finding
	tooLarge := policy.Size() > trustpolicy.MaxSizeQuota
	for _, f := range policy.Lint(expected) {
		finding := Finding{Finding: f}
		if !tooLarge {
			if repaired, ok := policy.Repair(f, expected.AppAccess); ok {
				finding.Before, finding.After = &policy.Statements[f.Statement], &repaired.Statements[f.Statement]
			}
		}
		out = append(out, finding)
	}
	return out
}

// Fix makes every certain repair in the text of a policy, and returns the new text and how
// many there were. Bytes outside of the repaired statements stay as they are.
func Fix(text []byte) (fixed []byte, repairs int) {
	const most = 1000 // each repair removes a mistake, so this many are not reached
	for repairs < most {
		policy, err := trustpolicy.Parse(text)
		if err != nil {
			return text, repairs
		}
		findings := judge(policy, trustpolicy.Expected{})
		i := slices.IndexFunc(findings, func(f Finding) bool { return f.After != nil })
		if i < 0 {
			return text, repairs
		}
		from, to, ok := trustpolicy.StatementSpan(text, findings[i].Statement)
		if !ok {
			return text, repairs
		}
		text = slices.Concat(text[:from], []byte(indented(text[:from], *findings[i].After)), text[to:])
		repairs++
	}
	return text, repairs
}

// indented prints a statement as deep as the line that it begins in.
func indented(before []byte, s trustpolicy.Statement) string {
	line := string(before[strings.LastIndexByte(string(before), '\n')+1:])
	margin := line[:len(line)-len(strings.TrimLeft(line, " \t"))]
	return strings.ReplaceAll(s.Indent(), "\n", "\n"+margin)
}
