package conformance

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif" // whose source has the schema
	"github.com/xeipuuv/gojsonschema"
)

// sarifSchema is the official schema of SARIF 2.1.0, from the source of a library, which does
// not export it.
func sarifSchema(t *testing.T) string {
	t.Helper()
	dir, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/owenrumney/go-sarif/v3").Output()
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "pkg/report/v210/sarif/schema.go"))
	if err != nil {
		t.Fatal(err)
	}
	_, schema, _ := strings.Cut(string(source), "const schema = `")
	schema, _, found := strings.Cut(schema, "`")
	if !found {
		t.Fatal("the library's source has no schema")
	}
	return schema
}

// What lint --sarif prints is SARIF by the official schema, whatever it finds.
func TestSARIFIsValid(t *testing.T) {
	t.Parallel()
	schema, err := gojsonschema.NewSchema(gojsonschema.NewStringLoader(sarifSchema(t)))
	if err != nil {
		t.Fatal(err)
	}
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	const statement = `{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::123456789012:oidc-provider/oidc.fly.io/acme"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringLike":{"oidc.fly.io/acme:sub":"acme:*"}}}`
	for name, text := range map[string]string{
		"right.json":       `{"Version":"2012-10-17","Statement":[]}`,
		"wide policy.json": `{"Version":"2012-10-17","Statement":[` + statement + `]}`,
		"undecided.json":   `{"Resources":{"R":{"Properties":{"AssumeRolePolicyDocument":{"Fn::Sub":"x"}}}}}`,
		"malformed.json":   `{"Statement":[{"Effect":"Permit","Principal":"*"}]}`,
	} {
		file := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.CommandContext(t.Context(), path, "lint", "--sarif", "--fail-on", "never", file).Output()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		result, err := schema.Validate(gojsonschema.NewBytesLoader(out))
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		for _, e := range result.Errors() {
			t.Errorf("%s: %s\n%s", name, e, out)
		}
	}
}
