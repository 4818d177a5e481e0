// Package flyapi is a client for the parts of Fly.io's API that fly-aws needs: the
// token that flyctl would use ([FindToken]), organizations with their raw slugs,
// apps, the names of their secrets, machines, and running a command in a machine.
//
// Fly has two APIs. The GraphQL API (https://api.fly.io/graphql) has the raw slug;
// its documentation is flyctl's source. The Machines API
// (https://docs.machines.dev) is documented REST.
//
// # The alias personal
//
// Fly's tools call the personal organization "personal", but the tokens that AWS
// sees carry the raw slug. A trust policy needs RawSlug of [setup.Organization];
// this package fails rather than return "personal" for it.
//
// # Secrets
//
// A [AccessToken] prints, marshals and logs as a placeholder. Errors do not contain it,
// even when a server repeats it. Requests with a token use https, except to
// loopback and Fly's private network, and do not follow redirects.
//
// # Text from outside
//
// Names and statuses are as Fly sent them and may contain control characters:
// escape them before showing them. Error strings are safe to show on a terminal.
package flyapi
