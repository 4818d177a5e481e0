//go:build unix

package cmd_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/fly-aws/fly-aws/internal/sandbox"
	"github.com/fly-aws/fly-aws/internal/terminal"
)

// Keys as a terminal sends them.
const (
	enter    = "\r"
	down     = "\x1b[B"
	shiftTab = "\x1b[Z"
	ctrlC    = "\x03"
	ctrlU    = "\x15" // deletes to the beginning of the line
)

// patience is the timeout for anything at a terminal; only a failing test waits so long.
const patience = time.Minute

// newAsking is newProgram with the given world, and nothing in the environment that
// turns questions or colors off.
func newAsking(t *testing.T, w *sandbox.World) *program {
	t.Helper()
	server, err := w.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	p := &program{world: w, dir: t.TempDir()}
	p.env = append(os.Environ(), server.Env()...)
	p.env = append(p.env,
		"TERM=xterm-256color", "LC_ALL=", "LC_CTYPE=", "LANG=C.UTF-8", "HOME="+t.TempDir(), "FLY_CONFIG_DIR=",
		"CI=", "NO_COLOR=", "CLICOLOR=", "CLICOLOR_FORCE=", "ACCESSIBLE=", "FLY_APP=")
	return p
}

// oneApp is a program in the folder of the app web, one of three in its organization.
func oneApp(t *testing.T) *program {
	t.Helper()
	w := &sandbox.World{}
	for _, app := range []string{"web", "api", "worker"} {
		w.AddApp("acme", app)
	}
	p := newAsking(t, w)
	p.config(t, "fly.toml", "web", "primary_region = \"fra\"\n")
	return p
}

// threeApps has the files of all three apps.
func threeApps(t *testing.T) *program {
	t.Helper()
	p := oneApp(t)
	p.config(t, "api/fly.toml", "api", "")
	p.config(t, "worker/fly.toml", "worker", "")
	return p
}

// config writes a config file of an app.
func (p *program) config(t *testing.T, path, app, rest string) {
	t.Helper()
	path = filepath.Join(p.dir, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, fmt.Appendf(nil, "app = %q\n%s", app, rest), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A sitting is the program running on a terminal.
type sitting struct {
	*terminal.Terminal
	t       *testing.T
	program *program
	presses int // of keys, not counting typed text
}

// throughShell runs fly-aws as a shell does, and reports whether it restores the
// terminal's modes. Only a process that outlives it can tell: a terminal is reset when
// its session leader ends.
const throughShell = `trap : INT
before=$(stty -g)
fly-aws "$@"
code=$?
[ "$(stty -g)" = "$before" ] || echo 'the terminal is left in other modes'
exit $code`

// sit starts the program on a terminal.
func (p *program) sit(t *testing.T, columns, rows int, args ...string) *sitting {
	t.Helper()
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("there is no sh to run the program from")
	}
	term, err := terminal.Open(columns, rows)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := term.Close(); err != nil {
			t.Error(err)
		}
	})
	c := exec.CommandContext(context.Background(), sh, append([]string{"-c", throughShell, "sh"}, args...)...)
	c.Dir, c.Env = p.dir, p.env
	if err := term.Start(c); err != nil {
		t.Fatal(err)
	}
	return &sitting{Terminal: term, t: t, program: p}
}

// see waits for a text.
func (s *sitting) see(text string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	if err := s.Await(ctx, text); err != nil {
		s.t.Fatal(err)
	}
}

// press presses keys, once the text can be seen.
func (s *sitting) press(text string, keys ...string) {
	s.t.Helper()
	s.see(text)
	s.presses += len(keys)
	if err := s.Type(strings.Join(keys, "")); err != nil {
		s.t.Fatal(err)
	}
}

// write types a text, once another can be seen.
func (s *sitting) write(text, typed string) {
	s.t.Helper()
	s.see(text)
	if err := s.Type(typed); err != nil {
		s.t.Fatal(err)
	}
}

// end waits for the program to end cleanly, and returns all of its output.
func (s *sitting) end(exit int) string {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	got, err := s.Wait(ctx)
	if err != nil {
		s.t.Fatal(err)
	}
	var all strings.Builder
	for _, l := range s.Transcript() {
		all.WriteString(l.String() + "\n")
	}
	text := strings.TrimRight(all.String(), "\n") + "\n"
	if got != exit {
		s.t.Errorf("exit code is %d, not %d:\n%s", got, exit, text)
	}
	for _, not := range []string{"other modes", "panic", "goroutine "} {
		if strings.Contains(text, not) {
			s.t.Errorf("it says %q:\n%s", not, text)
		}
	}
	// Terminal settings other than the modes that the kernel keeps.
	last := map[string]string{}
	for _, m := range regexp.MustCompile(`\x1b\[\?(\d+)([hl])`).FindAllSubmatch(s.Raw(), -1) {
		last[string(m[1])] = string(m[2])
	}
	for mode, set := range last {
		if visible := mode == "25" || mode == "7"; (set == "h") != visible {
			s.t.Errorf("the private mode %s is left at %q", mode, set)
		}
	}
	return text
}

