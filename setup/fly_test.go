package setup_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/fly-aws/fly-aws/setup"
)

// flyApp is what Fly says of an app of an organisation that has no alias.
func flyApp(name, org string, secrets ...string) setup.FlyApp {
	return setup.FlyApp{Name: name, Slug: org, RawSlug: org, Secrets: secrets}
}

// ownApp is what Fly says of an app of the person's own organisation.
func ownApp(name string) setup.FlyApp {
	return setup.FlyApp{Name: name, Slug: "personal", RawSlug: "jane"}
}

func TestInOrgOf(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		org  string
		apps []setup.FlyApp
		// want is the organisation, or else err the error.
		want string
		err  error
	}{
		"Fly says nothing":              {"acme", nil, "acme", nil},
		"Fly says nothing, none given":  {"", nil, "", nil},
		"Fly says nothing of the alias": {"personal", nil, "personal", nil},
		"as given":                      {"acme", []setup.FlyApp{flyApp("web", "acme")}, "acme", nil},
		"none given":                    {"", []setup.FlyApp{flyApp("web", "acme"), flyApp("api", "acme")}, "acme", nil},
		"own, none given":               {"", []setup.FlyApp{ownApp("web")}, "jane", nil},
		"own, by the alias":             {"personal", []setup.FlyApp{ownApp("web"), ownApp("api")}, "jane", nil},
		"own, by the raw slug":          {"jane", []setup.FlyApp{ownApp("web")}, "jane", nil},
		"another's": {
			"acme",
			[]setup.FlyApp{flyApp("web", "acme"), flyApp("shop", "other")},
			"",
			&setup.OtherOrgError{App: "shop", Have: "other", Want: "acme"},
		},
		"another's, not own": {
			"personal",
			[]setup.FlyApp{flyApp("web", "acme")},
			"",
			&setup.OtherOrgError{App: "web", Have: "acme", Want: "personal"},
		},
		"own and another's, by the alias": {
			"personal",
			[]setup.FlyApp{ownApp("web"), flyApp("shop", "other")},
			"",
			&setup.OtherOrgError{App: "shop", Have: "other", Want: "personal"},
		},
		"another's and own, by the alias": {
			"personal",
			[]setup.FlyApp{flyApp("shop", "other"), ownApp("web")},
			"",
			&setup.OtherOrgError{App: "shop", Have: "other", Want: "personal"},
		},
		"several, none given": {
			"",
			[]setup.FlyApp{flyApp("web", "acme"), ownApp("blog")},
			"",
			&setup.SeveralOrgsError{Apps: []setup.FlyApp{flyApp("web", "acme"), ownApp("blog")}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			req := request("web")
			req.Org = test.org
			got, err := req.InOrgOf(test.apps)
			if kind := func(err error) string { return fmt.Sprintf("%T: %v", err, err) }; kind(err) != kind(test.err) || err == nil && got.Org != test.want {
				t.Errorf("organisation %q, %v; not %q, %v", got.Org, err, test.want, test.err)
			}
			if req.Org != test.org {
				t.Errorf("the request itself was put into %q", req.Org)
			}
		})
	}
}

func TestOrgErrorsInWords(t *testing.T) {
	t.Parallel()
	several := &setup.SeveralOrgsError{Apps: []setup.FlyApp{flyApp("web", "acme"), ownApp("b\x1blog")}}
	if got := several.Error(); got != `the Fly apps belong to several organisations: "web" to "acme", "b\x1blog" to "jane"` {
		t.Error(got)
	}
	other := &setup.OtherOrgError{App: "web", Have: "ac\nme", Want: "personal"}
	if got := other.Error(); got != `the Fly app "web" belongs to the organisation "ac\nme", not to "personal"` {
		t.Error(got)
	}
}

