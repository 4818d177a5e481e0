package sandbox_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/fly-aws/fly-aws/internal/sandbox"
)

const (
	readBucketARN = "arn:aws:iam::123456789012:policy/read-bucket"
	boundaryARN   = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
)

// allow and deny return a statement about these actions, separated by blanks. condition is
// JSON, "" if there is none.
func allow(actions, resource, condition string) string {
	return statement("Allow", actions, resource, condition)
}

func deny(actions, resource, condition string) string {
	return statement("Deny", actions, resource, condition)
}

func statement(effect, actions, resource, condition string) string {
	if condition != "" {
		condition = `,"Condition":` + condition
	}
	return fmt.Sprintf(`{"Effect":%q,"Action":%s,"Resource":%q%s}`, effect, quoted(actions), resource, condition)
}

// quoted returns the words as a list in JSON.
func quoted(words string) string {
	return strings.ReplaceAll(fmt.Sprintf("%q", strings.Fields(words)), " ", ",")
}

func permissions(statements ...string) string {
	return `{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`
}

// userClient is the client of a new user with one policy of these statements.
func userClient(t testing.TB, w *sandbox.World, s *sandbox.Server, name string, statements ...string) *iam.Client {
	t.Helper()
	id, secret, err := w.AddUser(name, permissions(statements...))
	if err != nil {
		t.Fatal(err)
	}
	return iam.NewFromConfig(config(s, credentials.NewStaticCredentialsProvider(id, secret, "")))
}

// authorizationWorld has acme's provider, tagged team=a; the role fly-web, tagged app=web,
// with a boundary; the role deploy, with a path; the policy read-bucket, tagged team=a; and
// an empty instance profile.
func authorizationWorld(t testing.TB, w *sandbox.World) *sandbox.Server {
	t.Helper()
	s := start(t, w)
	acme(t, s)
	c, ctx := iamClient(s), context.Background()
	_, err := c.TagRole(ctx, &iam.TagRoleInput{RoleName: aws.String("fly-web"), Tags: tags("app", "web")})
	ok(t, 0, err)
	_, err = c.TagOpenIDConnectProvider(ctx, &iam.TagOpenIDConnectProviderInput{OpenIDConnectProviderArn: aws.String(providerACME), Tags: tags("team", "a")})
	ok(t, 0, err)
	_, err = c.PutRolePermissionsBoundary(ctx, &iam.PutRolePermissionsBoundaryInput{RoleName: aws.String("fly-web"), PermissionsBoundary: aws.String(boundaryARN)})
	ok(t, 0, err)
	_, err = c.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: aws.String("read-bucket"), PolicyDocument: aws.String(readBucket), Tags: tags("team", "a")})
	ok(t, 0, err)
	_, err = c.CreateRole(ctx, newRole("deploy", trustACME, func(in *iam.CreateRoleInput) { in.Path = aws.String("/ci/") }))
	ok(t, 0, err)
	_, err = c.CreateInstanceProfile(ctx, &iam.CreateInstanceProfileInput{InstanceProfileName: aws.String("vm")})
	ok(t, 0, err)
	return s
}

// call is one call with the client of the user under test.
type call func(context.Context, *iam.Client) error

func create(name string, change ...func(*iam.CreateRoleInput)) call {
	return func(ctx context.Context, c *iam.Client) error {
		_, err := c.CreateRole(ctx, newRole(name, trustACME, change...))
		return err
	}
}

func withTags(in *iam.CreateRoleInput) { in.Tags = tags("app", "api", "team", "a") }

func withBoundary(in *iam.CreateRoleInput) { in.PermissionsBoundary = aws.String(boundaryARN) }

func getRole(name string) call {
	return func(ctx context.Context, c *iam.Client) error {
		_, err := c.GetRole(ctx, &iam.GetRoleInput{RoleName: &name})
		return err
	}
}

func attach(policy string) call {
	return func(ctx context.Context, c *iam.Client) error {
		_, err := c.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: aws.String("fly-web"), PolicyArn: &policy})
		return err
	}
}

func putInline(ctx context.Context, c *iam.Client) error {
	_, err := c.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: aws.String("fly-web"), PolicyName: aws.String("p"), PolicyDocument: aws.String(readBucket)})
	return err
}

