package sandbox_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/fly-aws/fly-aws/internal/sandbox"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

func newProvider(url string, change ...func(*iam.CreateOpenIDConnectProviderInput)) *iam.CreateOpenIDConnectProviderInput {
	in := &iam.CreateOpenIDConnectProviderInput{Url: &url, ClientIDList: []string{"sts.amazonaws.com"}}
	for _, f := range change {
		f(in)
	}
	return in
}

func newRole(name, trust string, change ...func(*iam.CreateRoleInput)) *iam.CreateRoleInput {
	in := &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: &trust}
	for _, f := range change {
		f(in)
	}
	return in
}

func manyTags(n int) []types.Tag {
	var tags []types.Tag
	for i := range n {
		tags = append(tags, types.Tag{Key: aws.String(fmt.Sprint("key", i)), Value: aws.String("v")})
	}
	return tags
}

func tags(keysAndValues ...string) []types.Tag {
	var tags []types.Tag
	for i := 0; i < len(keysAndValues); i += 2 {
		tags = append(tags, types.Tag{Key: &keysAndValues[i], Value: &keysAndValues[i+1]})
	}
	return tags
}

// TestRefusals checks what IAM refuses in an account with acme's provider and the
// role fly-web.
func TestRefusals(t *testing.T) {
	t.Parallel()
	var w sandbox.World
	s := start(t, &w)
	acme(t, s)
	c, ctx := iamClient(s), context.Background()

	createProvider := func(in *iam.CreateOpenIDConnectProviderInput) error {
		_, err := c.CreateOpenIDConnectProvider(ctx, in)
		return err
	}
	createRole := func(in *iam.CreateRoleInput) error {
		_, err := c.CreateRole(ctx, in)
		return err
	}
	getProvider := func(arn string) error {
		_, err := c.GetOpenIDConnectProvider(ctx, &iam.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: &arn})
		return err
	}
	attach := func(role, arn string) error {
		_, err := c.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: &role, PolicyArn: &arn})
		return err
	}
	putInline := func(role, name, doc string) error {
		_, err := c.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: &role, PolicyName: &name, PolicyDocument: &doc})
		return err
	}
	const noPolicy = "arn:aws:iam::123456789012:policy/none"

	for _, test := range []struct {
		name  string
		err   error
		code  string
		words string
	}{
		{"provider that exists", createProvider(newProvider("https://oidc.fly.io/acme")), "EntityAlreadyExists", "Provider with url https://oidc.fly.io/acme already exists."},
		{"provider without scheme", createProvider(newProvider("oidc.fly.io/x")), "ValidationError", "Invalid Open ID Connect Provider URL"},
		{"provider over http", createProvider(newProvider("http://oidc.fly.io/x")), "InvalidInput", "The URL must begin with https://."},
		{"provider with a query", createProvider(newProvider("https://oidc.fly.io/x?a=b")), "InvalidInput", "Invalid Open ID Connect Provider URL."},
		{"provider with a fragment", createProvider(newProvider("https://oidc.fly.io/x#")), "InvalidInput", "Invalid Open ID Connect Provider URL."},
		{"provider with a port", createProvider(newProvider("https://oidc.fly.io:443/x")), "InvalidInput", "Invalid Open ID Connect Provider URL."},
		{"provider with a user", createProvider(newProvider("https://a:b@oidc.fly.io/x")), "InvalidInput", "Invalid Open ID Connect Provider URL."},
		{"provider without host", createProvider(newProvider("https:///x")), "ValidationError", "Invalid Open ID Connect Provider URL"},
		{"provider on a bad host", createProvider(newProvider("https://oidc_fly.io/x")), "InvalidInput", "Invalid Open ID Connect Provider URL."},
		{"provider with a space", createProvider(newProvider("https://oidc.fly.io/a b")), "InvalidInput", "Invalid Open ID Connect Provider URL."},
		{"provider of 256 characters", createProvider(newProvider("https://oidc.fly.io/" + strings.Repeat("x", 236))), "ValidationError", "1 validation error detected: Value at 'url' failed to satisfy constraint: Member must have length less than or equal to 255"},
		{"long client ID", createProvider(newProvider("https://a.example", func(in *iam.CreateOpenIDConnectProviderInput) {
			in.ClientIDList = []string{strings.Repeat("c", 256)}
		})), "ValidationError", "Value at 'clientID' failed to satisfy constraint: Member must have length less than or equal to 255"},
		{"101 client IDs", createProvider(newProvider("https://a.example", func(in *iam.CreateOpenIDConnectProviderInput) {
			for i := range 100 {
				in.ClientIDList = append(in.ClientIDList, fmt.Sprint("client", i))
			}
		})), "LimitExceeded", "Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: 100"},
		{"SHA-256 as thumbprint", createProvider(newProvider("https://a.example", func(in *iam.CreateOpenIDConnectProviderInput) {
			in.ThumbprintList = []string{strings.Repeat("a", 64)}
		})), "InvalidInput", "Thumbprint must be exactly 40 characters."},
		{"six thumbprints", createProvider(newProvider("https://a.example", func(in *iam.CreateOpenIDConnectProviderInput) {
			for range 6 {
				in.ThumbprintList = append(in.ThumbprintList, strings.Repeat("a", 40))
			}
		})), "InvalidInput", "Thumbprint list must contain fewer than 5 entries."},
		{
			"51 tags", createProvider(newProvider("https://a.example", func(in *iam.CreateOpenIDConnectProviderInput) { in.Tags = manyTags(51) })),
			"ValidationError", "Value at 'tags' failed to satisfy constraint: Member must have length less than or equal to 50",
		},
		{"no such provider", getProvider(providerACME + "x"), "NoSuchEntity", "OpenIDConnect Provider not found for arn " + providerACME + "x"},
		{"provider by URL", getProvider("https://oidc.fly.io/acme"), "ValidationError", "Invalid ARN"},
		{"provider by a role's ARN", getProvider("arn:aws:iam::123456789012:role/fly-web"), "ValidationError", "Invalid resource type in ARN"},
		{"provider of another account", getProvider("arn:aws:iam::210987654321:oidc-provider/oidc.fly.io/acme"), "AccessDenied", "is not authorized to perform: iam:GetOpenIDConnectProvider"},
		{"provider with a short ARN", getProvider("arn"), "ValidationError", "Value at 'openIDConnectProviderArn' failed to satisfy constraint: Member must have length greater than or equal to 20"},

		{"role that exists", createRole(newRole("fly-web", trustACME)), "EntityAlreadyExists", "Role with name fly-web already exists."},
		{"role that exists in another case", createRole(newRole("FLY-Web", trustACME)), "EntityAlreadyExists", "Role with name FLY-Web already exists."},
		{"role with a long name", createRole(newRole(strings.Repeat("r", 65), trustACME)), "ValidationError", "1 validation error detected: Value at 'roleName' failed to satisfy constraint: Member must have length less than or equal to 64"},
		{"role with a slash in its name", createRole(newRole("a/b", trustACME)), "ValidationError", "The specified value for roleName is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-"},
		{
			"role with two faults", createRole(newRole("", trustACME, func(in *iam.CreateRoleInput) { in.MaxSessionDuration = aws.Int32(1) })),
			"ValidationError", "2 validation errors detected: Value at 'roleName' failed to satisfy constraint: Member must have length greater than or equal to 1; Value '1' at 'maxSessionDuration' failed to satisfy constraint: Member must have value greater than or equal to 3600",
		},
		{"role with a bad path", createRole(newRole("r", trustACME, func(in *iam.CreateRoleInput) { in.Path = aws.String("fly") })), "ValidationError", "The specified value for path is invalid. It must begin and end with /"},
		{"role on AWS's path", createRole(newRole("r", trustACME, func(in *iam.CreateRoleInput) { in.Path = aws.String("/aws-service-role/a/") })), "InvalidInput", "reserved"},
		{"role with a long session", createRole(newRole("r", trustACME, func(in *iam.CreateRoleInput) { in.MaxSessionDuration = aws.Int32(43201) })), "ValidationError", "Value '43201' at 'maxSessionDuration' failed to satisfy constraint: Member must have value less than or equal to 43200"},
		{"role with a long description", createRole(newRole("r", trustACME, func(in *iam.CreateRoleInput) { in.Description = aws.String(strings.Repeat("d", 1001)) })), "ValidationError", "Value at 'description'"},
		{"role with an emoji in its description", createRole(newRole("r", trustACME, func(in *iam.CreateRoleInput) { in.Description = aws.String("\U0001F980") })), "ValidationError", "Member must satisfy regular expression pattern"},
		{"role with a boundary that does not exist", createRole(newRole("r", trustACME, func(in *iam.CreateRoleInput) { in.PermissionsBoundary = aws.String(noPolicy) })), "NoSuchEntity", "Scope ARN: " + noPolicy + " does not exist or is not attachable."},
		{"role with AWS's tag", createRole(newRole("r", trustACME, func(in *iam.CreateRoleInput) { in.Tags = tags("AWS:x", "y") })), "InvalidInput", "system tags"},
		{"role with one tag in two cases", createRole(newRole("r", trustACME, func(in *iam.CreateRoleInput) { in.Tags = tags("Team", "a", "team", "b") })), "InvalidInput", "Duplicate tag keys found. Please note that Tag keys are case insensitive."},
		{"role with a bad tag key", createRole(newRole("r", trustACME, func(in *iam.CreateRoleInput) { in.Tags = tags("a*", "b") })), "ValidationError", `Value at 'tags.1.member.key' failed to satisfy constraint: Member must satisfy regular expression pattern: [\p{L}\p{Z}\p{N}_.:/=+\-@]+`},
		{"role with a long tag value", createRole(newRole("r", trustACME, func(in *iam.CreateRoleInput) { in.Tags = tags("a", strings.Repeat("v", 257)) })), "ValidationError", "Value at 'tags.1.member.value'"},
		{"no such role", func() error {
			_, err := c.GetRole(ctx, &iam.GetRoleInput{RoleName: aws.String("none")})
			return err
		}(), "NoSuchEntity", "The role with name none cannot be found."},
		{"AWS's own role", func() error {
			_, err := c.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: aws.String("AWSServiceRoleForSupport")})
			return err
		}(), "UnmodifiableEntity", "Cannot perform the operation on the protected role 'AWSServiceRoleForSupport' - this role is only modifiable by AWS"},
		{"no boundary to remove", func() error {
			_, err := c.DeleteRolePermissionsBoundary(ctx, &iam.DeleteRolePermissionsBoundaryInput{RoleName: aws.String("fly-web")})
			return err
		}(), "NoSuchEntity", "boundary"},

		{"attaching nothing", attach("fly-web", noPolicy), "NoSuchEntity", "Policy " + noPolicy + " does not exist or is not attachable."},
		{"attaching what is no ARN", attach("fly-web", "AmazonS3ReadOnlyAccessPolicy"), "ValidationError", "Invalid ARN:  Could not be parsed!"},
		{"attaching with the wrong path", attach("fly-web", "arn:aws:iam::aws:policy/AWSLambdaBasicExecutionRole"), "NoSuchEntity", "does not exist or is not attachable"},
		{"attaching in the wrong partition", attach("fly-web", "arn:aws-cn:iam::aws:policy/AmazonS3ReadOnlyAccess"), "NoSuchEntity", "does not exist or is not attachable"},
		{"attaching a service role's policy", attach("fly-web", "arn:aws:iam::aws:policy/aws-service-role/AWSSupportServiceRolePolicy"), "PolicyNotAttachable", "Cannot attach a Service Role Policy to a Customer Role."},
		{"detaching what is not attached", func() error {
			_, err := c.DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: aws.String("fly-web"), PolicyArn: aws.String("arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess")})
			return err
		}(), "NoSuchEntity", "Policy arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess was not found."},

		{"inline policy in no role", putInline("none", "p", "{"), "NoSuchEntity", "The role with name none cannot be found."},
		{"inline policy that is not JSON", putInline("fly-web", "p", "{"), "MalformedPolicyDocument", "Syntax errors in policy."},
		{"inline policy that is too large", putInline("fly-web", "p", strings.Replace(readBucket, "bucket/*", strings.Repeat("b", 10240), 1)), "LimitExceeded", "Maximum policy size of 10240 bytes exceeded for role fly-web"},
		{"inline policy beyond Latin-1", putInline("fly-web", "p", strings.Replace(readBucket, "bucket", "\u20ac", 1)), "ValidationError", "Value at 'policyDocument'"},
		{"no inline policy to get", func() error {
			_, err := c.GetRolePolicy(ctx, &iam.GetRolePolicyInput{RoleName: aws.String("fly-web"), PolicyName: aws.String("none")})
			return err
		}(), "NoSuchEntity", "The role policy with name none cannot be found."},

		{"no such policy", func() error {
			_, err := c.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: aws.String(noPolicy)})
			return err
		}(), "NoSuchEntity", "Policy " + noPolicy + " was not found."},
		{"deleting AWS's policy", func() error {
			_, err := c.DeletePolicy(ctx, &iam.DeletePolicyInput{PolicyArn: aws.String("arn:aws:iam::aws:policy/AdministratorAccess")})
			return err
		}(), "AccessDenied", "iam:DeletePolicy"},
		{"a version that does not exist", func() error {
			_, err := c.GetPolicyVersion(ctx, &iam.GetPolicyVersionInput{PolicyArn: aws.String("arn:aws:iam::aws:policy/AdministratorAccess"), VersionId: aws.String("v9")})
			return err
		}(), "NoSuchEntity", "version v9"},
		{"a document that the sandbox lacks", func() error {
			p, err := c.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: aws.String("arn:aws:iam::aws:policy/service-role/AWSBackupServiceRolePolicyForBackup")})
			if err != nil {
				return err
			}
			_, err = c.GetPolicyVersion(ctx, &iam.GetPolicyVersionInput{PolicyArn: p.Policy.Arn, VersionId: p.Policy.DefaultVersionId})
			return err
		}(), "NoSuchEntity", "document"},
		{"a page of 1001", func() error {
			_, err := c.ListRoles(ctx, &iam.ListRolesInput{MaxItems: aws.Int32(1001)})
			return err
		}(), "ValidationError", "Value '1001' at 'maxItems' failed to satisfy constraint: Member must have value less than or equal to 1000"},
		{"a marker of nowhere", func() error {
			_, err := c.ListRoles(ctx, &iam.ListRolesInput{Marker: aws.String("nowhere")})
			return err
		}(), "ValidationError", "Invalid Marker."},
		{"a path prefix without a slash", func() error {
			_, err := c.ListRoles(ctx, &iam.ListRolesInput{PathPrefix: aws.String("fly")})
			return err
		}(), "ValidationError", "The specified value for pathPrefix is invalid."},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			refused(t, test.err, test.code, test.words)
		})
	}
}

