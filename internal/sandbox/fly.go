package sandbox

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
)

// flyError answers as Fly's Machines API does.
func (s *Server) flyError(rw http.ResponseWriter, status int, message string) {
	w := s.world
	w.mu.Lock()
	w.seq++
	n := w.seq
	w.mu.Unlock()
	rw.Header().Set("Fly-Request-Id", digest(requestID(n))[:26]+"-ams")
	writeJSON(rw, status, map[string]string{"error": message})
}

// serveFly answers for https://api.fly.io and https://api.machines.dev, neither
// of which the sandbox has yet.
func (s *Server) serveFly(rw http.ResponseWriter, _ *http.Request) {
	s.flyError(rw, http.StatusNotFound, "not found")
}

// serveMachine answers on the socket of the current machine: the token endpoint
// POST /v1/tokens/oidc of https://fly.io/docs/security/openid-connect/.
func (s *Server) serveMachine(rw http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/v1/tokens/oidc" {
		s.flyError(rw, http.StatusNotFound, "not found")
		return
	}
	if r.Method != http.MethodPost {
		rw.Header().Set("Allow", http.MethodPost)
		s.flyError(rw, http.StatusMethodNotAllowed, "method not allowed")
		return
	}
	var body struct {
		Aud           string `json:"aud"`
		PrincipalTags bool   `json:"aws_principal_tags"`
	}
	text, err := io.ReadAll(http.MaxBytesReader(rw, r.Body, 64<<10))
	if err == nil && len(bytes.TrimSpace(text)) > 0 {
		err = json.Unmarshal(text, &body)
	}
	if err != nil {
		s.flyError(rw, http.StatusBadRequest, "invalid request body")
		return
	}
	m, ok := s.currentMachine()
	if !ok {
		s.flyError(rw, http.StatusNotFound, "machine not found")
		return
	}
	token, err := s.world.Mint(TokenRequest{
		Org: m.org, App: m.app, Machine: m.name,
		Audience: body.Aud, PrincipalTags: body.PrincipalTags,
	})
	if err != nil {
		s.flyError(rw, http.StatusInternalServerError, "unable to create a token")
		return
	}
	rw.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(rw, token) // a client that went away misses it
}
