package workdir

import (
	"errors"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// checkPlace finds what prevents replacing the file although the folder is
// writable. Anything else is found when the file is replaced.
func checkPlace(path string) error {
	var file, folder unix.Statx_t
	if unix.Statx(unix.AT_FDCWD, path, 0, 0, &file) != nil || unix.Statx(unix.AT_FDCWD, filepath.Dir(path), 0, 0, &folder) != nil {
		return nil
	}
	switch {
	case file.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0:
		return errors.New("is a mount point, as in a container, and cannot be replaced: mount its folder instead")
	case folder.Attributes&unix.STATX_ATTR_APPEND != 0:
		return errors.New("cannot be replaced: its folder is append-only (chattr +a)")
	}
	return nil
}
