package wizard

import (
	"bytes"
	"context"
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/fly-aws/fly-aws/internal/preset"
	"github.com/fly-aws/fly-aws/setup"
)

// piped runs the wizard with all answers in a pipe.
func piped(t *testing.T, w *world, d Draft, answers ...string) (Result, string, error) {
	t.Helper()
	var out bytes.Buffer
	in := strings.NewReader(lines(answers))
	result, err := ask(t.Context(), Options{In: in, Out: &out, Accessible: true, Strict: true}, w, d)
	if err == nil && in.Len() > 0 {
		t.Errorf("%d bytes of the answers were not asked for", in.Len())
	}
	return result, out.String(), err
}

// lines ends each answer with a newline.
func lines(answers []string) string {
	var b strings.Builder
	for _, answer := range answers {
		b.WriteString(answer + "\n")
	}
	return b.String()
}

// A dialog is a world, the answers to its questions, and the expected result.
type dialog struct {
	name    string
	world   func() *world
	draft   Draft
	answers []string
	args    string // of the command line
	request func(*setup.Request)
}

func web() setup.Request {
	return setup.Request{Org: "acme", Roles: []setup.RoleRequest{{Apps: []setup.App{{Name: "web", Config: "fly.toml"}}}}}
}

var dialogs = []dialog{
	{
		name: "one app", world: oneApp,
		answers: []string{"", "AmazonS3ReadOnlyAccess", "", ""},
		args:    "--org acme --app web --policy AmazonS3ReadOnlyAccess --aws-region eu-central-1",
		request: func(r *setup.Request) {
			r.Roles[0].Apps[0].Region = "eu-central-1"
			r.Roles[0].Policies = []string{"AmazonS3ReadOnlyAccess"}
		},
	},
	{
		name: "three apps share a role with a preset", world: threeApps,
		answers: []string{"1,2 3", "shared", "", "1", "my-bucket/uploads", "n", "eu-west-1"},
		args: "--org acme --app web --app api --app worker --config fly.toml --config api/fly.toml --config worker/fly.toml " +
			"--role fly-acme --preset s3-read=my-bucket/uploads --aws-region eu-west-1",
		request: func(r *setup.Request) {
			role := setup.RoleRequest{Name: "fly-acme", Presets: []setup.Preset{{Name: "s3-read", Answer: "my-bucket/uploads"}}}
			r.Roles = setup.RolesFor([]setup.App{
				{Name: "web", Config: "fly.toml", Region: "eu-west-1"},
				{Name: "api", Config: "api/fly.toml", Region: "eu-west-1"},
				{Name: "worker", Config: "worker/fly.toml", Region: "eu-west-1"},
			}, role)
		},
	},
	{
		name: "not signed in to Fly, no fly.toml, nothing allowed yet",
		world: func() *world {
			w := oneApp()
			w.orgsErr, w.configs = errOffline, nil
			return w
		},
		answers: []string{"jane-doe-123", "web, api", "leave", "each", "none", ""},
		args:    "--org jane-doe-123 --app web --app api --no-patch",
		request: func(r *setup.Request) {
			r.Org, r.Roles = "jane-doe-123", setup.RolesFor([]setup.App{{Name: "web"}, {Name: "api"}}, setup.RoleRequest{})
		},
	},
	{
		name: "several profiles and organizations, the personal one under its raw slug",
		world: func() *world {
			w := oneApp()
			w.profiles = []string{"default", "prod"}
			w.identities["prod"] = Identity{Account: "444455556666", Partition: "aws", Caller: "arn:aws:sts::444455556666:assumed-role/Admin/jane", Region: "us-west-2"}
			w.orgs = append(w.orgs, setup.Organization{Slug: "personal", RawSlug: "jane-doe-123", Name: "Jane Doe"})
			w.apps["jane-doe-123"] = []string{"web"}
			return w
		},
		answers: []string{"prod", "2", "", "ReadOnlyAccess", "", ""},
		args:    "--profile prod --org jane-doe-123 --app web --policy ReadOnlyAccess --aws-region us-west-2",
		request: func(r *setup.Request) {
			r.Org = "jane-doe-123"
			r.Roles[0].Apps[0].Region = "us-west-2" // the profile's region takes precedence over the app's
			r.Roles[0].Policies = []string{"ReadOnlyAccess"}
		},
	},
	{
		name: "flags said all but the organization and the region", world: oneApp,
		draft: Draft{
			Args: []string{"--preset", "sqs-send=jobs", "--permissions-boundary", "Bound"},
			Apps: []setup.App{{Name: "web"}},
			Role: setup.RoleRequest{Boundary: "Bound", Presets: []setup.Preset{{Name: "sqs-send", Answer: "jobs"}}}, Machines: []string{"m1"}, Audience: "aud", Adopt: true, Prune: true, Env: "WEB_ROLE_ARN",
		},
		answers: []string{"eu-west-2"},
		args:    "--preset sqs-send=jobs --permissions-boundary Bound --org acme --app web --aws-region eu-west-2",
		request: func(r *setup.Request) {
			r.Audience, r.Adopt, r.Prune = "aud", true, true
			r.Roles[0].Apps[0].Env = "WEB_ROLE_ARN"
			r.Roles[0].Apps[0].Machines, r.Roles[0].Apps[0].Region = []string{"m1"}, "eu-west-2"
			r.Roles[0].Boundary, r.Roles[0].Presets = "Bound", []setup.Preset{{Name: "sqs-send", Answer: "jobs"}}
		},
	},
	{
		name: "a policy file and a policy by name, the fly.toml elsewhere, its region kept",
		world: func() *world {
			w := oneApp()
			w.elsewhere = []setup.AppConfig{{Path: "deploy/api.toml", App: "api", AWSRegion: "eu-west-3"}}
			w.policies = append(w.policies, setup.ManagedPolicy{Name: "Custom", ARN: "arn:aws:iam::111122223333:policy/Custom"})
			return w
		},
		answers: []string{"api", "give", "deploy/api.toml", "file", "uploads.json", "y", "name", "Custom", "n"},
		args:    "--org acme --app api --config deploy/api.toml --policy Custom --inline-policy uploads.json",
		request: func(r *setup.Request) {
			r.Roles = []setup.RoleRequest{{
				Apps:     []setup.App{{Name: "api", Config: "deploy/api.toml"}},
				Policies: []string{"Custom"},
				Inline:   []setup.InlinePolicy{uploads(oneApp())},
			}}
		},
	},
}

