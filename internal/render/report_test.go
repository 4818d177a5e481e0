package render

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fly-aws/fly-aws/setup"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

// TestTrustChecks: checks that failed are always shown; passed ones beyond the limit are
// only counted.
func TestTrustChecks(t *testing.T) {
	t.Parallel()
	var checks []setup.Check
	for i := range maxChecks + 3 {
		checks = append(checks, setup.Check{
			App: "web", Role: fmt.Sprintf("role-%02d", i), Subject: "acme:web:any-machine", Want: trustpolicy.Allowed, Got: trustpolicy.Allowed,
		})
	}
	checks = append(checks,
		setup.Check{Role: "denies", Subject: "acme:web:any-machine", Want: trustpolicy.Allowed, Got: trustpolicy.ExplicitlyDenied},
		setup.Check{Role: "open", Subject: "acme:other:any-machine", Want: trustpolicy.ImplicitlyDenied, Got: trustpolicy.Allowed},
		setup.Check{Role: "unclear", Subject: "acme:web:any-machine", Want: trustpolicy.Allowed, Got: trustpolicy.Undecided},
	)
	var out bytes.Buffer
	TrustChecks(&out, &setup.Report{Checks: checks, Openness: []setup.Openness{
		{Role: "closed"},
		{Role: "open", Beyond: []trustpolicy.Admission{
			{Sid: "Wide", Kind: trustpolicy.AdmitsSubject, Issuer: "oidc.fly.io/acme", Name: "acme:w*", Example: "acme:wx:any-machine", Conditional: true},
			{Statement: 1, Kind: trustpolicy.AdmitsSubject, Issuer: "oidc.fly.io/acme", Name: "acme:api:m1", Example: "acme:api:m1"},
			{Statement: 1, Kind: trustpolicy.AdmitsSubject, Issuer: "oidc.fly.io/acme", Name: "*"},
			{Statement: 2, Kind: trustpolicy.AdmitsPrincipal, Name: "AWS arn:aws:iam::123456789012:root"},
			{Statement: 3, Kind: trustpolicy.AdmitsAnyone},
		}},
	}}, Style{})
	for _, want := range []string{
		"✓ checked: role role-09 allows acme:web:any-machine\n",
		"✗ role denies does not allow acme:web:any-machine\n",
		"! role open also allows acme:other:any-machine\n",
		"! undecided: whether role unclear allows acme:web:any-machine\n",
		"! role open lets in more than these apps:\n" +
			"    Statement 1 (Wide): acme:w*, such as acme:wx:any-machine, under conditions\n" +
			"    Statement 2: acme:api:m1\n" +
			"    Statement 2: every machine with a token of oidc.fly.io/acme (too many cases to find an example)\n" +
			"    Statement 3: principal arn:aws:iam::123456789012:root\n" +
			"    Statement 4: anyone\n",
		"✓ checked: 4 more, all as intended\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("there is no %q in:\n%s", want, &out)
		}
	}
	if strings.Contains(out.String(), "role-10") {
		t.Errorf("more than %d that passed are shown:\n%s", maxChecks, &out)
	}
}

// TestErrorList: several failures are a list, each with its own hints; hints that apply
// to all come last, once.
func TestErrorList(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	Error(&out, Problem{
		Message: "one\nmore of one\ntwo", Hints: []string{"fix one", "fix both", "fix two", "run it again"},
		Causes: []Cause{
			{Message: "one\nmore of one", Hints: []string{"fix one", "fix both"}},
			{Message: "two", Hints: []string{"fix two", "fix both"}},
		},
	}, Style{})
	const want = `Error: one
Error: more of one
→ fix one
→ fix both
Error: two
→ fix two
→ run it again
`
	if out.String() != want {
		t.Errorf("it is\n%sand not\n%s", &out, want)
	}
}

// TestDelete: deletions are shown and counted in the plan, in the progress, and if they
// did not take effect.
func TestDelete(t *testing.T) {
	t.Parallel()
	role := setup.Resource{Role: &setup.Role{Name: "fly-acme-Web", ARN: "arn:aws:iam::123456789012:role/fly-acme-Web"}}
	env := setup.Resource{Env: &setup.Env{Config: "fly.toml", App: "web", Key: setup.EnvRoleARN, Value: role.Role.ARN}}
	plan := &setup.Plan{Org: "acme", Account: "123456789012", Changes: []setup.Change{
		{Action: setup.ActionDelete, Before: &env}, {Action: setup.ActionDelete, Before: &role},
	}}
	var out bytes.Buffer
	Plan(&out, plan, Style{})
	progress := NewProgress(&out, plan.Changes, ProgressOptions{})
	progress.Event(setup.Event{Index: 0, Change: plan.Changes[0], Status: setup.StatusDone})
	progress.Event(setup.Event{Index: -1, Status: setup.StatusWaiting, Waiting: []setup.Mismatch{{Resource: role, Remains: true}}})
	report := &setup.Report{
		Results:    []setup.Result{{Change: plan.Changes[0], Status: setup.StatusDone}, {Change: plan.Changes[1], Status: setup.StatusUnreached}},
		Mismatches: []setup.Mismatch{{Resource: role, Remains: true}},
	}
	progress.End(report)
	Report(&out, report, Style{})
	Mismatches(&out, report.Mismatches, Style{})
	for _, want := range []string{
		"  - AWS_ROLE_ARN in fly.toml\n  - role fly-acme-Web\n", "Plan: 2 to delete.\n", "  ✓ delete AWS_ROLE_ARN in fly.toml (0s)\n",
		"Waiting for IAM to show role fly-acme-Web as written", "1 done, 0 failed, 1 not reached:\n  - role fly-acme-Web\n",
		"✗ role fly-acme-Web still exists\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("there is no %q in:\n%s", want, &out)
		}
	}
	if doc := NewReport(plan, report, time.Time{}, "1.0"); doc.Changes[1].ID != role.ID() || !doc.Findings[0].Remains {
		t.Errorf("the document is %+v", doc)
	}
}

// TestMore: shortened lists count what they leave out.
func TestMore(t *testing.T) {
	t.Parallel()
	warnings := make([]setup.Warning, 0, maxAlike+2)
	for range maxAlike + 1 {
		warnings = append(warnings, setup.Warning{Code: setup.WarningNoRegion, Apps: []string{"web"}, Config: "fly.toml"})
	}
	many := slices.Repeat([]string{"x"}, maxNext+2)
	for want, show := range map[string]func(w *bytes.Buffer){
		"! and 1 more warning of these kinds; --json shows them all\n":  func(w *bytes.Buffer) { Warnings(w, &setup.Plan{Warnings: warnings}, Style{}) },
		"! and 2 more warnings of these kinds; --json shows them all\n": func(w *bytes.Buffer) { Warnings(w, &setup.Plan{Warnings: append(warnings, warnings[0])}, Style{}) },
		"  and the same for 1 more app\n":                               func(w *bytes.Buffer) { Next(w, Style{}, many[1:]...) },
		"  and the same for 2 more apps\n":                              func(w *bytes.Buffer) { Next(w, Style{}, many...) },
		"  and 2 more\n": func(w *bytes.Buffer) {
			p := printer{w, Style{}}
			p.values("wanted", slices.Repeat([]string{"x"}, maxValues+2))
		},
	} {
		var out bytes.Buffer
		if show(&out); !strings.HasSuffix(out.String(), want) {
			t.Errorf("it does not end in %q:\n%s", want, &out)
		}
	}
}
