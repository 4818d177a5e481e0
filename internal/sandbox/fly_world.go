package sandbox

import (
	"maps"
	"slices"
	"strings"

	"github.com/fly-aws/fly-aws/internal/flyname"
)

// FlyToken is the OAuth token of the sandbox's user, who is in every organization
// and may do everything.
const FlyToken = "fo1_sandbox_EXAMPLE" //nolint:gosec // valid only in a sandbox

// FlyOrgToken returns a token limited to the organization with that raw slug, as
// from "fly tokens create org".
func FlyOrgToken(org string) string { return "fm2_" + strings.ToLower(digest("token of org "+org)) }

// FlyAppToken returns a token limited to an app, as from "fly tokens create
// deploy".
func FlyAppToken(app string) string { return "fm2_" + strings.ToLower(digest("token of app "+app)) }

// flyApp is a Fly app.
type flyApp struct {
	org     string // raw slug
	secrets []string
	hidden  bool // no token can see the names of the secrets
	env     map[string]string
}

// AddOrg adds an organization, by its raw slug. Its name is free text; "" is the
// slug. AddApp and AddMachine add their organization, and PersonalOrg always
// exists.
func (w *World) AddOrg(slug, name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.addOrg(slug, name)
}

func (w *World) addOrg(slug, name string) {
	if w.flyOrgs == nil {
		w.flyOrgs = make(map[string]string)
	}
	if name != "" || w.flyOrgs[slug] == "" {
		w.flyOrgs[slug] = name
	}
}

// AddApp adds an app without machines to an organization. App names are unique
// across all organizations: an app of another organization stays there.
func (w *World) AddApp(org, app string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.addApp(org, app)
}

func (w *World) addApp(org, app string) {
	w.addOrg(org, "")
	if w.flyApps == nil {
		w.flyApps = make(map[string]*flyApp)
	}
	if w.flyApps[app] == nil {
		w.flyApps[app] = &flyApp{org: org, env: map[string]string{}}
	}
}

// MoveApp moves an app, which must exist, and its machines to another organization, as
// "fly apps move" does. Its secrets and the environment of its machines stay.
func (w *World) MoveApp(app, org string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	a := w.flyApps[app]
	if a == nil {
		return
	}
	w.addOrg(org, "")
	a.org = org
	for i, m := range w.machines {
		if m.app != app {
			continue
		}
		w.machines[i].org = org
		if state, set := w.states[m]; set {
			delete(w.states, m)
			w.states[w.machines[i]] = state
		}
	}
}

// SetSecrets replaces the secrets of an app, which must exist. They have names
// only, since Fly does not return values.
func (w *World) SetSecrets(app string, names ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if a := w.flyApps[app]; a != nil {
		a.secrets = slices.Compact(slices.Sorted(slices.Values(names)))
	}
}

// HideSecrets hides the names of the secrets of an app, which must exist, from
// every token, as if its limits excluded them.
func (w *World) HideSecrets(app string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if a := w.flyApps[app]; a != nil {
		a.hidden = true
	}
}

// SetEnv sets a variable in the configuration of every machine of an app, which
// must exist.
func (w *World) SetEnv(app, name, value string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if a := w.flyApps[app]; a != nil {
		a.env[name] = value
	}
}

// SetState sets the state of a machine. It is "started" by default; in other states
// the machine does not run commands.
func (w *World) SetState(org, app, name, state string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.states == nil {
		w.states = make(map[machine]string)
	}
	w.states[machine{org, app, name}] = state
}

// FlyCalls returns the calls of Fly's API so far, in order of arrival. A call in
// progress has no Status yet.
func (w *World) FlyCalls() []FlyCall {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.flyCalls)
}

// prepareFly initializes the zero value. The caller holds w.mu.
func (w *World) prepareFly() {
	if w.PersonalOrg != "" {
		w.addOrg(w.PersonalOrg, "")
	}
}

// flyScope is what a call's tokens can reach.
type flyScope struct {
	all        bool
	orgs, apps []string
}

// flyScope reads an Authorization header; false if Fly does not accept it. The
// GraphQL API accepts tokens of both kinds together, the Machines API does not
// (superfly/fly-go, tokens/tokens.go).
func (w *World) flyScope(header string, mixed bool) (flyScope, bool) {
	scheme, list, _ := strings.Cut(header, " ")
	var scope flyScope
	macaroons := 0
	for token := range strings.SplitSeq(list, ",") {
		if token == FlyToken {
			scope.all = true
			continue
		}
		macaroons++
		found := false
		for org := range w.flyOrgs {
			if token == FlyOrgToken(org) {
				scope.orgs = append(scope.orgs, org)
				found = true
			}
		}
		for app := range w.flyApps {
			if token == FlyAppToken(app) {
				scope.apps = append(scope.apps, app)
				found = true
			}
		}
		if !found {
			return flyScope{}, false
		}
	}
	switch scheme {
	case "Bearer":
		return scope, macaroons == 0
	case "FlyV1":
		return scope, macaroons > 0 && (mixed || !scope.all)
	}
	return flyScope{}, false
}

func (s flyScope) org(slug string) bool { return s.all || slices.Contains(s.orgs, slug) }

func (s flyScope) app(name string, a *flyApp) bool {
	return s.org(a.org) || slices.Contains(s.apps, name)
}

// flyOrg is an organization as in Fly's responses. The slug of the personal one is
// the alias. The caller holds w.mu.
func (w *World) flyOrg(raw string) map[string]any {
	org := map[string]any{
		"id": digest("org " + raw)[:30], "slug": raw, "rawSlug": raw, "name": w.flyOrgs[raw],
		"type": "SHARED", "viewerRole": "admin",
	}
	if org["name"] == "" {
		org["name"] = raw
	}
	if raw == w.PersonalOrg {
		org["slug"], org["type"] = flyname.Personal, "PERSONAL"
	}
	return org
}

// rawSlug resolves the alias of the personal organization. The caller holds w.mu.
func (w *World) rawSlug(slug string) string {
	if slug == flyname.Personal {
		return w.PersonalOrg
	}
	return slug
}

// flyOrgSlugs returns the raw slugs in alphabetical order. The caller holds w.mu.
func (w *World) flyOrgSlugs() []string { return slices.Sorted(maps.Keys(w.flyOrgs)) }