// commands returns the command lines, one per line.
func (r Result) commands() string {
	var lines []string
	for _, args := range r.Commands {
		lines = append(lines, strings.Join(args, " "))
	}
	return strings.Join(lines, "\n")
}

// TestSeveralApps asks about each app with a role of its own. Apps with the same
// permissions are one command.
func TestSeveralApps(t *testing.T) {
	t.Parallel()
	known := func(names ...string) func(*world) {
		return func(w *world) {
			w.configs = slices.DeleteFunc(w.configs, func(c setup.AppConfig) bool { return !slices.Contains(names, c.App) })
		}
	}
	for _, tt := range []struct {
		name     string
		world    func(*world)
		draft    Draft
		answers  []string
		commands string
		shown    string
	}{
		{
			"the same by default", known("web", "api"),
			Draft{},
			[]string{"web,api", "each", "ReadOnlyAccess", "n", "", "-"},
			"--org acme --app web --app api --config fly.toml --config api/fly.toml --policy ReadOnlyAccess",
			"What may api do in AWS?\n",
		},
		{
			"different ones", known("web", "api", "worker"),
			Draft{Args: []string{"--tag", "a=b"}, Role: setup.RoleRequest{Tags: map[string]string{"a": "b"}}},
			[]string{"web,api,worker", "each", "ReadOnlyAccess", "n", "s3-read", "files", "n", "the same as api", "eu-west-1"},
			"--tag a=b --org acme --app web --policy ReadOnlyAccess --aws-region eu-west-1\n" +
				"--tag a=b --org acme --app api --app worker --config api/fly.toml --config worker/fly.toml --preset s3-read=files --aws-region eu-west-1",
			"  1) the same as web: ReadOnlyAccess\n  2) the same as api: s3-read files\n",
		},
		{
			"for the rest too", known("web", "api", "worker"),
			Draft{},
			[]string{"web,api,worker", "each", "ReadOnlyAccess", "n", "2", "-"},
			"--org acme --app web --app api --app worker --config fly.toml --config api/fly.toml --config worker/fly.toml --policy ReadOnlyAccess",
			"  2) the same as web, and for the other 1 too: ReadOnlyAccess\n",
		},
		{
			"without a known fly.toml", known("web"),
			Draft{},
			[]string{"web,api", "leave", "each", "ReadOnlyAccess", "n", "none", "eu-west-1"},
			"--org acme --app web --policy ReadOnlyAccess --aws-region eu-west-1\n--org acme --app api --no-patch",
			"",
		},
		{
			"one of them with a known fly.toml", known("api"),
			Draft{},
			[]string{"web,api", "leave", "each", "none", "", "eu-west-1"},
			"--org acme --app web --app api --config api/fly.toml --aws-region eu-west-1",
			"No fly.toml was found for web.",
		},
		{
			"a pattern", known("web"),
			Draft{Args: []string{"--role", "tenants"}, Apps: []setup.App{{Name: "tenant-*"}}, Role: setup.RoleRequest{Name: "tenants"}},
			[]string{"sqs-send", "jobs", "n", "eu-west-1"},
			"--role tenants --org acme --app tenant-* --preset sqs-send=jobs --aws-region eu-west-1",
			"The region of the resources that the policy names.",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := threeApps()
			tt.world(w)
			got, out, err := piped(t, w, tt.draft, tt.answers...)
			if err != nil || got.commands() != tt.commands || !strings.Contains(out, tt.shown) {
				t.Errorf("%v; the commands are\n%s\nwant\n%s\nafter\n%s", err, got.commands(), tt.commands, out)
			}
		})
	}
}