// untouched checks that nothing was written anywhere.
func (s *sitting) untouched(config string) {
	s.t.Helper()
	if got := s.program.wrote(0); len(got) > 0 {
		s.t.Errorf("written in AWS: %v", got)
	}
	if got := s.program.read(s.t, "fly.toml"); got != config {
		s.t.Errorf("fly.toml is %q", got)
	}
}

// again runs the command that the program printed as the same without questions, and
// checks that it has nothing to do. It returns the command.
func (s *sitting) again() string {
	s.t.Helper()
	found := regexp.MustCompile(`The same without questions:\r\n((?: {2}[^\r\n]*\r\n)+)`).FindSubmatch(s.Raw())
	if found == nil {
		s.t.Fatalf("it shows no command:\n%s", s.Screen())
	}
	command, before := strings.ReplaceAll(string(found[1]), "\r\n", "\n"), len(s.program.world.Calls())
	c := exec.CommandContext(context.Background(), "sh", "-c", command)
	c.Dir, c.Env = s.program.dir, s.program.env
	out, err := c.CombinedOutput()
	if err != nil || bytes.Count(out, []byte("nothing to do")) != strings.Count(command, "fly-aws setup") {
		s.t.Errorf("%s: %v\n%s", command, err, out)
	}
	if len(s.program.world.Calls()) == before {
		s.t.Errorf("%s asks AWS nothing", command)
	}
	if wrote := s.program.wrote(before); len(wrote) > 0 {
		s.t.Errorf("%s calls %v", command, wrote)
	}
	return strings.Join(strings.Fields(strings.ReplaceAll(command, "\\\n", "")), " ")
}

// has checks that a text contains all of the others.
func has(t *testing.T, text string, wanted ...string) {
	t.Helper()
	for _, want := range wanted {
		if !strings.Contains(text, want) {
			t.Errorf("there is no %q in:\n%s", want, text)
		}
	}
}

// TestWizardOneApp goes from nothing to an applied and checked plan with few keys.
func TestWizardOneApp(t *testing.T) {
	t.Parallel()
	p := oneApp(t)
	s := p.sit(t, 80, 24, "setup")
	s.press("> [x] web", enter)
	s.write("Search: _", "S3ReadOnly")
	s.press("> AmazonS3ReadOnlyAccess", enter)
	s.press("anything else", enter)
	s.write("> us-east-1", "fra")
	s.press("> eu-central-1", enter)
	s.press("Apply this plan?", "y")
	out := s.end(0)
	if s.presses > 7 {
		t.Errorf("%d keys were pressed beyond typing text, more than 7", s.presses)
	}

	const role = "arn:aws:iam::123456789012:role/fly-acme-web"
	roles := p.roles(t)
	if len(roles) != 1 || !strings.Contains(roles["fly-acme-web"], `"acme:web:*"`) {
		t.Errorf("the roles are %v", roles)
	}
	if want := "app = \"web\"\nprimary_region = \"fra\"\n\n[env]\n  AWS_ROLE_ARN = \"" + role + "\"\n  AWS_REGION = \"eu-central-1\"\n"; p.read(t, "fly.toml") != want {
		t.Errorf("fly.toml is\n%s", p.read(t, "fly.toml"))
	}
	for _, name := range []string{
		"OIDC provider oidc.fly.io/acme", "role fly-acme-web", "policy AmazonS3ReadOnlyAccess on role fly-acme-web",
		"AWS_ROLE_ARN in fly.toml", "AWS_REGION in fly.toml",
	} {
		if ended := regexp.MustCompile(`(?m)^  ✓ ` + regexp.QuoteMeta(name) + ` \([0-9.]+m?s\)$`); !ended.MatchString(out) {
			t.Errorf("the progress of %s does not end well:\n%s", name, out)
		}
	}
	if strings.Contains(out, "  · ") || regexp.MustCompile(`(?m)^ {2}→ (OIDC|role|policy|AWS)`).MatchString(out) {
		t.Errorf("some progress does not end:\n%s", out)
	}
	has(t, out,
		"✓ checked: role fly-acme-web allows acme:web:any-machine",
		"✓ checked: role fly-acme-web denies acme:web-neighbor:any-machine",
		"Next: fly deploy\n")
	if got, want := s.again(), "fly-aws setup --org acme --app web --policy AmazonS3ReadOnlyAccess --aws-region eu-central-1 --yes"; got != want {
		t.Errorf("the command is\n%s, not\n%s", got, want)
	}
}

