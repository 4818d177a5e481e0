package wizard

import (
	"context"

	"github.com/fly-aws/fly-aws/setup"
)

// Sources are what the wizard has to know of the world. Any of them may fail:
// then the wizard asks for text and says what could not be checked. What they
// answer is remembered, so that going back asks nothing twice. All obey the end
// of ctx. No two are called at once, but for DescribePolicy.
type Sources interface {
	// Profiles lists the AWS profiles to choose from, in their order; none where
	// the surroundings have chosen already (AWS_PROFILE, keys in the environment).
	Profiles(ctx context.Context) ([]string, error)
	// Identity signs in with a profile; "" for what AWS's own rules find.
	Identity(ctx context.Context, profile string) (Identity, error)
	// Policies lists the managed policies that can be attached to a role.
	Policies(ctx context.Context, profile string) ([]ManagedPolicy, error)
	// DescribePolicy gives the description of one of them, by its ARN; it is asked
	// for the one under the cursor, if Policies left its Description empty.
	DescribePolicy(ctx context.Context, profile, arn string) (string, error)

	// Organizations lists the Fly organizations of whoever is signed in.
	Organizations(ctx context.Context) ([]Organization, error)
	// Apps lists the names of the apps of an organization, by its raw slug.
	Apps(ctx context.Context, org string) ([]string, error)

	// Configs lists the config files that are known, the folder's own first.
	Configs(ctx context.Context) ([]Config, error)
	// ConfigAt reads the config file at a path, which may be that of its folder.
	ConfigAt(ctx context.Context, path string) (Config, error)
	// PolicyFile reads a file with a permissions policy, as --inline-policy does.
	PolicyFile(ctx context.Context, path string) (setup.InlinePolicy, error)
}

// An Identity is who is signed in to AWS, and where.
type Identity struct {
	// Account is the 12-digit ID; Alias the account's alias, or "".
	Account, Alias string
	// Partition is "aws", "aws-cn" or "aws-us-gov".
	Partition string
	// Caller is the ARN of the identity.
	Caller string
	// Region is the one configured for AWS calls, or "".
	Region string
}

// A ManagedPolicy is a managed policy of AWS's or of the account's.
type ManagedPolicy struct {
	Name, ARN string
	// Description may be "", as IAM leaves it out of its lists.
	Description string
}

// An Organization is a Fly organization.
type Organization struct {
	// Slug is what Fly's tools show, "personal" for the person's own; RawSlug is
	// what tokens carry.
	Slug, RawSlug string
	// Name is free text.
	Name string
}

// A Config is an app's config file.
type Config struct {
	// Path is as --config takes it.
	Path string
	// Own says that it is the folder's own, which is found without --config.
	Own bool
	// App is the app it names, or "".
	App string
	// Org is the raw slug of the app's organization, or "" where that is not known.
	Org string
	// PrimaryRegion is Fly's, such as "fra"; or "".
	PrimaryRegion string
	// AWSRegion is the AWS_REGION it has already, or "".
	AWSRegion string
}

// cache is Sources that asks each thing once.
type cache struct {
	Sources
	results map[string]any // a result by what was asked
}

func newCache(s Sources) *cache { return &cache{Sources: s, results: map[string]any{}} }

type result[T any] struct {
	value T
	err   error
}

func once[T any](ctx context.Context, c *cache, key string, ask func() (T, error)) (T, error) {
	if r, ok := c.results[key].(result[T]); ok {
		return r.value, r.err
	}
	value, err := ask()
	if ctx.Err() == nil {
		c.results[key] = result[T]{value, err}
	}
	return value, err
}

// Profiles asks once.
func (c *cache) Profiles(ctx context.Context) ([]string, error) {
	return once(ctx, c, "profiles", func() ([]string, error) { return c.Sources.Profiles(ctx) })
}

// Identity asks once a profile, and again after a failure: the person may have
// signed in meanwhile.
func (c *cache) Identity(ctx context.Context, profile string) (Identity, error) {
	key := "identity " + profile
	id, err := once(ctx, c, key, func() (Identity, error) { return c.Sources.Identity(ctx, profile) })
	if err != nil {
		delete(c.results, key)
	}
	return id, err
}

// Policies asks once a profile.
func (c *cache) Policies(ctx context.Context, profile string) ([]ManagedPolicy, error) {
	return once(ctx, c, "policies "+profile, func() ([]ManagedPolicy, error) { return c.Sources.Policies(ctx, profile) })
}

// Organizations asks once.
func (c *cache) Organizations(ctx context.Context) ([]Organization, error) {
	return once(ctx, c, "organizations", func() ([]Organization, error) { return c.Sources.Organizations(ctx) })
}

// Apps asks once an organization.
func (c *cache) Apps(ctx context.Context, org string) ([]string, error) {
	return once(ctx, c, "apps "+org, func() ([]string, error) { return c.Sources.Apps(ctx, org) })
}

// Configs asks once.
func (c *cache) Configs(ctx context.Context) ([]Config, error) {
	return once(ctx, c, "configs", func() ([]Config, error) { return c.Sources.Configs(ctx) })
}
