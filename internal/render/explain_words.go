package render

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fly-aws/fly-aws/internal/explain"
	"github.com/fly-aws/fly-aws/internal/flyname"
	"github.com/fly-aws/fly-aws/internal/text"
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
		return "the role has the requested ARN"
	case explain.StepPolicy:
		return "the role's trust policy allows it"
	}
	return text.Name(string(code))
}

// comparisonWords says why an element of a statement matches or does not.
func comparisonWords(c trustpolicy.Comparison) string {
	switch c.Reason {
	case trustpolicy.ReasonMatched:
		return "a value matches, which this operator excludes"
	case trustpolicy.ReasonNoMatch:
		if c.Match == trustpolicy.Matches {
			return "no value matches, as this operator requires"
		}
		return "no value matches"
	case trustpolicy.ReasonCaseDiffers:
		return "only the case differs, and case counts"
	case trustpolicy.ReasonWildcardLiteral:
		return "* and ? are not wildcards under this operator"
	case trustpolicy.ReasonBadValue:
		return "a value is not of the type that this operator compares"
	case trustpolicy.ReasonUnresolvedVariable:
		return "the request has no value for a policy variable, so it matches nothing"
	case trustpolicy.ReasonMissingKey, trustpolicy.ReasonOtherProvider:
		why := "the request does not have this key"
		if c.Reason == trustpolicy.ReasonOtherProvider {
			why = "the request has no keys of this provider"
		}
		if c.Match == trustpolicy.Matches {
			return why + ", and without it this operator matches"
		}
		return why
	case trustpolicy.ReasonEmptyValue:
		return "the value is empty"
	case trustpolicy.ReasonNoValues:
		return "the policy lists no values here"
	case trustpolicy.ReasonNullQuantified:
		return "Null always matches under ForAllValues, and does not under ForAnyValue"
	case trustpolicy.ReasonUnknownKey:
		return "AWS sets this key, and its value is not known here"
	case trustpolicy.ReasonUnknownVariable:
		return "AWS sets a policy variable here, and its value is not known"
	case trustpolicy.ReasonUnclearVariable:
		return "AWS does not document what this policy variable stands for"
	case trustpolicy.ReasonManyValues:
		return "the key has several values, which this operator does not take"
	case trustpolicy.ReasonWildcardPrincipal:
		return "AWS does not document whether * covers a token"
	}
	return text.Name(c.Reason)
}

// reasonWords puts a reason into one sentence.
func reasonWords(r explain.RefusalReason) string {
	have, want := text.Quote(r.Have), text.Quote(r.Want)
	var where string
	if r.Statement >= 0 {
		where = placeWords(r.Statement, r.Sid)
		if r.Key != "" {
			where += ", " + text.Line(r.Operator) + " " + text.Line(r.Key)
		}
		where += ": "
	}
	return where + sentence(r, have, want)
}

// placeWords names a statement within a sentence.
func placeWords(index int, sid string) string {
	return "s" + strings.TrimPrefix(statementName(index, sid), "S")
}

