package flyapi

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/fly-aws/fly-aws/internal/text"
)

// A Kind says what went wrong.
type Kind string

// The kinds of an Error.
const (
	// kindNotSignedIn: there is no token anywhere. Source is the config file that
	// was looked at, if any.
	kindNotSignedIn Kind = "not-signed-in"
	// kindSignIn: what should hold the token, Source, cannot be used.
	kindSignIn Kind = "sign-in"
	// kindEndpoint: a URL that replaces the one of Fly's API cannot be used.
	kindEndpoint Kind = "endpoint"
	// KindToken: Fly does not take the token. It is wrong, expired or revoked.
	KindToken Kind = "token"
	// kindNotAllowed: the token is good, but not for this; it is limited to an app,
	// an organization or to reading.
	kindNotAllowed Kind = "not-allowed"
	// kindElsewhere: the app exists, but out of the token's reach. It belongs to
	// another organization, or the token is limited to other apps.
	kindElsewhere Kind = "elsewhere"
	// kindNotFound: there is no such app, organization or machine. Fly says the same
	// of an organization that the token does not reach.
	kindNotFound Kind = "not-found"
	// kindRateLimited: Fly limits how often it may be asked.
	kindRateLimited Kind = "rate-limited"
	// kindDown: Fly's API has trouble of its own.
	kindDown Kind = "down"
	// kindUnreachable: no connection, or it broke.
	kindUnreachable Kind = "unreachable"
	// KindTimeout: no answer in time.
	KindTimeout Kind = "timeout"
	// kindCanceled: the context was canceled.
	kindCanceled Kind = "canceled"
	// kindRefused: Fly answered with an error that is none of the above. Code and
	// Message are Fly's.
	kindRefused Kind = "refused"
	// kindUnexpected: the answer is not one of Fly's API.
	kindUnexpected Kind = "unexpected"
	// kindCommand: a command ran in a machine and did not do its work.
	kindCommand Kind = "command"
)

// Error is every error of this package. It never holds a token.
type Error struct {
	Kind Kind
	// Doing is what was tried, as in: listing the Fly organizations. It is "" where
	// no request was made.
	Doing string
	// Thing is what it is about, as in: Fly app "web". It is "" where Doing says it.
	Thing string
	// Source says where the token came from; "" where no token matters.
	Source Source
	// Host is the host that was asked; "" where none was.
	Host string
	// Status is the HTTP status of the answer; 0 when none came.
	Status int
	// Code and Message are Fly's, without control characters; "" when absent.
	Code, Message string
	// RequestID is the answer's fly-request-id, as Fly's support wants it; "" when
	// absent. It is as it came: quote it.
	RequestID string
	// Attempts is how often the request was made.
	Attempts int
	// Reason is a clause that says more than Kind; "" when there is no more.
	Reason string
	// Err is the cause; nil when it lies in the answer.
	Err error
}

func (e *Error) Error() string {
	var b strings.Builder
	about := e.Kind == kindNotFound || e.Kind == kindElsewhere // these say it all
	if e.Doing != "" && !about {
		b.WriteString(e.Doing + ": ")
	}
	b.WriteString(e.what())
	if !about && e.Kind != KindToken {
		for _, part := range [...]string{e.Code, e.Message} {
			if part != "" {
				b.WriteString(": " + part)
			}
		}
	}
	if e.Reason != "" {
		b.WriteString(": " + e.Reason)
	}
	if e.Err != nil {
		switch e.Kind {
		case KindTimeout, kindCanceled:
		default:
			b.WriteString(": " + text.Line(e.Err.Error()))
		}
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

// what is the kind in words.
func (e *Error) what() string {
	token := "the token"
	if e.Source != "" {
		token += " from " + e.Source.String()
	}
	switch e.Kind {
	case kindNotSignedIn:
		if e.Source != "" {
			return "not signed in to Fly: there is no token in the environment, nor in " + e.Source.String()
		}
		return "not signed in to Fly: there is no token in the environment, and no home folder to look for flyctl's"
	case kindSignIn:
		return "signing in to Fly with " + e.Source.String()
	case kindEndpoint:
		return "the URL for Fly's " + e.Thing + " cannot be used"
	case KindToken:
		return "Fly does not accept " + token + ": it is wrong, expired or revoked"
	case kindNotAllowed:
		return token + " may not do this"
	case kindElsewhere:
		return "the " + e.Thing + " exists, but not for " + token +
			": it belongs to another organization, or the token is limited to other apps"
	case kindNotFound:
		return "there is no " + e.Thing
	case kindRateLimited:
		return "Fly limits the rate of requests"
	case kindDown:
		return "Fly's API has trouble at the moment"
	case kindUnreachable:
		return text.Quote(e.Host) + " cannot be reached"
	case KindTimeout:
		return text.Quote(e.Host) + " did not answer in time"
	case kindCanceled:
		return "interrupted"
	case kindRefused:
		return "Fly refused"
	case kindCommand:
		return "the command failed in the machine"
	}
	return text.Quote(e.Host) + " did not answer as Fly's API does"
}

func (e *Error) Unwrap() error { return e.Err }
