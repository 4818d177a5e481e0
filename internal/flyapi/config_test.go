package flyapi_test

import (
	"maps"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/fly-aws/fly-aws/internal/flyapi"
)

// signedInFile is as flyctl leaves it after "fly auth login" and "fly ssh console".
const signedInFile = `access_token: FlyV1 fm2_lJPE/a+b==,fm2_c,fo1_d
app_secrets_minvers:
    web: 3
auto_update: true
last_login: 2026-08-21T10:11:12.123456789+02:00
metrics_token: fm2_other
send_metrics: true
synthetics_agent: true
wire_guard_state:
    acme:
        org: acme
        name: interactive-agent-host-ann-example-com-12
        region: ""
        localprivate: f/l2Bq3Lk1C8M0pW+Jqbq9QvYy3dFzHkT5n4v2x1a0s=
        localpublic: "123"
        dns: ""
        peer:
            peerip: fdaa:0:1:a7b:1::2
            endpointip: ams1.gateway.6pn.dev
            pubkey: x==
    personal: null
wire_guard_websockets: true
`

// accepted are files, and the token in each.
var accepted = map[string]struct{ file, token string }{
	"flyctl's":              {signedInFile, "FlyV1 fm2_lJPE/a+b==,fm2_c,fo1_d"},
	"flyctl's with CRLF":    {strings.ReplaceAll(signedInFile, "\n", "\r\n"), "FlyV1 fm2_lJPE/a+b==,fm2_c,fo1_d"},
	"signed out":            {"access_token: \"\"\nlast_login: 0001-01-01T00:00:00Z\nwire_guard_state: {}\n", ""},
	"empty":                 {"", ""},
	"only comments":         {"# a\n\n   # b\n---\n", ""},
	"no such key":           {"metrics_token: fm2_other\n", ""},
	"only like it":          {"access_tokens: a\nxaccess_token: b\naccess-token: c\nAccess_token: d\naccess_token:e : f\n", ""},
	"plain":                 {"access_token: a", "a"},
	"plain and blanks":      {"access_token:    a b  \n", "a b"},
	"blank before colon":    {"access_token : a\n", "a"},
	"like other types":      {"access_token: 0x1F\n", "0x1F"},
	"like a date":           {"access_token: 2026-01-02\n", "2026-01-02"},
	"like a truth":          {"access_token: yes\n", "yes"},
	"like a merge":          {"a: b\naccess_token: \"<<\"\n", "<<"},
	"single quotes":         {"access_token: 'a''b\"\\n # '\n", "a'b\"\\n # "},
	"double quotes":         {`access_token: "a\\b\"c/d' # "`, `a\b"c/d' # `},
	"empty quotes":          {"access_token: ''\n", ""},
	"quoted key":            {"\"access_token\": a\n", "a"},
	"single quoted key":     {"'access_token' : a\n", "a"},
	"null":                  {"access_token: null\n", ""},
	"Null":                  {"access_token: Null # none\n", ""},
	"NULL":                  {"access_token: NULL\n", ""},
	"tilde":                 {"access_token: ~\n", ""},
	"quoted null":           {"access_token: 'null'\n", "null"},
	"no value":              {"access_token:\nb: c\n", ""},
	"no value at the end":   {"b: c\naccess_token:", ""},
	"only a comment":        {"access_token: # a\n", ""},
	"comment":               {"access_token: a # b\n", "a"},
	"comment after quotes":  {"access_token: 'a' # b\n", "a"},
	"no comment":            {"access_token: a#b\n", "a#b"},
	"comments between":      {"# access_token: x\naccess_token: a\n\n  # access_token: y\nb: c\n", "a"},
	"mark":                  {"\uFEFFaccess_token: a\n", "a"},
	"header":                {"# a\n--- # b\naccess_token: a\n", "a"},
	"block below":           {"b:\n  access_token: x\n  c:\n    - access_token: y\naccess_token: a\n", "a"},
	"block above":           {"access_token: a\nb:\n  access_token: x\n", "a"},
	"list at column 0":      {"b:\n- access_token: x\n-\n- - 'c'\n  - d\naccess_token: a\n", "a"},
	"literal":               {"b: |\n  access_token: x\n\n  \"\n    it's {\n  ---\naccess_token: a\n", "a"},
	"folded with a number":  {"b: >2-\n    c\n  \"d\naccess_token: a\n", "a"},
	"literal in a list":     {"b:\n- |\n \"\n- c: |+\n    '\n  d: e\naccess_token: a\n", "a"},
	"literal with a tab":    {"b: |\n  c\n  \td\naccess_token: a\n", "a"},
	"plain over lines":      {"b: c\n  it's d\n\n  \"e\"\naccess_token: a\n", "a"},
	"quotes on lines below": {"b:\n  \"c\"\naccess_token: a\n", "a"},
	"quotes with escapes":   {"b: \"\\x41\\n\\\"\"\n\"c\\\\\": d\naccess_token: a\n", "a"},
	"quotes inside":         {"b: c\"d\n'e': f'\naccess_token: a\n", "a"},
	"tabs":                  {"# \ta\nb: \"c\td\" # e\tf\n'g': '\t'\naccess_token: a # \t\n", "a"},
	"other alphabets":       {"b: é 日本 😀\naccess_token: a\n", "a"},
	"brackets":              {"b: {}\nc: [] # d\ne:\n  - {}\naccess_token: a\n", "a"},
}

