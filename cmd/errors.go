package cmd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/pflag"

	"github.com/fly-aws/fly-aws/internal/awsapi"
	"github.com/fly-aws/fly-aws/internal/doctor"
	"github.com/fly-aws/fly-aws/internal/explain"
	"github.com/fly-aws/fly-aws/internal/flyname"
	"github.com/fly-aws/fly-aws/internal/flyoidc"
	"github.com/fly-aws/fly-aws/internal/machine"
	"github.com/fly-aws/fly-aws/internal/preset"
	"github.com/fly-aws/fly-aws/internal/render"
	"github.com/fly-aws/fly-aws/internal/requestfile"
	"github.com/fly-aws/fly-aws/internal/text"
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

// A hintedError is an error with its own hint.
type hintedError struct {
	err  error
	hint string
}

func (e *hintedError) Error() string { return e.err.Error() }
func (e *hintedError) Unwrap() error { return e.err }

// problemOf is an error as it is shown to a person or a script. has reports whether the
// command has a flag; hints that name other flags are left out.
func problemOf(ctx context.Context, err error, has func(flag string) bool) render.Problem {
	var hinted *hintedError
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		p := render.Problem{Code: "interrupted", Exit: exitInterrupted, Message: "interrupted", Hints: []string{"nothing was written"}}
		if errors.As(err, &hinted) {
			p.Hints = []string{text.Clean(hinted.hint)}
		}
		return p
	}
	errs, common := split(err)
	var failures []failure
	for _, e := range errs {
		c := failureOf(e, has)
		if !slices.ContainsFunc(failures, func(other failure) bool { return other.Message == c.Message }) {
			failures = append(failures, c)
		}
	}
	p := render.Problem{Code: failures[0].Code, Exit: failures[0].exit}
	var messages, hints []string
	for _, c := range failures {
		if c.exit == exitUsage && p.Exit != exitUsage {
			p.Code, p.Exit = c.Code, c.exit
		}
		messages, hints = append(messages, c.Message), append(hints, c.Hints...)
		if len(failures) > 1 {
			p.Causes = append(p.Causes, c.Cause)
		}
	}
	p.Message = strings.Join(messages, "\n")
	for _, hint := range append(hints, common...) {
		if hint = text.Clean(hint); !slices.Contains(p.Hints, hint) {
			p.Hints = append(p.Hints, hint)
		}
	}
	return p
}

// split separates joined errors, and returns the hints that apply to all of them.
func split(err error) (errs []error, hints []string) {
	switch e := err.(type) { //nolint:errorlint // one layer at a time
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			some, more := split(inner)
			errs, hints = append(errs, some...), append(hints, more...)
		}
		return errs, hints
	case *hintedError:
		if errs, hints = split(e.err); len(errs) > 1 {
			return errs, append(hints, e.hint)
		}
	case *reportError:
		return split(e.err)
	}
	return []error{err}, nil
}

// flatten returns the errors joined in err; none for nil.
func flatten(err error) []error {
	if err == nil {
		return nil
	}
	errs, _ := split(err)
	return errs
}

// A failure is one error in words, with its exit code.
type failure struct {
	render.Cause
	exit int
}

func newFailure(code string, exit int, message string, hints ...string) *failure {
	return &failure{render.Cause{Code: code, Message: message, Hints: hints}, exit}
}

// failureOf puts one error into words: what happened, and what to do next.
func failureOf(err error, has func(flag string) bool) failure {
	var c *failure
	for _, table := range []func(error, func(string) bool) *failure{requestFailure, planFailure, awsFailure, machineFailure, fileFailure} {
		if c = table(err, has); c != nil {
			break
		}
	}
	if c == nil {
		c = newFailure("failed", exitFailed, "")
	}
	if c.Message == "" {
		c.Message = lines(err)
	}
	var hinted *hintedError
	if errors.As(err, &hinted) {
		c.Hints = append(c.Hints, hinted.hint)
	}
	var hints []string
	for _, hint := range c.Hints {
		if hint = text.Clean(hint); hint != "" && !slices.Contains(hints, hint) {
			hints = append(hints, hint)
		}
	}
	c.Hints = hints
	return *c
}

