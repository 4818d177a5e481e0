package cmd

import (
	"context"
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/fly-aws/fly-aws/internal/flyoidc"
	"github.com/fly-aws/fly-aws/internal/machine"
	"github.com/fly-aws/fly-aws/internal/render"
)

type keepOptions struct {
	output    outputFlags
	audiences []string
	outs      []string
	owner     string
	mode      string
	socket    string
	wait      time.Duration
	once      bool
	verbose   bool
	command   []string
}

// keepPath is token keep's CommandPath.
const keepPath = "fly-aws token keep"

func newTokenKeep(sys System) *cobra.Command {
	var o keepOptions
	c := &cobra.Command{
		Use:   "keep --audience A --out FILE [flags] [-- COMMAND [ARGUMENT...]]",
		Short: "In a machine: keep a fresh token in a file, for any party",
		Long: `In a Fly Machine: keep an OpenID Connect token for an audience in a file,
renewed at about half of its lifetime, until this program is stopped. A file is
replaced whole: whoever reads it gets one complete token, and nothing else.
Repeat --audience and --out for more files; the first --out is for the first
--audience.

Run it as root, who may use the machine's socket, and give the files to the user
who needs them with --owner. With COMMAND it starts COMMAND when the first
tokens are there, as that user; it passes signals on, and exits with COMMAND's
code.

A party that accepts each token once (it checks the claim jti) refuses a file's
token the second time; for it, use fly-aws token --raw for each exchange.`,
		Example: `  fly-aws token keep --audience https://vault.example.com --out /run/vault.jwt
  fly-aws token keep --audience api://AzureADTokenExchange \
    --out /run/azure.jwt --owner app -- ./server
  fly-aws token keep --audience my-api --out /run/api.jwt --once`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 && cmd.ArgsLenAtDash() != 0 {
				return usagef("put the command after --", "%q is one argument too many", args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			o.command = args
			if !onMachine(sys) && !cmd.Flags().Changed("wait") {
				o.wait = 0 // nothing is booting
			}
			return runTokenKeep(cmd.Context(), sys, o)
		},
	}
	c.Flags().StringArrayVar(&o.audiences, "audience", nil, "`audience` of a token; repeatable")
	c.Flags().StringArrayVar(&o.outs, "out", nil, "`file` to keep that token in; repeatable")
	c.Flags().StringVar(&o.owner, "owner", "", "`user` who gets the files and runs COMMAND: a name or a number, with :GROUP if not the user's own (default: who runs this)")
	c.Flags().StringVar(&o.mode, "mode", "0400", "permissions of the files, in `octal`")
	registerSocket(sys, c, &o.socket)
	c.Flags().DurationVar(&o.wait, "wait", waitAtBoot, "how long to try for the first tokens, while a machine boots or Fly's API is down")
	c.Flags().BoolVar(&o.once, "once", false, "write the files once and exit")
	c.Flags().BoolVar(&o.verbose, "verbose", false, "say each renewal, and not failures alone")
	c.Flags().BoolVarP(&o.output.json, "json", "j", false, "one JSON document for each event, a line each; on standard error if there is a COMMAND")
	o.output.registerColor(c.Flags())
	return c
}

// maxAudience is the longest audience in characters: IAM's limit for the client IDs of a provider
// (https://docs.aws.amazon.com/IAM/latest/APIReference/API_AddClientIDToOpenIDConnectProvider.html).
const maxAudience = 255

// files checks the pairs of flags, and returns the files to keep.
func (o keepOptions) files(sys System) ([]machine.TokenFile, error) {
	if len(o.audiences) == 0 || len(o.audiences) != len(o.outs) {
		return nil, usagef("give each --audience its own --out: --audience A --out FILE",
			"there are %s and %s", render.Count(len(o.audiences), "--audience"), render.Count(len(o.outs), "--out"))
	}
	mode, err := strconv.ParseUint(o.mode, 8, 32)
	if err != nil || mode&^0o644 != 0 || mode&0o400 == 0 {
		return nil, usagef("use 0400, or 0440 for the owner's group; others may read at most, and not write", "--mode %q cannot be the mode of a token file", o.mode)
	}
	var owner *machine.User
	if o.owner != "" {
		if owner, err = machine.FindUser(o.owner); err != nil {
			return nil, usagef("the users are in /etc/passwd; a number works without it", "--owner %q: %v", o.owner, err)
		}
	}
	files := make([]machine.TokenFile, len(o.outs))
	for i, out := range o.outs {
		if n := utf8.RuneCountInString(o.audiences[i]); n > maxAudience {
			return nil, usagef("give the audience that the other party expects", "--audience has %d characters; the longest that IAM takes has %d", n, maxAudience)
		}
		if out == "-" || strings.HasSuffix(out, "/") {
			return nil, usagef("name a file; fly-aws token --raw prints a token", "--out %s is not a file that can be kept fresh", out)
		}
		files[i] = machine.TokenFile{Audience: o.audiences[i], Path: sys.path(out), Mode: fs.FileMode(mode), Owner: owner}
		if slices.ContainsFunc(files[:i], func(f machine.TokenFile) bool { return f.Path == files[i].Path }) {
			return nil, usagef("a file holds one token", "--out %s is given twice", out)
		}
	}
	return files, nil
}

func runTokenKeep(ctx context.Context, sys System, o keepOptions) error {
	if runtime.GOOS == "windows" {
		return usagef("run it in a Fly Machine", "token keep is for Unix: it needs owners and modes of files")
	}
	files, err := o.files(sys)
	if err != nil {
		return err
	}
	var path string
	switch {
	case len(o.command) == 0:
	case o.once:
		return usagef("drop one of them: without --once the tokens stay fresh while COMMAND runs", "--once and COMMAND exclude each other")
	default:
		if path, err = lookPath(o.command[0]); err != nil {
			return err
		}
	}
	c := newConsole(sys, o.output)
	keeper := machine.Keeper{Tokens: &flyoidc.Minter{Socket: o.socket}, Files: files, Clock: clock{sys}, Tell: c.keepTeller(o)}
	switch err := keeper.Start(ctx, o.wait); {
	case err != nil && ctx.Err() != nil:
		return &hintedError{err, "a file that was not reported as written is as it was"}
	case err != nil || o.once:
		return err
	}
	if len(o.command) == 0 {
		keeper.Run(ctx)
		return nil
	}
	keeping, stop := context.WithCancel(context.WithoutCancel(ctx)) // also while COMMAND shuts down
	defer stop()
	go keeper.Run(keeping)
	command := exec.Command(path, o.command[1:]...) //nolint:gosec,noctx // the user asked to run it, for as long as it takes
	command.Env = sys.Environ
	if owner := files[0].Owner; owner != nil && (owner.UID != os.Geteuid() || owner.GID != os.Getegid()) {
		owner.As(command)
		command.Env = overlay(sys.Environ, []string{"HOME=" + owner.Home})
	}
	return sys.superviseForwarding(ctx, command)
}

// A keepEvent is what token keep --json prints for each event.
type keepEvent struct {
	Schema   string    `json:"schema"`
	Time     time.Time `json:"time"`
	Event    string    `json:"event"` // written, or failed
	Audience string    `json:"audience"`
	File     string    `json:"file"`
	// Expires is when the token in the file expires, absent if there is none.
	Expires *time.Time `json:"expires,omitempty"`
	// Next is when the next attempt is due.
	Next  time.Time     `json:"next"`
	Error *render.Cause `json:"error,omitempty"`
}

// keepTeller returns a function that says what came of an attempt.
func (c console) keepTeller(o keepOptions) func(machine.TokenFile, machine.Attempt) {
	out := c.Stdout
	if len(o.command) > 0 {
		out = c.Stderr
	}
	written := map[string]bool{}
	return func(f machine.TokenFile, a machine.Attempt) {
		if c.json {
			e := keepEvent{
				Schema: render.KeepSchema, Time: c.Now().UTC(), Event: "written", Audience: f.Audience, File: f.Path, Next: a.Next.UTC(),
			}
			if !a.Expires.IsZero() {
				expires := a.Expires.UTC()
				e.Expires = &expires
			}
			if a.Err != nil {
				failure := failureOf(a.Err, func(string) bool { return false })
				e.Event, e.Error = "failed", &failure.Cause
			}
			_ = render.JSONLine(out, e)
			return
		}
		if a.Err != nil || a.Retried || o.verbose || !written[f.Path] {
			render.Kept(c.Stderr, render.KeptView{File: f.Path, Audience: f.Audience, Attempt: a, Now: c.Now()}, c.err)
		}
		written[f.Path] = written[f.Path] || a.Err == nil
	}
}
