package terminal

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/hinshun/vt10x"
)

// vt10x keeps a character and two colours for each cell. It is given characters
// of a private plane for what it does not know, and the number of a style in
// place of the text's colour.
const (
	firstCluster = 0x100000 // the first number of screen.clusters
	secondHalf   = 0x10fffc // stands right of a wide character
	space        = 0x10fffd // a blank that was written, and not left by erasing

	// wrapPending is set in the cursor's state by vt10x after the last column was
	// written: the next character goes to the next line.
	wrapPending = 1 << 1
)

const (
	maxHistory     = 10_000 // lines
	maxCombined    = 8      // characters to one that they combine with
	maxParameter   = 9999
	nameAndVersion = "xterm(0)"
)

// A screen shows what a program writes, and answers it.
type screen struct {
	vt     vt10x.Terminal
	parser parser
	answer strings.Builder // what the program has to be sent

	styles     []Style
	styleIDs   map[Style]int
	clusters   []string
	clusterIDs map[string]rune
	free       rune // for the next cluster

	history     []Line       // what scrolled off the top
	top, bottom int          // the rows that scroll
	modes       map[int]bool // private modes that are known, and whether they are set
	insert      bool
	last        rune // for REP
}

func newScreen(columns, rows int) *screen {
	s := &screen{
		vt:         vt10x.New(vt10x.WithSize(columns, rows)),
		styleIDs:   make(map[Style]int),
		clusterIDs: make(map[string]rune),
		free:       firstCluster,
	}
	s.parser.to = s
	s.reset()
	return s
}

// reset sets what the screen itself keeps to what a terminal begins with.
func (s *screen) reset() {
	_, rows := s.vt.Size()
	s.top, s.bottom = 0, rows-1
	s.insert, s.last = false, 0
	s.modes = map[int]bool{
		1: false, 5: false, 6: false, 7: true, 9: false, 12: false, 25: true,
		47: false, 1000: false, 1002: false, 1003: false, 1004: false, 1006: false,
		1047: false, 1048: false, 1049: false, 2004: false,
	}
}

// write shows what a program wrote and returns what it has to be answered.
func (s *screen) write(b []byte) string {
	s.parser.write(b)
	defer s.answer.Reset()
	return s.answer.String()
}

// draw has vt10x draw something. It never fails.
func (s *screen) draw(format string, args ...any) { fmt.Fprintf(s.vt, format, args...) }

// resize changes the size. Lines that no longer fit go off the top.
func (s *screen) resize(columns, rows int) {
	before, _ := s.vt.Size()
	if !s.alternate() {
		for y := range max(0, s.vt.Cursor().Y-rows+1) {
			s.keep(y)
		}
	}
	s.vt.Resize(columns, rows)
	s.top, s.bottom = 0, rows-1
	// vt10x sets no tab stops where the screen became wider.
	at := s.vt.Cursor().X
	for x := before; x < columns; x++ {
		if x%8 == 0 {
			s.draw("\x1b[%dG\x1bH", x+1)
		}
	}
	s.draw("\x1b[%dG", at+1)
}

func (s *screen) alternate() bool { return s.vt.Mode()&vt10x.ModeAltScreen != 0 }

// lines are the rows of the screen.
func (s *screen) lines() []Line {
	_, rows := s.vt.Size()
	lines := make([]Line, rows)
	for y := range lines {
		lines[y] = s.line(y)
	}
	return lines
}

// line is a row of the screen.
func (s *screen) line(y int) Line {
	columns, _ := s.vt.Size()
	line := make(Line, 0, columns)
	for x := 0; x < columns; x++ {
		glyph := s.vt.Cell(x, y)
		style := s.style(glyph.FG)
		cell := Cell{Text: " ", Width: 1, Style: Style{BG: style.BG}} // as erasing leaves it
		switch r := glyph.Char; {
		case r == ' ', r == 0, r == secondHalf: // the half of a character whose other half is gone
		case r == space:
			cell.Style = style
		case s.wide(r):
			if x+1 < columns && s.vt.Cell(x+1, y).Char == secondHalf {
				cell = Cell{Text: s.text(r), Width: 2, Style: style}
				x++
			}
		default:
			cell = Cell{Text: s.text(r), Width: 1, Style: style}
		}
		line = append(line, cell)
	}
	return line
}

// text is what a character of vt10x's stands for.
func (s *screen) text(r rune) string {
	if i := int(r) - firstCluster; 0 <= i && i < len(s.clusters) {
		return s.clusters[i]
	}
	return string(r)
}

