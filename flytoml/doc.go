// Package flytoml reads and edits a fly.toml, the configuration file of a Fly.io
// app (https://fly.io/docs/reference/configuration/), without rewriting it.
//
// flyctl re-encodes the whole file when it writes one, which drops comments and
// order. This package changes only the bytes an edit needs and keeps every other
// byte: comments, order, indentation, quoting, line endings, a byte order mark, a
// missing final newline. What it adds follows the style of the lines around it.
//
// It works on bytes and does not use the file system. [Parse] reads a text once; a
// [File] is immutable and safe for concurrent use.
//
// # What it guarantees
//
// For any src, key and value, either the only result is an error, or
//
//   - the result is valid TOML with the same meaning as src, except for the one key;
//   - [File.Set] replaces one run of bytes and keeps every byte before and after it;
//     for a new key it only inserts;
//   - a second [File.Set] changes nothing, nor does [File.Set] of the value that
//     [File.Env] returns;
//   - [File.Unset] of a key that [File.Set] added restores src, if src had a table
//     [env] or [[env]] (even empty) or another entry of env. Otherwise the table that
//     Set created stays, empty: [env], or env = { } for env = {}.
//
// An edit is checked before it is returned: the new text is parsed again and
// compared with the intended meaning.
//
// # Which TOML
//
// go-toml v2, which flyctl also uses, decides what is valid: here TOML 1.1. A
// flyctl built with an older release may refuse what version 1.1 added. What this
// package writes is also valid TOML 1.0. A byte order mark at the start is
// accepted.
//
// A text with more than 20,000 keys and values is refused, which bounds the time
// spent on it.
package flytoml
