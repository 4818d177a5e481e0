package doctor

import (
	"context"
	"errors"
	"strings"

	"github.com/fly-aws/fly-aws/internal/explain"
)

// The codes of the check that gives the token to STS. Value is the role.
const (
	// CodeExchange: STS issues credentials for Duration.
	CodeExchange Code = "exchange"
	// CodeExchangeSkipped: there is no role, or no token that is worth a try.
	CodeExchangeSkipped Code = "exchange-skipped"
	// CodeExchangeRefused: the token with Claims is refused. Refusal and Meaning say why.
	// Variables has the one that sends the calls to another than STS, and Other is the role
	// in fly.toml if it is not Value.
	CodeExchangeRefused Code = "exchange-refused"
	// CodeExchangeFailed: there is no such answer, for Reason; "" if none came in time.
	// Variables is as above.
	CodeExchangeFailed Code = "exchange-failed"
)

func (x *examination) exchange(ctx context.Context) {
	c := Check{Code: CodeExchangeSkipped, Level: Unknown, Value: x.role}
	if x.role != "" && x.token != nil && x.token.Claims.Expiry.After(x.now()) {
		c.Level, c.Claims = Fail, x.token.Claims.Claims
		if name := x.stsEndpoint(); name != "" {
			c.Variables = []string{name}
		}
		lasts, err := x.AWS.Exchange(ctx, x.role, x.text)
		switch {
		case errors.As(err, &c.Refusal):
			c.Code, c.Meaning = CodeExchangeRefused, explain.ErrorText(c.Refusal.Error())
			if x.ConfigRole != x.role {
				c.Other = x.ConfigRole
			}
		case err != nil:
			c.Code, c.Reason = CodeExchangeFailed, reason(err)
		default:
			c.Code, c.Level, c.Duration = CodeExchange, OK, lasts
		}
	}
	x.add("exchange", c)
}

func reason(err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return ""
	}
	return err.Error()
}

// The codes of the check of who AWS says that the SDKs are. Value is the caller's ARN.
const (
	// CodeCaller: it is the role.
	CodeCaller Code = "caller"
	// CodeCallerOther: it is not the role Other; "" if none is set.
	CodeCallerOther Code = "caller-other"
	// CodeCallerFailed: there is no identity, for Reason; "" if no answer came in time.
	// Variables has AWS_PROFILE if that is set.
	CodeCallerFailed Code = "caller-failed"
)

func (x *examination) caller(ctx context.Context) {
	caller, err := x.AWS.Caller(ctx)
	c := Check{Code: CodeCaller, Level: OK, Value: caller, Other: x.role}
	switch {
	case err != nil:
		c.Code, c.Level, c.Reason, c.Variables = CodeCallerFailed, Fail, reason(err), x.set(envProfile)
	case !isSession(caller, x.role):
		c.Code, c.Level = CodeCallerOther, Fail
	}
	x.add("who am I", c)
}

// isSession says whether an ARN is that of a session of a role. It lacks the role's path
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html).
func isSession(arn, role string) bool {
	account, name, found := strings.Cut(role, ":role/")
	name = name[strings.LastIndexByte(name, '/')+1:]
	return found && strings.HasPrefix(arn, strings.Replace(account, ":iam::", ":sts::", 1)+":assumed-role/"+name+"/")
}
