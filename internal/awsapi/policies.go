package awsapi

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sort"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"golang.org/x/sync/errgroup"

	"github.com/fly-aws/fly-aws/setup"
)

// pageSize is IAM's maximum page size.
const pageSize = 1000

// maxPolicyName is the longest name of a managed policy.
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreatePolicy.html
const maxPolicyName = 128

// partOfName is the minimum length for part of a name to suggest the whole: shorter
// parts are in too many names.
const partOfName = 5

// resolvePolicies returns the ARN of each ref, or everything that is wrong, joined.
// present are the ARNs of policies that roles of the request have, so they exist.
//
// An attached AWS policy resolves its name, which saves the look-up for an
// unchanged role. Any other name is looked up, with the attached policies known to
// exist: a customer-managed policy must not win over one of AWS's only because some
// role has it.
func (a *Account) resolvePolicies(ctx context.Context, who setup.Facts, refs, present []string) (map[string]string, error) {
	found := make(map[string]string, len(refs))
	var open []string
	var wrong []error
	for _, ref := range slices.Compact(slices.Sorted(slices.Values(refs))) {
		if err := checkPolicy(ref, who); err != nil {
			wrong = append(wrong, err)
			continue
		}
		same := matching(ref, present)
		if len(same) == 1 && (isARN(ref) || isAWSManaged(same[0], who)) {
			found[ref] = same[0]
		} else {
			open = append(open, ref)
		}
	}
	if len(wrong) > 0 {
		return nil, errors.Join(wrong...)
	}
	exist, denied := make([][]string, len(open)), make([]error, len(open))
	g, gctx := errgroup.WithContext(ctx)
	for i, ref := range open {
		g.Go(func() (err error) {
			exist[i], err = a.lookUp(gctx, ref, who, matching(ref, present))
			if isDenied(err) { // left to search
				denied[i], err = err, nil
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	var lost []string
	for i, ref := range open {
		switch len(exist[i]) {
		case 0:
			lost = append(lost, ref)
		case 1:
			found[ref] = exist[i][0]
		default:
			wrong = append(wrong, &AmbiguousPolicyError{Ref: ref, ARNs: exist[i]})
		}
	}
	if len(lost) > 0 {
		err := a.search(ctx, lost, found)
		if isDenied(err) { // GetPolicy would have been enough
			err = cmp.Or(append(denied, err)...)
		}
		wrong = append(wrong, err)
	}
	return found, errors.Join(wrong...)
}

// checkPolicy checks the form of ref.
func checkPolicy(ref string, who setup.Facts) error {
	if isARN(ref) {
		return checkPolicyARN(ref, who)
	}
	if reason := setup.NameProblem(ref, maxPolicyName); reason != "" {
		return &UnknownPolicyError{Ref: ref, Reason: reason}
	}
	return nil
}

// lookUp returns the existing ARNs that ref may mean, sorted. Those in present are
// known to exist.
func (a *Account) lookUp(ctx context.Context, ref string, who setup.Facts, present []string) ([]string, error) {
	candidates := who.PolicyARNs(ref)
	exist, err := a.existing(ctx, without(candidates, present))
	if isDenied(err) && isARN(ref) {
		// It is well-formed and in this account; attaching it will fail if it does
		// not exist.
		return candidates, nil
	}
	if err != nil {
		return nil, err
	}
	exist = append(exist, present...)
	slices.Sort(exist)
	return exist, nil
}

// search lists every managed policy to find those that lookUp cannot: the account's
// policies with a path. It adds them to found.
func (a *Account) search(ctx context.Context, lost []string, found map[string]string) error {
	all, err := a.policyARNs(ctx)
	if i := slices.IndexFunc(lost, isARN); i >= 0 && isDenied(err) {
		return &UnknownPolicyError{Ref: lost[i]} // GetPolicy said so
	}
	if err != nil {
		return err
	}
	var wrong []error
	for _, ref := range lost {
		switch same := withName(all, ref); len(same) {
		case 0:
			wrong = append(wrong, &UnknownPolicyError{Ref: ref, Similar: similarNames(policyName(ref), all)})
		case 1:
			if strings.Contains(same[0], ":policy/aws-service-role/") {
				wrong = append(wrong, &UnknownPolicyError{Ref: ref, Reason: "AWS allows it on service-linked roles only"})
			}
			found[ref] = same[0]
		default:
			wrong = append(wrong, &AmbiguousPolicyError{Ref: ref, ARNs: same})
		}
	}
	return errors.Join(wrong...)
}

// existing returns the ARNs that exist.
func (a *Account) existing(ctx context.Context, arns []string) ([]string, error) {
	exist := make([]bool, len(arns))
	g, gctx := errgroup.WithContext(ctx)
	for i, policy := range arns {
		g.Go(func() error {
			_, err := call(gctx, a, a.iam.GetPolicy, &iam.GetPolicyInput{PolicyArn: &policy})
			if hasCode(err, codeNotFound) {
				return nil
			}
			exist[i] = err == nil
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	var out []string
	for i, policy := range arns {
		if exist[i] {
			out = append(out, policy)
		}
	}
	return out, nil
}

// ManagedPolicies lists AWS's and the account's managed policies that can be
// attached, sorted by name ignoring case, then by ARN. Errors are
// *CredentialsError, those of a call, such as *DeniedError, or that of ctx.
func (a *Account) ManagedPolicies(ctx context.Context) ([]setup.ManagedPolicy, error) {
	if err := a.signIn(ctx); err != nil {
		return nil, err
	}
	all, err := a.listPolicies(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]setup.ManagedPolicy, 0, len(all))
	for _, p := range all {
		// IAM lists the policies of service-linked roles as attachable, but
		// AttachRolePolicy refuses them (PolicyNotAttachable).
		if p.IsAttachable && !strings.HasPrefix(aws.ToString(p.Path), "/aws-service-role/") {
			out = append(out, setup.ManagedPolicy{Name: aws.ToString(p.PolicyName), ARN: aws.ToString(p.Arn)})
		}
	}
	sort.Slice(out, func(i, j int) bool {
		x, y := out[i], out[j]
		return cmp.Or(
			cmp.Compare(strings.ToLower(x.Name), strings.ToLower(y.Name)),
			cmp.Compare(x.Name, y.Name),
			cmp.Compare(x.ARN, y.ARN)) < 0
	})
	return out, nil
}

// PolicyDescription returns a managed policy's description, which IAM's lists leave
// out; "" when it has none. Errors are as with ManagedPolicies.
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListPolicies.html
func (a *Account) PolicyDescription(ctx context.Context, policy string) (string, error) {
	if err := a.signIn(ctx); err != nil {
		return "", err
	}
	out, err := call(ctx, a, a.iam.GetPolicy, &iam.GetPolicyInput{PolicyArn: &policy})
	if err != nil || out.Policy == nil {
		return "", err
	}
	return aws.ToString(out.Policy.Description), nil
}

// policyARNs lists the ARN of every managed policy that the account sees.
func (a *Account) policyARNs(ctx context.Context) ([]string, error) {
	all, err := a.listPolicies(ctx)
	arns := make([]string, len(all))
	for i, p := range all {
		arns[i] = aws.ToString(p.Arn)
	}
	return arns, err
}

// listPolicies lists every managed policy that the account sees.
func (a *Account) listPolicies(ctx context.Context) ([]iamtypes.Policy, error) {
	var all []iamtypes.Policy
	err := pages("ListPolicies", func(marker *string) (bool, *string, error) {
		out, err := call(ctx, a, a.iam.ListPolicies, &iam.ListPoliciesInput{
			Scope: iamtypes.PolicyScopeTypeAll, MaxItems: aws.Int32(pageSize), Marker: marker,
		})
		if err != nil {
			return false, nil, err
		}
		all = append(all, out.Policies...)
		return out.IsTruncated, out.Marker, nil
	})
	return all, err
}

// pages calls page with the marker of each page until there are no more. A page can
// be short, or even empty, while more follow:
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListPolicies.html
func pages(operation string, page func(marker *string) (more bool, next *string, err error)) error {
	var marker *string
	for {
		more, next, err := page(marker)
		if err != nil || !more {
			return err
		}
		if aws.ToString(next) == "" || aws.ToString(next) == aws.ToString(marker) {
			return &CallError{Operation: operation, Message: "the response says that there is more, but has no marker"}
		}
		marker = next
	}
}

// checkPolicyARN checks that ref can be a managed policy that who may attach.
func checkPolicyARN(ref string, who setup.Facts) error {
	p, err := arn.Parse(ref)
	switch {
	case err != nil || p.Service != "iam" || p.Region != "" || !strings.HasPrefix(p.Resource, "policy/") || setup.NameProblem(policyName(ref), maxPolicyName) != "":
		return &UnknownPolicyError{Ref: ref, Reason: "it is not the ARN of a managed policy"}
	case p.Partition != who.Partition:
		return &MismatchError{What: "partition", ARN: ref, Have: p.Partition, Want: who.Partition}
	case p.AccountID != "aws" && p.AccountID != who.Account:
		return &MismatchError{What: "account", ARN: ref, Have: p.AccountID, Want: who.Account}
	}
	return nil
}

func isARN(ref string) bool { return strings.HasPrefix(ref, "arn:") }

// isAWSManaged reports whether the policy is AWS's, not an account's.
func isAWSManaged(policy string, who setup.Facts) bool {
	return strings.HasPrefix(policy, "arn:"+who.Partition+":iam::aws:policy/")
}

// matching returns the ARNs that ref is or names, sorted.
func matching(ref string, arns []string) []string {
	switch {
	case !isARN(ref):
		return withName(arns, ref)
	case slices.Contains(arns, ref):
		return []string{ref}
	}
	return nil
}

// policyName returns the name in a policy's ARN, or a name unchanged.
func policyName(ref string) string {
	return ref[strings.LastIndexByte(ref, '/')+1:]
}

// withName returns the ARNs of policies of that name, sorted.
func withName(arns []string, name string) []string {
	var out []string
	for _, policy := range arns {
		if policyName(policy) == name {
			out = append(out, policy)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// similarNames returns up to three policy names that name may be a typo of, best
// first.
func similarNames(name string, arns []string) []string {
	type near struct {
		name     string
		distance int
	}
	var found []near
	most := max(2, len(name)/4)
	seen := map[string]bool{}
	for _, policy := range arns {
		other := policyName(policy)
		if seen[other] {
			continue
		}
		seen[other] = true
		given, known := strings.ToLower(name), strings.ToLower(other)
		switch d := distance(given, known, most); {
		case d <= most:
			found = append(found, near{other, d})
		case len(given) >= partOfName && strings.Contains(known, given):
			found = append(found, near{other, len(known)})
		}
	}
	sort.Slice(found, func(i, j int) bool {
		x, y := found[i], found[j]
		return cmp.Or(cmp.Compare(x.distance, y.distance), cmp.Compare(x.name, y.name)) < 0
	})
	var names []string
	for _, n := range found[:min(3, len(found))] {
		names = append(names, n.name)
	}
	return names
}

// distance is the number of bytes to insert, delete or replace to turn a into b;
// any number above most if it is more than that.
func distance(a, b string, most int) int {
	if diff := len(a) - len(b); diff > most || -diff > most {
		return most + 1
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
