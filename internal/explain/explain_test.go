package explain

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fly-aws/fly-aws/internal/flyname"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

const (
	account  = "111122223333"
	provider = "arn:aws:iam::111122223333:oidc-provider/oidc.fly.io/acme"
	subject  = "acme:web:cold-shape-2007"
	aud      = `"StringEquals":{"oidc.fly.io/acme:aud":"sts.amazonaws.com"}`
	sub      = `"StringLike":{"oidc.fly.io/acme:sub":"acme:web:*"}`
)

var noon = time.Date(2026, 8, 21, 12, 0, 0, 0, time.UTC)

// statement is one that trusts the organisation acme on conditions.
func statement(effect, conditions string) string {
	return `{"Effect":"` + effect + `","Principal":{"Federated":"` + provider + `"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{` + conditions + `}}`
}

// audAnd asks for the audience and, under the same operator, for more.
func audAnd(more string) string {
	return strings.Replace(aud, "}", ","+more+"}", 1)
}

func policyOf(t testing.TB, version, statements string) *trustpolicy.Policy {
	t.Helper()
	doc := `{"Statement":[` + statements + `]}`
	if version != "" {
		doc = `{"Version":"` + version + `","Statement":[` + statements + `]}`
	}
	p, err := trustpolicy.Parse([]byte(doc))
	if err != nil {
		t.Fatalf("%v\n%s", err, doc)
	}
	return p
}

// machine is a request of a machine of acme's with all in order.
func machine(p *trustpolicy.Policy) Case {
	c := Case{
		Policy: p, Role: "web",
		Provider:  Provider{Presence: Present, ARN: provider, Audiences: []string{"sts.amazonaws.com"}},
		Claims:    MachineClaims(subject, "sts.amazonaws.com"),
		Signature: Verified, Now: noon,
	}
	c.Claims.Expiry = noon.Add(10 * time.Minute)
	return c
}

// Sources of the expectations: pages of the IAM User Guide, and of the STS API
// reference.
const (
	pageOperators = "reference_policies_elements_condition_operators.html"
	pageExists    = "reference_policies_elements_condition_operators.html#Conditions_IfExists"
	pageNull      = "reference_policies_elements_condition_operators.html#Conditions_Null"
	pageLogic     = "reference_policies_condition-logic-multiple-context-keys-or-values.html"
	pageSets      = "reference_policies_condition-single-vs-multi-valued-context-keys.html"
	pageVariables = "reference_policies_variables.html"
	pageVersion   = "reference_policies_elements_version.html"
	pagePrincipal = "reference_policies_elements_principal.html"
	pageNot       = "reference_policies_elements_notprincipal.html"
	pageAction    = "reference_policies_elements_action.html"
	pageDecision  = "reference_policies_evaluation-logic.html"
	pageKeys      = "reference_policies_iam-condition-keys.html"
	pageGlobal    = "reference_policies_condition-keys.html"
	pageChecks    = "access-analyzer-reference-policy-checks.html"
	pageTags      = "id_session-tags.html"
)

