package awsapi

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/logging"
	"github.com/aws/smithy-go/middleware"

	"github.com/fly-aws/fly-aws/setup"
)

// Limits of the calls to AWS.
const (
	// maxInFlight bounds the concurrent calls, and so the connections.
	maxInFlight = 40
	// maxAttempts bounds the attempts per call.
	maxAttempts = 6
	// callTimeout is the timeout per attempt. The slowest call is a page of account
	// details.
	callTimeout = 20 * time.Second
	dialTimeout = 5 * time.Second
	// fallbackRegion is used if no region is configured. IAM is one service for all
	// regions of the aws partition, located in this one:
	// https://docs.aws.amazon.com/IAM/latest/UserGuide/introduction.html
	fallbackRegion = "us-east-1"
)

// Options are how to reach AWS. The zero value uses the SDK's default chain:
// environment, shared configuration files, container and instance credentials.
type Options struct {
	// Profile is the name of a profile in the shared configuration files; "" is
	// AWS_PROFILE or the default profile.
	Profile string
	// Region overrides the configured one. For IAM it selects the partition: an
	// account outside the aws partition needs one; otherwise the default is
	// us-east-1.
	Region string
	// Endpoint is the base URL of IAM and STS; "" is AWS_ENDPOINT_URL or AWS's own.
	Endpoint string
	// AccessKeyID and SecretAccessKey replace the default chain: the environment
	// and configuration files are not read.
	AccessKeyID, SecretAccessKey string
	// Anonymous is for Exchange, which is not signed: of the configuration, only
	// the environment's region and endpoint are read. So it works with a broken
	// profile, and for a profile whose credential_process calls it.
	Anonymous bool
	// Passive is for a lookup that nobody asked for, such as a shell's completion: no
	// credential_process is run, which may ask for a password, and no cached sign-in of
	// IAM Identity Center or "aws login" is renewed, which the SDK would write to its file.
	// Open then gives a *CredentialsError, or the first call does.
	Passive bool
	// Trace, if set, is called after every attempt that was sent, by one goroutine
	// at a time.
	Trace func(Call)
	// UserAgent is added to the SDK's, like "fly-aws/1.2.3".
	UserAgent string
	// Pause, if set, returns the delay after the nth attempt, counted from 1. It
	// replaces the exponential backoff and the rate limit after throttling, for a
	// test server.
	Pause func(attempt int) time.Duration
}

// Account is the AWS account of some credentials. It is safe for concurrent use.
type Account struct {
	iam         *iam.Client
	sts         *sts.Client
	credentials aws.CredentialsProvider
	profile     string
	// region is the configured one; "" when fallbackRegion is used.
	region string
	// slots limits the concurrent calls.
	slots chan struct{}
	// consistencyPauses are the pauses between attempts at a write while IAM
	// becomes consistent.
	consistencyPauses []time.Duration

	mu sync.Mutex
	// prefetched is what Facts read of roles, for the next Read or Roles.
	prefetched prefetch
	// created holds the roles that this Account created, emptied those whose
	// policies it deleted.
	created, emptied map[roleKey]bool
}

var _ setup.Account = (*Account)(nil)

// Open loads the configuration. It does not make calls or look for credentials. The
// error is a *CredentialsError for an unknown profile or unusable configuration, or
// that of ctx.
func Open(ctx context.Context, o Options) (*Account, error) {
	var cfg aws.Config
	var err error
	switch {
	case o.AccessKeyID != "":
		cfg = o.staticConfig()
	case o.Anonymous:
		cfg, err = o.anonymousConfig()
	default:
		cfg, err = o.loadConfig(ctx)
	}
	if err != nil {
		return nil, err
	}
	a := &Account{
		profile:           o.chosenProfile(),
		slots:             make(chan struct{}, maxInFlight),
		consistencyPauses: consistencyPauses(o.Pause),
		created:           map[roleKey]bool{},
		emptied:           map[roleKey]bool{},
	}
	// "auto" is what Tigris, Fly's object storage, puts in AWS_REGION.
	if cfg.Region == "" || cfg.Region == "auto" {
		cfg.Region = fallbackRegion
	} else {
		a.region = cfg.Region
	}
	cfg.HTTPClient = finishWrites{bodyInMemory{cfg.HTTPClient}}
	a.credentials = &signer{next: cfg.Credentials, account: a}
	cfg.Credentials = a.credentials
	endpoint := func(base **string) {
		if o.Endpoint != "" {
			*base = &o.Endpoint
		}
	}
	a.iam = iam.NewFromConfig(cfg, func(c *iam.Options) { endpoint(&c.BaseEndpoint) })
	a.sts = sts.NewFromConfig(cfg, func(c *sts.Options) { endpoint(&c.BaseEndpoint) })
	return a, nil
}

