package cmd

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/sync/errgroup"

	"github.com/fly-aws/fly-aws/internal/awsapi"
	"github.com/fly-aws/fly-aws/internal/render"
	"github.com/fly-aws/fly-aws/internal/wizard"
	"github.com/fly-aws/fly-aws/internal/workdir"
	"github.com/fly-aws/fly-aws/setup"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

// outputFlags say how to show what happens.
type outputFlags struct {
	json, noColor bool
}

func (f *outputFlags) register(flags *pflag.FlagSet) {
	flags.BoolVarP(&f.json, "json", "j", false, "print one JSON document")
	flags.BoolVar(&f.noColor, "no-color", false, "no colours; NO_COLOR does the same")
}

// awsFlags say how to reach AWS.
type awsFlags struct {
	profile, region string
	verbose         bool
}

func (f *awsFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.profile, "profile", "", "AWS profile to use, by `name`")
	flags.StringVar(&f.region, "region", "", "AWS `region` to send the calls to")
	flags.BoolVar(&f.verbose, "verbose", false, "show each AWS call with its time and request ID")
}

// An engine is what a verb works with: the targets, and the streams with their styles.
type engine struct {
	sys     System
	out     render.Style // of standard output
	err     render.Style // of standard error
	json    bool
	folder  *workdir.Folder
	account *awsapi.Account // nil for a verb that does without AWS
	targets setup.Targets
	fly     *fly
	// proven asks for the proof by machines' tokens, strict makes warnings errors.
	proven, strict bool
	// introduced says that account and organisation have been shown.
	introduced bool
	// orgFound says that the organisation was not given as it is, but found.
	orgFound bool
	// traced says that AWS calls are shown as they are made.
	traced bool

	// traces are the AWS calls to be shown.
	traces *traces
}

// traces keeps calls from being shown while a form has the terminal.
type traces struct {
	mu    sync.Mutex
	held  bool
	calls []render.TracedCall
}

// newEngine makes an engine for the folder alone.
func newEngine(sys System, o outputFlags) *engine {
	e := &engine{
		sys:    sys,
		out:    sys.style(sys.StdoutTTY, o.noColor),
		err:    sys.style(sys.StderrTTY, o.noColor),
		json:   o.json,
		folder: &workdir.Folder{Dir: sys.Dir},
		fly:    &fly{},
		traces: &traces{},
	}
	e.targets = setup.Targets{setup.PlaceFolder: e.folder}
	return e
}

// openAWS adds the AWS account. It makes no call.
func (e *engine) openAWS(ctx context.Context, o awsapi.Options) error {
	account, err := e.newAccount(ctx, o)
	if err != nil {
		return err
	}
	e.use(account)
	return nil
}

func (e *engine) newAccount(ctx context.Context, o awsapi.Options) (*awsapi.Account, error) {
	if o.Endpoint == "" && e.sys.Getenv("AWS_ENDPOINT_URL") == "" {
		ensureRoots(e.sys.Stderr)
	}
	o.UserAgent = "fly-aws/" + strings.Fields(e.sys.Build.String())[0]
	return awsapi.Open(ctx, o)
}

// use makes an account the one that resources are in.
func (e *engine) use(account *awsapi.Account) {
	e.account = account
	e.targets[setup.PlaceAWS] = account
}

// options are the AWS options that the flags say.
func (f awsFlags) options(e *engine) awsapi.Options {
	o := awsapi.Options{Profile: f.profile, Region: f.region}
	if f.verbose {
		e.traced = true
		o.Trace = func(c awsapi.Call) { e.trace(traced(c)) }
	}
	return o
}

// trace shows a call, or keeps it until release while a form has the terminal.
func (e *engine) trace(c render.TracedCall) {
	e.traces.mu.Lock()
	defer e.traces.mu.Unlock()
	if e.traces.held {
		e.traces.calls = append(e.traces.calls, c)
		return
	}
	render.Call(e.sys.Stderr, c, e.err)
}

