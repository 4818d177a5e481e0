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

// statement returns a statement that trusts the organization acme, with conditions.
func statement(effect, conditions string) string {
	return `{"Effect":"` + effect + `","Principal":{"Federated":"` + provider + `"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{` + conditions + `}}`
}

// audAnd requires the audience and, under the same operator, more.
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

// machine returns a valid request of one of acme's machines.
func machine(p *trustpolicy.Policy) Case {
	c := Case{
		Policy: p, Role: "web",
		Provider:  Provider{Presence: Present, ARN: provider, Audiences: []string{"sts.amazonaws.com"}},
		Claims:    claimsOf(subject),
		Signature: Verified, Now: noon,
	}
	c.Claims.Expiry = noon.Add(10 * time.Minute)
	return c
}

// claimsOf returns the claims of a machine's token for AWS.
func claimsOf(sub string) flyname.Claims {
	s, _ := flyname.ParseSubject(sub)
	return flyname.MachineClaims(s, flyname.AudienceAWS)
}

// The pages of the IAM User Guide and the STS API reference that the cases come from.
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

// policyCases are policies to evaluate for the token of a machine; tags says that the token
// has session tags.
var policyCases = []struct {
	page, name, version, statements string
	tags                            bool
	verdict                         Verdict
	reason                          string // the most specific; "" if accepted
	fix                             FixKind
}{
	{pageOperators, "as it should be", "2012-10-17", statement("Allow", aud+","+sub), false, "accepted", "", ""},
	{pageOperators, "exact subject", "2012-10-17", statement("Allow", `"StringEquals":{"oidc.fly.io/acme:aud":"sts.amazonaws.com","oidc.fly.io/acme:sub":"acme:web:cold-shape-2007"}`), false, "accepted", "", ""},
	{pageOperators, "wildcard across the colons", "2012-10-17", statement("Allow", aud+`,"StringLike":{"oidc.fly.io/acme:sub":"acme:*"}`), false, "accepted", "", ""},
	{pageOperators, "one character", "2012-10-17", statement("Allow", aud+`,"StringLike":{"oidc.fly.io/acme:sub":"acme:w?b:*"}`), false, "accepted", "", ""},
	{pageOperators, "prefix lets in a longer name", "2012-10-17", statement("Allow", aud+`,"StringLike":{"oidc.fly.io/acme:sub":"acme:we*"}`), false, "accepted", "", ""},
	{pageOperators, "wildcard under StringEquals", "2012-10-17", statement("Allow", `"StringEquals":{"oidc.fly.io/acme:aud":"sts.amazonaws.com","oidc.fly.io/acme:sub":"acme:web:*"}`), false, "refused", "wildcard-literal", FixRepairStatement},
	{pageOperators, "no wildcard at the end", "2012-10-17", statement("Allow", aud+`,"StringLike":{"oidc.fly.io/acme:sub":"acme:web"}`), false, "refused", "subject-parts", FixRepairStatement},
	{pageOperators, "another app", "2012-10-17", statement("Allow", aud+`,"StringLike":{"oidc.fly.io/acme:sub":"acme:db:*"}`), false, "refused", "app-differs", FixOwnRole},
	{pageOperators, "an app with a suffix", "2012-10-17", statement("Allow", aud+`,"StringLike":{"oidc.fly.io/acme:sub":"acme:web-staging:*"}`), false, "refused", "app-suffix", FixOwnRole},
	{pageOperators, "another machine", "2012-10-17", statement("Allow", aud+`,"StringEqualsIgnoreCase":{"oidc.fly.io/acme:sub":"acme:web:warm-shape-2008"}`), false, "refused", "machine-differs", FixAdopt},
	{pageOperators, "case of a subject", "2012-10-17", statement("Allow", audAnd(`"oidc.fly.io/acme:sub":"acme:web:Cold-Shape-2007"`)), false, "refused", "case-differs", FixAdopt},
	{pageOperators, "case ignored", "2012-10-17", statement("Allow", aud+`,"StringEqualsIgnoreCase":{"oidc.fly.io/acme:sub":"ACME:WEB:cold-shape-2007"}`), false, "accepted", "", ""},
	{pageOperators, "case of an audience", "2012-10-17", statement("Allow", `"StringEquals":{"oidc.fly.io/acme:aud":"STS.amazonaws.com"},`+sub), false, "refused", "case-differs", FixAdopt},
	{pageOperators, "case of a key does not count", "2012-10-17", statement("Allow", `"StringEquals":{"OIDC.fly.io/ACME:AUD":"sts.amazonaws.com"},`+sub), false, "accepted", "", ""},
	{pageOperators, "another audience", "2012-10-17", statement("Allow", `"StringEquals":{"oidc.fly.io/acme:aud":"vault"},`+sub), false, "refused", "audience-differs", FixAdopt},
	{pageOperators, "kept out", "2012-10-17", statement("Allow", aud+`,"StringNotLike":{"oidc.fly.io/acme:sub":"acme:web:*"}`), false, "refused", "condition-failed", ""},
	{pageOperators, "others kept out", "2012-10-17", statement("Allow", aud+`,"StringNotLike":{"oidc.fly.io/acme:sub":"acme:db:*"}`), false, "accepted", "", ""},
	{pageOperators, "a number", "2012-10-17", statement("Allow", aud+`,"NumericEquals":{"oidc.fly.io/acme:sub":"1"}`), false, "refused", "operator-type", FixOwnRole},
	{pageOperators, "an address that is not known", "2012-10-17", statement("Allow", aud+","+sub+`,"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}`), false, "undecided", "condition-unknown", ""},
	{pageOperators, "a date", "2012-10-17", statement("Allow", aud+","+sub+`,"DateLessThan":{"aws:CurrentTime":"2026-08-21T12:00:01Z"}`), false, "accepted", "", ""},
	{pageOperators, "a date that is over", "2012-10-17", statement("Allow", aud+","+sub+`,"DateLessThan":{"aws:CurrentTime":"2026-08-21T12:00:00Z"}`), false, "refused", "condition-failed", ""},
	{pageGlobal, "always over TLS", "2012-10-17", statement("Allow", aud+","+sub+`,"Bool":{"aws:SecureTransport":"true"}`), false, "accepted", "", ""},
	{pageGlobal, "the provider's ARN as a key", "2012-10-17", statement("Allow", audAnd(`"aws:FederatedProvider":"`+provider+`"`)+","+sub), false, "undecided", "condition-unknown", ""},
	{pageGlobal, "no external ID comes with a token", "2012-10-17", statement("Allow", audAnd(`"sts:ExternalId":"x"`)+","+sub), false, "refused", "key-missing", ""},

	{pageLogic, "one of several values", "2012-10-17", statement("Allow", aud+`,"StringLike":{"oidc.fly.io/acme:sub":["acme:db:*","acme:web:*"]}`), false, "accepted", "", ""},
	{pageLogic, "none of several values", "2012-10-17", statement("Allow", aud+`,"StringLike":{"oidc.fly.io/acme:sub":["acme:db:*","acme:api:*"]}`), false, "refused", "app-differs", FixOwnRole},
	{pageLogic, "one of two keys", "2012-10-17", statement("Allow", `"StringEquals":{"oidc.fly.io/acme:aud":"x","oidc.fly.io/acme:sub":"`+subject+`"}`), false, "refused", "audience-differs", FixAdopt},
	{pageLogic, "both wrong", "2012-10-17", statement("Allow", `"StringEquals":{"oidc.fly.io/acme:aud":"x"},"StringLike":{"oidc.fly.io/acme:sub":"acme:db:*"}`), false, "refused", "app-differs", FixOwnRole},

	{pageKeys, "a claim that IAM does not see", "2012-10-17", statement("Allow", audAnd(`"oidc.fly.io/acme:app_name":"web"`)), false, "refused", "claim-unseen", FixAdopt},
	{pageKeys, "a claim that IAM does not see beside one that it does", "2012-10-17", statement("Allow", audAnd(`"oidc.fly.io/acme:org_name":"acme"`)+","+sub), false, "refused", "claim-unseen", FixRepairStatement},
	{pageKeys, "another organization's key", "2012-10-17", statement("Allow", `"StringEquals":{"oidc.fly.io/acme:aud":"sts.amazonaws.com"},"StringLike":{"oidc.fly.io/other:sub":"acme:web:*"}`), false, "refused", "key-prefix", FixRepairStatement},
	{pageKeys, "another provider's key", "2012-10-17", statement("Allow", `"StringEquals":{"token.actions.githubusercontent.com:aud":"sts.amazonaws.com"},`+sub), false, "refused", "key-prefix", ""},
	{pageKeys, "a key with a scheme", "2012-10-17", statement("Allow", aud+`,"StringLike":{"https://oidc.fly.io/acme:sub":"acme:web:*"}`), false, "refused", "key-prefix", FixRepairStatement},
	{pageExists, "IfExists on a key that is never there", "2012-10-17", statement("Allow", aud+","+sub+`,"StringEqualsIfExists":{"oidc.fly.io/acme:app_name":"db"}`), false, "accepted", "", ""},
	{pageExists, "IfExists on a key that is there", "2012-10-17", statement("Allow", aud+`,"StringLikeIfExists":{"oidc.fly.io/acme:sub":"acme:db:*"}`), false, "refused", "app-differs", FixOwnRole},
	{pageOperators, "a negated test of a missing key", "2012-10-17", statement("Allow", aud+","+sub+`,"StringNotEquals":{"oidc.fly.io/acme:app_name":"web"}`), false, "accepted", "", ""},
	{pageNull, "absence of a missing key", "2012-10-17", statement("Allow", aud+","+sub+`,"Null":{"oidc.fly.io/acme:app_name":"true"}`), false, "accepted", "", ""},
	{pageNull, "presence of sub", "2012-10-17", statement("Allow", aud+","+sub+`,"Null":{"oidc.fly.io/acme:sub":"false"}`), false, "accepted", "", ""},
	{pageNull, "presence of a missing key", "2012-10-17", statement("Allow", aud+","+sub+`,"Null":{"oidc.fly.io/acme:org_id":"false"}`), false, "refused", "claim-unseen", ""},
	{pageSets, "ForAllValues of no values", "2012-10-17", statement("Allow", aud+","+sub+`,"ForAllValues:StringEquals":{"aws:TagKeys":"team"}`), false, "accepted", "", ""},
	{pageSets, "ForAnyValue of no values", "2012-10-17", statement("Allow", aud+","+sub+`,"ForAnyValue:StringEquals":{"aws:TagKeys":"team"}`), false, "refused", "key-missing", ""},
	{pageSets, "ForAnyValue of one value", "2012-10-17", statement("Allow", aud+`,"ForAnyValue:StringLike":{"oidc.fly.io/acme:sub":"acme:web:*"}`), false, "accepted", "", ""},
	{pageChecks, "no values", "2012-10-17", statement("Allow", aud+`,"StringLike":{"oidc.fly.io/acme:sub":[]}`), false, "undecided", "condition-unknown", ""},

	{pageVariables, "a variable without value", "2012-10-17", statement("Allow", aud+`,"StringLike":{"oidc.fly.io/acme:sub":"acme:${sts:ExternalId}:*"}`), false, "refused", "condition-failed", ""},
	{pageVariables, "a variable of unknown value", "2012-10-17", statement("Allow", aud+`,"StringLike":{"oidc.fly.io/acme:sub":"acme:${aws:SourceVpc}:*"}`), false, "undecided", "condition-unknown", ""},
	{pageVariables, "no user yet", "2012-10-17", statement("Allow", audAnd(`"aws:username":"web"`)+","+sub), false, "refused", "key-missing", ""},
	{pageVariables, "no user yet, with a default", "2012-10-17", statement("Allow", aud+`,"StringLike":{"oidc.fly.io/acme:sub":"acme:${aws:username, 'web'}:*"}`), false, "accepted", "", ""},
	{pageKeys, "the audience under its other key", "2012-10-17", statement("Allow", `"StringEquals":{"oidc.fly.io/acme:oaud":"sts.amazonaws.com"},`+sub), false, "accepted", "", ""},
	{pageVersion, "a variable in the old version", "2008-10-17", statement("Allow", aud+`,"StringLike":{"oidc.fly.io/acme:sub":"acme:${aws:username}:*"}`), false, "refused", "variable-text", ""},
	{pageVersion, "no version", "", statement("Allow", aud+","+sub), false, "accepted", "", ""},

	{pageDecision, "explicit deny", "2012-10-17", statement("Allow", aud+","+sub) + "," + statement("Deny", sub), false, "refused", "denied", ""},
	{pageDecision, "deny with an exception", "2012-10-17", statement("Allow", aud+","+sub) + "," + statement("Deny", `"StringNotLike":{"oidc.fly.io/acme:sub":"acme:db:*"}`), false, "refused", "denied", ""},
	{pageDecision, "a deny that does not apply", "2012-10-17", statement("Allow", aud+","+sub) + "," + statement("Deny", `"StringLike":{"oidc.fly.io/acme:sub":"acme:db:*"}`), false, "accepted", "", ""},
	{pageDecision, "a deny that may apply", "2012-10-17", statement("Allow", aud+","+sub) + "," + statement("Deny", `"StringEquals":{"aws:PrincipalOrgID":"o-1"}`), false, "undecided", "condition-unknown", ""},
	{pageDecision, "denied and not allowed", "2012-10-17", statement("Allow", aud+`,"StringLike":{"oidc.fly.io/acme:sub":"acme:db:*"}`) + "," + statement("Deny", sub), false, "refused", "denied", ""},
	{pageDecision, "one of two statements", "2012-10-17", statement("Allow", aud+`,"StringLike":{"oidc.fly.io/acme:sub":"acme:db:*"}`) + "," + statement("Allow", aud+","+sub), false, "accepted", "", ""},

	{pagePrincipal, "a service only", "2012-10-17", `{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}`, false, "refused", "no-statement", FixAdopt},
	{pagePrincipal, "the account only", "2012-10-17", `{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"sts:AssumeRole"}`, false, "refused", "no-statement", FixAdopt},
	{pagePrincipal, "another organization only", "2012-10-17", strings.ReplaceAll(statement("Allow", aud+","+sub), "acme", "globex"), false, "refused", "no-statement", FixOwnRole},
	{pagePrincipal, "a URL for a principal", "2012-10-17", strings.Replace(statement("Allow", aud+","+sub), provider, "https://oidc.fly.io/acme", 1), false, "refused", "provider-form", FixRepairStatement},
	{pagePrincipal, "a provider of another account", "2012-10-17", strings.Replace(statement("Allow", aud+","+sub), account, "444455556666", 1), false, "refused", "provider-account", FixRepairStatement},
	{pagePrincipal, "the provider as an AWS principal", "2012-10-17", strings.Replace(statement("Allow", aud+","+sub), "Federated", "AWS", 1), false, "refused", "provider-kind", FixRepairStatement},
	{pageChecks, "anybody", "2012-10-17", strings.Replace(statement("Allow", aud+","+sub), `{"Federated":"`+provider+`"}`, `"*"`, 1), false, "undecided", "principal-any", ""},
	{pageNot, "all but the provider", "2012-10-17", strings.Replace(statement("Allow", aud+","+sub), "Principal", "NotPrincipal", 1), false, "refused", "not-principal", FixAdopt},
	{pageAction, "the action of AWS principals", "2012-10-17", strings.Replace(statement("Allow", aud+","+sub), "WithWebIdentity", "", 1), false, "refused", "action-missing", FixRepairStatement},
	{pageAction, "all actions of STS", "2012-10-17", strings.Replace(statement("Allow", aud+","+sub), "AssumeRoleWithWebIdentity", "*", 1), false, "accepted", "", ""},
	{pageTags, "session tags that nobody allows", "2012-10-17", statement("Allow", aud+","+sub), true, "refused", "tag-session", FixAddStatement},
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
			if got.Complete != (tt.fix != "" && tt.fix != FixOwnRole) {
				t.Errorf("complete: %t", got.Complete)
			}
			if kind(got) != tt.fix {
				t.Errorf("fix %q, want %q: %+v", kind(got), tt.fix, got.Reasons)
			}
			checkFix(t, c, got)
		})
	}
}

