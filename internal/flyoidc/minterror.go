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
)

// A MintKind says what kept a token from being minted.
type MintKind string

// The kinds of a MintError. Those up to MintUnheard may pass when the machine has
// only just booted.
const (
	// MintNoSocket: there is no such socket (ENOENT). This is not a Fly Machine, or
	// one that is only just booting; a Sprite has no socket either.
	MintNoSocket MintKind = "no-socket"
	// MintUnheard: nobody listens on the socket (ECONNREFUSED).
	MintUnheard MintKind = "unheard"
	// MintNotAllowed: the process may not use the socket (EACCES or EPERM), which
	// belongs to root.
	MintNotAllowed MintKind = "not-allowed"
	// MintNotSocket: there is something else at that path.
	MintNotSocket MintKind = "not-a-socket"
	// MintTimeout: no answer came in time.
	MintTimeout MintKind = "timeout"
	// MintCanceled: the context was cancelled.
	MintCanceled MintKind = "canceled"
	// MintRefused: Fly answered with an error. Status is set, Code and Message are
	// if the answer had them.
	MintRefused MintKind = "refused"
	// MintNotToken: the answer is something else than a token.
	MintNotToken MintKind = "not-a-token"
	// MintCutOff: the answer is only the beginning of a token, or of an answer.
	MintCutOff MintKind = "cut-off"
	// MintTooLarge: the answer is larger than any token.
	MintTooLarge MintKind = "too-large"
	// MintFailed is any other failure.
	MintFailed MintKind = "failed"
)

// MintError says why there is no token. It never holds one.
type MintError struct {
	Kind MintKind
	// Socket is the path that was asked.
	Socket string
	// Status is the HTTP status of the answer; 0 when none came.
	Status int
	// Code and Message are error and message of Fly's answer, without control
	// characters; "" when absent.
	Code, Message string
	// RequestID is the answer's fly-request-id, as Fly's support wants it; "" when
	// absent. It is as it came: quote it.
	RequestID string
	// Reason is a clause that says more than Kind; "" when there is no more.
	Reason string
	// Err is the cause; nil when it lies in the answer.
	Err error
}

func (e *MintError) Error() string {
	var s string
	switch e.Kind {
	case MintNoSocket:
		s = "there is no socket %s: this is not a Fly Machine, or it is still booting"
	case MintUnheard:
		s = "nobody listens on the socket %s"
	case MintNotAllowed:
		s = "this process may not use the socket %s, which belongs to root"
	case MintNotSocket:
		s = "%s is not a socket"
	case MintTimeout:
		s = "the socket %s did not answer in time"
	case MintCanceled:
		s = "minting a token over %s was interrupted"
	case MintRefused:
		s = "Fly refused to mint a token over %s"
	case MintNotToken:
		s = "the socket %s answered with something else than a token"
	case MintCutOff:
		s = "the socket %s answered with half a token"
	case MintTooLarge:
		s = "the socket %s answered with too much"
	default:
		s = "minting a token over %s failed"
	}
	s = fmt.Sprintf(s, quote(e.Socket))
	said := false
	for _, part := range []string{e.Code, e.Message, e.Reason} {
		if part != "" {
			s += ": " + part
			said = true
		}
	}
	if !said && e.Kind == MintFailed && e.Err != nil {
		s += ": " + clean(e.Err.Error())
	}
	var more []string
	if e.Status != 0 && e.Status != http.StatusOK {
		more = append(more, fmt.Sprintf("status %d", e.Status))
	}
	if e.RequestID != "" {
		more = append(more, "request "+quote(e.RequestID))
	}
	if len(more) > 0 {
		s += " (" + strings.Join(more, ", ") + ")"
	}
	return s
}

func (e *MintError) Unwrap() error { return e.Err }

// withContext gives the end of a context as the cause of what failed by it.
func (e *MintError) withContext(caller, limited context.Context) {
	switch {
	case e.Status != 0 && e.Err == nil:
		return // the whole answer was there
	case errors.Is(caller.Err(), context.Canceled):
		e.Kind, e.Reason, e.Err = MintCanceled, "", context.Canceled
	case limited.Err() != nil:
		e.Kind, e.Reason, e.Err = MintTimeout, "", context.DeadlineExceeded
	}
}

// unanswered is the failure of a request that got no answer.
func (x *exchange) unanswered(err error) *MintError {
	var wrapped *url.Error
	if errors.As(err, &wrapped) { // it adds a URL that means nothing
		err = wrapped.Err
	}
	var errno syscall.Errno
	if errors.As(err, &errno) { // what the net package adds repeats the path
		err = errno
	}
	var timeout net.Error
	switch {
	case errors.As(err, &timeout) && timeout.Timeout():
		return x.fail(MintTimeout, "", context.DeadlineExceeded)
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return x.fail(MintNoSocket, "", err)
	case errors.Is(err, fs.ErrPermission):
		return x.fail(MintNotAllowed, "", err)
	case errors.Is(err, syscall.ECONNREFUSED):
		// So does a path that is no socket answer.
		if info, statErr := os.Stat(x.socket); statErr == nil && info.Mode().Type() != fs.ModeSocket {
			return x.fail(MintNotSocket, "", err)
		}
		return x.fail(MintUnheard, "", err)
	case errno != 0:
		return x.fail(MintFailed, "", err)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return x.fail(MintFailed, "the connection ended without an answer", err)
	}
	// The error may repeat what came, so only its cleaned text is kept.
	return x.fail(MintFailed, clean(err.Error()), nil)
}