// Region returns the region configured by Options, the environment or the profile;
// "" when there is none, or when it is "auto", which is not an AWS region.
func (a *Account) Region() string { return a.region }

// staticConfig is the configuration for given keys. It does not read the
// environment.
func (o Options) staticConfig() aws.Config {
	return aws.Config{
		Region:      o.Region,
		Credentials: credentials.NewStaticCredentialsProvider(o.AccessKeyID, o.SecretAccessKey, ""),
		HTTPClient:  httpClient(),
		Retryer:     o.retryer,
		APIOptions:  o.apiOptions(),
		Logger:      logging.Nop{},
	}
}

// anonymousConfig is the environment's configuration, without credentials.
func (o Options) anonymousConfig() (aws.Config, error) {
	env, err := config.NewEnvConfig()
	if err != nil {
		return aws.Config{}, profileError("", err)
	}
	cfg := o.staticConfig()
	cfg.Credentials = aws.AnonymousCredentials{}
	cfg.ConfigSources = []any{env} // AWS_ENDPOINT_URL_STS is found there
	if cfg.Region == "" {
		cfg.Region = env.Region
	}
	if env.BaseEndpoint != "" {
		cfg.BaseEndpoint = &env.BaseEndpoint
	}
	return cfg, nil
}

// loadConfig loads the SDK's default configuration.
func (o Options) loadConfig(ctx context.Context) (aws.Config, error) {
	with := []func(*config.LoadOptions) error{
		config.WithHTTPClient(httpClient()),
		config.WithRetryer(o.retryer),
		config.WithAPIOptions(o.apiOptions()),
		// The SDK's warnings would mix with our output.
		config.WithLogger(logging.Nop{}),
	}
	web := &webIdentityClient{}
	with = append(with, config.WithWebIdentityRoleCredentialOptions(func(w *stscreds.WebIdentityRoleOptions) { w.Client = web }))
	if o.Profile != "" {
		with = append(with, config.WithSharedConfigProfile(o.Profile))
	}
	if o.Region != "" {
		with = append(with, config.WithRegion(o.Region))
	}
	cfg, err := loadDefault(ctx, with)
	if err != nil {
		if ctx.Err() != nil {
			return cfg, ctx.Err()
		}
		return cfg, profileError(o.chosenProfile(), err)
	}
	if o.Passive && runsProcess(cfg.Credentials) {
		return cfg, &CredentialsError{Kind: KindInvalid, Profile: o.chosenProfile(), Err: errPassive}
	}
	web.cfg = cfg
	if aws.IsCredentialsProvider(cfg.Credentials, (*ec2rolecreds.Provider)(nil)) {
		cfg.Credentials = instanceCredentials(cfg)
	}
	return cfg, nil
}

// errPassive is the cause of an error that follows from Options.Passive.
var errPassive = errors.New("it takes a program or a new sign-in, which was not asked for")

// runsProcess reports whether a credential_process is anywhere in the chain of a provider.
func runsProcess(provider aws.CredentialsProvider) bool {
	chain, ok := provider.(aws.CredentialProviderSource)
	return ok && slices.ContainsFunc(chain.ProviderSources(), func(s aws.CredentialSource) bool {
		return s == aws.CredentialSourceProcess || s == aws.CredentialSourceProfileProcess
	})
}

// refuseRenewal fails the calls that renew a cached sign-in.
func refuseRenewal(s *middleware.Stack) error {
	return s.Initialize.Add(middleware.InitializeMiddlewareFunc("RefuseRenewal", func(
		ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler,
	) (middleware.InitializeOutput, middleware.Metadata, error) {
		switch awsmiddleware.GetServiceID(ctx) {
		case "SSO OIDC", "Signin": // ServiceID of the SDK's ssooidc and signin
			return middleware.InitializeOutput{}, middleware.Metadata{}, errPassive
		}
		return next.HandleInitialize(ctx, in)
	}), middleware.After)
}

