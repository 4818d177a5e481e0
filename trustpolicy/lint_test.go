package trustpolicy

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// Parts of correct statements that trust Fly.
const (
	lintAud = `"StringEquals":{"oidc.fly.io/acme:aud":"sts.amazonaws.com"}`
	lintSub = `"StringLike":{"oidc.fly.io/acme:sub":"acme:web:*"}`
)

// oursAndBeta are the providers of two organizations.
var oursAndBeta = strings.Replace(ours, `"`+provider+`"`, `["`+provider+`","`+strings.Replace(provider, "acme", "beta", 1)+`"]`, 1)

// lintStatement returns a statement with a principal, an action and conditions.
func lintStatement(effect, principal, action, conditions string) string {
	return `{"Effect":"` + effect + `",` + principal + `,` + action + `,"Condition":{` + conditions + `}}`
}

func lintAllow(conditions string) string {
	return lintStatement("Allow", ours, `"Action":"sts:AssumeRoleWithWebIdentity"`, conditions)
}

func lintSubject(value string) string {
	return lintAllow(lintAud + `,"StringLike":{"oidc.fly.io/acme:sub":"` + value + `"}`)
}

func lintPrincipal(principal string) string {
	return lintStatement("Allow", principal, `"Action":"sts:AssumeRoleWithWebIdentity"`, lintAud+","+lintSub)
}

func lintAction(action string) string {
	return lintStatement("Allow", ours, action, lintAud+","+lintSub)
}

