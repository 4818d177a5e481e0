package trustpolicy

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
)

const minimal = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::111122223333:oidc-provider/oidc.fly.io/acme"},"Action":"sts:AssumeRoleWithWebIdentity"}]}`

// mustParse parses a document that must be valid.
func mustParse(t testing.TB, doc string) *Policy {
	t.Helper()
	p, err := Parse([]byte(doc))
	if err != nil {
		t.Fatalf("Parse: %v\n%s", err, doc)
	}
	return p
}

// TestParseErrors breaks a valid document in one place at a time and checks the position
// and the reason of the error.
func TestParseErrors(t *testing.T) {
	t.Parallel()
	statement := func(members string) string { return `{"Statement":{` + members + `}}` }
	good := `"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole"`
	condition := func(block string) string { return statement(good + `,"Condition":` + block) }

	tests := []struct {
		name, doc    string
		line, column int
		reason       string
	}{
		{"nothing", ``, 1, 1, "the document is empty"},
		{"white space only", " \n\t\n", 1, 1, "the document is empty"},
		{"byte order mark", "\ufeff" + minimal, 1, 1, "byte order mark"},
		{"UTF-16", "{\x00\"\x00", 1, 2, "invalid character"},
		{"not an object", `[]`, 1, 1, "the policy must be an object, not a list"},
		{"null", `null`, 1, 1, "not null"},
		{"a string", "  \"x\"", 1, 3, "not a string"},
		{"plain text", `policy`, 1, 1, "invalid character"},
		{"cut short", `{"Statement":[{`, 1, 16, "ends in the middle"},
		{"cut short in a string", `{"Statement":"ab`, 1, 17, "ends in the middle"},
		{"comma before a brace", "{\n  \"Version\": \"2012-10-17\",\n}", 2, 26, `there is a comma before the closing '}'`},
		{"comma before a bracket", `{"Statement":[{` + good + `},]}`, 1, 75, `there is a comma before the closing ']'`},
		{"comma missing", `{"Version":"2012-10-17" "Statement":[]}`, 1, 25, "invalid character"},
		{"two commas", `{"Id":"x",,"Id":"y"}`, 1, 11, "invalid character ','"},
		{"a comma at the end", `{"Id":"x",`, 1, 11, "ends in the middle"},
		{"an escape sequence", "{\x1b[2J", 1, 2, `'\x1b'`},
		{"an escape sequence after a backslash", "{\"\\\x1b\"", 1, 3, `"\\\x1b"`},
		{"a character that shows right to left", "{\u202e", 1, 2, `'\u202e'`},
		{"comment", "{\n// why\n}", 2, 1, "invalid character"},
		{"single quotes", `{'Version':1}`, 1, 2, "invalid character"},
		{"control character in a string", "{\"Id\":\"a\tb\"}", 1, 9, "invalid character"},
		{"bad escape", `{"Id":"\x"}`, 1, 8, "invalid escape"},
		{"first half of a surrogate pair", `{"Id":"\ud800"}`, 1, 8, "invalid surrogate pair"},
		{"first half before another escape", `{"Id":"a\ud83d\u0041"}`, 1, 9, "invalid surrogate pair"},
		{"second half of a surrogate pair", `{"Id":"\udc00 abcdef"}`, 1, 8, "invalid surrogate pair"},
		{"surrogate pair in the wrong order", `{"Id":"\ude00\ud83d"}`, 1, 8, "invalid surrogate pair"},
		{"half a surrogate pair in a name", `{"\ud800":"a"}`, 1, 3, "invalid"},
		{"escape cut short", `{"Id":"\u00"}`, 1, 8, "invalid escape sequence"},
		{"invalid UTF-8", "{\"Id\":\"é\xff\"}", 1, 9, "invalid UTF-8"},
		{"invalid UTF-8 in a name", "{\"é\xc3\":1}", 1, 4, "invalid UTF-8"},
		{"a surrogate in UTF-8", "{\"Id\":\"\xed\xa0\x80\"}", 1, 8, "invalid UTF-8"},
		{"name without quotes", `{Id:"a"}`, 1, 2, "invalid character"},
		{"number as a name", `{1:"a"}`, 1, 2, "must be a string"},
		{"name without a value", `{"Id"}`, 1, 6, "invalid character '}'"},
		{"bracket of another kind", `{"Statement":[{` + good + `]]}`, 1, 74, "invalid character ']'"},
		{"misspelled literal", condition(`{"Bool":{"a:b":True}}`), 1, 101, "invalid character 'T'"},
		{"number with leading zero", condition(`{"Bool":{"a:b":01}}`), 1, 102, "invalid character"},
		{"data after the end", minimal + "\n {}", 2, 2, "more after the end"},
		{"comma after the end", minimal + " ,", 1, len(minimal) + 2, "more after the end"},

		{"unknown element", `{"Versions":"x"}`, 1, 2, `a policy has no element "Versions"`},
		{"element in lower case", `{"statement":[]}`, 1, 2, `it is written "Statement"`},
		{"element twice", `{"Version":"2012-10-17","Version":"2012-10-17"}`, 1, 25, `"Version" appears twice`},
		{"element twice in two cases", `{"Version":"2012-10-17","version":"2012-10-17"}`, 1, 25, `"version" appears twice, in different case`},
		{"element twice, once escaped", `{"Id":"a","\u0049d":"b"}`, 1, 11, `"Id" appears twice`},
		{"version of the future", `{"Version":"2012-10-18"}`, 1, 12, `neither "2012-10-17" nor "2008-10-17"`},
		{"version as a number", `{"Version":2012}`, 1, 12, "Version must be a string, not a number"},
		{"id as a list", `{"Id":["a"]}`, 1, 7, "Id must be a string, not a list"},
		{"no statement", `{"Version":"2012-10-17"}`, 1, 1, "has no Statement"},
		{"no statements", `{"Version":"2012-10-17","Statement":[]}`, 1, 25, "has no statements"},
		{"statement as a string", `{"Statement":"Allow"}`, 1, 14, "a statement must be an object, not a string"},
		{"statements in a list in a list", `{"Statement":[[]]}`, 1, 15, "a statement must be an object, not a list"},

		{"unknown element of a statement", statement(good + `,"Principals":"*"`), 1, 74, `a statement has no element "Principals"`},
		{"element of a statement in capitals", statement(`"EFFECT":"Allow"`), 1, 15, `it is written "Effect"`},
		{"effect twice", statement(`"Effect":"Allow","Effect":"Deny"`), 1, 32, `"Effect" appears twice`},
		{"effect in lower case", statement(`"Effect":"allow"`), 1, 24, `effect "allow" is neither`},
		{"effect of a list", statement(`"Effect":["Allow"]`), 1, 24, "not a list"},
		{"no effect", statement(`"Principal":"*","Action":"*"`), 1, 14, "has no Effect"},
		{"no principal", statement(`"Effect":"Allow","Action":"*"`), 1, 14, "neither Principal nor NotPrincipal"},
		{"both principals", statement(good + `,"NotPrincipal":"*"`), 1, 14, "both Principal and NotPrincipal"},
		{"no action", statement(`"Effect":"Allow","Principal":"*"`), 1, 14, "neither Action nor NotAction"},
		{"both actions", statement(good + `,"NotAction":"*"`), 1, 14, "both Action and NotAction"},
		{"a resource", statement(good + `,"Resource":"*"`), 1, 74, "a trust policy cannot have Resource"},
		{"a not-resource", statement(good + `,"NotResource":"*"`), 1, 74, "a trust policy cannot have NotResource"},
		{"sid with a dash", statement(`"Sid":"fly-aws"`), 1, 21, "characters other than letters and digits"},
		{"sid beyond ASCII", statement(`"Sid":"é"`), 1, 21, "characters other than"},
		{"sid as a number", statement(`"Sid":1`), 1, 21, "Sid must be a string"},
		{"sid twice", `{"Statement":[{"Sid":"A",` + good + `},` + "\n" + `{"Sid":"A",` + good + `}]}`, 2, 8, `sid "A" is the id of another statement`},

		{"principal as another string", statement(`"Principal":"acme"`), 1, 27, `Principal "acme" is neither`},
		{"principal as a list", statement(`"Principal":["*"]`), 1, 27, "Principal must be an object, not a list"},
		{"principal of an unknown kind", statement(`"Principal":{"OIDC":"x"}`), 1, 28, `a principal has no element "OIDC"`},
		{"principal of a kind in lower case", statement(`"Principal":{"aws":"x"}`), 1, 28, `it is written "AWS"`},
		{"principal of null", statement(`"Principal":{"AWS":null}`), 1, 34, "a principal must be a string, not null"},
		{"principal that is empty", statement(`"Principal":{"AWS":["a",""]}`), 1, 39, `a principal "" is empty`},
		{"principal in two lists", statement(`"Principal":{"AWS":[["a"]]}`), 1, 35, "not a list"},
		{"action without service", statement(`"Action":"AssumeRole"`), 1, 24, `not of the form "service:name"`},
		{"action without a service's name", statement(`"Action":":a"`), 1, 24, `not of the form`},
		{"action that begins with a space", statement(`"Action":" sts:a"`), 1, 24, "characters that an action cannot have"},
		{"action with two colons", statement(`"Action":"sts:a:b"`), 1, 24, `not of the form`},
		{"action without name", statement(`"Action":["*","sts:"]`), 1, 29, `not of the form`},
		{"action with a space", statement(`"Action":"sts: AssumeRole"`), 1, 24, "characters that an action cannot have"},
		{"action as an object", statement(`"Action":{}`), 1, 24, "not an object"},

		{"condition as a list", condition(`[]`), 1, 86, "Condition must be an object"},
		{"unknown operator", condition(`{"StringMatches":{}}`), 1, 87, `no condition operator "StringMatches"`},
		{"unknown prefix", condition(`{"ForSomeValues:StringLike":{}}`), 1, 87, "no condition operator"},
		{"null with IfExists", condition(`{"NullIfExists":{}}`), 1, 87, "no condition operator"},
		{"IfExists twice", condition(`{"BoolIfExistsIfExists":{}}`), 1, 87, "no condition operator"},
		{"a Like of numbers", condition(`{"NumericLike":{}}`), 1, 87, "no condition operator"},
		{"operator twice", condition(`{"Bool":{},"Bool":{}}`), 1, 97, `"Bool" appears twice`},
		{"operator twice in two cases", condition(`{"Bool":{},"BOOL":{}}`), 1, 97, `"BOOL" appears twice`},
		{"operator of a string", condition(`{"Bool":"true"}`), 1, 94, "must be an object"},
		{"key twice", condition(`{"Bool":{"a:b":true,"a:b":true}}`), 1, 106, `"a:b" appears twice`},
		{"key twice in two cases", condition(`{"Bool":{"a:b":true,"A:B":true}}`), 1, 106, `"A:B" appears twice, in different case`},
		{"key twice, once escaped", condition(`{"Bool":{"a:b":true,"\u0061:b":true}}`), 1, 106, `"a:b" appears twice`},
		{"key without prefix", condition(`{"Bool":{"sub":true}}`), 1, 95, `not of the form "prefix:name"`},
		{"value of null", condition(`{"Bool":{"a:b":null}}`), 1, 101, "not null"},
		{"value of an object", condition(`{"Bool":{"a:b":{}}}`), 1, 101, "not an object"},
		{"value in two lists", condition(`{"Bool":{"a:b":[["x"]]}}`), 1, 102, "not a list"},

		{"column in characters", "{\"Id\":\"ééé\",\"X\":1}", 1, 13, `no element "X"`},
		{"carriage returns", "{\r\n\"Id\":\"a\",\r\n  \"X\":1}", 3, 3, `no element "X"`},
		{"control characters in a name", `{"\u001b[2J":1}`, 1, 2, `"\x1b[2J"`},
		{"endless name", `{"` + strings.Repeat("x", 4096) + `":1}`, 1, 2, "…"},
		{"too long", `{"Id":"` + strings.Repeat("x", maxDocument) + `"}`, 1, 1, "more than 131072 bytes"},
		{"too deep", strings.Repeat("[", 100000), 1, 1, "must be an object"},
		{"too deep below", condition(strings.Repeat(`{"Bool":`, 10000)), 1, 95, `not of the form`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p, err := Parse([]byte(tt.doc))
			var s *SyntaxError
			if !errors.As(err, &s) {
				t.Fatalf("Parse = %v, %v; want a *SyntaxError", p, err)
			}
			if s.Line != tt.line || s.Column != tt.column || !strings.Contains(s.Reason, tt.reason) {
				t.Errorf("got  %v\nwant line %d, column %d: …%s…", s, tt.line, tt.column, tt.reason)
			}
			if strings.ContainsFunc(s.Error(), func(r rune) bool { return r < ' ' }) || len(s.Error()) > 400 {
				t.Errorf("error is not fit for a terminal: %q", s.Error())
			}
		})
	}
}

