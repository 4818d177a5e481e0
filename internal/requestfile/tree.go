package requestfile

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"

	"github.com/fly-aws/fly-aws/internal/tomltext"
)

// A form is what a value is in TOML.
type form string

// The forms.
const (
	formString  form = "a string"
	formInteger form = "a number"
	formBool    form = "true or false"
	formOther   form = "a date or a fraction"
	formArray   form = "an array"
	formTable   form = "a table"
)

// A node is a value of the text, with its place. Keys are exact, where go-toml's decoder
// ignores their case.
type node struct {
	form form
	// path names it in errors: "apps.web.policies".
	path string
	// key is where its key begins; of an element of an array, where the element begins.
	key int
	// start and end are the bytes of the value. Of a table they are only set if it is
	// inline, written in braces.
	start, end int
	// text is a string's value, or another value as it is written.
	text    string
	items   []*node // of an array
	entries []entry // of a table, in the order of the text
	// open says that a table has a header of its own or braces.
	open bool
	// site is where a table takes another entry; nil for a table that exists only through
	// headers of tables in it.
	site *site
}

// An entry is a key of a table.
type entry struct {
	name  string
	value *node
}

// A site is where a table takes another entry.
type site struct {
	// after is the end of its last entry, or of its header or opening brace.
	after int
	// prefix is written before the key: "allow." for dotted keys.
	prefix string
	// inline says that the entries are in braces, empty that there is none.
	inline, empty bool
}

// get returns the value of a key, nil if there is none.
func (n *node) get(name string) *node {
	if n == nil {
		return nil
	}
	for _, e := range n.entries {
		if e.name == name {
			return e.value
		}
	}
	return nil
}

// at returns the value at a path of keys, nil if there is none.
func (n *node) at(names ...string) *node {
	for _, name := range names {
		n = n.get(name)
	}
	return n
}

// maxNodes bounds the keys and values of a file, since the time to find duplicate keys
// grows with the square of their number.
const maxNodes = 20_000

// A scanner makes the tree of a text.
type scanner struct {
	file     *File
	root     *node
	nodes    int
	problems []*Problem
}

// scan makes the tree of a text. It is nil if the text is not TOML.
func (f *File) scan() (*node, []*Problem) {
	s := &scanner{file: f, root: &node{form: formTable, open: true, site: &site{empty: true}}}
	var p unstable.Parser
	p.Reset(f.body)
	table := s.root // of the current header
	for p.NextExpression() {
		n := p.Expression()
		if n.Kind == unstable.KeyValue {
			s.entry(table, n, false)
			table.site.after, table.site.empty = int(n.Raw.Offset+n.Raw.Length), false
		} else {
			table = s.header(n)
		}
		if s.nodes > maxNodes {
			return nil, append(s.problems, f.problem(s.root, fmt.Sprintf("it has more than %d keys and values", maxNodes)))
		}
	}
	if err := p.Error(); err != nil {
		offset := 0
		var at *unstable.ParserError
		if errors.As(err, &at) {
			offset = int(p.Range(at.Highlight).Offset)
		}
		line, column := tomltext.Position(f.body, offset)
		return nil, append(s.problems, &Problem{File: f.name, Line: line, Column: column, Reason: tomltext.Reason(err.Error()), Err: err})
	}
	if len(s.problems) > 0 {
		return s.root, s.problems
	}
	// The rest of what makes a text valid, such as a table that is closed to other keys.
	var meaning map[string]any
	if err := toml.Unmarshal(f.body, &meaning); err != nil {
		p := &Problem{File: f.name, Line: 1, Column: 1, Reason: tomltext.Reason(err.Error()), Err: err}
		var at *toml.DecodeError
		if errors.As(err, &at) {
			p.Line, p.Column = at.Position()
			p.Column = tomltext.Column(f.body, p.Line, p.Column)
		}
		return nil, []*Problem{p}
	}
	return s.root, nil
}

// header returns the table of a header, which may be new.
func (s *scanner) header(n *unstable.Node) *node {
	table := s.root
	end := 0
	keys := n.Key()
	for keys.Next() {
		k := keys.Node()
		end = int(k.Raw.Offset + k.Raw.Length)
		if keys.IsLast() && n.Kind == unstable.ArrayTable {
			s.problems = append(s.problems, s.file.problemAt(int(k.Raw.Offset), table.path,
				"double brackets make a list of tables; write "+"["+below(table.path, string(k.Data))+"]"))
			return &node{form: formTable, site: &site{}}
		}
		next := table.get(string(k.Data))
		if next == nil {
			next = s.add(table, k, &node{form: formTable})
		}
		switch {
		case next.form != formTable, keys.IsLast() && next.open, !keys.IsLast() && next.site != nil && next.site.inline:
			s.twice(next, k)
			return &node{form: formTable, site: &site{}}
		}
		table = next
	}
	end += bytes.IndexByte(s.file.body[end:], ']') + 1
	table.open, table.site = true, &site{after: end, empty: true}
	return table
}

