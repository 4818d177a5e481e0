package awsapi

import (
	"fmt"
	"strings"

	"github.com/fly-aws/fly-aws/internal/text"
)

// Kinds of a CredentialsError.
const (
	// kindNone: nothing in the SDK's chain has credentials.
	kindNone = "none"
	// KindExpiredSSO: the session of IAM Identity Center has ended or was never started.
	KindExpiredSSO = "expired-sso"
	// KindExpired: temporary credentials have expired.
	KindExpired = "expired"
	// KindInvalid: AWS does not know the keys, or they could not be obtained.
	KindInvalid = "invalid"
	// KindProfile: the profile does not exist or cannot be used as it is.
	KindProfile = "profile"
)

// CredentialsError says that there are no credentials or that they cannot be
// used. Err is the cause: a *CallError if AWS refused them. The words of a credential
// provider are never in it: they can repeat what it returned, keys and tokens too.
type CredentialsError struct {
	// Kind is one of the Kind constants.
	Kind string
	// Profile is the profile that was asked for; empty when none was.
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
	// For these two the cause is a file or service that says nothing to a person.
	if e.Err != nil && e.Kind != kindNone && e.Kind != KindExpiredSSO {
		s += ": " + text.Line(e.Err.Error())
	}
	return s
}

func (e *CredentialsError) Unwrap() error { return e.Err }

// ConfigFileError says that one of AWS's shared files cannot be read. Nothing of
// its content is in the error.
type ConfigFileError struct {
	// Path is the file's, as the environment gives it or below the home folder.
	Path string
	Err  error
}

func (e *ConfigFileError) Error() string { return text.Quote(e.Path) + ": " + text.Line(e.Err.Error()) }

func (e *ConfigFileError) Unwrap() error { return e.Err }

// DeniedError says that AWS refused the caller an action. Err is the *CallError
// with AWS's own words, which name the kind of policy that is in the way.
type DeniedError struct {
	// Action is "iam:CreateRole".
	Action string
	// Resource and Caller are ARNs; empty where AWS does not say them.
	Resource, Caller string
	// Reason is AWS's, such as "no identity-based policy allows the
	// iam:CreateRole action"; empty where AWS does not say it.
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

// ThrottledError says that AWS was still throttling after the last attempt.
type ThrottledError struct {
	// Operation is "GetRole".
	Operation string
	// Attempts is how many were made.
	Attempts int
	Err      error
}

func (e *ThrottledError) Error() string {
	return fmt.Sprintf("AWS limits the rate of calls: %s was refused %d times", text.Line(e.Operation), e.Attempts)
}

func (e *ThrottledError) Unwrap() error { return e.Err }

// UnreachableError says that no answer came: AWS, or what stands in for it, could
// not be reached, did not answer in time, or broke the connection. Whether a
// request had its effect is not known then, unless there was no connection.
type UnreachableError struct {
	// Operation is "GetRole"; empty for a request that is not one of IAM's or STS's.
	Operation string
	// Endpoint is scheme and host of the URL, "https://iam.amazonaws.com"; empty
	// when the request had none.
	Endpoint string
	// Err is the cause, an error of net/http's or below it.
	Err error
}

func (e *UnreachableError) Error() string {
	s := "AWS cannot be reached"
	if e.Endpoint != "" {
		s += " at " + text.Line(e.Endpoint)
	}
	return s + ": " + text.Line(unreachableWords(e.Err))
}

func (e *UnreachableError) Unwrap() error { return e.Err }

// QuotaError says that an account's quota could not be read. Err says why: an
// error of a call, such as a *DeniedError.
type QuotaError struct {
	Err error
}

func (e *QuotaError) Error() string {
	return "the quota of a trust policy's size cannot be read: " + text.Line(e.Err.Error())
}

func (e *QuotaError) Unwrap() error { return e.Err }

// UnknownPolicyError says that no managed policy of that name or ARN exists, or
// that it cannot be given to a role.
type UnknownPolicyError struct {
	// Ref is the name or ARN as it was given.
	Ref string
	// Reason says what is wrong with a Ref that cannot be right; empty when the
	// policy does not exist.
	Reason string
	// Similar are names close to it, best first, at most three.
	Similar []string
}

func (e *UnknownPolicyError) Error() string {
	if e.Reason != "" {
		return text.Quote(e.Ref) + " cannot be used as a managed policy: " + text.Line(e.Reason)
	}
	return "there is no managed policy " + text.Quote(e.Ref)
}

// AmbiguousPolicyError says that several managed policies have the name, as when
// one of AWS's and one of the account's share it; the ARN tells them apart.
type AmbiguousPolicyError struct {
	Ref string
	// ARNs are those of the policies, sorted.
	ARNs []string
}

func (e *AmbiguousPolicyError) Error() string {
	return fmt.Sprintf("several managed policies are named %s; give the ARN of one: %s",
		text.Quote(e.Ref), text.Line(strings.Join(e.ARNs, ", ")))
}

// MismatchError says that an ARN is of another account or partition than the
// credentials are.
type MismatchError struct {
	// What is "account" or "partition".
	What string
	ARN  string
	// Have is the ARN's, Want the credentials'.
	Have, Want string
}

func (e *MismatchError) Error() string {
	return fmt.Sprintf("%s is of %s %s, but the AWS credentials are for %q", text.Quote(e.ARN), e.What, text.Quote(e.Have), e.Want)
}

// CallError is any other failure of a call.
type CallError struct {
	// Operation is "CreateRole".
	Operation string
	// Code and Message are AWS's. Without a Code the answer was not to be read,
	// and Message says how, or the request was never sent.
	Code, Message string
	// RequestID is AWS's; empty when the answer has none.
	RequestID string
	// Err is the SDK's error, without what tells of operation and attempts.
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