// TestHeldPermissions shows what a role may do already, and asks for it too. A preset's
// resource in another region stays as it is.
func TestHeldPermissions(t *testing.T) {
	t.Parallel()
	access := Access{
		Policies: []string{"ReadOnlyAccess"}, Region: "eu-central-1", Inline: []string{"by-hand\x1b[2J"},
		Presets: []setup.Preset{{Name: "s3-write", Answer: "uploads"}, {Name: "sqs-send", Answer: "jobs"}},
	}
	for _, tt := range []struct {
		name    string
		world   func(*world)
		answers []string
		args    string
		shown   string
	}{
		{
			"no more", func(*world) {},
			[]string{"", "", ""},
			"--org acme --app web --policy ReadOnlyAccess --preset s3-write=uploads --preset sqs-send=jobs --aws-region eu-central-1",
			"fly-acme-web can already: ReadOnlyAccess, s3-write uploads (inline), sqs-send jobs (inline), by-hand?[2J (inline)\n\nWhat else may it do in AWS?",
		},
		{
			"in another region", func(*world) {},
			[]string{"", "", "us-east-1"},
			"--org acme --app web --policy ReadOnlyAccess --preset s3-write=uploads --aws-region us-east-1", "[no more permissions]",
		},
		{
			"in the region of fly.toml", func(w *world) { w.configs[0].AWSRegion = "eu-central-1" },
			[]string{"", "AmazonS3FullAccess", "n"},
			"--org acme --app web --policy ReadOnlyAccess --policy AmazonS3FullAccess --preset s3-write=uploads --preset sqs-send=jobs", ") no more permissions\n",
		},
		{
			"the same for another app", func(w *world) { w.configs[0].AWSRegion = "eu-central-1" },
			[]string{"web,api", "leave", "each", "", "same", "1", "eu-central-1"},
			"--org acme --app web --app api --policy ReadOnlyAccess --preset s3-write=uploads --preset sqs-send=jobs --aws-region eu-central-1", "What may api do in AWS?",
		},
		{
			"unknown", func(w *world) { w.roles, w.rolesErr = nil, errors.New("iam:GetRole is denied") },
			[]string{"", "none", ""},
			"--org acme --app web --aws-region eu-central-1", "! what the apps may do already could not be looked up: iam:GetRole is denied\n",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := oneApp()
			w.roles = map[string]Access{"fly-acme-web": access}
			tt.world(w)
			var out bytes.Buffer
			got, err := ask(t.Context(), Options{In: strings.NewReader(lines(tt.answers)), Out: &out, Accessible: true}, w, Draft{})
			if err != nil || got.commands() != tt.args || !strings.Contains(out.String(), tt.shown) {
				t.Errorf("%v; the command is\n%s\nwant\n%s\nand %q after\n%s", err, got.commands(), tt.args, tt.shown, &out)
			}
		})
	}
}

// TestAskAgain goes back to the last question, with the answers kept.
func TestAskAgain(t *testing.T) {
	t.Parallel()
	w := oneApp()
	iv := New(Options{In: strings.NewReader(lines([]string{"", "none", "eu-west-1", "", "<", "ReadOnlyAccess", "n", "eu-west-2"})), Out: io.Discard, Accessible: true}, w, Draft{})
	for _, want := range []string{
		"--org acme --app web --aws-region eu-west-1",
		"--org acme --app web --aws-region eu-west-1",
		"--org acme --app web --policy ReadOnlyAccess --aws-region eu-west-2",
	} {
		if got, err := iv.Ask(t.Context()); err != nil || got.command() != want {
			t.Errorf("%v: %s, want %s", err, got.command(), want)
		}
	}
	if w.calls["policies"] != 1 || w.calls["identity "] != 1 {
		t.Errorf("the sources were asked again: %v", w.calls)
	}
}

// TestConfirm: only y and yes mean yes. At a terminal, b goes back and s keeps a file.
func TestConfirm(t *testing.T) {
	t.Parallel()
	back, both := Instead{Back: true}, Instead{Back: true, File: "fly-aws.toml"}
	for _, tt := range []struct {
		line    string
		instead Instead
		strict  bool
		want    bool
		err     error
	}{
		{"y\n", back, false, true, nil},
		{" YES\n", Instead{}, true, true, nil},
		{"yes", Instead{}, true, true, nil}, // the end of the input
		{"\n", both, false, false, nil},
		{"yess\n", back, false, false, nil},
		{"b\n", back, false, false, ErrBack},
		{"<\n", both, false, false, ErrBack},
		{"s\n", both, false, false, ErrSave},
		{"s\n", back, false, false, nil},
		{"b\n", Instead{}, false, false, nil},
		{"s\n", both, true, false, nil}, // the next line of a pipe is not for a question
	} {
		var out bytes.Buffer
		got, err := Confirm(t.Context(), Options{In: strings.NewReader(tt.line), Out: &out, Accessible: true, Strict: tt.strict}, "Go on?", tt.instead)
		if got != tt.want || !errors.Is(err, tt.err) || strings.Contains(out.String(), "go back") != (tt.instead.Back && !tt.strict) {
			t.Errorf("%q: %v, %v after %q", tt.line, got, err, &out)
		}
	}
	_, err := Confirm(t.Context(), Options{In: strings.NewReader(""), Out: io.Discard, Accessible: true}, "Go on?", Instead{})
	var input *InputError
	if !errors.As(err, &input) || input.Question != Confirmation {
		t.Errorf("at the end of the input: %v", err)
	}
}

