package flyoidc_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/fly-aws/fly-aws/internal/flyname"
	"github.com/fly-aws/fly-aws/internal/flyoidc"
	"github.com/fly-aws/fly-aws/internal/sandbox"
)

// names are the steps that Verify always returns.
var names = []string{
	"format", "issuer", "audience", "expiry", "not before",
	"issued at", flyoidc.StepKeys, flyoidc.StepSignature,
}

// results writes the results of steps as "format:failed issuer:skipped …" for those
// that did not pass, and checks the form of all steps.
func results(t testing.TB, steps []flyoidc.Step) string {
	t.Helper()
	if len(steps) != len(names) {
		t.Fatalf("%d steps: %+v", len(steps), steps)
	}
	var out []string
	for i, s := range steps {
		if s.Name != names[i] {
			t.Errorf("step %d is %q, want %q", i, s.Name, names[i])
		}
		checkText(t, s.Detail)
		if strings.Contains(s.Detail, "eyJ") {
			t.Errorf("a token is in %q", s.Detail)
		}
		if (s.Err != nil) && s.Result != flyoidc.Failed {
			t.Errorf("%s is %s with an error: %v", s.Name, s.Result, s.Err)
		}
		if s.Result != flyoidc.Passed {
			out = append(out, s.Name+":"+string(s.Result))
		}
	}
	if got, want := flyoidc.Verified(steps), !strings.Contains(strings.Join(out, " "), "failed"); got != want {
		t.Errorf("Verified is %v", got)
	}
	return strings.Join(out, " ")
}

// keysKind returns the kind of the KeysError in the steps.
func keysKind(t testing.TB, steps []flyoidc.Step) flyoidc.KeysKind {
	t.Helper()
	for _, s := range steps {
		var e *flyoidc.KeysError
		if errors.As(s.Err, &e) {
			if s.Name != flyoidc.StepKeys {
				t.Errorf("a KeysError is at %s", s.Name)
			}
			return e.Kind
		}
	}
	return ""
}

