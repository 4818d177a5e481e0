package setup_test

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/fly-aws/fly-aws/setup"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

// A plan is stale if a resource that it keeps is gone, even with nothing else to do.
func TestKeptResourcesAreReadAgain(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*memory){
		"role gone": func(m *memory) { delete(m.things, "role:fly-acme-web") },
		"policy detached": func(m *memory) {
			delete(m.things, "attachment:fly-acme-web:arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess")
		},
		"trust edited": func(m *memory) {
			m.edit("role:fly-acme-web", func(r *setup.Resource) { r.Role.Trust = foreignRole("x").Role.Trust })
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMemory()
			apply(t, m, plan(t, m, request("web")))
			nothing := plan(t, m, request("web"))
			m.edit("env:web/fly.toml:AWS_ROLE_ARN", func(r *setup.Resource) { r.Env.Value = "old" })
			onlyEnv := plan(t, m, request("web"))
			spoil(m)
			m.writes = nil
			for _, p := range []*setup.Plan{reread(t, nothing), onlyEnv} {
				if _, err := tryApply(m, p); !errors.As(err, new(*setup.StaleError)) {
					t.Errorf("error is %v", err)
				}
			}
			if len(m.writes) > 0 {
				t.Errorf("written: %v", m.writes)
			}
		})
	}
}

