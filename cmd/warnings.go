package cmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/fly-aws/fly-aws/internal/flyapi"
	"github.com/fly-aws/fly-aws/internal/render"
	"github.com/fly-aws/fly-aws/setup"
)

// warn looks for what around the request keeps its roles from working, and adds
// it to the plan. Nothing of it is changed.
func (e *engine) warn(ctx context.Context, req setup.Request, plan *setup.Plan) error {
	found := setup.State{}
	if around := req.Surroundings(); len(around) > 0 {
		var err error
		if found, err = setup.Observe(ctx, e.targets, around); err != nil {
			return err
		}
	}
	plan.Warnings = append(req.Warnings(found, e.fly.answer.apps), e.flyWarnings(req)...)
	return nil
}

// words puts a warning into words: what it is, more about it, and what to do.
func (e *engine) words(w setup.Warning) render.WarningText {
	t := render.WarningText{}
	apps := w.Apps
	app := strings.Join(apps, ", ")
	switch w.Code {
	case setup.WarningNoRegion:
		t.Message = w.Config + " sets no AWS_REGION, nor does Fly, but every AWS SDK needs one"
		t.Fix = "add --aws-region with yours, such as eu-central-1"
	case setup.WarningOddRegion:
		t.Message = fmt.Sprintf("AWS_REGION is %q in %s, which is no AWS region: AWS calls will fail", w.Value, w.Config)
		t.Fix = "change it there; what is in a fly.toml is left as it is"
	case setup.WarningShadowed:
		t.Message = strings.Join(w.Names, ", ") + " in " + w.Config + ": comes before the role in every AWS SDK"
		t.Fix = "remove it there"
	case setup.WarningSecrets:
		t = secretWords(app, w.Names)
	case setup.WarningUnchecked:
		t.Message = "not checked with Fly: the organisation and the secrets of " + render.Apps(apps)
		t.Details = wrap(w.Cause)
		t.Fix = e.flyHint()
	case setup.WarningHiddenSecrets:
		t.Message = "not checked with Fly: the secrets of " + render.Apps(apps)
		t.Details = wrap(w.Cause)
		t.Fix = "look for AWS_ among them with: fly secrets list -a " + shellWord(app)
	case setup.WarningUnproven:
		t.Message = "not proven by a token of a machine: " + render.Apps(apps)
		t.Details = wrap(w.Cause)
		t.Fix = "start a machine that has curl, and use a token that may run commands in it"
		var failed *flyapi.Error
		if errors.As(e.fly.unproven[apps[0]], &failed) && failed.Kind != flyapi.KindNotAllowed {
			t.Fix = cmp.Or(flyNext(failed), t.Fix)
		} else if hint := e.flyHint(); failed == nil && hint != "" {
			t.Fix = hint
		}
	}
	return t.Clean()
}

// secretWords names what secrets do to a role, and who else uses them.
func secretWords(app string, names []string) render.WarningText {
	by := map[setup.SecretEffect][]string{}
	for _, name := range names {
		effect := setup.EffectOfSecret(name)
		by[effect] = append(by[effect], name)
	}
	// What a role or a region of a secret is, Fly tells nobody.
	verb := "may keep"
	if len(by[setup.SecretShadows])+len(by[setup.SecretEndpoint]) > 0 {
		verb = "keep"
	}
	words := make([]string, len(names))
	for i, name := range names {
		words[i] = shellWord(name)
	}
	t := render.WarningText{
		Message: "secrets of the app " + app + " " + verb + " the role from working",
		Fix:     "fly secrets unset " + strings.Join(words, " ") + " -a " + shellWord(app),
	}
	for _, kind := range []struct {
		effect setup.SecretEffect
		words  string
	}{
		{setup.SecretShadows, "before the role in every AWS SDK"},
		{setup.SecretRole, "overrides the one in fly.toml"},
		{setup.SecretRegion, "overrides fly.toml; Tigris's is auto, which is no AWS region"},
		{setup.SecretEndpoint, "sends calls elsewhere than to AWS"},
	} {
		if set := by[kind.effect]; len(set) > 0 {
			t.Details = append(t.Details, wrap(strings.Join(set, ", ")+": "+kind.words)...)
		}
	}
	if slices.ContainsFunc(names, ofTigris) {
		t.Details = append(t.Details,
			"fly storage create sets such secrets for a Tigris bucket: before they go,",
			"what uses the bucket has to read its keys from secrets of other names")
	}
	return t
}

// ofTigris says whether fly storage create sets a secret of that name, other than
// AWS_REGION (https://fly.io/docs/tigris/).
func ofTigris(name string) bool {
	return name == "AWS_ACCESS_KEY_ID" || name == "AWS_SECRET_ACCESS_KEY" || name == "AWS_ENDPOINT_URL_S3"
}

