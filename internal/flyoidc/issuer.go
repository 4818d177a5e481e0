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
	"github.com/fly-aws/fly-aws/internal/text"
)

// maxDocument bounds a response of an issuer: 1,000 keys of 4096 bits take less
// than half of it.
const maxDocument = 2 << 20

// maxRedirects bounds how many redirects within its host an issuer may send.
const maxRedirects = 5

// A KeysKind says why the key of a token is not available.
type KeysKind string

// The kinds of a KeysError. STS refuses a token with KeysUnknown and KeysTooMany;
// with the others, whether STS accepts the token is unknown.
const (
	// KeysIssuer: the issuer is not an https URL to fetch keys from.
	KeysIssuer KeysKind = "issuer"
	// KeysUnreachable: there was no connection, or it broke.
	KeysUnreachable KeysKind = "unreachable"
	// KeysTimeout: the issuer did not respond in time.
	KeysTimeout KeysKind = "timeout"
	// keysCanceled: the context was canceled.
	keysCanceled KeysKind = "canceled"
	// KeysNoRoots: this system has no root certificates, like a container image built
	// from scratch.
	KeysNoRoots KeysKind = "no-roots"
	// keysCertificate: the issuer's certificate is not trusted.
	keysCertificate KeysKind = "certificate"
	// keysRedirect: the issuer redirects to another host, or too often.
	keysRedirect KeysKind = "redirect"
	// keysStatus: the status of the response, which is in Status, is not 200.
	keysStatus KeysKind = "status"
	// keysNotJSON: the response is not the expected JSON.
	keysNotJSON KeysKind = "not-json"
	// keysTooLarge: the response, or Options.Keys, is larger than 2 MiB.
	keysTooLarge KeysKind = "too-large"
	// keysMismatch: the discovery document is for another issuer.
	keysMismatch KeysKind = "mismatch"
	// keysAddress: the discovery document has no usable jwks_uri.
	keysAddress KeysKind = "address"
	// keysNone: the set has no key for signatures.
	keysNone KeysKind = "none"
	// KeysTooMany: the set has more keys than STS accepts.
	KeysTooMany KeysKind = "too-many"
	// KeysUnknown: no key of the set has the token's key ID and is for its algorithm.
	KeysUnknown KeysKind = "unknown"
)

// A KeysError says why the key of a token is not available.
type KeysError struct {
	Kind KeysKind
	// URL is what was fetched; "" for Options.Keys. It can hold text from a token:
	// quote it.
	URL string
	// Status is the HTTP status for keysStatus, else 0.
	Status int
	// Reason is a clause with more detail, safe to show on a terminal; "" when Kind
	// says everything.
	Reason string
	// Err is the cause, nil when there is none.
	Err error
}

func (e *KeysError) Error() string {
	var s string
	switch e.Kind {
	case KeysIssuer:
		s = "keys cannot be fetched from this issuer"
	case KeysTimeout:
		s = "the issuer did not respond in time"
	case keysCanceled:
		s = "fetching the issuer's keys was interrupted"
	case KeysNoRoots:
		s = "the issuer's certificate cannot be verified: this system has no root certificates (CA bundle)"
	case keysCertificate:
		s = "the issuer's certificate is not trusted"
	case keysRedirect:
		s = "the issuer's redirect is not followed"
	case keysStatus:
		s = fmt.Sprintf("the issuer responded with status %d", e.Status)
	case keysNotJSON:
		s = "the keys or the discovery document are not the expected JSON"
	case keysTooLarge:
		s = fmt.Sprintf("the keys or the discovery document are larger than %d bytes", maxDocument)
	case keysMismatch:
		s = "the discovery document is for another issuer"
	case keysAddress:
		s = "the discovery document has no usable jwks_uri"
	case keysNone:
		s = "there are no usable keys"
	case KeysTooMany:
		s = "there are too many keys"
	case KeysUnknown:
		s = "the token's key is not among them"
	default:
		s = "the issuer could not be reached"
	}
	switch {
	case e.Reason != "":
		s += ": " + e.Reason
	case e.Err != nil && (e.Kind == KeysUnreachable || e.Kind == keysCertificate):
		s += ": " + text.Line(e.Err.Error())
	}
	if e.URL != "" {
		s += " (" + text.Quote(e.URL) + ")"
	}
	return s
}

