package setup_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/fly-aws/fly-aws/setup"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

const webRole = "role:fly-acme-web"

// made returns an account in which the request was applied.
func made(t *testing.T, req setup.Request, things ...setup.Resource) *memory {
	t.Helper()
	m := newMemory(things...)
	apply(t, m, plan(t, m, req))
	m.writes = nil
	return m
}

// editOurs changes our statement on a role by hand.
func (m *memory) editOurs(role string, change func(*trustpolicy.Statement)) {
	m.edit(role, func(r *setup.Resource) {
		s, ok := r.Role.Trust.Statement("FlyAwsAcme")
		if !ok {
			panic("no statement of ours on " + role)
		}
		principal := *s.Principal
		s.Principal, s.Action, s.Conditions = &principal, slices.Clone(s.Action), slices.Clone(s.Conditions)
		change(&s)
		r.Role.Trust = r.Role.Trust.Merge(s)
	})
}

// addStatement adds a statement to a role's trust policy by hand.
func (m *memory) addStatement(role, text string) {
	m.edit(role, func(r *setup.Resource) {
		r.Role.Trust = r.Role.Trust.Merge(statements(text)...)
	})
}

// statements parses a statement.
func statements(text string) []trustpolicy.Statement {
	p, err := trustpolicy.Parse([]byte(`{"Version":"2012-10-17","Statement":[` + text + `]}`))
	if err != nil {
		panic(err)
	}
	return p.Statements
}

// attach attaches a managed policy by hand.
func (m *memory) attach(role, arn string) {
	r := setup.Resource{Policy: &setup.RolePolicy{Role: role, ARN: arn}}
	m.things[r.ID()] = r
}

// embed puts an inline policy into a role by hand.
func (m *memory) embed(role, name, text string) {
	r := setup.Resource{Policy: &setup.RolePolicy{Role: role, Name: name, Document: document(text)}}
	m.things[r.ID()] = r
}

const (
	adminARN   = "arn:aws:iam::aws:policy/AdministratorAccess"
	auditARN   = "arn:aws:iam::aws:policy/SecurityAudit"
	customARN  = "arn:aws:iam::" + account + ":policy/ops/Custom"
	allowAll   = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`
	denyAll    = `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}`
	breakGlass = `{"Sid":"BreakGlass","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + account + `:root"},"Action":"sts:AssumeRole"}`
	// everyApp lets every app of the organization in.
	everyApp = `{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::` + account + `:oidc-provider/oidc.fly.io/acme"},"Action":"sts:AssumeRoleWithWebIdentity",` +
		`"Condition":{"StringLike":{"oidc.fly.io/acme:sub":"acme:*"}}}`
	// nobody denies access.
	nobody = `{"Sid":"Nobody","Effect":"Deny","Principal":"*","Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringLike":{"oidc.fly.io/acme:sub":"acme:db:*"}}}`
)

// extras shows the extras of a plan, as "fly-acme-web policy:X breadth=administrator".
func extras(p *setup.Plan) []string {
	out := []string{}
	for _, e := range p.Extras {
		line := e.Role + " " + e.Keep()
		for _, m := range e.Means {
			line += " " + string(m.Code) + "=" + m.Value
			if m.Conditional {
				line += "?"
			}
		}
		if e.Watched {
			line += " watched"
		}
		if e.Pruned {
			line += " pruned"
		}
		if e.Stays != "" {
			line += " stays:" + string(e.Stays)
		}
		out = append(out, line)
	}
	return out
}

func wantExtras(t *testing.T, p *setup.Plan, lines ...string) {
	t.Helper()
	if got := extras(p); !slices.Equal(got, lines) {
		t.Errorf("extras are\n  %s\nnot\n  %s", strings.Join(got, "\n  "), strings.Join(lines, "\n  "))
	}
}

