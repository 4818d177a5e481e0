package cmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fly-aws/fly-aws/internal/awsapi"
	"github.com/fly-aws/fly-aws/internal/explain"
	"github.com/fly-aws/fly-aws/internal/flyname"
	"github.com/fly-aws/fly-aws/internal/flyoidc"
	"github.com/fly-aws/fly-aws/internal/machine"
	"github.com/fly-aws/fly-aws/internal/render"
	"github.com/fly-aws/fly-aws/internal/text"
	"github.com/fly-aws/fly-aws/setup"
)

// exchangeFlags say which token to exchange, and for which role.
type exchangeFlags struct {
	aws      awsFlags
	roleARN  string
	session  string
	duration string
	token    string
	audience string
	socket   string
	wait     time.Duration
}

func (f *exchangeFlags) register(sys System, c *cobra.Command, wait time.Duration, waitUsage string) {
	c.Flags().StringVar(&f.roleARN, "role-arn", "", "`ARN` of the role (default: AWS_ROLE_ARN)")
	c.Flags().StringVar(&f.session, "session-name", "", "`name` of the session, which CloudTrail shows (default: AWS_ROLE_SESSION_NAME, or the machine)")
	c.Flags().StringVar(&f.duration, "duration", "", "how long the credentials last, at least 15m (default 1h). It is a `time` such as 1h30m, or in seconds.")
	c.Flags().StringVar(&f.token, "token", "", "`file` with the token, or - (default: a fresh one from the machine's socket, or else its token file)")
	registerAudience(c, &f.audience, "`audience` of a fresh token")
	registerSocket(sys, c, &f.socket)
	c.Flags().DurationVar(&f.wait, "wait", wait, waitUsage)
	c.Flags().StringVar(&f.aws.region, "region", "", "AWS `region` whose STS to call")
	c.Flags().BoolVar(&f.aws.verbose, "verbose", false, verboseUsage)
}

// An exchanger exchanges tokens for credentials at STS.
type exchanger struct {
	console
	flags    exchangeFlags
	account  *awsapi.Account
	exchange awsapi.Exchange
}

func newExchanger(ctx context.Context, c console, f exchangeFlags) (*exchanger, error) {
	x := &exchanger{console: c, flags: f}
	x.exchange.RoleARN = cmp.Or(f.roleARN, c.Getenv(setup.EnvRoleARN))
	if x.exchange.RoleARN == "" {
		return nil, usagef("pass --role-arn, or set it in the [env] of fly.toml, as fly-aws setup does", "no role is given, and %s is not set", setup.EnvRoleARN)
	}
	if reason := setup.RoleARNProblem(x.exchange.RoleARN); reason != "" {
		return nil, usagef("a role's ARN looks like arn:aws:iam::123456789012:role/web", "the role %q: %s", x.exchange.RoleARN, reason)
	}
	seconds, err := wholeSeconds("--duration", f.duration)
	if err != nil {
		return nil, err
	}
	if seconds != 0 && (seconds < 900 || seconds > 43200) {
		return nil, usagef("give a duration from 15m to 12h, up to the role's maximum", "--duration %q: AWS takes 15 minutes to 12 hours", f.duration)
	}
	x.exchange.Duration = time.Duration(seconds) * time.Second
	options := f.aws.options(&callLog{console: c})
	options.Anonymous = true
	x.account, err = c.openAccount(ctx, options)
	return x, err
}

// get gets a token and exchanges it. With retryFresh, AccessDenied is retried while there
// is time if the role was created just now: STS answers so for some seconds.
func (x *exchanger) get(ctx context.Context, retryFresh bool) (awsapi.Session, error) {
	source := tokenSource{file: x.flags.token, socket: x.flags.socket, audience: x.flags.audience, wait: x.flags.wait}
	stop := x.waiting("the machine's token")
	token, err := source.read(ctx, x.System)
	stop()
	if err != nil {
		return awsapi.Session{}, err
	}
	if decoded, broken := flyoidc.Inspect(token); decoded == nil {
		return awsapi.Session{}, &flyoidc.DecodeError{Violation: broken[0]} // it may be another secret, which is not for AWS
	}
	x.exchange.Token = token
	x.exchange.SessionName = x.sessionName(token)
	defer x.waiting("AWS STS")()
	deadline := x.Now().Add(x.flags.wait)
	for pause := time.Second; ; pause *= 2 {
		session, err := x.account.Exchange(ctx, x.exchange)
		var refusal *awsapi.CallError
		left := deadline.Sub(x.Now())
		if err == nil || !errors.As(err, &refusal) || refusal.Code != "AccessDenied" || !retryFresh || left <= 0 {
			return session, err
		}
		if pause == time.Second {
			age := x.roleAge(ctx)
			if age > fresh {
				return session, err
			}
			x.note("AWS refuses; the role was created %s ago, and AWS may not show it everywhere yet. Trying again for %s; press Ctrl-C to stop.", render.Duration(age), render.Duration(left))
		}
		x.Sleep(ctx, min(pause, 8*time.Second, left))
		if ctx.Err() != nil {
			return session, err
		}
	}
}