// refused are files of which nobody should guess the token.
var refused = map[string]string{
	"twice":                      "access_token: a\naccess_token: a\n",
	"twice, once quoted":         "access_token: a\n'access_token': b\n",
	"twice, once empty":          "access_token:\naccess_token: b\n",
	"another twice":              "b: c\nb: d\naccess_token: a\n",
	"literal":                    "access_token: |\n  a\n",
	"folded":                     "access_token: >-\n  a\n",
	"anchor":                     "access_token: &a a\n",
	"alias":                      "b: &a c\naccess_token: *a\n",
	"tag":                        "access_token: !!str a\n",
	"binary":                     "access_token: !!binary YQ==\n",
	"anchor on a key":            "&a access_token: a\n",
	"tag on a key":               "!!str access_token: a\n",
	"explicit key":               "? access_token\n: a\n",
	"merge":                      "b: c\n<<: {}\n",
	"merge of a map":             "b: &b {access_token: a}\n<<: *b\n",
	"escape in a key":            "\"access\\u005ftoken\": a\naccess_token: b\n",
	"escape":                     "access_token: \"\\x61\"\n",
	"line break escape":          "access_token: \"a\\n\"\n",
	"mapping":                    "access_token: {}\n",
	"mapping below":              "access_token:\n  a: b\n",
	"list":                       "access_token: []\n",
	"list below":                 "access_token:\n- a\n",
	"list indented":              "access_token:\n  - a\n",
	"value below":                "access_token:\n  a\n",
	"plain over lines":           "access_token: a\n  b\n",
	"plain over lines, comment":  "access_token: a\n\n  # c\n  b\n",
	"quotes over lines":          "access_token: \"a\n  b\"\n",
	"single quotes over lines":   "access_token: 'a\nb: c'\n",
	"more after quotes":          "access_token: 'a' b\n",
	"comment without a blank":    "access_token: 'a'#b\n",
	"mapping in the value":       "access_token: a: b\n",
	"dash":                       "access_token: - a\n",
	"flow at the top":            "{access_token: a}\n",
	"empty flow at the top":      "{}\n",
	"JSON":                       "{\n\"access_token\": \"a\"\n}\n",
	"list at the top":            "- access_token: a\n",
	"scalar at the top":          "a\n",
	"scalar above":               "b\naccess_token: a\n",
	"scalar at column 0 between": "b: c\nd\naccess_token: a\n",
	"indented":                   "  access_token: a\n",
	"indented below":             "b: c\n  access_token: a\n- d\n",
	"two documents":              "access_token: a\n---\nb: c\n",
	"two headers":                "---\n---\naccess_token: a\n",
	"end":                        "access_token: a\n...\n",
	"end first":                  "...\naccess_token: a\n",
	"literal below its key":      "b:\n  |\n  c\naccess_token: a\n",
	"quote open below a literal": "b:\n  - c: |\n      d\n    e: \"f\naccess_token: a # \"\n",
	"quote open in a list below": "b:\n    - |\n      c\n    - \"d\naccess_token: a # \"\n",
	"tab after a blank":          "b: \t\"c\naccess_token: a # \"\n",
	"value on the header":        "--- access_token\n",
	"directive":                  "%YAML 1.2\n---\naccess_token: a\n",
	"tab before":                 "\taccess_token: a\n",
	"tab after the colon":        "access_token:\ta\n",
	"tab before a comment":       "access_token: a\t# b\n",
	"tab in the value":           "access_token: a\tb\n",
	"tab as blank after a key":   "b:\n  c:\t\"d\naccess_token: a # \"\n",
	"tab as blank after a dash":  "b:\n  -\t\"d\naccess_token: a # \"\n",
	"tab before a colon":         "b:\n  c\t: \"d\naccess_token: a # \"\n",
	"unknown escape":             "access_token: \"a\\/b\"\n",
	"tab below":                  "b:\n\tc: d\naccess_token: a\n",
	"no blank after the colon":   "access_token:a\n",
	"no blank, quoted":           "'access_token':a\n",
	"quote open to column 0":     "b: \"c\naccess_token: a # \"\n",
	"quote open below":           "b:\n  c: 'd\naccess_token: a # '\n",
	"quote open in a list":       "b:\n- - \"c\naccess_token: a # \"\n",
	"quote open after a tag":     "b: !!str \"c\naccess_token: a # \"\n",
	"quote open in a key":        "b:\n  ? \"c\naccess_token: a # \"\n",
	"bracket open":               "b: [c,\naccess_token: a ]\n",
	"brace open":                 "b: {c: d,\naccess_token: a }\n",
	"CR":                         "b: c # \raccess_token: a\n",
	"line separator":             "b: c # \u2028access_token: a\n",
	"next line":                  "b: c # \u0085access_token: a\n",
	"mark inside":                "b: c\n\uFEFFaccess_token: a\n",
	"NUL":                        "access_token: a\x00b\n",
	"UTF-16":                     "\xff\xfea\x00:\x00",
	"not UTF-8":                  "b: \xff\naccess_token: a\n",
}

