// Package permission reads permissions policies (IAM's identity-based policies): what a
// policy allows, whether it denies anything, whether it grants far too much, and what
// several policies together say about one request.
//
// It reads what IAM returns, which may be looser than what
// [trustpolicy.CheckIdentityPolicy] accepts. Only text that is not JSON is an error.
// Otherwise a part that cannot be read counts against removing the policy: HasDeny is then
// true, and a list of exceptions leaves nothing out.
//
// A policy is one of several things that decide what a role may do. Boundaries, policies of
// the organization and of resources are not seen here
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html).
package permission
