package conformance

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
)

const account = "123456789012"

// A world is a folder with a fly.toml, and an AWS account behind an endpoint.
type world struct {
	t   *testing.T
	dir string
	org string
	// env is the complete environment of the programs.
	env []string
	// endpoint is the account itself, for the AWS CLI and iam; the program uses a
	// proxy that records its calls.
	endpoint string
	calls    *recorder
	iam      *iam.Client
}

// worlds runs a test in moto's account and in a sandbox. Each test has its own
// organization, because all tests share moto's account.
func worlds(t *testing.T, org string, test func(t *testing.T, w *world)) {
	t.Helper()
	t.Parallel()
	t.Run("moto", func(t *testing.T) {
		t.Parallel()
		need(t, "moto_server", "aws", "git", "sh")
		endpoint, err := moto()
		if err != nil {
			t.Fatal(err)
		}
		test(t, newWorld(t, org, endpoint, []string{
			"AWS_ACCESS_KEY_ID=testing", "AWS_SECRET_ACCESS_KEY=testing",
			"AWS_REGION=us-east-1", "AWS_DEFAULT_REGION=us-east-1", // the CLI reads only the latter
		}))
	})
	t.Run("sandbox", func(t *testing.T) {
		t.Parallel()
		need(t, "aws", "git", "sh")
		test(t, sandboxWorld(t, org))
	})
}

// sandboxWorld is a world in a sandbox.
func sandboxWorld(t *testing.T, org string) *world {
	t.Helper()
	env := slices.DeleteFunc(startSandbox(t), func(entry string) bool { return !strings.HasPrefix(entry, "AWS_") })
	return newWorld(t, org, value(env, "AWS_ENDPOINT_URL"), env)
}

// startSandbox starts "fly-aws sandbox" around a command that waits until the test is done,
// and returns the variables for AWS and Fly of the command's environment.
func startSandbox(t *testing.T) []string {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	box := exec.CommandContext(t.Context(), path, "sandbox", "--", "sh", "-c", `env; echo ready; exec cat`)
	box.Env = environ(t.TempDir())
	var stderr bytes.Buffer
	box.Stderr = &stderr
	stdin, err := box.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := box.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := box.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		_, _ = io.Copy(io.Discard, stdout)
		if err := box.Wait(); err != nil && t.Context().Err() == nil {
			t.Errorf("fly-aws sandbox: %v\n%s", err, stderr.String())
		}
	})
	var env []string
	lines := bufio.NewScanner(stdout)
	for lines.Scan() && lines.Text() != "ready" {
		if strings.HasPrefix(lines.Text(), "AWS_") || strings.HasPrefix(lines.Text(), "FLY_") {
			env = append(env, lines.Text())
		}
	}
	if value(env, "AWS_ENDPOINT_URL") == "" {
		t.Fatalf("fly-aws sandbox gives its command no AWS_ENDPOINT_URL, only %q\n%s", env, stderr.String())
	}
	return env
}

// value returns the value of a variable in an environment, "" if it is not there.
func value(env []string, name string) string {
	for _, entry := range env {
		if value, ok := strings.CutPrefix(entry, name+"="); ok {
			return value
		}
	}
	return ""
}

func newWorld(t *testing.T, org, endpoint string, env []string) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), org: org, endpoint: endpoint, calls: record(t, endpoint)}
	w.env = append(environ(w.dir), env...)
	w.iam = iam.NewFromConfig(aws.Config{
		Region: value(env, "AWS_REGION"), BaseEndpoint: &endpoint,
		Credentials: credentials.NewStaticCredentialsProvider(value(env, "AWS_ACCESS_KEY_ID"), value(env, "AWS_SECRET_ACCESS_KEY"), ""),
	})
	w.write("fly.toml", flyToml)
	w.git("init", "--quiet")
	w.git("add", ".")
	return w
}

const flyToml = `# keep this comment
app = "web"
primary_region = 'ams'

[env]
  PORT = "8080" # and this one

[http_service]
  internal_port = 8080
`

// environ is this process's environment without the settings for a real AWS
// account, Fly organization or git configuration.
func environ(dir string) []string {
	env := slices.DeleteFunc(os.Environ(), func(entry string) bool {
		return strings.HasPrefix(entry, "AWS_") || strings.HasPrefix(entry, "FLY_") || strings.HasPrefix(entry, "GIT_")
	})
	return append(env,
		"AWS_CONFIG_FILE="+filepath.Join(dir, "no-config"),
		"AWS_SHARED_CREDENTIALS_FILE="+filepath.Join(dir, "no-credentials"),
		"AWS_EC2_METADATA_DISABLED=true",
		"AWS_PAGER=",
		"GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_NOSYSTEM=1",
		"NO_COLOR=1",
	)
}

// A result is a finished run of a program.
type result struct {
	line           string // the command line
	stdout, stderr string
	code           int
}