// Whatever is on a role of ours and nobody asked for is listed with what it means. It can
// be silenced by its name, is pruned if that is asked for, and a plan that does not know
// of it is stale.
func TestExtras(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		add    func(*memory)
		want   string // without the role's name
		reason setup.ReasonCode
	}{
		"a managed policy": {
			add: func(m *memory) {
				m.documents = map[string]setup.Document{adminARN: document(allowAll)}
				m.attach("fly-acme-web", adminARN)
			},
			want: "policy:AdministratorAccess breadth=administrator",
		},
		"a managed policy of the account": {
			add: func(m *memory) {
				m.documents = map[string]setup.Document{customARN: document(strings.Replace(allowAll, `"Action":"*"`, `"Action":"iam:*"`, 1))}
				m.attach("fly-acme-web", customARN)
			},
			want: "policy:Custom breadth=iam",
		},
		"an inline policy": {
			add:  func(m *memory) { m.embed("fly-acme-web", "all", allowAll) },
			want: "policy:all breadth=administrator",
		},
		"a narrow inline policy": {
			add:  func(m *memory) { m.embed("fly-acme-web", "some", getObject) },
			want: "policy:some",
		},
		"a statement": {
			add:    func(m *memory) { m.addStatement(webRole, breakGlass) },
			want:   "statement:BreakGlass principal=AWS arn:aws:iam::123456789012:root",
			reason: setup.ReasonStatementUnwanted,
		},
		"a statement without a Sid": {
			add:    func(m *memory) { m.addStatement(webRole, everyApp) },
			want:   "statement:#2 every-app=acme",
			reason: setup.ReasonStatementUnwanted,
		},
		"a statement for anyone, with a condition": {
			add: func(m *memory) {
				m.addStatement(webRole, `{"Sid":"Any","Effect":"Allow","Principal":"*","Action":"sts:AssumeRole","Condition":{"IpAddress":{"aws:SourceIp":"192.0.2.0/24"}}}`)
			},
			want:   "statement:Any anyone=?",
			reason: setup.ReasonStatementUnwanted,
		},
		"every app in our statement": {
			add: func(m *memory) {
				m.editOurs(webRole, func(s *trustpolicy.Statement) { s.Conditions[1].Values = []string{"acme:*", "acme:web:*"} })
			},
			want:   "subject:acme:* every-app=acme",
			reason: setup.ReasonSubjectUnwanted,
		},
		"another app in our statement": {
			add: func(m *memory) {
				m.editOurs(webRole, func(s *trustpolicy.Statement) { s.Conditions[1].Values = []string{"acme:api:*", "acme:web:*"} })
			},
			want:   "subject:acme:api:* subject=acme:api:*",
			reason: setup.ReasonSubjectUnwanted,
		},
		"no subject in our statement": {
			add: func(m *memory) {
				m.editOurs(webRole, func(s *trustpolicy.Statement) { s.Conditions = s.Conditions[:1] })
			},
			want:   "subject:* every-app=acme",
			reason: setup.ReasonSubjectMissing,
		},
		"an action": {
			add: func(m *memory) {
				m.editOurs(webRole, func(s *trustpolicy.Statement) { s.Action = append(s.Action, "sts:AssumeRole") })
			},
			want:   "action:sts:AssumeRole action=sts:AssumeRole",
			reason: setup.ReasonActionUnwanted,
		},
		"every action": {
			add: func(m *memory) {
				m.editOurs(webRole, func(s *trustpolicy.Statement) { s.Action = []string{"sts:*"} })
			},
			want:   "action:sts:* action=sts:*",
			reason: setup.ReasonActionUnwanted,
		},
		"another audience": {
			add: func(m *memory) {
				m.editOurs(webRole, func(s *trustpolicy.Statement) { s.Conditions[0].Values = []string{"sts.amazonaws.com", "vault"} })
			},
			want:   "audience:vault audience=vault",
			reason: setup.ReasonConditionUnwanted,
		},
		"no audience": {
			add: func(m *memory) {
				m.editOurs(webRole, func(s *trustpolicy.Statement) { s.Conditions = s.Conditions[1:] })
			},
			want:   "audience:* any-audience=",
			reason: setup.ReasonConditionMissing,
		},
		"a principal": {
			add: func(m *memory) {
				m.editOurs(webRole, func(s *trustpolicy.Statement) { s.Principal.AWS = []string{"arn:aws:iam::" + account + ":root"} })
			},
			want:   "principal:AWS arn:aws:iam::123456789012:root principal=AWS arn:aws:iam::123456789012:root",
			reason: setup.ReasonPrincipalUnwanted,
		},
		"anyone": {
			add: func(m *memory) {
				m.editOurs(webRole, func(s *trustpolicy.Statement) { s.Principal = &trustpolicy.Principal{Any: true} })
			},
			want:   "principal:* anyone=",
			reason: setup.ReasonPrincipalUnwanted,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := made(t, request("web"))
			before := *m.things[webRole].Role
			early := plan(t, m, withSession(request("web")))
			test.add(m)
			if _, err := tryApply(m, reread(t, early)); !errors.As(err, new(*setup.StaleError)) || len(m.writes) > 0 {
				t.Errorf("a plan from before: %v, written %v", err, m.writes)
			}

			p := plan(t, m, request("web"))
			wantExtras(t, p, "fly-acme-web "+test.want)
			if len(p.Pending()) > 0 || len(p.Warnings) > 1 { // no region
				t.Errorf("plan is %v, warnings %v", actions(p), p.Warnings)
			}
			apply(t, m, reread(t, p))
			if len(m.writes) > 0 {
				t.Errorf("written: %v", m.writes)
			}
			kept := request("web")
			kept.Prune, kept.Roles[0].Keep = true, []string{p.Extras[0].Keep()}
			if err := kept.Check(); err != nil {
				t.Error(err)
			}
			p = plan(t, m, kept)
			if wantExtras(t, p); len(p.Pending()) > 0 {
				t.Errorf("with keep the plan is %v", actions(p))
			}

			pruning := request("web")
			pruning.Prune = true
			p = plan(t, m, pruning)
			wantExtras(t, p, "fly-acme-web "+test.want+" pruned")
			if test.reason != "" && !slices.ContainsFunc(p.Changes[1].Reasons, func(r setup.Reason) bool { return r.Code == test.reason }) {
				t.Errorf("the reasons are %v", p.Changes[1].Reasons)
			}
			if report := apply(t, m, reread(t, p)); len(report.Mismatches) > 0 {
				t.Errorf("mismatches %v", report.Mismatches)
			}
			p = plan(t, m, pruning)
			if wantExtras(t, p); len(p.Pending()) > 0 {
				t.Errorf("a second plan is %v", actions(p))
			}
			if now := m.things[webRole].Role.Trust; !now.Equal(before.Trust) {
				t.Errorf("the trust policy is now %s", now)
			}
		})
	}
}