// lineWidth is that of a warning's details: a terminal's 80 columns without the
// indentation.
const lineWidth = 76

// wrap breaks a sentence at blanks into lines; a word is never broken.
func wrap(text string) []string {
	var lines []string
	for _, word := range strings.Fields(render.Clean(text)) {
		if n := len(lines); n > 0 && utf8.RuneCountInString(lines[n-1])+1+utf8.RuneCountInString(word) <= lineWidth {
			lines[n-1] += " " + word
		} else {
			lines = append(lines, word)
		}
	}
	return lines
}

// flyHint is the next step for a failure with Fly, if there is one.
func (e *engine) flyHint() string { return hintOf(e.fly.failure()) }

func hintOf(err error) string {
	var failed *flyapi.Error
	if !errors.As(err, &failed) {
		return ""
	}
	return flyNext(failed)
}

// flyNext is the one next step after a failure with Fly, by its kind.
func flyNext(e *flyapi.Error) string {
	switch e.Kind {
	case flyapi.KindNotSignedIn:
		return "sign in: fly auth login; in CI FLY_API_TOKEN from fly tokens create readonly"
	case flyapi.KindSignIn, flyapi.KindToken:
		switch e.Source {
		case flyapi.SourceCommandLine:
			return "pass another token with --access-token, or none, for the one that flyctl uses"
		case flyapi.SourceAccessToken, flyapi.SourceAPIToken:
			return "unset " + string(e.Source) + ", or give it another token"
		}
		return "sign in again with: fly auth login"
	case flyapi.KindEndpoint:
		return "unset FLY_API_BASE_URL and FLY_FLAPS_BASE_URL, or correct them"
	case flyapi.KindNotAllowed:
		return "sign in: fly auth login, or use a token of: fly tokens create readonly"
	case flyapi.KindElsewhere:
		return "use a token of the app's organisation: fly tokens create readonly -o <org>"
	case flyapi.KindNotFound:
		return "look at: fly apps list"
	case flyapi.KindRateLimited, flyapi.KindDown, flyapi.KindTimeout:
		return "try again later; https://status.flyio.net knows of outages"
	case flyapi.KindUnreachable:
		return "check the network, a proxy in the environment, and FLY_API_BASE_URL if it is set"
	case flyapi.KindRefused, flyapi.KindUnexpected:
		return "https://status.flyio.net knows of outages; --org and --app do without Fly"
	}
	return ""
}

// warnings are those of a plan in words.
func (e *engine) warnings(plan *setup.Plan) []render.WarningDocument {
	docs := make([]render.WarningDocument, len(plan.Warnings))
	for i, w := range plan.Warnings {
		docs[i] = render.WarningDocument{Warning: w, WarningText: e.words(w)}
	}
	return docs
}

// maxAlike is how many warnings of one kind are shown.
const maxAlike = 5

// showWarnings shows a plan's warnings. With --strict they are an error.
func (e *engine) showWarnings(plan *setup.Plan) error {
	docs := e.warnings(plan)
	if e.json {
		if e.strict && len(docs) > 0 {
			return &strictError{warnings: docs}
		}
		return nil // the document has them
	}
	shown, alike := 0, map[setup.WarningCode]int{}
	for _, doc := range docs {
		if alike[doc.Code]++; alike[doc.Code] <= maxAlike {
			render.Warning(e.sys.Stdout, doc.WarningText, e.out)
			shown++
		}
	}
	if more := len(docs) - shown; more > 0 {
		render.Warning(e.sys.Stdout, render.WarningText{Message: fmt.Sprintf("and %d more warnings of these kinds; --json has them all", more)}, e.out)
	}
	if e.strict && len(docs) > 0 {
		return &strictError{warnings: docs, shown: true}
	}
	return nil
}

// A strictError is warnings that --strict makes errors.
type strictError struct {
	warnings []render.WarningDocument
	// shown says that they have been shown as warnings.
	shown bool
}

func (e *strictError) Error() string {
	return render.Count(len(e.warnings), "warning") + " with --strict: nothing was written"
}

// message has a line for each warning that was not shown, with what is known of
// it, and one for all.
func (e *strictError) message() string {
	if e.shown {
		return e.Error()
	}
	var out []string
	for _, w := range e.warnings {
		line := w.Message
		if len(w.Details) > 0 {
			line += " (" + strings.Join(w.Details, " ") + ")"
		}
		out = append(out, line)
	}
	return strings.Join(append(out, e.Error()), "\n")
}

// hints are what to do about those that were not shown, each once.
func (e *strictError) hints() []string {
	if e.shown {
		return nil
	}
	var out []string
	for _, w := range e.warnings {
		if w.Fix != "" && !slices.Contains(out, w.Fix) {
			out = append(out, w.Fix)
		}
	}
	return out
}
