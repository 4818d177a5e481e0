package cmd

import (
	"context"
	"errors"
	"time"

	"github.com/fly-aws/fly-aws/internal/flyname"
	"github.com/fly-aws/fly-aws/internal/flyoidc"
)

// A tokenSource says which token to use: the one in a given file, a fresh one from the
// machine's socket, or, for a process that does not run as root, the one in Fly's
// token file.
type tokenSource struct {
	file     string // "" for none, "-" for standard input
	socket   string
	audience string
	wait     time.Duration // for socket or file to appear, while a machine boots
}

// pollPause is the pause between attempts while a machine boots.
const pollPause = 500 * time.Millisecond

// read returns the token.
func (s tokenSource) read(ctx context.Context, sys System) (string, error) {
	if s.file != "" {
		return readToken(ctx, sys, []string{s.file})
	}
	deadline := sys.Now().Add(s.wait)
	minter := flyoidc.Minter{Socket: s.socket}
	for {
		text, err := minter.Mint(ctx, flyoidc.MintRequest{Audience: s.audience})
		var failure *flyoidc.MintError
		if err == nil || !errors.As(err, &failure) || ctx.Err() != nil {
			return text, err
		}
		if s.audience == flyname.AudienceAWS {
			if text, errFile := readToken(ctx, sys, nil); errFile == nil && text != "" {
				return text, nil
			}
		}
		retryable := failure.Kind == flyoidc.MintNoSocket || failure.Kind == flyoidc.MintConnectionRefused || failure.Kind == flyoidc.MintNotAllowed
		if !retryable || !onMachine(sys) || sys.Now().Add(pollPause).After(deadline) {
			return "", err
		}
		sys.Sleep(ctx, pollPause)
	}
}

// onMachine reports whether this is a Fly Machine, where the socket may still appear.
func onMachine(sys System) bool {
	return sys.Getenv("FLY_MACHINE_ID") != "" || sys.Getenv("FLY_APP_NAME") != ""
}
