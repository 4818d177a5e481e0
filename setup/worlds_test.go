package setup_test

import (
	"bytes"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/fly-aws/fly-aws/setup"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

// Laws for random worlds and requests, even if earlier runs were killed at any write: a
// plan survives JSON; after its changes there is nothing to do, and with Prune nothing
// left to prune; what narrows stays without Adopt, and Deny stays always; without Prune
// and Adopt, what was there stays; whatever is not ours stays as it is.
func TestRandomWorlds(t *testing.T) {
	t.Parallel()
	applied := 0
	for seed := range uint64(400) {
		rnd := rand.New(rand.NewPCG(seed, 7))
		m, req := randomWorld(rnd), randomRequest(rnd)
		p := plan(t, m, req)
		read := sameAfterJSON(t, seed, p)
		if len(p.Conflicts()) > 0 {
			continue
		}
		before := maps.Clone(m.things)
		if seed%2 == 0 {
			m.killed(rnd, func() {
				if _, err := tryApply(m, read); err != nil && !errors.Is(err, errBroken) {
					t.Fatalf("seed %d: %v", seed, err)
				}
			})
			read = plan(t, m, req)
		}
		if report := apply(t, m, read); len(report.Mismatches) > 0 {
			t.Fatalf("seed %d: mismatches %v", seed, report.Mismatches)
		}
		again := plan(t, m, req)
		if len(again.Pending())+len(again.Conflicts()) > 0 {
			t.Fatalf("seed %d: afterwards there is still %v", seed, actions(again))
		}
		for _, e := range again.Extras {
			if req.Prune && e.Stays == "" {
				t.Fatalf("seed %d: after pruning there is still %v", seed, extras(again))
			}
		}
		checkLosses(t, seed, req, p, before, m.things)
		applied++
	}
	if applied < 100 {
		t.Errorf("only %d plans were applied", applied)
	}
}

// sameAfterJSON requires a plan to be the same after it was read from a file, and returns
// that.
func sameAfterJSON(t *testing.T, seed uint64, p *setup.Plan) *setup.Plan {
	t.Helper()
	data, err := p.MarshalIndent()
	if err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	read, err := setup.ReadPlan(data)
	if err != nil {
		t.Fatalf("seed %d: %v\n%s", seed, err, data)
	}
	if again, err := read.MarshalIndent(); err != nil || !bytes.Equal(data, again) {
		t.Fatalf("seed %d: %v, the plan was\n%s and reads as\n%s", seed, err, data, again)
	}
	return read
}

// killed runs something a few times, each of which ends at a random write, before or
// after its effect.
func (m *memory) killed(rnd *rand.Rand, run func()) {
	for range 3 {
		left := rnd.IntN(6)
		m.fail = func(string) (error, bool) {
			if left--; left < 0 {
				return errBroken, rnd.IntN(2) == 0
			}
			return nil, false
		}
		run()
	}
	m.fail = nil
}

// checkLosses compares an account before and after the plan for a request.
func checkLosses(t *testing.T, seed uint64, req setup.Request, p *setup.Plan, before, after map[string]setup.Resource) {
	t.Helper()
	wanted, deleted := map[string]setup.RoleRequest{}, map[string]bool{}
	for _, role := range req.Roles {
		wanted[req.RoleName(role)] = role
	}
	for _, e := range p.Extras {
		deleted[e.Role] = e.Kind == setup.ExtraRole && e.Pruned
	}
	for id, was := range before {
		now, exists := after[id]
		name := ""
		switch {
		case was.Role != nil:
			name = was.Role.Name
		case was.Policy != nil:
			name = was.Policy.Role
		default:
			continue
		}
		want, known := wanted[name]
		role := before["role:"+name].Role
		_, held := role.Trust.Statement("FlyAwsAcme")
		isOurs := role.Tags[setup.TagOrg] == org && (held || role.Tags[setup.TagAdopted] != "")
		removes := req.Prune && !req.Partial && isOurs && role.Tags[setup.TagAdopted] == "" && (req.File == "" || req.File == role.Tags[setup.TagFile] || req.Adopt)
		switch {
		case deleted[name]:
			if !removes {
				t.Fatalf("seed %d: %s is pruned", seed, name)
			}
		case !known || want.Unmanaged || !isOurs && !req.Adopt:
			if !exists || !sameThings(map[string]setup.Resource{id: was}, map[string]setup.Resource{id: now}) {
				t.Fatalf("seed %d: %s is not ours, and became %+v", seed, id, now)
			}
		case was.Policy != nil:
			denies := was.Policy.Name == "deny" || was.Policy.ARN == customARN || was.Policy.ARN == auditARN
			if !exists && (denies || !removes) {
				t.Fatalf("seed %d: %s is gone", seed, id)
			}
		default:
			checkTrustLosses(t, seed, req, want, was.Role.Trust, now.Role.Trust, removes)
			if was.Role.Boundary != "" && now.Role.Boundary == "" || len(was.Role.InstanceProfiles) != len(now.Role.InstanceProfiles) {
				t.Fatalf("seed %d: %+v became %+v", seed, was.Role, now.Role)
			}
		}
	}
	if was, now := before[provider].Provider, after[provider].Provider; was != nil && len(missing(now.Audiences, was.Audiences)) > 0 {
		t.Fatalf("seed %d: the provider's audiences were %v and are %v", seed, was.Audiences, now.Audiences)
	}
}

// checkTrustLosses compares the trust policy of a role of the request before and after.
// removes says that extras may go.
func checkTrustLosses(t *testing.T, seed uint64, req setup.Request, want setup.RoleRequest, before, after *trustpolicy.Policy, removes bool) {
	t.Helper()
	lost := func(what string, values ...string) {
		if len(values) > 0 {
			t.Fatalf("seed %d: the %s %v is lost:\n%s\n%s", seed, what, values, before, after)
		}
	}
	for _, s := range before.Without("FlyAwsAcme").Statements {
		if (s.Effect == trustpolicy.Deny || !removes) && !slices.ContainsFunc(after.Statements, s.Equal) {
			lost("statement", s.Sid)
		}
	}
	was, held := before.Statement("FlyAwsAcme")
	now, _ := after.Statement("FlyAwsAcme")
	if !held || req.Adopt {
		return
	}
	if was.Effect != now.Effect {
		lost("effect", string(was.Effect))
	}
	for _, c := range was.Conditions {
		aud, sub := strings.HasSuffix(c.Key, ":aud"), strings.HasSuffix(c.Key, ":sub") && c.Operator != "StringNotLike"
		declared := slices.ContainsFunc(want.Conditions, func(d trustpolicy.Condition) bool { return d.Key == c.Key && d.Operator == c.Operator })
		if i := slices.IndexFunc(now.Conditions, func(d trustpolicy.Condition) bool { return d.Key == c.Key && d.Operator == c.Operator }); aud || sub || declared || c.Operator == "StringNotLike" && len(want.Except) > 0 {
			continue
		} else if i < 0 || !slices.Equal(c.Values, now.Conditions[i].Values) {
			lost("condition", c.Operator)
		}
	}
	covers := func(s trustpolicy.Statement) bool { return s.Covers(trustpolicy.AssumeAction) }
	if !covers(was) && covers(now) {
		lost("lack of an action", was.Action...)
	}
	machines := func(app string) []string {
		for _, a := range want.Apps {
			if a.Name == app {
				return a.Machines
			}
		}
		return nil
	}
	for _, subject := range missing(subjectsOf(now), subjectsOf(was)) {
		app, machine, _ := strings.Cut(strings.TrimPrefix(subject, "acme:"), ":")
		replaced := machine != "" && len(machines(app)) > 0
		switch {
		case replaced:
		case !removes:
			lost("subject", subject)
		case machine != "*" && machine != "" && slices.ContainsFunc(want.Apps, func(a setup.App) bool { return a.Name == app }):
			lost("machine", subject)
		}
	}
	if removes || len(was.Conditions) == 0 {
		return
	}
	lost("action", missing(now.Action, was.Action)...)
	if was.Principal != nil && now.Principal != nil {
		lost("principal", missing(now.Principal.AWS, was.Principal.AWS)...)
		if was.Principal.Any && !now.Principal.Any {
			lost("principal", "*")
		}
	}
}

// subjectsOf returns the subjects that a statement allows.
func subjectsOf(s trustpolicy.Statement) []string {
	for _, c := range s.Conditions {
		if strings.HasSuffix(c.Key, ":sub") && (c.Operator == "StringLike" || c.Operator == "StringEquals") {
			return c.Values
		}
	}
	return nil
}

// missing returns the values of want that are not in have.
func missing(have, want []string) []string {
	return slices.DeleteFunc(slices.Clone(want), func(v string) bool { return slices.Contains(have, v) })
}

// Laws for destroys in random worlds, even if earlier runs were killed at any write:
// afterwards nothing is left to destroy; of what is in the scope only conflicts remain;
// and all that is not ours stays as it was.
func TestRandomDestroys(t *testing.T) {
	t.Parallel()
	destroyed := 0
	for seed := range uint64(400) {
		rnd := rand.New(rand.NewPCG(seed, 5))
		m := randomWorld(rnd)
		before := maps.Clone(m.things)
		scope := setup.Scope{Org: org, Entries: randomEntries()}
		if rnd.IntN(3) == 0 {
			scope.File = randomFiles[1+rnd.IntN(2)]
		}
		if rnd.IntN(3) == 0 {
			scope.Apps = []string{randomApps[rnd.IntN(len(randomApps))], "tenant-*"}
		}
		p := planDestroy(t, m, scope)
		sameAfterJSON(t, seed, p)
		if len(p.Conflicts()) > 0 {
			continue
		}
		m.killed(rnd, func() {
			p := planDestroy(t, m, scope)
			if _, err := tryApply(m, sameAfterJSON(t, seed, p)); err != nil && !errors.Is(err, errBroken) {
				t.Fatalf("seed %d: %v", seed, err)
			}
		})
		if report := apply(t, m, planDestroy(t, m, scope)); len(report.Mismatches) > 0 {
			t.Fatalf("seed %d: mismatches %v", seed, report.Mismatches)
		}
		if again := planDestroy(t, m, scope); len(again.Changes) > 0 {
			t.Fatalf("seed %d: afterwards there is still %v", seed, actions(again))
		}
		if len(p.Changes) > 0 {
			destroyed++
		}
		checkDestroyed(t, seed, scope, before, m.things)
	}
	if destroyed < 100 {
		t.Errorf("only %d worlds were destroyed", destroyed)
	}
}

// checkDestroyed compares an account and a folder before and after a destroy.
func checkDestroyed(t *testing.T, seed uint64, scope setup.Scope, before, after map[string]setup.Resource) {
	t.Helper()
	for id, was := range before {
		now, exists := after[id]
		inScope := func(role *setup.Role) bool {
			return role != nil && role.Tags[setup.TagOrg] == org && role.Trust != nil && (scope.File == "" || role.Tags[setup.TagFile] == scope.File)
		}
		switch {
		case was.Provider != nil:
			if !exists && was.Provider.Tags[setup.TagOrg] != org {
				t.Fatalf("seed %d: the provider was not ours", seed)
			}
		case was.Env != nil:
			if exists && was.Env.Value != now.Env.Value || !exists && was.Env.Key == setup.EnvRegion {
				t.Fatalf("seed %d: %s is now %+v", seed, id, now.Env)
			}
		case was.Policy != nil:
			if _, roleExists := after["role:"+was.Policy.Role]; roleExists != exists || !roleExists && !inScope(before["role:"+was.Policy.Role].Role) {
				t.Fatalf("seed %d: of a role that exists: %v, %s exists: %v", seed, roleExists, id, exists)
			}
		case !inScope(was.Role):
			if !exists || !sameThings(map[string]setup.Resource{id: was}, map[string]setup.Resource{id: now}) {
				t.Fatalf("seed %d: %s is not in the scope, and became %+v", seed, id, now)
			}
		case !exists:
			_, held := was.Role.Trust.Statement("FlyAwsAcme")
			others := slices.ContainsFunc(was.Role.Trust.Without("FlyAwsAcme").Statements, func(s trustpolicy.Statement) bool { return s.Effect == trustpolicy.Allow })
			if !held || others || was.Role.Tags[setup.TagAdopted] != "" || len(was.Role.InstanceProfiles) > 0 {
				t.Fatalf("seed %d: %s is gone", seed, id)
			}
		default:
			left, held := now.Role.Trust.Statement("FlyAwsAcme")
			denies := held && left.Effect == trustpolicy.Deny
			if was, _ := was.Role.Trust.Statement("FlyAwsAcme"); denies && !left.Equal(was) {
				t.Fatalf("seed %d: the Deny of %s became %s", seed, id, now.Role.Trust)
			}
			if ours := now.Role.Tags[setup.TagOrg] == org; len(scope.Apps) == 0 && (held && !denies || ours) {
				t.Fatalf("seed %d: left is %s with %v", seed, now.Role.Trust, now.Role.Tags)
			}
			role := *now.Role
			role.Tags = maps.Clone(was.Role.Tags)
			maps.DeleteFunc(role.Tags, func(key, _ string) bool {
				_, stays := now.Role.Tags[key]
				return strings.HasPrefix(key, "fly-aws:") && !stays
			})
			for key := range now.Role.Tags {
				if _, had := was.Role.Tags[key]; !had {
					t.Fatalf("seed %d: %s has the tag %s", seed, id, key)
				}
			}
			if !maps.Equal(role.Tags, now.Role.Tags) || !was.Role.Trust.Without("FlyAwsAcme").Equal(now.Role.Trust.Without("FlyAwsAcme")) ||
				role.MaxSession != was.Role.MaxSession || role.Boundary != was.Role.Boundary || role.Description != was.Role.Description {
				t.Fatalf("seed %d: %+v became %+v", seed, was.Role, now.Role)
			}
		}
	}
	for id := range after {
		if _, known := before[id]; !known {
			t.Fatalf("seed %d: %s is new", seed, id)
		}
	}
}

// Law: in random worlds where nothing is ours, setup followed by destroy restores the
// world. Exceptions: adopted roles keep their other new settings, and a foreign provider
// keeps its new audiences.
func TestSetupThenDestroy(t *testing.T) {
	t.Parallel()
	destroyed := 0
	for seed := range uint64(400) {
		rnd := rand.New(rand.NewPCG(seed, 11))
		m := newMemory()
		for _, app := range randomApps {
			if rnd.IntN(4) == 0 {
				m.foreign("fly-acme-" + app)
			}
		}
		if rnd.IntN(4) == 0 {
			r := setup.Resource{Provider: &setup.Provider{
				ARN: strings.TrimPrefix(provider, "provider:"), URL: "https://oidc.fly.io/acme", Audiences: []string{"other"},
			}}
			m.things[r.ID()] = r
		}
		before := maps.Clone(m.things)
		req := withApps(randomRequest(rnd), func(app *setup.App) { app.Region = "" })
		req.Region = ""
		p := plan(t, m, req)
		if len(p.Conflicts()) > 0 {
			continue
		}
		apply(t, m, p)
		scope := setup.Scope{Org: org, Entries: randomEntries()}
		m.killed(rnd, func() {
			if _, err := tryApply(m, reread(t, planDestroy(t, m, scope))); err != nil && !errors.Is(err, errBroken) {
				t.Fatalf("seed %d: %v", seed, err)
			}
		})
		if report := apply(t, m, planDestroy(t, m, scope)); len(report.Mismatches) > 0 {
			t.Fatalf("seed %d: mismatches %v", seed, report.Mismatches)
		}
		destroyed++
		for id, r := range m.things {
			was, known := before[id]
			switch {
			case r.Policy != nil && before["role:"+r.Policy.Role].Role != nil: // on an adopted role
				delete(m.things, id)
			case r.Provider != nil && known:
				r.Provider.Audiences = was.Provider.Audiences
			case r.Role != nil && known:
				r.Role.MaxSession, r.Role.Boundary = was.Role.MaxSession, was.Role.Boundary
			}
		}
		if !sameThings(before, m.things) {
			t.Fatalf("seed %d: there was %v, and is %v", seed, sortedKeys(before), sortedKeys(m.things))
		}
	}
	if destroyed < 100 {
		t.Errorf("only %d worlds were destroyed", destroyed)
	}
}

var (
	randomApps  = []string{"web", "api", "job", "a-b"}
	randomFiles = []string{"", "prod", "staging"}
)

// randomEntries returns all entries that the requests of randomRequest may write.
func randomEntries() []setup.Env {
	out := entries(randomApps...)
	for _, e := range out {
		e.Key = "BACKUP_ROLE"
		out = append(out, e)
	}
	return out
}

// foreign adds a role that someone else made.
func (m *memory) foreign(name string) {
	r := foreignRole(name)
	r.Role.MaxSession = 3600
	m.things[r.ID()] = r
}

// randomWorld returns an account and a folder after some runs, in which people then edited
// what they found.
func randomWorld(rnd *rand.Rand) *memory {
	m := newMemory()
	m.documents = map[string]setup.Document{adminARN: document(allowAll), customARN: document(denyAll)}
	for range rnd.IntN(3) {
		req := randomRequest(rnd)
		req.Prune = false
		if p, err := tryPlan(m, req); err == nil {
			_, _ = tryApply(m, p)
		}
	}
	for _, app := range randomApps {
		if _, exists := m.things["role:fly-acme-"+app]; !exists && rnd.IntN(4) == 0 {
			m.foreign("fly-acme-" + app)
		}
	}
	for _, id := range sortedKeys(m.things) {
		switch r := m.things[id]; {
		case r.Role != nil:
			for range rnd.IntN(4) {
				m.tamper(rnd, id)
			}
		case rnd.IntN(8) > 0:
		case r.Provider != nil:
			m.edit(id, func(r *setup.Resource) {
				r.Provider.Tags = nil
				r.Provider.Audiences = append(r.Provider.Audiences, "vault")
			})
		case r.Policy != nil:
			delete(m.things, id)
		case r.Env != nil:
			m.edit(id, func(r *setup.Resource) { r.Env.Value = "elsewhere" })
		}
	}
	return m
}

// tamper changes a role in one of the ways in which people do.
func (m *memory) tamper(rnd *rand.Rand, id string) {
	name := m.things[id].Role.Name
	ours := func(change func(*trustpolicy.Statement)) {
		if _, held := m.things[id].Role.Trust.Statement("FlyAwsAcme"); held {
			m.editOurs(id, change)
		}
	}
	role := func(change func(*setup.Role)) {
		m.edit(id, func(r *setup.Resource) {
			if r.Role.Tags == nil {
				r.Role.Tags = map[string]string{}
			}
			change(r.Role)
		})
	}
	ways := []func(){
		// What widens.
		func() { m.attach(name, adminARN) },
		func() { m.embed(name, "all", allowAll) },
		func() { m.addStatement(id, breakGlass) },
		func() { m.addStatement(id, everyApp) },
		func() {
			ours(func(s *trustpolicy.Statement) {
				for i, c := range s.Conditions {
					if strings.HasSuffix(c.Key, ":sub") && c.Operator == "StringLike" {
						s.Conditions[i].Values = append(slices.Clone(c.Values), []string{"acme:*", "acme:db:*", "acme:a?:*", "other:web:*"}[rnd.IntN(4)])
					}
				}
			})
		},
		func() { ours(func(s *trustpolicy.Statement) { s.Action = append(s.Action, "sts:AssumeRole") }) },
		func() {
			ours(func(s *trustpolicy.Statement) {
				s.Principal.Any, s.Principal.AWS = false, []string{"arn:aws:iam::" + account + ":root"}
			})
		},
		func() { ours(func(s *trustpolicy.Statement) { s.Principal = &trustpolicy.Principal{Any: true} }) },
		func() {
			ours(func(s *trustpolicy.Statement) {
				if n := len(s.Conditions); n > 0 {
					i := rnd.IntN(n)
					s.Conditions = slices.Delete(s.Conditions, i, i+1)
				}
			})
		},
		func() {
			ours(func(s *trustpolicy.Statement) {
				if len(s.Conditions) == 0 {
					return
				}
				if c := &s.Conditions[0]; strings.HasSuffix(c.Key, ":aud") {
					c.Values = append(slices.Clone(c.Values), "vault")
				}
			})
		},
		// What narrows.
		func() { m.attach(name, []string{customARN, auditARN}[rnd.IntN(2)]) },
		func() { m.embed(name, "deny", denyAll) },
		func() { m.addStatement(id, nobody) },
		func() { role(func(r *setup.Role) { r.Boundary = customARN }) },
		func() { ours(func(s *trustpolicy.Statement) { s.Conditions = append(s.Conditions, office) }) },
		func() { ours(func(s *trustpolicy.Statement) { s.Effect = trustpolicy.Deny }) },
		func() { ours(func(s *trustpolicy.Statement) { s.Action = []string{"sts:TagSession"} }) },
		func() {
			ours(func(s *trustpolicy.Statement) {
				for i, c := range s.Conditions {
					if strings.HasSuffix(c.Key, ":sub") && c.Operator == "StringLike" {
						s.Conditions[i].Values = []string{strings.TrimSuffix(c.Values[0], "*") + "m1"}
						s.Conditions[i].Operator = []string{"StringLike", "StringEquals", "ForAllValues:StringLike"}[rnd.IntN(3)]
					}
				}
			})
		},
		// Ownership.
		func() { role(func(r *setup.Role) { delete(r.Tags, setup.TagOrg) }) },
		func() { role(func(r *setup.Role) { r.Tags[setup.TagFile] = randomFiles[1+rnd.IntN(2)] }) },
		func() { role(func(r *setup.Role) { r.Tags[setup.TagOrg] = org }) },
		func() { role(func(r *setup.Role) { r.Trust = foreignRole("x").Role.Trust }) },
		func() {
			role(func(r *setup.Role) { r.Trust = foreignRole("x").Role.Trust.Merge(r.Trust.Statements...) })
		},
		func() { role(func(r *setup.Role) { r.InstanceProfiles = []string{"servers"} }) },
		func() { role(func(r *setup.Role) { r.Tags["cost"] = "7" }) },
		func() {
			role(func(r *setup.Role) {
				own := newMemory(setup.Resource{Role: r}).things[id].Role.Trust
				s, held := own.Statement("FlyAwsAcme")
				if s.Sid = "Own"; held {
					r.Trust = own.Without("FlyAwsAcme").Merge(s)
				}
			})
		},
	}
	was := m.things[id]
	ways[rnd.IntN(len(ways))]()
	if _, err := m.things[id].Role.Trust.MarshalJSON(); err != nil {
		m.things[id] = was // IAM would have refused it
	}
}

// randomRequest returns a request for some of randomApps, each with a role of its own or
// all with one.
func randomRequest(rnd *rand.Rand) setup.Request {
	apps := slices.Clone(randomApps)
	rnd.Shuffle(len(apps), func(i, j int) { apps[i], apps[j] = apps[j], apps[i] })
	req := request(apps[:1+rnd.IntN(len(apps))]...)
	if rnd.IntN(3) == 0 {
		req = shared(req, "fly")
	}
	one := func(n int) bool { return rnd.IntN(n) == 0 } // of n
	req.File, req.Partial = randomFiles[rnd.IntN(len(randomFiles))], one(6)
	req.Adopt, req.Prune = one(2), one(2)
	if one(4) {
		req.Region = "eu-west-1"
	}
	withApps(req, func(app *setup.App) {
		if one(4) {
			app.Region = "eu-central-1"
		}
		if one(6) {
			app.ARN = setup.ARNInSecret
		}
		if one(6) {
			app.Machines = []string{"m1"}
		}
	})
	if one(4) {
		req.Roles = append(req.Roles, tenants().Roles...)
	}
	if app := req.Roles[0].Apps[0]; one(4) {
		app.Env = "BACKUP_ROLE"
		req.Roles = append(req.Roles, setup.RoleRequest{Name: "backups", Apps: []setup.App{app}})
	}
	if one(4) && len(apps) > len(req.Roles) {
		req.Roles = append(req.Roles, setup.RoleRequest{Name: "fly-acme-" + apps[len(apps)-1], Unmanaged: true})
		if slices.ContainsFunc(req.Roles[:len(req.Roles)-1], func(r setup.RoleRequest) bool { return req.RoleName(r) == "fly-acme-"+apps[len(apps)-1] }) {
			req.Roles = req.Roles[:len(req.Roles)-1]
		}
	}
	for i := range req.Roles {
		role := &req.Roles[i]
		if role.Unmanaged {
			continue
		}
		if one(2) {
			role.Policies = append(role.Policies, "AmazonSQSFullAccess")
		}
		if one(3) {
			role.Inline = []setup.InlinePolicy{inline("own", getObject)}
		}
		if one(4) {
			role.MaxSession, role.Tags = 7200, map[string]string{"team": "ops"}
		}
		role.SessionTags = one(6)
		if one(6) {
			role.Conditions = []trustpolicy.Condition{office}
		}
		if one(6) {
			role.Keep = []string{"policy:AdministratorAccess", "statement:BreakGlass", "subject:acme:*", "action:sts:AssumeRole"}
		}
	}
	return req
}
