package sandbox_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/fly-aws/fly-aws/internal/sandbox"
)

// verify checks a token as a third party would: by discovery, with the issuer's
// real URL.
func verify(t *testing.T, s *sandbox.Server, issuer, token string, config oidc.Config) (*oidc.IDToken, error) {
	t.Helper()
	client := &http.Client{Transport: s.IssuerTransport()}
	t.Cleanup(client.CloseIdleConnections)
	ctx := oidc.ClientContext(context.Background(), client)
	p, err := oidc.NewProvider(ctx, issuer)
	if err != nil {
		return nil, err
	}
	return p.VerifierContext(ctx, &config).Verify(ctx, token)
}

func TestMint(t *testing.T) {
	t.Parallel()
	w := sandbox.World{Now: func() time.Time { return clock }}
	w.AddMachine("acme", "web", "quiet-sun-1234")
	w.AddMachine("acme", "web", "quiet-sun-1234")
	s := start(t, &w)
	token, err := w.Mint(webToken())
	token = ok(t, token, err)
	parsed, err := verify(t, s, "https://oidc.fly.io/acme", token, oidc.Config{
		ClientID: "sts.amazonaws.com", SupportedSigningAlgs: []string{"RS256"}, Now: func() time.Time { return clock },
	})
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]any
	if err := parsed.Claims(&claims); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]any{
		"app_name": "web", "aud": "sts.amazonaws.com", "iss": "https://oidc.fly.io/acme", "machine_name": "quiet-sun-1234",
		"org_name": "acme", "sub": "acme:web:quiet-sun-1234", "iat": float64(clock.Unix()), "nbf": float64(clock.Unix()), "exp": float64(clock.Unix() + 600),
	} {
		if claims[name] != want {
			t.Errorf("%s is %v, want %v", name, claims[name], want)
		}
	}
	names := []string{"app_id", "app_name", "aud", "exp", "iat", "image", "image_digest", "iss", "jti", "machine_id", "machine_name", "machine_version", "nbf", "org_id", "org_name", "region", "sub"}
	for _, name := range names {
		if s, isText := claims[name].(string); isText && s == "" || claims[name] == nil {
			t.Errorf("%s is missing", name)
		}
	}
	if len(claims) != len(names) {
		t.Errorf("got %d claims, want %d: %v", len(claims), len(names), claims)
	}

	// IDs are stable; each token has its own jti.
	again, err := w.Mint(webToken())
	parsed, err2 := verify(t, s, "https://oidc.fly.io/acme", ok(t, again, err), oidc.Config{ClientID: "sts.amazonaws.com", Now: func() time.Time { return clock }})
	if err2 != nil {
		t.Fatal(err2)
	}
	var second map[string]any
	if err := parsed.Claims(&second); err != nil {
		t.Fatal(err)
	}
	if second["machine_id"] != claims["machine_id"] || second["app_id"] != claims["app_id"] || second["jti"] == claims["jti"] {
		t.Errorf("got %v after %v", second, claims)
	}

	if _, err := w.Mint(sandbox.TokenRequest{Org: "acme", App: "web", Machine: "other\x1b"}); err == nil || !strings.Contains(err.Error(), `"other\x1b"`) {
		t.Errorf("a machine that was not added: %v", err)
	}
	w.AddMachine("personal", "web", "quiet-sun-1234")
	if _, err := w.Mint(sandbox.TokenRequest{Org: "personal", App: "web", Machine: "quiet-sun-1234"}); err == nil || !strings.Contains(err.Error(), "alias") {
		t.Errorf("a token with the alias: %v", err)
	}
}

func TestIssuer(t *testing.T) {
	t.Parallel()
	w := sandbox.World{PersonalOrg: "jane-doe-123"}
	w.AddMachine("acme", "web", "quiet-sun-1234")
	w.AddMachine("rival", "web", "quiet-sun-1234")
	s := start(t, &w)
	get := func(path string) (int, string) {
		resp := request(t, http.DefaultClient, http.MethodGet, s.IssuerEndpoint+path, "")
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		return resp.StatusCode, string(ok(t, body, err))
	}
	// The alias has a discovery document like the raw slug: probing it proves
	// nothing.
	for _, org := range []string{"acme", "jane-doe-123", "personal"} {
		status, body := get("/" + org + "/.well-known/openid-configuration")
		var doc struct {
			Issuer string `json:"issuer"`
			JWKS   string `json:"jwks_uri"`
		}
		if err := json.Unmarshal([]byte(body), &doc); err != nil || status != 200 || doc.Issuer != "https://oidc.fly.io/"+org || doc.JWKS != doc.Issuer+"/.well-known/jwks" {
			t.Errorf("%s: %d %s", org, status, body)
		}
	}
	for _, path := range []string{"/", "/nobody/.well-known/openid-configuration", "/acme/", "/acme/.well-known/other"} {
		if status, _ := get(path); status != http.StatusNotFound {
			t.Errorf("%s: %d", path, status)
		}
	}

	// Each org has its own key ID, and private keys are not published.
	_, keys := get("/acme/.well-known/jwks")
	_, others := get("/rival/.well-known/jwks")
	if keys == others || strings.Contains(keys, `"d"`) || !strings.Contains(keys, `"RS256"`) {
		t.Errorf("got %s and %s", keys, others)
	}
	token, err := w.Mint(webToken(func(r *sandbox.TokenRequest) { r.Unpublished = true }))
	if _, err := verify(t, s, "https://oidc.fly.io/acme", ok(t, token, err), oidc.Config{ClientID: "sts.amazonaws.com"}); err == nil {
		t.Error("a token signed with an unpublished key passed")
	}
	client := &http.Client{Transport: s.IssuerTransport()}
	for _, elsewhere := range []string{"https://example.com/", "http://oidc.fly.io/acme", "https://oidc.fly.io.example.com/"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, elsewhere, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		if resp, err := client.Do(req); err == nil {
			resp.Body.Close()
			t.Errorf("%s went through", elsewhere)
		}
	}
}