// A plan that was edited to do more than its grants say is not read.
func TestEditedPlansAreRefused(t *testing.T) {
	t.Parallel()
	m := newMemory()
	req := request("web")
	req.Apps[0].Role.Inline = []setup.InlinePolicy{inline("own", getObject)}
	data, err := plan(t, m, req).MarshalIndent()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := setup.ReadPlan(data); err != nil {
		t.Fatal(err)
	}
	for name, edit := range map[string]func(*setup.Plan){
		"a back door in the trust policy": func(p *setup.Plan) {
			evil, err := trustpolicy.Parse([]byte(strings.Replace(ec2Trust, `{"Service":"ec2.amazonaws.com"}`, `{"AWS":"arn:aws:iam::666666666666:root"}`, 1)))
			if err != nil {
				t.Fatal(err)
			}
			p.Changes[1].After.Role.Trust = p.Changes[1].After.Role.Trust.Merge(evil.Statements...)
		},
		"another app in the trust policy": func(p *setup.Plan) {
			p.Changes[1].After.Role.Trust.Statements[0].Conditions[1].Values = []string{"acme:*"}
		},
		"another provider":       func(p *setup.Plan) { p.Changes[0].After.Provider.URL = "https://evil.example/acme" },
		"another account":        func(p *setup.Plan) { p.Account = "999999999999" },
		"no account":             func(p *setup.Plan) { p.Account = "" },
		"no grants":              func(p *setup.Plan) { p.Grants = nil },
		"a grant without role":   func(p *setup.Plan) { p.Grants[0].Role = "other" },
		"a grant of another ARN": func(p *setup.Plan) { p.Grants[0].RoleARN = "arn:aws:iam::123456789012:role/other" },
		"a machine with stars":   func(p *setup.Plan) { p.Grants[0].Machines = []string{"m*"} },
		"a policy on any role":   func(p *setup.Plan) { p.Changes[2].After.Policy.Role = "admin" },
		"no document":            func(p *setup.Plan) { p.Changes[3].After.Policy.Document = setup.Document{} },
		"a null document":        func(p *setup.Plan) { p.Changes[3].After.Policy.Document = document("null") },
		"a foreign partition":    func(p *setup.Plan) { p.Changes[2].After.Policy.ARN = "arn:aws-cn:iam::aws:policy/X" },
		"any variable":           func(p *setup.Plan) { p.Changes[4].After.Env.Key = "FLY_\x1bX" },
		"any role in fly.toml":   func(p *setup.Plan) { p.Changes[4].After.Env.Value = "arn:aws:iam::123456789012:role/admin" },
		"nothing":                func(p *setup.Plan) { p.Changes = nil },
		"a change without after": func(p *setup.Plan) { p.Changes[0].After = nil },
		"two kinds in one":       func(p *setup.Plan) { p.Changes[0].After.Role = p.Changes[1].After.Role },
		"a change twice":         func(p *setup.Plan) { p.Changes = append(p.Changes, p.Changes[0]) },
		"a conflict": func(p *setup.Plan) {
			p.Changes[1].Action = setup.ActionConflict
			p.Changes[1].Reasons = []setup.Reason{{Code: setup.ReasonDocument}}
		},
		"an update without before": func(p *setup.Plan) { p.Changes[1].Action = setup.ActionUpdate },
		"a delete":                 func(p *setup.Plan) { p.Changes[1].Action = setup.ActionDelete },
		"an unknown action":        func(p *setup.Plan) { p.Changes[1].Action = "destroy" },
		"an unshown boundary": func(p *setup.Plan) {
			p.Changes[1].After.Role.Boundary = "arn:aws:iam::999999999999:policy/x"
		},
		"a boundary that is no policy": func(p *setup.Plan) { p.Changes[1].After.Role.Boundary = "arn:aws:iam::aws:role/x" },
		"a session too long":           func(p *setup.Plan) { p.Changes[1].After.Role.MaxSession = 99999 },
		"a tag of ours":                func(p *setup.Plan) { p.Changes[1].After.Role.Tags["fly-aws:x"] = "1" },
		"another app's tag":            func(p *setup.Plan) { p.Changes[1].After.Role.Tags[setup.TagApp] = "api" },
		"another organization's tag":   func(p *setup.Plan) { p.Changes[1].After.Role.Tags[setup.TagOrg] = "other" },
		"no tag of ours":               func(p *setup.Plan) { p.Changes[1].After.Role.Tags = map[string]string{"team": "ops"} },
		"adopted without being so":     func(p *setup.Plan) { p.Changes[1].After.Role.Tags[setup.TagAdopted] = "true" },
		"a tag of AWS's":               func(p *setup.Plan) { p.Changes[1].After.Role.Tags["aws:x"] = "1" },
		"a tag with a control character": func(p *setup.Plan) {
			p.Changes[1].After.Role.Tags["x"] = "\x1b"
		},
		"a tag twice, by case": func(p *setup.Plan) {
			p.Changes[1].After.Role.Tags["x"], p.Changes[1].After.Role.Tags["X"] = "1", "1"
		},
		"a description": func(p *setup.Plan) { p.Changes[1].After.Role.Description = "made by the CEO" },
		"an audience more": func(p *setup.Plan) {
			p.Changes[0].After.Provider.Audiences = append(p.Changes[0].After.Provider.Audiences, "evil")
		},
		"another audience":      func(p *setup.Plan) { p.Audience = "evil" },
		"Fly's own audience":    func(p *setup.Plan) { p.Audience = "https://fly.io/acme" },
		"a tag of the provider": func(p *setup.Plan) { p.Changes[0].After.Provider.Tags["x"] = "1" },
		"a path":                func(p *setup.Plan) { p.Changes[1].After.Role.Path = "/x" },
		"a policy of another account": func(p *setup.Plan) {
			p.Changes[2].After.Policy.ARN = "arn:aws:iam::999999999999:policy/x"
		},
		"a policy that is none": func(p *setup.Plan) { p.Changes[2].After.Policy.ARN = "arn:aws:iam::aws:user/x" },
		"a region": func(p *setup.Plan) {
			p.Changes[4].After.Env.Key, p.Changes[4].After.Env.Value = setup.EnvRegion, "eu-central-1"
		},
		"a region that is none": func(p *setup.Plan) {
			p.Changes[4].After.Env = &setup.Env{Config: "web/fly.toml", App: "web", Key: setup.EnvRegion, Value: "evil.example", IfAbsent: true}
		},
		"a region for another app": func(p *setup.Plan) {
			p.Changes[4].After.Env = &setup.Env{Config: "web/fly.toml", App: "api", Key: setup.EnvRegion, Value: "eu-central-1", IfAbsent: true}
		},
		"a provider that is not ours goes": func(p *setup.Plan) {
			foreign := *p.Changes[0].After.Provider
			foreign.Tags = nil
			p.Changes[0] = setup.Change{Action: setup.ActionDelete, Before: &setup.Resource{Provider: &foreign}}
		},
		"a role that is not ours goes": func(p *setup.Plan) {
			r := foreignRole("fly-acme-web")
			p.Changes[1] = setup.Change{Action: setup.ActionDelete, Before: &r}
		},
		"a policy goes while its role stays": func(p *setup.Plan) {
			p.Changes[2] = setup.Change{Action: setup.ActionDelete, Before: p.Changes[2].After}
		},
		"an app in two ways": func(p *setup.Plan) { p.Grants = append(p.Grants, p.Grants[0]) },
		"the alias personal": func(p *setup.Plan) { p.Org, p.Issuer = "personal", "https://oidc.fly.io/personal" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := setup.ReadPlan(data)
			if err != nil {
				t.Fatal(err)
			}
			edit(p)
			edited, err := p.MarshalIndent()
			if err != nil {
				return // it cannot even be marshaled
			}
			if _, err := setup.ReadPlan(edited); err == nil {
				t.Errorf("it is read:\n%s", edited)
			}
		})
	}
}

