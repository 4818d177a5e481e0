//go:build unix

package workdir

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// checkLinks refuses a file with other hard links.
func (c *configFile) checkLinks(info os.FileInfo) error {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && stat.Nlink > 1 {
		return &FileError{Path: c.path, Err: fmt.Errorf(
			"has %d names (hard links), and replacing it would separate it from the others: edit it by hand", stat.Nlink)}
	}
	return nil
}

// keepOwner gives a new file the owner and group of the old one.
func keepOwner(f *os.File, old os.FileInfo) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	now, ok := info.Sys().(*syscall.Stat_t)
	want, known := old.Sys().(*syscall.Stat_t)
	if !ok || !known {
		return errors.ErrUnsupported
	}
	if now.Uid == want.Uid && now.Gid == want.Gid {
		return nil
	}
	return f.Chown(int(want.Uid), int(want.Gid))
}

// move replaces a file with another atomically.
func move(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return err
	}
	// Syncing the folder makes the rename durable. If it fails, the file is still
	// either the old one or the new one.
	if dir, err := os.Open(filepath.Dir(to)); err == nil {
		_ = dir.Sync()
		_ = dir.Close()
	}
	return nil
}
