//go:build unix

package workdir

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/google/renameio/v2"
)

// replaceFile writes the text to a hidden file beside the old one, flushes it
// to the disk and renames it into place.
func (c *configFile) replaceFile(old os.FileInfo, text []byte, unchanged func() error) error {
	owner, ok := old.Sys().(*syscall.Stat_t)
	if ok && owner.Nlink > 1 {
		return &FileError{Path: c.path, Err: fmt.Errorf(
			"has %d names (hard links), and replacing it would part it from the others: edit it by hand", owner.Nlink)}
	}
	dir := filepath.Dir(c.target)
	pending, err := renameio.NewPendingFile(c.target, renameio.WithTempDir(dir), renameio.WithExistingPermissions())
	if err != nil {
		return failed(c.path, "cannot be replaced", err)
	}
	defer pending.Cleanup() //nolint:errcheck // after a success there is nothing left to clean up
	if ok {
		if err := keepOwner(pending.File, owner); err != nil {
			return failed(c.path, "its owner and group could not be kept, so it was left alone", err)
		}
	}
	if _, err := pending.Write(text); err != nil {
		return failed(c.path, "cannot be replaced", err)
	}
	if err := pending.Sync(); err != nil {
		return failed(c.path, "cannot be replaced", err)
	}
	if err := unchanged(); err != nil {
		return err
	}
	if err := pending.CloseAtomicallyReplace(); err != nil {
		return failed(c.path, "cannot be replaced", err)
	}
	// The name reaches the disk with the folder. Should that fail, the file is
	// whole all the same, the old one or the new.
	if d, err := os.Open(dir); err == nil {
		_ = d.Sync()
		_ = d.Close()
	}
	return nil
}

// keepOwner gives a new file the owner and group of the old one.
func keepOwner(f *os.File, old *syscall.Stat_t) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	now, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return errors.ErrUnsupported
	}
	if now.Uid == old.Uid && now.Gid == old.Gid {
		return nil
	}
	return f.Chown(int(old.Uid), int(old.Gid))
}
