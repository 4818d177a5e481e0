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
	// kindNotSignedIn: there is no token. Source is the config file that was
	// searched, if any.
	kindNotSignedIn Kind = "not-signed-in"
	// kindSignIn: Source should hold the token and cannot be used.
	kindSignIn Kind = "sign-in"
	// kindEndpoint: an override of an API's URL cannot be used.
	kindEndpoint Kind = "endpoint"
	// KindToken: Fly does not accept the token. It is wrong, expired or revoked.
	KindToken Kind = "token"
	// kindNotAllowed: the token is valid but limited, to an app, an organization or
	// reading.
	kindNotAllowed Kind = "not-allowed"
	// kindElsewhere: the app exists, but the token cannot reach it. It belongs to
	// another organization, or the token is limited to other apps.
	kindElsewhere Kind = "elsewhere"
	// kindNotFound: there is no such app, organization or machine. Fly gives the
	// same response for an organization that the token cannot reach.
	kindNotFound Kind = "not-found"
	// kindRateLimited: there were too many requests.
	kindRateLimited Kind = "rate-limited"
	// kindDown: Fly's API failed with a server error.
	kindDown Kind = "down"
	// kindUnreachable: there was no connection, or it broke.
	kindUnreachable Kind = "unreachable"
	// KindTimeout: there was no response in time.
	KindTimeout Kind = "timeout"
	// kindCanceled: the context was canceled.
	kindCanceled Kind = "canceled"
	// kindRefused: Fly responded with another error. Code and Message are Fly's.
	kindRefused Kind = "refused"
	// kindUnexpected: the response is not one of Fly's API.
	kindUnexpected Kind = "unexpected"
	// kindCommand: a command ran in a machine and failed.
	kindCommand Kind = "command"
)

// Error is the type of all errors of this package. It does not contain a token.
type Error struct {
	Kind Kind
	// Doing is what was attempted, such as: listing the Fly organizations. It is ""
	// if no request was made.
	Doing string
	// Thing is what the error is about, such as: Fly app "web". It is "" if Doing
	// says so.
	Thing string
	// Source is where the token came from; "" if no token matters.
	Source Source
	// Host is the host of the request; "" if there was none.
	Host string
	// Status is the HTTP status of the response; 0 if there was none.
	Status int
	// Code and Message are Fly's, without control characters; "" when absent.
	Code, Message string
	// RequestID is the response's fly-request-id, for Fly's support; "" when
	// absent. Quote it before showing it.
	RequestID string
	// Attempts is how often the request was made.
	Attempts int
	// Reason is a clause with more detail; "" when Kind says everything.
	Reason string
	// Err is the cause; nil when the response is to blame.
	Err error
}

func (e *Error) Error() string {
	var b strings.Builder
	about := e.Kind == kindNotFound || e.Kind == kindElsewhere // their text says everything
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

// what describes the kind.
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
