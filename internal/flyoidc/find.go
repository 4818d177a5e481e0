package flyoidc

import (
	"encoding/json"
	"strings"
)

// FindClaims returns the claims, a JSON object, in text that also holds the rest of a
// token: what fly-aws token inspect --json prints, or a header and a payload one after the
// other, as decoders of JWTs show them. Any other text it returns as it is.
func FindClaims(text string) string {
	for rest := text; ; {
		start := strings.IndexByte(rest, '{')
		if start < 0 {
			return text
		}
		decoder := json.NewDecoder(strings.NewReader(rest[start:]))
		var raw json.RawMessage
		if decoder.Decode(&raw) != nil {
			return text
		}
		if claims := claimsIn(raw); claims != "" {
			return claims
		}
		rest = rest[start+int(decoder.InputOffset()):]
	}
}

// claimsIn returns the claims that an object is, or holds under a name that tools use.
func claimsIn(object json.RawMessage) string {
	var members map[string]json.RawMessage
	if json.Unmarshal(object, &members) != nil {
		return ""
	}
	for _, name := range []string{"iss", "sub", "aud"} {
		if _, ok := members[name]; ok {
			return string(object)
		}
	}
	for _, name := range []string{"claims", "payload"} {
		if strings.HasPrefix(string(members[name]), "{") {
			return string(members[name])
		}
	}
	return ""
}
