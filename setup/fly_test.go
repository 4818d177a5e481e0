package setup_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fly-aws/fly-aws/setup"
)

// flyApp returns an app of an organization without an alias.
func flyApp(name, org string, secrets ...string) setup.FlyApp {
	return setup.FlyApp{Name: name, Slug: org, RawSlug: org, Secrets: secrets}
}

// personalApp returns an app of the user's personal organization.
func personalApp(name string) setup.FlyApp {
	return setup.FlyApp{Name: name, Slug: "personal", RawSlug: "jane"}
}

// directory is a setup.Directory in memory.
type directory struct {
	apps []setup.FlyApp
	// err is returned together with the known apps.
	err error
	// asked counts the calls of Apps.
	asked atomic.Int32
	// onApps, if set, is called by Apps.
	onApps func()
	// token returns the token of a machine.
	token func(app string, machines []string) (setup.MachineToken, error)
}

func (d *directory) Apps(_ context.Context, names []string) (map[string]setup.FlyApp, error) {
	d.asked.Add(1)
	if d.onApps != nil {
		d.onApps()
	}
	out := map[string]setup.FlyApp{}
	for _, app := range d.apps {
		if slices.Contains(names, app.Name) {
			out[app.Name] = app
		}
	}
	return out, d.err
}

func (d *directory) MachineToken(_ context.Context, app string, machines []string, _ string) (setup.MachineToken, error) {
	return d.token(app, machines)
}

// planWith plans with a sign-in to Fly.
func planWith(m *memory, fly *directory, req setup.Request) (*setup.Plan, error) {
	w := m.world()
	w.Fly = fly
	return w.Plan(context.Background(), req)
}

func TestOrganizationOfAPlan(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		org  string
		apps []setup.FlyApp
		// want is the organization if err is nil.
		want string
		err  error
	}{
		"Fly says nothing":     {"acme", nil, "acme", nil},
		"as given":             {"acme", []setup.FlyApp{flyApp("web", "acme")}, "acme", nil},
		"none given":           {"", []setup.FlyApp{flyApp("web", "acme"), flyApp("api", "acme")}, "acme", nil},
		"own, none given":      {"", []setup.FlyApp{personalApp("web")}, "jane", nil},
		"own, by the alias":    {"personal", []setup.FlyApp{personalApp("web"), personalApp("api")}, "jane", nil},
		"own, by the raw slug": {"jane", []setup.FlyApp{personalApp("web")}, "jane", nil},
		"another's": {
			"acme",
			[]setup.FlyApp{flyApp("web", "acme"), flyApp("api", "other")},
			"",
			&setup.OtherOrgError{App: "api", Have: "other", Want: "acme"},
		},
		"another's, not own": {
			"personal",
			[]setup.FlyApp{flyApp("web", "acme")},
			"",
			&setup.OtherOrgError{App: "web", Have: "acme", Want: "personal"},
		},
		"own and another's, by the alias": {
			"personal",
			[]setup.FlyApp{personalApp("web"), flyApp("api", "other")},
			"",
			&setup.OtherOrgError{App: "api", Have: "other", Want: "personal"},
		},
		"several, none given": {
			"",
			[]setup.FlyApp{flyApp("web", "acme"), personalApp("api")},
			"",
			&setup.SeveralOrgsError{Apps: []setup.FlyApp{flyApp("web", "acme"), personalApp("api")}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			req := request("web", "api")
			req.Org = test.org
			fly := &directory{apps: test.apps}
			got, err := planWith(newMemory(), fly, req)
			if kind := func(err error) string { return fmt.Sprintf("%T: %v", err, err) }; kind(err) != kind(test.err) {
				t.Fatalf("error %v, not %v", err, test.err)
			}
			if err == nil && got.Org != test.want {
				t.Errorf("organization %q, not %q", got.Org, test.want)
			}
			if n := fly.asked.Load(); n != 1 {
				t.Errorf("Fly was asked %d times", n)
			}
			if err == nil && (got.OrgAlias != "") != (test.want == "jane") {
				t.Errorf("its alias is %q", got.OrgAlias)
			}
		})
	}
}

