package terminal

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// shownBy is a screen that was written to.
func shownBy(columns, rows int, output string) *screen {
	s := newScreen(columns, rows)
	s.write([]byte(output))
	return s
}

// TestScreen writes what programs write. Each is written at once, and byte by
// byte, since a read may end anywhere.
func TestScreen(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, output  string
		history, want []string // on 10 columns and 4 rows
	}{
		{"lines", "one\r\ntwo", nil, []string{"one", "two"}},
		{"no carriage return", "one\ntwo", nil, []string{"one", "   two"}},
		{"overwritten", "hello\r\x1b[2Cxx", nil, []string{"hexxo"}},
		{"wrapped", "abcdefghijkl", nil, []string{"abcdefghij", "kl"}},
		{"not wrapped yet", "abcdefghij\rX", nil, []string{"Xbcdefghij"}},
		{"never wrapped", "\x1b[?7labcdefghijkl", nil, []string{"abcdefghil"}},
		{"erased", "abc\r\ndef\x1b[1;2H\x1b[K\x1b[2;1H\x1b[1K", nil, []string{"a", " ef"}},
		{"erased above", "abc\r\ndef\x1b[1J", nil, []string{"", ""}},
		{"erased above the second row", "abc\r\ndef\r\nghi\x1b[2;1H\x1b[1J", nil, []string{"", " ef", "ghi"}},
		{"one of nothing is one", "abcdef\x1b[1;3H\x1b[0X", nil, []string{"ab def"}},
		{"a place without a row", "\r\n\x1b[;3Hx", nil, []string{"  x"}},
		{"inserted", "abc\x1b[1G\x1b[2@x", nil, []string{"x abc"}},
		{"insert mode", "abc\x1b[1G\x1b[4hxy\x1b[4l\rz", nil, []string{"zyabc"}},
		{"deleted", "abcdef\x1b[1G\x1b[2P", nil, []string{"cdef"}},
		{"repeated", "-\x1b[4b+", nil, []string{"-----+"}},
		{"tabs", "a\tb", nil, []string{"a       b"}},
		{"line drawing", "\x1b(0lqk\x1b(Blqk", nil, []string{"┌─┐lqk"}},
		{"scrolled", "1\r\n2\r\n3\r\n4\r\n5\r\n6", []string{"1", "2"}, []string{"3", "4", "5", "6"}},
		{"scrolled by wrapping", "\x1b[4;1Habcdefghijk", []string{""}, []string{"", "", "abcdefghij", "k"}},
		{"scrolled by index", "1\r\n2\x1b[4;1H\x1bD\x1bE", []string{"1", "2"}, nil},
		{"scrolled at once", "1\r\n2\r\n3\x1b[2S", []string{"1", "2"}, []string{"3"}},
		{"scrolled within", "1\r\n2\r\n3\x1b[2;3r\x1b[3;1H\r\n4", nil, []string{"1", "3", "4"}},
		{"scrolled above a foot", "1\r\n2\r\n3\r\n4\x1b[1;3r\x1b[3;1H\nx", []string{"1"}, []string{"2", "3", "x", "4"}},
		{"scrolled elsewhere", "1\x1b[?1049h\x1b[4;1H\r\n\r\nx\x1b[?1049l", nil, []string{"1"}},
		{"scrollback erased", "1\r\n2\r\n3\r\n4\r\n5\x1b[3J", nil, []string{"2", "3", "4", "5"}},
		{"the other screen", "main\x1b[?1049h\x1b[Hother", nil, []string{"other"}},
		{"and back", "main\x1b[?1049h\x1b[Hother\x1b[?1049l+", nil, []string{"main+"}},
		{"back without having been there", "main\x1b[?1049l", nil, []string{"main"}},
		{"reset", "main\x1b[?1049h\x1b[Hother\x1bcx", nil, []string{"x"}},
		{"wide", "a漢b", nil, []string{"a漢b"}},
		{"wide at the edge", "abcdefghi漢", nil, []string{"abcdefghi", "漢"}},
		{"wide halved", "漢字\x1b[1;2Hx", nil, []string{" x字"}},
		{"wide halved from the left", "漢字\x1b[1;1Hx", nil, []string{"x 字"}},
		{"combined", "e\u0301x", nil, []string{"e\u0301x"}},
		{"combined at the edge", "abcdefghie\u0301x", nil, []string{"abcdefghie\u0301", "x"}},
		{"combined with wide", "か\u3099x", nil, []string{"か\u3099x"}},
		{"combined with nothing", "\u0301x", nil, []string{"x"}},
		{"combined without end", "e" + strings.Repeat("\u0301", 100), nil, []string{"e" + strings.Repeat("\u0301", maxCombined)}},
		{"no UTF-8", "a\xffb\xc3", nil, []string{"a\ufffdb"}},
		{"of the private plane", "\U00100000\U0010fffd", nil, []string{"\ufffd\ufffd"}},
		{"unknown sequences", "a\x1b[>4;1mb\x1b[=1;1u\x1b[?uc\x1b[<ud\x1b[5 qe\x1b[1;2;3yf\x1b%Gg", nil, []string{"abcdefg"}},
		{"strings", "a\x1b]0;title\x07b\x1b]8;;https://x\x1b\\c\x1bPq#0\x1b\\d\x1b_apc\x1b\\e", nil, []string{"abcde"}},
		{"broken off", "a\x1b[12\x18b\x1b]0;t\x1ac\x1b]0;t\x1b[1md", nil, []string{"abcd"}},
		{"a control within", "abc\x1b[1\r;1Hx", nil, []string{"xbc"}},
		{"C1 and DEL", "a\u009b1mb\x7fc", nil, []string{"a1mbc"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			whole := shownBy(10, 4, tt.output)
			pieces := newScreen(10, 4)
			for i := range len(tt.output) {
				pieces.write([]byte{tt.output[i]})
			}
			for how, s := range map[string]*screen{"at once": whole, "byte by byte": pieces} {
				want := strings.TrimRight(strings.Join(tt.want, "\n"), "\n") + "\n"
				if got := text(s.lines()); got != want {
					t.Errorf("%s, the screen is %q, want %q", how, got, want)
				}
				var history []string
				for _, l := range s.history {
					history = append(history, l.String())
				}
				if !slices.Equal(history, tt.history) {
					t.Errorf("%s, %q scrolled off, want %q", how, history, tt.history)
				}
			}
		})
	}
}

