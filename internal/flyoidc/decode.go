package flyoidc

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/fly-aws/fly-aws/internal/flyname"
	"github.com/fly-aws/fly-aws/internal/text"
)

// A Rule is a requirement that a token must meet. Its text is a stable code.
type Rule string

// The rules about the text of a token (RFC 7515, section 7.1).
const (
	// ruleEmpty: the text is not empty.
	ruleEmpty Rule = "empty"
	// ruleSize: no more than maxSize characters.
	ruleSize Rule = "size"
	// ruleBOM: no byte order mark.
	ruleBOM Rule = "byte-order-mark"
	// ruleWhiteSpace: no white space inside.
	ruleWhiteSpace Rule = "white-space"
	// ruleParts: three parts separated by dots.
	ruleParts Rule = "parts"
	// ruleEncrypted: signed, not encrypted. An encrypted token has five parts.
	ruleEncrypted Rule = "encrypted"
	// ruleBase64: each part in base64url, without padding and in canonical form.
	ruleBase64 Rule = "base64url"
	// ruleSignature: a signature, of the length that the algorithm produces.
	ruleSignature Rule = "signature"
)

// The rules about both header and claims.
const (
	// ruleUTF8: valid UTF-8.
	ruleUTF8 Rule = "utf-8"
	// ruleJSON: one JSON object and nothing after it.
	ruleJSON Rule = "json"
	// ruleNesting: objects and lists nested at most 32 deep.
	ruleNesting Rule = "nesting"
	// RuleDuplicate: no name twice in an object.
	RuleDuplicate Rule = "duplicate"
	// RuleCase: no two names that differ only in case; some readers treat them as
	// the same name.
	RuleCase Rule = "case"
)

// The rules about members of the header and claims, named for them.
const (
	// ruleAlgorithm: one of RS256, RS384, RS512, ES256, ES384 and ES512, which STS
	// accepts
	// (https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_create_oidc.html).
	ruleAlgorithm Rule = "alg"
	// ruleKeyID: a non-empty string. Without it a verifier would have to try every
	// key.
	ruleKeyID Rule = "kid"
	// ruleCritical: absent, since this package knows no extensions.
	ruleCritical Rule = "crit"
	// ruleType: a string, if present.
	ruleType Rule = "typ"
	// ruleIssuer and ruleSubject: a non-empty string.
	ruleIssuer  Rule = "iss"
	ruleSubject Rule = "sub"
	// ruleAudience: a non-empty string or, from issuers other than Fly, a list of
	// such strings.
	ruleAudience Rule = "aud"
	// ruleExpiry and ruleIssuedAt: a whole number of seconds from 1970 to the year
	// 9999, without fraction or exponent.
	ruleExpiry   Rule = "exp"
	ruleIssuedAt Rule = "iat"
	// ruleNotBefore: the same, if present.
	ruleNotBefore Rule = "nbf"
)

// A Violation is a rule that a token breaks.
type Violation struct {
	Rule Rule
	// Reason is a clause that is safe to show on a terminal.
	Reason string
}

// A DecodeError says why Decode refused a token.
type DecodeError struct {
	Violation
}

func (e *DecodeError) Error() string { return "not a usable token: " + e.Reason }

// algorithms are those that STS accepts, with the length of their signatures in
// bytes: an RSA key has at least 2048 bits, and an ECDSA signature is two numbers
// of the curve's size (RFC 7518, sections 3.3 and 3.4).
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

// ReadText reads the text of a token, such as a file, and trims white space. It
// does not check the text, except that a size no token has is a *DecodeError with
// ruleSize. Other errors are those of r.
func ReadText(r io.Reader) (string, error) {
	const limit = maxSize + 4096 // leaves room for white space around the token
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return "", fmt.Errorf("reading a token: %w", err)
	}
	if len(b) > limit {
		return "", &DecodeError{tooLarge()}
	}
	return trim(string(b)), nil
}

// Decode reads a token strictly, without verifying it. It ignores white space
// around the token. The error is a *DecodeError with the first rule broken.
func Decode(text string) (*Token, error) {
	t, broken := Inspect(text)
	if len(broken) > 0 {
		return nil, &DecodeError{broken[0]}
	}
	return t, nil
}

