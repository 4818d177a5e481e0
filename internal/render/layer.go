package render

import (
	"io"
	"strings"

	"github.com/fly-aws/fly-aws/internal/explain"
	"github.com/fly-aws/fly-aws/internal/flyname"
	"github.com/fly-aws/fly-aws/internal/text"
)

// Diagnosis shows which layer an error is about, what it means and what to do next.
func Diagnosis(w io.Writer, d explain.Diagnosis, style Style) {
	p := printer{w, style}
	p.line("%s", p.paint(bold, layerTitle(d.Layer)))
	for _, sentence := range diagnosisText(d) {
		p.prose("", sentence)
	}
	p.prose(p.arrow()+" ", layerNext(d))
	if len(d.Others) > 0 {
		var others []string
		for _, l := range d.Others {
			others = append(others, layerTitle(l))
		}
		p.prose("", "It may also be: "+strings.Join(others, ", ")+".")
	}
}

// diagnosisText says what an error means, one sentence per item: what is known of its layer,
// or what AWS's own message says.
func diagnosisText(d explain.Diagnosis) []string {
	out := []string{layerMeaning(d)}
	switch d.Layer {
	case explain.LayerRegion:
		if d.Code == explain.MeaningRegion {
			out = MeaningWords(d.Meaning)
		}
	case explain.LayerTrustPolicy, explain.LayerProvider, explain.LayerIssuer, explain.LayerToken, explain.LayerTokenExpired, explain.LayerSessionDuration,
		explain.LayerSessionPolicy, explain.LayerPolicyDocument:
		// A permission that is missing elsewhere is not one that the role lacks.
		if words := MeaningWords(d.Meaning); words != nil && d.Code != explain.MeaningAccessDenied && d.Code != explain.MeaningPermission {
			out = words
		}
	}
	var read []string
	for _, v := range []struct{ what, value string }{
		{"caller", d.Caller}, {"action", d.Action}, {"resource", d.Resource}, {"file", d.File}, {"profile", d.Profile}, {"region", d.Region},
	} {
		if v.value != "" {
			read = append(read, v.what+" "+text.Clean(v.value))
		}
	}
	if len(read) > 0 {
		out = append(out, "Read from it: "+strings.Join(read, ", ")+".")
	}
	return out
}

// layerTitle names a layer.
func layerTitle(l explain.Layer) string {
	switch l {
	case explain.LayerStaticKeys:
		return "AWS keys are in use instead of the role"
	case explain.LayerNoCredentials:
		return "no credentials were found"
	case explain.LayerProfile:
		return "an AWS profile that is not there"
	case explain.LayerRegion:
		return "the AWS region"
	case explain.LayerRoleARN:
		return "the role's ARN"
	case explain.LayerSessionName:
		return "the session's name"
	case explain.LayerSessionDuration:
		return "the session's duration"
	case explain.LayerTokenFile:
		return "the token file"
	case explain.LayerSocket:
		return "Fly's socket in the machine"
	case explain.LayerToken:
		return "the token"
	case explain.LayerTokenExpired:
		return "the token has expired"
	case explain.LayerIssuer:
		return "Fly's issuer"
	case explain.LayerProvider:
		return "the OIDC provider in IAM"
	case explain.LayerTrustPolicy:
		return "the role's trust policy"
	case explain.LayerRoleChain:
		return "a role that tries to become another role"
	case explain.LayerPermissions:
		return "the role's permissions"
	case explain.LayerBoundary:
		return "the role's permissions boundary"
	case explain.LayerSessionPolicy:
		return "a session policy"
	case explain.LayerResourcePolicy:
		return "the policy of the resource"
	case explain.LayerOrganizationPolicy:
		return "a policy of the AWS organization"
	case explain.LayerOperator:
		return "the permissions of whoever runs this"
	case explain.LayerPolicyDocument:
		return "a policy document"
	case explain.LayerCredentialsExpired:
		return "the credentials have expired"
	case explain.LayerClock:
		return "the machine's clock"
	case explain.LayerThrottled:
		return "too many calls"
	}
	return "not an error that fly-aws knows"
}

