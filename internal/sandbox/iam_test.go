package sandbox_test

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/fly-aws/fly-aws/internal/sandbox"
)

func TestProviderLife(t *testing.T) {
	t.Parallel()
	w := sandbox.World{Now: func() time.Time { return clock }}
	s := start(t, &w)
	c, ctx := iamClient(s), context.Background()
	arn := aws.String(providerACME)

	created, err := c.CreateOpenIDConnectProvider(ctx, newProvider("https://oidc.fly.io/acme", func(in *iam.CreateOpenIDConnectProviderInput) {
		in.Tags = tags("fly-aws:org", "acme", "team", "a", "Team", "b")
	}))
	if err != nil {
		t.Fatal(err)
	}
	if *created.OpenIDConnectProviderArn != *arn {
		t.Errorf("got ARN %s, want %s", *created.OpenIDConnectProviderArn, *arn)
	}
	get := func() *iam.GetOpenIDConnectProviderOutput {
		t.Helper()
		out, err := c.GetOpenIDConnectProvider(ctx, &iam.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: arn})
		return ok(t, out, err)
	}
	got := get()
	if *got.Url != "oidc.fly.io/acme" || !slices.Equal(got.ClientIDList, []string{"sts.amazonaws.com"}) || !got.CreateDate.Equal(clock) {
		t.Errorf("got %s %v %s", *got.Url, got.ClientIDList, got.CreateDate)
	}
	if len(got.ThumbprintList) != 1 || len(got.ThumbprintList[0]) != 40 {
		t.Errorf("IAM fills in a thumbprint, got %q", got.ThumbprintList)
	}
	if len(got.Tags) != 3 {
		t.Errorf("keys of a provider's tags differ by case, got %v", tagMap(got.Tags))
	}

	for range 2 { // both actions are idempotent
		if _, err := c.AddClientIDToOpenIDConnectProvider(ctx, &iam.AddClientIDToOpenIDConnectProviderInput{OpenIDConnectProviderArn: arn, ClientID: aws.String("other")}); err != nil {
			t.Fatal(err)
		}
	}
	if got := get().ClientIDList; !slices.Equal(got, []string{"other", "sts.amazonaws.com"}) {
		t.Errorf("after adding: %q", got)
	}
	for range 2 {
		if _, err := c.RemoveClientIDFromOpenIDConnectProvider(ctx, &iam.RemoveClientIDFromOpenIDConnectProviderInput{OpenIDConnectProviderArn: arn, ClientID: aws.String("other")}); err != nil {
			t.Fatal(err)
		}
	}
	if got := get().ClientIDList; !slices.Equal(got, []string{"sts.amazonaws.com"}) {
		t.Errorf("after removing: %q", got)
	}

	if _, err := c.TagOpenIDConnectProvider(ctx, &iam.TagOpenIDConnectProviderInput{OpenIDConnectProviderArn: arn, Tags: tags("team", "c")}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.UntagOpenIDConnectProvider(ctx, &iam.UntagOpenIDConnectProviderInput{OpenIDConnectProviderArn: arn, TagKeys: []string{"Team", "none"}}); err != nil {
		t.Fatal(err)
	}
	listed, err := c.ListOpenIDConnectProviderTags(ctx, &iam.ListOpenIDConnectProviderTagsInput{OpenIDConnectProviderArn: arn})
	if got := tagMap(ok(t, listed, err).Tags); len(got) != 2 || got["team"] != "c" || got["fly-aws:org"] != "acme" {
		t.Errorf("got tags %v", got)
	}
	_, err = c.TagOpenIDConnectProvider(ctx, &iam.TagOpenIDConnectProviderInput{OpenIDConnectProviderArn: arn, Tags: manyTags(49)})
	refused(t, err, "LimitExceeded", "The number of tags has reached the maximum limit.")

	if _, err := c.UpdateOpenIDConnectProviderThumbprint(ctx, &iam.UpdateOpenIDConnectProviderThumbprintInput{
		OpenIDConnectProviderArn: arn, ThumbprintList: []string{strings.Repeat("AB", 20)},
	}); err != nil {
		t.Fatal(err)
	}
	if got := get().ThumbprintList; !slices.Equal(got, []string{strings.Repeat("ab", 20)}) {
		t.Errorf("got thumbprints %q", got)
	}

	list, err := c.ListOpenIDConnectProviders(ctx, &iam.ListOpenIDConnectProvidersInput{})
	if l := ok(t, list, err).OpenIDConnectProviderList; len(l) != 1 || *l[0].Arn != *arn {
		t.Errorf("got %v", l)
	}
	remove := &iam.DeleteOpenIDConnectProviderInput{OpenIDConnectProviderArn: arn}
	if _, err := c.DeleteOpenIDConnectProvider(ctx, remove); err != nil {
		t.Fatal(err)
	}
	_, err = c.DeleteOpenIDConnectProvider(ctx, remove)
	refused(t, err, "NoSuchEntity", "OpenId connect Provider "+providerACME+" cannot be found.")
}

