package doctor_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/fly-aws/fly-aws/internal/doctor"
	"github.com/fly-aws/fly-aws/setup"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

const (
	chainRole     = "arn:aws:iam::123456789012:role/fly-acme-web"
	chainProvider = "arn:aws:iam::123456789012:oidc-provider/oidc.fly.io/acme"
	chainSecret   = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
)

// A fakeWorld is Fly, AWS and the folder; every part of it can fail.
type fakeWorld struct {
	chain doctor.Chain

	app                                            setup.FlyApp
	machines                                       []doctor.AppMachine
	env                                            map[string]string // of fly.toml
	account                                        string
	role                                           *setup.Role
	audiences                                      []string // nil: no provider
	policies                                       int
	appsErr, machinesErr, fileErr, openErr         error
	factsErr, roleErr, providerErr, permissionsErr error
}

func (w *fakeWorld) Apps(context.Context, []string) (map[string]setup.FlyApp, error) {
	return map[string]setup.FlyApp{"web": w.app}, w.appsErr
}

func (w *fakeWorld) Machines(context.Context, string) ([]doctor.AppMachine, error) {
	return w.machines, w.machinesErr
}

func (w *fakeWorld) Facts(context.Context, setup.Request) (setup.Facts, error) {
	return setup.Facts{Partition: "aws", Account: w.account, Caller: "arn:aws:iam::123456789012:user/ann"}, w.factsErr
}

func (w *fakeWorld) Role(_ context.Context, name string) (*setup.Role, error) {
	if w.role != nil && w.role.Name != name {
		return nil, fmt.Errorf("asked for the role %q", name)
	}
	return w.role, w.roleErr
}

func (w *fakeWorld) Read(_ context.Context, want []setup.Resource) ([]setup.Resource, error) {
	var out []setup.Resource
	for _, r := range want {
		switch {
		case r.Env != nil:
			if w.fileErr != nil {
				return nil, w.fileErr
			}
			if value, ok := w.env[r.Env.Key]; ok {
				out = append(out, setup.Resource{Env: &setup.Env{Config: r.Env.Config, App: r.Env.App, Key: r.Env.Key, Value: value}})
			}
		case r.Provider != nil:
			if w.providerErr != nil {
				return nil, w.providerErr
			}
			if w.audiences != nil {
				out = append(out, setup.Resource{Provider: &setup.Provider{ARN: r.Provider.ARN, Audiences: w.audiences}})
			}
		case r.Role != nil:
			if w.permissionsErr != nil {
				return nil, w.permissionsErr
			}
			out = append(out, setup.Resource{Role: w.role})
			for i := range w.policies {
				out = append(out, setup.Resource{Policy: &setup.RolePolicy{Role: r.Role.Name, Name: fmt.Sprint(i)}})
			}
		}
	}
	return out, nil
}

func (w *fakeWorld) walk(ctx context.Context) doctor.Result {
	w.chain.FlyProblem = &setup.FlyProblem{Kind: setup.FlyNotSignedIn}
	w.chain.AWS = func(context.Context) (doctor.Account, error) { return w, w.openErr }
	w.chain.Files = w
	return doctor.Walk(ctx, w.chain)
}

