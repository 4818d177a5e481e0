package render

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fly-aws/fly-aws/internal/explain"
	"github.com/fly-aws/fly-aws/internal/flyname"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

func stepWords(code explain.StepCode) string {
	switch code {
	case explain.StepToken:
		return "the token is a JWT"
	case explain.StepProvider:
		return "IAM has a provider for its issuer"
	case explain.StepSignature:
		return "its issuer signed it"
	case explain.StepClaims:
		return "it has iss, aud and sub"
	case explain.StepExpiry:
		return "it is valid now"
	case explain.StepAudience:
		return "the provider lists its audience"
	case explain.StepRole:
		return "the role has the ARN that was asked for"
	case explain.StepPolicy:
		return "the role's trust policy allows it"
	}
	return Clean(string(code))
}

// checkWords says why a test went as it did.
func checkWords(c trustpolicy.Comparison) string {
	switch c.Reason {
	case trustpolicy.ReasonMatched:
		return "it matches, which this operator forbids"
	case trustpolicy.ReasonNoMatch:
		if c.Match == trustpolicy.Matches {
			return "it does not match, as this test wants it"
		}
		return "it does not match"
	case trustpolicy.ReasonCaseDiffers:
		return "only upper and lower case differ, which count"
	case trustpolicy.ReasonWildcardLiteral:
		return "* and ? are no wildcards under this operator"
	case trustpolicy.ReasonBadValue:
		return "a value is not of the kind that the operator compares"
	case trustpolicy.ReasonUnresolvedVariable:
		return "the request has no value for a policy variable, so that it matches nothing"
	case trustpolicy.ReasonMissingKey, trustpolicy.ReasonOtherProvider:
		why := "the request does not have this key"
		if c.Reason == trustpolicy.ReasonOtherProvider {
			why = "the request has no keys of this provider"
		}
		if c.Match == trustpolicy.Matches {
			return why + ", and without it this operator holds"
		}
		return why
	case trustpolicy.ReasonEmptyValue:
		return "the value is empty"
	case trustpolicy.ReasonNoValues:
		return "the policy lists no values here"
	case trustpolicy.ReasonNullQuantified:
		return "Null under ForAllValues always holds, under ForAnyValue never"
	case trustpolicy.ReasonUnknownKey:
		return "AWS fills this key, and its value is not known here"
	case trustpolicy.ReasonUnknownVariable:
		return "AWS fills a policy variable here, and its value is not known"
	case trustpolicy.ReasonUnclearVariable:
		return "AWS does not say what this policy variable stands for"
	case trustpolicy.ReasonManyValues:
		return "the key has several values, for which the operator is not made"
	case trustpolicy.ReasonWildcardPrincipal:
		return "whether * covers the holder of a token AWS does not say"
	}
	return Clean(c.Reason)
}

// reasonWords puts a reason into one sentence.
func reasonWords(r explain.Reason) string {
	have, want := strconv.Quote(r.Have), strconv.Quote(r.Want) // which cleans, too
	var where string
	if r.Statement >= 0 {
		where = strings.ToLower(statementName(r.Statement, "")[:1]) + statementName(r.Statement, r.Sid)[1:]
		if r.Key != "" {
			where += ", " + Clean(r.Operator) + " " + Clean(r.Key)
		}
		where += ": "
	}
	return where + sentence(r, have, want)
}

