package audit_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fly-aws/fly-aws/internal/audit"
	"github.com/fly-aws/fly-aws/setup"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

const account = "123456789012"

var now = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

func document(t *testing.T, text string) setup.Document {
	t.Helper()
	d, err := setup.ParseDocument([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// role is a role that lets in subjects of acme, with an inline policy.
func role(t *testing.T, name, permissions string, subjects ...string) audit.Role {
	t.Helper()
	trust, err := trustpolicy.Parse([]byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::` + account +
		`:oidc-provider/oidc.fly.io/acme"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"oidc.fly.io/acme:aud":"sts.amazonaws.com"},"StringLike":{"oidc.fly.io/acme:sub":["` +
		strings.Join(subjects, `","`) + `"]}}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	r := audit.Role{Role: setup.Role{Name: name, Trust: trust}}
	if permissions != "" {
		r.Policies = []setup.RolePolicy{{Role: name, Name: "own", Document: document(t, permissions)}}
	}
	return r
}

const (
	reads    = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::files/*"}]}`
	writes   = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:PutObject","Resource":"arn:aws:s3:::files/*"}]}`
	anything = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`
)

func provider(audiences ...string) setup.Provider {
	return setup.Provider{ARN: trustpolicy.ProviderARN("aws", account, "acme"), URL: "https://oidc.fly.io/acme", Audiences: audiences}
}

func input(roles ...audit.Role) audit.Input {
	return audit.Input{Now: now, Inventory: audit.Inventory{
		Partition: "aws", Account: account, Roles: roles, Seen: 10, ProvidersKnown: true,
		Providers: []setup.Provider{provider("sts.amazonaws.com")},
	}}
}

func cells(r audit.Report) (out []string) {
	for _, c := range r.Cells {
		out = append(out, strings.Join(strings.Fields(fmt.Sprintf("%s:%s %s %s %s %s", c.App.Org, c.App.Name, c.Role, c.Access, strings.Join(c.Machines, ","), strings.Join(prefixed("-", c.Except), " "))), " "))
	}
	return out
}

func prefixed(prefix string, list []string) (out []string) {
	for _, s := range list {
		out = append(out, prefix+s)
	}
	return out
}

func findings(r audit.Report) (out []string) {
	for _, f := range r.Findings {
		rule := ""
		if f.Lint != nil {
			rule = f.Lint.Rule().ID
		}
		out = append(out, strings.Join(strings.Fields(fmt.Sprintf("%s %s %s %s %s %s %s %s", f.Severity, f.Code, f.Role, f.App.Name, f.Provider, f.Audience, strings.Join(f.Names, ","), rule)), " "))
	}
	return out
}

func TestMatrix(t *testing.T) {
	t.Parallel()
	in := input(
		role(t, "web", reads, "acme:web:*"),
		role(t, "pinned", writes, "acme:web:m1", "acme:api:cold-*"),
		role(t, "every", "", "acme:*"),
		role(t, "admin", anything, "acme:api:*"),
	)
	other := role(t, "office", reads, "acme:api:*")
	other.Role.Trust.Statements[0].Conditions = append(other.Role.Trust.Statements[0].Conditions, trustpolicy.Condition{Operator: "IpAddress", Key: "aws:SourceIp", Values: []string{"192.0.2.0/24"}})
	in.Roles = append(in.Roles, other)
	in.Declared = []audit.App{{Org: "acme", Name: "new"}}
	r := audit.Audit(in)
	want := []string{
		"acme:api every all", "acme:new every all", "acme:web every all",
		"acme:api admin all",
		"acme:api pinned some cold-*", "acme:web pinned some m1",
		"acme:api office undecided",
		"acme:web web all",
	}
	if got := cells(r); !slices.Equal(got, want) {
		t.Errorf("cells are\n%s", strings.Join(got, "\n"))
	}
	var powers []string
	for _, role := range r.Roles {
		powers = append(powers, role.Name+"="+string(role.Power))
	}
	if got := strings.Join(powers, " "); got != "every=none admin=administrator pinned=write office=read web=read" {
		t.Errorf("powers are %s", got)
	}
	// Without the provider, STS has nobody to verify a token with.
	in.Providers = nil
	if got := cells(audit.Audit(in)); len(got) > 0 {
		t.Errorf("without a provider: %v", got)
	}
	in.ProvidersKnown = false
	if got := cells(audit.Audit(in)); !slices.Equal(got, want) {
		t.Errorf("with unknown providers: %v", got)
	}
	// Nor does it take tokens for an audience that the provider lacks.
	in.ProvidersKnown, in.Providers = true, []setup.Provider{provider("vault")}
	if got := cells(audit.Audit(in)); len(got) > 0 {
		t.Errorf("with another audience: %v", got)
	}
}

// TestMachines: the machines that a policy names have cells of their own where they differ
// from the others.
func TestMachines(t *testing.T) {
	t.Parallel()
	const office = `"IpAddress":{"aws:SourceIp":"192.0.2.0/24"}`
	statement := func(effect, conditions string) string {
		return `{"Effect":"` + effect + `","Principal":{"Federated":"arn:aws:iam::` + account + `:oidc-provider/oidc.fly.io/acme"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{` + conditions + `}}`
	}
	like := func(subjects string) string { return `"StringLike":{"oidc.fly.io/acme:sub":[` + subjects + `]}` }
	for _, test := range []struct {
		name, statements, want string
	}{
		{"app and machine in one wildcard", statement("Allow", like(`"acme:*bastion"`)), "some *bastion"},
		{"organization, app and machine in one", statement("Allow", like(`"*-1"`)), "some *-1"},
		{"every organization", statement("Allow", like(`"*:m1","*:web?m2"`)), "some m1,m2,web?m2"},
		{"wildcard up to the machine", statement("Allow", like(`"acme:w*"`)), "all"},
		{"other case", statement("Allow", `"StringEqualsIgnoreCase":{"oidc.fly.io/acme:sub":"ACME:Web:M1"}`), "some M1,m1"},
		{"no wildcard in StringEquals", statement("Allow", `"StringEquals":{"oidc.fly.io/acme:sub":["acme:web:*","acme:web:m1"]}`), "some m1"},
		{"pattern in a pattern", statement("Allow", like(`"acme:web:cold-*","acme:web:cold-s*","acme:web:cold-sun"`)), "some cold-*"},
		{"all but one", statement("Allow", `"StringNotEquals":{"oidc.fly.io/acme:sub":"acme:web:m1"}`), "all -m1"},
		{"denied machine", statement("Allow", like(`"acme:web:*"`)) + "," + statement("Deny", like(`"acme:*:m1"`)), "all -m1"},
		{"denied pattern", statement("Allow", like(`"acme:web:*"`)) + "," + statement("Deny", like(`"acme:web:cold-*","acme:web:cold-sun"`)), "all -cold-*"},
		{"denied question mark", statement("Allow", like(`"acme:web:m*"`)) + "," + statement("Deny", like(`"acme:web:m?"`)), "some m* -m?"},
		{"denied in a pattern", statement("Allow", like(`"acme:web:cold-*"`)) + "," + statement("Deny", like(`"acme:web:cold-sun","acme:web:m1"`)), "some cold-* -cold-sun"},
		{"denied where two patterns meet", statement("Allow", like(`"acme:web:cold-*"`)) + "," + statement("Deny", like(`"acme:web:*-sun"`)), "some cold-* -cold-*-sun"},
		{"denied but for one", statement("Allow", like(`"acme:web:*"`)) + "," + statement("Deny", like(`"acme:web:cold-*"`)+`,"StringNotEquals":{"oidc.fly.io/acme:sub":"acme:web:cold-sun"}`), "all"},
		{"all but a pattern, and one that overlaps it", statement("Allow", `"StringNotLike":{"oidc.fly.io/acme:sub":"acme:web:cold-*"}`) + "," + statement("Allow", like(`"acme:web:c*n"`)), "all"},
		{"machine under conditions", statement("Allow", like(`"acme:web:m1"`)+","+office), "undecided m1"},
		{"denied under conditions", statement("Allow", like(`"acme:web:*"`)) + "," + statement("Deny", like(`"acme:web:m1"`)+","+office), "all -m1; undecided m1"},
		{"one for certain, all others under conditions", statement("Allow", like(`"acme:web:m1"`)) + "," + statement("Allow", like(`"acme:web:*"`)+","+office) + "," + statement("Deny", like(`"acme:web:m2"`)), "some m1; undecided -m2"},
		{"a name that no machine has", statement("Allow", like(`"acme:web:a b","acme:web:a:b","acme:web:${*}"`)), ""},
	} {
		trust, err := trustpolicy.Parse([]byte(`{"Version":"2012-10-17","Statement":[` + test.statements + `]}`))
		if err != nil {
			t.Fatal(err)
		}
		in := input(audit.Role{Role: setup.Role{Name: "role", Trust: trust}})
		in.Declared = []audit.App{{Org: "acme", Name: "web"}}
		var got []string
		for _, c := range cells(audit.Audit(in)) {
			if of, ok := strings.CutPrefix(c, "acme:web role "); ok {
				got = append(got, of)
			}
		}
		if got := strings.Join(got, "; "); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

// TestAppsOfPatterns: an app is of the organization whose provider vouches for it, whatever
// the subject's pattern says.
func TestAppsOfPatterns(t *testing.T) {
	t.Parallel()
	r := audit.Audit(input(role(t, "web", reads, "*:web:*", "acm?:api:*", "rival:web:*", "acme:UP:*")))
	if want := []audit.App{{Org: "acme", Name: "api"}, {Org: "acme", Name: "web"}}; !slices.EqualFunc(r.Apps, want, func(a, b audit.App) bool { return a.Org == b.Org && a.Name == b.Name }) {
		t.Errorf("apps are %v", r.Apps)
	}
	if got := cells(r); !slices.Equal(got, []string{"acme:api web all", "acme:web web all"}) {
		t.Errorf("cells are %v", got)
	}
}

func TestFindings(t *testing.T) {
	t.Parallel()
	old := role(t, "old", reads, "acme:gone:*")
	old.LastUsed = now.Add(-100 * 24 * time.Hour)
	anyone := audit.Role{Role: setup.Role{Name: "anyone"}}
	var err error
	if anyone.Trust, err = trustpolicy.Parse([]byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]}`)); err != nil {
		t.Fatal(err)
	}
	in := input(role(t, "web", reads, "acme:web:*"), role(t, "admin", anything, "acme:*"), old, anyone)
	in.Providers = append(in.Providers, setup.Provider{ARN: trustpolicy.ProviderARN("aws", account, "beta"), Audiences: []string{"sts.amazonaws.com"}})
	in.Providers[0].Audiences = append(in.Providers[0].Audiences, "vault")
	in.Apps = []audit.App{{Org: "acme", Name: "web", StaticKeys: []string{"AWS_ACCESS_KEY_ID"}}}
	in.FlyOrgs = []string{"acme"}
	want := []string{
		"error anyone anyone",
		"error administrator admin administrator",
		"warning every-app admin",
		"warning role-unused old",
		"warning unreached old",
		"warning app-absent old gone",
		"warning static-keys web AWS_ACCESS_KEY_ID",
		"warning audience-unused arn:aws:iam::123456789012:oidc-provider/oidc.fly.io/acme vault",
		"warning provider-unused arn:aws:iam::123456789012:oidc-provider/oidc.fly.io/beta",
	}
	if got := findings(audit.Audit(in)); !slices.Equal(got, want) {
		t.Errorf("findings are\n%s", strings.Join(got, "\n"))
	}
	// What was not seen makes no finding.
	in.FlyOrgs, in.Apps, in.Gaps = nil, nil, []audit.Gap{{Code: audit.GapRoles, Reason: "denied"}}
	for _, f := range findings(audit.Audit(in)) {
		if strings.Contains(f, "unreached") || strings.Contains(f, "absent") || strings.Contains(f, "unused arn") {
			t.Errorf("found without looking: %s", f)
		}
	}
}

// A policy whose document is unknown is a gap, not a role without permissions.
func TestUnreadPolicies(t *testing.T) {
	t.Parallel()
	r := role(t, "web", "", "acme:web:*")
	r.Policies = []setup.RolePolicy{{Role: "web", ARN: "arn:aws:iam::aws:policy/SecurityAudit"}, {Role: "web", ARN: "arn:aws:iam::aws:policy/AdministratorAccess"}}
	in := input(r)
	report := audit.Audit(in)
	if report.Roles[0].Power != audit.PowerAdministrator || len(report.Gaps) != 1 || report.Gaps[0].Code != audit.GapPolicies || !slices.Equal(report.Gaps[0].Names, []string{"arn:aws:iam::aws:policy/SecurityAudit"}) {
		t.Errorf("%s, gaps %+v", report.Roles[0].Power, report.Gaps)
	}
	r.Policies = r.Policies[:1]
	if report := audit.Audit(input(r)); report.Roles[0].Power != audit.PowerUnknown {
		t.Errorf("%s", report.Roles[0].Power)
	}
	in = input(r)
	in.Documents = map[string]setup.Document{"arn:aws:iam::aws:policy/SecurityAudit": document(t, reads)}
	if report := audit.Audit(in); report.Roles[0].Power != audit.PowerRead || len(report.Gaps) > 0 {
		t.Errorf("%s, gaps %+v", report.Roles[0].Power, report.Gaps)
	}
}
