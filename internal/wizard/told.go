package wizard

import (
	"slices"

	"github.com/fly-aws/fly-aws/internal/preset"
	"github.com/fly-aws/fly-aws/setup"
)

// told is what has been said in one pass: the draft, and what was asked.
type told struct {
	Draft
	id Identity
	// known are the config files.
	known []Config
	// offline says that Fly does not answer.
	offline bool

	// What was asked for permissions, and the draft's presets in chosen.
	policies []string
	chosen   []choice
	inline   []setup.InlinePolicy
	files    []string // of inline
	// What else was asked, as it is to stand in the command line.
	askedShared, askedNoPatch, askedRegion bool
}

// A choice is a preset with its answer.
type choice struct {
	preset preset.Preset
	answer string
}

// own is the folder's own config file, or nil.
func (t *told) own() *Config {
	for i, c := range t.known {
		if c.Own {
			return &t.known[i]
		}
	}
	return nil
}

// configOf is the config file of an app: the folder's own, else the only one that
// is known; nil where there is none or several.
func (t *told) configOf(app string) *Config {
	var found *Config
	for i, c := range t.known {
		switch {
		case c.App != app:
		case c.Own:
			return &t.known[i]
		case found != nil:
			return nil
		default:
			found = &t.known[i]
		}
	}
	return found
}

// several says whether more than one config file names the app.
func (t *told) several(app string) bool {
	n := 0
	for _, c := range t.known {
		if c.App == app {
			n++
		}
	}
	return n > 1
}

// configAt is the config file at a path, or nil.
func (t *told) configAt(path string) *Config {
	for i, c := range t.known {
		if path != "" && c.Path == path {
			return &t.known[i]
		}
	}
	return nil
}

// request is what the answers so far amount to, with that role for each app.
func (t *told) request(role setup.RoleRequest) setup.Request {
	req := setup.Request{Org: t.Org, Audience: t.Audience, Adopt: t.Adopt}
	for _, app := range t.Apps {
		app.Machines, app.Role = t.Machines, role
		if app.Config != "" {
			app.Region = t.Region
		}
		req.Apps = append(req.Apps, app)
	}
	return req
}

// checkApps says why apps of these names cannot be, the names of their roles included.
func (t *told) checkApps(names []string) error {
	with := *t
	with.Apps = nil
	for _, name := range names {
		with.Apps = append(with.Apps, setup.App{Name: name})
	}
	return with.request(t.Role).Check()
}

// result is what all the answers amount to. Its errors are those of the draft;
// answers were checked when they were given.
func (t *told) result(draft Draft) (Result, error) {
	role := t.Role
	role.Policies = slices.Concat(role.Policies, t.policies)
	role.Inline = slices.Concat(role.Inline, t.inline)
	scope := preset.Scope{Partition: t.id.Partition, Account: t.id.Account, Region: t.Region}
	for _, c := range t.chosen {
		name, doc, err := c.preset.Policy(scope, c.answer)
		if err != nil {
			return Result{}, err
		}
		role.Inline = append(role.Inline, setup.InlinePolicy{
			Name: name, Document: doc, Source: "preset " + c.preset.Name + "=" + c.answer,
		})
	}
	req := t.request(role)
	return Result{Request: req, Profile: t.Profile, Args: t.args(draft)}, req.Check()
}

// args is the command line that says it all: what it said already, and what was
// asked.
func (t *told) args(draft Draft) []string {
	args := slices.Clone(draft.Args)
	add := func(flag string, values ...string) {
		for _, value := range values {
			args = append(args, flag, value)
		}
	}
	if t.Profile != draft.Profile {
		add("--profile", t.Profile)
	}
	if t.Org != draft.Org {
		add("--org", t.Org)
	}
	if len(draft.Apps) == 0 {
		for _, app := range t.Apps {
			add("--app", app.Name)
		}
	}
	if t.askedNoPatch {
		args = append(args, "--no-patch")
	}
	for i, app := range t.Apps {
		said := i < len(draft.Apps) && draft.Apps[i].Config != ""
		c := t.configAt(app.Config)
		if alone := len(t.Apps) == 1 && c != nil && c.Own; app.Config != "" && !said && !alone {
			add("--config", app.Config)
		}
	}
	if i := slices.Index(args, "--aws-region"); i >= 0 && t.NoPatch && len(t.chosen) == 0 {
		args = slices.Delete(args, i, i+2) // there is nothing to write it to
	}
	if t.askedShared {
		add("--shared-role", t.Role.Name)
	}
	add("--policy", t.policies...)
	if len(draft.Presets) == 0 {
		for _, c := range t.chosen {
			add("--preset", c.preset.Name+"="+c.answer)
		}
	}
	add("--inline-policy", t.files...)
	if t.askedRegion {
		add("--aws-region", t.Region)
	}
	return args
}
