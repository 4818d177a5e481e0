package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/fly-aws/fly-aws/internal/sandbox"
)

// flyVariable has the test's program be a stand-in for flyctl, which asks a standIn at this
// URL. flyctl itself cannot run in the sandbox: it builds images and opens tunnels.
const flyVariable = "FLY_AWS_STAND_IN"

// flyCall is a command of the stand-in, and where it ran.
type flyCall struct {
	Args []string
	Dir  string
}

// flyResult is what came of it.
type flyResult struct {
	Output string
	Code   int
}

// flyClient is the program fly: it passes its command line on.
func flyClient(ctx context.Context, args []string) int {
	dir, err := os.Getwd()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	var result flyResult
	if err := post(ctx, os.Getenv(flyVariable), flyCall{args, dir}, &result); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Fprint(os.Stdout, result.Output)
	return result.Code
}

func post(ctx context.Context, to string, question, answer any) error {
	body, err := json.Marshal(question)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return json.NewDecoder(resp.Body).Decode(answer)
}

// machineName is the name of each machine that the stand-in deploys.
const machineName = "cold-shape-2007"

// A standIn is flyctl and Fly's exec for a sandbox: it keeps what deploys and secrets have
// done to the apps, and runs commands in their machines.
type standIn struct {
	t      *testing.T
	world  *sandbox.World
	server *sandbox.Server
	dir    string // of the machines' files
	// env is that of the programs at the keyboard, complete.
	env []string

	mu   sync.Mutex
	apps map[string]*standInApp
	// calls are the commands so far, destroyed the apps that were destroyed.
	calls, destroyed []string
}

type standInApp struct {
	org     string
	env     map[string]string // of the last deploy
	secrets map[string]string
	staged  map[string]string // the secrets from the next deploy on; nil if they are the same
}

// newStandIn starts a sandbox with no apps, and a stand-in for fly in front of the PATH.
func newStandIn(t *testing.T, world *sandbox.World) *standIn {
	t.Helper()
	program, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	server, err := world.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	s := &standIn{t: t, world: world, server: server, dir: t.TempDir(), apps: map[string]*standInApp{}}

	// Fly's exec runs commands in the machine; the rest of Fly's API is the sandbox's.
	target, err := url.Parse(server.FlyEndpoint)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	mux := http.NewServeMux()
	mux.Handle("/", proxy)
	mux.HandleFunc("POST /v1/apps/{app}/machines/{machine}/exec", func(rw http.ResponseWriter, r *http.Request) {
		var body struct {
			Command []string `json:"command"`
		}
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			http.Error(rw, err.Error(), http.StatusBadRequest)
			return
		}
		ran := s.inMachine(r.PathValue("app"), body.Command)
		_ = json.NewEncoder(rw).Encode(map[string]any{"exit_code": ran.code, "stdout": ran.stdout, "stderr": ran.stderr})
	})
	mux.HandleFunc("POST /fly", func(rw http.ResponseWriter, r *http.Request) {
		var call flyCall
		if err := json.NewDecoder(r.Body).Decode(&call); err != nil {
			http.Error(rw, err.Error(), http.StatusBadRequest)
			return
		}
		output, err := s.fly(call)
		result := flyResult{Output: output}
		if err != nil {
			result = flyResult{Output: output + "Error: " + err.Error() + "\n", Code: 1}
		}
		_ = json.NewEncoder(rw).Encode(result)
	})
	front := httptest.NewServer(mux)
	t.Cleanup(front.Close)

	bin := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// Links, because a program that was just written may still be open in a process that
	// another test started, and then it is busy.
	for name, of := range map[string]string{"fly": self, "fly-aws": program} {
		if err := os.Symlink(of, filepath.Join(bin, name)); err != nil {
			t.Fatal(err)
		}
	}
	s.env = append(environ(s.dir), server.Env()...)
	s.env = append(s.env, "FLY_FLAPS_BASE_URL="+front.URL, "FLY_API_BASE_URL="+front.URL,
		flyVariable+"="+front.URL+"/fly",
		"FLY_AWS_SANDBOX="+server.AWSEndpoint, // as fly-aws sandbox sets it
		"PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"), "HOME="+s.dir, "LANG=C.UTF-8", "CI=")
	s.env = slices.DeleteFunc(s.env, func(entry string) bool { return strings.HasSuffix(entry, "=") && strings.HasPrefix(entry, "AWS_") })
	return s
}