// sentence says what is wrong; have and want are quoted.
func sentence(r explain.Reason, have, want string) string {
	if s := findingWords(trustpolicy.FindingCode(r.Code), r, have, want); s != "" {
		return s
	}
	switch r.Code {
	case explain.ReasonTokenForm:
		return "this is not a token: " + Clean(r.Have)
	case explain.ReasonTokenRule:
		return "the token breaks a rule whose effect AWS does not document: " + Clean(r.Have)
	case explain.ReasonRoleARN:
		return "the role's ARN is " + want + ", and " + have + " was asked for; AWS answers AccessDenied for any other"
	case explain.ReasonProviderAbsent:
		return "the account has no OIDC provider for the issuer " + have
	case explain.ReasonProviderPersonal:
		return "there is a provider for " + have + ", but \"personal\" is an alias that only Fly's tools use; this token comes from " + want
	case explain.ReasonClaimsPersonal:
		return have + " names the organisation by the alias \"personal\", which no token carries; the raw slug is in the iss of a real token"
	case explain.ReasonClaimsDisagree:
		return "the subject " + have + " is not of the organisation of the issuer " + want + "; Fly signs no such token"
	case explain.ReasonSignature:
		return "the keys that " + want + " publishes did not sign this token"
	case explain.ReasonClaimMissing:
		return "the token has no " + Clean(r.Want)
	case explain.ReasonExpired:
		return "the token expired at " + Clean(r.Have) + " and it is " + Clean(r.Want) + ", past AWS's grace of five minutes"
	case explain.ReasonNotYetValid:
		return "the token is valid from " + Clean(r.Have) + " and it is " + Clean(r.Want)
	case explain.ReasonAudienceUnlisted:
		if r.Want == "" {
			return "the provider lists no audience, so not " + have
		}
		return "the token is for " + have + ", and the provider lists only " + want
	case explain.ReasonManyAudiences:
		return "the token is for several audiences, " + have + ", and AWS does not say which counts"
	case explain.ReasonPolicyUnknown:
		return "the role's trust policy is not known"
	case explain.ReasonPolicySyntax:
		return "IAM rejects this policy: " + Clean(r.Have)
	case explain.ReasonDenied:
		return "it denies the request, which outweighs every statement that allows it"
	case explain.ReasonNoStatement:
		return "no statement allows anything to the provider " + have
	case explain.ReasonPrincipalDiffers:
		return "it trusts " + want + ", but the token's provider is " + have
	case explain.ReasonPrincipalUnknown:
		return "AWS does not say whether " + want + " covers " + have
	case explain.ReasonOrgDiffers:
		return "it allows another organisation, " + want + "; the token is from " + have
	case explain.ReasonAppSuffix:
		return "the app in " + have + " is not that of " + want + "; one name begins with the other"
	case explain.ReasonAppDiffers:
		return "it allows only other apps; the token is from " + have
	case explain.ReasonMachineDiffers:
		return "of this app it allows only the machine " + want + "; the token is from " + have
	case explain.ReasonAudienceDiffers:
		return "it wants the audience " + want + ", and the token is for " + have
	case explain.ReasonCaseDiffers:
		return have + " and " + want + " differ in case, which counts"
	case explain.ReasonVariableText:
		return "policy variables such as the one in " + want + " exist in Version 2012-10-17 only; here they are text"
	case explain.ReasonKeyMissing:
		return "the request does not have this key, so that the condition cannot hold"
	case explain.ReasonTagSession:
		return "the token has session tags, and no statement allows it " + Clean(r.Want)
	case explain.ReasonConditionFailed:
		if r.Have == "" {
			return "it wants " + want + ", which the request is not"
		}
		return "the request has " + have + ", which does not satisfy " + want
	case explain.ReasonConditionUnknown:
		return checkWords(trustpolicy.Comparison{Reason: r.Have, Match: trustpolicy.MatchUndecided})
	}
	return Clean(string(r.Code))
}

