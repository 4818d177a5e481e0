package flyoidc

import (
	"encoding/base64"
	"fmt"
	"io"
	"strings"

	"github.com/fly-aws/fly-aws/internal/flyname"
)

// A Rule is one that a token has to keep. Its text is a stable code.
type Rule string

// The rules about the text of a token (RFC 7515, section 7.1).
const (
	// RuleEmpty: there has to be something.
	RuleEmpty Rule = "empty"
	// RuleSize: no more than MaxSize characters.
	RuleSize Rule = "size"
	// RuleBOM: no byte order mark.
	RuleBOM Rule = "byte-order-mark"
	// RuleWhiteSpace: no white space inside.
	RuleWhiteSpace Rule = "white-space"
	// RuleParts: three parts with dots between them.
	RuleParts Rule = "parts"
	// RuleEncrypted: signed, not encrypted; an encrypted token has five parts.
	RuleEncrypted Rule = "encrypted"
	// RuleBase64: each part in base64url, without padding and in canonical form.
	RuleBase64 Rule = "base64url"
	// RuleSignature: a signature, as long as the algorithm makes it.
	RuleSignature Rule = "signature"
)

// The rules about both header and claims.
const (
	// RuleUTF8: valid UTF-8.
	RuleUTF8 Rule = "utf-8"
	// RuleJSON: one JSON object and nothing behind it.
	RuleJSON Rule = "json"
	// RuleNesting: no more than 32 objects and lists inside one another.
	RuleNesting Rule = "nesting"
	// RuleDuplicate: no name twice in an object.
	RuleDuplicate Rule = "duplicate"
	// RuleCase: no two names that differ in case only: some readers take them for
	// the same.
	RuleCase Rule = "case"
)

// The rules about members of the header and claims, named for them.
const (
	// RuleAlgorithm: one of RS256, RS384, RS512, ES256, ES384 and ES512, which are
	// those that STS accepts
	// (https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_create_oidc.html).
	RuleAlgorithm Rule = "alg"
	// RuleKeyID: a string that is not empty. Without it a verifier would have to
	// try every key.
	RuleKeyID Rule = "kid"
	// RuleCritical: absent, since every extension it could name is unknown.
	RuleCritical Rule = "crit"
	// RuleType: a string, if it is there.
	RuleType Rule = "typ"
	// RuleIssuer and RuleSubject: a string that is not empty.
	RuleIssuer  Rule = "iss"
	RuleSubject Rule = "sub"
	// RuleAudience: a string that is not empty; from other issuers than Fly also a
	// list of such strings.
	RuleAudience Rule = "aud"
	// RuleExpiry and RuleIssuedAt: a whole number of seconds from 1970 to the year
	// 9999, without fraction or exponent.
	RuleExpiry   Rule = "exp"
	RuleIssuedAt Rule = "iat"
	// RuleNotBefore: the same, if it is there.
	RuleNotBefore Rule = "nbf"
)

// A Violation is a rule that a token breaks.
type Violation struct {
	Rule Rule
	// Reason is a clause in words, fit for a terminal.
	Reason string
}

// A DecodeError says that a token is refused, and for what.
type DecodeError struct {
	Violation
}

func (e *DecodeError) Error() string { return "not a usable token: " + e.Reason }

// algorithms are those that STS accepts, with the length of their signatures in
// bytes: an RSA key has at least 2048 bits, an ECDSA signature is two numbers of
// the curve's size (RFC 7518, sections 3.3 and 3.4).
var algorithms = [...]struct {
	name  string
	bytes int
	exact bool
}{
	{"RS256", 256, false},
	{"RS384", 256, false},
	{"RS512", 256, false},
	{"ES256", 64, true},
	{"ES384", 96, true},
	{"ES512", 132, true},
}

// ReadText reads the text of a token, as from a file. It stops at a size that no
// token has and returns a *DecodeError with RuleSize; other errors are r's. White
// space around the token is cut off. The text is not looked at otherwise.
func ReadText(r io.Reader) (string, error) {
	// More than a token has, for the line ends and spaces of whoever wrote the file.
	const most = MaxSize + 4096
	text, err := io.ReadAll(io.LimitReader(r, most+1))
	if err != nil {
		return "", fmt.Errorf("reading a token: %w", err)
	}
	if len(text) > most {
		return "", &DecodeError{tooLarge()}
	}
	return trim(string(text)), nil
}

