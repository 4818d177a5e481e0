// Package doctor finds out why AWS access does not work.
//
// [Machine.Examine] looks at a Fly Machine from inside: at its environment, its token
// file, its clock, its socket, and at what AWS says. It returns a [Report] of values, in
// the order in which things break. From a keyboard, [Walk] walks the chain of an app, link
// by link, from the sign-in at Fly to the region. Package render has the words.
//
// Texts from outside, such as the value of a variable, are in the fields as they are.
// Escape them before showing them. No field has a token or a key.
package doctor
