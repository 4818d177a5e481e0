package render

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/fly-aws/fly-aws/internal/region"
	"github.com/fly-aws/fly-aws/internal/text"
	"github.com/fly-aws/fly-aws/setup"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

// A WarningText is a warning in words.
type WarningText struct {
	// Message says on one line what is wrong.
	Message string `json:"message"`
	// Details are lines with more information.
	Details []string `json:"details,omitempty"`
	// Fix is the next thing to do; "" if there is none.
	Fix string `json:"fix,omitempty"`
}

// A WarningDocument is a warning as data and in words.
type WarningDocument struct {
	setup.Warning
	WarningText
}

// WarningDocuments puts the warnings of a plan into words.
func WarningDocuments(plan *setup.Plan) []WarningDocument {
	docs := make([]WarningDocument, len(plan.Warnings))
	for i, w := range plan.Warnings {
		docs[i] = WarningDocument{Warning: w, WarningText: warningText(plan, w)}
	}
	return docs
}

// maxAlike is how many warnings of one kind are shown.
const maxAlike = 5

// Warnings shows the warnings of a plan.
func Warnings(w io.Writer, plan *setup.Plan, style Style) {
	p := printer{w, style}
	hidden, alike := 0, map[setup.WarningCode]int{}
	for _, doc := range WarningDocuments(plan) {
		if alike[doc.Code]++; alike[doc.Code] > maxAlike {
			hidden++
			continue
		}
		p.warning(doc.WarningText)
	}
	if hidden > 0 {
		p.warning(WarningText{Message: "and " + Count(hidden, "more warning") + " of these kinds; --json shows them all"})
	}
}

func (p printer) warning(t WarningText) {
	p.line("%s %s", p.paint(yellow, "!"), t.Message)
	for _, line := range t.Details {
		p.line("    %s", line)
	}
	if t.Fix != "" {
		p.line("  %s %s", p.arrow(), t.Fix)
	}
}

