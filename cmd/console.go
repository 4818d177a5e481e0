package cmd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/fly-aws/fly-aws/internal/render"
	"github.com/fly-aws/fly-aws/internal/wizard"
)

// outputFlags say how to print results.
type outputFlags struct {
	json, noColor bool
}

func (f *outputFlags) register(flags *pflag.FlagSet) {
	flags.BoolVarP(&f.json, "json", "j", false, "print one JSON document")
	f.registerColor(flags)
}

func (f *outputFlags) registerColor(flags *pflag.FlagSet) {
	flags.BoolVar(&f.noColor, "no-color", false, "no colors; NO_COLOR does the same")
}

// A console is the System of a command, with the styles of its output.
type console struct {
	System
	// out is the style of standard output, err that of standard error.
	out, err render.Style
	json     bool
}

func newConsole(sys System, o outputFlags) console {
	return console{
		System: sys,
		out:    sys.style(sys.StdoutTTY, o.noColor),
		err:    sys.style(sys.StderrTTY, o.noColor),
		json:   o.json,
	}
}

// note writes a line for the user to standard error; results go to standard output.
func (c console) note(format string, args ...any) {
	fmt.Fprintf(c.Stderr, format+"\n", args...)
}

// patience is how long the program waits for something before it says so.
const patience = 2 * time.Second

// waiting says what the program is waiting for, unless stop is called within patience.
func (c console) waiting(what string) (stop func()) {
	timer := time.AfterFunc(patience, func() { c.note("Still waiting for %s", what) })
	return func() { timer.Stop() }
}

// confirmation names the question whether to apply a plan.
const confirmation = "confirmation"

// confirm asks whether to go on. Any answer other than y or yes means no; the end of
// the input is an error.
func (c console) confirm(ctx context.Context, question string) (bool, error) {
	out := c.Stderr
	if !c.StderrTTY && c.StdoutTTY { // standard error is redirected
		out = c.Stdout
	}
	fmt.Fprintf(out, "%s [y/N] ", question)
	type answer struct {
		line string
		err  error
	}
	read := make(chan answer, 1)
	go func() { // reading a terminal cannot be interrupted
		line, err := bufio.NewReader(c.Stdin).ReadString('\n')
		read <- answer{line, err}
	}()
	select {
	case <-ctx.Done():
		c.note("")
		return false, ctx.Err()
	case a := <-read:
		if a.err != nil || !c.StdinTTY {
			c.note("") // no Enter ended the line on the screen
		}
		switch {
		case errors.Is(a.err, io.EOF) && a.line == "":
			return false, &wizard.InputError{Question: confirmation, Reason: "the input ended"}
		case a.err != nil && !errors.Is(a.err, io.EOF):
			return false, fmt.Errorf("the answer could not be read: %w", a.err)
		}
		switch strings.ToLower(strings.TrimSpace(a.line)) {
		case "y", "yes":
			return true, nil
		}
		return false, nil
	}
}
