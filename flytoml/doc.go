// Package flytoml reads and edits a fly.toml, the configuration file of a Fly.io
// app (https://fly.io/docs/reference/configuration/), without rewriting it.
//
// flyctl encodes the whole file anew when it writes one, and with that drops
// comments and order. This package finds the bytes an edit has to touch and
// leaves every other byte as it is: comments, order, indentation, quoting, line
// endings, a byte order mark, a missing final newline. What it adds is written
// like its neighbors.
//
// It works on bytes and knows no file system. [Parse] reads a text once; a [File] does
// not change, and may be used from several goroutines at once.
//
// # What it guarantees
//
// For any src, key and value either an error is returned and nothing else, or
//
//   - the result is valid TOML that means what src meant, but for the one key;
//   - [File.Set] replaces one run of bytes by another, and the bytes before and after
//     it are those of src; where the key is new, nothing is replaced but only
//     something inserted;
//   - [File.Set] once more changes nothing, and neither does [File.Set] of the value
//     that [File.Env] returns;
//   - [File.Unset] of a key that [File.Set] added gives back src, if src had a table [env]
//     or [[env]], empty or not, or else an entry of env. Otherwise what Set had to
//     make stays, empty: [env], or env = { } for env = {}.
//
// An edit is checked before it is returned: the new text is parsed again and
// compared with what it has to mean.
//
// # Which TOML
//
// What is valid is for go-toml v2 to say, the parser that flyctl uses too: here
// TOML 1.1, while a flyctl built with an older release may still refuse what
// version 1.1 added. What this package writes is valid in version 1.0 as well. A
// byte order mark at the start is accepted.
//
// A text with more than 20,000 keys and values is refused, so that no text takes
// long.
package flytoml
