package flyapi_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fly-aws/fly-aws/internal/flyapi"
	"github.com/fly-aws/fly-aws/internal/sandbox"
	"github.com/fly-aws/fly-aws/setup"
)

// world has two organizations, one of them personal, and apps in both.
func world() *sandbox.World {
	w := &sandbox.World{PersonalOrg: "ann-smith-12"}
	w.AddOrg("acme", "Acme Inc.")
	w.AddOrg("void", "")
	w.AddMachine("acme", "web", "quiet-sun-1")
	w.AddMachine("acme", "web", "loud-moon-2")
	w.AddApp("acme", "empty")
	w.AddMachine("ann-smith-12", "toy", "small-sea-3")
	w.SetSecrets("web", "DATABASE_URL", "AWS_ROLE_ARN")
	w.SetEnv("web", "PORT", "8080")
	w.SetState("acme", "web", "loud-moon-2", "stopped")
	return w
}

func start(t *testing.T, w *sandbox.World) *sandbox.Server {
	t.Helper()
	s, err := w.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// signedIn returns a client of the sandbox, with the token of its environment or
// another one.
func signedIn(t *testing.T, s *sandbox.Server, text string) *flyapi.Client {
	t.Helper()
	vars := map[string]string{}
	for _, assignment := range s.Env() {
		name, value, _ := strings.Cut(assignment, "=")
		vars[name] = value
	}
	token, err := flyapi.FindToken(flyapi.SignIn{AccessToken: text, Getenv: env(vars)})
	if err != nil {
		t.Fatal(err)
	}
	return newClient(t, flyapi.Options{Token: token, BaseURL: vars["FLY_API_BASE_URL"], MachinesURL: vars["FLY_FLAPS_BASE_URL"], Version: "test"})
}

func TestSandboxOrganizations(t *testing.T) {
	t.Parallel()
	s := start(t, world())
	c := signedIn(t, s, "")
	orgs, err := c.Organizations(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var slugs []string
	for _, o := range orgs {
		slugs = append(slugs, o.Slug+" "+o.RawSlug+" "+o.Name)
	}
	want := []string{"acme acme Acme Inc.", "personal ann-smith-12 ann-smith-12", "void void void"}
	if !slices.Equal(slugs, want) {
		t.Errorf("got %q, want %q", slugs, want)
	}
	// The alias and the raw slug find the same organization, with its raw slug.
	for _, slug := range []string{"personal", "ann-smith-12"} {
		org, err := c.Organization(t.Context(), slug)
		if err != nil || org.RawSlug != "ann-smith-12" || org.Slug != "personal" || org.ID != orgs[1].ID {
			t.Errorf("%s: got %+v, %v", slug, org, err)
		}
	}
	_, err = c.Organization(t.Context(), "absent")
	failure(t, err, "not-found")
	if org, err := signedIn(t, s, sandbox.FlyOrgToken("acme")).Organization(t.Context(), "acme"); err != nil || org.RawSlug != "acme" {
		t.Errorf("got %+v, %v", org, err)
	}
}

func TestSandboxApps(t *testing.T) {
	t.Parallel()
	w := world()
	s := start(t, w)
	c := signedIn(t, s, "")
	got, err := app(t, c, "web")
	if err != nil || got.Organization.RawSlug != "acme" || !slices.Equal(got.Secrets, []string{"AWS_ROLE_ARN", "DATABASE_URL"}) {
		t.Errorf("got %+v, %v", got, err)
	}
	if secrets, err := c.Secrets(t.Context(), "web"); err != nil || !slices.Equal(secrets, got.Secrets) {
		t.Errorf("got %q, %v", secrets, err)
	}
	got, err = app(t, c, "toy")
	if err != nil || got.Organization.RawSlug != "ann-smith-12" || got.Organization.Slug != "personal" || got.Secrets == nil || len(got.Secrets) != 0 {
		t.Errorf("got %+v, %v", got, err)
	}
	for slug, want := range map[string][]string{"acme": {"empty pending", "web deployed"}, "personal": {"toy deployed"}, "void": {}} {
		org, err := c.Organization(t.Context(), slug)
		if err != nil {
			t.Fatal(err)
		}
		apps, err := c.OrganizationApps(t.Context(), org)
		if err != nil {
			t.Fatal(err)
		}
		got := []string{}
		for _, app := range apps {
			got = append(got, app.Name+" "+app.Status)
			if app.Organization != org || app.Secrets != nil {
				t.Errorf("got %+v", app)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", slug, got, want)
		}
	}
	all, err := c.AllApps(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	names := []string{}
	for _, app := range all {
		names = append(names, app.Name+" of "+app.Organization.Slug+", "+app.Organization.RawSlug)
	}
	if want := []string{"empty of acme, acme", "toy of personal, ann-smith-12", "web of acme, acme"}; !slices.Equal(names, want) {
		t.Errorf("got %q, want %q", names, want)
	}
	_, err = app(t, c, "absent")
	failure(t, err, "not-found")
	// The error says that the app exists in another organization.
	_, err = app(t, signedIn(t, s, sandbox.FlyOrgToken("acme")), "toy")
	if e := failure(t, err, "elsewhere"); !strings.Contains(e.Error(), `the Fly app "toy" exists, but not for the token from the command line`) {
		t.Errorf("got %s", e)
	}
}

func TestSandboxManyApps(t *testing.T) {
	t.Parallel()
	w := &sandbox.World{PageLimit: 80}
	for i := range 200 {
		w.AddApp("acme", fmt.Sprintf("app-%03d", i))
	}
	c := signedIn(t, start(t, w), "")
	org, err := c.Organization(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	apps, err := c.OrganizationApps(t.Context(), org)
	if err != nil || len(apps) != 200 || apps[0].Name != "app-000" || apps[199].Name != "app-199" {
		t.Errorf("got %d apps, %v", len(apps), err)
	}
	pages := 0
	for _, call := range w.FlyCalls() {
		if slices.Equal(call.Fields, []string{"apps"}) {
			pages++
		}
	}
	if pages != 3 {
		t.Errorf("got %d pages, want 3", pages)
	}
}

// Names are returned unchanged, and errors about them are safe for a terminal.
func TestSandboxOddNames(t *testing.T) {
	t.Parallel()
	const odd = "a\x1b]0;evil\a\n\u202e \"é/.."
	w := &sandbox.World{}
	w.AddOrg(odd, odd)
	w.AddApp(odd, odd)
	w.SetSecrets(odd, odd)
	c := signedIn(t, start(t, w), "")
	org, err := c.Organization(t.Context(), odd)
	if err != nil || org.Name != odd || org.RawSlug != odd {
		t.Errorf("got %+v, %v", org, err)
	}
	apps, err := c.OrganizationApps(t.Context(), org)
	if err != nil || len(apps) != 1 || apps[0].Name != odd {
		t.Errorf("got %+v, %v", apps, err)
	}
	got, err := app(t, c, odd)
	if err != nil || !slices.Equal(got.Secrets, []string{odd}) {
		t.Errorf("got %+v, %v", got, err)
	}
	_, err = app(t, c, odd+"x")
	failure(t, err, "not-found")
	w.FlyFault = func(sandbox.FlyCall) sandbox.FlyFault { return sandbox.FlyGraphQLError(odd) }
	_, err = c.OrganizationApps(t.Context(), org)
	failure(t, err, "refused")
}

// Limited and bad tokens each have their own error.
func TestSandboxTokens(t *testing.T) {
	t.Parallel()
	s := start(t, world())
	limited := signedIn(t, s, sandbox.FlyAppToken("web"))
	if got, err := app(t, limited, "web"); err != nil || got.Organization.RawSlug != "acme" {
		t.Errorf("got %+v, %v", got, err)
	}
	_, err := limited.Organizations(t.Context())
	if e := failure(t, err, "not-allowed"); !strings.Contains(e.Error(), "Not authorized to access this organization") {
		t.Errorf("got %s", e)
	}
	_, err = limited.Organization(t.Context(), "acme")
	failure(t, err, "not-allowed")
	_, err = app(t, limited, "empty")
	failure(t, err, "elsewhere")
	_, err = limited.Machines(t.Context(), "toy")
	failure(t, err, "not-allowed")

	for _, bad := range []string{"fo1_expired_long_ago", "fm2_expired_long_ago", "fm2_expired,fo1_expired"} {
		c := signedIn(t, s, bad)
		_, err := c.Organizations(t.Context())
		failure(t, err, setup.FlyToken)
		_, err = c.Organization(t.Context(), "acme")
		failure(t, err, setup.FlyToken)
		_, err = app(t, c, "web")
		failure(t, err, setup.FlyToken)
		_, err = c.Machines(t.Context(), "web")
		failure(t, err, setup.FlyToken)
		_, err = c.MintToken(t.Context(), "web", "x", "a")
		failure(t, err, setup.FlyToken)
	}

	// flyctl's file can have expired macaroons beside a good token.
	dir := config(t, "access_token: FlyV1 fm2_expired,fm2_expired2,"+sandbox.FlyToken+"\n")
	token, err := flyapi.FindToken(flyapi.SignIn{Getenv: env(map[string]string{"FLY_CONFIG_DIR": dir})})
	if err != nil {
		t.Fatal(err)
	}
	c := newClient(t, flyapi.Options{Token: token, BaseURL: s.FlyEndpoint, MachinesURL: s.FlyEndpoint})
	if orgs, err := c.Organizations(t.Context()); err != nil || len(orgs) != 3 {
		t.Errorf("got %+v, %v", orgs, err)
	}
	if machines, err := c.Machines(t.Context(), "web"); err != nil || len(machines) != 2 {
		t.Errorf("got %+v, %v", machines, err)
	}
}

func TestSandboxMachines(t *testing.T) {
	t.Parallel()
	s := start(t, world())
	c := signedIn(t, s, "")
	machines, err := c.Machines(t.Context(), "web")
	if err != nil || len(machines) != 2 {
		t.Fatalf("got %+v, %v", machines, err)
	}
	running, stopped := machines[0], machines[1]
	if running.Name != "quiet-sun-1" || running.State != flyapi.StateStarted || running.Region != "ams" || !maps.Equal(running.Env, map[string]string{"PORT": "8080"}) || stopped.State != "stopped" {
		t.Errorf("got %+v", machines)
	}
	if none, err := c.Machines(t.Context(), "empty"); err != nil || len(none) != 0 {
		t.Errorf("got %+v, %v", none, err)
	}
	_, err = c.Machines(t.Context(), "absent")
	failure(t, err, "not-found")

	token, err := c.MintToken(t.Context(), "web", running.ID, "sts.amazonaws.com")
	if err != nil || strings.Count(token, ".") != 2 {
		t.Errorf("got %q, %v", token, err)
	}
	_, err = c.MintToken(t.Context(), "web", stopped.ID, "sts.amazonaws.com")
	if e := failure(t, err, "refused"); !strings.Contains(e.Error(), "machine is stopped") {
		t.Errorf("got %s", e)
	}
	_, err = c.MintToken(t.Context(), "web", "nothing", "sts.amazonaws.com")
	failure(t, err, "not-found")
	got, err := c.Exec(t.Context(), "web", running.ID, flyapi.Command{Argv: []string{"uname", "-a"}})
	if err != nil || got.ExitCode != 127 {
		t.Errorf("got %+v, %v", got, err)
	}
}

// When Fly fails, reads are retried and a command is run once.
func TestSandboxTrouble(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		fault sandbox.FlyFault
		kind  setup.FlyProblemKind
		calls int
	}{
		{"down", sandbox.FlyDown(), "down", 4},
		{"web page", sandbox.FlyWebPage(), "down", 4},
		{"throttled", sandbox.FlyThrottle(), "rate-limited", 4},
		{"broken off", sandbox.FlyFault{Fault: sandbox.DropBefore()}, "unreachable", 4},
		{"GraphQL error", sandbox.FlyGraphQLError("boom"), "refused", 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := world()
			w.FlyFault = func(sandbox.FlyCall) sandbox.FlyFault { return test.fault }
			c := signedIn(t, start(t, w), "")
			_, err := c.Organizations(t.Context())
			failure(t, err, test.kind)
			// net/http itself retries a request once on a broken connection.
			if n := len(w.FlyCalls()); n != test.calls && test.calls > 0 {
				t.Errorf("called %d times, want %d", n, test.calls)
			}
			if test.calls == 4 {
				before := len(w.FlyCalls())
				_, err = c.MintToken(t.Context(), "web", "m", "a")
				failure(t, err, test.kind)
				if n := len(w.FlyCalls()) - before; n != 1 {
					t.Errorf("ran a command %d times", n)
				}
			}
		})
	}
	t.Run("for a moment", func(t *testing.T) {
		t.Parallel()
		w := world()
		w.FlyFault = func(c sandbox.FlyCall) sandbox.FlyFault {
			return []sandbox.FlyFault{sandbox.FlyDown(), sandbox.FlyThrottle(), sandbox.FlyWebPage(), {}}[min(c.N-1, 3)]
		}
		got, err := app(t, signedIn(t, start(t, w), ""), "web")
		if err != nil || got.Organization.RawSlug != "acme" {
			t.Errorf("got %+v, %v", got, err)
		}
	})
	t.Run("slow", func(t *testing.T) {
		t.Parallel()
		w := world()
		ctx, cancel := context.WithCancel(t.Context())
		w.FlyFault = func(sandbox.FlyCall) sandbox.FlyFault {
			cancel()
			return sandbox.FlyFault{Fault: sandbox.Latency(time.Minute)}
		}
		_, err := signedIn(t, start(t, w), "").Organizations(ctx)
		failure(t, err, "canceled")
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%v is not context.Canceled", err)
		}
	})
}

// app looks up one app.
func app(t testing.TB, c *flyapi.Client, name string) (flyapi.App, error) {
	t.Helper()
	results, err := c.Apps(t.Context(), []string{name})
	if err != nil {
		return flyapi.App{}, err
	}
	if len(results) != 1 {
		t.Errorf("got %d results", len(results))
	}
	return results[name].App, results[name].Err
}
