package render

import (
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/aymanbagabas/go-udiff"

	"github.com/fly-aws/fly-aws/setup"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

// Plan shows what a plan changes. What it keeps is only counted.
func Plan(w io.Writer, plan *setup.Plan, style Style) {
	p := printer{w, style}
	pending, conflicts := plan.Pending(), plan.Conflicts()
	if len(pending)+len(conflicts) == 0 {
		p.line("%s nothing to do: %s", p.ok(), unchanged(plan))
		return
	}
	p.line("Plan for the Fly organisation %s in the AWS account %s:", p.paint(bold, Clean(plan.Org)), p.paint(bold, Clean(plan.Account)))
	p.line("")
	for _, c := range plan.Changes {
		if c.Action != setup.ActionKeep {
			p.change(plan, c)
		}
	}
	p.line("")
	p.line("%s", summary(plan))
}

func unchanged(plan *setup.Plan) string {
	if len(plan.Changes) == 1 {
		return "the one resource is up to date"
	}
	return "all " + Count(len(plan.Changes), "resource") + " are up to date"
}

func summary(plan *setup.Plan) string {
	n := map[setup.Action]int{}
	for _, c := range plan.Changes {
		n[c.Action]++
	}
	parts := []string{number(n[setup.ActionCreate]) + " to create"}
	for _, part := range []struct {
		action setup.Action
		words  string
	}{
		{setup.ActionUpdate, "to change"},
		{setup.ActionAdopt, "to adopt"},
		{setup.ActionConflict, "in conflict"},
		{setup.ActionKeep, "unchanged"},
	} {
		if n[part.action] > 0 {
			parts = append(parts, number(n[part.action])+" "+part.words)
		}
	}
	return "Plan: " + strings.Join(parts, ", ") + "."
}

func (p printer) change(plan *setup.Plan, c setup.Change) {
	switch c.Action {
	case setup.ActionCreate:
		p.line("  %s %s", p.paint(green, "+"), Name(*c.After))
		p.details(plan, *c.After)
		return
	case setup.ActionConflict:
		p.line("  %s %s", p.bad(), Name(*c.After))
	default:
		p.line("  %s %s", p.paint(yellow, "~"), Name(*c.After))
	}
	for _, r := range c.Reasons {
		p.line("      %s", reason(r))
	}
	p.trustDiff(c)
}

// details says what matters of a resource that is created.
func (p printer) details(plan *setup.Plan, r setup.Resource) {
	switch {
	case r.Provider != nil:
		p.line("      trusts tokens for %s", Clean(strings.Join(r.Provider.Audiences, ", ")))
	case r.Role != nil:
		statement, _ := r.Role.Trust.Statement(trustpolicy.Sid(plan.Org))
		for _, subject := range subjects(statement) {
			p.line("      %s may assume it", Clean(subject))
		}
		if r.Role.Boundary != "" {
			p.line("      permissions boundary %s", Clean(policyName(r.Role.Boundary)))
		}
		if r.Role.MaxSession != 0 {
			p.line("      sessions of at most %d s", r.Role.MaxSession)
		}
	case r.Env != nil:
		p.line("      %s", Clean(r.Env.Value))
	}
}

func subjects(s trustpolicy.Statement) []string {
	for _, c := range s.Conditions {
		if strings.HasSuffix(c.Key, ":sub") {
			return c.Values
		}
	}
	return nil
}

// trustDiff shows how a trust policy changes, line by line.
func (p printer) trustDiff(c setup.Change) {
	if c.Action == setup.ActionConflict || c.Before == nil || c.Before.Role == nil || c.Before.Role.Trust.Equal(c.After.Role.Trust) {
		return
	}
	p.lines("        ", "  ", false, c.Before.Role.Trust.Indent()+"\n", c.After.Role.Trust.Indent()+"\n")
}

// Diff shows how a file changes, as git shows it.
func Diff(w io.Writer, name, before, after string, style Style) {
	p := printer{w, style}
	p.line("%s", p.paint(bold, "--- a/"+Clean(name)))
	p.line("%s", p.paint(bold, "+++ b/"+Clean(name)))
	p.lines("", " ", true, before, after)
}

// lines shows the lines that differ with two around them. A mark of one or two
// characters stands before each.
func (p printer) lines(indent, mark string, headers bool, before, after string) {
	unified, err := udiff.ToUnifiedDiff("", "", before, udiff.Lines(before, after), 2)
	if err != nil { // only for edits out of range, which Lines does not make
		return
	}
	for _, hunk := range unified.Hunks {
		if headers {
			p.line("%s", p.paint(dim, hunkHeader(hunk)))
		}
		for _, l := range hunk.Lines {
			text, noNewline := Clean(strings.TrimRight(l.Content, "\r\n")), !strings.HasSuffix(l.Content, "\n")
			switch l.Kind {
			case udiff.Insert:
				p.line("%s%s", indent, p.paint(green, "+"+mark[1:]+text))
			case udiff.Delete:
				p.line("%s%s", indent, p.paint(red, "-"+mark[1:]+text))
			default:
				p.line("%s%s", indent, strings.TrimRight(mark+text, " "))
			}
			if noNewline {
				p.line("%s", p.paint(dim, `\ No newline at end of file`))
			}
		}
	}
}

func hunkHeader(h *udiff.Hunk) string {
	var old, now int
	for _, l := range h.Lines {
		switch l.Kind {
		case udiff.Insert:
			now++
		case udiff.Delete:
			old++
		default:
			old++
			now++
		}
	}
	return fmt.Sprintf("@@ -%d,%d +%d,%d @@", h.FromLine, old, h.ToLine, now)
}

// Name names a resource in a few words.
func Name(r setup.Resource) string {
	switch {
	case r.Provider != nil:
		return "OIDC provider " + Clean(strings.TrimPrefix(r.Provider.URL, "https://"))
	case r.Role != nil:
		return "role " + Clean(r.Role.Name)
	case r.Policy != nil && r.Policy.ARN != "":
		return "policy " + Clean(policyName(r.Policy.ARN)) + " on role " + Clean(r.Policy.Role)
	case r.Policy != nil:
		return "inline policy " + Clean(r.Policy.Name) + " in role " + Clean(r.Policy.Role)
	case r.Env != nil:
		return Clean(r.Env.Key) + " in " + Clean(r.Env.Config)
	}
	return "nothing"
}

// policyName is an AWS-managed policy's name, and the whole ARN of any other.
func policyName(arn string) string {
	if strings.Contains(arn, ":iam::aws:policy/") {
		return path.Base(arn)
	}
	return arn
}

// reason puts a difference into words.
func reason(r setup.Reason) string {
	have, want := Clean(r.Have), Clean(r.Want)
	switch r.Code {
	case setup.ReasonAbsent:
		return "it does not exist"
	case setup.ReasonAudienceMissing:
		return "it lacks the audience " + want
	case setup.ReasonStatementMissing:
		return "its trust policy lacks the statement " + want
	case setup.ReasonStatementEdited:
		return "the statement " + want + " of its trust policy was edited"
	case setup.ReasonSubjectMissing:
		return want + " may not assume it yet"
	case setup.ReasonMaxSession:
		return "its maximum session duration is " + have + ", not " + want
	case setup.ReasonBoundary:
		if have == "" {
			return "it has no permissions boundary; it gets " + want
		}
		return "its permissions boundary is " + have + ", not " + want
	case setup.ReasonTag:
		if have == "" {
			return "it lacks the tag " + want
		}
		return "it has the tag " + have + ", not " + want
	case setup.ReasonNotAttached:
		return "it is not attached"
	case setup.ReasonDocument:
		return "its document is another"
	case setup.ReasonValue:
		return "it is " + have + "; it becomes " + want
	case setup.ReasonForeignRole:
		return "a role of that name exists that fly-aws did not make"
	case setup.ReasonOtherOrg:
		return "it belongs to the organisation " + have + ", by its tag " + setup.TagOrg
	case setup.ReasonOtherApp:
		switch {
		case have == "":
			return "it is shared by several apps, by its tags"
		case want == "":
			return "it belongs to the app " + have + " alone, by its tag " + setup.TagApp
		}
		return "it belongs to the app " + have + ", by its tag " + setup.TagApp
	case setup.ReasonOtherPath:
		return "it exists under the path " + have + ", not " + want
	case setup.ReasonNameCase:
		return "it exists as " + have + "; IAM takes both for one name, a trust policy or ARN does not"
	}
	return Clean(string(r.Code))
}

// Count is a number with its noun: "1 app", "3 apps".
func Count(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return number(n) + " " + noun
}

// Apps lists names for a sentence: "web", "web and api", "web, api and 3 more".
func Apps(names []string) string {
	names = slices.Clone(names)
	for i := range names {
		names[i] = Clean(names[i])
	}
	const most = 3
	switch n := len(names); {
	case n <= 1:
		return strings.Join(names, "")
	case n <= most:
		return strings.Join(names[:n-1], ", ") + " and " + names[n-1]
	default:
		return strings.Join(names[:most-1], ", ") + " and " + number(n-most+1) + " more"
	}
}
