package awsapi

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"unicode"
	"unicode/utf8"
)

// maxSharedFile is the largest shared file that is read, in bytes. A thousand
// profiles of IAM Identity Center take about a quarter of a megabyte.
const maxSharedFile = 4 << 20

// The kinds of section headings other than a name alone.
// https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html
const (
	kindProfile    = "profile"
	kindSSOSession = "sso-session"
	kindServices   = "services"
)

// Profiles lists the profiles in AWS's shared files without duplicates: "default"
// first, then those of the config file and of the credentials file, in file order.
// The names are valid for Options.Profile. Only headings are read, so a profile may
// be unusable.
//
// The files are those that AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE name,
// or config and credentials in .aws in home, if it is not "". A file that does not
// exist has no profiles; one that cannot be read, is too large or is not a regular
// file is a *ConfigFileError. The null device counts as an empty file, since people
// use it to have none.
func Profiles(getenv func(string) string, home string) ([]string, error) {
	read := func(variable, name string) (string, error) {
		path := getenv(variable)
		switch {
		case path != "":
		case home == "":
			return "", nil
		default:
			path = filepath.Join(home, ".aws", name)
		}
		return readShared(path)
	}
	config, err := read("AWS_CONFIG_FILE", "config")
	if err != nil {
		return nil, err
	}
	credentials, err := read("AWS_SHARED_CREDENTIALS_FILE", "credentials")
	if err != nil {
		return nil, err
	}
	return profileNames(config, credentials), nil
}

// readShared reads one of AWS's shared files; "" when it does not exist.
func readShared(path string) (string, error) {
	if path == os.DevNull {
		return "", nil
	}
	failed := func(err error) (string, error) {
		var on *fs.PathError
		if errors.As(err, &on) {
			err = on.Err // the path is in the error already
		}
		return "", &ConfigFileError{Path: path, Err: fmt.Errorf("cannot be read: %w", err)}
	}
	// Reading a FIFO or a device could block forever.
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return "", nil
	case err != nil:
		return failed(err)
	case info.IsDir():
		return "", &ConfigFileError{Path: path, Err: errors.New("is a folder, not a file")}
	case !info.Mode().IsRegular():
		return "", &ConfigFileError{Path: path, Err: errors.New("is not a regular file")}
	}
	r, err := os.Open(path)
	if err != nil {
		return failed(err)
	}
	defer r.Close() //nolint:errcheck // read only
	text, err := io.ReadAll(io.LimitReader(r, maxSharedFile+1))
	switch {
	case err != nil:
		return failed(err)
	case len(text) > maxSharedFile:
		return "", &ConfigFileError{Path: path, Err: fmt.Errorf("is larger than %d MiB", maxSharedFile>>20)}
	}
	return string(text), nil
}

// profileNames returns the names of the profiles in the two files, by the SDK's
// rules (config v1.33.15, processConfigSections and processCredentialsSections), so
// that the SDK finds each of them.
func profileNames(config, credentials string) []string {
	var names []string
	hidden := map[string]bool{}
	for kind, name := range headings(config) {
		nested, isNested := strings.CutPrefix(name, kindProfile+" ")
		switch {
		case kind == kindProfile && isNested:
			// The SDK treats [profile profile x] as [profile x].
			hidden[nested] = true
		case kind == kindProfile, kind == "" && strings.EqualFold(name, "default"):
			names = append(names, name)
		}
	}
	names = slices.DeleteFunc(names, func(name string) bool { return hidden[name] })
	for kind, name := range headings(credentials) {
		switch kind {
		case kindProfile, kindSSOSession, kindServices: // only in the config file
		case "":
			names = append(names, name)
		default:
			names = append(names, kind+" "+name) // a name of several words
		}
	}
	seen := map[string]bool{}
	names = slices.DeleteFunc(names, func(name string) bool {
		again := seen[name]
		seen[name] = true
		// To the SDK "" means no profile. A name with control characters could not
		// be shown unchanged.
		return again || name == "" || !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) })
	})
	if i := slices.Index(names, "default"); i > 0 {
		names = slices.Insert(slices.Delete(names, i, i+1), 0, "default")
	}
	return names
}

// headings returns the kind and name of each section heading as the SDK reads it
// (internal/ini, asProfile): "[kind name]" or "[name]", perhaps indented or with
// blanks inside the brackets. A comment begins at any # or ;. Quotes are part of a
// name, although the AWS CLI removes them.
func headings(text string) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for line := range strings.SplitSeq(text, "\n") {
			if i := strings.IndexAny(line, "#;"); i >= 0 {
				line = line[:i]
			}
			line, begins := strings.CutPrefix(strings.TrimSpace(line), "[")
			line, ends := strings.CutSuffix(line, "]")
			if !begins || !ends {
				continue
			}
			const blanks = " \t"
			kind, name := "", strings.TrimSpace(line)
			if i := strings.IndexAny(name, blanks); i >= 0 {
				kind, name = name[:i], strings.TrimLeft(name[i:], blanks)
			}
			if !yield(kind, name) {
				return
			}
		}
	}
}
