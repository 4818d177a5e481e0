package cmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fly-aws/fly-aws/internal/awsapi"
	"github.com/fly-aws/fly-aws/internal/flyname"
	"github.com/fly-aws/fly-aws/internal/flyoidc"
	"github.com/fly-aws/fly-aws/internal/region"
	"github.com/fly-aws/fly-aws/internal/render"
	"github.com/fly-aws/fly-aws/internal/text"
	"github.com/fly-aws/fly-aws/setup"
)

type doctorOptions struct {
	output  outputFlags
	socket  string
	verbose bool
}

func newDoctor(sys System) *cobra.Command {
	var o doctorOptions
	c := &cobra.Command{
		Use:   "doctor",
		Short: "In a machine: find out why AWS does not work",
		Long: `In a Fly Machine: check everything that AWS access through OIDC depends on, one
line per check, with the next thing to do for what is wrong: the socket, the
token, the role, what takes precedence over it in the environment, the region,
the token file, the clock, the exchange at STS, and which identity the AWS SDKs
use.

The exit code is 3 when a check fails. Nothing is changed.`,
		Example: `  fly ssh console -C 'fly-aws doctor'`,
		Args:    noArguments,
		RunE:    func(cmd *cobra.Command, _ []string) error { return runDoctor(cmd.Context(), sys, o) },
	}
	o.output.register(c.Flags())
	registerSocket(sys, c, &o.socket)
	c.Flags().BoolVar(&o.verbose, "verbose", false, "show each AWS call with its time and request ID")
	return c
}

// A doctorDocument is what doctor --json prints.
type doctorDocument struct {
	Schema string             `json:"schema"`
	OK     bool               `json:"ok"`
	Checks []render.CheckLine `json:"checks"`
}

func runDoctor(ctx context.Context, sys System, o doctorOptions) error {
	d := &doctor{console: newConsole(sys, o.output), options: o}
	d.examine(ctx)
	doc := doctorDocument{Schema: render.DoctorSchema, OK: true, Checks: d.checks}
	for _, c := range d.checks {
		doc.OK = doc.OK && c.Level != render.Bad
	}
	if o.output.json {
		if err := render.JSON(sys.Stdout, doc); err != nil {
			return err
		}
	}
	switch {
	case ctx.Err() != nil:
		return exitCode(exitInterrupted) // the checks so far have been shown
	case !doc.OK:
		return exitCode(exitPending)
	}
	return nil
}

// A doctor makes the checks in order, and keeps what later ones need.
type doctor struct {
	console
	options doctorOptions
	checks  []render.CheckLine
	token   *flyoidc.Token // nil when there is none
	text    string         // the token itself; never shown
	role    string         // AWS_ROLE_ARN when it is well-formed
}

// checkWidth is the length of the longest name of a check, "token file".
const checkWidth = 10

// add shows a check as soon as it is made: later ones may take a while.
func (d *doctor) add(level render.Level, name, next, format string, args ...any) {
	c := render.CheckLine{Name: name, Level: level, Detail: text.Clean(fmt.Sprintf(format, args...)), Next: text.Clean(next)}
	d.checks = append(d.checks, c)
	if !d.json {
		render.OneCheck(d.Stdout, c, checkWidth, d.out)
	}
}

func (d *doctor) env(name string) string { return d.Getenv(name) }

func (d *doctor) examine(ctx context.Context) {
	for _, look := range []func(context.Context){
		d.machine, d.mint, d.clock, d.roleARN, d.precedence, d.region, d.endpoints, d.tokenFile, d.exchange, d.caller,
	} {
		if ctx.Err() == nil {
			look(ctx)
		}
	}
}

func (d *doctor) machine(context.Context) {
	app, id := d.env("FLY_APP_NAME"), d.env("FLY_MACHINE_ID")
	_, err := os.Stat(d.options.socket)
	switch {
	case app != "" || id != "":
		d.add(render.Good, "machine", "", "app %s, machine ID %s", orNotSet(app), orNotSet(id))
	case err == nil:
		d.add(render.Good, "machine", "", "there is a socket, although FLY_APP_NAME and FLY_MACHINE_ID are not set")
	default:
		d.add(render.Bad, "machine", "run it in a machine: fly ssh console -C 'fly-aws doctor'", "this is not a Fly Machine: no FLY_APP_NAME, no FLY_MACHINE_ID, no socket")
	}
}

