package workdir

import (
	"bytes"
	"cmp"
	"context"
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
	// Dir is the folder that relative paths of configs start from; empty for the
	// process's working directory.
	Dir string

	mu sync.Mutex
	// memory holds the files of InMemory by path; nil for those on the disk.
	memory map[string][]byte
	// parsed holds each file as last parsed, seen as of the last Read or Write,
	// both by path with symbolic links resolved.
	parsed, seen map[string]*flytoml.File
	// edits caches the results of edits.
	edits map[edit]*flytoml.File
}

var _ setup.Target = (*Folder)(nil)

// InMemory returns a folder on no disk that holds one config at a relative path. It reads,
// edits and refuses what any Folder does; Find and Nearby are not for it.
func InMemory(path, text string) *Folder {
	return &Folder{memory: map[string][]byte{path: []byte(text)}}
}

// Find finds the config as flyctl does (internal/command/command.go,
// appConfigFilePaths). The path is a file or a folder with a fly.toml in it.
// Without a path, Find looks for fly.toml, fly.json or fly.yaml in the folder
// itself, not in its parents.
//
// The error is a *NotFoundError or a *FileError.
func (f *Folder) Find(path string) (setup.AppConfig, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	candidates := []string{"fly.toml", "fly.json", "fly.yaml"}
	if path != "" {
		if info, err := os.Stat(f.abs(path)); err == nil && info.IsDir() {
			path = filepath.Join(path, candidates[0])
		}
		candidates = []string{path}
	}
	for _, candidate := range candidates {
		c, err := f.read(candidate)
		if absent := (*NotFoundError)(nil); errors.As(err, &absent) {
			continue
		}
		if err != nil {
			return setup.AppConfig{}, err
		}
		return c.config(), nil
	}
	return setup.AppConfig{}, &NotFoundError{Tried: candidates}
}

// config returns the file's own settings.
func (c *configFile) config() setup.AppConfig {
	region, _ := c.Env(setup.EnvRegion)
	return setup.AppConfig{Path: c.path, App: c.App(), PrimaryRegion: c.PrimaryRegion(), AWSRegion: region}
}

// Limits for Nearby: the folder could hold a whole disk.
const (
	nearbyDepth   = 2
	nearbyFolders = 500
)

// Nearby finds the fly.toml files of a repository with several apps: at most two
// levels below the folder, sorted by path. It skips hidden folders, node_modules
// and vendor, and files that cannot be read or name no app.
func (f *Folder) Nearby(ctx context.Context) []setup.AppConfig {
	f.mu.Lock()
	defer f.mu.Unlock()
	var found []setup.AppConfig
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
			if c, err := f.open(filepath.Join(below, "fly.toml")); err == nil && c.App() != "" {
				found = append(found, c.config())
			}
			if depth < nearbyDepth {
				look(below, depth+1)
			}
		}
	}
	look("", 1)
	return found
}

// Read implements setup.Target. The values are those that flyctl would read from
// the file, which can be a fly.json or fly.yaml.
//
// The errors, joined, are a *NotFoundError, *OtherAppError or *FileError for each file.
func (f *Folder) Read(ctx context.Context, want []setup.Resource) ([]setup.Resource, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	files := map[string]*configFile{} // nil for one with an error
	var found []setup.Resource
	var errs []error
	for _, r := range want {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if r.Env == nil {
			return nil, notEnv(r)
		}
		file, ok := files[r.Env.Config]
		if !ok {
			var err error
			if file, err = f.read(r.Env.Config); err != nil {
				errs = append(errs, err)
			}
			files[r.Env.Config] = file
		}
		if file == nil {
			continue
		}
		have, err := file.entry(r.Env)
		if err != nil {
			errs = append(errs, err)
			files[r.Env.Config] = nil
		}
		if have != nil {
			found = append(found, *have)
		}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	if f.seen == nil {
		f.seen = map[string]*flytoml.File{}
	}
	for _, file := range files {
		if file.toml != nil {
			f.seen[file.target] = file.toml
		}
	}
	return found, nil
}

// Check implements setup.Target. It makes the edits in memory, and creates and
// removes a temporary file beside each config.
//
// The errors are as with Read, or a *FormatError for a file that is not TOML.
func (f *Folder) Check(ctx context.Context, changes []setup.Change) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	files := map[string]*configFile{}
	var errs []error
	for _, c := range changes {
		if err := ctx.Err(); err != nil {
			return err
		}
		env := c.Resource().Env
		if env == nil {
			return notEnv(c.Resource())
		}
		file, ok := files[env.Config]
		if !ok {
			var err error
			if file, err = f.openReplaceable(env.Config); err != nil {
				errs = append(errs, err)
			}
			files[env.Config] = file
		}
		if file == nil {
			continue
		}
		after, err := f.edited(file, c)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		file.toml = after
	}
	return errors.Join(errs...)
}