// TestWizardThreeApps sets up three apps at once, with one role each or one for all.
func TestWizardThreeApps(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		answer  func(s *sitting)
		who     string
		roles   map[string][]string // the subjects of each
		command string
	}{
		{
			"a role each", func(s *sitting) { s.press("> one for each app", enter) }, "web",
			map[string][]string{"fly-acme-web": {"acme:web:*"}, "fly-acme-api": {"acme:api:*"}, "fly-acme-worker": {"acme:worker:*"}},
			"",
		},
		{
			"a shared role", func(s *sitting) {
				s.press("> one for each app", down)
				s.press("> one shared role", enter)
				s.press("> fly-acme", ctrlU)
				s.write("such as", "fly-backend")
				s.press("> fly-backend", enter)
			}, "it",
			map[string][]string{"fly-backend": {"acme:web:*", "acme:api:*", "acme:worker:*"}},
			" --role fly-backend",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := threeApps(t)
			s := p.sit(t, 80, 24, "setup")
			s.press("> [x] web", down, " ", down, " ")
			s.press("> [x] worker", enter)
			tt.answer(s)
			s.write("What may "+tt.who+" do in AWS?", "s3-w")
			s.press("> s3-write", enter)
			s.write("which bucket", "acme-files")
			s.press("> acme-files", enter)
			s.press("anything else "+tt.who+" may do", enter)
			if len(tt.roles) > 1 {
				s.press("> the same as web: s3-write acme-files", down)
				s.press("> the same as web, and for the other 1 too", enter)
			}
			s.write("> us-east-1", "fra")
			s.press("> eu-central-1", enter)
			s.press("Apply this plan?", "y")
			s.end(0)

			roles := p.roles(t)
			if len(roles) != len(tt.roles) {
				t.Errorf("the roles are %v", roles)
			}
			for name, subjects := range tt.roles {
				for _, subject := range subjects {
					has(t, roles[name], `"`+subject+`"`)
				}
			}
			if got := succeeded(p.world)["PutRolePolicy"]; got != len(tt.roles) {
				t.Errorf("%d policies were put into roles", got)
			}
			for _, app := range []string{"web", "api", "worker"} {
				config, role := filepath.Join(app, "fly.toml"), "fly-acme-"+app
				if app == "web" {
					config = "fly.toml"
				}
				if len(tt.roles) == 1 {
					role = "fly-backend"
				}
				has(t, p.read(t, config), "  AWS_ROLE_ARN = \"arn:aws:iam::123456789012:role/"+role+"\"\n  AWS_REGION = \"eu-central-1\"\n")
			}
			want := "fly-aws setup --org acme --app web --app api --app worker --config fly.toml --config api/fly.toml --config worker/fly.toml" +
				tt.command + " --preset s3-write=acme-files --aws-region eu-central-1 --yes"
			if got := s.again(); got != want {
				t.Errorf("the command is\n%s, not\n%s", got, want)
			}
		})
	}
}

// everyQuestion has every question, in order, in a world where none can be skipped: the
// text on the screen and the keys that answer it.
var everyQuestion = []struct{ seen, keys string }{
	{"Which AWS profile?", enter},
	{"Which Fly organization?", enter},
	{"Which Fly apps may use AWS?", down + " " + enter},
	{"No fly.toml was found for api.", down + enter},
	{"Where is the fly.toml of api?", "a/b/c/fly.toml" + enter},
	{"One role for each app, or one shared role?", down + enter},
	{"What should the shared role be named?", enter},
	{"What may it do in AWS?", "sqs-send" + enter},
	{"For the preset sqs-send: which queue?", "jobs" + enter},
	{"Is there anything else it may do?", "y"},
	{"What else may it do in AWS?", "own policy file" + enter},
	{"Which policy file?", "uploads.json" + enter},
	{"Is there anything else it may do?", "y"},
	{"What else may it do in AWS?", "managed policy by name" + enter},
	{"Which managed policy, by name or ARN?", "ReadOnlyAccess" + enter},
	{"Is there anything else it may do?", "n"},
	{"Which AWS region?", "eu-west-1" + enter},
	{"Apply this plan?", "y"},
}

