package setup_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/fly-aws/fly-aws/setup"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

// entries returns the entries for a role's ARN in the fly.toml files of the apps, named as
// in request.
func entries(apps ...string) []setup.Env {
	var out []setup.Env
	for _, app := range apps {
		out = append(out, setup.Env{Config: app + "/fly.toml", App: app, Key: setup.EnvRoleARN})
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
	req.Roles[0].Inline = []setup.InlinePolicy{inline("own", getObject)}
	req.Roles[0].Apps[0].Region = "eu-central-1"
	apply(t, m, plan(t, m, req))
	p := planDestroy(t, m, setup.Scope{Org: org, Entries: entries("web")})
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
	if again := planDestroy(t, m, setup.Scope{Org: org, Entries: entries("web")}); len(again.Changes) > 0 {
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
		"adopted, and its other statement was removed": {
			func(m *memory) {
				m.edit(role, func(r *setup.Resource) { r.Role.Tags[setup.TagAdopted] = "true" })
				m.addStatement(role, nobody)
			},
			[]string{"update " + role + " statement-unwanted tag tag tag", "delete " + provider},
		},
		"a Deny instead of ours": {
			func(m *memory) {
				m.editOurs(role, func(s *trustpolicy.Statement) { s.Effect = trustpolicy.Deny })
			},
			[]string{"delete attachment:fly-acme-web:arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess", "delete " + role, "delete " + provider},
		},
		"a Deny instead of ours, and another Allow statement": {
			func(m *memory) {
				m.editOurs(role, func(s *trustpolicy.Statement) { s.Effect = trustpolicy.Deny })
				m.addStatement(role, everyApp)
			},
			[]string{"update " + role + " tag tag"},
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
			reread(t, p)
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
	p := planDestroy(t, m, setup.Scope{Org: org, Apps: []string{"web"}, Entries: entries("web", "api")})
	want(t, p,
		"delete env:web/fly.toml:AWS_ROLE_ARN",
		"update role:fly subject-unwanted",
	)
	report := apply(t, m, reread(t, p))
	if len(report.Checks) != 4 {
		t.Errorf("checks %v", report.Checks)
	}
	for _, check := range report.Checks {
		if !check.Passed() {
			t.Errorf("%s: wanted %s, got %s", check.Subject, check.Want, check.Got)
		}
	}
	if again := planDestroy(t, m, setup.Scope{Org: org, Apps: []string{"web"}, Entries: entries("web", "api")}); len(again.Changes) > 0 {
		t.Errorf("a second plan is %v", actions(again))
	}
	apply(t, m, planDestroy(t, m, setup.Scope{Org: org, Apps: []string{"api"}, Entries: entries("api")}))
	if len(m.things) > 0 {
		t.Errorf("left is %v", sortedKeys(m.things))
	}
}

// A Deny of ours keeps what it denies when an app goes, unless the role goes with it.
func TestDestroyOneAppOfADeny(t *testing.T) {
	t.Parallel()
	m := made(t, shared(request("web", "api"), "fly"))
	m.editOurs("role:fly", func(s *trustpolicy.Statement) { s.Effect = trustpolicy.Deny })
	want(t, planDestroy(t, m, setup.Scope{Org: org, Apps: []string{"web"}}))
	p := planDestroy(t, m, setup.Scope{Org: org, Apps: []string{"web", "api"}})
	if len(p.Pending()) != 3 || len(p.Grants) > 0 {
		t.Errorf("plan %v, grants %+v", actions(p), p.Grants)
	}
}

// An app that something else still allows is said to keep its access.
func TestDestroyWarnsOfWhatStillAllows(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		edit func(*memory)
		want string
	}{
		"a statement": {func(m *memory) { m.addStatement("role:fly", everyApp) }, "#2"},
		"a pattern added": {func(m *memory) {
			m.editOurs("role:fly", func(s *trustpolicy.Statement) { s.Conditions[1].Values = append(s.Conditions[1].Values, "acme:*") })
		}, "FlyAwsAcme"},
		"something undecided": {func(m *memory) {
			m.addStatement("role:fly", strings.Replace(everyApp, `"StringLike"`, `"IpAddress":{"aws:SourceIp":"192.0.2.0/24"},"StringLike"`, 1))
		}, "#2"},
		"nothing": {func(*memory) {}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := made(t, shared(request("web", "api"), "fly"))
			test.edit(m)
			p := planDestroy(t, m, setup.Scope{Org: org, Apps: []string{"web"}})
			var got []string
			for _, w := range p.Warnings {
				if w.Code != setup.WarningStillAllowed || w.Role != "fly" || !slices.Equal(w.Apps, []string{"web"}) {
					t.Errorf("warning %+v", w)
				}
				got = append(got, w.Names...)
			}
			if strings.Join(got, " ") != test.want {
				t.Errorf("still allowed by %q, not %q", got, test.want)
			}
			if again := reread(t, p); len(again.Warnings) != len(p.Warnings) {
				t.Errorf("read back, the warnings are %+v", again.Warnings)
			}
		})
	}
}

// What lets an app of the scope in and is not ours, or another file's, stays with a warning.
func TestDestroySaysWhatIsNotOurs(t *testing.T) {
	t.Parallel()
	theirs := foreignRole("theirs")
	theirs.Role.Tags = map[string]string{"team": "payments"}
	m := made(t, fromFile(request("web"), "prod"))
	live := m.things[webRole]
	theirs.Role.Trust = live.Role.Trust
	m.things[theirs.ID()] = theirs
	for name, test := range map[string]struct {
		scope setup.Scope
		want  string
	}{
		"an app":              {setup.Scope{Apps: []string{"web"}}, "theirs [web] [team=payments]"},
		"everything":          {setup.Scope{}, "theirs [web] [team=payments]"},
		"another app":         {setup.Scope{Apps: []string{"api"}}, ""},
		"a file":              {setup.Scope{File: "prod"}, ""},
		"an app of no file's": {setup.Scope{File: "dev", Apps: []string{"web"}}, "fly-acme-web [web] [fly-aws:app=web fly-aws:file=prod fly-aws:org=acme] theirs [web] [team=payments]"},
	} {
		test.scope.Org = org
		var got []string
		for _, w := range planDestroy(t, m, test.scope).Warnings {
			if w.Code == setup.WarningNotOurs {
				got = append(got, fmt.Sprintf("%s %v %v", w.Role, w.Apps, w.Names))
			}
		}
		if s := strings.Join(got, " "); s != test.want {
			t.Errorf("%s: %q, not %q", name, s, test.want)
		}
	}
}

// Files, apps and patterns limit what is removed, together if there are several. The
// provider stays as long as a role trusts it.
func TestScopesOfADestroy(t *testing.T) {
	t.Parallel()
	deletes := func(role string) []string {
		return []string{"delete attachment:" + role + ":arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess", "delete role:" + role}
	}
	for name, test := range map[string]struct {
		scope setup.Scope
		want  []string
	}{
		"a file": {
			setup.Scope{File: "prod"},
			slices.Concat(
				[]string{"delete env:web/fly.toml:AWS_ROLE_ARN"}, deletes("fly-acme-web")[:1], deletes("tenants")[:1],
				deletes("fly-acme-web")[1:], deletes("tenants")[1:],
			),
		},
		"another file": {
			setup.Scope{File: "staging"},
			slices.Concat([]string{"delete env:api/fly.toml:AWS_ROLE_ARN"}, deletes("fly-acme-api")),
		},
		"no such file": {setup.Scope{File: "dev"}, nil},
		"an app": {
			setup.Scope{Apps: []string{"web"}},
			slices.Concat([]string{"delete env:web/fly.toml:AWS_ROLE_ARN", "delete env:web/fly.toml:BACKUP_ROLE"},
				deletes("backups")[:1], deletes("fly-acme-web")[:1], deletes("backups")[1:], deletes("fly-acme-web")[1:]),
		},
		"an app of a file": {
			setup.Scope{File: "prod", Apps: []string{"web"}},
			slices.Concat([]string{"delete env:web/fly.toml:AWS_ROLE_ARN"}, deletes("fly-acme-web")),
		},
		"an app of another file": {setup.Scope{File: "staging", Apps: []string{"web"}}, nil},
		"a pattern":              {setup.Scope{Apps: []string{"tenant-*"}}, deletes("tenants")},
		"an app of a pattern":    {setup.Scope{Apps: []string{"tenant-1"}}, nil},
		"another organization":   {setup.Scope{Org: "other"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := made(t, fromFile(request("web"), "prod"))
			apply(t, m, plan(t, m, fromFile(request("api"), "staging")))
			tenants := withApps(shared(request("tenant-*"), "tenants"), func(app *setup.App) { app.Config = "" })
			apply(t, m, plan(t, m, fromFile(tenants, "prod")))
			apply(t, m, plan(t, m, withApps(shared(request("web"), "backups"), func(app *setup.App) { app.Env = "BACKUP_ROLE" })))
			before := maps.Clone(m.things)

			scope := test.scope
			scope.Entries = append(entries("web", "api"), setup.Env{Config: "web/fly.toml", App: "web", Key: "BACKUP_ROLE"})
			if scope.Org == "" {
				scope.Org = org
			}
			p := planDestroy(t, m, scope)
			want(t, p, test.want...)
			for _, check := range apply(t, m, reread(t, p)).Checks {
				if !check.Passed() {
					t.Errorf("%s: wanted %s, got %s", check.Subject, check.Want, check.Got)
				}
			}
			for _, line := range test.want {
				delete(before, strings.TrimPrefix(line, "delete "))
			}
			if !sameThings(before, m.things) {
				t.Errorf("left is %v", sortedKeys(m.things))
			}
		})
	}
}

// Adopted roles lose our statement and tags, and keep everything else.
func TestDestroyAnAdoptedRole(t *testing.T) {
	t.Parallel()
	role := foreignRole("fly-acme-web")
	role.Role.MaxSession, role.Role.InstanceProfiles = 3600, []string{"servers"}
	m := newMemory(role)
	m.embed("fly-acme-web", "own", getObject)
	before := newMemory(m.things[webRole], m.things["inline:fly-acme-web:own"])
	req := request("web")
	req.Adopt, req.Roles[0].Policies = true, nil
	apply(t, m, plan(t, m, req))
	p := planDestroy(t, m, setup.Scope{Org: org, Entries: entries("web")})
	want(t, p,
		"delete env:web/fly.toml:AWS_ROLE_ARN",
		"update "+webRole+" statement-unwanted tag tag tag",
		"delete "+provider,
	)
	if g := p.Grants; len(g) != 1 || !g[0].Removed {
		t.Errorf("grants are %+v", g)
	}
	apply(t, m, reread(t, p))
	if !sameThings(before.things, m.things) {
		t.Errorf("left is %v, %+v", sortedKeys(m.things), m.things[webRole].Role)
	}
}

// A plan for another account than the scope's is an error.
func TestDestroyInAnotherAccount(t *testing.T) {
	t.Parallel()
	m := made(t, request("web"))
	var invalid *setup.InvalidError
	_, err := m.world().PlanDestroy(context.Background(), setup.Scope{Org: org, Account: "999999999999"})
	if !errors.As(err, &invalid) || invalid.Field != setup.FieldAccount || !strings.Contains(err.Error(), account) {
		t.Errorf("error is %v", err)
	}
}

// A fly.toml that now names another role is left alone.
func TestDestroyLeavesAnotherRoleInFlyToml(t *testing.T) {
	t.Parallel()
	m := newMemory()
	apply(t, m, plan(t, m, request("web")))
	m.edit("env:web/fly.toml:AWS_ROLE_ARN", func(r *setup.Resource) { r.Env.Value = "arn:aws:iam::123456789012:role/other" })
	apply(t, m, planDestroy(t, m, setup.Scope{Org: org, Entries: entries("web")}))
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
		"a policy":          func(m *memory) { m.attach("fly-acme-web", auditARN) },
		"another statement": func(m *memory) { m.addStatement(webRole, breakGlass) },
		"the provider": func(m *memory) {
			m.edit(provider, func(r *setup.Resource) { r.Provider.Audiences = append(r.Provider.Audiences, "new") })
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMemory()
			apply(t, m, plan(t, m, request("web")))
			p := planDestroy(t, m, setup.Scope{Org: org, Entries: entries("web")})
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
