package setup_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/fly-aws/fly-aws/setup"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

// A plan that keeps what is no longer there is stale, also when it has nothing
// else to do.
func TestKeptResourcesAreLookedAtAgain(t *testing.T) {
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
			for _, p := range []*setup.Plan{nothing, onlyEnv} {
				if _, err := setup.Apply(context.Background(), m.targets(), p, nil); !errors.As(err, new(*setup.StaleError)) {
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
	req.Apps[0].Role.Inline = []setup.InlinePolicy{{Name: "own", Source: "own.json", Document: json.RawMessage(
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"}}`)}}
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
		"no document":            func(p *setup.Plan) { p.Changes[3].After.Policy.Document = nil },
		"a null document":        func(p *setup.Plan) { p.Changes[3].After.Policy.Document = json.RawMessage("null") },
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
		"an unknown action":        func(p *setup.Plan) { p.Changes[1].Action = "delete" },
		"the alias personal":       func(p *setup.Plan) { p.Org, p.Issuer = "personal", "https://oidc.fly.io/personal" },
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
				return // it cannot even be written
			}
			if _, err := setup.ReadPlan(edited); err == nil {
				t.Errorf("it is read:\n%s", edited)
			}
		})
	}
}

// A role that is limited to some machines stays so until all are asked for.
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
	_, proofs, err := setup.Verify(context.Background(), m.targets(), p)
	if err != nil || len(proofs) != 3 {
		t.Fatalf("proofs %v, %v", proofs, err)
	}
	for _, proof := range proofs {
		if !proof.Held() {
			t.Errorf("%s: wanted %s, got %s", proof.Subject, proof.Want, proof.Got)
		}
	}
	all := request("web")
	all.Apps[0].Machines = []string{setup.AllMachines}
	if got := actions(plan(t, m, all))[1]; got != "update role:fly-acme-web subject-unwanted subject-unwanted subject-missing" {
		t.Error(got)
	}

	// Beside a pin, a statement that lets the whole app in is noticed.
	m.edit("role:fly-acme-web", func(r *setup.Resource) {
		s := r.Role.Trust.Statements[0]
		s.Sid, s.Conditions = "Wide", slices.Clone(s.Conditions)
		s.Conditions[1].Values = []string{"acme:web:*"}
		r.Role.Trust = r.Role.Trust.Merge(s)
	})
	_, proofs, err = setup.Verify(context.Background(), m.targets(), p)
	if err != nil || proofs[1].Held() {
		t.Errorf("another machine of the app: %+v, %v", proofs[1], err)
	}
}

// Another audience for a shared role would end the access of the apps that are
// not mentioned.
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

// The apps that share a role are proven too, though they are not mentioned.
func TestKeptAppsAreProven(t *testing.T) {
	t.Parallel()
	m := newMemory()
	apply(t, m, plan(t, m, shared(request("web"), "fly")))
	p := plan(t, m, shared(request("api"), "fly"))
	if len(p.Grants) != 2 || !p.Grants[1].Kept || p.Grants[1].App != "web" {
		t.Fatalf("grants are %+v", p.Grants)
	}
	apply(t, m, p)
	_, proofs, err := setup.Verify(context.Background(), m.targets(), p)
	if err != nil || len(proofs) != 4 {
		t.Errorf("proofs %v, %v", proofs, err)
	}
}

// IAM does not tell the keys Team and team apart on a role.
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

// What IAM would refuse midway is refused before.
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
		return setup.InlinePolicy{Name: name, Source: name + ".json", Document: json.RawMessage(doc)}
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
