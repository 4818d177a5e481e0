package sandbox

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// A graphQLDocument is an executable document in the language of
// https://spec.graphql.org/October2021/#sec-Language.
type graphQLDocument struct {
	operations []*graphQLOperation
	fragments  []*graphQLFragment
	// directives names those anywhere in the document, in its order.
	directives []string
}

// fragment finds a fragment; nil for none.
func (d *graphQLDocument) fragment(name string) *graphQLFragment {
	for _, f := range d.fragments {
		if f.name == name {
			return f
		}
	}
	return nil
}

type graphQLOperation struct {
	kind       string // query, mutation or subscription
	name       string
	variables  []*graphQLVariable
	selections []*graphQLSelection
}

// variable finds the definition of a variable; nil for none.
func (o *graphQLOperation) variable(name string) *graphQLVariable {
	for _, v := range o.variables {
		if v.name == name {
			return v
		}
	}
	return nil
}

type graphQLFragment struct {
	name, on   string
	selections []*graphQLSelection
}

type graphQLVariable struct {
	name string
	typ  string        // without blanks, as [String!]!
	def  *graphQLValue // nil for none
}

type graphQLSelectionKind int

const (
	graphQLFieldSelection graphQLSelectionKind = iota
	graphQLSpreadSelection
	graphQLInlineSelection
)

type graphQLSelection struct {
	kind graphQLSelectionKind
	// name is that of a field or of a spread fragment.
	name string
	// alias is under what a field is answered: its name unless another was given.
	alias      string
	on         string // of an inline fragment; "" for none
	arguments  []graphQLArgument
	selections []*graphQLSelection
}

func (s *graphQLSelection) hasArgument(name string) bool {
	for _, a := range s.arguments {
		if a.name == name {
			return true
		}
	}
	return false
}

// A graphQLArgument is that of a field, a field of an object, or without a name an
// item of a list.
type graphQLArgument struct {
	name  string
	value *graphQLValue
}

// graphQLKind is that of a token or of a value. A punctuator is its own first
// character; a variable is '$', a list '[' and an object '{'.
type graphQLKind byte

const (
	graphQLEnd graphQLKind = iota
	graphQLName
	graphQLInt
	graphQLFloat
	graphQLString
	graphQLBoolean // values only, like those below
	graphQLNull
	graphQLEnum
)

type graphQLValue struct {
	kind graphQLKind
	// text is a variable's name, a string's content, or the word or number itself.
	text     string
	children []graphQLArgument // of a list or an object
	source   string            // as it stands in the document
}

// Bounds of a document: no client of Fly's comes near.
const (
	maxQueryTokens  = 1000
	maxQueryNesting = 100 // of braces and brackets
)

// A graphQLParser reads a document. After an error it is at the end.
type graphQLParser struct {
	source string
	// The token at hand, from start to end; text is a string's content, and
	// otherwise the token itself.
	kind       graphQLKind
	text       string
	start, end int
	last       int // the end of the token before

	tokens, nesting int
	document        *graphQLDocument
	err             *graphQLError
}

// parseGraphQL reads a document. What the grammar does not have is refused.
func parseGraphQL(source string) (*graphQLDocument, *graphQLError) {
	p := &graphQLParser{source: source, document: &graphQLDocument{}}
	for i, r := range source {
		_, size := utf8.DecodeRuneInString(source[i:])
		if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r > '\uffff' || r == utf8.RuneError && size == 1 {
			p.fail(i, source[i:i+size], "not a character of GraphQL")
			break
		}
	}
	p.next()
	p.definition()
	for p.kind != graphQLEnd {
		p.definition()
	}
	return p.document, p.err
}

var graphQLLines = strings.NewReplacer("\r\n", "\n", "\r", "\n")