// TestWizardBackFromThePlan goes back from the plan to the last question, where the
// answers are kept, and ends with Ctrl-C, which keeps them as a command line.
func TestWizardBackFromThePlan(t *testing.T) {
	t.Parallel()
	const command = "fly-aws setup --org acme --app web --policy AmazonS3ReadOnlyAccess --aws-region "
	for _, tt := range []struct {
		name string
		ask  func(*testing.T, *program) *sitting // until the plan
		back func(*sitting)                      // to another region
	}{
		{
			"form", func(t *testing.T, p *program) *sitting {
				t.Helper()
				s := p.sit(t, 80, 60, "setup")
				s.press("> [x] web", enter)
				s.write("Search: _", "S3ReadOnly")
				s.press("> AmazonS3ReadOnlyAccess", enter)
				s.press("anything else", enter)
				s.write("> us-east-1", "fra")
				s.press("> eu-central-1", enter)
				return s
			},
			func(s *sitting) {
				s.press("y or n, esc back, s keep", "\x1b")
				s.see("> eu-central-1") // it is still there
				s.write("Which AWS region?", "eu-west-1")
				s.press("Search: eu-west-1_", enter)
			},
		},
		{
			"plain", func(t *testing.T, p *program) *sitting {
				t.Helper()
				p.env = append(p.env, "ACCESSIBLE=1")
				s := p.sit(t, 80, 60, "setup")
				s.press("Which Fly apps", enter)
				s.press("What may it do", "AmazonS3ReadOnlyAccess"+enter)
				s.press("anything else", enter)
				s.press("Which AWS region", "eu-central-1"+enter)
				return s
			},
			func(s *sitting) {
				s.press("Apply this plan? [y/N] (b to go back, s", "b"+enter)
				s.press("name [eu-central-1: Europe (Frankfurt)] (< to go back)", "eu-west-1"+enter)
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			t.Run("changed", func(t *testing.T) {
				t.Parallel()
				p := oneApp(t)
				s := tt.ask(t, p)
				tt.back(s)
				s.see("AWS_REGION in fly.toml\n      eu-west-1\n")
				s.write("Apply this plan?", "y"+enter)
				s.end(0)
				has(t, p.read(t, "fly.toml"), `AWS_REGION = "eu-west-1"`)
				if got, want := s.again(), command+"eu-west-1 --yes"; got != want {
					t.Errorf("the command is\n%s, not\n%s", got, want)
				}
			})
			t.Run("ended at the plan", func(t *testing.T) {
				t.Parallel()
				p := oneApp(t)
				before := p.read(t, "fly.toml")
				s := tt.ask(t, p)
				s.press("Apply this plan?", ctrlC)
				has(t, unwrapped(s.end(130)), "Your answers as a command line: fly-aws setup --org acme --app web --policy AmazonS3ReadOnlyAccess \\ --aws-region eu-central-1")
				s.untouched(before)
			})
			t.Run("ended at a question", func(t *testing.T) {
				t.Parallel()
				p := oneApp(t)
				before := p.read(t, "fly.toml")
				s := tt.ask(t, p)
				s.press("Apply this plan?", map[string]string{"form": shiftTab, "plain": "b" + enter}[tt.name])
				s.press("Which AWS region?", ctrlC)
				has(t, unwrapped(s.end(130)), "Your answers as a command line: fly-aws setup --org acme")
				s.untouched(before)
			})
		})
	}
}

// TestWizardOffersAFile: at the plan, a key keeps the answers in fly-aws.toml too. The plan
// is then shown again, with the file.
func TestWizardOffersAFile(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, offer, again string }{
		{"form", "y or n, esc back, s keep it in fly-aws.toml", "y or n, enter next, esc back to the answers"},
		{"plain", "(b to go back, s to keep it in fly-aws.toml)", "(b to go back to the answers)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := oneApp(t)
			args, end := []string{"setup", "--policy", "ReadOnlyAccess", "--aws-region", "eu-central-1"}, ""
			if tt.name == "plain" {
				p.env, end = append(p.env, "ACCESSIBLE=1"), enter
			}
			s := p.sit(t, 80, 60, args...)
			s.press("Which Fly apps", enter)
			s.press(tt.offer, "s"+end)
			s.see("[apps.web]")
			s.press(tt.again, "y"+end)
			out := s.end(0)
			if n := strings.Count(out, tt.offer); n > 1 {
				t.Errorf("the file is offered %d times", n)
			}
			has(t, p.read(t, "fly-aws.toml"), "[apps.web]", `policies = ["ReadOnlyAccess"]`)
			if got := s.again(); !strings.HasSuffix(got, " --save --yes") {
				t.Errorf("the command is\n%s", got)
			}
		})
	}
}

// TestWizardShowsWhatIsAllowed: for a role of ours, the wizard shows what it may do
// already, and keeps it; for another role it does not.
func TestWizardShowsWhatIsAllowed(t *testing.T) {
	t.Parallel()
	p := oneApp(t)
	if out, exit := p.run(t, "setup", "-o", "acme", "-a", "web", "--aws-region", "eu-west-1", "--yes",
		"--policy", "AmazonS3ReadOnlyAccess", "--preset", "s3-write=uploads", "--preset", "sqs-send=jobs"); exit != 0 {
		t.Fatal(out)
	}
	s := p.sit(t, 80, 24, "setup")
	s.press("> [x] web", enter)
	s.readable("fly-acme-web can already: AmazonS3ReadOnlyAccess, s3-write uploads (inline), sqs-send jobs (inline)", "What else may it do in AWS?")
	s.press("> no more permissions", enter)
	out := s.end(0)
	has(t, out, "nothing to do")
	if strings.Contains(out, "not asked for") || strings.Contains(out, "nobody asked") {
		t.Errorf("what is kept is not asked for:\n%s", out)
	}
	want := "fly-aws setup --org acme --app web --policy AmazonS3ReadOnlyAccess --preset s3-write=uploads --preset sqs-send=jobs --yes"
	if got := s.again(); got != want {
		t.Errorf("the command is\n%s, not\n%s", got, want)
	}

	client := iam.New(iam.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(p.getenv("AWS_ENDPOINT_URL")),
		Credentials: credentials.NewStaticCredentialsProvider(sandbox.AccessKeyID, sandbox.SecretAccessKey, ""),
	})
	if _, err := client.UntagRole(t.Context(), &iam.UntagRoleInput{RoleName: aws.String("fly-acme-web"), TagKeys: []string{"fly-aws:org"}}); err != nil {
		t.Fatal(err)
	}
	s = p.sit(t, 80, 24, "setup")
	s.press("> [x] web", enter)
	s.see("> s3-read")
	if screen := s.Screen(); strings.Contains(screen, "can already") {
		t.Errorf("a role that is not ours is shown:\n%s", screen)
	}
	s.press("What may it do", ctrlC)
	s.end(130)
}

