package flytoml

import (
	"errors"
	"strings"
	"testing"
)

func TestSet(t *testing.T) {
	t.Parallel()
	const mark = "\xef\xbb\xbf"
	tests := []struct {
		name, src, key, value, want string
	}{
		// A table [env].
		{"after the last entry", "[env]\n  A = \"1\"\n\n# about the next\n[next]\n", "K", "v", "[env]\n  A = \"1\"\n  K = \"v\"\n\n# about the next\n[next]\n"},
		{"comment on the last entry", "[env]\n  A = \"1\" # why\n", "K", "v", "[env]\n  A = \"1\" # why\n  K = \"v\"\n"},
		{"comment on the header, no newline", "[env] # c", "K", "v", "[env] # c\n  K = \"v\""},
		{"no newline after the last entry", "[env]\nA='1'", "K", "v", "[env]\nA='1'\nK='v'"},
		{"blanks after the last entry", "[env]\nA='1'  \t", "K", "v", "[env]\nA='1'  \t\nK='v'"},
		{"empty table", "[env]\n\n[next]\n", "K", "v", "[env]\n  K = \"v\"\n\n[next]\n"},
		{"empty table with a comment", "[env]\n# A = 1\n", "K", "v", "[env]\n  K = \"v\"\n# A = 1\n"},
		{"empty table in an indented file", "[env]\n[[vm]]\n    cpus = 1\n", "K", "v", "[env]\n    K = \"v\"\n[[vm]]\n    cpus = 1\n"},
		{"empty table in a flush file", "[env]\n[vm]\nsize='x'\n", "K", "v", "[env]\nK='v'\n[vm]\nsize='x'\n"},
		{"blanks in the header", " [ env ] \n", "K", "v", " [ env ] \n   K = \"v\"\n"},
		{"quoted header", "[\"env\"]\nA = 1\n", "K", "v", "[\"env\"]\nA = 1\nK = \"v\"\n"},
		{"escaped header", "[\"\\u0065nv\"]\nA = 1\n", "K", "v", "[\"\\u0065nv\"]\nA = 1\nK = \"v\"\n"},
		{"header in a string", "a = \"\"\"\n[env]\nK = 1\n\"\"\"\n[env]\nB = \"2\"\n", "K", "v", "a = \"\"\"\n[env]\nK = 1\n\"\"\"\n[env]\nB = \"2\"\nK = \"v\"\n"},
		{"header in the last value", "[env]\nA = '''\n[next]\n'''\n[next]\n", "K", "v", "[env]\nA = '''\n[next]\n'''\nK = 'v'\n[next]\n"},
		{"header in a comment", "# [env]\n[env]\n", "K", "v", "# [env]\n[env]\n  K = \"v\"\n"},
		{"env of another table", "[x]\nenv.K = 1\n[y.env]\nK = 2\n", "K", "v", "[x]\nenv.K = 1\n[y.env]\nK = 2\n\n[env]\nK = \"v\"\n"},
		{"table below env first", "[env.sub]\na = 1\n[env]\nB = \"1\"\n[z]\n", "K", "v", "[env.sub]\na = 1\n[env]\nB = \"1\"\nK = \"v\"\n[z]\n"},
		{"only a table below env", "[env.sub]\na = 1\n", "K", "v", "[env.sub]\na = 1\n\n[env]\nK = \"v\"\n"},
		{"whole keys are compared", "[env]\nX_K = \"1\"\n", "K", "v", "[env]\nX_K = \"1\"\nK = \"v\"\n"},
		{"case of keys counts", "[env]\nk = \"1\"\n", "K", "v", "[env]\nk = \"1\"\nK = \"v\"\n"},

		// Style.
		{"no spaces", "[env]\nA=\"1\"\n", "K", "v", "[env]\nA=\"1\"\nK=\"v\"\n"},
		{"tabs", "[env]\n\tA\t=\t'1'\n", "K", "v", "[env]\n\tA\t=\t'1'\n\tK\t=\t'v'\n"},
		{"aligned", "[env]\n  AB     = \"1\"\n  ABCDEF = \"2\"\n", "KEY", "v", "[env]\n  AB     = \"1\"\n  ABCDEF = \"2\"\n  KEY    = \"v\"\n"},
		{"aligned, key too long", "[env]\n  AB  = \"1\"\n", "KEYKEY", "v", "[env]\n  AB  = \"1\"\n  KEYKEY = \"v\"\n"},
		{"not quite aligned", "[env]\nABCDE = 1\nA   = 2\n", "K", "v", "[env]\nABCDE = 1\nA   = 2\nK = \"v\"\n"},
		{"aligned elsewhere", "app   = 'x'\n[env]\n", "K", "v", "app   = 'x'\n[env]\n  K = 'v'\n"},
		{"quotes of the nearest string", "[env]\nA = '1'\nB = 2\n", "K", "v", "[env]\nA = '1'\nB = 2\nK = 'v'\n"},
		{"literal string cannot hold it", "[env]\nA = '1'\n", "K", "it's", "[env]\nA = '1'\nK = \"it's\"\n"},
		{"key that must be quoted", "[env]\nA = '1'\n", "a.b \"c\"", "v", "[env]\nA = '1'\n\"a.b \\\"c\\\"\" = 'v'\n"},
		{"empty key and value", "[env]\n", "", "", "[env]\n  \"\" = \"\"\n"},
		{"escapes", "[env]\n", "K", "\"\\\b\t\n\f\r\x00\x1b\x7f\u0085é", "[env]\n  K = \"\\\"\\\\\\b\\t\\n\\f\\r\\u0000\\u001B\\u007F\\u0085é\"\n"},

		// A value that is there.
		{"replaced", "[env]\nK = \"old\" # c\nB = 1\n", "K", "v", "[env]\nK = \"v\" # c\nB = 1\n"},
		{"replaced in its quotes", "[env]\nA = \"1\"\nK = 'old'\n", "K", "v", "[env]\nA = \"1\"\nK = 'v'\n"},
		{"quoted key", "[env]\n\"K\"  =  'old'", "K", "v", "[env]\n\"K\"  =  'v'"},
		{"number", "[env]\nA = '1'\nK = 80\n", "K", "v", "[env]\nA = '1'\nK = 'v'\n"},
		{"lines", "[env]\nK = '''\nold\n''' # c\n", "K", "v", "[env]\nK = 'v' # c\n"},
		{"array", "[env]\nK = [1,\n# c\n2]\nB = 1\n", "K", "v", "[env]\nK = \"v\"\nB = 1\n"},
		{"same", "[env]\nK = \"\"\"v\"\"\"\n", "K", "v", "[env]\nK = \"\"\"v\"\"\"\n"},
		{"same in flyctl's eyes", "[env]\nK = 8_080\n", "K", "8080", "[env]\nK = 8_080\n"},

		// No table.
		{"empty file", "", "K", "v", "[env]\n  K = \"v\"\n"},
		{"blank file", " \n", "K", "v", " \n[env]\n  K = \"v\"\n"},
		{"at the end", "app = 'x'\n", "K", "v", "app = 'x'\n\n[env]\n  K = 'v'\n"},
		{"at the end, no newline", "app = 'x'", "K", "v", "app = 'x'\n\n[env]\n  K = 'v'"},
		{"at the end, blank line", "app = 'x'\n\t\n", "K", "v", "app = 'x'\n\t\n[env]\n  K = 'v'\n"},
		{"at the end, blanks", "app = 'x'\n  ", "K", "v", "app = 'x'\n  \n[env]\n  K = 'v'"},
		{"at the end, comment", "app = 'x'\n# the end", "K", "v", "app = 'x'\n# the end\n\n[env]\n  K = 'v'"},
		{"indented like other tables", "[a]\n\tb = 'x'\n[[a.c]]\nd=1\n  [e]\n      f = 1", "K", "v", "[a]\n\tb = 'x'\n[[a.c]]\nd=1\n  [e]\n      f = 1\n\n[env]\n    K = 'v'"},
		{"case of env counts", "[ENV]\n  K = '1'\n", "K", "v", "[ENV]\n  K = '1'\n\n[env]\n  K = 'v'\n"},

		// Line endings and byte order mark.
		{"CRLF", "[env]\r\nA = '1'\r\n\r\n[next]\r\n", "K", "v", "[env]\r\nA = '1'\r\nK = 'v'\r\n\r\n[next]\r\n"},
		{"CRLF, no newline at the end", "[env]\r\nA = '1'", "K", "v", "[env]\r\nA = '1'\r\nK = 'v'"},
		{"CRLF, no table", "app = 'x'\r\n", "K", "v", "app = 'x'\r\n\r\n[env]\r\n  K = 'v'\r\n"},
		{"CRLF and LF", "a = 1\n[env]\r\nA = '1'\r\n[next]\n", "K", "v", "a = 1\n[env]\r\nA = '1'\r\nK = 'v'\r\n[next]\n"},
		{"byte order mark", mark + "[env]\nK = 'old'\n", "K", "v", mark + "[env]\nK = 'v'\n"},
		{"byte order mark alone", mark, "K", "v", mark + "[env]\n  K = \"v\"\n"},

		// [[env]].
		{"array, new key", "[[env]]\nA = '1'\n[[env]]\nB = '2'\n[next]\n", "K", "v", "[[env]]\nA = '1'\n[[env]]\nB = '2'\nK = 'v'\n[next]\n"},
		{"array, empty", "[[ env ]]", "K", "v", "[[ env ]]\n  K = \"v\""},
		{"array, key in the first", "[[env]]\nK = '1'\n[[env]]\nB = '2'\n", "K", "v", "[[env]]\nK = 'v'\n[[env]]\nB = '2'\n"},
		{"array, the last wins", "[[env]]\nK = 'v'\n[[env]]\nK = 'w'\n", "K", "v", "[[env]]\nK = 'v'\n[[env]]\nK = 'v'\n"},

		// env = {…}.
		{"inline", "env = { A = \"1\" } # c\n[x]\n", "K", "v", "env = { A = \"1\", K = \"v\" } # c\n[x]\n"},
		{"inline, tight", "env={A='1',B='2'}\n", "K", "v", "env={A='1',B='2',K='v'}\n"},
		{"inline, replaced", "env = {A='1',K='2',B='3'}", "K", "v", "env = {A='1',K='v',B='3'}"},
		{"inline, empty", "env = {}\n", "K", "v", "env = { K = \"v\" }\n"},
		{"inline, blank", "env = { }\n", "K", "v", "env = { K = \"v\" }\n"},
		{"inline, string with braces", "env = {A='}'}\n", "K", "v", "env = {A='}', K='v'}\n"},
		{"inline over lines", "env = {\n  A = \"1\", # a\n  B = \"2\",\n}\n", "K", "v", "env = {\n  A = \"1\", # a\n  B = \"2\", K = \"v\",\n}\n"},

		// env.KEY = ….
		{"dotted", "env.A = '1' # c\napp = 'x'\n[y]\n", "K", "v", "env.A = '1' # c\nenv.K = 'v'\napp = 'x'\n[y]\n"},
		{"dotted, apart", "env.A = '1'\napp = 'x'\nenv.B = '2'", "K", "v", "env.A = '1'\napp = 'x'\nenv.B = '2'\nenv.K = 'v'"},
		{"dotted, quoted", "'env' . A='1'\n", "K", "v", "'env' . A='1'\n'env' . K='v'\n"},
		{"dotted, replaced", "env.A = '1'\nenv.\"K\" = '2'\n", "K", "v", "env.A = '1'\nenv.\"K\" = 'v'\n"},
		{"dotted, aligned", "env.AB   = '1'\n", "KEY", "v", "env.AB   = '1'\nenv.KEY  = 'v'\n"},
		{"dotted further", "env.sub.x = 1\n[z]\n", "K", "v", "env.sub.x = 1\nenv.K = \"v\"\n[z]\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			src := []byte(test.src)
			got, err := setIn(src, test.key, test.value)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != test.want {
				t.Errorf("got\n%q, want\n%q", got, test.want)
			}
			if string(src) != test.src {
				t.Errorf("the argument was changed to %q", src)
			}
			value, ok, err := envIn(got, test.key)
			if err != nil || !ok || value != test.value {
				t.Errorf("reads back as %q, %v, %v", value, ok, err)
			}
		})
	}
}

