package sandbox

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
)

// flyError responds with an error of Fly's Machines API.
func (s *Server) flyError(rw http.ResponseWriter, status int, message string) {
	w := s.world
	w.mu.Lock()
	w.seq++
	n := w.seq
	w.mu.Unlock()
	rw.Header().Set("Fly-Request-Id", flyRequestID(n))
	writeJSON(rw, status, map[string]string{"error": message})
}

// flyRequestID is the ID of the nth request.
func flyRequestID(n int) string { return digest(requestID(n))[:26] + "-ams" }

// serveMachine serves the socket of the current machine: the token endpoint POST
// /v1/tokens/oidc of https://fly.io/docs/security/openid-connect/.
func (s *Server) serveMachine(rw http.ResponseWriter, r *http.Request) {
	if r.URL.Path != tokenPath {
		s.flyError(rw, http.StatusNotFound, "not found")
		return
	}
	if r.Method != http.MethodPost {
		rw.Header().Set("Allow", http.MethodPost)
		s.flyError(rw, http.StatusMethodNotAllowed, "method not allowed")
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(rw, r.Body, 64<<10))
	if err != nil {
		s.flyError(rw, http.StatusBadRequest, "invalid request body")
		return
	}
	m, ok := s.currentMachine()
	if !ok {
		s.flyError(rw, http.StatusNotFound, "machine not found")
		return
	}
	token, status, message := s.world.mintFor(m, body)
	if message != "" {
		s.flyError(rw, status, message)
		return
	}
	rw.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(rw, token) // the client may have disconnected
}

// tokenPath is the path of the token endpoint.
const tokenPath = "/v1/tokens/oidc" //nolint:gosec // a path, not a credential

// mintFor makes the token that a machine requests, or returns an error response.
func (w *World) mintFor(m machine, request []byte) (token string, status int, message string) {
	var body struct {
		Aud           string `json:"aud"`
		PrincipalTags bool   `json:"aws_principal_tags"`
	}
	if len(bytes.TrimSpace(request)) > 0 && json.Unmarshal(request, &body) != nil {
		return "", http.StatusBadRequest, "invalid request body"
	}
	token, err := w.Mint(TokenRequest{
		Org: m.org, App: m.app, Machine: m.name,
		Audience: body.Aud, PrincipalTags: body.PrincipalTags,
	})
	if err != nil {
		return "", http.StatusInternalServerError, "unable to create a token"
	}
	return token, http.StatusOK, ""
}
