package setup_test

import (
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/fly-aws/fly-aws/setup"
)

// handOver tags some roles and the provider of a world as managed by something else, and
// returns those that are, with the policies of the roles, by ID.
func (m *memory) handOver(rnd *rand.Rand) map[string]setup.Resource {
	key := func() string { return []string{setup.TagManagedBy, "Fly-AWS:Managed-By"}[rnd.IntN(2)] }
	by := func() string {
		return []string{setup.ManagerTerraform, setup.ManagerCloudFormation, "pulumi"}[rnd.IntN(3)]
	}
	tagged := func(tags map[string]string) map[string]string {
		out := map[string]string{}
		maps.Copy(out, tags)
		out[key()] = by()
		return out
	}
	managed := map[string]setup.Resource{}
	names := map[string]bool{}
	for _, id := range sortedKeys(m.things) {
		r := m.things[id]
		if r.Role == nil && r.Provider == nil || rnd.IntN(2) == 0 {
			continue
		}
		m.edit(id, func(r *setup.Resource) {
			if r.Role != nil {
				r.Role.Tags = tagged(r.Role.Tags)
				names[r.Role.Name] = true
			} else {
				r.Provider.Tags = tagged(r.Provider.Tags)
			}
		})
		managed[id] = m.things[id]
	}
	for id, r := range m.things {
		if r.Policy != nil && names[r.Policy.Role] {
			managed[id] = r
		}
	}
	return managed
}

// untouched requires that the resources, and the policies of the roles among them, are as
// they were.
func (m *memory) untouched(t *testing.T, seed uint64, managed map[string]setup.Resource) {
	t.Helper()
	now := map[string]setup.Resource{}
	for id, r := range m.things {
		_, on := managed["role:"+policyRole(r)]
		if _, is := managed[id]; is || on {
			now[id] = r
		}
	}
	if !sameThings(managed, now) {
		t.Fatalf("seed %d: of what is managed elsewhere there was %v, and is %v", seed, sortedKeys(managed), sortedKeys(now))
	}
}

func policyRole(r setup.Resource) string {
	if r.Policy == nil {
		return ""
	}
	return strings.ToLower(r.Policy.Role)
}

// isManaged says whether a change is to one of the resources or a policy of one.
func isManaged(managed map[string]setup.Resource, c setup.Change) bool {
	_, is := managed[c.Resource().ID()]
	_, on := managed["role:"+policyRole(c.Resource())]
	return is || on
}

// Law: in random worlds no plan writes what something else manages, whatever is asked for,
// also with Adopt and Prune. It says so: as a conflict if it is not as asked, or else as
// kept; and an extra on it stays for that reason.
func TestManagedIsNotWritten(t *testing.T) {
	t.Parallel()
	conflicts, applied := 0, 0
	for seed := range uint64(400) {
		rnd := rand.New(rand.NewPCG(seed, 13))
		m, req := randomWorld(rnd), randomRequest(rnd)
		managed := m.handOver(rnd)
		p := plan(t, m, req)
		read := sameAfterJSON(t, seed, p)
		said := map[string]bool{}
		for _, r := range p.Managed() {
			said[r.ID()] = true
		}
		for _, c := range p.Changes {
			if !isManaged(managed, c) {
				continue
			}
			switch id := c.Resource().ID(); c.Action {
			case setup.ActionKeep:
				if c.Resource().ManagedBy() != "" && !said[id] {
					t.Fatalf("seed %d: it is not said of %s", seed, id)
				}
			case setup.ActionConflict:
				if c.Reasons[0].Code != setup.ReasonManaged || c.Reasons[0].Have != c.Before.ManagedBy() {
					t.Fatalf("seed %d: the conflict of %s is for %v", seed, id, c.Reasons)
				}
			default:
				t.Fatalf("seed %d: the plan would %s %s", seed, c.Action, id)
			}
		}
		for _, e := range p.Extras {
			if _, is := managed["role:"+strings.ToLower(e.Role)]; is && (e.Pruned || !e.Watched || req.Prune && e.Stays != setup.StaysManaged) {
				t.Fatalf("seed %d: the extra of a role that is managed elsewhere: %+v", seed, e)
			}
		}
		if len(p.Conflicts()) > 0 {
			conflicts++
			continue
		}
		m.killed(rnd, func() {
			if _, err := tryApply(m, read); err != nil && !errors.Is(err, errBroken) {
				t.Fatalf("seed %d: %v", seed, err)
			}
		})
		if len(p.Pending()) > 0 && len(managed) > 0 {
			applied++
		}
		m.untouched(t, seed, managed)
	}
	if conflicts < 50 || applied < 50 {
		t.Errorf("only %d conflicts, and %d plans that were applied", conflicts, applied)
	}
}

