package sandbox

import (
	"encoding/json"
	"net/http"

	"github.com/vektah/gqlparser/v2/gqlerror"
)

// FlyCall is one call of Fly's API that arrived.
type FlyCall struct {
	// N counts the calls of a World from 1.
	N int
	// Method and Path are those of the request: "GET", "/v1/apps/web/machines".
	Method, Path string
	// Fields are the root fields of a GraphQL query, one for each alias: "app",
	// "app". They are nil for the Machines API, and for a query that is not valid.
	Fields []string
	// Variables are those of a valid GraphQL query.
	Variables map[string]any
	// Status is the HTTP status that was answered; 0 when there was no answer (yet).
	Status int
	// RequestID is the answer's fly-request-id.
	RequestID string
}

// FlyFault is what goes wrong with one call of Fly's API. The zero value is
// nothing.
type FlyFault struct {
	// Fault delays the call, runs hooks, or breaks the connection: see Latency,
	// DropBefore and DropAfter. A refusal of AWS's in it has no meaning here.
	Fault
	// Answer is given instead of Fly's; nil is Fly's own.
	Answer *FlyAnswer
}

// FlyAnswer is a whole answer to a call of Fly's API.
type FlyAnswer struct {
	Status      int
	ContentType string
	Body        string
}

// FlyDown answers as Fly does when its API has trouble.
func FlyDown() FlyFault {
	return FlyFault{Answer: &FlyAnswer{http.StatusServiceUnavailable, "application/json", `{"error":"upstream connect error"}`}}
}

// FlyWebPage answers with the page of a proxy before Fly's API.
func FlyWebPage() FlyFault {
	return FlyFault{Answer: &FlyAnswer{http.StatusBadGateway, "text/html; charset=utf-8", "<!DOCTYPE html><html><title>502 Bad Gateway</title></html>\n"}}
}

// FlyThrottle answers as Fly does when it is called too often.
func FlyThrottle() FlyFault {
	return FlyFault{Answer: &FlyAnswer{http.StatusTooManyRequests, "application/json", `{"error":"rate limit exceeded"}`}}
}

// FlyGraphQLError answers a GraphQL query with an error of that message.
func FlyGraphQLError(message string) FlyFault {
	body, _ := json.Marshal(graphQLRefusal(&gqlerror.Error{Message: message})) // a string alone
	return FlyFault{Answer: &FlyAnswer{http.StatusOK, "application/json", string(body)}}
}
