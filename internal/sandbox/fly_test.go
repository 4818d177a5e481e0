package sandbox_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fly-aws/fly-aws/internal/sandbox"
)

// flyWorld has two organizations, one of them personal, and an app in each.
func flyWorld() *sandbox.World {
	w := &sandbox.World{PersonalOrg: "ann-smith-12"}
	w.AddOrg("acme", "Acme Inc.")
	w.AddMachine("acme", "web", "quiet-sun-1")
	w.AddMachine("acme", "web", "loud-moon-2")
	w.AddMachine("ann-smith-12", "toy", "small-sea-3")
	w.AddApp("acme", "empty")
	w.SetSecrets("web", "DATABASE_URL", "AWS_ROLE_ARN", "DATABASE_URL")
	w.SetEnv("web", "PORT", "8080")
	return w
}

// flyCall makes one call and returns the status and the text of the response.
func flyCall(t *testing.T, s *sandbox.Server, authorization, method, path, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.FlyEndpoint+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.Header.Get("Fly-Request-Id") == "" {
		t.Error("the response has no fly-request-id")
	}
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// query sends a GraphQL query and returns the whole response.
func query(t *testing.T, s *sandbox.Server, authorization, text string, variables map[string]any) string {
	t.Helper()
	body, err := json.Marshal(map[string]any{"query": text, "variables": variables})
	if err != nil {
		t.Fatal(err)
	}
	status, answer := flyCall(t, s, authorization, http.MethodPost, "/graphql", string(body))
	if status != http.StatusOK {
		t.Fatalf("got %d %s", status, answer)
	}
	return answer
}

// sameJSON compares JSON texts by meaning.
func sameJSON(t *testing.T, got, want string) {
	t.Helper()
	var g, w any
	if err := errors.Join(json.Unmarshal([]byte(got), &g), json.Unmarshal([]byte(want), &w)); err != nil {
		t.Fatalf("%v in %s", err, got)
	}
	if !reflect.DeepEqual(g, w) {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

const userToken = "Bearer " + sandbox.FlyToken

func TestGraphQL(t *testing.T) {
	t.Parallel()
	s := start(t, flyWorld())
	for _, test := range []struct {
		name, auth, query string
		variables         map[string]any
		want              string
	}{
		{
			"organizations", userToken, `query($admin:Boolean!){organizations(admin:$admin){nodes{slug rawSlug name type viewerRole}}}`,
			map[string]any{"admin": false},
			`{"data":{"organizations":{"nodes":[
				{"slug":"acme","rawSlug":"acme","name":"Acme Inc.","type":"SHARED","viewerRole":"admin"},
				{"slug":"personal","rawSlug":"ann-smith-12","name":"ann-smith-12","type":"PERSONAL","viewerRole":"admin"}]}}}`,
		},
		{
			"the alias", userToken, `query Q($slug: String!) { me: organization(slug: $slug) { rawSlug __typename } }`,
			map[string]any{"slug": "personal"},
			`{"data":{"me":{"rawSlug":"ann-smith-12","__typename":"Organization"}}}`,
		},
		{
			"the raw slug, as a literal", userToken, `{ organization(slug: "ann-smith-12") { slug } __typename }`, nil,
			`{"data":{"organization":{"slug":"personal"},"__typename":"Queries"}}`,
		},
		{
			"an app", userToken, `query($name:String!){app(name:$name){name status organization{rawSlug} secrets{name}}}`,
			map[string]any{"name": "web"},
			`{"data":{"app":{"name":"web","status":"deployed","organization":{"rawSlug":"acme"},"secrets":[{"name":"AWS_ROLE_ARN"},{"name":"DATABASE_URL"}]}}}`,
		},
		{
			"fragments and two roots", userToken,
			`query($a: String = "web") { x: app(name: $a) { ...F } y: app(name: "empty") { ... on App { name ... { status } secrets { name } } } } fragment F on App { n: name }`,
			nil, `{"data":{"x":{"n":"web"},"y":{"name":"empty","status":"pending","secrets":[]}}}`,
		},
		{
			"the token of an app sees it", "FlyV1 " + sandbox.FlyAppToken("web"), `{ app(name: "web") { organization { rawSlug } } apps { nodes { name } } }`, nil,
			`{"data":{"app":{"organization":{"rawSlug":"acme"}},"apps":{"nodes":[{"name":"web"}]}}}`,
		},
		{
			"and nothing else", "FlyV1 " + sandbox.FlyAppToken("web"), `{ app(name: "empty") { name } organizations { nodes { id } } organization(slug: "acme") { id } }`, nil,
			`{"data":null,"errors":[
				{"message":"Could not find App \"empty\"","path":["app"]},
				{"message":"Not authorized to access this organization","path":["organizations"]},
				{"message":"Not authorized to access this organization","path":["organization"]}]}`,
		},
		{
			"the token of an organization", "FlyV1 " + sandbox.FlyOrgToken("acme"), `{ organizations { nodes { slug } } organization(slug: "personal") { id } app(name: "toy") { id } }`, nil,
			`{"data":{"organizations":{"nodes":[{"slug":"acme"}]},"organization":null,"app":null},"errors":[
				{"message":"Could not find Organization","path":["organization"]},
				{"message":"Could not find App \"toy\"","path":["app"]}]}`,
		},
		{
			"tokens of both kinds", "FlyV1 " + sandbox.FlyAppToken("web") + "," + sandbox.FlyToken, `{ app(name: "toy") { name } }`, nil,
			`{"data":{"app":{"name":"toy"}}}`,
		},
		{
			"no token", "", `{ app(name: "web") { name } }`, nil,
			`{"data":{"app":null},"errors":[{"message":"You must be authenticated to view this","path":["app"]}]}`,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			sameJSON(t, query(t, s, test.auth, test.query, test.variables), test.want)
		})
	}
}

// A query that does not match Fly's schema, or that the sandbox does not support,
// is an error.
func TestGraphQLRefusals(t *testing.T) {
	t.Parallel()
	s := start(t, flyWorld())
	for _, test := range []struct {
		query     string
		variables map[string]any
		words     string
	}{
		{`{ machines { id } }`, nil, `Cannot query field "machines" on type "Queries"`},
		{`{ app(name: "web") { organization { raw_slug } } }`, nil, `Cannot query field "raw_slug" on type "Organization"`},
		{`{ app(name: "web", x: 1) { id } }`, nil, `Unknown argument "x"`},
		{`{ app(name: 3) { id } }`, nil, "String cannot represent a non string value"},
		{`{ app(name: ["web"]) { id } }`, nil, "String"},
		{`{ app(name: "web") }`, nil, "must have a selection of subfields"},
		{`{ app(name: "web") { id { x } } }`, nil, `Cannot query field "x" on type "ID"`},
		{`{ app(name: "web") { id } app(name: "toy") { id } }`, nil, "conflict because they have differing arguments"},
		{`{ app(name: $n) { id } }`, nil, `Variable "$n" is not defined`},
		{`query($n: String) { __typename }`, nil, `Variable "$n" is never used`},
		{`query($n: ID!) { app(name: $n) { id } }`, map[string]any{"n": "web"}, `"$n" of type "ID!" used in position expecting type "String"`},
		{`query($n: String!) { app(name: $n) { id } }`, nil, "must be defined"},
		{`query($n: String!) { app(name: $n) { id } }`, map[string]any{"n": nil}, "cannot be null"},
		{`query($n: String!) { app(name: $n) { id } }`, map[string]any{"n": 3}, "cannot use float64 as String"},
		{`{ apps(first: 1.5) { nodes { id } } }`, nil, "Int cannot represent non-integer value"},
		{`{ apps(first: 99999999999999999999) { nodes { id } } }`, nil, "Int cannot represent"},
		{`{ apps(after: "%%%") { nodes { id } } }`, nil, "Invalid cursor"},
		{`{ app(name: "web") @skip(if: true) { id } }`, nil, `Unknown directive "@skip"`},
		{`{ __schema { types { name } } }`, nil, "__schema"},
		{`{ app(name: "web") { ...F } }`, nil, `Unknown fragment "F"`},
		{`{ app(name: "web") { ...F } } fragment F on App { ...F }`, nil, "within itself"},
		{`{ app(name: "web") { ...F } } fragment F on Organization { id }`, nil, "cannot be spread here"},
		{`mutation { deleteApp { id } }`, nil, `does not support operation type "mutation"`},
		{`query A { __typename } query B { __typename }`, nil, "No operation named"},
		{`fragment F on App { id }`, nil, "never used"},
		{`# nothing`, nil, "No operation named"},
		{`{ app(`, nil, "Expected Name, found <EOF>"},
		{"{ " + strings.Repeat("x ", 2000) + "}", nil, "exceeded token limit"},
		{strings.Repeat("{ x ", 1100), nil, "exceeded maximum nesting depth"},
		{" ", nil, "No query string was present"},
	} {
		t.Run(test.query[:min(len(test.query), 80)], func(t *testing.T) {
			t.Parallel()
			var answer struct {
				Data   any
				Errors []struct{ Message string }
			}
			text := query(t, s, userToken, test.query, test.variables)
			if err := json.Unmarshal([]byte(text), &answer); err != nil || len(answer.Errors) == 0 || answer.Data != nil {
				t.Fatalf("got %s", text)
			}
			if !strings.Contains(answer.Errors[0].Message, test.words) {
				t.Errorf("got %s", text)
			}
		})
	}
}

// A small query whose fragments or fields multiply each other does not use much
// memory or time.
func TestGraphQLBombs(t *testing.T) {
	t.Parallel()
	s := start(t, flyWorld())
	// many repeats a text n times, replacing $ with the number.
	many := func(n int, text string) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(strings.ReplaceAll(text, "$", fmt.Sprint(i)))
		}
		return b.String()
	}
	var chain strings.Builder
	for i := range 99 {
		fmt.Fprintf(&chain, "fragment F%d on App { ...F%d ...F%d } ", i, i+1, i+1)
	}
	for name, bomb := range map[string]string{
		"fragments in fragments": `{ app(name: "web") { ` + many(300, "...A ") + `} } fragment A on App { ` + many(300, "...B ") +
			`} fragment B on App { ` + many(300, "...C ") + `} fragment C on App { id name }`,
		"aliases below aliases": `{ ` + many(100, `a$: apps { ...A } `) + `} fragment A on AppConnection { ` + many(100, "b$: nodes { ...B } ") +
			`} fragment B on App { ` + many(100, "c$: id ") + `}`,
		"a chain of fragments": `{ app(name: "web") { ...F0 } } ` + chain.String() + "fragment F99 on App { id }",
		"conflicts":            `{ ` + many(60, `a: app(name: "$") { ...A } `) + `} fragment A on App { ` + many(60, "b: organization { x: id x: slug } ") + `}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := query(t, s, userToken, bomb, nil)
			if len(text) > 64<<10 || !strings.Contains(text, `"errors"`) || strings.Contains(text, "token limit") {
				t.Errorf("got %d bytes: %.300s", len(text), text)
			}
		})
	}
}

// A failure in a field that cannot be null makes its parent null, and with
// FlyNullsData everything.
func TestGraphQLNulls(t *testing.T) {
	t.Parallel()
	const (
		both   = `{ a: app(name: "web") { name } b: app(name: "toy") { name secrets { name } } }`
		hidden = `{"message":"Not authorized to read secrets","path":["b","secrets"]}`
	)
	w := flyWorld()
	w.HideSecrets("toy")
	sameJSON(t, query(t, start(t, w), userToken, both, nil), `{"data":{"a":{"name":"web"},"b":null},"errors":[`+hidden+`]}`)
	w = flyWorld()
	w.FlyNullsData = true
	w.HideSecrets("toy")
	sameJSON(t, query(t, start(t, w), userToken, both, nil), `{"data":null,"errors":[`+hidden+`]}`)
}

func TestMachinesAPI(t *testing.T) {
	t.Parallel()
	w := flyWorld()
	w.SetState("acme", "web", "loud-moon-2", "stopped")
	w.AddApp("acme", "shy")
	w.HideSecrets("shy")
	s := start(t, w)
	status, text := flyCall(t, s, userToken, http.MethodGet, "/v1/apps/web/machines", "")
	var machines []struct {
		ID, Name, State string
		Config          struct{ Env map[string]string }
	}
	if err := json.Unmarshal([]byte(text), &machines); err != nil || status != http.StatusOK || len(machines) != 2 ||
		machines[0].Name != "quiet-sun-1" || machines[0].State != "started" || machines[1].State != "stopped" || machines[0].Config.Env["PORT"] != "8080" {
		t.Fatalf("got %d %s", status, text)
	}
	exec := "/v1/apps/web/machines/" + machines[0].ID + "/exec"
	curl := func(args ...string) string {
		body, err := json.Marshal(map[string]any{"command": append([]string{"curl"}, args...), "timeout": 10})
		if err != nil {
			t.Fatal(err)
		}
		return string(body)
	}
	const api, url = "/.fly/api", "http://localhost/v1/tokens/oidc"
	app, acme := "FlyV1 "+sandbox.FlyAppToken("web"), "FlyV1 "+sandbox.FlyOrgToken("acme")
	for _, test := range []struct {
		auth, method, path, body string
		status                   int
		words                    string
	}{
		{"", "GET", "/v1/apps/web", "", 401, "token validation error"},
		{"Bearer wrong", "GET", "/v1/apps/web", "", 401, "token validation error"},
		{"Bearer " + sandbox.FlyAppToken("web"), "GET", "/v1/apps/web", "", 401, ""},
		{"FlyV1 " + sandbox.FlyToken, "GET", "/v1/apps/web", "", 401, ""},
		{app + "," + sandbox.FlyToken, "GET", "/v1/apps/web", "", 401, ""},
		{userToken, "GET", "/v1/apps/web", "", 200, `"organization":{"name":"Acme Inc.","slug":"acme"}`},
		{userToken, "GET", "/v1/apps/toy", "", 200, `"slug":"personal"`},
		{app, "GET", "/v1/apps/web", "", 200, `"status":"deployed"`},
		{app, "GET", "/v1/apps/empty", "", 403, "unauthorized"},
		{acme, "GET", "/v1/apps/toy", "", 403, "unauthorized"},
		{acme, "GET", "/v1/apps/absent", "", 404, "app not found"},
		{acme, "GET", "/v1/apps/toy/machines", "", 403, "unauthorized"},
		{acme, "GET", "/v1/apps/toy/secrets", "", 403, "unauthorized"},
		{acme, "GET", "/v1/apps/web/secrets", "", 200, `"name":"AWS_ROLE_ARN"`},
		{acme, "GET", "/v1/apps/empty/secrets", "", 200, `{"secrets":[]}`},
		{acme, "GET", "/v1/apps/shy/secrets", "", 403, "unauthorized"},
		{acme, "GET", "/v1/apps/empty/machines", "", 200, `[]`},
		{acme, "GET", "/v1/apps?org_slug=acme", "", 200, `"machine_count":2,"name":"web"`},
		{userToken, "GET", "/v1/apps?org_slug=personal", "", 200, `"name":"toy"`},
		{acme, "GET", "/v1/apps?org_slug=personal", "", 403, "unauthorized"},
		{acme, "GET", "/v1/apps", "", 400, "org_slug"},
		{acme, "GET", "/v1/tokens/current", "", 200, `"org_slug":"acme"`},
		{app, "GET", "/v1/tokens/current", "", 200, `"apps":["web"]`},
		{userToken, "GET", "/v1/tokens/current", "", 200, `"user":"sandbox"`},
		{"FlyV1 fm2_x", "GET", "/v1/tokens/current", "", 401, ""},
		{userToken, "DELETE", "/v1/apps/web", "", 404, "not found"},
		{userToken, "GET", "/graphql", "", 404, "not found"},
		{userToken, "POST", exec, "{}", 400, "invalid request body"},
		{userToken, "POST", exec, strings.Repeat(" ", 65<<10), 400, "invalid request body"},
		{userToken, "POST", exec, `{"command":["sh","-c","curl"]}`, 200, `{"exit_code":127,"stderr":"sh: not found\n"}`},
		{userToken, "POST", exec, curl("--unix-socket", api, "-X", "POST", url), 200, `{"stdout":"eyJ`},
		{userToken, "POST", exec, curl("-sS", url), 200, `"exit_code":2`},
		{userToken, "POST", exec, curl("-s", url), 200, `"exit_code":7`},
		{userToken, "POST", exec, curl("-d"), 200, `"exit_code":2`},
		{userToken, "POST", exec, curl("--unix-socket", api), 200, `"exit_code":3`},
		{userToken, "POST", exec, curl("--unix-socket", api, url), 200, "method not allowed"},
		{userToken, "POST", exec, curl("-f", "--unix-socket", api, url), 200, `"exit_code":22`},
		{userToken, "POST", exec, curl("--unix-socket", api, "-d", "{", url), 200, "invalid request body"},
		{userToken, "POST", exec, curl("--unix-socket", api, "http://localhost/"), 200, "not found"},
		{acme, "POST", "/v1/apps/web/machines/x/exec", curl(url), 404, "machine not found"},
		{acme, "POST", "/v1/apps/web/machines/" + machines[1].ID + "/exec", curl(url), 412, "machine is stopped"},
	} {
		if status, text := flyCall(t, s, test.auth, test.method, test.path, test.body); status != test.status || !strings.Contains(text, test.words) {
			t.Errorf("%s %s %s\n got %d %s\nwant %d %s", test.method, test.path, test.body, status, text, test.status, test.words)
		}
	}
}

// An app that moves takes its machines, secrets and environment along; their tokens are of
// the other organization.
func TestMoveApp(t *testing.T) {
	t.Parallel()
	w := flyWorld()
	w.SetState("acme", "web", "loud-moon-2", "stopped")
	s := start(t, w)
	w.MoveApp("web", "newco")
	w.MoveApp("absent", "newco") // does nothing
	for _, test := range []struct {
		org, path string
		status    int
		words     string
	}{
		{"newco", "/v1/apps?org_slug=newco", 200, `"name":"web"`},
		{"newco", "/v1/apps/web/secrets", 200, "DATABASE_URL"},
		{"newco", "/v1/apps/web/machines", 200, `"stopped"`},
		{"acme", "/v1/apps/web/machines", 403, ""},
	} {
		status, text := flyCall(t, s, "FlyV1 "+sandbox.FlyOrgToken(test.org), http.MethodGet, test.path, "")
		if status != test.status || !strings.Contains(text, test.words) {
			t.Errorf("%s as %s: %d %s", test.path, test.org, status, text)
		}
	}
	if err := s.SetMachine("newco", "web", "quiet-sun-1"); err != nil {
		t.Error(err)
	}
	if err := s.SetMachine("acme", "web", "quiet-sun-1"); err == nil {
		t.Error("the machine is still in the old organization")
	}
}

// Pages of apps have no gaps, even when the list changes in between.
func TestAppPages(t *testing.T) {
	t.Parallel()
	w := &sandbox.World{PageLimit: 80}
	for i := range 200 {
		w.AddApp("acme", fmt.Sprintf("app-%03d", i))
	}
	w.AddApp("other", "app-050x")
	s := start(t, w)
	var org struct {
		Data struct{ Organization struct{ ID string } }
	}
	if err := json.Unmarshal([]byte(query(t, s, userToken, `{organization(slug:"acme"){id}}`, nil)), &org); err != nil {
		t.Fatal(err)
	}
	var names []string
	var sizes []int
	variables := map[string]any{"org": org.Data.Organization.ID}
	for {
		var page struct {
			Data struct {
				Apps struct {
					PageInfo struct {
						HasNextPage bool
						EndCursor   string
					}
					Nodes []struct{ Name string }
				}
			}
		}
		text := query(t, s, userToken, `query($org:ID,$after:String){apps(type:"container",first:200,after:$after,organizationId:$org){pageInfo{hasNextPage endCursor} nodes{name}}}`, variables)
		if err := json.Unmarshal([]byte(text), &page); err != nil {
			t.Fatal(err)
		}
		for _, node := range page.Data.Apps.Nodes {
			names = append(names, node.Name)
		}
		sizes = append(sizes, len(page.Data.Apps.Nodes))
		if !page.Data.Apps.PageInfo.HasNextPage {
			break
		}
		variables["after"] = page.Data.Apps.PageInfo.EndCursor
		w.AddApp("acme", "app-000a")
	}
	if !slices.Equal(sizes, []int{80, 80, 40}) || len(names) != 200 || !slices.IsSorted(names) || slices.Contains(names, "app-050x") {
		t.Errorf("got pages of %d: %q", sizes, names)
	}
}

func TestFlyFaults(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		fault  sandbox.FlyFault
		status int // 0 for a broken connection
		words  string
	}{
		{"down", sandbox.FlyDown(), 503, "upstream"},
		{"web page", sandbox.FlyWebPage(), 502, "<html>"},
		{"throttled", sandbox.FlyThrottle(), 429, "rate limit"},
		{"GraphQL error", sandbox.FlyGraphQLError("\x1b[31m\"boom\""), 200, `{"data":null,"errors":[{"message":"\u001b[31m\"boom\""}]}`},
		{"slow", sandbox.FlyFault{Fault: sandbox.Latency(time.Millisecond)}, 200, `{"data":{"__typename":"Queries"}}`},
		{"drop before", sandbox.FlyFault{Fault: sandbox.DropBefore()}, 0, ""},
		{"drop after", sandbox.FlyFault{Fault: sandbox.DropAfter()}, 0, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := flyWorld()
			hooks := ""
			w.FlyFault = func(c sandbox.FlyCall) sandbox.FlyFault {
				if !slices.Equal(c.Fields, []string{"__typename"}) || c.Variables["a"] != "b" || c.Path != "/graphql" || c.N != 1 {
					t.Errorf("got %+v", c)
				}
				f := test.fault
				f.Before, f.After = func() { hooks += "b"; w.AddApp("acme", "new") }, func() { hooks += "a" }
				return f
			}
			s := start(t, w)
			const body = `{"query":"{__typename}","variables":{"a":"b"}}`
			if test.status == 0 {
				req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.FlyEndpoint+"/graphql", strings.NewReader(body))
				if err != nil {
					t.Fatal(err)
				}
				if resp, err := http.DefaultClient.Do(req); err == nil {
					resp.Body.Close()
					t.Errorf("got %d", resp.StatusCode)
				}
				return
			}
			status, text := flyCall(t, s, userToken, http.MethodPost, "/graphql", body)
			if status != test.status || !strings.Contains(text, test.words) || hooks != "ba" {
				t.Errorf("got %d %s, hooks %q", status, text, hooks)
			}
			if calls := w.FlyCalls(); len(calls) != 1 || calls[0].Status != test.status || calls[0].RequestID == "" {
				t.Errorf("got %+v", calls)
			}
		})
	}
}

