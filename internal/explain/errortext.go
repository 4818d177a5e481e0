package explain

import (
	"strconv"
	"strings"
	"time"

	"github.com/fly-aws/fly-aws/trustpolicy"
)

// A MeaningCode says what an error of AWS's is about.
type MeaningCode string

// What AssumeRoleWithWebIdentity answers
// (https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html),
// and what IAM says of a trust policy.
const (
	// MeaningUnknown: the text is none of the following.
	MeaningUnknown MeaningCode = "unknown"
	// MeaningNotAuthorized: the trust policy refuses, or there is no such role, or
	// the role is some seconds old; AWS does not say which.
	MeaningNotAuthorized MeaningCode = "not-authorized"
	// MeaningAssumeRole: sts:AssumeRole was refused, which is the action for who has
	// credentials already, not a token.
	MeaningAssumeRole MeaningCode = "assume-role"
	// MeaningPermission: the call was made with credentials that are in order, and
	// nothing allows them Action.
	MeaningPermission MeaningCode = "permission"
	// MeaningAccessDenied: something is refused; the text does not say what.
	MeaningAccessDenied MeaningCode = "access-denied"
	// MeaningProviderAbsent: the account has no provider for the issuer.
	MeaningProviderAbsent MeaningCode = "provider-absent"
	// MeaningAudience: the provider does not list the token's audience.
	MeaningAudience MeaningCode = "audience"
	// MeaningKeys: STS could not get the issuer's keys, or they did not sign the token.
	MeaningKeys MeaningCode = "keys"
	// MeaningThumbprint: the issuer's certificate does not match the thumbprint of the
	// provider.
	MeaningThumbprint MeaningCode = "thumbprint"
	// MeaningClaimMissing: the token lacks a claim.
	MeaningClaimMissing MeaningCode = "claim-missing"
	// MeaningTokenForm: it is not a token.
	MeaningTokenForm MeaningCode = "token-form"
	// MeaningToken: the token is wrong in a way that AWS does not name.
	MeaningToken MeaningCode = "token"
	// MeaningExpired: the token has expired.
	MeaningExpired MeaningCode = "expired"
	// MeaningSessionExpired: the credentials that came of a token have expired.
	MeaningSessionExpired MeaningCode = "session-expired"
	// MeaningDuration: the session asked for is longer than the role allows.
	MeaningDuration MeaningCode = "duration"
	// MeaningRoleARN: what was given for a role is no ARN of one.
	MeaningRoleARN MeaningCode = "role-arn"
	// MeaningIssuerUnreachable: STS could not reach the issuer; trying again helps.
	MeaningIssuerUnreachable MeaningCode = "issuer-unreachable"
	// MeaningRejected: the issuer says that the token is no longer valid.
	MeaningRejected MeaningCode = "rejected"
	// MeaningRegion: STS is not active in the region for the account.
	MeaningRegion MeaningCode = "region"
	// MeaningSessionPolicy: session policies and tags together are too large.
	MeaningSessionPolicy MeaningCode = "session-policy"
	// MeaningPolicyForm: a policy is malformed.
	MeaningPolicyForm MeaningCode = "policy-form"
	// MeaningPolicySize: a trust policy is larger than the quota ACLSizePerRole.
	MeaningPolicySize MeaningCode = "policy-size"
	// MeaningThrottled: too many requests.
	MeaningThrottled MeaningCode = "throttled"
)

// A Meaning is what an AWS error message means, with what it names.
// Text in it is raw.
type Meaning struct {
	Code MeaningCode
	// AWSCode is the code of AWS's under which the message comes, "" if unknown.
	AWSCode string
	// Issuer is the issuer without provider; Action the one that was not authorized;
	// Claim the one that is missing. Empty when the message does not tell.
	Issuer, Action, Claim string
	// Now and Expiry are the times that AWS compared; zero when it does not tell.
	Now, Expiry time.Time
}

// maxErrorText is how much of a text ErrorText looks at, in bytes: a log of some
// pages.
const maxErrorText = 64 << 10

