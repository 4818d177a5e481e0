package explain

import (
	"strings"
	"testing"
	"time"

	"github.com/fly-aws/fly-aws/internal/flyname"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

// FuzzExplain: whatever policy and claims, a fix keeps its promise, and there is none for
// a policy that could not be read or an issuer that is not a Fly organization's.
func FuzzExplain(f *testing.F) {
	for i, tt := range policyCases {
		f.Add(`{"Version":"2012-10-17","Statement":[`+tt.statements+`]}`, "https://oidc.fly.io/acme", subject, "sts.amazonaws.com", uint8(i))
	}
	f.Add(`{"Version":"2012-10-17","Statement":[`+statement("Allow", aud+","+sub)+`]}`, "https://oidc.fly.io/beta", "beta:web:m", "sts.amazonaws.com", uint8(2))
	f.Add(`{"Version":"2012-10-17","Statement":[`+statement("Allow", aud+","+sub)+`]}`, "https://evil.example", "acme:web:m", "sts.amazonaws.com", uint8(2))
	f.Add(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":["`+provider+`","`+strings.Replace(provider, "acme", "beta", 1)+`"]},
		"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"oidc.fly.io/beta:aud":"sts.amazonaws.com"},"StringLike":{"oidc.fly.io/beta:sub":"beta:api:*"}}}]}`,
		"https://oidc.fly.io/acme", subject, "sts.amazonaws.com", uint8(1))
	f.Add(`{"Version":"2012-10-17","Statement":[`+statement("Allow", aud+`,"StringLike":{"oidc.fly.io/acme:sub":"*"}`)+`]}`, "https://oidc.fly.io/acme", "beta:web:m", "sts.amazonaws.com", uint8(1))
	f.Add(`{"Version":"2012-10-17","Statement":[`+statement("Allow", aud+`,"StringLike":{"oidc.fly.io/acme:sub":"acme:we*"}`)+`]}`, "https://oidc.fly.io/acme", "acme:db:m", "vault", uint8(0))
	f.Add(`{"Version":"2012-10-17",}`, "https://oidc.fly.io/personal", "personal:web:m", "https://fly.io/acme", uint8(255))
	f.Fuzz(func(t *testing.T, document, issuer, sub, audience string, bits uint8) {
		if len(document) > 8192 {
			return // IAM's quota
		}
		bit := func(n int) bool { return bits>>n&1 == 1 }
		p, err := trustpolicy.Parse([]byte(document))
		c := Case{
			Policy: p, PolicyError: err, Account: account, Now: noon,
			Claims:   flyname.Claims{Issuer: issuer, Subject: sub, Audience: strings.Split(audience, ",")},
			Provider: Provider{Presence: []Presence{Unknown, Present, Absent, Present}[bits&3], Audiences: []string{"sts.amazonaws.com"}},
		}
		if bit(2) {
			c.Claims.Tags = map[string]string{"team": audience}
		}
		if bit(3) {
			c.Claims.Expiry = noon.Add(-time.Hour)
		}
		if bit(4) {
			c.Signature = Forged
		}
		if bit(5) {
			c.Role = "web"
		}
		if bit(6) {
			c.Managed = &Managed{Org: "acme", App: "web"}
		}
		if bit(7) {
			c.Managed = &Managed{Org: "acme"}
		}
		got := Explain(c)
		if (got.Error != nil) != (got.Verdict == Refused) || (len(got.Reasons) == 0) != (got.Verdict == Accepted) {
			t.Errorf("%s, %+v, %+v", got.Verdict, got.Error, got.Reasons)
		}
		if len(got.Reasons) > 4096 {
			t.Errorf("%d reasons", len(got.Reasons))
		}
		checkFix(t, c, got)
	})
}
