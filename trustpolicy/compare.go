package trustpolicy

import (
	"encoding/base64"
	"math/big"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// A presentedValue is a value of the request.
type presentedValue struct {
	text  string
	runes []rune // set for operators with wildcards
}

// match compares a wanted value with a presented one, before any negation. If a value is
// not of the operator's type, "the data type won't match"
// (access-analyzer-reference-policy-checks.html, invalid condition data type). AWS does
// not document what that means for a negated operator.
func (op operator) match(w expansion, value presentedValue) (truth, string) {
	if w.state != yes {
		return w.state, w.reason
	}
	t, reason := op.compare(w, value)
	if t == no && reason == ReasonBadValue && op.negated {
		t = unknown
	}
	return t, reason
}

func (op operator) compare(w expansion, s presentedValue) (truth, string) {
	value := s.text
	switch op.family {
	case familyString:
		return compareString(w.text, value)
	case familyStringIgnoreCase:
		return matched(strings.EqualFold(w.text, value))
	case familyStringLike:
		if glob(w.pattern, s.runes) {
			return yes, ReasonMatched
		}
		return no, caseHint(globFold(w.pattern, s.runes))
	case familyNumeric:
		a, okA := parseNumber(value)
		b, okB := parseNumber(w.text)
		if !okA || !okB {
			return no, ReasonBadValue
		}
		return matched(op.relation.holds(a.Cmp(b)))
	case familyDate:
		return op.compareDate(w.text, value)
	case familyBool:
		return compareBool(w.text, value)
	case familyBinary:
		b, err := base64.StdEncoding.DecodeString(w.text)
		if err != nil {
			return no, ReasonBadValue
		}
		return matched(string(b) == value)
	case familyIP:
		return compareIP(w.text, value)
	case familyARN:
		return compareARN(w.pattern, value)
	}
	return unknown, ReasonUnknownOperator
}

func matched(ok bool) (truth, string) {
	if ok {
		return yes, ReasonMatched
	}
	return no, ReasonNoMatch
}

func caseHint(fold bool) string {
	if fold {
		return ReasonCaseDiffers
	}
	return ReasonNoMatch
}

func compareString(wanted, value string) (truth, string) {
	switch {
	case wanted == value:
		return yes, ReasonMatched
	case strings.ContainsAny(wanted, "*?") && glob(pattern(wanted), []rune(value)):
		return no, ReasonWildcardLiteral
	}
	return no, caseHint(strings.EqualFold(wanted, value))
}

// compareBool compares "true" and "false". AWS does not document other spellings.
func compareBool(wanted, value string) (truth, string) {
	for _, s := range []string{wanted, value} {
		switch {
		case s == "true" || s == "false":
		case strings.EqualFold(s, "true") || strings.EqualFold(s, "false"):
			return unknown, ReasonBadValue
		default:
			return no, ReasonBadValue
		}
	}
	return matched(wanted == value)
}

// parseNumber reads an integer or decimal number, without exponent.
func parseNumber(s string) (*big.Rat, bool) {
	const maxLength = 64 // far longer than the numbers in AWS's condition keys
	digits := strings.TrimLeft(s, "+-")
	whole, fraction, point := strings.Cut(digits, ".")
	if len(s) > maxLength || len(s)-len(digits) > 1 || !isNumber(whole) || point && !isNumber(fraction) {
		return nil, false
	}
	return new(big.Rat).SetString(s)
}

func isNumber(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

func (op operator) compareDate(wanted, value string) (truth, string) {
	// Four digits can be an ISO 8601 year or seconds since 1970.
	for _, s := range []string{wanted, value} {
		if len(s) == 4 && isNumber(s) {
			return unknown, ReasonBadValue
		}
	}
	a, okA := parseDate(value)
	b, okB := parseDate(wanted)
	if !okA || !okB {
		return no, ReasonBadValue
	}
	return matched(op.relation.holds(a.Compare(b)))
}

// parseDate parses a date in one of the formats of
// https://www.w3.org/TR/NOTE-datetime, or as seconds since 1970.
func parseDate(s string) (time.Time, bool) {
	if n, ok := parseNumber(s); ok && len(s) <= 18 && n.IsInt() {
		return time.Unix(n.Num().Int64(), 0), true
	}
	for _, layout := range []string{"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04Z07:00", "2006-01-02", "2006-01"} {
		// time.Parse also accepts fractional seconds after these layouts' seconds.
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// compareIP compares an address with an address or a CIDR range. "If you specify an IP
// address without the associated routing prefix, IAM uses the default prefix value of
// /32". For IPv6 the result is therefore clear only if the whole address is the same or
// its first 32 bits differ.
func compareIP(wanted, value string) (truth, string) {
	addr, err := netip.ParseAddr(value)
	if err != nil || addr.Zone() != "" {
		return no, ReasonBadValue
	}
	if strings.Contains(wanted, "/") {
		prefix, err := netip.ParsePrefix(wanted)
		if err != nil {
			return no, ReasonBadValue
		}
		return matched(prefix.Contains(addr))
	}
	single, err := netip.ParseAddr(wanted)
	if err != nil || single.Zone() != "" {
		return no, ReasonBadValue
	}
	if single != addr && single.Is6() && addr.Is6() && netip.PrefixFrom(single, 32).Contains(addr) {
		return unknown, ReasonBadValue
	}
	return matched(single == addr)
}

// compareARN compares the six parts of an ARN one by one, so that a wildcard does not
// match across the first five colons
// (reference_policies_elements_condition_operators.html). AWS does not document patterns
// with fewer parts.
func compareARN(wanted []rune, value string) (truth, string) {
	const parts = 6
	want := splitRunes(wanted, ':', parts)
	have := strings.SplitN(value, ":", parts)
	if len(want) < parts {
		return unknown, ReasonBadValue
	}
	if len(have) < parts {
		return no, ReasonBadValue
	}
	same, fold := true, true
	for i, w := range want {
		h := []rune(have[i])
		same = same && glob(w, h)
		fold = fold && globFold(w, h)
	}
	if same {
		return yes, ReasonMatched
	}
	return no, caseHint(fold)
}

// splitRunes is strings.SplitN for runes.
func splitRunes(s []rune, sep rune, n int) [][]rune {
	var out [][]rune
	for len(out) < n-1 {
		i := slices.Index(s, sep)
		if i < 0 {
			break
		}
		out, s = append(out, s[:i]), s[i+1:]
	}
	return append(out, s)
}

// The wildcards of a pattern, as values that are not characters.
const (
	anyRun  rune = -1 // "*": zero or more characters
	anyRune rune = -2 // "?": one character
)

// pattern parses a text in which * and ? are wildcards.
func pattern(s string) []rune {
	out := []rune(s)
	for i, r := range out {
		switch r {
		case '*':
			out[i] = anyRun
		case '?':
			out[i] = anyRune
		}
	}
	return out
}

// Like says whether wanted, in which * stands for any characters and ? for one, matches all
// of value. Case counts, as under StringLike and in Resource; for actions, whose case does
// not count (reference_policies_elements_action.html), give both in lower case.
func Like(wanted, value string) bool { return glob(pattern(wanted), []rune(value)) }

// Includes says whether a pattern, as under StringLike, certainly matches all that another
// does: as text, where a "*" is matched by a "*" alone.
func Includes(wide, narrow string) bool {
	return Like(wide, narrow) && !(strings.Contains(wide, "?") && strings.Contains(narrow, "*")) && !strings.Contains(narrow, "${")
}

// glob says whether a pattern matches all of s. It backtracks only to the last "*", so its
// time is bounded by the product of the lengths.
func glob(pattern, s []rune) bool {
	return globFunc(pattern, s, func(a, b rune) bool { return a == b })
}

// globFold is glob ignoring the case of ASCII letters.
func globFold(pattern, s []rune) bool {
	return globFunc(pattern, s, func(a, b rune) bool { return lowerRune(a) == lowerRune(b) })
}

func lowerRune(r rune) rune {
	if 'A' <= r && r <= 'Z' {
		return r + 'a' - 'A'
	}
	return r
}

func globFunc(pattern, s []rune, same func(a, b rune) bool) bool {
	p, i := 0, 0
	star, from := -1, 0 // the last "*", and the end of its match in s
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == anyRun:
			star, from = p, i
			p++
		case p < len(pattern) && (pattern[p] == anyRune || same(pattern[p], s[i])):
			p++
			i++
		case star >= 0:
			from++
			p, i = star+1, from
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == anyRun {
		p++
	}
	return p == len(pattern)
}
