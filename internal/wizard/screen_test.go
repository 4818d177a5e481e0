//go:build unix

package wizard

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"

	"github.com/fly-aws/fly-aws/setup"
)

// Keys as a terminal sends them.
const (
	enterKey = "\r"
	backKey  = "\x1b[Z"
	downKey  = "\x1b[B"
	ctrlC    = "\x03"
)

// TestOneApp goes from a folder with one fly.toml to a request. It compares the screens at
// 80 and 60 columns, with and without colors.
func TestOneApp(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		columns int
		options Options
	}{
		{"80", 80, Options{}},
		{"60", 60, Options{NoColor: true, ASCII: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			st := start(t, tt.columns, 24, tt.options, oneApp())
			pressed := 0
			press := func(text, keys string) {
				st.press(text, keys)
				pressed++
			}
			golden := func(text, name string) { st.golden(text, "one-app-"+tt.name+"-"+name) }

			golden("enter next", "1-apps")
			press("[x] web", enterKey)
			golden("type to search", "2-permissions")
			st.press("What may it do", "AmazonS3Read")
			golden("What AmazonS3ReadOnlyAccess allows", "3-search")
			press("AmazonS3ReadOnlyAccess", enterKey)
			golden("anything else", "4-more")
			press("[No]", enterKey)
			golden("Which AWS region?", "5-region")
			press("> eu-central-1", enterKey)

			got, err := st.wait()
			if err != nil {
				t.Fatal(err)
			}
			golden("AWS region: eu-central-1", "6-end")
			dialogs[0].check(t, got)
			if pressed++; pressed > 7 { // including the y to the plan
				t.Errorf("%d keys were pressed beyond typing, more than 7", pressed)
			}
			if colored := regexp.MustCompile(`\x1b\[[0-9;]*[39]\dm`).MatchString(string(st.Raw())); colored == tt.options.NoColor {
				t.Errorf("colors are used: %v, with NoColor %v", colored, tt.options.NoColor)
			}
			if tt.options.ASCII {
				for _, r := range st.Screen() {
					if r > 0x7f {
						t.Errorf("%q is on the screen, which is not ASCII", r)
					}
				}
			}
		})
	}
}

// TestThreeApps shares a role with a preset among three apps.
func TestThreeApps(t *testing.T) {
	t.Parallel()
	st := start(t, 80, 30, Options{}, threeApps())
	st.press("> [x] web", downKey+" ")
	st.press("[x] api", downKey+" ")
	st.press("[x] worker", enterKey)
	st.press("> one for each app", downKey)
	st.press("> one shared role", enterKey)
	st.press("> fly-acme", enterKey)
	st.press("What may it do", "s3-read")
	st.press("> s3-read: read one", enterKey)
	st.press("which bucket", "my-bucket/*"+enterKey)
	st.golden("not '*'", "three-apps-refused")
	st.press("not '*'", "\x7fuploads"+enterKey)
	st.press("anything else", "n")
	st.press("> eu-central-1: Europe (Frankfurt)", "ireland")
	st.press("> eu-west-1: Europe (Ireland)", enterKey)
	got, err := st.wait()
	if err != nil {
		t.Fatal(err)
	}
	dialogs[1].check(t, got)
	st.golden("AWS region: eu-west-1", "three-apps-end")
}

// TestWithoutFly has no sign-in to Fly and asks for names as text.
func TestWithoutFly(t *testing.T) {
	t.Parallel()
	w := dialogs[2].world()
	st := start(t, 60, 24, Options{}, w)
	st.golden("by its raw slug?", "without-fly")
	st.press("by its raw slug?", "personal"+enterKey)
	st.press("alias", strings.Repeat("\x7f", len("personal"))+"jane-doe-123"+enterKey)
	st.press("Which Fly apps", "web, api"+enterKey)
	st.press("> don't edit", enterKey)
	st.press("> one for each app", enterKey)
	st.press("What may web do", "nothing"+enterKey)
	st.press("> the same as web: no permissions for now", enterKey)
	got, err := st.wait()
	if err != nil {
		t.Fatal(err)
	}
	dialogs[2].check(t, got)
}

