package flyname

import "time"

// Claims are those claims of a token that decide what AWS makes of it. Text is raw and
// may hold anything.
type Claims struct {
	// Issuer is iss, with its scheme. An empty Issuer, Subject or Audience is a claim
	// that the token does not have.
	Issuer, Subject string
	// Audience is aud. Fly's tokens have one.
	Audience []string
	// Expiry is exp and NotBefore is nbf; zero when not known.
	Expiry, NotBefore time.Time
	// Tags are the AWS session tags in the token; nil for none
	// (https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html).
	Tags map[string]string
}

// MachineClaims returns the claims of a machine's token for an audience: the issuer is
// that of the subject's organization.
func MachineClaims(subject Subject, audience string) Claims {
	return Claims{Issuer: Issuer(subject.Org), Subject: subject.String(), Audience: []string{audience}}
}
