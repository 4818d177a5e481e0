package render

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/fly-aws/fly-aws/internal/audit"
	"github.com/fly-aws/fly-aws/internal/text"
	"github.com/fly-aws/fly-aws/setup"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

var auditTime = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

// auditRole is a role that lets in subjects of acme, with an inline policy that allows the
// actions, separated by spaces, on the resource.
func auditRole(t *testing.T, name, actions, resource string, subjects ...string) audit.Role {
	t.Helper()
	r := audit.Role{Role: setup.Role{Name: name, ARN: "arn:aws:iam::123456789012:role/" + name}}
	r.Trust = parse(t, `{"Version":"2012-10-17","Statement":[{"Sid":"Fly","Effect":"Allow","Principal":{"Federated":"arn:aws:iam::123456789012:oidc-provider/oidc.fly.io/acme"},
"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"oidc.fly.io/acme:aud":"sts.amazonaws.com"},"StringLike":{"oidc.fly.io/acme:sub":"acme:web:*"}}}]}`)
	r.Trust.Statements[0].Conditions[1].Values = subjects
	if actions == "" {
		return r
	}
	policy, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": map[string]any{"Effect": "Allow", "Action": strings.Fields(actions), "Resource": resource}})
	if err != nil {
		t.Fatal(err)
	}
	d, err := setup.ParseDocument(policy)
	if err != nil {
		t.Fatal(err)
	}
	r.Policies = []setup.RolePolicy{{Role: name, Name: "own", Document: d}}
	return r
}

func auditInput(roles ...audit.Role) audit.Input {
	return audit.Input{Now: auditTime, FlyOrgs: []string{"acme"}, Inventory: audit.Inventory{
		Partition: "aws", Account: "123456789012", Caller: "arn:aws:sts::123456789012:assumed-role/auditor/me", Roles: roles, Seen: 40, ProvidersKnown: true,
		Providers: []setup.Provider{{ARN: "arn:aws:iam::123456789012:oidc-provider/oidc.fly.io/acme", URL: "https://oidc.fly.io/acme", Audiences: []string{"sts.amazonaws.com"}}},
	}}
}

func auditHTML(t *testing.T, in audit.Input) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := AuditHTML(&b, audit.Audit(in), "1.2.3"); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestAuditHTML(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := AuditHTML(&b, auditExample(t), "1.2.3"); err != nil {
		t.Fatal(err)
	}
	checkHTML(t, b.Bytes())
	golden(t, "audit.html", b.Bytes())

	in := auditInput()
	in.Providers = nil
	if all := checkHTML(t, auditHTML(t, in)); !strings.Contains(all, "Nothing found.") || !strings.Contains(all, "No role concerns Fly.") || strings.Contains(all, "not seen") {
		t.Errorf("nothing to report:\n%s", all)
	}
	in = auditInput(audit.Role{Role: setup.Role{Name: "unread"}})
	if all := checkHTML(t, auditHTML(t, in)); !strings.Contains(all, "unknown: its trust policy cannot be read") || strings.Contains(all, "nobody") {
		t.Errorf("a trust policy that cannot be read:\n%s", all)
	}
	r, w := io.Pipe()
	r.Close()
	if err := AuditHTML(w, auditExample(t), "1.2.3"); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("a writer's error is %v", err)
	}
}

