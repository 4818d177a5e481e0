package flyoidc

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"fmt"

	"github.com/go-jose/go-jose/v4"

	"github.com/fly-aws/fly-aws/internal/text"
)

// maxKeysPerType is how many RSA keys, and how many EC keys, a set may have for STS
// to accept a token signed by a key of that type
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_create_oidc.html).
const maxKeysPerType = 100

// signature adds the steps of keys and signature. It connects to the issuer only if
// that is the expected one.
func (v *verification) signature(ctx context.Context, expected bool) {
	var set []byte
	var from string
	switch {
	case v.options.Keys != nil:
		set = v.options.Keys
	case !expected:
		v.add(StepKeys, Skipped, "not fetched, since the issuer is not the expected one")
		v.add(StepSignature, Skipped, "there are no keys")
		return
	default:
		var err *KeysError
		if set, from, err = v.fetchKeys(ctx); err != nil {
			v.noKeys(err)
			return
		}
	}
	keys, err := parseKeys(set, v.token.Header)
	if err != nil {
		err.URL = from
		v.noKeys(err)
		return
	}
	if err := keys.tooMany(v.token.Header.Algorithm); err != nil {
		err.URL = from
		v.fail(StepKeys, err)
	} else {
		v.add(StepKeys, Passed, "%s is one of %s", text.Quote(v.token.Header.KeyID), count(keys.total, "key"))
	}
	if err := keys.verify(v.text, v.token); err != "" {
		v.add(StepSignature, Failed, "%s", err)
		return
	}
	v.add(StepSignature, Passed, "made with the key %s", text.Quote(v.token.Header.KeyID))
}

func (v *verification) noKeys(err *KeysError) {
	v.fail(StepKeys, err)
	v.add(StepSignature, Skipped, "there is no key to verify it with")
}

// keySet is what a JSON Web Key Set has for one token.
type keySet struct {
	// total counts all keys; rsa and ec those for signatures.
	total, rsa, ec int
	// candidates are the public keys with the token's key ID that are for its
	// algorithm.
	candidates []any
}

// parseKeys reads a key set. It ignores keys of unknown types and keys that are not
// for signatures, as section 5 of RFC 7517 says, and RSA keys of more than
// jose.MaxRSAModulusBits: the work grows with the cube of the size, which the issuer
// chooses.
func parseKeys(source []byte, h Header) (*keySet, *KeysError) {
	if len(source) > maxDocument {
		return nil, &KeysError{Kind: keysTooLarge}
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(source, &set); err != nil {
		return nil, &KeysError{Kind: keysNotJSON, Reason: "it is not a JSON Web Key Set"}
	}
	if set.Keys == nil {
		return nil, &KeysError{Kind: keysNotJSON, Reason: "it has no list of keys"}
	}
	s := &keySet{total: len(set.Keys)}
	named := false
	for _, raw := range set.Keys {
		var key jose.JSONWebKey
		if key.UnmarshalJSON(raw) != nil || key.Use != "" && key.Use != "sig" {
			continue
		}
		public := key.Public().Key
		switch public.(type) {
		case *rsa.PublicKey:
			s.rsa++
		case *ecdsa.PublicKey:
			s.ec++
		default:
			continue
		}
		if key.KeyID != h.KeyID {
			continue
		}
		named = true
		if (key.Algorithm == "" || key.Algorithm == h.Algorithm) && usable(public, h.Algorithm) {
			s.candidates = append(s.candidates, public)
		}
	}
	switch {
	case s.total == 0:
		return nil, &KeysError{Kind: keysNone, Reason: "the set of keys is empty"}
	case s.rsa+s.ec == 0:
		return nil, &KeysError{Kind: keysNone, Reason: fmt.Sprintf(
			"of %s, none is an RSA key of up to %d bits or an EC key for signatures", count(s.total, "key"), jose.MaxRSAModulusBits)}
	case !named:
		return nil, &KeysError{Kind: KeysUnknown, Reason: fmt.Sprintf("of %s, none has the ID %s", count(s.total, "key"), text.Quote(h.KeyID))}
	case len(s.candidates) == 0:
		return nil, &KeysError{Kind: KeysUnknown, Reason: fmt.Sprintf("the key %s is not for %s", text.Quote(h.KeyID), h.Algorithm)}
	}
	return s, nil
}

// usable reports whether a key is of the type that an algorithm needs (RFC 7518,
// section 3.1).
func usable(key any, algorithm string) bool {
	switch k := key.(type) {
	case *rsa.PublicKey:
		return algorithm == "RS256" || algorithm == "RS384" || algorithm == "RS512"
	case *ecdsa.PublicKey:
		switch algorithm {
		case "ES256":
			return k.Curve == elliptic.P256()
		case "ES384":
			return k.Curve == elliptic.P384()
		case "ES512":
			return k.Curve == elliptic.P521()
		}
	}
	return false
}

// tooMany is the error for a set with more keys than STS accepts, else nil.
func (s *keySet) tooMany(algorithm string) *KeysError {
	keyType, n := "RSA", s.rsa
	if algorithm[0] == 'E' {
		keyType, n = "EC", s.ec
	}
	if n <= maxKeysPerType {
		return nil
	}
	return &KeysError{
		Kind:   KeysTooMany,
		Reason: fmt.Sprintf("there are %d %s keys, and STS refuses tokens of an issuer with more than %d", n, keyType, maxKeysPerType),
	}
}

// verify says why none of the keys made the signature; "" when one did.
func (s *keySet) verify(token string, t *Token) string {
	jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(t.Header.Algorithm)})
	if err != nil {
		return "the token cannot be parsed: " + text.Line(err.Error())
	}
	for _, key := range s.candidates {
		payload, err := jws.Verify(key)
		if err == nil && bytes.Equal(payload, []byte(t.Claims.JSON)) {
			return ""
		}
	}
	return fmt.Sprintf("it was not made with the key %s, or the token was changed afterwards", text.Quote(t.Header.KeyID))
}
