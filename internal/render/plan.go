package render

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aymanbagabas/go-udiff"

	"github.com/fly-aws/fly-aws/internal/flyname"
	"github.com/fly-aws/fly-aws/internal/text"
	"github.com/fly-aws/fly-aws/setup"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

// Plan shows what a plan changes. Resources that it keeps are only counted.
func Plan(w io.Writer, plan *setup.Plan, style Style) {
	p := printer{w, style}
	pending, conflicts := plan.Pending(), plan.Conflicts()
	if len(pending)+len(conflicts) == 0 {
		mark := p.ok()
		if len(plan.Unasked()) > 0 {
			mark = p.paint(yellow, "!")
		}
		p.line("%s nothing to do: %s", mark, unchanged(plan))
		Extras(w, plan, style)
		return
	}
	p.line("Plan for the Fly organization %s in the AWS account %s:", p.paint(bold, text.Name(plan.Org)), p.paint(bold, text.Name(plan.Account)))
	p.line("")
	shown := map[string]string{} // by document, the role that it was shown for
	for _, c := range plan.Changes {
		if c.Action != setup.ActionKeep {
			p.change(plan, c, shown)
		}
	}
	p.line("")
	p.line("%s", summary(plan))
	Extras(w, plan, style)
}

func unchanged(plan *setup.Plan) string {
	if plan.Scope != nil && slices.ContainsFunc(plan.Warnings, func(w setup.Warning) bool { return w.Code == setup.WarningManaged }) {
		return "what is here is managed by something else"
	}
	if plan.Scope != nil {
		return "nothing here was made by fly-aws"
	}
	if len(plan.Changes) == 1 {
		return "the resource is up to date"
	}
	return "all " + Count(len(plan.Changes), "resource") + " are up to date"
}

func summary(plan *setup.Plan) string {
	n := map[setup.Action]int{}
	for _, c := range plan.Changes {
		n[c.Action]++
	}
	var parts []string
	for _, part := range []struct {
		action setup.Action
		words  string
	}{
		{setup.ActionCreate, "to create"},
		{setup.ActionUpdate, "to change"},
		{setup.ActionAdopt, "to adopt"},
		{setup.ActionDelete, "to delete"},
		{setup.ActionConflict, "in conflict"},
		{setup.ActionKeep, "unchanged"},
	} {
		if n[part.action] > 0 {
			parts = append(parts, strconv.Itoa(n[part.action])+" "+part.words)
		}
	}
	return "Plan: " + strings.Join(parts, ", ") + "."
}

func (p printer) change(plan *setup.Plan, c setup.Change, shown map[string]string) {
	name := resourceName(c.Resource())
	switch c.Action {
	case setup.ActionCreate:
		p.line("  %s %s", p.paint(green, "+"), name)
		p.details(plan, *c.After, shown)
		return
	case setup.ActionDelete:
		p.line("  %s %s", p.paint(red, "-"), name)
		return
	case setup.ActionConflict:
		p.line("  %s %s", p.bad(), name)
	default:
		p.line("  %s %s", p.paint(yellow, "~"), name)
	}
	for _, r := range c.Reasons {
		if words := policyReason(r); words != "" && c.Resource().Role != nil {
			p.line("      %s", words)
			continue
		}
		p.line("      %s", reason(r))
	}
	p.documentDiff(c)
}

// details shows what a new resource contains.
func (p printer) details(plan *setup.Plan, r setup.Resource, shown map[string]string) {
	switch {
	case r.Provider != nil:
		p.line("      trusts tokens for %s", list(r.Provider.Audiences))
		p.tags(r.Provider.Tags)
	case r.Role != nil:
		p.roleDetails(plan, *r.Role)
	case r.Policy != nil && r.Policy.ARN == "":
		document := r.Policy.Document.String()
		if role, ok := shown[document]; ok {
			p.line("      the same as in role %s", text.Name(role))
			return
		}
		shown[document] = r.Policy.Role
		p.lines("        ", "  ", false, "", indented(document))
	case r.Env != nil:
		p.line("      %s", text.Clean(r.Env.Value))
	}
}

func (p printer) roleDetails(plan *setup.Plan, r setup.Role) {
	for _, subject := range setup.Subjects(plan.Org, r.Trust) {
		p.line("      %s may assume it", text.Clean(subject))
		if s, ok := flyname.ParseSubject(subject); ok && strings.HasSuffix(s.App, "*") {
			p.line("        (every app whose name begins with %s, also those made later)", text.Clean(strings.TrimSuffix(s.App, "*")))
		}
	}
	for _, condition := range setup.Requirements(plan.Org, r.Trust) {
		p.line("      only with %s", text.Clean(condition))
	}
	if r.Path != "/" {
		p.line("      path %s", text.Clean(r.Path))
	}
	if r.Boundary != "" {
		p.line("      permissions boundary %s", text.Clean(policyName(r.Boundary)))
	}
	if r.MaxSession != 0 {
		p.line("      sessions of at most %s", Duration(time.Duration(r.MaxSession)*time.Second))
	}
	p.tags(r.Tags)
}

