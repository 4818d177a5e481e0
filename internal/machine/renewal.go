package machine

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// A Clock tells the time and waits.
type Clock interface {
	Now() time.Time
	// Sleep waits for d or until ctx ends.
	Sleep(ctx context.Context, d time.Duration)
}

// A Renewal keeps something that expires fresh.
type Renewal struct {
	Clock Clock
	// Renew replaces it with a new one and returns how long that one is good. When it
	// fails, the last one must still be in place.
	Renew func(context.Context) (time.Duration, error)
	// Tell is called after an attempt.
	Tell func(Attempt)

	expires time.Time     // of the last one
	due     time.Time     // for the next attempt
	told    chan struct{} // closed when Tell has returned; nil at first
	retry   *backoff.ExponentialBackOff
}

// An Attempt is what came of one attempt to renew something.
type Attempt struct {
	// Err is nil if it was renewed.
	Err error
	// Retried is set if the attempt before this one had failed.
	Retried bool
	// Expires is when what is there now expires, by this machine's clock: a new one or,
	// after a failure, the last one. It is zero if there was none yet.
	Expires time.Time
	// Next is when the next attempt is due.
	Next time.Time
}

const (
	firstRetry = time.Second
	maxRetry   = 30 * time.Second
	// minPause is the shortest time between renewals: a wrong clock can make a lifetime tiny.
	minPause = 500 * time.Millisecond
	// nap is the longest single wait. A suspended machine's timers stand still while
	// tokens expire, so the wall clock is read again and again.
	nap = 5 * time.Second
)

// Start makes the first attempts: until one succeeds, or permanent reports that an error
// will not go away, or wait has passed. The error that ends it is returned and not told.
func (r *Renewal) Start(ctx context.Context, wait time.Duration, permanent func(error) bool) error {
	deadline := r.now().Add(wait)
	for {
		a := r.attempt(ctx)
		if a.Err != nil && (ctx.Err() != nil || permanent(a.Err) || a.Next.After(deadline)) {
			return a.Err
		}
		r.tell(a)
		if a.Err == nil {
			return nil
		}
		r.Clock.Sleep(ctx, a.Next.Sub(r.now()))
	}
}

// Run renews until ctx ends, after Start has succeeded.
func (r *Renewal) Run(ctx context.Context) {
	for {
		for now := r.now(); now.Before(r.due) && ctx.Err() == nil; now = r.now() {
			r.Clock.Sleep(ctx, min(nap, r.due.Sub(now)))
			if r.now().Before(now) { // the clock was set back, and the due time means nothing
				break
			}
		}
		if ctx.Err() != nil {
			return
		}
		if a := r.attempt(ctx); ctx.Err() == nil {
			r.tell(a)
		}
	}
}

// attempt renews once, and sets when the next attempt is due: at half of the lifetime,
// less up to a fifth of that, so that the machines of an app do not renew together.
func (r *Renewal) attempt(ctx context.Context) Attempt {
	begun := r.now()
	life, err := r.Renew(ctx)
	a := Attempt{Err: err, Retried: r.retry != nil}
	if err != nil {
		if r.retry == nil {
			r.retry = backoff.NewExponentialBackOff()
			r.retry.InitialInterval, r.retry.MaxInterval = firstRetry, maxRetry
		}
		r.due = r.now().Add(r.retry.NextBackOff())
	} else {
		r.retry = nil
		r.expires = begun.Add(life)
		half := life / 2
		r.due = begun.Add(max(half-time.Duration(rand.Int64N(int64(half/5)+1)), minPause)) //nolint:gosec // to spread load
	}
	a.Expires, a.Next = r.expires, r.due
	return a
}

// tell waits for Tell for a second at most: a reader of what it prints that has stopped
// reading must not hold up renewals. What comes while Tell still waits is not told.
func (r *Renewal) tell(a Attempt) {
	if r.told != nil {
		select {
		case <-r.told:
		default:
			return
		}
	}
	told := make(chan struct{})
	r.told = told
	go func() {
		r.Tell(a)
		close(told)
	}()
	select {
	case <-told:
	case <-time.After(time.Second):
	}
}

// now is the wall clock, without the monotonic one, which stands still while a machine is
// suspended.
func (r *Renewal) now() time.Time { return r.Clock.Now().Round(0) }
