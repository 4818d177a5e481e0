//go:build unix

package workdir

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/fly-aws/fly-aws/setup"
)

func TestWriteKeepsMode(t *testing.T) {
	t.Parallel()
	for _, mode := range []fs.FileMode{0o600, 0o640, 0o664, 0o666, 0o755} {
		f := folder(t, map[string]string{"fly.toml": "[env]\n"})
		path := filepath.Join(f.Dir, "fly.toml")
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		write(t, f, create("A", "a"))
		info, err := os.Stat(path)
		if err != nil || info.Mode() != mode {
			t.Errorf("mode %v became %v, %v", mode, info.Mode(), err)
		}
	}
}

func TestWriteKeepsOwner(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can give a file away")
	}
	f := folder(t, map[string]string{"fly.toml": "[env]\n"})
	path := filepath.Join(f.Dir, "fly.toml")
	if err := os.Chown(path, 4711, 4712); err != nil {
		t.Fatal(err)
	}
	write(t, f, create("A", "a"))
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Sys().(*syscall.Stat_t); got.Uid != 4711 || got.Gid != 4712 {
		t.Errorf("the owner became %d:%d", got.Uid, got.Gid)
	}
}

// keepOwner fails if the new file cannot have the old owner.
func TestKeepOwnerFails(t *testing.T) {
	t.Parallel()
	if os.Geteuid() == 0 {
		t.Skip("root can give any file away")
	}
	f, err := os.Create(filepath.Join(t.TempDir(), "x"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	root, err := os.Stat("/")
	if err != nil {
		t.Fatal(err)
	}
	if err := keepOwner(f, root); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("got %v", err)
	}
}

func TestWriteFollowsLinks(t *testing.T) {
	t.Parallel()
	f := folder(t, map[string]string{"real/config": "[env]\n"})
	for link, to := range map[string]string{
		"fly.toml":     "b.toml",
		"b.toml":       "real/b",
		"real/b":       "config",
		"dangling":     "nowhere",
		"loop":         "loop",
		"through.toml": "real/config",
	} {
		if err := os.Symlink(to, filepath.Join(f.Dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	ctx := context.Background()
	if _, err := f.Read(ctx, []setup.Resource{*env("A", "a")}); err != nil {
		t.Fatal(err)
	}
	other := create("B", "b")
	other.After.Env.Config = "through.toml"
	write(t, f, create("A", "a"), other, create("C", "c"))
	if got, want := contents(t, f, "real/config"), "[env]\n  A = \"a\"\n  B = \"b\"\n  C = \"c\"\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, link := range []string{"fly.toml", "b.toml", "real/b", "through.toml"} {
		if info, err := os.Lstat(filepath.Join(f.Dir, link)); err != nil || info.Mode()&fs.ModeSymlink == 0 {
			t.Errorf("%s is no longer a link: %v, %v", link, info.Mode(), err)
		}
	}

	_, err := f.Find("dangling")
	as[*NotFoundError](t, err)
	_, err = f.Find("loop")
	as[*FileError](t, err)
}

func TestWriteHardLink(t *testing.T) {
	t.Parallel()
	f := folder(t, map[string]string{"fly.toml": "[env]\n"})
	if err := os.Link(filepath.Join(f.Dir, "fly.toml"), filepath.Join(f.Dir, "same.toml")); err != nil {
		t.Skip("no hard links on this file system: ", err)
	}
	as[*FileError](t, f.Check(context.Background(), []setup.Change{create("A", "a")}))
	as[*FileError](t, writeTo(f, context.Background(), create("A", "a")))
	if got := contents(t, f, "fly.toml"); got != "[env]\n" {
		t.Errorf("got %q", got)
	}
	alone(t, f, "fly.toml", "same.toml")
}

// Only a regular file is opened: a FIFO would block.
func TestNotRegular(t *testing.T) {
	t.Parallel()
	f := folder(t, nil)
	if err := syscall.Mkfifo(filepath.Join(f.Dir, "fly.toml"), 0o644); err != nil {
		t.Skip("cannot make a FIFO: ", err)
	}
	for _, path := range []string{"", "fly.toml", os.DevNull} {
		_, err := f.Find(path)
		as[*FileError](t, err)
	}
	as[*FileError](t, writeTo(f, context.Background(), create("A", "a")))
}

func TestNotAllowed(t *testing.T) {
	t.Parallel()
	if os.Geteuid() == 0 {
		t.Skip("permissions do not limit root")
	}
	chmod := func(t *testing.T, path string, mode fs.FileMode) {
		t.Helper()
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.Chmod(path, 0o700) })
	}
	const src = "[env]\n"
	tests := []struct {
		name string
		what string // of the folder, "" or "fly.toml"
		mode fs.FileMode
		find bool // whether finding it fails too
		want string
	}{
		{"file not readable", "fly.toml", 0o200, true, `"fly.toml": cannot be read: permission denied`},
		{"file not writable", "fly.toml", 0o400, false, `"fly.toml": cannot be written: permission denied`},
		{"folder not writable", "", 0o500, false, `"fly.toml": cannot be replaced: permission denied`},
		{"folder not searchable", "", 0o600, true, `"fly.toml": cannot be read: permission denied`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			f := folder(t, map[string]string{"fly.toml": src})
			chmod(t, filepath.Join(f.Dir, test.what), test.mode)

			_, findErr := f.Find("")
			if test.find != (findErr != nil) {
				t.Errorf("find: %v", findErr)
			}
			for what, err := range map[string]error{
				"check": f.Check(context.Background(), []setup.Change{create("A", "a")}),
				"write": writeTo(f, context.Background(), create("A", "a")),
			} {
				as[*FileError](t, err)
				if err.Error() != test.want || !errors.Is(err, fs.ErrPermission) {
					t.Errorf("%s: got %v, want %s", what, err, test.want)
				}
				if strings.Contains(err.Error(), f.Dir) {
					t.Errorf("%s: %v names a path that was not given", what, err)
				}
			}

			for _, path := range []string{f.Dir, filepath.Join(f.Dir, "fly.toml")} {
				if err := os.Chmod(path, 0o700); err != nil {
					t.Fatal(err)
				}
			}
			if got := contents(t, f, "fly.toml"); got != src {
				t.Errorf("the file became %q", got)
			}
			alone(t, f, "fly.toml")
		})
	}
}

// Check finds a file whose owner cannot be kept, or that the file system protects.
func TestCheckProtected(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can make such files")
	}
	f := folder(t, map[string]string{"fly.toml": "[env]\n"})
	path := filepath.Join(f.Dir, "fly.toml")
	attribute := func(flag string) error {
		return exec.CommandContext(t.Context(), "chattr", flag, path).Run()
	}
	if err := attribute("+i"); err != nil {
		t.Skip("no immutable files on this file system: ", err)
	}
	defer attribute("-i")
	as[*FileError](t, f.Check(t.Context(), []setup.Change{create("A", "a")}))
	alone(t, f, "fly.toml")
}
