package requestfile

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/fly-aws/fly-aws/internal/text"
	"github.com/fly-aws/fly-aws/internal/tomltext"
	"github.com/fly-aws/fly-aws/setup"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

// ErrLayout says that the file is laid out in a way that cannot be edited safely.
var ErrLayout = errors.New("the file is laid out in a way that cannot be edited safely: edit it by hand")

// Add returns the text of the file with the roles added. What a role of the file lacks is
// added to it, and its settings are changed to those of the role that is added; what is
// not mentioned stays. A role without a name is the one that its app has in that variable,
// whatever its name. Bytes outside of the edits do not change, comments among them.
//
// Each edit is checked: the new text must ask for what the old one does and for the role.
// The error is ErrLayout, a *Problem about the role to add to, or the *Problems of the new
// text.
func (f *File) Add(roles ...setup.RoleRequest) ([]byte, error) {
	for _, role := range roles {
		e := &editor{f: f, inside: map[*site]int{}, headers: map[*node]*strings.Builder{}}
		if err := e.add(role); err != nil {
			return nil, err
		}
		edited := newFile(f.name, e.apply(), f.read)
		if root, problems := edited.scan(); root == nil || len(problems) > 0 {
			return nil, ErrLayout
		}
		if err := edited.parse(); err != nil {
			return nil, err
		}
		if !f.grewInto(edited, role) {
			return nil, ErrLayout
		}
		f = edited
	}
	return f.src, nil
}

// find returns the place in the request of the role to add to, -1 for a new one.
func (f *File) find(role setup.RoleRequest) int {
	return slices.IndexFunc(f.req.Roles, func(have setup.RoleRequest) bool {
		if role.Name == "" && len(role.Apps) == 1 {
			return !have.Unmanaged && slices.ContainsFunc(have.Apps, func(a setup.App) bool {
				return a.Name == role.Apps[0].Name && a.Variable() == role.Apps[0].Variable()
			})
		}
		return strings.EqualFold(f.req.RoleName(have), f.req.RoleName(role))
	})
}

// grewInto says whether the request of the edited file is that of f with the role added.
func (f *File) grewInto(edited *File, role setup.RoleRequest) bool {
	at := f.find(role)
	i := edited.find(role)
	switch {
	case i < 0 || !covers(edited.req.Roles[i], role):
		return false
	case at < 0:
		return sameButApps(f.req, edited.req, i, i)
	}
	return covers(edited.req.Roles[i], unset(f.req.Roles[at], role)) && sameButApps(f.req, edited.req, -1, i)
}

// sameButApps compares two requests but for what tables of apps say. b has a role more at
// the place added, if that is not negative, and its role at changed is not compared.
func sameButApps(a, b setup.Request, added, changed int) bool {
	plain := func(req setup.Request, without, changed int) setup.Request {
		var roles []setup.RoleRequest
		for i, role := range req.Roles {
			switch i {
			case without:
				continue
			case changed:
				role = setup.RoleRequest{}
			}
			var apps []setup.App
			for _, app := range role.Apps {
				apps = append(apps, setup.App{Name: app.Name, Env: app.Env})
			}
			role.Apps = apps
			roles = append(roles, role)
		}
		req.Roles = roles
		return req
	}
	if added >= 0 {
		return reflect.DeepEqual(plain(a, -1, -1), plain(b, added, -1))
	}
	return reflect.DeepEqual(plain(a, -1, changed), plain(b, -1, changed))
}

