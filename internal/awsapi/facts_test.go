package awsapi_test

import (
	"context"
	"os"
	"slices"
	"testing"

	"github.com/fly-aws/fly-aws/internal/awsapi"
	"github.com/fly-aws/fly-aws/internal/sandbox"
)

func TestAlias(t *testing.T) {
	t.Parallel()
	for _, alias := range []string{"", "acme-dev"} {
		x := newWorld(t, &sandbox.World{Alias: alias})
		calls := x.actions(func() {
			if got, err := x.Account.Alias(context.Background()); got != alias || err != nil {
				t.Errorf("got %q, %v, want %q", got, err, alias)
			}
		})
		if !slices.Equal(calls, []string{"ListAccountAliases"}) {
			t.Errorf("calls are %q", calls)
		}
	}
}

func TestRegionThatWasGiven(t *testing.T) {
	t.Parallel()
	x := newWorld(t, nil)
	for given, want := range map[string]string{"": "", "auto": "", "eu-west-1": "eu-west-1", "us-east-1": "us-east-1"} {
		if got := x.open(func(o *awsapi.Options) { o.Region = given }).Region(); got != want {
			t.Errorf("%q: got %q, want %q", given, got, want)
		}
	}
}

func TestRegionThatIsConfigured(t *testing.T) {
	file := isolate(t)
	if err := os.WriteFile(file, []byte("[profile p]\nregion = eu-central-1\n[profile q]\noutput = json\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ profile, env, want string }{
		{"p", "", "eu-central-1"},
		{"q", "", ""},
		{"", "", ""},
		{"p", "eu-west-1", "eu-west-1"},
		{"q", "eu-west-1", "eu-west-1"},
		{"q", "auto", ""},
	} {
		t.Setenv("AWS_REGION", test.env)
		a, err := awsapi.Open(context.Background(), awsapi.Options{Profile: test.profile})
		if err != nil {
			t.Fatal(err)
		}
		if got := a.Region(); got != test.want {
			t.Errorf("%+v: got %q", test, got)
		}
	}
}