// sentence says what is wrong; have and want are quoted.
func sentence(r explain.RefusalReason, have, want string) string {
	if s := findingWords(trustpolicy.Finding{Code: trustpolicy.FindingCode(r.Code), Have: r.Have, Want: r.Want}); s != "" {
		return s
	}
	switch r.Code {
	case explain.ReasonTokenForm:
		return "this is not a token: " + text.Line(r.Have)
	case explain.ReasonTokenRule:
		return "the token breaks a rule, and AWS does not document what it does then: " + text.Line(r.Have)
	case explain.ReasonRoleARN:
		return "the role's ARN is " + want + ", and the request is for " + have + "; AWS answers AccessDenied"
	case explain.ReasonProviderAbsent:
		return "the account has no OIDC provider for the issuer " + have
	case explain.ReasonProviderPersonal:
		return "there is a provider " + have + ", but \"personal\" is an alias in Fly's tools; this token comes from " + want
	case explain.ReasonClaimsPersonal:
		return have + " names the organization by the alias \"personal\"; tokens carry its raw slug instead"
	case explain.ReasonClaimsDisagree:
		return "the subject " + have + " is not of the organization of the issuer " + want
	case explain.ReasonSignature:
		return "this token is not signed with the keys that " + want + " publishes"
	case explain.ReasonClaimMissing:
		return "the token has no " + text.Line(r.Want)
	case explain.ReasonExpired:
		return "the token expired at " + text.Line(r.Have) + "; it is " + text.Line(r.Want) + ", more than AWS's five minutes of grace later"
	case explain.ReasonNotYetValid:
		return "the token is not valid before " + text.Line(r.Have) + "; it is " + text.Line(r.Want)
	case explain.ReasonAudienceUnlisted:
		if r.Want == "" {
			return "the token is for " + have + ", and the provider lists no audience"
		}
		return "the token is for " + have + ", and the provider lists " + want
	case explain.ReasonManyAudiences:
		return "the token is for several audiences, " + have + ", and AWS does not document which of them counts"
	case explain.ReasonPolicyUnknown:
		return "the role's trust policy is not known"
	case explain.ReasonPolicySyntax:
		return "IAM rejects this policy: " + text.Line(r.Have)
	case explain.ReasonDenied:
		return "it denies the request; an explicit deny overrides any allow"
	case explain.ReasonNoStatement:
		return "no statement trusts the provider " + have
	case explain.ReasonPrincipalDiffers:
		return "it trusts " + want + ", but the token's provider is " + have
	case explain.ReasonPrincipalUnknown:
		return "AWS does not document whether " + want + " covers " + have
	case explain.ReasonDenyUnknown:
		return "it denies requests of " + want + ", and AWS does not document whether that covers " + have + "; ask who wrote it"
	case explain.ReasonOrgDiffers:
		return "it allows another organization, " + want + "; the token is from " + have
	case explain.ReasonAppSuffix:
		return have + " is not of the app in " + want + "; one app's name begins with the other's"
	case explain.ReasonAppDiffers:
		return "it allows other apps, not that of " + have
	case explain.ReasonMachineDiffers:
		if w, _ := flyname.ParseSubject(r.Want); strings.ContainsAny(r.Want, "*?") {
			h, _ := flyname.ParseSubject(r.Have)
			return "in " + want + ", " + text.Name(w.App) + " matches the app " + text.Name(h.App) + ", and " +
				text.Name(w.Machine) + " does not match the machine " + text.Name(h.Machine)
		}
		return "it allows another machine of this app, " + want + ", not " + have
	case explain.ReasonOwnMachineID:
		return "the last part of " + want + " is this machine's ID; a subject has the machine's name, " + have
	case explain.ReasonAudienceDiffers:
		return "it requires the audience " + want + "; the token is for " + have
	case explain.ReasonCaseDiffers:
		return have + " and " + want + " differ in case, which counts"
	case explain.ReasonVariableText:
		return "the variable in " + want + " is plain text here: policy variables need Version 2012-10-17"
	case explain.ReasonKeyMissing:
		return "the request does not have this key, so the condition does not match"
	case explain.ReasonTagSession:
		if r.Want == trustpolicy.SourceIdentityAction {
			return "the token has a source identity, and no statement allows it " + r.Want
		}
		return "the token has session tags, and no statement allows it " + text.Line(r.Want)
	case explain.ReasonConditionFailed:
		switch {
		case strings.Contains(r.Operator, "Null") && r.Have != "":
			return "Null " + want + " requires that the request not have this key; it has " + have
		case strings.Contains(r.Operator, "Null"):
			return "Null " + want + " requires this key, which the request does not have"
		case strings.Contains(r.Operator, "Not"):
			return "it excludes " + want + "; the request has " + have
		case r.Have == "":
			return "it requires " + want + ", which the request does not have"
		}
		return "it requires " + want + "; the request has " + have
	case explain.ReasonConditionUnknown:
		return comparisonWords(trustpolicy.Comparison{Reason: r.Have, Match: trustpolicy.MatchUndecided})
	}
	return text.Name(string(r.Code))
}