func TestUnset(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, src, want string }{
		{"line", "[env]\n  A = 1\n  K = 'v' # c\n  B = 2\n", "[env]\n  A = 1\n  B = 2\n"},
		{"only entry", "[env]\nK = 'v'\n", "[env]\n"},
		{"last line, no newline", "[env]\nA = 1\nK = 'v'", "[env]\nA = 1"},
		{"last line, no newline, CRLF", "[env]\r\nA = 1\r\nK = 'v'", "[env]\r\nA = 1"},
		{"CRLF", "[env]\r\nK = 'v'\r\nA = 1\r\n", "[env]\r\nA = 1\r\n"},
		{"comments around stay", "[env]\n# a\nK = 'v'\n# b\n", "[env]\n# a\n# b\n"},
		{"lines", "[env]\nK = '''\n[x]\n'''\nA = 1\n", "[env]\nA = 1\n"},
		{"absent", "[env]\nA = 1\n", "[env]\nA = 1\n"},
		{"no table", "app = 'x'", "app = 'x'"},
		{"every table of an array", "[[env]]\nK = 1\nA = 1\n[[env]]\nK = 2\n", "[[env]]\nA = 1\n[[env]]\n"},
		{"inline, first", "env = { K = 'v', A = 1 }\n", "env = { A = 1 }\n"},
		{"inline, middle", "env = { A = 1, K = 'v', B = 2 }\n", "env = { A = 1, B = 2 }\n"},
		{"inline, last", "env = {A=1,K='v'}\n", "env = {A=1}\n"},
		{"inline, alone", "env = { K = 'v' }\n", "env = { }\n"},
		{"inline over lines, first", "env = {\n  K = 1, # k\n  A = 2 # a\n}\n", "env = {\n  # k\n  A = 2 # a\n}\n"},
		{"inline over lines, middle", "env = {\n  A = 1, # a\n  K = 2, # k\n  B = 3\n}\n", "env = {\n  A = 1, # a\n  # k\n  B = 3\n}\n"},
		{"inline over lines, last", "env = {\n  A = 1, # a\n  K = 2 # k\n}\n", "env = {\n  A = 1, # a\n   # k\n}\n"},
		{"inline over lines, comma apart", "env = {\n  K = 1 # k\n  , A = 2\n}\n", "env = {\n   # k\n   A = 2\n}\n"},
		{"inline over lines, comma last", "env = {K = 1\n,}\n", "env = {\n}\n"},
		{"dotted", "env.K = 'v'\napp = 'x'\n", "app = 'x'\n"},
		{"dotted, alone, no newline", "env.K = 'v'", ""},
		{"byte order mark", "\xef\xbb\xbfenv.K = 'v'\n", "\xef\xbb\xbf"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := unsetIn([]byte(test.src), "K")
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != test.want {
				t.Errorf("got\n%q, want\n%q", got, test.want)
			}
		})
	}
}

