package explain

import (
	"slices"
	"strings"
	"testing"
)

// TestFixForRole: the fix depends on whose role it is.
func TestFixForRole(t *testing.T) {
	t.Parallel()
	ours := func(conditions string) string {
		return strings.Replace(statement("Allow", conditions), "{", `{"Sid":"FlyAwsAcme",`, 1)
	}
	right, db := ours(aud+","+sub), ours(aud+","+strings.Replace(sub, "web", "db", 1))
	broken := ours(aud + `,"StringLike":{"oidc.fly.io/acme:sub":"acme:web"}`)
	pinned := ours(aud + `,"StringLike":{"oidc.fly.io/acme:sub":"acme:web:m"}`)
	service := `{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}`
	beta := strings.ReplaceAll(statement("Allow", aud+","+sub), "acme", "beta")
	own, shared, other := &Managed{Org: "acme", App: "web"}, &Managed{Org: "acme"}, &Managed{Org: "acme", App: "db"}
	absent, unlisted := Provider{Presence: Absent}, Provider{Presence: Present, Audiences: []string{"vault"}}
	present := Provider{Presence: Present, Audiences: []string{"sts.amazonaws.com"}}
	for _, tt := range []struct {
		name, statements string
		role             string
		managed          *Managed
		provider         Provider
		kind             FixKind
		want             Setup
	}{
		{"own role, broken", broken, "r", own, present, FixSetup, Setup{Role: "r"}},
		{"own role, and a condition that someone added", strings.Replace(broken, `"StringLike"`, `"IpAddress":{"aws:SourceIp":"203.0.113.0/24"},"StringLike"`, 1), "r", own, present, "", Setup{}},
		{"own role, and a condition that someone added, no provider", strings.Replace(right, `"StringLike"`, `"DateGreaterThan":{"aws:CurrentTime":"2020-01-01T00:00:00Z"},"StringLike"`, 1), "r", own, absent, "", Setup{}},
		{"a role of someone else's, with a condition, no provider", strings.Replace(statement("Allow", aud+","+sub), `"StringLike"`, `"DateGreaterThan":{"aws:CurrentTime":"2020-01-01T00:00:00Z"},"StringLike"`, 1), "r", nil, absent, FixOwnRole, Setup{}},
		{"own role, of another machine", pinned, "r", own, present, FixSetup, Setup{Role: "r", AllMachines: true}},
		{"own role, without our statement", service, "r", own, present, FixSetup, Setup{Role: "r", Adopt: true}},
		{"own role, no provider", right, "r", own, absent, FixSetup, Setup{Role: "r"}},
		{"own role, audience not listed", right, "r", own, unlisted, FixSetup, Setup{Role: "r"}},
		{"own role, denied", right + "," + statement("Deny", sub), "r", own, present, "", Setup{}},
		{"shared role, broken", broken[:strings.LastIndex(broken, `"acme:web"`)] + `["acme:web:m2","acme:web"]}}}`, "r", shared, present, FixSetup, Setup{Role: "r", AllMachines: true}},
		{"shared role for other apps", db, "r", shared, present, FixOwnRole, Setup{}},
		{"another app's role", db, "r", other, present, FixOwnRole, Setup{}},
		{"another app's role, no provider", db, "r", other, absent, FixOwnRole, Setup{}},
		{"another organization's role", beta, "r", &Managed{Org: "beta", App: "web"}, present, FixOwnRole, Setup{}},
		{"a role of someone else's, for others", statement("Allow", aud+","+strings.Replace(sub, "web", "db", 1)), "r", nil, present, FixOwnRole, Setup{}},
		{"a role of someone else's, for others by a mistake", statement("Allow", `"StringEquals":{"oidc.fly.io/acme:aud":"sts.amazonaws.com","oidc.fly.io/acme:sub":"acme:db:*"}`), "r", nil, present, FixOwnRole, Setup{}},
		{"a role of someone else's, for others without a machine", statement("Allow", aud+`,"StringLike":{"oidc.fly.io/acme:sub":["acme:db","app:api"]}`), "r", nil, present, FixOwnRole, Setup{}},
		{"a role of someone else's, for apps whose names begin so", statement("Allow", `"StringEquals":{"oidc.fly.io/acme:aud":"sts.amazonaws.com","oidc.fly.io/acme:sub":"acme:web-*"}`), "r", nil, present, FixOwnRole, Setup{}},
		{"a role of someone else's, no provider", statement("Allow", aud+","+sub), "r", nil, absent, FixAdopt, Setup{Role: "r", Adopt: true}},
		{"a role of someone else's, nothing of Fly", service, "r", nil, present, FixAdopt, Setup{Role: "r", Adopt: true}},
		{"another issuer's role", strings.ReplaceAll(statement("Allow", aud+","+sub), "oidc.fly.io/acme", "auth.example.com/acme"), "r", nil, present, FixOwnRole, Setup{}},
		{"another issuer's role, no name", strings.ReplaceAll(statement("Allow", aud+","+sub), "oidc.fly.io/acme", "auth.example.com/acme"), "", nil, present, FixOwnRole, Setup{}},
		{"a misspelled issuer, with a condition", strings.ReplaceAll(statement("Allow", aud+","+sub+`,"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}`), "oidc.fly.io", "oidc.fly.dev"), "", nil, present, FixOwnRole, Setup{}},
		{"another app's subject under aud", statement("Allow", `"StringEquals":{"oidc.fly.io/acme:aud":"acme:api:prod-1"}`), "", nil, present, FixOwnRole, Setup{}},
		{"a role without tags with our Sid", right, "r", nil, absent, FixOwnRole, Setup{}},
		{"no role, nothing of Fly", service, "", nil, present, FixAddStatement, Setup{}},
		{"no role, no provider", statement("Allow", aud+","+sub), "", nil, absent, FixOwnRole, Setup{}},
	} {
		c := machine(policyOf(t, "2012-10-17", tt.statements))
		c.Role, c.Managed, c.Provider, c.Account = tt.role, tt.managed, tt.provider, account
		got := Explain(c)
		if kind(got) != tt.kind {
			t.Errorf("%s: fix %+v, want %q", tt.name, got.Fix, tt.kind)
			continue
		}
		checkFix(t, c, got)
		if tt.kind == "" || tt.kind == FixAddStatement {
			continue
		}
		tt.want.Org, tt.want.App = "acme", "web"
		if *got.Fix.Setup != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, *got.Fix.Setup, tt.want)
		}
		if got.Complete != (tt.kind != FixOwnRole) {
			t.Errorf("%s: complete %t", tt.name, got.Complete)
		}
	}
}

