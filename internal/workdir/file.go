package workdir

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/fly-aws/fly-aws/flytoml"
	"github.com/fly-aws/fly-aws/setup"
)

// maxSize is the largest file that is read, in bytes. Configs are large when they
// embed [[files]].
const maxSize = 1 << 20

// A configFile is a config as read.
type configFile struct {
	path   string // as given, for errors
	target string // with symbolic links resolved
	settings
	// toml is the file if it can be edited, or else nil.
	toml *flytoml.File
}

// settings are what a config says.
type settings interface {
	App() string
	PrimaryRegion() string
	Env(key string) (value string, ok bool)
}

// open reads a config that can be edited. The error is a *FormatError if it is not TOML.
func (f *Folder) open(path string) (*configFile, error) {
	c, err := f.read(path)
	if err == nil && c.toml == nil {
		return nil, &FormatError{Path: path}
	}
	return c, err
}

// read reads a config. It does not parse the same TOML twice.
func (f *Folder) read(path string) (*configFile, error) {
	c, text, err := f.load(path)
	if err != nil {
		return nil, err
	}
	if syntax := setup.SyntaxOf(path); syntax != setup.SyntaxTOML {
		if c.settings, err = parseDocument(syntax, text); err != nil {
			return nil, &FileError{Path: path, Err: err}
		}
		return c, nil
	}
	if known := f.parsed[c.target]; known != nil && bytes.Equal(known.Bytes(), text) {
		c.toml, c.settings = known, known
		return c, nil
	}
	if c.toml, err = parse(text); err != nil {
		return nil, &FileError{Path: path, Err: err}
	}
	c.settings = c.toml
	if f.parsed == nil {
		f.parsed = map[string]*flytoml.File{}
	}
	f.parsed[c.target] = c.toml
	return c, nil
}

// parse is a variable so that a test can count its calls.
var parse = flytoml.Parse

// load reads the text of a config.
func (f *Folder) load(path string) (*configFile, []byte, error) {
	if f.memory != nil {
		text, ok := f.memory[path]
		if !ok {
			return nil, nil, &NotFoundError{Tried: []string{path}}
		}
		return &configFile{path: path, target: path}, text, nil
	}
	target, err := filepath.EvalSymlinks(f.abs(path))
	switch {
	case isAbsent(err):
		return nil, nil, &NotFoundError{Tried: []string{path}}
	case err != nil:
		return nil, nil, failed(path, "cannot be read", err)
	}
	// Reading a FIFO or a device could block forever.
	info, err := os.Stat(target)
	switch {
	case err != nil:
		return nil, nil, failed(path, "cannot be read", err)
	case info.IsDir():
		return nil, nil, &FileError{Path: path, Err: errors.New("is a folder, not a file")}
	case !info.Mode().IsRegular():
		return nil, nil, &FileError{Path: path, Err: errors.New("is not a regular file")}
	}
	r, err := os.Open(target)
	if err != nil {
		return nil, nil, failed(path, "cannot be read", err)
	}
	defer r.Close() //nolint:errcheck // read only
	text, err := io.ReadAll(io.LimitReader(r, maxSize+1))
	switch {
	case err != nil:
		return nil, nil, failed(path, "cannot be read", err)
	case len(text) > maxSize:
		return nil, nil, &FileError{Path: path, Err: fmt.Errorf("is larger than %d KiB", maxSize>>10)}
	}
	return &configFile{path: path, target: target}, text, nil
}

// entry returns the file's entry with that key, nil when absent. It checks that the
// file is the config of the entry's app; a file that names no app can be any app's.
func (c *configFile) entry(e *setup.Env) (*setup.Resource, error) {
	if app := c.App(); app != "" && e.App != "" && app != e.App {
		return nil, &OtherAppError{Path: c.path, App: app, Want: e.App}
	}
	value, ok := c.Env(e.Key)
	if !ok {
		return nil, nil
	}
	have := *e
	have.Value = value
	return &setup.Resource{Env: &have}, nil
}

