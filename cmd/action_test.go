package cmd_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/fly-aws/fly-aws/internal/text"
)

// An action is what action.yml says.
type action struct {
	Inputs  map[string]struct{ Default string }
	Outputs map[string]struct{ Value string }
	Runs    struct {
		Steps []struct {
			ID, Shell, Run string
			Env            map[string]string
		}
	}
}

func readAction(t *testing.T) action {
	t.Helper()
	data, err := os.ReadFile("../action.yml")
	if err != nil {
		t.Fatal(err)
	}
	var a action
	if err := yaml.Unmarshal(data, &a); err != nil {
		t.Fatal(err)
	}
	return a
}

// A runner runs the steps of action.yml as GitHub's runner does, with releases from a server
// on loopback and the AWS account and Fly organization of its program.
type runner struct {
	*program
	action   action
	inputs   map[string]string // of every run
	release  map[string][]byte // the files of release 1.2.3
	os, arch string
	tools    string // the folder of the programs that steps find
	summary  string // after a run
}

// newRunner has the tools of every runner and those named. What gh and cosign are called with
// is in the file called.
func newRunner(t *testing.T, more ...string) *runner {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("curl on Windows takes certificates only from the system")
	}
	r := &runner{program: newProgram(t, nil), action: readAction(t), os: "Linux", arch: "X64", tools: t.TempDir()}
	for _, name := range append([]string{"awk", "bash", "cat", "curl", "grep", "gzip", "mkdir", "mktemp", "od", "rm", "sed", "tail", "tar", "tr"}, more...) {
		path, err := exec.LookPath(name)
		if err != nil {
			t.Skipf("%s is missing, which GitHub's runners have", name)
		}
		if err := os.Symlink(path, filepath.Join(r.tools, name)); err != nil {
			t.Fatal(err)
		}
	}
	self, err := exec.LookPath("fly-aws")
	if err != nil {
		t.Fatal(err)
	}
	program := "#!/bin/sh\nexec " + text.ShellWord(self) + " \"$@\"\n"
	r.release = map[string][]byte{
		"fly-aws_1.2.3_linux_amd64.tar.gz":  tarball(t, "fly-aws", program),
		"fly-aws_1.2.3_darwin_arm64.tar.gz": tarball(t, "fly-aws", program),
		"fly-aws_1.2.3_windows_amd64.zip":   zipped(t, "fly-aws.exe", program),
		"checksums.txt.sigstore.json":       []byte("{}"),
	}
	var sums strings.Builder
	for name, data := range r.release {
		fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256(data), name)
	}
	r.release["checksums.txt"] = []byte(sums.String())
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		data, ok := r.release[strings.TrimPrefix(req.URL.Path, "/v1.2.3/")]
		if !ok {
			http.NotFound(w, req)
			return
		}
		_, _ = w.Write(data)
	}))
	t.Cleanup(server.Close)
	r.inputs = map[string]string{"version": "1.2.3", "mirror": server.URL, "provenance": "skip"}
	authority := filepath.Join(r.tools, "authority.pem")
	if err := os.WriteFile(authority, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	r.env = append(r.env, "CURL_CA_BUNDLE="+authority, "CI=true", "GITHUB_ACTIONS=true")
	r.file(t, "fly-aws.toml", ciFile)
	return r
}