func (s *screen) wide(r rune) bool {
	for _, first := range s.text(r) {
		return width(first) == 2
	}
	return false
}

// style is what a colour of vt10x's stands for.
func (s *screen) style(c vt10x.Color) Style {
	if c == vt10x.DefaultFG {
		return Style{}
	}
	return s.styles[c]
}

// keep keeps a row that is about to go.
func (s *screen) keep(y int) {
	if len(s.history) == maxHistory {
		s.history = slices.Delete(s.history, 0, 1)
	}
	s.history = append(s.history, s.line(y))
}

// goingDown is called before the cursor goes a line down, which scrolls if it is
// in the last one.
func (s *screen) goingDown() {
	if s.vt.Cursor().Y == s.bottom {
		s.scrolling(1)
	}
}

// scrolling is called before n lines scroll up. As in xterm, those that leave
// the top of the main screen are kept.
func (s *screen) scrolling(n int) {
	if s.top > 0 || s.alternate() {
		return
	}
	for y := range min(n, s.bottom+1) {
		s.keep(y)
	}
}

func (s *screen) print(r rune) {
	columns, _ := s.vt.Size()
	if r >= firstCluster {
		r = '\ufffd'
	}
	w := width(r)
	if w > columns {
		r, w = '\ufffd', 1
	}
	if w == 0 {
		s.combine(r)
		return
	}
	s.last = r
	cur := s.vt.Cursor()
	switch pending := cur.State&wrapPending != 0; {
	case pending && s.modes[7], w == 2 && cur.X == columns-1 && s.modes[7]:
		s.goingDown()
		s.draw("\r\n")
	case w == 2 && cur.X == columns-1:
		return // half of it has no place
	}
	if s.insert {
		s.draw("\x1b[%d@", w)
	}
	s.put(r, w)
}

func (s *screen) put(r rune, w int) {
	if r == ' ' {
		r = space
	}
	s.draw("%c", r)
	if w == 2 {
		s.draw("%c", secondHalf)
	}
}

// combine adds a character to the one before it.
func (s *screen) combine(r rune) {
	cur := s.vt.Cursor()
	x := cur.X
	if cur.State&wrapPending == 0 {
		x--
	}
	if x > 0 && s.vt.Cell(x, cur.Y).Char == secondHalf {
		x--
	}
	if x < 0 {
		return
	}
	before := s.vt.Cell(x, cur.Y).Char
	switch before {
	case space, 0:
		before = ' '
	case secondHalf:
		return
	}
	cluster := s.text(before) + string(r)
	id, known := s.clusterIDs[cluster]
	if !known {
		if len([]rune(cluster)) > 1+maxCombined || s.free == secondHalf {
			return
		}
		id = s.free
		s.free++
		s.clusters = append(s.clusters, cluster)
		s.clusterIDs[cluster] = id
	}
	w := 1
	if s.wide(id) {
		w = 2
	}
	s.draw("\x1b[%dG", x+1)
	s.put(id, w)
}

func (s *screen) control(r rune) {
	switch r {
	case '\n', '\v', '\f':
		s.goingDown()
		s.draw("\n")
	case '\b', '\t', '\r':
		s.draw("%c", r)
	}
}

func (s *screen) escape(seq string) {
	switch seq {
	case "D", "E": // IND, NEL
		s.goingDown()
		s.draw("\x1b%s", seq)
	case "7", "8", "H", "M", "=", ">", "(0", "(B":
		s.draw("\x1b%s", seq)
	case "c": // RIS
		if s.alternate() {
			s.draw("\x1b[?1047l")
		}
		s.draw("\x1b(B\x1bc")
		s.reset()
	}
}

