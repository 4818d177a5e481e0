// Package explain says what STS answers to a token, why, and what is the least
// that has to change for the token to be accepted. AWS itself says "Not authorized
// to perform sts:AssumeRoleWithWebIdentity" and no more.
//
// [Explain] goes through what STS checks, in order: the form of the token, the
// provider of its issuer, the signature, the claims that must be there, the expiry,
// the audience, the role's ARN if it is known, and at last the role's trust policy,
// which package trustpolicy evaluates. Everything comes in as a [Case], nothing is
// looked up. What a Case leaves open is taken to be in order; the step that would
// have looked at it is then undecided, and the verdict tells of the rest.
//
// A fix opens a role to organisations of Fly's alone, says so when one is new to it,
// and takes access from nobody.
//
// [ErrorText] reads an error message of AWS's the other way round.
//
// Reasons, steps and fixes are codes and values; the words are render's. Where AWS
// documents what it does, the page is named beside the rule: those without a host
// are below https://docs.aws.amazon.com/IAM/latest/UserGuide/. The order of the
// steps is documented nowhere; it is that in which STS has been seen to answer.
package explain