// AWS and Fly are asked in parallel, unless Fly has to report the organization first.
func TestAWSAndFlyAreAskedTogether(t *testing.T) {
	t.Parallel()
	fly := &directory{apps: []setup.FlyApp{flyApp("web", "acme")}}
	m := newMemory()
	var both sync.WaitGroup
	both.Add(2)
	meet := func() {
		both.Done()
		met := make(chan struct{})
		go func() { both.Wait(); close(met) }()
		select {
		case <-met:
		case <-time.After(20 * time.Second):
			t.Error("AWS and Fly were not asked in parallel")
		}
	}
	fly.onApps, m.onFacts = meet, func(setup.Request) { meet() }
	if _, err := planWith(m, fly, request("web")); err != nil {
		t.Fatal(err)
	}

	req := request("web")
	req.Org = ""
	answered := false
	fly.onApps = func() { answered = true }
	m.onFacts = func(req setup.Request) {
		if !answered || req.Org != "acme" {
			t.Errorf("AWS was asked about the organization %q", req.Org)
		}
	}
	if _, err := planWith(m, fly, req); err != nil {
		t.Fatal(err)
	}
}

// A missing organization is reported together with the request's other problems, before
// any call.
func TestUnknownOrganization(t *testing.T) {
	t.Parallel()
	down := &setup.FlyProblem{Kind: setup.FlyDown}
	for _, org := range []string{"", "personal"} {
		req := request("web")
		req.Org = org
		req.Roles[0].Path = "x"
		w := newMemory().world()
		w.FlyProblem = down
		_, err := w.Plan(context.Background(), req)
		var fields []setup.Field
		for _, e := range err.(interface{ Unwrap() []error }).Unwrap() {
			for _, e := range unjoin(e) {
				var invalid *setup.InvalidError
				if errors.As(e, &invalid) {
					fields = append(fields, invalid.Field)
				}
			}
		}
		if !slices.Equal(fields, []setup.Field{setup.FieldOrg, setup.FieldPath}) || !errors.Is(err, down) {
			t.Errorf("%q: problems with %v: %v", org, fields, err)
		}

		req.Roles[0].Path = ""
		_, err = planWith(newMemory(), &directory{err: down}, req)
		var invalid *setup.InvalidError
		if !errors.As(err, &invalid) || invalid.Field != setup.FieldOrg || !errors.Is(err, down) {
			t.Errorf("%q, Fly is down: %v", org, err)
		}
	}
	// A default name that is too long is found once the organization is.
	req := request(strings.Repeat("a", 50))
	req.Org = ""
	_, err := planWith(newMemory(), &directory{apps: []setup.FlyApp{flyApp(req.Roles[0].Apps[0].Name, "long-organization")}}, req)
	var invalid *setup.InvalidError
	if !errors.As(err, &invalid) || invalid.Field != setup.FieldRoleName || !invalid.Default {
		t.Errorf("a long name: %v", err)
	}
}

// unjoin returns the errors joined in err.
func unjoin(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	return joined.Unwrap()
}

