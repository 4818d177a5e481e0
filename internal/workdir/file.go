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

// maxSize bounds what is read, in bytes. The largest parts of a config are files
// that it carries for the machines in [[files]].
const maxSize = 1 << 20

// A configFile is a config as it was read.
type configFile struct {
	path   string // as the person gave it, for errors
	target string // where it is, free of symbolic links
	*flytoml.File
}

// open reads a config. A text that was parsed before is not parsed again.
func (f *Folder) open(path string) (*configFile, error) {
	c, text, err := f.load(path)
	if err != nil {
		return nil, err
	}
	if known := f.parsed[c.target]; known != nil && bytes.Equal(known.Bytes(), text) {
		c.File = known
		return c, nil
	}
	if c.File, err = parse(text); err != nil {
		return nil, &FileError{Path: path, Err: err}
	}
	if f.parsed == nil {
		f.parsed = map[string]*flytoml.File{}
	}
	f.parsed[c.target] = c.File
	return c, nil
}

// parse is a variable so that a test can count its calls.
var parse = flytoml.Parse

// load reads the text of a config.
func (f *Folder) load(path string) (*configFile, []byte, error) {
	target, err := filepath.EvalSymlinks(f.abs(path))
	switch {
	case isAbsent(err):
		return nil, nil, &NotFoundError{Tried: []string{path}}
	case err != nil:
		return nil, nil, failed(path, "cannot be read", err)
	case !isTOML(path):
		return nil, nil, &FormatError{Path: path}
	}
	// A FIFO or a device could keep the reader waiting forever.
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
	defer r.Close() //nolint:errcheck // it was only read
	text, err := io.ReadAll(io.LimitReader(r, maxSize+1))
	switch {
	case err != nil:
		return nil, nil, failed(path, "cannot be read", err)
	case len(text) > maxSize:
		return nil, nil, &FileError{Path: path, Err: fmt.Errorf("is larger than %d KiB", maxSize>>10)}
	}
	return &configFile{path: path, target: target}, text, nil
}

// entry returns what the file has of an entry, nil for nothing, after making sure that
// it is the config of the entry's app. A file that names no app may be anybody's.
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

// An edit is a change of one entry of a file.
type edit struct {
	file       *flytoml.File
	key, value string
	unset      bool
}

// edited returns the file with a change made to it. Check makes it first, and Write gets
// the same one.
func (f *Folder) edited(c *configFile, change setup.Change) (*flytoml.File, error) {
	e := edit{file: c.File, key: change.Resource().Env.Key, unset: change.After == nil}
	if !e.unset {
		e.value = change.After.Env.Value
	}
	if known := f.edits[e]; known != nil {
		return known, nil
	}
	var after *flytoml.File
	var err error
	if e.unset {
		after, err = c.Unset(e.key)
	} else {
		after, err = c.Set(e.key, e.value)
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

// A replacement is a file beside a config that is to take its place.
type replacement struct {
	config *configFile
	*os.File
}

// temporary begins the name of the replacement of a config.
func (c *configFile) temporary() string { return "." + filepath.Base(c.target) + ".fly-aws-" }

// replacement makes an empty replacement with the permissions, owner and group of the
// config, and so finds out whether the config can be replaced.
func (c *configFile) replacement() (_ *replacement, err error) {
	// The folder alone decides about replacing; a file that is protected from
	// writing would not be asked.
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

// write puts another text in the config's place, unless unchanged, asked as late as can
// be, returns an error.
func (r *replacement) write(text []byte, unchanged func() error) error {
	defer r.discard() // after a success there is nothing left to remove
	_, err := r.Write(text)
	if err == nil {
		err = r.Sync()
	}
	if err == nil {
		err = r.Close() // Windows moves no open file
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

// removeLeftovers removes replacements of this config that a run left which was killed.
func (c *configFile) removeLeftovers() {
	dir := filepath.Dir(c.target)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), c.temporary()) && entry.Type().IsRegular() {
			_ = os.Remove(filepath.Join(dir, entry.Name()))
		}
	}
}

// isAbsent says whether there is no file of a path: also where a part of the
// path is a file and not a folder.
func isAbsent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}
