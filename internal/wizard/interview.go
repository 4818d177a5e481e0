package wizard

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/fly-aws/fly-aws/internal/flyname"
	"github.com/fly-aws/fly-aws/internal/preset"
	"github.com/fly-aws/fly-aws/setup"
)

// An interview asks the questions in their order. Everything it shows or asks
// follows from the draft, the sources and the answers so far.
type interview struct {
	options Options
	sources *memory
	draft   Draft
	ui      frontEnd
	ctx     context.Context // of run

	// answers are those given; the first of them, up to at, have been used in this
	// pass.
	answers []given
	at      int
	// undone holds answers that were taken back, by their place and question, to
	// stand there already when it is asked again.
	undone map[string][]string
	// lines is what was said and answered in this pass.
	lines []string
}

// given is an answer and the name of its question.
type given struct {
	name   string
	answer []string
}

// run passes through the questions until all are answered. After each step back
// it starts anew with an answer less.
func (iv *interview) run(ctx context.Context, ui frontEnd) (Result, error) {
	iv.ui, iv.ctx, iv.undone = ui, ctx, map[string][]string{}
	for {
		iv.at, iv.lines = 0, nil
		result, err := iv.pass()
		if errors.Is(err, errBack) {
			iv.answers = iv.answers[:len(iv.answers)-1]
			continue
		}
		return result, err
	}
}

// ask gives the answer to a question, the one kept from an earlier pass if there is one.
func (iv *interview) ask(q question) ([]string, error) {
	place := fmt.Sprint(iv.at, " ", q.name)
	if iv.at < len(iv.answers) && iv.answers[iv.at].name != q.name {
		iv.answers = iv.answers[:iv.at] // the world has changed since the last pass
	}
	if iv.at == len(iv.answers) {
		if before, ok := iv.undone[place]; ok {
			q.initial = before
		}
		q.first = iv.at == 0
		iv.ui.tell(iv.lines)
		answer, err := iv.ui.ask(iv.ctx, q)
		if err != nil {
			return nil, err
		}
		iv.answers = append(iv.answers, given{q.name, answer})
		iv.undone[place] = answer
	}
	answer := iv.answers[iv.at].answer
	iv.at++
	iv.line("%s: %s", q.name, iv.options.clean(cmp.Or(q.labels(answer), "none")))
	return answer, nil
}

// askOne is ask for a question that has one answer.
func (iv *interview) askOne(q question) (string, error) {
	answer, err := iv.ask(q)
	if err != nil {
		return "", err
	}
	return answer[0], nil
}

// line adds a line to what the person sees; its arguments are clean.
func (iv *interview) line(format string, args ...any) {
	iv.lines = append(iv.lines, fmt.Sprintf(format, args...))
}

// failed says what could not be looked up; the interview goes on unless it is over.
func (iv *interview) failed(what string, err error) error {
	if iv.ctx.Err() != nil {
		return iv.ctx.Err()
	}
	iv.line("! %s: %s", what, iv.options.clean(err.Error()))
	return nil
}

// pass is one pass through the questions.
func (iv *interview) pass() (Result, error) {
	t := told{Draft: iv.draft}
	for _, step := range []func(*told) error{
		iv.identity, iv.configs, iv.organization, iv.apps, iv.configFiles, iv.sharing, iv.permissions, iv.region,
	} {
		if err := step(&t); err != nil {
			return Result{}, err
		}
	}
	iv.ui.tell(iv.lines)
	result, err := t.result(iv.draft)
	result.Asked = len(iv.answers) > 0
	return result, err
}

// identity signs in to AWS. A profile is asked for where there are several and
// none was chosen, or where the one that was did not do.
func (iv *interview) identity(t *told) error {
	var profiles []string
	look := func() error {
		var err error
		if profiles, err = iv.sources.Profiles(iv.ctx); err != nil {
			return iv.failed("the AWS profiles could not be listed", err)
		}
		return nil
	}
	if t.Profile == "" {
		if err := look(); err != nil {
			return err
		}
	}
	choosing := len(profiles) > 1
	for {
		if choosing {
			q := question{
				name: "AWS profile", title: "Which AWS profile?", kind: choose,
				why:     "It decides in which AWS account the role is made.",
				initial: []string{"default"},
			}
			for _, name := range profiles {
				q.options = append(q.options, option{label: iv.options.clean(name), value: name})
			}
			var err error
			if t.Profile, err = iv.askOne(q); err != nil {
				return err
			}
		}
		iv.ui.busy("signing in to AWS")
		id, err := iv.sources.Identity(iv.ctx, t.Profile)
		if err == nil {
			t.id = id
			account := id.Account
			if id.Alias != "" {
				account += " (" + id.Alias + ")"
			}
			iv.line("AWS account: %s, as %s", iv.options.clean(account), iv.options.clean(id.Caller))
			return nil
		}
		if profiles == nil {
			if err := look(); err != nil {
				return err
			}
		}
		if len(profiles) < 2 || iv.options.Strict {
			return err
		}
		if err := iv.failed("signing in to AWS failed", err); err != nil {
			return err
		}
		choosing = true
	}
}

