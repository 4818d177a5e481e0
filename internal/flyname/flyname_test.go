package flyname

import (
	"errors"
	"strings"
	"testing"
)

func TestCheckNames(t *testing.T) {
	t.Parallel()
	org, app, machine := CheckOrg, CheckApp, CheckMachine
	tests := []struct {
		check func(string) error
		name  string
		want  string // "" for no error
	}{
		{org, "acme", ""},
		{org, "acme-corp-42", ""},
		{org, "personal-2", ""},
		{org, "personal", `org name "personal" is an alias that tokens do not carry; the raw slug is needed`},
		{org, "", `org name "" is empty`},
		{org, "Acme", `org name "Acme" cannot hold 'A'`},
		{org, "acme:web", `org name "acme:web" cannot hold ':'`},
		{org, "acme*", `org name "acme*" cannot hold '*'`},
		{org, "acmé", `org name "acmé" cannot hold 'é'`},
		{org, strings.Repeat("a", 129), `org name "` + strings.Repeat("a", 129) + `" is longer than 128 characters`},
		{app, "my-app-2", ""},
		{app, "2048", ""},
		{app, "personal", ""},
		{app, strings.Repeat("a", 63), ""},
		{app, strings.Repeat("a", 64), `app name "` + strings.Repeat("a", 64) + `" is longer than 63 characters`},
		{app, "my_app", `app name "my_app" cannot hold '_'`},
		{app, "a b", `app name "a b" cannot hold ' '`},
		{app, "a\x1b[2J", `app name "a\x1b[2J" cannot hold '\x1b'`},
		{app, "web?", `app name "web?" cannot hold '?'`},
		{app, "${aws:username}", `app name "${aws:username}" cannot hold '$'`},
		{machine, "cold-shape-2007", ""},
		{machine, "Web_1.a/b", ""},
		{machine, "", `machine name "" is empty`},
		{machine, "a:b", `machine name "a:b" cannot hold ':'`},
		{machine, "*", `machine name "*" cannot hold '*'`},
		{machine, "m?", `machine name "m?" cannot hold '?'`},
		{machine, "$m", `machine name "$m" cannot hold '$'`},
		{machine, `m"`, `machine name "m\"" cannot hold '"'`},
		{machine, "m'", `machine name "m'" cannot hold '\''`},
		{machine, "a b", `machine name "a b" cannot hold ' '`},
		{machine, "a\u00a0b", `machine name "a\u00a0b" cannot hold '\u00a0'`},
		{machine, "a\x7f", `machine name "a\x7f" cannot hold '\x7f'`},
		{machine, "a\xff", `machine name "a\xff" cannot hold '�'`},
	}
	for _, tt := range tests {
		err := tt.check(tt.name)
		if tt.want == "" {
			if err != nil {
				t.Errorf("%q: %v", tt.name, err)
			}
			continue
		}
		var n *NameError
		if !errors.As(err, &n) || n.Error() != tt.want || n.Name != tt.name {
			t.Errorf("%q: got %v, want %s", tt.name, err, tt.want)
		} else if n.IsAlias() != (n.Kind == "org" && tt.name == "personal") {
			t.Errorf("%q: IsAlias = %v", tt.name, n.IsAlias())
		}
	}
}

func TestParseSubject(t *testing.T) {
	t.Parallel()
	for sub, want := range map[string]Subject{
		"dioad-dev:dioad-dev-edgerouter:cold-shape-2007": {Org: "dioad-dev", App: "dioad-dev-edgerouter", Machine: "cold-shape-2007"},
		"a:b:c":   {Org: "a", App: "b", Machine: "c"},
		"":        {},
		"a:b":     {},
		"a:b:":    {},
		":b:c":    {},
		"a::c":    {},
		"a:b:c:d": {},
		"a:b:c:":  {},
		"repo:octo-org/octo-repo:ref:refs/heads/main": {},
	} {
		got, ok := ParseSubject(sub)
		if got != want || ok != (want != Subject{}) {
			t.Errorf("ParseSubject(%q) = %+v, %v; want %+v", sub, got, ok, want)
		}
	}
}

func TestIssuerOrg(t *testing.T) {
	t.Parallel()
	for issuer, want := range map[string]string{
		"https://oidc.fly.io/acme":        "acme",
		"https://oidc.fly.io/acme-2":      "acme-2",
		"https://oidc.fly.io/personal":    "personal",
		"https://oidc.fly.io/":            "",
		"https://oidc.fly.io":             "",
		"https://oidc.fly.io/acme/":       "",
		"https://oidc.fly.io/acme/../x":   "",
		"https://oidc.fly.io/ACME":        "",
		"https://oidc.fly.io/a?b":         "",
		"https://oidc.fly.io.evil.com/a":  "",
		"https://oidc.fly.io@evil.com/a":  "",
		"http://oidc.fly.io/acme":         "",
		"https://accounts.google.com":     "",
		"https://oidc.fly.io/acme\u202ex": "",
	} {
		got, ok := IssuerOrg(issuer)
		if got != want || ok != (want != "") {
			t.Errorf("IssuerOrg(%q) = %q, %v; want %q", issuer, got, ok, want)
		}
	}
}
