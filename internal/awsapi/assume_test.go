package awsapi_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fly-aws/fly-aws/internal/awsapi"
	"github.com/fly-aws/fly-aws/internal/flyname"
	"github.com/fly-aws/fly-aws/internal/sandbox"
)

func TestAssumeWithToken(t *testing.T) {
	t.Parallel()
	x := newWorld(t, nil)
	x.AddMachine("acme", "web", "quiet-sun-1234")
	x.AddMachine("acme", "api", "loud-moon-4321")
	r := role(t, "web")
	x.write(create(provider()), create(r))
	mint := func(org, app, machine, audience string) string {
		token, err := x.Mint(sandbox.TokenRequest{Org: org, App: app, Machine: machine, Audience: audience})
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	good := mint("acme", "web", "quiet-sun-1234", flyname.AudienceAWS)
	expired, err := x.Mint(sandbox.TokenRequest{
		Org: "acme", App: "web", Machine: "quiet-sun-1234", Audience: flyname.AudienceAWS,
		Claims: map[string]any{"exp": time.Now().Add(-time.Hour).Unix()},
	})
	if err != nil {
		t.Fatal(err)
	}
	// The exchange needs no AWS credentials.
	a := x.open(func(o *awsapi.Options) { o.AccessKeyID, o.SecretAccessKey = "AKIANOBODY", "x" })
	id, err := a.AssumeWithToken(context.Background(), r.Role.ARN, "session-1", good)
	if err != nil {
		t.Fatal(err)
	}
	if id.Account != account || id.ARN != "arn:aws:sts::"+account+":assumed-role/fly-acme-web/session-1" || time.Until(id.Expires) <= 0 {
		t.Errorf("got %+v", id)
	}
	for name, test := range map[string]struct{ role, token, code string }{
		"another app":      {r.Role.ARN, mint("acme", "api", "loud-moon-4321", flyname.AudienceAWS), "AccessDenied"},
		"another audience": {r.Role.ARN, mint("acme", "web", "quiet-sun-1234", "else"), "InvalidIdentityToken"},
		"no token at all":  {r.Role.ARN, "not-a-token", "InvalidIdentityToken"},
		"expired":          {r.Role.ARN, expired, "ExpiredTokenException"},
		"no such role":     {r.Role.ARN + "x", good, "AccessDenied"},
	} {
		var err error
		calls := x.actions(func() { _, err = a.AssumeWithToken(context.Background(), test.role, "session-2", test.token) })
		if err == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		e := errorAs[*awsapi.CallError](t, err)
		if e.Code != test.code || e.Message == "" || e.Operation != "AssumeRoleWithWebIdentity" {
			t.Errorf("%s: got %+v", name, e)
		}
		if len(calls) != 1 {
			t.Errorf("%s: sent %d times", name, len(calls))
		}
		if strings.Contains(e.Error(), test.token) {
			t.Errorf("%s: the error holds the token", name)
		}
	}
}

func TestAssumeWithTokenNeedsNoCredentials(t *testing.T) {
	isolate(t)
	x := newWorld(t, nil)
	x.AddMachine("acme", "web", "quiet-sun-1234")
	r := role(t, "web")
	x.write(create(provider()), create(r))
	token, err := x.Mint(sandbox.TokenRequest{Org: "acme", App: "web", Machine: "quiet-sun-1234", Audience: flyname.AudienceAWS})
	if err != nil {
		t.Fatal(err)
	}
	a, err := awsapi.Open(context.Background(), awsapi.Options{Endpoint: x.server.AWSEndpoint})
	if err != nil {
		t.Fatal(err)
	}
	if id, err := a.AssumeWithToken(context.Background(), r.Role.ARN, "session", token); err != nil || id.Account != account {
		t.Errorf("got %+v, %v", id, err)
	}
}

func TestExchangeHidesItsKeys(t *testing.T) {
	t.Parallel()
	x := newWorld(t, nil)
	x.AddMachine("acme", "web", "quiet-sun-1234")
	r := role(t, "web")
	x.write(create(provider()), create(r))
	token, err := x.Mint(sandbox.TokenRequest{Org: "acme", App: "web", Machine: "quiet-sun-1234", Audience: flyname.AudienceAWS})
	if err != nil {
		t.Fatal(err)
	}
	session, err := x.open().Exchange(context.Background(), awsapi.Exchange{
		RoleARN: r.Role.ARN, SessionName: "session", Token: token, Duration: 15 * time.Minute,
	})
	if err != nil {
		t.Fatal(err)
	}
	if left := time.Until(session.Expires); session.Account != account || left > 15*time.Minute || left < 14*time.Minute {
		t.Errorf("got %+v", session.Identity)
	}
	if session.Keys.SecretAccessKey == "" || session.Keys.SessionToken == "" {
		t.Error("there are no keys")
	}
	for _, text := range []string{fmt.Sprint(session), fmt.Sprintf("%+v", session), fmt.Sprintf("%#v", session), fmt.Sprintf("%v", &session)} {
		if strings.Contains(text, session.Keys.SecretAccessKey) || strings.Contains(text, session.Keys.SessionToken) {
			t.Errorf("a session prints its keys")
		}
	}
}
