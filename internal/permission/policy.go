package permission

import (
	"fmt"
	"slices"

	"github.com/go-json-experiment/json"

	"github.com/fly-aws/fly-aws/trustpolicy"
)

// A Policy is a permissions policy, managed or inline. The zero Policy is one that could
// not be read: it allows nothing that is known, and HasDeny is true.
type Policy struct {
	statements []statement
	// strict is the policy with its conditions, nil if IAM would not accept it.
	strict *trustpolicy.IdentityPolicy
}

type statement struct {
	effect trustpolicy.Effect // as written; "" if it cannot be read
	access Access
}

// An Access is what one Allow statement allows, as written in the policy; nothing in it is
// cleaned for a terminal.
type Access struct {
	// Actions are patterns such as "s3:Get*". NotActions is not nil if the statement
	// allows everything but these. Both are empty if the actions cannot be read.
	Actions, NotActions []string
	// Resources are patterns of ARNs, or "*". NotResources is not nil if the statement
	// is about everything but these. Both are empty if the resources cannot be read.
	Resources, NotResources []string
	// Conditional says that the statement has conditions.
	Conditional bool
}

// Parse reads a permissions policy in JSON as IAM returns it. The error is for text that is
// not JSON in UTF-8, and for an object with two values of one name, of which either could
// be the one that counts. With an error the Policy is the zero one.
func Parse(document []byte) (Policy, error) {
	var root any
	if err := json.Unmarshal(document, &root); err != nil {
		return Policy{}, fmt.Errorf("the policy cannot be read as JSON: %w", err)
	}
	var p Policy
	policy, _ := root.(map[string]any)
	if list, ok := policy["Statement"].([]any); ok {
		for _, v := range list {
			p.statements = append(p.statements, readStatement(v))
		}
	} else {
		p.statements = []statement{readStatement(policy["Statement"])}
	}
	if strict, err := trustpolicy.ParseIdentityPolicy(document); err == nil {
		p.strict = strict
	}
	return p, nil
}

// readStatement reads a statement. Names of elements and the values of Effect are
// case-sensitive (reference_policies_grammar.html, reference_policies_elements_effect.html).
func readStatement(v any) statement {
	element, _ := v.(map[string]any)
	effect, _ := element["Effect"].(string)
	condition, conditional := element["Condition"]
	if operators, ok := condition.(map[string]any); ok {
		conditional = len(operators) > 0
	}
	return statement{trustpolicy.Effect(effect), Access{
		Actions:      list(element, "Action"),
		NotActions:   list(element, "NotAction"),
		Resources:    list(element, "Resource"),
		NotResources: list(element, "NotResource"),
		Conditional:  conditional,
	}}
}

// list returns the strings of an element that is a string or a list of them; nil only if
// the element is absent.
func list(statement map[string]any, name string) []string {
	v, ok := statement[name]
	if !ok {
		return nil
	}
	values, ok := v.([]any)
	if !ok {
		values = []any{v}
	}
	out := []string{}
	for _, v := range values {
		if s, ok := v.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// HasDeny says whether a statement denies, or may: it is also true if the policy has no
// statements or one whose effect cannot be read.
func (p Policy) HasDeny() bool {
	return len(p.statements) == 0 || slices.ContainsFunc(p.statements, func(s statement) bool {
		return s.effect != trustpolicy.Allow
	})
}

// Allows returns what the Allow statements allow, one Access each, in document order. What
// the policy denies is not taken off; see HasDeny.
func (p Policy) Allows() []Access {
	var out []Access
	for _, s := range p.statements {
		if s.effect == trustpolicy.Allow {
			out = append(out, s.access)
		}
	}
	return out
}
