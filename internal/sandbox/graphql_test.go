package sandbox

import (
	"encoding/json"
	"fmt"
	goast "go/ast"
	"go/parser"
	"go/token"
	"math/rand/v2"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/lexer"
	gqlparser "github.com/vektah/gqlparser/v2/parser"
)

func TestGraphQLValues(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		source string
		kind   graphQLKind
		text   string
	}{
		{`0`, graphQLInt, "0"},
		{`-0`, graphQLInt, "-0"},
		{`-120`, graphQLInt, "-120"},
		{`0.50`, graphQLFloat, "0.50"},
		{`1e9`, graphQLFloat, "1e9"},
		{`-1.2E+3`, graphQLFloat, "-1.2E+3"},
		{`1e-1`, graphQLFloat, "1e-1"},
		{`1E9`, graphQLFloat, "1E9"},
		{`true`, graphQLBoolean, "true"},
		{`false`, graphQLBoolean, "false"},
		{`null`, graphQLNull, "null"},
		{`True`, graphQLEnum, "True"},
		{`on`, graphQLEnum, "on"},
		{`$_x9`, '$', "_x9"},
		{`""`, graphQLString, ""},
		{"\"a\tb ,#{\u00e9\x7f\"", graphQLString, "a\tb ,#{\u00e9\x7f"},
		{`"\"\\\/\b\f\n\r\t"`, graphQLString, "\"\\/\b\f\n\r\t"},
		{`"\u0041\u00e9\uFFFD\uffff\u0000"`, graphQLString, "A\u00e9\ufffd\uffff\x00"},
		{`"\ud83D\uDE00!"`, graphQLString, "\U0001f600!"},
		{`""""""`, graphQLString, ""},
		{`""" a"""`, graphQLString, " a"},
		{`""""a" "" \ \n \u0041 """`, graphQLString, `"a" "" \ \n \u0041 `},
		{`"""\""" \\""""""`, graphQLString, `""" \"""`},
		// The first line does not count for the indentation.
		{"\"\"\"a\n    b\n\n\t  c\n   d\"\"\"", graphQLString, "a\n b\n\nc\nd"},
		{"\"\"\"\n\n  a\r\n    b\r      \r  c  \n \t\n\"\"\"", graphQLString, "a\n  b\n    \nc  "},
		{"\"\"\"\n   a\n \n   b\"\"\"", graphQLString, "a\n\nb"},
		{"\"\"\" \n\t\n\"\"\"", graphQLString, ""},
	} {
		document, err := parseGraphQL("{a(b:" + test.source + ")}")
		if err != nil {
			t.Errorf("%s: %s", test.source, err.Message)
			continue
		}
		v := document.operations[0].selections[0].arguments[0].value
		if v.kind != test.kind || v.text != test.text || v.source != test.source {
			t.Errorf("%s: got %+v, want %q", test.source, v, test.text)
		}
	}
}

