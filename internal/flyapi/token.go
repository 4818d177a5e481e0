package flyapi

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/fly-aws/fly-aws/internal/text"
	"github.com/fly-aws/fly-aws/setup"
)

// An AccessToken is a user's credential for Fly: one token or several, as flyctl keeps
// them. The zero AccessToken is no token. Printed, logged or marshaled, it shows as
// text.HiddenToken.
type AccessToken struct {
	// A function, because fmt prints unexported fields without calling their
	// methods and follows pointers, but prints only a function's address.
	secret func() *secret
}

type secret struct {
	// macaroons are limited to an organization, an app or less; users are a user's
	// OAuth tokens, which can do everything the user can.
	macaroons, users []string
	source           setup.FlySource
}

// ParseToken reads a token as people paste it: one or several joined by commas,
// with or without a scheme (FlyV1 or Bearer) before it, as in
// github.com/superfly/fly-go, tokens.Parse. Empty text gives the zero Token. The
// error is an *Error of setup.FlySignIn, without the text.
func ParseToken(text string, source setup.FlySource) (AccessToken, error) {
	text = strings.TrimSpace(text)
	for {
		scheme, rest, found := strings.Cut(text, " ")
		if !found || !strings.EqualFold(scheme, "FlyV1") && !strings.EqualFold(scheme, "Bearer") {
			break
		}
		text = strings.TrimSpace(rest)
	}
	s := secret{source: source}
	for token := range strings.SplitSeq(text, ",") {
		token = strings.TrimSpace(token)
		if token == "" {
			continue
		}
		if !isVisibleASCII(token) {
			return AccessToken{}, &Error{
				FlyProblem: setup.FlyProblem{
					Kind: setup.FlySignIn, Source: source,
					Detail: "it contains blanks, control characters or others that a token cannot have",
				},
			}
		}
		switch kind, _, _ := strings.Cut(token, "_"); kind {
		case "fm1r", "fm1a", "fm2":
			s.macaroons = append(s.macaroons, token)
		default:
			s.users = append(s.users, token)
		}
	}
	if len(s.macaroons)+len(s.users) == 0 {
		return AccessToken{}, nil
	}
	return AccessToken{func() *secret { return &s }}, nil
}

// isVisibleASCII reports whether s is visible ASCII only, as a header must be.
func isVisibleASCII(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// IsZero reports whether there is no token.
func (t AccessToken) IsZero() bool { return t.secret == nil }

// Source is where the token was found; "" for the zero Token.
func (t AccessToken) Source() setup.FlySource {
	if t.IsZero() {
		return ""
	}
	return t.secret().source
}

// String returns a text.HiddenToken, "" for the zero Token.
func (t AccessToken) String() string {
	if t.IsZero() {
		return ""
	}
	return text.HiddenToken
}

// Format writes what String returns, whatever the verb.
func (t AccessToken) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, t.String()) }

// MarshalText returns what String returns, so that encoders do not show more.
func (t AccessToken) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// graphQLHeader is the Authorization header for the GraphQL API, which accepts
// macaroons and OAuth tokens together. flyctl's config file can have macaroons with
// expired discharges, which flyctl renews; so from that file flyctl sends GraphQL
// only the OAuth tokens, if there are any.
func (t AccessToken) graphQLHeader() string {
	s := t.secret()
	if len(s.macaroons) == 0 || s.source == setup.FlySourceConfig && len(s.users) > 0 {
		return bearer(s.users)
	}
	return "FlyV1 " + strings.Join(slices.Concat(s.macaroons, s.users), ",")
}

// machinesHeaders are the Authorization headers for the Machines API, in the order
// to try. It accepts either kind, not both. If there are both, the OAuth tokens are
// the fallback for expired macaroons.
func (t AccessToken) machinesHeaders() []string {
	s := t.secret()
	var headers []string
	if len(s.macaroons) > 0 {
		headers = append(headers, "FlyV1 "+strings.Join(s.macaroons, ","))
	}
	if len(s.users) > 0 {
		headers = append(headers, bearer(s.users))
	}
	return headers
}

func bearer(tokens []string) string { return "Bearer " + strings.Join(tokens, ",") }

// hasMacaroons reports whether the header for GraphQL has macaroons, which can do less
// than the user.
func (t AccessToken) hasMacaroons() bool { return strings.HasPrefix(t.graphQLHeader(), "FlyV1 ") }

// shortest is the length below which a text is not redacted, since it could be part
// of a word.
const shortest = 8

// redact removes the token from a text, even without a known prefix.
func (t AccessToken) redact(s string) string {
	if t.IsZero() {
		return s
	}
	for _, token := range slices.Concat(t.secret().macaroons, t.secret().users) {
		if len(token) >= shortest {
			s = strings.ReplaceAll(s, token, text.HiddenToken)
		}
	}
	return s
}
