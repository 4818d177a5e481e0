package setup

import (
	"strings"

	"github.com/fly-aws/fly-aws/trustpolicy"
)

// Tag keys that mark what fly-aws owns. IAM keeps tags in the call that creates
// a resource, so there is no moment at which something of ours is not marked.
const (
	// TagOrg holds the org slug. A role or provider with it is ours.
	TagOrg = "fly-aws:org"
	// TagApp holds the app's name on the role of one app; a shared role has none,
	// or an empty one.
	TagApp = "fly-aws:app"
	// TagAdopted is "true" on a role that existed before fly-aws took it over, so
	// that it is never deleted with what we made ourselves.
	TagAdopted = "fly-aws:adopted"

	// ourTags is what the keys of our tags begin with.
	ourTags = "fly-aws:"
)

// Names of the variables written to a fly.toml.
const (
	// EnvRoleARN makes Fly's init keep a token file for the AWS SDKs.
	EnvRoleARN = "AWS_ROLE_ARN"
	// EnvRegion is not set by Fly; every SDK needs it.
	EnvRegion = "AWS_REGION"
)

// A Resource is one thing that fly-aws reads and writes, as it is or as it is to
// be. Exactly one field is set.
type Resource struct {
	Provider *Provider `json:"provider,omitempty"`
	Role     *Role     `json:"role,omitempty"`
	Policy   *Policy   `json:"policy,omitempty"`
	Env      *Env      `json:"env,omitempty"`
}

// A Provider is an IAM OIDC identity provider.
type Provider struct {
	// ARN is arn:<partition>:iam::<account>:oidc-provider/oidc.fly.io/<org>.
	ARN string `json:"arn"`
	// URL is the issuer, with its scheme: https://oidc.fly.io/<org>.
	URL string `json:"url"`
	// Audiences is the provider's ClientIDList.
	Audiences []string          `json:"audiences"`
	Tags      map[string]string `json:"tags,omitempty"`
}

// A Role is an IAM role without its permissions.
type Role struct {
	ARN  string `json:"arn"`
	Name string `json:"name"`
	// Path begins and ends with a slash.
	Path string `json:"path"`
	// Description is set at creation and not compared afterwards.
	Description string `json:"description,omitempty"`
	// Trust is the whole trust policy.
	Trust *trustpolicy.Policy `json:"trust"`
	// MaxSession is the maximum session duration in seconds, 3600 to 43200; 0 when it
	// is not known or, in a role to create, IAM's default.
	MaxSession int32 `json:"max_session_seconds,omitempty"`
	// Boundary is the ARN of the permissions boundary.
	Boundary string            `json:"permissions_boundary,omitempty"`
	Tags     map[string]string `json:"tags,omitempty"`
	// InstanceProfiles are the names of those that hold the role. Account.Roles alone
	// fills it.
	InstanceProfiles []string `json:"instance_profiles,omitempty"`
}

// A Policy is one permission of a role: a managed policy attached to it (ARN),
// or an inline policy in it (Name and Document).
type Policy struct {
	Role     string   `json:"role"`
	ARN      string   `json:"arn,omitempty"`
	Name     string   `json:"name,omitempty"`
	Document Document `json:"document,omitzero"`
}

// An Env is one entry of the [env] table of an app's fly.toml.
type Env struct {
	// Config is the file's path as the person gave it.
	Config string `json:"config"`
	// App is the app the file must be for.
	App   string `json:"app"`
	Key   string `json:"key"`
	Value string `json:"value"`
	// IfAbsent says that any value already there is kept.
	IfAbsent bool `json:"if_absent,omitempty"`
}

// ID identifies the resource, the same for what is there and what is to be. It is
// the key of a map and of JSON, not to be taken apart. A role's name counts without
// its case: IAM allows no two roles whose names differ in nothing else (IAM API
// reference, CreateRole).
func (r Resource) ID() string {
	switch {
	case r.Provider != nil:
		return "provider:" + r.Provider.ARN
	case r.Role != nil:
		return "role:" + strings.ToLower(r.Role.Name)
	case r.Policy != nil && r.Policy.ARN != "":
		return "attachment:" + strings.ToLower(r.Policy.Role) + ":" + r.Policy.ARN
	case r.Policy != nil:
		return "inline:" + strings.ToLower(r.Policy.Role) + ":" + r.Policy.Name
	case r.Env != nil:
		return "env:" + r.Env.Config + ":" + r.Env.Key
	}
	return ""
}