// What is not a document is refused where it ceases to be one.
func TestGraphQLSyntaxErrors(t *testing.T) {
	t.Parallel()
	const notNumber, notEscape, noToken = "not a number", "not an escape sequence", "no token begins like this"
	for _, test := range []struct {
		source, want string
	}{
		{``, `the end of the document at [1, 1]: expected an operation or a fragment`},
		{" # {a}\r\n,\r\t\ufeff", `the end of the document at [3, 3]: expected an operation or a fragment`},
		{`{}`, `"}" at [1, 2]: expected a name`},
		{`{a`, `the end of the document at [1, 3]: expected "}"`},
		{`{a}}`, `"}" at [1, 4]: expected an operation or a fragment`},
		{`{a{}}`, `"}" at [1, 4]: expected a name`},
		{`{a()}`, `")" at [1, 4]: expected a name`},
		{`{a(b)}`, `")" at [1, 5]: expected ":"`},
		{`{a(b:)}`, `")" at [1, 6]: expected a value`},
		{`{a(b:|)}`, `"|" at [1, 6]: expected a value`},
		{`{a(b:[1}`, `"}" at [1, 8]: expected a value`},
		{`{a(b:{c 1})}`, `"1" at [1, 9]: expected ":"`},
		{`{a:}`, `"}" at [1, 4]: expected a name`},
		{`{"a"}`, `"\"a\"" at [1, 2]: expected a name`},
		{`{a @}`, `"}" at [1, 5]: expected a name`},
		{`{a @b(c:d) (e:f)}`, `"(" at [1, 12]: expected a name`},
		{`query`, `the end of the document at [1, 6]: expected "{"`},
		{`Query {a}`, `"Query" at [1, 1]: expected an operation or a fragment`},
		{`type T { a: Int }`, `"type" at [1, 1]: expected an operation or a fragment`},
		{`query () {a}`, `")" at [1, 8]: expected "$"`},
		{`query ($a) {a}`, `")" at [1, 10]: expected ":"`},
		{`query ($a: []) {a}`, `"]" at [1, 13]: expected a name`},
		{`query ($a: [A B]) {a}`, `"B" at [1, 15]: expected "]"`},
		{`query ($a: A!!) {a}`, `"!" at [1, 14]: expected "$"`},
		{`query ($a: A = $b) {a}`, `"$" at [1, 16]: expected a value without variables`},
		{`query ($a: A = [{b: $b}]) {a}`, `"$" at [1, 21]: expected a value without variables`},
		{`query ($a: A @b(c: $d)) {a}`, `"$" at [1, 20]: expected a value without variables`},
		{`query ("" $a: A) {a}`, `"\"\"" at [1, 8]: expected "$"`},
		{`"" query {a}`, `"\"\"" at [1, 1]: expected an operation or a fragment`},
		{`fragment on on A {a}`, `"on" at [1, 10]: expected the fragment's name`},
		{`fragment F of A {a}`, `"of" at [1, 12]: expected "on"`},
		{`fragment F($a: A) on A {a}`, `"(" at [1, 11]: expected "on"`},
		{`fragment F on A`, `the end of the document at [1, 16]: expected "{"`},
		{`{... "on" A {a}}`, `"\"on\"" at [1, 6]: expected "{"`},
		{`{...on {a}}`, `"{" at [1, 8]: expected a name`},
		{`{...}`, `"}" at [1, 5]: expected "{"`},
		{`{....F}`, `"." at [1, 5]: ` + noToken},
		{`{a b..}`, `"." at [1, 5]: ` + noToken},
		{"{\r\n\ra\n  %", `"%" at [4, 3]: ` + noToken},
		{"{\u00e9 }", `"é" at [1, 2]: ` + noToken},
		{`{a(b:'c')}`, `"'" at [1, 6]: ` + noToken},
		{`{a(b:+1)}`, `"+" at [1, 6]: ` + noToken},
		{`{a(b:00)}`, `"00" at [1, 6]: ` + notNumber},
		{`{a(b:-)}`, `"-" at [1, 6]: ` + notNumber},
		{`{a(b:1.)}`, `"1." at [1, 6]: ` + notNumber},
		{`{a(b:1.e3)}`, `"1.e3" at [1, 6]: ` + notNumber},
		{`{a(b:1e)}`, `"1e" at [1, 6]: ` + notNumber},
		{`{a(b:1e+)}`, `"1e+" at [1, 6]: ` + notNumber},
		{`{a(b:0x1F)}`, `"0x1F" at [1, 6]: ` + notNumber},
		{`{a(b:1_000)}`, `"1_000" at [1, 6]: ` + notNumber},
		{`{a(b:1.2.3)}`, `"1.2.3" at [1, 6]: ` + notNumber},
		{"{a(b:\"\u00e9\n\")}", `"\n" at [1, 8]: a string ends on its line`},
		{"{a(b:\"\r\")}", `"\r" at [1, 7]: a string ends on its line`},
		{`{a(b:"c`, `the end of the document at [1, 8]: a string has no end`},
		{`{a(b:"c\`, `"\\" at [1, 8]: ` + notEscape},
		{`{a(b:"\x41")}`, `"\\x41\")" at [1, 7]: ` + notEscape},
		{`{a(b:"\u+041")}`, `"\\u+041" at [1, 7]: ` + notEscape},
		{`{a(b:"\u{41}")}`, `"\\u{41}" at [1, 7]: ` + notEscape},
		{`{a(b:"\ud83d")}`, `"\\ud83d" at [1, 7]: ` + notEscape},
		{`{a(b:"\ud83d\u0041")}`, `"\\ud83d" at [1, 7]: ` + notEscape},
		{`{a(b:"\ude00\ud83d")}`, `"\\ude00" at [1, 7]: ` + notEscape},
		{"{a(b:\"\"\"\n\\\"\"\")}", `the end of the document at [2, 7]: a block string has no end`},
		{`{a(b:"""c"""")}`, `the end of the document at [1, 16]: a string has no end`},
		{"{a}\n#\x00", `"\x00" at [2, 2]: not a character of GraphQL`},
		{"{a(b:\"\U0001f600\")}", `"😀" at [1, 7]: not a character of GraphQL`},
		{"{a(b:\"\xff\")}", `"\xff" at [1, 7]: not a character of GraphQL`},
		{"{a(b:\"\ufffd\")", `the end of the document at [1, 10]: expected "}"`},
		{"{" + strings.Repeat("a ", 999) + "}", `"}" at [1, 2000]: more than 1000 tokens`},
		{strings.Repeat("{a", 101), `"{" at [1, 201]: nested more than 100 deep`},
		{"{a(b:" + strings.Repeat("[", 900), `"[" at [1, 104]: nested more than 100 deep`},
		{"query($a:" + strings.Repeat("[", 900), `"[" at [1, 109]: nested more than 100 deep`},
		{strings.Repeat("x", 99), `"` + strings.Repeat("x", 40) + `" at [1, 1]: expected an operation or a fragment`},
	} {
		document, err := parseGraphQL(test.source)
		if err == nil {
			t.Errorf("%.50q is taken for %s", test.source, ourOutline(document))
		} else if want := "Parse error on " + test.want; err.Message != want {
			t.Errorf("%.50q: got %s\nwant %s", test.source, err.Message, want)
		}
	}
	for _, source := range []string{"{" + strings.Repeat("a ", 998) + "}", strings.Repeat("{a", 100) + strings.Repeat("}", 100), "{" + strings.Repeat("a(b:1)", 150) + "}"} {
		if _, err := parseGraphQL(source); err != nil {
			t.Error(err.Message)
		}
	}
}

// What the sandbox reads but does not act on is refused, wherever it stands.
func TestGraphQLIgnoresNothing(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		source, code string
	}{
		{`{ app(name: "web") { id @include(if: false) } }`, "undefinedDirective"},
		{`query @x { __typename }`, "undefinedDirective"},
		{`query ($a: String @x) { __typename }`, "undefinedDirective"},
		{`{ ... @skip(if: true) { __typename } }`, "undefinedDirective"},
		{`{ ...F @skip(if: true) } fragment F on Query { __typename }`, "undefinedDirective"},
		{`{ ...F } fragment F on Query @x { __typename }`, "undefinedDirective"},
		{`{ app(name: web) { id } }`, "argumentLiteralsIncompatible"},
		{`{ app(name: ["web"]) { id } }`, "argumentLiteralsIncompatible"},
		{`{ apps(first: 1.0) { nodes { id } } }`, "argumentLiteralsIncompatible"},
		{`{ apps(first: 2147483648) { nodes { id } } }`, "argumentLiteralsIncompatible"},
		{`{ apps(after: 99999999999999999999) { nodes { id } } }`, "argumentLiteralsIncompatible"},
		{`{ apps(organizationId: 99999999999999999999) { nodes { id } } }`, "argumentLiteralsIncompatible"},
		{`{ organizations(admin: true) { nodes { id } } apps(organizationId: 9, after: null, first: -2147483648) { nodes { id } } }`, ""},
		{`query ($n: String = "a", $o: Int = 1, $p: ID! = 1, $q: Boolean = null) { __typename }`, ""},
		{`query ($n: Int = "1") { apps(first: $n) { nodes { id } } }`, "defaultValueInvalidType"},
		{`query ($n: String! = null) { app(name: $n) { id } }`, "defaultValueInvalidType"},
		{`query ($n: [String!] = "web") { app(name: $n) { id } }`, "defaultValueInvalidType variableMismatch"},
	} {
		body, err := json.Marshal(map[string]string{"query": test.source})
		if err != nil {
			t.Fatal(err)
		}
		q, refusal := readQuery(body)
		if refusal != nil {
			t.Errorf("%s: %s", test.source, refusal.Message)
			continue
		}
		var codes []string
		for _, e := range q.check() {
			codes = append(codes, fmt.Sprint(e.Extensions["code"]))
		}
		if got := strings.Join(slices.Compact(codes), " "); got != test.code {
			t.Errorf("%s: got %s, want %s", test.source, got, test.code)
		}
	}
}

// An outline says all of a document that matters to who answers it, but for the
// place of a directive.
type outline struct{ strings.Builder }

func (o *outline) add(format string, args ...any) { fmt.Fprintf(o, format, args...) }

func ourOutline(d *graphQLDocument) string {
	var o outline
	for _, operation := range d.operations {
		o.add("%s %q", operation.kind, operation.name)
		for _, v := range operation.variables {
			o.add(" $%s:%s", v.name, v.typ)
			if v.def != nil {
				o.add("=")
				o.ourValue(v.def)
			}
		}
		o.ourSelections(operation.selections)
	}
	for _, f := range d.fragments {
		o.add("fragment %s on %s", f.name, f.on)
		o.ourSelections(f.selections)
	}
	directives := slices.Clone(d.directives)
	slices.Sort(directives)
	o.add("%q", directives)
	return o.String()
}

func (o *outline) ourSelections(set []*graphQLSelection) {
	o.add("{")
	for _, s := range set {
		switch s.kind {
		case graphQLFieldSelection:
			o.add(" %s:%s", s.alias, s.name)
			for _, a := range s.arguments {
				o.add(" (%s:", a.name)
				o.ourValue(a.value)
				o.add(")")
			}
			if len(s.selections) > 0 {
				o.ourSelections(s.selections)
			}
		case graphQLSpreadSelection:
			o.add(" ...%s", s.name)
		case graphQLInlineSelection:
			o.add(" ... on %q", s.on)
			o.ourSelections(s.selections)
		}
	}
	o.add("}")
}

func (o *outline) ourValue(v *graphQLValue) {
	switch {
	case v.kind == '[' || v.kind == '{':
		o.add("%c", rune(v.kind))
		for _, child := range v.children {
			o.add(" %q:", child.name)
			o.ourValue(child.value)
		}
		o.add("end")
	case v.kind == graphQLString && strings.HasPrefix(v.source, `"""`):
		o.add("block %q", flat(v.text))
	case v.kind == graphQLString:
		o.add("string %q", v.text)
	default:
		o.add("%s %q", map[graphQLKind]string{
			'$': "variable", graphQLInt: "int", graphQLFloat: "float", graphQLBoolean: "boolean", graphQLNull: "null", graphQLEnum: "enum",
		}[v.kind], v.text)
	}
}

// flat takes all indentation away: gqlparser lets the first line of a block string
// count for it, against the specification.
func flat(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = strings.TrimLeft(lines[i], "\t ")
	}
	return strings.Join(lines, "\n")
}

func theirOutline(d *ast.QueryDocument) string {
	var o outline
	var directives []string
	note := func(list ast.DirectiveList) {
		for _, directive := range list {
			directives = append(directives, directive.Name)
		}
	}
	for _, operation := range d.Operations {
		o.add("%s %q", operation.Operation, operation.Name)
		for _, v := range operation.VariableDefinitions {
			o.add(" $%s:%s", v.Variable, v.Type)
			if v.DefaultValue != nil {
				o.add("=")
				o.theirValue(v.DefaultValue)
			}
			note(v.Directives)
		}
		note(operation.Directives)
		o.theirSelections(operation.SelectionSet, note)
	}
	for _, f := range d.Fragments {
		o.add("fragment %s on %s", f.Name, f.TypeCondition)
		note(f.Directives)
		o.theirSelections(f.SelectionSet, note)
	}
	slices.Sort(directives)
	o.add("%q", directives)
	return o.String()
}

func (o *outline) theirSelections(set ast.SelectionSet, note func(ast.DirectiveList)) {
	o.add("{")
	for _, selection := range set {
		switch s := selection.(type) {
		case *ast.Field:
			o.add(" %s:%s", s.Alias, s.Name)
			for _, a := range s.Arguments {
				o.add(" (%s:", a.Name)
				o.theirValue(a.Value)
				o.add(")")
			}
			note(s.Directives)
			if len(s.SelectionSet) > 0 {
				o.theirSelections(s.SelectionSet, note)
			}
		case *ast.FragmentSpread:
			o.add(" ...%s", s.Name)
			note(s.Directives)
		case *ast.InlineFragment:
			o.add(" ... on %q", s.TypeCondition)
			note(s.Directives)
			o.theirSelections(s.SelectionSet, note)
		}
	}
	o.add("}")
}

func (o *outline) theirValue(v *ast.Value) {
	switch v.Kind {
	case ast.ListValue, ast.ObjectValue:
		o.add("%s", map[ast.ValueKind]string{ast.ListValue: "[", ast.ObjectValue: "{"}[v.Kind])
		for _, child := range v.Children {
			o.add(" %q:", child.Name)
			o.theirValue(child.Value)
		}
		o.add("end")
	case ast.BlockValue:
		o.add("block %q", flat(v.Raw))
	default:
		o.add("%s %q", map[ast.ValueKind]string{
			ast.Variable: "variable", ast.IntValue: "int", ast.FloatValue: "float", ast.StringValue: "string",
			ast.BooleanValue: "boolean", ast.NullValue: "null", ast.EnumValue: "enum",
		}[v.Kind], v.Raw)
	}
}

var graphQLNumber = regexp.MustCompile(`^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?`)

// graphQLLaxities are what gqlparser accepts beyond the October 2021 edition: some
// of it is of later editions, some of none.
var graphQLLaxities = []struct {
	name    string
	example string
	// is says whether a refusal of ours is due to it.
	is func(source, refusal string, theirs *ast.QueryDocument) bool
}{
	{"an empty document", "# nothing", func(_, refusal string, theirs *ast.QueryDocument) bool {
		return strings.Contains(refusal, "the end of the document") && len(theirs.Operations)+len(theirs.Fragments) == 0
	}},
	{"a description", `"of what" query ("of it" $a: A) {a}`, func(_, refusal string, _ *ast.QueryDocument) bool {
		return strings.HasPrefix(refusal, `Parse error on "\"`) &&
			(strings.HasSuffix(refusal, "expected an operation or a fragment") || strings.HasSuffix(refusal, `expected "$"`))
	}},
	{"a string for the word on", `{... "on" A {a}}`, func(source, refusal string, _ *ast.QueryDocument) bool {
		return strings.HasPrefix(refusal, `Parse error on "\"`) && strings.HasSuffix(refusal, `expected "{"`) && strings.Contains(source, "...")
	}},
	{"a fragment's variables", `fragment F($a: A) on A {a}`, func(_, refusal string, theirs *ast.QueryDocument) bool {
		return strings.HasSuffix(refusal, `expected "on"`) &&
			slices.ContainsFunc(theirs.Fragments, func(f *ast.FragmentDefinition) bool { return len(f.VariableDefinition) > 0 })
	}},
	{"a variable in a variable's directive", `query ($a: A @b(c: [$d])) {a}`, func(_, refusal string, theirs *ast.QueryDocument) bool {
		return strings.HasSuffix(refusal, "without variables") && slices.ContainsFunc(theirs.Operations, func(o *ast.OperationDefinition) bool {
			return slices.ContainsFunc(o.VariableDefinitions, func(v *ast.VariableDefinition) bool { return len(v.Directives) > 0 })
		})
	}},
	{"a name right behind a number", `{a(b: [1x])}`, func(_, refusal string, _ *ast.QueryDocument) bool {
		quoted, _, _ := strings.Cut(strings.TrimPrefix(refusal, "Parse error on "), " at [")
		found, err := strconv.Unquote(quoted)
		if err != nil || !strings.HasSuffix(refusal, "not a number") {
			return false
		}
		behind := found[len(graphQLNumber.FindString(found)):]
		return len(found) == 40 || behind != "" && (behind[0] == '.' || isNameByte(behind[0])) // 40 are not all of it
	}},
	{"braces in an escape sequence", `{a(b: "\u{1F600}")}`, func(source, refusal string, _ *ast.QueryDocument) bool {
		return strings.HasSuffix(refusal, "not an escape sequence") && strings.Contains(source, `\u{`)
	}},
	{"half of a character", `{a(b: "\udc00\ud800")}`, func(source, refusal string, _ *ast.QueryDocument) bool {
		return strings.HasSuffix(refusal, "not an escape sequence") && regexp.MustCompile(`\\u[dD][89A-Fa-f]`).MatchString(source)
	}},
	{"characters beyond U+FFFF", "{a} # \U0001f600", func(source, refusal string, _ *ast.QueryDocument) bool {
		return strings.HasSuffix(refusal, "not a character of GraphQL") && strings.ContainsFunc(source, func(r rune) bool { return r > '\uffff' })
	}},
	{"many tokens", "{" + strings.Repeat("a ", 1000) + "}", func(source, refusal string, _ *ast.QueryDocument) bool {
		tokens, _ := measure(source)
		return strings.HasSuffix(refusal, "more than 1000 tokens") && tokens > maxQueryTokens
	}},
	{"deep nesting", strings.Repeat("{a", 101) + strings.Repeat("}", 101), func(source, refusal string, _ *ast.QueryDocument) bool {
		_, depth := measure(source)
		return strings.HasSuffix(refusal, "nested more than 100 deep") && depth > maxQueryNesting
	}},
}

// measure counts the tokens of a document that gqlparser accepts, and how deep it
// is nested.
func measure(source string) (tokens, deepest int) {
	l := lexer.New(&ast.Source{Input: source})
	for depth := 0; ; {
		tok, err := l.ReadToken()
		if err != nil || tok.Kind == lexer.EOF {
			return tokens, deepest
		}
		switch tok.Kind {
		case lexer.Comment:
			continue
		case lexer.BraceL, lexer.BracketL, lexer.ParenL:
			depth++
		case lexer.BraceR, lexer.BracketR, lexer.ParenR:
			depth--
		}
		tokens, deepest = tokens+1, max(deepest, depth)
	}
}

// judge compares what becomes of a document with what gqlparser makes of it, and
// says whether both accept it.
func judge(t *testing.T, source string) bool {
	t.Helper()
	ours, refusal := parseGraphQL(source)
	if !utf8.ValidString(source) {
		if refusal == nil {
			t.Errorf("%q is not UTF-8, and accepted", source)
		}
		return false
	}
	theirs, err := gqlparser.ParseQuery(&ast.Source{Input: source})
	switch {
	case refusal == nil && strings.Contains(source, `""""`):
		// gqlparser ends a block string at the last three quotes of several, the
		// specification at the first three. TestGraphQLValues has these.
	case refusal == nil && err != nil:
		t.Errorf("%q is accepted; gqlparser: %v", source, err)
	case refusal == nil:
		if got, want := ourOutline(ours), theirOutline(theirs); got != want {
			t.Errorf("%q:\ngot  %s\nwant %s", source, got, want)
		}
		return !t.Failed()
	case err == nil && !strings.Contains(source, `""""`):
		for _, lax := range graphQLLaxities {
			if lax.is(source, refusal.Message, theirs) {
				return false
			}
		}
		t.Errorf("%q is refused, not by gqlparser: %s", source, refusal.Message)
	}
	return false
}

// A difference that gqlparser gives up is to be looked for no longer.
func TestGraphQLLaxities(t *testing.T) {
	t.Parallel()
	for _, lax := range graphQLLaxities {
		theirs, err := gqlparser.ParseQuery(&ast.Source{Input: lax.example})
		if err != nil {
			t.Errorf("%s: gqlparser refuses it too: %v", lax.name, err)
			continue
		}
		if _, refusal := parseGraphQL(lax.example); refusal == nil || !lax.is(lax.example, refusal.Message, theirs) {
			t.Errorf("%s: got %v", lax.name, refusal)
		}
	}
}

// flyQueries are the queries of internal/flyapi, read from its source.
func flyQueries(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("../flyapi/*.go")
	if err != nil {
		t.Fatal(err)
	}
	var queries []string
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		goast.Inspect(file, func(n goast.Node) bool {
			if lit, ok := n.(*goast.BasicLit); ok && lit.Kind == token.STRING && !strings.HasSuffix(name, "_test.go") {
				if text, err := strconv.Unquote(lit.Value); err == nil && strings.HasPrefix(text, "query(") {
					queries = append(queries, text)
				}
			}
			return true
		})
	}
	if len(queries) < 5 {
		t.Fatalf("found %q", queries)
	}
	return queries
}

