package conformance

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A sandboxPage is a folder to run the examples of docs/sandbox.md in.
type sandboxPage struct {
	*world
	blocks map[string]string
}

// newSandboxPage writes an example's file, if it has one, into a folder.
func newSandboxPage(t *testing.T, dir, example, file string) sandboxPage {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	p := sandboxPage{&world{t: t, dir: dir}, pageBlocks(t, "sandbox.md")}
	p.env = append(environ(p.dir), "PATH="+filepath.Dir(path)+string(os.PathListSeparator)+os.Getenv("PATH"),
		"TF_CLI_CONFIG_FILE=", "CHECKPOINT_DISABLE=1")
	if file != "" {
		p.write(file, p.blocks[example])
	}
	return p
}

// run runs a command line and wants it to succeed.
func (p sandboxPage) run(line string) string {
	p.t.Helper()
	if line == "" {
		p.t.Fatal("docs/sandbox.md lacks the example")
	}
	r := p.exec(p.env, "sh", "-c", line)
	if r.code != 0 {
		p.t.Fatalf("exit code %d: %s", r.code, r)
	}
	return r.stdout
}

func TestSandboxPageGo(t *testing.T) {
	t.Parallel()
	need(t, "sh")
	p := newSandboxPage(t, t.TempDir(), "go", "role_test.go")
	file := filepath.Join(p.dir, "role_test.go")
	p.dir = filepath.Join("..", "..") // whose module has the SDK
	if out := p.run("fly-aws sandbox -- go test -count=1 -v " + file); !strings.Contains(out, "--- PASS: TestTrustPolicy") {
		t.Error(out)
	}
}

func TestSandboxPagePython(t *testing.T) {
	t.Parallel()
	need(t, "sh", "python3")
	if err := exec.CommandContext(t.Context(), "python3", "-c", "import boto3").Run(); err != nil {
		t.Skip("python3 has no boto3")
	}
	p := newSandboxPage(t, t.TempDir(), "python", "role_test.py")
	p.run(p.blocks["python-run"])
}

func TestSandboxPageNode(t *testing.T) {
	t.Parallel()
	need(t, "sh")
	p := newSandboxPage(t, nodeClients(t), "node", "role.test.mjs")
	p.run(p.blocks["node-run"])
}

func TestSandboxPageTerraform(t *testing.T) {
	t.Parallel()
	plugins := terraformPlugins(t)
	p := newSandboxPage(t, t.TempDir(), "terraform", "main.tf")
	p.run("terraform init -input=false -plugin-dir=" + plugins)
	p.run(p.blocks["terraform-run"])
}

// The faults of the page do what it says: the last line is a call that is denied.
func TestSandboxPageFaults(t *testing.T) {
	t.Parallel()
	need(t, "sh")
	p := newSandboxPage(t, t.TempDir(), "", "")
	for line := range strings.Lines(p.blocks["faults"]) {
		p.run(line)
	}
}

// The socket gives a token to curl, as Fly's does; calls of other services are refused.
func TestSandboxPageClients(t *testing.T) {
	t.Parallel()
	need(t, "sh", "curl", "aws")
	p := newSandboxPage(t, t.TempDir(), "", "")
	p.write("token.sh", p.blocks["curl"])
	p.run(`fly-aws sandbox -- sh -c 'sh token.sh > token && fly-aws token verify token'`)
	for _, call := range []string{"s3api list-buckets", "dynamodb list-tables", "iam list-users"} {
		if r := p.exec(p.env, "sh", "-c", "fly-aws sandbox -- aws "+call); r.code == 0 || !strings.Contains(r.stderr, "InvalidAction") {
			t.Error(r)
		}
	}
}

// The examples of docs/json.md, in order, where a request file is.
func TestJSONPage(t *testing.T) {
	t.Parallel()
	need(t, "sh")
	if _, err := exec.LookPath("jq"); err != nil {
		t.Skip("jq is missing")
	}
	p := newSandboxPage(t, t.TempDir(), "", "")
	p.write("fly.toml", "app = \"web\"\n")
	p.write("fly-aws.toml", "version = 1\nname = \"web\"\norg = \"acme\"\naccount = \"123456789012\"\n\n[apps.web]\nconfig = \"fly.toml\"\npolicies = [\"ReadOnlyAccess\"]\n")
	p.write("examples.sh", pageBlocks(t, "json.md")["jq"])
	got := p.run("fly-aws sandbox -- sh examples.sh")
	if !strings.HasPrefix(got, "create\ncreate\ncreate\ncreate\ndone\nbroken\n") { // no machine was deployed since
		t.Errorf("they print\n%s", got)
	}
}