// policyCases are policies that meet the token of a machine; tags says that the
// token has session tags.
var policyCases = []struct {
	page, name, version, statements string
	tags                            bool
	verdict                         Verdict
	reason                          string // the most telling; "" when accepted
	fix                             FixKind
}{
	{pageOperators, "as it should be", "2012-10-17", statement("Allow", aud+","+sub), false, "accepted", "", ""},
	{pageOperators, "exact subject", "2012-10-17", statement("Allow", `"StringEquals":{"oidc.fly.io/acme:aud":"sts.amazonaws.com","oidc.fly.io/acme:sub":"acme:web:cold-shape-2007"}`), false, "accepted", "", ""},
	{pageOperators, "wildcard across the colons", "2012-10-17", statement("Allow", aud+`,"StringLike":{"oidc.fly.io/acme:sub":"acme:*"}`), false, "accepted", "", ""},
	{pageOperators, "one character", "2012-10-17", statement("Allow", aud+`,"StringLike":{"oidc.fly.io/acme:sub":"acme:w?b:*"}`), false, "accepted", "", ""},
	{pageOperators, "prefix lets in a longer name", "2012-10-17", statement("Allow", aud+`,"StringLike":{"oidc.fly.io/acme:sub":"acme:we*"}`), false, "accepted", "", ""},
	{pageOperators, "wildcard under StringEquals", "2012-10-17", statement("Allow", `"StringEquals":{"oidc.fly.io/acme:aud":"sts.amazonaws.com","oidc.fly.io/acme:sub":"acme:web:*"}`), false, "refused", "wildcard-literal", FixEditStatement},
	{pageOperators, "no wildcard at the end", "2012-10-17", statement("Allow", aud+`,"StringLike":{"oidc.fly.io/acme:sub":"acme:web"}`), false, "refused", "subject-parts", FixEditStatement},
	{pageOperators, "another app", "2012-10-17", statement("Allow", aud+`,"StringLike":{"oidc.fly.io/acme:sub":"acme:db:*"}`), false, "refused", "app-differs", FixEditStatement},
	{pageOperators, "an app with a suffix", "2012-10-17", statement("Allow", aud+`,"StringLike":{"oidc.fly.io/acme:sub":"acme:web-staging:*"}`), false, "refused", "app-suffix", FixEditStatement},
	{pageOperators, "another machine", "2012-10-17", statement("Allow", aud+`,"StringEqualsIgnoreCase":{"oidc.fly.io/acme:sub":"acme:web:warm-shape-2008"}`), false, "refused", "machine-differs", FixEditStatement},
	{pageOperators, "case of a subject", "2012-10-17", statement("Allow", audAnd(`"oidc.fly.io/acme:sub":"acme:web:Cold-Shape-2007"`)), false, "refused", "case-differs", FixEditStatement},
	{pageOperators, "case ignored", "2012-10-17", statement("Allow", aud+`,"StringEqualsIgnoreCase":{"oidc.fly.io/acme:sub":"ACME:WEB:cold-shape-2007"}`), false, "accepted", "", ""},
	{pageOperators, "case of an audience", "2012-10-17", statement("Allow", `"StringEquals":{"oidc.fly.io/acme:aud":"STS.amazonaws.com"},`+sub), false, "refused", "case-differs", FixEditStatement},
	{pageOperators, "case of a key does not count", "2012-10-17", statement("Allow", `"StringEquals":{"OIDC.fly.io/ACME:AUD":"sts.amazonaws.com"},`+sub), false, "accepted", "", ""},
	{pageOperators, "another audience", "2012-10-17", statement("Allow", `"StringEquals":{"oidc.fly.io/acme:aud":"vault"},`+sub), false, "refused", "audience-differs", FixEditStatement},
	{pageOperators, "kept out", "2012-10-17", statement("Allow", aud+`,"StringNotLike":{"oidc.fly.io/acme:sub":"acme:web:*"}`), false, "refused", "condition-failed", ""},
	{pageOperators, "others kept out", "2012-10-17", statement("Allow", aud+`,"StringNotLike":{"oidc.fly.io/acme:sub":"acme:db:*"}`), false, "accepted", "", ""},
	{pageOperators, "a number", "2012-10-17", statement("Allow", aud+`,"NumericEquals":{"oidc.fly.io/acme:sub":"1"}`), false, "refused", "operator-type", FixEditStatement},
	{pageOperators, "an address that is not known", "2012-10-17", statement("Allow", aud+","+sub+`,"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}`), false, "undecided", "condition-unknown", ""},
	{pageOperators, "a date", "2012-10-17", statement("Allow", aud+","+sub+`,"DateLessThan":{"aws:CurrentTime":"2026-08-21T12:00:01Z"}`), false, "accepted", "", ""},
	{pageOperators, "a date that is over", "2012-10-17", statement("Allow", aud+","+sub+`,"DateLessThan":{"aws:CurrentTime":"2026-08-21T12:00:00Z"}`), false, "refused", "condition-failed", ""},
	{pageGlobal, "always over TLS", "2012-10-17", statement("Allow", aud+","+sub+`,"Bool":{"aws:SecureTransport":"true"}`), false, "accepted", "", ""},
	{pageGlobal, "the provider's ARN as a key", "2012-10-17", statement("Allow", audAnd(`"aws:FederatedProvider":"`+provider+`"`)+","+sub), false, "accepted", "", ""},
	{pageGlobal, "no external ID comes with a token", "2012-10-17", statement("Allow", audAnd(`"sts:ExternalId":"x"`)+","+sub), false, "refused", "key-missing", ""},

	{pageLogic, "one of several values", "2012-10-17", statement("Allow", aud+`,"StringLike":{"oidc.fly.io/acme:sub":["acme:db:*","acme:web:*"]}`), false, "accepted", "", ""},
	{pageLogic, "none of several values", "2012-10-17", statement("Allow", aud+`,"StringLike":{"oidc.fly.io/acme:sub":["acme:db:*","acme:api:*"]}`), false, "refused", "app-differs", FixEditStatement},
	{pageLogic, "one of two keys", "2012-10-17", statement("Allow", `"StringEquals":{"oidc.fly.io/acme:aud":"x","oidc.fly.io/acme:sub":"`+subject+`"}`), false, "refused", "audience-differs", FixEditStatement},
	{pageLogic, "both wrong", "2012-10-17", statement("Allow", `"StringEquals":{"oidc.fly.io/acme:aud":"x"},"StringLike":{"oidc.fly.io/acme:sub":"acme:db:*"}`), false, "refused", "app-differs", FixEditStatement},

	{pageKeys, "a claim that IAM does not see", "2012-10-17", statement("Allow", audAnd(`"oidc.fly.io/acme:app_name":"web"`)), false, "refused", "claim-unseen", FixEditStatement},
	{pageKeys, "a claim that IAM does not see beside one that it does", "2012-10-17", statement("Allow", audAnd(`"oidc.fly.io/acme:org_name":"acme"`)+","+sub), false, "refused", "claim-unseen", FixEditStatement},
	{pageKeys, "another organisation's key", "2012-10-17", statement("Allow", `"StringEquals":{"oidc.fly.io/acme:aud":"sts.amazonaws.com"},"StringLike":{"oidc.fly.io/other:sub":"acme:web:*"}`), false, "refused", "key-prefix", FixEditStatement},
	{pageKeys, "another provider's key", "2012-10-17", statement("Allow", `"StringEquals":{"token.actions.githubusercontent.com:aud":"sts.amazonaws.com"},`+sub), false, "refused", "key-prefix", ""},
	{pageKeys, "a key with a scheme", "2012-10-17", statement("Allow", aud+`,"StringLike":{"https://oidc.fly.io/acme:sub":"acme:web:*"}`), false, "refused", "key-prefix", FixEditStatement},
	{pageExists, "IfExists on a key that is never there", "2012-10-17", statement("Allow", aud+","+sub+`,"StringEqualsIfExists":{"oidc.fly.io/acme:app_name":"db"}`), false, "accepted", "", ""},
	{pageExists, "IfExists on a key that is there", "2012-10-17", statement("Allow", aud+`,"StringLikeIfExists":{"oidc.fly.io/acme:sub":"acme:db:*"}`), false, "refused", "app-differs", FixEditStatement},
	{pageOperators, "a negated test of a missing key", "2012-10-17", statement("Allow", aud+","+sub+`,"StringNotEquals":{"oidc.fly.io/acme:app_name":"web"}`), false, "accepted", "", ""},
	{pageNull, "absence of a missing key", "2012-10-17", statement("Allow", aud+","+sub+`,"Null":{"oidc.fly.io/acme:app_name":"true"}`), false, "accepted", "", ""},
	{pageNull, "presence of sub", "2012-10-17", statement("Allow", aud+","+sub+`,"Null":{"oidc.fly.io/acme:sub":"false"}`), false, "accepted", "", ""},
	{pageNull, "presence of a missing key", "2012-10-17", statement("Allow", aud+","+sub+`,"Null":{"oidc.fly.io/acme:org_id":"false"}`), false, "refused", "claim-unseen", FixEditStatement},
	{pageSets, "ForAllValues of no values", "2012-10-17", statement("Allow", aud+","+sub+`,"ForAllValues:StringEquals":{"aws:TagKeys":"team"}`), false, "accepted", "", ""},
	{pageSets, "ForAnyValue of no values", "2012-10-17", statement("Allow", aud+","+sub+`,"ForAnyValue:StringEquals":{"aws:TagKeys":"team"}`), false, "refused", "key-missing", ""},
	{pageSets, "ForAnyValue of one value", "2012-10-17", statement("Allow", aud+`,"ForAnyValue:StringLike":{"oidc.fly.io/acme:sub":"acme:web:*"}`), false, "accepted", "", ""},
	{pageChecks, "no values", "2012-10-17", statement("Allow", aud+`,"StringLike":{"oidc.fly.io/acme:sub":[]}`), false, "undecided", "condition-unknown", ""},

	{pageVariables, "a variable without value", "2012-10-17", statement("Allow", aud+`,"StringLike":{"oidc.fly.io/acme:sub":"acme:${sts:ExternalId}:*"}`), false, "refused", "condition-failed", ""},
	{pageVariables, "a variable of unknown value", "2012-10-17", statement("Allow", aud+`,"StringLike":{"oidc.fly.io/acme:sub":"acme:${aws:username}:*"}`), false, "undecided", "condition-unknown", ""},
	{pageVersion, "a variable in the old version", "2008-10-17", statement("Allow", aud+`,"StringLike":{"oidc.fly.io/acme:sub":"acme:${aws:username}:*"}`), false, "refused", "variable-text", ""},
	{pageVersion, "no version", "", statement("Allow", aud+","+sub), false, "accepted", "", ""},

	{pageDecision, "explicit deny", "2012-10-17", statement("Allow", aud+","+sub) + "," + statement("Deny", sub), false, "refused", "denied", FixEditStatement},
	{pageDecision, "deny with an exception", "2012-10-17", statement("Allow", aud+","+sub) + "," + statement("Deny", `"StringNotLike":{"oidc.fly.io/acme:sub":"acme:db:*"}`), false, "refused", "denied", FixEditStatement},
	{pageDecision, "a deny that does not apply", "2012-10-17", statement("Allow", aud+","+sub) + "," + statement("Deny", `"StringLike":{"oidc.fly.io/acme:sub":"acme:db:*"}`), false, "accepted", "", ""},
	{pageDecision, "a deny that may apply", "2012-10-17", statement("Allow", aud+","+sub) + "," + statement("Deny", `"StringEquals":{"aws:PrincipalOrgID":"o-1"}`), false, "undecided", "condition-unknown", ""},
	{pageDecision, "denied and not allowed", "2012-10-17", statement("Allow", aud+`,"StringLike":{"oidc.fly.io/acme:sub":"acme:db:*"}`) + "," + statement("Deny", sub), false, "refused", "denied", FixEditStatement},
	{pageDecision, "one of two statements", "2012-10-17", statement("Allow", aud+`,"StringLike":{"oidc.fly.io/acme:sub":"acme:db:*"}`) + "," + statement("Allow", aud+","+sub), false, "accepted", "", ""},

	{pagePrincipal, "a service only", "2012-10-17", `{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}`, false, "refused", "no-statement", FixAddStatement},
	{pagePrincipal, "the account only", "2012-10-17", `{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"sts:AssumeRole"}`, false, "refused", "no-statement", FixAddStatement},
	{pagePrincipal, "another organisation only", "2012-10-17", strings.ReplaceAll(statement("Allow", aud+","+sub), "acme", "globex"), false, "refused", "no-statement", FixAddStatement},
	{pagePrincipal, "a URL for a principal", "2012-10-17", strings.Replace(statement("Allow", aud+","+sub), provider, "https://oidc.fly.io/acme", 1), false, "refused", "provider-form", FixEditStatement},
	{pagePrincipal, "a provider of another account", "2012-10-17", strings.Replace(statement("Allow", aud+","+sub), account, "444455556666", 1), false, "refused", "provider-account", FixEditStatement},
	{pagePrincipal, "the provider as an AWS principal", "2012-10-17", strings.Replace(statement("Allow", aud+","+sub), "Federated", "AWS", 1), false, "refused", "provider-kind", FixEditStatement},
	{pageChecks, "anybody", "2012-10-17", strings.Replace(statement("Allow", aud+","+sub), `{"Federated":"`+provider+`"}`, `"*"`, 1), false, "undecided", "principal-any", ""},
	{pageNot, "all but the provider", "2012-10-17", strings.Replace(statement("Allow", aud+","+sub), "Principal", "NotPrincipal", 1), false, "refused", "not-principal", FixAddStatement},
	{pageAction, "the action of AWS principals", "2012-10-17", strings.Replace(statement("Allow", aud+","+sub), "WithWebIdentity", "", 1), false, "refused", "action-missing", FixEditStatement},
	{pageAction, "all actions of STS", "2012-10-17", strings.Replace(statement("Allow", aud+","+sub), "AssumeRoleWithWebIdentity", "*", 1), false, "accepted", "", ""},
	{pageTags, "session tags that nobody allows", "2012-10-17", statement("Allow", aud+","+sub), true, "refused", "tag-session", FixEditStatement},
	{pageTags, "session tags that are denied", "2012-10-17", strings.Replace(statement("Allow", aud+","+sub), "AssumeRoleWithWebIdentity", "*", 1) + "," + strings.Replace(statement("Deny", sub), "AssumeRoleWithWebIdentity", "TagSession", 1), true, "refused", "denied", ""},
	{pageTags, "session tags that are allowed", "2012-10-17", statement("Allow", aud+","+sub) + "," + strings.Replace(statement("Allow", aud+","+sub), "AssumeRoleWithWebIdentity", "TagSession", 1), true, "accepted", "", ""},
	{pageTags, "a condition on a tag", "2012-10-17", strings.Replace(statement("Allow", audAnd(`"aws:RequestTag/Team":"x"`)+","+sub), "AssumeRoleWithWebIdentity", "*", 1), true, "accepted", "", ""},
	{pageTags, "a condition on a tag that is not there", "2012-10-17", statement("Allow", audAnd(`"aws:RequestTag/Team":"x"`)+","+sub), false, "refused", "key-missing", ""},
}

