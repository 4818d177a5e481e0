package sandbox

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// A flyCall is one call of Fly's API in progress.
type flyCall struct {
	FlyCall
	server *Server
	rw     http.ResponseWriter
	http   *http.Request
	body   []byte
	fault  FlyFault
}

// flyHandler serves https://api.fly.io and https://api.machines.dev.
func (s *Server) flyHandler() http.HandlerFunc {
	mux := http.NewServeMux()
	handle := func(pattern string, h func(*flyCall)) {
		mux.HandleFunc(pattern, func(rw http.ResponseWriter, r *http.Request) {
			c := &flyCall{server: s, rw: rw, http: r, FlyCall: FlyCall{Method: r.Method, Path: r.URL.Path}}
			var err error
			if c.body, err = io.ReadAll(http.MaxBytesReader(rw, r.Body, 64<<10)); err != nil {
				s.flyError(rw, http.StatusBadRequest, "invalid request body")
				return
			}
			h(c)
		})
	}
	// machines wraps a handler of the Machines API, which returns a status and a
	// body. It handles faults and checks the token first.
	machines := func(h func(*flyCall, flyScope) (int, any)) func(*flyCall) {
		return func(c *flyCall) {
			c.record()
			if c.applyFault() {
				return
			}
			scope, known := s.world.scopeOf(c.http.Header.Get("Authorization"))
			if !known {
				c.answer(refusal(http.StatusUnauthorized, "Authenticate: token validation error"))
				return
			}
			c.answer(h(c, scope))
		}
	}
	handle("POST /graphql", s.serveGraphQL)
	handle("GET /v1/tokens/current", machines(s.serveCurrentToken))
	handle("GET /v1/apps", machines(s.serveApps))
	handle("GET /v1/apps/{app}", machines(s.serveApp))
	handle("GET /v1/apps/{app}/secrets", machines(s.serveSecrets))
	handle("GET /v1/apps/{app}/machines", machines(s.serveMachines))
	handle("POST /v1/apps/{app}/machines/{machine}/exec", machines(s.serveExec))
	handle("/", func(c *flyCall) {
		c.record()
		if !c.applyFault() {
			c.answer(refusal(http.StatusNotFound, "not found"))
		}
	})
	return mux.ServeHTTP
}

// record records the call and gets its fault.
func (c *flyCall) record() {
	w := c.server.world
	w.faultMu.Lock()
	defer w.faultMu.Unlock()
	w.mu.Lock()
	c.N = len(w.flyCalls) + 1
	c.RequestID = flyRequestID(c.N)
	w.flyCalls = append(w.flyCalls, c.FlyCall)
	w.mu.Unlock()
	if w.FlyFault != nil {
		c.fault = w.FlyFault(c.FlyCall)
	}
}

// applyFault applies a fault before Fly's response; true if the call is finished.
func (c *flyCall) applyFault() bool {
	if !c.server.wait(c.http, c.fault.Delay) {
		panic(http.ErrAbortHandler)
	}
	if c.fault.Before != nil {
		c.fault.Before()
	}
	if c.fault.drop == dropBefore {
		panic(http.ErrAbortHandler)
	}
	if c.fault.Answer != nil {
		c.write(c.fault.Answer.Status, c.fault.Answer.ContentType, []byte(c.fault.Answer.Body))
		return true
	}
	return false
}

func (c *flyCall) answer(status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		status, body = http.StatusInternalServerError, []byte(`{"error":"internal error"}`)
	}
	c.write(status, "application/json", body)
}

// refusal is an error response of the Machines API.
func refusal(status int, message string) (int, any) {
	return status, map[string]string{"error": message}
}

func (c *flyCall) write(status int, contentType string, body []byte) {
	if c.fault.After != nil {
		c.fault.After()
	}
	if c.fault.drop == dropAfter {
		panic(http.ErrAbortHandler)
	}
	w := c.server.world
	w.mu.Lock()
	w.flyCalls[c.N-1].Status = status
	w.mu.Unlock()
	c.rw.Header().Set("Content-Type", contentType)
	c.rw.Header().Set("Fly-Request-Id", c.RequestID)
	c.rw.WriteHeader(status)
	_, _ = c.rw.Write(body) // the client may have disconnected
}

func (w *World) scopeOf(authorization string) (flyScope, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.prepareFly()
	return w.flyScope(authorization, false)
}