func putBoundary(arn string) call {
	return func(ctx context.Context, c *iam.Client) error {
		_, err := c.PutRolePermissionsBoundary(ctx, &iam.PutRolePermissionsBoundaryInput{RoleName: aws.String("fly-web"), PermissionsBoundary: &arn})
		return err
	}
}

func tagRole(keysAndValues ...string) call {
	return func(ctx context.Context, c *iam.Client) error {
		_, err := c.TagRole(ctx, &iam.TagRoleInput{RoleName: aws.String("fly-web"), Tags: tags(keysAndValues...)})
		return err
	}
}

func untagRole(keys ...string) call {
	return func(ctx context.Context, c *iam.Client) error {
		_, err := c.UntagRole(ctx, &iam.UntagRoleInput{RoleName: aws.String("fly-web"), TagKeys: keys})
		return err
	}
}

func createProvider(url string, keysAndValues ...string) call {
	return func(ctx context.Context, c *iam.Client) error {
		_, err := c.CreateOpenIDConnectProvider(ctx, newProvider(url, func(in *iam.CreateOpenIDConnectProviderInput) { in.Tags = tags(keysAndValues...) }))
		return err
	}
}

func getProvider(ctx context.Context, c *iam.Client) error {
	_, err := c.GetOpenIDConnectProvider(ctx, &iam.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: aws.String(providerACME)})
	return err
}

func getPolicy(arn string) call {
	return func(ctx context.Context, c *iam.Client) error {
		_, err := c.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: &arn})
		return err
	}
}

func createPolicy(name string, keysAndValues ...string) call {
	return func(ctx context.Context, c *iam.Client) error {
		_, err := c.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: &name, PolicyDocument: aws.String(readBucket), Tags: tags(keysAndValues...)})
		return err
	}
}

func listRolesCall(ctx context.Context, c *iam.Client) error {
	_, err := c.ListRoles(ctx, &iam.ListRolesInput{})
	return err
}

func listPolicies(ctx context.Context, c *iam.Client) error {
	_, err := c.ListPolicies(ctx, &iam.ListPoliciesInput{})
	return err
}

func listProviders(ctx context.Context, c *iam.Client) error {
	_, err := c.ListOpenIDConnectProviders(ctx, &iam.ListOpenIDConnectProvidersInput{})
	return err
}

func listInstanceProfiles(ctx context.Context, c *iam.Client) error {
	_, err := c.ListInstanceProfiles(ctx, &iam.ListInstanceProfilesInput{})
	return err
}

func addToProfile(ctx context.Context, c *iam.Client) error {
	_, err := c.AddRoleToInstanceProfile(ctx, &iam.AddRoleToInstanceProfileInput{InstanceProfileName: aws.String("vm"), RoleName: aws.String("fly-web")})
	return err
}

