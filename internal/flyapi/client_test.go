package flyapi_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fly-aws/fly-aws/internal/flyapi"
	"github.com/fly-aws/fly-aws/setup"
)

// newClient makes a client that does not wait between attempts.
func newClient(t testing.TB, o flyapi.Options) *flyapi.Client {
	t.Helper()
	if o.Token.IsZero() {
		o.Token = parse(t, macaroon, setup.FlySourceAPIToken)
	}
	c, err := flyapi.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return flyapi.Impatient(c)
}

// A reply is a server's response to one request.
type reply struct {
	status int
	header map[string]string
	body   string
}

// served returns a client of a server that sends the replies in order and then
// repeats the last, and a function that returns the server's requests.
func served(t *testing.T, o flyapi.Options, replies ...reply) (*flyapi.Client, func() []string) {
	t.Helper()
	var mu sync.Mutex
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		mu.Lock()
		answer := replies[min(len(asked), len(replies)-1)]
		asked = append(asked, strings.Join([]string{r.Method, r.URL.RequestURI(), r.Header.Get("Authorization"), string(body)}, " "))
		mu.Unlock()
		if got, want := r.Header.Get("User-Agent"), "fly-aws/1.2.3"; got != want {
			t.Errorf("User-Agent is %q, want %q", got, want)
		}
		rw.Header().Set("Fly-Request-Id", "01JNRQ9VVK-ams")
		for name, value := range answer.header {
			rw.Header().Set(name, value)
		}
		rw.WriteHeader(answer.status)
		_, _ = io.WriteString(rw, answer.body)
	}))
	t.Cleanup(server.Close)
	o.BaseURL, o.MachinesURL, o.Version = server.URL, server.URL+"/", "1.2.3 (abc)"
	return newClient(t, o), func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(asked)
	}
}

const page = "<!DOCTYPE html><html><title>\x1b[31m502</title></html>"

