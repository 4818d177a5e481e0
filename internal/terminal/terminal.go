//go:build unix

package terminal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/charmbracelet/x/vt"
	"github.com/creack/pty"
)

// A Terminal is a pseudo-terminal with a screen. It is safe for concurrent use.
type Terminal struct {
	user  *os.File      // the user's end
	ended chan struct{} // closed when nothing more can be written to the screen

	mu      sync.Mutex
	program *os.File // the program's end; nil after Start
	screen  *vt.Emulator
	raw     []byte
	changed chan struct{} // closed and replaced when the screen changes
	child   *child
}

// A child is a program that was started.
type child struct {
	cmd    *exec.Cmd
	exited chan struct{}
	err    error // of cmd.Wait, once it exited
}

// Open makes a terminal of a size, at least 2 columns and 1 row. Close it after
// use.
func Open(columns, rows int) (*Terminal, error) {
	user, program, err := pty.Open()
	if err != nil {
		return nil, fmt.Errorf("open a pseudo-terminal: %w", err)
	}
	t := &Terminal{
		user: user, program: program,
		ended:   make(chan struct{}),
		changed: make(chan struct{}),
	}
	if err := t.setSize(columns, rows); err != nil {
		return nil, errors.Join(err, user.Close(), program.Close())
	}
	t.screen = newScreen(columns, rows)
	go t.show()
	go t.answer()
	return t, nil
}

// setSize sets the size that the program sees.
func (t *Terminal) setSize(columns, rows int) error {
	if columns < 2 || rows < 1 || columns > 1000 || rows > 1000 {
		return fmt.Errorf("a terminal cannot have %d columns and %d rows: use 2 to 1000 columns and 1 to 1000 rows", columns, rows)
	}
	if err := pty.Setsize(t.user, &pty.Winsize{Cols: uint16(columns), Rows: uint16(rows)}); err != nil {
		return fmt.Errorf("set the size of the terminal: %w", err)
	}
	return nil
}

// show draws what programs write, until there is no writer.
func (t *Terminal) show() {
	defer close(t.ended)
	var buf [4096]byte
	for {
		n, err := t.user.Read(buf[:])
		if n > 0 {
			t.mu.Lock()
			t.raw = append(t.raw, buf[:n]...)
			_, _ = t.screen.Write(buf[:n]) // fails only after Close, which is not called
			t.change()
			t.mu.Unlock()
		}
		if err != nil {
			break
		}
	}
	// The emulator's Close is not safe during its Read.
	if pipe, ok := t.screen.InputPipe().(io.Closer); ok {
		_ = pipe.Close() // closing a pipe does not fail
	}
}

// answer sends the emulator's replies to the program. It always reads them, because
// the emulator blocks until they are read.
func (t *Terminal) answer() {
	var buf [256]byte
	for {
		n, err := t.screen.Read(buf[:])
		if err != nil {
			return
		}
		_, _ = t.user.Write(buf[:n]) // the program may have ended
	}
}

// change wakes all waiters for the screen. t.mu is held.
func (t *Terminal) change() {
	close(t.changed)
	t.changed = make(chan struct{})
}

// File is the program's end for code in this process: reads give keys, writes go to
// the screen. It is nil after Start, and closed by Close.
func (t *Terminal) File() *os.File {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.program
}

// Start starts a program as a session leader with this as its controlling terminal.
// Streams of cmd that are nil become the terminal. The caller sets the environment,
// with TERM=xterm-256color. A terminal can start one program and is then for that
// program only.
func (t *Terminal) Start(cmd *exec.Cmd) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.program == nil {
		return errors.New("start a program: the terminal has one, or is closed")
	}
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setsid, cmd.SysProcAttr.Setctty, cmd.SysProcAttr.Ctty = true, true, -1
	// Ctty is an index into the child's files.
	if cmd.Stderr == nil {
		cmd.Stderr, cmd.SysProcAttr.Ctty = t.program, 2
	}
	if cmd.Stdout == nil {
		cmd.Stdout, cmd.SysProcAttr.Ctty = t.program, 1
	}
	if cmd.Stdin == nil {
		cmd.Stdin, cmd.SysProcAttr.Ctty = t.program, 0
	}
	if cmd.SysProcAttr.Ctty < 0 {
		return errors.New("start a program: none of its streams is the terminal")
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start a program: %w", err)
	}
	// With this end closed here, reading ends when the program does.
	_ = t.program.Close()
	t.program = nil
	c := &child{cmd: cmd, exited: make(chan struct{})}
	t.child = c
	go func() {
		defer close(c.exited)
		c.err = cmd.Wait()
	}()
	return nil
}

