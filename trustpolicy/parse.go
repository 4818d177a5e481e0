package trustpolicy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/fly-aws/fly-aws/internal/text"
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
	p.dec = json.NewDecoder(bytes.NewReader(text))
	p.dec.UseNumber() // which keeps them as they are written
	d, err := p.document()
	if err != nil {
		return nil, err
	}
	return d, p.end()
}

// A parser reads one document.
type parser struct {
	text     []byte
	dec      *json.Decoder
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

// end reads the end of the document.
func (p *parser) end() error {
	rest := bytes.TrimLeft(p.text[p.dec.InputOffset():], " \t\r\n")
	if len(rest) > 0 {
		return p.errorf(len(p.text)-len(rest), "there is more after the end of the policy")
	}
	return nil
}

// peek returns the first byte of the next token, 0 at the end.
func (p *parser) peek() byte {
	if at := p.next(); at < len(p.text) {
		return p.text[at]
	}
	return 0
}

// token reads a token and returns where it begins.
func (p *parser) token() (json.Token, int, error) {
	at := p.next()
	t, err := p.dec.Token()
	if err != nil {
		return nil, at, p.jsonError(at, err)
	}
	if _, ok := t.(string); ok {
		err = p.literal(at)
	}
	return t, at, err
}

// literal looks into the string that begins at a byte, up to its end or a control
// character, for bad escapes and UTF-8: encoding/json replaces half a surrogate
// pair and invalid UTF-8 by U+FFFD and goes on.
func (p *parser) literal(at int) error {
	for i := at + 1; i < len(p.text) && p.text[i] != '"' && p.text[i] >= ' '; {
		rest := p.text[i:]
		r, size := utf8.DecodeRune(rest)
		if r == utf8.RuneError && size == 1 {
			return p.errorf(i, "invalid UTF-8")
		}
		if r == '\\' {
			valid := false
			if size, valid = escape(rest); !valid {
				return p.errorf(i, "invalid escape sequence %q in a string", rest[:size])
			}
		}
		i += size
	}
	return nil
}

// escape returns the length of the escape sequence that text begins with, and
// whether it is valid. A surrogate pair is one sequence, half of a pair is none.
func escape(text []byte) (size int, valid bool) {
	r, size := utf8.DecodeRune(text[1:])
	if r != 'u' {
		return 1 + size, strings.ContainsRune(`"\/bfnrt`, r)
	}
	unit := utf16Unit(text)
	if !utf16.IsSurrogate(unit) {
		return min(6, len(text)), unit >= 0
	}
	if utf16.DecodeRune(unit, utf16Unit(text[6:])) == utf8.RuneError {
		return 6, false
	}
	return 12, true
}

// utf16Unit returns what text begins with as \uXXXX, -1 when it does not.
func utf16Unit(text []byte) rune {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return -1
	}
	unit, err := strconv.ParseUint(string(text[2:6]), 16, 16)
	if err != nil {
		return -1
	}
	return rune(unit)
}

// jsonError puts an error of the JSON reader, at the token that begins at at, into
// our words and place.
func (p *parser) jsonError(at int, err error) error {
	wrong := len(p.text)
	var s *json.SyntaxError
	if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		// A decoder that reads tokens does not say where in the text it failed.
		if !errors.As(json.Unmarshal(p.text, new(json.RawMessage)), &s) || s.Offset < 1 {
			return p.errorf(at, "%v", err)
		}
		wrong = int(s.Offset) - 1
	}
	if at < wrong && p.text[at] == '"' {
		if err := p.literal(at); err != nil {
			return err
		}
	}
	before := bytes.TrimRight(p.text[:wrong], " \t\r\n")
	switch {
	case wrong == len(p.text) && len(before) == 0:
		return p.errorf(0, "the document is empty")
	case wrong == len(p.text):
		return p.errorf(wrong, "the document ends in the middle of the policy")
	case (p.text[wrong] == '}' || p.text[wrong] == ']') && bytes.HasSuffix(before, []byte{','}):
		return p.errorf(len(before)-1, "a comma stands before the closing %q", p.text[wrong])
	}
	// It takes a byte for a character.
	r, _ := utf8.DecodeRune(p.text[wrong:])
	what := strings.TrimPrefix(s.Error(), fmt.Sprintf("invalid character %q", rune(p.text[wrong])))
	return p.errorf(wrong, "invalid character %q%s", r, what)
}

// object reads an object and calls member for each of its names, which has to
// read the value.
func (p *parser) object(what string, member func(name string, at int) error) error {
	t, at, err := p.token()
	if err != nil {
		return err
	}
	if t != json.Delim('{') {
		return p.errorf(at, "%s has to be an object, not %s", what, kindName(t))
	}
	seen := map[string]bool{}
	for p.dec.More() {
		name, at, err := p.string("a name")
		if err != nil {
			return err
		}
		if seen[name] {
			return p.errorf(at, "%s stands here twice", text.Quote(name))
		}
		seen[name] = true
		if err := member(name, at); err != nil {
			return err
		}
	}
	_, _, err = p.token()
	return err
}

// list reads a list or, where what may stand alone, a single value.
func (p *parser) list(element func() error) error {
	if p.peek() != '[' {
		return element()
	}
	if _, _, err := p.token(); err != nil {
		return err
	}
	for p.dec.More() {
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
	s, ok := t.(string)
	if !ok {
		return "", at, p.errorf(at, "%s has to be a string, not %s", what, kindName(t))
	}
	return s, at, nil
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
			return p.errorf(at, "%s %s %s", what, text.Quote(s), wrong)
		}
		out = append(out, s)
		return nil
	})
	return out, err
}

func kindName(t json.Token) string {
	switch t.(type) {
	case json.Delim:
		if t == json.Delim('{') {
			return "an object"
		}
		return "a list"
	case string:
		return "a string"
	case json.Number:
		return "a number"
	case nil:
		return "null"
	}
	return "a boolean"
}

// unknown is the error for an element that does not exist, with the name of one
// that differs in case only.
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
		return "", p.errorf(at, "sid %s has other characters than letters and digits", text.Quote(s))
	}
	if sids[s] {
		return "", p.errorf(at, "sid %s is the id of another statement already", text.Quote(s))
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
	if p.peek() == '"' {
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
			return p.errorf(at, "there is no condition operator %s", text.Quote(operator))
		}
		if operators[lower(operator)] {
			return p.errorf(at, "%s stands here twice", text.Quote(operator))
		}
		operators[lower(operator)] = true
		keys := map[string]bool{}
		return p.object("a condition operator's value", func(key string, at int) error {
			if wrong := checkKey(key); wrong != "" {
				return p.errorf(at, "condition key %s %s", text.Quote(key), wrong)
			}
			if keys[lower(key)] {
				return p.errorf(at, "%s stands here twice; condition keys ignore case", text.Quote(key))
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
		switch t.(type) {
		case string, json.Number, bool:
			out = append(out, fmt.Sprint(t))
		default:
			return p.errorf(at, "a condition's value has to be a string, number or boolean, not %s", kindName(t))
		}
		return nil
	})
	return out, err
}
