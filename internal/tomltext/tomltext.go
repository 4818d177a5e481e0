// Package tomltext has what it takes to read and edit TOML as text: positions, lines, and
// how keys and strings are written. The parser is github.com/pelletier/go-toml/v2.
package tomltext

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/fly-aws/fly-aws/internal/text"
)

// BOM is the byte order mark in UTF-8, which some Windows editors put first and which the
// parser refuses.
const BOM = "\xef\xbb\xbf"

// Position returns the line and the column of an offset, from 1. The column counts
// characters.
func Position(body []byte, offset int) (line, column int) {
	before := body[:offset]
	return bytes.Count(before, []byte("\n")) + 1, utf8.RuneCount(before[LineStart(body, offset):]) + 1
}

// Column converts the parser's column, which counts bytes, to one that counts characters.
func Column(body []byte, line, column int) int {
	for ; line > 1; line-- {
		body = body[bytes.IndexByte(body, '\n')+1:]
	}
	return utf8.RuneCount(body[:min(max(column-1, 0), len(body))]) + 1
}

// Reason makes the parser's message, which quotes the text, safe to show on one line.
func Reason(message string) string { return text.Line(strings.TrimPrefix(message, "toml: ")) }

// LineStart returns the start of the line that holds the offset.
func LineStart(body []byte, offset int) int {
	return bytes.LastIndexByte(body[:offset], '\n') + 1
}

// LineEnd returns the offset after the newline of the line that holds the offset, and
// whether there is a newline.
func LineEnd(body []byte, offset int) (int, bool) {
	i := bytes.IndexByte(body[offset:], '\n')
	if i < 0 {
		return len(body), false
	}
	return offset + i + 1, true
}

// Newline returns the text's own line ending, taken from its first line.
func Newline(body []byte) string {
	if i := bytes.IndexByte(body, '\n'); i > 0 && body[i-1] == '\r' {
		return "\r\n"
	}
	return "\n"
}

// SkipBlank returns the first offset at or after i that is not a space or a tab.
func SkipBlank(body []byte, i int) int {
	for i < len(body) && (body[i] == ' ' || body[i] == '\t') {
		i++
	}
	return i
}

// SkipSpace is SkipBlank that also skips newlines and comments. It is for use inside
// brackets and braces, where every comment ends with a newline.
func SkipSpace(body []byte, i int) int {
	for ; i < len(body); i++ {
		switch body[i] {
		case ' ', '\t', '\r', '\n':
		case '#':
			i += bytes.IndexByte(body[i:], '\n')
		default:
			return i
		}
	}
	return i
}

// Key writes a key, bare if it can be.
func Key(key string) string {
	bare := key != ""
	for i := range len(key) {
		switch c := key[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '_', c == '-':
		default:
			bare = false
		}
	}
	if bare {
		return key
	}
	return String(key, '"')
}

// String writes a string in the quotes asked for, or in double quotes if a literal string
// cannot hold it (https://toml.io/en/v1.0.0#string).
func String(s string, quote byte) string {
	if quote == '\'' && !strings.ContainsFunc(s, func(r rune) bool { return r == '\'' || unicode.IsControl(r) }) {
		return "'" + s + "'"
	}
	var b strings.Builder
	b.Grow(len(s) + 2)
	b.WriteByte('"')
	for _, r := range s {
		switch r {
		case '"', '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case '\b':
			b.WriteString(`\b`)
		case '\t':
			b.WriteString(`\t`)
		case '\n':
			b.WriteString(`\n`)
		case '\f':
			b.WriteString(`\f`)
		case '\r':
			b.WriteString(`\r`)
		default:
			if unicode.IsControl(r) {
				fmt.Fprintf(&b, `\u%04X`, r)
			} else {
				b.WriteRune(r)
			}
		}
	}
	b.WriteByte('"')
	return b.String()
}
