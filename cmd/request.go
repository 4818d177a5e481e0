package cmd

import (
	"cmp"
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/fly-aws/fly-aws/internal/preset"
	"github.com/fly-aws/fly-aws/internal/workdir"
	"github.com/fly-aws/fly-aws/setup"
)

// requestFlags are the flags that make a setup.Request.
type requestFlags struct {
	org              string
	apps, configs    []string
	policies, inline []string
	presets          []string
	role             string
	envName          string
	sessionTags      bool
	machines         []string
	audience         string
	path, boundary   string
	maxSession       string
	tags             []string
	awsRegion        string
	adopt, prune     bool
	noPatch          bool
}

func (f *requestFlags) register(flags *pflag.FlagSet) {
	flags.StringVarP(&f.org, "org", "o", "", "Fly organization (default: the apps'). Its `slug`; the default is FLY_ORG, or the organization that the apps belong to, as Fly reports it.")
	flags.StringArrayVarP(&f.apps, "app", "a", nil, "`app` that may use AWS; repeatable. 'tenant-*' is every app whose name begins so. The default is FLY_APP, or the app of the config file.")
	flags.StringArrayVarP(&f.configs, "config", "c", nil, configsUsage)
	flags.StringArrayVar(&f.policies, "policy", nil, "managed `policy`, name or ARN; repeatable. It is attached to the role.")
	flags.StringArrayVar(&f.presets, "preset", nil, "policy like s3-read=my-bucket; repeatable. A least-privilege policy from one answer, as `name=answer`. An unknown name lists them all.")
	flags.StringArrayVar(&f.inline, "inline-policy", nil, "permissions policy, in JSON; repeatable. The policy in the `file` is put into the role, named after the file.")
	flags.StringVar(&f.role, "role", "", "name of the `role` (default fly-<org>-<app>). The default is a role for each app; with a name, they share one.")
	flags.StringVar(&f.envName, "env-name", "", "`variable` for a second role's ARN. An app's second role needs a variable of its own, and --role. The default is AWS_ROLE_ARN.")
	flags.BoolVar(&f.sessionTags, "session-tags", false, "also allow sts:TagSession. Tokens with session tags need it.")
	flags.StringArrayVar(&f.machines, "machine", nil, "only the machine of this `name`; repeatable. * allows all again. Machines that a deploy creates have new names.")
	flags.StringVar(&f.audience, "audience", "", "token audience (default sts.amazonaws.com). Fly's init asks for tokens of the default `audience`.")
	flags.StringVar(&f.path, "path", "", "IAM `path` of the role (default /)")
	flags.StringVar(&f.boundary, "permissions-boundary", "", "managed `policy` that limits the role. It is the role's permissions boundary, given by name or ARN.")
	flags.StringVar(&f.maxSession, "max-session-duration", "", "maximum session, 1h to 12h (AWS's own: 1h). It is a `time` such as 1h30m, or in seconds.")
	flags.StringArrayVar(&f.tags, "tag", nil, "tag for the role, as `key=value`; repeatable")
	flags.StringVar(&f.awsRegion, "aws-region", "", "AWS `region` to write to fly.toml. It becomes AWS_REGION there: Fly sets none, and the AWS SDKs need one.")
	flags.BoolVar(&f.adopt, "adopt", false, adoptUsage)
	flags.BoolVar(&f.prune, "prune", false, pruneUsage)
	flags.BoolVar(&f.noPatch, "no-patch", false, "don't edit fly.toml; print the lines to add")
}

const (
	configUsage  = "the app's fly.toml or folder (default: this folder). It is a `path` to either."
	configsUsage = "the app's fly.toml or folder; repeatable. The default is the `path` of this folder. A fly.json or fly.yaml is read and not edited: the lines to add are printed."
	adoptUsage   = "take over a role fly-aws did not create. fly-aws adds its own statement to it. A statement of its own that was narrowed by hand is restored too."
	pruneUsage   = "also remove what was not asked for. Policies, statements and subjects on the roles go; what narrows access stays."
)