func TestFlyQueriesAreRead(t *testing.T) {
	t.Parallel()
	for _, text := range flyQueries(t) {
		if !judge(t, text) {
			t.Errorf("refused: %s", text)
		}
	}
}

// A scribe writes documents that are valid, with what may stand between tokens.
type scribe struct {
	*rand.Rand
	out  strings.Builder
	left int // about how many tokens may still come
}

func pick[T any](s *scribe, from ...T) T { return from[s.IntN(len(from))] }

func (s *scribe) document() string {
	s.left = 20 + s.IntN(150)
	for range 1 + s.IntN(3) {
		switch s.IntN(4) {
		case 0:
			s.selections()
		case 1:
			s.put("fragment", s.name("on"), "on", s.name(""))
			s.directives(false)
			s.selections()
		default:
			s.put(pick(s, "query", "mutation", "subscription"))
			if s.maybe() {
				s.put(s.name(""))
			}
			if s.maybe() {
				s.brackets("(", ")", 1, s.variable)
			}
			s.directives(false)
			s.selections()
		}
	}
	return s.out.String()
}

func (s *scribe) maybe() bool { return s.left > 0 && s.IntN(2) == 0 }

// put writes tokens. Two stand apart unless one of them is a punctuator.
func (s *scribe) put(tokens ...string) {
	for _, tok := range tokens {
		s.left--
		text := s.out.String()
		if text != "" && s.IntN(4) > 0 || !isPunctuator(tok) && text != "" && !isPunctuator(text[len(text)-1:]) {
			for range 1 + s.IntN(2) {
				s.out.WriteString(pick(s, " ", " ", "\n", ",", "\t", "\r\n", "\r", "\ufeff", "#\n", "# \"{ \u00e9\ufeff\r", "#\"\"\"#\n"))
			}
		}
		s.out.WriteString(tok)
	}
}

