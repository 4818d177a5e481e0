package awsapi_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fly-aws/fly-aws/internal/awsapi"
	"github.com/fly-aws/fly-aws/internal/sandbox"
	"github.com/fly-aws/fly-aws/setup"
)

func TestThrottled(t *testing.T) {
	t.Parallel()
	x := newWorld(t, nil)
	x.failFirst(3, "GetOpenIDConnectProvider", sandbox.Throttle())
	if x.read(provider()) != nil {
		t.Error("a provider that does not exist was read")
	}
	x.failFirst(1000, "GetOpenIDConnectProvider", sandbox.Throttle())
	_, err := x.Read(context.Background(), []setup.Resource{provider()})
	if e := errorAs[*awsapi.ThrottledError](t, err); e.Operation != "GetOpenIDConnectProvider" || e.Attempts != 6 {
		t.Errorf("got %+v", e)
	}
}

func TestDenied(t *testing.T) {
	t.Parallel()
	x := newWorld(t, nil)
	x.faults(func(sandbox.Call) sandbox.Fault { return sandbox.Deny() })
	r := role(t, "web")
	e := errorAs[*awsapi.DeniedError](t, writeOne(context.Background(), x.Account, create(r)))
	if e.Action != "iam:CreateRole" || e.Resource != r.Role.ARN || !strings.HasPrefix(e.Caller, "arn:aws:iam::") ||
		e.RequestID == "" || !strings.Contains(e.Reason, "no identity-based policy") {
		t.Errorf("got %+v", e)
	}
}

func TestCodes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		status        int
		code, message string
		check         func(t *testing.T, err error)
	}{
		{403, "InvalidClientTokenId", "The security token included in the request is invalid.", kind("invalid")},
		{403, "SignatureDoesNotMatch", "The request signature we calculated does not match.", kind("invalid")},
		{403, "ExpiredToken", "The security token included in the request is expired", kind("expired")},
		{409, "LimitExceeded", "Cannot exceed quota for ACLSizePerRole: 2048", call("LimitExceeded")},
		{400, "MalformedPolicyDocument", "Syntax error\x1b]0;owned\x07 at position (1,1)\n", call("MalformedPolicyDocument")},
		{400, "Throttling", "Rate exceeded", func(t *testing.T, err error) { isError[*awsapi.ThrottledError](t, err) }},
		{403, "AccessDenied", "Nope", func(t *testing.T, err error) {
			if e := errorAs[*awsapi.DeniedError](t, err); e.Action != "iam:CreateRole" || e.Reason != "Nope" || e.Caller != "" {
				t.Errorf("got %+v", e)
			}
		}},
	}
	for _, test := range tests {
		t.Run(test.code, func(t *testing.T) {
			t.Parallel()
			x := newWorld(t, nil)
			x.faults(func(sandbox.Call) sandbox.Fault { return sandbox.Refuse(test.status, test.code, test.message) })
			err := writeOne(context.Background(), x.Account, create(role(t, "web")))
			test.check(t, err)
			if strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' || r == 0x7f }) {
				t.Errorf("control characters in %q", err)
			}
		})
	}
}

func kind(want string) func(*testing.T, error) {
	return func(t *testing.T, err error) {
		if e := errorAs[*awsapi.CredentialsError](t, err); e.Kind != want {
			t.Errorf("kind is %q, want %q", e.Kind, want)
		}
	}
}

func call(code string) func(*testing.T, error) {
	return func(t *testing.T, err error) {
		e := errorAs[*awsapi.CallError](t, err)
		if e.Operation != "CreateRole" || e.Code != code || e.RequestID == "" || e.Message == "" {
			t.Errorf("got %+v", e)
		}
	}
}

func TestUnknownKeys(t *testing.T) {
	t.Parallel()
	x := newWorld(t, nil)
	a := x.open(func(o *awsapi.Options) { o.AccessKeyID = "AKIAUNKNOWN" })
	_, err := a.Facts(context.Background(), hints{Roles: []string{"a", "b", "c"}}.request())
	if e := errorAs[*awsapi.CredentialsError](t, err); e.Kind != awsapi.KindInvalid || !strings.Contains(e.Error(), "no region is configured") {
		t.Errorf("error is %q", e)
	}
}