// withSession asks for something else on each role, so that there is something to do.
func withSession(req setup.Request) setup.Request {
	for i := range req.Roles {
		req.Roles[i].MaxSession = 7200
	}
	return req
}

// What narrows access stays, whatever else is pruned.
func TestPruneKeepsWhatNarrows(t *testing.T) {
	t.Parallel()
	m := made(t, request("web"))
	m.documents = map[string]setup.Document{customARN: document(denyAll), adminARN: document(allowAll)}
	m.attach("fly-acme-web", customARN)
	m.attach("fly-acme-web", auditARN) // which cannot be read
	m.attach("fly-acme-web", adminARN)
	m.embed("fly-acme-web", "deny", denyAll)
	m.addStatement(webRole, nobody)
	m.addStatement(webRole, breakGlass)
	m.editOurs(webRole, func(s *trustpolicy.Statement) { s.Conditions = append(s.Conditions, office) })
	m.edit(webRole, func(r *setup.Resource) { r.Role.Boundary = customARN })
	m.edit(provider, func(r *setup.Resource) { r.Provider.Audiences = append(r.Provider.Audiences, "vault") })
	req := request("web")
	req.Prune = true
	p := plan(t, m, req)
	wantExtras(t, p,
		"fly-acme-web statement:BreakGlass principal=AWS arn:aws:iam::123456789012:root pruned",
		"fly-acme-web policy:Custom stays:deny",
		"fly-acme-web policy:AdministratorAccess breadth=administrator pruned",
		"fly-acme-web policy:SecurityAudit stays:unread",
		"fly-acme-web policy:deny stays:deny",
	)
	apply(t, m, reread(t, p))
	role := m.things[webRole].Role
	if len(role.Trust.Statements) != 2 || len(role.Trust.Statements[0].Conditions) != 3 || role.Boundary != customARN {
		t.Errorf("the role is now %+v", role)
	}
	if got := m.things[provider].Provider.Audiences; len(got) != 2 {
		t.Errorf("the provider's audiences are %v", got)
	}
	p = plan(t, m, req)
	if wantExtras(t, p, "fly-acme-web policy:Custom stays:deny", "fly-acme-web policy:SecurityAudit stays:unread", "fly-acme-web policy:deny stays:deny"); len(p.Pending()) > 0 {
		t.Errorf("a second plan is %v", actions(p))
	}
}