// Each failure of a server has its own kind and text.
func TestAnswers(t *testing.T) {
	t.Parallel()
	organizations := func(c *flyapi.Client) error {
		_, err := c.Organizations(t.Context())
		return err
	}
	organization := func(c *flyapi.Client) error {
		_, err := c.Organization(t.Context(), "acme")
		return err
	}
	apps := func(c *flyapi.Client) error {
		_, err := c.OrganizationApps(t.Context(), setup.Organization{ID: "o1", Slug: "acme"})
		return err
	}
	web := func(c *flyapi.Client) error {
		_, err := app(t, c, "web")
		return err
	}
	machines := func(c *flyapi.Client) error {
		_, err := c.Machines(t.Context(), "web")
		return err
	}
	secrets := func(c *flyapi.Client) error {
		_, err := c.Secrets(t.Context(), "web")
		return err
	}
	exec := func(c *flyapi.Client) error {
		_, err := c.Exec(t.Context(), "web", "m1", flyapi.Command{Argv: []string{"true"}})
		return err
	}
	html := map[string]string{"Content-Type": "text/html; charset=utf-8"}
	for _, test := range []struct {
		name    string
		call    func(*flyapi.Client) error
		replies []reply
		kind    setup.FlyProblemKind
		words   string
		asked   int
	}{
		{"token refused", organizations, []reply{{status: 401}}, setup.FlyToken, "the token from FLY_API_TOKEN: it is wrong, expired or revoked", 1},
		{"token refused by the Machines API", machines, []reply{{status: 401, body: `{"error":"Authenticate: token validation error"}`}}, setup.FlyToken, "wrong, expired or revoked", 1},
		{"token refused in GraphQL", organizations, []reply{graphQLRefusal("You must be authenticated to view this."), {status: 401}}, setup.FlyToken, "wrong, expired or revoked", 2},
		{"token not for this", organizations, []reply{graphQLRefusal("Not authorized"), {status: 200, body: `{"tokens":[{"org_slug":"acme","apps":["web"]}]}`}}, "not-allowed", "listing the Fly organizations: the token from FLY_API_TOKEN may not do this: Not authorized", 2},
		{"refused to a good token", organizations, []reply{graphQLRefusal("boom"), {status: 200, body: `{"tokens":[{"org_slug":"acme","apps":[]},{"apps":["web"]}]}`}}, "refused", "listing the Fly organizations: Fly refused: boom", 2},
		{"token that cannot be checked", organizations, []reply{graphQLRefusal("Not authorized"), {status: 418, body: "?"}}, "refused", "Not authorized: it is unknown whether the token is still valid", 2},
		{"refused by GraphQL, and the list too", organization, []reply{graphQLRefusal("no")}, "refused", "Fly refused: no", 3},
		{"forbidden by the Machines API", secrets, []reply{{status: 403, body: `{"error":"unauthorized"}`}}, "not-allowed", "unauthorized (status 403", 1},
		{"no such organization", organization, []reply{graphQLRefusal("Could not find Organization"), {status: 200, body: `{"data":{"organizations":{"nodes":[{"id":"1","slug":"void","rawSlug":"void"}]}}}`}}, "not-found", `there is no Fly organization "acme"`, 2},
		{"null organization", organization, []reply{{status: 200, body: `{"data":{"organization":null}}`}}, "not-found", `there is no Fly organization "acme"`, 1},
		{"no such app", web, []reply{graphQLRefusal(`Could not find App "web"`), {status: 404, body: `{"error":"app not found"}`}}, "not-found", `there is no Fly app "web"`, 2},
		{"null app", web, []reply{{status: 200, body: `{"data":{"a0":null}}`}, {status: 404, body: `{"error":"app not found"}`}}, "not-found", `there is no Fly app "web"`, 2},
		{"null app at a wrong address", web, []reply{{status: 200, body: `{"data":{"a0":null}}`}, {status: 404, body: "nginx"}}, "unexpected", "did not answer as Fly's API does", 2},
		{"token refused when asked about an app", web, []reply{graphQLRefusal("no"), {status: 401}}, setup.FlyToken, "wrong, expired or revoked", 2},
		{"app that is there and refused", web, []reply{graphQLRefusal("no"), {status: 200, body: `{}`}}, "refused", `looking up the Fly app "web": Fly refused: no`, 2},
		{"null app that is there", web, []reply{{status: 200, body: `{"data":{"a0":null}}`}, {status: 200, body: `{}`}}, "refused", "null, without a reason", 2},
		{"app that is not answered", web, []reply{{status: 200, body: `{"data":{}}`}}, "unexpected", "does not match the query", 1},
		{"app of another organization", web, []reply{graphQLRefusal(`Could not find App "web"`), {status: 403, body: `{"error":"unauthorized"}`}}, "elsewhere", `the Fly app "web" exists, but not for the token`, 2},
		{"app of machines absent", machines, []reply{{status: 404, body: `{"error":"app not found"}`}}, "not-found", `there is no Fly app "web"`, 1},
		{"rate limited", organizations, []reply{{status: 429, header: map[string]string{"Retry-After": "0"}}}, "rate-limited", "Fly limits the rate of requests (4 attempts, status 429", 4},
		{"rate limited for long", machines, []reply{{status: 429, header: map[string]string{"Retry-After": "3000"}}}, "rate-limited", "rate of requests (status 429", 1},
		{"down", apps, []reply{{status: 503}}, "down", `listing the apps of the Fly organization "acme": Fly's API has trouble at the moment (4 attempts, status 503, request "01JNRQ9VVK-ams")`, 4},
		{"down with a page", web, []reply{{status: 502, header: html, body: page}}, "down", "the response is a web page", 4},
		{"a command is not repeated", exec, []reply{{status: 503}}, "down", "status 503", 1},
		{"machine not started", exec, []reply{{status: 412, body: `{"error":"failed_precondition: machine not in started state"}`}}, "refused", "machine not in started state", 1},
		{"code and message of REST", exec, []reply{{status: 422, body: `{"error":"a","message":"b","status":"insufficient_capacity"}`}}, "refused", "Fly refused: insufficient_capacity: a: b (status 422", 1},
		{"no such machine", exec, []reply{{status: 404, body: `{"error":"machine not found"}`}}, "not-found", `there is no machine "m1" in the Fly app "web"`, 1},
		{"page instead of an answer", organizations, []reply{{status: 200, header: html, body: page}}, "unexpected", "the response is a web page", 1},
		{"page without a type", machines, []reply{{status: 200, body: "\n" + page}}, "unexpected", "the response is a web page", 1},
		{"wrong base URL", organizations, []reply{{status: 404, body: "not here"}}, "unexpected", "did not answer as Fly's API does", 1},
		{"wrong base URL with JSON", organizations, []reply{{status: 404, body: `{"error":"not found"}`}}, "unexpected", "did not answer as Fly's API does", 1},
		{"redirect", organizations, []reply{{status: 307, header: map[string]string{"Location": "https://evil.example/"}}}, "unexpected", "it is a redirect", 1},
		{"too large", machines, []reply{{status: 200, body: "[" + strings.Repeat(" ", 16<<20) + "]"}}, "unexpected", "the response is larger than 16 MB", 1},
		{"empty", organizations, []reply{{status: 200}}, "unexpected", "not that of a GraphQL API", 1},
		{"null", organizations, []reply{{status: 200, body: "null"}}, "unexpected", "does not match the query", 1},
		{"cut off", organizations, []reply{{status: 200, body: `{"data":{"organ`}}, "unexpected", "not that of a GraphQL API", 1},
		{"no data", organizations, []reply{{status: 200, body: `{"data":{}}`}}, "unexpected", "has no list", 1},
		{"data of another question", web, []reply{{status: 200, body: `{"data":{"organization":{}}}`}}, "unexpected", "does not match the query", 1},
		{"app of another name", web, []reply{{status: 200, body: `{"data":{"a0":{"id":"x","name":"x","organization":{"id":"1","slug":"a","rawSlug":"a"},"secrets":[]}}}`}}, "unexpected", "about another app", 1},
		{"no raw slug", organization, []reply{{status: 200, body: `{"data":{"organization":{"id":"1","slug":"personal","rawSlug":"","name":""}}}`}}, "unexpected", "has no valid raw slug", 1},
		{"the alias as raw slug", organization, []reply{{status: 200, body: `{"data":{"organization":{"id":"1","slug":"personal","rawSlug":"personal","name":""}}}`}}, "unexpected", "has no valid raw slug", 1},
		{"the alias as raw slug of an app", web, []reply{{status: 200, body: `{"data":{"a0":{"id":"web","name":"web","organization":{"id":"1","slug":"personal","rawSlug":"personal"},"secrets":[]}}}`}}, "unexpected", "has no valid raw slug", 1},
		{"the alias in a list", organizations, []reply{{status: 200, body: `{"data":{"organizations":{"nodes":[{"id":"1","slug":"personal","rawSlug":"personal"}]}}}`}}, "unexpected", "has no valid raw slug", 1},
		{"organization without ID", organizations, []reply{{status: 200, body: `{"data":{"organizations":{"nodes":[{}]}}}`}}, "unexpected", "no ID or no slug", 1},
		{"app without name", apps, []reply{{status: 200, body: `{"data":{"apps":{"pageInfo":{"hasNextPage":false,"endCursor":null},"nodes":[{"id":"a"}]}}}`}}, "unexpected", "has no name", 1},
		{"list without a cursor", apps, []reply{{status: 200, body: `{"data":{"apps":{"pageInfo":{"hasNextPage":true,"endCursor":null},"nodes":[]}}}`}}, "unexpected", "has no cursor", 1},
		{"list that goes in a circle", apps, []reply{{status: 200, body: `{"data":{"apps":{"pageInfo":{"hasNextPage":true,"endCursor":"c"},"nodes":[]}}}`}}, "unexpected", "has no cursor", 2},
		{"machine without name", machines, []reply{{status: 200, body: `[{"id":"m1"}]`}}, "unexpected", "no ID or no name", 1},
		{"object for a list", machines, []reply{{status: 200, body: `{}`}}, "unexpected", "not that of the Machines API", 1},
		{"GraphQL error", organizations, []reply{graphQLRefusal("Field 'rawSlug' doesn't exist on type 'Organization'")}, "refused", "Fly refused: Field 'rawSlug' doesn't exist on type 'Organization'", 2},
		{"status as a number", machines, []reply{{status: 404, body: `{"error":"app not found","status":404}`}}, "not-found", `there is no Fly app "web"`, 1},
		{"app that may be of others", web, []reply{graphQLRefusal(`Could not find App "web"`), {status: 503}}, "down", `looking up the Fly app "web": Fly's API has trouble`, 5},
		{"app whose secrets are hidden, then gone", web, []reply{hiddenSecrets, {status: 200, body: `{"data":{"a0":null}}`}, {status: 404, body: `{"error":"app not found"}`}}, "not-found", `there is no Fly app "web"`, 3},
		{"app whose secrets are hidden, then down", web, []reply{hiddenSecrets, {status: 503}}, "down", `looking up the Fly app "web": Fly's API has trouble`, 5},
		{"several GraphQL errors", organizations, []reply{{status: 200, body: `{"errors":[{"message":"a","extensions":{"code":7}},{"message":"b"},{}],"data":null}`}}, "refused", "Fly refused: a: and 2 more", 2},
		{"escape sequences", organizations, []reply{graphQLRefusal(`a\u001b[2Jb\nc\u202ed\u0000`)}, "refused", `a\x1b[2Jb c\u202ed\x00`, 2},
		{"a long error of GraphQL", organizations, []reply{graphQLRefusal(strings.Repeat("é", 5000))}, "refused", ": " + strings.Repeat("é", 2000) + "…", 2},
		{"a long error of the Machines API", machines, []reply{{status: 400, body: `{"error":"` + strings.Repeat("x", 5000) + `"}`}}, "refused", ": " + strings.Repeat("x", 2000) + "… (status", 1},
		{"an endless error", machines, []reply{{status: 400, body: `{"error":"` + strings.Repeat("x", 1<<20) + `"}`}}, "unexpected", "did not answer as Fly's API does (status 400", 1},
		{"a token in the answer", organizations, []reply{graphQLRefusal("token " + macaroon + " and fo1_other are no good")}, "refused", "token [token] and [token] are no good", 2},
		{"a token in the request ID", organizations, []reply{{status: 400, header: map[string]string{"Fly-Request-Id": macaroon}, body: `{"error":"x"}`}}, "refused", `request "[token]"`, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c, asked := served(t, flyapi.Options{}, test.replies...)
			e := failure(t, test.call(c), test.kind)
			if !strings.Contains(e.Error(), test.words) {
				t.Errorf("got %s, want it to say %s", e, test.words)
			}
			if got := asked(); len(got) != test.asked {
				t.Errorf("asked %d times, want %d: %q", len(got), test.asked, got)
			}
		})
	}
}

