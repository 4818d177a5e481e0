package flyapi

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/fly-aws/fly-aws/internal/text"
	"github.com/fly-aws/fly-aws/setup"
)

// maxPages bounds a list of apps, with 200 apps per page.
const maxPages = 50

// An App is a Fly app.
type App struct {
	// ID is opaque; for most apps it is the name.
	ID   string
	Name string
	// Status is Fly's, such as "deployed", "suspended" or "pending". Only
	// OrganizationApps and AllApps set it.
	Status string
	// Organization is the app's owner. Apps leaves its Name empty, AllApps its ID too.
	Organization setup.Organization
	// Secrets are the names of the app's secrets, sorted; empty for none. It is nil
	// when they are unknown, as from OrganizationApps and AllApps.
	Secrets []string
}

const (
	// appsQuery is flyctl's, with rawSlug.
	appsQuery = `query($org: ID, $after: String) {
  apps(type: "container", first: 200, after: $after, organizationId: $org) {
    pageInfo { hasNextPage endCursor }
    nodes { id name status organization { slug rawSlug } }
  }
}`
	// appFields combines two queries of flyctl. In Fly's schema secrets is
	// [Secret!]!, so the whole app is null for a token that may not see them; then
	// bareAppFields is queried.
	appFields     = bareAppFields + " secrets { name }"
	bareAppFields = "id name organization { id slug rawSlug }"
)

// OrganizationApps lists the apps of an organization, which is identified by its
// ID, in Fly's order.
func (c *Client) OrganizationApps(ctx context.Context, org setup.Organization) ([]App, error) {
	if org.ID == "" { // Fly would list the apps of all organizations
		return nil, &Error{FlyProblem: setup.FlyProblem{Kind: setup.FlyNotFound}, Thing: "Fly organization without an ID"}
	}
	name := "Fly organization " + text.Quote(org.Slug)
	apps, e := c.listApps(ctx, &org.ID, question{doing: "listing the apps of the " + name, thing: name})
	if e != nil {
		return nil, e
	}
	for i := range apps {
		apps[i].Organization = org
	}
	return apps, nil
}

// AllApps lists the apps of all organizations that the token can reach, in Fly's order.
func (c *Client) AllApps(ctx context.Context) ([]App, error) {
	apps, e := c.listApps(ctx, nil, question{doing: "listing the Fly apps", thing: "list of Fly apps"})
	if e != nil {
		return nil, e
	}
	return apps, nil
}

// listApps lists the apps of the organization with that ID, or of all if it is nil. q says
// what for.
func (c *Client) listApps(ctx context.Context, org *string, q question) ([]App, *Error) {
	q.query = appsQuery
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
					ID           string             `json:"id"`
					Name         string             `json:"name"`
					Status       string             `json:"status"`
					Organization setup.Organization `json:"organization"`
				} `json:"nodes"`
			} `json:"apps"`
		}
		q.variables = map[string]any{"org": org, "after": after}
		if e := c.askCheckingToken(ctx, q, &data); e != nil {
			return nil, e
		}
		if data.Apps == nil {
			return nil, c.malformed(q.doing, "the response has no list")
		}
		for _, node := range data.Apps.Nodes {
			if node.Name == "" {
				return nil, c.malformed(q.doing, "an app in the response has no name")
			}
			apps = append(apps, App{ID: node.ID, Name: node.Name, Status: node.Status, Organization: node.Organization})
		}
		next := data.Apps.PageInfo.EndCursor
		switch {
		case !data.Apps.PageInfo.HasNextPage:
			return apps, nil
		case next == nil || *next == "" || after != nil && *after == *next:
			return nil, c.malformed(q.doing, "there is a next page, but the response has no cursor for it")
		}
		after = next
	}
	return nil, c.malformed(q.doing, "the list does not end")
}

// An AppResult is the result of looking up one app.
type AppResult struct {
	// App is the app, unless Err is set.
	App App
	// Hidden is why the names of the app's secrets are unknown; nil when they are
	// known.
	Hidden error
	// Err is why there is no App: an *Error of setup.FlyNotFound when none has that
	// name, of setup.FlyElsewhere when the token cannot reach it.
	Err error
}

const (
	// appsPerQuery is how many apps one query looks up.
	appsPerQuery = 25
	// appsInFlight bounds the concurrent calls.
	appsInFlight = 16
)

