package requestfile_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/fly-aws/fly-aws/internal/requestfile"
	"github.com/fly-aws/fly-aws/setup"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

const example = `version = 1
name = "platform-prod"
org = "acme"
account = "123456789012"

[defaults]
region = "eu-central-1"
tags = { team = "platform" }
session_tags = true

[apps.web]                          # a role of its own
config = "apps/web/fly.toml"
arn = "secret"
policies = ["AmazonSQSFullAccess", "arn:{partition}:iam::{account}:policy/{app}"]
inline = ["policies/reports.json", { name = "other", file = "policies/region.json" }]
allow.s3-write = ["uploads-{account}"]
session_tags = false

[apps.api]
config = "apps/api/fly.toml"
role = "backend"
machines = ["one"]

[roles.backend]
name = "acme-backend"
allow.dynamodb-table = ["orders"]
allow."s3-read" = ["${x}-{org}"]
keep = ["policy:SecurityAudit", "statement:BreakGlass"]
conditions = { IpAddress = { "aws:SourceIp" = ["192.0.2.0/24"] }, StringLike = { "aws:x" = "{account}*" } }
tags.team = "backend"
tags.tier = "2"

[roles.backups]
apps = ["web"]
env = "BACKUP_AWS_ROLE_ARN"
max_session = 7200

[roles.tenants]
apps = ["tenant-*"]
except = ["tenant-42"]

[roles.watched]
name = "theirs"
managed = false
apps = ["api"]
trust = "policies/trust.json"
`

func TestExample(t *testing.T) {
	t.Parallel()
	text := strings.Replace(example, `allow."s3-read" = ["${x}-{org}"]`, `allow."s3-read" = ["b-{org}"]`, 1)
	req := parse(t, text).Request()
	if req.Org != "acme" || req.Account != "123456789012" || req.File != "platform-prod" || req.Region != "eu-central-1" {
		t.Errorf("%+v", req)
	}
	if got, want := req.RoleNames(), []string{"acme-backend", "fly-acme-backups", "fly-acme-tenants", "fly-acme-web", "theirs"}; !slices.Equal(got, want) {
		t.Fatal(got)
	}
	web, backend, backups, tenants, theirs := req.Roles[0], req.Roles[1], req.Roles[2], req.Roles[3], req.Roles[4]
	want := setup.RoleRequest{
		Apps:     []setup.App{{Name: "web", Config: "apps/web/fly.toml", ARN: setup.ARNInSecret}},
		Policies: []string{"AmazonSQSFullAccess", "arn:aws:iam::123456789012:policy/web"},
		Presets:  []setup.Preset{{Name: "s3-write", Answer: "uploads-123456789012"}},
		Tags:     map[string]string{"team": "platform"},
		Inline:   web.Inline,
	}
	if !reflect.DeepEqual(web, want) {
		t.Errorf("web is\n%+v", web)
	}
	if got := web.Inline[0].Document.String(); !strings.Contains(got, "arn:aws:s3:::reports-123456789012/${aws:username}/*") || web.Inline[0].Name != "reports" {
		t.Error(got)
	}
	if got := web.Inline[1].Document.String(); !strings.Contains(got, "reports-eu-central-1-web") || web.Inline[1].Name != "other" || web.Inline[1].Source != "policies/region.json" {
		t.Error(got)
	}
	want = setup.RoleRequest{
		Name:    "acme-backend",
		Apps:    []setup.App{{Name: "api", Config: "apps/api/fly.toml", Machines: []string{"one"}}},
		Presets: []setup.Preset{{Name: "dynamodb-table", Answer: "orders"}, {Name: "s3-read", Answer: "b-acme"}},
		Keep:    []string{"policy:SecurityAudit", "statement:BreakGlass"},
		Conditions: []trustpolicy.Condition{
			{Operator: "IpAddress", Key: "aws:SourceIp", Values: []string{"192.0.2.0/24"}},
			{Operator: "StringLike", Key: "aws:x", Values: []string{"123456789012*"}},
		},
		Tags: map[string]string{"team": "backend", "tier": "2"}, SessionTags: true,
	}
	if !reflect.DeepEqual(backend, want) {
		t.Errorf("backend is\n%+v", backend)
	}
	if want := []setup.App{{Name: "web", Config: "apps/web/fly.toml", ARN: setup.ARNInSecret, Env: "BACKUP_AWS_ROLE_ARN"}}; !reflect.DeepEqual(backups.Apps, want) || backups.MaxSession != 7200 {
		t.Errorf("backups is\n%+v", backups)
	}
	if want := []setup.App{{Name: "tenant-*"}}; !reflect.DeepEqual(tenants.Apps, want) || !slices.Equal(tenants.Except, []string{"tenant-42"}) {
		t.Errorf("tenants is\n%+v", tenants)
	}
	if !theirs.Unmanaged || theirs.Tags != nil || theirs.Trust == nil || !strings.Contains(theirs.Trust.String(), "123456789012") {
		t.Errorf("theirs is\n%+v", theirs)
	}
}

