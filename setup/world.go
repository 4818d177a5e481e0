package setup

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// A World is what plans are made for and applied to. Its methods do not change it.
type World struct {
	// AWS is nil for plans of fly.toml entries alone.
	AWS Account
	// Fly is nil without a sign-in to Fly; FlyProblem says why.
	Fly        Directory
	FlyProblem *FlyProblem
	// FlyRequired makes a failure of Fly an error instead of a warning.
	FlyRequired bool
	Files       Target
	Clock       Clock
}

// A Target holds resources: an AWS account or a folder. Its methods may be called from
// several goroutines, for different resources.
type Target interface {
	// Read returns those of the wanted resources that exist, as they are now, in any
	// order, and with each role all its policies. Only the identifying fields of want
	// matter, with one exception: a role's MaxSession and Description may be left out if
	// the wanted role has no MaxSession, because GetAccountAuthorizationDetails returns
	// neither.
	Read(ctx context.Context, want []Resource) ([]Resource, error)

	// Check reports why the changes cannot be written, as far as that can be known
	// without writing. The error joins all problems.
	Check(ctx context.Context, changes []Change) error

	// Write brings one resource from c.Before to c.After. It succeeds if the resource is
	// already as c.After, or already gone for a delete. If it is neither as c.Before nor
	// in between, Write leaves it alone and returns a *StaleError. When ctx ends, Write
	// finishes the call in flight, because an interrupted write leaves an unknown state;
	// it begins no other call, attempt or pause and returns ctx's error.
	Write(ctx context.Context, c Change) (Receipt, error)
}

// A Receipt identifies the calls of a write to whoever reads the logs.
type Receipt struct {
	// RequestIDs are AWS's IDs of the calls that changed something, in order, as in
	// CloudTrail's requestID.
	RequestIDs []string
}

// An Account is an AWS account.
type Account interface {
	Target
	// Facts identifies the account and resolves the managed policies that the request
	// names. It may prefetch what the next Read will want.
	Facts(ctx context.Context, req Request) (Facts, error)
	// Roles returns the roles whose tags name the organization, whose trust policy names
	// its provider, or whose name is in names, each with all its policies, and the
	// provider if it exists. If a trust policy cannot be parsed but its text contains the
	// provider's name, the role is returned without it. Roles fails if it cannot read
	// every role. MaxSession is as with Read, for the wanted roles.
	Roles(ctx context.Context, facts Facts, org string, want []Role) ([]Resource, error)
	// PolicyDocument returns the document of a managed policy's default version; the zero
	// Document if the caller may not read it.
	PolicyDocument(ctx context.Context, arn string) (Document, error)
	// TrustPolicyQuota returns the account's maximum length of a trust policy in
	// characters; 0 if unknown.
	TrustPolicyQuota(ctx context.Context) (int, error)
}

// A Directory looks up Fly apps. Its errors are or wrap a *FlyProblem.
type Directory interface {
	// Apps returns what Fly reports about each app. A problem with one app is in its
	// FlyApp; the error affects all of them.
	Apps(ctx context.Context, names []string) (map[string]FlyApp, error)
	// MachineToken has a running machine of the app mint a token and returns its claims.
	// If machines are named, it uses one of them.
	MachineToken(ctx context.Context, app string, machines []string, audience string) (MachineToken, error)
}

// A Clock tells the time and waits.
type Clock interface {
	Now() time.Time
	// Sleep waits for d or until ctx ends.
	Sleep(ctx context.Context, d time.Duration)
}

// A MachineToken holds the claims of a machine's token that a plan depends on.
type MachineToken struct {
	// Machine is the name of the machine.
	Machine         string
	Issuer, Subject string
	Audience        []string
}

// A State holds the existing resources by ID.
type State map[string]Resource

// find returns the resource with the ID of r, or nil.
func (s State) find(r Resource) *Resource {
	found, ok := s[r.ID()]
	if !ok {
		return nil
	}
	return &found
}

// target returns the target that holds the resource.
func (w World) target(r Resource) (Target, error) {
	switch {
	case r.Env != nil && w.Files != nil:
		return w.Files, nil
	case r.Env == nil && w.AWS != nil:
		return w.AWS, nil
	}
	return nil, errors.New("no target can read or write " + r.ID())
}

// each calls do for each target with its values, in parallel.
func each[T any](ctx context.Context, w World, all []T, resource func(T) Resource, do func(context.Context, Target, []T) error) error {
	var aws, files []T
	for _, v := range all {
		if resource(v).Env == nil {
			aws = append(aws, v)
		} else {
			files = append(files, v)
		}
	}
	g, gctx := errgroup.WithContext(ctx)
	for _, some := range [][]T{aws, files} {
		if len(some) == 0 {
			continue
		}
		target, err := w.target(resource(some[0]))
		if err != nil {
			return err
		}
		g.Go(func() error { return do(gctx, target, some) })
	}
	return g.Wait()
}

// read reads the resources.
func (w World) read(ctx context.Context, want []Resource) (State, error) {
	var mu sync.Mutex
	state := State{}
	err := each(ctx, w, want, func(r Resource) Resource { return r }, func(ctx context.Context, t Target, want []Resource) error {
		found, err := t.Read(ctx, want)
		mu.Lock()
		defer mu.Unlock()
		for _, r := range found {
			state[r.ID()] = r
		}
		return err
	})
	return state, err
}
