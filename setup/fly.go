package setup

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/fly-aws/fly-aws/internal/flyname"
	"github.com/fly-aws/fly-aws/internal/permission"
	"github.com/fly-aws/fly-aws/internal/region"
	"github.com/fly-aws/fly-aws/internal/text"
)

// An Organization is a Fly organization, in JSON as in Fly's GraphQL API.
type Organization struct {
	// ID is opaque, such as "bjkZRb7BXzk36H383wbX0z9bXRH6LL".
	ID string `json:"id"`
	// Slug is the slug in Fly's tools, such as "acme", or "personal" for the user's
	// personal organization.
	Slug string `json:"slug"`
	// RawSlug is the slug in tokens. It is not "personal".
	RawSlug string `json:"rawSlug"`
	// Name is the display name, free text.
	Name string `json:"name"`
}

// A FlyApp is what Fly reports about an app.
type FlyApp struct {
	Name string
	// Slug is its organization's slug in Fly's tools, "personal" for the user's
	// personal organization; RawSlug is the one in tokens.
	Slug, RawSlug string
	// Secrets are the names of its secrets; nil if unknown.
	Secrets []string
	// Problem says why nothing is known about the app, SecretsProblem why its secrets are
	// not known.
	Problem, SecretsProblem *FlyProblem
}

// A FlyProblem is a failure with Fly, as data.
type FlyProblem struct {
	Kind FlyProblemKind `json:"kind"`
	// App is the app that it affects; empty if it does not affect exactly one.
	App string `json:"app,omitempty"`
	// Source is where the token came from; empty if no token was involved.
	Source FlySource `json:"source,omitempty"`
	// Host is the host of the request; empty if none was made.
	Host string `json:"host,omitempty"`
	// Status is the HTTP status of the response; 0 if there was none.
	Status int `json:"status,omitempty"`
	// Code and Message are Fly's; RequestID is for Fly's support.
	Code      string `json:"code,omitempty"`
	Message   string `json:"message,omitempty"`
	RequestID string `json:"request_id,omitempty"`
	// Attempts is how often the request was made.
	Attempts int `json:"attempts,omitempty"`
	// Detail adds to Kind what the system reported, such as "connection refused".
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
	FlySignIn      FlyProblemKind = "sign-in"       // the source of the token cannot be used
	FlyEndpoint    FlyProblemKind = "endpoint"      // the URL that overrides Fly's API cannot be used
	FlyToken       FlyProblemKind = "token"         // Fly refuses the token
	FlyNotAllowed  FlyProblemKind = "not-allowed"   // the token is valid, but not for this
	FlyElsewhere   FlyProblemKind = "elsewhere"     // the app exists, but the token has no access to it
	FlyNotFound    FlyProblemKind = "not-found"     // Fly knows no such app, organization or machine
	FlyRateLimited FlyProblemKind = "rate-limited"
	FlyDown        FlyProblemKind = "down" // Fly's API is failing
	FlyUnreachable FlyProblemKind = "unreachable"
	FlyTimeout     FlyProblemKind = "timeout"
	FlyCanceled    FlyProblemKind = "canceled"
	FlyRefused     FlyProblemKind = "refused"    // Fly answered with another error
	FlyUnexpected  FlyProblemKind = "unexpected" // the response is not from Fly's API
	FlyCommand     FlyProblemKind = "command"    // a command in a machine failed
	FlyNoMachine   FlyProblemKind = "no-machine" // no machine that may use the role is running
	FlyNoToken     FlyProblemKind = "no-token"   // what the machine returned is not a token
)

// FlySource says where a Fly token came from.
type FlySource string

// The sources of a token.
const (
	FlySourceFlag        FlySource = "flag"
	FlySourceAccessToken FlySource = "FLY_ACCESS_TOKEN"
	FlySourceAPIToken    FlySource = "FLY_API_TOKEN" //nolint:gosec // a variable's name
	FlySourceConfig      FlySource = "config-file"   // flyctl's
)

