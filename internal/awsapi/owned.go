package awsapi

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"golang.org/x/sync/errgroup"

	"github.com/fly-aws/fly-aws/internal/flyname"
	"github.com/fly-aws/fly-aws/setup"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

// Roles implements setup.Account. It reads every role of the account in pages with
// GetAccountAuthorizationDetails. If that is not allowed, it lists the roles and
// reads the wanted ones and those whose trust policies name the provider one by one;
// then it misses a role that has only our tags, since ListRoles does not return tags.
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListRoles.html
//
// The first Roles after Facts for a request file uses the roles that Facts read.
func (a *Account) Roles(ctx context.Context, facts setup.Facts, org string, want []setup.Role) ([]setup.Resource, error) {
	if err := a.signIn(ctx); err != nil {
		return nil, err
	}
	asked := needs{}
	for _, r := range want {
		n := asked.of(r.Name)
		n.whole = n.whole || r.MaxSession != 0
	}
	known := a.takePrefetched().covering(org, asked)
	var provider *setup.Provider
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		provider, err = a.provider(gctx, trustpolicy.ProviderARN(facts.Partition, facts.Account, org))
		return err
	})
	g.Go(func() (err error) {
		if known == nil {
			known, err = a.orgRoles(gctx, org, asked)
		}
		if err != nil {
			return err
		}
		return a.loadEach(gctx, asked, known) // the maximum session durations
	})
	if err := g.Wait(); err != nil {
		return nil, err
	}
	var out []setup.Resource
	for _, key := range slices.Sorted(maps.Keys(known)) {
		found, err := known[key].resources()
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
	if provider != nil {
		out = append(out, setup.Resource{Provider: provider})
	}
	return out, nil
}

// covering returns the roles if they are those of the organization and include every
// asked one, or nil.
func (p prefetch) covering(org string, asked needs) views {
	if p.org == "" || p.org != org {
		return nil
	}
	for key := range asked {
		if p.roles[key] == nil {
			return nil
		}
	}
	return p.roles
}

// orgRoles reads the asked roles and those whose tags or trust policy name the
// organization. An asked role that does not exist is known to be absent.
func (a *Account) orgRoles(ctx context.Context, org string, asked needs) (views, error) {
	known, err := a.detailedRoles(ctx, org, asked)
	if isDenied(err) {
		listed, listErr := a.listedRoles(ctx, org, asked)
		if !isDenied(listErr) { // else the first denial says what is enough
			known, err = listed, listErr
		}
	}
	if err != nil {
		return nil, err
	}
	for key := range asked {
		if known[key] == nil {
			known.of(key).setAbsent()
		}
	}
	return known, nil
}

// detailedRoles reads the roles in pages, without the maximum session durations.
func (a *Account) detailedRoles(ctx context.Context, org string, asked needs) (views, error) {
	known := views{}
	err := pages("GetAccountAuthorizationDetails", func(marker *string) (bool, *string, error) {
		page, err := call(ctx, a, a.iam.GetAccountAuthorizationDetails, &iam.GetAccountAuthorizationDetailsInput{
			Filter:   []iamtypes.EntityType{iamtypes.EntityTypeRole},
			MaxItems: aws.Int32(pageSize),
			Marker:   marker,
		})
		if err != nil {
			return false, nil, err
		}
		for _, d := range page.RoleDetailList {
			view := &roleView{}
			view.setDetail(d)
			key := keyOf(aws.ToString(d.RoleName))
			if asked[key] != nil || tagMap(d.Tags)[setup.TagOrg] == org || mentions(view.role, org) {
				known[key] = view
			}
		}
		return page.IsTruncated, page.Marker, nil
	})
	return known, err
}

// listedRoles reads the roles without GetAccountAuthorizationDetails.
func (a *Account) listedRoles(ctx context.Context, org string, asked needs) (views, error) {
	found := needs{}
	err := a.eachRole(ctx, func(r *iamtypes.Role) {
		name := aws.ToString(r.RoleName)
		if asked[keyOf(name)] != nil || mentions(r, org) {
			*found.of(name) = need{name: name, role: true, attached: true, inlines: true, profiles: true}
		}
	})
	if err != nil {
		return nil, err
	}
	known := views{}
	return known, a.loadEach(ctx, found, known)
}

