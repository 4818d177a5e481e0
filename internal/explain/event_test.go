package explain

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/fly-aws/fly-aws/internal/flyname"
)

const eventText = `{
	"userIdentity": {
		"type": "WebIdentityUser",
		"principalId": "arn:aws:iam::123456789012:oidc-provider/oidc.fly.io/acme:sts.amazonaws.com:acme:web:m1",
		"userName": "acme:web:m1",
		"identityProvider": "arn:aws:iam::123456789012:oidc-provider/oidc.fly.io/acme"
	},
	"eventTime": "2026-11-29T07:00:00Z", "eventName": "AssumeRoleWithWebIdentity",
	"sourceIPAddress": "203.0.113.9", "errorCode": "AccessDenied",
	"requestParameters": {"roleArn": "arn:aws:iam::123456789012:role/web", "roleSessionName": "s1"}
}`

func TestEvents(t *testing.T) {
	t.Parallel()
	want := Event{
		Claims:  flyname.MachineClaims(flyname.Subject{Org: "acme", App: "web", Machine: "m1"}, "sts.amazonaws.com"),
		RoleARN: "arn:aws:iam::123456789012:role/web", Time: time.Date(2026, 11, 29, 7, 0, 0, 0, time.UTC), ErrorCode: "AccessDenied",
		Context: map[string][]string{"aws:SourceIp": {"203.0.113.9"}, "sts:RoleSessionName": {"s1"}},
	}
	quoted := strings.NewReplacer(`"`, `\"`, "\n", `\n`, "\t", " ").Replace(eventText)
	older := strings.Replace(eventText, "T07", "T06", 1)
	for name, text := range map[string]string{
		"an event":      eventText,
		"a file":        `{"Records":[{"eventName":"GetRole"},` + older + "," + eventText + "]}",
		"lookup-events": `{"Events":[{"EventId":"1","CloudTrailEvent":"` + quoted + `"}]}`,
	} {
		got, err := Events([]byte(text))
		if err != nil || !reflect.DeepEqual(got[0], want) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestEventsErrors(t *testing.T) {
	t.Parallel()
	without := func(s, with string) string { return strings.Replace(eventText, s, with, 1) }
	for text, want := range map[string]string{
		"":                                     "it is not JSON",
		"[]":                                   "another form",
		"{}":                                   "no event of CloudTrail",
		`{"eventTime":5}`:                      "another form",
		`{"eventName":"GetRole"}`:              `its event is "GetRole"`,
		`{"Events":[{"CloudTrailEvent":"{"}]}`: "its CloudTrailEvent: it is not JSON",
		without(`"userName": "acme:web:m1",`, ""):                      "no userIdentity",
		without(`oidc-provider/oidc.fly.io/acme"`, `saml-provider/x"`): "no OIDC provider",
		without(`sts.amazonaws.com:acme:web:m1`, "x"):                  "principalId",
		without(`"roleArn"`, `"x"`):                                    "names no role",
	} {
		if got, err := Events([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %+v, %v, not %q", text, got, err, want)
		}
	}
}

func FuzzEvents(f *testing.F) {
	f.Add(eventText)
	f.Add(`{"Records":[{"eventName":"AssumeRoleWithWebIdentity"}]}`)
	f.Add(`{"Events":[{"CloudTrailEvent":"{}"}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		events, err := Events([]byte(text))
		if (err == nil) != (len(events) > 0) {
			t.Errorf("%d events, %v", len(events), err)
		}
		for _, e := range events {
			Explain(Case{Claims: e.Claims, Context: e.Context, WantedRole: e.RoleARN})
		}
	})
}
