package flyoidc

import (
	"time"

	"github.com/fly-aws/fly-aws/internal/flyname"
)

const (
	// DefaultTokenFile is where Fly's init keeps a current token for AWS.
	DefaultTokenFile = "/.fly/oidc_token" //nolint:gosec // a path, not a secret
	// maxSize is the maximum length of a token that STS accepts, in characters
	// (https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html).
	maxSize = 20000
)

// A Token is the content of a token, without its signature. A part that cannot be
// read is zero.
type Token struct {
	Header Header
	Claims Claims
}

// A Header is the first part of a token: how it was signed (RFC 7515, section 4).
type Header struct {
	// Algorithm is alg, KeyID kid and Type typ; "" when absent or not a string.
	Algorithm, KeyID, Type string
	// Critical are the names in crit; nil when it is absent.
	Critical []string
	// Members are all members of the header, in order.
	Members []Member
	// JSON is the header's text as it was signed; "" when it cannot be read.
	JSON string
}

// Claims are the second part of a token. A field is zero when its claim is absent,
// has another type or appears twice.
type Claims struct {
	// Issuer and Subject are for flyname.IssuerOrg and flyname.ParseSubject to read.
	// The times are in UTC.
	flyname.Claims
	// IssuedAt is iat, in UTC.
	IssuedAt time.Time
	// ID is jti.
	ID string

	// Fly's own claims (https://fly.io/docs/security/openid-connect/), named as the
	// fields in snake case: app_id. OrgName is the raw slug. A trust policy cannot
	// test them
	// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html).
	AppID, AppName                         string
	OrgID, OrgName                         string
	MachineID, MachineName, MachineVersion string
	Region, Image, ImageDigest             string

	// Members are all claims, in order.
	Members []Member
	// JSON is the text of the claims as it was signed; "" when it cannot be read.
	JSON string
}

// A Member is a name and a value of a JSON object.
type Member struct {
	// Name is decoded and can hold any character.
	Name string
	// Value is the JSON text of the value, as in the token.
	Value string
}
