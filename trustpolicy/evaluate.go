package trustpolicy

import (
	"maps"
	"slices"
	"strings"

	"github.com/fly-aws/fly-aws/internal/flyname"
)

// Evaluate evaluates p for r as IAM does. A statement applies if its principal, action
// and conditions all match. A Deny statement overrides any Allow, and what no statement
// allows is implicitly denied (reference_policies_evaluation-logic.html). The time is
// bounded by the size of the policy times the size of the values.
func (p *Policy) Evaluate(r AssumeRequest) Evaluation {
	e := newEvaluation(p, r)
	var d Evaluation
	if p != nil {
		for i, s := range p.Statements {
			d.Statements = append(d.Statements, e.statement(i, s))
		}
	}
	d.Decision = Decide(d.Statements)
	return d
}

// Decide returns the decision on a request from the results of all statements that apply
// to its principal, whatever policies they are from; it looks at Effect and Match.
func Decide(results []StatementResult) Decision {
	denied, allowed := no, no
	for _, r := range results {
		if r.Effect == Allow {
			allowed = max(allowed, r.Match.truth())
		} else {
			denied = max(denied, r.Match.truth())
		}
	}
	switch {
	case denied == yes:
		return ExplicitlyDenied
	case allowed == no: // even if a Deny is undecided
		return ImplicitlyDenied
	case allowed == yes && denied == no:
		return Allowed
	}
	return Undecided
}

// An evaluation is the request as conditions see it.
type evaluation struct {
	request   AssumeRequest
	context   map[string][]string // by key in lower case
	path      string              // the provider's, in lower case; "" if Federated is not an OIDC provider
	variables bool                // the policy's version has policy variables
	open      bool                // the request may have any key that is not in context
}

func newEvaluation(p *Policy, r AssumeRequest) *evaluation {
	e := &evaluation{request: r, context: make(map[string][]string, len(r.Context))}
	e.variables = p != nil && p.Version == Version2012
	if _, path, ok := strings.Cut(r.Federated, providerResource); ok {
		e.path = lower(path)
	}
	// Sorted, so that two spellings of a key always give the same list.
	for _, k := range slices.Sorted(maps.Keys(r.Context)) {
		if v := r.Context[k]; v != nil {
			k = lower(k)
			e.context[k] = append(append([]string{}, e.context[k]...), v...)
		}
	}
	return e
}

// A presence says whether the request has a key.
type presence uint8

const (
	absent presence = iota
	present
	uncertain
)

func (e *evaluation) lookup(key string) ([]string, presence) {
	key = lower(key)
	values, stated := e.context[key]
	tags, _, isTag := strings.Cut(key, "/")
	_, allStated := e.context[tags+"/"]
	switch {
	case len(values) > 0:
		return values, present
	case stated, isTag && allStated:
		return nil, absent
	case e.open:
		return nil, uncertain
	}
	switch prefix, _, _ := strings.Cut(key, ":"); prefix {
	case "aws", "sts", "iam":
		return nil, uncertain
	}
	if e.path != "" && !strings.HasPrefix(e.path, flyname.IssuerHost+"/") && strings.HasPrefix(key, e.path+":") {
		return nil, uncertain // a claim of another issuer than Fly's
	}
	return nil, absent
}

func (e *evaluation) statement(i int, s Statement) StatementResult {
	result := StatementResult{
		Index: i, Sid: s.Sid, Effect: s.Effect,
		Principal: e.principal(s),
		Action:    e.action(s),
	}
	holds := min(result.Principal.Match.truth(), result.Action.Match.truth(), e.conditions(s, &result))
	result.Match = holds.match()
	return result
}

// conditions evaluates the conditions of a statement, which must all hold.
func (e *evaluation) conditions(s Statement, result *StatementResult) truth {
	holds := yes
	for _, c := range s.Conditions {
		check := e.condition(c)
		result.Conditions = append(result.Conditions, check)
		holds = min(holds, check.Match.truth())
	}
	return holds
}

