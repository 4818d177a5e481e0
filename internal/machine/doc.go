// Package machine works in a Fly Machine for a process that runs longer than one token:
// it keeps tokens in files fresh, serves credentials on loopback, and runs the command
// that uses them.
package machine
