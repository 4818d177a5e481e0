package flytoml

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/fly-aws/fly-aws/internal/tomltext"
)

// An edit replaces the bytes from start to end with text.
type edit struct {
	start, end int
	text       string
}

// set returns the edit that sets key to value, and the index of the env table that
// holds it.
func (lay *layout) set(key, value string) (table int, change edit, err error) {
	if err := lay.refuse(key); err != nil {
		return 0, edit{}, err
	}
	// In flyctl the last table with the key wins.
	for i, s := range slices.Backward(lay.sections) {
		for _, e := range s.entries {
			if e.name == key && !e.dotted {
				quote := lay.body[e.value]
				if quote != '"' && quote != '\'' {
					quote = lay.style(&s).quote
				}
				return i, edit{e.value, e.end, tomltext.String(value, quote)}, nil
			}
		}
	}
	if len(lay.sections) == 0 {
		return 0, lay.addTable(key, value), nil
	}
	last := len(lay.sections) - 1
	s := &lay.sections[last]
	st := lay.style(s)
	if s.form == formInline {
		return last, lay.addInline(s, st.pair(key, value)), nil
	}
	line := st.indent + st.prefix + st.pair(key, value)
	after := s.end
	if n := len(s.entries); n > 0 {
		after = s.entries[n-1].end
	}
	return last, lay.addLine(after, line), nil
}

// addLine adds a line below the line that holds the offset.
func (lay *layout) addLine(offset int, line string) edit {
	end, ok := tomltext.LineEnd(lay.body, offset)
	if !ok {
		return edit{end, end, tomltext.Newline(lay.body) + line}
	}
	newline := "\n"
	if end >= 2 && lay.body[end-2] == '\r' {
		newline = "\r\n"
	}
	return edit{end, end, line + newline}
}

// addTable adds a table [env] with one entry at the end of the text, after a blank
// line. The text keeps or lacks its final newline as before.
func (lay *layout) addTable(key, value string) edit {
	newline := tomltext.Newline(lay.body)
	st := lay.style(nil)
	text := "[env]" + newline + st.indent + st.pair(key, value)

	end := len(lay.body)
	lines, final := bytes.CutSuffix(lay.body, []byte("\n"))
	last := lines[bytes.LastIndexByte(lines, '\n')+1:]
	if len(bytes.TrimSpace(last)) > 0 {
		text = newline + text
	}
	if end > 0 && !final {
		text = newline + text
	} else {
		text += newline
	}
	return edit{end, end, text}
}

// addInline adds an entry inside braces.
func (lay *layout) addInline(s *section, pair string) edit {
	n := len(s.entries)
	if n == 0 {
		at := s.start + 1
		if lay.body[at] == '}' {
			pair += " "
		}
		return edit{at, at, " " + pair}
	}
	at := s.entries[n-1].end
	separator := ", "
	if n > 1 {
		between := lay.body[s.entries[n-2].end:s.entries[n-1].start]
		if string(between) == "," {
			separator = ","
		}
	}
	return edit{at, at, separator + pair}
}

// unset returns the edits that remove key, in order of position.
func (lay *layout) unset(key string) ([]edit, error) {
	if err := lay.refuse(key); err != nil {
		return nil, err
	}
	var edits []edit
	for i := range lay.sections {
		s := &lay.sections[i]
		for j, e := range s.entries {
			if e.name != key || e.dotted {
				continue
			}
			if s.form == formInline {
				edits = append(edits, lay.dropInline(s, j)...)
			} else {
				edits = append(edits, lay.dropLine(e))
			}
		}
	}
	return edits, nil
}

// dropLine removes an entry's lines, and the newline before them if no newline
// follows.
func (lay *layout) dropLine(e entry) edit {
	start := tomltext.LineStart(lay.body, e.start)
	end, ok := tomltext.LineEnd(lay.body, e.end)
	if !ok && start > 0 {
		start--
		if start > 0 && lay.body[start-1] == '\r' {
			start--
		}
	}
	return edit{start: start, end: end}
}

// dropInline removes an entry inside braces with the comma before it or, for the
// first entry, after it. TOML 1.1 allows newlines, comments and a trailing comma in
// braces; a comma on another line is removed by a separate edit.
func (lay *layout) dropInline(s *section, i int) []edit {
	e := s.entries[i]
	if i > 0 {
		before := s.entries[i-1].end
		if bytes.IndexByte(lay.body[before:e.start], '\n') < 0 {
			return []edit{{start: before, end: e.end}}
		}
	}
	start := e.start
	if len(s.entries) == 1 { // keep the blanks after it
		for lay.body[start-1] == ' ' || lay.body[start-1] == '\t' {
			start--
		}
	}
	comma := tomltext.SkipSpace(lay.body, e.end)
	switch {
	case lay.body[comma] != ',':
		return []edit{{start: start, end: e.end}}
	case bytes.IndexByte(lay.body[e.end:comma], '\n') >= 0:
		return []edit{{start: start, end: e.end}, {start: comma, end: comma + 1}}
	}
	return []edit{{start: start, end: tomltext.SkipBlank(lay.body, comma+1)}}
}

// refuse returns the error for a key that is not a single value in one place.
func (lay *layout) refuse(key string) error {
	if lay.bracketed {
		return syntaxError(lay.body, lay.env, "env is an array in brackets, which fly-aws does not edit: write it as a table [env]")
	}
	at := -1
	for _, n := range lay.nested {
		if n.key == key {
			at = n.offset
		}
	}
	for _, s := range lay.sections {
		for _, e := range s.entries {
			if e.name == key && e.dotted {
				at = e.start
			}
		}
	}
	if at < 0 {
		return nil
	}
	return syntaxError(lay.body, at, fmt.Sprintf("%q in env is a table, not a value", key))
}
