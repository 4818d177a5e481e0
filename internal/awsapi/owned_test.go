package awsapi_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/fly-aws/fly-aws/internal/awsapi"
	"github.com/fly-aws/fly-aws/internal/flyname"
	"github.com/fly-aws/fly-aws/internal/sandbox"
	"github.com/fly-aws/fly-aws/setup"
)

var facts = setup.Facts{Partition: "aws", Account: account}

// denyDetails refuses GetAccountAuthorizationDetails.
func denyDetails(c sandbox.Call) sandbox.Fault {
	if c.Action == "GetAccountAuthorizationDetails" {
		return sandbox.Deny()
	}
	return sandbox.Fault{}
}

// Roles finds the wanted roles and those whose tags or trust policy name the
// organization, with all their policies, with or without permission to read the
// account's details.
func TestRoles(t *testing.T) {
	t.Parallel()
	for name, denied := range map[string]bool{"in pages": false, "one by one": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := newWorld(t, &sandbox.World{PageLimit: 3})
			for _, r := range whole(t) {
				x.write(create(r))
			}
			// Roles of others: one trusts the provider, one is wanted, one is neither.
			ec2 := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
			for role, document := range map[string]string{"theirs": trust(t, "api").String(), "wanted": ec2, "servers": ec2} {
				if _, err := x.raw.CreateRole(context.Background(), &iam.CreateRoleInput{RoleName: aws.String(role), AssumeRolePolicyDocument: &document}); err != nil {
					t.Fatal(err)
				}
			}
			more := []setup.Resource{
				attached("theirs", readOnly), inline("theirs", document), attached("wanted", readOnly), inline("wanted", document),
			}
			for _, r := range more {
				x.write(create(r))
			}
			if denied {
				x.faults(denyDetails)
			}
			got, err := x.open().Roles(context.Background(), facts, "acme", []setup.Role{{Name: "Wanted"}, {Name: "absent", MaxSession: 3600}})
			if err != nil {
				t.Fatal(err)
			}
			var ids []string
			for _, r := range got {
				ids = append(ids, r.ID())
				if p := r.Policy; p != nil && p.ARN == "" && p.Document.String() != document {
					t.Errorf("%s is %s", r.ID(), p.Document)
				}
			}
			want := []string{"role:theirs", "role:wanted"}
			for _, r := range append(more, whole(t)...) {
				want = append(want, r.ID())
			}
			if slices.Sort(ids); !slices.Equal(ids, slices.Sorted(slices.Values(want))) {
				t.Errorf("found %q, want %q", ids, want)
			}
			x.faults(func(sandbox.Call) sandbox.Fault { return sandbox.Deny() })
			_, err = x.open().Roles(context.Background(), facts, "acme", nil)
			isError[*awsapi.DeniedError](t, err)
			x.faults(func(c sandbox.Call) sandbox.Fault {
				if c.Action == "GetAccountAuthorizationDetails" || c.Action == "ListRoles" {
					return sandbox.Deny()
				}
				return sandbox.Fault{}
			})
			_, err = x.open().Roles(context.Background(), facts, "acme", nil)
			if e := errorAs[*awsapi.DeniedError](t, err); e.Action != "iam:GetAccountAuthorizationDetails" { // which is enough
				t.Errorf("denied is %q", e.Action)
			}
		})
	}
}

