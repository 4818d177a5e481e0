package text

import "regexp"

// What stands in the place of a secret.
const (
	// HiddenToken stands for a token of Fly's or a JSON Web Token.
	HiddenToken = "[token]"
	// HiddenKey stands for an AWS key or session token.
	HiddenKey = "[key]"
)

var (
	// A token begins as Fly's do (superfly/fly-go, tokens), or as a JSON Web Token
	// does: "eyJ" is {" in base64. Before it is no letter of a longer name, such as
	// monkeyJobs, but there may be the letter of an escape, or -t.
	tokens = regexp.MustCompile(`(\b|\\[nrt]|\\x[0-9a-f]{2}|\\u[0-9a-f]{4}|%[0-9A-Fa-f]{2}|-t)(?:fm1r_|fm1a_|fm2_|fo1_|eyJ)[\w.+/=-]*`)
	// The first four letters tell an access key ID from IAM's other IDs
	// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html).
	accessKeys = regexp.MustCompile(`(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{12,}\b`)
	// A secret with its name before it, as in JSON, INI files, environments, headers and
	// URLs. No word of a sentence is that long. JSON may escape a slash, as URLs do.
	named = regexp.MustCompile(`(?i)((?:secret[_-]?(?:access[_-]?)?key|(?:session|security)[_-]?token)\\?["']?\s*[:=]\s*\\?["']?)((?:[\w+=%-]|\\?/){16,})`)
	// A secret access key has 40 characters of base64, a session token hundreds.
	bare = regexp.MustCompile(`(?:[A-Za-z0-9+]|\\?/|%[0-9A-Fa-f]{2}){40,}=*`)
)

// Redact takes secrets out of a text: tokens of Fly's and JSON Web Tokens, AWS
// access keys with the secret keys and session tokens beside them, and secrets
// that stand behind their name. Redacting twice is redacting once.
func Redact(s string) string {
	s = named.ReplaceAllString(s, "${1}"+HiddenKey)
	s = tokens.ReplaceAllString(s, "${1}"+HiddenToken)
	if accessKeys.MatchString(s) {
		s = accessKeys.ReplaceAllString(s, HiddenKey)
		s = bare.ReplaceAllString(s, HiddenKey)
	}
	return s
}