// request makes a request from the flags and the folder's config files. All errors in
// the flags are reported together; setup checks the request as a whole.
func (f *requestFlags) request(ctx context.Context, sys System, folder *workdir.Folder) (setup.Request, error) {
	f.org = cmp.Or(f.org, flyOrg(sys))
	role, err := f.roleRequest(ctx, sys)
	if f.noPatch && f.awsRegion != "" && len(f.presets) == 0 {
		err = errors.Join(err, usagef("drop one of them", "--aws-region is for fly.toml, which --no-patch leaves alone"))
	}
	names := f.appNames(sys)
	apps, errFiles := f.configApps(folder, names)
	if err == nil && errFiles == nil {
		return f.fill(apps, role), nil
	}
	// Report errors in the flags before errors in the files.
	if len(names) > 0 {
		err = errors.Join(f.fill(plainApps(names), role).Check(), err)
	}
	if err == nil {
		err = errFiles
	}
	return setup.Request{}, err
}

// fill makes a request from its apps and the flags that apply to all of them.
func (f *requestFlags) fill(apps []setup.App, role setup.RoleRequest) setup.Request {
	for i := range apps {
		apps[i].Machines = commaList(f.machines)
		if apps[i].IsPattern() { // each of its apps has a region and a variable of its own
			role.Region = f.awsRegion
			continue
		}
		apps[i].Region, apps[i].Env = f.awsRegion, f.envName
	}
	return setup.Request{Org: f.org, Audience: f.audience, Adopt: f.adopt, Prune: f.prune, Roles: setup.RolesFor(apps, role)}
}

// appNames are the values of --app, or else FLY_APP, as in flyctl.
func (f *requestFlags) appNames(sys System) []string {
	if fromEnv := sys.Getenv("FLY_APP"); len(f.apps) == 0 && fromEnv != "" {
		return []string{fromEnv}
	}
	return commaList(f.apps)
}

// isUsage reports whether an error is a usage error.
func isUsage(err error) bool {
	return errors.As(err, new(*usageError)) || errors.As(err, new(*setup.InvalidError)) || errors.As(err, new(*workdir.NotFoundError))
}