// The errors have the SDK's types.
func TestTypedErrors(t *testing.T) {
	t.Parallel()
	var w sandbox.World
	s := start(t, &w)
	c, ctx := iamClient(s), context.Background()

	_, err := c.GetRole(ctx, &iam.GetRoleInput{RoleName: aws.String("none")})
	if e := new(types.NoSuchEntityException); !errors.As(err, &e) {
		t.Errorf("got %v, want NoSuchEntityException", err)
	}
	createRole(t, c, "r")
	_, err = c.CreateRole(ctx, newRole("r", trustACME))
	if e := new(types.EntityAlreadyExistsException); !errors.As(err, &e) {
		t.Errorf("got %v, want EntityAlreadyExistsException", err)
	}
	_, err = c.CreateRole(ctx, newRole("r2", "no"))
	if e := new(types.MalformedPolicyDocumentException); !errors.As(err, &e) {
		t.Errorf("got %v, want MalformedPolicyDocumentException", err)
	}
	_, err = c.CreateOpenIDConnectProvider(ctx, newProvider("http://a.example"))
	if e := new(types.InvalidInputException); !errors.As(err, &e) {
		t.Errorf("got %v, want InvalidInputException", err)
	}
}

func TestTrustPolicyRefusals(t *testing.T) {
	t.Parallel()
	var w sandbox.World
	s := start(t, &w)
	acme(t, s)
	c := iamClient(s)

	const st = `{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}`
	principal := func(p string) string {
		return strings.Replace(st, `{"Service":"ec2.amazonaws.com"}`, p, 1)
	}
	for _, test := range []struct{ name, statement, words string }{
		{"no JSON", `{"Effect":"Allow",}`, "This policy contains invalid Json"},
		{"resource", strings.Replace(st, `"Action"`, `"Resource":"*","Action"`, 1), "Has prohibited field Resource"},
		{"not-resource", strings.Replace(st, `"Action"`, `"NotResource":"*","Action"`, 1), "must not contain resources"},
		{"no effect", strings.Replace(st, `"Effect":"Allow",`, "", 1), "Missing required field Effect"},
		{"no principal", `{"Effect":"Allow","Action":"sts:AssumeRole"}`, "Missing required field Principal"},
		{"no action", `{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"}}`, "Missing required field Action"},
		{"unknown member", strings.Replace(st, `"Action"`, `"Aktion":"x","Action"`, 1), "Syntax error in policy."},
		{"other service's action", strings.Replace(st, "sts:AssumeRole", "s3:GetObject", 1), "AssumeRole policy may only specify STS AssumeRole actions."},
		{"misspelled action", strings.Replace(st, "sts:AssumeRole", "sts:TagSessions", 1), "AssumeRole policy may only specify STS AssumeRole actions."},
		{"any action", strings.Replace(st, "sts:AssumeRole", "*", 1), "AssumeRole policy may only specify STS AssumeRole actions."},
		{"everybody", principal(`"*"`), `AssumeRolepolicy contained an invalid principal: "STAR":"*".`},
		{"not-principal", strings.Replace(st, `"Principal"`, `"NotPrincipal"`, 1), "Allow with NotPrincipal is not allowed."},
		{"denied not-principal", strings.NewReplacer(`"Principal"`, `"NotPrincipal"`, "Allow", "Deny").Replace(st), "AssumeRole policy must not contain NotPrincipal field."},
		{"issuer as principal", principal(`{"Federated":"https://oidc.fly.io/acme"}`), "Federated principals must be valid domain names or SAML metadata ARNs"},
		{"provider's path as principal", principal(`{"Federated":"oidc.fly.io/acme"}`), "Federated principals must be valid domain names or SAML metadata ARNs"},
		{"scheme in the provider's ARN", principal(`{"Federated":"arn:aws:iam::123456789012:oidc-provider/https://oidc.fly.io/acme"}`), "Federated principals must be valid"},
		{"ARN of another partition", principal(`{"Federated":"arn:aws-cn:iam::123456789012:oidc-provider/oidc.fly.io/acme"}`), "Federated principals must be valid"},
		{"placeholder for the account", principal(`{"Federated":"arn:aws:iam::ACCOUNT:oidc-provider/oidc.fly.io/acme"}`), "Federated principals must be valid"},
		{"role that does not exist", principal(`{"AWS":"arn:aws:iam::123456789012:role/none"}`), `Invalid principal in policy: "AWS":"arn:aws:iam::123456789012:role/none"`},
		{"role with a wildcard", principal(`{"AWS":"arn:aws:iam::123456789012:role/*"}`), `Invalid principal in policy: "AWS":`},
		{"no account", principal(`{"AWS":"12345"}`), `Invalid principal in policy: "AWS":"12345"`},
		{"no service", principal(`{"Service":"fly.io"}`), `Invalid principal in policy: "SERVICE":"fly.io"`},
		{"one Sid twice", strings.Replace(st, "{", `{"Sid":"A",`, 1) + "," + strings.Replace(st, "{", `{"Sid":"A",`, 1), "The Statement Ids in the policy are not unique"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			doc := `{"Version":"2012-10-17","Statement":[` + test.statement + `]}`
			_, err := c.CreateRole(context.Background(), newRole("refused", doc))
			refused(t, err, "MalformedPolicyDocument", test.words)
			_, err = c.UpdateAssumeRolePolicy(context.Background(), &iam.UpdateAssumeRolePolicyInput{RoleName: aws.String("fly-web"), PolicyDocument: &doc})
			refused(t, err, "MalformedPolicyDocument", test.words)
		})
	}
}

