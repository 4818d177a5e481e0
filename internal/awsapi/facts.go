package awsapi

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"golang.org/x/sync/errgroup"

	"github.com/fly-aws/fly-aws/setup"
)

// Facts implements setup.Account: it finds partition, account, caller, and the ARN
// of each managed policy that the request names. In parallel it reads the request's
// roles and their policies, for the next Read or Roles only; for a whole request file,
// which is planned with Roles, every role of the organization.
//
// A policy name is looked up among AWS's and the account's own policies, unless a
// role of the request already has an AWS policy of that name, attached or as its
// boundary. Errors are *CredentialsError, *UnknownPolicyError,
// *AmbiguousPolicyError, *MismatchError and those of a call: *DeniedError,
// *ThrottledError, *UnreachableError, *CallError, or that of ctx.
func (a *Account) Facts(ctx context.Context, req setup.Request) (setup.Facts, error) {
	if err := a.signIn(ctx); err != nil {
		return setup.Facts{}, err
	}
	policies := req.PolicyRefs()
	asked := needs{}
	for _, name := range req.RoleNames() {
		n := asked.of(name)
		n.role, n.attached, n.inlines = true, true, true
	}
	var facts setup.Facts
	known, org := views{}, ""
	if req.File != "" && !req.Partial {
		org = req.Org
	}
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		facts, err = a.identity(gctx)
		return err
	})
	g.Go(func() (err error) {
		if org != "" {
			known, err = a.orgRoles(gctx, org, asked)
		} else {
			err = a.load(gctx, asked, known)
		}
		// What the caller may not read is left to a later call, which reports the
		// error if it needs it.
		if isDenied(err) {
			org, err = "", nil
		}
		return err
	})
	if err := g.Wait(); err != nil {
		return setup.Facts{}, err
	}
	var err error
	if facts.Policies, err = a.resolvePolicies(ctx, facts, policies, known.policies(asked)); err != nil {
		return setup.Facts{}, err
	}
	a.mu.Lock()
	a.prefetched = prefetch{roles: known, org: org}
	a.mu.Unlock()
	return facts, nil
}

// identity asks STS for the caller's identity. That call needs no permission:
// https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
func (a *Account) identity(ctx context.Context) (setup.Facts, error) {
	out, err := call(ctx, a, a.sts.GetCallerIdentity, &sts.GetCallerIdentityInput{})
	if err != nil {
		return setup.Facts{}, err
	}
	caller, err := arn.Parse(aws.ToString(out.Arn))
	if err != nil || caller.Partition == "" || setup.AccountProblem(aws.ToString(out.Account)) != "" {
		return setup.Facts{}, &CallError{
			Operation: "GetCallerIdentity",
			Message:   fmt.Sprintf("the response is not an identity: account %q, ARN %q", aws.ToString(out.Account), aws.ToString(out.Arn)),
		}
	}
	return setup.Facts{Partition: caller.Partition, Account: *out.Account, Caller: *out.Arn}, nil
}

// Alias returns the account's alias; "" when there is none, or when the caller may
// not read it. Other errors are as with Facts.
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListAccountAliases.html
func (a *Account) Alias(ctx context.Context) (string, error) {
	if err := a.signIn(ctx); err != nil {
		return "", err
	}
	var alias string
	err := pages("ListAccountAliases", func(marker *string) (bool, *string, error) {
		out, err := call(ctx, a, a.iam.ListAccountAliases, &iam.ListAccountAliasesInput{Marker: marker})
		if err != nil {
			return false, nil, err
		}
		if len(out.AccountAliases) > 0 {
			alias = out.AccountAliases[0]
		}
		return alias == "" && out.IsTruncated, out.Marker, nil
	})
	if isDenied(err) {
		return "", nil
	}
	return alias, err
}

// TrustPolicyQuota returns the account's quota for the size of a trust policy, in
// characters without white space (quota L-C07B4B0D); 0 when the response does not
// have it. The error is a *QuotaError or that of ctx.
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccountSummary.html
func (a *Account) TrustPolicyQuota(ctx context.Context) (int, error) {
	out, err := call(ctx, a, a.iam.GetAccountSummary, &iam.GetAccountSummaryInput{})
	switch {
	case err != nil && ctx.Err() != nil:
		return 0, ctx.Err()
	case err != nil:
		return 0, &QuotaError{Err: err}
	}
	return int(out.SummaryMap["AssumeRolePolicySizeQuota"]), nil
}
