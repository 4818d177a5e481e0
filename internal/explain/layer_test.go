package explain

import (
	"fmt"
	"strings"
	"testing"
)

// LayerTexts are errors of AWS, its SDKs and tools as they print them, with names of our own,
// and errors that these do not print; and the layers that are found.
func LayerTexts() []struct{ Text, Layers string } {
	const role = "User: arn:aws:sts::111122223333:assumed-role/web/m1 is not authorized to perform: "
	return []struct{ Text, Layers string }{
		{"An error occurred (AccessDenied) when calling the AssumeRoleWithWebIdentity operation: Not authorized to perform sts:AssumeRoleWithWebIdentity", "trust-policy"},
		{"<Error><Code>AccessDenied</Code><Message>Not authorized to perform sts:AssumeRoleWithWebIdentity</Message></Error>", "trust-policy"},
		{"StsException: Not authorized to perform sts:TagSession (Service: Sts, Status Code: 403)", "trust-policy"},
		{"An error occurred (AccessDenied) when calling the AssumeRoleWithWebIdentity operation: Access denied", "trust-policy"},
		{role + "s3:PutObject on resource: \"arn:aws:s3:::b/k\" because no identity-based policy allows the s3:PutObject action", "permissions"},
		{role + "s3:PutObject on resource: \"arn:aws:s3:::b/k\" with an explicit deny in an identity-based policy", "permissions"},
		{role + "sqs:SendMessage on resource: arn:aws:sqs:eu-west-1:111122223333:q because no permissions boundary allows the sqs:SendMessage action", "boundary"},
		{role + "sqs:SendMessage on resource: arn:aws:sqs:eu-west-1:111122223333:q because no session policy allows the sqs:SendMessage action", "session-policy"},
		{role + "kms:Decrypt on the resource associated with this ciphertext because no resource-based policy allows the kms:Decrypt action", "resource-policy"},
		{role + "s3:GetObject on resource: \"arn:aws:s3:::b/k\" with an explicit deny in a VPC endpoint policy", "resource-policy"},
		{role + "ec2:RunInstances on resource: arn:aws:ec2:eu-west-1:111122223333:instance/* with an explicit deny in a service control policy", "organization-policy"},
		{role + "s3:GetObject on resource: \"arn:aws:s3:::b/k\" with an explicit deny in a resource control policy", "organization-policy"},
		{role + "sts:AssumeRole on resource: arn:aws:iam::111122223333:role/other", "role-chain"},
		{"User: arn:aws:iam::111122223333:user/ci is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::111122223333:role/web", "static-keys"},
		{"User: arn:aws:iam::111122223333:user/app is not authorized to perform: dynamodb:PutItem on resource: arn:aws:dynamodb:eu-west-1:111122223333:table/t", "static-keys"},
		{"User: arn:aws:iam::111122223333:user/me is not authorized to perform: iam:CreateOpenIDConnectProvider on resource: arn:aws:iam::111122223333:oidc-provider/oidc.fly.io/acme", "operator"},
		{role + "iam:AttachRolePolicy on resource: role web because no identity-based policy allows the iam:AttachRolePolicy action", "operator"},
		{"S3ServiceException [AccessDenied]: Access Denied", "permissions"},
		{"InvalidClientTokenId: The security token included in the request is invalid.", "static-keys"},
		{"api error InvalidAccessKeyId: The AWS Access Key Id you provided does not exist in our records.", "static-keys"},
		{"software.amazon.awssdk.core.exception.SdkClientException: Unable to load credentials from any of the providers in the chain", "no-credentials"},
		{"Error: No valid credential sources found", "no-credentials"},
		{"Aws::Errors::MissingCredentialsError (unable to sign request without credentials set)", "no-credentials"},
		{"dispatch failure: other: the credential provider was not enabled: no providers in chain provided credentials", "no-credentials"},
		{"** (RuntimeError) Instance Metadata Error: {:error, %{reason: :econnrefused}}; Required key: :access_key_id is nil in config!", "no-credentials"},
		{"failed to get shared config profile, prod", "profile"},
		{"The config profile (prod) could not be found", "profile"},
		{"Error: Region is missing", "region"},
		{"aws: error: Could not connect to the endpoint URL: \"https://dynamodb.fra.amazonaws.com/\"", "region"},
		{"dial tcp: lookup sqs.auto.amazonaws.com: no such host", "region"},
		{"Aws::Errors::MissingRegionError: No region was provided", "region"},
		{"SdkClientException: Unable to find a region via the region provider chain", "region"},
		{"1 validation error detected: Value 'web' at 'roleArn' failed to satisfy constraint", "role-arn"},
		{"ValidationError: Request ARN is invalid", "role-arn"},
		{"Value 'a b' at 'roleSessionName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w+=,.@-]*", "session-name"},
		{"Value '90000' at 'durationSeconds' failed to satisfy constraint: Member must have value less than or equal to 43200", "session-duration"},
		{"FileNotFoundError: [Errno 2] No such file or directory: '/.fly/oidc_token'", "token-file"},
		{"Error: ENOENT: no such file or directory, open '/var/run/aws/token'", "token-file"},
		{"open /.fly/oidc_token: permission denied", "token-file"},
		{"Value '' at 'webIdentityToken' failed to satisfy constraint: Member must have length greater than or equal to 4", "token-file"},
		{"curl: (7) Couldn't connect to server: /.fly/api", "socket"},
		{"Post \"http://localhost/v1/tokens/oidc\": dial unix /.fly/api: connect: no such file or directory", "socket"},
		{"InvalidIdentityToken: The ID Token provided is not a valid JWT.", "token"},
		{"InvalidIdentityTokenException: Missing a required claim: aud", "token"},
		{"ExpiredTokenException: Token expired: current date/time 1755777600 must be before the expiration date/time1755774000", "token-expired"},
		{"ExpiredTokenException: The security token included in the request is expired", "credentials-expired"},
		{"RequestExpired: Request has expired.", "credentials-expired"},
		{"IDPCommunicationErrorException: Error communicating with IDP", "issuer"},
		{"InvalidIdentityToken: Couldn't retrieve verification key from your identity provider,  please reference AssumeRoleWithWebIdentity documentation", "issuer"},
		{"No OpenIDConnect provider found in your account for https://oidc.fly.io/acme", "provider"},
		{"InvalidIdentityToken: Incorrect token audience", "provider"},
		{"MalformedPolicyDocumentException: Syntax errors in policy.", "policy-document"},
		{"LimitExceeded: Cannot exceed quota for ACLSizePerRole: 2048", "policy-document"},
		{"PackedPolicyTooLargeException: x", "session-policy"},
		{"api error SignatureDoesNotMatch: Signature expired: 20260101T120000Z is now earlier than 20260101T121500Z (20260101T122000Z - 5 min.)", "clock"},
		{"InvalidSignatureException: Signature not yet current: 20260101T130000Z is still later than 20260101T121500Z (20260101T121000Z + 5 min.)", "clock"},
		{"An error occurred (RequestTimeTooSkewed) when calling the ListBuckets operation: The difference between the request time and the current time is too large.", "clock"},
		{"S3ServiceException: RequestTimeTooSkewed", "clock"},
		{"jwt.exceptions.ExpiredSignatureError: Signature has expired", "unknown"},
		{"TooManyRequestsException: Rate exceeded", "throttled"},
		{"Unable to locate credentials. Before: The config profile (x) could not be found", "profile no-credentials"},
		{"connection reset by peer", "unknown"},
		{"", "unknown"},
		{"\x00\xff\x1b[31m", "unknown"},
		{strings.Repeat("x", 10<<20), "unknown"},
	}
}

