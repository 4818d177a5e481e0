package flyapi

import "github.com/cenkalti/backoff/v5"

// Impatient makes a client retry reads without waiting.
func Impatient(c *Client) *Client {
	c.backOff = func() backoff.BackOff { return &backoff.ZeroBackOff{} }
	return c
}

// The headers for a token.
func (t AccessToken) GraphQLHeader() string     { return t.graphQLHeader() }
func (t AccessToken) MachinesHeaders() []string { return t.machinesHeaders() }
func (t AccessToken) Redact(text string) string { return t.redact(text) }

// DefaultTransport is the transport of a client without Options.Transport.
var DefaultTransport = defaultTransport
