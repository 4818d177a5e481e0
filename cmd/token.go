package cmd

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fly-aws/fly-aws/internal/flyname"
	"github.com/fly-aws/fly-aws/internal/flyoidc"
	"github.com/fly-aws/fly-aws/internal/render"
	"github.com/fly-aws/fly-aws/internal/text"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

type tokenOptions struct {
	output   outputFlags
	audience string
	socket   string
	tags     bool
	raw      bool
	format   string
	// audienceGiven: audience is from the command line, not the default.
	audienceGiven bool
}

func newToken(sys System) *cobra.Command {
	var o tokenOptions
	c := &cobra.Command{
		Use:   "token",
		Short: "Mint an OIDC token and show what is in it",
		Long: `In a Fly Machine: mint an OpenID Connect token of the machine and show its
header, its claims, and which of them a trust policy can test.

The token itself is a credential until it expires, so it is printed only with
--raw, and then nothing else is, or with --format gcp-executable: the command of
an executable credential source for Google Cloud. That one prints errors as JSON
too and exits with 0, since Google's libraries for Go show no other error; it
writes no output_file. Without --audience the token is for
GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE, which the libraries set.`,
		Example: `  fly-aws token
  fly-aws token --raw | fly-aws token verify -
  fly-aws token --audience https://vault.example.com --json`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.audienceGiven = cmd.Flags().Changed("audience") || cmd.Flags().Changed("aud")
			return runToken(cmd.Context(), sys, o)
		},
	}
	o.output.register(c.Flags())
	o.register(sys, c)
	c.Flags().BoolVar(&o.raw, "raw", false, "print the token itself, and nothing else")
	c.Flags().StringVar(&o.format, "format", "", "print the token in a `form`: "+formatGoogle)
	c.AddCommand(newTokenInspect(sys), newTokenVerify(sys), newTokenExchange(sys), newTokenKeep(sys))
	return c
}

func (o *tokenOptions) register(sys System, c *cobra.Command) {
	registerAudience(c, &o.audience, "`audience` of the token")
	registerSocket(sys, c, &o.socket)
	c.Flags().BoolVar(&o.tags, "aws-principal-tags", false, "ask Fly for AWS session tags in the token; the role must allow sts:TagSession")
}

// registerAudience registers --audience, and its former name --aud.
func registerAudience(c *cobra.Command, audience *string, usage string) {
	c.Flags().StringVar(audience, "audience", flyname.AudienceAWS, usage)
	c.Flags().StringVar(audience, "aud", flyname.AudienceAWS, "")
	_ = c.Flags().MarkHidden("aud")
}

// socketVariable overrides the socket's path; fly-aws sandbox sets it.
const socketVariable = "FLY_AWS_SOCKET"

func registerSocket(sys System, c *cobra.Command, socket *string) {
	def := flyoidc.DefaultSocket
	if other := sys.Getenv(socketVariable); other != "" {
		def = other
	}
	c.Flags().StringVar(socket, "socket", def, "`path` of the machine's API socket")
}

func runToken(ctx context.Context, sys System, o tokenOptions) error {
	switch o.format {
	case "":
	case formatGoogle:
		return runGoogle(ctx, sys, o)
	default:
		return usagef("use --format "+formatGoogle+", or --raw for the token alone", "unknown format %s", text.Quote(o.format))
	}
	if o.raw && o.output.json {
		return usagef("choose one", "--raw and --json exclude each other")
	}
	minter := flyoidc.Minter{Socket: o.socket}
	stop := newConsole(sys, o.output).waiting("the machine's token")
	token, err := minter.Mint(ctx, flyoidc.MintRequest{Audience: o.audience, PrincipalTags: o.tags})
	stop()
	if err != nil {
		return err
	}
	if o.raw {
		return sys.printSecret(token + "\n")
	}
	if !o.tags {
		return showToken(sys, o.output, token, tokenRemarks{})
	}
	invented := sys.Getenv(sandboxEnv) != "" && o.socket == sys.Getenv(socketVariable)
	return showToken(sys, o.output, token, tokenRemarks{tags: true, invented: invented})
}

