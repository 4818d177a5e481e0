package flyoidc

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/fly-aws/fly-aws/internal/text"
)

// jsontext refuses unpaired surrogates and reports duplicate names. Go 1.27 has the
// same API in encoding/json/jsontext: switch to it when go.mod requires that
// version.

// maxNesting is how deep objects and lists may be nested. Fly's tokens are four
// deep, with session tags.
const maxNesting = 32

// maxTime is the last second of the year 9999, the last year of RFC 3339.
const maxTime = 253402300799

// An object is the JSON object of a header or of claims.
type object struct {
	members  []Member
	repeated map[string]bool // names that occur more than once
}

// object reads a JSON object. It is not ok when there is none.
func (in *inspection) object(what string, source []byte) (o object, ok bool) {
	if !utf8.Valid(source) {
		in.breaks(ruleUTF8, "%s is not valid UTF-8", what)
		return o, false
	}
	dec := jsontext.NewDecoder(bytes.NewBuffer(source), jsontext.AllowDuplicateNames(true)) // checkNames lists them
	begin, err := dec.ReadToken()
	if err == nil && begin.Kind() != jsontext.KindBeginObject {
		in.breaks(ruleJSON, "%s is JSON, but not an object", what)
		return o, false
	}
	if err == nil {
		o.members, err = readMembers(dec)
	}
	if err != nil {
		in.breaks(ruleJSON, "%s is not valid JSON: %s", what, jsonReason(err))
		return object{}, false
	}
	for _, m := range o.members {
		if 1+nesting(m.Value) > maxNesting {
			in.breaks(ruleNesting, "%s has objects and lists nested more than %d deep", what, maxNesting)
			return object{}, false
		}
	}
	if rest := bytes.Trim(source[dec.InputOffset():], " \t\r\n"); len(rest) > 0 {
		in.breaks(ruleJSON, "%s has more text after the end of its JSON object", what)
	}
	o.checkNames(in, what)
	return o, true
}

// readMembers reads the members of an object and its end.
func readMembers(dec *jsontext.Decoder) ([]Member, error) {
	var members []Member
	for dec.PeekKind() != jsontext.KindEndObject {
		name, err := dec.ReadToken()
		if err != nil {
			return nil, err
		}
		m := Member{Name: name.String()} // the decoder reuses the token's memory
		value, err := dec.ReadValue()
		if err != nil {
			return nil, err
		}
		m.Value = string(value)
		members = append(members, m)
	}
	_, err := dec.ReadToken()
	return members, err
}

// nesting returns how deep objects and lists are nested in a value.
func nesting(value string) int {
	deepest := 0
	dec := jsontext.NewDecoder(strings.NewReader(value), jsontext.AllowDuplicateNames(true))
	for {
		if _, err := dec.ReadToken(); err != nil {
			return deepest
		}
		deepest = max(deepest, dec.StackDepth())
	}
}

// checkNames looks for duplicate names, and names that differ only in case.
func (o *object) checkNames(in *inspection, what string) {
	seen := make(map[string]string, len(o.members)) // from folded name to name
	for _, m := range o.members {
		folded := strings.ToLower(strings.ToUpper(m.Name)) // "ſub" is "sub" to encoding/json
		switch before, again := seen[folded]; {
		case !again:
			seen[folded] = m.Name
		case before == m.Name:
			in.breaks(RuleDuplicate, "%s has the name %s twice", what, text.Quote(m.Name))
			if o.repeated == nil {
				o.repeated = map[string]bool{}
			}
			o.repeated[m.Name] = true
		default:
			in.breaks(RuleCase, "%s has the names %s and %s, which differ only in case", what, text.Quote(before), text.Quote(m.Name))
		}
		if !jsontext.Value(m.Value).IsValid() { // it refuses duplicate names
			in.breaks(RuleDuplicate, "%s has a name twice in the value of %s", what, text.Quote(m.Name))
		}
	}
}

func (o object) has(name string) bool {
	for _, m := range o.members {
		if m.Name == name {
			return true
		}
	}
	return false
}

