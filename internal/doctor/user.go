package doctor

import (
	"context"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// The codes of the check whether the app's user may read the token file.
const (
	CodeUser Code = "app-user"
	// CodeUserDenied: User may not read the file, by Permissions.
	CodeUserDenied Code = "app-user-denied"
	// CodeUserAbsent: the machine has no user of the name of User.
	CodeUserAbsent Code = "app-user-absent"
	// CodeUserSeveral: Fly's init started processes of several users.
	CodeUserSeveral Code = "app-user-several"
	// CodeUserUnknown: it could not be found out who the app's user is.
	CodeUserUnknown Code = "app-user-unknown"
	// CodeUserHidden: the permissions of the file cannot be seen.
	CodeUserHidden Code = "app-user-hidden"
)

// fileForUser checks whether the app's user may read the token file, if there is one.
func (x *examination) fileForUser(context.Context) {
	if x.file.path == "" {
		return
	}
	if _, err := x.Files.Stat(x.file.path); err != nil {
		return
	}
	c := Check{Code: x.noUser, Level: Unknown, Path: x.file.path, Writer: writerOf(x.file.path), User: x.appUser}
	if x.noUser == "" {
		may, known := x.mayRead(x.appUser, x.file.path)
		switch {
		case !known:
			c.Code = CodeUserHidden
		case may:
			c.Code, c.Level = CodeUser, OK
		default:
			c.Code, c.Level, c.Permissions = CodeUserDenied, Fail, x.permissions(x.file.path)
		}
	}
	x.add("app's user", c)
}

// denied fills the check of a file that this process may not read.
func (x *examination) denied(c Check) Check {
	c.Code, c.User, c.Permissions = CodeFileDenied, x.userByID(x.UserID), x.permissions(c.Path)
	if x.noUser == "" && x.appUser.ID != x.UserID {
		if may, known := x.mayRead(x.appUser, c.Path); known && may {
			c.Code, c.Other = CodeFileOther, x.appUser.String()
		}
	}
	return c
}

// permissions returns those of a file or, where they are hidden, nil.
func (x *examination) permissions(file string) *Permissions {
	s, err := x.Files.Stat(file)
	if err != nil || s.UID < 0 {
		return nil
	}
	return &Permissions{Owner: x.userByID(s.UID), Mode: s.Mode.Perm()}
}

// String is the user's name, or else the ID; that of 0 is root also where there is no
// /etc/passwd to name it.
func (u User) String() string {
	switch {
	case u.Name != "":
		return u.Name
	case u.ID == 0:
		return "root"
	}
	return strconv.Itoa(u.ID)
}

// mayRead says whether a user may read a file, by the modes of the file and of the folders
// above it. It is not known where these cannot be seen.
func (x *examination) mayRead(u User, file string) (may, known bool) {
	const read, search fs.FileMode = 4, 1
	bit := read
	for at := path.Clean(file); ; at = path.Dir(at) {
		s, err := x.Files.Stat(at)
		switch {
		case err != nil || s.UID < 0:
			return false, false
		case u.ID != 0 && s.of(u)&bit == 0:
			return false, true
		case at == path.Dir(at):
			return true, true
		}
		bit = search
	}
}

// of returns the three bits of the mode that apply to a user.
func (s Stat) of(u User) fs.FileMode {
	switch {
	case s.UID == u.ID:
		return s.Mode >> 6 & 7
	case slices.Contains(u.groups, s.GID):
		return s.Mode >> 3 & 7
	}
	return s.Mode & 7
}

// findUser finds the user with a name or ID, or without one the app's user. The code says
// why there is none.
func (x *examination) findUser(ctx context.Context, name string) (User, Code) {
	if name == "" {
		return x.initChild(ctx)
	}
	if id, err := strconv.Atoi(name); err == nil && id >= 0 {
		return x.userByID(id), ""
	}
	for _, u := range x.users {
		if u.Name == name {
			return u, ""
		}
	}
	return User{Name: name}, CodeUserAbsent
}

// userByID returns the user with an ID, which need not have a name.
func (x *examination) userByID(id int) User {
	for _, u := range x.users {
		if u.ID == id {
			return u
		}
	}
	return User{ID: id}
}

// readUsers reads the users of /etc/passwd, with their groups (passwd(5), group(5)).
func (x *examination) readUsers(ctx context.Context) []User {
	var out []User
	for _, f := range x.database(ctx, "/etc/passwd") {
		id, err := strconv.Atoi(f[2])
		gid, errGroup := strconv.Atoi(f[3])
		if err == nil && errGroup == nil {
			out = append(out, User{Name: f[0], ID: id, groups: []int{gid}})
		}
	}
	for _, f := range x.database(ctx, "/etc/group") {
		gid, err := strconv.Atoi(f[2])
		for i, u := range out {
			if err == nil && slices.Contains(strings.Split(f[3], ","), u.Name) {
				out[i].groups = append(out[i].groups, gid)
			}
		}
	}
	return out
}

// database returns the lines of a file with at least four fields between colons.
func (x *examination) database(ctx context.Context, file string) [][]string {
	text, err := x.Files.Read(ctx, file)
	if err != nil {
		return nil
	}
	var out [][]string
	for line := range strings.Lines(text) {
		if f := strings.Split(strings.TrimRight(line, "\r\n"), ":"); len(f) >= 4 {
			out = append(out, f)
		}
	}
	return out
}

// initChild finds the owner of the app's processes.
func (x *examination) initChild(ctx context.Context) (User, Code) {
	if x.env[envMachine] == "" {
		return User{}, CodeUserUnknown
	}
	names, err := x.Files.List("/proc")
	if err != nil {
		return User{}, CodeUserUnknown
	}
	read := func(file string) (string, error) { return x.Files.Read(ctx, "/proc/"+file) }
	var found []User
	for _, p := range appProcesses(names, read, x.ProcessID) {
		u, ok := ownerOf(p.status)
		if ok && !slices.ContainsFunc(found, func(other User) bool { return other.ID == u.ID }) {
			u.Name = x.userByID(u.ID).Name
			found = append(found, u)
		}
	}
	switch len(found) {
	case 0:
		return User{}, CodeUserUnknown
	case 1:
		return found[0], ""
	}
	return User{}, CodeUserSeveral
}

// ownerOf reads the effective user and the groups of a process from its status
// (proc_pid_status(5)).
func ownerOf(status string) (u User, ok bool) {
	for line := range strings.Lines(status) {
		key, rest, _ := strings.Cut(line, ":")
		var numbers []int
		for _, word := range strings.Fields(rest) {
			if n, err := strconv.Atoi(word); err == nil {
				numbers = append(numbers, n)
			}
		}
		switch {
		case key == "Uid" && len(numbers) == 4: // real, effective, saved, file system
			u.ID, ok = numbers[1], true
		case key == "Gid" && len(numbers) == 4:
			u.groups = append(u.groups, numbers[1])
		case key == "Groups":
			u.groups = append(u.groups, numbers...)
		}
	}
	return u, ok
}
