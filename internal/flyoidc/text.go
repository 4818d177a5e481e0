package flyoidc

import (
	"strconv"
	"strings"
	"unicode"
)

// maxQuoted is how many characters of text from outside an error repeats.
const maxQuoted = 200

// quote puts text from outside into quotes, escaped and cut to a length that a
// person reads.
func quote(s string) string { return strconv.Quote(cut(s)) }

// clean makes a text of others fit for one line of a terminal: control and
// format characters become spaces. What looks like a token is taken out.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	return cut(strings.Join(strings.Fields(redact(s)), " "))
}

func cut(s string) string {
	n := 0
	for i := range s {
		if n == maxQuoted {
			return s[:i] + "…"
		}
		n++
	}
	return s
}

// redact replaces whatever begins as a token does: "eyJ" is {" in base64.
func redact(s string) string {
	var b strings.Builder
	for {
		i := strings.Index(s, "eyJ")
		if i < 0 {
			b.WriteString(s)
			return b.String()
		}
		b.WriteString(s[:i])
		b.WriteString("[token]")
		s = strings.TrimLeftFunc(s[i:], func(r rune) bool {
			return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("-_.+/=", r)
		})
	}
}

// count puts a number before a noun: "1 key", "2 keys".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}
