package wizard

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/fly-aws/fly-aws/internal/flyname"
	"github.com/fly-aws/fly-aws/setup"
)

// An Interview asks the questions in order. What it shows and asks depends only on the
// draft, the sources and the answers so far.
type Interview struct {
	options Options
	sources *cache
	draft   Draft
	ui      frontEnd

	// history holds the answers so far; this pass has used the first used of them.
	history []pastAnswer
	used    int
	// undone holds answers that were taken back, by place and question. They are the
	// initial answers if the question is asked again.
	undone map[string][]string
	// lines are the lines shown in this pass.
	lines []string
}

// A pastAnswer is an answer and the name of its question.
type pastAnswer struct {
	name   string
	answer []string
}

// run makes passes through the questions until all are answered. After a step back it
// starts again with one answer fewer.
func (iv *Interview) run(ctx context.Context, ui frontEnd) (Result, error) {
	iv.ui = ui
	for {
		iv.used, iv.lines = 0, nil
		result, err := iv.pass(ctx)
		if errors.Is(err, ErrBack) {
			iv.history = iv.history[:len(iv.history)-1]
			continue
		}
		return result, err
	}
}

// ask returns the answer to a question, from an earlier pass if there is one.
func (iv *Interview) ask(ctx context.Context, q question) ([]string, error) {
	place := fmt.Sprint(iv.used, " ", q.name)
	if iv.used < len(iv.history) && iv.history[iv.used].name != q.name {
		iv.history = iv.history[:iv.used] // the questions have changed since the last pass
	}
	if iv.used == len(iv.history) {
		if before, ok := iv.undone[place]; ok {
			q.initial = before
		}
		q.first = iv.used == 0
		iv.ui.show(iv.lines)
		answer, err := iv.ui.ask(ctx, q)
		if err != nil {
			return nil, err
		}
		iv.history = append(iv.history, pastAnswer{q.name, answer})
		iv.undone[place] = answer
	}
	answer := iv.history[iv.used].answer
	iv.used++
	iv.line("%s: %s", q.name, iv.options.clean(cmp.Or(q.labels(answer), "none")))
	return answer, nil
}

// askOne is ask for a question with one answer.
func (iv *Interview) askOne(ctx context.Context, q question) (string, error) {
	answer, err := iv.ask(ctx, q)
	if err != nil {
		return "", err
	}
	return answer[0], nil
}

// line shows a line; its arguments must be clean.
func (iv *Interview) line(format string, args ...any) {
	iv.lines = append(iv.lines, fmt.Sprintf(format, args...))
}

// warn shows what could not be looked up. The interview continues unless ctx has ended,
// whose error it returns.
func (iv *Interview) warn(ctx context.Context, what string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	iv.line("! %s: %s", what, iv.options.clean(err.Error()))
	return nil
}

// pass makes one pass through the questions.
func (iv *Interview) pass(ctx context.Context) (Result, error) {
	a, err := newAnswers(iv.draft)
	if err != nil {
		return Result{}, err
	}
	for _, step := range []func(context.Context, *answers) error{
		iv.identity, iv.configs, iv.organization, iv.apps, iv.configFiles, iv.sharing, iv.permissions, iv.region,
	} {
		if err := step(ctx, a); err != nil {
			return Result{}, err
		}
	}
	iv.ui.show(iv.lines)
	result, err := a.result(iv.draft)
	result.Asked = len(iv.history) > 0
	return result, err
}

// identity signs in to AWS. It asks for a profile if there are several and none was
// chosen, or if signing in with the chosen one failed.
func (iv *Interview) identity(ctx context.Context, a *answers) error {
	var profiles []string
	listProfiles := func() error {
		var err error
		if profiles, err = iv.sources.Profiles(ctx); err != nil {
			return iv.warn(ctx, "the AWS profiles could not be listed", err)
		}
		return nil
	}
	if a.Profile == "" {
		if err := listProfiles(); err != nil {
			return err
		}
	}
	choosing := len(profiles) > 1
	for {
		if choosing {
			q := question{
				name: "AWS profile", title: "Which AWS profile?", kind: choose,
				why:     "The role is created in this profile's AWS account.",
				initial: []string{"default"},
			}
			for _, name := range profiles {
				q.options = append(q.options, option{label: iv.options.clean(name), value: name})
			}
			var err error
			if a.Profile, err = iv.askOne(ctx, q); err != nil {
				return err
			}
		}
		iv.ui.wait("signing in to AWS")
		id, err := iv.sources.Identity(ctx, a.Profile)
		if err == nil {
			a.id = id
			account := id.Account
			if id.Alias != "" {
				account += " (" + id.Alias + ")"
			}
			iv.line("AWS account: %s, as %s", iv.options.clean(account), iv.options.clean(id.Caller))
			if id.Note != "" {
				iv.line("%s", iv.options.clean(id.Note))
			}
			return nil
		}
		if profiles == nil {
			if err := listProfiles(); err != nil {
				return err
			}
		}
		if len(profiles) < 2 || iv.options.Strict {
			return err
		}
		if err := iv.warn(ctx, "signing in to AWS failed", err); err != nil {
			return err
		}
		choosing = true
	}
}

