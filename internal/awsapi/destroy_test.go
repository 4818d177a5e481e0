package awsapi_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/fly-aws/fly-aws/internal/awsapi"
	"github.com/fly-aws/fly-aws/internal/sandbox"
	"github.com/fly-aws/fly-aws/setup"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

// whole is a provider and a role with policies.
func whole(t testing.TB) []setup.Resource {
	return []setup.Resource{provider(), full(t), attached("fly-acme-web", s3Read), inline("fly-acme-web", document)}
}

// Resources are deleted in the order that IAM allows, and one that is already gone
// counts as deleted.
func TestDelete(t *testing.T) {
	t.Parallel()
	x := newWorld(t, nil)
	all := whole(t)
	for _, r := range all {
		x.write(create(r))
	}
	// IAM refuses a role that has policies.
	err := writeOne(context.Background(), x.Account, remove(full(t)))
	if e := errorAs[*awsapi.CallError](t, err); e.Code != "DeleteConflict" {
		t.Errorf("got %v", err)
	}
	for range 2 {
		for _, r := range slices.Backward(all) {
			x.write(remove(r))
			if x.read(r) != nil {
				t.Errorf("%s is still there", r.ID())
			}
		}
	}
}

// IAM can still see deleted policies for a while; a role that it refuses to delete
// for another reason is not waited for.
func TestDeletedPoliciesAreWaitedFor(t *testing.T) {
	t.Parallel()
	x := newWorld(t, nil)
	conflict := sandbox.Refuse(http.StatusConflict, "DeleteConflict", "Cannot delete entity, must detach all policies first.")
	x.write(create(role(t, "web")), create(attached("fly-acme-web", s3Read)), remove(attached("fly-acme-web", s3Read)))
	x.failFirst(2, "DeleteRole", conflict)
	x.write(remove(role(t, "web")))

	x.write(create(role(t, "api")))
	x.failFirst(2, "DeleteRole", conflict)
	calls := x.actions(func() {
		err := writeOne(context.Background(), x.Account, remove(role(t, "api")))
		if e := errorAs[*awsapi.CallError](t, err); e.Code != "DeleteConflict" {
			t.Errorf("got %v", err)
		}
	})
	if n := count(calls, "DeleteRole"); n != 1 {
		t.Errorf("tried %d times", n)
	}
}

// A lost response is not a failure.
func TestDeleteLostAnswers(t *testing.T) {
	t.Parallel()
	for action, r := range map[string]setup.Resource{
		"DeleteOpenIDConnectProvider": provider(),
		"DeleteRole":                  role(t, "api"),
		"DetachRolePolicy":            attached("fly-acme-web", s3Read),
		"DeleteRolePolicy":            inline("fly-acme-web", document),
	} {
		for name, fault := range map[string]sandbox.Fault{
			"answer": sandbox.DropAfter(), "request": sandbox.DropBefore(), "server error": sandbox.ServerError(),
		} {
			t.Run(action+" "+name, func(t *testing.T) {
				t.Parallel()
				x := newWorld(t, nil)
				for _, r := range append(whole(t), role(t, "api")) {
					x.write(create(r))
				}
				x.failFirst(1, action, fault)
				if calls := x.actions(func() { x.write(remove(r)) }); count(calls, action) == 0 {
					t.Errorf("calls are %q", calls)
				}
				if x.read(r) != nil {
					t.Error("it is still there")
				}
			})
		}
	}
}

