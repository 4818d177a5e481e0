//go:build unix

package cmd_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/fly-aws/fly-aws/internal/flyoidc"
	"github.com/fly-aws/fly-aws/internal/sandbox"
)

// TestKeepKilled kills token keep again and again, at any moment: a reader always finds
// one whole token that has not expired.
func TestKeepKilled(t *testing.T) {
	t.Parallel()
	skipPrograms(t)
	p := newProgram(t, nil)
	p.world.AddMachine("acme", "web", "cold-shape-2007")
	path := filepath.Join(p.dir, "token")
	if out, exit := p.run(t, "token", "keep", "--audience", "a", "--out", path, "--once"); exit != 0 {
		t.Fatalf("exit %d: %s", exit, out)
	}
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			text, err := os.ReadFile(path)
			if token, broken := flyoidc.Inspect(string(text)); err != nil || len(broken) > 0 || token.Claims.Expiry.Before(time.Now()) {
				t.Errorf("%v %v", err, broken)
				return
			}
			select {
			case <-stop:
				return
			default:
			}
		}
	}()
	const runs = 200
	var took time.Duration // a run that is not killed, every tenth
	killed, written := 0, map[string]bool{}
	for i := range runs {
		c, out := p.command("token", "keep", "--audience", "a", "--out", path, "--once")
		begun := time.Now()
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		timer := time.AfterFunc(took*time.Duration(i%10)/8, func() { _ = c.Process.Kill() })
		if i%10 == 0 {
			timer.Stop()
		}
		err := c.Wait()
		timer.Stop()
		switch {
		case err == nil:
			took = time.Since(begun)
		case c.ProcessState.ExitCode() == -1:
			killed++
		default:
			t.Fatalf("%v: %s", err, out)
		}
		text, _ := os.ReadFile(path) // the reader reports errors
		written[string(text)] = true
	}
	close(stop)
	<-done
	if killed < runs/10 || len(written) < 2 {
		t.Errorf("%d of %d runs were killed, %d tokens written", killed, runs, len(written))
	}
	left, _ := filepath.Glob(filepath.Join(p.dir, ".token*"))
	for _, name := range left {
		old := time.Now().Add(-2 * time.Minute) // what is new may be another process's
		if err := os.Chtimes(name, old, old); err != nil {
			t.Fatal(err)
		}
	}
	if out, exit := p.run(t, "token", "keep", "--audience", "a", "--out", path, "--once"); exit != 0 {
		t.Fatalf("exit %d: %s", exit, out)
	}
	if left, _ := filepath.Glob(filepath.Join(p.dir, ".token*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestKeepForAnotherUser: the file is the user's alone, and so is the command.
func TestKeepForAnotherUser(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root, who can be another user")
	}
	p := newProgram(t, nil)
	p.world.AddMachine("acme", "web", "cold-shape-2007")
	dir, err := os.MkdirTemp("", "keep-") // unlike t.TempDir, with parents that others may enter
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "token")
	script := `echo "$(id -u) $(id -g) $HOME"; head -c 3 ` + path + `; exit 7`
	c, out := p.command("token", "keep", "--audience", "a", "--out", path, "--owner", "65534:65533", "--", "sh", "-c", script)
	c.Dir = dir
	_ = c.Run()
	if got := out.String(); c.ProcessState.ExitCode() != 7 || !strings.Contains(got, "65534 65533 ") || !strings.HasSuffix(got, "\neyJ") || strings.Contains(got, os.Getenv("HOME")+"\n") {
		t.Errorf("exit %d: %s", c.ProcessState.ExitCode(), got)
	}
	// A group alone counts too.
	c, out = p.command("token", "keep", "--audience", "a", "--out", path+"2", "--owner", "0:65533", "--mode", "0440", "--", "sh", "-c", "id -u; id -g")
	if err := c.Run(); err != nil || !strings.HasSuffix(out.String(), "\n0\n65533\n") {
		t.Errorf("%v: %s", err, out)
	}
	for uid, can := range map[uint32]bool{65534: true, 65533: false} {
		c := exec.CommandContext(t.Context(), "cat", path)
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
		text, err := c.Output()
		if (err == nil) != can || can != strings.HasPrefix(string(text), "eyJ") {
			t.Errorf("uid %d: %v", uid, err)
		}
	}
	// A user who is not root can give nothing away.
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(dir, "fly-aws") // where another user may run it
	if err := os.WriteFile(copied, program, 0o755); err != nil {
		t.Fatal(err)
	}
	c, out = p.command("token", "keep", "--audience", "a", "--out", path, "--owner", "65534", "--once")
	c.Path, c.Dir, c.SysProcAttr = copied, dir, &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65533, Gid: 65533}}
	if err := c.Run(); err == nil || !strings.Contains(out.String(), "you are user 65533, and only root can give a file to another user") {
		t.Errorf("%v: %s", err, out)
	}
	// Nor can they replace a file of another user in a shared folder.
	if err := os.Chmod(dir, 0o777|fs.ModeSticky); err != nil {
		t.Fatal(err)
	}
	socket := p.value(t, "FLY_AWS_SOCKET")
	if err := errors.Join(os.Chmod(filepath.Dir(socket), 0o755), os.Chmod(socket, 0o777)); err != nil {
		t.Fatal(err)
	}
	c, out = p.command("token", "keep", "--audience", "a", "--out", path, "--once")
	c.Path, c.Dir, c.SysProcAttr = copied, dir, &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65533, Gid: 65533}}
	if err := c.Run(); err == nil || !strings.Contains(out.String(), path+" cannot be written: operation not permitted\n→ you are user 65533, who may not replace the file of another user there") {
		t.Errorf("%v: %s", err, out)
	}
}