// loadDefault is config.LoadDefaultConfig, which panics if a setting in a shared
// file is a single quotation mark (v1.33.15, internal/ini).
func loadDefault(ctx context.Context, with []func(*config.LoadOptions) error) (cfg aws.Config, err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("a setting in AWS's shared files has an unmatched quotation mark")
		}
	}()
	return config.LoadDefaultConfig(ctx, with...)
}

// webIdentityClient exchanges web identity tokens. The SDK makes its own client
// before it reads AWS_ENDPOINT_URL (config v1.33.15), which would bypass the
// sandbox; this one is made on use.
type webIdentityClient struct{ cfg aws.Config }

// AssumeRoleWithWebIdentity implements stscreds.AssumeRoleWithWebIdentityAPIClient.
func (c *webIdentityClient) AssumeRoleWithWebIdentity(ctx context.Context, in *sts.AssumeRoleWithWebIdentityInput, opts ...func(*sts.Options)) (*sts.AssumeRoleWithWebIdentityOutput, error) {
	cfg := c.cfg
	cfg.Credentials = nil // the call is not signed
	if cfg.Region == "" || cfg.Region == "auto" {
		cfg.Region = fallbackRegion
	}
	return sts.NewFromConfig(cfg).AssumeRoleWithWebIdentity(ctx, in, opts...)
}

// chosenProfile is the profile to name in errors: from Options or AWS_PROFILE,
// unless keys take precedence.
func (o Options) chosenProfile() string {
	if o.AccessKeyID != "" || o.Profile != "" {
		return o.Profile
	}
	env, err := config.NewEnvConfig()
	if err != nil || env.Credentials.HasKeys() {
		return ""
	}
	return env.SharedConfigProfile
}

// instanceCredentials uses the metadata service of an EC2 instance, the end of the
// chain. A laptop has none and should not wait for it: this makes one attempt, with
// the SDK's short timeouts for this client.
func instanceCredentials(cfg aws.Config) aws.CredentialsProvider {
	cfg.Retryer = func() aws.Retryer { return aws.NopRetryer{} }
	client := imds.NewFromConfig(cfg)
	return aws.NewCredentialsCache(ec2rolecreds.New(func(o *ec2rolecreds.Options) {
		o.Client = client
	}))
}

// apiOptions adds the user agent, receipts and the trace to every call.
func (o Options) apiOptions() []func(*middleware.Stack) error {
	fns := []func(*middleware.Stack) error{checkAnswers, addReceipts}
	if name, version, ok := strings.Cut(o.UserAgent, "/"); ok {
		fns = append(fns, awsmiddleware.AddUserAgentKeyValue(name, version))
	} else if name != "" {
		fns = append(fns, awsmiddleware.AddUserAgentKey(name))
	}
	if o.Passive {
		fns = append(fns, refuseRenewal)
	}
	if o.Trace != nil {
		fns = append(fns, traceWith(o.Trace))
	}
	return fns
}

// httpClient keeps idle connections for all concurrent calls; the SDK's default
// keeps ten per host.
func httpClient() *awshttp.BuildableClient {
	return awshttp.NewBuildableClient().
		WithTimeout(callTimeout).
		WithDialerOptions(func(d *net.Dialer) { d.Timeout = dialTimeout }).
		WithTransportOptions(func(t *http.Transport) { t.MaxIdleConnsPerHost = maxInFlight })
}

// bodyInMemory gives net/http the request body in memory. smithy-go's reader (v1.28.8)
// fails with io.EOF if it is closed while net/http still copies from it, as when a
// local server responds early; net/http then treats the write as failed and closes
// the connection before the response is read.
type bodyInMemory struct{ aws.HTTPClient }

// Do implements aws.HTTPClient.
func (c bodyInMemory) Do(req *http.Request) (*http.Response, error) {
	if req.Body == nil {
		return c.HTTPClient.Do(req)
	}
	body, err := io.ReadAll(req.Body)
	if err := errors.Join(err, req.Body.Close()); err != nil {
		return nil, err
	}
	req = req.Clone(req.Context())
	req.Body = io.NopCloser(bytes.NewReader(body))
	return c.HTTPClient.Do(req)
}

// finishWrites lets a write that has started finish after its context ends, within
// callTimeout. It handles a single attempt; the SDK does not start another one.
type finishWrites struct{ aws.HTTPClient }

// Do implements aws.HTTPClient.
func (c finishWrites) Do(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if isWrite(ctx) {
		req = req.WithContext(context.WithoutCancel(ctx))
	}
	return c.HTTPClient.Do(req)
}

