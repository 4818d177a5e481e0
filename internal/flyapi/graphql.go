package flyapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"github.com/fly-aws/fly-aws/internal/flyname"
	"github.com/fly-aws/fly-aws/setup"
)

// A question is one GraphQL query.
type question struct {
	// doing and thing are as in Error.
	doing, thing string
	query        string
	variables    map[string]any
}

// A graphQLAnswer is the response to a question.
type graphQLAnswer struct {
	*answer
	Data   json.RawMessage `json:"data"`
	Errors []graphQLError  `json:"errors"`
}

// graphQLError is an error as in https://spec.graphql.org/October2021/#sec-Errors.
// Fly documents no codes in its extensions, so only the message is used.
type graphQLError struct {
	Message string `json:"message"`
	// Path leads to the field, through aliases and indexes.
	Path []any `json:"path"`
}

// ask sends a query and reads its data into a struct with one field for each root
// field. Any error in the response fails it.
func (c *Client) ask(ctx context.Context, q question, data any) *Error {
	a, e := c.post(ctx, q)
	switch {
	case e != nil:
		return e
	case len(a.Errors) > 0:
		return c.askRefused(a, q)
	}
	return c.decode(a, data)
}

// askCheckingToken is ask, but tells a bad token from other refusals.
func (c *Client) askCheckingToken(ctx context.Context, q question, data any) *Error {
	e := c.ask(ctx, q, data)
	if e != nil && e.Kind == setup.FlyRefused {
		c.checkToken(ctx, e)
	}
	return e
}

// post sends a query and returns its response, which can contain errors.
func (c *Client) post(ctx context.Context, q question) (*graphQLAnswer, *Error) {
	type body struct {
		Query     string         `json:"query"`
		Variables map[string]any `json:"variables"`
	}
	a, e := c.do(ctx, request{
		doing: q.doing, method: http.MethodPost, url: c.base + "/graphql",
		body: body{q.query, q.variables}, headers: []string{c.token.graphQLHeader()}, timeout: c.timeout,
	})
	if e != nil {
		if e.Kind == setup.FlyNotFound { // the endpoint, not the thing
			e.Kind = setup.FlyUnexpected
		}
		return nil, e
	}
	object := graphQLAnswer{answer: a}
	if json.Unmarshal(a.body, &object) != nil {
		return nil, c.fail(a, setup.FlyUnexpected, "the response is not that of a GraphQL API")
	}
	return &object, nil
}

// decode reads the data of a response. An unknown field is an error too, since a
// response has exactly the fields of the query.
func (c *Client) decode(a *graphQLAnswer, data any) *Error {
	d := json.NewDecoder(bytes.NewReader(a.Data))
	d.DisallowUnknownFields()
	if a.isNull() || d.Decode(data) != nil {
		return c.mismatch(a)
	}
	return nil
}

func (a *graphQLAnswer) isNull() bool { return len(a.Data) == 0 || string(a.Data) == "null" }

func (c *Client) mismatch(a *graphQLAnswer) *Error {
	return c.fail(a.answer, setup.FlyUnexpected, "the response does not match the query")
}

// askRefused makes the error for a query whose response has errors or is null.
func (c *Client) askRefused(a *graphQLAnswer, q question) *Error {
	e := c.fail(a.answer, setup.FlyRefused, "")
	e.Thing = q.thing
	if len(a.Errors) == 0 {
		e.Detail = "the response is null, without a reason"
		return e
	}
	e.Message = c.clean(a.Errors[0].Message)
	if n := len(a.Errors) - 1; n > 0 {
		e.Detail = fmt.Sprintf("and %d more", n)
	}
	return e
}

// checkToken finds out whether GraphQL refused because of the token. The Machines
// API responds with 401 to a bad one, and reports what a macaroon is limited to
// (https://docs.machines.dev, GET /tokens/current).
func (c *Client) checkToken(ctx context.Context, refused *Error) {
	r := c.machinesRequest(http.MethodGet, "/tokens/current", refused.Doing)
	if !c.token.hasMacaroons() { // an OAuth token, valid for all the user's organizations
		r = c.machinesRequest(http.MethodGet, "/apps?org_slug="+flyname.Personal, refused.Doing)
		r.headers = []string{c.token.graphQLHeader()} // as sent to GraphQL
	}
	a, e := c.do(ctx, r)
	switch {
	case e == nil && c.token.hasMacaroons() && forAppsOnly(a.body):
		refused.Kind = setup.FlyNotAllowed
	case e == nil:
	case e.Kind == setup.FlyToken, e.Kind == setup.FlyCanceled:
		*refused = *e
	case e.Kind != setup.FlyNotAllowed && e.Kind != setup.FlyNotFound:
		refused.Detail = "it is unknown whether the token is still valid"
	}
}

// forAppsOnly reads a response of GET /tokens/current and reports whether every
// token is limited to some apps.
func forAppsOnly(body []byte) bool {
	type current struct {
		Apps []string `json:"apps"`
	}
	var object struct {
		Tokens []current `json:"tokens"`
	}
	return json.Unmarshal(body, &object) == nil && len(object.Tokens) > 0 &&
		!slices.ContainsFunc(object.Tokens, func(t current) bool { return len(t.Apps) == 0 })
}