// Only roles of ours are pruned, and by a file only those that it made, as a whole.
func TestPruneKeepsToItsScope(t *testing.T) {
	t.Parallel()
	foreign := foreignRole("fly-acme-web")
	adopting := request("web")
	adopting.Adopt = true
	unmanaged := setup.Request{Org: org, Roles: []setup.RoleRequest{{Name: "fly-acme-web", Unmanaged: true}}}
	partial := fromFile(request("web"), "prod")
	partial.Partial = true
	const root = "fly-acme-web statement:BreakGlass principal=AWS arn:aws:iam::123456789012:root"
	const servers = "fly-acme-web statement:Servers principal=Service ec2.amazonaws.com"
	for name, test := range map[string]struct {
		made   setup.Request
		things []setup.Resource
		req    setup.Request
		want   []string
	}{
		"a role of ours":              {request("web"), nil, request("web"), []string{root + " pruned"}},
		"a role of the file":          {fromFile(request("web"), "prod"), nil, fromFile(request("web"), "prod"), []string{root + " pruned"}},
		"a part of the file":          {fromFile(request("web"), "prod"), nil, partial, []string{root + " stays:partial"}},
		"a role that no file made":    {request("web"), nil, fromFile(request("web"), "prod"), []string{root + " stays:other-file"}},
		"an adopted role":             {adopting, []setup.Resource{foreign}, request("web"), []string{servers + " watched stays:watched", root + " watched stays:watched"}},
		"an unmanaged role":           {request("api"), []setup.Resource{foreign}, unmanaged, []string{servers + " watched stays:watched", root + " watched stays:watched"}},
		"a role that is just adopted": {request("api"), []setup.Resource{foreign}, adopting, []string{servers + " watched stays:watched", root + " watched stays:watched"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := made(t, test.made, test.things...)
			m.addStatement(webRole, breakGlass)
			m.attach("fly-acme-web", adminARN)
			m.documents = map[string]setup.Document{adminARN: document(allowAll)}
			req := test.req
			req.Prune = true
			p := plan(t, m, req)
			_, rest, _ := strings.Cut(test.want[len(test.want)-1], ":root")
			wantExtras(t, p, append(slices.Clone(test.want), "fly-acme-web policy:AdministratorAccess breadth=administrator"+rest)...)
			apply(t, m, reread(t, p))
			_, stays := m.things[webRole].Role.Trust.Statement("BreakGlass")
			_, attached := m.things["attachment:fly-acme-web:"+adminARN]
			if pruned := strings.HasSuffix(rest, "pruned"); stays == pruned || attached == pruned {
				t.Errorf("the statement stays: %v, the policy: %v", stays, attached)
			}
		})
	}
}

// Without a file, the other apps of a shared role stay and are no extras. With one, they
// are.
func TestOtherAppsOfASharedRole(t *testing.T) {
	t.Parallel()
	m := made(t, shared(request("web", "api"), "fly"))
	req := shared(request("web", "db"), "fly")
	req.Prune = true
	p := plan(t, m, req)
	wantExtras(t, p)
	if g := p.Grants; len(g) != 3 || g[2].App != "api" || !g[2].Kept {
		t.Errorf("grants are %+v", g)
	}

	m = made(t, fromFile(shared(request("web", "api"), "fly"), "prod"))
	req = fromFile(shared(request("web", "db"), "fly"), "prod")
	p = plan(t, m, req)
	wantExtras(t, p, "fly subject:acme:api:* subject=acme:api:*")
	req.Prune = true
	apply(t, m, plan(t, m, req))
	s, _ := m.things["role:fly"].Role.Trust.Statement("FlyAwsAcme")
	if got := s.Conditions[1].Values; !slices.Equal(got, []string{"acme:db:*", "acme:web:*"}) {
		t.Errorf("subjects are %v", got)
	}
}