// hiddenSecrets is the response about an app to a token that may not see its
// secrets: they cannot be null in Fly's schema, so the app is.
var hiddenSecrets = reply{status: 200, body: `{"errors":[{"message":"no","path":["a0","secrets"]}],"data":{"a0":null}}`}

// graphQLRefusal is a GraphQL error; the message is JSON without quotes.
func graphQLRefusal(message string) reply {
	message = strings.ReplaceAll(message, `"`, `\"`)
	return reply{status: 200, body: `{"errors":[{"message":"` + message + `","path":["x"]}],"data":null}`}
}

// An OAuth token is checked with the Machines API; macaroons beside it, which are
// not sent to GraphQL, are not checked.
func TestJudgeOAuthToken(t *testing.T) {
	t.Parallel()
	refused := graphQLRefusal("You must be authenticated to view this.")
	for _, test := range []struct {
		name, token string
		source      setup.FlySource
		verdict     reply
		kind        setup.FlyProblemKind
	}{
		{"good", oauth, setup.FlySourceFlag, reply{status: 200, body: `{"apps":[]}`}, "refused"},
		{"good, without a personal organization", oauth, setup.FlySourceFlag, reply{status: 403, body: `{"error":"unauthorized"}`}, "refused"},
		{"bad", oauth, setup.FlySourceFlag, reply{status: 401}, setup.FlyToken},
		{"bad, beside macaroons", macaroon + "," + oauth, setup.FlySourceConfig, reply{status: 401}, setup.FlyToken},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c, asked := served(t, flyapi.Options{Token: parse(t, test.token, test.source)}, refused, test.verdict)
			_, err := c.Organizations(t.Context())
			failure(t, err, test.kind)
			if got := asked(); len(got) != 2 || got[1] != "GET /v1/apps?org_slug=personal Bearer "+oauth+" " {
				t.Errorf("asked %q", got)
			}
		})
	}
}

