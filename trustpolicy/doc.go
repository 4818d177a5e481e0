// Package trustpolicy holds the trust policy of an IAM role as a value: it
// builds one for machines of Fly.io, reads and prints policy documents, merges
// statements into a policy that others wrote, compares policies by meaning, and
// decides a request as IAM would, with a reason for every test.
//
// The package does no I/O and reads no clock. What it says about AWS comes from
// the IAM User Guide, whose pages are named beside the rules; all of them are
// below https://docs.aws.amazon.com/IAM/latest/UserGuide/.
//
// # Reading and printing
//
// [Parse] is as strict about the form of a document as IAM, and names line and
// column of whatever is wrong. A policy prints as one stable document: [Policy.String]
// for machines, [Policy.Indent] for people. Lists of one value are printed as
// that value, numbers and booleans among condition values as strings; IAM makes
// no difference between the forms (reference_policies_grammar.html).
//
// # Deciding
//
// [Policy.Evaluate] works with three values. What AWS fills into a request but
// the caller of Evaluate did not state, and what AWS does not document, is
// undecided rather than guessed; see [AssumeRequest] for how to state that a key is
// absent.
package trustpolicy
