package render

import (
	"strings"
	"testing"

	"github.com/fly-aws/fly-aws/internal/text"
	"github.com/fly-aws/fly-aws/setup"
)

// TestPolicyNames: AWS managed policies are shown by name, and no other policy looks
// like one.
func TestPolicyNames(t *testing.T) {
	t.Parallel()
	for arn, want := range map[string]string{
		"arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess":          "AmazonS3ReadOnlyAccess",
		"arn:aws-cn:iam::aws:policy/job-function/ViewOnlyAccess":  "ViewOnlyAccess",
		"arn:aws:iam::123456789012:policy/AmazonS3ReadOnlyAccess": "arn:aws:iam::123456789012:policy/AmazonS3ReadOnlyAccess",
		"arn:aws:iam::123456789012:policy/:iam::aws:policy/x":     "arn:aws:iam::123456789012:policy/:iam::aws:policy/x",
	} {
		if got, want := resourceName(setup.Resource{Policy: &setup.RolePolicy{Role: "web", ARN: arn}}), "policy "+want+" on role web"; got != want {
			t.Errorf("%s is shown as %q, want %q", arn, got, want)
		}
	}
	long := strings.Repeat("x/", 250)
	for _, r := range []setup.Resource{
		{Policy: &setup.RolePolicy{Role: "web", ARN: "arn:aws:iam::123456789012:policy/" + long + "Evil"}},
		{Env: &setup.Env{Key: setup.EnvRoleARN, Config: long + "Evil"}},
	} {
		if got := resourceName(r); !strings.Contains(got, "Evil") {
			t.Errorf("it is shown as %q", got)
		}
	}
}

func TestShortList(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		names []string
		want  string
	}{
		{nil, ""},
		{[]string{"web"}, "web"},
		{[]string{"web", "api"}, "web and api"},
		{[]string{"web", "api", "worker"}, "web, api and worker"},
		{[]string{"web", "api", "worker", "cron"}, "web, api and 2 more"},
		{[]string{"web", "api", "worker", "cron", "mail"}, "web, api and 3 more"},
		{[]string{"web\x1b[31m"}, text.Clean("web\x1b[31m")},
	} {
		if got := shortList(test.names); got != test.want {
			t.Errorf("shortList(%q) is %q, want %q", test.names, got, test.want)
		}
	}
}
