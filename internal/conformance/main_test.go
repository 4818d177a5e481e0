package conformance

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// scratch holds the binary; it is removed when all tests are done.
var scratch string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	if os.Getenv(goClientVariable) != "" {
		if err := goClient(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return 0
	}
	if os.Getenv(flyVariable) != "" {
		return flyClient(context.Background(), os.Args[1:])
	}
	dir, err := os.MkdirTemp("", "fly-aws-conformance-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	scratch = dir
	defer stopMoto()
	return m.Run()
}

// need skips the test if a tool is missing, or fails it if FLY_AWS_CONFORMANCE is
// 1.
func need(t *testing.T, tools ...string) {
	t.Helper()
	if testing.Short() {
		t.Skip("drives other programs; not in short mode")
	}
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("FLY_AWS_CONFORMANCE") == "1" {
				t.Fatalf("FLY_AWS_CONFORMANCE is 1, but %s is missing: %v", tool, err)
			}
			t.Skipf("%s is missing: %v", tool, err)
		}
	}
}

// binary builds the program once and returns its path. It uses the release's linker
// flags only: -trimpath and CGO_ENABLED=0 would compile each dependency a second
// time, after "go test".
var binary = sync.OnceValues(func() (string, error) {
	root := filepath.Join("..", "..")
	// The go command caches a test's result by the files it opened. It does not
	// see those that "go build" reads, so the test looks at their folders itself.
	if err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && strings.HasPrefix(d.Name(), ".") && path != root {
			return fs.SkipDir
		}
		return err
	}); err != nil {
		return "", err
	}
	path := filepath.Join(scratch, "fly-aws")
	if runtime.GOOS == "windows" {
		path += ".exe"
	}
	build := exec.CommandContext(context.Background(), "go", "build", "-ldflags=-s -w", "-o", path, "./cmd/fly-aws")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build ./cmd/fly-aws: %w\n%s", err, out)
	}
	return path, nil
})

// motos are the standard inputs of moto's servers.
var motos struct {
	sync.Mutex
	stdin []io.Closer
}

// moto starts a server of moto's, once, and returns its URL.
var moto = sync.OnceValues(func() (string, error) { return startMoto() })

// startMoto starts a server of moto's with more environment, and returns its URL.
func startMoto(env ...string) (string, error) {
	// The shell ends the server when its own standard input is closed, which the
	// system does even if the tests are killed.
	server := exec.CommandContext(context.Background(), "sh", "-c", `moto_server -H 127.0.0.1 -p 0 & cat >/dev/null; kill $!; wait`)
	server.Env = append(append(os.Environ(), "MOTO_IAM_LOAD_MANAGED_POLICIES=true"), env...)
	stdin, err := server.StdinPipe()
	if err != nil {
		return "", err
	}
	out, in := io.Pipe()
	server.Stdout, server.Stderr = in, in
	if err := server.Start(); err != nil {
		return "", err
	}
	motos.Lock()
	motos.stdin = append(motos.stdin, stdin)
	motos.Unlock()
	go func() { in.CloseWithError(server.Wait()) }()
	// It logs its address once it listens.
	address := regexp.MustCompile(`http://127\.0\.0\.1:\d+`)
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if url := address.FindString(lines.Text()); url != "" {
			go func() { _, _ = io.Copy(io.Discard, out) }()
			return url, nil
		}
	}
	return "", errors.Join(errors.New("moto_server ended without naming its address"), lines.Err())
}

func stopMoto() {
	motos.Lock()
	defer motos.Unlock()
	for _, stdin := range motos.stdin {
		_ = stdin.Close()
	}
}
