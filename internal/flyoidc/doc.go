// Package flyoidc handles the OpenID Connect token of a Fly Machine: it mints
// one over the machine's socket ([Minter]), reads one ([Decode], [Inspect]) and
// verifies one against the keys of its issuer ([Verify]).
//
// Reading is strict. Verifiers disagree on what to do with a token that names a
// claim twice, has no key ID or says when it expires in a string, so such a
// token is refused with the [Rule] that it breaks, and not guessed at. Inspect
// shows what can be read of it all the same. Reading is not verifying: whoever
// has a keyboard can write a token that reads well.
//
// # Secrets
//
// A token is a credential until it expires. Its text is in the values that Mint
// and [ReadText] return and in nothing else: no error holds it, and a [Token]
// has no signature and is worth nothing to a thief.
//
// # Text from outside
//
// Claims may hold control characters and escape sequences of terminals; they are
// decoded as they are. Whoever shows a claim has to escape it, with
// [strconv.Quote] for one. The JSON text in [Member.Value] has escapes only for
// the characters below U+0020. Reasons and error strings of this package are fit
// for a terminal.
//
// # The alias personal
//
// Fly's tools call the personal organisation "personal", and the issuer answers
// the discovery of https://oidc.fly.io/personal with status 200. No token
// carries that issuer: iss and sub have the organisation's raw slug. So that an
// issuer answers proves nothing about its name, and Verify refuses the alias.
package flyoidc
