// Package workdir is the folder a command runs in as a [setup.Target]: the
// entries of [env] in its fly.toml files are the resources.
//
// Files are found as flyctl finds them, read again before every write and replaced
// atomically. A replaced file keeps its permissions, owner and group; for a
// symbolic link, its target is replaced. A file whose owner cannot be kept, or that
// has other hard links, is left alone with an error. Access control lists and
// extended attributes are not carried over.
//
// Writes of one Folder are serialized. There is no lock against other programs,
// since editors would ignore one; instead, the file is compared with what was read
// just before it is replaced.
//
// InMemory is such a folder without a disk.
package workdir