func orNotSet(s string) string { return cmp.Or(s, "(not set)") }

func (d *doctor) mint(ctx context.Context) {
	defer d.waiting("the machine's token")()
	text, fellBack, err := tokenSource{socket: d.options.socket, audience: flyname.AudienceAWS}.read(ctx, d.System)
	var failure *flyoidc.MintError
	switch {
	case errors.As(err, &failure):
		d.add(render.Bad, "socket", mintHint(failure), "%s", failure)
		return
	case err != nil:
		d.add(render.Bad, "socket", "", "%s", err)
		return
	case fellBack != nil && fellBack.Kind == flyoidc.MintNotAllowed:
		d.add(render.Warn, "socket", "", "it belongs to root, and this process does not run as root; the token file is used instead")
	case fellBack != nil:
		d.add(render.Warn, "socket", mintHint(fellBack), "%s; the token file is used instead", fellBack)
	default:
		d.add(render.Good, "socket", "", "it issues tokens")
	}
	token, err := flyoidc.Decode(text)
	if err != nil {
		d.add(render.Bad, "token", "look at it with fly-aws token", "%s", err)
		return
	}
	d.token, d.text = token, text
	level, next := render.Good, ""
	app := d.env("FLY_APP_NAME")
	if s, ok := flyname.ParseSubject(token.Claims.Subject); !ok || app != "" && s.App != app {
		level, next = render.Warn, "a trust policy must match this sub: fly-aws explain --help"
	}
	d.add(level, "token", next, "sub %s, from %s", token.Claims.Subject, token.Claims.Issuer)
}

// clock compares the machine's clock with the time that the token was issued.
func (d *doctor) clock(context.Context) {
	if d.token == nil {
		return
	}
	// A token from the file is up to nine minutes old, a fresh one a few seconds.
	off := d.Now().Sub(d.token.Claims.IssuedAt)
	if off < -time.Minute || off > 10*time.Minute {
		d.add(render.Bad, "clock", "AWS refuses calls that are signed with a wrong clock: restart the machine (fly machine restart)", "it is %s off the issuer's", render.Duration(off.Abs()))
		return
	}
	d.add(render.Good, "clock", "", "it agrees with the issuer's")
}

func (d *doctor) roleARN(context.Context) {
	role := d.env(setup.EnvRoleARN)
	const next = "set it in the [env] of fly.toml (fly-aws setup or patch does it), then fly deploy"
	switch reason := setup.RoleARNProblem(role); {
	case role == "":
		d.add(render.Bad, "role", next, "%s is not set, so Fly keeps no token file and the SDKs use no role", setup.EnvRoleARN)
	case reason != "":
		d.add(render.Bad, "role", next, "%s is %q: %s", setup.EnvRoleARN, role, reason)
	default:
		d.role = role
		d.add(render.Good, "role", "", "%s", role)
	}
}

// precedence finds what takes precedence over a web identity in the SDKs' credential
// chain.
func (d *doctor) precedence(context.Context) {
	const keyID, secret, session = "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN" //nolint:gosec // names of variables
	var set []string
	for _, name := range []string{keyID, secret, session} {
		if d.env(name) != "" {
			set = append(set, name)
		}
	}
	remove := func(names []string) string {
		return "remove it from the [env] of fly.toml, or if it is a secret: fly secrets unset " + shellWords(names)
	}
	switch {
	case d.env(keyID) != "" && d.env(secret) != "":
		next := remove(set)
		if d.env("BUCKET_NAME") != "" || strings.Contains(d.env("AWS_ENDPOINT_URL_S3"), "tigris") {
			next += ". Tigris (fly storage) uses these: first give its client the values under other names"
		}
		d.add(render.Bad, "precedence", next, "the SDKs use %s instead of the role", strings.Join(set, ", "))
	case len(set) > 0:
		d.add(render.Warn, "precedence", remove(set), "%s without the rest of a key: some SDKs fail on it", strings.Join(set, ", "))
	case d.env("AWS_PROFILE") != "":
		d.add(render.Warn, "precedence", "right if that profile uses the role; otherwise "+remove([]string{"AWS_PROFILE"}), "some SDKs use the profile %s of AWS_PROFILE instead of the role", d.env("AWS_PROFILE"))
	default:
		d.add(render.Good, "precedence", "", "no static keys and no profile in the environment")
	}
}

