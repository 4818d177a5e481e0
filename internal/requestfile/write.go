package requestfile

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/fly-aws/fly-aws/internal/tomltext"
	"github.com/fly-aws/fly-aws/setup"
)

// schemaURL is where editors find the JSON Schema of the file. Taplo and the editors that
// use it read the comment: https://taplo.tamasfe.dev/configuration/directives.html
const schemaURL = "https://raw.githubusercontent.com/fly-aws/fly-aws/main/docs/fly-aws.schema.json"

// New writes a file for a request that passes setup.Request.Check, which Parse reads back.
// An inline policy is written as the path in its Source, or else as PolicyPath; the trust
// policy of an unmanaged role as TrustPath.
func New(req setup.Request) []byte {
	w := &writer{req: req, common: common(req.Roles)}
	w.line("#:schema %s", schemaURL)
	w.line("version = %d", Version)
	w.text("name", req.File)
	w.text("org", req.Org)
	w.text("account", req.Account)
	start := w.Len()
	w.line("\n[defaults]")
	header := w.Len()
	w.text("region", req.Region)
	w.text("audience", req.Audience)
	w.settings(w.common)
	if w.Len() == header { // nothing is common
		text := w.String()[:start]
		w.Reset()
		w.WriteString(text)
	}
	for _, role := range req.Roles {
		w.role(role)
	}
	return []byte(w.String())
}

// common returns the settings that all managed roles share, if there are several.
func common(roles []setup.RoleRequest) setup.RoleRequest {
	roles = slices.DeleteFunc(slices.Clone(roles), func(r setup.RoleRequest) bool { return r.Unmanaged })
	if len(roles) < 2 {
		return setup.RoleRequest{}
	}
	first := roles[0]
	out := setup.RoleRequest{
		Path: first.Path, Boundary: first.Boundary, MaxSession: first.MaxSession, SessionTags: first.SessionTags, Tags: first.Tags,
	}
	for _, r := range roles[1:] {
		if r.Path != out.Path {
			out.Path = ""
		}
		if r.Boundary != out.Boundary {
			out.Boundary = ""
		}
		if r.MaxSession != out.MaxSession {
			out.MaxSession = 0
		}
		out.SessionTags = out.SessionTags && r.SessionTags
		if !maps.Equal(r.Tags, out.Tags) {
			out.Tags = nil
		}
	}
	return out
}

// A writer writes the tables of a file.
type writer struct {
	strings.Builder
	req setup.Request
	// common are the settings that [defaults] has.
	common setup.RoleRequest
	// keys and apps are the tables that are there.
	keys, apps map[string]bool
	// envs are the variables that tables of apps have already.
	envs map[string]string
}

func (w *writer) line(format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) }

// text writes KEY = "value", unless the value is empty.
func (w *writer) text(name, value string) {
	if value != "" {
		w.line("%s = %s", name, quote(value))
	}
}

// list writes KEY = ["value", …], unless there are none.
func (w *writer) list(name string, values []string) {
	if len(values) > 0 {
		w.line("%s = %s", name, list(quoted(values)))
	}
}

func quote(s string) string { return tomltext.String(s, '"') }

func quoted(values []string) []string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = quote(v)
	}
	return out
}

func list(values []string) string { return "[" + strings.Join(values, ", ") + "]" }

// role writes a role's table, as an app's own if it can be, and the tables of its apps.
func (w *writer) role(role setup.RoleRequest) {
	if w.isOwn(role) {
		app := role.Apps[0]
		w.setApp(app.Name)
		w.line("\n[apps.%s]", tomltext.Key(app.Name))
		w.where(app)
		w.text("env", app.Env)
		if name := w.req.RoleName(role); name != w.defaultName(app.Name) {
			w.text("role_name", name)
		}
		w.permissions(role)
		return
	}
	name := w.req.RoleName(role)
	key := w.key(name)
	w.line("\n[roles.%s]", tomltext.Key(key))
	if name != w.defaultName(key) {
		w.text("name", name)
	}
	if role.Unmanaged {
		w.line("managed = false")
	}
	env := sharedEnv(role.Apps)
	var members []string
	for _, app := range role.Apps {
		members = append(members, w.member(app, env))
	}
	if len(members) > 0 {
		w.line("apps = %s", list(members))
	}
	w.list("except", role.Except)
	w.text("env", env)
	w.text("region", role.Region)
	if role.Trust != nil {
		w.text("trust", TrustPath(name))
	}
	w.permissions(role)
	for _, app := range role.Apps {
		if !w.apps[app.Name] && !w.hasOwnLater(app.Name) {
			w.appOf(app, key)
		}
	}
}