// The last use of a role and its instance profiles are known, and the maximum session
// duration of one that is wanted with it.
func TestDetailsOfRoles(t *testing.T) {
	t.Parallel()
	for name, denied := range map[string]bool{"in pages": false, "one by one": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			now := time.Now().UTC().Truncate(time.Second)
			x := newWorld(t, &sandbox.World{Now: func() time.Time { return now }, PageLimit: 1})
			web := role(t, "web")
			web.Role.MaxSession = 7200
			x.write(create(provider()), create(web), create(role(t, "api")))
			x.AddMachine("acme", "web", "quiet-sun-1234")
			token, err := x.Mint(sandbox.TokenRequest{Org: "acme", App: "web", Machine: "quiet-sun-1234", Audience: flyname.AudienceAWS})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := x.AssumeWithToken(context.Background(), web.Role.ARN, "session-1", token); err != nil {
				t.Fatal(err)
			}
			for _, profile := range []string{"servers-1", "servers-2"} {
				if _, err := x.raw.CreateInstanceProfile(context.Background(), &iam.CreateInstanceProfileInput{InstanceProfileName: &profile}); err != nil {
					t.Fatal(err)
				}
				if _, err := x.raw.AddRoleToInstanceProfile(context.Background(), &iam.AddRoleToInstanceProfileInput{
					InstanceProfileName: &profile, RoleName: &web.Role.Name,
				}); err != nil {
					t.Fatal(err)
				}
			}
			if denied {
				x.faults(denyDetails)
			}
			got, err := x.open().Roles(context.Background(), facts, "acme", []setup.Role{*web.Role, *role(t, "api").Role})
			if err != nil {
				t.Fatal(err)
			}
			used := map[string]time.Time{}
			for _, r := range got {
				if r.Role == nil {
					continue
				}
				used[r.Role.Name] = r.Role.LastUsed
				profiles := []string{"servers-1", "servers-2"}
				if r.Role.Name != web.Role.Name {
					profiles = nil
				}
				if !slices.Equal(r.Role.InstanceProfiles, profiles) {
					t.Errorf("%s is in the instance profiles %q, want %q", r.Role.Name, r.Role.InstanceProfiles, profiles)
				}
				if r.Role.Name == web.Role.Name && r.Role.MaxSession != 7200 {
					t.Errorf("the maximum session duration is %d", r.Role.MaxSession)
				}
			}
			if len(used) != 2 || !used[web.Role.Name].Equal(now) || !used["fly-acme-api"].IsZero() {
				t.Errorf("last used %v, want web at %v", used, now)
			}
		})
	}
}

func TestRolesOfManyAppsTakeFewCalls(t *testing.T) {
	t.Parallel()
	x := newWorld(t, nil)
	var want []setup.Role
	for i := range 300 {
		r := role(t, fmt.Sprint("app-", i))
		x.write(create(r))
		want = append(want, *r.Role)
	}
	want[0].MaxSession, want[1].MaxSession = 3600, 3600
	calls := x.actions(func() {
		got, err := x.open().Roles(context.Background(), facts, "acme", want)
		if err != nil || len(got) != len(want) {
			t.Errorf("got %d resources, %v", len(got), err)
		}
	})
	if !slices.Equal(calls, []string{"GetAccountAuthorizationDetails", "GetOpenIDConnectProvider", "GetRole", "GetRole"}) {
		t.Errorf("calls are %q", calls)
	}
}

