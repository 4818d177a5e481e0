package cmd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/fly-aws/fly-aws/internal/flyname"
	"github.com/fly-aws/fly-aws/internal/flyoidc"
	"github.com/fly-aws/fly-aws/internal/render"
	"github.com/fly-aws/fly-aws/internal/text"
)

type verifyOptions struct {
	output   outputFlags
	audience string
	issuer   string
	jwks     string
	args     []string
}

func newTokenVerify(sys System) *cobra.Command {
	var o verifyOptions
	c := &cobra.Command{
		Use:   "verify [FILE|-]",
		Short: "Verify a token's signature, issuer, audience and times",
		Long: `Verify a token from FILE or standard input (-): its signature by the keys that
its issuer publishes, its issuer, its audience, and its times with the leeway
that AWS gives. Without FILE it is the one in AWS_WEB_IDENTITY_TOKEN_FILE, or
else ` + flyoidc.DefaultTokenFile + `.

Only issuers under ` + flyname.Issuer("") + ` are asked, unless --issuer names
another. The exit code is 3 when a check fails.`,
		Example: `  fly-aws token --raw | fly-aws token verify -
  fly-aws token verify token.jwt --jwks keys.json`,
		Args: atMostOne,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.args = args
			return runTokenVerify(cmd.Context(), sys, o)
		},
	}
	o.output.register(c.Flags())
	registerAudience(c, &o.audience, "`audience` that the token must have")
	c.Flags().StringVar(&o.issuer, "issuer", "", "the issuer to accept, an https `URL` (default: Fly's, for any organization)")
	c.Flags().StringVar(&o.jwks, "jwks", "", "`file` with the issuer's JSON Web Key Set, to verify without the network")
	return c
}

// A verifyDocument is what token verify --json prints.
type verifyDocument struct {
	Schema   string             `json:"schema"`
	Verified bool               `json:"verified"`
	Checks   []render.CheckLine `json:"checks"`
}

func runTokenVerify(ctx context.Context, sys System, o verifyOptions) error {
	options := flyoidc.Options{Issuer: o.issuer, Audience: o.audience, Now: sys.Now}
	if o.jwks != "" {
		keys, err := readFile(ctx, sys, o.jwks)
		if err != nil {
			return usagef("give --jwks the path of a JSON Web Key Set", "--jwks %s", err)
		}
		options.Keys = keys
	}
	if options.Keys == nil {
		client, err := issuerClient(sys)
		if err != nil {
			return err
		}
		options.Client = client
	}
	token, err := readToken(ctx, sys, o.args)
	if err != nil {
		return err
	}
	c := newConsole(sys, o.output)
	stop := c.waiting("the issuer's keys")
	checks := flyoidc.Verify(ctx, token, options)
	stop()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	passed := flyoidc.Verified(checks)
	doc := verifyDocument{Schema: render.VerifySchema, Verified: passed, Checks: []render.CheckLine{}}
	for _, check := range checks {
		doc.Checks = append(doc.Checks, verifyCheck(check))
	}
	if o.output.json {
		if err := render.JSON(sys.Stdout, doc); err != nil {
			return err
		}
	} else {
		render.Checks(sys.Stdout, doc.Checks, c.out)
	}
	switch {
	case passed:
		return nil
	case undecided(checks):
		return exitCode(exitFailed) // not checked, so neither valid nor invalid
	}
	return exitCode(exitPending)
}

// undecided reports whether the only failure was in fetching the issuer's keys, which
// says nothing about the token.
func undecided(checks []flyoidc.Step) bool {
	found := false
	for _, c := range checks {
		var keys *flyoidc.KeysError
		switch {
		case c.Result != flyoidc.Failed:
		case !errors.As(c.Err, &keys):
			return false
		case keys.Kind == flyoidc.KeysUnknown, keys.Kind == flyoidc.KeysTooMany, keys.Kind == flyoidc.KeysIssuer:
			return false // STS refuses such a token
		default:
			found = true
		}
	}
	return found
}

func verifyCheck(c flyoidc.Step) render.CheckLine {
	out := render.CheckLine{Name: c.Name, Detail: text.Clean(c.Detail), Level: render.Good}
	switch c.Result {
	case flyoidc.Failed:
		out.Level = render.Bad
	case flyoidc.Skipped:
		out.Level = render.Skipped
	}
	var keys *flyoidc.KeysError
	if !errors.As(c.Err, &keys) {
		return out
	}
	switch keys.Kind {
	case flyoidc.KeysNoRoots:
		out.Next = "copy a CA bundle into the image (ca-certificates), or pass --jwks"
	case flyoidc.KeysUnreachable, flyoidc.KeysTimeout:
		out.Next = "try again, or save the issuer's keys elsewhere and pass them with --jwks"
	}
	return out
}

// issuerVariable names a stand-in for https://oidc.fly.io on this machine; fly-aws
// sandbox sets it.
const issuerVariable = "FLY_AWS_OIDC_ENDPOINT"

// issuerClient fetches issuers' keys, from Fly or from the sandbox. Only a loopback
// address may replace Fly's, so that an environment variable cannot make a forged
// token look genuine with keys from another host.
func issuerClient(sys System) (*http.Client, error) {
	text := sys.Getenv(issuerVariable)
	if text == "" {
		ensureRoots(sys.Stderr)
		return nil, nil //nolint:nilnil // nil means flyoidc's default client
	}
	base, err := url.Parse(text)
	if err != nil || base.Scheme != "http" || !loopback(base.Hostname()) {
		return nil, usagef("unset it; only fly-aws sandbox sets it", "%s is %q, which is not on this machine", issuerVariable, text)
	}
	fmt.Fprintf(sys.Stderr, "Keys come from the sandbox at %s, not from Fly.\n", base.Host)
	return &http.Client{Transport: standIn{base}}, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// standIn sends requests for Fly's issuers to the sandbox.
type standIn struct{ base *url.URL }

// RoundTrip implements http.RoundTripper.
func (s standIn) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Host == "oidc.fly.io" {
		req = req.Clone(req.Context())
		req.URL.Scheme, req.URL.Host = s.base.Scheme, s.base.Host
	}
	return http.DefaultTransport.RoundTrip(req)
}