// configs looks at the config files around.
func (iv *interview) configs(t *told) error {
	iv.ui.busy("looking for the app's fly.toml") // and asking Fly for its organisation
	var err error
	if t.known, err = iv.sources.Configs(iv.ctx); err != nil {
		return iv.failed("the config files could not be read", err)
	}
	return nil
}

func (iv *interview) organization(t *told) error {
	iv.ui.busy("asking Fly for the organisations")
	orgs, err := iv.sources.Organizations(iv.ctx)
	if err != nil {
		if err := iv.failed("the Fly organisation and apps cannot be checked", err); err != nil {
			return err
		}
	}
	if t.offline = err != nil; t.offline {
		orgs = nil
	}
	if t.Org != "" {
		i := slices.IndexFunc(orgs, func(o Organization) bool { return o.RawSlug == t.Org || o.Slug == t.Org })
		if i >= 0 {
			t.Org = orgs[i].RawSlug
		} else if err == nil {
			iv.line("! the organisation %s is not one of yours on Fly", iv.options.clean(t.Org))
		}
		if flyname.CheckOrg(t.Org) == nil {
			if i >= 0 {
				iv.line("Fly organisation: %s", iv.orgLabel(orgs[i]))
			} else {
				iv.line("Fly organisation: %s", iv.options.clean(t.Org))
			}
			return nil
		}
		// Fly's alias for the person's own organisation, and nobody to resolve it.
	}
	if len(orgs) == 1 {
		t.Org = orgs[0].RawSlug
		iv.line("Fly organisation: %s", iv.orgLabel(orgs[0]))
	} else {
		q := question{
			name: "Fly organisation", title: "Which Fly organisation?", kind: choose,
			why: "AWS will trust the tokens that Fly issues for it.",
		}
		for _, o := range orgs {
			q.options = append(q.options, option{label: iv.orgLabel(o), value: o.RawSlug})
		}
		if own := t.own(); own != nil && own.Org != "" {
			q.initial = []string{own.Org}
		}
		if len(orgs) == 0 {
			q.kind, q.title, q.example = enter, "Which Fly organisation, by its raw slug?", "acme"
			q.why = `The slug in its tokens. "personal" is an alias, never the slug.`
			q.check = func(answer []string) error { return flyname.CheckOrg(answer[0]) }
		}
		if t.Org, err = iv.askOne(q); err != nil {
			return err
		}
	}
	return flyname.CheckOrg(t.Org)
}

// orgLabel shows an organisation by the slug that counts.
func (iv *interview) orgLabel(o Organization) string {
	label := o.RawSlug
	if o.Slug != o.RawSlug {
		label += ", which Fly's tools call " + o.Slug
	}
	if o.Name != "" && o.Name != o.RawSlug {
		label += " (" + o.Name + ")"
	}
	return iv.options.clean(label)
}

