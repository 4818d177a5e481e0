// Command fly-aws gives Fly.io Machines access to AWS without any access key.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/fly-aws/fly-aws/cmd"
)

// Set by the release build.
var version, commit, date string

func main() {
	// A reader that stops early, such as head, must not kill the program between two
	// writes to AWS. Unlike Ignore, this keeps the default for child processes.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), cmd.EndSignals()...)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the process at once
	os.Exit(cmd.Main(ctx, cmd.Host(cmd.Build{Version: version, Commit: commit, Date: date}), os.Args[1:]))
}