func TestUserPermissions(t *testing.T) {
	t.Parallel()
	const (
		roles    = "arn:aws:iam::123456789012:role/"
		implicit = "iam:%s on resource: %s because no identity-based policy allows the iam:%[1]s action"
		explicit = "iam:%s on resource: %s with an explicit deny in an identity-based policy"
	)
	no := func(action, resource string) string { return fmt.Sprintf(implicit, action, resource) }
	explicitly := func(action, resource string) string { return fmt.Sprintf(explicit, action, resource) }
	var w sandbox.World
	s := authorizationWorld(t, &w)
	for _, test := range []struct {
		name       string
		statements []string
		call       call
		refusal    string // "" if allowed
	}{
		{"allowed", []string{allow("iam:GetRole", roles+"fly-*", "")}, getRole("fly-web"), ""},
		{"the action is not allowed", []string{allow("iam:ListRoles iam:CreateRole", "*", "")}, getRole("fly-web"), no("GetRole", "role fly-web")},
		{"another resource is", []string{allow("iam:GetRole", roles+"fly-api", "")}, getRole("fly-web"), no("GetRole", "role fly-web")},
		{"the role's name in other case", []string{allow("iam:GetRole", roles+"fly-*", "")}, getRole("FLY-WEB"), ""},
		{"the role has a path", []string{allow("iam:GetRole", roles+"deploy", "")}, getRole("deploy"), no("GetRole", "role deploy")},
		{"the role has the path", []string{allow("iam:GetRole", roles+"ci/*", "")}, getRole("deploy"), ""},
		{"an explicit deny", []string{allow("*", "*", ""), deny("iam:Get*", roles+"*", "")}, getRole("fly-web"), explicitly("GetRole", "role fly-web")},
		{"a deny of others", []string{allow("*", "*", ""), deny("iam:*", roles+"admin", "")}, getRole("fly-web"), ""},
		{"a condition that the sandbox does not know", []string{allow("*", "*", `{"StringEquals":{"aws:SourceVpc":"vpc-1"}}`)}, getRole("fly-web"), no("GetRole", "role fly-web")},

		{"a new role", []string{allow("iam:CreateRole", roles+"fly-*", "")}, create("fly-1"), ""},
		{"a new role of another name", []string{allow("iam:CreateRole", roles+"fly-*", "")}, create("web-2"), no("CreateRole", roles+"web-2")},
		{"a new role with a path", []string{allow("iam:CreateRole", roles+"fly-*", "")}, create("fly-3", func(in *iam.CreateRoleInput) { in.Path = aws.String("/ci/") }), no("CreateRole", roles+"ci/fly-3")},
		{"a new role with tags", []string{allow("iam:CreateRole iam:TagRole", roles+"*", "")}, create("fly-4", withTags), ""},
		{"a new role with tags, without TagRole", []string{allow("iam:CreateRole", roles+"*", "")}, create("fly-5", withTags), no("TagRole", roles+"fly-5")},
		{"tags of a new role", []string{allow("iam:CreateRole iam:TagRole", "*", `{"StringEquals":{"aws:RequestTag/app":"api"},"ForAllValues:StringEquals":{"aws:TagKeys":["app","team"]}}`)}, create("fly-6", withTags), ""},
		{"other tags of a new role", []string{allow("iam:CreateRole iam:TagRole", "*", `{"StringEquals":{"aws:RequestTag/app":"web"}}`)}, create("fly-7", withTags), no("CreateRole", roles+"fly-7")},
		{"no tags of a new role", []string{allow("iam:CreateRole", "*", `{"Null":{"aws:RequestTag/app":"false"}}`)}, create("fly-8"), no("CreateRole", roles+"fly-8")},
		{"a new role has no resource tags", []string{allow("iam:CreateRole iam:TagRole", "*", `{"StringEquals":{"aws:ResourceTag/app":"api"}}`)}, create("fly-9", withTags), no("CreateRole", roles+"fly-9")},
		{"a new role with a boundary", []string{allow("iam:CreateRole", "*", `{"ArnEquals":{"iam:PermissionsBoundary":"`+boundaryARN+`"}}`)}, create("fly-10", withBoundary), ""},
		{"a new role without a boundary", []string{allow("iam:CreateRole", "*", `{"ArnEquals":{"iam:PermissionsBoundary":"`+boundaryARN+`"}}`)}, create("fly-11"), no("CreateRole", roles+"fly-11")},
		{"a new role without a boundary, denied", []string{allow("*", "*", ""), deny("iam:CreateRole", "*", `{"StringNotEquals":{"iam:PermissionsBoundary":"`+boundaryARN+`"}}`)}, create("fly-12"), explicitly("CreateRole", roles+"fly-12")},

		{"a policy that may be attached", []string{allow("iam:AttachRolePolicy", roles+"fly-*", `{"ArnEquals":{"iam:PolicyARN":["`+readBucketARN+`"]}}`)}, attach(readBucketARN), ""},
		{"a policy that may not be", []string{allow("iam:AttachRolePolicy", roles+"fly-*", `{"ArnEquals":{"iam:PolicyARN":["`+readBucketARN+`"]}}`)}, attach("arn:aws:iam::aws:policy/AdministratorAccess"), no("AttachRolePolicy", "role fly-web")},
		{"GetPolicy does not have that key", []string{allow("iam:GetPolicy", "*", `{"ArnLike":{"iam:PolicyARN":"*"}}`)}, getPolicy(readBucketARN), no("GetPolicy", "policy "+readBucketARN)},
		{"an inline policy within the boundary", []string{allow("iam:PutRolePolicy", "*", `{"ArnEquals":{"iam:PermissionsBoundary":"`+boundaryARN+`"}}`)}, putInline, ""},
		{"an inline policy within another boundary", []string{allow("iam:PutRolePolicy", "*", `{"ArnEquals":{"iam:PermissionsBoundary":"`+readBucketARN+`"}}`)}, putInline, no("PutRolePolicy", "role fly-web")},
		{"the boundary that may be set", []string{allow("iam:PutRolePermissionsBoundary", "*", `{"ArnEquals":{"iam:PermissionsBoundary":"`+boundaryARN+`"}}`)}, putBoundary(boundaryARN), ""},
		{"the boundary that may not be set", []string{allow("iam:PutRolePermissionsBoundary", "*", `{"ArnEquals":{"iam:PermissionsBoundary":"`+boundaryARN+`"}}`)}, putBoundary(readBucketARN), no("PutRolePermissionsBoundary", "role fly-web")},

		{"a new role that gets the tag", []string{allow("iam:CreateRole", "*", ""), allow("iam:TagRole", "*", `{"StringEquals":{"aws:ResourceTag/team":"a"}}`)}, create("fly-13", withTags), ""},
		{"a new role that gets another tag", []string{allow("iam:CreateRole", "*", ""), allow("iam:TagRole", "*", `{"StringEquals":{"aws:ResourceTag/team":"b"}}`)}, create("fly-14", withTags), no("TagRole", roles+"fly-14")},
		{"a tag that the role does not have yet", []string{allow("iam:TagRole", "*", `{"StringEquals":{"aws:ResourceTag/x":"5"}}`)}, tagRole("x", "5"), no("TagRole", "role fly-web")},
		{"a role with the tag", []string{allow("iam:TagRole", "*", `{"StringEquals":{"aws:ResourceTag/app":"web"}}`)}, tagRole("x", "1"), ""},
		{"a role with the tag, by IAM's key", []string{allow("iam:TagRole", "*", `{"StringEquals":{"iam:ResourceTag/app":"web"}}`)}, tagRole("x", "2"), ""},
		{"a role with another tag", []string{allow("iam:TagRole", "*", `{"StringEquals":{"aws:ResourceTag/app":"api"}}`)}, tagRole("x", "3"), no("TagRole", "role fly-web")},
		{"a deny by tag", []string{allow("*", "*", ""), deny("*", "*", `{"StringEquals":{"aws:ResourceTag/app":"web"}}`)}, tagRole("x", "4"), explicitly("TagRole", "role fly-web")},
		{"tag keys that may be removed", []string{allow("iam:UntagRole", "*", `{"ForAllValues:StringEquals":{"aws:TagKeys":["x"]}}`)}, untagRole("x"), ""},
		{"tag keys that may not be removed", []string{allow("iam:UntagRole", "*", `{"ForAllValues:StringEquals":{"aws:TagKeys":["x"]}}`)}, untagRole("x", "y"), no("UntagRole", "role fly-web")},

		{"a provider", []string{allow("iam:GetOpenIDConnectProvider", providerACME, "")}, getProvider, ""},
		{"another provider", []string{allow("iam:GetOpenIDConnectProvider", providerACME+"-2", "")}, getProvider, no("GetOpenIDConnectProvider", providerACME)},
		{"a provider with the tag", []string{allow("iam:GetOpenIDConnectProvider", "*", `{"StringEquals":{"aws:ResourceTag/team":"a"}}`)}, getProvider, ""},
		{"IAM's key is of roles", []string{allow("iam:GetOpenIDConnectProvider", "*", `{"StringEquals":{"iam:ResourceTag/team":"a"}}`)}, getProvider, no("GetOpenIDConnectProvider", providerACME)},
		{"a new provider", []string{allow("iam:CreateOpenIDConnectProvider", "arn:aws:iam::123456789012:oidc-provider/oidc.fly.io/*", "")}, createProvider("https://oidc.fly.io/a"), ""},
		{"a new provider of another host", []string{allow("iam:CreateOpenIDConnectProvider", "arn:aws:iam::123456789012:oidc-provider/oidc.fly.io/*", "")}, createProvider("https://example.com"), no("CreateOpenIDConnectProvider", "arn:aws:iam::123456789012:oidc-provider/example.com")},
		{"a new provider with tags", []string{allow("iam:CreateOpenIDConnectProvider iam:TagOpenIDConnectProvider", "*", "")}, createProvider("https://oidc.fly.io/b", "x", "1"), ""},
		{"a new provider with tags, without the action", []string{allow("iam:CreateOpenIDConnectProvider iam:TagRole", "*", "")}, createProvider("https://oidc.fly.io/c", "x", "1"), no("TagOpenIDConnectProvider", "arn:aws:iam::123456789012:oidc-provider/oidc.fly.io/c")},

		{"a policy", []string{allow("iam:GetPolicy", readBucketARN, "")}, getPolicy(readBucketARN), ""},
		{"a policy with the tag", []string{allow("iam:GetPolicy", "*", `{"StringEquals":{"aws:ResourceTag/team":"a"}}`)}, getPolicy(readBucketARN), ""},
		{"a policy of AWS's", []string{allow("iam:GetPolicy", "arn:aws:iam::123456789012:policy/*", "")}, getPolicy(boundaryARN), no("GetPolicy", "policy "+boundaryARN)},
		{"a new policy", []string{allow("iam:CreatePolicy", "arn:aws:iam::123456789012:policy/p-*", "")}, createPolicy("p-1"), ""},
		{"a new policy of another name", []string{allow("iam:CreatePolicy", "arn:aws:iam::123456789012:policy/p-*", "")}, createPolicy("q-1"), no("CreatePolicy", "policy q-1")},
		{"a new policy with tags, without the action", []string{allow("iam:CreatePolicy", "*", "")}, createPolicy("p-2", "x", "1"), no("TagPolicy", "policy p-2")},

		{"a list", []string{allow("iam:ListRoles", "*", "")}, listRolesCall, ""},
		{"roles have no resource to list", []string{allow("iam:ListRoles", roles+"*", "")}, listRolesCall, no("ListRoles", roles)},
		{"policies have none", []string{allow("iam:ListPolicies", "arn:aws:iam::*:policy/*", "")}, listPolicies, no("ListPolicies", "policy path /")},
		{"providers have none", []string{allow("iam:ListOpenIDConnectProviders", "arn:aws:iam::*:oidc-provider/*", "")}, listProviders, no("ListOpenIDConnectProviders", "arn:aws:iam::123456789012:oidc-provider/*")},
		{"instance profiles have one", []string{allow("iam:ListInstanceProfiles", "arn:aws:iam::*:instance-profile/*", "")}, listInstanceProfiles, ""},
		{"an instance profile without PassRole", []string{allow("iam:AddRoleToInstanceProfile", "arn:aws:iam::*:instance-profile/vm", "")}, addToProfile, no("PassRole", "role fly-web")},
		{"an instance profile", []string{
			allow("iam:AddRoleToInstanceProfile", "arn:aws:iam::*:instance-profile/vm", ""),
			allow("iam:PassRole", roles+"fly-web", `{"StringEquals":{"iam:PassedToService":"ec2.amazonaws.com"}}`),
		}, addToProfile, ""},

		{"the user's name", []string{allow("iam:CreateRole", roles+"${aws:username}-*", "")}, create("the-users-name-r"), ""},
		{"the user's ARN", []string{allow("iam:GetRole", "*", `{"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:user/the-users-*"},"StringEquals":{"aws:PrincipalAccount":"123456789012"}}`)}, getRole("fly-web"), ""},
		{"the user has no tags", []string{allow("iam:GetRole", "*", `{"StringEquals":{"aws:PrincipalTag/team":"a"}}`)}, getRole("fly-web"), no("GetRole", "role fly-web")},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			user := strings.NewReplacer(" ", "-", "'", "").Replace(test.name)
			err := test.call(t.Context(), userClient(t, &w, s, user, test.statements...))
			if test.refusal == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			refused(t, err, "AccessDenied", "User: arn:aws:iam::123456789012:user/"+user+" is not authorized to perform: "+test.refusal)
		})
	}
}

