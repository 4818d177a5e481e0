package cmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fly-aws/fly-aws/internal/flyname"
	"github.com/fly-aws/fly-aws/internal/sandbox"
	"github.com/fly-aws/fly-aws/internal/text"
)

type sandboxOptions struct {
	org, machine, personal string
	apps                   []string
	command                []string
	// How long the tokens of the socket are valid, and at most the credentials that STS
	// gives for one; 0 for no limit of the credentials.
	tokens, credentials time.Duration
	// Propagation is how long STS does not know a new role or trust policy yet.
	propagation time.Duration
	faults      []string
}

func newSandbox(sys System) *cobra.Command {
	var o sandboxOptions
	c := &cobra.Command{
		Use:   "sandbox [flags] [-- COMMAND [ARGUMENT...]]",
		Short: "Serve a simulated AWS and Fly, for a command or a shell",
		Long: `Serve a simulated AWS account (IAM and STS), Fly's API, the token endpoint of a
machine and an OIDC issuer on loopback, and run COMMAND with the environment set
so that the AWS CLI, an SDK, fly-aws or a test suite talks to them. The account
starts empty and refuses what AWS refuses; the organization has the apps that
--app names, and COMMAND is signed in to both. The exit code is COMMAND's.

Without COMMAND it prints the exports, and serves until Ctrl-C.

--fault KIND:WHERE[:TIMES] makes calls fail: all of them, or the first TIMES.
WHERE is an action such as CreateRole, or aws, iam, sts or fly. KIND is
throttle, a delay such as 2s, drop-before or drop-after (the connection breaks
before or after the call has its effect); for AWS also error (status 500) or
deny; for Fly also down (status 503) or page (a proxy's web page).

docs/sandbox.md has more, for tests of your own.`,
		Example: `  fly-aws sandbox -- aws iam list-roles
  fly-aws sandbox -- fly-aws setup
  fly-aws sandbox --fault throttle:CreateRole:2 -- make test
  fly-aws sandbox -- bash`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 && cmd.ArgsLenAtDash() != 0 {
				return usagef("write fly-aws sandbox -- "+text.ShellWords(args), "put the command after --")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			o.command = args
			return runSandbox(cmd.Context(), sys, o)
		},
	}
	c.Flags().StringVarP(&o.org, "org", "o", "acme", "organization of the apps, by its `slug`")
	c.Flags().StringArrayVarP(&o.apps, "app", "a", []string{"web", "api", "worker"}, "`app` with a machine; repeatable. The socket serves tokens of the first app's machine")
	c.Flags().StringVar(&o.machine, "machine", "cold-shape-2007", "`name` of the machine of each app")
	c.Flags().StringVar(&o.personal, "personal-org", "", "raw `slug` of another organization, which Fly's tools call personal, with an app called notes")
	c.Flags().DurationVar(&o.tokens, "token-lifetime", 10*time.Minute, "how long the socket's tokens are valid; less than Fly's 10m lets you watch a program renew them")
	c.Flags().DurationVar(&o.credentials, "credentials-lifetime", 0, "how long credentials for a token are valid at most, for the same purpose; STS itself gives 15m or more")
	c.Flags().DurationVar(&o.propagation, "propagation", 0, "how long STS refuses a new role or a changed trust policy, as IAM's changes take time")
	c.Flags().StringArrayVar(&o.faults, "fault", nil, "make calls fail, by a `spec` as above; repeatable, and the first one with calls left counts")
	return c
}

// check refuses what the sandbox cannot serve.
func (o sandboxOptions) check(apps []string) error {
	checks := []error{flyname.CheckOrg(o.org), flyname.CheckMachine(o.machine)}
	for _, app := range apps {
		checks = append(checks, flyname.CheckApp(app))
	}
	if o.personal != "" {
		checks = append(checks, flyname.CheckOrg(o.personal))
	}
	checks = append(checks, checkLifetime("token-lifetime", o.tokens))
	if o.credentials != 0 {
		checks = append(checks, checkLifetime("credentials-lifetime", o.credentials))
	}
	if o.propagation < 0 {
		checks = append(checks, fmt.Errorf("--propagation %s: must not be negative", o.propagation))
	}
	for i, err := range checks {
		if err != nil {
			checks[i] = &usageError{err: err, hint: "see fly-aws sandbox --help"}
		}
	}
	return errors.Join(checks...)
}

