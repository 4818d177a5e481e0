package trustpolicy

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// Places are the places of the values in the text of a policy.
type Places struct{ values []jsonValue }

// PlacesIn reads the text of a policy up to the first error in it.
func PlacesIn(text []byte) Places { return Places{valuesOf(text)} }

// Of returns the place of a finding about the policy: its JSON path, such as
// $.Statement[1].Principal.Federated, and its offset in bytes. It is the value that is
// wrong, or the nearest thing around it.
func (p Places) Of(f Finding) (path string, offset int) {
	inside := func(pointer string) (out []jsonValue) {
		for _, v := range p.values {
			if v.pointer == pointer || strings.HasPrefix(v.pointer, pointer+"/") {
				out = append(out, v)
			}
		}
		return out
	}
	statement := "/Statement/" + strconv.Itoa(f.Statement)
	if len(inside(statement)) == 0 && f.Statement == 0 { // it is not in a list
		statement = "/Statement"
	}
	if f.Statement < 0 || len(inside(statement)) == 0 {
		return "$", 0
	}
	at := inside(statement)
	if f.Key != "" {
		if key := inside(statement + "/Condition/" + escapePointer(f.Operator) + "/" + escapePointer(f.Key)); len(key) > 0 {
			at = key
		}
	}
	for _, v := range at {
		if f.Have != "" && v.isString && v.text == f.Have {
			return v.path(), v.offset
		}
	}
	return at[0].path(), at[0].offset
}

// StatementSpan returns where a statement is in the text of a policy, from its first byte to
// behind its last; false if it is not there.
func StatementSpan(text []byte, statement int) (from, to int, ok bool) {
	for _, v := range valuesOf(text) {
		if v.pointer == "/Statement/"+strconv.Itoa(statement) || statement == 0 && v.pointer == "/Statement" && text[v.offset] == '{' {
			return v.offset, v.end, true
		}
	}
	return 0, 0, false
}

// A jsonValue is a value in a document.
type jsonValue struct {
	pointer     string // RFC 6901
	names       []bool // of the parts of the pointer: a name, not an index
	offset, end int
	isString    bool
	text        string // of a string
}

// valuesOf lists the values of a document in their order; those before an error in it.
func valuesOf(text []byte) []jsonValue {
	dec := jsontext.NewDecoder(bytes.NewReader(text))
	var out []jsonValue
	var open []int // the places in out of the objects and lists that are open
	for {
		at := int(dec.InputOffset())
		at += len(text[at:]) - len(bytes.TrimLeft(text[at:], " \t\r\n,:"))
		token, err := dec.ReadToken()
		if err != nil {
			return out
		}
		kind := token.Kind()
		if kind == jsontext.KindEndObject || kind == jsontext.KindEndArray {
			out[open[len(open)-1]].end = int(dec.InputOffset())
			open = open[:len(open)-1]
			continue
		}
		if depth := dec.StackDepth(); kind == jsontext.KindString {
			if parent, length := dec.StackIndex(depth); parent == jsontext.KindBeginObject && length%2 == 1 {
				continue // a name
			}
		}
		v := jsonValue{pointer: string(dec.StackPointer()), offset: at, end: int(dec.InputOffset()), isString: kind == jsontext.KindString}
		for i := 1; i <= dec.StackDepth(); i++ {
			parent, _ := dec.StackIndex(i)
			v.names = append(v.names, parent == jsontext.KindBeginObject)
		}
		if v.isString {
			v.text = token.String()
		}
		if kind == jsontext.KindBeginObject || kind == jsontext.KindBeginArray {
			open = append(open, len(out))
		}
		out = append(out, v)
	}
}

func escapePointer(name string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}

var plainName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// path is the value's JSON path.
func (v jsonValue) path() string {
	path := "$"
	if v.pointer == "" {
		return path
	}
	for i, part := range strings.Split(v.pointer[1:], "/") {
		name := strings.NewReplacer("~1", "/", "~0", "~").Replace(part)
		switch {
		case !v.names[i]:
			path += "[" + name + "]"
		case plainName.MatchString(name):
			path += "." + name
		default:
			path += fmt.Sprintf("[%q]", name)
		}
	}
	return path
}