func TestTrustPoliciesThatIAMTakes(t *testing.T) {
	t.Parallel()
	var w sandbox.World
	s := start(t, &w)
	acme(t, s)
	c := iamClient(s)
	for i, principal := range []string{
		`{"AWS":"*"}`,
		`{"AWS":["210987654321","arn:aws:iam::210987654321:root","arn:aws:iam::123456789012:role/fly-web","arn:aws:iam::210987654321:role/path/theirs"]}`,
		`{"AWS":"arn:aws:iam::123456789012:user/sandbox"}`,
		`{"Service":"lambda.amazonaws.com"}`,
		`{"Federated":"cognito-identity.amazonaws.com"}`,
		`{"Federated":"arn:aws:iam::123456789012:saml-provider/okta"}`,
		`{"Federated":"arn:aws:iam::123456789012:oidc-provider/oidc.fly.io/nobody"}`, // IAM does not check that it exists
	} {
		doc := `{"Statement":{"Effect":"Allow","Principal":` + principal + `,"Action":["sts:AssumeRole*","STS:TagSession"]}}`
		if _, err := c.CreateRole(context.Background(), newRole(fmt.Sprint("taken", i), doc)); err != nil {
			t.Errorf("%s: %v", principal, err)
		}
	}
	built, err := trustpolicy.Build(trustpolicy.AppAccess{Partition: "aws", Account: "123456789012", Org: "acme", Apps: []string{"web", "api"}})
	if _, err := c.CreateRole(context.Background(), newRole("built", trustpolicy.New(ok(t, built, err)).String())); err != nil {
		t.Error(err)
	}
}

