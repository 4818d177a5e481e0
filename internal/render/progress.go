package render

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/fly-aws/fly-aws/internal/text"
	"github.com/fly-aws/fly-aws/setup"
)

// showEvent shows a change that has ended, in a line, and what is waited for.
func showEvent(w io.Writer, e setup.Event, style Style) {
	p := printer{w, style}
	switch e.Status {
	case setup.StatusDone:
		p.line("  %s %s %s", p.ok(), resourceName(e.Change.Resource()), p.paint(dim, took(e.Elapsed)))
	case setup.StatusFailed:
		p.line("  %s %s %s", p.bad(), resourceName(e.Change.Resource()), p.paint(dim, took(e.Elapsed)))
	case setup.StatusWaiting:
		var names []string
		for _, m := range e.Waiting {
			names = append(names, resourceName(m.Resource))
		}
		p.line("Waiting for IAM to show %s as written; reading again in %s", shortList(names), e.Pause)
	}
}

func took(elapsed time.Duration) string {
	return "(" + elapsed.Round(time.Millisecond).String() + ")"
}

// ProgressOptions say how a Progress is shown. With the zero value it is plain
// Unicode text, one line when a change ends.
type ProgressOptions struct {
	Style Style
	// Live says that the writer is a terminal which understands cursor movement,
	// and that nothing but the Progress writes to it until End.
	Live bool
	// Columns and Rows are the terminal's size in cells. A Progress is not live where
	// they are unknown (0) or too small for the block.
	Columns, Rows int
}

// A Progress shows how a plan is applied. When it is live it is a block with one
// line per pending change, which the first event draws and each later one draws
// again in place: not begun, under way, and done or failed with the time it took.
// Otherwise it is what showEvent prints.
//
// The cursor stays visible and rests below the block after each write, so that a
// process that is killed leaves an ordinary screen. What a person types meanwhile, or
// a window that gets smaller, can leave lines of the block on the screen twice; it does
// no other harm.
//
// Its methods may be called from several goroutines at once.
type Progress struct {
	mu      sync.Mutex
	out     printer
	columns int
	live    bool
	at      map[int]int // from the place in Plan.Changes to that in lines
	lines   []progressLine
	drawn   bool
}

// A progressLine is the line of one change.
type progressLine struct {
	name    string
	status  setup.Status
	elapsed time.Duration
}

// minColumns leaves room for some letters of a name beside the longest time.
const minColumns = 32

// NewProgress is the progress of all changes of a plan; those that are kept are
// not shown. It writes nothing yet: a plan may be refused before any change is
// begun.
func NewProgress(w io.Writer, changes []setup.Change, o ProgressOptions) *Progress {
	p := &Progress{out: printer{w, o.Style}, columns: o.Columns, at: map[int]int{}}
	for i, c := range changes {
		if c.Action == setup.ActionKeep || c.Action == setup.ActionConflict {
			continue
		}
		p.at[i] = len(p.lines)
		// A tab stays in a clean name, and its width is not known.
		name := strings.ReplaceAll(resourceName(c.Resource()), "\t", " ")
		p.lines = append(p.lines, progressLine{name: name, status: setup.StatusUnreached})
	}
	// A line that has scrolled off the screen cannot be redrawn. The cursor's own
	// line is below the block.
	p.live = o.Live && o.Columns >= minColumns && len(p.lines) <= o.Rows-2
	return p
}

// Event shows that a change begins or has ended, or what is waited for.
func (p *Progress) Event(e setup.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	i, ours := p.at[e.Index]
	if !p.live || !ours {
		var b strings.Builder
		showEvent(&b, e, p.out.Style)
		p.write(b.String())
		return
	}
	p.lines[i].status, p.lines[i].elapsed = e.Status, e.Elapsed
	p.redraw()
}

// Say prints a line, cleaned, above the block.
func (p *Progress) Say(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.write(text.Clean(line) + "\n")
}

