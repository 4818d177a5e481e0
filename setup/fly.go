package setup

import (
	"fmt"
	"slices"
	"strings"
)

// A FlyApp is what Fly says of an app.
type FlyApp struct {
	Name string
	// Slug is its organisation's as Fly's tools show it, which is "personal" for
	// the person's own; RawSlug is what tokens carry.
	Slug, RawSlug string
	// Secrets are the names of its secrets; nil where Fly does not tell.
	Secrets []string
}

// An OtherOrgError says that an app is of another organisation than the request.
type OtherOrgError struct {
	App string
	// Have is the raw slug of the app's organisation, Want that of the request.
	Have, Want string
}

func (e *OtherOrgError) Error() string {
	return fmt.Sprintf("the Fly app %q belongs to the organisation %q, not to %q", e.App, e.Have, e.Want)
}

// SeveralOrgsError says that the apps of a request without an organisation are
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
	return "the Fly apps belong to several organisations: " + strings.Join(parts, ", ")
}

// InOrgOf puts the request into the organisation of its apps, by its raw slug, as
// Fly tells it: where none was asked for, and where the one asked for is an alias,
// such as "personal". apps may lack some of the request's.
//
// The error is an *OtherOrgError or a *SeveralOrgsError.
func (req Request) InOrgOf(apps []FlyApp) (Request, error) {
	if len(apps) == 0 {
		return req, nil
	}
	asked := req.Org
	if i := slices.IndexFunc(apps, func(a FlyApp) bool { return asked == "" || a.Slug == asked }); i >= 0 {
		req.Org = apps[i].RawSlug
	}
	for _, app := range apps {
		switch {
		case app.RawSlug == req.Org:
		case asked == "":
			return req, &SeveralOrgsError{Apps: apps}
		default:
			return req, &OtherOrgError{App: app.Name, Have: app.RawSlug, Want: asked}
		}
	}
	return req, nil
}

// A Warning is something that the plan does not change and that keeps a role from
// working, or that could not be checked. It has no words.
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
	// Cause says why something could not be checked, in words.
	Cause string `json:"cause,omitempty"`
}

// WarningCode names a kind of Warning.
type WarningCode string

// The warnings.
const (
	// WarningNoRegion: nothing sets AWS_REGION, which Fly does not set either.
	WarningNoRegion WarningCode = "no-region"
	// WarningOddRegion: AWS_REGION in fly.toml is no AWS region, such as Tigris's "auto".
	WarningOddRegion WarningCode = "odd-region"
	// WarningShadowed: Names in fly.toml come before the role.
	WarningShadowed WarningCode = "shadowed"
	// WarningSecrets: the app's secrets Names come before the role, or override
	// what fly.toml says.
	WarningSecrets WarningCode = "secrets"
	// WarningUnchecked: Cause kept Fly from being asked about Apps.
	WarningUnchecked WarningCode = "unchecked"
	// WarningHiddenSecrets: Cause kept Fly from telling the names of the app's
	// secrets; the app's organisation is known.
	WarningHiddenSecrets WarningCode = "hidden-secrets"
	// WarningUnproven: Cause kept a machine of the app from being asked for a token.
	WarningUnproven WarningCode = "unproven"
)

// Variables that come before a web identity in the credential chain of every
// SDK (AWS SDKs and tools reference guide, "Standardized credential providers").
var shadows = []string{"AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}

// endpoints is what the names of variables begin with that send the calls of an
// SDK elsewhere than to AWS: AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_S3.
const endpoints = "AWS_ENDPOINT_URL"

// SecretEffect is what a secret of that name does to the role of an app.
type SecretEffect string

// The effects. A secret overrides a variable of fly.toml
// (https://fly.io/docs/reference/configuration/#the-env-variables-section).
const (
	SecretHarmless SecretEffect = ""
	SecretRole     SecretEffect = "role"     // it overrides AWS_ROLE_ARN
	SecretShadows  SecretEffect = "shadows"  // it comes before the role
	SecretRegion   SecretEffect = "region"   // it overrides AWS_REGION
	SecretEndpoint SecretEffect = "endpoint" // it sends calls elsewhere than to AWS
)

// EffectOfSecret says what a secret of that name does. Names count as they are
// written: the environment is case-sensitive.
func EffectOfSecret(name string) SecretEffect {
	switch {
	case name == EnvRoleARN:
		return SecretRole
	case slices.Contains(shadows, name):
		return SecretShadows
	case name == EnvRegion:
		return SecretRegion
	case name == endpoints, strings.HasPrefix(name, endpoints+"_"):
		return SecretEndpoint
	}
	return SecretHarmless
}

// Surroundings are the variables of the config files that Warnings looks at, to
// be observed.
func (req Request) Surroundings() []Resource {
	var out []Resource
	for _, app := range req.Apps {
		if app.Config == "" {
			continue
		}
		for _, key := range append(slices.Clone(shadows), EnvRegion) {
			out = append(out, Resource{Env: &Env{Config: app.Config, App: app.Name, Key: key}})
		}
	}
	return out
}

// Warnings says what around the request keeps its roles from working: in the
// config files, of which found has the Surroundings, and among the apps' secrets.
func (req Request) Warnings(found State, apps []FlyApp) []Warning {
	secrets := map[string][]string{}
	for _, app := range apps {
		secrets[app.Name] = app.Secrets
	}
	var out []Warning
	for _, app := range req.Apps {
		if app.Config != "" {
			out = append(out, app.configWarnings(found, slices.Contains(secrets[app.Name], EnvRegion))...)
		}
		var names []string
		for _, name := range secrets[app.Name] {
			if EffectOfSecret(name) != SecretHarmless {
				names = append(names, name)
			}
		}
		if len(names) > 0 {
			out = append(out, Warning{Code: WarningSecrets, Apps: []string{app.Name}, Names: sorted(names)})
		}
	}
	return out
}

func (app App) configWarnings(found State, regionIsSecret bool) []Warning {
	value := func(key string) (string, bool) {
		r, ok := found[Resource{Env: &Env{Config: app.Config, App: app.Name, Key: key}}.ID()]
		if !ok {
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
	for _, key := range shadows {
		if _, set := value(key); set {
			before = append(before, key)
		}
	}
	if len(before) > 0 {
		out = append(out, Warning{Code: WarningShadowed, Apps: about, Config: app.Config, Names: before})
	}
	return out
}

// check refuses a warning that Warnings could not have made.
func (w Warning) check() error {
	whole := false
	switch w.Code {
	case WarningNoRegion, WarningOddRegion, WarningShadowed, WarningSecrets:
		whole = len(w.Names) > 0 && len(w.Apps) == 1
	case WarningHiddenSecrets:
		whole = w.Cause != "" && len(w.Apps) == 1
	case WarningUnchecked, WarningUnproven:
		whole = w.Cause != "" && len(w.Apps) > 0
	default:
		return fmt.Errorf("its warning %q is not known", w.Code)
	}
	if !whole {
		return fmt.Errorf("its warning %q is not whole", w.Code)
	}
	return nil
}