// hold keeps calls from being shown until release.
func (e *engine) hold() {
	e.traces.mu.Lock()
	defer e.traces.mu.Unlock()
	e.traces.held = true
}

func (e *engine) release() {
	e.traces.mu.Lock()
	defer e.traces.mu.Unlock()
	for _, c := range e.traces.calls {
		render.Call(e.sys.Stderr, c, e.err)
	}
	e.traces.held, e.traces.calls = false, nil
}

func traced(c awsapi.Call) render.TracedCall {
	return render.TracedCall{
		Name: c.Service + " " + c.Operation, Attempt: c.Attempt, Elapsed: c.Elapsed,
		Status: c.Status, RequestID: c.RequestID, Code: c.Code,
	}
}

// progress writes a line for a person who waits; scripts read the result.
func (e *engine) progress(format string, args ...any) {
	fmt.Fprintf(e.sys.Stderr, format+"\n", args...)
}

// plan observes what is there and makes the plan for a wish, and gives the state
// it was made from. AWS and Fly are asked at the same time.
func (e *engine) plan(ctx context.Context, w wish) (*setup.Plan, setup.State, error) {
	req := w.Request
	var facts setup.Facts
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		facts, err = e.account.Facts(gctx, awsapi.Hints{Roles: w.RoleNames(), Policies: w.PolicyRefs()})
		return err
	})
	g.Go(func() (err error) {
		req, err = e.inOrg(gctx, w.Request)
		return err
	})
	if err := g.Wait(); err != nil {
		return nil, nil, cmp.Or(ctx.Err(), err)
	}
	if !e.introduced {
		e.progress("AWS account %s, as %s", render.Clean(facts.Account), render.Clean(facts.Caller))
		if e.orgFound || req.Org != w.Org {
			e.sayOrg(req)
		}
	}
	req, err := w.withPresets(req, facts)
	if err != nil {
		return nil, nil, err
	}
	spec, err := setup.Resolve(req, facts)
	if err != nil {
		return nil, nil, err
	}
	state, err := setup.Observe(ctx, e.targets, spec.Resources)
	if err != nil {
		return nil, nil, err
	}
	plan, err := e.diff(ctx, spec, state)
	if err != nil {
		return nil, nil, err
	}
	if err := e.warn(ctx, req, plan); err != nil {
		return nil, nil, err
	}
	if e.proven {
		unproven, err := e.prove(ctx, req, plan)
		if err != nil {
			return nil, nil, err
		}
		plan.Warnings = append(plan.Warnings, unproven...)
	}
	return plan, state, nil
}

// diff is setup.Diff with the account's own quota, which may have been raised; it
// is asked for only when it matters.
func (e *engine) diff(ctx context.Context, spec setup.Spec, state setup.State) (*setup.Plan, error) {
	plan, err := setup.Diff(spec, state)
	var size *setup.SizeError
	if !errors.As(err, &size) {
		return plan, err
	}
	quota, errQuota := e.account.TrustPolicyQuota(ctx)
	if errQuota != nil {
		e.progress("The account's own quota could not be read: %s", render.Clean(errQuota.Error()))
	}
	if quota <= size.Quota {
		return nil, err
	}
	spec.TrustPolicyQuota = quota
	return setup.Diff(spec, state)
}

// confirmation is the name of the question whether to apply a plan.
const confirmation = "confirmation"

