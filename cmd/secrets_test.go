package cmd_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fly-aws/fly-aws/internal/sandbox"
)

// Secrets that must not appear in any output, not even in part.
const (
	canaryKeyID   = "ASIACANARYCANARY1234"
	canaryKey     = "cAnArY+secret/Key0123456789abcdefghijklM"
	canarySession = "IQoJcAnArYsession//////////wEaCXVzLWVhc3QtMSJHMEUCIQD0123456789abcdefghijklmno"
	canaryJWT     = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.c2lnbmF0dXJl"
	canaryFly     = "fm2_lJPECAAAAAAAcAnArY"
)

var canaries = []string{
	canaryKeyID, canaryKey, canarySession, strings.TrimPrefix(canaryFly, "fm2_"),
	"eyJzdWIiOiJjYW5hcnkifQ", "c2lnbmF0dXJl",
}

// TestSecretsStayIn runs every command with secrets in each place where there can be
// one, as text and as JSON: none is in the output.
func TestSecretsStayIn(t *testing.T) {
	t.Parallel()
	echo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte("<ErrorResponse><Error><Code>AccessDenied</Code><Message>" + canaryKeyID + " " + canaryKey + " " + canaryJWT + "</Message></Error></ErrorResponse>"))
	}))
	t.Cleanup(echo.Close)
	credentials := `{"Version":1,"AccessKeyId":"` + canaryKeyID + `","SecretAccessKey":"` + canaryKey + `","SessionToken":"` + canarySession + `"}`
	files := map[string]string{
		"aws":              "[default]\ncredential_process = sh -c 'echo login ok; cat credentials.json'\n[profile static]\naws_access_key_id = " + canaryKeyID + "\naws_secret_access_key = " + canaryKey + "\n",
		"broken-aws":       "[default\naws_secret_access_key = " + canaryKey + "\naws_session_token = " + canarySession + "\n",
		"credentials.json": credentials,
		"token.jwt":        canaryJWT,
		"cut.jwt":          canaryJWT[:30],
		"policy.json":      `{"Version":"2012-10-17","Statement":` + credentials + `}`,
		"fly/config.yml":   "access_token: [" + canaryFly + "\n",
	}
	plan := []string{"plan", "-o", "acme", "-a", "web", "--no-patch"}
	setup := []string{"setup", "-o", "acme", "-a", "web", "--no-patch", "--yes"}
	machine := []string{"AWS_ROLE_ARN=arn:aws:iam::123456789012:role/web", "FLY_APP_NAME=web"}
	noKeys := []string{"AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY=", "AWS_CONFIG_FILE=aws"}
	with := func(args []string, more ...string) []string { return append(slices.Clone(args), more...) }
	for name, test := range map[string]struct {
		env  []string
		args []string
	}{
		"credential process of plan":    {noKeys, plan},
		"credential process of setup":   {noKeys, setup},
		"credential process of apply":   {noKeys, []string{"apply", "plan.json"}},
		"credential process of explain": {noKeys, []string{"explain", "--role", "web", "--subject", "acme:web:m"}},
		"credential process of doctor":  {slices.Concat(noKeys, machine), []string{"doctor"}},
		"credential process of chain":   {noKeys, []string{"doctor", "--app", "web", "--role", "web", "--verbose"}},
		"AWS echoes to the chain":       {[]string{"AWS_ENDPOINT_URL=" + echo.URL}, []string{"doctor", "--app", "web", "--role", "web"}},
		"Fly echoes to the chain":       {[]string{"FLY_API_BASE_URL=" + echo.URL}, []string{"doctor", "--app", "web", "-t", canaryFly}},
		"token for a role of the chain": {nil, []string{"doctor", "--app", "web", "--role", canaryJWT}},
		"static keys":                   {[]string{"AWS_ACCESS_KEY_ID=" + canaryKeyID, "AWS_SECRET_ACCESS_KEY=" + canaryKey, "AWS_SESSION_TOKEN=" + canarySession}, with(plan, "--verbose")},
		"profile":                       {noKeys, with(plan, "--profile", "static")},
		"broken shared file":            {[]string{"AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY=", "AWS_CONFIG_FILE=broken-aws"}, plan},
		"AWS echoes":                    {[]string{"AWS_ENDPOINT_URL=" + echo.URL}, plan},
		"STS echoes":                    {with(machine, "AWS_ENDPOINT_URL="+echo.URL), []string{"token", "exchange", "--token", "token.jwt", "--wait", "0s"}},
		"exec":                          {with(machine, "AWS_ENDPOINT_URL="+echo.URL), []string{"exec", "--token", "token.jwt", "--", "true"}},
		"credentials":                   {with(machine, "AWS_ENDPOINT_URL="+echo.URL), []string{"credentials", "--token", "token.jwt"}},
		"doctor":                        {with(machine, "AWS_WEB_IDENTITY_TOKEN_FILE=token.jwt"), []string{"doctor"}},
		"Fly echoes":                    {[]string{"FLY_API_BASE_URL=" + echo.URL}, with(plan, "-t", canaryFly)},
		"Fly token in the environment":  {[]string{"FLY_API_TOKEN=" + canaryFly + " x"}, plan},
		"Fly token in a broken file":    {[]string{"FLY_API_TOKEN=", "FLY_CONFIG_DIR=fly"}, plan},
		"Fly token without quotes":      {nil, with(setup, "-t", "FlyV1", canaryFly)},
		"Fly token behind a flag":       {nil, []string{"trust-policy", "-t" + canaryFly}},
		"token for a file":              {nil, []string{"token", "inspect", canaryJWT}},
		"token to verify":               {nil, []string{"token", "verify", canaryJWT}},
		"token for a token file":        {machine, []string{"token", "exchange", "--token", canaryJWT}},
		"token for a plan":              {nil, []string{"apply", canaryJWT}},
		"token for a policy":            {nil, with(plan, "--inline-policy", canaryJWT)},
		"token for a trust policy":      {nil, []string{"explain", "--policy", canaryJWT, "--subject", "acme:web:m"}},
		"token for claims":              {nil, []string{"explain", "--claims", canaryJWT}},
		"token for an app":              {nil, []string{"plan", "-o", "acme", "-a", canaryJWT, "--no-patch"}},
		"token for a tag":               {nil, with(plan, "--tag", canaryJWT)},
		"token for a command":           {nil, []string{canaryJWT}},
		"token for a help topic":        {nil, []string{"help", canaryJWT}},
		"token for a role":              {nil, []string{"patch", "--role-arn", canaryJWT}},
		"token for a subject":           {nil, []string{"explain", "--policy", "policy.json", "--subject", canaryJWT}},
		"token in a file":               {nil, []string{"token", "inspect", "token.jwt"}},
		"half a token":                  {nil, []string{"token", "verify", "cut.jwt"}},
		"keys in a policy":              {nil, with(plan, "--inline-policy", "policy.json")},
		"keys in a trust policy":        {nil, []string{"explain", "--policy", "policy.json", "--subject", "acme:web:m"}},
		"keys in an error":              {nil, []string{"explain", "--error", "AccessDenied: " + credentials}},
		"command that does not exist":   {nil, []string{"sandbox", "--", canaryJWT}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProgram(t, func(sandbox.Call) sandbox.Fault { return sandbox.Fault{} })
			for file, content := range files {
				path := filepath.Join(p.dir, file)
				if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if out, exit := p.run(t, with(plan, "--out", "plan.json")...); exit != 0 {
				t.Fatalf("plan exits %d:\n%s", exit, out)
			}
			p.env = append(p.env, test.env...)
			for _, args := range [][]string{test.args, with(test.args, "--json")} {
				if args[0] == "sandbox" && args[len(args)-1] == "--json" {
					continue
				}
				out, exit := p.run(t, args...)
				if out == "" {
					t.Errorf("%v says nothing, and exits %d", args, exit)
				}
				for _, secret := range canaries {
					if strings.Contains(out, secret) {
						t.Errorf("%v shows %q:\n%s", args, secret, out)
					}
				}
			}
		})
	}
}
