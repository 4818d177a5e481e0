package setup_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/fly-aws/fly-aws/setup"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

func plan(t *testing.T, m *memory, req setup.Request) *setup.Plan {
	t.Helper()
	p, err := tryPlan(m, req)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func tryPlan(m *memory, req setup.Request) (*setup.Plan, error) {
	return m.world().Plan(context.Background(), req)
}

func apply(t *testing.T, m *memory, p *setup.Plan) *setup.Report {
	t.Helper()
	report, err := tryApply(m, p)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func tryApply(m *memory, p *setup.Plan) (*setup.Report, error) {
	return m.world().Apply(context.Background(), p, nil)
}

// reread returns the plan as read from a file, so that Apply reads everything again.
func reread(t *testing.T, p *setup.Plan) *setup.Plan {
	t.Helper()
	data, err := p.MarshalIndent()
	if err != nil {
		t.Fatal(err)
	}
	out, err := setup.ReadPlan(data)
	if err != nil {
		t.Fatalf("%v\n%s", err, data)
	}
	return out
}

// actions shows a plan as "create role:fly-acme-web" lines.
func actions(p *setup.Plan) []string {
	var out []string
	for _, c := range p.Changes {
		line := string(c.Action) + " " + c.Resource().ID()
		for _, r := range c.Reasons {
			line += " " + string(r.Code)
		}
		out = append(out, line)
	}
	return out
}

func want(t *testing.T, p *setup.Plan, lines ...string) {
	t.Helper()
	if got := actions(p); !slices.Equal(got, lines) {
		t.Errorf("plan is\n  %s\nnot\n  %s", strings.Join(got, "\n  "), strings.Join(lines, "\n  "))
	}
}

const provider = "provider:arn:aws:iam::123456789012:oidc-provider/oidc.fly.io/acme"

func TestFirstSetup(t *testing.T) {
	t.Parallel()
	m := newMemory()
	p := plan(t, m, request("web"))
	want(t, p,
		"create "+provider+" absent",
		"create role:fly-acme-web absent",
		"create attachment:fly-acme-web:arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess not-attached",
		"create env:web/fly.toml:AWS_ROLE_ARN absent",
	)
	role := p.Changes[1].After.Role
	if got := role.Tags; !reflect.DeepEqual(got, map[string]string{setup.TagOrg: "acme", setup.TagApp: "web"}) {
		t.Errorf("tags are %v", got)
	}
	if got := p.Changes[3].After.Env.Value; got != role.ARN {
		t.Errorf("fly.toml gets %q, the role is %q", got, role.ARN)
	}
	report := apply(t, m, p)
	if report.Count(setup.StatusDone) != 4 {
		t.Errorf("report is %+v", report)
	}
	again := plan(t, m, request("web"))
	if len(again.Pending()) != 0 {
		t.Errorf("a second plan is %v", actions(again))
	}
	for _, report := range []*setup.Report{report, apply(t, m, again), apply(t, m, reread(t, again))} {
		if len(report.Mismatches) != 0 || len(report.Checks) != 3 || len(report.Openness) != 1 || len(report.Openness[0].Beyond) > 0 {
			t.Errorf("mismatches %v, checks %v", report.Mismatches, report.Checks)
		}
		for _, check := range report.Checks {
			if !check.Passed() {
				t.Errorf("%s: wanted %s, got %s", check.Subject, check.Want, check.Got)
			}
		}
	}
}

func TestForeignProviderKeepsWhatItHas(t *testing.T) {
	t.Parallel()
	m := newMemory(setup.Resource{Provider: &setup.Provider{
		ARN: strings.TrimPrefix(provider, "provider:"), URL: "https://oidc.fly.io/acme",
		Audiences: []string{"other"}, Tags: map[string]string{"team": "ops"},
	}})
	p := plan(t, m, request("web"))
	if got := actions(p)[0]; got != "update "+provider+" audience-missing" {
		t.Fatal(got)
	}
	after := p.Changes[0].After.Provider
	if !slices.Equal(after.Audiences, []string{"other", "sts.amazonaws.com"}) || after.Tags["team"] != "ops" || len(after.Tags) != 1 {
		t.Errorf("after is %+v", after)
	}
}

func TestForeignRoleIsAConflictUntilAdopted(t *testing.T) {
	t.Parallel()
	m := newMemory(foreignRole("fly-acme-web"))
	p := plan(t, m, request("web"))
	if got := actions(p)[1]; got != "conflict role:fly-acme-web foreign-role" {
		t.Fatal(got)
	}
	if _, err := tryApply(m, p); !errors.As(err, new(*setup.ConflictError)) {
		t.Errorf("applying a conflict: %v", err)
	}
	if len(m.writes) != 0 {
		t.Errorf("written: %v", m.writes)
	}

	req := request("web")
	req.Adopt = true
	apply(t, m, plan(t, m, req))
	role := m.things["role:fly-acme-web"].Role
	if _, ok := role.Trust.Statement("Servers"); !ok || len(role.Trust.Statements) != 2 {
		t.Errorf("trust is %s", role.Trust)
	}
	if role.Tags["team"] != "ops" || role.Tags[setup.TagAdopted] != "true" || role.Description != "by hand" {
		t.Errorf("role is %+v", role)
	}
	if again := plan(t, m, request("web")); len(again.Pending())+len(again.Conflicts()) != 0 {
		t.Errorf("without --adopt the adopted role needs %v", actions(again))
	}
}

func TestAdoptionLeavesAnInlinePolicyOfThatName(t *testing.T) {
	t.Parallel()
	theirs := document(`{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}`)
	m := newMemory(foreignRole("fly-acme-web"), setup.Resource{Policy: &setup.RolePolicy{Role: "fly-acme-web", Name: "uploads", Document: theirs}})
	req := request("web")
	req.Adopt = true
	req.Roles[0].Inline = []setup.InlinePolicy{inline("uploads", getObject)}
	p := plan(t, m, req)
	if got := p.Conflicts(); len(got) != 1 || got[0].After.Policy == nil {
		t.Errorf("plan is %v", actions(p))
	}
}

// Only tags and our statement together make a role ours, and only for its app and file.
func TestConflictsOfOwnership(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		role  func(*setup.Role)
		req   setup.Request
		adopt bool
		want  string
	}{
		"another org": {
			func(r *setup.Role) { r.Tags = map[string]string{setup.TagOrg: "other", setup.TagApp: "web"} },
			request("web"), true, "conflict role:fly-acme-web other-org",
		},
		"another app": {
			func(r *setup.Role) {
				r.Trust, r.Tags = ours("api"), map[string]string{setup.TagOrg: "acme", setup.TagApp: "api"}
			},
			request("web"), false, "conflict role:fly-acme-web other-app",
		},
		"another app's role, shared by consent": {
			func(r *setup.Role) {
				r.Trust, r.Tags = ours("api"), map[string]string{setup.TagOrg: "acme", setup.TagApp: "api"}
			},
			request("web"), true, "update role:fly-acme-web subject-missing tag",
		},
		"tags without our statement": {
			func(r *setup.Role) { r.Tags = map[string]string{setup.TagOrg: "acme", setup.TagApp: "web"} },
			request("web"), false, "conflict role:fly-acme-web tags-alone",
		},
		"tags without our statement, taken over": {
			func(r *setup.Role) { r.Tags = map[string]string{setup.TagOrg: "acme", setup.TagApp: "web"} },
			request("web"), true, "adopt role:fly-acme-web foreign-role statement-missing tag",
		},
		"our statement without tags": {
			func(r *setup.Role) { r.Trust = ours("web") },
			request("web"), false, "conflict role:fly-acme-web foreign-role",
		},
		"our statement without tags, taken over": {
			func(r *setup.Role) { r.Trust = ours("web") },
			request("web"), true, "adopt role:fly-acme-web foreign-role tag tag tag",
		},
		"another file": {
			func(r *setup.Role) {
				r.Trust, r.Tags = ours("web"), map[string]string{setup.TagOrg: "acme", setup.TagFile: "staging"}
			},
			fromFile(request("web"), "prod"), false, "conflict role:fly-acme-web other-file",
		},
		"another file's role, taken over": {
			func(r *setup.Role) {
				r.Trust, r.Tags = ours("web"), map[string]string{setup.TagOrg: "acme", setup.TagFile: "staging"}
			},
			fromFile(request("web"), "prod"), true, "update role:fly-acme-web tag",
		},
		"another path": {
			func(r *setup.Role) { r.Path, r.ARN = "/x/", "arn:aws:iam::123456789012:role/x/fly-acme-web" },
			request("web"), true, "conflict role:fly-acme-web other-path",
		},
		"another case": {
			func(r *setup.Role) { r.Name, r.ARN = "Fly-Acme-Web", "arn:aws:iam::123456789012:role/Fly-Acme-Web" },
			request("web"), true, "conflict role:fly-acme-web name-case",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			role := foreignRole("fly-acme-web")
			test.role(role.Role)
			test.req.Adopt = test.adopt
			m := newMemory(role)
			p := plan(t, m, test.req)
			if got := actions(p)[1]; got != test.want {
				t.Errorf("plan has %q, not %q", got, test.want)
			}
			if _, err := tryApply(m, reread(t, p)); errors.As(err, new(*setup.ConflictError)) != strings.HasPrefix(test.want, "conflict ") {
				t.Errorf("applied: %v", err)
			} else if err != nil && len(m.writes) > 0 {
				t.Errorf("written: %v", m.writes)
			}
		})
	}
}

