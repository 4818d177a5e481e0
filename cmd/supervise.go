package cmd

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"syscall"

	"github.com/fly-aws/fly-aws/internal/machine"
)

// superviseForwarding is supervise for a command that has to see each signal sent to this
// process, unless it was time to end before the command began. A terminal sends its own
// signals to both.
func (s System) superviseForwarding(ctx context.Context, c *exec.Cmd) error {
	if ctx.Err() != nil {
		return &hintedError{ctx.Err(), "the command was not started"}
	}
	if !s.StdinTTY {
		return s.supervise(c, machine.Signals, nil)
	}
	typed := []os.Signal{os.Interrupt, syscall.SIGQUIT}
	forward := slices.DeleteFunc(slices.Clone(machine.Signals), func(s os.Signal) bool { return slices.Contains(typed, s) })
	return s.supervise(c, forward, typed)
}

// supervise runs a command with this process's streams until it ends, and returns its exit
// code as an exitCode: see machine.Run.
func (s System) supervise(c *exec.Cmd, forward, ignore []os.Signal) error {
	c.Stdin, c.Stdout, c.Stderr = s.Stdin, s.rawStdout, s.rawStderr
	code, err := machine.Run(c, forward, ignore)
	switch {
	case err != nil:
		return fmt.Errorf("%s did not run: %w", c.Path, cause(err))
	case code != 0:
		return exitCode(code)
	}
	return nil
}

// lookPath finds the program that a command line runs.
func lookPath(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		return "", &noCommandError{name}
	}
	return path, nil
}

// A noCommandError says that a command to run does not exist.
type noCommandError struct{ name string }

func (e *noCommandError) Error() string { return fmt.Sprintf("there is no command %q", e.name) }