func TestStaleDeletes(t *testing.T) {
	t.Parallel()
	other := role(t, "web")
	other.Role.Trust = trust(t, "api")
	tagged := role(t, "web")
	tagged.Role.Tags = maps.Clone(tagged.Role.Tags)
	tagged.Role.Tags["team"] = "ops"
	audience := provider()
	audience.Provider.Audiences = []string{"other"}
	for name, test := range map[string]struct{ planned, there setup.Resource }{
		"another trust policy": {role(t, "web"), other},
		"another tag":          {role(t, "web"), tagged},
		"another audience":     {provider(), audience},
		"another document":     {inline("fly-acme-web", document), inline("fly-acme-web", strings.Replace(document, "Get", "Put", 1))},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := newWorld(t, nil)
			if test.there.Policy != nil {
				x.write(create(role(t, "web")))
			}
			x.write(create(test.there))
			calls := x.actions(func() {
				isError[*setup.StaleError](t, writeOne(context.Background(), x.open(), remove(test.planned)))
			})
			if len(calls) != 1 || !strings.HasPrefix(calls[0], "Get") {
				t.Errorf("calls are %q", calls)
			}
		})
	}
}

// An adopted role loses our statement, then our tags, and nothing else.
func TestStatementAndTagsAreRemoved(t *testing.T) {
	t.Parallel()
	x := newWorld(t, nil)
	foreign, err := trustpolicy.Parse([]byte(`{"Version":"2012-10-17","Statement":[{"Sid":"Keep","Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	there := role(t, "web")
	there.Role.Trust = foreign.Merge(trust(t, "web").Statements...)
	there.Role.Tags = map[string]string{"team": "ops", setup.TagOrg: "acme", "Fly-AWS:adopted": "true"}
	x.write(create(there))
	after := *there.Role
	after.Trust, after.Tags = foreign, map[string]string{"team": "ops"}
	var order []string
	x.faults(func(c sandbox.Call) sandbox.Fault {
		order = append(order, c.Action)
		return sandbox.Fault{}
	})
	x.write(update(there, setup.Resource{Role: &after}))
	if !slices.Equal(order, []string{"GetRole", "UpdateAssumeRolePolicy", "UntagRole"}) {
		t.Errorf("calls are %q", order)
	}
	got := x.read(there)
	if !got.Role.Trust.Equal(foreign) || !maps.Equal(got.Role.Tags, after.Tags) {
		t.Errorf("it became %s, %v", got.Role.Trust, got.Role.Tags)
	}
}

// clock does not wait.
type clock struct{}

func (clock) Now() time.Time                       { return time.Time{} }
func (clock) Sleep(context.Context, time.Duration) {}

// account lists the account's roles and providers as text.
func (x *world) account() string {
	x.t.Helper()
	ctx := context.Background()
	var out []string
	details, err := x.raw.GetAccountAuthorizationDetails(ctx, &iam.GetAccountAuthorizationDetailsInput{MaxItems: aws.Int32(1000)})
	if err != nil {
		x.t.Fatal(err)
	}
	for _, r := range details.RoleDetailList {
		out = append(out, fmt.Sprint(*r.RoleName, *r.AssumeRolePolicyDocument, policyNames(r.AttachedManagedPolicies), len(r.RolePolicyList), tagNames(r.Tags)))
	}
	providers, err := x.raw.ListOpenIDConnectProviders(ctx, &iam.ListOpenIDConnectProvidersInput{})
	if err != nil {
		x.t.Fatal(err)
	}
	for _, p := range providers.OpenIDConnectProviderList {
		got, err := x.raw.GetOpenIDConnectProvider(ctx, &iam.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: p.Arn})
		if err != nil {
			x.t.Fatal(err)
		}
		out = append(out, fmt.Sprint(*p.Arn, got.ClientIDList, tagNames(got.Tags)))
	}
	return strings.Join(out, "\n")
}

func policyNames(policies []iamtypes.AttachedPolicy) (names []string) {
	for _, p := range policies {
		names = append(names, *p.PolicyName)
	}
	return names
}

func tagNames(tags []iamtypes.Tag) (names []string) {
	for _, t := range tags {
		names = append(names, *t.Key+"="+*t.Value)
	}
	return names
}

// Setup, a destroy that is cut off at any of its writes, and another destroy leave
// IAM as it was.
func TestSetupThenDestroy(t *testing.T) {
	t.Parallel()
	policy, err := setup.NewInlinePolicy("own", "own.json", []byte(document))
	if err != nil {
		t.Fatal(err)
	}
	req := setup.Request{Org: "acme", Adopt: true, Roles: []setup.RoleRequest{
		{Apps: []setup.App{{Name: "web"}}, Policies: []string{"ReadOnlyAccess"}, Inline: []setup.InlinePolicy{policy}},
		{Apps: []setup.App{{Name: "api"}}, Name: "adopted"},
		{Apps: []setup.App{{Name: "job"}, {Name: "cron"}}, Name: "fly-shared", Tags: map[string]string{"team": "ops"}},
	}}
	const writes = 8 // the statement and the tags of one role, two policies, two roles, the provider
	for cut := range writes + 1 {
		for name, fault := range map[string]sandbox.Fault{"before": sandbox.Deny(), "after": sandbox.DropAfter()} {
			t.Run(fmt.Sprint(name, " ", cut), func(t *testing.T) {
				t.Parallel()
				ctx := context.Background()
				x := newWorld(t, nil)
				ec2 := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
				if _, err := x.raw.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("adopted"), AssumeRolePolicyDocument: &ec2}); err != nil {
					t.Fatal(err)
				}
				before := x.account()
				world := func() setup.World { return setup.World{AWS: x.open(), Clock: clock{}} }
				p, err := world().Plan(ctx, req)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := world().Apply(ctx, p, nil); err != nil {
					t.Fatal(err)
				}
				left, dead := cut, false
				x.faults(func(c sandbox.Call) sandbox.Fault {
					read := strings.HasPrefix(c.Action, "Get") || strings.HasPrefix(c.Action, "List")
					if read {
						return sandbox.Fault{}
					}
					if left--; left >= 0 {
						return sandbox.Fault{}
					}
					if dead {
						return sandbox.Deny() // the run was killed
					}
					dead = true
					return fault
				})
				for range 2 {
					p, err := world().PlanDestroy(ctx, setup.Scope{Org: "acme"})
					if err != nil {
						t.Fatal(err)
					}
					report, err := world().Apply(ctx, p, nil)
					if (err != nil) != (cut < writes && dead && len(p.Changes) > 0 && report.Count(setup.StatusFailed) > 0) {
						t.Fatal(err)
					}
					x.faults(nil)
				}
				if after := x.account(); after != before {
					t.Errorf("it was\n%s\nand is\n%s", before, after)
				}
				p, err = world().PlanDestroy(ctx, setup.Scope{Org: "acme"})
				if err != nil || len(p.Changes) > 0 {
					t.Errorf("a third plan has %d changes, %v", len(p.Changes), err)
				}
			})
		}
	}
}

// BenchmarkUnchangedPlan plans and applies 300 apps with nothing to do, at 100 ms a call.
func BenchmarkUnchangedPlan(b *testing.B) {
	x := newWorld(b, nil)
	ctx := context.Background()
	req := setup.Request{Org: "acme"}
	for i := range 300 {
		req.Roles = append(req.Roles, setup.RoleRequest{Apps: []setup.App{{Name: fmt.Sprint("app-", i)}}, Policies: []string{"AmazonS3ReadOnlyAccess"}})
	}
	run := func() *setup.Report {
		w := setup.World{AWS: x.open(), Clock: clock{}}
		p, err := w.Plan(ctx, req)
		if err != nil {
			b.Fatal(err)
		}
		report, err := w.Apply(ctx, p, nil)
		if err != nil {
			b.Fatal(err)
		}
		return report
	}
	run()
	x.faults(func(sandbox.Call) sandbox.Fault { return sandbox.Latency(100 * time.Millisecond) })
	for b.Loop() {
		if report := run(); report.Count(setup.StatusKept) != len(report.Results) {
			b.Fatal("something was to do")
		}
	}
}