// An organization that GraphQL refuses is looked up in the list.
func TestRefusedOrganization(t *testing.T) {
	t.Parallel()
	list := reply{status: 200, body: `{"data":{"organizations":{"nodes":[{"id":"1","slug":"personal","rawSlug":"ann-smith"}]}}}`}
	for _, slug := range []string{"personal", "ann-smith"} {
		c, _ := served(t, flyapi.Options{}, graphQLRefusal("no"), list)
		if org, err := c.Organization(t.Context(), slug); err != nil || org.RawSlug != "ann-smith" {
			t.Errorf("%s: got %+v, %v", slug, org, err)
		}
	}
}

// A read is retried until it succeeds.
func TestReadsAreRepeated(t *testing.T) {
	t.Parallel()
	c, asked := served(t, flyapi.Options{},
		reply{status: 502, body: page}, reply{status: 429}, reply{status: 500},
		reply{status: 200, body: `[{"id":"m1","name":"quiet-sun-1","state":"started","region":"ams","config":{"env":{"B":"2","A":1}}},
			{"id":"m2","name":"b","state":"stopped","region":"fra","config":null,"incomplete_config":{"env":{"C":"3"}}},
			{"id":"m3","name":"c","state":"stopped","region":"fra"}]`})
	got, err := c.Machines(t.Context(), "web")
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 3 || got[0].Name != "quiet-sun-1" || got[0].State != flyapi.StateStarted || got[0].Region != "ams" ||
		!maps.Equal(got[0].Env, map[string]string{"A": "1", "B": "2"}) || !maps.Equal(got[1].Env, map[string]string{"C": "3"}) || got[2].Env != nil {
		t.Errorf("got %+v", got)
	}
	for _, request := range asked() {
		if request != "GET /v1/apps/web/machines FlyV1 "+macaroon+" " {
			t.Errorf("asked %q", request)
		}
	}
	if len(asked()) != 4 {
		t.Errorf("asked %d times", len(asked()))
	}
}

