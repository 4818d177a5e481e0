package render

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

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
	shown := map[string]string{} // the roles of the documents shown
	for _, c := range plan.Changes {
		if c.Action != setup.ActionKeep {
			p.change(plan, c, shown)
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

func (p printer) change(plan *setup.Plan, c setup.Change, shown map[string]string) {
	switch c.Action {
	case setup.ActionCreate:
		p.line("  %s %s", p.paint(green, "+"), Name(*c.After))
		p.details(plan, *c.After, shown)
		return
	case setup.ActionConflict:
		p.line("  %s %s", p.bad(), Name(*c.After))
	default:
		p.line("  %s %s", p.paint(yellow, "~"), Name(*c.After))
	}
	for _, r := range c.Reasons {
		p.line("      %s", reason(r))
	}
	p.documentDiff(c)
}

// details says what matters of a resource that is created: all that it allows.
func (p printer) details(plan *setup.Plan, r setup.Resource, shown map[string]string) {
	switch {
	case r.Provider != nil:
		p.line("      trusts tokens for %s", Clean(strings.Join(r.Provider.Audiences, ", ")))
	case r.Role != nil:
		p.roleDetails(plan, *r.Role)
	case r.Policy != nil && r.Policy.ARN == "":
		if role, ok := shown[string(r.Policy.Document)]; ok {
			p.line("      the same as in role %s", Clean(role))
			return
		}
		shown[string(r.Policy.Document)] = r.Policy.Role
		p.lines("        ", "  ", false, "", indented(r.Policy.Document))
	case r.Env != nil:
		p.line("      %s", Clean(r.Env.Value))
	}
}

func (p printer) roleDetails(plan *setup.Plan, r setup.Role) {
	statement, _ := r.Trust.Statement(trustpolicy.Sid(plan.Org))
	for _, subject := range setup.Subjects(statement) {
		p.line("      %s may assume it", Clean(subject))
	}
	if r.Path != "/" {
		p.line("      path %s", Clean(r.Path))
	}
	if r.Boundary != "" {
		p.line("      permissions boundary %s", Clean(policyName(r.Boundary)))
	}
	if r.MaxSession != 0 {
		p.line("      sessions of at most %s", (time.Duration(r.MaxSession) * time.Second).String())
	}
	for _, key := range slices.Sorted(maps.Keys(r.Tags)) {
		if !strings.HasPrefix(key, "fly-aws:") {
			p.line("      tag %s=%s", Clean(key), Clean(r.Tags[key]))
		}
	}
}

// documentDiff shows how a trust policy or an inline policy changes, line by line.
func (p printer) documentDiff(c setup.Change) {
	if c.Action == setup.ActionConflict || c.Before == nil {
		return
	}
	switch before, after := *c.Before, *c.After; {
	case before.Role != nil && !before.Role.Trust.Equal(after.Role.Trust):
		p.lines("        ", "  ", false, before.Role.Trust.Indent()+"\n", after.Role.Trust.Indent()+"\n")
	case before.Policy != nil && after.Policy.ARN == "":
		p.lines("        ", "  ", false, indented(before.Policy.Document), indented(after.Policy.Document))
	}
}

// indented is a JSON document with a line a member.
func indented(doc json.RawMessage) string {
	var buf bytes.Buffer
	if err := json.Indent(&buf, doc, "", "  "); err != nil {
		return string(doc) + "\n"
	}
	return buf.String() + "\n"
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

// NameOf names a resource by its ID, as setup.Resource.ID makes it.
func NameOf(id string) string {
	kind, rest, _ := strings.Cut(id, ":")
	switch kind {
	case "provider":
		return "OIDC provider " + Clean(rest[strings.IndexByte(rest, '/')+1:])
	case "role":
		return "role " + Clean(rest)
	case "attachment":
		role, arn, _ := strings.Cut(rest, ":")
		return "policy " + Clean(policyName(arn)) + " on role " + Clean(role)
	case "inline":
		role, name, _ := strings.Cut(rest, ":")
		return "inline policy " + Clean(name) + " in role " + Clean(role)
	case "env":
		i := strings.LastIndexByte(rest, ':')
		return Clean(rest[i+1:]) + " in " + Clean(rest[:max(i, 0)])
	}
	return Clean(id)
}

// reason puts a difference into words.
func reason(r setup.Reason) string {
	have, want := Clean(r.Have), Clean(r.Want)
	switch r.Code {
	case setup.ReasonAbsent:
		return "does not exist"
	case setup.ReasonAudienceMissing:
		return "lacks the audience " + want
	case setup.ReasonStatementMissing:
		return "its trust policy lacks the statement " + want
	case setup.ReasonStatementEdited:
		return "the statement " + want + " in its trust policy was edited"
	case setup.ReasonSubjectMissing:
		return want + " may not assume it yet"
	case setup.ReasonSubjectUnwanted:
		return have + " may assume it, and will not any more"
	case setup.ReasonMaxSession:
		return "its maximum session is " + have + ", not " + want
	case setup.ReasonBoundary:
		if have == "" {
			return "has no permissions boundary; gets " + want
		}
		return "its permissions boundary is " + have + ", not " + want
	case setup.ReasonTag:
		switch {
		case have == "":
			return "lacks the tag " + want
		case strings.HasPrefix(want, setup.TagApp+"="):
			return "is shared from now on; it was that of " + strings.TrimPrefix(have, setup.TagApp+"=") + " alone"
		}
		return "has the tag " + have + ", not " + want
	case setup.ReasonNotAttached:
		return "is not attached"
	case setup.ReasonDocument:
		return "its policy document differs"
	case setup.ReasonValue:
		return "is " + have + "; becomes " + want
	case setup.ReasonForeignRole:
		return "exists already, and fly-aws did not make it"
	case setup.ReasonSharedAudience:
		return "other apps share it with the audience " + have
	case setup.ReasonOtherOrg:
		return "belongs to the organisation " + have + ", says its tag " + setup.TagOrg
	case setup.ReasonOtherApp:
		switch {
		case have == "":
			return "is shared by several apps, say its tags"
		case want == "":
			return "belongs to the app " + have + " alone, says its tag " + setup.TagApp
		}
		return "belongs to the app " + have + ", says its tag " + setup.TagApp
	case setup.ReasonOtherPath:
		return "exists under the path " + have + ", not " + want
	case setup.ReasonNameCase:
		return "exists as " + have + ": one name to IAM, another in an ARN"
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