// value is that of a variable of the sandbox.
func (p *program) value(t *testing.T, name string) (value string) {
	t.Helper()
	for _, assignment := range p.env { // the last one counts
		if v, ok := strings.CutPrefix(assignment, name+"="); ok {
			value = v
		}
	}
	if value == "" {
		t.Fatalf("%s is not set", name)
	}
	return value
}

// TestKeepPassesSignalsOn: the command ends as it likes, with fresh tokens until then.
func TestKeepPassesSignalsOn(t *testing.T) {
	t.Parallel()
	p := newProgram(t, nil)
	p.world.AddMachine("acme", "web", "cold-shape-2007")
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGUSR1} {
		if signal.Ignored(s) {
			continue // the tests run under nohup
		}
		name := strings.ToUpper(fmt.Sprint(int(s)))
		c, out := p.command("token", "keep", "--audience", "a", "--out", "token"+name, "--",
			"sh", "-c", `trap 'echo got it; exit 5' `+name+`; echo ready; while :; do sleep 0.05; done`)
		pipe, err := c.StdinPipe() // not a terminal
		if err != nil {
			t.Fatal(err)
		}
		ready := &notify{word: "ready", found: make(chan struct{})}
		c.Stdout = ready
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		<-ready.found
		_ = c.Process.Signal(s)
		_ = c.Wait()
		_ = pipe.Close()
		if c.ProcessState.ExitCode() != 5 || !strings.Contains(ready.String(), "got it") {
			t.Errorf("%s: exit %d: %s%s", s, c.ProcessState.ExitCode(), ready.String(), out)
		}
	}
}

