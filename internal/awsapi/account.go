package awsapi

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
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

// Limits of the traffic with AWS.
const (
	// maxInFlight bounds the calls that are under way at a time, and with them
	// the connections.
	maxInFlight = 40
	// maxAttempts bounds the attempts of one call.
	maxAttempts = 6
	// callTimeout bounds one attempt, so that a server that never answers is
	// an error. The slowest call is a page of account details.
	callTimeout = 20 * time.Second
	dialTimeout = 5 * time.Second
	// fallbackRegion serves where none is configured. IAM is one service for
	// all regions of the aws partition, answered from this one:
	// https://docs.aws.amazon.com/IAM/latest/UserGuide/introduction.html
	fallbackRegion = "us-east-1"
)

// Options say how to reach AWS. The zero value uses the SDK's default chain:
// environment, shared configuration files, container and instance credentials.
type Options struct {
	// Profile is the name of a profile in the shared configuration files; empty
	// for AWS_PROFILE or the default one.
	Profile string
	// Region overrides the configured one. IAM needs it only to tell the
	// partition: for an account outside the partition aws one must be configured
	// or given; otherwise us-east-1 is used.
	Region string
	// Endpoint is the base URL of IAM and STS; empty for AWS's own or what
	// AWS_ENDPOINT_URL says.
	Endpoint string
	// AccessKeyID and SecretAccessKey are used as they are; with them nothing is
	// taken from the environment or from configuration files.
	AccessKeyID, SecretAccessKey string
	// Anonymous is for Exchange alone, which is not signed: no credentials and no
	// configuration files are looked at, only the environment's region and
	// endpoint. So it works where a profile is broken, or is itself to be served.
	Anonymous bool
	// Trace, if set, is called after every attempt that was sent; never by two
	// goroutines at once.
	Trace func(Call)
	// UserAgent is added to the SDK's: "fly-aws/1.2.3".
	UserAgent string
	// Pause, if set, gives the delay after the attempt of that number, from 1,
	// in place of an exponential backoff and of the limit on the rate of calls
	// that has been throttled: for a server that does not need them.
	Pause func(attempt int) time.Duration
}

// Account is an AWS account reached with somebody's credentials. Its methods
// may be called from several goroutines.
type Account struct {
	iam         *iam.Client
	sts         *sts.Client
	credentials aws.CredentialsProvider
	profile     string
	// region is the configured one; "" when fallbackRegion is used.
	region string
	// slots has room for each call that may be under way.
	slots chan struct{}
	// consistencyPauses are the pauses between tries of a write that IAM may not be
	// ready for yet.
	consistencyPauses []time.Duration

	mu sync.Mutex
	// prefetched is what Facts learned of roles, until a Read takes it.
	prefetched views
	// created holds the roles made by this Account, emptied those that it deleted
	// policies of.
	created, emptied map[roleKey]bool
}

var _ setup.Account = (*Account)(nil)

// Open loads configuration; it makes no call, and no credentials are looked for
// yet. Its error is a *CredentialsError for a profile that does not exist or
// configuration that cannot be used, or the end of ctx.
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
	// "auto" is what Tigris, Fly's object storage, puts in AWS_REGION; no AWS
	// service has such a region.
	if cfg.Region == "" || cfg.Region == "auto" {
		cfg.Region = fallbackRegion
	} else {
		a.region = cfg.Region
	}
	cfg.HTTPClient = wholeWrites{wholeBody{cfg.HTTPClient}}
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

// Region is the region configured for AWS calls, by Options, the environment or
// the profile; "" when none is, or when it is "auto", which is not a region of AWS's.
func (a *Account) Region() string { return a.region }

// staticConfig is the configuration for keys that were given: nothing comes from
// the environment.
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
		// The SDK's own warnings would be written between our lines.
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
	web.cfg = cfg
	if aws.IsCredentialsProvider(cfg.Credentials, (*ec2rolecreds.Provider)(nil)) {
		cfg.Credentials = instanceCredentials(cfg)
	}
	return cfg, nil
}

// loadDefault is config.LoadDefaultConfig, which panics at a shared file with a
// setting whose value is one quotation mark (v1.33.15, internal/ini).
func loadDefault(ctx context.Context, with []func(*config.LoadOptions) error) (cfg aws.Config, err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("a setting in AWS's shared files has a quotation mark without its other half")
		}
	}()
	return config.LoadDefaultConfig(ctx, with...)
}

// webIdentityClient exchanges the token of a web identity. The SDK would make its
// client before it knows of AWS_ENDPOINT_URL (config v1.33.15), so that a test
// world is passed by; this one is made when it is used.
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

