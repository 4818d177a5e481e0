package flyapi

import "github.com/cenkalti/backoff/v5"

// Impatient makes a client repeat a read at once.
func Impatient(c *Client) *Client {
	c.backOff = func() backoff.BackOff { return &backoff.ZeroBackOff{} }
	return c
}

// The headers that a token becomes.
func (t Token) GraphQLHeader() string     { return t.graphQLHeader() }
func (t Token) MachinesHeaders() []string { return t.machinesHeaders() }
func (t Token) Redact(text string) string { return t.redact(text) }

// DefaultTransport is the transport of a client that was given none.
var DefaultTransport = defaultTransport
