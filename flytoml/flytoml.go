package flytoml

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf8"
)

// A SyntaxError says why a text cannot be read or edited as a fly.toml: it is
// not valid TOML, or app or env are not of the type that flyctl takes.
type SyntaxError struct {
	// Line and Column say where, counting from 1; Column counts characters. A byte
	// order mark is not counted.
	Line, Column int
	// Reason is a clause in lower case, free of control characters.
	Reason string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Reason)
}

// App returns the value of the top-level key app, the name of the app; ok is
// false when there is none. The error is a *SyntaxError.
func App(src []byte) (name string, ok bool, err error) {
	doc, err := decode(src)
	if err != nil {
		return "", false, err
	}
	v, ok := doc.root["app"]
	if !ok {
		return "", false, nil
	}
	if name, ok = v.(string); !ok {
		return "", false, syntaxError(doc.body, doc.lay.app, "app is not a string")
	}
	return name, true, nil
}

// PrimaryRegion returns the value of the top-level key primary_region, a region of
// Fly's such as "fra"; ok is false when there is none, or none that is a string.
// The error is a *SyntaxError.
func PrimaryRegion(src []byte) (region string, ok bool, err error) {
	doc, err := decode(src)
	if err != nil {
		return "", false, err
	}
	region, ok = doc.root["primary_region"].(string)
	return region, ok, nil
}

// Env returns the value of key in [env] as flyctl passes it on to the machines,
// which is as text for a number, a boolean or a date too; ok is false when there
// is none. Where env is an array of tables, the last that has the key wins, as
// in flyctl (internal/appconfig/patches.go, patchEnv). Keys are compared
// exactly, as TOML does. The error is a *SyntaxError.
func Env(src []byte, key string) (value string, ok bool, err error) {
	doc, err := decode(src)
	if err != nil {
		return "", false, err
	}
	value, ok = doc.lookup(key)
	return value, ok, nil
}

// Set returns src with key of [env] set to the string value. It adds the key
// after the last entry of the table, and the table at the end of the file if
// there is none. If [Env] of src is value already, the bytes are src's.
//
// The error is a *SyntaxError if src is not valid TOML or has something else of
// that name in env, such as a table [env.KEY]; it is another one if key or value
// are not valid UTF-8, which TOML cannot hold.
func Set(src []byte, key, value string) ([]byte, error) {
	switch {
	case !utf8.ValidString(key):
		return nil, fmt.Errorf("the key %q cannot be written to a fly.toml: it is not valid UTF-8", key)
	case !utf8.ValidString(value):
		return nil, fmt.Errorf("the value of %q cannot be written to a fly.toml: it is not valid UTF-8", key)
	}
	doc, err := decode(src)
	if err != nil {
		return nil, err
	}
	if have, ok := doc.lookup(key); ok && have == value {
		return bytes.Clone(src), nil
	}
	table, change, err := doc.lay.set(key, value)
	if err != nil {
		return nil, err
	}
	doc.put(table, key, value)
	return doc.apply([]edit{change})
}

// Unset returns src without key in [env], and with it the comment on the key's
// line. Where env is an array of tables, each loses the key. If there is no such
// key, the bytes are src's. An [env] that becomes empty stays.
//
// The error is a *SyntaxError as with [Set].
func Unset(src []byte, key string) ([]byte, error) {
	doc, err := decode(src)
	if err != nil {
		return nil, err
	}
	if _, ok := doc.lookup(key); !ok {
		return bytes.Clone(src), nil
	}
	changes, err := doc.lay.unset(key)
	if err != nil {
		return nil, err
	}
	doc.drop(key)
	return doc.apply(changes)
}

// errGuard is what comes back when an edit would have meant something else than
// intended, or made the text too large to read.
var errGuard = errors.New("the file is laid out in a way that cannot be edited safely: edit it by hand")