// checkLifetime refuses what a token or STS cannot say: both count in whole seconds.
func checkLifetime(flag string, d time.Duration) error {
	if d < time.Second || d%time.Second != 0 {
		return fmt.Errorf("--%s %s: must be whole seconds, and at least one", flag, d)
	}
	return nil
}

func runSandbox(ctx context.Context, sys System, o sandboxOptions) (err error) {
	apps := commaList(o.apps)
	if err := o.check(apps); err != nil {
		return err
	}
	var faults sandbox.Faults
	for _, spec := range o.faults {
		if err := faults.Add(spec); err != nil {
			return usagef("see fly-aws sandbox --help", "--fault %s", text.Line(err.Error()))
		}
	}
	world := sandbox.World{
		PersonalOrg: o.personal, TokenLifetime: o.tokens, CredentialsLifetime: o.credentials, Propagation: o.propagation,
		Fault: faults.AWS, FlyFault: faults.Fly,
	}
	for _, app := range apps {
		world.AddMachine(o.org, app, o.machine)
	}
	if o.personal != "" {
		world.AddMachine(o.personal, "notes", o.machine)
	}
	server, err := world.Start()
	if err != nil {
		return fmt.Errorf("the sandbox does not start: %w", err)
	}
	defer func() { err = errors.Join(err, server.Close()) }()

	env := append(server.Env(), sandboxEnv+"="+server.AWSEndpoint)
	if len(o.command) == 0 {
		var exports strings.Builder // its keys work only in the sandbox
		for _, assignment := range env {
			if name, value, _ := strings.Cut(assignment, "="); value == "" {
				fmt.Fprintf(&exports, "unset %s\n", name)
			} else {
				fmt.Fprintf(&exports, "export %s=%s\n", name, text.ShellWord(value))
			}
		}
		if err := sys.printSecret(exports.String()); err != nil {
			return err
		}
		fmt.Fprintln(sys.Stderr, "Serving until Ctrl-C. Paste the lines above into another shell.")
		<-ctx.Done()
		return nil
	}
	return runCommand(sys, env, o.command)
}

// sandboxEnv is the variable that tells commands in a sandbox the URL of its AWS.
const sandboxEnv = "FLY_AWS_SANDBOX"

// sandboxNote says that an account is the sandbox's; "" if calls go elsewhere, also where
// only sandboxEnv is left of a sandbox's environment. The SDKs prefer a service's own
// endpoint to AWS_ENDPOINT_URL, and that to the config file
// (https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html).
func (c console) sandboxNote(account string) string {
	endpoint := c.Getenv(sandboxEnv)
	for _, name := range []string{"AWS_ENDPOINT_URL_IAM", "AWS_ENDPOINT_URL_STS", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"} {
		if c.Getenv(name) != "" {
			return ""
		}
	}
	if endpoint == "" || endpoint != c.Getenv("AWS_ENDPOINT_URL") {
		return ""
	}
	return "AWS account " + account + " is the sandbox's, not a real one; the files in this folder are real"
}

// runCommand runs a command in the sandbox's environment and waits for it. Ctrl-C
// reaches the whole foreground process group, so the command handles it itself; a
// termination signal sent only to this process is passed on.
func runCommand(sys System, env, command []string) error {
	path, err := lookPath(command[0])
	if err != nil {
		return err
	}
	c := exec.Command(path, command[1:]...) //nolint:gosec,noctx // the user asked to run it, for as long as it takes
	c.Env = overlay(sys.Environ, env)
	forward := slices.DeleteFunc(EndSignals(), func(s os.Signal) bool { return s == os.Interrupt })
	return sys.supervise(c, forward, []os.Signal{os.Interrupt})
}

// overlay returns environ with the assignments of env. A variable that is empty
// there is removed: the AWS CLI looks for the profile named by an empty AWS_PROFILE.
func overlay(environ, env []string) []string {
	set := map[string]bool{}
	var out []string
	for _, assignment := range env {
		name, value, _ := strings.Cut(assignment, "=")
		set[name] = true
		if value != "" {
			out = append(out, assignment)
		}
	}
	for _, assignment := range environ {
		if name, _, _ := strings.Cut(assignment, "="); !set[name] {
			out = append(out, assignment)
		}
	}
	return out
}
