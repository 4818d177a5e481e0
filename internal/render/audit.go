package render

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/fly-aws/fly-aws/internal/audit"
	"github.com/fly-aws/fly-aws/internal/flyname"
	"github.com/fly-aws/fly-aws/internal/lint"
	"github.com/fly-aws/fly-aws/internal/permission"
	"github.com/fly-aws/fly-aws/internal/text"
	"github.com/fly-aws/fly-aws/setup"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

// AuditSchema is the schema of an AuditDocument.
const AuditSchema = "fly-aws.audit/1"

// Audit shows what an audit found, the worst first, and then who can become what.
func Audit(w io.Writer, r audit.Report, style Style) {
	p := printer{w, style}
	p.line("AWS account %s: %s of %d concern Fly", p.paint(bold, text.Name(r.Account)), Count(len(r.Roles), "role"), r.Seen)
	for _, g := range r.Gaps {
		p.prose("? ", gapWords(g))
	}
	if len(r.Findings) > 0 {
		p.line("")
		p.line("Findings:")
	}
	for _, f := range r.Findings {
		mark := p.paint(yellow, "!")
		if f.Severity == trustpolicy.SeverityError {
			mark = p.bad()
		}
		p.prose("  "+mark+" ", AuditWords(f))
	}
	if len(r.Roles) > 0 {
		p.line("")
		p.line("Who can become what:")
	}
	for _, role := range r.Roles {
		p.auditRole(r, role)
	}
	p.line("")
	if len(r.Findings) == 0 {
		p.line("%s %s", p.ok(), auditSummary(r))
		return
	}
	p.line("%s", auditSummary(r))
}

// auditSummary counts the findings.
func auditSummary(r audit.Report) string {
	errors, warnings := auditCounts(r)
	if errors+warnings == 0 {
		return "nothing found" + sawAll(r)
	}
	return Count(errors, "error") + ", " + Count(warnings, "warning") + sawAll(r)
}

// sawAll limits a summary to what was seen.
func sawAll(r audit.Report) string {
	if slices.ContainsFunc(r.Gaps, audit.Gap.IsPartial) {
		return " in what could be seen, which is not everything"
	}
	return ""
}

func (p printer) auditRole(r audit.Report, role audit.RoleReport) {
	p.line("  %s: %s", p.paint(bold, text.Name(role.Name)), powerWords(role.Power))
	if can := AbilityWords(role); can != "" {
		p.prose("      may: ", can)
	}
	if role.Boundary != "" {
		p.line("      within the boundary %s", text.Clean(policyName(role.Boundary)))
	}
	for _, who := range WhoCan(r, role) {
		p.prose("      ← ", who)
	}
}

// WhoCan lists who may assume a role: apps, organizations and other principals.
func WhoCan(r audit.Report, role audit.RoleReport) []string {
	if role.Trust.Undecided != "" {
		return []string{"unknown: " + text.Line(role.Trust.Undecided)}
	}
	var out []string
	for _, org := range role.EveryApp {
		out = append(out, "every app of "+text.Name(org))
	}
	var apps []string
	for _, c := range r.Cells {
		if c.Role == role.Name && !slices.Contains(role.EveryApp, c.App.Org) {
			apps = append(apps, cellWords(c))
		}
	}
	if len(apps) > 0 {
		out = append(out, strings.Join(apps, ", "))
	}
	for _, a := range role.Trust.Admissions {
		subject, ok := flyname.ParseSubject(a.Name)
		_, every := audit.EveryApp(a)
		switch {
		case a.Kind != trustpolicy.AdmitsSubject:
			out = append(out, Admission(a))
		case !every && !(ok && flyname.CheckApp(subject.App) == nil): // else it is said above
			out = append(out, "apps that match "+Admission(a))
		}
	}
	if len(out) == 0 {
		out = append(out, "nobody")
	}
	return out
}

// cellWords names an app with access.
func cellWords(c audit.Cell) string {
	name := text.Name(c.App.Org + ":" + c.App.Name)
	var limits []string
	if len(c.Machines) > 0 {
		limits = append(limits, "only "+strings.Join(cleaned(c.Machines), ", "))
	}
	if len(c.Except) > 0 {
		limits = append(limits, "not "+strings.Join(cleaned(c.Except), ", "))
	}
	if c.Access == audit.AccessMaybe {
		limits = append(limits, "under conditions")
	}
	if len(limits) == 0 {
		return name
	}
	return name + " (" + strings.Join(limits, "; ") + ")"
}

func cleaned(list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = text.Name(s)
	}
	return out
}

func powerWords(p audit.Power) string {
	switch p {
	case audit.PowerAdministrator:
		return "administrator"
	case audit.PowerBroad:
		return "almost everything"
	case audit.PowerUnknown:
		return "unknown permissions"
	case audit.PowerWrite:
		return "reads and writes"
	case audit.PowerRead:
		return "reads"
	case audit.PowerNone:
		return "no permissions"
	}
	return text.Name(string(p))
}

