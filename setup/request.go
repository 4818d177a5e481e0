package setup

import (
	"strings"

	"github.com/fly-aws/fly-aws/internal/flyname"
)

// A Request is what the user asked for through flags, a form or a file.
type Request struct {
	// Org is the raw slug of the Fly organization. If it is empty or the alias
	// "personal", Fly is asked for the organization of the apps.
	Org string
	// Audience is the audience of the tokens; empty for sts.amazonaws.com.
	Audience string
	// Adopt allows an existing role that is not ours to be taken over.
	Adopt bool
	// Prove has a running machine of each app mint a token and compares its claims with
	// the plan.
	Prove bool
	// Apps holds one entry per app.
	Apps []App
}

// An App is one entry of a Request: an app, the role for it and its config file.
type App struct {
	Name string
	// Machines limits the role to machines with these names. Empty leaves the limit of
	// an existing role as it is; AllMachines lifts it.
	Machines []string
	Role     RoleRequest
	// Config is the path of the app's fly.toml; empty to write none.
	Config string
	// Region is the AWS region of resources that presets name. It is also written to
	// Config as AWS_REGION, unless that is set or Region is empty.
	Region string
}

// AllMachines in App.Machines stands for all machines of the app.
const AllMachines = "*"

// A RoleRequest holds the settings of a role. Zero fields leave an existing role as it is.
type RoleRequest struct {
	// Name has at most 64 characters; empty for fly-<org>-<app>.
	Name string
	// Shared says that several apps use the role. Entries that name the same shared role
	// must agree on everything but Policies, Presets and Inline, which are combined.
	Shared bool
	// Path begins and ends with a slash; empty for "/".
	Path string
	// MaxSession is in seconds, 3600 to 43200; 0 for AWS's default of an hour.
	MaxSession int32
	// Boundary is the permissions boundary, a managed policy by name or ARN.
	Boundary string
	Tags     map[string]string
	// Policies are managed policies by name or ARN.
	Policies []string
	// Presets become inline policies.
	Presets []Preset
	Inline  []InlinePolicy
}

// A Preset is the name of a preset of package preset and the answer to its question.
type Preset struct {
	Name, Answer string
}

// String returns "name=answer".
func (p Preset) String() string { return p.Name + "=" + p.Answer }

// An InlinePolicy is a permissions policy kept in the role itself.
type InlinePolicy struct {
	Name     string
	Document Document
	// Source is the name of the file that the document came from, for errors.
	Source string
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

// A Scope says whose access to AWS to remove.
type Scope struct {
	// Org is the organization, as in a Request.
	Org string
	// Apps are the apps that lose access; empty for all of the organization's.
	Apps []string
	// Configs are paths of fly.toml files by app. AWS_ROLE_ARN is removed from a file if
	// it names a role that the app loses.
	Configs map[string]string
}

// Facts are what a plan needs to know about an AWS account.
type Facts struct {
	// Partition is "aws", "aws-cn", "aws-us-gov" or another of AWS's.
	Partition string
	// Account is the 12-digit account ID.
	Account string
	// Caller is the ARN of the identity of the credentials.
	Caller string
	// Policies maps each managed policy that a Request names to its ARN.
	Policies map[string]string
	// TrustPolicyQuota is the maximum length of a trust policy in characters; 0 for IAM's
	// default.
	TrustPolicyQuota int
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
	for _, app := range req.Apps {
		refs = append(refs, app.Role.Policies...)
		if app.Role.Boundary != "" {
			refs = append(refs, app.Role.Boundary)
		}
	}
	return sorted(refs)
}

// RoleNames returns the names of the request's roles, sorted, without duplicates.
func (req Request) RoleNames() []string {
	var names []string
	for _, app := range req.Apps {
		names = append(names, req.RoleName(app))
	}
	return sorted(names)
}

// RoleName returns the requested name of the app's role, or fly-<org>-<app>.
func (req Request) RoleName(app App) string {
	if app.Role.Name != "" {
		return app.Role.Name
	}
	return "fly-" + req.Org + "-" + app.Name
}

func (req Request) audience() string {
	if req.Audience == "" {
		return flyname.AudienceAWS
	}
	return req.Audience
}

// groups returns the apps by role, in the order of their first mention.
func (req Request) groups() [][]App {
	var groups [][]App
	at := map[string]int{}
	for _, app := range req.Apps {
		key := strings.ToLower(req.RoleName(app))
		i, ok := at[key]
		if !ok {
			i = len(groups)
			at[key] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], app)
	}
	return groups
}
