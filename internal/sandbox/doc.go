// Package sandbox is a simulated AWS account and Fly.io platform on real wire
// protocols: IAM and STS for the AWS SDKs, the parts of Fly's GraphQL and Machines
// APIs that flyctl uses, the token endpoint that a Fly Machine reaches over a Unix
// socket, and an OpenID Connect issuer for each Fly organization, with a real RSA
// key. Everything runs in the process, on the loopback interface.
//
// It is strict on purpose: it refuses what AWS refuses, with AWS's error codes,
// HTTP statuses and messages, because passing against a lenient fake proves
// nothing. If AWS's behavior is not documented, the sandbox takes the strict side.
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
//	cmd.Env = append(os.Environ(), s.Env()...) // see Env about empty values
//
// # What it does not do
//
// Users are not on the wire: there is one who may do everything, and AddUser adds those
// who may do what their policies allow. The session of a role may do what the role's
// policies and its boundary allow. There are no policies of an organization, and of the
// global condition keys only a few: what depends on another key is refused.
//
// It ignores the time of signatures, since a World can have its own clock. It has the
// well-known AWS-managed policies, and the documents of the short ones. It lacks
// IAM's special rules for shared issuers such as GitHub's. There is a single
// account.
//
// Fly's API reads organizations, apps, secrets and machines, and runs the command
// that fetches a token in a machine. Fly documents neither its GraphQL API nor most
// error messages: the sandbox uses the statuses that flyctl relies on, and GraphQL
// errors have a message and no code. The keys of the AWS session tags in a token
// are invented, since Fly does not document them.
package sandbox