// kind returns the kind of the fix, "" for none.
func kind(e Explanation) FixKind {
	if e.Fix == nil {
		return ""
	}
	return e.Fix.Kind
}

// repaired returns the policy after a fix, made by hand or by fly-aws setup.
func repaired(t *testing.T, c Case, f Fix) *trustpolicy.Policy {
	t.Helper()
	p := c.Policy.Clone()
	switch f.Kind {
	case FixRepairStatement:
		if !p.Statements[f.Index].Equal(*f.Before) {
			t.Fatalf("statement %d is not as the fix says it is", f.Index)
		}
		p.Statements[f.Index] = *f.After
	case FixAddStatement:
		if f.Index != len(p.Statements) || f.Before != nil {
			t.Fatalf("a new statement has the place %d, before %v", f.Index, f.Before)
		}
		p.Statements = append(p.Statements, *f.After)
	case FixSetup, FixAdopt:
		issuer, _ := flyname.IssuerOrg(c.Claims.Issuer)
		s, err := trustpolicy.Build(trustpolicy.AppAccess{Partition: "aws", Account: account, Org: issuer, Apps: []string{f.Setup.App}, Audience: f.Setup.Audience})
		if err != nil {
			t.Fatal(err)
		}
		if _, taken := p.Statement(s.Sid); taken && f.Kind == FixAdopt {
			t.Errorf("to adopt the role replaces the statement %s", s.Sid)
		}
		p = p.Merge(s)
	}
	return p
}