// A file can give its role to another app. The first one's subject is an extra.
func TestAnotherAppForARoleOfAFile(t *testing.T) {
	t.Parallel()
	m := made(t, fromFile(shared(request("web"), "backend"), "prod"))
	req := fromFile(shared(request("api"), "backend"), "prod")
	p := plan(t, m, req)
	wantExtras(t, p, "backend subject:acme:web:* subject=acme:web:*")
	if got := reasons(p.Changes[1]); !slices.Equal(got, []string{"subject-missing  -> acme:api:*", "tag fly-aws:app=web -> fly-aws:app=api"}) {
		t.Errorf("reasons %q", got)
	}
	req.Prune = true
	apply(t, m, reread(t, plan(t, m, req)))
	if again := plan(t, m, req); len(again.Pending())+len(again.Extras) > 0 {
		t.Errorf("a second plan is %v with %v", actions(again), extras(again))
	}
}

// A role that the file made and no longer names is an extra as a whole.
func TestRolesThatAFileLeft(t *testing.T) {
	t.Parallel()
	prod := func(prune bool, apps ...string) setup.Request {
		req := fromFile(request(apps...), "prod")
		req.Prune = prune
		return req
	}
	const left = "fly-acme-api role: subject=acme:api:*"
	for name, test := range map[string]struct {
		edit func(*memory)
		req  setup.Request
		want []string
		// role says what becomes of the role: "", "statement" for without ours, or "gone".
		role string
	}{
		"not pruned": {req: prod(false, "web"), want: []string{left}},
		"pruned":     {req: prod(true, "web"), want: []string{left + " pruned"}, role: "gone"},
		"still named": {
			req: prod(true, "web", "api"), want: []string{},
		},
		"in a part of the file": {
			req: func() setup.Request { req := prod(true, "web"); req.Partial = true; return req }(), want: []string{},
		},
		"of another file": {
			edit: func(m *memory) {
				m.edit("role:fly-acme-api", func(r *setup.Resource) { r.Role.Tags[setup.TagFile] = "staging" })
			},
			req: prod(true, "web"), want: []string{},
		},
		"of no file": {
			edit: func(m *memory) {
				m.edit("role:fly-acme-api", func(r *setup.Resource) { delete(r.Role.Tags, setup.TagFile) })
			},
			req: prod(true, "web"), want: []string{},
		},
		"tags alone": {
			edit: func(m *memory) {
				m.edit("role:fly-acme-api", func(r *setup.Resource) { r.Role.Trust = foreignRole("x").Role.Trust })
			},
			req: prod(true, "web"), want: []string{},
		},
		"adopted": {
			edit: func(m *memory) {
				m.edit("role:fly-acme-api", func(r *setup.Resource) { r.Role.Tags[setup.TagAdopted] = "true" })
			},
			req: prod(true, "web"), want: []string{left + " watched stays:watched"},
		},
		"with another Allow": {
			edit: func(m *memory) { m.addStatement("role:fly-acme-api", breakGlass) },
			req:  prod(true, "web"), want: []string{left + " pruned"}, role: "statement",
		},
		"in an instance profile": {
			edit: func(m *memory) {
				m.edit("role:fly-acme-api", func(r *setup.Resource) { r.Role.InstanceProfiles = []string{"servers"} })
			},
			req: prod(true, "web"), want: []string{left + " stays:in-use"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := made(t, prod(false, "web", "api"))
			if test.edit != nil {
				test.edit(m)
			}
			p := plan(t, m, test.req)
			wantExtras(t, p, test.want...)
			for _, g := range p.Grants {
				if g.Removed != (test.role != "" && g.App == "api") {
					t.Errorf("grant %+v", g)
				}
			}
			report := apply(t, m, reread(t, p))
			for _, check := range report.Checks {
				if !check.Passed() {
					t.Errorf("%s: wanted %s, got %s", check.Subject, check.Want, check.Got)
				}
			}
			r, exists := m.things["role:fly-acme-api"]
			switch {
			case exists == (test.role == "gone"):
				t.Errorf("the role exists: %v", exists)
			case exists:
				_, held := r.Role.Trust.Statement("FlyAwsAcme")
				if name != "tags alone" && held == (test.role == "statement") || (r.Role.Tags[setup.TagOrg] == "") != (test.role == "statement") {
					t.Errorf("the role is now %s with %v", r.Role.Trust, r.Role.Tags)
				}
			}
			again := plan(t, m, test.req)
			if len(again.Pending())+len(again.Conflicts()) > 0 {
				t.Errorf("a second plan is %v", actions(again))
			}
		})
	}
}

