package machine

import (
	"errors"
	"strconv"
	"strings"

	"github.com/moby/sys/user"
)

// A User is a user of the machine.
type User struct {
	// Name is how the user was named, with the group if that was.
	Name     string
	UID, GID int
	// Groups are the user's other groups.
	Groups []int
	// Home is the user's home folder, "/" without one.
	Home string
}

// FindUser finds a user by NAME, UID, NAME:GROUP or UID:GID, in the machine's /etc/passwd
// and /etc/group. A number that is not there is a user too, whose group has the same
// number, as an image without these files needs.
func FindUser(name string) (*User, error) {
	id, _, _ := strings.Cut(name, ":")
	if id == "" {
		return nil, errors.New("the user's name is missing")
	}
	unlisted := user.ExecUser{Home: "/"}
	unlisted.Gid, _ = strconv.Atoi(id) // else moby's default is the group of root
	found, err := user.GetExecUserPath(name, &unlisted, "/etc/passwd", "/etc/group")
	if err != nil {
		return nil, err
	}
	return &User{Name: name, UID: found.Uid, GID: found.Gid, Groups: found.Sgids, Home: found.Home}, nil
}
