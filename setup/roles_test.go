package setup_test

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/fly-aws/fly-aws/setup"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

// passed requires every check of a report to decide as wanted, and returns the subjects
// that are allowed and denied.
func passed(t *testing.T, report *setup.Report) (allowed, denied []string) {
	t.Helper()
	for _, check := range report.Checks {
		if !check.Passed() {
			t.Errorf("%s: wanted %s, got %s", check.Subject, check.Want, check.Got)
		}
		if check.Want == trustpolicy.Allowed {
			allowed = append(allowed, check.Subject)
		} else {
			denied = append(denied, check.Subject)
		}
	}
	return allowed, denied
}

// tenants asks for a role of every app whose name begins with tenant-, but for one.
func tenants() setup.Request {
	req := withApps(shared(request("tenant-*"), "tenants"), func(app *setup.App) { app.Config = "" })
	req.Roles[0].Except = []string{"tenant-42"}
	return req
}

// A pattern stands for every app whose name matches, other than the exceptions. It is
// checked with an app that matches, with one that does not and with the exceptions.
func TestPatternsOfApps(t *testing.T) {
	t.Parallel()
	m := newMemory()
	p := plan(t, m, tenants())
	want(t, p,
		"create "+provider+" absent", "create role:tenants absent",
		"create attachment:tenants:arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess not-attached",
	)
	if _, tagged := p.Changes[1].After.Role.Tags[setup.TagApp]; tagged {
		t.Errorf("tags are %v", p.Changes[1].After.Role.Tags)
	}
	allowed, denied := passed(t, apply(t, m, reread(t, p)))
	if !slices.Equal(allowed, []string{"acme:tenant-any:any-machine"}) ||
		!slices.Equal(denied, []string{"acme:no-tenant-any:any-machine", "acme:tenant-42:any-machine"}) {
		t.Errorf("allowed %v, denied %v", allowed, denied)
	}
	if p := plan(t, m, tenants()); len(p.Pending())+len(p.Extras)+len(narrowings(p)) > 0 {
		t.Errorf("a second plan is %v with %v, %v", actions(p), extras(p), narrowings(p))
	}
	// An exception that is gone is noticed, and repaired.
	m.editOurs("role:tenants", func(s *trustpolicy.Statement) { s.Conditions = s.Conditions[:2] })
	p = plan(t, m, tenants())
	if got := reasons(p.Changes[1]); !slices.Equal(got, []string{"condition-missing  -> StringNotLike oidc.fly.io/acme:sub acme:tenant-42:*"}) {
		t.Errorf("reasons %q", got)
	}

	for name, bad := range map[string]setup.Request{
		"every app":           withApps(tenants(), func(app *setup.App) { app.Name = "*" }),
		"every app with dash": withApps(tenants(), func(app *setup.App) { app.Name = "-*" }),
		"in the middle":       withApps(tenants(), func(app *setup.App) { app.Name = "ten*nt" }),
		"without a name":      func() setup.Request { req := tenants(); req.Roles[0].Name = ""; return req }(),
		"with a file":         withApps(tenants(), func(app *setup.App) { app.Config = "fly.toml" }),
		"with a variable":     withApps(tenants(), func(app *setup.App) { app.Env = "X" }),
		"exceptions alone":    func() setup.Request { req := request("web"); req.Roles[0].Except = []string{"api"}; return req }(),
		"exceptions of none":  func() setup.Request { req := tenants(); req.Roles[0].Except = []string{"tenant-*"}; return req }(),
	} {
		if err := bad.Check(); !errors.As(err, new(*setup.InvalidError)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// SessionTags allows sts:TagSession. Where it is allowed, it stays.
func TestSessionTags(t *testing.T) {
	t.Parallel()
	tagging := request("web")
	tagging.Roles[0].SessionTags = true
	both := []string{trustpolicy.AssumeAction, trustpolicy.TagSessionAction}
	m := made(t, tagging)
	actionsOf := func() []string {
		s, _ := m.things[webRole].Role.Trust.Statement("FlyAwsAcme")
		return s.Action
	}
	if got := actionsOf(); !slices.Equal(got, both) {
		t.Errorf("actions are %v", got)
	}
	pruning := request("web")
	pruning.Prune, pruning.Adopt = true, true
	for _, req := range []setup.Request{tagging, request("web"), pruning} {
		if p := plan(t, m, req); len(p.Pending())+len(p.Extras) > 0 {
			t.Errorf("a second plan is %v with %v", actions(p), extras(p))
		}
	}
	m = made(t, request("web"))
	p := plan(t, m, tagging)
	if got := reasons(p.Changes[1]); !slices.Equal(got, []string{"action-missing  -> sts:TagSession"}) {
		t.Errorf("reasons %q", got)
	}
	apply(t, m, reread(t, p))
	if got := actionsOf(); !slices.Equal(got, both) {
		t.Errorf("actions are %v", got)
	}
}

// An app's second role is kept in another variable, and its first is not touched.
func TestSecondRoleOfAnApp(t *testing.T) {
	t.Parallel()
	second := withApps(shared(request("web"), "backups"), func(app *setup.App) { app.Env = "BACKUP_AWS_ROLE_ARN" })
	m := made(t, request("web"))
	p := plan(t, m, second)
	want(t, p,
		"keep "+provider, "create role:backups absent",
		"create attachment:backups:arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess not-attached",
		"create env:web/fly.toml:BACKUP_AWS_ROLE_ARN absent",
	)
	apply(t, m, reread(t, p))

	both := request("web")
	both.Roles = append(both.Roles, second.Roles...)
	if p := plan(t, m, both); len(p.Pending()) > 0 || len(p.Grants) != 2 {
		t.Errorf("together the plan is %v, %+v", actions(p), p.Grants)
	}
	for name, bad := range map[string]func(*setup.App){
		"the same variable":      func(app *setup.App) { app.Env = "" },
		"the same, by its name":  func(app *setup.App) { app.Env = "AWS_ROLE_ARN" },
		"a variable of the SDKs": func(app *setup.App) { app.Env = "AWS_PROFILE" },
		"Fly's variable":         func(app *setup.App) { app.Env = "AWS_WEB_IDENTITY_TOKEN_FILE" },
		"no variable":            func(app *setup.App) { app.Env = "A-B" },
		"begins with a digit":    func(app *setup.App) { app.Env = "1A" },
		"another file":           func(app *setup.App) { app.Config = "fly.toml" },
		"another region":         func(app *setup.App) { app.Region = "eu-central-1" },
	} {
		req := request("web")
		req.Roles = append(req.Roles, withApps(shared(request("web"), "backups"), func(app *setup.App) {
			app.Env = "BACKUP_AWS_ROLE_ARN"
			bad(app)
		}).Roles...)
		if err := req.Check(); !errors.As(err, new(*setup.InvalidError)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// An app whose role's ARN is kept elsewhere leaves its fly.toml alone.
func TestARNPlaces(t *testing.T) {
	t.Parallel()
	for _, place := range []setup.ARNPlace{setup.ARNInSecret, setup.ARNNowhere} {
		m := newMemory()
		p := plan(t, m, withApps(inRegion(request("web")), func(app *setup.App) { app.ARN = place }))
		for _, c := range p.Changes {
			if c.Resource().Env != nil {
				t.Errorf("%q: there is %v", place, actions(p))
			}
		}
		if !slices.ContainsFunc(p.Warnings, func(w setup.Warning) bool { return w.Code == setup.WarningNoRegion }) {
			t.Errorf("%q: no warning that the file has no region", place)
		}
		apply(t, m, reread(t, p))
	}
}

// A preset's region is the role's, or else that of its apps: the request's for the app,
// the one in its fly.toml, or the request's.
func TestRegionOfPresets(t *testing.T) {
	t.Parallel()
	queue := func(req setup.Request) setup.Request {
		req.Roles[0].Presets = []setup.Preset{{Name: "sqs-send", Answer: "jobs"}}
		return req
	}
	everywhere := queue(inRegion(shared(request("web", "api"), "fly")))
	everywhere.Region, everywhere.Roles[0].Region = "eu-west-1", "eu-north-1"
	fallback := queue(request("web"))
	fallback.Region = "eu-west-1"
	for name, test := range map[string]struct {
		req   setup.Request
		found []setup.Resource
		want  string // "" for an error
	}{
		"the role's":           {everywhere, []setup.Resource{env("web", "AWS_REGION", "us-east-1")}, "eu-north-1"},
		"the app's":            {queue(inRegion(request("web"))), []setup.Resource{env("web", "AWS_REGION", "us-east-1")}, "eu-central-1"},
		"fly.toml's":           {queue(request("web")), []setup.Resource{env("web", "AWS_REGION", "us-east-1")}, "us-east-1"},
		"fly.toml's first":     {fallback, []setup.Resource{env("web", "AWS_REGION", "us-east-1")}, "us-east-1"},
		"the request's":        {fallback, nil, "eu-west-1"},
		"not Tigris's":         {fallback, []setup.Resource{env("web", "AWS_REGION", "auto")}, "eu-west-1"},
		"none":                 {queue(request("web")), nil, ""},
		"Tigris's alone":       {queue(request("web")), []setup.Resource{env("web", "AWS_REGION", "auto")}, ""},
		"two of a shared role": {queue(shared(request("web", "api"), "fly")), []setup.Resource{env("web", "AWS_REGION", "us-east-1"), env("api", "AWS_REGION", "us-east-2")}, ""},
		"one of a shared role": {queue(shared(request("web", "api"), "fly")), []setup.Resource{env("web", "AWS_REGION", "us-east-1"), env("api", "AWS_REGION", "us-east-1")}, "us-east-1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMemory(test.found...)
			p, err := tryPlan(m, test.req)
			if test.want == "" {
				var invalid *setup.InvalidError
				if !errors.As(err, &invalid) || !invalid.NoRegion {
					t.Errorf("error is %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			id := "inline:" + p.Changes[1].After.Role.Name + ":sqs-send-jobs"
			apply(t, m, reread(t, p))
			if doc := m.things[id].Policy.Document.String(); !strings.Contains(doc, "arn:aws:sqs:"+test.want+":") {
				t.Errorf("the policy is %s", doc)
			}
			if again := plan(t, m, test.req); len(again.Pending()) > 0 {
				t.Errorf("a second plan is %v", actions(again))
			}
		})
	}
}

// A plan for another account than the request's is an error, before anything is written.
func TestAccountOfARequest(t *testing.T) {
	t.Parallel()
	req := request("web")
	req.Account = account
	plan(t, newMemory(), req)
	req.Account = "999999999999"
	var invalid *setup.InvalidError
	if _, err := tryPlan(newMemory(), req); !errors.As(err, &invalid) || invalid.Field != setup.FieldAccount || !strings.Contains(err.Error(), account) {
		t.Errorf("error is %v", err)
	}
	for _, bad := range []string{"12345", "acme", "12345678901x"} {
		req.Account = bad
		if err := req.Check(); !errors.As(err, &invalid) || invalid.Field != setup.FieldAccount {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// Requested policies that allow almost everything, and roles that allow nothing, are
// pointed out.
func TestPermissionWarnings(t *testing.T) {
	t.Parallel()
	about := func(w setup.Warning) setup.Warning {
		w.Apps, w.Role = []string{"web"}, "fly-acme-web"
		return w
	}
	means := func(breadth string, conditional bool) setup.Meaning {
		return setup.Meaning{Code: setup.MeansBreadth, Value: breadth, Conditional: conditional}
	}
	for name, test := range map[string]struct {
		policies []string
		inline   []setup.InlinePolicy
		attached string
		want     []setup.Warning
	}{
		"harmless": {policies: []string{"AmazonS3ReadOnlyAccess"}, inline: []setup.InlinePolicy{inline("own", getObject)}},
		"a broad managed policy": {
			policies: []string{"PowerUserAccess"},
			want: []setup.Warning{about(setup.Warning{
				Code: setup.WarningBroad, Names: []string{"arn:aws:iam::aws:policy/PowerUserAccess"},
				Means: []setup.Meaning{means("power-user", false), means("assume-any-role", false)},
			})},
		},
		"a broad inline policy": {
			inline: []setup.InlinePolicy{inline("own", allowAll)},
			want: []setup.Warning{about(setup.Warning{
				Code: setup.WarningBroad, Names: []string{"own"}, Means: []setup.Meaning{means("administrator", false)},
			})},
		},
		"nothing":                  {want: []setup.Warning{about(setup.Warning{Code: setup.WarningNoPermissions})}},
		"nothing more than it has": {attached: auditARN},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMemory()
			if test.attached != "" {
				m = made(t, request("web"))
				m.things = map[string]setup.Resource{webRole: m.things[webRole]}
				m.attach("fly-acme-web", test.attached)
			}
			req := withApps(request("web"), func(app *setup.App) { app.Config = "" })
			req.Roles[0].Policies, req.Roles[0].Inline = test.policies, test.inline
			p := plan(t, m, req)
			if !reflect.DeepEqual(p.Warnings, test.want) || !reflect.DeepEqual(reread(t, p).Warnings, test.want) {
				t.Errorf("warnings are\n%+v, not\n%+v", p.Warnings, test.want)
			}
		})
	}
}

// A role that is only watched is compared with what is declared, and never written.
func TestUnmanagedRoles(t *testing.T) {
	t.Parallel()
	trust := foreignRole("theirs").Role.Trust
	declared := setup.RoleRequest{
		Name: "theirs", Unmanaged: true, Trust: trust, Boundary: "PowerUserAccess",
		Policies: []string{"AmazonS3ReadOnlyAccess"}, Inline: []setup.InlinePolicy{inline("own", getObject)},
	}
	role := foreignRole("theirs")
	role.Role.Boundary = "arn:aws:iam::aws:policy/PowerUserAccess"
	policies := func(m *memory) {
		m.attach("theirs", "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess")
		m.embed("theirs", "own", getObject)
	}
	for name, test := range map[string]struct {
		edit   func(*memory)
		want   []setup.Reason
		extras []string
	}{
		"as declared": {edit: policies, extras: []string{}},
		"not there": {
			edit:   func(m *memory) { delete(m.things, "role:theirs") },
			want:   []setup.Reason{{Code: setup.ReasonAbsent}},
			extras: []string{},
		},
		"different": {
			edit: func(m *memory) {
				m.embed("theirs", "own", allowAll)
				m.edit("role:theirs", func(r *setup.Resource) {
					r.Role.Boundary, r.Role.Trust = "", r.Role.Trust.Merge(statements(breakGlass)...)
				})
			},
			want: []setup.Reason{
				{Code: setup.ReasonTrust},
				{Code: setup.ReasonBoundary, Want: "arn:aws:iam::aws:policy/PowerUserAccess"},
				{Code: setup.ReasonNotAttached, Want: "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"},
				{Code: setup.ReasonDocument, Want: "own"},
			},
			extras: []string{},
		},
		"more": {
			edit: func(m *memory) {
				policies(m)
				m.embed("theirs", "all", allowAll)
			},
			extras: []string{"theirs policy:all breadth=administrator watched"},
		},
		"not readable": {
			edit: func(m *memory) {
				policies(m)
				m.edit("role:theirs", func(r *setup.Resource) { r.Role.Trust = nil })
			},
			want:   []setup.Reason{{Code: setup.ReasonUnreadTrust}},
			extras: []string{},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMemory(role)
			test.edit(m)
			req := setup.Request{Org: org, File: "prod", Roles: []setup.RoleRequest{declared}}
			p := plan(t, m, req)
			wantExtras(t, p, test.extras...)
			var got []setup.Reason
			for _, w := range p.Warnings {
				if w.Code != setup.WarningWatched || w.Role != "theirs" {
					t.Errorf("warning %+v", w)
				}
				got = append(got, w.Reasons...)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("reasons %v, not %v", got, test.want)
			}
			req.Adopt, req.Prune = true, true
			p = plan(t, m, req)
			if len(p.Changes) > 0 {
				t.Errorf("plan is %v", actions(p))
			}
			if apply(t, m, reread(t, p)); len(m.writes) > 0 {
				t.Errorf("written: %v", m.writes)
			}
		})
	}
}

// A role whose trust policy cannot be parsed is left alone.
func TestUnreadableTrustPolicy(t *testing.T) {
	t.Parallel()
	for _, adopt := range []bool{false, true} {
		m := made(t, fromFile(request("web"), "prod"))
		m.edit(webRole, func(r *setup.Resource) { r.Role.Trust = nil })
		req := fromFile(request("web"), "prod")
		req.Adopt, req.Prune = adopt, true
		p := plan(t, m, req)
		if got := actions(p)[1]; got != "conflict "+webRole+" unread-trust" {
			t.Errorf("plan has %s", got)
		}
		if _, err := tryApply(m, reread(t, p)); !errors.As(err, new(*setup.ConflictError)) || len(m.writes) > 0 {
			t.Errorf("%v, written %v", err, m.writes)
		}
		if p := planDestroy(t, m, setup.Scope{Org: org}); len(p.Changes) > 0 {
			t.Errorf("to destroy it the plan is %v", actions(p))
		}
	}
}
