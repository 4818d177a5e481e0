package terminal

import (
	"slices"
	"strings"
	"testing"

	"github.com/charmbracelet/x/vt"
)

// screenOf is a screen after output.
func screenOf(columns, rows int, output string) *vt.Emulator {
	s := newScreen(columns, rows)
	_, _ = s.WriteString(output) // which cannot fail
	return s
}

// shownBy are the lines of a screen after output.
func shownBy(columns, rows int, output string) []Line {
	return linesOf(screenOf(columns, rows, output))
}

// TestLines checks that every character is one cell with its width, and that a line
// keeps its columns when half a character is overwritten.
func TestLines(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, output string
		want         []string
	}{
		{"lines", "one\r\n\r\nthree  ", []string{"one", "", "three"}},
		{"wrapped", "abcdefghijkl", []string{"abcdefghij", "kl"}},
		{"wide", "a漢b", []string{"a漢b"}},
		{"wide halved", "漢字\x1b[1;2Hx", []string{" x字"}},
		{"combined", "e\u0301x", []string{"e\u0301x"}},
		{"combined with nothing", "x\r\x1b[2C\u0301\x1b[1;5Hy", []string{"x   y"}},
		{"erased in a color", "abc\x1b[41m\x1b[1;2H\x1b[K", []string{"a"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			lines := shownBy(10, 4, tt.output)
			var got []string
			for _, l := range lines {
				got = append(got, l.String())
				columns := 0
				for _, c := range l {
					columns += c.Width
					if c.Content == "" {
						t.Errorf("a cell of %q has no text", l)
					}
				}
				if columns != 10 {
					t.Errorf("%q has %d columns, want 10", l, columns)
				}
			}
			want := append(slices.Clone(tt.want), make([]string, 4-len(tt.want))...)
			if !slices.Equal(got, want) {
				t.Errorf("the screen is %q, want %q", got, want)
			}
			if got, want := text(lines), strings.Join(tt.want, "\n")+"\n"; got != want {
				t.Errorf("the text is %q, want %q", got, want)
			}
		})
	}
}

// Resizing keeps the lines that scroll off, and the cursor on its row.
func TestResizeScreen(t *testing.T) {
	t.Parallel()
	s := screenOf(10, 4, "1\r\n2\r\n3\r\n4")
	resize(s, 24, 2)
	_, _ = s.WriteString("5")
	if got, want := text(linesOf(s)), "3\n45\n"; got != want {
		t.Errorf("the screen is %q, want %q", got, want)
	}
	var gone []string
	for _, row := range s.Scrollback().Lines() {
		gone = append(gone, lineOf(row).String())
	}
	if !slices.Equal(gone, []string{"1", "2"}) {
		t.Errorf("%q scrolled off", gone)
	}
}
