package render_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/fly-aws/fly-aws/internal/machine"
	"github.com/fly-aws/fly-aws/internal/render"
)

func TestKept(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)
	down := errors.New("the socket \"/.fly/api\"\x1b[2J did not respond in time")
	for _, tt := range []struct {
		name    string
		attempt machine.Attempt
		want    string
	}{
		{"written", machine.Attempt{Expires: now.Add(10 * time.Minute)}, "✓ /run/vault.jwt has a token for https://vault.example.com, valid until 2026-11-02 09:10:00 UTC\n"},
		{"failed", machine.Attempt{Err: down, Expires: now.Add(272 * time.Second), Next: now.Add(8 * time.Second)}, `! no new token for /run/vault.jwt: the socket "/.fly/api"\x1b[2J did not respond in time
    the last token is valid for another 4m32s; trying again in 8s
`},
		{"failed for long", machine.Attempt{Err: down, Expires: now.Add(-time.Minute), Next: now.Add(30 * time.Second)}, `! no new token for /run/vault.jwt: the socket "/.fly/api"\x1b[2J did not respond in time
    the last token expired 1m ago; trying again in 30s
`},
		{"failed at first", machine.Attempt{Err: down, Next: now.Add(time.Second)}, `! no new token for /run/vault.jwt: the socket "/.fly/api"\x1b[2J did not respond in time
    trying again in 1s
`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var out strings.Builder
			render.Kept(&out, render.KeptView{File: "/run/vault.jwt", Audience: "https://vault.example.com", Attempt: tt.attempt, Now: now}, render.Style{})
			if out.String() != tt.want {
				t.Errorf("got\n%s", out.String())
			}
		})
	}
	var out strings.Builder
	render.Credentials(&out, machine.Attempt{Err: errors.New("throttled"), Expires: now.Add(time.Hour), Next: now.Add(time.Second)}, now, render.Style{})
	if want := "! no new AWS credentials: throttled\n    the last ones are valid for another 1h; trying again in 1s\n"; out.String() != want {
		t.Errorf("got\n%s", out.String())
	}
	out.Reset()
	render.Credentials(&out, machine.Attempt{Retried: true, Expires: now.Add(time.Hour)}, now, render.Style{})
	if want := "✓ there are new AWS credentials, valid until 2026-11-02 10:00:00 UTC\n"; out.String() != want {
		t.Errorf("got\n%s", out.String())
	}
}
