package flytoml

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2"

	"github.com/fly-aws/fly-aws/internal/tomltext"
)

// FuzzEdit checks the guarantees of the package documentation for any text, key and
// value.
func FuzzEdit(f *testing.F) {
	for _, src := range []string{
		"", "\xef\xbb\xbf", "\n", "app = 'x'", "a = \"\"\"\n[env]\n\"\"\"\r\n",
		"[env]", "[env]\n", "[ \"env\" ] # c\nA='1'", "[env]\r\n\tA\t= \"1\" # c\r\n\r\n[next]\r\n",
		"[env]\n  AB   = \"1\"\n  ABCD = '2'\n[[services]]\n  [[services.ports]]\n    port = 1\n",
		"[env]\nK = '''\n[x]\n'''\n", "[env]\nK = [1, # c\n2]", "[env]\nK = nan\n", "[env]\nK.x = 1\n",
		"[[env]]\nK = 1\n[[env]]\nK = 2\n[[env]]", "[[env]]\n[env.K]\n", "[env.sub]\na = 1\n", "[env.sub]\n[env]\nA = 1",
		"env = {}", "env = { }\n", "env = {A=1,K='2',B=3}", "env = { K = 1 }", "env = {\n A = 1, # a\n K = 2,\n}\n",
		"env.A = 1\nx = 1\n'env'.\"K\" = 2\n[x]\n", "env.sub.x = 1", "env = 'x'", "env = [{A = 1}]", "env = []", "[a]\n[a]", "=", "\x00",
	} {
		f.Add([]byte(src), "K", "v")
		f.Add([]byte(src), "A", "1")
		f.Add([]byte(src), "a \"b\".c", "it's \\\x1b\n")
	}
	f.Fuzz(func(t *testing.T, src []byte, key, value string) {
		before := bytes.Clone(src)
		out, err := setIn(src, key, value)
		if !bytes.Equal(src, before) {
			t.Fatal("the argument was changed")
		}
		if err != nil {
			checkError(t, out, err, key, value)
			return
		}

		rest, env := meaning(t, src)
		newRest, newEnv := meaning(t, out)
		_, had := env[key]
		env[key] = value
		if !maps.Equal(env, newEnv) || !reflect.DeepEqual(rest, newRest) {
			t.Fatalf("%q became\n%q: means something else", src, out)
		}
		if got, ok, err := envIn(out, key); err != nil || !ok || got != value {
			t.Fatalf("%q: reads back as %q, %v, %v", out, got, ok, err)
		}
		if again, err := setIn(out, key, value); err != nil || !bytes.Equal(again, out) {
			t.Fatalf("%q: once more gives %q, %v", out, again, err)
		}

		less, err := unsetIn(src, key)
		if err != nil {
			// It cannot be edited, but did not need to be.
			if checkError(t, less, err, key, value); !bytes.Equal(out, src) {
				t.Fatalf("%q: could be set, not unset: %v", src, err)
			}
			return
		}
		back, err := unsetIn(out, key)
		if err != nil {
			t.Fatal(err)
		}
		if had {
			// Only the value differs: without the key both are the same.
			if !bytes.Equal(back, less) {
				t.Fatalf("%q became\n%q: more than the value differs", src, out)
			}
			return
		}
		if !bytes.Equal(less, src) {
			t.Fatalf("%q: unset of an absent key gives %q", src, less)
		}
		if !inserted(src, out) {
			t.Fatalf("%q became\n%q: more than an insertion", src, out)
		}
		doc, err := Parse(src)
		if err != nil {
			t.Fatal(err)
		}
		lasts := len(doc.lay.sections) > 0 && (doc.lay.sections[0].form != formInline || len(doc.lay.sections[0].entries) > 0)
		if lasts && !bytes.Equal(back, src) {
			t.Fatalf("%q: set and unset give %q", src, back)
		}
	})
}

// checkError checks what the documentation promises about errors.
func checkError(t *testing.T, out []byte, err error, key, value string) {
	t.Helper()
	if out != nil {
		t.Fatalf("text and error: %q, %v", out, err)
	}
	if !utf8.ValidString(key) || !utf8.ValidString(value) {
		return
	}
	var syntax *SyntaxError
	if !errors.As(err, &syntax) || syntax.Line < 1 || syntax.Column < 1 || syntax.Reason == "" {
		t.Fatalf("not a *SyntaxError with a place: %v", err)
	}
	for _, r := range syntax.Reason {
		if !unicode.IsPrint(r) {
			t.Fatalf("%q has %q in it", syntax.Reason, r)
		}
	}
}

// meaning decodes a text without this package: env merged as flyctl does,
// everything else formatted as text so that NaN equals NaN.
func meaning(t *testing.T, src []byte) (rest map[string]string, env map[string]string) {
	t.Helper()
	var root map[string]any
	if err := toml.Unmarshal(bytes.TrimPrefix(src, []byte(tomltext.BOM)), &root); err != nil {
		t.Fatalf("%q: %v", src, err)
	}
	env = make(map[string]string)
	merge := func(table map[string]any) {
		for k, v := range table {
			env[k] = fmt.Sprint(v)
		}
	}
	switch v := root["env"].(type) {
	case map[string]any:
		merge(v)
	case []any:
		for _, table := range v {
			merge(table.(map[string]any))
		}
	}
	delete(root, "env")
	rest = make(map[string]string)
	for k, v := range root {
		rest[k] = fmt.Sprintf("%#v", v)
	}
	return rest, env
}

// inserted reports whether b is a with one insertion.
func inserted(a, b []byte) bool {
	prefix := 0
	for prefix < len(a) && prefix < len(b) && a[prefix] == b[prefix] {
		prefix++
	}
	return len(b) >= len(a) && bytes.HasSuffix(b, a[prefix:])
}