// tags shows the tags other than fly-aws's own.
func (p printer) tags(tags map[string]string) {
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		if !strings.HasPrefix(key, "fly-aws:") {
			p.line("      tag %s=%s", text.Clean(key), text.Clean(tags[key]))
		}
	}
}

// documentDiff shows how a trust policy or an inline policy changes, line by line.
func (p printer) documentDiff(c setup.Change) {
	if c.Action == setup.ActionConflict || c.Before == nil || c.After == nil {
		return
	}
	switch before, after := *c.Before, *c.After; {
	case before.Role != nil && !before.Role.Trust.Equal(after.Role.Trust):
		p.lines("        ", "  ", false, before.Role.Trust.Indent()+"\n", after.Role.Trust.Indent()+"\n")
	case before.Policy != nil && after.Policy.ARN == "":
		p.lines("        ", "  ", false, indented(before.Policy.Document.String()), indented(after.Policy.Document.String()))
	}
}

// indented is a JSON document with one line per member.
func indented(document string) string {
	var buf bytes.Buffer
	if err := json.Indent(&buf, []byte(document), "", "  "); err != nil {
		return document + "\n"
	}
	return buf.String() + "\n"
}

// Diff shows how a file changes, as git shows it.
func Diff(w io.Writer, name, before, after string, style Style) {
	p := printer{w, style}
	p.line("%s", p.paint(bold, "--- a/"+text.Clean(name)))
	p.line("%s", p.paint(bold, "+++ b/"+text.Clean(name)))
	p.lines("", " ", true, before, after)
}