// checkFix checks what Fix promises: it gives no access to another app or organization,
// removes no statement, and leads to a policy that can be parsed.
func checkFix(t *testing.T, c Case, e Explanation) {
	t.Helper()
	switch {
	case e.Fix == nil:
		if e.Complete {
			t.Error("complete without a fix")
		}
		return
	case e.Verdict == Accepted:
		t.Fatalf("a fix of what is accepted: %+v", e.Fix)
	case c.Policy == nil:
		if e.Fix.Before != nil || e.Fix.After != nil {
			t.Errorf("a fix of a policy that is not known: %+v", e.Fix)
		}
		return
	}
	org, isFly := flyname.IssuerOrg(c.Claims.Issuer)
	if isSetup := e.Fix.Setup != nil; isSetup && (!isFly || e.Fix.Setup.Org != org) || (e.Fix.After != nil) && !isFly {
		t.Errorf("%+v for the issuer %q", e.Fix, c.Claims.Issuer)
	}
	fixed := repaired(t, c, *e.Fix)
	again, err := trustpolicy.Parse([]byte(fixed.String()))
	if err != nil || !again.Equal(fixed) {
		t.Errorf("the new policy cannot be read: %v\n%s", err, fixed.Indent())
	}
	changed := 0
	for i, s := range c.Policy.Statements {
		if len(fixed.Statements) <= i || !fixed.Statements[i].Equal(s) {
			changed++
		}
	}
	if changed > 1 || changed == 1 && e.Fix.Kind != FixRepairStatement && e.Fix.Kind != FixSetup {
		t.Errorf("%s changes %d statements:\n%s", e.Fix.Kind, changed, fixed.Indent())
	}
	subject, _ := flyname.ParseSubject(c.Claims.Subject)
	for _, r := range requests(c.Policy, fixed) {
		was, is := c.Policy.Evaluate(r).Decision, fixed.Evaluate(r).Decision
		_, path, _ := strings.Cut(r.Federated, ":oidc-provider/")
		sub := r.Context[path+":sub"][0]
		if is == trustpolicy.Allowed && was != is && (path != "oidc.fly.io/"+org || !strings.HasPrefix(sub, org+":"+subject.App+":")) {
			t.Errorf("%s gets in too, by %s:\n%s", sub, path, fixed.Indent())
		}
	}
	if e.Complete {
		c.Policy = fixed
		checkComplete(t, c, *e.Fix)
	}
}

