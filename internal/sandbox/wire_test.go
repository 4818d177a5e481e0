package sandbox_test

import (
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/fly-aws/fly-aws/internal/sandbox"
)

const listRoles = "Action=ListRoles&Version=2010-05-08"

// signed returns a request to IAM with a valid signature for a service.
func signed(t *testing.T, s *sandbox.Server, method, query, body, service string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.AWSEndpoint+"/"+query, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	keys := aws.Credentials{AccessKeyID: sandbox.AccessKeyID, SecretAccessKey: sandbox.SecretAccessKey}
	if err := v4.NewSigner().SignHTTP(context.Background(), keys, req, sum(body), service, "us-east-1", time.Now()); err != nil {
		t.Fatal(err)
	}
	return req
}

// send returns status, body and the error code in it.
func send(t *testing.T, req *http.Request) (status int, body, code string) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var answer struct {
		Error struct{ Code string }
	}
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "text/xml") {
		if err := xml.Unmarshal(text, &answer); err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		if resp.Header.Get("x-amzn-requestid") == "" || !strings.Contains(string(text), "<RequestId>"+resp.Header.Get("x-amzn-requestid")+"</RequestId>") {
			t.Errorf("no request ID in %s", text)
		}
	}
	return resp.StatusCode, string(text), answer.Error.Code
}

func TestAuthentication(t *testing.T) {
	t.Parallel()
	var w sandbox.World
	s := start(t, &w)
	edit := func(from, to string) func(*http.Request) {
		return func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), from, to, 1))
		}
	}
	for _, test := range []struct {
		name    string
		service string
		change  func(*http.Request)
		status  int
		code    string
	}{
		{"right", "iam", func(*http.Request) {}, 200, ""},
		{"no signature", "iam", func(r *http.Request) { r.Header.Del("Authorization") }, 403, "MissingAuthenticationToken"},
		{"other scheme", "iam", func(r *http.Request) { r.Header.Set("Authorization", "Bearer x") }, 403, "MissingAuthenticationToken"},
		{"no credential", "iam", func(r *http.Request) { r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Signature=a") }, 400, "IncompleteSignature"},
		{"short scope", "iam", edit("/us-east-1/iam/aws4_request", ""), 400, "IncompleteSignature"},
		{"wrong end of scope", "iam", edit("aws4_request", "aws5_request"), 403, "SignatureDoesNotMatch"},
		{"other service", "sts", func(*http.Request) {}, 403, "SignatureDoesNotMatch"},
		{"other region", "iam", edit("us-east-1", "us-west-1"), 403, "SignatureDoesNotMatch"},
		{"unknown key", "iam", edit(sandbox.AccessKeyID, "AKIAXXXXXXXXXXXXXXXX"), 403, "InvalidClientTokenId"},
		{"token with a user's key", "iam", func(r *http.Request) { r.Header.Set("X-Amz-Security-Token", "x") }, 403, "InvalidClientTokenId"},
		{"host not signed", "iam", edit("host;", ""), 403, "SignatureDoesNotMatch"},
		{"other date", "iam", func(r *http.Request) { r.Header.Set("X-Amz-Date", "20000101T000000Z") }, 403, "SignatureDoesNotMatch"},
		{"other body", "iam", func(r *http.Request) {
			r.Body = io.NopCloser(strings.NewReader(strings.Replace(listRoles, "ListRoles", "ListUsers", 1)))
			r.GetBody = nil
		}, 400, "InvalidAction"},
		{"other parameters", "iam", func(r *http.Request) { r.URL.RawQuery = "MaxItems=3" }, 403, "SignatureDoesNotMatch"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			req := signed(t, s, "POST", "", listRoles, test.service)
			test.change(req)
			status, body, code := send(t, req)
			if status != test.status || code != test.code {
				t.Errorf("got %d %s, want %d %s", status, body, test.status, test.code)
			}
		})
	}
	t.Run("wrong secret", func(t *testing.T) {
		t.Parallel()
		c := iam.NewFromConfig(config(s, credentials.NewStaticCredentialsProvider(sandbox.AccessKeyID, "wrong", "")))
		_, err := c.ListRoles(context.Background(), &iam.ListRolesInput{})
		refused(t, err, "SignatureDoesNotMatch", "The request signature we calculated does not match")
	})
	t.Run("query string", func(t *testing.T) {
		t.Parallel()
		status, body, _ := send(t, signed(t, s, "GET", "?Action=ListRoles&PathPrefix=%2Fa%20b%2F&Version=2010-05-08", "", "iam"))
		if status != 400 || !strings.Contains(body, "pathPrefix") { // signature accepted, prefix refused
			t.Errorf("got %d %s", status, body)
		}
	})
}

