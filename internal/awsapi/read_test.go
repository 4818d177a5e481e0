package awsapi_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/fly-aws/fly-aws/internal/awsapi"
	"github.com/fly-aws/fly-aws/internal/sandbox"
	"github.com/fly-aws/fly-aws/setup"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

// observe runs Facts and then Read.
func observe(t testing.TB, a *awsapi.Account, h hints, want []setup.Resource) (setup.Facts, []setup.Resource) {
	t.Helper()
	facts, err := a.Facts(context.Background(), h.request())
	if err != nil {
		t.Fatal(err)
	}
	got, err := a.Read(context.Background(), want)
	if err != nil {
		t.Fatal(err)
	}
	return facts, got
}

// together makes the first calls wait for each other, in groups of these sizes.
func (x *world) together(groups ...int) {
	var gates []func()
	for _, n := range groups {
		var arrived sync.WaitGroup
		arrived.Add(n)
		gate := func() {
			arrived.Done()
			all := make(chan struct{})
			go func() { arrived.Wait(); close(all) }()
			select {
			case <-all:
			case <-time.After(20 * time.Second):
				x.t.Errorf("%d calls do not run in parallel", n)
			}
		}
		for range n {
			gates = append(gates, gate)
		}
	}
	x.faults(func(sandbox.Call) sandbox.Fault {
		if len(gates) == 0 {
			return sandbox.Fault{}
		}
		gate := gates[0]
		gates = gates[1:]
		return sandbox.Fault{Before: gate}
	})
}

func TestUnchangedAppTakesFiveCalls(t *testing.T) {
	t.Parallel()
	x := newWorld(t, nil)
	want := []setup.Resource{
		provider(), role(t, "web"), attached("fly-acme-web", readOnly), attached("fly-acme-web", s3Read),
	}
	for _, r := range want {
		x.write(create(r))
	}
	x.together(4)
	var facts setup.Facts
	var got []setup.Resource
	calls := x.actions(func() {
		facts, got = observe(t, x.open(), hints{
			Roles:    []string{"fly-acme-web"},
			Policies: []string{"ReadOnlyAccess", s3Read},
		}, want)
	})
	wantCalls := []string{"GetCallerIdentity", "GetOpenIDConnectProvider", "GetRole", "ListAttachedRolePolicies", "ListRolePolicies"}
	if !slices.Equal(calls, wantCalls) {
		t.Errorf("calls are %q, want %q", calls, wantCalls)
	}
	wantFacts := setup.Facts{
		Partition: "aws", Account: account, Caller: facts.Caller,
		Policies: map[string]string{"ReadOnlyAccess": readOnly, s3Read: s3Read},
	}
	if !reflect.DeepEqual(facts, wantFacts) || !strings.HasPrefix(facts.Caller, "arn:aws:iam::"+account+":") {
		t.Errorf("facts are %+v, want %+v", facts, wantFacts)
	}
	want[1].Role.MaxSession = 3600 // IAM's default
	sameResources(t, got, want)
}

// A role is read with all its policies, each once, also those that are not wanted.
func TestReadReturnsAllPolicies(t *testing.T) {
	t.Parallel()
	second := inline("fly-acme-web", document)
	second.Policy.Name = "second"
	all := []setup.Resource{
		role(t, "web"), attached("fly-acme-web", readOnly), attached("fly-acme-web", s3Read),
		inline("fly-acme-web", document), second,
	}
	for name, n := range map[string]int{"one by one": 0, "in pages": 20} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := newWorld(t, &sandbox.World{PageLimit: 30})
			want, announced := x.fleet(n)
			for _, r := range all {
				x.write(create(r))
			}
			announced.Roles, announced.Policies = append(announced.Roles, "fly-acme-web"), nil
			ask := append(slices.Clone(want[1:]), role(t, "web"), attached("fly-acme-web", readOnly), second)
			if n == 0 {
				x.together(4, 2) // the role, and then its inline policies
			}
			_, got := observe(t, x.open(), announced, ask)
			got = slices.DeleteFunc(got, func(r setup.Resource) bool {
				return r.Role != nil && r.Role.Name != "fly-acme-web" || r.Policy != nil && r.Policy.Role != "fly-acme-web"
			})
			for i, r := range got {
				if r.Role != nil {
					got[i].Role.Description, got[i].Role.MaxSession = all[0].Role.Description, 0
				}
			}
			sameResources(t, got, all)

			alone, err := x.open().Read(context.Background(), []setup.Resource{second})
			if err != nil {
				t.Fatal(err)
			}
			sameResources(t, alone, []setup.Resource{second})
		})
	}
}