// has puts a program into the tools that exits with a code and notes its arguments.
func (r *runner) has(t *testing.T, name string, exit int) {
	t.Helper()
	script := fmt.Sprintf("#!/bin/sh\necho \"%s ${GH_TOKEN:+with-a-token} $*\" >>%s\nexit %d\n", name, filepath.Join(r.dir, "called"), exit)
	if err := os.WriteFile(filepath.Join(r.tools, name), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
}

// use runs the action and returns its outputs, its log, and the exit code of the step that
// failed, or 0.
func (r *runner) use(t *testing.T, inputs map[string]string) (outputs map[string]string, log string, exit int) {
	t.Helper()
	temp := t.TempDir()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	expression := regexp.MustCompile(`\$\{\{ ([a-z.-]+) \}\}`)
	value := func(name string) string {
		input, ok := strings.CutPrefix(name, "inputs.")
		declared, known := r.action.Inputs[input]
		switch {
		case name == "github.token":
			return "token"
		case !ok || !known:
			t.Fatalf("action.yml has the expression %s", name)
		}
		for _, given := range []map[string]string{inputs, r.inputs} {
			if v, ok := given[input]; ok {
				return v
			}
		}
		return declared.Default
	}
	for name := range inputs {
		if _, ok := r.action.Inputs[name]; !ok {
			t.Fatalf("action.yml has no input %s", name)
		}
	}

	file := func(name string) string { return filepath.Join(temp, name) }
	read := func(name string) string {
		data, err := os.ReadFile(file(name))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		return string(data)
	}
	outputs = map[string]string{}
	var out bytes.Buffer
	for i, step := range r.action.Runs.Steps {
		if strings.Contains(step.Run, "${{") || step.Shell != "bash" {
			t.Fatalf("step %d of action.yml is %s: %s", i, step.Shell, step.Run)
		}
		if err := os.WriteFile(file("step.sh"), []byte(step.Run), 0o600); err != nil {
			t.Fatal(err)
		}
		path := append(strings.Fields(read("path")), r.tools)
		c := exec.CommandContext(t.Context(), filepath.Join(r.tools, "bash"), "--noprofile", "--norc", "-e", "-o", "pipefail", file("step.sh"))
		c.Dir, c.Stdout, c.Stderr = r.dir, &out, &out
		c.Env = append(slices.Clone(r.env), "PATH="+strings.Join(path, ":"), "GITHUB_ACTION_PATH="+root, "GITHUB_WORKSPACE="+r.dir, "RUNNER_TEMP="+temp,
			"RUNNER_OS="+r.os, "RUNNER_ARCH="+r.arch, "GITHUB_PATH="+file("path"), "GITHUB_OUTPUT="+file("output"), "GITHUB_STEP_SUMMARY="+file("summary"))
		for name, v := range step.Env {
			c.Env = append(c.Env, name+"="+expression.ReplaceAllStringFunc(v, func(e string) string { return value(expression.FindStringSubmatch(e)[1]) }))
		}
		err := c.Run()
		if failed := (*exec.ExitError)(nil); err != nil && !errors.As(err, &failed) {
			t.Fatal(err)
		}
		if exit = c.ProcessState.ExitCode(); exit != 0 {
			break
		}
	}
	for line := range strings.Lines(read("output")) {
		name, v, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		if want := "${{ steps.run.outputs." + name + " }}"; r.action.Outputs[name].Value != want {
			t.Errorf("the output %s is not in action.yml", name)
		}
		outputs[name] = v
	}
	r.summary = read("summary")
	return outputs, out.String(), exit
}

func tarball(t *testing.T, name, content string) []byte {
	t.Helper()
	var out bytes.Buffer
	packed := gzip.NewWriter(&out)
	archive := tar.NewWriter(packed)
	err := archive.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(content))})
	if _, e := archive.Write([]byte(content)); e != nil {
		err = e
	}
	if err := errors.Join(err, archive.Close(), packed.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func zipped(t *testing.T, name, content string) []byte {
	t.Helper()
	var out bytes.Buffer
	archive := zip.NewWriter(&out)
	w, err := archive.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.Write([]byte(content))
	if err := errors.Join(err, archive.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestActionPlansAndApplies(t *testing.T) {
	t.Parallel()
	skipPrograms(t)
	r := newRunner(t, checksummer())
	writes := func() (n int) {
		for _, count := range succeeded(r.world) {
			n += count
		}
		return n
	}

	planned, log, exit := r.use(t, nil)
	digest := planned["digest"]
	if exit != 0 || planned["changes"] != "true" || planned["exit-code"] != "3" || !regexp.MustCompile(`^sha256:[0-9a-f]{64}$`).MatchString(digest) {
		t.Fatalf("plan exits %d with %v:\n%s", exit, planned, log)
	}
	if !strings.HasPrefix(r.summary, "### fly-aws: Plan: ") || !strings.Contains(r.summary, "\n+  role fly-acme-web\n") ||
		!strings.HasSuffix(r.summary, "\n```\n\nDigest "+digest+"\n") {
		t.Errorf("the summary is\n%s", r.summary)
	}
	token := regexp.MustCompile(`::stop-commands::([0-9a-f]{32})\n`).FindStringSubmatch(log)
	if len(token) == 0 || !strings.HasPrefix(log, token[0]) || !strings.HasSuffix(log, "\n::"+token[1]+"::\n") {
		t.Errorf("the runner would look for commands in the plan:\n%s", log)
	}
	if out, _, exit := r.use(t, map[string]string{"fail-on-changes": "true"}); exit != 3 || out["changes"] != "true" {
		t.Errorf("with fail-on-changes, plan exits %d with %v", exit, out)
	}

	// A digest of another plan is refused, saved or not.
	other := "sha256:" + strings.Repeat("0", 64)
	for _, inputs := range []map[string]string{
		{"command": "apply", "plan": planned["plan-file"], "digest": other},
		{"command": "apply", "digest": other},
	} {
		if _, log, exit := r.use(t, inputs); exit != 1 || !strings.Contains(log, "this is not the plan of --digest") {
			t.Errorf("%v exits %d:\n%s", inputs, exit, log)
		}
	}
	if n := writes(); n != 0 {
		t.Fatalf("%d writes before anything was applied", n)
	}

	out, log, exit := r.use(t, map[string]string{"command": "apply", "plan": planned["plan-file"], "digest": digest})
	if exit != 0 || out["exit-code"] != "0" || writes() == 0 {
		t.Fatalf("apply exits %d with %v:\n%s", exit, out, log)
	}
	if !strings.HasPrefix(r.summary, "### fly-aws apply\n\n```\n") || !strings.Contains(r.summary, "✓ checked: role fly-acme-web allows") {
		t.Errorf("the summary of apply is\n%s", r.summary)
	}
	out, log, exit = r.use(t, map[string]string{"fail-on-changes": "true", "plan": "saved.json"})
	if exit != 0 || out["changes"] != "false" || out["digest"] != "" || out["plan-file"] != r.dir+"/./saved.json" || !strings.Contains(r.read(t, "saved.json"), "fly-aws.plan") {
		t.Errorf("a plan without changes exits %d with %v:\n%s", exit, out, log)
	}

	// A plan that the account has moved away from is refused.
	r.file(t, "fly-aws.toml", strings.Replace(ciFile, `"uploads"`, `"other"`, 1))
	stale, _, _ := r.use(t, nil)
	r.file(t, "fly-aws.toml", strings.Replace(ciFile, `"uploads"`, `"third"`, 1))
	if _, log, exit := r.use(t, map[string]string{"command": "apply"}); exit != 0 {
		t.Fatalf("apply of the request file exits %d:\n%s", exit, log)
	}
	before := writes()
	if _, log, exit := r.use(t, map[string]string{"command": "apply", "plan": stale["plan-file"], "digest": stale["digest"]}); exit != 1 || writes() != before {
		t.Errorf("a stale plan exits %d, with %d writes:\n%s", exit, writes()-before, log)
	}
}

func TestActionAudits(t *testing.T) {
	t.Parallel()
	skipPrograms(t)
	r := newRunner(t, checksummer())
	r.file(t, "fly-aws.toml", ciFile+"\n[apps.api]\npolicies = [\"AdministratorAccess\"]\n")
	r.world.AddApp("acme", "api")
	if err := os.Mkdir(filepath.Join(r.dir, "sub"), 0o700); err != nil {
		t.Fatal(err)
	}
	r.file(t, "sub/prod.toml", r.read(t, "fly-aws.toml"))
	r.file(t, "sub/fly.toml", flyTOML)
	planned, log, exit := r.use(t, map[string]string{"args": "--app=web", "working-directory": "sub", "file": "prod.toml", "plan": "saved.json"})
	if exit != 0 {
		t.Fatalf("plan exits %d:\n%s", exit, log)
	}
	if _, log, exit := r.use(t, map[string]string{"command": "apply", "working-directory": "sub", "plan": planned["plan-file"]}); exit != 0 {
		t.Fatalf("apply of %s exits %d:\n%s", planned["plan-file"], exit, log)
	}
	if out, log, exit := r.use(t, map[string]string{"command": "audit", "args": "--fail-on=error\n"}); exit != 0 || out["exit-code"] != "0" {
		t.Errorf("an audit without errors exits %d with %v:\n%s", exit, out, log)
	}
	if _, log, exit := r.use(t, map[string]string{"command": "apply"}); exit != 0 {
		t.Fatalf("apply exits %d:\n%s", exit, log)
	}
	out, log, exit := r.use(t, map[string]string{"command": "audit", "args": "--fail-on=error\n"})
	if exit != 3 || out["exit-code"] != "3" || !strings.Contains(r.summary, "### fly-aws audit\n\n```\n") || !strings.Contains(r.summary, "administrator access") {
		t.Errorf("an audit with an administrator exits %d with %v:\n%s\n%s", exit, out, log, r.summary)
	}
}

// What cannot be verified does not run, and does not reach the PATH of later steps.
func TestActionVerifiesItsDownload(t *testing.T) {
	t.Parallel()
	skipPrograms(t)
	const linux = "fly-aws_1.2.3_linux_amd64.tar.gz"
	identity := "https://github.com/fly-aws/fly-aws/.github/workflows/release.yml@refs/tags/v1.2.3"
	for _, tt := range []struct {
		name   string
		change func(*testing.T, *runner)
		inputs map[string]string
		want   string // in the log; "" if it runs
		called string // gh or cosign, with a part of the arguments
	}{
		{name: "as it is"},
		{name: "with a v", inputs: map[string]string{"version": "v1.2.3"}},
		{
			name: "another archive", want: linux + " is not what checksums.txt says",
			change: func(t *testing.T, r *runner) { r.release[linux] = tarball(t, "fly-aws", "#!/bin/sh\ntouch pwned\n") },
		},
		{
			name: "no checksum", want: "checksums.txt does not have one checksum of " + linux,
			change: func(_ *testing.T, r *runner) {
				r.release["checksums.txt"] = bytes.ReplaceAll(r.release["checksums.txt"], []byte(linux), []byte("x"+linux))
			},
		},
		{
			name: "two checksums", want: "checksums.txt does not have one checksum of " + linux,
			change: func(_ *testing.T, r *runner) {
				r.release["checksums.txt"] = append(r.release["checksums.txt"], strings.Repeat("0", 64)+"  "+linux+"\n"...)
			},
		},
		{
			name: "no archive", want: linux + " of the release 1.2.3 cannot be downloaded",
			change: func(_ *testing.T, r *runner) { delete(r.release, linux) },
		},
		{name: "another system", want: "there is no release for Plan9", change: func(_ *testing.T, r *runner) { r.os = "Plan9" }},
		{name: "another processor", want: "there is no release for X86", change: func(_ *testing.T, r *runner) { r.arch = "X86" }},
		{name: "no https", inputs: map[string]string{"mirror": "http://127.0.0.1:1"}, want: "cannot be downloaded"},
		{name: "no version", inputs: map[string]string{"version": "latest"}, want: "version: latest is neither a release such as 1.2.3 nor source"},
		{name: "misspelled", inputs: map[string]string{"provenance": "skipped"}, want: "is neither require nor skip"},
		{name: "nothing verifies", inputs: map[string]string{"provenance": "require"}, want: "neither gh nor cosign is there"},
		{
			name: "gh", inputs: map[string]string{"provenance": "require"},
			change: func(t *testing.T, r *runner) { r.has(t, "gh", 0) },
			called: linux + " --repo fly-aws/fly-aws --cert-identity " + identity + " --deny-self-hosted-runners",
		},
		{
			name: "gh refuses", inputs: map[string]string{"provenance": "require"},
			change: func(t *testing.T, r *runner) { r.has(t, "gh", 1) },
			called: "gh with-a-token attestation verify ", want: linux + " has no attestation of the release workflow",
		},
		{
			name: "cosign", inputs: map[string]string{"provenance": "require"},
			change: func(t *testing.T, r *runner) { r.has(t, "gh", 1); r.has(t, "cosign", 0) },
			called: "checksums.txt.sigstore.json --certificate-identity " + identity + " --certificate-oidc-issuer https://token.actions.githubusercontent.com ",
		},
		{
			name: "cosign refuses", inputs: map[string]string{"provenance": "require"},
			change: func(t *testing.T, r *runner) { r.has(t, "gh", 0); r.has(t, "cosign", 1) },
			called: "cosign with-a-token verify-blob ", want: "the signature of checksums.txt is not that of the release workflow",
		},
		{
			name: "no signature", inputs: map[string]string{"provenance": "require"},
			change: func(t *testing.T, r *runner) { r.has(t, "cosign", 0); delete(r.release, "checksums.txt.sigstore.json") },
			want:   "checksums.txt.sigstore.json of the release 1.2.3 cannot be downloaded",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRunner(t, checksummer())
			if tt.change != nil {
				tt.change(t, r)
			}
			out, log, exit := r.use(t, tt.inputs)
			if tt.want == "" {
				if exit != 0 || out["changes"] != "true" {
					t.Errorf("it exits %d with %v:\n%s", exit, out, log)
				}
			} else if exit != 1 || !strings.Contains(log, "fly-aws action: ") || !strings.Contains(log, tt.want) || len(out) > 0 {
				t.Errorf("it exits %d with %v, and lacks %q:\n%s", exit, out, tt.want, log)
			}
			if tt.called != "" && !strings.Contains(r.read(t, "called"), tt.called) {
				t.Errorf("it did not call %q:\n%s", tt.called, r.read(t, "called"))
			}
			r.unharmed(t)
		})
	}
}

// unharmed fails if something made a file called pwned.
func (r *runner) unharmed(t *testing.T) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(r.dir, "pwned")); err == nil {
		t.Fatal("an input was run")
	}
}

