package flyapi

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/fly-aws/fly-aws/internal/text"
	"github.com/fly-aws/fly-aws/setup"
)

// Error is the type of all errors of this package. It does not contain a token.
type Error struct {
	setup.FlyProblem
	// Doing is what was attempted, such as: listing the Fly organizations. It is ""
	// if no request was made.
	Doing string
	// Thing is what the error is about, such as: Fly app "web". It is "" if Doing
	// says so.
	Thing string
	// Err is the cause, which Detail puts in words where Kind does not; nil when the
	// response is to blame.
	Err error
}

func (e *Error) Error() string {
	var b strings.Builder
	about := e.Kind == setup.FlyNotFound || e.Kind == setup.FlyElsewhere // their text says everything
	if e.Doing != "" && !about {
		b.WriteString(e.Doing + ": ")
	}
	b.WriteString(e.what())
	if !about && e.Kind != setup.FlyToken {
		for _, part := range [...]string{e.Code, e.Message} {
			if part != "" {
				b.WriteString(": " + part)
			}
		}
	}
	if e.Detail != "" {
		b.WriteString(": " + e.Detail)
	}
	var more []string
	if e.Attempts > 1 {
		more = append(more, fmt.Sprintf("%d attempts", e.Attempts))
	}
	if e.Status != 0 && e.Status != http.StatusOK {
		more = append(more, fmt.Sprintf("status %d", e.Status))
	}
	if e.RequestID != "" {
		more = append(more, "request "+text.Quote(e.RequestID))
	}
	if len(more) > 0 {
		b.WriteString(" (" + strings.Join(more, ", ") + ")")
	}
	return b.String()
}

// what describes the kind.
func (e *Error) what() string {
	token := "the token"
	if e.Source != "" {
		token += " from " + sourceWords(e.Source)
	}
	switch e.Kind {
	case setup.FlyNotSignedIn:
		return "not signed in to Fly: there is no token in the environment or in flyctl's config file"
	case setup.FlySignIn:
		return "signing in to Fly with " + sourceWords(e.Source)
	case setup.FlyEndpoint:
		return "the URL for Fly's " + e.Thing + " cannot be used"
	case setup.FlyToken:
		return "Fly does not accept " + token + ": it is wrong, expired or revoked"
	case setup.FlyNotAllowed:
		return token + " may not do this"
	case setup.FlyElsewhere:
		return "the " + e.Thing + " exists, but not for " + token +
			": it belongs to another organization, or the token is limited to other apps"
	case setup.FlyNotFound:
		return "there is no " + e.Thing
	case setup.FlyRateLimited:
		return "Fly limits the rate of requests"
	case setup.FlyDown:
		return "Fly's API has trouble at the moment"
	case setup.FlyUnreachable:
		return text.Quote(e.Host) + " cannot be reached"
	case setup.FlyTimeout:
		return text.Quote(e.Host) + " did not answer in time"
	case setup.FlyCanceled:
		return "interrupted"
	case setup.FlyRefused:
		return "Fly refused"
	case setup.FlyCommand:
		return "the command failed in the machine"
	}
	return text.Quote(e.Host) + " did not answer as Fly's API does"
}

func sourceWords(s setup.FlySource) string {
	switch s {
	case setup.FlySourceFlag:
		return "the command line"
	case setup.FlySourceConfig:
		return "flyctl's config file"
	}
	return string(s)
}

func (e *Error) Unwrap() error { return e.Err }
