package doctor

import (
	"bytes"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/fly-aws/fly-aws/internal/text"
)

// A ProcessError says why the environment of the app's process is not known.
type ProcessError struct {
	// Reason is a clause.
	Reason string
	// Err is the cause; nil if what was read is to blame.
	Err error
}

func (e *ProcessError) Error() string {
	s := "the environment of the app's process is not known: " + e.Reason
	if e.Err != nil {
		s += ": " + text.Line(e.Err.Error())
	}
	return s
}

// Unwrap returns the cause.
func (e *ProcessError) Unwrap() error { return e.Err }

// AppEnviron returns the environment of the app's process, as NAME=value: of what Fly's
// init, the process 1, started, except for Fly's own programs and the ancestors of the
// process self. proc is the file system /proc. A command that is run in a machine from
// outside has another environment.
//
// The error is a *ProcessError if there is no such process, if several have different
// environments, or if it cannot be read.
func AppEnviron(proc fs.FS, self int) ([]string, error) {
	entries, err := fs.ReadDir(proc, ".")
	if err != nil {
		return nil, &ProcessError{Reason: "/proc cannot be read", Err: err}
	}
	parents := map[int]int{}
	for _, entry := range entries {
		if pid, err := strconv.Atoi(entry.Name()); err == nil {
			parents[pid] = parentOf(proc, pid) // 0 if it has ended meanwhile
		}
	}
	ours := map[int]bool{}
	for pid := self; pid > 1 && !ours[pid]; pid = parents[pid] {
		ours[pid] = true
	}
	var found [][]string
	for pid, parent := range parents {
		command, err := fs.ReadFile(proc, strconv.Itoa(pid)+"/cmdline")
		if parent != 1 || ours[pid] || err != nil || bytes.HasPrefix(command, []byte("/.fly/")) || len(command) == 0 {
			continue
		}
		data, err := fs.ReadFile(proc, strconv.Itoa(pid)+"/environ")
		if err != nil {
			return nil, &ProcessError{Reason: fmt.Sprintf("that of the process %d cannot be read", pid), Err: err}
		}
		environ := strings.Split(strings.Trim(string(data), "\x00"), "\x00")
		slices.Sort(environ)
		if !slices.ContainsFunc(found, func(other []string) bool { return slices.Equal(other, environ) }) {
			found = append(found, environ)
		}
	}
	switch len(found) {
	case 0:
		return nil, &ProcessError{Reason: "Fly's init has started no process"}
	case 1:
		return found[0], nil
	}
	return nil, &ProcessError{Reason: fmt.Sprintf("Fly's init has started processes with %d different ones", len(found))}
}

// parentOf returns the parent of a process (proc_pid_status(5)); 0 if it is not known.
func parentOf(proc fs.FS, pid int) int {
	status, err := fs.ReadFile(proc, strconv.Itoa(pid)+"/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "PPid:"); ok {
			parent, err := strconv.Atoi(strings.TrimSpace(value))
			if err != nil {
				return 0
			}
			return parent
		}
	}
	return 0
}
