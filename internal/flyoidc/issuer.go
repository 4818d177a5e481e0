package flyoidc

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/fly-aws/fly-aws/internal/flyname"
)

// maxDocument bounds what an issuer answers: 1,000 keys of 4096 bits take less
// than half of it.
const maxDocument = 2 << 20

// maxRedirects bounds how often an issuer may send us on within its host.
const maxRedirects = 5

// A KeysKind says what kept the key from being had.
type KeysKind string

// The kinds of a KeysError. With KeysUnknown and KeysTooMany STS would refuse the
// token; with the others it stays undecided whether the token is good.
const (
	// KeysIssuer: the issuer is not an https URL that could be asked.
	KeysIssuer KeysKind = "issuer"
	// KeysUnreachable: no connection, or it broke.
	KeysUnreachable KeysKind = "unreachable"
	// KeysTimeout: no answer came in time.
	KeysTimeout KeysKind = "timeout"
	// KeysCanceled: the context was cancelled.
	KeysCanceled KeysKind = "canceled"
	// KeysNoRoots: this system has no certificates of certificate authorities, as in
	// an image made from scratch.
	KeysNoRoots KeysKind = "no-roots"
	// KeysCertificate: the issuer's certificate is not trusted.
	KeysCertificate KeysKind = "certificate"
	// KeysRedirect: the issuer sends us to another host, or around in circles.
	KeysRedirect KeysKind = "redirect"
	// KeysStatus: the answer has a status other than 200, which is in Status.
	KeysStatus KeysKind = "status"
	// KeysNotJSON: the answer is not the JSON that it has to be.
	KeysNotJSON KeysKind = "not-json"
	// KeysTooLarge: the answer, or the file, is larger than 2 MiB.
	KeysTooLarge KeysKind = "too-large"
	// KeysMismatch: the discovery document is that of another issuer.
	KeysMismatch KeysKind = "mismatch"
	// KeysAddress: the discovery document has no address of keys that may be used.
	KeysAddress KeysKind = "address"
	// KeysNone: the set has no key for signatures.
	KeysNone KeysKind = "none"
	// KeysTooMany: the set has more keys than STS reads.
	KeysTooMany KeysKind = "too-many"
	// KeysUnknown: no key of the set has the token's key ID and is for its algorithm.
	KeysUnknown KeysKind = "unknown"
)

// KeysError says why an issuer's keys are of no use.
type KeysError struct {
	Kind KeysKind
	// URL is what was asked; "" for keys that were given. It may hold text from a
	// token: quote it.
	URL string
	// Status is the HTTP status for KeysStatus, else 0.
	Status int
	// Reason is a clause that says more than Kind, fit for a terminal; "" when there
	// is no more.
	Reason string
	// Err is the cause, nil when there is none.
	Err error
}

func (e *KeysError) Error() string {
	var s string
	switch e.Kind {
	case KeysIssuer:
		s = "the issuer cannot be asked for keys"
	case KeysTimeout:
		s = "the issuer did not answer in time"
	case KeysCanceled:
		s = "asking the issuer was interrupted"
	case KeysNoRoots:
		s = "the issuer's certificate cannot be checked: this system has no root certificates (CA bundle)"
	case KeysCertificate:
		s = "the issuer's certificate is not trusted"
	case KeysRedirect:
		s = "the issuer redirects elsewhere"
	case KeysStatus:
		s = fmt.Sprintf("the issuer answered with status %d", e.Status)
	case KeysNotJSON:
		s = "this is not the JSON that was expected"
	case KeysTooLarge:
		s = fmt.Sprintf("this is larger than %d bytes", maxDocument)
	case KeysMismatch:
		s = "the discovery document is that of another issuer"
	case KeysAddress:
		s = "the discovery document does not say where usable keys are"
	case KeysNone:
		s = "there are no keys"
	case KeysTooMany:
		s = "there are too many keys"
	case KeysUnknown:
		s = "the token's key is not there"
	default:
		s = "the issuer could not be reached"
	}
	switch {
	case e.Reason != "":
		s += ": " + e.Reason
	case e.Err != nil && (e.Kind == KeysUnreachable || e.Kind == KeysCertificate):
		s += ": " + clean(e.Err.Error())
	}
	if e.URL != "" {
		s += " (" + quote(e.URL) + ")"
	}
	return s
}

func (e *KeysError) Unwrap() error { return e.Err }

