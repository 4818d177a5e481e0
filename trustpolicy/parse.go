package trustpolicy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// maxDocument is the most bytes of a document: IAM's API takes 131,072
// characters before it looks at quotas (CreateRole, AssumeRolePolicyDocument).
const maxDocument = 131072

// A SyntaxError says where and why a document is not a policy.
type SyntaxError struct {
	// Line and Column count from 1; Column counts characters.
	Line, Column int
	// Reason is a clause without position, fit for a terminal.
	Reason string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Reason)
}

// Parse reads a trust policy strictly: JSON after RFC 8259 in UTF-8 and nothing
// beyond it, every element known and in its place, none twice. Errors are
// *SyntaxError; the first one found is returned.
//
// Names of elements and the values of Effect are case-sensitive
// (reference_policies_grammar.html, reference_policies_elements_effect.html),
// names of operators and keys are not. Empty lists are accepted, as IAM accepts
// them (access-analyzer-reference-policy-checks.html calls them suggestions),
// but a policy has at least one statement.
//
// What IAM refuses for other reasons than syntax is left to those who judge a
// policy: NotPrincipal, the principal "*", actions that are not of STS.
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

// CheckIdentityPolicy reads a permissions policy, one that is attached to a role
// or kept in it, as strictly as Parse does. It must name resources and must not
// name principals or have an Id (reference_policies_grammar.html). It returns the
// document without white space. Errors are *SyntaxError.
func CheckIdentityPolicy(document []byte) (compact []byte, err error) {
	d, err := parse(document, true)
	if err != nil {
		return nil, err
	}
	w := &printer{}
	w.document(d)
	return w.b, nil
}

// A document is a policy of either kind as it is read and printed.
type document struct {
	version, id string
	statements  []statement
}

// A statement is one of a document of either kind.
type statement struct {
	Statement
	resource, notResource []string // of an identity policy
}

func parse(text []byte, identity bool) (*document, error) {
	p := &parser{text: text, identity: identity}
	if len(text) > maxDocument {
		return nil, p.errorf(0, "the document has more than %d bytes", maxDocument)
	}
	if bytes.HasPrefix(text, []byte("\ufeff")) {
		return nil, p.errorf(0, "a byte order mark stands before the document")
	}
	p.dec = jsontext.NewDecoder(bytes.NewBuffer(text))
	d, err := p.document()
	if err != nil {
		return nil, err
	}
	end := int(p.dec.InputOffset())
	if rest := bytes.TrimLeft(text[end:], " \t\r\n"); len(rest) > 0 {
		return nil, p.errorf(len(text)-len(rest), "there is more after the end of the policy")
	}
	return d, nil
}

// A parser reads one document.
type parser struct {
	text     []byte
	dec      *jsontext.Decoder
	identity bool
}

// errorf places an error at a byte of the text.
func (p *parser) errorf(at int, format string, args ...any) error {
	at = min(at, len(p.text))
	before := p.text[:at]
	lineStart := bytes.LastIndexByte(before, '\n') + 1
	return &SyntaxError{
		Line:   bytes.Count(before, []byte{'\n'}) + 1,
		Column: utf8.RuneCount(before[lineStart:]) + 1,
		Reason: fmt.Sprintf(format, args...),
	}
}

// next returns where the next token begins: behind what JSON puts between two.
func (p *parser) next() int {
	at := int(p.dec.InputOffset())
	for at < len(p.text) && strings.IndexByte(" \t\r\n,:", p.text[at]) >= 0 {
		at++
	}
	return at
}

// token reads a token and returns where it begins.
func (p *parser) token() (jsontext.Token, int, error) {
	at := p.next()
	t, err := p.dec.ReadToken()
	if err != nil {
		return t, at, p.jsonError(at, err)
	}
	return t, at, nil
}

// jsonError puts an error of the JSON reader into our words and place.
func (p *parser) jsonError(at int, err error) error {
	var s *jsontext.SyntacticError
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		if len(bytes.TrimLeft(p.text, " \t\r\n")) == 0 {
			return p.errorf(0, "the document is empty")
		}
		return p.errorf(len(p.text), "the document ends in the middle of the policy")
	case errors.Is(err, jsontext.ErrDuplicateName):
		return p.errorf(at, "%s stands here twice", quote(p.rawString(at)))
	case errors.As(err, &s):
		at = int(s.ByteOffset)
		if bracket, ok := p.needless(at); ok {
			return p.errorf(at, "a comma stands before the closing %q", bracket)
		}
		return p.errorf(at, "%v", s.Err) // which quotes what it cites
	}
	return p.errorf(at, "%v", err)
}