// openReplaceable opens a config that can be replaced.
func (f *Folder) openReplaceable(config string) (*configFile, error) {
	file, err := f.open(config)
	if err != nil || f.memory != nil {
		return file, err
	}
	r, err := file.replacement()
	if err != nil {
		return nil, err
	}
	r.discard()
	return file, nil
}

// Write implements setup.Target. If the entry already is as c says, the file is not
// written. If someone else changed anything in the file since this Folder last read
// it, the change is stale.
//
// Other errors are as with Check.
func (f *Folder) Write(ctx context.Context, c setup.Change) (setup.Receipt, error) {
	return setup.Receipt{}, f.write(ctx, c)
}

func (f *Folder) write(ctx context.Context, c setup.Change) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	env := c.Resource().Env
	if env == nil || c.Before != nil && c.Before.Env == nil {
		return notEnv(c.Resource())
	}
	file, err := f.open(env.Config)
	if err != nil {
		return err
	}
	have, err := file.entry(env)
	if err != nil {
		return err
	}
	if done, err := c.Compare(have); done || err != nil {
		return err
	}
	edited := &setup.StaleError{Resource: c.Resource(), Reason: setup.Reason{Code: setup.ReasonFileEdited}}
	if seen := f.seen[file.target]; seen != nil && !bytes.Equal(seen.Bytes(), file.toml.Bytes()) {
		return edited
	}
	after, err := f.edited(file, c)
	if err != nil {
		return err
	}
	unchanged := func() error {
		now, text, err := f.load(env.Config)
		if err != nil {
			return err
		}
		if now.target != file.target || !bytes.Equal(text, file.toml.Bytes()) {
			return edited
		}
		return nil
	}
	if err := f.replace(file, after.Bytes(), unchanged); err != nil {
		return err
	}
	f.parsed[file.target] = after
	if f.seen[file.target] != nil {
		f.seen[file.target] = after
	}
	return nil
}

// replace replaces a config with text, unless unchanged returns an error.
func (f *Folder) replace(file *configFile, text []byte, unchanged func() error) error {
	if f.memory != nil {
		f.memory[file.target] = text
		return nil
	}
	file.removeLeftovers()
	r, err := file.replacement()
	if err != nil {
		return err
	}
	return r.write(text, unchanged)
}

// Preview returns a config's text before and after its pending changes. It writes
// nothing.
//
// The error is as with Check.
func (f *Folder) Preview(config string, changes []setup.Change) (before, after []byte, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	file, err := f.open(config)
	if err != nil {
		return nil, nil, err
	}
	before = file.toml.Bytes()
	plan := setup.Plan{Changes: changes}
	for _, c := range plan.Pending() {
		env := c.Resource().Env
		if env == nil || env.Config != config {
			continue
		}
		if _, err := file.entry(env); err != nil {
			return nil, nil, err
		}
		if file.toml, err = f.edited(file, c); err != nil {
			return nil, nil, err
		}
	}
	return before, file.toml.Bytes(), nil
}

// abs resolves a config's path against Dir.
func (f *Folder) abs(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(f.Dir, path)
}

// notEnv is the error for a resource of another target.
func notEnv(r setup.Resource) error {
	return fmt.Errorf("%q is not an entry of a fly.toml", r.ID())
}