// Inspect reads what can be read of a token and returns every rule that it
// breaks, in the order found. The token is nil when neither header nor claims can
// be read; a part that cannot be read is zero. Decode accepts the tokens that break
// no rule.
func Inspect(text string) (*Token, []Violation) {
	var in inspection
	t := in.token(trim(text))
	if t.Header.JSON == "" && t.Claims.JSON == "" {
		return nil, in.broken
	}
	return t, in.broken
}

// InspectClaims reads claims that are not part of a token, as a JSON object of at
// most maxSize bytes, by the same rules. The claims are zero when the text is not
// such an object. Claims written by hand to try a policy may lack some that a token
// must have.
func InspectClaims(text string) (Claims, []Violation) {
	text = trim(text)
	switch {
	case text == "":
		return Claims{}, []Violation{{ruleEmpty, "the text is empty"}}
	case len(text) > maxSize:
		return Claims{}, []Violation{tooLarge()}
	}
	var in inspection
	c := in.claims("the text", []byte(text))
	return c, in.broken
}

func trim(text string) string { return strings.Trim(text, " \t\r\n") }

func tooLarge() Violation {
	return Violation{ruleSize, fmt.Sprintf("the text has more than the %d characters that STS accepts", maxSize)}
}

// An inspection collects the rules that one token breaks.
type inspection struct {
	broken []Violation
}

func (in *inspection) breaks(rule Rule, format string, args ...any) {
	in.broken = append(in.broken, Violation{rule, fmt.Sprintf(format, args...)})
}

