package machine_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fly-aws/fly-aws/internal/machine"
)

func TestEndpoint(t *testing.T) {
	t.Parallel()
	clock := newClock()
	e, err := machine.NewEndpoint(t.Context(), clock.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	get := func(method, path, authorization string) (int, map[string]string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, strings.TrimSuffix(e.URL, "/credentials")+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", authorization)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body := map[string]string{}
		if err := json.NewDecoder(resp.Body).Decode(&body); err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, body
	}
	expect := func(status int, code, method, path, authorization string) {
		t.Helper()
		if got, body := get(method, path, authorization); got != status || body["code"] != code || body["SecretAccessKey"] != "" {
			t.Errorf("%s %s: %d %v, want %d %s", method, path, got, body, status, code)
		}
	}

	expect(503, "ExpiredCredentials", "GET", "/credentials", e.Authorization) // none yet
	keys := machine.Credentials{AccessKeyID: "ASIA1", SecretAccessKey: "secret", Token: "session", Expiration: clock.Now().Add(time.Hour), RoleARN: "arn"}
	life, err := e.Renew(t.Context(), func(context.Context) (machine.Credentials, error) { return keys, nil })
	if life != time.Hour || err != nil {
		t.Fatal(life, err)
	}
	status, body := get("GET", "/credentials", e.Authorization)
	if want := (map[string]string{"AccessKeyId": "ASIA1", "SecretAccessKey": "secret", "Token": "session", "Expiration": "2026-11-02T10:00:00Z", "RoleArn": "arn"}); status != 200 || fmt.Sprint(body) != fmt.Sprint(want) {
		t.Errorf("%d %v", status, body)
	}
	expect(401, "Unauthorized", "GET", "/credentials", "")
	expect(401, "Unauthorized", "GET", "/credentials", e.Authorization+"x")
	expect(404, "NotFound", "GET", "/", e.Authorization)
	expect(405, "MethodNotAllowed", "POST", "/credentials", e.Authorization)

	down := errors.New("down")
	if _, err := e.Renew(t.Context(), func(context.Context) (machine.Credentials, error) { return machine.Credentials{}, down }); !errors.Is(err, down) {
		t.Error(err)
	}
	if status, _ := get("GET", "/credentials", e.Authorization); status != 200 {
		t.Errorf("after a failure: %d", status)
	}
	clock.move(2 * time.Hour)
	expect(503, "ExpiredCredentials", "GET", "/credentials", e.Authorization)
	if _, err := e.Renew(t.Context(), func(context.Context) (machine.Credentials, error) { return keys, nil }); err == nil {
		t.Error("credentials that have expired are taken")
	}
	if s := fmt.Sprintf("%v %+v %#v", keys, keys, keys); strings.Contains(s, "secret") {
		t.Error(s)
	}
}
