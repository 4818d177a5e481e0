package cmd_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/fly-aws/fly-aws/internal/sandbox"
)

// build compiles a main package as a release does and returns the binary.
func build(b *testing.B, pkg, name string) string {
	b.Helper()
	out := filepath.Join(b.TempDir(), name)
	c := exec.Command("go", "build", "-trimpath", "-tags=nethttpomithttp2",
		"-gcflags=all=-l", "-ldflags=-s -w -funcalign=4 -X main.version=0.0.0", "-o", out, pkg)
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := c.CombinedOutput(); err != nil {
		b.Fatalf("go build: %v\n%s", err, text)
	}
	return out
}

// BenchmarkStart times the start of the program beside that of the smallest Go
// program; the ratio of the two is what counts.
func BenchmarkStart(b *testing.B) {
	hello := filepath.Join(b.TempDir(), "hello.go")
	if err := os.WriteFile(hello, []byte("package main\n\nimport \"fmt\"\n\nfunc main() { fmt.Println(\"hello\") }\n"), 0o600); err != nil {
		b.Fatal(err)
	}
	binary := build(b, "github.com/fly-aws/fly-aws/cmd/fly-aws", "fly-aws")
	dir := b.TempDir()
	for name, text := range map[string]string{
		"trust.json":  benchTrust,
		"claims.json": `{"iss":"https://oidc.fly.io/acme","sub":"acme:web:cold-shape-2007","aud":"sts.amazonaws.com"}`,
		"token.jwt":   benchToken(b),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	programs := map[string][]string{
		"hello":   {build(b, hello, "hello")},
		"version": {binary, "--version"},
		"inspect": {binary, "token", "inspect", "token.jwt"},
		"explain": {binary, "explain", "--policy", "trust.json", "--claims", "claims.json"},
	}
	for _, name := range []string{"hello", "version", "inspect", "explain"} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				c := exec.Command(programs[name][0], programs[name][1:]...)
				c.Dir = dir
				if err := c.Run(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

const benchTrust = `{"Version":"2012-10-17","Statement":[{"Sid":"FlyAwsAcme","Effect":"Allow",
"Principal":{"Federated":"arn:aws:iam::123456789012:oidc-provider/oidc.fly.io/acme"},"Action":"sts:AssumeRoleWithWebIdentity",
"Condition":{"StringEquals":{"oidc.fly.io/acme:aud":"sts.amazonaws.com"},"StringLike":{"oidc.fly.io/acme:sub":"acme:web:*"}}}]}`

func benchToken(b *testing.B) string {
	b.Helper()
	var world sandbox.World
	world.AddMachine("acme", "web", "cold-shape-2007")
	token, err := world.Mint(sandbox.TokenRequest{Org: "acme", App: "web", Machine: "cold-shape-2007", Audience: "sts.amazonaws.com"})
	if err != nil {
		b.Fatal(err)
	}
	return token
}

// BenchmarkUnchanged times a run that finds nothing to do, with 100 ms added to
// each call of AWS and of Fly: the whole program, from its start to its exit.
func BenchmarkUnchanged(b *testing.B) {
	binary := build(b, "github.com/fly-aws/fly-aws/cmd/fly-aws", "fly-aws")
	for _, apps := range []int{1, 100} {
		b.Run(fmt.Sprintf("%d-apps", apps), func(b *testing.B) {
			slow := false
			latency := func() sandbox.Fault {
				if slow {
					return sandbox.Latency(100 * time.Millisecond)
				}
				return sandbox.Fault{}
			}
			world := sandbox.World{
				Fault:    func(sandbox.Call) sandbox.Fault { return latency() },
				FlyFault: func(sandbox.FlyCall) sandbox.FlyFault { return sandbox.FlyFault{Fault: latency()} },
			}
			server, err := world.Start()
			if err != nil {
				b.Fatal(err)
			}
			defer server.Close()
			args := []string{"setup", "--org", "acme", "--no-patch", "--policy", "AmazonS3ReadOnlyAccess", "--yes"}
			for i := range apps {
				app := fmt.Sprintf("app-%03d", i)
				world.AddApp("acme", app)
				args = append(args, "--app", app)
			}
			run := func() {
				c := exec.Command(binary, args...)
				c.Env = append(os.Environ(), server.Env()...)
				if text, err := c.CombinedOutput(); err != nil {
					b.Fatalf("%v\n%s", err, text)
				}
			}
			run()
			slow = true
			before := len(world.Calls())
			n := 0
			for b.Loop() {
				run()
				n++
			}
			b.ReportMetric(float64(len(world.Calls())-before)/float64(n), "calls/op")
		})
	}
}