// role returns the role settings from the flags.
func (f *requestFlags) roleRequest(ctx context.Context, sys System) (setup.RoleRequest, error) {
	role := setup.RoleRequest{
		Name:        f.role,
		Path:        f.path,
		Boundary:    f.boundary,
		SessionTags: f.sessionTags,
		Policies:    f.policies,
	}
	var errs []error
	if f.envName != "" && f.envName != setup.EnvRoleARN && f.role == "" {
		errs = append(errs, usagef("name it with --role", "--env-name is for a second role of an app, which needs a name of its own"))
	}
	var err error
	role.MaxSession, err = wholeSeconds("--max-session-duration", f.maxSession)
	errs = append(errs, err)
	role.Tags, err = f.tagMap()
	errs = append(errs, err)
	for _, answer := range f.presets {
		name, answer, ok := strings.Cut(answer, "=")
		if !ok { // the error shows the syntax
			_, _, err := preset.Parse(name)
			errs = append(errs, &setup.InvalidError{Field: setup.FieldPreset, Value: name, Reason: presetReason(err), Err: err})
			continue
		}
		role.Presets = append(role.Presets, setup.Preset{Name: name, Answer: answer})
	}
	for _, file := range f.inline {
		p, err := inlinePolicy(ctx, sys, file)
		if err != nil && !errors.As(err, new(*setup.InvalidError)) {
			err = usagef("give --inline-policy the path of a JSON file; the policy is named after it", "--inline-policy %w", err)
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		role.Inline = append(role.Inline, p)
	}
	return role, errors.Join(errs...)
}

func presetReason(err error) string {
	var e *preset.AnswerError
	if errors.As(err, &e) {
		return e.Reason
	}
	return err.Error()
}

func (f *requestFlags) tagMap() (map[string]string, error) {
	var tags map[string]string
	for _, tag := range f.tags {
		key, value, ok := strings.Cut(tag, "=")
		if !ok {
			return nil, usagef("write it as --tag team=web", "--tag %q has no =", tag)
		}
		if _, twice := tags[key]; twice {
			return nil, usagef("give each key once", "--tag %q is given twice", key)
		}
		if tags == nil {
			tags = map[string]string{}
		}
		tags[key] = value
	}
	return tags, nil
}

// inlinePolicy reads a permissions policy, which is named after its file.
func inlinePolicy(ctx context.Context, sys System, file string) (setup.InlinePolicy, error) {
	if file == "-" {
		return setup.InlinePolicy{}, errors.New("cannot be read from standard input")
	}
	doc, err := readFile(ctx, sys, file)
	if err != nil {
		return setup.InlinePolicy{}, err
	}
	return setup.NewInlinePolicy(strings.TrimSuffix(filepath.Base(file), filepath.Ext(file)), file, doc)
}

// wholeSeconds reads the value of a flag, such as 3600, 1h or 1h30m; "" is 0.
func wholeSeconds(flag, value string) (int32, error) {
	if value == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(value)
	if n, errInt := strconv.ParseInt(value, 10, 32); errInt == nil {
		d, err = time.Duration(n)*time.Second, nil
	}
	if err != nil || d%time.Second != 0 || d <= 0 || d > 1000*time.Hour {
		return 0, usagef("write it as 1h30m, or as seconds: 5400", "%s %q is not a duration in whole seconds", flag, value)
	}
	return int32(d / time.Second), nil
}

// configApps makes one entry per app: names take precedence over the apps in the config
// files, as in flyctl. Each app gets its config file, if one is known for it, unless
// --no-patch is given.
func (f *requestFlags) configApps(folder *workdir.Folder, names []string) ([]setup.App, error) {
	apps := plainApps(names)
	onlyPatterns := !slices.ContainsFunc(apps, func(app setup.App) bool { return !app.IsPattern() })
	if len(f.configs) == 0 && len(names) > 0 && (f.noPatch || onlyPatterns) {
		return apps, nil
	}
	paths := f.configs
	if len(paths) == 0 {
		paths = []string{""} // the one in this folder
	}
	apps, err := f.findConfigs(folder, names, paths)
	if err != nil {
		return nil, err
	}
	for i := range apps {
		if f.noPatch {
			apps[i].Config = ""
		}
	}
	return apps, nil
}

// findConfigs finds the config files at the paths, and their apps.
func (f *requestFlags) findConfigs(folder *workdir.Folder, names, paths []string) ([]setup.App, error) {
	apps := plainApps(names)
	for _, path := range paths {
		config, err := folder.Find(path)
		if err != nil {
			var missing *workdir.NotFoundError
			if errors.As(err, &missing) && path == "" && len(names) == 0 {
				return nil, nil // the request's own check reports it, with everything else that is missing
			}
			return nil, err
		}
		if config.App == "" && len(names) == 1 && len(paths) == 1 {
			config.App = names[0]
		}
		if config.App == "" {
			return nil, usagef("pass --app", "%s does not name an app", config.Path)
		}
		i := slices.IndexFunc(apps, func(a setup.App) bool { return a.Name == config.App })
		switch {
		case i < 0 && len(names) > 0:
			return nil, &workdir.OtherAppError{Path: config.Path, App: config.App, Want: strings.Join(names, ", ")}
		case i < 0:
			apps = append(apps, setup.App{Name: config.App})
			i = len(apps) - 1
		case apps[i].Config != "":
			return nil, usagef("name one config file per app", "%s and %s are both for the app %s", apps[i].Config, config.Path, config.App)
		}
		apps[i].Config = config.Path
	}
	return apps, nil
}

// commaList also splits values at commas, which these names cannot contain.
func commaList(values []string) []string {
	var out []string
	for _, v := range values {
		out = append(out, strings.Split(v, ",")...)
	}
	return out
}

func plainApps(names []string) []setup.App {
	var apps []setup.App
	for _, name := range names {
		apps = append(apps, setup.App{Name: name})
	}
	return apps
}
