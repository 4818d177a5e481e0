package render

import (
	"strings"
	"testing"

	"github.com/fly-aws/fly-aws/internal/text"
	"github.com/fly-aws/fly-aws/setup"
)

// TestFlyProblem: each kind has its own message and next step, and text from Fly is
// cleaned.
func TestFlyProblem(t *testing.T) {
	t.Parallel()
	seen := map[string]setup.FlyProblemKind{}
	for _, kind := range []setup.FlyProblemKind{
		setup.FlyNotSignedIn, setup.FlySignIn, setup.FlyEndpoint, setup.FlyToken, setup.FlyNotAllowed, setup.FlyElsewhere,
		setup.FlyNotFound, setup.FlyRateLimited, setup.FlyDown, setup.FlyUnreachable, setup.FlyTimeout, setup.FlyRefused,
		setup.FlyUnexpected, setup.FlyCommand, setup.FlyNoMachine, setup.FlyNoToken,
	} {
		p := &setup.FlyProblem{
			Kind: kind, App: "we\x1bb", Source: setup.FlySourceAPIToken, Host: "api.fly\u202e.io", Status: 500, Attempts: 3,
			Code: "CODE", Message: "red \x1b[31m fo1_secret", Detail: "more\nlines", RequestID: "01\x07",
		}
		words := FlyProblem(p)
		if other, ok := seen[words]; ok {
			t.Errorf("%s and %s are both %q", kind, other, words)
		}
		seen[words] = kind
		if words != text.Clean(words) || strings.ContainsAny(words, "\n") || strings.Contains(words, "secret") {
			t.Errorf("%s: %q", kind, words)
		}
		if !strings.HasSuffix(words, "(3 attempts, status 500, request 01\\x07)") {
			t.Errorf("%s says too little: %q", kind, words)
		}
		if FlyNext(p) == "" {
			t.Errorf("%s has no next step", kind)
		}
	}
}
