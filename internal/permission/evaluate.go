package permission

import "github.com/fly-aws/fly-aws/trustpolicy"

// A Request is one call to AWS: an action, the ARN of its resource or "*", and the values
// of condition keys. A key that is not in Context is unknown.
type Request = trustpolicy.IdentityRequest

// Evaluate says what the permissions policies of one principal decide about a request. A
// Deny in any of them overrides every Allow
// (reference_policies_evaluation-logic_policy-eval-basics.html). What depends on something
// that is not known, or that AWS does not document, is Undecided.
//
// A policy that [trustpolicy.ParseIdentityPolicy] refuses allows nothing, and whether it
// denies is unknown.
func Evaluate(policies []Policy, r Request) trustpolicy.Decision {
	var results []trustpolicy.StatementResult
	for _, p := range policies {
		if p.strict == nil {
			results = append(results, trustpolicy.StatementResult{Effect: trustpolicy.Deny, Match: trustpolicy.MatchUndecided})
			continue
		}
		results = append(results, p.strict.Evaluate(r)...)
	}
	return trustpolicy.Decide(results)
}