// unset returns a role without the settings that another replaces.
func unset(role, by setup.RoleRequest) setup.RoleRequest {
	if by.Path != "" {
		role.Path = ""
	}
	if by.Boundary != "" {
		role.Boundary = ""
	}
	if by.MaxSession != 0 {
		role.MaxSession = 0
	}
	role.Tags = maps.Clone(role.Tags)
	maps.DeleteFunc(role.Tags, func(key, _ string) bool { _, ok := by.Tags[key]; return ok })
	role.Conditions = slices.Clone(role.Conditions)
	for i, c := range role.Conditions {
		for _, other := range by.Conditions {
			if c.Operator == other.Operator && c.Key == other.Key {
				role.Conditions[i] = other
			}
		}
	}
	apps := role.Apps
	role.Apps = nil
	for _, app := range apps {
		if !slices.ContainsFunc(by.Apps, func(a setup.App) bool { return a.Name == app.Name }) {
			role.Apps = append(role.Apps, app)
		}
	}
	return role
}

// covers says whether a role has all that another asks for.
func covers(have, want setup.RoleRequest) bool {
	for _, app := range want.Apps {
		if !slices.ContainsFunc(have.Apps, func(a setup.App) bool {
			return a.Name == app.Name && (app.Config == "" || a.Config == app.Config) && (app.ARN == "" || a.ARN == app.ARN) &&
				(app.Region == "" || a.Region == app.Region) && (app.Env == "" || a.Variable() == app.Env) &&
				(len(app.Machines) == 0 || slices.Equal(a.Machines, app.Machines))
		}) {
			return false
		}
	}
	for key, value := range want.Tags {
		if v, ok := have.Tags[key]; !ok || v != value {
			return false
		}
	}
	for _, c := range want.Conditions {
		if !slices.ContainsFunc(have.Conditions, func(d trustpolicy.Condition) bool { return reflect.DeepEqual(c, d) }) {
			return false
		}
	}
	for _, p := range want.Inline {
		if !slices.ContainsFunc(have.Inline, func(q setup.InlinePolicy) bool { return p.Name == q.Name }) {
			return false
		}
	}
	return (want.Path == "" || want.Path == have.Path) && (want.Boundary == "" || want.Boundary == have.Boundary) &&
		(want.MaxSession == 0 || want.MaxSession == have.MaxSession) && (want.Region == "" || want.Region == have.Region) &&
		(!want.SessionTags || have.SessionTags) && want.Unmanaged == have.Unmanaged && (want.Trust == nil || want.Trust.Equal(have.Trust)) &&
		hasAll(have.Policies, want.Policies) && hasAll(have.Presets, want.Presets) &&
		hasAll(have.Keep, want.Keep) && hasAll(have.Except, want.Except)
}

func hasAll[T comparable](have, want []T) bool {
	return !slices.ContainsFunc(want, func(v T) bool { return !slices.Contains(have, v) })
}

// An editor collects the edits of a text.
type editor struct {
	f     *File
	edits []edit
	// inside holds for a table in braces the number of the edit that adds to it, from 1.
	inside map[*site]int
	// tables are new tables, for the end of the text.
	tables strings.Builder
	// headers are the lines of tables that have no header yet, in that order.
	headers map[*node]*strings.Builder
	order   []*node
}

// An edit replaces the bytes from start to end.
type edit struct {
	start, end int
	text       string
}

// apply returns the text with the edits.
func (e *editor) apply() []byte {
	slices.SortStableFunc(e.edits, func(a, b edit) int { return cmp.Compare(a.start, b.start) })
	body, newline := e.f.body, tomltext.Newline(e.f.body)
	var out bytes.Buffer
	out.Write(e.f.src[:len(e.f.src)-len(body)])
	at := 0
	for _, edit := range e.edits {
		out.Write(body[at:edit.start])
		out.WriteString(edit.text)
		at = edit.end
	}
	out.Write(body[at:])
	for _, t := range e.order {
		fmt.Fprintf(&e.tables, "\n[%s]\n%s", t.path, e.headers[t])
	}
	if tables := e.tables.String(); tables != "" {
		if out.Len() > 0 && !bytes.HasSuffix(out.Bytes(), []byte("\n")) {
			out.WriteString(newline)
		}
		out.WriteString(strings.ReplaceAll(tables, "\n", newline))
	}
	return out.Bytes()
}