// AbilityWords says what a role may do, by service: "write s3 (files/*), read sqs"; "" if
// nothing is known.
func AbilityWords(role audit.RoleReport) string {
	words := strings.Join(abilityParts(role, 2), ", ")
	if role.Denies && words != "" {
		words += "; " + deniesWords
	}
	return words
}

// deniesWords say of a role's abilities that they are not all of the truth.
const deniesWords = "something of it is denied"

// abilityParts says what a role may do, each service with at most so many resources.
func abilityParts(role audit.RoleReport, most int) []string {
	var parts []string
	for _, b := range role.Breadths {
		if words := breadth(b.Breadth); !slices.Contains(parts, words) {
			parts = append(parts, words)
		}
	}
	for _, a := range role.Abilities {
		if a.Service == "*" {
			continue // it is one of the breadths, or as wide
		}
		parts = append(parts, abilityWords(a, most))
	}
	for _, p := range role.Unread {
		parts = append(parts, "what "+text.Clean(policyName(cmp.Or(p.ARN, p.Name)))+" allows")
	}
	return parts
}

func abilityWords(a permission.Ability, most int) string {
	words := map[permission.Level]string{permission.Read: "read ", permission.Write: "read and write ", permission.All: "everything of "}[a.Level] + text.Name(a.Service)
	var resources []string
	for _, r := range a.Resources {
		parts := strings.SplitN(r, ":", 6)
		resources = append(resources, text.Clean(parts[len(parts)-1]))
	}
	switch {
	case slices.Equal(resources, []string{"*"}):
		words += " (everywhere)"
	case len(resources) > most:
		words += fmt.Sprintf(" (%s and %d more)", strings.Join(resources[:most], ", "), len(resources)-most)
	case len(resources) > 0:
		words += " (" + strings.Join(resources, ", ") + ")"
	}
	if a.Conditional {
		words += " under conditions"
	}
	return words
}

// gapWords says what was not seen.
func gapWords(g audit.Gap) string {
	what := map[audit.GapCode]string{
		audit.GapRoles:     "not all roles of the account were seen",
		audit.GapProviders: "the account's OIDC providers were not seen, so every issuer counts as trusted",
		audit.GapPolicies:  "what these policies allow was not seen: " + shortList(policyNames(g.Names)),
		audit.GapFly:       "Fly was not asked, so it is not known which apps exist and which still have AWS keys",
		audit.GapDrift:     "the account was not compared with the request file",
	}[g.Code]
	if g.Reason != "" {
		what += ": " + text.Line(g.Reason)
	}
	return cmp.Or(what, text.Name(string(g.Code)))
}

func policyNames(arns []string) []string {
	out := make([]string, len(arns))
	for i, arn := range arns {
		out[i] = policyName(arn)
	}
	return out
}

// AuditWords says what is wrong, and what to do where that is one thing, with the rule's ID.
func AuditWords(f audit.Finding) string {
	if rule := auditRule(f); rule != "" {
		return auditWords(f) + " (" + rule + ")"
	}
	return auditWords(f)
}

// auditRule is the ID of the rule for trust policies that a finding is of, "" for none.
func auditRule(f audit.Finding) string {
	var of trustpolicy.Finding
	switch {
	case f.Lint != nil:
		of = f.Lint.Finding
	case f.Code == audit.FindingAnyone:
		of.Code = trustpolicy.FindingPrincipalAny
	case f.Code == audit.FindingEveryApp:
		of.Code = trustpolicy.FindingOrgWide
	}
	return of.Rule().ID
}

// auditWords is AuditWords without the rule.
func auditWords(f audit.Finding) string {
	role, app := "role "+text.Name(f.Role), text.Name(f.App.Org+":"+f.App.Name)
	provider := text.Name(f.Provider[strings.LastIndexByte(f.Provider, ':')+1:])
	switch f.Code {
	case audit.FindingTrust:
		if f.Lint == nil {
			break
		}
		return role + ": " + findingWords(f.Lint.Finding)
	case audit.FindingAnyone:
		return role + ": anyone in AWS may assume it"
	case audit.FindingAdministrator:
		return role + ": machines of Fly may assume it, and it may do too much: " + breadths(f.Names)
	case audit.FindingEveryApp:
		return role + ": every app of " + text.Name(f.App.Org) + " may assume it"
	case audit.FindingStaticKeys:
		return app + " still has AWS keys as secrets (" + list(f.Names) + "), which take precedence over a role"
	case audit.FindingAppAbsent:
		return role + ": its trust policy names " + app + ", which Fly does not have; whoever makes an app of that name gets the role"
	case audit.FindingUnreached:
		return role + ": no app on Fly may assume it"
	case audit.FindingRoleUnused:
		return fmt.Sprintf("%s: it was last used %d days ago", role, f.Days)
	case audit.FindingProviderUnused:
		return "provider " + provider + ": no role trusts it"
	case audit.FindingAudienceUnused:
		return "provider " + provider + ": no role takes tokens for its audience " + text.Name(f.Audience)
	case audit.FindingDrift:
		return "the account is not as the request file says: " + shortList(f.Names) + "; fly-aws plan shows it"
	}
	return text.Name(string(f.Code))
}

