package trustfile

import (
	"bytes"
	"io"
	"sort"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// A source is JSON text to scan, which knows the places of its bytes in the file.
type source interface {
	// decoder returns the decoder of the text. It is called once, and first.
	decoder() *jsontext.Decoder
	// at returns the place in the file of an offset. Offsets do not decrease from call to
	// call, and are not before the end of the last token.
	at(offset int64) (line, column int)
	// inside returns the function for Found.inside of a value, which begins at an offset
	// that has a line and column.
	inside(value []byte, start int64, line, column int) func(offset int) (int, int)
	// document returns the whole text, nil if it is too large for one policy.
	document() []byte
}

// after returns the place after the text, if the text begins at a line and column.
func after(line, column int, text []byte) (int, int) {
	if n := bytes.Count(text, []byte{'\n'}); n > 0 {
		line, column = line+n, 1
		text = text[bytes.LastIndexByte(text, '\n')+1:]
	}
	return line, column + utf8.RuneCount(text)
}

// lines is a source that is the file itself. It keeps no more of it than the decoder.
type lines struct {
	r     io.Reader
	whole []byte // nil if the file is too large for a policy

	dec          *jsontext.Decoder
	err          error  // of r
	ahead        []byte // what was read from offset on
	offset       int64
	line, column int // of offset
}

func (l *lines) decoder() *jsontext.Decoder {
	l.line, l.column = 1, 1
	l.dec = jsontext.NewDecoder(l)
	return l.dec
}

// Read reads for the decoder.
func (l *lines) Read(p []byte) (int, error) {
	l.at(l.dec.InputOffset())
	n, err := l.r.Read(p)
	l.ahead = append(l.ahead, p[:n]...)
	if err != nil && err != io.EOF {
		l.err = err
	}
	return n, err
}

func (l *lines) at(offset int64) (line, column int) {
	n := min(max(offset-l.offset, 0), int64(len(l.ahead)))
	l.line, l.column = after(l.line, l.column, l.ahead[:n])
	l.offset, l.ahead = l.offset+n, l.ahead[n:]
	return l.line, l.column
}

func (l *lines) inside(value []byte, _ int64, line, column int) func(int) (int, int) {
	return func(offset int) (int, int) {
		for offset < len(value) && !utf8.RuneStart(value[offset]) {
			offset--
		}
		return after(line, column, value[:offset])
	}
}

func (l *lines) document() []byte { return l.whole }

// converted is a source that was made of YAML or of a string.
type converted struct {
	text  []byte
	marks []mark // in the order of offsets; the first is at 0
}

// A mark is the place in the file of the key or value at an offset.
type mark struct{ offset, line, column int }

func (c *converted) decoder() *jsontext.Decoder {
	return jsontext.NewDecoder(bytes.NewReader(c.text))
}

func (c *converted) at(offset int64) (line, column int) {
	i := sort.Search(len(c.marks), func(i int) bool { return int64(c.marks[i].offset) > offset })
	m := c.marks[max(i-1, 0)]
	return m.line, m.column
}

func (c *converted) inside(_ []byte, start int64, _, _ int) func(int) (int, int) {
	return func(offset int) (int, int) { return c.at(start + int64(offset)) }
}

func (c *converted) document() []byte { return c.text }
