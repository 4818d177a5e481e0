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
)

// DefaultSocket is the unix socket of Fly's API in a machine
// (https://fly.io/docs/security/openid-connect/). It belongs to root.
const DefaultSocket = "/.fly/api"

const (
	mintTimeout = 10 * time.Second
	// maxAnswer is far more than a token, or an error, needs.
	maxAnswer = 64 << 10
	// mintURL names the endpoint; the host in it means nothing on a socket.
	mintURL = "http://localhost/v1/tokens/oidc"
)

// A Minter asks Fly for tokens of the machine that it runs in. Its zero value is
// ready to use, also from several goroutines.
type Minter struct {
	// Socket is the path of the socket; "" is DefaultSocket.
	Socket string
	// Timeout is how long a whole request may take; 0 is ten seconds.
	Timeout time.Duration
}

// A MintRequest says what token is wanted.
type MintRequest struct {
	// Audience is the claim aud; "" leaves it to Fly, which takes
	// https://fly.io/<org slug>. For AWS it is AudienceAWS.
	Audience string
	// PrincipalTags asks for AWS session tags in the token (aws_principal_tags in
	// the OpenAPI document of Fly's Machines API). Every role that is reached with
	// such a token has to allow sts:TagSession as well.
	PrincipalTags bool
}

// Mint asks Fly for a token and returns its text. It makes sure that a whole
// token came, but leaves the rules about claims to Decode, since it is for the
// one who takes the token to judge it. Errors are *MintError; one that comes of
// ctx also matches ctx.Err().
func (m *Minter) Mint(ctx context.Context, r MintRequest) (string, error) {
	x := exchange{socket: m.Socket}
	if x.socket == "" {
		x.socket = DefaultSocket
	}
	timeout := m.Timeout
	if timeout == 0 {
		timeout = mintTimeout
	}
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	token, err := x.mint(limited, r)
	if err != nil {
		err.withContext(ctx, limited)
		return "", err
	}
	return token, nil
}

// An exchange is one request to the token endpoint and its answer.
type exchange struct {
	socket    string
	status    int
	requestID string
}

func (x *exchange) fail(kind MintKind, reason string, err error) *MintError {
	return &MintError{
		Kind: kind, Socket: x.socket, Status: x.status, RequestID: x.requestID, Reason: reason, Err: err,
	}
}

func (x *exchange) mint(ctx context.Context, r MintRequest) (string, *MintError) {
	body, err := json.Marshal(struct {
		Audience      string `json:"aud,omitempty"`
		PrincipalTags bool   `json:"aws_principal_tags,omitempty"`
	}{r.Audience, r.PrincipalTags})
	if err != nil {
		return "", x.fail(MintFailed, "the request could not be written as JSON", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, mintURL, bytes.NewReader(body))
	if err != nil {
		return "", x.fail(MintFailed, "the request could not be made", err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := x.client().Do(req)
	if err != nil {
		return "", x.unanswered(err)
	}
	defer resp.Body.Close()
	x.status, x.requestID = resp.StatusCode, resp.Header.Get("Fly-Request-Id")

	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "", x.fail(MintCutOff, "the connection ended before the answer did", err)
	case err != nil:
		return "", x.fail(MintFailed, "the answer could not be read", err)
	case len(answer) > maxAnswer:
		return "", x.fail(MintTooLarge, "the answer is far longer than a token", nil)
	}
	return x.token(resp, trim(string(answer)))
}

// client talks to the socket, once, and goes nowhere else.
func (x *exchange) client() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				var d net.Dialer
				return d.DialContext(ctx, "unix", x.socket)
			},
			DisableKeepAlives:      true,
			DisableCompression:     true,
			MaxResponseHeaderBytes: maxAnswer,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// token finds the token in an answer: the text of it, according to Fly's
// documentation; a JSON string, or an object with the token in it, would do.
func (x *exchange) token(resp *http.Response, answer string) (string, *MintError) {
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return "", x.refused(resp, answer)
	}
	token := answer
	switch {
	case answer == "":
		return "", x.fail(MintNotToken, "the answer is empty", nil)
	case isHTML(resp, answer):
		return "", x.fail(MintNotToken, "the answer is a web page", nil)
	case answer[0] == '"':
		if err := json.Unmarshal([]byte(answer), &token); err != nil {
			return "", x.notToken(err)
		}
	case answer[0] == '{':
		var object struct {
			Token string `json:"token"`
			Error string `json:"error"`
		}
		err := json.Unmarshal([]byte(answer), &object)
		switch {
		case err != nil:
			return "", x.notToken(err)
		case object.Token == "" && object.Error != "":
			return "", x.refused(resp, answer)
		case object.Token == "":
			return "", x.fail(MintNotToken, "the answer is a JSON object without a token in it", nil)
		}
		token = object.Token
	}
	token = trim(token)
	_, broken := Inspect(token)
	for _, v := range broken {
		switch v.Rule {
		case RuleSize:
			return "", x.fail(MintTooLarge, v.Reason, nil)
		case RuleParts, RuleBase64, RuleUTF8, RuleJSON, RuleSignature:
			if strings.HasPrefix(token, "eyJ") { // {" in base64, as every token begins
				return "", x.fail(MintCutOff, v.Reason, nil)
			}
			return "", x.fail(MintNotToken, v.Reason, nil)
		case RuleEmpty, RuleBOM, RuleWhiteSpace, RuleEncrypted:
			return "", x.fail(MintNotToken, v.Reason, nil)
		}
	}
	return token, nil
}

// notToken is the failure of an answer that begins as JSON and is none. The
// error of the JSON reader may repeat what it read and is not kept.
func (x *exchange) notToken(err error) *MintError {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) && syntax.Error() == "unexpected end of JSON input" {
		return x.fail(MintCutOff, "the answer is JSON that ends in the middle", nil)
	}
	return x.fail(MintNotToken, "the answer is not JSON, although it begins as such", nil)
}

// refused is the failure of an answer that says so, by its status or as an
// error object {"error": …, "message": …} of Fly's Machines API.
func (x *exchange) refused(resp *http.Response, answer string) *MintError {
	var object struct {
		Error   string `json:"error"`
		Message string `json:"message"`
	}
	e := x.fail(MintRefused, "", nil)
	if json.Unmarshal([]byte(answer), &object) == nil {
		e.Code, e.Message = clean(object.Error), clean(object.Message)
	}
	if e.Code == "" && e.Message == "" {
		e.Reason = "the answer does not say why"
		if isHTML(resp, answer) {
			e.Reason = "the answer is a web page"
		}
	}
	return e
}

func isHTML(resp *http.Response, answer string) bool {
	mediaType, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	return mediaType == "text/html" || strings.HasPrefix(answer, "<")
}
