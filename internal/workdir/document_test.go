package workdir

import (
	"fmt"
	"strings"
	"testing"

	"github.com/fly-aws/fly-aws/flytoml"
	"github.com/fly-aws/fly-aws/setup"
)

// The name, the regions and the variables of a fly.json or fly.yaml are read.
func TestOtherSyntaxes(t *testing.T) {
	t.Parallel()
	for path, src := range map[string]string{
		"fly.json":   `{"app": "web", "primary_region": "fra", "env": {"PORT": 8080, "AWS_REGION": "eu-west-1"}}`,
		"list.json":  `{"app": "web", "primary_region": "fra", "env": [{"PORT": 1}, {"PORT": "8080", "AWS_REGION": "eu-west-1"}]}`,
		"fly.yaml":   "# ours\napp: web\nprimary_region: fra\nenv:\n  PORT: 8080\n  AWS_REGION: eu-west-1\n",
		"list.yaml":  "app: web\nprimary_region: fra\nenv:\n  - PORT: 8080\n  - AWS_REGION: eu-west-1\n",
		"keys.yaml":  "app: web\nprimary_region: fra\nenv: {PORT: 8080, AWS_REGION: eu-west-1}\n? 1\n: x\n",
		"other.json": `{"App": "api", "app": "web", "primary_region": "fra", "services": [{}], "env": {"PORT": "8080", "AWS_REGION": "eu-west-1"}}`,
	} {
		f := folder(t, map[string]string{path: src})
		got, err := f.Find(path)
		if want := (setup.AppConfig{Path: path, App: "web", PrimaryRegion: "fra", AWSRegion: "eu-west-1"}); err != nil || got != want {
			t.Errorf("%s: got %+v, %v; want %+v", path, got, err, want)
		}
		port := setup.Resource{Env: &setup.Env{Config: path, App: "web", Key: "PORT"}}
		absent := setup.Resource{Env: &setup.Env{Config: path, App: "web", Key: "NONE"}}
		found, err := f.Read(t.Context(), []setup.Resource{port, absent})
		if err != nil || len(found) != 1 || found[0].Env.Value != "8080" {
			t.Errorf("%s: read %+v, %v", path, found, err)
		}
		port.Env.Value = "80"
		change := setup.Change{Action: setup.ActionUpdate, Before: &found[0], After: &port}
		as[*FormatError](t, f.Check(t.Context(), []setup.Change{change}))
		_, err = f.Write(t.Context(), change)
		as[*FormatError](t, err)
		if contents(t, f, path) != src {
			t.Errorf("%s was written", path)
		}
		other := setup.Resource{Env: &setup.Env{Config: path, App: "api", Key: "PORT"}}
		_, err = f.Read(t.Context(), []setup.Resource{other})
		as[*OtherAppError](t, err)
	}
}

// What cannot be parsed is an error with its position, which does not show the values of
// variables.
func TestOtherSyntaxErrors(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ path, src, want string }{
		{"fly.json", "{\n  \"app\": web\n}", "line 2, column 10: invalid character 'w' at start of value"},
		{"fly.json", "{\n  \"äöü\": 1,,\n}", "line 2, column 12: "},
		{"fly.json", "", "line 1, column 1: unexpected EOF"},
		{"fly.json", "{\n  \"app\":\n    [1]}", "line 3, column 5: app is not a string"},
		{"fly.json", "[]", "line 1, column 1: the file is not an object"},
		{"fly.json", "{\"app\": \"a\",\n\"app\": \"b\"}", "line 2, column 1: duplicate object member name"},
		{"fly.yaml", "app: web\nenv:\n\t- x\n", "line 3, column 1: found character that cannot start any token"},
		{"fly.yaml", "app: web\napp: api\n", "line 2, column 1: mapping key \"app\" already defined"},
		{"fly.yaml", "env:\n  TOKEN: secret\napp: [a]\n", "line 3, column 1: a string is expected here"},
		{"fly.yaml", "- 1\n", "line 1, column 1: the file is not an object"},
		{"fly.yaml", "a: *x\n", "line 1, column 1: unknown anchor 'x' referenced"},
	} {
		_, err := folder(t, map[string]string{test.path: test.src}).Find("")
		as[*flytoml.SyntaxError](t, err)
		if want := fmt.Sprintf("%q: %s", test.path, test.want); !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", test.src, err, want)
		}
	}
}
