package flyapi

import (
	"strings"
	"unicode/utf8"
)

// accessTokenKey is where flyctl's config file has the token.
const accessTokenKey = "access_token"

// accessToken reads access_token from the text of flyctl's config file: "" when
// there is no such key or it has no value, false when it is not certain what the
// text means.
//
// flyctl reads the file into a map, sets keys in it and writes it whole with
// gopkg.in/yaml.v3: a block mapping at column 0, sorted, with no line folded
// (superfly/flyctl at ad0172fac, internal/config/file.go and flyctl/flyctl.go).
// The keys are access_token, app_secrets_minvers (a mapping), auto_update,
// buildkit_node_id, installer, last_login, metrics_token, send_metrics,
// synthetics_agent, wire_guard_state (a mapping of mappings) and
// wire_guard_websockets, and whatever else was there. Signing out sets
// access_token to "".
//
// What is read is that and what people make of it: comments, quotes, lists, a
// header, CRLF. The values of other keys are skipped by their indentation, but a
// quote has to end on its line, since readers of YAML look for its end at column
// 0 too.
func accessToken(file string) (token string, ok bool) {
	file = strings.ReplaceAll(strings.TrimPrefix(file, "\uFEFF"), "\r\n", "\n")
	if !utf8.ValidString(file) || strings.ContainsFunc(file, notInYAML) {
		return "", false
	}
	seen := map[string]bool{}
	last, list := "", false // the key at column 0 above, and whether its value may be a list there
	header := false
	block := -1 // the column that a block scalar is indented past; -1 outside of one
	for line := range strings.SplitSeq(file, "\n") {
		text := strings.TrimLeft(line, " ")
		column := len(line) - len(text)
		if text == "" || block >= 0 && column > block {
			continue
		}
		block = -1
		if text[0] == '#' {
			continue
		}
		if strings.HasPrefix(line, "---") || strings.HasPrefix(line, "...") {
			if header || len(seen) > 0 || line[0] == '.' || !ends(line[3:]) {
				return "", false
			}
			header = true
			continue
		}
		n, fine := readLine(text, column)
		if !fine {
			return "", false
		}
		if n.value.style == styleBlock {
			block = n.parent
		}
		if column > 0 || n.item {
			if last == "" || last == accessTokenKey || column == 0 && !list {
				return "", false
			}
			continue
		}
		if n.key.style != stylePlain && n.key.style != styleQuoted || n.key.text == "<<" || seen[n.key.text] {
			return "", false
		}
		last, list = n.key.text, n.value.style == styleNone
		seen[last] = true
		if last == accessTokenKey {
			if n.value.style > styleQuoted {
				return "", false
			}
			token = n.value.text
		}
	}
	return token, true
}

// notInYAML finds the characters that YAML does not allow, and the line breaks
// other than of Unix: not all readers agree on them.
func notInYAML(r rune) bool {
	return r < ' ' && r != '\n' && r != '\t' || '\x7f' <= r && r < '\u00a0' ||
		strings.ContainsRune("\u2028\u2029\uFEFF\uFFFE\uFFFF", r)
}

// A configLine is a line outside of a block scalar.
type configLine struct {
	item       bool   // it begins with a dash
	key, value scalar // the key is of styleNone when there is none
	parent     int    // the column of the key, or else of the last dash, or -1
}

func readLine(text string, column int) (n configLine, ok bool) {
	n.parent = -1
	for text == "-" || strings.HasPrefix(text, "- ") {
		rest := strings.TrimLeft(text[1:], " ")
		n.item, n.parent, column, text = true, column, column+len(text)-len(rest), rest
	}
	var rest string
	if n.value, rest, ok = readScalar(text); !ok {
		return n, false
	}
	after, isKey := strings.CutPrefix(strings.TrimLeft(rest, " "), ":")
	if isKey && stylePlain <= n.value.style && n.value.style <= styleEscaped && (after == "" || after[0] == ' ') {
		n.key, n.parent = n.value, column
		n.value, rest, ok = readScalar(strings.TrimLeft(after, " "))
	}
	return n, ok && ends(rest) && (n.value.style != styleBlock || n.parent >= 0)
}

// ends says whether nothing but a comment follows a scalar.
func ends(rest string) bool {
	text := strings.TrimLeft(rest, " ")
	return text == "" || rest[0] == ' ' && text[0] == '#'
}

// A scalar has a text when it is of stylePlain or styleQuoted.
type scalar struct {
	style style
	text  string
}

type style int

const (
	styleNone style = iota // nothing, or null
	stylePlain
	styleQuoted
	styleEscaped // quoted, with an escape that is not read
	styleFlow    // {} or []
	styleBlock   // | or >, with the text on lines below
)

// readScalar reads what text begins with, up to what ends a key or a value.
func readScalar(text string) (s scalar, rest string, ok bool) {
	switch {
	case text == "" || text[0] == '#':
		return scalar{}, "", true
	case text[0] == '"' || text[0] == '\'':
		return readQuoted(text)
	case text[0] == '|' || text[0] == '>':
		return scalar{style: styleBlock}, strings.TrimLeft(text[1:], "+-123456789"), true
	case strings.HasPrefix(text, "{}") || strings.HasPrefix(text, "[]"):
		return scalar{style: styleFlow}, text[2:], true
	case strings.IndexByte("{}[],&*!%@`", text[0]) >= 0,
		strings.IndexByte("-?:", text[0]) >= 0 && (len(text) == 1 || text[1] == ' '):
		return scalar{}, "", false
	}
	end := len(strings.TrimSuffix(text, ":"))
	for _, mark := range [...]string{": ", " #"} {
		if i := strings.Index(text[:end], mark); i >= 0 {
			end = i
		}
	}
	s = scalar{stylePlain, strings.TrimRight(text[:end], " ")}
	switch s.text {
	case "~", "null", "Null", "NULL":
		s = scalar{}
	}
	return s, text[end:], !strings.Contains(s.text, "\t") // a tab may be a blank, and so end a key
}

func readQuoted(text string) (s scalar, rest string, ok bool) {
	s.style = styleQuoted
	var b strings.Builder
	for i, quote := 1, text[0]; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && quote == '"' && i+1 < len(text):
			i++
			if text[i] != '"' && text[i] != '\\' {
				s.style = styleEscaped
			}
		case c == quote && quote == '\'' && strings.HasPrefix(text[i+1:], "'"):
			i++
		case c == quote:
			s.text = b.String()
			return s, text[i+1:], true
		}
		b.WriteByte(text[i])
	}
	return s, "", false
}
