package setup

import "encoding/json"

// A Request is what a person asked for, through flags, a form or a file.
type Request struct {
	// Org is the raw slug of the Fly organisation, never the alias "personal".
	Org string
	// Audience of the tokens; empty for sts.amazonaws.com.
	Audience string
	// Adopt allows a role of that name that is not ours to be taken over.
	Adopt bool
	// Apps holds one entry an app.
	Apps []App
}

// An App is one entry of a Request: an app, the role for it and its config file.
type App struct {
	Name string
	// Machines limits the role to machines of these names. Empty is not mentioned:
	// all, unless an existing role is limited already. AllMachines lifts a limit.
	Machines []string
	Role     RoleRequest
	// Config is the path of the app's fly.toml; empty to write none.
	Config string
	// Region is written to Config as AWS_REGION if it has none; empty to write none.
	Region string
}

// AllMachines among an App's Machines asks for all of them.
const AllMachines = "*"

// A RoleRequest says what is wanted of a role. Zero fields are not mentioned:
// an existing role keeps what it has.
type RoleRequest struct {
	// Name of the role, at most 64 characters; empty for fly-<org>-<app>.
	Name string
	// Shared says that other apps use the role too. Entries that name the same
	// shared role must agree in everything else but Policies and Inline, which add up.
	Shared bool
	// Path begins and ends with a slash; empty for "/".
	Path string
	// Description for a role that is created; empty for one made of org and app.
	Description string
	// MaxSession in seconds, 3600 to 43200; 0 for AWS's default of an hour.
	MaxSession int32
	// Boundary is the permissions boundary: a managed policy's name or ARN.
	Boundary string
	Tags     map[string]string
	// Policies are managed policies by name or ARN.
	Policies []string
	Inline   []InlinePolicy
}

// An InlinePolicy is a permissions policy kept in the role itself.
type InlinePolicy struct {
	Name     string
	Document json.RawMessage
	// Source is where the document came from, for errors; a file name.
	Source string
}

// Facts are what has to be known of the surroundings before a Spec can be made.
type Facts struct {
	// Partition is "aws", "aws-cn" or "aws-us-gov".
	Partition string
	// Account is the 12-digit account ID.
	Account string
	// Caller is the ARN of the identity that asks.
	Caller string
	// Policies maps each managed policy that a Request names to its ARN.
	Policies map[string]string
}
