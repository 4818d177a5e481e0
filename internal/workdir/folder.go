package workdir

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/fly-aws/fly-aws/flytoml"
	"github.com/fly-aws/fly-aws/setup"
)

// Folder is the folder a command runs in. It must not be copied after use.
type Folder struct {
	// Dir is its path, which relative paths of configs are relative to; empty for
	// the process's own working directory.
	Dir string

	mu sync.Mutex // held during a write, and for seen
	// seen holds what each file held when it was last read or written.
	seen map[string][sha256.Size]byte
}

var _ setup.Target = (*Folder)(nil)

// Config is a config file that was found.
type Config struct {
	// Path is as it was given, or relative to the folder: "fly.toml".
	Path string
	// App is the app that the file names, "" when it names none.
	App string
	// PrimaryRegion is Fly's, such as "fra"; AWSRegion is AWS_REGION in its env.
	// Both are "" when it has none.
	PrimaryRegion, AWSRegion string
}

// Find finds the config the way flyctl does (internal/command/command.go,
// appConfigFilePaths). A path is that of the file or of a
// folder with a fly.toml in it. Without a path it is fly.toml, fly.json or
// fly.yaml in the folder itself; folders above are not searched.
//
// The error is a *NotFoundError, a *FormatError for a file that is not TOML by
// its suffix, or a *FileError.
func (f *Folder) Find(path string) (Config, error) {
	candidates := []string{"fly.toml", "fly.json", "fly.yaml"}
	if path != "" {
		if info, err := os.Stat(f.abs(path)); err == nil && info.IsDir() {
			path = filepath.Join(path, candidates[0])
		}
		candidates = []string{path}
	}
	for _, candidate := range candidates {
		c, err := f.open(candidate)
		if absent := (*NotFoundError)(nil); errors.As(err, &absent) {
			continue
		}
		if err != nil {
			return Config{}, err
		}
		return c.config()
	}
	return Config{}, &NotFoundError{Tried: candidates}
}

// config is what the file says of itself.
func (c *configFile) config() (Config, error) {
	out := Config{Path: c.path}
	var errs [3]error
	out.App, _, errs[0] = flytoml.App(c.text)
	out.PrimaryRegion, _, errs[1] = flytoml.PrimaryRegion(c.text)
	out.AWSRegion, _, errs[2] = flytoml.Env(c.text, setup.EnvRegion)
	for _, err := range errs {
		if err != nil {
			return Config{}, &FileError{Path: c.path, Err: err}
		}
	}
	return out, nil
}

// Limits of what Nearby looks at: a folder may have the whole disk below it.
const (
	nearbyDepth   = 2
	nearbyFolders = 500
)

// Nearby finds the config files fly.toml in the folders below, at most two levels
// down and in the order of their paths, as a repository of several apps has them.
// Hidden folders and those of packages (node_modules, vendor) are left out, and so
// is what cannot be read or names no app.
func (f *Folder) Nearby(ctx context.Context) []Config {
	var found []Config
	left := nearbyFolders
	var look func(dir string, depth int)
	look = func(dir string, depth int) {
		entries, err := os.ReadDir(cmp.Or(f.abs(dir), "."))
		if err != nil {
			return
		}
		for _, entry := range entries {
			name := entry.Name()
			if !entry.IsDir() || strings.HasPrefix(name, ".") || name == "node_modules" || name == "vendor" {
				continue
			}
			if left--; left < 0 || ctx.Err() != nil {
				return
			}
			below := filepath.Join(dir, name)
			if c, err := f.open(filepath.Join(below, "fly.toml")); err == nil {
				if config, err := c.config(); err == nil && config.App != "" {
					found = append(found, config)
				}
			}
			if depth < nearbyDepth {
				look(below, depth+1)
			}
		}
	}
	look("", 1)
	return found
}