// serveCurrentToken responds with the token's limits.
func (s *Server) serveCurrentToken(_ *flyCall, scope flyScope) (int, any) {
	w := s.world
	w.mu.Lock()
	defer w.mu.Unlock()
	tokens := []map[string]any{}
	add := func(org string, apps ...string) {
		info := w.flyOrg(org)
		tokens = append(tokens, map[string]any{
			"token_id": digest(org + strings.Join(apps, ","))[:26], "organization": info["name"], "org_slug": info["slug"], "apps": apps,
		})
	}
	for _, org := range scope.orgs {
		add(org)
	}
	for _, app := range scope.apps {
		add(w.flyApps[app].org, app)
	}
	if scope.all {
		tokens = append(tokens, map[string]any{"token_id": digest(FlyToken)[:26], "user": userName})
	}
	return http.StatusOK, map[string]any{"tokens": tokens}
}

// serveApps lists the apps of one organization.
func (s *Server) serveApps(c *flyCall, scope flyScope) (int, any) {
	w := s.world
	w.mu.Lock()
	defer w.mu.Unlock()
	query := c.http.URL.Query()
	if !query.Has("org_slug") {
		return refusal(http.StatusBadRequest, "org_slug is required")
	}
	org := w.rawSlug(query.Get("org_slug"))
	if _, exists := w.flyOrgs[org]; !exists || !scope.org(org) {
		return refusal(http.StatusForbidden, "unauthorized")
	}
	apps := []map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(w.flyApps)) {
		if w.flyApps[name].org == org {
			apps = append(apps, map[string]any{"id": name, "name": name, "machine_count": len(w.machinesOf(name)), "network": "default"})
		}
	}
	return http.StatusOK, map[string]any{"total_apps": len(apps), "apps": apps}
}

// flyAppOf finds the app of a call: 404 if it does not exist, and 403 if the token
// cannot reach it. The caller holds w.mu.
func (w *World) flyAppOf(c *flyCall, scope flyScope) (name string, a *flyApp, status int, refused any) {
	name = c.http.PathValue("app")
	a = w.flyApps[name]
	switch {
	case a == nil:
		status, refused = refusal(http.StatusNotFound, "app not found")
	case !scope.app(name, a):
		status, refused = refusal(http.StatusForbidden, "unauthorized")
	}
	return name, a, status, refused
}

func (s *Server) serveApp(c *flyCall, scope flyScope) (int, any) {
	w := s.world
	w.mu.Lock()
	defer w.mu.Unlock()
	name, a, status, refused := w.flyAppOf(c, scope)
	if refused != nil {
		return status, refused
	}
	org := w.flyOrg(a.org)
	return http.StatusOK, map[string]any{
		"id": name, "name": name, "status": w.appStatus(name),
		"organization": map[string]any{"name": org["name"], "slug": org["slug"]},
	}
}

func (s *Server) serveSecrets(c *flyCall, scope flyScope) (int, any) {
	w := s.world
	w.mu.Lock()
	defer w.mu.Unlock()
	_, a, status, refused := w.flyAppOf(c, scope)
	switch {
	case refused != nil:
		return status, refused
	case a.hidden:
		return refusal(http.StatusForbidden, "unauthorized")
	}
	secrets := []map[string]any{}
	for _, name := range a.secrets {
		secrets = append(secrets, map[string]any{
			"name": name, "digest": secretDigest(name), "created_at": "2026-01-02T03:04:05Z", "updated_at": "2026-01-02T03:04:05Z",
		})
	}
	return http.StatusOK, map[string]any{"secrets": secrets}
}

func (s *Server) serveMachines(c *flyCall, scope flyScope) (int, any) {
	w := s.world
	w.mu.Lock()
	defer w.mu.Unlock()
	name, a, status, refused := w.flyAppOf(c, scope)
	if refused != nil {
		return status, refused
	}
	list := []map[string]any{}
	for _, m := range w.machinesOf(name) {
		list = append(list, map[string]any{
			"id": m.id(), "name": m.name, "state": w.state(m), "region": "ams",
			"config": map[string]any{
				"env": maps.Clone(a.env), "metadata": map[string]string{"fly_process_group": "app", "fly_platform_version": "v2"},
			},
		})
	}
	return http.StatusOK, list
}

// serveExec runs a command in a machine. The sandbox's machines only have curl.
func (s *Server) serveExec(c *flyCall, scope flyScope) (int, any) {
	var body struct {
		Command []string `json:"command"`
		Timeout int      `json:"timeout"`
	}
	if json.Unmarshal(c.body, &body) != nil || len(body.Command) == 0 || body.Timeout < 0 {
		return refusal(http.StatusBadRequest, "invalid request body")
	}
	m, status, refused := s.world.runningMachine(c, scope)
	if refused != nil {
		return status, refused
	}
	if body.Command[0] != "curl" {
		return http.StatusOK, execResult{ExitCode: 127, Stderr: body.Command[0] + ": not found\n"}
	}
	return http.StatusOK, s.curl(m, body.Command[1:])
}