// eachRole calls do with every role of the account, as ListRoles returns it.
func (a *Account) eachRole(ctx context.Context, do func(*iamtypes.Role)) error {
	return pages("ListRoles", func(marker *string) (bool, *string, error) {
		page, err := call(ctx, a, a.iam.ListRoles, &iam.ListRolesInput{MaxItems: aws.Int32(pageSize), Marker: marker})
		if err != nil {
			return false, nil, err
		}
		for i := range page.Roles {
			do(&page.Roles[i])
		}
		return page.IsTruncated, page.Marker, nil
	})
}

// A RoleName is how a role is called.
type RoleName struct{ Name, ARN, Description string }

// RoleNames lists the account's roles in IAM's order, without the service-linked ones. Errors
// are as with ManagedPolicies.
func (a *Account) RoleNames(ctx context.Context) ([]RoleName, error) {
	if err := a.signIn(ctx); err != nil {
		return nil, err
	}
	var names []RoleName
	err := a.eachRole(ctx, func(r *iamtypes.Role) {
		if !strings.HasPrefix(aws.ToString(r.Path), "/aws-service-role/") {
			names = append(names, RoleName{aws.ToString(r.RoleName), aws.ToString(r.Arn), aws.ToString(r.Description)})
		}
	})
	return names, err
}

// mentions reports whether the trust policy names the organization's provider, or any of
// Fly's if org is "", or may do so because it cannot be parsed.
func mentions(r *iamtypes.Role, org string) bool {
	if role, err := roleFrom(r); err == nil {
		return strings.Contains(role.Trust.String(), flyname.IssuerPath(org))
	}
	document, err := decode(aws.ToString(r.AssumeRolePolicyDocument))
	return err != nil || strings.Contains(document, `\`) || strings.Contains(document, flyname.IssuerPath(org))
}

// resources returns the role with its policies; none if it does not exist. A role whose
// trust policy cannot be parsed has none.
func (v *roleView) resources() ([]setup.Resource, error) {
	if v.role == nil {
		return nil, nil
	}
	role, err := roleFrom(v.role)
	if err != nil {
		role = unparsedRole(v.role)
	}
	role.InstanceProfiles = v.profiles
	if used := v.role.RoleLastUsed; used != nil {
		role.LastUsed = aws.ToTime(used.LastUsedDate)
	}
	policies, err := v.allPolicies()
	return append([]setup.Resource{{Role: role}}, policies...), err
}

// PolicyDocument implements setup.Account. A policy that does not exist has the zero
// Document too.
func (a *Account) PolicyDocument(ctx context.Context, arn string) (setup.Document, error) {
	document, err := a.policyDocument(ctx, arn)
	if isDenied(err) || hasCode(err, codeNotFound) {
		return setup.Document{}, nil
	}
	return document, err
}

func (a *Account) policyDocument(ctx context.Context, arn string) (setup.Document, error) {
	var none setup.Document
	if err := a.signIn(ctx); err != nil {
		return none, err
	}
	policy, err := call(ctx, a, a.iam.GetPolicy, &iam.GetPolicyInput{PolicyArn: &arn})
	switch {
	case err != nil:
		return none, err
	case policy.Policy == nil || aws.ToString(policy.Policy.DefaultVersionId) == "":
		return none, &CallError{Operation: "GetPolicy", Message: "the response has no default version"}
	}
	version, err := call(ctx, a, a.iam.GetPolicyVersion, &iam.GetPolicyVersionInput{
		PolicyArn: &arn, VersionId: policy.Policy.DefaultVersionId,
	})
	switch {
	case err != nil:
		return none, err
	case version.PolicyVersion == nil:
		return none, &CallError{Operation: "GetPolicyVersion", Message: "the response has no policy version"}
	}
	plain, err := decode(aws.ToString(version.PolicyVersion.Document))
	if err != nil {
		return none, fmt.Errorf("policy %q: %w", arn, err)
	}
	document, err := setup.FoundDocument([]byte(plain))
	if err != nil {
		return none, fmt.Errorf("policy %q: %w", arn, err)
	}
	return document, nil
}
