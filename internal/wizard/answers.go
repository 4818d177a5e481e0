package wizard

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/fly-aws/fly-aws/internal/preset"
	"github.com/fly-aws/fly-aws/setup"
)

// answers is the draft completed by the lookups and answers so far.
type answers struct {
	Draft
	id      Identity
	configs []setup.AppConfig
	// offline says that Fly does not answer.
	offline bool
	// given are the draft's presets.
	given []presetAnswer
	// chosen are the permissions of each role, in the order of roles; empty if the draft
	// names permissions.
	chosen []permissions
	// Other answers, to be added to the command line.
	askedShared bool
}

// permissions are what a role may do.
type permissions struct {
	policies []string
	presets  []presetAnswer
	inline   []setup.InlinePolicy
	files    []string // of inline
	// any says that the role has permissions; they can be more than those above.
	any bool
}

// A presetAnswer is a preset with the answer to its question.
type presetAnswer struct {
	preset preset.Preset
	answer string
	// region is the one of a resource that the role may use already; empty otherwise.
	region string
}

// flag returns the value of --preset.
func (p presetAnswer) flag() string { return p.preset.Name + "=" + p.answer }

// newAnswers begins with the draft. Its presets become answers, since the region that they
// may need is asked for last.
func newAnswers(draft Draft) (*answers, error) {
	a := &answers{Draft: draft}
	a.Role.Presets = nil
	for _, p := range draft.Role.Presets {
		found, err := preset.Named(p.Name)
		if err == nil {
			err = found.Check(p.Answer)
		}
		if err != nil {
			return nil, err
		}
		a.given = append(a.given, presetAnswer{preset: found, answer: p.Answer})
	}
	return a, nil
}

// own returns the folder's own config file, or nil.
func (a *answers) own() *setup.AppConfig {
	for i, c := range a.configs {
		if c.Own {
			return &a.configs[i]
		}
	}
	return nil
}

// configOf returns the config file of an app: the folder's own, or else the only known
// one; nil if there are none or several.
func (a *answers) configOf(app string) *setup.AppConfig {
	var found *setup.AppConfig
	for i, c := range a.configs {
		switch {
		case c.App != app:
		case c.Own:
			return &a.configs[i]
		case found != nil:
			return nil
		default:
			found = &a.configs[i]
		}
	}
	return found
}

// hasSeveralConfigs says whether more than one config file names the app.
func (a *answers) hasSeveralConfigs(app string) bool {
	n := 0
	for _, c := range a.configs {
		if c.App == app {
			n++
		}
	}
	return n > 1
}

// configAt returns the config file at a path, or nil.
func (a *answers) configAt(path string) *setup.AppConfig {
	for i, c := range a.configs {
		if path != "" && c.Path == path {
			return &a.configs[i]
		}
	}
	return nil
}

// request returns the request for the answers so far, with role for the apps.
func (a *answers) request(role setup.RoleRequest) setup.Request {
	var apps []setup.App
	for _, app := range a.Apps {
		app.Machines = a.Machines
		if app.IsPattern() { // each of its apps has a region and a variable of its own
			role.Region = a.Region
		} else {
			app.Region, app.Env = a.Region, a.Env
		}
		apps = append(apps, app)
	}
	return setup.Request{Org: a.Org, Audience: a.Audience, Adopt: a.Adopt, Prune: a.Prune, Roles: setup.RolesFor(apps, role)}
}

// roles returns the roles of the apps: one that they share, or one for each.
func (a *answers) roles() []setup.RoleRequest { return a.request(a.Role).Roles }

// checkApps says what is wrong with the names of apps and of the roles they would have.
func (a *answers) checkApps(names []string) error {
	with := *a
	with.Apps = nil
	for _, name := range names {
		with.Apps = append(with.Apps, setup.App{Name: name})
	}
	err := with.request(a.Role).Check()
	var invalid *setup.InvalidError
	if errors.As(err, &invalid) && invalid.Default {
		return fmt.Errorf("%w; leave that app out, or name the role with --role", err)
	}
	return err
}

// permissionsOf returns the chosen permissions of the role with that place. What it may
// use already in another region than the app's is left out: it stays as it is.
func (a *answers) permissionsOf(i int, role setup.RoleRequest) permissions {
	if len(a.chosen) == 0 {
		return permissions{}
	}
	p := a.chosen[i]
	where := a.Region
	if c := a.configAt(role.Apps[0].Config); where == "" && c != nil {
		where = c.AWSRegion
	}
	p.presets = slices.DeleteFunc(slices.Clone(p.presets), func(c presetAnswer) bool { return c.region != "" && c.region != where })
	return p
}