// deployed adds an app with a machine, as if it had been deployed without a fly.toml.
func (s *standIn) deployed(org, app string, secrets map[string]string) {
	s.apps[app] = &standInApp{org: org, secrets: secrets}
	s.world.AddMachine(org, app, machineName)
	s.world.SetSecrets(app, names(secrets)...)
}

func names(m map[string]string) []string {
	var all []string
	for name := range m {
		all = append(all, name)
	}
	return all
}

// envLine is a line of the [env] of the fly.toml files of these tests.
var envLine = regexp.MustCompile(`(?m)^\s*([A-Z_]+)\s*=\s*['"](.*)['"]`)

// fly runs a command of flyctl's.
func (s *standIn) fly(call flyCall) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, strings.Join(call.Args, " "))
	flags := map[string]string{}
	var words []string
	for i := 0; i < len(call.Args); i++ {
		arg := call.Args[i]
		name, value, given := strings.Cut(arg, "=")
		switch {
		case !strings.HasPrefix(arg, "-"):
			words = append(words, arg)
		case given, arg == "--yes", arg == "--stage":
			flags[name] = value
		default:
			i++
			flags[name] = call.Args[min(i, len(call.Args)-1)]
		}
	}
	line := strings.Join(words, " ")
	read := func(name string) (string, error) {
		b, err := os.ReadFile(filepath.Join(call.Dir, name))
		return string(b), err
	}
	app := flags["--app"]
	if app == "" { // as flyctl, that of the folder
		if config, err := read("fly.toml"); err == nil {
			if found := regexp.MustCompile(`(?m)^app = "(.*)"`).FindStringSubmatch(config); found != nil {
				app = found[1]
			}
		}
	}
	if verb, name, ok := strings.Cut(line, " "); ok && verb == "apps" {
		verb, app, _ = strings.Cut(name, " ")
		line = "apps " + verb
	}
	if line == "version" {
		return "fly stand-in\n", nil
	}
	if line == "apps create" {
		if s.apps[app] != nil {
			return "", errors.New("the name is taken")
		}
		s.apps[app] = &standInApp{org: flags["--org"], secrets: map[string]string{}}
		s.world.AddApp(flags["--org"], app)
		return "New app created: " + app + "\n", nil
	}
	a := s.apps[app]
	if a == nil {
		return "", fmt.Errorf("could not find App %q", app)
	}
	switch {
	case line == "apps destroy":
		delete(s.apps, app)
		s.destroyed = append(s.destroyed, app)
		return "Destroyed app " + app + "\n", nil
	case line == "apps restart":
		return "", nil
	case line == "apps move":
		s.world.MoveApp(app, flags["--org"])
		a.org = flags["--org"]
		return "successfully moved " + app + " to " + a.org + "\n", nil
	case line == "deploy":
		file := flags["--config"]
		if file == "" {
			file = "fly.toml"
		}
		config, err := read(file)
		if err != nil {
			return "", err
		}
		if a.staged != nil {
			a.secrets, a.staged = a.staged, nil
		}
		a.env = map[string]string{}
		for _, found := range envLine.FindAllStringSubmatch(config, -1) {
			a.env[found[1]] = found[2]
			s.world.SetEnv(app, found[1], found[2])
		}
		s.world.AddMachine(a.org, app, machineName)
		return "deployed " + app + "\n", nil
	case strings.HasPrefix(line, "secrets unset "):
		secrets := a.secrets
		if a.staged != nil {
			secrets = a.staged
		}
		left := map[string]string{}
		for name, value := range secrets {
			if !slices.Contains(words[2:], name) {
				left[name] = value
			}
		}
		s.world.SetSecrets(app, names(left)...)
		if _, staged := flags["--stage"]; staged {
			a.staged = left
		} else {
			a.secrets = left
		}
		return "", nil
	case line == "ssh console":
		s.mu.Unlock()
		ran := s.inMachine(app, strings.Fields(flags["--command"]+flags["-C"]))
		s.mu.Lock()
		if ran.code != 0 {
			return ran.stdout + ran.stderr, fmt.Errorf("ssh shell: Process exited with status %d", ran.code)
		}
		return ran.stdout + ran.stderr, nil
	}
	return "", fmt.Errorf("the stand-in for fly does not know: fly %s", strings.Join(call.Args, " "))
}

