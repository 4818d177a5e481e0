package trustpolicy

import "slices"

// A Policy is a trust policy. Its zero value has no statements, which IAM does not accept;
// see New.
type Policy struct {
	// Version is Version2012, Version2008, or "" if the document has none, which means
	// Version2008.
	Version string
	// ID is the document's Id, "" if it has none.
	ID string
	// Statements are in document order.
	Statements []Statement
}

// An Effect says what a statement does with the requests it applies to.
type Effect string

// The effects.
const (
	Allow Effect = "Allow"
	Deny  Effect = "Deny"
)

// A Statement is one statement of a trust policy. It has either Principal or
// NotPrincipal, and either Action or NotAction.
type Statement struct {
	// Sid consists of ASCII letters and digits and is unique within its policy; "" if
	// absent.
	Sid                     string
	Effect                  Effect
	Principal, NotPrincipal *Principal
	Action, NotAction       []string
	// Conditions are in document order. No two have the same operator and key, ignoring
	// case.
	Conditions []Condition
}

// A Principal says to whom a statement applies.
type Principal struct {
	// Any is the principal "*". The principal {"AWS": "*"} is AWS: ["*"].
	Any bool
	// AWS holds accounts, users, roles and sessions; Federated holds identity
	// providers, Service AWS services and CanonicalUser canonical user IDs.
	AWS, Federated, Service, CanonicalUser []string
}

// A Condition is one key under one operator.
type Condition struct {
	// Operator is as written, with prefix and suffix:
	// "ForAnyValue:StringLikeIfExists".
	Operator string `json:"operator"`
	// Key is as written: "oidc.fly.io/acme:sub".
	Key string `json:"key"`
	// Values are alternatives: one must match, or none under a negated operator.
	Values []string `json:"values"`
}

// New returns a policy of Version2012 with copies of the statements.
func New(statements ...Statement) *Policy {
	p := &Policy{Version: Version2012}
	for _, s := range statements {
		p.Statements = append(p.Statements, s.clone())
	}
	return p
}

// Clone returns a copy that shares nothing with p; nil for nil.
func (p *Policy) Clone() *Policy {
	if p == nil {
		return nil
	}
	q := &Policy{Version: p.Version, ID: p.ID, Statements: slices.Clone(p.Statements)}
	for i, s := range q.Statements {
		q.Statements[i] = s.clone()
	}
	return q
}

func (s Statement) clone() Statement {
	s.Principal = s.Principal.clone()
	s.NotPrincipal = s.NotPrincipal.clone()
	s.Action = slices.Clone(s.Action)
	s.NotAction = slices.Clone(s.NotAction)
	s.Conditions = slices.Clone(s.Conditions)
	for i := range s.Conditions {
		s.Conditions[i].Values = slices.Clone(s.Conditions[i].Values)
	}
	return s
}

func (p *Principal) clone() *Principal {
	if p == nil {
		return nil
	}
	return &Principal{
		Any:           p.Any,
		AWS:           slices.Clone(p.AWS),
		Federated:     slices.Clone(p.Federated),
		Service:       slices.Clone(p.Service),
		CanonicalUser: slices.Clone(p.CanonicalUser),
	}
}

// Statement returns a copy of the statement with that Sid. ok is false if there is none,
// if sid is "", and for a nil policy.
func (p *Policy) Statement(sid string) (Statement, bool) {
	if i := p.index(sid); i >= 0 {
		return p.Statements[i].clone(), true
	}
	return Statement{}, false
}

func (p *Policy) index(sid string) int {
	if p == nil || sid == "" {
		return -1
	}
	return slices.IndexFunc(p.Statements, func(s Statement) bool { return s.Sid == sid })
}

// Merge returns a copy of p in which each of the statements replaces the one with the same
// Sid or is added at the end. Everything else stays as it is, including the version. A nil
// p is an empty policy of Version2012.
func (p *Policy) Merge(statements ...Statement) *Policy {
	if p == nil {
		p = New()
	}
	q := p.Clone()
	for _, s := range statements {
		if i := q.index(s.Sid); i >= 0 {
			q.Statements[i] = s.clone()
		} else {
			q.Statements = append(q.Statements, s.clone())
		}
	}
	return q
}

// Without returns a copy of p without the statement with that Sid; nil for nil. The copy
// may have no statements, which IAM does not accept.
func (p *Policy) Without(sid string) *Policy {
	q := p.Clone()
	if i := q.index(sid); i >= 0 {
		q.Statements = slices.Delete(q.Statements, i, i+1)
	}
	return q
}
