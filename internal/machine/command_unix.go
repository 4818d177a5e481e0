//go:build unix

package machine

import (
	"os"
	"os/exec"
	"syscall"
)

// Signals are those that a command's supervisor passes on to it: Fly stops a machine with
// SIGINT unless kill_signal says another
// (https://fly.io/docs/reference/configuration/#runtime-options).
var Signals = []os.Signal{
	syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2,
}

// As has a command run as the user, in the user's groups; its environment is the caller's
// to set.
func (u *User) As(c *exec.Cmd) {
	groups := make([]uint32, len(u.Groups))
	for i, g := range u.Groups {
		groups[i] = uint32(g) //nolint:gosec // FindUser returns no negative ones
	}
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{
		Uid: uint32(u.UID), Gid: uint32(u.GID), Groups: groups, //nolint:gosec // as above
	}}
}
