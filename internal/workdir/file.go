package workdir

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
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
	text   []byte
}

// open reads a config.
func (f *Folder) open(path string) (*configFile, error) {
	target, err := filepath.EvalSymlinks(f.abs(path))
	switch {
	case isAbsent(err):
		return nil, &NotFoundError{Tried: []string{path}}
	case err != nil:
		return nil, failed(path, "cannot be read", err)
	case !isTOML(path):
		return nil, &FormatError{Path: path}
	}
	// A FIFO or a device could keep the reader waiting for ever.
	info, err := os.Stat(target)
	switch {
	case err != nil:
		return nil, failed(path, "cannot be read", err)
	case info.IsDir():
		return nil, &FileError{Path: path, Err: errors.New("is a folder, not a file")}
	case !info.Mode().IsRegular():
		return nil, &FileError{Path: path, Err: errors.New("is not a regular file")}
	}
	r, err := os.Open(target)
	if err != nil {
		return nil, failed(path, "cannot be read", err)
	}
	defer r.Close() //nolint:errcheck // it was only read
	text, err := io.ReadAll(io.LimitReader(r, maxSize+1))
	switch {
	case err != nil:
		return nil, failed(path, "cannot be read", err)
	case len(text) > maxSize:
		return nil, &FileError{Path: path, Err: fmt.Errorf("is larger than %d KiB", maxSize>>10)}
	}
	return &configFile{path: path, target: target, text: text}, nil
}

// value returns what the file has of an entry, after making sure that it is the
// config of the entry's app. A file that names no app is anybody's.
func (c *configFile) value(e *setup.Env) (string, bool, error) {
	app, ok, err := flytoml.App(c.text)
	if err != nil {
		return "", false, &FileError{Path: c.path, Err: err}
	}
	if ok && e.App != "" && app != e.App {
		return "", false, &OtherAppError{Path: c.path, App: app, Want: e.App}
	}
	value, ok, err := flytoml.Env(c.text, e.Key)
	if err != nil {
		return "", false, &FileError{Path: c.path, Err: err}
	}
	return value, ok, nil
}

// replace puts another text in the file's place, unless unchanged, asked as
// late as can be, returns an error.
func (c *configFile) replace(text []byte, unchanged func() error) error {
	// The folder alone decides about replacing; a file that is protected from
	// writing would not be asked.
	w, err := os.OpenFile(c.target, os.O_WRONLY, 0)
	if err != nil {
		return failed(c.path, "cannot be written", err)
	}
	info, err := w.Stat()
	if closeErr := w.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return failed(c.path, "cannot be written", err)
	}
	return c.replaceFile(info, text, unchanged)
}

// isAbsent says whether there is no file of a path: also where a part of the
// path is a file and not a folder.
func isAbsent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}
