// Command manual writes what comes with the program and is made from its commands: man
// pages and completion scripts, for packages and "make install". Its test writes
// docs/reference.md from the same pages.
package main