func (e *KeysError) Unwrap() error { return e.Err }

// fetchKeys fetches the issuer's keys. It returns the text of the set and its URL.
func (v *verification) fetchKeys(ctx context.Context) (set []byte, from string, failure *KeysError) {
	issuer := v.token.Claims.Issuer
	base, err := url.Parse(issuer)
	if err != nil || base.Scheme != "https" || base.Host == "" || base.User != nil || base.RawQuery != "" || base.ForceQuery ||
		strings.Contains(issuer, "#") {
		return nil, "", &KeysError{
			Kind: KeysIssuer, URL: issuer, Reason: "it must be an https URL without user, query and fragment",
		}
	}
	limited, cancel := context.WithTimeout(ctx, v.options.Timeout)
	defer cancel()
	client := restrict(v.options.Client)
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
		reason = fmt.Sprintf("its jwks_uri %s is not an https URL", text.Quote(from))
	case strings.HasPrefix(issuer, flyname.Issuer("")) && address.Host != base.Host:
		reason = fmt.Sprintf("its jwks_uri %s is on another host", text.Quote(from))
	}
	if reason != "" {
		return nil, "", &KeysError{Kind: keysAddress, URL: issuer, Reason: reason}
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

// restrict returns a copy of a client that follows redirects only within a host and
// accepts only responses with status 200 and a bounded size.
func restrict(c *http.Client) *http.Client {
	var restricted http.Client
	if c != nil {
		restricted = *c
	}
	if restricted.Transport == nil {
		restricted.Transport = http.DefaultTransport
	}
	restricted.Transport = boundedTransport{restricted.Transport}
	restricted.CheckRedirect = func(r *http.Request, via []*http.Request) error {
		switch {
		case r.URL.Scheme != "https" || r.URL.Host != via[0].URL.Host:
			return &KeysError{Kind: keysRedirect, Reason: "it leads to " + text.Quote(r.URL.Redacted())}
		case len(via) > maxRedirects:
			return &KeysError{Kind: keysRedirect, Reason: fmt.Sprintf("it is one of more than %d", maxRedirects)}
		}
		return nil
	}
	return &restricted
}

// A boundedTransport reads a response to its end, so that every failure is a typed
// error of the request.
type boundedTransport struct {
	base http.RoundTripper
}

// RoundTrip implements http.RoundTripper. It leaves redirects to the client.
func (t boundedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := t.base.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode/100 == 3 && resp.Header.Get("Location") != "" {
		return resp, nil
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, &KeysError{Kind: keysStatus, Status: resp.StatusCode}
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxDocument+1))
	if err == nil {
		// A server that sees a canceled request may end its response without an error.
		err = r.Context().Err()
	}
	switch {
	case err != nil:
		return nil, err
	case len(body) > maxDocument:
		return nil, &KeysError{Kind: keysTooLarge}
	case isHTML(resp, trim(string(body[:min(len(body), 64)]))):
		return nil, &KeysError{Kind: keysNotJSON, Reason: "it is a web page"}
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}

// keysError is the KeysError for an error of a request to the issuer.
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
		e.Kind, e.Reason = keysMismatch, "it names "+text.Quote(mismatch.Discovered)
	case errors.Is(caller.Err(), context.Canceled):
		e.Kind, e.Err = keysCanceled, context.Canceled
	case limited.Err() != nil, errors.As(err, &timeout) && timeout.Timeout():
		e.Kind, e.Err = KeysTimeout, context.DeadlineExceeded
	case errors.As(err, &noRoots), errors.As(err, &unknown) && noSystemRoots():
		e.Kind, e.Err = KeysNoRoots, err
	case errors.As(err, &certificate):
		e.Kind, e.Err = keysCertificate, certificate.Err
	case errors.As(err, &wrapped):
		e.Kind, e.Err = KeysUnreachable, wrapped.Err
	default: // go-oidc could not read the response
		e.Kind = keysNotJSON
	}
	return e
}

// noSystemRoots reports whether this system has no root certificates. crypto/x509
// returns a SystemRootsError only when it cannot read existing ones.
func noSystemRoots() bool {
	roots, err := x509.SystemCertPool()
	return err != nil || roots.Equal(x509.NewCertPool())
}
