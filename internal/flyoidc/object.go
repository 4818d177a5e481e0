package flyoidc

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
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
	// Names that occur twice are looked for here, so that the object can be shown.
	dec := jsontext.NewDecoder(bytes.NewBuffer(text), jsontext.AllowDuplicateNames(true))
	if kind := dec.PeekKind(); kind != '{' && kind != 0 {
		in.breaks(RuleJSON, "%s is JSON, but not an object", what)
		return o, false
	}
	_, err := dec.ReadToken()
	for err == nil && dec.PeekKind() != '}' {
		var name jsontext.Token
		var value jsontext.Value
		if name, err = dec.ReadToken(); err != nil {
			break
		}
		m := Member{Name: name.String()}
		if value, err = dec.ReadValue(); err != nil {
			break
		}
		m.Value = string(value)
		o.members = append(o.members, m)
	}
	if err == nil {
		_, err = dec.ReadToken()
	}
	if err != nil {
		in.breaks(RuleJSON, "%s is not valid JSON: %s", what, jsonReason(err))
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
		// The decoder has accepted the value but for names that occur twice in it.
		if (m.Value[0] == '{' || m.Value[0] == '[') && !jsontext.Value(m.Value).IsValid() {
			in.breaks(RuleDuplicate, "%s has a name twice inside of %s", what, quote(m.Name))
		}
	}
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
	if kind := jsontext.Value(value).Kind(); kind != '0' {
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
func unquote(value string) (string, bool) {
	if !strings.HasPrefix(value, `"`) {
		return "", false
	}
	s, err := jsontext.AppendUnquote(nil, value)
	return string(s), err == nil
}

// textList returns a list of strings.
func textList(value string) ([]string, bool) {
	dec := jsontext.NewDecoder(strings.NewReader(value))
	if t, err := dec.ReadToken(); err != nil || t.Kind() != '[' {
		return nil, false
	}
	list := []string{}
	for dec.PeekKind() == '"' {
		t, err := dec.ReadToken()
		if err != nil {
			return nil, false
		}
		list = append(list, t.String())
	}
	return list, dec.PeekKind() == ']'
}

func kindOf(value string) string {
	switch jsontext.Value(value).Kind() {
	case 'n':
		return "null"
	case '"':
		return "a string"
	case '0':
		return "a number"
	case '{':
		return "an object"
	case '[':
		return "a list"
	}
	return "a boolean"
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

// jsonReason says what the JSON reader stumbled on.
func jsonReason(err error) string {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return "it ends in the middle"
	}
	var syntax *jsontext.SyntacticError
	if errors.As(err, &syntax) {
		return clean(strings.TrimPrefix(syntax.Err.Error(), "jsontext: "))
	}
	return "it cannot be read"
}
