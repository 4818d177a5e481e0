// Package text makes text from outside safe to show: one cleaner for terminals,
// one redactor of secrets, one quoter for shells.
package text

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// Maximum lengths of text from outside, in characters.
const (
	// maxError is for a message from outside in an error.
	maxError = 2000
	// maxName is for a name.
	maxName = 256
)

// Clean makes text safe for a terminal. It escapes control characters, which could move
// the cursor or change colors, and invisible characters, which could hide text or change
// its direction. Tabs stay. It is idempotent.
func Clean(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return !Visible(r) || r == unicode.ReplacementChar }) < 0 {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == unicode.ReplacementChar && !strings.HasPrefix(s[i:], string(unicode.ReplacementChar)):
			fmt.Fprintf(&b, `\x%02x`, s[i]) // an invalid UTF-8 byte
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

// Visible says whether a terminal shows r as a character or white space: a tab, or a
// graphic character that Unicode does not call ignorable
// (https://www.unicode.org/reports/tr44/#Default_Ignorable_Code_Point).
func Visible(r rune) bool {
	return r == '\t' || r < 0x7f && r >= ' ' ||
		unicode.IsGraphic(r) && !unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// Line prepares a message from outside for an error: one line, clean, without secrets, of
// at most 2,000 characters.
func Line(s string) string {
	return cut(Clean(strings.Join(strings.Fields(Redact(s)), " ")), maxError)
}

// Name cleans a name for a sentence and cuts it at 256 characters.
func Name(s string) string { return cut(Clean(s), maxName) }

// Quote puts a name or value into double quotes, escaped, without secrets, and cut at 256
// characters.
func Quote(s string) string { return Clean(strconv.Quote(cut(Redact(s), maxName))) }

// cut returns the first n characters of s, with "…" for the rest.
func cut(s string, n int) string {
	for i := range s {
		if n == 0 {
			return s[:i] + "…"
		}
		n--
	}
	return s
}

// ShellWord quotes a word so that a POSIX shell passes it as one word. A word that begins
// with a dash is quoted too.
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

// ShellWords joins words into a command line, each quoted as by ShellWord.
func ShellWords(words []string) string {
	quoted := make([]string, len(words))
	for i, word := range words {
		quoted[i] = ShellWord(word)
	}
	return strings.Join(quoted, " ")
}
