package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/fly-aws/fly-aws/internal/flyoidc"
	"github.com/fly-aws/fly-aws/internal/text"
)

// maxFile limits the size of files named on the command line; even a plan for
// thousands of apps is smaller.
const maxFile = 16 << 20

// readFile reads a file named on the command line; "-" is standard input. Its
// errors name the file.
func readFile(ctx context.Context, sys System, name string) ([]byte, error) {
	data, err := readInput(ctx, sys, name, func(r io.Reader) ([]byte, error) {
		return io.ReadAll(io.LimitReader(r, maxFile+1))
	})
	switch {
	case err != nil:
		return nil, err
	case len(data) > maxFile:
		return nil, fmt.Errorf("%s is larger than %d MiB", inputName(name), maxFile>>20)
	}
	return data, nil
}

// readInput reads the file called name, or standard input for "-", until ctx ends.
// Reading standard input or a pipe may block forever and cannot be interrupted, only
// abandoned.
func readInput(ctx context.Context, sys System, name string, read func(io.Reader) ([]byte, error)) ([]byte, error) {
	type result struct {
		data []byte
		err  error
	}
	done := make(chan result, 1)
	go func() {
		data, err := open(sys, name, read)
		done <- result{data, err}
	}()
	select {
	case r := <-done:
		return r.data, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func open(sys System, name string, read func(io.Reader) ([]byte, error)) ([]byte, error) {
	if text.Redact(name) != name {
		return nil, usagef("pass a token through standard input (-) or in a file: other users can see the arguments of a process",
			"%s is a token, not the path of a file", text.Redact(name))
	}
	in := sys.Stdin
	if name == "-" {
		if sys.StdinTTY {
			fmt.Fprintln(sys.Stderr, "Reading standard input; press Ctrl-D to end it.")
		}
	} else {
		path := sys.path(name)
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			return nil, fmt.Errorf("%s is a folder", name)
		}
		f, err := os.Open(path)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, cause(err))
		}
		defer f.Close() //nolint:errcheck // only read
		in = f
	}
	data, err := read(in)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, cause(err))
	}
	return data, nil
}

// cause strips the path from an os error, since callers name the file.
func cause(err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err
	}
	return err
}

// readToken reads the token from the file that an argument or the environment names.
func readToken(ctx context.Context, sys System, args []string) (string, error) {
	name := flyoidc.DefaultTokenFile
	switch fromEnv := sys.Getenv("AWS_WEB_IDENTITY_TOKEN_FILE"); {
	case len(args) == 1:
		name = args[0]
	case fromEnv != "":
		name = fromEnv
	}
	data, err := readInput(ctx, sys, name, func(r io.Reader) ([]byte, error) {
		token, err := flyoidc.ReadText(r)
		return []byte(token), err
	})
	if err != nil && ctx.Err() == nil && !errors.As(err, new(*usageError)) {
		hint := "give the path of a file with the token, or - for standard input"
		if len(args) == 0 && errors.Is(err, fs.ErrNotExist) {
			hint = "in a machine, Fly keeps it there when AWS_ROLE_ARN is set; elsewhere give a file, or - for standard input"
		}
		err = &hintedError{err: fmt.Errorf("the token file %w", err), hint: hint}
	}
	return string(data), err
}

// inputName names a file, or standard input for "-".
func inputName(file string) string {
	if file == "-" {
		return "standard input"
	}
	return file
}
