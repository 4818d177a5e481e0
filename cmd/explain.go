package cmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fly-aws/fly-aws/internal/awsapi"
	"github.com/fly-aws/fly-aws/internal/explain"
	"github.com/fly-aws/fly-aws/internal/flyoidc"
	"github.com/fly-aws/fly-aws/internal/render"
	"github.com/fly-aws/fly-aws/setup"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

type explainOptions struct {
	output   outputFlags
	aws      awsFlags
	policy   string
	role     string
	token    string
	subject  string
	audience string
	claims   string
	errText  string
	socket   string
}

func newExplain(sys System) *cobra.Command {
	var o explainOptions
	c := &cobra.Command{
		Use:   "explain",
		Short: "Say whether AWS would accept a token, why, and what to change",
		Long: `Say whether AWS STS would accept a machine's token for a role, condition by
condition, and for a refusal the smallest change that would make it accept.

The trust policy comes from --policy, or from IAM with --role, which also reads
the provider's audiences. The token comes from --token, or is made up from
--subject or --claims; in a machine a fresh one is minted if none is named.

With --error, AWS's own error message is put into words instead.

The exit code is 0 for accepted, 3 for refused, 1 for undecided.`,
		Example: `  fly-aws explain --role fly-acme-web --subject acme:web:cold-shape-2007
  fly-aws explain --policy trust.json --claims claims.json --json
  pbpaste | fly-aws explain --error -`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return runExplain(cmd.Context(), sys, o) },
	}
	o.output.register(c.Flags())
	o.aws.register(c.Flags())
	c.Flags().StringVar(&o.policy, "policy", "", "`file` with the trust policy, or -")
	c.Flags().StringVar(&o.role, "role", "", "name or ARN of the role whose trust policy to read from IAM")
	c.Flags().StringVar(&o.token, "token", "", "`file` with the token, or -")
	c.Flags().StringVar(&o.subject, "subject", "", "subject of the token: `org:app:machine`")
	c.Flags().StringVar(&o.audience, "audience", "", "audience of the token, with --subject (default "+flyoidc.AudienceAWS+")")
	c.Flags().StringVar(&o.claims, "claims", "", "`file` with the token's claims, a JSON object, or -")
	c.Flags().StringVar(&o.errText, "error", "", "AWS's error message, or - for standard input")
	registerSocket(sys, c, &o.socket)
	return c
}

func runExplain(ctx context.Context, sys System, o explainOptions) error {
	if err := o.check(); err != nil {
		return err
	}
	e := newEngine(sys, o.output)
	piped := !sys.StdinTTY && o == explainOptions{output: o.output, aws: o.aws, socket: o.socket}
	if o.errText != "" {
		return e.explainError(o.errText)
	}
	c := explain.Case{Now: sys.Now()}
	if err := o.readClaims(ctx, sys, &c); err != nil {
		if noToken := (*usageError)(nil); piped && errors.As(err, &noToken) {
			return e.explainError("-") // something was pasted, and nothing named
		}
		return err
	}
	if err := o.readPolicy(ctx, e, &c); err != nil {
		return err
	}
	explanation := explain.Explain(c)
	if o.output.json {
		if err := render.JSON(sys.Stdout, render.NewExplain(explanation)); err != nil {
			return err
		}
	} else {
		render.Explanation(sys.Stdout, explanation, e.out)
	}
	switch explanation.Verdict {
	case trustpolicy.Accepted:
		return nil
	case trustpolicy.Refused:
		return exitCode(exitPending)
	}
	return exitCode(exitFailed)
}