// needless returns the closing bracket that the comma at at stands before.
func (p *parser) needless(at int) (bracket byte, ok bool) {
	if at >= len(p.text) || p.text[at] != ',' {
		return 0, false
	}
	rest := bytes.TrimLeft(p.text[at+1:], " \t\r\n")
	if len(rest) == 0 || rest[0] != '}' && rest[0] != ']' {
		return 0, false
	}
	return rest[0], true
}

// rawString returns what the string literal at at says.
func (p *parser) rawString(at int) string {
	t, err := jsontext.NewDecoder(bytes.NewReader(p.text[min(at, len(p.text)):])).ReadToken()
	if err != nil {
		return ""
	}
	return t.String()
}

// object reads an object and calls member for each of its names, which has to
// read the value.
func (p *parser) object(what string, member func(name string, at int) error) error {
	t, at, err := p.token()
	if err != nil {
		return err
	}
	if t.Kind() != '{' {
		return p.errorf(at, "%s has to be an object, not %s", what, kindName(t))
	}
	for p.dec.PeekKind() != '}' {
		t, at, err := p.token()
		if err != nil {
			return err
		}
		if err := member(t.String(), at); err != nil {
			return err
		}
	}
	_, _, err = p.token()
	return err
}

// list reads a list or, where what may stand alone, a single value.
func (p *parser) list(element func() error) error {
	if p.dec.PeekKind() != '[' {
		return element()
	}
	if _, _, err := p.token(); err != nil {
		return err
	}
	for p.dec.PeekKind() != ']' {
		if err := element(); err != nil {
			return err
		}
	}
	_, _, err := p.token()
	return err
}

func (p *parser) string(what string) (string, int, error) {
	t, at, err := p.token()
	if err != nil {
		return "", at, err
	}
	if t.Kind() != '"' {
		return "", at, p.errorf(at, "%s has to be a string, not %s", what, kindName(t))
	}
	return t.String(), at, nil
}

// strings reads a string or a list of strings; the result is never nil. check
// says what is wrong with one of them, as a clause, or nothing.
func (p *parser) strings(what string, check func(string) string) ([]string, error) {
	out := []string{}
	err := p.list(func() error {
		s, at, err := p.string(what)
		if err != nil {
			return err
		}
		if wrong := check(s); wrong != "" {
			return p.errorf(at, "%s %s %s", what, quote(s), wrong)
		}
		out = append(out, s)
		return nil
	})
	return out, err
}

func kindName(t jsontext.Token) string {
	switch t.Kind() {
	case '{':
		return "an object"
	case '[':
		return "a list"
	case '"':
		return "a string"
	case '0':
		return "a number"
	case 'n':
		return "null"
	}
	return "a boolean"
}

