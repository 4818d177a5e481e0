package machine

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/fly-aws/fly-aws/internal/flyoidc"
)

// A Keeper keeps token files fresh.
type Keeper struct {
	Tokens Tokens
	Files  []TokenFile
	Clock  Clock
	// Tell is called after an attempt to renew a file, one call at a time.
	Tell func(TokenFile, Attempt)

	renewals []*Renewal
}

// Start writes the first tokens. It retries for wait what may heal by itself: a socket that
// is not there yet, an API that is down. It returns the error of each file that it could
// not write.
func (k *Keeper) Start(ctx context.Context, wait time.Duration) error {
	for _, f := range k.Files {
		if err := f.Check(); err != nil {
			return err
		}
	}
	var mu sync.Mutex
	errs := make([]error, len(k.Files))
	var started sync.WaitGroup
	for i, f := range k.Files {
		r := &Renewal{
			Clock: k.Clock,
			Renew: func(ctx context.Context) (time.Duration, error) { return f.Renew(ctx, k.Tokens) },
			Tell: func(a Attempt) {
				mu.Lock()
				defer mu.Unlock()
				k.Tell(f, a)
			},
		}
		k.renewals = append(k.renewals, r)
		started.Go(func() { errs[i] = r.Start(ctx, wait, permanent) })
	}
	started.Wait()
	return errors.Join(errs...)
}

// Run renews the tokens until ctx ends, after Start has succeeded.
func (k *Keeper) Run(ctx context.Context) {
	var running sync.WaitGroup
	for _, r := range k.renewals {
		running.Go(func() { r.Run(ctx) })
	}
	running.Wait()
}

// permanent reports whether waiting does not help against an error.
func permanent(err error) bool {
	var file *FileError
	var mint *flyoidc.MintError
	switch {
	case errors.As(err, &file):
		return true
	case errors.As(err, &mint):
		return mint.Kind == flyoidc.MintNotAllowed || mint.Kind == flyoidc.MintNotSocket ||
			mint.Kind == flyoidc.MintRefused && mint.Status >= 400 && mint.Status < 500 && mint.Status != 429
	}
	return false
}
