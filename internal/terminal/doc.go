// Package terminal gives tests a terminal, and draws pictures of its screen.
//
// A [Terminal] is a pseudo-terminal with a screen. Code of this process writes to
// [Terminal.File]; [Terminal.Start] starts another program with it as its
// controlling terminal. The test types keys and waits for text, only as long as
// needed. What scrolls off the top is kept. The screen is emulated by
// charmbracelet/x/vt, whose replies to queries go back to the program.
//
// [SVG] draws lines of the screen for the documentation.
package terminal
