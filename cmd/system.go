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

// A System is the environment that the program runs in.
type System struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// Whether the streams are terminals.
	StdinTTY, StdoutTTY, StderrTTY bool
	// Getenv returns the value of a variable, "" if it is unset.
	Getenv func(string) string
	// Environ is the whole environment, for a child process.
	Environ []string
	// Dir is the folder that relative paths start from; Home is the user's home
	// folder, "" if there is none.
	Dir, Home string
	// Size is the size of the terminal that progress is shown on, in columns and
	// rows; 0 if there is none.
	Size func() (columns, rows int)
	// Now is the clock. Sleep waits, at most until ctx ends.
	Now   func() time.Time
	Sleep func(ctx context.Context, d time.Duration)
	// Exec runs the command at path in place of this process. It returns only
	// if that fails, or with the command's exit code where it cannot be done.
	Exec  func(path string, argv, env []string) error
	Build Build

	// rawStdout and rawStderr are the streams without redaction, set by Main: for
	// child processes and forms, which need the terminal itself, and for secrets that
	// the user asked for.
	rawStdout, rawStderr io.Writer
}

// Build identifies the build of the program. All fields are empty except in a release
// build.
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

// printSecret writes output that includes the secrets that the user asked for.
func (s System) printSecret(output string) error {
	_, err := io.WriteString(s.rawStdout, output)
	if err == nil || errors.Is(err, syscall.EPIPE) { // a reader that stops early is not an error
		return nil
	}
	return fmt.Errorf("standard output cannot be written: %w", cause(err))
}

// path resolves a path on the command line against Dir.
func (s System) path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(s.Dir, name)
}

// style is the style of a stream.
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

// unicode reports whether the locale's character set has our glyphs. Without a locale,
// as in most containers and on Windows, UTF-8 is assumed.
func (s System) unicode() bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if locale := s.Getenv(name); locale != "" {
			locale = strings.ToLower(locale)
			return strings.Contains(locale, "utf-8") || strings.Contains(locale, "utf8")
		}
	}
	return true
}

// String is the version as --version shows it.
func (b Build) String() string {
	if b.Version != "" {
		return strings.TrimSuffix(b.Version+" ("+b.Commit+", "+b.Date+")", " (, )")
	}
	return b.version()
}

// version is the version alone; if none was set, the module version that Go recorded.
func (b Build) version() string {
	if b.Version != "" {
		return b.Version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