func warningText(plan *setup.Plan, w setup.Warning) WarningText {
	app := ""
	if len(w.Apps) > 0 {
		app = w.Apps[0]
	}
	config := text.Name(w.Config)
	switch w.Code {
	case setup.WarningNoRegion:
		return WarningText{Message: config + " sets no AWS_REGION, and neither does Fly; the AWS SDKs need one", Fix: noRegionFix(plan, w.Config)}
	case setup.WarningOddRegion:
		return WarningText{
			Message: fmt.Sprintf("AWS_REGION is %s in %s, which is not an AWS region: AWS calls will fail", text.Quote(w.Value), config),
			Fix:     "change it there; fly-aws leaves an AWS_REGION in fly.toml as it is",
		}
	case setup.WarningUnlistedRegion:
		t := WarningText{Message: "the region " + text.Name(w.Value) + " is not one that this version knows; AWS may have added it since"}
		if w.Config != "" {
			t.Message = "AWS_REGION is " + text.Quote(w.Value) + " in " + config + ", which this version does not know; AWS may have added it since"
		}
		if similar := region.Similar(w.Value); len(similar) > 0 {
			t.Fix = "check the name; it is like " + list(similar)
		}
		return t
	case setup.WarningPrecedence:
		pronoun := "it"
		if len(w.Names) > 1 {
			pronoun = "them"
		}
		return WarningText{Message: list(w.Names) + " in " + config + precedenceWords(w.Names), Fix: "remove " + pronoun + " from " + config}
	case setup.WarningSecrets:
		return secretsText(app, w.Names)
	case setup.WarningUnchecked:
		return causeText("not checked with Fly: the organization and the secrets of "+shortList(w.Apps), w.Cause, "")
	case setup.WarningHiddenSecrets:
		return causeText("not checked with Fly: the secrets of "+shortList(w.Apps), w.Cause,
			"look for names that begin with AWS_: fly secrets list -a "+text.ShellWord(text.Name(app)))
	case setup.WarningNarrower:
		t := WarningText{
			Message: "the trust policy of role " + text.Name(w.Role) + " is narrower than asked, and stays so",
			Fix:     "to lift that, pass --adopt",
		}
		for _, n := range w.Narrowed {
			t.Details = append(t.Details, wrap(narrowing(n))...)
			if n.Kind == setup.NarrowedCondition {
				t.Fix = "to lift that, pass --adopt; to keep it without this warning, declare it as conditions in fly-aws.toml"
			}
		}
		return t
	case setup.WarningBroad:
		return WarningText{
			Message: "policy " + text.Clean(policyName(strings.Join(w.Names, ""))) + " on role " + text.Name(w.Role) + ": " + meanings(w.Means),
			Fix:     "give it less: a preset, such as --preset s3-write=my-bucket, or a policy of your own",
		}
	case setup.WarningNoPermissions:
		return WarningText{
			Message: "role " + text.Name(w.Role) + " can be assumed, and can do nothing yet: it has no permissions",
			Fix:     "name them with --preset, --policy or --inline-policy",
		}
	case setup.WarningStillAllowed:
		return WarningText{
			Message: fmt.Sprintf("%s can still assume role %s, or might, by %s %s of its trust policy",
				shortList(w.Apps), text.Name(w.Role), verb(len(w.Names), "statement", "statements"), list(w.Names)),
			Fix: "fly-aws did not write that and leaves it; remove it by hand if it is not intended",
		}
	case setup.WarningNotOurs:
		t := WarningText{
			Message: "role " + text.Name(w.Role) + " lets " + shortList(w.Apps) + " in and stays: fly-aws did not make it, or not for this",
			Fix:     "it has no tags that say whose it is",
		}
		if len(w.Names) > 0 {
			t.Fix = "its tags say whose it is: " + text.Clean(strings.Join(w.Names, ", "))
		}
		return t
	case setup.WarningManaged:
		name := "the OIDC provider"
		if w.Role != "" {
			name = "role " + text.Name(w.Role)
		}
		return WarningText{
			Message: name + " stays: it is managed by " + text.Name(w.Value) + ", according to its tag " + setup.TagManagedBy,
			Fix:     "remove it there",
		}
	case setup.WarningSize:
		return WarningText{
			Message: "the trust policy of role " + text.Name(w.Role) + " has " + text.Clean(w.Value) + " characters; IAM refuses more",
			Fix:     "give some of its apps a role of their own",
		}
	case setup.WarningWatched:
		t := WarningText{Message: "role " + text.Name(w.Role) + ", which is only watched, is not as declared"}
		for _, r := range w.Reasons {
			t.Details = append(t.Details, wrap(watchedReason(r))...)
		}
		return t
	case setup.WarningTokenFile:
		return WarningText{
			Message: list(w.Names) + " in " + config + " overrides what Fly sets for the role",
			Fix:     "remove it from " + config,
		}
	case setup.WarningUnproven:
		fix := ""
		if w.Cause != nil && w.Cause.Kind == setup.FlyNotAllowed {
			fix = machineNext
		}
		return causeText("not proven with a machine's token: "+shortList(w.Apps), w.Cause, fix)
	}
	return WarningText{Message: text.Name(string(w.Code))}
}

// watchedReason says how an unmanaged role differs from what is declared.
func watchedReason(r setup.Reason) string {
	have, want := text.Clean(r.Have), text.Clean(r.Want)
	if words := policyReason(r); words != "" {
		return words
	}
	switch r.Code {
	case setup.ReasonTrust:
		return "its trust policy is different"
	case setup.ReasonBoundary:
		return "its permissions boundary is " + orNone(have) + ", not " + want
	}
	return "it " + reason(r)
}

// policyReason says how a role's policies differ; "" for what is about the role itself.
func policyReason(r setup.Reason) string {
	switch r.Code {
	case setup.ReasonNotAttached:
		return "it lacks the policy " + text.Clean(r.Want)
	case setup.ReasonDocument:
		return "its inline policy " + text.Clean(r.Want) + " is different"
	}
	return ""
}

// causeText is a warning about a check that failed at Fly. An empty fix means the one
// for the cause.
func causeText(message string, cause *setup.FlyProblem, fix string) WarningText {
	t := WarningText{Message: message, Fix: fix}
	if cause == nil {
		return t
	}
	t.Details = wrap(FlyProblem(cause))
	if fix == "" {
		t.Fix = FlyNext(cause)
	}
	return t
}

// precedenceWords says that variables take precedence over a role. AWS_PROFILE does
// so in some SDKs: in JavaScript's, but not in Python's and not in the AWS CLI.
func precedenceWords(names []string) string {
	words := " take precedence over the role"
	if len(names) == 1 {
		words = " takes precedence over the role"
	}
	if !slices.ContainsFunc(names, func(name string) bool { return name != "AWS_PROFILE" }) {
		words += " in some AWS SDKs"
	}
	return words
}