func TestProviderQuota(t *testing.T) {
	t.Parallel()
	var w sandbox.World
	s := start(t, &w)
	c, ctx := iamClient(s), context.Background()
	for i := range 100 {
		if _, err := c.CreateOpenIDConnectProvider(ctx, newProvider(fmt.Sprintf("https://oidc.fly.io/org-%d", i))); err != nil {
			t.Fatal(err)
		}
	}
	_, err := c.CreateOpenIDConnectProvider(ctx, newProvider("https://oidc.fly.io/org-100"))
	refused(t, err, "LimitExceeded", "Cannot exceed quota for OpenIdConnectProvidersPerAccount: 100")
}

func TestRoleLife(t *testing.T) {
	t.Parallel()
	w := sandbox.World{Now: func() time.Time { return clock }}
	s := start(t, &w)
	c, ctx := iamClient(s), context.Background()
	name := aws.String("fly-web")
	readOnly, admin := aws.String("arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"), aws.String("arn:aws:iam::aws:policy/AdministratorAccess")

	created, err := c.CreateRole(ctx, newRole("fly-web", trustACME, func(in *iam.CreateRoleInput) {
		in.Path = aws.String("/fly/")
		in.Description = aws.String("web & <more>")
		in.MaxSessionDuration = aws.Int32(7200)
		in.PermissionsBoundary = admin
		in.Tags = tags("fly-aws:org", "acme", "Team", "a")
	}))
	if err != nil {
		t.Fatal(err)
	}
	get := func() *types.Role {
		t.Helper()
		out, err := c.GetRole(ctx, &iam.GetRoleInput{RoleName: aws.String("FLY-WEB")}) // names ignore case
		return ok(t, out, err).Role
	}
	for _, role := range []*types.Role{created.Role, get()} {
		if *role.Arn != "arn:aws:iam::123456789012:role/fly/fly-web" || *role.RoleName != "fly-web" || *role.Path != "/fly/" ||
			*role.Description != "web & <more>" || *role.MaxSessionDuration != 7200 || !role.CreateDate.Equal(clock) ||
			!strings.HasPrefix(*role.RoleId, "AROA") || len(*role.RoleId) != 21 || *role.PermissionsBoundary.PermissionsBoundaryArn != *admin {
			t.Errorf("got %+v", role)
		}
		if got := tagMap(role.Tags); len(got) != 2 || got["Team"] != "a" {
			t.Errorf("got tags %v", got)
		}
		if doc, err := url.PathUnescape(*role.AssumeRolePolicyDocument); err != nil || doc != trustACME || strings.ContainsAny(*role.AssumeRolePolicyDocument, `{"+ `) {
			t.Errorf("got document %s", *role.AssumeRolePolicyDocument)
		}
	}

	// A role's tag keys ignore case; the last spelling is kept.
	if _, err := c.TagRole(ctx, &iam.TagRoleInput{RoleName: name, Tags: tags("TEAM", "b")}); err != nil {
		t.Fatal(err)
	}
	if got := tagMap(get().Tags); len(got) != 2 || got["TEAM"] != "b" {
		t.Errorf("got tags %v", got)
	}
	if _, err := c.UntagRole(ctx, &iam.UntagRoleInput{RoleName: name, TagKeys: []string{"team"}}); err != nil {
		t.Fatal(err)
	}
	listed, err := c.ListRoleTags(ctx, &iam.ListRoleTagsInput{RoleName: name})
	if got := tagMap(ok(t, listed, err).Tags); len(got) != 1 {
		t.Errorf("got tags %v", got)
	}

	if _, err := c.UpdateRole(ctx, &iam.UpdateRoleInput{RoleName: name, MaxSessionDuration: aws.Int32(3600)}); err != nil {
		t.Fatal(err)
	}
	if role := get(); *role.MaxSessionDuration != 3600 || *role.Description != "web & <more>" {
		t.Errorf("got %d, %q", *role.MaxSessionDuration, *role.Description)
	}
	if _, err := c.DeleteRolePermissionsBoundary(ctx, &iam.DeleteRolePermissionsBoundaryInput{RoleName: name}); err != nil {
		t.Fatal(err)
	}
	if get().PermissionsBoundary != nil {
		t.Error("the boundary is still there")
	}
	if _, err := c.PutRolePermissionsBoundary(ctx, &iam.PutRolePermissionsBoundaryInput{RoleName: name, PermissionsBoundary: readOnly}); err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(trustACME, "acme:web:*", "acme:api:*", 1)
	if _, err := c.UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: name, PolicyDocument: &changed}); err != nil {
		t.Fatal(err)
	}
	if doc, _ := url.PathUnescape(*get().AssumeRolePolicyDocument); doc != changed {
		t.Errorf("got document %s", doc)
	}

	attach := &iam.AttachRolePolicyInput{RoleName: name, PolicyArn: readOnly}
	for range 2 { // attaching is idempotent
		if _, err := c.AttachRolePolicy(ctx, attach); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: name, PolicyName: aws.String("p"), PolicyDocument: aws.String(readBucket)}); err != nil {
		t.Fatal(err)
	}
	inline, err := c.GetRolePolicy(ctx, &iam.GetRolePolicyInput{RoleName: name, PolicyName: aws.String("p")})
	if doc, _ := url.PathUnescape(*ok(t, inline, err).PolicyDocument); doc != readBucket {
		t.Errorf("got document %s", doc)
	}
	inlines, err := c.ListRolePolicies(ctx, &iam.ListRolePoliciesInput{RoleName: name})
	if got := ok(t, inlines, err).PolicyNames; !slices.Equal(got, []string{"p"}) {
		t.Errorf("got inline policies %q", got)
	}
	entities, err := c.ListEntitiesForPolicy(ctx, &iam.ListEntitiesForPolicyInput{PolicyArn: readOnly})
	if roles := ok(t, entities, err).PolicyRoles; len(roles) != 1 || *roles[0].RoleName != "fly-web" {
		t.Errorf("got %v", roles)
	}

	_, err = c.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: name})
	refused(t, err, "DeleteConflict", "Cannot delete entity, must detach all policies first.")
	if _, err := c.DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: name, PolicyArn: readOnly}); err != nil {
		t.Fatal(err)
	}
	_, err = c.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: name})
	refused(t, err, "DeleteConflict", "Cannot delete entity, must delete policies first.")
	if _, err := c.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: name, PolicyName: aws.String("p")}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: name}); err != nil {
		t.Fatal(err)
	}
	_, err = c.GetRole(ctx, &iam.GetRoleInput{RoleName: name})
	refused(t, err, "NoSuchEntity", "")
}

