package awsapi

import (
	"context"
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
// reads those whose trust policies name the provider one by one; then it misses a
// role that has only our tags, since ListRoles does not return tags.
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListRoles.html
func (a *Account) Roles(ctx context.Context, facts setup.Facts, scope setup.Scope) ([]setup.Resource, error) {
	if err := a.signIn(ctx); err != nil {
		return nil, err
	}
	var roles []setup.Resource
	var provider *setup.Provider
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		provider, err = a.provider(gctx, trustpolicy.ProviderARN(facts.Partition, facts.Account, scope.Org))
		return err
	})
	g.Go(func() (err error) {
		roles, err = a.detailedRoles(gctx, scope.Org)
		if isDenied(err) {
			roles, err = a.listedRoles(gctx, scope.Org)
		}
		return err
	})
	if err := g.Wait(); err != nil {
		return nil, err
	}
	if provider != nil {
		roles = append(roles, setup.Resource{Provider: provider})
	}
	return roles, nil
}

// detailedRoles reads the roles in pages.
func (a *Account) detailedRoles(ctx context.Context, org string) ([]setup.Resource, error) {
	var out []setup.Resource
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
			found, err := view.owned(org, instanceProfileNames(d.InstanceProfileList))
			if err != nil {
				return false, nil, err
			}
			out = append(out, found...)
		}
		return page.IsTruncated, page.Marker, nil
	})
	return out, err
}

func instanceProfileNames(profiles []iamtypes.InstanceProfile) []string {
	var names []string
	for _, p := range profiles {
		names = append(names, aws.ToString(p.InstanceProfileName))
	}
	return names
}

// owned returns the role with its policies if its tags or its trust policy name the
// organization.
func (v *roleView) owned(org string, profiles []string) ([]setup.Resource, error) {
	role, err := roleFrom(v.role)
	if err != nil {
		role = unparsedRole(v.role)
	}
	tagged := role.Tags[setup.TagOrg] == org
	if !tagged && !mentions(v.role, role.Trust, org) {
		return nil, nil
	}
	role.InstanceProfiles = profiles
	out := []setup.Resource{{Role: role}}
	if !tagged {
		return out, nil
	}
	for _, arn := range v.attached {
		out = append(out, setup.Resource{Policy: &setup.RolePolicy{Role: role.Name, ARN: arn}})
	}
	for name, encoded := range v.inline {
		doc, err := inlineDocumentFrom(role.Name, name, encoded)
		if err != nil {
			return nil, err
		}
		out = append(out, setup.Resource{Policy: &setup.RolePolicy{Role: role.Name, Name: name, Document: doc}})
	}
	return out, nil
}

// mentions reports whether the trust policy names the organization's provider, or
// may do so because it cannot be parsed.
func mentions(r *iamtypes.Role, trust *trustpolicy.Policy, org string) bool {
	if trust != nil {
		return strings.Contains(trust.String(), flyname.IssuerPath(org))
	}
	document, err := decode(aws.ToString(r.AssumeRolePolicyDocument))
	return err != nil || strings.Contains(document, `\`) || strings.Contains(document, flyname.IssuerPath(org))
}

// listedRoles reads the roles without GetAccountAuthorizationDetails.
func (a *Account) listedRoles(ctx context.Context, org string) ([]setup.Resource, error) {
	var names []string
	err := pages("ListRoles", func(marker *string) (bool, *string, error) {
		page, err := call(ctx, a, a.iam.ListRoles, &iam.ListRolesInput{MaxItems: aws.Int32(pageSize), Marker: marker})
		if err != nil {
			return false, nil, err
		}
		for _, r := range page.Roles {
			role, err := roleFrom(&r)
			if err != nil {
				role = &setup.Role{}
			}
			if mentions(&r, role.Trust, org) {
				names = append(names, aws.ToString(r.RoleName))
			}
		}
		return page.IsTruncated, page.Marker, nil
	})
	if err != nil {
		return nil, err
	}
	found := make([][]setup.Resource, len(names))
	g, gctx := errgroup.WithContext(ctx)
	for i, name := range names {
		g.Go(func() (err error) {
			found[i], err = a.listedRole(gctx, org, name)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return slices.Concat(found...), nil
}

// listedRole reads one role with all its policies.
func (a *Account) listedRole(ctx context.Context, org, name string) ([]setup.Resource, error) {
	view := &roleView{}
	if err := a.loadRole(ctx, name, view); err != nil || view.role == nil {
		return nil, err
	}
	if err := a.loadAttached(ctx, name, view); err != nil {
		return nil, err
	}
	var policies []string
	err := pages("ListRolePolicies", func(marker *string) (bool, *string, error) {
		page, err := call(ctx, a, a.iam.ListRolePolicies, &iam.ListRolePoliciesInput{RoleName: &name, Marker: marker})
		if err != nil {
			return false, nil, err
		}
		policies = append(policies, page.PolicyNames...)
		return page.IsTruncated, page.Marker, nil
	})
	if err != nil {
		return nil, err
	}
	for _, policy := range policies {
		if err := a.loadInline(ctx, name, policy, view); err != nil {
			return nil, err
		}
	}
	var profiles []string
	err = pages("ListInstanceProfilesForRole", func(marker *string) (bool, *string, error) {
		page, err := call(ctx, a, a.iam.ListInstanceProfilesForRole, &iam.ListInstanceProfilesForRoleInput{RoleName: &name, Marker: marker})
		if err != nil {
			return false, nil, err
		}
		profiles = append(profiles, instanceProfileNames(page.InstanceProfiles)...)
		return page.IsTruncated, page.Marker, nil
	})
	if err != nil {
		return nil, err
	}
	return view.owned(org, profiles)
}
