package trustfile_test

import (
	"bytes"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/fly-aws/fly-aws/internal/trustfile"
)

// FuzzRead checks that no file makes Read panic, that what it finds is in the file, and
// that a file that is one policy is found as it is.
func FuzzRead(f *testing.F) {
	files, err := filepath.Glob(filepath.Join("testdata", "*.*"))
	if err != nil || len(files) == 0 {
		f.Fatal(err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, false)
	}
	for _, s := range []string{
		long, "\ufeff" + compact, encoded, strconv.Quote(encoded), permissions, "// a\n" + bucket, `{"Statement":[],}`, laughs(3),
		"a: &a [*a]", "? x\n: y", "a: !Sub {b: !!binary c}\n--- d", "%YAML 1.1\n---\nResources: {A: {AssumeRolePolicyDocument: !Ref b}}",
	} {
		f.Add([]byte(s), true)
	}
	f.Fuzz(func(t *testing.T, file []byte, lenient bool) {
		lines := 1 // YAML has more line breaks than "\n"
		for _, r := range string(file) {
			if strings.ContainsRune("\r\n\u0085\u2028\u2029", r) {
				lines++
			}
		}
		_, err := trustfile.Read(bytes.NewReader(file), trustfile.Options{Lenient: lenient}, func(f trustfile.Found) error {
			if f.Undecided == "" || f.Text != nil {
				if err := json.Unmarshal(f.Text, new(jsontext.Value)); err != nil {
					t.Errorf("%s is not JSON: %v in %q", f.Path, err, f.Text)
				}
			}
			last := [2]int{f.Line, f.Column}
			for i := -1; i <= len(f.Text)+1; i++ {
				line, column := f.Position(i)
				if line < 1 || column < 1 || line > lines {
					t.Fatalf("byte %d of %s is at %d:%d in %d lines", i, f.Path, line, column, lines)
				}
				if f.Bare() && (line < last[0] || line == last[0] && column < last[1]) {
					t.Fatalf("byte %d of %s is at %d:%d, before %v", i, f.Path, line, column, last)
				}
				last = [2]int{line, column}
			}
			if f.Bare() && !f.Relaxed && !bytes.Contains(file, f.Text) {
				t.Errorf("the document %q is not the file's", f.Text)
			}
			resolve(t, file, f)
			return nil
		})
		var syntax *trustfile.SyntaxError
		var nothing *trustfile.NoPolicyError
		switch {
		case err == nil:
		case errors.As(err, &syntax):
			if syntax.Line < 1 || syntax.Column < 1 || syntax.Line > lines+1 || syntax.Reason == "" {
				t.Errorf("%v in %d lines", err, lines)
			}
		case errors.As(err, &nothing):
			if nothing.Holds == "" {
				t.Error("it does not say what the file holds")
			}
		default:
			t.Errorf("an error of another type: %v", err)
		}
	})
}

var step = regexp.MustCompile(`^(?:\.([A-Za-z_][A-Za-z0-9_]*)|\[([0-9]+)\]|\[("(?:[^"\\]|\\.)*")\])`)

// resolve follows the path of what was found, if the file is JSON, to the same value.
func resolve(t *testing.T, file []byte, f trustfile.Found) {
	t.Helper()
	var at any
	if json.Unmarshal(bytes.TrimPrefix(file, []byte("\ufeff")), &at) != nil {
		return
	}
	at = plain(at)
	rest, ok := strings.CutPrefix(f.Path, "$")
	if !ok {
		t.Fatalf("the path %s does not begin with $", f.Path)
	}
	for rest != "" {
		m := step.FindStringSubmatch(rest)
		if m == nil {
			t.Fatalf("the path %s cannot be read at %q", f.Path, rest)
		}
		rest = rest[len(m[0]):]
		switch v := at.(type) {
		case []any:
			i, err := strconv.Atoi(m[2])
			if err != nil || i >= len(v) {
				t.Fatalf("the path %s leads to nothing", f.Path)
			}
			at = v[i]
		case map[string]any:
			name := m[1]
			if m[3] != "" {
				if err := json.Unmarshal([]byte(m[3]), &name); err != nil {
					t.Fatalf("the path %s: %v", f.Path, err)
				}
			}
			if at, ok = v[name]; !ok {
				t.Fatalf("the path %s leads to nothing", f.Path)
			}
		default:
			t.Fatalf("the path %s leads to nothing", f.Path)
		}
	}
	if f.Text == nil {
		return
	}
	want, err := json.Marshal(plain(at), json.Deterministic(true))
	if err != nil {
		t.Fatal(err)
	}
	var found any
	if err := json.Unmarshal(f.Text, &found); err != nil {
		t.Fatal(err)
	}
	if got, err := json.Marshal(found, json.Deterministic(true)); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s is %s, found %s (%v)", f.Path, want, got, err)
	}
}

// plain returns the value that a string stands for.
func plain(v any) any {
	s, ok := v.(string)
	if !ok {
		return v
	}
	if decoded, err := url.PathUnescape(s); err == nil && strings.HasPrefix(s, "%") {
		s = decoded
	}
	var inner any
	if json.Unmarshal([]byte(s), &inner) != nil {
		return v
	}
	return inner
}
