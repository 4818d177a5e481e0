package sandbox

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

// expiryGrace is how long after its expiry STS still accepts a token.
const expiryGrace = 5 * time.Minute

// webIdentity is the content of a verified token.
type webIdentity struct {
	provider          string // ARN
	path              string // of the provider, the prefix of its condition keys
	audience, subject string
	tags              map[string][]string
}

// verifyToken checks a token as STS does: its form, the issuer's provider, the
// signature, the required claims, the expiry, the audience.
func (r *request) verifyToken(raw, account string) (*webIdentity, *apiError) {
	w := r.world
	claims, err := decodeClaims(raw)
	if err != nil {
		return nil, invalidIdentityToken("The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)")
	}
	iss := claims.text("iss")
	if iss == "" {
		return nil, invalidIdentityToken("Missing a required claim: iss")
	}
	path := strings.TrimPrefix(iss, "https://")
	var clientIDs []string
	w.mu.Lock()
	p := w.providers[w.arn("oidc-provider/"+path)]
	if p != nil {
		clientIDs = slices.Clone(p.clientIDs)
	}
	w.mu.Unlock()
	if p == nil || path == iss || account != w.account() {
		return nil, invalidIdentityToken("No OpenIDConnect provider found in your account for " + iss)
	}
	if err := r.verifySignature(raw, iss); err != nil {
		return nil, invalidIdentityToken("Couldn't retrieve verification key from your identity provider,  please reference AssumeRoleWithWebIdentity documentation for requirements")
	}

	for _, name := range []string{"exp", "iat"} {
		if _, ok := claims.seconds(name); !ok {
			return nil, invalidIdentityToken("Missing a required claim: " + name)
		}
	}
	for _, name := range []string{"aud", "sub"} {
		if claims.text(name) == "" {
			return nil, invalidIdentityToken("Missing a required claim: " + name)
		}
	}
	exp, _ := claims.seconds("exp")
	if !r.now.Before(time.Unix(exp, 0).Add(expiryGrace)) {
		return nil, refuse(http.StatusBadRequest, "ExpiredTokenException",
			"Token expired: current date/time %d must be before the expiration date/time %d", r.now.Unix(), exp)
	}
	if nbf, ok := claims.seconds("nbf"); ok && r.now.Add(expiryGrace).Before(time.Unix(nbf, 0)) {
		return nil, invalidIdentityToken("Some claims are invalid")
	}
	if !slices.Contains(clientIDs, claims.text("aud")) {
		return nil, invalidIdentityToken("Incorrect token audience")
	}
	return &webIdentity{
		provider: p.arn,
		path:     path,
		audience: claims.text("aud"),
		subject:  claims.text("sub"),
		tags:     claims.tags(),
	}, nil
}

// verifySignature fetches the issuer's keys by its discovery document and checks
// the signature. verifyToken checks the claims, with AWS's error messages.
func (r *request) verifySignature(raw, issuer string) error {
	ctx := oidc.ClientContext(r.http.Context(), r.server.issuer)
	found, err := oidc.NewProvider(ctx, issuer)
	if err != nil {
		return err
	}
	var document struct {
		Keys string `json:"jwks_uri"`
	}
	if err := found.Claims(&document); err != nil {
		return err
	}
	_, err = oidc.NewRemoteKeySet(ctx, document.Keys).VerifySignature(ctx, raw)
	return err
}

// claims are a token's claims by name.
type claims map[string]any

var errNotJWT = errors.New("not a JWT")

// decodeClaims reads the claims of a token without checking its signature. It
// refuses duplicate names, ignoring case, because parsers differ in which one they
// use.
func decodeClaims(raw string) (claims, error) {
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		return nil, errNotJWT
	}
	payload, err := base64.RawURLEncoding.Strict().DecodeString(parts[1])
	if err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(payload))
	dec.UseNumber()
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		return nil, errNotJWT
	}
	out := claims{}
	seen := map[string]bool{}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, err
		}
		name, isName := key.(string)
		if !isName || seen[strings.ToLower(name)] {
			return nil, errNotJWT
		}
		seen[strings.ToLower(name)] = true
		var value any
		if err := dec.Decode(&value); err != nil {
			return nil, err
		}
		out[name] = value
	}
	if _, err := dec.Token(); err != nil { // the closing brace
		return nil, err
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errNotJWT
	}
	return out, nil
}

// text returns a claim that is a string, or a list of one string.
func (c claims) text(name string) string {
	switch v := c[name].(type) {
	case string:
		return v
	case []any:
		if len(v) == 1 {
			s, _ := v[0].(string)
			return s
		}
	}
	return ""
}

// seconds returns a claim that is a whole number.
func (c claims) seconds(name string) (int64, bool) {
	n, ok := c[name].(json.Number)
	if !ok {
		return 0, false
	}
	i, err := n.Int64()
	return i, err == nil
}

// tags returns the session tags of a token.
func (c claims) tags() map[string][]string {
	all, _ := c[tagsClaim].(map[string]any)
	principal, _ := all["principal_tags"].(map[string]any)
	out := make(map[string][]string, len(principal))
	for key, v := range principal {
		if list, ok := v.([]any); ok && len(list) == 1 {
			if s, ok := list[0].(string); ok {
				out[key] = []string{s}
			}
		}
	}
	return out
}