func TestPolicies(t *testing.T) {
	t.Parallel()
	for _, tt := range policyCases {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := machine(policyOf(t, tt.version, tt.statements))
			if tt.tags {
				c.Claims.Tags = map[string]string{"team": "x"}
			}
			got := Explain(c)
			if got.Verdict != tt.verdict {
				t.Fatalf("%s, want %s after %s\n%+v", got.Verdict, tt.verdict, tt.page, got)
			}
			if (got.Error != nil) != (tt.verdict == Refused) || got.Error != nil && got.Error.Code != "AccessDenied" {
				t.Errorf("error %+v", got.Error)
			}
			if tt.reason != "" && (len(got.Reasons) == 0 || got.Reasons[0].Code != ReasonCode(tt.reason)) {
				t.Errorf("reasons %+v, want %s first", got.Reasons, tt.reason)
			}
			if (len(got.Reasons) == 0) != (tt.verdict == Accepted) {
				t.Errorf("reasons %+v of %s", got.Reasons, got.Verdict)
			}
			if got.Complete != (tt.fix != "") {
				t.Errorf("complete: %t", got.Complete)
			}
			if kinds(got) != string(tt.fix) {
				t.Errorf("fixes %q, want %q: %+v", kinds(got), tt.fix, got.Reasons)
			}
			checkFixes(t, c, got)
		})
	}
}