// A refused call changes nothing.
func TestRefusedCallHasNoEffect(t *testing.T) {
	t.Parallel()
	var w sandbox.World
	s := start(t, &w)
	c := userClient(t, &w, s, "user", allow("iam:CreateRole", "*", ""))
	refused(t, create("r", withTags)(t.Context(), c), "AccessDenied", "iam:TagRole")
	_, err := iamClient(s).GetRole(t.Context(), &iam.GetRoleInput{RoleName: aws.String("r")})
	refused(t, err, "NoSuchEntity", "")
}

func TestUserListsPages(t *testing.T) {
	t.Parallel()
	w := sandbox.World{PageLimit: 2}
	s := start(t, &w)
	for _, name := range []string{"a", "b", "c"} {
		createRole(t, iamClient(s), name)
	}
	c := userClient(t, &w, s, "user", allow("iam:ListRoles", "*", ""))
	var names []string
	for pages := iam.NewListRolesPaginator(c, &iam.ListRolesInput{}); pages.HasMorePages(); {
		page, err := pages.NextPage(t.Context())
		for _, role := range ok(t, page, err).Roles {
			names = append(names, *role.RoleName)
		}
	}
	if len(names) != 5 { // with two service-linked roles
		t.Errorf("got %q", names)
	}
}

// GetCallerIdentity needs no permission, even if a policy denies it.
// https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
func TestUserIdentity(t *testing.T) {
	t.Parallel()
	w := sandbox.World{Account: "111122223333", Partition: "aws-us-gov"}
	s := start(t, &w)
	id, secret, err := w.AddUser("eve", permissions(deny("*", "*", "")))
	if err != nil {
		t.Fatal(err)
	}
	if len(id) != 20 || !strings.HasPrefix(id, "AKIA") || len(secret) != 40 {
		t.Errorf("got access key %s, secret of %d characters", id, len(secret))
	}
	who, err := sts.NewFromConfig(config(s, credentials.NewStaticCredentialsProvider(id, secret, ""))).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	if got := ok(t, who, err); *got.Arn != "arn:aws-us-gov:iam::111122223333:user/eve" || *got.Account != "111122223333" || !strings.HasPrefix(*got.UserId, "AIDA") || len(*got.UserId) != 21 {
		t.Errorf("got %s %s %s", *got.Arn, *got.Account, *got.UserId)
	}
	// A trust policy can name the user, and no other.
	for name, code := range map[string]string{"eve": "", "mallory": "MalformedPolicyDocument"} {
		trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws-us-gov:iam::111122223333:user/` + name + `"},"Action":"sts:AssumeRole"}]}`
		_, err := iamClient(s).CreateRole(t.Context(), newRole("for-"+name, trust))
		if code != "" {
			refused(t, err, code, "Invalid principal")
		} else if err != nil {
			t.Error(err)
		}
	}
}

