package cmd

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/fly-aws/fly-aws/internal/flyname"
	"github.com/fly-aws/fly-aws/internal/preset"
	"github.com/fly-aws/fly-aws/internal/workdir"
	"github.com/fly-aws/fly-aws/setup"
)

// requestFlags are the flags that say what is wanted.
type requestFlags struct {
	org              string
	apps, configs    []string
	policies, inline []string
	presets          []string
	roleName, shared string
	machines         []string
	audience         string
	path, boundary   string
	maxSession       string
	tags             []string
	awsRegion        string
	adopt, noPatch   bool
}

func (f *requestFlags) register(flags *pflag.FlagSet) {
	flags.StringVarP(&f.org, "org", "o", "", "Fly organisation, by its `slug` (default: that of the apps, as Fly tells it)")
	flags.StringArrayVarP(&f.apps, "app", "a", nil, "Fly `app` that may use AWS; repeatable")
	flags.StringArrayVarP(&f.configs, "config", "c", nil, "the app's fly.toml, a `path` to it or to its folder; repeatable (default: the one in this folder)")
	flags.StringArrayVar(&f.policies, "policy", nil, "managed `policy` to attach, by name or ARN; repeatable")
	flags.StringArrayVar(&f.presets, "preset", nil, "permissions made of one answer, as `name=answer`: s3-read=my-bucket; repeatable. A wrong name lists them")
	flags.StringArrayVar(&f.inline, "inline-policy", nil, "`file` with a permissions policy to put into the role, under the file's name; repeatable")
	flags.StringVar(&f.roleName, "role-name", "", "`name` of the role (default fly-<org>-<app>)")
	flags.StringVar(&f.shared, "shared-role", "", "`name` of one role for all the apps")
	flags.StringArrayVar(&f.machines, "machine", nil, "only the machine of this `name` may use the role, or * for all again; repeatable. New machines of a deploy have new names")
	flags.StringVar(&f.audience, "audience", "", "`audience` of the tokens; Fly's init asks for the default (default sts.amazonaws.com)")
	flags.StringVar(&f.path, "path", "", "IAM `path` of the role (default /)")
	flags.StringVar(&f.boundary, "permissions-boundary", "", "managed `policy` that bounds the role, by name or ARN")
	flags.StringVar(&f.maxSession, "max-session-duration", "", "longest session, a `duration` as 1h30m or in seconds; 1h to 12h (default: AWS's own, 1h)")
	flags.StringArrayVar(&f.tags, "tag", nil, "tag of the role, as `key=value`; repeatable")
	flags.StringVar(&f.awsRegion, "aws-region", "", "AWS_REGION for fly.toml, where it has none: Fly sets none, and every AWS SDK needs a `region`")
	flags.BoolVar(&f.adopt, "adopt", false, "take over an existing role of that name: fly-aws's statement goes beside what it has")
	flags.BoolVar(&f.noPatch, "no-patch", false, "leave fly.toml alone")
}

// A wish is a request, and what of it depends on the AWS account.
type wish struct {
	setup.Request
	// presets are policies to be made, for each app alike; region is that of the
	// resources that they name.
	presets []choice
	region  string
}

// A choice is a preset with its answer.
type choice struct {
	preset preset.Preset
	answer string
}

// withPresets adds the policies of the presets.
func (w wish) withPresets(req setup.Request, facts setup.Facts) (setup.Request, error) {
	if len(w.presets) == 0 {
		return req, nil
	}
	var made []setup.InlinePolicy
	scope := preset.Scope{Partition: facts.Partition, Account: facts.Account, Region: w.region}
	for _, c := range w.presets {
		name, doc, err := c.preset.Policy(scope, c.answer)
		if err != nil {
			return req, err
		}
		made = append(made, setup.InlinePolicy{Name: name, Document: doc, Source: "preset " + c.preset.Name + "=" + c.answer})
	}
	req.Apps = slices.Clone(req.Apps)
	for i := range req.Apps {
		role := &req.Apps[i].Role
		role.Inline = slices.Concat(role.Inline, made)
	}
	return req, nil
}