// value returns the JSON text of a member. It is not ok when the member is absent
// or there are several of the name.
func (o object) value(name string) (value string, ok bool) {
	if o.repeated[name] {
		return "", false
	}
	for _, m := range o.members {
		if m.Name == name {
			return m.Value, true
		}
	}
	return "", false
}

// required returns the JSON text of the member that a rule is about.
func (o object) required(in *inspection, rule Rule) (value string, ok bool) {
	value, ok = o.value(string(rule))
	if !ok && !o.has(string(rule)) {
		in.breaks(rule, "%s is missing", rule)
	}
	return value, ok
}

// text returns a member that must be a non-empty string.
func (o object) text(in *inspection, rule Rule) string {
	value, ok := o.required(in, rule)
	if !ok {
		return ""
	}
	s, ok := unquote(value)
	switch {
	case !ok:
		in.breaks(rule, "%s is %s, not a string", rule, kindName(value))
	case s == "":
		in.breaks(rule, "%s is empty", rule)
	}
	return s
}

// audience returns the claim aud.
func (o object) audience(in *inspection, single bool) []string {
	value, ok := o.value(string(ruleAudience))
	if !ok || value[0] != '[' {
		if s := o.text(in, ruleAudience); s != "" {
			return []string{s}
		}
		return nil
	}
	list, ok := textList(value)
	switch {
	case !ok:
		in.breaks(ruleAudience, "aud is a list that holds something other than strings")
	case len(list) == 0:
		in.breaks(ruleAudience, "aud is an empty list")
	case single:
		in.breaks(ruleAudience, "aud is a list; in Fly's tokens it is a string")
	default:
		for _, s := range list {
			if s == "" {
				in.breaks(ruleAudience, "aud has an empty string in its list")
				break
			}
		}
	}
	return list
}

// time returns a member that must be a whole number of seconds.
func (o object) time(in *inspection, rule Rule) time.Time {
	value, ok := o.required(in, rule)
	if !ok {
		return time.Time{}
	}
	if jsontext.Value(value).Kind() != jsontext.KindNumber {
		in.breaks(rule, "%s is %s, not a whole number of seconds", rule, kindName(value))
		return time.Time{}
	}
	if strings.ContainsAny(value, ".eE") {
		in.breaks(rule, "%s is %s, not a whole number of seconds without fraction and exponent", rule, text.Quote(value))
		return time.Time{}
	}
	seconds, err := strconv.ParseInt(value, 10, 64)
	if err != nil || seconds < 0 || seconds > maxTime {
		in.breaks(rule, "%s is %s, which is not between the years 1970 and 9999", rule, text.Quote(value))
		return time.Time{}
	}
	return time.Unix(seconds, 0).UTC()
}

// unquote decodes a JSON string.
func unquote(value string) (s string, ok bool) {
	b, err := jsontext.AppendUnquote(nil, value)
	if err != nil {
		return "", false
	}
	return string(b), true
}

// textList returns the strings of a list. It is not ok when the list holds
// anything else; then it returns the strings before that.
func textList(value string) (list []string, ok bool) {
	dec := jsontext.NewDecoder(strings.NewReader(value))
	if begin, err := dec.ReadToken(); err != nil || begin.Kind() != jsontext.KindBeginArray {
		return nil, false
	}
	list = []string{}
	for dec.PeekKind() == jsontext.KindString {
		s, err := dec.ReadToken()
		if err != nil {
			return list, false
		}
		list = append(list, s.String())
	}
	return list, dec.PeekKind() == jsontext.KindEndArray
}

func kindName(value string) string {
	switch jsontext.Value(value).Kind() {
	case jsontext.KindNull:
		return "null"
	case jsontext.KindString:
		return "a string"
	case jsontext.KindBeginObject:
		return "an object"
	case jsontext.KindBeginArray:
		return "a list"
	case jsontext.KindTrue, jsontext.KindFalse:
		return "a boolean"
	}
	return "a number"
}

// jsonReason says what is wrong with a JSON text, and where.
func jsonReason(err error) string {
	var syntax *jsontext.SyntacticError
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "it ends in the middle"
	case errors.As(err, &syntax):
		return text.Line(fmt.Sprintf("%v, at byte %d", syntax.Err, syntax.ByteOffset+1))
	}
	return text.Line(err.Error())
}