// configs looks for config files.
func (iv *Interview) configs(ctx context.Context, a *answers) error {
	iv.ui.wait("looking for the app's fly.toml") // and looking up its organization
	var err error
	if a.configs, err = iv.sources.Configs(ctx); err != nil {
		return iv.warn(ctx, "the config files could not be read", err)
	}
	return nil
}

func (iv *Interview) organization(ctx context.Context, a *answers) error {
	iv.ui.wait("listing your Fly organizations")
	orgs, err := iv.sources.Organizations(ctx)
	if err != nil {
		if err := iv.warn(ctx, "the Fly organization and apps cannot be checked", err); err != nil {
			return err
		}
	}
	if a.offline = err != nil; a.offline {
		orgs = nil
	}
	if a.Org != "" {
		i := slices.IndexFunc(orgs, func(o setup.Organization) bool { return o.RawSlug == a.Org || o.Slug == a.Org })
		if i >= 0 {
			a.Org = orgs[i].RawSlug
		} else if err == nil {
			iv.line("! %s is not one of your Fly organizations", iv.options.clean(a.Org))
		}
		if flyname.CheckOrg(a.Org) == nil {
			if i >= 0 {
				iv.line("Fly organization: %s", iv.orgLabel(orgs[i]))
			} else {
				iv.line("Fly organization: %s", iv.options.clean(a.Org))
			}
			return nil
		}
		// The alias "personal" cannot be resolved.
	}
	if len(orgs) == 1 {
		a.Org = orgs[0].RawSlug
		iv.line("Fly organization: %s", iv.orgLabel(orgs[0]))
	} else {
		q := question{
			name: "Fly organization", title: "Which Fly organization?", kind: choose,
			why: "AWS will trust the tokens that Fly issues for it.",
		}
		for _, o := range orgs {
			q.options = append(q.options, option{label: iv.orgLabel(o), value: o.RawSlug})
		}
		if own := a.own(); own != nil && own.Org != "" {
			q.initial = []string{own.Org}
		}
		if len(orgs) == 0 {
			q.kind, q.title, q.example = enter, "Which Fly organization, by its raw slug?", "acme"
			q.why = `The slug in its tokens. "personal" is an alias, not a raw slug.`
			q.check = func(answer []string) error { return flyname.CheckOrg(answer[0]) }
		}
		if a.Org, err = iv.askOne(ctx, q); err != nil {
			return err
		}
	}
	return flyname.CheckOrg(a.Org)
}

// orgLabel shows an organization by its raw slug.
func (iv *Interview) orgLabel(o setup.Organization) string {
	label := o.RawSlug
	if o.Slug != o.RawSlug {
		label += ", which Fly's tools call " + o.Slug
	}
	if o.Name != "" && o.Name != o.RawSlug {
		label += " (" + o.Name + ")"
	}
	return iv.options.clean(label)
}

func (iv *Interview) apps(ctx context.Context, a *answers) error {
	if len(a.Apps) > 0 {
		var names []string
		for _, app := range a.Apps {
			names = append(names, app.Name)
		}
		iv.line("Fly app: %s", iv.options.clean(list(names)))
		return nil
	}
	var names []string
	if !a.offline {
		iv.ui.wait("listing the apps of the organization")
		all, err := iv.sources.Apps(ctx, a.Org)
		if err != nil {
			if err := iv.warn(ctx, "the apps cannot be checked", err); err != nil {
				return err
			}
		} else if len(all) == 0 {
			iv.line("! the organization has no apps yet")
		}
		var odd []string
		for _, name := range all {
			if flyname.CheckApp(name) == nil {
				names = append(names, name)
			} else {
				odd = append(odd, name)
			}
		}
		if len(odd) > 0 {
			iv.line("! not listed, because a trust policy cannot name them: %s", iv.options.clean(list(odd)))
		}
	}
	q := question{
		name: "Fly app", title: "Which Fly apps may use AWS?", kind: chooseMany,
		why:   "Only machines of these apps can assume the role.",
		check: func(answer []string) error { return a.checkApps(answer) },
	}
	if own := a.own(); own != nil && own.App != "" {
		i := slices.Index(names, own.App)
		switch {
		case i >= 0: // first, so that its mark is visible in a long list
			names = slices.Insert(slices.Delete(slices.Clone(names), i, i+1), 0, own.App)
			q.initial = []string{own.App}
		case len(names) == 0:
			q.initial = []string{own.App}
		default:
			iv.line("! %s is for the app %s, which is not in this organization", iv.options.clean(own.Path), iv.options.clean(own.App))
		}
	}
	if len(names) > listRows {
		q.why += fmt.Sprintf(" There are %d.", len(names))
	}
	for _, name := range names {
		q.options = append(q.options, option{label: name, value: name})
	}
	if len(names) == 0 {
		q.kind, q.example = enter, "web, worker"
		q.check = func(answer []string) error { return a.checkApps(splitList(answer[0])) }
	}
	answer, err := iv.ask(ctx, q)
	if err != nil {
		return err
	}
	if q.kind == enter {
		answer = splitList(answer[0])
	}
	for _, name := range answer {
		a.Apps = append(a.Apps, setup.App{Name: name})
	}
	return nil
}