// lines shows the lines that differ with two lines of context. Each begins with
// a mark of one or two characters.
func (p printer) lines(indent, mark string, headers bool, before, after string) {
	unified, err := udiff.ToUnifiedDiff("", "", before, udiff.Lines(before, after), 2)
	if err != nil { // only edits out of range fail, and Lines makes none
		return
	}
	for _, hunk := range unified.Hunks {
		if headers {
			p.line("%s", p.paint(dim, hunkHeader(hunk)))
		}
		for _, l := range hunk.Lines {
			line, noNewline := text.Clean(strings.TrimRight(l.Content, "\r\n")), !strings.HasSuffix(l.Content, "\n")
			switch l.Kind {
			case udiff.Insert:
				p.line("%s%s", indent, p.paint(green, "+"+mark[1:]+line))
			case udiff.Delete:
				p.line("%s%s", indent, p.paint(red, "-"+mark[1:]+line))
			default:
				p.line("%s%s", indent, strings.TrimRight(mark+line, " "))
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

// resourceName names a resource in a few words. Names of what will be written to are
// never shortened.
func resourceName(r setup.Resource) string {
	switch {
	case r.Provider != nil:
		url := r.Provider.URL
		if url == "" {
			_, url, _ = strings.Cut(r.Provider.ARN, "/")
		}
		return "OIDC provider " + text.Name(strings.TrimPrefix(url, "https://"))
	case r.Role != nil:
		return "role " + text.Name(r.Role.Name)
	case r.Policy != nil && r.Policy.ARN != "":
		return "policy " + text.Clean(policyName(r.Policy.ARN)) + " on role " + text.Name(r.Policy.Role)
	case r.Policy != nil:
		return "inline policy " + text.Name(r.Policy.Name) + " in role " + text.Name(r.Policy.Role)
	case r.Env != nil:
		return text.Name(r.Env.Key) + " in " + text.Clean(r.Env.Config)
	}
	return "nothing"
}

// policyName is an AWS-managed policy's name, and the whole ARN of any other.
func policyName(arn string) string {
	// A customer-managed policy's path can contain the same text, so check the account.
	if parts := strings.SplitN(arn, ":", 6); len(parts) == 6 && parts[4] == "aws" {
		return path.Base(parts[5])
	}
	return arn
}

// reason puts a difference between before and after into words. Values that will be
// written are never shortened.
func reason(r setup.Reason) string {
	have, want := text.Clean(r.Have), text.Clean(r.Want)
	switch r.Code {
	case setup.ReasonAbsent:
		return "does not exist"
	case setup.ReasonAudienceMissing:
		return "lacks the audience " + want
	case setup.ReasonStatementMissing:
		return "its trust policy lacks the statement " + want
	case setup.ReasonStatementUnwanted:
		return "its trust policy loses the statement " + have
	case setup.ReasonStatementEdited:
		return "the statement " + want + " in its trust policy was edited"
	case setup.ReasonSubjectMissing:
		return want + " gains access"
	case setup.ReasonSubjectUnwanted:
		return have + " loses access"
	case setup.ReasonMaxSession:
		return "its maximum session duration is " + orNone(have) + ", not " + want
	case setup.ReasonBoundary:
		switch {
		case have == "":
			return "has no permissions boundary; gets " + want
		case want == "":
			return "loses its permissions boundary " + have
		}
		return "its permissions boundary is " + have + ", not " + want
	case setup.ReasonTag:
		switch {
		case have == "":
			return "lacks the tag " + want
		case want == "":
			return "loses the tag " + have
		case want == setup.TagApp+"=":
			return "is shared from now on; until now it was for " + strings.TrimPrefix(have, setup.TagApp+"=") + " alone"
		}
		return "has the tag " + have + ", not " + want
	case setup.ReasonEffect:
		if have == string(trustpolicy.Deny) {
			return "its statement denies access; becomes Allow: the apps gain access"
		}
		return "its statement becomes " + want + ", not " + have
	case setup.ReasonConditionUnwanted:
		return "no longer requires " + have + ": who did not meet it gains access"
	case setup.ReasonConditionMissing:
		return "requires " + want + ": who does not meet it loses access"
	case setup.ReasonActionUnwanted:
		return "its statement no longer allows " + have
	case setup.ReasonActionMissing:
		return "its statement allows " + want + " too"
	case setup.ReasonPrincipalUnwanted:
		return have + " loses access"
	case setup.ReasonPrincipalMissing:
		return want + " gains access"
	case setup.ReasonNotAttached:
		return "is not attached"
	case setup.ReasonDocument:
		return "its policy document differs"
	case setup.ReasonValue:
		return "is " + have + "; becomes " + want
	}
	return conflictReason(r, have, want)
}

// conflictReason says why an existing role conflicts with the plan.
func conflictReason(r setup.Reason, have, want string) string {
	switch r.Code {
	case setup.ReasonForeignRole:
		return "exists, and fly-aws did not create it"
	case setup.ReasonTagsAlone:
		return "has the tags of fly-aws, but not its statement " + want
	case setup.ReasonUnreadTrust:
		return "has a trust policy that fly-aws cannot read"
	case setup.ReasonOtherFile:
		return "was made by the file " + have + ", according to its tag " + setup.TagFile
	case setup.ReasonManaged:
		return "is managed by " + have + ", according to its tag " + setup.TagManagedBy + ", and is not as asked"
	case setup.ReasonLastStatement:
		return "has no statement but " + have + ", and a trust policy needs one"
	case setup.ReasonNewExtra:
		return "it has " + have + " now, which nobody asked for"
	case setup.ReasonSharedAudience:
		return "other apps share it with the audience " + have
	case setup.ReasonOtherOrg:
		return "belongs to the organization " + have + ", according to its tag " + setup.TagOrg
	case setup.ReasonOtherApp:
		switch {
		case have == "":
			return "is shared by several apps, according to its tags"
		case want == "":
			return "belongs to the app " + have + " alone, according to its tag " + setup.TagApp
		}
		return "belongs to the app " + have + ", according to its tag " + setup.TagApp
	case setup.ReasonOtherPath:
		return "exists under the path " + have + ", not " + want
	case setup.ReasonNameCase:
		return "exists as " + have + ": the same name to IAM, but not in an ARN"
	}
	return text.Name(string(r.Code))
}

func orNone(value string) string {
	if value == "" {
		return "none"
	}
	return value
}

// Duration formats a duration in whole seconds, without zero parts: "1h", "9m42s".
func Duration(d time.Duration) string {
	s := d.Round(time.Second).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// Count formats a number with its noun: "1 app", "3 apps".
func Count(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return strconv.Itoa(n) + " " + noun
}

// shortList lists names for a sentence: "web", "web and api", "web, api and 3 more".
func shortList(names []string) string {
	names = slices.Clone(names)
	for i := range names {
		names[i] = text.Name(names[i])
	}
	const most = 3
	switch n := len(names); {
	case n <= 1:
		return strings.Join(names, "")
	case n <= most:
		return strings.Join(names[:n-1], ", ") + " and " + names[n-1]
	default:
		return strings.Join(names[:most-1], ", ") + " and " + strconv.Itoa(n-most+1) + " more"
	}
}