var lintCases = []struct {
	name, statements string
	expected         AppAccess
	want             string // "severity code have -> want" per finding
}{
	{"as it should be", lintAllow(lintAud + "," + lintSub), AppAccess{}, ""},
	{"as it is expected", lintAllow(lintAud + "," + lintSub), AppAccess{Partition: "aws", Account: "111122223333", Org: "acme", Apps: []string{"web"}}, ""},
	{"a service", `{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:*"}`, AppAccess{}, ""},
	{"any account", lintAllow(lintAud+","+lintSub) + `,{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}`, AppAccess{}, "error principal-any * -> "},
	{"any account under a condition", `{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-1234567890"}}}`, AppAccess{}, "warning principal-any-conditions * -> "},
	{"all but some accounts", `{"Effect":"Allow","NotPrincipal":{"AWS":"111122223333"},"Action":"sts:AssumeRole"}`, AppAccess{}, "error not-principal  -> "},
	{"anyone, for another action", `{"Effect":"Allow","Principal":"*","Action":"sts:TagSession"}`, AppAccess{}, ""},
	{"nobody may", `{"Effect":"Deny","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}`, AppAccess{}, ""},
	{"another issuer", strings.NewReplacer("oidc.fly.io/acme", "token.actions.githubusercontent.com").Replace(lintAllow(lintAud)), AppAccess{}, ""},

	{"a URL", lintPrincipal(`"Principal":{"Federated":"https://oidc.fly.io/acme"}`), AppAccess{}, "error provider-form https://oidc.fly.io/acme -> "},
	{"a URL, and the account is known", lintPrincipal(`"Principal":{"Federated":"https://oidc.fly.io/acme"}`), AppAccess{Account: "111122223333"}, "error provider-form https://oidc.fly.io/acme -> " + provider},
	{"a URL in an ARN", lintPrincipal(`"Principal":{"Federated":"arn:aws:iam::111122223333:oidc-provider/https://oidc.fly.io/acme"}`), AppAccess{}, "error provider-form arn:aws:iam::111122223333:oidc-provider/https://oidc.fly.io/acme -> " + provider},
	{"no slug", lintPrincipal(`"Principal":{"Federated":"arn:aws:iam::111122223333:oidc-provider/oidc.fly.io"}`), AppAccess{}, "error provider-form arn:aws:iam::111122223333:oidc-provider/oidc.fly.io -> " + provider},
	{"a wildcard for a slug", lintPrincipal(`"Principal":{"Federated":"arn:aws:iam::111122223333:oidc-provider/oidc.fly.io/*"}`), AppAccess{}, "error provider-form arn:aws:iam::111122223333:oidc-provider/oidc.fly.io/* -> " + provider},
	{"a wildcard for an account", lintPrincipal(`"Principal":{"Federated":"arn:aws:iam::*:oidc-provider/oidc.fly.io/acme"}`), AppAccess{}, "error provider-form arn:aws:iam::*:oidc-provider/oidc.fly.io/acme -> "},
	{"a misspelled host", lintPrincipal(`"Principal":{"Federated":"arn:aws:iam::111122223333:oidc-provider/fly.oidc.io/acme"}`), AppAccess{}, "error provider-host arn:aws:iam::111122223333:oidc-provider/fly.oidc.io/acme -> " + provider},
	{"another issuer for the keys", lintPrincipal(`"Principal":{"Federated":"arn:aws:iam::111122223333:oidc-provider/gitlab.com/acme"}`), AppAccess{}, "error key-prefix oidc.fly.io/acme:aud -> oidc.fly.io/acme:aud\nerror key-prefix oidc.fly.io/acme:sub -> oidc.fly.io/acme:sub"},
	{"as an AWS principal", lintPrincipal(`"Principal":{"AWS":"` + provider + `"}`), AppAccess{}, "error provider-kind " + provider + " -> "},
	{"another account", lintAllow(lintAud + "," + lintSub), AppAccess{Account: "444455556666"}, "error provider-account " + provider + " -> arn:aws:iam::444455556666:oidc-provider/oidc.fly.io/acme"},
	{"another partition", lintAllow(lintAud + "," + lintSub), AppAccess{Partition: "aws-cn"}, "error provider-account " + provider + " -> arn:aws-cn:iam::111122223333:oidc-provider/oidc.fly.io/acme"},
	{"anyone", lintPrincipal(`"Principal":"*"`), AppAccess{}, "error principal-any * -> "},
	{"anyone without conditions", `{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:*"}`, AppAccess{}, "error principal-any * -> \nerror action-wildcard sts:* -> sts:AssumeRoleWithWebIdentity\nerror audience-missing  -> sts.amazonaws.com\nerror subject-missing  -> "},
	{"all but one", lintPrincipal(`"NotPrincipal":{"AWS":"111122223333"}`), AppAccess{}, "error not-principal  -> "},
	{"nobody may, but one", lintStatement("Deny", `"NotPrincipal":{"Federated":"`+provider+`"}`, `"Action":"*"`, lintSub), AppAccess{}, ""},

	{"the action of AWS principals", lintAction(`"Action":"sts:AssumeRole"`), AppAccess{}, "error action-other sts:AssumeRole -> sts:AssumeRoleWithWebIdentity\nerror action-missing sts:AssumeRole -> sts:AssumeRoleWithWebIdentity"},
	{"all actions of STS", lintAction(`"Action":"sts:*"`), AppAccess{}, "error action-wildcard sts:* -> sts:AssumeRoleWithWebIdentity"},
	{"tags too", lintAction(`"Action":["sts:assumerolewithwebidentity","sts:TagSession"]`), AppAccess{}, ""},
	{"tags for nobody", `{"Effect":"Allow",` + ours + `,"Action":"sts:TagSession"}`, AppAccess{}, "warning tag-session-unused " + provider + " -> sts:AssumeRoleWithWebIdentity"},
	{"tags required", lintAllow(lintAud + "," + lintSub + `,"StringEqualsIgnoreCase":{"aws:RequestTag/team":"x"}`), AppAccess{}, "warning tag-session-missing aws:RequestTag/team -> sts:TagSession"},
	{"tags required and allowed", lintStatement("Allow", ours, `"Action":["sts:AssumeRoleWithWebIdentity","sts:TagSession"]`, lintAud+`,"StringLike":{"oidc.fly.io/acme:sub":"acme:web:*","aws:RequestTag/team":"*"}`), AppAccess{}, ""},
	{"tags alone", lintAllow(lintAud+","+lintSub) + `,{"Effect":"Allow",` + ours + `,"Action":"sts:TagSession"}`, AppAccess{}, ""},
	{"no actions", lintAction(`"Action":[]`), AppAccess{}, "error action-missing  -> sts:AssumeRoleWithWebIdentity"},
	{"all but an action", lintAction(`"NotAction":"sts:AssumeRole"`), AppAccess{}, "error not-action sts:AssumeRole -> sts:AssumeRoleWithWebIdentity"},

	{"the alias", lintSubject("personal:web:*"), AppAccess{}, "error alias-personal personal:web:* -> "},
	{"the alias everywhere", strings.ReplaceAll(lintAllow(lintAud+","+lintSub), "acme", "personal"), AppAccess{}, "error alias-personal arn:aws:iam::111122223333:oidc-provider/oidc.fly.io/personal -> \nerror alias-personal oidc.fly.io/personal:aud -> \nerror alias-personal oidc.fly.io/personal:sub -> \nerror alias-personal personal:web:* -> "},
	{"another organization's key", lintAllow(lintAud + `,"StringLike":{"oidc.fly.io/other:sub":"acme:web:*"}`), AppAccess{}, "error key-prefix oidc.fly.io/other:sub -> oidc.fly.io/acme:sub"},
	{"a key with a scheme", lintAllow(lintAud + `,"StringLike":{"https://oidc.fly.io/acme:sub":"acme:web:*"}`), AppAccess{}, "error key-prefix https://oidc.fly.io/acme:sub -> oidc.fly.io/acme:sub"},
	{"a key without slug", lintAllow(`"StringEquals":{"oidc.fly.io:aud":"sts.amazonaws.com"},` + lintSub), AppAccess{}, "error key-prefix oidc.fly.io:aud -> oidc.fly.io/acme:aud"},
	{"another issuer's key", lintAllow(lintAud + "," + lintSub + `,"Bool":{"graph.facebook.com:app_id":"1"}`), AppAccess{}, "error key-prefix graph.facebook.com:app_id -> "},
	{"a key in capitals", lintAllow(`"StringEquals":{"OIDC.FLY.IO/ACME:AUD":"sts.amazonaws.com"},` + lintSub), AppAccess{}, ""},
	{"keys of AWS's", lintAllow(lintAud + "," + lintSub + `,"Bool":{"aws:SecureTransport":"true"},"StringNotLike":{"sts:RoleSessionName":"x*"}`), AppAccess{}, ""},
	{"a claim that is not seen", lintAllow(lintAud + "," + lintSub + `,"StringEqualsIfExists":{"oidc.fly.io/acme:app_name":"web"}`), AppAccess{}, "error claim-unseen oidc.fly.io/acme:app_name -> "},

	{"no audience", lintAllow(lintSub), AppAccess{}, "error audience-missing  -> sts.amazonaws.com"},
	{"no audience, another expected", lintAllow(lintSub), AppAccess{Audience: "vault"}, "error audience-missing  -> vault"},
	{"any audience", lintAllow(`"StringLike":{"oidc.fly.io/acme:aud":"*","oidc.fly.io/acme:sub":"acme:web:*"}`), AppAccess{}, "error audience-wildcard * -> sts.amazonaws.com"},
	{"Fly's own audience", lintAllow(`"StringEquals":{"oidc.fly.io/acme:aud":"https://fly.io/acme"},` + lintSub), AppAccess{}, "error audience-wrong https://fly.io/acme -> sts.amazonaws.com"},
	{"a URN", lintAllow(`"StringEquals":{"oidc.fly.io/acme:aud":"urn:fly:machine:1"},` + lintSub), AppAccess{}, "error audience-wrong urn:fly:machine:1 -> sts.amazonaws.com"},
	{"the slug", lintAllow(`"StringEquals":{"oidc.fly.io/acme:aud":["sts.amazonaws.com","acme"]},` + lintSub), AppAccess{}, "error audience-wrong acme -> sts.amazonaws.com"},
	{"an audience of one's own", lintAllow(`"StringEquals":{"oidc.fly.io/acme:aud":"vault"},` + lintSub), AppAccess{}, "warning audience-custom vault -> sts.amazonaws.com"},
	{"an expected audience of one's own", lintAllow(`"StringEquals":{"oidc.fly.io/acme:aud":"vault"},` + lintSub), AppAccess{Audience: "vault"}, ""},

	{"a subject under aud", lintAllow(`"StringLike":{"oidc.fly.io/acme:aud":"acme:web:*"}`), AppAccess{}, "error subject-under-aud acme:web:* -> oidc.fly.io/acme:sub\nerror audience-missing  -> sts.amazonaws.com"},

	{"no subject", lintAllow(lintAud), AppAccess{}, "error subject-missing  -> acme:APP:*"},
	{"no subject, one app expected", lintAllow(lintAud), AppAccess{Apps: []string{"web"}}, "error subject-missing  -> acme:web:*"},
	{"any subject", lintSubject("*"), AppAccess{}, "error subject-any * -> acme:APP:*"},
	{"a wildcard in the organization", lintSubject("acm?:web:*"), AppAccess{}, "error subject-any acm?:web:* -> acme:APP:*"},
	{"another organization", lintSubject("globex:web:*"), AppAccess{}, "error subject-org globex:web:* -> acme:web:*"},
	{"capitals in the organization", lintSubject("Acme:web:*"), AppAccess{}, "error subject-org Acme:web:* -> acme:web:*"},
	{"the recipe app:", lintSubject("app:web"), AppAccess{}, "error subject-org app:web -> acme:web:*"},
	{"no organization", lintSubject("web:*"), AppAccess{}, "error subject-org web:* -> acme:web:*"},
	{"no machine", lintSubject("acme:web"), AppAccess{}, "error subject-parts acme:web -> acme:web:*"},
	{"an empty machine", lintSubject("acme:web:"), AppAccess{}, "error subject-parts acme:web: -> acme:web:*"},
	{"four parts", lintSubject("acme:web:m:*"), AppAccess{}, "error subject-parts acme:web:m:* -> acme:web:*"},
	{"an empty app", lintSubject("acme::*"), AppAccess{}, "error subject-parts acme::* -> acme:APP:*"},
	{"nothing", lintSubject(""), AppAccess{}, "error subject-org  -> acme:APP:*"},
	{"a prefix", lintSubject("acme:web*"), AppAccess{}, "error subject-prefix acme:web* -> acme:web:*"},
	{"a prefix with a dash", lintSubject("acme:web-*"), AppAccess{}, "error subject-prefix acme:web-* -> acme:web-*:*"},
	{"a prefix under StringEquals", lintAllow(`"StringEquals":{"oidc.fly.io/acme:aud":"sts.amazonaws.com","oidc.fly.io/acme:sub":"acme:web-*"}`), AppAccess{}, "error wildcard-literal acme:web-* -> StringLike"},
	{"capitals in the app", lintSubject("acme:Web:*"), AppAccess{}, "error subject-app acme:Web:* -> acme:web:*"},
	{"a wildcard under StringEquals", lintAllow(`"StringEquals":{"oidc.fly.io/acme:aud":"sts.amazonaws.com","oidc.fly.io/acme:sub":"acme:web:*"}`), AppAccess{}, "error wildcard-literal acme:web:* -> StringLike"},
	{"a variable", lintSubject("acme:${aws:PrincipalTag/team}:*"), AppAccess{}, ""},
	{"the whole organization", lintSubject("acme:*"), AppAccess{}, "warning org-wide acme:* -> "},
	{"the whole organization in three parts", lintSubject("acme:*:*"), AppAccess{}, "warning org-wide acme:*:* -> "},
	{"some apps", lintSubject("acme:web-*:*"), AppAccess{}, "warning app-wildcard acme:web-*:* -> "},
	{"a machine's ID", lintSubject("acme:web:148e21ea7e46e8"), AppAccess{}, "error machine-id acme:web:148e21ea7e46e8 -> "},
	{"a process group", lintSubject("acme:web:worker"), AppAccess{}, "warning process-group acme:web:worker -> "},
	{"machines of a process group", lintSubject("acme:*:worker-*"), AppAccess{}, "warning org-wide acme:*:worker-* -> \nwarning process-group acme:*:worker-* -> "},
	{"a release command", lintSubject("acme:web:release_command"), AppAccess{}, "warning process-group acme:web:release_command -> "},
	{"some machines", lintSubject("acme:web:cold-shape-20??"), AppAccess{}, ""},
	{"a machine", lintSubject("acme:web:cold-shape-2007"), AppAccess{}, "warning machine-pinned acme:web:cold-shape-2007 -> "},

	{"optional", lintAllow(`"StringEqualsIfExists":{"oidc.fly.io/acme:aud":"sts.amazonaws.com"},` + lintSub), AppAccess{}, "error condition-optional StringEqualsIfExists -> StringEquals"},
	{"of all values", lintAllow(lintAud + `,"ForAllValues:StringLike":{"oidc.fly.io/acme:sub":"acme:web:*"}`), AppAccess{}, "error condition-optional ForAllValues:StringLike -> StringLike"},
	{"all but", lintAllow(lintAud + `,"StringNotLike":{"oidc.fly.io/acme:sub":"acme:db:*"}`), AppAccess{}, "error condition-optional StringNotLike -> "},
	{"of any value", lintAllow(lintAud + `,"ForAnyValue:StringLike":{"oidc.fly.io/acme:sub":"acme:web:*"}`), AppAccess{}, ""},
	{"a number", lintAllow(lintAud + `,"NumericEquals":{"oidc.fly.io/acme:sub":"1"}`), AppAccess{}, "error operator-type NumericEquals -> StringLike"},
	{"presence is no value", lintAllow(lintAud + `,"Null":{"oidc.fly.io/acme:sub":"false"}`), AppAccess{}, "error subject-missing  -> acme:APP:*"},

	{"a deny may be wide and optional", lintStatement("Deny", ours, `"Action":"*"`, `"StringNotLike":{"oidc.fly.io/acme:sub":"acme:*"}`), AppAccess{}, ""},
	{"a deny that never applies", lintStatement("Deny", ours, `"Action":"*"`, `"StringLike":{"oidc.fly.io/acme:sub":"acme:web"}`), AppAccess{}, "error subject-parts acme:web -> acme:web:*"},

	{"two organizations", lintAllow(lintAud+","+lintSub) + "," + strings.ReplaceAll(lintAllow(lintAud+","+lintSub), "acme", "globex"), AppAccess{}, "warning several-orgs acme, globex -> "},
	{"two organizations in a statement", lintStatement("Allow", oursAndBeta, `"Action":"sts:AssumeRoleWithWebIdentity"`, strings.ReplaceAll(lintAud+","+lintSub, "acme", "beta")), AppAccess{}, "warning several-orgs acme, beta -> "},
	{"the wrong one of two organizations", lintStatement("Allow", oursAndBeta, `"Action":"sts:AssumeRoleWithWebIdentity"`, strings.ReplaceAll(lintAud, "acme", "beta")+`,"StringLike":{"oidc.fly.io/beta:sub":["acme:web:*","beta:web"]}`), AppAccess{}, "error subject-org acme:web:* -> beta:web:*\nerror subject-parts beta:web -> beta:web:*\nwarning several-orgs acme, beta -> "},
	{"the second organization not expected", lintStatement("Allow", oursAndBeta, `"Action":"sts:AssumeRoleWithWebIdentity"`, lintAud+","+lintSub), AppAccess{Org: "acme"}, "warning org-unexpected beta -> acme\nwarning several-orgs acme, beta -> "},
	{"an organization not expected", strings.ReplaceAll(lintAllow(lintAud+","+lintSub), "acme", "globex"), AppAccess{Org: "acme"}, "warning org-unexpected globex -> acme"},
	{"an app not expected", lintAllow(lintAud + "," + lintSub), AppAccess{Apps: []string{"api"}}, "warning app-unexpected acme:web:* -> "},
	{"an app missing", lintAllow(lintAud + "," + lintSub), AppAccess{Account: "111122223333", Org: "acme", Apps: []string{"web", "api"}}, "error app-missing  -> acme:api:*"},
	{"large", lintAllow(lintAud + `,"StringLike":{"oidc.fly.io/acme:sub":["` + strings.Repeat(`acme:web:*","`, 110) + `acme:web:*"]}`), AppAccess{}, "warning size 1740 -> 2048"},
}