// execResult is the result of a command. Fly leaves out an exit code of 0
// (superfly/fly-go, machine_types.go).
type execResult struct {
	ExitCode int    `json:"exit_code,omitempty"`
	Stdout   string `json:"stdout,omitempty"`
	Stderr   string `json:"stderr,omitempty"`
}

// runningMachine finds the machine of a call, which must be running.
func (w *World) runningMachine(c *flyCall, scope flyScope) (machine, int, any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	name, _, status, refused := w.flyAppOf(c, scope)
	if refused != nil {
		return machine{}, status, refused
	}
	for _, m := range w.machinesOf(name) {
		if m.id() != c.http.PathValue("machine") {
			continue
		}
		if state := w.state(m); state != stateStarted {
			status, refused = refusal(http.StatusPreconditionFailed, "failed_precondition: machine is "+state+", not "+stateStarted)
			return machine{}, status, refused
		}
		return m, 0, nil
	}
	status, refused = refusal(http.StatusNotFound, "machine not found")
	return machine{}, status, refused
}

// curl does what curl would with the machine's socket, and fails with curl's
// exit codes (https://curl.se/docs/manpage.html#EXIT).
func (s *Server) curl(m machine, args []string) execResult {
	var socket, data, target string
	var fail, post bool
	for len(args) > 0 {
		option := args[0]
		args = args[1:]
		var value *string
		var ignored string
		switch option {
		case "-s", "--silent", "-S", "--show-error":
			continue
		case "-f", "--fail":
			fail = true
			continue
		case "--unix-socket":
			value = &socket
		case "-d", "--data":
			value, post = &data, true
		case "-X", "--request", "-H", "--header", "-m", "--max-time":
			value = &ignored
		}
		switch {
		case value != nil && len(args) == 0:
			return execResult{ExitCode: 2, Stderr: "curl: option " + option + ": requires parameter\n"}
		case value != nil:
			*value, args = args[0], args[1:]
			if (option == "-X" || option == "--request") && ignored == http.MethodPost {
				post = true
			}
		case strings.HasPrefix(option, "-"):
			return execResult{ExitCode: 2, Stderr: "curl: option " + option + ": is unknown\n"}
		default:
			target = option
		}
	}
	u, err := url.Parse(target)
	switch {
	case err != nil || u.Scheme != "http" || u.Host == "":
		return execResult{ExitCode: 3, Stderr: "curl: (3) URL rejected\n"}
	case socket != "/.fly/api":
		return execResult{ExitCode: 7, Stderr: "curl: (7) Failed to connect to " + u.Host + "\n"}
	}
	status, answer := http.StatusNotFound, `{"error":"not found"}`
	if u.Path == tokenPath {
		if status, answer = http.StatusMethodNotAllowed, `{"error":"method not allowed"}`; post {
			token, minted, message := s.world.mintFor(m, []byte(data))
			if status, answer = minted, token; message != "" {
				answer = `{"error":"` + message + `"}`
			}
		}
	}
	if fail && status >= 400 {
		return execResult{ExitCode: 22, Stderr: "curl: (22) The requested URL returned error: " + strconv.Itoa(status) + "\n"}
	}
	return execResult{Stdout: answer}
}

const stateStarted = "started"

// id returns the machine's ID, as in its tokens.
func (m machine) id() string {
	return hexSum([]byte(strings.Join([]string{m.org, m.app, m.name}, ":")))[:14]
}

// machinesOf returns the machines of an app in the order in which they were added.
// The caller holds w.mu.
func (w *World) machinesOf(app string) []machine {
	var list []machine
	for _, m := range w.machines {
		if m.app == app && m.org == w.flyApps[app].org {
			list = append(list, m)
		}
	}
	return list
}

// state returns a machine's state. The caller holds w.mu.
func (w *World) state(m machine) string {
	if state := w.states[m]; state != "" {
		return state
	}
	return stateStarted
}

// appStatus returns an app's status. The caller holds w.mu.
func (w *World) appStatus(app string) string {
	if len(w.machinesOf(app)) == 0 {
		return "pending"
	}
	return "deployed"
}

func secretDigest(name string) string { return hexSum([]byte("secret " + name))[:16] }