func TestAnswersThatAreNotAWS(t *testing.T) {
	t.Parallel()
	bodies := map[string]string{
		"empty":      "",
		"html":       "<!doctype html><title>proxy</title>",
		"json":       `{"ok":true}`,
		"truncated":  "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws",
		"no account": "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::123456789012:root</Arn></GetCallerIdentityResult></GetCallerIdentityResponse>",
	}
	for name, body := range bodies {
		for _, status := range []int{200, 403, 500} {
			t.Run(fmt.Sprint(name, " ", status), func(t *testing.T) {
				t.Parallel()
				server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					w.WriteHeader(status)
					fmt.Fprint(w, body)
				}))
				defer server.Close()
				a, err := awsapi.Open(context.Background(), awsapi.Options{
					Endpoint: server.URL, AccessKeyID: "a", SecretAccessKey: "b",
					Pause: func(int) time.Duration { return 0 },
				})
				if err != nil {
					t.Fatal(err)
				}
				_, err = a.Facts(context.Background(), hints{Roles: []string{"web"}}.request())
				if e := errorAs[*awsapi.CallError](t, err); e.Code != "" || e.Message == "" {
					t.Errorf("got %+v", e)
				}
			})
		}
	}
}

func TestNobodyListens(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(nil)
	server.Close()
	a, err := awsapi.Open(context.Background(), awsapi.Options{
		Endpoint: strings.Replace(server.URL, "//", "//user:secret@", 1), AccessKeyID: "a", SecretAccessKey: "b",
		Pause: func(int) time.Duration { return 0 },
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = a.Facts(context.Background(), hints{}.request())
	e := errorAs[*awsapi.UnreachableError](t, err)
	if want := "AWS cannot be reached at " + server.URL + ": connection refused"; e.Error() != want || e.Operation != "GetCallerIdentity" || e.Endpoint != server.URL {
		t.Errorf("got %+v\n%q, want %q", e, e, want)
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("the cause %v is not the system's", e.Err)
	}
}

func TestTrace(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var calls []awsapi.Call
	x := newWorld(t, nil, func(o *awsapi.Options) {
		o.Trace = func(c awsapi.Call) {
			mu.Lock()
			defer mu.Unlock()
			calls = append(calls, c)
		}
	})
	x.failFirst(2, "CreateRole", sandbox.Throttle())
	x.write(create(role(t, "web")))
	x.failFirst(1, "GetOpenIDConnectProvider", sandbox.DropBefore())
	x.write(create(provider()))
	if _, err := x.Read(context.Background(), []setup.Resource{provider()}); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"IAM CreateRole 1 400 Throttling", "IAM CreateRole 2 400 Throttling", "IAM CreateRole 3 200 ",
		"IAM CreateOpenIDConnectProvider 1 200 ",
		"IAM GetOpenIDConnectProvider 1 0 ", "IAM GetOpenIDConnectProvider 2 200 ",
	}
	for i, c := range calls {
		got := fmt.Sprintf("%s %s %d %d %s", c.Service, c.Operation, c.Attempt, c.Status, c.Code)
		if i >= len(want) || got != want[i] {
			t.Errorf("call %d is %q, want %q", i, got, want[min(i, len(want)-1)])
		}
		if c.Elapsed <= 0 || (c.RequestID == "") != (c.Status == 0) {
			t.Errorf("call %d is %+v", i, c)
		}
		if text := fmt.Sprintf("%+v", c); strings.Contains(text, sandbox.SecretAccessKey) || strings.Contains(text, sandbox.AccessKeyID) {
			t.Errorf("call %d holds a key", i)
		}
	}
	if len(calls) != len(want) {
		t.Errorf("got %d calls, want %d", len(calls), len(want))
	}
}

// isolate clears the environment's AWS settings and returns the path of an empty
// configuration file.
func isolate(t *testing.T) (config string) {
	t.Helper()
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, "")
			if err := os.Unsetenv(name); err != nil {
				t.Fatal(err)
			}
		}
	}
	dir := t.TempDir()
	t.Setenv("HOME", dir)
	t.Setenv("USERPROFILE", dir)
	config = filepath.Join(dir, "config")
	t.Setenv("AWS_CONFIG_FILE", config)
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(dir, "credentials"))
	// The machine's own metadata service is out of reach.
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	return config
}

