package terminal

import (
	"fmt"
	"strings"

	uv "github.com/charmbracelet/ultraviolet"
	"github.com/charmbracelet/x/vt"
)

// A Line is a row of the screen. Each cell is one or two columns wide and has text,
// a blank by default. A line that scrolled off ends with its last character.
type Line []uv.Cell

// String returns the text of the line without trailing blanks.
func (l Line) String() string {
	var b strings.Builder
	for _, c := range l {
		b.WriteString(c.Content)
	}
	return strings.TrimRight(b.String(), " ")
}

// text returns the text of lines, without trailing blank lines.
func text(lines []Line) string {
	var b strings.Builder
	for _, l := range lines {
		b.WriteString(l.String())
		b.WriteByte('\n')
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

// newScreen makes an emulator with the colors of the pictures. Its replies must be
// read while it is written to.
func newScreen(columns, rows int) *vt.Emulator {
	screen := vt.NewEmulator(columns, rows)
	screen.SetDefaultForegroundColor(textColor)
	screen.SetDefaultBackgroundColor(windowColor)
	screen.SetDefaultCursorColor(textColor)
	return screen
}

// linesOf are the rows of a screen.
func linesOf(screen *vt.Emulator) []Line {
	lines := make([]Line, screen.Height())
	for y := range lines {
		row := make(uv.Line, screen.Width())
		for x := range row {
			row[x] = *screen.CellAt(x, y)
		}
		lines[y] = lineOf(row)
	}
	return lines
}

// lineOf drops the second cells of wide characters, which have no width. A
// combining character with nothing before it has no width either, but has a column:
// it becomes a blank.
func lineOf(row uv.Line) Line {
	line := make(Line, 0, len(row))
	for _, c := range row {
		switch {
		case c.Width > 0:
			line = append(line, c)
		case c.Content != "":
			line = append(line, uv.EmptyCell)
		}
	}
	return line
}

// resize changes the size of a screen. Rows that no longer fit above the cursor
// scroll off, as in xterm; the emulator would cut them off at the bottom.
func resize(screen *vt.Emulator, columns, rows int) {
	if over := screen.CursorPosition().Y - rows + 1; over > 0 && !screen.IsAltScreen() {
		// SU does not move the cursor, so CUU does.
		fmt.Fprintf(screen, "\x1b[%dS\x1b[%dA", over, over)
	}
	screen.Resize(columns, rows)
}