// layerMeaning says what an error of a layer means, in a sentence.
func layerMeaning(d explain.Diagnosis) string {
	switch d.Layer {
	case explain.LayerStaticKeys:
		if strings.Contains(d.Caller, ":user/") {
			return "The call came from an IAM user, so static keys are in use and no role at all: they take precedence over a web identity."
		}
		return "AWS does not know these keys, or they do not fit together: keys in the environment or a file are used, not the role."
	case explain.LayerNoCredentials:
		return "The SDK found no credentials: it saw neither AWS_ROLE_ARN with AWS_WEB_IDENTITY_TOKEN_FILE nor anything else, or it does not support web identities."
	case explain.LayerProfile:
		return "AWS_PROFILE or the code names a profile that the machine's AWS configuration does not have."
	case explain.LayerRegion:
		return "No AWS region is set, or one that AWS does not have; Fly does not set AWS_REGION."
	case explain.LayerRoleARN:
		return "The value is not the ARN of a role, or it is empty."
	case explain.LayerSessionName:
		return "AWS_ROLE_SESSION_NAME has characters that STS refuses: letters, digits and _+=,.@- are allowed, 2 to 64 of them."
	case explain.LayerSessionDuration:
		return "The requested session is longer than the role's maximum session duration."
	case explain.LayerTokenFile:
		return "The SDK could not read a token from the file that AWS_WEB_IDENTITY_TOKEN_FILE names."
	case explain.LayerSocket:
		return "The process cannot reach Fly's token endpoint: only root may open the socket, and only a Fly Machine has it."
	case explain.LayerToken:
		return "STS does not accept what was sent as a token."
	case explain.LayerTokenExpired:
		return "The token is older than its ten minutes."
	case explain.LayerIssuer:
		return "STS could not get the issuer's keys."
	case explain.LayerProvider:
		return "The account's OIDC provider does not fit the token."
	case explain.LayerTrustPolicy:
		return "The role's trust policy does not let the token in, or there is no such role; AWS does not say which."
	case explain.LayerRoleChain:
		return "Credentials of one role were used to assume another: a web identity needs no role before it."
	case explain.LayerPermissions:
		if d.Explicit {
			return "The role was assumed, and one of its policies denies the action."
		}
		return "The role was assumed, and none of its policies allows the action on the resource; for an object in S3 also if the object does not exist."
	case explain.LayerBoundary:
		return "The role's permissions boundary does not allow the action, whatever its policies allow."
	case explain.LayerSessionPolicy:
		return "A policy that was given with the session limits it."
	case explain.LayerResourcePolicy:
		if d.Explicit {
			return "The policy of the resource, such as a key, a bucket, a queue or an endpoint, denies it."
		}
		return "The policy of the resource, such as a key, a bucket, a queue or an endpoint, does not allow it."
	case explain.LayerOrganizationPolicy:
		return "A service control policy or resource control policy of the AWS organization denies it, whatever the account allows."
	case explain.LayerOperator:
		return "The identity that sets things up lacks a permission; the machine's role is not concerned."
	case explain.LayerPolicyDocument:
		return "IAM refuses the policy document."
	case explain.LayerCredentialsExpired:
		return "The credentials that STS gave for a token have expired, and were not renewed."
	case explain.LayerClock:
		return "The call's signature is minutes older or newer than AWS's time: the clock of the machine that signed it is wrong, or the call was signed long before it was sent."
	case explain.LayerThrottled:
		return "AWS is throttling the calls."
	}
	return "Nothing in it is a message of AWS or of its SDKs that fly-aws knows."
}

