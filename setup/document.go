package setup

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/fly-aws/fly-aws/trustpolicy"
)

// A Document is a permissions policy in JSON. The zero Document means none.
type Document struct {
	text      string // without white space
	canonical string // with the keys of its objects sorted
}

// parseIdentityPolicy is a variable so that a test can count its calls.
var parseIdentityPolicy = trustpolicy.CheckIdentityPolicy

// ParseDocument reads a permissions policy as strictly as IAM does. The error is a
// *trustpolicy.SyntaxError.
func ParseDocument(text []byte) (Document, error) {
	compact, err := parseIdentityPolicy(text)
	if err != nil {
		return Document{}, err
	}
	return FoundDocument(compact)
}

// FoundDocument reads a document that IAM returned. It need only be JSON: IAM may have
// accepted what ParseDocument refuses.
func FoundDocument(text []byte) (Document, error) {
	var compact bytes.Buffer
	if err := json.Compact(&compact, text); err != nil {
		return Document{}, fmt.Errorf("not JSON: %w", err)
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber() // keeps numbers as written
	var v any
	if err := dec.Decode(&v); err != nil {
		return Document{}, fmt.Errorf("not JSON: %w", err)
	}
	canonical, err := json.Marshal(v) // sorts the keys of objects
	return Document{compact.String(), string(canonical)}, err
}

// String returns the JSON text without white space, "" for the zero Document.
func (d Document) String() string { return d.text }

// IsZero says whether there is no document.
func (d Document) IsZero() bool { return d == Document{} }

// Equal compares by meaning, ignoring the order of keys and lists of one element, which
// IAM also accepts without their brackets.
func (d Document) Equal(e Document) bool {
	if d.canonical == e.canonical {
		return true
	}
	a, errA := trustpolicy.CheckIdentityPolicy([]byte(d.text))
	b, errB := trustpolicy.CheckIdentityPolicy([]byte(e.text))
	return errA == nil && errB == nil && bytes.Equal(a, b)
}

// MarshalJSON returns the document itself.
func (d Document) MarshalJSON() ([]byte, error) {
	if d.IsZero() {
		return nil, errors.New("no document")
	}
	return []byte(d.text), nil
}

// UnmarshalJSON reads a document as FoundDocument does.
func (d *Document) UnmarshalJSON(text []byte) (err error) {
	*d, err = FoundDocument(text)
	return err
}
