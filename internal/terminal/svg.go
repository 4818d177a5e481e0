package terminal

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode"

	uv "github.com/charmbracelet/ultraviolet"
)

// A Picture shows lines of a terminal in a window.
type Picture struct {
	// Title is the window's, such as "fly-aws setup".
	Title string
	// Description is the text alternative of the picture.
	Description string
	// Lines are drawn without leading and trailing empty ones.
	Lines []Line
	// Columns is the minimum width, so that several pictures have the same; wider
	// lines widen the picture.
	Columns int
}

// Lengths are in tenths of a pixel, so that sums are exact.
const (
	cellWidth  = 84  // of the text's size; 0.6 of it in most monospaced fonts
	rowHeight  = 180 // from line to line
	baseline   = 135 // below the top of a row
	textSize   = 140
	titleSize  = 130
	barHeight  = 340 // the window's title bar
	titleLine  = 215 // the title's baseline
	padding    = 160
	corner     = 80
	fewest     = 32 // columns, so that the title fits
	fontFamily = "ui-monospace, SFMono-Regular, Menlo, Consolas, monospace"
	button     = 50 // a button's radius
)

// SVG draws a picture as a self-contained document without scripts, fonts and style
// sheets: selectable text, rectangles and circles. Its own background and border
// make it readable on light and dark pages. The same picture gives the same bytes.
//
// Columns line up in any font, because each run of text has a length. Characters
// that XML does not allow or that change the direction of text are left out.
func SVG(w io.Writer, p Picture) error {
	title, description := printable(p.Title), printable(p.Description)
	if strings.TrimSpace(title) == "" || strings.TrimSpace(description) == "" {
		return errors.New("draw a picture: it needs a title and a description")
	}
	lines := withContent(p.Lines)
	if len(lines) == 0 {
		return errors.New("draw a picture: no line has content")
	}
	columns := max(p.Columns, fewest)
	for _, l := range lines {
		columns = max(columns, extent(l))
	}
	d := drawing{
		width:  2*padding + columns*cellWidth,
		height: barHeight + 2*padding + len(lines)*rowHeight,
	}
	d.open(title, description, columns)
	for y, l := range lines {
		d.line(l, barHeight+padding+y*rowHeight)
	}
	d.add("</g>\n</svg>\n")
	_, err := w.Write(d.Bytes())
	return err
}

// withContent cuts off empty lines at both ends.
func withContent(lines []Line) []Line {
	for len(lines) > 0 && extent(lines[0]) == 0 {
		lines = lines[1:]
	}
	for len(lines) > 0 && extent(lines[len(lines)-1]) == 0 {
		lines = lines[:len(lines)-1]
	}
	return lines
}

// extent is the number of columns up to the last visible one.
func extent(l Line) int {
	x, last := 0, 0
	for _, c := range l {
		x += c.Width
		if isVisible(c) {
			last = x
		}
	}
	return last
}

// isVisible reports whether a cell differs from an empty one.
func isVisible(c uv.Cell) bool {
	return strings.Trim(c.Content, " ") != "" || hasLine(c) || lookOf(c).bg != windowColor
}

// hasLine reports whether the cell has a line that shows on a blank too.
func hasLine(c uv.Cell) bool {
	return c.Style.Underline != uv.UnderlineNone || c.Style.Attrs&uv.AttrStrikethrough != 0
}

// A look is a style as drawn.
type look struct {
	fg, bg                          rgb
	bold, italic, underline, strike bool
}

func lookOf(c uv.Cell) look {
	s := c.Style
	has := func(attr uint8) bool { return s.Attrs&attr != 0 }
	l := look{
		fg: shown(s.Fg, textColor), bg: shown(s.Bg, windowColor),
		bold: has(uv.AttrBold), italic: has(uv.AttrItalic),
		underline: s.Underline != uv.UnderlineNone, strike: has(uv.AttrStrikethrough),
	}
	if has(uv.AttrReverse) {
		l.fg, l.bg = l.bg, l.fg
	}
	if has(uv.AttrFaint) {
		l.fg = mixed(l.fg, l.bg)
	}
	return l
}

type drawing struct {
	bytes.Buffer
	width, height int
}

func (d *drawing) add(format string, args ...any) { fmt.Fprintf(d, format, args...) }