// configFiles finds the config file of each app.
func (iv *Interview) configFiles(ctx context.Context, a *answers) error {
	if a.NoPatch {
		return nil
	}
	a.Apps = slices.Clone(a.Apps) // they may be the draft's
	var missing []string
	for i, app := range a.Apps {
		if app.Config == "" && !app.IsPattern() {
			if c := a.configOf(app.Name); c != nil {
				a.Apps[i].Config = c.Path
			} else if own := a.own(); len(a.Apps) == 1 && own != nil && own.App == "" {
				a.Apps[i].Config = own.Path // a fly.toml without a name, used with --app as in flyctl
			} else {
				missing = append(missing, app.Name)
			}
		}
	}
	if len(missing) == 0 {
		return nil
	}
	title := "No fly.toml was found for "
	if slices.ContainsFunc(missing, a.hasSeveralConfigs) {
		title = "No fly.toml, or more than one, was found for "
	}
	const leave, give = "leave", "give"
	how, err := iv.askOne(ctx, question{
		name: "fly.toml", kind: choose,
		title: title + iv.options.clean(list(missing)) + ". What now?",
		why:   "The role's ARN goes into each app's fly.toml.",
		options: []option{
			{label: "don't edit; print the lines to add", value: leave},
			{label: "enter the path of each", value: give},
		},
	})
	if err != nil {
		return err
	}
	if how == leave {
		return nil
	}
	for i, app := range a.Apps {
		if app.Config != "" || app.IsPattern() {
			continue
		}
		name := iv.options.clean(app.Name)
		path, err := iv.askOne(ctx, question{
			name: "fly.toml of " + name, title: "Where is the fly.toml of " + name + "?", kind: enter,
			why:     "AWS_ROLE_ARN is added to its [env].",
			example: name + "/fly.toml",
			check: func(answer []string) error {
				c, err := iv.sources.ConfigAt(ctx, answer[0])
				if err != nil {
					return errors.New(iv.options.clean(err.Error()))
				}
				if c.App != app.Name {
					return fmt.Errorf("it is the file of the app %q", c.App)
				}
				if slices.ContainsFunc(a.Apps, func(a setup.App) bool { return a.Config == c.Path }) {
					return errors.New("another app uses this file already")
				}
				return nil
			},
		})
		if err != nil {
			return err
		}
		c, err := iv.sources.ConfigAt(ctx, path)
		if err != nil {
			return err
		}
		a.configs = append(a.configs, c)
		a.Apps[i].Config = c.Path
	}
	return nil
}

// sharing asks whether several apps share a role.
func (iv *Interview) sharing(ctx context.Context, a *answers) error {
	if len(a.Apps) < 2 || a.Role.Name != "" {
		return nil
	}
	const each, shared = "each", "shared"
	how, err := iv.askOne(ctx, question{
		name: "role", title: "One role for each app, or one shared role?", kind: choose,
		why: "With a role for each app, their permissions can differ.",
		options: []option{
			{label: "one for each app", value: each},
			{label: "one shared role", value: shared},
		},
	})
	if err != nil || how == each {
		return err
	}
	a.Role.Name, err = iv.askOne(ctx, question{
		name: "name of the shared role", title: "What should the shared role be named?", kind: enter,
		why:     "The name is part of the role's ARN and cannot be changed later.",
		initial: []string{"fly-" + a.Org}, example: "fly-" + a.Org,
		check: func(answer []string) error {
			role := a.Role
			role.Name = answer[0]
			return a.request(role).Check()
		},
	})
	a.askedShared = true
	return err
}
