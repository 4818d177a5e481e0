package flyoidc

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// byJSONText reads a text as object does, with jsontext, which is as strict as
// object has to be.
func byJSONText(text []byte) (members []Member, rules []Rule) {
	if !utf8.Valid(text) {
		return nil, []Rule{RuleUTF8}
	}
	if nesting(text) > maxNesting {
		return nil, []Rule{RuleNesting}
	}
	bad := []Rule{RuleJSON}
	dec := jsontext.NewDecoder(bytes.NewReader(text), jsontext.AllowDuplicateNames(true))
	if t, err := dec.ReadToken(); err != nil || t.Kind() != '{' {
		return nil, bad
	}
	for dec.PeekKind() != '}' {
		t, err := dec.ReadToken()
		if err != nil {
			return nil, bad
		}
		name := t.String()
		value, err := dec.ReadValue()
		if err != nil {
			return nil, bad
		}
		members = append(members, Member{Name: name, Value: string(value)})
	}
	if _, err := dec.ReadToken(); err != nil {
		return nil, bad
	}
	if _, err := dec.ReadToken(); !errors.Is(err, io.EOF) {
		rules = bad
	}
	for i, m := range members {
		same := func(before Member) bool { return before.Name == m.Name }
		if before := slices.IndexFunc(members[:i], func(before Member) bool { return strings.EqualFold(before.Name, m.Name) }); before >= 0 {
			// By the first of the names, which the others are held against.
			rule := RuleCase
			if same(members[before]) {
				rule = RuleDuplicate
			}
			rules = append(rules, rule)
		}
		if !jsontext.Value(m.Value).IsValid() {
			rules = append(rules, RuleDuplicate)
		}
	}
	return members, rules
}

// sameAsJSONText holds object to jsontext: it breaks the same rules, and reads
// the same names and values, down to what strings say.
func sameAsJSONText(t *testing.T, text []byte) (members int, broken []Violation) {
	t.Helper()
	var in inspection
	o, ok := in.object("it", text)
	want, rules := byJSONText(text)
	var got []Rule
	for _, v := range in.broken {
		got = append(got, v.Rule)
		if strings.ContainsFunc(v.Reason, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Fatalf("%q: %q", text, v.Reason)
		}
	}
	if !slices.Equal(got, rules) || !slices.Equal(o.members, want) {
		t.Fatalf("%q: %+v, %+v; jsontext says %+v, %v", text, o.members, in.broken, want, rules)
	}
	if !ok {
		return 0, in.broken
	}
	for _, m := range o.members {
		s, ok := unquote(m.Value)
		unquoted, err := jsontext.AppendUnquote(nil, m.Value)
		if ok != (err == nil) || ok && s != string(unquoted) {
			t.Fatalf("%q says %q, %v; to jsontext %q, %v", m.Value, s, ok, unquoted, err)
		}
		list, ok := textList(m.Value)
		wantList, wantOK := listByJSONText(m.Value)
		if ok != wantOK || !reflect.DeepEqual(list, wantList) {
			t.Fatalf("%q says %q, %v; to jsontext %q", m.Value, list, ok, wantList)
		}
	}
	return len(o.members), in.broken
}

func listByJSONText(value string) ([]string, bool) {
	dec := jsontext.NewDecoder(strings.NewReader(value))
	if t, err := dec.ReadToken(); err != nil || t.Kind() != '[' {
		return nil, false
	}
	list := []string{}
	for dec.PeekKind() == '"' {
		t, err := dec.ReadToken()
		if err != nil {
			return nil, false
		}
		list = append(list, t.String())
	}
	return list, dec.PeekKind() == ']'
}

// spoilers are what the JSON readers of others take, replace or misplace.
var spoilers = []string{
	`\ud800`, `\udc00`, `\ud83d\ude00`, `\ude00\ud83d`, `\ud83d\u0041`, `\uD83D\uDE00`, `\ud83d\\ude00`, `\ud83d\n`, `\\ud800`, `\ufffd`,
	`\u00`, `\u+041`, `\u0_41`, `\u0073ub`, `\x`, `\'`, `\"`, `\/`, `\`,
	"\xff", "\xed\xa0\x80", "\ufffd", "\ufeff", "\u2028", "\u017f", "\x7f", "\x00", "\x1b", "\t", "\n", "\v", "\u00a0",
	`"`, `'`, `{`, `}`, `[`, `]`, `,`, `:`, ` `, `,,`, `,]`, `, }`, `:,`, `{}`, `[]`, `["a"]`, `["a",null]`, `""`, `"a":`, `"a":1,`, `,"SUB":1`, `,"\u0073ub":1`,
	`{"a":1,"\u0061":2}`, `[[{"b":1e999},{"a":{"b":1,"b":2}}]]`, strings.Repeat("[", 30), strings.Repeat("{", 33), `//`, `/**/`,
	`0`, `-`, `-0`, `01`, `+1`, `.5`, `5.`, `1e5`, `1e`, `1e999`, `0x1`, `NaN`, strings.Repeat("9", 40),
	`null`, `true`, `false`, `nul`, `True`, "",
}