// TestStyles holds what a character and a blank look like after SGR.
func TestStyles(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		output string // ends in the character that is looked at
		want   Style
	}{
		{"x", Style{}},
		{"\x1b[31mx", Style{FG: Palette(1)}},
		{"\x1b[1;31mx", Style{FG: Palette(1), Bold: true}},
		{"\x1b[91;102mx", Style{FG: Palette(9), BG: Palette(10)}},
		{"\x1b[2mx", Style{Faint: true}},
		{"\x1b[1;2m\x1b[22mx", Style{}},
		{"\x1b[3;4;7;9mx", Style{Italic: true, Underline: true, Reverse: true, Strike: true}},
		{"\x1b[3;4;7;9;23;24;27;29mx", Style{}},
		{"\x1b[4:3mx", Style{Underline: true}},
		{"\x1b[4m\x1b[4:0mx", Style{}},
		{"\x1b[38;5;208mx", Style{FG: Palette(208)}},
		{"\x1b[38:5:208;1mx", Style{FG: Palette(208), Bold: true}},
		{"\x1b[48;2;1;2;3;1mx", Style{BG: RGB(1, 2, 3), Bold: true}},
		{"\x1b[38:2::1:2:3mx", Style{FG: RGB(1, 2, 3)}},
		{"\x1b[38;2;0;0;1mx", Style{FG: RGB(0, 0, 1)}},
		{"\x1b[58;5;1mx", Style{}},
		{"\x1b[58;2;1;2;3;3mx", Style{Italic: true}},
		{"\x1b[38;5;300mx", Style{}},
		{"\x1b[38mx", Style{}},
		{"\x1b[31m\x1b[mx", Style{}},
		{"\x1b[31;;1mx", Style{Bold: true}},
		{"\x1b[31m\x1b7\x1b[m\x1b8x", Style{FG: Palette(1)}},
		{"\x1b[1mx\u0301", Style{Bold: true}},
		{"\x1b[4;7m ", Style{Underline: true, Reverse: true}},
		// What was erased has the background, and nothing else.
		{"\x1b[4;7;41;32m\x1b[K", Style{BG: Palette(1)}},
	} {
		if got := shownBy(10, 2, tt.output).line(0)[0].Style; got != tt.want {
			t.Errorf("%q: %+v, want %+v", tt.output, got, tt.want)
		}
	}
}

