package conformance

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/fly-aws/fly-aws/internal/sandbox"
)

// exchanges is how often each client exchanges a token: across two renewals.
const exchanges = "3"

// shortLifetime is that of the tokens: they are renewed several times in a test.
const shortLifetime = 6 * time.Second

// A party is a local token server: it verifies the tokens of the app web as a party does,
// with the issuer's published keys, and gives an access token for each.
type party struct {
	*httptest.Server
	t        *testing.T
	sandbox  *sandbox.Server
	audience string
	// once: a token is refused if its jti was seen.
	once bool

	mu      sync.Mutex
	ids     []string // the jti of the tokens, in order
	refused []string // why tokens were refused
	calls   int      // calls of the API with the access token of the last exchange
}

// newParty starts a sandbox with a machine of the app web, whose tokens have a lifetime, and
// makes a party that demands an audience. The caller starts the party; handle answers its
// requests with exchange and call.
func newParty(t *testing.T, lifetime time.Duration, audience string, handle func(p *party, w http.ResponseWriter, r *http.Request)) *party {
	t.Helper()
	w := sandbox.World{TokenLifetime: lifetime}
	w.AddMachine("acme", "web", "cold-shape-2007")
	server, err := w.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	p := &party{t: t, sandbox: server, audience: audience}
	p.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handle(p, w, r) }))
	return p
}

// verify judges a token as a party does, and returns an access token.
func (p *party) verify(token string) (string, error) {
	client := &http.Client{Transport: p.sandbox.IssuerTransport()}
	defer client.CloseIdleConnections()
	ctx := oidc.ClientContext(context.Background(), client)
	issuer, err := oidc.NewProvider(ctx, "https://oidc.fly.io/acme")
	if err != nil {
		return "", err
	}
	verified, err := issuer.VerifierContext(ctx, &oidc.Config{ClientID: p.audience}).Verify(ctx, token)
	if err != nil {
		return "", err
	}
	var claims struct {
		App string `json:"app_name"`
		ID  string `json:"jti"`
	}
	if err := verified.Claims(&claims); err != nil {
		return "", err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case claims.App != "web":
		return "", fmt.Errorf("the app %q is not allowed", claims.App)
	case p.once && slices.Contains(p.ids, claims.ID):
		return "", fmt.Errorf("the token with the jti %s was used before", claims.ID)
	}
	p.ids = append(p.ids, claims.ID)
	return p.access(), nil
}

// access is the access token of the last exchange. The caller holds p.mu.
func (p *party) access() string { return fmt.Sprintf("access-%d", len(p.ids)) }

// exchange answers a request for an access token.
func (p *party) exchange(w http.ResponseWriter, token string, answer map[string]any) {
	access, err := p.verify(token)
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		p.mu.Lock()
		p.refused = append(p.refused, err.Error())
		p.mu.Unlock()
		w.WriteHeader(http.StatusUnauthorized)
		answer = map[string]any{"error": "invalid_grant", "error_description": err.Error()}
	} else {
		answer["access_token"] = access
	}
	_ = json.NewEncoder(w).Encode(answer)
}

