package wizard

import (
	"context"
	"fmt"

	"github.com/fly-aws/fly-aws/setup"
)

// Sources look up what the wizard needs to know. If one fails, the wizard asks for text and
// shows what could not be checked. Results are cached, so that going back does not repeat
// lookups. All of them must stop when ctx ends. Only DescribePolicy is called while another
// call is running.
type Sources interface {
	// Profiles lists the AWS profiles to choose from, in order; none if the environment
	// has already chosen (AWS_PROFILE, keys).
	Profiles(ctx context.Context) ([]string, error)
	// Identity signs in with a profile; "" for AWS's default credential chain.
	Identity(ctx context.Context, profile string) (Identity, error)
	// Policies lists the managed policies that can be attached to a role.
	Policies(ctx context.Context, profile string) ([]setup.ManagedPolicy, error)
	// DescribePolicy returns a managed policy's description. It is called for the one
	// under the cursor, if Policies left its Description empty.
	DescribePolicy(ctx context.Context, profile, arn string) (string, error)

	// Roles returns what each of the named roles may do already, by name as given. It
	// leaves out those that do not exist or are not fly-aws's for the organization.
	Roles(ctx context.Context, profile, org string, names []string) (map[string]Access, error)

	// Organizations lists the user's Fly organizations.
	Organizations(ctx context.Context) ([]setup.Organization, error)
	// Apps lists the names of an organization's apps, by its raw slug.
	Apps(ctx context.Context, org string) ([]string, error)

	// Configs lists the config files found, the folder's own first.
	Configs(ctx context.Context) ([]setup.AppConfig, error)
	// ConfigAt reads the config file at a path, or in the folder at that path.
	ConfigAt(ctx context.Context, path string) (setup.AppConfig, error)
	// PolicyFile reads a file with a permissions policy, as --inline-policy does.
	PolicyFile(ctx context.Context, path string) (setup.InlinePolicy, error)
}

// An Identity is an AWS identity and its account.
type Identity struct {
	// Account is the 12-digit ID; Alias the account's alias, or "".
	Account, Alias string
	// Partition is an AWS partition, such as "aws".
	Partition string
	// Caller is the ARN of the identity.
	Caller string
	// Region is the configured AWS region, or "".
	Region string
	// Note is a sentence about the account to show, or "".
	Note string
}

// An Access is what a role may do already.
type Access struct {
	// Policies are the managed policies attached to it, by name or ARN.
	Policies []string
	// Presets are presets that make inline policies of the role. Region is the one of
	// their resources, if they need one.
	Presets []setup.Preset
	Region  string
	// Inline are the names of its other inline policies.
	Inline []string
}

// cache wraps Sources and looks up each thing once.
type cache struct {
	Sources
	results map[string]any // by kind of lookup and argument
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

// Profiles returns a cached result.
func (c *cache) Profiles(ctx context.Context) ([]string, error) {
	return once(ctx, c, "profiles", func() ([]string, error) { return c.Sources.Profiles(ctx) })
}

// Identity caches a result per profile, but not a failure: the user may have signed in
// meanwhile.
func (c *cache) Identity(ctx context.Context, profile string) (Identity, error) {
	key := "identity " + profile
	id, err := once(ctx, c, key, func() (Identity, error) { return c.Sources.Identity(ctx, profile) })
	if err != nil {
		delete(c.results, key)
	}
	return id, err
}

// Policies caches a result per profile.
func (c *cache) Policies(ctx context.Context, profile string) ([]setup.ManagedPolicy, error) {
	return once(ctx, c, "policies "+profile, func() ([]setup.ManagedPolicy, error) { return c.Sources.Policies(ctx, profile) })
}

// Roles caches a result per profile, organization and names.
func (c *cache) Roles(ctx context.Context, profile, org string, names []string) (map[string]Access, error) {
	key := fmt.Sprint("roles ", profile, " ", org, " ", names)
	return once(ctx, c, key, func() (map[string]Access, error) { return c.Sources.Roles(ctx, profile, org, names) })
}

// Organizations returns a cached result.
func (c *cache) Organizations(ctx context.Context) ([]setup.Organization, error) {
	return once(ctx, c, "organizations", func() ([]setup.Organization, error) { return c.Sources.Organizations(ctx) })
}

// Apps caches a result per organization.
func (c *cache) Apps(ctx context.Context, org string) ([]string, error) {
	return once(ctx, c, "apps "+org, func() ([]string, error) { return c.Sources.Apps(ctx, org) })
}

// Configs returns a cached result.
func (c *cache) Configs(ctx context.Context) ([]setup.AppConfig, error) {
	return once(ctx, c, "configs", func() ([]setup.AppConfig, error) { return c.Sources.Configs(ctx) })
}