// TestAnswers asks what programs ask. Bubble Tea asks for the modes 2026 and
// 2027, and for the background's colour with the device's attributes behind it,
// whose answer it waits for.
func TestAnswers(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]string{
		"\x1b[?2026$p\x1b[?2027$p": "\x1b[?2026;0$y\x1b[?2027;0$y",
		"\x1b]11;?\x07\x1b[c":      "\x1b]11;rgb:0d0d/1111/1717\x07\x1b[?62;22c",
		"\x1b]11;?\x1b\\":          "\x1b]11;rgb:0d0d/1111/1717\x1b\\",
		"\x1b]10;?\x07":            "\x1b]10;rgb:e6e6/eded/f3f3\x07",
		"\x1b]12;?\x07":            "\x1b]12;rgb:e6e6/eded/f3f3\x07",
		"\x1b]4;1;?;15;?\x07":      "\x1b]4;1;rgb:ffff/7b7b/7272\x07\x1b]4;15;rgb:ffff/ffff/ffff\x07",
		"\x1b]4;256;?\x07":         "",
		"\x1b]11;#ffffff\x07":      "",
		"\x1b[0c":                  "\x1b[?62;22c",
		"\x1b[1c":                  "",
		"\x1b[>c":                  "\x1b[>1;0;0c",
		"\x1b[=c":                  "\x1bP!|00000000\x1b\\",
		"\x1b[>q":                  "\x1bP>|xterm(0)\x1b\\",
		"\x1b[5n":                  "\x1b[0n",
		"\x1b[2;3H\x1b[6n":         "\x1b[2;3R",
		"\x1b[?6n":                 "\x1b[?1;1R",
		"漢\x1b[6n":                 "\x1b[1;3R",
		"\x1b[?25$p":               "\x1b[?25;1$y",
		"\x1b[?25l\x1b[?25$p":      "\x1b[?25;2$y",
		"\x1b[?2004h\x1b[?2004$p":  "\x1b[?2004;1$y",
		"\x1b[?2026h\x1b[?2026$p":  "\x1b[?2026;0$y",
		"\x1b[4h\x1b[4$p\x1b[9$p":  "\x1b[4;1$y\x1b[9;0$y",
		"\x1b[18t":                 "\x1b[8;4;10t",
		"\x1bP+q544e\x1b\\":        "\x1bP0+r\x1b\\",
		"\x1bP$qm\x1b\\":           "\x1bP0$r\x1b\\",
		// A terminal without Kitty's keyboard protocol says nothing, and one that
		// guards its clipboard neither.
		"\x1b[?u\x1b]52;c;?\x07": "",
	} {
		whole := newScreen(10, 4)
		if got := whole.write([]byte(query)); got != want {
			t.Errorf("%q is answered by %q, want %q", query, got, want)
		}
		if again := whole.write([]byte("x")); again != "" {
			t.Errorf("%q is answered once more: %q", query, again)
		}
		pieces, got := newScreen(10, 4), ""
		for i := range len(query) {
			got += pieces.write([]byte{query[i]})
		}
		if got != want {
			t.Errorf("%q, byte by byte, is answered by %q, want %q", query, got, want)
		}
	}
}

// TestResizeScreen keeps what leaves by the top, and has tab stops where the
// screen became wider.
func TestResizeScreen(t *testing.T) {
	t.Parallel()
	s := shownBy(10, 4, "1\r\n2\r\n3\r\n4")
	s.resize(24, 2)
	s.write([]byte("\r\n\t\t|"))
	if got, want := text(append(slices.Clone(s.history), s.lines()...)), "1\n2\n3\n4\n                |\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := text(s.lines()), "4\n                |\n"; got != want {
		t.Errorf("the screen is %q, want %q", got, want)
	}
}

// TestHistoryEnds keeps the newest lines.
func TestHistoryEnds(t *testing.T) {
	t.Parallel()
	s := newScreen(10, 1)
	for i := range maxHistory + 10 {
		s.write(fmt.Appendf(nil, "%d\r\n", i))
	}
	if n, first := len(s.history), s.history[0].String(); n != maxHistory || first != "10" {
		t.Errorf("%d lines are kept from %q, want %d from 10", n, first, maxHistory)
	}
}

// FuzzScreen writes anything. Every line keeps its width, shows no control
// characters, and does not depend on where reads end.
func FuzzScreen(f *testing.F) {
	for _, seed := range []string{
		"one\r\ntwo\x1b[1;31mred\x1b[m\x1b[2K", "\x1b[?1049h漢字\x1b[10@e\u0301\x1b[2;3r\n\n\n\x1b[?1049l",
		"\x1b(0lqk\x1b(B\x1b[5b\x1b[3L\x1b[2M\x1b[9P\x1b[9X\x1bM\x1bc", "\x1b]11;?\x07\x1b[c\x1b[?7$p\x1b[6n\x1bP$qm\x1b\\",
		"\x1b[9999;9999H\x1b[?6h\x1b[3;3H\x1b[4h\x1b[1J\x1b[3g\t\x1bH\x1b[9Z\x1b[9I\x1b7\x1b8\x1b#8",
	} {
		f.Add([]byte(seed), uint8(3), uint8(7), uint8(2))
	}
	f.Fuzz(func(t *testing.T, output []byte, at, columns, rows uint8) {
		whole, parts := newScreen(10, 4), newScreen(10, 4)
		cut := min(int(at), len(output))
		answer := whole.write(output)
		if got := parts.write(output[:cut]) + parts.write(output[cut:]); got != answer {
			t.Errorf("cut at %d, it is answered by %q, and at once by %q", cut, got, answer)
		}
		if a, b := text(whole.lines()), text(parts.lines()); a != b {
			t.Errorf("cut at %d, the screen is %q, and at once %q", cut, b, a)
		}
		checkLines(t, whole.lines(), 10)
		w, h := 2+int(columns)%40, 1+int(rows)%20
		whole.resize(w, h)
		whole.write(output)
		if got := len(whole.lines()); got != h {
			t.Errorf("%d rows, want %d", got, h)
		}
		checkLines(t, whole.lines(), w)
	})
}

func checkLines(t *testing.T, lines []Line, columns int) {
	t.Helper()
	for _, l := range lines {
		sum := 0
		for _, c := range l {
			sum += c.Width
			if c.Text == "" || strings.ContainsFunc(c.Text, unicode.IsControl) {
				t.Errorf("a cell shows %q", c.Text)
			}
		}
		if sum != columns {
			t.Errorf("%q has %d columns, want %d", l, sum, columns)
		}
	}
}
