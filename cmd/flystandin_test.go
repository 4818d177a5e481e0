package cmd_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/fly-aws/fly-aws/flytoml"
	"github.com/fly-aws/fly-aws/internal/sandbox"
)

// A standInFly answers the commands of flyctl that the docs show, in a sandbox: a deploy gives
// the environment of fly.toml to the app's machines, and a command for a machine runs here,
// with the environment and the token of the sandbox's machine. It knows no other command.
type standInFly struct {
	world *sandbox.World
	env   []string // of the machine, without what a deploy gives it
	root  string   // of its files

	mu       sync.Mutex
	deployed map[string]string
	secrets  []string
}

const (
	standInURL     = "FLY_STAND_IN" // where the stand-in listens
	standInProgram = "fly-stand-in" // what testscript.Main calls askStandIn
)

// flyCommandLine is a call of the stand-in: arguments, and the folder it was called in.
type flyCommandLine struct {
	Dir  string
	Args []string
}

// flyResult is its answer.
type flyResult struct {
	Output string
	Exit   int
}

// askStandIn is the program fly: it passes its command line on.
func askStandIn() int {
	dir, err := os.Getwd()
	if err == nil {
		var result flyResult
		if result, err = postFly(os.Getenv(standInURL), flyCommandLine{dir, os.Args[1:]}); err == nil {
			fmt.Print(result.Output)
			return result.Exit
		}
	}
	fmt.Fprintln(os.Stderr, "fly:", err)
	return 1
}

func postFly(url string, line flyCommandLine) (result flyResult, err error) {
	body, err := json.Marshal(line)
	if err != nil {
		return result, err
	}
	request, err := http.NewRequestWithContext(context.Background(), http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return result, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return result, err
	}
	defer response.Body.Close()
	err = json.NewDecoder(response.Body).Decode(&result)
	return result, err
}

// newStandInFly starts a stand-in for the machine acme:web:cold-shape-2007, and puts a program
// called fly into a folder. The result is the environment that the program needs.
func newStandInFly(t *testing.T, world *sandbox.World, serverEnv []string, bin string) []string {
	t.Helper()
	f := &standInFly{world: world, root: t.TempDir(), deployed: map[string]string{}}
	for _, assignment := range serverEnv {
		name, value, _ := strings.Cut(assignment, "=")
		if value != "" && !slices.Contains([]string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_DEFAULT_REGION", "FLY_API_TOKEN"}, name) {
			f.env = append(f.env, assignment)
		}
	}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	if err := os.WriteFile(filepath.Join(bin, "fly"), []byte("#!/bin/sh\nexec "+standInProgram+" \"$@\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return []string{standInURL + "=" + server.URL}
}

func (f *standInFly) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var line flyCommandLine
	result := flyResult{Exit: 1}
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = json.Unmarshal(body, &line)
	}
	if err == nil {
		result.Output, result.Exit, err = f.run(r.Context(), line)
	}
	if err != nil {
		result = flyResult{Output: "fly: " + err.Error() + "\n", Exit: 1}
	}
	_ = json.NewEncoder(w).Encode(result)
}

func (f *standInFly) run(ctx context.Context, line flyCommandLine) (output string, exit int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	args := line.Args
	begins := func(words ...string) bool { return len(args) >= len(words) && slices.Equal(args[:len(words)], words) }
	switch {
	case begins("deploy"):
		return f.deploy(line.Dir, args[1:])
	case begins("ssh", "console", "-C") && len(args) == 4:
		return f.console(ctx, args[3])
	case begins("ssh", "sftp", "put") && len(args) == 7 && args[5] == "--mode":
		program, err := os.ReadFile(filepath.Join(line.Dir, args[3]))
		if err != nil {
			return "", 1, err
		}
		return "", 0, os.WriteFile(filepath.Join(f.root, args[4]), program, 0o755)
	case begins("secrets", "unset"):
		names := slices.DeleteFunc(slices.Clone(args[2:]), func(a string) bool { return strings.HasPrefix(a, "-") })
		f.secrets = slices.DeleteFunc(f.secrets, func(name string) bool { return slices.Contains(names, name) })
		f.world.SetSecrets("web", f.secrets...)
		return "", 0, nil
	case begins("logs"):
		return "app[9080e6f3a12345] fra [info]AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity\n", 0, nil
	case begins("storage", "create"):
		f.secrets = []string{"AWS_ACCESS_KEY_ID", "AWS_ENDPOINT_URL_S3", "AWS_REGION", "AWS_SECRET_ACCESS_KEY", "BUCKET_NAME"}
		f.world.SetSecrets("web", f.secrets...)
		return "", 0, nil
	}
	return "", 1, fmt.Errorf("the stand-in for flyctl does not know the command %q", args)
}

// deploy gives the environment of the fly.toml in a folder, and that of --env, to the
// machines.
func (f *standInFly) deploy(dir string, args []string) (output string, exit int, err error) {
	text, err := os.ReadFile(filepath.Join(dir, "fly.toml"))
	if err != nil {
		return "", 1, err
	}
	config, err := flytoml.Parse(text)
	if err != nil {
		return "", 1, err
	}
	env := map[string]string{}
	for _, name := range []string{"AWS_ROLE_ARN", "AWS_REGION"} {
		if value, ok := config.Env(name); ok {
			env[name] = value
		}
	}
	for len(args) > 1 && args[0] == "--env" {
		name, value, _ := strings.Cut(args[1], "=")
		env[name] = value
		args = args[2:]
	}
	if len(args) > 0 {
		return "", 1, fmt.Errorf("the stand-in for fly deploy does not know %q", args)
	}
	f.deployed = env
	for name, value := range env {
		f.world.SetEnv(config.App(), name, value)
	}
	return config.App() + " was deployed\n", 0, nil
}

// console runs a command as a shell in the machine does, where Fly's init has set the
// variables for its token.
func (f *standInFly) console(ctx context.Context, command string) (output string, exit int, err error) {
	token, err := f.world.Mint(sandbox.TokenRequest{Org: "acme", App: "web", Machine: "cold-shape-2007", Audience: "sts.amazonaws.com"})
	if err != nil {
		return "", 1, err
	}
	file := filepath.Join(f.root, "oidc_token")
	if err := os.WriteFile(file, []byte(token), 0o600); err != nil {
		return "", 1, err
	}
	if program, rest, _ := strings.Cut(command, " "); filepath.IsAbs(program) {
		command = filepath.Join(f.root, program) + " " + rest
	}
	c := exec.CommandContext(ctx, "sh", "-c", command)
	c.Dir = f.root
	c.Env = append(slices.Clone(f.env), "PATH="+os.Getenv("PATH"), "LANG=C.UTF-8", "NO_COLOR=1", "FLY_APP_NAME=web", "FLY_MACHINE_ID=9080e6f3a12345")
	for name, value := range f.deployed {
		c.Env = append(c.Env, name+"="+value)
	}
	for _, name := range f.secrets {
		c.Env = append(c.Env, name+"=auto") // which is what Tigris's AWS_REGION is
	}
	if f.deployed["AWS_ROLE_ARN"] != "" {
		c.Env = append(c.Env, "AWS_WEB_IDENTITY_TOKEN_FILE="+file)
	}
	out, err := c.CombinedOutput()
	if failed := (*exec.ExitError)(nil); errors.As(err, &failed) {
		return string(out), failed.ExitCode(), nil
	}
	return string(out), 0, err
}
