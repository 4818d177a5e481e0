package flytoml

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

// A SyntaxError says why a text cannot be read or edited as a fly.toml: it is
// not valid TOML, or app or env are not of the type that flyctl accepts.
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

// Bytes returns the text. It must not be changed.
func (f *File) Bytes() []byte { return f.src }

// App returns the value of the top-level key app, the name of the app; "" when there
// is none.
func (f *File) App() string { return f.app }

// PrimaryRegion returns the value of the top-level key primary_region, a region of
// Fly's such as "fra"; "" when there is none, or none that is a string.
func (f *File) PrimaryRegion() string {
	region, _ := f.root["primary_region"].(string)
	return region
}

// Env returns the value of key in [env] as flyctl passes it on to the machines,
// which is as text for a number, a boolean or a date too; ok is false when there
// is none. Where env is an array of tables, the last that has the key wins, as
// in flyctl (internal/appconfig/patches.go, patchEnv). Keys are compared
// exactly, as TOML does.
func (f *File) Env(key string) (value string, ok bool) { return f.lookup(key) }

// Set returns the file with key of [env] set to the string value. It adds the key
// after the last entry of the table, and the table at the end of the file if
// there is none. If [File.Env] has value already, the result is f.
//
// The error is a *SyntaxError if there is something else of that name in env, such as
// a table [env.KEY]; it is another one if key or value are not valid UTF-8, which TOML
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

// Unset returns the file without key in [env], and with it the comment on the key's
// line. Where env is an array of tables, each loses the key. If there is no such
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

// errGuard is what comes back when an edit would have meant something else than
// intended, or made the text too large to read.
var errGuard = errors.New("the file is laid out in a way that cannot be edited safely: edit it by hand")