// TestAuditHTMLHostile has text from outside in every place that takes it.
func TestAuditHTMLHostile(t *testing.T) {
	t.Parallel()
	var places []string
	hostile := func(place string) string {
		places = append(places, place)
		return "<script>alert('" + place + "')</script>\"'><img src=x onerror=alert(1)>]]>--></style>&lt;%s\x1b[31m\x00\u202e\xff"
	}
	evil := auditRole(t, "evil", "*", "*", "acme:*", "acme:web:"+hostile("machine"))
	evil.Name, evil.ARN, evil.Boundary = hostile("role"), hostile("role ARN"), hostile("boundary")
	evil.Tags = map[string]string{hostile("tag"): hostile("tag's value"), "token": "fo1_secret"}
	evil.Policies = append(evil.Policies, setup.RolePolicy{ARN: hostile("policy ARN")}, setup.RolePolicy{Name: hostile("policy")})
	reads := auditRole(t, "reads", "s3:GetObject", "arn:aws:s3:::"+hostile("resource"), "acme:web:*")
	repaired := auditRole(t, "repaired", "", "", "Acme:web:*")
	principal := auditRole(t, "principal", "", "", "acme:web:*")
	principal.Trust.Statements[0].Principal = &trustpolicy.Principal{AWS: []string{hostile("principal")}}
	principal.Trust.Statements[0].Action = []string{"sts:AssumeRole"}
	in := auditInput(evil, reads, repaired, principal)
	in.Apps = []audit.App{{Org: "acme", Name: hostile("app"), StaticKeys: []string{hostile("secret")}}, {Org: hostile("org"), Name: "web"}}
	in.Account, in.Caller = hostile("account"), hostile("caller")
	in.Providers = append(in.Providers, setup.Provider{ARN: hostile("provider ARN"), URL: hostile("URL"), Audiences: []string{hostile("audience")}})
	in.Gaps = []audit.Gap{{Code: audit.GapFly, Reason: hostile("gap")}}
	r := audit.Audit(in)
	for _, f := range r.Findings {
		if f.Lint != nil && f.Lint.After != nil {
			f.Lint.After.Sid = hostile("Sid") // which trustpolicy does not parse
		}
	}
	var b bytes.Buffer
	if err := AuditHTML(&b, r, hostile("version")); err != nil {
		t.Fatal(err)
	}
	all := checkHTML(t, b.Bytes())
	for _, place := range places {
		if !strings.Contains(all, "<script>alert('"+place+"')</script>") {
			t.Errorf("the %s is not shown", place)
		}
	}
	if strings.Contains(all, "fo1_") || !strings.Contains(all, text.HiddenToken) {
		t.Error("a token is shown")
	}
}

// TestAuditHTMLSize: 300 roles that 300 apps can assume are a page that a browser shows.
func TestAuditHTMLSize(t *testing.T) {
	t.Parallel()
	var roles []audit.Role
	for i := range 300 {
		roles = append(roles, auditRole(t, fmt.Sprintf("role-of-a-common-length-%d", i), "s3:GetObject s3:PutObject", "arn:aws:s3:::files/*", "acme:*"))
	}
	in := auditInput(roles...)
	for i := range 300 {
		in.Apps = append(in.Apps, audit.App{Org: "acme", Name: fmt.Sprintf("app-of-a-common-length-%d", i)})
	}
	page := auditHTML(t, in)
	all := checkHTML(t, page)
	if n := len(page); n > 4<<20 {
		t.Errorf("%d bytes", n)
	}
	if !strings.Contains(all, "Not drawn: 90000 lines") {
		t.Error("it is not said that 90,000 lines are not drawn")
	}
}

// The elements of the page, and their attributes with all values that they may have. None
// runs or loads anything.
var (
	auditElements = strings.Fields("html head meta title style body header main section nav h1 h2 h3 p ul li dl dt dd a b strong em small span code time pre div " +
		"table caption thead tbody tr th td details summary svg text tspan path")
	auditAttributes = map[string]string{
		"aria-label": "[A-Za-z ]+", "aria-labelledby": "drawing", "charset": "utf-8", "class": "[a-z ]+", "colspan": `\d+`, "d": `[MC\d -]+`, "datetime": `[\dTZ:-]+`,
		"height": `\d+`, "href": "#[a-z]+(-\\d+)?|" + regexp.QuoteMeta(pageLint), "id": `[a-z]+(-\d+)?`, "lang": "en", "role": "img|region",
		"scope": "col|row|rowgroup", "tabindex": "0", "viewBox": `[\d ]+`, "width": `\d+`, "x": `\d+`, "y": `\d+`,
		"http-equiv": "Content-Security-Policy", "name": "viewport|color-scheme|referrer",
		"content": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'|width=device-width, initial-scale=1|light dark|no-referrer",
	}
	// A paragraph ends where an element begins that is not one of these.
	phrasing = strings.Fields("a b strong em small span code time")
)