// TestParseAccepts parses unusual documents that IAM accepts.
func TestParseAccepts(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, doc, want string }{
		{
			"one statement without a list", `{"Statement":{"Effect":"Deny","NotPrincipal":{"AWS":"111122223333"},"NotAction":"*"}}`,
			`{"Statement":[{"Effect":"Deny","NotPrincipal":{"AWS":"111122223333"},"NotAction":"*"}]}`,
		},
		{
			"elements in any order", `{"Statement":{"Action":["sts:AssumeRole"],"Principal":"*","Effect":"Allow","Sid":"A"},"Id":"x","Version":"2008-10-17"}`,
			`{"Version":"2008-10-17","Id":"x","Statement":[{"Sid":"A","Effect":"Allow","Principal":"*","Action":"sts:AssumeRole"}]}`,
		},
		{
			"empty lists and objects", `{"Statement":[{"Sid":"","Effect":"Allow","Principal":{"AWS":[]},"Action":[],"Condition":{"Bool":{}}}]}`,
			`{"Statement":[{"Effect":"Allow","Principal":{"AWS":[]},"Action":[]}]}`,
		},
		{
			"numbers and booleans as values", `{"Statement":{"Effect":"Allow","Principal":"*","Action":"*","Condition":{"NumericLessThan":{"a:b":[1,1.50,-2e3]},"Bool":{"a:b":true}}}}`,
			`{"Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Condition":{"NumericLessThan":{"a:b":["1","1.50","-2e3"]},"Bool":{"a:b":"true"}}}]}`,
		},
		{
			"no values", `{"Statement":{"Effect":"Allow","Principal":"*","Action":"*","Condition":{"StringEquals":{"a:b":[]}}}}`,
			`{"Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Condition":{"StringEquals":{"a:b":[]}}}]}`,
		},
		{
			"operators in any case", `{"Statement":{"Effect":"Allow","Principal":"*","Action":"*","Condition":{"foranyvalue:stringlikeIFEXISTS":{"a:b":"c"}}}}`,
			`{"Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Condition":{"foranyvalue:stringlikeIFEXISTS":{"a:b":"c"}}}]}`,
		},
		{
			"a tag key with colons", `{"Statement":{"Effect":"Allow","Principal":"*","Action":"*","Condition":{"StringEquals":{"aws:RequestTag/a:b":"c"}}}}`,
			`{"Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Condition":{"StringEquals":{"aws:RequestTag/a:b":"c"}}}]}`,
		},
		{
			"all kinds of principals", `{"Statement":{"Effect":"Allow","Principal":{"CanonicalUser":"c","Service":["s","t"],"Federated":"f","AWS":"*"},"Action":"*"}}`,
			`{"Statement":[{"Effect":"Allow","Principal":{"AWS":"*","Federated":"f","Service":["s","t"],"CanonicalUser":"c"},"Action":"*"}]}`,
		},
		{
			"escapes that are not needed", `{"Id":"\u003cA\u003e\/&\u00e9","Statement":{"Effect":"Allow","Principal":"*","Action":"*"}}`,
			`{"Id":"<A>/&é","Statement":[{"Effect":"Allow","Principal":"*","Action":"*"}]}`,
		},
		{
			"escapes that are", `{"Id":"\"\\\b\u007f\u0085 ∞ 😀\n","Statement":{"Effect":"Allow","Principal":"*","Action":"*"}}`,
			`{"Id":"\"\\\u0008\u007f\u0085 \u221e \ud83d\ude00\n","Statement":[{"Effect":"Allow","Principal":"*","Action":"*"}]}`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := mustParse(t, tt.doc)
			if got := p.String(); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			if again := mustParse(t, p.String()).String(); again != tt.want {
				t.Errorf("a second round gives %s", again)
			}
		})
	}
}

