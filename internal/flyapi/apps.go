package flyapi

import (
	"context"
	"net/http"
	"slices"
)

// maxPages bounds a list of apps, at 200 apps a page.
const maxPages = 50

// An App is an app of Fly's.
type App struct {
	// ID is opaque; for most apps it is the name.
	ID   string
	Name string
	// Status is "deployed", "suspended", "pending" or another word of Fly's. Only
	// Apps fills it.
	Status string
	// Organization is whose app it is. App leaves its Name and Type empty.
	Organization Organization
	// Secrets are the names of the app's secrets, sorted; empty for none. It is nil
	// when Fly did not tell, as it does to a token that may not see them and to
	// Apps, which does not ask: see Client.Secrets.
	Secrets []string
}

// The first is flyctl's own; the second joins what flyctl asks in two. Fly's
// schema says secrets: [Secret!]!, so that without the right to see them the
// whole app is null, and the third has to be asked.
const (
	appsQuery = `query($org: ID, $after: String) {
  apps(type: "container", first: 200, after: $after, organizationId: $org) {
    pageInfo { hasNextPage endCursor }
    nodes { id name status }
  }
}`
	appQuery = `query($name: String!) {
  app(name: $name) { id name organization { id slug rawSlug } secrets { name } }
}`
	bareAppQuery = `query($name: String!) {
  app(name: $name) { id name organization { id slug rawSlug } }
}`
)

// Apps lists the apps of an organisation in Fly's order, of which only the ID is
// used. An organisation without apps gives none and no error.
func (c *Client) Apps(ctx context.Context, org Organization) ([]App, error) {
	doing := "listing the apps of the Fly organisation " + quote(org.Slug)
	if org.ID == "" { // Fly would list the apps of all organisations
		return nil, &Error{Kind: KindNotFound, Thing: "Fly organisation without an ID"}
	}
	apps := []App{}
	var after *string
	for range maxPages {
		var data struct {
			Apps *struct {
				PageInfo struct {
					HasNextPage bool    `json:"hasNextPage"`
					EndCursor   *string `json:"endCursor"`
				} `json:"pageInfo"`
				Nodes []struct {
					ID     string `json:"id"`
					Name   string `json:"name"`
					Status string `json:"status"`
				} `json:"nodes"`
			} `json:"apps"`
		}
		e := c.ask(ctx, question{
			doing: doing, thing: "Fly organisation " + quote(org.Slug),
			query: appsQuery, variables: map[string]any{"org": org.ID, "after": after},
		}, &data)
		if e != nil {
			return nil, e
		}
		if data.Apps == nil {
			return nil, c.odd(doing, "the answer holds no list")
		}
		for _, node := range data.Apps.Nodes {
			if node.Name == "" {
				return nil, c.odd(doing, "an app in the answer has no name")
			}
			apps = append(apps, App{ID: node.ID, Name: node.Name, Status: node.Status, Organization: org})
		}
		next := data.Apps.PageInfo.EndCursor
		switch {
		case !data.Apps.PageInfo.HasNextPage:
			return apps, nil
		case next == nil || *next == "" || after != nil && *after == *next:
			return nil, c.odd(doing, "there is a next page, but the answer does not say where")
		}
		after = next
	}
	return nil, c.odd(doing, "the list has no end")
}

// App looks up an app by its name, with its organisation and the names of its
// secrets. The error is of KindNotFound when there is none, and of KindElsewhere
// when there is one that the token does not reach. App names are unique in all
// of Fly (https://fly.io/docs/apps/overview/).
func (c *Client) App(ctx context.Context, name string) (App, error) {
	doing, thing := "looking up the Fly app "+quote(name), "Fly app "+quote(name)
	if name == "" {
		return App{}, &Error{Kind: KindNotFound, Thing: thing}
	}
	var data struct {
		App *struct {
			ID           string `json:"id"`
			Name         string `json:"name"`
			Organization *struct {
				ID      string `json:"id"`
				Slug    string `json:"slug"`
				RawSlug string `json:"rawSlug"`
			} `json:"organization"`
			Secrets []secretName `json:"secrets"`
		} `json:"app"`
	}
	q := question{
		doing: doing, thing: thing,
		query: appQuery, variables: map[string]any{"name": name}, may: "secrets",
	}
	hidden, e := c.askPart(ctx, q, &data)
	if e == nil && hidden && data.App == nil {
		q.query, q.may = bareAppQuery, ""
		e = c.ask(ctx, q, &data)
	}
	if e == nil && data.App == nil {
		e = &Error{Kind: KindNotFound, Doing: doing, Thing: thing, Source: c.token.Source()}
	}
	if e != nil {
		if e.Kind == KindNotFound {
			e = c.elsewhere(ctx, name, e)
		}
		return App{}, e
	}
	if data.App.Name != name || data.App.Organization == nil {
		return App{}, c.odd(doing, "the answer is about another app, or has no organisation")
	}
	org := Organization{
		ID: data.App.Organization.ID, Slug: data.App.Organization.Slug, RawSlug: data.App.Organization.RawSlug,
	}
	if e := c.checkOrganization(doing, org); e != nil {
		return App{}, e
	}
	return App{ID: data.App.ID, Name: data.App.Name, Organization: org, Secrets: names(data.App.Secrets)}, nil
}

// elsewhere finds out whether an app that GraphQL does not know exists where the
// token does not reach: GraphQL hides such an app, and the Machines API answers
// 403 for it, 404 for one that there is not.
func (c *Client) elsewhere(ctx context.Context, name string, absent *Error) *Error {
	path, ok := appPath(name)
	if !ok {
		return absent
	}
	_, e := c.do(ctx, c.machinesRequest(http.MethodGet, path, absent.Doing))
	switch {
	case e == nil:
	case e.Kind == KindNotAllowed:
		e.Kind, e.Thing = KindElsewhere, absent.Thing
		return e
	case e.Kind == KindCanceled:
		return e
	case e.passing():
		absent.Reason = "whether it is out of the token's reach is not known"
	}
	return absent
}

// secretName is a secret in an answer, of which nobody gets more than the name.
type secretName struct {
	Name string `json:"name"`
}

func names(secrets []secretName) []string {
	if secrets == nil {
		return nil
	}
	list := make([]string, len(secrets))
	for i, s := range secrets {
		list[i] = s.Name
	}
	slices.Sort(list)
	return list
}
