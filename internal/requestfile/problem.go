package requestfile

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/agnivade/levenshtein"

	"github.com/fly-aws/fly-aws/internal/text"
	"github.com/fly-aws/fly-aws/internal/tomltext"
)

// A Problem is something wrong with a file, at one place of it.
type Problem struct {
	File string
	// Line and Column count from 1, columns in characters.
	Line, Column int
	// Key is the key that it is about, with those of the tables that it is in:
	// "apps.web.policies"; "" for none.
	Key string
	// Reason says what is wrong, and Suggestion what to do or what may have been meant; ""
	// if unknown. Both are safe to show.
	Reason, Suggestion string
	// Err is the cause, if any.
	Err error
}

func (p *Problem) Error() string {
	s := fmt.Sprintf("%s:%d:%d: %s", text.Name(p.File), p.Line, p.Column, p.Reason)
	if p.Suggestion != "" {
		s += "; " + p.Suggestion
	}
	return s
}

// Unwrap returns the cause.
func (p *Problem) Unwrap() error { return p.Err }

// An UnknownAppError says that a file does not name an app.
type UnknownAppError struct {
	File, App string
	// Near is an app that may have been meant, or "".
	Near string
}

func (e *UnknownAppError) Error() string {
	return fmt.Sprintf("%s names no app %s", text.Name(e.File), text.Quote(e.App))
}

// problem makes a problem with the value at a node.
func (f *File) problem(at *node, reason string) *Problem {
	return f.problemAt(at.key, at.path, reason)
}

func (f *File) problemAt(offset int, key, reason string) *Problem {
	line, column := tomltext.Position(f.body, offset)
	return &Problem{File: f.name, Line: line, Column: column, Key: text.Line(key), Reason: text.Line(reason)}
}

// joined joins problems, sorted by their places.
func joined(problems []*Problem) error {
	slices.SortStableFunc(problems, func(a, b *Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	errs := make([]error, len(problems))
	for i, p := range problems {
		errs[i] = p
	}
	return errors.Join(errs...)
}

// didYouMean suggests one of the names that is near, or else what comes instead.
func didYouMean(name string, names []string, instead string) string {
	if near := nearest(name, names); near != "" {
		return "did you mean " + text.Quote(near) + "?"
	}
	return instead
}

// nearest returns the name that may have been meant, "" if none is near.
func nearest(name string, names []string) string {
	const most = 3 // edits
	best, fewest := "", most+1
	for _, candidate := range names {
		if n := levenshtein.ComputeDistance(name, candidate); n < fewest && n < len(candidate) && n < len(name) {
			best, fewest = candidate, n
		}
	}
	return best
}
