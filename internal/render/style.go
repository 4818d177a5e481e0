package render

import (
	"fmt"
	"io"
	"strings"
	"unicode"
)

// A Style says how text is shown. The zero value is plain Unicode text.
type Style struct {
	// Color allows ANSI colours. They only repeat what the text says.
	Color bool
	// ASCII replaces the glyphs that need Unicode.
	ASCII bool
}

type paint string

const (
	bold   paint = "1"
	dim    paint = "2"
	red    paint = "31"
	green  paint = "32"
	yellow paint = "33"
)

func (s Style) paint(p paint, text string) string {
	if !s.Color || text == "" {
		return text
	}
	return "\x1b[" + string(p) + "m" + text + "\x1b[0m"
}

func (s Style) ok() string {
	if s.ASCII {
		return s.paint(green, "ok")
	}
	return s.paint(green, "✓")
}

func (s Style) bad() string {
	if s.ASCII {
		return s.paint(red, "x")
	}
	return s.paint(red, "✗")
}

func (s Style) arrow() string {
	if s.ASCII {
		return "->"
	}
	return "→"
}

// Clean makes text from outside safe for a terminal: control characters, which
// could move the cursor or change colours, and invisible characters that change
// the direction of writing are shown as escapes. A tab stays.
func Clean(text string) string {
	safe := func(r rune) bool {
		return r == '\t' || unicode.IsGraphic(r) && !unicode.Is(unicode.Bidi_Control, r)
	}
	if strings.IndexFunc(text, func(r rune) bool { return !safe(r) || r == unicode.ReplacementChar }) < 0 {
		return text
	}
	var b strings.Builder
	for i, r := range text {
		switch {
		case r == unicode.ReplacementChar && !strings.HasPrefix(text[i:], string(unicode.ReplacementChar)):
			fmt.Fprintf(&b, `\x%02x`, text[i]) // a byte that is not UTF-8
		case safe(r):
			b.WriteRune(r)
		case r < 0x80:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// printer writes lines; the first error of the writer is kept by the caller's
// own writer, since a terminal that went away is nobody's to mend here.
type printer struct {
	w io.Writer
	Style
}

func (p printer) line(format string, args ...any) {
	fmt.Fprintf(p.w, format+"\n", args...)
}
