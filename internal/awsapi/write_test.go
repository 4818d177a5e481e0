package awsapi_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/fly-aws/fly-aws/internal/awsapi"
	"github.com/fly-aws/fly-aws/internal/flyname"
	"github.com/fly-aws/fly-aws/internal/sandbox"
	"github.com/fly-aws/fly-aws/setup"
)

// full is a role with all its fields set.
func full(t testing.TB) setup.Resource {
	r := role(t, "web")
	r.Role.Path = "/fly/"
	r.Role.ARN = "arn:aws:iam::" + account + ":role/fly/fly-acme-web"
	r.Role.MaxSession = 7200
	r.Role.Boundary = readOnly
	r.Role.Tags["team"] = "data"
	return r
}

func TestCreate(t *testing.T) {
	t.Parallel()
	x := newWorld(t, nil)
	all := []setup.Resource{
		provider(), full(t), attached("fly-acme-web", s3Read), inline("fly-acme-web", document),
	}
	for _, r := range all {
		x.write(create(r))
	}
	for _, c := range x.Calls() {
		if c.Params.Has("ThumbprintList.member.1") {
			t.Error("a thumbprint was sent")
		}
	}
	got, err := x.open().Read(context.Background(), all)
	if err != nil {
		t.Fatal(err)
	}
	sameResources(t, got, all)

	// A second run of the same plan changes nothing.
	for _, r := range all {
		if err := writeOne(context.Background(), x.open(), create(r)); err != nil {
			t.Errorf("writing %s again: %v", r.ID(), err)
		}
	}
}

// A create whose response is lost has happened; one whose request is lost has not.
// Both must end with one resource and no error.
func TestLostAnswers(t *testing.T) {
	t.Parallel()
	before := create(inline("fly-acme-web", document))
	for _, c := range []struct {
		action string
		change setup.Change
	}{
		{"CreateOpenIDConnectProvider", create(provider())},
		{"CreateRole", create(full(t))},
		{"AttachRolePolicy", create(attached("fly-acme-web", s3Read))},
		{"PutRolePolicy", before},
		{"UpdateAssumeRolePolicy", func() setup.Change {
			after := full(t)
			after.Role.Trust = trust(t, "web").Merge(trust(t, "api").Statements...)
			return update(full(t), after)
		}()},
	} {
		for name, fault := range map[string]sandbox.Fault{
			"answer": sandbox.DropAfter(), "request": sandbox.DropBefore(), "server error": sandbox.ServerError(),
		} {
			t.Run(c.action+" "+name, func(t *testing.T) {
				t.Parallel()
				x := newWorld(t, nil)
				if c.action != "CreateRole" {
					x.write(create(full(t)))
				}
				x.failFirst(1, c.action, fault)
				calls := x.actions(func() { x.write(c.change) })
				if n := count(calls, c.action); n != 2 {
					t.Errorf("%s was called %d times, want 2", c.action, n)
				}
				got := x.read(*c.change.After)
				if got == nil {
					t.Fatal("it does not exist")
				}
				sameResources(t, []setup.Resource{*got}, []setup.Resource{*c.change.After})
			})
		}
	}
}

func TestCreateOverSomethingElse(t *testing.T) {
	t.Parallel()
	other := map[string]func(r *setup.Role){
		"tags":     func(r *setup.Role) { r.Tags[setup.TagApp] = "api" },
		"no tags":  func(r *setup.Role) { r.Tags = nil },
		"trust":    func(r *setup.Role) { r.Trust = trust(t, "api") },
		"path":     func(r *setup.Role) { r.Path = "/other/" },
		"name":     func(r *setup.Role) { r.Name = "Fly-Acme-Web" },
		"boundary": func(r *setup.Role) { r.Boundary = "" },
		"session":  func(r *setup.Role) { r.MaxSession = 3600 },
	}
	for name, change := range other {
		t.Run("role "+name, func(t *testing.T) {
			t.Parallel()
			x := newWorld(t, nil)
			there := full(t)
			change(there.Role)
			x.write(create(there))
			err := writeOne(context.Background(), x.Account, create(full(t)))
			if e := errorAs[*setup.StaleError](t, err); e.Resource.ID() != "role:fly-acme-web" || e.Reason.Code != setup.ReasonExists {
				t.Errorf("got %+v", e)
			}
		})
	}
	t.Run("provider", func(t *testing.T) {
		t.Parallel()
		for _, change := range []func(*setup.Provider){
			func(p *setup.Provider) { p.Audiences = []string{"other"} },
			func(p *setup.Provider) { p.Tags = nil },
		} {
			x := newWorld(t, nil)
			there := provider()
			change(there.Provider)
			x.write(create(there))
			isError[*setup.StaleError](t, writeOne(context.Background(), x.Account, create(provider())))
		}
	})
	t.Run("inline policy", func(t *testing.T) {
		t.Parallel()
		x := newWorld(t, nil)
		x.write(create(full(t)), create(inline("fly-acme-web", strings.Replace(document, "Get", "Put", 1))))
		err := writeOne(context.Background(), x.open(), create(inline("fly-acme-web", document)))
		isError[*setup.StaleError](t, err)
	})
}

