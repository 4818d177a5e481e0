package trustpolicy

import (
	"slices"
	"strings"
)

// Equal compares by meaning. It ignores the order and repetition of statements, actions,
// principals, conditions and values, and the case of operators, keys and actions. No
// version equals Version2008. Sids and the policy's ID must be the same. The principals
// "*" and {"AWS": "*"} differ.
func (p *Policy) Equal(q *Policy) bool {
	if p == nil || q == nil {
		return p == q
	}
	return p.version() == q.version() && p.ID == q.ID &&
		slices.Equal(canonicalStatements(p.Statements), canonicalStatements(q.Statements))
}

// Equal compares two statements by meaning, as Policy.Equal does.
func (s Statement) Equal(t Statement) bool { return s.canonical() == t.canonical() }

func (p *Policy) version() string {
	if p.Version == "" {
		return Version2008
	}
	return p.Version
}

func canonicalStatements(list []Statement) []string {
	out := make([]string, 0, len(list))
	for _, s := range list {
		out = append(out, s.canonical())
	}
	return set(out)
}

// canonical returns the same text for two statements exactly if they mean the same: the
// printed statement, sorted, in lower case where IAM ignores case.
func (s Statement) canonical() string {
	s = s.clone()
	s.Principal.sort()
	s.NotPrincipal.sort()
	s.Action = set(lowerAll(s.Action))
	s.NotAction = set(lowerAll(s.NotAction))
	conditions := make([]string, 0, len(s.Conditions))
	for _, c := range s.Conditions {
		c.Operator, c.Key, c.Values = lower(c.Operator), lower(c.Key), set(c.Values)
		conditions = append(conditions, printConditions(c))
	}
	s.Conditions = nil
	w := &printer{}
	w.statement(statement{Statement: s})
	return string(w.b) + strings.Join(set(conditions), "")
}

func printConditions(c ...Condition) string {
	w := &printer{}
	w.conditions(c)
	return string(w.b)
}

func (p *Principal) sort() {
	if p == nil {
		return
	}
	for _, e := range p.entries() {
		if len(*e.list) == 0 {
			*e.list = nil // the same as an absent list
		}
		*e.list = set(*e.list)
	}
}

// set sorts list and drops duplicates, in place.
func set(list []string) []string {
	slices.Sort(list)
	return slices.Compact(list)
}

func lowerAll(list []string) []string {
	for i, s := range list {
		list[i] = lower(s)
	}
	return list
}

// lower maps only ASCII letters to lower case; strings.ToLower turns the Kelvin sign
// into a k.
func lower(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return 'A' <= r && r <= 'Z' }) < 0 {
		return s
	}
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}