func TestVerifySandbox(t *testing.T) {
	t.Parallel()
	w := sandbox.World{Now: func() time.Time { return clock }, PersonalOrg: "jane-doe-123"}
	w.AddMachine("acme", "web", "quiet-sun-1234")
	w.AddMachine("jane-doe-123", "web", "late-sun-1")
	s, err := w.Start()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	client := &http.Client{Transport: s.IssuerTransport()}
	defer client.CloseIdleConnections()
	verify := func(r sandbox.TokenRequest, o flyoidc.Options) []flyoidc.Step {
		t.Helper()
		if r.Org == "" {
			r.Org, r.App, r.Machine = "acme", "web", "quiet-sun-1234"
		}
		if r.Audience == "" {
			r.Audience = flyname.AudienceAWS
		}
		text, err := w.Mint(r)
		if err != nil {
			t.Fatal(err)
		}
		o.Client = client
		if o.Now == nil {
			o.Now = func() time.Time { return clock }
		}
		return flyoidc.Verify(context.Background(), text, o)
	}
	later := func(d time.Duration) func() time.Time { return func() time.Time { return clock.Add(d) } }
	claims := func(name string, value any) sandbox.TokenRequest {
		return sandbox.TokenRequest{Claims: map[string]any{name: value}}
	}
	for name, test := range map[string]struct {
		request sandbox.TokenRequest
		options flyoidc.Options
		want    string
	}{
		"good":                     {},
		"with session tags":        {request: sandbox.TokenRequest{PrincipalTags: true}},
		"the named issuer":         {options: flyoidc.Options{Issuer: "https://oidc.fly.io/acme"}},
		"another audience":         {request: sandbox.TokenRequest{Audience: "vault"}, options: flyoidc.Options{Audience: "vault"}},
		"other than the audience":  {request: sandbox.TokenRequest{Audience: "https://fly.io/acme"}, want: "audience:failed"},
		"other than the issuer":    {options: flyoidc.Options{Issuer: "https://oidc.fly.io/other"}, want: "issuer:failed keys:skipped signature:skipped"},
		"a slash more":             {options: flyoidc.Options{Issuer: "https://oidc.fly.io/acme/"}, want: "issuer:failed keys:skipped signature:skipped"},
		"the raw slug":             {request: sandbox.TokenRequest{Org: "jane-doe-123", App: "web", Machine: "late-sun-1"}},
		"the alias personal":       {request: claims("iss", "https://oidc.fly.io/personal"), want: "issuer:failed keys:skipped signature:skipped"},
		"another issuer":           {request: claims("iss", "https://accounts.google.com"), want: "issuer:failed keys:skipped signature:skipped"},
		"not published":            {request: sandbox.TokenRequest{Unpublished: true}, want: "signature:failed"},
		"another org's key":        {request: claims("iss", "https://oidc.fly.io/jane-doe-123"), want: "keys:failed signature:skipped"},
		"an org that is not there": {request: claims("iss", "https://oidc.fly.io/nobody"), want: "keys:failed signature:skipped"},
		"no nbf":                   {request: claims("nbf", nil), want: "not before:skipped"},
		"a broken rule": {
			request: claims("exp", "soon"),
			want:    "format:failed issuer:skipped audience:skipped expiry:skipped not before:skipped issued at:skipped keys:skipped signature:skipped",
		},

		"just expired":             {options: flyoidc.Options{Now: later(10*time.Minute + time.Second)}},
		"at the end of the grace":  {options: flyoidc.Options{Now: later(15 * time.Minute)}},
		"after the grace":          {options: flyoidc.Options{Now: later(15*time.Minute + time.Nanosecond)}, want: "expiry:failed"},
		"clock a minute behind":    {options: flyoidc.Options{Now: later(-time.Minute)}},
		"clock further behind":     {options: flyoidc.Options{Now: later(-time.Minute - time.Second)}, want: "not before:failed issued at:failed"},
		"issued in the future":     {request: claims("iat", clock.Add(time.Hour).Unix()), want: "issued at:failed"},
		"not valid yet":            {request: claims("nbf", clock.Add(time.Hour).Unix()), want: "not before:failed"},
		"everything wrong at once": {request: sandbox.TokenRequest{Unpublished: true, Audience: "x", Lifetime: -time.Hour}, want: "audience:failed expiry:failed signature:failed"},
	} {
		steps := verify(test.request, test.options)
		if got := results(t, steps); got != test.want {
			t.Errorf("%s: %s\nwant %s\n%+v", name, got, test.want, steps)
		}
	}
}

// issuer is an issuer that can be made to misbehave.
type issuer struct {
	*httptest.Server
	mux *http.ServeMux
}

// newIssuer starts an issuer with a valid discovery document.
func newIssuer(t testing.TB) *issuer {
	t.Helper()
	i := &issuer{mux: http.NewServeMux()}
	i.Server = httptest.NewUnstartedServer(i.mux)
	i.Config.ErrorLog = log.New(io.Discard, "", 0) // refused certificates are part of the tests
	i.StartTLS()
	t.Cleanup(i.Close)
	return i
}

func (i *issuer) answer(path, body string) {
	i.mux.HandleFunc(path, func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "application/json")
		fmt.Fprint(rw, body)
	})
}

const (
	discoveryPath = "/.well-known/openid-configuration"
	keysPath      = "/keys"
)

func (i *issuer) discovery() {
	i.answer(discoveryPath, fmt.Sprintf(`{"issuer":%q,"jwks_uri":%q}`, i.URL, i.URL+keysPath))
}

func (i *issuer) verify(t testing.TB, text string) []flyoidc.Step {
	t.Helper()
	return flyoidc.Verify(context.Background(), text, i.options())
}

func (i *issuer) options() flyoidc.Options {
	return flyoidc.Options{Issuer: i.URL, Client: i.Client(), Now: func() time.Time { return clock }}
}

