package flyapi

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/fly-aws/fly-aws/internal/text"
	"github.com/fly-aws/fly-aws/setup"
)

// The base URLs of Fly's APIs.
const (
	defaultBaseURL     = "https://api.fly.io"
	defaultMachinesURL = "https://api.machines.dev"
)

const (
	defaultTimeout = 10 * time.Second
	// maxAttempts and maxElapsed bound the retries of a read. No attempt starts
	// after maxElapsed.
	maxAttempts = 4
	maxElapsed  = 20 * time.Second
	// maxAnswer bounds a response. The largest are lists of machines, with a few
	// kilobytes each.
	maxAnswer = 16 << 20
	// maxRefusal bounds what is read of an error response.
	maxRefusal = 64 << 10
)

// Options are the options of New.
type Options struct {
	// Token authenticates the requests; see FindToken.
	Token AccessToken
	// BaseURL is the base URL of the GraphQL API (flyctl's FLY_API_BASE_URL); "" is
	// defaultBaseURL.
	BaseURL string
	// MachinesURL is the base URL of the Machines API (flyctl's
	// FLY_FLAPS_BASE_URL); "" is defaultMachinesURL.
	MachinesURL string
	// Version of fly-aws, for the User-Agent "fly-aws/<version>".
	Version string
	// Timeout is the timeout per attempt; 0 is ten seconds. Failed reads are
	// retried for up to 20 seconds more.
	Timeout time.Duration
	// Transport makes the requests; nil is one like http.DefaultTransport.
	Transport http.RoundTripper
}

// A Client calls Fly's APIs. It is safe for concurrent use. All errors are *Error;
// setup.FlyCanceled also matches context.Canceled, and setup.FlyTimeout
// context.DeadlineExceeded.
type Client struct {
	base, machines string // without a trailing slash
	token          AccessToken
	agent          string
	timeout        time.Duration
	http           *http.Client
	backOff        func() backoff.BackOff
}

// New makes a Client without calling Fly. The error is an *Error of
// setup.FlyNotSignedIn if there is no token, or of setup.FlyEndpoint if a URL is not
// https. Plain http is accepted for loopback and for Fly's private network, where
// the Machines API has no TLS (http://_api.internal:4280, according to
// https://fly.io/docs/machines/api/working-with-machines-api/).
func New(o Options) (*Client, error) {
	if o.Token.IsZero() {
		return nil, &Error{FlyProblem: setup.FlyProblem{Kind: setup.FlyNotSignedIn}}
	}
	c := &Client{
		token: o.Token, agent: userAgent(o.Version), timeout: o.Timeout,
		backOff: func() backoff.BackOff { return backoff.NewExponentialBackOff() },
	}
	if c.timeout == 0 {
		c.timeout = defaultTimeout
	}
	var err error
	if c.base, err = endpoint("GraphQL API", o.BaseURL, defaultBaseURL); err != nil {
		return nil, err
	}
	if c.machines, err = endpoint("Machines API", o.MachinesURL, defaultMachinesURL); err != nil {
		return nil, err
	}
	transport := o.Transport
	if transport == nil {
		transport = defaultTransport()
	}
	c.http = &http.Client{
		Transport: transport,
		// A redirect could send the token to another host.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c, nil
}

func defaultTransport() http.RoundTripper {
	t, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return http.DefaultTransport
	}
	t = t.Clone()
	t.MaxResponseHeaderBytes = maxRefusal
	return t
}

// userAgent drops characters of the version that a header must not have.
func userAgent(version string) string {
	version, _, _ = strings.Cut(version, " ")
	if version == "" || !isVisibleASCII(version) {
		return "fly-aws"
	}
	return "fly-aws/" + version
}

// endpoint checks an API's base URL.
func endpoint(api, base, otherwise string) (string, error) {
	if base == "" {
		return otherwise, nil
	}
	refuse := func(reason string) (string, error) {
		return "", &Error{FlyProblem: setup.FlyProblem{Kind: setup.FlyEndpoint, Detail: reason}, Thing: api}
	}
	u, err := url.Parse(base)
	switch {
	case err != nil: // the error repeats the URL, which may contain a password
		return refuse("it is not a URL")
	case u.User != nil:
		return refuse("it contains a user name or a password")
	case u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http":
		return refuse(text.Quote(base) + " does not begin with https:// and a host")
	case u.RawQuery != "" || u.Fragment != "" || u.ForceQuery:
		return refuse(text.Quote(base) + " has a query or a fragment")
	case u.Scheme == "http" && !isPrivate(u.Hostname()):
		return refuse(text.Quote(base) + " is not https, and the token would be sent unencrypted")
	}
	return strings.TrimRight(u.String(), "/"), nil
}

