package explain

import (
	"strings"
	"testing"

	"github.com/fly-aws/fly-aws/internal/flyname"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

// rightPolicy returns the policy that every recipe should have been.
func rightPolicy(t *testing.T) *trustpolicy.Policy {
	t.Helper()
	return policyOf(t, "2012-10-17", statement("Allow", aud+","+sub))
}

// TestRecipes has wrong recipes from public code and forums. Each has one reason, and the
// fix leads to the right policy.
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
		{"sub without organization", like("web:*"), "subject-org", "acme:web:*"},
		{"sub without machine under StringEquals", statement("Allow", `"StringEquals":{"oidc.fly.io/acme:aud":"sts.amazonaws.com","oidc.fly.io/acme:sub":"acme:web"}`), "subject-parts", "acme:web:*"},
		{"wildcard under StringEquals", statement("Allow", `"StringEquals":{"oidc.fly.io/acme:aud":"sts.amazonaws.com","oidc.fly.io/acme:sub":"acme:web:*"}`), "wildcard-literal", "StringLike"},
		{"aud as a URN", withAud("urn:fly:machine:1234"), "audience-wrong", "sts.amazonaws.com"},
		{"aud of the organization", withAud("acme"), "audience-wrong", "sts.amazonaws.com"},
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
			if kind(got) != FixRepairStatement || !got.Complete {
				t.Fatalf("fix %+v, complete: %t", got.Fix, got.Complete)
			}
			checkFix(t, c, got)
			if fixed := repaired(t, c, *got.Fix); !fixed.Equal(rightPolicy(t)) {
				t.Errorf("the fix is not the right policy:\n%s", fixed.Indent())
			}
		})
	}
}

// TestTrailingComma: the sample in Fly's guide has one. A policy that cannot be parsed is
// not replaced.
func TestTrailingComma(t *testing.T) {
	t.Parallel()
	text := strings.Replace(rightPolicy(t).Indent(), "\n    }\n  ]", ",\n    }\n  ]", 1)
	_, err := trustpolicy.Parse([]byte(text))
	if err == nil {
		t.Fatalf("it parses:\n%s", text)
	}
	got := Explain(Case{PolicyError: err, Claims: claimsOf(subject), Account: account, Role: "web"})
	if got.Verdict != Refused || got.Error.Code != "MalformedPolicyDocument" || got.Reasons[0].Code != ReasonPolicySyntax ||
		!strings.Contains(got.Reasons[0].Have, "there is a comma before the closing '}'") {
		t.Errorf("%+v", got)
	}
	if got.Fix != nil || got.Obstacle != ObstacleSyntax {
		t.Errorf("fix %+v, obstacle %q", got.Fix, got.Obstacle)
	}
}

// TestOtherIssuer: other issuers' tokens are explained too, but there is no fix for them.
func TestOtherIssuer(t *testing.T) {
	t.Parallel()
	github := strings.NewReplacer("oidc.fly.io/acme", "token.actions.githubusercontent.com", "acme:web:*", "repo:octo/web:*")
	c := Case{Policy: policyOf(t, "2012-10-17", github.Replace(statement("Allow", aud+","+sub)))}
	c.Claims = flyname.Claims{Issuer: "https://token.actions.githubusercontent.com", Subject: "repo:octo/web:ref:refs/heads/main", Audience: []string{"sts.amazonaws.com"}}
	if got := Explain(c); got.Verdict != Accepted {
		t.Errorf("%+v", got)
	}
	c.Claims.Subject = "repo:octo/db:ref:refs/heads/main"
	got := Explain(c)
	if got.Verdict != Refused || len(got.Reasons) != 1 || got.Complete || got.Fix != nil || got.Obstacle != ObstacleIssuer {
		t.Errorf("%+v", got)
	}
}
