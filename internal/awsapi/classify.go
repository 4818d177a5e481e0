package awsapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/url"
	"os/exec"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/aws/aws-sdk-go-v2/credentials/logincreds"
	"github.com/aws/aws-sdk-go-v2/credentials/processcreds"
	"github.com/aws/aws-sdk-go-v2/credentials/ssocreds"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// IAM's error codes that are handled. They are listed with each action:
// https://docs.aws.amazon.com/IAM/latest/APIReference/
const (
	codeNotFound     = "NoSuchEntity"
	codeExists       = "EntityAlreadyExists"
	codeConcurrently = "ConcurrentModification"
	codeConflict     = "DeleteConflict"
)

// hasCode reports whether err is an AWS error with that code.
func hasCode(err error, code string) bool {
	var call *CallError
	return errors.As(err, &call) && call.Code == code
}

// isDenied reports whether AWS denied the caller access.
func isDenied(err error) bool {
	var denied *DeniedError
	return errors.As(err, &denied)
}

// typed makes an error of the SDK one of this package. An error of ctx is returned
// unchanged.
func (a *Account) typed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var lack *CredentialsError
	if errors.As(err, &lack) {
		return lack
	}
	var unsent *smithyhttp.RequestSendError
	if errors.As(err, &unsent) {
		return unreachableError(err)
	}
	failed := callError(err)
	switch code := failed.Code; {
	case isThrottle(err):
		return &ThrottledError{Operation: failed.Operation, Attempts: attempts(err), Err: failed}
	case code == "AccessDenied" || code == "AccessDeniedException" || code == "UnauthorizedOperation":
		return deniedError(service(err), failed)
	case code == "ExpiredToken" || code == "ExpiredTokenException":
		return &CredentialsError{Kind: KindExpired, Profile: a.profile, Err: failed}
	case code == "InvalidClientTokenId", code == "UnrecognizedClientException",
		code == "SignatureDoesNotMatch", code == "IncompleteSignature",
		code == "InvalidAccessKeyId", code == "MissingAuthenticationToken":
		// The aws partition does not know keys of other partitions.
		if a.region == "" && code == "InvalidClientTokenId" {
			failed.Message += "; no region is configured, and " + fallbackRegion + " knows the keys of the aws partition only"
		}
		return &CredentialsError{Kind: KindInvalid, Profile: a.profile, Err: failed}
	}
	return failed
}

// unreachableError makes an UnreachableError from an SDK error for a request
// without a response.
func unreachableError(err error) *UnreachableError {
	e := &UnreachableError{Operation: operation(err), Err: unwrapped(err)}
	var sent *url.Error
	if errors.As(err, &sent) {
		e.Err = sent.Err
		// A user name, password or query could be a secret.
		if u, err := url.Parse(sent.URL); err == nil && u.Host != "" {
			e.Endpoint = u.Scheme + "://" + u.Host
		}
	}
	return e
}

// operation is the name of the call that failed.
func operation(err error) string {
	var op *smithy.OperationError
	if errors.As(err, &op) {
		return op.OperationName
	}
	return ""
}

// unwrapped is the error without the SDK's wrappers: operation, attempts, HTTP
// status.
func unwrapped(err error) error {
	var op *smithy.OperationError
	if errors.As(err, &op) {
		err = op.Err
	}
	var last *retry.MaxAttemptsError
	if errors.As(err, &last) {
		err = last.Err
	}
	var answer *smithyhttp.ResponseError
	if errors.As(err, &answer) {
		err = answer.Err
	}
	return err
}

// unreachableReason says in plain words why a request had no response.
func unreachableReason(err error) string {
	var (
		dial *net.OpError
		dns  *net.DNSError
	)
	if errors.As(err, &dial) && dial.Op == "proxyconnect" {
		return "through the proxy: " + unreachableReason(dial.Err)
	}
	switch {
	case err == nil:
		return "there was no response"
	case errors.As(err, &dns) && dns.IsNotFound:
		return "no such host"
	case errors.As(err, &dns):
		return "the name cannot be looked up: " + dns.Err
	case dial != nil && dial.Op == "dial" && dial.Timeout():
		return fmt.Sprintf("there was no connection within %s", dialTimeout)
	case errors.Is(err, context.DeadlineExceeded): // the HTTP client's
		return fmt.Sprintf("there was no response within %s", callTimeout)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection was closed without a response"
	}
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(err) {
		err = inner
	}
	return err.Error()
}

// callError reads operation, code, message and request ID from an error of the SDK.
func callError(err error) *CallError {
	e := &CallError{Operation: operation(err), Err: unwrapped(err)}
	var api smithy.APIError
	if errors.As(err, &api) {
		e.Code, e.Message = api.ErrorCode(), api.ErrorMessage()
	}
	var answer *awshttp.ResponseError
	if errors.As(err, &answer) {
		e.RequestID = answer.ServiceRequestID()
	}
	if answer != nil && answer.HTTPStatusCode() != 0 && (api == nil || e.Code == "UnknownError") {
		// The response could not be read or has no code, which the SDK calls
		// UnknownError.
		e.Code = ""
		e.Message = fmt.Sprintf("the response, with HTTP status %d, is not from AWS", answer.HTTPStatusCode())
		if errors.Is(err, errTooLarge) {
			e.Message = errTooLarge.Error()
		}
	}
	return e
}

