package requestfile

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/fly-aws/fly-aws/internal/flyname"
	"github.com/fly-aws/fly-aws/internal/preset"
	"github.com/fly-aws/fly-aws/internal/text"
	"github.com/fly-aws/fly-aws/setup"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

// A reader turns the tree of a file into a request.
type reader struct {
	file     *File
	read     func(path string) ([]byte, error)
	problems []*Problem
}

func (r *reader) fail(at *node, format string, args ...any) {
	r.suggest("", at, format, args...)
}

// suggest is fail with a suggestion.
func (r *reader) suggest(suggestion string, at *node, format string, args ...any) {
	p := r.file.problem(at, fmt.Sprintf(format, args...))
	p.Suggestion = suggestion
	r.problems = append(r.problems, p)
}

// A source is where the file asks for a role of the request.
type source struct {
	// table is [apps.NAME] or [roles.KEY]; isOwn says which.
	table *node
	isOwn bool
	// key is the role's key under [roles].
	key string
	// apps are the places of the role's apps, in order.
	apps []*node
	// values are the places of values, which the file may have with placeholders.
	values map[setup.Field]map[string]*node
}

// mark notes the place of a value.
func (s *source) mark(field setup.Field, value string, at *node) {
	if s.values[field] == nil {
		s.values[field] = map[string]*node{}
	}
	s.values[field][value] = at
}

// top reads the whole file.
func (r *reader) top(root *node) {
	if v := root.get("version"); v != nil && v.form == formInteger {
		if version, ok := v.integer(); !ok || version > Version {
			r.suggest("update fly-aws", v, "version %s is newer than this fly-aws, which reads version %d", text.Name(v.text), Version)
			return
		}
	}
	r.secrets(root)
	given := root.names()
	r.check(root, topTable)
	req := &r.file.req
	if v := root.get("version"); v != nil && v.form == formInteger && v.text != fmt.Sprint(Version) {
		r.suggest(fmt.Sprintf("write version = %d", Version), v, "unknown version %s", text.Name(v.text))
	}
	req.File, req.Org, req.Account = str(root.get("name")), str(root.get("org")), str(root.get("account"))
	for _, missing := range []struct{ name, example string }{
		{"version", fmt.Sprint(Version)},
		{"name", `"production"`},
		{"org", `"acme"`},
		{"account", `"123456789012"`},
	} {
		if v := root.get(missing.name); v == nil {
			if slices.Contains(given, missing.name) {
				continue
			}
			r.suggest(fmt.Sprintf("add it at the top: %s = %s", missing.name, missing.example), root, "the key %s is missing", missing.name)
		} else if v.form == formString && v.text == "" {
			r.suggest(fmt.Sprintf("write it as %s = %s", missing.name, missing.example), v, "%s is empty", missing.name)
		}
	}
	if req.Org == flyname.Personal {
		// Everyone's is another one, and the file is for everyone.
		r.suggest("write its raw slug: fly orgs replay-sources list -o personal", root.get("org"), "%q is an alias for an organization of each user's own", req.Org)
	}
	defaults := root.get("defaults")
	req.Region, req.Audience = str(defaults.get("region")), str(defaults.get("audience"))
	for _, e := range roles(root) {
		if e.isOwn {
			r.ownRole(root, e.entry)
		} else {
			r.role(root, e.entry)
		}
	}
	if !slices.Contains(given, "apps") && !slices.Contains(given, "roles") {
		r.suggest("add a table such as [apps.web]", root, "the file names no app")
	}
}

// A member is a table of an app or of a role.
type member struct {
	entry
	isOwn bool
}

// roles returns the tables of apps and of roles in the order of the text.
func roles(root *node) []member {
	var out []member
	for _, of := range []string{"apps", "roles"} {
		if t := root.get(of); t != nil {
			for _, e := range t.entries {
				if e.value.form == formTable {
					out = append(out, member{e, of == "apps"})
				}
			}
		}
	}
	slices.SortStableFunc(out, func(a, b member) int { return cmp.Compare(a.value.key, b.value.key) })
	return out
}

