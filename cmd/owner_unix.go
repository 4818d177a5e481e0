//go:build unix

package cmd

import (
	"io/fs"
	"syscall"
)

// ownerOf returns the IDs of a file's user and group.
func ownerOf(info fs.FileInfo) (uid, gid int) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return -1, -1
	}
	return int(stat.Uid), int(stat.Gid)
}