// tokenRemarks are what to say about a token besides its content.
type tokenRemarks struct {
	// verify is the command that verifies it; "" for one fresh from Fly.
	verify string
	// tags: Fly was asked for session tags. invented: the sandbox was, and not Fly.
	tags, invented bool
}

// tagLines say which session tags a token has that was asked for with them.
func (r tokenRemarks) tagLines(keys []string) []string {
	if !r.tags {
		return nil
	}
	var lines []string
	if len(keys) == 0 {
		lines = append(lines, "Session tags were asked for, and there are none in the token.")
	} else {
		lines = append(lines, "Session tags in the token: "+strings.Join(keys, ", "))
	}
	if r.invented {
		lines = append(lines, "The sandbox invented their keys: Fly's documentation names none.")
	}
	return lines
}

// A tokenDocument is what token and token inspect print with --json. The token itself
// is not in it.
type tokenDocument struct {
	Schema string `json:"schema"`
	// Verified is false: reading a token does not verify it.
	Verified bool            `json:"verified"`
	Header   json.RawMessage `json:"header,omitempty"`
	Claims   json.RawMessage `json:"claims,omitempty"`
	Subject  *subjectParts   `json:"subject,omitempty"`
	// ExpiresIn is in seconds, negative for a token that has expired.
	ExpiresIn  *int64      `json:"expires_in,omitempty"`
	Violations []violation `json:"violations"`
	// SessionTagKeys are the keys of the AWS session tags in a token that was asked for
	// with them; absent for another. Invented: they are the sandbox's, not Fly's.
	SessionTagKeys []string `json:"session_tag_keys,omitzero"`
	Invented       bool     `json:"session_tag_keys_invented,omitempty"`
}

type subjectParts struct {
	Org     string `json:"org"`
	App     string `json:"app"`
	Machine string `json:"machine"`
}

type violation struct {
	Rule   flyoidc.Rule `json:"rule"`
	Reason string       `json:"reason"`
}

// showToken shows a token. A token that breaks a rule is a finding.
func showToken(sys System, o outputFlags, text string, remarks tokenRemarks) error {
	token, broken := flyoidc.Inspect(text)
	if token == nil {
		return &flyoidc.DecodeError{Violation: broken[0]}
	}
	c := newConsole(sys, o)
	if o.json {
		doc := newTokenDocument(token, broken, sys.Now())
		if remarks.tags {
			doc.SessionTagKeys = append([]string{}, slices.Sorted(maps.Keys(token.Claims.Tags))...)
			doc.Invented = remarks.invented
		}
		if err := render.JSON(sys.Stdout, doc); err != nil {
			return err
		}
	} else {
		render.ShowToken(sys.Stdout, tokenView(token, broken, sys.Now(), remarks), c.out)
	}
	if len(broken) > 0 {
		return exitCode(exitPending)
	}
	return nil
}

func newTokenDocument(t *flyoidc.Token, broken []flyoidc.Violation, now time.Time) tokenDocument {
	doc := tokenDocument{Schema: render.TokenSchema, Violations: []violation{}}
	if json.Valid([]byte(t.Header.JSON)) {
		doc.Header = json.RawMessage(t.Header.JSON)
	}
	if json.Valid([]byte(t.Claims.JSON)) {
		doc.Claims = json.RawMessage(t.Claims.JSON)
	}
	if s, ok := flyname.ParseSubject(t.Claims.Subject); ok {
		doc.Subject = &subjectParts{s.Org, s.App, s.Machine}
	}
	if !t.Claims.Expiry.IsZero() {
		left := int64(t.Claims.Expiry.Sub(now).Seconds())
		doc.ExpiresIn = &left
	}
	for _, v := range broken {
		doc.Violations = append(doc.Violations, violation{v.Rule, text.Clean(v.Reason)})
	}
	return doc
}

