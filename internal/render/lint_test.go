package render

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/fly-aws/fly-aws/internal/lint"
	"github.com/fly-aws/fly-aws/internal/trustfile"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

const hostileRole = "we\x1b[31mb\u202e<script>"

// lintExamples are policies in a file, in a live role and one that is not judged.
func lintExamples(t *testing.T) []lint.Policy {
	t.Helper()
	const wide = `{"Version":"2012-10-17","Statement":[{"Sid":"Wide","Effect":"Allow","Principal":{"Federated":"arn:aws:iam::123456789012:oidc-provider/oidc.fly.io/acme"},
"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringLike":{"oidc.fly.io/acme:sub":["acme:*","Acme:web:*"]}}}]}`
	var out []lint.Policy
	for name, text := range map[string]string{"a b/trust.json": wide, "t.json": `{"Resources":{"R":{"Properties":{"AssumeRolePolicyDocument":{"Fn::Sub":"x"}}}}}`} {
		if _, err := trustfile.Read(strings.NewReader(text), trustfile.Options{}, func(f trustfile.Found) error {
			out = append(out, lint.InFile(name, f))
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	if out[0].File != "a b/trust.json" {
		out[0], out[1] = out[1], out[0]
	}
	policy, err := trustpolicy.Parse([]byte(strings.Replace(wide, `"Wide"`, `"Live"`, 1)))
	if err != nil {
		t.Fatal(err)
	}
	return append(out, lint.Live(hostileRole, policy, trustpolicy.Expected{Registered: []string{"x"}}))
}

func TestLint(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	Lint(&out, lintExamples(t), Style{})
	golden(t, "lint.txt", out.Bytes())
	out.Reset()
	if err := JSON(&out, NewLint(lintExamples(t))); err != nil {
		t.Fatal(err)
	}
	golden(t, "lint.json", out.Bytes())
	out.Reset()
	Lint(&out, []lint.Policy{{File: "x"}}, Style{})
	if out.String() != "✓ 1 trust policy: nothing found\n" {
		t.Errorf("%q", &out)
	}
}

// TestSARIF: findings have their places, and nothing hostile gets through. That it is valid
// SARIF is checked in internal/conformance.
func TestSARIF(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := JSON(&out, NewSARIF(lintExamples(t), "1.2.3")); err != nil {
		t.Fatal(err)
	}
	golden(t, "lint.sarif", out.Bytes())
	if strings.ContainsAny(out.String(), "\x1b\u202e") {
		t.Errorf("a control character:\n%q", &out)
	}
}

// TestLintDocs: docs/lint.md has every rule, as the table of rules has it.
func TestLintDocs(t *testing.T) {
	t.Parallel()
	const path, begin, end = "../../docs/lint.md", "<!-- rules -->\n", "<!-- end of rules -->\n"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(text), begin)
	_, after, ends := strings.Cut(rest, end)
	if !found || !ends {
		t.Fatalf("%s does not have its two marks", path)
	}
	var b strings.Builder
	b.WriteString("| rule | severity | what | why |\n|---|---|---|---|\n")
	for _, r := range Rules() {
		fmt.Fprintf(&b, "| %s `%s` | %s | %s | %s ([source](%s)) |\n", r.ID, r.Code, r.Severity, r.Title, r.Why, r.Source)
	}
	want := before + begin + b.String() + end + after
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want != string(text) {
		t.Errorf("%s is out of date: go test ./internal/render -run TestLintDocs -update", path)
	}
}
