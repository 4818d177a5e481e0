package flyname

import (
	"fmt"
	"strings"

	"github.com/fly-aws/fly-aws/internal/text"
)

// Maximum lengths. An app's name is a DNS label; a provider's URL and an audience have at
// most 255 characters (CreateOpenIDConnectProvider, AddClientIDToOpenIDConnectProvider).
// The others leave room for every name seen.
const (
	maxApp      = 63
	maxOrg      = 128
	maxMachine  = 128
	maxAudience = 255
)

// A NameError says why a trust policy cannot hold a name.
type NameError struct {
	// Kind is "org", "app", "machine" or "audience".
	Kind string
	// Name is the name as given.
	Name string
	// Reason is a clause whose subject is the name: "is empty".
	Reason string
}

func (e *NameError) Error() string {
	if e.Kind == "audience" {
		return fmt.Sprintf("audience %s %s", text.Quote(e.Name), e.Reason)
	}
	return fmt.Sprintf("%s name %s %s", e.Kind, text.Quote(e.Name), e.Reason)
}

// IsAlias says whether the name is Personal, which has to be resolved to a raw slug.
func (e *NameError) IsAlias() bool { return e.Kind == "org" && e.Name == Personal }

// CheckOrg returns a *NameError if slug cannot be the raw slug of an organization: one of
// lower-case letters, digits and dashes other than the alias Personal.
func CheckOrg(slug string) error {
	if slug == Personal {
		return &NameError{Kind: "org", Name: slug, Reason: "is an alias that tokens do not carry; the raw slug is needed"}
	}
	return checkSlug("org", slug, maxOrg)
}

// CheckApp returns a *NameError if name cannot be the name of a Fly app: one of lower-case
// letters, digits and dashes.
func CheckApp(name string) error { return checkSlug("app", name, maxApp) }

// CheckAppPattern returns a *NameError if name cannot be an app's name or the beginning
// of one followed by an asterisk. An asterisk alone would be every app of the
// organization.
func CheckAppPattern(name string) error {
	prefix, isPattern := strings.CutSuffix(name, "*")
	switch {
	case !isPattern:
		return CheckApp(name)
	case strings.Trim(prefix, "-") == "":
		return &NameError{Kind: "app", Name: name, Reason: "would match every app of the organization"}
	}
	return CheckApp(prefix)
}

// CheckMachine returns a *NameError if a subject cannot hold the name of a machine. Fly
// does not document which characters are valid, so this refuses those that could change
// the meaning of a policy or affect a terminal: wildcards, "$", ":", quotes, braces,
// backslashes, white space, and everything but printable ASCII.
func CheckMachine(name string) error {
	return check("machine", name, maxMachine, func(c byte) bool {
		return '!' <= c && c <= '~' && strings.IndexByte(":*?$\"'`\\{}", c) < 0
	})
}

// CheckAudience returns a *NameError unless audience has 1 to 255 characters
// (AddClientIDToOpenIDConnectProvider), all printable ASCII, without wildcards, "$",
// quotes and backslashes, which would have a meaning in a policy.
func CheckAudience(audience string) error {
	return check("audience", audience, maxAudience, func(c byte) bool {
		return '!' <= c && c <= '~' && strings.IndexByte("*?$\"\\", c) < 0
	})
}

func checkSlug(kind, name string, limit int) error {
	return check(kind, name, limit, func(c byte) bool {
		return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-'
	})
}

// check tests the length and each byte of a name.
func check(kind, name string, limit int, ok func(byte) bool) error {
	switch {
	case name == "":
		return &NameError{Kind: kind, Name: name, Reason: "is empty"}
	case len(name) > limit:
		return &NameError{Kind: kind, Name: name, Reason: fmt.Sprintf("is longer than %d characters", limit)}
	}
	for i, r := range name {
		if !ok(name[i]) {
			return &NameError{Kind: kind, Name: name, Reason: fmt.Sprintf("cannot hold %q", r)}
		}
	}
	return nil
}