func kinds(e Explanation) string {
	var out []string
	for _, f := range e.Fixes {
		out = append(out, string(f.Kind))
	}
	return strings.Join(out, " ")
}

// apply does what fixes say, where a test can.
func apply(c Case, fixes []Fix) (Case, bool) {
	for _, f := range fixes {
		switch f.Kind {
		case FixEditStatement, FixAddStatement, FixReplacePolicy:
			c.Policy, c.PolicyError = f.Policy, nil
		case FixCreateProvider:
			c.Provider = Provider{Presence: Present, Audiences: []string{f.Audience}}
		case FixAddAudience:
			c.Provider.Audiences = append(slices.Clone(c.Provider.Audiences), f.Audience)
		case FixRequestAudience:
			c.Claims.Audience = []string{f.Audience}
			c.Claims.Expiry, c.Claims.NotBefore, c.Signature, c.TokenError = time.Time{}, time.Time{}, Verified, nil
		case FixRoleARN:
			c.WantedRole = f.RoleARN
		case FixRequestToken:
			c.Claims.Expiry, c.Claims.NotBefore, c.Signature, c.TokenError = time.Time{}, time.Time{}, Verified, nil
			// A fresh token has all claims.
			if len(present(c.Claims.Audience)) == 0 {
				c.Claims.Audience = []string{flyname.AudienceAWS}
			}
			if c.Claims.Subject == "" || c.Claims.Issuer == "" {
				c.Claims.Subject, c.Claims.Issuer = subject, "https://oidc.fly.io/acme"
			}
		case FixRawSlug:
			return c, false
		}
	}
	return c, true
}

