package cmd

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/fly-aws/fly-aws/internal/awsapi"
	"github.com/fly-aws/fly-aws/internal/explain"
	"github.com/fly-aws/fly-aws/internal/flyapi"
	"github.com/fly-aws/fly-aws/internal/flyname"
	"github.com/fly-aws/fly-aws/internal/flyoidc"
	"github.com/fly-aws/fly-aws/internal/preset"
	"github.com/fly-aws/fly-aws/internal/render"
	"github.com/fly-aws/fly-aws/internal/wizard"
	"github.com/fly-aws/fly-aws/internal/workdir"
	"github.com/fly-aws/fly-aws/setup"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

// A usageError is a command line that cannot be used.
type usageError struct {
	err  error
	hint string
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usagef(hint, format string, args ...any) error {
	return &usageError{err: fmt.Errorf(format, args...), hint: hint}
}

func asUsage(err error) error {
	var usage *usageError
	if errors.As(err, &usage) {
		return err
	}
	return &usageError{err: err, hint: "see fly-aws --help"}
}

// A hinted error knows its own next step.
type hintedError struct {
	err  error
	hint string
}

func (e *hintedError) Error() string { return e.err.Error() }
func (e *hintedError) Unwrap() error { return e.err }

// problemOf turns an error into what a person or script is told: the one table of
// words, hints and exit codes. A hint about a flag is given only if the verb has it.
func problemOf(ctx context.Context, err error, has func(flag string) bool) render.Problem {
	p := render.Problem{Code: "failed", Exit: exitFailed, Message: lines(err)}
	hint := func(format string, args ...any) {
		p.Hints = append(p.Hints, render.Clean(fmt.Sprintf(format, args...)))
	}
	hintFor := func(flag, format string, args ...any) {
		if has(flag) {
			hint(format, args...)
		}
	}
	hintConfig := func(text string) {
		if has("no-patch") {
			text += ", or leave fly.toml alone with --no-patch"
		}
		hintFor("config", "%s", text)
	}
	set := func(code string, exit int) { p.Code, p.Exit = code, exit }

	var (
		usage       *usageError
		hinted      *hintedError
		invalid     *setup.InvalidError
		conflict    *setup.ConflictError
		stale       *setup.StaleError
		size        *setup.SizeError
		creds       *awsapi.CredentialsError
		denied      *awsapi.DeniedError
		throttled   *awsapi.ThrottledError
		unreachable *awsapi.UnreachableError
		unknown     *awsapi.UnknownPolicyError
		ambiguous   *awsapi.AmbiguousPolicyError
		mismatch    *awsapi.MismatchError
		missing     *workdir.NotFoundError
		format      *workdir.FormatError
		otherApp    *workdir.OtherAppError
		mint        *flyoidc.MintError
		refused     *refusedError
		noCommand   *noCommandError
		fly         *flyapi.Error
		otherOrg    *setup.OtherOrgError
		severalOrgs *setup.SeveralOrgsError
		mismatched  *tokenMismatchError
		strict      *strictError
		presetErr   *preset.Error
		input       *wizard.InputError
		sharedFile  *awsapi.ConfigFileError
	)
	switch {
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		set("interrupted", exitInterrupted)
		p.Message = "interrupted"
		if errors.As(err, &hinted) {
			hint("%s", hinted.hint)
		} else {
			hint("nothing was written")
		}
		return p
	case errors.As(err, &input):
		set("no-answer", exitUsage)
		if input.Question == confirmation {
			hint("pass --yes to apply the plan without being asked")
		} else {
			hint("answer it, or say it with a flag: see fly-aws setup --help")
		}
	case errors.As(err, &strict):
		set("warnings", exitFailed)
		p.Message = strict.message()
		p.Hints = strict.hints()
	case errors.As(err, &mismatched):
		set("token-mismatch", exitFailed)
		p.Message = render.Clean(mismatched.Error())
		for _, line := range mismatched.differences() {
			p.Message += "\n" + render.Clean(line)
		}
		if next := mismatched.hint(); next != "" {
			hint("%s", next)
		}
	case errors.As(err, &otherOrg):
		set("other-org", exitFailed)
		hintFor("org", "pass --org %s, or another --app; each organisation takes a run of its own", shellWord(otherOrg.Have))
	case errors.As(err, &severalOrgs):
		set("several-orgs", exitFailed)
		hint("run it once for each organisation, with its apps")
	case errors.As(err, &sharedFile):
		set("aws-config", exitFailed)
		hint("mend the file, or choose a profile with --profile")
	case errors.As(err, &invalid), errors.As(err, &usage):
		set("usage", exitUsage)
		if invalid != nil {
			p.Code = "invalid"
		}
		p.Message, p.Hints = explainUsage(err, has)
	case errors.As(err, &presetErr):
		set("invalid", exitUsage)
		p.Message = render.Clean(fmt.Sprintf("--preset %q: %s", strings.TrimSuffix(presetErr.Preset+"="+presetErr.Answer, "="), presetErr.Reason))
		if _, found := preset.Find(presetErr.Preset); !found {
			hint("there are %s", presetNames())
		}
	case errors.As(err, &conflict):
		set("conflict", exitFailed)
		p.Message, p.Hints = explainConflict(conflict)
	case errors.As(err, &stale):
		set("stale", exitFailed)
		p.Message = render.NameOf(stale.ID) + " changed after the plan was made: " + render.Clean(stale.Reason)
		if has("yes") {
			hint("run the same command again; nothing that changed was overwritten")
		} else {
			hint("make a new plan; nothing that changed was overwritten")
		}
		return p
	case errors.As(err, &size):
		set("trust-policy-size", exitFailed)
		hintFor("shared-role", "leave --shared-role away, so that each app gets a role of its own, or split the apps over several shared roles")
		hint("or have the quota raised: aws service-quotas request-service-quota-increase --service-code iam --quota-code L-C07B4B0D --desired-value %d --region us-east-1", quotaFor(size.Size))
	case errors.As(err, &creds):
		set("no-credentials", exitNotAllowed)
		p.Hints = credentialHints(creds, has)
	case errors.As(err, &denied):
		set("access-denied", exitNotAllowed)
		if denied.Action != "" {
			hint("let the caller do %s, or use other credentials", denied.Action)
		}
	case errors.As(err, &throttled):
		set("throttled", exitFailed)
		hint("run the same command again later; it picks up where it stopped")
	case errors.As(err, &unreachable):
		set("unreachable", exitFailed)
		hint("check the network, a proxy in the environment, and AWS_ENDPOINT_URL if it is set")
	case errors.As(err, &unknown):
		set("unknown-policy", exitUsage)
		if len(unknown.Similar) > 0 {
			hint("did you mean %s?", strings.Join(unknown.Similar, " or "))
		} else {
			hint("list the names with: aws iam list-policies --query 'Policies[].PolicyName'")
		}
	case errors.As(err, &ambiguous):
		set("ambiguous-policy", exitUsage)
		hint("give the ARN: %s", strings.Join(ambiguous.ARNs, " or "))
	case errors.As(err, &mismatch):
		set(mismatch.What+"-mismatch", exitUsage)
		hint("sign in to the other %s, or give an ARN of this one", mismatch.What)
	case errors.As(err, &noCommand):
		set("no-command", exitNoCommand)
		hint("is it installed, and in PATH?")
	case errors.As(err, &refused):
		set("refused", exitFailed)
		p.Hints = refused.hints()
	case errors.As(err, &mint):
		set("no-token", exitFailed)
		if mint.Kind == flyoidc.MintNotAllowed {
			p.Exit = exitNotAllowed
		}
		if next := mintHint(mint); next != "" {
			hint("%s", next)
		}
	case errors.As(err, &fly):
		set("fly-"+string(fly.Kind), exitFailed)
		switch fly.Kind {
		case flyapi.KindNotSignedIn, flyapi.KindToken, flyapi.KindNotAllowed, flyapi.KindElsewhere:
			p.Exit = exitNotAllowed
		}
		if next := flyNext(fly); next != "" {
			hint("%s", next)
		}
	case errors.As(err, &missing):
		set("config-not-found", exitFailed)
		hintConfig("name the file with --config")
	case errors.As(err, &format):
		set("config-format", exitFailed)
	case errors.As(err, &otherApp):
		set("config-of-other-app", exitFailed)
		hintConfig("name the app's own file with --config")
	}
	if errors.As(err, &hinted) {
		hint("%s", hinted.hint)
	}
	return p
}

func presetNames() string {
	var names []string
	for _, p := range preset.All() {
		names = append(names, p.Name)
	}
	return strings.Join(names, ", ")
}

// lines puts the errors joined in err below one another, each once.
func lines(err error) string {
	var out []string
	for _, e := range flatten(err) {
		if line := render.Clean(e.Error()); !slices.Contains(out, line) {
			out = append(out, line)
		}
	}
	return strings.Join(out, "\n")
}

// quotaFor is a quota of the trust policy's size that is enough.
func quotaFor(size int) int {
	return min((size/1024+1)*1024, trustpolicy.MaxSizeQuota)
}

// flagOf names the flag that fills a field of a request.
func flagOf(f setup.Field) string {
	if f == setup.FieldRegion {
		return "--aws-region"
	}
	return "--" + string(f)
}

// explainUsage puts all that is wrong with a command line into one message.
func explainUsage(err error, has func(flag string) bool) (message string, hints []string) {
	var out []string
	hint := func(text string) {
		if text = render.Clean(text); text != "" && !slices.Contains(hints, text) {
			hints = append(hints, text)
		}
	}
	for _, e := range flatten(err) {
		var invalid *setup.InvalidError
		var name *flyname.NameError
		var usage *usageError
		switch {
		case errors.As(e, &usage):
			text := hideTokens(unknownFlag(usage))
			out = append(out, render.Clean(text))
			if text != usage.Error() && strings.Contains(text, hiddenToken) {
				hint("a token of several words takes quotes: -t 'FlyV1 ...'")
			}
			hint(usage.hint)
			continue
		case !errors.As(e, &invalid): // what is wrong besides
			other := problemOf(context.Background(), e, has)
			out = append(out, other.Message)
			for _, text := range other.Hints {
				hint(text)
			}
			continue
		case invalid.Missing:
			out = append(out, render.Clean(flagOf(invalid.Field)+" is missing: "+invalid.Reason))
		case invalid.Default:
			out = append(out, render.Clean(fmt.Sprintf("the default role name %q: %s", invalid.Value, invalid.Reason)))
		default:
			out = append(out, render.Clean(fmt.Sprintf("%s %q: %s", flagOf(invalid.Field), invalid.Value, invalid.Reason)))
		}
		switch {
		case errors.As(e, &name) && name.IsAlias():
			if has("access-token") {
				hint(flyNext(&flyapi.Error{Kind: flyapi.KindNotSignedIn})) // then Fly tells it
			}
			for _, text := range findRawSlug {
				hint(text)
			}
		case invalid.Missing && invalid.Field == setup.FieldOrg:
			hint("pass --org with a slug of: fly orgs list (for personal the real one behind it)")
		case invalid.Missing && invalid.Field == setup.FieldApp && has("config"):
			hint("pass --app, or --config with the app's fly.toml")
		case invalid.Missing && invalid.Field == setup.FieldApp:
			hint("pass --app")
		case invalid.NotShared:
			hint("pass --shared-role instead of --role-name, so that all the apps use one role")
		case invalid.Field == setup.FieldRoleName:
			hint("choose a name with --role-name, or for several apps one with --shared-role")
		case invalid.Field == setup.FieldInline && invalid.Err == nil:
			hint("the file's name becomes the policy's: rename the file")
		}
	}
	return strings.Join(out, "\n"), hints
}

// hiddenToken stands for a token of Fly's that somebody typed in the wrong place.
const hiddenToken = "[token]"

// hideTokens takes Fly's tokens out of what repeats the command line: a token that
// is given without quotes is cut at its blanks.
func hideTokens(text string) string {
	return regexp.MustCompile(`(fm1[ra]|fm2|fo1)_[^\s"']*`).ReplaceAllString(text, hiddenToken)
}

// unknownFlag is the message of a usage error. The letters behind an unknown flag
// of one letter are left away, since they may be its value: -tSECRET.
func unknownFlag(err error) string {
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() != "" {
		return "unknown flag: -" + unknown.GetSpecifiedName()
	}
	return err.Error()
}

// findRawSlug says where the slug stands that Fly's tokens carry; no output of
// flyctl has it (superfly/flyctl, GraphQL field rawSlug).
var findRawSlug = []string{
	"the real slug ends iss in a token of its Machines: run fly-aws token there, or",
	"fly ssh console -C 'curl -s --unix-socket /.fly/api http://localhost/v1/tokens/oidc -d {}'",
	"https://api.fly.io/graphql tells it too: {organizations{nodes{slug rawSlug}}}",
}

// flatten returns the errors joined in err.
func flatten(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var out []error
	for _, e := range joined.Unwrap() {
		out = append(out, flatten(e)...)
	}
	return out
}

// explainConflict names what stands in the way and the ways out.
func explainConflict(e *setup.ConflictError) (message string, hints []string) {
	var names []string
	said := map[string]bool{}
	for _, c := range e.Conflicts {
		names = append(names, render.Name(*c.After))
		for _, r := range c.Reasons {
			hint := conflictHint(c, r)
			if !said[hint] {
				hints = append(hints, render.Clean(hint))
			}
			said[hint] = true
		}
	}
	return "conflict: " + render.Apps(names) + "; nothing was written", hints
}

func conflictHint(c setup.Change, r setup.Reason) string {
	switch r.Code {
	case setup.ReasonForeignRole:
		return "take the role over with --adopt: fly-aws adds its own statement beside what is there; or choose another with --role-name"
	case setup.ReasonSharedAudience:
		return "pass --audience " + r.Have + ", or choose another role with --shared-role"
	case setup.ReasonOtherApp:
		if r.Want == "" {
			return "share the role from now on with --adopt, or choose another name with --shared-role"
		}
		return "choose another with --role-name, or let the apps share one with --shared-role"
	case setup.ReasonOtherOrg:
		return "choose another with --role-name"
	case setup.ReasonOtherPath:
		return "pass --path " + r.Have + ", or choose another with --role-name"
	case setup.ReasonNameCase:
		return "pass --role-name " + r.Have + ", or choose another"
	case setup.ReasonDocument:
		return "the role has an inline policy " + c.After.Policy.Name + " already: rename your file, which names the policy"
	}
	return "look at the resource in the AWS console"
}

func credentialHints(e *awsapi.CredentialsError, has func(flag string) bool) []string {
	login := "aws sso login"
	if e.Profile != "" {
		login += " --profile " + e.Profile
	}
	switch e.Kind {
	case "expired-sso":
		return []string{"sign in again: " + render.Clean(login)}
	case "expired":
		return []string{"the temporary credentials have ended: sign in again, or get new ones"}
	case "invalid":
		return []string{"check who you are with: aws sts get-caller-identity"}
	case "profile":
		return []string{"list the profiles with: aws configure list-profiles"}
	}
	if !has("profile") {
		return []string{"sign in with: aws sso login, or aws configure"}
	}
	return []string{"sign in with: aws sso login, or aws configure; or name a profile with --profile"}
}

// hints puts STS's refusal into words, and names what tells more: AWS gives no
// cause, and the trust policy can be read only where somebody is signed in.
func (e *refusedError) hints() []string {
	meaning := explain.ErrorText(e.refusal.Code + ": " + e.refusal.Message)
	hints := render.MeaningWords(meaning)
	token, _ := flyoidc.Inspect(e.exchange.Token)
	if token == nil {
		return hints
	}
	subject, isFly := flyname.ParseSubject(token.Claims.Subject)
	switch {
	case meaning.Code == explain.MeaningNotAuthorized && isFly:
		hints = append(hints, "find the condition, where you are signed in to AWS: fly-aws explain --role "+shellWord(e.exchange.RoleARN)+" --subject "+shellWord(token.Claims.Subject))
	case meaning.Code == explain.MeaningProviderAbsent && isFly, meaning.Code == explain.MeaningAudience && isFly:
		hints = append(hints, "fix it, where you are signed in to AWS: fly-aws setup --org "+shellWord(subject.Org)+" --app "+shellWord(subject.App))
	}
	for i := range hints {
		hints[i] = render.Clean(hints[i])
	}
	return hints
}
