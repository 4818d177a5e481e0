package explain

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fly-aws/fly-aws/internal/flyname"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

// FuzzExplain: whatever the policy and claims, a fix keeps its promise, and there is none
// for a policy that cannot be parsed or an issuer other than Fly's.
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
	for _, conditions := range []string{
		`"StringEquals":{"oidc.fly.io/acme:aud":"sts.amazonaws.com","oidc.fly.io/acme:sub":["acme:web:*","acme:db:*"]}`,
		`"StringEquals":{"oidc.fly.io/acme:sub":"acme:web:*"},"StringLike":{"oidc.fly.io/acme:sub":"acme:web:*"}`,
		`"StringEquals":{"oidc.fly.io/acme:sub":"acme:web:*"},"stringlike":{"oidc.fly.io/acme:aud":"sts.amazonaws.com"}`,
		aud + `,"StringLike":{"oidc.fly.io/other:sub":"acme:web:*","oidc.fly.io/acme:sub":"acme:web:*"}`,
	} {
		f.Add(`{"Version":"2012-10-17","Statement":[`+statement("Allow", conditions)+`]}`, "https://oidc.fly.io/acme", subject, "sts.amazonaws.com", uint8(1))
	}
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
			Provider: Provider{Presence: []Presence{unknown, Present, Absent, Present}[bits&3], Audiences: []string{"sts.amazonaws.com"}},
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

// randomCase makes a case from correct and wrong parts of policies.
func randomCase(t *testing.T, r *rand.Rand) Case {
	t.Helper()
	pick := func(list ...string) string { return list[r.IntN(len(list))] }
	var statements []string
	for range 1 + r.IntN(3) {
		principals := make([]string, 1+r.IntN(2))
		for i := range principals {
			principals[i] = pick(provider, provider, strings.Replace(provider, "acme", "beta", 1), "https://oidc.fly.io/acme",
				strings.Replace(provider, "acme", "personal", 1), strings.Replace(provider, account, "444455556666", 1))
		}
		members := map[string]map[string]string{}
		for range 1 + r.IntN(4) {
			op := pick("StringEquals", "StringLike", "stringlike", "StringEqualsIgnoreCase", "ForAllValues:StringLike", "StringLikeIfExists", "StringNotLike")
			key := pick("oidc.fly.io/acme:sub", "oidc.fly.io/acme:sub", "OIDC.fly.io/acme:sub", "oidc.fly.io/other:sub", "oidc.fly.io/beta:sub", "oidc.fly.io/personal:sub",
				"oidc.fly.io/acme:aud", "oidc.fly.io/acme:aud", "oidc.fly.io/beta:aud", "oidc.fly.io/acme:iss", "oidc.fly.io/acme:app_name", "sts:ExternalId")
			values := make([]string, 1+r.IntN(2))
			for i := range values {
				switch key[strings.LastIndexByte(key, ':')+1:] {
				case "sub":
					values[i] = pick("acme:web:*", "acme:web:*", "acme:web", "app:web", "web:*", "personal:web:*", "Acme:web:*", "acme:Web:*", "acme:db:*", "acme:*", "acme:we*", "beta:web:*", "*", "acme:web:m1")
				case "aud":
					values[i] = pick("sts.amazonaws.com", "sts.amazonaws.com", "https://fly.io/acme", "vault", "*")
				default:
					values[i] = pick("https://oidc.fly.io/acme", "web", "db")
				}
			}
			if members[op] == nil {
				members[op] = map[string]string{}
			}
			members[op][key] = `["` + strings.Join(values, `","`) + `"]`
		}
		var conditions []string
		for _, op := range slices.Sorted(maps.Keys(members)) {
			var parts []string
			for _, key := range slices.Sorted(maps.Keys(members[op])) {
				parts = append(parts, `"`+key+`":`+members[op][key])
			}
			conditions = append(conditions, `"`+op+`":{`+strings.Join(parts, ",")+`}`)
		}
		statements = append(statements, `{"Effect":"`+pick("Allow", "Allow", "Allow", "Deny")+`","Principal":{"`+pick("Federated", "Federated", "AWS")+`":["`+strings.Join(principals, `","`)+
			`"]},"Action":["`+pick("sts:AssumeRoleWithWebIdentity", "sts:AssumeRoleWithWebIdentity", "sts:AssumeRole", "sts:*")+`"],"Condition":{`+strings.Join(conditions, ",")+`}}`)
	}
	p, err := trustpolicy.Parse([]byte(`{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`))
	if err != nil {
		return Case{} // operators or keys that differ only in case
	}
	c := machine(p)
	c.Role, c.Account = pick("web", ""), account
	c.Managed = []*Managed{nil, nil, {Org: "acme", App: "web"}, {Org: "acme"}, {Org: "acme", App: "db"}}[r.IntN(5)]
	c.Provider.Presence = []Presence{Present, Present, Absent, unknown}[r.IntN(4)]
	c.Claims.Audience = []string{pick("sts.amazonaws.com", "sts.amazonaws.com", "https://fly.io/acme", "vault")}
	return c
}

// TestRandomPolicies: a fix keeps its promise even if several things are wrong.
func TestRandomPolicies(t *testing.T) {
	t.Parallel()
	kinds := map[FixKind]int{}
	for seed := range uint64(600) {
		c := randomCase(t, rand.New(rand.NewPCG(seed, 0)))
		if c.Policy == nil {
			continue
		}
		got := Explain(c)
		kinds[kind(got)]++
		checkFix(t, c, got)
		if t.Failed() {
			t.Fatalf("seed %d\n%s", seed, c.Policy.Indent())
		}
	}
	for _, k := range []FixKind{FixSetup, FixAdopt, FixOwnRole, FixRepairStatement, FixAddStatement, FixRequestAudience, ""} {
		if kinds[k] < 5 {
			t.Errorf("%d policies with the fix %q", kinds[k], k)
		}
	}
}