// findingWords puts a finding about a policy into a sentence; "" for a code that
// is none.
func findingWords(code trustpolicy.FindingCode, r explain.Reason, have, want string) string {
	instead := ""
	if r.Want != "" {
		instead = "; it should be " + want
	}
	switch code {
	case trustpolicy.FindingProviderForm:
		return have + " is not the ARN of a provider of Fly's" + instead
	case trustpolicy.FindingProviderKind:
		return have + " is a provider and belongs under Federated"
	case trustpolicy.FindingProviderAccount:
		return "the provider " + have + " is of another account or partition" + instead
	case trustpolicy.FindingPrincipalAny:
		return "the principal * is anybody; IAM does not take it for a provider"
	case trustpolicy.FindingNotPrincipal:
		return "NotPrincipal allows everybody but those it names; IAM refuses it in a trust policy"
	case trustpolicy.FindingActionMissing:
		return "it allows " + have + ", but a token needs " + Clean(r.Want)
	case trustpolicy.FindingNotAction:
		return "NotAction does not allow " + Clean(r.Want)
	case trustpolicy.FindingActionWildcard:
		return have + " allows more than " + Clean(r.Want) + ", the only action that a token needs"
	case trustpolicy.FindingActionOther:
		return have + " is of no use to a token" + instead
	case trustpolicy.FindingConditionOptional:
		return "this operator does not require the claim to have a certain value" + instead
	case trustpolicy.FindingAudienceMissing:
		return "it has no condition on aud, so it also accepts tokens that were made for something else than AWS; ask for " + want
	case trustpolicy.FindingAudienceWildcard:
		return "it accepts every audience like " + have + instead
	case trustpolicy.FindingSubjectMissing:
		return "it has no condition on sub, so it also accepts every machine of the organisation; ask for " + want
	case trustpolicy.FindingSubjectAny:
		if strings.Trim(r.Have, "*:") == "" {
			return "it also accepts every machine of the organisation: the subject is " + have + instead
		}
		return "the organisation in " + have + " is a pattern" + instead
	case trustpolicy.FindingSubjectPrefix:
		return "it also accepts other apps: " + have + " ends within the app's name" + instead
	case trustpolicy.FindingAliasPersonal:
		return have + " holds \"personal\", an alias that only Fly's tools use; tokens carry the organisation's raw slug"
	case trustpolicy.FindingKeyPrefix:
		return "the key is not one of this statement's provider, so that the request never has it" + instead
	case trustpolicy.FindingClaimUnseen:
		return "IAM cannot see this claim: of Fly's tokens a trust policy can test aud and sub only"
	case trustpolicy.FindingOperatorType:
		return have + " does not compare strings" + instead
	case trustpolicy.FindingWildcardLiteral:
		return "* and ? are no wildcards under this operator, so that " + have + " never matches; StringLike has them"
	case trustpolicy.FindingAudienceWrong:
		return have + " is not the audience of a token for AWS" + instead
	case trustpolicy.FindingSubjectOrg:
		return have + " does not begin with the organisation's slug, as every subject does" + instead
	case trustpolicy.FindingSubjectParts:
		return have + " does not have the three parts of a subject, <org>:<app>:<machine>, so that it never matches" + instead
	case trustpolicy.FindingSubjectApp:
		return have + " does not hold the name of an app, which takes lower-case letters, digits and dashes" + instead
	}
	return ""
}

// fixWords says what to do.
func fixWords(f explain.Fix) string {
	whole := ""
	if f.Policy != nil && FixCommand(f) != "" {
		whole = "; the command replaces the whole trust policy"
	}
	switch f.Kind {
	case explain.FixEditStatement:
		return "change a statement of the trust policy" + whole
	case explain.FixAddStatement:
		return "add a statement to the trust policy" + whole
	case explain.FixReplacePolicy:
		return "use this trust policy" + whole
	case explain.FixCreateProvider:
		return "create the provider of the issuer in the role's account"
	case explain.FixAddAudience:
		return "add the audience to the provider"
	case explain.FixRequestAudience:
		return "mint the token for the audience " + Clean(f.Audience) + ", which Fly does by itself in a machine with AWS_ROLE_ARN"
	case explain.FixRequestToken:
		return "mint a fresh token, and read its file anew for every exchange"
	case explain.FixRawSlug:
		return "put the organisation's raw slug in the place of \"personal\""
	case explain.FixRoleARN:
		return "ask for the role by its ARN, " + Clean(f.RoleARN)
	}
	return Clean(string(f.Kind))
}

// newOrgWords warns of a fix that lets in another organisation.
func newOrgWords(f explain.Fix) string {
	return "This lets another Fly organisation (" + Clean(strings.TrimPrefix(f.Issuer, flyname.Issuer(""))) +
		") into this AWS account. If you did not expect this token, the refusal is right."
}