// isWrite reports whether ctx is for an IAM call that is neither a Get nor a List.
func isWrite(ctx context.Context) bool {
	operation := awsmiddleware.GetOperationName(ctx)
	return awsmiddleware.GetServiceID(ctx) == iam.ServiceID &&
		!strings.HasPrefix(operation, "Get") && !strings.HasPrefix(operation, "List")
}

// retryer retries throttling, server errors and network errors.
func (o Options) retryer() aws.Retryer {
	standard := func(s *retry.StandardOptions) {
		s.MaxAttempts = maxAttempts
		// The attempts of each call are bounded; a bound across calls would fail a
		// large run that only needs to slow down.
		s.RateLimiter = ratelimit.None
		s.Backoff = retry.BackoffDelayerFunc(func(attempt int, err error) (time.Duration, error) {
			if o.Pause != nil {
				return o.Pause(attempt), nil
			}
			return backoff(attempt, isThrottle(err)), nil
		})
	}
	if o.Pause != nil {
		return retry.NewStandard(standard)
	}
	return &lenientRetryer{AdaptiveMode: retry.NewAdaptiveMode(func(m *retry.AdaptiveModeOptions) {
		m.StandardOptions = append(m.StandardOptions, standard)
	})}
}

// A lenientRetryer is the SDK's adaptive retryer, which limits the rate of all
// calls once AWS throttles, but it ignores the first few refusals. A large run
// needs the limit: with backoff alone, hundreds of calls run out of attempts. A
// burst of reads does not, and would wait seconds after a single refusal, because
// the limiter has hardly measured the rate yet.
type lenientRetryer struct {
	*retry.AdaptiveMode
	throttled atomic.Int64
}

// GetAttemptToken implements aws.RetryerV2.
func (r *lenientRetryer) GetAttemptToken(ctx context.Context) (func(error) error, error) {
	const forgiven = 8
	release, err := r.AdaptiveMode.GetAttemptToken(ctx)
	if err != nil {
		return nil, err
	}
	return func(result error) error {
		if result != nil && isThrottle(result) && r.throttled.Add(1) <= forgiven {
			result = nil
		}
		return release(result)
	}, nil
}

// backoff is the delay after the nth attempt, counted from 1: random, below a bound
// that doubles. After throttling it takes seconds; after a broken connection, a
// retry may succeed immediately.
func backoff(attempt int, throttled bool) time.Duration {
	first, most := 100*time.Millisecond, 2*time.Second
	if throttled {
		first, most = time.Second, 15*time.Second
	}
	bound := min(first<<min(attempt-1, 10), most)
	return bound/2 + rand.N(bound/2) //nolint:gosec // jitter, not a secret
}

// consistencyPauses are the pauses while IAM propagates a new role, about 20
// seconds in total:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency
func consistencyPauses(pause func(int) time.Duration) []time.Duration {
	pauses := []time.Duration{
		250 * time.Millisecond, 500 * time.Millisecond, time.Second,
		2 * time.Second, 4 * time.Second, 4 * time.Second, 8 * time.Second,
	}
	if pause != nil {
		for i := range pauses {
			pauses[i] = pause(i + 1)
		}
	}
	return pauses
}

// wait pauses for d or until ctx ends.
func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// call sends one request once a slot is free, and returns the response or a typed
// error.
func call[I, O, P any](ctx context.Context, a *Account, do func(context.Context, *I, ...func(*P)) (*O, error), in *I) (*O, error) {
	select {
	case a.slots <- struct{}{}:
		defer func() { <-a.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	out, err := do(ctx, in)
	if err != nil {
		return nil, a.typed(ctx, err)
	}
	return out, nil
}

// signer is the credentials provider of all calls. It makes the chain's errors a
// *CredentialsError.
type signer struct {
	next    aws.CredentialsProvider
	account *Account
}

// Retrieve implements aws.CredentialsProvider.
func (s *signer) Retrieve(ctx context.Context) (aws.Credentials, error) {
	c, err := s.next.Retrieve(ctx)
	if err == nil {
		return c, nil
	}
	if ctx.Err() != nil {
		return c, ctx.Err()
	}
	return c, s.account.credentialsError(s.next, err)
}

// signIn gets credentials before parallel calls, so that missing credentials are
// one error, without retries.
func (a *Account) signIn(ctx context.Context) error {
	_, err := a.credentials.Retrieve(ctx)
	return err
}