// checkFixes holds a refusal's fixes to their promise: what they make of the case
// is accepted, other apps gain nothing unless the fix says so, and nobody who was
// let in before is shut out.
func checkFixes(t *testing.T, c Case, e Explanation) {
	t.Helper()
	if len(e.Fixes) == 0 {
		return
	}
	if e.Verdict == Accepted {
		t.Fatalf("fixes of what is accepted: %+v", e.Fixes)
	}
	fixed, _ := apply(c, e.Fixes)
	for _, f := range e.Fixes {
		if org := strings.TrimPrefix(c.Claims.Issuer, "https://oidc.fly.io/"); flyname.CheckOrg(org) != nil && c.Claims.Issuer != "" &&
			!slices.Contains([]FixKind{FixRequestToken, FixRequestAudience, FixRawSlug, FixRoleARN}, f.Kind) {
			t.Errorf("%s for the issuer %q", f.Kind, c.Claims.Issuer)
		}
		if f.Policy == nil {
			continue
		}
		if _, err := trustpolicy.Parse([]byte(f.Policy.String())); err != nil {
			t.Errorf("the new policy is none: %v\n%s", err, f.Policy)
		}
		if f.Before == nil {
			continue
		}
		for _, app := range []string{"web-staging", "webx", "we", "db", "api", "another-app", "zzz"} {
			if strings.HasPrefix(c.Claims.Subject, "acme:"+app+":") {
				continue
			}
			probe := fixed
			probe.Claims.Subject = "acme:" + app + ":m"
			before := probe
			before.Policy = f.Before
			was, is := Explain(before).Verdict, Explain(probe).Verdict
			if is == Accepted && was != Accepted && !f.TooBroad() {
				t.Errorf("%s gets in too, unsaid:\n%s", probe.Claims.Subject, f.Policy.Indent())
			}
			if was == Accepted && is != Accepted {
				t.Errorf("%s is shut out:\n%s", probe.Claims.Subject, f.Policy.Indent())
			}
		}
	}
	for _, f := range e.Fixes {
		if f.Policy != nil && f.Before != nil {
			checkNobodyLoses(t, f.Before, f.Policy, c.Claims.Issuer)
		}
	}
	if !e.Complete {
		return
	}
	if got := Explain(fixed); got.Verdict != Accepted {
		t.Errorf("after the fixes %s: %s, %+v", kinds(e), got.Verdict, got.Reasons)
	}
}

