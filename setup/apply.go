package setup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/fly-aws/fly-aws/trustpolicy"
)

// Status says how far a change came.
type Status string

// The states of a change.
const (
	StatusKept      Status = "kept"      // there is nothing to do
	StatusStarted   Status = "started"   // the write has begun
	StatusDone      Status = "done"      // it was written
	StatusFailed    Status = "failed"    // the write failed; its effect is unknown
	StatusUnreached Status = "unreached" // it was not tried
	// StatusWaiting: everything is written, but Event.Waiting does not read back as
	// planned yet and is read again after Event.Pause. It is not about a single change.
	StatusWaiting Status = "waiting"
)

// An Event is the progress of one change while a plan is applied.
type Event struct {
	// Index is the change's place in Plan.Changes.
	Index  int
	Change Change
	// Status is StatusStarted, StatusDone, StatusFailed or StatusWaiting.
	Status Status
	// Elapsed is how long the write took.
	Elapsed time.Duration
	// Receipt is set with StatusDone and StatusFailed.
	Receipt Receipt
	// Err is set with StatusFailed; Waiting and Pause with StatusWaiting.
	Err     error
	Waiting []Mismatch
	Pause   time.Duration
}

// A Report says what became of a plan.
type Report struct {
	// Results has one entry per change, in the plan's order.
	Results []Result
	// Mismatches are the resources that do not read back as planned.
	Mismatches []Mismatch
	// Checks are what the live trust policies decide; nil if Apply ended earlier.
	Checks []Check
	// Openness is whom the live trust policies let in beyond the plan's grants; nil as Checks.
	Openness []Openness
}