// checkHTML reads a page strictly, as XML: every element is closed in its place, and
// elements and attributes are those above. It returns the text, an element to a line.
func checkHTML(t *testing.T, page []byte) string {
	t.Helper()
	if !utf8.Valid(page) || !bytes.HasPrefix(page, []byte("<!DOCTYPE html>\n")) {
		t.Error("no UTF-8, or no HTML")
	}
	var all strings.Builder
	var open []string
	ids, links := map[string]bool{}, map[string]bool{}
	d := xml.NewDecoder(bytes.NewReader(page))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			name := token.Name.Local
			if !slices.Contains(auditElements, name) {
				t.Errorf("an element <%s>", name)
			}
			if slices.ContainsFunc(open, func(e string) bool { return e == "p" || e == "h1" || e == "h2" || e == "h3" }) && !slices.Contains(phrasing, name) {
				t.Errorf("<%s> in %q", name, open)
			}
			open = append(open, name)
			for _, a := range token.Attr {
				pattern, ok := auditAttributes[a.Name.Local]
				if !ok || !regexp.MustCompile("^(?:"+pattern+")$").MatchString(a.Value) {
					t.Errorf("an attribute %s=%q", a.Name.Local, a.Value)
				}
				switch {
				case a.Name.Local == "id" && ids[a.Value]:
					t.Errorf("the id %s is there twice", a.Value)
				case a.Name.Local == "id":
					ids[a.Value] = true
				case a.Name.Local == "href" && a.Value[0] == '#':
					links[a.Value[1:]] = true
				}
			}
		case xml.EndElement:
			open = open[:len(open)-1]
			all.WriteByte('\n')
		case xml.CharData:
			if strings.ContainsFunc(string(token), func(r rune) bool { return r != '\n' && !text.Visible(r) }) {
				t.Errorf("an invisible character in %q", token)
			}
			if len(open) > 0 && open[len(open)-1] != "style" {
				all.Write(token)
			}
		case xml.Directive: // the document type
		default:
			t.Errorf("a %T", token)
		}
	}
	for id := range links {
		if !ids[id] {
			t.Errorf("a link to #%s, which is not there", id)
		}
	}
	return all.String()
}

// TestAuditCSS: the style sheet loads nothing, and the contrasts are those of WCAG's level AA
// (https://www.w3.org/TR/WCAG22/#contrast-minimum).
func TestAuditCSS(t *testing.T) {
	t.Parallel()
	if regexp.MustCompile(`[<&\\]|@import|@font-face|url\(`).MatchString(auditCSS) {
		t.Error("the style sheet has markup or loads something")
	}
	colors := map[string][2]float64{} // the luminances in a light and in a dark page
	for _, m := range regexp.MustCompile(`--([a-z]+): light-dark\(#([0-9a-f]{6}), #([0-9a-f]{6})\);`).FindAllStringSubmatch(auditCSS, -1) {
		colors[m[1]] = [2]float64{luminance(t, m[2]), luminance(t, m[3])}
	}
	contrast := func(front, back string, least float64) {
		a, b := colors[front], colors[back]
		for i := range a {
			if c := (max(a[i], b[i]) + .05) / (min(a[i], b[i]) + .05); c < least || a[i] == b[i] {
				t.Errorf("%s on %s has a contrast of %.2f:1 (%d)", front, back, c, i)
			}
		}
	}
	for _, name := range []string{"text", "dim", "link", "error", "warning"} {
		contrast(name, "page", 4.5)
		contrast(name, "box", 4.5)
	}
	contrast("text", "edge", 4.5)
	for _, power := range auditPowers {
		contrast("on", powerClass(power), 4.5)
		contrast(powerClass(power), "page", 3) // of a line
	}
}

func luminance(t *testing.T, color string) float64 {
	t.Helper()
	var sum float64
	for i, weight := range []float64{.2126, .7152, .0722} {
		n, err := strconv.ParseUint(color[2*i:2*i+2], 16, 8)
		if err != nil {
			t.Fatal(err)
		}
		c := float64(n) / 255
		if c <= .04045 {
			c /= 12.92
		} else {
			c = math.Pow((c+.055)/1.055, 2.4)
		}
		sum += weight * c
	}
	return sum
}
