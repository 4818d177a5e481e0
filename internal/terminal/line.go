package terminal

import "strings"

// A Color is that of a text or its background. The zero value is the terminal's
// own.
type Color struct {
	kind    colorKind
	r, g, b uint8 // of the palette, r is the number
}

type colorKind uint8

const (
	own colorKind = iota
	ofPalette
	ofParts
)

// Palette is a colour by its number, 0 to 255: 8 colours, the same brighter, and
// those of xterm.
func Palette(n uint8) Color { return Color{kind: ofPalette, r: n} }

// RGB is a colour by its parts.
func RGB(red, green, blue uint8) Color { return Color{ofParts, red, green, blue} }

// A Style is how a character is drawn.
type Style struct {
	// FG is the colour of the text and BG that behind it. Reverse draws them the
	// other way round.
	FG, BG                                          Color
	Bold, Faint, Italic, Underline, Strike, Reverse bool
}

// A Cell is what stands at one place of a line.
type Cell struct {
	// Text is a character with all that combines with it, and a blank where there
	// is none. It has no control characters.
	Text string
	// Width is the number of columns it takes: 1 or 2.
	Width int
	Style Style
}

// A Line is a row of the screen, from the first column to the last.
type Line []Cell

// String is the text of the line without the blanks at its end.
func (l Line) String() string {
	var b strings.Builder
	for _, c := range l {
		b.WriteString(c.Text)
	}
	return strings.TrimRight(b.String(), " ")
}

// text is what can be read in lines, without the blank ones at the end.
func text(lines []Line) string {
	var b strings.Builder
	for _, l := range lines {
		b.WriteString(l.String())
		b.WriteByte('\n')
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}
