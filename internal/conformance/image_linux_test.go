package conformance

import (
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// The files of the image run where there is nothing else: no /tmp, /proc, /dev or /etc, and
// for a user who can write nowhere.
func TestImage(t *testing.T) {
	t.Parallel()
	need(t, "make", "bash", "sh")
	if os.Geteuid() != 0 {
		t.Skip("only root can change the root directory of a program")
	}
	c := newChroot(t)
	machine := []string{"FLY_APP_NAME=web", "FLY_MACHINE_ID=148ed", "AWS_ROLE_ARN=arn:aws:iam::" + account + ":role/fly-acme-web", "NO_COLOR=1"}
	for _, name := range []string{"AWS_ENDPOINT_URL", "AWS_REGION"} {
		machine = append(machine, name+"="+value(c.sandbox, name))
	}
	withFile := append(slices.Clip(machine), "AWS_WEB_IDENTITY_TOKEN_FILE=/.fly/oidc_token", "AWS_ROLE_SESSION_NAME=148ed")
	_, demo, _ := strings.Cut(file(t, "docs/start.md"), "<!-- demo -->\n```text\n")
	demo, _, _ = strings.Cut(demo, "```\n")

	c.run(root, 0, c.sandbox, "setup", "--org", "acme", "--app", "web", "--no-patch", "--yes")
	c.write(".fly/oidc_token", c.run(root, 0, machine, "token", "--raw").stdout)
	before := c.files()
	for _, user := range []uint32{root, nobody} {
		if got := c.run(user, 0, nil, "--version").stdout; !strings.HasPrefix(got, "fly-aws version ") {
			t.Errorf("--version prints %q", got)
		}
		r := c.run(user, 0, nil, "demo")
		if got := regexp.MustCompile(`\([0-9.]+m?s\)`).ReplaceAllString(r.stdout, "(1ms)"); got != demo {
			t.Errorf("the demo is not that of docs/start.md: %s", r)
		}
		c.run(user, 0, nil, "sandbox", "--", c.entrypoint, "token").
			wants(t, "Token of the machine cold-shape-2007 of the app web, organization acme")

		c.mode(".fly/api", 0o777)
		c.run(user, 0, machine, "token").wants(t, "Token of the machine cold-shape-2007 of the app web, organization acme")
		c.run(user, 0, withFile, "doctor").wants(t, "✓ AWS works", "✓ socket")
	}
	// Fly creates the socket for root alone.
	c.mode(".fly/api", 0o755)
	const denied = `this process may not use the socket "/.fly/api", whose owner is root: it runs as user 65534`
	c.run(root, 0, machine, "token").wants(t, "acme:web:cold-shape-2007")
	c.run(nobody, 4, machine, "token").
		wants(t, denied, "→ the socket belongs to root: run it as root")
	c.run(nobody, 0, withFile, "doctor").wants(t, "✓ AWS works", denied)
	c.mode(".fly/oidc_token", 0o400)
	c.run(nobody, 3, withFile, "doctor").
		wants(t, "✗ AWS does not work: the user 65534, who runs this, cannot read /.fly/oidc_token: only root can", denied)

	if after := c.files(); !slices.Equal(after, before) {
		t.Errorf("the files were %q, and are %q", before, after)
	}
}

// Users that have no name in a chroot.
const (
	root   = 0
	nobody = 65534
)

// A chroot is a folder with the files of the image, in which programs run, and a sandbox
// whose machine it is.
type chroot struct {
	t *testing.T
	// dir is the folder, entrypoint the path in it of the image's program.
	dir, entrypoint string
	// sandbox is the environment for calls to the sandbox.
	sandbox []string
}

// newChroot has the image's files made. The machine's socket is where Fly has it.
func newChroot(t *testing.T) *chroot {
	t.Helper()
	_ = file(t, ".ci/image-tree") // as in binary: the go command does not see that make reads it
	image := t.TempDir()
	tree := exec.CommandContext(t.Context(), "make", "image-tree", "PLATFORMS=linux/"+runtime.GOARCH, "IMAGE="+image)
	tree.Dir = filepath.Join("..", "..")
	if out, err := tree.CombinedOutput(); err != nil {
		t.Fatalf("make image-tree: %v\n%s", err, out)
	}
	c := &chroot{t: t, dir: filepath.Join(image, runtime.GOARCH), entrypoint: entrypoint(t), sandbox: startSandbox(t)}
	if got := c.files(); !slices.Equal(got, []string{".", c.entrypoint[1:]}) {
		t.Fatalf("the image has the files %q, not only its program", got)
	}
	if err := os.Mkdir(filepath.Join(c.dir, ".fly"), 0o755); err != nil {
		t.Fatal(err)
	}
	l, err := new(net.ListenConfig).Listen(t.Context(), "unix", filepath.Join(c.dir, ".fly", "api"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go forward(l, value(c.sandbox, "FLY_AWS_SOCKET"))
	return c
}

// forward connects whoever connects to l with a Unix socket, until l is closed.
func forward(l net.Listener, socket string) {
	for {
		client, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer client.Close()
			server, err := net.Dial("unix", socket)
			if err != nil {
				return
			}
			defer server.Close()
			go func() { _, _ = io.Copy(server, client) }()
			_, _ = io.Copy(client, server)
		}()
	}
}

// files lists what is in the folder.
func (c *chroot) files() []string {
	c.t.Helper()
	var files []string
	if err := fs.WalkDir(os.DirFS(c.dir), ".", func(path string, _ fs.DirEntry, err error) error {
		files = append(files, path)
		return err
	}); err != nil {
		c.t.Fatal(err)
	}
	return files
}

func (c *chroot) write(name, text string) {
	c.t.Helper()
	if err := os.WriteFile(filepath.Join(c.dir, name), []byte(text), 0o444); err != nil {
		c.t.Fatal(err)
	}
}

func (c *chroot) mode(name string, mode fs.FileMode) {
	c.t.Helper()
	if err := os.Chmod(filepath.Join(c.dir, name), mode); err != nil {
		c.t.Fatal(err)
	}
}

// run runs the image's program as a user, and checks its exit code.
func (c *chroot) run(user uint32, code int, env []string, args ...string) result {
	c.t.Helper()
	cmd := exec.CommandContext(c.t.Context(), c.entrypoint, args...)
	cmd.Dir = "/"
	cmd.Env = append([]string{}, env...) // nil would be that of this process
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: c.dir, Credential: &syscall.Credential{Uid: user, Gid: user}}
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		c.t.Fatal(err)
	}
	r := result{
		line:   strings.Join(append([]string{c.entrypoint}, args...), " "),
		stdout: stdout.String(), stderr: stderr.String(), code: cmd.ProcessState.ExitCode(),
	}
	if r.code != code {
		c.t.Fatalf("as user %d, exit code %d, want %d: %s", user, r.code, code, r)
	}
	return r
}

// wants checks what a program printed.
func (r result) wants(t *testing.T, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(r.stdout+r.stderr, text) {
			t.Errorf("it does not say %q: %s", text, r)
		}
	}
}
