package setup_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/fly-aws/fly-aws/setup"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

// narrowings shows the warnings about narrowed statements, as "deny" or
// "machine=acme:web:m1".
func narrowings(p *setup.Plan) []string {
	out := []string{}
	for _, w := range p.Warnings {
		for _, n := range w.Narrowed {
			out = append(out, strings.TrimSuffix(string(n.Kind)+"="+n.Value, "="))
		}
	}
	return out
}

// reasons shows the reasons of a change, as "effect Deny -> Allow".
func reasons(c setup.Change) []string {
	var out []string
	for _, r := range c.Reasons {
		out = append(out, string(r.Code)+" "+r.Have+" -> "+r.Want)
	}
	return out
}

// What someone did to narrow our statement stays and is said. Only Adopt lifts it, and
// then the plan says who gains access.
func TestNarrowingsStayUntilAdopted(t *testing.T) {
	t.Parallel()
	const condition = "IpAddress aws:SourceIp 192.0.2.0/24"
	one := func(s *trustpolicy.Statement) {
		s.Conditions[1].Operator, s.Conditions[1].Values = "StringEquals", []string{"acme:web:m1"}
	}
	for name, test := range map[string]struct {
		req    setup.Request
		narrow func(*trustpolicy.Statement)
		want   string
		lifted []string
	}{
		"a condition": {
			request("web"),
			func(s *trustpolicy.Statement) { s.Conditions = append(s.Conditions, office) },
			"condition=" + condition,
			[]string{"condition-unwanted " + condition + " -> "},
		},
		"one machine": {
			request("web"), one, "machine=acme:web:m1",
			[]string{"subject-unwanted acme:web:m1 -> ", "subject-missing  -> acme:web:*"},
		},
		"one machine, as of a file": {
			fromFile(request("web"), "prod"),
			func(s *trustpolicy.Statement) { s.Conditions[1].Values = []string{"acme:web:m1"} },
			"machine=acme:web:m1",
			[]string{"subject-unwanted acme:web:m1 -> ", "subject-missing  -> acme:web:*"},
		},
		"Deny": {
			request("web"),
			func(s *trustpolicy.Statement) { s.Effect = trustpolicy.Deny },
			"deny",
			[]string{"effect Deny -> Allow", "subject-missing  -> acme:web:*"},
		},
		"no action of ours": {
			request("web"),
			func(s *trustpolicy.Statement) { s.Action = []string{"sts:TagSession"} },
			"action",
			[]string{"action-missing  -> sts:AssumeRoleWithWebIdentity"},
		},
		"another action instead": {
			request("web"),
			func(s *trustpolicy.Statement) { s.Action = []string{"sts:AssumeRole"} },
			"action",
			[]string{"action-missing  -> sts:AssumeRoleWithWebIdentity"},
		},
		"a form of its own": {
			request("web"),
			func(s *trustpolicy.Statement) { s.Conditions[1].Operator = "StringNotEquals" },
			"unknown",
			[]string{"statement-edited  -> FlyAwsAcme"},
		},
		"all at once": {
			request("web"),
			func(s *trustpolicy.Statement) {
				one(s)
				s.Conditions = append(s.Conditions, office)
			},
			"machine=acme:web:m1 condition=" + condition,
			[]string{"condition-unwanted " + condition + " -> ", "subject-unwanted acme:web:m1 -> ", "subject-missing  -> acme:web:*"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := made(t, test.req)
			m.editOurs(webRole, test.narrow)
			edited := m.things[webRole].Role.Trust
			for _, prune := range []bool{false, true} {
				req := test.req
				req.Prune = prune
				p := plan(t, m, req)
				if got := strings.Join(narrowings(p), " "); got != test.want || len(p.Pending()) > 0 {
					t.Errorf("narrowed by %q, plan %v", got, actions(p))
				}
				apply(t, m, reread(t, p))
				if now := m.things[webRole].Role.Trust; !now.Equal(edited) {
					t.Errorf("it became %s", now)
				}
			}
			// Something else to write does not take it along.
			apply(t, m, reread(t, plan(t, m, withSession(test.req))))
			if now := m.things[webRole].Role.Trust; !now.Equal(edited) {
				t.Errorf("with another change it became %s", now)
			}

			req := test.req
			req.Adopt = true
			p := plan(t, m, req)
			got := slices.DeleteFunc(reasons(p.Changes[1]), func(r string) bool { return strings.HasPrefix(r, "tag ") })
			if len(narrowings(p)) > 0 || !slices.Equal(got, test.lifted) {
				t.Errorf("adopting, it is narrowed by %v; reasons\n%q, not\n%q", narrowings(p), got, test.lifted)
			}
			for _, check := range apply(t, m, reread(t, p)).Checks {
				if !check.Passed() {
					t.Errorf("%s: wanted %s, got %s", check.Subject, check.Want, check.Got)
				}
			}
			if again := plan(t, m, test.req); len(again.Pending())+len(narrowings(again)) > 0 {
				t.Errorf("a second plan is %v, narrowed by %v", actions(again), narrowings(again))
			}
		})
	}
}

