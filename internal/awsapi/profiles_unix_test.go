//go:build unix

package awsapi_test

import (
	"path/filepath"
	"syscall"
	"testing"
)

// There is no writer, so reading it would block.
func TestProfilesInAFIFO(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Skip("no FIFO here: ", err)
	}
	failsOn(t, path, `": is not a regular file`)
}
