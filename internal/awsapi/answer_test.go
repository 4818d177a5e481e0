package awsapi_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/fly-aws/fly-aws/internal/awsapi"
	"github.com/fly-aws/fly-aws/setup"
)

// answering opens an account that gets this response to every call.
func answering(t *testing.T, answer http.HandlerFunc) *awsapi.Account {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	a, err := awsapi.Open(context.Background(), awsapi.Options{
		Endpoint: server.URL, AccessKeyID: "a", SecretAccessKey: "b", Region: "us-east-1",
		Pause: func(int) time.Duration { return 0 },
	})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// The page of a captive portal is not a success, even where IAM's response would be
// empty.
func TestPortalIsNotAWS(t *testing.T) {
	t.Parallel()
	for name, page := range map[string]string{
		"html": "<!doctype html><html><title>Welcome</title></html>", "empty": "", "json": "{}", "other xml": "<Hotel/>",
	} {
		a := answering(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, page) })
		for _, c := range []setup.Change{
			create(attached("fly-acme-web", s3Read)), remove(attached("fly-acme-web", s3Read)), create(role(t, "web")),
		} {
			err := writeOne(context.Background(), a, c)
			if e := errorAs[*awsapi.CallError](t, err); e.Code != "" || !strings.Contains(e.Error(), "is not from AWS") {
				t.Errorf("%s, %s %s: %v", name, c.Action, c.Resource().ID(), err)
			}
		}
	}
	// IAM's response to an attachment is a success.
	a := answering(t, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `<AttachRolePolicyResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><ResponseMetadata/></AttachRolePolicyResponse>`)
	})
	if err := writeOne(context.Background(), a, create(attached("fly-acme-web", s3Read))); err != nil {
		t.Error(err)
	}
}

func TestAnswersAreBounded(t *testing.T) {
	t.Parallel()
	a := answering(t, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "<GetRoleResponse><GetRoleResult><Role><RoleName>")
		for block := strings.Repeat("x", 1<<20); ; {
			if _, err := fmt.Fprint(w, block); err != nil {
				return
			}
		}
	})
	_, err := a.Role(context.Background(), "fly-acme-web")
	if e := errorAs[*awsapi.CallError](t, err); !strings.Contains(e.Error(), "larger than 16 MB") {
		t.Errorf("got %v", err)
	}
	// An error's text is cut.
	a = answering(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, "<ErrorResponse><Error><Code>Odd</Code><Message>%s</Message></Error></ErrorResponse>", strings.Repeat("x", 1<<20))
	})
	_, err = a.Role(context.Background(), "fly-acme-web")
	if n := len(err.Error()); n > 2200 {
		t.Errorf("an error of %d characters", n)
	}
}

// The SDK's error repeats everything that a credential_process printed.
func TestProcessOutputIsNotRepeated(t *testing.T) {
	const secret, session = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "IQoJb3JpZ2luX2VjEJr//////////wEaCXVz"
	for name, process := range map[string]string{
		"a line before its JSON": `echo 'renewing...'; echo '{"Version":1,"AccessKeyId":"ASIAEXAMPLE","SecretAccessKey":"` + secret + `","SessionToken":"` + session + `"}'`,
		"odd names":              `echo 'key ` + secret + ` token ` + session + `'`,
		"fails":                  `echo 'key ` + secret + ` token ` + session + `' >&2; exit 3`,
	} {
		t.Run(name, func(t *testing.T) {
			config := isolate(t)
			script := config + ".sh"
			for path, text := range map[string]string{
				script: process + "\n", config: "[profile p]\ncredential_process = sh " + script + "\n",
			} {
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			err := openAndAsk(t, awsapi.Options{Profile: "p"})
			e := errorAs[*awsapi.CredentialsError](t, err)
			if e.Kind != awsapi.KindInvalid || !strings.Contains(e.Error(), "credential_process") {
				t.Errorf("got %v", e)
			}
			for _, text := range []string{err.Error(), e.Err.Error(), fmt.Sprintf("%+v %#v", e, e.Err)} {
				if strings.Contains(text, secret) || strings.Contains(text, session) {
					t.Errorf("a secret is in %q", text)
				}
			}
		})
	}
}

// The SDK's error repeats the response of a container's credential endpoint.
func TestEndpointAnswerIsNotRepeated(t *testing.T) {
	const secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	for name, test := range map[string]struct {
		status int
		body   string
	}{
		"an error":          {http.StatusBadRequest, `{"code":"X","message":"` + secret + `"}`},
		"not JSON":          {http.StatusForbidden, secret},
		"a line before":     {http.StatusOK, `{"SecretAccessKey":"` + secret},
		"an odd expiration": {http.StatusOK, `{"SecretAccessKey":"` + secret + `","Expiration":"` + secret + `"}`},
	} {
		t.Run(name, func(t *testing.T) {
			isolate(t)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(test.status)
				_, _ = w.Write([]byte(test.body))
			}))
			defer server.Close()
			t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", server.URL)
			e := errorAs[*awsapi.CredentialsError](t, openAndAsk(t, awsapi.Options{}))
			if e.Kind != awsapi.KindInvalid || strings.Contains(fmt.Sprintf("%v %+v %#v", e, e, e.Err), secret) {
				t.Errorf("got %v", e)
			}
			if test.status != http.StatusOK && !strings.Contains(e.Error(), fmt.Sprint(test.status)) {
				t.Errorf("no status in %v", e)
			}
		})
	}
}
