package doctor

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/fly-aws/fly-aws/internal/region"
	"github.com/fly-aws/fly-aws/setup"
)

// The codes of the check of the role. Value is AWS_ROLE_ARN.
const (
	CodeRole   Code = "role"
	CodeNoRole Code = "no-role"
	// CodeRoleMalformed: for Reason it is not the ARN of a role. Other is that of fly.toml,
	// if it is another.
	CodeRoleMalformed Code = "role-malformed"
	// CodeRoleOverridden: fly.toml has Other, so a secret overrides it.
	CodeRoleOverridden Code = "role-overridden"
)

func (x *examination) roleARN(context.Context) {
	c := Check{Code: CodeRole, Level: OK, Variables: []string{setup.EnvRoleARN}, Value: x.env[setup.EnvRoleARN]}
	if x.ConfigRole != c.Value {
		c.Other = x.ConfigRole
	}
	reason := setup.RoleARNProblem(c.Value)
	switch {
	case c.Value == "":
		c.Code, c.Level = CodeNoRole, Fail
	case reason != "":
		c.Code, c.Level, c.Reason = CodeRoleMalformed, Fail, reason
	default:
		x.role = c.Value
		if c.Other != "" {
			c.Code, c.Level = CodeRoleOverridden, Warn
		}
	}
	x.add("role", c)
}

// The codes of the check of what takes precedence over a web identity.
const (
	CodePrecedence Code = "precedence"
	// CodeStaticKeys: every official SDK takes the keys in Variables.
	CodeStaticKeys Code = "static-keys"
	// CodePartialKey: Variables are not a whole key.
	CodePartialKey Code = "partial-key"
	// CodeProfile: some SDKs take the profile Value.
	CodeProfile Code = "profile"
)

func (x *examination) precedence(context.Context) {
	c := Check{Code: CodePrecedence, Level: OK, Tigris: x.tigris()}
	c.Variables = x.set(envKeyID, envSecretKey, envSessionToken)
	switch {
	case x.env[envKeyID] != "" && x.env[envSecretKey] != "":
		c.Code, c.Level = CodeStaticKeys, Fail
	case len(c.Variables) > 0:
		c.Code, c.Level = CodePartialKey, Warn
	case x.env[envProfile] != "":
		c.Code, c.Level, c.Variables, c.Value = CodeProfile, Warn, []string{envProfile}, x.env[envProfile]
	}
	x.add("precedence", c)
}

// set returns those of the variables that are not empty.
func (x *examination) set(names ...string) []string {
	return slices.DeleteFunc(names, func(name string) bool { return x.env[name] == "" })
}

// tigris reports whether the environment has what fly storage create sets
// (https://fly.io/docs/tigris/).
func (x *examination) tigris() bool {
	return strings.HasPrefix(x.env[envKeyID], "tid_") || x.env["BUCKET_NAME"] != "" ||
		slices.ContainsFunc([]string{"tigris", "storage.dev"}, func(host string) bool { return strings.Contains(x.env[envEndpoint+"_S3"], host) })
}

// The codes of the check of AWS_ROLE_SESSION_NAME.
const (
	CodeSessionName Code = "session-name"
	// CodeSessionNameRefused: STS refuses Value, for Reason.
	CodeSessionNameRefused Code = "session-name-refused"
)

// sessionName checks the name if one is set; the SDKs make up one otherwise.
func (x *examination) sessionName(context.Context) {
	c := Check{Code: CodeSessionName, Level: OK, Variables: []string{envSessionName}, Value: x.env[envSessionName]}
	if c.Value == "" {
		return
	}
	if c.Reason = setup.SessionNameProblem(c.Value); c.Reason != "" {
		c.Code, c.Level = CodeSessionNameRefused, Fail
	}
	x.add("session", c)
}

// The codes of the check of the region. Value is its name.
const (
	CodeRegion   Code = "region"
	CodeNoRegion Code = "no-region"
	// CodeRegionRefused: no AWS region has such a name; Tigris says that it is Tigris's.
	CodeRegionRefused Code = "region-refused"
	// CodeRegionUnlisted: the name may be that of a new region.
	CodeRegionUnlisted Code = "region-unlisted"
	// CodeRegionDefault: only AWS_DEFAULT_REGION has it.
	CodeRegionDefault Code = "region-default"
	// CodeRegionNoDefault: only AWS_REGION has it.
	CodeRegionNoDefault Code = "region-no-default"
	// CodeRegionDiffers: AWS_DEFAULT_REGION has Other.
	CodeRegionDiffers Code = "region-differs"
)

// region checks both variables, since some SDKs read only one of them. botocore (boto3 and
// the AWS CLI v1) reads AWS_DEFAULT_REGION (botocore/configprovider.py); the SDKs for
// JavaScript v3 and Java v2 read AWS_REGION (regionConfig/config.ts of smithy-typescript,
// https://docs.aws.amazon.com/sdk-for-java/latest/developer-guide/region-selection.html);
// the one for Go reads both (EnvConfig in github.com/aws/aws-sdk-go-v2/config).
func (x *examination) region(context.Context) {
	c := Check{Code: CodeRegion, Level: OK, Variables: []string{setup.EnvRegion}, Value: x.env[setup.EnvRegion]}
	switch other := x.env[envDefaultRegion]; {
	case c.Value == other: // or both are not set
	case c.Value == "":
		c = Check{Code: CodeRegionDefault, Level: Warn, Variables: []string{envDefaultRegion}, Value: other}
	case other == "":
		c.Code, c.Level = CodeRegionNoDefault, Warn
	default:
		c.Code, c.Level, c.Other = CodeRegionDiffers, Warn, other
	}
	known, err := region.Check(c.Value)
	switch {
	case c.Value == "":
		c.Code, c.Level = CodeNoRegion, Fail
	case err != nil:
		c.Code, c.Level, c.Tigris = CodeRegionRefused, Fail, c.Value == "auto"
	case !known:
		c.Code, c.Level = CodeRegionUnlisted, Warn
	}
	x.add("region", c)
}

// The codes of the check of AWS_ENDPOINT_URL and the like, which is made if there are any.
const (
	// CodeEndpoint: the calls of some services go elsewhere.
	CodeEndpoint Code = "endpoint"
	// CodeEndpointSTS: those to STS do too.
	CodeEndpointSTS Code = "endpoint-sts"
)

func (x *examination) endpoints(context.Context) {
	c := Check{Code: CodeEndpoint, Level: Warn, Tigris: x.tigris()}
	for _, name := range slices.Sorted(maps.Keys(x.env)) {
		if x.env[name] != "" && (name == envEndpoint || strings.HasPrefix(name, envEndpoint+"_")) {
			c.Variables = append(c.Variables, name)
		}
	}
	if x.stsEndpoint() != "" {
		c.Code = CodeEndpointSTS
	}
	if len(c.Variables) > 0 {
		x.add("endpoint", c)
	}
}

// stsEndpoint returns the variable that sends the calls to STS elsewhere, or "".
func (x *examination) stsEndpoint() string {
	for _, name := range []string{envEndpoint + "_STS", envEndpoint} {
		if x.env[name] != "" {
			return name
		}
	}
	return ""
}