// A Result is one line of a Report.
type Result struct {
	Change Change
	// Status is any but StatusStarted and StatusWaiting.
	Status  Status
	Err     error   // of StatusFailed
	Receipt Receipt // of StatusDone and StatusFailed
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

// A ConflictError says that a plan cannot be applied because of its conflicts.
type ConflictError struct {
	Conflicts []Change
}

func (e *ConflictError) Error() string {
	if len(e.Conflicts) == 1 {
		return "the plan has a conflict"
	}
	return fmt.Sprintf("the plan has %d conflicts", len(e.Conflicts))
}

// An OtherAccountError says that a plan and the credentials are for different accounts.
type OtherAccountError struct {
	// Partition and Account are the plan's; Have describes the credentials' account.
	Partition, Account string
	Have               Facts
}

func (e *OtherAccountError) Error() string {
	return fmt.Sprintf("the plan is for the account %s in %s; the credentials are for %s in %s",
		e.Account, e.Partition, e.Have.Account, e.Have.Partition)
}

// CheckAccount returns an *OtherAccountError if a plan read from a file is not for the
// account of the World's credentials. Otherwise it fills in the plan's Caller.
func (w World) CheckAccount(ctx context.Context, plan *Plan) error {
	facts, err := w.AWS.Facts(ctx, Request{})
	if err != nil {
		return err
	}
	if facts.Account != plan.Account || facts.Partition != plan.Partition {
		return &OtherAccountError{Partition: plan.Partition, Account: plan.Account, Have: facts}
	}
	plan.Caller = facts.Caller
	return nil
}

// maxWriters limits how many changes are written at once. IAM's rate limits are
// unpublished; with adaptive retries this many stay below throttling in practice.
const maxWriters = 8

// Apply writes the pending changes of a plan, reads everything back and evaluates the
// live trust policies. Additions go first: provider, roles, policies, fly.toml entries;
// then removals, in reverse order.
//
// Before the first write it reads everything again, including what the plan keeps. If a
// resource is neither as it was found nor as planned, the error is a *StaleError. Then
// every target checks the changes it would write. A plan that was just made and has
// nothing to do is not read again.
//
// Apply stops at the first failure or when ctx ends, but finishes the writes in flight.
// The report is as complete as possible, even on failure, and the error joins all
// failures. notify, if not nil, is called as each change starts and ends, by one
// goroutine at a time.
func (w World) Apply(ctx context.Context, plan *Plan, notify func(Event)) (*Report, error) {
	report := &Report{}
	pending := len(plan.Pending()) > 0
	for _, c := range plan.Changes {
		status := StatusUnreached
		if c.Action == ActionKeep {
			status = StatusKept
		}
		report.Results = append(report.Results, Result{Change: c, Status: status})
	}
	if conflicts := plan.Conflicts(); len(conflicts) > 0 {
		return report, &ConflictError{Conflicts: conflicts}
	}
	if plan.Request != nil && plan.Request.Manager != "" {
		return report, fmt.Errorf("the plan is for %s to apply", plan.Request.Manager)
	}
	if !pending && plan.state != nil {
		report.Checks, report.Openness = plan.checks(plan.state), plan.openness(plan.state)
		return report, nil
	}
	if plan.needsAWS() && plan.Caller == "" {
		if err := w.CheckAccount(ctx, plan); err != nil {
			return report, err
		}
	}
	a := applier{World: w, plan: plan, report: report, notify: notify}
	todo, err := a.recheck(ctx)
	if err != nil {
		return report, err
	}
	for _, stage := range plan.stages(todo) {
		if err := a.writeStage(ctx, stage); err != nil {
			return report, err
		}
	}
	state, err := a.readBack(ctx)
	if err != nil {
		return report, err
	}
	report.Checks, report.Openness = plan.checks(state), plan.openness(state)
	return report, nil
}

// needsAWS says whether the plan has a resource in an AWS account.
func (p *Plan) needsAWS() bool {
	return slices.ContainsFunc(p.Changes, func(c Change) bool { return c.Resource().Env == nil })
}

type applier struct {
	World
	plan   *Plan
	report *Report
	notify func(Event)
	mu     sync.Mutex
}

// recheck reads everything again, has the targets check the changes that are still to be
// written, and returns their indexes.
func (a *applier) recheck(ctx context.Context) ([]int, error) {
	state, err := a.again(ctx)
	if err != nil {
		return nil, err
	}
	var todo []int
	var changes []Change
	stale, err := a.plan.newExtras(state)
	if err != nil {
		return nil, err
	}
	for i, c := range a.plan.Changes {
		done, err := c.Compare(state.find(c.Resource()))
		switch {
		case err != nil:
			stale = append(stale, err)
		case done:
			a.report.Results[i].Status = StatusKept
		default:
			todo, changes = append(todo, i), append(changes, c)
		}
	}
	edited, err := a.newDocuments(ctx, changes)
	if err != nil {
		return nil, err
	}
	if stale = append(stale, edited...); len(stale) > 0 {
		return nil, errors.Join(stale...)
	}
	if err := a.checkProviderUnused(ctx, changes); err != nil {
		return nil, err
	}
	var mu sync.Mutex
	var problems []error
	err = each(ctx, a.World, changes, Change.Resource, func(ctx context.Context, t Target, changes []Change) error {
		err := t.Check(ctx, changes)
		mu.Lock()
		defer mu.Unlock()
		problems = append(problems, err)
		return nil
	})
	return todo, errors.Join(append(problems, err, ctx.Err())...)
}

// again reads again what the plan was made from.
func (a *applier) again(ctx context.Context) (State, error) {
	resources := a.plan.resources()
	for _, r := range a.plan.Found {
		if r.Env != nil { // a preset may take its region from it
			resources = append(resources, r)
		}
	}
	state, err := a.read(ctx, resources)
	if err != nil || a.plan.Request == nil || a.plan.Request.File == "" || a.plan.Request.Partial {
		return state, err
	}
	want, err := desire(*a.plan.Request, a.plan.Facts, state)
	if err != nil {
		return nil, err
	}
	holdings, err := a.holdings(ctx, want)
	maps.Copy(state, holdings)
	return state, err
}

// newExtras returns a *StaleError for each thing on the plan's roles that nobody asked
// for and that the plan does not know: it came since, and was not shown.
func (p *Plan) newExtras(state State) ([]error, error) {
	known := map[string]bool{}
	for _, r := range p.Found {
		known[r.ID()] = true
	}
	for _, c := range p.Changes {
		known[c.Resource().ID()] = true
	}
	var stale []error
	report := func(role, name string) {
		stale = append(stale, &StaleError{Resource: Resource{Role: &Role{Name: role}}, Reason: Reason{Code: ReasonNewExtra, Have: name}})
	}
	for _, role := range slices.Sorted(maps.Keys(state.policies())) {
		if known[Resource{Role: &Role{Name: role}}.ID()] {
			for _, policy := range state.policies()[role] {
				if !known[(Resource{Policy: &policy}).ID()] {
					report(policy.Role, Extra{Kind: ExtraPolicy, Name: cmp.Or(policy.Name, policy.ARN)}.Keep())
				}
			}
		}
	}
	if p.Request == nil {
		return stale, nil
	}
	now, err := Resolve(*p.Request, p.Facts, state)
	if err != nil {
		return nil, err
	}
	for _, e := range now.Extras {
		same := func(o Extra) bool { return o.Kind == e.Kind && strings.EqualFold(o.Role, e.Role) && o.Name == e.Name }
		if e.Kind != ExtraPolicy && e.Kind != ExtraInline && !slices.ContainsFunc(p.Extras, same) {
			report(e.Role, e.Keep())
		}
	}
	return stale, nil
}

// newDocuments returns a *StaleError for each managed policy that the changes detach as an
// extra and whose document is another than the plan was made from: it may narrow access.
func (a *applier) newDocuments(ctx context.Context, changes []Change) ([]error, error) {
	known := a.plan.Facts.Documents
	var detached []Change
	var arns []string
	for _, c := range changes {
		if p := c.Resource().Policy; c.Action == ActionDelete && p != nil && !known[p.ARN].IsZero() {
			detached, arns = append(detached, c), append(arns, p.ARN)
		}
	}
	now, err := a.documents(ctx, sorted(arns))
	var stale []error
	for _, c := range detached {
		if arn := c.Before.Policy.ARN; err == nil && !now[arn].Equal(known[arn]) {
			stale = append(stale, &StaleError{Resource: *c.Before, Reason: Reason{Code: ReasonDocument}})
		}
	}
	return stale, err
}

// checkProviderUnused refuses to delete a provider while a role outside the plan trusts
// it: that role would lose its access silently.
func (a *applier) checkProviderUnused(ctx context.Context, changes []Change) error {
	i := slices.IndexFunc(changes, func(c Change) bool { return c.Action == ActionDelete && c.Before.Provider != nil })
	if i < 0 {
		return nil
	}
	resources, err := a.AWS.Roles(ctx, a.plan.Facts, a.plan.Org, nil)
	if err != nil {
		return err
	}
	changed := map[string]bool{}
	for _, c := range a.plan.Changes {
		if c.Action == ActionDelete || c.Action == ActionUpdate {
			changed[c.Resource().ID()] = true
		}
	}
	for _, r := range resources {
		if r.Role != nil && !changed[r.ID()] && trusts(*r.Role, changes[i].Before.Provider.ARN) {
			return &StaleError{Resource: *changes[i].Before, Reason: Reason{Code: ReasonNewlyTrusts, Have: r.Role.Name}}
		}
	}
	return nil
}

// trusts says whether the role's trust policy names the provider, or might.
func trusts(role Role, provider string) bool {
	if role.Trust == nil { // it could not be parsed
		return true
	}
	return slices.ContainsFunc(role.Trust.Statements, func(s trustpolicy.Statement) bool {
		return s.Principal != nil && slices.Contains(s.Principal.Federated, provider)
	})
}

// resources returns the resource of each change.
func (p *Plan) resources() []Resource {
	var out []Resource
	for _, c := range p.Changes {
		out = append(out, c.Resource())
	}
	return out
}

// stages groups indexes of changes that can be written at the same time: within a stage
// no resource depends on another.
func (p *Plan) stages(indexes []int) [][]int {
	const kinds = 4
	out := make([][]int, 2*kinds)
	for _, i := range indexes {
		c := p.Changes[i]
		kind := 3
		switch r := c.Resource(); {
		case r.Provider != nil:
			kind = 0
		case r.Role != nil:
			kind = 1
		case r.Policy != nil:
			kind = 2
		}
		if p.removesAccess(c) {
			kind = 2*kinds - 1 - kind
		}
		out[kind] = append(out[kind], i)
	}
	return slices.DeleteFunc(out, func(s []int) bool { return len(s) == 0 })
}

// removesAccess says whether the change deletes a resource or ends an app's access to a
// role.
func (p *Plan) removesAccess(c Change) bool {
	role := c.Resource().Role
	return c.Action == ActionDelete || role != nil && slices.ContainsFunc(p.Grants, func(g Grant) bool {
		return g.Removed && strings.EqualFold(g.Role, role.Name)
	})
}

// writeStage writes the changes of one stage, several at a time. It starts none after
// one has failed or ctx has ended.
func (a *applier) writeStage(ctx context.Context, indexes []int) error {
	var g errgroup.Group
	g.SetLimit(maxWriters)
	if a.plan.Changes[indexes[0]].Resource().Env != nil {
		g.SetLimit(1) // a file's entries are added in the plan's order
	}
	stop, cancel := context.WithCancel(ctx)
	defer cancel()
	for _, i := range indexes {
		g.Go(func() error {
			if stop.Err() != nil {
				return nil // unreached
			}
			if err := a.write(ctx, i); err != nil {
				cancel()
			}
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

// write writes one change.
func (a *applier) write(ctx context.Context, i int) error {
	c := a.plan.Changes[i]
	target, err := a.target(c.Resource())
	if err != nil {
		return err
	}
	a.record(Event{Index: i, Change: c, Status: StatusStarted})
	began := a.Clock.Now()
	receipt, err := target.Write(ctx, c)
	status := StatusDone
	if err != nil {
		status = StatusFailed
	}
	a.record(Event{Index: i, Change: c, Status: status, Elapsed: a.Clock.Now().Sub(began), Receipt: receipt, Err: err})
	return err
}

// record puts an event into the report and passes it on to notify.
func (a *applier) record(e Event) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if e.Status == StatusDone || e.Status == StatusFailed {
		a.report.Results[e.Index].Status = e.Status
		a.report.Results[e.Index].Err, a.report.Results[e.Index].Receipt = e.Err, e.Receipt
	}
	if a.notify != nil {
		a.notify(e)
	}
}

// readBackPauses are the pauses between attempts to read back what was written, 40 s in
// all: IAM is eventually consistent.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency
var readBackPauses = [...]time.Duration{
	500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 12 * time.Second, 12500 * time.Millisecond,
}

// readBack reads every resource until all are as planned or the pauses are used up, and
// reports those that are not.
func (a *applier) readBack(ctx context.Context) (State, error) {
	for try := 0; ; try++ {
		state, err := a.read(ctx, a.plan.resources())
		if err != nil {
			return nil, err
		}
		a.report.Mismatches = a.plan.mismatches(state)
		if len(a.report.Mismatches) == 0 || try == len(readBackPauses) {
			return state, nil
		}
		pause := readBackPauses[try]
		a.record(Event{Index: -1, Status: StatusWaiting, Waiting: a.report.Mismatches, Pause: pause})
		a.Clock.Sleep(ctx, pause)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
}
