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
)

// Where Fly's APIs are.
const (
	defaultBaseURL     = "https://api.fly.io"
	defaultMachinesURL = "https://api.machines.dev"
)

const (
	defaultTimeout = 10 * time.Second
	// maxAttempts and maxElapsed bound the repetition of a read. No attempt begins
	// later than maxElapsed.
	maxAttempts = 4
	maxElapsed  = 20 * time.Second
	// maxAnswer bounds an answer. The largest are lists of machines, of which each
	// has some kilobytes.
	maxAnswer = 16 << 20
	// maxRefusal bounds what is read of an answer that is an error.
	maxRefusal = 64 << 10
)

// Options are for New.
type Options struct {
	// Token is who asks; FindToken finds it.
	Token Token
	// BaseURL is that of the GraphQL API, FLY_API_BASE_URL to flyctl; "" is
	// defaultBaseURL.
	BaseURL string
	// MachinesURL is that of the Machines API, FLY_FLAPS_BASE_URL to flyctl; "" is
	// defaultMachinesURL.
	MachinesURL string
	// Version of fly-aws, for the User-Agent "fly-aws/<version>".
	Version string
	// Timeout is how long one request may take; 0 is ten seconds. A read is
	// repeated when Fly has trouble, so that a call may take 20 seconds more.
	Timeout time.Duration
	// Transport makes the requests; nil is one as http.DefaultTransport.
	Transport http.RoundTripper
}

// A Client asks Fly. Its methods may be called from several goroutines. All
// their errors are *Error. One of kindCanceled also matches context.Canceled, and
// one of KindTimeout context.DeadlineExceeded.
type Client struct {
	base, machines string // without a slash at their end
	token          Token
	agent          string
	timeout        time.Duration
	http           *http.Client
	backOff        func() backoff.BackOff
}

