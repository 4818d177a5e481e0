package awsapi

import (
	"context"
	"math"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/fly-aws/fly-aws/setup"
)

// Identity is an assumed role and when its credentials expire.
type Identity struct {
	// Account is the 12-digit account ID.
	Account string
	// ARN is the assumed role's, with the session's name.
	ARN string
	// Expires is when the credentials expire.
	Expires time.Time
}

// Keys are temporary credentials. They print as a placeholder.
type Keys struct {
	AccessKeyID, SecretAccessKey, SessionToken string
}

// String hides the keys from logs and errors, and so does GoString.
func (Keys) String() string { return "(temporary credentials)" }

// GoString is String for %#v.
func (k Keys) GoString() string { return k.String() }

// A Session is what STS returns for a token.
type Session struct {
	Identity
	Keys Keys
}

// An Exchange is a request to STS for credentials.
type Exchange struct {
	RoleARN string
	// SessionName is chosen by the caller, 2 to 64 of the characters \w+=,.@-.
	SessionName string
	// Token is a machine's token.
	Token string
	// Duration is the lifetime of the credentials, from 15 minutes to the role's
	// maximum; 0 is an hour.
	Duration time.Duration
}

// Exchange exchanges a machine's token for credentials with STS. The call is not
// signed, so it needs no credentials.
//
// A refusal by STS is a *CallError with AWS's code and message: AccessDenied,
// InvalidIdentityToken, ExpiredTokenException and others. It is not retried,
// although STS refuses a role created seconds ago with AccessDenied: the caller
// decides whether to wait. The error is an *UnreachableError if there was no
// response, and a *CallError without a code if it was not from STS.
func (a *Account) Exchange(ctx context.Context, e Exchange) (Session, error) {
	in := &sts.AssumeRoleWithWebIdentityInput{RoleArn: &e.RoleARN, RoleSessionName: &e.SessionName, WebIdentityToken: &e.Token}
	if e.Duration != 0 {
		in.DurationSeconds = aws.Int32(int32(min(max(e.Duration/time.Second, 0), math.MaxInt32)))
	}
	out, err := call(ctx, a, a.sts.AssumeRoleWithWebIdentity, in)
	if err != nil {
		return Session{}, asCallError(err)
	}
	if out.Credentials == nil || out.AssumedRoleUser == nil {
		return Session{}, &CallError{Operation: "AssumeRoleWithWebIdentity", Message: "the response has no credentials"}
	}
	arn := aws.ToString(out.AssumedRoleUser.Arn)
	s := Session{
		Identity: Identity{ARN: arn, Expires: aws.ToTime(out.Credentials.Expiration)},
		Keys: Keys{
			AccessKeyID:     aws.ToString(out.Credentials.AccessKeyId),
			SecretAccessKey: aws.ToString(out.Credentials.SecretAccessKey),
			SessionToken:    aws.ToString(out.Credentials.SessionToken),
		},
	}
	s.Account = setup.AccountOf(arn)
	return s, nil
}

// AssumeWithToken exchanges a machine's token for credentials, calls
// GetCallerIdentity with them and returns their identity. Errors are as with
// Exchange.
func (a *Account) AssumeWithToken(ctx context.Context, roleARN, sessionName, token string) (Identity, error) {
	session, err := a.Exchange(ctx, Exchange{RoleARN: roleARN, SessionName: sessionName, Token: token})
	if err != nil {
		return Identity{}, err
	}
	keys := credentials.NewStaticCredentialsProvider(session.Keys.AccessKeyID, session.Keys.SecretAccessKey, session.Keys.SessionToken)
	identify := func(ctx context.Context, in *sts.GetCallerIdentityInput, _ ...func(*sts.Options)) (*sts.GetCallerIdentityOutput, error) {
		return a.sts.GetCallerIdentity(ctx, in, func(o *sts.Options) { o.Credentials = keys })
	}
	who, err := call(ctx, a, identify, &sts.GetCallerIdentityInput{})
	if err != nil {
		return Identity{}, asCallError(err)
	}
	return Identity{Account: aws.ToString(who.Account), ARN: aws.ToString(who.Arn), Expires: session.Expires}, nil
}