// An app that Fly does not know is always an error; any other problem with Fly is a
// warning unless Fly is required.
func TestProblemsWithFly(t *testing.T) {
	t.Parallel()
	problem := func(kind setup.FlyProblemKind) *setup.FlyProblem { return &setup.FlyProblem{Kind: kind, App: "web"} }
	for _, kind := range []setup.FlyProblemKind{setup.FlyNotFound, setup.FlyElsewhere} {
		_, err := planWith(newMemory(), &directory{apps: []setup.FlyApp{{Name: "web", Problem: problem(kind)}}}, request("web"))
		var p *setup.FlyProblem
		if !errors.As(err, &p) || p.Kind != kind {
			t.Errorf("%s: %v", kind, err)
		}
	}
	hidden := flyApp("api", "acme")
	hidden.SecretsProblem = problem(setup.FlyNotAllowed)
	fly := &directory{apps: []setup.FlyApp{{Name: "web", Problem: problem(setup.FlyTimeout)}, hidden}}
	req := inRegion(request("web", "api"))
	p, err := planWith(newMemory(), fly, req)
	if err != nil {
		t.Fatal(err)
	}
	want := []setup.Warning{
		{Code: setup.WarningUnchecked, Apps: []string{"web"}, Cause: problem(setup.FlyTimeout)},
		{Code: setup.WarningHiddenSecrets, Apps: []string{"api"}, Cause: hidden.SecretsProblem},
	}
	if !reflect.DeepEqual(p.Warnings, want) || !reflect.DeepEqual(reread(t, p).Warnings, want) {
		t.Errorf("warnings are %+v", p.Warnings)
	}
	w := newMemory().world()
	w.Fly, w.FlyRequired = fly, true
	if _, err := w.Plan(context.Background(), req); !errors.As(err, new(*setup.FlyProblem)) {
		t.Errorf("required: %v", err)
	}
}

func TestProof(t *testing.T) {
	t.Parallel()
	req := request("web")
	req.Prove, req.Roles[0].Apps[0].Region = true, "eu-central-1"
	fly := &directory{apps: []setup.FlyApp{flyApp("web", "acme")}}
	token := setup.MachineToken{Machine: "m1", Issuer: "https://oidc.fly.io/acme", Subject: "acme:web:m1", Audience: []string{"sts.amazonaws.com"}}
	fly.token = func(string, []string) (setup.MachineToken, error) { return token, nil }
	p, err := planWith(newMemory(), fly, req)
	if err != nil || !slices.Equal(p.Proofs, []setup.Proof{{App: "web", Machine: "m1"}}) || len(p.Warnings) > 0 {
		t.Errorf("%+v, %v", p, err)
	}

	token.Issuer, token.Subject = "https://oidc.fly.io/moved", "moved:web:m1"
	_, err = planWith(newMemory(), fly, req)
	var mismatch *setup.TokenMismatchError
	want := &setup.TokenMismatchError{
		App: "web", Machine: "m1", Org: "acme", TokenOrg: "moved", Confirmed: true,
		Differences: []setup.ClaimDifference{
			{Claim: "iss", Have: token.Issuer, Want: "https://oidc.fly.io/acme"},
			{Claim: "sub", Have: token.Subject, Want: "acme:web:m1"},
		},
	}
	if !errors.As(err, &mismatch) || !reflect.DeepEqual(mismatch, want) {
		t.Errorf("got %+v", err)
	}

	none := &setup.FlyProblem{Kind: setup.FlyNoMachine, App: "web"}
	fly.token = func(string, []string) (setup.MachineToken, error) { return setup.MachineToken{}, none }
	p, err = planWith(newMemory(), fly, req)
	if err != nil || len(p.Proofs) > 0 || !reflect.DeepEqual(p.Warnings, []setup.Warning{{Code: setup.WarningUnproven, Apps: []string{"web"}, Cause: none}}) {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestOrgErrorsInWords(t *testing.T) {
	t.Parallel()
	several := &setup.SeveralOrgsError{Apps: []setup.FlyApp{flyApp("web", "acme"), personalApp("b\x1blog")}}
	if got := several.Error(); got != `the Fly apps belong to several organizations: "web" to "acme", "b\x1blog" to "jane"` {
		t.Error(got)
	}
	other := &setup.OtherOrgError{App: "web", Have: "ac\nme", Want: "personal"}
	if got := other.Error(); got != `the Fly app "web" belongs to the organization "ac\nme", not to "personal"` {
		t.Error(got)
	}
}

// Tokens do not carry "personal": a trust policy for it would look right and match no token.
func TestPersonalReachesNoTrustPolicy(t *testing.T) {
	t.Parallel()
	slugs := []string{"", "personal", "jane", "acme"}
	names := []string{"web", "api", "personal"} // a valid app name
	planned, refused := 0, 0
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 1))
		slug := func() string { return slugs[r.IntN(len(slugs))] }
		req := request(names[:1+r.IntN(len(names))]...)
		req.Org = slug()
		if r.IntN(3) == 0 {
			req = shared(req, "fly-role")
		}
		fly := &directory{}
		for _, app := range req.Roles {
			if r.IntN(4) > 0 { // Fly may not know them all
				fly.apps = append(fly.apps, setup.FlyApp{Name: app.Name, Slug: slug(), RawSlug: slug()})
			}
		}
		p, err := planWith(newMemory(), fly, req)
		if err != nil {
			refused++
			continue
		}
		planned++
		if p.Org == "personal" || p.Org == "" {
			t.Fatalf("seed %d: the organization is %q", seed, p.Org)
		}
		text, err := json.Marshal(p.Changes)
		if err != nil {
			t.Fatal(err)
		}
		for _, trace := range []string{"oidc.fly.io/personal", `"personal:`, "-personal-", `:org":"personal"`, `oidc.fly.io/"`, `oidc.fly.io/:`, `":` + names[0]} {
			if strings.Contains(string(text), trace) {
				t.Fatalf("seed %d: %s is in the plan: %s", seed, trace, text)
			}
		}
	}
	if planned < 200 || refused < 200 {
		t.Errorf("of 2000 requests %d were planned and %d refused", planned, refused)
	}
}