// lines is the message of an error, one line or more, fit for a terminal.
func lines(err error) string {
	var out []string
	for line := range strings.Lines(err.Error()) {
		out = append(out, text.Clean(strings.TrimSuffix(line, "\n")))
	}
	return strings.Join(out, "\n")
}

// requestFailure describes an error in the command line or the answers.
func requestFailure(err error, has func(string) bool) *failure {
	var (
		input   *wizard.InputError
		invalid *setup.InvalidError
		answer  *preset.AnswerError
		usage   *usageError
		problem *requestfile.Problem
		unknown *requestfile.UnknownAppError
	)
	switch {
	case errors.As(err, &problem):
		where := fmt.Sprintf("%s:%d:%d: ", text.Clean(problem.File), problem.Line, problem.Column)
		return newFailure("request-file", exitUsage, where+text.Clean(text.Redact(problem.Reason)), problem.Suggestion)
	case errors.As(err, &unknown):
		hint := "add it with fly-aws setup --app " + text.ShellWord(unknown.App)
		if unknown.Near != "" {
			hint = "did you mean " + text.ShellWord(unknown.Near) + "?"
		}
		return newFailure("unknown-app", exitUsage, "", hint)
	case errors.Is(err, requestfile.ErrLayout):
		return newFailure("request-file", exitUsage, "", "add what you want by hand, then fly-aws apply")
	case errors.As(err, &input):
		if input.Question == wizard.Confirmation {
			return newFailure("no-answer", exitUsage, "", "pass --yes to apply the plan without being asked")
		}
		return newFailure("no-answer", exitUsage, "", "answer it, or use a flag: see fly-aws setup --help")
	case errors.As(err, &invalid):
		return newFailure("invalid", exitUsage, invalidMessage(invalid), invalidHints(invalid, has)...)
	case errors.As(err, &answer):
		return newFailure("invalid", exitUsage, "")
	case errors.As(err, &usage):
		message := text.Clean(text.Redact(usageMessage(usage)))
		return newFailure("usage", exitUsage, message, usage.hint)
	}
	return nil
}

// usageMessage is the message of a usage error. What follows an unknown one-letter flag
// is left out, since it may be a value: -tSECRET.
func usageMessage(err error) string {
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() != "" {
		return "unknown flag: -" + unknown.GetSpecifiedName()
	}
	return err.Error()
}

// flagOf names the flag that fills a field of a request.
func flagOf(f setup.Field) string {
	if f == setup.FieldRegion {
		return "--aws-region"
	}
	return "--" + string(f)
}

func invalidMessage(e *setup.InvalidError) string {
	message := fmt.Sprintf("%s %s: %s", flagOf(e.Field), text.Quote(e.Value), text.Clean(e.Reason))
	switch {
	case e.Missing:
		message = flagOf(e.Field) + " is missing: " + text.Clean(e.Reason)
	case e.Default && e.Field == setup.FieldOrg:
		message = fmt.Sprintf("the apps belong to the organization %s, according to Fly: %s", text.Quote(e.Value), text.Clean(e.Reason))
	case e.Default:
		message = fmt.Sprintf("the default role name %s: %s", text.Quote(e.Value), text.Clean(e.Reason))
	}
	var fly *setup.FlyProblem
	if errors.As(e, &fly) {
		message += "\nFly could not be asked for it: " + render.FlyProblem(fly)
	}
	return message
}