// FuzzGraphQL checks that every request gets a response, with data or errors.
func FuzzGraphQL(f *testing.F) {
	for _, text := range []string{
		`{"query":"query($slug:String!){organization(slug:$slug){id slug rawSlug name type}}","variables":{"slug":"acme"}}`,
		`{"query":"query($n:String=\"web\"){a:app(name:$n){...F}} fragment F on App{id secrets{name}}"}`,
		`{"query":"query($org:ID,$after:String){apps(type:\"container\",first:200,after:$after,organizationId:$org){pageInfo{hasNextPage endCursor} nodes{id}}}","variables":{"org":null,"after":""}}`,
		`{"query":"{apps(first:-1,after:$x,type:[1,{a:B}]){nodes{id}}}"}`, `{"query":"subscription{a}"}`, `[]`, `{"query":"{a @b(c:$d)}","operationName":"x"}`,
	} {
		f.Add(text)
	}
	w := flyWorld()
	f.Fuzz(func(t *testing.T, body string) {
		var answer struct {
			Data   map[string]any `json:"data"`
			Errors []any          `json:"errors"`
		}
		text, err := json.Marshal(w.AnswerGraphQL([]byte(body), userToken))
		if err == nil {
			err = json.Unmarshal(text, &answer)
		}
		if err != nil || answer.Data == nil && len(answer.Errors) == 0 {
			t.Fatalf("%s, %v", text, err)
		}
	})
}
