package machine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fly-aws/fly-aws/internal/flyoidc"
)

// A TokenFile is a file that holds a token for an audience, and nothing else.
type TokenFile struct {
	Audience string
	Path     string
	// Mode is the file's permissions. Owner is its owner; nil is the process's user.
	Mode  fs.FileMode
	Owner *User
}

// Tokens is the machine's token endpoint: a *flyoidc.Minter.
type Tokens interface {
	Mint(context.Context, flyoidc.MintRequest) (string, error)
}

// A FileError says why a token file cannot be written. The file is as it was.
type FileError struct {
	Path   string
	Reason string
	Err    error
}

// Error implements error.
func (e *FileError) Error() string {
	if e.Err == nil {
		return e.Path + " " + e.Reason
	}
	var (
		path *fs.PathError
		link *os.LinkError
	)
	err := e.Err
	switch {
	case errors.As(err, &path):
		err = path.Err
	case errors.As(err, &link):
		err = link.Err
	}
	return fmt.Sprintf("%s %s: %s", e.Path, e.Reason, err)
}

// Unwrap returns the system's error, nil if there is none.
func (e *FileError) Unwrap() error { return e.Err }

// Check reports whether the file could be written, and removes what a killed process left
// beside it. The error is a *FileError.
func (f TokenFile) Check() error {
	switch info, err := os.Lstat(f.Path); {
	case err == nil && info.IsDir():
		return &FileError{Path: f.Path, Reason: "is a folder, not a file"}
	case err == nil && !info.Mode().IsRegular() && info.Mode().Type() != fs.ModeSymlink:
		return &FileError{Path: f.Path, Reason: "is not a regular file"}
	}
	temp, err := f.temporary()
	if err != nil {
		return err
	}
	_ = temp.Close()
	_ = os.Remove(temp.Name())
	return nil
}

// Renew mints a token, replaces the file with it, and returns the token's lifetime. A
// reader sees the last token or the new one, whole, even if this process is killed. Errors
// are *flyoidc.MintError and *FileError.
func (f TokenFile) Renew(ctx context.Context, tokens Tokens) (time.Duration, error) {
	token, err := tokens.Mint(ctx, flyoidc.MintRequest{Audience: f.Audience})
	if err != nil {
		return 0, err
	}
	decoded, broken := flyoidc.Inspect(token)
	if decoded == nil {
		return 0, &flyoidc.DecodeError{Violation: broken[0]}
	}
	// The issuer's clock and the machine's may differ; the lifetime is the same in both.
	life := decoded.Claims.Expiry.Sub(decoded.Claims.IssuedAt)
	if decoded.Claims.IssuedAt.IsZero() || life < time.Second {
		return 0, errors.New("the token from Fly does not say how long it is valid (iat and exp)")
	}
	return life, f.replace(token)
}

// replace does not wait for the disk: a machine that crashed mints new tokens.
func (f TokenFile) replace(token string) error {
	temp, err := f.temporary()
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name()) //nolint:errcheck // gone after a success
	_, err = temp.WriteString(token)
	if err == nil {
		err = temp.Chmod(f.Mode)
	}
	if closeErr := temp.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(temp.Name(), f.Path)
	}
	if err != nil {
		return &FileError{f.Path, "cannot be written", err}
	}
	return nil
}

// temporary makes an empty file beside the token file, for its owner alone, and removes what
// killed processes left there.
func (f TokenFile) temporary() (*os.File, error) {
	temp, err := os.CreateTemp(filepath.Dir(f.Path), f.prefix()+"*")
	if err != nil {
		return nil, &FileError{f.Path, "cannot be written", err}
	}
	f.removeLeftovers(temp)
	if f.Owner != nil {
		if err := temp.Chown(f.Owner.UID, f.Owner.GID); err != nil {
			_ = temp.Close()
			_ = os.Remove(temp.Name())
			return nil, &FileError{f.Path, "cannot be given to " + f.Owner.Name, err}
		}
	}
	return temp, nil
}

// prefix begins the names of the files that are to replace the token file. It tells them
// from files of others.
func (f TokenFile) prefix() string { return "." + filepath.Base(f.Path) + ".fly-aws-" }

// A temporary file is replaced at once: one that is as old as this is a leftover, and not a
// file that another process is writing.
const leftover = time.Minute

// removeLeftovers removes leftovers. It takes the time from a temporary file made just now.
func (f TokenFile) removeLeftovers(temp *os.File) {
	now, err := temp.Stat()
	if err != nil {
		return
	}
	dir := filepath.Dir(f.Path)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, entry := range entries {
		random, ours := strings.CutPrefix(entry.Name(), f.prefix())
		if !ours || random == "" || strings.Trim(random, "0123456789") != "" {
			continue
		}
		if info, err := entry.Info(); err == nil && now.ModTime().Sub(info.ModTime()) >= leftover {
			_ = os.Remove(filepath.Join(dir, entry.Name()))
		}
	}
}