// TestParseLongest parses a document of the maximum length.
func TestParseLongest(t *testing.T) {
	t.Parallel()
	doc := `{"Id":"x",` + strings.TrimPrefix(minimal, "{")
	doc = strings.Replace(doc, "x", strings.Repeat("x", maxDocument-len(doc)+1), 1)
	if p := mustParse(t, doc); len(doc) != maxDocument || p.String() == "" {
		t.Errorf("a document of %d bytes", len(doc))
	}
}

func TestCheckIdentityPolicy(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, doc, want, wrong string }{
		{
			"plain", `{ "Version": "2012-10-17", "Statement": { "Effect": "Allow", "Action": ["s3:GetObject"], "Resource": "arn:aws:s3:::b/*" } }`,
			`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"}]}`, "",
		},
		{
			"negated", `{"Statement":[{"Effect":"Deny","NotAction":"s3:*","NotResource":["*","arn:aws:s3:::${aws:username}"],"Condition":{"Bool":{"aws:SecureTransport":false}}}]}`,
			`{"Statement":[{"Effect":"Deny","NotAction":"s3:*","NotResource":["*","arn:aws:s3:::${aws:username}"],"Condition":{"Bool":{"aws:SecureTransport":"false"}}}]}`, "",
		},
		{"no resource", `{"Statement":{"Effect":"Allow","Action":"s3:*"}}`, "", "line 1, column 14: the statement has neither Resource nor NotResource"},
		{"both resources", `{"Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*","NotResource":"*"}}`, "", "line 1, column 14: the statement has both Resource and NotResource"},
		{"a resource that is none", `{"Statement":{"Effect":"Allow","Action":"s3:*","Resource":["*","bucket"]}}`, "", `line 1, column 64: Resource "bucket" is neither an ARN nor "*"`},
		{"a principal", `{"Statement":{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"*"}}`, "", "line 1, column 32: a permissions policy cannot have Principal"},
		{"a not-principal", `{"Statement":{"NotPrincipal":"*"}}`, "", "line 1, column 15: a permissions policy cannot have NotPrincipal"},
		{"an id", `{"Id":"x"}`, "", "line 1, column 2: a permissions policy cannot have an Id"},
		{"no action", `{"Statement":{"Effect":"Allow","Resource":"*"}}`, "", "line 1, column 14: the statement has neither Action nor NotAction"},
		{"a trust policy", minimal, "", "line 1, column 56: a permissions policy cannot have Principal"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := CheckIdentityPolicy([]byte(tt.doc))
			if string(got) != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			message := ""
			if err != nil {
				message = err.Error()
			}
			if message != tt.wrong {
				t.Errorf("error %q, want %q", message, tt.wrong)
			}
		})
	}
}

