//go:build !unix

package cmd

import (
	"errors"
	"os"
	"os/exec"
)

// replaceProcess runs a command and returns its exit code, on systems where a process
// cannot be replaced.
func replaceProcess(path string, argv, env []string) error {
	c := exec.Cmd{Path: path, Args: argv, Env: env, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}
	err := c.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exitCode(max(exit.ExitCode(), 1))
	}
	return err
}
