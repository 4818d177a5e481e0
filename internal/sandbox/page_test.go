package sandbox

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write what the sandbox knows into docs/sandbox.md")

// TestPageActions: docs/sandbox.md lists the actions that are dispatched, and the paths of Fly's
// API. With -update the page is written.
func TestPageActions(t *testing.T) {
	t.Parallel()
	names := func(file, pattern string) []string {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, m := range regexp.MustCompile(pattern).FindAllSubmatch(source, -1) {
			out = append(out, string(m[1]))
		}
		return out
	}
	const action, path = `\n\tcase "([A-Za-z]+)":\n\t\treturn`, `handle\("((?:GET|POST) /v1/[^"]+)"`
	var list strings.Builder
	for _, of := range []struct {
		title, file, pattern string
		handles              func(string) bool
	}{
		{"IAM", "iam.go", action, func(a string) bool { return iamHandler(a) != nil }},
		{"STS", "sts.go", action, func(a string) bool { return stsHandler(a) != nil }},
		{"Fly's Machines API", "fly_machines.go", path, func(string) bool { return true }},
	} {
		found := names(of.file, of.pattern)
		for _, name := range found {
			if !of.handles(name) {
				t.Errorf("%s has no %s", of.title, name)
			}
		}
		if len(found) == 0 {
			t.Errorf("nothing is found for %s", of.title)
		}
		fmt.Fprintf(&list, "- **%s**: `%s`\n", of.title, strings.Join(found, "`, `"))
	}

	const page, begin, end = "../../docs/sandbox.md", "<!-- actions -->\n", "<!-- /actions -->\n"
	old, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begins := strings.Cut(string(old), begin)
	_, after, ends := strings.Cut(rest, end)
	if !begins || !ends {
		t.Fatalf("%s has no place for the actions", page)
	}
	want := []byte(before + begin + list.String() + end + after)
	switch {
	case *update:
		if err := os.WriteFile(page, want, 0o644); err != nil {
			t.Fatal(err)
		}
	case !bytes.Equal(old, want):
		t.Errorf("%s is out of date; run go test ./internal/sandbox -update", page)
	}
}
