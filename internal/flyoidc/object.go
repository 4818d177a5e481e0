package flyoidc

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// maxNesting is how deep objects and lists may be inside one another. Fly's
// tokens nest four deep, with session tags.
const maxNesting = 32

// maxTime is the last second of the year 9999, the last that RFC 3339 can write.
const maxTime = 253402300799

// An object is a JSON object as it stands in a token.
type object struct {
	members []Member
	twice   map[string]bool // names that occur twice
}

// object reads a JSON object. It is not ok when the text is none.
func (in *inspection) object(what string, text []byte) (o object, ok bool) {
	if !utf8.Valid(text) {
		in.breaks(RuleUTF8, "%s is not valid UTF-8", what)
		return o, false
	}
	if nesting(text) > maxNesting {
		in.breaks(RuleNesting, "%s has more than %d objects and lists inside one another", what, maxNesting)
		return o, false
	}
	dec := decoder(text)
	brace, err := dec.Token()
	if err == nil && brace != json.Delim('{') {
		in.breaks(RuleJSON, "%s is JSON, but not an object", what)
		return o, false
	}
	for err == nil && dec.More() {
		var name json.Token
		var value json.RawMessage
		if name, err = dec.Token(); err != nil {
			break
		}
		if err = dec.Decode(&value); err != nil {
			break
		}
		m := Member{Value: string(value)}
		m.Name, _ = name.(string)
		o.members = append(o.members, m)
	}
	if err == nil {
		_, err = dec.Token()
	}
	if err != nil {
		in.breaks(RuleJSON, "%s is not valid JSON: %s", what, jsonReason(text, err))
		return object{}, false
	}
	if i := halfPair(text[:dec.InputOffset()]); i >= 0 {
		in.breaks(RuleJSON, "%s is not valid JSON: %s stands for half a character, at byte %d", what, quote(string(text[i:i+6])), i+1)
		return object{}, false
	}
	if rest := bytes.Trim(text[dec.InputOffset():], " \t\r\n"); len(rest) > 0 {
		in.breaks(RuleJSON, "%s goes on after the end of its JSON object", what)
	}
	o.names(in, what)
	return o, true
}

// names looks for names that occur twice.
func (o *object) names(in *inspection, what string) {
	seen := make(map[string]string, len(o.members)) // from folded name to name
	for _, m := range o.members {
		folded := fold(m.Name)
		switch before, again := seen[folded]; {
		case !again:
			seen[folded] = m.Name
		case before == m.Name:
			in.breaks(RuleDuplicate, "%s has the name %s twice", what, quote(m.Name))
			if o.twice == nil {
				o.twice = map[string]bool{}
			}
			o.twice[m.Name] = true
		default:
			in.breaks(RuleCase, "%s has the names %s and %s, which differ in case only", what, quote(before), quote(m.Name))
		}
		if (m.Value[0] == '{' || m.Value[0] == '[') && repeats(decoder([]byte(m.Value))) {
			in.breaks(RuleDuplicate, "%s has a name twice inside of %s", what, quote(m.Name))
		}
	}
}

// decoder returns a reader of JSON which no number is too large for.
func decoder(text []byte) *json.Decoder {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	return dec
}

// repeats reads a JSON value and reports whether an object within it has a name
// twice. What cannot be read counts as such.
func repeats(dec *json.Decoder) bool {
	open, err := dec.Token()
	if _, nested := open.(json.Delim); !nested || err != nil {
		return err != nil
	}
	seen := map[string]bool{}
	for dec.More() {
		if open == json.Delim('{') {
			t, err := dec.Token()
			name, ok := t.(string)
			if err != nil || !ok || seen[name] {
				return true
			}
			seen[name] = true
		}
		if repeats(dec) {
			return true
		}
	}
	_, err = dec.Token()
	return err != nil
}

// fold makes names that differ in case only equal, by the folding with which
// encoding/json matches names.
func fold(name string) string {
	return strings.Map(func(r rune) rune {
		least := r
		for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
			least = min(least, other)
		}
		if 'A' <= least && least <= 'Z' { // most names are in lower case and stay as they are
			least += 'a' - 'A'
		}
		return least
	}, name)
}

func (o object) has(name string) bool {
	for _, m := range o.members {
		if m.Name == name {
			return true
		}
	}
	return false
}

// value returns the JSON text of a member; none when it is absent or ambiguous.
func (o object) value(name string) (value string, ok bool) {
	if o.twice[name] {
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

// text returns a member that has to be a string and not empty.
func (o object) text(in *inspection, rule Rule) string {
	value, ok := o.required(in, rule)
	if !ok {
		return ""
	}
	s, ok := unquote(value)
	switch {
	case !ok:
		in.breaks(rule, "%s is %s, it has to be a string", rule, kindOf(value))
	case s == "":
		in.breaks(rule, "%s is empty", rule)
	}
	return s
}

// audience returns the claim aud.
func (o object) audience(in *inspection, single bool) []string {
	value, ok := o.value(string(RuleAudience))
	if !ok || value[0] != '[' {
		if s := o.text(in, RuleAudience); s != "" {
			return []string{s}
		}
		return nil
	}
	list, ok := textList(value)
	switch {
	case !ok:
		in.breaks(RuleAudience, "aud is a list of something else than strings")
	case len(list) == 0:
		in.breaks(RuleAudience, "aud is an empty list")
	case single:
		in.breaks(RuleAudience, "aud is a list, in a token of Fly's it is a string")
	default:
		for _, s := range list {
			if s == "" {
				in.breaks(RuleAudience, "aud has an empty string in its list")
				break
			}
		}
	}
	return list
}

// time returns a member that has to be a whole number of seconds.
func (o object) time(in *inspection, rule Rule) time.Time {
	value, ok := o.required(in, rule)
	if !ok {
		return time.Time{}
	}
	if c := value[0]; c != '-' && (c < '0' || c > '9') {
		in.breaks(rule, "%s is %s, it has to be a whole number of seconds", rule, kindOf(value))
		return time.Time{}
	}
	if strings.ContainsAny(value, ".eE") {
		in.breaks(rule, "%s is %s, it has to be a whole number of seconds without fraction or exponent", rule, quote(value))
		return time.Time{}
	}
	seconds, err := strconv.ParseInt(value, 10, 64)
	if err != nil || seconds < 0 || seconds > maxTime {
		in.breaks(rule, "%s is %s, which is not between 1970 and the year 9999", rule, quote(value))
		return time.Time{}
	}
	return time.Unix(seconds, 0).UTC()
}

// unquote returns what a JSON string says.
func unquote(value string) (text string, ok bool) {
	if !strings.HasPrefix(value, `"`) || !utf8.ValidString(value) || halfPair([]byte(value)) >= 0 {
		return "", false
	}
	err := json.Unmarshal([]byte(value), &text)
	return text, err == nil
}

// textList returns a list of strings; what there is of one before something else.
func textList(value string) ([]string, bool) {
	var values []json.RawMessage
	if err := json.Unmarshal([]byte(value), &values); err != nil || !strings.HasPrefix(value, "[") {
		return nil, false
	}
	list := []string{}
	for _, v := range values {
		s, ok := unquote(string(v))
		if !ok {
			return list, false
		}
		list = append(list, s)
	}
	return list, true
}

func kindOf(value string) string {
	switch value[0] {
	case 'n':
		return "null"
	case '"':
		return "a string"
	case '{':
		return "an object"
	case '[':
		return "a list"
	case 't', 'f':
		return "a boolean"
	}
	return "a number"
}

// halfPair returns where JSON has an escape that is half of a surrogate pair, -1
// when it has none. encoding/json replaces them by U+FFFD and goes on.
func halfPair(text []byte) int {
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			continue
		}
		if unit := utf16Unit(text[i:]); utf16.IsSurrogate(unit) {
			if utf16.DecodeRune(unit, utf16Unit(text[i+6:])) == utf8.RuneError {
				return i
			}
			i += 6
		}
		i++ // past what is escaped, which may be a backslash
	}
	return -1
}

// utf16Unit returns what text begins with as \uXXXX, -1 when it does not.
func utf16Unit(text []byte) rune {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return -1
	}
	unit, err := strconv.ParseUint(string(text[2:6]), 16, 16)
	if err != nil {
		return -1
	}
	return rune(unit)
}

// nesting returns how deep brackets are inside one another in text that may or
// may not be JSON.
func nesting(text []byte) int {
	var depth, deepest int
	inString := false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{', c == '[':
			depth++
			deepest = max(deepest, depth)
		case c == '}', c == ']':
			depth--
		}
	}
	return deepest
}

// jsonReason says what the JSON reader stumbled on, and where.
func jsonReason(text []byte, err error) string {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return "it ends in the middle"
	}
	// A decoder that reads tokens does not say where in the text it failed.
	var syntax *json.SyntaxError
	if !errors.As(json.Unmarshal(text, new(json.RawMessage)), &syntax) || syntax.Offset < 1 {
		return "it cannot be read"
	}
	// It takes a byte for a character.
	wrong := text[syntax.Offset-1:]
	r, _ := utf8.DecodeRune(wrong)
	reason := strings.TrimPrefix(syntax.Error(), fmt.Sprintf("invalid character %q", rune(wrong[0])))
	return clean(fmt.Sprintf("invalid character %q%s, at byte %d", r, reason, syntax.Offset))
}