func (d *doctor) region(context.Context) {
	name := d.env("AWS_REGION")
	if name == "" {
		name = d.env("AWS_DEFAULT_REGION")
	}
	known, err := region.Check(name)
	similar := region.Similar(name)
	if len(similar) == 0 {
		similar = []string{"eu-central-1"}
	}
	switch {
	case name == "":
		d.add(render.Bad, "region", "set AWS_REGION in the [env] of fly.toml, then fly deploy", "AWS_REGION is not set; Fly sets none, and the SDKs need one")
	case err != nil:
		d.add(render.Bad, "region", "set AWS_REGION to an AWS region, such as "+strings.Join(similar, " or ")+"; auto is for Tigris", "AWS_REGION is %q, which is not an AWS region", name)
	case !known:
		d.add(render.Warn, "region", "check the name, such as "+strings.Join(similar, " or ")+"; AWS may have added it since", "AWS_REGION is %s, which this version does not know", name)
	default:
		d.add(render.Good, "region", "", "%s", name)
	}
}

func (d *doctor) endpoints(context.Context) {
	var set []string
	for _, assignment := range d.Environ {
		if name, value, _ := strings.Cut(assignment, "="); strings.HasPrefix(name, "AWS_ENDPOINT_URL") && value != "" {
			set = append(set, name)
		}
	}
	if len(set) > 0 {
		d.add(render.Warn, "endpoint", "unless that is intended: fly secrets unset "+shellWords(set), "%s: AWS calls go to another endpoint than AWS's", strings.Join(set, ", "))
	}
}

// tokenFile checks the token file that Fly's init keeps for the SDKs.
func (d *doctor) tokenFile(ctx context.Context) {
	name := d.env("AWS_WEB_IDENTITY_TOKEN_FILE")
	if name == "" {
		level, next := render.Bad, "Fly sets it at boot when AWS_ROLE_ARN is in the app's [env] or secrets: fly deploy, or restart the machine"
		if d.role == "" {
			level, next = render.Skipped, ""
		}
		d.add(level, "token file", next, "AWS_WEB_IDENTITY_TOKEN_FILE is not set")
		return
	}
	text, err := readToken(ctx, d.System, nil)
	if err != nil {
		d.add(render.Bad, "token file", "it appears some seconds after boot; if it does not, restart the machine", "%s", err)
		return
	}
	token, err := flyoidc.Decode(text)
	if err != nil {
		d.add(render.Bad, "token file", "restart the machine, so that Fly writes a new one", "%s: %s", name, err)
		return
	}
	switch left := token.Claims.Expiry.Sub(d.Now()); {
	case left <= 0:
		d.add(render.Bad, "token file", "Fly renews it every nine minutes: restart the machine", "%s expired %s ago", name, render.Duration(-left))
	case len(token.Claims.Audience) != 1 || token.Claims.Audience[0] != flyname.AudienceAWS:
		d.add(render.Bad, "token file", "let Fly write it: leave AWS_WEB_IDENTITY_TOKEN_FILE unset in fly.toml", "%s is for the audience %s", name, strings.Join(token.Claims.Audience, ", "))
	case d.token != nil && token.Claims.Issuer != d.token.Claims.Issuer:
		d.add(render.Bad, "token file", "let Fly write it: leave AWS_WEB_IDENTITY_TOKEN_FILE unset in fly.toml", "%s is of %s, the machine of %s", name, token.Claims.Issuer, d.token.Claims.Issuer)
	default:
		d.add(render.Good, "token file", "", "%s, fresh for %s", name, render.Duration(left))
	}
}

// awsTimeout is how long a check waits for AWS.
const awsTimeout = 10 * time.Second