// Our statement is repaired after an edit, and other statements stay.
func TestDriftIsRepaired(t *testing.T) {
	t.Parallel()
	m := newMemory()
	apply(t, m, plan(t, m, request("web")))
	m.edit("role:fly-acme-web", func(r *setup.Resource) {
		s := r.Role.Trust.Statements[0]
		s.Conditions[1].Values = []string{"acme:*"}
		foreign, _ := trustpolicy.Parse([]byte(ec2Trust))
		r.Role.Trust = r.Role.Trust.Merge(s).Merge(foreign.Statements...)
	})
	delete(m.things, "attachment:fly-acme-web:arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess")
	m.edit("env:web/fly.toml:AWS_ROLE_ARN", func(r *setup.Resource) { r.Env.Value = "arn:aws:iam::123456789012:role/old" })

	p := plan(t, m, request("web"))
	want(t, p,
		"keep "+provider,
		"update role:fly-acme-web subject-missing",
		"create attachment:fly-acme-web:arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess not-attached",
		"update env:web/fly.toml:AWS_ROLE_ARN value",
	)
	apply(t, m, p)
	trust := m.things["role:fly-acme-web"].Role.Trust
	if _, ok := trust.Statement("Servers"); !ok {
		t.Errorf("the foreign statement is gone: %s", trust)
	}
	ours, _ := trust.Statement("FlyAwsAcme")
	if got := ours.Conditions[1].Values; !slices.Equal(got, []string{"acme:*", "acme:web:*"}) {
		t.Errorf("subjects are %v", got)
	}
}

