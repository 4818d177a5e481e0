package trustpolicy

import (
	"slices"
	"strings"
	"testing"

	"github.com/fly-aws/fly-aws/internal/flyname"
)

// repairAll repairs every finding that has a certain repair.
func repairAll(t *testing.T, p *Policy, expected AppAccess) *Policy {
	t.Helper()
	for range 100 {
		repaired := false
		for _, f := range p.Lint(Expected{AppAccess: expected}) {
			if q, ok := p.Repair(f, expected); ok {
				p, repaired = q, true
				break
			}
		}
		if !repaired {
			return p
		}
	}
	t.Fatalf("the repairs go on and on:\n%s", p.Indent())
	return nil
}

func TestRepair(t *testing.T) {
	t.Parallel()
	right := lintAllow(lintAud + "," + lintSub)
	web := AppAccess{Partition: "aws", Account: "111122223333", Org: "acme", Apps: []string{"web"}}
	equals := func(values string) string {
		return lintAllow(`"StringEquals":{"oidc.fly.io/acme:aud":"sts.amazonaws.com","oidc.fly.io/acme:sub":` + values + `}`)
	}
	for _, tt := range []struct {
		name, statement string
		expected        AppAccess
		want            string // "" if no repair is certain
	}{
		{"a URL, and the account is known", lintPrincipal(`"Principal":{"Federated":"https://oidc.fly.io/acme"}`), AppAccess{Account: "111122223333"}, right},
		{"a URL", lintPrincipal(`"Principal":{"Federated":"https://oidc.fly.io/acme"}`), AppAccess{}, ""},
		{"a URL beside another organization", lintPrincipal(`"Principal":{"Federated":["` + strings.Replace(provider, "acme", "beta", 1) + `","https://oidc.fly.io/acme"]}`), AppAccess{Account: "111122223333"}, lintPrincipal(`"Principal":{"Federated":["` + strings.Replace(provider, "acme", "beta", 1) + `","` + provider + `"]}`)},
		{"a URL beside the ARN", lintPrincipal(`"Principal":{"Federated":["` + provider + `","https://oidc.fly.io/acme"]}`), AppAccess{Account: "111122223333"}, ""},
		{"no slug", lintPrincipal(`"Principal":{"Federated":"arn:aws:iam::111122223333:oidc-provider/oidc.fly.io"}`), AppAccess{}, right},
		{"another account", strings.Replace(right, "111122223333", "444455556666", 1), web, right},
		{"as an AWS principal", lintPrincipal(`"Principal":{"AWS":"` + provider + `"}`), AppAccess{}, right},
		{"the action of AWS principals", lintAction(`"Action":"sts:AssumeRole"`), AppAccess{}, right},
		{"both actions", lintAction(`"Action":["sts:AssumeRole","sts:AssumeRoleWithWebIdentity"]`), AppAccess{}, right},
		{"the action of an AWS principal that is there", strings.Replace(lintAction(`"Action":"sts:AssumeRole"`), `{"Federated"`, `{"AWS":"arn:aws:iam::111122223333:root","Federated"`, 1), AppAccess{}, ""},
		{"the alias, unknown", strings.ReplaceAll(right, "acme", "personal"), AppAccess{}, ""},
		{"the alias everywhere", strings.ReplaceAll(right, "acme", "personal"), web, right},
		{"the alias in the subject", strings.Replace(right, "acme:web", "personal:web", 1), web, right},
		{"another organization's key", lintAllow(lintAud + `,"StringLike":{"oidc.fly.io/other:sub":"acme:web:*"}`), AppAccess{}, right},
		{"a key with a scheme", lintAllow(lintAud + `,"StringLike":{"https://oidc.fly.io/acme:sub":"acme:web:*"}`), AppAccess{}, right},
		{"another organization's key beside the right one", lintAllow(lintAud + `,"StringLike":{"oidc.fly.io/other:sub":"acme:web:*","oidc.fly.io/acme:sub":"acme:web:*"}`), AppAccess{}, ""},
		{"another issuer's key", lintAllow(lintSub + `,"StringEquals":{"ci.example:aud":"sts.amazonaws.com"}`), AppAccess{}, ""},
		{"a key of neither of two organizations", strings.Replace(lintStatement("Allow", oursAndBeta, `"Action":"sts:AssumeRoleWithWebIdentity"`, lintAud+","+lintSub), "acme:sub", "other:sub", 1), AppAccess{}, ""},
		{"the issuer as a claim", lintAllow(strings.Replace(lintAud, "}", `,"oidc.fly.io/acme:iss":"https://oidc.fly.io/acme"}`, 1) + "," + lintSub), AppAccess{}, right},
		{"another issuer as a claim", lintAllow(strings.Replace(lintAud, "}", `,"oidc.fly.io/acme:iss":"https://oidc.fly.io/beta"}`, 1) + "," + lintSub), AppAccess{}, ""},
		{"the app as a claim", lintAllow(strings.Replace(lintAud, "}", `,"oidc.fly.io/acme:app_name":"web"}`, 1) + "," + lintSub), AppAccess{}, right},
		{"the app as a claim, and no subject", lintAllow(strings.Replace(lintAud, "}", `,"oidc.fly.io/acme:app_name":"web"}`, 1)), AppAccess{}, ""},
		{"optional", lintAllow(`"StringEqualsIfExists":{"oidc.fly.io/acme:aud":"sts.amazonaws.com"},` + lintSub), AppAccess{}, right},
		{"of all values", lintAllow(lintAud + `,"ForAllValues:StringLike":{"oidc.fly.io/acme:sub":"acme:web:*"}`), AppAccess{}, right},
		{"of all values, and another condition like it", lintAllow(lintAud + "," + lintSub + `,"ForAllValues:StringLike":{"oidc.fly.io/acme:sub":"acme:web:*"}`), AppAccess{}, ""},
		{"all but", lintAllow(lintAud + `,"StringNotLike":{"oidc.fly.io/acme:sub":"acme:db:*"}`), AppAccess{}, ""},
		{"a wildcard under StringEquals", equals(`"acme:web:*"`), AppAccess{}, right},
		{"a wildcard under StringEquals, and StringLike is there", lintAllow(`"StringEquals":{"oidc.fly.io/acme:aud":"sts.amazonaws.com","oidc.fly.io/acme:sub":"acme:web:*"},"StringLike":{"oidc.fly.io/acme:sub":"acme:db:*"}`), AppAccess{}, ""},
		{"a wildcard under StringEquals, and StringLike in another spelling", lintAllow(`"StringEquals":{"oidc.fly.io/acme:sub":"acme:web:*"},"stringlike":{"oidc.fly.io/acme:aud":"sts.amazonaws.com"}`), AppAccess{}, lintAllow(`"StringLike":{"oidc.fly.io/acme:sub":"acme:web:*","oidc.fly.io/acme:aud":"sts.amazonaws.com"}`)},
		{"the whole organization under StringEquals", equals(`"acme:*"`), AppAccess{}, ""},
		{"a pattern of apps under StringEquals", equals(`"acme:web-*"`), AppAccess{}, ""},
		{"Fly's own audience", strings.Replace(right, "sts.amazonaws.com", "https://fly.io/acme", 1), AppAccess{}, right},
		{"Fly's own audience beside the right one", strings.Replace(right, `"sts.amazonaws.com"`, `["sts.amazonaws.com","https://fly.io/acme"]`, 1), AppAccess{}, right},
		{"no machine", lintSubject("acme:web"), AppAccess{}, right},
		{"no machine under StringEquals", equals(`"acme:web"`), AppAccess{}, right},
		{"no machine beside the whole organization under StringEquals", equals(`["acme:web","acme:*"]`), AppAccess{}, ""},
		{"four parts", lintSubject("acme:web:m:*"), AppAccess{}, ""},
		{"an empty app", lintSubject("acme::*"), web, ""},
		{"the recipe app:", lintSubject("app:web"), AppAccess{}, right},
		{"no organization", lintSubject("web:*"), AppAccess{}, ""},
		{"no organization, and the app is known", lintSubject("web:*"), web, right},
		{"capitals in the organization", lintSubject("Acme:web:*"), AppAccess{}, right},
		{"capitals in the organization, one machine", lintSubject("Acme:web:m1"), AppAccess{}, lintSubject("acme:web:m1")},
		{"another organization", lintSubject("globex:web:*"), AppAccess{}, ""},
		{"capitals in the app", lintSubject("acme:Web:*"), AppAccess{}, right},
		{"a prefix", lintSubject("acme:tenant-*"), AppAccess{}, ""},
		{"no subject", lintAllow(lintAud), web, ""},
		{"anyone", lintPrincipal(`"Principal":"*"`), web, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			doc := func(s string) *Policy { return mustParse(t, `{"Version":"2012-10-17","Statement":[`+s+`]}`) }
			before, want := doc(tt.statement), tt.want
			if want == "" {
				want = tt.statement
			}
			got := repairAll(t, before, tt.expected)
			if _, err := Parse([]byte(got.String())); err != nil {
				t.Errorf("%v\n%s", err, got.Indent())
			}
			if !got.Equal(doc(want)) {
				t.Errorf("got\n%s", got.Indent())
			}
			if !before.Equal(doc(tt.statement)) {
				t.Errorf("the policy itself has changed:\n%s", before.Indent())
			}
		})
	}
}

