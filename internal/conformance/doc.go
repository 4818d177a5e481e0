// Package conformance holds no code. Its tests build the program and drive it
// from outside against judges that nobody here wrote: moto's IAM server, and
// the AWS CLI as the client of the sandbox. And they hold what the README and
// docs/permissions.md say of the program against the program.
//
// They need moto_server, aws, git and sh. Where one is missing they are
// skipped, unless FLY_AWS_CONFORMANCE is 1; then they fail. They are skipped
// in short mode.
package conformance
