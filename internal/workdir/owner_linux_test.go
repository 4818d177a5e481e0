package workdir

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/fly-aws/fly-aws/setup"
)

// A file that can be written but whose owner cannot be kept is reported by Check
// and not written by Write.
func TestForeignOwner(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can make such a file")
	}
	f := folder(t, map[string]string{"fly.toml": "[env]\n"})
	for path, mode := range map[string]fs.FileMode{filepath.Dir(f.Dir): 0o755, f.Dir: 0o777, filepath.Join(f.Dir, "fly.toml"): 0o666} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	// Only this thread acts as that user.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const nobody = 65534
	_, _, _ = syscall.RawSyscall(syscall.SYS_SETFSUID, nobody, 0, 0)
	defer func() { _, _, _ = syscall.RawSyscall(syscall.SYS_SETFSUID, 0, 0, 0) }()

	for _, err := range []error{f.Check(t.Context(), []setup.Change{create("A", "a")}), writeTo(f, t.Context(), create("A", "a"))} {
		if as[*FileError](t, err); !strings.Contains(err.Error(), "owner and group could not be kept") {
			t.Errorf("got %v", err)
		}
	}
	alone(t, f, "fly.toml")
}
