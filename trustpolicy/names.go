package trustpolicy

import (
	"strings"

	"github.com/fly-aws/fly-aws/internal/flyname"
)

const (
	// AssumeAction is the action that exchanges a token for credentials.
	AssumeAction = "sts:AssumeRoleWithWebIdentity"
	// TagSessionAction must be allowed too for a token with session tags
	// (id_session-tags.html).
	TagSessionAction = "sts:TagSession"
	// SourceIdentityAction must be allowed too for a token with a source identity
	// (id_credentials_temp_control-access_monitor.html).
	SourceIdentityAction = "sts:SetSourceIdentity"
	// Version2012 is the current version of the policy language.
	Version2012 = "2012-10-17"
	// Version2008 is the old version of the policy language and the default of a document
	// without Version. It has no policy variables
	// (reference_policies_elements_version.html).
	Version2008 = "2008-10-17"
	// DefaultSizeQuota is the default maximum length of a trust policy in characters: IAM
	// quota L-C07B4B0D (reference_iam-quotas.html).
	DefaultSizeQuota = 2048
	// MaxSizeQuota is the highest value of that quota.
	MaxSizeQuota = 8192
)

// ProviderARN returns the ARN of the IAM OIDC provider of an organization,
// arn:<partition>:iam::<account>:oidc-provider/oidc.fly.io/<org>.
func ProviderARN(partition, account, org string) string {
	return "arn:" + partition + ":iam::" + account + providerResource + flyname.IssuerPath(org)
}

// providerResource is the part of a provider's ARN between the account and the path.
const providerResource = ":oidc-provider/"

// Sid returns the ID of our statement for an organization: "fly-aws-<org>" in camel case,
// since IAM accepts only letters and digits. A dash and a letter become the capital
// letter; "-z" becomes "Zz" and any other dash "Z", so that no two slugs share a Sid.
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

// A NameError says why a trust policy cannot hold a name. Kind is "org", "app",
// "machine" or "audience".
type NameError = flyname.NameError
