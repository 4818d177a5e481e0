package wizard

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A question is what a front end asks.
type question struct {
	// name is a few words for it, in the singular: "Fly organization".
	name string
	// title is the question; why says what the answer is for.
	title, why string
	kind       kind
	// options are the options to choose from.
	options []option
	// search says that typing searches the options.
	search bool
	// initial is the initial answer; empty for none.
	initial []string
	// start is the option that the cursor begins on if there is no initial answer.
	start string
	// example is an example of an answer.
	example string
	// optional accepts an empty text.
	optional bool
	// open accepts a text that is no option, if check does.
	open bool
	// check, if not nil, says what is wrong with an answer that is right for the kind.
	check func(answer []string) error
	// file is the name of a file that the request can be kept in, for Confirmation.
	file string
	// first says that there is no previous question to go back to.
	first bool
}

type kind int

const (
	choose     kind = iota // one of options
	chooseMany             // one or more of options
	enter                  // a line of text
	decide                 // yes or no
)

// Answers of a question of kind decide.
const (
	yes = "yes"
	no  = "no"
)

// An option is an option of a question.
type option struct {
	// label is what is shown, cleaned; value is what the answer holds.
	label, value string
	// name is the first part of a label, before its explanation; empty for the whole
	// label. It is accepted as an answer.
	name string
	// keywords are more words for the search.
	keywords string
	// about, if not nil, returns a description to show while the cursor is on it.
	about func() string
}

// labels returns the labels of the answer's values, joined.
func (q question) labels(answer []string) string {
	var words []string
	for _, value := range answer {
		label := value
		for _, o := range q.options {
			if o.value == value {
				label = o.label
			}
		}
		words = append(words, label)
	}
	return list(words)
}

// errEmpty says that there is no answer. Each front end says how to give one.
var errEmpty = errors.New("an answer is needed")

// problem returns what is wrong with an answer, and what to type instead, or nil.
func (q question) problem(answer []string) error {
	empty := len(answer) == 0 || len(answer) == 1 && answer[0] == ""
	switch {
	case empty && q.optional && q.kind != chooseMany:
		return nil
	case empty:
		return errEmpty
	case q.check == nil:
		return nil
	}
	err := reasonOf(q.check(answer))
	if err != nil && q.kind == enter && !strings.Contains(err.Error(), q.example) {
		err = fmt.Errorf("%w; type something like %s", err, q.example)
	}
	return err
}

// matches returns the options whose label and keywords contain every word of the text,
// ignoring case: first one whose label is the text, then those whose label begins with it.
func (q question) matches(text string) []option {
	text = strings.ToLower(strings.TrimSpace(text))
	words := strings.Fields(text)
	var exact, begin, other []option
	for _, o := range q.options {
		label := strings.ToLower(o.label)
		searched := label + " " + strings.ToLower(o.keywords)
		switch {
		case slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(searched, word) }):
		case label == text:
			exact = append(exact, o)
		case strings.HasPrefix(label, text):
			begin = append(begin, o)
		default:
			other = append(other, o)
		}
	}
	return slices.Concat(exact, begin, other)
}

// A frontEnd shows questions.
type frontEnd interface {
	// ask returns a valid answer. The error is ErrBack or an error of Ask.
	ask(ctx context.Context, q question) ([]string, error)
	// show shows all lines so far; the last ones are new.
	show(lines []string)
	// wait says what is being waited for.
	wait(what string)
}

// splitList splits a list at commas and spaces.
func splitList(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })
}
