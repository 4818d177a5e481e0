package cmd

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/natefinch/atomic"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/fly-aws/fly-aws/internal/awsapi"
	"github.com/fly-aws/fly-aws/internal/render"
	"github.com/fly-aws/fly-aws/internal/requestfile"
	"github.com/fly-aws/fly-aws/internal/text"
	"github.com/fly-aws/fly-aws/internal/workdir"
	"github.com/fly-aws/fly-aws/setup"
)

// requestFileName is the request file that commands use without --file.
const requestFileName = "fly-aws.toml"

// maxRequestFile is the size of the largest request file that is read.
const maxRequestFile = 1 << 20

// A requestFile is a request file and where it is.
type requestFile struct {
	*requestfile.File
	// path is as given, dir its folder relative to the command's.
	path, dir string
}

// openRequestFile reads the request file at a path, or the one in the folder if path is
// "". It is nil if there is none in the folder.
func openRequestFile(sys System, path string) (*requestFile, error) {
	given := path != ""
	if !given {
		path = requestFileName
	}
	if info, err := os.Stat(sys.path(path)); err == nil && info.IsDir() {
		path = filepath.Join(path, requestFileName)
	}
	body, err := readBounded(sys.path(path), maxRequestFile)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !given:
		return nil, nil
	case err != nil:
		return nil, usagef("give --file the path of a request file; fly-aws import writes one", "%s: %w", path, cause(err))
	}
	f := &requestFile{path: path, dir: filepath.Dir(path)}
	f.File, err = f.parse(sys, body)
	return f, err
}

// parse parses a text as that of the file.
func (f *requestFile) parse(sys System, body []byte) (*requestfile.File, error) {
	return requestfile.Parse(f.path, body, func(path string) ([]byte, error) {
		data, err := readBounded(sys.path(filepath.Join(f.dir, path)), maxRequestFile)
		if err != nil {
			err = cause(err)
		}
		return data, err
	})
}

func readBounded(path string, limit int64) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, errors.New("it is not a file")
	case info.Size() > limit:
		return nil, fmt.Errorf("it has %d bytes; at most %d are read", info.Size(), limit)
	}
	return os.ReadFile(path)
}

// request returns the request of the file, with paths relative to the command's folder. It
// narrows the file to some apps if there are any, and checks that each config file is that
// of its app.
func (f *requestFile) request(sys System, folder *workdir.Folder, apps []string) (setup.Request, error) {
	if len(apps) > 0 {
		part, err := f.Narrow(apps)
		if err != nil {
			return setup.Request{}, err
		}
		f.File = part
	}
	req := f.Request()
	if org := flyOrg(sys); org != "" && org != req.Org {
		return req, usagef("unset FLY_ORG, or use the file of that organization", "FLY_ORG is %s, and %s is for the organization %s", org, f.path, req.Org)
	}
	var errs []error
	for i, role := range req.Roles {
		for j, app := range role.Apps {
			if app.Config == "" {
				continue
			}
			config, err := folder.Find(filepath.Join(f.dir, app.Config))
			if err == nil && config.App != app.Name {
				err = fmt.Errorf("it is the file of the app %q", config.App)
			}
			if err != nil {
				errs = append(errs, &setup.InvalidError{
					Field: setup.FieldConfig, Role: i + 1, App: app.Name, Value: app.Config, Reason: cause(err).Error(), Err: err,
				})
				continue
			}
			req.Roles[i].Apps[j].Config = config.Path
		}
	}
	return req, f.locate(errors.Join(errs...))
}

// locate gives errors about the request their places in the file. Without a file the error
// stays as it is.
func (f *requestFile) locate(err error) error {
	if f == nil {
		return err
	}
	var out []error
	for _, err := range flatten(f.Locate(err)) {
		var unknown *awsapi.UnknownPolicyError
		var ambiguous *awsapi.AmbiguousPolicyError
		place := ""
		if errors.As(err, &unknown) {
			place = f.Place(unknown.Ref)
		} else if errors.As(err, &ambiguous) {
			place = f.Place(ambiguous.Ref)
		}
		if place != "" {
			err = fmt.Errorf("%s: %w", place, err)
		}
		out = append(out, err)
	}
	return errors.Join(out...)
}

