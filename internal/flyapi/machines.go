package flyapi

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/fly-aws/fly-aws/internal/text"
	"github.com/fly-aws/fly-aws/setup"
)

// StateStarted is the state of a machine that is running and can run commands.
const StateStarted = "started"

// A Machine is a machine of an app.
type Machine struct {
	// ID is like "148ed123f07e89", Name like "quiet-sun-1234". Tokens carry the
	// name.
	ID, Name string
	// State is "created", "started", "stopped", "suspended" or another of
	// https://fly.io/docs/machines/machine-states/.
	State string
	// Region is like "ams".
	Region string
	// Env are the variables that its configuration sets; nil if that is unknown. The
	// app's secrets are not among them, but people put keys here too: show names, and
	// values only of variables that hold none.
	Env map[string]string
}

// A Command is a command to run in a machine.
type Command struct {
	// Argv is the program and its arguments. There is no shell.
	Argv []string
	// Timeout is how long it may take, in whole seconds; 0 is ten seconds.
	Timeout time.Duration
}

// A CommandResult is the result of a Command that has ended.
type CommandResult struct {
	// ExitCode is 0 to 255.
	ExitCode int `json:"exit_code"`
	// Stdout and Stderr are its output, which can contain secrets.
	Stdout string `json:"stdout"`
	Stderr string `json:"stderr"`
}

const commandTimeout = 10 * time.Second

// Secrets lists the names of an app's secrets, sorted, from the Machines API.
func (c *Client) Secrets(ctx context.Context, app string) ([]string, error) {
	doing := "listing the secrets of the Fly app " + text.Quote(app)
	var object struct {
		Secrets []secretName `json:"secrets"`
	}
	if e := c.get(ctx, app, "/secrets", doing, &object); e != nil {
		return nil, e
	}
	if object.Secrets == nil {
		return []string{}, nil
	}
	return names(object.Secrets), nil
}

// Machines lists the machines of an app, without destroyed ones.
func (c *Client) Machines(ctx context.Context, app string) ([]Machine, error) {
	doing := "listing the machines of the Fly app " + text.Quote(app)
	type config struct {
		Env map[string]json.RawMessage `json:"env"`
	}
	var list []struct {
		ID     string  `json:"id"`
		Name   string  `json:"name"`
		State  string  `json:"state"`
		Region string  `json:"region"`
		Config *config `json:"config"`
		// Fly returns this one instead while the machine's host is unreachable
		// (superfly/fly-go, machine_types.go).
		Incomplete *config `json:"incomplete_config"`
	}
	if e := c.get(ctx, app, "/machines", doing, &list); e != nil {
		return nil, e
	}
	machines := make([]Machine, len(list))
	for i, m := range list {
		if m.ID == "" || m.Name == "" {
			return nil, &Error{
				FlyProblem: setup.FlyProblem{
					Kind: setup.FlyUnexpected, Source: c.token.Source(), Host: hostOf(c.machines),
					Detail: "a machine in the response has no ID or no name",
				},
				Doing: doing,
			}
		}
		machines[i] = Machine{ID: m.ID, Name: m.Name, State: m.State, Region: m.Region}
		switch {
		case m.Config != nil:
			machines[i].Env = plain(m.Config.Env)
		case m.Incomplete != nil:
			machines[i].Env = plain(m.Incomplete.Env)
		}
	}
	return machines, nil
}

// plain returns variables as a process sees them. Fly's are strings; another value
// keeps its JSON text.
func plain(env map[string]json.RawMessage) map[string]string {
	out := make(map[string]string, len(env))
	for name, raw := range env {
		var value string
		if json.Unmarshal(raw, &value) != nil {
			value = string(raw)
		}
		out[name] = value
	}
	return out
}

// Exec runs a command in a machine, once, and waits for its end. A nonzero exit
// code is not an error.
func (c *Client) Exec(ctx context.Context, app, machine string, command Command) (CommandResult, error) {
	doing := "running a command in the machine " + text.Quote(machine) + " of the Fly app " + text.Quote(app)
	thing := "machine " + text.Quote(machine) + " in the Fly app " + text.Quote(app)
	base, ok := appPath(app)
	id, ok2 := segment(machine)
	if !ok || !ok2 {
		return CommandResult{}, &Error{FlyProblem: setup.FlyProblem{Kind: setup.FlyNotFound}, Doing: doing, Thing: thing}
	}
	timeout := command.Timeout
	if timeout <= 0 {
		timeout = commandTimeout
	}
	seconds := int((timeout + time.Second - 1) / time.Second)
	r := c.machinesRequest(http.MethodPost, base+"/machines/"+id+"/exec", doing)
	r.once = true
	r.timeout += time.Duration(seconds) * time.Second
	r.body = struct {
		Command []string `json:"command"`
		Timeout int      `json:"timeout"`
	}{command.Argv, seconds}
	var result CommandResult
	if e := c.rest(ctx, r, thing, &result); e != nil {
		return CommandResult{}, e
	}
	return result, nil
}