// trust is a trust policy for subjects, with more conditions.
func trust(t *testing.T, conditions string, subjects ...string) *trustpolicy.Policy {
	t.Helper()
	policy, err := trustpolicy.Parse([]byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow",` +
		`"Principal":{"Federated":"` + chainProvider + `"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{` +
		`"StringEquals":{"oidc.fly.io/acme:aud":"sts.amazonaws.com"},"StringLike":{"oidc.fly.io/acme:sub":["` + strings.Join(subjects, `","`) + `"]}` + conditions + `}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	return policy
}

// working is a world in which every link holds.
func working(t *testing.T) *fakeWorld {
	t.Helper()
	env := map[string]string{"AWS_ROLE_ARN": chainRole, "AWS_REGION": "eu-west-1"}
	w := &fakeWorld{
		app: setup.FlyApp{Name: "web", Slug: "acme", RawSlug: "acme", Secrets: []string{"DATABASE_URL"}},
		machines: []doctor.AppMachine{
			{ID: "1", Name: "cold-shape-2007", Region: "fra", Running: true, Env: env},
			{ID: "2", Name: "odd-fire-9", Region: "fra", Running: true, Env: env},
		},
		env: env, account: "123456789012", audiences: []string{"sts.amazonaws.com"}, policies: 1,
		role: &setup.Role{ARN: chainRole, Name: "fly-acme-web", Path: "/", Trust: trust(t, "", "acme:web:*")},
	}
	w.chain = doctor.Chain{App: "web", Config: "fly.toml", Variable: setup.EnvRoleARN, Fly: w}
	return w
}

var all = []doctor.LinkCode{
	doctor.LinkFly, doctor.LinkOrganization, doctor.LinkApp, doctor.LinkRoleARN, doctor.LinkDeployed,
	doctor.LinkAWS, doctor.LinkRole, doctor.LinkProvider, doctor.LinkTrust, doctor.LinkOthers, doctor.LinkLint,
	doctor.LinkPermissions, doctor.LinkRegion, doctor.LinkPrecedence,
}

func with(env map[string]string, more ...string) map[string]string {
	out := map[string]string{}
	for k, v := range env {
		out[k] = v
	}
	for i := 0; i < len(more); i += 2 {
		if out[more[i]] = more[i+1]; more[i+1] == "" {
			delete(out, more[i])
		}
	}
	return out
}

// TestChain breaks the chain in every way; each link is the one that is named, and none
// comes after a broken one.
func TestChain(t *testing.T) {
	t.Parallel()
	const (
		works     = doctor.StateOK
		broken    = doctor.StateBroken
		unknown   = doctor.StateUnknown
		warning   = doctor.StateWarning
		keyID     = "AWS_ACCESS_KEY_ID"
		secretKey = "AWS_SECRET_ACCESS_KEY"
	)
	fly := func(kind setup.FlyProblemKind) *setup.FlyProblem { return &setup.FlyProblem{Kind: kind, App: "web"} }
	failed := errors.New("no answer")
	everywhere := func(w *fakeWorld, more ...string) {
		w.env = with(w.env, more...)
		for i := range w.machines {
			w.machines[i].Env = with(w.machines[i].Env, more...)
		}
	}
	for name, test := range map[string]struct {
		change func(*fakeWorld)
		link   doctor.LinkCode // "" if all hold
		state  doctor.State    // of the link
		cause  doctor.Cause
		names  string // Names, Secrets, Variables, Deployed, Machines
		// stops says that an unknown link is the last.
		stops bool
	}{
		"works":                  {func(*fakeWorld) {}, "", works, "", "", false},
		"no fly.toml":            {func(w *fakeWorld) { w.chain.Config = "" }, "", works, "", "", false},
		"role by name":           {func(w *fakeWorld) { w.chain.Role = "fly-acme-web" }, "", works, "", "", false},
		"AWS_DEFAULT_REGION":     {func(w *fakeWorld) { everywhere(w, "AWS_REGION", "", "AWS_DEFAULT_REGION", "eu-west-1") }, "", works, "", "", false},
		"a stopped one is stale": {func(w *fakeWorld) { w.machines[1].Running, w.machines[1].Env = false, nil }, "", works, "", "", false},

		"not signed in":     {func(w *fakeWorld) { w.chain.Fly = nil }, doctor.LinkFly, broken, doctor.CauseFly, "", false},
		"token refused":     {func(w *fakeWorld) { w.appsErr = fly(setup.FlyToken) }, doctor.LinkFly, broken, doctor.CauseFly, "", false},
		"Fly is down":       {func(w *fakeWorld) { w.appsErr = fly(setup.FlyDown) }, doctor.LinkFly, unknown, doctor.CauseFly, "", true},
		"an odd error":      {func(w *fakeWorld) { w.appsErr = failed }, doctor.LinkFly, unknown, doctor.CauseFly, "", true},
		"no app":            {func(w *fakeWorld) { w.app.Problem = fly(setup.FlyNotFound) }, doctor.LinkApp, broken, doctor.CauseFly, "", false},
		"app elsewhere":     {func(w *fakeWorld) { w.app.Problem = fly(setup.FlyElsewhere) }, doctor.LinkApp, broken, doctor.CauseFly, "", false},
		"machines unread":   {func(w *fakeWorld) { w.machinesErr = fly(setup.FlyTimeout) }, doctor.LinkApp, unknown, doctor.CauseFly, "", true},
		"machines refused":  {func(w *fakeWorld) { w.machinesErr = fly(setup.FlyNotAllowed) }, doctor.LinkApp, broken, doctor.CauseFly, "", false},
		"no machines":       {func(w *fakeWorld) { w.machines = nil }, doctor.LinkApp, broken, doctor.CauseNoMachines, "", false},
		"none runs":         {func(w *fakeWorld) { w.machines[0].Running, w.machines[1].Running = false, false }, doctor.LinkApp, warning, doctor.CauseNoneRunning, "[] [] [] [] [cold-shape-2007 odd-fire-9]", false},
		"keys as secrets":   {func(w *fakeWorld) { w.app.Secrets = []string{keyID, secretKey} }, doctor.LinkPrecedence, broken, doctor.CauseKeys, "[AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY] [AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY] [] [] []", false},
		"keys in fly.toml":  {func(w *fakeWorld) { everywhere(w, keyID, "AKIA", secretKey, chainSecret) }, doctor.LinkPrecedence, broken, doctor.CauseKeys, "[AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY] [] [AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY] [] []", false},
		"keys in a machine": {func(w *fakeWorld) { w.machines[1].Env = with(w.env, keyID, "AKIA", secretKey, chainSecret) }, doctor.LinkPrecedence, broken, doctor.CauseKeys, "[AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY] [] [] [AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY] []", false},
		"half a key":        {func(w *fakeWorld) { w.app.Secrets = []string{keyID} }, doctor.LinkPrecedence, warning, doctor.CausePartial, "[AWS_ACCESS_KEY_ID] [AWS_ACCESS_KEY_ID] [] [] []", false},
		"a profile":         {func(w *fakeWorld) { everywhere(w, "AWS_PROFILE", "x") }, doctor.LinkPrecedence, warning, doctor.CausePartial, "[AWS_PROFILE] [] [AWS_PROFILE] [] []", false},
		"another endpoint":  {func(w *fakeWorld) { w.app.Secrets = []string{"AWS_ENDPOINT_URL_S3"} }, doctor.LinkPrecedence, warning, doctor.CauseEndpoint, "[AWS_ENDPOINT_URL_S3] [AWS_ENDPOINT_URL_S3] [] [] []", false},
		"empty values":      {func(w *fakeWorld) { w.env[keyID], w.env[secretKey] = "", "" }, "", works, "", "", false},
		"keys and no ARN": {func(w *fakeWorld) {
			everywhere(w, "AWS_ROLE_ARN", "")
			w.app.Secrets = []string{keyID, secretKey}
		}, doctor.LinkRoleARN, broken, doctor.CauseMissing, "", false},
		"keys and no role": {func(w *fakeWorld) { w.role = nil; w.app.Secrets = []string{keyID, secretKey} }, doctor.LinkRole, broken, doctor.CauseMissing, "", false},
		"secrets hidden":   {func(w *fakeWorld) { w.app.Secrets, w.app.SecretsProblem = nil, fly(setup.FlyNotAllowed) }, doctor.LinkPrecedence, unknown, doctor.CauseHidden, "", false},

		"fly.toml unread":              {func(w *fakeWorld) { w.fileErr = failed }, doctor.LinkRoleARN, unknown, doctor.CauseFailed, "", true},
		"a secret, role given":         {func(w *fakeWorld) { w.app.Secrets, w.chain.Role = []string{"AWS_ROLE_ARN"}, "fly-acme-web" }, "", works, "", "", false},
		"another role given":           {func(w *fakeWorld) { w.chain.Role = "backup" }, doctor.LinkRoleARN, broken, doctor.CauseOtherRole, "", false},
		"another account's role given": {func(w *fakeWorld) { w.chain.Role = "arn:aws:iam::210987654321:role/fly-acme-web" }, doctor.LinkRoleARN, broken, doctor.CauseOtherRole, "", false},
		"the same ARN given":           {func(w *fakeWorld) { w.chain.Role = chainRole }, "", works, "", "", false},
		"no ARN, role given":           {func(w *fakeWorld) { everywhere(w, "AWS_ROLE_ARN", ""); w.chain.Role = "fly-acme-web" }, doctor.LinkRoleARN, broken, doctor.CauseMissing, "", false},
		"no ARN":                       {func(w *fakeWorld) { everywhere(w, "AWS_ROLE_ARN", "") }, doctor.LinkRoleARN, broken, doctor.CauseMissing, "[AWS_ROLE_ARN] [] [] [] []", false},
		"an empty ARN":                 {func(w *fakeWorld) { w.env = map[string]string{"AWS_ROLE_ARN": ""} }, doctor.LinkRoleARN, broken, doctor.CauseMissing, "", false},
		"another variable":             {func(w *fakeWorld) { w.chain.Variable = "BACKUP_ROLE_ARN" }, doctor.LinkRoleARN, broken, doctor.CauseMissing, "[BACKUP_ROLE_ARN] [] [] [] []", false},
		"a malformed ARN":              {func(w *fakeWorld) { w.env = with(w.env, "AWS_ROLE_ARN", "fly-acme-web") }, doctor.LinkRoleARN, broken, doctor.CauseMalformed, "", false},
		"a secret":                     {func(w *fakeWorld) { everywhere(w, "AWS_ROLE_ARN", ""); w.app.Secrets = []string{"AWS_ROLE_ARN"} }, doctor.LinkRoleARN, unknown, doctor.CauseSecret, "[AWS_ROLE_ARN] [] [] [] []", true},
		"a secret overrides":           {func(w *fakeWorld) { w.app.Secrets = []string{"AWS_ROLE_ARN"} }, doctor.LinkRoleARN, unknown, doctor.CauseSecret, "[AWS_ROLE_ARN] [] [AWS_ROLE_ARN] [] []", true},
		"not deployed":                 {func(w *fakeWorld) { w.machines[1].Env = with(w.env, "AWS_ROLE_ARN", "") }, doctor.LinkDeployed, broken, doctor.CauseDiffers, "[AWS_ROLE_ARN] [] [] [] [odd-fire-9]", false},
		"another role":                 {func(w *fakeWorld) { w.machines[0].Env = with(w.env, "AWS_ROLE_ARN", chainRole+"2", "AWS_REGION", "x") }, doctor.LinkDeployed, broken, doctor.CauseDiffers, "[AWS_ROLE_ARN AWS_REGION] [] [] [] [cold-shape-2007]", false},
		"machines differ":              {func(w *fakeWorld) { w.chain.Config = ""; w.machines[1].Env = with(w.env, "AWS_REGION", "") }, doctor.LinkDeployed, broken, doctor.CauseDiffers, "[AWS_REGION] [] [] [] [odd-fire-9]", false},
		"environment unknown":          {func(w *fakeWorld) { w.machines[1].Env = nil }, doctor.LinkDeployed, unknown, doctor.CauseHidden, "[] [] [] [] [odd-fire-9]", false},

		"no credentials":  {func(w *fakeWorld) { w.factsErr = &doctor.SignInError{Err: failed} }, doctor.LinkAWS, broken, doctor.CauseSignIn, "", false},
		"no such profile": {func(w *fakeWorld) { w.openErr = fmt.Errorf("opening: %w", &doctor.SignInError{Err: failed}) }, doctor.LinkAWS, broken, doctor.CauseSignIn, "", false},
		"AWS is down":     {func(w *fakeWorld) { w.factsErr = failed }, doctor.LinkAWS, unknown, doctor.CauseFailed, "", true},
		"another account": {func(w *fakeWorld) { w.account = "210987654321" }, doctor.LinkAWS, broken, doctor.CauseAccount, "", false},
		"no role":         {func(w *fakeWorld) { w.role = nil }, doctor.LinkRole, broken, doctor.CauseMissing, "", false},
		"role unread":     {func(w *fakeWorld) { w.roleErr = failed }, doctor.LinkRole, unknown, doctor.CauseFailed, "", true},
		"a path":          {func(w *fakeWorld) { w.role.ARN = "arn:aws:iam::123456789012:role/team/fly-acme-web" }, doctor.LinkRole, broken, doctor.CauseOtherARN, "", false},
		"no provider":     {func(w *fakeWorld) { w.audiences = nil }, doctor.LinkProvider, broken, doctor.CauseMissing, "", false},
		"no audience":     {func(w *fakeWorld) { w.audiences = []string{"acme"} }, doctor.LinkProvider, broken, doctor.CauseAudience, "", false},
		"provider unread": {func(w *fakeWorld) { w.providerErr = failed }, doctor.LinkProvider, unknown, doctor.CauseFailed, "", false},
		"the alias":       {func(w *fakeWorld) { w.app.Slug, w.app.RawSlug = "personal", "ann-smith" }, doctor.LinkTrust, broken, doctor.CauseRefused, "[] [] [] [] [cold-shape-2007 odd-fire-9]", false},
		"another app's":   {func(w *fakeWorld) { w.role.Trust = trust(t, "", "acme:api:*") }, doctor.LinkTrust, broken, doctor.CauseRefused, "[] [] [] [] [cold-shape-2007 odd-fire-9]", false},
		"one machine's":   {func(w *fakeWorld) { w.role.Trust = trust(t, "", "acme:web:cold-shape-2007") }, doctor.LinkTrust, broken, doctor.CauseRefused, "[] [] [] [] [odd-fire-9]", false},
		"a condition": {func(w *fakeWorld) {
			w.role.Trust = trust(t, `,"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}`, "acme:web:*")
		}, doctor.LinkTrust, unknown, doctor.CauseUndecided, "", false},
		"others":                     {func(w *fakeWorld) { w.role.Trust = trust(t, "", "acme:web:*", "acme:web-*:*") }, doctor.LinkOthers, warning, doctor.CauseOthers, "", false},
		"a mistake":                  {func(w *fakeWorld) { w.role.Trust = trust(t, "", "acme:web:*", "app:web") }, doctor.LinkLint, warning, doctor.CauseFindings, "", false},
		"no permissions":             {func(w *fakeWorld) { w.policies = 0 }, doctor.LinkPermissions, warning, doctor.CauseMissing, "", false},
		"policies unread":            {func(w *fakeWorld) { w.permissionsErr = failed }, doctor.LinkPermissions, unknown, doctor.CauseFailed, "", false},
		"no region":                  {func(w *fakeWorld) { everywhere(w, "AWS_REGION", "") }, doctor.LinkRegion, unknown, doctor.CauseMissing, "[AWS_REGION] [] [] [] []", false},
		"AWS_DEFAULT_REGION is auto": {func(w *fakeWorld) { everywhere(w, "AWS_REGION", "", "AWS_DEFAULT_REGION", "auto") }, doctor.LinkRegion, broken, doctor.CauseMalformed, "[AWS_DEFAULT_REGION] [] [] [] []", false},
		"AWS_DEFAULT_REGION is a secret": {func(w *fakeWorld) {
			everywhere(w, "AWS_REGION", "")
			w.app.Secrets = []string{"AWS_DEFAULT_REGION"}
		}, doctor.LinkRegion, unknown, doctor.CauseSecret, "[AWS_DEFAULT_REGION] [] [] [] []", false},
		"an ARN may be a secret": {func(w *fakeWorld) {
			everywhere(w, "AWS_ROLE_ARN", "")
			w.app.SecretsProblem = fly(setup.FlyNotAllowed)
		}, doctor.LinkRoleARN, unknown, doctor.CauseHidden, "[AWS_ROLE_ARN] [] [] [] []", true},
		"an ARN may be in a machine": {func(w *fakeWorld) {
			everywhere(w, "AWS_ROLE_ARN", "")
			w.machines[1].Env = nil
		}, doctor.LinkRoleARN, unknown, doctor.CauseHidden, "[AWS_ROLE_ARN] [] [] [] [odd-fire-9]", true},
		"no AWS region":     {func(w *fakeWorld) { everywhere(w, "AWS_REGION", "auto") }, doctor.LinkRegion, broken, doctor.CauseMalformed, "", false},
		"an unknown region": {func(w *fakeWorld) { everywhere(w, "AWS_REGION", "eu-west-99") }, doctor.LinkRegion, warning, doctor.CauseUnlisted, "", false},
		"a secret region":   {func(w *fakeWorld) { w.app.Secrets = []string{"AWS_REGION"} }, doctor.LinkRegion, unknown, doctor.CauseSecret, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := working(t)
			test.change(w)
			r := w.walk(t.Context())
			if strings.Contains(fmt.Sprintf("%+v", r.Links), chainSecret) {
				t.Error("a link holds a secret value")
			}
			var codes []doctor.LinkCode
			var odd []doctor.Link
			for _, l := range r.Links {
				if codes = append(codes, l.Code); l.State != works {
					odd = append(odd, l)
				}
			}
			want, state := all, works
			if i := slices.Index(all, test.link); test.state == broken || test.stops {
				want = slices.Clone(all[:i+1])
			}
			if test.state != warning {
				state = test.state
			}
			if name == "no app" || name == "app elsewhere" { // whose organization is not known
				want = []doctor.LinkCode{doctor.LinkFly, doctor.LinkApp}
			}
			if !slices.Equal(codes, want) {
				t.Errorf("walked %q, want %q", codes, want)
			}
			if r.State != state {
				t.Errorf("state %q, want %q", r.State, state)
			}
			if test.link == "" {
				if len(odd) > 0 {
					t.Errorf("not all is well: %+v", odd)
				}
				return
			}
			if len(odd) != 1 || odd[0].Code != test.link || odd[0].State != test.state || odd[0].Cause != test.cause {
				t.Fatalf("got %+v, want %q %q %q", odd, test.link, test.state, test.cause)
			}
			got := fmt.Sprint(odd[0].Names, odd[0].Secrets, odd[0].Variables, odd[0].Deployed, odd[0].Machines)
			if test.names != "" && got != test.names {
				t.Errorf("names %s, want %s", got, test.names)
			}
		})
	}
}

