package cmd

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/natefinch/atomic"
	"github.com/spf13/cobra"

	"github.com/fly-aws/fly-aws/internal/render"
	"github.com/fly-aws/fly-aws/internal/requestfile"
	"github.com/fly-aws/fly-aws/internal/text"
	"github.com/fly-aws/fly-aws/internal/workdir"
	"github.com/fly-aws/fly-aws/setup"
)

type importOptions struct {
	output outputFlags
	aws    awsFlags
	org    string
	name   string
	file   string
	merge  bool
}

func newImport(sys System) *cobra.Command {
	var o importOptions
	c := &cobra.Command{
		Use:   "import",
		Short: "Write fly-aws.toml from what is in the account",
		Long: `Write a request file from what is in the account: fly-aws's roles of the
organization with everything they have, and other roles that trust it as roles
to watch. Inline policies become files beside it, or the preset that makes them.
A plan of the file has nothing to do.`,
		Example: `  fly-aws import -o acme
  fly-aws import -o acme --merge`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return runImport(cmd.Context(), sys, o) },
	}
	flags := c.Flags()
	flags.StringVarP(&o.org, "org", "o", "", "Fly organization, by its raw `slug` (default: FLY_ORG)")
	flags.StringVar(&o.name, "name", "", "`name` of the file's scope (default: that of the file that made the roles, or the organization)")
	flags.StringVarP(&o.file, "file", "f", requestFileName, "`file` to write")
	flags.BoolVar(&o.merge, "merge", false, "add what an existing file lacks")
	o.output.register(flags)
	o.aws.register(flags)
	return c
}

func runImport(ctx context.Context, sys System, o importOptions) error {
	if o.org = cmp.Or(o.org, flyOrg(sys)); o.org == "" {
		return usagef("pass --org with its raw slug", "--org is missing")
	}
	_, err := os.Lstat(sys.path(o.file))
	exists := !errors.Is(err, fs.ErrNotExist)
	if exists && !o.merge {
		return usagef("pass --merge to add what it lacks, or --file with another path", "%s exists", o.file)
	}
	c := newConsole(sys, o.output)
	account, err := c.openAccount(ctx, o.aws.options(&callLog{console: c}))
	if err != nil {
		return err
	}
	stop := c.waiting("AWS")
	facts, err := account.Facts(ctx, setup.Request{Org: o.org})
	var found []setup.Resource
	if err == nil {
		found, err = account.Roles(ctx, facts, o.org, nil)
	}
	stop()
	if err != nil {
		return err
	}
	req, err := setup.Import(o.org, o.scopeName(found), facts, found)
	if err != nil {
		return err
	}
	if len(req.Roles) == 0 {
		return &hintedError{
			err:  fmt.Errorf("no role in the account %s is fly-aws's for the organization %s, or trusts it", facts.Account, text.Quote(o.org)),
			hint: "is this the account, and the raw slug? Begin with fly-aws setup",
		}
	}
	folder := &workdir.Folder{Dir: sys.Dir}
	c.attachConfigs(ctx, folder, &req, filepath.Dir(o.file), facts.Partition)
	files := policyFiles(&req)
	body := requestfile.New(req)
	if exists {
		if body, err = c.merged(o, req, files); err != nil {
			return err
		}
	}
	return c.writeImport(o, req, body, files)
}

// scopeName is the name of the file's scope: what was given, or that of the file that
// made all the roles, or the organization.
func (o importOptions) scopeName(found []setup.Resource) string {
	names := map[string]bool{}
	for _, r := range found {
		if r.Role != nil && r.Role.Tags[setup.TagOrg] == o.org {
			names[r.Role.Tags[setup.TagFile]] = true
		}
	}
	switch {
	case o.name != "":
		return o.name
	case len(names) == 1 && !names[""]:
		return slices.Collect(maps.Keys(names))[0]
	}
	return o.org
}