// Adopting over a statement that someone turned into a Deny lets in whom the request
// names, not whom it denied.
func TestAdoptedDenyAllowsOnlyTheRequest(t *testing.T) {
	t.Parallel()
	m := made(t, shared(request("web", "api"), "fly"))
	const role = "role:fly"
	m.editOurs(role, func(s *trustpolicy.Statement) {
		*s = trustpolicy.Statement{
			Sid: s.Sid, Effect: trustpolicy.Deny, Principal: &trustpolicy.Principal{Any: true},
			Action: []string{"sts:*"}, Conditions: []trustpolicy.Condition{{Operator: "StringLike", Key: "oidc.fly.io/acme:sub", Values: []string{"acme:web:m1", "acme:api:*", "acme:db:*"}}},
		}
	})
	req := shared(request("web"), "fly")
	req.Adopt = true
	p := plan(t, m, req)
	if len(p.Grants) != 1 || len(p.Grants[0].Machines) > 0 {
		t.Errorf("grants are %+v", p.Grants)
	}
	for _, check := range apply(t, m, reread(t, p)).Checks {
		if !check.Passed() {
			t.Errorf("%s: wanted %s, got %s", check.Subject, check.Want, check.Got)
		}
	}
	if now := m.things[role].Role.Trust; !now.Equal(ours("web")) {
		t.Errorf("the trust policy became %s", now)
	}
}