// If the macaroons of flyctl's file have expired, its OAuth token is tried.
func TestOtherTokenIsTried(t *testing.T) {
	t.Parallel()
	token := parse(t, macaroon+","+oauth, setup.FlySourceConfig)
	c, asked := served(t, flyapi.Options{Token: token},
		reply{status: 401}, reply{status: 200, body: `{"exit_code":3,"stdout":"a","stderr":"b"}`})
	got, err := c.Exec(t.Context(), "web", "m/../1", flyapi.Command{Argv: []string{"a", "b c"}, Timeout: 1500 * time.Millisecond})
	if err != nil || got != (flyapi.CommandResult{ExitCode: 3, Stdout: "a", Stderr: "b"}) {
		t.Errorf("got %+v, %v", got, err)
	}
	const request = `POST /v1/apps/web/machines/m%2F..%2F1/exec `
	const body = ` {"command":["a","b c"],"timeout":2}`
	if want := []string{request + "FlyV1 " + macaroon + body, request + "Bearer " + oauth + body}; !slices.Equal(asked(), want) {
		t.Errorf("asked %q, want %q", asked(), want)
	}
}

// Secrets that GraphQL hides are read from the Machines API, and are unknown if
// that hides them too.
func TestHiddenSecrets(t *testing.T) {
	t.Parallel()
	const app = `"a0":{"id":"web","name":"web","organization":{"id":"1","slug":"acme","rawSlug":"acme"}`
	withoutSecrets := reply{status: 200, body: `{"data":{` + app + `}}}`}
	for _, test := range []struct {
		name    string
		replies []reply
		secrets []string
		hidden  setup.FlyProblemKind
	}{
		{"told by the other API", []reply{hiddenSecrets, withoutSecrets, {status: 200, body: `{"secrets":[{"name":"B","digest":"x"},{"name":"A"}]}`}}, []string{"A", "B"}, ""},
		{"none", []reply{hiddenSecrets, withoutSecrets, {status: 200, body: `{"secrets":null}`}}, []string{}, ""},
		{"hidden", []reply{hiddenSecrets, withoutSecrets, {status: 403, body: `{"error":"unauthorized"}`}}, nil, "not-allowed"},
		{"null", []reply{{status: 200, body: `{"data":{` + app + `,"secrets":null}}}`}, {status: 403, body: `{"error":"unauthorized"}`}}, nil, "not-allowed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c, asked := served(t, flyapi.Options{}, test.replies...)
			results, err := c.Apps(t.Context(), []string{"web"})
			if err != nil || len(results) != 1 {
				t.Fatalf("got %+v, %v", results, err)
			}
			got := results["web"]
			if got.Err != nil || got.App.Organization.RawSlug != "acme" || !slices.Equal(got.App.Secrets, test.secrets) || (got.App.Secrets == nil) != (test.secrets == nil) {
				t.Errorf("got %+v", got)
			}
			if test.hidden != "" {
				failure(t, got.Hidden, test.hidden)
			} else if got.Hidden != nil {
				t.Errorf("got %v", got.Hidden)
			}
			if n := len(asked()); n != len(test.replies) {
				t.Errorf("asked %q", asked())
			}
		})
	}
}