// open draws the window.
func (d *drawing) open(title, description string, columns int) {
	d.add(`<svg xmlns="http://www.w3.org/2000/svg" width="%s" height="%s" viewBox="0 0 %s %s" role="img" aria-labelledby="title description">`+"\n",
		px(d.width), px(d.height), px(d.width), px(d.height))
	d.add("<title id=\"title\">%s</title>\n", escaped(title))
	d.add("<desc id=\"description\">%s</desc>\n", escaped(description))
	// Half a pixel inside, the border is sharp.
	d.add(`<rect x="0.5" y="0.5" width="%s" height="%s" rx="%s" fill="%v" stroke="%v"/>`+"\n",
		px(d.width-10), px(d.height-10), px(corner), windowColor, frameColor)
	d.add(`<path d="M0.5 %s H%s" stroke="%v"/>`+"\n", px(barHeight-5), px(d.width-5), frameColor)
	for i := range 3 {
		d.add(`<circle cx="%s" cy="%s" r="%s" fill="%v"/>`+"\n", px(padding+button+i*170), px(barHeight/2), px(button), frameColor)
	}
	// The title keeps the same distance from the buttons and from the right.
	if room := columns - 14; len([]rune(title)) > room {
		title = string([]rune(title)[:room-1]) + "…"
	}
	d.add(`<g font-family="%s" font-size="%s" fill="%v">`+"\n", fontFamily, px(textSize), textColor)
	d.add(`<text x="%s" y="%s" font-size="%s" text-anchor="middle" fill="%v">%s</text>`+"\n",
		px(d.width/2), px(titleLine), px(titleSize), titleColor, escaped(title))
}

// line draws a line with its top at y.
func (d *drawing) line(l Line, y int) {
	l = cut(l)
	for _, r := range runs(l, func(a, b uv.Cell) bool { return lookOf(a).bg == lookOf(b).bg }) {
		if bg := lookOf(r.cells[0]).bg; bg != windowColor {
			d.add(`<rect x="%s" y="%s" width="%s" height="%s" fill="%v" shape-rendering="crispEdges"/>`+"\n",
				px(padding+r.column*cellWidth), px(y), px(r.columns*cellWidth), px(rowHeight), bg)
		}
	}
	d.lines(l, y)
	if l.String() == "" && !slices.ContainsFunc(l, hasLine) {
		return
	}
	d.add(`<text y="%s" xml:space="preserve">`, px(y+baseline))
	for _, r := range runs(joined(l), together) {
		d.run(r)
	}
	d.add("</text>\n")
}

// joined gives blanks the style of the cell before them where it looks the same,
// for fewer runs.
func joined(l Line) Line {
	l = slices.Clone(l)
	for i := range l {
		if i > 0 && l[i].Content == " " && !hasLine(l[i]) && !hasLine(l[i-1]) {
			l[i].Style = l[i-1].Style
		}
	}
	return l
}

// cut cuts off trailing cells that show nothing.
func cut(l Line) Line {
	for len(l) > 0 && !isVisible(l[len(l)-1]) {
		l = l[:len(l)-1]
	}
	return l
}

// A run is a sequence of cells that is drawn as one.
type run struct {
	column, columns int // start and width
	cells           []uv.Cell
}

// runs splits a line between neighbors that do not belong together.
func runs(l Line, together func(a, b uv.Cell) bool) []run {
	var all []run
	x := 0
	for i, c := range l {
		if i == 0 || !together(l[i-1], c) {
			all = append(all, run{column: x})
		}
		r := &all[len(all)-1]
		r.cells = append(r.cells, c)
		r.columns += c.Width
		x += c.Width
	}
	return all
}

// together reports whether two cells can be in one run of text. All characters of a
// run are stretched alike, so they must be of one font: ASCII characters, or the
// same character repeated.
func together(a, b uv.Cell) bool {
	l, m := lookOf(a), lookOf(b)
	l.bg, m.bg = rgb{}, rgb{} // drawn already
	return l == m && (a.Content == b.Content || ascii(a.Content) && ascii(b.Content))
}

func ascii(s string) bool { return len(s) == 1 && s[0] < 0x80 }

func (d *drawing) run(r run) {
	var text strings.Builder
	for _, c := range r.cells {
		if t := printable(c.Content); t != "" {
			text.WriteString(t)
		} else {
			text.WriteByte(' ')
		}
	}
	d.add(`<tspan x="%s" textLength="%s" lengthAdjust="spacingAndGlyphs"`, px(padding+r.column*cellWidth), px(r.columns*cellWidth))
	l := lookOf(r.cells[0])
	if _, drawn := arms[r.cells[0].Content]; drawn {
		d.add(` fill-opacity="0"`) // invisible, but selectable
	} else if l.fg != textColor {
		d.add(` fill="%v"`, l.fg)
	}
	if l.bold {
		d.add(` font-weight="bold"`)
	}
	if l.italic {
		d.add(` font-style="italic"`)
	}
	switch {
	case l.underline && l.strike:
		d.add(` text-decoration="underline line-through"`)
	case l.underline:
		d.add(` text-decoration="underline"`)
	case l.strike:
		d.add(` text-decoration="line-through"`)
	}
	d.add(">%s</tspan>", escaped(text.String()))
}

// px is a length in pixels.
func px(tenths int) string {
	if tenths%10 == 0 {
		return strconv.Itoa(tenths / 10)
	}
	return fmt.Sprintf("%d.%d", tenths/10, tenths%10)
}

// printable drops what XML does not allow, control characters, and those that
// change the direction of text.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r), r == 0xfffe, r == 0xffff:
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
}

func escaped(s string) string {
	var b strings.Builder
	// It fails only if the writer does.
	_ = xml.EscapeText(&b, []byte(s))
	return b.String()
}