// MintToken has a machine fetch one of its OpenID Connect tokens and returns its
// text. The machine's image needs curl. The error is of setup.FlyCommand when the
// command fails.
//
// The command is that of https://fly.io/docs/security/openid-connect/.
func (c *Client) MintToken(ctx context.Context, app, machine, audience string) (string, error) {
	body, err := json.Marshal(map[string]string{"aud": audience})
	if err != nil {
		return "", &Error{FlyProblem: setup.FlyProblem{Kind: setup.FlyRefused, Detail: "the audience cannot be written as JSON"}}
	}
	result, err := c.Exec(ctx, app, machine, Command{Argv: []string{
		"curl", "--silent", "--show-error", "--fail", "--max-time", "8", "--unix-socket", "/.fly/api",
		"--header", "Content-Type: application/json", "--data", string(body), "http://localhost/v1/tokens/oidc",
	}})
	if err != nil {
		return "", err
	}
	token := bareToken(result.Stdout)
	failed := func(reason string) (string, error) {
		return "", &Error{
			FlyProblem: setup.FlyProblem{Kind: setup.FlyCommand, Message: c.clean(result.Stderr), Detail: reason},
			Doing:      "fetching a token in the machine " + text.Quote(machine) + " of the Fly app " + text.Quote(app),
		}
	}
	switch {
	case result.ExitCode == 127:
		return failed("its image has no curl")
	case result.ExitCode != 0:
		return failed("curl failed")
	case strings.Count(token, ".") != 2 || strings.ContainsFunc(token, notInToken):
		return failed("what it fetched is not a token")
	}
	return token, nil
}

// bareToken returns the token in Fly's response. By its documentation the response
// is the token itself; JSON is accepted too.
func bareToken(answer string) string {
	var quoted string
	var object struct {
		Token string `json:"token"`
	}
	switch {
	case json.Unmarshal([]byte(answer), &quoted) == nil:
		return quoted
	case json.Unmarshal([]byte(answer), &object) == nil:
		return object.Token
	}
	return strings.TrimSpace(answer)
}

// notInToken reports whether a compact token cannot contain the character (RFC
// 7515, section 3.1).
func notInToken(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_' && r != '.'
}

// get reads a path of the Machines API below an app.
func (c *Client) get(ctx context.Context, app, below, doing string, data any) *Error {
	thing := "Fly app " + text.Quote(app)
	path, ok := appPath(app)
	if !ok {
		return &Error{FlyProblem: setup.FlyProblem{Kind: setup.FlyNotFound}, Doing: doing, Thing: thing}
	}
	return c.rest(ctx, c.machinesRequest(http.MethodGet, path+below, doing), thing, data)
}

// rest makes a request to the Machines API and decodes the response.
func (c *Client) rest(ctx context.Context, r request, thing string, data any) *Error {
	a, e := c.do(ctx, r)
	if e != nil {
		e.Thing = thing
		return e
	}
	if json.Unmarshal(a.body, data) != nil {
		return c.fail(a, setup.FlyUnexpected, "the response is not that of the Machines API")
	}
	return nil
}

func (c *Client) machinesRequest(method, path, doing string) request {
	return request{
		doing: doing, method: method, url: c.machines + "/v1" + path,
		headers: c.token.machinesHeaders(), timeout: c.timeout,
	}
}

// appPath is the path of an app; not ok for a name that no app can have.
func appPath(app string) (string, bool) {
	name, ok := segment(app)
	return "/apps/" + name, ok
}

// segment makes a name one segment of a path; not ok if it could change the path.
func segment(name string) (string, bool) {
	if name == "" || name == "." || name == ".." || !isVisibleASCII(name) {
		return "", false
	}
	return url.PathEscape(name), true
}

func hostOf(base string) string {
	u, err := url.Parse(base)
	if err != nil {
		return base
	}
	return u.Host
}