func invalidHints(e *setup.InvalidError, has func(string) bool) []string {
	var (
		name   *flyname.NameError
		fly    *setup.FlyProblem
		answer *preset.AnswerError
		hints  []string
	)
	switch {
	case e.Field == setup.FieldOrg && e.Missing:
		hints = append(hints, "pass --org with a slug of: fly orgs list; for personal, the raw slug of: "+findRawSlug)
	case errors.As(e, &name) && name.IsAlias():
		hints = append(hints, "find the raw slug: "+findRawSlug)
	case e.Field == setup.FieldApp && e.Missing && has("config"):
		hints = append(hints, "pass --app, or --config with the app's fly.toml")
	case e.Field == setup.FieldApp && e.Missing:
		hints = append(hints, "pass --app")
	case e.NoRegion:
		hints = append(hints, "pass --aws-region")
	case e.Field == setup.FieldRoleName:
		hints = append(hints, "choose a name with --role")
	case e.Field == setup.FieldInline && e.Err == nil:
		hints = append(hints, "the policy is named after its file: rename the file")
	case errors.As(e, &answer):
		if _, found := preset.Find(answer.Preset); !found {
			hints = append(hints, presetList()...)
		}
	}
	if errors.As(e, &fly) {
		hints = append(hints, render.FlyNext(fly))
	}
	return hints
}

// findRawSlug prints the slug that tokens of the personal organization carry
// (superfly/flyctl, internal/command/orgs/replay_sources_list.go).
const findRawSlug = "fly orgs replay-sources list -o personal"

// planFailure describes an error that prevents a plan, or an error from Fly.
func planFailure(err error, has func(string) bool) *failure {
	var (
		strict      *strictError
		mismatch    *setup.TokenMismatchError
		otherOrg    *setup.OtherOrgError
		severalOrgs *setup.SeveralOrgsError
		account     *setup.OtherAccountError
		conflict    *setup.ConflictError
		stale       *setup.StaleError
		size        *setup.SizeError
		fly         *setup.FlyProblem
	)
	switch {
	case errors.As(err, &strict):
		return newFailure("warnings", exitFailed, strict.message(), strict.hints()...)
	case errors.As(err, &mismatch):
		return newFailure("token-mismatch", exitFailed, render.TokenMismatch(mismatch), render.TokenMismatchNext(mismatch))
	case errors.As(err, &otherOrg):
		c := newFailure("other-org", exitFailed, "")
		if has("org") {
			c.Hints = append(c.Hints, "pass --org "+text.ShellWord(otherOrg.Have)+", or another --app; run it once for each organization")
		}
		return c
	case errors.As(err, &severalOrgs):
		return newFailure("several-orgs", exitFailed, "", "run it once for each organization, with its apps")
	case errors.As(err, &account):
		return newFailure("other-account", exitFailed, "", "sign in to the plan's account, or make a new plan")
	case errors.As(err, &conflict):
		return newFailure("conflict", exitFailed, render.Conflict(conflict), render.ConflictNext(conflict)...)
	case errors.As(err, &stale):
		hint := "make a new plan; nothing that changed was overwritten"
		if has("yes") && !has("digest") {
			hint = "run the same command again; nothing that changed was overwritten"
		}
		return newFailure("stale", exitFailed, render.Stale(stale), hint)
	case errors.As(err, &size):
		c := newFailure("trust-policy-size", exitFailed, "")
		if has("role") {
			c.Hints = append(c.Hints, "drop --role, so that each app gets its own role, or split the apps over several shared roles")
		}
		c.Hints = append(c.Hints, fmt.Sprintf("or have the quota raised: aws service-quotas request-service-quota-increase --service-code iam --quota-code L-C07B4B0D --desired-value %d --region us-east-1", quotaFor(size.Size)))
		return c
	case errors.As(err, &fly):
		exit := exitFailed
		switch fly.Kind {
		case setup.FlyNotSignedIn, setup.FlyToken, setup.FlyNotAllowed, setup.FlyElsewhere:
			exit = exitNotAllowed
		}
		return newFailure("fly-"+string(fly.Kind), exit, render.FlyProblem(fly), render.FlyNext(fly))
	}
	return nil
}

