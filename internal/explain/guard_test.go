package explain

import (
	"slices"
	"strings"
	"testing"

	"github.com/fly-aws/fly-aws/trustpolicy"
)

// TestNewOrg: a role that trusts other organisations only is opened to another one
// with a warning.
func TestNewOrg(t *testing.T) {
	t.Parallel()
	acme := statement("Allow", aud+","+sub)
	for _, tt := range []struct {
		name, statements string
		presence         Presence
		want             bool
		fixes            string
	}{
		{"no provider either", acme, Absent, true, "create-provider add-statement"},
		{"a provider that others use", acme, Present, true, "add-statement"},
		{"the organisation is there too", acme + "," + strings.ReplaceAll(statement("Allow", aud+`,"StringLike":{"oidc.fly.io/acme:sub":"acme:db:*"}`), "acme", "beta"), Absent, false, "create-provider edit-statement"},
		{"no organisation is there", `{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}`, Absent, false, "create-provider add-statement"},
		{"only denied", acme + "," + strings.ReplaceAll(statement("Deny", `"StringLike":{"oidc.fly.io/acme:sub":"acme:db:*"}`), "acme", "beta"), Absent, true, "create-provider add-statement"},
	} {
		c := machine(policyOf(t, "2012-10-17", tt.statements))
		c.Claims = MachineClaims("beta:web:m1", "sts.amazonaws.com")
		c.Provider, c.Account = Provider{Presence: tt.presence}, account
		got := Explain(c)
		if kinds(got) != tt.fixes || !got.Complete {
			t.Errorf("%s: %q, complete %t", tt.name, kinds(got), got.Complete)
		}
		for _, f := range got.Fixes {
			if f.NewOrg != tt.want || f.NewOrg && f.Issuer != "https://oidc.fly.io/beta" {
				t.Errorf("%s: %s has NewOrg %t for %q", tt.name, f.Kind, f.NewOrg, f.Issuer)
			}
		}
		checkFixes(t, c, got)
	}
}

// TestSharedStatements: what a statement gives to another organisation stays.
func TestSharedStatements(t *testing.T) {
	t.Parallel()
	beta := strings.Replace(provider, "acme", "beta", 1)
	shared := func(federated, conditions string) string {
		return strings.Replace(statement("Allow", conditions), `"`+provider+`"`, `[`+federated+`]`, 1)
	}
	both := `"` + provider + `","` + beta + `"`
	betaAud := strings.Replace(aud, "acme", "beta", 1)
	for _, tt := range []struct {
		name, statements, fix string
	}{
		{"conditions of the other one's", shared(both, betaAud+`,"StringLike":{"oidc.fly.io/beta:sub":"beta:api:*"}`), "add-statement"},
		{"the audience of the other one's", shared(both, betaAud+","+sub), "add-statement"},
		{"conditions of an issuer that is not Fly's", shared(`"`+provider+`","arn:aws:iam::111122223333:oidc-provider/ci.example"`, `"StringEquals":{"ci.example:aud":"sts.amazonaws.com","ci.example:sub":"x"}`), "add-statement"},
		{"two others, without conditions", shared(strings.ReplaceAll(both, "acme", "gamma"), `"StringEquals":{"aws:SecureTransport":"true"}`), "add-statement"},
		{"others, and a condition that they never meet", shared(`"`+beta+`"`, aud+","+sub), "edit-statement"},
		{"others, and a condition that they always meet", shared(`"`+beta+`"`, `"StringLikeIfExists":{"oidc.fly.io/acme:sub":"acme:db:*"}`), "add-statement"},
		{"an address on purpose", shared(both, betaAud+`,"StringEquals":{"sts:ExternalId":"x"}`), ""},
	} {
		tt.statements = strings.Replace(tt.statements, `},"StringEquals":{"sts`, `,"sts`, 1)
		c := machine(policyOf(t, "2012-10-17", tt.statements))
		got := Explain(c)
		if got.Verdict != Refused || kinds(got) != tt.fix {
			t.Errorf("%s: %s, fixes %q, want %q", tt.name, got.Verdict, kinds(got), tt.fix)
		}
		if tt.fix == "add-statement" && len(got.Fixes) == 1 && !got.Fixes[0].Policy.Statements[0].Equal(c.Policy.Statements[0]) {
			t.Errorf("%s: the statement has changed:\n%s", tt.name, got.Fixes[0].Policy.Indent())
		}
		checkFixes(t, c, got)
	}
}