// TestChainStops: nothing is asked once the context has ended, and nothing is claimed.
func TestChainStops(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if r := working(t).walk(ctx); r.State != doctor.StateUnknown || len(r.Links) > 0 {
		t.Errorf("got %+v", r)
	}
}

// TestSuggestions: what a link suggests is of the world that it is about.
func TestSuggestions(t *testing.T) {
	t.Parallel()
	w := working(t)
	w.machines[0].Env, w.machines[1].Env, w.env = map[string]string{"AWS_ROLE_ARN": chainRole}, map[string]string{"AWS_ROLE_ARN": chainRole}, map[string]string{"AWS_ROLE_ARN": chainRole}
	if l := w.walk(t.Context()).Find(doctor.StateUnknown); l == nil || l.Want != "eu-central-1" {
		t.Errorf("the region near fra: %+v", l)
	}
	w = working(t)
	w.app.Secrets = []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "BUCKET_NAME"}
	if l := w.walk(t.Context()).Find(doctor.StateBroken); l == nil || !l.Tigris {
		t.Errorf("the keys of fly storage: %+v", l)
	}
	w = working(t)
	w.app.Secrets = []string{"AWS_ENDPOINT_URL_S3", "BUCKET_NAME"}
	if l := w.walk(t.Context()).Find(doctor.StateWarning); l == nil || !l.Tigris {
		t.Errorf("the endpoint of fly storage: %+v", l)
	}
	w = working(t)
	w.role.Trust, w.role.Tags = trust(t, "", "acme:api:*"), map[string]string{setup.TagOrg: "acme", setup.TagApp: "web"}
	if l := w.walk(t.Context()).Find(doctor.StateBroken); l == nil || l.Subject != "acme:web:cold-shape-2007" || l.Explanation == nil || l.Explanation.Fix == nil {
		t.Errorf("the fix for a trust policy: %+v", l)
	}
	w = working(t)
	w.app.Secrets, w.chain.Role, w.role = []string{"AWS_ROLE_ARN"}, "arn:aws:iam::123456789012:role/team/fly-acme-web", nil
	if r := w.walk(t.Context()); r.Path != "/team/" || r.Role != "fly-acme-web" || r.Org != "acme" {
		t.Errorf("the role %q in %q of %q", r.Role, r.Path, r.Org)
	}
}

