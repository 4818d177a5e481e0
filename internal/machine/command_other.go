//go:build !unix

package machine

import (
	"os"
	"os/exec"
)

// Signals are those that a command's supervisor passes on to it: none here, where a console
// sends its signals to the command as well.
var Signals []os.Signal

// As does nothing: token keep, which has users, is for Unix.
func (*User) As(*exec.Cmd) {}
