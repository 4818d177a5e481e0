package cmd_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fly-aws/fly-aws/internal/sandbox"
)

// release are the flags of release builds, see goreleaser.yaml.
var release = []string{"-trimpath", "-ldflags=-s -w -X main.version=0.0.0"}

// build compiles a main package and returns the binary.
func build(b *testing.B, pkg, name string, flags ...string) string {
	b.Helper()
	out := filepath.Join(b.TempDir(), name)
	args := slices.Concat([]string{"build"}, flags, []string{"-o", out, pkg})
	c := exec.Command("go", args...)
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := c.CombinedOutput(); err != nil {
		b.Fatalf("go build: %v\n%s", err, text)
	}
	return out
}

// BenchmarkStart times the start of the program beside that of the smallest Go
// program; the ratio of their medians is what counts.
func BenchmarkStart(b *testing.B) {
	hello := filepath.Join(b.TempDir(), "hello.go")
	if err := os.WriteFile(hello, []byte("package main\n\nimport \"fmt\"\n\nfunc main() { fmt.Println(\"hello\") }\n"), 0o600); err != nil {
		b.Fatal(err)
	}
	binary := build(b, "github.com/fly-aws/fly-aws/cmd/fly-aws", "fly-aws", release...)
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
	smallest := build(b, hello, "hello", "-trimpath", "-ldflags=-s -w")
	run := func(path string, args ...string) time.Duration {
		c := exec.Command(path, args...)
		c.Dir = dir
		began := time.Now()
		if err := c.Run(); err != nil {
			b.Fatal(err)
		}
		return time.Since(began)
	}
	for _, args := range [][]string{
		{"--version"},
		{"token", "inspect", "token.jwt"},
		{"explain", "--policy", "trust.json", "--claims", "claims.json"},
	} {
		b.Run(strings.TrimLeft(args[0], "-"), func(b *testing.B) {
			var ours, theirs []time.Duration
			for b.Loop() { // alternate, so that a machine that slows down affects both
				theirs = append(theirs, run(smallest))
				ours = append(ours, run(binary, args...))
			}
			slices.Sort(ours)
			slices.Sort(theirs)
			median, hello := ours[len(ours)/2], theirs[len(theirs)/2]
			b.ReportMetric(0, "ns/op") // would be the time of both
			b.ReportMetric(median.Seconds()*1000, "ms")
			b.ReportMetric(hello.Seconds()*1000, "hello-ms")
			b.ReportMetric(float64(median)/float64(hello), "hellos")
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
// each call of AWS and of Fly: the whole program, from its start to its exit. With a file,
// the run is one of plan.
func BenchmarkUnchanged(b *testing.B) {
	binary := build(b, "github.com/fly-aws/fly-aws/cmd/fly-aws", "fly-aws", release...)
	for _, test := range []struct {
		name string
		apps int
		file bool
	}{{"1-apps", 1, false}, {"300-apps", 300, false}, {"300-apps-in-a-file", 300, true}} {
		b.Run(test.name, func(b *testing.B) {
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
			file := "version = 1\nname = \"bench\"\norg = \"acme\"\naccount = \"123456789012\"\n"
			for i := range test.apps {
				app := fmt.Sprintf("app-%03d", i)
				world.AddApp("acme", app)
				args = append(args, "--app", app)
				file += "[apps." + app + "]\npolicies = [\"AmazonS3ReadOnlyAccess\"]\n"
			}
			dir := b.TempDir()
			if test.file {
				if err := os.WriteFile(filepath.Join(dir, "fly-aws.toml"), []byte(file), 0o600); err != nil {
					b.Fatal(err)
				}
				args = []string{"apply", "--yes"}
			}
			run := func() {
				c := exec.Command(binary, args...)
				c.Dir, c.Env = dir, append(os.Environ(), server.Env()...)
				if text, err := c.CombinedOutput(); err != nil {
					b.Fatalf("%v\n%s", err, text)
				}
			}
			run()
			if test.file {
				args = []string{"plan", "--exit-code"}
			}
			slow = true
			before, flyBefore := len(world.Calls()), len(world.FlyCalls())
			n := 0
			for b.Loop() {
				run()
				n++
			}
			b.ReportMetric(float64(len(world.Calls())-before)/float64(n), "aws-calls/op")
			b.ReportMetric(float64(len(world.FlyCalls())-flyBefore)/float64(n), "fly-calls/op")
		})
	}
}
