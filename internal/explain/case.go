package explain

import (
	"time"

	"github.com/fly-aws/fly-aws/internal/flyname"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

// grace is how long after its expiry STS still accepts a token, to allow for clock skew
// (id_roles_providers_create_oidc.html).
const grace = 5 * time.Minute

// A Case is one request for a role and what is known about the role and the provider.
type Case struct {
	// Policy is the role's trust policy; nil if it is unknown or cannot be parsed.
	Policy *trustpolicy.Policy
	// PolicyError is the error of trustpolicy.Parse.
	PolicyError error
	// Role is the role's name; "" if unknown.
	Role string
	// Managed holds fly-aws's tags on the role; nil if there are none or they are unknown.
	Managed *Managed
	// Partition and Account are the role's; empty if unknown. Then those of the provider
	// are used, or those of a Fly provider in the policy; failing that, ARNs have the
	// placeholder "ACCOUNT".
	Partition, Account string
	Provider           Provider
	Claims             flyname.Claims
	// MachineID is the token's claim machine_id; "" if unknown.
	MachineID string
	// WantedRole is the requested ARN and RoleARN the role's own. STS answers AccessDenied
	// if they differ, even only in the path. If either is empty they are not compared.
	WantedRole, RoleARN string
	// TokenError says, as a clause, how the token breaks a rule: "it has two parts, not
	// three". It is nil if the token is well-formed or only its claims are known.
	TokenError error
	// TokenRule is package flyoidc's code for that rule: "parts", "aud". For most rules,
	// and for "", it is not known how AWS treats a token that breaks them.
	TokenRule string
	Signature Signature
	// SignatureNote says, as a clause, why the signature is unverified; it may be empty.
	SignatureNote string
	// Now is the time of the request; zero to ignore times.
	Now time.Time
	// Context holds further condition keys, as in trustpolicy.AssumeRequest.
	Context map[string][]string
}

// Managed says whom fly-aws set a role up for.
type Managed struct {
	// Org is the organization's raw slug and App the app's name; App is "" for a shared
	// role.
	Org, App string
}

// A Provider is what is known about the IAM provider for the token's issuer in the role's
// account.
type Provider struct {
	// Presence is empty if the provider was not looked up.
	Presence Presence
	// ARN may be empty.
	ARN string
	// Audiences are its client IDs; nil if unknown.
	Audiences []string
	// Others are the ARNs of other providers in the account. One for the alias "personal"
	// explains a refusal.
	Others []string
}

// A Presence says whether a provider exists.
type Presence string

// The presences.
const (
	unknown Presence = ""
	Present Presence = "present"
	Absent  Presence = "absent"
)

// A Signature is the result of verifying a token's signature.
type Signature string

// The results of verifying a signature.
const (
	// Unverified: the signature was not verified.
	Unverified Signature = ""
	Verified   Signature = "verified"
	// Forged: the token was not signed with the issuer's keys.
	Forged Signature = "forged"
)

// A Verdict is what STS does with a token.
type Verdict string

// The verdicts.
const (
	Accepted  Verdict = "accepted"
	Refused   Verdict = "refused"
	undecided Verdict = "undecided" // it depends on something unknown
)

// An Explanation is STS's answer and the reasons for it.
type Explanation struct {
	Verdict Verdict
	// Error is AWS's error; nil unless the request is refused.
	Error *STSError
	// Steps are those of STS, in order; the last is the policy. They continue after a
	// failed step, where STS would stop.
	Steps []Step
	// Statements are the policy's statements evaluated for the claims; nil without a policy.
	Statements []trustpolicy.StatementResult
	// Reasons say why the verdict is not Accepted, the most specific first.
	Reasons []RefusalReason
	// Fix is the next thing to do; nil if the request is accepted or no safe fix is known.
	Fix *Fix
	// Complete says that the request is accepted once Fix is done.
	Complete bool
	// Obstacle says why there is no Fix for the policy, if that is known.
	Obstacle Obstacle
	// Warnings are Lint's findings about the statements that allow the token, and claims
	// that disagree but are accepted.
	Warnings []RefusalReason
	// Beyond is whom the policy lets in besides machines of the token's app; nil unless the
	// request is accepted.
	Beyond []trustpolicy.Admission
	// Intended are the subjects that the policy names if it refuses the token because it
	// is not one of them. The refusal may be intended.
	Intended []string
}

// An Obstacle is why there is no fix for a policy.
type Obstacle string

// The obstacles.
const (
	// ObstacleNone: there is none, or none is known.
	ObstacleNone Obstacle = ""
	// ObstacleDenied: a statement denies the request.
	ObstacleDenied Obstacle = "denied"
	// ObstacleCondition: a statement for the token's organization requires something other
	// than audience and subject, such as an address. Another statement would bypass that.
	ObstacleCondition Obstacle = "condition"
	// ObstacleIssuer: the issuer is not that of a Fly organization.
	ObstacleIssuer Obstacle = "issuer"
	// ObstacleSyntax: the policy cannot be parsed.
	ObstacleSyntax Obstacle = "syntax"
	// ObstacleToken: what was given is not a token.
	ObstacleToken Obstacle = "token"
)

// An STSError is STS's answer to a refused request.
type STSError struct {
	// Code is AWS's error code: "AccessDenied".
	Code string
	// Message is AWS's message; it may contain raw text from the token.
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
	// StepRole is present only if both ARNs of the role are known.
	StepRole   StepCode = "role"
	StepPolicy StepCode = "policy"
)

// A Step is one check that STS makes.
type Step struct {
	Code   StepCode
	Result StepResult
	// Note says, as a raw clause, why the result is undecided; it may be empty.
	Note string
}

// A StepResult is the result of a step.
type StepResult string

// The results of a step.
const (
	StepPassed StepResult = "passed"
	StepFailed StepResult = "failed"
	// StepUndecided: the Case does not say.
	StepUndecided StepResult = "undecided"
)

// A ReasonCode names a reason. If a statement breaks a rule of trustpolicy's Lint, it is
// the code of the finding, such as "wildcard-literal".
type ReasonCode string

// Reasons from the steps before the policy.
const (
	// ReasonTokenForm: it is not a token; Have says why.
	ReasonTokenForm ReasonCode = "token-form"
	// ReasonTokenRule: the token breaks the rule Have, and AWS does not document how it
	// treats that.
	ReasonTokenRule ReasonCode = "token-rule"
	// ReasonRoleARN: the role has the ARN Want, but Have was requested.
	ReasonRoleARN ReasonCode = "role-arn-differs"
	// ReasonProviderAbsent: IAM has no provider for the issuer Have in the account.
	ReasonProviderAbsent ReasonCode = "provider-absent"
	// ReasonProviderPersonal: the account or the policy trusts the provider Have of the
	// alias "personal", but the token comes from Want.
	ReasonProviderPersonal ReasonCode = "provider-personal"
	// ReasonClaimsPersonal: Have contains the alias "personal", which tokens do not carry.
	ReasonClaimsPersonal ReasonCode = "claims-personal"
	// ReasonClaimsDisagree: the subject Have and the issuer Want are of different
	// organizations.
	ReasonClaimsDisagree ReasonCode = "claims-disagree"
	// ReasonSignature: the token is not signed by its issuer's keys.
	ReasonSignature ReasonCode = "signature"
	// ReasonClaimMissing: the token lacks the claim Want.
	ReasonClaimMissing ReasonCode = "claim-missing"
	// ReasonExpired: the token expired at Have, too long before the time Want (RFC 3339).
	ReasonExpired ReasonCode = "expired"
	// ReasonNotYetValid: the token is valid from Have, after the time Want (RFC 3339).
	ReasonNotYetValid ReasonCode = "not-yet-valid"
	// ReasonAudienceUnlisted: the provider does not list the audience Have; Want is its
	// list.
	ReasonAudienceUnlisted ReasonCode = "audience-unlisted"
	// ReasonManyAudiences: the token has the audiences Have, and AWS does not document
	// which one it uses.
	ReasonManyAudiences ReasonCode = "many-audiences"
)

// Reasons from the policy. Have is the request's value, Want the policy's.
const (
	// ReasonPolicyUnknown: the policy is unknown.
	ReasonPolicyUnknown ReasonCode = "policy-unknown"
	// ReasonPolicySyntax: the policy cannot be parsed; Have says why.
	ReasonPolicySyntax ReasonCode = "policy-syntax"
	// ReasonDenied: a Deny statement applies to the request.
	ReasonDenied ReasonCode = "denied"
	// ReasonNoStatement: no Allow statement names the provider Have.
	ReasonNoStatement ReasonCode = "no-statement"
	// ReasonPrincipalDiffers: the statement's principal is not the provider Have.
	ReasonPrincipalDiffers ReasonCode = "principal-differs"
	// ReasonOrgDiffers: the subject is of another organization.
	ReasonOrgDiffers ReasonCode = "org-differs"
	// ReasonAppSuffix: the names of the subject's app and the wanted one begin alike: web
	// and web-staging.
	ReasonAppSuffix ReasonCode = "app-suffix"
	// ReasonAppDiffers: the subject is of another app.
	ReasonAppDiffers ReasonCode = "app-differs"
	// ReasonMachineDiffers: the subject is of another machine of a wanted app. In Want, the
	// app may be a pattern, which matches.
	ReasonMachineDiffers ReasonCode = "machine-differs"
	// ReasonOwnMachineID: Want has the ID of the very machine that asks, where Have has its
	// name.
	ReasonOwnMachineID ReasonCode = "own-machine-id"
	// ReasonAudienceDiffers: the token is for another audience.
	ReasonAudienceDiffers ReasonCode = "audience-differs"
	// ReasonCaseDiffers: the values differ only in case.
	ReasonCaseDiffers ReasonCode = "case-differs"
	// ReasonVariableText: Want has a policy variable, which is plain text in the policy's
	// version (reference_policies_elements_version.html).
	ReasonVariableText ReasonCode = "variable-text"
	// ReasonKeyMissing: the request does not have the key.
	ReasonKeyMissing ReasonCode = "key-missing"
	// ReasonTagSession: the token has session tags or a source identity, and no statement
	// allows the action for that, Want (id_session-tags.html).
	ReasonTagSession ReasonCode = "tag-session"
	// ReasonConditionFailed: another condition does not match.
	ReasonConditionFailed ReasonCode = "condition-failed"
	// ReasonConditionUnknown: whether the condition matches depends on something unknown.
	ReasonConditionUnknown ReasonCode = "condition-unknown"
	// ReasonPrincipalUnknown: AWS does not document whether Want covers the provider.
	ReasonPrincipalUnknown ReasonCode = "principal-unknown"
	// ReasonDenyUnknown: the same, of a statement that denies.
	ReasonDenyUnknown ReasonCode = "deny-unknown"
)

// A RefusalReason is one cause of a verdict.
type RefusalReason struct {
	Code ReasonCode
	// Statement counts from 0; -1 if the reason is not about a statement.
	Statement int
	Sid       string
	// Operator and Key are those of a condition, as written; empty for other elements.
	Operator, Key string
	// Have and Want are raw. Several values are joined by ", ".
	Have, Want string
}

// A FixKind says what to do.
type FixKind string

// The kinds of fixes.
const (
	// FixSetup: run fly-aws setup again, which set up the role.
	FixSetup FixKind = "setup"
	// FixAdopt: run fly-aws setup, which adds its statement to the existing ones.
	FixAdopt FixKind = "adopt"
	// FixOwnRole: run fly-aws setup, which creates a role for the token's app. This role
	// stays as it is.
	FixOwnRole FixKind = "own-role"
	// FixRepairStatement: change the statement Index to After.
	FixRepairStatement FixKind = "repair-statement"
	// FixAddStatement: add the statement After.
	FixAddStatement FixKind = "add-statement"
	// FixRequestAudience: mint a token for Audience.
	FixRequestAudience FixKind = "request-audience"
	// FixRequestToken: mint a new token.
	FixRequestToken FixKind = "request-token"
	// FixRawSlug: use the organization's raw slug instead of "personal".
	FixRawSlug FixKind = "raw-slug"
	// FixRoleARN: request RoleARN.
	FixRoleARN FixKind = "role-arn"
)

// A Fix is one thing to do. It gives access only to machines of the token's app and does
// not remove a statement. Kind decides which fields are set.
type Fix struct {
	Kind FixKind
	// Setup holds the flags for fly-aws setup.
	Setup *Setup
	// Index counts statements from 0. Before is the current statement, nil for one to
	// add.
	Index         int
	Before, After *trustpolicy.Statement
	Audience      string
	RoleARN       string
	// NewOrg says, for FixOwnRole, that the requested role trusts only other
	// organizations, so the refusal may be intended.
	NewOrg bool
}

// Setup holds flags for fly-aws setup; empty ones are omitted.
type Setup struct {
	Org, App string
	// Role and Path are the role's name and path; both are empty for the app's role under
	// its default name.
	Role, Path string
	Audience   string
	// AllMachines lifts the limit to named machines.
	AllMachines bool
	Adopt       bool
}
