//go:build !unix

package workdir

import (
	"os"

	"github.com/natefinch/atomic"
)

// checkLinks is for systems whose files have owners and links as on Unix.
func (c *configFile) checkLinks(os.FileInfo) error { return nil }

// keepOwner does nothing: the file takes over the access rights that its folder hands
// down.
func keepOwner(*os.File, os.FileInfo) error { return nil }

// move moves a file into the place of another, which Windows does in one step
// (MoveFileEx).
func move(from, to string) error { return atomic.ReplaceFile(from, to) }