// TestOwnRoles: a table that only says where an app is makes no second role of the app.
func TestOwnRoles(t *testing.T) {
	t.Parallel()
	top := "version = 1\nname = \"p\"\norg = \"acme\"\naccount = \"123456789012\"\n"
	for _, tt := range []struct {
		text string
		want string
	}{
		{"[apps.web]\n", "fly-acme-web"},
		{"[apps.web]\nconfig = \"a\"\n[roles.x]\napps = [\"web\"]\n", "fly-acme-x"},
		{"[apps.web]\nconfig = \"a\"\n[roles.x]\napps = [\"web\"]\nenv = \"B\"\n", "fly-acme-web fly-acme-x"},
		{"[apps.web]\nconfig = \"a\"\nenv = \"B\"\n[roles.x]\napps = [\"web\"]\nenv = \"B\"\n", "fly-acme-x"},
		{"[apps.web]\nconfig = \"a\"\nrole = \"x\"\n[roles.x]\napps = [\"web\"]\nenv = \"B\"\n", "fly-acme-x"},
		{"[apps.web]\nkeep = []\n[roles.x]\napps = [{ name = \"web\", env = \"B\" }]\n", "fly-acme-web fly-acme-x"},
		{"[roles.x]\n[apps.web]\nrole = \"x\"\n[apps.api]\nrole = \"x\"\nenv = \"C\"\n", "fly-acme-x"},
	} {
		if got := strings.Join(parse(t, top+tt.text).Request().RoleNames(), " "); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.text, got, tt.want)
		}
	}
}

func TestNarrow(t *testing.T) {
	t.Parallel()
	f := parse(t, strings.Replace(example, "${x}-", "b-", 1))
	for apps, want := range map[string]string{
		"web":      "fly-acme-backups fly-acme-web",
		"api":      "acme-backend theirs",
		"tenant-7": "fly-acme-tenants",
		"tenant-*": "fly-acme-tenants",
		"web api":  "acme-backend fly-acme-backups fly-acme-web theirs",
	} {
		part, err := f.Narrow(strings.Fields(apps))
		if err != nil {
			t.Fatal(err)
		}
		req := part.Request()
		if got := strings.Join(req.RoleNames(), " "); got != want || !req.Partial {
			t.Errorf("%s: %s, %v, want %s", apps, got, err, want)
		}
	}
	// Errors about the part have their places in the file.
	part, err := f.Narrow([]string{"tenant-7"})
	if err != nil {
		t.Fatal(err)
	}
	invalid := &setup.InvalidError{Field: setup.FieldRoleName, Role: 1, Value: "fly-acme-tenants", Reason: "bad"}
	if got := part.Locate(invalid).Error(); !strings.HasPrefix(got, "fly-aws.toml:38:8: ") { // [roles.tenants]
		t.Error(got)
	}
	for app, near := range map[string]string{"wep": "web", "tenant-42": "tenant-*", "unlike": ""} {
		_, err := f.Narrow([]string{app})
		var unknown *requestfile.UnknownAppError
		if !errors.As(err, &unknown) || unknown.App != app || unknown.Near != near {
			t.Errorf("%s: %v %+v", app, err, unknown)
		}
	}
}

