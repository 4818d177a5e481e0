package cmd_test

import (
	"os"
	"testing"
)

// TestAuditExample: docs/audit.html is what audit writes for a small account of the sandbox.
// With -update, it is written again.
func TestAuditExample(t *testing.T) {
	t.Parallel()
	const page = "../docs/audit.html"
	p := newProgram(t, nil)
	p.env = append(p.env, "NOW=2026-11-29T12:00:00Z")
	for _, app := range []string{"api", "worker", "billing", "old"} {
		p.world.AddApp("acme", app)
	}
	p.world.SetSecrets("billing", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
	for _, args := range [][]string{
		{"--app", "web", "--preset", "s3-write=uploads", "--tag", "team=web"},
		{"--app", "api", "--policy", "AmazonS3ReadOnlyAccess"},
		{"--app", "api", "--app", "worker", "--role", "backend", "--env-name", "BACKEND", "--policy", "AdministratorAccess"},
		{"--app", "worker", "--preset", "sqs-send=jobs", "--aws-region", "eu-central-1"},
		{"--app", "old", "--role", "old", "--policy", "SecurityAudit"},
	} {
		if out, exit := p.run(t, append([]string{"setup", "--org", "acme", "--no-patch", "--yes"}, args...)...); exit != 0 {
			t.Fatalf("%v exits %d:\n%s", args, exit, out)
		}
	}
	if out, exit := p.run(t, "audit", "--html", "audit.html"); exit != 3 {
		t.Fatalf("audit exits %d:\n%s", exit, out)
	}
	got := p.read(t, "audit.html")
	if *update {
		if err := os.WriteFile(page, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(page)
	if err != nil || string(want) != got {
		t.Errorf("%s is not what audit writes (%v): go test ./cmd -run AuditExample -update", page, err)
	}
}