// IAM counts the characters of a trust policy without white space.
func TestTrustPolicyQuota(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	// size returns a trust policy of n characters, on many lines.
	size := func(n int) string {
		doc := strings.Replace(trustACME, "acme:web:*", "acme:web:"+strings.Repeat("m", n-len(trustACME)+1), 1)
		return strings.ReplaceAll(doc, `,"`, ",\n\t    \"")
	}
	for _, quota := range []int{0, 4096} {
		w := sandbox.World{TrustPolicyQuota: quota}
		s := start(t, &w)
		c := iamClient(s)
		limit := max(quota, 2048)
		if _, err := c.CreateRole(ctx, newRole("fits", size(limit))); err != nil {
			t.Errorf("%d characters: %v", limit, err)
		}
		_, err := c.CreateRole(ctx, newRole("large", size(limit+1)))
		refused(t, err, "LimitExceeded", fmt.Sprintf("Cannot exceed quota for ACLSizePerRole: %d", limit))
		sum, err := c.GetAccountSummary(ctx, &iam.GetAccountSummaryInput{})
		if err != nil {
			t.Fatal(err)
		}
		if got := sum.SummaryMap["AssumeRolePolicySizeQuota"]; int(got) != limit {
			t.Errorf("the summary says %d, want %d", got, limit)
		}
	}
}

