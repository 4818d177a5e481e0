package trustpolicy

// An AssumeRequest is one request for the role that a trust policy belongs to.
type AssumeRequest struct {
	// Action is "sts:AssumeRoleWithWebIdentity" or another, in any case.
	Action string
	// Federated is the ARN of the OIDC provider that vouched for the token.
	Federated string
	// Context holds the values of condition keys, whose names ignore case.
	//
	// A key with an empty non-nil list is absent from the request. A key that is not in
	// Context or has a nil list is unknown if AWS sets it ("aws:", "sts:" and "iam:"),
	// and a condition on it is undecided; so is a claim of the token's provider unless that
	// is Fly's, since AWS has keys for many claims of other issuers. Any other such key is
	// absent, since a request for a role has only AWS's keys and those of the token's
	// provider (reference_policies_iam-condition-keys.html).
	//
	// Of keys that end in a tag, as in "aws:RequestTag/team", those that are not in
	// Context are absent if it has "aws:RequestTag/".
	Context map[string][]string
}

// WebIdentityContext returns the condition keys that STS sets from a token for the
// provider with path "oidc.fly.io/<org>": "<path>:aud", the same as "<path>:oaud", and
// "<path>:sub" (reference_policies_iam-condition-keys.html). An empty claim makes its key
// absent.
func WebIdentityContext(path, audience, subject string) map[string][]string {
	one := func(s string) []string {
		if s == "" {
			return []string{}
		}
		return []string{s}
	}
	return map[string][]string{path + ":aud": one(audience), path + ":oaud": one(audience), path + ":sub": one(subject)}
}

// A Decision is the result of evaluating a policy, in IAM's terms
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
	// Undecided: the result depends on undecided statements.
	Undecided Decision = "undecided"
)

// Denied says whether the request is denied, implicitly or explicitly.
func (d Decision) Denied() bool { return d == ImplicitlyDenied || d == ExplicitlyDenied }

// A Match says whether an element of a statement matches a request.
type Match string

// The matches.
const (
	Matches        Match = "matches"
	DoesNotMatch   Match = "does-not-match"
	MatchUndecided Match = "undecided"
)

// An Evaluation is a decision with the results of all statements.
type Evaluation struct {
	Decision   Decision
	Statements []StatementResult // one per statement, in order
}

// A StatementResult says whether a statement applies to the request. All its elements are
// compared, even after one that does not match.
type StatementResult struct {
	// Index counts from 0.
	Index  int
	Sid    string
	Effect Effect
	// Match is Matches if the statement applies, that is, if all its elements match.
	Match Match
	// Principal compares Principal or NotPrincipal, and Action compares Action or
	// NotAction. NotPrincipal and NotAction match if none of their values does.
	Principal, Action Comparison
	// Conditions holds one comparison per condition, in order.
	Conditions []Comparison
}

// A Comparison is one element of a statement against the request.
type Comparison struct {
	// Operator and Key are those of a condition, as written; empty for other elements.
	Operator, Key string
	// Wanted are the policy's values, with known variables expanded. Where * and ? are
	// wildcards, ${*}, ${?} and ${$} are not expanded.
	Wanted []string
	// Presented are the request's values; nil if it has none.
	Presented []string
	Match     Match
	// Reason is one of the constants named Reason…. It describes the values, not Match:
	// a negated element with ReasonMatched does not match.
	Reason string
}

// Reasons of a decided Comparison.
const (
	// ReasonMatched: a wanted value matches the presented one.
	ReasonMatched = "matched"
	// ReasonNoMatch: no wanted value matches.
	ReasonNoMatch = "no-match"
	// ReasonCaseDiffers: no wanted value matches, but one would without regard to case.
	ReasonCaseDiffers = "case-differs"
	// ReasonWildcardLiteral: no wanted value matches, but one would if its * and ? were
	// wildcards, which they are not under this operator.
	ReasonWildcardLiteral = "wildcard-literal"
	// ReasonBadValue: a value is not of the operator's type, such as a number, date or
	// address.
	ReasonBadValue = "bad-value"
	// ReasonUnresolvedVariable: a wanted value has a variable without a value and so
	// matches nothing (reference_policies_variables.html, variables with no value).
	ReasonUnresolvedVariable = "unresolved-variable"
	// ReasonMissingKey: the request does not have the key.
	ReasonMissingKey = "missing-key"
	// ReasonOtherProvider: the request does not have the key, because its prefix is not
	// the path of the token's provider.
	ReasonOtherProvider = "other-provider"
	// ReasonEmptyValue: the presented values are empty strings, which set operators
	// treat as no values.
	ReasonEmptyValue = "empty-value"
	// ReasonNoValues: the policy lists no values, principals or actions here.
	ReasonNoValues = "no-values"
	// ReasonNullQuantified: Null always matches under ForAllValues and never under
	// ForAnyValue (access-analyzer-reference-policy-checks.html, null with qualifier).
	ReasonNullQuantified = "null-quantified"
)

// Reasons of an undecided Comparison. ReasonBadValue, ReasonEmptyValue and ReasonNoValues
// are also used for these, where AWS does not document the result.
const (
	// ReasonUnknownKey: AWS sets the key, and Context does not have its value.
	ReasonUnknownKey = "unknown-key"
	// ReasonUnknownVariable: the same for a key that is used as a variable.
	ReasonUnknownVariable = "unknown-variable"
	// ReasonUnclearVariable: a variable is malformed, has several or empty values or a
	// value with wildcards, or is used with Bool, where AWS's pages contradict each other.
	ReasonUnclearVariable = "unclear-variable"
	// ReasonManyValues: the key has several values, and the operator lacks the
	// ForAnyValue or ForAllValues that such a key requires.
	ReasonManyValues = "many-values"
	// ReasonWildcardPrincipal: the principal is "*". Trust policies do not support it
	// (access-analyzer-reference-policy-checks.html, role trust policy unsupported
	// wildcard in principal), and AWS does not document whether it covers a web identity.
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
