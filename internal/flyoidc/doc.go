// Package flyoidc handles the OpenID Connect token of a Fly Machine: it mints
// one over the machine's socket ([Minter]), reads one ([Decode], [Inspect]) and
// verifies one against the keys of its issuer ([Verify]).
//
// Reading is strict. Verifiers disagree on a token that has a claim twice, has no
// key ID or gives its expiry as a string, so Decode refuses such a token with the
// [Rule] that it breaks; Inspect shows what can be read of it anyway. Reading is
// not verifying: anyone can write a token that reads well.
//
// # Secrets
//
// A token is a credential until it expires. Only the values that Mint and
// [ReadText] return hold its text: no error does, and a [Token] lacks the
// signature, so it cannot be used as a credential.
//
// # Text from outside
//
// Claims can hold control characters and escape sequences of terminals, and are
// decoded without change: escape a claim before showing it. That includes
// [Member.Value], since JSON requires escapes only for characters below U+0020.
// Reasons and error strings of this package are safe to show on a terminal.
//
// # The alias personal
//
// Fly's tools call a person's own organization "personal", and
// https://oidc.fly.io/personal answers a discovery request with status 200. Yet
// tokens do not carry that issuer: iss and sub have the organization's raw slug. So
// Verify refuses the alias, even though the issuer answers.
package flyoidc
