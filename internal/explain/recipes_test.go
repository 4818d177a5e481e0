package explain

import (
	"strings"
	"testing"

	"github.com/fly-aws/fly-aws/trustpolicy"
)

// rightPolicy is what every recipe should have been.
func rightPolicy(t *testing.T) *trustpolicy.Policy {
	t.Helper()
	return policyOf(t, "2012-10-17", statement("Allow", aud+","+sub))
}

// TestRecipes are wrong recipes found in public code and in forums. Each has one
// reason, and the fix is the right policy.
func TestRecipes(t *testing.T) {
	t.Parallel()
	like := func(value string) string {
		return statement("Allow", aud+`,"StringLike":{"oidc.fly.io/acme:sub":"`+value+`"}`)
	}
	withAud := func(value string) string {
		return statement("Allow", `"StringEquals":{"oidc.fly.io/acme:aud":"`+value+`"},`+sub)
	}
	personalPolicy := strings.ReplaceAll(statement("Allow", aud+","+sub), "acme", "personal")
	for _, tt := range []struct {
		name, statements string
		reason           ReasonCode
		want             string // of the reason
	}{
		{"sub of the app alone", like("app:web"), "subject-org", "acme:web:*"},
		{"sub without organisation", like("web:*"), "subject-org", "acme:web:*"},
		{"sub without machine under StringEquals", statement("Allow", `"StringEquals":{"oidc.fly.io/acme:aud":"sts.amazonaws.com","oidc.fly.io/acme:sub":"acme:web"}`), "subject-parts", "acme:web:*"},
		{"wildcard under StringEquals", statement("Allow", `"StringEquals":{"oidc.fly.io/acme:aud":"sts.amazonaws.com","oidc.fly.io/acme:sub":"acme:web:*"}`), "wildcard-literal", "StringLike"},
		{"aud as a URN", withAud("urn:fly:machine:1234"), "audience-wrong", "sts.amazonaws.com"},
		{"aud of the organisation", withAud("acme"), "audience-wrong", "sts.amazonaws.com"},
		{"aud of Fly's default", withAud("https://fly.io/acme"), "audience-wrong", "sts.amazonaws.com"},
		{"issuer with a version", strings.ReplaceAll(statement("Allow", aud+","+sub), "oidc.fly.io/acme", "oidc.fly.io/v1/"), "provider-form", ""},
		{"issuer without a slug", strings.ReplaceAll(statement("Allow", aud+","+sub), "oidc.fly.io/acme", "oidc.fly.io"), "provider-form", ""},
		{"the alias", strings.ReplaceAll(personalPolicy, "personal:web", "acme:web"), "alias-personal", ""},
		{"the alias everywhere", personalPolicy, "alias-personal", ""},
		{"the alias in sub", like("personal:web:*"), "alias-personal", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := machine(policyOf(t, "2012-10-17", tt.statements))
			got := Explain(c)
			if got.Verdict != Refused || len(got.Reasons) == 0 || got.Reasons[0].Code != tt.reason || got.Reasons[0].Want != tt.want && tt.want != "" {
				t.Fatalf("%s, %+v; want %s with %q first", got.Verdict, got.Reasons, tt.reason, tt.want)
			}
			if len(got.Fixes) != 1 || !got.Complete || got.Fixes[0].TooBroad() {
				t.Fatalf("fixes %+v", got.Fixes)
			}
			checkFixes(t, c, got)
			if fixed := got.Fixes[0].Policy; !fixed.Equal(rightPolicy(t)) {
				t.Errorf("the fix is not the right policy:\n%s", fixed.Indent())
			}
		})
	}
}

// TestTrailingComma: the sample in Fly's guide has one. Its account is still found.
func TestTrailingComma(t *testing.T) {
	t.Parallel()
	text := strings.Replace(rightPolicy(t).Indent(), "\n    }\n  ]", ",\n    }\n  ]", 1)
	_, err := trustpolicy.Parse([]byte(text))
	if err == nil {
		t.Fatalf("it parses:\n%s", text)
	}
	c := Case{PolicyError: err, Text: []byte(text), Claims: MachineClaims(subject, "sts.amazonaws.com")}
	got := Explain(c)
	if got.Verdict != Refused || got.Error.Code != "MalformedPolicyDocument" || got.Reasons[0].Code != ReasonPolicySyntax ||
		!strings.Contains(got.Reasons[0].Have, "a comma stands before the closing '}'") {
		t.Errorf("%+v", got)
	}
	if len(got.Fixes) != 1 || got.Fixes[0].Kind != FixReplacePolicy || !withoutSids(got.Fixes[0].Policy).Equal(rightPolicy(t)) {
		t.Errorf("%+v", got.Fixes)
	}
	checkFixes(t, c, got)
	c.Text = nil
	if got := Explain(c); len(got.Fixes) != 0 {
		t.Errorf("a policy for no account: %+v", got.Fixes)
	}
}

