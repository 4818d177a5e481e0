package flyname

import "time"

// Claims are the claims of a token that AWS uses. Their text is raw and may contain
// anything.
type Claims struct {
	// Issuer is iss, with its scheme. If Issuer, Subject or Audience is empty, the token
	// does not have the claim.
	Issuer, Subject string
	// Audience is aud. Fly's tokens have one audience.
	Audience []string
	// Expiry is exp and NotBefore is nbf; zero if unknown.
	Expiry, NotBefore time.Time
	// Tags are the AWS session tags in the token; nil for none
	// (https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html).
	Tags map[string]string
	// SourceIdentity is the AWS source identity in the token; "" for none
	// (https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp_control-access_monitor.html).
	SourceIdentity string
}

// MachineClaims returns the claims of a machine's token for an audience, with the issuer
// of the subject's organization.
func MachineClaims(subject Subject, audience string) Claims {
	return Claims{Issuer: Issuer(subject.Org), Subject: subject.String(), Audience: []string{audience}}
}
