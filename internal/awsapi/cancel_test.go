package awsapi_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/fly-aws/fly-aws/internal/awsapi"
	"github.com/fly-aws/fly-aws/internal/sandbox"
	"github.com/fly-aws/fly-aws/setup"
)

// interrupt writes c, cancels the context during the first call of the action, with
// the fault, and returns the calls.
func (x *world) interrupt(action string, fault sandbox.Fault, c setup.Change) (calls []string, err error) {
	x.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	x.failFirst(1, action, sandbox.Fault{Before: cancel}.And(fault))
	// A pause that is not cut short fails the test.
	a := x.open(func(o *awsapi.Options) { o.Pause = func(int) time.Duration { return time.Hour } })
	calls = x.actions(func() { err = writeOne(ctx, a, c) })
	if ctx.Err() == nil {
		x.t.Errorf("%s was not called", action)
	}
	return calls, err
}

// A write in progress when ctx ends finishes, so that its outcome is known.
func TestWriteUnderWayIsFinished(t *testing.T) {
	t.Parallel()
	after := full(t)
	after.Role.Trust = after.Role.Trust.Merge(trust(t, "api").Statements...)
	for _, test := range []struct {
		action string
		there  []setup.Resource
		change setup.Change
		calls  []string
	}{
		{"CreateOpenIDConnectProvider", nil, create(provider()), nil},
		{"CreateRole", nil, create(full(t)), nil},
		{"AttachRolePolicy", []setup.Resource{full(t)}, create(attached("fly-acme-web", s3Read)), nil},
		{"PutRolePolicy", []setup.Resource{full(t)}, create(inline("fly-acme-web", document)), []string{"GetRolePolicy"}},
		{"UpdateAssumeRolePolicy", []setup.Resource{full(t)}, update(full(t), after), []string{"GetRole"}},
	} {
		t.Run(test.action, func(t *testing.T) {
			t.Parallel()
			x := newWorld(t, nil)
			for _, r := range test.there {
				x.write(create(r))
			}
			calls, err := x.interrupt(test.action, sandbox.Fault{}, test.change)
			if err != nil {
				t.Errorf("got %v for a write that was done", err)
			}
			if want := slices.Concat(test.calls, []string{test.action}); !slices.Equal(calls, want) {
				t.Errorf("calls are %q, want %q", calls, want)
			}
			got := x.read(*test.change.After)
			if got == nil {
				t.Fatal("it does not exist")
			}
			sameResources(t, []setup.Resource{*got}, []setup.Resource{*test.change.After})
		})
	}
}

// After ctx has ended, there are no retries and no pauses.
func TestNoAttemptAfterTheEnd(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]sandbox.Fault{
		"throttled":       sandbox.Throttle(),
		"server error":    sandbox.ServerError(),
		"request lost":    sandbox.DropBefore(),
		"answer lost":     sandbox.DropAfter(),
		"meets another":   sandbox.Refuse(http.StatusConflict, "ConcurrentModification", "try again"),
		"exists":          sandbox.Refuse(http.StatusConflict, "EntityAlreadyExists", "it does"),
		"denied for good": sandbox.Deny(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := newWorld(t, nil)
			calls, err := x.interrupt("CreateRole", fault, create(role(t, "web")))
			if !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
			if !slices.Equal(calls, []string{"CreateRole"}) {
				t.Errorf("calls are %q", calls)
			}
		})
	}
	t.Run("new role", func(t *testing.T) {
		t.Parallel()
		// This Account created the role, so that it would wait for IAM.
		x := newWorld(t, nil)
		x.write(create(role(t, "web")))
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		x.failFirst(1, "AttachRolePolicy", sandbox.Fault{Before: cancel}.And(sandbox.Refuse(http.StatusNotFound, "NoSuchEntity", "not yet")))
		calls := x.actions(func() {
			if err := writeOne(ctx, x.Account, create(attached("fly-acme-web", s3Read))); !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
		})
		if !slices.Equal(calls, []string{"AttachRolePolicy"}) {
			t.Errorf("calls are %q", calls)
		}
	})
}

