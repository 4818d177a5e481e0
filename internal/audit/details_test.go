package audit_test

import (
	"errors"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/fly-aws/fly-aws/internal/audit"
)

const detail = `{"Path":"/","RoleName":"web","RoleId":"AROA","Arn":"arn:aws:iam::123456789012:role/web","CreateDate":"2024-01-01T00:00:00+00:00",
"AssumeRolePolicyDocument":{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::123456789012:oidc-provider/oidc.fly.io/acme"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"oidc.fly.io/acme:aud":"sts.amazonaws.com"},"StringLike":{"oidc.fly.io/acme:sub":"acme:web:*"}}}]},
"InstanceProfileList":[],"RolePolicyList":[{"PolicyName":"own","PolicyDocument":"%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%7B%22Effect%22%3A%22Allow%22%2C%22Action%22%3A%22s3%3APutObject%22%2C%22Resource%22%3A%22%2A%22%7D%7D"}],
"AttachedManagedPolicies":[{"PolicyName":"P","PolicyArn":"arn:aws:iam::123456789012:policy/P"}],"Tags":[{"Key":"team","Value":"x"}],"RoleLastUsed":{"LastUsedDate":"2026-01-01T00:00:00+00:00","Region":"eu-central-1"}}`

const policies = `"Policies":[{"Arn":"arn:aws:iam::123456789012:policy/P","PolicyVersionList":[{"Document":{"Version":"2012-10-17","Statement":[]},"IsDefaultVersion":false},{"Document":` + anything + `,"IsDefaultVersion":true}]}]`

func TestReadDetails(t *testing.T) {
	t.Parallel()
	other := strings.NewReplacer("oidc.fly.io/acme", "token.actions.githubusercontent.com", `"web"`, `"ci"`).Replace(detail)
	inv, err := audit.ReadDetails(strings.NewReader(`{"UserDetailList":[{}],"RoleDetailList":[` + other + `,` + detail + `],` + policies + `}`))
	if err != nil {
		t.Fatal(err)
	}
	if inv.Account != account || inv.Partition != "aws" || inv.Seen != 2 || len(inv.Roles) != 1 || inv.ProvidersKnown || len(inv.Gaps) != 1 {
		t.Fatalf("%+v", inv)
	}
	report := audit.Audit(audit.Input{Inventory: inv, Now: now})
	role := report.Roles[0]
	if role.Name != "web" || role.Power != audit.PowerAdministrator || len(role.Unread) > 0 || role.Tags["team"] != "x" || role.LastUsed.IsZero() {
		t.Errorf("%+v", role)
	}
	if got := cells(report); !slices.Equal(got, []string{"acme:web web all"}) {
		t.Errorf("cells %q", got)
	}

	for _, bad := range []string{`[]`, `{}`, `{"RoleDetailList":{}}`, `"x"`, `{"RoleDetailList":[1]}`, `{"Role":{}}`} {
		if _, err := audit.ReadDetails(strings.NewReader(bad)); !errors.Is(err, audit.ErrNoDetails) {
			t.Errorf("%s: %v", bad, err)
		}
	}
	for _, bad := range []string{``, `{`, `{"RoleDetailList":[`, `x`, `{"RoleDetailList":[` + detail[:200]} {
		if _, err := audit.ReadDetails(strings.NewReader(bad)); err == nil {
			t.Errorf("%s: no error", bad)
		}
	}
}

// A large account is read one role at a time.
func TestReadLargeDetails(t *testing.T) {
	if testing.Short() {
		t.Skip("it reads 50 MB")
	}
	other := strings.NewReplacer("oidc.fly.io/acme", "token.actions.githubusercontent.com").Replace(detail)
	const size = 50 << 20
	readers := []io.Reader{strings.NewReader(`{"RoleDetailList":[` + detail)}
	for n := 0; n < size; n += len(other) {
		readers = append(readers, strings.NewReader(`,`+other))
	}
	readers = append(readers, strings.NewReader(`]}`))
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	inv, err := audit.ReadDetails(io.MultiReader(readers...))
	runtime.ReadMemStats(&after)
	if err != nil || len(inv.Roles) != 1 || inv.Seen < 20000 {
		t.Fatalf("%d roles, %d seen: %v", len(inv.Roles), inv.Seen, err)
	}
	if grown := int64(after.HeapSys) - int64(before.HeapSys); grown > 100<<20 {
		t.Errorf("the heap grew by %d MiB", grown>>20)
	}
}