func TestEnv(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, src, want string
		ok              bool
	}{
		{"string", "[env]\nK = 'v'\n", "v", true},
		{"escapes", `env.K = "\u00e9\n"`, "é\n", true},
		{"empty", "[env]\nK = ''\n", "", true},
		{"integer", "[env]\nK = 0x1F\n", "31", true},
		{"float", "[env]\nK = 1e21\n", "1e+21", true},
		{"boolean", "[env]\nK = true\n", "true", true},
		{"time", "[env]\nK = 07:32:00\n", "07:32:00", true},
		{"array", "[env]\nK = ['a', 'b']\n", "[a b]", true},
		{"the last of an array wins", "[[env]]\nK = 1\n[[env]]\nK = 2\n[[env]]\n", "2", true},
		{"array in brackets", "env = [{K = 1}, {K = 2}]\n", "2", true},
		{"inline", "env = {K = 'v'}", "v", true},
		{"absent", "[env]\nk = 1\nX_K = 2\n", "", false},
		{"no table", "[x.env]\nK = 1\n", "", false},
		{"comment", "[env]\n# K = 1\n", "", false},
		{"empty file", "", "", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, ok, err := envIn([]byte(test.src), "K")
			if err != nil || ok != test.ok || got != test.want {
				t.Errorf("got %q, %v, %v; want %q, %v", got, ok, err, test.want, test.ok)
			}
		})
	}
}