// checkComplete makes the rest of a fix and expects the request to be accepted.
func checkComplete(t *testing.T, c Case, f Fix) {
	t.Helper()
	switch f.Kind {
	case FixSetup, FixAdopt:
		c.Provider = Provider{Presence: Present, Audiences: []string{c.Claims.Audience[0]}}
	case FixRequestAudience:
		c.Claims.Audience = []string{f.Audience}
		fallthrough
	case FixRequestToken:
		c.Claims.Expiry, c.Claims.NotBefore, c.Signature, c.TokenError = time.Time{}, time.Time{}, Verified, nil
		if len(c.Claims.Audience) == 0 || c.Claims.Audience[0] == "" {
			c.Claims.Audience = []string{flyname.AudienceAWS}
		}
	case FixRoleARN:
		c.WantedRole = f.RoleARN
	}
	if got := Explain(c); got.Verdict != Accepted {
		t.Errorf("after %s: %s, %+v", f.Kind, got.Verdict, got.Reasons)
	}
}

// requests returns requests of many tokens: for every provider that a policy trusts, the
// subjects and audiences that the policies name, and some that they do not.
func requests(policies ...*trustpolicy.Policy) (out []trustpolicy.AssumeRequest) {
	arns := []string{provider, strings.Replace(provider, "acme", "beta", 1)}
	audiences := []string{"sts.amazonaws.com", "https://fly.io/acme", "other"}
	var subjects []string
	for _, org := range []string{"acme", "beta"} {
		for _, app := range []string{"web", "web-staging", "we", "db"} {
			subjects = append(subjects, org+":"+app+":m")
		}
	}
	for _, p := range policies {
		for _, s := range p.Statements {
			if s.Principal != nil {
				arns = append(arns, s.Principal.Federated[:min(len(s.Principal.Federated), 4)]...)
			}
			for _, c := range s.Conditions {
				for _, v := range c.Values[:min(len(c.Values), 16)] {
					v = strings.NewReplacer("*", "m", "?", "m").Replace(v)
					switch {
					case strings.HasSuffix(strings.ToLower(c.Key), ":sub"):
						subjects = append(subjects, v, v+":m")
					case len(audiences) < 8:
						audiences = append(audiences, v)
					}
				}
			}
		}
	}
	for _, list := range []*[]string{&arns, &subjects, &audiences} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	if len(arns)*len(subjects)*len(audiences)*policies[0].Size() > 1<<20 {
		return nil // slow, and no different from a smaller policy
	}
	for _, arn := range arns {
		_, path, _ := strings.Cut(arn, ":oidc-provider/")
		for _, sub := range subjects {
			for _, audience := range audiences {
				context := trustpolicy.WebIdentityContext(path, audience, sub)
				context[path+":sub"] = []string{sub}
				context["aws:SecureTransport"] = []string{"true"}
				out = append(out, trustpolicy.AssumeRequest{Action: trustpolicy.AssumeAction, Federated: arn, Context: context})
			}
		}
	}
	return out
}

