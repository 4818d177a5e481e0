package cmd_test

import (
	"cmp"
	"context"
	"errors"
	"maps"
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

// ciBlocks are the marked blocks of docs/ci.md, by their marks or the names of their
// workflows.
func ciBlocks(t *testing.T) map[string]string {
	t.Helper()
	page, err := os.ReadFile("../docs/ci.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := map[string]string{}
	for _, m := range regexp.MustCompile("(?s)<!-- ci ?(\\w*) -->\n```\\w+\n(.*?)```\n<!-- /ci -->").FindAllSubmatch(page, -1) {
		name, text := string(m[1]), string(m[2])
		if name == "" {
			path, _, _ := strings.Cut(strings.TrimPrefix(text, "# "), "\n")
			name = filepath.Base(path)
		}
		blocks[name] = text
	}
	return blocks
}

// A workflowStep is a step that uses fly-aws, or another.
type workflowStep struct {
	ID, Uses, If string
	With         map[string]string
}

// follow runs the steps of a workflow that use the action, and returns the exit code of the
// first that fails. A step with always() runs after it too.
func (r *runner) follow(t *testing.T, workflow string) (exit int) {
	t.Helper()
	var w struct {
		Jobs map[string]struct {
			Needs, If string
			Outputs   map[string]string
			Steps     []workflowStep
		}
	}
	if err := yaml.Unmarshal([]byte(workflow), &w); err != nil {
		t.Fatal(err)
	}
	values := map[string]string{} // of expressions
	expression := regexp.MustCompile(`\$\{\{ (\S+) \}\}`)
	evaluate := func(s string) string {
		return expression.ReplaceAllStringFunc(s, func(e string) string {
			value, ok := values[expression.FindStringSubmatch(e)[1]]
			if !ok {
				t.Fatalf("%s is not known here", e)
			}
			return value
		})
	}
	names := slices.SortedFunc(maps.Keys(w.Jobs), func(a, b string) int { return strings.Compare(w.Jobs[a].Needs, w.Jobs[b].Needs) })
	used := 0
	for _, name := range names {
		job := w.Jobs[name]
		if before, ok := strings.CutSuffix(job.If, " != ''"); ok && values[before] == "" {
			continue
		}
		for _, step := range job.Steps {
			if !strings.HasPrefix(step.Uses, "fly-aws/fly-aws@") || exit != 0 && step.If != "always()" {
				continue
			}
			used++
			inputs := map[string]string{}
			for input, value := range step.With {
				inputs[input] = evaluate(value)
			}
			outputs, log, code := r.use(t, inputs)
			t.Logf("%s %v: exit code %d\n%s", name, inputs, code, log)
			for output := range r.action.Outputs {
				values["steps."+step.ID+".outputs."+output] = outputs[output]
			}
			exit = cmp.Or(exit, code)
		}
		for output, value := range job.Outputs {
			values["needs."+name+".outputs."+output] = evaluate(value)
		}
	}
	if used == 0 {
		t.Fatalf("no step uses the action:\n%s", workflow)
	}
	return exit
}

// TestRecipesForCI runs the workflows and commands of docs/ci.md, as GitHub's runners do, on
// one account.
func TestRecipesForCI(t *testing.T) {
	t.Parallel()
	skipPrograms(t)
	r, blocks := newRunner(t, checksummer()), ciBlocks(t)
	follow := func(name string, exit int) {
		t.Helper()
		if got := r.follow(t, blocks[name]); got != exit {
			t.Fatalf("%s exits %d, not %d", name, got, exit)
		}
	}
	run := func(name string) {
		t.Helper()
		if blocks[name] == "" {
			t.Fatalf("docs/ci.md has no block %s", name)
		}
		c := exec.CommandContext(context.Background(), filepath.Join(r.tools, "bash"), "-e", "-c", blocks[name])
		c.Dir, c.Env = r.dir, append(slices.Clone(r.env), "PATH="+r.dir+":"+os.Getenv("PATH"))
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
	}
	edit := func(old, updated string) {
		t.Helper()
		r.file(t, "fly-aws.toml", strings.Replace(ciFile, old, updated, 1))
	}

	follow("fly-aws-plan.yml", 0)
	if !strings.HasPrefix(r.summary, "### fly-aws: Plan: ") || !strings.Contains(r.summary, "AWS_ROLE_ARN in fly.toml") {
		t.Errorf("the summary is\n%s", r.summary)
	}
	run("patch")
	patched := r.read(t, "fly.toml")
	if !strings.Contains(patched, `AWS_ROLE_ARN = "arn:aws:iam::123456789012:role/fly-acme-web"`) {
		t.Errorf("the patched fly.toml is\n%s", patched)
	}
	follow("fly-aws-apply.yml", 0)
	if !strings.Contains(r.summary, "✓ checked: role fly-acme-web allows") || r.read(t, "fly.toml") != patched {
		t.Errorf("apply changed the patched fly.toml, or did not check:\n%s", r.summary)
	}
	follow("fly-aws-check.yml", 0)
	edit(`"uploads"`, `"uploads", "other"`)
	follow("fly-aws-check.yml", 3)
	follow("fly-aws-approved.yml", 0)
	follow("fly-aws-check.yml", 0)
	before := len(r.world.Calls())
	follow("fly-aws-approved.yml", 0)
	if wrote := r.wrote(before); len(wrote) > 0 {
		t.Errorf("nothing was to do, and it wrote %s", wrote)
	}

	r.file(t, "fly-aws.toml", ciFile+"arn = \"none\"\n")
	if err := os.WriteFile(filepath.Join(r.dir, "fly"), []byte("#!/bin/sh\nprintf '%s\\n' \"$@\" > deployed\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	run("deploy")
	if got := r.read(t, "deployed"); got != "deploy\n--env\nAWS_ROLE_ARN=arn:aws:iam::123456789012:role/fly-acme-web\n" {
		t.Errorf("fly was called with\n%s", got)
	}

	if err := os.Remove(filepath.Join(r.dir, "fly-aws.toml")); err != nil {
		t.Fatal(err)
	}
	var args []workflowStep
	if err := yaml.Unmarshal([]byte(blocks["args"]), &args); err != nil {
		t.Fatal(err)
	}
	if out, log, exit := r.use(t, args[0].With); exit != 0 || out["changes"] != "true" || !strings.Contains(r.summary, "AmazonS3ReadOnlyAccess") {
		t.Errorf("the plan with args exits %d with %v:\n%s", exit, out, log)
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

// TestWorkflows lints the workflows of this repository and of docs/ci.md with actionlint, which
// also holds their use of the action against action.yml.
func TestWorkflows(t *testing.T) {
	t.Parallel()
	linter := strings.Fields(os.Getenv("FLY_AWS_ACTIONLINT"))
	if len(linter) == 0 {
		t.Skip("FLY_AWS_ACTIONLINT does not name actionlint; make actions does")
	}
	lint := func(root string) {
		t.Helper()
		c := exec.CommandContext(t.Context(), linter[0], linter[1:]...)
		c.Dir = root
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	}
	lint("..")

	// It reads the action.yml of an action of the same repository.
	root := t.TempDir()
	workflows := filepath.Join(root, ".github", "workflows")
	action, err := os.ReadFile("../action.yml")
	if err := errors.Join(err, os.MkdirAll(workflows, 0o700), os.Mkdir(filepath.Join(root, ".git"), 0o700),
		os.WriteFile(filepath.Join(root, "action.yml"), action, 0o600)); err != nil {
		t.Fatal(err)
	}
	for name, block := range ciBlocks(t) {
		if strings.HasSuffix(name, ".yml") {
			block = strings.ReplaceAll(block, "fly-aws/fly-aws@COMMIT", "./")
			if err := os.WriteFile(filepath.Join(workflows, name), []byte(block), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	lint(root)
}

// Actions of others are pinned by commit, here and in docs/ci.md.
func TestActionsArePinned(t *testing.T) {
	t.Parallel()
	workflows := ciBlocks(t)
	files, err := filepath.Glob("../.github/workflows/*.yml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no workflows: %v", err)
	}
	for _, file := range append(files, "../action.yml") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		workflows[file] = string(text)
	}
	pinned := regexp.MustCompile(`^(\./|fly-aws/fly-aws@COMMIT|[\w./-]+@[0-9a-f]{40} # v[0-9.]+)$`)
	versions := map[string]string{} // by action: one version of each
	for name, text := range workflows {
		for _, m := range regexp.MustCompile(`(?m)uses: (([^@\n]+)(?:@.*)?)$`).FindAllStringSubmatch(text, -1) {
			if !pinned.MatchString(m[1]) {
				t.Errorf("%s uses %s, which is not pinned by a commit with its version", name, m[1])
			}
			if known, ok := versions[m[2]]; ok && known != m[1] {
				t.Errorf("%s uses %s, and another %s", name, m[1], known)
			}
			versions[m[2]] = m[1]
		}
	}
}
