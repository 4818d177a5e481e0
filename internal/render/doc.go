// Package render shows plans, events, reports, proofs and errors, as text for a
// person or as JSON documents for a script. It decides nothing: no exit code,
// no order of work. All that comes from outside passes Clean on its way to text.
package render