// check holds the sources to one policy, one token and one standard input.
func (o explainOptions) check() error {
	stdin, tokens := 0, 0
	for _, source := range []string{o.policy, o.token, o.claims, o.errText} {
		if source == "-" {
			stdin++
		}
	}
	for _, source := range []string{o.token, o.subject, o.claims} {
		if source != "" {
			tokens++
		}
	}
	switch {
	case o.policy != "" && o.role != "":
		return usagef("give the one whose policy is meant", "--policy and --role exclude each other")
	case tokens > 1:
		return usagef("give one of them", "--token, --subject and --claims exclude each other")
	case stdin > 1:
		return usagef("give one of them as a file", "standard input can be only one thing")
	case o.audience != "" && o.subject == "":
		return usagef("a token and claims have their own; pass --subject too", "--audience goes with --subject")
	}
	return nil
}

// explainError puts AWS's own message into words.
func (e *engine) explainError(text string) error {
	if text == "-" {
		data, err := io.ReadAll(io.LimitReader(e.sys.Stdin, maxFile))
		if err != nil {
			return fmt.Errorf("standard input: %w", err)
		}
		text = string(data)
	}
	meaning := explain.ErrorText(text)
	if e.json {
		if err := render.JSON(e.sys.Stdout, render.NewExplainError(meaning)); err != nil {
			return err
		}
	} else {
		render.Meaning(e.sys.Stdout, meaning, e.out)
	}
	if meaning.Code == explain.MeaningUnknown {
		return exitCode(exitFailed)
	}
	return nil
}

// readClaims fills in what the token says.
func (o explainOptions) readClaims(ctx context.Context, sys System, c *explain.Case) error {
	switch {
	case o.subject != "":
		audience := o.audience
		if audience == "" {
			audience = flyoidc.AudienceAWS
		}
		if _, ok := flyoidc.ParseSubject(o.subject); !ok {
			return usagef("write it as org:app:machine, such as acme:web:cold-shape-2007", "--subject %q does not have three parts", o.subject)
		}
		c.Claims = explain.MachineClaims(o.subject, audience)
		return nil
	case o.claims != "":
		data, err := readFile(sys, o.claims)
		if err != nil {
			return usagef("give --claims the path of a JSON object", "--claims %s", err)
		}
		claims, broken := flyoidc.InspectClaims(string(data))
		if claims.JSON == "" {
			return usagef("give --claims the path of a JSON object", "--claims %s: %s", o.claims, broken[0].Reason)
		}
		c.Claims = presented(claims)
		return nil
	}
	text, err := o.tokenText(ctx, sys)
	if err != nil {
		return err
	}
	token, broken := flyoidc.Inspect(text)
	if token == nil {
		return &flyoidc.DecodeError{Violation: broken[0]}
	}
	c.Claims = presented(token.Claims)
	if len(broken) > 0 {
		c.TokenError = &flyoidc.DecodeError{Violation: broken[0]}
		return nil
	}
	c.Signature, err = signature(ctx, sys, text)
	return err
}

// signature verifies a token by its issuer's keys, if they can be had.
func signature(ctx context.Context, sys System, text string) (explain.Signature, error) {
	client, err := issuerClient(sys)
	if err != nil {
		return "", err
	}
	for _, check := range flyoidc.Verify(ctx, text, flyoidc.Options{Client: client, Timeout: 5 * time.Second, Now: sys.Now}) {
		if check.Name != flyoidc.CheckSignature {
			continue
		}
		switch check.Outcome {
		case flyoidc.OK:
			return explain.Verified, nil
		case flyoidc.Failed:
			return explain.Forged, nil
		}
	}
	return "", ctx.Err() // not known
}

// tokenText is the token's text: the one named, or a fresh one in a machine.
func (o explainOptions) tokenText(ctx context.Context, sys System) (string, error) {
	if o.token != "" {
		return readToken(sys, []string{o.token})
	}
	minter := flyoidc.Minter{Socket: o.socket}
	text, err := minter.Mint(ctx, flyoidc.MintRequest{Audience: flyoidc.AudienceAWS})
	var failure *flyoidc.MintError
	if errors.As(err, &failure) && failure.Kind == flyoidc.MintNoSocket {
		return "", usagef("pass --subject org:app:machine, --claims, --token or --error", "there is no token to explain, and this is not a Fly Machine")
	}
	return text, err
}

