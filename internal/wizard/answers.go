package wizard

import (
	"slices"

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

	// The chosen permissions. presets includes the draft's.
	policies []string
	presets  []presetAnswer
	inline   []setup.InlinePolicy
	files    []string // of inline
	// Other answers, to be added to the command line.
	askedShared, askedNoPatch, askedRegion bool
}

// A presetAnswer is a preset with the answer to its question.
type presetAnswer struct {
	preset preset.Preset
	answer string
}

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
		a.presets = append(a.presets, presetAnswer{preset: found, answer: p.Answer})
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
		app.Machines, app.Region = a.Machines, a.Region
		apps = append(apps, app)
	}
	return setup.Request{Org: a.Org, Audience: a.Audience, Adopt: a.Adopt, Roles: setup.RolesFor(apps, role)}
}

// checkApps says what is wrong with the names of apps and of the roles they would have.
func (a *answers) checkApps(names []string) error {
	with := *a
	with.Apps = nil
	for _, name := range names {
		with.Apps = append(with.Apps, setup.App{Name: name})
	}
	return with.request(a.Role).Check()
}

// result returns the result for all answers. An error is about the draft, since answers
// are checked when they are given.
func (a *answers) result(draft Draft) (Result, error) {
	role := a.Role
	role.Policies = slices.Concat(role.Policies, a.policies)
	role.Inline = slices.Concat(role.Inline, a.inline)
	for _, c := range a.presets {
		role.Presets = append(role.Presets, setup.Preset{Name: c.preset.Name, Answer: c.answer})
	}
	req := a.request(role)
	return Result{Request: req, Profile: a.Profile, Args: a.args(draft)}, req.Check()
}

// args returns the command line that makes the same request: the draft's arguments and
// those for the answers.
func (a *answers) args(draft Draft) []string {
	args := slices.Clone(draft.Args)
	add := func(flag string, values ...string) {
		for _, value := range values {
			args = append(args, flag, value)
		}
	}
	if a.Profile != draft.Profile {
		add("--profile", a.Profile)
	}
	if a.Org != draft.Org {
		add("--org", a.Org)
	}
	if len(draft.Apps) == 0 {
		for _, app := range a.Apps {
			add("--app", app.Name)
		}
	}
	if a.askedNoPatch {
		args = append(args, "--no-patch")
	}
	for i, app := range a.Apps {
		given := i < len(draft.Apps) && draft.Apps[i].Config != ""
		c := a.configAt(app.Config)
		if alone := len(a.Apps) == 1 && c != nil && c.Own; app.Config != "" && !given && !alone {
			add("--config", app.Config)
		}
	}
	if i := slices.Index(args, "--aws-region"); i >= 0 && a.NoPatch && len(a.presets) == 0 {
		args = slices.Delete(args, i, i+2) // there is nothing to write it to
	}
	if a.askedShared {
		add("--role", a.Role.Name)
	}
	add("--policy", a.policies...)
	if len(draft.Role.Presets) == 0 {
		for _, c := range a.presets {
			add("--preset", c.preset.Name+"="+c.answer)
		}
	}
	add("--inline-policy", a.files...)
	if a.askedRegion {
		add("--aws-region", a.Region)
	}
	return args
}