// On each system the action takes that system's archive, with the tools that it has.
func TestActionOnOtherSystems(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		os, arch string
		tools    []string
		steps    int // the program for Windows does not run here
	}{
		{"macOS", "ARM64", []string{"shasum", "perl"}, 2},
		{"Windows", "X64", []string{checksummer(), "unzip"}, 1},
	} {
		t.Run(tt.os, func(t *testing.T) {
			t.Parallel()
			r := newRunner(t, tt.tools...)
			r.os, r.arch, r.action.Runs.Steps = tt.os, tt.arch, r.action.Runs.Steps[:tt.steps]
			if _, log, exit := r.use(t, nil); exit != 0 {
				t.Errorf("it exits %d:\n%s", exit, log)
			}
		})
	}
}

// checksummer is the program for SHA-256 that this computer has.
func checksummer() string {
	if _, err := exec.LookPath("sha256sum"); err != nil {
		return "shasum"
	}
	return "sha256sum"
}

// An input is a value, whatever is in it: no part of a script, of another input or of an
// output.
func TestActionTakesHostileInputs(t *testing.T) {
	t.Parallel()
	skipPrograms(t)
	r := newRunner(t, checksummer(), "touch")
	const command = "$(touch pwned)`touch pwned`; touch pwned;"
	for name := range r.action.Inputs {
		for _, hostile := range []string{command, "\"" + command, "'" + command, "x\nchanges=pwned\n" + command} {
			out, log, exit := r.use(t, map[string]string{name: hostile})
			isPath := name == "plan" && !strings.Contains(hostile, "\n") // of a new file
			if exit == 0 && !isPath || out["changes"] == "pwned" {
				t.Errorf("plan with %s %q exits %d with %v:\n%s", name, hostile, exit, out, log)
			}
			r.unharmed(t)
		}
	}
	for _, inputs := range []map[string]string{
		{"command": "apply", "digest": command},
		{"command": "apply", "plan": "gone" + command},
		{"command": "apply", "plan": "--yes"},
		{"command": "audit", "args": command},
	} {
		if _, log, exit := r.use(t, inputs); exit == 0 {
			t.Errorf("%v is accepted:\n%s", inputs, log)
		}
		r.unharmed(t)
	}
	if n := succeeded(r.world); len(n) > 0 {
		t.Errorf("it wrote %v", n)
	}
}