func isPunctuator(tok string) bool {
	return slices.Contains([]string{"!", "$", "(", ")", ":", "=", "@", "[", "]", "{", "}"}, tok)
}

func (s *scribe) name(but string) string {
	for {
		if name := pick(s, "a", "B", "_", "__typename", "x9", "on", "query", "fragment", "true", "null", "mutation", "E1", "e"); name != but {
			return name
		}
	}
}

func (s *scribe) brackets(opening, closing string, atLeast int, item func()) {
	s.put(opening)
	for n := 0; n < atLeast || s.maybe(); n++ {
		item()
	}
	s.put(closing)
}

func (s *scribe) variable() {
	s.put("$", s.name(""), ":")
	s.typ()
	if s.maybe() {
		s.put("=")
		s.value(true)
	}
	s.directives(true)
}

func (s *scribe) typ() {
	if s.maybe() {
		s.put("[")
		s.typ()
		s.put("]")
	} else {
		s.put(s.name(""))
	}
	if s.maybe() {
		s.put("!")
	}
}

func (s *scribe) directives(constant bool) {
	for s.IntN(3) == 0 && s.maybe() {
		s.put("@", s.name(""))
		if s.maybe() {
			s.arguments(constant)
		}
	}
}

func (s *scribe) arguments(constant bool) { s.brackets("(", ")", 1, func() { s.argument(constant) }) }

