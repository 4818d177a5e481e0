// Package workdir is the folder a command runs in as a [setup.Target]: the
// entries of [env] in its fly.toml files are the resources.
//
// Files are found the way flyctl finds them, read again for every write and
// replaced whole, so that at no moment half a file is there. A replaced file
// keeps its permissions, owner and group; a symbolic link stays one, and the file
// it leads to is replaced. What cannot be kept is not broken: a file whose owner
// could not be kept, and one that has further names (hard links), is left alone
// with an error. Access control lists and extended attributes are not carried
// over.
//
// Writes of one Folder come one after the other. Against other programs there is
// no lock, as no editor would heed it; instead the file is compared with what
// was read once more just before it is replaced.
package workdir
