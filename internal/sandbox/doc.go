// Package sandbox is a pretend AWS account and Fly.io platform that speak the
// real wire: IAM and STS as the AWS SDKs know them, Fly's GraphQL and Machines
// APIs as far as flyctl shows them, the token endpoint that a Fly Machine reaches
// over a unix socket, and the OpenID Connect issuer of each Fly organization with
// a real RSA key. Everything runs in the process, on the loopback interface.
//
// It is strict on purpose. What AWS refuses it refuses, with AWS's error codes,
// HTTP statuses and words, because a client that passes a lenient fake proves
// nothing. Where AWS's behavior is not documented the strict side was chosen.
//
// The zero World is ready to use:
//
//	var w sandbox.World
//	w.AddMachine("acme", "web", "quiet-sun-1234")
//	s, err := w.Start()
//	if err != nil {
//		return err
//	}
//	defer s.Close()
//	cmd.Env = append(os.Environ(), s.Env()...) // see Env for the empty ones
//
// # What it does not do
//
// Permissions of the callers are not evaluated: the sandbox's own user may do
// everything, the session of an assumed role nothing but ask who it is. Time of
// signatures is not compared, since a World may have a clock of its own. Of the
// AWS-managed policies only the well-known ones exist, and only the short ones
// have their document. IAM's own rules for the shared issuers of GitHub and the
// like are not held. A single account exists.
//
// Of Fly's API there is what reads organizations, apps, secrets and machines, and
// the command that fetches a token in a machine. Fly documents neither its GraphQL
// API nor the words of most errors: statuses are what flyctl relies on, and errors
// of GraphQL have words and no code. The keys of the AWS session tags in a token
// are invented, since nothing says which ones Fly sends.
package sandbox