// checkNobodyLoses holds a fix to leaving other organisations the access that they
// have: that of every literal subject and audience to every provider.
func checkNobodyLoses(t *testing.T, before, after *trustpolicy.Policy, issuer string) {
	t.Helper()
	var providers, subjects []string
	audiences := []string{"sts.amazonaws.com"}
	for _, s := range before.Statements {
		if s.Principal != nil {
			providers = append(providers, s.Principal.Federated...)
		}
		for _, c := range s.Conditions {
			switch {
			case s.Effect != trustpolicy.Allow:
			case strings.HasSuffix(c.Key, ":sub"):
				subjects = append(subjects, c.Values...)
			case strings.HasSuffix(c.Key, ":aud"):
				audiences = append(audiences, c.Values...)
			}
		}
	}
	if len(providers)*(len(subjects)+1)*len(audiences) > 512 {
		return // slow, and no other than a smaller policy
	}
	for _, arn := range providers {
		_, path, _ := strings.Cut(arn, ":oidc-provider/")
		org, isFly := strings.CutPrefix(path, "oidc.fly.io/")
		if !isFly || flyname.CheckOrg(org) != nil || "https://"+path == issuer {
			continue
		}
		for _, sub := range append([]string{org + ":some-app:m"}, subjects...) {
			sub = strings.NewReplacer("*", "m", "?", "m").Replace(sub)
			if slug, _, ok := subjectParts(sub); !ok || slug != org {
				continue
			}
			for _, audience := range audiences {
				if strings.ContainsAny(audience, "*?") {
					continue
				}
				context := trustpolicy.WebIdentityContext(path, audience, sub)
				context["aws:SecureTransport"] = []string{"true"}
				r := trustpolicy.AssumeRequest{Action: trustpolicy.AssumeAction, Federated: arn, Context: context}
				if before.Evaluate(r).Decision == trustpolicy.Allowed && after.Evaluate(r).Decision != trustpolicy.Allowed {
					t.Errorf("%s loses access with the audience %q:\n%s", sub, audience, after.Indent())
				}
			}
		}
	}
}

