package trustpolicy

import "strings"

// A quantifier says how a condition treats a key with several values
// (reference_policies_condition-single-vs-multi-valued-context-keys.html).
type quantifier uint8

const (
	single    quantifier = iota // no prefix
	anyValue                    // ForAnyValue:
	allValues                   // ForAllValues:
)

// A family is a kind of comparison, regardless of negation and direction
// (reference_policies_elements_condition_operators.html).
type family uint8

const (
	familyString family = iota
	familyStringIgnoreCase
	familyStringLike
	familyNumeric
	familyDate
	familyBool
	familyBinary
	familyIP
	familyARN
	familyNull
)

// A relation is the direction of a comparison of numbers and dates.
type relation uint8

const (
	equals relation = iota
	lessThan
	lessThanEquals
	greaterThan
	greaterThanEquals
)

func (r relation) holds(order int) bool {
	switch r {
	case lessThan:
		return order < 0
	case lessThanEquals:
		return order <= 0
	case greaterThan:
		return order > 0
	case greaterThanEquals:
		return order >= 0
	}
	return order == 0
}

// An operator is a parsed condition operator.
type operator struct {
	quantifier quantifier
	family     family
	relation   relation
	negated    bool
	ifExists   bool
}

// parseOperator parses the name of a condition operator, ignoring case.
func parseOperator(name string) (operator, bool) {
	var op operator
	name = lower(name)
	if rest, ok := strings.CutPrefix(name, "foranyvalue:"); ok {
		op.quantifier, name = anyValue, rest
	} else if rest, ok := strings.CutPrefix(name, "forallvalues:"); ok {
		op.quantifier, name = allValues, rest
	}
	name, op.ifExists = strings.CutSuffix(name, "ifexists")
	switch name {
	case "stringequals":
		op.family = familyString
	case "stringnotequals":
		op.family, op.negated = familyString, true
	case "stringequalsignorecase":
		op.family = familyStringIgnoreCase
	case "stringnotequalsignorecase":
		op.family, op.negated = familyStringIgnoreCase, true
	case "stringlike":
		op.family = familyStringLike
	case "stringnotlike":
		op.family, op.negated = familyStringLike, true
	case "bool":
		op.family = familyBool
	case "binaryequals":
		op.family = familyBinary
	case "ipaddress":
		op.family = familyIP
	case "notipaddress":
		op.family, op.negated = familyIP, true
	case "arnequals", "arnlike":
		op.family = familyARN
	case "arnnotequals", "arnnotlike":
		op.family, op.negated = familyARN, true
	case "null":
		op.family = familyNull
		return op, !op.ifExists // NullIfExists does not exist
	default:
		return op.ordered(name)
	}
	return op, true
}

// ordered parses the name of an operator for numbers or dates.
func (op operator) ordered(name string) (operator, bool) {
	if rest, ok := strings.CutPrefix(name, "numeric"); ok {
		op.family, name = familyNumeric, rest
	} else if rest, ok := strings.CutPrefix(name, "date"); ok {
		op.family, name = familyDate, rest
	} else {
		return op, false
	}
	switch name {
	case "equals":
		op.relation = equals
	case "notequals":
		op.relation, op.negated = equals, true
	case "lessthan":
		op.relation = lessThan
	case "lessthanequals":
		op.relation = lessThanEquals
	case "greaterthan":
		op.relation = greaterThan
	case "greaterthanequals":
		op.relation = greaterThanEquals
	default:
		return op, false
	}
	return op, true
}

// wildcards says whether * and ? in the values are wildcards.
func (op operator) wildcards() bool {
	return op.family == familyStringLike || op.family == familyARN
}

// variables says whether policy variables are expanded in the values:
// in string and ARN operators (reference_policies_variables.html).
func (op operator) variables() bool {
	switch op.family {
	case familyString, familyStringIgnoreCase, familyStringLike, familyARN:
		return true
	}
	return false
}
