package setup

import (
	"strings"
	"time"

	"github.com/fly-aws/fly-aws/trustpolicy"
)

// Tag keys that mark what fly-aws owns. They are set in the call that creates a resource,
// so a resource of ours is never without them.
const (
	// TagOrg holds the org slug. A role or provider with it is ours.
	TagOrg = "fly-aws:org"
	// TagApp holds the app's name on the role of one app; on a shared role it is absent or
	// empty.
	TagApp = "fly-aws:app"
	// TagAdopted is "true" on a role that existed before fly-aws adopted it, so that
	// PlanDestroy does not delete it.
	TagAdopted = "fly-aws:adopted"

	// TagFile holds the name of the request file that made the role; absent on a role that
	// was made without one.
	TagFile = "fly-aws:file"
	// TagManagedBy says what manages the role or provider instead of fly-aws, such as
	// "terraform". Whatever its other tags are, such a resource is not ours: it is neither
	// written nor deleted, also with Adopt or Prune. An empty value counts as absent.
	TagManagedBy = "fly-aws:managed-by"

	// ourTags is the prefix of our tag keys.
	ourTags = "fly-aws:"
)

// ManagerTerraform is the value of TagManagedBy on what was handed over to Terraform,
// ManagerCloudFormation on what was handed over to CloudFormation.
const (
	ManagerTerraform      = "terraform"
	ManagerCloudFormation = "cloudformation"
)

// Names of the variables written to a fly.toml.
const (
	// EnvRoleARN makes Fly's init maintain a token file for the AWS SDKs.
	EnvRoleARN = "AWS_ROLE_ARN"
	// EnvRegion is needed by the AWS SDKs and not set by Fly.
	EnvRegion = "AWS_REGION"
)

// A Resource is one thing that fly-aws reads and writes, in its current or desired
// state. Exactly one field is set.
type Resource struct {
	Provider *Provider   `json:"provider,omitempty"`
	Role     *Role       `json:"role,omitempty"`
	Policy   *RolePolicy `json:"policy,omitempty"`
	Env      *Env        `json:"env,omitempty"`
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
	// MaxSession is the maximum session duration in seconds, 3600 to 43200; 0 if unknown
	// or, for a role to create, IAM's default.
	MaxSession int32 `json:"max_session_seconds,omitempty"`
	// Boundary is the ARN of the permissions boundary.
	Boundary string            `json:"permissions_boundary,omitempty"`
	Tags     map[string]string `json:"tags,omitempty"`
	// InstanceProfiles are the names of the instance profiles with the role. Only
	// Account.Roles sets it.
	InstanceProfiles []string `json:"instance_profiles,omitempty"`
	// LastUsed is when AWS last recorded a use of the role, in the last 400 days; zero if
	// unknown. Only Account.Roles sets it.
	LastUsed time.Time `json:"-"`
}

// A RolePolicy is a managed policy attached to a role (ARN) or an inline policy in it (Name
// and Document).
type RolePolicy struct {
	Role     string   `json:"role"`
	ARN      string   `json:"arn,omitempty"`
	Name     string   `json:"name,omitempty"`
	Document Document `json:"document,omitzero"`
}

// An Env is one entry of the [env] table of an app's fly.toml.
type Env struct {
	// Config is the file's path as the user gave it.
	Config string `json:"config"`
	// App is the app the file must be for.
	App   string `json:"app"`
	Key   string `json:"key"`
	Value string `json:"value"`
	// IfAbsent keeps an existing value.
	IfAbsent bool `json:"if_absent,omitempty"`
}

// ID identifies the resource in both its current and desired state. It is opaque, for use
// as a key. It ignores the case of a role's name, as IAM does (IAM API reference,
// CreateRole).
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

// ManagedBy returns what manages a role or provider instead of fly-aws; "" for fly-aws and
// for other resources.
func (r Resource) ManagedBy() string {
	var tags map[string]string
	switch {
	case r.Provider != nil:
		tags = r.Provider.Tags
	case r.Role != nil:
		tags = r.Role.Tags
	}
	for key, value := range tags { // IAM ignores the case of a role's tag keys
		if strings.EqualFold(key, TagManagedBy) && value != "" {
			return value
		}
	}
	return ""
}