func breadths(names []string) string {
	var out []string
	for _, name := range names {
		out = append(out, breadth(permission.Breadth(name)))
	}
	return strings.Join(out, "; ")
}

func auditCounts(r audit.Report) (errors, warnings int) {
	for _, f := range r.Findings {
		if f.Severity == trustpolicy.SeverityError {
			errors++
		} else {
			warnings++
		}
	}
	return errors, warnings
}

// An AuditDocument is what audit --json prints.
type AuditDocument struct {
	Schema    string                 `json:"schema"`
	Time      time.Time              `json:"time"`
	Partition string                 `json:"partition"`
	Account   string                 `json:"account"`
	Caller    string                 `json:"caller,omitempty"`
	RolesSeen int                    `json:"roles_seen"`
	Complete  bool                   `json:"complete"`
	Errors    int                    `json:"errors"`
	Warnings  int                    `json:"warnings"`
	Findings  []auditFindingDocument `json:"findings"`
	Apps      []audit.App            `json:"apps"`
	Roles     []auditRoleDocument    `json:"roles"`
	Providers []setup.Provider       `json:"providers"`
	Gaps      []audit.Gap            `json:"gaps"`
}

type auditFindingDocument struct {
	Code     audit.FindingCode     `json:"code"`
	Severity trustpolicy.Severity  `json:"severity"`
	Message  string                `json:"message"`
	Role     string                `json:"role,omitempty"`
	App      *audit.App            `json:"app,omitempty"`
	Provider string                `json:"provider,omitempty"`
	Audience string                `json:"audience,omitempty"`
	Names    []string              `json:"names,omitempty"`
	Days     int                   `json:"days,omitempty"`
	Lint     []lintFindingDocument `json:"lint,omitempty"`
}

type auditRoleDocument struct {
	Name      string            `json:"name"`
	ARN       string            `json:"arn"`
	Tags      map[string]string `json:"tags,omitempty"`
	Boundary  string            `json:"permissions_boundary,omitempty"`
	LastUsed  *time.Time        `json:"last_used,omitempty"`
	Power     audit.Power       `json:"power"`
	May       string            `json:"may,omitempty"`
	Abilities []abilityDocument `json:"abilities"`
	// Apps are the matrix's cells of the role.
	Apps   []cellDocument      `json:"apps"`
	Admits []AdmissionDocument `json:"admits"`
}

type abilityDocument struct {
	Service     string           `json:"service"`
	Level       permission.Level `json:"level"`
	Resources   []string         `json:"resources"`
	Conditional bool             `json:"conditional,omitempty"`
}

type cellDocument struct {
	Org      string       `json:"org"`
	App      string       `json:"app"`
	Access   audit.Access `json:"access"`
	Machines []string     `json:"machines,omitempty"`
	Except   []string     `json:"except,omitempty"`
}

// NewAudit makes the document of an audit.
func NewAudit(r audit.Report) AuditDocument {
	doc := AuditDocument{
		Schema: AuditSchema, Time: r.Now.UTC().Truncate(time.Second), Partition: r.Partition, Account: r.Account, Caller: r.Caller,
		RolesSeen: r.Seen, Complete: !slices.ContainsFunc(r.Gaps, audit.Gap.IsPartial),
		Findings: []auditFindingDocument{}, Apps: append([]audit.App{}, r.Apps...), Roles: []auditRoleDocument{},
		Providers: append([]setup.Provider{}, r.Providers...), Gaps: append([]audit.Gap{}, r.Gaps...),
	}
	doc.Errors, doc.Warnings = auditCounts(r)
	for _, f := range r.Findings {
		d := auditFindingDocument{
			Code: f.Code, Severity: f.Severity, Message: AuditWords(f), Role: f.Role, Provider: f.Provider, Audience: f.Audience, Names: f.Names, Days: f.Days,
		}
		if f.App.Org != "" {
			d.App = &f.App
		}
		if f.Lint != nil {
			d.Lint = newLintFindings([]lint.Finding{*f.Lint})
		}
		doc.Findings = append(doc.Findings, d)
	}
	for _, role := range r.Roles {
		doc.Roles = append(doc.Roles, newAuditRole(r, role))
	}
	return doc
}

func newAuditRole(r audit.Report, role audit.RoleReport) auditRoleDocument {
	d := auditRoleDocument{
		Name: role.Name, ARN: role.ARN, Tags: role.Tags, Boundary: role.Boundary, Power: role.Power, May: AbilityWords(role),
		Abilities: []abilityDocument{}, Apps: []cellDocument{}, Admits: NewAdmissions(role.Trust.Admissions),
	}
	if !role.LastUsed.IsZero() {
		d.LastUsed = &role.LastUsed
	}
	for _, a := range role.Abilities {
		d.Abilities = append(d.Abilities, abilityDocument{a.Service, a.Level, a.Resources, a.Conditional})
	}
	for _, c := range r.Cells {
		if c.Role == role.Name {
			d.Apps = append(d.Apps, cellDocument{c.App.Org, c.App.Name, c.Access, c.Machines, c.Except})
		}
	}
	return d
}
