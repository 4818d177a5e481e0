// Package flyapi is a client of Fly.io's API, as far as fly-aws needs it: the
// token that flyctl would use ([FindToken]), organizations with their raw slug,
// apps, the names of their secrets, machines, and a command run in a machine.
//
// Fly has two APIs. The GraphQL one (https://api.fly.io/graphql) is flyctl's own
// and has no documentation but flyctl; it alone knows the raw slug. The Machines
// API (https://docs.machines.dev) is documented REST.
//
// # The alias personal
//
// Fly's tools call the personal organization "personal", but its tokens carry
// the raw slug, and AWS sees tokens. [Organization.RawSlug] is what belongs into a
// trust policy; this package fails rather than give "personal" for it.
//
// # Secrets
//
// A [Token] prints, marshals and logs as a placeholder, and no error holds one,
// also when a server repeats it. Requests with a token are made over https, or to
// loopback and to Fly's private network, and never follow a redirect.
//
// # Text from outside
//
// Names and statuses are given as Fly sent them, and may hold control characters:
// whoever shows one has to escape it. Error strings are fit for a terminal.
package flyapi
