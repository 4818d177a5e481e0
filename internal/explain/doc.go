// Package explain says what STS answers to a token, why, and what to do about it. AWS says
// only "Not authorized to perform sts:AssumeRoleWithWebIdentity".
//
// [Explain] makes STS's checks in order: the form of the token, the provider of its issuer,
// the signature, the required claims, the expiry, the audience, the role's ARN if known,
// and the role's trust policy, which package trustpolicy evaluates. All input is in a
// [Case]; nothing is looked up. If a Case does not say something, the step that checks it
// is undecided and the verdict depends on the other steps.
//
// A [Fix] is one safe thing to do. For a role that fly-aws set up, it is to run fly-aws
// setup; for a statement that breaks a rule of trustpolicy's Lint, its repair; for a role
// that is for other apps, a role for the app; otherwise, adding our statement. A fix gives
// access only to machines of the token's app, does not bypass what other statements deny or
// require, and does not replace a policy.
//
// [ErrorText] goes the other way, from an AWS error message to its meaning.
//
// Reasons, steps and fixes are codes and values; render puts them into words. Comments name
// the AWS page of a rule; pages without a host are below
// https://docs.aws.amazon.com/IAM/latest/UserGuide/. The order of the steps is not
// documented; it is the observed order.
package explain
