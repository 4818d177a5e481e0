package sandbox_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/fly-aws/fly-aws/internal/sandbox"
)

// faultAt injects the fault into the first call of an action.
func faultAt(action string, fault sandbox.Fault) func(sandbox.Call) sandbox.Fault {
	done := false
	return func(c sandbox.Call) sandbox.Fault {
		if done || c.Action != action {
			return sandbox.Fault{}
		}
		done = true
		return fault
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		fault  sandbox.Fault
		code   string // "" for a broken connection
		words  string
		exists bool // the role, afterwards
	}{
		{"throttle", sandbox.Throttle(), "Throttling", "Rate exceeded", false},
		{"server error", sandbox.ServerError(), "ServiceFailure", "", false},
		{"deny", sandbox.Deny(), "AccessDenied", "User: arn:aws:iam::123456789012:user/sandbox is not authorized to perform: iam:CreateRole on resource: arn:aws:iam::123456789012:role/r because no identity-based policy allows the iam:CreateRole action", false},
		{"any refusal", sandbox.Refuse(409, "ConcurrentModification", "busy"), "ConcurrentModification", "busy", false},
		{"drop before", sandbox.DropBefore(), "", "", false},
		{"drop after", sandbox.DropAfter(), "", "", true},
		{"the first refusal counts", sandbox.Throttle().And(sandbox.Deny()), "Throttling", "", false},
		{"the earlier drop counts", sandbox.DropAfter().And(sandbox.DropBefore()), "", "", false},
		{"a refusal that is lost", sandbox.Throttle().And(sandbox.DropAfter()), "", "", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := sandbox.World{Fault: faultAt("CreateRole", test.fault)}
			s := start(t, &w)
			c, ctx := iamClient(s), context.Background()
			_, err := c.CreateRole(ctx, newRole("r", trustACME))
			if test.code != "" {
				refused(t, err, test.code, test.words)
			} else if !errors.Is(err, io.EOF) {
				t.Errorf("got %v, want a broken connection", err)
			}
			_, err = c.GetRole(ctx, &iam.GetRoleInput{RoleName: aws.String("r")})
			if test.exists != (err == nil) {
				t.Errorf("the role exists: %t, want %t", err == nil, test.exists)
			}
			calls := w.Calls()
			if len(calls) != 2 || calls[0].Code != test.code || (calls[0].Status == 0) != (test.code == "") {
				t.Errorf("got calls %+v", calls)
			}
		})
	}
}