// chosenProfile is the profile to name in errors: the one that was asked for or
// that AWS_PROFILE chose, unless keys go before it.
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

// instanceCredentials asks the metadata service of an EC2 instance, which is the
// end of the chain. Where there is none, as on a laptop, that has to be found out
// soon: one attempt, with the short timeouts that the SDK sets for this client.
func instanceCredentials(cfg aws.Config) aws.CredentialsProvider {
	cfg.Retryer = func() aws.Retryer { return aws.NopRetryer{} }
	client := imds.NewFromConfig(cfg)
	return aws.NewCredentialsCache(ec2rolecreds.New(func(o *ec2rolecreds.Options) {
		o.Client = client
	}))
}

// apiOptions puts user agent and trace into every call.
func (o Options) apiOptions() []func(*middleware.Stack) error {
	fns := []func(*middleware.Stack) error{checkAnswers}
	if name, version, ok := strings.Cut(o.UserAgent, "/"); ok {
		fns = append(fns, awsmiddleware.AddUserAgentKeyValue(name, version))
	} else if name != "" {
		fns = append(fns, awsmiddleware.AddUserAgentKey(name))
	}
	if o.Trace != nil {
		fns = append(fns, traceWith(o.Trace))
	}
	return fns
}

// httpClient keeps a connection for every call that may be under way; the SDK's
// own keeps ten a host, and the others would be opened anew each time.
func httpClient() *awshttp.BuildableClient {
	return awshttp.NewBuildableClient().
		WithTimeout(callTimeout).
		WithDialerOptions(func(d *net.Dialer) { d.Timeout = dialTimeout }).
		WithTransportOptions(func(t *http.Transport) { t.MaxIdleConnsPerHost = maxInFlight })
}

// wholeBody hands net/http the body of a request in memory. smithy-go's own
// reader (v1.28.8) ends with io.EOF when it is closed while net/http still copies
// from it, which happens when a near server answers early; net/http then takes
// the write for failed and drops the connection below the answer.
type wholeBody struct{ aws.HTTPClient }

// Do implements aws.HTTPClient.
func (c wholeBody) Do(req *http.Request) (*http.Response, error) {
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

// wholeWrites finishes a writing call that has begun when its context ends, within
// callTimeout. It sees a single attempt; the SDK begins no other after that.
type wholeWrites struct{ aws.HTTPClient }

// Do implements aws.HTTPClient.
func (c wholeWrites) Do(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if isWrite(ctx) {
		req = req.WithContext(context.WithoutCancel(ctx))
	}
	return c.HTTPClient.Do(req)
}

// isWrite says whether ctx is that of a call that changes the account: any of
// IAM's that neither gets nor lists.
func isWrite(ctx context.Context) bool {
	operation := awsmiddleware.GetOperationName(ctx)
	return awsmiddleware.GetServiceID(ctx) == iam.ServiceID &&
		!strings.HasPrefix(operation, "Get") && !strings.HasPrefix(operation, "List")
}

// retryer retries throttling, server errors and network errors.
func (o Options) retryer() aws.Retryer {
	standard := func(s *retry.StandardOptions) {
		s.MaxAttempts = maxAttempts
		// The attempts of a call are bounded already; a bound on those of all
		// calls together would end a large run that only has to go slower.
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
// calls together once AWS throttles, but not for the first few refusals. A fleet
// needs the limit: with backoff alone hundreds of calls run out of attempts. A
// burst of reads does not, and the limiter, which starts from a rate that it has
// hardly measured, would answer a single refusal with seconds of waiting.
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

// backoff is the delay after the attempt of that number, from 1: random below a
// bound that doubles. A throttled account needs seconds; after a connection that
// broke another try may well succeed at once.
func backoff(attempt int, throttled bool) time.Duration {
	first, most := 100*time.Millisecond, 2*time.Second
	if throttled {
		first, most = time.Second, 15*time.Second
	}
	bound := min(first<<min(attempt-1, 10), most)
	return bound/2 + rand.N(bound/2) //nolint:gosec // jitter is no secret
}

// consistencyPauses are the pauses while IAM makes a new role visible everywhere,
// about 20 seconds in all:
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

// call sends one request when there is a slot for it, and returns the answer or a
// typed error.
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

// signer is the credentials provider of all calls; it turns the chain's errors
// into a *CredentialsError.
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

// signIn makes sure that there are credentials before calls go out together, so
// that their lack is one error, and found without the retries of a call.
func (a *Account) signIn(ctx context.Context) error {
	_, err := a.credentials.Retrieve(ctx)
	return err
}