// Apps looks up apps by name, with their organizations and the names of their
// secrets, many per call. The error is about Fly or the token as a whole; the map
// then has what was found before it. App names are unique across all organizations
// (https://fly.io/docs/apps/overview/).
//
// One refused app may make the whole response null, so missing apps are looked up
// again one by one. GraphQL gives no code for why it refuses an app, but the
// Machines API gives a status.
func (c *Client) Apps(ctx context.Context, names []string) (map[string]AppResult, error) {
	l := &appLookup{client: c, apps: map[string]appState{}}
	for _, name := range names {
		l.apps[name] = appState{}
	}
	if _, ok := l.apps[""]; ok {
		l.set("", AppResult{Err: &Error{FlyProblem: setup.FlyProblem{Kind: setup.FlyNotFound}, Thing: "Fly app " + text.Quote("")}})
	}
	err := l.ask(ctx, l.namesWhere(appState.isMissing), appFields)
	if err == nil {
		err = l.ask(ctx, l.namesWhere(func(s appState) bool { return s.isMissing() && s.secretsRefused }), bareAppFields)
	}
	if err == nil {
		err = l.each(ctx, l.namesWhere(appState.isMissing), l.askAlone)
	}
	if err == nil {
		err = l.each(ctx, l.namesWhere(appState.lacksSecrets), l.askSecrets)
	}
	results := map[string]AppResult{}
	for name, state := range l.apps {
		if state.result != nil {
			results[name] = *state.result
		}
	}
	return results, err
}

// An appLookup is one call of Apps.
type appLookup struct {
	client *Client
	mu     sync.Mutex // guards apps
	apps   map[string]appState
}

// An appState is what is known about an app so far.
type appState struct {
	result *AppResult // nil while it is missing
	// secretsRefused is set when a response had an error for its secrets. They
	// cannot be null in Fly's schema, so the app is.
	secretsRefused bool
	// askedAlone is set once a query was about this app only.
	askedAlone bool
	// refused is the error of the last query.
	refused *Error
}

func (s appState) isMissing() bool { return s.result == nil }

func (s appState) lacksSecrets() bool {
	return s.result != nil && s.result.Err == nil && s.result.App.Secrets == nil
}

func (l *appLookup) state(name string) appState {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.apps[name]
}

func (l *appLookup) set(name string, result AppResult) {
	l.mu.Lock()
	defer l.mu.Unlock()
	state := l.apps[name]
	state.result = &result
	l.apps[name] = state
}

// namesWhere returns the sorted names of the apps that satisfy is.
func (l *appLookup) namesWhere(is func(appState) bool) []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(l.apps)) {
		if is(l.apps[name]) {
			names = append(names, name)
		}
	}
	return names
}

// ask looks up apps, many per query. An app that is not in the response stays
// missing.
func (l *appLookup) ask(ctx context.Context, names []string, fields string) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(appsInFlight)
	for batch := range slices.Chunk(names, appsPerQuery) {
		g.Go(func() error { return l.askBatch(ctx, batch, fields) })
	}
	return g.Wait()
}

// each calls do for each name, concurrently.
func (l *appLookup) each(ctx context.Context, names []string, do func(context.Context, string) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(appsInFlight)
	for _, name := range names {
		g.Go(func() error { return do(ctx, name) })
	}
	return g.Wait()
}

func (l *appLookup) askBatch(ctx context.Context, names []string, fields string) error {
	q := appsQuestion(names, fields)
	a, e := l.client.post(ctx, q)
	if e != nil {
		return e
	}
	var data map[string]*appNode // nil when a refused app made it null
	if len(a.Errors) == 0 || !a.isNull() {
		if e := l.client.decode(a, &data); e != nil {
			return e
		}
	}
	for i, name := range names {
		alias := "a" + strconv.Itoa(i)
		node, answered := data[alias]
		switch {
		case data != nil && !answered:
			return l.client.mismatch(a)
		case node == nil:
			l.noteRefusal(name, alias, a, l.client.askRefused(a, q), len(names) == 1)
			continue
		}
		app, e := l.client.app(q.doing, name, node)
		if e != nil {
			return e
		}
		l.set(name, AppResult{App: app})
	}
	return nil
}

