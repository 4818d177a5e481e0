package setup_test

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/fly-aws/fly-aws/setup"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

// FuzzReadPlan: a plan file may have been edited by anyone. If it can be read, it prints
// to a plan that reads the same, shows everything it would write, and applies without a
// panic.
func FuzzReadPlan(f *testing.F) {
	add := func(p *setup.Plan, err error) {
		if err != nil {
			f.Fatal(err)
		}
		data, err := p.MarshalIndent()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	for _, req := range []setup.Request{request("web"), shared(request("web", "api"), "fly")} {
		for _, m := range []*memory{newMemory(), newMemory(foreignRole("fly-acme-web"))} {
			add(tryPlan(m, req))
			req.Adopt = true
			p, err := tryPlan(m, req)
			add(p, err)
			if _, err := tryApply(m, p); err != nil {
				f.Fatal(err)
			}
			req.Apps[0].Role.MaxSession, req.Apps[0].Role.Boundary = 7200, "PowerUserAccess"
			req.Apps[0].Role.Tags = map[string]string{"team": "ops"}
			req.Apps = req.Apps[:1]
			add(tryPlan(m, req))
			add(m.world().PlanDestroy(context.Background(), setup.Scope{Org: org, Configs: configs("web")}))
			add(m.world().PlanDestroy(context.Background(), setup.Scope{Org: org, Apps: []string{"web"}}))
		}
	}
	f.Add([]byte(`{"schema":"fly-aws.plan/1","org":"acme","issuer":"https://oidc.fly.io/acme","changes":[{"action":"keep","after":{"env":{"config":"x","key":"K"}}}]}`))
	f.Fuzz(func(t *testing.T, data []byte) { checkPlanFile(t, data) })
}

// TestPlansEditedAtRandom tests the same laws with plans in which a few values were
// exchanged, removed or added, as by someone who knows the format.
func TestPlansEditedAtRandom(t *testing.T) {
	t.Parallel()
	m := newMemory(foreignRole("fly-acme-web"))
	req := request("web", "api")
	req.Adopt = true
	req.Apps[1].Role.Inline = []setup.InlinePolicy{inline("own", getObject)}
	req.Apps[1].Region = "eu-central-1"
	var plans [][]byte
	add := func(p *setup.Plan) {
		data, err := p.MarshalIndent()
		if err != nil {
			t.Fatal(err)
		}
		plans = append(plans, data)
	}
	p := plan(t, m, req)
	add(p)
	apply(t, m, p)
	req.Apps[0].Role.MaxSession, req.Apps[0].Role.Boundary = 7200, "PowerUserAccess"
	req.Apps[1].Role.Tags = map[string]string{"team": "ops"}
	add(plan(t, m, req))
	add(planDestroy(t, m, setup.Scope{Org: org, Configs: configs("web", "api")}))
	read := 0
	for seed := range uint64(1500) {
		rnd := rand.New(rand.NewPCG(seed, 3))
		var doc any
		if err := json.Unmarshal(plans[rnd.IntN(len(plans))], &doc); err != nil {
			t.Fatal(err)
		}
		for range 1 + rnd.IntN(3) {
			doc = edited(rnd, doc)
		}
		data, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		if checkPlanFile(t, data) {
			read++
		}
	}
	if read < 50 {
		t.Errorf("only %d of the edited plans were read", read)
	}
}

// edited returns a JSON value with one value somewhere in it changed.
func edited(rnd *rand.Rand, v any) any {
	values := []any{
		"", "evil", "acme", "web", "api", "personal", "true", "fly-acme-api", "arn:aws:iam::aws:policy/AdministratorAccess", "other",
		"keep", "create", "update", "adopt", "delete", "AWS_REGION", "us-east-1", 0.0, 3600.0, 43200.0, nil, true,
		[]any{},
		map[string]any{},
	}
	switch v := v.(type) {
	case map[string]any:
		if len(v) == 0 || rnd.IntN(12) == 0 {
			keys := []string{"fly-aws:org", "team", "path", "tags", "after", "before", "permissions_boundary", "max_session_seconds", "description", "removed", "kept"}
			v[keys[rnd.IntN(len(keys))]] = values[rnd.IntN(len(values))]
			return v
		}
		keys := slices.Sorted(maps.Keys(v))
		key := keys[rnd.IntN(len(keys))]
		if rnd.IntN(12) == 0 {
			delete(v, key)
			return v
		}
		v[key] = edited(rnd, v[key])
		return v
	case []any:
		switch {
		case len(v) == 0 || rnd.IntN(12) == 0:
			return append(v, values[rnd.IntN(len(values))])
		case rnd.IntN(12) == 0:
			i := rnd.IntN(len(v))
			return slices.Delete(v, i, i+1)
		}
		i := rnd.IntN(len(v))
		v[i] = edited(rnd, v[i])
		return v
	}
	return values[rnd.IntN(len(values))]
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
				if !ours || key == setup.TagOrg && value == p.Org || key == setup.TagApp && (app == "" || p.Grants[slices.IndexFunc(p.Grants, func(g setup.Grant) bool { return g.Role == r.Role.Name })].App == app) {
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
		case setup.ReasonStatementMissing, setup.ReasonStatementEdited, setup.ReasonSubjectMissing, setup.ReasonSubjectUnwanted:
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
