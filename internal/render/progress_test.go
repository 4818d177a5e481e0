package render

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/charmbracelet/x/vt"

	"github.com/fly-aws/fly-aws/setup"
)

// writes records each write separately.
type writes []string

func (w *writes) Write(b []byte) (int, error) {
	*w = append(*w, string(b))
	return len(b), nil
}

// quoted has one line per write.
func (w writes) quoted() []byte {
	var b bytes.Buffer
	for _, s := range w {
		fmt.Fprintf(&b, "%+q\n", s)
	}
	return b.Bytes()
}

// A screen simulates a terminal. Like a terminal driver, it adds a carriage return at
// the end of a line.
type screen struct {
	vt      *vt.Emulator
	columns int
}

func newScreen(columns, rows int) screen {
	return screen{vt.NewEmulator(columns, rows), columns}
}

func (s screen) Write(b []byte) (int, error) {
	_, err := s.vt.Write(bytes.ReplaceAll(b, []byte("\n"), []byte("\r\n")))
	return len(b), err
}

// rows are the rows of the screen above the cursor, whose own row is empty.
func (s screen) rows(t *testing.T) []string {
	t.Helper()
	rows := strings.Split(s.vt.String(), "\n")
	cursor := s.vt.CursorPosition()
	for i, row := range rows {
		if i >= cursor.Y && row != "" {
			t.Errorf("row %d, at or below the cursor, says %q", i, row)
		}
	}
	if cursor.X != 0 {
		t.Errorf("the cursor is in column %d", cursor.X)
	}
	if s.vt.CursorHidden() {
		t.Error("the cursor is hidden")
	}
	return rows[:cursor.Y]
}

// shows compares the rows.
func (s screen) shows(t *testing.T, want ...string) {
	t.Helper()
	if got := s.rows(t); !slices.Equal(got, want) {
		t.Errorf("the screen shows\n%s\nand should\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func env(config string) *setup.Resource {
	return &setup.Resource{Env: &setup.Env{Config: config, Key: "AWS_ROLE_ARN", Value: "x"}}
}

func role(i int) *setup.Resource {
	return &setup.Resource{Role: &setup.Role{Name: fmt.Sprintf("web%d", i)}}
}

// someChanges has kept resources, such as the provider, and changes at indexes 1, 2, 4
// and 5.
func someChanges() []setup.Change {
	return []setup.Change{
		{Action: setup.ActionKeep, After: &setup.Resource{Provider: &setup.Provider{URL: "https://oidc.fly.io/acme"}}},
		{Action: setup.ActionCreate, After: &setup.Resource{Role: &setup.Role{Name: "fly-acme-web"}}},
		{Action: setup.ActionAdopt, After: &setup.Resource{Role: &setup.Role{Name: "fly-acme-api"}}},
		{Action: setup.ActionKeep, After: &setup.Resource{Role: &setup.Role{Name: "fly-acme-db"}}},
		{Action: setup.ActionUpdate, After: &setup.Resource{Policy: &setup.RolePolicy{Role: "fly-acme-web", Name: "fly-aws-uploads-of-the-web-app"}}},
		{Action: setup.ActionCreate, After: env("fly.toml")},
	}
}

// A run sends the events that Apply would.
type run struct {
	*Progress
	changes []setup.Change
}

func (r run) start(i int) {
	r.Event(setup.Event{Index: i, Change: r.changes[i], Status: setup.StatusStarted})
}

func (r run) done(i int, elapsed time.Duration) {
	r.Event(setup.Event{Index: i, Change: r.changes[i], Status: setup.StatusDone, Elapsed: elapsed})
}

func (r run) fail(i int, elapsed time.Duration) {
	r.Event(setup.Event{Index: i, Change: r.changes[i], Status: setup.StatusFailed, Err: errors.New("no"), Elapsed: elapsed})
}

// failing is a run in which one change fails, another finishes after it, and
// the rest is not reached.
func failing(r run) {
	r.start(1)
	r.start(2)
	r.fail(2, 1234567*time.Microsecond)
	r.Say("Stopping after the call in flight; Ctrl-C again ends at once.")
	r.done(1, 80*time.Millisecond)
	r.End(&setup.Report{})
	r.Say("after\x1b[2Jwards")
}

func TestProgressBytes(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]ProgressOptions{
		"live":  {Live: true, Columns: 80, Rows: 24},
		"color": {Live: true, Columns: 80, Rows: 24, Style: Style{Color: true}},
		"ascii": {Live: true, Columns: 40, Rows: 24, Style: Style{ASCII: true}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var w writes
			failing(run{NewProgress(&w, someChanges(), o), someChanges()})
			golden(t, "progress_"+name, w.quoted())
		})
	}
}