// A role that is limited to some machines stays limited until all are requested.
func TestPinnedMachinesStayPinned(t *testing.T) {
	t.Parallel()
	m := newMemory()
	pinned := request("web")
	pinned.Apps[0].Machines = []string{"m2", "m1"}
	apply(t, m, plan(t, m, pinned))

	p := plan(t, m, request("web"))
	if len(p.Pending()) != 0 || !slices.Equal(p.Grants[0].Machines, []string{"m1", "m2"}) {
		t.Errorf("plan is %v, grants %v", actions(p), p.Grants)
	}
	checks := apply(t, m, p).Checks
	if len(checks) != 3 {
		t.Fatalf("checks %v", checks)
	}
	for _, check := range checks {
		if !check.Passed() {
			t.Errorf("%s: wanted %s, got %s", check.Subject, check.Want, check.Got)
		}
	}
	all := request("web")
	all.Apps[0].Machines = []string{setup.AllMachines}
	if got := actions(plan(t, m, all))[1]; got != "update role:fly-acme-web subject-unwanted subject-unwanted subject-missing" {
		t.Error(got)
	}

	// A second statement that allows the whole app is noticed.
	m.edit("role:fly-acme-web", func(r *setup.Resource) {
		s := r.Role.Trust.Statements[0]
		s.Sid, s.Conditions = "Wide", slices.Clone(s.Conditions)
		s.Conditions[1].Values = []string{"acme:web:*"}
		r.Role.Trust = r.Role.Trust.Merge(s)
	})
	if checks = apply(t, m, plan(t, m, request("web"))).Checks; checks[1].Passed() {
		t.Errorf("another machine of the app: %+v", checks[1])
	}
}

// Another audience for a shared role would end the access of the apps that the request
// does not name.
func TestSharedRoleKeepsItsAudience(t *testing.T) {
	t.Parallel()
	m := newMemory()
	apply(t, m, plan(t, m, shared(request("web"), "fly")))
	req := shared(request("api"), "fly")
	req.Audience = "other"
	p := plan(t, m, req)
	if got := actions(p)[1]; got != "conflict role:fly shared-audience" {
		t.Error(got)
	}
	req = shared(request("web"), "fly")
	req.Audience = "other"
	if p := plan(t, m, req); len(p.Conflicts()) > 0 {
		t.Errorf("the one app that uses it: %v", actions(p))
	}
}