// keySet writes a JSON Web Key Set of the keys.
func keySet(t testing.TB, keys ...jose.JSONWebKey) string {
	t.Helper()
	text, err := json.Marshal(jose.JSONWebKeySet{Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func publicKey(t testing.TB, algorithm, keyID string) jose.JSONWebKey {
	t.Helper()
	return jose.JSONWebKey{Key: privateKey(t, algorithm).Public(), KeyID: keyID, Algorithm: algorithm, Use: "sig"}
}

// manyKeys are EC keys that sign nothing.
var manyKeys = sync.OnceValues(func() ([]jose.JSONWebKey, error) {
	var keys []jose.JSONWebKey
	for n := range 999 {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, err
		}
		keys = append(keys, jose.JSONWebKey{Key: key.Public(), KeyID: fmt.Sprintf("other-%d", n)})
	}
	return keys, nil
})

func TestVerifyKeys(t *testing.T) {
	t.Parallel()
	many, err := manyKeys()
	if err != nil {
		t.Fatal(err)
	}
	with := func(keys []jose.JSONWebKey, key jose.JSONWebKey) []jose.JSONWebKey {
		return append(keys[:len(keys):len(keys)], key)
	}
	rsaPublic, ecPublic := publicKey(t, "RS256", "k"), publicKey(t, "ES256", "k")
	changed := func(k jose.JSONWebKey, change func(*jose.JSONWebKey)) jose.JSONWebKey {
		change(&k)
		return k
	}
	rsaOf := func(bits uint) string {
		n := new(big.Int).Lsh(big.NewInt(1), bits-1)
		n.SetBit(n, 0, 1) // RSA refuses even ones
		return keySet(t, jose.JSONWebKey{Key: &rsa.PublicKey{N: n, E: 65537}, KeyID: "k"})
	}
	for name, test := range map[string]struct {
		algorithm string
		keys      string
		want      string
		kind      flyoidc.KeysKind
	}{
		"RSA":                  {"RS256", keySet(t, rsaPublic), "", ""},
		"EC":                   {"ES256", keySet(t, ecPublic), "", ""},
		"RSA, SHA-384":         {"RS384", keySet(t, publicKey(t, "RS384", "k")), "", ""},
		"RSA, SHA-512":         {"RS512", keySet(t, publicKey(t, "RS512", "k")), "", ""},
		"EC, P-384":            {"ES384", keySet(t, publicKey(t, "ES384", "k")), "", ""},
		"EC, P-521":            {"ES512", keySet(t, publicKey(t, "ES512", "k")), "", ""},
		"without alg and use":  {"RS256", keySet(t, changed(rsaPublic, func(k *jose.JSONWebKey) { k.Algorithm, k.Use = "", "" })), "", ""},
		"both under one ID":    {"ES256", keySet(t, rsaPublic, ecPublic), "", ""},
		"a wrong one first":    {"ES256", keySet(t, changed(many[0], func(k *jose.JSONWebKey) { k.KeyID = "k" }), ecPublic), "", ""},
		"unknown ones beside":  {"RS256", `{"keys":[{"kty":"new"},{"kty":"EC","crv":"new"},5,null,` + strings.TrimPrefix(keySet(t, rsaPublic), `{"keys":[`), "", ""},
		"a private key":        {"ES256", keySet(t, jose.JSONWebKey{Key: privateKey(t, "ES256"), KeyID: "k"}), "", ""},
		"100 keys":             {"ES256", keySet(t, with(many[:99], ecPublic)...), "", ""},
		"100 of one kind, RSA": {"RS256", keySet(t, with(many[:100], rsaPublic)...), "", ""},
		"101 keys":             {"ES256", keySet(t, with(many[:100], ecPublic)...), "keys:failed", flyoidc.KeysTooMany},
		"1,000 keys":           {"ES256", keySet(t, with(many, ecPublic)...), "keys:failed", flyoidc.KeysTooMany},

		"a wrong key":       {"ES256", keySet(t, changed(many[0], func(k *jose.JSONWebKey) { k.KeyID = "k" })), "signature:failed", ""},
		"no keys":           {"RS256", `{"keys":[]}`, "keys:failed signature:skipped", "none"},
		"no usable keys":    {"RS256", `{"keys":[{"kty":"new"}]}`, "keys:failed signature:skipped", "none"},
		"a symmetric key":   {"RS256", `{"keys":[{"kty":"oct","kid":"k","k":"c2VjcmV0"}]}`, "keys:failed signature:skipped", "none"},
		"the largest key":   {"RS256", rsaOf(4096), "signature:failed", ""},
		"too large a key":   {"RS256", rsaOf(4097), "keys:failed signature:skipped", "none"},
		"an absurd key":     {"RS256", rsaOf(100_000), "keys:failed signature:skipped", "none"},
		"for encryption":    {"RS256", keySet(t, changed(rsaPublic, func(k *jose.JSONWebKey) { k.Use = "enc" })), "keys:failed signature:skipped", "none"},
		"another ID":        {"RS256", keySet(t, publicKey(t, "RS256", "K")), "keys:failed signature:skipped", flyoidc.KeysUnknown},
		"another algorithm": {"RS256", keySet(t, changed(rsaPublic, func(k *jose.JSONWebKey) { k.Algorithm = "RS512" })), "keys:failed signature:skipped", flyoidc.KeysUnknown},
		"another kind":      {"RS256", keySet(t, ecPublic), "keys:failed signature:skipped", flyoidc.KeysUnknown},
		"another curve":     {"ES256", keySet(t, jose.JSONWebKey{Key: privateKey(t, "ES384").Public(), KeyID: "k"}), "keys:failed signature:skipped", flyoidc.KeysUnknown},
		"an empty object":   {"RS256", `{}`, "keys:failed signature:skipped", "not-json"},
		"keys null":         {"RS256", `{"keys":null}`, "keys:failed signature:skipped", "not-json"},
		"cut off":           {"RS256", keySet(t, rsaPublic)[:50], "keys:failed signature:skipped", "not-json"},
		"more behind":       {"RS256", keySet(t, rsaPublic) + "{}", "keys:failed signature:skipped", "not-json"},
		"a certificate":     {"RS256", "-----BEGIN CERTIFICATE-----", "keys:failed signature:skipped", "not-json"},
		"too large":         {"RS256", `{"keys":[]}` + strings.Repeat(" ", 2<<20), "keys:failed signature:skipped", "too-large"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check := func(how string, steps []flyoidc.Step) {
				t.Helper()
				if got := results(t, steps); got != test.want {
					t.Errorf("%s: %s\nwant %s\n%+v", how, got, test.want, steps)
				}
				if got := keysKind(t, steps); got != test.kind {
					t.Errorf("%s: got %q, want %q", how, got, test.kind)
				}
			}
			i := newIssuer(t)
			i.discovery()
			i.answer(keysPath, test.keys)
			text := sign(t, test.algorithm, claimsOf(i.URL))
			check("asked", i.verify(t, text))
			o := flyoidc.Options{Issuer: i.URL, Keys: []byte(test.keys), Now: func() time.Time { return clock }, Client: forbidden(t)}
			check("given", flyoidc.Verify(context.Background(), text, o))
		})
	}
}

// forbidden is a client that fails the test when it is used.
func forbidden(t testing.TB) *http.Client {
	return &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
		t.Errorf("%s was asked", r.URL)
		return nil, errors.New("no network")
	})}
}

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Options.Keys verify the signature even for an unexpected issuer, and an
// unexpected issuer is not contacted.
func TestVerifyOffline(t *testing.T) {
	t.Parallel()
	text := sign(t, "RS256", claimsOf("https://issuer.example/x"))
	o := flyoidc.Options{Keys: []byte(keySet(t, publicKey(t, "RS256", "k"))), Now: func() time.Time { return clock }, Client: forbidden(t)}
	if got := results(t, flyoidc.Verify(context.Background(), text, o)); got != "issuer:failed" {
		t.Errorf("with keys: %s", got)
	}
	o.Keys = nil
	if got := results(t, flyoidc.Verify(context.Background(), text, o)); got != "issuer:failed keys:skipped signature:skipped" {
		t.Errorf("without: %s", got)
	}
	// One claim was changed after signing.
	header, rest, _ := strings.Cut(text, ".")
	_, signature, _ := strings.Cut(rest, ".")
	_, forged, _ := strings.Cut(compact("{}", strings.Replace(claimsOf("https://issuer.example/x"), "acme:web", "acme:api", 1), 0), ".")
	text = header + "." + strings.TrimSuffix(forged, ".") + "." + signature
	o.Issuer, o.Keys = "https://issuer.example/x", []byte(keySet(t, publicKey(t, "RS256", "k")))
	if got := results(t, flyoidc.Verify(context.Background(), text, o)); got != "signature:failed" {
		t.Errorf("changed: %s", got)
	}
}

