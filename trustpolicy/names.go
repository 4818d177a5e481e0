package trustpolicy

import (
	"fmt"
	"strings"
)

const (
	// IssuerHost is the host of Fly's token issuers, one per organisation
	// (https://fly.io/docs/security/openid-connect/).
	IssuerHost = "oidc.fly.io"
	// DefaultAudience is the audience of the tokens that Fly's init fetches for the
	// AWS SDKs, the same in every partition.
	DefaultAudience = "sts.amazonaws.com"
	// AssumeAction is the action that exchanges a token for credentials.
	AssumeAction = "sts:AssumeRoleWithWebIdentity"
	// TagSessionAction must be allowed too where a token carries session tags
	// (id_session-tags.html).
	TagSessionAction = "sts:TagSession"
	// Version2012 is the current version of the policy language.
	Version2012 = "2012-10-17"
	// Version2008 is the old version of the policy language and the default of a
	// document without Version; it knows no policy variables
	// (reference_policies_elements_version.html).
	Version2008 = "2008-10-17"
	// DefaultSizeQuota is how many characters a trust policy may have by default:
	// quota L-C07B4B0D of IAM (reference_iam-quotas.html).
	DefaultSizeQuota = 2048
	// MaxSizeQuota is the most to which the quota can be raised.
	MaxSizeQuota = 8192
)

// personal is an alias that Fly's tools print and Fly's tokens never carry.
const personal = "personal"

// Lengths that leave room for every name seen. An app's name is a DNS label; a
// provider's URL has at most 255 characters (CreateOpenIDConnectProvider).
const (
	maxApp      = 63
	maxOrg      = 128
	maxMachine  = 128
	maxAudience = 255
)

// Issuer returns the issuer of an organisation's tokens,
// "https://oidc.fly.io/<org>".
func Issuer(org string) string { return "https://" + ProviderPath(org) }

// ProviderPath returns "oidc.fly.io/<org>": the issuer without its scheme, which
// ends a provider's ARN and begins its condition keys.
func ProviderPath(org string) string { return IssuerHost + "/" + org }

// ProviderARN returns the ARN of the IAM OIDC provider of an organisation,
// arn:<partition>:iam::<account>:oidc-provider/oidc.fly.io/<org>.
func ProviderARN(partition, account, org string) string {
	return "arn:" + partition + ":iam::" + account + providerResource + ProviderPath(org)
}

// providerResource stands between the account of a provider's ARN and its path.
const providerResource = ":oidc-provider/"

// Subject returns the sub claim of a machine's token, "<org>:<app>:<machine>".
// The machine is named, not identified (https://fly.io/docs/security/openid-connect/).
func Subject(org, app, machine string) string { return org + ":" + app + ":" + machine }

// Sid returns the id of our statement for an organisation: "fly-aws-<org>" in
// camel case, since IAM takes only letters and digits. A dash and a letter
// become the capital letter; "-z" becomes "Zz" and any other dash "Z", so that
// no two slugs share a Sid.
func Sid(org string) string {
	var b strings.Builder
	b.WriteString("FlyAws")
	slug := "-" + org
	for i := 0; i < len(slug); i++ {
		switch {
		case slug[i] != '-':
			b.WriteByte(slug[i])
		case i+1 < len(slug) && slug[i+1] == 'z':
			b.WriteString("Zz")
			i++
		case i+1 < len(slug) && 'a' <= slug[i+1] && slug[i+1] < 'z':
			b.WriteByte(slug[i+1] - 'a' + 'A')
			i++
		default:
			b.WriteByte('Z')
		}
	}
	return b.String()
}

// A NameError says why a name cannot stand in a trust policy.
type NameError struct {
	// Kind is "org", "app", "machine" or "audience".
	Kind string
	// Name is the name as it was given.
	Name string
	// Reason is a clause whose subject is the name: "is empty".
	Reason string
	// Personal says that Name is "personal", the alias of a person's own
	// organisation. Its raw slug has to be found first.
	Personal bool
}

func (e *NameError) Error() string {
	if e.Kind == "audience" {
		return fmt.Sprintf("audience %s %s", quote(e.Name), e.Reason)
	}
	return fmt.Sprintf("%s name %s %s", e.Kind, quote(e.Name), e.Reason)
}

// CheckOrg says with a *NameError why slug cannot be the raw slug of an
// organisation: it takes lower-case letters, digits and dashes, and is not the
// alias "personal".
func CheckOrg(slug string) error {
	if slug == personal {
		return &NameError{
			Kind: "org", Name: slug, Personal: true,
			Reason: "is an alias that tokens never carry; the raw slug is needed",
		}
	}
	return checkSlug("org", slug, maxOrg)
}

// CheckApp says with a *NameError why name cannot be the name of a Fly app,
// which takes lower-case letters, digits and dashes.
func CheckApp(name string) error { return checkSlug("app", name, maxApp) }

// CheckMachine says with a *NameError why name cannot be pinned in a subject.
// Fly documents no alphabet for the names of machines, so this refuses only what
// could change the meaning of a policy or of a terminal: wildcards, "$", ":",
// quotes, braces, backslashes, white space, and all but printable ASCII.
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
		return 'a' <= c && c <= 'z' || isDigit(c) || c == '-'
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

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// quote makes text from outside fit for an error: quoted, without control
// characters, and not endless.
func quote(s string) string {
	const most = 80
	if len(s) <= most {
		return fmt.Sprintf("%q", s)
	}
	return fmt.Sprintf("%q…", strings.ToValidUTF8(s[:most], ""))
}
