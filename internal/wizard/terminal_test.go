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

var update = flag.Bool("update", false, "write the golden files anew")

// deadline is how long a screen may take to appear. Nothing waits that long
// unless it is broken.
const deadline = 20 * time.Second

// A person sits at a terminal.
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

// see waits for a text.
func (p *person) see(text string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), deadline)
	defer cancel()
	if err := p.Await(ctx, text); err != nil {
		p.t.Fatal(err)
	}
}

// press presses keys, once the text can be seen.
func (p *person) press(text, keys string) {
	p.t.Helper()
	p.see(text)
	if err := p.Type(keys); err != nil {
		p.t.Fatal(err)
	}
}

// golden waits until the screen is that of a file, after the text can be seen.
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

// still is the screen when it has stood still for a moment.
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

// A sitting is a wizard at work on a terminal.
type sitting struct {
	*person
	done   chan struct{}
	result Result
	err    error
}

// sit starts the wizard.
func sit(t *testing.T, columns, rows int, o Options, s Sources) *sitting {
	t.Helper()
	st := &sitting{person: newPerson(t, columns, rows), done: make(chan struct{})}
	o.In, o.Out, o.Term = st.File(), st.File(), "xterm-256color"
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
		st.t.Fatalf("the wizard does not end; the screen is\n%s", st.Screen())
	}
	return st.result, st.err
}
