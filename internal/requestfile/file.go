package requestfile

import (
	"bytes"
	"cmp"
	"errors"
	"slices"
	"strings"

	"github.com/fly-aws/fly-aws/internal/tomltext"
	"github.com/fly-aws/fly-aws/setup"
)

// A File is a request file, parsed. It is immutable.
type File struct {
	name string
	src  []byte
	body []byte // src without the byte order mark
	read func(path string) ([]byte, error)
	root *node
	req  setup.Request
	// sources are where the roles of the request come from.
	sources []source
}

// Parse reads the text of a file, which must not be changed afterwards. name is for
// errors; read returns the file at a path that is relative to the request file.
//
// The error joins *Problems, sorted by their places. It includes those of
// setup.Request.Check.
func Parse(name string, src []byte, read func(path string) ([]byte, error)) (*File, error) {
	f := newFile(name, src, read)
	if err := f.parse(); err != nil {
		return nil, err
	}
	return f, nil
}

func newFile(name string, src []byte, read func(string) ([]byte, error)) *File {
	return &File{name: name, src: src, body: bytes.TrimPrefix(src, []byte(tomltext.BOM)), read: read}
}

// parse reads the text.
func (f *File) parse() error {
	r := &reader{file: f, read: f.read}
	if f.root, r.problems = f.scan(); f.root == nil {
		return joined(r.problems)
	}
	r.top(f.root)
	problems := slices.Clone(r.problems)
	if len(f.req.Roles) > 0 {
		found, _ := f.located(f.req.Check())
		for _, p := range found {
			// What is missing may be missing because it could not be read.
			var invalid *setup.InvalidError
			if errors.As(p.Err, &invalid) && len(r.problems) > 0 && invalid.Missing {
				continue
			}
			if !slices.ContainsFunc(r.problems, func(q *Problem) bool { return q.Line == p.Line && q.Column == p.Column }) {
				problems = append(problems, p)
			}
		}
	}
	return joined(problems)
}

// Bytes returns the text of the file, which must not be changed.
func (f *File) Bytes() []byte { return f.src }

// Request returns the request, whose roles and apps the caller may change. Paths of config
// files are as in the file.
func (f *File) Request() setup.Request {
	req := f.req
	req.Roles = slices.Clone(req.Roles)
	for i, role := range req.Roles {
		req.Roles[i].Apps = slices.Clone(role.Apps)
	}
	return req
}

// Narrow returns the file with the part of its request that is about some apps: every role
// that one of them may assume, with all its apps. An app that the file does not name
// belongs to the roles with a pattern that matches it. The error is an *UnknownAppError.
func (f *File) Narrow(apps []string) (*File, error) {
	part := *f
	part.req.Partial, part.req.Roles, part.sources = true, nil, nil
	var known []string
	for _, role := range f.req.Roles {
		for _, app := range role.Apps {
			known = append(known, app.Name)
		}
	}
	named := func(app setup.App, name string) bool { return app.Name == name }
	matches := func(app setup.App, name string) bool {
		prefix, isPattern := strings.CutSuffix(app.Name, "*")
		return isPattern && strings.HasPrefix(name, prefix)
	}
	wanted := map[int]bool{}
	for _, name := range apps {
		is := named
		if !slices.Contains(known, name) {
			is = matches
		}
		found := false
		for i, role := range f.req.Roles {
			if slices.ContainsFunc(role.Apps, func(app setup.App) bool { return is(app, name) }) && !slices.Contains(role.Except, name) {
				found, wanted[i] = true, true
			}
		}
		if !found {
			return nil, &UnknownAppError{File: f.name, App: name, Near: nearest(name, known)}
		}
	}
	for i, role := range f.req.Roles {
		if wanted[i] {
			part.req.Roles, part.sources = append(part.req.Roles, role), append(part.sources, f.sources[i])
		}
	}
	return &part, nil
}

// Partition returns the AWS partition of the regions in the file, "aws" if it has none.
func (f *File) Partition() string {
	where := f.req.Region
	for _, role := range f.req.Roles {
		where = cmp.Or(where, f.region(role))
	}
	return partitionOf(where)
}

// RoleARN returns the ARN of a role of the file's request.
func (f *File) RoleARN(role setup.RoleRequest) string {
	return setup.RoleARN(partitionOf(f.region(role)), f.req.Account, role.Path, f.req.RoleName(role))
}

// region returns the first region that the file gives a role, or "".
func (f *File) region(role setup.RoleRequest) string {
	where := cmp.Or(role.Region, f.req.Region)
	for _, app := range role.Apps {
		where = cmp.Or(where, app.Region)
	}
	return where
}

// Locate gives each *setup.InvalidError in a joined error the place in the file that it is
// about, as a *Problem. It must be about the file's request.
func (f *File) Locate(err error) error {
	problems, others := f.located(err)
	return errors.Join(append([]error{joined(problems)}, others...)...)
}
