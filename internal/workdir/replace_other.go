//go:build !unix

package workdir

import (
	"os"

	"github.com/natefinch/atomic"
)

// checkLinks does nothing: it is for Unix.
func (c *configFile) checkLinks(os.FileInfo) error { return nil }

// keepOwner does nothing: the file inherits its access rights from the folder.
func keepOwner(*os.File, os.FileInfo) error { return nil }

// move replaces a file with another atomically (MoveFileEx).
func move(from, to string) error { return atomic.ReplaceFile(from, to) }