// hasOwnRole says whether [apps.NAME] asks for a role of its own. A table with nothing
// but where the app is only describes the app of another role.
func hasOwnRole(root *node, name string) bool {
	t := root.at("apps", name)
	if t.get("role") != nil {
		return false
	}
	for _, key := range t.names() {
		if isRoleKey(key) {
			return true
		}
	}
	variable := cmp.Or(str(t.get("env")), setup.EnvRoleARN)
	if shared := root.get("roles"); shared != nil {
		for _, e := range shared.entries {
			apps := e.value.get("apps")
			if apps == nil {
				continue
			}
			for _, item := range apps.items {
				env := cmp.Or(str(item.get("env")), str(e.value.get("env")), variable)
				if memberName(item) == name && env == variable {
					return false
				}
			}
		}
	}
	return true
}

// isRoleKey says whether a key of [apps.NAME] is about the app's own role.
func isRoleKey(name string) bool {
	return !slices.Contains([]string{"config", "arn", "region", "machines", "env", "role"}, name)
}

// memberName returns the app of an entry of apps.
func memberName(item *node) string {
	if item.form == formTable {
		return str(item.get("name"))
	}
	return item.text
}

// ownRole reads [apps.NAME].
func (r *reader) ownRole(root *node, e entry) {
	t := e.value
	switch {
	case strings.HasSuffix(e.name, "*"):
		r.suggest(fmt.Sprintf("write [roles.KEY] with apps = [%s]", text.Quote(e.name)), t, "a pattern has no table under [apps]")
	default:
		if err := flyname.CheckApp(e.name); err != nil {
			r.fail(t, "%s", err)
		}
	}
	if shared := t.get("role"); shared != nil {
		keys := root.get("roles").names()
		if shared.form == formString && !slices.Contains(keys, shared.text) {
			r.suggest(didYouMean(shared.text, keys, "add the table [roles."+text.Name(shared.text)+"], or name the app's own role with role_name"),
				shared, "there is no role %s under [roles]", text.Quote(shared.text))
		}
		for _, e := range t.entries {
			if _, known := appTable.find(e.name); known && isRoleKey(e.name) {
				r.suggest(fmt.Sprintf("move it to [roles.%s]", text.Name(shared.text)), e.value,
					"the app shares the role %s, so it cannot have %s of its own", text.Quote(shared.text), e.name)
			}
		}
		return
	}
	if !hasOwnRole(root, e.name) {
		return
	}
	src := source{table: t, isOwn: true, apps: []*node{t}, values: map[setup.Field]map[string]*node{}}
	role := setup.RoleRequest{Name: str(t.get("role_name")), Apps: []setup.App{r.app(root, e.name)}}
	r.defaults(root, &role)
	r.permissions(root, &src, &role)
}

// app returns what the file says about an app, whatever its role.
func (r *reader) app(root *node, name string) setup.App {
	t := root.at("apps", name)
	return setup.App{
		Name: name, Config: str(t.get("config")), Region: str(t.get("region")), Env: str(t.get("env")),
		Machines: t.get("machines").texts(), ARN: arnPlace(t.get("arn")),
	}
}

// arnPlace reads a value of arn.
func arnPlace(n *node) setup.ARNPlace {
	if s := str(n); s != "fly.toml" {
		return setup.ARNPlace(s)
	}
	return setup.ARNInConfig
}

