package explain_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/fly-aws/fly-aws/internal/explain"
	"github.com/fly-aws/fly-aws/internal/render"
)

var update = flag.Bool("update", false, "write docs/errors.md from the tables")

// TestErrorsPage: docs/errors.md has every layer and every message in the tables, with the
// words of explain --error. With -update the page is written.
func TestErrorsPage(t *testing.T) {
	t.Parallel()
	const page, begin, end = "../../docs/errors.md", "<!-- layers -->\n", "<!-- /layers -->\n"
	old, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begins := strings.Cut(string(old), begin)
	_, after, ends := strings.Cut(rest, end)
	if !begins || !ends {
		t.Fatalf("%s has no place for the layers", page)
	}
	want := []byte(before + begin + layers(t) + end + after)
	switch {
	case *update:
		if err := os.WriteFile(page, want, 0o644); err != nil {
			t.Fatal(err)
		}
	case !bytes.Equal(old, want):
		t.Errorf("%s is out of date; run go test ./internal/explain -update", page)
	}
}

// layers is the page's list of layers, in the order in which they come into play.
func layers(t *testing.T) string {
	t.Helper()
	source, err := os.ReadFile("layer.go")
	if err != nil {
		t.Fatal(err)
	}
	var index, sections strings.Builder
	index.WriteString("| the layer at fault | `layer` in JSON |\n|---|---|\n")
	for _, m := range regexp.MustCompile(`\bLayer = "([a-z-]+)"`).FindAllSubmatch(source, -1) {
		layer := explain.Layer(m[1])
		if layer == explain.LayerUnknown {
			continue
		}
		d := explain.Diagnosis{Layer: layer}
		doc := render.NewExplainError(d)
		var shown bytes.Buffer
		render.Diagnosis(&shown, d, render.Style{})
		title, _, _ := strings.Cut(shown.String(), "\n")
		title = strings.ToUpper(title[:1]) + title[1:]
		anchor := strings.ReplaceAll(strings.ToLower(strings.NewReplacer("'", "", ",", "").Replace(title)), " ", "-")
		fmt.Fprintf(&index, "| [%s](#%s) | `%s` |\n", title, anchor, layer)
		fmt.Fprintf(&sections, "\n## %s\n\n%s\n\n→ %s\n\n", title, plain(doc.Text[0]), plain(doc.Next))
		sections.WriteString(texts(t, layer))
	}
	return index.String() + sections.String()
}

// texts is a list of the texts that stand for a layer: AWS's messages with what they mean, what
// else is looked for, and, where that is neither, an example.
func texts(t *testing.T, layer explain.Layer) string {
	t.Helper()
	var rows, others []string
	said := render.NewExplainError(explain.Diagnosis{Layer: layer}).Text[0]
	var found []string // in lower case
	known := func(text string) bool {
		return slices.ContainsFunc(found, func(phrase string) bool { return strings.Contains(text, phrase) })
	}
	for _, message := range explain.Messages() {
		if message == "Not authorized to perform" {
			message += " sts:AssumeRoleWithWebIdentity"
		}
		meaning := explain.ErrorText(message)
		if meaning.Of() != layer {
			continue
		}
		words := strings.Join(render.MeaningWords(meaning), " ")
		if words == said {
			words = "as above"
		}
		rows = append(rows, fmt.Sprintf("| %s | %s | %s |\n", code(message), code(meaning.AWSCode), plain(cell(words))))
		found = append(found, strings.ToLower(message))
	}
	for _, phrase := range explain.Phrases(t, layer) {
		if !known(phrase) {
			others = append(others, code(phrase))
		}
	}
	found = append(found, explain.Phrases(t, layer)...)
	var out strings.Builder
	if len(rows) > 0 {
		out.WriteString("| AWS says | its code | which means |\n|---|---|---|\n" + strings.Join(rows, ""))
	}
	if len(others) > 0 {
		separate(&out)
		out.WriteString("Texts: " + strings.Join(others, " · ") + "\n")
	}
	for _, e := range explain.LayerTexts() {
		if e.Layers == string(layer) && !known(strings.ToLower(e.Text)) {
			separate(&out)
			out.WriteString("Such as: " + code(e.Text) + "\n")
			break
		}
	}
	if out.Len() == 0 {
		t.Errorf("there is no text for %s", layer)
	}
	return out.String()
}

// separate puts a blank line before the next part.
func separate(out *strings.Builder) {
	if out.Len() > 0 {
		out.WriteString("\n")
	}
}

func code(s string) string { return "`" + cell(s) + "`" }

// plain is a text that is no HTML.
func plain(s string) string { return strings.ReplaceAll(s, "<", `\<`) }

// cell is a text that can stand in a table.
func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }
