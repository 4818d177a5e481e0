package awsapi_test

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/fly-aws/fly-aws/internal/audit"
	"github.com/fly-aws/fly-aws/internal/sandbox"
	"github.com/fly-aws/fly-aws/setup"
)

// audited makes an account with fly roles that trust acme, each with a managed and an inline
// policy, among others, and the provider.
func audited(t testing.TB, fly, others int) *world {
	t.Helper()
	x := newWorld(t, nil)
	ctx := context.Background()
	x.write(create(provider()))
	for i := range fly {
		app := fmt.Sprintf("app-%d", i)
		for _, r := range []setup.Resource{role(t, app), attached("fly-acme-"+app, readOnly), inline("fly-acme-"+app, document)} {
			x.write(create(r))
		}
	}
	ec2 := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	for i := range others {
		if _, err := x.raw.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String(fmt.Sprintf("server-%d", i)), AssumeRolePolicyDocument: &ec2}); err != nil {
			t.Fatal(err)
		}
	}
	return x
}

// Inventory is the same with and without permission to read the account's details.
func TestInventory(t *testing.T) {
	t.Parallel()
	x := audited(t, 3, 4)
	inv, err := x.open().Inventory(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if inv.Account != account || inv.Caller == "" || len(inv.Roles) != 3 || inv.Seen < 7 || !inv.ProvidersKnown || len(inv.Providers) != 1 || len(inv.Gaps) > 0 {
		t.Errorf("%+v", inv)
	}
	for _, r := range inv.Roles {
		if len(r.Policies) != 2 || r.Trust == nil {
			t.Errorf("%+v", r)
		}
	}
	if inv.Documents[readOnly].IsZero() {
		t.Errorf("documents are %v", inv.Documents)
	}
	x.faults(denyDetails)
	again, err := x.open().Inventory(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for _, list := range [][]audit.Role{inv.Roles, again.Roles} {
		for i := range list {
			list[i].MaxSession, list[i].Description = 0, "" // the details do not have them
		}
	}
	if !reflect.DeepEqual(inv, again) {
		t.Errorf("one by one:\n%+v\nand in pages:\n%+v", again, inv)
	}
}

// What cannot be read is a gap; if nothing can, an error.
func TestInventoryGaps(t *testing.T) {
	t.Parallel()
	x := audited(t, 3, 4)
	refuse := func(from int, actions ...string) func(sandbox.Call) sandbox.Fault {
		seen := 0
		return func(c sandbox.Call) sandbox.Fault {
			for _, action := range actions {
				if c.Action == action {
					if seen++; seen > from {
						return sandbox.Refuse(http.StatusBadRequest, "ValidationError", "not today")
					}
				}
			}
			return sandbox.Fault{}
		}
	}
	x.faults(refuse(0, "ListOpenIDConnectProviders"))
	inv, err := x.open().Inventory(context.Background())
	if err != nil || inv.ProvidersKnown || len(inv.Gaps) != 1 || inv.Gaps[0].Code != audit.GapProviders || inv.Gaps[0].Reason == "" {
		t.Errorf("%+v, %v", inv.Gaps, err)
	}
	x.faults(refuse(0, "GetAccountAuthorizationDetails"))
	if _, err := x.open().Inventory(context.Background()); err == nil {
		t.Error("no error without any role")
	}
	x = newWorld(t, &sandbox.World{PageLimit: 2})
	for _, app := range []string{"a", "b", "c", "d"} {
		x.write(create(role(t, app)))
	}
	x.faults(refuse(2, "GetAccountAuthorizationDetails"))
	inv, err = x.open().Inventory(context.Background())
	if err != nil || len(inv.Roles) == 0 || len(inv.Gaps) != 1 || !inv.Gaps[0].IsPartial() {
		t.Errorf("%d roles, %+v, %v", len(inv.Roles), inv.Gaps, err)
	}
}

// A large account takes a twentieth of the calls that reading it role by role would, which is
// three a role at least: its trust policy, and its attached and inline policies.
func TestInventoryTakesFewCalls(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it makes a thousand roles")
	}
	const fly, others = 60, 935 // with those of AWS, as many as IAM allows
	x := audited(t, fly, others)
	calls := x.actions(func() {
		inv, err := x.open().Inventory(context.Background())
		if err != nil || len(inv.Roles) != fly || inv.Seen < fly+others {
			t.Errorf("%d roles of %d: %v", len(inv.Roles), inv.Seen, err)
		}
	})
	if most := 3 * (fly + others) / 20; len(calls) > most {
		t.Errorf("%d calls, more than %d", len(calls), most)
	}
	t.Logf("%d calls", len(calls))
}

func BenchmarkInventory(b *testing.B) {
	x := audited(b, 60, 935)
	for b.Loop() {
		inv, err := x.open().Inventory(context.Background())
		if err != nil || len(audit.Audit(audit.Input{Inventory: inv}).Roles) != 60 {
			b.Fatal(err)
		}
	}
}
