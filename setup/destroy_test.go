package setup_test

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/fly-aws/fly-aws/setup"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

// configs returns the fly.toml files of the apps, named as in request.
func configs(apps ...string) map[string]string {
	out := map[string]string{}
	for _, app := range apps {
		out[app] = app + "/fly.toml"
	}
	return out
}

func planDestroy(t *testing.T, m *memory, scope setup.Scope) *setup.Plan {
	t.Helper()
	p, err := m.world().PlanDestroy(context.Background(), scope)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestDestroy(t *testing.T) {
	t.Parallel()
	m := newMemory()
	req := request("web")
	req.Apps[0].Role.Inline = []setup.InlinePolicy{inline("own", getObject)}
	req.Apps[0].Region = "eu-central-1"
	apply(t, m, plan(t, m, req))
	p := planDestroy(t, m, setup.Scope{Org: org, Configs: configs("web")})
	want(t, p,
		"delete env:web/fly.toml:AWS_ROLE_ARN",
		"delete attachment:fly-acme-web:arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess",
		"delete inline:fly-acme-web:own",
		"delete role:fly-acme-web",
		"delete "+provider,
	)
	if g := p.Grants; len(g) != 1 || !g[0].Removed || g[0].App != "web" {
		t.Errorf("grants are %+v", g)
	}
	m.writes = nil
	report := apply(t, m, reread(t, p))
	if len(report.Mismatches) > 0 || report.Count(setup.StatusDone) != 5 {
		t.Errorf("report is %+v", report)
	}
	for i, kind := range map[int]string{0: "env:", 3: "role:", 4: "provider:"} { // the policies in any order
		if !strings.HasPrefix(m.writes[i], kind) {
			t.Errorf("written in the order %v", m.writes)
		}
	}
	if left := sortedKeys(m.things); !slices.Equal(left, []string{"env:web/fly.toml:AWS_REGION"}) {
		t.Errorf("left is %v", left)
	}
	// Deleting what is already gone succeeds.
	if report := apply(t, m, reread(t, p)); report.Count(setup.StatusKept) != 5 {
		t.Errorf("again: %+v", report)
	}
	if again := planDestroy(t, m, setup.Scope{Org: org, Configs: configs("web")}); len(again.Changes) > 0 {
		t.Errorf("a second plan is %v", actions(again))
	}
}

// What someone else made or changed survives.
func TestDestroyLeavesWhatIsNotOurs(t *testing.T) {
	t.Parallel()
	statement := func(r *setup.Resource) trustpolicy.Statement {
		s, _ := r.Role.Trust.Statement("FlyAwsAcme")
		return s
	}
	foreign, _ := trustpolicy.Parse([]byte(ec2Trust))
	const role = "role:fly-acme-web"
	for name, test := range map[string]struct {
		edit func(*memory)
		want []string
	}{
		"another Allow statement": {
			func(m *memory) {
				m.edit(role, func(r *setup.Resource) { r.Role.Trust = foreign.Merge(r.Role.Trust.Statements...) })
			},
			[]string{"update " + role + " statement-unwanted tag tag", "delete " + provider},
		},
		"an instance profile": {
			func(m *memory) {
				m.edit(role, func(r *setup.Resource) {
					r.Role.InstanceProfiles = []string{"servers"}
					deny := foreign.Clone()
					deny.Statements[0].Effect = trustpolicy.Deny
					r.Role.Trust = r.Role.Trust.Merge(deny.Statements...)
				})
			},
			[]string{"update " + role + " statement-unwanted tag tag", "delete " + provider},
		},
		"an instance profile and no other statement": {
			func(m *memory) {
				m.edit(role, func(r *setup.Resource) { r.Role.InstanceProfiles = []string{"servers"} })
			},
			[]string{"conflict " + role + " last-statement"},
		},
		"tags alone": {
			func(m *memory) { m.edit(role, func(r *setup.Resource) { r.Role.Trust = foreign }) },
			[]string{"update " + role + " tag tag", "delete " + provider},
		},
		"a statement alone": {
			func(m *memory) { m.edit(role, func(r *setup.Resource) { r.Role.Tags = nil }) },
			nil,
		},
		"another organization's": {
			func(m *memory) {
				m.edit(role, func(r *setup.Resource) { r.Role.Tags[setup.TagOrg] = "other" })
			},
			nil,
		},
		"a provider that is not ours": {
			func(m *memory) { m.edit(provider, func(r *setup.Resource) { r.Provider.Tags = nil }) },
			[]string{"delete attachment:fly-acme-web:arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess", "delete " + role},
		},
		"a provider that another role trusts": {
			func(m *memory) {
				other := foreignRole("theirs")
				live := m.things[role]
				other.Role.Trust = trustpolicy.New(statement(&live))
				m.things[other.ID()] = other
			},
			[]string{"delete attachment:fly-acme-web:arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess", "delete " + role},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMemory()
			apply(t, m, plan(t, m, request("web")))
			test.edit(m)
			p := planDestroy(t, m, setup.Scope{Org: org})
			want(t, p, test.want...)
			if len(p.Conflicts()) == 0 && len(p.Changes) > 0 {
				if report := apply(t, m, reread(t, p)); len(report.Mismatches) > 0 {
					t.Errorf("mismatches %v", report.Mismatches)
				}
			}
		})
	}
}

