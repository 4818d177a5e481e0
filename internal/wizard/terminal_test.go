//go:build unix

package wizard

import (
	"bytes"
	"context"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/hinshun/vt10x"
)

var update = flag.Bool("update", false, "write the golden files anew")

// deadline is how long a screen may take to appear. Nothing waits that long
// unless it is broken.
const deadline = 20 * time.Second

// A terminal is a pseudo-terminal with a screen, at which a person sits.
type terminal struct {
	t      *testing.T
	master *os.File // the person's end
	slave  *os.File // the program's end

	mu      sync.Mutex
	vt      vt10x.Terminal
	raw     bytes.Buffer
	changed chan struct{} // has room for one
}

func newTerminal(t *testing.T, columns, rows int) *terminal {
	t.Helper()
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	term := &terminal{t: t, master: master, slave: slave, changed: make(chan struct{}, 1)}
	term.vt = vt10x.New(vt10x.WithSize(columns, rows), vt10x.WithWriter(master))
	term.size(columns, rows)
	read := make(chan struct{})
	go func() {
		defer close(read)
		term.show()
	}()
	t.Cleanup(func() {
		slave.Close()
		<-read
		master.Close()
	})
	return term
}

// size sets what the program is told when it asks for the size.
func (term *terminal) size(columns, rows int) {
	if err := pty.Setsize(term.master, &pty.Winsize{Cols: uint16(columns), Rows: uint16(rows)}); err != nil {
		term.t.Fatal(err)
	}
}

// resize changes the size as a window does: the kernel would send the signal if
// the test were the terminal's session.
func (term *terminal) resize(columns, rows int) {
	term.mu.Lock()
	term.vt.Resize(columns, rows)
	term.mu.Unlock()
	term.size(columns, rows)
	if err := syscall.Kill(os.Getpid(), syscall.SIGWINCH); err != nil {
		term.t.Fatal(err)
	}
}

// queries are what a program may ask a terminal, with the answers of one that is
// dark; the position of the cursor is answered by vt10x.
var queries = map[string]string{
	"\x1b]11;?\x07":   "\x1b]11;rgb:0000/0000/0000\x07",
	"\x1b]11;?\x1b\\": "\x1b]11;rgb:0000/0000/0000\x1b\\",
	"\x1b[?2026$p":    "\x1b[?2026;0$y",
	"\x1b[?2027$p":    "\x1b[?2027;0$y",
}

// unknown are sequences that vt10x takes for others: those for keyboards, and
// the queries above.
var unknown = regexp.MustCompile(`\x1b\[[<>=][0-9;]*[a-z]|\x1b\[\?u|\x1b\[\?\d+\$p`)

// cut is a sequence of which the end is still to be read.
var cut = regexp.MustCompile(`\x1b(\[[0-9;?<>=$]*)?$`)

// show draws what the program writes, until it is gone.
func (term *terminal) show() {
	var buf [4096]byte
	var rest []byte
	for {
		n, err := term.master.Read(buf[:])
		if n > 0 {
			out := slices.Concat(rest, buf[:n])
			term.mu.Lock()
			term.raw.Write(buf[:n])
			for query, answer := range queries {
				for range bytes.Count(out, []byte(query)) {
					_, _ = term.master.WriteString(answer)
				}
			}
			rest = bytes.Clone(cut.Find(out))
			out = out[:len(out)-len(rest)]
			_, _ = term.vt.Write(unknown.ReplaceAll(out, nil))
			term.mu.Unlock()
			select {
			case term.changed <- struct{}{}:
			default:
			}
		}
		if err != nil {
			return
		}
	}
}

// screen is what can be read on the screen.
func (term *terminal) screen() string {
	term.mu.Lock()
	defer term.mu.Unlock()
	var rows []string
	for _, row := range strings.Split(term.vt.String(), "\n") {
		rows = append(rows, strings.TrimRight(row, " "))
	}
	return strings.TrimRight(strings.Join(rows, "\n"), "\n") + "\n"
}

// written is every byte that the program wrote.
func (term *terminal) written() string {
	term.mu.Lock()
	defer term.mu.Unlock()
	return term.raw.String()
}

// until waits until the screen is as wanted.
func (term *terminal) until(what string, wanted func(screen string) bool) {
	term.t.Helper()
	over := time.NewTimer(deadline)
	defer over.Stop()
	for !wanted(term.screen()) {
		select {
		case <-term.changed:
		case <-over.C:
			term.t.Fatalf("%s did not appear; the screen is\n%s", what, term.screen())
		}
	}
}

// see waits for a text.
func (term *terminal) see(text string) {
	term.t.Helper()
	term.until(text, func(screen string) bool { return strings.Contains(screen, text) })
}

// press presses keys, once the text can be seen.
func (term *terminal) press(text, keys string) {
	term.t.Helper()
	term.see(text)
	if _, err := term.master.WriteString(keys); err != nil {
		term.t.Fatal(err)
	}
}

// golden waits until the screen is that of a file, after the text can be seen.
func (term *terminal) golden(text, name string) {
	term.t.Helper()
	term.see(text)
	file := filepath.Join("testdata", name+".screen")
	if *update {
		for last := ""; last != term.screen(); { // until it stands still
			last = term.screen()
			select {
			case <-term.changed:
			case <-time.After(200 * time.Millisecond):
			}
		}
		if err := os.WriteFile(file, []byte(term.screen()), 0o644); err != nil {
			term.t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		term.t.Fatal(err)
	}
	term.until("the screen of "+file, func(screen string) bool { return screen == string(want) })
}

// A sitting is a wizard at work on a terminal.
type sitting struct {
	*terminal
	done   chan struct{}
	result Result
	err    error
}

// sit starts the wizard.
func sit(t *testing.T, columns, rows int, o Options, s Sources) *sitting {
	t.Helper()
	st := &sitting{terminal: newTerminal(t, columns, rows), done: make(chan struct{})}
	o.In, o.Out, o.Term = st.slave, st.slave, "xterm-256color"
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(func() { cancel(); <-st.done })
	go func() {
		defer close(st.done)
		st.result, st.err = Run(ctx, o, s, Draft{})
	}()
	return st
}

// wait is the end of the wizard.
func (st *sitting) wait() (Result, error) {
	st.t.Helper()
	select {
	case <-st.done:
	case <-time.After(deadline):
		st.t.Fatalf("the wizard does not end; the screen is\n%s", st.screen())
	}
	return st.result, st.err
}