// isPrivate reports whether a host is this machine or in Fly's private network, which
// is encrypted (https://fly.io/docs/networking/private-networking/).
func isPrivate(host string) bool {
	host = strings.ToLower(host)
	if host == "localhost" || strings.HasSuffix(host, ".internal") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// A request is one call to Fly.
type request struct {
	// doing is what the call is for, as in Error.Doing.
	doing       string
	method, url string
	// body is sent as JSON; nil is none.
	body any
	// headers are the Authorization headers to try, in order.
	headers []string
	// once prevents retries, for a request with side effects.
	once bool
	// timeout is the timeout per attempt.
	timeout time.Duration
}

// An answer is the response to a request that succeeded.
type answer struct {
	*request
	host      string
	status    int
	requestID string
	body      []byte
}

// do makes a request and retries a read after a retryable error.
func (c *Client) do(ctx context.Context, r request) (*answer, *Error) {
	var body []byte
	if r.body != nil {
		var err error
		if body, err = json.Marshal(r.body); err != nil {
			return nil, &Error{FlyProblem: setup.FlyProblem{Kind: setup.FlyRefused, Detail: "the request cannot be written as JSON"}, Doing: r.doing}
		}
	}
	var failure *Error
	attempts := 0
	a, err := backoff.Retry(ctx, func() (*answer, error) {
		attempts++
		var (
			a     *answer
			pause time.Duration
		)
		a, pause, failure = c.attempt(ctx, &r, body)
		switch {
		case failure == nil:
			return a, nil
		case r.once || !failure.retryable():
			return nil, backoff.Permanent(failure)
		case pause > 0:
			return nil, &backoff.RetryAfterError{Duration: pause}
		}
		return nil, failure
	}, backoff.WithBackOff(c.backOff()), backoff.WithMaxTries(maxAttempts), backoff.WithMaxElapsedTime(maxElapsed))
	if err == nil {
		return a, nil
	}
	failure.Attempts = attempts
	if errors.Is(ctx.Err(), context.Canceled) {
		failure.Kind, failure.Detail, failure.Err = setup.FlyCanceled, "", context.Canceled
	}
	return nil, failure
}

// retryable reports whether the same request may succeed later.
func (e *Error) retryable() bool {
	switch e.Kind {
	case setup.FlyRateLimited, setup.FlyDown, setup.FlyTimeout:
		return true
	case setup.FlyUnreachable:
		// An unknown host name or a bad certificate does not go away.
		var dns *net.DNSError
		var certificate *tls.CertificateVerificationError
		return !errors.As(e.Err, &certificate) && (!errors.As(e.Err, &dns) || !dns.IsNotFound)
	}
	return false
}

// attempt makes a request once with each Authorization header, until Fly accepts
// one. The duration is Fly's Retry-After.
func (c *Client) attempt(ctx context.Context, r *request, body []byte) (a *answer, pause time.Duration, e *Error) {
	for _, header := range r.headers {
		a, pause, e = c.send(ctx, r, body, header)
		if e == nil || e.Kind != setup.FlyToken {
			break
		}
	}
	return a, pause, e
}

func (c *Client) send(ctx context.Context, r *request, body []byte, header string) (*answer, time.Duration, *Error) {
	limited, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(limited, r.method, r.url, bytes.NewReader(body))
	if err != nil { // cannot happen: the URL was checked, and names in it were escaped
		return nil, 0, &Error{FlyProblem: setup.FlyProblem{Kind: setup.FlyRefused, Detail: "the request cannot be created"}, Doing: r.doing}
	}
	req.Header.Set("Authorization", header)
	req.Header.Set("User-Agent", c.agent)
	req.Header.Set("Accept", "application/json")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	a := &answer{request: r, host: req.URL.Host}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, 0, c.noResponse(limited, a, err)
	}
	defer resp.Body.Close()
	a.status, a.requestID = resp.StatusCode, resp.Header.Get("Fly-Request-Id")

	limit := int64(maxAnswer)
	if a.status < 200 || a.status > 299 {
		limit = maxRefusal
	}
	a.body, err = io.ReadAll(io.LimitReader(resp.Body, limit+1))
	switch {
	case err != nil:
		return nil, 0, c.noResponse(limited, a, err)
	case a.status < 200 || a.status > 299:
		return nil, retryAfter(resp.Header), c.refused(a, resp.Header)
	case len(a.body) > maxAnswer:
		return nil, 0, c.fail(a, setup.FlyUnexpected, "the response is larger than 16 MB")
	case isHTML(resp.Header, a.body):
		return nil, 0, c.fail(a, setup.FlyUnexpected, "the response is a web page")
	}
	return a, 0, nil
}