// fileFlags say which request file to use, and how.
type fileFlags struct {
	file string
}

func (f *fileFlags) register(flags *pflag.FlagSet) {
	flags.StringVarP(&f.file, "file", "f", "", "request `file` (default: fly-aws.toml). A folder means the fly-aws.toml in it. The default is the one in this folder, if there is one.")
}

// wishes are the flags that say what is wanted, which a request file says too.
var wishes = []string{
	"org", "config", "policy", "preset", "inline-policy", "role", "env-name", "session-tags", "machine", "audience",
	"path", "permissions-boundary", "max-session-duration", "tag", "aws-region", "no-patch",
}

// refuseWishes refuses flags that say what is wanted beside a request file.
func refuseWishes(flags *pflag.FlagSet, file string) error {
	given := given(flags, wishes...)
	if len(given) == 0 {
		return nil
	}
	return usagef("change the file, or add to it with fly-aws setup "+strings.Join(given, " …")+" …",
		"%s says what is wanted, so %s cannot be given too", file, strings.Join(given, ", "))
}

// given returns those of the flags that were given, as "--name".
func given(flags *pflag.FlagSet, names ...string) []string {
	var out []string
	for _, name := range names {
		if f := flags.Lookup(name); f != nil && f.Changed {
			out = append(out, "--"+name)
		}
	}
	return out
}

// wanted is the request of the request file, if there is one, or else of the flags; then
// the file is nil.
func (c console) wanted(ctx context.Context, cmd *cobra.Command, f requestFlags, file fileFlags, folder *workdir.Folder) (setup.Request, *requestFile, error) {
	found, err := openRequestFile(c.System, file.file)
	if err != nil {
		return setup.Request{}, nil, err
	}
	if found == nil {
		req, err := f.request(ctx, c.System, folder)
		return req, nil, err
	}
	if err := refuseWishes(cmd.Flags(), found.path); err != nil {
		return setup.Request{}, nil, err
	}
	req, err := found.request(c.System, folder, commaList(f.apps))
	req.Adopt, req.Prune = f.adopt, f.prune
	return req, found, err
}

// A savedFile is a request file that setup writes.
type savedFile struct {
	path          string
	before, after []byte
	// file is the file as it will be; nil if it does not exist.
	file *requestFile
	// make makes the text for the plan's request, of a file that does not exist.
	make func(setup.Request) []byte
}

// saving adds a request to the request file, or with --save prepares a new one, and makes
// the request that of the file. It is nil if there is no file to write.
func (c console) saving(ctx context.Context, world setup.World, req *setup.Request, o setupOptions) (*savedFile, error) {
	file, err := openRequestFile(c.System, o.file.file)
	if o.save && errors.Is(err, fs.ErrNotExist) { // --file names the file to write
		file, err = nil, nil
	}
	switch {
	case err != nil:
		return nil, err
	case file != nil:
		return c.addTo(file, req)
	case !o.save:
		return nil, nil
	}
	if req.Org, err = world.Organization(ctx, req.Org, appsOf(*req)); err != nil {
		return nil, err
	}
	req.File = req.Org
	path := cmp.Or(o.file.file, requestFileName)
	dir := filepath.Dir(path)
	return &savedFile{path: path, make: func(r setup.Request) []byte {
		return requestfile.New(relativeTo(dir, r))
	}}, nil
}