// fresh is how long STS may refuse a new role.
const fresh = 2 * time.Minute

// roleAge is how long ago the role was created, as far as the environment's credentials
// may read that; else longer than fresh.
func (x *exchanger) roleAge(ctx context.Context) time.Duration {
	account, err := x.reader(ctx)
	if err != nil {
		return 2 * fresh
	}
	ctx, cancel := context.WithTimeout(ctx, awsTimeout)
	defer cancel()
	created, err := account.RoleCreated(ctx, x.exchange.RoleARN[strings.LastIndexByte(x.exchange.RoleARN, '/')+1:])
	if err != nil {
		return 2 * fresh
	}
	return max(x.Now().Sub(created), 0)
}

// reader is the account for reading the role, if the environment has credentials; a
// machine usually has none of its own.
func (x *exchanger) reader(ctx context.Context) (*awsapi.Account, error) {
	if x.Getenv("AWS_ACCESS_KEY_ID") == "" && x.Getenv("AWS_PROFILE") == "" {
		return nil, errNoReader
	}
	return x.openAccount(ctx, x.flags.aws.options(&callLog{console: x.console}))
}

var errNoReader = errors.New("there are no AWS credentials in the environment")

// sessionName is the name that CloudTrail shows: the one given, or the app and
// machine, in the characters that AWS allows.
func (x *exchanger) sessionName(token string) string {
	name := x.flags.session
	if name == "" {
		name = x.Getenv("AWS_ROLE_SESSION_NAME")
	}
	if t, _ := flyoidc.Inspect(token); name == "" && t != nil {
		if s, ok := flyname.ParseSubject(t.Claims.Subject); ok {
			name = s.App + "@" + s.Machine
		}
	}
	name = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_+=,.@-", r) {
			return r
		}
		return '-'
	}, name)
	if len(name) < 2 { // AWS requires 2 to 64
		name = "fly-aws" + name
	}
	return name[:min(len(name), 64)]
}

func newTokenExchange(sys System) *cobra.Command {
	var f exchangeFlags
	var o outputFlags
	c := &cobra.Command{
		Use:   "exchange",
		Short: "In a machine: give the token to AWS, and see who you are",
		Long: `In a Fly Machine: give the machine's token to AWS STS and show the role, the
account and how long the credentials last. The credentials themselves are not
shown. A refusal is explained.

STS may refuse a role that was created seconds ago. Where the environment has
credentials that may read the role, and it is less than two minutes old,
AccessDenied is retried for --wait.

The exit code is 3 if AWS refuses the token.`,
		Example: `  fly-aws token exchange
  fly-aws token exchange --role-arn arn:aws:iam::123456789012:role/web`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return runTokenExchange(cmd.Context(), sys, o, f) },
	}
	o.register(c.Flags())
	f.register(sys, c, waitAtBoot, "how long to wait for the token while a machine boots, and to retry with a new role")
	return c
}

// An exchangeDocument is what token exchange --json prints.
type exchangeDocument struct {
	Schema  string    `json:"schema"`
	Account string    `json:"account"`
	ARN     string    `json:"arn"`
	Expires time.Time `json:"expires"`
}

func runTokenExchange(ctx context.Context, sys System, o outputFlags, f exchangeFlags) error {
	x, err := newExchanger(ctx, newConsole(sys, o), f)
	if err != nil {
		return err
	}
	session, err := x.get(ctx, true)
	if err != nil {
		err = x.refusal(err)
		if refused := (*refusedError)(nil); errors.As(err, &refused) && x.explain(ctx) {
			return exitCode(exitPending)
		}
		return err
	}
	if o.json {
		return render.JSON(sys.Stdout, exchangeDocument{render.ExchangeSchema, session.Account, session.ARN, session.Expires.UTC()})
	}
	render.Done(sys.Stdout, "AWS accepts the token: "+text.Clean(session.ARN), x.out)
	fmt.Fprintf(sys.Stdout, "  account %s, credentials for %s, until %s\n", text.Clean(session.Account),
		render.Duration(session.Expires.Sub(sys.Now())), session.Expires.UTC().Format("2006-01-02 15:04:05 MST"))
	return nil
}