func TestInstanceProfileLife(t *testing.T) {
	t.Parallel()
	w := sandbox.World{PageLimit: 1, Now: func() time.Time { return clock }}
	s := start(t, &w)
	c, ctx := iamClient(s), context.Background()
	createRole(t, c, "r")
	createRole(t, c, "other")
	role := aws.String("r")
	create := func(name string) error {
		_, err := c.CreateInstanceProfile(ctx, &iam.CreateInstanceProfileInput{InstanceProfileName: &name, Path: aws.String("/fly/"), Tags: tags("a", "b")})
		return err
	}
	add := func(profile, role string) error {
		_, err := c.AddRoleToInstanceProfile(ctx, &iam.AddRoleToInstanceProfileInput{InstanceProfileName: &profile, RoleName: &role})
		return err
	}
	remove := func(profile string) error {
		_, err := c.RemoveRoleFromInstanceProfile(ctx, &iam.RemoveRoleFromInstanceProfileInput{InstanceProfileName: &profile, RoleName: role})
		return err
	}
	for _, err := range []error{create("one"), create("two"), create("empty"), add("one", "r"), add("two", "r")} {
		if err != nil {
			t.Fatal(err)
		}
	}
	got, err := c.GetInstanceProfile(ctx, &iam.GetInstanceProfileInput{InstanceProfileName: aws.String("one")})
	if p := ok(t, got, err).InstanceProfile; *p.Arn != "arn:aws:iam::123456789012:instance-profile/fly/one" || !strings.HasPrefix(*p.InstanceProfileId, "AIPA") ||
		!p.CreateDate.Equal(clock) || len(p.Roles) != 1 || *p.Roles[0].RoleName != "r" || len(p.Tags) != 1 {
		t.Errorf("got %+v", p)
	}
	var names []string
	pages := iam.NewListInstanceProfilesForRolePaginator(c, &iam.ListInstanceProfilesForRoleInput{RoleName: role})
	for pages.HasMorePages() {
		out, err := pages.NextPage(ctx)
		for _, p := range ok(t, out, err).InstanceProfiles {
			names = append(names, *p.InstanceProfileName)
		}
	}
	if !slices.Equal(names, []string{"one", "two"}) {
		t.Errorf("the role is in %q", names)
	}
	listed, err := c.ListInstanceProfiles(ctx, &iam.ListInstanceProfilesInput{PathPrefix: aws.String("/fly/")})
	if out := ok(t, listed, err); len(out.InstanceProfiles) != 1 || !out.IsTruncated || len(out.InstanceProfiles[0].Roles) != 0 {
		t.Errorf("got %+v", out)
	}
	details := iam.NewGetAccountAuthorizationDetailsPaginator(c, &iam.GetAccountAuthorizationDetailsInput{Filter: []types.EntityType{types.EntityTypeRole}})
	for details.HasMorePages() {
		out, err := details.NextPage(ctx)
		for _, r := range ok(t, out, err).RoleDetailList {
			want := 0
			if *r.RoleName == *role {
				want = 2
			}
			if len(r.InstanceProfileList) != want {
				t.Errorf("%s is in %d instance profiles, want %d", *r.RoleName, len(r.InstanceProfileList), want)
			}
		}
	}

	refused(t, create("ONE"), "EntityAlreadyExists", "Instance Profile ONE already exists.")
	refused(t, create("a/b"), "ValidationError", "The specified value for instanceProfileName is invalid.")
	refused(t, add("one", "other"), "LimitExceeded", "Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1")
	refused(t, add("none", "r"), "NoSuchEntity", "Instance Profile none cannot be found.")
	refused(t, add("empty", "none"), "NoSuchEntity", "The role with name none cannot be found.")
	refused(t, add("empty", "AWSServiceRoleForSupport"), "UnmodifiableEntity", "")
	refused(t, remove("empty"), "NoSuchEntity", "")
	_, err = c.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: role})
	refused(t, err, "DeleteConflict", "Cannot delete entity, must remove roles from instance profile first.")
	_, err = c.DeleteInstanceProfile(ctx, &iam.DeleteInstanceProfileInput{InstanceProfileName: aws.String("one")})
	refused(t, err, "DeleteConflict", "Cannot delete entity, must remove roles from instance profile first.")

	for _, name := range []string{"one", "two"} {
		if err := remove(name); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.DeleteInstanceProfile(ctx, &iam.DeleteInstanceProfileInput{InstanceProfileName: aws.String("one")}); err != nil {
		t.Error(err)
	}
	_, err = c.GetInstanceProfile(ctx, &iam.GetInstanceProfileInput{InstanceProfileName: aws.String("one")})
	refused(t, err, "NoSuchEntity", "Instance Profile one cannot be found.")
	if _, err := c.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: role}); err != nil {
		t.Error(err)
	}
}