// Type presses keys, given as a terminal sends them: "\r" for enter, "\x1b[A" for
// arrow up.
func (t *Terminal) Type(keys string) error {
	if _, err := t.user.WriteString(keys); err != nil {
		return fmt.Errorf("type %q: %w", keys, err)
	}
	return nil
}

// Await waits until a text is on the screen; it can span lines with "\n". The error
// shows the screen and wraps the context's. It returns immediately when the program
// has ended.
func (t *Terminal) Await(ctx context.Context, text string) error {
	return t.Until(ctx, fmt.Sprintf("%q", text), func(screen string) bool { return strings.Contains(screen, text) })
}

// Until is like Await, for any condition; what names it in the error.
func (t *Terminal) Until(ctx context.Context, what string, wanted func(screen string) bool) error {
	for {
		over := false
		select {
		case <-t.ended: // checked before the last look at the screen
			over = true
		default:
		}
		t.mu.Lock()
		screen, changed := text(linesOf(t.screen)), t.changed
		t.mu.Unlock()
		switch {
		case wanted(screen):
			return nil
		case over:
			return fmt.Errorf("%s did not appear before the program ended; the screen is\n%s", what, screen)
		}
		select {
		case <-changed:
		case <-t.ended:
		case <-ctx.Done():
			return fmt.Errorf("%s did not appear: %w; the screen is\n%s", what, context.Cause(ctx), screen)
		}
	}
}

// Screen returns the text on the screen: lines that end in "\n", without trailing
// blanks and trailing empty lines.
func (t *Terminal) Screen() string { return text(t.Lines()) }

// Lines returns all rows of the screen.
func (t *Terminal) Lines() []Line {
	t.mu.Lock()
	defer t.mu.Unlock()
	return linesOf(t.screen)
}

// Transcript returns the last 10,000 lines that scrolled off the top, followed by
// the rows of the screen.
func (t *Terminal) Transcript() []Line {
	t.mu.Lock()
	defer t.mu.Unlock()
	var lines []Line
	for _, row := range t.screen.Scrollback().Lines() {
		lines = append(lines, lineOf(row))
	}
	return append(lines, linesOf(t.screen)...)
}

// Raw returns every byte that the program wrote.
func (t *Terminal) Raw() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]byte(nil), t.raw...)
}

// Resize changes the size and signals the program with SIGWINCH.
func (t *Terminal) Resize(columns, rows int) error {
	t.mu.Lock()
	defer t.mu.Unlock() // what the program writes from now on is for the new size
	if err := t.setSize(columns, rows); err != nil {
		return err
	}
	resize(t.screen, columns, rows)
	t.change()
	if t.child == nil {
		// The kernel signals only the terminal's own session.
		return syscall.Kill(os.Getpid(), syscall.SIGWINCH)
	}
	return nil
}

// Wait waits until the started program has ended and all its output is on the
// screen. It returns the exit code, or an error if a signal ended the program or
// the context ended.
func (t *Terminal) Wait(ctx context.Context) (int, error) {
	t.mu.Lock()
	c := t.child
	t.mu.Unlock()
	if c == nil {
		return -1, errors.New("wait for a program: none was started")
	}
	for _, end := range []chan struct{}{c.exited, t.ended} {
		select {
		case <-end:
		case <-ctx.Done():
			return -1, fmt.Errorf("the program did not end: %w; the screen is\n%s", context.Cause(ctx), t.Screen())
		}
	}
	var exit *exec.ExitError
	switch {
	case c.err == nil:
		return 0, nil
	case errors.As(c.err, &exit) && exit.Exited():
		return exit.ExitCode(), nil
	default:
		return -1, fmt.Errorf("the program did not end by itself: %w; the screen is\n%s", c.err, t.Screen())
	}
}

// Close kills the started program and the foreground processes of its session, if
// still running, and closes the terminal. Code of this process must have finished
// with it.
func (t *Terminal) Close() error {
	t.mu.Lock()
	program, c := t.program, t.child
	t.program = nil
	t.mu.Unlock()
	if c != nil {
		select {
		case <-c.exited:
		default:
			_ = syscall.Kill(-c.cmd.Process.Pid, syscall.SIGKILL) // it may have just ended
			<-c.exited
		}
	}
	if program != nil {
		_ = program.Close()
	}
	// Reading ends when no process has the program's end open. A background process
	// may still have it, so this does not wait long.
	late := time.NewTimer(time.Second)
	defer late.Stop()
	select {
	case <-t.ended:
	case <-late.C:
	}
	if err := t.user.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return fmt.Errorf("close the terminal: %w", err)
	}
	return nil
}