// TestSteps are requests that STS answers before it looks at the policy.
func TestSteps(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		change  func(*Case)
		verdict Verdict
		code    string // of AWS's error
		reason  ReasonCode
		step    StepCode // the first that failed
		fixes   string
	}{
		{"all in order", func(*Case) {}, "accepted", "", "", "", ""},
		{"nothing known but the claims", func(c *Case) {
			*c = Case{Policy: c.Policy, Claims: MachineClaims(subject, "sts.amazonaws.com")}
		}, "accepted", "", "", "", ""},
		{
			"not a token", func(c *Case) { c.TokenError, c.TokenRule = errors.New("it has one part, not three"), "parts" },
			"refused", "InvalidIdentityToken", ReasonTokenForm, StepToken, "request-token",
		},
		{"a list of one audience", func(c *Case) {
			c.TokenError, c.TokenRule = errors.New("aud is a list"), "aud"
		}, "undecided", "", ReasonTokenRule, "", "request-token"},
		{"a rule that is not named", func(c *Case) { c.TokenError = errors.New("it is odd") }, "undecided", "", ReasonTokenRule, "", "request-token"},
		{"a token without subject", func(c *Case) {
			c.TokenError, c.TokenRule, c.Claims.Subject = errors.New("sub is missing"), "sub", ""
		}, "refused", "InvalidIdentityToken", ReasonClaimMissing, StepClaims, "request-token"},
		{"a token that is too long", func(c *Case) {
			c.TokenError, c.TokenRule = errors.New("the text is too long"), "size"
		}, "refused", "ValidationError", ReasonTokenForm, StepToken, "request-token"},
		{"another path of the role", func(c *Case) {
			c.WantedRole, c.RoleARN = "arn:aws:iam::111122223333:role/web", "arn:aws:iam::111122223333:role/fly/web"
		}, "refused", "AccessDenied", ReasonRoleARN, StepRole, "role-arn"},
		{"the role's own ARN", func(c *Case) { c.WantedRole, c.RoleARN = "arn:x", "arn:x" }, "accepted", "", "", "", ""},
		{"one ARN alone", func(c *Case) { c.WantedRole = "arn:x" }, "accepted", "", "", "", ""},
		{"an issuer that is not Fly's", func(c *Case) {
			c.Claims.Issuer, c.Provider = "https://evil.example", Provider{Presence: Absent}
		}, "refused", "InvalidIdentityToken", ReasonProviderAbsent, StepProvider, ""},
		{"a slug in capitals", func(c *Case) {
			c.Claims, c.Provider = MachineClaims("Acme:web:m", "sts.amazonaws.com"), Provider{Presence: Absent}
		}, "refused", "InvalidIdentityToken", ReasonProviderAbsent, StepProvider, ""},
		{
			"no provider", func(c *Case) { c.Provider = Provider{Presence: Absent} },
			"refused", "InvalidIdentityToken", ReasonProviderAbsent, StepProvider, "create-provider",
		},
		{"no provider but that of the alias", func(c *Case) {
			c.Provider = Provider{Presence: Absent, Others: []string{strings.Replace(provider, "acme", "personal", 1)}}
		}, "refused", "InvalidIdentityToken", ReasonProviderPersonal, StepProvider, "create-provider"},
		{
			"claims of the alias", func(c *Case) { c.Claims = MachineClaims("personal:web:m", "sts.amazonaws.com") },
			"refused", "InvalidIdentityToken", ReasonClaimsPersonal, StepProvider, "raw-slug",
		},
		{
			"an issuer without TLS", func(c *Case) { c.Claims.Issuer = "http://oidc.fly.io/acme" },
			"refused", "InvalidIdentityToken", ReasonProviderAbsent, StepProvider, "",
		},
		{
			"subject of another organisation", func(c *Case) { c.Claims.Subject = "globex:web:m" },
			"refused", "AccessDenied", ReasonClaimsDisagree, StepPolicy, "",
		},
		{
			"forged", func(c *Case) { c.Signature = Forged },
			"refused", "InvalidIdentityToken", ReasonSignature, StepSignature, "request-token",
		},
		{
			"no issuer", func(c *Case) { c.Claims.Issuer = "" },
			"refused", "InvalidIdentityToken", ReasonClaimMissing, StepClaims, "request-token",
		},
		{
			"no subject", func(c *Case) { c.Claims.Subject = "" },
			"refused", "InvalidIdentityToken", ReasonClaimMissing, StepClaims, "request-token",
		},
		{
			"no audience", func(c *Case) { c.Claims.Audience = nil },
			"refused", "InvalidIdentityToken", ReasonClaimMissing, StepClaims, "request-token",
		},
		{"expired within the grace", func(c *Case) { c.Claims.Expiry = noon.Add(time.Second - Grace) }, "accepted", "", "", "", ""},
		{
			"expired", func(c *Case) { c.Claims.Expiry = noon.Add(-Grace) },
			"refused", "ExpiredTokenException", ReasonExpired, StepExpiry, "request-token",
		},
		{
			"not valid yet", func(c *Case) { c.Claims.NotBefore = noon.Add(time.Hour) },
			"refused", "InvalidIdentityToken", ReasonNotYetValid, StepExpiry, "request-token",
		},
		{"no time", func(c *Case) { c.Now, c.Claims.Expiry = time.Time{}, noon.Add(-time.Hour) }, "accepted", "", "", "", ""},
		{
			"audience that the provider does not list", func(c *Case) { c.Provider.Audiences = []string{"vault"} },
			"refused", "InvalidIdentityToken", ReasonAudienceUnlisted, StepAudience, "add-audience",
		},
		{
			"audience of Fly's default", func(c *Case) { c.Claims.Audience = []string{"https://fly.io/acme"} },
			"refused", "InvalidIdentityToken", ReasonAudienceUnlisted, StepAudience, "request-audience",
		},
		{"audience of Fly's default, listed", func(c *Case) {
			c.Claims.Audience = []string{"https://fly.io/acme"}
			c.Provider.Audiences = append(c.Provider.Audiences, "https://fly.io/acme")
		}, "refused", "AccessDenied", ReasonAudienceDiffers, StepPolicy, "request-audience"},
		{
			"two audiences", func(c *Case) { c.Claims.Audience = append(c.Claims.Audience, "vault") },
			"undecided", "", ReasonManyAudiences, "", "request-audience",
		},
		{
			"two audiences, none listed", func(c *Case) { c.Claims.Audience = []string{"a", "b"} },
			"refused", "InvalidIdentityToken", ReasonAudienceUnlisted, StepAudience, "request-audience",
		},
		{
			"expired and no provider", func(c *Case) { c.Claims.Expiry, c.Provider = noon.Add(-time.Hour), Provider{Presence: Absent} },
			"refused", "InvalidIdentityToken", ReasonProviderAbsent, StepProvider, "create-provider request-token",
		},
		{"no policy", func(c *Case) { c.Policy = nil }, "undecided", "", ReasonPolicyUnknown, "", ""},
		{"another app and an audience that is not listed", func(c *Case) {
			c.Claims.Subject, c.Provider.Audiences = "acme:db:m", []string{"vault"}
		}, "refused", "InvalidIdentityToken", ReasonAudienceUnlisted, StepAudience, "add-audience edit-statement"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := machine(policyOf(t, "2012-10-17", statement("Allow", aud+","+sub)))
			tt.change(&c)
			got := Explain(c)
			if got.Verdict != tt.verdict || (got.Error == nil) != (tt.code == "") || got.Error != nil && got.Error.Code != tt.code {
				t.Errorf("%s, %+v; want %s, %s", got.Verdict, got.Error, tt.verdict, tt.code)
			}
			if tt.reason != "" && (len(got.Reasons) == 0 || got.Reasons[0].Code != tt.reason) {
				t.Errorf("reasons %+v, want %s first", got.Reasons, tt.reason)
			}
			if first := firstFailed(got); first != tt.step {
				t.Errorf("the step %q failed first, want %q", first, tt.step)
			}
			if kinds(got) != tt.fixes {
				t.Errorf("fixes %q, want %q", kinds(got), tt.fixes)
			}
			checkFixes(t, c, got)
		})
	}
}

// firstFailed returns the first step that failed, "" if none did.
func firstFailed(e Explanation) StepCode {
	for _, s := range e.Steps {
		if s.Match == trustpolicy.DoesNotMatch {
			return s.Code
		}
	}
	return ""
}

// TestMessages holds the messages to those that STS has been seen to give.
func TestMessages(t *testing.T) {
	t.Parallel()
	c := machine(nil)
	c.Provider, c.Claims.Expiry = Provider{Presence: Absent}, noon.Add(-time.Hour)
	if got, want := Explain(c).Error.Message, "No OpenIDConnect provider found in your account for https://oidc.fly.io/acme"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	c.Provider = Provider{}
	want := fmt.Sprintf("Token expired: current date/time %d must be before the expiration date/time %d", noon.Unix(), noon.Unix()-3600)
	if got := Explain(c).Error.Message; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