// An OtherOrgError says that an app belongs to another organization than the request's.
type OtherOrgError struct {
	App string
	// Have is the raw slug of the app's organization, Want that of the request.
	Have, Want string
}

func (e *OtherOrgError) Error() string {
	return fmt.Sprintf("the Fly app %q belongs to the organization %q, not to %q", e.App, e.Have, e.Want)
}

// A SeveralOrgsError says that the apps of a request belong to several organizations,
// and that the request names none.
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

// A TokenMismatchError says that a machine's token does not have the claims that the
// plan is for.
type TokenMismatchError struct {
	App, Machine string
	// Org is the plan's organization, TokenOrg that of the token's issuer; empty if the
	// issuer is not Fly's.
	Org, TokenOrg string
	// Pinned says that the plan is for named machines of the app.
	Pinned bool
	// Confirmed says that Fly's API reports the plan's organization for the app.
	Confirmed   bool
	Differences []ClaimDifference
}

// A ClaimDifference is one claim of a token that differs from the plan.
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
	return fmt.Sprintf("the machine %q of the app %q mints tokens that do not match the plan: %s", e.Machine, e.App, strings.Join(parts, ", "))
}

// mismatch compares a token with the plan; nil if the plan is for it.
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

// orgOf returns the raw slug of the apps' organization. asked is the slug from the
// request, which may be empty or an alias such as "personal". apps may lack some of the
// request's apps.
//
// The error is an *OtherOrgError or a *SeveralOrgsError.
func orgOf(asked string, apps []FlyApp) (org string, err error) {
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

// asFlyProblem converts an error of a Directory.
func asFlyProblem(err error) *FlyProblem {
	var p *FlyProblem
	if !errors.As(err, &p) {
		return &FlyProblem{Kind: FlyUnexpected, Detail: text.Line(err.Error())}
	}
	return p
}

// A Warning is something outside the plan that keeps a role from working, or something
// that could not be checked.
type Warning struct {
	Code WarningCode `json:"code"`
	// Apps are the affected apps.
	Apps []string `json:"apps,omitempty"`
	// Config is the fly.toml that sets Names; empty for secrets.
	Config string `json:"config,omitempty"`
	// Names are variables or secrets, sorted, or statements or tags.
	Names []string `json:"names,omitempty"`
	// Value is the value of the variable in Names, if it has only one; or as the code says.
	Value string `json:"value,omitempty"`
	// Role is the affected role.
	Role string `json:"role,omitempty"`
	// Means say what a policy in Names allows, Narrowed how our statement is narrower
	// than asked, and Reasons how a role differs from what is declared.
	Means    []Meaning   `json:"means,omitempty"`
	Narrowed []Narrowing `json:"narrowed,omitempty"`
	Reasons  []Reason    `json:"reasons,omitempty"`
	// Cause says why a check could not be made.
	Cause *FlyProblem `json:"cause,omitempty"`
}

// WarningCode names a kind of Warning.
type WarningCode string

// The warnings.
const (
	// WarningNoRegion: nothing sets AWS_REGION, and Fly does not either.
	WarningNoRegion WarningCode = "no-region"
	// WarningOddRegion: AWS_REGION in fly.toml is not an AWS region; Tigris sets "auto".
	WarningOddRegion WarningCode = "odd-region"
	// WarningUnlistedRegion: the region Value of the request, or the AWS_REGION in fly.toml
	// if Names holds that, has the form of an AWS region and is not one that is listed.
	WarningUnlistedRegion WarningCode = "unlisted-region"
	// WarningPrecedence: Names in fly.toml take precedence over the role.
	WarningPrecedence WarningCode = "precedence"
	// WarningSecrets: the app's secrets Names take precedence over the role or override
	// fly.toml.
	WarningSecrets WarningCode = "secrets"
	// WarningUnchecked: Apps could not be looked up on Fly, because of Cause.
	WarningUnchecked WarningCode = "unchecked"
	// WarningHiddenSecrets: the app's organization is known, but the names of its secrets
	// are not, because of Cause.
	WarningHiddenSecrets WarningCode = "hidden-secrets"
	// WarningNarrower: our statement on Role allows less than asked, because someone edited
	// it; Narrowed says how. It stays unless Request.Adopt is set.
	WarningNarrower WarningCode = "narrower"
	// WarningBroad: the requested policy in Names is as broad as Means says.
	WarningBroad WarningCode = "broad"
	// WarningNoPermissions: Role can be assumed and allows nothing yet.
	WarningNoPermissions WarningCode = "no-permissions"
	// WarningStillAllowed: Apps lose our grant of Role and can assume it nevertheless, or
	// might, by the statements Names of its trust policy; they are as in Extra.Name.
	WarningStillAllowed WarningCode = "still-allowed"
	// WarningNotOurs: a destroy leaves Role alone, which lets Apps in: fly-aws did not make
	// it, or another request file did. Names are its tags, which may say whose it is.
	WarningNotOurs WarningCode = "not-ours"
	// WarningManaged: a destroy leaves Role alone, or the provider if that is empty, since
	// Value manages it, as in TagManagedBy.
	WarningManaged WarningCode = "managed"
	// WarningSize: the trust policy of Role is near its quota; Value is "1740 of 2048", in
	// characters.
	WarningSize WarningCode = "trust-policy-size"
	// WarningWatched: the unmanaged Role is not as declared; Reasons says why.
	WarningWatched WarningCode = "watched"
	// WarningTokenFile: fly.toml sets AWS_WEB_IDENTITY_TOKEN_FILE or, to a value that STS
	// refuses, AWS_ROLE_SESSION_NAME, which Fly's init sets.
	WarningTokenFile WarningCode = "token-file"
	// WarningUnproven: no machine of the app could be asked for a token, because of Cause.
	WarningUnproven WarningCode = "unproven"
)

// precedence are the variables that can take precedence over a web identity in the
// credential chain of an AWS SDK (AWS SDKs and tools reference guide, "Standardized
// credential providers").
var precedence = []string{"AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}

// endpoints is the prefix of the variables that send an SDK's calls elsewhere than to
// AWS: AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_S3.
const endpoints = "AWS_ENDPOINT_URL"

// SecretEffect is how a secret affects an app's role.
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

// EffectOfSecret returns the effect of a secret with that name. Names are
// case-sensitive, as in the environment.
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

// broadWarnings reports requested policies that allow almost everything.
func (want desiredRole) broadWarnings() []Warning {
	var out []Warning
	for _, p := range want.policies {
		findings := permission.ManagedFindings(p.ARN)
		if parsed, err := permission.Parse([]byte(p.Document.String())); p.ARN == "" && err == nil {
			findings = parsed.Findings()
		}
		w := Warning{Code: WarningBroad, Apps: want.appNames(), Role: want.Name, Names: []string{cmp.Or(p.ARN, p.Name)}}
		for _, f := range findings {
			w.Means = append(w.Means, Meaning{Code: MeansBreadth, Value: string(f.Breadth), Conditional: f.Narrowed})
		}
		if len(w.Means) > 0 {
			out = append(out, w)
		}
	}
	return out
}

// surroundings returns the config file entries to read: those that the plan depends on
// and those that warnings are about.
func (req Request) surroundings() []Resource {
	var out []Resource
	for _, role := range req.Roles {
		for _, app := range role.Apps {
			if app.Config == "" {
				continue
			}
			keys := append([]string{app.Variable(), EnvRegion, envTokenFile, envSessionName}, precedence...)
			for _, key := range keys {
				out = append(out, Resource{Env: &Env{Config: app.Config, App: app.Name, Key: key}})
			}
		}
	}
	return out
}

// warnings reports what keeps the request's roles from working, in config files and
// secrets, and what could not be looked up on Fly.
func (req Request) warnings(found State, fly flyAnswer) []Warning {
	var out []Warning
	apps := req.apps()
	for _, app := range apps {
		secrets := fly.apps[app.Name].Secrets
		if app.Config != "" {
			asked := cmp.Or(app.Region, req.Region)
			if app.ARN != ARNInConfig { // the file is left alone
				asked = ""
			}
			out = append(out, app.configWarnings(found, asked, slices.Contains(secrets, EnvRegion))...)
		}
		var names []string
		for _, name := range secrets {
			kept := name == EnvRoleARN && !app.IsPatched() // there on purpose
			if EffectOfSecret(name) != SecretHarmless && !kept {
				names = append(names, name)
			}
		}
		if len(names) > 0 {
			out = append(out, Warning{Code: WarningSecrets, Apps: []string{app.Name}, Names: sorted(names)})
		}
	}
	out = append(out, req.unlistedRegions()...)
	return append(out, fly.warnings(apps)...)
}

// unlistedRegions returns a warning for each region of the request that is not listed.
func (req Request) unlistedRegions() []Warning {
	var out []Warning
	for _, app := range req.apps() {
		asked := cmp.Or(app.Region, req.Region)
		if known, err := region.Check(asked); known || err != nil {
			continue // without a region, there is an error
		}
		i := slices.IndexFunc(out, func(w Warning) bool { return w.Value == asked })
		if i < 0 {
			i, out = len(out), append(out, Warning{Code: WarningUnlistedRegion, Value: asked})
		}
		out[i].Apps = append(out[i].Apps, app.Name)
	}
	return out
}

func (app App) configWarnings(found State, asked string, regionIsSecret bool) []Warning {
	value := func(key string) (string, bool) {
		r := found.find(Resource{Env: &Env{Config: app.Config, App: app.Name, Key: key}})
		if r == nil {
			return "", false
		}
		return r.Env.Value, true
	}
	about := []string{app.Name}
	var out []Warning
	current, set := value(EnvRegion)
	known, odd := region.Check(current)
	switch {
	case asked != "" && asked == app.Region: // it is changed to that
	case set && odd != nil:
		out = append(out, Warning{Code: WarningOddRegion, Apps: about, Config: app.Config, Names: []string{EnvRegion}, Value: current})
	case set && !known && current != asked: // which has its own warning
		out = append(out, Warning{Code: WarningUnlistedRegion, Apps: about, Config: app.Config, Names: []string{EnvRegion}, Value: current})
	case !set && asked == "" && !regionIsSecret:
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
	if file, set := value(envTokenFile); set {
		out = append(out, Warning{Code: WarningTokenFile, Apps: about, Config: app.Config, Names: []string{envTokenFile}, Value: file})
	}
	if name, set := value(envSessionName); set && SessionNameProblem(name) != "" {
		out = append(out, Warning{Code: WarningTokenFile, Apps: about, Config: app.Config, Names: []string{envSessionName}, Value: name})
	}
	return out
}

// Variables that Fly's init sets for the AWS SDKs when AWS_ROLE_ARN is set
// (https://fly.io/blog/oidc-cloud-roles/).
const (
	envTokenFile   = "AWS_WEB_IDENTITY_TOKEN_FILE" //nolint:gosec // a variable's name
	envSessionName = "AWS_ROLE_SESSION_NAME"
)

// SessionNameProblem says why STS refuses the session name, or "": it has 2 to 64
// characters of [\w+=,.@-] (STS API reference, AssumeRoleWithWebIdentity).
func SessionNameProblem(name string) string {
	if len(name) < 2 {
		return "it has fewer than 2 characters"
	}
	return NameProblem(name, maxRoleName)
}

// check refuses a warning that World.Plan does not produce.
func (w Warning) check() error {
	whole := false
	switch w.Code {
	case WarningNoRegion, WarningOddRegion, WarningPrecedence, WarningSecrets, WarningTokenFile:
		whole = len(w.Names) > 0 && len(w.Apps) == 1
	case WarningUnlistedRegion:
		whole = w.Value != "" && len(w.Apps) > 0 && (w.Config == "") == (len(w.Names) == 0)
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
