package trustpolicy

// An AssumeRequest is one request for the role that a trust policy belongs to.
type AssumeRequest struct {
	// Action is "sts:AssumeRoleWithWebIdentity" or another, in any case.
	Action string
	// Federated is the ARN of the OIDC provider that vouched for the token.
	Federated string
	// Context holds the values of condition keys; names of keys ignore case.
	//
	// A key with an empty list that is not nil is certainly absent. Of the keys that
	// are not in Context, or whose list is nil, those that AWS itself fills
	// ("aws:", "sts:" and "iam:") are unknown, and a condition about them is
	// undecided; all others are absent, since a request for a role carries no keys
	// but AWS's and those of the token's provider (reference_policies_iam-condition-keys.html).
	Context map[string][]string
}

// WebIdentityContext returns the condition keys that STS fills from a token for
// the provider of path "oidc.fly.io/<org>": "<path>:aud" and "<path>:sub". An
// empty claim is an absent key.
func WebIdentityContext(path, audience, subject string) map[string][]string {
	one := func(s string) []string {
		if s == "" {
			return []string{}
		}
		return []string{s}
	}
	return map[string][]string{path + ":aud": one(audience), path + ":sub": one(subject)}
}

// A Decision is what a policy says to a request, in the words of IAM
// (reference_policies_evaluation-logic.html).
type Decision string

// The decisions.
const (
	// Allowed: a statement allows the request and none denies it.
	Allowed Decision = "allowed"
	// ImplicitlyDenied: no statement allows the request.
	ImplicitlyDenied Decision = "implicitly-denied"
	// ExplicitlyDenied: a Deny statement applies to the request.
	ExplicitlyDenied Decision = "explicitly-denied"
	// Undecided: the answer depends on what was undecided.
	Undecided Decision = "undecided"
)

// Denied says whether the request is certainly not allowed.
func (d Decision) Denied() bool { return d == ImplicitlyDenied || d == ExplicitlyDenied }

// A Match says whether an element of a statement matches a request.
type Match string

// The matches.
const (
	Matches        Match = "matches"
	DoesNotMatch   Match = "does-not-match"
	MatchUndecided Match = "undecided"
)

// An Evaluation is a decision and everything that led to it.
type Evaluation struct {
	Decision   Decision
	Statements []StatementResult // one per statement, in order
}

// A StatementResult says whether a statement applies to the request. All its
// elements are compared, also when the first one does not match.
type StatementResult struct {
	// Index counts from 0.
	Index  int
	Sid    string
	Effect Effect
	// Match is Matches when the statement applies: when all its elements match.
	Match Match
	// Principal is the comparison of Principal or NotPrincipal, Action that of Action
	// or NotAction; the latter of each matches when no value did.
	Principal, Action Comparison
	// Conditions holds one comparison per condition, in order.
	Conditions []Comparison
}

// A Comparison is one element of a statement against the request.
type Comparison struct {
	// Operator and Key are those of a condition, as written; else empty.
	Operator, Key string
	// Wanted are the values of the policy. Variables of known value are expanded,
	// but for ${*}, ${?} and ${$} where * and ? are wildcards.
	Wanted []string
	// Presented are the values of the request; nil when it has none.
	Presented []string
	Match     Match
	// Reason is one of the constants named Reason…. It is about the values, not about
	// Match: a negated element does not match with ReasonMatched.
	Reason string
}

// Reasons of a Comparison that is decided.
const (
	// ReasonMatched: a wanted value matches what was presented.
	ReasonMatched = "matched"
	// ReasonNoMatch: no wanted value matches.
	ReasonNoMatch = "no-match"
	// ReasonCaseDiffers: no wanted value matches, but one would if case did not count.
	ReasonCaseDiffers = "case-differs"
	// ReasonWildcardLiteral: no wanted value matches, but one would if its * and ?
	// were wildcards; they are characters like any other under this operator.
	ReasonWildcardLiteral = "wildcard-literal"
	// ReasonBadValue: a value is no number, date, address or the like, as the
	// operator needs.
	ReasonBadValue = "bad-value"
	// ReasonUnresolvedVariable: a wanted value has a variable without value, and so
	// matches nothing (reference_policies_variables.html, variables with no value).
	ReasonUnresolvedVariable = "unresolved-variable"
	// ReasonMissingKey: the request does not have the key.
	ReasonMissingKey = "missing-key"
	// ReasonOtherProvider: the request does not have the key, whose prefix is not
	// the path of the provider that vouched for the token.
	ReasonOtherProvider = "other-provider"
	// ReasonEmptyValue: the presented values are empty strings, which set operators
	// take for no values.
	ReasonEmptyValue = "empty-value"
	// ReasonNoValues: the policy lists no values, principals or actions here.
	ReasonNoValues = "no-values"
	// ReasonNullQuantified: Null always matches under ForAllValues and never under
	// ForAnyValue (access-analyzer-reference-policy-checks.html, null with qualifier).
	ReasonNullQuantified = "null-quantified"
)

// Reasons of a Comparison that is undecided; ReasonBadValue, ReasonEmptyValue and
// ReasonNoValues can stand there too, where AWS does not say what they mean.
const (
	// ReasonUnknownKey: AWS fills the key, and Context does not say with what.
	ReasonUnknownKey = "unknown-key"
	// ReasonUnknownVariable: the same of a key that is used as a variable.
	ReasonUnknownVariable = "unknown-variable"
	// ReasonUnclearVariable: a variable is malformed, has several or empty values or
	// a value with wildcards, or stands under Bool, where AWS contradicts itself.
	ReasonUnclearVariable = "unclear-variable"
	// ReasonManyValues: the key has several values and the operator neither
	// ForAnyValue nor ForAllValues, which such a key requires.
	ReasonManyValues = "many-values"
	// ReasonWildcardPrincipal: "*" stands for the principal. Trust policies do not
	// support it (access-analyzer-reference-policy-checks.html, role trust policy
	// unsupported wildcard in principal), so whether it covers a token's holder is
	// not documented.
	ReasonWildcardPrincipal = "wildcard-principal"
	// ReasonUnknownOperator: there is no such condition operator. Parse refuses it.
	ReasonUnknownOperator = "unknown-operator"
)

// A truth is a value of three-valued logic, ordered so that OR is the greater
// and AND the lesser of two.
type truth int8

const (
	no truth = iota
	unknown
	yes
)

func (t truth) not() truth { return yes - t }

func (t truth) match() Match {
	return [...]Match{no: DoesNotMatch, unknown: MatchUndecided, yes: Matches}[t]
}

func (o Match) truth() truth {
	switch o {
	case Matches:
		return yes
	case DoesNotMatch:
		return no
	}
	return unknown
}
