package workdir

import (
	"errors"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// checkPlace says what keeps another file from taking the place of path although one can
// be made beside it. What the kernel does not tell is found when the file is replaced.
func checkPlace(path string) error {
	var file, folder unix.Statx_t
	if unix.Statx(unix.AT_FDCWD, path, 0, 0, &file) != nil || unix.Statx(unix.AT_FDCWD, filepath.Dir(path), 0, 0, &folder) != nil {
		return nil
	}
	switch {
	case file.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0:
		return errors.New("is a mount of its own, as in a container, and cannot be replaced: mount its folder instead")
	case folder.Attributes&unix.STATX_ATTR_APPEND != 0:
		return errors.New("cannot be replaced: its folder is append-only (chattr +a)")
	}
	return nil
}