// add makes the edits for a role.
func (e *editor) add(role setup.RoleRequest) error {
	at := e.f.find(role)
	if at < 0 {
		return e.create(role)
	}
	src := e.f.sources[at]
	if is := e.f.req.Roles[at].Unmanaged; is != role.Unmanaged {
		place, reason := src.table, "is managed by fly-aws, and would only be watched"
		if is {
			place, reason = src.table.get("managed"), "is only watched"
		}
		return e.f.problem(place, fmt.Sprintf("the role %s %s", text.Quote(e.f.req.RoleName(role)), reason))
	}
	for _, app := range role.Apps {
		i := slices.IndexFunc(e.f.req.Roles[at].Apps, func(a setup.App) bool { return a.Name == app.Name })
		var err error
		switch {
		case i >= 0:
			err = e.describe(app, e.f.req.Roles[at].Apps[i], src.apps[i], src)
		case src.isOwn:
			p := e.f.problem(src.table, fmt.Sprintf("the role %s is the app's own", text.Quote(e.f.req.RoleName(role))))
			p.Suggestion = "to share it, move its settings to a table under [roles] with apps = [\"…\"]"
			return p
		default:
			err = e.join(app, src)
		}
		if err != nil {
			return err
		}
	}
	return e.settings(e.f.req.Roles[at], src, role)
}

// create adds the table of a new role.
func (e *editor) create(role setup.RoleRequest) error {
	req := e.f.req
	req.Roles = []setup.RoleRequest{role}
	w := &writer{req: req, keys: map[string]bool{}, apps: map[string]bool{}, envs: map[string]string{}}
	for _, key := range e.f.root.get("roles").names() {
		w.keys[key] = true
	}
	for _, app := range e.f.root.get("apps").names() {
		w.apps[app] = true
	}
	for _, app := range role.Apps {
		if table := e.f.root.at("apps", app.Name); table != nil {
			w.envs[app.Name] = str(table.get("env"))
			if err := e.where(app, setup.App{}, table); err != nil {
				return err
			}
		}
	}
	w.role(role)
	e.tables.WriteString(w.String())
	return nil
}

// join gives an app a role of [roles].
func (e *editor) join(app setup.App, src source) error {
	table := e.f.root.at("apps", app.Name)
	w := &writer{envs: map[string]string{app.Name: str(table.get("env"))}}
	if app.Env == "" { // it says nothing, so that the role's stays
		app.Env = str(src.table.get("env"))
	}
	described := setup.App{Machines: app.Machines, ARN: app.ARN} // as its table will say
	if app.IsPattern() {
		described = setup.App{}
	}
	if err := e.extend(src.table, []string{w.entry(app, described, str(src.table.get("env")))}, "apps"); err != nil {
		return err
	}
	if table != nil {
		return e.where(app, setup.App{}, table)
	}
	w.appOf(app, src.key)
	e.tables.WriteString(w.String())
	return nil
}

// describe changes what the file says about an app of a role. entry is its entry in the
// role's apps, or its table.
func (e *editor) describe(app, have setup.App, entry *node, src source) error {
	table := e.f.root.at("apps", app.Name)
	if entry.form == formTable && entry != table {
		// What the entry says goes before what the table says.
		for _, own := range []struct{ name, value string }{{"machines", list(quoted(app.Machines))}, {"arn", quote(string(app.ARN))}} {
			if entry.get(own.name) == nil || own.value == "[]" || own.value == `""` {
				continue
			}
			if err := e.set(entry, own.value, own.name); err != nil {
				return err
			}
		}
		if entry.get("machines") != nil {
			app.Machines = nil
		}
		if entry.get("arn") != nil {
			app.ARN = ""
		}
	}
	if app.Env != "" && app.Env != have.Variable() {
		to := src.table
		if entry.get("env") != nil {
			to = entry
		}
		if err := e.set(to, quote(app.Env), "env"); err != nil {
			return err
		}
	}
	if app.IsPattern() { // which has no table
		if entry.form == formString {
			if more := (&writer{}).entry(app, setup.App{}, ""); more != quote(app.Name) {
				e.edits = append(e.edits, edit{entry.start, entry.end, more})
			}
			return nil
		}
		return e.where(app, have, entry)
	}
	if table == nil {
		w := &writer{}
		w.where(app)
		if w.Len() > 0 {
			fmt.Fprintf(&e.tables, "\n[apps.%s]\n%s", tomltext.Key(app.Name), w.String())
		}
		return nil
	}
	return e.where(app, have, table)
}

