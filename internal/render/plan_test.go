package render

import (
	"testing"

	"github.com/fly-aws/fly-aws/internal/text"
)

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
