package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fly-aws/fly-aws/internal/awsapi"
	"github.com/fly-aws/fly-aws/internal/explain"
	"github.com/fly-aws/fly-aws/internal/flyname"
	"github.com/fly-aws/fly-aws/internal/flyoidc"
	"github.com/fly-aws/fly-aws/internal/render"
	"github.com/fly-aws/fly-aws/internal/text"
	"github.com/fly-aws/fly-aws/internal/trustfile"
	"github.com/fly-aws/fly-aws/setup"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

type explainOptions struct {
	output   outputFlags
	aws      awsFlags
	details  bool
	policy   string
	role     string
	token    string
	subject  string
	audience string
	claims   string
	event    string
	errText  string
	socket   string
}

func newExplain(sys System) *cobra.Command {
	var o explainOptions
	c := &cobra.Command{
		Use:   "explain",
		Short: "Say whether AWS would accept a token, why, and what to change",
		Long: `Say whether AWS STS would accept a machine's token for a role, condition by
condition, and for a refusal what to do about it. What it suggests lets in no
other app.

The trust policy comes from --trust-policy, or from IAM with --role (default:
AWS_ROLE_ARN), which also reads the provider's audiences. The token comes from
--token, or its claims from --subject or --claims; in a machine, a fresh one is
requested if none is given. With --event, the claims and the role are those in
an event of CloudTrail.

With --error, it explains an AWS error message instead.

The exit code is 0 for accepted, 3 for refused, 1 for undecided.`,
		Example: `  fly-aws explain --role fly-acme-web --subject acme:web:cold-shape-2007
  fly-aws explain --trust-policy trust.json --claims claims.json --json
  pbpaste | fly-aws explain --error -`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return runExplain(cmd.Context(), sys, o) },
	}
	o.output.register(c.Flags())
	o.aws.register(c.Flags())
	c.Flags().StringVar(&o.policy, "trust-policy", "", "`file` with the trust policy, or with one role as the AWS CLI, Terraform or CloudFormation have it; - for standard input")
	c.Flags().StringVar(&o.policy, "policy", "", "")
	_ = c.Flags().MarkHidden("policy") // the flag's former name
	c.Flags().StringVar(&o.role, "role", "", "name or ARN of the `role` whose trust policy to read from IAM")
	c.Flags().StringVar(&o.token, "token", "", "`file` with the token, or -")
	c.Flags().StringVar(&o.subject, "subject", "", "subject of the token, as `org:app:machine`")
	c.Flags().StringVar(&o.audience, "audience", "", "`audience` of the token, with --subject (default "+flyname.AudienceAWS+")")
	c.Flags().StringVar(&o.claims, "claims", "", "`file` with the token's claims, as JSON or as a decoder shows them, or -")
	c.Flags().StringVar(&o.event, "event", "", "`file` with CloudTrail's event of a refused AssumeRoleWithWebIdentity, or -")
	c.Flags().StringVar(&o.errText, "error", "", "error `message` of AWS, an SDK or a tool to explain; - or nothing for standard input")
	c.Flags().BoolVar(&o.details, "details", false, "show each step of STS and each condition too")
	registerSocket(sys, c, &o.socket)
	return c
}

func runExplain(ctx context.Context, sys System, o explainOptions) error {
	if err := o.check(); err != nil {
		return err
	}
	if o.errText != "" {
		return explainError(ctx, sys, o.output, o.errText)
	}
	if nothing := (explainOptions{output: o.output, aws: o.aws, socket: o.socket}); o == nothing {
		if !sys.StdinTTY { // the message may be piped in
			pasted, err := readFile(ctx, sys, "-")
			if err != nil {
				return err
			}
			if strings.TrimSpace(string(pasted)) != "" {
				return explainError(ctx, sys, o.output, string(pasted))
			}
		}
	}
	c := explain.Case{Now: sys.Now()}
	var event explain.Event
	if o.event != "" {
		var err error
		if event, err = o.readEvent(ctx, sys); err != nil {
			return err
		}
		if event.BeforePolicy() {
			if err := explainError(ctx, sys, o.output, event.ErrorCode+": "+event.ErrorMessage); err != nil {
				return err
			}
			return exitCode(exitPending)
		}
		c.Claims, c.Context, c.WantedRole = event.Claims, event.Context, event.RoleARN
		if o.policy == "" {
			o.role = event.RoleARN
		}
	} else if err := o.readClaims(ctx, sys, &c); err != nil {
		return err
	}
	if err := o.readPolicy(ctx, sys, &c); err != nil {
		return err
	}
	explanation := explain.Explain(c)
	if o.output.json {
		if err := render.JSON(sys.Stdout, render.NewExplain(explanation)); err != nil {
			return err
		}
	} else {
		render.Explanation(sys.Stdout, explanation, o.details, sys.style(sys.StdoutTTY, o.output.noColor))
	}
	switch explanation.Verdict {
	case explain.Accepted:
		if event.ErrorCode != "" {
			newConsole(sys, o.output).note("But AWS refused it at %s: the role has changed since, or AWS knows more.", event.Time.Format(time.RFC3339))
		}
		return nil
	case explain.Refused:
		return exitCode(exitPending)
	}
	return exitCode(exitFailed)
}

