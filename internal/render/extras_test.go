package render

import (
	"bytes"
	"testing"
	"time"

	"github.com/fly-aws/fly-aws/setup"
)

// Before a destroy, who loses access is said, and which of the roles was used within a day;
// an app that something else still allows is not said to lose access.
func TestLosses(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	gone := func(name string, used time.Time) setup.Change {
		return setup.Change{Action: setup.ActionDelete, Before: &setup.Resource{Role: &setup.Role{Name: name, LastUsed: used}}}
	}
	plan := &setup.Plan{
		Grants: []setup.Grant{
			{App: "web", Role: "one", Removed: true},
			{App: "api", Role: "two", Removed: true},
			{App: "db", Role: "two", Removed: true},
			{App: "cron", Role: "two", Kept: true},
			{App: "open", Role: "two", Removed: true},
		},
		Changes: []setup.Change{
			gone("one", now.Add(-3*time.Hour)), gone("two", now.Add(-25*time.Hour)), gone("never", time.Time{}), gone("ahead", now.Add(time.Minute)),
			{Action: setup.ActionDelete, Before: &setup.Resource{Env: &setup.Env{Config: "fly.toml", Key: setup.EnvRoleARN}}},
		},
		Warnings: []setup.Warning{{Code: setup.WarningStillAllowed, Role: "two", Apps: []string{"open"}, Names: []string{"Everyone"}}},
	}
	var out bytes.Buffer
	Losses(&out, plan, now, Style{})
	const want = `! web loses access through role one at once
! api and db lose access through role two at once
! role one was used 3h ago
! role ahead was used 0s ago
AWS_REGION stays in fly.toml if it is there; remove it by hand if nothing needs it

`
	if out.String() != want {
		t.Errorf("got\n%s", &out)
	}
}