// TestWizardDifferentPermissions gives two apps different permissions, and a third those
// of the first: a command for each.
func TestWizardDifferentPermissions(t *testing.T) {
	t.Parallel()
	p := threeApps(t)
	s := p.sit(t, 80, 30, "setup")
	s.press("> [x] web", down, " ", down, " ")
	s.press("> [x] worker", enter)
	s.press("> one for each app", enter)
	s.write("What may web do in AWS?", "s3-w")
	s.press("> s3-write", enter)
	s.write("which bucket", "acme-files")
	s.press("> acme-files", enter)
	s.press("anything else web may do", enter)
	s.see("> the same as web: s3-write acme-files")
	s.write("What may api do in AWS?", "S3ReadOnly")
	s.press("> AmazonS3ReadOnlyAccess", enter)
	s.press("anything else api may do", enter)
	s.see("the same as api: AmazonS3ReadOnlyAccess")
	s.press("> the same as web: s3-write acme-files", enter)
	s.write("> us-east-1", "fra")
	s.press("> eu-central-1", enter)
	s.press("Apply this plan?", "y")
	s.end(0)
	if puts, attachments := succeeded(p.world)["PutRolePolicy"], succeeded(p.world)["AttachRolePolicy"]; puts != 2 || attachments != 1 {
		t.Errorf("%d policies were put into roles, and %d attached", puts, attachments)
	}
	want := "fly-aws setup --org acme --app web --app worker --config fly.toml --config worker/fly.toml --preset s3-write=acme-files --aws-region eu-central-1 --yes " +
		"fly-aws setup --org acme --app api --config api/fly.toml --policy AmazonS3ReadOnlyAccess --aws-region eu-central-1 --yes"
	if got := s.again(); got != want {
		t.Errorf("the commands are\n%s, not\n%s", got, want)
	}
}

// TestWizardOneConfigKnown patches the fly.toml that is known and prints the line for the
// other app.
func TestWizardOneConfigKnown(t *testing.T) {
	t.Parallel()
	p := oneApp(t)
	s := p.sit(t, 80, 30, "setup")
	s.press("> [x] web", down, " ")
	s.press("> [x] api", enter)
	s.see("No fly.toml was found for api.")
	s.press("> don't edit; print the lines to add", enter)
	s.press("> one for each app", enter)
	s.press("What may web do", shiftTab) // and back
	s.press("> one for each app", enter)
	s.write("What may web do in AWS?", "for now")
	s.press("> no permissions for now", enter)
	s.press("> the same as web: no permissions for now", enter)
	s.write("> us-east-1", "fra")
	s.press("> eu-central-1", enter)
	s.press("Apply this plan?", "y")
	out := unwrapped(s.end(0))
	has(t, p.read(t, "fly.toml"), "role/fly-acme-web")
	has(t, out, "fly deploy", "set AWS_ROLE_ARN=arn:aws:iam::123456789012:role/fly-acme-api")
	if got, want := s.again(), "fly-aws setup --org acme --app web --app api --aws-region eu-central-1 --yes"; got != want {
		t.Errorf("the command is\n%s, not\n%s", got, want)
	}
}