func TestAudiencesAreAdded(t *testing.T) {
	t.Parallel()
	x := newWorld(t, nil)
	before := provider()
	before.Provider.Audiences = []string{"https://fly.io/acme"}
	x.write(create(before))
	after := provider()
	after.Provider.Audiences = []string{"https://fly.io/acme", flyname.AudienceAWS}
	calls := x.actions(func() { x.write(update(before, after)) })
	if !slices.Equal(calls, []string{"AddClientIDToOpenIDConnectProvider"}) {
		t.Errorf("calls are %q", calls)
	}
	if got := x.read(after); !slices.Equal(got.Provider.Audiences, after.Provider.Audiences) {
		t.Errorf("audiences are %q", got.Provider.Audiences)
	}
}

func TestUpdateWritesOnlyWhatDiffers(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(r *setup.Role)
		call   string
	}{
		{"trust", func(r *setup.Role) { r.Trust = r.Trust.Merge(trust(t, "api").Statements...) }, "UpdateAssumeRolePolicy"},
		{"tag", func(r *setup.Role) { r.Tags[setup.TagAdopted] = "true" }, "TagRole"},
		{"boundary", func(r *setup.Role) { r.Boundary = s3Read }, "PutRolePermissionsBoundary"},
		{"session", func(r *setup.Role) { r.MaxSession = 3600 }, "UpdateRole"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			x := newWorld(t, nil)
			before, after := full(t), full(t)
			test.change(after.Role)
			x.write(create(before))
			change := update(before, after)
			calls := x.actions(func() { x.write(change) })
			if !slices.Equal(calls, []string{"GetRole", test.call}) {
				t.Errorf("calls are %q", calls)
			}
			sameResources(t, []setup.Resource{*x.read(after)}, []setup.Resource{after})
			// Again, as after an interrupted run.
			calls = x.actions(func() { x.write(change) })
			if !slices.Equal(calls, []string{"GetRole"}) {
				t.Errorf("the second time, calls are %q", calls)
			}
		})
	}
}

