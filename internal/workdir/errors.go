package workdir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/fly-aws/fly-aws/internal/text"
)

// NotFoundError says that there is no config file.
type NotFoundError struct {
	// Tried are the paths tried, as given or relative to the folder.
	Tried []string
}

func (e *NotFoundError) Error() string {
	quoted := make([]string, len(e.Tried))
	for i, path := range e.Tried {
		quoted[i] = text.Quote(path)
	}
	return "no config file found: looked for " + strings.Join(quoted, ", ")
}

// FormatError says that the config is in a format that flyctl reads and fly-aws
// does not edit: fly.json or fly.yaml.
type FormatError struct {
	Path string
}

func (e *FormatError) Error() string {
	return text.Quote(e.Path) + " is not a TOML file, the only format that fly-aws edits: add the line by hand"
}

// OtherAppError says that the config is for App, not for Want.
type OtherAppError struct{ Path, App, Want string }

func (e *OtherAppError) Error() string {
	return fmt.Sprintf("%s is the config of app %s, not of %s", text.Quote(e.Path), text.Quote(e.App), text.Quote(e.Want))
}

// FileError is any other failure with a file. Err is the cause; when the text is
// not valid TOML it is a *flytoml.SyntaxError, with line and column.
type FileError struct {
	Path string
	Err  error
}

func (e *FileError) Error() string { return fmt.Sprintf("%s: %v", text.Quote(e.Path), e.Err) }

func (e *FileError) Unwrap() error { return e.Err }

// failed makes a FileError from an error of the os package. It drops the path in
// that error, which may be a temporary file that the user does not know.
func failed(path, what string, err error) *FileError {
	var onPath *fs.PathError
	var onLink *os.LinkError
	switch {
	case errors.As(err, &onPath):
		err = onPath.Err
	case errors.As(err, &onLink):
		err = onLink.Err
	}
	return &FileError{Path: path, Err: fmt.Errorf("%s: %w", what, err)}
}
