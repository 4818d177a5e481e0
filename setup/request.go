package setup

import (
	"strings"

	"github.com/fly-aws/fly-aws/internal/flyname"
)

// A Request is what a person asked for, through flags, a form or a file.
type Request struct {
	// Org is the raw slug of the Fly organization. Empty, or the alias "personal", it
	// is what Fly says of the apps.
	Org string
	// Audience of the tokens; empty for sts.amazonaws.com.
	Audience string
	// Adopt allows an existing role that is not ours to be taken over.
	Adopt bool
	// Prove has a running machine of each app mint a token, to compare its claims
	// with the plan.
	Prove bool
	// Apps holds one entry per app.
	Apps []App
}

// An App is one entry of a Request: an app, the role for it and its config file.
type App struct {
	Name string
	// Machines limits the role to machines of these names. Empty leaves a limit of an
	// existing role as it is; AllMachines lifts it.
	Machines []string
	Role     RoleRequest
	// Config is the path of the app's fly.toml; empty to write none.
	Config string
	// Region is the AWS region of what presets name, and is written to Config as
	// AWS_REGION if it has none; empty to write none.
	Region string
}

// AllMachines among an App's Machines asks for all of them.
const AllMachines = "*"

// A RoleRequest says what a role is to have. Zero fields leave an existing role as
// it is.
type RoleRequest struct {
	// Name of the role, at most 64 characters; empty for fly-<org>-<app>.
	Name string
	// Shared says that other apps use the role too. Entries that name the same
	// shared role must agree in everything else but Policies, Presets and Inline,
	// which add up.
	Shared bool
	// Path begins and ends with a slash; empty for "/".
	Path string
	// MaxSession in seconds, 3600 to 43200; 0 for AWS's default of an hour.
	MaxSession int32
	// Boundary is the permissions boundary: a managed policy's name or ARN.
	Boundary string
	Tags     map[string]string
	// Policies are managed policies by name or ARN.
	Policies []string
	// Presets are made into inline policies.
	Presets []Preset
	Inline  []InlinePolicy
}

// A Preset names one of package preset, with the answer to its question.
type Preset struct {
	Name, Answer string
}

// String returns "name=answer".
func (p Preset) String() string { return p.Name + "=" + p.Answer }

// An InlinePolicy is a permissions policy kept in the role itself.
type InlinePolicy struct {
	Name     string
	Document Document
	// Source is where the document came from, for errors; a file name.
	Source string
}

// NewInlinePolicy makes an inline policy of the text of a file. The error is an
// *InvalidError.
func NewInlinePolicy(name, source string, text []byte) (InlinePolicy, error) {
	doc, err := ParseDocument(text)
	if err != nil {
		return InlinePolicy{}, &InvalidError{Field: FieldInline, Value: source, Reason: err.Error(), Err: err}
	}
	return InlinePolicy{Name: name, Document: doc, Source: source}, nil
}

// A Scope says whose access to AWS is to be taken away.
type Scope struct {
	// Org is the organization, as in a Request.
	Org string
	// Apps are the apps that lose access; empty for all of the organization's.
	Apps []string
	// Configs are paths of fly.toml files by app. AWS_ROLE_ARN is removed from those
	// that name a role which the app loses.
	Configs map[string]string
}

// Facts are what has to be known of an AWS account before a plan can be made.
type Facts struct {
	// Partition is "aws", "aws-cn", "aws-us-gov" or another of AWS's.
	Partition string
	// Account is the 12-digit account ID.
	Account string
	// Caller is the ARN of the identity that asks.
	Caller string
	// Policies maps each managed policy that a Request names to its ARN.
	Policies map[string]string
	// TrustPolicyQuota is the most characters that a trust policy may have; 0 for
	// IAM's default.
	TrustPolicyQuota int
}

// isOrgKnown says whether org is a slug, and not left for Fly to say.
func isOrgKnown(org string) bool { return org != "" && org != flyname.Personal }

// PolicyRefs returns every managed policy that the request names, boundaries
// too, as given, sorted, each once: what Facts.Policies must hold.
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

// RoleNames returns the names of the roles of the request, sorted, each once.
func (req Request) RoleNames() []string {
	var names []string
	for _, app := range req.Apps {
		names = append(names, req.RoleName(app))
	}
	return sorted(names)
}

// RoleName returns the name of the app's role: the one asked for, or
// fly-<org>-<app>.
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