// FuzzRepair: a repaired policy can be parsed, has all statements and differs in only one
// of them; an Allow statement still allows what it allowed; the finding is gone.
func FuzzRepair(f *testing.F) {
	for _, tt := range lintCases {
		f.Add(`{"Version":"2012-10-17","Statement":[`+tt.statements+`]}`, true)
	}
	for _, conditions := range []string{
		`"StringEquals":{"oidc.fly.io/acme:sub":"acme:web:*"},"StringLike":{"oidc.fly.io/acme:sub":"acme:db:*"}`,
		`"StringEquals":{"oidc.fly.io/acme:sub":"acme:web"},"stringlike":{"oidc.fly.io/acme:aud":"a","OIDC.fly.io/acme:sub":"acme:web:*"}`,
		lintAud + `,"StringLike":{"oidc.fly.io/other:sub":"acme:web:*","https://oidc.fly.io/acme:sub":"acme:db:*"}`,
		lintSub + `,"StringLikeIfExists":{"oidc.fly.io/acme:sub":"acme:web:*"},"ForAllValues:StringLike":{"oidc.fly.io/acme:sub":"acme:db:*"}`,
		strings.ReplaceAll(lintAud+","+lintSub, "acme", "personal"),
		`"StringEquals":{"oidc.fly.io/acme:sub":"acme:web:*"},"stringlike":{"oidc.fly.io/acme:aud":"sts.amazonaws.com"}`,
		`"StringEquals":{"oidc.fly.io/acme:iss":"https://oidc.fly.io/acme","oidc.fly.io/acme:org_name":["acme","x"]}`,
	} {
		f.Add(`{"Version":"2012-10-17","Statement":[`+lintAllow(conditions)+`]}`, true)
	}
	f.Fuzz(func(t *testing.T, document string, known bool) {
		p, err := Parse([]byte(document))
		if err != nil || len(document) > MaxSizeQuota {
			return
		}
		var expected AppAccess
		if known {
			expected = AppAccess{Partition: "aws", Account: "111122223333", Org: "acme", Apps: []string{"web"}}
		}
		printed := p.String()
		for _, finding := range p.Lint(Expected{AppAccess: expected}) {
			q, ok := p.Repair(finding, expected)
			if !ok {
				continue
			}
			if _, err := Parse([]byte(q.String())); err != nil {
				t.Fatalf("%s: %v\n%s", finding.Code, err, q.Indent())
			}
			if len(q.Statements) != len(p.Statements) {
				t.Fatalf("%s: %d statements of %d", finding.Code, len(q.Statements), len(p.Statements))
			}
			for i := range p.Statements {
				if i != finding.Statement && !q.Statements[i].Equal(p.Statements[i]) {
					t.Errorf("%s: statement %d changed too:\n%s", finding.Code, i, q.Indent())
				}
			}
			if slices.Contains(q.Lint(Expected{AppAccess: expected}), finding) {
				t.Errorf("%s is still there:\n%s", finding.Code, q.Indent())
			}
			if finding.Code != FindingAudienceWrong && finding.Code != FindingConditionOptional {
				checkNobodyLoses(t, p, q, finding)
			}
		}
		if p.String() != printed {
			t.Errorf("the policy itself has changed:\n%s", p.Indent())
		}
	})
}

