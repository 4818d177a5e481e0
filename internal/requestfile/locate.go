package requestfile

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/fly-aws/fly-aws/internal/text"
	"github.com/fly-aws/fly-aws/setup"
)

// located makes a problem of each *setup.InvalidError in a joined error, and returns the
// other errors.
func (f *File) located(err error) (problems []*Problem, others []error) {
	var invalid *setup.InvalidError
	switch list, isList := err.(interface{ Unwrap() []error }); {
	case err == nil:
	case isList:
		for _, err := range list.Unwrap() {
			p, o := f.located(err)
			problems, others = append(problems, p...), append(others, o...)
		}
	case errors.As(err, &invalid) && invalid.Role <= len(f.sources):
		problems = append(problems, f.invalid(invalid))
	default:
		others = append(others, err)
	}
	return problems, others
}

// invalid makes a problem of an error about the request.
func (f *File) invalid(e *setup.InvalidError) *Problem {
	what := string(cmp.Or(words[e.Field], e.Field))
	reason := fmt.Sprintf("%s %s cannot be used: %s", what, text.Quote(e.Value), e.Reason)
	if e.Missing {
		reason = fmt.Sprintf("no %s is given: %s", what, e.Reason)
	}
	p := f.problem(f.place(e), reason)
	p.Err = e
	switch {
	case e.Field == setup.FieldAccount && setup.AccountProblem(e.Value) == "":
		p.Suggestion = "sign in to that account, or use the file of the other"
	case e.NoRegion:
		p.Suggestion = "set region under [defaults]"
	case e.Field == setup.FieldRoleName && e.Role > 0 && f.sources[e.Role-1].isOwn:
		p.Suggestion = "give it another name with role_name"
	case e.Field == setup.FieldRoleName && e.Role > 0:
		p.Suggestion = "give it another name with name"
	}
	return p
}

// Place returns where the file first names a managed policy, as "fly-aws.toml:7:13"; "" if
// it does not. ref is as in the request.
func (f *File) Place(ref string) string {
	for i, role := range f.req.Roles {
		e := &setup.InvalidError{Field: setup.FieldPolicy, Role: i + 1, Value: ref}
		if role.Boundary == ref {
			e.Field = setup.FieldBoundary
		} else if !slices.Contains(role.Policies, ref) {
			continue
		}
		p := f.problem(f.place(e), "")
		return fmt.Sprintf("%s:%d:%d", text.Name(p.File), p.Line, p.Column)
	}
	return ""
}

// words are what the file calls some fields of a request.
var words = map[setup.Field]setup.Field{
	setup.FieldFile: "name", setup.FieldRoleName: "role name", setup.FieldMaxSession: "max_session",
	setup.FieldBoundary: "permissions_boundary", setup.FieldInline: "inline", setup.FieldCondition: "condition",
}

// keysOf are the keys that fill a field of a role or an app.
var keysOf = map[setup.Field][]string{
	setup.FieldRoleName: {"name", "role_name"}, setup.FieldPath: {"path"}, setup.FieldMaxSession: {"max_session"},
	setup.FieldBoundary: {"permissions_boundary"}, setup.FieldTag: {"tags"}, setup.FieldPolicy: {"policies"},
	setup.FieldPreset: {"allow"}, setup.FieldInline: {"inline"}, setup.FieldCondition: {"conditions"},
	setup.FieldKeep: {"keep"}, setup.FieldExcept: {"except"}, setup.FieldTrust: {"trust"}, setup.FieldEnv: {"env"},
	setup.FieldConfig: {"config"}, setup.FieldRegion: {"region"}, setup.FieldMachine: {"machines"}, setup.FieldApp: {"apps"},
}

// place returns the value that an error is about, or the nearest that the file has.
func (f *File) place(e *setup.InvalidError) *node {
	if e.Role == 0 {
		for _, at := range []*node{f.root.get(string(cmp.Or(words[e.Field], e.Field))), f.root.at("defaults", string(e.Field))} {
			if at != nil {
				return at
			}
		}
		return f.root
	}
	src := f.sources[e.Role-1]
	if at := src.values[e.Field][e.Value]; at != nil {
		return at
	}
	for text, at := range src.values[e.Field] {
		if e.Field == setup.FieldCondition && strings.HasPrefix(e.Value, text+" ") {
			return at
		}
	}
	tables := []*node{src.table, f.root.get("defaults")}
	var member *node // the app's entry in the role
	for i, app := range f.req.Roles[e.Role-1].Apps {
		if e.App == app.Name && e.Field != setup.FieldRoleName {
			member = src.apps[i]
			tables = append([]*node{member, f.root.at("apps", app.Name)}, tables...)
			break
		}
	}
	for _, table := range tables {
		for _, name := range keysOf[e.Field] {
			at := table.get(name)
			if at == nil || e.Field == setup.FieldApp && member != nil {
				continue
			}
			for _, item := range at.items {
				if item.text == e.Value {
					return item
				}
			}
			if e.Field == setup.FieldTag && at.get(e.Value) != nil {
				return at.get(e.Value)
			}
			return at
		}
	}
	return cmp.Or(member, src.table)
}