func openAndAsk(t *testing.T, o awsapi.Options) error {
	t.Helper()
	a, err := awsapi.Open(context.Background(), o)
	if err != nil {
		return err
	}
	_, err = a.Facts(context.Background(), hints{Roles: []string{"web", "api"}}.request())
	return err
}

func TestNoCredentials(t *testing.T) {
	isolate(t)
	e := errorAs[*awsapi.CredentialsError](t, openAndAsk(t, awsapi.Options{}))
	if e.Kind != "none" || e.Profile != "" || strings.Contains(e.Error(), "IMDS") {
		t.Errorf("got %+v, %q", e, e)
	}
}

// The end of the chain is a service that a laptop does not have: it gets one
// attempt.
func TestNoMetadataService(t *testing.T) {
	isolate(t)
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked++
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer server.Close()
	t.Setenv("AWS_EC2_METADATA_DISABLED", "false")
	t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", server.URL)
	e := errorAs[*awsapi.CredentialsError](t, openAndAsk(t, awsapi.Options{}))
	if e.Kind != "none" || asked == 0 || asked > 3 {
		t.Errorf("kind %q after %d requests", e.Kind, asked)
	}
}

// The credentials of a web identity come from STS, which may be out of reach.
func TestCredentialsOutOfReach(t *testing.T) {
	token := filepath.Join(filepath.Dir(isolate(t)), "token")
	if err := os.WriteFile(token, []byte("not-a-token"), 0o600); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(nil)
	server.Close()
	t.Setenv("AWS_ENDPOINT_URL", server.URL)
	t.Setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/x")
	t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", token)
	err := openAndAsk(t, awsapi.Options{Pause: func(int) time.Duration { return 0 }})
	isError[*awsapi.UnreachableError](t, err)
	e := errorAs[*awsapi.CredentialsError](t, err)
	want := "the AWS credentials cannot be used: AWS cannot be reached at " + server.URL + ": connection refused"
	if e.Kind != awsapi.KindInvalid || e.Error() != want {
		t.Errorf("got %q, %q, want %q", e.Kind, e, want)
	}
}

func TestUnknownProfile(t *testing.T) {
	isolate(t)
	e := errorAs[*awsapi.CredentialsError](t, openAndAsk(t, awsapi.Options{Profile: "nope\x1b[2J"}))
	if e.Kind != awsapi.KindProfile || e.Profile != "nope\x1b[2J" || strings.Contains(e.Error(), "\x1b") {
		t.Errorf("got %+v, %q", e, e)
	}
	t.Setenv("AWS_PROFILE", "other")
	e = errorAs[*awsapi.CredentialsError](t, openAndAsk(t, awsapi.Options{}))
	if e.Kind != awsapi.KindProfile || e.Profile != "other" {
		t.Errorf("got %+v", e)
	}
}

