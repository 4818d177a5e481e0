package setup_test

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/fly-aws/fly-aws/setup"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

// FuzzReadPlan: a plan file may have been edited by anyone. If it can be read, it is the
// plan for its request and what was found, shows everything it would write, and applies
// without a panic.
func FuzzReadPlan(f *testing.F) {
	for _, data := range planFiles(f) {
		f.Add(data)
	}
	f.Add([]byte(`{"schema":"fly-aws.plan/2","org":"acme","issuer":"https://oidc.fly.io/acme","changes":[{"action":"keep","after":{"env":{"config":"x","key":"K"}}}]}`))
	f.Fuzz(func(t *testing.T, data []byte) { checkPlanFile(t, data) })
}

// planFiles returns plans of every kind as files.
func planFiles(t testing.TB) [][]byte {
	t.Helper()
	var out [][]byte
	add := func(p *setup.Plan, err error) *setup.Plan {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		data, err := p.MarshalIndent()
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, data)
		return p
	}
	for _, shares := range []bool{false, true} {
		for _, m := range []*memory{newMemory(), newMemory(foreignRole("fly-acme-web"), foreignRole("fly"))} {
			req := request("web")
			if shares {
				req = shared(fromFile(request("web", "api"), "prod"), "fly")
			}
			add(tryPlan(m, req))
			req.Adopt = true
			p := add(tryPlan(m, inRegion(req)))
			if _, err := tryApply(m, p); err != nil {
				t.Fatal(err)
			}
			m.edit("role:"+req.RoleName(req.Roles[0]), func(r *setup.Resource) {
				widen(r.Role)
				narrow(r.Role)
			})
			req.Adopt, req.Prune = false, true
			req.Roles[0].MaxSession, req.Roles[0].Boundary = 7200, "PowerUserAccess"
			req.Roles[0].Tags = map[string]string{"team": "ops"}
			req.Roles[0].Inline = []setup.InlinePolicy{inline("own", getObject)}
			req.Roles[0].Apps = req.Roles[0].Apps[:1]
			add(tryPlan(m, req))
			add(m.world().PlanDestroy(context.Background(), setup.Scope{Org: org, Entries: entries("web")}))
			add(m.world().PlanDestroy(context.Background(), setup.Scope{Org: org, Apps: []string{"web"}}))
		}
	}
	return out
}

// widen adds to a role's trust policy what nobody asked for.
func widen(r *setup.Role) {
	s, _ := r.Trust.Statement("FlyAwsAcme")
	s.Conditions = slices.Clone(s.Conditions)
	s.Conditions[1].Values = append([]string{"acme:*"}, s.Conditions[1].Values...)
	s.Action = append([]string{"sts:TagSession", "sts:SetSourceIdentity"}, s.Action...)
	r.Trust = r.Trust.Merge(s, trustpolicy.Statement{
		Sid: "Root", Effect: trustpolicy.Allow, Action: []string{"sts:AssumeRole"},
		Principal: &trustpolicy.Principal{AWS: []string{"arn:aws:iam::" + account + ":root"}},
	})
}

// narrow adds a condition to our statement.
func narrow(r *setup.Role) {
	s, _ := r.Trust.Statement("FlyAwsAcme")
	s.Conditions = append(slices.Clone(s.Conditions), office)
	r.Trust = r.Trust.Merge(s)
}

var office = trustpolicy.Condition{Operator: "IpAddress", Key: "aws:SourceIp", Values: []string{"192.0.2.0/24"}}