// entry reads KEY = value of a table.
func (s *scanner) entry(table *node, n *unstable.Node, inline bool) {
	start, end := int(n.Raw.Offset), int(n.Raw.Offset+n.Raw.Length)
	keys := n.Key()
	for keys.Next() {
		k := keys.Node()
		if have := table.get(string(k.Data)); have != nil && (keys.IsLast() || have.form != formTable || have.open) {
			s.twice(have, k)
			return
		}
		if keys.IsLast() {
			keyEnd := int(k.Raw.Offset + k.Raw.Length)
			value := s.value(n.Value(), table, string(k.Data))
			value.start, value.end = tomltext.SkipBlank(s.file.body, tomltext.SkipBlank(s.file.body, keyEnd)+1), end
			s.add(table, k, value)
			return
		}
		next := table.get(string(k.Data))
		if next == nil {
			next = s.add(table, k, &node{form: formTable})
		}
		table = next
		local := k.Next()
		table.site = &site{after: end, inline: inline, prefix: string(s.file.body[start:local.Raw.Offset])}
	}
}

// add adds an entry to a table.
func (s *scanner) add(table *node, k *unstable.Node, value *node) *node {
	s.nodes++
	value.key, value.path = int(k.Raw.Offset), below(table.path, string(k.Data))
	table.entries = append(table.entries, entry{string(k.Data), value})
	return value
}

// twice reports a key that is there already.
func (s *scanner) twice(have *node, k *unstable.Node) {
	line, _ := tomltext.Position(s.file.body, have.key)
	s.problems = append(s.problems, s.file.problemAt(int(k.Raw.Offset), have.path, fmt.Sprintf("%s is already defined in line %d", have.path, line)))
}

// value reads a value; key is its key in the table.
func (s *scanner) value(n *unstable.Node, table *node, key string) *node {
	s.nodes++
	v := &node{path: below(table.path, key), start: int(n.Raw.Offset), end: int(n.Raw.Offset + n.Raw.Length), text: string(n.Data)}
	v.key = v.start
	switch n.Kind {
	case unstable.String:
		v.form = formString
	case unstable.Integer:
		v.form = formInteger
	case unstable.Bool:
		v.form = formBool
	case unstable.Array:
		v.form = formArray
		for children := n.Children(); children.Next(); {
			item := s.value(children.Node(), table, key)
			if children.Node().Kind == unstable.Array { // which has no position
				item.key = max(item.key, int(n.Raw.Offset))
			}
			v.items = append(v.items, item)
		}
	case unstable.InlineTable:
		v.form, v.open = formTable, true
		v.site = &site{after: int(n.Raw.Offset) + 1, inline: true, empty: true}
		for children := n.Children(); children.Next(); {
			child := children.Node()
			s.entry(v, child, true)
			v.site.after, v.site.empty = int(child.Raw.Offset+child.Raw.Length), false
		}
		closing := tomltext.SkipSpace(s.file.body, v.site.after)
		if s.file.body[closing] == ',' {
			closing = tomltext.SkipSpace(s.file.body, closing+1)
		}
		v.end = closing + 1
	default:
		v.form = formOther
	}
	return v
}

// below returns the path of a key in the table at a path.
func below(path, key string) string {
	if path == "" {
		return tomltext.Key(key)
	}
	return path + "." + tomltext.Key(key)
}

// integer returns the value of a number; ok is false if it does not fit.
func (n *node) integer() (value int64, ok bool) {
	value, err := strconv.ParseInt(strings.ReplaceAll(n.text, "_", ""), 0, 64)
	return value, err == nil
}

// texts returns the strings of an array.
func (n *node) texts() []string {
	if n == nil {
		return nil
	}
	out := make([]string, 0, len(n.items))
	for _, item := range n.items {
		out = append(out, item.text)
	}
	return out
}

// names returns the keys of a table.
func (n *node) names() []string {
	var out []string
	if n != nil {
		for _, e := range n.entries {
			out = append(out, e.name)
		}
	}
	return slices.Clip(out)
}