// where changes what the table of an app says.
func (e *editor) where(app, have setup.App, table *node) error {
	var errs []error
	for _, v := range []struct{ name, value, have string }{
		{"config", app.Config, have.Config}, {"arn", string(app.ARN), string(have.ARN)}, {"region", app.Region, have.Region},
	} {
		if v.value != "" && v.value != v.have {
			errs = append(errs, e.set(table, quote(v.value), v.name))
		}
	}
	if len(app.Machines) > 0 && !slices.Equal(app.Machines, have.Machines) {
		errs = append(errs, e.set(table, list(quoted(app.Machines)), "machines"))
	}
	return errors.Join(errs...)
}

// settings makes the edits for what a role may do, and its settings.
func (e *editor) settings(have setup.RoleRequest, src source, role setup.RoleRequest) error {
	t := src.table
	var errs []error
	set := func(value string, names ...string) { errs = append(errs, e.set(t, value, names...)) }
	extend := func(values []string, names ...string) { errs = append(errs, e.extend(t, values, names...)) }

	extend(quoted(lacking(have.Policies, role.Policies)), "policies")
	answers := map[string][]string{}
	for _, p := range lacking(have.Presets, role.Presets) {
		answers[p.Name] = append(answers[p.Name], p.Answer)
	}
	for _, name := range slices.Sorted(maps.Keys(answers)) {
		extend(quoted(answers[name]), "allow", name)
	}
	more := role
	more.Inline = slices.DeleteFunc(slices.Clone(role.Inline), func(p setup.InlinePolicy) bool {
		return slices.ContainsFunc(have.Inline, func(q setup.InlinePolicy) bool { return q.Name == p.Name })
	})
	extend((&writer{req: e.f.req}).inline(more), "inline")
	for _, c := range role.Conditions {
		if !slices.ContainsFunc(have.Conditions, func(d trustpolicy.Condition) bool { return reflect.DeepEqual(c, d) }) {
			set(list(quoted(c.Values)), "conditions", c.Operator, c.Key)
		}
	}
	extend(quoted(lacking(have.Keep, role.Keep)), "keep")
	extend(quoted(lacking(have.Except, role.Except)), "except")
	for _, v := range []struct{ name, value, have string }{
		{"path", role.Path, have.Path}, {"permissions_boundary", role.Boundary, have.Boundary}, {"region", role.Region, have.Region},
	} {
		if v.value != "" && v.value != v.have {
			set(quote(v.value), v.name)
		}
	}
	if role.MaxSession != 0 && role.MaxSession != have.MaxSession {
		set(quote(duration(role.MaxSession)), "max_session")
	}
	if role.SessionTags && !have.SessionTags {
		set("true", "session_tags")
	}
	var tags []string
	for _, name := range slices.Sorted(maps.Keys(role.Tags)) {
		if v, ok := have.Tags[name]; ok && v == role.Tags[name] {
			continue
		}
		if t.get("tags") != nil {
			set(quote(role.Tags[name]), "tags", name)
		} else {
			tags = append(tags, tomltext.Key(name)+" = "+quote(role.Tags[name]))
		}
	}
	if len(tags) > 0 {
		set("{ "+strings.Join(tags, ", ")+" }", "tags")
	}
	return errors.Join(errs...)
}

// lacking returns the values that a list lacks.
func lacking[T comparable](have, want []T) []T {
	return slices.DeleteFunc(slices.Clone(want), func(v T) bool { return slices.Contains(have, v) })
}