// What follows from a plan's request and from what was found cannot be edited, not even in
// one value.
func TestEveryEditOfAPlan(t *testing.T) {
	t.Parallel()
	edits, read := 0, 0
	for n, data := range planFiles(t) {
		if n%3 != 0 { // each kind is among these
			continue
		}
		var doc any
		if err := json.Unmarshal(data, &doc); err != nil {
			t.Fatal(err)
		}
		for _, e := range editsOf(doc, "", nil) {
			e.do()
			edited, err := json.Marshal(doc)
			e.undo()
			if err != nil {
				t.Fatal(err)
			}
			edits++
			if bytes.Equal(edited, data) || !checkPlanFile(t, edited) {
				continue
			}
			read++
			switch root := strings.Trim(strings.Split(e.path, ".")[1], "[]"); root {
			case "request", "scope", "facts", "found", "warnings":
			default:
				t.Errorf("with an edited %s, plan %d is read", e.path, n)
			}
		}
	}
	if edits < 1000 || read < 50 {
		t.Errorf("of %d edited plans %d were read", edits, read)
	}
}

// An edit exchanges, removes or adds one value of a JSON document.
type edit struct {
	path     string
	do, undo func()
}

// editsOf returns edits of a value and of all values in it. set replaces the value.
func editsOf(v any, path string, set func(any)) []edit {
	var out []edit
	exchange := func(others ...any) {
		for _, other := range others {
			out = append(out, edit{path, func() { set(other) }, func() { set(v) }})
		}
	}
	switch v := v.(type) {
	case string:
		exchange("evil", "*")
	case float64:
		exchange(v + 1)
	case bool:
		exchange(!v)
	case []any:
		if len(v) == 0 {
			exchange([]any{"evil"}, []any{map[string]any{}})
			break
		}
		exchange(v[1:], append(slices.Clone(v), v[len(v)-1]))
		for i, some := range v {
			out = append(out, editsOf(some, path+"[]", func(other any) { v[i] = other })...)
		}
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			some := v[key]
			out = append(out, edit{path + "." + key, func() { delete(v, key) }, func() { v[key] = some }})
			out = append(out, editsOf(some, path+"."+key, func(other any) { v[key] = other })...)
		}
	}
	return out
}

// checkPlanFile checks the laws of FuzzReadPlan and says whether the plan could be read.
func checkPlanFile(t *testing.T, data []byte) bool {
	t.Helper()
	p, err := setup.ReadPlan(data)
	if err != nil {
		return false
	}
	once, err := p.MarshalIndent()
	if err != nil {
		t.Fatalf("a plan that was read does not print: %v", err)
	}
	q, err := setup.ReadPlan(once)
	if err != nil {
		t.Fatalf("what was printed does not read: %v\n%s", err, once)
	}
	if twice, err := q.MarshalIndent(); err != nil || !bytes.Equal(once, twice) {
		t.Fatalf("it prints differently the second time: %v\n%s\n%s", err, once, twice)
	}
	for _, c := range p.Pending() {
		if c.Action == setup.ActionDelete {
			continue // its name shows it
		}
		if want, shown := writtenBy(c), shownBy(p, c); !maps.Equal(want, shown) {
			t.Fatalf("%s %s would write %v and shows %v\n%s", c.Action, c.Resource().ID(), want, shown, data)
		}
	}
	_, _ = tryApply(newMemory(), p)
	return true
}

// writtenBy lists what the adapters would write for a change.
func writtenBy(c setup.Change) map[string]string {
	out := map[string]string{}
	var before setup.Role
	if c.Before != nil && c.Before.Role != nil {
		before = *c.Before.Role
	}
	switch r := *c.After; {
	case r.Provider != nil:
		for _, audience := range r.Provider.Audiences {
			if c.Before == nil || !slices.Contains(c.Before.Provider.Audiences, audience) {
				out["audience "+audience] = "added"
			}
		}
		for key, value := range r.Provider.Tags {
			if c.Before == nil {
				out["tag "+key] = value
			}
		}
	case r.Role != nil:
		if c.Before == nil {
			out["path"], out["description"] = r.Role.Path, r.Role.Description
		}
		if r.Role.MaxSession != before.MaxSession {
			out["session"] = seconds(r.Role.MaxSession)
		}
		if r.Role.Boundary != before.Boundary {
			out["boundary"] = r.Role.Boundary
		}
		for key, value := range r.Role.Tags {
			if was, ok := before.Tags[key]; !ok || was != value {
				out["tag "+key] = value
			}
		}
		for key := range before.Tags {
			if _, ok := r.Role.Tags[key]; !ok {
				out["tag "+key] = "removed"
			}
		}
		for _, s := range r.Role.Trust.Statements {
			text := trustpolicy.New(s).String()
			if before.Trust == nil || !strings.Contains(before.Trust.String(), strings.TrimSuffix(strings.SplitN(text, `"Statement":[`, 2)[1], "]}")) {
				out["statement "+s.Sid] = text
			}
		}
	case r.Policy != nil:
		out["policy"] = r.Policy.ARN + r.Policy.Document.String()
	case r.Env != nil:
		out[r.Env.Key] = r.Env.Value
	}
	return out
}