// What only one command takes is refused for the others instead of being ignored.
func TestActionRefusesInputsOfOtherCommands(t *testing.T) {
	t.Parallel()
	skipPrograms(t)
	r := newRunner(t, checksummer())
	for _, inputs := range []map[string]string{
		{"command": "plan", "digest": "sha256:0"},
		{"command": "audit", "plan": "plan.json"},
		{"command": "apply", "fail-on-changes": "true"},
		{"fail-on-changes": "yes"},
		{"command": "destroy"},
	} {
		if _, log, exit := r.use(t, inputs); exit != 2 || !strings.Contains(log, "fly-aws action: ") {
			t.Errorf("%v exits %d:\n%s", inputs, exit, log)
		}
	}
}

// Without a release, the action builds its own source.
func TestActionFromSource(t *testing.T) {
	t.Parallel()
	skipPrograms(t)
	r := newRunner(t, "go")
	if out, log, exit := r.use(t, map[string]string{"version": "source"}); exit != 0 || out["changes"] != "true" {
		t.Errorf("it exits %d with %v:\n%s", exit, out, log)
	}
}

// An action that is pinned by the commit of a release takes that release, and files have the
// names that goreleaser.yaml gives them.
func TestActionFitsTheRelease(t *testing.T) {
	t.Parallel()
	changelog, err := os.ReadFile("../CHANGELOG.md")
	if err != nil {
		t.Fatal(err)
	}
	want := "source"
	if m := regexp.MustCompile(`(?m)^## \[(\d+\.\d+\.\d+)\]`).FindSubmatch(changelog); m != nil {
		want = string(m[1])
	}
	if got := readAction(t).Inputs["version"].Default; got != want {
		t.Errorf("version in action.yml is by default %s, and the newest release in CHANGELOG.md is %s", got, want)
	}
	config, err := os.ReadFile("../goreleaser.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{
		`name_template: "{{ .ProjectName }}_{{ .Version }}_{{ .Os }}_{{ .Arch }}"`, "name_template: checksums.txt\n",
		`signature: "${artifact}.sigstore.json"`, "formats: [tar.gz]", "- goos: windows\n        formats: [zip]",
	} {
		if !bytes.Contains(config, []byte(part)) {
			t.Errorf("goreleaser.yaml lacks %q, which .github/action/install needs", part)
		}
	}
}