// open opens the AWS account, with the default credential chain or without any
// credentials.
func (d *doctor) openAWS(ctx context.Context, anonymous bool) (*awsapi.Account, error) {
	options := awsFlags{verbose: d.options.verbose}.options(&callLog{console: d.console})
	options.Anonymous = anonymous
	return d.openAccount(ctx, options)
}

// exchange exchanges the token for credentials of the role.
func (d *doctor) exchange(ctx context.Context) {
	defer d.waiting("AWS STS")()
	switch {
	case d.token == nil:
		d.add(render.Skipped, "exchange", "", "there is no token")
		return
	case d.role == "":
		d.add(render.Skipped, "exchange", "", "no role is set")
		return
	}
	ctx, cancel := context.WithTimeout(ctx, awsTimeout)
	defer cancel()
	var session awsapi.Session
	exchange := awsapi.Exchange{RoleARN: d.role, SessionName: "fly-aws-doctor", Token: d.text}
	account, err := d.openAWS(ctx, true)
	if err == nil {
		session, err = account.Exchange(ctx, exchange)
	}
	var refusal *awsapi.CallError
	switch {
	case errors.As(err, &refusal) && refusal.Code != "":
		hints := (&refusedError{err: err, refusal: refusal, exchange: exchange}).hints()
		d.add(render.Bad, "exchange", hints[len(hints)-1], "AWS refuses: %s: %s", refusal.Code, refusal.Message)
	case errors.Is(err, context.DeadlineExceeded):
		d.add(render.Bad, "exchange", "check the machine's network", "AWS does not answer within %s", render.Duration(awsTimeout))
	case err != nil:
		d.add(render.Bad, "exchange", "", "%s", err)
	case session.Account != accountOf(d.role):
		d.add(render.Bad, "exchange", "", "the role belongs to the account %s, the credentials to %s", accountOf(d.role), session.Account)
	default:
		d.add(render.Good, "exchange", "", "AWS issues credentials for %s", render.Duration(session.Expires.Sub(d.Now())))
	}
}

func accountOf(arn string) string {
	if parts := strings.SplitN(arn, ":", 6); len(parts) == 6 {
		return parts[4]
	}
	return ""
}

// caller asks AWS which identity the default credential chain finds here.
func (d *doctor) caller(ctx context.Context) {
	defer d.waiting("AWS")()
	ctx, cancel := context.WithTimeout(ctx, awsTimeout)
	defer cancel()
	var caller string
	account, err := d.openAWS(ctx, false)
	if err == nil {
		var facts setup.Facts
		facts, err = account.Facts(ctx, setup.Request{})
		caller = facts.Caller
	}
	const next = "first fix the checks above that failed"
	name := d.role[strings.LastIndexByte(d.role, '/')+1:]
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		d.add(render.Bad, "who am I", "check the machine's network", "AWS does not answer within %s", render.Duration(awsTimeout))
	case err != nil:
		d.add(render.Bad, "who am I", next, "the AWS SDKs find no credentials here: %s", err)
	case d.role == "":
		d.add(render.Warn, "who am I", next, "the AWS SDKs use %s here", caller)
	case !strings.Contains(caller, ":assumed-role/"+name+"/") || accountOf(caller) != accountOf(d.role):
		d.add(render.Bad, "who am I", next, "the AWS SDKs use %s here, not the role", caller)
	default:
		d.add(render.Good, "who am I", "", "%s", caller)
	}
}

// mintHint is the next thing to do about a token that could not be minted.
func mintHint(e *flyoidc.MintError) string {
	switch e.Kind {
	case flyoidc.MintNoSocket:
		return "run it in a Fly Machine: fly ssh console"
	case flyoidc.MintNotAllowed:
		return "the socket belongs to root: run it as root, or use the token file that Fly keeps when AWS_ROLE_ARN is set"
	case flyoidc.MintConnectionRefused, flyoidc.MintTimeout:
		return "try again in a few seconds; a machine that has just booted may not be ready"
	case flyoidc.MintNotSocket:
		return "drop --socket, or give it the path of the machine's API socket"
	case flyoidc.MintRefused:
		return "check the audience; Fly's support can look the request up by its ID"
	}
	return ""
}