// TestProgressPlain guards the bytes that scripts and logs see, and that there is no
// block where it could not be redrawn.
func TestProgressPlain(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]ProgressOptions{
		"not live":       {Columns: 80, Rows: 24},
		"size unknown":   {Live: true},
		"height unknown": {Live: true, Columns: 80},
		"too narrow":     {Live: true, Columns: minColumns - 1, Rows: 24},
		"too low":        {Live: true, Columns: 80, Rows: 5},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var w writes
			failing(run{NewProgress(&w, someChanges(), o), someChanges()})
			want := writes{
				"  ✗ role fly-acme-api (1.235s)\n",
				"Stopping after the call in flight; Ctrl-C again ends at once.\n",
				"  ✓ role fly-acme-web (80ms)\n",
				"after\\x1b[2Jwards\n",
			}
			if !slices.Equal(w, want) {
				t.Errorf("wrote\n%sand should\n%s", w.quoted(), want.quoted())
			}
		})
	}
	t.Run("color", func(t *testing.T) {
		t.Parallel()
		var w writes
		r := run{NewProgress(&w, someChanges(), ProgressOptions{Style: Style{Color: true, ASCII: true}}), someChanges()}
		r.start(1)
		r.done(1, 80*time.Millisecond)
		if want := (writes{"  \x1b[32mok\x1b[0m role fly-acme-web \x1b[2m(80ms)\x1b[0m\n"}); !slices.Equal(w, want) {
			t.Errorf("wrote\n%sand should\n%s", w.quoted(), want.quoted())
		}
	})
}

func TestProgressScreen(t *testing.T) {
	t.Parallel()
	for _, columns := range []int{80, 40} {
		t.Run(fmt.Sprint(columns), func(t *testing.T) {
			t.Parallel()
			s := newScreen(columns, 24)
			r := run{NewProgress(s, someChanges(), ProgressOptions{Live: true, Columns: columns, Rows: 24, Style: Style{Color: true}}), someChanges()}
			policy := "inline policy fly-aws-uploads-of-the-web-app in role fly-acme-web"
			policyTook := policy + " (1.5s)"
			if columns == 40 {
				policy = "inline policy fly-aws-uploads-of…"
				policyTook = "inline policy fly-aws-upl… (1.5s)"
			}

			s.shows(t)
			r.start(1)
			s.shows(t, "  → role fly-acme-web", "  · role fly-acme-api", "  · "+policy, "  · AWS_ROLE_ARN in fly.toml")
			r.start(2)
			r.done(2, 80*time.Millisecond)
			s.shows(t, "  → role fly-acme-web", "  ✓ role fly-acme-api (80ms)", "  · "+policy, "  · AWS_ROLE_ARN in fly.toml")
			r.done(1, 90*time.Millisecond)
			r.start(4)
			s.shows(t, "  ✓ role fly-acme-web (90ms)", "  ✓ role fly-acme-api (80ms)", "  → "+policy, "  · AWS_ROLE_ARN in fly.toml")
			r.fail(4, 1500*time.Millisecond)
			r.End(&setup.Report{})
			fmt.Fprintln(s, "Error: no")
			s.shows(t, "  ✓ role fly-acme-web (90ms)", "  ✓ role fly-acme-api (80ms)", "  ✗ "+policyTook, "  · AWS_ROLE_ARN in fly.toml", "Error: no")
		})
	}
}

// TestProgressSaysAbove covers a message of several rows that is as wide as the
// terminal, typed text, and the last row of the screen.
func TestProgressSaysAbove(t *testing.T) {
	t.Parallel()
	s := newScreen(40, 10)
	for i := range 20 {
		fmt.Fprintln(s, "earlier", i)
	}
	r := run{NewProgress(s, someChanges(), ProgressOptions{Live: true, Columns: 40, Rows: 10}), someChanges()}
	r.start(1)
	r.start(2)
	s.shows(t, "earlier 15", "earlier 16", "earlier 17", "earlier 18", "earlier 19",
		"  → role fly-acme-web", "  → role fly-acme-api", "  · inline policy fly-aws-uploads-of…", "  · AWS_ROLE_ARN in fly.toml")
	fmt.Fprint(s, "^C") // the terminal's echo
	r.Say(strings.Repeat("=", 40) + "and then some")
	s.shows(t, "earlier 17", "earlier 18", "earlier 19", strings.Repeat("=", 40), "and then some",
		"  → role fly-acme-web", "  → role fly-acme-api", "  · inline policy fly-aws-uploads-of…", "  · AWS_ROLE_ARN in fly.toml")
	fmt.Fprint(s, "^Cabc")
	r.done(2, time.Millisecond)
	s.shows(t, "earlier 17", "earlier 18", "earlier 19", strings.Repeat("=", 40), "and then some",
		"  → role fly-acme-web", "  ✓ role fly-acme-api (1ms)", "  · inline policy fly-aws-uploads-of…", "  · AWS_ROLE_ARN in fly.toml")
}

