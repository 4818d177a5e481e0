package flyoidc_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// clock is the current time in the tests.
var clock = time.Date(2026, 8, 20, 12, 0, 0, 0, time.UTC)

const (
	maxSize    = 20_000 // STS accepts tokens of up to this many characters
	goodHeader = `{"alg":"RS256","kid":"k1","typ":"JWT"}`
	goodClaims = `{"app_id":"1234567","app_name":"web","aud":"sts.amazonaws.com","exp":1787228100,"iat":1787227500,` +
		`"image":"web:deployment-1","image_digest":"sha256:00","iss":"https://oidc.fly.io/acme","jti":"j","machine_id":"m1",` +
		`"machine_name":"quiet-sun-1234","machine_version":"01","nbf":1787227500,"org_id":"7","org_name":"acme","region":"ams",` +
		`"sub":"acme:web:quiet-sun-1234"}`
)

// compact assembles a token, with a made-up signature of n bytes.
func compact(header, claims string, n int) string {
	enc := base64.RawURLEncoding.EncodeToString
	return enc([]byte(header)) + "." + enc([]byte(claims)) + "." + enc(make([]byte, n))
}

// withClaim returns goodClaims with another JSON value for the claim; "" removes
// the claim.
func withClaim(t testing.TB, name, value string) string {
	t.Helper()
	before, rest, ok := strings.Cut(goodClaims, `"`+name+`":`)
	if !ok {
		t.Fatalf("there is no claim %q", name)
	}
	end := strings.IndexAny(rest, ",}")
	if rest[end] == ',' {
		end++
	}
	if value == "" {
		return strings.TrimSuffix(before, ",") + tail(before, rest[end:])
	}
	sep := ""
	if rest[end-1] == ',' {
		sep = ","
	}
	return before + `"` + name + `":` + value + sep + rest[end:]
}

// tail restores the comma after a claim was removed from the middle.
func tail(before, rest string) string {
	if strings.HasSuffix(before, ",") && rest != "}" {
		return "," + rest
	}
	return rest
}

// Keys are slow to generate, so all tests share one of each kind.
var (
	rsaKey  = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })
	p256Key = sync.OnceValues(func() (*ecdsa.PrivateKey, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) })
	p384Key = sync.OnceValues(func() (*ecdsa.PrivateKey, error) { return ecdsa.GenerateKey(elliptic.P384(), rand.Reader) })
	p521Key = sync.OnceValues(func() (*ecdsa.PrivateKey, error) { return ecdsa.GenerateKey(elliptic.P521(), rand.Reader) })
)

func privateKey(t testing.TB, algorithm string) crypto.Signer {
	t.Helper()
	var key crypto.Signer
	var err error
	switch algorithm {
	case "ES256":
		key, err = p256Key()
	case "ES384":
		key, err = p384Key()
	case "ES512":
		key, err = p521Key()
	default:
		key, err = rsaKey()
	}
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// sign makes a token with those claims, signed with the key "k".
func sign(t testing.TB, algorithm, claims string) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{
		Algorithm: jose.SignatureAlgorithm(algorithm),
		Key:       jose.JSONWebKey{Key: privateKey(t, algorithm), KeyID: "k"},
	}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signer.Sign([]byte(claims))
	if err != nil {
		t.Fatal(err)
	}
	token, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// claimsOf are valid claims for a token of that issuer.
func claimsOf(issuer string) string {
	return fmt.Sprintf(`{"iss":%q,"sub":"acme:web:quiet-sun-1234","aud":"sts.amazonaws.com","iat":%d,"nbf":%d,"exp":%d}`,
		issuer, clock.Unix(), clock.Unix(), clock.Add(10*time.Minute).Unix())
}