func (r result) String() string {
	return r.line + "\nstdout:\n" + r.stdout + "stderr:\n" + r.stderr
}

func (w *world) exec(env []string, name string, args ...string) result {
	w.t.Helper()
	cmd := exec.CommandContext(w.t.Context(), name, args...)
	cmd.Dir, cmd.Env = w.dir, env
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		w.t.Fatal(err)
	}
	return result{
		line:   strings.Join(append([]string{filepath.Base(name)}, args...), " "),
		stdout: stdout.String(), stderr: stderr.String(), code: cmd.ProcessState.ExitCode(),
	}
}

// flyAWS runs the program through the recording proxy and checks its exit code.
func (w *world) flyAWS(code int, args ...string) result {
	w.t.Helper()
	path, err := binary()
	if err != nil {
		w.t.Fatal(err)
	}
	w.calls.reset()
	r := w.exec(append(slices.Clip(w.env), "AWS_ENDPOINT_URL="+w.calls.url), path, args...)
	if r.code != code {
		w.t.Fatalf("exit code %d, want %d: %s", r.code, code, r)
	}
	return r
}

// setup runs "fly-aws <verb>" for the app web with one managed policy.
func (w *world) setup(code int, verb string, more ...string) result {
	w.t.Helper()
	args := []string{verb, "--org", w.org, "--app", "web", "-c", "fly.toml", "--policy", "AmazonS3ReadOnlyAccess"}
	return w.flyAWS(code, append(args, more...)...)
}

// aws runs the AWS CLI and returns its JSON output, nil if empty.
func (w *world) aws(args ...string) map[string]any {
	w.t.Helper()
	r := w.awsCLI(args...)
	if r.code != 0 {
		w.t.Fatalf("exit code %d: %s", r.code, r)
	}
	if strings.TrimSpace(r.stdout) == "" {
		return nil
	}
	var v map[string]any
	if err := json.Unmarshal([]byte(r.stdout), &v); err != nil {
		w.t.Fatalf("%v: %s", err, r)
	}
	return v
}

// awsFails runs the AWS CLI and checks that it reports AWS's error code.
func (w *world) awsFails(code string, args ...string) {
	w.t.Helper()
	if r := w.awsCLI(args...); r.code == 0 || !strings.Contains(r.stderr, "("+code+")") {
		w.t.Errorf("exit code %d, want error %s: %s", r.code, code, r)
	}
}

func (w *world) awsCLI(args ...string) result {
	w.t.Helper()
	return w.exec(append(slices.Clip(w.env), "AWS_ENDPOINT_URL="+w.endpoint), "aws", append([]string{"--output", "json"}, args...)...)
}

func (w *world) git(args ...string) string {
	w.t.Helper()
	r := w.exec(w.env, "git", args...)
	if r.code != 0 {
		w.t.Fatalf("exit code %d: %s", r.code, r)
	}
	return r.stdout
}

func (w *world) write(name, text string) {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(w.dir, name), []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) toml() string {
	w.t.Helper()
	b, err := os.ReadFile(filepath.Join(w.dir, "fly.toml"))
	if err != nil {
		w.t.Fatal(err)
	}
	return string(b)
}

func (w *world) role() string { return "fly-" + w.org + "-web" }

func (w *world) roleARN() string { return "arn:aws:iam::" + account + ":role/" + w.role() }

func (w *world) providerARN() string {
	return "arn:aws:iam::" + account + ":oidc-provider/oidc.fly.io/" + w.org
}

const s3ReadOnly = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"

// A recorder is a proxy in front of an account that records the IAM and STS
// operations.
type recorder struct {
	url string

	mu      sync.Mutex
	actions []string
}

func record(t *testing.T, endpoint string) *recorder {
	t.Helper()
	target, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	r := new(recorder)
	proxy := &httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) {
		p.SetURL(target)
		p.Out.Host = p.In.Host // part of the signature
	}}
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			http.Error(rw, err.Error(), http.StatusBadRequest)
			return
		}
		req.Body = io.NopCloser(bytes.NewReader(body))
		if form, err := url.ParseQuery(string(body)); err == nil {
			r.mu.Lock()
			r.actions = append(r.actions, form.Get("Action"))
			r.mu.Unlock()
		}
		proxy.ServeHTTP(rw, req)
	}))
	t.Cleanup(server.Close)
	r.url = server.URL
	return r
}

func (r *recorder) reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.actions = nil
}

// all returns the operations since the last reset.
func (r *recorder) all() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.actions)
}

// writes returns the operations that change something: everything except Get and
// List.
func (r *recorder) writes(t *testing.T) []string {
	t.Helper()
	actions := r.all()
	if len(actions) == 0 {
		t.Fatal("no call went through the proxy; the program used another endpoint")
	}
	return slices.DeleteFunc(actions, func(action string) bool {
		return strings.HasPrefix(action, "Get") || strings.HasPrefix(action, "List")
	})
}
