package trustpolicy

import (
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/fly-aws/fly-aws/internal/text"
)

// Parse parses a trust policy strictly: one JSON document (RFC 8259) in UTF-8, in which
// every element is known, in its place and present once. The error is a *SyntaxError for
// the first problem.
//
// Names of elements and the values of Effect are case-sensitive
// (reference_policies_grammar.html, reference_policies_elements_effect.html); names of
// operators and keys are not. Empty lists are accepted, as in IAM
// (access-analyzer-reference-policy-checks.html calls them suggestions), but a policy has
// at least one statement.
//
// Parse accepts what IAM refuses for reasons other than syntax, such as NotPrincipal, the
// principal "*" and actions outside of STS; see Policy.Lint.
func Parse(document []byte) (*Policy, error) {
	d, err := parse(document, false)
	if err != nil {
		return nil, err
	}
	p := &Policy{Version: d.version, ID: d.id, Statements: make([]Statement, len(d.statements))}
	for i, s := range d.statements {
		p.Statements[i] = s.Statement
	}
	return p, nil
}

// CheckIdentityPolicy parses a permissions policy, managed or inline, as strictly as
// Parse does, and returns the document without white space. The policy must name
// resources and must not have principals or an Id (reference_policies_grammar.html). The
// error is a *SyntaxError.
func CheckIdentityPolicy(document []byte) (compact []byte, err error) {
	d, err := parse(document, true)
	if err != nil {
		return nil, err
	}
	w := &printer{}
	w.document(d)
	return w.b, nil
}

// A document is a trust policy or a permissions policy.
type document struct {
	version, id string
	statements  []statement
}

// A statement is a statement of a document.
type statement struct {
	Statement
	resource, notResource []string // in a permissions policy
}

func parse(source []byte, identity bool) (*document, error) {
	p, err := newParser(source, identity)
	if err != nil {
		return nil, err
	}
	d, err := p.document()
	if err != nil {
		return nil, err
	}
	return d, p.end()
}

// unknown returns the error for an element that does not exist. It names the element
// that differs only in case, if any.
func (p *parser) unknown(at int, where, name string, known ...string) error {
	for _, k := range known {
		if lower(k) == lower(name) {
			return p.errorf(at, "%s has no element %s; it is written %q", where, text.Quote(name), k)
		}
	}
	return p.errorf(at, "%s has no element %s", where, text.Quote(name))
}

func (p *parser) document() (*document, error) {
	d := &document{}
	start := p.next()
	err := p.object("the policy", func(name string, at int) (err error) {
		switch name {
		case "Version":
			d.version, err = p.version()
			return err
		case "Id":
			if p.identity {
				return p.errorf(at, "a permissions policy cannot have an Id")
			}
			d.id, _, err = p.string("Id")
			return err
		case "Statement":
			return p.statements(d, at)
		}
		return p.unknown(at, "a policy", name, "Version", "Id", "Statement")
	})
	if err != nil {
		return nil, err
	}
	if d.statements == nil {
		return nil, p.errorf(start, "the policy has no Statement")
	}
	return d, nil
}

func (p *parser) version() (string, error) {
	s, at, err := p.string("Version")
	if err != nil {
		return "", err
	}
	if s != Version2012 && s != Version2008 {
		return "", p.errorf(at, "version %s is neither %q nor %q", text.Quote(s), Version2012, Version2008)
	}
	return s, nil
}

func (p *parser) statements(d *document, at int) error {
	sids := map[string]bool{}
	err := p.list(func() error {
		s, err := p.statement(sids)
		if err != nil {
			return err
		}
		d.statements = append(d.statements, s)
		return nil
	})
	if err == nil && len(d.statements) == 0 {
		return p.errorf(at, "the policy has no statements")
	}
	return err
}

func (p *parser) statement(sids map[string]bool) (statement, error) {
	var s statement
	start := p.next()
	err := p.object("a statement", func(name string, at int) error {
		return p.element(&s, sids, name, at)
	})
	if err == nil {
		err = p.complete(start, &s)
	}
	return s, err
}

// element parses one element of a statement.
func (p *parser) element(s *statement, sids map[string]bool, name string, at int) (err error) {
	switch name {
	case "Sid":
		s.Sid, err = p.sid(sids)
	case "Effect":
		s.Effect, err = p.effect()
	case "Principal", "NotPrincipal":
		if p.identity {
			return p.errorf(at, "a permissions policy cannot have %s", name)
		}
		var who *Principal
		if who, err = p.principal(name); name == "Principal" {
			s.Principal = who
		} else {
			s.NotPrincipal = who
		}
	case "Action":
		s.Action, err = p.strings(name, actionProblem)
	case "NotAction":
		s.NotAction, err = p.strings(name, actionProblem)
	case "Resource", "NotResource":
		if !p.identity {
			return p.errorf(at, "a trust policy cannot have %s; its resource is the role it belongs to", name)
		}
		var list []string
		if list, err = p.strings(name, resourceProblem); name == "Resource" {
			s.resource = list
		} else {
			s.notResource = list
		}
	case "Condition":
		s.Conditions, err = p.conditions()
	default:
		return p.unknown(at, "a statement", name, "Sid", "Effect", "Principal", "NotPrincipal",
			"Action", "NotAction", "Resource", "NotResource", "Condition")
	}
	return err
}