// check reports conflicting flags: there is one policy, one token and one standard
// input.
func (o explainOptions) check() error {
	stdin, tokens := 0, 0
	for _, source := range []string{o.policy, o.token, o.claims, o.event, o.errText} {
		if source == "-" {
			stdin++
		}
	}
	for _, source := range []string{o.token, o.subject, o.claims, o.event} {
		if source != "" {
			tokens++
		}
	}
	switch {
	case o.errText != "" && (o.policy != "" || o.role != "" || tokens > 0):
		return usagef("drop the other flags", "--error explains a message, and nothing else")
	case o.policy != "" && o.role != "":
		return usagef("pass one of them", "--trust-policy and --role exclude each other")
	case tokens > 1:
		return usagef("pass one of them", "--token, --subject, --claims and --event exclude each other")
	case stdin > 1:
		return usagef("give one of them as a file", "standard input can be read only once")
	case o.event != "" && o.role != "":
		return usagef("drop --role", "--event names the role")
	case o.audience != "" && o.subject == "":
		return usagef("a token and claims have their own audience; pass --subject too", "--audience goes with --subject")
	}
	return nil
}

// explainError explains an AWS error message; "-" is standard input.
func explainError(ctx context.Context, sys System, o outputFlags, message string) error {
	if message == "-" {
		data, err := readFile(ctx, sys, "-")
		if err != nil {
			return err
		}
		message = string(data)
	}
	diagnosis := explain.Diagnose(message)
	if o.json {
		if err := render.JSON(sys.Stdout, render.NewExplainError(diagnosis)); err != nil {
			return err
		}
	} else {
		render.Diagnosis(sys.Stdout, diagnosis, sys.style(sys.StdoutTTY, o.noColor))
	}
	if diagnosis.Layer == explain.LayerUnknown {
		return exitCode(exitFailed)
	}
	return nil
}

// readClaims fills in the token's claims.
func (o explainOptions) readClaims(ctx context.Context, sys System, c *explain.Case) error {
	switch {
	case o.subject != "":
		audience := o.audience
		if audience == "" {
			audience = flyname.AudienceAWS
		}
		subject, ok := flyname.ParseSubject(o.subject)
		if !ok {
			return usagef("write it as org:app:machine, such as acme:web:cold-shape-2007", "--subject %s does not have three parts", text.Quote(o.subject))
		}
		c.Claims = flyname.MachineClaims(subject, audience)
		return nil
	case o.claims != "":
		data, err := readFile(ctx, sys, o.claims)
		if err != nil {
			return usagef("give --claims the path of a JSON object", "--claims %w", err)
		}
		if strings.Count(string(data), ".") == 2 && !strings.Contains(string(data), "{") {
			return useToken(ctx, sys, string(data), c)
		}
		claims, broken := flyoidc.InspectClaims(flyoidc.FindClaims(string(data)))
		if claims.JSON == "" {
			return usagef("give --claims the path of a JSON object", "--claims %s: %s", o.claims, broken[0].Reason)
		}
		c.Claims, c.MachineID = claims.Claims, claims.MachineID
		for _, v := range broken {
			// Claims written by hand to try a policy may be incomplete, but must be valid.
			if present := func(m flyoidc.Member) bool { return m.Name == string(v.Rule) }; slices.ContainsFunc(claims.Members, present) || v.Rule == flyoidc.RuleDuplicate || v.Rule == flyoidc.RuleCase {
				return usagef("correct the claim", "--claims %s: %s", o.claims, v.Reason)
			}
		}
		return nil
	}
	source := tokenSource{file: o.token, socket: o.socket, audience: flyname.AudienceAWS}
	token, err := source.read(ctx, sys)
	var failure *flyoidc.MintError
	switch {
	case errors.As(err, &failure) && failure.Kind == flyoidc.MintNoSocket:
		return usagef("pass --subject org:app:machine, --claims, --token or --error", "there is no token to explain, and this is not a Fly Machine")
	case err != nil:
		return err
	}
	return useToken(ctx, sys, token, c)
}

