package cmd

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/fly-aws/fly-aws/internal/awsapi"
	"github.com/fly-aws/fly-aws/internal/explain"
	"github.com/fly-aws/fly-aws/internal/flyoidc"
	"github.com/fly-aws/fly-aws/internal/render"
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
// words, hints and exit codes.
func problemOf(ctx context.Context, err error) render.Problem {
	p := render.Problem{Code: "failed", Exit: exitFailed, Message: render.Clean(err.Error())}
	hint := func(format string, args ...any) {
		p.Hints = append(p.Hints, render.Clean(fmt.Sprintf(format, args...)))
	}
	set := func(code string, exit int) { p.Code, p.Exit = code, exit }

	var (
		usage     *usageError
		hinted    *hintedError
		invalid   *setup.InvalidError
		conflict  *setup.ConflictError
		stale     *setup.StaleError
		size      *setup.SizeError
		creds     *awsapi.CredentialsError
		denied    *awsapi.DeniedError
		throttled *awsapi.ThrottledError
		unknown   *awsapi.UnknownPolicyError
		ambiguous *awsapi.AmbiguousPolicyError
		mismatch  *awsapi.MismatchError
		missing   *workdir.NotFoundError
		format    *workdir.FormatError
		otherApp  *workdir.OtherAppError
		mint      *flyoidc.MintError
		refused   *refusedError
	)
	switch {
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		set("interrupted", exitInterrupted)
		p.Message = "interrupted"
		if errors.As(err, &hinted) {
			hint("%s", hinted.hint)
		} else {
			hint("nothing was written")
		}
	case errors.As(err, &invalid):
		set("invalid", exitUsage)
		p.Message, p.Hints = explainInvalid(err)
	case errors.As(err, &usage):
		set("usage", exitUsage)
		hint("%s", usage.hint)
	case errors.As(err, &conflict):
		set("conflict", exitFailed)
		p.Message, p.Hints = explainConflict(conflict)
	case errors.As(err, &stale):
		set("stale", exitFailed)
		hint("make a new plan; nothing that was found changed has been overwritten")
	case errors.As(err, &size):
		set("trust-policy-size", exitFailed)
		hint("leave --shared-role away, so that each app gets a role of its own, or split the apps over several shared roles")
		hint("or have the quota L-C07B4B0D raised, up to %d: aws service-quotas request-service-quota-increase", trustpolicy.MaxSizeQuota)
	case errors.As(err, &creds):
		set("no-credentials", exitNotAllowed)
		p.Hints = credentialHints(creds)
	case errors.As(err, &denied):
		set("access-denied", exitNotAllowed)
		if denied.Action != "" {
			hint("let the caller do %s, or use other credentials: --profile", denied.Action)
		}
	case errors.As(err, &throttled):
		set("throttled", exitFailed)
		hint("run the same command again later; it goes on where it stopped")
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
		hint("sign in to the other %s (--profile), or give an ARN of this one", mismatch.What)
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
	case errors.As(err, &missing):
		set("config-not-found", exitFailed)
		hint("name the file with --config, or leave fly.toml alone with --no-patch")
	case errors.As(err, &format) && !errors.As(err, &hinted):
		set("config-format", exitFailed)
		hint("leave the file alone with --no-patch; the role's ARN is the value of %s in its env part", setup.EnvRoleARN)
	case errors.As(err, &otherApp):
		set("config-of-other-app", exitFailed)
		hint("name the app's own file with --config, or leave fly.toml alone with --no-patch")
	}
	if errors.As(err, &hinted) && p.Exit != exitInterrupted {
		hint("%s", hinted.hint)
	}
	return p
}

// flagOf names the flag that fills a field of a request.
func flagOf(f setup.Field) string {
	if f == setup.FieldRegion {
		return "--aws-region"
	}
	return "--" + string(f)
}

// explainInvalid puts all that is wrong with a request into one message.
func explainInvalid(err error) (message string, hints []string) {
	var lines []string
	for _, e := range flatten(err) {
		var invalid *setup.InvalidError
		var name *trustpolicy.NameError
		var usage *usageError
		switch {
		case errors.As(e, &usage):
			lines = append(lines, render.Clean(e.Error()))
			hints = append(hints, render.Clean(usage.hint))
			continue
		case !errors.As(e, &invalid):
			lines = append(lines, render.Clean(e.Error()))
			continue
		case invalid.Missing:
			lines = append(lines, render.Clean(flagOf(invalid.Field)+" is missing: "+invalid.Reason))
		default:
			lines = append(lines, render.Clean(fmt.Sprintf("%s %q: %s", flagOf(invalid.Field), invalid.Value, invalid.Reason)))
		}
		switch {
		case errors.As(e, &name) && name.Personal:
			hints = append(hints, "its real slug: "+findRawSlug)
		case invalid.Missing && invalid.Field == setup.FieldOrg:
			hints = append(hints, "pass --org with the slug that fly orgs list shows (for personal, the real one behind it)")
		case invalid.Missing && invalid.Field == setup.FieldApp:
			hints = append(hints, "pass --app, or --config with the app's fly.toml")
		case invalid.Field == setup.FieldRoleName && strings.Contains(invalid.Reason, "shared"):
			hints = append(hints, "pass --shared-role instead of --role-name, so that all the apps use one role")
		case invalid.Field == setup.FieldRoleName:
			hints = append(hints, "choose a name with --role-name")
		}
	}
	return strings.Join(lines, "\n"), hints
}

// findRawSlug says where the slug stands that Fly's tokens carry; no output of
// flyctl has it (superfly/flyctl, GraphQL field rawSlug).
const findRawSlug = "iss in a token of one of its Machines ends in it; Fly's GraphQL API tells it too: {organizations{nodes{slug rawSlug}}}"

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
	return "nothing was written, for a conflict: " + render.Apps(names), hints
}

func conflictHint(c setup.Change, r setup.Reason) string {
	switch r.Code {
	case setup.ReasonForeignRole:
		return "take the role over with --adopt: our statement goes beside what is there; or choose another with --role-name"
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

func credentialHints(e *awsapi.CredentialsError) []string {
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
	return []string{"sign in with: aws sso login, or aws configure; or name a profile with --profile"}
}

// hints puts STS's refusal into words, and names what tells more: AWS gives no
// cause, and the trust policy can be read only where somebody is signed in.
func (e *refusedError) hints() []string {
	meaning := explain.ErrorText(e.refusal.Code + ": " + e.refusal.Message)
	hints := render.MeaningWords(meaning)
	role := e.exchange.RoleARN[strings.LastIndexByte(e.exchange.RoleARN, '/')+1:]
	token, _ := flyoidc.Inspect(e.exchange.Token)
	if token == nil {
		return hints
	}
	subject, isFly := flyoidc.ParseSubject(token.Claims.Subject)
	switch {
	case meaning.Code == explain.MeaningNotAuthorized && isFly:
		hints = append(hints, "find the condition, where you are signed in to AWS: fly-aws explain --role "+shellWord(role)+" --subject "+shellWord(token.Claims.Subject))
	case meaning.Code == explain.MeaningProviderAbsent && isFly, meaning.Code == explain.MeaningAudience && isFly:
		hints = append(hints, "mend it, where you are signed in to AWS: fly-aws setup --org "+shellWord(subject.Org)+" --app "+shellWord(subject.App))
	}
	for i := range hints {
		hints[i] = render.Clean(hints[i])
	}
	return hints
}