// No token says that its organisation is "personal": a trust policy for it would
// look right and let nobody in.
func TestPersonalReachesNoTrustPolicy(t *testing.T) {
	t.Parallel()
	slugs := []string{"", "personal", "jane", "acme"}
	names := []string{"web", "api", "personal"} // an app may be called that
	resolved, refused := 0, 0
	for seed := range uint64(5000) {
		r := rand.New(rand.NewPCG(seed, 1))
		slug := func() string { return slugs[r.IntN(len(slugs))] }
		req := request(names[:1+r.IntN(len(names))]...)
		req.Org = slug()
		if r.IntN(3) == 0 {
			req = shared(req, "fly-role")
		}
		var apps []setup.FlyApp
		for _, app := range req.Apps {
			if r.IntN(4) > 0 { // Fly may know less
				apps = append(apps, setup.FlyApp{Name: app.Name, Slug: slug(), RawSlug: slug()})
			}
		}
		in, err := req.InOrgOf(apps)
		if err != nil {
			in = req // who overlooks the error gets no further
		}
		spec, err := setup.Resolve(in, facts())
		if err != nil {
			refused++
			if in.Org == "jane" || in.Org == "acme" {
				t.Fatalf("%q is refused: %v", in.Org, err)
			}
			continue
		}
		resolved++
		if spec.Org == "personal" || spec.Org == "" {
			t.Fatalf("seed %d: the organisation is %q", seed, spec.Org)
		}
		text, err := json.Marshal(spec.Resources)
		if err != nil {
			t.Fatal(err)
		}
		for _, trace := range []string{"oidc.fly.io/personal", `"personal:`, "-personal-", `:org":"personal"`, `oidc.fly.io/"`, `oidc.fly.io/:`, `":` + names[0]} {
			if strings.Contains(string(text), trace) {
				t.Fatalf("seed %d: %s is in the resources: %s", seed, trace, text)
			}
		}
	}
	if resolved < 1000 || refused < 1000 {
		t.Errorf("of 5000 requests %d were resolved and %d refused", resolved, refused)
	}
}

func TestEffectOfSecret(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]setup.SecretEffect{
		"AWS_ROLE_ARN":              setup.SecretRole,
		"AWS_ACCESS_KEY_ID":         setup.SecretShadows,
		"AWS_SECRET_ACCESS_KEY":     setup.SecretShadows,
		"AWS_SESSION_TOKEN":         setup.SecretShadows,
		"AWS_PROFILE":               setup.SecretShadows,
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

// env is a variable in the fly.toml of an app, as found there.
func env(app, key, value string) setup.Resource {
	return setup.Resource{Env: &setup.Env{Config: app + "/fly.toml", App: app, Key: key, Value: value}}
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	bare := func(req setup.Request) setup.Request {
		for i := range req.Apps {
			req.Apps[i].Config = ""
		}
		return req
	}
	inRegion := func(req setup.Request) setup.Request {
		for i := range req.Apps {
			req.Apps[i].Region = "eu-central-1"
		}
		return req
	}
	about := func(code setup.WarningCode, app, config string, names ...string) setup.Warning {
		return setup.Warning{Code: code, Apps: []string{app}, Config: config, Names: names}
	}
	noRegion := about(setup.WarningNoRegion, "web", "web/fly.toml", "AWS_REGION")
	odd := about(setup.WarningOddRegion, "web", "web/fly.toml", "AWS_REGION")
	odd.Value = "auto"
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
		"Tigris's region, which stays where one is asked for": {
			req: inRegion(request("web")), found: []setup.Resource{env("web", "AWS_REGION", "auto")}, want: []setup.Warning{odd},
		},
		"keys and a profile in the file": {
			req:   inRegion(request("web")),
			found: []setup.Resource{env("web", "AWS_SECRET_ACCESS_KEY", "x"), env("web", "AWS_PROFILE", ""), env("web", "AWS_ACCESS_KEY_ID", "x")},
			want:  []setup.Warning{about(setup.WarningShadowed, "web", "web/fly.toml", "AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_SECRET_ACCESS_KEY")},
		},
		"a variable of another app's file": {
			req: inRegion(request("web")), found: []setup.Resource{env("api", "AWS_PROFILE", "x")},
		},
		"secrets, sorted, the harmless left out": {
			req:  bare(request("web")),
			apps: []setup.FlyApp{flyApp("web", "acme", "DATABASE_URL", "AWS_ROLE_ARN", "AWS_ENDPOINT_URL_S3", "AWS_ACCESS_KEY_ID")},
			want: []setup.Warning{about(setup.WarningSecrets, "web", "", "AWS_ACCESS_KEY_ID", "AWS_ENDPOINT_URL_S3", "AWS_ROLE_ARN")},
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
			found := setup.State{}
			for _, r := range test.found {
				found[r.ID()] = r
			}
			apps := slices.Clone(test.apps)
			if got := test.req.Warnings(found, test.apps); !reflect.DeepEqual(got, test.want) {
				t.Errorf("warnings are\n%+v, not\n%+v", got, test.want)
			}
			if !reflect.DeepEqual(apps, test.apps) {
				t.Error("the apps were changed")
			}
		})
	}
}