func TestVerifyFaults(t *testing.T) {
	t.Parallel()
	keys := keySet(t, publicKey(t, "RS256", "k"))
	elsewhere := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("%s was asked elsewhere", r.URL)
	}))
	t.Cleanup(elsewhere.Close)
	redirect := func(to string) http.HandlerFunc {
		return func(rw http.ResponseWriter, r *http.Request) { http.Redirect(rw, r, to, http.StatusFound) }
	}
	hang := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	document := func(format string, args ...any) func(*issuer) {
		return func(i *issuer) {
			i.answer(discoveryPath, strings.ReplaceAll(fmt.Sprintf(format, args...), "ISSUER", i.URL))
			i.answer(keysPath, keys)
		}
	}
	handle := func(h http.HandlerFunc) func(*issuer) {
		return func(i *issuer) { i.mux.HandleFunc(discoveryPath, h) }
	}
	handleKeys := func(h http.HandlerFunc) func(*issuer) {
		return func(i *issuer) {
			i.discovery()
			i.mux.HandleFunc(keysPath, h)
		}
	}
	write := func(contentType, body string) http.HandlerFunc {
		return func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Type", contentType)
			fmt.Fprint(rw, body)
		}
	}
	status := func(n int) http.HandlerFunc {
		return func(rw http.ResponseWriter, _ *http.Request) { http.Error(rw, "<html>no</html>", n) }
	}
	abort := func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Length", "100")
		fmt.Fprint(rw, "{")
		panic(http.ErrAbortHandler)
	}
	pause := func(rw http.ResponseWriter, r *http.Request) {
		fmt.Fprint(rw, "{")
		rw.(http.Flusher).Flush()
		hang(rw, r)
	}
	large := func(rw http.ResponseWriter, _ *http.Request) { fmt.Fprint(rw, strings.Repeat("a", 20<<20)) }
	moved := func(i *issuer) {
		i.mux.HandleFunc(discoveryPath, redirect("/moved"))
		i.answer("/moved", fmt.Sprintf(`{"issuer":%q,"jwks_uri":%q}`, i.URL, i.URL+keysPath))
		i.answer(keysPath, keys)
	}
	plain := func(i *issuer) {
		i.mux.HandleFunc(discoveryPath, redirect("http"+strings.TrimPrefix(i.URL, "https")+"/moved"))
	}
	for name, test := range map[string]struct {
		set  func(*issuer)
		kind flyoidc.KeysKind // "" when the step passes
	}{
		"good":                            {document(`{"issuer":"ISSUER","jwks_uri":"ISSUER/keys"}`), ""},
		"redirect to the same host":       {moved, ""},
		"redirect elsewhere":              {handle(redirect(elsewhere.URL)), "redirect"},
		"redirect to plain http":          {plain, "redirect"},
		"redirect in circles":             {handle(redirect(discoveryPath)), "redirect"},
		"redirect without a place":        {handle(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(302) }), "status"},
		"keys redirect elsewhere":         {handleKeys(redirect(elsewhere.URL)), "redirect"},
		"slow":                            {handle(hang), flyoidc.KeysTimeout},
		"slow keys":                       {handleKeys(hang), flyoidc.KeysTimeout},
		"slow in the middle":              {handleKeys(pause), flyoidc.KeysTimeout},
		"not found":                       {func(*issuer) {}, "status"},
		"unavailable":                     {handle(status(503)), "status"},
		"no keys there":                   {handleKeys(status(404)), "status"},
		"HTML":                            {handle(write("text/html", "<html>\x1b[2J</html>")), "not-json"},
		"HTML for keys":                   {handleKeys(write("application/json", "\n <html></html>")), "not-json"},
		"nothing":                         {handle(write("application/json", "")), "not-json"},
		"a list":                          {handle(write("application/json", "[]")), "not-json"},
		"too large":                       {handle(large), "too-large"},
		"keys too large":                  {handleKeys(large), "too-large"},
		"broken off":                      {handle(abort), flyoidc.KeysUnreachable},
		"another issuer's document":       {document(`{"issuer":"https://oidc.fly.io/acme","jwks_uri":"ISSUER/keys"}`), "mismatch"},
		"the issuer with a slash":         {document(`{"issuer":"ISSUER/","jwks_uri":"ISSUER/keys"}`), "mismatch"},
		"no issuer":                       {document(`{"jwks_uri":"ISSUER/keys"}`), "mismatch"},
		"no address of keys":              {document(`{"issuer":"ISSUER"}`), "address"},
		"a relative address":              {document(`{"issuer":"ISSUER","jwks_uri":"/keys"}`), "address"},
		"an address that is not one":      {document(`{"issuer":"ISSUER","jwks_uri":":\u001b"}`), "address"},
		"an address over plain http":      {document(`{"issuer":"ISSUER","jwks_uri":"http://127.0.0.1/keys"}`), "address"},
		"an address with a user":          {document(`{"issuer":"ISSUER","jwks_uri":"https://me@127.0.0.1/keys"}`), "address"},
		"an address that is a file":       {document(`{"issuer":"ISSUER","jwks_uri":"file:///etc/passwd"}`), "address"},
		"an address of the wrong type":    {document(`{"issuer":"ISSUER","jwks_uri":5}`), "not-json"},
		"an address where nobody listens": {document(`{"issuer":"ISSUER","jwks_uri":"https://127.0.0.1:1/keys"}`), flyoidc.KeysUnreachable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := newIssuer(t)
			test.set(i)
			o := i.options()
			if test.kind == flyoidc.KeysTimeout {
				o.Timeout = 100 * time.Millisecond
			}
			steps := flyoidc.Verify(context.Background(), sign(t, "RS256", claimsOf(i.URL)), o)
			want := "keys:failed signature:skipped"
			if test.kind == "" {
				want = ""
			}
			if got := results(t, steps); got != want {
				t.Errorf("%s\nwant %s\n%+v", got, want, steps)
			}
			if got := keysKind(t, steps); got != test.kind {
				t.Errorf("got %q, want %q: %+v", got, test.kind, steps)
			}
		})
	}
}