// TestSetupFlags: a role's path and a custom audience are part of the command.
func TestSetupFlags(t *testing.T) {
	t.Parallel()
	c := machine(policyOf(t, "2012-10-17", strings.Replace(statement("Allow", aud+","+sub), "sts.amazonaws.com", "vault", 1)))
	c.RoleARN, c.Claims.Audience, c.Provider.Audiences = "arn:aws:iam::111122223333:role/fly/team/web", []string{"vault"}, []string{"other"}
	got := Explain(c)
	if want := (Setup{Org: "acme", App: "web", Role: "web", Path: "/fly/team/", Audience: "vault", Adopt: true}); got.Fix == nil || *got.Fix.Setup != want {
		t.Errorf("%+v, want %+v", got.Fix, want)
	}
	checkFix(t, c, got)
}

// TestOtherAudience: a token for another service does not lead to a fix that accepts that
// service's tokens.
func TestOtherAudience(t *testing.T) {
	t.Parallel()
	right := statement("Allow", aud+","+sub)
	vault := strings.Replace(right, "sts.amazonaws.com", "vault", 1)
	service := `{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}`
	for _, tt := range []struct {
		name, statements, audience string
		provider                   Provider
		fix                        FixKind
		want                       string // the audience in the fix
		complete                   bool
	}{
		{"Fly's own", right, "https://fly.io/acme", Provider{}, FixRequestAudience, "sts.amazonaws.com", true},
		{"Fly's own, no provider", right, "https://fly.io/acme", Provider{Presence: Absent}, FixAdopt, "", false},
		{"Fly's own, nothing of Fly", service, "https://fly.io/acme", Provider{}, FixAdopt, "", false},
		{"the policy's", vault, "sts.amazonaws.com", Provider{}, FixRequestAudience, "vault", true},
		{"the policy's, which the provider does not list", vault, "sts.amazonaws.com", Provider{Presence: Present, Audiences: []string{"sts.amazonaws.com"}}, FixAdopt, "", true},
		{"a mistake in the policy", strings.Replace(right, "sts.amazonaws.com", "https://fly.io/acme", 1), "sts.amazonaws.com", Provider{}, FixRepairStatement, "", true},
		{"a mistake in the policy, no provider", strings.Replace(right, "sts.amazonaws.com", "https://fly.io/acme", 1), "sts.amazonaws.com", Provider{Presence: Absent}, FixAdopt, "", true},
	} {
		c := machine(policyOf(t, "2012-10-17", tt.statements))
		c.Claims.Audience, c.Provider, c.Account = []string{tt.audience}, tt.provider, account
		got := Explain(c)
		if kind(got) != tt.fix || got.Complete != tt.complete {
			t.Errorf("%s: %+v, complete %t", tt.name, got.Fix, got.Complete)
			continue
		}
		audience := got.Fix.Audience
		if got.Fix.Setup != nil {
			audience = got.Fix.Setup.Audience
		}
		if audience != tt.want {
			t.Errorf("%s: the audience %q, want %q", tt.name, audience, tt.want)
		}
		checkFix(t, c, got)
	}
}