// layerNext says what to do next.
func layerNext(d explain.Diagnosis) string {
	switch d.Layer {
	case explain.LayerStaticKeys:
		return "if fly storage (Tigris) set them, see docs/tigris.md before anything else. Otherwise remove AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN from the app's secrets and env: fly secrets list; then fly-aws doctor in the machine"
	case explain.LayerNoCredentials:
		return "run fly-aws doctor in the machine; outside of Fly's init, AWS_ROLE_ARN has to be in the environment at boot"
	case explain.LayerProfile:
		return "unset AWS_PROFILE in the machine: fly secrets unset AWS_PROFILE, or remove it from fly.toml"
	case explain.LayerRegion:
		return "set AWS_REGION in fly.toml's [env] to a region such as eu-central-1, then fly deploy"
	case explain.LayerRoleARN:
		return "set AWS_ROLE_ARN to arn:aws:iam::<account>:role/<name>: fly-aws patch --role-arn ARN"
	case explain.LayerSessionName:
		return "drop AWS_ROLE_SESSION_NAME where it is set: Fly's init sets it"
	case explain.LayerSessionDuration:
		return "ask for a shorter session, or raise the role's: fly-aws setup --max-session-duration"
	case explain.LayerTokenFile:
		return "run fly-aws doctor in the machine as the app's user; Fly's init writes /.fly/oidc_token some seconds after boot when AWS_ROLE_ARN is set"
	case explain.LayerSocket:
		return "in a Fly Machine, read the token from the file in AWS_WEB_IDENTITY_TOKEN_FILE instead, or run as root; elsewhere there is no socket"
	case explain.LayerToken:
		return "look at what was sent: fly-aws token inspect FILE"
	case explain.LayerTokenExpired:
		return "read the token file again before each exchange; the AWS SDKs do"
	case explain.LayerIssuer:
		return "try again; if it stays, check the token's issuer: fly-aws token verify"
	case explain.LayerProvider:
		org, known := flyname.IssuerOrg(d.Issuer)
		switch {
		case org == flyname.Personal:
			return "personal is an alias; find the organization's raw slug: fly orgs replay-sources list -o personal"
		case !known:
			org = "SLUG"
		}
		return "compare the issuer and the audience with the account's provider; this creates or completes it: fly-aws setup --org " + org + " --app APP"
	case explain.LayerTrustPolicy:
		role := "NAME"
		if _, name, ok := strings.Cut(d.Resource, ":role/"); ok {
			role = text.ShellWord(text.Clean(name[strings.LastIndexByte(name, '/')+1:]))
		}
		return "find the condition: fly-aws explain --role " + role + " --subject ORG:APP:MACHINE"
	case explain.LayerRoleChain:
		return "exchange the machine's token for that role directly: set its ARN as AWS_ROLE_ARN, and drop source_profile and AssumeRole from the code"
	case explain.LayerPermissions:
		if d.Explicit {
			return "find the statement with Deny among the role's policies; another policy cannot lift it"
		}
		return "give the role the permission: fly-aws setup --app APP --policy or --preset"
	case explain.LayerBoundary:
		return "ask whoever owns the permissions boundary to allow the action; a policy on the role cannot"
	case explain.LayerSessionPolicy:
		return "change the policy that the code gives to AssumeRole; the role's own policies cannot lift it"
	case explain.LayerResourcePolicy:
		if d.Explicit {
			return "find the statement with Deny in that policy; allowing the role elsewhere cannot lift it"
		}
		return "allow the role in the policy of the resource"
	case explain.LayerOrganizationPolicy:
		return "ask whoever runs the AWS organization; nothing in this account lifts it"
	case explain.LayerOperator:
		return "use other credentials, or have them allowed the action: docs/permissions.md has the smallest policy"
	case explain.LayerPolicyDocument:
		return "check the document: fly-aws lint FILE"
	case explain.LayerCredentialsExpired:
		return "have the SDK renew them: use its default credential chain, and do not copy credentials"
	case explain.LayerClock:
		return "compare the machine's clock with the issuer's: fly-aws doctor in the machine; if it is off: fly machine restart"
	case explain.LayerThrottled:
		return "wait and try again, with fewer calls at a time"
	}
	return "run fly-aws doctor in the machine, or pass the whole text of the error, with what caused it"
}
