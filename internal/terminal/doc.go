// Package terminal is for tests: a terminal with a test in front of it, and
// pictures of what it shows.
//
// A [Terminal] is a pseudo-terminal with a screen. A program of this process
// draws on its [Terminal.File]; another program is started with it as its
// controlling terminal, by [Terminal.Start]. The test types keys and waits for
// text, which takes as long as the program takes and no longer. What scrolls
// off the top is kept. The screen is an emulator of charmbracelet/x/vt; its
// answers to queries go back to the program.
//
// [SVG] makes a picture of lines of the screen for documents.
package terminal