// TestNewOrg: a role that trusts only other organizations is not opened to a new one.
func TestNewOrg(t *testing.T) {
	t.Parallel()
	acme := statement("Allow", aud+","+sub)
	betaDB := func(effect string) string {
		return acme + "," + strings.ReplaceAll(statement(effect, aud+`,"StringLike":{"oidc.fly.io/acme:sub":"acme:db:*"}`), "acme", "beta")
	}
	for _, tt := range []struct {
		name, statements string
		presence         Presence
		want             bool
		fix              FixKind
	}{
		{"no provider either", acme, Absent, true, FixOwnRole},
		{"a provider that others use", acme, Present, true, FixOwnRole},
		{"another app of the organization is there", betaDB("Allow"), Absent, false, FixOwnRole},
		{"no organization is there", `{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}`, Absent, false, FixAdopt},
		{"only denied", betaDB("Deny"), Absent, true, FixOwnRole},
	} {
		c := machine(policyOf(t, "2012-10-17", tt.statements))
		c.Claims = claimsOf("beta:web:m1")
		c.Provider, c.Account = Provider{Presence: tt.presence}, account
		got := Explain(c)
		if kind(got) != tt.fix || got.Fix.NewOrg != tt.want || got.Fix.Setup.Org != "beta" {
			t.Errorf("%s: %+v", tt.name, got.Fix)
		}
		checkFix(t, c, got)
	}
}

// TestSharedStatements: a statement that also allows others is not edited.
func TestSharedStatements(t *testing.T) {
	t.Parallel()
	beta := strings.Replace(provider, "acme", "beta", 1)
	shared := func(federated, conditions string) string {
		return strings.Replace(statement("Allow", conditions), `"`+provider+`"`, `[`+federated+`]`, 1)
	}
	both := `"` + provider + `","` + beta + `"`
	betaAud := strings.Replace(aud, "acme", "beta", 1)
	equals := func(values string) string {
		return statement("Allow", `"StringEquals":{"oidc.fly.io/acme:aud":"sts.amazonaws.com","oidc.fly.io/acme:sub":[`+values+`]}`)
	}
	for _, tt := range []struct {
		name, statements string
		fix              FixKind
	}{
		{"conditions of the other one's", shared(both, betaAud+`,"StringLike":{"oidc.fly.io/beta:sub":"beta:api:*"}`), FixOwnRole},
		{"the audience of the other one's", shared(both, betaAud+","+sub), FixAdopt},
		{"another app whose pattern has no effect", equals(`"acme:web:*","acme:db:*"`), FixAdopt},
		{"the whole organization, without effect", equals(`"acme:web:*","acme:*"`), FixAdopt},
		{"apps that begin alike, without effect", equals(`"acme:web*"`), FixAdopt},
		{"an external ID", strings.Replace(shared(both, betaAud+`,"StringEquals":{"sts:ExternalId":"x"}`), `},"StringEquals":{"sts`, `,"sts`, 1), ""},
		{"the app as a claim", statement("Allow", audAnd(`"oidc.fly.io/acme:app_name":"db"`)), ""},
		{"both operators on the subject", statement("Allow", `"StringEquals":{"oidc.fly.io/acme:aud":"sts.amazonaws.com","oidc.fly.io/acme:sub":"acme:web:*"},"StringLike":{"oidc.fly.io/acme:sub":"acme:web:c*"}`), FixAdopt},
	} {
		c := machine(policyOf(t, "2012-10-17", tt.statements))
		got := Explain(c)
		if got.Verdict != Refused || kind(got) != tt.fix {
			t.Errorf("%s: %s, fix %+v, want %q", tt.name, got.Verdict, got.Fix, tt.fix)
		}
		checkFix(t, c, got)
	}
}