// role reads [roles.KEY].
func (r *reader) role(root *node, e entry) {
	t := e.value
	src := source{table: t, key: e.name, values: map[setup.Field]map[string]*node{}}
	role := setup.RoleRequest{Name: cmp.Or(str(t.get("name")), "fly-"+r.file.req.Org+"-"+e.name), Except: t.get("except").texts(), Region: str(t.get("region"))}
	if apps := t.get("apps"); apps != nil {
		for _, item := range apps.items {
			app := r.app(root, memberName(item))
			if item.form == formTable {
				if machines := item.get("machines"); machines != nil {
					app.Machines = machines.texts()
				}
				if arn := item.get("arn"); arn != nil {
					app.ARN = arnPlace(arn)
				}
			}
			if app.Env = cmp.Or(str(item.get("env")), str(t.get("env")), app.Env); app.IsPattern() {
				app.Env = str(item.get("env"))
			}
			role.Apps, src.apps = append(role.Apps, app), append(src.apps, item)
			src.mark(setup.FieldApp, app.Name, item)
		}
	}
	if apps := root.get("apps"); apps != nil {
		for _, a := range apps.entries {
			if str(a.value.get("role")) == e.name && !slices.ContainsFunc(role.Apps, func(app setup.App) bool { return app.Name == a.name }) {
				app := r.app(root, a.name)
				app.Env = cmp.Or(app.Env, str(t.get("env")))
				role.Apps, src.apps = append(role.Apps, app), append(src.apps, a.value)
			}
		}
	}
	for _, item := range t.get("except").elements() {
		src.mark(setup.FieldExcept, item.text, item)
	}
	if managed := t.get("managed"); managed != nil && managed.form == formBool {
		role.Unmanaged = managed.text == "false"
	}
	if !role.Unmanaged { // what nobody declares about a watched role is not compared
		r.defaults(root, &role)
	}
	if trust := t.get("trust"); trust != nil {
		if data, ok := r.open(trust, trust.text); ok {
			var err error
			if role.Trust, err = trustpolicy.Parse([]byte(r.filler(role).file(trust, trust.text, data))); err != nil {
				r.fail(trust, "%s: %s", text.Name(trust.text), err)
			}
		}
	}
	if len(role.Apps) == 0 && !role.Unmanaged {
		r.suggest(fmt.Sprintf("add apps = [\"…\"], or role = %s under an app", text.Quote(e.name)), t, "no app has the role %s", text.Quote(e.name))
	}
	r.permissions(root, &src, &role)
}

// open reads a file that a value names.
func (r *reader) open(at *node, name string) ([]byte, bool) {
	if at.form != formString || !r.isRelative(at, name) {
		return nil, false
	}
	data, err := r.read(name)
	if err != nil {
		r.suggest("paths are relative to the folder of "+text.Name(r.file.name), at, "%s cannot be read: %s", text.Quote(name), err)
	}
	return data, err == nil
}