// TestProgressFillsTheScreen has as many lines as can be redrawn, and one more.
func TestProgressFillsTheScreen(t *testing.T) {
	t.Parallel()
	const rows = 6
	for n, want := range map[int][]string{
		rows - 2: {"earlier", "  ✓ role web0 (1s)", "  · role web1", "  · role web2", "  → role web3"},
		rows - 1: {"earlier", "earlier", "earlier", "earlier", "  ✓ role web0 (1s)"},
	} {
		s := newScreen(80, rows)
		for range 10 {
			fmt.Fprintln(s, "earlier")
		}
		var changes []setup.Change
		for i := range n {
			changes = append(changes, setup.Change{Action: setup.ActionCreate, After: role(i)})
		}
		r := run{NewProgress(s, changes, ProgressOptions{Live: true, Columns: 80, Rows: rows}), changes}
		r.start(0)
		r.start(3)
		r.done(0, time.Second)
		s.shows(t, want...)
	}
}

// TestProgressKept guards the marks of changes that someone else, or an earlier run that
// was killed, had made by the time the plan was applied.
func TestProgressKept(t *testing.T) {
	t.Parallel()
	s := newScreen(80, 24)
	r := run{NewProgress(s, someChanges(), ProgressOptions{Live: true, Columns: 80, Rows: 24}), someChanges()}
	r.start(5)
	r.done(5, time.Millisecond)
	report := &setup.Report{}
	for _, c := range r.changes {
		report.Results = append(report.Results, setup.Result{Change: c, Status: setup.StatusKept})
	}
	report.Results[2].Status = setup.StatusUnreached
	report.Results[5].Status = setup.StatusDone
	r.End(report)
	r.End(report)
	want := []string{
		"  ✓ role fly-acme-web", "  · role fly-acme-api",
		"  ✓ inline policy fly-aws-uploads-of-the-web-app in role fly-acme-web", "  ✓ AWS_ROLE_ARN in fly.toml (1ms)",
	}
	s.shows(t, want...)

	// Nothing was started, so there is no block.
	s = newScreen(80, 24)
	r = run{NewProgress(s, someChanges(), ProgressOptions{Live: true, Columns: 80, Rows: 24}), someChanges()}
	r.Say("one")
	r.End(report)
	r.Say("two")
	s.shows(t, "one", "two")
}

// TestProgressHostile has names that would move the cursor or wrap.
func TestProgressHostile(t *testing.T) {
	t.Parallel()
	configs := []string{
		"a\x1b[5Ab\rc\nd.toml", "tab\tulator\t.toml", "\u202eevil.toml",
		strings.Repeat("設定", 30) + ".toml", strings.Repeat("🇩🇪", 20), "a\xff\u2028b.toml",
	}
	var changes []setup.Change
	for _, c := range configs {
		changes = append(changes, setup.Change{Action: setup.ActionCreate, After: env(c)})
	}
	s := newScreen(40, 24)
	r := run{NewProgress(s, changes, ProgressOptions{Live: true, Columns: 40, Rows: 24}), changes}
	for i := range changes {
		r.start(i)
	}
	r.Say("a\x1b[5Ab\nc")
	r.End(&setup.Report{})
	s.shows(t, `a\x1b[5Ab\x0ac`,
		`  → AWS_ROLE_ARN in a\x1b[5Ab\x0dc\x…`,
		"  → AWS_ROLE_ARN in tab ulator .toml",
		`  → AWS_ROLE_ARN in \u202eevil.toml`,
		"  → AWS_ROLE_ARN in 設定設定設定設定…",
		"  → AWS_ROLE_ARN in 🇩🇪🇩🇪🇩🇪🇩🇪…",
		`  → AWS_ROLE_ARN in a\xff\u2028b.toml`)
}

