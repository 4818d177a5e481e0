package explain

import (
	"regexp/syntax"
	"slices"
	"strings"
	"testing"
)

// Messages returns the phrases that ErrorText looks for.
func Messages() []string {
	var out []string
	for _, m := range messages() {
		out = append(out, m.text)
	}
	return out
}

// Of returns the layer that a message is about.
func (m Meaning) Of() Layer { return m.layer() }

// Phrases returns the texts that Diagnose looks for to find a layer, with "…" for what varies.
func Phrases(t *testing.T, layer Layer) []string {
	t.Helper()
	var out []string
	for _, rule := range layerRules() {
		if rule.layer != layer {
			continue
		}
		tree, err := syntax.Parse(rule.pattern.String(), syntax.Perl)
		if err != nil {
			t.Fatal(err)
		}
		for _, phrase := range phrases(tree) {
			if !slices.Contains(out, phrase) {
				out = append(out, phrase)
			}
		}
	}
	return out
}

// phrases returns the readable forms of an expression: an optional part is left out, unless it
// is a blank.
func phrases(e *syntax.Regexp) []string {
	switch e.Op {
	case syntax.OpLiteral:
		return []string{string(e.Rune)}
	case syntax.OpAlternate:
		var out []string
		for _, part := range e.Sub {
			out = append(out, phrases(part)...)
		}
		return out
	case syntax.OpConcat:
		out := []string{""}
		for _, part := range e.Sub {
			var longer []string
			for _, before := range out {
				for _, after := range phrases(part) {
					longer = append(longer, strings.ReplaceAll(before+after, "……", "…"))
				}
			}
			out = longer
		}
		return out
	case syntax.OpCapture:
		return phrases(e.Sub[0])
	case syntax.OpQuest:
		if some := phrases(e.Sub[0]); slices.Contains(some, " ") {
			return []string{" "}
		}
		return []string{""}
	case syntax.OpWordBoundary, syntax.OpEmptyMatch:
		return []string{""}
	case syntax.OpCharClass: // one of a few, such as _ or nothing
		return []string{string(e.Rune[0])}
	}
	return []string{"…"}
}