// What the request does not mention stays: boundary, session, tags, policies.
func TestUnmentionedSettingsStay(t *testing.T) {
	t.Parallel()
	m := newMemory()
	apply(t, m, plan(t, m, request("web")))
	m.edit("role:fly-acme-web", func(r *setup.Resource) {
		r.Role.Boundary = "arn:aws:iam::123456789012:policy/edge"
		r.Role.MaxSession = 7200
		r.Role.Description = "changed by hand"
		r.Role.Tags["cost"] = "7"
	})
	if p := plan(t, m, request("web")); len(p.Pending()) != 0 {
		t.Errorf("plan is %v", actions(p))
	}
	req := request("web")
	req.Roles[0].MaxSession = 43200
	req.Roles[0].Boundary = "PowerUserAccess"
	req.Roles[0].Tags = map[string]string{"cost": "8", "team": "ops"}
	p := plan(t, m, req)
	if got := actions(p)[1]; got != "update role:fly-acme-web max-session permissions-boundary tag tag" {
		t.Error(got)
	}
	apply(t, m, p)
	if again := plan(t, m, req); len(again.Pending()) != 0 {
		t.Errorf("a second plan is %v", actions(again))
	}
}

// A shared role keeps the apps of earlier runs, and no others.
func TestSharedRoleKeepsEarlierApps(t *testing.T) {
	t.Parallel()
	m := newMemory()
	apply(t, m, plan(t, m, shared(request("web", "db"), "fly")))
	p := plan(t, m, shared(request("api"), "fly"))
	if got := actions(p)[1]; got != "update role:fly subject-missing" {
		t.Error(got)
	}
	apply(t, m, p)
	for _, app := range []string{"web", "api", "db"} {
		if again := plan(t, m, shared(request(app), "fly")); len(again.Pending()) != 0 {
			t.Errorf("for %s there is %v", app, actions(again))
		}
	}
	m.edit("role:fly", func(r *setup.Resource) {
		s := r.Role.Trust.Statements[0]
		s.Conditions[1].Values = append(s.Conditions[1].Values, "acme:*", "other:web:*", "acme:d?:*")
		r.Role.Trust = r.Role.Trust.Merge(s)
	})
	req := shared(request("web"), "fly")
	req.Prune = true
	p = plan(t, m, req)
	if got := actions(p)[1]; got != "update role:fly subject-unwanted subject-unwanted subject-unwanted" {
		t.Error(got)
	}
	apply(t, m, p)
	s, _ := m.things["role:fly"].Role.Trust.Statement("FlyAwsAcme")
	if got := s.Conditions[1].Values; !slices.Equal(got, []string{"acme:api:*", "acme:db:*", "acme:web:*"}) {
		t.Errorf("subjects are %v", got)
	}

	pinned := shared(request("web"), "fly")
	pinned.Roles[0].Apps[0].Machines = []string{"m1"}
	apply(t, m, plan(t, m, pinned))
	s, _ = m.things["role:fly"].Role.Trust.Statement("FlyAwsAcme")
	if got := s.Conditions[1].Values; !slices.Equal(got, []string{"acme:api:*", "acme:db:*", "acme:web:m1"}) {
		t.Errorf("with a pinned machine subjects are %v", got)
	}
}

