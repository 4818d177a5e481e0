// Package text makes text from outside safe to show: one cleaner for terminals,
// one redactor of secrets, one quoter for shells.
package text

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// Lengths at which text from outside is cut, in characters.
const (
	// MaxError is that of a message of somebody else's within an error.
	MaxError = 2000
	// MaxName is that of a name.
	MaxName = 256
)

// Clean makes text safe for a terminal: control characters, which could move the
// cursor or change colors, and invisible characters, which could hide text or
// change the direction of writing, are shown as escapes. A tab stays. Cleaning
// twice is cleaning once.
func Clean(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return !Visible(r) || r == unicode.ReplacementChar }) < 0 {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == unicode.ReplacementChar && !strings.HasPrefix(s[i:], string(unicode.ReplacementChar)):
			fmt.Fprintf(&b, `\x%02x`, s[i]) // a byte that is not UTF-8
		case Visible(r):
			b.WriteRune(r)
		case r < 0x80:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// Visible says whether a terminal shows r as a character of its own or as white
// space: a tab or a graphic character that Unicode does not call ignorable
// (https://www.unicode.org/reports/tr44/#Default_Ignorable_Code_Point).
func Visible(r rune) bool {
	return r == '\t' || r < 0x7f && r >= ' ' ||
		unicode.IsGraphic(r) && !unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// Line makes a message of somebody else's fit for an error: one line, clean,
// without secrets, of at most MaxError characters.
func Line(s string) string {
	return Cut(Clean(strings.Join(strings.Fields(Redact(s)), " ")), MaxError)
}

// Name cleans a name for a sentence and cuts it at MaxName characters.
func Name(s string) string { return Cut(Clean(s), MaxName) }

// Quote puts a name or value into double quotes, escaped, without secrets and cut
// at MaxName characters.
func Quote(s string) string { return Clean(strconv.Quote(Cut(Redact(s), MaxName))) }

// Cut returns the first n characters of s, with "…" in the place of more.
func Cut(s string, n int) string {
	for i := range s {
		if n == 0 {
			return s[:i] + "…"
		}
		n--
	}
	return s
}

// ShellWord quotes a word so that a POSIX shell, and the program that gets it,
// take it for one word that is no flag.
func ShellWord(word string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-./=:@%+,", r)
	}
	switch {
	case word == "" || strings.ContainsFunc(word, func(r rune) bool { return !plain(r) }):
		return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
	case word[0] == '-':
		return "'" + word + "'"
	}
	return word
}