// addTo adds a request to a file and makes it the file's, for the same apps.
func (c console) addTo(file *requestFile, req *setup.Request) (*savedFile, error) {
	whole := file.Request()
	switch {
	case req.Org != "" && req.Org != whole.Org:
		return nil, usagef("drop --org and FLY_ORG, or use the file of that organization", "%s is for the organization %s, not %s", file.path, whole.Org, req.Org)
	case req.Audience != "" && req.Audience != whole.Audience:
		return nil, usagef("change audience under [defaults] in the file", "%s has another audience", file.path)
	}
	after, err := file.Add(relativeTo(file.dir, *req).Roles...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file.path, err)
	}
	saved := &savedFile{path: file.path, before: file.Bytes(), after: after}
	added := &requestFile{path: file.path, dir: file.dir}
	if added.File, err = added.parse(c.System, after); err != nil {
		return nil, ofFlags(err)
	}
	saved.file = added
	var names []string
	for _, app := range appsOf(*req) {
		names = append(names, app.Name)
	}
	adopt, prune := req.Adopt, req.Prune
	if *req, err = added.request(c.System, &workdir.Folder{Dir: c.Dir}, names); err != nil {
		return nil, err
	}
	req.Adopt, req.Prune = adopt, prune
	return saved, nil
}

// ofFlags takes problems of an edited file as those of the flags, which made them.
func ofFlags(err error) error {
	var out []error
	for _, err := range flatten(err) {
		var invalid *setup.InvalidError
		if errors.As(err, &invalid) {
			err = invalid
		}
		out = append(out, err)
	}
	return errors.Join(out...)
}

// locate gives an error about what an existing file says of all apps its place there.
func (s *savedFile) locate(err error) error {
	var invalid *setup.InvalidError
	if s == nil || s.file == nil || !errors.As(err, &invalid) || invalid.Role > 0 {
		return err
	}
	return s.file.Locate(err)
}

// appsOf returns the apps of a request's roles.
func appsOf(req setup.Request) []setup.App {
	var apps []setup.App
	for _, role := range req.Roles {
		apps = append(apps, role.Apps...)
	}
	return apps
}

// relativeTo returns a request whose paths are relative to a folder.
func relativeTo(dir string, req setup.Request) setup.Request {
	relative := func(path string) string {
		if rel, err := filepath.Rel(dir, path); err == nil && path != "" {
			return filepath.ToSlash(rel)
		}
		return path
	}
	roles := req.Roles
	req.Roles = nil
	for _, role := range roles {
		role.Apps, role.Inline = slices.Clone(role.Apps), slices.Clone(role.Inline)
		for i := range role.Apps {
			role.Apps[i].Config = relative(role.Apps[i].Config)
		}
		for i := range role.Inline {
			role.Inline[i].Source = relative(role.Inline[i].Source)
		}
		req.Roles = append(req.Roles, role)
	}
	return req
}

// finish makes the text of a new file from the plan, which knows the account.
func (s *savedFile) finish(plan *setup.Plan) error {
	if s.make == nil {
		return nil
	}
	req := *plan.Request
	req.Account = plan.Account
	s.after = s.make(req)
	return nil
}

// show shows how the file changes.
func (s *savedFile) show(c console) {
	if !bytes.Equal(s.before, s.after) {
		render.Diff(c.Stdout, s.path, string(s.before), string(s.after), c.out)
		fmt.Fprintln(c.Stdout)
	}
}

// write writes the file unless it changed since it was read. A nil savedFile writes
// nothing.
func (s *savedFile) write(c console) error {
	if s == nil || bytes.Equal(s.before, s.after) {
		return nil
	}
	path := c.path(s.path)
	now, err := os.ReadFile(path)
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s cannot be read: %w", s.path, cause(err))
	case !bytes.Equal(now, s.before):
		return &hintedError{err: fmt.Errorf("%s changed after it was read; nothing was written", s.path), hint: "run the same command again"}
	}
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	if err := atomic.WriteFile(path, bytes.NewReader(s.after)); err != nil {
		return fmt.Errorf("%s cannot be written: %w", s.path, cause(err))
	}
	c.note("wrote %s", text.Name(s.path))
	return nil
}
