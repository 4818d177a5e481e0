package explain

import (
	"strconv"
	"strings"
	"time"

	"github.com/fly-aws/fly-aws/trustpolicy"
)

// A MeaningCode names what an AWS error is about.
type MeaningCode string

// Meanings of errors of AssumeRoleWithWebIdentity
// (https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html)
// and of IAM's errors about trust policies.
const (
	// MeaningUnknown: the text is none of the following.
	MeaningUnknown MeaningCode = "unknown"
	// MeaningNotAuthorized: the trust policy does not allow it, the role does not exist,
	// or the role is only seconds old; AWS does not say which.
	MeaningNotAuthorized MeaningCode = "not-authorized"
	// MeaningAssumeRole: sts:AssumeRole was refused, the action for callers with
	// credentials instead of a token.
	MeaningAssumeRole MeaningCode = "assume-role"
	// MeaningPermission: the credentials are valid, but no policy allows them Action.
	MeaningPermission MeaningCode = "permission"
	// MeaningAccessDenied: something was refused; the text does not say what.
	MeaningAccessDenied MeaningCode = "access-denied"
	// MeaningProviderAbsent: the account has no provider for the issuer.
	MeaningProviderAbsent MeaningCode = "provider-absent"
	// MeaningAudience: the provider does not list the token's audience.
	MeaningAudience MeaningCode = "audience"
	// MeaningKeys: STS could not get the issuer's keys, or the signature does not match.
	MeaningKeys MeaningCode = "keys"
	// MeaningThumbprint: the issuer's certificate does not match the thumbprint of the
	// provider.
	MeaningThumbprint MeaningCode = "thumbprint"
	// MeaningClaimMissing: the token lacks a claim.
	MeaningClaimMissing MeaningCode = "claim-missing"
	// MeaningTokenForm: it is not a token.
	MeaningTokenForm MeaningCode = "token-form"
	// MeaningToken: the token is invalid, and AWS does not say why.
	MeaningToken MeaningCode = "token"
	// MeaningExpired: the token has expired.
	MeaningExpired MeaningCode = "expired"
	// MeaningSessionExpired: the temporary credentials have expired.
	MeaningSessionExpired MeaningCode = "session-expired"
	// MeaningDuration: the requested session is longer than the role allows.
	MeaningDuration MeaningCode = "duration"
	// MeaningRoleARN: the role's ARN is invalid.
	MeaningRoleARN MeaningCode = "role-arn"
	// MeaningIssuerUnreachable: STS could not reach the issuer; retry.
	MeaningIssuerUnreachable MeaningCode = "issuer-unreachable"
	// MeaningRejected: the issuer reports that the token is no longer valid.
	MeaningRejected MeaningCode = "rejected"
	// MeaningRegion: STS is not activated in the region for the account.
	MeaningRegion MeaningCode = "region"
	// MeaningSessionPolicy: session policies and tags together are too large.
	MeaningSessionPolicy MeaningCode = "session-policy"
	// MeaningPolicyForm: a policy is malformed.
	MeaningPolicyForm MeaningCode = "policy-form"
	// MeaningPolicySize: a trust policy is larger than the quota ACLSizePerRole.
	MeaningPolicySize MeaningCode = "policy-size"
	// MeaningThrottled: too many requests.
	MeaningThrottled MeaningCode = "throttled"
	// MeaningClock: the time of the call's signature is too far from AWS's own.
	MeaningClock MeaningCode = "clock"
)

// A Meaning is what an AWS error message means, with raw values from it.
type Meaning struct {
	Code MeaningCode
	// AWSCode is AWS's error code for the message; "" if unknown.
	AWSCode string
	// Issuer is the issuer without a provider, Action the action that was not authorized,
	// Claim the missing claim; empty if the message does not say.
	Issuer, Action, Claim string
	// Now and Expiry are the times that AWS compared; zero if the message does not say.
	Now, Expiry time.Time
}

// maxErrorText is how many bytes of a text ErrorText reads.
const maxErrorText = 64 << 10

