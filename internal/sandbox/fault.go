package sandbox

import (
	"net/http"
	"net/url"
	"time"
)

// Call is one AWS call that the sandbox received.
type Call struct {
	// N counts the calls of a World from 1.
	N int
	// Service is "iam" or "sts"; "" when the request names neither.
	Service string
	// Action is the operation, like "CreateRole", as sent by the client, known or
	// not.
	Action string
	// Params are the parameters in AWS's Query form ("Tags.member.1.Key"). The
	// value of WebIdentityToken is replaced, so that tokens are not kept.
	Params url.Values
	// Write is set if the action changes the account.
	Write bool
	// AccessKeyID is the access key that signed the call; "" if unsigned. The
	// signature is valid if Code does not say otherwise.
	AccessKeyID string
	// Code is the error code of the response; "" for success, and for a call that
	// is in progress or was dropped.
	Code string
	// Status is the HTTP status of the response; 0 if there is none (yet).
	Status int
	// RequestID is the ID in the response.
	RequestID string
}

// Fault is what goes wrong with one call. The zero value is no fault. The functions
// below make faults, and And combines them.
type Fault struct {
	// Delay passes before the call takes effect. If the client disconnects or the
	// Server closes meanwhile, the call has no effect.
	Delay time.Duration
	// Before runs before the call takes effect, After between the effect and the
	// response, even for a refused call. A hook may use the World.
	Before, After func()

	drop   drop
	refuse func(*request) *apiError
}

// drop says when the connection breaks without a response.
type drop int

const (
	dropNever drop = iota
	dropAfter
	dropBefore
)

// Refuse refuses the call with an HTTP status and AWS's error code and message,
// like 409, "ConcurrentModification", "…".
func Refuse(status int, code, message string) Fault {
	return Fault{refuse: func(*request) *apiError { return &apiError{status, code, message} }}
}

// Throttle refuses the call as IAM does when throttling.
func Throttle() Fault { return Refuse(http.StatusBadRequest, "Throttling", "Rate exceeded") }

// ServerError refuses the call with AWS's ServiceFailure, HTTP status 500.
func ServerError() Fault {
	return Refuse(http.StatusInternalServerError, "ServiceFailure",
		"The request processing has failed because of an unknown error, exception or failure.")
}

// Deny refuses the call with AccessDenied, as IAM does if the caller's policies do
// not allow the action.
func Deny() Fault {
	return Fault{refuse: func(r *request) *apiError {
		r.world.mu.Lock()
		defer r.world.mu.Unlock()
		return r.denied()
	}}
}

// DropBefore breaks the connection before the call takes effect.
func DropBefore() Fault { return Fault{drop: dropBefore} }

// DropAfter lets the call take effect and breaks the connection before the
// response.
func DropAfter() Fault { return Fault{drop: dropAfter} }

// Latency delays the call.
func Latency(d time.Duration) Fault { return Fault{Delay: d} }

// And returns both faults as one: delays add up, hooks run in order, and the first
// refusal and the earlier break of the connection win. A refused call has no
// effect; if the connection also breaks, the client does not see the refusal.
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
