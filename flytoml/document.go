package flytoml

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2"
)

// notTable is said of what flyctl would refuse as well.
const notTable = "env is not a table"

// bom is the byte order mark in UTF-8, which some Windows editors put first.
var bom = []byte("\xef\xbb\xbf")

// A document is a text, how it is laid out and what it means.
type document struct {
	src  []byte
	body []byte // src without the byte order mark
	lay  *layout
	root map[string]any
	envs []map[string]any // the tables that make up env, in order; usually one
}

// decode reads the whole text, so that everything that is wrong with it is
// found: what is not TOML by scan, what is defined twice by Unmarshal.
func decode(src []byte) (*document, error) {
	doc := &document{src: src, body: bytes.TrimPrefix(src, bom)}
	var err error
	if doc.lay, err = scan(doc.body); err != nil {
		return nil, err
	}
	if err := toml.Unmarshal(doc.body, &doc.root); err != nil {
		var at *toml.DecodeError
		if !errors.As(err, &at) {
			return nil, &SyntaxError{Line: 1, Column: 1, Reason: clean(err.Error())}
		}
		line, column := at.Position()
		return nil, &SyntaxError{Line: line, Column: characters(doc.body, line, column), Reason: clean(at.Error())}
	}
	if doc.root == nil {
		doc.root = map[string]any{}
	}
	switch env := doc.root["env"].(type) {
	case nil:
	case map[string]any:
		doc.envs = []map[string]any{env}
	case []any:
		for _, element := range env {
			table, ok := element.(map[string]any)
			if !ok {
				return nil, syntaxError(doc.body, doc.lay.env, notTable)
			}
			doc.envs = append(doc.envs, table)
		}
	default:
		return nil, syntaxError(doc.body, doc.lay.env, notTable)
	}
	return doc, nil
}

// lookup returns what flyctl makes of key in env.
func (doc *document) lookup(key string) (value string, ok bool) {
	for i := len(doc.envs) - 1; i >= 0; i-- {
		switch v := doc.envs[i][key].(type) {
		case nil:
		case string:
			return v, true
		default:
			return fmt.Sprintf("%v", v), true // flyctl's own way
		}
	}
	return "", false
}

// put makes the document mean what it shall after Set: key is in the table of
// that index, in a new one if there is none.
func (doc *document) put(table int, key, value string) {
	if len(doc.envs) == 0 {
		doc.envs = []map[string]any{{}}
		doc.root["env"] = doc.envs[0]
	}
	doc.envs[table][key] = value
}

// drop makes the document mean what it shall after Unset.
func (doc *document) drop(key string) {
	for _, table := range doc.envs {
		delete(table, key)
	}
	// Without a header or braces the table lives in its entries alone.
	if doc.lay.sections[0].form == formDotted && len(doc.envs[0]) == 0 {
		delete(doc.root, "env")
	}
}

// apply returns the text with the edits, which are in order of position, if it
// then means what the document says.
func (doc *document) apply(edits []edit) ([]byte, error) {
	size := len(doc.src)
	for _, e := range edits {
		size += len(e.text)
	}
	out := make([]byte, 0, size)
	out = append(out, doc.src[:len(doc.src)-len(doc.body)]...)
	at := 0
	for _, e := range edits {
		out = append(out, doc.body[at:e.start]...)
		out = append(out, e.text...)
		at = e.end
	}
	out = append(out, doc.body[at:]...)

	now, err := decode(out)
	if err != nil || !equal(now.root, doc.root) {
		return nil, errGuard
	}
	return out, nil
}

// equal compares decoded values like reflect.DeepEqual, but takes not-a-number
// as equal to itself.
func equal(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for k, v := range a {
			w, ok := b[k]
			if !ok || !equal(v, w) {
				return false
			}
		}
		return true
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for i := range a {
			if !equal(a[i], b[i]) {
				return false
			}
		}
		return true
	case float64:
		b, ok := b.(float64)
		return ok && (a == b || a != a && b != b)
	case string:
		b, ok := b.(string)
		return ok && a == b
	}
	return reflect.DeepEqual(a, b)
}

// syntaxError places a reason at an offset.
func syntaxError(body []byte, offset int, reason string) *SyntaxError {
	before := body[:offset]
	start := bytes.LastIndexByte(before, '\n') + 1
	return &SyntaxError{
		Line:   bytes.Count(before, []byte("\n")) + 1,
		Column: utf8.RuneCount(before[start:]) + 1,
		Reason: clean(reason),
	}
}

// characters turns a column that counts bytes into one that counts characters.
func characters(body []byte, line, column int) int {
	for ; line > 1; line-- {
		body = body[bytes.IndexByte(body, '\n')+1:]
	}
	return utf8.RuneCount(body[:min(max(column-1, 0), len(body))]) + 1
}

// clean takes out what could upset a terminal: a parser's message quotes the text.
func clean(reason string) string {
	reason = strings.TrimPrefix(reason, "toml: ")
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, reason)
}