// isOwn says whether a role is written as its app's own.
func (w *writer) isOwn(role setup.RoleRequest) bool {
	if len(role.Apps) != 1 || role.Apps[0].IsPattern() || role.Region != "" || role.Unmanaged || len(role.Except) > 0 || w.apps[role.Apps[0].Name] {
		return false
	}
	app := role.Apps[0]
	for _, other := range w.req.Roles {
		if w.req.RoleName(other) != w.req.RoleName(role) && slices.ContainsFunc(other.Apps, func(a setup.App) bool { return a.Name == app.Name }) {
			// The app's variable would be that of the other role too, and a table without
			// settings would only describe its app.
			return app.Env == "" && !w.isBare(role)
		}
	}
	return true
}

// isBare says whether a role has no settings of its own.
func (w *writer) isBare(role setup.RoleRequest) bool {
	inside := &writer{req: w.req, common: w.common}
	inside.permissions(role)
	return inside.Len() == 0 && w.req.RoleName(role) == w.defaultName(role.Apps[0].Name)
}

// hasOwnLater says whether the table of an app comes with a role of its own.
func (w *writer) hasOwnLater(app string) bool {
	return slices.ContainsFunc(w.req.Roles, func(role setup.RoleRequest) bool {
		return len(role.Apps) == 1 && role.Apps[0].Name == app && w.isOwn(role)
	})
}

// defaultName is the name of a role without one.
func (w *writer) defaultName(key string) string { return "fly-" + w.req.Org + "-" + key }

// key returns a new key for a role of that name.
func (w *writer) key(name string) string {
	key := strings.TrimPrefix(name, w.defaultName(""))
	for i, base := 2, key; w.keys[key]; i++ {
		key = fmt.Sprintf("%s-%d", base, i)
	}
	if w.keys == nil {
		w.keys = map[string]bool{}
	}
	w.keys[key] = true
	return key
}

func (w *writer) setApp(name string) {
	if w.apps == nil {
		w.apps = map[string]bool{}
	}
	w.apps[name] = true
}

// sharedEnv returns the variable of all apps that are not patterns, "" if they differ.
func sharedEnv(apps []setup.App) string {
	env, first := "", true
	for _, app := range apps {
		switch {
		case app.IsPattern():
		case first:
			env, first = app.Env, false
		case app.Env != env:
			return ""
		}
	}
	return env
}

// described returns the app as its table says, or will.
func (w *writer) described(name string) setup.App {
	var out setup.App
	for _, role := range slices.Backward(w.req.Roles) {
		for _, app := range slices.Backward(role.Apps) {
			if app.Name == name && !app.IsPattern() {
				out = app
			}
		}
	}
	for _, role := range w.req.Roles {
		if len(role.Apps) == 1 && role.Apps[0].Name == name && !role.Apps[0].IsPattern() && (&writer{req: w.req, common: w.common}).isOwn(role) {
			return role.Apps[0]
		}
	}
	return out
}

// member writes an entry of apps: the name, or a table with what is different from the
// app's own table. env is the role's.
func (w *writer) member(app setup.App, env string) string {
	return w.entry(app, w.described(app.Name), env)
}

func (w *writer) entry(app, have setup.App, env string) string {
	var more []string
	if !slices.Equal(app.Machines, have.Machines) {
		more = append(more, "machines = "+list(quoted(app.Machines)))
	}
	if app.ARN != have.ARN {
		more = append(more, "arn = "+quote(cmp.Or(string(app.ARN), "fly.toml")))
	}
	if inherited := cmp.Or(env, w.envs[app.Name], setup.EnvRoleARN); app.Variable() != inherited && !app.IsPattern() {
		more = append(more, "env = "+quote(app.Variable()))
	}
	if len(more) == 0 {
		return quote(app.Name)
	}
	return "{ name = " + quote(app.Name) + ", " + strings.Join(more, ", ") + " }"
}