// Read returns those of the wanted entries that are there, with the values that
// flyctl would take from the file.
//
// The error is a *NotFoundError, *FormatError, *OtherAppError or *FileError.
func (f *Folder) Read(ctx context.Context, want []setup.Resource) ([]setup.Resource, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	files := make(map[string]*configFile)
	var found []setup.Resource
	for _, r := range want {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if r.Env == nil {
			return nil, notEnv(r)
		}
		file := files[r.Env.Config]
		if file == nil {
			var err error
			if file, err = f.open(r.Env.Config); err != nil {
				return nil, err
			}
			files[r.Env.Config] = file
		}
		value, ok, err := file.value(r.Env)
		if err != nil {
			return nil, err
		}
		if ok {
			have := *r.Env
			have.Value = value
			found = append(found, setup.Resource{Env: &have})
		}
	}
	if f.seen == nil {
		f.seen = make(map[string][sha256.Size]byte)
	}
	for _, file := range files {
		f.seen[file.target] = sha256.Sum256(file.text)
	}
	return found, nil
}

// Write sets the entry c.After in its file. An entry that has this value already
// is left as it is, and so is the file.
//
// The error is a *setup.StaleError when the entry is not what c.Before says, or
// when anything in the file changed since this Folder last read it, other than
// by its own writes; else as with Read.
func (f *Folder) Write(ctx context.Context, c setup.Change) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if c.After == nil || c.After.Env == nil {
		return notEnv(setup.Resource{})
	}
	want := c.After.Env
	file, err := f.open(want.Config)
	if err != nil {
		return err
	}
	value, ok, err := file.value(want)
	if err != nil {
		return err
	}
	if ok && value == want.Value {
		return nil
	}
	stale := func(reason string) error { return &setup.StaleError{ID: c.After.ID(), Reason: reason} }
	switch {
	case c.Before != nil && c.Before.Env == nil:
		return notEnv(*c.Before)
	case c.Before == nil && ok:
		return stale(fmt.Sprintf("it was added meanwhile, with the value %q", value))
	case c.Before != nil && !ok:
		return stale("it was removed meanwhile")
	case c.Before != nil && c.Before.Env.Value != value:
		return stale(fmt.Sprintf("its value is now %q", value))
	}
	seen, known := f.seen[file.target]
	if known && seen != sha256.Sum256(file.text) {
		return stale("the file was edited meanwhile")
	}

	text, err := flytoml.Set(file.text, want.Key, want.Value)
	if err != nil {
		return &FileError{Path: want.Config, Err: err}
	}
	unchanged := func() error {
		now, err := f.open(want.Config)
		if err != nil {
			return err
		}
		if now.target != file.target || !bytes.Equal(now.text, file.text) {
			return stale("the file was edited meanwhile")
		}
		return nil
	}
	if err := file.replace(text, unchanged); err != nil {
		return err
	}
	if known {
		f.seen[file.target] = sha256.Sum256(text)
	}
	return nil
}

// Preview returns a config's text as it is and as it would be with those of the
// changes that are to be written to it. It writes nothing.
//
// The error is as with Read.
func (f *Folder) Preview(config string, changes []setup.Change) (before, after []byte, err error) {
	file, err := f.open(config)
	if err != nil {
		return nil, nil, err
	}
	plan := setup.Plan{Changes: changes}
	after = file.text
	for _, c := range plan.Pending() {
		if c.After == nil || c.After.Env == nil || c.After.Env.Config != config {
			continue
		}
		if _, _, err := file.value(c.After.Env); err != nil {
			return nil, nil, err
		}
		if after, err = flytoml.Set(after, c.After.Env.Key, c.After.Env.Value); err != nil {
			return nil, nil, &FileError{Path: config, Err: err}
		}
	}
	return file.text, after, nil
}

// abs makes a config's path independent of the process's working directory.
func (f *Folder) abs(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(f.Dir, path)
}

// notEnv is said when a resource of another place ends up here.
func notEnv(r setup.Resource) error {
	return fmt.Errorf("%q is not an entry of a fly.toml", r.ID())
}

// isTOML says whether flyctl would read the file as TOML; it goes by the suffix
// (internal/appconfig/serde.go, LoadConfig).
func isTOML(path string) bool {
	return !strings.HasSuffix(path, ".json") && !strings.HasSuffix(path, ".yaml")
}
