package explain

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// TestErrorText reads messages as several clients show them.
func TestErrorText(t *testing.T) {
	t.Parallel()
	now, expiry := time.Unix(1755777600, 0).UTC(), time.Unix(1755774000, 0).UTC()
	for _, tt := range []struct {
		name, text string
		want       Meaning
	}{
		{"AWS CLI", "An error occurred (AccessDenied) when calling the AssumeRoleWithWebIdentity operation: Not authorized to perform sts:AssumeRoleWithWebIdentity", Meaning{Code: MeaningNotAuthorized, AWSCode: "AccessDenied", Action: "sts:AssumeRoleWithWebIdentity"}},
		{"Go", "operation error STS: AssumeRoleWithWebIdentity, https response error StatusCode: 403, RequestID: 1-2, api error AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity", Meaning{Code: MeaningNotAuthorized, AWSCode: "AccessDenied", Action: "sts:AssumeRoleWithWebIdentity"}},
		{"Go, old", "AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity\n\tstatus code: 403, request id: 1-2", Meaning{Code: MeaningNotAuthorized, AWSCode: "AccessDenied", Action: "sts:AssumeRoleWithWebIdentity"}},
		{"Java", "software.amazon.awssdk.services.sts.model.StsException: Not authorized to perform sts:AssumeRoleWithWebIdentity (Service: Sts, Status Code: 403, Request ID: 1-2)", Meaning{Code: MeaningNotAuthorized, AWSCode: "AccessDenied", Action: "sts:AssumeRoleWithWebIdentity"}},
		{"JavaScript", "Error: Could not assume role with OIDC: Not authorized to perform sts:AssumeRoleWithWebIdentity", Meaning{Code: MeaningNotAuthorized, AWSCode: "AccessDenied", Action: "sts:AssumeRoleWithWebIdentity"}},
		{"Python", "botocore.exceptions.ClientError: An error occurred (AccessDenied) when calling the AssumeRoleWithWebIdentity operation: User: arn:aws:sts::1:x is not authorized to perform: sts:TagSession on resource: arn:aws:iam::1:role/web", Meaning{Code: MeaningNotAuthorized, AWSCode: "AccessDenied", Action: "sts:TagSession"}},
		{"Rust", `ServiceError { source: Unhandled { code: Some("AccessDenied"), message: Some("Not authorized to perform sts:AssumeRoleWithWebIdentity") } }`, Meaning{Code: MeaningNotAuthorized, AWSCode: "AccessDenied", Action: "sts:AssumeRoleWithWebIdentity"}},
		{"XML", "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>Not authorized to perform sts:AssumeRoleWithWebIdentity</Message></Error></ErrorResponse>", Meaning{Code: MeaningNotAuthorized, AWSCode: "AccessDenied", Action: "sts:AssumeRoleWithWebIdentity"}},
		{"the code alone", "AccessDenied: Access denied", Meaning{Code: MeaningAccessDenied, AWSCode: "AccessDenied"}},
		{"the code of the operation", "An error occurred (AccessDenied) when calling the AssumeRoleWithWebIdentity operation: Access Denied", Meaning{Code: MeaningNotAuthorized, AWSCode: "AccessDenied"}},
		{"the words alone", "upload failed: Access Denied", Meaning{Code: MeaningAccessDenied, AWSCode: "AccessDenied"}},
		{"no action", "UnauthorizedOperation: You are not authorized to perform this operation.", Meaning{Code: MeaningAccessDenied, AWSCode: "AccessDenied"}},
		{"a permission", "User: arn:aws:sts::111122223333:assumed-role/fly-acme-web/m1 is not authorized to perform: s3:ListBucket on resource: \"arn:aws:s3:::x\" because no identity-based policy allows the s3:ListBucket action", Meaning{Code: MeaningPermission, AWSCode: "AccessDenied", Action: "s3:ListBucket"}},
		{"a permission of IAM's", "User: arn:aws:iam::1:user/x is not authorized to perform: iam:CreateRole on resource: role web", Meaning{Code: MeaningPermission, AWSCode: "AccessDenied", Action: "iam:CreateRole"}},
		{"credentials, not a token", "User: arn:aws:iam::1:user/x is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::1:role/web", Meaning{Code: MeaningAssumeRole, AWSCode: "AccessDenied", Action: "sts:AssumeRole"}},
		{"a session, S3", "<Code>ExpiredToken</Code><Message>The provided token has expired.</Message>", Meaning{Code: MeaningSessionExpired, AWSCode: "ExpiredToken"}},
		{"a session, S3's code", "An error occurred (ExpiredToken) when calling the ListObjectsV2 operation", Meaning{Code: MeaningSessionExpired, AWSCode: "ExpiredToken"}},
		{"a session, others", "ExpiredTokenException: The security token included in the request is expired", Meaning{Code: MeaningSessionExpired, AWSCode: "ExpiredToken"}},
		{"a log in JSON", `{"level":"error","err":"api error InvalidIdentityToken: No OpenIDConnect provider found in your account for https://oidc.fly.io/personal\nretrying"}`, Meaning{Code: MeaningProviderAbsent, AWSCode: "InvalidIdentityToken", Issuer: "https://oidc.fly.io/personal"}},
		{"an issuer at the end of a sentence", "No OpenIDConnect provider found in your account for https://oidc.fly.io/acme.", Meaning{Code: MeaningProviderAbsent, AWSCode: "InvalidIdentityToken", Issuer: "https://oidc.fly.io/acme"}},
		{"an issuer in brackets", "(No OpenIDConnect provider found in your account for https://oidc.fly.io/acme)", Meaning{Code: MeaningProviderAbsent, AWSCode: "InvalidIdentityToken", Issuer: "https://oidc.fly.io/acme"}},
		{"no issuer", "No OpenIDConnect provider found in your account for", Meaning{Code: MeaningProviderAbsent, AWSCode: "InvalidIdentityToken"}},
		{"audience", "InvalidIdentityToken: Incorrect token audience", Meaning{Code: MeaningAudience, AWSCode: "InvalidIdentityToken"}},
		{"keys, quoted for HTML", "Couldn&#39;t retrieve verification key from your identity provider,  please reference AssumeRoleWithWebIdentity documentation for requirements", Meaning{Code: MeaningKeys, AWSCode: "InvalidIdentityToken"}},
		{"thumbprint", "OpenIDConnect provider's HTTPS certificate doesn't match configured thumbprint", Meaning{Code: MeaningThumbprint, AWSCode: "InvalidIdentityToken"}},
		{"claim", "Missing a required claim: sub", Meaning{Code: MeaningClaimMissing, AWSCode: "InvalidIdentityToken", Claim: "sub"}},
		{"no JWT", "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)", Meaning{Code: MeaningTokenForm, AWSCode: "InvalidIdentityToken"}},
		{"expired", "ExpiredTokenException: Token expired: current date/time 1755777600 must be before the expiration date/time 1755774000", Meaning{Code: MeaningExpired, AWSCode: "ExpiredTokenException", Now: now, Expiry: expiry}},
		{"expired, broken over lines", "Token expired: current\n  date/time 1755777600 must be before\n  the expiration date/time 1755774000.", Meaning{Code: MeaningExpired, AWSCode: "ExpiredTokenException", Now: now, Expiry: expiry}},
		{"expired, no times", "Token expired: current date/time soon", Meaning{Code: MeaningExpired, AWSCode: "ExpiredTokenException"}},
		{"duration", "ValidationError: The requested DurationSeconds exceeds the MaxSessionDuration set for this role.", Meaning{Code: MeaningDuration, AWSCode: "ValidationError"}},
		{"issuer", "IDPCommunicationErrorException", Meaning{Code: MeaningIssuerUnreachable, AWSCode: "IDPCommunicationError"}},
		{"region", "RegionDisabledException: STS is not activated in this region for account:1", Meaning{Code: MeaningRegion, AWSCode: "RegionDisabledException"}},
		{"clock, behind", "SignatureDoesNotMatch: Signature expired: 20260101T120000Z is now earlier than 20260101T121500Z (20260101T122000Z - 5 min.)", Meaning{Code: MeaningClock, AWSCode: "SignatureDoesNotMatch"}},
		{"clock, ahead", "Signature not yet current: 20260101T130000Z is still later than 20260101T121500Z (20260101T121000Z + 5 min.)", Meaning{Code: MeaningClock, AWSCode: "SignatureDoesNotMatch"}},
		{"clock, S3", "<Code>RequestTimeTooSkewed</Code><Message>The difference between the request time and the current time is too large.</Message>", Meaning{Code: MeaningClock, AWSCode: "RequestTimeTooSkewed"}},
		{"another signature", "SignatureDoesNotMatch: The request signature we calculated does not match the signature you provided.", Meaning{Code: MeaningUnknown}},
		{"tags", "PackedPolicyTooLarge: x", Meaning{Code: MeaningSessionPolicy, AWSCode: "PackedPolicyTooLarge"}},
		{"something else", "dial tcp: lookup sts.amazonaws.com: no such host", Meaning{Code: MeaningUnknown}},
		{"nothing", "", Meaning{Code: MeaningUnknown}},
		{"beyond the bound", strings.Repeat("x", maxErrorText) + "Incorrect token audience", Meaning{Code: MeaningUnknown}},
	} {
		if got := ErrorText(tt.text); got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

// FuzzErrorText: whatever the text, the values of a meaning are small and come from it.
func FuzzErrorText(f *testing.F) {
	f.Add("An error occurred (AccessDenied) when calling the AssumeRoleWithWebIdentity operation: Not authorized to perform sts:AssumeRoleWithWebIdentity")
	f.Add("No OpenIDConnect provider found in your account for https://oidc.fly.io/acme")
	f.Add("Token expired: current date/time 1755777600 must be before the expiration date/time 1755774000")
	f.Add("Missing a required claim: \xff")
	f.Fuzz(func(t *testing.T, text string) {
		m := ErrorText(text)
		for _, s := range []string{m.Issuer, m.Action, m.Claim} {
			if len(s) > 2*maxErrorText || !utf8.ValidString(s) || strings.ContainsAny(s, " \n\"") {
				t.Errorf("%q", s)
			}
		}
		if m.Code == "" || (m.Code == MeaningUnknown) != (m.AWSCode == "") {
			t.Errorf("%+v", m)
		}
		if again := ErrorText(strings.ToUpper(text)); m.Code != again.Code && isASCII(text) && !strings.ContainsAny(text, `\&`) {
			t.Errorf("case changes %s to %s", m.Code, again.Code)
		}
	})
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }) < 0
}
