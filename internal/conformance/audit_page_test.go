package conformance

import (
	"bytes"
	"context"
	"fmt"
	"html"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fly-aws/fly-aws/internal/audit"
	"github.com/fly-aws/fly-aws/internal/render"
	"github.com/fly-aws/fly-aws/setup"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

// browser finds a Chromium, or skips the test.
func browser(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("drives another program; not in short mode")
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if exec.CommandContext(t.Context(), name, "--version").Run() == nil {
			return name
		}
	}
	t.Skip("no Chromium is installed")
	return ""
}

// openPage opens a page in the browser, and returns its elements once it is loaded, and what was
// written to the console.
func openPage(t *testing.T, browser, page string) (dom, console string) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "page.html")
	if err := os.WriteFile(file, []byte(page), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, browser, "--headless", "--no-sandbox", "--hide-scrollbars", "--disable-gpu", "--no-first-run", "--disable-background-networking",
		"--user-data-dir="+filepath.Join(dir, "profile"), "--enable-logging=stderr", "--window-size=1400,1000", "--dump-dom", "file://"+filepath.ToSlash(file))
	c.WaitDelay = time.Second
	var out, problems bytes.Buffer
	c.Stdout, c.Stderr = &out, &problems
	if err := c.Run(); err != nil {
		t.Fatalf("%v\n%s", err, &problems)
	}
	for line := range strings.Lines(problems.String()) {
		if strings.Contains(line, "CONSOLE") {
			console += line
		}
	}
	return out.String(), console
}

// auditPage is the page of an account whose names are hostile, and longer than a phone is wide.
func auditPage(t *testing.T) string {
	t.Helper()
	const hostile = `"><script>console.log("ran")</script><img src=x onerror=console.log("ran")>`
	trust, err := trustpolicy.Parse([]byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::` + account +
		`:oidc-provider/oidc.fly.io/acme"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringLike":{"oidc.fly.io/acme:sub":["acme:*","Acme:web:*"]}}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	in := audit.Input{Now: time.Unix(0, 0), Inventory: audit.Inventory{
		Partition: "aws", Account: account, Caller: hostile, Seen: 20, ProvidersKnown: true,
		Providers: []setup.Provider{{ARN: trustpolicy.ProviderARN("aws", account, "acme"), URL: "https://oidc.fly.io/acme", Audiences: []string{hostile}}},
		Gaps:      []audit.Gap{{Code: audit.GapRoles, Reason: hostile}},
	}}
	for i := range 20 {
		in.Roles = append(in.Roles, audit.Role{Role: setup.Role{Name: fmt.Sprint(hostile, strings.Repeat("x", 64), i), ARN: hostile, Trust: trust, Tags: map[string]string{hostile: hostile}}})
	}
	in.Apps = []audit.App{{Org: "acme", Name: hostile}, {Org: "acme", Name: strings.Repeat("a", 100)}}
	var b strings.Builder
	if err := render.AuditHTML(&b, audit.Audit(in), "1.2.3"); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// The page of an audit is quiet in a browser: its own policy has nothing to object to, and
// hostile names do not run even without that policy. Only boxes within it scroll sideways,
// on a phone too.
func TestAuditPageInABrowser(t *testing.T) {
	t.Parallel()
	path := browser(t)
	if _, console := openPage(t, path, `<script>console.log("ran")</script>`); !strings.Contains(console, "ran") {
		t.Fatal("the browser does not show its console")
	}
	page := auditPage(t)
	dom, console := openPage(t, path, page)
	if console != "" {
		t.Errorf("in the console: %s", console)
	}
	if !strings.Contains(dom, "&lt;script&gt;") || strings.Contains(dom, "<script") || strings.Contains(dom, "<img") {
		t.Errorf("the page has an element of a name:\n%s", dom)
	}

	before, rest, _ := strings.Cut(page, `<meta http-equiv="Content-Security-Policy"`)
	_, after, found := strings.Cut(rest, ">")
	if !found {
		t.Fatal("the page has no policy")
	}
	unguarded := html.EscapeString(strings.ReplaceAll(before+after, "<details>", "<details open>"))
	const frame = `<iframe width="%d" height="900" srcdoc="%s"></iframe>`
	dom, console = openPage(t, path, fmt.Sprintf(frame+frame, 390, unguarded, 1280, unguarded)+
		`<p></p><script>onload = () => { for (const f of document.querySelectorAll("iframe")) {
			const e = f.contentDocument.documentElement
			document.querySelector("p").append(e.clientWidth, " ", e.scrollWidth, " ", e.scrollHeight > 1000, "; ")
		} }</script>`)
	if console != "" {
		t.Errorf("in the console of the page without its policy: %s", console)
	}
	if want := "<p>390 390 true; 1280 1280 true; </p>"; !strings.Contains(dom, want) {
		_, got, _ := strings.Cut(dom, "</iframe><p>")
		t.Errorf("the widths of windows and pages are %.100s, want %s", got, want)
	}
}
