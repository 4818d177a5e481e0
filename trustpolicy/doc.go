// Package trustpolicy holds the trust policy of an IAM role as a value. It builds one for
// machines of Fly.io, parses and prints policy documents, merges statements into existing
// policies, compares policies by meaning, lints and repairs them, and evaluates requests
// as IAM does, with a reason for each result.
//
// The package does no I/O and reads no clock. Its rules about AWS come from the IAM User
// Guide. Comments name the pages, which are below
// https://docs.aws.amazon.com/IAM/latest/UserGuide/.
//
// # Reading and printing
//
// [Parse] is as strict as IAM about the form of a document, and its errors have line and
// column. A policy always prints to the same document: [Policy.String] for machines,
// [Policy.Indent] for people. A list of one value is printed as that value, and numbers
// and booleans in conditions as strings; IAM treats these forms as the same
// (reference_policies_grammar.html).
//
// # Evaluating
//
// [Policy.Evaluate] uses three-valued logic. Keys that AWS sets but the caller did not
// state, and behavior that AWS does not document, make a result undecided. See
// [AssumeRequest] for how to state that a key is absent.
package trustpolicy
