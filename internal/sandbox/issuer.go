package sandbox

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"github.com/fly-aws/fly-aws/internal/flyname"
)

// serveIssuer serves https://oidc.fly.io: discovery and the keys of each
// organization. As on Fly, the alias "personal" has a discovery document too, for
// an issuer that tokens do not have.
func (s *Server) serveIssuer(rw http.ResponseWriter, r *http.Request) {
	org, document, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if org != flyname.Personal && !slices.Contains(s.world.orgs(), org) {
		http.NotFound(rw, r)
		return
	}
	issuer := flyname.Issuer(org)
	switch document {
	case ".well-known/openid-configuration":
		writeJSON(rw, http.StatusOK, map[string]any{
			"issuer":                                issuer,
			"jwks_uri":                              issuer + "/.well-known/jwks",
			"response_types_supported":              []string{"id_token"},
			"response_modes_supported":              []string{"query"},
			"subject_types_supported":               []string{"public"},
			"id_token_signing_alg_values_supported": []string{"RS256"},
			"scopes_supported":                      []string{"openid"},
			"claims_supported": []string{
				"app_id", "app_name", "aud", "exp", "iat", "image", "image_digest", "iss", "jti", "machine_id",
				"machine_name", "machine_version", "nbf", "org_id", "org_name", "region", "sub",
			},
		})
	case ".well-known/jwks":
		key, err := issuerKey()
		if err != nil {
			http.Error(rw, "no key", http.StatusInternalServerError)
			return
		}
		writeJSON(rw, http.StatusOK, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{
			Key: key.Public(), KeyID: keyID(org), Algorithm: string(jose.RS256), Use: "sig",
		}}})
	default:
		http.NotFound(rw, r)
	}
}

func writeJSON(rw http.ResponseWriter, status int, v any) {
	rw.Header().Set("Content-Type", "application/json")
	rw.WriteHeader(status)
	_ = json.NewEncoder(rw).Encode(v) // the client may have disconnected
}

// IssuerTransport returns a transport that sends requests for https://oidc.fly.io
// to the sandbox's issuer and refuses all others, so that a client can verify
// tokens with the real URLs. Close its idle connections with
// http.Client.CloseIdleConnections.
func (s *Server) IssuerTransport() http.RoundTripper {
	return &issuerTransport{endpoint: s.IssuerEndpoint, base: &http.Transport{MaxIdleConnsPerHost: 2}}
}

type issuerTransport struct {
	endpoint string
	base     *http.Transport
}

// RoundTrip implements http.RoundTripper.
func (t *issuerTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	to, err := url.Parse(t.endpoint)
	if err != nil {
		return nil, err
	}
	if r.URL.Scheme != "https" || r.URL.Host != flyname.IssuerHost {
		return nil, &url.Error{Op: r.Method, URL: r.URL.Redacted(), Err: http.ErrNotSupported}
	}
	r = r.Clone(r.Context())
	r.URL.Scheme, r.URL.Host = to.Scheme, to.Host
	return t.base.RoundTrip(r)
}

// CloseIdleConnections closes the connections that no request uses.
func (t *issuerTransport) CloseIdleConnections() { t.base.CloseIdleConnections() }
