// Package awsapi implements setup.Account with the AWS SDK: it identifies the
// account, reads the OIDC provider, the roles and their policies, writes changes to
// them, and makes the SDK's errors typed ones.
//
// It is the only package that imports the AWS SDK. Package setup decides which
// changes to make, and render words what people see.
//
// For speed, independent calls run in parallel, up to a limit; the first Read
// reuses what Facts read of the request's roles; and many roles are read in pages
// with GetAccountAuthorizationDetails, or one by one if that is not allowed.
//
// Text from servers and credential providers is cleaned and cut before it goes into
// an error, and reworded where it could contain keys.
package awsapi
