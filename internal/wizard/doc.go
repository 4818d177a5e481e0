// Package wizard asks for what a request lacks, and returns the request and the command
// line that makes it without questions.
//
// An [Interview] asks the questions in order. It does not know how they are shown. There
// are two front ends: a form on a terminal, drawn by huh, and plain one-line prompts for
// screen readers and pipes. To go back, the interview starts again without the last answer;
// the sources' results are cached, so this is cheap. That is also how the user goes back
// from a plan to the answers: [Confirm] returns [ErrBack], and [Interview.Ask] is called
// again.
//
// All I/O is on the streams of [Options]. Everything else that the wizard needs to know
// comes from [Sources], and that text is cleaned by Options.Clean before it is shown.
package wizard
