package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/fly-aws/fly-aws/internal/render"
)

// A System is what the program has around it.
type System struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// Terminals among the streams.
	StdinTTY, StdoutTTY, StderrTTY bool
	// Getenv looks a variable up; an unset one is "".
	Getenv func(string) string
	// Environ is the whole environment, for a child process.
	Environ []string
	// Dir is the folder that relative paths start from; Home the person's own, ""
	// if there is none.
	Dir, Home string
	// Size is that of the terminal among the streams that progress is shown on, in
	// columns and rows; 0 if there is none.
	Size func() (columns, rows int)
	// Now is the clock, and Sleep waits, for no longer than ctx lasts.
	Now   func() time.Time
	Sleep func(ctx context.Context, d time.Duration)
	// Exec runs the command at path in place of this process. It returns only
	// if that fails, or with the command's exit code where it cannot be done.
	Exec  func(path string, argv, env []string) error
	Build Build

	// rawStdout and rawStderr are the streams as they came: for commands and forms,
	// which need the terminal itself, and for secrets that were asked for. Main sets
	// them.
	rawStdout, rawStderr io.Writer
}

// Build says which build of the program runs. All fields are empty in a build
// that was not stamped.
type Build struct {
	Version, Commit, Date string
}

// Host is the System of the running process.
func Host(build Build) System {
	home, err := os.UserHomeDir()
	if err != nil {
		home = ""
	}
	return System{
		Home:      home,
		Size:      stderrSize,
		Stdin:     os.Stdin,
		Stdout:    os.Stdout,
		Stderr:    os.Stderr,
		StdinTTY:  term.IsTerminal(int(os.Stdin.Fd())),
		StdoutTTY: term.IsTerminal(int(os.Stdout.Fd())),
		StderrTTY: term.IsTerminal(int(os.Stderr.Fd())),
		Getenv:    os.Getenv,
		Environ:   os.Environ(),
		Now:       time.Now,
		Sleep:     sleep,
		Exec:      replaceProcess,
		Build:     build,
	}
}

func stderrSize() (columns, rows int) {
	columns, rows, err := term.GetSize(int(os.Stderr.Fd()))
	if err != nil {
		return 0, 0
	}
	return columns, rows
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// EndSignals are the signals that end the program: Ctrl-C, a request to terminate,
// and a terminal that goes away, unless nohup has that one ignored.
func EndSignals() []os.Signal {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP)
	}
	return signals
}

// printSecret writes what was asked for with the secrets in it.
func (s System) printSecret(output string) error {
	_, err := io.WriteString(s.rawStdout, output)
	if err == nil || errors.Is(err, syscall.EPIPE) { // a reader that has enough is not an error
		return nil
	}
	return fmt.Errorf("standard output cannot be written: %w", cause(err))
}

// path makes a path of the command line independent of the process's own folder.
func (s System) path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(s.Dir, name)
}

// style is how text is shown on a stream.
func (s System) style(tty, noColor bool) render.Style {
	color := tty && s.Getenv("TERM") != "dumb" && s.Getenv("CLICOLOR") != "0"
	if s.Getenv("CLICOLOR_FORCE") != "" && s.Getenv("CLICOLOR_FORCE") != "0" {
		color = true
	}
	if noColor || s.Getenv("NO_COLOR") != "" {
		color = false
	}
	return render.Style{Color: color, ASCII: !s.unicode()}
}

// unicode says whether the locale's character set holds our glyphs. Without any
// locale, as in most containers and on Windows, UTF-8 is what readers expect.
func (s System) unicode() bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if locale := s.Getenv(name); locale != "" {
			locale = strings.ToLower(locale)
			return strings.Contains(locale, "utf-8") || strings.Contains(locale, "utf8")
		}
	}
	return true
}

// String is the version as --version shows it. Without a stamp it is what Go
// recorded of the module.
func (b Build) String() string {
	if b.Version != "" {
		return strings.TrimSuffix(b.Version+" ("+b.Commit+", "+b.Date+")", " (, )")
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