func (l *appLookup) noteRefusal(name, alias string, a *graphQLAnswer, refused *Error, alone bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	state := l.apps[name]
	state.refused, state.askedAlone = refused, alone
	state.secretsRefused = state.secretsRefused || slices.ContainsFunc(a.Errors, func(e graphQLError) bool {
		return len(e.Path) > 1 && e.Path[0] == alias && e.Path[1] == "secrets"
	})
	l.apps[name] = state
}

// askAlone looks up an app that was missing from a response: by itself, then
// without its secrets if these were refused, and then asks why it is refused.
func (l *appLookup) askAlone(ctx context.Context, name string) error {
	if !l.state(name).askedAlone {
		if err := l.askBatch(ctx, []string{name}, appFields); err != nil {
			return err
		}
		if state := l.state(name); state.isMissing() && state.secretsRefused {
			if err := l.askBatch(ctx, []string{name}, bareAppFields); err != nil {
				return err
			}
		}
	}
	if l.state(name).isMissing() {
		return l.explain(ctx, name)
	}
	return nil
}

// explain asks the Machines API about an app that GraphQL refuses. It responds with
// 404 if the app does not exist and with 403 if the token cannot reach it
// (superfly/fly-go, flaps/flaps_apps.go).
func (l *appLookup) explain(ctx context.Context, name string) error {
	c, q := l.client, appsQuestion([]string{name}, "")
	absent := &Error{FlyProblem: setup.FlyProblem{Kind: setup.FlyNotFound, Source: c.token.Source()}, Doing: q.doing, Thing: q.thing}
	path, ok := appPath(name)
	if !ok {
		l.set(name, AppResult{Err: absent})
		return nil
	}
	_, e := c.do(ctx, c.machinesRequest(http.MethodGet, path, q.doing))
	switch {
	case e == nil: // it exists; why GraphQL refuses it is unknown
		return l.state(name).refused
	case e.Kind == setup.FlyNotFound:
		l.set(name, AppResult{Err: absent})
	case e.Kind == setup.FlyNotAllowed:
		e.Kind, e.Thing = setup.FlyElsewhere, q.thing
		l.set(name, AppResult{Err: e})
	default:
		return e
	}
	return nil
}

// askSecrets asks the Machines API for the names of an app's secrets.
func (l *appLookup) askSecrets(ctx context.Context, name string) error {
	secrets, err := l.client.Secrets(ctx, name)
	if errors.Is(err, context.Canceled) {
		return err
	}
	result := *l.state(name).result
	result.App.Secrets, result.Hidden = secrets, err
	l.set(name, result)
	return nil
}

// An appNode is an app in a GraphQL response.
type appNode struct {
	ID           string              `json:"id"`
	Name         string              `json:"name"`
	Organization *setup.Organization `json:"organization"`
	Secrets      []secretName        `json:"secrets"`
}

// app converts the response for the app of that name.
func (c *Client) app(doing, name string, node *appNode) (App, *Error) {
	if node.Name != name || node.Organization == nil {
		return App{}, c.malformed(doing, "the response is about another app, or has no organization")
	}
	if e := c.checkOrganization(doing, *node.Organization); e != nil {
		return App{}, e
	}
	return App{ID: node.ID, Name: node.Name, Organization: *node.Organization, Secrets: names(node.Secrets)}, nil
}

// appsQuestion is a query for apps under the aliases a0, a1 and so on.
func appsQuestion(names []string, fields string) question {
	var parameters, selections strings.Builder
	variables := map[string]any{}
	for i, name := range names {
		fmt.Fprintf(&parameters, "$n%d: String!, ", i)
		fmt.Fprintf(&selections, "  a%d: app(name: $n%d) { ...fields }\n", i, i)
		variables["n"+strconv.Itoa(i)] = name
	}
	q := question{
		doing: "looking up " + strconv.Itoa(len(names)) + " Fly apps",
		query: "query(" + strings.TrimSuffix(parameters.String(), ", ") + ") {\n" + selections.String() + "}\n" +
			"fragment fields on App { " + fields + " }",
		variables: variables,
	}
	if len(names) == 1 {
		q.doing, q.thing = "looking up the Fly app "+text.Quote(names[0]), "Fly app "+text.Quote(names[0])
	}
	return q
}

// secretName is a secret in a response.
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
