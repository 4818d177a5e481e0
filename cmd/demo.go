package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fly-aws/fly-aws/internal/awsapi"
	"github.com/fly-aws/fly-aws/internal/flyapi"
	"github.com/fly-aws/fly-aws/internal/flyname"
	"github.com/fly-aws/fly-aws/internal/render"
	"github.com/fly-aws/fly-aws/internal/sandbox"
	"github.com/fly-aws/fly-aws/internal/text"
	"github.com/fly-aws/fly-aws/internal/workdir"
	"github.com/fly-aws/fly-aws/setup"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

// The names of the demo's world.
const (
	demoOrg     = "acme"
	demoApp     = "web"
	demoOther   = "api"
	demoMachine = "cold-shape-2007"
	demoPolicy  = "AmazonS3ReadOnlyAccess"
	demoRegion  = "eu-west-1"
)

// demoConfig has a comment, unusual spacing and single quotes, to show that a patch
// leaves them alone.
const demoConfig = `# deployed by hand on Fridays only
app = 'web'
primary_region = 'fra'

[env]
  LOG_LEVEL   = 'info'   # debug is expensive

[http_service]
  internal_port = 8080
`

func newDemo(sys System) *cobra.Command {
	var o outputFlags
	c := &cobra.Command{
		Use:   "demo",
		Short: "See the whole run on this machine, without any account",
		Long: `Run everything against a simulated AWS and a simulated Fly inside this process,
with a fly.toml in memory: setup, the change to fly.toml, a second run that has
nothing to do, a machine's token that AWS accepts, and another app's that it
refuses. It needs no account and no network, and leaves nothing behind.`,
		Example: `  fly-aws demo`,
		Args:    noArguments,
		RunE:    func(cmd *cobra.Command, _ []string) error { return runDemo(cmd.Context(), sys, o) },
	}
	o.registerColor(c.Flags())
	return c
}

func runDemo(ctx context.Context, sys System, o outputFlags) (err error) {
	world := sandbox.World{}
	world.AddApp(demoOrg, demoApp)
	server, err := world.Start()
	if err != nil {
		return fmt.Errorf("the sandbox does not start: %w", err)
	}
	defer func() { err = errors.Join(err, server.Close()) }()

	sys.Stderr = sys.Stdout // one stream, to keep the output in order
	d := demo{sandbox: &world, console: newConsole(sys, o), folder: workdir.InMemory("fly.toml", demoConfig)}
	d.err = d.out
	d.StderrTTY = false // show progress as plain lines
	d.account, err = d.openAccount(ctx, awsapi.Options{
		Endpoint: server.AWSEndpoint, AccessKeyID: sandbox.AccessKeyID, SecretAccessKey: sandbox.SecretAccessKey,
	})
	if err != nil {
		return err
	}
	client, err := flyapi.New(flyapi.Options{Token: sandboxToken(), BaseURL: server.FlyEndpoint, MachinesURL: server.FlyEndpoint})
	if err != nil {
		return err
	}
	d.world = d.newWorld(d.folder, d.account, flySession{client: client})
	return d.run(ctx)
}

// demo runs the real commands on the sandbox and narrates.
type demo struct {
	console
	sandbox *sandbox.World
	account *awsapi.Account
	folder  *workdir.Folder
	world   setup.World
}

func (d demo) say(format string, args ...any) { fmt.Fprintf(d.Stdout, format+"\n", args...) }

func (d demo) heading(n int, title string) {
	d.say("")
	render.Heading(d.Stdout, fmt.Sprintf("%d. %s", n, title), d.out)
}

func (d demo) run(ctx context.Context) error {
	d.say("A simulated AWS account and a simulated Fly organization, in this process.")
	d.say("The requests are real; nothing leaves this machine.")

	if err := d.federate(ctx); err != nil {
		return err
	}
	if err := d.showPatch(); err != nil {
		return err
	}
	role, err := d.secondPlan(ctx)
	if err != nil {
		return err
	}
	if err := d.accepted(ctx, role); err != nil {
		return err
	}
	if err := d.refused(ctx, role); err != nil {
		return err
	}
	d.say("")
	render.Heading(d.Stdout, "For real, signed in to AWS and Fly, in the folder of your fly.toml:", d.out)
	d.say("$ fly-aws setup")
	return nil
}

// sandboxToken is the sandbox's Fly access token.
func sandboxToken() flyapi.AccessToken {
	token, _ := flyapi.ParseToken(sandbox.FlyToken, setup.FlySourceFlag) // always well-formed
	return token
}