func TestPermissionPolicyRefusals(t *testing.T) {
	t.Parallel()
	var w sandbox.World
	s := start(t, &w)
	c := iamClient(s)
	createRole(t, c, "r")
	for _, test := range []struct{ name, doc, words string }{
		{"empty", `{}`, "Syntax errors in policy."},
		{"old-fashioned date", strings.Replace(readBucket, "2012-10-17", "2020-01-01", 1), "Syntax errors in policy."},
		{"principal", strings.Replace(readBucket, `"Action"`, `"Principal":"*","Action"`, 1), "Policy document should not specify a principal."},
		{"no effect", strings.Replace(readBucket, `"Effect":"Allow",`, "", 1), "Syntax errors in policy."},
		{"no action", strings.Replace(readBucket, `"Action":"s3:GetObject",`, "", 1), "Policy statement must contain actions."},
		{"no resource", strings.Replace(readBucket, `,"Resource":"arn:aws:s3:::bucket/*"`, "", 1), "Policy statement must contain resources."},
		{"action without vendor", strings.Replace(readBucket, "s3:GetObject", "GetObject", 1), "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."},
		{"action of a bad vendor", strings.Replace(readBucket, "s3:", "s 3:", 1), "Vendor s 3 is not valid"},
		{"resource that is no ARN", strings.Replace(readBucket, "arn:aws:s3:::bucket/*", "bucket", 1), `Resource bucket must be in ARN format or "*".`},
		{"resource with a short ARN", strings.Replace(readBucket, "arn:aws:s3:::bucket/*", "arn:aws:s3", 1), "The policy failed legacy parsing"},
		{"resource of another partition", strings.Replace(readBucket, "arn:aws:", "arn:aws-cn:", 1), `Partition "aws-cn" is not valid for resource`},
		{"both kinds of action", strings.Replace(readBucket, `"Action"`, `"NotAction":"s3:*","Action"`, 1), "Syntax errors in policy."},
		{"one Sid twice", `{"Version":"2012-10-17","Statement":[{"Sid":"A","Effect":"Allow","Action":"*","Resource":"*"},{"Sid":"A","Effect":"Allow","Action":"*","Resource":"*"}]}`, "Statement IDs (SID) in a single policy must be unique."},
		{"trust policy", trustACME, "Policy document should not specify a principal."},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := c.PutRolePolicy(context.Background(), &iam.PutRolePolicyInput{RoleName: aws.String("r"), PolicyName: aws.String("p"), PolicyDocument: &test.doc})
			refused(t, err, "MalformedPolicyDocument", test.words)
			_, err = c.CreatePolicy(context.Background(), &iam.CreatePolicyInput{PolicyName: aws.String("p"), PolicyDocument: &test.doc})
			refused(t, err, "MalformedPolicyDocument", test.words)
		})
	}
}