// secretsText says how secrets interfere with a role, and what else they may be for.
func secretsText(app string, names []string) WarningText {
	by := map[setup.SecretEffect][]string{}
	for _, name := range names {
		effect := setup.EffectOfSecret(name)
		by[effect] = append(by[effect], name)
	}
	keys := slices.DeleteFunc(slices.Clone(by[setup.SecretPrecedence]), func(name string) bool { return name == "AWS_PROFILE" })
	// Fly does not reveal secrets' values, so the value may be the right one.
	verb := "may keep"
	if len(keys)+len(by[setup.SecretEndpoint]) > 0 {
		verb = "keep"
	}
	t := WarningText{Message: "secrets of the app " + text.Name(app) + " " + verb + " the role from working"}
	add := func(names []string, words string) {
		if len(names) > 0 {
			t.Details = append(t.Details, wrap(list(names)+words)...)
		}
	}
	add(keys, precedenceWords(keys))
	if len(keys) < len(by[setup.SecretPrecedence]) {
		add([]string{"AWS_PROFILE"}, precedenceWords([]string{"AWS_PROFILE"}))
	}
	add(by[setup.SecretRole], " overrides the one in fly.toml")
	add(by[setup.SecretRegion], " overrides fly.toml; Tigris sets it to auto, which is not an AWS region")
	add(by[setup.SecretEndpoint], ": AWS calls go to another endpoint than AWS's")
	if slices.ContainsFunc(names, isTigris) {
		t.Details = append(t.Details, wrap("fly storage create sets such secrets for a Tigris bucket: before you unset them, "+
			"give the code that uses the bucket its keys under other names, as in docs/tigris.md")...)
	}
	words := make([]string, len(names))
	for i, name := range names {
		words[i] = text.ShellWord(text.Name(name))
	}
	t.Fix = "fly secrets unset " + strings.Join(words, " ") + " -a " + text.ShellWord(text.Name(app))
	return t
}

// isTigris reports whether fly storage create sets a secret of that name, other than
// AWS_REGION (https://fly.io/docs/tigris/).
func isTigris(name string) bool {
	return name == "AWS_ACCESS_KEY_ID" || name == "AWS_SECRET_ACCESS_KEY" || name == "AWS_ENDPOINT_URL_S3"
}

// list joins names with commas.
func list(names []string) string {
	out := make([]string, len(names))
	for i, name := range names {
		out[i] = text.Name(name)
	}
	return strings.Join(out, ", ")
}

// lineWidth is the width of a warning's details: 80 columns minus the indentation.
const lineWidth = 76

// wrap breaks a sentence at spaces into lines; a word is never broken.
func wrap(sentence string) []string {
	var lines []string
	for _, word := range strings.Fields(text.Clean(sentence)) {
		if n := len(lines); n > 0 && utf8.RuneCountInString(lines[n-1])+1+utf8.RuneCountInString(word) <= lineWidth {
			lines[n-1] += " " + word
		} else {
			lines = append(lines, word)
		}
	}
	return lines
}

// Codes of warnings from checks of the live trust policies.
const (
	// warningAcceptsOthers: a statement that fly-aws did not create allows another app.
	warningAcceptsOthers setup.WarningCode = "accepts-others"
	// warningUndecided: the decision depends on conditions that fly-aws cannot evaluate.
	warningUndecided setup.WarningCode = "undecided"
)

// checkWarning is the warning for a check that did not pass for a reason that is the
// role owner's choice.
func checkWarning(c setup.Check) WarningDocument {
	doc := WarningDocument{Warning: setup.Warning{Code: warningAcceptsOthers, Apps: []string{c.App}}}
	subject, role := text.Name(c.Subject), text.Name(c.Role)
	if c.Got == trustpolicy.Undecided {
		doc.Code = warningUndecided
		doc.Message = "whether " + subject + " may assume the role " + role + " depends on conditions that fly-aws cannot decide"
	} else {
		doc.Message = subject + " may also assume the role " + role + ", through a statement that fly-aws did not create"
	}
	return doc
}

func noRegionFix(plan *setup.Plan, config string) string {
	switch {
	case setup.SyntaxOf(config) != setup.SyntaxTOML:
		return "add yours there, such as eu-central-1; fly-aws edits only TOML"
	case plan.Request != nil && plan.Request.File != "":
		return "set region in the request file, such as eu-central-1"
	case plan.CallRegion != "":
		return "pass --aws-region " + text.ShellWord(plan.CallRegion) + " to set it; --region is the region of fly-aws's own calls"
	}
	return "pass --aws-region with yours, such as eu-central-1"
}