// FuzzParse: a document that parses prints, compact and indented, to one that parses to an
// equal policy and prints to the same bytes. Nothing panics.
func FuzzParse(f *testing.F) {
	f.Add([]byte(minimal))
	f.Add([]byte(`{"Statement":{"Effect":"Deny","NotPrincipal":{},"NotAction":[],"Condition":{"Bool":{"a:b":[true,1.5,"é\u221e"]}}}}`))
	for _, doc := range []string{
		`{"Version":"2008-10-17",}`, `{"Id":"\ud83d\ude00"`, `{"Id":"\ude00\ud83d"}`, "{\"\xff\":", `{"Id":"a","\u0049d":"b"}`,
	} {
		f.Add([]byte(doc))
	}
	for _, name := range goldenInputs(f) {
		doc, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(doc)
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		if compact, err := CheckIdentityPolicy(doc); err == nil {
			again, err := CheckIdentityPolicy(compact)
			if err != nil || !bytes.Equal(again, compact) {
				t.Fatalf("%s\nbecame %s, %v", compact, again, err)
			}
		}
		p, err := Parse(doc)
		if err != nil {
			var s *SyntaxError
			if !errors.As(err, &s) || s.Line < 1 || s.Column < 1 || s.Reason == "" || strings.ContainsFunc(s.Reason, unicode.IsControl) {
				t.Fatalf("not a good *SyntaxError: %#v", err)
			}
			return
		}
		for _, printed := range []string{p.String(), p.Indent()} {
			q, err := Parse([]byte(printed))
			if err != nil {
				t.Fatalf("%v in %s", err, printed)
			}
			if !p.Equal(q) || !q.Equal(p) || q.String() != p.String() || q.Indent() != p.Indent() {
				t.Fatalf("printing changed\n%s\ninto\n%s", p, q)
			}
		}
		if !p.Clone().Equal(p) || p.Size() > len(p.String()) {
			t.Fatalf("clone or size of %s", p)
		}
	})
}

func goldenInputs(t testing.TB) []string {
	t.Helper()
	names, err := filepath.Glob("testdata/*.in.json")
	if err != nil || len(names) == 0 {
		t.Fatalf("no golden inputs: %v", err)
	}
	return names
}