// inMachine runs a command in the machine of an app, with the environment that the app's
// process has: Fly's variables, [env], secrets, and what Fly's init adds for AWS.
func (s *standIn) inMachine(app string, command []string) result {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.apps[app]
	if a == nil || len(command) == 0 {
		return result{code: 1, stderr: "no such machine\n"}
	}
	if command[0] != "fly-aws" {
		return result{code: 127, stderr: command[0] + ": not found\n"}
	}
	if err := s.server.SetMachine(a.org, app, machineName); err != nil {
		return result{code: 1, stderr: err.Error() + "\n"}
	}
	env := slices.DeleteFunc(slices.Clone(s.env), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return name == "AWS_ACCESS_KEY_ID" || name == "AWS_SECRET_ACCESS_KEY" || name == "AWS_REGION" || name == "AWS_DEFAULT_REGION" ||
			name == "FLY_API_TOKEN" || name == "FLY_AWS_SANDBOX"
	})
	env = append(env, "FLY_APP_NAME="+app, "FLY_MACHINE_ID=9080e6f3a12345")
	for name, value := range a.env {
		env = append(env, name+"="+value)
	}
	for name, value := range a.secrets {
		env = append(env, name+"="+value)
	}
	if a.env["AWS_ROLE_ARN"] != "" || a.secrets["AWS_ROLE_ARN"] != "" {
		token, err := s.world.Mint(sandbox.TokenRequest{Org: a.org, App: app, Machine: machineName, Audience: "sts.amazonaws.com"})
		if err != nil {
			return result{code: 1, stderr: err.Error() + "\n"}
		}
		file := filepath.Join(s.dir, "oidc_token")
		if err := os.WriteFile(file, []byte(token), 0o600); err != nil {
			return result{code: 1, stderr: err.Error() + "\n"}
		}
		env = append(env, "AWS_WEB_IDENTITY_TOKEN_FILE="+file)
	}
	// The command has the process's environment already; the sandbox has no /proc of it.
	command = slices.DeleteFunc(slices.Clone(command), func(arg string) bool { return arg == "--app-environment" })
	program, err := binary()
	if err != nil {
		return result{code: 1, stderr: err.Error() + "\n"}
	}
	c := exec.CommandContext(s.t.Context(), program, command[1:]...)
	c.Dir, c.Env = s.dir, env
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	var exit *exec.ExitError
	if err := c.Run(); err != nil && !errors.As(err, &exit) {
		return result{code: 1, stderr: err.Error() + "\n"}
	}
	return result{stdout: stdout.String(), stderr: stderr.String(), code: c.ProcessState.ExitCode()}
}

// shell runs a command line at the keyboard, in a folder.
func (s *standIn) shell(dir string, extra []string, line string) (output string, code int) {
	c := exec.CommandContext(s.t.Context(), "sh", "-c", line)
	c.Dir, c.Env = dir, append(slices.Clip(s.env), extra...)
	var out bytes.Buffer
	c.Stdin, c.Stdout, c.Stderr = http.NoBody, &out, &out
	var exit *exec.ExitError
	if err := c.Run(); err != nil && !errors.As(err, &exit) {
		s.t.Fatal(err)
	}
	return out.String(), c.ProcessState.ExitCode()
}