// waitAtBoot is how long to wait for the socket or the token file, which appear
// a few seconds after a machine's first process has started, and for a new role.
const waitAtBoot = 30 * time.Second

const waitUsage = "how long to wait for the socket or token file while a machine boots"

func newCredentials(sys System) *cobra.Command {
	var f exchangeFlags
	c := &cobra.Command{
		Use:   "credentials",
		Short: "Print AWS credentials for credential_process",
		Long: `In a Fly Machine: print temporary AWS credentials in the form that AWS tools
read from a credential_process. For tools that cannot use a web identity, and
for several roles in one machine, with a profile for each:

  [profile reports]
  credential_process = fly-aws credentials --role-arn arn:aws:iam::1…:role/x`,
		Example: `  fly-aws credentials --role-arn arn:aws:iam::123456789012:role/reports`,
		Args:    noArguments,
		RunE:    func(cmd *cobra.Command, _ []string) error { return runCredentials(cmd.Context(), sys, f) },
	}
	f.register(sys, c, waitAtBoot, waitUsage)
	return c
}

// processCredentials is the output of a credential_process
// (https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html).
type processCredentials struct {
	Version         int
	AccessKeyID     string `json:"AccessKeyId"`
	SecretAccessKey string
	SessionToken    string
	Expiration      string
}

func runCredentials(ctx context.Context, sys System, f exchangeFlags) error {
	x, err := newExchanger(ctx, newConsole(sys, outputFlags{}), f)
	if err != nil {
		return err
	}
	session, err := x.get(ctx, false)
	if err != nil {
		return x.refusal(err)
	}
	var doc strings.Builder
	if err := render.JSON(&doc, processCredentials{
		Version:         1,
		AccessKeyID:     session.Keys.AccessKeyID,
		SecretAccessKey: session.Keys.SecretAccessKey,
		SessionToken:    session.Keys.SessionToken,
		Expiration:      session.Expires.UTC().Format(time.RFC3339),
	}); err != nil {
		return err
	}
	return sys.printSecret(doc.String())
}

type execOptions struct {
	exchange exchangeFlags
	serve    bool
	command  []string
}

func newExec(sys System) *cobra.Command {
	var o execOptions
	c := &cobra.Command{
		Use:   "exec [flags] -- COMMAND [ARGUMENT...]",
		Short: "Run a command with AWS credentials",
		Long: `In a Fly Machine: get temporary AWS credentials and run COMMAND with them in its
environment, in place of this program. They expire after --duration and are not
renewed.

For a command that runs longer, --serve stays beside it and serves credentials
on loopback, renewed at half of their lifetime, where the AWS SDKs look for
those of a container. A service whose SDK takes a web identity needs neither:
set AWS_ROLE_ARN and let its SDK do it.`,
		Example: `  fly-aws exec -- aws s3 ls
  fly-aws exec --role-arn arn:aws:iam::123456789012:role/backup -- ./backup.sh
  fly-aws exec --serve -- ./server`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 || cmd.ArgsLenAtDash() != 0 {
				return usagef("write fly-aws exec -- COMMAND", "put the command after --")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			o.command = args
			return runExec(cmd.Context(), sys, o)
		},
	}
	o.exchange.register(sys, c, waitAtBoot, waitUsage)
	c.Flags().BoolVar(&o.serve, "serve", false, "serve credentials to COMMAND while it runs, instead of putting them into its environment")
	return c
}

func runExec(ctx context.Context, sys System, o execOptions) error {
	path, err := lookPath(o.command[0])
	if err != nil {
		return err
	}
	if o.serve && o.exchange.token == "-" {
		return usagef("give --token a file that is kept fresh, or drop it", "--serve needs new tokens, and standard input has one")
	}
	x, err := newExchanger(ctx, newConsole(sys, outputFlags{}), o.exchange)
	if err != nil {
		return err
	}
	if o.serve {
		return x.serve(ctx, path, o.command)
	}
	session, err := x.get(ctx, false)
	if err != nil {
		return x.refusal(err)
	}
	env := overlay(sys.Environ, append([]string{
		"AWS_ACCESS_KEY_ID=" + session.Keys.AccessKeyID,
		"AWS_SECRET_ACCESS_KEY=" + session.Keys.SecretAccessKey,
		"AWS_SESSION_TOKEN=" + session.Keys.SessionToken,
		"AWS_CREDENTIAL_EXPIRATION=" + session.Expires.UTC().Format(time.RFC3339),
	}, others...))
	err = sys.Exec(path, o.command, env)
	if code := exitCode(0); err == nil || errors.As(err, &code) {
		return err
	}
	return fmt.Errorf("%s did not run: %w", o.command[0], cause(err))
}

