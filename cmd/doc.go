// Package cmd is the command line of fly-aws: it reads flags, wires the rooms of
// the program together and turns errors into words, hints and exit codes.
//
// The whole program is one function, [Main]. Each verb has a file of its own, in
// which flags fill an options struct and a run function does the work without
// seeing a flag again.
package cmd
