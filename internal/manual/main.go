package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/fly-aws/fly-aws/cmd"
)

func main() {
	version := flag.String("version", "", "version in the footer of the man pages")
	date := flag.String("date", "", "date of the man pages, in RFC 3339, so that they are the same on any day")
	flag.Parse()
	if err := run(*version, *date, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "manual:", err)
		os.Exit(1)
	}
}

func run(version, date string, args []string) error {
	if len(args) != 1 {
		return errors.New("usage: manual [-version VERSION] [-date TIME] FOLDER")
	}
	var day string
	if date != "" {
		at, err := time.Parse(time.RFC3339, date)
		if err != nil {
			return err
		}
		day = at.UTC().Format(time.DateOnly)
	}
	files := make(map[string][]byte)
	for _, c := range documented(cmd.Commands()) {
		page := manPage(c, version, day)
		name := filepath.Join("man", pageName(c)+".1")
		files[name] = page
		packed, err := compress(page)
		if err != nil {
			return err
		}
		files[name+".gz"] = packed
	}
	for shell, name := range completions {
		script, err := completion(shell)
		if err != nil {
			return err
		}
		files[filepath.Join("completions", name)] = script
	}
	for name, content := range files {
		name = filepath.Join(args[0], name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil { //nolint:gosec // everyone may read documentation
			return err
		}
		if err := os.WriteFile(name, content, 0o644); err != nil { //nolint:gosec // as above
			return err
		}
	}
	return nil
}

// completions are the names of the completion scripts, by shell.
var completions = map[string]string{
	"bash":       "fly-aws.bash",
	"fish":       "fly-aws.fish",
	"powershell": "fly-aws.ps1",
	"zsh":        "_fly-aws",
}

// completion is the script that fly-aws prints for a shell.
func completion(shell string) ([]byte, error) {
	var out, errs bytes.Buffer
	sys := cmd.System{Stdin: &bytes.Buffer{}, Stdout: &out, Stderr: &errs, Getenv: func(string) string { return "" }}
	if exit := cmd.Main(context.Background(), sys, []string{"completion", shell}); exit != 0 {
		return nil, fmt.Errorf("fly-aws completion %s exits %d: %s", shell, exit, &errs)
	}
	return out.Bytes(), nil
}

// compress is gzip's output without a name and a time, as packages of Debian have it.
func compress(page []byte) ([]byte, error) {
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	_, err = w.Write(page)
	err = errors.Join(err, w.Close())
	return out.Bytes(), err
}

// documented are a command and all below it that have a page, sorted by name.
func documented(c *cobra.Command) []*cobra.Command {
	all := []*cobra.Command{c}
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			all = append(all, documented(sub)...)
		}
	}
	return all
}
