package requestfile

import (
	"slices"
)

// Version is the version of the file's format.
const Version = 1

// A kind is the type of a key's value.
type kind string

// The kinds.
const (
	kindString     kind = "a string"
	kindStrings    kind = "a list of strings"
	kindBool       kind = "true or false"
	kindVersion    kind = "a number"
	kindDuration   kind = `a duration such as "1h30m", or seconds`
	kindPlace      kind = `"fly.toml", "secret" or "none"`
	kindTags       kind = "a table of strings"
	kindAllow      kind = "a table of presets, each with a list of answers"
	kindConditions kind = "a table of operators, each with a table of condition keys"
	kindFiles      kind = "a list of paths, or of tables with name and file"
	kindApps       kind = "a list of names, or of tables with a name"
	kindTable      kind = "a table"
	kindTables     kind = "a table of tables"
)

// A key is a key of the file.
type key struct {
	name string
	kind kind
	// doc says what it is, in a sentence without a period.
	doc string
	// field is the field of setup's structs that it fills; "" if it is not one.
	field string
}

// A table is a kind of table of the file: what it is, and its keys in the order in which
// they are written.
type table struct {
	name string
	keys []key
}

// The tables.
var (
	topTable = table{"top", []key{
		{"version", kindVersion, "The version of the format: 1", ""},
		{"name", kindString, "The name of the file's scope, which the roles that it makes carry as a tag", "Request.File"},
		{"org", kindString, "The raw slug of the Fly organization", "Request.Org"},
		{"account", kindString, "The AWS account, 12 digits in quotes; another account is refused", "Request.Account"},
		{"defaults", kindTable, "Settings of every app and of every role that is managed", ""},
		{"apps", kindTables, "The apps by name, each with a role of its own unless it shares one", ""},
		{"roles", kindTables, "Roles that several apps share, or that an app has besides its own", "Request.Roles"},
	}}
	defaultsTable = table{"defaults", append([]key{
		{"region", kindString, "The AWS region: AWS_REGION where a fly.toml has none, and the region of presets", "Request.Region"},
		{"audience", kindString, "The audience of the tokens; sts.amazonaws.com if absent", "Request.Audience"},
	}, settingKeys...)}
	appTable = table{"apps.NAME", slices.Concat([]key{
		{"config", kindString, "The app's fly.toml, relative to this file", "App.Config"},
		{"arn", kindPlace, `Where the role's ARN is kept: "fly.toml" if absent, "secret" or "none"`, "App.ARN"},
		{"region", kindString, "The app's AWS region: AWS_REGION in its fly.toml is changed to it", "App.Region"},
		{"machines", kindStrings, `The machines that may use the role, by name; "*" for all`, "App.Machines"},
		{"env", kindString, "The variable for the role's ARN; AWS_ROLE_ARN if absent", "App.Env"},
		{"role", kindString, "The key under [roles] of the role that the app shares; then it has none of its own", ""},
		{"role_name", kindString, "The name of the app's own role; fly-<org>-<app> if absent", "RoleRequest.Name"},
	}, permissionKeys, settingKeys)}
	roleTable = table{"roles.KEY", slices.Concat([]key{
		{"name", kindString, "The role's name; fly-<org>-<key> if absent", "RoleRequest.Name"},
		{"apps", kindApps, `The apps that may assume it, by name, or by a pattern such as "tenant-*"`, "RoleRequest.Apps"},
		{"except", kindStrings, "Apps that may not assume it, although a pattern matches them", "RoleRequest.Except"},
		{"env", kindString, "The variable for the role's ARN; AWS_ROLE_ARN if absent", "App.Env"},
		{"region", kindString, "The AWS region of its presets; that of its apps if absent", "RoleRequest.Region"},
		{"managed", kindBool, "Write false to only watch the role and report what differs", "RoleRequest.Unmanaged"},
		{"trust", kindString, "A JSON file with the trust policy that a role with managed = false should have", "RoleRequest.Trust"},
	}, permissionKeys, settingKeys)}
	memberTable = table{"an entry of apps", []key{
		{"name", kindString, "The app, or a pattern", "App.Name"},
		{"machines", kindStrings, "As under [apps.NAME], for this role", "App.Machines"},
		{"arn", kindPlace, "As under [apps.NAME], for this role", "App.ARN"},
		{"env", kindString, "As under [apps.NAME], for this role", "App.Env"},
	}}
	inlineTable = table{"an entry of inline", []key{
		{"name", kindString, "The policy's name; that of the file if absent", "InlinePolicy.Name"},
		{"file", kindString, "The path, relative to this file", "InlinePolicy.Source"},
	}}
)

// permissionKeys say what a role may do and who may assume it.
var permissionKeys = []key{
	{"policies", kindStrings, "Managed policies, by name or ARN", "RoleRequest.Policies"},
	{"allow", kindAllow, `Presets and their answers: allow.s3-read = ["my-bucket"]`, "RoleRequest.Presets"},
	{"inline", kindFiles, "JSON files with permissions policies, relative to this file; a policy is named after its file", "RoleRequest.Inline"},
	{"conditions", kindConditions, `Conditions that narrow who may assume the role: { IpAddress = { "aws:SourceIp" = ["192.0.2.0/24"] } }`, "RoleRequest.Conditions"},
	{"keep", kindStrings, `What else may be on the role: "policy:SecurityAudit", "statement:BreakGlass"`, "RoleRequest.Keep"},
}

// settingKeys are settings of a role that defaults may have too.
var settingKeys = []key{
	{"path", kindString, "The IAM path of the role, such as /fly/", "RoleRequest.Path"},
	{"permissions_boundary", kindString, "A managed policy, by name or ARN", "RoleRequest.Boundary"},
	{"max_session", kindDuration, `The maximum session duration, 1h to 12h: "1h30m", or seconds`, "RoleRequest.MaxSession"},
	{"session_tags", kindBool, "Also allow sts:TagSession, which tokens with session tags need", "RoleRequest.SessionTags"},
	{"tags", kindTags, "Tags of the role, besides those of fly-aws", "RoleRequest.Tags"},
}

// names returns the names of the table's keys.
func (t table) names() []string {
	var out []string
	for _, k := range t.keys {
		out = append(out, k.name)
	}
	return out
}

// find returns the key with the name.
func (t table) find(name string) (key, bool) {
	i := slices.IndexFunc(t.keys, func(k key) bool { return k.name == name })
	if i < 0 {
		return key{}, false
	}
	return t.keys[i], true
}
