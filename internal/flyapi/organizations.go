package flyapi

import (
	"context"

	"github.com/fly-aws/fly-aws/internal/flyname"
	"github.com/fly-aws/fly-aws/internal/text"
	"github.com/fly-aws/fly-aws/setup"
)

// The queries are flyctl's, with rawSlug, and without what is not used here.
const (
	organizationsQuery = `query($admin: Boolean!) {
  organizations(admin: $admin) { nodes { id slug rawSlug name } }
}`
	organizationQuery = `query($slug: String!) {
  organization(slug: $slug) { id slug rawSlug name }
}`
)

// Organizations lists the organizations that the token can reach, in Fly's order. A
// token that is limited to an app gives an error of setup.FlyNotAllowed.
func (c *Client) Organizations(ctx context.Context) ([]setup.Organization, error) {
	orgs, e := c.organizations(ctx, "listing the Fly organizations")
	if e != nil {
		return nil, e
	}
	return orgs, nil
}

func (c *Client) organizations(ctx context.Context, doing string) ([]setup.Organization, *Error) {
	var data struct {
		Organizations *struct {
			Nodes []setup.Organization `json:"nodes"`
		} `json:"organizations"`
	}
	e := c.askCheckingToken(ctx, question{
		doing: doing, thing: "list of Fly organizations",
		query: organizationsQuery, variables: map[string]any{"admin": false},
	}, &data)
	if e != nil {
		return nil, e
	}
	if data.Organizations == nil {
		return nil, c.malformed(doing, "the response has no list")
	}
	for _, o := range data.Organizations.Nodes {
		if e := c.checkOrganization(doing, o); e != nil {
			return nil, e
		}
	}
	return data.Organizations.Nodes, nil
}

// Organization looks up an organization by its slug, its raw slug, or the alias
// "personal". The error is of setup.FlyNotFound when it does not exist or the token
// cannot reach it.
func (c *Client) Organization(ctx context.Context, slug string) (setup.Organization, error) {
	doing := "looking up the Fly organization " + text.Quote(slug)
	thing := "Fly organization " + text.Quote(slug)
	if slug == "" {
		return setup.Organization{}, &Error{FlyProblem: setup.FlyProblem{Kind: setup.FlyNotFound}, Thing: thing}
	}
	var data struct {
		Organization *setup.Organization `json:"organization"`
	}
	e := c.ask(ctx, question{
		doing: doing, thing: thing,
		query: organizationQuery, variables: map[string]any{"slug": slug},
	}, &data)
	if e != nil && e.Kind == setup.FlyRefused {
		return c.amongOrganizations(ctx, slug, e)
	}
	if e != nil {
		return setup.Organization{}, e
	}
	if data.Organization == nil {
		return setup.Organization{}, &Error{FlyProblem: setup.FlyProblem{Kind: setup.FlyNotFound, Source: c.token.Source()}, Doing: doing, Thing: thing}
	}
	if e := c.checkOrganization(doing, *data.Organization); e != nil {
		return setup.Organization{}, e
	}
	return *data.Organization, nil
}

// amongOrganizations looks for an organization in the list of those that the token
// can reach, after a query about it was refused for an unknown reason.
func (c *Client) amongOrganizations(ctx context.Context, slug string, refused *Error) (setup.Organization, error) {
	all, e := c.organizations(ctx, refused.Doing)
	if e != nil {
		return setup.Organization{}, e
	}
	for _, o := range all {
		if o.Slug == slug || o.RawSlug == slug {
			return o, nil
		}
	}
	refused.Kind = setup.FlyNotFound
	return setup.Organization{}, refused
}

// checkOrganization refuses an organization without a valid raw slug: a trust
// policy made from it would be wrong.
func (c *Client) checkOrganization(doing string, o setup.Organization) *Error {
	switch {
	case o.ID == "" || o.Slug == "":
		return c.malformed(doing, "an organization in the response has no ID or no slug")
	case o.RawSlug == "" || o.RawSlug == flyname.Personal:
		return c.malformed(doing, "the response has no valid raw slug for the organization "+text.Quote(o.Slug))
	}
	return nil
}

// malformed makes the error for a well-formed but wrong GraphQL response.
func (c *Client) malformed(doing, reason string) *Error {
	return &Error{FlyProblem: setup.FlyProblem{Kind: setup.FlyUnexpected, Source: c.token.Source(), Host: hostOf(c.base), Detail: reason}, Doing: doing}
}
