package sandbox

import (
	"net/http"
	"net/url"
	"time"
)

// Call is one AWS call that arrived.
type Call struct {
	// N counts the calls of a World from 1.
	N int
	// Service is "iam" or "sts"; "" when the request names neither.
	Service string
	// Action is the operation: "CreateRole". It is what the client sent, known or not.
	Action string
	// Params are the parameters in AWS's Query form ("Tags.member.1.Key"). The
	// value of WebIdentityToken is replaced: tokens are not kept.
	Params url.Values
	// Write says that the action changes the account.
	Write bool
	// AccessKeyID is the access key that signed the call; "" when none did. It is
	// what the client claims until Code says otherwise.
	AccessKeyID string
	// Code is the error code that was answered; "" for success, and for a call that
	// is still under way or was dropped.
	Code string
	// Status is the HTTP status that was answered; 0 when there was no answer (yet).
	Status int
	// RequestID is the ID that the answer carries.
	RequestID string
}

// Fault is what goes wrong with one call. The zero value is nothing. Faults are
// made by the functions below and joined by And.
type Fault struct {
	// Delay passes before the call has its effect. It ends early when the client
	// goes away or the Server closes; the call then has no effect.
	Delay time.Duration
	// Before runs before the call's effect, After between the effect and the
	// answer. After runs also for a call that was refused. A hook may use the World.
	Before, After func()

	drop   drop
	refuse func(*request) *apiError
}

// drop says when the connection breaks without an answer.
type drop int

const (
	dropNever drop = iota
	dropAfter
	dropBefore
)

// Refuse refuses the call with an HTTP status, an error code and a message of
// AWS's: 409, "ConcurrentModification", "…".
func Refuse(status int, code, message string) Fault {
	return Fault{refuse: func(*request) *apiError { return &apiError{status, code, message} }}
}

// Throttle refuses the call as IAM does when it is called too often.
func Throttle() Fault { return Refuse(http.StatusBadRequest, "Throttling", "Rate exceeded") }

// ServerError refuses the call with AWS's ServiceFailure, HTTP status 500.
func ServerError() Fault {
	return Refuse(http.StatusInternalServerError, "ServiceFailure",
		"The request processing has failed because of an unknown error, exception or failure.")
}

// Deny refuses the call with AccessDenied, as IAM does a caller whose policies
// do not allow the action.
func Deny() Fault {
	return Fault{refuse: func(r *request) *apiError { return r.denied() }}
}

// DropBefore breaks the connection before the call has any effect.
func DropBefore() Fault { return Fault{drop: dropBefore} }

// DropAfter lets the call have its effect and breaks the connection instead of
// answering.
func DropAfter() Fault { return Fault{drop: dropAfter} }

// Latency delays the call.
func Latency(d time.Duration) Fault { return Fault{Delay: d} }

// And returns both faults as one: delays add up, hooks run in order, the
// earlier break of the connection wins, and so does the first refusal. A refused
// call has no effect; when the connection also breaks, the refusal is not seen.
func (f Fault) And(g Fault) Fault {
	if f.refuse == nil {
		f.refuse = g.refuse
	}
	f.Delay += g.Delay
	f.Before = both(f.Before, g.Before)
	f.After = both(f.After, g.After)
	f.drop = max(f.drop, g.drop)
	return f
}

func both(first, second func()) func() {
	switch {
	case first == nil:
		return second
	case second == nil:
		return first
	}
	return func() {
		first()
		second()
	}
}