type executor struct {
	ran        [][]string
	out, shell doctor.Output // of fly-aws, and of sh
	err        error
}

func (e *executor) Exec(_ context.Context, app, machine string, argv []string) (doctor.Output, error) {
	e.ran = append(e.ran, append([]string{app, machine}, argv...))
	if argv[0] == "sh" {
		return e.shell, nil
	}
	return e.out, e.err
}

func TestExamine(t *testing.T) {
	t.Parallel()
	machines := []doctor.AppMachine{{ID: "1", Name: "a"}, {ID: "2", Name: "b", Running: true}, {ID: "3", Name: "c", Running: true}}
	for name, test := range map[string]struct {
		machines []doctor.AppMachine
		out      doctor.Output
		err      error
		state    doctor.State
		cause    doctor.Cause
	}{
		"works":         {machines, doctor.Output{Stdout: `{"schema":"fly-aws.doctor/1","ok":true}`}, nil, doctor.StateOK, ""},
		"broken":        {machines, doctor.Output{ExitCode: 3, Stdout: `{"schema":"fly-aws.doctor/1","ok":false}`}, nil, doctor.StateBroken, ""},
		"undecided":     {machines, doctor.Output{ExitCode: 3, Stdout: `{"schema":"fly-aws.doctor/2","conclusion":{"code":"undecided"}}`}, nil, doctor.StateUnknown, doctor.CauseUndecided},
		"no answer":     {machines, doctor.Output{ExitCode: 1}, nil, doctor.StateUnknown, doctor.CauseNoAnswer},
		"an error":      {machines, doctor.Output{ExitCode: 1, Stdout: `{"schema":"fly-aws.error/1","error":{}}`}, nil, doctor.StateUnknown, doctor.CauseNoAnswer},
		"another type":  {machines, doctor.Output{Stdout: `{"schema":"fly-aws.doctor/1","ok":"yes"}`}, nil, doctor.StateUnknown, doctor.CauseNoAnswer},
		"no document":   {machines, doctor.Output{Stdout: "✓ fine"}, nil, doctor.StateUnknown, doctor.CauseNoAnswer},
		"no fly-aws":    {machines, doctor.Output{ExitCode: 127}, nil, doctor.StateUnknown, doctor.CauseNoProgram},
		"no fly-aws 2":  {machines, doctor.Output{ExitCode: 126, Stderr: `exec: "fly-aws": executable file not found in $PATH`}, nil, doctor.StateUnknown, doctor.CauseNoProgram},
		"not to be run": {machines, doctor.Output{ExitCode: 126, Stderr: "permission denied"}, nil, doctor.StateUnknown, doctor.CauseNoAnswer},
		"its own error": {machines, doctor.Output{ExitCode: 1, Stderr: "open /proc/1/environ: no such file or directory"}, nil, doctor.StateUnknown, doctor.CauseNoAnswer},
		"its error 127": {machines, doctor.Output{ExitCode: 127, Stderr: "Error: no such file or directory"}, nil, doctor.StateUnknown, doctor.CauseNoAnswer},
		"no fly-aws 3":  {machines, doctor.Output{}, &setup.FlyProblem{Kind: setup.FlyRefused, Message: "No such file or directory (os error 2)"}, doctor.StateUnknown, doctor.CauseNoProgram},
		"refused":       {machines, doctor.Output{}, &setup.FlyProblem{Kind: setup.FlyNotAllowed}, doctor.StateUnknown, doctor.CauseFly},
		"none runs":     {machines[:1], doctor.Output{}, nil, doctor.StateUnknown, doctor.CauseNoneRunning},
		"none is there": {nil, doctor.Output{}, nil, doctor.StateUnknown, doctor.CauseNoneRunning},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := &executor{out: test.out, err: test.err, shell: doctor.Output{Stdout: "process\nAWS_REGION=x\nname AWS_REGION\n"}}
			var announced [][]string
			p := doctor.Examine(t.Context(), e, "web", test.machines, []string{"fly-aws", "doctor"}, func(m doctor.AppMachine, argv []string) {
				if announced = append(announced, append([]string{"web", m.ID}, argv...)); len(e.ran) != len(announced)-1 {
					t.Errorf("announced %q after it ran", argv)
				}
			})
			if p.State != test.state || p.Cause != test.cause || p.Cause == doctor.CauseFly && p.Fly == nil {
				t.Errorf("got %+v", p)
			}
			if got, want := fmt.Sprint(e.ran), fmt.Sprint(announced); got != want {
				t.Errorf("ran %s, announced %s", got, want)
			}
			runs := 1
			switch test.cause {
			case doctor.CauseNoneRunning:
				runs = 0
			case doctor.CauseNoProgram:
				runs = 2
			}
			if len(e.ran) != runs || runs > 0 && !slices.Equal(e.ran[0], []string{"web", "2", "fly-aws", "doctor"}) {
				t.Errorf("ran %q", e.ran)
			}
			if (p.Process != nil) != (runs == 2) {
				t.Errorf("the app's process: %+v", p.Process)
			}
		})
	}
}

