package conformance

import (
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// TestReleasedPackageRuns: the program runs where the Debian package is unpacked and nothing
// else is there, and man and the shells find what is for them.
func TestReleasedPackageRuns(t *testing.T) {
	t.Parallel()
	r := released(t)
	need(t, "dpkg-deb")
	at := slices.IndexFunc(r.artifacts, func(a artifact) bool {
		return a.Extra.Format == "deb" && a.GOARCH == runtime.GOARCH
	})
	if at < 0 {
		t.Fatalf("there is no package for %s", runtime.GOARCH)
	}
	dir := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "dpkg-deb", "-x", r.path(r.artifacts[at]), dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}

	t.Run("program", func(t *testing.T) {
		if os.Geteuid() != 0 {
			t.Skip("only root can change the root directory of a program")
		}
		c := &chroot{t: t, dir: dir, entrypoint: "/usr/bin/fly-aws"}
		var version struct{ Version, Commit, Date, Sum string }
		if err := json.Unmarshal([]byte(c.run(nobody, 0, nil, "version", "--json").stdout), &version); err != nil {
			t.Fatal(err)
		}
		if version.Version != r.Version || version.Commit != r.Commit || !strings.HasPrefix(version.Date, r.date.UTC().Format("2006-01-02T15:04:05")) {
			t.Errorf("the program is %+v, not %s of %s", version, r.Version, r.Commit)
		}
		c.run(nobody, 0, nil, "demo").wants(t, "✓ accepted")
	})
	t.Run("man", func(t *testing.T) {
		if _, err := exec.LookPath("man"); err != nil {
			t.Skip("there is no man")
		}
		for _, page := range []string{"fly-aws", "fly-aws-token-keep"} {
			show := exec.CommandContext(t.Context(), "man", "--warnings", page)
			show.Env = append(os.Environ(), "MANPATH="+filepath.Join(dir, "usr/share/man"), "MANWIDTH=80", "LC_ALL=C.UTF-8")
			if out, err := show.CombinedOutput(); err != nil || !strings.Contains(string(out), "fly-aws "+r.Version) {
				t.Errorf("man %s: %v\n%s", page, err, out)
			}
		}
	})
	for shell, script := range map[string]string{
		"bash": "bash-completion/completions/fly-aws",
		"zsh":  "zsh/vendor-completions/_fly-aws",
		"fish": "fish/vendor_completions.d/fly-aws.fish",
	} {
		t.Run(shell, func(t *testing.T) {
			if _, err := exec.LookPath(shell); err != nil {
				t.Skipf("there is no %s", shell)
			}
			if out, err := exec.CommandContext(t.Context(), shell, "-n", filepath.Join(dir, "usr/share", script)).CombinedOutput(); err != nil || len(out) > 0 {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// TestReleasedInstall: make install puts the program, its man pages and completions below
// DESTDIR, also if its name has a space, and make uninstall removes them all.
func TestReleasedInstall(t *testing.T) {
	t.Parallel()
	_ = released(t) // it takes as long as a release
	need(t, "make", "git")
	dir := filepath.Join(t.TempDir(), "a folder")
	makeTarget := func(target string) {
		t.Helper()
		c := exec.CommandContext(t.Context(), "make", target, "PREFIX=/opt/aws", "DESTDIR="+dir)
		c.Dir = filepath.Join("..", "..")
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("make %s: %v\n%s", target, err, out)
		}
	}
	files := func() []string {
		t.Helper()
		var files []string
		if err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				files = append(files, path)
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return files
	}
	want := []string{
		"opt/aws/bin/fly-aws",
		"opt/aws/share/bash-completion/completions/fly-aws",
		"opt/aws/share/fish/vendor_completions.d/fly-aws.fish",
		"opt/aws/share/zsh/site-functions/_fly-aws",
	}
	for _, page := range manPages(t) {
		want = append(want, "opt/aws/share/man/man1/"+page)
	}
	slices.Sort(want)

	makeTarget("install")
	if got := files(); !slices.Equal(got, want) {
		t.Errorf("make install installs\n%s\nnot\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	head, err := exec.CommandContext(t.Context(), "git", "rev-parse", "HEAD").Output()
	if err != nil {
		t.Fatal(err)
	}
	stamped := regexp.MustCompile(`^fly-aws version \d+\.\d+\.\d+\S* \(` + strings.TrimSpace(string(head)) + `, \d{4}-`)
	if out, err := exec.CommandContext(t.Context(), filepath.Join(dir, "opt/aws/bin/fly-aws"), "--version").Output(); err != nil || !stamped.Match(out) {
		t.Errorf("--version prints %q (%v)", out, err)
	}
	makeTarget("uninstall")
	if got := files(); len(got) > 0 {
		t.Errorf("make uninstall leaves %q", got)
	}
}
