package terminal

import "unicode"

// wide are the characters that take two columns, as Markus Kuhn's wcwidth has
// them, by which xterm and others go: those that Unicode's East Asian Width
// (UAX #11) calls wide or full, and the emoji.
var wide = &unicode.RangeTable{
	R16: []unicode.Range16{
		{0x1100, 0x115f, 1}, // Hangul Jamo that begin a syllable
		{0x231a, 0x231b, 1},
		{0x23e9, 0x23ec, 1},
		{0x2705, 0x2705, 1},
		{0x274c, 0x274c, 1},
		{0x2e80, 0x303e, 1}, // CJK radicals to CJK symbols
		{0x3041, 0x33ff, 1}, // kana to CJK compatibility
		{0x3400, 0x4dbf, 1},
		{0x4e00, 0x9fff, 1},
		{0xa000, 0xa4cf, 1}, // Yi
		{0xa960, 0xa97f, 1},
		{0xac00, 0xd7a3, 1}, // Hangul syllables
		{0xf900, 0xfaff, 1},
		{0xfe10, 0xfe19, 1},
		{0xfe30, 0xfe6f, 1},
		{0xff01, 0xff60, 1}, // full forms
		{0xffe0, 0xffe6, 1},
	},
	R32: []unicode.Range32{
		{0x1f300, 0x1f64f, 1},
		{0x1f680, 0x1f6ff, 1},
		{0x1f900, 0x1f9ff, 1},
		{0x20000, 0x2fffd, 1},
		{0x30000, 0x3fffd, 1},
	},
}

// width is the number of columns that a character takes: 0 if it goes with the
// one before it.
func width(r rune) int {
	switch {
	case r == 0xad: // a soft hyphen is seen
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf), 0x1160 <= r && r <= 0x11ff:
		return 0
	case unicode.Is(wide, r):
		return 2
	default:
		return 1
	}
}
