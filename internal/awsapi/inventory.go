package awsapi

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"golang.org/x/sync/errgroup"

	"github.com/fly-aws/fly-aws/internal/audit"
	"github.com/fly-aws/fly-aws/internal/flyname"
	"github.com/fly-aws/fly-aws/internal/text"
	"github.com/fly-aws/fly-aws/setup"
)

// Inventory reads what an audit looks at: the roles that trust a Fly provider or have tags of
// fly-aws, their policies with the documents, and Fly's providers. It reads the roles in
// pages with GetAccountAuthorizationDetails, or one by one where that is denied. What
// cannot be read is a gap of the inventory, unless nothing can.
//
// The errors are those of Facts.
func (a *Account) Inventory(ctx context.Context) (audit.Inventory, error) {
	if err := a.signIn(ctx); err != nil {
		return audit.Inventory{}, err
	}
	inv := audit.Inventory{Documents: map[string]setup.Document{}}
	var providers []setup.Provider
	var providersErr error
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		facts, err := a.identity(gctx)
		inv.Partition, inv.Account, inv.Caller = facts.Partition, facts.Account, facts.Caller
		return err
	})
	g.Go(func() error {
		providers, providersErr = a.flyProviders(gctx)
		return ctx.Err()
	})
	g.Go(func() error { return a.flyRoles(gctx, &inv) })
	if err := g.Wait(); err != nil {
		return audit.Inventory{}, err
	}
	if inv.Providers, inv.ProvidersKnown = providers, providersErr == nil; providersErr != nil {
		inv.Gaps = append(inv.Gaps, audit.Gap{Code: audit.GapProviders, Reason: text.Line(providersErr.Error())})
	}
	err := a.readDocuments(ctx, &inv)
	return inv, err
}

// flyProviders reads the providers of Fly's issuers.
func (a *Account) flyProviders(ctx context.Context) ([]setup.Provider, error) {
	list, err := call(ctx, a, a.iam.ListOpenIDConnectProviders, &iam.ListOpenIDConnectProvidersInput{})
	if err != nil {
		return nil, err
	}
	var out []setup.Provider
	for _, entry := range list.OpenIDConnectProviderList {
		if !strings.Contains(aws.ToString(entry.Arn), flyname.IssuerHost) {
			continue
		}
		p, err := a.provider(ctx, aws.ToString(entry.Arn))
		switch {
		case err != nil:
			return nil, err
		case p != nil:
			out = append(out, *p)
		}
	}
	return out, nil
}

// flyRoles reads the roles that concern Fly, and the documents of the account's own managed
// policies.
func (a *Account) flyRoles(ctx context.Context, inv *audit.Inventory) error {
	known := views{}
	err := pages("GetAccountAuthorizationDetails", func(marker *string) (bool, *string, error) {
		page, err := call(ctx, a, a.iam.GetAccountAuthorizationDetails, &iam.GetAccountAuthorizationDetailsInput{
			Filter:   []iamtypes.EntityType{iamtypes.EntityTypeRole, iamtypes.EntityTypeLocalManagedPolicy},
			MaxItems: aws.Int32(pageSize), Marker: marker,
		})
		if err != nil {
			return false, nil, err
		}
		for _, d := range page.RoleDetailList {
			inv.Seen++
			view := &roleView{}
			if view.setDetail(d); tagMap(d.Tags)[setup.TagOrg] != "" || mentions(view.role, "") {
				known[keyOf(aws.ToString(d.RoleName))] = view
			}
		}
		for _, p := range page.Policies {
			addDocument(inv, p)
		}
		return page.IsTruncated, page.Marker, nil
	})
	switch {
	case isDenied(err) && inv.Seen == 0:
		asked := needs{}
		if err := a.eachRole(ctx, func(r *iamtypes.Role) {
			inv.Seen++
			if name := aws.ToString(r.RoleName); mentions(r, "") {
				*asked.of(name) = need{name: name, role: true, attached: true, inlines: true}
			}
		}); err != nil {
			return err
		}
		if err := a.loadEach(ctx, asked, known); err != nil {
			return err
		}
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil && inv.Seen == 0:
		return err
	case err != nil:
		inv.Gaps = append(inv.Gaps, audit.Gap{Code: audit.GapRoles, Reason: text.Line(err.Error())})
	}
	for _, key := range slices.Sorted(maps.Keys(known)) {
		resources, err := known[key].resources()
		if err != nil {
			return err
		}
		var role audit.Role
		for _, r := range resources {
			switch {
			case r.Role != nil:
				role.Role = *r.Role
			case r.Policy != nil:
				role.Policies = append(role.Policies, *r.Policy)
			}
		}
		inv.Roles = append(inv.Roles, role)
	}
	return nil
}

// addDocument keeps the default version's document of a managed policy.
func addDocument(inv *audit.Inventory, p iamtypes.ManagedPolicyDetail) {
	for _, v := range p.PolicyVersionList {
		if !v.IsDefaultVersion {
			continue
		}
		plain, err := decode(aws.ToString(v.Document))
		if err != nil {
			return
		}
		if document, err := setup.FoundDocument([]byte(plain)); err == nil {
			inv.Documents[aws.ToString(p.Arn)] = document
		}
	}
}

// readDocuments reads the documents of the attached policies that are not known yet. One
// that cannot be read stays unknown.
func (a *Account) readDocuments(ctx context.Context, inv *audit.Inventory) error {
	missing := map[string]bool{}
	for _, role := range inv.Roles {
		for _, p := range role.Policies {
			if _, ok := inv.Documents[p.ARN]; p.ARN != "" && !ok {
				missing[p.ARN] = true
			}
		}
	}
	var mu sync.Mutex
	g, gctx := errgroup.WithContext(ctx)
	for arn := range missing {
		g.Go(func() error {
			document, err := a.PolicyDocument(gctx, arn)
			if err != nil || document.IsZero() {
				return ctx.Err()
			}
			mu.Lock()
			defer mu.Unlock()
			inv.Documents[arn] = document
			return nil
		})
	}
	return g.Wait()
}
