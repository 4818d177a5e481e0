package conformance

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"cel.dev/cel-go/cel"
	"github.com/hashicorp/cap/jwt"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/ryanuber/go-glob"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/fly-aws/fly-aws/internal/sandbox"
)

// otherClouds returns the blocks of docs/other-clouds.md that have names.
func otherClouds(t *testing.T) map[string]string {
	t.Helper()
	return pageBlocks(t, "other-clouds.md")
}

// pageBlocks returns the blocks of a page in docs that have names.
func pageBlocks(t *testing.T, name string) map[string]string {
	t.Helper()
	blocks := map[string]string{}
	for _, m := range regexp.MustCompile("(?s)<!-- ([a-z-]+) -->\n```[a-z]+\n(.*?)```\n<!-- /([a-z-]+) -->").FindAllStringSubmatch(pageText(t, name), -1) {
		if m[1] != m[3] {
			t.Fatalf("docs/%s: the block %s ends as %s", name, m[1], m[3])
		}
		blocks[m[1]] = m[2]
	}
	return blocks
}

// pageText returns the text of a page in docs.
func pageText(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Every block of docs/other-clouds.md can be read by what it is for.
func TestOtherCloudsBlocks(t *testing.T) {
	t.Parallel()
	need(t, "bash")
	fences := regexp.MustCompile("(?s)\n```([a-z]*)\n(.*?)```\n").FindAllStringSubmatch(pageText(t, "other-clouds.md"), -1)
	if len(fences) < 20 {
		t.Fatalf("only %d blocks were found", len(fences))
	}
	w := &world{t: t, dir: t.TempDir()}
	for _, fence := range fences {
		language, block := fence[1], fence[2]
		switch language {
		case "json":
			if !json.Valid([]byte(block)) {
				t.Errorf("not JSON:\n%s", block)
			}
		case "hcl":
			if _, bad := hclsyntax.ParseConfig([]byte(block), "page.tf", hcl.InitialPos); bad.HasErrors() {
				t.Errorf("%v:\n%s", bad, block)
			}
			if formatted := string(hclwrite.Format([]byte(block))); formatted != block {
				t.Errorf("not formatted; it would be\n%s", formatted)
			}
		case "sh":
			w.write("block.sh", block)
			if r := w.exec(os.Environ(), "bash", "-n", "block.sh"); r.code != 0 {
				t.Errorf("%s\n%s", r, block)
			}
		case "js": // TestClaude runs it
		default:
			t.Errorf("no test reads blocks in %q:\n%s", language, block)
		}
	}
}

// The two halves of a party agree: the audience that is configured there is that of the
// token in the machine, and the file that a client reads is the one that is kept.
func TestOtherCloudsHalves(t *testing.T) {
	t.Parallel()
	blocks := otherClouds(t)
	for _, test := range []struct{ there, machine string }{
		{"google-file", "google-keep"},
		{"vault-role", "vault-keep"},
		{"entra-credential", "entra-keep"},
		{"claude-match", "claude-keep"},
		{"databricks-policy", "databricks-keep"},
	} {
		audience := regexp.MustCompile(`--audience (\S+)`).FindStringSubmatch(blocks[test.machine])
		if len(audience) < 2 || !strings.Contains(blocks[test.there], `"`+audience[1]+`"`) {
			t.Errorf("%s does not name the audience of %s, %q", test.there, test.machine, audience)
		}
	}
	for _, test := range []struct{ keep, reads string }{
		{"google-keep", `"file": "%s"`},
		{"vault-keep", "jwt=@%s\n"},
		{"vault-keep", `path                     = "%s"`},
		{"entra-keep", "AZURE_FEDERATED_TOKEN_FILE=%s\n"},
		{"claude-keep", "ANTHROPIC_IDENTITY_TOKEN_FILE=%s\n"},
		{"databricks-keep", "DATABRICKS_OIDC_TOKEN_FILEPATH=%s\n"},
	} {
		file := regexp.MustCompile(`--out (\S+)`).FindStringSubmatch(blocks[test.keep])
		if len(file) < 2 || !strings.Contains(pageText(t, "other-clouds.md"), fmt.Sprintf(test.reads, file[1])) {
			t.Errorf("%s keeps %q, and nothing reads it as %s", test.keep, file, test.reads)
		}
	}
}

// The commands for the machine keep a valid token for the audience where their app reads it.
func TestOtherCloudsKeep(t *testing.T) {
	t.Parallel()
	need(t, "sh", "go")
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	var box sandbox.World
	box.AddMachine("acme", "web", "cold-shape-2007")
	server, err := box.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	ran := 0
	for _, fence := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(pageText(t, "other-clouds.md"), -1) {
		block := fence[1]
		if !strings.Contains(block, "token keep") {
			continue
		}
		ran++
		w := &world{t: t, dir: t.TempDir()}
		file := regexp.MustCompile(`--out (\S+)`).FindStringSubmatch(block)
		audience := regexp.MustCompile(`--audience (\S+)`).FindStringSubmatch(block)
		if file == nil || audience == nil || !strings.Contains(block, "--owner app") {
			t.Fatalf("not a whole command:\n%s", block)
		}
		token := filepath.Join(w.dir, filepath.Base(file[1]))
		w.write("my-app", "#!/bin/sh\nfly-aws token verify --aud "+audience[1]+" "+token+"\n")
		if err := os.Chmod(filepath.Join(w.dir, "my-app"), 0o700); err != nil {
			t.Fatal(err)
		}
		w.write("block.sh", strings.NewReplacer(file[1], token, "--owner app", "").Replace(block))
		env := append(append(environ(w.dir), server.Env()...),
			"PATH="+strings.Join([]string{w.dir, filepath.Dir(path), os.Getenv("PATH")}, string(os.PathListSeparator)))
		if r := w.exec(env, "sh", "block.sh"); r.code != 0 || !strings.Contains(r.stdout, "✓ signature ") {
			t.Errorf("exit code %d: %s\n%s", r.code, r, block)
		}
	}
	if ran < 6 {
		t.Errorf("only %d blocks were run", ran)
	}
}

// A judged is a token and whether it should be accepted.
type judged struct {
	name   string
	token  sandbox.TokenRequest
	accept bool
}

// A Vault role lets in the apps that it is for, and nothing else: judged by the library
// that Vault's JWT auth method verifies tokens with.
func TestOtherCloudsVault(t *testing.T) {
	t.Parallel()
	blocks := otherClouds(t)
	var w sandbox.World
	for _, m := range [][2]string{{"acme", "web"}, {"acme", "web-staging"}, {"acme", "api"}, {"acme", "tenant-7"}, {"acme", "my-tenant-7"}, {"rival", "web"}, {"rival", "tenant-7"}} {
		w.AddMachine(m[0], m[1], "cold-shape-2007")
	}
	server, err := w.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })

	issuer := regexp.MustCompile(`bound_issuer=(\S+)`).FindStringSubmatch(blocks["vault-setup"])
	if issuer == nil {
		t.Fatal("the setup binds no issuer")
	}
	const audience = "https://vault.example.com"
	request := func(org, app string, change ...func(*sandbox.TokenRequest)) sandbox.TokenRequest {
		r := sandbox.TokenRequest{Org: org, App: app, Machine: "cold-shape-2007", Audience: audience}
		for _, f := range change {
			f(&r)
		}
		return r
	}
	audienceOf := func(a string) func(*sandbox.TokenRequest) {
		return func(r *sandbox.TokenRequest) { r.Audience = a }
	}
	expired := func(r *sandbox.TokenRequest) { r.Lifetime = -2 * time.Minute } // Vault allows a minute
	forged := func(r *sandbox.TokenRequest) { r.Unpublished = true }
	for block, tokens := range map[string][]judged{
		"vault-role": {
			{"the app", request("acme", "web"), true},
			{"another app", request("acme", "api"), false},
			{"an app whose name begins so", request("acme", "web-staging"), false},
			{"another organization", request("rival", "web"), false},
			{"another audience", request("acme", "web", audienceOf("sts.amazonaws.com")), false},
			{"an expired token", request("acme", "web", expired), false},
			{"another key", request("acme", "web", forged), false},
		},
		"vault-role-tenants": {
			{"a tenant's app", request("acme", "tenant-7"), true},
			{"another app", request("acme", "web"), false},
			{"an app whose name ends so", request("acme", "my-tenant-7"), false},
			{"another organization", request("rival", "tenant-7"), false},
			{"another audience", request("acme", "tenant-7", audienceOf("sts.amazonaws.com")), false},
		},
	} {
		role := readVaultRole(t, blocks[block])
		for _, test := range tokens {
			token, err := w.Mint(test.token)
			if err != nil {
				t.Fatal(err)
			}
			if err := role.login(t.Context(), server, issuer[1], token); (err == nil) != test.accept {
				t.Errorf("%s: %s: %v", block, test.name, err)
			}
		}
	}

	// The role in Terraform is the same.
	inTerraform := terraformRole(t, blocks["vault-terraform"])
	if fromJSON := readVaultRole(t, blocks["vault-role"]); !reflect.DeepEqual(inTerraform, fromJSON) {
		t.Errorf("in Terraform the role is %+v, not %+v", inTerraform, fromJSON)
	}
}