func TestTrustPolicyOverItsQuota(t *testing.T) {
	t.Parallel()
	var apps []string
	for i := range 80 {
		apps = append(apps, fmt.Sprintf("app-with-a-name-%03d", i))
	}
	m := newMemory()
	_, err := tryPlan(m, shared(request(apps...), "fly"))
	var size *setup.SizeError
	if !errors.As(err, &size) || size.Apps != 80 || size.Size <= size.Quota || size.Quota != 2048 {
		t.Fatalf("error is %v", err)
	}
	m.quota = 4096
	if _, err := tryPlan(m, shared(request(apps...), "fly")); err != nil {
		t.Errorf("with the quota raised: %v", err)
	}
}

// An app's own region is written, the request's only where there is none.
func TestRegions(t *testing.T) {
	t.Parallel()
	request, app := request("web"), inRegion(request("web"))
	request.Region = "eu-central-1"
	for name, test := range map[string]struct {
		req   setup.Request
		found []setup.Resource
		want  string
	}{
		"the request's, none there":    {request, nil, "create env:web/fly.toml:AWS_REGION absent"},
		"the request's, another there": {request, []setup.Resource{env("web", "AWS_REGION", "us-east-1")}, "keep env:web/fly.toml:AWS_REGION"},
		"the app's, none there":        {app, nil, "create env:web/fly.toml:AWS_REGION absent"},
		"the app's, another there":     {app, []setup.Resource{env("web", "AWS_REGION", "us-east-1")}, "update env:web/fly.toml:AWS_REGION value"},
	} {
		m := newMemory(test.found...)
		p := plan(t, m, test.req)
		if got := actions(p)[4]; got != test.want {
			t.Errorf("%s: %s", name, got)
		}
		apply(t, m, reread(t, p))
		if again := plan(t, m, test.req); len(again.Pending()) > 0 {
			t.Errorf("%s: a second plan is %v", name, actions(again))
		}
	}
}

