package render

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/fly-aws/fly-aws/internal/audit"
	"github.com/fly-aws/fly-aws/setup"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

// auditExample is an audit with one of everything, and hostile names.
func auditExample(t *testing.T) audit.Report {
	t.Helper()
	trust := func(statements string) *trustpolicy.Policy {
		p, err := trustpolicy.Parse([]byte(`{"Version":"2012-10-17","Statement":[` + statements + `]}`))
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	fly := func(subjects string) string {
		return `{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::123456789012:oidc-provider/oidc.fly.io/acme"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"oidc.fly.io/acme:aud":"sts.amazonaws.com"},"StringLike":{"oidc.fly.io/acme:sub":[` + subjects + `]}}}`
	}
	document := func(text string) setup.Document {
		d, err := setup.FoundDocument([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	role := func(name, statements string, policies ...setup.RolePolicy) audit.Role {
		return audit.Role{Role: setup.Role{Name: name, ARN: "arn:aws:iam::123456789012:role/" + name, Trust: trust(statements)}, Policies: policies}
	}
	old := role("old", fly(`"acme:gone:*","acme:web:m1"`), setup.RolePolicy{Role: "old", ARN: "arn:aws:iam::aws:policy/SecurityAudit"})
	old.LastUsed, old.Boundary = now.Add(-200*24*time.Hour), "arn:aws:iam::123456789012:policy/Limit"
	return audit.Audit(audit.Input{
		Now: now,
		Inventory: audit.Inventory{
			Partition: "aws", Account: "123456789012", Caller: "arn:aws:iam::123456789012:user/me", Seen: 40, ProvidersKnown: true,
			Providers: []setup.Provider{
				{ARN: trustpolicy.ProviderARN("aws", "123456789012", "acme"), URL: "https://oidc.fly.io/acme", Audiences: []string{"sts.amazonaws.com", "vault"}},
				{ARN: trustpolicy.ProviderARN("aws", "123456789012", "beta"), URL: "https://oidc.fly.io/beta", Audiences: []string{"sts.amazonaws.com"}},
			},
			Roles: []audit.Role{
				role("uploads", fly(`"acme:web:*"`), setup.RolePolicy{Role: "uploads", Name: "s3", Document: document(`{"Statement":[{"Effect":"Allow","Action":"s3:PutObject","Resource":["arn:aws:s3:::files/*","arn:aws:s3:::files","arn:aws:s3:::logs/*"]},{"Effect":"Deny","Action":"s3:DeleteObject","Resource":"*"}]}`)}),
				role("open", fly(`"acme:*"`)+`,{"Sid":"Ops","Effect":"Allow","Principal":{"AWS":"123456789012"},"Action":"sts:AssumeRole"}`, setup.RolePolicy{Role: "open", ARN: "arn:aws:iam::aws:policy/AdministratorAccess"}),
				role("tenants", fly(`"acme:tenant-*:*"`)),
				role(hostileRole, fly(`"acme:api:*"`)+`,{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}`),
				old,
			},
			Gaps: []audit.Gap{{Code: audit.GapRoles, Reason: "throttled\x1b[31m"}},
		},
		Apps:    []audit.App{{Org: "acme", Name: "api"}, {Org: "acme", Name: "web", StaticKeys: []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}}},
		FlyOrgs: []string{"acme"},
	})
}

func TestAudit(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	Audit(&out, auditExample(t), Style{})
	golden(t, "audit.txt", out.Bytes())
	if strings.Contains(out.String(), "\x1b") {
		t.Errorf("a control character:\n%q", &out)
	}
	out.Reset()
	if err := JSON(&out, NewAudit(auditExample(t))); err != nil {
		t.Fatal(err)
	}
	golden(t, "audit.json", out.Bytes())
	out.Reset()
	Audit(&out, audit.Report{Inventory: audit.Inventory{Account: "123456789012", Seen: 3}}, Style{})
	if out.String() != "AWS account 123456789012: 0 roles of 3 concern Fly\n\n✓ nothing found\n" {
		t.Errorf("%q", &out)
	}
}

// TestAuditWords: every kind of finding and gap has words.
func TestAuditWords(t *testing.T) {
	t.Parallel()
	for _, code := range []audit.FindingCode{
		audit.FindingAnyone, audit.FindingAdministrator, audit.FindingEveryApp, audit.FindingStaticKeys, audit.FindingAppAbsent, audit.FindingUnreached,
		audit.FindingRoleUnused, audit.FindingProviderUnused, audit.FindingAudienceUnused, audit.FindingDrift,
	} {
		if got := AuditWords(audit.Finding{Code: code}); got == string(code) {
			t.Errorf("%s has no words", code)
		}
	}
	for _, code := range []audit.GapCode{audit.GapRoles, audit.GapProviders, audit.GapPolicies, audit.GapFly, audit.GapDrift} {
		if got := gapWords(audit.Gap{Code: code}); got == string(code) {
			t.Errorf("%s has no words", code)
		}
	}
}

// TestCellWords: a reader sees which machines have access, and how certain that is.
func TestCellWords(t *testing.T) {
	t.Parallel()
	app := audit.App{Org: "acme", Name: "web"}
	for _, test := range []struct {
		cell audit.Cell
		want string
	}{
		{audit.Cell{Access: audit.AccessAll}, "acme:web"},
		{audit.Cell{Access: audit.AccessAll, Except: []string{"m1", "m2"}}, "acme:web (not m1, m2)"},
		{audit.Cell{Access: audit.AccessSome, Machines: []string{"cold-*"}, Except: []string{"cold-sun"}}, "acme:web (only cold-*; not cold-sun)"},
		{audit.Cell{Access: audit.AccessMaybe}, "acme:web (under conditions)"},
		{audit.Cell{Access: audit.AccessMaybe, Machines: []string{"m1"}}, "acme:web (only m1; under conditions)"},
	} {
		test.cell.App = app
		if got := cellWords(test.cell); got != test.want {
			t.Errorf("%q, want %q", got, test.want)
		}
	}
}