// fixWarnings says what is dangerous about a fix.
func fixWarnings(f explain.Fix) []string {
	var out []string
	if f.OverridesDeny {
		out = append(out, "This makes an exception from a statement that denies. Ask whoever wrote it.")
	}
	if f.TooBroad() {
		names := make([]string, len(f.AlsoAccepts))
		for i, s := range f.AlsoAccepts {
			names[i] = Clean(s)
		}
		out = append(out, "This lets in more than this app: "+strings.Join(names, ", "))
	}
	if f.Policy != nil {
		if size := f.Policy.Size(); size > trustpolicy.DefaultSizeQuota {
			out = append(out, fmt.Sprintf("The policy has %d characters; an account takes %d unless its quota was raised.", size, trustpolicy.DefaultSizeQuota))
		}
	}
	return out
}

// maxMeant is how many apps a role is said to be for.
const maxMeant = 5

// meantWords says that a refusal may be right, and what else there is to do; "" where
// the policy does not tell whom it is for. The words end before the command, if there
// is one.
func meantWords(e explain.Explanation) (words, command string) {
	subject := ""
	for _, r := range e.Reasons {
		switch r.Code {
		case explain.ReasonAppDiffers, explain.ReasonAppSuffix, explain.ReasonOrgDiffers, explain.ReasonMachineDiffers:
			if subject == "" {
				subject = r.Have
			}
		}
	}
	org, app := subjectApp(subject)
	var names []string
	short := true
	for _, s := range e.MeantFor {
		meantOrg, meantApp := subjectApp(s)
		short = short && meantOrg == org && meantApp != app
		names = append(names, meantApp)
	}
	who := app
	if !short { // the app's name alone does not tell them apart
		who, names = subject, slices.Clone(e.MeantFor)
	}
	names = slices.Compact(names)
	for i := range names {
		names[i] = Clean(names[i])
	}
	if subject == "" || len(names) == 0 {
		return "", ""
	}
	if more := len(names) - maxMeant; more > 0 {
		names = append(names[:maxMeant], number(more)+" more")
	}
	last := len(names) - 1
	list := names[last]
	if last > 0 {
		list = strings.Join(names[:last], ", ") + " and " + list
	}
	words = "The role is for " + list + " only. If " + Clean(who) + " should not have its permissions, this refusal is right"
	if short && flyname.CheckApp(app) == nil {
		return words + "; give it a role of its own:", "fly-aws setup --app " + shellWord(app)
	}
	return words + ".", ""
}

// subjectApp returns the organisation and the app of a subject.
func subjectApp(subject string) (org, app string) {
	parts := strings.SplitN(subject, ":", 3)
	if len(parts) < 3 {
		return "", ""
	}
	return parts[0], parts[1]
}

// obstacleWords says of a refusal that the fixes do not overcome why there is no more
// to do.
func obstacleWords(e explain.Explanation) string {
	switch {
	case e.Obstacle == explain.ObstacleOnPurpose:
		return "No change that is known here makes it accepted without undoing what somebody asked for on purpose."
	case e.Obstacle == explain.ObstacleIssuer:
		return "No change is suggested: the issuer is not that of a Fly organisation."
	case len(e.Fixes) == 0:
	case slices.Contains(e.Steps, explain.Step{Code: explain.StepPolicy, Match: trustpolicy.MatchUndecided}),
		slices.ContainsFunc(e.Fixes, func(f explain.Fix) bool { return f.Kind == explain.FixRawSlug }):
		return "Whether these steps are enough depends on what is not known here."
	default:
		return "These steps alone are not enough."
	}
	return "No change is suggested."
}

// meaningText is what is shown of a meaning: its words, or that there are none.
func meaningText(m explain.Meaning) []string {
	if words := MeaningWords(m); words != nil {
		return words
	}
	return []string{"This is none of the errors that AWS gives for a token."}
}