// An edit is a change to one entry of a file.
type edit struct {
	file       *flytoml.File
	key, value string
	unset      bool
}

// edited returns the file with a change made. It caches the result of Check for
// Write.
func (f *Folder) edited(c *configFile, change setup.Change) (*flytoml.File, error) {
	e := edit{file: c.toml, key: change.Resource().Env.Key, unset: change.After == nil}
	if !e.unset {
		e.value = change.After.Env.Value
	}
	if known := f.edits[e]; known != nil {
		return known, nil
	}
	var after *flytoml.File
	var err error
	if e.unset {
		after, err = c.toml.Unset(e.key)
	} else {
		after, err = c.toml.Set(e.key, e.value)
	}
	if err != nil {
		return nil, &FileError{Path: c.path, Err: err}
	}
	if f.edits == nil {
		f.edits = map[edit]*flytoml.File{}
	}
	f.edits[e] = after
	return after, nil
}

// A replacement is a temporary file beside a config, which is to replace it.
type replacement struct {
	config *configFile
	*os.File
}

// temporary is the prefix of the name of a config's replacement.
func (c *configFile) temporary() string { return "." + filepath.Base(c.target) + ".fly-aws-" }

// replacement creates an empty replacement with the config's permissions, owner and
// group. It fails if the config cannot be replaced.
func (c *configFile) replacement() (_ *replacement, err error) {
	// Renaming needs permissions on the folder only and would replace a read-only
	// file.
	w, err := os.OpenFile(c.target, os.O_WRONLY, 0)
	if err != nil {
		return nil, failed(c.path, "cannot be written", err)
	}
	info, err := w.Stat()
	if closeErr := w.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return nil, failed(c.path, "cannot be written", err)
	}
	if err := c.checkLinks(info); err != nil {
		return nil, err
	}
	if err := checkPlace(c.target); err != nil {
		return nil, &FileError{Path: c.path, Err: err}
	}
	file, err := os.CreateTemp(filepath.Dir(c.target), c.temporary()+"*")
	if err != nil {
		return nil, failed(c.path, "cannot be replaced", err)
	}
	r := &replacement{config: c, File: file}
	if err := file.Chmod(info.Mode().Perm()); err != nil {
		r.discard()
		return nil, failed(c.path, "its permissions could not be kept, so it was left alone", err)
	}
	if err := keepOwner(file, info); err != nil {
		r.discard()
		return nil, failed(c.path, "its owner and group could not be kept, so it was left alone", err)
	}
	return r, nil
}

// discard removes the replacement.
func (r *replacement) discard() {
	_ = r.Close()
	_ = os.Remove(r.Name())
}

// write replaces the config with text, unless unchanged, called as late as
// possible, returns an error.
func (r *replacement) write(text []byte, unchanged func() error) error {
	defer r.discard() // does nothing after a success
	_, err := r.Write(text)
	if err == nil {
		err = r.Sync()
	}
	if err == nil {
		err = r.Close() // Windows cannot move an open file
	}
	if err != nil {
		return failed(r.config.path, "cannot be replaced", err)
	}
	if err := unchanged(); err != nil {
		return err
	}
	if err := move(r.Name(), r.config.target); err != nil {
		return failed(r.config.path, "cannot be replaced", err)
	}
	return nil
}

// removeLeftovers removes replacements of this config that a killed run left.
func (c *configFile) removeLeftovers() {
	dir := filepath.Dir(c.target)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, entry := range entries {
		random, ours := strings.CutPrefix(entry.Name(), c.temporary())
		if ours && strings.Trim(random, "0123456789") == "" && entry.Type().IsRegular() {
			_ = os.Remove(filepath.Join(dir, entry.Name()))
		}
	}
}

// isAbsent reports whether err means that no file exists, also because a parent in
// the path is not a folder.
func isAbsent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}