// The first failure ends the run, the report is complete, and the next run finishes.
func TestFailureMidway(t *testing.T) {
	t.Parallel()
	m := newMemory()
	m.fail = func(id string) (error, bool) {
		if strings.HasPrefix(id, "attachment:") {
			return errBroken, false
		}
		return nil, false
	}
	report, err := tryApply(m, plan(t, m, request("web")))
	if !errors.Is(err, errBroken) {
		t.Fatal(err)
	}
	var got []setup.Status
	for _, r := range report.Results {
		got = append(got, r.Status)
	}
	if want := []setup.Status{setup.StatusDone, setup.StatusDone, setup.StatusFailed, setup.StatusUnreached}; !slices.Equal(got, want) {
		t.Errorf("statuses are %v, not %v", got, want)
	}
	m.fail = nil
	p := plan(t, m, request("web"))
	if len(p.Pending()) != 2 {
		t.Errorf("what is left is %v", actions(p))
	}
}

// Ctrl-C lets the write in flight finish and starts no other.
func TestInterrupt(t *testing.T) {
	t.Parallel()
	m := newMemory()
	ctx, cancel := context.WithCancel(context.Background())
	m.fail = func(id string) (error, bool) {
		if strings.HasPrefix(id, "role:") {
			cancel()
		}
		return nil, false
	}
	report, err := m.world().Apply(ctx, plan(t, m, request("web")), nil)
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if report.Count(setup.StatusDone) != 2 || report.Count(setup.StatusUnreached) != 2 {
		t.Errorf("report is %+v", report)
	}
}

func TestStalePlanIsRefusedBeforeAnyWrite(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*memory){
		"created meanwhile": func(m *memory) { m.things["role:fly-acme-api"] = foreignRole("fly-acme-api") },
		"edited meanwhile": func(m *memory) {
			m.edit("role:fly-acme-web", func(r *setup.Resource) { r.Role.Trust = foreignRole("x").Role.Trust })
		},
		"tagged meanwhile": func(m *memory) {
			m.edit("role:fly-acme-web", func(r *setup.Resource) { r.Role.Tags["new"] = "1" })
		},
		"gone meanwhile": func(m *memory) { delete(m.things, "role:fly-acme-web") },
		"value changed": func(m *memory) {
			m.edit("env:web/fly.toml:AWS_ROLE_ARN", func(r *setup.Resource) { r.Env.Value = "x" })
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMemory()
			apply(t, m, plan(t, m, request("web")))
			m.edit("env:web/fly.toml:AWS_ROLE_ARN", func(r *setup.Resource) { r.Env.Value = "old" })
			req := request("web", "api")
			for i := range req.Roles {
				req.Roles[i].MaxSession = 7200
			}
			p := plan(t, m, req)
			m.writes = nil
			change(m)
			if _, err := tryApply(m, p); !errors.As(err, new(*setup.StaleError)) {
				t.Errorf("error is %v", err)
			}
			if len(m.writes) != 0 {
				t.Errorf("written: %v", m.writes)
			}
		})
	}
}

// All stale resources are reported together.
func TestAllStaleResourcesAreReported(t *testing.T) {
	t.Parallel()
	m := newMemory()
	p := plan(t, m, request("web", "api"))
	m.things["role:fly-acme-web"], m.things["role:fly-acme-api"] = foreignRole("fly-acme-web"), foreignRole("fly-acme-api")
	_, err := tryApply(m, p)
	var names []string
	for _, e := range unjoin(err) {
		var stale *setup.StaleError
		if errors.As(e, &stale) && stale.Reason.Code == setup.ReasonExists {
			names = append(names, stale.Resource.Role.Name)
		}
	}
	if !slices.Equal(names, []string{"fly-acme-web", "fly-acme-api"}) {
		t.Errorf("stale are %v: %v", names, err)
	}
}

// A plan that was applied, whole or in part, can be applied again.
func TestAppliedPlanAppliesAgain(t *testing.T) {
	t.Parallel()
	m := newMemory()
	p := plan(t, m, request("web"))
	apply(t, m, p)
	m.writes = nil
	if report := apply(t, m, p); report.Count(setup.StatusKept) != 4 || len(m.writes) != 0 {
		t.Errorf("report is %+v, written %v", report, m.writes)
	}
}
