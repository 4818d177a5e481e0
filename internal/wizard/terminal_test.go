//go:build unix

package wizard

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/fly-aws/fly-aws/internal/terminal"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// deadline limits the wait for a screen. Only a failing test waits that long.
const deadline = 20 * time.Second

// A person is a user at a terminal.
type person struct {
	*terminal.Terminal
	t *testing.T
}

func newPerson(t *testing.T, columns, rows int) *person {
	t.Helper()
	term, err := terminal.Open(columns, rows)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := term.Close(); err != nil {
			t.Error(err)
		}
	})
	return &person{term, t}
}

// resize changes the size of the window.
func (p *person) resize(columns, rows int) {
	p.t.Helper()
	if err := p.Resize(columns, rows); err != nil {
		p.t.Fatal(err)
	}
}

// see waits for a text to appear.
func (p *person) see(text string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), deadline)
	defer cancel()
	if err := p.Await(ctx, text); err != nil {
		p.t.Fatal(err)
	}
}

// press waits for the text and presses keys.
func (p *person) press(text, keys string) {
	p.t.Helper()
	p.see(text)
	if err := p.Type(keys); err != nil {
		p.t.Fatal(err)
	}
}

// golden waits for the text, and then for the screen to be that of the golden file.
func (p *person) golden(text, name string) {
	p.t.Helper()
	p.see(text)
	file := filepath.Join("testdata", name+".screen")
	if *update {
		if err := os.WriteFile(file, []byte(p.still()), 0o644); err != nil {
			p.t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		p.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(p.t.Context(), deadline)
	defer cancel()
	if err := p.Until(ctx, "the screen of "+file, func(screen string) bool { return screen == string(want) }); err != nil {
		p.t.Fatal(err)
	}
}

// still returns the screen once it has not changed for a moment.
func (p *person) still() string {
	for {
		last := p.Screen()
		ctx, cancel := context.WithTimeout(p.t.Context(), 200*time.Millisecond)
		err := p.Until(ctx, "a change", func(screen string) bool { return screen != last })
		cancel()
		if err != nil {
			return last
		}
	}
}

// A session is a wizard running on a terminal.
type session struct {
	*person
	done   chan struct{}
	result Result
	err    error
}

// start starts the wizard.
func start(t *testing.T, columns, rows int, o Options, s Sources) *session {
	t.Helper()
	st := &session{person: newPerson(t, columns, rows), done: make(chan struct{})}
	o.In, o.Out, o.Term = st.File(), st.File(), "xterm-256color"
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(func() { cancel(); <-st.done })
	go func() {
		defer close(st.done)
		st.result, st.err = ask(ctx, o, s, Draft{})
	}()
	return st
}

// wait waits for the end of the wizard.
func (st *session) wait() (Result, error) {
	st.t.Helper()
	select {
	case <-st.done:
	case <-time.After(deadline):
		st.t.Fatalf("the wizard does not end; the screen is\n%s", st.Screen())
	}
	return st.result, st.err
}
