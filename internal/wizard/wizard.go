package wizard

import (
	"context"
	"errors"
	"io"
	"strconv"
	"strings"
	"unicode"

	"github.com/fly-aws/fly-aws/setup"
)

// Options are the streams and how to use them.
type Options struct {
	// In is read and Out is written. A form needs terminals; plain prompts do not. Plain
	// prompts read no byte beyond the line of an answer, so that the caller can continue
	// reading there.
	In  io.Reader
	Out io.Writer
	// Accessible asks with plain one-line prompts instead of a form.
	Accessible bool
	// Strict makes a wrong answer to a plain prompt an error instead of asking again. It
	// is for answers from a pipe, where the next line is for the next question.
	Strict bool
	// NoColor disables color.
	NoColor bool
	// ASCII draws only with ASCII characters.
	ASCII bool
	// Width is the maximum width of a form, in columns; 0 for 80.
	Width int
	// Term is the value of TERM.
	Term string
	// Clean makes text from outside safe for a terminal. It must be idempotent. If it is
	// nil, unprintable characters are shown as question marks.
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

// A Draft is what flags and files say. The wizard asks for the rest.
type Draft struct {
	// Args are the arguments of "fly-aws setup" so far, without --app, --config,
	// --no-patch and --aws-region. Each of Result.Commands begins with them.
	Args []string
	// Profile is the AWS profile to sign in with; empty for AWS's default credential
	// chain.
	Profile string
	// Org is a slug or raw slug; empty to ask.
	Org string
	// Apps are the apps; only Name and Config are used. Empty to ask.
	Apps []setup.App
	// NoPatch leaves config files unchanged.
	NoPatch bool
	// Role holds the settings of each app's role. The wizard does not ask for permissions
	// if it has Policies, Presets or Inline, nor about sharing if it has a Name.
	Role setup.RoleRequest
	// Region is the AWS region for config files and presets; empty to ask.
	Region string
	// Env is the variable for the role's ARN; empty for AWS_ROLE_ARN.
	Env string
	// Machines, Audience, Adopt and Prune are copied to the request without a question.
	Machines     []string
	Audience     string
	Adopt, Prune bool
}

// A Result is the request that follows from the draft and the answers.
type Result struct {
	Request setup.Request
	// Asked says that a question was asked.
	Asked bool
	// Profile is the AWS profile to use; empty for AWS's default credential chain.
	Profile string
	// Commands are the arguments of the "fly-aws setup" commands that together make the
	// same request without questions: one for the apps with the same permissions. They
	// can run in any order.
	Commands [][]string
}

// ErrAborted says that the user ended the wizard with Ctrl-C. errors.Is reports it as
// context.Canceled, like a program ended by a signal.
var ErrAborted error = abortedError{}

type abortedError struct{}

func (abortedError) Error() string { return "ended before the last question; nothing was changed" }

// Is reports ErrAborted as context.Canceled.
func (abortedError) Is(target error) bool { return target == context.Canceled }

// An InputError says that a question has no answer: the input ended, or the answer was
// wrong and Options.Strict is set.
type InputError struct {
	// Question names the question: "Fly organization".
	Question string
	// Answer is the wrong answer; empty at the end of the input.
	Answer string
	// Reason is a clause.
	Reason string
}

func (e *InputError) Error() string {
	if e.Answer == "" {
		return "no answer to the question for the " + e.Question + ": " + e.Reason
	}
	return "the answer " + strconv.Quote(e.Answer) + " for the " + e.Question + " cannot be used: " + e.Reason
}

// ErrBack says that the user wants to go back: from a question to the one before it, or
// from Confirm to the answers.
var ErrBack = errors.New("back to the previous question")

// New makes an interview that asks for what the draft lacks.
func New(o Options, s Sources, d Draft) *Interview {
	return &Interview{options: o, sources: newCache(s), draft: d, undone: map[string][]string{}}
}

// Ask asks the questions and returns the request. It changes nothing. Another call begins
// at the last question, with the answers so far.
//
// The error is ErrAborted, the error of ctx, an *InputError, a *preset.AnswerError or
// *setup.InvalidError about the draft, or, if there is no other profile to choose, the
// error of the sign-in to AWS.
func (iv *Interview) Ask(ctx context.Context) (Result, error) {
	if n := len(iv.history); n > 0 {
		iv.history = iv.history[:n-1]
	}
	if iv.options.Accessible {
		return iv.run(ctx, &plain{options: iv.options})
	}
	return onScreen(ctx, iv.options, iv.run)
}

// Confirmation is the Question of an *InputError of Confirm.
const Confirmation = "confirmation"

// ErrSave says that the user wants the request to be kept in a file too.
var ErrSave = errors.New("keep the request in a file")

// An Instead is what the user can choose in Confirm instead of yes and no.
type Instead struct {
	// Back goes back to the answers: the error is ErrBack.
	Back bool
	// File, if not empty, is the name of a file to keep the request in: the error is ErrSave.
	File string
}

// Confirm asks whether to go on; the default is no. Errors other than those of instead are
// as with Ask.
func Confirm(ctx context.Context, o Options, title string, instead Instead) (bool, error) {
	if o.Accessible {
		if o.Strict {
			instead = Instead{}
		}
		return (&plain{options: o}).confirm(ctx, title, instead)
	}
	return onScreen(ctx, o, func(ctx context.Context, ui frontEnd) (bool, error) {
		answer, err := ui.ask(ctx, question{name: Confirmation, title: title, kind: decide, initial: []string{no}, first: !instead.Back, file: instead.File})
		if err != nil {
			return false, err
		}
		ui.show([]string{title + " " + answer[0]})
		return answer[0] == yes, nil
	})
}

// list joins names for a sentence.
func list(names []string) string { return strings.Join(names, ", ") }