func withoutSids(p *trustpolicy.Policy) *trustpolicy.Policy {
	p = p.Clone()
	for i := range p.Statements {
		p.Statements[i].Sid = ""
	}
	return p
}

// TestOtherStatementsStay: a fix leaves what others need.
func TestOtherStatementsStay(t *testing.T) {
	t.Parallel()
	ours, err := trustpolicy.Build(trustpolicy.AppAccess{Partition: "aws", Account: account, Org: "acme", Apps: []string{"db", "api"}})
	if err != nil {
		t.Fatal(err)
	}
	other := policyOf(t, "2012-10-17", strings.ReplaceAll(statement("Allow", aud+","+sub), "acme", "globex")).Statements[0]
	service := policyOf(t, "2012-10-17", `{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}`).Statements[0]
	p := trustpolicy.New(other, service, ours)
	got := Explain(machine(p))
	if len(got.Fixes) != 1 || got.Fixes[0].Kind != FixEditStatement {
		t.Fatalf("%+v", got.Fixes)
	}
	fixed := got.Fixes[0].Policy
	if !fixed.Statements[0].Equal(other) || !fixed.Statements[1].Equal(service) {
		t.Errorf("statements of others changed:\n%s", fixed.Indent())
	}
	want := []string{"acme:api:*", "acme:db:*", "acme:web:*"}
	if s, _ := fixed.Statement(ours.Sid); strings.Join(s.Conditions[1].Values, " ") != strings.Join(want, " ") {
		t.Errorf("subjects %q, want %q", s.Conditions[1].Values, want)
	}
	checkFixes(t, machine(p), got)
}

// TestTooBroad: what a fix lets in besides is named.
func TestTooBroad(t *testing.T) {
	t.Parallel()
	c := machine(policyOf(t, "2012-10-17", statement("Allow", `"StringEquals":{"oidc.fly.io/acme:aud":"sts.amazonaws.com","oidc.fly.io/acme:sub":["acme:web:*","acme:db:*"]}`)))
	got := Explain(c)
	if len(got.Fixes) != 1 || strings.Join(got.Fixes[0].AlsoAccepts, " ") != "acme:db:x" {
		t.Errorf("%+v", got.Fixes)
	}
	// Nor is what a pattern that ends within a name lets in.
	c.Policy = policyOf(t, "2012-10-17", statement("Allow", `"StringEquals":{"oidc.fly.io/acme:aud":"vault"},"StringLike":{"oidc.fly.io/acme:sub":"acme:we*"}`))
	if got := Explain(c); len(got.Fixes) != 1 || got.Fixes[0].Kind != FixAddStatement || got.Fixes[0].TooBroad() {
		t.Errorf("%+v", got.Fixes)
	}
	// The whole organisation is not let in with one of its apps.
	c.Policy = policyOf(t, "2012-10-17", statement("Allow", `"StringEquals":{"oidc.fly.io/acme:aud":"vault"},"StringLike":{"oidc.fly.io/acme:sub":"acme:*"}`))
	if got := Explain(c); len(got.Fixes) != 1 || got.Fixes[0].Kind != FixAddStatement || got.Fixes[0].TooBroad() {
		t.Errorf("%+v", got.Fixes)
	}
}

// TestOtherIssuer: tokens of others are explained too, and nothing is suggested that
// lets them in.
func TestOtherIssuer(t *testing.T) {
	t.Parallel()
	github := strings.NewReplacer("oidc.fly.io/acme", "token.actions.githubusercontent.com", "acme:web:*", "repo:octo/web:*")
	c := Case{Policy: policyOf(t, "2012-10-17", github.Replace(statement("Allow", aud+","+sub)))}
	c.Claims = Claims{Issuer: "https://token.actions.githubusercontent.com", Subject: "repo:octo/web:ref:refs/heads/main", Audience: []string{"sts.amazonaws.com"}}
	if got := Explain(c); got.Verdict != Accepted {
		t.Errorf("%+v", got)
	}
	c.Claims.Subject = "repo:octo/db:ref:refs/heads/main"
	got := Explain(c)
	if got.Verdict != Refused || len(got.Reasons) != 1 || got.Complete || got.Fixes != nil || got.Obstacle != ObstacleIssuer {
		t.Errorf("%+v", got)
	}
}
