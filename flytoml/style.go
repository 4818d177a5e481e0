package flytoml

import (
	"bytes"
	"slices"
	"strings"

	"github.com/fly-aws/fly-aws/internal/tomltext"
)

// A style is how an entry is written.
type style struct {
	indent        string // before the key
	prefix        string // "env." for dotted keys
	before, after string // around the equals sign
	column        int    // of the equals sign, counted from the key; 0 if they are not aligned
	quote         byte   // ' or "
}

// pair writes an entry.
func (st style) pair(key, value string) string {
	key = tomltext.Key(key)
	before := st.before
	if st.column > 0 {
		before = strings.Repeat(" ", max(1, st.column-len(st.prefix)-len(key)))
	}
	return key + before + "=" + st.after + tomltext.String(value, st.quote)
}

// style is learned from the section's own entries, or from other tables for an
// empty section and for a new one, which is nil.
func (lay *layout) style(s *section) style {
	// Indented as flyctl writes it, quoted as in Fly's documentation.
	st := style{indent: "  ", before: " ", after: " ", quote: '"'}
	switch {
	case s == nil:
		lay.learn(&st, lay.others)
		st.indent = lay.below(st.indent)
	case len(s.entries) > 0:
		lay.learn(&st, s.entries)
		last := s.entries[len(s.entries)-1]
		st.indent = string(lay.indent(last.start))
		st.prefix = string(lay.body[last.start:last.local])
		st.column = lay.column(s.entries)
	case s.form == formTable:
		lay.learn(&st, lay.others)
		st.indent = string(lay.indent(s.start)) + lay.below(st.indent)
	}
	return st
}

// learn takes the spacing of the last entry, and the quotes of the last quoted one.
func (lay *layout) learn(st *style, from []entry) {
	for i, e := range slices.Backward(from) {
		if i == len(from)-1 {
			eq := lay.equals(e)
			st.before, st.after = string(lay.body[e.keyEnd:eq]), string(lay.body[eq+1:e.value])
			if len(st.before) > 1 { // it was padded for alignment
				st.before = " "
			}
		}
		if q := lay.body[e.value]; q == '"' || q == '\'' {
			st.quote = q
			return
		}
	}
}

// below returns how far the last table indents its entries below its header, or the
// default if there is none.
func (lay *layout) below(indent string) string {
	for _, e := range slices.Backward(lay.others) {
		if e.header < 0 {
			break
		}
		if more, ok := bytes.CutPrefix(lay.indent(e.start), lay.indent(e.header)); ok {
			return string(more)
		}
	}
	return indent
}

// column returns the column of the entries' equals signs if they were aligned with
// blanks, else 0.
func (lay *layout) column(entries []entry) int {
	column, padded := 0, false
	for _, e := range entries {
		eq := lay.equals(e)
		blanks := lay.body[e.keyEnd:eq]
		if bytes.IndexByte(blanks, '\t') >= 0 || column > 0 && eq-e.start != column {
			return 0
		}
		column = eq - e.start
		padded = padded || len(blanks) > 1
	}
	if !padded {
		return 0
	}
	return column
}
