package machine_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fly-aws/fly-aws/internal/flyoidc"
	"github.com/fly-aws/fly-aws/internal/machine"
	"github.com/fly-aws/fly-aws/internal/sandbox"
)

// socket serves tokens of the sandbox at the clock's time, and returns its path.
func socket(t *testing.T, clock *fakeClock) string {
	t.Helper()
	w := sandbox.World{Now: clock.Now}
	w.AddMachine("acme", "web", "cold-shape-2007")
	s, err := w.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s.SocketPath
}

func onUnix(t *testing.T) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("token files are for Unix")
	}
}

// TestReaderThroughRenewals: through 1,000 renewals, every tenth of which fails, a reader
// sees one whole token each time, which has not expired.
func TestReaderThroughRenewals(t *testing.T) {
	t.Parallel()
	onUnix(t)
	clock := newClock()
	path := filepath.Join(t.TempDir(), "token")
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	renewed, failed := 0, 0
	tokens := &flaky{Tokens: &flyoidc.Minter{Socket: socket(t, clock)}}
	k := machine.Keeper{
		Tokens: tokens, Clock: clock,
		Files: []machine.TokenFile{{Audience: "https://vault.example.com", Path: path, Mode: 0o400}},
		Tell: func(_ machine.TokenFile, a machine.Attempt) {
			if a.Err != nil {
				failed++
				return
			}
			if renewed++; renewed == 1000 {
				stop()
			}
		},
	}
	if err := k.Start(ctx, 0); err != nil {
		t.Fatal(err)
	}
	reads, done := 0, make(chan struct{})
	go func() {
		defer close(done)
		for ; ctx.Err() == nil; reads++ {
			now := clock.Now() // before the file is read
			text, err := os.ReadFile(path)
			if err != nil {
				t.Error(err)
				return
			}
			token, broken := flyoidc.Inspect(string(text))
			if len(broken) > 0 || token.Claims.Audience[0] != "https://vault.example.com" || !token.Claims.Expiry.After(now) {
				t.Errorf("read %d is not a good token at %s: %v %+v", reads, now, broken, token)
				return
			}
		}
	}()
	k.Run(ctx)
	<-done
	if renewed != 1000 || failed < 50 || reads < 100 {
		t.Errorf("%d renewals, %d failures, %d reads", renewed, failed, reads)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o400 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	if entries, _ := os.ReadDir(filepath.Dir(path)); len(entries) != 1 {
		t.Errorf("there is more than the file: %v", entries)
	}
}

// A flaky token endpoint fails each tenth time, but not the first time.
type flaky struct {
	machine.Tokens
	n atomic.Int64
}

func (f *flaky) Mint(ctx context.Context, r flyoidc.MintRequest) (string, error) {
	if f.n.Add(1)%10 == 0 {
		return "", &flyoidc.MintError{Kind: flyoidc.MintTimeout}
	}
	return f.Tokens.Mint(ctx, r)
}

func TestTokenFileErrors(t *testing.T) {
	t.Parallel()
	onUnix(t)
	clock := newClock()
	minter := &flyoidc.Minter{Socket: socket(t, clock)}
	dir := t.TempDir()
	for _, name := range []string{"folder", "sealed"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for name, tt := range map[string]struct {
		path string
		is   error
		says string
	}{
		"missing folder": {filepath.Join(dir, "none", "token"), fs.ErrNotExist, "cannot be written: no such file or directory"},
		"folder":         {filepath.Join(dir, "folder"), nil, "is a folder, not a file"},
		"device":         {os.DevNull, nil, "is not a regular file"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := machine.Keeper{
				Tokens: minter, Clock: clock, Files: []machine.TokenFile{{Audience: "a", Path: tt.path, Mode: 0o400}},
				Tell: func(machine.TokenFile, machine.Attempt) { t.Error("told of an attempt") },
			}
			err := k.Start(t.Context(), time.Minute)
			var file *machine.FileError
			if !errors.As(err, &file) || !strings.Contains(err.Error(), tt.says) || tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestLeftoversGo: what a killed process left holds a token, and goes; a file of somebody
// else stays.
func TestLeftoversGo(t *testing.T) {
	t.Parallel()
	onUnix(t)
	dir := t.TempDir()
	old := time.Now().Add(-2 * time.Minute)
	for _, name := range []string{".token.fly-aws-123456", ".token.fly-aws-mine", ".token.fly-aws-", "token.fly-aws-1"} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Chtimes(path, old, old)); err != nil {
			t.Fatal(err)
		}
	}
	if err := (machine.TokenFile{Path: filepath.Join(dir, "token")}).Check(); err != nil {
		t.Fatal(err)
	}
	var names []string
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if got := strings.Join(names, " "); err != nil || got != ".token.fly-aws- .token.fly-aws-mine token.fly-aws-1" {
		t.Errorf("left are %s, %v", got, err)
	}
}

// TestTwoKeepers: two that keep the same file do not take each other's for leftovers.
func TestTwoKeepers(t *testing.T) {
	t.Parallel()
	onUnix(t)
	minter := &flyoidc.Minter{Socket: socket(t, newClock())}
	token, err := minter.Mint(t.Context(), flyoidc.MintRequest{Audience: "a"})
	if err != nil {
		t.Fatal(err)
	}
	file := machine.TokenFile{Audience: "a", Path: filepath.Join(t.TempDir(), "token"), Mode: 0o400}
	var keepers sync.WaitGroup
	for range 4 {
		keepers.Go(func() {
			for range 500 {
				if _, err := file.Renew(t.Context(), same(token)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	keepers.Wait()
}

// same is a token endpoint that gives the same token each time.
type same string

func (s same) Mint(context.Context, flyoidc.MintRequest) (string, error) { return string(s), nil }

// TestLinkIsReplaced: a link that somebody else made in the folder leads nowhere.
func TestLinkIsReplaced(t *testing.T) {
	t.Parallel()
	onUnix(t)
	dir := t.TempDir()
	other, path := filepath.Join(dir, "other"), filepath.Join(dir, "token")
	if err := errors.Join(os.WriteFile(other, []byte("mine"), 0o600), os.Symlink(other, path)); err != nil {
		t.Fatal(err)
	}
	file := machine.TokenFile{Audience: "a", Path: path, Mode: 0o440}
	if _, err := file.Renew(t.Context(), &flyoidc.Minter{Socket: socket(t, newClock())}); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(other)
	info, errStat := os.Lstat(path)
	if string(text) != "mine" || errors.Join(err, errStat) != nil || info.Mode() != 0o440 {
		t.Errorf("%q, %v, %v", text, info, errors.Join(err, errStat))
	}
}

func TestFindUser(t *testing.T) {
	t.Parallel()
	onUnix(t)
	for name, want := range map[string]machine.User{
		"root":         {UID: 0, GID: 0},
		"64321":        {UID: 64321, GID: 64321, Home: "/"},
		"64321:64322":  {UID: 64321, GID: 64322, Home: "/"},
		"0:64322":      {UID: 0, GID: 64322},
		"no-such-user": {UID: -1},
		"root:no-such": {UID: -1},
		":0":           {UID: -1},
		"-5":           {UID: -1},
	} {
		got, err := machine.FindUser(name)
		switch {
		case want.UID == -1:
			if err == nil {
				t.Errorf("%s is %+v", name, got)
			}
		case err != nil:
			t.Errorf("%s: %v", name, err)
		case got.Name != name || got.UID != want.UID || got.GID != want.GID || want.Home != "" && got.Home != want.Home:
			t.Errorf("%s is %+v", name, got)
		}
	}
}
