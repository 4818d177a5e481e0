package flytoml

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"reflect"

	"github.com/pelletier/go-toml/v2"

	"github.com/fly-aws/fly-aws/internal/tomltext"
)

// notTable is the reason for an env that flyctl would refuse too.
const notTable = "env is not a table"

// A File is the text of a fly.toml, parsed. It is immutable: an edit returns a new
// File.
type File struct {
	src  []byte
	body []byte // src without the byte order mark
	lay  *layout
	root map[string]any
	envs []map[string]any // the tables that make up env, in order; usually one
	app  string
}

// Parse parses a fly.toml. It keeps src, which must not be changed afterwards. The
// error is a *SyntaxError.
func Parse(src []byte) (*File, error) {
	doc := &File{src: src, body: bytes.TrimPrefix(src, []byte(tomltext.BOM))}
	var err error
	if doc.lay, err = scan(doc.body); err != nil {
		return nil, err
	}
	if err := toml.Unmarshal(doc.body, &doc.root); err != nil {
		var at *toml.DecodeError
		if !errors.As(err, &at) {
			return nil, &SyntaxError{Line: 1, Column: 1, Reason: tomltext.Reason(err.Error())}
		}
		line, column := at.Position()
		return nil, &SyntaxError{Line: line, Column: tomltext.Column(doc.body, line, column), Reason: tomltext.Reason(at.Error())}
	}
	if doc.root == nil {
		doc.root = map[string]any{}
	}
	if app, ok := doc.root["app"]; ok {
		if doc.app, ok = app.(string); !ok {
			return nil, syntaxError(doc.body, doc.lay.app, "app is not a string")
		}
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

// lookup returns the value that flyctl would use for key in env.
func (f *File) lookup(key string) (value string, ok bool) {
	for i := len(f.envs) - 1; i >= 0; i-- {
		switch v := f.envs[i][key].(type) {
		case nil:
		case string:
			return v, true
		default:
			return fmt.Sprintf("%v", v), true // flyctl's own way
		}
	}
	return "", false
}

// with returns the intended meaning after Set: key is in the table at that index,
// or in a new one.
func (f *File) with(table int, key, value string) map[string]any {
	root, envs := f.copy()
	if len(envs) == 0 {
		envs = []map[string]any{{}}
		root["env"] = envs[0]
	}
	envs[table][key] = value
	return root
}

// without returns the intended meaning after Unset.
func (f *File) without(key string) map[string]any {
	root, envs := f.copy()
	for _, table := range envs {
		delete(table, key)
	}
	// Without a header or braces, the table exists only through its entries.
	if f.lay.sections[0].form == formDotted && len(envs[0]) == 0 {
		delete(root, "env")
	}
	return root
}

// copy copies the parts of the meaning that an edit changes, and returns the tables
// of env in the copy.
func (f *File) copy() (root map[string]any, envs []map[string]any) {
	root = maps.Clone(f.root)
	for _, table := range f.envs {
		envs = append(envs, maps.Clone(table))
	}
	switch root["env"].(type) {
	case map[string]any:
		root["env"] = envs[0]
	case []any:
		list := make([]any, len(envs))
		for i, table := range envs {
			list[i] = table
		}
		root["env"] = list
	}
	return root, envs
}

// apply makes the edits, sorted by position, and checks that the new text has the
// intended meaning.
func (f *File) apply(edits []edit, meaning map[string]any) (*File, error) {
	size := len(f.src)
	for _, e := range edits {
		size += len(e.text)
	}
	out := make([]byte, 0, size)
	out = append(out, f.src[:len(f.src)-len(f.body)]...)
	at := 0
	for _, e := range edits {
		out = append(out, f.body[at:e.start]...)
		out = append(out, e.text...)
		at = e.end
	}
	out = append(out, f.body[at:]...)

	edited, err := Parse(out)
	if err != nil || !equal(edited.root, meaning) {
		return nil, errUnsafeEdit
	}
	return edited, nil
}

// equal compares decoded values like reflect.DeepEqual, but NaN equals NaN.
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

// syntaxError makes a SyntaxError for an offset.
func syntaxError(body []byte, offset int, reason string) *SyntaxError {
	line, column := tomltext.Position(body, offset)
	return &SyntaxError{Line: line, Column: column, Reason: tomltext.Reason(reason)}
}