// fail reports what is wrong at an offset, unless something before it was.
func (p *graphQLParser) fail(at int, found, why string) {
	if p.err == nil {
		before := graphQLLines.Replace(p.source[:at])
		line, column := 1+strings.Count(before, "\n"), 1+utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:])
		what := "the end of the document"
		if found != "" {
			what = fmt.Sprintf("%.40q", found)
		}
		p.err = &graphQLError{Message: fmt.Sprintf("Parse error on %s at [%d, %d]: %s", what, line, column, why)}
	}
	p.kind, p.text = graphQLEnd, ""
	p.start, p.end, p.last = len(p.source), len(p.source), len(p.source)
}

func (p *graphQLParser) unexpected(want string) {
	p.fail(p.start, p.source[p.start:p.end], "expected "+want)
}

// next goes to the next token.
func (p *graphQLParser) next() {
	p.last = p.end
	const ignored = "\ufeff\t\n\r ,"
	rest := strings.TrimLeft(p.source[p.end:], ignored)
	for strings.HasPrefix(rest, "#") {
		line := len(rest)
		if i := strings.IndexAny(rest, "\n\r"); i >= 0 {
			line = i
		}
		rest = strings.TrimLeft(rest[line:], ignored)
	}
	p.start, p.end = len(p.source)-len(rest), len(p.source)
	if rest == "" {
		p.kind, p.text = graphQLEnd, ""
		return
	}
	if p.tokens++; p.tokens > maxQueryTokens {
		p.fail(p.start, rest[:1], fmt.Sprintf("more than %d tokens", maxQueryTokens))
		return
	}
	size := 1
	switch c := rest[0]; {
	case strings.IndexByte("!$&():=@[]{|}", c) >= 0:
		p.kind = graphQLKind(c)
	case strings.HasPrefix(rest, "..."):
		p.kind, size = '.', 3
	case strings.HasPrefix(rest, `"""`):
		p.blockString(rest)
		return
	case c == '"':
		p.quotedString(rest)
		return
	case c == '-' || '0' <= c && c <= '9':
		p.number(rest)
		return
	case isNameByte(c):
		for p.kind = graphQLName; size < len(rest) && isNameByte(rest[size]); {
			size++
		}
	default:
		_, size = utf8.DecodeRuneInString(rest)
		p.fail(p.start, rest[:size], "no token begins like this")
		return
	}
	p.end, p.text = p.start+size, rest[:size]
}

func isNameByte(c byte) bool {
	return c == '_' || '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
}

// number reads a number together with the name characters and dots behind it,
// which must be none. What is left are the numbers of JSON.
func (p *graphQLParser) number(rest string) {
	size := 1
	for size < len(rest) && (isNameByte(rest[size]) || rest[size] == '.' ||
		strings.IndexByte("+-", rest[size]) >= 0 && strings.IndexByte("eE", rest[size-1]) >= 0) {
		size++
	}
	p.kind, p.text, p.end = graphQLInt, rest[:size], p.start+size
	if strings.ContainsAny(p.text, ".eE") {
		p.kind = graphQLFloat
	}
	if !json.Valid([]byte(p.text)) {
		p.fail(p.start, p.text, "not a number")
	}
}

func (p *graphQLParser) quotedString(rest string) {
	var text strings.Builder
	for i := 1; i < len(rest); {
		switch c := rest[i]; c {
		case '"':
			p.kind, p.text, p.end = graphQLString, text.String(), p.start+i+1
			return
		case '\n', '\r':
			p.fail(p.start+i, rest[i:i+1], "a string ends on its line")
			return
		case '\\':
			r, size := graphQLEscape(rest[i:])
			if size == 0 {
				p.fail(p.start+i, rest[i:min(i+6, len(rest))], "not an escape sequence")
				return
			}
			text.WriteRune(r)
			i += size
		default:
			text.WriteByte(c)
			i++
		}
	}
	p.fail(len(p.source), "", "a string has no end")
}

