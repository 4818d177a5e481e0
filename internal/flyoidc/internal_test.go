package flyoidc

import (
	"context"
	"crypto/x509"
	"errors"
	"io/fs"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
	"unicode/utf8"
)

// Root may use every socket, and tests often run as root: the error is made here
// as the net package makes it.
func TestNotAllowed(t *testing.T) {
	t.Parallel()
	for _, errno := range []syscall.Errno{syscall.EACCES, syscall.EPERM} {
		x := exchange{socket: DefaultSocket}
		e := x.unanswered(&url.Error{Op: "Post", URL: mintURL, Err: &net.OpError{
			Op: "dial", Net: "unix", Err: os.NewSyscallError("connect", errno),
		}})
		if e.Kind != MintNotAllowed || !errors.Is(e, fs.ErrPermission) {
			t.Errorf("%v gives %+v", errno, e)
		}
	}
}

func TestKeysErrorRoots(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	err := error(&url.Error{Op: "Get", URL: "https://oidc.fly.io", Err: x509.SystemRootsError{Err: fs.ErrPermission}})
	if e := keysError(ctx, ctx, "https://oidc.fly.io", err); e.Kind != KeysNoRoots || !errors.Is(e, fs.ErrPermission) {
		t.Errorf("got %+v", e)
	}
}

func TestClean(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                             "",
		"plain words":                  "plain words",
		" a\r\n\tb ":                   "a b",
		"\x1b[31mred\x1b[0m":           "[31mred [0m",
		"\u202egnp.exe\u2028":          "gnp.exe",
		"\x9b\xff":                     "\uFFFD",
		"a eyJhbGciOiJ9.eyJ9.sig-_= b": "a [token] b",
		"(eyJ)(eyJ.x)":                 "([token])([token])",
		strings.Repeat("é", 300):       strings.Repeat("é", 200) + "…",
	} {
		if got := clean(in); got != want {
			t.Errorf("clean(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestQuoteCuts(t *testing.T) {
	t.Parallel()
	if got := quote(strings.Repeat("\x00", 10000)); !utf8.ValidString(got) || len(got) > 1000 {
		t.Errorf("%d bytes: %q", len(got), got)
	}
}
