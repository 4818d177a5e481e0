package operator_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/smithy-go"

	"github.com/fly-aws/fly-aws/internal/operator"
	"github.com/fly-aws/fly-aws/setup"
)

// A write is one call that changes something.
type write func(context.Context, *iam.Client) error

func tags(pairs ...string) []types.Tag {
	var out []types.Tag
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, types.Tag{Key: &pairs[i], Value: &pairs[i+1]})
	}
	return out
}

func ours(org string) []types.Tag { return tags(setup.TagOrg, org) }

func createRole(name, boundary string, tags []types.Tag) write {
	return func(ctx context.Context, c *iam.Client) error {
		in := &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":` + ec2 + `}`), Tags: tags}
		if boundary != "" {
			in.PermissionsBoundary = &boundary
		}
		_, err := c.CreateRole(ctx, in)
		return err
	}
}

func tagRole(name string, tags []types.Tag) write {
	return func(ctx context.Context, c *iam.Client) error {
		_, err := c.TagRole(ctx, &iam.TagRoleInput{RoleName: &name, Tags: tags})
		return err
	}
}

func attachPolicy(name, arn string) write {
	return func(ctx context.Context, c *iam.Client) error {
		_, err := c.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: &name, PolicyArn: &arn})
		return err
	}
}

func putPolicy(name string) write {
	return func(ctx context.Context, c *iam.Client) error {
		_, err := c.PutRolePolicy(ctx, &iam.PutRolePolicyInput{
			RoleName: &name, PolicyName: aws.String("p"),
			PolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`),
		})
		return err
	}
}

func putBoundary(name, arn string) write {
	return func(ctx context.Context, c *iam.Client) error {
		_, err := c.PutRolePermissionsBoundary(ctx, &iam.PutRolePermissionsBoundaryInput{RoleName: &name, PermissionsBoundary: &arn})
		return err
	}
}

func deleteBoundary(name string) write {
	return func(ctx context.Context, c *iam.Client) error {
		_, err := c.DeleteRolePermissionsBoundary(ctx, &iam.DeleteRolePermissionsBoundaryInput{RoleName: &name})
		return err
	}
}

// onRole are the calls that change an existing role.
func onRole(name string) map[string]write {
	return map[string]write{
		"tag":        tagRole(name, tags("team", "x")),
		"make ours":  tagRole(name, ours("acme")),
		"attach":     attachPolicy(name, audit),
		"put policy": putPolicy(name),
		"boundary":   putBoundary(name, audit),
		"unbound":    deleteBoundary(name),
		"trust": func(ctx context.Context, c *iam.Client) error {
			_, err := c.UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: &name, PolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":` + ec2 + `}`)})
			return err
		},
		"session": func(ctx context.Context, c *iam.Client) error {
			_, err := c.UpdateRole(ctx, &iam.UpdateRoleInput{RoleName: &name, MaxSessionDuration: aws.Int32(7200)})
			return err
		},
		"detach": func(ctx context.Context, c *iam.Client) error {
			_, err := c.DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: &name, PolicyArn: aws.String(audit)})
			return err
		},
		"delete policy": func(ctx context.Context, c *iam.Client) error {
			_, err := c.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: &name, PolicyName: aws.String(surplus)})
			return err
		},
		"untag": func(ctx context.Context, c *iam.Client) error {
			_, err := c.UntagRole(ctx, &iam.UntagRoleInput{RoleName: &name, TagKeys: []string{"team"}})
			return err
		},
		"delete": func(ctx context.Context, c *iam.Client) error {
			_, err := c.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: &name})
			return err
		},
	}
}