// TestProgressConcurrent has one writer per change, and one that keeps printing
// messages.
func TestProgressConcurrent(t *testing.T) {
	t.Parallel()
	var changes []setup.Change
	want := []string{}
	for i := range 20 {
		changes = append(changes, setup.Change{Action: setup.ActionCreate, After: role(i)})
		want = append(want, fmt.Sprintf("  ✓ role web%d (%dms)", i, i+1))
	}
	s := newScreen(80, 50)
	var w writes // guarded only by the Progress; the race detector checks that
	both := writerFunc(func(b []byte) (int, error) {
		_, _ = w.Write(b)
		return s.Write(b)
	})
	r := run{NewProgress(both, changes, ProgressOptions{Live: true, Columns: 80, Rows: 50}), changes}
	var wg sync.WaitGroup
	for i := range changes {
		wg.Go(func() {
			r.start(i)
			r.done(i, time.Duration(i+1)*time.Millisecond)
		})
	}
	wg.Go(func() {
		for range 10 {
			r.Say("still here")
		}
	})
	wg.Wait()
	r.End(&setup.Report{})
	s.shows(t, append(slices.Repeat([]string{"still here"}, 10), want...)...)
	if got := len(w); got != 2*len(changes)+10 {
		t.Errorf("%d events and 10 messages took %d writes", 2*len(changes), got)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// TestProgressAnyOrder checks random runs on terminals of random size: messages come
// first, in order, then the block, then the cursor.
func TestProgressAnyOrder(t *testing.T) {
	t.Parallel()
	for seed := range uint64(100) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		columns, rows := minColumns+rnd.IntN(60), 4+rnd.IntN(30)
		s := newScreen(columns, rows)
		var above []string
		say := func(show func(string)) {
			text := strings.Repeat("x", 1+rnd.IntN(3*columns))
			show(text)
			for chunk := range slices.Chunk([]byte(text), columns) {
				above = append(above, string(chunk))
			}
		}
		for range rnd.IntN(rows) {
			say(func(text string) { fmt.Fprintln(s, text) })
		}
		var changes []setup.Change
		for i := range 1 + rnd.IntN(rows-2) {
			changes = append(changes, setup.Change{Action: setup.ActionCreate, After: role(i)})
		}
		r := run{NewProgress(s, changes, ProgressOptions{Live: true, Columns: columns, Rows: rows, Style: Style{Color: seed%2 == 0}}), changes}
		block := make([]string, len(changes))
		for i := range block {
			block[i] = fmt.Sprintf("  · role web%d", i)
		}
		r.start(0)
		block[0] = "  → role web0"
		for range 40 {
			switch i := rnd.IntN(len(changes)); rnd.IntN(4) {
			case 0:
				say(r.Say)
			case 1:
				r.start(i)
				block[i] = fmt.Sprintf("  → role web%d", i)
			case 2:
				r.done(i, 0)
				block[i] = fmt.Sprintf("  ✓ role web%d (0s)", i)
			case 3:
				r.fail(i, 0)
				block[i] = fmt.Sprintf("  ✗ role web%d (0s)", i)
			}
			want := slices.Concat(above, block)
			want = want[max(0, len(want)-(rows-1)):]
			if got := s.rows(t); !slices.Equal(got, want) {
				t.Fatalf("seed %d, %d columns, %d rows: the screen shows\n%s\nand should\n%s", seed, columns, rows,
					strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		}
	}
}

func FuzzCut(f *testing.F) {
	f.Add("role fly-acme-web", 8, false)
	f.Add("設定/fly.toml", 7, true)
	f.Add("", 3, true)
	f.Fuzz(func(t *testing.T, text string, room int, ascii bool) {
		if room < 3 || !utf8.ValidString(text) {
			t.Skip()
		}
		wide := func(s string) int { // half of the text may be twice as wide
			return utf8.RuneCountInString(s) + strings.Count(strings.Map(func(r rune) rune {
				if r > '~'+1 {
					return 'w'
				}
				return 'n'
			}, s), "w")
		}
		style, ellipsis := Style{ASCII: ascii}, "…"
		if ascii {
			ellipsis = "..."
		}
		got := style.cut(text, room)
		if wide(got) > room {
			t.Errorf("%q takes %d cells of %d", got, wide(got), room)
		}
		if wide(text) <= room {
			if got != text {
				t.Errorf("%q fits in %d cells and became %q", text, room, got)
			}
			return
		}
		kept, ok := strings.CutSuffix(got, ellipsis)
		rest, begins := strings.CutPrefix(text, kept)
		if !ok || !begins {
			t.Fatalf("%q became %q", text, got)
		}
		if next, _ := utf8.DecodeRuneInString(rest); wide(kept+string(next)+ellipsis) <= room {
			t.Errorf("%q became %q, although one more character fits in %d cells", text, got, room)
		}
	})
}
