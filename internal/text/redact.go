package text

import "regexp"

// Replacements for secrets.
const (
	// HiddenToken replaces a Fly token or a JSON Web Token.
	HiddenToken = "[token]"
	// hiddenKey replaces an AWS key or session token.
	hiddenKey = "[key]"
)

var (
	// The prefixes of Fly tokens (superfly/fly-go, tokens) and of a JSON Web Token, whose
	// "eyJ" is {" in base64. No letter may come before them, as in monkeyJobs, except
	// that of an escape or of -t.
	tokens = regexp.MustCompile(`(^|[^a-zA-Z]|\\[nrt]|\\x[0-9a-f]{2}|\\u[0-9a-f]{4}|%[0-9A-Fa-f]{2}|-t)(?:fm1r_|fm1a_|fm2_|fo1_|eyJ)[\w.+/=-]*`)
	// The first four letters distinguish an access key ID from IAM's other IDs
	// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html).
	accessKeys = regexp.MustCompile(`(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{12,}\b`)
	// A secret after its name, as in JSON, INI files, environments, headers and URLs. Words
	// of a sentence are shorter. JSON may escape a slash, as URLs do.
	named = regexp.MustCompile(`(?i)((?:secret[_-]?(?:access[_-]?)?key|(?:session|security)[_-]?token)\\?["']?\s*[:=]\s*\\?["']?)((?:[\w+=%-]|\\?/){16,})`)
	// A secret access key has 40 characters of base64, a session token hundreds.
	bare = regexp.MustCompile(`(?:[A-Za-z0-9+]|\\?/|%[0-9A-Fa-f]{2}){40,}=*`)
)

// Redact replaces the secrets in a text: Fly tokens, JSON Web Tokens, AWS access keys with
// the secret keys and session tokens beside them, and secrets after their names. It is
// idempotent.
func Redact(s string) string {
	s = named.ReplaceAllString(s, "${1}"+hiddenKey)
	s = tokens.ReplaceAllString(s, "${1}"+HiddenToken)
	if accessKeys.MatchString(s) {
		s = accessKeys.ReplaceAllString(s, hiddenKey)
		s = bare.ReplaceAllString(s, hiddenKey)
	}
	return s
}
