package wizard

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/fly-aws/fly-aws/setup"
)

// A world is Sources in memory. The zero value is empty and usable.
type world struct {
	profiles    []string
	identities  map[string]Identity // by profile; "" for no profile
	policies    []setup.ManagedPolicy
	policiesErr error
	orgs        []setup.Organization
	orgsErr     error
	apps        map[string][]string // by raw slug
	appsErr     error
	configs     []setup.AppConfig
	elsewhere   []setup.AppConfig // found only by ConfigAt
	files       map[string]string
	roles       map[string]Access
	rolesErr    error

	mu    sync.Mutex
	calls map[string]int
}

func (w *world) count(call string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.calls == nil {
		w.calls = map[string]int{}
	}
	w.calls[call]++
}

func (w *world) Profiles(context.Context) ([]string, error) {
	w.count("profiles")
	return w.profiles, nil
}

func (w *world) Identity(_ context.Context, profile string) (Identity, error) {
	w.count("identity " + profile)
	if id, ok := w.identities[profile]; ok {
		return id, nil
	}
	return Identity{}, fmt.Errorf("the credentials of profile %q have expired", profile)
}

func (w *world) Policies(context.Context, string) ([]setup.ManagedPolicy, error) {
	w.count("policies")
	return w.policies, w.policiesErr
}

func (w *world) DescribePolicy(_ context.Context, _, arn string) (string, error) {
	w.count("describe " + arn)
	return "What " + arn[strings.LastIndex(arn, "/")+1:] + " allows, as AWS \x1b[31mputs it.", nil
}

func (w *world) Roles(_ context.Context, _, org string, names []string) (map[string]Access, error) {
	w.count("roles " + org + " " + strings.Join(names, " "))
	found := map[string]Access{}
	for _, name := range names {
		if access, ok := w.roles[name]; ok {
			found[name] = access
		}
	}
	return found, w.rolesErr
}

func (w *world) Organizations(context.Context) ([]setup.Organization, error) {
	w.count("organizations")
	return w.orgs, w.orgsErr
}

func (w *world) Apps(_ context.Context, org string) ([]string, error) {
	w.count("apps " + org)
	return w.apps[org], w.appsErr
}

func (w *world) Configs(context.Context) ([]setup.AppConfig, error) { return w.configs, nil }

func (w *world) ConfigAt(_ context.Context, path string) (setup.AppConfig, error) {
	for _, c := range append(w.configs, w.elsewhere...) {
		if c.Path == path {
			return c, nil
		}
	}
	return setup.AppConfig{}, fmt.Errorf("there is no %q", path)
}

func (w *world) PolicyFile(_ context.Context, path string) (setup.InlinePolicy, error) {
	text, ok := w.files[path]
	if !ok {
		return setup.InlinePolicy{}, fmt.Errorf("there is no %q", path)
	}
	return setup.NewInlinePolicy(strings.TrimSuffix(path, ".json"), path, []byte(text))
}

var errOffline = errors.New("not signed in to Fly")

func managed(names ...string) []setup.ManagedPolicy {
	var all []setup.ManagedPolicy
	for _, name := range names {
		all = append(all, setup.ManagedPolicy{Name: name, ARN: "arn:aws:iam::aws:policy/" + name})
	}
	return all
}

// oneApp returns a world with one app's fly.toml, one organization and one account.
func oneApp() *world {
	return &world{
		identities: map[string]Identity{"": {
			Account: "111122223333", Alias: "acme-prod", Partition: "aws",
			Caller: "arn:aws:iam::111122223333:user/jane",
		}},
		policies: managed("AmazonS3FullAccess", "AmazonS3ReadOnlyAccess", "AmazonSQSFullAccess", "ReadOnlyAccess"),
		orgs:     []setup.Organization{{Slug: "acme", RawSlug: "acme", Name: "Acme"}},
		apps:     map[string][]string{"acme": {"api", "web", "worker"}},
		configs:  []setup.AppConfig{{Path: "fly.toml", Own: true, App: "web", PrimaryRegion: "fra"}},
		files:    map[string]string{"uploads.json": `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:PutObject","Resource":"arn:aws:s3:::uploads/*"}}`},
	}
}

// threeApps adds the config files of the other two apps, each in its own folder.
func threeApps() *world {
	w := oneApp()
	w.configs = append(w.configs, setup.AppConfig{Path: "api/fly.toml", App: "api"}, setup.AppConfig{Path: "worker/fly.toml", App: "worker"})
	return w
}

// everyQuestion returns a world in which every question is asked.
func everyQuestion() *world {
	w := threeApps()
	w.profiles = []string{"default", "prod"}
	w.identities["default"] = w.identities[""]
	w.orgs = append(w.orgs, setup.Organization{Slug: "personal", RawSlug: "jane-doe-123"})
	return w
}

func asJSON(t interface{ Fatal(...any) }, v any) string {
	text, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// ask asks the questions once.
func ask(ctx context.Context, o Options, s Sources, d Draft) (Result, error) {
	return New(o, s, d).Ask(ctx)
}

// command returns the arguments of the only command.
func (r Result) command() string {
	if len(r.Commands) != 1 {
		return fmt.Sprint(r.Commands)
	}
	return strings.Join(r.Commands[0], " ")
}
