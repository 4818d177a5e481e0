package flyapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"github.com/fly-aws/fly-aws/internal/flyname"
)

// A question is one query of the GraphQL API.
type question struct {
	// doing and thing are as in Error.
	doing, thing string
	query        string
	variables    map[string]any
}

// A graphQLAnswer is the answer to a question.
type graphQLAnswer struct {
	*answer
	Data   json.RawMessage `json:"data"`
	Errors []graphQLError  `json:"errors"`
}

// graphQLError is an error as in https://spec.graphql.org/October2021/#sec-Errors.
// Fly documents no codes for its extensions, so that only its words are read, for
// people.
type graphQLError struct {
	Message string `json:"message"`
	// Path leads to the field, through aliases and indexes.
	Path []any `json:"path"`
}

// ask sends a query and reads its data into a struct with one field a root field.
// Any error in the answer is a failure.
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

// askJudged is ask, and tells a bad token from other refusals.
func (c *Client) askJudged(ctx context.Context, q question, data any) *Error {
	e := c.ask(ctx, q, data)
	if e != nil && e.Kind == kindRefused {
		c.judgeToken(ctx, e)
	}
	return e
}

// post sends a query and returns its answer, in which there may be errors.
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
		if e.Kind == kindNotFound { // of the endpoint, not of the thing
			e.Kind = kindUnexpected
		}
		return nil, e
	}
	object := graphQLAnswer{answer: a}
	if json.Unmarshal(a.body, &object) != nil {
		return nil, c.fail(a, kindUnexpected, "the answer is not that of a GraphQL API")
	}
	return &object, nil
}

// decode reads the data of an answer. Exactly what was asked for is answered, so a
// field too much is a mistake too.
func (c *Client) decode(a *graphQLAnswer, data any) *Error {
	d := json.NewDecoder(bytes.NewReader(a.Data))
	d.DisallowUnknownFields()
	if a.isNull() || d.Decode(data) != nil {
		return c.shapeless(a)
	}
	return nil
}

func (a *graphQLAnswer) isNull() bool { return len(a.Data) == 0 || string(a.Data) == "null" }

func (c *Client) shapeless(a *graphQLAnswer) *Error {
	return c.fail(a.answer, kindUnexpected, "the answer is of another shape than the question")
}

// askRefused is the failure of a query that was answered with errors, or with null.
func (c *Client) askRefused(a *graphQLAnswer, q question) *Error {
	e := c.fail(a.answer, kindRefused, "")
	e.Thing = q.thing
	if len(a.Errors) == 0 {
		e.Reason = "the answer is null, without a reason"
		return e
	}
	e.Message = c.clean(a.Errors[0].Message)
	if n := len(a.Errors) - 1; n > 0 {
		e.Reason = fmt.Sprintf("and %d more", n)
	}
	return e
}

// judgeToken finds out whether a refusal of GraphQL's is due to the token. The
// Machines API answers 401 to a bad one, and tells what a macaroon is limited to
// (https://docs.machines.dev, GET /tokens/current).
func (c *Client) judgeToken(ctx context.Context, refused *Error) {
	r := c.machinesRequest(http.MethodGet, "/tokens/current", refused.Doing)
	if !c.token.limited() { // an OAuth token, which is good for all organizations of its person
		r = c.machinesRequest(http.MethodGet, "/apps?org_slug="+flyname.Personal, refused.Doing)
		r.headers = []string{c.token.graphQLHeader()} // what GraphQL got
	}
	a, e := c.do(ctx, r)
	switch {
	case e == nil && c.token.limited() && forAppsOnly(a.body):
		refused.Kind = kindNotAllowed
	case e == nil:
	case e.Kind == KindToken, e.Kind == kindCanceled:
		*refused = *e
	case e.Kind != kindNotAllowed && e.Kind != kindNotFound:
		refused.Reason = "whether the token is still valid is not known"
	}
}

// forAppsOnly reads an answer of GET /tokens/current: whether each token is
// limited to some apps.
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