// set sets a key of a table, which may be of several parts, to a value in TOML.
func (e *editor) set(t *node, value string, names ...string) error {
	for len(names) > 1 && t.get(names[0]) != nil {
		t, names = t.get(names[0]), names[1:]
	}
	at := t.get(names[0])
	switch {
	case at == nil:
		return e.insert(t, value, names)
	case len(names) > 1 || at.form == formTable:
		return ErrLayout
	}
	e.edits = append(e.edits, edit{at.start, at.end, value})
	return nil
}

// insert adds KEY = value to a table.
func (e *editor) insert(t *node, value string, names []string) error {
	for i, name := range names {
		names[i] = tomltext.Key(name)
	}
	pair := strings.Join(names, ".") + " = " + value
	body, s := e.f.body, t.site
	switch {
	case s == nil && t.path == "":
		return ErrLayout
	case s == nil: // it exists through the headers of its tables
		if e.headers[t] == nil {
			e.headers[t] = &strings.Builder{}
			e.order = append(e.order, t)
		}
		fmt.Fprintln(e.headers[t], pair)
		return nil
	case s.inline && e.inside[s] > 0: // after the one that was just added
		before := &e.edits[e.inside[s]-1]
		pairs, end := strings.CutSuffix(before.text, " ")
		if before.text = pairs + ", " + s.prefix + pair; end {
			before.text += " "
		}
		return nil
	case s.inline:
		separator, end := ", ", ""
		if s.empty {
			separator = " "
			if body[s.after] == '}' {
				end = " "
			}
		}
		pair = separator + s.prefix + pair + end
		e.edits = append(e.edits, edit{s.after, s.after, pair})
		e.inside[s] = len(e.edits)
		return nil
	}
	like := s.after // its line has the indentation
	for _, entry := range t.entries {
		if entry.value.key < s.after && entry.value.site == nil {
			like = entry.value.key
		}
	}
	start := tomltext.LineStart(body, like)
	line := string(body[start:tomltext.SkipBlank(body, start)]) + s.prefix + pair
	e.line(s.after, line)
	return nil
}

// line adds a line below the one that holds the offset.
func (e *editor) line(offset int, line string) {
	newline := tomltext.Newline(e.f.body)
	end, ok := tomltext.LineEnd(e.f.body, offset)
	if ok {
		line += newline
	} else {
		line = newline + line
	}
	e.edits = append(e.edits, edit{end, end, line})
}

// extend adds values in TOML to a list of a table, or adds the list.
func (e *editor) extend(t *node, values []string, names ...string) error {
	if len(values) == 0 {
		return nil
	}
	at := t.at(names...)
	if at == nil {
		return e.set(t, list(values), names...)
	}
	if at.form != formArray {
		return ErrLayout
	}
	more := strings.Join(values, ", ")
	if len(at.items) == 0 {
		e.edits = append(e.edits, edit{at.start + 1, at.start + 1, more})
		return nil
	}
	body := e.f.body
	last := at.items[len(at.items)-1]
	next := tomltext.SkipSpace(body, last.end)
	comma := body[next] == ','
	after, closing := last.end, next
	if comma {
		after, closing = next, tomltext.SkipSpace(body, next+1)
	}
	// A list with a line for each element gets another line, below the comment of the last.
	if start := tomltext.LineStart(body, last.start); start > at.start && bytes.IndexByte(body[after:closing], '\n') >= 0 {
		indent := string(body[start:tomltext.SkipBlank(body, start)])
		if comma {
			more += ","
		} else {
			e.edits = append(e.edits, edit{last.end, last.end, ","})
		}
		e.line(after, indent+more)
		return nil
	}
	if comma {
		e.edits = append(e.edits, edit{next + 1, next + 1, " " + more + ","})
	} else {
		e.edits = append(e.edits, edit{last.end, last.end, ", " + more})
	}
	return nil
}
