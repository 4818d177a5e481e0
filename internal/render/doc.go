// Package render shows plans, events, reports, checks and errors, as text for a
// person or as JSON documents for a script. It decides nothing: no exit code,
// no order of work. Text from outside is cleaned before it is shown.
package render
