package render

import (
	"fmt"
	"io"
)

// A Style says how text is shown. The zero value is plain Unicode text.
type Style struct {
	// Color allows ANSI colors. They only repeat what the text says.
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

// A printer writes lines. Write errors are left to the writer's owner.
type printer struct {
	w io.Writer
	Style
}

func (p printer) line(format string, args ...any) {
	fmt.Fprintf(p.w, format+"\n", args...)
}
