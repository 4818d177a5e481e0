package awsapi_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/fly-aws/fly-aws/internal/awsapi"
	"github.com/fly-aws/fly-aws/internal/flyname"
	"github.com/fly-aws/fly-aws/internal/sandbox"
	"github.com/fly-aws/fly-aws/setup"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

const (
	account  = "123456789012"
	readOnly = "arn:aws:iam::aws:policy/ReadOnlyAccess"
	s3Read   = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
	document = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"}]}`
)

// A world is a running sandbox and an Account in it.
type world struct {
	*sandbox.World
	t      testing.TB
	server *sandbox.Server
	*awsapi.Account
	// raw is for calls that the package does not make.
	raw *iam.Client

	mu    sync.Mutex
	fault func(sandbox.Call) sandbox.Fault
}

// newWorld starts w, or a default sandbox when it is nil.
func newWorld(t testing.TB, w *sandbox.World, change ...func(*awsapi.Options)) *world {
	t.Helper()
	if w == nil {
		w = &sandbox.World{}
	}
	x := &world{World: w, t: t}
	w.Fault = func(c sandbox.Call) sandbox.Fault {
		x.mu.Lock()
		defer x.mu.Unlock()
		if x.fault == nil {
			return sandbox.Fault{}
		}
		return x.fault(c)
	}
	server, err := w.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Errorf("closing the sandbox: %v", err)
		}
	})
	x.server = server
	x.Account = x.open(change...)
	x.raw = iam.NewFromConfig(aws.Config{
		Region:       "us-east-1",
		BaseEndpoint: &server.AWSEndpoint,
		Credentials:  credentials.NewStaticCredentialsProvider(sandbox.AccessKeyID, sandbox.SecretAccessKey, ""),
	})
	return x
}

// open opens the account again, like another run of the program.
func (x *world) open(change ...func(*awsapi.Options)) *awsapi.Account {
	x.t.Helper()
	o := awsapi.Options{
		Endpoint:        x.server.AWSEndpoint,
		AccessKeyID:     sandbox.AccessKeyID,
		SecretAccessKey: sandbox.SecretAccessKey,
		Pause:           func(int) time.Duration { return 0 },
	}
	for _, f := range change {
		f(&o)
	}
	a, err := awsapi.Open(context.Background(), o)
	if err != nil {
		x.t.Fatal(err)
	}
	return a
}

// faults sets the function that injects faults.
func (x *world) faults(f func(sandbox.Call) sandbox.Fault) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.fault = f
}

// failFirst injects the fault into the first n calls of the action.
func (x *world) failFirst(n int, action string, fault sandbox.Fault) {
	x.faults(func(c sandbox.Call) sandbox.Fault {
		if c.Action == action && n > 0 {
			n--
			return fault
		}
		return sandbox.Fault{}
	})
}

// actions runs f and returns the actions of its calls, sorted.
func (x *world) actions(f func()) []string {
	before := len(x.Calls())
	f()
	var names []string
	for _, c := range x.Calls()[before:] {
		names = append(names, c.Action)
	}
	slices.Sort(names)
	return names
}

// write writes the changes in order.
func (x *world) write(changes ...setup.Change) {
	x.t.Helper()
	for _, c := range changes {
		if err := writeOne(context.Background(), x.Account, c); err != nil {
			x.t.Fatalf("writing %s: %v", c.Resource().ID(), err)
		}
	}
}

// writeOne writes one change, for its error.
func writeOne(ctx context.Context, a *awsapi.Account, c setup.Change) error {
	_, err := a.Write(ctx, c)
	return err
}

// read reads one resource as it is now; nil when it does not exist.
func (x *world) read(want setup.Resource) *setup.Resource {
	x.t.Helper()
	got, err := x.open().Read(context.Background(), []setup.Resource{want})
	if err != nil {
		x.t.Fatalf("reading %s: %v", want.ID(), err)
	}
	if len(got) == 0 {
		return nil
	}
	return &got[0]
}

