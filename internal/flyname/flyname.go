// Package flyname holds the names in Fly's tokens: the issuer of an
// organization, the subject of a machine, and what a slug, an app, a machine and
// an audience may look like (https://fly.io/docs/security/openid-connect/).
package flyname

import "strings"

const (
	// IssuerHost is the host of Fly's token issuers, one per organization.
	IssuerHost = "oidc.fly.io"
	// AudienceAWS is the audience of the tokens that Fly's init fetches for the AWS
	// SDKs, the same in every partition.
	AudienceAWS = "sts.amazonaws.com"
	// Personal is the alias under which Fly's tools show a person's own
	// organization. Tokens carry that organization's raw slug instead.
	Personal = "personal"
	// AnyMachine stands for every machine of an app in the pattern of a subject.
	AnyMachine = "*"
)

// Issuer returns the issuer of an organization's tokens,
// "https://oidc.fly.io/<org>".
func Issuer(org string) string { return "https://" + IssuerPath(org) }

// IssuerPath returns "oidc.fly.io/<org>": the issuer without its scheme, which
// ends the ARN of its IAM provider and begins its condition keys.
func IssuerPath(org string) string { return IssuerHost + "/" + org }

// IssuerOrg returns the slug in an issuer of Fly's, which may be the alias
// Personal. It is not ok when the issuer is anything but Issuer of a slug of
// lower-case letters, digits and dashes.
func IssuerOrg(issuer string) (slug string, ok bool) {
	slug, ok = strings.CutPrefix(issuer, Issuer(""))
	if !ok || checkSlug("org", slug, maxOrg) != nil {
		return "", false
	}
	return slug, true
}

// A Subject is the sub claim of a machine's token, or a pattern of such claims.
type Subject struct {
	// Org is the organization's raw slug, App the app's name and Machine the
	// machine's name, not its ID.
	Org, App, Machine string
}

// String returns "<org>:<app>:<machine>".
func (s Subject) String() string { return s.Org + ":" + s.App + ":" + s.Machine }

// ParseSubject splits a subject of Fly's: three parts with colons between them,
// none empty. Any other text is not ok.
func ParseSubject(sub string) (s Subject, ok bool) {
	org, rest, _ := strings.Cut(sub, ":")
	app, machine, _ := strings.Cut(rest, ":")
	if org == "" || app == "" || machine == "" || strings.Contains(machine, ":") {
		return Subject{}, false
	}
	return Subject{Org: org, App: app, Machine: machine}, true
}
