package wizard

import (
	"context"
	"errors"
	"slices"
	"strings"
)

// A question is what a front end asks.
type question struct {
	// name is a few words for it, in the singular: "Fly organization".
	name string
	// title is the question, why a line on what the answer is for.
	title, why string
	kind       kind
	// options to choose from.
	options []option
	// search says that there are many options, to be found by typing.
	search bool
	// initial is the answer that stands there already; empty for none.
	initial []string
	// example is an answer, for text.
	example string
	// optional takes an empty text for an answer.
	optional bool
	// check says why an answer cannot be used; nil for no more than the kind asks.
	check func(answer []string) error
	// first says that there is no earlier question to go back to.
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

// An option is one of a question's.
type option struct {
	// label is what is shown, cleaned; value what the answer holds.
	label, value string
	// name is what a label begins with that goes on with what it means; empty for
	// the whole label. A line of text may answer with it.
	name string
	// keywords are more words that a search finds it by.
	keywords string
	// about describes it further, when it is under the cursor; nil for nothing.
	about func() string
}

// labels of the answer's values.
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

// problem says why an answer cannot be used, or is nil.
func (q question) problem(answer []string) error {
	empty := len(answer) == 0 || len(answer) == 1 && answer[0] == ""
	switch {
	case empty && q.kind == chooseMany:
		return errors.New("choose at least one")
	case empty && q.optional:
		return nil
	case empty:
		return errors.New("an answer is needed")
	case q.check != nil:
		return reasonOf(q.check(answer))
	}
	return nil
}

// matches are the options whose label and keywords contain every word of the
// text, in any case: first one whose label is the text, then those whose label
// begins with it.
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
	// ask gives the answer, one that q.problem has nothing against; or errBack, or
	// what Run fails with.
	ask(ctx context.Context, q question) ([]string, error)
	// show shows all that was said and answered so far; the last lines are new.
	show(lines []string)
	// wait says what is being waited for.
	wait(what string)
}

// errBack says that the person wants to go to the question before.
var errBack = errors.New("back to the question before")

// splitList splits a list of names at commas and spaces.
func splitList(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })
}