// others removes from an environment what can take precedence over credentials in it, or
// over a container's.
var others = []string{
	"AWS_SECURITY_TOKEN=",                // the session token's old name, which some tools read first
	"AWS_ACCESS_KEY=", "AWS_SECRET_KEY=", // other names of the keys, in the SDKs for Go and Java
	"AWS_PROFILE=", "AWS_DEFAULT_PROFILE=",
	"AWS_ROLE_ARN=", "AWS_WEB_IDENTITY_TOKEN_FILE=", "AWS_ROLE_SESSION_NAME=",
}

// serve runs a command beside an endpoint with fresh credentials.
func (x *exchanger) serve(ctx context.Context, path string, argv []string) error {
	endpoint, err := machine.NewEndpoint(context.WithoutCancel(ctx), x.Now)
	if err != nil {
		return fmt.Errorf("credentials cannot be served on loopback: %w", cause(err))
	}
	defer endpoint.Close() //nolint:errcheck // the command has ended
	renewal := machine.Renewal{
		Clock: clock{x.System},
		Renew: func(ctx context.Context) (time.Duration, error) {
			return endpoint.Renew(ctx, func(ctx context.Context) (machine.Credentials, error) {
				s, err := x.get(ctx, false)
				return machine.Credentials{
					AccessKeyID: s.Keys.AccessKeyID, SecretAccessKey: s.Keys.SecretAccessKey, Token: s.Keys.SessionToken,
					Expiration: s.Expires.UTC(), RoleARN: x.exchange.RoleARN,
				}, err
			})
		},
		Tell: func(a machine.Attempt) {
			if a.Err != nil || a.Retried {
				render.Credentials(x.Stderr, a, x.Now(), x.err)
			}
		},
	}
	if err := renewal.Start(ctx, 0, func(error) bool { return true }); err != nil {
		return x.refusal(err)
	}
	renewing, stop := context.WithCancel(context.WithoutCancel(ctx)) // also while the command shuts down
	defer stop()
	go renewal.Run(renewing)
	command := exec.Command(path, argv[1:]...) //nolint:gosec,noctx // the user asked to run it, for as long as it takes
	command.Env = overlay(x.Environ, append([]string{
		"AWS_CONTAINER_CREDENTIALS_FULL_URI=" + endpoint.URL,
		"AWS_CONTAINER_AUTHORIZATION_TOKEN=" + endpoint.Authorization,
		"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=",
		"AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY=", "AWS_SESSION_TOKEN=", "AWS_CREDENTIAL_EXPIRATION=",
	}, others...))
	return x.superviseForwarding(ctx, command)
}

// explain says whether it showed why the role's trust policy refuses the token, which
// takes credentials that may read the role.
func (x *exchanger) explain(ctx context.Context) bool {
	token, _ := flyoidc.Inspect(x.exchange.Token)
	if x.json || token == nil {
		return false
	}
	account, err := x.reader(ctx)
	if err != nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, awsTimeout)
	defer cancel()
	c := explain.Case{Now: x.Now(), Claims: token.Claims.Claims, MachineID: token.Claims.MachineID}
	if readRole(ctx, account, x.exchange.RoleARN, &c, func(error) {}) != nil {
		return false
	}
	explanation := explain.Explain(c)
	if explanation.Verdict != explain.Refused {
		return false // AWS knows more: its own words and what they mean follow
	}
	render.Explanation(x.Stderr, explanation, false, x.err)
	return true
}

// refusal adds to an error answer of STS what was presented.
func (x *exchanger) refusal(err error) error {
	var refused *awsapi.CallError
	if !errors.As(err, &refused) || refused.Code == "" {
		return err // not an answer from STS
	}
	return &refusedError{err: err, refusal: refused, exchange: x.exchange}
}

// A refusedError is an error answer of STS, with what was presented to it.
type refusedError struct {
	err      error
	refusal  *awsapi.CallError
	exchange awsapi.Exchange
}

// exit is the exit code for a refused token, and not for, say, a throttled request.
func (e *refusedError) exit() int {
	switch explain.ErrorText(e.refusal.Code + ": " + e.refusal.Message).Code {
	case explain.MeaningThrottled, explain.MeaningIssuerUnreachable, explain.MeaningRegion, explain.MeaningDuration, explain.MeaningUnknown:
		return exitFailed
	}
	return exitPending
}

func (e *refusedError) Error() string { return e.err.Error() }
func (e *refusedError) Unwrap() error { return e.err }