// readEvent reads the newest event.
func (o explainOptions) readEvent(ctx context.Context, sys System) (explain.Event, error) {
	const hint = "give --event the JSON of one event, or the output of aws cloudtrail lookup-events"
	data, err := readFile(ctx, sys, o.event)
	if err != nil {
		return explain.Event{}, usagef(hint, "--event %w", err)
	}
	events, err := explain.Events(data)
	if err != nil {
		return explain.Event{}, usagef(hint, "--event %s: %s", inputName(o.event), text.Line(err.Error()))
	}
	e, console := events[0], newConsole(sys, o.output)
	if len(events) > 1 {
		console.note("%d events; this is the newest, of %s.", len(events), e.Time.Format(time.RFC3339))
	}
	if e.ErrorCode == "" {
		console.note("AWS accepted this request at %s. What follows is whether it would accept it now.", e.Time.Format(time.RFC3339))
	}
	return e, nil
}

// useToken fills in the claims of a token, and verifies it.
func useToken(ctx context.Context, sys System, token string, c *explain.Case) (err error) {
	decoded, broken := flyoidc.Inspect(token)
	if decoded == nil {
		return &flyoidc.DecodeError{Violation: broken[0]}
	}
	c.Claims, c.MachineID = decoded.Claims.Claims, decoded.Claims.MachineID
	if len(broken) > 0 {
		c.TokenError, c.TokenRule = errors.New(broken[0].Reason), string(broken[0].Rule)
		return nil
	}
	c.Signature, c.SignatureNote, err = signature(ctx, sys, token)
	return err
}

// signature verifies a token with its issuer's keys; if they are not available, the
// note says why.
func signature(ctx context.Context, sys System, token string) (s explain.Signature, note string, err error) {
	client, err := issuerClient(sys)
	if err != nil {
		return "", "", err
	}
	checks := flyoidc.Verify(ctx, token, flyoidc.Options{Client: client, Timeout: 5 * time.Second, Now: sys.Now})
	if ctx.Err() != nil {
		return "", "", ctx.Err()
	}
	for _, check := range checks {
		var keys *flyoidc.KeysError
		switch {
		case check.Name == flyoidc.StepSignature && check.Result == flyoidc.Passed:
			return explain.Verified, "", nil
		case check.Name == flyoidc.StepSignature && check.Result == flyoidc.Failed:
			return explain.Forged, "", nil
		case check.Name == flyoidc.StepKeys && errors.As(check.Err, &keys):
			if keys.Kind == flyoidc.KeysUnknown || keys.Kind == flyoidc.KeysTooMany {
				return explain.Forged, "", nil // STS refuses such a token too
			}
			return "", check.Detail, nil
		}
	}
	return "", "", nil
}

// readPolicy fills in the role's trust policy and its provider.
func (o explainOptions) readPolicy(ctx context.Context, sys System, c *explain.Case) error {
	switch {
	case o.policy != "":
		return o.readPolicyFile(ctx, sys, c)
	case o.role == "" && sys.Getenv(setup.EnvRoleARN) != "":
		o.role = sys.Getenv(setup.EnvRoleARN)
	case o.role == "":
		return usagef("pass --role, or --trust-policy with a file", "no trust policy is given")
	}
	console := newConsole(sys, o.output)
	account, err := console.openAccount(ctx, o.aws.options(&callLog{console: console}))
	if err != nil {
		return err
	}
	defer console.waiting("AWS")()
	return readRole(ctx, account, o.role, c, func(err error) {
		console.note("The provider could not be read: %s", text.Line(err.Error()))
	})
}

