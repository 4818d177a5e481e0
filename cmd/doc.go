// Package cmd is the command line of fly-aws: it parses flags, connects the packages
// of the program, and turns errors into words, hints and exit codes.
//
// The whole program is one function, [Main]. Each command has its own file: flags fill
// an options struct, and a run function, which knows nothing of cobra, makes one call
// and has package render show the result.
package cmd