func TestHostileRequests(t *testing.T) {
	t.Parallel()
	var w sandbox.World
	s := start(t, &w)
	for _, test := range []struct {
		name, method, body string
		status             int
		code               string
	}{
		{"nothing", "POST", "", 400, "InvalidAction"},
		{"no version", "POST", "Action=ListRoles", 400, "InvalidAction"},
		{"unknown action", "POST", "Action=<b>&Version=2010-05-08", 400, "InvalidAction"},
		{"control characters", "POST", "Action=%1b%00&Version=2010-05-08", 400, "InvalidAction"},
		{"no form", "POST", "%zz", 400, "MalformedQueryString"},
		{"other method", "PUT", listRoles, 405, "MethodNotAllowed"},
		{"too large", "POST", strings.Repeat("a", 1<<20+1), 413, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			status, body, code := send(t, signed(t, s, test.method, "", test.body, "iam"))
			if status != test.status || code != test.code {
				t.Errorf("got %d %s, want %d %s", status, body, test.status, test.code)
			}
		})
	}
	t.Run("many tags", func(t *testing.T) {
		t.Parallel()
		var b strings.Builder
		b.WriteString("Action=TagRole&Version=2010-05-08&RoleName=r")
		for i := range 4_000 {
			fmt.Fprintf(&b, "&Tags.member.%d.Key=k%d&Tags.member.%[1]d.Value=v", i+1, i)
		}
		if status, body, code := send(t, signed(t, s, "POST", "", b.String(), "iam")); code != "ValidationError" {
			t.Errorf("got %d %.200s", status, body)
		}
	})
}

// Names are escaped in the XML.
func TestAnswersAreEscaped(t *testing.T) {
	t.Parallel()
	var w sandbox.World
	s := start(t, &w)
	body := "Action=GetOpenIDConnectProvider&Version=2010-05-08&OpenIDConnectProviderArn=" + "arn%3Aaws%3Aiam%3A%3A123456789012%3Aoidc-provider%2F%3C%2FMessage%3E%26%1b"
	status, answer, code := send(t, signed(t, s, "POST", "", body, "iam"))
	if status != 404 || code != "NoSuchEntity" || strings.ContainsAny(answer, "\x1b") || strings.Contains(answer, "</Message>&") {
		t.Errorf("got %d %q", status, answer)
	}
}

// A child with the environment of Env reaches the sandbox by the SDK's default chain.
func TestEnvLeadsTheSDK(t *testing.T) {
	var w sandbox.World
	s := start(t, &w)
	for name, value := range map[string]string{
		"AWS_PROFILE":                            "production",
		"AWS_ENDPOINT_URL_STS":                   "https://sts.amazonaws.com",
		"AWS_USE_FIPS_ENDPOINT":                  "true",
		"AWS_USE_DUALSTACK_ENDPOINT":             "true",
		"AWS_CA_BUNDLE":                          "/no/such/file",
		"AWS_CONTAINER_CREDENTIALS_FULL_URI":     "http://127.0.0.1:1/",
		"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/credentials",
	} {
		t.Setenv(name, value)
	}
	for _, entry := range s.Env() {
		name, value, _ := strings.Cut(entry, "=")
		t.Setenv(name, value)
	}
	cfg, err := awsconfig.LoadDefaultConfig(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	out, err := sts.NewFromConfig(cfg).GetCallerIdentity(context.Background(), &sts.GetCallerIdentityInput{})
	if err != nil {
		t.Fatal(err)
	}
	if got := aws.ToString(out.Arn); got != "arn:aws:iam::123456789012:user/sandbox" {
		t.Errorf("got %s", got)
	}
}

func TestClose(t *testing.T) {
	t.Parallel()
	var w sandbox.World
	s, err := w.Start()
	if err != nil {
		t.Fatal(err)
	}
	createRole(t, iamClient(s), "r")
	for range 2 { // closing is idempotent
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(s.SocketPath); !os.IsNotExist(err) {
		t.Errorf("the socket is still there: %v", err)
	}
	for _, endpoint := range []string{s.AWSEndpoint, s.FlyEndpoint, s.IssuerEndpoint} {
		if conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(endpoint, "http://")); err == nil {
			_ = conn.Close()
			t.Errorf("%s is still served", endpoint)
		}
	}
	// The world can be served again.
	again := start(t, &w)
	if _, err := iamClient(again).GetRole(context.Background(), &iam.GetRoleInput{RoleName: aws.String("r")}); err != nil {
		t.Error(err)
	}
}

func TestConcurrentClients(t *testing.T) {
	t.Parallel()
	w := sandbox.World{Fault: func(sandbox.Call) sandbox.Fault { return sandbox.Fault{} }}
	s := acmeWorld(t, &w)
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			c, ctx := iamClient(s), context.Background()
			name := fmt.Sprint("r", i%4)
			_, _ = c.CreateRole(ctx, newRole(name, trustACME)) // the first of four creates it
			if _, err := c.GetRole(ctx, &iam.GetRoleInput{RoleName: &name}); err != nil {
				t.Error(err)
			}
			token, err := w.Mint(webToken())
			if err != nil {
				t.Error(err)
			}
			if _, err := assume(s, roleWeb, token); err != nil {
				t.Error(err)
			}
			w.Calls()
		})
	}
	wg.Wait()
}