// All apps that share a role are checked, not only those that the request names.
func TestKeptAppsAreChecked(t *testing.T) {
	t.Parallel()
	m := newMemory()
	apply(t, m, plan(t, m, shared(request("web"), "fly")))
	p := plan(t, m, shared(request("api"), "fly"))
	if len(p.Grants) != 2 || !p.Grants[1].Kept || p.Grants[1].App != "web" {
		t.Fatalf("grants are %+v", p.Grants)
	}
	if checks := apply(t, m, p).Checks; len(checks) != 4 {
		t.Errorf("checks %v", checks)
	}
}

// On a role, IAM treats the keys Team and team as the same.
func TestTagKeysIgnoreCase(t *testing.T) {
	t.Parallel()
	m := newMemory()
	apply(t, m, plan(t, m, request("web")))
	m.edit("role:fly-acme-web", func(r *setup.Resource) { r.Role.Tags["Team"] = "x" })
	req := request("web")
	req.Apps[0].Role.Tags = map[string]string{"team": "y"}
	p := plan(t, m, req)
	c := p.Changes[1]
	if c.Action != setup.ActionUpdate || c.Reasons[0].Have != "Team=x" || c.After.Role.Tags["Team"] != "y" || c.After.Role.Tags["team"] != "" {
		t.Errorf("change is %+v, tags %v", c, c.After.Role.Tags)
	}
	apply(t, m, p)
	if again := plan(t, m, req); len(again.Pending()) > 0 {
		t.Errorf("a second plan is %v", actions(again))
	}
}