// byLibrary is what yaml.v3, with which flyctl reads the file, finds in it.
func byLibrary(file string) (string, error) {
	var c struct {
		AccessToken string `yaml:"access_token"`
	}
	err := yaml.Unmarshal([]byte(file), &c)
	return c.AccessToken, err
}

func TestConfigAccepted(t *testing.T) {
	t.Parallel()
	for name, test := range accepted {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if want, err := byLibrary(test.file); err != nil || want != test.token {
				t.Errorf("the library reads %q, %v", want, err)
			}
			if got, ok := flyapi.AccessToken(test.file); !ok || got != test.token {
				t.Errorf("got %q, %t, want %q", got, ok, test.token)
			}
		})
	}
}

func TestConfigRefused(t *testing.T) {
	t.Parallel()
	for name, file := range refused {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := strings.ReplaceAll(file, "access_token: a", "access_token: "+oauth)
			if got, ok := flyapi.AccessToken(file); ok || got != "" {
				t.Errorf("got %q, %t", got, ok)
			}
			_, err := flyapi.FindToken(flyapi.SignIn{Getenv: env(map[string]string{"FLY_CONFIG_DIR": config(t, file)})})
			e := failure(t, err, flyapi.KindSignIn)
			if e.Reason != "it is not the YAML that flyctl writes" || e.Err != nil || filepath.Base(string(e.Source)) != "config.yml" {
				t.Errorf("got %+v", e)
			}
		})
	}
}

