package flyapi_test

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/fly-aws/fly-aws/internal/sandbox"
	"github.com/fly-aws/fly-aws/setup"
)

// manyApps adds apps to a world, each with its own secret, and returns their names.
func manyApps(w *sandbox.World, n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("app-%03d", i)
		w.AddApp("acme", names[i])
		w.SetSecrets(names[i], fmt.Sprintf("SECRET_%03d", i))
	}
	return names
}

// Looking up 300 apps takes twelve calls, with their organizations and secrets.
func TestManyAppsInFewCalls(t *testing.T) {
	t.Parallel()
	var w sandbox.World
	names := manyApps(&w, 300)
	c := signedIn(t, start(t, &w), "")
	results, err := c.Apps(t.Context(), append(names, names[0])) // a duplicate counts once
	if err != nil || len(results) != 300 {
		t.Fatalf("got %d apps, %v", len(results), err)
	}
	for i, name := range names {
		got := results[name]
		if got.Err != nil || got.Hidden != nil || got.App.Name != name || got.App.Organization.Slug != "acme" ||
			got.App.Organization.RawSlug != "acme" || !slices.Equal(got.App.Secrets, []string{fmt.Sprintf("SECRET_%03d", i)}) {
			t.Errorf("%s: got %+v", name, got)
		}
	}
	if n := len(w.FlyCalls()); n != 12 {
		t.Errorf("Fly was called %d times, want 12", n)
	}
}

// Queries about many apps run in parallel, up to a limit.
func TestAppsInFlight(t *testing.T) {
	t.Parallel()
	const most = 16
	var w sandbox.World
	names := manyApps(&w, 20*25)
	var now, highest atomic.Int32
	together := make(chan struct{})
	release := sync.OnceFunc(func() { close(together) })
	w.FlyFault = func(sandbox.FlyCall) sandbox.FlyFault {
		return sandbox.FlyFault{Fault: sandbox.Fault{
			Before: func() {
				n := now.Add(1)
				if n > highest.Load() {
					highest.Store(n)
				}
				if n == most {
					release()
				}
				select {
				case <-together:
				case <-t.Context().Done():
				}
			},
			After: func() { now.Add(-1) },
		}}
	}
	results, err := signedIn(t, start(t, &w), "").Apps(t.Context(), names)
	if err != nil || len(results) != len(names) || highest.Load() != most {
		t.Errorf("got %d apps, %v, with at most %d calls at a time", len(results), err, highest.Load())
	}
}

// A refused app does not affect other apps, even if it makes the whole response
// null.
func TestAppsAmongOthers(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name      string
		nullsData bool
		calls     int
	}{
		// Four queries; for each of two apps its own query and the reason; one
		// without secrets, and the secrets.
		{"each by itself", false, 4 + 2*2 + 2},
		// The same, and queries for the 23 and 24 apps that share responses with
		// these.
		{"whole answers", true, 4 + 2*2 + 2 + 23 + 24},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := sandbox.World{FlyNullsData: test.nullsData}
			names := manyApps(&w, 100)
			w.AddApp("other", "app-010x")
			w.HideSecrets("app-050")
			names = append(names[:98], "app-010x", "app-010y")
			c := signedIn(t, start(t, &w), sandbox.FlyOrgToken("acme"))
			results, err := c.Apps(t.Context(), names)
			if err != nil || len(results) != len(names) {
				t.Fatalf("got %d of %d, %v", len(results), len(names), err)
			}
			for _, name := range names {
				got := results[name]
				switch name {
				case "app-010x":
					failure(t, got.Err, "elsewhere")
				case "app-010y":
					failure(t, got.Err, "not-found")
				case "app-050":
					failure(t, got.Hidden, "not-allowed")
					if got.Err != nil || got.App.Secrets != nil || got.App.Organization.RawSlug != "acme" {
						t.Errorf("got %+v", got)
					}
				default:
					if got.Err != nil || got.Hidden != nil || got.App.Name != name || len(got.App.Secrets) != 1 {
						t.Errorf("%s: got %+v", name, got)
					}
				}
			}
			if n := len(w.FlyCalls()); n != test.calls {
				t.Errorf("Fly was called %d times, want %d", n, test.calls)
			}
		})
	}
}

// A failure of Fly or of the token ends the whole call immediately; it returns what
// it has.
func TestAppsFail(t *testing.T) {
	t.Parallel()
	t.Run("a bad token", func(t *testing.T) {
		t.Parallel()
		var w sandbox.World
		names := manyApps(&w, 100)
		results, err := signedIn(t, start(t, &w), "fm2_expired").Apps(t.Context(), names)
		failure(t, err, setup.FlyToken)
		if n := len(w.FlyCalls()); len(results) != 0 || n > 4+16*2 {
			t.Errorf("got %d apps in %d calls", len(results), n)
		}
	})
	t.Run("in part", func(t *testing.T) {
		t.Parallel()
		var w sandbox.World
		names := append(manyApps(&w, 49), "absent")
		w.FlyFault = func(c sandbox.FlyCall) sandbox.FlyFault {
			if c.Path == "/v1/apps/absent" {
				return sandbox.FlyDown()
			}
			return sandbox.FlyFault{}
		}
		results, err := signedIn(t, start(t, &w), "").Apps(t.Context(), names)
		failure(t, err, "down")
		if len(results) != 49 {
			t.Errorf("got %d apps", len(results))
		}
	})
	t.Run("refused as a whole", func(t *testing.T) {
		t.Parallel()
		var w sandbox.World
		names := manyApps(&w, 300)
		w.FlyFault = func(c sandbox.FlyCall) sandbox.FlyFault {
			if c.Path == "/graphql" {
				return sandbox.FlyGraphQLError("boom")
			}
			return sandbox.FlyFault{}
		}
		_, err := signedIn(t, start(t, &w), "").Apps(t.Context(), names)
		failure(t, err, "refused")
		if n := len(w.FlyCalls()); n > 12+2*16*2 {
			t.Errorf("Fly was called %d times", n)
		}
	})
	t.Run("none", func(t *testing.T) {
		t.Parallel()
		var w sandbox.World
		c := signedIn(t, start(t, &w), "")
		if results, err := c.Apps(t.Context(), nil); err != nil || len(results) != 0 || len(w.FlyCalls()) != 0 {
			t.Errorf("got %v, %v", results, err)
		}
		results, err := c.Apps(t.Context(), []string{""})
		if err != nil || len(w.FlyCalls()) != 0 {
			t.Errorf("got %v, %v", results, err)
		}
		failure(t, results[""].Err, "not-found")
	})
}
