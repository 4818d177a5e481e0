package flyoidc

import (
	"time"
)

// What Fly and AWS agreed on.
const (
	// DefaultTokenFile is where Fly's init keeps a fresh token for AWS.
	DefaultTokenFile = "/.fly/oidc_token" //nolint:gosec // a path, not a secret
	// MaxSize is the most characters of a token: what STS takes
	// (https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html).
	MaxSize = 20000
)

// A Token is what a token says, without its signature.
type Token struct {
	// Header is zero when it could not be read.
	Header Header
	// Claims are zero when they could not be read.
	Claims Claims
}

// A Header is the first part of a token: how it was signed (RFC 7515, section 4).
type Header struct {
	// Algorithm is alg, KeyID kid and Type typ; "" when absent or not a string.
	Algorithm, KeyID, Type string
	// Critical are the names in crit; nil when it is absent.
	Critical []string
	// Members are all the header's members in their order.
	Members []Member
	// JSON is the header's text as it was signed; "" when it could not be read.
	JSON string
}

// Claims are the second part of a token. A field is zero when its claim is
// absent, has another type, or stands there twice.
type Claims struct {
	// Issuer is iss, "https://oidc.fly.io/<raw org slug>" in Fly's tokens.
	Issuer string
	// Subject is sub, "<raw org slug>:<app>:<machine name>" in Fly's tokens; see
	// ParseSubject.
	Subject string
	// Audience is aud. Fly's tokens have one; other issuers may list several.
	Audience []string
	// Expiry is exp, IssuedAt iat and NotBefore nbf, in UTC.
	Expiry, IssuedAt, NotBefore time.Time
	// ID is jti.
	ID string

	// Claims of Fly's (https://fly.io/docs/security/openid-connect/), each under
	// the name of its field in snake case: app_id. OrgName is the raw slug. IAM can
	// test none of them in a trust policy.
	AppID, AppName                         string
	OrgID, OrgName                         string
	MachineID, MachineName, MachineVersion string
	Region, Image, ImageDigest             string

	// Members are all claims in their order.
	Members []Member
	// JSON is the claims' text as it was signed; "" when it could not be read.
	JSON string
}

// A Member is a name and a value of a JSON object.
type Member struct {
	// Name is decoded and may hold any character.
	Name string
	// Value is the value's JSON text as it stands in the token.
	Value string
}

// Strings returns a value that is a string, or a list of nothing but strings. Any
// other value is not ok.
func (m Member) Strings() (list []string, ok bool) {
	if s, ok := unquote(m.Value); ok {
		return []string{s}, true
	}
	return textList(m.Value)
}