// New makes a Client; it asks nothing yet. The error is an *Error of
// kindNotSignedIn if there is no token, or of kindEndpoint if a URL is not https.
// Plain http is good for loopback and for Fly's private network, where the
// Machines API has no TLS (http://_api.internal:4280, according to
// https://fly.io/docs/machines/api/working-with-machines-api/).
func New(o Options) (*Client, error) {
	if o.Token.IsZero() {
		return nil, &Error{Kind: kindNotSignedIn}
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
		// A redirect would take the token to where nobody wanted it.
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

// userAgent leaves out of a version what a header must not hold.
func userAgent(version string) string {
	version, _, _ = strings.Cut(version, " ")
	if version == "" || !visible(version) {
		return "fly-aws"
	}
	return "fly-aws/" + version
}

// endpoint checks the base URL of an API.
func endpoint(api, base, otherwise string) (string, error) {
	if base == "" {
		return otherwise, nil
	}
	refuse := func(reason string) (string, error) {
		return "", &Error{Kind: kindEndpoint, Thing: api, Reason: reason}
	}
	u, err := url.Parse(base)
	switch {
	case err != nil: // the error repeats the URL, which may hold a password
		return refuse("it is not a URL")
	case u.User != nil:
		return refuse("it holds a user name or a password")
	case u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http":
		return refuse(text.Quote(base) + " does not begin with https:// and a host")
	case u.RawQuery != "" || u.Fragment != "" || u.ForceQuery:
		return refuse(text.Quote(base) + " has more after its path")
	case u.Scheme == "http" && !private(u.Hostname()):
		return refuse(text.Quote(base) + " is not https, and the token would cross the network in the clear")
	}
	return strings.TrimRight(u.String(), "/"), nil
}

// private says whether a host is this machine, or in Fly's private network,
// which is encrypted (https://fly.io/docs/networking/private-networking/).
func private(host string) bool {
	host = strings.ToLower(host)
	if host == "localhost" || strings.HasSuffix(host, ".internal") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// A request is one question to Fly.
type request struct {
	// doing is what the question is for, as in Error.Doing.
	doing       string
	method, url string
	// body is sent as JSON; nil is none.
	body any
	// headers are the Authorizations to try, one after the other.
	headers []string
	// once says that it must not be repeated, because it does something.
	once bool
	// timeout is how long an attempt may take.
	timeout time.Duration
}

// An answer is that of a request which succeeded.
type answer struct {
	*request
	host      string
	status    int
	requestID string
	body      []byte
}

// do makes a request, and makes it again if it is a read and there is hope.
func (c *Client) do(ctx context.Context, r request) (*answer, *Error) {
	var body []byte
	if r.body != nil {
		var err error
		if body, err = json.Marshal(r.body); err != nil {
			return nil, &Error{Kind: kindRefused, Doing: r.doing, Reason: "the request cannot be written as JSON"}
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
		failure.Kind, failure.Reason, failure.Err = kindCanceled, "", context.Canceled
	}
	return nil, failure
}

// retryable says whether the same request may succeed a moment later.
func (e *Error) retryable() bool {
	switch e.Kind {
	case kindRateLimited, kindDown, KindTimeout:
		return true
	case kindUnreachable:
		// A name that does not exist and a certificate that is wrong stay so.
		var dns *net.DNSError
		var certificate *tls.CertificateVerificationError
		return !errors.As(e.Err, &certificate) && (!errors.As(e.Err, &dns) || !dns.IsNotFound)
	}
	return false
}

// attempt makes a request once with each Authorization, until Fly accepts one.
// The duration is how long Fly wants to be left alone.
func (c *Client) attempt(ctx context.Context, r *request, body []byte) (a *answer, pause time.Duration, e *Error) {
	for _, header := range r.headers {
		a, pause, e = c.send(ctx, r, body, header)
		if e == nil || e.Kind != KindToken {
			break
		}
	}
	return a, pause, e
}

func (c *Client) send(ctx context.Context, r *request, body []byte, header string) (*answer, time.Duration, *Error) {
	limited, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(limited, r.method, r.url, bytes.NewReader(body))
	if err != nil { // the URL was checked, and names in it were escaped
		return nil, 0, &Error{Kind: kindRefused, Doing: r.doing, Reason: "the request cannot be made"}
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
		return nil, 0, c.unanswered(limited, a, err)
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
		return nil, 0, c.unanswered(limited, a, err)
	case a.status < 200 || a.status > 299:
		return nil, retryAfter(resp.Header), c.refused(a, resp.Header)
	case len(a.body) > maxAnswer:
		return nil, 0, c.fail(a, kindUnexpected, "the answer is larger than 16 MB")
	case isHTML(resp.Header, a.body):
		return nil, 0, c.fail(a, kindUnexpected, "the answer is a web page")
	}
	return a, 0, nil
}

// fail is the failure of a request that got an answer.
func (c *Client) fail(a *answer, kind Kind, reason string) *Error {
	return &Error{
		Kind: kind, Doing: a.doing, Source: c.token.Source(), Host: a.host,
		Status: a.status, RequestID: c.token.redact(a.requestID), Reason: reason,
	}
}

// unanswered is the failure of a request that got no answer, or half of one.
func (c *Client) unanswered(limited context.Context, a *answer, err error) *Error {
	e := c.fail(a, kindUnreachable, "")
	var timeout net.Error
	if limited.Err() != nil || errors.As(err, &timeout) && timeout.Timeout() {
		e.Kind, e.Err = KindTimeout, context.DeadlineExceeded
		return e
	}
	var wrapped *url.Error
	if errors.As(err, &wrapped) { // it adds the URL
		err = wrapped.Err
	}
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		e.Reason = "the connection ended before the answer did"
	default:
		e.Err = &networkError{c.token.redact(err.Error()), err}
	}
	return e
}

// networkError is an error of the network without the token in its words.
type networkError struct {
	words string
	err   error
}

func (e *networkError) Error() string { return e.words }
func (e *networkError) Unwrap() error { return e.err }

// refused is the failure of an answer whose status says so. Errors of the
// Machines API are {"error": …, "message": …, "status": …}, of which only the
// first is always there (superfly/fly-go, flaps/flaps_error.go).
func (c *Client) refused(a *answer, h http.Header) *Error {
	e := c.fail(a, kindRefused, "")
	var object struct {
		Error   string `json:"error"`
		Message string `json:"message"`
		Status  any    `json:"status"` // a word; proxies may put a number there
	}
	switch {
	case isHTML(h, a.body):
		e.Reason = "the answer is a web page"
	case json.Unmarshal(a.body, &object) == nil:
		code, _ := object.Status.(string)
		e.Code, e.Message = c.clean(code), c.clean(object.Error)
		if more := c.clean(object.Message); more != "" && more != e.Message {
			e.Message = strings.TrimPrefix(e.Message+": "+more, ": ")
		}
	}
	switch status := a.status; {
	case status == http.StatusUnauthorized:
		e.Kind = KindToken
	case status == http.StatusForbidden:
		e.Kind = kindNotAllowed
	case status == http.StatusNotFound && e.Message != "":
		e.Kind = kindNotFound
	case status == http.StatusTooManyRequests:
		e.Kind = kindRateLimited
	case status == http.StatusRequestTimeout, status >= 500:
		e.Kind = kindDown
	case e.Message == "":
		e.Kind = kindUnexpected
		if status < 400 && e.Reason == "" {
			e.Reason = "it sends elsewhere"
		}
	}
	return e
}

// clean makes a text of Fly's fit for an error: see text.Line.
func (c *Client) clean(s string) string { return text.Line(c.token.redact(s)) }

// retryAfter reads the header Retry-After in seconds; 0 when there is none. A
// date is not worth the while: backing off does.
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
