package setup

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/fly-aws/fly-aws/internal/flyname"
	"github.com/fly-aws/fly-aws/internal/text"
)

// A FlyApp is what Fly says of an app.
type FlyApp struct {
	Name string
	// Slug is its organization's as Fly's tools show it, which is "personal" for
	// the person's own; RawSlug is what tokens carry.
	Slug, RawSlug string
	// Secrets are the names of its secrets, nil when they are not known.
	Secrets []string
	// Problem is why nothing is known of the app, SecretsProblem why its secrets are not.
	Problem, SecretsProblem *FlyProblem
}

// A FlyProblem is a failure with Fly, as data.
type FlyProblem struct {
	Kind FlyProblemKind `json:"kind"`
	// App is the app it is about; empty when it is about none, or several.
	App string `json:"app,omitempty"`
	// Source is where the token came from; empty where no token matters.
	Source FlySource `json:"source,omitempty"`
	// Host is the host that was asked; empty when none was.
	Host string `json:"host,omitempty"`
	// Status is the HTTP status of the answer; 0 when none came.
	Status int `json:"status,omitempty"`
	// Code and Message are Fly's own, RequestID is for Fly's support.
	Code      string `json:"code,omitempty"`
	Message   string `json:"message,omitempty"`
	RequestID string `json:"request_id,omitempty"`
	// Attempts is how often the request was made; 0 when none was.
	Attempts int `json:"attempts,omitempty"`
	// Detail is what the system says beyond Kind, such as "connection refused".
	Detail string `json:"detail,omitempty"`
}

func (p *FlyProblem) Error() string {
	s := "Fly: " + string(p.Kind)
	for _, part := range []string{p.App, p.Code, p.Message, p.Detail} {
		if part != "" {
			s += ": " + text.Line(part)
		}
	}
	return s
}

// FlyProblemKind says what went wrong with Fly.
type FlyProblemKind string

// The kinds of a FlyProblem.
const (
	FlyNotSignedIn FlyProblemKind = "not-signed-in" // there is no token
	FlySignIn      FlyProblemKind = "sign-in"       // what should hold the token cannot be used
	FlyEndpoint    FlyProblemKind = "endpoint"      // a URL that replaces the one of Fly's API cannot be used
	FlyToken       FlyProblemKind = "token"         // Fly refuses the token
	FlyNotAllowed  FlyProblemKind = "not-allowed"   // the token is good, but not for this
	FlyElsewhere   FlyProblemKind = "elsewhere"     // the app exists, out of the token's reach
	FlyNotFound    FlyProblemKind = "not-found"     // Fly knows no such app
	FlyRateLimited FlyProblemKind = "rate-limited"
	FlyDown        FlyProblemKind = "down" // Fly's API has trouble of its own
	FlyUnreachable FlyProblemKind = "unreachable"
	FlyTimeout     FlyProblemKind = "timeout"
	FlyRefused     FlyProblemKind = "refused"    // Fly answered with another error
	FlyUnexpected  FlyProblemKind = "unexpected" // the answer is not one of Fly's API
	FlyCommand     FlyProblemKind = "command"    // a command in a machine failed
	FlyNoMachine   FlyProblemKind = "no-machine" // no machine runs that may use the role
	FlyNoToken     FlyProblemKind = "no-token"   // what the machine returned is not a token
)

// FlySource says where a token of Fly's came from.
type FlySource string

// The sources of a token.
const (
	FlySourceFlag        FlySource = "flag"
	FlySourceAccessToken FlySource = "FLY_ACCESS_TOKEN"
	FlySourceAPIToken    FlySource = "FLY_API_TOKEN" //nolint:gosec // the name of a variable
	FlySourceConfig      FlySource = "config-file"   // flyctl's
)

// An OtherOrgError says that an app is of another organization than the request.
type OtherOrgError struct {
	App string
	// Have is the raw slug of the app's organization, Want that of the request.
	Have, Want string
}

func (e *OtherOrgError) Error() string {
	return fmt.Sprintf("the Fly app %q belongs to the organization %q, not to %q", e.App, e.Have, e.Want)
}

// SeveralOrgsError says that the apps of a request without an organization are
// not all of one.
type SeveralOrgsError struct {
	// Apps are in the order of the request.
	Apps []FlyApp
}

func (e *SeveralOrgsError) Error() string {
	var parts []string
	for _, app := range e.Apps {
		parts = append(parts, fmt.Sprintf("%q to %q", app.Name, app.RawSlug))
	}
	return "the Fly apps belong to several organizations: " + strings.Join(parts, ", ")
}

