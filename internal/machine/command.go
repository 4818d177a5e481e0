package machine

import (
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"syscall"
)

// Run runs a command until it ends, and returns its exit code: 128 and the signal's number
// if a signal ended it, as in shells. The signals in forward, sent to this process, are
// passed on to it; those in ignore do nothing here: a terminal sends its signals to the
// command as well. A signal that nohup has this process ignore stays ignored in both.
func Run(c *exec.Cmd, forward, ignore []os.Signal) (code int, err error) {
	forward = slices.DeleteFunc(slices.Clone(forward), signal.Ignored)
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, slices.Concat(forward, ignore)...)
	defer signal.Stop(signals)
	if err := c.Start(); err != nil {
		return 0, err
	}
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		for {
			select {
			case s := <-signals:
				if slices.Contains(forward, s) {
					_ = c.Process.Signal(s)
				}
			case <-ended:
				return
			}
		}
	}()
	err = c.Wait()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0, nil
	case !errors.As(err, &exit):
		return 0, err
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal()), nil
	}
	return max(exit.ExitCode(), 1), nil
}