// inquisitive is a program that has to ask every question.
func inquisitive(t *testing.T) *program {
	t.Helper()
	w := &sandbox.World{}
	w.AddApp("acme", "web")
	w.AddApp("acme", "api")
	w.AddApp("zoo", "ape")
	p := newAsking(t, w)
	p.config(t, "fly.toml", "web", "")
	p.config(t, "a/b/c/fly.toml", "api", "") // too deep to be found
	keys := "aws_access_key_id = " + sandbox.AccessKeyID + "\naws_secret_access_key = " + sandbox.SecretAccessKey + "\n"
	for name, text := range map[string]string{
		"credentials":  "[default]\n" + keys + "[prod]\n" + keys,
		"uploads.json": `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:PutObject","Resource":"arn:aws:s3:::uploads/*"}}`,
	} {
		if err := os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p.env = append(p.env, "AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY=", "AWS_REGION=", "AWS_DEFAULT_REGION=",
		"AWS_SHARED_CREDENTIALS_FILE="+filepath.Join(p.dir, "credentials"))
	return p
}

// TestWizardCtrlC ends the wizard at each of its questions: nothing is written and the
// terminal is restored. With all of them answered, there is a plan.
func TestWizardCtrlC(t *testing.T) {
	t.Parallel()
	for n := range len(everyQuestion) + 1 {
		name := "none"
		if n < len(everyQuestion) {
			name = everyQuestion[n].seen
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := inquisitive(t)
			s := p.sit(t, 80, 40, "setup")
			for _, q := range everyQuestion[:n] {
				s.write(q.seen, q.keys)
				if strings.HasPrefix(q.seen, "Is there") && q.keys == "y" { // the same question is not taken for the next
					s.see("What else may it do")
				}
			}
			if n == len(everyQuestion) {
				s.end(0)
				want := "fly-aws setup --profile default --org acme --app web --app api --config fly.toml --config a/b/c/fly.toml --role fly-acme" +
					" --policy ReadOnlyAccess --preset sqs-send=jobs --inline-policy uploads.json --aws-region eu-west-1 --yes"
				if got := s.again(); got != want {
					t.Errorf("the command is\n%s, not\n%s", got, want)
				}
				return
			}
			s.press(name, ctrlC)
			out := s.end(130)
			if !strings.Contains(out, "Nothing was changed.") && !strings.Contains(out, "nothing was written") {
				t.Errorf("it does not say that nothing was written:\n%s", out)
			}
			s.untouched("app = \"web\"\n")
		})
	}
}

// TestWizardBack goes back and changes answers; the first answers have no effect on the
// plan.
func TestWizardBack(t *testing.T) {
	t.Parallel()
	p := threeApps(t)
	s := p.sit(t, 80, 40, "setup")
	s.press("> [x] web", enter)
	s.write("Search: _", "sqs-send")
	s.press("> sqs-send", enter)
	s.write("which queue", "jobs")
	s.press("> jobs", enter)
	s.press("anything else", shiftTab)
	s.press("> jobs", shiftTab) // it is still there
	s.press("> sqs-send", shiftTab)
	s.press("> [x] web", " ", down, " ") // not web, but api
	s.press("> [x] api", enter)
	s.write("Search: _", "S3ReadOnly")
	s.press("> AmazonS3ReadOnlyAccess", enter)
	s.press("anything else", enter)
	s.write("> us-east-1", "eu-west-1")
	s.press("> eu-west-1", enter)
	s.press("Apply this plan?", "y")
	s.end(0)

	if roles := p.roles(t); len(roles) != 1 || !strings.Contains(roles["fly-acme-api"], `"acme:api:*"`) {
		t.Errorf("the roles are %v", roles)
	}
	if text := p.read(t, "fly.toml"); strings.Contains(text, "AWS_") {
		t.Errorf("the file of the app web is\n%s", text)
	}
	has(t, p.read(t, "api/fly.toml"), "role/fly-acme-api\"", "eu-west-1")
	if got, want := s.again(), "fly-aws setup --org acme --app api --config api/fly.toml --policy AmazonS3ReadOnlyAccess --aws-region eu-west-1 --yes"; got != want {
		t.Errorf("the command is\n%s, not\n%s", got, want)
	}
}

// unwrapped returns the text regardless of line breaks.
func unwrapped(screen string) string {
	var words []string
	for line := range strings.Lines(screen) {
		words = append(words, strings.Fields(strings.TrimPrefix(line, "│ "))...)
	}
	return strings.Join(words, " ")
}

// readable waits until all of the texts can be read on the screen, over lines.
func (s *sitting) readable(texts ...string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	for _, text := range texts {
		if err := s.Until(ctx, fmt.Sprintf("%q", text), func(screen string) bool { return strings.Contains(unwrapped(screen), text) }); err != nil {
			s.t.Fatal(err)
		}
	}
}

// colored matches the sequences that set a foreground or background color.
var colored = regexp.MustCompile(`\x1b\[[0-9;:]*\b(3[0-8]|4[0-8]|9[0-7]|10[0-7])\b[0-9;:]*m`)