func TestApp(t *testing.T) {
	t.Parallel()
	for src, want := range map[string]string{
		"app = 'web'\n":                 "web",
		"\xef\xbb\xbf\"app\" = \"web\"": "web",
		"[x]\napp = 'web'\n":            "",
		"":                              "",
	} {
		if f, err := Parse([]byte(src)); err != nil || f.App() != want {
			t.Errorf("%q: %+v, %v; want %q", src, f, err, want)
		}
	}
}

func TestPrimaryRegion(t *testing.T) {
	t.Parallel()
	for src, want := range map[string]string{
		"app = 'web'\nprimary_region = \"fra\"\n": "fra",
		"primary_region = 1\n":                    "",
		"[x]\nprimary_region = 'fra'\n":           "",
		"":                                        "",
	} {
		if f, err := Parse([]byte(src)); err != nil || f.PrimaryRegion() != want {
			t.Errorf("%q: %+v, %v; want %q", src, f, err, want)
		}
	}
}

// An edit does not change its File, so several edits can start from one.
func TestEditsStandApart(t *testing.T) {
	t.Parallel()
	for _, src := range []string{"[env]\nA = '1'\n", "[[env]]\nA = '1'\n[[env]]\n", "env = {A = '1'}\n", "env.A = '1'\n", "app = 'x'\n"} {
		f, err := Parse([]byte(src))
		if err != nil {
			t.Fatal(err)
		}
		one, err := f.Set("K", "1")
		if err != nil {
			t.Fatal(err)
		}
		two, err := f.Set("K", "2")
		if err != nil {
			t.Fatal(err)
		}
		gone, err := f.Unset("A")
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := f.Env("K"); ok || string(f.Bytes()) != src {
			t.Errorf("%q became %q", src, f.Bytes())
		}
		if v, _ := one.Env("K"); v != "1" {
			t.Errorf("%q: %q", src, one.Bytes())
		}
		if v, _ := two.Env("K"); v != "2" {
			t.Errorf("%q: %q", src, two.Bytes())
		}
		if _, ok := gone.Env("A"); ok {
			t.Errorf("%q: %q", src, gone.Bytes())
		}
	}
}

