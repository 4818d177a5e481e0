package trustpolicy

// An IdentityPolicy is a permissions policy, managed or inline, that can be evaluated.
type IdentityPolicy struct {
	document *document
}

// ParseIdentityPolicy parses a permissions policy as [CheckIdentityPolicy] does. The error
// is a *SyntaxError.
func ParseIdentityPolicy(source []byte) (*IdentityPolicy, error) {
	d, err := parse(source, true)
	if err != nil {
		return nil, err
	}
	return &IdentityPolicy{d}, nil
}

// An IdentityRequest is one call to AWS by the principal that a permissions policy belongs
// to.
type IdentityRequest struct {
	// Action is "iam:CreateRole" or another, in any case.
	Action string
	// Resource is the ARN that the call is about, "*" for an action without resources.
	Resource string
	// Context holds the values of condition keys, as in [AssumeRequest], but any key that
	// it does not have is unknown: each service has keys of its own.
	Context map[string][]string
}

// Evaluate says for each statement, in order, whether it applies to r: its action, its
// resource and its conditions must all match. The results have no Principal. The decision
// is [Decide]'s, which takes the statements of all policies of a principal.
func (p *IdentityPolicy) Evaluate(r IdentityRequest) []StatementResult {
	e := newEvaluation(&Policy{Version: p.document.version}, AssumeRequest{Action: r.Action, Context: r.Context})
	e.open = true
	out := make([]StatementResult, len(p.document.statements))
	for i, s := range p.document.statements {
		result := StatementResult{Index: i, Sid: s.Sid, Effect: s.Effect, Action: e.action(s.Statement)}
		holds := min(result.Action.Match.truth(), e.resource(s, r.Resource), e.conditions(s.Statement, &result))
		result.Match = holds.match()
		out[i] = result
	}
	return out
}

// resource compares the resource. Case counts, * and ? are wildcards, and policy variables
// are replaced (reference_policies_elements_resource.html).
func (e *evaluation) resource(s statement, resource string) truth {
	list, negated := s.resource, false
	if list == nil {
		list, negated = s.notResource, true
	}
	if len(list) == 0 && negated { // as for an empty NotAction
		return unknown
	}
	like := operator{family: familyStringLike}
	wanted := make([]expansion, len(list))
	for i, v := range list {
		wanted[i] = e.expand(v, like)
	}
	found, _ := like.matchAny(wanted, resource)
	if negated {
		return found.not()
	}
	return found
}
