package cmd

import (
	"context"
	"fmt"
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

// confirmQuestion is the question whether to apply a plan.
const confirmQuestion = "Apply this plan?"

// confirm asks whether to apply a plan, on one line. Any answer other than y or yes means
// no; the end of the input is an error.
func (c console) confirm(ctx context.Context) (bool, error) {
	out := c.Stderr
	if !c.StderrTTY && c.StdoutTTY { // standard error is redirected
		out = c.Stdout
	}
	return wizard.Confirm(ctx, wizard.Options{In: c.Stdin, Out: out, Accessible: true, Strict: !c.StdinTTY}, confirmQuestion, wizard.Instead{})
}

// confirmUnless is confirm, or nil if the answer is yes already.
func (c console) confirmUnless(yes bool) func(context.Context) (bool, error) {
	if yes {
		return nil
	}
	return c.confirm
}
