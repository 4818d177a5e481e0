package explain

import (
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/fly-aws/fly-aws/internal/region"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

// A Layer is what an error is about, on the way from an app's code to what it wants of AWS.
type Layer string

// The layers, roughly in the order in which they come into play.
const (
	LayerStaticKeys         Layer = "static-keys"         // AWS keys in the environment or a file take the role's place, or are wrong
	LayerNoCredentials      Layer = "no-credentials"      // the SDK found none
	LayerProfile            Layer = "profile"             // an AWS profile that does not exist
	LayerRegion             Layer = "region"              // none, or one that does not exist
	LayerRoleARN            Layer = "role-arn"            // none, or malformed
	LayerSessionName        Layer = "session-name"        // AWS_ROLE_SESSION_NAME is malformed
	LayerSessionDuration    Layer = "session-duration"    // longer than the role allows
	LayerTokenFile          Layer = "token-file"          // it cannot be read
	LayerSocket             Layer = "socket"              // Fly's token endpoint in a machine
	LayerToken              Layer = "token"               // STS does not take it for a token
	LayerTokenExpired       Layer = "token-expired"       // too old
	LayerIssuer             Layer = "issuer"              // STS could not get Fly's keys
	LayerProvider           Layer = "provider"            // the IAM OIDC provider, or its audiences
	LayerTrustPolicy        Layer = "trust-policy"        // the role's, or there is no such role
	LayerRoleChain          Layer = "role-chain"          // a role tries to become another one
	LayerPermissions        Layer = "permissions"         // of the role
	LayerBoundary           Layer = "boundary"            // the role's permissions boundary
	LayerSessionPolicy      Layer = "session-policy"      // a policy given with the session, or its tags
	LayerResourcePolicy     Layer = "resource-policy"     // of a bucket, key, queue or endpoint
	LayerOrganizationPolicy Layer = "organization-policy" // an SCP or RCP of the AWS organization
	LayerOperator           Layer = "operator"            // the permissions of whoever sets this up
	LayerPolicyDocument     Layer = "policy-document"     // IAM refuses a document
	LayerCredentialsExpired Layer = "credentials-expired" // what STS gave for a token is too old
	LayerClock              Layer = "clock"               // of the machine that signed the call
	LayerThrottled          Layer = "throttled"           // too many calls
	LayerUnknown            Layer = "unknown"
)

// A Diagnosis is what an error text says, with raw values from it. Its Meaning is that of
// the message about Layer.
type Diagnosis struct {
	Meaning
	// Layer is at fault, most likely; Others may be too, in order of likelihood.
	Layer  Layer
	Others []Layer
	// Caller is the ARN of the identity that was refused, Resource what it was refused
	// for. Explicit says that a policy denies it; otherwise none allows it.
	Caller, Resource string
	Explicit         bool
	// File, Region and Profile are those that could not be used.
	File, Region, Profile string
}

// Diagnose finds the layer at fault in the text of an error, of whatever SDK or tool. Only
// the first 64 KiB are read.
func Diagnose(text string) Diagnosis {
	var d Diagnosis
	line := plain(text)
	lower := asciiLower(line)
	var found []Layer
	add := func(l Layer) {
		if l != "" && !slices.Contains(found, l) {
			found = append(found, l)
		}
	}
	add(d.refusal(line))
	for _, rule := range layerRules() {
		m := rule.pattern.FindStringSubmatch(lower)
		if m == nil || rule.layer == LayerPermissions && len(found) > 0 {
			continue
		}
		add(rule.layer)
		if len(m) > 1 && m[1] != "" {
			rule.set(&d, m[1])
		}
	}
	if host := badRegion(lower); host != "" {
		d.Region = host
		add(LayerRegion)
	}
	if len(found) == 0 {
		found = []Layer{LayerUnknown}
	}
	d.Layer, d.Others = found[0], found[1:]
	action := d.Action
	d.Meaning = Meaning{Code: MeaningUnknown}
	for _, m := range slices.Backward(meanings(text)) {
		if l := m.layer(); l == "" || l == d.Layer {
			d.Meaning = m
		}
	}
	if action != "" {
		d.Action = action
	}
	return d
}

// Parts of AWS's messages about access that was denied
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html).
var (
	caller   = regexp.MustCompile(`(?i)user:? (arn:[a-z-]+:(?:iam|sts)::\d*:[^\s"',]+)`)
	resource = regexp.MustCompile(`(?i)on resource:? "?(arn:[^\s"',]+|[a-z]+ [^\s"',]+)`)
	because  = regexp.MustCompile(`(?i)(because no|with an explicit deny in an?) ([a-z -]+?) ?(?:policy|boundary)`)
)