func (s *scribe) argument(constant bool) {
	s.put(s.name(""), ":")
	s.value(constant)
}

func (s *scribe) selections() { s.brackets("{", "}", 1, s.selection) }

func (s *scribe) selection() {
	switch s.IntN(5) {
	case 0:
		s.put("...", s.name("on"))
		s.directives(false)
	case 1:
		s.put("...")
		if s.maybe() {
			s.put("on", s.name(""))
		}
		s.directives(false)
		s.selections()
	default:
		s.put(s.name(""))
		if s.maybe() {
			s.put(":", s.name(""))
		}
		if s.maybe() {
			s.arguments(false)
		}
		s.directives(false)
		if s.maybe() {
			s.selections()
		}
	}
}

func (s *scribe) value(constant bool) {
	switch n := s.IntN(9); {
	case n == 0 && s.left > 0:
		s.brackets("[", "]", 0, func() { s.value(constant) })
	case n == 1 && s.left > 0:
		s.brackets("{", "}", 0, func() { s.argument(constant) })
	case n == 2 && !constant:
		s.put("$", s.name(""))
	case n < 5:
		s.put(pick(s, "0", "-0", "12", "-3.50", "1e9", "2.5E-1", "0e+0", "9007199254740993000000"))
	case n < 7:
		s.put(pick(s, `""`, `"a b"`, `"\"\\\/\b\f\n\r\t"`, `"\u00e9\ud83d\ude00\uFFFD"`, "\"\t#,\u00e9\"", `"""a"""`,
			"\"\"\"\n  a\n\n    \\\"\"\" \\n\r\n  \"b\" \t\r\"\"\"", "\"\"\"  a\n b\n   \n\"\"\""))
	default:
		s.put(s.name(""))
	}
}