func (iv *interview) apps(t *told) error {
	if len(t.Apps) > 0 {
		var said []string
		for _, app := range t.Apps {
			said = append(said, app.Name)
		}
		iv.line("Fly app: %s", iv.options.clean(list(said)))
		return nil
	}
	var names []string
	if !t.offline {
		iv.ui.busy("asking Fly for the apps")
		all, err := iv.sources.Apps(iv.ctx, t.Org)
		if err != nil {
			if err := iv.failed("the apps cannot be checked", err); err != nil {
				return err
			}
		} else if len(all) == 0 {
			iv.line("! the organisation has no app yet")
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
			iv.line("! left out, as a trust policy cannot name them: %s", iv.options.clean(list(odd)))
		}
	}
	q := question{
		name: "Fly app", title: "Which Fly apps may use AWS?", kind: chooseMany,
		why:   "Only machines of these apps can assume the role.",
		check: func(answer []string) error { return t.checkApps(answer) },
	}
	if own := t.own(); own != nil && own.App != "" {
		i := slices.Index(names, own.App)
		switch {
		case i >= 0: // first, so that the mark on it is seen however long the list is
			names = slices.Insert(slices.Delete(slices.Clone(names), i, i+1), 0, own.App)
			q.initial = []string{own.App}
		case len(names) == 0:
			q.initial = []string{own.App}
		default:
			iv.line("! %s is for the app %s, which is not of this organisation", iv.options.clean(own.Path), iv.options.clean(own.App))
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
		q.check = func(answer []string) error { return t.checkApps(splitList(answer[0])) }
	}
	answer, err := iv.ask(q)
	if err != nil {
		return err
	}
	if q.kind == enter {
		answer = splitList(answer[0])
	}
	for _, name := range answer {
		t.Apps = append(t.Apps, setup.App{Name: name})
	}
	return nil
}

// configFiles finds the config file of each app.
func (iv *interview) configFiles(t *told) error {
	if t.NoPatch {
		return nil
	}
	t.Apps = slices.Clone(t.Apps) // they may be the draft's own
	var missing []string
	for i, app := range t.Apps {
		if app.Config == "" {
			if c := t.configOf(app.Name); c != nil {
				t.Apps[i].Config = c.Path
			} else if own := t.own(); len(t.Apps) == 1 && own != nil && own.App == "" {
				t.Apps[i].Config = own.Path // a fly.toml without a name, as flyctl has it with --app
			} else {
				missing = append(missing, app.Name)
			}
		}
	}
	if len(missing) == 0 {
		return nil
	}
	what := "No fly.toml"
	if slices.ContainsFunc(missing, t.several) {
		what = "Not one fly.toml but several, or none,"
	}
	const leave, give = "leave", "give"
	how, err := iv.askOne(question{
		name: "fly.toml", kind: choose,
		title: what + " is known for " + iv.options.clean(list(missing)) + ". What to do?",
		why:   "The role's ARN goes into each app's fly.toml.",
		options: []option{
			{label: "leave every fly.toml alone, and show the ARN at the end", value: leave},
			{label: "tell where each is", value: give},
		},
	})
	if err != nil {
		return err
	}
	if how == leave {
		t.NoPatch, t.askedNoPatch = true, true
		for i := range t.Apps {
			t.Apps[i].Config = ""
		}
		return nil
	}
	for i, app := range t.Apps {
		if app.Config != "" {
			continue
		}
		name := iv.options.clean(app.Name)
		path, err := iv.askOne(question{
			name: "fly.toml of " + name, title: "Where is the fly.toml of " + name + "?", kind: enter,
			why:     "AWS_ROLE_ARN is written into it, and nothing else is changed.",
			example: name + "/fly.toml",
			check: func(answer []string) error {
				c, err := iv.sources.ConfigAt(iv.ctx, answer[0])
				if err != nil {
					return errors.New(iv.options.clean(err.Error()))
				}
				if c.App != app.Name {
					return fmt.Errorf("it is for the app %q", c.App)
				}
				if slices.ContainsFunc(t.Apps, func(a setup.App) bool { return a.Config == c.Path }) {
					return errors.New("it is the file of another app already")
				}
				return nil
			},
		})
		if err != nil {
			return err
		}
		c, err := iv.sources.ConfigAt(iv.ctx, path)
		if err != nil {
			return err
		}
		t.known = append(t.known, c)
		t.Apps[i].Config = c.Path
	}
	return nil
}

// sharing asks, for several apps, whether they share a role.
func (iv *interview) sharing(t *told) error {
	if len(t.Apps) < 2 || t.Role.Name != "" {
		return nil
	}
	const each, shared = "each", "shared"
	how, err := iv.askOne(question{
		name: "role", title: "One role for each app, or one for all?", kind: choose,
		why: "With one for each, permissions can differ later on.",
		options: []option{
			{label: "one for each app", value: each},
			{label: "one that all of them share", value: shared},
		},
	})
	if err != nil || how == each {
		return err
	}
	t.Role.Shared = true
	t.Role.Name, err = iv.askOne(question{
		name: "name of the shared role", title: "What shall the shared role be called?", kind: enter,
		why:     "The name is part of the role's ARN and cannot change later.",
		initial: []string{"fly-" + t.Org},
		check: func(answer []string) error {
			role := t.Role
			role.Name = answer[0]
			return t.request(role).Check()
		},
	})
	t.askedShared = true
	return err
}

// region asks for the AWS region, if one has to be written or known.
func (iv *interview) region(t *told) error {
	if t.Region != "" {
		return nil
	}
	write := false
	var has, hasIt, near, nearTo string
	for _, app := range t.Apps {
		c := t.configAt(app.Config)
		switch {
		case c == nil:
		case c.AWSRegion == "":
			write = true
			if n := nearestRegion(c.PrimaryRegion); near == "" && n != "" {
				near, nearTo = n, c.PrimaryRegion
			}
		case setup.RegionLike(c.AWSRegion) && has == "":
			has, hasIt = c.AWSRegion, iv.options.clean(c.Path)
		}
	}
	suggestion, source := "", ""
	switch {
	case has != "":
		suggestion, source = has, "from "+hasIt
	case near != "":
		suggestion, source = near, "nearest to the app's primary region, "+nearTo
	case setup.RegionLike(t.id.Region):
		suggestion, source = t.id.Region, "from your AWS configuration"
	}
	need := slices.ContainsFunc(t.chosen, func(c choice) bool { return c.preset.NeedsRegion(c.answer) })
	if !write && !need {
		return nil
	}
	q := question{
		name: "AWS region", title: "Which AWS region?", kind: enter,
		why:      "Fly sets no AWS_REGION, and every AWS SDK needs one.",
		example:  "eu-central-1",
		optional: !need,
		check: func(answer []string) error {
			if !setup.RegionLike(answer[0]) {
				return errors.New("an AWS region looks like eu-central-1")
			}
			return nil
		},
	}
	if !write {
		q.why = "The resources that the policy names are in it."
	}
	if suggestion != "" {
		q.initial = []string{suggestion}
		q.why += " Suggested: " + source + "."
	}
	var err error
	t.Region, err = iv.askOne(q)
	t.askedRegion = err == nil && t.Region != ""
	return err
}

// presetOf finds the choice of a draft's preset.
func presetOf(text string) (choice, error) {
	p, answer, err := preset.Parse(text)
	return choice{preset: p, answer: answer}, err
}