// sameResources compares resources by ID, and trust policies by meaning.
func sameResources(t testing.TB, got, want []setup.Resource) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("got %d resources, want %d", len(got), len(want))
	}
	byID := map[string]setup.Resource{}
	for _, r := range got {
		byID[r.ID()] = r
	}
	for _, w := range want {
		g, ok := byID[w.ID()]
		if !ok {
			t.Errorf("%s is missing", w.ID())
			continue
		}
		if w.Role != nil {
			if !g.Role.Trust.Equal(w.Role.Trust) {
				t.Errorf("%s: trust policy is %s, want %s", w.ID(), g.Role.Trust, w.Role.Trust)
			}
			x, y := *g.Role, *w.Role
			x.Trust, y.Trust = nil, nil
			g, w = setup.Resource{Role: &x}, setup.Resource{Role: &y}
		}
		if !reflect.DeepEqual(g, w) {
			t.Errorf("%s is not as wanted:\n got %+v %+v %+v\nwant %+v %+v %+v", w.ID(),
				g.Provider, g.Role, g.Policy, w.Provider, w.Role, w.Policy)
		}
	}
}

func TestFleetIsReadInPages(t *testing.T) {
	t.Parallel()
	x := newWorld(t, &sandbox.World{PageLimit: 9})
	want, announced := x.fleet(20)
	// One more role with an inline policy, and one that does not exist.
	want = append(want, inline("fly-acme-app-3", document))
	x.write(create(want[len(want)-1]))
	announced.Roles = append(announced.Roles, "fly-acme-absent")
	ask := append(slices.Clone(want), role(t, "absent"), attached("fly-acme-absent", s3Read))

	var got []setup.Resource
	calls := x.actions(func() { _, got = observe(t, x.open(), announced, ask) })
	for _, name := range calls {
		switch name {
		case "GetCallerIdentity", "GetOpenIDConnectProvider", "GetAccountAuthorizationDetails":
		default:
			t.Errorf("unexpected call %s", name)
		}
	}
	if n := len(calls); n < 4 || n > 6 {
		t.Errorf("made %d calls: %q", n, calls)
	}
	// The account's details do not have these.
	for _, r := range want {
		if r.Role != nil {
			r.Role.Description = ""
		}
	}
	sameResources(t, got, want)
}

func TestFleetStopsWhenAllAreFound(t *testing.T) {
	t.Parallel()
	x := newWorld(t, &sandbox.World{PageLimit: 15})
	_, announced := x.fleet(40)
	slices.Sort(announced.Roles) // IAM's order
	announced.Roles = announced.Roles[:11]
	calls := x.actions(func() {
		if _, err := x.open().Facts(context.Background(), announced.request()); err != nil {
			t.Fatal(err)
		}
	})
	pages := count(calls, "GetAccountAuthorizationDetails")
	if pages != 1 {
		t.Errorf("read %d of the account's 3 pages, want 1", pages)
	}
}

func TestFleetWithoutPermissionForDetails(t *testing.T) {
	t.Parallel()
	x := newWorld(t, &sandbox.World{PageLimit: 1})
	want, announced := x.fleet(15)
	x.write(create(attached("fly-acme-app-0", readOnly))) // a second page of attachments
	want = append(want, attached("fly-acme-app-0", readOnly))
	x.faults(func(c sandbox.Call) sandbox.Fault {
		if c.Action == "GetAccountAuthorizationDetails" {
			return sandbox.Deny()
		}
		return sandbox.Fault{}
	})
	_, got := observe(t, x.open(), announced, want)
	for _, r := range want {
		if r.Role != nil {
			r.Role.MaxSession = 3600
		}
	}
	sameResources(t, got, want)
}

func TestMaxSessionOfFleet(t *testing.T) {
	t.Parallel()
	x := newWorld(t, nil)
	want, announced := x.fleet(12)
	want[1].Role.MaxSession = 7200 // the role has one hour
	var got []setup.Resource
	calls := x.actions(func() { _, got = observe(t, x.open(), announced, want) })
	if n := count(calls, "GetRole"); n != 1 {
		t.Errorf("asked for %d roles one by one, want 1", n)
	}
	for _, r := range got {
		if r.Role != nil && r.Role.Name == want[1].Role.Name && r.Role.MaxSession != 3600 {
			t.Errorf("maximum session duration is %d, want 3600", r.Role.MaxSession)
		}
	}
}

func count(names []string, name string) (n int) {
	for _, s := range names {
		if s == name {
			n++
		}
	}
	return n
}

func TestFactsServeOneReadOnly(t *testing.T) {
	t.Parallel()
	x := newWorld(t, nil)
	want, announced := x.fleet(1)
	a := x.open()
	observe(t, a, announced, want)
	if _, err := x.raw.UpdateRole(context.Background(), &iam.UpdateRoleInput{
		RoleName: &want[1].Role.Name, Description: aws.String("changed"),
	}); err != nil {
		t.Fatal(err)
	}
	got, err := a.Read(context.Background(), want[1:2])
	if err != nil {
		t.Fatal(err)
	}
	if got[0].Role.Description != "changed" {
		t.Errorf("the second Read gave the description %q", got[0].Role.Description)
	}
}