// A TokenMismatchError says that the token of a machine has other claims than the plan
// is for.
type TokenMismatchError struct {
	App, Machine string
	// Org is the organization of the plan, TokenOrg that of the token's issuer; empty
	// when the issuer is not Fly's.
	Org, TokenOrg string
	// Pinned says that the plan is for named machines of the app.
	Pinned bool
	// Confirmed says that to Fly's API the app is of the plan's organization.
	Confirmed   bool
	Differences []ClaimDifference
}

// A ClaimDifference is one claim of a token that is not what a plan is for.
type ClaimDifference struct {
	// Claim is "iss", "sub" or "aud".
	Claim      string
	Have, Want string
}

func (e *TokenMismatchError) Error() string {
	var parts []string
	for _, d := range e.Differences {
		parts = append(parts, fmt.Sprintf("%s is %q, not %q", d.Claim, d.Have, d.Want))
	}
	return fmt.Sprintf("the machine %q of the app %q has tokens that the plan is not for: %s", e.Machine, e.App, strings.Join(parts, ", "))
}

// mismatch compares a token with the plan; nil when it is one that the plan is for.
func (p *Plan) mismatch(app string, token MachineToken, confirmed bool) *TokenMismatchError {
	machine := token.Machine
	var pinned []string
	for _, g := range p.Grants {
		if g.App == app {
			pinned = g.Machines
		}
	}
	if subject, ok := flyname.ParseSubject(token.Subject); ok && len(pinned) == 0 {
		machine = subject.Machine
	}
	e := &TokenMismatchError{App: app, Machine: token.Machine, Org: p.Org, Pinned: len(pinned) > 0, Confirmed: confirmed}
	e.TokenOrg, _ = flyname.IssuerOrg(token.Issuer)
	for _, d := range []ClaimDifference{
		{"iss", token.Issuer, p.Issuer},
		{"sub", token.Subject, flyname.Subject{Org: p.Org, App: app, Machine: machine}.String()},
		{"aud", strings.Join(token.Audience, ", "), p.Audience},
	} {
		if d.Have != d.Want {
			e.Differences = append(e.Differences, d)
		}
	}
	if len(e.Differences) == 0 {
		return nil
	}
	return e
}

// OrgOf finds the organization that was asked for among those of the apps, by its raw
// slug, as Fly has it: where none was asked for, and where the one asked for is an alias
// such as "personal". apps may lack some of the request's.
//
// The error is an *OtherOrgError or a *SeveralOrgsError.
func OrgOf(asked string, apps []FlyApp) (org string, err error) {
	org = asked
	if i := slices.IndexFunc(apps, func(a FlyApp) bool { return asked == "" || a.Slug == asked }); i >= 0 {
		org = apps[i].RawSlug
	}
	for _, app := range apps {
		switch {
		case app.RawSlug == org:
		case asked == "":
			return org, &SeveralOrgsError{Apps: apps}
		default:
			return org, &OtherOrgError{App: app.Name, Have: app.RawSlug, Want: asked}
		}
	}
	return org, nil
}

// asFlyProblem is an error of a Directory as data.
func asFlyProblem(err error) *FlyProblem {
	var p *FlyProblem
	if !errors.As(err, &p) {
		return &FlyProblem{Kind: FlyUnexpected, Detail: text.Line(err.Error())}
	}
	return p
}

// A Warning is something that the plan does not change and that keeps a role from
// working, or that could not be checked.
type Warning struct {
	Code WarningCode `json:"code"`
	// Apps are those it is about.
	Apps []string `json:"apps,omitempty"`
	// Config is the fly.toml that Names stand in; empty for secrets.
	Config string `json:"config,omitempty"`
	// Names are variables or secrets, sorted.
	Names []string `json:"names,omitempty"`
	// Value is that of the one variable.
	Value string `json:"value,omitempty"`
	// Cause says why something could not be checked.
	Cause *FlyProblem `json:"cause,omitempty"`
}

// WarningCode names a kind of Warning.
type WarningCode string

// The warnings.
const (
	// WarningNoRegion: nothing sets AWS_REGION, which Fly does not set either.
	WarningNoRegion WarningCode = "no-region"
	// WarningOddRegion: AWS_REGION in fly.toml is not an AWS region, such as Tigris's "auto".
	WarningOddRegion WarningCode = "odd-region"
	// WarningPrecedence: Names in fly.toml take precedence over the role.
	WarningPrecedence WarningCode = "precedence"
	// WarningSecrets: the app's secrets Names take precedence over the role, or
	// override what fly.toml says.
	WarningSecrets WarningCode = "secrets"
	// WarningUnchecked: Cause kept Fly from being asked about Apps.
	WarningUnchecked WarningCode = "unchecked"
	// WarningHiddenSecrets: Cause kept the names of the app's secrets from being
	// known; its organization is known.
	WarningHiddenSecrets WarningCode = "hidden-secrets"
	// WarningUnproven: Cause kept a machine of the app from being asked for a token.
	WarningUnproven WarningCode = "unproven"
)

