package cmd_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestTigrisRecipes runs the recipes of docs/tigris.md in a machine that has Tigris's
// secrets: the role is used, and without them it is not.
func TestTigrisRecipes(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/tigris.md")
	if err != nil {
		t.Fatal(err)
	}
	block := func(name string) string {
		found := regexp.MustCompile("(?s)<!-- " + name + " -->\n```[a-z]+\n(.*?)```\n<!-- /" + name + " -->").FindSubmatch(page)
		if found == nil {
			t.Fatalf("docs/tigris.md has no block %s", name)
		}
		return string(found[1])
	}
	p := newProgram(t, nil)
	p.world.AddMachine("acme", "web", "cold-shape-2007")
	if out, exit := p.run(t, "setup", "--org", "acme", "--app", "web", "--policy", "ReadOnlyAccess", "--no-patch", "--yes"); exit != 0 {
		t.Fatal(out)
	}
	token, exit := p.run(t, "token", "--raw")
	if exit != 0 {
		t.Fatal(token)
	}
	p.file(t, "oidc_token", token)
	// The endpoint of the profile's clients is the sandbox's, which is configured.
	profile := strings.Replace(block("profile"), "/.fly/oidc_token", filepath.Join(p.dir, "oidc_token"), 1)
	p.file(t, "aws", strings.Replace(profile, "ignore_configured_endpoint_urls = true\n", "", 1))
	p.file(t, "entrypoint.sh", block("entrypoint"))
	p.env = append(p.env, "FLY_APP_NAME=web", "FLY_MACHINE_ID=9080e6f3a12345", "AWS_CONFIG_FILE="+filepath.Join(p.dir, "aws"),
		"AWS_ROLE_ARN=arn:aws:iam::123456789012:role/fly-acme-web", "AWS_WEB_IDENTITY_TOKEN_FILE=oidc_token",
		"AWS_ACCESS_KEY_ID=tid_of_tigris", "AWS_SECRET_ACCESS_KEY=tsec_of_tigris", "AWS_REGION=auto", "BUCKET_NAME=photos",
		"AWS_ENDPOINT_URL_S3=https://fly.storage.tigris.dev")

	out, exit := p.run(t, "doctor", "--user", "0")
	if exit != 3 || !strings.HasPrefix(out, "✗ AWS does not work: the SDKs use AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY instead of the role\n  → Tigris ") {
		t.Errorf("without a recipe, exit code %d:\n%s", exit, out)
	}
	c, buf := p.command()
	c.Path, c.Args = "/bin/sh", []string{"sh", "entrypoint.sh", "fly-aws", "doctor", "--user", "0"}
	if err := c.Run(); err != nil || !strings.HasPrefix(buf.String(), "✓ AWS works: ") || !strings.Contains(buf.String(), "\n✓ region ") {
		t.Errorf("with the entrypoint, %v:\n%s", err, buf)
	}
	const identity = "arn:aws:sts::123456789012:assumed-role/fly-acme-web/"
	if out, _ := p.run(t, "plan", "--org", "acme", "--app", "web", "--no-patch", "--profile", "aws", "--region", "eu-central-1"); !strings.Contains(out, identity) {
		t.Errorf("with the profile:\n%s", out)
	}
}
