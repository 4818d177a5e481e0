package flyapi_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fly-aws/fly-aws/internal/flyapi"
	"github.com/fly-aws/fly-aws/setup"
)

func env(vars map[string]string) func(string) string {
	return func(name string) string { return vars[name] }
}

// config writes flyctl's config file and returns the folder it is in.
func config(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "config.yml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestFindToken(t *testing.T) {
	t.Parallel()
	dir := config(t, "access_token: fo1_file\nlast_login: 2026-01-02T03:04:05Z\nwire_guard_state:\n  acme:\n    org: acme\n")
	home := t.TempDir()
	if err := os.Mkdir(filepath.Join(home, ".fly"), 0o700); err != nil {
		t.Fatal(err)
	}
	homeFile := filepath.Join(home, ".fly", "config.yml")
	if err := os.WriteFile(homeFile, []byte("access_token: fo1_home\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name   string
		flag   string
		vars   map[string]string
		header string
		source setup.FlySource
	}{
		{
			"the command line first", "fo1_flag",
			map[string]string{"FLY_ACCESS_TOKEN": "fo1_access", "FLY_API_TOKEN": "fo1_api", "FLY_CONFIG_DIR": dir},
			"Bearer fo1_flag", setup.FlySourceFlag,
		},
		{
			"then FLY_ACCESS_TOKEN", " ",
			map[string]string{"FLY_ACCESS_TOKEN": "fo1_access", "FLY_API_TOKEN": "fo1_api", "FLY_CONFIG_DIR": dir},
			"Bearer fo1_access", setup.FlySourceAccessToken,
		},
		{
			"an empty one does not hide FLY_API_TOKEN", "",
			map[string]string{"FLY_ACCESS_TOKEN": "", "FLY_API_TOKEN": "fo1_api", "FLY_CONFIG_DIR": dir},
			"Bearer fo1_api", setup.FlySourceAPIToken,
		},
		{
			"then flyctl's file", "",
			map[string]string{"FLY_ACCESS_TOKEN": " ", "FLY_API_TOKEN": "", "FLY_CONFIG_DIR": dir},
			"Bearer fo1_file", setup.FlySourceConfig,
		},
		{"in the home folder", "", nil, "Bearer fo1_home", setup.FlySourceConfig},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			token, err := flyapi.FindToken(flyapi.SignIn{AccessToken: test.flag, Getenv: env(test.vars), Home: home})
			if err != nil {
				t.Fatal(err)
			}
			if got := token.GraphQLHeader(); got != test.header || token.Source() != test.source {
				t.Errorf("got %q from %s, want %q from %s", got, token.Source(), test.header, test.source)
			}
		})
	}
}

func TestFindTokenFails(t *testing.T) {
	t.Parallel()
	notFile := t.TempDir()
	if err := os.Mkdir(filepath.Join(notFile, "config.yml"), 0o700); err != nil {
		t.Fatal(err)
	}
	under := filepath.Join(config(t, ""), "config.yml")
	for _, test := range []struct {
		name, dir, flag string
		kind            setup.FlyProblemKind
		words           string
	}{
		{"no file", t.TempDir(), "", "not-signed-in", "not signed in to Fly"},
		{"no folder", filepath.Join(t.TempDir(), "a\x1b[31m"), "", "not-signed-in", "not signed in to Fly"},
		{"empty file", config(t, ""), "", "not-signed-in", "not signed in to Fly"},
		{"signed out", config(t, "access_token: \"\"\n"), "", "not-signed-in", "not signed in to Fly"},
		{"null", config(t, "access_token:\n"), "", "not-signed-in", "not signed in to Fly"},
		{"no YAML", config(t, "access_token: ["+oauth), "", "sign-in", "not the YAML"},
		{"a list", config(t, "access_token:\n  - "+oauth+"\n"), "", "sign-in", "not the YAML"},
		{"twice", config(t, "access_token: "+oauth+"\naccess_token: b\n"), "", "sign-in", "not the YAML"},
		{"a bare word", config(t, oauth), "", "sign-in", "not the YAML"},
		{"two lines", config(t, "access_token: |\n  "+oauth+"\n  b\n"), "", "sign-in", "a token cannot have"},
		{"two words", config(t, "access_token: "+oauth+" b\n"), "", "sign-in", "a token cannot have"},
		{"a folder", notFile, "", "sign-in", "not a file"},
		{"below a file", under, "", "sign-in", "cannot be read"},
		{"too large", config(t, "access_token: a\n#"+strings.Repeat("x", 1<<20)), "", "sign-in", "larger"},
		{"bad flag", config(t, "access_token: a\n"), "a b", "sign-in", "the command line"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			token, err := flyapi.FindToken(flyapi.SignIn{
				AccessToken: test.flag, Getenv: env(map[string]string{"FLY_CONFIG_DIR": test.dir}), Home: "/nowhere",
			})
			e := failure(t, err, test.kind)
			if !token.IsZero() || !strings.Contains(e.Error(), test.words) {
				t.Errorf("got %v, %s", token, e)
			}
		})
	}
	t.Run("no home", func(t *testing.T) {
		t.Parallel()
		_, err := flyapi.FindToken(flyapi.SignIn{Getenv: env(nil)})
		failure(t, err, "not-signed-in")
	})
}