// A list of apps that does not end is given up.
func TestEndlessApps(t *testing.T) {
	t.Parallel()
	n := 0
	c := newClient(t, flyapi.Options{Transport: transport(func(*http.Request) (*http.Response, error) {
		n++
		return answer(200, fmt.Sprintf(`{"data":{"apps":{"pageInfo":{"hasNextPage":true,"endCursor":"c%d"},"nodes":[{"id":"a","name":"a","status":""}]}}}`, n)), nil
	})})
	_, err := c.OrganizationApps(t.Context(), setup.Organization{ID: "1", Slug: "acme"})
	if e := failure(t, err, "unexpected"); n != 50 || !strings.Contains(e.Error(), "does not end") {
		t.Errorf("after %d pages: %s", n, e)
	}
}

// Names that could change a path are not sent.
func TestNamesThatCannotBe(t *testing.T) {
	t.Parallel()
	c, asked := served(t, flyapi.Options{}, reply{status: 200, body: `{"data":{"a0":null}}`})
	for _, name := range []string{"", ".", "..", "a b", "a\nb", "\x1b[31m", "é"} {
		_, err := c.Machines(t.Context(), name)
		failure(t, err, "not-found")
		_, err = c.Secrets(t.Context(), name)
		failure(t, err, "not-found")
		_, err = c.Exec(t.Context(), "web", name, flyapi.Command{})
		failure(t, err, "not-found")
		_, err = app(t, c, name)
		failure(t, err, "not-found")
	}
	_, err := c.Organization(t.Context(), "")
	failure(t, err, "not-found")
	_, err = c.OrganizationApps(t.Context(), setup.Organization{Slug: "acme"})
	failure(t, err, "not-found")
	for _, request := range asked() {
		if !strings.HasPrefix(request, "POST /graphql ") {
			t.Errorf("asked %q", request)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	_, err := flyapi.New(flyapi.Options{})
	failure(t, err, "not-signed-in")
	token := parse(t, oauth, setup.FlySourceAPIToken)
	for _, bad := range []string{
		"api.fly.io", "ftp://api.fly.io", "https://", "http://api.fly.io", "http://8.8.8.8", "http://localhost.evil.example",
		"https://user:hunter2@api.fly.io", "https://api.fly.io/?a=b", "https://api.fly.io/#a", "https://api.fly.io/?", "https://a b", "https://:443", "%zz", "https://\x1b[31m",
	} {
		_, err := flyapi.New(flyapi.Options{Token: token, BaseURL: bad})
		if e := failure(t, err, "endpoint"); !strings.Contains(e.Error(), "GraphQL API") || strings.Contains(e.Error(), "hunter2") {
			t.Errorf("%q: got %s", bad, e)
		}
		_, err = flyapi.New(flyapi.Options{Token: token, MachinesURL: bad})
		if e := failure(t, err, "endpoint"); !strings.Contains(e.Error(), "Machines API") {
			t.Errorf("%q: got %s", bad, e)
		}
	}
	for _, good := range []string{"https://api.fly.io/", "http://127.0.0.1:1", "http://[::1]:1/x", "http://LOCALHOST", "http://_api.internal:4280"} {
		if _, err := flyapi.New(flyapi.Options{Token: token, BaseURL: good, MachinesURL: good}); err != nil {
			t.Errorf("%q: got %v", good, err)
		}
	}
}

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func answer(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
}

func TestNetwork(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		err   error
		kind  setup.FlyProblemKind
		words string
		tries int
	}{
		{"refused", &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connect: connection refused")}, "unreachable", `"api.fly.io" cannot be reached: dial tcp: connect: connection refused (4 attempts)`, 4},
		{"no such host", &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "api.fly.io", IsNotFound: true}}, "unreachable", "no such host", 1},
		{"wrong certificate", &tls.CertificateVerificationError{Err: errors.New("x509: signed by unknown authority")}, "unreachable", "signed by unknown authority", 1},
		{"broken off", io.ErrUnexpectedEOF, "unreachable", "the connection closed in the middle of the response (4 attempts)", 4},
		{"slow", context.DeadlineExceeded, setup.FlyTimeout, `"api.fly.io" did not answer in time (4 attempts)`, 4},
		{"an error that tells the token", errors.New("bad \x1b header " + macaroon), "unreachable", `bad \x1b header [token]`, 4},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			tries := 0
			c := newClient(t, flyapi.Options{Transport: transport(func(*http.Request) (*http.Response, error) {
				tries++
				return nil, test.err
			})})
			_, err := c.Organizations(t.Context())
			if e := failure(t, err, test.kind); !strings.Contains(e.Error(), test.words) || tries != test.tries {
				t.Errorf("after %d tries: %s", tries, e)
			}
		})
	}
}

