package flyapi

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/fly-aws/fly-aws/internal/text"
)

// A Source says where a token was found: one of the constants, or else the path
// of flyctl's config file.
type Source string

// The sources of a token that are not a file.
const (
	SourceCommandLine Source = "the command line"
	SourceAccessToken Source = "FLY_ACCESS_TOKEN"
	SourceAPIToken    Source = "FLY_API_TOKEN" //nolint:gosec // the name of a variable
)

// String is the source in words, fit for a terminal.
func (s Source) String() string {
	switch s {
	case SourceCommandLine, SourceAccessToken, SourceAPIToken:
		return string(s)
	}
	return text.Quote(string(s))
}

// A Token is what a person signs in to Fly with: one token or several, as flyctl
// keeps them. The zero Token is none. However it is printed, logged or marshalled
// it shows a text.HiddenToken.
type Token struct {
	// A function, since fmt shows the fields of a struct that hides a Token without
	// asking the Token, and even follows a pointer, but looks into no function.
	secret func() *secret
}

type secret struct {
	// macaroons are limited to an organization, an app or less; users are OAuth
	// tokens of a person, good for all that the person may do.
	macaroons, users []string
	source           Source
}

// ParseToken reads a token as people paste it: one or several joined by commas,
// with or without a scheme (FlyV1 or Bearer) before it, as in
// github.com/superfly/fly-go, tokens.Parse. Empty text gives the zero Token. The
// error is an *Error of kindSignIn, without the text.
func ParseToken(text string, source Source) (Token, error) {
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
		if !visible(token) {
			return Token{}, &Error{
				Kind: kindSignIn, Source: source,
				Reason: "it holds blanks, control characters or others that no token has",
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
		return Token{}, nil
	}
	return Token{func() *secret { return &s }}, nil
}

// visible says whether s is visible ASCII, which is all that a header carries.
func visible(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// IsZero says that there is no token.
func (t Token) IsZero() bool { return t.secret == nil }

// Source says where the token was found; "" for the zero Token.
func (t Token) Source() Source {
	if t.IsZero() {
		return ""
	}
	return t.secret().source
}

// String returns a text.HiddenToken, "" for the zero Token.
func (t Token) String() string {
	if t.IsZero() {
		return ""
	}
	return text.HiddenToken
}

// Format writes what String returns, whatever the verb.
func (t Token) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, t.String()) }

// MarshalText returns what String returns, so that no encoder shows more.
func (t Token) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// graphQLHeader is the Authorization of the GraphQL API, which takes macaroons
// and OAuth tokens together. flyctl's config file may hold macaroons whose
// discharges have expired, which only flyctl renews, so of that file flyctl
// itself sends GraphQL the OAuth tokens alone when there are any.
func (t Token) graphQLHeader() string {
	s := t.secret()
	switch s.source {
	case SourceCommandLine, SourceAccessToken, SourceAPIToken:
	default:
		if len(s.users) > 0 {
			return bearer(s.users)
		}
	}
	if len(s.macaroons) == 0 {
		return bearer(s.users)
	}
	return "FlyV1 " + strings.Join(slices.Concat(s.macaroons, s.users), ",")
}

// machinesHeaders are the Authorizations of the Machines API in the order in
// which to try them. It takes either kind, not both. Where both are there, the
// OAuth tokens are for macaroons that have expired.
func (t Token) machinesHeaders() []string {
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

// limited says whether what GraphQL gets may be limited to less than a person may
// do: whether macaroons are in it.
func (t Token) limited() bool { return strings.HasPrefix(t.graphQLHeader(), "FlyV1 ") }

// shortest is the length below which a text is no token, but could be part of a
// word.
const shortest = 8

// redact takes the token out of a text, also one that has no known prefix.
func (t Token) redact(s string) string {
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