// fetchKeys asks the issuer for its keys. It returns the text of the set and
// where it came from.
func (v *verification) fetchKeys(ctx context.Context) (set []byte, from string, failure *KeysError) {
	issuer := v.token.Claims.Issuer
	base, err := url.Parse(issuer)
	if err != nil || base.Scheme != "https" || base.Host == "" || base.User != nil || base.RawQuery != "" || base.ForceQuery ||
		strings.Contains(issuer, "#") {
		return nil, "", &KeysError{
			Kind: KeysIssuer, URL: issuer, Reason: "it has to be an https URL without user, query and fragment",
		}
	}
	limited, cancel := context.WithTimeout(ctx, v.options.Timeout)
	defer cancel()
	client := guarded(v.options.Client)
	fail := func(what string, err error) (set []byte, from string, failure *KeysError) {
		return nil, "", keysError(ctx, limited, what, err)
	}

	p, err := oidc.NewProvider(oidc.ClientContext(limited, client), issuer)
	if err != nil {
		return fail(strings.TrimSuffix(issuer, "/")+"/.well-known/openid-configuration", err)
	}
	var discovery struct {
		Keys string `json:"jwks_uri"`
	}
	if err := p.Claims(&discovery); err != nil {
		return fail(issuer, err)
	}
	from = discovery.Keys
	address, err := url.Parse(from)
	reason := ""
	switch {
	case from == "":
		reason = "it has no jwks_uri"
	case err != nil || address.Scheme != "https" || address.Host == "" || address.User != nil:
		reason = fmt.Sprintf("its jwks_uri %s is not an https URL", quote(from))
	case strings.HasPrefix(issuer, flyname.Issuer("")) && address.Host != base.Host:
		reason = fmt.Sprintf("its jwks_uri %s is on another host", quote(from))
	}
	if reason != "" {
		return nil, "", &KeysError{Kind: KeysAddress, URL: issuer, Reason: reason}
	}
	req, err := http.NewRequestWithContext(limited, http.MethodGet, from, http.NoBody)
	if err != nil {
		return fail(from, err)
	}
	resp, err := client.Do(req)
	if err != nil {
		return fail(from, err)
	}
	defer resp.Body.Close()
	if set, err = io.ReadAll(resp.Body); err != nil {
		return fail(from, err)
	}
	return set, from, nil
}

// guarded returns a client that stays on its host and whose answers are JSON of
// bounded size.
func guarded(c *http.Client) *http.Client {
	var g http.Client
	if c != nil {
		g = *c
	}
	if g.Transport == nil {
		g.Transport = http.DefaultTransport
	}
	g.Transport = guard{g.Transport}
	g.CheckRedirect = func(r *http.Request, via []*http.Request) error {
		switch {
		case r.URL.Scheme != "https" || r.URL.Host != via[0].URL.Host:
			return &KeysError{Kind: KeysRedirect, Reason: "to " + quote(r.URL.Redacted())}
		case len(via) > maxRedirects:
			return &KeysError{Kind: KeysRedirect, Reason: fmt.Sprintf("more than %d times", maxRedirects)}
		}
		return nil
	}
	return &g
}

// guard reads answers whole, so that every failure with one is an error of the
// request, with its type.
type guard struct {
	base http.RoundTripper
}

// RoundTrip does the request. A redirect is left to the client.
func (g guard) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := g.base.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode/100 == 3 && resp.Header.Get("Location") != "" {
		return resp, nil
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, &KeysError{Kind: KeysStatus, Status: resp.StatusCode}
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxDocument+1))
	if err == nil {
		// A server that sees us hang up may still end its answer properly.
		err = r.Context().Err()
	}
	switch {
	case err != nil:
		return nil, err
	case len(body) > maxDocument:
		return nil, &KeysError{Kind: KeysTooLarge}
	case isHTML(resp, trim(string(body[:min(len(body), 64)]))):
		return nil, &KeysError{Kind: KeysNotJSON, Reason: "it is a web page"}
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}

// keysError gives an error of a request to the issuer its kind.
func keysError(caller, limited context.Context, what string, err error) *KeysError {
	e := &KeysError{URL: what}
	var typed *KeysError
	var mismatch *oidc.IssuerMismatchError
	var noRoots x509.SystemRootsError
	var unknown x509.UnknownAuthorityError
	var certificate *tls.CertificateVerificationError
	var wrapped *url.Error
	var timeout net.Error
	switch {
	case errors.As(err, &typed):
		e.Kind, e.Status, e.Reason = typed.Kind, typed.Status, typed.Reason
	case errors.As(err, &mismatch):
		e.Kind, e.Reason = KeysMismatch, "it names "+quote(mismatch.Discovered)
	case errors.Is(caller.Err(), context.Canceled):
		e.Kind, e.Err = KeysCanceled, context.Canceled
	case limited.Err() != nil, errors.As(err, &timeout) && timeout.Timeout():
		e.Kind, e.Err = KeysTimeout, context.DeadlineExceeded
	case errors.As(err, &noRoots), errors.As(err, &unknown) && noSystemRoots():
		e.Kind, e.Err = KeysNoRoots, err
	case errors.As(err, &certificate):
		e.Kind, e.Err = KeysCertificate, certificate.Err
	case errors.As(err, &wrapped):
		e.Kind, e.Err = KeysUnreachable, wrapped.Err
	default: // an answer came, which go-oidc could not read
		e.Kind = KeysNotJSON
	}
	return e
}

// noSystemRoots reports whether this system has no root certificates: crypto/x509
// says SystemRootsError only when it could not read those that there are.
func noSystemRoots() bool {
	roots, err := x509.SystemCertPool()
	return err != nil || roots.Equal(x509.NewCertPool())
}
