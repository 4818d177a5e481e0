package trustpolicy

import (
	"fmt"
	"strings"
	"testing"
)

// TestLocate: a finding is placed at the value that is wrong, or near it.
func TestLocate(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text string
		want []string // "code path the text there"
	}{
		{`{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Federated": "` + provider + `"}, "Action": "sts:AssumeRole",
  "Condition": {"StringEquals": {"oidc.fly.io/acme:aud": "sts.amazonaws.com"}, "StringLike": {"oidc.fly.io/acme:sub": ["acme:web:*", "acme:db"]}}}]}`, []string{
			`action-other $.Statement[0].Action "sts:AssumeRole"`,
			`action-missing $.Statement[0].Action "sts:AssumeRole"`,
			`subject-parts $.Statement[0].Condition.StringLike["oidc.fly.io/acme:sub"][1] "acme:db"`,
		}},
		{`{"Statement":{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole"}}`, []string{`principal-any $.Statement.Principal "*","Action"`}},
		{`{"Statement":{"Effect":"Allow","Principal":{"Federated":"` + provider + `"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringLike":{"oidc.fly.io/acme:sub":"acme:*"}}}}`, []string{
			`org-wide $.Statement.Condition.StringLike["oidc.fly.io/acme:sub"] "acme:*"}}}}`,
			`audience-missing $.Statement {"Effect":"Allow"`,
		}},
	} {
		p := mustParse(t, tt.text)
		var got []string
		for _, f := range p.Lint(Expected{}) {
			path, at := PlacesIn([]byte(tt.text)).Of(f)
			got = append(got, fmt.Sprintf("%s %s %s", f.Code, path, tt.text[at:]))
		}
		if len(got) != len(tt.want) {
			t.Fatalf("%s: %q", tt.text, got)
		}
		for i := range got {
			if !strings.HasPrefix(got[i], tt.want[i]) {
				t.Errorf("got %s, want %s", got[i], tt.want[i])
			}
		}
	}
	if path, at := PlacesIn([]byte(`{`)).Of(Finding{Statement: 3}); path != "$" || at != 0 {
		t.Errorf("%s %d", path, at)
	}
	text := []byte(`{"Statement":[ {"a":{}} , {"b":[1]} ]}`)
	if from, to, ok := StatementSpan(text, 1); !ok || string(text[from:to]) != `{"b":[1]}` {
		t.Errorf("%q", text[from:to])
	}
}
