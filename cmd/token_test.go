package cmd_test

import (
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fly-aws/fly-aws/internal/sandbox"
)

// TestTokenWithoutTags: session tags that were asked for and did not come are reported,
// as text and as JSON.
func TestTokenWithoutTags(t *testing.T) {
	t.Parallel()
	p := newProgram(t, nil)
	p.world.AddMachine("acme", "web", "cold-shape-2007")
	token, err := p.world.Mint(sandbox.TokenRequest{Org: "acme", App: "web", Machine: "cold-shape-2007"})
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "fly-aws-") // the path of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket := filepath.Join(dir, "api")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, token) })}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })

	args := []string{"token", "--aws-principal-tags", "--socket", socket}
	if out, exit := p.run(t, args...); exit != 0 || !strings.Contains(out, "Session tags were asked for, and there are none in the token.\n") {
		t.Errorf("exit code %d:\n%s", exit, out)
	}
	if out, exit := p.run(t, append(args, "--json")...); exit != 0 || !strings.Contains(out, `"session_tag_keys": []`) {
		t.Errorf("exit code %d:\n%s", exit, out)
	}
}
