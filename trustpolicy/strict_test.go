package trustpolicy

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// A member is one of an object's, whose order is kept.
type member struct {
	name  string
	value any
}

// readStrictly reads any JSON with the parts of which Parse is made.
func readStrictly(text []byte) (any, error) {
	p := &parser{text: text, dec: json.NewDecoder(bytes.NewReader(text))}
	p.dec.UseNumber()
	v, err := p.anything()
	if err != nil {
		return nil, err
	}
	return v, p.end()
}

func (p *parser) anything() (v any, err error) {
	switch p.peek() {
	case '{':
		members := []member{}
		err = p.object("it", func(name string, _ int) error {
			value, err := p.anything()
			members = append(members, member{name, value})
			return err
		})
		return members, err
	case '[':
		values := []any{}
		err = p.list(func() error {
			value, err := p.anything()
			values = append(values, value)
			return err
		})
		return values, err
	}
	v, _, err = p.token()
	return v, err
}

// readJSONText reads any JSON with jsontext, which is as strict as Parse has to be.
func readJSONText(text []byte) (any, error) {
	dec := jsontext.NewDecoder(bytes.NewReader(text))
	v, err := nextOfJSONText(dec)
	if err != nil {
		return nil, err
	}
	if _, err := dec.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is more")
	}
	return v, nil
}

func nextOfJSONText(dec *jsontext.Decoder) (any, error) {
	t, err := dec.ReadToken()
	if err != nil {
		return nil, err
	}
	switch t.Kind() {
	case '{':
		members := []member{}
		for dec.PeekKind() != '}' {
			t, err := dec.ReadToken()
			if err != nil {
				return nil, err
			}
			name := t.String()
			value, err := nextOfJSONText(dec)
			if err != nil {
				return nil, err
			}
			members = append(members, member{name, value})
		}
		_, err := dec.ReadToken()
		return members, err
	case '[':
		values := []any{}
		for dec.PeekKind() != ']' {
			value, err := nextOfJSONText(dec)
			if err != nil {
				return nil, err
			}
			values = append(values, value)
		}
		_, err := dec.ReadToken()
		return values, err
	case '"':
		return t.String(), nil
	case '0':
		return json.Number(t.String()), nil
	case 'n':
		return nil, nil
	}
	return t.Bool(), nil
}

// sameAsJSONText holds the reader to jsontext: it accepts the same texts, reads
// the same values in them, and finds the first fault in the same place. Parse
// accepts no other texts, and reads each as it does when jsontext has written it anew.
func sameAsJSONText(t *testing.T, text []byte) {
	t.Helper()
	if bytes.Count(text, []byte("["))+bytes.Count(text, []byte("{")) > 1000 {
		return // no policy nests so deep; jsontext has a limit, and so has the stack
	}
	want, wantErr := readJSONText(text)
	got, err := readStrictly(text)
	if (err == nil) != (wantErr == nil) {
		t.Fatalf("%q: %v, but jsontext says %v", text, err, wantErr)
	}
	if !reflect.DeepEqual(got, want) && err == nil {
		t.Fatalf("%q is %v, but to jsontext %v", text, got, want)
	}
	policy, policyErr := Parse(text)
	if policyErr == nil && wantErr != nil {
		t.Fatalf("%q is a policy, but jsontext says %v", text, wantErr)
	}
	if wantErr == nil {
		anew := jsontext.Value(bytes.Clone(text))
		if err := anew.Format(); err != nil {
			t.Fatal(err)
		}
		again, againErr := Parse(anew)
		if !reflect.DeepEqual(policy, again) || reason(policyErr) != reason(againErr) {
			t.Fatalf("%q is %v, %v\n%q is %v, %v", text, policy, policyErr, anew, again, againErr)
		}
		return
	}
	var fault *jsontext.SyntacticError
	if !errors.As(wantErr, &fault) || errors.Is(wantErr, io.ErrUnexpectedEOF) || errors.Is(wantErr, jsontext.ErrDuplicateName) {
		return
	}
	place := (&parser{text: text}).errorf(int(fault.ByteOffset), "")
	var s, wantS *SyntaxError
	if !errors.As(err, &s) || !errors.As(place, &wantS) {
		t.Fatalf("%q: %v", text, err)
	}
	// Where a name has to be, jsontext reads a number first and then refuses it.
	early := strings.Contains(s.Reason, "beginning of object key") && s.Line == wantS.Line && s.Column < wantS.Column
	if (s.Line != wantS.Line || s.Column != wantS.Column) && !early {
		t.Fatalf("%q: %v, but jsontext says %v at %v", text, err, wantErr, place)
	}
}

// reason is an error without its place.
func reason(err error) string {
	var s *SyntaxError
	if errors.As(err, &s) {
		return s.Reason
	}
	return ""
}

// spoilers are what the JSON readers of others take, replace or misplace.
var spoilers = []string{
	`\ud800`, `\udc00`, `\ud83d\ude00`, `\ude00\ud83d`, `\ud83d\u0041`, `\uD83D\uDE00`, `\ud83d\\ude00`, `\ud83d\n`, `\\ud800`, `\ufffd`,
	`\u00`, `\u+041`, `\u0_41`, `\u0049`, `\x`, `\'`, `\"`, `\/`, `\`, "\\\x00", "\\\u202e",
	"\xff", "\xc3", "\xe2\x88", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\ufffd", "\ufeff", "\u2028", "\x7f", "\x00", "\x1b", "\t", "\n", "\r\n", "\v", "\u00a0",
	`"`, `'`, `{`, `}`, `[`, `]`, `,`, `:`, ` `, `,,`, `,]`, `, }`, `:,`, `{}`, `[]`, `""`, `"a":`, `"a":1,`, `,"a":1`, `{"a":1,"\u0061":2}`, `//`, `/**/`, `#`,
	`0`, `-`, `-0`, `01`, `+1`, `.5`, `5.`, `1e5`, `1E+05`, `1e`, `1e999`, `0x1`, `1_0`, `NaN`, `Infinity`, strings.Repeat("9", 40),
	`null`, `true`, `false`, `nul`, `True`, `nulll`, "",
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

// FuzzStrict holds Parse's JSON to jsontext's, on the text and on variants of it.
func FuzzStrict(f *testing.F) {
	f.Add([]byte(minimal), uint64(1))
	f.Add([]byte("{\"a\":[1,-0.5e+3,\"\\u00e9\\ud83d\\ude00\",{\"b\":null,\"B\":[]}],\n\"c\":{\"a\":true}}"), uint64(2))
	for i, s := range spoilers {
		f.Add([]byte(`{"a":"`+s+`","b":[`+s+`]}`), uint64(i))
		f.Add([]byte(s), uint64(i))
	}
	for _, name := range goldenInputs(f) {
		doc, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(doc, uint64(3))
	}
	f.Fuzz(func(t *testing.T, text []byte, seed uint64) {
		sameAsJSONText(t, text)
		r := rand.New(rand.NewPCG(seed, 0))
		for range 8 {
			sameAsJSONText(t, spoil(r, text))
		}
	})
}

// TestStrict: of good policies spoiled at random, most are found out, and all
// as jsontext does.
func TestStrict(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	refused := 0
	const rounds = 20000
	for range rounds {
		text := spoil(r, []byte(minimal))
		sameAsJSONText(t, text)
		if _, err := Parse(text); err != nil {
			refused++
			if !utf8.ValidString(err.Error()) {
				t.Fatalf("%q: %q", text, err)
			}
		}
	}
	if refused < rounds/2 || refused == rounds {
		t.Errorf("%d of %d are refused", refused, rounds)
	}
}
