package sandbox

import (
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"github.com/vektah/gqlparser/v2/ast"
)

// serveGraphQL serves POST /graphql of https://api.fly.io. The status is 200 even
// for errors, which have a message and no code: Fly documents none.
func (s *Server) serveGraphQL(c *flyCall) {
	q, errs := readQuery(c.body)
	if len(errs) == 0 {
		c.Fields, c.Variables = q.rootFields(), q.given
	}
	c.record()
	switch {
	case c.applyFault():
	case len(errs) > 0:
		c.answer(http.StatusOK, graphQLRefusal(errs...))
	default:
		c.answer(http.StatusOK, s.world.graphQL(q, c.http.Header.Get("Authorization")))
	}
}

// graphQL executes a query.
func (w *World) graphQL(q *graphQLQuery, authorization string) map[string]any {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.prepareFly()
	scope, known := w.flyScope(authorization, true)
	answer := q.answer(func(field *ast.Field, args map[string]any) (any, error) {
		if !known {
			return nil, errors.New("You must be authenticated to view this") //nolint:staticcheck // Fly's message
		}
		return w.rootField(scope, field.Name, args)
	})
	if w.FlyNullsData && len(q.errs) > 0 {
		answer["data"] = nil
	}
	return answer
}

// rootField returns the value of a field of Query. The caller holds w.mu.
func (w *World) rootField(scope flyScope, name string, args map[string]any) (any, error) {
	denied := errors.New("Not authorized to access this organization") //nolint:staticcheck // Fly's message
	text := func(arg string) string {
		s, _ := args[arg].(string)
		return s
	}
	switch name {
	case "organizations":
		if !scope.all && len(scope.orgs) == 0 {
			return nil, denied
		}
		nodes := []map[string]any{}
		for _, slug := range w.flyOrgSlugs() {
			if scope.org(slug) {
				nodes = append(nodes, w.flyOrg(slug))
			}
		}
		return map[string]any{"nodes": nodes}, nil
	case "organization":
		raw := w.rawSlug(text("slug"))
		_, exists := w.flyOrgs[raw]
		switch {
		case !scope.all && len(scope.orgs) == 0:
			return nil, denied
		case !exists || !scope.org(raw):
			return nil, errors.New("Could not find Organization") //nolint:staticcheck // as above
		}
		return w.flyOrg(raw), nil
	case "app":
		app := w.flyApps[text("name")]
		if app == nil || !scope.app(text("name"), app) {
			return nil, fmt.Errorf("Could not find App %q", text("name")) //nolint:staticcheck // as above
		}
		return w.graphQLApp(text("name"), app), nil
	}
	return w.graphQLApps(scope, args)
}

// graphQLApps returns a page of apps. The cursor is the last name, so that changes
// between two pages do not hide apps.
func (w *World) graphQLApps(scope flyScope, args map[string]any) (any, error) {
	size := 200
	switch first := args["first"].(type) {
	case int64:
		size = int(min(first, 200))
	case float64:
		size = int(min(first, 200))
	}
	if w.PageLimit > 0 {
		size = min(size, w.PageLimit)
	}
	size = max(size, 0)
	after := ""
	if cursor, ok := args["after"].(string); ok {
		plain, err := base64.RawURLEncoding.DecodeString(cursor)
		if err != nil {
			return nil, errors.New("Invalid cursor") //nolint:staticcheck // as above
		}
		after = string(plain)
	}
	nodes, more, last := []map[string]any{}, false, ""
	for _, name := range slices.Sorted(maps.Keys(w.flyApps)) {
		app := w.flyApps[name]
		if name <= after || !scope.app(name, app) || args["organizationId"] != nil && args["organizationId"] != w.flyOrg(app.org)["id"] {
			continue
		}
		if len(nodes) == size {
			more = true
			break
		}
		nodes, last = append(nodes, w.graphQLApp(name, app)), name
	}
	info := map[string]any{"hasNextPage": more, "endCursor": nil}
	if len(nodes) > 0 {
		info["endCursor"] = base64.RawURLEncoding.EncodeToString([]byte(last))
	}
	return map[string]any{"nodes": nodes, "pageInfo": info}, nil
}

func (w *World) graphQLApp(name string, app *flyApp) map[string]any {
	secrets := make([]map[string]any, len(app.secrets))
	for i, secret := range app.secrets {
		secrets[i] = map[string]any{"name": secret, "digest": secretDigest(secret)}
	}
	object := map[string]any{
		"id": name, "name": name, "status": w.appStatus(name), "organization": w.flyOrg(app.org), "secrets": secrets,
	}
	if app.hidden {
		object["secrets"] = errors.New("Not authorized to read secrets") //nolint:staticcheck // as above
	}
	return object
}