// uploads returns the policy in the world's file uploads.json.
func uploads(w *world) setup.InlinePolicy {
	p, err := w.PolicyFile(context.Background(), "uploads.json")
	if err != nil {
		panic(err)
	}
	return p
}

func (d dialog) check(t *testing.T, got Result) {
	t.Helper()
	want := web()
	d.request(&want)
	if a, b := asJSON(t, got.Request), asJSON(t, want); a != b {
		t.Errorf("the request is\n%s\nwant\n%s", a, b)
	}
	if args := got.command(); args != d.args {
		t.Errorf("the command line is\n%s\nwant\n%s", args, d.args)
	}
}

func TestPipedAnswers(t *testing.T) {
	t.Parallel()
	for _, d := range dialogs {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			got, out, err := piped(t, d.world(), d.draft, d.answers...)
			if err != nil {
				t.Fatalf("%v, after\n%s", err, out)
			}
			d.check(t, got)
		})
	}
}

// TestCutOff ends the input after each answer. The error names the unanswered question,
// and no default is used.
func TestCutOff(t *testing.T) {
	t.Parallel()
	for _, d := range dialogs {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			var before string
			for n := range d.answers {
				got, out, err := piped(t, d.world(), d.draft, d.answers[:n]...)
				var input *InputError
				if !errors.As(err, &input) || input.Question == "" || input.Answer != "" {
					t.Fatalf("after %d answers: %v", n, err)
				}
				if len(got.Request.Roles) > 0 || got.Commands != nil {
					t.Errorf("after %d answers there is a result", n)
				}
				if !strings.Contains(err.Error(), input.Question) {
					t.Errorf("the error %q does not name the question", err)
				}
				if n > 0 && !strings.HasPrefix(out, strings.TrimSuffix(before, "\n")) {
					t.Errorf("after %d answers another question was asked:\n%s\nbefore:\n%s", n, out, before)
				}
				before = out
			}
		})
	}
}

// TestUnusableAnswers: a wrong answer ends the wizard in a pipe and is asked for again on
// a terminal.
func TestUnusableAnswers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		answers []string
		reason  string
	}{
		{[]string{"shop"}, "is not in the list"},
		{[]string{"4"}, "is not in the list"},
		{[]string{"0"}, "is not in the list"},
		{[]string{","}, "at least one"},
		{[]string{"", "S3"}, "is not in the list"},
		{[]string{"", ""}, "an answer is needed"},
		{[]string{"", "s3"}, "is not in the list"},
		{[]string{"", "1", "my-bucket/*"}, "not '*'"},
		{[]string{"", "1", ""}, "an answer is needed"},
		{[]string{"", "1", "my-bucket", "maybe"}, "type y or n"},
		{[]string{"", "1", "my-bucket", "", "fra"}, "did you mean eu-central-1?"},
		{[]string{"", "1", "my-bucket", "", "europe"}, "one looks like eu-central-1"},
		{[]string{"", "1", "my-bucket", "", "cn-north-1"}, "it is in the partition aws-cn, and the account is in aws"},
		{[]string{"", "sqs-send", "jobs", "", "-"}, "no AWS region looks like that"},
		{[]string{"", "file", "none.json"}, "there is no"},
	} {
		_, out, err := piped(t, oneApp(), Draft{}, tt.answers...)
		var input *InputError
		if !errors.As(err, &input) || !strings.Contains(err.Error(), tt.reason) || input.Answer != tt.answers[len(tt.answers)-1] {
			t.Errorf("%q: %v, want an error with %q; after\n%s", tt.answers, err, tt.reason, out)
		}
	}
}

func TestPerson(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		answers []string
		args    string
		shown   string
	}{
		{
			"asks again",
			[]string{"shop", "web", "sqs", "1", "jo bs", "jobs", "", "fra", "-"},
			"", "the name of a queue has letters, digits and -_, not ' '",
		},
		{
			"searches",
			[]string{"", "s3full", "1", "n", ""},
			"--org acme --app web --policy AmazonS3FullAccess --aws-region eu-central-1", "  1) AmazonS3FullAccess",
		},
		{
			"goes back",
			[]string{"api,web", "<", "web", "none", "<", "ReadOnlyAccess", "", "<", "", "us-east-1"},
			"--org acme --app web --policy ReadOnlyAccess --aws-region us-east-1", "(< to go back)",
		},
		{
			"no region", []string{"", "none", "none"}, "--org acme --app web", "  1) none for now",
		},
		{
			"finds a region",
			[]string{"", "none", "zurich", "1"},
			"--org acme --app web --aws-region eu-central-2", "  1) eu-central-2: Europe (Zurich)",
		},
		{
			"finds a region by one of Fly",
			[]string{"", "none", "nrt", "1"},
			"--org acme --app web --aws-region ap-northeast-1", "  1) ap-northeast-1: Asia Pacific (Tokyo)",
		},
		{
			"has an unlisted region",
			[]string{"", "none", "europe west", "eu-west-9"},
			"--org acme --app web --aws-region eu-west-9", "eu-west-3: Europe (Paris)",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			w := oneApp()
			w.configs[0].PrimaryRegion = map[bool]string{true: "fra"}[tt.name != "no region"]
			in := strings.NewReader(lines(tt.answers))
			got, err := ask(t.Context(), Options{In: in, Out: &out, Accessible: true}, w, Draft{})
			if tt.args == "" {
				var input *InputError // the queue needs a region
				if !errors.As(err, &input) || input.Question != "AWS region" {
					t.Errorf("%v, want that no region was given", err)
				}
			} else if args := got.command(); err != nil || args != tt.args {
				t.Errorf("%q, %v; want %q", args, err, tt.args)
			}
			if !strings.Contains(out.String(), tt.shown) {
				t.Errorf("%q is not shown:\n%s", tt.shown, out.String())
			}
			if w.calls["organizations"] != 1 || w.calls["apps acme"] != 1 {
				t.Errorf("the sources were asked again: %v", w.calls)
			}
		})
	}
}