func TestAddUserRefuses(t *testing.T) {
	t.Parallel()
	var w sandbox.World
	if _, _, err := w.AddUser("eve"); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		user, policy, want string
	}{
		"a taken name":             {"EVE", "", `there is a user "EVE" already`},
		"the default user's name":  {"sandbox", "", `there is a user "sandbox" already`},
		"no name":                  {"", "", "cannot be the name"},
		"a name with a slash":      {"a/b", "", "cannot be the name"},
		"a long name":              {strings.Repeat("a", 65), "", "cannot be the name"},
		"not JSON":                 {"bob", "{", "Syntax errors in policy."},
		"a policy without actions": {"bob", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Resource":"*"}}`, "Policy statement must contain actions."},
	} {
		var policies []string
		if test.policy != "" {
			policies = []string{test.policy}
		}
		if _, _, err := w.AddUser(test.user, policies...); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", name, err, test.want)
		}
	}
}

// The session of a role may do what the role's policies and its boundary allow.
func TestSessionPermissions(t *testing.T) {
	t.Parallel()
	const roleARN = "arn:aws:iam::123456789012:role/fly-web"
	getAny := permissions(allow("iam:GetRole", "*", `{"ArnEquals":{"aws:PrincipalArn":"`+roleARN+`"}}`))
	for _, test := range []struct {
		name    string
		setUp   func(context.Context, *iam.Client) error
		refusal string
	}{
		{"inline", func(ctx context.Context, c *iam.Client) error { return inline(ctx, c, getAny) }, ""},
		{"inline, explicitly denied", func(ctx context.Context, c *iam.Client) error {
			return inline(ctx, c, permissions(allow("*", "*", ""), deny("iam:*", "*", "")))
		}, "with an explicit deny in an identity-based policy"},
		{"attached", attach("arn:aws:iam::aws:policy/AdministratorAccess"), ""},
		{"attached, of the account", attach(readBucketARN), "because no identity-based policy allows the iam:GetRole action"},
		{"attached, and one whose document the sandbox does not have", func(ctx context.Context, c *iam.Client) error {
			return errors.Join(inline(ctx, c, getAny), attach("arn:aws:iam::aws:policy/AmazonCognitoPowerUser")(ctx, c))
		}, "because no identity-based policy allows the iam:GetRole action"},
		{"within the boundary", func(ctx context.Context, c *iam.Client) error {
			return errors.Join(inline(ctx, c, getAny), putBoundary("arn:aws:iam::aws:policy/AdministratorAccess")(ctx, c))
		}, ""},
		{"outside of the boundary", func(ctx context.Context, c *iam.Client) error {
			return errors.Join(inline(ctx, c, getAny), putBoundary(readBucketARN)(ctx, c))
		}, "because no permissions boundary allows the iam:GetRole action"},
		{"the boundary alone", putBoundary("arn:aws:iam::aws:policy/AdministratorAccess"), "because no identity-based policy allows the iam:GetRole action"},
		{"denied by the boundary", func(ctx context.Context, c *iam.Client) error {
			return errors.Join(inline(ctx, c, getAny), putBoundary("arn:aws:iam::aws:policy/AWSDenyAll")(ctx, c))
		}, "with an explicit deny in a permissions boundary"},
		{"issued before the sessions were revoked", func(ctx context.Context, c *iam.Client) error {
			return inline(ctx, c, permissions(allow("*", "*", ""), deny("*", "*", `{"DateLessThan":{"aws:TokenIssueTime":"2999-01-01T00:00:00Z"}}`)))
		}, "with an explicit deny in an identity-based policy"},
		{"issued after", func(ctx context.Context, c *iam.Client) error {
			return inline(ctx, c, permissions(allow("*", "*", ""), deny("*", "*", `{"DateLessThan":{"aws:TokenIssueTime":"2001-01-01T00:00:00Z"}}`)))
		}, ""},
		{"a variable of users", func(ctx context.Context, c *iam.Client) error {
			return inline(ctx, c, permissions(allow("*", "arn:aws:iam::*:role/${aws:username, 'fly-web'}", "")))
		}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var w sandbox.World
			s := acmeWorld(t, &w)
			c := iamClient(s)
			_, err := c.CreatePolicy(t.Context(), &iam.CreatePolicyInput{PolicyName: aws.String("read-bucket"), PolicyDocument: aws.String(readBucket)})
			ok(t, 0, err)
			ok(t, 0, test.setUp(t.Context(), c))
			session := sessionClient(t, &w, s)
			err = getRole("fly-web")(t.Context(), session)
			if test.refusal != "" {
				refused(t, err, "AccessDenied", "assumed-role/fly-web/session is not authorized to perform: iam:GetRole on resource: role fly-web "+test.refusal)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
}

// The session of a role that was deleted, and of its successor's namesake, may do nothing.
func TestSessionOfDeletedRole(t *testing.T) {
	t.Parallel()
	var w sandbox.World
	s := acmeWorld(t, &w)
	c := iamClient(s)
	session := sessionClient(t, &w, s)
	_, err := c.DeleteRole(t.Context(), &iam.DeleteRoleInput{RoleName: aws.String("fly-web")})
	ok(t, 0, err)
	createRole(t, c, "fly-web")
	ok(t, 0, attach("arn:aws:iam::aws:policy/AdministratorAccess")(t.Context(), c))
	refused(t, getRole("fly-web")(t.Context(), session), "AccessDenied", "because no identity-based policy allows the iam:GetRole action")
}

func inline(ctx context.Context, c *iam.Client, document string) error {
	_, err := c.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: aws.String("fly-web"), PolicyName: aws.String("p"), PolicyDocument: &document})
	return err
}

// sessionClient is the client of a session of fly-web.
func sessionClient(t testing.TB, w *sandbox.World, s *sandbox.Server) *iam.Client {
	t.Helper()
	token, err := w.Mint(webToken())
	out, err := assume(s, roleWeb, ok(t, token, err))
	keys := ok(t, out, err).Credentials
	return iam.NewFromConfig(config(s, credentials.NewStaticCredentialsProvider(*keys.AccessKeyId, *keys.SecretAccessKey, *keys.SessionToken)))
}