func TestTogether(t *testing.T) {
	t.Parallel()
	probe := func(s doctor.State) *doctor.Probe { return &doctor.Probe{State: s} }
	for _, test := range []struct {
		chain doctor.State
		probe *doctor.Probe
		want  doctor.State
	}{
		{doctor.StateOK, nil, doctor.StateOK},
		{doctor.StateUnknown, nil, doctor.StateUnknown},
		{doctor.StateUnknown, probe(doctor.StateOK), doctor.StateOK},
		{doctor.StateOK, probe(doctor.StateUnknown), doctor.StateUnknown},
		{doctor.StateOK, probe(doctor.StateBroken), doctor.StateBroken},
		{doctor.StateBroken, probe(doctor.StateOK), doctor.StateBroken},
	} {
		r := doctor.Result{State: test.chain, Links: []doctor.Link{{Code: doctor.LinkRole, State: test.chain}}}
		if got := doctor.Together(r, test.probe); got.State != test.want || got.Links[0].Overruled {
			t.Errorf("%q with %+v is %+v, want %q", test.chain, test.probe, got, test.want)
		}
	}
	// A region that was not found is where the machine has it.
	r := doctor.Result{State: doctor.StateUnknown, Links: []doctor.Link{{Code: doctor.LinkRegion, State: doctor.StateUnknown, Cause: doctor.CauseMissing}}}
	if got := doctor.Together(r, probe(doctor.StateOK)); got.State != doctor.StateOK || !got.Links[0].Overruled {
		t.Errorf("a region in the image: %+v", got)
	}
	// The machine says nothing about a role in another variable.
	for _, l := range []doctor.Link{
		{State: doctor.StateBroken, Cause: doctor.CauseMissing},
		{State: doctor.StateUnknown, Cause: doctor.CauseSecret},
	} {
		l.Code, l.Names = doctor.LinkRoleARN, []string{"BACKUP_ROLE_ARN"}
		if got := doctor.Together(doctor.Result{State: l.State, Links: []doctor.Link{l}}, probe(doctor.StateOK)); got.State != l.State || got.Links[0].Overruled {
			t.Errorf("another variable: %+v", got)
		}
	}
	// What was inferred from the configuration is overruled by a machine that works.
	for _, l := range []doctor.Link{
		{Code: doctor.LinkPrecedence, Cause: doctor.CauseKeys},
		{Code: doctor.LinkRoleARN, Cause: doctor.CauseMissing, Names: []string{"AWS_ROLE_ARN"}},
		{Code: doctor.LinkRegion, Cause: doctor.CauseMalformed},
	} {
		l.State = doctor.StateBroken
		r := doctor.Result{State: doctor.StateBroken, Links: []doctor.Link{l}}
		got := doctor.Together(r, probe(doctor.StateOK))
		if got.State != doctor.StateOK || got.Links[0].State != doctor.StateWarning || !got.Links[0].Overruled || r.Links[0].Overruled {
			t.Errorf("%q: %+v", l.Code, got)
		}
		if got := doctor.Together(r, probe(doctor.StateUnknown)); got.State != doctor.StateBroken {
			t.Errorf("%q: %+v", l.Code, got)
		}
	}
}