func (s *screen) csi(name, params string) {
	if name == "m" {
		s.setPen(s.selected(s.style(s.vt.Cursor().Attr.FG), params))
		return
	}
	args, ok := numbers(params)
	if !ok {
		return
	}
	// arg is a parameter, or what stands for one that is missing or 0.
	arg := func(i, otherwise int) int {
		if i < len(args) && args[i] > 0 {
			return args[i]
		}
		return otherwise
	}
	columns, rows := s.vt.Size()
	switch name {
	case "S": // SU
		s.scrolling(arg(0, 1))
		s.draw("\x1b[%dS", arg(0, 1))
	case "@", "A", "B", "C", "D", "E", "F", "G", "I", "L", "M", "P", "T", "X", "Z", "`", "a", "d", "e":
		s.draw("\x1b[%d%s", arg(0, 1), name)
	case "H", "f":
		s.draw("\x1b[%d;%dH", arg(0, 1), arg(1, 1))
	case "J":
		switch arg(0, 0) {
		case 1:
			// vt10x forgets the first row when the cursor is in the second.
			if s.vt.Cursor().Y == 1 {
				at := s.vt.Cursor().X + 1
				s.draw("\x1b[A\x1b[2K\x1b[B\x1b[%dG", at)
			}
			s.draw("\x1b[1J")
		case 3: // what scrolled off
			s.history = nil
		default:
			s.draw("\x1b[%dJ", arg(0, 0))
		}
	case "K", "g":
		s.draw("\x1b[%d%s", arg(0, 0), name)
	case "b": // REP
		for range min(arg(0, 1), columns*rows) {
			if s.last != 0 {
				s.print(s.last)
			}
		}
	case "h", "l":
		s.insert = (name == "h" && slices.Contains(args, 4)) || (s.insert && !slices.Contains(args, 4))
		if slices.Contains(args, 20) { // LNM
			s.draw("\x1b[20%s", name)
		}
	case "?h", "?l":
		for _, mode := range args {
			s.setMode(mode, name == "?h")
		}
	case "r": // DECSTBM
		if top, bottom := arg(0, 1)-1, min(arg(1, rows), rows)-1; top < bottom {
			s.top, s.bottom = top, bottom
			s.draw("\x1b[%d;%dr", top+1, bottom+1)
		}
	case "s", "u": // with a parameter they are something else
		if params == "" {
			s.draw("\x1b[%s", name)
		}
	default:
		s.reply(name, arg(0, 0))
	}
}

// setMode sets a private mode or resets it.
func (s *screen) setMode(mode int, set bool) {
	if _, known := s.modes[mode]; !known {
		return
	}
	s.modes[mode] = set
	switch mode {
	case 47, 1047, 1049:
		// vt10x changes screens even if it shows the wanted one already.
		if set == s.alternate() {
			return
		}
	}
	final := 'l'
	if set {
		final = 'h'
	}
	s.draw("\x1b[?%d%c", mode, final)
}

// reply answers a query.
func (s *screen) reply(name string, arg int) {
	say := func(format string, args ...any) { fmt.Fprintf(&s.answer, format, args...) }
	cur := s.vt.Cursor()
	switch {
	case name == "c" && arg == 0: // DA1: a VT220 with colours
		say("\x1b[?62;22c")
	case name == ">c" && arg == 0: // DA2
		say("\x1b[>1;0;0c")
	case name == "=c" && arg == 0: // DA3
		say("\x1bP!|00000000\x1b\\")
	case name == "n" && arg == 5: // DSR: all is well
		say("\x1b[0n")
	case name == "n" && arg == 6: // CPR
		say("\x1b[%d;%dR", cur.Y+1, cur.X+1)
	case name == "?n" && arg == 6: // DECXCPR
		say("\x1b[?%d;%dR", cur.Y+1, cur.X+1)
	case name == "?$p": // DECRQM: 0 is unknown, 1 set, 2 reset
		say("\x1b[?%d;%d$y", arg, map[bool]int{true: 1, false: 2}[s.modes[arg]]*s.known(arg))
	case name == "$p" && arg == 4:
		say("\x1b[4;%d$y", map[bool]int{true: 1, false: 2}[s.insert])
	case name == "$p":
		say("\x1b[%d;0$y", arg)
	case name == ">q" && arg == 0: // XTVERSION
		say("\x1bP>|%s\x1b\\", nameAndVersion)
	case name == "t" && arg == 18: // the size in characters
		columns, rows := s.vt.Size()
		say("\x1b[8;%d;%dt", rows, columns)
	}
}

// known is 1 for a private mode that is known, and 0 otherwise.
func (s *screen) known(mode int) int {
	if _, known := s.modes[mode]; known {
		return 1
	}
	return 0
}

// str answers what is asked by control strings. Titles, links and the clipboard
// are left alone, as are other things that show nothing.
func (s *screen) str(kind rune, body, end string) {
	switch {
	case kind == 'P' && strings.HasPrefix(body, "+q"): // XTGETTCAP: it has no such
		s.answer.WriteString("\x1bP0+r\x1b\\")
	case kind == 'P' && strings.HasPrefix(body, "$q"): // DECRQSS: it cannot say
		s.answer.WriteString("\x1bP0$r\x1b\\")
	case kind == ']':
		number, rest, _ := strings.Cut(body, ";")
		switch number {
		case "10", "12": // text, cursor
			if rest == "?" {
				s.sayColor(number, textColor, end)
			}
		case "11": // background
			if rest == "?" {
				s.sayColor(number, windowColor, end)
			}
		case "4":
			pairs := strings.Split(rest, ";")
			for i := 0; i+1 < len(pairs); i += 2 {
				if n, err := strconv.ParseUint(pairs[i], 10, 8); err == nil && pairs[i+1] == "?" {
					s.sayColor("4;"+pairs[i], paletteColor(uint8(n)), end)
				}
			}
		}
	}
}