// TestKeepInterrupted: what is said of the files is also true where some have been written.
func TestKeepInterrupted(t *testing.T) {
	t.Parallel()
	p := newProgram(t, nil)
	l, err := net.Listen("unix", filepath.Join(p.dir, "api"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	c, out := p.command("token", "keep", "--audience", "a", "--out", "token", "--socket", "api", "--", "echo", "started")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	request, err := l.Accept() // which has no answer
	if err != nil {
		t.Fatal(err)
	}
	defer request.Close()
	_ = c.Process.Signal(syscall.SIGTERM)
	_ = c.Wait()
	if got := out.String(); c.ProcessState.ExitCode() != 130 || got != "Error: interrupted\n→ a file that was not reported as written is as it was\n" {
		t.Errorf("exit %d: %s", c.ProcessState.ExitCode(), got)
	}
}

// A notify closes found when its word has been written.
type notify struct {
	strings.Builder
	word  string
	found chan struct{}
}

func (n *notify) Write(p []byte) (int, error) {
	before := strings.Contains(n.String(), n.word)
	_, _ = n.Builder.Write(p)
	if !before && strings.Contains(n.String(), n.word) {
		close(n.found)
	}
	return len(p), nil
}

// TestMachineExamples runs the examples of docs/machine.md, with a folder and a user that
// this computer has, and a server that shows the token it finds.
func TestMachineExamples(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/machine.md")
	if err != nil {
		t.Fatal(err)
	}
	p := newProgram(t, nil)
	p.world.AddMachine("acme", "web", "cold-shape-2007")
	block := func(name string) string {
		found := regexp.MustCompile("(?s)<!-- " + name + " -->\n```[a-z]+\n(.*?)```\n<!-- /" + name + " -->").FindSubmatch(page)
		if found == nil {
			t.Fatalf("docs/machine.md has no example %s", name)
		}
		return string(found[1])
	}
	var entrypoint, command []string
	for line := range strings.Lines(block("entrypoint")) {
		instruction, list, _ := strings.Cut(line, " ")
		into := map[string]*[]string{"ENTRYPOINT": &entrypoint, "CMD": &command}[instruction]
		if err := json.Unmarshal([]byte(list), into); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
	}
	examples := []string{strings.Join(append(entrypoint, command...), " "), block("aws"), block("keep")}
	for _, group := range regexp.MustCompile(`(?m)^ {2}\w+ = "(.*)"$`).FindAllStringSubmatch(block("processes"), -1) {
		examples = append(examples, group[1])
	}
	if len(examples) != 5 {
		t.Fatalf("there are %d examples", len(examples))
	}
	for _, name := range []string{"server", "worker"} {
		p.file(t, name, "#!/bin/sh\nshift $#\ncat ${AWS_WEB_IDENTITY_TOKEN_FILE:-run/vault.jwt} | fly-aws token inspect - && exit 5\n")
		if err := os.Chmod(filepath.Join(p.dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(p.dir, "run"), 0o700); err != nil {
		t.Fatal(err)
	}
	here := strings.NewReplacer("/run/", "run/", "--owner app", fmt.Sprintf("--owner %d", os.Getuid()))
	for _, example := range examples {
		c := exec.CommandContext(t.Context(), "sh", "-c", here.Replace(example))
		c.Dir, c.Env = p.dir, p.env
		out, _ := c.CombinedOutput()
		audience := "https://vault.example.com"
		if strings.Contains(example, "aws.jwt") {
			audience = "sts.amazonaws.com"
		}
		if c.ProcessState.ExitCode() != 5 || !regexp.MustCompile(`aud +`+regexp.QuoteMeta(audience)).Match(out) {
			t.Errorf("%s exits %d:\n%s", example, c.ProcessState.ExitCode(), out)
		}
	}
}

// TestKeepThroughAnOutage: while Fly's API is down the last token stays, and it is said how
// long it is good; afterwards there is a new one.
func TestKeepThroughAnOutage(t *testing.T) {
	t.Parallel()
	p := newProgramIn(t, &sandbox.World{TokenLifetime: 4 * time.Second})
	p.world.AddMachine("acme", "web", "cold-shape-2007")
	socket := p.value(t, "FLY_AWS_SOCKET")
	var down atomic.Bool
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.Out.URL.Scheme, r.Out.URL.Host = "http", "machine" },
		Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		}},
	}
	l, err := net.Listen("unix", filepath.Join(p.dir, "api"))
	if err != nil {
		t.Fatal(err)
	}
	flaky := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if down.Load() {
			http.Error(w, `{"error":"upstream connect error"}`, http.StatusServiceUnavailable)
			return
		}
		proxy.ServeHTTP(w, r)
	})}
	go func() { _ = flaky.Serve(l) }()
	t.Cleanup(func() { _ = flaky.Close() })

	c, _ := p.command("token", "keep", "--audience", "a", "--out", "token", "--socket", "api", "--json")
	c.Stdout = nil
	events, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	lines := json.NewDecoder(events)
	next := func() (e struct {
		Event         string
		Expires, Next time.Time
		Error         struct{ Code, Message string }
	},
	) {
		t.Helper()
		if err := lines.Decode(&e); err != nil {
			t.Fatal(err)
		}
		return e
	}
	first := next()
	down.Store(true)
	failed := next()
	if first.Event != "written" || failed.Event != "failed" || !failed.Expires.Equal(first.Expires) || failed.Error.Code != "no-token" || !strings.Contains(failed.Error.Message, "upstream connect error") {
		t.Errorf("%+v, then %+v", first, failed)
	}
	if text, err := os.ReadFile(filepath.Join(p.dir, "token")); err != nil || !strings.HasPrefix(string(text), "eyJ") {
		t.Errorf("the last token is gone: %v", err)
	}
	down.Store(false)
	e := next()
	for e.Event == "failed" { // an attempt may have been under way
		e = next()
	}
	if !e.Expires.After(first.Expires) {
		t.Errorf("after the outage: %+v", e)
	}
	_ = c.Process.Signal(syscall.SIGTERM)
	if err := c.Wait(); err != nil {
		t.Errorf("stopping it: %v", err)
	}
}

