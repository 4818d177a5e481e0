// Package awsapi is an AWS account as a setup.Target: it finds out whose
// account it is, reads the OIDC provider, the roles and their policies, writes
// changes to them, and turns the SDK's errors into typed facts.
//
// It is the only package that imports the AWS SDK. It decides nothing: which
// change to make is setup's matter, and which words a person sees is the
// command's.
//
// Three habits keep it fast. Reads that do not depend on one another go out
// together, a bounded number at a time. What Facts learns about the roles that
// it was told of serves the first Read. From a handful of roles on, they are
// read in pages with GetAccountAuthorizationDetails, or one by one where that
// is not allowed.
package awsapi