// TestOtherProfile chooses another profile after a failed sign-in; the command line has it.
func TestOtherProfile(t *testing.T) {
	t.Parallel()
	w := oneApp()
	w.profiles = []string{"old", "prod"}
	w.identities = map[string]Identity{"prod": w.identities[""]}
	d := Draft{Args: []string{"--profile", "old"}, Profile: "old"}
	in := strings.NewReader("old\nprod\n\nnone\n\n")
	var out bytes.Buffer
	got, err := ask(t.Context(), Options{In: in, Out: &out, Accessible: true}, w, d)
	if err != nil || got.Profile != "prod" || !strings.HasPrefix(got.command(), "--profile old --profile prod ") {
		t.Errorf("%+v, %v after\n%s", got, err, out.String())
	}
	if n := strings.Count(out.String(), "have expired"); n != 2 {
		t.Errorf("it is said %d times that signing in failed, want twice:\n%s", n, out.String())
	}
	w.profiles = nil
	if _, _, err := piped(t, w, d); err == nil || !strings.Contains(err.Error(), "have expired") {
		t.Errorf("without another profile: %v", err)
	}
}

// signInRetried is a world in which signing in works on the second attempt.
type signInRetried struct {
	*world
	tries int
}

func (m *signInRetried) Identity(ctx context.Context, profile string) (Identity, error) {
	if m.tries++; m.tries == 1 {
		return Identity{}, errors.New("the session has expired")
	}
	return m.world.Identity(ctx, profile)
}

// TestSignInRetried signs in with the same profile again and then goes back: the answer to
// a question that is no longer asked is dropped.
func TestSignInRetried(t *testing.T) {
	t.Parallel()
	w := oneApp()
	w.profiles = []string{"default", "prod"}
	w.identities["default"] = w.identities[""]
	var out bytes.Buffer
	in := strings.NewReader("default\ndefault\nweb\n<\nweb\nnone\n\n")
	got, err := ask(t.Context(), Options{In: in, Out: &out, Accessible: true}, &signInRetried{world: w}, Draft{})
	want := "--profile default --org acme --app web --aws-region eu-central-1"
	if args := got.command(); err != nil || args != want {
		t.Errorf("%q, %v; want %q; after\n%s", args, err, want, out.String())
	}
}

func TestOrganizationsAndApps(t *testing.T) {
	t.Parallel()
	jane := setup.Organization{Slug: "personal", RawSlug: "jane-doe-123"}
	for _, tt := range []struct {
		name    string
		world   func(*world)
		draft   Draft
		answers []string
		org     string
		shown   string
	}{
		{"the alias is resolved", func(w *world) { w.orgs = append(w.orgs, jane) }, Draft{Org: "personal"}, []string{"web", "none", "-"}, "jane-doe-123", "Which Fly apps"},
		{"the alias cannot be resolved", func(w *world) { w.orgsErr = errOffline }, Draft{Org: "personal"}, []string{"jane-doe-123", "", "none", ""}, "jane-doe-123", "raw slug"},
		{"the alias is refused", func(w *world) { w.orgsErr = errOffline }, Draft{}, []string{"personal"}, "", "raw slug"},
		{"the app's own organization comes first", func(w *world) {
			w.orgs = append(w.orgs, jane)
			w.configs[0].Org = "jane-doe-123"
			w.apps["jane-doe-123"] = []string{"web"}
		}, Draft{}, []string{"", "", "none", ""}, "jane-doe-123", "[jane-doe-123, which Fly's tools call personal]"},
		{"an organization of someone else", nil, Draft{Org: "other"}, []string{"web", "none", ""}, "other", "not one of your Fly organizations"},
		{"no apps yet", func(w *world) { w.apps = nil }, Draft{}, []string{"", "none", ""}, "acme", "has no apps yet"},
		{"apps cannot be listed", func(w *world) { w.appsErr = errOffline }, Draft{}, []string{"web", "none", ""}, "acme", "cannot be checked: not signed in"},
		{"fly.toml of another organization's app", func(w *world) { w.configs[0].App = "blog" }, Draft{}, []string{"web", "leave", "none"}, "acme", "fly.toml is for the app blog"},
		{"no policies can be listed", func(w *world) { w.policies, w.policiesErr = nil, errors.New("iam:ListPolicies is denied") }, Draft{}, []string{"", "name", "X", "", ""}, "acme", "iam:ListPolicies is denied"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := oneApp()
			if tt.world != nil {
				tt.world(w)
			}
			got, out, err := piped(t, w, tt.draft, tt.answers...)
			if got.Request.Org != tt.org || (tt.org == "") != (err != nil) {
				t.Errorf("the organization is %q, %v, want %q; after\n%s", got.Request.Org, err, tt.org, out)
			}
			if !strings.Contains(out, tt.shown) {
				t.Errorf("%q is not shown:\n%s", tt.shown, out)
			}
		})
	}
}

