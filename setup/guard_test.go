package setup_test

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/fly-aws/fly-aws/setup"
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

// A role that is limited to some machines stays limited until all are requested.
func TestPinnedMachinesStayPinned(t *testing.T) {
	t.Parallel()
	m := newMemory()
	pinned := request("web")
	pinned.Roles[0].Apps[0].Machines = []string{"m2", "m1"}
	apply(t, m, plan(t, m, pinned))

	p := plan(t, m, request("web"))
	if len(p.Pending()) != 0 || !slices.Equal(p.Grants[0].Machines, []string{"m1", "m2"}) {
		t.Errorf("plan is %v, grants %v", actions(p), p.Grants)
	}
	checks := apply(t, m, p).Checks
	if len(checks) != 4 {
		t.Fatalf("checks %v", checks)
	}
	for _, check := range checks {
		if !check.Passed() {
			t.Errorf("%s: wanted %s, got %s", check.Subject, check.Want, check.Got)
		}
	}
	all := request("web")
	all.Roles[0].Apps[0].Machines = []string{setup.AllMachines}
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
	apply(t, m, plan(t, m, shared(request("web", "db"), "fly")))
	req := shared(request("web", "api"), "fly")
	req.Audience = "other"
	p := plan(t, m, req)
	if got := actions(p)[1]; got != "conflict role:fly shared-audience" {
		t.Error(got)
	}
	req = shared(request("web", "db"), "fly")
	req.Audience = "other"
	if p := plan(t, m, req); len(p.Conflicts()) > 0 {
		t.Errorf("for all apps that use it: %v", actions(p))
	}
}

// All apps that share a role are checked, not only those that the request names.
func TestKeptAppsAreChecked(t *testing.T) {
	t.Parallel()
	m := newMemory()
	apply(t, m, plan(t, m, shared(request("web", "db"), "fly")))
	p := plan(t, m, shared(request("api"), "fly"))
	if len(p.Grants) != 3 || !p.Grants[1].Kept || p.Grants[1].App != "db" || !p.Grants[2].Kept || p.Grants[2].App != "web" {
		t.Fatalf("grants are %+v", p.Grants)
	}
	if len(p.Extras) > 0 {
		t.Errorf("extras are %+v", p.Extras)
	}
	if checks := apply(t, m, p).Checks; len(checks) != 9 {
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
	req.Roles[0].Tags = map[string]string{"team": "y"}
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
	req.Roles[1].Inline = []setup.InlinePolicy{long("one"), long("two")}
	if err := req.Check(); !errors.As(err, &invalid) || invalid.Field != setup.FieldInline {
		t.Errorf("12,000 characters: %v", err)
	}
	req = shared(request("web", "api"), "fly")
	for i := range 26 {
		req.Roles[0].Policies = append(req.Roles[0].Policies, fmt.Sprint("Policy", i))
	}
	if err := req.Check(); !errors.As(err, &invalid) || invalid.Field != setup.FieldPolicy {
		t.Errorf("27 policies: %v", err)
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

// A plan is not read if it was made from what no account has, though it follows from that.
func TestPlansFromWhatNoAccountHas(t *testing.T) {
	t.Parallel()
	const other = "arn:aws:iam::999999999999:"
	found := func(p *setup.Plan, change func(*setup.Resource)) {
		for i := range p.Found {
			change(&p.Found[i])
		}
	}
	role := func(change func(*setup.Role)) func(*setup.Plan) {
		return func(p *setup.Plan) {
			found(p, func(r *setup.Resource) {
				if r.Role != nil {
					change(r.Role)
				}
			})
		}
	}
	policy := func(arn string) func(*setup.Plan) {
		return func(p *setup.Plan) { p.Facts.Policies["AmazonS3ReadOnlyAccess"] = arn }
	}
	for name, edit := range map[string]func(*setup.Plan){
		"nothing":             nil,
		"a bad partition":     func(p *setup.Plan) { p.Facts.Partition = "evil" },
		"a bad account":       func(p *setup.Plan) { p.Facts.Account = "12345" },
		"no request":          func(p *setup.Plan) { p.Request = nil },
		"a request and scope": func(p *setup.Plan) { p.Scope = &setup.Scope{Org: org} },
		"the alias personal":  func(p *setup.Plan) { p.Request.Org = "personal" },
		"a role of another account": role(func(r *setup.Role) {
			r.ARN = other + "role/" + r.Name
		}),
		"a role with a bad name":        role(func(r *setup.Role) { r.Name, r.ARN = "a b", "arn:aws:iam::"+account+":role/a b" }),
		"a policy of another account":   policy(other + "policy/x"),
		"a policy of another partition": policy("arn:aws-cn:iam::aws:policy/x"),
		"a policy that is none":         policy("arn:aws:iam::aws:user/x"),
		"a policy with a bad name":      policy("arn:aws:iam::aws:policy/x y"),
		"a resource twice":              func(p *setup.Plan) { p.Found = append(p.Found, p.Found[0]) },
		"a resource of no kind":         func(p *setup.Plan) { p.Found = append(p.Found, setup.Resource{}) },
		"a policy of both kinds":        func(p *setup.Plan) { found(p, bothKinds) },
		"an entry of no file":           func(p *setup.Plan) { found(p, noFile) },
		"a provider of another account": func(p *setup.Plan) { found(p, func(r *setup.Resource) { otherProvider(r, other) }) },
	} {
		m := made(t, request("web"))
		p := plan(t, m, request("web"))
		if edit != nil {
			edit(p)
		}
		state := setup.State{}
		for _, r := range p.Found {
			state[r.ID()] = r
		}
		if p.Request != nil { // what follows from it
			again, err := setup.Resolve(*p.Request, p.Facts, state)
			if err != nil {
				continue // nothing does
			}
			again.Found, again.Scope, again.Warnings = p.Found, p.Scope, append(again.Warnings, p.Warnings...)
			p = again
		}
		data, err := p.MarshalIndent()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, err := setup.ReadPlan(data); (err == nil) != (edit == nil) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// The same for a scope.
	for _, scope := range []setup.Scope{{Org: "personal"}, {Org: org, Apps: []string{"*"}}, {Org: org, Entries: []setup.Env{{Config: "fly.toml", App: "a b"}}}} {
		p := planDestroy(t, newMemory(), setup.Scope{Org: org})
		p.Scope, p.Org, p.Issuer = &scope, scope.Org, "https://oidc.fly.io/"+scope.Org
		data, err := p.MarshalIndent()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := setup.ReadPlan(data); err == nil {
			t.Errorf("the scope %+v is read", scope)
		}
	}
}

func bothKinds(r *setup.Resource) {
	if r.Policy != nil {
		r.Policy.Name, r.Policy.Document = "x", document(getObject)
	}
}

func noFile(r *setup.Resource) {
	if r.Env != nil {
		r.Env.Config = ""
	}
}

func otherProvider(r *setup.Resource, prefix string) {
	if r.Provider != nil {
		r.Provider.ARN = prefix + "oidc-provider/oidc.fly.io/acme"
	}
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
		"another version":     {"fly-aws.plan/2", "fly-aws.plan/1"},
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