// A plan for a whole request file reads the pages of roles once, and what the pages lack
// of a role only where the file sets it.
func TestPlanOfAFileTakesFewCalls(t *testing.T) {
	t.Parallel()
	x := newWorld(t, &sandbox.World{PageLimit: 25})
	ctx := context.Background()
	req := setup.Request{Org: "acme", File: "prod"}
	for i := range 300 {
		req.Roles = append(req.Roles, setup.RoleRequest{
			Apps: []setup.App{{Name: fmt.Sprint("app-", i)}}, Policies: []string{"AmazonS3ReadOnlyAccess"},
		})
	}
	plan := func() *setup.Plan {
		t.Helper()
		p, err := setup.World{AWS: x.open(), Clock: clock{}}.Plan(ctx, req)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	if _, err := (setup.World{AWS: x.open(), Clock: clock{}}).Apply(ctx, plan(), nil); err != nil {
		t.Fatal(err)
	}
	for sessions := range 3 {
		for i := range sessions {
			req.Roles[i].MaxSession = 3600
		}
		calls := x.actions(func() {
			if p := plan(); len(p.Pending())+len(p.Extras) > 0 {
				t.Errorf("the plan has %d changes and %d extras", len(p.Pending()), len(p.Extras))
			}
		})
		want := map[string]int{
			"GetCallerIdentity": 1, "GetOpenIDConnectProvider": 1, "GetAccountAuthorizationDetails": 13, "GetRole": sessions,
		}
		for action, n := range want {
			if count(calls, action) != n {
				t.Errorf("with %d maximum session durations, calls are %q, want %v", sessions, calls, want)
			}
		}
		if len(calls) != 15+sessions {
			t.Errorf("with %d maximum session durations, there are %d calls: %q", sessions, len(calls), calls)
		}
	}
}

// What Facts read for a request file serves one Roles, of the same organization and with
// roles that Facts asked for.
func TestFactsServeOneRolesOnly(t *testing.T) {
	t.Parallel()
	x := newWorld(t, nil)
	ctx := context.Background()
	req := hints{Roles: []string{"fly-acme-web", "fly-acme-absent"}}.request()
	req.File = "prod"
	x.write(create(role(t, "web")))
	for name, test := range map[string]struct {
		org   string
		roles []setup.Role
		pages int
	}{
		"the same":             {"acme", []setup.Role{*role(t, "web").Role, *role(t, "absent").Role}, 0},
		"another organization": {"other", nil, 1},
		"another role":         {"acme", []setup.Role{*role(t, "api").Role}, 1},
	} {
		a := x.open()
		if _, err := a.Facts(ctx, req); err != nil {
			t.Fatal(err)
		}
		for i, want := range []int{test.pages, 1} {
			calls := x.actions(func() {
				if _, err := a.Roles(ctx, facts, test.org, test.roles); err != nil {
					t.Error(err)
				}
			})
			if n := count(calls, "GetAccountAuthorizationDetails"); n != want {
				t.Errorf("%s: call %d of Roles read %d pages, want %d", name, i+1, n, want)
			}
		}
	}
}

// A policy's name does not mean AWS's policy only because a role that the request does
// not name has it.
func TestOtherRolesDoNotResolveNames(t *testing.T) {
	t.Parallel()
	x := newWorld(t, nil)
	ctx := context.Background()
	if _, err := x.raw.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: aws.String("ReadOnlyAccess"), PolicyDocument: aws.String(document)}); err != nil {
		t.Fatal(err)
	}
	x.write(create(role(t, "api")), create(attached("fly-acme-api", readOnly)))
	req := hints{Roles: []string{"fly-acme-web"}, Policies: []string{"ReadOnlyAccess"}}.request()
	req.File = "prod"
	_, err := x.open().Facts(ctx, req)
	isError[*awsapi.AmbiguousPolicyError](t, err)
}

// What Facts read for a Read is out of date after Roles.
func TestRolesReplaceWhatFactsRead(t *testing.T) {
	t.Parallel()
	x := newWorld(t, nil)
	ctx := context.Background()
	a := x.open()
	if _, err := a.Facts(ctx, hints{Roles: []string{"fly-acme-web"}}.request()); err != nil {
		t.Fatal(err)
	}
	x.write(create(role(t, "web")))
	if _, err := a.Roles(ctx, facts, "acme", nil); err != nil {
		t.Fatal(err)
	}
	if got, err := a.Read(ctx, []setup.Resource{role(t, "web")}); err != nil || len(got) != 1 {
		t.Errorf("got %d resources, %v", len(got), err)
	}
}

func TestPolicyDocument(t *testing.T) {
	t.Parallel()
	x := newWorld(t, nil)
	ctx := context.Background()
	created, err := x.raw.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: aws.String("mine"), PolicyDocument: aws.String(document)})
	if err != nil {
		t.Fatal(err)
	}
	mine := *created.Policy.Arn
	get := func(arn string) string {
		t.Helper()
		doc, err := x.PolicyDocument(ctx, arn)
		if err != nil {
			t.Errorf("%s: %v", arn, err)
		}
		return doc.String()
	}
	if got := get(mine); got != document {
		t.Errorf("got %s", got)
	}
	if got := get("arn:aws:iam::aws:policy/AdministratorAccess"); got == "" {
		t.Error("AdministratorAccess has no document")
	}
	if got := get(mine + "x"); got != "" {
		t.Errorf("a policy that does not exist is %s", got)
	}
	for _, action := range []string{"GetPolicy", "GetPolicyVersion"} {
		x.failFirst(1, action, sandbox.Deny())
		if got := get(mine); got != "" {
			t.Errorf("without %s, got %s", action, got)
		}
		x.failFirst(1, action, sandbox.Refuse(http.StatusBadRequest, "InvalidInput", "no"))
		_, err := x.PolicyDocument(ctx, mine)
		isError[*awsapi.CallError](t, err)
	}
}