// A vaultRole is what a role of Vault's JWT auth method tests.
type vaultRole struct {
	RoleType        string            `json:"role_type"`
	UserClaim       string            `json:"user_claim"`
	BoundAudiences  []string          `json:"bound_audiences"`
	BoundClaimsType string            `json:"bound_claims_type"`
	BoundClaims     map[string]string `json:"bound_claims"`
}

func readVaultRole(t *testing.T, block string) vaultRole {
	t.Helper()
	var role vaultRole
	if err := json.Unmarshal([]byte(block), &role); err != nil {
		t.Fatalf("%v:\n%s", err, block)
	}
	if role.RoleType != "jwt" || role.UserClaim == "" || len(role.BoundAudiences) == 0 {
		t.Fatalf("not a role for tokens: %+v", role)
	}
	return role
}

// login judges a token as pathLogin does in
// https://github.com/hashicorp/vault-plugin-auth-jwt: the library verifies it, then each
// bound claim must be equal to the token's, or match it as a glob.
func (r vaultRole) login(ctx context.Context, server *sandbox.Server, issuer, token string) error {
	org := strings.TrimPrefix(issuer, "https://oidc.fly.io/")
	keys, err := jwt.NewJSONWebKeySet(ctx, server.IssuerEndpoint+"/"+org+"/.well-known/jwks", "")
	if err != nil {
		return err
	}
	validator, err := jwt.NewValidator(keys)
	if err != nil {
		return err
	}
	claims, err := validator.Validate(ctx, token, jwt.Expected{Issuer: issuer, Audiences: r.BoundAudiences, SigningAlgorithms: []jwt.Alg{jwt.RS256}})
	if err != nil {
		return err
	}
	for name, want := range r.BoundClaims {
		got, _ := claims[name].(string)
		if got != want && (r.BoundClaimsType != "glob" || !glob.Glob(want, got)) {
			return fmt.Errorf("claim %q is %q, not %q", name, got, want)
		}
	}
	if _, ok := claims[r.UserClaim].(string); !ok {
		return fmt.Errorf("claim %q is missing", r.UserClaim)
	}
	return nil
}