func TestProfilesThatCannotBeUsed(t *testing.T) {
	tests := map[string]struct{ config, kind string }{
		"sso never begun": {`
[profile p]
sso_session = work
sso_account_id = 123456789012
sso_role_name = dev
region = eu-west-1
[sso-session work]
sso_start_url = https://example.awsapps.com/start
sso_region = eu-west-1
`, awsapi.KindExpiredSSO},
		"old sso never begun": {`
[profile p]
sso_start_url = https://example.awsapps.com/start
sso_region = eu-west-1
sso_account_id = 123456789012
sso_role_name = dev
`, awsapi.KindExpiredSSO},
		"mfa": {`
[profile p]
role_arn = arn:aws:iam::123456789012:role/x
source_profile = base
mfa_serial = arn:aws:iam::123456789012:mfa/x
[profile base]
aws_access_key_id = a
aws_secret_access_key = b
`, awsapi.KindProfile},
		"process that fails": {`
[profile p]
credential_process = exit 3
`, awsapi.KindInvalid},
		"not a config": {"[profile p\n", awsapi.KindProfile},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(isolate(t), []byte(test.config), 0o600); err != nil {
				t.Fatal(err)
			}
			e := errorAs[*awsapi.CredentialsError](t, openAndAsk(t, awsapi.Options{Profile: "p"}))
			if e.Kind != test.kind || e.Profile != "p" {
				t.Errorf("got %+v", e)
			}
			if test.kind == awsapi.KindExpiredSSO && strings.Contains(e.Error(), "cache") {
				t.Errorf("error is %q", e)
			}
			// The profile from the environment is named too.
			t.Setenv("AWS_PROFILE", "p")
			if e := errorAs[*awsapi.CredentialsError](t, openAndAsk(t, awsapi.Options{})); e.Kind != test.kind || e.Profile != "p" {
				t.Errorf("with AWS_PROFILE, got %+v", e)
			}
		})
	}
}

func TestEnvironment(t *testing.T) {
	isolate(t)
	x := newWorld(t, &sandbox.World{Partition: "aws-cn"})
	for _, entry := range x.server.Env() {
		name, value, _ := strings.Cut(entry, "=")
		t.Setenv(name, value)
	}
	for region, fails := range map[string]bool{"": false, "auto": true} {
		if region != "" {
			t.Setenv("AWS_REGION", region)
		}
		a, err := awsapi.Open(context.Background(), awsapi.Options{Region: "", UserAgent: "fly-aws/1.2.3"})
		if err != nil {
			t.Fatal(err)
		}
		facts, err := a.Facts(context.Background(), hints{}.request())
		if err == nil && (facts.Partition != "aws-cn" || facts.Account != account) || err != nil && !fails {
			t.Errorf("region %q: got %+v, %v", region, facts, err)
		}
	}
}

// The user agent names fly-aws and its version, so that CloudTrail shows its calls.
func TestUserAgent(t *testing.T) {
	t.Parallel()
	agents := make(chan string, 10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		agents <- r.UserAgent()
		action := r.FormValue("Action")
		fmt.Fprintf(w, `<%[1]sResponse><%[1]sResult></%[1]sResult></%[1]sResponse>`, action)
	}))
	t.Cleanup(server.Close)
	a, err := awsapi.Open(context.Background(), awsapi.Options{
		Endpoint: server.URL, AccessKeyID: "AKIANOBODY", SecretAccessKey: "x", Region: "us-east-1", UserAgent: "fly-aws/1.2.3",
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Alias(context.Background()); err != nil { // IAM
		t.Error(err)
	}
	_, _ = a.Facts(context.Background(), hints{}.request()) // STS; the response is not an identity
	for _, service := range []string{"IAM", "STS"} {
		select {
		case agent := <-agents:
			if !slices.Contains(strings.Fields(agent), "fly-aws/1.2.3") || !strings.HasPrefix(agent, "aws-sdk-go-v2/") {
				t.Errorf("the user agent for %s is %q", service, agent)
			}
		default:
			t.Errorf("no call of %s", service)
		}
	}
}

func TestErrorsEndWithoutAChange(t *testing.T) {
	t.Parallel()
	x := newWorld(t, nil)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	x.faults(func(sandbox.Call) sandbox.Fault { return sandbox.DropBefore() })
	err := writeOne(ctx, x.Account, create(role(t, "web")))
	e := errorAs[*awsapi.UnreachableError](t, err)
	if want := "AWS cannot be reached at " + x.server.AWSEndpoint + ": the connection was closed without a response"; e.Error() != want || e.Operation != "CreateRole" {
		t.Errorf("got %+v", e)
	}
}