// sayColor answers with a colour, in X11's notation and with the end that the
// query had.
func (s *screen) sayColor(number string, c color, end string) {
	fmt.Fprintf(&s.answer, "\x1b]%s;rgb:%02x%02x/%02x%02x/%02x%02x%s", number, c.r, c.r, c.g, c.g, c.b, c.b, end)
}

// setPen has vt10x write in a style.
func (s *screen) setPen(style Style) {
	if style == (Style{}) {
		s.draw("\x1b[39m")
		return
	}
	id, known := s.styleIDs[style]
	if !known {
		id = len(s.styles)
		s.styles = append(s.styles, style)
		s.styleIDs[style] = id
	}
	s.draw("\x1b[38;2;%d;%d;%dm", id>>16&0xff, id>>8&0xff, id&0xff)
}

// selected is a style after SGR, "select graphic rendition".
func (s *screen) selected(style Style, params string) Style {
	all := strings.Split(params, ";")
	for i := 0; i < len(all); i++ {
		part, subs, colons := strings.Cut(all[i], ":")
		n, err := strconv.Atoi(part)
		if err != nil && part != "" {
			return style
		}
		switch {
		case n == 0:
			style = Style{}
		case n == 1:
			style.Bold = true
		case n == 2:
			style.Faint = true
		case n == 3:
			style.Italic = true
		case n == 4:
			style.Underline = subs != "0"
		case n == 7:
			style.Reverse = true
		case n == 9:
			style.Strike = true
		case n == 21:
			style.Underline = true // twice
		case n == 22:
			style.Bold, style.Faint = false, false
		case n == 23:
			style.Italic = false
		case n == 24:
			style.Underline = false
		case n == 27:
			style.Reverse = false
		case n == 29:
			style.Strike = false
		case 30 <= n && n <= 37:
			style.FG = Palette(uint8(n - 30))
		case 40 <= n && n <= 47:
			style.BG = Palette(uint8(n - 40))
		case 90 <= n && n <= 97:
			style.FG = Palette(uint8(n - 90 + 8))
		case 100 <= n && n <= 107:
			style.BG = Palette(uint8(n - 100 + 8))
		case n == 39:
			style.FG = Color{}
		case n == 49:
			style.BG = Color{}
		case n == 38, n == 48, n == 58:
			var c Color
			var ok bool
			if colons {
				parts := strings.Split(subs, ":")
				if len(parts) > 4 && parts[0] == "2" { // 2:colour space:r:g:b
					parts = slices.Delete(parts, 1, 2)
				}
				c, _, ok = extended(parts)
			} else {
				var taken int
				c, taken, ok = extended(all[i+1:])
				i += taken
			}
			switch {
			case ok && n == 38:
				style.FG = c
			case ok && n == 48:
				style.BG = c
			}
		}
	}
	return style
}

// extended reads a colour as "5;n" or "2;r;g;b", and how many parameters it took.
func extended(params []string) (c Color, taken int, ok bool) {
	var parts [3]uint8
	need := map[string]int{"5": 1, "2": 3}
	if len(params) == 0 || need[params[0]] == 0 || len(params) <= need[params[0]] {
		return Color{}, len(params), false
	}
	n := need[params[0]]
	for i, p := range params[1 : 1+n] {
		v, err := strconv.ParseUint(p, 10, 8)
		if err != nil && p != "" {
			return Color{}, 1 + n, false
		}
		parts[i] = uint8(v)
	}
	if n == 1 {
		return Palette(parts[0]), 2, true
	}
	return RGB(parts[0], parts[1], parts[2]), 4, true
}

// numbers reads parameters; a missing one is 0.
func numbers(params string) ([]int, bool) {
	if params == "" {
		return nil, true
	}
	var args []int
	for p := range strings.SplitSeq(params, ";") {
		n := 0
		for _, r := range p {
			if r < '0' || r > '9' {
				return nil, false
			}
			n = min(n*10+int(r-'0'), maxParameter)
		}
		args = append(args, n)
	}
	return args, true
}
