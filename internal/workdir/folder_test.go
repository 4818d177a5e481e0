package workdir

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/fly-aws/fly-aws/flytoml"
	"github.com/fly-aws/fly-aws/setup"
)

const role = "arn:aws:iam::123456789012:role/fly-acme-shop"

// folder makes a folder with files, given by path and text.
func folder(t *testing.T, files map[string]string) *Folder {
	t.Helper()
	f := &Folder{Dir: t.TempDir()}
	for path, text := range files {
		path = filepath.Join(f.Dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

func env(key, value string) *setup.Resource {
	return &setup.Resource{Env: &setup.Env{Config: "fly.toml", App: "shop", Key: key, Value: value}}
}

func create(key, value string) setup.Change {
	return setup.Change{Action: setup.ActionCreate, After: env(key, value)}
}

func change(key, from, to string) setup.Change {
	return setup.Change{Action: setup.ActionUpdate, Before: env(key, from), After: env(key, to)}
}

func remove(key, value string) setup.Change {
	return setup.Change{Action: setup.ActionDelete, Before: env(key, value)}
}

func contents(t *testing.T, f *Folder, path string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(f.Dir, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// alone checks that the folder holds exactly the named files.
func alone(t *testing.T, f *Folder, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(f.Dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if slices.Sort(want); !slices.Equal(names, want) {
		t.Errorf("the folder holds %q, want %q", names, want)
	}
}

// as returns the error as a T, or fails.
func as[T error](t *testing.T, err error) T {
	t.Helper()
	var target T
	if !errors.As(err, &target) {
		t.Fatalf("got %T (%v), want %T", err, err, target)
	}
	return target
}

func write(t *testing.T, f *Folder, changes ...setup.Change) {
	t.Helper()
	for _, c := range changes {
		if err := writeTo(f, context.Background(), c); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	files := map[string]string{
		"fly.toml":         "app = 'web'\n",
		"fly.json":         "{}",
		"staging.toml":     "# none\n",
		"api/fly.toml":     "app = 'api'\n",
		"json/fly.json":    "{}",
		"yaml/fly.yaml":    "app: x\n",
		"yml/fly.yml":      "app: x\n",
		"empty/x":          "",
		"bad/fly.toml":     "app = 'x'\n[env]\nA = b\n",
		"odd/fly.toml":     "app = 1\n",
		"dir/fly.toml/x":   "",
		"large/fly.toml":   "# " + strings.Repeat("x", maxSize),
		"deep/in/fly.json": "{}",
	}
	f := folder(t, files)

	t.Run("found", func(t *testing.T) {
		t.Parallel()
		tests := []struct{ dir, path, wantPath, wantApp string }{
			{"", "", "fly.toml", "web"},
			{"", "fly.toml", "fly.toml", "web"},
			{"", "staging.toml", "staging.toml", ""},
			{"", "api", filepath.Join("api", "fly.toml"), "api"},
			{"", "api/", filepath.Join("api", "fly.toml"), "api"},
			{"api", "../fly.toml", "../fly.toml", "web"},
			{"api", filepath.Join(f.Dir, "fly.toml"), filepath.Join(f.Dir, "fly.toml"), "web"},
			{"", ".", "fly.toml", "web"},
			{"json", "", "fly.json", ""},
			{"yaml", "", "fly.yaml", "x"},
			{"", "fly.json", "fly.json", ""},
		}
		for _, test := range tests {
			at := &Folder{Dir: filepath.Join(f.Dir, test.dir)}
			got, err := at.Find(test.path)
			if want := (setup.AppConfig{Path: test.wantPath, App: test.wantApp}); err != nil || got != want {
				t.Errorf("in %q, %q: got %+v, %v; want %+v", test.dir, test.path, got, err, want)
			}
		}
	})

	t.Run("not found", func(t *testing.T) {
		t.Parallel()
		tests := []struct {
			dir, path string
			tried     []string
		}{
			{"empty", "", []string{"fly.toml", "fly.json", "fly.yaml"}}, // not the parent
			{"yml", "", []string{"fly.toml", "fly.json", "fly.yaml"}},
			{"", "x.toml", []string{"x.toml"}},
			{"", "x.json", []string{"x.json"}},
			{"", "empty", []string{filepath.Join("empty", "fly.toml")}},
			{"", "json", []string{filepath.Join("json", "fly.toml")}},
			{"", "fly.toml/x", []string{"fly.toml/x"}},
		}
		for _, test := range tests {
			at := &Folder{Dir: filepath.Join(f.Dir, test.dir)}
			_, err := at.Find(test.path)
			got := as[*NotFoundError](t, err)
			if !slices.Equal(got.Tried, test.tried) {
				t.Errorf("in %q, %q: tried %q, want %q", test.dir, test.path, got.Tried, test.tried)
			}
		}
	})

	t.Run("unfit", func(t *testing.T) {
		t.Parallel()
		for path, want := range map[string]string{
			"bad":   "line 3, column 5: ",
			"odd":   "line 1, column 1: app is not a string",
			"dir":   "is a folder, not a file",
			"large": "is larger than 1024 KiB",
		} {
			_, err := f.Find(path)
			as[*FileError](t, err)
			want = fmt.Sprintf("%q: %s", filepath.Join(path, "fly.toml"), want)
			if !strings.HasPrefix(err.Error(), want) {
				t.Errorf("got %v, want %s", err, want)
			}
		}
		_, err := f.Find("bad")
		if got := as[*flytoml.SyntaxError](t, err); got.Line != 3 || got.Column != 5 {
			t.Errorf("got line %d, column %d", got.Line, got.Column)
		}
	})
}

// Nearby finds the apps of a repository, and skips what is hidden, vendored, broken
// or too deep.
func TestNearby(t *testing.T) {
	t.Parallel()
	files := map[string]string{
		"fly.toml":                  "app = 'own'\n",
		"api/fly.toml":              "app = 'api'\nprimary_region = 'fra'\n[env]\nAWS_REGION = 'eu-west-1'\n",
		"apps/worker/fly.toml":      "app = 'worker'\n",
		"apps/deep/er/fly.toml":     "app = 'deep'\n",
		"bad/fly.toml":              "app = \n",
		"json/fly.json":             "{}",
		"nameless/fly.toml":         "# none\n",
		".git/fly.toml":             "app = 'git'\n",
		"node_modules/pkg/fly.toml": "app = 'pkg'\n",
		"dir/fly.toml/x":            "",
	}
	f := folder(t, files)
	if err := os.Symlink(f.Dir, filepath.Join(f.Dir, "loop")); err != nil {
		t.Log("without a loop:", err)
	}
	want := []setup.AppConfig{
		{Path: filepath.Join("api", "fly.toml"), App: "api", PrimaryRegion: "fra", AWSRegion: "eu-west-1"},
		{Path: filepath.Join("apps", "worker", "fly.toml"), App: "worker"},
	}
	if got := f.Nearby(t.Context()); !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// Nearby stops after a number of folders.
func TestNearbyEnds(t *testing.T) {
	t.Parallel()
	files := map[string]string{}
	for i := range nearbyFolders + 10 {
		files[fmt.Sprintf("a%04d/fly.toml", i)] = fmt.Sprintf("app = 'a%d'\n", i)
	}
	if got := folder(t, files).Nearby(t.Context()); len(got) != nearbyFolders {
		t.Errorf("found %d, want %d", len(got), nearbyFolders)
	}
}

func TestErrorsQuoteNames(t *testing.T) {
	t.Parallel()
	const name = "\x1b[31m\n"
	for _, err := range []error{
		&NotFoundError{Tried: []string{name, name}},
		&FormatError{Path: name},
		&OtherAppError{Path: name, App: name, Want: name},
		&FileError{Path: name, Err: fs.ErrPermission},
	} {
		if strings.ContainsAny(err.Error(), "\x1b\n") {
			t.Errorf("%T: %q", err, err.Error())
		}
	}
}

func TestRead(t *testing.T) {
	t.Parallel()
	f := folder(t, map[string]string{
		"fly.toml":     "app = 'shop'\n[env]\nA = 'a'\nN = 8080\n",
		"api/fly.toml": "[env]\nA = 'other'\n",
	})
	other := &setup.Env{Config: "api/fly.toml", App: "api", Key: "A"}
	kept := &setup.Env{Config: "fly.toml", App: "shop", Key: "A", Value: "new", IfAbsent: true}
	got, err := f.Read(context.Background(), []setup.Resource{
		*env("N", "1"), *env("ABSENT", "1"), {Env: other}, {Env: kept},
	})
	if err != nil {
		t.Fatal(err)
	}
	var values []string
	for _, r := range got {
		values = append(values, r.ID()+"="+r.Env.Value)
	}
	want := []string{"env:fly.toml:N=8080", "env:api/fly.toml:A=other", "env:fly.toml:A=a"}
	if !slices.Equal(values, want) {
		t.Errorf("got %q, want %q", values, want)
	}
	if kept.Value != "new" {
		t.Error("the resource asked for was changed")
	}
}

func TestReadErrors(t *testing.T) {
	t.Parallel()
	f := folder(t, map[string]string{
		"fly.toml": "app = 'web'\n",
		"fly.json": "{",
		"bad.toml": "=",
		"odd.toml": "env = 1\n",
	})
	read := func(r setup.Resource) error {
		got, err := f.Read(context.Background(), []setup.Resource{r})
		if got != nil {
			t.Errorf("%s: got %v beside an error", r.ID(), got)
		}
		return err
	}
	at := func(config string) setup.Resource {
		return setup.Resource{Env: &setup.Env{Config: config, App: "shop", Key: "A"}}
	}
	if got := as[*OtherAppError](t, read(at("fly.toml"))); *got != (OtherAppError{"fly.toml", "web", "shop"}) {
		t.Errorf("got %+v", got)
	}
	as[*flytoml.SyntaxError](t, read(at("fly.json")))
	as[*NotFoundError](t, read(at("none.toml")))
	as[*flytoml.SyntaxError](t, read(at("bad.toml")))
	as[*flytoml.SyntaxError](t, read(at("odd.toml")))
	as[*FileError](t, read(at("")))
	// One error for each file.
	_, err := f.Read(context.Background(), []setup.Resource{at("none.toml"), at("bad.toml"), at("none.toml"), at("fly.toml"), at("fly.toml")})
	if err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("got %v", err)
	}
	if err := read(setup.Resource{Role: &setup.Role{Name: "r"}}); err == nil {
		t.Error("a role was read from a folder")
	}

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := f.Read(ctx, []setup.Resource{at("fly.toml")}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if err := writeTo(f, ctx, create("A", "1")); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestWrite(t *testing.T) {
	t.Parallel()
	f := folder(t, map[string]string{"fly.toml": "\xef\xbb\xbfapp = 'shop'\r\n\r\n[env]\r\n  A = 'a' # c\r\n\r\n[[vm]]\r\n  cpus = 1"})
	ctx := context.Background()
	for _, r := range []*setup.Resource{env("A", ""), env("AWS_ROLE_ARN", role)} {
		if _, err := f.Read(ctx, []setup.Resource{*r}); err != nil {
			t.Fatal(err)
		}
	}
	write(t, f, create("AWS_ROLE_ARN", role), change("A", "a", "b"))
	want := "\xef\xbb\xbfapp = 'shop'\r\n\r\n[env]\r\n  A = 'b' # c\r\n  AWS_ROLE_ARN = '" + role + "'\r\n\r\n[[vm]]\r\n  cpus = 1"
	if got := contents(t, f, "fly.toml"); got != want {
		t.Errorf("got\n%q, want\n%q", got, want)
	}
	alone(t, f, "fly.toml")
}

// Write does not write an entry that already is as wanted, whatever the plan found.
func TestWriteNothing(t *testing.T) {
	t.Parallel()
	f := folder(t, map[string]string{"fly.toml": "[env]\nA = \"\"\"a\"\"\"\n"})
	path := filepath.Join(f.Dir, "fly.toml")
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	write(t, f, create("A", "a"), change("A", "old", "a"))
	after, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if !os.SameFile(before, after) || before.ModTime() != after.ModTime() {
		t.Error("the file was written")
	}
}

func TestWriteStale(t *testing.T) {
	t.Parallel()
	const src = "app = 'shop'\n[env]\nA = 'a'\n"
	tests := []struct {
		name   string
		change setup.Change
		edit   string // what the file becomes after it was read
		reason setup.Reason
	}{
		{"added", create("A", "b"), "", setup.Reason{Code: setup.ReasonExists, Have: "a", Want: "b"}},
		{"removed", change("B", "b", "c"), "", setup.Reason{Code: setup.ReasonGone}},
		{"changed", change("A", "b", "c"), "", setup.Reason{Code: setup.ReasonValue, Have: "a", Want: "b"}},
		{"edited elsewhere", change("A", "a", "b"), src + "\n", setup.Reason{Code: setup.ReasonFileEdited}},
		{"edited elsewhere, create", create("B", "b"), "app = 'shop'\n", setup.Reason{Code: setup.ReasonFileEdited}},
		{"edited elsewhere, delete", remove("A", "a"), src + "\n", setup.Reason{Code: setup.ReasonFileEdited}},
		{"changed, delete", remove("A", "b"), "", setup.Reason{Code: setup.ReasonValue, Have: "a", Want: "b"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			f := folder(t, map[string]string{"fly.toml": src})
			if _, err := f.Read(context.Background(), []setup.Resource{test.change.Resource()}); err != nil {
				t.Fatal(err)
			}
			want := src
			if test.edit != "" {
				want = test.edit
				if err := os.WriteFile(filepath.Join(f.Dir, "fly.toml"), []byte(want), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			got := as[*setup.StaleError](t, writeTo(f, context.Background(), test.change))
			if got.Reason != test.reason || got.Resource.ID() != test.change.Resource().ID() {
				t.Errorf("got %+v, want %+v", got, test.reason)
			}
			if got := contents(t, f, "fly.toml"); got != want {
				t.Errorf("the file became %q", got)
			}
			alone(t, f, "fly.toml")
		})
	}
}

// A saved plan is applied without a read; then only the entry has to be unchanged.
func TestWriteWithoutRead(t *testing.T) {
	t.Parallel()
	f := folder(t, map[string]string{"fly.toml": "[env]\nA = 'a'\n"})
	write(t, f, change("A", "a", "b"))
	if err := os.WriteFile(filepath.Join(f.Dir, "fly.toml"), []byte("# edited\n[env]\nA = 'b'\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	write(t, f, create("B", "c"))
	if got, want := contents(t, f, "fly.toml"), "# edited\n[env]\nA = 'b'\nB = 'c'\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestWriteErrors(t *testing.T) {
	t.Parallel()
	files := map[string]string{
		"fly.toml": "app = 'web'\n",
		"fly.yaml": "app: shop\n",
		"bad.toml": "[env]\nA = x\n",
		"odd.toml": "[env.A]\nx = 1\n",
	}
	f := folder(t, files)
	at := func(config string) error {
		r := setup.Resource{Env: &setup.Env{Config: config, App: "shop", Key: "A", Value: "v"}}
		before := setup.Resource{Env: &setup.Env{Value: "map[x:1]"}}
		return writeTo(f, context.Background(), setup.Change{Action: setup.ActionUpdate, Before: &before, After: &r})
	}
	as[*OtherAppError](t, at("fly.toml"))
	as[*FormatError](t, at("fly.yaml"))
	as[*NotFoundError](t, at("none.toml"))
	as[*flytoml.SyntaxError](t, at("bad.toml"))
	as[*flytoml.SyntaxError](t, at("odd.toml"))
	for _, c := range []setup.Change{
		{},
		{After: &setup.Resource{Role: &setup.Role{Name: "r"}}},
		{Before: &setup.Resource{}, After: &setup.Resource{Env: &setup.Env{Config: "odd.toml", Key: "B", Value: "v"}}},
	} {
		if err := writeTo(f, context.Background(), c); err == nil {
			t.Errorf("%+v was written", c)
		}
	}
	for path, want := range files {
		if got := contents(t, f, path); got != want {
			t.Errorf("%s became %q", path, got)
		}
	}
	alone(t, f, "fly.toml", "fly.yaml", "bad.toml", "odd.toml")
}

// A change made while the replacement is being written is not overwritten.
func TestReplaceLate(t *testing.T) {
	t.Parallel()
	f := folder(t, map[string]string{"fly.toml": "# old\n"})
	file, err := f.open("fly.toml")
	if err != nil {
		t.Fatal(err)
	}
	late := errors.New("late")
	r, err := file.replacement()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.write([]byte("# new\n"), func() error { return late }); !errors.Is(err, late) {
		t.Errorf("got %v", err)
	}
	if got := contents(t, f, "fly.toml"); got != "# old\n" {
		t.Errorf("got %q", got)
	}
	alone(t, f, "fly.toml")
}

// Concurrent writes of one Folder all succeed, and a reader never sees half a file.
func TestWriteConcurrently(t *testing.T) {
	t.Parallel()
	const n = 16
	f := folder(t, map[string]string{"fly.toml": "app = 'shop'\n"})
	var want []setup.Resource
	for i := range n {
		want = append(want, *env(fmt.Sprintf("K%d", i), "v"))
	}
	if _, err := f.Read(context.Background(), want); err != nil {
		t.Fatal(err)
	}

	done := make(chan struct{})
	var reader, writers sync.WaitGroup
	reader.Go(func() {
		for runtime.GOOS != "windows" { // which cannot replace an open file
			select {
			case <-done:
				return
			default:
			}
			b, err := os.ReadFile(filepath.Join(f.Dir, "fly.toml"))
			if err != nil || !bytes.HasPrefix(b, []byte("app = 'shop'\n")) || !bytes.HasSuffix(b, []byte("\n")) {
				t.Errorf("a reader saw %q, %v", b, err)
				return
			}
		}
	})
	for _, r := range want {
		writers.Go(func() {
			if err := writeTo(f, context.Background(), create(r.Env.Key, "v")); err != nil {
				t.Error(err)
			}
		})
	}
	writers.Wait()
	close(done)
	reader.Wait()

	got, err := f.Read(context.Background(), want)
	if err != nil || len(got) != n {
		t.Errorf("%d of %d entries are there, %v", len(got), n, err)
	}
	alone(t, f, "fly.toml")
}

func TestPreview(t *testing.T) {
	t.Parallel()
	const src = "app = 'shop'\n[env]\nA = 'a'\nB = 'b'\n"
	f := folder(t, map[string]string{"fly.toml": src, "fly.json": "{}"})
	elsewhere := create("X", "x")
	elsewhere.After.Env.Config = "other.toml"
	keep := change("B", "b", "not written")
	keep.Action = setup.ActionKeep
	before, after, err := f.Preview("fly.toml", []setup.Change{
		change("A", "a", "z"), keep, elsewhere, create("C", "c"),
		{Action: setup.ActionCreate, After: &setup.Resource{Role: &setup.Role{}}},
	})
	if want := "app = 'shop'\n[env]\nA = 'z'\nB = 'b'\nC = 'c'\n"; err != nil || string(before) != src || string(after) != want {
		t.Errorf("got %q, %q, %v", before, after, err)
	}
	if got := contents(t, f, "fly.toml"); got != src {
		t.Errorf("the file became %q", got)
	}

	wrong := create("C", "c")
	wrong.After.Env.App = "web"
	_, _, err = f.Preview("fly.toml", []setup.Change{wrong})
	as[*OtherAppError](t, err)
	_, _, err = f.Preview("fly.json", nil)
	as[*FormatError](t, err)
	_, _, err = f.Preview("none.toml", nil)
	as[*NotFoundError](t, err)
}

// Check reports everything that would stop a write, and writes nothing.
func TestCheck(t *testing.T) {
	t.Parallel()
	f := folder(t, map[string]string{
		"fly.toml":     "app = 'shop'\n[env]\nA = 'a'\n",
		"odd/fly.toml": "[env.A]\nx = 1\n",
		"bad/fly.toml": "=",
	})
	at := func(config string) setup.Change {
		c := create("A", "b")
		c.After.Env.Config = config
		return c
	}
	good := []setup.Change{change("A", "a", "b"), create("B", "b"), remove("A", "b")}
	if err := f.Check(t.Context(), good); err != nil {
		t.Error(err)
	}
	err := f.Check(t.Context(), append(good, at("odd/fly.toml"), at("bad/fly.toml"), at("none.toml")))
	for _, name := range []string{"odd/fly.toml", "bad/fly.toml", "none.toml"} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s is not in %v", name, err)
		}
	}
	alone(t, f, "fly.toml", "odd", "bad")
	if got := contents(t, f, "fly.toml"); got != "app = 'shop'\n[env]\nA = 'a'\n" {
		t.Errorf("the file became %q", got)
	}
	if err := f.Check(t.Context(), []setup.Change{{After: &setup.Resource{Role: &setup.Role{}}}}); err == nil {
		t.Error("a role was checked")
	}
}

// Removing an entry keeps every other byte; removing an absent one changes nothing.
func TestRemove(t *testing.T) {
	t.Parallel()
	const src = "\xef\xbb\xbfapp = 'shop'\r\n[env]\r\n  A = 'a' # c\r\n\r\n[[vm]]\r\n  cpus = 1"
	f := folder(t, map[string]string{"fly.toml": src})
	write(t, f, create("K", "v"), remove("K", "v"), remove("K", "v"))
	if got := contents(t, f, "fly.toml"); got != src {
		t.Errorf("got %q, want %q", got, src)
	}
	write(t, f, remove("A", "a"))
	if got, want := contents(t, f, "fly.toml"), strings.Replace(src, "  A = 'a' # c\r\n", "", 1); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	alone(t, f, "fly.toml")
}

// The next write removes what a killed run left of this file, and no other files.
func TestLeftovers(t *testing.T) {
	t.Parallel()
	f := folder(t, map[string]string{
		"fly.toml": "[env]\n", ".fly.toml.fly-aws-123": "half", ".fly.toml.swp": "vim's", ".api.toml.fly-aws-1": "of another",
		".fly.toml.fly-aws-notes": "a person's",
	})
	write(t, f, create("A", "a"))
	alone(t, f, "fly.toml", ".fly.toml.swp", ".api.toml.fly-aws-1", ".fly.toml.fly-aws-notes")
}

// A run that plans, checks, writes and reads back parses the text twice: before and
// after the edit.
func TestParsedOnce(t *testing.T) { //nolint:paralleltest // it counts for the whole package
	f := folder(t, map[string]string{"fly.toml": "app = 'shop'\n[env]\n"})
	count := 0
	original := parse
	parse = func(src []byte) (*flytoml.File, error) {
		count++
		return original(src)
	}
	defer func() { parse = original }()
	want := []setup.Resource{*env("A", "a"), *env("B", "b")}
	if _, err := f.Find(""); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := f.Read(t.Context(), want); err != nil {
			t.Fatal(err)
		}
	}
	if count != 1 {
		t.Errorf("planning parsed it %d times", count)
	}
	c := create("A", "a")
	if err := f.Check(t.Context(), []setup.Change{c}); err != nil {
		t.Fatal(err)
	}
	before := f.edits
	write(t, f, c)
	if len(before) != 1 || len(f.edits) != 1 {
		t.Errorf("the edit was made %d times", len(f.edits))
	}
	if _, err := f.Read(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	if count != 1 {
		t.Errorf("parsed again %d times", count)
	}
}

// writeTo makes a change without its receipt, which is empty for files.
func writeTo(f *Folder, ctx context.Context, c setup.Change) error { //nolint:revive // in the order of Write
	_, err := f.Write(ctx, c)
	return err
}

// A folder in memory does what one on a disk does, and makes no file.
func TestInMemory(t *testing.T) {
	t.Parallel()
	const text = "app = 'shop' # ours\n\n[env]\n  LOG = 'info'\n"
	disk, memory := folder(t, map[string]string{"fly.toml": text}), InMemory("fly.toml", text)
	for _, f := range []*Folder{disk, memory} {
		changes := []setup.Change{create("AWS_REGION", "eu-west-1"), change("LOG", "info", "debug"), remove("AWS_REGION", "eu-west-1")}
		if err := f.Check(t.Context(), changes); err != nil {
			t.Fatal(err)
		}
		write(t, f, changes...)
		as[*setup.StaleError](t, writeTo(f, t.Context(), change("LOG", "info", "warn")))
		other := setup.Resource{Env: &setup.Env{Config: "fly.toml", App: "api", Key: "LOG"}}
		_, err := f.Read(t.Context(), []setup.Resource{other})
		as[*OtherAppError](t, err)
		absent := setup.Resource{Env: &setup.Env{Config: "other.toml", App: "shop", Key: "LOG"}}
		_, err = f.Read(t.Context(), []setup.Resource{absent})
		as[*NotFoundError](t, err)
		found, err := f.Read(t.Context(), []setup.Resource{*env("LOG", ""), *env("AWS_REGION", "")})
		if err != nil || len(found) != 1 || found[0].Env.Value != "debug" {
			t.Errorf("read %+v, %v", found, err)
		}
	}
	got, _, err := memory.Preview("fly.toml", nil)
	if want := contents(t, disk, "fly.toml"); err != nil || string(got) != want || want == text {
		t.Errorf("in memory it is\n%s%v, on the disk\n%s", got, err, want)
	}
}