// terraformRole reads the role in a block of Terraform.
func terraformRole(t *testing.T, block string) vaultRole {
	t.Helper()
	file, bad := hclsyntax.ParseConfig([]byte(block), "vault.tf", hcl.InitialPos)
	if bad.HasErrors() {
		t.Fatal(bad)
	}
	fields := map[string]json.RawMessage{}
	for _, resource := range file.Body.(*hclsyntax.Body).Blocks {
		if resource.Labels[0] != "vault_jwt_auth_backend_role" {
			continue
		}
		for name, attribute := range resource.Body.Attributes {
			value, bad := attribute.Expr.Value(nil)
			if bad.HasErrors() { // it refers to another resource
				continue
			}
			text, err := ctyjson.Marshal(value, value.Type())
			if err != nil {
				t.Fatal(err)
			}
			fields[name] = text
		}
	}
	text, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	return readVaultRole(t, string(text))
}

// Google's attribute condition and mapping let in the app, and nothing else: judged by
// Google's own CEL on the claims of tokens.
func TestOtherCloudsGoogle(t *testing.T) {
	t.Parallel()
	setup := otherClouds(t)["google-setup"]
	value := func(pattern string) string {
		t.Helper()
		found := regexp.MustCompile(pattern).FindStringSubmatch(setup)
		if found == nil {
			t.Fatalf("the setup has no %s", pattern)
		}
		return found[1]
	}
	condition := value(`--attribute-condition "(.*)"`)
	member := value(`--member principalSet://\S*/attribute\.(\S+)\n`)
	mapped, wanted, _ := strings.Cut(member, "/")
	expression := ""
	for _, mapping := range strings.Split(value(`--attribute-mapping '(.*)'`), ",") {
		if name, of, _ := strings.Cut(mapping, "="); name == "attribute."+mapped {
			expression = of
		}
	}
	if terraform := otherClouds(t)["google-terraform"]; !strings.Contains(terraform, `"`+condition+`"`) || !strings.Contains(terraform, `"`+expression+`"`) || !strings.Contains(terraform, "/attribute."+member+`"`) {
		t.Errorf("Terraform has another condition, mapping or member than %q, %q, %q", condition, expression, member)
	}

	var w sandbox.World
	for _, test := range []struct {
		org, app string
		accept   bool
	}{{"acme", "web", true}, {"acme", "api", false}, {"acme", "web-staging", false}, {"rival", "web", false}} {
		w.AddMachine(test.org, test.app, "cold-shape-2007")
		token, err := w.Mint(sandbox.TokenRequest{Org: test.org, App: test.app, Machine: "cold-shape-2007"})
		if err != nil {
			t.Fatal(err)
		}
		claims := claimsOf(t, token)
		if federated := eval(t, condition, claims); federated != test.accept {
			t.Errorf("the condition says of the app %s of %s: %v", test.app, test.org, federated)
		}
		if bound := eval(t, expression, claims) == wanted; bound != (test.app == "web") {
			t.Errorf("the binding is for the app %s: %v", test.app, bound)
		}
	}
}

// eval evaluates a CEL expression on the assertion, as a workload identity pool does.
func eval(t *testing.T, expression string, assertion map[string]any) any {
	t.Helper()
	env, err := cel.NewEnv(cel.Variable("assertion", cel.MapType(cel.StringType, cel.DynType)))
	if err != nil {
		t.Fatal(err)
	}
	ast, issues := env.Compile(expression)
	if issues.Err() != nil {
		t.Fatalf("%q: %v", expression, issues.Err())
	}
	program, err := env.Program(ast)
	if err != nil {
		t.Fatal(err)
	}
	out, _, err := program.Eval(map[string]any{"assertion": assertion})
	if err != nil {
		t.Fatalf("%q: %v", expression, err)
	}
	return out.Value()
}

// claimsOf returns the claims of a token, without verifying it.
func claimsOf(t *testing.T, token string) map[string]any {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatal("not a token")
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(payload, &claims); err != nil {
		t.Fatal(err)
	}
	return claims
}
