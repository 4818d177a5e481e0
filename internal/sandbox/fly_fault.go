package sandbox

import (
	"encoding/json"
	"net/http"

	"github.com/vektah/gqlparser/v2/gqlerror"
)

// FlyCall is one call of Fly's API that the sandbox received.
type FlyCall struct {
	// N counts the calls of a World from 1.
	N int
	// Method and Path are the request's, like "GET" and "/v1/apps/web/machines".
	Method, Path string
	// Fields are the root fields of a GraphQL query, one for each alias, like
	// "app", "app". They are nil for the Machines API and for an invalid query.
	Fields []string
	// Variables are those of a valid GraphQL query.
	Variables map[string]any
	// Status is the HTTP status of the response; 0 if there is none (yet).
	Status int
	// RequestID is the response's fly-request-id.
	RequestID string
}

// FlyFault is what goes wrong with one call of Fly's API. The zero value is no
// fault.
type FlyFault struct {
	// Fault delays the call, runs hooks, or breaks the connection: see Latency,
	// DropBefore and DropAfter. Refusals have no meaning here.
	Fault
	// Answer replaces Fly's response; nil keeps it.
	Answer *FlyAnswer
}

// FlyAnswer is a complete response to a call of Fly's API.
type FlyAnswer struct {
	Status      int
	ContentType string
	Body        string
}

// FlyDown responds as Fly does when its API is down.
func FlyDown() FlyFault {
	return FlyFault{Answer: &FlyAnswer{http.StatusServiceUnavailable, "application/json", `{"error":"upstream connect error"}`}}
}

// FlyWebPage responds with the page of a proxy in front of Fly's API.
func FlyWebPage() FlyFault {
	return FlyFault{Answer: &FlyAnswer{http.StatusBadGateway, "text/html; charset=utf-8", "<!DOCTYPE html><html><title>502 Bad Gateway</title></html>\n"}}
}

// FlyThrottle responds as Fly does when rate limiting.
func FlyThrottle() FlyFault {
	return FlyFault{Answer: &FlyAnswer{http.StatusTooManyRequests, "application/json", `{"error":"rate limit exceeded"}`}}
}

// FlyGraphQLError responds to a GraphQL query with an error.
func FlyGraphQLError(message string) FlyFault {
	body, _ := json.Marshal(graphQLRefusal(&gqlerror.Error{Message: message})) // a string alone
	return FlyFault{Answer: &FlyAnswer{http.StatusOK, "application/json", string(body)}}
}