// asCallError returns the *CallError in an error of typed, for a call whose errors
// are not about the caller's own credentials.
func asCallError(err error) error {
	var throttled *ThrottledError
	var failed *CallError
	if !errors.As(err, &throttled) && errors.As(err, &failed) {
		return failed
	}
	return err
}

// service is the name of the service in an ARN or an action.
func service(err error) string {
	var op *smithy.OperationError
	if errors.As(err, &op) {
		return strings.ToLower(op.ServiceID)
	}
	return ""
}

// isThrottle reports whether AWS throttled the call.
func isThrottle(err error) bool {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return false
	}
	_, ok := retry.DefaultThrottleErrorCodes[api.ErrorCode()]
	return ok
}

// attempts is how often the call was sent.
func attempts(err error) int {
	var last *retry.MaxAttemptsError
	if errors.As(err, &last) {
		return last.Attempt
	}
	return 1
}

// deniedError parses AWS's message, which has a documented format:
//
//	User: <caller> is not authorized to perform: <action> on resource: <resource> because <reason>
//	User: <caller> is not authorized to perform: <action> on resource: <resource> with an explicit deny in <policy>
//
// https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
//
// A part that is missing stays empty, except for the action, which is the
// operation's.
func deniedError(service string, failed *CallError) *DeniedError {
	e := &DeniedError{
		Action:    service + ":" + failed.Operation,
		RequestID: failed.RequestID,
		Err:       failed,
	}
	caller, rest, ok := strings.Cut(failed.Message, " is not authorized to perform: ")
	if !ok {
		e.Reason = failed.Message
		return e
	}
	e.Caller = strings.TrimPrefix(caller, "User: ")
	e.Action, rest, _ = strings.Cut(rest, " ")
	if after, ok := strings.CutPrefix(rest, "on resource: "); ok {
		// The resource can be several words, like "role x".
		e.Resource = after
		for _, sep := range []string{" because ", " with an explicit deny"} {
			if before, reason, ok := strings.Cut(after, sep); ok {
				e.Resource = before
				e.Reason = strings.TrimPrefix(sep, " because ") + reason
				break
			}
		}
	} else {
		e.Reason = strings.TrimPrefix(rest, "because ")
	}
	e.Resource = strings.TrimSpace(e.Resource)
	e.Reason = strings.TrimSpace(e.Reason)
	return e
}

// credentialsError says why the chain has no credentials.
func (a *Account) credentialsError(chain aws.CredentialsProvider, err error) *CredentialsError {
	e := &CredentialsError{Kind: KindInvalid, Profile: a.profile, Err: providerProblem(err)}
	is := func(p aws.CredentialsProvider) bool { return aws.IsCredentialsProvider(chain, p) }
	var (
		session *ssocreds.InvalidTokenError
		api     smithy.APIError
		unsent  *smithyhttp.RequestSendError
	)
	switch {
	case is((*ec2rolecreds.Provider)(nil)):
		// The last provider in the chain failed.
		e.Kind = kindNone
	case errors.As(err, &session):
		e.Kind = KindExpiredSSO
	case errors.As(err, &api) && operation(err) != "": // AWS's own message
		e.Err = callError(err)
		switch api.ErrorCode() {
		case "InvalidGrantException", "UnauthorizedException":
			e.Kind = KindExpiredSSO
		case "ExpiredToken", "ExpiredTokenException":
			e.Kind = KindExpired
		}
	case errors.As(err, &unsent):
		e.Err = unreachableError(err)
	// The SDK has no error types for a missing or outdated session file.
	case is((*ssocreds.Provider)(nil)):
		e.Kind = KindExpiredSSO
	case is((*logincreds.Provider)(nil)):
		e.Kind = KindExpired
	}
	return e
}

// providerProblem says in its own words why a credential provider failed. The SDK's
// error can repeat everything that a credential_process printed (credentials
// v1.20.15, processcreds), and the whole response of a container's endpoint
// (endpointcreds), so only errors of the operating system are passed on.
func providerProblem(err error) error {
	var (
		process *processcreds.ProviderError
		exit    *exec.ExitError
		run     *exec.Error
		file    *fs.PathError
		answer  interface{ HTTPStatusCode() int }
	)
	switch {
	case errors.As(err, &process) && errors.As(err, &exit):
		return fmt.Errorf("the credential_process ended with %s", exit.ProcessState)
	case errors.As(err, &process) && errors.As(err, &run):
		return fmt.Errorf("the credential_process cannot be run: %w", run.Err)
	case errors.As(err, &process):
		return errors.New("the credential_process did not print credentials in AWS's format")
	case errors.As(err, &file):
		return fmt.Errorf("%q cannot be read: %w", file.Path, file.Err)
	case errors.As(err, &answer):
		return fmt.Errorf("the endpoint for credentials responded with HTTP status %d", answer.HTTPStatusCode())
	}
	return errors.New("the credential provider failed")
}

// profileError says why the configuration could not be loaded.
func profileError(profile string, err error) *CredentialsError {
	e := &CredentialsError{Kind: KindProfile, Profile: profile, Err: err}
	var absent config.SharedConfigProfileNotExistError
	var code config.AssumeRoleTokenProviderNotSetError
	switch {
	case errors.As(err, &absent):
		e.Profile, e.Err = absent.Profile, errors.New("it is not in the AWS configuration files")
	case errors.As(err, &code):
		e.Err = errors.New("its role requires an MFA code; get temporary credentials with the AWS CLI and put them in the environment")
	}
	return e
}