// refusal reads a message about access that was denied, and returns its layer; "" if the
// text has none.
func (d *Diagnosis) refusal(line string) Layer {
	lower := asciiLower(line)
	i := strings.Index(lower, "not authorized to perform")
	if i < 0 {
		return ""
	}
	if action := firstWord(strings.TrimLeft(line[i+len("not authorized to perform"):], ": "), ""); isAction(action) {
		d.Action = action
	}
	if m := caller.FindStringSubmatch(line); m != nil {
		d.Caller = m[1]
	}
	if m := resource.FindStringSubmatch(line[i:]); m != nil {
		d.Resource = m[1]
	}
	action := asciiLower(d.Action)
	kind := ""
	if m := because.FindStringSubmatch(line[i:]); m != nil {
		kind, d.Explicit = asciiLower(m[2]), strings.HasPrefix(asciiLower(m[1]), "with")
	}
	if strings.Contains(lower, "user: anonymous") {
		return LayerNoCredentials
	}
	user := strings.Contains(d.Caller, ":user/")
	assumes := strings.HasPrefix(action, "sts:assumerole") || action == asciiLower(trustpolicy.TagSessionAction) || action == "sts:setsourceidentity"
	switch {
	case kind == "service control", kind == "resource control":
		return LayerOrganizationPolicy
	case kind == "permissions" || kind == "permission":
		return LayerBoundary
	case kind == "session":
		return LayerSessionPolicy
	case kind == "resource-based" || strings.Contains(kind, "endpoint"):
		return LayerResourcePolicy
	case user && assumes:
		return LayerStaticKeys
	case strings.HasPrefix(action, "iam:") && d.Caller != "":
		return LayerOperator
	case user:
		return LayerStaticKeys
	case d.Caller != "" && assumes:
		return LayerRoleChain
	case assumes:
		return LayerTrustPolicy
	case d.Action == "" && strings.Contains(lower, "assumerolewithwebidentity"):
		return LayerTrustPolicy
	}
	return LayerPermissions
}

// A layerRule finds a layer by a pattern in lower-case text. If it has a group, set keeps
// what that matched.
type layerRule struct {
	pattern *regexp.Regexp
	layer   Layer
	set     func(*Diagnosis, string)
}

// layerRules are compiled at the first use: a program that explains no error does not pay
// for them.
var layerRules = sync.OnceValue(makeLayerRules)