// unknown is the error for an element that does not exist, with the name of one
// that differs in case only.
func (p *parser) unknown(at int, where, name string, known ...string) error {
	for _, k := range known {
		if lower(k) == lower(name) {
			return p.errorf(at, "%s has no element %s; it is written %q", where, quote(name), k)
		}
	}
	return p.errorf(at, "%s has no element %s", where, quote(name))
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
		return "", p.errorf(at, "version %s is neither %q nor %q", quote(s), Version2012, Version2008)
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

// element reads one element of a statement.
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
		s.Action, err = p.strings(name, checkAction)
	case "NotAction":
		s.NotAction, err = p.strings(name, checkAction)
	case "Resource", "NotResource":
		if !p.identity {
			return p.errorf(at, "a trust policy cannot have %s; it is about the role that has it", name)
		}
		var list []string
		if list, err = p.strings(name, checkResource); name == "Resource" {
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

// complete says what a statement lacks or has too much of.
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

// sid reads a Sid: letters and digits, once in a policy
// (reference_policies_elements_sid.html). An empty one is none.
func (p *parser) sid(sids map[string]bool) (string, error) {
	s, at, err := p.string("Sid")
	if err != nil || s == "" {
		return "", err
	}
	if strings.IndexFunc(s, func(r rune) bool { return !isAlphanumeric(r) }) >= 0 {
		return "", p.errorf(at, "sid %s has other characters than letters and digits", quote(s))
	}
	if sids[s] {
		return "", p.errorf(at, "sid %s is the id of another statement already", quote(s))
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
	return "", p.errorf(at, "effect %s is neither %q nor %q", quote(s), Allow, Deny)
}

// A principalEntry is one kind of principal and where its list is kept.
type principalEntry struct {
	key  string
	list *[]string
}

// entries returns the lists of a principal in the order in which they are printed.
func (p *Principal) entries() []principalEntry {
	return []principalEntry{
		{"AWS", &p.AWS}, {"Federated", &p.Federated}, {"Service", &p.Service}, {"CanonicalUser", &p.CanonicalUser},
	}
}

func (p *parser) principal(what string) (*Principal, error) {
	who := &Principal{}
	if p.dec.PeekKind() == '"' {
		s, at, err := p.string(what)
		if err != nil {
			return nil, err
		}
		if s != "*" {
			return nil, p.errorf(at, "%s %s is neither %q nor an object such as {\"Federated\": …}", what, quote(s), "*")
		}
		who.Any = true
		return who, nil
	}
	err := p.object(what, func(name string, at int) (err error) {
		var known []string
		for _, e := range who.entries() {
			if e.key == name {
				*e.list, err = p.strings("a principal", checkNotEmpty)
				return err
			}
			known = append(known, e.key)
		}
		return p.unknown(at, "a principal", name, known...)
	})
	return who, err
}

func checkNotEmpty(s string) string {
	if s == "" {
		return "is empty"
	}
	return ""
}

// checkAction holds an action to what IAM answers for a bad one: "Actions/Conditions
// must be prefixed by a vendor", "Actions/Condition can contain only one colon".
func checkAction(s string) string {
	if s == "*" {
		return ""
	}
	vendor, name, ok := strings.Cut(s, ":")
	if !ok || vendor == "" || name == "" || strings.Contains(name, ":") {
		return `is not of the form "service:name"`
	}
	if strings.IndexFunc(s, func(r rune) bool { return !isAlphanumeric(r) && !strings.ContainsRune(":-*?_.", r) }) >= 0 {
		return "has characters that no action has"
	}
	return ""
}

// checkResource holds a resource to what IAM answers for a bad one: "must be in
// ARN format or "*"".
func checkResource(s string) string {
	if s == "*" || strings.HasPrefix(s, "arn:") {
		return ""
	}
	return `is neither an ARN nor "*"`
}

func (p *parser) conditions() ([]Condition, error) {
	var out []Condition
	operators := map[string]bool{}
	err := p.object("Condition", func(operator string, at int) error {
		if _, ok := parseOperator(operator); !ok {
			return p.errorf(at, "there is no condition operator %s", quote(operator))
		}
		if operators[lower(operator)] {
			return p.errorf(at, "%s stands here twice", quote(operator))
		}
		operators[lower(operator)] = true
		keys := map[string]bool{}
		return p.object("a condition operator's value", func(key string, at int) error {
			if wrong := checkKey(key); wrong != "" {
				return p.errorf(at, "condition key %s %s", quote(key), wrong)
			}
			if keys[lower(key)] {
				return p.errorf(at, "%s stands here twice; condition keys ignore case", quote(key))
			}
			keys[lower(key)] = true
			values, err := p.values()
			out = append(out, Condition{Operator: operator, Key: key, Values: values})
			return err
		})
	})
	return out, err
}

// checkKey holds a condition key to the form "service:keyname"
// (access-analyzer-reference-policy-checks.html, invalid condition key format).
// What follows the first colon is free: tag keys may hold colons themselves.
func checkKey(s string) string {
	if prefix, name, _ := strings.Cut(s, ":"); prefix == "" || name == "" {
		return `is not of the form "prefix:name"`
	}
	return ""
}

// values reads the values of a condition. Quotation marks are optional around
// numbers and booleans (reference_policies_grammar.html); they are kept as text.
func (p *parser) values() ([]string, error) {
	out := []string{}
	err := p.list(func() error {
		t, at, err := p.token()
		if err != nil {
			return err
		}
		if !slices.Contains([]jsontext.Kind{'"', '0', 't', 'f'}, t.Kind()) {
			return p.errorf(at, "a condition's value has to be a string, number or boolean, not %s", kindName(t))
		}
		out = append(out, t.String())
		return nil
	})
	return out, err
}