// request sends JSON and returns the response.
func request(t *testing.T, client *http.Client, method, address, body string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

// socketClient sends everything over the Unix socket, as a program on a machine
// does.
func socketClient(s *sandbox.Server) *http.Client {
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", s.SocketPath)
	}}
	return &http.Client{Transport: transport}
}

func TestTokenEndpoint(t *testing.T) {
	t.Parallel()
	var w sandbox.World
	s := start(t, &w)
	client := socketClient(s)
	do := func(method, path, body string) (int, http.Header, string) {
		t.Helper()
		resp := request(t, client, method, "http://localhost"+path, body)
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		return resp.StatusCode, resp.Header, string(ok(t, text, err))
	}
	const path = "/v1/tokens/oidc"

	if status, _, _ := do("POST", path, "{}"); status != http.StatusNotFound {
		t.Errorf("without a machine: %d", status)
	}
	w.AddMachine("acme", "web", "quiet-sun-1234")
	w.AddMachine("rival", "api", "bold-moon-1")

	for _, test := range []struct {
		body, org, audience string
		set                 func() error
	}{
		{`{"aud":"sts.amazonaws.com"}`, "acme", "sts.amazonaws.com", nil},
		{`{}`, "acme", "https://fly.io/acme", nil},
		{``, "acme", "https://fly.io/acme", nil},
		{`{"aud":"sts.amazonaws.com","aws_principal_tags":true}`, "rival", "sts.amazonaws.com", func() error { return s.SetMachine("rival", "api", "bold-moon-1") }},
	} {
		if test.set != nil {
			if err := test.set(); err != nil {
				t.Fatal(err)
			}
		}
		status, _, token := do("POST", path, test.body)
		parsed, err := verify(t, s, "https://oidc.fly.io/"+test.org, token, oidc.Config{ClientID: test.audience})
		if status != 200 || err != nil {
			t.Errorf("%s: %d, %v", test.body, status, err)
			continue
		}
		var claims map[string]any
		if err := parsed.Claims(&claims); err != nil {
			t.Fatal(err)
		}
		if _, tagged := claims["https://aws.amazon.com/tags"]; tagged != strings.Contains(test.body, "tags") {
			t.Errorf("%s: got claims %v", test.body, claims)
		}
	}
	if err := s.SetMachine("acme", "web", "none"); err == nil {
		t.Error("a machine that was not added became the current one")
	}

	for _, test := range []struct {
		method, path, body string
		status             int
	}{
		{"GET", path, "", 405},
		{"POST", "/v1/tokens/kms", "{}", 404},
		{"POST", path, `{"aud":7}`, 400},
		{"POST", path, `{"aud"`, 400},
		{"POST", path, `{"aud":"` + strings.Repeat("a", 70_000) + `"}`, 400},
	} {
		status, header, body := do(test.method, test.path, test.body)
		var answer struct{ Error string }
		if err := json.Unmarshal([]byte(body), &answer); err != nil || answer.Error == "" || status != test.status || header.Get("fly-request-id") == "" {
			t.Errorf("%s %s: %d %s", test.method, test.path, status, body)
		}
	}
}

// Example shows a machine that exchanges its token for a role session.
func Example() {
	var w sandbox.World
	w.AddMachine("acme", "web", "quiet-sun-1234")
	s, err := w.Start()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = s.Close() }()

	token, err := w.Mint(sandbox.TokenRequest{Org: "acme", App: "web", Machine: "quiet-sun-1234", Audience: "sts.amazonaws.com"})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = assume(s, "arn:aws:iam::123456789012:role/fly-web", token)
	fmt.Println(err != nil)
	calls := w.Calls()
	fmt.Println(len(calls), calls[0].Action, calls[0].Code)
	// Output:
	// true
	// 1 AssumeRoleWithWebIdentity InvalidIdentityToken
}

func TestEnv(t *testing.T) {
	t.Parallel()
	var w sandbox.World
	s := start(t, &w)
	env := s.Env()
	for _, want := range []string{
		"AWS_ENDPOINT_URL=" + s.AWSEndpoint, "AWS_PROFILE=", "AWS_SESSION_TOKEN=", "AWS_ENDPOINT_URL_IAM=",
		"FLY_API_BASE_URL=" + s.FlyEndpoint, "FLY_FLAPS_BASE_URL=" + s.FlyEndpoint, "FLY_AWS_SOCKET=" + s.SocketPath,
	} {
		if !slices.Contains(env, want) {
			t.Errorf("%s is missing from %q", want, env)
		}
	}

	// The child's proxy is bypassed, and each variable occurs once.
	values := map[string]string{}
	for _, entry := range env {
		name, value, _ := strings.Cut(entry, "=")
		if _, twice := values[name]; twice {
			t.Errorf("%s is there twice", name)
		}
		values[name] = value
	}
	for _, name := range []string{"NO_PROXY", "no_proxy"} {
		past := strings.Split(values[name], ",")
		for _, endpoint := range []string{s.AWSEndpoint, s.FlyEndpoint, s.IssuerEndpoint} {
			u, err := url.Parse(endpoint)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Contains(past, u.Hostname()) {
				t.Errorf("%s=%q has no %s", name, values[name], u.Hostname())
			}
		}
	}
}
