package workdir

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/fly-aws/fly-aws/setup"
)

// checkFails checks that Check reports why the file cannot be replaced, and leaves
// nothing behind.
func checkFails(t *testing.T, f *Folder, reason string) {
	t.Helper()
	if err := as[*FileError](t, f.Check(t.Context(), []setup.Change{create("A", "a")})); !strings.Contains(err.Error(), reason) {
		t.Errorf("got %v", err)
	}
	alone(t, f, "fly.toml")
}

// A container can have a mount of the file without its folder.
func TestCheckMounted(t *testing.T) {
	t.Parallel()
	f := folder(t, map[string]string{"fly.toml": "[env]\n"})
	path := filepath.Join(f.Dir, "fly.toml")
	if err := syscall.Mount(path, path, "", syscall.MS_BIND, ""); err != nil {
		t.Skip("only root can mount: ", err)
	}
	defer func() { _ = syscall.Unmount(path, 0) }()
	checkFails(t, f, "mount its folder")
}

// In an append-only folder, a temporary file could be created but not removed.
func TestCheckAppendOnlyFolder(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can make such folders")
	}
	f := folder(t, map[string]string{"fly.toml": "[env]\n"})
	attribute := func(flag string) error { return exec.CommandContext(t.Context(), "chattr", flag, f.Dir).Run() }
	if err := attribute("+a"); err != nil {
		t.Skip("no append-only folders on this file system: ", err)
	}
	defer attribute("-a") // otherwise the folder cannot be removed
	checkFails(t, f, "append-only")
}
