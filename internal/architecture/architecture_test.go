// Package architecture tests the rules for imports that depguard cannot express.
package architecture

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/fly-aws/fly-aws"

// owners are the packages that may import a library, so that it can be replaced in one
// place; nil is for libraries that only tests may import. Tests are not restricted.
var owners = map[string][]string{
	"cel.dev/":                        nil,
	"charm.land/":                     {"internal/wizard"},
	"github.com/aws/":                 {"internal/awsapi"},
	"github.com/aymanbagabas/":        {"internal/render"},
	"github.com/cenkalti/backoff/":    {"internal/flyapi", "internal/machine"}, // the AWS SDK has its own retries
	"github.com/charmbracelet/":       {"internal/terminal", "internal/wizard"},
	"github.com/coreos/go-oidc/":      {"internal/flyoidc", "internal/sandbox"},
	"github.com/cpuguy83/go-md2man/":  {"internal/manual"},
	"github.com/creack/pty":           {"internal/terminal"},
	"github.com/go-jose/":             {"internal/flyoidc", "internal/sandbox"},
	"github.com/go-json-experiment/":  {"internal/audit", "internal/flyoidc", "internal/permission", "internal/trustfile", "internal/workdir", "setup", "trustpolicy"},
	"github.com/google/jsonschema-":   nil,
	"github.com/google/renameio/":     {"internal/workdir"},
	"github.com/hashicorp/cap":        nil,
	"github.com/hashicorp/hcl/":       {"internal/export"}, // Terraform's language
	"github.com/moby/sys/user":        {"internal/machine"},
	"github.com/natefinch/atomic":     {"cmd", "internal/workdir"},
	"github.com/pelletier/go-toml/":   {"flytoml", "internal/requestfile"},
	"github.com/rogpeppe/":            nil,
	"github.com/ryanuber/":            nil,
	"github.com/spf13/":               {"cmd", "internal/manual"},
	"github.com/vektah/gqlparser/":    {"internal/sandbox"},
	"github.com/zclconf/go-cty/":      {"internal/export"},                                                              // HCL's values
	"go.yaml.in/yaml/":                {"internal/export", "internal/flyapi", "internal/trustfile", "internal/workdir"}, // templates, flyctl's configuration, fly.yaml
	"net/http/httptest":               nil,
	"testing":                         nil,
	module + "/internal/architecture": nil,
	module + "/internal/conformance":  nil,
	module + "/internal/manual":       nil,
	module + "/internal/terminal":     nil,
	module + "/internal/sandbox":      {"cmd"}, // for fly-aws demo and fly-aws sandbox
	"golang.org/x/crypto/x509roots/":  {"cmd"},
	"golang.org/x/term":               {"cmd"},
}

func TestLibrariesHaveOneOwner(t *testing.T) {
	t.Parallel()
	for pkg, imports := range packages(t) {
		for _, imported := range imports {
			for library, of := range owners {
				if strings.HasPrefix(imported, library) && !slices.Contains(of, pkg) {
					t.Errorf("%s imports %s, which is for %q", pkg, imported, of)
				}
			}
		}
	}
}

// TestEveryPackageHasALayer fails for a package without a depguard rule.
func TestEveryPackageHasALayer(t *testing.T) {
	t.Parallel()
	rules, err := os.ReadFile(filepath.Join("..", "..", ".golangci.yml"))
	if err != nil {
		t.Fatal(err)
	}
	for pkg := range packages(t) {
		if !strings.Contains(string(rules), `"**/`+pkg+`/*.go"`) {
			t.Errorf("no depguard rule in .golangci.yml names %s: give it a layer", pkg)
		}
	}
}

// packages returns the imports of the module's packages, by path within the module.
func packages(t *testing.T) map[string][]string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, module+"/...")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string][]string)
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(line)
		found[strings.TrimPrefix(words[0], module+"/")] = words[1:]
	}
	return found
}