func TestCustomerManagedPolicyLife(t *testing.T) {
	t.Parallel()
	w := sandbox.World{Partition: "aws-us-gov", Account: "111122223333"}
	s := start(t, &w)
	c, ctx := iamClient(s), context.Background()
	doc := strings.Replace(readBucket, "arn:aws:", "arn:aws-us-gov:", 1)
	created, err := c.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: aws.String("Read"), Path: aws.String("/fly/"), PolicyDocument: &doc, Description: aws.String("d")})
	arn := ok(t, created, err).Policy.Arn
	if *arn != "arn:aws-us-gov:iam::111122223333:policy/fly/Read" {
		t.Errorf("got ARN %s", *arn)
	}
	_, err = c.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: aws.String("READ"), PolicyDocument: &doc})
	refused(t, err, "EntityAlreadyExists", "A policy called READ already exists. Duplicate names are not allowed.")
	version, err := c.GetPolicyVersion(ctx, &iam.GetPolicyVersionInput{PolicyArn: arn, VersionId: aws.String("v1")})
	if got, _ := url.PathUnescape(*ok(t, version, err).PolicyVersion.Document); got != doc {
		t.Errorf("got document %s", got)
	}
	large := strings.Replace(doc, "bucket/*", strings.Repeat("b", 6144), 1)
	_, err = c.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: aws.String("Large"), PolicyDocument: &large})
	refused(t, err, "LimitExceeded", "Cannot exceed quota for PolicySize: 6144")

	trust := strings.ReplaceAll(trustACME, "arn:aws:iam::123456789012", "arn:aws-us-gov:iam::111122223333")
	if _, err := c.CreateRole(ctx, newRole("r", trust)); err != nil {
		t.Fatal(err)
	}
	for _, attached := range []*string{arn, aws.String("arn:aws-us-gov:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole")} {
		if _, err := c.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: aws.String("r"), PolicyArn: attached}); err != nil {
			t.Fatal(err)
		}
	}
	got, err := c.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: arn})
	if p := ok(t, got, err).Policy; *p.AttachmentCount != 1 || *p.Description != "d" {
		t.Errorf("got %+v", p)
	}
	only, err := c.ListPolicies(ctx, &iam.ListPoliciesInput{OnlyAttached: true, Scope: types.PolicyScopeTypeLocal})
	if l := ok(t, only, err).Policies; len(l) != 1 || *l[0].Arn != *arn {
		t.Errorf("got %v", l)
	}
	service, err := c.ListAttachedRolePolicies(ctx, &iam.ListAttachedRolePoliciesInput{RoleName: aws.String("r"), PathPrefix: aws.String("/service-role/")})
	if l := ok(t, service, err).AttachedPolicies; len(l) != 1 || *l[0].PolicyName != "AWSLambdaBasicExecutionRole" {
		t.Errorf("got %v", l)
	}

	_, err = c.DeletePolicy(ctx, &iam.DeletePolicyInput{PolicyArn: arn})
	refused(t, err, "DeleteConflict", "Cannot delete a policy attached to entities.")
	if _, err := c.DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: aws.String("r"), PolicyArn: arn}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.DeletePolicy(ctx, &iam.DeletePolicyInput{PolicyArn: arn}); err != nil {
		t.Fatal(err)
	}
}

