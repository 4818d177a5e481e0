package render

import (
	"bufio"
	_ "embed" // the style sheet
	"fmt"
	"html"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/fly-aws/fly-aws/internal/audit"
	"github.com/fly-aws/fly-aws/internal/lint"
	"github.com/fly-aws/fly-aws/internal/text"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

//go:embed audit.css
var auditCSS string

// AuditHTML writes what an audit found as one HTML page, the worst first. The page has no
// script and loads nothing, and it says the same as Audit. The error is w's.
func AuditHTML(w io.Writer, r audit.Report, version string) error {
	p := newAuditPage(w, r)
	p.put(`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8"/>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<meta name="color-scheme" content="light dark"/>
<meta name="referrer" content="no-referrer"/>
<title>fly-aws audit of AWS account %s</title>
<style>
%s</style>
</head>
<body>
`, text.Name(r.Account), markup(auditCSS))
	p.header(version)
	p.put("<main>\n")
	p.findings()
	p.matrix()
	p.graph()
	p.roles()
	p.providers()
	p.put("</main>\n</body>\n</html>\n")
	return p.w.Flush()
}

// An auditPage writes the page. It is well-formed as XML too, so that a test can read it.
type auditPage struct {
	w *bufio.Writer
	audit.Report
	// index has the places in Roles, by name.
	index map[string]int
	// access has the cells.
	access map[cellKey]audit.Access
	// columns are the roles with a cell, by their places in Roles; rows are the apps with
	// one, and rest those without.
	columns    []int
	rows, rest []audit.App
}

type (
	appKey  struct{ org, name string }
	cellKey struct {
		appKey
		role string
	}
)

func keyOf(app audit.App) appKey { return appKey{app.Org, app.Name} }

func newAuditPage(w io.Writer, r audit.Report) auditPage {
	p := auditPage{w: bufio.NewWriter(w), Report: r, index: map[string]int{}, access: map[cellKey]audit.Access{}}
	apps, roles := map[appKey]bool{}, map[string]bool{}
	for _, c := range r.Cells {
		p.access[cellKey{keyOf(c.App), c.Role}] = c.Access
		apps[keyOf(c.App)], roles[c.Role] = true, true
	}
	for i, role := range r.Roles {
		p.index[role.Name] = i
		if roles[role.Name] {
			p.columns = append(p.columns, i)
		}
	}
	for _, app := range r.Apps {
		if apps[keyOf(app)] {
			p.rows = append(p.rows, app)
		} else {
			p.rest = append(p.rest, app)
		}
	}
	return p
}

// markup is HTML of our own making.
type markup string

// put writes a format of HTML. Everything but a number and markup is cleaned, freed of
// secrets and escaped, for the text of an element and for a quoted attribute. Text from
// outside does not go into attributes all the same.
func (p auditPage) put(format string, args ...any) {
	for i, arg := range args {
		switch arg.(type) {
		case int, markup:
		default:
			args[i] = html.EscapeString(text.Clean(text.Redact(fmt.Sprint(arg))))
		}
	}
	fmt.Fprintf(p.w, format, args...)
}

func (p auditPage) header(version string) {
	now := p.Now.UTC().Truncate(time.Second)
	p.put("<header>\n<p class=\"dim\">fly-aws audit</p>\n<h1>AWS account %s: who on Fly can become what</h1>\n", text.Name(p.Account))
	p.put("<p>%s of %d concern Fly; %s. Read on <time datetime=\"%s\">%s</time>", Count(len(p.Roles), "role"), p.Seen,
		Count(len(p.Providers), "provider"), now.Format(time.RFC3339), now.Format("2 January 2006 at 15:04 UTC"))
	if p.Caller != "" {
		p.put(" as <code>%s</code>", text.Name(p.Caller))
	}
	p.put(" by fly-aws %s.</p>\n", text.Name(version))
	p.gaps()
	summary := auditSummary(p.Report)
	p.put("<p class=\"sum\">%s.</p>\n<ul class=\"counts\">\n", strings.ToUpper(summary[:1])+summary[1:])
	for _, count := range []string{Count(len(p.Roles), "role"), Count(len(p.Apps), "app"), Count(len(p.Cells), "way") + " from an app to a role"} {
		number, noun, _ := strings.Cut(count, " ")
		p.put("<li><b>%s</b> %s</li>\n", number, noun)
	}
	p.put("</ul>\n<nav aria-label=\"Parts of this page\"><a href=\"#findings\">Findings</a> <a href=\"#matrix\">Apps and roles</a> " +
		"<a href=\"#roles\">Roles</a> <a href=\"#providers\">Providers</a></nav>\n</header>\n")
}

// gaps says what was not seen.
func (p auditPage) gaps() {
	if len(p.Gaps) == 0 {
		return
	}
	if sawAll(p.Report) != "" {
		p.put("<section class=\"gaps partial\">\n<h2>This is not the whole account</h2>\n<p>Roles are missing below, and so are their findings.</p>\n<ul>\n")
	} else {
		p.put("<section class=\"gaps\">\n<h2>What was not seen</h2>\n<ul>\n")
	}
	for _, g := range p.Gaps {
		p.put("<li>%s</li>\n", gapWords(g))
	}
	p.put("</ul>\n</section>\n")
}

func (p auditPage) findings() {
	p.put("<section id=\"findings\">\n<h2>Findings</h2>\n")
	if len(p.Findings) == 0 {
		p.put("<p>%s</p>\n", "Nothing found"+sawAll(p.Report)+".")
	} else {
		p.put("<ul class=\"findings\">\n")
		for _, f := range p.Findings {
			p.put("<li>")
			p.finding(f)
			if i, ok := p.index[f.Role]; ok {
				p.put(" <a href=\"#role-%d\">see the role</a>", i)
			}
			p.put("</li>\n")
		}
		p.put("</ul>\n")
	}
	p.put("</section>\n")
}

func (p auditPage) finding(f audit.Finding) {
	class := "warning"
	if f.Severity == trustpolicy.SeverityError {
		class = "error"
	}
	p.put("<strong class=\"%s\">%s</strong> %s", class, class, auditWords(f))
	if rule := auditRule(f); rule != "" {
		p.put(" <a href=\"%s\">%s</a>", pageLint, rule)
	}
}

// auditPowers are the powers, from the most to the least. Their first letters differ.
var auditPowers = []audit.Power{audit.PowerAdministrator, audit.PowerBroad, audit.PowerUnknown, audit.PowerWrite, audit.PowerRead, audit.PowerNone}

// powerClass is the class of a power in the style sheet, and powerLetter stands for it where
// there is no room for its words.
func powerClass(p audit.Power) string {
	if !slices.Contains(auditPowers, p) {
		p = audit.PowerUnknown
	}
	return string(p)
}

func powerLetter(p audit.Power) markup { return markup(strings.ToUpper(powerClass(p)[:1])) }

// accessMarks follow the letter of a cell.
var accessMarks = map[audit.Access]markup{audit.AccessSome: " <small>some</small>", audit.AccessMaybe: " <small>if</small>"}

// matrix shows who can become what, and lists the roles and apps without a cell.
func (p auditPage) matrix() {
	p.put("<section id=\"matrix\">\n<h2>Apps and roles</h2>\n")
	if len(p.columns) == 0 {
		p.put("<p>%s</p>\n", "No known app can assume a role"+sawAll(p.Report)+".")
	} else {
		p.table()
	}
	if len(p.columns) < len(p.Roles) {
		p.put("<h3>Roles that no known app can assume</h3>\n<ul>\n")
		for i, role := range p.Roles {
			if !slices.Contains(p.columns, i) {
				p.put("<li><a href=\"#role-%d\">%s</a> (%s): %s</li>\n", i, text.Name(role.Name), powerWords(role.Power), strings.Join(WhoCan(p.Report, role), "; "))
			}
		}
		p.put("</ul>\n")
	}
	if len(p.rest) > 0 {
		p.put("<h3>Apps that can assume no role</h3>\n<ul>\n")
		for _, apps := range byOrg(p.rest) {
			var names []string
			for _, app := range apps {
				name := text.Name(app.Name)
				if app.Absent {
					name += " (not on Fly)"
				}
				names = append(names, name)
			}
			p.put("<li>%s: %s</li>\n", text.Name(apps[0].Org), strings.Join(names, ", "))
		}
		p.put("</ul>\n")
	}
	p.put("</section>\n")
}

func (p auditPage) table() {
	p.put("<p>What a role may do:</p>\n<ul class=\"legend\">\n")
	for _, power := range auditPowers {
		p.put("<li><b class=\"power %s\">%s</b> %s</li>\n", powerClass(power), powerLetter(power), powerWords(power))
	}
	p.put("</ul>\n<p>Every machine of an app can assume a role, or <em>some</em>: those that the trust policy names, " +
		"or <em>if</em>: under conditions that are not known here.</p>\n" +
		"<p class=\"paper\">On paper a wide table is cut at the edge. What is said of each role below has all of it.</p>\n" +
		"<div class=\"scroll\" role=\"region\" aria-label=\"Apps and roles\" tabindex=\"0\">\n<table class=\"matrix\">\n" +
		"<caption>Which apps can assume which roles</caption>\n<thead>\n<tr><th scope=\"col\">App</th>")
	for _, i := range p.columns {
		role := p.Roles[i]
		p.put("<th scope=\"col\"><a href=\"#role-%d\">%s</a><span class=\"hidden\">, %s</span></th>", i, text.Name(role.Name), powerWords(role.Power))
	}
	p.put("</tr>\n</thead>\n")
	for _, apps := range byOrg(p.rows) {
		p.put("<tbody>\n<tr><th scope=\"rowgroup\" colspan=\"%d\"><span>%s</span></th></tr>\n", len(p.columns)+1, text.Name(apps[0].Org))
		for _, app := range apps {
			p.put("<tr><th scope=\"row\">%s</th>", text.Name(app.Name))
			for _, i := range p.columns {
				role := p.Roles[i]
				if access, ok := p.access[cellKey{keyOf(app), role.Name}]; ok {
					p.put("<td class=\"%s\">%s%s</td>", markup(powerClass(role.Power)), powerLetter(role.Power), accessMarks[access])
				} else {
					p.put("<td></td>")
				}
			}
			p.put("</tr>\n")
		}
		p.put("</tbody>\n")
	}
	p.put("</table>\n</div>\n")
}

// byOrg groups apps, which are sorted.
func byOrg(apps []audit.App) [][]audit.App {
	var out [][]audit.App
	for i, app := range apps {
		if i == 0 || app.Org != apps[i-1].Org {
			out = append(out, nil)
		}
		out[len(out)-1] = append(out[len(out)-1], app)
	}
	return out
}

// mostEdges is how many lines of a drawing can be told apart.
const mostEdges = 60

// graph draws the matrix if that is readable.
func (p auditPage) graph() {
	if len(p.Cells) == 0 {
		return
	}
	p.put("<section id=\"graph\">\n<h2>As a drawing</h2>\n")
	if len(p.Cells) < mostEdges {
		p.drawing()
	} else {
		p.put("<p>Not drawn: %d lines from apps to roles could not be told apart. The table above has them.</p>\n", len(p.Cells))
	}
	p.put("</section>\n")
}

// drawing has the apps by organization on the left, and the roles on the right.
func (p auditPage) drawing() {
	// Lengths are in pixels. The letters of the font have one width, a little less than this.
	const line, letter, between = 24, 8, 200
	lines := len(p.rows) + len(byOrg(p.rows))
	high := line * max(lines, len(p.columns))
	width := func(s string) int { return letter * utf8.RuneCountInString(s) }
	var labels []func()
	left, right, n := 0, 0, 0
	appY := map[appKey]int{}
	for _, apps := range byOrg(p.rows) {
		label := func(class, name string) int {
			n++
			y := n * high / lines
			left = max(left, width(name))
			labels = append(labels, func() { p.put("<text class=\"%s\" x=\"%d\" y=\"%d\">%s</text>\n", class, left, y, name) })
			return y
		}
		label("org", text.Name(apps[0].Org))
		for _, app := range apps {
			appY[keyOf(app)] = label("app", text.Name(app.Name))
		}
	}
	roleY := map[string]int{}
	for n, i := range p.columns {
		role := p.Roles[i]
		y, name, power := (n+1)*high/len(p.columns), text.Name(role.Name), powerWords(role.Power)
		right = max(right, width(name+" "+power))
		roleY[role.Name] = y
		labels = append(labels, func() {
			p.put("<text x=\"%d\" y=\"%d\">%s <tspan>%s</tspan></text>\n", left+between, y, name, power)
		})
	}
	wide := left + between + right
	p.put("<div class=\"scroll\" role=\"region\" aria-label=\"Drawing\" tabindex=\"0\">\n"+
		"<svg role=\"img\" aria-labelledby=\"drawing\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\">\n"+
		"<title id=\"drawing\">Lines from apps to the roles that they can assume, as in the table above</title>\n", wide, high+line, wide, high+line)
	for _, c := range p.Cells {
		const gap, lift = 8, 5 // from a text, and from its baseline to its middle
		from, to, mid := left+gap, left+between-gap, left+between/2
		start, end := appY[keyOf(c.App)]-lift, roleY[c.Role]-lift
		class := powerClass(p.Roles[p.index[c.Role]].Power)
		if c.Access != audit.AccessAll {
			class += " part"
		}
		p.put("<path class=\"%s\" d=\"M%d %dC%d %d %d %d %d %d\"/>\n", class, from, start, mid, start, mid, end, to, end)
	}
	for _, label := range labels {
		label()
	}
	p.put("</svg>\n</div>\n<p>Colors are as in the table. A dashed line is for some machines, or under conditions.</p>\n")
}

func (p auditPage) roles() {
	p.put("<section id=\"roles\">\n<h2>Roles</h2>\n")
	if len(p.Roles) == 0 {
		p.put("<p>%s</p>\n", "No role concerns Fly"+sawAll(p.Report)+".")
	}
	findings := map[string][]audit.Finding{}
	for _, f := range p.Findings {
		findings[f.Role] = append(findings[f.Role], f)
	}
	for i, role := range p.Roles {
		p.role(i, role, findings[role.Name])
	}
	p.put("</section>\n")
}

func (p auditPage) role(i int, role audit.RoleReport, findings []audit.Finding) {
	p.put("<details>\n<summary><span class=\"name\">%s</span> <b class=\"power %s\">%s</b>", text.Name(role.Name), powerClass(role.Power), powerWords(role.Power))
	if len(findings) > 0 {
		p.put(" <span class=\"dim\">%s</span>", Count(len(findings), "finding"))
	}
	p.put("</summary>\n<div id=\"role-%d\">\n", i)
	if len(findings) > 0 {
		p.put("<ul class=\"findings\">\n")
		for _, f := range findings {
			p.put("<li>")
			p.finding(f)
			p.repair(f.Lint)
			p.put("</li>\n")
		}
		p.put("</ul>\n")
	}
	p.put("<dl>\n")
	may := abilityParts(role, math.MaxInt)
	switch {
	case len(may) == 0:
		may = []string{powerWords(role.Power)}
	case role.Denies:
		may = append(may, deniesWords)
	}
	p.about("May", may...)
	p.about("Can be assumed by", WhoCan(p.Report, role)...)
	var policies []string
	for _, policy := range role.Policies {
		if policy.ARN != "" {
			policies = append(policies, policyName(policy.ARN))
		} else {
			policies = append(policies, policy.Name+" (inline)")
		}
	}
	p.about("Policies", policies...)
	if role.Boundary != "" {
		p.about("Within the boundary", policyName(role.Boundary))
	}
	if !role.LastUsed.IsZero() {
		p.about("Last used", role.LastUsed.UTC().Format("2 January 2006"))
	}
	var tags []string
	for _, key := range slices.Sorted(maps.Keys(role.Tags)) {
		tags = append(tags, key+"="+role.Tags[key])
	}
	p.about("Tags", tags...)
	p.about("ARN", role.ARN)
	p.put("</dl>\n</div>\n</details>\n")
}

// about says something about a role, if there is something.
func (p auditPage) about(what string, items ...string) {
	if len(items) == 0 {
		return
	}
	p.put("<dt>%s</dt>", what)
	for _, item := range items {
		p.put("<dd>%s</dd>", item)
	}
	p.put("\n")
}

// repair explains a finding about a trust policy and shows the statement as it should be.
func (p auditPage) repair(f *lint.Finding) {
	if f == nil {
		return
	}
	p.put("<p>%s</p>\n<p class=\"dim\">at <code>%s</code></p>\n", ruleDoc(f.Rule()).Why, f.Path)
	if f.After == nil {
		return
	}
	p.put("<p>The statement repaired:</p>\n<pre>")
	for line := range strings.Lines(f.After.Indent()) {
		p.put("%s\n", strings.TrimSuffix(line, "\n"))
	}
	p.put("</pre>\n")
}

func (p auditPage) providers() {
	p.put("<section id=\"providers\">\n<h2>Providers</h2>\n")
	switch {
	case !p.ProvidersKnown:
		p.put("<p>The account's OIDC providers were not seen.</p>\n")
	case len(p.Providers) == 0:
		p.put("<p>The account has no OIDC provider of Fly.</p>\n")
	default:
		p.put("<dl>\n")
		for _, provider := range p.Providers {
			audiences := "no audience, so STS refuses every token"
			if len(provider.Audiences) > 0 {
				audiences = "for " + list(provider.Audiences)
			}
			p.about(text.Name(provider.URL), audiences)
		}
		p.put("</dl>\n")
	}
	p.put("</section>\n")
}