// attachConfigs gives each app the config file that names its role.
// An app with several roles gets none, since its variables are not known.
func (c console) attachConfigs(ctx context.Context, folder *workdir.Folder, req *setup.Request, dir, partition string) {
	roles := map[string]int{}
	for _, app := range appsOf(*req) {
		roles[app.Name]++
	}
	configs := folder.Nearby(ctx)
	if own, err := folder.Find(""); err == nil {
		configs = append([]setup.AppConfig{own}, configs...)
	}
	for i, role := range req.Roles {
		arn := setup.RoleARN(partition, req.Account, role.Path, req.RoleName(role))
		for j, app := range role.Apps {
			for _, config := range configs {
				if config.App != app.Name || role.Unmanaged || roles[app.Name] > 1 {
					continue
				}
				entries, err := folder.Read(ctx, []setup.Resource{{Env: &setup.Env{Config: config.Path, App: app.Name, Key: setup.EnvRoleARN}}})
				if rel, errRel := filepath.Rel(dir, config.Path); err == nil && errRel == nil && len(entries) == 1 && entries[0].Env.Value == arn {
					req.Roles[i].Apps[j].Config = filepath.ToSlash(rel)
				}
			}
		}
	}
}

// policyFiles returns the files for the inline policies, whose Source it sets, and for the
// trust policies of unmanaged roles, by path.
func policyFiles(req *setup.Request) map[string][]byte {
	files := map[string][]byte{}
	for i, role := range req.Roles {
		for j, p := range role.Inline {
			path := requestfile.PolicyPath(role.Name, p.Name)
			req.Roles[i].Inline[j].Source = path
			files[path] = indentJSON(p.Document.String())
		}
		if role.Trust != nil {
			files[requestfile.TrustPath(role.Name)] = append([]byte(role.Trust.Indent()), '\n')
		}
	}
	return files
}

func indentJSON(document string) []byte {
	var buf bytes.Buffer
	if json.Indent(&buf, []byte(document), "", "  ") != nil {
		return []byte(document)
	}
	buf.WriteByte('\n')
	return buf.Bytes()
}

// merged is the text of the existing file with the roles that it lacks.
func (c console) merged(o importOptions, req setup.Request, files map[string][]byte) ([]byte, error) {
	file, err := openRequestFile(c.System, o.file)
	if err != nil {
		return nil, err
	}
	have := file.Request()
	if have.Org != req.Org || have.Account != req.Account {
		return nil, usagef("give --file another path", "%s is for the organization %s in the account %s", o.file, have.Org, have.Account)
	}
	var add []setup.RoleRequest
	for _, role := range req.Roles {
		if slices.Contains(have.RoleNames(), req.RoleName(role)) {
			for _, p := range role.Inline {
				delete(files, p.Source)
			}
			delete(files, requestfile.TrustPath(role.Name))
			continue
		}
		add = append(add, role)
	}
	return file.Add(add...)
}

// importDocument is what import --json prints.
type importDocument struct {
	Schema string `json:"schema"`
	File   string `json:"file"`
	Roles  int    `json:"roles"`
	// Files are the files written beside it, relative to its folder.
	Files []string `json:"files"`
}

// writeImport writes the files and then the request file.
func (c console) writeImport(o importOptions, req setup.Request, body []byte, files map[string][]byte) error {
	dir := filepath.Dir(o.file)
	doc := importDocument{Schema: render.ImportSchema, File: o.file, Roles: len(req.Roles), Files: append([]string{}, slices.Sorted(maps.Keys(files))...)}
	for _, path := range doc.Files {
		if old, err := os.ReadFile(c.path(filepath.Join(dir, path))); err == nil && !bytes.Equal(old, files[path]) {
			return usagef("move it away, and run the same command again", "%s exists and is different", filepath.Join(dir, path))
		}
	}
	for _, path := range doc.Files {
		full := c.path(filepath.Join(dir, path))
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil { //nolint:gosec // the files are for git
			return fmt.Errorf("%s cannot be written: %w", path, cause(err))
		}
		if err := atomic.WriteFile(full, bytes.NewReader(files[path])); err != nil {
			return fmt.Errorf("%s cannot be written: %w", path, cause(err))
		}
	}
	if err := atomic.WriteFile(c.path(o.file), bytes.NewReader(body)); err != nil {
		return fmt.Errorf("%s cannot be written: %w", o.file, cause(err))
	}
	if c.json {
		return render.JSON(c.Stdout, doc)
	}
	render.Done(c.Stdout, fmt.Sprintf("wrote %s with %s", text.Name(o.file), render.Count(len(req.Roles), "role")), c.out)
	for _, path := range doc.Files {
		render.Done(c.Stdout, "wrote "+text.Clean(filepath.Join(dir, path)), c.out)
	}
	next := "fly-aws plan"
	if o.file != requestFileName {
		next += " --file " + text.ShellWord(o.file)
	}
	render.Next(c.Stdout, c.out, next)
	return nil
}