// confirm asks whether to go on. Anything but y or yes is no; the end of the input
// is no answer.
func (e *engine) confirm(ctx context.Context, question string) (bool, error) {
	out := e.sys.Stderr
	if !e.sys.StderrTTY && e.sys.StdoutTTY { // where the person looks
		out = e.sys.Stdout
	}
	fmt.Fprintf(out, "%s [y/N] ", question)
	type answer struct {
		line string
		err  error
	}
	read := make(chan answer, 1)
	go func() { // reading a terminal cannot be cut short
		line, err := bufio.NewReader(e.sys.Stdin).ReadString('\n')
		read <- answer{line, err}
	}()
	select {
	case <-ctx.Done():
		e.progress("")
		return false, ctx.Err()
	case a := <-read:
		if a.err != nil || !e.sys.StdinTTY {
			e.progress("") // no key has ended the line
		}
		switch {
		case errors.Is(a.err, io.EOF) && a.line == "":
			return false, &wizard.InputError{Question: confirmation, Reason: "the input ended"}
		case a.err != nil && !errors.Is(a.err, io.EOF):
			return false, fmt.Errorf("the answer could not be read: %w", a.err)
		}
		switch strings.ToLower(strings.TrimSpace(a.line)) {
		case "y", "yes":
			return true, nil
		}
		return false, nil
	}
}

// An outcome is what came of applying a plan.
type outcome struct {
	report   setup.Report
	findings []setup.Finding
	proofs   []setup.Proof
}

// apply writes the plan, reads everything back and proves it. The outcome is as
// complete as it can be also when it fails.
func (e *engine) apply(ctx context.Context, plan *setup.Plan, state setup.State) (outcome, error) {
	if state != nil && len(plan.Pending()) == 0 { // it was all looked at just now
		return outcome{report: setup.Kept(plan), proofs: setup.Prove(plan, state)}, nil
	}
	columns, rows := e.sys.Size()
	progress := render.NewProgress(e.sys.Stderr, plan.Changes, render.ProgressOptions{
		Style: e.err, Live: e.sys.StderrTTY && e.sys.Getenv("TERM") != "dumb" && !e.traced, Columns: columns, Rows: rows,
	})
	started := map[int]time.Time{}
	notify := func(ev setup.Event) {
		now := e.sys.Now()
		if ev.Status == setup.StatusStarted {
			started[ev.Index] = now
		}
		progress.Event(ev, now.Sub(started[ev.Index]))
	}
	stop := context.AfterFunc(ctx, func() {
		progress.Say("Stopping after the call in flight; Ctrl-C again ends at once.")
	})
	defer stop()
	var o outcome
	var err error
	o.report, err = setup.Apply(ctx, e.targets, plan, notify)
	progress.End(o.report)
	if err != nil {
		return o, err
	}
	o.findings, o.proofs, err = e.verify(ctx, plan)
	return o, err
}

// settle is how long to go on reading back what IAM, which is eventually
// consistent, does not show yet.
var settle = []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second}

func (e *engine) verify(ctx context.Context, plan *setup.Plan) (findings []setup.Finding, proofs []setup.Proof, err error) {
	for _, wait := range append(settle, 0) {
		findings, proofs, err = setup.Verify(ctx, e.targets, plan)
		if err != nil || len(findings) == 0 || wait == 0 {
			break
		}
		e.progress("IAM does not show everything yet; looking again in %s", wait)
		e.sys.Sleep(ctx, wait)
		if ctx.Err() != nil {
			return findings, proofs, ctx.Err()
		}
	}
	return findings, proofs, err
}

// verdict is the failure, if any, that findings and proofs amount to. A role that
// lets another app in too, by a statement that is not ours, is shown but is its
// owner's choice; so is a condition that cannot be decided from here.
func (o outcome) verdict() error {
	if len(o.findings) > 0 {
		return &hintedError{
			err:  errors.New("not everything reads back as planned"),
			hint: "somebody else may be changing it too; run the same command again",
		}
	}
	for _, p := range o.proofs {
		if p.Want == trustpolicy.Allowed && p.Got.Denied() {
			return &hintedError{
				err:  fmt.Errorf("the trust policy of role %s refuses %s", p.Role, p.Subject),
				hint: "look at its trust policy: aws iam get-role --role-name " + p.Role,
			}
		}
	}
	return nil
}
