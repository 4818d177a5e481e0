//go:build unix

package terminal

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/term"
)

// deadline is the timeout for every wait.
const deadline = 20 * time.Second

// programEnv names the program that the test binary runs instead of the tests.
const programEnv = "FLY_AWS_TERMINAL_TEST_PROGRAM"

func TestMain(m *testing.M) {
	name := os.Getenv(programEnv)
	if name == "" {
		os.Exit(m.Run())
	}
	os.Exit(programs[name]())
}

// programs are the programs that the tests start. Each returns its exit code.
var programs = map[string]func() int{
	// echo prints what it reads, until "end".
	"echo": func() int {
		lines := bufio.NewScanner(os.Stdin)
		fmt.Println("ready")
		for lines.Scan() {
			fmt.Printf("<%s>\n", lines.Text())
			if lines.Text() == "end" {
				return 7
			}
		}
		return 1
	},
	// session prints whether it leads a session with a controlling terminal.
	"session": func() int {
		tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
		if err != nil {
			fmt.Println("no terminal:", err)
			return 1
		}
		fmt.Fprintln(tty, "on the terminal, leader:", syscall.Getpgrp() == os.Getpid(), term.IsTerminal(0), term.IsTerminal(1), term.IsTerminal(2))
		return 0
	},
	// ask sends queries to the terminal and prints the replies.
	"ask": func() int {
		old, err := term.MakeRaw(0)
		if err != nil {
			fmt.Println(err)
			return 1
		}
		fmt.Print("\x1b]11;?\x07\x1b[?2026$p\x1b[6n\x1b[c")
		answers, err := bufio.NewReader(os.Stdin).ReadString('c')
		if err := errors.Join(err, term.Restore(0, old)); err != nil {
			fmt.Println(err)
			return 1
		}
		fmt.Printf("%q\n", answers)
		return 0
	},
	// size prints the terminal's size, and again when it changes.
	"size": func() int {
		changes := make(chan os.Signal, 1)
		signal.Notify(changes, syscall.SIGWINCH)
		for {
			columns, rows, err := term.GetSize(0)
			if err != nil {
				fmt.Println(err)
				return 1
			}
			fmt.Printf("%d by %d\n", columns, rows)
			<-changes
		}
	},
	// flood writes more than all buffers hold, and ends.
	"flood": func() int {
		for i := range 5000 {
			fmt.Printf("line %d\n", i)
		}
		return 3
	},
	// stubborn ignores signals that ask it to end.
	"stubborn": func() int {
		signal.Ignore(syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM)
		fmt.Println("ready")
		never := make(chan os.Signal, 1)
		signal.Notify(never, syscall.SIGUSR1)
		<-never
		return 0
	},
}

func open(t *testing.T, columns, rows int) *Terminal {
	t.Helper()
	term, err := Open(columns, rows)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := term.Close(); err != nil {
			t.Error(err)
		}
	})
	return term
}

func program(name string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "TERM=xterm-256color", programEnv+"="+name)
	return cmd
}

func start(t *testing.T, columns, rows int, name string) *Terminal {
	t.Helper()
	term := open(t, columns, rows)
	if err := term.Start(program(name)); err != nil {
		t.Fatal(err)
	}
	return term
}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	t.Cleanup(cancel)
	return ctx
}

// TestProgram types to a program, and reads its output until it ends.
func TestProgram(t *testing.T) {
	t.Parallel()
	term := start(t, 40, 10, "echo")
	for _, step := range []struct{ text, keys string }{
		{"ready", "hello\r"}, {"<hello>", "end\r"},
	} {
		if err := term.Await(within(t), step.text); err != nil {
			t.Fatal(err)
		}
		if err := term.Type(step.keys); err != nil {
			t.Fatal(err)
		}
	}
	code, err := term.Wait(within(t))
	if err != nil || code != 7 {
		t.Errorf("it ended with %d, %v; want 7", code, err)
	}
	if got, want := term.Screen(), "ready\nhello\n<hello>\nend\n<end>\n"; got != want {
		t.Errorf("the screen is %q, want %q", got, want)
	}
	if got, want := string(term.Raw()), "ready\r\nhello\r\n<hello>\r\nend\r\n<end>\r\n"; got != want {
		t.Errorf("it wrote %q, want %q", got, want)
	}
}

// TestSession checks that the terminal is the program's controlling terminal, even
// if some of its streams are not.
func TestSession(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		set  func(cmd *exec.Cmd)
		want string
	}{
		{"all", func(cmd *exec.Cmd) {}, "true true true true"},
		{"input", func(cmd *exec.Cmd) { cmd.Stdin = strings.NewReader("") }, "true false true true"},
		{"output", func(cmd *exec.Cmd) { cmd.Stdout = io.Discard }, "true true false true"},
		{"only errors", func(cmd *exec.Cmd) { cmd.Stdin, cmd.Stdout = strings.NewReader(""), io.Discard }, "true false false true"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			term := open(t, 60, 10)
			cmd := program("session")
			tt.set(cmd)
			if err := term.Start(cmd); err != nil {
				t.Fatal(err)
			}
			if code, err := term.Wait(within(t)); err != nil || code != 0 {
				t.Errorf("it ended with %d, %v", code, err)
			}
			if got, want := term.Screen(), "on the terminal, leader: "+tt.want+"\n"; got != want {
				t.Errorf("the screen is %q, want %q", got, want)
			}
		})
	}
	cmd := program("session")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(""), io.Discard, io.Discard
	if err := open(t, 60, 10).Start(cmd); err == nil {
		t.Error("a program that has nothing of the terminal is started on it")
	}
}

