package setup

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/fly-aws/fly-aws/trustpolicy"
)

// A State is what was found: the existing resources by their ID.
type State map[string]Resource

// Observe reads the wanted resources, each place in parallel with the others.
// Its error is the targets' own.
func Observe(ctx context.Context, targets Targets, want []Resource) (State, error) {
	places := map[Place][]Resource{}
	for _, r := range want {
		places[r.Place()] = append(places[r.Place()], r)
	}
	var mu sync.Mutex
	state := State{}
	g, ctx := errgroup.WithContext(ctx)
	for place, resources := range places {
		target, ok := targets[place]
		if !ok {
			return nil, fmt.Errorf("nothing here can read what lives in the place %q", place)
		}
		g.Go(func() error {
			found, err := target.Read(ctx, resources)
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			for _, r := range found {
				state[r.ID()] = r
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return state, nil
}

// Status says how far a change came.
type Status string

// The states of a change; an Event may carry any but StatusUnreached and StatusKept.
const (
	StatusKept      Status = "kept"      // nothing was to be done, or not any more
	StatusStarted   Status = "started"   // it is being written
	StatusDone      Status = "done"      // it was written
	StatusFailed    Status = "failed"    // the write failed; what it left is not known
	StatusUnreached Status = "unreached" // it was not tried
)

// An Event tells of one change while a plan is applied.
type Event struct {
	// Index is the change's place in Plan.Changes.
	Index  int
	Change Change
	Status Status
	Err    error // of StatusFailed
}

// A Report says of every change of a plan what became of it, in the plan's order.
type Report struct {
	Results []Result
}

// A Result is one line of a Report.
type Result struct {
	Change Change
	Status Status
	Err    error // of StatusFailed
}

// Count returns how many changes have the status.
func (r Report) Count(s Status) int {
	n := 0
	for _, result := range r.Results {
		if result.Status == s {
			n++
		}
	}
	return n
}

// A ConflictError says that a plan cannot be applied for its conflicts.
type ConflictError struct {
	Conflicts []Change
}

func (e *ConflictError) Error() string {
	if len(e.Conflicts) == 1 {
		return "the plan has a conflict"
	}
	return fmt.Sprintf("the plan has %d conflicts", len(e.Conflicts))
}

// writers is how many changes are written at once. IAM's rates are unpublished;
// with adaptive retries under it, this many stays below throttling in practice.
const writers = 8

// Apply writes the pending changes: provider, then roles, then policies, then
// fly.toml entries. Before the first write it reads everything again, also what
// the plan keeps, and refuses a plan of which a resource is neither as it was
// found nor as planned, with a *StaleError.
//
// The first failure stops it, and so does the end of ctx; what has begun by then
// is finished. The report is complete in every case, and the error holds all
// failures, joined. notify, if not nil, is called for each change as it starts
// and ends, never twice at once.
func Apply(ctx context.Context, targets Targets, plan *Plan, notify func(Event)) (Report, error) {
	report := Kept(plan)
	for i, c := range plan.Changes {
		if c.Action != ActionKeep {
			report.Results[i].Status = StatusUnreached
		}
	}
	if conflicts := plan.Conflicts(); len(conflicts) > 0 {
		return report, &ConflictError{Conflicts: conflicts}
	}
	todo, err := recheck(ctx, targets, plan, &report)
	if err != nil {
		return report, err
	}
	a := applier{targets: targets, report: &report, notify: notify}
	for _, stage := range stages(plan, todo) {
		if err := a.stage(ctx, stage); err != nil {
			return report, err
		}
	}
	return report, nil
}

// Kept is the report of a plan in which nothing was to be done.
func Kept(plan *Plan) Report {
	report := Report{Results: make([]Result, len(plan.Changes))}
	for i, c := range plan.Changes {
		report.Results[i] = Result{Change: c, Status: StatusKept}
	}
	return report
}

// recheck reads everything again and returns the indexes of the changes that are
// still to be written.
func recheck(ctx context.Context, targets Targets, plan *Plan, report *Report) ([]int, error) {
	state, err := Observe(ctx, targets, plan.resources())
	if err != nil {
		return nil, err
	}
	var todo []int
	for i, c := range plan.Changes {
		now, exists := state[c.After.ID()]
		stale := func(reason string) error { return &StaleError{ID: c.After.ID(), Reason: reason} }
		switch {
		case exists && satisfies(now, *c.After):
			report.Results[i].Status = StatusKept
		case c.Action == ActionKeep && !exists, c.Before != nil && !exists:
			return nil, stale("it is gone")
		case c.Action == ActionKeep:
			return nil, stale("it is no longer as the plan found it")
		case !exists, c.Before != nil && onTheWay(now, *c.Before, *c.After):
			todo = append(todo, i)
		case c.Before == nil:
			return nil, stale("it exists by now")
		default:
			return nil, stale("it is no longer as the plan found it")
		}
	}
	return todo, nil
}

// resources returns what the plan's resources shall be.
func (p *Plan) resources() []Resource {
	var out []Resource
	for _, c := range p.Changes {
		out = append(out, *c.After)
	}
	return out
}

// stages splits indexes where the kind of resource changes: within one kind no
// resource needs another.
func stages(plan *Plan, indexes []int) [][]int {
	kind := func(i int) int {
		r := plan.Changes[i].After
		switch {
		case r.Provider != nil:
			return 0
		case r.Role != nil:
			return 1
		case r.Policy != nil:
			return 2
		}
		return 3
	}
	out := make([][]int, 4)
	for _, i := range indexes {
		out[kind(i)] = append(out[kind(i)], i)
	}
	return slices.DeleteFunc(out, func(s []int) bool { return len(s) == 0 })
}

type applier struct {
	targets Targets
	report  *Report
	notify  func(Event)
	mu      sync.Mutex
}

// stage writes the changes of one stage, several at a time, and starts none
// after one has failed or ctx has ended.
func (a *applier) stage(ctx context.Context, indexes []int) error {
	var g errgroup.Group
	g.SetLimit(writers)
	if a.report.Results[indexes[0]].Change.After.Env != nil {
		g.SetLimit(1) // entries of a file come in the plan's order
	}
	stop, cancel := context.WithCancel(ctx)
	defer cancel()
	for _, i := range indexes {
		g.Go(func() error {
			if stop.Err() != nil {
				return nil // unreached
			}
			c := a.report.Results[i].Change
			a.say(Event{Index: i, Change: c, Status: StatusStarted})
			err := a.targets[c.After.Place()].Write(ctx, c)
			if err != nil {
				cancel()
				a.say(Event{Index: i, Change: c, Status: StatusFailed, Err: err})
				return nil
			}
			a.say(Event{Index: i, Change: c, Status: StatusDone})
			return nil
		})
	}
	_ = g.Wait() // failures are in the report
	errs := []error{ctx.Err()}
	for _, i := range indexes {
		errs = append(errs, a.report.Results[i].Err)
	}
	return errors.Join(errs...)
}

func (a *applier) say(e Event) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if e.Status != StatusStarted {
		a.report.Results[e.Index].Status = e.Status
		a.report.Results[e.Index].Err = e.Err
	}
	if a.notify != nil {
		a.notify(e)
	}
}

// satisfies says whether now is all that after asks for. What after does not
// mention does not count.
func satisfies(now, after Resource) bool {
	switch {
	case after.Provider != nil:
		return now.Provider != nil && len(missing(now.Provider.Audiences, after.Provider.Audiences)) == 0
	case after.Role != nil:
		return now.Role != nil && roleSatisfies(*now.Role, *after.Role)
	case after.Policy != nil:
		return now.Policy != nil && (after.Policy.ARN != "" || SameDocument(now.Policy.Document, after.Policy.Document))
	case after.Env != nil:
		return now.Env != nil && (now.Env.Value == after.Env.Value || after.Env.IfAbsent)
	}
	return false
}

func roleSatisfies(now, after Role) bool {
	for key, value := range after.Tags {
		if _, found, ok := tag(now.Tags, key); !ok || found != value {
			return false
		}
	}
	return now.ARN == after.ARN && now.Trust.Equal(after.Trust) &&
		(after.Boundary == "" || now.Boundary == after.Boundary) &&
		(after.MaxSession == 0 || now.MaxSession == after.MaxSession)
}

// onTheWay says whether now is before, or a state between before and after that
// an interrupted write of several calls leaves behind.
func onTheWay(now, before, after Resource) bool {
	switch {
	case before.Provider != nil:
		return len(missing(now.Provider.Audiences, before.Provider.Audiences)) == 0
	case before.Role != nil:
		return roleOnTheWay(*now.Role, *before.Role, *after.Role)
	case before.Policy != nil:
		return satisfies(now, before)
	case before.Env != nil:
		return now.Env.Value == before.Env.Value
	}
	return false
}

func roleOnTheWay(now, before, after Role) bool {
	either := func(trust *trustpolicy.Policy) bool { return trust.Equal(before.Trust) || trust.Equal(after.Trust) }
	keys := maps.Clone(now.Tags)
	if keys == nil {
		keys = map[string]string{}
	}
	maps.Copy(keys, before.Tags)
	for key := range keys {
		_, value, ok := tag(now.Tags, key)
		_, was, had := tag(before.Tags, key)
		_, will, has := tag(after.Tags, key)
		if !(ok == had && value == was) && !(ok == has && value == will) {
			return false
		}
	}
	return now.ARN == before.ARN && either(now.Trust) &&
		(now.Boundary == before.Boundary || now.Boundary == after.Boundary) &&
		(before.MaxSession == 0 || now.MaxSession == before.MaxSession || now.MaxSession == after.MaxSession)
}