func create(r setup.Resource) setup.Change {
	return setup.Change{Action: setup.ActionCreate, After: &r}
}

func update(before, after setup.Resource) setup.Change {
	return setup.Change{Action: setup.ActionUpdate, Before: &before, After: &after}
}

func provider() setup.Resource {
	return setup.Resource{Provider: &setup.Provider{
		ARN:       trustpolicy.ProviderARN("aws", account, "acme"),
		URL:       flyname.Issuer("acme"),
		Audiences: []string{flyname.AudienceAWS},
		Tags:      map[string]string{setup.TagOrg: "acme"},
	}}
}

// trust is a trust policy for the app.
func trust(t testing.TB, app string) *trustpolicy.Policy {
	t.Helper()
	s, err := trustpolicy.Build(trustpolicy.AppAccess{Partition: "aws", Account: account, Org: "acme", Apps: []string{app}})
	if err != nil {
		t.Fatal(err)
	}
	return trustpolicy.New(s)
}

func role(t testing.TB, app string) setup.Resource {
	t.Helper()
	return setup.Resource{Role: &setup.Role{
		ARN:         "arn:aws:iam::" + account + ":role/fly-acme-" + app,
		Name:        "fly-acme-" + app,
		Path:        "/",
		Description: "Fly app " + app,
		Trust:       trust(t, app),
		Tags:        map[string]string{setup.TagOrg: "acme", setup.TagApp: app},
	}}
}

func attached(role, arn string) setup.Resource {
	return setup.Resource{Policy: &setup.RolePolicy{Role: role, ARN: arn}}
}

// inline is the inline policy "own" of the role.
func inline(role, document string) setup.Resource {
	doc, err := setup.FoundDocument([]byte(document))
	if err != nil {
		panic(err)
	}
	return setup.Resource{Policy: &setup.RolePolicy{Role: role, Name: "own", Document: doc}}
}

// remove deletes a resource.
func remove(r setup.Resource) setup.Change {
	return setup.Change{Action: setup.ActionDelete, Before: &r}
}

// fleet writes the provider and n roles with a managed policy each, and returns
// them with the hints for a request.
func (x *world) fleet(n int) ([]setup.Resource, hints) {
	x.t.Helper()
	all := []setup.Resource{provider()}
	announced := hints{Policies: []string{"AmazonS3ReadOnlyAccess"}}
	for i := range n {
		r := role(x.t, fmt.Sprintf("app-%d", i))
		all = append(all, r, attached(r.Role.Name, s3Read))
		announced.Roles = append(announced.Roles, r.Role.Name)
	}
	for _, r := range all {
		x.write(create(r))
	}
	return all, announced
}

// isError fails the test unless err is of type E.
func isError[E error](t testing.TB, err error) {
	t.Helper()
	if want := errorAs[E](t, err); want.Error() == "" {
		t.Errorf("a %T without text", want)
	}
}

// errorAs returns err as an E, or fails the test.
func errorAs[E error](t testing.TB, err error) E {
	t.Helper()
	var want E
	if !errors.As(err, &want) {
		t.Fatalf("got the error %v (%T), want a %T", err, err, want)
	}
	return want
}

// hints are the roles and managed policies that a request names.
type hints struct{ Roles, Policies []string }

// request is a request that names them.
func (h hints) request() setup.Request {
	req := setup.Request{Org: "acme"}
	for _, name := range h.Roles {
		req.Roles = append(req.Roles, setup.RoleRequest{Name: name, Apps: []setup.App{{Name: name}}})
	}
	if len(h.Policies) > 0 && len(h.Roles) == 0 {
		req.Roles = []setup.RoleRequest{{Apps: []setup.App{{Name: "web"}}}}
	}
	if len(h.Policies) > 0 {
		req.Roles[0].Policies = h.Policies
	}
	return req
}