// One app of a shared role loses its subjects; the others keep the role.
func TestDestroyOneAppOfASharedRole(t *testing.T) {
	t.Parallel()
	m := newMemory()
	apply(t, m, plan(t, m, shared(request("web", "api"), "fly")))
	p := planDestroy(t, m, setup.Scope{Org: org, Apps: []string{"web"}, Configs: configs("web", "api")})
	want(t, p,
		"delete env:web/fly.toml:AWS_ROLE_ARN",
		"update role:fly subject-unwanted",
	)
	report := apply(t, m, reread(t, p))
	if len(report.Checks) != 3 {
		t.Errorf("checks %v", report.Checks)
	}
	for _, check := range report.Checks {
		if !check.Passed() {
			t.Errorf("%s: wanted %s, got %s", check.Subject, check.Want, check.Got)
		}
	}
	if again := planDestroy(t, m, setup.Scope{Org: org, Apps: []string{"web"}, Configs: configs("web", "api")}); len(again.Changes) > 0 {
		t.Errorf("a second plan is %v", actions(again))
	}
	apply(t, m, planDestroy(t, m, setup.Scope{Org: org, Apps: []string{"api"}, Configs: configs("api")}))
	if len(m.things) > 0 {
		t.Errorf("left is %v", sortedKeys(m.things))
	}
}

// A fly.toml that now names another role is left alone.
func TestDestroyLeavesAnotherRoleInFlyToml(t *testing.T) {
	t.Parallel()
	m := newMemory()
	apply(t, m, plan(t, m, request("web")))
	m.edit("env:web/fly.toml:AWS_ROLE_ARN", func(r *setup.Resource) { r.Env.Value = "arn:aws:iam::123456789012:role/other" })
	apply(t, m, planDestroy(t, m, setup.Scope{Org: org, Configs: configs("web")}))
	if left := sortedKeys(m.things); !slices.Equal(left, []string{"env:web/fly.toml:AWS_ROLE_ARN"}) {
		t.Errorf("left is %v", left)
	}
}

// A provider is kept if a role has begun to trust it since the plan was made, and a role
// that has changed keeps everything.
func TestStaleDestroy(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*memory){
		"another role trusts the provider": func(m *memory) {
			other := foreignRole("theirs")
			other.Role.Trust = m.things["role:fly-acme-web"].Role.Trust
			m.things[other.ID()] = other
		},
		"its trust policy": func(m *memory) {
			m.edit("role:fly-acme-web", func(r *setup.Resource) { r.Role.Trust = foreignRole("x").Role.Trust })
		},
		"a tag": func(m *memory) {
			m.edit("role:fly-acme-web", func(r *setup.Resource) { r.Role.Tags["new"] = "1" })
		},
		"the provider": func(m *memory) {
			m.edit(provider, func(r *setup.Resource) { r.Provider.Audiences = append(r.Provider.Audiences, "new") })
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMemory()
			apply(t, m, plan(t, m, request("web")))
			p := planDestroy(t, m, setup.Scope{Org: org, Configs: configs("web")})
			m.writes = nil
			change(m)
			if _, err := tryApply(m, p); !errors.As(err, new(*setup.StaleError)) {
				t.Errorf("error is %v", err)
			}
			if len(m.writes) > 0 {
				t.Errorf("written: %v", m.writes)
			}
		})
	}
}