// onProvider are the calls that change the organization's provider.
func onProvider() map[string]write {
	arn := aws.String("arn:aws:iam::" + account + ":oidc-provider/oidc.fly.io/acme")
	return map[string]write{
		"tag provider": func(ctx context.Context, c *iam.Client) error {
			_, err := c.TagOpenIDConnectProvider(ctx, &iam.TagOpenIDConnectProviderInput{OpenIDConnectProviderArn: arn, Tags: ours("acme")})
			return err
		},
		"add audience": func(ctx context.Context, c *iam.Client) error {
			_, err := c.AddClientIDToOpenIDConnectProvider(ctx, &iam.AddClientIDToOpenIDConnectProviderInput{OpenIDConnectProviderArn: arn, ClientID: aws.String("x")})
			return err
		},
		"delete provider": func(ctx context.Context, c *iam.Client) error {
			_, err := c.DeleteOpenIDConnectProvider(ctx, &iam.DeleteOpenIDConnectProviderInput{OpenIDConnectProviderArn: arn})
			return err
		},
	}
}

func isDenied(err error) bool {
	var api smithy.APIError
	return errors.As(err, &api) && api.ErrorCode() == "AccessDenied"
}

// TestOthersAreRefused: no policy for acme lets change a role of acme-staging, whose name the
// pattern fly-acme-* matches, nor one that nobody has tagged, nor such a provider.
func TestOthersAreRefused(t *testing.T) {
	t.Parallel()
	for name, j := range map[string]struct {
		job     operator.Job
		request setup.Request
		adopts  bool
	}{
		"setup":               {operator.JobSetup, setup.Request{Org: "acme"}, false},
		"setup that adopts":   {operator.JobSetup, setup.Request{Org: "acme", Adopt: true}, true},
		"setup of many roles": {operator.JobSetup, file(many(60)), false},
		"plan":                {operator.JobPlan, setup.Request{Org: "acme"}, false},
		"audit":               {operator.JobAudit, setup.Request{Org: "acme"}, false},
		"destroy":             {operator.JobDestroy, setup.Request{Org: "acme"}, false},
		"destroy of a file":   {operator.JobDestroy, file(team), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := operator.New(j.job, facts, j.request)
			if err != nil {
				t.Fatal(err)
			}
			b := newBench(t, 0, p)
			b.provider()
			b.foreign("fly-acme-staging-web", append(ours("acme-staging"), tags("team", "y", setup.TagFile, "production")...)...)
			b.foreign("fly-acme-theirs", tags("team", "y")...)
			for _, role := range []string{"fly-acme-staging-web", "fly-acme-theirs"} {
				b.attach(role)
				b.inline(role)
				for what, call := range onRole(role) {
					if j.adopts && what == "make ours" && role == "fly-acme-theirs" {
						continue
					}
					if err := call(t.Context(), b.client); !isDenied(err) {
						t.Errorf("%s of %s: %v", what, role, err)
					}
				}
			}
			for what, call := range onProvider() {
				if j.adopts && what == "add audience" {
					continue
				}
				if err := call(t.Context(), b.client); !isDenied(err) {
					t.Errorf("%s: %v", what, err)
				}
			}
		})
	}
}