// graphQLEscape is the character of the escape sequence that begins a text, and
// the length of the sequence; 0 if it is none. A character beyond U+FFFF is two
// sequences, as in JSON; half of one is refused.
func graphQLEscape(s string) (rune, int) {
	if len(s) < 2 {
		return 0, 0
	}
	if i := strings.IndexByte(`"\/bfnrt`, s[1]); i >= 0 {
		return rune("\"\\/\b\f\n\r\t"[i]), 2
	}
	r := graphQLCodeUnit(s)
	if utf16.IsSurrogate(r) {
		if r = utf16.DecodeRune(r, graphQLCodeUnit(s[6:])); r == utf8.RuneError {
			return 0, 0
		}
		return r, 12
	}
	if r < 0 {
		return 0, 0
	}
	return r, 6
}

// graphQLCodeUnit is the number of the \u0000 that begins a text; -1 for none.
func graphQLCodeUnit(s string) rune {
	if len(s) < 6 || s[:2] != `\u` {
		return -1
	}
	n, err := strconv.ParseUint(s[2:6], 16, 16)
	if err != nil {
		return -1
	}
	return rune(n)
}

func (p *graphQLParser) blockString(rest string) {
	var raw strings.Builder
	for at := 3; ; {
		size := strings.Index(rest[at:], `"""`)
		if size < 0 {
			p.fail(len(p.source), "", "a block string has no end")
			return
		}
		part := rest[at : at+size]
		at += size + 3
		if text, escaped := strings.CutSuffix(part, `\`); escaped {
			raw.WriteString(text + `"""`)
			continue
		}
		raw.WriteString(part)
		p.kind, p.text, p.end = graphQLString, blockStringValue(raw.String()), p.start+at
		return
	}
}

// blockStringValue takes away what a block string is indented by, and its blank
// lines at both ends: https://spec.graphql.org/October2021/#BlockStringValue().
func blockStringValue(raw string) string {
	const blanks = "\t "
	lines, indent := strings.Split(graphQLLines.Replace(raw), "\n"), len(raw)
	for _, line := range lines[1:] {
		if text := strings.TrimLeft(line, blanks); text != "" {
			indent = min(indent, len(line)-len(text))
		}
	}
	for i, line := range lines[1:] {
		lines[i+1] = line[min(indent, len(line)):]
	}
	for len(lines) > 0 && strings.Trim(lines[0], blanks) == "" {
		lines = lines[1:]
	}
	for len(lines) > 0 && strings.Trim(lines[len(lines)-1], blanks) == "" {
		lines = lines[:len(lines)-1]
	}
	return strings.Join(lines, "\n")
}

// expect goes past a punctuator.
func (p *graphQLParser) expect(punctuator graphQLKind) {
	if p.kind != punctuator {
		p.unexpected(strconv.Quote(string(rune(punctuator))))
		return
	}
	p.next()
}

func (p *graphQLParser) name() string {
	name := p.text
	if p.kind != graphQLName {
		p.unexpected("a name")
		return ""
	}
	p.next()
	return name
}

func (p *graphQLParser) is(word string) bool { return p.kind == graphQLName && p.text == word }

// open goes into a bracket, where at least one item is to be read: it is true
// whatever happens. After each item comes more.
func (p *graphQLParser) open(bracket graphQLKind) bool {
	if p.nesting++; p.nesting > maxQueryNesting {
		p.fail(p.start, p.text, fmt.Sprintf("nested more than %d deep", maxQueryNesting))
	}
	p.expect(bracket)
	return true
}

// more says whether another item comes, or else goes out of the bracket.
func (p *graphQLParser) more(bracket graphQLKind) bool {
	if p.kind != bracket && p.kind != graphQLEnd {
		return true
	}
	p.expect(bracket)
	p.nesting--
	return false
}

func (p *graphQLParser) definition() {
	switch kind := p.text; {
	case p.kind == '{':
		p.document.operations = append(p.document.operations, &graphQLOperation{kind: "query", selections: p.selections()})
	case p.is("query"), p.is("mutation"), p.is("subscription"):
		p.next()
		o := &graphQLOperation{kind: kind}
		if p.kind == graphQLName {
			o.name = p.name()
		}
		if p.kind == '(' {
			for more := p.open('('); more; more = p.more(')') {
				o.variables = append(o.variables, p.variable())
			}
		}
		p.directives(false)
		o.selections = p.selections()
		p.document.operations = append(p.document.operations, o)
	case p.is("fragment"):
		p.next()
		if p.is("on") {
			p.unexpected("the fragment's name")
		}
		f := &graphQLFragment{name: p.name()}
		if !p.is("on") {
			p.unexpected(`"on"`)
		}
		p.next()
		f.on = p.name()
		p.directives(false)
		f.selections = p.selections()
		p.document.fragments = append(p.document.fragments, f)
	default:
		p.unexpected("an operation or a fragment")
	}
}

func (p *graphQLParser) variable() *graphQLVariable {
	p.expect('$')
	v := &graphQLVariable{name: p.name()}
	p.expect(':')
	v.typ = p.typ()
	if p.kind == '=' {
		p.next()
		v.def = p.value(true)
	}
	p.directives(true)
	return v
}

func (p *graphQLParser) typ() string {
	var typ string
	if p.kind == '[' {
		p.open('[')
		typ = "[" + p.typ() + "]"
		if p.more(']') {
			p.unexpected(`"]"`)
		}
	} else {
		typ = p.name()
	}
	if p.kind == '!' {
		p.next()
		typ += "!"
	}
	return typ
}

func (p *graphQLParser) directives(constant bool) {
	for p.kind == '@' {
		p.next()
		p.document.directives = append(p.document.directives, p.name())
		p.arguments(constant)
	}
}

func (p *graphQLParser) selections() []*graphQLSelection {
	var set []*graphQLSelection
	for more := p.open('{'); more; more = p.more('}') {
		set = append(set, p.selection())
	}
	return set
}

func (p *graphQLParser) selection() *graphQLSelection {
	s := &graphQLSelection{}
	if p.kind != '.' {
		s.name = p.name()
		s.alias = s.name
		if p.kind == ':' {
			p.next()
			s.name = p.name()
		}
		s.arguments = p.arguments(false)
		p.directives(false)
		if p.kind == '{' {
			s.selections = p.selections()
		}
		return s
	}
	p.next()
	if p.kind == graphQLName && p.text != "on" {
		s.kind, s.name = graphQLSpreadSelection, p.name()
		p.directives(false)
		return s
	}
	s.kind = graphQLInlineSelection
	if p.is("on") {
		p.next()
		s.on = p.name()
	}
	p.directives(false)
	s.selections = p.selections()
	return s
}

func (p *graphQLParser) arguments(constant bool) []graphQLArgument {
	var list []graphQLArgument
	if p.kind == '(' {
		for more := p.open('('); more; more = p.more(')') {
			list = append(list, p.argument(constant))
		}
	}
	return list
}

func (p *graphQLParser) argument(constant bool) graphQLArgument {
	name := p.name()
	p.expect(':')
	return graphQLArgument{name, p.value(constant)}
}

// value reads a value; a constant one has no variables in it.
func (p *graphQLParser) value(constant bool) *graphQLValue {
	v, start := &graphQLValue{kind: p.kind, text: p.text}, p.start
	switch p.kind {
	case '[':
		for p.open('['); p.more(']'); {
			v.children = append(v.children, graphQLArgument{value: p.value(constant)})
		}
	case '{':
		for p.open('{'); p.more('}'); {
			v.children = append(v.children, p.argument(constant))
		}
	case '$':
		if constant {
			p.unexpected("a value without variables")
		}
		p.next()
		v.text = p.name()
	case graphQLInt, graphQLFloat, graphQLString:
		p.next()
	case graphQLName:
		switch p.text {
		case "true", "false":
			v.kind = graphQLBoolean
		case "null":
			v.kind = graphQLNull
		default:
			v.kind = graphQLEnum
		}
		p.next()
	default:
		p.unexpected("a value")
	}
	v.source = p.source[start:p.last]
	return v
}