// precedence are the variables that can take precedence over a web identity in the
// credential chain of an AWS SDK (AWS SDKs and tools reference guide, "Standardized
// credential providers").
var precedence = []string{"AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}

// endpoints is what the names of variables begin with that send the calls of an
// SDK elsewhere than to AWS: AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_S3.
const endpoints = "AWS_ENDPOINT_URL"

// SecretEffect is what a secret of that name does to the role of an app.
type SecretEffect string

// The effects. A secret overrides a variable of fly.toml
// (https://fly.io/docs/reference/configuration/#the-env-variables-section).
const (
	SecretHarmless   SecretEffect = ""
	SecretRole       SecretEffect = "role"       // it overrides AWS_ROLE_ARN
	SecretPrecedence SecretEffect = "precedence" // it takes precedence over the role
	SecretRegion     SecretEffect = "region"     // it overrides AWS_REGION
	SecretEndpoint   SecretEffect = "endpoint"   // it sends calls elsewhere than to AWS
)

// EffectOfSecret says what a secret of that name does. Names count as they are
// written: the environment is case-sensitive.
func EffectOfSecret(name string) SecretEffect {
	switch {
	case name == EnvRoleARN:
		return SecretRole
	case slices.Contains(precedence, name):
		return SecretPrecedence
	case name == EnvRegion:
		return SecretRegion
	case name == endpoints, strings.HasPrefix(name, endpoints+"_"):
		return SecretEndpoint
	}
	return SecretHarmless
}

// surroundings are the entries of the config files that a plan depends on and that
// warnings are about, to be read.
func (req Request) surroundings() []Resource {
	var out []Resource
	for _, app := range req.Apps {
		if app.Config == "" {
			continue
		}
		for _, key := range append([]string{EnvRoleARN, EnvRegion}, precedence...) {
			out = append(out, Resource{Env: &Env{Config: app.Config, App: app.Name, Key: key}})
		}
	}
	return out
}

// warnings says what around the request keeps its roles from working: in the config
// files, among the apps' secrets, and in what Fly could not be asked.
func (req Request) warnings(found State, fly flyAnswer) []Warning {
	var out []Warning
	for _, app := range req.Apps {
		secrets := fly.apps[app.Name].Secrets
		if app.Config != "" {
			out = append(out, app.configWarnings(found, slices.Contains(secrets, EnvRegion))...)
		}
		var names []string
		for _, name := range secrets {
			if EffectOfSecret(name) != SecretHarmless {
				names = append(names, name)
			}
		}
		if len(names) > 0 {
			out = append(out, Warning{Code: WarningSecrets, Apps: []string{app.Name}, Names: sorted(names)})
		}
	}
	return append(out, fly.warnings(req)...)
}

func (app App) configWarnings(found State, regionIsSecret bool) []Warning {
	value := func(key string) (string, bool) {
		r := found.find(Resource{Env: &Env{Config: app.Config, App: app.Name, Key: key}})
		if r == nil {
			return "", false
		}
		return r.Env.Value, true
	}
	about := []string{app.Name}
	var out []Warning
	region, set := value(EnvRegion)
	switch {
	case set && !RegionLike(region):
		out = append(out, Warning{Code: WarningOddRegion, Apps: about, Config: app.Config, Names: []string{EnvRegion}, Value: region})
	case !set && app.Region == "" && !regionIsSecret:
		out = append(out, Warning{Code: WarningNoRegion, Apps: about, Config: app.Config, Names: []string{EnvRegion}})
	}
	var before []string
	for _, key := range precedence {
		if _, set := value(key); set {
			before = append(before, key)
		}
	}
	if len(before) > 0 {
		out = append(out, Warning{Code: WarningPrecedence, Apps: about, Config: app.Config, Names: before})
	}
	return out
}

// check refuses a warning that no plan is made with.
func (w Warning) check() error {
	whole := false
	switch w.Code {
	case WarningNoRegion, WarningOddRegion, WarningPrecedence, WarningSecrets:
		whole = len(w.Names) > 0 && len(w.Apps) == 1
	case WarningHiddenSecrets:
		whole = w.Cause != nil && w.Cause.Kind != "" && len(w.Apps) == 1
	case WarningUnchecked, WarningUnproven:
		whole = w.Cause != nil && w.Cause.Kind != "" && len(w.Apps) > 0
	default:
		return fmt.Errorf("unknown warning %q", w.Code)
	}
	if !whole {
		return fmt.Errorf("the warning %q is incomplete", w.Code)
	}
	return nil
}
