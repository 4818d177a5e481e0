// Package requestfile reads and writes fly-aws.toml, the file that says what a team asks
// for: which apps may assume which roles of an AWS account, and what the roles may do.
//
// A file is read strictly and as a whole: everything wrong with it is reported together,
// each [Problem] with its place, a suggestion, and no secret. Keys are exact.
//
// An edit keeps every other byte, as one of package flytoml does, and is checked: the new
// text is read again and must ask for what the old one does and for what was added.
//
// One table of keys is behind the reader, the JSON Schema in docs/fly-aws.schema.json and
// the reference in docs/file.md.
package requestfile
