package flytoml

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

// A SyntaxError says why a text cannot be read or edited as a fly.toml: it is not
// valid TOML, or app or env has a type that flyctl does not accept.
type SyntaxError struct {
	// Line and Column say where, counting from 1; Column counts characters. A byte
	// order mark does not count.
	Line, Column int
	// Reason is a clause in lower case, free of control characters.
	Reason string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Reason)
}

// Bytes returns the text. It must not be changed.
func (f *File) Bytes() []byte { return f.src }

// App returns the value of the top-level key app, the app's name; "" when absent.
func (f *File) App() string { return f.app }

// PrimaryRegion returns the value of the top-level key primary_region, a Fly region
// such as "fra"; "" when absent or not a string.
func (f *File) PrimaryRegion() string {
	region, _ := f.root["primary_region"].(string)
	return region
}

// Env returns the value of key in [env] as flyctl passes it to the machines:
// numbers, booleans and dates become text. If env is an array of tables, the last
// one with the key wins, as in flyctl (internal/appconfig/patches.go, patchEnv).
// Keys are case-sensitive.
func (f *File) Env(key string) (value string, ok bool) { return f.lookup(key) }

// Set returns the file with key in [env] set to the string value. A new key goes
// after the last entry of the table, and a new table at the end of the file. If key
// already has that value, the result is f.
//
// The error is a *SyntaxError if key in env is not a single value, such as a table
// [env.KEY], and another error if key or value is not valid UTF-8, which TOML
// cannot hold.
func (f *File) Set(key, value string) (*File, error) {
	switch {
	case !utf8.ValidString(key):
		return nil, fmt.Errorf("the key %q cannot be written to a fly.toml: it is not valid UTF-8", key)
	case !utf8.ValidString(value):
		return nil, fmt.Errorf("the value of %q cannot be written to a fly.toml: it is not valid UTF-8", key)
	}
	if have, ok := f.lookup(key); ok && have == value {
		return f, nil
	}
	table, change, err := f.lay.set(key, value)
	if err != nil {
		return nil, err
	}
	return f.apply([]edit{change}, f.with(table, key, value))
}

// Unset returns the file without key in [env] and without the comment on its line.
// If env is an array of tables, the key is removed from each. If there is no such
// key, the result is f. An [env] that becomes empty stays.
//
// The error is a *SyntaxError as with [File.Set].
func (f *File) Unset(key string) (*File, error) {
	if _, ok := f.lookup(key); !ok {
		return f, nil
	}
	changes, err := f.lay.unset(key)
	if err != nil {
		return nil, err
	}
	return f.apply(changes, f.without(key))
}

// errUnsafeEdit is the error for an edit that would not have the intended meaning, or
// would make the text too large to read.
var errUnsafeEdit = errors.New("the file is laid out in a way that cannot be edited safely: edit it by hand")