// The emulator's replies reach the program.
func TestAnswersReachTheProgram(t *testing.T) {
	t.Parallel()
	term := start(t, 100, 10, "ask")
	if code, err := term.Wait(within(t)); err != nil || code != 0 {
		t.Fatalf("it ended with %d, %v", code, err)
	}
	if got, want := term.Screen(), `"\x1b]11;rgb:0d0d/1111/1717\a\x1b[?2026;0$y\x1b[1;1R\x1b[?62;1;6;22c"`+"\n"; got != want {
		t.Errorf("it was told %s, want %s", got, want)
	}
}

// Resize tells the program the new size.
func TestResize(t *testing.T) {
	t.Parallel()
	term := start(t, 80, 24, "size")
	if err := term.Await(within(t), "80 by 24\n"); err != nil {
		t.Fatal(err)
	}
	if err := term.Resize(100, 30); err != nil {
		t.Fatal(err)
	}
	if err := term.Await(within(t), "80 by 24\n100 by 30\n"); err != nil {
		t.Fatal(err)
	}
	if n := len(term.Lines()); n != 30 {
		t.Errorf("the screen has %d rows, want 30", n)
	}
	if err := term.Resize(1, 0); err == nil {
		t.Error("a terminal without a row is made")
	}
}

// Transcript has what scrolled off, and nothing is lost when the program ends right
// after writing.
func TestTranscript(t *testing.T) {
	t.Parallel()
	term := start(t, 20, 5, "flood")
	if code, err := term.Wait(within(t)); err != nil || code != 3 {
		t.Fatalf("it ended with %d, %v; want 3", code, err)
	}
	var want strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&want, "line %d\n", i)
	}
	if got := text(term.Transcript()); got != want.String() {
		t.Errorf("the transcript has %d bytes, want %d; it ends in %q", len(got), want.Len(), got[max(0, len(got)-40):])
	}
	if got, want := term.Screen(), "line 4996\nline 4997\nline 4998\nline 4999\n"; got != want {
		t.Errorf("the screen is %q, want %q", got, want)
	}
	if got := bytes.Count(term.Raw(), []byte("\r\n")); got != 5000 {
		t.Errorf("%d lines were written, want 5000", got)
	}
}

// A program can end while the screen is behind: Wait returns when everything is on
// it.
func TestWaitSeesTheEnd(t *testing.T) {
	t.Parallel()
	term := start(t, 40, 10, "echo")
	if err := term.Await(within(t), "ready"); err != nil {
		t.Fatal(err)
	}
	term.mu.Lock() // blocks drawing
	err := term.Type("end\r")
	<-term.child.exited
	term.mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	if code, err := term.Wait(within(t)); err != nil || code != 7 {
		t.Errorf("it ended with %d, %v; want 7", code, err)
	}
	select {
	case <-term.ended:
	default:
		t.Error("there may be more to come")
	}
	if got, want := term.Screen(), "ready\nend\n<end>\n"; got != want {
		t.Errorf("the screen is %q, want %q", got, want)
	}
}

// Await fails with the screen, at the deadline or immediately when the program has
// ended.
func TestAwaitFails(t *testing.T) {
	t.Parallel()
	term := start(t, 40, 10, "echo")
	if err := term.Await(within(t), "ready"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	err := term.Await(ctx, "never")
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), `"never" did not appear`) || !strings.Contains(err.Error(), "\nready\n") {
		t.Errorf("%v; want the text, the end of the context and the screen", err)
	}
	if _, err := term.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, want the end of the context", err)
	}
	if err := term.Type("end\r"); err != nil {
		t.Fatal(err)
	}
	err = term.Await(t.Context(), "never") // without a deadline
	if err == nil || !strings.Contains(err.Error(), "before the program ended") || !strings.Contains(err.Error(), "<end>") {
		t.Errorf("%v; want the end of the program and the screen", err)
	}
	if err := term.Await(t.Context(), "<end>"); err != nil {
		t.Errorf("what is on the screen cannot be seen after the end: %v", err)
	}
}

// Several goroutines can wait for different texts at the same time.
func TestManyWait(t *testing.T) {
	t.Parallel()
	term := open(t, 40, 30)
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			if err := term.Await(within(t), fmt.Sprintf("text %d.", i)); err != nil {
				t.Error(err)
			}
		})
	}
	for i := range 20 {
		fmt.Fprintf(term.File(), "text %d.\r\n", i)
	}
	wg.Wait()
}

// Close ends a program that would not end.
func TestClose(t *testing.T) {
	t.Parallel()
	term, err := Open(40, 10)
	if err != nil {
		t.Fatal(err)
	}
	cmd := program("stubborn")
	if err := term.Start(cmd); err != nil {
		t.Fatal(err)
	}
	if err := term.Start(program("echo")); err == nil {
		t.Error("two programs are started on one terminal")
	}
	if err := term.Await(within(t), "ready"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := term.Close(); err != nil {
			t.Error(err)
		}
	}
	if code, err := term.Wait(within(t)); err == nil || code != -1 || !strings.Contains(err.Error(), "killed") {
		t.Errorf("it ended with %d, %v; want a signal", code, err)
	}
	if err := cmd.Process.Signal(syscall.Signal(0)); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("the program still runs: %v", err)
	}
	if err := term.Type("x"); err == nil {
		t.Error("keys can be typed at a closed terminal")
	}
}

// Wait without a program, a missing program and a terminal that is too small are errors.
func TestNoProgram(t *testing.T) {
	t.Parallel()
	term := open(t, 40, 10)
	if _, err := term.Wait(within(t)); err == nil {
		t.Error("a program that was not started ended")
	}
	if err := term.Start(exec.Command("/nonexistent/program")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v, want that there is no such program", err)
	}
	if _, err := Open(1, 1); err == nil {
		t.Error("a terminal of one column is opened")
	}
}