// What yaml.v3 writes of flyctl's keys is read, whatever is in them.
func TestConfigAsWritten(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	text := func(alphabet string, most int) string {
		runes := []rune(alphabet)
		var b strings.Builder
		for range r.IntN(most + 1) {
			b.WriteRune(runes[r.IntN(len(runes))])
		}
		return b.String()
	}
	const (
		letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
		odd     = "ab0 \n\t\"'\\:#-?|>&*!%@`{}[],~=<.é日\x1b"
	)
	var value func(depth int) any
	value = func(depth int) any {
		switch n := r.IntN(12); {
		case n < 2 && depth > 0:
			m := map[string]any{}
			for range r.IntN(4) {
				m[text(letters+"-", 12)] = value(depth - 1)
			}
			return m
		case n < 4 && depth > 0:
			list := []any{}
			for range r.IntN(4) {
				list = append(list, value(depth-1))
			}
			return list
		case n < 5:
			return nil
		case n < 6:
			return r.IntN(2) == 0
		case n < 7:
			return r.Int() - r.Int()
		case n < 8:
			return time.Unix(r.Int64N(1<<33), r.Int64N(1e9)).UTC()
		case n < 9:
			return text(letters+"/+=:.- ", 60)
		}
		return text(odd, 12)
	}
	type state struct {
		Org, Name, Region, LocalPublic, LocalPrivate, DNS string
		Peer                                              struct{ Peerip, Endpointip, Pubkey string }
	}
	const files = 1500
	unread := 0
	for range files {
		token := text(letters+"_/+=-.", 700)
		switch r.IntN(4) {
		case 0:
			token = "fo1_" + token
		case 1:
			token = "FlyV1 fm2_" + token + ",fm2_" + text(letters+"_/+=-.", 300)
		case 2:
			token = text(letters+"-+._~=:#'\"\\ !&*%@|>{}[],", 8)
		}
		var s state
		s.Org, s.LocalPrivate, s.Name, s.Peer.Peerip = text(letters, 9), text(letters+"/+=", 44), text(odd, 9), "fdaa:0:"+text(":1f", 9)
		m := map[string]any{
			"access_token": token, "wire_guard_state": map[string]*state{text(letters+"-", 9): &s, "personal": nil},
			"app_secrets_minvers": map[string]uint64{text(letters+"-", 9): r.Uint64()},
			"last_login":          time.Unix(r.Int64N(1<<33), 0), "send_metrics": true, "installer": text(odd, 20),
		}
		for range r.IntN(5) {
			m[text(letters+"_", 9)] = value(3)
		}
		delete(m, "")
		file, err := yaml.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		want, err := byLibrary(string(file))
		if err != nil { // it does not read a literal that begins with a tab, though it writes it
			unread++
			continue
		}
		if want != token {
			t.Fatalf("the library reads %q, want %q in\n%s", want, token, file)
		}
		if got, ok := flyapi.AccessToken(string(file)); !ok || got != token {
			t.Fatalf("got %q, %t, want %q in\n%s", got, ok, token, file)
		}
	}
	if unread > files/20 {
		t.Errorf("the library does not read %d of %d files", unread, files)
	}
}

// FuzzAccessToken holds that what is read is what yaml.v3 reads. Of a file that
// yaml.v3 does not read, for what is wrong below another key, it is what yaml.v3
// reads in the line alone.
func FuzzAccessToken(f *testing.F) {
	for _, test := range accepted {
		f.Add(test.file)
	}
	for file := range maps.Values(refused) {
		f.Add(file)
	}
	f.Fuzz(func(t *testing.T, file string) {
		got, ok := flyapi.AccessToken(file)
		if !ok {
			return
		}
		want, err := byLibrary(file)
		if err != nil {
			want = ""
			for line := range strings.SplitSeq(strings.TrimPrefix(file, "\uFEFF"), "\n") {
				if strings.HasPrefix(line, " ") {
					continue
				}
				if token, err := byLibrary(line); err == nil && token != "" {
					want = token
				}
			}
		}
		if got != want {
			t.Fatalf("got %q, want %q (%v) in\n%s", got, want, err, file)
		}
	})
}