// where writes where an app is.
func (w *writer) where(app setup.App) {
	w.text("config", app.Config)
	w.text("arn", string(app.ARN))
	w.text("region", app.Region)
	w.list("machines", app.Machines)
}

// appOf writes the table of an app that has no role of its own but the one with the key,
// if there is anything to say.
func (w *writer) appOf(app setup.App, key string) {
	w.setApp(app.Name)
	var inside writer
	if inside.where(app); inside.Len() == 0 || app.IsPattern() {
		return
	}
	w.line("\n[apps.%s]", tomltext.Key(app.Name))
	w.WriteString(inside.String())
	if app.Variable() != setup.EnvRoleARN {
		w.text("role", key)
	}
}

// PolicyPath is where an inline policy of a role is kept, relative to the file.
func PolicyPath(role, policy string) string {
	if role == "." || role == ".." { // IAM allows these names
		role = "~" + role
	}
	return "policies/" + role + "/" + policy + ".json"
}

// TrustPath is where the trust policy of an unmanaged role is kept, relative to the file.
func TrustPath(role string) string { return "trust/" + role + ".json" }

// permissions writes what a role may do, and its settings.
func (w *writer) permissions(role setup.RoleRequest) {
	w.list("policies", role.Policies)
	var presets []string
	answers := map[string][]string{}
	for _, p := range role.Presets {
		if answers[p.Name] == nil {
			presets = append(presets, p.Name)
		}
		answers[p.Name] = append(answers[p.Name], p.Answer)
	}
	for _, name := range presets {
		w.list("allow."+tomltext.Key(name), answers[name])
	}
	if entries := w.inline(role); len(entries) > 0 {
		w.line("inline = %s", list(entries))
	}
	for _, c := range role.Conditions {
		w.list("conditions."+tomltext.Key(c.Operator)+"."+tomltext.Key(c.Key), c.Values)
	}
	w.list("keep", role.Keep)
	if !role.Unmanaged {
		role = without(role, w.common)
	}
	w.settings(role)
}

// inline returns the entries of inline for a role.
func (w *writer) inline(role setup.RoleRequest) []string {
	var out []string
	for _, p := range role.Inline {
		file := cmp.Or(p.Source, PolicyPath(w.req.RoleName(role), p.Name))
		if policyName(file) == p.Name {
			out = append(out, quote(file))
		} else {
			out = append(out, "{ name = "+quote(p.Name)+", file = "+quote(file)+" }")
		}
	}
	return out
}

// without returns a role without the settings that defaults have.
func without(role, defaults setup.RoleRequest) setup.RoleRequest {
	if role.Path == defaults.Path {
		role.Path = ""
	}
	if role.Boundary == defaults.Boundary {
		role.Boundary = ""
	}
	if role.MaxSession == defaults.MaxSession {
		role.MaxSession = 0
	}
	role.SessionTags = role.SessionTags && !defaults.SessionTags
	role.Tags = maps.Clone(role.Tags)
	maps.DeleteFunc(role.Tags, func(key, value string) bool {
		have, ok := defaults.Tags[key]
		return ok && have == value
	})
	return role
}

// settings writes the settings that defaults may have too.
func (w *writer) settings(role setup.RoleRequest) {
	w.text("path", role.Path)
	w.text("permissions_boundary", role.Boundary)
	if role.MaxSession != 0 {
		w.text("max_session", duration(role.MaxSession))
	}
	if role.SessionTags {
		w.line("session_tags = true")
	}
	if len(role.Tags) > 0 {
		var tags []string
		for _, name := range slices.Sorted(maps.Keys(role.Tags)) {
			tags = append(tags, tomltext.Key(name)+" = "+quote(role.Tags[name]))
		}
		w.line("tags = { %s }", strings.Join(tags, ", "))
	}
}

// duration formats seconds without zero parts: "1h", "1h30m".
func duration(seconds int32) string {
	s := (time.Duration(seconds) * time.Second).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