// isRelative refuses an absolute path, since the file is for other machines too.
func (r *reader) isRelative(at *node, name string) bool {
	windows := len(name) > 1 && name[1] == ':' || strings.HasPrefix(name, `\`)
	if path.IsAbs(name) || windows {
		r.suggest("write it relative to this file", at, "the path %s is absolute", text.Quote(name))
		return false
	}
	if name == "" {
		r.fail(at, "the path is empty")
		return false
	}
	return true
}

// defaults gives a role the settings under [defaults].
func (r *reader) defaults(root *node, role *setup.RoleRequest) {
	settings(root.get("defaults"), role)
}

// settings reads the settings that defaults may have too.
func settings(t *node, role *setup.RoleRequest) {
	role.Path = cmp.Or(str(t.get("path")), role.Path)
	role.Boundary = cmp.Or(str(t.get("permissions_boundary")), role.Boundary)
	if v := t.get("session_tags"); v != nil {
		role.SessionTags = v.text == "true"
	}
	if v := t.get("max_session"); v != nil {
		role.MaxSession, _ = seconds(v)
	}
	if tags := t.get("tags"); tags != nil {
		role.Tags = maps.Clone(role.Tags)
		if role.Tags == nil && len(tags.entries) > 0 {
			role.Tags = map[string]string{}
		}
		for _, e := range tags.entries {
			role.Tags[e.name] = str(e.value)
		}
	}
}

// seconds reads a duration; ok is false if it is none in whole seconds.
func seconds(n *node) (int32, bool) {
	d, err := time.ParseDuration(n.text)
	if n.form == formInteger {
		v, ok := n.integer()
		if !ok || v > 1<<30 {
			return 0, false
		}
		d, err = time.Duration(v)*time.Second, nil
	}
	if err != nil || d%time.Second != 0 || d <= 0 || d > 1000*time.Hour {
		return 0, false
	}
	return int32(d / time.Second), true
}

// permissions reads what a role may do, and adds the role to the request.
func (r *reader) permissions(root *node, src *source, role *setup.RoleRequest) {
	t := src.table
	settings(t, role)
	fill := r.filler(*role)
	if role.Boundary != "" {
		at := t.get("permissions_boundary")
		if at == nil {
			at = root.at("defaults", "permissions_boundary")
		}
		role.Boundary = fill.value(at, role.Boundary)
	}
	for _, item := range t.get("policies").elements() {
		ref := fill.value(item, item.text)
		role.Policies = append(role.Policies, ref)
		src.mark(setup.FieldPolicy, ref, item)
	}
	if allow := t.get("allow"); allow != nil {
		for _, e := range allow.entries {
			for _, item := range e.value.items {
				p := setup.Preset{Name: e.name, Answer: fill.value(item, item.text)}
				role.Presets = append(role.Presets, p)
				src.mark(setup.FieldPreset, p.String(), item)
			}
		}
	}
	for _, item := range t.get("inline").elements() {
		r.inline(src, role, fill, item)
	}
	if conditions := t.get("conditions"); conditions != nil {
		for _, operator := range conditions.entries {
			for _, e := range operator.value.entries {
				c := trustpolicy.Condition{Operator: operator.name, Key: e.name}
				for _, item := range e.value.elements() {
					c.Values = append(c.Values, fill.value(item, item.text))
				}
				role.Conditions = append(role.Conditions, c)
				src.mark(setup.FieldCondition, c.Operator+" "+c.Key, e.value)
			}
		}
	}
	role.Keep = t.get("keep").texts()
	for _, item := range t.get("keep").elements() {
		src.mark(setup.FieldKeep, item.text, item)
	}
	r.file.req.Roles = append(r.file.req.Roles, *role)
	r.file.sources = append(r.file.sources, *src)
}

// inline reads a file with a permissions policy.
func (r *reader) inline(src *source, role *setup.RoleRequest, fill filler, item *node) {
	file := item
	if item.form == formTable {
		if file = item.get("file"); file == nil {
			r.fail(item, "an entry of inline needs file, a path")
			return
		}
	}
	data, ok := r.open(file, file.text)
	if !ok {
		return
	}
	name := cmp.Or(str(item.get("name")), policyName(file.text))
	policy, err := setup.NewInlinePolicy(name, file.text, []byte(fill.file(file, file.text, data)))
	if err != nil {
		var invalid *setup.InvalidError
		if errors.As(err, &invalid) {
			err = invalid.Err
		}
		r.fail(file, "%s: %s", text.Name(file.text), err)
		return
	}
	role.Inline = append(role.Inline, policy)
	src.mark(setup.FieldInline, file.text, file)
}

// policyName returns the name of a policy that is named after its file.
func policyName(file string) string { return strings.TrimSuffix(path.Base(file), path.Ext(file)) }

// str returns a string, "" for none.
func str(n *node) string {
	if n == nil || n.form != formString {
		return ""
	}
	return n.text
}

// elements returns the elements of a list, or the value itself if it is not a list.
func (n *node) elements() []*node {
	switch {
	case n == nil:
		return nil
	case n.form == formArray:
		return n.items
	}
	return []*node{n}
}

// check reports the keys that the table does not have and values of another type, and
// takes both out of the tree.
func (r *reader) check(n *node, t table) {
	n.entries = slices.DeleteFunc(n.entries, func(e entry) bool {
		k, known := t.find(e.name)
		if !known {
			if !isSecretKey(e.name) { // which has been reported
				r.suggest(cmp.Or(elsewhere(e.name, t), didYouMean(e.name, t.names(), "")), e.value, "unknown key %s", text.Quote(e.name))
			}
			return true
		}
		return !r.isA(e.value, k)
	})
}

// elsewhere says where a key belongs that the table does not have.
func elsewhere(name string, not table) string {
	for _, t := range []table{defaultsTable, appTable, roleTable, topTable} {
		if _, ok := t.find(name); !ok || t.name == not.name {
			continue
		}
		if t.name == topTable.name {
			return "it belongs at the top of the file, before the first table"
		}
		return "it belongs under [" + t.name + "]"
	}
	return ""
}

// isA reports whether a value is of the type of the key, and what is wrong with it.
func (r *reader) isA(n *node, k key) bool {
	wrong := func(suggestion string) bool {
		if k.name == "account" && n.form == formInteger {
			suggestion = `write it in quotes: account = "123456789012"`
		}
		r.suggest(suggestion, n, "%s is %s, not %s", k.name, n.form, k.kind)
		return false
	}
	is := func(f form) bool { return n.form == f || wrong("") }
	switch k.kind {
	case kindString:
		if n.form == formInteger || n.form == formOther {
			return wrong("write it in quotes")
		}
		return is(formString) && (k.name != "config" || r.isRelative(n, n.text))
	case kindBool:
		return is(formBool)
	case kindVersion:
		return is(formInteger)
	case kindStrings:
		return r.areStrings(n, k.name)
	case kindDuration:
		if n.form != formString && n.form != formInteger {
			return wrong("")
		}
		if _, ok := seconds(n); !ok {
			r.suggest(`write "1h30m", or seconds: 5400`, n, "%s %s is not a duration in whole seconds", k.name, text.Quote(n.text))
			return false
		}
	case kindPlace:
		if !is(formString) {
			return false
		}
		if places := []string{"fly.toml", string(setup.ARNInSecret), string(setup.ARNNowhere)}; !slices.Contains(places, n.text) {
			r.suggest(didYouMean(n.text, places, ""), n, "%s is %s, not %s", k.name, kindPlace, text.Quote(n.text))
			return false
		}
	case kindTags:
		return is(formTable) && r.each(n, func(e entry) bool { return r.isA(e.value, key{name: e.name, kind: kindString}) })
	case kindAllow:
		return is(formTable) && r.each(n, r.isPreset)
	case kindConditions:
		return is(formTable) && r.each(n, func(operator entry) bool {
			return r.isA(operator.value, key{name: operator.name, kind: kindTable}) && r.each(operator.value, func(e entry) bool {
				return e.value.form == formString || r.areStrings(e.value, e.name)
			})
		})
	case kindFiles:
		return r.entriesOf(n, k.name, inlineTable)
	case kindApps:
		return r.entriesOf(n, k.name, memberTable)
	case kindTable:
		if !is(formTable) {
			return false
		}
		if k.name == "defaults" {
			r.check(n, defaultsTable)
		}
	case kindTables:
		of := appTable
		if k.name == "roles" {
			of = roleTable
		}
		return is(formTable) && r.each(n, func(e entry) bool {
			ok := r.isA(e.value, key{name: e.name, kind: kindTable})
			if ok {
				r.check(e.value, of)
			}
			return ok
		})
	}
	return true
}

// each checks the entries of a table and takes out those that are wrong.
func (r *reader) each(n *node, ok func(entry) bool) bool {
	n.entries = slices.DeleteFunc(n.entries, func(e entry) bool { return !ok(e) })
	return true
}

// areStrings says whether a value is a list of strings.
func (r *reader) areStrings(n *node, name string) bool {
	if n.form != formArray {
		suggestion := ""
		if n.form == formString {
			suggestion = "write it in brackets: [" + text.Quote(n.text) + "]"
		}
		r.suggest(suggestion, n, "%s is %s, not %s", name, n.form, kindStrings)
		return false
	}
	n.items = slices.DeleteFunc(n.items, func(item *node) bool {
		return !r.isA(item, key{name: "an element of " + name, kind: kindString})
	})
	return true
}

// entriesOf says whether a value is a list of strings and of tables.
func (r *reader) entriesOf(n *node, name string, t table) bool {
	if n.form != formArray {
		return r.areStrings(n, name)
	}
	n.items = slices.DeleteFunc(n.items, func(item *node) bool {
		if item.form == formTable {
			r.check(item, t)
			return false
		}
		return !r.isA(item, key{name: "an element of " + name, kind: kindString})
	})
	return true
}

// isPreset says whether a key of allow is a preset with answers.
func (r *reader) isPreset(e entry) bool {
	var names []string
	for _, p := range preset.All() {
		names = append(names, p.Name)
	}
	if !slices.Contains(names, e.name) {
		r.suggest(didYouMean(e.name, names, "there are "+strings.Join(names, ", ")), e.value, "unknown preset %s", text.Quote(e.name))
		return false
	}
	return r.areStrings(e.value, e.name)
}

// secretKey matches keys of credentials, tokens and profiles.
var secretKey = regexp.MustCompile(`(?i)^(aws_|fly_)?(access_?key(_?id)?|secret(_?access)?_?key|(session|security|api|access)_?token|token|password|secret|profile)$`)

func isSecretKey(name string) bool {
	return secretKey.MatchString(strings.ReplaceAll(name, "-", "_"))
}

// secrets refuses keys and values that look like credentials, tokens or profiles, also in
// comments, since the file is kept in git. It shows no value.
func (r *reader) secrets(root *node) {
	const looks = "this looks like a credential or a token, and the file is kept in git"
	const remove = "remove it: fly-aws finds credentials, tokens and profiles itself"
	lines := map[int]bool{}
	inText := isSecret(string(r.file.body))
	// suspect says whether a key or string is a secret. What the text has as it is, without
	// escapes, has been looked at with the text.
	suspect := func(at int, s string) bool {
		body := r.file.body[at:]
		literal := bytes.HasPrefix(body, []byte(s)) || len(body) > 0 && bytes.HasPrefix(body[1:], []byte(s))
		return (inText || !literal) && isSecret(s)
	}
	report := func(n *node) {
		p := r.file.problem(n, looks)
		p.Key, p.Suggestion = "", remove
		lines[p.Line] = true
		r.problems = append(r.problems, p)
	}
	var look func(n *node, names bool)
	look = func(n *node, names bool) {
		for _, item := range n.items {
			look(item, false)
		}
		for _, e := range n.entries {
			switch {
			case !names && isSecretKey(e.name):
				p := r.file.problem(e.value, fmt.Sprintf("%s does not belong in this file, which is kept in git", text.Quote(e.name)))
				p.Suggestion = remove
				lines[p.Line] = true
				r.problems = append(r.problems, p)
			case suspect(e.value.key, e.name):
				report(e.value)
			default:
				// Under these, keys are names of apps and of roles.
				look(e.value, n == root && (e.name == "apps" || e.name == "roles"))
			}
		}
		if n.form == formString && suspect(n.start, n.text) {
			report(n)
		}
	}
	look(root, false)
	if !inText {
		return
	}
	offset := 0
	for line := range strings.Lines(string(r.file.body)) {
		if isSecret(line) {
			if p := r.file.problemAt(offset, "", looks); !lines[p.Line] {
				p.Suggestion = remove
				r.problems = append(r.problems, p)
			}
		}
		offset += len(line)
	}
}

// isSecret says whether a text has a secret in it.
func isSecret(s string) bool { return text.Redact(s) != s || strings.Contains(s, "FlyV1 ") }