// call answers a call of the API, which needs the access token of the last exchange.
func (p *party) call(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r.Header.Get("Authorization") != "Bearer "+p.access() {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	p.calls++
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"data":[],"has_more":false,"first_id":null,"last_id":null}`)
}

// wantExchanges checks that each of three calls had an exchange of its own, with a token of
// its own, and that no token was refused.
func (p *party) wantExchanges(r result) {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	distinct := slices.Compact(slices.Sorted(slices.Values(p.ids)))
	if r.code != 0 || len(p.refused) > 0 || len(p.ids) != 3 || len(distinct) != 3 || p.calls != 3 {
		p.t.Errorf("exit code %d, tokens %v, calls %d, refused %v: %s", r.code, p.ids, p.calls, p.refused, r)
	}
}

// run runs a command line in a folder that nodeClients made, in the sandbox's environment
// and with the program in PATH.
func (p *party) run(dir string, env []string, args ...string) result {
	p.t.Helper()
	path, err := binary()
	if err != nil {
		p.t.Fatal(err)
	}
	w := &world{t: p.t, dir: dir}
	all := append(environ(dir), p.sandbox.Env()...)
	all = append(all, "HOME="+dir, "PATH="+filepath.Dir(path)+string(os.PathListSeparator)+os.Getenv("PATH"))
	return w.exec(append(all, env...), args[0], args[1:]...)
}

// keep is the command line that keeps a token for the party in a file, for a script.
func (p *party) keep(file, script string) []string {
	path, err := binary()
	if err != nil {
		p.t.Fatal(err)
	}
	return []string{path, "token", "keep", "--audience", p.audience, "--out", file, "--", "node", script, exchanges}
}

// newGoogle is a party like Google's Security Token Service.
func newGoogle(t *testing.T) *party {
	t.Helper()
	audience := regexp.MustCompile(`"audience": "(.*)"`).FindStringSubmatch(otherClouds(t)["google-file"])
	if audience == nil {
		t.Fatal("the credential file has no audience")
	}
	p := newParty(t, shortLifetime, audience[1], func(p *party, w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/token" {
			p.call(w, r)
			return
		}
		if r.FormValue("audience") != p.audience || r.FormValue("subject_token_type") != "urn:ietf:params:oauth:token-type:id_token" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		p.exchange(w, r.FormValue("subject_token"), map[string]any{
			"issued_token_type": "urn:ietf:params:oauth:token-type:access_token", "token_type": "Bearer", "expires_in": 1,
		})
	})
	p.Start()
	t.Cleanup(p.Close)
	return p
}

// credentials writes a block of the page as the credential file, for this server, and
// returns the environment that names it.
func (p *party) credentials(dir, block string, replace ...string) []string {
	p.t.Helper()
	text := otherClouds(p.t)[block]
	for i := 0; i < len(replace); i += 2 {
		if !strings.Contains(text, replace[i]) {
			p.t.Fatalf("%s lacks %q", block, replace[i])
		}
		text = strings.Replace(text, replace[i], replace[i+1], 1)
	}
	w := &world{t: p.t, dir: dir}
	w.write("google.json", text)
	return []string{"GOOGLE_APPLICATION_CREDENTIALS=" + filepath.Join(dir, "google.json"), "GOOGLE_CLOUD_PROJECT=p", "API=" + p.URL + "/buckets"}
}

const googleTokenURL = "https://sts.googleapis.com/v1/token"

// Google's library reads the file that token keep renews.
func TestGoogleFile(t *testing.T) {
	t.Parallel()
	dir := nodeClients(t)
	p := newGoogle(t)
	file := filepath.Join(dir, "token")
	env := p.credentials(dir, "google-file", googleTokenURL, p.URL+"/v1/token", "/run/google.jwt", file)
	p.wantExchanges(p.run(dir, append(env, "TOKEN_FILE="+file), p.keep(file, "google.mjs")...))
}

// Google's library runs token --format gcp-executable, and shows its errors.
func TestGoogleExecutable(t *testing.T) {
	t.Parallel()
	dir := nodeClients(t)
	p := newGoogle(t)
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	env := append(p.credentials(dir, "google-executable", googleTokenURL, p.URL+"/v1/token", "/usr/local/bin/fly-aws", path),
		"GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES=1")
	p.wantExchanges(p.run(dir, env, "node", "google.mjs", exchanges))
	if r := p.run(dir, append(env, "FLY_AWS_SOCKET=nowhere"), "node", "google.mjs", "1"); r.code == 0 || !strings.Contains(r.stderr, `there is no socket "nowhere"`) {
		t.Errorf("the library does not say what is wrong: %s", r)
	}
}

// @azure/identity reads the file that token keep renews.
func TestAzure(t *testing.T) {
	t.Parallel()
	dir := nodeClients(t)
	const tenant = "11111111-1111-1111-1111-111111111111"
	p := newParty(t, shortLifetime, "api://AzureADTokenExchange", func(p *party, w http.ResponseWriter, r *http.Request) {
		authority := "https://" + r.Host + "/" + tenant
		switch r.URL.Path {
		case "/" + tenant + "/v2.0/.well-known/openid-configuration":
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(map[string]any{
				"issuer": authority + "/v2.0", "token_endpoint": authority + "/oauth2/v2.0/token",
				"authorization_endpoint": authority + "/oauth2/v2.0/authorize", "jwks_uri": authority + "/discovery/v2.0/keys",
			})
		case "/" + tenant + "/oauth2/v2.0/token":
			if r.FormValue("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" || r.FormValue("client_id") == "" {
				w.WriteHeader(http.StatusBadRequest)
				return
			}
			p.exchange(w, r.FormValue("client_assertion"), map[string]any{"token_type": "Bearer", "expires_in": 1, "ext_expires_in": 1})
		default:
			p.call(w, r)
		}
	})
	p.StartTLS()
	t.Cleanup(p.Close)
	ca := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "token")
	r := p.run(dir, []string{
		"AZURE_CLIENT_ID=00000000-0000-0000-0000-000000000000", "AZURE_TENANT_ID=" + tenant, "AZURE_FEDERATED_TOKEN_FILE=" + file,
		"AZURE_AUTHORITY_HOST=" + p.URL, "NODE_EXTRA_CA_CERTS=" + ca, "API=" + p.URL + "/secrets", "TOKEN_FILE=" + file,
	}, p.keep(file, "azure.mjs")...)
	p.wantExchanges(r)
}

// newClaude is a party like the token endpoint of the Claude API, for an issuer that checks
// jti.
func newClaude(t *testing.T, lifetime time.Duration) *party {
	t.Helper()
	audience := regexp.MustCompile(`"audience": "(.*)"`).FindStringSubmatch(otherClouds(t)["claude-match"])
	if audience == nil {
		t.Fatal("the rule has no audience")
	}
	p := newParty(t, lifetime, audience[1], func(p *party, w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/oauth/token" {
			p.call(w, r)
			return
		}
		var body struct {
			Grant     string `json:"grant_type"`
			Assertion string `json:"assertion"`
			Rule      string `json:"federation_rule_id"`
		}
		if json.NewDecoder(r.Body).Decode(&body) != nil || body.Grant != "urn:ietf:params:oauth:grant-type:jwt-bearer" || body.Rule != "fdrl_1" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		p.exchange(w, body.Assertion, map[string]any{"token_type": "Bearer", "expires_in": 1})
	})
	p.once = true
	p.Start()
	t.Cleanup(p.Close)
	return p
}

func (p *party) claudeEnv(more ...string) []string {
	return append([]string{
		"ANTHROPIC_FEDERATION_RULE_ID=fdrl_1", "ANTHROPIC_ORGANIZATION_ID=00000000-0000-0000-0000-000000000000",
		"ANTHROPIC_SERVICE_ACCOUNT_ID=svac_1", "ANTHROPIC_BASE_URL=" + p.URL, "ANTHROPIC_API_KEY=", "ANTHROPIC_AUTH_TOKEN=",
	}, more...)
}

// @anthropic-ai/sdk can exchange each token of the file once: one exchange a renewal.
func TestClaudeFile(t *testing.T) {
	t.Parallel()
	dir := nodeClients(t)
	p := newClaude(t, shortLifetime)
	file := filepath.Join(dir, "token")
	p.wantExchanges(p.run(dir, p.claudeEnv("ANTHROPIC_IDENTITY_TOKEN_FILE="+file, "TOKEN_FILE="+file), p.keep(file, "claude.mjs")...))
}

// A second exchange of the same token is refused.
func TestClaudeReplay(t *testing.T) {
	t.Parallel()
	dir := nodeClients(t)
	p := newClaude(t, 0)
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	token := p.run(dir, nil, path, "token", "--raw", "--audience", p.audience)
	file := filepath.Join(dir, "token")
	if err := os.WriteFile(file, []byte(token.stdout), 0o600); err != nil {
		t.Fatal(err)
	}
	r := p.run(dir, p.claudeEnv("ANTHROPIC_IDENTITY_TOKEN_FILE="+file), "node", "claude.mjs", "2")
	if r.code == 0 || len(p.ids) != 1 || len(p.refused) == 0 || !strings.Contains(r.stderr, "was used before") {
		t.Errorf("tokens %v, refused %v: %s", p.ids, p.refused, r)
	}
}

// With the client of the page, each exchange has a token of its own.
func TestClaudeMint(t *testing.T) {
	t.Parallel()
	dir := nodeClients(t)
	p := newClaude(t, 0)
	w := &world{t: t, dir: dir}
	w.write("mint.mjs", otherClouds(t)["claude-mint"])
	p.wantExchanges(p.run(dir, p.claudeEnv("MINT=./mint.mjs"), "node", "claude.mjs", exchanges))
}