var (
	graphQLPieces = regexp.MustCompile(`(?s)\w+|"""|\.{3}|\\.|.`)
	graphQLScraps = strings.Split("{|}|(|)|[|]|$|@|!|:|=|...|.|&|query|fragment|on|null|a|1|-|1.5|e5|1e|00|0x1|\"|\"\"|\"\"\"|\"on\"|\\|\\\"|\\u|\\ud83d|\\ude00|\\u{41}|#|,|\n|\r|\t|\ufeff|\u00e9|\U0001f600|\x01|'|%|{a}|(b:c)|$d|($e:[F!]!=1)|@g(h:$i)", "|")
)

// spoil changes a document in a few places, mostly for the worse.
func spoil(random *rand.Rand, source string) string {
	pieces := graphQLPieces.FindAllString(source, -1)
	for range 1 + random.IntN(3) {
		at, scrap := random.IntN(len(pieces)+1), graphQLScraps[random.IntN(len(graphQLScraps))]
		end := min(at+1, len(pieces))
		switch random.IntN(6) {
		case 0:
			pieces = slices.Delete(pieces, at, end)
		case 1:
			pieces = slices.Insert(pieces, at, pieces[at:end]...)
		case 2:
			pieces = slices.Replace(pieces, at, end, scrap)
		case 3:
			if at+1 < len(pieces) {
				pieces[at], pieces[at+1] = pieces[at+1], pieces[at]
			}
		case 4:
			if random.IntN(4) == 0 {
				pieces = pieces[:at]
			}
		default:
			pieces = slices.Insert(pieces, at, scrap)
		}
	}
	return strings.Join(pieces, "")
}

