package setup_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fly-aws/fly-aws/setup"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

// A plan for one app checks its request once and parses its inline policy once; applying
// it adds nothing.
func TestEverythingIsParsedOnce(t *testing.T) { //nolint:paralleltest // the counters are package-wide
	checks, documents := setup.CountCalls(t)
	req := request("web")
	req.Roles[0].Inline = []setup.InlinePolicy{inline("own", getObject)}
	m := newMemory()
	p := plan(t, m, req)
	if *checks != 1 || *documents != 1 {
		t.Errorf("planning took %d checks, %d parsed policies", *checks, *documents)
	}
	apply(t, m, p)
	if *checks != 1 || *documents != 1 {
		t.Errorf("with its setup that was %d checks, %d parsed policies", *checks, *documents)
	}
	req.Roles[0].Inline = nil
	req.Roles[0].Presets = []setup.Preset{{Name: "s3-read", Answer: "bucket"}}
	*checks, *documents = 0, 0
	plan(t, m, req)
	if *checks != 1 || *documents != 1 {
		t.Errorf("with a preset it took %d checks, %d parsed policies", *checks, *documents)
	}
}

// After a write has failed no other begins, not even in the same stage.
func TestNoWriteAfterAFailure(t *testing.T) {
	t.Parallel()
	var apps []string
	for i := range 40 {
		apps = append(apps, fmt.Sprint("app-", i))
	}
	m := newMemory()
	p := plan(t, m, request(apps...))
	m.fail = func(id string) (error, bool) {
		if strings.HasPrefix(id, "role:") {
			return errBroken, false
		}
		return nil, false
	}
	report, err := tryApply(m, p)
	if !errors.Is(err, errBroken) {
		t.Fatal(err)
	}
	// The provider and the roles whose writes had begun.
	if n := len(m.writes); n > 1+8 || report.Count(setup.StatusFailed) != n-1 || report.Count(setup.StatusUnreached) != len(p.Changes)-n {
		t.Errorf("written: %v", m.writes)
	}
}

// Everything is checked before anything is written.
func TestFailedCheckPreventsEveryWrite(t *testing.T) {
	t.Parallel()
	m := newMemory()
	readOnly := errors.New("fly.toml is read-only")
	var mu sync.Mutex
	var checked []string
	m.checked = func(changes []setup.Change) error {
		mu.Lock()
		defer mu.Unlock()
		for _, c := range changes {
			checked = append(checked, c.Resource().ID())
			if c.Resource().Env != nil {
				return readOnly
			}
		}
		return nil
	}
	p := plan(t, m, request("web"))
	report, err := tryApply(m, p)
	if !errors.Is(err, readOnly) || len(m.writes) > 0 || report.Count(setup.StatusUnreached) != len(p.Changes) {
		t.Errorf("%v; written: %v", err, m.writes)
	}
	if len(checked) != len(p.Changes) {
		t.Errorf("checked: %v", checked)
	}
}

// IAM may show a write or a delete late; Apply waits 40 s in all.
func TestReadBackWaits(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		late  int // how many reads miss the role
		slept time.Duration
		found bool
	}{
		"at once":  {0, 0, true},
		"at last":  {3, 3500 * time.Millisecond, true},
		"not ever": {1000, 40 * time.Second, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMemory()
			p := plan(t, m, request("web"))
			m.late = func(id string, _ int) bool {
				if id != "role:fly-acme-web" || len(m.writes) == 0 {
					return false
				}
				test.late--
				return test.late >= 0
			}
			var waiting []setup.Event
			report, err := m.world().Apply(context.Background(), p, func(e setup.Event) {
				if e.Status == setup.StatusWaiting {
					waiting = append(waiting, e)
				}
			})
			if err != nil || m.slept != test.slept || (len(report.Mismatches) == 0) != test.found {
				t.Errorf("slept %v, mismatches %v, %v", m.slept, report.Mismatches, err)
			}
			for _, e := range waiting {
				if len(e.Waiting) != 1 || e.Waiting[0].Resource.Role.Name != "fly-acme-web" || !e.Waiting[0].Absent || e.Pause == 0 {
					t.Errorf("event %+v", e)
				}
			}
			if (len(waiting) > 0) != (test.slept > 0) {
				t.Errorf("%d events", len(waiting))
			}
		})
	}
}

// The other app in a check does not have the role itself, whatever the apps' names.
func TestNeighborsOfChecks(t *testing.T) {
	t.Parallel()
	apps := []string{"web", "web-neighbor", "web-neighbor-neighbor"}
	m := newMemory()
	report := apply(t, m, plan(t, m, shared(request(apps...), "fly")))
	denied := 0
	for _, check := range report.Checks {
		if !check.Passed() {
			t.Errorf("%s: wanted %s, got %s", check.Subject, check.Want, check.Got)
		}
		if check.Want != trustpolicy.Allowed {
			denied++
			if slices.Contains(apps, strings.Split(check.Subject, ":")[1]) {
				t.Errorf("%s was granted the role", check.Subject)
			}
		}
	}
	if denied != 2*len(apps) { // a longer and a shorter name, each
		t.Errorf("%d other apps were tried", denied)
	}
}

