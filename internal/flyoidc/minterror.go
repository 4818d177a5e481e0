package flyoidc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"

	"github.com/fly-aws/fly-aws/internal/text"
)

// A MintKind says why a token could not be minted.
type MintKind string

// The kinds of a MintError. Of these, MintNoSocket and MintConnectionRefused can go
// away by themselves in a machine that is still booting.
const (
	// MintNoSocket: there is no such socket (ENOENT). This is not a Fly Machine, or it
	// is still booting; a Sprite has no socket either.
	MintNoSocket MintKind = "no-socket"
	// MintConnectionRefused: no process listens on the socket (ECONNREFUSED).
	MintConnectionRefused MintKind = "connection-refused"
	// MintNotAllowed: the process may not use the socket (EACCES or EPERM), whose
	// owner is root.
	MintNotAllowed MintKind = "not-allowed"
	// MintNotSocket: the path is not a socket.
	MintNotSocket MintKind = "not-a-socket"
	// MintTimeout: no response came in time.
	MintTimeout MintKind = "timeout"
	// mintCanceled: the context was canceled.
	mintCanceled MintKind = "canceled"
	// MintRefused: Fly responded with an error. Status is set, and so are Code and
	// Message if the response has them.
	MintRefused MintKind = "refused"
	// mintNotToken: the response is not a token.
	mintNotToken MintKind = "not-a-token"
	// mintCutOff: the response is only the beginning of a token or of a response.
	mintCutOff MintKind = "cut-off"
	// mintTooLarge: the response is larger than any token.
	mintTooLarge MintKind = "too-large"
	// mintFailed is any other failure.
	mintFailed MintKind = "failed"
)

// A MintError says why there is no token. It does not hold a token.
type MintError struct {
	Kind MintKind
	// Socket is the path of the socket.
	Socket string
	// Status is the HTTP status of the response; 0 when there was none.
	Status int
	// Code and Message are error and message of Fly's response, safe to show on a
	// terminal; "" when absent.
	Code, Message string
	// RequestID is the fly-request-id of the response, for Fly's support; "" when
	// absent. Quote it before showing it.
	RequestID string
	// Reason is a clause with more detail; "" when Kind says everything.
	Reason string
	// Err is the cause; nil when the response is to blame.
	Err error
}

func (e *MintError) Error() string {
	var s string
	switch e.Kind {
	case MintNoSocket:
		s = "there is no socket %s: this is not a Fly Machine, or it is still booting"
	case MintConnectionRefused:
		s = "connection refused: no process listens on the socket %s"
	case MintNotAllowed:
		s = "this process may not use the socket %s, whose owner is root"
	case MintNotSocket:
		s = "%s is not a socket"
	case MintTimeout:
		s = "the socket %s did not respond in time"
	case mintCanceled:
		s = "minting a token over %s was interrupted"
	case MintRefused:
		s = "Fly refused to mint a token over %s"
	case mintNotToken:
		s = "the response of the socket %s is not a token"
	case mintCutOff:
		s = "the response of the socket %s is only part of a token"
	case mintTooLarge:
		s = "the response of the socket %s is too large"
	default:
		s = "minting a token over %s failed"
	}
	s = fmt.Sprintf(s, text.Quote(e.Socket))
	detailed := false
	for _, part := range []string{e.Code, e.Message, e.Reason} {
		if part != "" {
			s += ": " + part
			detailed = true
		}
	}
	if !detailed && e.Kind == mintFailed && e.Err != nil {
		s += ": " + text.Line(e.Err.Error())
	}
	var more []string
	if e.Status != 0 && e.Status != http.StatusOK {
		more = append(more, fmt.Sprintf("status %d", e.Status))
	}
	if e.RequestID != "" {
		more = append(more, "request "+text.Quote(e.RequestID))
	}
	if len(more) > 0 {
		s += " (" + strings.Join(more, ", ") + ")"
	}
	return s
}

func (e *MintError) Unwrap() error { return e.Err }

// withContext makes a context's error the cause of a failure that it led to.
func (e *MintError) withContext(caller, limited context.Context) {
	switch {
	case e.Status != 0 && e.Err == nil:
		return // the response was complete
	case errors.Is(caller.Err(), context.Canceled):
		e.Kind, e.Reason, e.Err = mintCanceled, "", context.Canceled
	case limited.Err() != nil:
		e.Kind, e.Reason, e.Err = MintTimeout, "", context.DeadlineExceeded
	}
}

// connectionError is the error for a request without a response.
func (c *mintCall) connectionError(err error) *MintError {
	var wrapped *url.Error
	if errors.As(err, &wrapped) { // its URL is meaningless
		err = wrapped.Err
	}
	var errno syscall.Errno
	if errors.As(err, &errno) { // the net package adds the path, which is in the error already
		err = errno
	}
	var timeout net.Error
	switch {
	case errors.As(err, &timeout) && timeout.Timeout():
		return c.fail(MintTimeout, "", context.DeadlineExceeded)
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return c.fail(MintNoSocket, "", err)
	case errors.Is(err, fs.ErrPermission):
		who := ""
		if id := os.Geteuid(); id >= 0 {
			who = fmt.Sprintf("it runs as user %d", id)
		}
		return c.fail(MintNotAllowed, who, err)
	case errors.Is(err, syscall.ECONNREFUSED):
		// A path that is not a socket gives the same error.
		if info, statErr := os.Stat(c.socket); statErr == nil && info.Mode().Type() != fs.ModeSocket {
			return c.fail(MintNotSocket, "", err)
		}
		return c.fail(MintConnectionRefused, "", err)
	case errno != 0:
		return c.fail(mintFailed, "", err)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return c.fail(mintFailed, "the connection ended without a response", err)
	}
	// The error can repeat the response, so only its redacted text is kept.
	return c.fail(mintFailed, text.Line(err.Error()), nil)
}