// wish makes the wish that the flags and the folder's config files say. All that
// can be found wrong without AWS is reported at once. Fly is asked for an
// organisation that is not given, or only by an alias.
func (e *engine) wish(ctx context.Context, f *requestFlags) (wish, error) {
	w, err := f.read(ctx, e.sys, e.folder, false)
	if err == nil {
		err = checkRest(w.Request)
	}
	org := orgProblem(w.Request)
	switch {
	case e.fly.client == nil && org != nil:
		if e.fly.cause != nil && err == nil {
			err = usagef(e.flyHint(), "Fly could not be asked for it: %w", e.fly.cause)
		}
		return w, errors.Join(org, err)
	case err != nil || org == nil:
		return w, err
	}
	w.Request, err = e.inOrg(ctx, w.Request)
	if err != nil {
		return w, err
	}
	e.orgFound = true
	err = w.Check()
	switch cause := e.fly.answer.unchecked; {
	case err == nil:
	case cause != nil && orgProblem(w.Request) != nil:
		err = errors.Join(err, usagef(e.flyHint(), "Fly could not be asked for it: %w", cause))
	case cause == nil:
		err = errors.Join(fmt.Errorf("the organisation is %q, as Fly tells it", w.Org), err)
	}
	return w, err
}

// orgProblem is what Check has against the organisation of a request, if it is
// that it is missing or an alias: then Fly may tell it.
func orgProblem(req setup.Request) error {
	for _, e := range flatten(req.Check()) {
		var invalid *setup.InvalidError
		var name *flyname.NameError
		if errors.As(e, &invalid) && invalid.Field == setup.FieldOrg && (invalid.Missing || errors.As(e, &name) && name.IsAlias()) {
			return e
		}
	}
	return nil
}

// checkRest is Check of a request, whatever its organisation turns out to be.
func checkRest(req setup.Request) error {
	if orgProblem(req) != nil {
		req.Org = "org"
	}
	return req.Check()
}

// wrongLine says whether an error is about the command line.
func wrongLine(err error) bool {
	return errors.As(err, new(*usageError)) || errors.As(err, new(*setup.InvalidError)) || errors.As(err, new(*preset.Error)) ||
		errors.As(err, new(*workdir.NotFoundError))
}

// read makes a wish of what the flags and the folder's config files say, without
// checking it as a whole. For the wizard, which asks for the rest, the apps may
// lack config files.
func (f *requestFlags) read(ctx context.Context, sys System, folder *workdir.Folder, wizard bool) (wish, error) {
	role, err := f.role(ctx, sys)
	if err != nil {
		return wish{}, err
	}
	w := wish{Request: setup.Request{Org: f.org, Audience: f.audience, Adopt: f.adopt}, region: f.awsRegion}
	for _, text := range f.presets {
		p, answer, err := preset.Parse(text)
		switch {
		case err != nil:
			return w, err
		case p.NeedsRegion(answer) && f.awsRegion == "" && !wizard:
			return w, usagef("pass --aws-region", "--preset %s is for a resource in a region, and none is given", text)
		}
		if slices.ContainsFunc(w.presets, func(c choice) bool { return c.preset.Name == p.Name && c.answer == answer }) {
			return w, usagef("give each once", "--preset %s is given twice", text)
		}
		w.presets = append(w.presets, choice{p, answer})
	}
	if f.noPatch && f.awsRegion != "" && len(w.presets) == 0 && !wizard {
		return w, usagef("leave one of them away", "--aws-region is for fly.toml, which --no-patch leaves alone")
	}
	names := commaList(f.apps)
	if fromEnv := sys.Getenv("FLY_APP"); len(names) == 0 && fromEnv != "" {
		names = []string{fromEnv}
	}
	fill := func(apps []setup.App) {
		w.Apps = apps
		for i := range apps {
			apps[i].Machines, apps[i].Role, apps[i].Region = commaList(f.machines), role, f.awsRegion
		}
	}
	// What is wrong with the flags comes before what is wrong with the files.
	if fill(plainEntries(names)); len(names) > 0 {
		if err := checkRest(w.Request); err != nil {
			return w, err
		}
	}
	apps, err := f.entries(folder, names, wizard)
	if err != nil {
		return w, err
	}
	fill(apps)
	return w, nil
}