// A role that came to a file's since the plan was made, and would be an extra, makes it
// stale.
func TestNewRoleOfAFileIsStale(t *testing.T) {
	t.Parallel()
	m := made(t, fromFile(request("web"), "prod"))
	p := plan(t, m, withSession(fromFile(request("web"), "prod")))
	apply(t, m, plan(t, m, fromFile(request("web", "api"), "prod")))
	m.writes = nil
	var stale *setup.StaleError
	if _, err := tryApply(m, reread(t, p)); !errors.As(err, &stale) || stale.Reason.Code != setup.ReasonNewExtra || stale.Resource.Role.Name != "fly-acme-api" {
		t.Errorf("error is %v", err)
	}
	if len(m.writes) > 0 {
		t.Errorf("written: %v", m.writes)
	}
}

// A managed policy whose document has gained a Deny since the plan was made narrows, and
// is not detached.
func TestPruneReadsDocumentsAgain(t *testing.T) {
	t.Parallel()
	m := made(t, request("web"))
	m.attach("fly-acme-web", customARN)
	m.documents = map[string]setup.Document{customARN: document(allowAll)}
	req := request("web")
	req.Prune = true
	p := plan(t, m, req)
	m.documents[customARN] = document(denyAll)
	if _, err := tryApply(m, reread(t, p)); !errors.As(err, new(*setup.StaleError)) || len(m.writes) > 0 {
		t.Errorf("error is %v, written %v", err, m.writes)
	}
}

// Keep names what exists, in words that the plan prints.
func TestKeepIsChecked(t *testing.T) {
	t.Parallel()
	for keep, ok := range map[string]bool{
		"policy:SecurityAudit": true, "policy:" + customARN: true, "statement:BreakGlass": true, "statement:#2": true,
		"subject:acme:*": true, "action:sts:*": true, "audience:vault": true, "principal:*": true,
		"SecurityAudit": false, "policy:": false, "role:fly-acme-web": false, "inline-policy:x": false, "": false,
	} {
		req := request("web")
		req.Roles[0].Keep = []string{keep}
		var invalid *setup.InvalidError
		if err := req.Check(); ok != (err == nil) || err != nil && (!errors.As(err, &invalid) || invalid.Field != setup.FieldKeep) {
			t.Errorf("%q: %v", keep, err)
		}
	}
	m := made(t, request("web"))
	m.attach("fly-acme-web", customARN)
	req := request("web")
	req.Roles[0].Keep = []string{"policy:" + customARN}
	wantExtras(t, plan(t, m, req))
}

// A document that cannot be fetched at all, as when the connection breaks, is no document
// without a Deny.
func TestUnreachableDocuments(t *testing.T) {
	t.Parallel()
	m := made(t, request("web"))
	m.attach("fly-acme-web", customARN)
	w := m.world()
	w.AWS = noDocuments{m}
	req := request("web")
	req.Prune = true
	if _, err := w.Plan(context.Background(), req); !errors.Is(err, errBroken) {
		t.Errorf("error is %v", err)
	}
}

type noDocuments struct{ *memory }

func (noDocuments) PolicyDocument(_ context.Context, arn string) (setup.Document, error) {
	return setup.Document{}, fmt.Errorf("%s: %w", arn, errBroken)
}

// A statement that nobody asked for carries the lint rules that it breaks, and a trust policy
// near its quota is a warning.
func TestLintInPlans(t *testing.T) {
	t.Parallel()
	m := made(t, request("web"))
	m.addStatement(webRole, everyApp)
	if p := plan(t, m, request("web")); len(p.Extras) != 1 || !slices.Equal(p.Extras[0].Rules, []string{"FLY016", "FLY027"}) { // no aud, every app
		t.Errorf("extras are %+v", p.Extras)
	}
	var apps []string
	for i := range 90 {
		apps = append(apps, fmt.Sprintf("app-%02d", i))
	}
	sizes := func(p *setup.Plan) (out []string) {
		for _, w := range p.Warnings {
			if w.Code == setup.WarningSize {
				out = append(out, w.Role+" "+w.Value)
			}
		}
		return out
	}
	if got := sizes(plan(t, newMemory(), shared(request(apps...), "fly"))); len(got) != 1 || !strings.HasSuffix(got[0], " of 2048") {
		t.Errorf("warnings of the size: %q", got)
	}
	if got := sizes(plan(t, newMemory(), shared(request(apps[:40]...), "fly"))); len(got) > 0 {
		t.Errorf("warnings of the size: %q", got)
	}
}