// Keys on another host are refused for Fly's issuers; other issuers, such as
// Google, have them there.
func TestVerifyKeysOnAnotherHost(t *testing.T) {
	t.Parallel()
	keys := keySet(t, publicKey(t, "RS256", "k"))
	for issuer, want := range map[string]flyoidc.KeysKind{
		"https://oidc.fly.io/acme":    "address",
		"https://accounts.google.com": "",
	} {
		client := &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
			body := keys
			if strings.HasSuffix(r.URL.Path, discoveryPath) {
				body = fmt.Sprintf(`{"issuer":%q,"jwks_uri":"https://www.googleapis.com/oauth2/v3/certs"}`, issuer)
			} else if want != "" {
				t.Errorf("%s was asked", r.URL)
			}
			return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
		})}
		steps := flyoidc.Verify(context.Background(), sign(t, "RS256", claimsOf(issuer)), flyoidc.Options{
			Issuer: issuer, Client: client, Now: func() time.Time { return clock },
		})
		if got := keysKind(t, steps); got != want || (want == "") != flyoidc.Verified(steps) {
			t.Errorf("%s: got %q, want %q: %+v", issuer, got, want, steps)
		}
	}
}

// Not every issuer has a URL to fetch keys from.
func TestVerifyIssuerURL(t *testing.T) {
	t.Parallel()
	for _, issuer := range []string{
		"http://issuer.example", "issuer.example", "https://", "https://user@issuer.example", "https://issuer.example?x=1",
		"https://issuer.example?", "https://issuer.example#x", "https://issuer.example#", "https://issuer.example/\u001b", ":",
	} {
		o := flyoidc.Options{Issuer: issuer, Client: forbidden(t), Now: func() time.Time { return clock }}
		claims, err := json.Marshal(map[string]any{"iss": issuer, "sub": "s", "aud": flyname.AudienceAWS, "iat": clock.Unix(), "exp": clock.Unix()})
		if err != nil {
			t.Fatal(err)
		}
		steps := flyoidc.Verify(context.Background(), sign(t, "RS256", string(claims)), o)
		if results(t, steps); keysKind(t, steps) != flyoidc.KeysIssuer {
			t.Errorf("%q: got %q: %+v", issuer, keysKind(t, steps), steps)
		}
	}
}