// readPolicyFile reads the trust policy in a file: a document, or that of the only role in
// what the AWS CLI, Terraform or CloudFormation say.
func (o explainOptions) readPolicyFile(ctx context.Context, sys System, c *explain.Case) error {
	var found []trustfile.Found
	_, err := readInput(ctx, sys, o.policy, func(r io.Reader) ([]byte, error) {
		_, err := trustfile.Read(r, trustfile.Options{}, func(f trustfile.Found) error {
			found = append(found, f)
			return nil
		})
		return nil, err
	})
	name := "--trust-policy " + inputName(o.policy)
	switch {
	case err != nil:
		return fileProblem(name, err)
	case len(found) > 1:
		return usagef("give it a file with one, or check them all with fly-aws lint", "%s has the trust policies of %d roles", name, len(found))
	case found[0].Undecided != "":
		return usagef("give it the policy as it will be deployed", "%s cannot be judged: %s", name, found[0].Undecided)
	}
	c.Policy, c.PolicyError = trustpolicy.Parse(found[0].Text)
	if setup.NameProblem(found[0].Role, 64) == "" {
		c.Role = found[0].Role
	}
	return nil
}

// readRole reads the role and the provider of the token's issuer from IAM. It calls
// unread with the error if it can read the role but not the provider.
func readRole(ctx context.Context, account *awsapi.Account, role string, c *explain.Case, unread func(error)) error {
	const hint = "give the role's name, or its full ARN"
	name := role[strings.LastIndexByte(role, '/')+1:]
	switch isARN := strings.HasPrefix(role, "arn:"); {
	case isARN && setup.RoleARNProblem(role) != "":
		return usagef(hint, "--role %s: %s", text.Quote(role), setup.RoleARNProblem(role))
	case !isARN && name != role:
		return usagef(hint, "--role %s is neither", text.Quote(role))
	case isARN:
		c.WantedRole = role
	}
	facts, err := account.Facts(ctx, setup.Request{})
	if err != nil {
		return err
	}
	if c.WantedRole != "" && setup.AccountOf(role) != facts.Account {
		return &awsapi.MismatchError{What: "account", ARN: role, Have: setup.AccountOf(role), Want: facts.Account}
	}
	c.Partition, c.Account = facts.Partition, facts.Account
	have, err := account.Role(ctx, name)
	if err != nil {
		return err
	}
	if have == nil {
		return &hintedError{
			err:  fmt.Errorf("there is no role %s in the account %s; AWS answers AccessDenied for it", text.Quote(name), facts.Account),
			hint: "list the roles with: aws iam list-roles --query 'Roles[].RoleName'",
		}
	}
	c.Policy, c.Role, c.RoleARN = have.Trust, have.Name, have.ARN
	if org, ok := have.Tags[setup.TagOrg]; ok {
		c.Managed = &explain.Managed{Org: org, App: have.Tags[setup.TagApp]}
	}
	return readProvider(ctx, account, facts, c, unread)
}

// readProvider reads the provider of the token's issuer, and that of the alias
// "personal", which is often created by mistake. Without permission to read providers,
// the rest is still explained.
func readProvider(ctx context.Context, account *awsapi.Account, facts setup.Facts, c *explain.Case, unread func(error)) error {
	provider := func(path string) setup.Resource {
		arn := "arn:" + facts.Partition + ":iam::" + facts.Account + ":oidc-provider/" + path
		return setup.Resource{Provider: &setup.Provider{ARN: arn}}
	}
	alias := flyname.IssuerPath(flyname.Personal)
	want := []setup.Resource{provider(alias)}
	path, isURL := strings.CutPrefix(c.Claims.Issuer, "https://")
	// IAM allows no other provider URL (CreateOpenIDConnectProvider).
	possible := isURL && len(c.Claims.Issuer) <= 255 && !strings.ContainsAny(path, "?# \t\n")
	if possible && path != alias {
		want = append(want, provider(path))
	}
	found, err := account.Read(ctx, want)
	var denied *awsapi.DeniedError
	switch {
	case errors.As(err, &denied):
		unread(err)
		return nil
	case err != nil:
		return err
	}
	c.Provider.Presence = explain.Absent
	for _, r := range found {
		if possible && r.Provider.ARN == provider(path).Provider.ARN {
			c.Provider.Presence, c.Provider.ARN, c.Provider.Audiences = explain.Present, r.Provider.ARN, r.Provider.Audiences
		} else {
			c.Provider.Others = append(c.Provider.Others, r.Provider.ARN)
		}
	}
	return nil
}