// IAM allows roles named "." and "..": their policies are still kept below the file's folder,
// and apart from those of others.
// TestPartition: the regions say in which partition the roles are.
func TestPartition(t *testing.T) {
	t.Parallel()
	for region, want := range map[string]string{
		"":                                       "aws",
		"[defaults]\nregion = \"eu-west-1\"":     "aws",
		"[defaults]\nregion = \"cn-north-1\"":    "aws-cn",
		"[apps.api]\nregion = \"us-gov-west-1\"": "aws-us-gov",
	} {
		file, err := requestfile.Parse("f", []byte("version = 1\nname = \"p\"\norg = \"acme\"\naccount = \"123456789012\"\n"+region+"\n[apps.web]\n"), nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := file.Partition(); got != want {
			t.Errorf("with %q it is %s, want %s", region, got, want)
		}
	}
}

func TestPolicyPath(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, role := range []string{"web", ".", "..", "...", "_."} {
		for _, path := range []string{requestfile.PolicyPath(role, ".."), requestfile.TrustPath(role)} {
			if path != filepath.ToSlash(filepath.Clean(path)) || !filepath.IsLocal(path) || seen[path] != "" {
				t.Errorf("the path for role %q is %s, as for %q", role, path, seen[path])
			}
			seen[path] = role
		}
	}
}

func TestLocate(t *testing.T) {
	t.Parallel()
	f := parse(t, strings.Replace(example, "${x}-", "b-", 1))
	other := errors.New("something else")
	err := f.Locate(errors.Join(
		&setup.InvalidError{Field: setup.FieldConfig, Role: 3, App: "web", Value: "apps/web/fly.toml", Reason: "it is the file of the app \"x\""},
		other,
		&setup.InvalidError{Field: setup.FieldPolicy, Role: 1, Value: "arn:aws:iam::123456789012:policy/web", Reason: "no managed policy has this name"},
		&setup.InvalidError{Field: setup.FieldPath, Role: 1, Value: "x", Reason: "bad"},
	))
	const want = `fly-aws.toml:11:7: path "x" cannot be used: bad
fly-aws.toml:12:1: config "apps/web/fly.toml" cannot be used: it is the file of the app "x"
fly-aws.toml:14:36: policy "arn:aws:iam::123456789012:policy/web" cannot be used: no managed policy has this name
something else`
	if err.Error() != want || !errors.Is(err, other) || !errors.As(err, new(*setup.InvalidError)) {
		t.Errorf("%v", err)
	}
	if f.Locate(nil) != nil {
		t.Error("an error of none")
	}
}

// TestEveryFieldHasAKey compares the file with the request.
func TestEveryFieldHasAKey(t *testing.T) {
	t.Parallel()
	// These are about a run; a document is what Source names.
	want := []string{"Request.Partial", "Request.Adopt", "Request.Prune", "Request.Prove", "Request.Manager", "InlinePolicy.Document", "Preset.Name", "Preset.Answer"}
	have := slices.Concat(want, requestfile.Fields())
	for _, v := range []any{setup.Request{}, setup.RoleRequest{}, setup.App{}, setup.InlinePolicy{}, setup.Preset{}} {
		for field := range reflect.TypeOf(v).Fields() {
			name := reflect.TypeOf(v).Name() + "." + field.Name
			if !slices.Contains(have, name) {
				t.Errorf("no key of the file fills %s", name)
			}
			have = slices.DeleteFunc(have, func(s string) bool { return s == name })
		}
	}
	if len(have) > 0 {
		t.Errorf("there is no %v", have)
	}
}

// TestNewRoundTrip: a request survives being written and read.
func TestNewRoundTrip(t *testing.T) {
	t.Parallel()
	written := 0
	for seed := range uint64(2000) {
		req, documents := randomRequest(rand.New(rand.NewPCG(seed, 1)))
		if req.Check() != nil {
			continue
		}
		written++
		text := requestfile.New(req)
		f, err := requestfile.Parse("fly-aws.toml", text, documents)
		if err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, text)
		}
		if got, want := normal(f.Request()), normal(req); !reflect.DeepEqual(got, want) {
			t.Fatalf("seed %d: it is\n%+v\nnot\n%+v\n%s", seed, got, want, text)
		}
	}
	if written < 100 {
		t.Errorf("only %d requests were valid", written)
	}
}

// normal is a request with the names of its roles, and with what the file groups
// together.
func normal(req setup.Request) setup.Request {
	req.Roles = slices.Clone(req.Roles)
	for i := range req.Roles {
		r := &req.Roles[i]
		r.Name = req.RoleName(*r)
		r.Presets, r.Conditions, r.Apps = slices.Clone(r.Presets), slices.Clone(r.Conditions), slices.Clone(r.Apps)
		first := func(p setup.Preset) int {
			return slices.IndexFunc(r.Presets, func(q setup.Preset) bool { return q.Name == p.Name })
		}
		order := slices.Clone(r.Presets)
		slices.SortStableFunc(order, func(a, b setup.Preset) int { return first(a) - first(b) })
		r.Presets = order
		slices.SortFunc(r.Conditions, func(a, b trustpolicy.Condition) int { return strings.Compare(a.Operator+a.Key, b.Operator+b.Key) })
		for j := range r.Apps {
			r.Apps[j].Env = r.Apps[j].Variable()
			r.Apps[j].Machines = append([]string{}, r.Apps[j].Machines...)
		}
		if len(r.Tags) == 0 {
			r.Tags = nil
		}
	}
	return req
}

