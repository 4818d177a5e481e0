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

// checkFails holds that Check finds what keeps the file from being replaced, and leaves
// nothing behind.
func checkFails(t *testing.T, f *Folder, reason string) {
	t.Helper()
	if err := as[*FileError](t, f.Check(t.Context(), []setup.Change{create("A", "a")})); !strings.Contains(err.Error(), reason) {
		t.Errorf("got %v", err)
	}
	alone(t, f, "fly.toml")
}

// A container may have been given the file without its folder.
func TestCheckMounted(t *testing.T) {
	t.Parallel()
	f := folder(t, map[string]string{"fly.toml": "[env]\n"})
	path := filepath.Join(f.Dir, "fly.toml")
	if err := syscall.Mount(path, path, "", syscall.MS_BIND, ""); err != nil {
		t.Skip("mounting takes root: ", err)
	}
	defer func() { _ = syscall.Unmount(path, 0) }()
	checkFails(t, f, "mount its folder")
}

// In an append-only folder a temporary file could be made, and not be removed.
func TestCheckAppendOnlyFolder(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("making such folders takes root")
	}
	f := folder(t, map[string]string{"fly.toml": "[env]\n"})
	attribute := func(flag string) error { return exec.CommandContext(t.Context(), "chattr", flag, f.Dir).Run() }
	if err := attribute("+a"); err != nil {
		t.Skip("no append-only folders here: ", err)
	}
	defer attribute("-a")
	checkFails(t, f, "append-only")
}