// TestHostileText has escape sequences in every text from outside.
func TestHostileText(t *testing.T) {
	t.Parallel()
	const evil = "\x1b[2J\x1b]0;pwned\a\u202e\x9b31m"
	w := oneApp()
	w.profiles = []string{"default", "p" + evil}
	id := w.identities[""]
	id.Alias, id.Caller = "a"+evil, "arn"+evil
	w.identities = map[string]Identity{"p" + evil: id}
	w.orgs = append(w.orgs, setup.Organization{Slug: "s" + evil, RawSlug: "other", Name: "n" + evil})
	w.apps["acme"] = append(w.apps["acme"], "app"+evil)
	w.configs[0].App = "own" + evil
	w.policies = []setup.ManagedPolicy{{Name: "Policy" + evil, ARN: "arn" + evil}}
	var out bytes.Buffer
	in := strings.NewReader("default\n2\nacme\nx" + evil + "\nweb\nleave\nx" + evil + "\npolicy\n1\n\n")
	if _, err := ask(t.Context(), Options{In: in, Out: &out, Accessible: true}, w, Draft{}); err != nil {
		t.Errorf("%v", err)
	}
	for i, r := range out.String() {
		if r != '\n' && (r < ' ' || r >= 0x7f && r < 0xa0 || r == 0x202e) {
			t.Fatalf("%q reaches the terminal: …%q", r, out.String()[max(0, i-40):i+1])
		}
	}
	for _, seen := range []string{"pwned", "not listed"} {
		if !strings.Contains(out.String(), seen) {
			t.Errorf("%q is not shown at all:\n%s", seen, out.String())
		}
	}
	_, err := ask(t.Context(), Options{In: strings.NewReader("p" + evil + "\nx" + evil + "\n"), Out: &out, Accessible: true, Strict: true}, w, Draft{})
	if err == nil || strings.ContainsAny(err.Error(), "\x1b\a\u202e") {
		t.Errorf("the error is %q", err)
	}
}

// TestProblemsSayWhatToType: what is refused is never only refused.
func TestProblemsSayWhatToType(t *testing.T) {
	t.Parallel()
	w := oneApp()
	w.orgsErr, w.configs = errOffline, nil
	said := regexp.MustCompile(`: type |; type |; leave that app out|did you mean|looks like|^type `)
	for _, answers := range [][]string{
		{""},
		{"personal"},
		{"a b"},
		{"acme", ""},
		{"acme", "a_b"},
		{"acme", strings.Repeat("a", 62)},
		{"acme", "web", ""},
		{"acme", "web", "5"},
		{"acme", "web", "give", ""},
		{"acme", "web", "give", "x"},
		{"acme", "web,api", "leave", "shared", "a b"},
		{"acme", "web,api", "leave", "shared", strings.Repeat("a", 65)},
		{"acme", "web", "leave", ""},
		{"acme", "web", "leave", "what"},
		{"acme", "web", "leave", "name", ""},
		{"acme", "web", "leave", "name", "a b"},
		{"acme", "web", "leave", "name", "x"},
		{"acme", "web", "leave", "file", ""},
		{"acme", "web", "leave", "file", "x"},
		{"acme", "web", "leave", "s3-read", ""},
		{"acme", "web", "leave", "s3-read", "a b"},
		{"acme", "web", "leave", "s3-read", "arn:aws:sqs:x"},
		{"acme", "web", "leave", "s3-read", "files", "maybe"},
		{"acme", "web", "leave", "s3-read", "files", "y", "s3-read", "files"},
		{"acme", "web", "leave", "sqs-send", "jobs", "n", ""},
		{"acme", "web", "leave", "sqs-send", "jobs", "n", "fra"},
		{"acme", "web", "leave", "sqs-send", "jobs", "n", "x"},
		{"acme", "web", "leave", "sqs-send", "jobs", "n", "cn-north-1"},
	} {
		_, _, err := piped(t, w, Draft{}, answers...)
		var input *InputError
		if !errors.As(err, &input) || !said.MatchString(input.Reason) {
			t.Errorf("%q: %v", answers, err)
		}
	}
}

// TestReadsNoFurther leaves the rest of the input in the pipe.
func TestReadsNoFurther(t *testing.T) {
	t.Parallel()
	in := strings.NewReader("\nnone\n\ny\nrest")
	o := Options{In: in, Out: io.Discard, Accessible: true, Strict: true}
	if _, err := ask(t.Context(), o, oneApp(), Draft{}); err != nil {
		t.Fatal(err)
	}
	if rest, _ := io.ReadAll(in); string(rest) != "y\nrest" {
		t.Errorf("%q is left of the input, want %q", rest, "y\nrest")
	}
}