// principal compares the token's provider. A policy must name its exact ARN, since
// wildcards do not match part of one (reference_policies_elements_principal.html).
func (e *evaluation) principal(s Statement) Comparison {
	who, negated := s.Principal, false
	if who == nil {
		who, negated = s.NotPrincipal, true
	}
	var check Comparison
	if e.request.Federated != "" {
		check.Presented = []string{e.request.Federated}
	}
	if who == nil {
		return check.result(no, ReasonNoValues)
	}
	check.Wanted = who.names()
	found, reason := e.named(who)
	switch {
	case !negated:
		return check.result(found, reason)
	case len(check.Wanted) == 0:
		return check.result(unknown, reason)
	}
	return check.result(found.not(), reason)
}

func (e *evaluation) named(who *Principal) (truth, string) {
	if e.request.Federated != "" && slices.Contains(who.Federated, e.request.Federated) {
		return yes, ReasonMatched
	}
	names := who.names()
	if slices.Contains(names, "*") {
		return unknown, ReasonWildcardPrincipal
	}
	if len(names) == 0 {
		return no, ReasonNoValues
	}
	for _, name := range who.Federated {
		if strings.EqualFold(name, e.request.Federated) {
			return no, ReasonCaseDiffers
		}
	}
	return no, ReasonNoMatch
}

// names returns all values of a principal, of every kind.
func (p *Principal) names() []string {
	if p.Any {
		return []string{"*"}
	}
	var out []string
	for _, e := range p.entries() {
		out = append(out, *e.list...)
	}
	return out
}

// action compares the action, ignoring case; * and ? are wildcards
// (reference_policies_elements_action.html).
func (e *evaluation) action(s Statement) Comparison {
	list, negated := s.Action, false
	if list == nil && s.NotAction != nil {
		list, negated = s.NotAction, true
	}
	check := Comparison{Wanted: slices.Clone(list), Presented: []string{e.request.Action}}
	if len(list) == 0 {
		// An empty Action matches nothing; AWS does not document an empty NotAction.
		if negated {
			return check.result(unknown, ReasonNoValues)
		}
		return check.result(no, ReasonNoValues)
	}
	found, reason := no, ReasonNoMatch
	action := []rune(lower(e.request.Action))
	if slices.ContainsFunc(list, func(a string) bool { return glob(pattern(lower(a)), action) }) {
		found, reason = yes, ReasonMatched
	}
	if negated {
		found = found.not()
	}
	return check.result(found, reason)
}

// result fills in the result of a comparison.
func (c Comparison) result(t truth, reason string) Comparison {
	c.Match, c.Reason = t.match(), reason
	return c
}

// condition evaluates one key under one operator.
func (e *evaluation) condition(c Condition) Comparison {
	check := Comparison{Operator: c.Operator, Key: c.Key, Wanted: slices.Clone(c.Values)}
	op, ok := parseOperator(c.Operator)
	if !ok {
		return check.result(unknown, ReasonUnknownOperator)
	}
	values, presence := e.lookup(c.Key)
	check.Presented = slices.Clone(values)
	if op.family == familyNull {
		return check.result(null(op, c.Values, values, presence))
	}
	if len(c.Values) == 0 {
		return check.result(withoutWanted(op, values, presence), ReasonNoValues)
	}
	wanted := make([]expansion, len(c.Values))
	for i, v := range c.Values {
		wanted[i] = e.expand(v, op)
		check.Wanted[i] = wanted[i].shown
	}
	switch presence {
	case uncertain:
		return check.result(unknown, ReasonUnknownKey)
	case absent:
		return check.result(op.whenAbsent(), e.absence(c.Key))
	}
	return check.result(op.test(wanted, values))
}

// absence distinguishes a key of another provider, whose prefix begins with a host, from
// one that is missing.
func (e *evaluation) absence(key string) string {
	prefix, _, _ := strings.Cut(lower(key), ":")
	if e.path != "" && prefix != e.path && strings.Contains(prefix, ".") {
		return ReasonOtherProvider
	}
	return ReasonMissingKey
}