// messages are phrases that identify AWS errors, in whatever case, the more specific first.
// Codes are included because some SDKs show only those.
func messages() []struct {
	text, awsCode string
	code          MeaningCode
} {
	return []struct {
		text, awsCode string
		code          MeaningCode
	}{
		{"No OpenIDConnect provider found in your account", "InvalidIdentityToken", MeaningProviderAbsent},
		{"Incorrect token audience", "InvalidIdentityToken", MeaningAudience},
		{"retrieve verification key from your identity provider", "InvalidIdentityToken", MeaningKeys},
		{"match configured thumbprint", "InvalidIdentityToken", MeaningThumbprint},
		{"Missing a required claim", "InvalidIdentityToken", MeaningClaimMissing},
		{"not a valid JWT", "InvalidIdentityToken", MeaningTokenForm},
		{"Token expired: current date/time", "ExpiredTokenException", MeaningExpired},
		{"provided token has expired", "ExpiredToken", MeaningSessionExpired},
		{"security token included in the request is expired", "ExpiredToken", MeaningSessionExpired},
		{"Signature expired:", "SignatureDoesNotMatch", MeaningClock},
		{"Signature not yet current:", "SignatureDoesNotMatch", MeaningClock},
		{"difference between the request time and the current time is too large", "RequestTimeTooSkewed", MeaningClock}, // S3's
		{"RequestTimeTooSkewed", "RequestTimeTooSkewed", MeaningClock},
		{"exceeds the MaxSessionDuration", "ValidationError", MeaningDuration},
		{"Request ARN is invalid", "ValidationError", MeaningRoleARN},
		{"ACLSizePerRole", "LimitExceeded", MeaningPolicySize},
		{"Not authorized to perform", "AccessDenied", MeaningNotAuthorized},
		{"ExpiredTokenException", "ExpiredTokenException", MeaningExpired},
		{"ExpiredToken", "ExpiredToken", MeaningSessionExpired}, // S3's
		{"IDPCommunicationError", "IDPCommunicationError", MeaningIssuerUnreachable},
		{"IDPRejectedClaim", "IDPRejectedClaim", MeaningRejected},
		{"RegionDisabled", "RegionDisabledException", MeaningRegion},
		{"STS is not activated in this region", "RegionDisabledException", MeaningRegion},
		{"PackedPolicyTooLarge", "PackedPolicyTooLarge", MeaningSessionPolicy},
		{"MalformedPolicyDocument", "MalformedPolicyDocument", MeaningPolicyForm},
		{"InvalidIdentityToken", "InvalidIdentityToken", MeaningToken},
		{"AccessDenied", "AccessDenied", MeaningAccessDenied},
		{"Access Denied", "AccessDenied", MeaningAccessDenied},
		{"Rate exceeded", "Throttling", MeaningThrottled},
		{"Throttling", "Throttling", MeaningThrottled},
	}
}

// ErrorText says what an AWS error message means, whatever the AWS CLI, an SDK or a log
// put around it. If a text contains several messages, the one that comes first in the
// table of messages decides. Only the first 64 KiB are read.
func ErrorText(text string) Meaning { return meanings(text)[0] }

// meanings are those of all messages in a text, the one that decides first; that of an
// unknown error if there are none.
func meanings(text string) (found []Meaning) {
	text = plain(text)
	lower := asciiLower(text)
	for _, m := range messages() {
		i := strings.Index(lower, asciiLower(m.text))
		if i < 0 {
			continue
		}
		out := Meaning{Code: m.code, AWSCode: m.awsCode}
		out.extract(text[i+len(m.text):])
		if out.Code == MeaningAccessDenied && strings.Contains(lower, "assumerolewithwebidentity") {
			out.Code = MeaningNotAuthorized
		}
		found = append(found, out)
	}
	if found == nil {
		found = []Meaning{{Code: MeaningUnknown}}
	}
	return found
}

// layer is the layer that a message is about; "" if the message alone does not say.
func (m Meaning) layer() Layer {
	switch m.Code {
	case MeaningNotAuthorized:
		return LayerTrustPolicy
	case MeaningProviderAbsent, MeaningAudience, MeaningThumbprint:
		return LayerProvider
	case MeaningKeys, MeaningIssuerUnreachable:
		return LayerIssuer
	case MeaningClaimMissing, MeaningTokenForm, MeaningToken, MeaningRejected:
		return LayerToken
	case MeaningExpired:
		return LayerTokenExpired
	case MeaningSessionExpired:
		return LayerCredentialsExpired
	case MeaningDuration:
		return LayerSessionDuration
	case MeaningRoleARN:
		return LayerRoleARN
	case MeaningRegion:
		return LayerRegion
	case MeaningSessionPolicy:
		return LayerSessionPolicy
	case MeaningPolicyForm, MeaningPolicySize:
		return LayerPolicyDocument
	case MeaningThrottled:
		return LayerThrottled
	case MeaningClock:
		return LayerClock
	}
	return ""
}

// plain undoes what loggers do to a message: line breaks, and quotation marks escaped as
// in JSON, HTML or XML.
func plain(text string) string {
	if len(text) > maxErrorText {
		text = text[:maxErrorText]
	}
	text = strings.ToValidUTF8(text, "?")
	text = strings.NewReplacer(`\"`, `"`, `\n`, " ", `\/`, "/", "&quot;", `"`, "&#39;", "'", "&apos;", "'", "’", "'").Replace(text)
	return strings.Join(strings.Fields(text), " ")
}

// asciiLower lowers only ASCII letters, which keeps the byte offsets of s.
func asciiLower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

// extract reads the values after the phrase.
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
		_, expiry, _ := strings.Cut(rest, "expiration date/time") // at times without a space behind it
		m.Now, m.Expiry = seconds(now), seconds(firstWord(expiry, ""))
	}
}

// isAction says whether a word is an IAM action: "s3:ListBucket".
func isAction(word string) bool {
	service, name, ok := strings.Cut(word, ":")
	odd := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-'
	}
	return ok && service != "" && name != "" && !strings.ContainsFunc(asciiLower(service+name), odd)
}

// firstWord returns the text between after and the next space, quotation mark, bracket or
// comma, without a period at its end.
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

// seconds parses a time in seconds since 1970; zero if it is not one.
func seconds(s string) time.Time {
	n, err := strconv.ParseInt(strings.Trim(s, ".,;)"), 10, 64)
	if err != nil || n <= 0 || n > 1<<40 {
		return time.Time{}
	}
	return time.Unix(n, 0).UTC()
}
