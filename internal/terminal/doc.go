// Package terminal is for tests: a terminal at which a test is the person, and
// pictures of what it shows.
//
// A [Terminal] is a pseudo-terminal with a screen. A program of this process
// draws on its [Terminal.File]; another program is started with it as its
// controlling terminal, by [Terminal.Start]. The test types keys and waits for
// text, which takes as long as the program takes and no longer. What scrolls
// off the top is kept. The terminal answers what programs ask of it, as xterm
// does, so that none waits for an answer.
//
// [SVG] makes a picture of lines of the screen for documents.
//
// Where each character stands is decided by vt10x, which others wrote. What it
// lacks is added in front of it: wide and combined characters, faint text, the
// lines that scrolled off, answers to queries.
package terminal
