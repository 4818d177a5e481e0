package terminal

import (
	"strings"
	"unicode/utf8"
)

// A listener is told what a program writes, piece by piece.
type listener interface {
	// print is a character to show.
	print(r rune)
	// control is a control character below 0x20.
	control(r rune)
	// escape is an escape sequence of two characters or more, without the first:
	// "7", "(0".
	escape(seq string)
	// csi is a control sequence: its private mark and intermediate characters with
	// the final one, such as "?$p", and its parameters: "1;2".
	csi(name, params string)
	// str is a control string: its kind, one of "P]X^_", its text, and what ended
	// it.
	str(kind rune, text, end string)
}

// Sequences longer than these are no one's, and are left out whole.
const (
	maxSequence = 256
	maxString   = 1 << 16
)

// A parser cuts what a program writes into characters and sequences, after
// ECMA-48 and what xterm makes of it. Reads may end anywhere.
type parser struct {
	to    listener
	rest  []byte // of a character that is still to be read
	state func(p *parser, r rune)
	kind  rune            // of the string
	seq   strings.Builder // what was read of the sequence or string
}

func (p *parser) write(b []byte) {
	b = append(p.rest, b...)
	for len(b) > 0 && utf8.FullRune(b) {
		r, n := utf8.DecodeRune(b) // U+FFFD for what is no UTF-8
		b = b[n:]
		if p.state == nil {
			p.state = (*parser).ground
		}
		p.state(p, r)
	}
	p.rest = append([]byte(nil), b...)
}

const (
	bell   = 0x07
	cancel = 0x18
	sub    = 0x1a
	esc    = 0x1b
)

func (p *parser) enter(state func(p *parser, r rune)) {
	p.state = state
	p.seq.Reset()
}

// anywhere does what holds within every sequence: one may be broken off, another
// may begin, and control characters act as if they stood before it.
func (p *parser) anywhere(r rune) bool {
	switch {
	case r == esc:
		p.enter((*parser).escape)
	case r == cancel, r == sub:
		p.enter((*parser).ground)
	case r < 0x20:
		p.to.control(r)
	default:
		return false
	}
	return true
}

func (p *parser) ground(r rune) {
	switch {
	case p.anywhere(r), 0x7f <= r && r <= 0x9f: // neither DEL nor the C1 controls are shown
	default:
		p.to.print(r)
	}
}

func (p *parser) escape(r rune) {
	switch {
	case p.anywhere(r):
	case 0x20 <= r && r <= 0x2f && p.seq.Len() < maxSequence:
		p.seq.WriteRune(r)
	case r == '[' && p.seq.Len() == 0:
		p.enter((*parser).control)
	case strings.ContainsRune("P]X^_", r) && p.seq.Len() == 0:
		p.kind = r
		p.enter((*parser).str)
	default:
		seq := p.seq.String() + string(r)
		p.enter((*parser).ground)
		p.to.escape(seq)
	}
}

func (p *parser) control(r rune) {
	switch {
	case p.anywhere(r):
	case 0x20 <= r && r <= 0x3f:
		if p.seq.Len() <= maxSequence {
			p.seq.WriteRune(r)
		}
	case 0x40 <= r && r <= 0x7e:
		body := p.seq.String()
		p.enter((*parser).ground)
		if len(body) > maxSequence {
			return
		}
		mark := body[:len(body)-len(strings.TrimLeft(body, "<=>?"))]
		params := strings.TrimRight(body[len(mark):], " !\"#$%&'()*+,-./")
		p.to.csi(mark+body[len(mark)+len(params):]+string(r), params)
	default:
		p.enter((*parser).ground)
	}
}

func (p *parser) str(r rune) {
	switch {
	case r == bell && p.kind == ']':
		p.endString("\a")
	case r == esc:
		p.state = (*parser).strEscape
	case r == cancel, r == sub:
		p.enter((*parser).ground)
	case p.seq.Len() <= maxString:
		p.seq.WriteRune(r)
	}
}

// strEscape is after an escape within a string: it ends the string, or begins
// another sequence in its place.
func (p *parser) strEscape(r rune) {
	if r == '\\' {
		p.endString("\x1b\\")
		return
	}
	p.enter((*parser).escape)
	p.escape(r)
}

func (p *parser) endString(end string) {
	body := p.seq.String()
	p.enter((*parser).ground)
	if len(body) <= maxString {
		p.to.str(p.kind, body, end)
	}
}