func tokenView(t *flyoidc.Token, broken []flyoidc.Violation, now time.Time, remarks tokenRemarks) render.TokenView {
	view := render.TokenView{Title: "Token of " + t.Claims.Issuer}
	if t.Claims.Issuer == "" {
		view.Title = "Token without an issuer"
	}
	subject, isFly := flyname.ParseSubject(t.Claims.Subject)
	_, fromFly := flyname.IssuerOrg(t.Claims.Issuer)
	if isFly && fromFly {
		view.Title = fmt.Sprintf("Token of the machine %s of the app %s, organization %s", subject.Machine, subject.App, subject.Org)
	}
	for _, m := range t.Header.Members {
		view.Header = append(view.Header, render.Field{Name: m.Name, Value: plain(m.Value)})
	}
	for _, m := range t.Claims.Members {
		f := render.Field{Name: m.Name, Value: plain(m.Value)}
		switch m.Name {
		case "exp":
			f.Note = moment(t.Claims.Expiry, now, "expires in %s", "expired %s ago")
		case "iat":
			f.Note = moment(t.Claims.IssuedAt, now, "issued %s in the future", "issued %s ago")
		case "nbf":
			f.Note = moment(t.Claims.NotBefore, now, "valid in %s", "valid since %s")
		case "sub":
			if isFly && fromFly {
				f.Note = "org:app:machine"
			}
		}
		view.Claims = append(view.Claims, f)
	}
	if path, ok := strings.CutPrefix(t.Claims.Issuer, "https://"); ok && len(t.Claims.Audience) == 1 {
		for _, key := range []string{"aud", "sub"} {
			for _, value := range trustpolicy.WebIdentityContext(path, t.Claims.Audience[0], t.Claims.Subject)[path+":"+key] {
				view.Testable = append(view.Testable, render.Field{Name: path + ":" + key, Value: value})
			}
		}
	}
	tags := t.Claims.Tags
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		view.Testable = append(view.Testable, render.Field{Name: "aws:RequestTag/" + key, Value: tags[key], Note: "the role must allow sts:TagSession"})
	}
	for _, v := range broken {
		view.Broken = append(view.Broken, fmt.Sprintf("rule %s: %s", v.Rule, v.Reason))
	}
	if remarks.verify != "" {
		view.Remarks = append(view.Remarks, "Decoded, not verified: anyone can write such a token. To verify its signature:", "  "+remarks.verify)
	}
	view.Remarks = append(view.Remarks, remarks.tagLines(slices.Sorted(maps.Keys(tags)))...)
	return view
}

// plain returns a JSON string without its quotes, and any other value as it is.
func plain(value string) string {
	var s string
	if json.Unmarshal([]byte(value), &s) == nil {
		return s
	}
	return value
}

// moment formats a time, with how far it is from now.
func moment(t, now time.Time, ahead, behind string) string {
	if t.IsZero() {
		return ""
	}
	words, d := ahead, t.Sub(now)
	if d < 0 {
		words, d = behind, -d
	}
	return t.UTC().Format("2006-01-02 15:04:05 MST") + ", " + fmt.Sprintf(words, render.Duration(d))
}

func newTokenInspect(sys System) *cobra.Command {
	var o outputFlags
	c := &cobra.Command{
		Use:   "inspect [FILE|-]",
		Short: "Show what is in a token, without verifying it",
		Long: `Show header and claims of a token from FILE or standard input (-), without
verifying it. Without FILE it is the one in AWS_WEB_IDENTITY_TOKEN_FILE, or else
` + flyoidc.DefaultTokenFile + `. Tokens of other issuers than Fly can be read too.

A token that breaks a rule of its format is shown as far as it can be read, with
the rules that it breaks, and the exit code is 3.`,
		Example: `  fly-aws token inspect
  fly-aws token --raw | fly-aws token inspect - --json`,
		Args: atMostOne,
		RunE: func(cmd *cobra.Command, args []string) error {
			token, err := readToken(cmd.Context(), sys, args)
			if err != nil {
				return err
			}
			verify := "fly-aws token verify"
			if len(args) > 0 {
				verify += " " + text.ShellWord(args[0])
			}
			return showToken(sys, o, token, tokenRemarks{verify: verify})
		},
	}
	o.register(c.Flags())
	return c
}

func atMostOne(cmd *cobra.Command, args []string) error {
	if len(args) > 1 {
		return usagef("see "+cmd.CommandPath()+" --help", "%s takes one file at most, not %d", cmd.Name(), len(args))
	}
	return nil
}
