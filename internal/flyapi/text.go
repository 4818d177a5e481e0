package flyapi

import (
	"strconv"
	"strings"
	"unicode"
)

// maxQuoted is how many characters of text from outside an error repeats.
const maxQuoted = 200

// quote puts text from outside into quotes, escaped and cut to a length that a
// person reads.
func quote(s string) string { return strconv.Quote(cut(redact(s))) }

// clean makes text from outside fit for one line of a terminal: control and
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

// placeholder stands for a token wherever one would be shown.
const placeholder = "[token]"

// redact replaces whatever begins as a token of Fly's does, or as a JSON Web
// Token: "eyJ" is {" in base64.
func redact(s string) string {
	var b strings.Builder
	for s != "" {
		at := -1
		for _, prefix := range [...]string{"fm1r_", "fm1a_", "fm2_", "fo1_", "eyJ"} {
			if i := strings.Index(s, prefix); i >= 0 && (at < 0 || i < at) {
				at = i
			}
		}
		if at < 0 {
			break
		}
		b.WriteString(s[:at])
		b.WriteString(placeholder)
		s = strings.TrimLeftFunc(s[at:], func(r rune) bool {
			return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("-_.+/=", r)
		})
	}
	b.WriteString(s)
	return b.String()
}
