package flyapi_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/fly-aws/fly-aws/internal/flyapi"
)

// net/http silently disables HTTP/2 when a transport was changed in certain ways.
func TestHTTP2(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 {
			t.Errorf("the client uses %s", r.Proto)
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"secrets":[{"name":"TOKEN"}]}`)
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)

	transport := flyapi.DefaultTransport().(*http.Transport)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	c := newClient(t, flyapi.Options{MachinesURL: server.URL, Transport: transport})
	names, err := c.Secrets(context.Background(), "web")
	if err != nil || len(names) != 1 || names[0] != "TOKEN" {
		t.Errorf("got %q, %v", names, err)
	}
}