// result returns the result for all answers. An error is about the draft, since answers
// are checked when they are given.
func (a *answers) result(draft Draft) (Result, error) {
	req := a.request(a.Role)
	type group struct {
		apps        []setup.App
		permissions permissions
	}
	var groups []group
	for i, role := range req.Roles {
		p := a.permissionsOf(i, role)
		role.Policies = slices.Concat(role.Policies, p.policies)
		role.Inline = slices.Concat(role.Inline, p.inline)
		for _, c := range slices.Concat(a.given, p.presets) {
			role.Presets = append(role.Presets, setup.Preset{Name: c.preset.Name, Answer: c.answer})
		}
		req.Roles[i] = role
		same := slices.IndexFunc(groups, func(g group) bool { return slices.Equal(g.permissions.flags(), p.flags()) })
		if same < 0 {
			same = len(groups)
			groups = append(groups, group{permissions: p})
		}
		groups[same].apps = append(groups[same].apps, role.Apps...)
	}
	result := Result{Request: req, Profile: a.Profile}
	for _, g := range groups {
		result.Commands = append(result.Commands, a.command(draft, g.apps, g.permissions))
	}
	return result, req.Check()
}

// flags are the arguments that ask for the permissions.
func (p permissions) flags() []string {
	var args []string
	for _, ref := range p.policies {
		args = append(args, "--policy", ref)
	}
	for _, c := range p.presets {
		args = append(args, "--preset", c.flag())
	}
	for _, path := range p.files {
		args = append(args, "--inline-policy", path)
	}
	return args
}

// command returns the arguments that make the request for some of the apps, which have the
// same permissions: the draft's and those for the answers.
func (a *answers) command(draft Draft, apps []setup.App, p permissions) []string {
	args := slices.Clone(draft.Args)
	if a.Profile != draft.Profile {
		args = append(args, "--profile", a.Profile)
	}
	if a.Org != draft.Org {
		args = append(args, "--org", a.Org)
	}
	var configs []setup.App
	plain := 0 // apps that can have a config file
	for _, app := range apps {
		args = append(args, "--app", app.Name)
		if app.Config != "" {
			configs = append(configs, app)
		}
		if !app.IsPattern() {
			plain++
		}
	}
	switch {
	case a.NoPatch, plain > 0 && len(configs) == 0:
		args = append(args, "--no-patch")
	case len(configs) == 1 && a.isOwn(configs[0]): // found without its path
	default:
		for _, app := range configs {
			args = append(args, "--config", app.Config)
		}
	}
	if a.askedShared {
		args = append(args, "--role", a.Role.Name)
	}
	args = append(args, p.flags()...)
	if a.Region != "" && len(configs)+len(a.given)+len(p.presets) > 0 { // or there is nothing to write it to
		args = append(args, "--aws-region", a.Region)
	}
	return args
}

// isOwn says whether the app's config file is the folder's own.
func (a *answers) isOwn(app setup.App) bool {
	c := a.configAt(app.Config)
	return c != nil && c.Own
}

// with returns the permissions and those of another role that are not among them.
func (p permissions) with(other permissions) permissions {
	presets := slices.Clone(other.presets)
	for i := range presets {
		presets[i].region = "" // it is new to this role
	}
	p.policies = union(p.policies, other.policies, func(ref string) string { return ref })
	p.presets = union(p.presets, presets, presetAnswer.flag)
	p.inline = union(p.inline, other.inline, func(i setup.InlinePolicy) string { return i.Name })
	p.files = union(p.files, other.files, func(path string) string { return path })
	p.any = p.any || other.String() != ""
	return p
}

func union[T any](some, more []T, key func(T) string) []T {
	some = slices.Clone(some)
	for _, v := range more {
		if !slices.ContainsFunc(some, func(have T) bool { return key(have) == key(v) }) {
			some = append(some, v)
		}
	}
	return some
}

// String lists the permissions in a few words.
func (p permissions) String() string {
	words := slices.Clone(p.policies)
	for _, c := range p.presets {
		words = append(words, c.preset.Name+" "+c.answer)
	}
	for _, i := range p.inline {
		words = append(words, i.Name)
	}
	return strings.Join(words, ", ")
}

// newPresets returns the presets that the apps may not use yet.
func (a *answers) newPresets() []presetAnswer {
	presets := slices.Clone(a.given)
	for _, p := range a.chosen {
		for _, c := range p.presets {
			if c.region == "" {
				presets = append(presets, c)
			}
		}
	}
	return presets
}