// In a write of several calls, the one in progress is the last.
func TestNoCallAfterTheEnd(t *testing.T) {
	t.Parallel()
	after := full(t)
	after.Role.Tags[setup.TagAdopted] = "true"
	after.Role.Trust = after.Role.Trust.Merge(trust(t, "api").Statements...)
	after.Role.Boundary = s3Read
	after.Role.MaxSession = 3600
	all := []string{"GetRole", "TagRole", "UpdateAssumeRolePolicy", "PutRolePermissionsBoundary", "UpdateRole"}
	for i, action := range all {
		t.Run(action, func(t *testing.T) {
			t.Parallel()
			x := newWorld(t, nil)
			x.write(create(full(t)))
			calls, err := x.interrupt(action, sandbox.Fault{}, update(full(t), after))
			if last := i == len(all)-1; last != (err == nil) || !last && !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
			if want := slices.Sorted(slices.Values(all[:i+1])); !slices.Equal(calls, want) {
				t.Errorf("calls are %q, want %q", calls, want)
			}
			// The next run continues.
			x.write(update(full(t), after))
			sameResources(t, []setup.Resource{*x.read(after)}, []setup.Resource{after})
		})
	}
	t.Run("audiences", func(t *testing.T) {
		t.Parallel()
		x := newWorld(t, nil)
		x.write(create(provider()))
		more := provider()
		more.Provider.Audiences = append(more.Provider.Audiences, "one", "two")
		calls, err := x.interrupt("AddClientIDToOpenIDConnectProvider", sandbox.Fault{}, update(provider(), more))
		if !errors.Is(err, context.Canceled) || len(calls) != 1 {
			t.Errorf("got %v after %q", err, calls)
		}
		if got := x.read(more); !slices.Contains(got.Provider.Audiences, "one") || slices.Contains(got.Provider.Audiences, "two") {
			t.Errorf("audiences are %q", got.Provider.Audiences)
		}
	})
}

// IAM does not tell a role's tag keys apart by their case.
func TestTagKeysOfRolesFold(t *testing.T) {
	t.Parallel()
	x := newWorld(t, nil)
	there := role(t, "web")
	there.Role.Tags["Team"] = "x"
	x.write(create(there))

	// Only the case of a key differs.
	again := role(t, "web")
	again.Role.Tags["team"] = "x"
	if err := writeOne(context.Background(), x.open(), create(again)); err != nil {
		t.Errorf("creating it again: %v", err)
	}
	calls := x.actions(func() { x.write(update(role(t, "web"), again)) })
	if !slices.Equal(calls, []string{"GetRole"}) {
		t.Errorf("calls are %q", calls)
	}

	// A change of case by someone else is not a change, and the value is still
	// written.
	retag := func(key, value string) {
		if _, err := x.raw.TagRole(context.Background(), &iam.TagRoleInput{
			RoleName: &there.Role.Name, Tags: tags(key, value),
		}); err != nil {
			t.Fatal(err)
		}
	}
	retag("TEAM", "x")
	after := role(t, "web")
	after.Role.Tags["Team"] = "y"
	x.write(update(there, after))
	got := x.read(after).Role.Tags
	if len(got) != 3 || got["Team"] != "y" {
		t.Errorf("tags are %v", got)
	}
	// A changed value is a change, whatever the case of its key.
	retag("tEAM", "z")
	isError[*setup.StaleError](t, writeOne(context.Background(), x.Account, update(there, after)))
	isError[*setup.StaleError](t, writeOne(context.Background(), x.open(), create(again)))
}

// tags is a list of one tag.
func tags(key, value string) []iamtypes.Tag {
	return []iamtypes.Tag{{Key: aws.String(key), Value: aws.String(value)}}
}