// message has a line for each warning that was not shown, and a summary.
func (e *strictError) message() string {
	if e.shown {
		return e.Error()
	}
	var out []string
	for _, w := range render.WarningDocuments(e.plan) {
		line := w.Message
		if len(w.Details) > 0 {
			line += " (" + strings.Join(w.Details, " ") + ")"
		}
		out = append(out, line)
	}
	return strings.Join(append(out, e.Error()), "\n")
}

// hints say how to fix the warnings that were not shown.
func (e *strictError) hints() []string {
	if e.shown {
		return nil
	}
	var out []string
	for _, w := range render.WarningDocuments(e.plan) {
		out = append(out, w.Fix)
	}
	return out
}

// quotaFor returns a trust policy size quota that is large enough.
func quotaFor(size int) int {
	return min((size/1024+1)*1024, trustpolicy.MaxSizeQuota)
}

// awsFailure describes an error from AWS or about its credentials.
func awsFailure(err error, has func(string) bool) *failure {
	var (
		sharedFile  *awsapi.ConfigFileError
		creds       *awsapi.CredentialsError
		denied      *awsapi.DeniedError
		throttled   *awsapi.ThrottledError
		unreachable *awsapi.UnreachableError
		unknown     *awsapi.UnknownPolicyError
		ambiguous   *awsapi.AmbiguousPolicyError
		mismatch    *awsapi.MismatchError
	)
	switch {
	case errors.As(err, &sharedFile):
		return newFailure("aws-config", exitFailed, "", "fix the file, or choose a profile with --profile")
	case errors.As(err, &creds):
		return newFailure("no-credentials", exitNotAllowed, "", credentialHints(creds, has)...)
	case errors.As(err, &denied):
		c := newFailure("access-denied", exitNotAllowed, "")
		if denied.Action != "" {
			c.Hints = append(c.Hints, "allow the caller "+denied.Action+", or use other credentials")
		}
		if strings.HasPrefix(denied.Action, "iam:") {
			c.Hints = append(c.Hints, "fly-aws policy operator prints all that it needs")
		}
		return c
	case errors.As(err, &throttled):
		return newFailure("throttled", exitFailed, "", "run the same command again later; it picks up where it stopped")
	case errors.As(err, &unreachable):
		return newFailure("unreachable", exitFailed, "", "check the network, a proxy in the environment, and AWS_ENDPOINT_URL if it is set")
	case errors.As(err, &unknown):
		if len(unknown.Similar) > 0 {
			return newFailure("unknown-policy", exitUsage, "", "did you mean "+strings.Join(unknown.Similar, " or ")+"?")
		}
		return newFailure("unknown-policy", exitUsage, "", "list the names with: aws iam list-policies --query 'Policies[].PolicyName'")
	case errors.As(err, &ambiguous):
		return newFailure("ambiguous-policy", exitUsage, "", "give the ARN: "+strings.Join(ambiguous.ARNs, " or "))
	case errors.As(err, &mismatch):
		return newFailure(mismatch.What+"-mismatch", exitUsage, "", "sign in to the other "+mismatch.What+", or give an ARN of this one")
	}
	return nil
}

func credentialHints(e *awsapi.CredentialsError, has func(flag string) bool) []string {
	login := "aws sso login"
	if e.Profile != "" {
		login += " --profile " + text.ShellWord(e.Profile)
	}
	switch e.Kind {
	case awsapi.KindExpiredSSO:
		return []string{"sign in again: " + login}
	case awsapi.KindExpired:
		return []string{"sign in again, or get new temporary credentials"}
	case awsapi.KindInvalid:
		return []string{"check who you are with: aws sts get-caller-identity"}
	case awsapi.KindProfile:
		return []string{"list the profiles with: aws configure list-profiles"}
	}
	if !has("profile") {
		return []string{"sign in with: aws sso login, or aws configure"}
	}
	return []string{"sign in with: aws sso login, or aws configure; or name a profile with --profile"}
}

