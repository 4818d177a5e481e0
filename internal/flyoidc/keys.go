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
)

// maxKeysOfAKind is how many RSA keys, and how many EC keys, a set may have for
// STS to take a token signed by that kind
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_create_oidc.html).
const maxKeysOfAKind = 100

// signature adds the checks of keys and signature. It asks the issuer only if
// it is the expected one.
func (v *verification) signature(ctx context.Context, expected bool) {
	var set []byte
	var from string
	switch {
	case v.options.Keys != nil:
		set = v.options.Keys
	case !expected:
		v.add(CheckKeys, Skipped, "the issuer is not asked, since it is not the expected one")
		v.add(CheckSignature, Skipped, "there are no keys")
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
		v.checks = append(v.checks, Check{Name: CheckKeys, Outcome: Failed, Detail: err.Error(), Err: err})
	} else {
		v.add(CheckKeys, OK, "%s is one of %s", quote(v.token.Header.KeyID), count(keys.total, "key"))
	}
	if err := keys.verify(v.text, v.token); err != "" {
		v.add(CheckSignature, Failed, "%s", err)
		return
	}
	v.add(CheckSignature, OK, "made by key %s", quote(v.token.Header.KeyID))
}

func (v *verification) noKeys(err *KeysError) {
	v.checks = append(v.checks, Check{Name: CheckKeys, Outcome: Failed, Detail: err.Error(), Err: err})
	v.add(CheckSignature, Skipped, "there is no key to check it with")
}

// keySet is what a JSON Web Key Set has for one token.
type keySet struct {
	// total counts all keys; rsa and ec those for signatures.
	total, rsa, ec int
	// fitting are the public keys with the token's key ID that can be used with its
	// algorithm.
	fitting []any
}

// parseKeys reads a key set. Keys that are not known or not for signatures are
// passed over, as RFC 7517 wants it in section 5. So are RSA keys of more than
// jose.MaxRSAModulusBits: the work grows with the cube of a modulus, which the
// issuer chooses.
func parseKeys(text []byte, h Header) (*keySet, *KeysError) {
	if len(text) > maxDocument {
		return nil, &KeysError{Kind: KeysTooLarge}
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(text, &set); err != nil {
		return nil, &KeysError{Kind: KeysNotJSON, Reason: "it is not a JSON Web Key Set"}
	}
	if set.Keys == nil {
		return nil, &KeysError{Kind: KeysNotJSON, Reason: "it has no list of keys"}
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
			s.fitting = append(s.fitting, public)
		}
	}
	switch {
	case s.total == 0:
		return nil, &KeysError{Kind: KeysNone, Reason: "the set of keys is empty"}
	case s.rsa+s.ec == 0:
		return nil, &KeysError{Kind: KeysNone, Reason: fmt.Sprintf(
			"of %s none is an RSA key of up to %d bits, or an EC key, for signatures", count(s.total, "key"), jose.MaxRSAModulusBits)}
	case !named:
		return nil, &KeysError{Kind: KeysUnknown, Reason: fmt.Sprintf("of %s none has the ID %s", count(s.total, "key"), quote(h.KeyID))}
	case len(s.fitting) == 0:
		return nil, &KeysError{Kind: KeysUnknown, Reason: fmt.Sprintf("the key %s is not for %s", quote(h.KeyID), h.Algorithm)}
	}
	return s, nil
}

// usable reports whether a key is of the kind that an algorithm needs (RFC 7518,
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

// tooMany is the error of a set that STS does not read, for its size.
func (s *keySet) tooMany(algorithm string) *KeysError {
	kind, n := "RSA", s.rsa
	if algorithm[0] == 'E' {
		kind, n = "EC", s.ec
	}
	if n <= maxKeysOfAKind {
		return nil
	}
	return &KeysError{
		Kind:   KeysTooMany,
		Reason: fmt.Sprintf("there are %d %s keys, and STS refuses tokens of an issuer with more than %d", n, kind, maxKeysOfAKind),
	}
}

// verify says why the signature is not by one of the keys; "" when it is.
func (s *keySet) verify(text string, t *Token) string {
	jws, err := jose.ParseSignedCompact(text, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(t.Header.Algorithm)})
	if err != nil {
		return "the token cannot be read for its signature: " + clean(err.Error())
	}
	for _, key := range s.fitting {
		payload, err := jws.Verify(key)
		if err == nil && bytes.Equal(payload, []byte(t.Claims.JSON)) {
			return ""
		}
	}
	return fmt.Sprintf("it was not made by the key %s, or the token was changed since", quote(t.Header.KeyID))
}