func TestEffectOfSecret(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]setup.SecretEffect{
		"AWS_ROLE_ARN":              setup.SecretRole,
		"AWS_ACCESS_KEY_ID":         setup.SecretPrecedence,
		"AWS_SECRET_ACCESS_KEY":     setup.SecretPrecedence,
		"AWS_SESSION_TOKEN":         setup.SecretPrecedence,
		"AWS_PROFILE":               setup.SecretPrecedence,
		"AWS_REGION":                setup.SecretRegion,
		"AWS_ENDPOINT_URL":          setup.SecretEndpoint,
		"AWS_ENDPOINT_URL_S3":       setup.SecretEndpoint,
		"AWS_ENDPOINT_URL_":         setup.SecretEndpoint,
		"":                          setup.SecretHarmless,
		"aws_profile":               setup.SecretHarmless,
		"AWS_ENDPOINT_URLS":         setup.SecretHarmless,
		"MY_AWS_ENDPOINT_URL":       setup.SecretHarmless,
		"CHAMBER_AWS_ROLE_ARN":      setup.SecretHarmless,
		"AWS_ROLE_ARN_OLD":          setup.SecretHarmless,
		"TIGRIS_AWS_ACCESS_KEY_ID":  setup.SecretHarmless,
		"AWS_SECRET_ACCESS_KEY_OLD": setup.SecretHarmless,
		"BUCKET_NAME":               setup.SecretHarmless,
		"DATABASE_URL":              setup.SecretHarmless,
	} {
		if got := setup.EffectOfSecret(name); got != want {
			t.Errorf("%q: %q, not %q", name, got, want)
		}
	}
}