// What IAM would refuse midway is refused before the first write.
func TestLimitsOfARole(t *testing.T) {
	t.Parallel()
	full := foreignRole("fly-acme-web")
	for i := range 49 {
		full.Role.Tags[fmt.Sprint("tag", i)] = "x"
	}
	req := request("web")
	req.Adopt = true
	var invalid *setup.InvalidError
	if _, err := tryPlan(newMemory(full), req); !errors.As(err, &invalid) || invalid.Field != setup.FieldTag {
		t.Errorf("53 tags: %v", err)
	}
	long := func(name string) setup.InlinePolicy {
		doc := fmt.Sprintf(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::%s/*"}}`, strings.Repeat("b", 6000))
		return inline(name, doc)
	}
	req = request("web", "api")
	req.Apps[1].Role.Inline = []setup.InlinePolicy{long("one"), long("two")}
	if err := req.Check(); !errors.As(err, &invalid) || invalid.Field != setup.FieldInline {
		t.Errorf("12,000 characters: %v", err)
	}
	req = shared(request("web", "api"), "fly")
	for i := range 26 {
		req.Apps[i%2].Role.Policies = append(req.Apps[i%2].Role.Policies, fmt.Sprint("Policy", i))
	}
	if err := req.Check(); !errors.As(err, &invalid) || invalid.Field != setup.FieldPolicy {
		t.Errorf("27 policies: %v", err)
	}
}

// An update that changes what is not shown is refused.
func TestEditedUpdatesAreRefused(t *testing.T) {
	t.Parallel()
	m := newMemory()
	apply(t, m, plan(t, m, request("web")))
	m.edit("role:fly-acme-web", func(r *setup.Resource) { r.Role.Tags["team"] = "ops" })
	m.edit(provider, func(r *setup.Resource) { r.Provider.Audiences = []string{"other"} })
	req := request("web")
	req.Apps[0].Role.MaxSession = 7200
	data, err := plan(t, m, req).MarshalIndent()
	if err != nil {
		t.Fatal(err)
	}
	for name, edit := range map[string]func(provider *setup.Provider, role *setup.Role){
		"the name's case": func(_ *setup.Provider, r *setup.Role) { r.Name = "FLY-acme-web" },
		"the description": func(_ *setup.Provider, r *setup.Role) { r.Description = "x" },
		"the path": func(_ *setup.Provider, r *setup.Role) {
			r.Path, r.ARN = "/x/", "arn:aws:iam::123456789012:role/x/fly-acme-web"
		},
		"no sessions":          func(_ *setup.Provider, r *setup.Role) { r.MaxSession = 0 },
		"a tag that goes":      func(_ *setup.Provider, r *setup.Role) { delete(r.Tags, "team") },
		"our tag that goes":    func(_ *setup.Provider, r *setup.Role) { delete(r.Tags, setup.TagApp) },
		"a boundary of nobody": func(_ *setup.Provider, r *setup.Role) { r.Boundary = "x" },
		"another trust statement": func(_ *setup.Provider, r *setup.Role) {
			r.Trust = r.Trust.Merge(foreignRole("x").Role.Trust.Statements...)
		},
		"an audience that goes": func(p *setup.Provider, _ *setup.Role) { p.Audiences = p.Audiences[1:] },
		"an audience more":      func(p *setup.Provider, _ *setup.Role) { p.Audiences = append(p.Audiences, "evil") },
		"a tag of the provider": func(p *setup.Provider, _ *setup.Role) { p.Tags = map[string]string{"x": "1"} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := setup.ReadPlan(data)
			if err != nil {
				t.Fatal(err)
			}
			edit(p.Changes[0].After.Provider, p.Changes[1].After.Role)
			edited, err := p.MarshalIndent()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := setup.ReadPlan(edited); err == nil {
				t.Errorf("it is read:\n%s", edited)
			}
		})
	}
}

// An audience that no request can have is refused, though the whole plan is for it.
func TestEditedAudienceIsRefused(t *testing.T) {
	t.Parallel()
	req := request("web")
	req.Audience = "vault"
	data, err := plan(t, newMemory(), req).MarshalIndent()
	if err != nil {
		t.Fatal(err)
	}
	for audience, ok := range map[string]bool{"vault2": true, "https://fly.io/acme": false, "*": false} {
		edited := strings.ReplaceAll(string(data), `"vault"`, strconv.Quote(audience))
		if _, err := setup.ReadPlan([]byte(edited)); (err == nil) != ok {
			t.Errorf("%s: %v", audience, err)
		}
	}
}

// The reasons of a plan from a file come from before and after, not from the file.
func TestReasonsAreDerivedAgain(t *testing.T) {
	t.Parallel()
	m := newMemory()
	apply(t, m, plan(t, m, request("web")))
	req := request("web")
	req.Apps[0].Role.Boundary = "PowerUserAccess"
	p := plan(t, m, req)
	p.Changes[1].Reasons = []setup.Reason{{Code: setup.ReasonTag, Want: "harmless=1"}}
	p.Changes[0].Reasons = p.Changes[1].Reasons
	want(t, reread(t, p),
		"keep "+provider,
		"update role:fly-acme-web permissions-boundary",
		"keep attachment:fly-acme-web:arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess",
		"keep env:web/fly.toml:AWS_ROLE_ARN",
	)
}

func TestPlanFilesAreReadStrictly(t *testing.T) {
	t.Parallel()
	data, err := plan(t, newMemory(), request("web")).MarshalIndent()
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	for name, edit := range map[string][2]string{
		"an unknown name":     {`"account": `, `"acount": "x", "account": `},
		"a duplicate name":    {`"account": `, `"account": "999999999999", "account": `},
		"a name by case":      {`"account": `, `"Account": `},
		"a duplicate by case": {`"account": `, `"ACCOUNT": "999999999999", "account": `},
		"a duplicate deep in": {`"AWS_ROLE_ARN"`, `"AWS_ROLE_ARN", "key": "AWS_REGION"`},
		"another version":     {"fly-aws.plan/1", "fly-aws.plan/2"},
		"bad UTF-8":           {`"org": "acme"`, "\"org\": \"acme\xff\""},
	} {
		edited := strings.Replace(text, edit[0], edit[1], 1)
		if edited == text {
			t.Fatalf("%s: nothing was edited", name)
		}
		if _, err := setup.ReadPlan([]byte(edited)); err == nil {
			t.Errorf("%s: it is read", name)
		}
	}
	for _, more := range []string{"{}", "x", text} {
		if _, err := setup.ReadPlan([]byte(text + more)); err == nil {
			t.Errorf("with %.10q after it, it is read", more)
		}
	}
}
