package flyoidc_test

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/fly-aws/fly-aws/internal/flyoidc"
)

// childURL is set in the processes that TestVerifyRoots starts.
const childURL = "FLYOIDC_TEST_URL"

// An unknown certificate authority is told from a system without any root
// certificates, like an image built from scratch. A process reads the roots once,
// so each case runs its own process.
func TestVerifyRoots(t *testing.T) {
	if address := os.Getenv(childURL); address != "" {
		steps := flyoidc.Verify(context.Background(), sign(t, "ES256", claimsOf(address)), flyoidc.Options{
			Issuer: address, Now: func() time.Time { return clock },
		})
		results(t, steps)
		fmt.Printf("kind=%s\n", keysKind(t, steps))
		return
	}
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("the environment does not name the certificates here")
	}
	i := newIssuer(t)
	dir := t.TempDir()
	write := func(name string, certificate []byte) string {
		path := filepath.Join(dir, name)
		text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "another authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	key := privateKey(t, "ES256")
	another, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		file string
		want flyoidc.KeysKind
	}{
		"none":         {filepath.Join(dir, "missing"), flyoidc.KeysNoRoots},
		"another's":    {write("another.pem", another), "certificate"},
		"the issuer's": {write("issuer.pem", i.Certificate().Raw), "status"}, // it has no documents
	} {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestVerifyRoots$")
		cmd.Env = append(os.Environ(), childURL+"="+i.URL, "SSL_CERT_FILE="+test.file, "SSL_CERT_DIR="+filepath.Join(dir, "missing"), "NO_PROXY=*")
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "kind="+string(test.want)+"\n") {
			t.Errorf("%s: want %s: %v\n%s", name, test.want, err, out)
		}
	}
}