// messages are the sentences by which AWS's errors are known, in lower case; the
// more specific come first. A code stands for itself where SDKs show no message.
func messages() []struct {
	text, awsCode string
	code          MeaningCode
} {
	return []struct {
		text, awsCode string
		code          MeaningCode
	}{
		{"no openidconnect provider found in your account", "InvalidIdentityToken", MeaningProviderAbsent},
		{"incorrect token audience", "InvalidIdentityToken", MeaningAudience},
		{"retrieve verification key from your identity provider", "InvalidIdentityToken", MeaningKeys},
		{"match configured thumbprint", "InvalidIdentityToken", MeaningThumbprint},
		{"missing a required claim", "InvalidIdentityToken", MeaningClaimMissing},
		{"not a valid jwt", "InvalidIdentityToken", MeaningTokenForm},
		{"token expired: current date/time", "ExpiredTokenException", MeaningExpired},
		{"provided token has expired", "ExpiredToken", MeaningSessionExpired},
		{"security token included in the request is expired", "ExpiredToken", MeaningSessionExpired},
		{"exceeds the maxsessionduration", "ValidationError", MeaningDuration},
		{"request arn is invalid", "ValidationError", MeaningRoleARN},
		{"aclsizeperrole", "LimitExceeded", MeaningPolicySize},
		{"not authorized to perform", "AccessDenied", MeaningNotAuthorized},
		{"expiredtokenexception", "ExpiredTokenException", MeaningExpired},
		{"expiredtoken", "ExpiredToken", MeaningSessionExpired}, // S3's
		{"idpcommunicationerror", "IDPCommunicationError", MeaningIssuerUnreachable},
		{"idprejectedclaim", "IDPRejectedClaim", MeaningRejected},
		{"regiondisabled", "RegionDisabledException", MeaningRegion},
		{"sts is not activated in this region", "RegionDisabledException", MeaningRegion},
		{"packedpolicytoolarge", "PackedPolicyTooLarge", MeaningSessionPolicy},
		{"malformedpolicydocument", "MalformedPolicyDocument", MeaningPolicyForm},
		{"invalididentitytoken", "InvalidIdentityToken", MeaningToken},
		{"accessdenied", "AccessDenied", MeaningAccessDenied},
		{"access denied", "AccessDenied", MeaningAccessDenied},
		{"rate exceeded", "Throttling", MeaningThrottled},
		{"throttling", "Throttling", MeaningThrottled},
	}
}

// ErrorText says what an error message of AWS's means, with whatever the AWS CLI,
// an SDK or a log put around it. Where a text holds several messages, the first
// sentence counts that stands in the table of messages. It looks at the first
// 64 KiB.
func ErrorText(text string) Meaning {
	text = plain(text)
	lower := asciiLower(text)
	for _, m := range messages() {
		i := strings.Index(lower, m.text)
		if i < 0 {
			continue
		}
		out := Meaning{Code: m.code, AWSCode: m.awsCode}
		out.extract(text[i+len(m.text):])
		if out.Code == MeaningAccessDenied && strings.Contains(lower, "assumerolewithwebidentity") {
			out.Code = MeaningNotAuthorized
		}
		return out
	}
	return Meaning{Code: MeaningUnknown}
}

// plain undoes what loggers do to a message: line breaks, and quotation marks
// escaped as JSON, HTML or XML.
func plain(text string) string {
	if len(text) > maxErrorText {
		text = text[:maxErrorText]
	}
	text = strings.ToValidUTF8(text, "?")
	text = strings.NewReplacer(`\"`, `"`, `\n`, " ", `\/`, "/", "&quot;", `"`, "&#39;", "'", "&apos;", "'", "’", "'").Replace(text)
	return strings.Join(strings.Fields(text), " ")
}

// asciiLower keeps the length of s, so that places in one are places in the other.
func asciiLower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

// extract reads what follows the sentence.
func (m *Meaning) extract(rest string) {
	switch m.Code {
	case MeaningProviderAbsent:
		if word := firstWord(rest, "for "); strings.HasPrefix(word, "http") {
			m.Issuer = word
		}
	case MeaningNotAuthorized:
		rest = strings.TrimPrefix(strings.TrimLeft(rest, " "), ":")
		if word := firstWord(rest, ""); isAction(word) {
			m.Action = word
		}
		switch asciiLower(m.Action) {
		case "":
			m.Code = MeaningAccessDenied
		case asciiLower(trustpolicy.AssumeAction), asciiLower(trustpolicy.TagSessionAction):
		case "sts:assumerole":
			m.Code = MeaningAssumeRole
		default:
			m.Code = MeaningPermission
		}
	case MeaningClaimMissing:
		m.Claim = firstWord(rest, ": ")
	case MeaningExpired:
		now, rest, _ := strings.Cut(strings.TrimSpace(rest), " ")
		_, expiry, _ := strings.Cut(rest, "expiration date/time ")
		m.Now, m.Expiry = seconds(now), seconds(firstWord(expiry, ""))
	}
}

// isAction says whether a word is an action of IAM's: "s3:ListBucket".
func isAction(word string) bool {
	service, name, ok := strings.Cut(word, ":")
	odd := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-'
	}
	return ok && service != "" && name != "" && !strings.ContainsFunc(asciiLower(service+name), odd)
}

// firstWord returns what follows after as far as a space, quotation mark, bracket
// or comma; a full stop at its end is not part of it.
func firstWord(s, after string) string {
	s, ok := strings.CutPrefix(strings.TrimLeft(s, " "), after)
	if !ok {
		return ""
	}
	if i := strings.IndexAny(s, " \"'`<>(){}[],;\\"); i >= 0 {
		s = s[:i]
	}
	return strings.TrimRight(s, ".")
}

// seconds reads a time in seconds since 1970; zero when it is none.
func seconds(s string) time.Time {
	n, err := strconv.ParseInt(strings.Trim(s, ".,;)"), 10, 64)
	if err != nil || n <= 0 || n > 1<<40 {
		return time.Time{}
	}
	return time.Unix(n, 0).UTC()
}
