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
)

// maxPages bounds a list of apps, at 200 apps a page.
const maxPages = 50

// An App is an app of Fly's.
type App struct {
	// ID is opaque; for most apps it is the name.
	ID   string
	Name string
	// Status is "deployed", "suspended", "pending" or another word of Fly's. Only
	// OrganizationApps fills it.
	Status string
	// Organization is whose app it is. Apps leaves its Name and Type empty.
	Organization Organization
	// Secrets are the names of the app's secrets, sorted; empty for none. It is nil
	// when they are not known: OrganizationApps does not ask for them.
	Secrets []string
}

const (
	// appsQuery is flyctl's own.
	appsQuery = `query($org: ID, $after: String) {
  apps(type: "container", first: 200, after: $after, organizationId: $org) {
    pageInfo { hasNextPage endCursor }
    nodes { id name status }
  }
}`
	// appFields joins what flyctl asks in two. Fly's schema has secrets: [Secret!]!,
	// so that without the right to see them the whole app is null, and is asked for
	// without them.
	appFields     = bareAppFields + " secrets { name }"
	bareAppFields = "id name organization { id slug rawSlug }"
)

// OrganizationApps lists the apps of an organization in Fly's order, of which only the ID is
// used. An organization without apps gives none and no error.
func (c *Client) OrganizationApps(ctx context.Context, org Organization) ([]App, error) {
	doing := "listing the apps of the Fly organization " + text.Quote(org.Slug)
	if org.ID == "" { // Fly would list the apps of all organizations
		return nil, &Error{Kind: kindNotFound, Thing: "Fly organization without an ID"}
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
		e := c.askJudged(ctx, question{
			doing: doing, thing: "Fly organization " + text.Quote(org.Slug),
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

// An AppResult is what Fly says of one app that was asked about.
type AppResult struct {
	// App is the app, unless there is an Err.
	App App
	// Hidden is why Fly does not tell the names of the app's secrets; nil when
	// App.Secrets are known.
	Hidden error
	// Err is why there is no App: an *Error of kindNotFound when there is none of
	// that name, of kindElsewhere when there is one that the token does not reach.
	Err error
}

const (
	// appsPerQuery is how many apps one query asks about.
	appsPerQuery = 25
	// appsInFlight bounds the calls about apps that are under way at a time.
	appsInFlight = 16
)

// Apps looks up apps by their names, each with its organization and the names of
// its secrets, many in a call. The error is a failure of Fly's or of the token;
// the map then has what was learned before. App names are unique in all of Fly
// (https://fly.io/docs/apps/overview/).
//
// One app that is refused may make null of a whole answer, so what is missing
// from one is asked for again by itself. GraphQL has no code for why it refuses an
// app, but the Machines API has.
func (c *Client) Apps(ctx context.Context, names []string) (map[string]AppResult, error) {
	l := &appLookup{client: c, apps: map[string]appState{}}
	for _, name := range names {
		l.apps[name] = appState{}
	}
	if _, ok := l.apps[""]; ok {
		l.set("", AppResult{Err: &Error{Kind: kindNotFound, Thing: "Fly app " + text.Quote("")}})
	}
	err := l.ask(ctx, l.which(appState.isMissing), appFields)
	if err == nil {
		err = l.ask(ctx, l.which(func(s appState) bool { return s.isMissing() && s.secretsRefused }), bareAppFields)
	}
	if err == nil {
		err = l.each(ctx, l.which(appState.isMissing), l.askAlone)
	}
	if err == nil {
		err = l.each(ctx, l.which(appState.lacksSecrets), l.askSecrets)
	}
	results := map[string]AppResult{}
	for name, state := range l.apps {
		if state.result != nil {
			results[name] = *state.result
		}
	}
	return results, err
}

// An appLookup is one call of Apps under way.
type appLookup struct {
	client *Client
	mu     sync.Mutex // held for apps
	apps   map[string]appState
}

// An appState is what is known of an app so far.
type appState struct {
	result *AppResult // nil while it is missing
	// secretsRefused says that an answer had an error about its secrets, which by
	// Fly's schema cannot be null, so that the app was.
	secretsRefused bool
	// askedAlone says that a query was about this app alone.
	askedAlone bool
	// refused is the failure of the last query.
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

// which are the names of the apps of which something is true, sorted.
func (l *appLookup) which(is func(appState) bool) []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(l.apps)) {
		if is(l.apps[name]) {
			names = append(names, name)
		}
	}
	return names
}

// ask asks about apps, many in a query. An app that is not in an answer stays
// missing.
func (l *appLookup) ask(ctx context.Context, names []string, fields string) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(appsInFlight)
	for batch := range slices.Chunk(names, appsPerQuery) {
		g.Go(func() error { return l.askBatch(ctx, batch, fields) })
	}
	return g.Wait()
}

// each does something about each of some apps.
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
	var data map[string]*appNode // nil when an app that is refused made it null
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
			return l.client.shapeless(a)
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

// askAlone asks about an app that was not in an answer: by itself, without its
// secrets if these are what is refused, and at last why it is refused.
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

// explain asks the Machines API about an app that GraphQL refuses, which answers
// 404 for one that there is not, and 403 for one that the token does not reach
// (superfly/fly-go, flaps/flaps_apps.go).
func (l *appLookup) explain(ctx context.Context, name string) error {
	c, q := l.client, appsQuestion([]string{name}, "")
	absent := &Error{Kind: kindNotFound, Doing: q.doing, Thing: q.thing, Source: c.token.Source()}
	path, ok := appPath(name)
	if !ok {
		l.set(name, AppResult{Err: absent})
		return nil
	}
	_, e := c.do(ctx, c.machinesRequest(http.MethodGet, path, q.doing))
	switch {
	case e == nil: // it is there, and GraphQL has a reason that only Fly knows
		return l.state(name).refused
	case e.Kind == kindNotFound:
		l.set(name, AppResult{Err: absent})
	case e.Kind == kindNotAllowed:
		e.Kind, e.Thing = kindElsewhere, q.thing
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

// An appNode is an app in an answer of GraphQL.
type appNode struct {
	ID           string `json:"id"`
	Name         string `json:"name"`
	Organization *struct {
		ID      string `json:"id"`
		Slug    string `json:"slug"`
		RawSlug string `json:"rawSlug"`
	} `json:"organization"`
	Secrets []secretName `json:"secrets"`
}

// app reads an app that was asked for by its name.
func (c *Client) app(doing, name string, node *appNode) (App, *Error) {
	if node.Name != name || node.Organization == nil {
		return App{}, c.odd(doing, "the answer is about another app, or has no organization")
	}
	org := Organization{ID: node.Organization.ID, Slug: node.Organization.Slug, RawSlug: node.Organization.RawSlug}
	if e := c.checkOrganization(doing, org); e != nil {
		return App{}, e
	}
	return App{ID: node.ID, Name: node.Name, Organization: org, Secrets: names(node.Secrets)}, nil
}

// appsQuestion asks about apps under the aliases a0, a1 and so on.
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