// The context ends a call immediately, during an attempt and between two.
func TestContext(t *testing.T) {
	t.Parallel()
	t.Run("canceled in an attempt", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		c := newClient(t, flyapi.Options{Transport: transport(func(r *http.Request) (*http.Response, error) {
			cancel()
			<-r.Context().Done()
			return nil, r.Context().Err()
		})})
		_, err := c.Organizations(ctx)
		failure(t, err, "canceled")
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%v is not context.Canceled", err)
		}
	})
	t.Run("canceled between attempts", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		c, err := flyapi.New(flyapi.Options{ // which backs off
			Token: parse(t, oauth, setup.FlySourceAPIToken),
			Transport: transport(func(*http.Request) (*http.Response, error) {
				cancel()
				return answer(503, ""), nil
			}),
		})
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Organizations(ctx)
		failure(t, err, "canceled")
	})
	t.Run("an attempt takes too long", func(t *testing.T) {
		t.Parallel()
		c := newClient(t, flyapi.Options{Timeout: time.Nanosecond, Transport: transport(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})})
		_, err := c.Organizations(t.Context())
		e := failure(t, err, setup.FlyTimeout)
		if !errors.Is(err, context.DeadlineExceeded) || e.Attempts != 4 {
			t.Errorf("after %d attempts: %v", e.Attempts, err)
		}
	})
}

