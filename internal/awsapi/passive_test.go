package awsapi_test

import (
	"crypto/sha1"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/fly-aws/fly-aws/internal/awsapi"
)

// A passive account runs no credential_process, not even one at the end of a chain of
// profiles; without Passive it does.
func TestPassiveRunsNoProcess(t *testing.T) {
	for name, profiles := range map[string]string{
		"of the profile":        "[profile p]\ncredential_process = touch %s\n",
		"of its source profile": "[profile p]\nrole_arn = arn:aws:iam::123456789012:role/x\nsource_profile = base\n[profile base]\ncredential_process = touch %s\n",
	} {
		t.Run(name, func(t *testing.T) {
			config := isolate(t)
			ran := filepath.Join(filepath.Dir(config), "ran")
			if err := os.WriteFile(config, fmt.Appendf(nil, profiles, ran), 0o600); err != nil {
				t.Fatal(err)
			}
			for _, passive := range []bool{true, false} {
				errorAs[*awsapi.CredentialsError](t, openAndAsk(t, awsapi.Options{Profile: "p", Passive: passive}))
				if _, err := os.Stat(ran); (err == nil) == passive {
					t.Errorf("passive %v: the process ran: %v", passive, err == nil)
				}
			}
		})
	}
}

// A passive account does not renew the cached sign-in of IAM Identity Center; without Passive
// the SDK does, and writes the file.
func TestPassiveRenewsNoSignIn(t *testing.T) {
	config := isolate(t)
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/token" {
			http.Error(w, "{}", http.StatusForbidden)
			return
		}
		asked.Add(1)
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"accessToken":"new","expiresIn":600,"refreshToken":"next","tokenType":"Bearer"}`)
	}))
	defer server.Close()
	home := filepath.Dir(config)
	t.Setenv("AWS_ENDPOINT_URL_SSO_OIDC", server.URL)
	t.Setenv("AWS_ENDPOINT_URL_SSO", server.URL)
	const profile = `[profile p]
sso_session = work
sso_account_id = 123456789012
sso_role_name = dev
[sso-session work]
sso_start_url = https://example.awsapps.com/start
sso_region = eu-west-1
`
	const cached = `{"accessToken":"old","expiresAt":"2020-01-01T00:00:00Z","refreshToken":"r","clientId":"c","clientSecret":"s"}`
	cache := filepath.Join(home, ".aws", "sso", "cache", fmt.Sprintf("%x.json", sha1.Sum([]byte("work"))))
	if err := os.MkdirAll(filepath.Dir(cache), 0o700); err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string]string{config: profile, cache: cached} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, passive := range []bool{true, false} {
		errorAs[*awsapi.CredentialsError](t, openAndAsk(t, awsapi.Options{Profile: "p", Passive: passive}))
		text, err := os.ReadFile(cache)
		if err != nil {
			t.Fatal(err)
		}
		if same := string(text) == cached; same != passive || (asked.Load() == 0) != passive {
			t.Errorf("passive %v: %d requests, and the file is\n%s", passive, asked.Load(), text)
		}
	}
}