// fixWords says what to do.
func fixWords(f explain.Fix) string {
	switch f.Kind {
	case explain.FixSetup:
		return "fly-aws set this role up. Run setup again; it shows what it repairs and asks"
	case explain.FixAdopt:
		return "Set the role up for this app. It keeps the statements that it has; setup shows what it adds and asks"
	case explain.FixOwnRole:
		return "Give the app a role of its own; this role stays as it is"
	case explain.FixRepairStatement:
		return "Change " + placeWords(f.Index, f.Before.Sid) + " of the trust policy, and no other"
	case explain.FixAddStatement:
		return "Add a statement to the trust policy, beside those that it has"
	case explain.FixRequestAudience:
		return "Request a token for the audience " + text.Name(f.Audience) + audienceWords(f.Audience)
	case explain.FixRequestToken:
		return "Request a fresh token, and read its file again before each exchange"
	case explain.FixRawSlug:
		return "Use the organization's raw slug in place of \"personal\". This prints it"
	case explain.FixRoleARN:
		return "Use the role's own ARN, " + text.Name(f.RoleARN)
	}
	return text.Name(string(f.Kind))
}

func audienceWords(audience string) string {
	if audience == flyname.AudienceAWS {
		return ". Fly does so in a machine that has AWS_ROLE_ARN"
	}
	return ""
}

// newOrgWords warns about a token from an organization that the role does not trust.
func newOrgWords(f explain.Fix) string {
	return "The role trusts other Fly organizations. If you did not expect a token of " + text.Name(f.Setup.Org) +
		" in this AWS account, the refusal is right."
}

// maxIntended limits the list of apps that a role is for.
const maxIntended = 5

// intendedWords says that a refusal may be right; "" if the policy does not say whom it
// is for.
func intendedWords(e explain.Explanation) string {
	i := slices.IndexFunc(e.Reasons, func(r explain.RefusalReason) bool {
		switch r.Code {
		case explain.ReasonAppDiffers, explain.ReasonAppSuffix, explain.ReasonOrgDiffers, explain.ReasonMachineDiffers:
			return true
		}
		return false
	})
	if i < 0 || len(e.Intended) == 0 {
		return ""
	}
	have, _ := flyname.ParseSubject(e.Reasons[i].Have)
	who, names, short := have.App, []string(nil), true
	for _, s := range e.Intended {
		subject, _ := flyname.ParseSubject(s)
		short = short && subject.Org == have.Org && subject.App != have.App && subject.App != "*"
		names = append(names, subject.App)
	}
	if !short { // the app's name alone is ambiguous
		who, names = have.String(), slices.Clone(e.Intended)
	}
	names = slices.Compact(names)
	for i := range names {
		names[i] = text.Name(names[i])
	}
	if more := len(names) - maxIntended; more > 0 {
		names = append(names[:maxIntended], strconv.Itoa(more)+" more")
	}
	last := len(names) - 1
	list := names[last]
	if last > 0 {
		list = strings.Join(names[:last], ", ") + " and " + list
	}
	return "The role is for " + list + ". If " + text.Name(who) + " should not have its permissions, this refusal is right."
}

// obstacleWords says why no change is suggested.
func obstacleWords(o explain.Obstacle) string {
	switch o {
	case explain.ObstacleDenied:
		return "No change is suggested: someone put that Deny there. Ask them."
	case explain.ObstacleCondition:
		return "No change is suggested: the statement requires more than audience and subject, and a change would be a way around that. Meet the condition, or ask who wrote it."
	case explain.ObstacleIssuer:
		return "No change is suggested: the issuer is not that of a Fly organization."
	case explain.ObstacleSyntax:
		return "Correct the document first: IAM accepts no such policy."
	case explain.ObstacleToken:
		return "Give the token alone: three parts joined by dots, without quotation marks, a word or JSON around it. In a machine, fly-aws token --raw prints one."
	}
	return "No change is suggested."
}