func TestAdoptKeepsWhatIsThere(t *testing.T) {
	t.Parallel()
	x := newWorld(t, nil)
	foreign := `{"Version":"2012-10-17","Statement":[{"Sid":"Keep","Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	if _, err := x.raw.CreateRole(context.Background(), &iam.CreateRoleInput{
		RoleName: aws.String("fly-acme-web"), AssumeRolePolicyDocument: &foreign,
		Description: aws.String("theirs"), PermissionsBoundary: aws.String(readOnly),
	}); err != nil {
		t.Fatal(err)
	}
	before := x.read(role(t, "web"))
	after := *before.Role
	after.Trust = before.Role.Trust.Merge(trust(t, "web").Statements...)
	after.Tags = map[string]string{setup.TagOrg: "acme", setup.TagAdopted: "true"}
	after.MaxSession = 7200
	x.write(setup.Change{Action: setup.ActionAdopt, Before: before, After: &setup.Resource{Role: &after}})
	got := x.read(role(t, "web"))
	sameResources(t, []setup.Resource{*got}, []setup.Resource{{Role: &after}})
	// moto clears a description that is not sent.
	if calls := x.Calls(); !slices.ContainsFunc(calls, func(c sandbox.Call) bool {
		return c.Action == "UpdateRole" && c.Params.Get("Description") == "theirs"
	}) {
		t.Error("UpdateRole was called without the description")
	}
	if _, ok := got.Role.Trust.Statement("Keep"); !ok || got.Role.Description != "theirs" || got.Role.Boundary != readOnly {
		t.Errorf("lost something of someone else's: %+v", got.Role)
	}
}

// IAM's documentation does not say what UpdateRole does with a description that is
// not sent, and moto clears it, so it is always sent.
func TestUpdateRoleSendsTheDescription(t *testing.T) {
	t.Parallel()
	x := newWorld(t, nil)
	before := role(t, "web")
	x.write(create(before))
	changed := *before.Role
	changed.MaxSession = 7200
	x.write(update(before, setup.Resource{Role: &changed}))
	for _, c := range x.Calls() {
		if c.Action == "UpdateRole" {
			if got := c.Params.Get("Description"); got != "Fly app web" {
				t.Errorf("UpdateRole sends the description %q", got)
			}
			return
		}
	}
	t.Error("UpdateRole was not called")
}

func TestStaleUpdates(t *testing.T) {
	t.Parallel()
	type client = *iam.Client
	name := aws.String("fly-acme-web")
	tests := []struct {
		what   string
		after  func(r *setup.Role)
		meddle func(client) error
	}{
		{"trust", func(r *setup.Role) { r.Trust = trust(t, "web").Merge(trust(t, "api").Statements...) }, func(c client) error {
			_, err := c.UpdateAssumeRolePolicy(context.Background(), &iam.UpdateAssumeRolePolicyInput{
				RoleName: name, PolicyDocument: aws.String(trust(t, "other").String()),
			})
			return err
		}},
		{"tag", func(r *setup.Role) { r.Tags["team"] = "web" }, func(c client) error {
			_, err := c.UntagRole(context.Background(), &iam.UntagRoleInput{RoleName: name, TagKeys: []string{"team"}})
			return err
		}},
		{"boundary", func(r *setup.Role) { r.Boundary = s3Read }, func(c client) error {
			_, err := c.DeleteRolePermissionsBoundary(context.Background(), &iam.DeleteRolePermissionsBoundaryInput{RoleName: name})
			return err
		}},
		{"session", func(r *setup.Role) { r.MaxSession = 3600 }, func(c client) error {
			_, err := c.UpdateRole(context.Background(), &iam.UpdateRoleInput{RoleName: name, MaxSessionDuration: aws.Int32(9000)})
			return err
		}},
		{"gone", func(r *setup.Role) { r.MaxSession = 3600 }, func(c client) error {
			_, err := c.DeleteRole(context.Background(), &iam.DeleteRoleInput{RoleName: name})
			return err
		}},
	}
	for _, test := range tests {
		t.Run(test.what, func(t *testing.T) {
			t.Parallel()
			x := newWorld(t, nil)
			x.write(create(full(t)))
			if err := test.meddle(x.raw); err != nil {
				t.Fatal(err)
			}
			after := full(t)
			after.Role.Tags[setup.TagAdopted] = "true" // must not be written either
			test.after(after.Role)
			calls := x.actions(func() {
				isError[*setup.StaleError](t, writeOne(context.Background(), x.open(), update(full(t), after)))
			})
			if !slices.Equal(calls, []string{"GetRole"}) {
				t.Errorf("calls are %q", calls)
			}
		})
	}
}

func TestStaleInlinePolicies(t *testing.T) {
	t.Parallel()
	x := newWorld(t, nil)
	before := inline("fly-acme-web", document)
	after := inline("fly-acme-web", strings.Replace(document, "Get", "List", 1))
	meant := strings.Replace(document, "Get", "Put", 1)
	x.write(create(full(t)), create(inline("fly-acme-web", meant)))
	isError[*setup.StaleError](t, writeOne(context.Background(), x.Account, update(before, after)))
	x.write(update(inline("fly-acme-web", meant), after))
	if _, err := x.raw.DeleteRolePolicy(context.Background(), &iam.DeleteRolePolicyInput{
		RoleName: aws.String("fly-acme-web"), PolicyName: aws.String("own"),
	}); err != nil {
		t.Fatal(err)
	}
	isError[*setup.StaleError](t, writeOne(context.Background(), x.Account, update(after, before)))
}

// IAM may not know a new role everywhere yet, and refuses concurrent changes.
func TestConsistencyIsWaitedFor(t *testing.T) {
	t.Parallel()
	noRole := sandbox.Refuse(http.StatusNotFound, "NoSuchEntity", "The role with name fly-acme-web cannot be found.")
	meeting := sandbox.Refuse(http.StatusConflict, "ConcurrentModification", "try again")

	x := newWorld(t, nil)
	x.write(create(role(t, "web")))
	x.failFirst(3, "AttachRolePolicy", noRole)
	x.write(create(attached("fly-acme-web", s3Read)))
	x.failFirst(3, "PutRolePolicy", noRole)
	x.write(create(inline("fly-acme-web", document)))

	after := role(t, "web")
	after.Role.Trust = trust(t, "web").Merge(trust(t, "api").Statements...)
	x.failFirst(2, "UpdateAssumeRolePolicy", meeting)
	calls := x.actions(func() { x.write(update(role(t, "web"), after)) })
	if n := count(calls, "GetRole"); n != 3 {
		t.Errorf("the trust policy was checked %d times before 3 tries", n)
	}

	// Waiting ends, and a role that this run did not create is not waited for.
	x.failFirst(1000, "AttachRolePolicy", noRole)
	calls = x.actions(func() {
		err := writeOne(context.Background(), x.Account, create(attached("fly-acme-web", readOnly)))
		if e := errorAs[*awsapi.CallError](t, err); e.Code != "NoSuchEntity" {
			t.Errorf("code is %q", e.Code)
		}
	})
	if len(calls) < 3 || len(calls) > 20 {
		t.Errorf("tried %d times", len(calls))
	}
	calls = x.actions(func() {
		if err := writeOne(context.Background(), x.open(), create(attached("fly-acme-web", readOnly))); err == nil {
			t.Error("no error")
		}
	})
	if len(calls) != 1 {
		t.Errorf("tried %d times for a role that is not new", len(calls))
	}
}

func TestWriteRefusesWhatIsNoChange(t *testing.T) {
	t.Parallel()
	x := newWorld(t, nil)
	r, p := role(t, "web"), provider()
	for _, c := range []setup.Change{
		{},
		{Action: setup.ActionUpdate, After: &r},
		{Action: setup.ActionUpdate, Before: &p, After: &r},
		{Action: setup.ActionKeep, Before: &r, After: &r},
		{Action: setup.ActionConflict, Before: &r, After: &r},
		{Action: setup.ActionCreate, After: &setup.Resource{}},
		{Action: setup.ActionCreate, After: &setup.Resource{Role: &setup.Role{Name: "x"}}},
		{Action: setup.ActionCreate, After: &setup.Resource{Env: &setup.Env{Key: "A"}}},
	} {
		if err := writeOne(context.Background(), x.Account, c); err == nil {
			t.Errorf("no error for %+v", c)
		}
	}
	if n := len(x.Calls()); n != 0 {
		t.Errorf("made %d calls", n)
	}
}

// A receipt has the request IDs of the calls that changed something, in order.
func TestReceipts(t *testing.T) {
	t.Parallel()
	x := newWorld(t, nil)
	ctx := context.Background()
	before, after := role(t, "web"), full(t)
	after.Role.Path, after.Role.ARN = before.Role.Path, before.Role.ARN
	after.Role.Trust = trust(t, "web").Merge(trust(t, "api").Statements...)
	// accepted are the request IDs of the successful writes among the calls from n on.
	accepted := func(n int) (ids []string) {
		for _, c := range x.Calls()[n:] {
			if c.Write && c.Status == http.StatusOK {
				ids = append(ids, c.RequestID)
			}
		}
		return ids
	}
	for _, test := range []struct {
		name   string
		change setup.Change
		refuse string // the action to refuse
		writes int
	}{
		{"a provider", create(provider()), "", 1},
		{"a role", create(before), "", 1},
		{"a role that is there", create(before), "", 0},
		{"an update that fails", update(before, after), "PutRolePermissionsBoundary", 2},
		{"the rest of it", update(before, after), "", 2},
		{"nothing to update", update(before, after), "", 0},
		{"an inline policy", create(inline("fly-acme-web", document)), "", 1},
		{"a deletion", remove(inline("fly-acme-web", document)), "", 1},
		{"a deletion again", remove(inline("fly-acme-web", document)), "", 0},
	} {
		x.faults(func(c sandbox.Call) sandbox.Fault {
			if c.Action == test.refuse {
				return sandbox.Deny()
			}
			return sandbox.Fault{}
		})
		n := len(x.Calls())
		receipt, err := x.Write(ctx, test.change)
		if (err != nil) != (test.refuse != "") {
			t.Errorf("%s: %v", test.name, err)
		}
		if want := accepted(n); len(want) != test.writes || !slices.Equal(receipt.RequestIDs, want) {
			t.Errorf("%s: the receipt has %q, want %d: %q", test.name, receipt.RequestIDs, test.writes, want)
		}
	}
	// A throttled attempt changed nothing.
	x.failFirst(1, "AttachRolePolicy", sandbox.Throttle())
	n := len(x.Calls())
	receipt, err := x.Write(ctx, create(attached("fly-acme-web", s3Read)))
	if want := accepted(n); err != nil || len(want) != 1 || !slices.Equal(receipt.RequestIDs, want) {
		t.Errorf("got %q, %v, want %q", receipt.RequestIDs, err, want)
	}
}