// TestWarnings: what is wrong with a statement that lets the token in is said, be it
// accepted already or by a fix.
func TestWarnings(t *testing.T) {
	t.Parallel()
	warnings := func(reasons []Reason) string {
		var out []string
		for _, r := range reasons {
			out = append(out, string(r.Code)+" "+r.Want)
		}
		return strings.Join(out, ", ")
	}
	db := strings.ReplaceAll(sub, "web", "db")
	for _, tt := range []struct {
		name, statements string
		present          Presence
		want, fix        string
	}{
		{"as it should be", statement("Allow", aud+","+sub), Present, "", ""},
		{"no conditions", strings.Replace(statement("Allow", ""), `,"Condition":{}`, "", 1), Present, "audience-missing sts.amazonaws.com, subject-missing acme:web:*", ""},
		{"any subject", statement("Allow", aud+`,"StringLike":{"oidc.fly.io/acme:sub":"*"}`), Present, "subject-any acme:web:*", ""},
		{"the statement that holds", statement("Allow", aud+","+sub) + "," + statement("Allow", db), Present, "", ""},
		{"no provider", statement("Allow", sub), Absent, "audience-missing sts.amazonaws.com", ""},
		{"left behind", statement("Allow", db), Present, "", "audience-missing sts.amazonaws.com"},
	} {
		c := machine(policyOf(t, "2012-10-17", tt.statements))
		if c.Provider.Presence = tt.present; tt.present == Absent {
			c.Provider.ARN = ""
		}
		got := Explain(c)
		fix := ""
		for _, f := range got.Fixes {
			fix += warnings(f.Warnings)
		}
		if warnings(got.Warnings) != tt.want || fix != tt.fix {
			t.Errorf("%s: %q and %q, want %q and %q", tt.name, warnings(got.Warnings), fix, tt.want, tt.fix)
		}
	}
}

// TestAcceptedDisagreement: claims that no token has are accepted where the policy
// asks for no more, with a warning instead of a reason.
func TestAcceptedDisagreement(t *testing.T) {
	t.Parallel()
	c := machine(policyOf(t, "2012-10-17", statement("Allow", aud+`,"StringLike":{"oidc.fly.io/acme:sub":"*"}`)))
	c.Claims.Subject = "beta:web:m1"
	got := Explain(c)
	if got.Verdict != Accepted || got.Reasons != nil || len(got.Warnings) != 2 || got.Warnings[0].Code != ReasonClaimsDisagree {
		t.Errorf("%s, reasons %+v, warnings %+v", got.Verdict, got.Reasons, got.Warnings)
	}
}

// TestMeantFor: a refusal that may be right says whom the policy names.
func TestMeantFor(t *testing.T) {
	t.Parallel()
	like := func(values string) string {
		return statement("Allow", aud+`,"StringLike":{"oidc.fly.io/acme:sub":[`+values+`]}`)
	}
	for _, tt := range []struct {
		name, statements string
		want             string
		reason           ReasonCode
	}{
		{"another app", like(`"acme:db:*"`), "acme:db:*", ReasonAppDiffers},
		{"two statements", like(`"acme:db:*"`) + "," + like(`"acme:web-staging:*","acme:db:*"`), "acme:db:* acme:web-staging:*", ReasonAppSuffix},
		{"another machine", like(`"acme:web:m"`), "acme:web:m", ReasonMachineDiffers},
		{"a pattern for the organisation", like(`"*:db:*"`), "*:db:*", ReasonAppDiffers},
		{"a mistake", like(`"acme:web"`), "", "subject-parts"},
		{"no conditions on the subject", strings.ReplaceAll(statement("Allow", sub), "acme", "globex"), "", ReasonNoStatement},
	} {
		got := Explain(machine(policyOf(t, "2012-10-17", tt.statements)))
		if s := strings.Join(got.MeantFor, " "); s != tt.want || got.Reasons[0].Code != tt.reason {
			t.Errorf("%s: %q for %s, want %q for %s", tt.name, s, got.Reasons[0].Code, tt.want, tt.reason)
		}
	}
}