// MeaningWords says what an AWS error means, one sentence per item; none for an unknown
// error.
func MeaningWords(m explain.Meaning) []string {
	switch m.Code {
	case explain.MeaningNotAuthorized:
		action := text.Name(m.Action)
		if action == "" {
			action = "this"
		}
		return []string{
			"The role does not allow " + action + ", or does not exist; AWS does not say which.",
			"A condition of its trust policy may not match, a statement may deny it, the token may have session tags that no statement allows, or the role may be a few seconds old.",
		}
	case explain.MeaningAssumeRole:
		return []string{
			"The wrong action is in use: sts:AssumeRole is for callers that already have AWS credentials.",
			"A token needs sts:AssumeRoleWithWebIdentity, in the role's trust policy and in the call.",
		}
	case explain.MeaningPermission:
		return []string{
			"The credentials work, but no policy allows them " + text.Name(m.Action) + ", or one denies it.",
			"If the role lacks the permission, attach a policy: fly-aws setup … --policy",
		}
	case explain.MeaningAccessDenied:
		return []string{
			"AWS refused a call; the text does not say which.",
			"If it was AssumeRoleWithWebIdentity, check the role's trust policy; otherwise its permissions.",
		}
	case explain.MeaningSessionExpired:
		return []string{"The credentials that STS issued for a token have expired. Exchange a fresh token for new ones; AWS's own SDKs do this by themselves."}
	case explain.MeaningProviderAbsent:
		out := []string{"The role's account has no OIDC provider for the token's issuer" + named(m.Issuer) + "."}
		if m.Issuer != "" {
			out = append(out, "The provider's URL must be exactly the issuer, which has the organization's raw slug, not \"personal\".")
		}
		return out
	case explain.MeaningAudience:
		return []string{"The provider does not list the token's audience. For AWS it is " + flyname.AudienceAWS + "."}
	case explain.MeaningKeys:
		return []string{"STS could not get the issuer's keys, or they did not sign the token. Try again; if it keeps failing, check who issued the token."}
	case explain.MeaningThumbprint:
		return []string{"The provider's pinned thumbprint does not match the issuer's certificate. A provider for Fly needs no thumbprint of yours: IAM sets it."}
	case explain.MeaningClaimMissing:
		return []string{"The token lacks a claim" + named(m.Claim) + ". Tokens of Fly machines have it: check that this is one, unchanged."}
	case explain.MeaningTokenForm:
		return []string{"What was sent is not a JWT: perhaps an empty file, or a token in quotation marks."}
	case explain.MeaningToken:
		return []string{"STS rejects the token. The rest of its message says why."}
	case explain.MeaningExpired:
		s := "The token has expired. Fly's tokens are valid for ten minutes: read the token file again before each exchange."
		if !m.Now.IsZero() && !m.Expiry.IsZero() {
			s = "The token had expired " + m.Now.Sub(m.Expiry).String() + " earlier, at " + m.Expiry.Format(time.RFC3339) +
				". Read the token file again before each exchange."
		}
		return []string{s}
	case explain.MeaningDuration:
		return []string{"The requested session is longer than the role's maximum session duration."}
	case explain.MeaningRoleARN:
		return []string{"The value is not the ARN of a role: check AWS_ROLE_ARN."}
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
		return []string{"The trust policy is larger than IAM's quota L-C07B4B0D."}
	case explain.MeaningClock:
		return []string{"The call's signature is minutes older or newer than AWS's time: the clock of the machine that signed it is wrong, or the call was signed long before it was sent."}
	case explain.MeaningThrottled:
		return []string{"AWS is throttling requests. Try again later."}
	}
	return nil
}

func named(s string) string {
	if s == "" {
		return ""
	}
	return ", " + text.Name(s)
}
