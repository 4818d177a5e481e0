package conformance

import (
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

// auditedApps are all apps, by organization; the roles below name each of them. The audit
// may ask STS only with tokens of providers that the account has, and with their audiences.
var auditedApps = map[string]struct{ apps, audiences []string }{
	"acme":  {[]string{"admin", "api", "tenant", "tenant-1", "tenant-2", "web", "web-shop", "worker"}, []string{"sts.amazonaws.com", "vault"}},
	"rival": {[]string{"api", "tenant-1", "web"}, []string{"sts.amazonaws.com"}},
	"ghost": {[]string{"web"}, nil}, // no provider
}

// auditedMachines are those that roles name, and one for all others.
var auditedMachines = []string{"148e21ea7e46e8", "bastion", "cold-shape-2007", "cold-sun", "m1", "M1", "m2", "m22", "old-bastion"}

// An auditedRole is a role with statements, in which ACME, RIVAL, GHOST and OTHER stand for
// providers as principals, AUD and SUB for keys of acme's, and WEB for the action.
type auditedRole struct {
	name, statements string
	// refused says that IAM refuses the policy, so that it is in no account.
	refused bool
	// key is one that AWS sets, with values both ways; "APP" is the app's name.
	key    string
	values []string
}

const (
	office = `"IpAddress":{"aws:SourceIp":"192.0.2.0/24"}`
	ofAWS  = `"StringEquals":{AUD:"sts.amazonaws.com"}`
)

// bothSides are addresses in and out of the office.
var bothSides = []string{"192.0.2.7", "203.0.113.9"}

func allows(principal string, conditions ...string) string {
	return `{"Effect":"Allow","Principal":{` + principal + `},"Action":"WEB","Condition":{` + strings.Join(conditions, ",") + `}}`
}

func denies(conditions ...string) string {
	return `,{"Effect":"Deny","Principal":{ACME},"Action":"WEB","Condition":{` + strings.Join(conditions, ",") + `}}`
}

// acmeRole is a role that requires the audience of AWS of acme's tokens.
func acmeRole(name string, conditions ...string) auditedRole {
	all := strings.Join(conditions, ",")
	if equals := `"StringEquals":{`; strings.Contains(all, equals) {
		all = strings.Replace(all, equals, equals+`AUD:"sts.amazonaws.com",`, 1)
	} else {
		all = strings.Join(append(conditions, ofAWS), ",")
	}
	return auditedRole{name: name, statements: allows("ACME", all)}
}

func (r auditedRole) and(statement string) auditedRole {
	r.statements += statement
	return r
}

func (r auditedRole) with(key string, values ...string) auditedRole {
	r.key, r.values = key, values
	return r
}

// ways are the values of the key to judge with; one if there is no key.
func (r auditedRole) ways() []string {
	if r.key == "" {
		return []string{""}
	}
	return r.values
}

func (r auditedRole) isRefused() auditedRole {
	r.refused = true
	return r
}

// document is the trust policy.
func (r auditedRole) document() string {
	provider := func(account, org string) string {
		return `"arn:aws:iam::` + account + `:oidc-provider/oidc.fly.io/` + org + `"`
	}
	acme, rival := provider(account, "acme"), provider(account, "rival")
	statements := strings.NewReplacer(
		"ACME", `"Federated":`+acme, "RIVAL", `"Federated":`+rival, "BOTH", `"Federated":[`+acme+","+rival+"]",
		"GHOST", `"Federated":`+provider(account, "ghost"), "OTHER", `"Federated":`+provider("210987654321", "acme"),
		"AUD", `"oidc.fly.io/acme:aud"`, "SUB", `"oidc.fly.io/acme:sub"`, "WEB", "sts:AssumeRoleWithWebIdentity",
	).Replace(r.statements)
	version := "2012-10-17"
	if strings.HasPrefix(r.name, "version-2008") {
		version = "2008-10-17"
	}
	return `{"Version":"` + version + `","Statement":[` + statements + `]}`
}

var auditedRoles = []auditedRole{
	// Subjects.
	acmeRole("one-app", `"StringLike":{SUB:"acme:web:*"}`),
	acmeRole("shared", `"StringLike":{SUB:["acme:admin:*","acme:api:*","acme:tenant:*","acme:tenant-1:*","acme:tenant-2:*","acme:web-shop:*","acme:worker:*"]}`),
	acmeRole("tenants", `"StringLike":{SUB:"acme:tenant-*:*"}`),
	acmeRole("prefix-without-colon", `"StringLike":{SUB:"acme:web*"}`),
	acmeRole("prefix-cut-short", `"StringLike":{SUB:"acme:w*"}`),
	acmeRole("every-app", `"StringLike":{SUB:"acme:*"}`),
	acmeRole("everything", `"StringLike":{SUB:"*"}`),
	acmeRole("no-subject"),
	acmeRole("question-mark", `"StringLike":{SUB:"acme:tenant-?:*"}`),
	acmeRole("mixed-case", `"StringLike":{SUB:"Acme:Web:*"}`),
	acmeRole("ignored-case", `"StringEqualsIgnoreCase":{SUB:"Acme:Web:M1"}`),
	acmeRole("all-but-one-ignored-case", `"StringNotEqualsIgnoreCase":{SUB:"Acme:Web:M1"}`),
	acmeRole("equals-with-wildcard", `"StringEquals":{SUB:["acme:web:*","acme:api:m1"]}`),
	acmeRole("escaped-wildcard", `"StringLike":{SUB:"acme:web:${*}"}`),
	acmeRole("version-2008-variable", `"StringLike":{SUB:["acme:${*}:m1","acme:api:*"]}`),
	acmeRole("two-conditions", `"StringLike":{SUB:"acme:*:m?"}`, `"StringNotLike":{SUB:"acme:tenant-*"}`),
	acmeRole("no-values", `"ForAnyValue:StringLike":{SUB:[]}`),

	// Machines.
	acmeRole("one-machine", `"StringEquals":{SUB:["acme:web:m1","acme:worker:m2"]}`),
	acmeRole("one-machine-of-every-app", `"StringLike":{SUB:"acme:*:bastion"}`),
	acmeRole("machine-without-app", `"StringLike":{SUB:"acme:*bastion"}`),
	acmeRole("machine-without-org", `"StringLike":{SUB:"*:m1"}`),
	acmeRole("machine-pattern", `"StringLike":{SUB:["acme:worker:cold-*","acme:api:m?"]}`),
	acmeRole("pattern-without-a-machine", `"StringLike":{SUB:"acme:worker:cold-*"}`).and(denies(`"StringEquals":{SUB:"acme:worker:cold-sun"}`)),
	acmeRole("pattern-within-pattern", `"StringLike":{SUB:"acme:worker:*m*"}`).and(denies(`"StringLike":{SUB:"acme:worker:m?"}`)),
	acmeRole("all-but-one-machine", `"StringNotEquals":{SUB:"acme:web:m1"}`),
	acmeRole("denied-machine", `"StringLike":{SUB:"acme:web:*"}`).and(denies(`"StringEquals":{SUB:["acme:web:bastion","acme:web:m1"]}`)),
	acmeRole("denied-to-others", `"StringLike":{SUB:"acme:web:*"}`).and(denies(`"StringNotEquals":{SUB:"acme:web:m1"}`)),
	acmeRole("machine-id", `"StringLike":{SUB:"acme:web:148e21ea7e46e8"}`),

	// Operators.
	acmeRole("not-like", `"StringNotLike":{SUB:["acme:tenant-*","acme:api:*"]}`),
	acmeRole("any-value", `"ForAnyValue:StringLike":{SUB:["acme:web:*","acme:api:m1"]}`),
	acmeRole("all-values", `"ForAllValues:StringLike":{SUB:"acme:web:*"}`),
	acmeRole("if-exists", `"StringLikeIfExists":{SUB:"acme:web:*"}`),
	acmeRole("any-value-if-exists", `"ForAnyValue:StringLikeIfExists":{SUB:"acme:web:*"}`),
	acmeRole("operator-in-lower-case", `"forallvalues:stringlike":{"OIDC.Fly.io/Acme:Sub":"acme:web:*"}`),
	acmeRole("null", `"Null":{SUB:"true"}`),
	acmeRole("not-null", `"Null":{SUB:"false"}`, `"StringLike":{SUB:"acme:web:*"}`),
	acmeRole("number", `"NumericEquals":{SUB:"1"}`),
	acmeRole("not-number", `"NumericNotEquals":{SUB:"1"}`),
	acmeRole("arn", `"ArnLike":{SUB:"arn:aws:iam::*:role/*"}`),

	// Audiences and keys.
	{name: "other-audience", statements: allows("ACME", `"StringEquals":{AUD:"vault"}`, `"StringLike":{SUB:"acme:web:*"}`)},
	{name: "unregistered-audience", statements: allows("ACME", `"StringEquals":{AUD:"https://fly.io/acme"}`, `"StringLike":{SUB:"acme:web:*"}`)},
	{name: "no-audience", statements: allows("ACME", `"StringLike":{SUB:"acme:web:*"}`)},
	{name: "audience-by-app", statements: allows("ACME", `"StringEquals":{AUD:"vault"}`, `"StringLike":{SUB:"acme:web:*"}`) + "," + allows("ACME", `"StringEquals":{AUD:"sts.amazonaws.com",SUB:["acme:web:m1","acme:api:m2"]}`)},
	acmeRole("other-organizations-key", `"StringLike":{"oidc.fly.io/rival:sub":"acme:web:*"}`),
	acmeRole("key-without-organization", `"StringLike":{"oidc.fly.io:sub":"acme:web:*"}`),
	acmeRole("other-key-if-exists", `"StringLikeIfExists":{"oidc.fly.io/rival:sub":"acme:web:*"}`),
	acmeRole("other-key-any-value-if-exists", `"ForAnyValue:StringLikeIfExists":{"oidc.fly.io/rival:sub":"acme:web:*"}`),
	acmeRole("other-key-negated", `"StringNotLike":{"oidc.fly.io/rival:sub":"acme:web:*"}`),
	acmeRole("unseen-claim", `"StringEquals":{"oidc.fly.io/acme:app_name":"web"}`),

	// Keys that AWS sets.
	acmeRole("office", office, `"StringLike":{SUB:"acme:web:*"}`).with("aws:SourceIp", bothSides...),
	acmeRole("machine-in-the-office", office, `"StringEquals":{SUB:"acme:web:m1"}`).with("aws:SourceIp", bothSides...),
	acmeRole("machine-or-office", `"StringEquals":{SUB:"acme:web:m1"}`).and(","+allows("ACME", office, `"StringLike":{SUB:["acme:web:*","acme:worker:m*","acme:api:*"]}`)).
		and(denies(`"StringEquals":{SUB:"acme:api:m1"}`)).with("aws:SourceIp", bothSides...),
	acmeRole("denied-out-of-the-office", `"StringLike":{SUB:"acme:web:*"}`).and(denies(`"NotIpAddress":{"aws:SourceIp":"192.0.2.0/24"}`)).with("aws:SourceIp", bothSides...),
	acmeRole("machine-denied-out-of-the-office", `"StringLike":{SUB:"acme:web:*"}`).
		and(denies(`"StringEquals":{SUB:"acme:web:m1"}`, `"NotIpAddressIfExists":{"aws:SourceIp":"192.0.2.0/24"}`)).with("aws:SourceIp", bothSides...),
	acmeRole("until", `"StringLike":{SUB:"acme:web:*"}`, `"DateLessThan":{"aws:CurrentTime":"2026-01-01T00:00:00Z"}`).with("aws:CurrentTime", "2025-06-01T00:00:00Z", "2026-06-01T00:00:00Z"),
	acmeRole("session", `"StringLike":{SUB:"acme:web:*","sts:RoleSessionName":"web-*"}`).with("sts:RoleSessionName", "web-1", "api-1"),
	acmeRole("session-without-claims", `"StringLikeIfExists":{"sts:RoleSessionName":"web-*"}`).with("sts:RoleSessionName", "web-1", "api-1"),
	acmeRole("variable", `"StringLike":{SUB:"acme:${aws:PrincipalTag/app}:*"}`).with("aws:PrincipalTag/app", "APP", "none"),

	// Principals, actions and denials.
	{name: "other-organization", statements: allows("RIVAL", `"StringLike":{"oidc.fly.io/rival:sub":["rival:api:*","rival:tenant-1:m1"]}`)},
	{name: "other-organization-by-our-provider", statements: allows("ACME", ofAWS, `"StringLike":{SUB:"rival:web:*"}`)},
	{name: "our-subject-by-their-provider", statements: allows("RIVAL", `"StringLike":{"oidc.fly.io/rival:sub":["acme:web:*","rival:web:*"]}`)},
	{name: "no-provider", statements: allows("GHOST", `"StringLike":{"oidc.fly.io/ghost:sub":"ghost:web:*"}`)},
	{name: "other-account", statements: allows("OTHER", ofAWS, `"StringLike":{SUB:"acme:web:*"}`)},
	{name: "two-organizations", statements: allows("ACME", ofAWS, `"StringLike":{SUB:"acme:web:*"}`) + "," + allows("RIVAL", `"StringLike":{"oidc.fly.io/rival:sub":"rival:tenant-*:*"}`)},
	{name: "two-organizations-in-one", statements: allows("BOTH", `"StringLike":{SUB:"acme:web:*","oidc.fly.io/rival:sub":"rival:web:*"}`)},
	{name: "two-organizations-if-exists", statements: allows("BOTH", `"StringLikeIfExists":{SUB:"acme:web:*","oidc.fly.io/rival:sub":"rival:web:*"}`)},
	{name: "account", statements: allows(`"AWS":"123456789012"`, `"StringLikeIfExists":{SUB:"acme:web:*"}`)},
	{name: "role", statements: allows(`"AWS":"arn:aws:iam::210987654321:role/deployer"`, `"StringLikeIfExists":{SUB:"acme:web:*"}`)},
	{name: "role-or-app", statements: allows(`"AWS":"arn:aws:iam::210987654321:role/deployer",ACME`, `"StringLikeIfExists":{SUB:"acme:web:*"}`)},
	{name: "service", statements: allows(`"Service":"lambda.amazonaws.com"`, `"StringLikeIfExists":{SUB:"acme:web:*"}`)},
	{name: "anyone-in-aws", statements: allows(`"AWS":"*"`, `"StringLike":{SUB:"acme:web:*"}`)},
	{name: "anyone", statements: strings.Replace(allows("ACME", ofAWS, `"StringLike":{SUB:"acme:web:*"}`), "{ACME}", `"*"`, 1), refused: true},
	{name: "any-provider", statements: allows(`"Federated":"*"`, ofAWS, `"StringLike":{SUB:"acme:web:*"}`), refused: true},
	{name: "any-provider-of-fly", statements: allows(`"Federated":"arn:aws:iam::123456789012:oidc-provider/oidc.fly.io/*"`, `"StringLike":{SUB:"acme:web:*"}`)},
	{name: "all-but-a-role", statements: strings.Replace(allows(`"AWS":"arn:aws:iam::210987654321:role/deployer"`, ofAWS, `"StringLike":{SUB:"acme:web:*"}`), `"Principal"`, `"NotPrincipal"`, 1), refused: true},
	acmeRole("denied-to-all-but", `"StringLike":{SUB:"acme:web:*"}`).and(`,{"Effect":"Deny","NotPrincipal":{ACME},"Action":"WEB"}`).isRefused(),
	acmeRole("denied-to-all-but-another", `"StringLike":{SUB:"acme:web:*"}`).and(`,{"Effect":"Deny","NotPrincipal":{RIVAL},"Action":"WEB"}`).isRefused(),
	acmeRole("denied-app", `"StringLike":{SUB:"acme:*"}`).and(denies(`"StringLike":{SUB:["acme:web:*","acme:tenant*"]}`)),
	acmeRole("denied-to-other-apps", `"StringLike":{SUB:"acme:*"}`).and(denies(`"StringNotLike":{SUB:["acme:web:*","acme:api:m1"]}`)),
	acmeRole("denied-to-all", `"StringLike":{SUB:"acme:web:*"}`).and(denies()),
	acmeRole("denied-to-rivals", `"StringLike":{SUB:"acme:web:*"}`).and(`,{"Effect":"Deny","Principal":{RIVAL},"Action":"WEB"}`),
	acmeRole("denied-tags", `"StringLike":{SUB:"acme:web:*"}`).and(`,{"Effect":"Deny","Principal":{ACME},"Action":"sts:TagSession"}`),
	acmeRole("denied-account", `"StringLike":{SUB:"acme:web:*"}`).and(`,{"Effect":"Deny","Principal":{"AWS":"123456789012"},"Action":"WEB"}`),
	acmeRole("denied-anyone", `"StringLike":{SUB:"acme:web:*"}`).and(`,{"Effect":"Deny","Principal":{"AWS":"*"},"Action":"WEB"}`),
	{name: "other-action", statements: strings.Replace(allows("ACME", ofAWS, `"StringLike":{SUB:"acme:web:*"}`), "WEB", "sts:AssumeRole", 1)},
	{name: "action-with-wildcard", statements: strings.Replace(allows("ACME", ofAWS, `"StringLike":{SUB:"acme:web:*"}`), "WEB", "STS:assumerolewith*", 1)},
	{name: "not-action", statements: strings.Replace(allows("ACME", ofAWS, `"StringLike":{SUB:"acme:web:*"}`), `"Action":"WEB"`, `"NotAction":"sts:AssumeRole"`, 1)},
}

// An auditedCell is the access of machines of an app to a role, in the words of audit --json.
type auditedCell struct {
	Org, App, Access string
	Machines, Except []string
}

type audited struct {
	Apps  []struct{ Org, Name string }
	Roles []struct {
		Name string
		Apps []auditedCell
	}
}

// verdict is what the cells say about a machine of an app: allowed, undecided or denied.
func (a audited) verdict(role, org, app, machine string) string {
	like := func(pattern string) bool { ok, err := path.Match(pattern, machine); return ok && err == nil }
	verdict := "denied"
	for _, r := range a.Roles {
		if r.Name != role {
			continue
		}
		for _, c := range r.Apps {
			everyMachine := c.Access == "all" || c.Access == "undecided" && len(c.Machines) == 0
			switch {
			case c.Org != org || c.App != app || slices.ContainsFunc(c.Except, like) || !everyMachine && !slices.ContainsFunc(c.Machines, like):
			case c.Access == "all" || c.Access == "some":
				return "allowed"
			case c.Access == "undecided":
				verdict = c.Access
			}
		}
	}
	return verdict
}

// explained are the verdicts on a role where the two differ, with AWS's documents.
var explained = map[string]struct{ audit, judge, why string }{
	"anyone-in-aws":  {"undecided", "allowed", wildcards},
	"anyone":         {"undecided", "allowed", wildcards},
	"any-provider":   {"undecided", "denied", wildcards},
	"denied-anyone":  {"undecided", "denied", wildcards},
	"denied-account": {"allowed", "denied", noCredentials},
	"not-number":     {"undecided", "denied", dataTypes},

	"other-key-any-value-if-exists": {"allowed", "denied", ifExists},
}

const (
	// The principal "*" "is not supported in the principal element of a role trust policy":
	// whether it covers a web identity is not said.
	wildcards = "https://docs.aws.amazon.com/IAM/latest/UserGuide/access-analyzer-reference-policy-checks.html#access-analyzer-reference-policy-checks-error-role-trust-policy-unsupported-wildcard-in-principal"
	// The call "does not require the use of AWS security credentials": its caller is in no
	// account. iam-simulate takes the account of the provider's ARN for it.
	noCredentials = "https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html"
	// A value "must match the data type of the condition key and condition operator": whether
	// a negated operator is true of one that does not is not said.
	dataTypes = "https://docs.aws.amazon.com/IAM/latest/UserGuide/access-analyzer-reference-policy-checks.html#access-analyzer-reference-policy-checks-error-invalid-condition-data-type"
	// "If the condition key is not present, evaluate the condition element as true", after "any
	// condition operator name except the Null condition". iam-simulate looks at ForAnyValue alone.
	ifExists = "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html#Conditions_IfExists"
)

// A question is about a token for an audience.
type question struct{ role, org, app, machine, audience string }

// A judgment has iam-simulate's verdicts on each question, one for each of the role's ways.
type judgment map[question][]string

func judge(t *testing.T) judgment {
	t.Helper()
	var questions []question
	var requests []simulated
	for _, role := range auditedRoles {
		trust := json.RawMessage(role.document())
		eachMachine(func(org, app, machine string) {
			for _, audience := range []string{"sts.amazonaws.com", "vault"} {
				for _, value := range role.ways() {
					r := token("oidc.fly.io/"+org, map[string]string{"sub": org + ":" + app + ":" + machine, "aud": audience})
					r.Trust = trust
					if role.key != "" {
						r.Context[role.key] = strings.Replace(value, "APP", app, 1)
					}
					questions, requests = append(questions, question{role.name, org, app, machine, audience}), append(requests, r)
				}
			}
		})
	}
	j := judgment{}
	for i, verdict := range simulate(t, requests) {
		j[questions[i]] = append(j[questions[i]], verdict)
	}
	return j
}

func eachMachine(do func(org, app, machine string)) {
	for org, known := range auditedApps {
		for _, app := range known.apps {
			for _, machine := range auditedMachines {
				do(org, app, machine)
			}
		}
	}
}

// verdict is that on a machine with tokens for any of the audiences: undecided if it depends
// on the key that AWS sets.
func (j judgment) verdict(role, org, app, machine string, audiences []string) string {
	verdict := "denied"
	for _, audience := range audiences {
		of := j[question{role, org, app, machine, audience}]
		switch {
		case !slices.Contains(of, "Allowed"):
		case slices.ContainsFunc(of, func(v string) bool { return v != "Allowed" }):
			verdict = "undecided"
		default:
			return "allowed"
		}
	}
	return verdict
}

// compare requires that the audit and the judge agree on every machine of every app and role.
func (j judgment) compare(t *testing.T, a audited, roles []auditedRole, audiences func(org string) []string) {
	t.Helper()
	count := 0
	for _, known := range auditedApps {
		count += len(known.apps)
	}
	if len(a.Apps) != count {
		t.Errorf("the audit has the apps %v, %d are wanted", a.Apps, count)
	}
	for _, role := range roles {
		e, isExplained := explained[role.name]
		isUsed := false
		eachMachine(func(org, app, machine string) {
			got, want := a.verdict(role.name, org, app, machine), j.verdict(role.name, org, app, machine, audiences(org))
			switch {
			case got == want:
			case isExplained && got == e.audit && want == e.judge:
				isUsed = true
			default:
				t.Errorf("%s, %s:%s:%s: the audit says %s, iam-simulate %s", role.name, org, app, machine, got, want)
			}
		})
		if isExplained && !isUsed {
			t.Errorf("%s: there is no difference to explain by %s", role.name, e.why)
		}
	}
}

// TestAuditMatrix compares every cell of the matrix of an audit with iam-simulate, a judge
// that others wrote, machine by machine: in an account with providers, and in a file, which
// has none.
func TestAuditMatrix(t *testing.T) {
	t.Parallel()
	need(t, "git", "sh")
	j := judge(t)
	t.Run("file", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, "acme", "http://127.0.0.1:1", nil)
		var details []string
		for _, role := range auditedRoles {
			details = append(details, fmt.Sprintf(`{"RoleName":%q,"Arn":"arn:aws:iam::%s:role/%[1]s","Path":"/","AssumeRolePolicyDocument":%[3]s}`, role.name, account, role.document()))
		}
		w.write("account.json", `{"RoleDetailList":[`+strings.Join(details, ",")+`]}`)
		j.compare(t, w.audit("--input", "account.json"), auditedRoles, func(string) []string { return []string{"sts.amazonaws.com"} })
	})
	t.Run("account", func(t *testing.T) {
		t.Parallel()
		w := sandboxWorld(t, "acme")
		for org, known := range auditedApps {
			if known.audiences == nil {
				continue
			}
			if _, err := w.iam.CreateOpenIDConnectProvider(t.Context(), &iam.CreateOpenIDConnectProviderInput{Url: aws.String("https://oidc.fly.io/" + org), ClientIDList: known.audiences}); err != nil {
				t.Fatal(err)
			}
		}
		var roles []auditedRole
		for _, role := range auditedRoles {
			_, err := w.iam.CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: &role.name, AssumeRolePolicyDocument: aws.String(role.document())})
			var malformed *types.MalformedPolicyDocumentException
			switch {
			case role.refused && !errors.As(err, &malformed), !role.refused && err != nil:
				t.Errorf("%s: %v", role.name, err)
			case !role.refused:
				roles = append(roles, role)
			}
		}
		j.compare(t, w.audit(), roles, func(org string) []string { return auditedApps[org].audiences })
	})
}

// audit runs "fly-aws audit".
func (w *world) audit(args ...string) (a audited) {
	w.t.Helper()
	r := w.flyAWS(0, append([]string{"audit", "--json", "--fail-on", "never"}, args...)...)
	if err := json.Unmarshal([]byte(r.stdout), &a); err != nil {
		w.t.Fatalf("%v: %s", err, r)
	}
	return a
}