// makeLayerRules makes the patterns, the more specific first. They cover the messages of AWS and of
// its SDKs for Go, Python, JavaScript, Java, Ruby, PHP, Rust and .NET, the AWS CLI,
// Terraform and ex_aws.
func makeLayerRules() []layerRule {
	rule := func(l Layer, set func(*Diagnosis, string), patterns ...string) layerRule {
		return layerRule{regexp.MustCompile(strings.Join(patterns, "|")), l, set}
	}
	file := func(d *Diagnosis, s string) { d.File = s }
	profile := func(d *Diagnosis, s string) { d.Profile = s }
	return []layerRule{
		rule(LayerSocket, nil, `/\.fly/api`),
		rule(LayerTokenFile, file,
			`(?:unable to read file at|open|enoent: no such file or directory, open|no such file or directory:?|eacces: permission denied, open|permission denied:?) ['"]?(/[^\s'",:]*(?:token|jwt)[^\s'",:]*)`,
			`failed (?:to retrieve|fetching) (?:jwt|webidentity token)`, `web ?identity ?token ?file.{0,80}(?:not|cannot|could not|unable|no such|empty)`,
			`(?:not|cannot|could not|unable|no such|empty).{0,80}web_?identity_?token_?file`),
		rule(LayerTokenFile, nil, `value '' at 'webidentitytoken'`), // the file is empty
		rule(LayerProfile, profile,
			`config profile \(([^)]*)\) could not be found`, `failed to get shared config profile,? ?([^\s,]*)`, `profile "?'?([^\s"',]+)"?'? (?:could not be found|not found|does not exist|is not configured)`,
			`profilenotfound`, `nosuchprofile`, `'([^']+)' not found in credentials file`),
		rule(LayerRoleARN, nil, `at 'rolearn' failed`, `request arn is invalid`, `rolearn.{0,40}(?:required|missing|invalid|must)`, `invalid length for parameter rolearn`, `role arn.{0,20}(?:is not set|not provided|required)`),
		rule(LayerSessionName, nil, `at 'rolesessionname' failed`, `rolesessionname.{0,40}(?:invalid|must|required)`),
		rule(LayerSessionDuration, nil, `exceeds the maxsessionduration`, `at 'durationseconds' failed`, `durationseconds exceeds`),
		rule(LayerCredentialsExpired, nil, `the provided token has expired`, `security token included in the request is expired`, `expiredtoken\b`, `requestexpired`, `credentials (?:have|has|are) expired`, `session (?:has|token) expired`),
		rule(LayerTokenExpired, nil, `token expired: current date/time`, `expiredtokenexception`),
		rule(LayerProvider, nil, `no openidconnect provider found`, `incorrect token audience`, `match configured thumbprint`),
		rule(LayerIssuer, nil, `idpcommunicationerror`, `error communicating with idp`, `retrieve verification key from your identity provider`),
		rule(LayerToken, nil, `not a valid jwt`, `at 'webidentitytoken' failed`, `missing a required claim`, `token issued in the future`, `not a login with amazon token`, `idprejectedclaim`),
		rule(LayerSessionPolicy, nil, `packedpolicytoolarge`),
		rule(LayerPolicyDocument, nil, `malformedpolicy`, `federated principals must be valid`, `missing required field (?:principal|action|effect|resource)`, `aclsizeperrole`, `invalid principal in policy`, `syntax errors in policy`, `has prohibited field`),
		// The texts of https://docs.aws.amazon.com/IAM/latest/UserGuide/signature-v4-troubleshooting.html and of S3's errors.
		rule(LayerClock, nil, `signature expired:`, `signature not yet current:`, `difference between the request time and the current time is too large`, `requesttimetooskewed`),
		rule(LayerStaticKeys, nil, `security token included in the request is invalid`, `unrecognizedclient`, `invalidclienttokenid`, `invalidaccesskeyid`, `signaturedoesnotmatch: the`, `request signature we calculated does not match`, `access key id you provided does not exist`),
		rule(LayerNoCredentials, nil,
			`unable to locate credentials`, `no ec2 imds role found`, `could not load credentials from any providers`, `nocredentialproviders`, `no valid (?:credential sources|providers in chain)`,
			`unable to load credentials from any of the providers`, `missing ?credentials`, `error retrieving credentials from the instance profile`, `unable to sign request without credentials`,
			`no providers in chain provided credentials`, `the credential provider was not enabled`, `credentialsnotloaded`, `nocredentialserror`, `missingauthenticationtoken`, `unable to get iam security credentials from ec2`,
			`required key: :access_key_id`, `instance metadata.{0,60}(?:timeout|timed out|econnrefused|unreachable)`, `could not be found in the environment.{0,40}aws_access_key`),
		rule(LayerRegion, func(d *Diagnosis, s string) { d.Region = s },
			`region '([^']*)' is wrong`, `noregionerror`, `you must specify a region`, `region is missing`, `missing ?region`, `missing region in config`, `unable to find a region via`, `could not find region configuration`,
			`a region must be specified`, `region (?:was not|not) (?:found|set|specified)`, `sts is not activated in this region`, `regiondisabled`, `no region (?:endpoint|provided|was|set)`),
		rule(LayerToken, nil, `invalididentitytoken`),
		rule(LayerThrottled, nil, `rate exceeded`, `throttl`, `toomanyrequests`, `slow ?down`),
		rule(LayerTrustPolicy, nil, `access ?denied.{0,120}assumerolewithwebidentity`, `assumerolewithwebidentity.{0,200}access ?denied`),
		rule(LayerPermissions, nil, `access ?denied`, `not authorized`, `unauthorizedoperation`, `forbidden`),
	}
}

// awsHost matches a service's host with its region.
var awsHost = regexp.MustCompile(`\b[a-z0-9-]+\.([a-z0-9-]*)\.amazonaws\.com`)

// badRegion returns the region in a host that cannot be one of AWS's; "" for none. Hosts
// without a region, such as those of buckets, are left out.
func badRegion(lower string) string {
	unreachable := slices.ContainsFunc([]string{"enotfound", "no such host", "could not connect to the endpoint", "unknownhost", "failed to lookup", "nxdomain", "getaddrinfo", "dns error"},
		func(s string) bool { return strings.Contains(lower, s) })
	for _, m := range awsHost.FindAllStringSubmatch(lower, -1) {
		name := m[1]
		if _, err := region.Check(name); unreachable && err != nil && !strings.HasPrefix(name, "s3") && name != "amazonaws" {
			return name
		}
	}
	return ""
}