// Decode reads a token strictly, without verifying it. White space around it is
// ignored. The error is a *DecodeError with the first rule that is broken.
func Decode(text string) (*Token, error) {
	t, broken := Inspect(text)
	if len(broken) > 0 {
		return nil, &DecodeError{broken[0]}
	}
	return t, nil
}

// Inspect reads what can be read of a token and returns every rule that it
// breaks, in the order in which they were found. The token is nil when neither
// header nor claims could be read; what else could not is zero. A token that
// breaks no rule is the one that Decode returns.
func Inspect(text string) (*Token, []Violation) {
	var in inspection
	t := in.token(trim(text))
	if t.Header.JSON == "" && t.Claims.JSON == "" {
		return nil, in.broken
	}
	return t, in.broken
}

// InspectClaims reads claims that are not in a token but stand alone, as a JSON
// object, by the same rules; MaxSize counts its bytes. The claims are zero when
// the text is no such object. Claims that are written by hand to try a policy may
// well lack some that a token must have.
func InspectClaims(text string) (Claims, []Violation) {
	text = trim(text)
	switch {
	case text == "":
		return Claims{}, []Violation{{RuleEmpty, "the text is empty"}}
	case len(text) > MaxSize:
		return Claims{}, []Violation{tooLarge()}
	}
	var in inspection
	c := in.claims("the text", []byte(text))
	return c, in.broken
}

func trim(text string) string { return strings.Trim(text, " \t\r\n") }

func tooLarge() Violation {
	return Violation{RuleSize, fmt.Sprintf("the text has more than the %d characters that STS takes", MaxSize)}
}

// An inspection collects what is wrong with one token.
type inspection struct {
	broken []Violation
}

func (in *inspection) breaks(rule Rule, format string, args ...any) {
	in.broken = append(in.broken, Violation{rule, fmt.Sprintf(format, args...)})
}

// token reads a token. Where a rule is broken but what was meant is plain, it
// goes on with that, so that a person can see the rest.
func (in *inspection) token(text string) *Token {
	t := &Token{}
	switch {
	case text == "":
		in.breaks(RuleEmpty, "the text is empty")
		return t
	case len(text) > MaxSize:
		in.broken = append(in.broken, tooLarge())
		return t
	case strings.HasPrefix(text, "\xff\xfe"), strings.HasPrefix(text, "\xfe\xff"):
		in.breaks(RuleBOM, "the text is in UTF-16, which it begins by saying; a token is plain ASCII")
		return t
	}
	if rest, marked := strings.CutPrefix(text, "\ufeff"); marked {
		in.breaks(RuleBOM, "a byte order mark stands before the token")
		text = rest
	}
	parts := strings.Split(text, ".")
	switch {
	case strings.HasPrefix(text, "{"):
		in.breaks(RuleParts, "the text is JSON, not a token of three parts with dots between them")
		return t
	case len(parts) != 3 && len(parts) != 5:
		in.breaks(RuleParts, "the text has %s, a token has three with dots between them", count(len(parts), "part"))
		return t
	}
	if strings.ContainsAny(text, " \t\r\n") {
		in.breaks(RuleWhiteSpace, "there is white space inside the token")
		for i, part := range parts {
			parts[i] = strings.NewReplacer(" ", "", "\t", "", "\r", "", "\n", "").Replace(part)
		}
	}
	if len(parts) == 5 {
		in.breaks(RuleEncrypted, "the token has five parts: it is encrypted (JWE), not signed")
		var aside inspection // what holds for a signed token does not for this
		t.Header = aside.header(parts[0])
		return t
	}
	t.Header = in.header(parts[0])
	if claims, ok := in.part("the claims part", parts[1]); ok {
		t.Claims = in.claims("the claims part", claims)
	}
	in.signature(parts[2], t.Header.Algorithm)
	return t
}