// shownBy lists what the plan shows about the change: the plan's grants, the change's
// reasons and, for a create, what is shown of a new resource.
func shownBy(p *setup.Plan, c setup.Change) map[string]string {
	out := map[string]string{}
	sid := trustpolicy.Sid(p.Org)
	showTrust := func() {
		if s, ok := c.After.Role.Trust.Statement(sid); ok {
			out["statement "+sid] = trustpolicy.New(s).String()
		}
	}
	if c.Before == nil {
		switch r := *c.After; {
		case r.Provider != nil:
			out["audience "+p.Audience], out["tag "+setup.TagOrg] = "added", p.Org
		case r.Role != nil:
			app := r.Role.Tags[setup.TagApp]
			out["path"] = r.Role.Path
			out["description"] = "Apps of the Fly.io organization " + p.Org + ", through OIDC. Made by fly-aws."
			if app != "" {
				out["description"] = "Fly.io app " + app + " of the organization " + p.Org + ", through OIDC. Made by fly-aws."
			}
			if r.Role.MaxSession != 0 {
				out["session"] = seconds(r.Role.MaxSession)
			}
			if r.Role.Boundary != "" {
				out["boundary"] = r.Role.Boundary
			}
			for key, value := range r.Role.Tags {
				ours := strings.HasPrefix(strings.ToLower(key), "fly-aws:")
				if !ours || key == setup.TagOrg && value == p.Org || key == setup.TagFile && value == p.Request.File || key == setup.TagApp && (app == "" || p.Grants[slices.IndexFunc(p.Grants, func(g setup.Grant) bool { return g.Role == r.Role.Name })].App == app) {
					out["tag "+key] = value
				}
			}
			showTrust()
		default:
			return writtenBy(c)
		}
		return out
	}
	for _, r := range c.Reasons {
		key, value, _ := strings.Cut(r.Want, "=")
		switch r.Code {
		case setup.ReasonAudienceMissing:
			out["audience "+r.Want] = "added"
		case setup.ReasonMaxSession:
			out["session"] = r.Want
		case setup.ReasonBoundary:
			out["boundary"] = r.Want
		case setup.ReasonTag:
			if r.Want == "" {
				key, _, _ = strings.Cut(r.Have, "=")
				value = "removed"
			}
			out["tag "+key] = value
		case setup.ReasonStatementMissing, setup.ReasonStatementEdited, setup.ReasonSubjectMissing, setup.ReasonSubjectUnwanted,
			setup.ReasonConditionMissing, setup.ReasonConditionUnwanted, setup.ReasonActionMissing, setup.ReasonActionUnwanted,
			setup.ReasonPrincipalMissing, setup.ReasonPrincipalUnwanted, setup.ReasonEffect:
			showTrust()
		case setup.ReasonDocument:
			out["policy"] = c.After.Policy.Document.String()
		case setup.ReasonValue:
			out[c.After.Env.Key] = r.Want
		}
	}
	return out
}

func seconds(n int32) string { return strconv.Itoa(int(n)) + "s" }