func TestLint(t *testing.T) {
	t.Parallel()
	for _, tt := range lintCases {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := mustParse(t, `{"Version":"2012-10-17","Statement":[`+tt.statements+`]}`)
			var got []string
			for _, f := range p.Lint(Expected{AppAccess: tt.expected}) {
				got = append(got, fmt.Sprintf("%s %s %s -> %s", f.Severity, f.Code, f.Have, f.Want))
			}
			if s := strings.Join(got, "\n"); s != tt.want {
				t.Errorf("got\n%s\nwant\n%s", s, tt.want)
			}
		})
	}
}

// TestLintOfALiveRole: what is known about the account makes more findings.
func TestLintOfALiveRole(t *testing.T) {
	t.Parallel()
	p := mustParse(t, `{"Version":"2012-10-17","Statement":[`+lintAllow(lintAud+","+lintSub)+`]}`)
	for _, tt := range []struct {
		expected Expected
		want     string
	}{
		{Expected{Registered: []string{"sts.amazonaws.com"}, Quota: 2048}, ""},
		{Expected{Registered: []string{"vault", "x"}}, "audience-unregistered sts.amazonaws.com -> vault, x"},
		{Expected{Registered: []string{}}, "audience-unregistered sts.amazonaws.com -> "},
		{Expected{Quota: 300}, "size 308 -> 300"},
	} {
		var got []string
		for _, f := range p.Lint(tt.expected) {
			got = append(got, fmt.Sprintf("%s %s -> %s", f.Code, f.Have, f.Want))
		}
		if s := strings.Join(got, "\n"); s != tt.want {
			t.Errorf("%+v: %q, want %q", tt.expected, s, tt.want)
		}
	}
}