// AWS-managed policies have their real ARNs, and the sandbox would accept each of
// its documents.
func TestAWSManagedPolicies(t *testing.T) {
	t.Parallel()
	var w sandbox.World
	s := start(t, &w)
	c, ctx := iamClient(s), context.Background()
	documents := 0
	found, withDocument := map[string]bool{}, map[string]bool{}
	pages := iam.NewListPoliciesPaginator(c, &iam.ListPoliciesInput{Scope: types.PolicyScopeTypeAws, MaxItems: aws.Int32(50)})
	for pages.HasMorePages() {
		out, err := pages.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range out.Policies {
			found[*p.Arn] = true
			if p.CreateDate.IsZero() || p.UpdateDate.Before(*p.CreateDate) || *p.Arn != "arn:aws:iam::aws:policy"+*p.Path+*p.PolicyName {
				t.Errorf("got %+v", p)
			}
			version, err := c.GetPolicyVersion(ctx, &iam.GetPolicyVersionInput{PolicyArn: p.Arn, VersionId: p.DefaultVersionId})
			if err != nil {
				refused(t, err, "NoSuchEntity", "")
				continue
			}
			documents++
			withDocument[*p.PolicyName] = true
			doc, _ := url.PathUnescape(*version.PolicyVersion.Document)
			if _, err := c.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: p.PolicyName, PolicyDocument: &doc}); err != nil {
				t.Errorf("%s: %v", *p.PolicyName, err)
			}
		}
	}
	for _, want := range []string{
		"AdministratorAccess", "ReadOnlyAccess", "AmazonS3ReadOnlyAccess", "service-role/AWSLambdaBasicExecutionRole",
		"job-function/ViewOnlyAccess", "SecretsManagerReadWrite",
	} {
		if !found["arn:aws:iam::aws:policy/"+want] {
			t.Errorf("%s is missing", want)
		}
	}
	for _, want := range []string{
		"AdministratorAccess", "PowerUserAccess", "IAMFullAccess", "ReadOnlyAccess", "SecurityAudit",
		"AmazonS3ReadOnlyAccess", "AmazonS3FullAccess", "AmazonSQSFullAccess", "AWSDenyAll",
	} {
		if !withDocument[want] {
			t.Errorf("%s has no document", want)
		}
	}
	if len(found) < 100 || documents < 50 {
		t.Errorf("got %d policies and %d documents", len(found), documents)
	}
}

