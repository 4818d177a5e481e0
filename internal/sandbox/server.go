package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"
)

// Server serves a World.
type Server struct {
	// AWSEndpoint is the URL of IAM and STS.
	AWSEndpoint string
	// FlyEndpoint is the URL of Fly's API.
	FlyEndpoint string
	// IssuerEndpoint is the URL that stands for https://oidc.fly.io.
	IssuerEndpoint string
	// SocketPath is the Unix socket that stands for /.fly/api: a path or, with a leading @,
	// the name of an abstract socket of Linux (unix(7)).
	SocketPath string

	world   *World
	issuer  *http.Client // reaches the issuer as STS does
	dir     string       // holds the socket
	cancel  context.CancelFunc
	servers []*http.Server
	// listeners are those of the servers, in their order.
	listeners []net.Listener
	serving   sync.WaitGroup

	mu      sync.Mutex
	machine *machine // nil: the first of the World
}

// Start serves the World with three listeners on 127.0.0.1 and a Unix socket in a
// new temporary folder. Where none can be made, as in an image without /tmp, the socket is
// an abstract one, on Linux. The error says which of them failed.
func (w *World) Start() (_ *Server, err error) {
	ctx, cancel := context.WithCancel(context.Background())
	s := &Server{world: w, cancel: cancel}
	defer func() {
		if err != nil {
			_ = s.Close() // the first error counts
		}
	}()
	if s.AWSEndpoint, err = s.listen(ctx, "AWS", s.serveAWS); err != nil {
		return nil, err
	}
	if s.FlyEndpoint, err = s.listen(ctx, "Fly's API", s.flyHandler()); err != nil {
		return nil, err
	}
	if s.IssuerEndpoint, err = s.listen(ctx, "the issuer", s.serveIssuer); err != nil {
		return nil, err
	}
	socket, err := s.listenUnix(ctx)
	if err != nil {
		return nil, fmt.Errorf("listening for the sandbox's machine: %w", err)
	}
	s.SocketPath = socket.Addr().String()
	s.prepare(ctx, socket, s.serveMachine)
	s.issuer = &http.Client{Transport: s.IssuerTransport(), Timeout: 5 * time.Second}
	for i, server := range s.servers { // last: the handlers read the fields set above
		s.serving.Go(func() { _ = server.Serve(s.listeners[i]) }) // ends with ErrServerClosed
	}
	return s, nil
}

// listen prepares to serve h on a free port and returns its URL.
func (s *Server) listen(ctx context.Context, what string, h http.HandlerFunc) (string, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("listening for the sandbox's %s: %w", what, err)
	}
	s.prepare(ctx, l, h)
	return "http://" + l.Addr().String(), nil
}

// listenUnix listens on a socket that only this user can reach or, without a folder for it,
// on one that every process of this network can, as the other listeners.
func (s *Server) listenUnix(ctx context.Context) (l net.Listener, err error) {
	var config net.ListenConfig
	if s.dir, err = os.MkdirTemp("", "fly-aws-"); err == nil {
		l, err = config.Listen(ctx, "unix", filepath.Join(s.dir, "api"))
	}
	if err != nil && runtime.GOOS == "linux" {
		l, err = config.Listen(ctx, "unix", "") // the kernel names it
	}
	return l, err
}

func (s *Server) prepare(ctx context.Context, l net.Listener, h http.HandlerFunc) {
	server := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          log.New(io.Discard, "", 0),
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	s.servers = append(s.servers, server)
	s.listeners = append(s.listeners, l)
}

// Close stops the server, breaks calls in progress and removes the socket. The
// World is unchanged and can be started again.
func (s *Server) Close() error {
	s.cancel()
	var errs []error
	for i, server := range s.servers {
		errs = append(errs, server.Close())
		_ = s.listeners[i].Close() // open only if Start failed before it served
	}
	s.serving.Wait()
	if s.issuer != nil {
		s.issuer.CloseIdleConnections()
	}
	if s.dir != "" {
		errs = append(errs, os.RemoveAll(s.dir))
	}
	return errors.Join(errs...)
}

// loopback are the hosts of all endpoints, as NO_PROXY lists them.
const loopback = "127.0.0.1,localhost"

// Env returns the environment that makes a child process use the sandbox only, as
// NAME=value. Variables that could select another endpoint or break the child are
// empty, which the AWS SDK for Go treats as unset; for the AWS CLI, remove
// AWS_PROFILE and AWS_DEFAULT_PROFILE.
//
// NO_PROXY and no_proxy replace the child's values: append those if it must reach
// other hosts without a proxy.
func (s *Server) Env() []string {
	return []string{
		"AWS_ENDPOINT_URL=" + s.AWSEndpoint,
		"AWS_ENDPOINT_URL_IAM=",
		"AWS_ENDPOINT_URL_STS=",
		"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=",
		"AWS_USE_FIPS_ENDPOINT=", // the SDK for Go refuses these two with an endpoint
		"AWS_USE_DUALSTACK_ENDPOINT=",
		"AWS_CA_BUNDLE=", // a missing file is an error
		"AWS_ACCESS_KEY_ID=" + AccessKeyID,
		"AWS_SECRET_ACCESS_KEY=" + SecretAccessKey,
		"AWS_SESSION_TOKEN=",
		"AWS_SECURITY_TOKEN=", // its old name, which the AWS CLI reads first
		"AWS_REGION=" + s.world.region(),
		"AWS_DEFAULT_REGION=" + s.world.region(), // the AWS CLI reads no other
		"AWS_PROFILE=",
		"AWS_DEFAULT_PROFILE=",
		"AWS_CONFIG_FILE=" + os.DevNull,
		"AWS_SHARED_CREDENTIALS_FILE=" + os.DevNull,
		"AWS_ROLE_ARN=",
		"AWS_ROLE_SESSION_NAME=",
		"AWS_WEB_IDENTITY_TOKEN_FILE=",
		"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=",
		"AWS_CONTAINER_CREDENTIALS_FULL_URI=",
		"AWS_CONTAINER_AUTHORIZATION_TOKEN=",
		"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=",
		"AWS_EC2_METADATA_DISABLED=true",
		"FLY_API_BASE_URL=" + s.FlyEndpoint,
		"FLY_FLAPS_BASE_URL=" + s.FlyEndpoint,
		"FLY_API_TOKEN=" + FlyToken,
		"FLY_ACCESS_TOKEN=",
		"FLY_AWS_SOCKET=" + s.SocketPath,
		"FLY_AWS_OIDC_ENDPOINT=" + s.IssuerEndpoint,
		"NO_PROXY=" + loopback,
		"no_proxy=" + loopback, // curl and Python read this one first
	}
}

// SetMachine sets the machine behind the socket, which must have been added with
// AddMachine. The default is the first one added.
func (s *Server) SetMachine(org, app, name string) error {
	m := machine{org, app, name}
	s.world.mu.Lock()
	known := slices.Contains(s.world.machines, m)
	s.world.mu.Unlock()
	if !known {
		return fmt.Errorf("there is no machine %q of app %q in org %q; add it with AddMachine", name, app, org)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.machine = &m
	return nil
}

// currentMachine returns the machine behind the socket.
func (s *Server) currentMachine() (machine, bool) {
	s.mu.Lock()
	m := s.machine
	s.mu.Unlock()
	if m != nil {
		return *m, true
	}
	s.world.mu.Lock()
	defer s.world.mu.Unlock()
	if len(s.world.machines) == 0 {
		return machine{}, false
	}
	return s.world.machines[0], true
}
