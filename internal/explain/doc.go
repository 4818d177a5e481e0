// Package explain says what STS answers to a token, why, and what to do about it. AWS
// itself says "Not authorized to perform sts:AssumeRoleWithWebIdentity" and no more.
//
// [Explain] goes through what STS checks, in order: the form of the token, the
// provider of its issuer, the signature, the claims that must be there, the expiry,
// the audience, the role's ARN if it is known, and at last the role's trust policy,
// which package trustpolicy evaluates. Everything comes in as a [Case], nothing is
// looked up. What a Case leaves open is taken to be in order; the step that would
// have looked at it is then undecided, and the verdict depends on the rest.
//
// A [Fix] is one thing to do, and a safe one. For a role that fly-aws set up it is
// fly-aws setup; for a statement that breaks a rule of package trustpolicy's, the
// repair of that rule; for a role that is for other apps, a role of the app's own;
// otherwise our statement beside those that are there. A fix opens a role only to the
// machines of the token's app, is no way around what a statement denies or requires
// besides, and does not replace a policy.
//
// [ErrorText] reads an error message of AWS's the other way round.
//
// Reasons, steps and fixes are codes and values; the words are render's. Where AWS
// documents what it does, the page is named beside the rule: those without a host
// are below https://docs.aws.amazon.com/IAM/latest/UserGuide/. The order of the
// steps is documented nowhere; it is that in which STS has been seen to answer.
package explain