// TestServeThroughAnOutage: it is said when credentials cannot be renewed, and when they can
// again.
func TestServeThroughAnOutage(t *testing.T) {
	t.Parallel()
	p := newProgramIn(t, &sandbox.World{CredentialsLifetime: 4 * time.Second})
	p.world.AddMachine("acme", "web", "cold-shape-2007")
	if out, exit := p.run(t, "setup", "-o", "acme", "-a", "web", "--no-patch", "--yes"); exit != 0 {
		t.Fatalf("exit %d: %s", exit, out)
	}
	p.env = append(p.env, "AWS_ROLE_ARN=arn:aws:iam::123456789012:role/fly-acme-web")
	socket := p.value(t, "FLY_AWS_SOCKET")
	c, _ := p.command("exec", "--serve", "--", "sh", "-c", "echo started; cat")
	c.Stdout, c.Stderr = nil, nil
	stdin, err := c.StdinPipe()
	stdout, errOut := c.StdoutPipe()
	stderr, errErr := c.StderrPipe()
	if err := errors.Join(err, errOut, errErr, c.Start()); err != nil {
		t.Fatal(err)
	}
	wait := func(lines *bufio.Scanner, words string) {
		t.Helper()
		for lines.Scan() {
			if strings.Contains(lines.Text(), words) {
				return
			}
		}
		t.Fatalf("it does not say %q", words)
	}
	said := bufio.NewScanner(stderr)
	wait(bufio.NewScanner(stdout), "started")
	if err := os.Rename(socket, socket+"-away"); err != nil {
		t.Fatal(err)
	}
	wait(said, "! no new AWS credentials: there is no socket")
	wait(said, "the last ones ")
	if err := os.Rename(socket+"-away", socket); err != nil {
		t.Fatal(err)
	}
	wait(said, "✓ there are new AWS credentials, valid until")
	_ = stdin.Close()
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
}

// TestKeepWhereRootMayNotWrite: the hint is not to be root.
func TestKeepWhereRootMayNotWrite(t *testing.T) {
	t.Parallel()
	if info, err := os.Stat("/sys"); err != nil || !info.IsDir() || os.Geteuid() != 0 {
		t.Skip("needs root and a folder in which root cannot make a file, as /sys of Linux")
	}
	p := newProgram(t, nil)
	out, exit := p.run(t, "token", "keep", "--audience", "a", "--out", "/sys/token", "--once")
	if exit != 1 || !strings.Contains(out, "Error: /sys/token cannot be written: ") || !strings.HasSuffix(out, "\n→ give --out another path\n") {
		t.Errorf("exit %d: %s", exit, out)
	}
}

// TestKeepOnAFullDisk: the last token stays, whole.
func TestKeepOnAFullDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "mount", "-t", "tmpfs", "-o", "size=8k", "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("needs a small file system of its own, which takes root: %v %s", err, out)
	}
	t.Cleanup(func() { _ = exec.CommandContext(context.Background(), "umount", dir).Run() })
	p := newProgram(t, nil)
	p.world.AddMachine("acme", "web", "cold-shape-2007")
	path := filepath.Join(dir, "token")
	if out, exit := p.run(t, "token", "keep", "--audience", "a", "--out", path, "--once"); exit != 0 {
		t.Fatalf("exit %d: %s", exit, out)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_ = os.WriteFile(filepath.Join(dir, "rest"), make([]byte, 8<<10), 0o600) // fills the disk
	out, exit := p.run(t, "token", "keep", "--audience", "a", "--out", path, "--once")
	after, err := os.ReadFile(path)
	if exit != 1 || !strings.Contains(out, "cannot be written: no space left on device") || !strings.Contains(out, "free some space") || err != nil || !bytes.Equal(after, before) {
		t.Errorf("exit %d, %v: %s", exit, err, out)
	}
}