// machineFailure describes an error about tokens or commands in a machine.
func machineFailure(err error, _ func(string) bool) *failure {
	var (
		noCommand *noCommandError
		refused   *refusedError
		mint      *flyoidc.MintError
		file      *machine.FileError
	)
	switch {
	case errors.As(err, &file):
		return newFailure("token-file", exitFailed, "", tokenFileHint(file))
	case errors.As(err, &noCommand):
		return newFailure("no-command", exitNoCommand, "", "is it installed, and in PATH?")
	case errors.As(err, &refused):
		return newFailure("refused", refused.exit(), "", refused.hints()...)
	case errors.As(err, &mint):
		exit := exitFailed
		if mint.Kind == flyoidc.MintNotAllowed {
			exit = exitNotAllowed
		}
		return newFailure("no-token", exit, "", render.SocketNext(doctor.SocketCode(mint)))
	}
	return nil
}

// tokenFileHint is the next step after a token file could not be written.
func tokenFileHint(e *machine.FileError) string {
	dir := text.ShellWord(filepath.Dir(e.Path))
	var (
		system *fs.PathError
		rename *os.LinkError
	)
	id := os.Geteuid()
	switch {
	case errors.Is(e, fs.ErrNotExist):
		return "make the folder first: mkdir -p " + dir + "; in an image without a shell, WORKDIR " + dir + " in the Dockerfile makes it"
	case errors.Is(e, syscall.ENOSPC):
		return "free some space on its disk"
	case id == 0: // may do all that the file system can
	case errors.As(e, &system) && system.Op == "chown":
		return fmt.Sprintf("you are user %d, and only root can give a file to another user: run it as root, or drop --owner", id)
	case errors.As(e, &rename) && errors.Is(e, fs.ErrPermission):
		return fmt.Sprintf("you are user %d, who may not replace the file of another user there: remove it, or choose another folder", id)
	case errors.Is(e, fs.ErrPermission):
		return fmt.Sprintf("you are user %d: run it as root, or choose a folder in which you may write", id)
	}
	return "give --out another path"
}

// fileFailure describes an error about the folder's files.
func fileFailure(err error, has func(string) bool) *failure {
	var (
		missing  *workdir.NotFoundError
		format   *workdir.FormatError
		otherApp *workdir.OtherAppError
		file     *workdir.FileError
	)
	config := func(hint string) string {
		switch {
		case !has("config"):
			return ""
		case has("no-patch"):
			return hint + ", or pass --no-patch to edit none"
		}
		return hint
	}
	switch {
	case errors.As(err, &missing):
		return newFailure("config-not-found", exitFailed, "", config("name the file with --config"))
	case errors.As(err, &format):
		return newFailure("config-format", exitFailed, "")
	case errors.As(err, &otherApp):
		return newFailure("config-of-other-app", exitFailed, "", config("name the app's own file with --config"))
	case errors.As(err, &file) && has("no-patch"):
		return newFailure("config-file", exitFailed, "", "pass --no-patch to edit no fly.toml; the lines to add are printed")
	}
	return nil
}

// presetList names all presets, one a line.
func presetList() []string {
	hints := []string{"the presets are:"}
	for _, p := range preset.All() {
		hints = append(hints, p.Name+": "+p.Title)
	}
	return hints
}

// hints explain STS's refusal and name the command that says more.
func (e *refusedError) hints() []string {
	subject := ""
	if token, _ := flyoidc.Inspect(e.exchange.Token); token != nil {
		subject = token.Claims.Subject
		meaning := explain.ErrorText(e.refusal.Code + ": " + e.refusal.Message)
		if meaning.Code == explain.MeaningAudience && !slices.Contains(token.Claims.Audience, flyname.AudienceAWS) {
			return append(render.MeaningWords(meaning), "the token is for another: drop --audience, or add it to the provider")
		}
	}
	return render.RefusalNext(explain.ErrorText(e.refusal.Code+": "+e.refusal.Message), e.exchange.RoleARN, subject)
}
