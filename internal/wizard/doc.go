// Package wizard asks for what a request lacks, and returns the request and the
// command line that makes it without questions.
//
// What is asked, and in which order, is one plain function, [Run]'s interview.
// It does not know how a question is shown. Two front ends do: a form on a
// terminal, drawn by huh, and plain one-line prompts for screen readers and
// pipes. Going back is asking again from the start without the last answer:
// what the sources answered is cached, so that this costs nothing.
//
// The package does no I/O but on the streams of its [Options]. What it has to
// know of the world comes from [Sources]. Text from there reaches the terminal
// through Options.Clean alone.
package wizard