// TestRules: IDs are unique and in order, and each rule fires in a case of these tests.
func TestRules(t *testing.T) {
	t.Parallel()
	fires := "audience-unregistered malformed "
	for _, tt := range lintCases {
		fires += tt.want + "\n"
	}
	for i, r := range Rules() {
		if want := fmt.Sprintf("FLY%03d", i+1); r.ID != want {
			t.Errorf("the ID of %s is %s, not %s", r.Code, r.ID, want)
		}
		if !strings.Contains(fires, string(r.Code)+" ") {
			t.Errorf("no case fires %s, %s", r.ID, r.Code)
		}
	}
}

// TestLintPlaces: a finding has its statement, operator and key.
func TestLintPlaces(t *testing.T) {
	t.Parallel()
	p := mustParse(t, `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"},
		`+strings.Replace(lintSubject("acme:web"), "{", `{"Sid":"Ours",`, 1)+`]}`)
	want := []Finding{{
		Code: FindingSubjectParts, Severity: SeverityError, Statement: 1, Sid: "Ours",
		Operator: "StringLike", Key: "oidc.fly.io/acme:sub", Have: "acme:web", Want: "acme:web:*",
	}}
	if got := p.Lint(Expected{}); !slices.Equal(got, want) {
		t.Errorf("%+v", got)
	}
	if got := (*Policy)(nil).Lint(Expected{AppAccess: AppAccess{Org: "acme", Account: "111122223333", Apps: []string{"web"}}}); got != nil {
		t.Errorf("findings about no policy: %+v", got)
	}
}