// GetPolicy returns descriptions, of AWS's policies and the account's; ListPolicies
// does not.
func TestPolicyDescriptions(t *testing.T) {
	t.Parallel()
	w := sandbox.World{Partition: "aws-us-gov", Account: "111122223333"}
	s := start(t, &w)
	c, ctx := iamClient(s), context.Background()
	doc := strings.Replace(readBucket, "arn:aws:", "arn:aws-us-gov:", 1)
	if _, err := c.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: aws.String("Read"), PolicyDocument: &doc, Description: aws.String("ours")}); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	pages := iam.NewListPoliciesPaginator(c, &iam.ListPoliciesInput{})
	for pages.HasMorePages() {
		out, err := pages.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, listed := range out.Policies {
			if listed.Description != nil {
				t.Errorf("ListPolicies describes %s as %q", *listed.Arn, *listed.Description)
			}
			out, err := c.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: listed.Arn})
			text := aws.ToString(ok(t, out, err).Policy.Description)
			if text != strings.TrimSpace(text) || len(text) > 1000 {
				t.Errorf("GetPolicy describes %s as %q", *listed.Arn, text)
			}
			if _, resource, _ := strings.Cut(*listed.Arn, ":policy/"); text != "" {
				got[resource] = text
			}
		}
	}
	for resource, want := range map[string]string{
		"Read":                   "ours",
		"AdministratorAccess":    "Provides full access to AWS services and resources.",
		"PowerUserAccess":        "Provides full access to AWS services and resources, but does not allow management of Users and groups.",
		"ReadOnlyAccess":         "Provides read-only access to AWS services and resources.",
		"AmazonS3ReadOnlyAccess": "Provides read only access to all buckets via the AWS Management Console.",
		"AmazonBedrockReadOnly":  "Provides read only access to Amazon Bedrock",
		"AmazonSQSFullAccess":    "Provides full access to Amazon SQS via the AWS Management Console.",
		"job-function/Billing":   "Grants permissions for billing and cost management. This includes viewing account usage and viewing and modifying budgets and payment methods.",
		"service-role/AmazonAPIGatewayPushToCloudWatchLogs": "Allows API Gateway to push logs to user's account.",
	} {
		if got[resource] != want {
			t.Errorf("%s: got %q, want %q", resource, got[resource], want)
		}
	}
	if len(got) < 27 {
		t.Errorf("%d policies are described", len(got))
	}
}

