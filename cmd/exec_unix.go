//go:build unix

package cmd

import "syscall"

// replaceProcess runs a command in place of this process, so that signals
// and the exit code are its own.
func replaceProcess(path string, argv, env []string) error {
	return syscall.Exec(path, argv, env) //nolint:gosec // the user asked to run it
}