// presented takes over what decides of a token's claims.
func presented(claims flyoidc.Claims) explain.Claims {
	out := explain.Claims{
		Issuer: claims.Issuer, Subject: claims.Subject, Audience: claims.Audience,
		Expiry: claims.Expiry, NotBefore: claims.NotBefore,
	}
	for _, m := range claims.Members {
		if m.Name != "https://aws.amazon.com/tags" {
			continue
		}
		var tags struct {
			PrincipalTags map[string]json.RawMessage `json:"principal_tags"`
		}
		if json.Unmarshal([]byte(m.Value), &tags) == nil {
			out.Tags = map[string]string{}
			for key, value := range tags.PrincipalTags {
				var values []string
				if json.Unmarshal(value, &values) == nil {
					out.Tags[key] = strings.Join(values, ",")
				} else {
					out.Tags[key] = plain(string(value))
				}
			}
		}
	}
	return out
}

// readPolicy fills in the role's trust policy and its provider.
func (o explainOptions) readPolicy(ctx context.Context, e *engine, c *explain.Case) error {
	switch {
	case o.policy != "":
		data, err := readFile(e.sys, o.policy)
		if err != nil {
			return usagef("give --policy the path of a trust policy", "--policy %s", err)
		}
		c.Text = data
		c.Policy, c.PolicyError = trustpolicy.Parse(data)
		return nil
	case o.role == "":
		return usagef("pass --role, or --policy with a file", "no trust policy is named")
	}
	if err := e.openAWS(ctx, o.aws.options(e)); err != nil {
		return err
	}
	return e.readRole(ctx, o.role, c)
}

// readRole reads the role and the provider of the token's issuer from IAM.
func (e *engine) readRole(ctx context.Context, role string, c *explain.Case) error {
	name := role[strings.LastIndexByte(role, '/')+1:]
	if strings.HasPrefix(role, "arn:") {
		if reason := setup.RoleARNProblem(role); reason != "" {
			return usagef("give the role's name, or its whole ARN", "--role %q: %s", role, reason)
		}
	}
	facts, err := e.account.Facts(ctx, awsapi.Hints{Roles: []string{name}})
	if err != nil {
		return err
	}
	if strings.HasPrefix(role, "arn:") && accountOf(role) != facts.Account {
		return &awsapi.MismatchError{What: "account", ARN: role, Have: accountOf(role), Want: facts.Account}
	}
	c.Partition, c.Account, c.Role = facts.Partition, facts.Account, name
	provider := func(path string) setup.Resource {
		arn := "arn:" + facts.Partition + ":iam::" + facts.Account + ":oidc-provider/" + path
		return setup.Resource{Provider: &setup.Provider{ARN: arn}}
	}
	want := []setup.Resource{{Role: &setup.Role{Name: name}}}
	issuer := strings.TrimPrefix(c.Claims.Issuer, "https://")
	if issuer != "" {
		want = append(want, provider(issuer))
	}
	const alias = trustpolicy.IssuerHost + "/personal" // its provider explains a lot
	if issuer != alias {
		want = append(want, provider(alias))
	}
	found, err := e.account.Read(ctx, want)
	if err != nil {
		return err
	}
	c.Provider.Presence = explain.Absent
	for _, r := range found {
		switch {
		case r.Role != nil:
			c.Policy = r.Role.Trust
		case r.Provider.ARN == provider(issuer).Provider.ARN:
			c.Provider.Presence, c.Provider.ARN, c.Provider.Audiences = explain.Present, r.Provider.ARN, r.Provider.Audiences
		default:
			c.Provider.Others = append(c.Provider.Others, r.Provider.ARN)
		}
	}
	if c.Policy == nil {
		return &hintedError{
			err:  fmt.Errorf("there is no role %q in the account %s; AWS answers AccessDenied for it", name, facts.Account),
			hint: "list the roles with: aws iam list-roles --query 'Roles[].RoleName'",
		}
	}
	return nil
}
