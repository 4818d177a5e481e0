package awsapi

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"golang.org/x/sync/errgroup"

	"github.com/fly-aws/fly-aws/setup"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

// Read implements setup.Account. The first Read after Facts uses the roles that
// Facts read.
//
// A role has the name that AWS has, which can differ in case from the one in want;
// other wanted resources have the names in want. A trust policy that cannot be parsed is
// an error that names the role and wraps a *trustpolicy.SyntaxError.
func (a *Account) Read(ctx context.Context, want []setup.Resource) ([]setup.Resource, error) {
	asked := needs{}
	for _, r := range want {
		switch {
		case r.Role != nil:
			n := asked.of(r.Role.Name)
			n.role, n.attached, n.inlines = true, true, true
			n.whole = n.whole || r.Role.MaxSession != 0
		case r.Policy != nil && r.Policy.ARN != "":
			asked.of(r.Policy.Role).attached = true
		case r.Policy != nil:
			n := asked.of(r.Policy.Role)
			if !slices.Contains(n.inline, r.Policy.Name) {
				n.inline = append(n.inline, r.Policy.Name)
			}
		case r.Provider != nil:
		default:
			return nil, fmt.Errorf("%q is not a resource in an AWS account", r.ID())
		}
	}
	if err := a.signIn(ctx); err != nil {
		return nil, err
	}
	known := a.takePrefetched().roles
	if known == nil {
		known = views{}
	}

	found := make([]*setup.Resource, len(want))
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return a.load(gctx, asked, known) })
	for i, r := range want {
		if r.Provider == nil {
			continue
		}
		g.Go(func() error {
			p, err := a.provider(gctx, r.Provider.ARN)
			if p != nil {
				found[i] = &setup.Resource{Provider: p}
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	var out []setup.Resource
	have := map[string]bool{}
	add := func(r setup.Resource) {
		if !have[r.ID()] {
			have[r.ID()] = true
			out = append(out, r)
		}
	}
	for i, r := range want {
		if r.Provider == nil {
			var err error
			if found[i], err = known[keyOf(roleOf(r))].resource(r); err != nil {
				return nil, err
			}
		}
		if found[i] != nil {
			add(*found[i])
		}
	}
	for i, r := range want {
		if r.Role == nil || found[i] == nil {
			continue
		}
		policies, err := known[keyOf(r.Role.Name)].allPolicies()
		if err != nil {
			return nil, err
		}
		for _, p := range policies {
			add(p)
		}
	}
	return out, nil
}

// roleOf returns the name of the role that the resource is or belongs to.
func roleOf(r setup.Resource) string {
	if r.Role != nil {
		return r.Role.Name
	}
	return r.Policy.Role
}

// provider reads an OIDC provider; nil when it does not exist.
func (a *Account) provider(ctx context.Context, arn string) (*setup.Provider, error) {
	out, err := call(ctx, a, a.iam.GetOpenIDConnectProvider, &iam.GetOpenIDConnectProviderInput{
		OpenIDConnectProviderArn: &arn,
	})
	if hasCode(err, codeNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	p := &setup.Provider{ARN: arn, URL: aws.ToString(out.Url), Audiences: out.ClientIDList, Tags: tagMap(out.Tags)}
	// IAM returns the URL without its scheme.
	if !strings.Contains(p.URL, "://") {
		p.URL = "https://" + p.URL
	}
	return p, nil
}

// resource returns the resource that want names; nil when it does not exist.
func (v *roleView) resource(want setup.Resource) (*setup.Resource, error) {
	if want.Role != nil {
		if v.role == nil {
			return nil, nil
		}
		role, err := roleFrom(v.role)
		if err != nil {
			return nil, err
		}
		return &setup.Resource{Role: role}, nil
	}
	p := setup.RolePolicy{Role: want.Policy.Role, ARN: want.Policy.ARN, Name: want.Policy.Name}
	if p.ARN != "" {
		if !slices.Contains(v.attached, p.ARN) {
			return nil, nil
		}
		return &setup.Resource{Policy: &p}, nil
	}
	encoded := v.inline[p.Name]
	if encoded == "" {
		return nil, nil
	}
	var err error
	if p.Document, err = inlineDocumentFrom(p.Role, p.Name, encoded); err != nil {
		return nil, err
	}
	return &setup.Resource{Policy: &p}, nil
}

// allPolicies returns the policies of a role that exists, managed ones first.
func (v *roleView) allPolicies() ([]setup.Resource, error) {
	role := aws.ToString(v.role.RoleName)
	var out []setup.Resource
	for _, arn := range v.attached {
		out = append(out, setup.Resource{Policy: &setup.RolePolicy{Role: role, ARN: arn}})
	}
	for _, name := range slices.Sorted(maps.Keys(v.inline)) {
		if v.inline[name] == "" { // deleted between two calls
			continue
		}
		doc, err := inlineDocumentFrom(role, name, v.inline[name])
		if err != nil {
			return nil, err
		}
		out = append(out, setup.Resource{Policy: &setup.RolePolicy{Role: role, Name: name, Document: doc}})
	}
	return out, nil
}

// roleFrom converts an IAM role.
func roleFrom(r *iamtypes.Role) (*setup.Role, error) {
	role := unparsedRole(r)
	document, err := decode(aws.ToString(r.AssumeRolePolicyDocument))
	if err != nil {
		return nil, fmt.Errorf("trust policy of role %q: %w", role.Name, err)
	}
	if role.Trust, err = trustpolicy.Parse([]byte(document)); err != nil {
		return nil, fmt.Errorf("trust policy of role %q: %w", role.Name, err)
	}
	return role, nil
}

// unparsedRole is roleFrom without the trust policy.
func unparsedRole(r *iamtypes.Role) *setup.Role {
	role := &setup.Role{
		ARN:         aws.ToString(r.Arn),
		Name:        aws.ToString(r.RoleName),
		Path:        aws.ToString(r.Path),
		Description: aws.ToString(r.Description),
		MaxSession:  aws.ToInt32(r.MaxSessionDuration),
		Tags:        tagMap(r.Tags),
	}
	if r.PermissionsBoundary != nil {
		role.Boundary = aws.ToString(r.PermissionsBoundary.PermissionsBoundaryArn)
	}
	return role
}

// decode decodes a policy document that IAM returned percent-encoded by RFC 3986,
// where a plus sign is itself. One that begins like JSON is not encoded.
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetRole.html
func decode(document string) (string, error) {
	if strings.HasPrefix(strings.TrimLeft(document, " \t\r\n"), "{") {
		return document, nil
	}
	plain, err := url.PathUnescape(document)
	if err != nil {
		return "", fmt.Errorf("the document is not URL-encoded like IAM's: %w", err)
	}
	return plain, nil
}

// inlineDocumentFrom decodes an inline policy's document.
func inlineDocumentFrom(role, name, encoded string) (setup.Document, error) {
	plain, err := decode(encoded)
	var doc setup.Document
	if err == nil {
		doc, err = setup.FoundDocument([]byte(plain))
	}
	if err != nil {
		return doc, fmt.Errorf("inline policy %q of role %q: %w", name, role, err)
	}
	return doc, nil
}

func tagMap(tags []iamtypes.Tag) map[string]string {
	if len(tags) == 0 {
		return nil
	}
	m := make(map[string]string, len(tags))
	for _, t := range tags {
		m[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	return m
}
