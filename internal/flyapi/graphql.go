package flyapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
)

// Codes of errors of the GraphQL API, in extensions.code (superfly/flyctl,
// internal/cli and internal/flyerr).
const (
	codeUnauthorized = "UNAUTHORIZED"
	codeForbidden    = "FORBIDDEN"
	codeNotFound     = "NOT_FOUND"
)

// A question is one query of the GraphQL API.
type question struct {
	// doing and thing are as in Error.
	doing, thing string
	query        string
	variables    map[string]any
	// may names a field below the root, the errors of which are no failure: it, or
	// what it is in, is null.
	may string
}

// ask sends a query and reads its data into a struct with one field a root field.
func (c *Client) ask(ctx context.Context, q question, data any) *Error {
	_, e := c.askPart(ctx, q, data)
	return e
}

// askPart is ask, and says whether there were errors of the field q.may.
func (c *Client) askPart(ctx context.Context, q question, data any) (hidden bool, e *Error) {
	type body struct {
		Query     string         `json:"query"`
		Variables map[string]any `json:"variables"`
	}
	a, e := c.do(ctx, request{
		doing: q.doing, method: http.MethodPost, url: c.base + "/graphql",
		body: body{q.query, q.variables}, headers: []string{c.token.graphQLHeader()}, timeout: c.timeout,
	})
	if e != nil {
		if e.Kind == KindNotFound { // of the endpoint, not of the thing
			e.Kind = KindUnexpected
		}
		return false, e
	}
	var object struct {
		Data   json.RawMessage `json:"data"`
		Errors []graphQLError  `json:"errors"`
	}
	if err := json.Unmarshal(a.body, &object); err != nil {
		return false, c.fail(a, KindUnexpected, "the answer is not that of a GraphQL API")
	}
	for _, failure := range object.Errors {
		if q.may == "" || len(failure.Path) < 2 || failure.Path[1] != q.may {
			return false, c.askRefused(ctx, a, q, object.Errors, failure)
		}
	}
	// Exactly what was asked for is answered, so a field too much is a mistake too.
	d := json.NewDecoder(bytes.NewReader(object.Data))
	d.DisallowUnknownFields()
	if len(object.Data) == 0 || string(object.Data) == "null" || d.Decode(data) != nil {
		return false, c.fail(a, KindUnexpected, "the answer is of another shape than the question")
	}
	return len(object.Errors) > 0, nil
}

// graphQLError is an error as in https://spec.graphql.org/October2021/#sec-Errors.
type graphQLError struct {
	Message string `json:"message"`
	// Path leads to the field, through names and indexes.
	Path       []any `json:"path"`
	Extensions struct {
		Code any `json:"code"`
	} `json:"extensions"`
}

// askRefused is the failure of a query that was answered with errors.
func (c *Client) askRefused(ctx context.Context, a *answer, q question, all []graphQLError, first graphQLError) *Error {
	e := c.fail(a, KindRefused, "")
	code, _ := first.Extensions.Code.(string)
	e.Code, e.Message, e.Thing = c.clean(code), c.clean(first.Message), q.thing
	if n := len(all) - 1; n > 0 {
		e.Reason = fmt.Sprintf("and %d more", n)
	}
	switch code {
	case codeNotFound:
		e.Kind = KindNotFound
	case codeUnauthorized, codeForbidden:
		e.Kind = KindNotAllowed
		if code == codeUnauthorized {
			c.judgeToken(ctx, q, e)
		}
	}
	return e
}

// judgeToken tells a token that Fly does not accept from one that is not for
// this. GraphQL answers both with the same code, and its words are no contract;
// the Machines API says of a macaroon whether it is good
// (https://docs.machines.dev, GET /tokens/current). An OAuth token is good for
// everything that its person may do, so it is bad if it does not even list the
// person's organisations.
func (c *Client) judgeToken(ctx context.Context, q question, e *Error) {
	var verdict *Error
	switch {
	case c.token.limited():
		_, verdict = c.do(ctx, c.machinesRequest(http.MethodGet, "/tokens/current", q.doing))
	case q.query == organizationsQuery:
		e.Kind = KindToken
		return
	default:
		_, err := c.organizations(ctx, q.doing)
		verdict = err
	}
	switch {
	case verdict == nil:
	case verdict.Kind == KindToken:
		e.Kind = KindToken
	case verdict.Kind == KindCanceled:
		*e = *verdict
	default:
		e.Reason = "whether it is still valid is not known"
	}
}
