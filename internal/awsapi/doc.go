// Package awsapi is an AWS account as a setup.Account: it finds out whose
// account it is, reads the OIDC provider, the roles and their policies, writes
// changes to them, and turns the SDK's errors into typed ones.
//
// It is the only package that imports the AWS SDK. It decides nothing: setup
// decides which change to make, and render which words a person sees.
//
// Three things keep it fast. Independent calls run in parallel, up to a limit.
// What Facts reads of the request's roles serves the first Read. Many roles are
// read in pages with GetAccountAuthorizationDetails, or one by one where that is
// not allowed.
//
// Nothing that a server or a credential provider says reaches an error unchanged:
// it is cleaned, cut and, where it could hold keys, reworded.
package awsapi
