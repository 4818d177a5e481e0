package wizard

import (
	"context"
	"io"
	"strconv"
	"strings"
	"unicode"

	"github.com/fly-aws/fly-aws/setup"
)

// Options are the terminal and how to use it.
type Options struct {
	// In is read and Out written. A form needs terminals; plain prompts need none.
	// Plain prompts take from In no byte beyond the line that answers a question,
	// so that others may go on reading where they stopped.
	In  io.Reader
	Out io.Writer
	// Accessible asks with plain one-line prompts instead of a form.
	Accessible bool
	// Strict makes an answer to a plain prompt that cannot be used an error; it is
	// asked for again otherwise. It is for answers through a pipe, where the next
	// line is meant for the next question.
	Strict bool
	// NoColor draws without color.
	NoColor bool
	// ASCII draws with ASCII characters alone.
	ASCII bool
	// Width is the most columns a form uses; 0 for 80. It is never wider than the
	// terminal.
	Width int
	// Term is the terminal's type, the value of TERM.
	Term string
	// Clean makes text from outside safe for a terminal. Cleaning twice must be
	// cleaning once. Without it what is not printable is shown as a question mark.
	Clean func(string) string
}

func (o Options) clean(text string) string {
	if o.Clean != nil {
		return o.Clean(text)
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, text)
}

// A Draft is what flags and files say already. The wizard asks for the rest.
type Draft struct {
	// Args are the arguments of "fly-aws setup" that said it. They begin
	// Result.Args.
	Args []string
	// Profile is the AWS profile to sign in with; empty for what AWS's own rules
	// find.
	Profile string
	// Org is a slug or raw slug; empty to ask.
	Org string
	// Apps are the apps, of which Name and Config count; empty to ask.
	Apps []setup.App
	// NoPatch leaves every config file alone.
	NoPatch bool
	// Role is what each app's role gets. It says the permissions if it has
	// Policies, Presets or Inline, and whether the role is shared if it has a Name.
	Role setup.RoleRequest
	// Region is the AWS region for the config files and for what presets name; empty
	// to ask.
	Region string
	// Machines, Audience and Adopt pass into the request and are never asked.
	Machines []string
	Audience string
	Adopt    bool
}

// A Result is what Run made of the draft and the answers.
type Result struct {
	Request setup.Request
	// Asked says that there was a question.
	Asked bool
	// Profile is the AWS profile to use; empty for what AWS's own rules find.
	Profile string
	// Args are the arguments of "fly-aws setup" that make the same request
	// without a question.
	Args []string
}

// ErrAborted says that the person ended the wizard, by Ctrl-C. It is a
// context.Canceled to errors.Is, as the end of the program by a signal is.
var ErrAborted error = abortedError{}

type abortedError struct{}

func (abortedError) Error() string { return "ended before the last question; nothing was changed" }

// Is makes it a context.Canceled.
func (abortedError) Is(target error) bool { return target == context.Canceled }

// An InputError says that a question has no answer: the input ended, or its line
// cannot be used and is not asked for again (see Options.Strict).
type InputError struct {
	// Question is a few words for it: "Fly organization".
	Question string
	// Answer is what was given; empty at the end of the input.
	Answer string
	// Reason is a clause in words.
	Reason string
}

func (e *InputError) Error() string {
	if e.Answer == "" {
		return "no answer to the question for the " + e.Question + ": " + e.Reason
	}
	return "the answer " + strconv.Quote(e.Answer) + " for the " + e.Question + " cannot be used: " + e.Reason
}

// Run asks for what the draft lacks and makes the request. It changes nothing.
//
// The error is ErrAborted, the end of ctx, an *InputError, a *preset.Error for a
// preset of the draft, what sign-in to AWS failed with when there is no other
// profile to choose, or a *setup.InvalidError for what the draft has wrong.
func Run(ctx context.Context, o Options, s Sources, d Draft) (Result, error) {
	iv := &interview{options: o, sources: newCache(s), draft: d}
	if o.Accessible {
		return iv.run(ctx, &plain{options: o})
	}
	return onScreen(ctx, o, iv.run)
}

// list joins names for a sentence.
func list(names []string) string { return strings.Join(names, ", ") }