// Conditions of the request are written and are no narrowing. Another value of one is an
// update. One that the request no longer has is a narrowing like any other.
func TestDeclaredConditions(t *testing.T) {
	t.Parallel()
	req := request("web")
	req.Roles[0].Conditions = []trustpolicy.Condition{office}
	m := made(t, req)
	ours := func() trustpolicy.Statement {
		s, _ := m.things[webRole].Role.Trust.Statement("FlyAwsAcme")
		return s
	}
	if s := ours(); len(s.Conditions) != 3 || !slices.Equal(s.Conditions[2].Values, office.Values) {
		t.Errorf("conditions are %v", s.Conditions)
	}
	if p := plan(t, m, req); len(p.Pending())+len(narrowings(p)) > 0 {
		t.Errorf("a second plan is %v, narrowed by %v", actions(p), narrowings(p))
	}

	moved := request("web")
	moved.Roles[0].Conditions = []trustpolicy.Condition{{Operator: "IpAddress", Key: "aws:SourceIp", Values: []string{"198.51.100.0/24"}}}
	p := plan(t, m, moved)
	if got := reasons(p.Changes[1]); !slices.Equal(got, []string{
		"condition-unwanted IpAddress aws:SourceIp 192.0.2.0/24 -> ", "condition-missing  -> IpAddress aws:SourceIp 198.51.100.0/24",
	}) || len(narrowings(p)) > 0 {
		t.Errorf("reasons %q, narrowed by %v", got, narrowings(p))
	}
	apply(t, m, reread(t, p))
	if s := ours(); len(s.Conditions) != 3 || s.Conditions[2].Values[0] != "198.51.100.0/24" {
		t.Errorf("conditions are %v", s.Conditions)
	}

	if p := plan(t, m, request("web")); len(p.Pending()) > 0 || len(narrowings(p)) != 1 {
		t.Errorf("without the condition the plan is %v, narrowed by %v", actions(p), narrowings(p))
	}
	// On a role that lacks it, it is added.
	m = made(t, request("web"))
	if got := reasons(plan(t, m, req).Changes[1]); !slices.Equal(got, []string{"condition-missing  -> IpAddress aws:SourceIp 192.0.2.0/24"}) {
		t.Errorf("reasons %q", got)
	}

	for name, c := range map[string]trustpolicy.Condition{
		"no operator":        {Key: "aws:SourceIp", Values: []string{"192.0.2.0/24"}},
		"no values":          {Operator: "IpAddress", Key: "aws:SourceIp"},
		"a claim of Fly's":   {Operator: "StringLike", Key: "oidc.fly.io/acme:sub", Values: []string{"acme:*"}},
		"in another case":    {Operator: "StringLike", Key: "OIDC.fly.io/acme:aud", Values: []string{"*"}},
		"not an operator":    {Operator: "Sounds Like", Key: "aws:SourceIp", Values: []string{"x"}},
		"an unsafe operator": {Operator: "", Key: "", Values: nil},
	} {
		bad := request("web")
		bad.Roles[0].Conditions = []trustpolicy.Condition{c}
		if err := bad.Check(); err == nil || strings.Contains(err.Error(), "column") {
			t.Errorf("%s: %+v: %v", name, c, err)
		}
	}
}

// Where the role's own statement already says what ours would, adopting adds only tags,
// and destroying removes only these.
func TestAdoptedAsItIs(t *testing.T) {
	t.Parallel()
	role := foreignRole("fly-acme-web")
	own := ours("web").Statements[0]
	own.Sid = "Ours"
	role.Role.Trust = role.Role.Trust.Merge(own)
	role.Role.MaxSession = 3600
	m := newMemory(role)
	req := request("web")
	req.Adopt = true
	p := plan(t, m, req)
	if got := actions(p)[1]; got != "adopt "+webRole+" foreign-role tag tag tag" {
		t.Errorf("plan has %s", got)
	}
	apply(t, m, reread(t, p))
	if now := m.things[webRole].Role.Trust; !now.Equal(role.Role.Trust) {
		t.Errorf("the trust policy became %s", now)
	}
	for _, req := range []setup.Request{req, request("web")} {
		if again := plan(t, m, req); len(again.Pending())+len(again.Conflicts()) > 0 || len(again.Extras) != 1 { // Servers
			t.Errorf("a second plan is %v with %v", actions(again), extras(again))
		}
	}
	// What narrows the role's own statement is reported like that of ours.
	m.edit(webRole, func(r *setup.Resource) {
		s, _ := r.Role.Trust.Statement("Ours")
		s.Conditions = append(slices.Clone(s.Conditions), office)
		r.Role.Trust = r.Role.Trust.Merge(s)
	})
	if p := plan(t, m, request("web")); len(p.Pending()) > 0 || len(narrowings(p)) != 1 {
		t.Errorf("narrowed, the plan is %v, %v", actions(p), narrowings(p))
	}
	m.edit(webRole, func(r *setup.Resource) { r.Role.Trust = role.Role.Trust })

	p = planDestroy(t, m, setup.Scope{Org: org, Apps: []string{"web"}, Entries: entries("web")})
	want(t, p, "delete env:web/fly.toml:AWS_ROLE_ARN", "update "+webRole+" tag tag tag")
	apply(t, m, reread(t, p))
	delete(m.things, "attachment:fly-acme-web:arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess")
	delete(m.things, provider)
	if !sameThings(newMemory(role).things, m.things) {
		t.Errorf("afterwards there is %v, %+v", sortedKeys(m.things), m.things[webRole].Role)
	}
}
