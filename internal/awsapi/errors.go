package awsapi

import (
	"fmt"
	"strings"

	"github.com/fly-aws/fly-aws/internal/text"
)

// Kinds of a CredentialsError.
const (
	// kindNone: no provider in the SDK's chain has credentials.
	kindNone = "none"
	// KindExpiredSSO: the IAM Identity Center session has expired or was not
	// started.
	KindExpiredSSO = "expired-sso"
	// KindExpired: temporary credentials have expired.
	KindExpired = "expired"
	// KindInvalid: AWS does not know the keys, or they could not be obtained.
	KindInvalid = "invalid"
	// KindProfile: the profile does not exist or cannot be used as it is.
	KindProfile = "profile"
)

// CredentialsError says that there are no credentials or that they cannot be used.
// Err is the cause, a *CallError if AWS refused them. The text of a credential
// provider's error is left out, since it can repeat keys and tokens.
type CredentialsError struct {
	// Kind is one of the Kind constants.
	Kind string
	// Profile is the chosen profile; "" if there is none.
	Profile string
	Err     error
}

func (e *CredentialsError) Error() string {
	var s string
	switch e.Kind {
	case kindNone:
		s = "no AWS credentials were found"
	case KindExpiredSSO:
		s = "the AWS sign-in session has expired or was never started"
	case KindExpired:
		s = "the AWS credentials have expired"
	case KindProfile:
		s = "the AWS configuration cannot be used"
	default:
		s = "the AWS credentials cannot be used"
	}
	if e.Profile != "" {
		s += " (profile " + text.Quote(e.Profile) + ")"
	}
	// For these two, the cause is a file or service that does not help the user.
	if e.Err != nil && e.Kind != kindNone && e.Kind != KindExpiredSSO {
		s += ": " + text.Line(e.Err.Error())
	}
	return s
}

func (e *CredentialsError) Unwrap() error { return e.Err }

// ConfigFileError says that one of AWS's shared files cannot be read. It does not
// contain the file's content.
type ConfigFileError struct {
	// Path is the file's path, from the environment or below the home folder.
	Path string
	Err  error
}

func (e *ConfigFileError) Error() string { return text.Quote(e.Path) + ": " + text.Line(e.Err.Error()) }

func (e *ConfigFileError) Unwrap() error { return e.Err }

// DeniedError says that AWS denied the caller an action. Err is the *CallError with
// AWS's message, which can name the kind of policy that denies it.
type DeniedError struct {
	// Action is like "iam:CreateRole".
	Action string
	// Resource and Caller are ARNs; "" if AWS does not name them.
	Resource, Caller string
	// Reason is AWS's, such as "no identity-based policy allows the
	// iam:CreateRole action"; "" if AWS gives none.
	Reason string
	// RequestID is AWS's.
	RequestID string
	Err       error
}

func (e *DeniedError) Error() string {
	s := "AWS does not allow " + text.Line(e.Action)
	if e.Resource != "" {
		s += " on " + text.Line(e.Resource)
	}
	if e.Caller != "" {
		s += " to " + text.Line(e.Caller)
	}
	if e.Reason != "" {
		s += ": " + text.Line(e.Reason)
	}
	return s + requestSuffix(e.RequestID)
}

func (e *DeniedError) Unwrap() error { return e.Err }

// ThrottledError says that AWS still throttled the last attempt.
type ThrottledError struct {
	// Operation is like "GetRole".
	Operation string
	// Attempts is how many were made.
	Attempts int
	Err      error
}

func (e *ThrottledError) Error() string {
	return fmt.Sprintf("AWS limits the rate of calls: %s was refused %d times", text.Line(e.Operation), e.Attempts)
}

func (e *ThrottledError) Unwrap() error { return e.Err }

// UnreachableError says that there was no response: AWS, or the endpoint used in
// its place, could not be reached, did not respond in time, or closed the
// connection. Unless there was no connection, the request may have taken effect.
type UnreachableError struct {
	// Operation is like "GetRole"; "" for a request that is not to IAM or STS.
	Operation string
	// Endpoint is the scheme and host of the URL, like "https://iam.amazonaws.com";
	// "" if unknown.
	Endpoint string
	// Err is the cause, an error from net/http or below.
	Err error
}

func (e *UnreachableError) Error() string {
	s := "AWS cannot be reached"
	if e.Endpoint != "" {
		s += " at " + text.Line(e.Endpoint)
	}
	return s + ": " + text.Line(unreachableReason(e.Err))
}

func (e *UnreachableError) Unwrap() error { return e.Err }

// QuotaError says that an account's quota could not be read. Err is the cause, such
// as a *DeniedError.
type QuotaError struct {
	Err error
}

func (e *QuotaError) Error() string {
	return "the quota for the size of a trust policy cannot be read: " + text.Line(e.Err.Error())
}

func (e *QuotaError) Unwrap() error { return e.Err }

// UnknownPolicyError says that no managed policy has that name or ARN, or that it
// cannot be attached to a role.
type UnknownPolicyError struct {
	// Ref is the name or ARN as given.
	Ref string
	// Reason says what is wrong with Ref; "" if the policy does not exist.
	Reason string
	// Similar are up to three similar names, best first.
	Similar []string
}

func (e *UnknownPolicyError) Error() string {
	if e.Reason != "" {
		return text.Quote(e.Ref) + " cannot be used as a managed policy: " + text.Line(e.Reason)
	}
	return "there is no managed policy " + text.Quote(e.Ref)
}

// AmbiguousPolicyError says that several managed policies have the name, such as
// one of AWS's and one of the account's. Their ARNs differ.
type AmbiguousPolicyError struct {
	Ref string
	// ARNs are those of the policies, sorted.
	ARNs []string
}

func (e *AmbiguousPolicyError) Error() string {
	return fmt.Sprintf("several managed policies are named %s; give the ARN of one: %s",
		text.Quote(e.Ref), text.Line(strings.Join(e.ARNs, ", ")))
}

// MismatchError says that an ARN is in another account or partition than the
// credentials.
type MismatchError struct {
	// What is "account" or "partition".
	What string
	ARN  string
	// Have is the ARN's, Want the credentials'.
	Have, Want string
}

func (e *MismatchError) Error() string {
	return fmt.Sprintf("%s is in %s %s, but the AWS credentials are for %q", text.Quote(e.ARN), e.What, text.Quote(e.Have), e.Want)
}

// CallError is any other failure of a call.
type CallError struct {
	// Operation is like "CreateRole".
	Operation string
	// Code and Message are AWS's. If Code is "", the response could not be read, as
	// Message says, or the request was not sent.
	Code, Message string
	// RequestID is AWS's; "" if the response has none.
	RequestID string
	// Err is the SDK's error, without operation and attempts.
	Err error
}

func (e *CallError) Error() string {
	s := "AWS " + text.Line(e.Operation)
	if e.Code != "" {
		s += ": " + text.Line(e.Code)
	}
	switch {
	case e.Message != "":
		s += ": " + text.Line(e.Message)
	case e.Code == "" && e.Err != nil:
		s += ": " + text.Line(e.Err.Error())
	}
	return s + requestSuffix(e.RequestID)
}

func (e *CallError) Unwrap() error { return e.Err }

func requestSuffix(id string) string {
	if id == "" {
		return ""
	}
	return " (request " + text.Line(id) + ")"
}