// checkNobodyLoses evaluates the subjects and audiences that the repaired statement names.
func checkNobodyLoses(t *testing.T, before, after *Policy, f Finding) {
	t.Helper()
	s := before.Statements[f.Statement]
	if s.Effect != Allow || s.Principal == nil {
		return
	}
	subjects, audiences := []string{"acme:web:m", "beta:x:m"}, []string{"sts.amazonaws.com"}
	for _, c := range s.Conditions {
		for _, v := range c.Values {
			v = strings.NewReplacer("*", "m", "?", "m").Replace(v)
			if strings.HasSuffix(lower(c.Key), ":sub") {
				subjects = append(subjects, v)
			} else {
				audiences = append(audiences, v)
			}
		}
	}
	for _, arn := range s.Principal.Federated[:min(len(s.Principal.Federated), 4)] {
		_, path, _ := strings.Cut(arn, providerResource)
		if arn == f.Have || orgIn(path) == flyname.Personal {
			continue // tokens do not come from there
		}
		for _, sub := range subjects[:min(len(subjects), 8)] {
			if subject, ok := flyname.ParseSubject(sub); !ok || subject.Org != orgIn(path) || flyname.CheckApp(subject.App) != nil {
				continue // tokens do not have it
			}
			for _, aud := range audiences[:min(len(audiences), 4)] {
				r := AssumeRequest{Action: AssumeAction, Federated: arn, Context: WebIdentityContext(path, aud, sub)}
				if before.Evaluate(r).Decision == Allowed && after.Evaluate(r).Decision != Allowed {
					t.Errorf("%s: %s loses access with the audience %q:\n%s", f.Code, sub, aud, after.Indent())
				}
			}
		}
	}
}