// TestEveryFindingIsTested: each rule has a test case that breaks it.
func TestEveryFindingIsTested(t *testing.T) {
	t.Parallel()
	for _, code := range []FindingCode{
		FindingProviderForm, FindingProviderKind, FindingProviderAccount, FindingPrincipalAny, FindingNotPrincipal, FindingActionMissing,
		FindingActionWildcard, FindingActionOther, FindingNotAction, FindingAliasPersonal, FindingKeyPrefix, FindingClaimUnseen,
		FindingConditionOptional, FindingOperatorType, FindingWildcardLiteral, FindingAudienceMissing, FindingAudienceWildcard,
		FindingAudienceWrong, FindingSubjectMissing, FindingSubjectAny, FindingSubjectOrg, FindingSubjectParts, FindingSubjectPrefix,
		FindingSubjectApp, FindingAppMissing, FindingAudienceCustom, FindingOrgWide, FindingAppWildcard, FindingMachinePinned,
		FindingSeveralOrgs, FindingOrgUnexpected, FindingAppUnexpected, FindingSize,
	} {
		if !slices.ContainsFunc(lintCases, func(c struct {
			name, statements string
			expected         AppAccess
			want             string
		},
		) bool {
			return strings.Contains(c.want, " "+string(code)+" ")
		}) {
			t.Errorf("no case breaks the rule %s", code)
		}
	}
}

// TestBuiltPoliciesAreClean: a policy from Build has no findings.
func TestBuiltPoliciesAreClean(t *testing.T) {
	t.Parallel()
	g := AppAccess{Partition: "aws-us-gov", Account: "111122223333", Org: "acme", Apps: []string{"web", "api"}, Audience: "vault"}
	s, err := Build(g)
	if err != nil {
		t.Fatal(err)
	}
	if got := New(s).Lint(Expected{AppAccess: g}); got != nil {
		t.Errorf("%+v", got)
	}
}
