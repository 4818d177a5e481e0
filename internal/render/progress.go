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

// changeName names what a change is about, and that it is deleted.
func changeName(c setup.Change) string {
	if c.Action == setup.ActionDelete {
		return "delete " + resourceName(c.Resource())
	}
	return resourceName(c.Resource())
}

// showEvent shows a finished change, or what is being waited for, on one line.
func showEvent(w io.Writer, e setup.Event, style Style) {
	p := printer{w, style}
	switch e.Status {
	case setup.StatusDone:
		p.line("  %s %s %s", p.ok(), changeName(e.Change), p.paint(dim, took(e.Elapsed)))
	case setup.StatusFailed:
		p.line("  %s %s %s", p.bad(), changeName(e.Change), p.paint(dim, took(e.Elapsed)))
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

// ProgressOptions say how a Progress is shown. The zero value is plain Unicode text,
// with one line per finished change.
type ProgressOptions struct {
	Style Style
	// Live says that the writer is a terminal that supports cursor movement, and that
	// only the Progress writes to it until End.
	Live bool
	// Columns and Rows are the terminal's size in cells. A Progress is not live where
	// they are unknown (0) or too small for the block.
	Columns, Rows int
}

// A Progress shows a plan being applied. If live, it is a block with one line per
// pending change, drawn by the first event and redrawn in place by each later one: not
// started, in progress, or done or failed with the time it took. Otherwise, each event
// is a line of its own.
//
// The cursor stays visible and is below the block after each write, so a killed process
// leaves the terminal usable. Typing meanwhile, or shrinking the window, can leave
// duplicate lines of the block on the screen, and does no other harm.
//
// Its methods may be called from several goroutines at once.
type Progress struct {
	mu      sync.Mutex
	out     printer
	columns int
	live    bool
	at      map[int]int // from index in Plan.Changes to index in lines
	lines   []progressLine
	drawn   bool
}

// A progressLine is one change's line.
type progressLine struct {
	name    string
	status  setup.Status
	elapsed time.Duration
}

// minColumns leaves room for a few letters of a name next to the longest time.
const minColumns = 32

// NewProgress returns the progress of a plan's changes; resources that are kept are not
// shown. It writes nothing yet, since a plan may be refused before the first change.
func NewProgress(w io.Writer, changes []setup.Change, o ProgressOptions) *Progress {
	p := &Progress{out: printer{w, o.Style}, columns: o.Columns, at: map[int]int{}}
	for i, c := range changes {
		if c.Action == setup.ActionKeep || c.Action == setup.ActionConflict {
			continue
		}
		p.at[i] = len(p.lines)
		// Cleaning keeps tabs, whose width is not known.
		name := strings.ReplaceAll(changeName(c), "\t", " ")
		p.lines = append(p.lines, progressLine{name: name, status: setup.StatusUnreached})
	}
	// A line that has scrolled off the screen cannot be redrawn. The cursor needs a
	// line below the block.
	p.live = o.Live && o.Columns >= minColumns && len(p.lines) <= o.Rows-2
	return p
}

// Event shows that a change has started or finished, or what is being waited for.
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

// End leaves the block on the screen as ordinary text; later output goes below it. A
// change that was not started stays marked as such, unless the report says that someone
// else had already made it, which counts as done.
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

// redraw draws the block over the previous one, in a single write so that it is never
// seen half drawn.
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
	// The text may wrap over several rows, so erase the whole block first, not each line
	// as it is overwritten.
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

// block appends the block's lines. With over, there may be text to erase where they go
// and below: a terminal shows ^C at the cursor.
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

// line returns a change's line. It is narrower than the terminal, since some terminals
// wrap a line of exactly their width.
func (p *Progress) line(l progressLine) string {
	style := p.out.Style
	// A glyph takes two cells: as cells counts it, or as the ASCII "ok".
	room := p.columns - 1 - len("  ") - 2 - len(" ")
	if l.status != setup.StatusDone && l.status != setup.StatusFailed {
		return "  " + style.glyph(l.status) + " " + style.cut(l.name, room)
	}
	end := took(l.elapsed)
	return "  " + style.glyph(l.status) + " " + style.cut(l.name, room-len(" ")-len(end)) + " " + style.paint(dim, end)
}

// glyph returns the mark of a status. All have the same width, so that the name does not
// move when the line is redrawn.
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

// cut shortens text to a number of cells, at least three.
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
	return text // not reached, since the text did not fit
}

// cells returns the maximum number of cells that a character takes on a terminal. Beyond
// ASCII, the width depends on the terminal, its locale and its Unicode version: → takes
// two cells where East Asian ambiguous characters do, and a flag, which is two
// characters, takes two or four. A line that is cut early can be read; one that wraps
// breaks the block.
// See https://www.unicode.org/reports/tr11/.
func cells(r rune) int {
	if r < utf8.RuneSelf {
		return 1
	}
	return 2
}