// A failed check is in the report, however many passed before it.
func TestFailedChecksAreReported(t *testing.T) {
	t.Parallel()
	var apps []string
	for i := range 20 {
		apps = append(apps, fmt.Sprintf("app-%02d", i))
	}
	m := newMemory()
	apply(t, m, plan(t, m, request(apps...)))
	m.edit("role:fly-acme-app-19", func(r *setup.Resource) {
		s := r.Role.Trust.Statements[0]
		s.Sid, s.Conditions = "Wide", slices.Clone(s.Conditions)
		s.Conditions[1].Values = []string{"acme:app*"}
		r.Role.Trust = r.Role.Trust.Merge(s)
	})
	var failed []string
	for _, check := range apply(t, m, plan(t, m, request(apps...))).Checks {
		if !check.Passed() {
			failed = append(failed, check.Subject)
		}
	}
	if !slices.Equal(failed, []string{"acme:app-19-neighbor:any-machine", "acme:app-1:any-machine"}) {
		t.Errorf("failed: %v", failed)
	}
}

// A plan that was just made and has nothing to do is not read again. One from a file is,
// and only in its own account.
func TestApplyReadsNoMoreThanItNeeds(t *testing.T) {
	t.Parallel()
	m := newMemory()
	apply(t, m, plan(t, m, request("web")))
	p := plan(t, m, request("web"))
	m.reads = 0
	if report := apply(t, m, p); m.reads != 0 || len(report.Checks) == 0 {
		t.Errorf("%d reads, %+v", m.reads, report)
	}
	from := reread(t, p)
	if apply(t, m, from); m.reads == 0 || from.Caller == "" {
		t.Errorf("%d reads, caller %q", m.reads, from.Caller)
	}
	from = reread(t, p)
	from.Account = "999999999999"
	var other *setup.OtherAccountError
	if _, err := tryApply(m, from); !errors.As(err, &other) || other.Have.Account != account {
		t.Errorf("in another account: %v", err)
	}
}

// A plan of fly.toml entries alone needs no account.
func TestPlanEntries(t *testing.T) {
	t.Parallel()
	m := newMemory(env("web", "AWS_REGION", "eu-central-1"))
	w := m.world()
	w.AWS = nil
	p, err := w.PlanEntries(context.Background(), []setup.Env{
		{Config: "web/fly.toml", App: "web", Key: setup.EnvRoleARN, Value: "arn:aws:iam::123456789012:role/x"},
		{Config: "web/fly.toml", App: "web", Key: setup.EnvRegion, Value: "us-east-1", IfAbsent: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	want(t, p, "create env:web/fly.toml:AWS_ROLE_ARN absent", "keep env:web/fly.toml:AWS_REGION")
	if _, err := w.Apply(context.Background(), p, nil); err != nil {
		t.Fatal(err)
	}
	if got := m.things["env:web/fly.toml:AWS_ROLE_ARN"].Env.Value; got != "arn:aws:iam::123456789012:role/x" {
		t.Errorf("it became %q", got)
	}
}

// Whoever else a role lets in is an extra of the plan and in the report, computed from the
// patterns: these let somebody in whom no neighbor with a made-up name would show.
func TestWhoElseIsLetIn(t *testing.T) {
	t.Parallel()
	const neighborDenied = `{"Effect":"Deny","Principal":{"Federated":"arn:aws:iam::` + account + `:oidc-provider/oidc.fly.io/acme"},"Action":"sts:*","Condition":{"StringLike":{"oidc.fly.io/acme:sub":["acme:web-neighbor:*","acme:we:*"]}}}`
	like := func(subject string) string { return strings.Replace(everyApp, "acme:*", subject, 1) }
	for name, test := range map[string]struct {
		statements []string
		want       string // example or name
	}{
		"another app":                  {[]string{like("acme:api:*")}, "acme:api:any-machine"},
		"a letter":                     {[]string{like("acme:a*")}, "acme:ax:any-machine"},
		"an ending":                    {[]string{like("acme:*-prod:*")}, "acme:x-prod:any-machine"},
		"a question mark":              {[]string{like("acme:we?:*")}, "acme:wex:any-machine"},
		"one machine of another app":   {[]string{like("acme:api:m1")}, "acme:api:m1"},
		"StringNotLike":                {[]string{strings.Replace(like("acme:web-neighbor:*"), "StringLike", "StringNotLike", 1)}, "acme:another-app:any-machine"},
		"ForAnyValue":                  {[]string{strings.Replace(like("acme:api:*"), "StringLike", "ForAnyValue:StringLike", 1)}, "acme:api:any-machine"},
		"every app with neighbors out": {[]string{everyApp, neighborDenied}, "acme:another-app:any-machine"},
		"another organization":         {[]string{strings.ReplaceAll(everyApp, "acme", "other")}, "other:another-app:any-machine"},
		"no subject":                   {[]string{strings.Replace(everyApp, `"oidc.fly.io/acme:sub":"acme:*"`, `"oidc.fly.io/acme:aud":"sts.amazonaws.com"`, 1)}, "acme:another-app:any-machine"},
		"an AWS principal":             {[]string{breakGlass}, "AWS arn:aws:iam::" + account + ":root"},
		"anyone in AWS":                {[]string{strings.Replace(breakGlass, "arn:aws:iam::"+account+":root", "*", 1)}, ""},
		"a service":                    {[]string{`{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}`}, "Service ec2.amazonaws.com"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := made(t, request("web"))
			for _, s := range test.statements {
				m.addStatement(webRole, s)
			}
			p := plan(t, m, request("web"))
			if len(p.Extras) != 1 || len(p.Extras[0].Means) != 1 || p.Extras[0].Watched {
				t.Fatalf("extras are %v", extras(p))
			}
			beyond := apply(t, m, reread(t, p)).Openness[0].Beyond
			if len(beyond) != 1 || cmp.Or(beyond[0].Example, beyond[0].Name) != test.want {
				t.Errorf("beyond the grants: %+v", beyond)
			}
		})
	}
}
