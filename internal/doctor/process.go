package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
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

// AppEnviron returns the environment of the app's process, as NAME=value. proc is the file
// system /proc, and self the ID of this process. A command that is run in a machine from
// outside has another environment.
//
// Of several processes with the same AWS_ and FLY_ variables it is that of the first. The
// error is a *ProcessError if there is no such process, if several differ in these, or if
// one cannot be read.
func AppEnviron(proc fs.FS, self int) ([]string, error) {
	entries, err := fs.ReadDir(proc, ".")
	if err != nil {
		return nil, &ProcessError{Reason: "/proc cannot be read", Err: err}
	}
	names := make([]string, len(entries))
	for i, entry := range entries {
		names[i] = entry.Name()
	}
	read := func(file string) (string, error) {
		data, err := fs.ReadFile(proc, file)
		return string(data), err
	}
	var found, different []string
	for _, p := range appProcesses(names, read, self) {
		data, err := read(fmt.Sprintf("%d/environ", p.id))
		switch {
		case errors.Is(err, fs.ErrNotExist), err == nil && data == "":
			continue // it has ended
		case err != nil:
			return nil, &ProcessError{Reason: fmt.Sprintf("that of the process %d cannot be read", p.id), Err: err}
		}
		environ := strings.Split(strings.Trim(data, "\x00"), "\x00")
		slices.Sort(environ)
		if found == nil {
			found = environ
		}
		if relevant := strings.Join(relevantTo(environ), "\x00"); !slices.Contains(different, relevant) {
			different = append(different, relevant)
		}
	}
	switch len(different) {
	case 0:
		return nil, &ProcessError{Reason: "Fly's init has started no process"}
	case 1:
		return found, nil
	}
	return nil, &ProcessError{Reason: fmt.Sprintf("Fly's init has started processes with %d different sets of AWS_ and FLY_ variables", len(different))}
}

// relevantTo returns the variables of an environment that AWS access depends on.
func relevantTo(environ []string) []string {
	return slices.DeleteFunc(slices.Clone(environ), func(assignment string) bool {
		return !strings.HasPrefix(assignment, "AWS_") && !strings.HasPrefix(assignment, "FLY_")
	})
}

// A process is what /proc says of one.
type process struct {
	id     int
	status string
}

// appProcesses returns the app's processes, by ID: what Fly's init, the process 1, started,
// except for Fly's own programs, such as the one behind fly ssh console, and for the process
// self with its ancestors, which fly machine exec started. names are those in /proc, and
// read reads a file there.
func appProcesses(names []string, read func(file string) (string, error), self int) []process {
	statuses, parents := map[int]string{}, map[int]int{}
	for _, name := range names {
		id, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if status, err := read(name + "/status"); err == nil { // otherwise it has ended, or is hidden
			statuses[id], parents[id] = status, parentOf(status)
		}
	}
	for id := self; id > 1; {
		parent := parents[id]
		delete(parents, id)
		id = parent
	}
	var out []process
	for _, id := range slices.Sorted(maps.Keys(parents)) {
		if parents[id] != 1 {
			continue
		}
		command, err := read(fmt.Sprintf("%d/cmdline", id)) // empty once it has ended
		if err == nil && command != "" && !strings.HasPrefix(command, "/fly/") && !strings.HasPrefix(command, "/.fly/") {
			out = append(out, process{id, statuses[id]})
		}
	}
	return out
}

// parentOf reads the parent of a process from its status (proc_pid_status(5)); 0 if it has
// none.
func parentOf(status string) int {
	for line := range strings.Lines(status) {
		if value, ok := strings.CutPrefix(line, "PPid:"); ok {
			if parent, err := strconv.Atoi(strings.TrimSpace(value)); err == nil {
				return parent
			}
		}
	}
	return 0
}
