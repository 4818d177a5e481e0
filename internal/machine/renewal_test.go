package machine_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/fly-aws/fly-aws/internal/machine"
)

// A fakeClock moves when somebody sleeps.
type fakeClock struct {
	mu  sync.Mutex
	at  time.Time
	nap func(time.Duration) // when somebody sleeps, before the clock moves
}

func newClock() *fakeClock { return &fakeClock{at: time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)} }

func (c *fakeClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *fakeClock) Sleep(_ context.Context, d time.Duration) {
	if c.nap != nil {
		c.nap(d)
	}
	c.move(d)
}

func (c *fakeClock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// renewals runs a Renewal of something that holds for ten minutes, until n attempts have
// been told; failing says which of them, from 1, fail.
func renewals(t *testing.T, clock *fakeClock, n int, failing func(int) bool) (attempts []machine.Attempt, at []time.Time) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	count := 0
	r := machine.Renewal{
		Clock: clock,
		Renew: func(context.Context) (time.Duration, error) {
			at = append(at, clock.Now())
			if count++; failing(count) {
				return 0, errors.New("down")
			}
			return 10 * time.Minute, nil
		},
		Tell: func(a machine.Attempt) {
			if attempts = append(attempts, a); len(attempts) == n {
				stop()
			}
		},
	}
	if err := r.Start(ctx, 0, func(error) bool { return false }); err != nil {
		t.Fatal(err)
	}
	r.Run(ctx)
	return attempts, at
}

func TestRenewedAtHalfOfTheLifetime(t *testing.T) {
	t.Parallel()
	_, at := renewals(t, newClock(), 200, func(int) bool { return false })
	distinct := map[time.Duration]bool{}
	for i := range at[1:] {
		d := at[i+1].Sub(at[i])
		distinct[d] = true
		if d < 4*time.Minute || d > 5*time.Minute {
			t.Fatalf("renewed after %s of 10m", d)
		}
	}
	if len(distinct) < 50 {
		t.Errorf("200 renewals came at %d distances: machines would renew together", len(distinct))
	}
}

func TestFailuresBackOffAndSayHowLongTheLastHolds(t *testing.T) {
	t.Parallel()
	attempts, at := renewals(t, newClock(), 40, func(n int) bool { return n > 1 && n < 40 })
	expires := attempts[0].Expires
	for i, a := range attempts[1:39] {
		if a.Err == nil || !a.Expires.Equal(expires) || a.Retried != (i > 0) {
			t.Fatalf("attempt %d: %+v", i+2, a)
		}
		if pause := a.Next.Sub(at[i+1]); pause < 500*time.Millisecond || pause > 45*time.Second {
			t.Errorf("attempt %d is repeated after %s", i+2, pause)
		}
	}
	if first, last := attempts[1].Next.Sub(at[1]), attempts[38].Next.Sub(at[38]); last < 5*first {
		t.Errorf("the pauses go from %s to %s only", first, last)
	}
	if last := attempts[39]; last.Err != nil || !last.Retried || !last.Expires.After(expires) {
		t.Errorf("the end of the failure is %+v", last)
	}
}

// TestTinyLifetime: what seems to expire at once, by a wrong clock, is not asked for without a
// pause.
func TestTinyLifetime(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	clock, n := newClock(), 0
	begun := clock.Now()
	r := machine.Renewal{
		Clock: clock,
		Renew: func(context.Context) (time.Duration, error) {
			if n++; n == 100 {
				stop()
			}
			return time.Millisecond, nil
		},
		Tell: func(machine.Attempt) {},
	}
	if err := r.Start(ctx, 0, func(error) bool { return false }); err != nil {
		t.Fatal(err)
	}
	r.Run(ctx)
	if took := clock.Now().Sub(begun); took < 40*time.Second {
		t.Errorf("100 renewals in %s", took)
	}
}

// TestSuspended: a suspended machine's timers stand still while its tokens expire.
func TestSuspended(t *testing.T) {
	t.Parallel()
	clock := newClock()
	var suspended sync.Once
	clock.nap = func(d time.Duration) {
		if d > 5*time.Second {
			t.Errorf("a single wait of %s", d)
		}
		suspended.Do(func() { clock.move(time.Hour) })
	}
	_, at := renewals(t, clock, 2, func(int) bool { return false })
	if d := at[1].Sub(at[0]); d > time.Hour+5*time.Second {
		t.Errorf("renewed %s after the machine was resumed", d-time.Hour)
	}
}

// TestClockSetBack: a due time that was computed with a wrong clock means nothing.
func TestClockSetBack(t *testing.T) {
	t.Parallel()
	clock := newClock()
	var set sync.Once
	clock.nap = func(time.Duration) { set.Do(func() { clock.move(-24 * time.Hour) }) }
	_, at := renewals(t, clock, 2, func(int) bool { return false })
	if d := at[1].Sub(at[0]) + 24*time.Hour; d > 5*time.Second {
		t.Errorf("renewed %s after the clock was set back", d)
	}
}

// TestReaderThatStops: whoever stops reading what is told does not hold up renewals.
func TestReaderThatStops(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	stuck := make(chan struct{})
	defer close(stuck)
	n := 0
	r := machine.Renewal{
		Clock: newClock(),
		Renew: func(context.Context) (time.Duration, error) {
			if n++; n == 100 {
				stop()
			}
			return 10 * time.Minute, nil
		},
		Tell: func(machine.Attempt) { <-stuck },
	}
	if err := r.Start(ctx, 0, func(error) bool { return false }); err != nil {
		t.Fatal(err)
	}
	r.Run(ctx)
	if n != 100 {
		t.Errorf("%d renewals", n)
	}
}

func TestStartGivesUp(t *testing.T) {
	t.Parallel()
	down := errors.New("down")
	for name, tt := range map[string]struct {
		wait      time.Duration
		permanent bool
		told      func(int) bool
	}{
		"at once without a wait":    {0, false, func(n int) bool { return n == 0 }},
		"at once when permanent":    {time.Minute, true, func(n int) bool { return n == 0 }},
		"after the wait, otherwise": {time.Minute, false, func(n int) bool { return n > 2 }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clock, told := newClock(), 0
			begun := clock.Now()
			r := machine.Renewal{
				Clock: clock,
				Renew: func(context.Context) (time.Duration, error) { return 0, down },
				Tell:  func(machine.Attempt) { told++ },
			}
			err := r.Start(t.Context(), tt.wait, func(error) bool { return tt.permanent })
			if !errors.Is(err, down) || !tt.told(told) || clock.Now().Sub(begun) > tt.wait {
				t.Errorf("%v after %s, told %d times", err, clock.Now().Sub(begun), told)
			}
		})
	}
}
