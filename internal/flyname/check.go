package flyname

import (
	"fmt"
	"strings"

	"github.com/fly-aws/fly-aws/internal/text"
)

// Lengths that leave room for every name seen. An app's name is a DNS label; a
// provider's URL and an audience have at most 255 characters
// (CreateOpenIDConnectProvider, AddClientIDToOpenIDConnectProvider).
const (
	maxApp      = 63
	maxOrg      = 128
	maxMachine  = 128
	maxAudience = 255
)

// A NameError says why a name cannot stand in a trust policy.
type NameError struct {
	// Kind is "org", "app", "machine" or "audience".
	Kind string
	// Name is the name as it was given.
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

// IsAlias says whether the name is Personal, whose raw slug has to be found first.
func (e *NameError) IsAlias() bool { return e.Kind == "org" && e.Name == Personal }

// CheckOrg says with a *NameError why slug cannot be the raw slug of an
// organization: it takes lower-case letters, digits and dashes, and is not the
// alias Personal.
func CheckOrg(slug string) error {
	if slug == Personal {
		return &NameError{Kind: "org", Name: slug, Reason: "is an alias that tokens do not carry; the raw slug is needed"}
	}
	return checkSlug("org", slug, maxOrg)
}

// CheckApp says with a *NameError why name cannot be the name of a Fly app,
// which takes lower-case letters, digits and dashes.
func CheckApp(name string) error { return checkSlug("app", name, maxApp) }

// CheckMachine says with a *NameError why name cannot be pinned in a subject.
// Fly documents no alphabet for the names of machines, so this refuses what could
// change the meaning of a policy or of a terminal: wildcards, "$", ":", quotes,
// braces, backslashes, white space, and all but printable ASCII.
func CheckMachine(name string) error {
	return check("machine", name, maxMachine, func(c byte) bool {
		return '!' <= c && c <= '~' && strings.IndexByte(":*?$\"'`\\{}", c) < 0
	})
}

// CheckAudience says with a *NameError why audience cannot be listed by an OIDC
// provider, or would not be taken for itself by StringEquals: printable ASCII
// without wildcards, "$", quotes and backslashes, of at most 255 characters
// (AddClientIDToOpenIDConnectProvider).
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

// check tests length and bytes; what it names in a reason is one rune, quoted.
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
