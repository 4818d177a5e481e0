// Package flyname holds the names in Fly's tokens: the issuer of an organization, the
// subject of a machine, and the valid forms of slugs, apps, machines and audiences
// (https://fly.io/docs/security/openid-connect/).
package flyname

import "strings"

const (
	// IssuerHost is the host of Fly's token issuers, one per organization.
	IssuerHost = "oidc.fly.io"
	// AudienceAWS is the audience of the tokens that Fly's init fetches for the AWS
	// SDKs, the same in every partition.
	AudienceAWS = "sts.amazonaws.com"
	// Personal is the alias of a user's personal organization in Fly's tools. Tokens carry
	// the organization's raw slug instead.
	Personal = "personal"
	// AnyMachine matches every machine of an app in a sub pattern.
	AnyMachine = "*"
)

// Issuer returns the issuer of an organization's tokens,
// "https://oidc.fly.io/<org>".
func Issuer(org string) string { return "https://" + IssuerPath(org) }

// IssuerPath returns "oidc.fly.io/<org>": the issuer without its scheme, which is the end
// of its IAM provider's ARN and the prefix of its condition keys.
func IssuerPath(org string) string { return IssuerHost + "/" + org }

// IssuerOrg returns the slug in a Fly issuer, which may be the alias Personal. ok is false
// unless issuer is exactly Issuer of a slug of lower-case letters, digits and dashes.
func IssuerOrg(issuer string) (slug string, ok bool) {
	slug, ok = strings.CutPrefix(issuer, Issuer(""))
	if !ok || checkSlug("org", slug, maxOrg) != nil {
		return "", false
	}
	return slug, true
}

// A Subject is the sub claim of a machine's token, or a pattern for it.
type Subject struct {
	// Org is the organization's raw slug, App the app's name and Machine the
	// machine's name, not its ID.
	Org, App, Machine string
}

// String returns "<org>:<app>:<machine>".
func (s Subject) String() string { return s.Org + ":" + s.App + ":" + s.Machine }

// ParseSubject splits a subject into its three parts. ok is false unless there are exactly
// three, none empty, with colons between them.
func ParseSubject(sub string) (s Subject, ok bool) {
	org, rest, _ := strings.Cut(sub, ":")
	app, machine, _ := strings.Cut(rest, ":")
	if org == "" || app == "" || machine == "" || strings.Contains(machine, ":") {
		return Subject{}, false
	}
	return Subject{Org: org, App: app, Machine: machine}, true
}