func TestReadOfNothing(t *testing.T) {
	t.Parallel()
	x := newWorld(t, nil)
	got, err := x.Read(context.Background(), []setup.Resource{
		provider(), role(t, "web"), attached("fly-acme-web", readOnly), inline("fly-acme-web", document),
	})
	if err != nil || len(got) != 0 {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestRoleKeepsItsOwnCase(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 20} { // one by one, and in pages
		x := newWorld(t, nil)
		_, announced := x.fleet(n)
		ask := []setup.Resource{}
		for _, name := range append(announced.Roles, "FLY-ACME-Web") {
			ask = append(ask, setup.Resource{Role: &setup.Role{Name: name}})
		}
		x.write(create(role(t, "web")))
		got, err := x.Read(context.Background(), ask)
		if err != nil {
			t.Fatal(err)
		}
		got = slices.DeleteFunc(got, func(r setup.Resource) bool { return r.Role == nil })
		if len(got) != n+1 || got[n].Role.Name != "fly-acme-web" {
			t.Errorf("with %d more roles, got %d", n, len(got))
		}
	}
}

// The error for a document that cannot be parsed names its role. The sandbox cannot
// have such a document, so another server returns one.
func TestUnreadableTrustPolicyNamesTheRole(t *testing.T) {
	t.Parallel()
	document := url.QueryEscape(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Effect":"Allow",` +
		`"Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}}`)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if action := r.FormValue("Action"); action != "GetRole" {
			fmt.Fprintf(w, `<%[1]sResponse><%[1]sResult></%[1]sResult></%[1]sResponse>`, action)
			return
		}
		fmt.Fprintf(w, `<GetRoleResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><GetRoleResult><Role>`+
			`<Path>/</Path><RoleName>fly-acme-web</RoleName><Arn>arn:aws:iam::%s:role/fly-acme-web</Arn>`+
			`<AssumeRolePolicyDocument>%s</AssumeRolePolicyDocument></Role></GetRoleResult></GetRoleResponse>`, account, document)
	}))
	t.Cleanup(server.Close)
	a, err := awsapi.Open(context.Background(), awsapi.Options{Endpoint: server.URL, AccessKeyID: "AKIANOBODY", SecretAccessKey: "x", Region: "us-east-1"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = a.Read(context.Background(), []setup.Resource{role(t, "web")})
	syntax := errorAs[*trustpolicy.SyntaxError](t, err)
	if !strings.Contains(err.Error(), `"fly-acme-web"`) || syntax.Line != 1 || syntax.Column == 0 {
		t.Errorf("error is %q on line %d, column %d", err, syntax.Line, syntax.Column)
	}
}

func TestReadRefusesOtherPlaces(t *testing.T) {
	t.Parallel()
	x := newWorld(t, nil)
	_, err := x.Read(context.Background(), []setup.Resource{{Env: &setup.Env{Config: "fly.toml", Key: "A"}}})
	if err == nil || len(x.Calls()) != 0 {
		t.Errorf("got the error %v after %d calls", err, len(x.Calls()))
	}
}

func TestCanceled(t *testing.T) {
	t.Parallel()
	x := newWorld(t, nil)
	want, announced := x.fleet(30)
	ctx, cancel := context.WithCancel(context.Background())
	start := time.Now()
	x.faults(func(sandbox.Call) sandbox.Fault {
		cancel()
		return sandbox.Latency(time.Minute) // ends when the client goes away
	})
	if _, err := x.Facts(ctx, announced.request()); !errors.Is(err, context.Canceled) {
		t.Errorf("Facts: %v", err)
	}
	if _, err := x.Read(ctx, want); !errors.Is(err, context.Canceled) {
		t.Errorf("Read: %v", err)
	}
	if err := writeOne(ctx, x.Account, create(role(t, "web"))); !errors.Is(err, context.Canceled) {
		t.Errorf("Write: %v", err)
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("a read was cut off after %v", took) // the timeout of a call is 20 seconds
	}
}

func TestTrustPolicyQuota(t *testing.T) {
	t.Parallel()
	x := newWorld(t, &sandbox.World{TrustPolicyQuota: 4096})
	if n, err := x.Account.TrustPolicyQuota(context.Background()); n != 4096 || err != nil {
		t.Errorf("got %d, %v", n, err)
	}
	x.faults(func(sandbox.Call) sandbox.Fault { return sandbox.Deny() })
	_, err := x.Account.TrustPolicyQuota(context.Background())
	isError[*awsapi.QuotaError](t, err)
	isError[*awsapi.DeniedError](t, err)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = x.Account.TrustPolicyQuota(ctx)
	var unread *awsapi.QuotaError
	if !errors.Is(err, context.Canceled) || errors.As(err, &unread) {
		t.Errorf("after the end of its context, got %v", err)
	}
}

func BenchmarkUnchangedFleet(b *testing.B) {
	for name, deny := range map[string]string{"pages": "", "one-by-one": "GetAccountAuthorizationDetails"} {
		b.Run(name, func(b *testing.B) {
			x := newWorld(b, nil)
			want, announced := x.fleet(100)
			x.faults(func(c sandbox.Call) sandbox.Fault {
				slow := sandbox.Latency(100 * time.Millisecond)
				if c.Action == deny {
					return slow.And(sandbox.Deny())
				}
				return slow
			})
			for b.Loop() {
				observe(b, x.open(), announced, want)
			}
		})
	}
}