// TestBack goes back from the last question to the first, finds each earlier answer still
// there, and changes one on the way forward.
func TestBack(t *testing.T) {
	t.Parallel()
	st := start(t, 80, 24, Options{}, threeApps())
	st.press("[x] web", enterKey)
	st.press("What may it do", "FullAccess"+downKey+enterKey)
	st.press("anything else", "n")
	st.press("Which AWS region?", "eu-west-9"+backKey)
	st.press("anything else", "\x1b")
	st.press("type to search", backKey)
	st.press("Which Fly apps", backKey) // the first question: nowhere to go
	st.press("[x] web", downKey+" "+enterKey)
	st.press("> one for each app", backKey)
	st.press("[x] api", downKey+" "+enterKey)
	st.press("What may it do", "S3ReadOnly"+enterKey)
	st.press("anything else", enterKey)
	st.press("> eu-central-1", enterKey)
	got, err := st.wait()
	want := "--org acme --app web --policy AmazonS3ReadOnlyAccess --aws-region eu-central-1"
	if args := got.command(); err != nil || args != want {
		t.Errorf("%q, %v; want %q", args, err, want)
	}
}

// steps are the wizard's questions with the keys that answer them.
var steps = []struct{ text, keys string }{
	{"Which AWS profile?", enterKey},
	{"Which Fly organization?", enterKey},
	{"[x] web", downKey + " " + enterKey},
	{"One role for each app", downKey + enterKey},
	{"shared role be named?", enterKey},
	{"What may it do", "sqs" + enterKey},
	{"which queue", "jobs" + enterKey},
	{"anything else", "n"},
	{"Which AWS region?", enterKey},
}

// TestCtrlC ends the wizard at each question.
func TestCtrlC(t *testing.T) {
	t.Parallel()
	for n := range steps {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			st := start(t, 80, 24, Options{}, everyQuestion())
			for _, step := range steps[:n] {
				st.press(step.text, step.keys)
			}
			st.press(steps[n].text, ctrlC)
			got, err := st.wait()
			if !errors.Is(err, ErrAborted) || !errors.Is(err, context.Canceled) || got.Commands != nil {
				t.Errorf("%+v, %v; want ErrAborted", got, err)
			}
		})
	}
	t.Run("none", func(t *testing.T) {
		t.Parallel()
		st := start(t, 80, 24, Options{}, everyQuestion())
		for _, step := range steps {
			st.press(step.text, step.keys)
		}
		if _, err := st.wait(); err != nil {
			t.Errorf("without Ctrl-C the same keys end in %v", err)
		}
	})
}

// TestDoubleEnter sends Enter twice and another key in one burst: only the first Enter
// answers the question.
func TestDoubleEnter(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		q    question
		want string
	}{
		"text": {question{kind: enter, title: "Name?", initial: []string{"web"}}, "web"},
		"yes":  {question{kind: decide, title: "Go on?", initial: []string{no}}, no},
		"list": {question{kind: choose, title: "Which?", options: []option{{label: "one", value: "1"}, {label: "two", value: "2"}}}, "1"},
		"long": {question{kind: choose, title: "Which?", options: letters(20), initial: []string{"12"}}, "12"},
		"many": {question{kind: chooseMany, title: "Which?", options: []option{{label: "one", value: "1"}}, initial: []string{"1"}}, "1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := &model{}
			ask := func() chan reply {
				answer := make(chan reply, 1)
				m.Update(askMsg{tt.q, answer})
				return answer
			}
			first := ask()
			for _, press := range []tea.KeyPressMsg{{Code: tea.KeyEnter}, {Code: tea.KeyEnter}, {Code: 'y', Text: "y"}} {
				if _, cmd := m.Update(press); cmd != nil {
					t.Errorf("%s leaves a command behind, which sends %T", press, cmd())
				}
			}
			if r := <-first; r.err != nil || len(r.answer) != 1 || r.answer[0] != tt.want {
				t.Errorf("the answer is %+v", r)
			}
			if len(ask()) > 0 {
				t.Error("the next question is answered already")
			}
		})
	}
}

// slow is a world where listing managed policies takes until the context ends.
type slow struct {
	*world
	asked chan struct{}
}

func (s slow) Policies(ctx context.Context, _ string) ([]setup.ManagedPolicy, error) {
	close(s.asked)
	<-ctx.Done()
	return nil, ctx.Err()
}

