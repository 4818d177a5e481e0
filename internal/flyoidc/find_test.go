package flyoidc

import "testing"

func TestFindClaims(t *testing.T) {
	t.Parallel()
	const claims = `{"iss": "https://oidc.fly.io/acme", "sub": "acme:web:m1", "sub": "twice"}`
	for name, tt := range map[string]struct{ text, want string }{
		"claims":                    {claims, claims},
		"what inspect prints":       {`{"schema":"fly-aws.token/1","header":{"alg":"RS256"},"claims":` + claims + `,"verified":false}`, claims},
		"a header and a payload":    {"{\"alg\":\"RS256\"}\n" + claims + "\nRSASHA256(…)", claims},
		"with headings":             {"Token header\n------\n{\"alg\":\"RS256\"}\n\nToken claims\n------\n" + claims + "\n", claims},
		"a payload within":          {`{"header":{},"payload":` + claims + `}`, claims},
		"an object without claims":  {`{"a":{"iss":1}}`, `{"a":{"iss":1}}`},
		"broken":                    {`{"alg":1} {"iss":`, `{"alg":1} {"iss":`},
		"words":                     {"no claims", "no claims"},
		"claims that are no object": {`{"claims":["iss"]}`, `{"claims":["iss"]}`},
		"nothing":                   {"", ""},
	} {
		if got := FindClaims(tt.text); got != tt.want {
			t.Errorf("%s: %q", name, got)
		}
	}
}
