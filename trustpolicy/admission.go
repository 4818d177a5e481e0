package trustpolicy

import (
	"slices"

	"github.com/fly-aws/fly-aws/internal/flyname"
)

// An Admission is whom one Allow statement lets assume the role: machines whose subject
// matches a pattern, or a principal.
type Admission struct {
	// Statement counts from 0.
	Statement int
	Sid       string
	Kind      AdmissionKind
	// Issuer is the path of the provider that vouches for the subjects, such as
	// "oidc.fly.io/acme"; empty for a principal.
	Issuer string
	// Name is the sub pattern, "*" if the statement requires none; or the principal, such
	// as "AWS arn:aws:iam::123456789012:root"; or empty for anyone.
	Name string
	// Example is a subject that is let in; empty for a principal, and if the search for
	// one was given up.
	Example string
	// Conditional says that it depends on conditions whose keys are not known, or on what
	// AWS does not document.
	Conditional bool
}

// AdmissionKind names a kind of Admission.
type AdmissionKind string

// The kinds.
const (
	AdmitsSubject   AdmissionKind = "subject"   // machines of a Fly organization
	AdmitsPrincipal AdmissionKind = "principal" // another principal
	AdmitsAnyone    AdmissionKind = "anyone"    // the principal is "*", or all but some
)

// Admissions returns whom the policy lets assume the role beyond the granted subjects,
// which are patterns by the path of their provider, in the order of the statements.
//
// It is computed from the patterns themselves: a sub pattern is left out only if every
// subject of the organization that it matches is granted, does not meet another condition
// of its statement, or is certainly denied. An undecided condition does not narrow an
// Allow, and an undecided Deny does not subtract.
func (p *Policy) Admissions(granted map[string][]string) []Admission {
	var out []Admission
	if p == nil {
		return nil
	}
	for i, s := range p.Statements {
		if s.Effect != Allow {
			continue
		}
		add := func(a Admission) {
			a.Statement, a.Sid = i, s.Sid
			out = append(out, a)
		}
		if s.Principal == nil || slices.Contains(s.Principal.names(), "*") {
			if s.assumes("AWS") || s.assumes("Federated") {
				add(Admission{Kind: AdmitsAnyone, Conditional: s.Principal == nil || len(s.Conditions) > 0 || !s.assumes("AWS")})
			}
			continue
		}
		for _, e := range s.Principal.entries() {
			for _, name := range *e.list {
				_, _, org, isFly := splitProviderARN(name)
				switch {
				case !s.assumes(e.key):
				case e.key == "Federated" && isFly:
					for _, a := range p.subjects(i, name, org, granted[flyname.IssuerPath(org)]) {
						add(a)
					}
				case !p.denies(e.key, name):
					add(Admission{Kind: AdmitsPrincipal, Name: e.key + " " + name, Conditional: len(s.Conditions) > 0})
				}
			}
		}
	}
	return out
}

// assumes says whether the statement's actions let a principal of the kind assume the role.
func (s Statement) assumes(kind string) bool {
	actions := []string{"sts:AssumeRole"}
	if kind == "Federated" {
		actions = []string{AssumeAction, "sts:AssumeRoleWithSAML"}
	}
	return slices.ContainsFunc(actions, s.Covers)
}

// denies says whether a statement without conditions denies the principal every way to
// assume the role.
func (p *Policy) denies(kind, name string) bool {
	return slices.ContainsFunc(p.Statements, func(s Statement) bool {
		if s.Effect != Deny || s.Principal == nil || len(s.Conditions) > 0 || !s.assumes(kind) {
			return false
		}
		return slices.ContainsFunc(s.Principal.entries(), func(e principalEntry) bool {
			return e.key == kind && slices.Contains(*e.list, name)
		})
	})
}

// subjects returns the admissions of a statement for tokens of a provider.
func (p *Policy) subjects(statement int, provider, org string, granted []string) []Admission {
	path := flyname.IssuerPath(org)
	search := newSubjectSearch(p, statement, provider, org, granted)
	var out []Admission
	for _, name := range search.patterns() {
		if slices.ContainsFunc(granted, func(g string) bool { return Includes(g, name) }) {
			continue
		}
		if example, found, certain := search.run(name); found {
			out = append(out, Admission{Kind: AdmitsSubject, Issuer: path, Name: name, Example: example, Conditional: !certain})
		}
	}
	return out
}

// Audiences returns the audiences that the statement requires of a provider's tokens, as
// patterns; nil if it requires none.
func (s Statement) Audiences(provider string) []string {
	_, _, path := splitProvider(provider)
	for _, c := range s.Conditions {
		if op, ok := parseOperator(c.Operator); ok && lower(c.Key) == lower(path)+":aud" && op.isString() && !op.negated {
			return slices.Clone(c.Values)
		}
	}
	return nil
}