// TestWizardNarrow makes the window narrow in the middle of a question, or, without
// color, from the start. Everything stays readable and works as before.
func TestWizardNarrow(t *testing.T) {
	t.Parallel()
	for _, colors := range []bool{true, false} {
		t.Run(fmt.Sprint("colors ", colors), func(t *testing.T) {
			t.Parallel()
			p := threeApps(t)
			columns := 80
			if !colors {
				columns = 60
				p.env = append(p.env, "NO_COLOR=1")
			}
			s := p.sit(t, columns, 30, "setup")
			const account = "AWS account: 123456789012, as arn:aws:iam::123456789012:user/sandbox Fly organization: acme"
			s.press("> [x] web", down, " ")
			s.press("> [x] api", enter)
			s.press("> one for each app", enter)
			s.write("Search: _", "s3")
			s.see("Search: s3_")
			if colors {
				if err := s.Resize(60, 30); err != nil {
					t.Fatal(err)
				}
			}
			s.see("as\narn:aws:iam::123456789012:user/sandbox\n") // which no longer fits next to it
			s.readable(account+" Fly app: web, api role: one for each app What may web do in AWS?",
				"Type to search: s3, queue, a policy's name. Less is safer. Search: s3_",
				"> s3-read: read one S3 bucket or prefix s3-write: read and write one S3 bucket or prefix AmazonS3FullAccess",
				"type to search, arrows move, enter choose, shift+tab back")
			s.press("> s3-read", enter)
			s.readable("such as my-bucket/uploads", "A name or an ARN. The policy allows nothing else.")
			s.press("such as", enter) // the example is not an answer
			s.readable("! an answer is needed")
			s.write("an answer is needed", "files")
			s.press("> files", enter)
			s.press("anything else", enter)
			s.press("> the same as web: s3-read files", enter)
			s.readable("Fly does not set AWS_REGION, and the AWS SDKs need a region. Suggested: from your AWS configuration; then nearest to the app's primary region, fra.")
			s.write("> us-east-1", "fra")
			s.press("> eu-central-1", enter)
			s.press("Apply this plan?", "y")
			has(t, unwrapped(s.end(0)), account, "fly-acme-api allows", "Next: fly deploy")
			s.again()
			if found := colored.Find(s.Raw()); (found != nil) != colors {
				t.Errorf("colors are used: %q", found)
			}
		})
	}
}

// TestWizardPersonal: for the organization that Fly's tools call personal, the wizard
// uses the slug in its tokens.
func TestWizardPersonal(t *testing.T) {
	t.Parallel()
	for _, alone := range []bool{true, false} {
		t.Run(fmt.Sprint("alone ", alone), func(t *testing.T) {
			t.Parallel()
			w := &sandbox.World{PersonalOrg: "jane-doe-123"}
			w.AddApp("jane-doe-123", "notes")
			if !alone {
				w.AddApp("acme", "web")
			}
			p := newAsking(t, w)
			p.config(t, "fly.toml", "notes", "")
			s := p.sit(t, 80, 40, "setup")
			if !alone { // it is the folder's app
				s.press("> jane-doe-123, which Fly's tools call personal", enter)
			}
			s.see("Fly organization: jane-doe-123, which Fly's tools call personal")
			s.press("> [x] notes", enter)
			s.write("Search: _", "no permissions for now")
			s.press("> no permissions for now", enter)
			s.press("> us-east-1", enter)
			s.press("Apply this plan?", "y")
			out := s.end(0)
			has(t, out, "role fly-jane-doe-123-notes allows jane-doe-123:notes:any-machine")

			roles := p.roles(t)
			has(t, roles["fly-jane-doe-123-notes"], `"jane-doe-123:notes:*"`, "oidc.fly.io/jane-doe-123")
			for _, text := range []string{
				fmt.Sprint(roles), p.read(t, "fly.toml"), s.again(),
				strings.ReplaceAll(out, "which Fly's tools call personal", ""),
			} {
				if strings.Contains(text, "personal") {
					t.Errorf("the alias is in:\n%s", text)
				}
			}
			for _, c := range p.world.Calls() {
				if strings.Contains(c.Params.Encode(), "personal") {
					t.Errorf("%s is sent the alias: %v", c.Action, c.Params)
				}
			}
		})
	}
}

// describing is a proxy for the world's AWS that gives every managed policy a
// description.
func (p *program) describing(t *testing.T, description string) {
	t.Helper()
	behind, err := url.Parse(p.getenv("AWS_ENDPOINT_URL"))
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(behind)
			r.Out.Host = r.In.Host // it is signed
			r.Out.Header.Del("Accept-Encoding")
		},
		ModifyResponse: func(r *http.Response) error {
			text, err := io.ReadAll(r.Body)
			text = regexp.MustCompile(`<Description>[^<]*</Description>`).ReplaceAll(text, nil)
			text = bytes.ReplaceAll(text, []byte("<IsAttachable>"), []byte("<Description>"+description+"</Description><IsAttachable>"))
			r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
			r.Header.Set("Content-Length", strconv.Itoa(len(text)))
			return err
		},
	}
	server := httptest.NewServer(proxy)
	t.Cleanup(server.Close)
	p.env = append(p.env, "AWS_ENDPOINT_URL="+server.URL)
}