func TestRoleQuotas(t *testing.T) {
	t.Parallel()
	var w sandbox.World
	s := start(t, &w)
	c, ctx := iamClient(s), context.Background()
	createRole(t, c, "r")
	out, err := c.ListPolicies(ctx, &iam.ListPoliciesInput{Scope: types.PolicyScopeTypeAws, PathPrefix: aws.String("/job-function/")})
	more, err2 := c.ListPolicies(ctx, &iam.ListPoliciesInput{Scope: types.PolicyScopeTypeAws, PathPrefix: aws.String("/service-role/")})
	policies := slices.Concat(ok(t, out, err).Policies, ok(t, more, err2).Policies)
	for i, p := range policies[:11] {
		_, err := c.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: aws.String("r"), PolicyArn: p.Arn})
		if i < 10 && err != nil {
			t.Fatal(err)
		}
		if i == 10 {
			refused(t, err, "LimitExceeded", "Cannot exceed quota for PoliciesPerRole: 10")
		}
	}

	// The quota of inline policies is for their total size; replacing one frees its
	// part.
	half := strings.Replace(readBucket, "bucket/*", strings.Repeat("b", 5000), 1)
	put := func(name string) error {
		_, err := c.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: aws.String("r"), PolicyName: &name, PolicyDocument: &half})
		return err
	}
	for _, name := range []string{"a", "a", "b"} {
		if err := put(name); err != nil {
			t.Fatal(err)
		}
	}
	refused(t, put("c"), "LimitExceeded", "Maximum policy size of 10240 bytes exceeded for role r")
}

func TestPagination(t *testing.T) {
	t.Parallel()
	w := sandbox.World{PageLimit: 4, Alias: "acme-dev"}
	s := start(t, &w)
	c, ctx := iamClient(s), context.Background()
	var want []string
	for i := range 10 {
		name := fmt.Sprintf("role-%02d", i)
		createRole(t, c, name)
		want = append(want, name)
	}

	var got []string
	sizes := []int{}
	pages := iam.NewListRolesPaginator(c, &iam.ListRolesInput{PathPrefix: aws.String("/"), MaxItems: aws.Int32(5)})
	for pages.HasMorePages() {
		out, err := pages.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, len(out.Roles))
		for _, role := range out.Roles {
			got = append(got, *role.RoleName)
			if role.Tags != nil || role.PermissionsBoundary != nil {
				t.Errorf("a listed role has no tags and no boundary: %+v", role)
			}
		}
		// Deleting a role between two pages does not hide another one.
		if len(sizes) == 1 {
			if _, err := c.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: aws.String("role-01")}); err != nil {
				t.Fatal(err)
			}
		}
	}
	got = slices.DeleteFunc(got, func(name string) bool { return strings.HasPrefix(name, "AWSServiceRoleFor") })
	if !slices.Equal(got, want) || !slices.Equal(sizes, []int{4, 4, 4}) {
		t.Errorf("got %v in pages of %v", got, sizes)
	}

	// A marker is valid for its own list only.
	first, err := c.ListRoles(ctx, &iam.ListRolesInput{})
	_, err = c.ListPolicies(ctx, &iam.ListPoliciesInput{Marker: ok(t, first, err).Marker})
	refused(t, err, "ValidationError", "Invalid Marker.")

	aliases, err := c.ListAccountAliases(ctx, &iam.ListAccountAliasesInput{})
	if a := ok(t, aliases, err).AccountAliases; !slices.Equal(a, []string{"acme-dev"}) {
		t.Errorf("got aliases %q", a)
	}
}

