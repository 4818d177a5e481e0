package setup

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// A World is what a job works on. Its methods do not change it.
type World struct {
	// AWS is nil for plans of fly.toml entries alone.
	AWS Account
	// Fly is nil where nobody is signed in; FlyProblem says why.
	Fly        Directory
	FlyProblem *FlyProblem
	// FlyRequired makes a failure of Fly an error. Otherwise it is a warning.
	FlyRequired bool
	Files       Target
	Clock       Clock
}

// A Target is a place that holds resources: an AWS account, a folder. Its methods
// may be called from several goroutines, for different resources.
type Target interface {
	// Read returns those of the resources that exist, as they are now, in any order.
	// Only the identifying fields of what is asked for count, but a role's MaxSession
	// and Description need be filled only where the role asked for has a MaxSession
	// (GetAccountAuthorizationDetails returns neither).
	Read(ctx context.Context, want []Resource) ([]Resource, error)

	// Check says why the changes could not be written, all problems joined, as far
	// as that can be found out without writing.
	Check(ctx context.Context, changes []Change) error

	// Write brings one resource from c.Before to c.After. What is already as c.After
	// says, or is gone already when it is to be deleted, counts as written. What is
	// neither like c.Before nor on the way to c.After is left alone, with a
	// *StaleError. When ctx ends, the call in flight is finished, since a write that
	// is cut off leaves an unknown state; no other call, attempt or pause begins, and
	// the error is ctx's.
	Write(ctx context.Context, c Change) error
}

// An Account is an AWS account as a World needs it.
type Account interface {
	Target
	// Facts finds whose account it is and the ARN of each managed policy that the
	// request names. It may read ahead what the next Read will ask for.
	Facts(ctx context.Context, req Request) (Facts, error)
	// Roles returns the roles whose tags name the organization or whose trust policy
	// names its provider, each with its policies, and the provider if it exists. A
	// role whose trust policy cannot be parsed is returned without one when the
	// provider's name is in its text. It fails when not every role can be read.
	Roles(ctx context.Context, facts Facts, scope Scope) ([]Resource, error)
	// TrustPolicyQuota returns the most characters that a trust policy may have in
	// the account; 0 when that is not known.
	TrustPolicyQuota(ctx context.Context) (int, error)
}

// A Directory is Fly as a World needs it. Errors that are Fly's are a *FlyProblem
// or wrap one.
type Directory interface {
	// Apps returns what Fly says of each of the apps. What is wrong with one app is
	// in its FlyApp; the error is one that concerns all.
	Apps(ctx context.Context, names []string) (map[string]FlyApp, error)
	// MachineToken has a running machine of the app mint a token, one of those
	// machines if any are named, and returns its claims.
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
	// Machine is the name of the machine that minted it.
	Machine         string
	Issuer, Subject string
	Audience        []string
}

// A State is what was found: the existing resources by their ID.
type State map[string]Resource

// find returns the resource in the state that has the ID of r; nil if there is none.
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
	return nil, errors.New("nothing here can read or write " + r.ID())
}

// each calls do with the values of each target, the targets in parallel.
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