// token reads a token. Where a rule is broken but the meaning is clear, it
// continues, so that a person can see the rest.
func (in *inspection) token(text string) *Token {
	t := &Token{}
	switch {
	case text == "":
		in.breaks(ruleEmpty, "the text is empty")
		return t
	case len(text) > maxSize:
		in.broken = append(in.broken, tooLarge())
		return t
	case strings.HasPrefix(text, "\xff\xfe"), strings.HasPrefix(text, "\xfe\xff"):
		in.breaks(ruleBOM, "the text begins with a UTF-16 byte order mark; a token is plain ASCII")
		return t
	}
	if rest, marked := strings.CutPrefix(text, "\ufeff"); marked {
		in.breaks(ruleBOM, "there is a byte order mark before the token")
		text = rest
	}
	parts := strings.Split(text, ".")
	switch {
	case strings.HasPrefix(text, "{"):
		in.breaks(ruleParts, "the text is JSON, not a token of three parts separated by dots")
		return t
	case len(parts) != 3 && len(parts) != 5:
		in.breaks(ruleParts, "the text has %s; a token has three, separated by dots", count(len(parts), "part"))
		return t
	}
	if strings.ContainsAny(text, " \t\r\n") {
		in.breaks(ruleWhiteSpace, "there is white space inside the token")
		for i, part := range parts {
			parts[i] = strings.NewReplacer(" ", "", "\t", "", "\r", "", "\n", "").Replace(part)
		}
	}
	if len(parts) == 5 {
		in.breaks(ruleEncrypted, "the token has five parts: it is encrypted (JWE), not signed")
		var ignored inspection // the rules are for signed tokens
		t.Header = ignored.header(parts[0])
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
	source, ok := in.part("the header part", part)
	if !ok {
		return h
	}
	o, ok := in.object("the header part", source)
	if !ok {
		return h
	}
	h = Header{Members: o.members, JSON: string(source)}
	h.Algorithm = o.text(in, ruleAlgorithm)
	if h.Algorithm != "" {
		in.algorithm(h.Algorithm)
	}
	h.KeyID = o.text(in, ruleKeyID)
	if o.has(string(ruleType)) {
		h.Type = o.text(in, ruleType)
	}
	if value, ok := o.value(string(ruleCritical)); ok {
		h.Critical, _ = textList(value)
		if h.Critical == nil {
			h.Critical = []string{}
		}
		in.breaks(ruleCritical, "crit requires extensions that are not supported: %s", text.Quote(value))
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
		in.breaks(ruleAlgorithm, "alg is %s: the token is not signed", text.Quote(name))
		return
	}
	in.breaks(ruleAlgorithm, "alg is %s, which STS does not accept; it accepts RS256 to RS512 and ES256 to ES512", text.Quote(name))
}

func (in *inspection) claims(what string, source []byte) (c Claims) {
	o, ok := in.object(what, source)
	if !ok {
		return c
	}
	c = Claims{Members: o.members, JSON: string(source)}
	c.Issuer = o.text(in, ruleIssuer)
	c.Subject = o.text(in, ruleSubject)
	c.Audience = o.audience(in, strings.HasPrefix(c.Issuer, flyname.Issuer("")))
	c.Expiry = o.time(in, ruleExpiry)
	c.IssuedAt = o.time(in, ruleIssuedAt)
	if o.has(string(ruleNotBefore)) {
		c.NotBefore = o.time(in, ruleNotBefore)
	}
	if value, ok := o.value(tagsClaim); ok {
		c.Tags = sessionTags(value)
	}
	for _, m := range o.members { // the flat form
		if key, ok := strings.CutPrefix(m.Name, tagsClaim+"/principal_tags/"); ok {
			if c.Tags == nil {
				c.Tags = map[string]string{}
			}
			c.Tags[key] = tagValue(m.Value)
		}
	}
	if value, ok := o.value("https://aws.amazon.com/source_identity"); ok {
		c.SourceIdentity, _ = unquote(value)
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

// tagsClaim is the claim with the AWS session tags, and begins those of its flat form.
const tagsClaim = "https://aws.amazon.com/tags"

// sessionTags reads the claim with the AWS session tags, which has a string or a list
// of strings a tag (https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html).
// A value that is neither stays as it is.
func sessionTags(claim string) map[string]string {
	var object struct {
		PrincipalTags map[string]json.RawMessage `json:"principal_tags"`
	}
	if json.Unmarshal([]byte(claim), &object) != nil || len(object.PrincipalTags) == 0 {
		return nil
	}
	tags := map[string]string{}
	for key, raw := range object.PrincipalTags {
		tags[key] = tagValue(string(raw))
	}
	return tags
}

// tagValue reads the value of a tag.
func tagValue(value string) string {
	if s, ok := unquote(value); ok {
		return s
	}
	if list, ok := textList(value); ok {
		return strings.Join(list, ",")
	}
	return value
}

// signature checks that a signature is there and has the right length.
func (in *inspection) signature(part, algorithm string) {
	if part == "" {
		in.breaks(ruleSignature, "the signature is missing")
		return
	}
	signature, ok := in.part("the signature part", part)
	if !ok {
		return
	}
	for _, a := range algorithms {
		if a.name == algorithm && (len(signature) < a.bytes || a.exact && len(signature) > a.bytes) {
			in.breaks(ruleSignature, "the signature has %s, which %s does not produce: the token may have been cut off",
				count(len(signature), "byte"), a.name)
		}
	}
}

// part decodes one of the parts. It is not ok when there is nothing to go on with.
func (in *inspection) part(what, part string) ([]byte, bool) {
	if part == "" {
		in.breaks(ruleBase64, "%s is empty", what)
		return nil, false
	}
	decoded, err := base64.RawURLEncoding.Strict().DecodeString(part)
	if err == nil {
		return decoded, true
	}
	in.breaks(ruleBase64, "%s", notBase64(what, part))
	lenient := strings.NewReplacer("+", "-", "/", "_", "=", "").Replace(part)
	decoded, err = base64.RawURLEncoding.DecodeString(lenient)
	return decoded, err == nil
}

// notBase64 says why a part is not base64url.
func notBase64(what, part string) string {
	for i, c := range part {
		switch {
		case 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '_':
		case c == '=':
			return what + " is padded with \"=\"; a token has base64url without padding"
		case c == '+', c == '/':
			return fmt.Sprintf("%s is in standard base64 (its character %d is %q), not in base64url", what, i+1, c)
		default:
			return fmt.Sprintf("%s is not base64url: its character %d is %+q", what, i+1, c)
		}
	}
	if len(part)%4 == 1 {
		return what + " is not base64url: it ends in the middle of a byte"
	}
	return what + " is not canonical base64url: the unused bits of its last character are not zero"
}

// count puts a number before a noun: "1 key", "2 keys".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}