// TestCtrlCWhileWaiting ends the wizard while it waits for AWS.
func TestCtrlCWhileWaiting(t *testing.T) {
	t.Parallel()
	s := slow{oneApp(), make(chan struct{})}
	st := start(t, 80, 24, Options{}, s)
	st.press("Which Fly apps", enterKey)
	<-s.asked
	st.press("listing the managed policies…", "xx"+enterKey+ctrlC)
	if _, err := st.wait(); !errors.Is(err, ErrAborted) {
		t.Errorf("%v, want ErrAborted", err)
	}
}

// TestCanceled ends with the caller's context, as after a signal.
func TestCanceled(t *testing.T) {
	t.Parallel()
	p := newPerson(t, 80, 24)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := ask(ctx, Options{In: p.File(), Out: p.File(), Term: "xterm"}, oneApp(), Draft{})
		done <- err
	}()
	p.see("Which Fly apps")
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want the end of the context", err)
	}
}

// TestResize makes the window narrower and wider during a question.
func TestResize(t *testing.T) {
	t.Parallel()
	st := start(t, 80, 24, Options{}, oneApp())
	st.press("[x] web", enterKey)
	st.press("type to search", "a")
	st.resize(60, 16)
	st.golden("as\narn:aws:iam", "resize-60")
	st.resize(100, 30)
	st.golden("as arn:aws:iam", "resize-100")
	st.press("type to search", "mazons3full"+enterKey)
	st.press("anything else", enterKey)
	st.press("Which AWS region?", enterKey)
	if _, err := st.wait(); err != nil {
		t.Error(err)
	}
}

// TestNoErrorBeforeAnAnswer: no error is shown before the first answer.
func TestNoErrorBeforeAnAnswer(t *testing.T) {
	t.Parallel()
	w := oneApp()
	w.configs = nil // so that no app is marked
	st := start(t, 80, 24, Options{}, w)
	st.see("Which Fly apps")
	if screen := st.Screen(); strings.Contains(screen, "!") {
		t.Errorf("there is an error before any answer:\n%s", screen)
	}
	st.press("space mark", enterKey)
	st.see("! choose at least one")
	st.press("! choose at least one", " "+enterKey)
	st.press("No fly.toml was found", ctrlC)
	if _, err := st.wait(); !errors.Is(err, ErrAborted) {
		t.Error(err)
	}
}

// TestNothingToAsk leaves the terminal alone, except for the status while it waits.
func TestNothingToAsk(t *testing.T) {
	t.Parallel()
	p := newPerson(t, 60, 10)
	draft := Draft{
		Org: "acme", Apps: []setup.App{{Name: "web"}}, NoPatch: true,
		Role: setup.RoleRequest{Policies: []string{"AmazonS3ReadOnlyAccess"}},
	}
	if _, err := ask(t.Context(), Options{In: p.File(), Out: p.File(), Term: "xterm"}, oneApp(), draft); err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(p.File(), "done")
	p.see("done")
	if raw := strings.ReplaceAll(string(p.Raw()), "\r\x1b[K", ""); raw != "signing in to AWS…looking for the app's fly.toml…listing your Fly organizations…done" {
		t.Errorf("the terminal got %q", raw)
	}
}

// TestHostileTextOnScreen has escape sequences in names, which must have no effect.
func TestHostileTextOnScreen(t *testing.T) {
	t.Parallel()
	w := oneApp()
	const evil = "\x1b]0;pwned\a\x1b[2J"
	w.orgs = append(w.orgs, setup.Organization{Slug: "s" + evil, RawSlug: "other", Name: "n" + evil})
	w.apps["acme"] = append(w.apps["acme"], "app"+evil)
	w.policies = append(w.policies, setup.ManagedPolicy{Name: "Evil" + evil, ARN: "arn" + evil, Description: evil})
	st := start(t, 80, 24, Options{}, w)
	st.press("Which Fly organization?", enterKey)
	st.press("not listed", enterKey)
	st.press("What may it do", "Evil")
	st.press("?]0;pwned??[2J", ctrlC)
	if _, err := st.wait(); !errors.Is(err, ErrAborted) {
		t.Error(err)
	}
	if out := string(st.Raw()); strings.Contains(out, "\x1b]0;") || strings.Contains(out, "\x1b[2J\x1b]") {
		t.Errorf("a name reaches the terminal raw: %q", out)
	}
}