// env returns an existing entry in the fly.toml of an app.
func env(app, key, value string) setup.Resource {
	return setup.Resource{Env: &setup.Env{Config: app + "/fly.toml", App: app, Key: key, Value: value}}
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	bare := func(req setup.Request) setup.Request {
		return withApps(req, func(app *setup.App) { app.Config = "" })
	}
	within := func(req setup.Request) setup.Request {
		req.Region = "eu-central-1"
		return req
	}
	about := func(code setup.WarningCode, app, config string, names ...string) setup.Warning {
		return setup.Warning{Code: code, Apps: []string{app}, Config: config, Names: names}
	}
	noRegion := about(setup.WarningNoRegion, "web", "web/fly.toml", "AWS_REGION")
	tokenFile := func(name, value string) setup.Warning {
		return setup.Warning{Code: setup.WarningTokenFile, Apps: []string{"web"}, Config: "web/fly.toml", Names: []string{name}, Value: value}
	}
	odd := about(setup.WarningOddRegion, "web", "web/fly.toml", "AWS_REGION")
	odd.Value = "auto"
	in := func(region string, apps ...string) setup.Request {
		req := request(apps...)
		for i := range req.Roles {
			req.Roles[i].Apps[0].Region = region
		}
		return req
	}
	unlisted := about(setup.WarningUnlistedRegion, "web", "web/fly.toml", "AWS_REGION")
	unlisted.Value = "eu-centrall-1"
	for name, test := range map[string]struct {
		req   setup.Request
		found []setup.Resource
		apps  []setup.FlyApp
		want  []setup.Warning
	}{
		"nothing is wrong":     {req: inRegion(request("web"))},
		"no region":            {req: request("web"), want: []setup.Warning{noRegion}},
		"no file":              {req: bare(request("web"))},
		"a region in the file": {req: request("web"), found: []setup.Resource{env("web", "AWS_REGION", "eu-central-1")}},
		"a region as a secret": {
			req: request("web"), apps: []setup.FlyApp{flyApp("web", "acme", "AWS_REGION")},
			want: []setup.Warning{about(setup.WarningSecrets, "web", "", "AWS_REGION")},
		},
		"a region as a secret of another app": {
			req: request("web"), apps: []setup.FlyApp{flyApp("api", "acme", "AWS_REGION")}, want: []setup.Warning{noRegion},
		},
		"Tigris's region, kept although a region is requested": {
			req: within(request("web")), found: []setup.Resource{env("web", "AWS_REGION", "auto")}, want: []setup.Warning{odd},
		},
		"Tigris's region, changed to the app's": {
			req: inRegion(request("web")), found: []setup.Resource{env("web", "AWS_REGION", "auto")},
		},
		"an unlisted region for two apps": {
			req:  in("eu-west-9", "web", "api"),
			want: []setup.Warning{{Code: setup.WarningUnlistedRegion, Apps: []string{"web", "api"}, Value: "eu-west-9"}},
		},
		"an unlisted region in the file": {
			req: request("web"), found: []setup.Resource{env("web", "AWS_REGION", "eu-centrall-1")}, want: []setup.Warning{unlisted},
		},
		"an unlisted region in the request and the file": {
			req: in("eu-west-9", "web"), found: []setup.Resource{env("web", "AWS_REGION", "eu-west-9")},
			want: []setup.Warning{{Code: setup.WarningUnlistedRegion, Apps: []string{"web"}, Value: "eu-west-9"}},
		},
		"keys and a profile in the file": {
			req:   inRegion(request("web")),
			found: []setup.Resource{env("web", "AWS_SECRET_ACCESS_KEY", "x"), env("web", "AWS_PROFILE", ""), env("web", "AWS_ACCESS_KEY_ID", "x")},
			want:  []setup.Warning{about(setup.WarningPrecedence, "web", "web/fly.toml", "AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_SECRET_ACCESS_KEY")},
		},
		"a token file and a bad session name in the file": {
			req:   inRegion(request("web")),
			found: []setup.Resource{env("web", "AWS_WEB_IDENTITY_TOKEN_FILE", "/x"), env("web", "AWS_ROLE_SESSION_NAME", "a b")},
			want:  []setup.Warning{tokenFile("AWS_WEB_IDENTITY_TOKEN_FILE", "/x"), tokenFile("AWS_ROLE_SESSION_NAME", "a b")},
		},
		"a good session name in the file": {
			req: inRegion(request("web")), found: []setup.Resource{env("web", "AWS_ROLE_SESSION_NAME", "web@1")},
		},
		"a short session name in the file": {
			req: inRegion(request("web")), found: []setup.Resource{env("web", "AWS_ROLE_SESSION_NAME", "w")},
			want: []setup.Warning{tokenFile("AWS_ROLE_SESSION_NAME", "w")},
		},
		"a variable of another app's file": {
			req: inRegion(request("web")), found: []setup.Resource{env("api", "AWS_PROFILE", "x")},
		},
		"secrets, sorted, without the harmless": {
			req:  bare(request("web")),
			apps: []setup.FlyApp{flyApp("web", "acme", "DATABASE_URL", "AWS_PROFILE", "AWS_ENDPOINT_URL_S3", "AWS_ACCESS_KEY_ID")},
			want: []setup.Warning{about(setup.WarningSecrets, "web", "", "AWS_ACCESS_KEY_ID", "AWS_ENDPOINT_URL_S3", "AWS_PROFILE")},
		},
		"a role as a secret, which overrides the file's": {
			req: inRegion(request("web")), apps: []setup.FlyApp{flyApp("web", "acme", "AWS_ROLE_ARN")},
			want: []setup.Warning{about(setup.WarningSecrets, "web", "", "AWS_ROLE_ARN")},
		},
		"a role as a secret, without a file": {req: bare(request("web")), apps: []setup.FlyApp{flyApp("web", "acme", "AWS_ROLE_ARN")}},
		"a role as a secret, on purpose": {
			req:   withApps(inRegion(request("web")), func(app *setup.App) { app.ARN = setup.ARNInSecret }),
			found: []setup.Resource{env("web", "AWS_REGION", "eu-central-1")}, apps: []setup.FlyApp{flyApp("web", "acme", "AWS_ROLE_ARN")},
		},
		"harmless secrets": {req: bare(request("web")), apps: []setup.FlyApp{flyApp("web", "acme", "DATABASE_URL")}},
		"in the order of the request": {
			req:  bare(request("web", "api")),
			apps: []setup.FlyApp{flyApp("api", "acme", "AWS_PROFILE"), flyApp("web", "acme", "AWS_REGION"), flyApp("shop", "acme", "AWS_PROFILE")},
			want: []setup.Warning{about(setup.WarningSecrets, "web", "", "AWS_REGION"), about(setup.WarningSecrets, "api", "", "AWS_PROFILE")},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := planWith(newMemory(test.found...), &directory{apps: test.apps}, test.req)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(p.Warnings, test.want) {
				t.Errorf("warnings are\n%+v, not\n%+v", p.Warnings, test.want)
			}
			if len(p.Conflicts()) == 0 && !reflect.DeepEqual(reread(t, p).Warnings, test.want) {
				t.Errorf("from a file they are\n%+v", reread(t, p).Warnings)
			}
		})
	}
}