// MeaningWords says what an error of AWS's means, a sentence each; nothing for an
// unknown one.
func MeaningWords(m explain.Meaning) []string {
	switch m.Code {
	case explain.MeaningNotAuthorized:
		action := Clean(m.Action)
		if action == "" {
			action = "this"
		}
		return []string{
			"The role does not allow " + action + ", or does not exist; AWS does not say which.",
			"A condition of its trust policy may not hold, a statement may deny it, the token may have session tags that nobody allows, or the role may be some seconds old.",
		}
	case explain.MeaningAssumeRole:
		return []string{
			"The wrong action is in use: sts:AssumeRole is for who has credentials already.",
			"A token takes sts:AssumeRoleWithWebIdentity, in the role's trust policy and in the call.",
		}
	case explain.MeaningPermission:
		return []string{
			"The credentials work; the role's permissions do not allow " + Clean(m.Action) + ".",
			"Attach a policy: fly-aws setup … --policy",
		}
	case explain.MeaningAccessDenied:
		return []string{
			"AWS refused a call; it is not known which.",
			"If it was AssumeRoleWithWebIdentity, look at the role's trust policy; otherwise at the role's permissions.",
		}
	case explain.MeaningSessionExpired:
		return []string{"The credentials that STS gave for a token have expired. Exchange a fresh token for new ones; the AWS SDKs do so by themselves."}
	case explain.MeaningProviderAbsent:
		out := []string{"The role's account has no OIDC provider for the token's issuer" + named(m.Issuer) + "."}
		if m.Issuer != "" {
			out = append(out, "The issuer must be that of a provider letter by letter. It holds the organisation's raw slug, never \"personal\".")
		}
		return out
	case explain.MeaningAudience:
		return []string{"The provider does not list the token's audience. For AWS it is " + flyname.AudienceAWS + "."}
	case explain.MeaningKeys:
		return []string{"STS could not get the issuer's keys, or they did not sign the token. Try again; if it keeps failing, the token is not the issuer's."}
	case explain.MeaningThumbprint:
		return []string{"The provider holds the thumbprint of another certificate. A provider for Fly needs none: let IAM find it."}
	case explain.MeaningClaimMissing:
		return []string{"The token lacks a claim" + named(m.Claim) + ". It is not a token of a Fly machine as it was minted."}
	case explain.MeaningTokenForm:
		return []string{"What was sent is not a JWT: an empty file, say, or a token in quotation marks."}
	case explain.MeaningToken:
		return []string{"STS does not take the token. The rest of its message says why."}
	case explain.MeaningExpired:
		s := "The token has expired. Fly's tokens are valid for ten minutes: read the token file anew for every exchange."
		if !m.Now.IsZero() && !m.Expiry.IsZero() {
			s = "The token expired " + m.Now.Sub(m.Expiry).String() + " earlier, at " + m.Expiry.Format(time.RFC3339) +
				". Read the token file anew for every exchange."
		}
		return []string{s}
	case explain.MeaningDuration:
		return []string{"The session asked for is longer than the role's maximum session duration."}
	case explain.MeaningRoleARN:
		return []string{"What was given is not the ARN of a role: look at AWS_ROLE_ARN."}
	case explain.MeaningIssuerUnreachable:
		return []string{"STS could not reach the issuer. Try again."}
	case explain.MeaningRejected:
		return []string{"The issuer says that the token is no longer valid."}
	case explain.MeaningRegion:
		return []string{"STS is not active in this region for the account. Set AWS_REGION to one where it is."}
	case explain.MeaningSessionPolicy:
		return []string{"Session policies and session tags are too large together."}
	case explain.MeaningPolicyForm:
		return []string{"IAM rejects this policy."}
	case explain.MeaningPolicySize:
		return []string{"The trust policy is larger than the quota L-C07B4B0D allows."}
	case explain.MeaningThrottled:
		return []string{"There were too many requests. Wait a little."}
	}
	return nil
}

func named(s string) string {
	if s == "" {
		return ""
	}
	return ", " + Clean(s)
}