// TestObstacle: that somebody refuses on purpose is said of nothing else.
func TestObstacle(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, statements string
		change           func(*Case)
		want             Obstacle
	}{
		{"a fix", statement("Allow", aud), func(c *Case) { c.Claims.Audience = []string{"vault"} }, ObstacleNone},
		{"another condition", statement("Allow", audAnd(`"sts:ExternalId":"x"`)+","+sub), func(*Case) {}, ObstacleOnPurpose},
		{"session tags denied", strings.Replace(statement("Allow", aud+","+sub), "AssumeRoleWithWebIdentity", "*", 1) + "," + strings.Replace(statement("Deny", sub), "AssumeRoleWithWebIdentity", "TagSession", 1), func(c *Case) { c.Claims.Tags = map[string]string{"a": "b"} }, ObstacleOnPurpose},
		{"a denial with a way past it", statement("Allow", aud+","+sub) + "," + statement("Deny", sub), func(*Case) {}, ObstacleNone},
		{"the alias", statement("Allow", aud+","+sub), func(c *Case) { c.Claims = MachineClaims("personal:web:m", "sts.amazonaws.com") }, ObstacleNone},
		{"another issuer", statement("Allow", aud+","+sub), func(c *Case) { c.Claims.Issuer = "https://evil.example" }, ObstacleIssuer},
		{"no issuer", statement("Allow", aud+","+sub), func(c *Case) { c.Claims.Issuer = "" }, ObstacleNone},
	} {
		c := machine(policyOf(t, "2012-10-17", tt.statements))
		tt.change(&c)
		if got := Explain(c); got.Obstacle != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got.Obstacle, tt.want)
		}
	}
}

// TestSignatureNote: why a signature is not known goes with its step alone.
func TestSignatureNote(t *testing.T) {
	t.Parallel()
	for signature, want := range map[Signature]string{Unverified: "no network", Verified: "", Forged: ""} {
		c := machine(policyOf(t, "2012-10-17", statement("Allow", aud+","+sub)))
		c.Signature, c.SignatureNote = signature, "no network"
		i := slices.IndexFunc(Explain(c).Steps, func(s Step) bool { return s.Note != "" })
		if (i < 0) != (want == "") || i >= 0 && Explain(c).Steps[i] != (Step{StepSignature, trustpolicy.MatchUndecided, want}) {
			t.Errorf("%q: step %d of %+v", signature, i, Explain(c).Steps)
		}
	}
}

// TestTooManyHolders: a policy of more subjects than are tried is not edited.
func TestTooManyHolders(t *testing.T) {
	t.Parallel()
	var subjects []string
	for a := range 26 {
		for b := range 26 {
			subjects = append(subjects, `"acme:`+string(rune('a'+a))+string(rune('a'+b))+`:*"`)
		}
	}
	policy := func(n int) *trustpolicy.Policy {
		return policyOf(t, "2012-10-17", statement("Allow", `"StringEquals":{"oidc.fly.io/acme:aud":["sts.amazonaws.com","a"]},"StringLike":{"oidc.fly.io/acme:sub":[`+strings.Join(subjects[:n], ",")+`]}`))
	}
	for n, want := range map[int]string{100: "edit-statement", 520: "add-statement"} {
		c := machine(policy(n))
		if got := Explain(c); c.Policy.Size() > trustpolicy.MaxSizeQuota || kinds(got) != want {
			t.Errorf("%d subjects, %d characters: %q, want %q", n, c.Policy.Size(), kinds(got), want)
		}
	}
}