// TestLimits: what the policy of a file allows is what the file says.
func TestLimits(t *testing.T) {
	t.Parallel()
	const readOnly, power = "arn:aws:iam::aws:policy/ReadOnlyAccess", "arn:aws:iam::aws:policy/PowerUserAccess"
	policy := (job{job: operator.JobSetup, request: file(team)}).policy(t)
	b := newBench(t, 0, policy)
	b.admin(file(team))
	b.foreign("fly-acme-unbound", ours("acme")...)
	for name, test := range map[string]struct {
		call    write
		allowed bool
	}{
		"a new role without a tag":         {createRole("fly-acme-new", "", nil), false},
		"a new role that is not named":     {createRole("fly-acme-new", "", ours("acme")), false},
		"a role of another organization":   {tagRole("fly-acme-web", ours("acme-staging")), false},
		"a tag":                            {tagRole("fly-acme-web", tags("team", "x")), true},
		"another policy":                   {attachPolicy("fly-acme-web", power), false},
		"a policy of another role":         {attachPolicy("fly-acme-web", audit), false},
		"the policy":                       {attachPolicy("fly-acme-web", "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"), true},
		"a role without inline policies":   {putPolicy("fly-acme-plain"), false},
		"a role with inline policies":      {putPolicy("fly-acme-web"), true},
		"the boundary":                     {putBoundary("fly-acme-api", readOnly), true},
		"another boundary":                 {putBoundary("fly-acme-api", power), false},
		"a boundary that is not asked for": {putBoundary("fly-acme-web", readOnly), false},
		"no boundary":                      {deleteBoundary("fly-acme-api"), false},
	} {
		t.Run(name, func(t *testing.T) {
			err := test.call(t.Context(), b.client)
			if test.allowed && err != nil || !test.allowed && !isDenied(err) {
				t.Errorf("got %v", err)
			}
		})
	}

	// A role is made within its boundary, and gets no policies outside of it.
	bound := production + "[apps.api]\npermissions_boundary = \"ReadOnlyAccess\"\npolicies = [\"SecurityAudit\"]\nallow.s3-read = [\"uploads\"]\n"
	b = newBench(t, 0, (job{job: operator.JobSetup, request: file(bound)}).policy(t))
	for name, boundary := range map[string]string{"no boundary": "", "another boundary": power} {
		if err := createRole("fly-acme-api", boundary, ours("acme"))(t.Context(), b.client); !isDenied(err) {
			t.Errorf("a new role with %s: %v", name, err)
		}
	}
	b.foreign("fly-acme-api", ours("acme")...)
	for name, call := range map[string]write{"attach": attachPolicy("fly-acme-api", audit), "put": putPolicy("fly-acme-api")} {
		if err := call(t.Context(), b.client); !isDenied(err) {
			t.Errorf("%s, outside of the boundary: %v", name, err)
		}
	}
}

// TestFilesAreApart: what one file made is not another's to remove.
func TestFilesAreApart(t *testing.T) {
	t.Parallel()
	for _, of := range []operator.Job{operator.JobSetup, operator.JobDestroy} {
		b := newBench(t, 0, (job{job: of, request: file(production + "[apps.web]\n")}).policy(t))
		b.foreign("fly-acme-api", append(ours("acme"), tags("team", "y", setup.TagFile, "staging")...)...)
		b.attach("fly-acme-api")
		b.inline("fly-acme-api")
		for what, call := range onRole("fly-acme-api") {
			if err := call(t.Context(), b.client); !isDenied(err) {
				t.Errorf("%s: %s: %v", of, what, err)
			}
		}
	}
}

// TestNoWildcards: a resource is "*" only where IAM knows none.
func TestNoWildcards(t *testing.T) {
	t.Parallel()
	for _, j := range jobs {
		for _, s := range j.policy(t).Statement {
			if len(s.Resource) == 1 && s.Resource[0] == "*" {
				for _, action := range s.Action {
					if !slices.Contains([]string{"iam:GetAccountAuthorizationDetails", "iam:GetAccountSummary", "iam:ListOpenIDConnectProviders"}, action) {
						t.Errorf("%s: %s is allowed on *", j.name, action)
					}
				}
			}
			for _, resource := range s.Resource {
				if resource != "*" && !strings.HasPrefix(resource, "arn:aws:iam::") {
					t.Errorf("%s: the resource %s", j.name, resource)
				}
			}
			for _, action := range s.Action {
				name := strings.TrimPrefix(action, "iam:")
				reads := strings.HasPrefix(name, "Get") || strings.HasPrefix(name, "List")
				if (j.job == operator.JobPlan || j.job == operator.JobAudit) && !reads {
					t.Errorf("%s writes: %s", j.name, action)
				}
				if action == "iam:DeleteOpenIDConnectProvider" && (j.job != operator.JobDestroy || len(s.Action) != 1) {
					t.Errorf("%s: %s stands beside %v", j.name, action, s.Action)
				}
			}
		}
	}
}