// A saved plan keeps its warnings, and a plan with warnings that fly-aws does not produce
// is not read.
func TestWarningsInAPlan(t *testing.T) {
	t.Parallel()
	web := []string{"web"}
	cause := &setup.FlyProblem{Kind: setup.FlyDown, Status: 503}
	good := []setup.Warning{
		{Code: setup.WarningNoRegion, Apps: web, Config: "fly.toml", Names: []string{"AWS_REGION"}},
		{Code: setup.WarningOddRegion, Apps: web, Config: "fly.toml", Names: []string{"AWS_REGION"}, Value: "auto"},
		{Code: setup.WarningUnlistedRegion, Apps: []string{"web", "api"}, Value: "eu-west-9"},
		{Code: setup.WarningUnlistedRegion, Apps: web, Config: "fly.toml", Names: []string{"AWS_REGION"}, Value: "eu-west-9"},
		{Code: setup.WarningPrecedence, Apps: web, Config: "fly.toml", Names: []string{"AWS_PROFILE"}},
		{Code: setup.WarningTokenFile, Apps: web, Config: "fly.toml", Names: []string{"AWS_ROLE_SESSION_NAME"}, Value: "x"},
		{Code: setup.WarningSecrets, Apps: web, Names: []string{"AWS_PROFILE"}},
		{Code: setup.WarningUnchecked, Apps: []string{"web", "api"}, Cause: cause},
		{Code: setup.WarningHiddenSecrets, Apps: web, Cause: cause},
		{Code: setup.WarningUnproven, Apps: web, Cause: cause},
	}
	req := request("web")
	req.Roles[0].Apps[0].Region = "eu-central-1"
	p := plan(t, newMemory(), req)
	read := func(warnings ...setup.Warning) (*setup.Plan, error) {
		edited := *p
		edited.Warnings = warnings
		data, err := edited.MarshalIndent()
		if err != nil {
			t.Fatal(err)
		}
		return setup.ReadPlan(data)
	}
	got, err := read(good...)
	if err != nil || !reflect.DeepEqual(got.Warnings, good) {
		t.Fatalf("read back: %+v, %v", got, err)
	}
	for name, bad := range map[string]setup.Warning{
		"no code":                      {Apps: web, Names: web},
		"an unknown code":              {Code: "weather", Apps: web, Names: web, Cause: cause},
		"secrets without names":        {Code: setup.WarningSecrets, Apps: web},
		"secrets of nobody":            {Code: setup.WarningSecrets, Names: web},
		"secrets of two":               {Code: setup.WarningSecrets, Apps: []string{"web", "api"}, Names: web},
		"shadowed by nothing":          {Code: setup.WarningPrecedence, Apps: web, Config: "fly.toml"},
		"no region of nobody":          {Code: setup.WarningNoRegion, Names: []string{"AWS_REGION"}},
		"an odd region without names":  {Code: setup.WarningOddRegion, Apps: web, Value: "auto"},
		"no unlisted region":           {Code: setup.WarningUnlistedRegion, Apps: web},
		"an unlisted region of nobody": {Code: setup.WarningUnlistedRegion, Value: "eu-west-9"},
		"a file without a variable":    {Code: setup.WarningUnlistedRegion, Apps: web, Config: "fly.toml", Value: "eu-west-9"},
		"unchecked without a cause":    {Code: setup.WarningUnchecked, Apps: web},
		"unchecked for nobody":         {Code: setup.WarningUnchecked, Cause: cause},
		"hidden without a cause":       {Code: setup.WarningHiddenSecrets, Apps: web},
		"hidden for two":               {Code: setup.WarningHiddenSecrets, Apps: []string{"web", "api"}, Cause: cause},
		"unproven without a cause":     {Code: setup.WarningUnproven, Apps: web},
		"unproven for nobody":          {Code: setup.WarningUnproven, Cause: cause},
		"a token file without names":   {Code: setup.WarningTokenFile, Apps: web, Config: "fly.toml"},
		"a narrowed statement":         {Code: setup.WarningNarrower, Apps: web, Role: "fly-acme-web", Narrowed: []setup.Narrowing{{Kind: setup.NarrowedDeny}}},
		"a broad policy":               {Code: setup.WarningBroad, Apps: web, Role: "fly-acme-web", Names: web},
	} {
		if _, err := read(append(slices.Clone(good), bad)...); err == nil || !strings.Contains(err.Error(), "warning") {
			t.Errorf("%s: error is %v", name, err)
		}
	}
	// A plan without warnings has no key for them.
	data, err := p.MarshalIndent()
	if err != nil || strings.Contains(string(data), "warnings") {
		t.Errorf("%v: %s", err, data)
	}
	if _, err := setup.ReadPlan(data); errors.As(err, new(*setup.InvalidError)) || err != nil {
		t.Error(err)
	}
}