// complete requires the elements of a statement, without their negations.
func (p *parser) complete(start int, s *statement) error {
	if s.Effect == "" {
		return p.errorf(start, "the statement has no Effect")
	}
	for _, e := range []struct {
		name, not       string
		hasName, hasNot bool
		needed          bool
	}{
		{"Principal", "NotPrincipal", s.Principal != nil, s.NotPrincipal != nil, !p.identity},
		{"Action", "NotAction", s.Action != nil, s.NotAction != nil, true},
		{"Resource", "NotResource", s.resource != nil, s.notResource != nil, p.identity},
	} {
		switch {
		case e.hasName && e.hasNot:
			return p.errorf(start, "the statement has both %s and %s", e.name, e.not)
		case e.needed && !e.hasName && !e.hasNot:
			return p.errorf(start, "the statement has neither %s nor %s", e.name, e.not)
		}
	}
	return nil
}

// sid parses a Sid: letters and digits, unique in the policy
// (reference_policies_elements_sid.html). An empty Sid counts as absent.
func (p *parser) sid(sids map[string]bool) (string, error) {
	s, at, err := p.string("Sid")
	if err != nil || s == "" {
		return "", err
	}
	if strings.IndexFunc(s, func(r rune) bool { return !isAlphanumeric(r) }) >= 0 {
		return "", p.errorf(at, "sid %s has characters other than letters and digits", text.Quote(s))
	}
	if sids[s] {
		return "", p.errorf(at, "sid %s is the id of another statement", text.Quote(s))
	}
	sids[s] = true
	return s, nil
}

func isAlphanumeric(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
}

func (p *parser) effect() (Effect, error) {
	s, at, err := p.string("Effect")
	if err != nil {
		return "", err
	}
	if e := Effect(s); e == Allow || e == Deny {
		return e, nil
	}
	return "", p.errorf(at, "effect %s is neither %q nor %q", text.Quote(s), Allow, Deny)
}

// A principalEntry is one kind of principal with its values.
type principalEntry struct {
	key  string
	list *[]string
}

// entries returns the values of a principal by kind, in print order.
func (p *Principal) entries() []principalEntry {
	return []principalEntry{
		{"AWS", &p.AWS}, {"Federated", &p.Federated}, {"Service", &p.Service}, {"CanonicalUser", &p.CanonicalUser},
	}
}

func (p *parser) principal(what string) (*Principal, error) {
	who := &Principal{}
	if p.dec.PeekKind() == jsontext.KindString {
		s, at, err := p.string(what)
		if err != nil {
			return nil, err
		}
		if s != "*" {
			return nil, p.errorf(at, "%s %s is neither %q nor an object such as {\"Federated\": …}", what, text.Quote(s), "*")
		}
		who.Any = true
		return who, nil
	}
	err := p.object(what, func(name string, at int) (err error) {
		var known []string
		for _, e := range who.entries() {
			if e.key == name {
				*e.list, err = p.strings("a principal", emptyProblem)
				return err
			}
			known = append(known, e.key)
		}
		return p.unknown(at, "a principal", name, known...)
	})
	return who, err
}

func emptyProblem(s string) string {
	if s == "" {
		return "is empty"
	}
	return ""
}

// actionProblem says what is wrong with an action. IAM's errors are
// "Actions/Conditions must be prefixed by a vendor" and "Actions/Condition can
// contain only one colon".
func actionProblem(s string) string {
	if s == "*" {
		return ""
	}
	vendor, name, ok := strings.Cut(s, ":")
	if !ok || vendor == "" || name == "" || strings.Contains(name, ":") {
		return `is not of the form "service:name"`
	}
	if strings.IndexFunc(s, func(r rune) bool { return !isAlphanumeric(r) && !strings.ContainsRune(":-*?_.", r) }) >= 0 {
		return "has characters that an action cannot have"
	}
	return ""
}

// resourceProblem says what is wrong with a resource, which "must be in ARN format or
// "*"" (IAM's error).
func resourceProblem(s string) string {
	if s == "*" || strings.HasPrefix(s, "arn:") {
		return ""
	}
	return `is neither an ARN nor "*"`
}

func (p *parser) conditions() ([]Condition, error) {
	var out []Condition
	err := p.object("Condition", func(operator string, at int) error {
		if _, ok := parseOperator(operator); !ok {
			return p.errorf(at, "there is no condition operator %s", text.Quote(operator))
		}
		return p.object("a condition operator's value", func(key string, at int) error {
			if problem := keyProblem(key); problem != "" {
				return p.errorf(at, "condition key %s %s", text.Quote(key), problem)
			}
			values, err := p.values()
			out = append(out, Condition{Operator: operator, Key: key, Values: values})
			return err
		})
	})
	return out, err
}

// keyProblem says what is wrong with a condition key, which has the form
// "service:keyname" (access-analyzer-reference-policy-checks.html, invalid condition key
// format). A tag key may contain more colons.
func keyProblem(s string) string {
	if prefix, name, _ := strings.Cut(s, ":"); prefix == "" || name == "" {
		return `is not of the form "prefix:name"`
	}
	return ""
}

// values parses the values of a condition. Numbers and booleans need no quotation marks
// (reference_policies_grammar.html) and are kept as text.
func (p *parser) values() ([]string, error) {
	out := []string{}
	err := p.list(func() error {
		t, at, err := p.token()
		if err != nil {
			return err
		}
		switch t.Kind() {
		case jsontext.KindString, jsontext.KindNumber, jsontext.KindTrue, jsontext.KindFalse:
			out = append(out, t.String())
			return nil
		}
		return p.errorf(at, "a condition's value must be a string, number or boolean, not %s", kindName(t.Kind()))
	})
	return out, err
}
