package cmd_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/fly-aws/fly-aws/trustpolicy"
)

const ciFile = `version = 1
name = "production"
org = "acme"
account = "123456789012"
defaults.region = "eu-central-1"

[apps.web]
config = "fly.toml"
allow.s3-write = ["uploads"]
`

// TestRecipesForCI runs the commands of docs/ci.md, as GitHub's runners do, on one
// account.
func TestRecipesForCI(t *testing.T) {
	t.Parallel()
	sh, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("there is no bash, which runners use")
	}
	page, err := os.ReadFile("../docs/ci.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := map[string]string{} // by mark, or by the path of the workflow
	for _, m := range regexp.MustCompile("(?s)<!-- ci ?(\\w*) -->\n```\\w+\n(.*?)```\n<!-- /ci -->").FindAllSubmatch(page, -1) {
		name, text := string(m[1]), string(m[2])
		if name == "" {
			path, _, _ := strings.Cut(strings.TrimPrefix(text, "# "), "\n")
			name, text = filepath.Base(path), steps(t, text)
		}
		blocks[name] = text
	}

	p := newProgram(t, nil)
	summary := filepath.Join(p.dir, "summary.md")
	p.write(t, "app = \"web\"\n\n[env]\n  LOG = \"info\"\n")
	file := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	read := func(name string) string {
		t.Helper()
		text, err := os.ReadFile(filepath.Join(p.dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	run := func(block string, exit int) string {
		t.Helper()
		if blocks[block] == "" {
			t.Fatalf("docs/ci.md has no block %s", block)
		}
		c := exec.CommandContext(context.Background(), sh, "-e", "-c", blocks[block])
		c.Dir, c.Env = p.dir, append(slices.Clone(p.env), "CI=true", "GITHUB_STEP_SUMMARY="+summary, "PATH="+p.dir+":"+os.Getenv("PATH"))
		var out bytes.Buffer
		c.Stdout, c.Stderr = &out, &out
		err := c.Run()
		if failed := (*exec.ExitError)(nil); err != nil && !errors.As(err, &failed) {
			t.Fatal(err)
		}
		if got := c.ProcessState.ExitCode(); got != exit {
			t.Fatalf("%s exits %d, not %d:\n%s", block, got, exit, &out)
		}
		return out.String()
	}
	file("fly-aws.toml", ciFile)

	run("fly-aws-plan.yml", 0)
	if text := read("summary.md"); !strings.HasPrefix(text, "### fly-aws: Plan: ") || !strings.Contains(text, "AWS_ROLE_ARN in fly.toml") {
		t.Errorf("the summary is\n%s", text)
	}
	run("patch", 0)
	patched := read("fly.toml")
	if !strings.Contains(patched, `AWS_ROLE_ARN = "arn:aws:iam::123456789012:role/fly-acme-web"`) {
		t.Errorf("the patched fly.toml is\n%s", patched)
	}
	if out := run("fly-aws-apply.yml", 0); !strings.Contains(out, "✓ checked: role fly-acme-web allows") || read("fly.toml") != patched {
		t.Errorf("apply changed the patched fly.toml, or did not check:\n%s", out)
	}
	run("fly-aws-check.yml", 0)
	file("fly-aws.toml", strings.Replace(ciFile, `"uploads"`, `"other"`, 1))
	run("fly-aws-check.yml", 3)

	file("fly-aws.toml", ciFile+"arn = \"none\"\n")
	file("fly", "#!/bin/sh\nprintf '%s\\n' \"$@\" > deployed\n")
	run("deploy", 0)
	if got := read("deployed"); got != "deploy\n--env\nAWS_ROLE_ARN=arn:aws:iam::123456789012:role/fly-acme-web\n" {
		t.Errorf("fly was called with\n%s", got)
	}

	policy, err := trustpolicy.Parse([]byte(blocks["trust"]))
	if err != nil {
		t.Fatal(err)
	}
	for sub, want := range map[string]trustpolicy.Decision{
		"repo:acme/shop:ref:refs/heads/main": trustpolicy.Allowed,
		"repo:acme/shop:pull_request":        trustpolicy.ImplicitlyDenied,
	} {
		got := policy.Evaluate(trustpolicy.AssumeRequest{
			Action:    trustpolicy.AssumeAction,
			Federated: "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com",
			Context:   trustpolicy.WebIdentityContext("token.actions.githubusercontent.com", "sts.amazonaws.com", sub),
		}).Decision
		if got != want {
			t.Errorf("the trust policy for %s: %v, want %v", sub, got, want)
		}
	}
}

// steps are the commands of a workflow that call fly-aws.
func steps(t *testing.T, workflow string) string {
	t.Helper()
	var w struct {
		Jobs map[string]struct {
			Steps []struct{ Run string }
		}
	}
	if err := yaml.Unmarshal([]byte(workflow), &w); err != nil {
		t.Fatal(err)
	}
	var commands []string
	for _, job := range w.Jobs {
		for _, step := range job.Steps {
			if strings.HasPrefix(step.Run, "fly-aws ") {
				commands = append(commands, step.Run)
			}
		}
	}
	return strings.Join(commands, "\n")
}