func TestVerifyCanceled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	i := newIssuer(t)
	i.mux.HandleFunc(discoveryPath, func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	steps := flyoidc.Verify(ctx, sign(t, "RS256", claimsOf(i.URL)), i.options())
	if got := keysKind(t, steps); got != "canceled" {
		t.Errorf("got %q: %+v", got, steps)
	}
	for _, s := range steps {
		if s.Name == flyoidc.StepKeys && !errors.Is(s.Err, context.Canceled) {
			t.Errorf("%v is not context.Canceled", s.Err)
		}
	}
}

// A server that sees a canceled request may end its response without an error, so
// that half of it looks complete.
func TestVerifyCanceledInAnswer(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	client := &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
		body := io.MultiReader(strings.NewReader("{"), readerFunc(func([]byte) (int, error) {
			cancel()
			return 0, io.EOF
		}))
		return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(body), Request: r}, nil
	})}
	steps := flyoidc.Verify(ctx, sign(t, "RS256", claimsOf("https://oidc.fly.io/acme")), flyoidc.Options{
		Client: client, Now: func() time.Time { return clock },
	})
	if got := keysKind(t, steps); got != "canceled" {
		t.Errorf("got %q: %+v", got, steps)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// Following an issuer that redirects in circles stops.
func TestVerifyRedirects(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	i := newIssuer(t)
	i.mux.HandleFunc(discoveryPath, func(rw http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		http.Redirect(rw, r, discoveryPath, http.StatusFound)
	})
	steps := i.verify(t, sign(t, "RS256", claimsOf(i.URL)))
	if got, n := keysKind(t, steps), asked.Load(); got != "redirect" || n > 10 {
		t.Errorf("got %q after %d requests", got, n)
	}
}

// Verify does not change the client in Options.
func TestVerifyLeavesTheClient(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	i.discovery()
	i.answer(keysPath, keySet(t, publicKey(t, "RS256", "k")))
	client := i.Client()
	before := client.Transport
	if steps := i.verify(t, sign(t, "RS256", claimsOf(i.URL))); !flyoidc.Verified(steps) {
		t.Errorf("got %+v", steps)
	}
	if client.Transport != before || client.CheckRedirect != nil {
		t.Error("the client was changed")
	}
}