func (in *inspection) header(part string) (h Header) {
	text, ok := in.part("the header part", part)
	if !ok {
		return h
	}
	o, ok := in.object("the header part", text)
	if !ok {
		return h
	}
	h = Header{Members: o.members, JSON: string(text)}
	h.Algorithm = o.text(in, RuleAlgorithm)
	if h.Algorithm != "" {
		in.algorithm(h.Algorithm)
	}
	h.KeyID = o.text(in, RuleKeyID)
	if o.has(string(RuleType)) {
		h.Type = o.text(in, RuleType)
	}
	if value, ok := o.value(string(RuleCritical)); ok {
		h.Critical, _ = textList(value)
		if h.Critical == nil {
			h.Critical = []string{}
		}
		in.breaks(RuleCritical, "crit demands extensions that are not known: %s", quote(value))
	}
	return h
}

func (in *inspection) algorithm(name string) {
	for _, a := range algorithms {
		if a.name == name {
			return
		}
	}
	if strings.EqualFold(name, "none") {
		in.breaks(RuleAlgorithm, "alg is %s: the token is not signed", quote(name))
		return
	}
	in.breaks(RuleAlgorithm, "alg is %s, which STS does not accept; it accepts RS256 to RS512 and ES256 to ES512", quote(name))
}

func (in *inspection) claims(what string, text []byte) (c Claims) {
	o, ok := in.object(what, text)
	if !ok {
		return c
	}
	c = Claims{Members: o.members, JSON: string(text)}
	c.Issuer = o.text(in, RuleIssuer)
	c.Subject = o.text(in, RuleSubject)
	c.Audience = o.audience(in, strings.HasPrefix(c.Issuer, flyname.Issuer("")))
	c.Expiry = o.time(in, RuleExpiry)
	c.IssuedAt = o.time(in, RuleIssuedAt)
	if o.has(string(RuleNotBefore)) {
		c.NotBefore = o.time(in, RuleNotBefore)
	}
	for _, claim := range []struct {
		name  string
		field *string
	}{
		{"jti", &c.ID},
		{"app_id", &c.AppID},
		{"app_name", &c.AppName},
		{"org_id", &c.OrgID},
		{"org_name", &c.OrgName},
		{"machine_id", &c.MachineID},
		{"machine_name", &c.MachineName},
		{"machine_version", &c.MachineVersion},
		{"region", &c.Region},
		{"image", &c.Image},
		{"image_digest", &c.ImageDigest},
	} {
		if value, ok := o.value(claim.name); ok {
			*claim.field, _ = unquote(value)
		}
	}
	return c
}

// signature checks the form of a signature: that it is whole.
func (in *inspection) signature(part, algorithm string) {
	if part == "" {
		in.breaks(RuleSignature, "the signature is missing")
		return
	}
	signature, ok := in.part("the signature part", part)
	if !ok {
		return
	}
	for _, a := range algorithms {
		if a.name == algorithm && (len(signature) < a.bytes || a.exact && len(signature) > a.bytes) {
			in.breaks(RuleSignature, "the signature has %s, which %s never has: the token may have been cut off",
				count(len(signature), "byte"), a.name)
		}
	}
}

// part decodes one of the parts. It is not ok when nothing could be made of it.
func (in *inspection) part(what, text string) ([]byte, bool) {
	if text == "" {
		in.breaks(RuleBase64, "%s is empty", what)
		return nil, false
	}
	decoded, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err == nil {
		return decoded, true
	}
	in.breaks(RuleBase64, "%s", notBase64(what, text))
	lenient := strings.NewReplacer("+", "-", "/", "_", "=", "").Replace(text)
	decoded, err = base64.RawURLEncoding.DecodeString(lenient)
	return decoded, err == nil
}

// notBase64 says why text is not base64url.
func notBase64(what, text string) string {
	for i, c := range text {
		switch {
		case 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '_':
		case c == '=':
			return what + " is padded with \"=\", which base64url in a token must not be"
		case c == '+', c == '/':
			return fmt.Sprintf("%s is in plain base64 (its character %d is %q), not in base64url", what, i+1, c)
		default:
			return fmt.Sprintf("%s is not base64url: its character %d is %+q", what, i+1, c)
		}
	}
	if len(text)%4 == 1 {
		return what + " is not base64url: it ends in the middle of a byte"
	}
	return what + " is not canonical base64url: its last character has bits that mean nothing"
}