// If several config files name the app, none is chosen silently.
func TestSeveralConfigsOfAnApp(t *testing.T) {
	t.Parallel()
	w := oneApp()
	w.configs = []setup.AppConfig{{Path: "web/fly.toml", App: "web"}, {Path: "staging/fly.toml", App: "web"}}
	var out bytes.Buffer
	in := strings.NewReader("web\nleave\nnone\n")
	result, err := ask(t.Context(), Options{In: in, Out: &out, Accessible: true, Strict: true}, w, Draft{})
	if err != nil || result.Request.Roles[0].Apps[0].Config != "" || !strings.Contains(out.String(), "No fly.toml, or more than one, was found for web") {
		t.Errorf("%v, %+v:\n%s", err, result.Request, &out)
	}
}

// A region that neither config files nor presets need is not in the command line, where it
// would be an error.
func TestRegionForNothing(t *testing.T) {
	t.Parallel()
	draft := Draft{
		Args: []string{"--org", "acme"}, Org: "acme", Region: "eu-central-1",
		Apps: []setup.App{{Name: "api"}}, Role: setup.RoleRequest{Policies: []string{"ReadOnlyAccess"}},
	}
	result, err := ask(t.Context(), Options{In: strings.NewReader("leave\n"), Out: io.Discard, Accessible: true, Strict: true}, oneApp(), draft)
	if err != nil || strings.Contains(result.command(), "--aws-region") || !strings.Contains(result.command(), "--no-patch") {
		t.Errorf("%v, %q", err, result.Commands)
	}
}

// A policy name that is not in the list is refused immediately, if there is a list.
func TestUnknownPolicyByName(t *testing.T) {
	t.Parallel()
	ask := func(w *world) error {
		in := strings.NewReader("\nname\nNoSuchPolicy\nn\n\n")
		_, err := ask(t.Context(), Options{In: in, Out: io.Discard, Accessible: true, Strict: true}, w, Draft{})
		return err
	}
	var input *InputError
	if err := ask(oneApp()); !errors.As(err, &input) || input.Question != "managed policy" {
		t.Errorf("the error is %v", err)
	}
	w := oneApp()
	w.policies, w.policiesErr = nil, errors.New("not allowed")
	if err := ask(w); err != nil {
		t.Errorf("without a list: %v", err)
	}
}