func TestHooksRunAroundTheEffect(t *testing.T) {
	t.Parallel()
	var w sandbox.World
	var seen []string
	exists := func() string {
		for _, c := range w.Calls() {
			if c.Action == "CreateRole" && c.Status != 0 {
				return "answered"
			}
		}
		return "in progress"
	}
	hook := func(name string) func() {
		return func() { seen = append(seen, name+" "+exists()) }
	}
	first := sandbox.Fault{Before: hook("before 1"), After: hook("after 1")}
	w.Fault = faultAt("CreateRole", first.And(sandbox.Fault{Before: hook("before 2")}).And(sandbox.Fault{After: hook("after 2")}))
	s := start(t, &w)
	createRole(t, iamClient(s), "r")
	got := strings.Join(seen, ", ")
	if want := "before 1 in progress, before 2 in progress, after 1 in progress, after 2 in progress"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// A client that is killed does not stop its call, as with AWS.
func TestHookThatKillsTheClient(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	w := sandbox.World{Fault: faultAt("CreateRole", sandbox.Fault{Before: cancel})}
	s := start(t, &w)
	c := iamClient(s)
	if _, err := c.CreateRole(ctx, newRole("r", trustACME)); !errors.Is(err, context.Canceled) {
		// The response may already have been sent.
		if err != nil {
			t.Errorf("got %v", err)
		}
	}
	done := func() bool { return w.Calls()[0].Status != 0 }
	for deadline := time.Now().Add(5 * time.Second); !done() && time.Now().Before(deadline); {
		// Any other call takes time too.
		if _, err := c.ListAccountAliases(context.Background(), &iam.ListAccountAliasesInput{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.GetRole(context.Background(), &iam.GetRoleInput{RoleName: aws.String("r")}); err != nil {
		t.Error(err)
	}
}

func TestLatency(t *testing.T) {
	t.Parallel()
	const delay = 30 * time.Millisecond
	w := sandbox.World{Fault: faultAt("ListAccountAliases", sandbox.Latency(delay/2).And(sandbox.Latency(delay/2)))}
	s := start(t, &w)
	began := time.Now()
	if _, err := iamClient(s).ListAccountAliases(context.Background(), &iam.ListAccountAliasesInput{}); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < delay {
		t.Errorf("took %s, want at least %s", took, delay)
	}
}

// A long delay ends when the client disconnects or the server closes.
func TestLatencyEnds(t *testing.T) {
	t.Parallel()
	arrived := make(chan struct{}, 2)
	w := sandbox.World{Fault: func(sandbox.Call) sandbox.Fault {
		arrived <- struct{}{}
		return sandbox.Latency(time.Hour)
	}}
	s := start(t, &w)
	c := iamClient(s)

	ctx, cancel := context.WithCancel(context.Background())
	gone := make(chan error)
	call := func(ctx context.Context) {
		_, err := c.CreateRole(ctx, newRole("r", trustACME))
		gone <- err
	}
	go call(ctx)
	<-arrived
	cancel()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	go call(context.Background())
	<-arrived
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := <-gone; err == nil {
		t.Error("the call got a response")
	}
}

// The SDK recognizes the sandbox's throttling.
func TestSDKRetriesThrottling(t *testing.T) {
	t.Parallel()
	w := sandbox.World{Fault: func(c sandbox.Call) sandbox.Fault {
		switch c.N {
		case 1:
			return sandbox.Throttle()
		case 2:
			return sandbox.DropBefore()
		case 3:
			return sandbox.ServerError()
		}
		return sandbox.Fault{}
	}}
	s := start(t, &w)
	c := iamClient(s)
	_, err := c.ListAccountAliases(context.Background(), &iam.ListAccountAliasesInput{}, func(o *iam.Options) {
		o.Retryer = retry.NewStandard(func(r *retry.StandardOptions) {
			r.MaxAttempts = 4
			r.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 0, nil })
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	if calls := w.Calls(); len(calls) != 4 {
		t.Errorf("got %d calls, want 4", len(calls))
	}
}

func TestCalls(t *testing.T) {
	t.Parallel()
	var w sandbox.World
	s := acmeWorld(t, &w)
	token, err := w.Mint(webToken())
	token = ok(t, token, err)
	if _, err := assume(s, roleWeb, token); err != nil {
		t.Fatal(err)
	}
	_, _ = iamClient(s).GetRole(context.Background(), &iam.GetRoleInput{RoleName: aws.String("none")})
	calls := w.Calls()
	want := []struct {
		service, action string
		write           bool
		key, code       string
	}{
		{"iam", "CreateOpenIDConnectProvider", true, sandbox.AccessKeyID, ""},
		{"iam", "CreateRole", true, sandbox.AccessKeyID, ""},
		{"sts", "AssumeRoleWithWebIdentity", false, "", ""},
		{"iam", "GetRole", false, sandbox.AccessKeyID, "NoSuchEntity"},
	}
	if len(calls) != len(want) {
		t.Fatalf("got %d calls, want %d", len(calls), len(want))
	}
	for i, w := range want {
		c := calls[i]
		if c.N != i+1 || c.Service != w.service || c.Action != w.action || c.Write != w.write || c.AccessKeyID != w.key || c.Code != w.code || c.RequestID == "" {
			t.Errorf("got %+v, want %+v", c, w)
		}
		for name, values := range c.Params {
			if strings.Contains(strings.Join(values, ""), token) {
				t.Errorf("the parameter %s of %s holds the token", name, c.Action)
			}
		}
	}
	if got := calls[1].Params.Get("RoleName"); got != "fly-web" {
		t.Errorf("got %q", got)
	}
}