// TestWizardHostile: text from outside is cleaned before it reaches the terminal.
func TestWizardHostile(t *testing.T) {
	t.Parallel()
	const evil = "\x1b[5;41mred\x1b]0;owned\x07\u009b5m\u202e\r"
	w := &sandbox.World{FlyFault: func(c sandbox.FlyCall) sandbox.FlyFault {
		if slices.Equal(c.Fields, []string{"app"}) {
			return sandbox.FlyGraphQLError("refused" + evil)
		}
		return sandbox.FlyFault{}
	}}
	w.AddApp("acme", "api")
	w.AddApp("acme", "odd"+evil)
	w.AddOrg("acme", "Acme"+evil)
	w.AddOrg("other", "Other"+evil)
	p := newAsking(t, w)
	p.config(t, "d"+evil+"/fly.toml", "api", "")
	p.describing(t, "What\u009b5;41mit\u009d0;owned\u009c\u202eallows")
	s := p.sit(t, 80, 40, "setup")
	s.press(`> acme (Acme\x1b[5;41mred`, enter)
	s.readable(`not listed, because a trust policy cannot name them: odd\x1b[5;41mred`)
	s.press("> [ ] api", " ")
	s.press("> [x] api", enter)
	s.write("Search: _", "S3ReadOnly")
	s.readable(`What\u009b5;41mit\u009d0;owned\u009c\u202eallows`)
	s.press("> AmazonS3ReadOnlyAccess", enter)
	s.press("anything else", enter)
	s.press("> us-east-1", enter)
	s.readable(`AWS_REGION in d\x1b[5;41mred`)
	s.press("Apply this plan?", "n")
	s.end(1)
	raw := string(s.Raw())
	for _, not := range []string{"\x1b[5;", "\x1b]", "\x07", "\u009b", "\u009c", "\u009d", "\u202e"} {
		if at := strings.Index(raw, not); at >= 0 {
			t.Errorf("the terminal gets %q: …%q", not, raw[max(0, at-100):min(len(raw), at+100)])
		}
	}
}

// TestWizardWithoutFly asks for text instead of choices, and says what could not be
// checked.
func TestWizardWithoutFly(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, reason string
		fault        sandbox.FlyFault
		env          string
	}{
		{name: "not signed in", reason: "not signed in to Fly", env: "FLY_API_TOKEN="},
		{name: "down", reason: "503", fault: sandbox.FlyDown()},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := &sandbox.World{FlyFault: func(sandbox.FlyCall) sandbox.FlyFault { return tt.fault }}
			w.AddApp("acme", "web")
			p := newAsking(t, w)
			p.env = append(p.env, tt.env)
			p.config(t, "fly.toml", "web", "")
			s := p.sit(t, 80, 40, "setup")
			s.write("such as acme", "personal")
			s.press("> personal", enter)
			s.press("! ", ctrlU) // refused
			s.write("such as acme", "acme")
			s.readable("! the Fly organization and apps cannot be checked: ", tt.reason)
			s.press("> acme", enter)
			s.press("Fly organization: acme\n", "")
			s.press("> web", enter)
			s.write("Search: _", "S3ReadOnly")
			s.press("> AmazonS3ReadOnlyAccess", enter)
			s.press("anything else", enter)
			s.press("> us-east-1", enter)
			s.press("Apply this plan?", "y")
			has(t, unwrapped(s.end(0)), "cannot be checked")
			has(t, p.roles(t)["fly-acme-web"], `"acme:web:*"`)
			if got, want := s.again(), "fly-aws setup --org acme --app web --policy AmazonS3ReadOnlyAccess --aws-region us-east-1 --yes"; got != want {
				t.Errorf("the command is\n%s, not\n%s", got, want)
			}
		})
	}
}

// TestWizardWithoutAWS asks nothing if the user is not signed in to AWS.
func TestWizardWithoutAWS(t *testing.T) {
	t.Parallel()
	p := oneApp(t)
	p.env = append(p.env, "AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY=")
	before := p.read(t, "fly.toml")
	s := p.sit(t, 80, 40, "setup")
	out := s.end(4)
	has(t, out, "Error: ", "\n→ ", "aws configure")
	if strings.Contains(out, "Which") {
		t.Errorf("it asks:\n%s", out)
	}
	s.untouched(before)
}

// TestWizardAnswerNo declines the plan.
func TestWizardAnswerNo(t *testing.T) {
	t.Parallel()
	p := oneApp(t)
	before := p.read(t, "fly.toml")
	s := p.sit(t, 80, 40, "setup")
	s.press("> [x] web", enter)
	s.write("Search: _", "S3ReadOnly")
	s.press("> AmazonS3ReadOnlyAccess", enter)
	s.press("anything else", enter)
	s.write("> us-east-1", "fra")
	s.press("> eu-central-1", enter)
	s.press("Apply this plan?", "n")
	out := s.end(1)
	has(t, out, "Plan: 5 to create.", "Nothing was changed.")
	s.untouched(before)
}