// End leaves the block as ordinary text. A change that was never begun stays marked so,
// unless the report says that someone else had made it by then, which is as good as
// done. What comes later is printed as lines below.
func (p *Progress) End(report *setup.Report) {
	p.mu.Lock()
	defer p.mu.Unlock()
	changed := false
	for at, i := range p.at {
		if at < len(report.Results) && report.Results[at].Status == setup.StatusKept {
			p.lines[i].status, changed = setup.StatusKept, true
		}
	}
	if p.drawn && changed {
		p.redraw()
	}
	p.live, p.drawn = false, false
}

// Cursor movement: https://ecma-international.org/publications-and-standards/standards/ecma-48/,
// CUU and EL.
const (
	cursorUp  = "\x1b[%dA"
	eraseLine = "\r\x1b[2K"
)

// redraw draws the block, over the one that is there. All is one write, so that
// no half of it is ever seen.
func (p *Progress) redraw() {
	var b strings.Builder
	if p.drawn {
		fmt.Fprintf(&b, cursorUp, len(p.lines))
	}
	p.block(&b, p.drawn)
	p.drawn = true
	fmt.Fprint(p.out.w, b.String())
}

// write prints whole lines, above the block if there is one.
func (p *Progress) write(text string) {
	if text == "" {
		return
	}
	if !p.drawn {
		fmt.Fprint(p.out.w, text)
		return
	}
	// The text may be wider than the terminal and take several rows, so the whole block
	// is erased first, not each line as it is written over.
	var b strings.Builder
	b.WriteString(eraseLine)
	for range p.lines {
		fmt.Fprintf(&b, cursorUp, 1)
		b.WriteString(eraseLine)
	}
	b.WriteString(text)
	p.block(&b, false)
	fmt.Fprint(p.out.w, b.String())
}

// block adds the lines. over says that there may be text where they go, and below it: a
// terminal shows ^C where the cursor is.
func (p *Progress) block(b *strings.Builder, over bool) {
	erase := ""
	if over {
		erase = eraseLine
	}
	for _, l := range p.lines {
		b.WriteString(erase + p.line(l) + "\n")
	}
	b.WriteString(erase)
}

// line is the line of a change, narrower than the terminal: some wrap a line of their
// full width.
func (p *Progress) line(l progressLine) string {
	style := p.out.Style
	// A glyph takes two cells, by the count of cells or in ASCII, where ok does.
	room := p.columns - 1 - len("  ") - 2 - len(" ")
	if l.status != setup.StatusDone && l.status != setup.StatusFailed {
		return "  " + style.glyph(l.status) + " " + style.cut(l.name, room)
	}
	end := took(l.elapsed)
	return "  " + style.glyph(l.status) + " " + style.cut(l.name, room-len(" ")-len(end)) + " " + style.paint(dim, end)
}

// glyph is the mark of a line that is redrawn in place. All are equally wide, so that
// the name does not move.
func (s Style) glyph(status setup.Status) string {
	pad := ""
	if s.ASCII {
		pad = " "
	}
	switch status {
	case setup.StatusDone, setup.StatusKept:
		return s.ok()
	case setup.StatusFailed:
		return s.bad() + pad
	case setup.StatusStarted:
		if s.ASCII {
			return s.paint(bold, ">") + pad
		}
		return s.paint(bold, "→")
	default:
		if s.ASCII {
			return s.paint(dim, "-") + pad
		}
		return s.paint(dim, "·")
	}
}

// cut shortens a text to a number of cells, three or more.
func (s Style) cut(text string, room int) string {
	total := 0
	for _, r := range text {
		total += cells(r)
	}
	if total <= room {
		return text
	}
	ellipsis := "…"
	if s.ASCII {
		ellipsis = "..."
	}
	for _, r := range ellipsis {
		room -= cells(r)
	}
	for i, r := range text {
		if room -= cells(r); room < 0 {
			return text[:i] + ellipsis
		}
	}
	return text // not reached: it did not fit
}

// cells is the most that a character takes on a terminal. How wide one outside
// of ASCII is depends on the terminal, its locale and its version of Unicode: →
// takes two cells where East Asian ambiguous characters do, and a flag, which is
// two characters, takes two cells or four. A line that is cut early can be read;
// one that wraps breaks the block.
// See https://www.unicode.org/reports/tr11/.
func cells(r rune) int {
	if r < utf8.RuneSelf {
		return 1
	}
	return 2
}
