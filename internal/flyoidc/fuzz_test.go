package flyoidc_test

import (
	"encoding/base64"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/fly-aws/fly-aws/internal/flyoidc"
)

// FuzzDecode checks that nothing panics; that Decode accepts exactly the tokens in
// which Inspect finds no violation; that the parts encode to the same text, so no
// two texts are the same token; and that go-jose reads accepted tokens in the same
// way.
func FuzzDecode(f *testing.F) {
	for _, test := range broken(f) {
		if len(test.text) <= maxSize {
			f.Add(test.text)
		}
	}
	f.Add(compact(goodHeader, goodClaims, 256))
	f.Add(compact(`{"alg":"ES256","kid":"k"}`, `{"iss":"https://x","sub":"s","aud":["a","b"],"exp":1,"iat":0}`, 64))
	f.Fuzz(func(t *testing.T, text string) {
		shown, violations := flyoidc.Inspect(text)
		for _, v := range violations {
			checkText(t, v.Reason)
		}
		token, err := flyoidc.Decode(text)
		if (err == nil) != (len(violations) == 0) {
			t.Fatalf("Decode gives %v, Inspect %+v", err, violations)
		}
		if err != nil {
			var decodeErr *flyoidc.DecodeError
			if !errors.As(err, &decodeErr) || decodeErr.Violation != violations[0] {
				t.Fatalf("Decode gives %v, Inspect %+v", err, violations)
			}
			return
		}
		if !reflect.DeepEqual(token, shown) {
			t.Fatalf("Decode gives %+v, Inspect %+v", token, shown)
		}
		enc := base64.RawURLEncoding
		trimmed := strings.Trim(text, " \t\r\n")
		last := trimmed[strings.LastIndexByte(trimmed, '.')+1:]
		signature, err := enc.DecodeString(last)
		if err != nil {
			t.Fatal(err)
		}
		again := enc.EncodeToString([]byte(token.Header.JSON)) + "." + enc.EncodeToString([]byte(token.Claims.JSON)) + "." +
			enc.EncodeToString(signature)
		if again != trimmed {
			t.Fatalf("the parts encode to\n%s, not\n%s", again, trimmed)
		}
		if token.Claims.Expiry.IsZero() || token.Claims.IssuedAt.IsZero() || len(token.Claims.Audience) == 0 ||
			token.Claims.Issuer == "" || token.Claims.Subject == "" || token.Header.KeyID == "" {
			t.Fatalf("something is missing in %+v", token)
		}
		jws, err := jose.ParseSignedCompact(trimmed, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(token.Header.Algorithm)})
		if err != nil {
			t.Fatalf("go-jose refuses it: %v", err)
		}
		if got := jws.Signatures[0].Header.KeyID; got != token.Header.KeyID {
			t.Fatalf("go-jose has the key ID %q, Decode %q", got, token.Header.KeyID)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	text := compact(goodHeader, goodClaims, 256)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := flyoidc.Decode(text); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkInspectWorst inspects a token of the largest size that consists of
// names.
func BenchmarkInspectWorst(b *testing.B) {
	text := compact(goodHeader, "{"+strings.TrimSuffix(strings.Repeat(`"a":0,`, 2400), ",")+"}", 256)
	b.ReportAllocs()
	for b.Loop() {
		if _, violations := flyoidc.Inspect(text); len(violations) < 2000 {
			b.Fatalf("%d violations", len(violations))
		}
	}
}