// setIn, unsetIn and envIn parse a text and do one thing with it.
func setIn(src []byte, key, value string) ([]byte, error) {
	return textOf(src, func(f *File) (*File, error) { return f.Set(key, value) })
}

func unsetIn(src []byte, key string) ([]byte, error) {
	return textOf(src, func(f *File) (*File, error) { return f.Unset(key) })
}

func envIn(src []byte, key string) (string, bool, error) {
	f, err := Parse(src)
	if err != nil {
		return "", false, err
	}
	value, ok := f.Env(key)
	return value, ok, nil
}

func textOf(src []byte, edit func(*File) (*File, error)) ([]byte, error) {
	f, err := Parse(src)
	if err == nil {
		f, err = edit(f)
	}
	if err != nil {
		return nil, err
	}
	return f.Bytes(), nil
}

// Every error has its position, and no file is returned with it.
func TestRefused(t *testing.T) {
	t.Parallel()
	set := func(src []byte) ([]byte, error) { return setIn(src, "K", "v") }
	unset := func(src []byte) ([]byte, error) { return unsetIn(src, "K") }
	app := func(src []byte) ([]byte, error) { _, err := Parse(src); return nil, err }
	tests := []struct {
		name, src    string
		do           func([]byte) ([]byte, error)
		line, column int
		reason       string // a part of it
	}{
		{"unquoted value", "app = 'x'\n[env]\nK = v\n", set, 3, 5, "start of value"},
		{"unterminated string", "a = \"x\n", set, 1, 7, "new lines"},
		{"template", "<% if %>", set, 1, 1, "start of key"},
		{"characters are counted", "a = 'éé' b\n", set, 1, 10, "newline"},
		{"byte order mark is not counted", "\xef\xbb\xbfa b", set, 1, 3, "'='"},
		{"key defined twice", "[env]\nA = 1\nA = 2\n", set, 3, 1, "already defined"},
		{"table defined twice", "[env]\n[x]\n[env]\n", set, 3, 2, "already exists"},
		{"dotted and table", "env.A = 1\n[env]\n", set, 2, 2, "already exists"},
		{"inline and table", "env = {}\n[env.x]\n", set, 2, 2, "already exists"},
		{"NUL", "a = 1\n\x00", set, 2, 1, "U+0000"},
		{"not UTF-8", "a = 'é\xff'", set, 1, 7, "UTF-8"},
		{"carriage return alone", "a = 1\rb = 2\n", set, 1, 6, "newline"},
		{"number too large", "a = 99999999999999999999\n", set, 1, 5, "64"},
		{"deep nesting", "a = " + strings.Repeat("[", 100_000), set, 1, 10_005, "nested"},
		{"too many keys", strings.Repeat("[[x]]\n", maxNodes), set, maxNodes/2 + 1, 3, "more than 20000"},
		{"env is a string", "app = 'x'\n\nenv = 'x'\n", set, 3, 1, "env is not a table"},
		{"env is an array of numbers", "env = [1]\n", set, 1, 1, "env is not a table"},
		{"env is an array in brackets", "env = [{A = 1}]\n", set, 1, 1, "brackets"},
		{"env is an array in brackets, unset", "env = [{K = 1}]\n", unset, 1, 1, "brackets"},
		{"key is a header", "[env]\n  [env.K]\n", set, 2, 3, `"K" in env is a table`},
		{"key is an array of headers", "[[env]]\nA = 1\n[[env.K]]\n", set, 3, 1, `"K" in env is a table`},
		{"key is below", "[env]\nK.x = 1\n", set, 2, 1, `"K" in env is a table`},
		{"key is below, dotted", "env.K.x = 1\n", set, 1, 1, `"K" in env is a table`},
		{"key is below, inline", "env = {K.x = 1}\n", set, 1, 8, `"K" in env is a table`},
		{"key is a header, unset", "[env.K]\n", unset, 1, 1, `"K" in env is a table`},
		{"invalid, unset", "=", unset, 1, 1, "key"},
		{"app is a number", "a = 1\n  app = 1\n", app, 2, 3, "app is not a string"},
		{"app is a table", "[x]\n[app]\n", app, 2, 1, "app is not a string"},
		{"app of invalid text", "app = 'x'\n=", app, 2, 1, "key"},
		{"control character in a key", "\"\\u001b[31m\" = 1\n\"\\u001b[31m\" = 1\n", set, 2, 1, `key \x1b[31m is`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			out, err := test.do([]byte(test.src))
			var syntax *SyntaxError
			if out != nil || !errors.As(err, &syntax) {
				t.Fatalf("got %q, %v", out, err)
			}
			if syntax.Line != test.line || syntax.Column != test.column || !strings.Contains(syntax.Reason, test.reason) {
				t.Errorf("got %v; want line %d, column %d: …%s…", syntax, test.line, test.column, test.reason)
			}
		})
	}

	if out, err := setIn(nil, "K\xff", "v"); out != nil || err == nil {
		t.Errorf("a key that is not UTF-8: got %q, %v", out, err)
	}
	if out, err := setIn(nil, "K", "\xff"); out != nil || err == nil || strings.Contains(err.Error(), "xff") {
		t.Errorf("a value that is not UTF-8: got %q, %v", out, err)
	}
}
