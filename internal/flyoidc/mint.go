package flyoidc

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/fly-aws/fly-aws/internal/text"
)

// DefaultSocket is the Unix socket of Fly's API in a machine
// (https://fly.io/docs/security/openid-connect/). Its owner is root.
const DefaultSocket = "/.fly/api"

const (
	mintTimeout = 10 * time.Second
	// maxResponse bounds a response, at far more than a token or an error needs.
	maxResponse = 64 << 10
	// mintURL is the endpoint. Its host is ignored.
	mintURL = "http://localhost/v1/tokens/oidc"
)

// A Minter gets tokens for the Fly Machine it runs in. Its zero value is ready to
// use. A Minter is safe for concurrent use.
type Minter struct {
	// Socket is the path of the socket, or @ and the name of an abstract socket of Linux;
	// "" is DefaultSocket.
	Socket string
	// Timeout is how long a whole request may take; 0 is ten seconds.
	Timeout time.Duration
}

// A MintRequest says what the token must be like.
type MintRequest struct {
	// Audience is the claim aud: flyname.AudienceAWS for AWS. With "" Fly uses
	// https://fly.io/<org slug>.
	Audience string
	// PrincipalTags asks for AWS session tags in the token (aws_principal_tags in
	// the OpenAPI document of Fly's Machines API). The trust policy of a role that is
	// assumed with such a token must allow sts:TagSession too.
	PrincipalTags bool
}

// Mint gets a token and returns its text. It checks that the token is complete, but
// not its claims: see Decode. Errors are *MintError; one caused by ctx also matches
// ctx.Err().
func (m *Minter) Mint(ctx context.Context, r MintRequest) (string, error) {
	c := mintCall{socket: m.Socket}
	if c.socket == "" {
		c.socket = DefaultSocket
	}
	timeout := m.Timeout
	if timeout == 0 {
		timeout = mintTimeout
	}
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	token, err := c.do(limited, r)
	if err != nil {
		err.withContext(ctx, limited)
		return "", err
	}
	return token, nil
}

// A mintCall is one request to the token endpoint and its response.
type mintCall struct {
	socket    string
	status    int
	requestID string
}

func (c *mintCall) fail(kind MintKind, reason string, err error) *MintError {
	return &MintError{
		Kind: kind, Socket: c.socket, Status: c.status, RequestID: c.requestID, Reason: reason, Err: err,
	}
}

func (c *mintCall) do(ctx context.Context, r MintRequest) (string, *MintError) {
	body, err := json.Marshal(struct {
		Audience      string `json:"aud,omitempty"`
		PrincipalTags bool   `json:"aws_principal_tags,omitempty"`
	}{r.Audience, r.PrincipalTags})
	if err != nil {
		return "", c.fail(mintFailed, "the request could not be written as JSON", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, mintURL, bytes.NewReader(body))
	if err != nil {
		return "", c.fail(mintFailed, "the request could not be made", err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.client().Do(req)
	if err != nil {
		return "", c.connectionError(err)
	}
	defer resp.Body.Close()
	c.status, c.requestID = resp.StatusCode, resp.Header.Get("Fly-Request-Id")

	body, err = io.ReadAll(io.LimitReader(resp.Body, maxResponse+1))
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "", c.fail(mintCutOff, "the connection ended before the response did", err)
	case err != nil:
		return "", c.fail(mintFailed, "the response could not be read", err)
	case len(body) > maxResponse:
		return "", c.fail(mintTooLarge, "the response is far longer than a token", nil)
	}
	return c.token(resp, trim(string(body)))
}

// client connects to the socket and nothing else, for one request.
func (c *mintCall) client() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				var d net.Dialer
				return d.DialContext(ctx, "unix", c.socket)
			},
			DisableKeepAlives:      true,
			DisableCompression:     true,
			MaxResponseHeaderBytes: maxResponse,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// token returns the token in a response. Fly documents a response that is the token
// itself; a JSON string and an object with a token in it are accepted too.
func (c *mintCall) token(resp *http.Response, body string) (string, *MintError) {
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return "", c.refused(resp, body)
	}
	token := body
	switch {
	case body == "":
		return "", c.fail(mintNotToken, "the response is empty", nil)
	case isHTML(resp, body):
		return "", c.fail(mintNotToken, "the response is a web page", nil)
	case body[0] == '"':
		if err := json.Unmarshal([]byte(body), &token); err != nil {
			return "", c.notToken(err)
		}
	case body[0] == '{':
		var object struct {
			Token string `json:"token"`
			Error string `json:"error"`
		}
		err := json.Unmarshal([]byte(body), &object)
		switch {
		case err != nil:
			return "", c.notToken(err)
		case object.Token == "" && object.Error != "":
			return "", c.refused(resp, body)
		case object.Token == "":
			return "", c.fail(mintNotToken, "the response is a JSON object without a token", nil)
		}
		token = object.Token
	}
	token = trim(token)
	_, broken := Inspect(token)
	for _, v := range broken {
		switch v.Rule {
		case ruleSize:
			return "", c.fail(mintTooLarge, v.Reason, nil)
		case ruleParts, ruleBase64, ruleUTF8, ruleJSON, ruleSignature:
			if strings.HasPrefix(token, "eyJ") { // {" in base64, as every token begins
				return "", c.fail(mintCutOff, v.Reason, nil)
			}
			return "", c.fail(mintNotToken, v.Reason, nil)
		case ruleEmpty, ruleBOM, ruleWhiteSpace, ruleEncrypted:
			return "", c.fail(mintNotToken, v.Reason, nil)
		}
	}
	return token, nil
}

// notToken is the error for a response that begins like JSON and is not JSON. It
// leaves out the error of encoding/json, which can repeat what it read.
func (c *mintCall) notToken(err error) *MintError {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) && syntax.Error() == "unexpected end of JSON input" {
		return c.fail(mintCutOff, "the response is JSON that ends in the middle", nil)
	}
	return c.fail(mintNotToken, "the response begins like JSON and is not JSON", nil)
}

// refused is the error for a response that says so, by its status or with an error
// object {"error": …, "message": …} of Fly's Machines API.
func (c *mintCall) refused(resp *http.Response, body string) *MintError {
	var object struct {
		Error   string `json:"error"`
		Message string `json:"message"`
	}
	e := c.fail(MintRefused, "", nil)
	if json.Unmarshal([]byte(body), &object) == nil {
		e.Code, e.Message = text.Line(object.Error), text.Line(object.Message)
	}
	if e.Code == "" && e.Message == "" {
		e.Reason = "the response does not say why"
		if isHTML(resp, body) {
			e.Reason = "the response is a web page"
		}
	}
	return e
}

func isHTML(resp *http.Response, body string) bool {
	mediaType, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	return mediaType == "text/html" || strings.HasPrefix(body, "<")
}
