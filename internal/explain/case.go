package explain

import (
	"time"

	"github.com/fly-aws/fly-aws/internal/flyname"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

// Grace is how long after its expiry STS still takes a token, for clocks that are
// wrong (id_roles_providers_create_oidc.html).
const Grace = 5 * time.Minute

// A Case is one request for a role, and what is known of role and provider.
type Case struct {
	// Policy is the role's trust policy, nil when it is not known or not a policy.
	Policy *trustpolicy.Policy
	// PolicyError is why there is no Policy, as trustpolicy.Parse said it.
	PolicyError error
	// Role is the role's name; "" when not known.
	Role string
	// Managed is what fly-aws's tags on the role say; nil when it has none, or they are
	// not known.
	Managed *Managed
	// Partition and Account are the role's; empty when not known. Then those of the
	// provider count, and else those of a provider of Fly's in the policy; "ACCOUNT"
	// stands in an ARN when they are of no help either.
	Partition, Account string
	Provider           Provider
	Claims             flyname.Claims
	// WantedRole is the ARN that was asked for, and RoleARN the one that the role has.
	// STS answers AccessDenied when they differ, be it in the path alone. Either may be
	// empty; then they are not compared.
	WantedRole, RoleARN string
	// TokenError says in a clause which rule for tokens is broken, and how: "it has two
	// parts, not three". It is nil when none is, or when there is no token but only its
	// claims.
	TokenError error
	// TokenRule is the code of that rule, as package flyoidc names it: "parts", "aud".
	// Of most rules, and of "", it is not known what AWS makes of a token that breaks
	// them.
	TokenRule string
	Signature Signature
	// SignatureNote says why the signature is not known to be right or wrong: a clause,
	// or empty.
	SignatureNote string
	// Now is the time of the request; zero when times do not matter.
	Now time.Time
	// Context holds further condition keys of the request, as in a
	// trustpolicy.AssumeRequest.
	Context map[string][]string
}

// Managed says whose a role is that fly-aws set up.
type Managed struct {
	// Org is the raw slug of the organization, App the app's name; "" for a role that
	// apps share.
	Org, App string
}

// A Provider is what IAM knows of the token's issuer in the role's account.
type Provider struct {
	// Presence is Unknown when it was not looked up.
	Presence Presence
	// ARN is the provider's; it may be empty.
	ARN string
	// Audiences is the list of its client IDs; nil when not known.
	Audiences []string
	// Others are the ARNs of further providers in the account, where it helps to
	// know them: a provider of the alias "personal" explains a lot.
	Others []string
}

// A Presence says whether there is something.
type Presence string

// The presences.
const (
	Unknown Presence = ""
	Present Presence = "present"
	Absent  Presence = "absent"
)

// A Signature says what came of verifying a token's signature.
type Signature string

// The states of a signature.
const (
	// Unverified: it was not verified.
	Unverified Signature = ""
	Verified   Signature = "verified"
	// Forged: the issuer's keys did not sign the token.
	Forged Signature = "forged"
)

// A Verdict is what STS does with a token.
type Verdict string

// The verdicts.
const (
	Accepted  Verdict = "accepted"
	Refused   Verdict = "refused"
	Undecided Verdict = "undecided" // it depends on what is not known
)

// An Explanation is what STS answers, and why.
type Explanation struct {
	Verdict Verdict
	// Error is what AWS says; nil unless the request is refused.
	Error *STSError
	// Steps are those of STS, in its order; the last is the policy. All are made,
	// also when one before failed: STS stops at the first that failed.
	Steps []Step
	// Statements are those of the policy, evaluated for the claims as presented; nil
	// when there is no policy.
	Statements []trustpolicy.StatementResult
	// Reasons say why the verdict is not accepted, the most specific first.
	Reasons []Reason
	// Fix is the next thing to do; nil when the request is accepted, or when nothing is
	// safe to suggest.
	Fix *Fix
	// Complete says that with the Fix the request is accepted.
	Complete bool
	// Obstacle says why there is no Fix for the policy, if that is known.
	Obstacle Obstacle
	// Warnings are the errors that Lint finds in the statements of the policy that let
	// the token in. Claims that disagree and are accepted all the same stand here too.
	Warnings []Reason
	// Intended holds the subjects that the policy names, where it refuses the token for
	// being none of them: the refusal may be intended. Otherwise nil.
	Intended []string
}

// An Obstacle is why a policy that refuses is left alone.
type Obstacle string

// The obstacles.
const (
	// ObstacleNone: there is none, or it is not known here.
	ObstacleNone Obstacle = ""
	// ObstacleDenied: a statement denies the request.
	ObstacleDenied Obstacle = "denied"
	// ObstacleCondition: a statement for the token's organization asks for something
	// other than audience and subject, such as an address. A statement added beside it
	// would be a way past that condition.
	ObstacleCondition Obstacle = "condition"
	// ObstacleIssuer: the issuer is not that of a Fly organization.
	ObstacleIssuer Obstacle = "issuer"
	// ObstacleSyntax: the policy could not be read.
	ObstacleSyntax Obstacle = "syntax"
)

// An STSError is what STS answers to a request that it refuses.
type STSError struct {
	// Code is AWS's: "AccessDenied".
	Code string
	// Message is AWS's sentence, with text from the token in it, raw.
	Message string
}

// A StepCode names a step.
type StepCode string

// The steps of STS.
const (
	StepToken     StepCode = "token"
	StepProvider  StepCode = "provider"
	StepSignature StepCode = "signature"
	StepClaims    StepCode = "claims"
	StepExpiry    StepCode = "expiry"
	StepAudience  StepCode = "audience"
	// StepRole is there only when both ARNs of the role are known.
	StepRole   StepCode = "role"
	StepPolicy StepCode = "policy"
)

// A Step is one thing that STS looks at.
type Step struct {
	Code   StepCode
	Result StepResult
	// Note says why the result is undecided: a clause, raw, or empty.
	Note string
}

// A StepResult says how a step went.
type StepResult string

// The results of a step.
const (
	StepPassed StepResult = "passed"
	StepFailed StepResult = "failed"
	// StepUndecided: the Case does not tell.
	StepUndecided StepResult = "undecided"
)

// A ReasonCode names a reason. Those of a condition, a principal or an action that
// breaks a rule of package trustpolicy's are the code of its finding, such as
// "wildcard-literal".
type ReasonCode string

// Reasons of the steps before the policy.
const (
	// ReasonTokenForm: it is no token; Have is how.
	ReasonTokenForm ReasonCode = "token-form"
	// ReasonTokenRule: the token breaks a rule, Have, and AWS does not document what it
	// makes of that.
	ReasonTokenRule ReasonCode = "token-rule"
	// ReasonRoleARN: the role has the ARN Want, and Have was asked for.
	ReasonRoleARN ReasonCode = "role-arn-differs"
	// ReasonProviderAbsent: IAM has no provider for the issuer Have in the account.
	ReasonProviderAbsent ReasonCode = "provider-absent"
	// ReasonProviderPersonal: the account, or the policy, trusts the provider Have of
	// the alias "personal", while the token comes from Want.
	ReasonProviderPersonal ReasonCode = "provider-personal"
	// ReasonClaimsPersonal: Have is of the alias "personal", which no token carries.
	ReasonClaimsPersonal ReasonCode = "claims-personal"
	// ReasonClaimsDisagree: the subject Have is not of the organization of the issuer
	// Want.
	ReasonClaimsDisagree ReasonCode = "claims-disagree"
	// ReasonSignature: the token is not signed by its issuer's keys.
	ReasonSignature ReasonCode = "signature"
	// ReasonClaimMissing: the token lacks the claim Want.
	ReasonClaimMissing ReasonCode = "claim-missing"
	// ReasonExpired: the token expired at Have, more than Grace before Want (RFC 3339).
	ReasonExpired ReasonCode = "expired"
	// ReasonNotYetValid: the token is valid from Have, and it is Want (RFC 3339).
	ReasonNotYetValid ReasonCode = "not-yet-valid"
	// ReasonAudienceUnlisted: the provider does not list the audience Have; Want is
	// what it lists.
	ReasonAudienceUnlisted ReasonCode = "audience-unlisted"
	// ReasonManyAudiences: the token has the audiences Have, and AWS does not say
	// which of them counts.
	ReasonManyAudiences ReasonCode = "many-audiences"
)

// Reasons of the policy. Have is what the request has, Want what the policy wants.
const (
	// ReasonPolicyUnknown: there is no policy to look at.
	ReasonPolicyUnknown ReasonCode = "policy-unknown"
	// ReasonPolicySyntax: it is no policy; Have is why.
	ReasonPolicySyntax ReasonCode = "policy-syntax"
	// ReasonDenied: the statement denies the request.
	ReasonDenied ReasonCode = "denied"
	// ReasonNoStatement: no statement allows the provider Have anything.
	ReasonNoStatement ReasonCode = "no-statement"
	// ReasonPrincipalDiffers: the statement's principal is not the provider Have.
	ReasonPrincipalDiffers ReasonCode = "principal-differs"
	// ReasonOrgDiffers: the subject is of another organization.
	ReasonOrgDiffers ReasonCode = "org-differs"
	// ReasonAppSuffix: the subject's app is one that begins as the wanted one does, or
	// the other way round: web and web-staging.
	ReasonAppSuffix ReasonCode = "app-suffix"
	// ReasonAppDiffers: the subject is of another app.
	ReasonAppDiffers ReasonCode = "app-differs"
	// ReasonMachineDiffers: the subject is of another machine of a right app.
	ReasonMachineDiffers ReasonCode = "machine-differs"
	// ReasonAudienceDiffers: the token is for another audience.
	ReasonAudienceDiffers ReasonCode = "audience-differs"
	// ReasonCaseDiffers: the values differ in case only.
	ReasonCaseDiffers ReasonCode = "case-differs"
	// ReasonVariableText: Want has a policy variable, but the policy's version has
	// none, so that it is text (reference_policies_elements_version.html).
	ReasonVariableText ReasonCode = "variable-text"
	// ReasonKeyMissing: the request does not have the key.
	ReasonKeyMissing ReasonCode = "key-missing"
	// ReasonTagSession: the token has session tags, and no statement allows
	// sts:TagSession, Want (id_session-tags.html).
	ReasonTagSession ReasonCode = "tag-session"
	// ReasonConditionFailed: another condition does not match.
	ReasonConditionFailed ReasonCode = "condition-failed"
	// ReasonConditionUnknown: whether the condition matches depends on what is not
	// known.
	ReasonConditionUnknown ReasonCode = "condition-unknown"
	// ReasonPrincipalUnknown: whether the principal Want covers the provider AWS does
	// not say.
	ReasonPrincipalUnknown ReasonCode = "principal-unknown"
)

// A Reason is one cause of a verdict.
type Reason struct {
	Code ReasonCode
	// Statement counts from 0; -1 when the reason is not in the policy.
	Statement int
	Sid       string
	// Operator and Key are those of a condition, as written; else empty.
	Operator, Key string
	// Have and Want are raw. Several values are joined by ", ".
	Have, Want string
}

// A FixKind says what to do.
type FixKind string

// The kinds of fixes.
const (
	// FixSetup: fly-aws setup, run again, repairs the role, which is its own.
	FixSetup FixKind = "setup"
	// FixAdopt: fly-aws setup adds its statement beside those that the role has.
	FixAdopt FixKind = "adopt"
	// FixOwnRole: fly-aws setup makes a role for the token's app. This one stays as it
	// is.
	FixOwnRole FixKind = "own-role"
	// FixRepairStatement: the statement Index of the policy is to be as After.
	FixRepairStatement FixKind = "repair-statement"
	// FixAddStatement: the policy needs the statement After beside those that it has.
	FixAddStatement FixKind = "add-statement"
	// FixRequestAudience: the token has to be minted for Audience.
	FixRequestAudience FixKind = "request-audience"
	// FixRequestToken: a fresh token has to be minted.
	FixRequestToken FixKind = "request-token"
	// FixRawSlug: the organization's raw slug has to be used in place of "personal".
	FixRawSlug FixKind = "raw-slug"
	// FixRoleARN: RoleARN has to be asked for.
	FixRoleARN FixKind = "role-arn"
)

// A Fix is one thing to do. It lets in only the machines of the token's app, and drops no
// statement. Its fields are set as its Kind says.
type Fix struct {
	Kind FixKind
	// Setup is what to give to fly-aws setup.
	Setup *Setup
	// Index is the place of a statement in the policy, from 0; Before is the statement as
	// it is, nil for one to be added.
	Index         int
	Before, After *trustpolicy.Statement
	Audience      string
	RoleARN       string
	// NewOrg says, of FixOwnRole, that the role asked for trusts other organizations
	// alone: a token that was not expected is better refused.
	NewOrg bool
}

// Setup holds the flags for fly-aws setup; those that are empty are omitted.
type Setup struct {
	Org, App string
	// Role is the role's name and Path its path, Shared the name of a role that apps
	// share. All are empty for the app's role under its default name.
	Role, Path, Shared string
	Audience           string
	// AllMachines lifts the limit to machines that are named.
	AllMachines bool
	Adopt       bool
}