// What Warnings looks up in a state is what Surroundings has observed.
func TestSurroundingsAreWhatWarningsNeed(t *testing.T) {
	t.Parallel()
	req := request("web")
	asked := map[string]bool{}
	for _, r := range req.Surroundings() {
		asked[r.ID()] = true
	}
	for _, key := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_REGION"} {
		r := env("web", key, "odd value")
		if !asked[r.ID()] {
			t.Errorf("%s is not observed", key)
		}
		delete(asked, r.ID())
		req.Apps[0].Region = "eu-central-1"
		if got := req.Warnings(setup.State{r.ID(): r}, nil); len(got) != 1 || !slices.Equal(got[0].Names, []string{key}) {
			t.Errorf("%s: warnings are %+v", key, got)
		}
	}
	if len(asked) > 0 {
		t.Errorf("observed for nothing: %v", sortedKeys(asked))
	}
	req.Apps[0].Config = ""
	if got := req.Surroundings(); len(got) > 0 {
		t.Errorf("without a file: %+v", got)
	}
}

// A plan keeps its warnings in its file, and a file with others is not read.
func TestWarningsInAPlan(t *testing.T) {
	t.Parallel()
	web := []string{"web"}
	good := []setup.Warning{
		{Code: setup.WarningNoRegion, Apps: web, Config: "fly.toml", Names: []string{"AWS_REGION"}},
		{Code: setup.WarningOddRegion, Apps: web, Config: "fly.toml", Names: []string{"AWS_REGION"}, Value: "auto"},
		{Code: setup.WarningShadowed, Apps: web, Config: "fly.toml", Names: []string{"AWS_PROFILE"}},
		{Code: setup.WarningSecrets, Apps: web, Names: []string{"AWS_PROFILE"}},
		{Code: setup.WarningUnchecked, Apps: []string{"web", "api"}, Cause: "Fly is down"},
		{Code: setup.WarningHiddenSecrets, Apps: web, Cause: "no"},
		{Code: setup.WarningUnproven, Apps: web, Cause: "no machine runs"},
	}
	p := plan(t, newMemory(), request("web"))
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
		"no code":                     {Apps: web, Names: web},
		"an unknown code":             {Code: "weather", Apps: web, Names: web, Cause: "rain"},
		"secrets without names":       {Code: setup.WarningSecrets, Apps: web},
		"secrets of nobody":           {Code: setup.WarningSecrets, Names: web},
		"secrets of two":              {Code: setup.WarningSecrets, Apps: []string{"web", "api"}, Names: web},
		"shadowed by nothing":         {Code: setup.WarningShadowed, Apps: web, Config: "fly.toml"},
		"no region of nobody":         {Code: setup.WarningNoRegion, Names: []string{"AWS_REGION"}},
		"an odd region without names": {Code: setup.WarningOddRegion, Apps: web, Value: "auto"},
		"unchecked without a cause":   {Code: setup.WarningUnchecked, Apps: web},
		"unchecked for nobody":        {Code: setup.WarningUnchecked, Cause: "x"},
		"hidden without a cause":      {Code: setup.WarningHiddenSecrets, Apps: web},
		"hidden for two":              {Code: setup.WarningHiddenSecrets, Apps: []string{"web", "api"}, Cause: "x"},
		"unproven without a cause":    {Code: setup.WarningUnproven, Apps: web},
		"unproven for nobody":         {Code: setup.WarningUnproven, Cause: "x"},
	} {
		if _, err := read(append(slices.Clone(good), bad)...); err == nil || !strings.Contains(err.Error(), "its warning") {
			t.Errorf("%s: error is %v", name, err)
		}
	}
	// A plan without any has no key for them, as plans always had none.
	data, err := p.MarshalIndent()
	if err != nil || strings.Contains(string(data), "warnings") {
		t.Errorf("%v: %s", err, data)
	}
	if _, err := setup.ReadPlan(data); errors.As(err, new(*setup.InvalidError)) || err != nil {
		t.Error(err)
	}
}