// whenAbsent is the result for a key that the request does not have: "the values do not
// match and the condition is false"; true for negated operators and IfExists
// (reference_policies_elements_condition_operators.html); true for ForAllValues and false
// for ForAnyValue (reference_policies_multi-value-conditions.html).
func (op operator) whenAbsent() truth {
	switch {
	case op.ifExists, op.quantifier == allValues:
		return yes
	case op.quantifier == single && op.negated:
		return yes
	}
	return no
}

// null evaluates Null: "true" matches if the key is absent, "false" if it exists "and its
// value is not null". AWS does not document whether an empty string is null.
func null(op operator, wanted, values []string, p presence) (truth, string) {
	switch {
	case op.quantifier == allValues:
		return yes, ReasonNullQuantified
	case op.quantifier == anyValue:
		return no, ReasonNullQuantified
	case len(wanted) == 0:
		return unknown, ReasonNoValues
	case p == uncertain:
		return unknown, ReasonUnknownKey
	case p == present && allEmpty(values):
		return unknown, ReasonEmptyValue
	}
	isNull := "false"
	if p == absent {
		isNull = "true"
	}
	result, reason := no, ReasonNoMatch
	for _, w := range wanted {
		t, why := compareBool(w, isNull)
		result, reason = either(result, reason, t, why)
	}
	return result, reason
}

// withoutWanted is the result of a condition without values
// (access-analyzer-reference-policy-checks.html, empty array condition). It matches under
// ForAllValues and IfExists only if the key is missing, and does not match under
// ForAnyValue. For other operators AWS says both that they return true and that they
// grant nothing.
func withoutWanted(op operator, values []string, p presence) truth {
	switch {
	case op.ifExists || op.quantifier == allValues:
		if p == uncertain || p == present && allEmpty(values) {
			return unknown
		}
		if p == absent {
			return yes
		}
		return no
	case op.quantifier == anyValue:
		return no
	}
	return unknown
}

func allEmpty(values []string) bool {
	return !slices.ContainsFunc(values, func(v string) bool { return v != "" })
}

// test compares the values of a key that the request has. One wanted value must match, or
// none under a negated operator
// (reference_policies_condition-logic-multiple-context-keys-or-values.html).
func (op operator) test(wanted []expansion, values []string) (truth, string) {
	switch {
	case op.quantifier == single && len(values) > 1:
		return unknown, ReasonManyValues
	case op.quantifier == allValues && allEmpty(values):
		return yes, ReasonEmptyValue
	case op.quantifier == anyValue && allEmpty(values):
		return no, ReasonEmptyValue
	}
	var result truth
	var reason string
	for i, v := range values {
		t, why := op.matchAny(wanted, v)
		if op.negated {
			t = t.not()
		}
		// The reason comes from the value that decides the result.
		if i == 0 || op.quantifier == anyValue && t > result || op.quantifier == allValues && t < result {
			result, reason = t, why
		}
	}
	return result, reason
}

// matchAny compares one presented value with all wanted values and returns the most
// specific reason.
func (op operator) matchAny(wanted []expansion, value string) (truth, string) {
	s := presentedValue{text: value}
	if op.family == familyStringLike {
		s.runes = []rune(value)
	}
	result, reason := no, ReasonNoMatch
	for _, w := range wanted {
		t, why := op.match(w, s)
		result, reason = either(result, reason, t, why)
		if result == yes {
			break
		}
	}
	return result, reason
}

// either is the OR of two results. If both failed, the more specific reason is kept.
func either(t truth, reason string, u truth, other string) (truth, string) {
	if u > t || u == t && specificity(other) > specificity(reason) {
		return u, other
	}
	return t, reason
}

func specificity(reason string) int {
	switch reason {
	case ReasonCaseDiffers:
		return 4
	case ReasonWildcardLiteral:
		return 3
	case ReasonBadValue:
		return 2
	case ReasonUnresolvedVariable:
		return 1
	}
	return 0
}