// Law: a destroy of any scope leaves what something else manages, and the provider as long
// as such a role trusts it; it warns of every such role of the scope.
func TestManagedIsNotDestroyed(t *testing.T) {
	t.Parallel()
	destroyed := 0
	for seed := range uint64(400) {
		rnd := rand.New(rand.NewPCG(seed, 17))
		m := randomWorld(rnd)
		managed := m.handOver(rnd)
		scope := setup.Scope{Org: org, Entries: randomEntries(), File: randomFiles[rnd.IntN(len(randomFiles))]}
		p := planDestroy(t, m, scope)
		warned := map[string]bool{}
		for _, w := range p.Warnings {
			if w.Code == setup.WarningManaged {
				warned["role:"+strings.ToLower(w.Role)] = true
			}
		}
		trusts := false
		for id, r := range managed {
			if r.Role == nil {
				continue
			}
			trusts = trusts || strings.Contains(r.Role.Trust.String(), strings.TrimPrefix(provider, "provider:"))
			ours := r.Role.Tags[setup.TagOrg] == org && (scope.File == "" || r.Role.Tags[setup.TagFile] == scope.File)
			if ours != warned[id] {
				t.Fatalf("seed %d: of %s, which is in the scope: %v, it is said that it stays: %v", seed, id, ours, warned[id])
			}
		}
		for _, c := range p.Changes {
			if isManaged(managed, c) || trusts && c.Resource().Provider != nil {
				t.Fatalf("seed %d: the plan would %s %s", seed, c.Action, c.Resource().ID())
			}
		}
		if len(p.Conflicts()) > 0 {
			continue
		}
		m.killed(rnd, func() {
			if _, err := tryApply(m, sameAfterJSON(t, seed, planDestroy(t, m, scope))); err != nil && !errors.Is(err, errBroken) {
				t.Fatalf("seed %d: %v", seed, err)
			}
		})
		m.untouched(t, seed, managed)
		if len(p.Changes) > 0 && len(managed) > 0 {
			destroyed++
		}
	}
	if destroyed < 50 {
		t.Errorf("only %d plans destroyed something", destroyed)
	}
}

// Law: what is handed over after a plan was made makes the plan stale, and it is not
// written.
func TestHandedOverAfterThePlan(t *testing.T) {
	t.Parallel()
	stale := 0
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 19))
		m, req := randomWorld(rnd), randomRequest(rnd)
		p := plan(t, m, req)
		if seed%2 == 0 {
			p = planDestroy(t, m, setup.Scope{Org: org})
		}
		if len(p.Conflicts()) > 0 || len(p.Pending()) == 0 {
			continue
		}
		managed := m.handOver(rnd)
		_, err := tryApply(m, sameAfterJSON(t, seed, p))
		m.untouched(t, seed, managed)
		if !slices.ContainsFunc(p.Changes, func(c setup.Change) bool { return isManaged(managed, c) }) {
			continue
		}
		var e *setup.StaleError
		if !errors.As(err, &e) {
			t.Fatalf("seed %d: after %v was handed over, applying the plan says: %v", seed, sortedKeys(managed), err)
		}
		stale++
	}
	if stale < 50 {
		t.Errorf("only %d plans were stale", stale)
	}
}

// Law: a plan for whoever manages a resource is the plan for fly-aws of the same world
// without the tag; and only they may apply it.
func TestPlanForAManager(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 23))
		m, req := randomWorld(rnd), randomRequest(rnd)
		want := plan(t, m, req)
		for _, id := range sortedKeys(m.things) {
			m.edit(id, func(r *setup.Resource) {
				switch {
				case r.Provider != nil && r.Provider.Tags != nil:
					r.Provider.Tags[setup.TagManagedBy] = setup.ManagerTerraform
				case r.Role != nil && r.Role.Tags != nil:
					r.Role.Tags[setup.TagManagedBy] = setup.ManagerTerraform
				}
			})
		}
		req.Manager = setup.ManagerTerraform
		got := plan(t, m, req)
		// The tag goes with the others where a role is no longer ours.
		a, b := strings.ReplaceAll(strings.Join(actions(got), "\n"), " tag", ""), strings.ReplaceAll(strings.Join(actions(want), "\n"), " tag", "")
		if a != b {
			t.Fatalf("seed %d: the plan for Terraform is\n%s\nwant\n%s", seed, a, b)
		}
		before := len(m.writes)
		if _, err := tryApply(m, got); err == nil || len(m.writes) > before {
			t.Fatalf("seed %d: fly-aws applied a plan that is for Terraform", seed)
		}
	}
}

// What something else manages is imported as a role to watch, of which a plan writes nothing.
func TestImportOfManaged(t *testing.T) {
	t.Parallel()
	m := newMemory()
	apply(t, m, plan(t, m, request("web", "api")))
	m.edit("role:fly-acme-web", func(r *setup.Resource) { r.Role.Tags[setup.TagManagedBy] = setup.ManagerTerraform })
	found, err := m.Roles(t.Context(), facts(), org, nil)
	if err != nil {
		t.Fatal(err)
	}
	req, err := setup.Import(org, "prod", facts(), found)
	if err != nil || len(req.Roles) != 2 {
		t.Fatal(err, req.Roles)
	}
	for _, role := range req.Roles {
		if role.Unmanaged != (role.Name == "fly-acme-web") {
			t.Errorf("the role %s is unmanaged: %v", role.Name, role.Unmanaged)
		}
	}
}