func TestDestroyNeedsAnOrganization(t *testing.T) {
	t.Parallel()
	w := newMemory().world()
	for _, scope := range []setup.Scope{{}, {Org: "personal"}, {Org: "Acme"}, {Org: "acme", Apps: []string{"a b"}}, {Apps: []string{"web"}}} {
		if _, err := w.PlanDestroy(context.Background(), scope); !errors.As(err, new(*setup.InvalidError)) {
			t.Errorf("%+v: %v", scope, err)
		}
	}
	m := newMemory()
	apply(t, m, plan(t, m, request("web")))
	w = m.world()
	w.Fly = &directory{apps: []setup.FlyApp{{Name: "web", Slug: "personal", RawSlug: "acme"}}}
	p, err := w.PlanDestroy(context.Background(), setup.Scope{Org: "personal", Apps: []string{"web"}})
	if err != nil || p.Org != "acme" || len(p.Pending()) != 3 {
		t.Errorf("%+v, %v", p, err)
	}
}

// Law: in random worlds where nothing is ours, setup followed by destroy restores the
// world, even if earlier destroys were interrupted. Exceptions: adopted roles keep their
// other new settings, and a foreign provider keeps its new audiences.
func TestSetupThenDestroy(t *testing.T) {
	t.Parallel()
	destroyed := 0
	for seed := range uint64(400) {
		rnd := rand.New(rand.NewPCG(seed, 11))
		m := newMemory()
		for _, app := range randomApps {
			if rnd.IntN(4) == 0 {
				r := foreignRole("fly-acme-" + app)
				r.Role.MaxSession = 3600
				m.things[r.ID()] = r
			}
		}
		if rnd.IntN(4) == 0 {
			r := setup.Resource{Provider: &setup.Provider{
				ARN: strings.TrimPrefix(provider, "provider:"), URL: "https://oidc.fly.io/acme", Audiences: []string{"other"},
			}}
			m.things[r.ID()] = r
		}
		before := maps.Clone(m.things)
		req := randomRequest(rnd)
		for i := range req.Apps {
			req.Apps[i].Region = ""
		}
		p := plan(t, m, req)
		if len(p.Conflicts()) > 0 {
			continue
		}
		apply(t, m, p)
		scope := setup.Scope{Org: org, Configs: configs(randomApps...)}
		for range 3 { // interrupted at a random write, before or after its effect
			left := rnd.IntN(8)
			m.fail = func(string) (error, bool) {
				if left--; left < 0 {
					return errBroken, rnd.IntN(2) == 0
				}
				return nil, false
			}
			p := planDestroy(t, m, scope)
			if len(p.Changes) == 0 {
				break
			}
			if _, err := tryApply(m, reread(t, p)); err != nil && !errors.Is(err, errBroken) {
				t.Fatalf("seed %d: %v", seed, err)
			}
		}
		m.fail = nil
		if report := apply(t, m, planDestroy(t, m, scope)); len(report.Mismatches) > 0 {
			t.Fatalf("seed %d: mismatches %v", seed, report.Mismatches)
		}
		if again := planDestroy(t, m, scope); len(again.Changes) > 0 {
			t.Fatalf("seed %d: afterwards there is still %v", seed, actions(again))
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
				r.Role.MaxSession = was.Role.MaxSession
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

func sameThings(a, b map[string]setup.Resource) bool {
	return maps.EqualFunc(a, b, func(x, y setup.Resource) bool {
		if x.Role != nil && y.Role != nil {
			p, q := *x.Role, *y.Role
			if !p.Trust.Equal(q.Trust) || len(p.Tags)+len(q.Tags) > 0 && !maps.Equal(p.Tags, q.Tags) {
				return false
			}
			p.Trust, q.Trust, p.Tags, q.Tags = nil, nil, nil, nil
			return reflect.DeepEqual(p, q)
		}
		return reflect.DeepEqual(x, y)
	})
}
