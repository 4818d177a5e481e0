package cmd

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fly-aws/fly-aws/internal/flyoidc"
	"github.com/fly-aws/fly-aws/internal/render"
	"github.com/fly-aws/fly-aws/internal/text"
)

// formatGoogle is the value of token --format for Google's libraries.
const formatGoogle = "gcp-executable"

// The variables and token types that Google's libraries use with an executable
// (https://google.aip.dev/auth/4117).
const (
	googleAudience  = "GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE"
	googleTokenType = "GOOGLE_EXTERNAL_ACCOUNT_TOKEN_TYPE"
	typeIDToken     = "urn:ietf:params:oauth:token-type:id_token" //nolint:gosec // a name, not a token
	typeJWT         = "urn:ietf:params:oauth:token-type:jwt"
)

// A googleResponse is what Google's libraries read from an executable: a token, or an
// error with its code and message.
//
// They cache no token of an executable unless it writes one to the output_file of its
// credential source. It writes none: each exchange then has a token of its own, and none
// is left on a disk.
type googleResponse struct {
	Version   int    `json:"version"`
	Success   bool   `json:"success"`
	TokenType string `json:"token_type,omitempty"`
	IDToken   string `json:"id_token,omitempty"`
	// ExpirationTime is in seconds since 1970.
	ExpirationTime int64  `json:"expiration_time,omitempty"`
	Code           string `json:"code,omitempty"`
	Message        string `json:"message,omitempty"`
}

// runGoogle prints a token as Google's libraries expect it of an executable.
func runGoogle(ctx context.Context, sys System, o tokenOptions) error {
	switch {
	case o.raw || o.output.json:
		return usagef("drop --raw and --json", "--format %s prints a document of its own", formatGoogle)
	case o.tags:
		return usagef("drop --aws-principal-tags", "the session tags are for AWS, not for Google")
	}
	audience := o.audience
	if !o.audienceGiven {
		audience = sys.Getenv(googleAudience)
	}
	if audience == "" {
		return usagef("pass --audience, or have one of Google's libraries run this", "%s is not set", googleAudience)
	}
	tokenType := sys.Getenv(googleTokenType)
	switch tokenType {
	case "":
		tokenType = typeIDToken
	case typeIDToken, typeJWT:
	default:
		return usagef("set subject_token_type in the credential file to "+typeIDToken, "Fly's tokens are not of the type %s", text.Quote(tokenType))
	}
	minter := flyoidc.Minter{Socket: o.socket}
	token, err := minter.Mint(ctx, flyoidc.MintRequest{Audience: audience})
	if err != nil {
		return err
	}
	response := googleResponse{Version: 1, Success: true, TokenType: tokenType, IDToken: token}
	if parsed, _ := flyoidc.Inspect(token); parsed != nil && !parsed.Claims.Expiry.IsZero() {
		response.ExpirationTime = parsed.Claims.Expiry.Unix()
	}
	var out strings.Builder
	if err := render.JSON(&out, response); err != nil {
		return err
	}
	return sys.printSecret(out.String())
}

// forGoogle reports whether Google's libraries read the output of a command, also where
// its flags cannot be parsed.
func forGoogle(command *cobra.Command, args []string) bool {
	if command.CommandPath() != "fly-aws token" {
		return false
	}
	for i, arg := range args {
		if arg == "--format="+formatGoogle || arg == "--format" && i+1 < len(args) && args[i+1] == formatGoogle {
			return true
		}
	}
	return false
}

// failForGoogle reports an error to Google's libraries, and returns the exit code. That is
// 0: after any other, the libraries for Go (cloud.google.com/go/auth, golang.org/x/oauth2)
// drop the output, and those for Node.js and Python show it unparsed. Nothing may be on
// standard error, which the latter two read together with standard output.
func failForGoogle(sys System, p render.Problem) int {
	message := strings.Join(append(strings.Split(p.Message, "\n"), p.Hints...), "; ")
	_ = render.JSON(sys.Stdout, googleResponse{Version: 1, Code: p.Code, Message: message})
	if p.Exit == exitInterrupted {
		return p.Exit
	}
	return exitDone
}