// TestSteps has requests that STS refuses before it evaluates the policy.
func TestSteps(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		change  func(*Case)
		verdict Verdict
		code    string // of AWS's error
		reason  ReasonCode
		step    StepCode // the first failed one
		fix     FixKind
	}{
		{"all in order", func(*Case) {}, "accepted", "", "", "", ""},
		{"nothing known but the claims", func(c *Case) {
			*c = Case{Policy: c.Policy, Claims: claimsOf(subject)}
		}, "accepted", "", "", "", ""},
		{
			"not a token", func(c *Case) { c.TokenError, c.TokenRule = errors.New("it has one part, not three"), "parts" },
			"refused", "InvalidIdentityToken", ReasonTokenForm, StepToken, "",
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
		}, "refused", "ValidationError", ReasonTokenForm, StepToken, ""},
		{"another path of the role", func(c *Case) {
			c.WantedRole, c.RoleARN = "arn:aws:iam::111122223333:role/web", "arn:aws:iam::111122223333:role/fly/web"
		}, "refused", "AccessDenied", ReasonRoleARN, StepRole, "role-arn"},
		{"the role's own ARN", func(c *Case) { c.WantedRole, c.RoleARN = "arn:x", "arn:x" }, "accepted", "", "", "", ""},
		{"one ARN alone", func(c *Case) { c.WantedRole = "arn:x" }, "accepted", "", "", "", ""},
		{"an issuer that is not Fly's", func(c *Case) {
			c.Claims.Issuer, c.Provider = "https://evil.example", Provider{Presence: Absent}
		}, "refused", "InvalidIdentityToken", ReasonProviderAbsent, StepProvider, ""},
		{"a slug in capitals", func(c *Case) {
			c.Claims, c.Provider = claimsOf("Acme:web:m"), Provider{Presence: Absent}
		}, "refused", "InvalidIdentityToken", ReasonProviderAbsent, StepProvider, ""},
		{
			"no provider", func(c *Case) { c.Provider = Provider{Presence: Absent} },
			"refused", "InvalidIdentityToken", ReasonProviderAbsent, StepProvider, "adopt",
		},
		{"no provider but that of the alias", func(c *Case) {
			c.Provider = Provider{Presence: Absent, Others: []string{strings.Replace(provider, "acme", "personal", 1)}}
		}, "refused", "InvalidIdentityToken", ReasonProviderPersonal, StepProvider, "adopt"},
		{
			"claims of the alias", func(c *Case) { c.Claims = claimsOf("personal:web:m") },
			"refused", "InvalidIdentityToken", ReasonClaimsPersonal, StepProvider, "raw-slug",
		},
		{
			"an issuer without TLS", func(c *Case) { c.Claims.Issuer = "http://oidc.fly.io/acme" },
			"refused", "InvalidIdentityToken", ReasonProviderAbsent, StepProvider, "",
		},
		{
			"subject of another organization", func(c *Case) { c.Claims.Subject = "globex:web:m" },
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
		{"expired within the grace", func(c *Case) { c.Claims.Expiry = noon.Add(time.Second - grace) }, "accepted", "", "", "", ""},
		{
			"expired", func(c *Case) { c.Claims.Expiry = noon.Add(-grace) },
			"refused", "ExpiredTokenException", ReasonExpired, StepExpiry, "request-token",
		},
		{
			"not valid yet", func(c *Case) { c.Claims.NotBefore = noon.Add(time.Hour) },
			"refused", "InvalidIdentityToken", ReasonNotYetValid, StepExpiry, "request-token",
		},
		{"no time", func(c *Case) { c.Now, c.Claims.Expiry = time.Time{}, noon.Add(-time.Hour) }, "accepted", "", "", "", ""},
		{
			"audience that the provider does not list", func(c *Case) { c.Provider.Audiences = []string{"vault"} },
			"refused", "InvalidIdentityToken", ReasonAudienceUnlisted, StepAudience, "adopt",
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
			"refused", "InvalidIdentityToken", ReasonProviderAbsent, StepProvider, "adopt",
		},
		{"no policy", func(c *Case) { c.Policy = nil }, "undecided", "", ReasonPolicyUnknown, "", ""},
		{"another app and an audience that is not listed", func(c *Case) {
			c.Claims.Subject, c.Provider.Audiences = "acme:db:m", []string{"vault"}
		}, "refused", "InvalidIdentityToken", ReasonAudienceUnlisted, StepAudience, "own-role"},
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
			if kind(got) != tt.fix {
				t.Errorf("fix %q, want %q", kind(got), tt.fix)
			}
			checkFix(t, c, got)
		})
	}
}

// firstFailed returns the first step that failed, "" if none did.
func firstFailed(e Explanation) StepCode {
	for _, s := range e.Steps {
		if s.Result == StepFailed {
			return s.Code
		}
	}
	return ""
}

// TestMessages compares the messages with those seen from STS.
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
