package cmd

import (
	"context"
	"strings"
	"sync"

	"github.com/spf13/pflag"

	"github.com/fly-aws/fly-aws/internal/awsapi"
	"github.com/fly-aws/fly-aws/internal/render"
)

// awsFlags say how to reach AWS.
type awsFlags struct {
	profile, region string
	verbose         bool
}

const verboseUsage = "show each AWS call. Each has the time that it took and its request ID."

func (f *awsFlags) register(flags *pflag.FlagSet) {
	f.registerAccount(flags)
	flags.BoolVar(&f.verbose, "verbose", false, verboseUsage)
}

func (f *awsFlags) registerAccount(flags *pflag.FlagSet) {
	flags.StringVar(&f.profile, "profile", "", "AWS profile, by `name`")
	flags.StringVar(&f.region, "region", "", "AWS `region` to send the calls to")
}

// options returns the AWS options that the flags set. Calls go to the log.
func (f awsFlags) options(log *callLog) awsapi.Options {
	o := awsapi.Options{Profile: f.profile, Region: f.region}
	if f.verbose {
		o.Trace = log.show
	}
	return o
}

// openAccount opens an AWS account. It makes no call.
func (c console) openAccount(ctx context.Context, o awsapi.Options) (*awsapi.Account, error) {
	if o.Endpoint == "" && c.Getenv("AWS_ENDPOINT_URL") == "" {
		ensureRoots(c.Stderr)
	}
	o.UserAgent = "fly-aws/" + strings.Fields(c.Build.String())[0]
	return awsapi.Open(ctx, o)
}

// A callLog shows AWS calls, or holds them back while a form has the terminal.
type callLog struct {
	console console

	mu     sync.Mutex
	paused bool
	calls  []awsapi.Call // made while it is paused
}

func (l *callLog) show(call awsapi.Call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.paused {
		l.calls = append(l.calls, call)
		return
	}
	l.print(call)
}

func (l *callLog) print(call awsapi.Call) {
	render.Call(l.console.Stderr, render.TracedCall{
		Name: call.Service + " " + call.Operation, Attempt: call.Attempt, Elapsed: call.Elapsed,
		Status: call.Status, RequestID: call.RequestID, Code: call.Code,
	}, l.console.err)
}

// pause holds calls back until resume.
func (l *callLog) pause() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.paused = true
}

func (l *callLog) resume() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, call := range l.calls {
		l.print(call)
	}
	l.paused, l.calls = false, nil
}