// randomRequest makes a request, often a valid one, and the files that it needs.
func randomRequest(rnd *rand.Rand) (setup.Request, func(string) ([]byte, error)) {
	documents := map[string][]byte{}
	pick := func(values ...string) string { return values[rnd.IntN(len(values))] }
	some := func(values ...string) []string {
		var out []string
		for _, v := range values {
			if rnd.IntN(3) == 0 {
				out = append(out, v)
			}
		}
		return out
	}
	req := setup.Request{
		Org: "acme", Account: "123456789012", File: pick("p", "a b"), Region: pick("", "eu-west-1"), Audience: pick("", "aud"),
	}
	configs, regions, arns := map[string]string{}, map[string]string{}, map[string]string{}
	for _, app := range []string{"web", "api", "worker"} {
		configs[app], regions[app], arns[app] = pick("", app+"/fly.toml"), pick("", "us-east-1"), pick("", "", "secret", "none")
	}
	for i := range 1 + rnd.IntN(4) {
		role := setup.RoleRequest{
			Name: pick("", "", "", fmt.Sprintf("fly-acme-r%d", i), fmt.Sprintf("r%d", i), "fly-acme-web"), Unmanaged: rnd.IntN(6) == 0,
			Path: pick("", "", "/fly/"), MaxSession: int32(rnd.IntN(2)) * 5400, Boundary: pick("", "Boundary"), SessionTags: rnd.IntN(2) == 0,
			Region: pick("", "", "eu-west-2"), Policies: some("A", "B", `arn:aws:iam::123456789012:policy/"q"`), Keep: some("policy:X", "statement:Y"),
		}
		if rnd.IntN(2) == 0 {
			role.Tags = map[string]string{pick("team", "a b"): pick("x", "")}
		}
		for _, app := range some("web", "api", "worker", "tenant-*", "t-*") {
			a := setup.App{Name: app, Config: configs[app], Region: regions[app], ARN: setup.ARNPlace(arns[app]), Env: pick("", "", "B", "C")}
			if a.Machines = some("m1", "m2"); a.IsPattern() {
				a.Env = ""
				role.Except = some("tenant-1", "tenant-2")
			}
			if rnd.IntN(8) == 0 {
				a.ARN = setup.ARNPlace(pick("", "secret"))
			}
			role.Apps = append(role.Apps, a)
		}
		for _, p := range some("s3-read=b-1", "sqs-send=q", "s3-read=b-2") {
			name, answer, _ := strings.Cut(p, "=")
			role.Presets = append(role.Presets, setup.Preset{Name: name, Answer: answer})
		}
		for _, c := range some("IpAddress aws:SourceIp 192.0.2.0/24", "StringLike aws:x ${aws:y}*", "IpAddress aws:VpcSourceIp 10.0.0.0/8") {
			parts := strings.Fields(c)
			role.Conditions = append(role.Conditions, trustpolicy.Condition{Operator: parts[0], Key: parts[1], Values: parts[2:]})
		}
		for _, name := range some("one", "two.x") {
			doc := []byte(fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Sid":"S%d","Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}`, i))
			source := fmt.Sprintf("policies/%d/%s", i, pick(name+".json", "file-"+name+".json"))
			documents[source] = doc
			p, err := setup.NewInlinePolicy(name, source, doc)
			if err != nil {
				panic(err)
			}
			role.Inline = append(role.Inline, p)
		}
		if role.Unmanaged && rnd.IntN(2) == 0 {
			role.Trust = trustpolicy.New(trustpolicy.Statement{Effect: trustpolicy.Allow, Principal: &trustpolicy.Principal{AWS: []string{"123456789012"}}, Action: []string{"sts:AssumeRole"}})
			documents[requestfile.TrustPath(req.RoleName(role))] = []byte(role.Trust.Indent())
		}
		req.Roles = append(req.Roles, role)
	}
	return req, func(path string) ([]byte, error) {
		if doc, ok := documents[path]; ok {
			return doc, nil
		}
		return nil, os.ErrNotExist
	}
}

// TestAdd edits each file in testdata/add as its first comments say; the result is in the
// golden file.
func TestAdd(t *testing.T) {
	t.Parallel()
	roles := map[string]setup.RoleRequest{
		"web": {Apps: []setup.App{{Name: "web", Config: "web/fly.toml"}}, Policies: []string{"A", "B"}, Presets: []setup.Preset{{Name: "s3-read", Answer: "b-1"}}},
		"web-settings": {
			Apps: []setup.App{{Name: "web", Region: "us-east-1", Machines: []string{"m1"}, ARN: setup.ARNInSecret}}, Path: "/x/", MaxSession: 7200, SessionTags: true,
			Tags: map[string]string{"team": "web", "a b": "c"}, Boundary: "Boundary", Keep: []string{"policy:K"}, Presets: []setup.Preset{{Name: "sqs-send", Answer: "q"}},
			Conditions: []trustpolicy.Condition{{Operator: "IpAddress", Key: "aws:SourceIp", Values: []string{"192.0.2.0/24"}}},
		},
		"shared":  {Name: "fly-acme-shared", Apps: []setup.App{{Name: "web"}, {Name: "api", Config: "api/fly.toml"}}, Policies: []string{"S"}},
		"second":  {Name: "fly-acme-second", Apps: []setup.App{{Name: "web", Env: "SECOND"}, {Name: "new", Config: "new/fly.toml", Env: "SECOND"}}},
		"pattern": {Name: "tenants", Apps: []setup.App{{Name: "tenant-*"}}, Except: []string{"tenant-1"}},
		"inline":  {Apps: []setup.App{{Name: "web"}}, Inline: []setup.InlinePolicy{{Name: "more", Source: "policies/more.json"}}},
	}
	paths, err := filepath.Glob("testdata/add/*.toml")
	if err != nil || len(paths) == 0 {
		t.Fatal(paths, err)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			first, _, _ := strings.Cut(string(text), "\n")
			f := parse(t, string(text))
			var add []setup.RoleRequest
			for _, name := range strings.Fields(strings.TrimPrefix(strings.TrimPrefix(first, "\xef\xbb\xbf"), "# add")) {
				role, ok := roles[strings.TrimSpace(name)]
				if !ok {
					t.Fatalf("no role %q", name)
				}
				add = append(add, role)
			}
			got, err := f.Add(add...)
			if err != nil {
				got = []byte(err.Error() + "\n")
			} else if again, err := parse(t, string(got)).Add(add...); err != nil || !bytes.Equal(got, again) {
				t.Errorf("once more it is %v\n%s", err, again)
			}
			golden := strings.TrimSuffix(path, ".toml") + ".golden"
			if *update {
				if err := os.WriteFile(golden, got, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if want, err := os.ReadFile(golden); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%v\n%s", err, got)
			}
		})
	}
}

var update = flag.Bool("update", false, "rewrite the golden files")

// TestAddRandom adds roles of one random request to the file of another. An error is
// about the request that it would be, except where the file's own layout is in the way.
func TestAddRandom(t *testing.T) {
	t.Parallel()
	added, layout := 0, 0
	for seed := range uint64(2500) {
		rnd := rand.New(rand.NewPCG(seed, 2))
		req, documents := randomRequest(rnd)
		more, others := randomRequest(rnd)
		if req.Check() != nil || more.Check() != nil {
			continue
		}
		read := func(path string) ([]byte, error) {
			if doc, err := documents(path); err == nil {
				return doc, nil
			}
			return others(path)
		}
		file, err := requestfile.Parse("f", requestfile.New(req), read)
		if err != nil {
			t.Fatal(err)
		}
		for _, role := range more.Roles {
			out, err := file.Add(role)
			switch {
			case errors.Is(err, requestfile.ErrLayout):
				layout++
				continue
			case err != nil:
				continue
			}
			added++
			next, err := requestfile.Parse("f", out, read)
			if err != nil {
				t.Fatalf("seed %d: %v\n%s", seed, err, out)
			}
			if twice, err := next.Add(role); err != nil || !bytes.Equal(twice, out) {
				t.Fatalf("seed %d: once more it is %v\n%s\n%s", seed, err, out, twice)
			}
		}
	}
	if added < 80 || layout > added/20 {
		t.Errorf("%d roles were added, %d refused for the layout", added, layout)
	}
}