// fail makes the error for a request with a response.
func (c *Client) fail(a *answer, kind setup.FlyProblemKind, reason string) *Error {
	return &Error{
		FlyProblem: setup.FlyProblem{
			Kind: kind, Source: c.token.Source(), Host: a.host,
			Status: a.status, RequestID: c.token.redact(a.requestID), Detail: reason,
		},
		Doing: a.doing,
	}
}

// noResponse makes the error for a request with no response, or a partial one.
func (c *Client) noResponse(limited context.Context, a *answer, err error) *Error {
	e := c.fail(a, setup.FlyUnreachable, "")
	var timeout net.Error
	if limited.Err() != nil || errors.As(err, &timeout) && timeout.Timeout() {
		e.Kind, e.Err = setup.FlyTimeout, context.DeadlineExceeded
		return e
	}
	var wrapped *url.Error
	if errors.As(err, &wrapped) { // it adds the URL
		err = wrapped.Err
	}
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		e.Detail = "the connection closed in the middle of the response"
	default:
		words := c.token.redact(err.Error())
		e.Detail, e.Err = text.Line(words), &networkError{words, err}
	}
	return e
}

// networkError is a network error whose text has no token in it.
type networkError struct {
	words string
	err   error
}

func (e *networkError) Error() string { return e.words }
func (e *networkError) Unwrap() error { return e.err }

// refused makes the error for a response with an error status. Errors of the
// Machines API are {"error": …, "message": …, "status": …}; the last two are
// optional (superfly/fly-go, flaps/flaps_error.go).
func (c *Client) refused(a *answer, h http.Header) *Error {
	e := c.fail(a, setup.FlyRefused, "")
	var object struct {
		Error   string `json:"error"`
		Message string `json:"message"`
		Status  any    `json:"status"` // a word; from a proxy maybe a number
	}
	switch {
	case isHTML(h, a.body):
		e.Detail = "the response is a web page"
	case json.Unmarshal(a.body, &object) == nil:
		code, _ := object.Status.(string)
		e.Code, e.Message = c.clean(code), c.clean(object.Error)
		if more := c.clean(object.Message); more != "" && more != e.Message {
			e.Message = strings.TrimPrefix(e.Message+": "+more, ": ")
		}
	}
	switch status := a.status; {
	case status == http.StatusUnauthorized:
		e.Kind = setup.FlyToken
	case status == http.StatusForbidden:
		e.Kind = setup.FlyNotAllowed
	case status == http.StatusNotFound && e.Message != "":
		e.Kind = setup.FlyNotFound
	case status == http.StatusTooManyRequests:
		e.Kind = setup.FlyRateLimited
	case status == http.StatusRequestTimeout, status >= 500:
		e.Kind = setup.FlyDown
	case e.Message == "":
		e.Kind = setup.FlyUnexpected
		if status < 400 && e.Detail == "" {
			e.Detail = "it is a redirect"
		}
	}
	return e
}

// clean makes text from Fly safe for an error: see text.Line.
func (c *Client) clean(s string) string { return text.Line(c.token.redact(s)) }

// retryAfter reads the Retry-After header in seconds; 0 when absent. A date is
// ignored.
func retryAfter(h http.Header) time.Duration {
	n, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || n < 0 || n > 3600 {
		return 0
	}
	return time.Duration(n) * time.Second
}

func isHTML(h http.Header, body []byte) bool {
	mediaType, _, _ := mime.ParseMediaType(h.Get("Content-Type"))
	return mediaType == "text/html" || bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("<"))
}
