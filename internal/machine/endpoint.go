package machine

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"
)

// Credentials are temporary AWS credentials, in the form of a container endpoint
// (https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html).
type Credentials struct {
	AccessKeyID     string `json:"AccessKeyId"`
	SecretAccessKey string
	Token           string
	Expiration      time.Time
	RoleARN         string `json:"RoleArn"`
}

// String hides the keys from logs and errors, and so does GoString.
func (Credentials) String() string { return "(temporary credentials)" }

// GoString implements fmt.GoStringer.
func (c Credentials) GoString() string { return c.String() }

// An Endpoint serves credentials on loopback to processes that know its secret.
type Endpoint struct {
	// URL and Authorization are for AWS_CONTAINER_CREDENTIALS_FULL_URI and
	// AWS_CONTAINER_AUTHORIZATION_TOKEN.
	URL, Authorization string

	now     func() time.Time
	server  http.Server
	mu      sync.Mutex
	current Credentials
}

// NewEndpoint listens on a free port of 127.0.0.1. Close it.
func NewEndpoint(ctx context.Context, now func() time.Time) (*Endpoint, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	e := &Endpoint{URL: "http://" + l.Addr().String() + "/credentials", Authorization: rand.Text(), now: now}
	e.server = http.Server{
		Handler:           e,
		ReadHeaderTimeout: 5 * time.Second,
		ErrorLog:          log.New(io.Discard, "", 0),
	}
	go func() { _ = e.server.Serve(l) }() // ends with ErrServerClosed
	return e, nil
}

// Close stops serving.
func (e *Endpoint) Close() error { return e.server.Close() }

// ServeHTTP answers with the credentials, which are never renewed while a client waits: the
// SDKs wait for a second or two.
func (e *Endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	c := e.current
	e.mu.Unlock()
	switch {
	case subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), []byte(e.Authorization)) != 1:
		refuse(w, http.StatusUnauthorized, "Unauthorized", "the request does not have the token in AWS_CONTAINER_AUTHORIZATION_TOKEN")
	case r.URL.Path != "/credentials":
		refuse(w, http.StatusNotFound, "NotFound", "credentials are at /credentials")
	case r.Method != http.MethodGet:
		refuse(w, http.StatusMethodNotAllowed, "MethodNotAllowed", "credentials take GET")
	case !e.now().Before(c.Expiration):
		refuse(w, http.StatusServiceUnavailable, "ExpiredCredentials", "the credentials have expired and could not be renewed; fly-aws exec --serve says why on its standard error")
	default:
		answer(w, http.StatusOK, c)
	}
}

// refuse answers with an error in the form that the SDKs show.
func refuse(w http.ResponseWriter, status int, code, message string) {
	answer(w, status, struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}{code, message})
}

func answer(w http.ResponseWriter, status int, document any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(document) // the client is gone
}

var errExpired = errors.New("AWS answered with credentials that have expired by this machine's clock")

// Renew replaces the credentials with those that get returns, and returns how long they are
// good.
func (e *Endpoint) Renew(ctx context.Context, get func(context.Context) (Credentials, error)) (time.Duration, error) {
	c, err := get(ctx)
	if err != nil {
		return 0, err
	}
	life := c.Expiration.Sub(e.now())
	if life <= 0 {
		return 0, errExpired
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.current = c
	return life, nil
}