// spoil changes a text in a few places.
func spoil(r *rand.Rand, text []byte) []byte {
	text = bytes.Clone(text)
	for range 1 + r.IntN(3) {
		from := r.IntN(len(text) + 1)
		to := min(len(text), from+r.IntN(3)*r.IntN(3))
		what := []byte(spoilers[r.IntN(len(spoilers))])
		switch r.IntN(6) {
		case 0: // from elsewhere in the text
			at := r.IntN(len(text) + 1)
			what = bytes.Clone(text[at:min(len(text), at+r.IntN(30))])
		case 1: // in a string, where most text is
			if i := bytes.IndexByte(text[from:], '"'); i >= 0 {
				from += i + 1
				to = from
			}
		}
		text = append(text[:from:from], append(what, text[to:]...)...)
	}
	return text
}

const strictClaims = `{"sub":"acme:web:quiet-sun","aud":["a","b"],"exp":1787228100,"n":-0.5e+3,` +
	`"https://aws.amazon.com/tags":{"principal_tags":{"app":["web"],"App":[null,true]},"transitive_tag_keys":["\u00e9\ud83d\ude00"]}}`

// FuzzStrict holds the reading of objects to jsontext, on the text and on
// variants of it.
func FuzzStrict(f *testing.F) {
	f.Add([]byte(strictClaims), uint64(1))
	f.Add([]byte(" {} "), uint64(2))
	for i, s := range spoilers {
		f.Add([]byte(`{"a":"`+s+`","b":[`+s+`]}`), uint64(i))
		f.Add([]byte(`{"a":`+s+`}`), uint64(i))
		f.Add([]byte(s), uint64(i))
	}
	f.Fuzz(func(t *testing.T, text []byte, seed uint64) {
		if len(text) > MaxSize {
			return
		}
		sameAsJSONText(t, text)
		r := rand.New(rand.NewPCG(seed, 0))
		for range 8 {
			sameAsJSONText(t, spoil(r, text))
		}
	})
}

// TestStrict: of good claims spoiled at random, most are found out, and all as
// jsontext does.
func TestStrict(t *testing.T) {
	t.Parallel()
	if n, broken := sameAsJSONText(t, []byte(strictClaims)); n != 5 || len(broken) > 0 {
		t.Errorf("%d members, %+v", n, broken)
	}
	r := rand.New(rand.NewPCG(1, 2))
	seen := map[Rule]int{}
	for range 20000 {
		_, broken := sameAsJSONText(t, spoil(r, []byte(strictClaims)))
		for _, v := range broken {
			seen[v.Rule]++
		}
	}
	for _, rule := range []Rule{RuleUTF8, RuleNesting, RuleJSON, RuleDuplicate, RuleCase} {
		if seen[rule] < 10 {
			t.Errorf("%s was broken %d times", rule, seen[rule])
		}
	}
}

// TestWhereNotJSON holds what is said of text that is no JSON.
func TestWhereNotJSON(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		``:                              `it is not valid JSON: it ends in the middle`,
		`{"a":"b`:                       `it is not valid JSON: it ends in the middle`,
		`{"a" 1}`:                       `it is not valid JSON: invalid character '1' after object key, at byte 6`,
		`{"a":1,}`:                      `it is not valid JSON: invalid character '}' looking for beginning of object key string, at byte 8`,
		"{\"a\":[1,2],\n\u202e\"b\":1}": `it is not valid JSON: invalid character '\u202e' looking for beginning of object key string, at byte 13`,
		`{"a":"\x"}`:                    `it is not valid JSON: invalid character 'x' in string escape code, at byte 8`,
		`{"a":"\n\udc00b"}`:             `it is not valid JSON: "\\udc00" stands for half a character, at byte 9`,
		`{"a":["\\\ud83d"]}`:            `it is not valid JSON: "\\ud83d" stands for half a character, at byte 10`,
		`{"a":1} {`:                     `it goes on after the end of its JSON object`,
		`1e999`:                         `it is JSON, but not an object`,
		`{"a":[{"b":1,"\u0062":2}]}`:    `it has a name twice inside of "a"`,
	} {
		var in inspection
		in.object("it", []byte(text))
		if len(in.broken) != 1 || in.broken[0].Reason != want {
			t.Errorf("%s: got %+v, want %s", text, in.broken, want)
		}
	}
}