func TestDiagnose(t *testing.T) {
	t.Parallel()
	for _, tt := range LayerTexts() {
		d := Diagnose(tt.Text)
		got := string(d.Layer)
		for _, l := range d.Others {
			if strings.Contains(tt.Layers, " ") { // else any is fine, after the first
				got += " " + string(l)
			}
		}
		if got != tt.Layers {
			t.Errorf("%.150q: %s %v, want %s", tt.Text, d.Layer, d.Others, tt.Layers)
		}
	}
}

// TestDiagnoseReads: what stands in the text is read.
func TestDiagnoseReads(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`User: arn:aws:sts::111122223333:assumed-role/web/m1 is not authorized to perform: s3:GetObject on resource: "arn:aws:s3:::b/k" with an explicit deny in an identity-based policy`: "arn:aws:sts::111122223333:assumed-role/web/m1 s3:GetObject arn:aws:s3:::b/k true   ",
		`open /.fly/oidc_token: no such file or directory`:      "   false /.fly/oidc_token  ",
		`The config profile (prod) could not be found`:          "   false  prod ",
		`dial tcp: lookup sts.auto.amazonaws.com: no such host`: "   false   auto",
	} {
		d := Diagnose(text)
		if got := fmt.Sprintf("%s %s %s %t %s %s %s", d.Caller, d.Action, d.Resource, d.Explicit, d.File, d.Profile, d.Region); got != want {
			t.Errorf("%s:\n%q, not\n%q", text, got, want)
		}
	}
}

// TestDiagnoseTwo: of two errors in one text, the meaning is of the one that is named.
func TestDiagnoseTwo(t *testing.T) {
	t.Parallel()
	d := Diagnose("ExpiredToken: The provided token has expired.\nAccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity")
	if d.Layer != LayerTrustPolicy || d.Code != MeaningNotAuthorized || len(d.Others) != 1 || d.Others[0] != LayerCredentialsExpired {
		t.Errorf("%+v", d)
	}
}

func FuzzDiagnose(f *testing.F) {
	f.Add("User: arn:aws:iam::1:user/x is not authorized to perform: s3:GetObject on resource: x because no permissions boundary allows it")
	f.Fuzz(func(t *testing.T, text string) {
		d := Diagnose(text)
		if d.Layer == "" || d.Layer == LayerUnknown && len(d.Others) > 0 {
			t.Errorf("%+v", d)
		}
	})
}
