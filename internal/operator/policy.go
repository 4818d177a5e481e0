package operator

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode/utf8"
)

// MaxSize is the most characters that IAM takes in a managed policy, not counting white
// space (reference_iam-quotas.html).
const MaxSize = 6144

// A Policy is an identity-based policy.
type Policy struct {
	Version   string
	Statement []Statement
}

// A Statement allows actions on resources.
type Statement struct {
	// Sid is unique within the policy.
	Sid string
	// Effect is always "Allow".
	Effect string
	// Action and Resource are never empty. Resource is "*" only for actions for which IAM
	// knows no resources.
	Action, Resource List
	// Condition is by operator and key.
	Condition Condition `json:",omitempty"`
}

// A Condition has for each operator the keys and their values.
type Condition map[string]map[string]List

// A List is written as a string if it has one element.
type List []string

// MarshalJSON implements json.Marshaler.
func (l List) MarshalJSON() ([]byte, error) {
	if len(l) == 1 {
		return encode(l[0], "")
	}
	return encode([]string(l), "")
}

// String returns the document without white space.
func (p *Policy) String() string { return p.print("") }

// Indent returns the document on lines indented by two spaces, without a final newline.
func (p *Policy) Indent() string { return p.print("  ") }

// Size returns the length of the document in characters without white space, which IAM
// limits.
func (p *Policy) Size() int { return utf8.RuneCountInString(p.String()) }

func (p *Policy) print(indent string) string {
	text, err := encode(p, indent)
	if err != nil { // it is made of strings
		panic(err)
	}
	return string(text)
}

// encode is json.Marshal without escapes for HTML: a path may have an ampersand.
func encode(v any, indent string) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", indent)
	err := enc.Encode(v)
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), err
}

// A SizeError says that a policy would be larger than IAM takes.
type SizeError struct {
	// Size is in characters without white space, more than MaxSize.
	Size int
}

func (e *SizeError) Error() string {
	return fmt.Sprintf("the policy would have %d characters; IAM takes %d", e.Size, MaxSize)
}