func TestPlainErrors(t *testing.T) {
	t.Parallel()
	broken := iotest.ErrReader(errors.New("the disk is gone"))
	if _, err := ask(t.Context(), Options{In: broken, Out: io.Discard, Accessible: true}, oneApp(), Draft{}); err == nil || !strings.Contains(err.Error(), "Fly app could not be read: the disk is gone") {
		t.Errorf("a broken input: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	silent, hold := io.Pipe()
	defer hold.Close()
	time := make(chan error, 1)
	go func() {
		_, err := ask(ctx, Options{In: silent, Out: io.Discard, Accessible: true}, oneApp(), Draft{})
		time <- err
	}()
	cancel()
	if err := <-time; !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
	if !errors.Is(ErrAborted, context.Canceled) {
		t.Error("ErrAborted is not a context.Canceled")
	}
	long := strings.NewReader(strings.Repeat("x", 1<<20))
	if _, err := ask(t.Context(), Options{In: long, Out: io.Discard, Accessible: true}, oneApp(), Draft{}); err == nil || !strings.Contains(err.Error(), "longer than 4096") {
		t.Errorf("an endless line: %v", err)
	}
}

// TestDraftErrors finds errors in flags before or after the questions.
func TestDraftErrors(t *testing.T) {
	t.Parallel()
	_, _, err := piped(t, oneApp(), Draft{Apps: []setup.App{{Name: "web"}}, Role: setup.RoleRequest{Presets: []setup.Preset{{Name: "s3-raed", Answer: "x"}}}})
	if err == nil || !strings.Contains(err.Error(), `preset "s3-raed"`) {
		t.Errorf("an unknown preset: %v", err)
	}
	_, _, err = piped(t, oneApp(), Draft{Apps: []setup.App{{Name: "web"}}, Role: setup.RoleRequest{Path: "x"}, Region: "eu-west-1"}, "none", "")
	var invalid *setup.InvalidError
	if !errors.As(err, &invalid) || invalid.Field != setup.FieldPath {
		t.Errorf("a wrong path: %v", err)
	}
}

// TestSearchByPurpose finds presets by words that are in neither their names nor their
// titles, and says what else may be needed.
func TestSearchByPurpose(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ words, first, answer, hint string }{
		{"upload", "s3-write: read and write one S3 bucket or prefix", "my-bucket", "add kms-encrypt"},
		{"email", "ses-send: send mail through SES from one identity", "example.com", ""},
		{"docker", "ecr-pull: pull images of one ECR repository", "web", ""},
		{"cdn", "cloudfront-invalidate: invalidate the cache of one CloudFront distribution", "EDFDVBD6EXAMPLE", ""},
		{"parameter", "ssm-read: read one parameter of Parameter Store, or a path", "/prod/web/*", "add kms-decrypt"},
		{"chain role", "assume-role: assume one other IAM role", "deploy", "The trust policy of that role"},
	} {
		var out bytes.Buffer
		in := strings.NewReader(lines([]string{"", tt.words, "1", tt.answer, "n", ""}))
		got, err := ask(t.Context(), Options{In: in, Out: &out, Accessible: true}, oneApp(), Draft{})
		name, _, _ := strings.Cut(tt.first, ":")
		if err != nil || !strings.Contains(got.command(), " "+name+"="+tt.answer) || !strings.Contains(out.String(), "  1) "+tt.first+"\n") {
			t.Errorf("%s: %q, %v, after\n%s", tt.words, got.Commands, err, &out)
		}
		if !strings.Contains(out.String(), "The policy allows nothing else.") || !strings.Contains(out.String(), tt.hint) {
			t.Errorf("%s: %q is not shown:\n%s", tt.words, tt.hint, &out)
		}
	}
}

// TestSuggestedRegions: a region that a config file has comes before that of the AWS
// configuration, which comes before the one nearest to the app. Only regions of the
// account's partition are listed.
func TestSuggestedRegions(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name          string
		world         func(*world, *Identity)
		shown, absent string
		region        string
	}{
		{
			"nearest", func(*world, *Identity) {},
			"nearest to the app's primary region, fra.\n  1) eu-central-1: Europe (Frankfurt)\n  2) none for now\n  3) af-south-1", "cn-north-1", "eu-central-1",
		},
		{
			"configured", func(_ *world, id *Identity) { id.Region = "us-west-2" },
			"from your AWS configuration; then nearest to the app's primary region, fra.\n  1) us-west-2: US West (Oregon)\n  2) eu-central-1: Europe (Frankfurt)\n  3) none", "cn-north-1", "us-west-2",
		},
		{
			"configured, and not listed", func(_ *world, id *Identity) { id.Region = "us-west-9" },
			"  1) us-west-9\n  2) eu-central-1", "cn-north-1", "us-west-9",
		},
		{
			"configured for Tigris", func(_ *world, id *Identity) { id.Region = "auto" },
			"  1) eu-central-1", "from your AWS configuration", "eu-central-1",
		},
		{
			"in another file", func(w *world, id *Identity) {
				id.Region = "us-west-2"
				w.configs = append(w.configs, setup.AppConfig{Path: "api/fly.toml", App: "api", AWSRegion: "eu-west-1"})
			},
			"Suggested: from api/fly.toml; then from your AWS configuration; then nearest", "cn-north-1", "eu-west-1",
		},
		{
			"another partition", func(_ *world, id *Identity) { id.Partition, id.Region = "aws-cn", "us-west-2" },
			"need a region.\n  1) none for now\n  2) cn-north-1: China (Beijing)\n  3) cn-northwest-1: China (Ningxia)\n", "eu-central-1", "cn-northwest-1",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := oneApp()
			id := w.identities[""]
			tt.world(w, &id)
			w.identities[""] = id
			answers := []string{"web", "none", tt.region}
			if len(w.configs) > 1 {
				answers = []string{"web,api", "each", "none", "none", tt.region}
			}
			if tt.absent == "cn-north-1" || tt.region == "eu-central-1" {
				answers[len(answers)-1] = "" // the suggestion
			}
			got, out, err := piped(t, w, Draft{}, answers...)
			if err != nil || got.Request.Roles[0].Apps[0].Region != tt.region || !strings.Contains(out, tt.shown) || strings.Contains(out, tt.absent) {
				t.Errorf("%+v, %v, want %s, %q and no %s; after\n%s", got.Request, err, tt.region, tt.shown, tt.absent, out)
			}
		})
	}
}

// TestEveryPresetIsListed: also without a search, and where no policies can be listed.
func TestEveryPresetIsListed(t *testing.T) {
	t.Parallel()
	w := oneApp()
	w.policies, w.policiesErr = nil, errors.New("not allowed")
	_, out, err := piped(t, w, Draft{}, "", "none", "")
	for _, p := range preset.All() {
		if err != nil || !strings.Contains(out, ") "+p.Name+": "+p.Title+"\n") || !strings.Contains(out, ") no permissions for now\n") {
			t.Fatalf("%s is not listed, or what follows: %v\n%s", p.Name, err, out)
		}
	}
}

// FuzzAnswers: any input leads to a valid request or an error, and no control character is
// echoed.
func FuzzAnswers(f *testing.F) {
	for _, d := range dialogs {
		f.Add(lines(d.answers), true)
		f.Add(lines(d.answers), false)
	}
	f.Add("<\n<\n\x1b[31m\n-\n,\n0\n-1\n99999999999999999999\n", false)
	f.Fuzz(func(t *testing.T, answers string, strict bool) {
		var out bytes.Buffer
		w := everyQuestion()
		got, err := ask(t.Context(), Options{In: strings.NewReader(answers), Out: &out, Accessible: true, Strict: strict}, w, Draft{})
		if err == nil {
			err = got.Request.Check()
			if err != nil || len(got.Commands) == 0 {
				t.Errorf("the request cannot be used: %v, %q", err, got.Commands)
			}
		}
		if i := strings.IndexFunc(out.String(), func(r rune) bool { return r != '\n' && (r < ' ' || r == 0x7f || r == 0x202e) }); i >= 0 {
			t.Errorf("%q is echoed", out.String()[i:])
		}
	})
}
