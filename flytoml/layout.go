package flytoml

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/pelletier/go-toml/v2/unstable"

	"github.com/fly-aws/fly-aws/internal/tomltext"
)

// A layout holds the positions in a text that an edit of env needs, as byte
// offsets.
type layout struct {
	body     []byte
	app, env int // where the top-level keys app and env are first seen
	// sections are the places that hold entries of env, in order, one for each
	// table that env decodes to: [env], each [[env]], the braces of env = {…}, or
	// all the lines env.KEY = … together. It is empty if env is absent or exists
	// only through headers such as [env.sub].
	sections []section
	// nested are the keys of env with their own headers: [env.KEY].
	nested []nested
	// bracketed is set if env is an array in brackets, env = [{…}].
	bracketed bool
	// others are the entries outside env, whose style a new table follows.
	others []entry
}

// form is how a section is written.
type form int

const (
	formTable  form = iota // lines below a header
	formDotted             // lines env.KEY = …
	formInline             // in braces
)

// A section is one place that holds entries of env.
type section struct {
	form form
	// start is the first byte of the header or the opening brace; end is the byte
	// after the header or the closing brace.
	start, end int
	entries    []entry
}

// An entry is one KEY = value.
type entry struct {
	start  int // of the key
	local  int // of the key without the "env." of dotted keys
	keyEnd int // after the key
	value  int // of the value
	end    int // after the value
	header int // of the header above the entry, -1 if none
	// name is the first part of the key, starting at local; dotted is set if there
	// are more.
	name   string
	dotted bool
}

// A nested is a key of env that is a table, with its position.
type nested struct {
	key    string
	offset int
}

// maxNodes bounds the keys and values of a text. The time go-toml takes to find
// duplicate keys grows with the square of their number: about a second for this
// many.
const maxNodes = 20_000

// scan reads the layout of a text.
func scan(body []byte) (*layout, error) {
	lay := &layout{body: body, app: -1, env: -1}
	var p unstable.Parser
	p.Reset(body)
	header := -1         // of the current table
	var current *section // receives the entries; nil outside env
	nodes := 0
	for p.NextExpression() {
		n := p.Expression()
		key := n.Key()
		key.Next()
		first := key.Node()
		offset := int(first.Raw.Offset)
		if nodes += count(n); nodes > maxNodes {
			return nil, syntaxError(body, offset, fmt.Sprintf("more than %d keys and values", maxNodes))
		}
		isEnv := string(first.Data) == "env"
		if n.Kind == unstable.KeyValue {
			switch {
			case current != nil:
				current.entries = append(current.entries, lay.entry(n, first, header))
			case header >= 0 || !isEnv:
				lay.others = append(lay.others, lay.entry(n, first, header))
				if header < 0 && string(first.Data) == "app" {
					recordFirst(&lay.app, offset)
				}
			default:
				recordFirst(&lay.env, offset)
				lay.topLevelEnv(n, first)
			}
			continue
		}

		header = lay.opening(offset)
		current = nil
		switch {
		case isEnv && key.IsLast():
			recordFirst(&lay.env, header)
			closing := 1
			if n.Kind == unstable.ArrayTable {
				closing = 2
			}
			end := tomltext.SkipBlank(lay.body, int(first.Raw.Offset+first.Raw.Length)) + closing
			lay.sections = append(lay.sections, section{form: formTable, start: header, end: end})
			current = &lay.sections[len(lay.sections)-1]
		case isEnv:
			recordFirst(&lay.env, header)
			key.Next()
			lay.nested = append(lay.nested, nested{string(key.Node().Data), header})
		case string(first.Data) == "app":
			recordFirst(&lay.app, header)
		}
	}
	if err := p.Error(); err != nil {
		var at *unstable.ParserError
		offset := 0
		if errors.As(err, &at) {
			offset = int(p.Range(at.Highlight).Offset)
		}
		return nil, syntaxError(body, offset, err.Error())
	}
	return lay, nil
}

// count returns the number of nodes in the tree at n.
func count(n *unstable.Node) int {
	total := 1
	for child := n.Child(); child != nil; child = child.Next() {
		total += count(child)
	}
	return total
}

// recordFirst records an offset if none is recorded yet.
func recordFirst(where *int, offset int) {
	if *where < 0 {
		*where = offset
	}
}

// topLevelEnv reads an entry above the first header whose key begins with env.
func (lay *layout) topLevelEnv(n, first *unstable.Node) {
	if second := first.Next(); second != nil {
		if len(lay.sections) == 0 {
			lay.sections = append(lay.sections, section{form: formDotted})
		}
		s := &lay.sections[0]
		e := lay.entry(n, second, -1)
		e.start = int(first.Raw.Offset)
		s.entries = append(s.entries, e)
		return
	}
	value := n.Value()
	switch value.Kind {
	case unstable.InlineTable:
		s := section{
			form:  formInline,
			start: int(value.Raw.Offset),
			end:   int(n.Raw.Offset + n.Raw.Length),
		}
		for children := value.Children(); children.Next(); {
			child := children.Node()
			key := child.Key()
			key.Next()
			s.entries = append(s.entries, lay.entry(child, key.Node(), -1))
		}
		lay.sections = append(lay.sections, s)
	case unstable.Array:
		lay.bracketed = true
	}
}

// entry reads a KeyValue node; from is the first part of its key that counts.
func (lay *layout) entry(n, from *unstable.Node, header int) entry {
	e := entry{
		start:  int(n.Raw.Offset),
		local:  int(from.Raw.Offset),
		end:    int(n.Raw.Offset + n.Raw.Length),
		header: header,
		name:   string(from.Data),
		dotted: from.Next() != nil,
	}
	last := from
	for last.Next() != nil {
		last = last.Next()
	}
	e.keyEnd = int(last.Raw.Offset + last.Raw.Length)
	e.value = tomltext.SkipBlank(lay.body, lay.equals(e)+1)
	return e
}

// equals returns the offset of the entry's equals sign.
func (lay *layout) equals(e entry) int { return tomltext.SkipBlank(lay.body, e.keyEnd) }

// opening returns the start of the header whose first key is at the offset.
func (lay *layout) opening(offset int) int {
	start := tomltext.LineStart(lay.body, offset)
	return start + bytes.IndexByte(lay.body[start:], '[')
}

// indent returns the text between the start of the line and the offset.
func (lay *layout) indent(offset int) []byte {
	return lay.body[tomltext.LineStart(lay.body, offset):offset]
}