func TestMintToken(t *testing.T) {
	t.Parallel()
	const token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln"
	for _, test := range []struct {
		name, result, words string
	}{
		{"token", `{"exit_code":0,"stdout":"` + token + `\n","stderr":""}`, ""},
		{"no curl", `{"exit_code":127,"stdout":"","stderr":"sh: curl: not found"}`, "its image has no curl"},
		{"curl failed", `{"exit_code":7,"stdout":"","stderr":"curl: (7) \u001b[31mCould not connect to server"}`, "Could not connect to server: curl failed"},
		{"token in quotes", `{"exit_code":0,"stdout":"\"` + token + `\"\n","stderr":""}`, ""},
		{"token in an object", `{"exit_code":0,"stdout":"{\"token\":\"` + token + `\"}","stderr":""}`, ""},
		{"an object without one", `{"exit_code":0,"stdout":"{\"error\":\"a.b.c\"}","stderr":""}`, "not a token"},
		{"no JSON with two dots", `{"exit_code":0,"stdout":"{a.b.c","stderr":""}`, "not a token"},
		{"something else", `{"exit_code":0,"stdout":"hello","stderr":""}`, "not a token"},
		{"a token and more", `{"exit_code":0,"stdout":"` + token + ` x","stderr":""}`, "not a token"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c, asked := served(t, flyapi.Options{}, reply{status: 200, body: test.result})
			got, err := c.MintToken(t.Context(), "web", "m1", "sts.amazonaws.com")
			if test.words == "" {
				if err != nil || got != token {
					t.Errorf("got %q, %v", got, err)
				}
			} else if e := failure(t, err, "command"); got != "" || !strings.Contains(e.Error(), test.words) {
				t.Errorf("got %q, %s", got, e)
			}
			if request := asked()[0]; !strings.Contains(request, `"--data","{\"aud\":\"sts.amazonaws.com\"}","http://localhost/v1/tokens/oidc"],"timeout":10}`) {
				t.Errorf("asked %s", request)
			}
		})
	}
}

// FuzzAnswers checks that no response makes a call panic, hang, or fail with text
// that is unsafe for a terminal, and that no organization is returned without a raw
// slug.
func FuzzAnswers(f *testing.F) {
	for _, seed := range []struct {
		status int
		body   string
	}{
		{200, `{"data":{"organizations":{"nodes":[{"id":"1","slug":"personal","rawSlug":"ann-smith","name":"Ann"}]}}}`},
		{200, `{"data":{"organization":{"id":"1","slug":"acme","rawSlug":"acme","name":"A"}}}`},
		{200, `{"data":{"a0":{"id":"web","name":"web","organization":{"id":"1","slug":"acme","rawSlug":"acme"},"secrets":[{"name":"A"}]}}}`},
		{200, `{"data":{"apps":{"pageInfo":{"hasNextPage":true,"endCursor":"a"},"nodes":[{"id":"a","name":"a","status":"deployed"}]}}}`},
		{200, `[{"id":"m1","name":"a","state":"started","region":"ams","config":{"env":{"A":"b"}}}]`},
		{200, `{"exit_code":0,"stdout":"eyJ.e.s","stderr":""}`},
		{200, `{"errors":[{"message":"\u001b fm2_x","path":["a0","secrets",1]}],"data":null}`},
		{205, `{"errors":[{"message":"\u001b2fm2_x"}],"data":null}`},
		{403, `{"error":"a","message":"\u0000","status":"c"}`},
		{502, page},
	} {
		f.Add(seed.status, seed.body)
	}
	f.Fuzz(func(t *testing.T, status int, body string) {
		if status < 200 || status > 599 {
			return
		}
		c := newClient(t, flyapi.Options{Transport: transport(func(*http.Request) (*http.Response, error) {
			return answer(status, body), nil
		})})
		ctx := t.Context()
		var orgs []setup.Organization
		check := func(err error) bool {
			var e *flyapi.Error
			if err != nil && !errors.As(err, &e) {
				t.Fatalf("got %T: %v", err, err)
			}
			if err != nil {
				checkText(t, err.Error())
			}
			return err == nil
		}
		if list, err := c.Organizations(ctx); check(err) {
			orgs = append(orgs, list...)
		}
		if org, err := c.Organization(ctx, "acme"); check(err) {
			orgs = append(orgs, org)
		}
		if apps, err := c.Apps(ctx, []string{"web"}); check(err) {
			if result := apps["web"]; check(result.Err) {
				orgs = append(orgs, result.App.Organization)
			}
		}
		for _, org := range orgs {
			if org.RawSlug == "" || org.RawSlug == "personal" || org.ID == "" {
				t.Fatalf("got %+v", org)
			}
		}
		_, err := c.OrganizationApps(ctx, setup.Organization{ID: "1", Slug: "acme"})
		check(err)
		_, err = c.Machines(ctx, "web")
		check(err)
		_, err = c.Secrets(ctx, "web")
		check(err)
		if token, err := c.MintToken(ctx, "web", "m1", "a"); check(err) && bytes.ContainsAny([]byte(token), " \n\x1b") {
			t.Fatalf("got the token %q", token)
		}
	})
}