func TestAuthorizationDetails(t *testing.T) {
	t.Parallel()
	w := sandbox.World{PageLimit: 2}
	s := start(t, &w)
	acme(t, s)
	c, ctx := iamClient(s), context.Background()
	name := aws.String("fly-web")
	admin := aws.String("arn:aws:iam::aws:policy/AdministratorAccess")
	for _, err := range []error{
		func() error {
			_, err := c.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: name, PolicyArn: admin})
			return err
		}(),
		func() error {
			_, err := c.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: name, PolicyName: aws.String("p"), PolicyDocument: aws.String(readBucket)})
			return err
		}(),
		func() error {
			_, err := c.PutRolePermissionsBoundary(ctx, &iam.PutRolePermissionsBoundaryInput{RoleName: name, PermissionsBoundary: admin})
			return err
		}(),
		func() error {
			_, err := c.TagRole(ctx, &iam.TagRoleInput{RoleName: name, Tags: tags("a", "b")})
			return err
		}(),
		func() error {
			_, err := c.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: aws.String("Mine"), PolicyDocument: aws.String(readBucket)})
			return err
		}(),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}

	read := func(filter ...types.EntityType) (roles []types.RoleDetail, policies []types.ManagedPolicyDetail) {
		t.Helper()
		pages := iam.NewGetAccountAuthorizationDetailsPaginator(c, &iam.GetAccountAuthorizationDetailsInput{Filter: filter})
		for pages.HasMorePages() {
			out, err := pages.NextPage(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if len(out.RoleDetailList)+len(out.Policies) > 2 {
				t.Errorf("a page of %d roles and %d policies", len(out.RoleDetailList), len(out.Policies))
			}
			roles = append(roles, out.RoleDetailList...)
			policies = append(policies, out.Policies...)
		}
		return roles, policies
	}
	roles, policies := read(types.EntityTypeRole)
	if len(roles) != 3 || len(policies) != 0 {
		t.Fatalf("got %d roles and %d policies", len(roles), len(policies))
	}
	role := roles[slices.IndexFunc(roles, func(r types.RoleDetail) bool { return *r.RoleName == *name })]
	trust, _ := url.PathUnescape(*role.AssumeRolePolicyDocument)
	if trust != trustACME || len(role.AttachedManagedPolicies) != 1 || *role.AttachedManagedPolicies[0].PolicyName != "AdministratorAccess" ||
		*role.PermissionsBoundary.PermissionsBoundaryArn != *admin || len(role.Tags) != 1 || len(role.RolePolicyList) != 1 {
		t.Errorf("got %+v", role)
	}
	if doc, _ := url.PathUnescape(*role.RolePolicyList[0].PolicyDocument); doc != readBucket {
		t.Errorf("got %s", doc)
	}

	roles, policies = read()
	if len(roles) != 3 || len(policies) != 1 || *policies[0].PolicyName != "Mine" || len(policies[0].PolicyVersionList) != 1 {
		t.Errorf("got %d roles and policies %+v", len(roles), policies)
	}
}

func tagMap(tags []types.Tag) map[string]string {
	m := map[string]string{}
	for _, t := range tags {
		m[*t.Key] = *t.Value
	}
	return m
}