func (f *requestFlags) role(ctx context.Context, sys System) (setup.RoleRequest, error) {
	role := setup.RoleRequest{
		Name:     f.roleName,
		Path:     f.path,
		Boundary: f.boundary,
		Policies: f.policies,
	}
	if f.shared != "" {
		if f.roleName != "" {
			return role, usagef("--shared-role takes the name of the one role for all apps", "--role-name and --shared-role exclude each other")
		}
		role.Name, role.Shared = f.shared, true
	}
	var err error
	if role.MaxSession, err = sessionSeconds(f.maxSession); err != nil {
		return role, err
	}
	for _, tag := range f.tags {
		key, value, ok := strings.Cut(tag, "=")
		if !ok {
			return role, usagef("write it as --tag team=web", "--tag %q has no =", tag)
		}
		if _, twice := role.Tags[key]; twice {
			return role, usagef("give each key once", "--tag %q is given twice", key)
		}
		if role.Tags == nil {
			role.Tags = map[string]string{}
		}
		role.Tags[key] = value
	}
	for _, file := range f.inline {
		p, err := inlinePolicy(ctx, sys, file)
		if err != nil {
			return role, usagef("give --inline-policy the path of a JSON file, whose name becomes the policy's", "--inline-policy %w", err)
		}
		role.Inline = append(role.Inline, p)
	}
	return role, nil
}

// inlinePolicy reads a permissions policy, which is named after its file.
func inlinePolicy(ctx context.Context, sys System, file string) (setup.InlinePolicy, error) {
	if file == "-" {
		return setup.InlinePolicy{}, errors.New("cannot be read from standard input")
	}
	doc, err := readFile(ctx, sys, file)
	name := strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))
	return setup.InlinePolicy{Name: name, Document: doc, Source: file}, err
}

// sessionSeconds reads 3600, 1h or 1h30m; "" is 0.
func sessionSeconds(text string) (int32, error) {
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if n, errInt := strconv.ParseInt(text, 10, 32); errInt == nil {
		d, err = time.Duration(n)*time.Second, nil
	}
	if err != nil || d%time.Second != 0 || d <= 0 || d > 1000*time.Hour {
		return 0, usagef("write it as 1h30m, or as seconds: 5400", "--max-session-duration %q is no duration in whole seconds", text)
	}
	return int32(d / time.Second), nil
}

// entries makes one entry an app: for the names that --app or FLY_APP gave, else
// for those in the config files, which is flyctl's order of precedence. Each app
// gets its config file unless --no-patch. For the wizard only what the flags name
// is looked at, and an app may lack its config file.
func (f *requestFlags) entries(folder *workdir.Folder, names []string, wizard bool) ([]setup.App, error) {
	if len(f.configs) == 0 && (wizard || f.noPatch && len(names) > 0) {
		return plainEntries(names), nil
	}
	paths := f.configs
	if len(paths) == 0 {
		paths = []string{""} // the folder's own
	}

	apps := plainEntries(names)
	for _, path := range paths {
		config, err := folder.Find(path)
		if err != nil {
			var missing *workdir.NotFoundError
			if errors.As(err, &missing) && path == "" && len(names) == 0 {
				return nil, nil // Check says it, with what else is missing
			}
			var format *workdir.FormatError
			if errors.As(err, &format) {
				hint := "pass --no-patch and --app; the line to add is shown at the end"
				if f.noPatch {
					hint = "pass --app: the app's name is read from no other format"
				}
				return nil, &hintedError{err: err, hint: hint}
			}
			return nil, err
		}
		if config.App == "" && len(names) == 1 && len(paths) == 1 {
			config.App = names[0]
		}
		if config.App == "" {
			return nil, usagef("pass --app", "%s names no app", config.Path)
		}
		i := slices.IndexFunc(apps, func(a setup.App) bool { return a.Name == config.App })
		switch {
		case i < 0 && len(names) > 0:
			return nil, &workdir.OtherAppError{Path: config.Path, App: config.App, Want: strings.Join(names, ", ")}
		case i < 0:
			apps = append(apps, setup.App{Name: config.App})
			i = len(apps) - 1
		case apps[i].Config != "":
			return nil, usagef("name one config file an app", "%s and %s are both for the app %s", apps[i].Config, config.Path, config.App)
		}
		apps[i].Config = config.Path
	}
	for i, app := range apps {
		switch {
		case f.noPatch:
			apps[i].Config = ""
		case app.Config == "" && !wizard:
			return nil, usagef("name its fly.toml with --config, or leave the files alone with --no-patch", "no config file is known for the app %s", app.Name)
		}
	}
	return apps, nil
}

// commaList splits values at commas too, for names that have none.
func commaList(values []string) []string {
	var out []string
	for _, v := range values {
		out = append(out, strings.Split(v, ",")...)
	}
	return out
}

func plainEntries(names []string) []setup.App {
	var apps []setup.App
	for _, name := range names {
		apps = append(apps, setup.App{Name: name})
	}
	return apps
}