// FuzzConfig checks that no config file makes FindToken panic or repeat its content
// in an error.
func FuzzConfig(f *testing.F) {
	for _, text := range []string{
		"access_token: " + oauth + "\n", "access_token: !!binary aGVsbG8=\n", "a: &a [*a]\naccess_token: *a\n", "- a\n- b\n", "\xff\xfe", "{", "access_token: {a: b}",
	} {
		f.Add([]byte(text))
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(dir, "config.yml")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		token, err := flyapi.FindToken(flyapi.SignIn{Getenv: env(map[string]string{"FLY_CONFIG_DIR": dir})})
		if (err == nil) == token.IsZero() {
			t.Fatalf("got %v, %v", token, err)
		}
		if err != nil {
			checkText(t, err.Error())
		}
	})
}

// Any YAML that flyctl reads is read.
func TestConfigFiles(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, file string
		header     string // "" for a file that is refused
	}{
		{"flyctl's", `access_token: FlyV1 fm2_lJPE/a+b==,fm2_c
app_secrets_minvers:
    web: 3
last_login: 2026-08-21T10:11:12.123456789+02:00
metrics_token: fm2_other
wire_guard_state:
    acme:
        org: acme
        peer:
            peerip: fdaa:0:1:a7b:1::2
    personal: null
`, "FlyV1 fm2_lJPE/a+b==,fm2_c"},
		{"comments, a header, CRLF", "# mine\r\n---\r\naccess_token: fo1_a # of ann\r\n", "Bearer fo1_a"},
		{"quotes", `"access_token": 'fo1_a'`, "Bearer fo1_a"},
		{"escapes", `access_token: "\x66o1_a"`, "Bearer fo1_a"},
		{"folded", "access_token: >-\n  fo1_a\n", "Bearer fo1_a"},
		{"a value on its own line", "access_token:\n  fo1_a\n", "Bearer fo1_a"},
		{"JSON", `{"access_token": "fo1_a"}`, "Bearer fo1_a"},
		{"an alias", "b: &t fo1_a\naccess_token: *t\n", "Bearer fo1_a"},
		{"below another key", "b:\n  access_token: fo1_b\naccess_token: fo1_a\n", "Bearer fo1_a"},
		{"twice", "access_token: fo1_a\naccess_token: fo1_b\n", ""},
		{"a mapping", "access_token: {fo1_a: b}\n", ""},
		{"a list of files", "- access_token: fo1_a\n", ""},
		{"an alias of itself", "a: &a [*a]\naccess_token: *a\n", ""},
		{"aliases that multiply", "a: &a [x,x,x,x,x,x,x,x,x]\n" + multiply() + "access_token: *k\n", ""},
		{"not UTF-8", "access_token: \xff\n", ""},
		{"a tab for a blank", "b:\n\tc: d\naccess_token: fo1_a\n", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dir := config(t, test.file)
			token, err := flyapi.FindToken(flyapi.SignIn{Getenv: env(map[string]string{"FLY_CONFIG_DIR": dir})})
			if test.header == "" {
				if e := failure(t, err, "sign-in"); e.Source != setup.FlySourceConfig || e.Err != nil {
					t.Errorf("got %+v", e)
				}
				return
			}
			if err != nil || token.GraphQLHeader() != test.header {
				t.Errorf("got %v, want %s", err, test.header)
			}
		})
	}
}

// multiply writes YAML aliases b to k, each nine times the one before.
func multiply() string {
	text := ""
	for c := 'b'; c <= 'k'; c++ {
		text += fmt.Sprintf("%c: &%c [*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c]\n", c, c, c-1, c-1, c-1, c-1, c-1, c-1, c-1, c-1, c-1)
	}
	return text
}
