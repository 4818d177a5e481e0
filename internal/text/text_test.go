package text

import (
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestClean(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"plain, ünïcode ✓ 日本": "plain, ünïcode ✓ 日本",
		"tab\tstays":          "tab\tstays",
		"\x1b[2Jgone":         `\x1b[2Jgone`,
		"line\nfeed":          `line\x0afeed`,
		"\u009b31m":           `\u009b31m`,
		"a\u202eb":            `a\u202eb`,
		"soft\u00adhyphen":    `soft\u00adhyphen`,
		"zero\u200bwidth":     `zero\u200bwidth`,
		"filler\u3164":        `filler\u3164`,
		"joiner\u034f":        `joiner\u034f`,
		"variant\ufe0f":       `variant\ufe0f`,
		"bad\xff":             `bad\xff`,
		"replaced\ufffd":      "replaced\ufffd",
	} {
		if got := Clean(in); got != want {
			t.Errorf("Clean(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestRedact(t *testing.T) {
	t.Parallel()
	const (
		key     = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
		session = "IQoJb3JpZ2luX2VjEJr//////////wEaCXVzLWVhc3QtMSJHMEUCIQDexample"
	)
	for _, in := range []string{
		`{"Version":1,"AccessKeyId":"AKIAIOSFODNN7EXAMPLE","SecretAccessKey":"` + key + `","SessionToken":"` + session + `"}`,
		`{\"SecretAccessKey\":\"` + key + `\",\"SessionToken\":\"` + session + `\"}`,
		"aws_secret_access_key = " + key + "\naws_session_token=" + session,
		"AWS_SECURITY_TOKEN=" + session,
		"ASIAIOSFODNN7EXAMPLE " + key + " " + session,
		`{"AccessKeyId":"AKIAIOSFODNN7EXAMPLE","Secret":"` + strings.ReplaceAll(key, "/", `\/`) + `","SessionToken":"` + strings.ReplaceAll(session, "/", `\/`) + `"}`,
		"X-Amz-Security-Token: " + session,
		"https://sts.amazonaws.com/?X-Amz-Security-Token=" + url.QueryEscape(session) + "&X-Amz-Signature=0",
		"token eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln is bad",
		"FlyV1 fm1r_abc+/=,fm2_def and fo1_ghi",
		`{"message":"a line\neyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln\nAKIAIOSFODNN7EXAMPLE"}`,
		`unknown flag: 't' in -tfo1_ghi`,
		"\x1b2fm2_ghi",
	} {
		got := Redact(in)
		for _, secret := range []string{"AKIA", "ASIA", key, session, key[30:], session[len(session)-12:], "c2ln", "abc", "def", "ghi"} {
			if strings.Contains(got, secret) {
				t.Errorf("Redact(%q) = %q still holds %q", in, got, secret)
			}
		}
		if again := Redact(got); again != got {
			t.Errorf("Redact(%q) = %q", got, again)
		}
	}
	for _, in := range []string{
		"arn:aws:iam::123456789012:role/fly-acme-web",
		"commit 0123456789abcdef0123456789abcdef01234567",
		"the secret AWS_SECRET_ACCESS_KEY of the app web",
		"AROAEXAMPLEID:session",
		"arn:aws:iam::123456789012:role/monkeyJobs",
		"info1_bucket",
		"AWS_SECRET_ACCESS_KEY: overrides the role",
	} {
		if got := Redact(in); got != in {
			t.Errorf("Redact(%q) = %q", in, got)
		}
	}
}

func TestShellWords(t *testing.T) {
	t.Parallel()
	if got, want := ShellWords([]string{"fly", "a b", "-x"}), "fly 'a b' '-x'"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestShellWord(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"web":       "web",
		"":          "''",
		"-rf":       "'-rf'",
		"a b":       "'a b'",
		"it's":      `'it'\''s'`,
		"$(reboot)": "'$(reboot)'",
		"acme:*":    "'acme:*'",
		"./a=b@c":   "./a=b@c",
	} {
		if got := ShellWord(in); got != want {
			t.Errorf("ShellWord(%q) = %s, want %s", in, got, want)
		}
	}
}

func TestCutAndLine(t *testing.T) {
	t.Parallel()
	if got := cut("äöü", 2); got != "äö…" {
		t.Error(got)
	}
	if got := cut("äö", 2); got != "äö" {
		t.Error(got)
	}
	if got := Line("  two\r\n lines\x07 "); got != `two lines\x07` {
		t.Error(got)
	}
	if n := utf8.RuneCountInString(Line(strings.Repeat("x", 5000))); n != maxError+1 {
		t.Errorf("%d characters", n)
	}
	if got := Quote("a\x1b" + strings.Repeat("b", maxName)); !strings.HasPrefix(got, `"a\x1bb`) || !strings.HasSuffix(got, `b…"`) {
		t.Error(got)
	}
	if got := Quote("a\u3164\ufe0f"); got != `"a\u3164\ufe0f"` {
		t.Error(got)
	}
	if got := Name(strings.Repeat("n", maxName+1)); got != strings.Repeat("n", maxName)+"…" {
		t.Error(got)
	}
}

func FuzzText(f *testing.F) {
	f.Add("\x1b[31m AKIAIOSFODNN7EXAMPLE")
	f.Fuzz(func(t *testing.T, s string) {
		clean := Clean(s)
		if strings.ContainsFunc(clean, func(r rune) bool { return r < ' ' && r != '\t' || !utf8.ValidRune(r) }) || Clean(clean) != clean {
			t.Errorf("Clean(%q) = %q", s, clean)
		}
		if once := Redact(s); Redact(once) != once {
			t.Errorf("Redact(%q) = %q, then %q", s, once, Redact(once))
		}
	})
}