func demoRequest() setup.Request {
	return setup.Request{Org: demoOrg, Roles: []setup.RoleRequest{{
		Apps:     []setup.App{{Name: demoApp, Config: "fly.toml", Region: demoRegion}},
		Policies: []string{demoPolicy},
	}}}
}

// demoCommand is the command line of that request.
func demoCommand(verb string) string {
	return "$ fly-aws " + verb + " -o " + demoOrg + " --policy " + demoPolicy + " --aws-region " + demoRegion
}

// federate runs setup as a person would, and confirms the plan.
func (d demo) federate(ctx context.Context) error {
	d.heading(1, "Give the app "+demoApp+" read access to S3")
	d.say("%s", demoCommand("setup"))
	typed := d.console
	typed.Stdin, typed.StdinTTY = io.TeeReader(strings.NewReader("y\n"), d.Stdout), true // shows the answer as a terminal would
	return typed.setUp(ctx, d.world, demoRequest(), setupOptions{}, true, typed.confirm)
}

func (d demo) showPatch() error {
	d.heading(2, "What that did to fly.toml: two lines added, and nothing else")
	after, _, err := d.folder.Preview("fly.toml", nil) // with no changes: as it is
	if err != nil {
		return err
	}
	d.say("$ git diff fly.toml")
	render.Diff(d.Stdout, "fly.toml", demoConfig, string(after), d.out)
	return nil
}

// secondPlan shows that a second run has nothing to do, and fails if it does. It
// returns the role's ARN.
func (d demo) secondPlan(ctx context.Context) (role string, err error) {
	d.heading(3, "Run it again")
	d.say("%s", demoCommand("plan"))
	plan, err := d.plan(ctx, d.world, demoRequest(), true)
	if err != nil {
		return "", err
	}
	render.Plan(d.Stdout, plan, d.out)
	if len(plan.Pending()) > 0 {
		return "", errors.New("the second plan has changes, which is a bug in fly-aws")
	}
	return plan.Grants[0].RoleARN, nil
}

// accepted has a machine of the app get a token and exchange it for AWS credentials.
func (d demo) accepted(ctx context.Context, role string) error {
	subject := flyname.Subject{Org: demoOrg, App: demoApp, Machine: demoMachine}.String()
	d.heading(4, "In a machine of "+demoApp+": Fly signs a token, AWS accepts it")
	d.say("sub  %s", subject)
	identity, err := d.exchange(ctx, role, demoApp)
	if err != nil {
		return err
	}
	render.Done(d.Stdout, "accepted: "+text.Clean(identity.ARN), d.out)
	return nil
}

// refused has a machine of another app try the same, and says why AWS refuses.
func (d demo) refused(ctx context.Context, role string) error {
	subject := flyname.Subject{Org: demoOrg, App: demoOther, Machine: demoMachine}.String()
	d.heading(5, "In a machine of another app, "+demoOther+": AWS refuses")
	d.say("sub  %s", subject)
	_, err := d.exchange(ctx, role, demoOther)
	var refusal *awsapi.CallError
	switch {
	case err == nil:
		return errors.New("AWS accepted another app's token, which is a bug in fly-aws")
	case !errors.As(err, &refusal):
		return err
	}
	arn := strings.Split(role, ":")
	name := role[strings.LastIndexByte(role, '/')+1:]
	found, err := d.account.Role(ctx, name)
	if err != nil {
		return err
	}
	if found == nil {
		return errors.New("the role is gone")
	}
	decision := found.Trust.Evaluate(trustpolicy.AssumeRequest{
		Action:    trustpolicy.AssumeAction,
		Federated: trustpolicy.ProviderARN(arn[1], arn[4], demoOrg),
		Context:   trustpolicy.WebIdentityContext(flyname.IssuerPath(demoOrg), flyname.AudienceAWS, subject),
	})
	if !decision.Decision.Denied() {
		return fmt.Errorf("AWS refused the token, but the trust policy decides %s, which is a bug in fly-aws", decision.Decision)
	}
	render.Refused(d.Stdout, refusal.Code, refusal.Message, decision, d.out)
	return nil
}

// exchange gives AWS a token from a machine of the app.
func (d demo) exchange(ctx context.Context, role, app string) (awsapi.Identity, error) {
	d.sandbox.AddMachine(demoOrg, app, demoMachine)
	token, err := d.sandbox.Mint(sandbox.TokenRequest{Org: demoOrg, App: app, Machine: demoMachine, Audience: flyname.AudienceAWS})
	if err != nil {
		return awsapi.Identity{}, err
	}
	return d.account.AssumeWithToken(ctx, role, "demo", token)
}