// TestWarnings: errors in a statement that allows the token are reported, whether or not
// the token is accepted.
func TestWarnings(t *testing.T) {
	t.Parallel()
	warnings := func(reasons []RefusalReason) string {
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
		want             string
	}{
		{"as it should be", statement("Allow", aud+","+sub), Present, ""},
		{"no conditions", strings.Replace(statement("Allow", ""), `,"Condition":{}`, "", 1), Present, "audience-missing sts.amazonaws.com, subject-missing acme:web:*"},
		{"any subject", statement("Allow", aud+`,"StringLike":{"oidc.fly.io/acme:sub":"*"}`), Present, "subject-any acme:web:*"},
		{"every app", statement("Allow", aud+`,"StringLike":{"oidc.fly.io/acme:sub":"acme:*"}`), Present, "org-wide "},
		{"another app too", statement("Allow", aud+`,"StringLike":{"oidc.fly.io/acme:sub":["acme:web:*","acme:db:*"]}`), Present, ""},
		{"the statement that holds", statement("Allow", aud+","+sub) + "," + statement("Allow", db), Present, ""},
		{"no provider", statement("Allow", sub), Absent, "audience-missing sts.amazonaws.com"},
	} {
		c := machine(policyOf(t, "2012-10-17", tt.statements))
		if c.Provider.Presence = tt.present; tt.present == Absent {
			c.Provider.ARN = ""
		}
		if got := warnings(Explain(c).Warnings); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// TestBeyond: an accepted token does not hide whom else the policy lets in.
func TestBeyond(t *testing.T) {
	t.Parallel()
	right := statement("Allow", aud+","+sub)
	anyone := `,{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}`
	for statements, want := range map[string]string{
		right:          "",
		right + anyone: "anyone ",
		statement("Allow", aud+`,"StringLike":{"oidc.fly.io/acme:sub":"acme:*"}`): "subject acme:another-app:any-machine",
	} {
		var got []string
		e := Explain(machine(policyOf(t, "2012-10-17", statements)))
		for _, a := range e.Beyond {
			got = append(got, string(a.Kind)+" "+a.Example)
		}
		if e.Verdict != Accepted || strings.Join(got, ", ") != want {
			t.Errorf("%s: %s, %q, not %q", statements, e.Verdict, got, want)
		}
	}
}

// TestAcceptedDisagreement: claims that disagree are accepted if the policy requires no
// more, with a warning instead of a reason.
func TestAcceptedDisagreement(t *testing.T) {
	t.Parallel()
	c := machine(policyOf(t, "2012-10-17", statement("Allow", aud+`,"StringLike":{"oidc.fly.io/acme:sub":"*"}`)))
	c.Claims.Subject = "beta:web:m1"
	got := Explain(c)
	if got.Verdict != Accepted || got.Reasons != nil || len(got.Warnings) != 2 || got.Warnings[0].Code != ReasonClaimsDisagree {
		t.Errorf("%s, reasons %+v, warnings %+v", got.Verdict, got.Reasons, got.Warnings)
	}
}

// TestIntended: if a refusal may be intended, the policy's subjects are reported.
func TestIntended(t *testing.T) {
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
		{"two statements", like(`"acme:db:*"`) + "," + like(`"acme:web-staging:*","acme:db:*"`), "acme:web-staging:* acme:db:*", ReasonAppSuffix},
		{"another machine", like(`"acme:web:cold-sky-12"`), "acme:web:cold-sky-12", ReasonMachineDiffers},
		{"another machine of any app", like(`"acme:*:worker-*"`), "acme:*:worker-*", ReasonMachineDiffers},
		{"a process group", like(`"acme:web:release_command"`), "", "process-group"},
		{"a machine ID", like(`"acme:web:148e21ea7e46e8"`), "", "machine-id"},
		{"another app's subject as audience", strings.ReplaceAll(strings.ReplaceAll(statement("Allow", sub), ":sub", ":aud"), "acme:web:", "acme:api:"), "", "subject-under-aud"},
		{"a subject as audience", strings.ReplaceAll(statement("Allow", sub), ":sub", ":aud"), "", "subject-under-aud"},
		{"a misspelled host", strings.ReplaceAll(statement("Allow", aud+","+sub), "oidc-provider/oidc.fly.io", "oidc-provider/fly.oidc.io"), "", "provider-host"},
		{"a pattern for the organization", like(`"*:db:*"`), "*:db:*", ReasonAppDiffers},
		{"a mistake", like(`"acme:web"`), "", "subject-parts"},
		{"no conditions on the subject", strings.ReplaceAll(statement("Allow", sub), "acme", "globex"), "", ReasonNoStatement},
	} {
		got := Explain(machine(policyOf(t, "2012-10-17", tt.statements)))
		if s := strings.Join(got.Intended, " "); s != tt.want || got.Reasons[0].Code != tt.reason {
			t.Errorf("%s: %q for %s, want %q for %s", tt.name, s, got.Reasons[0].Code, tt.want, tt.reason)
		}
	}
}

// TestObstacle: the reason why there is no fix is reported.
func TestObstacle(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, statements string
		change           func(*Case)
		want             Obstacle
	}{
		{"a fix", statement("Allow", aud), func(c *Case) { c.Claims.Audience = []string{"vault"} }, ObstacleNone},
		{"another condition", statement("Allow", audAnd(`"sts:ExternalId":"x"`)+","+sub), func(*Case) {}, ObstacleCondition},
		{"session tags denied", strings.Replace(statement("Allow", aud+","+sub), "AssumeRoleWithWebIdentity", "*", 1) + "," + strings.Replace(statement("Deny", sub), "AssumeRoleWithWebIdentity", "TagSession", 1), func(c *Case) { c.Claims.Tags = map[string]string{"a": "b"} }, ObstacleDenied},
		{"session tags under a condition", strings.Replace(statement("Allow", audAnd(`"aws:RequestTag/Team":"x"`)+","+sub), "AssumeRoleWithWebIdentity", "TagSession", 1) + "," + statement("Allow", aud+","+sub), func(c *Case) { c.Claims.Tags = map[string]string{"a": "b"} }, ObstacleCondition},
		{"a denial", statement("Allow", aud+","+sub) + "," + statement("Deny", sub), func(*Case) {}, ObstacleDenied},
		{"the alias", statement("Allow", aud+","+sub), func(c *Case) { c.Claims = claimsOf("personal:web:m") }, ObstacleNone},
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

// TestSignatureNote: the reason why a signature is unverified is only in its step.
func TestSignatureNote(t *testing.T) {
	t.Parallel()
	for signature, want := range map[Signature]string{Unverified: "no network", Verified: "", Forged: ""} {
		c := machine(policyOf(t, "2012-10-17", statement("Allow", aud+","+sub)))
		c.Signature, c.SignatureNote = signature, "no network"
		i := slices.IndexFunc(Explain(c).Steps, func(s Step) bool { return s.Note != "" })
		if (i < 0) != (want == "") || i >= 0 && Explain(c).Steps[i] != (Step{StepSignature, StepUndecided, want}) {
			t.Errorf("%q: step %d of %+v", signature, i, Explain(c).Steps)
		}
	}
}
