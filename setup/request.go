package setup

import (
	"cmp"
	"slices"
	"strings"

	"github.com/fly-aws/fly-aws/internal/flyname"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

// A Request is what the user asked for through flags, a form or a file.
type Request struct {
	// Org is the raw slug of the Fly organization. If it is empty or the alias
	// "personal", Fly is asked for the organization of the apps.
	Org string `json:"org"`
	// Account, if set, is the only account that the plan may be for: 12 digits.
	Account string `json:"account,omitempty"`
	// File is the name of the request file, its scope; empty for a request from flags.
	// The roles that it creates carry it as the tag TagFile.
	File string `json:"file,omitempty"`
	// Partial says that the file has more roles than the request. Then nothing is pruned.
	Partial bool `json:"partial,omitempty"`
	// Audience is the audience of the tokens; empty for sts.amazonaws.com.
	Audience string `json:"audience,omitempty"`
	// Region is the AWS region for apps without a Region of their own: the region of
	// resources that presets name, and AWS_REGION in a config file that has none.
	Region string `json:"region,omitempty"`
	// Adopt takes over what others made: an existing role that is not ours, and our
	// statement where it was narrowed by hand.
	Adopt bool `json:"adopt,omitempty"`
	// Prune deletes the extras of the request's roles, except for what narrows access.
	Prune bool `json:"prune,omitempty"`
	// Prove has a running machine of each app mint a token and compares its claims with
	// the plan.
	Prove bool `json:"-"`
	// Manager is who will make the plan's changes, as in TagManagedBy; empty for World.Apply,
	// which refuses other plans. What was handed over to it is planned as ours, and roles
	// are read with all they have.
	Manager string        `json:"-"`
	Roles   []RoleRequest `json:"roles"`
}

// A RoleRequest is a role and who may assume it. Zero fields leave an existing role as
// it is.
type RoleRequest struct {
	// Name has at most 64 characters; empty for fly-<org>-<app> with the first app.
	Name string `json:"name,omitempty"`
	// Apps are the apps that may assume the role. A role with several is shared.
	Apps []App `json:"apps"`
	// Except are apps that may not assume it, although a pattern in Apps matches them.
	Except []string `json:"except,omitempty"`
	// Unmanaged says that the role is only watched: differences are reported, and nothing
	// is written.
	Unmanaged bool `json:"unmanaged,omitempty"`
	// Trust is the trust policy that an unmanaged role should have.
	Trust *trustpolicy.Policy `json:"trust,omitempty"`

	// Path begins and ends with a slash; empty for "/".
	Path string `json:"path,omitempty"`
	// MaxSession is in seconds, 3600 to 43200; 0 for AWS's default of an hour.
	MaxSession int32 `json:"max_session_seconds,omitempty"`
	// Boundary is the permissions boundary, a managed policy by name or ARN.
	Boundary string `json:"permissions_boundary,omitempty"`
	// SessionTags allows sts:TagSession, for tokens with session tags.
	SessionTags bool `json:"session_tags,omitempty"`
	// Conditions narrow our statement.
	Conditions []trustpolicy.Condition `json:"conditions,omitempty"`
	Tags       map[string]string       `json:"tags,omitempty"`

	// Region is the AWS region of the resources that Presets name; empty for the one of
	// the apps.
	Region string `json:"region,omitempty"`
	// Policies are managed policies by name or ARN.
	Policies []string `json:"policies,omitempty"`
	// Presets become inline policies.
	Presets []Preset       `json:"presets,omitempty"`
	Inline  []InlinePolicy `json:"inline,omitempty"`

	// Keep names extras that are not reported and not pruned: "policy:SecurityAudit",
	// "statement:BreakGlass". See Extra.Keep.
	Keep []string `json:"keep,omitempty"`
}

// An App is an app that may assume a role.
type App struct {
	// Name is the app's name, or the beginning of names followed by an asterisk:
	// "tenant-*".
	Name string `json:"name"`
	// Machines limits access to machines with these names. Empty leaves the limit of an
	// existing role as it is; AllMachines lifts it.
	Machines []string `json:"machines,omitempty"`
	// Config is the path of the app's fly.toml; empty if it is not known. A fly.json or
	// fly.yaml is read for warnings and not edited.
	Config string `json:"config,omitempty"`
	// ARN says where the role's ARN is kept.
	ARN ARNPlace `json:"arn,omitempty"`
	// Env is the variable that holds the role's ARN; empty for AWS_ROLE_ARN.
	Env string `json:"env,omitempty"`
	// Region is the app's AWS region. If it is not empty, AWS_REGION in Config is changed
	// to it.
	Region string `json:"region,omitempty"`
}

// An ARNPlace says where an app keeps its role's ARN.
type ARNPlace string

// The places.
const (
	ARNInConfig ARNPlace = ""       // in the app's Config; with the user if that is empty or not TOML
	ARNInSecret ARNPlace = "secret" // in a secret of the app, which Fly keeps
	ARNNowhere  ARNPlace = "none"   // with the user
)

// A Syntax is the syntax of an app's config file.
type Syntax string

// The syntaxes that flyctl reads. Only TOML is edited.
const (
	SyntaxTOML Syntax = "toml"
	SyntaxJSON Syntax = "json"
	SyntaxYAML Syntax = "yaml"
)

// SyntaxOf returns the syntax in which flyctl reads a config file, judging by its suffix
// (https://github.com/superfly/flyctl, internal/appconfig/serde.go).
func SyntaxOf(path string) Syntax {
	switch {
	case strings.HasSuffix(path, ".json"):
		return SyntaxJSON
	case strings.HasSuffix(path, ".yaml"):
		return SyntaxYAML
	}
	return SyntaxTOML
}

// IsPatched says whether the role's ARN is written to the app's config file.
func (app App) IsPatched() bool {
	return app.Config != "" && app.ARN == ARNInConfig && SyntaxOf(app.Config) == SyntaxTOML
}

// AllMachines in App.Machines stands for all machines of the app.
const AllMachines = "*"

// IsPattern says whether the name stands for every app whose name begins with it.
func (app App) IsPattern() bool { return strings.HasSuffix(app.Name, "*") }

// Variable returns the variable that holds the role's ARN.
func (app App) Variable() string { return cmp.Or(app.Env, EnvRoleARN) }

// RolesFor returns the roles of the apps, with the settings of role: one that they share
// if it has a name, or else one for each.
func RolesFor(apps []App, role RoleRequest) []RoleRequest {
	if role.Name != "" {
		role.Apps = apps
		return []RoleRequest{role}
	}
	var out []RoleRequest
	for _, app := range apps {
		role.Apps = []App{app}
		out = append(out, role)
	}
	return out
}

// apps returns the request's apps in order, without patterns, each name once.
func (req Request) apps() []App {
	var out []App
	for _, role := range req.Roles {
		for _, app := range role.Apps {
			if !app.IsPattern() && !slices.ContainsFunc(out, func(a App) bool { return a.Name == app.Name }) {
				out = append(out, app)
			}
		}
	}
	return out
}

// A Preset is the name of a preset of package preset and the answer to its question.
type Preset struct {
	Name   string `json:"name"`
	Answer string `json:"answer"`
}

// String returns "name=answer".
func (p Preset) String() string { return p.Name + "=" + p.Answer }

// An InlinePolicy is a permissions policy kept in the role itself.
type InlinePolicy struct {
	Name     string   `json:"name"`
	Document Document `json:"document"`
	// Source is the name of the file that the document came from, for errors.
	Source string `json:"source,omitempty"`
}

// NewInlinePolicy makes an inline policy from the text of a file. The error is an
// *InvalidError.
func NewInlinePolicy(name, source string, text []byte) (InlinePolicy, error) {
	doc, err := ParseDocument(text)
	if err != nil {
		return InlinePolicy{}, &InvalidError{Field: FieldInline, Value: source, Reason: err.Error(), Err: err}
	}
	return InlinePolicy{Name: name, Document: doc, Source: source}, nil
}

// A Scope says whose access to AWS to remove. With several of File, Apps and All, it is
// what meets all of them.
type Scope struct {
	// Org is the organization, as in a Request.
	Org string `json:"org"`
	// Account is as in a Request.
	Account string `json:"account,omitempty"`
	// File limits the scope to roles that the file of this name made.
	File string `json:"file,omitempty"`
	// Apps are the apps that lose access, or patterns as in App.Name; empty for all.
	Apps []string `json:"apps,omitempty"`
	// Entries are config file entries, without their values. Each is removed if it names
	// a role that its app loses, or one that loses only our tags.
	Entries []Env `json:"entries,omitempty"`
}

// Facts are what a plan needs to know about an AWS account.
type Facts struct {
	// Partition is "aws", "aws-cn", "aws-us-gov" or another of AWS's.
	Partition string `json:"partition"`
	// Account is the 12-digit account ID.
	Account string `json:"account"`
	// Caller is the ARN of the identity of the credentials.
	Caller string `json:"-"`
	// Policies maps each managed policy that a Request names to its ARN.
	Policies map[string]string `json:"policies,omitempty"`
	// Documents are documents of managed policies that are extras, by ARN; without those
	// that could not be read.
	Documents map[string]Document `json:"documents,omitempty"`
	// TrustPolicyQuota is the maximum length of a trust policy in characters; 0 for IAM's
	// default.
	TrustPolicyQuota int `json:"trust_policy_quota,omitempty"`
}

// managedPaths are the paths of the AWS managed policies that can be attached. The
// policies of service-linked roles have another path and cannot be attached.
// https://docs.aws.amazon.com/aws-managed-policy/latest/reference/policy-list.html
var managedPaths = [...]string{"/", "/service-role/", "/job-function/"}

// PolicyARNs returns the ARNs that the managed policy ref can have: ref if it is an ARN; for
// a name those of AWS's policies and of the account's with the root path.
func (f Facts) PolicyARNs(ref string) []string {
	if strings.HasPrefix(ref, "arn:") {
		return []string{ref}
	}
	var arns []string
	for _, path := range managedPaths {
		arns = append(arns, "arn:"+f.Partition+":iam::aws:policy"+path+ref)
	}
	return append(arns, "arn:"+f.Partition+":iam::"+f.Account+":policy/"+ref)
}

// A ManagedPolicy is a managed policy of AWS or of the account.
type ManagedPolicy struct {
	Name, ARN string
	// Description may be "", since IAM does not return it in lists.
	Description string
}

// An AppConfig is an app's config file.
type AppConfig struct {
	// Path is a value for App.Config: as it was given, or relative to the folder, such as
	// "api/fly.toml".
	Path string
	// Own says that it is in the folder itself and was found without its path.
	Own bool
	// App is the app that it names, or "".
	App string
	// Org is the raw slug of the app's organization, or "" if unknown.
	Org string
	// PrimaryRegion is a Fly region, such as "fra", or "".
	PrimaryRegion string
	// AWSRegion is the AWS_REGION in the file, or "".
	AWSRegion string
}

// isOrgKnown says whether org is a raw slug, so that Fly need not be asked for it.
func isOrgKnown(org string) bool { return org != "" && org != flyname.Personal }

// PolicyRefs returns the managed policies and boundaries that the request names, as
// given, sorted, without duplicates. Facts.Policies must hold them all.
func (req Request) PolicyRefs() []string {
	var refs []string
	for _, role := range req.Roles {
		refs = append(refs, role.Policies...)
		if role.Boundary != "" {
			refs = append(refs, role.Boundary)
		}
	}
	return sorted(refs)
}

// RoleNames returns the names of the request's roles, sorted, without duplicates.
func (req Request) RoleNames() []string {
	var names []string
	for _, role := range req.Roles {
		names = append(names, req.RoleName(role))
	}
	return sorted(names)
}

// RoleName returns the requested name of the role, or fly-<org>-<app>.
func (req Request) RoleName(role RoleRequest) string {
	if role.Name != "" || len(role.Apps) == 0 {
		return role.Name
	}
	return "fly-" + req.Org + "-" + role.Apps[0].Name
}

func (req Request) audience() string { return cmp.Or(req.Audience, flyname.AudienceAWS) }