func TestGraphQLParserOnRandomDocuments(t *testing.T) {
	t.Parallel()
	refused := 0
	for seed := range uint64(600) {
		random := rand.New(rand.NewPCG(seed, 1))
		source := (&scribe{Rand: random}).document()
		if !judge(t, source) && !strings.Contains(source, `""""`) {
			t.Fatalf("refused: %q", source)
		}
		for range 3 {
			if !judge(t, spoil(random, source)) {
				refused++
			}
		}
		if t.Failed() {
			return
		}
	}
	if refused < 600 || refused > 1700 {
		t.Errorf("%d of 1800 documents were spoilt: too few or too many for a judgement", refused)
	}
}

// FuzzGraphQLParser holds that the sandbox understands a document as gqlparser
// does, but for what graphQLLaxities lists: as it is, after spoiling it, and the
// same for a random one.
func FuzzGraphQLParser(f *testing.F) {
	for i, text := range flyQueries(f) {
		f.Add(text, uint64(i))
	}
	for i, lax := range graphQLLaxities {
		f.Add(lax.example, uint64(i))
	}
	for _, text := range []string{
		`query Q($a: [A!]! = [1, {b: "c"}] @d) @e(f: $g) { h: i(j: -1.5e3, k: """l""") { ...M ... on N @o { p } ... { q } } } fragment M on R { s }`,
		`{a(b:[1-2 0-0,1e5-3"c""d"$e{}[]])}`,
		"\ufeffsubscription{a}# b\r\nmutation{c(d:true,e:null,f:G,h:$i)}",
	} {
		f.Add(text, uint64(len(text)))
	}
	f.Fuzz(func(t *testing.T, source string, seed uint64) {
		judge(t, source)
		random := rand.New(rand.NewPCG(seed, 2))
		judge(t, spoil(random, source))
		source = (&scribe{Rand: random}).document()
		judge(t, source)
		judge(t, spoil(random, source))
	})
}
