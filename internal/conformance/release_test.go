package conformance

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A release is what goreleaser made in the folder that FLY_AWS_DIST names.
type release struct {
	dir string
	// Version and commit are those of the programs, date the time of the commit.
	Version, Commit string
	date            time.Time
	artifacts       []artifact
}

type artifact struct {
	Name, Path, Type, GOOS, GOARCH string
	Extra                          struct{ Format string }
}

// released is the release to test. "make release-check" and "make release-snapshot" make
// one, which takes minutes.
func released(t *testing.T) release {
	t.Helper()
	r := release{dir: os.Getenv("FLY_AWS_DIST")}
	if r.dir == "" {
		t.Skip("FLY_AWS_DIST does not name the folder of a release: make release-check does")
	}
	r.parse(t, "metadata.json", &r)
	r.parse(t, "artifacts.json", &r.artifacts)
	seconds, err := exec.CommandContext(t.Context(), "git", "show", "-s", "--format=%ct", r.Commit).Output()
	if err != nil {
		t.Fatal(err)
	}
	at, err := strconv.ParseInt(strings.TrimSpace(string(seconds)), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	r.date = time.Unix(at, 0)
	return r
}

func (r release) parse(t *testing.T, name string, v any) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(r.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, v); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// path is where an artifact is: goreleaser's paths begin with the folder's name.
func (r release) path(a artifact) string { return filepath.Join(filepath.Dir(r.dir), a.Path) }

// An entry is a file in an archive or package.
type entry struct {
	mode  os.FileMode
	owner string
	time  time.Time
}

// manPages are the names of the man pages, by the commands of docs/reference.md.
func manPages(t *testing.T) []string {
	t.Helper()
	var names []string
	for _, m := range regexp.MustCompile(`(?m)^## (fly-aws.*)$`).FindAllStringSubmatch(file(t, "docs/reference.md"), -1) {
		names = append(names, strings.ReplaceAll(m[1], " ", "-")+".1")
	}
	if len(names) < 20 {
		t.Fatalf("docs/reference.md has only the commands %q", names)
	}
	return names
}

// TestReleasedFiles: each archive and package has these files, for everyone to read, owned
// by root and with the time of the commit.
func TestReleasedFiles(t *testing.T) {
	t.Parallel()
	r := released(t)
	archive := []string{
		"LICENSE", "README.md", "CHANGELOG.md", "THIRD_PARTY_NOTICES.txt",
		"completions/fly-aws.bash", "completions/_fly-aws", "completions/fly-aws.fish", "completions/fly-aws.ps1",
	}
	linux := []string{
		"/usr/bin/fly-aws",
		"/usr/share/bash-completion/completions/fly-aws",
		"/usr/share/fish/vendor_completions.d/fly-aws.fish",
		"/usr/share/doc/fly-aws/copyright",
		"/usr/share/doc/fly-aws/THIRD_PARTY_NOTICES.txt",
	}
	for _, page := range manPages(t) {
		archive = append(archive, "man/"+page)
		linux = append(linux, "/usr/share/man/man1/"+page+".gz")
	}
	const siteFunctions = "/usr/share/zsh/site-functions/_fly-aws"
	kinds := map[string]struct {
		read  func(path string) (map[string]entry, error)
		files []string
	}{
		"tar.gz": {readTarGz, append(slices.Clone(archive), "fly-aws")},
		"zip":    {readZip, append(slices.Clone(archive), "fly-aws.exe")},
		"deb":    {readDeb, append(slices.Clone(linux), "/usr/share/zsh/vendor-completions/_fly-aws")},
		"rpm":    {readRPM, append(slices.Clone(linux), siteFunctions)},
		"apk":    {readAPK, append(slices.Clone(linux), siteFunctions)},
	}
	got := make(map[string]int)
	for _, a := range r.artifacts {
		if a.Type != "Archive" && a.Type != "Linux Package" {
			continue
		}
		got[a.Extra.Format+" "+a.GOOS+"/"+a.GOARCH]++
		kind, ok := kinds[a.Extra.Format]
		if !ok {
			t.Errorf("%s is of the unknown format %q", a.Name, a.Extra.Format)
			continue
		}
		entries, err := kind.read(r.path(a))
		if errors.Is(err, exec.ErrNotFound) {
			t.Logf("the files of %s are not looked at: %v", a.Name, err)
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", a.Name, err)
			continue
		}
		slices.Sort(kind.files)
		if names := slices.Sorted(maps.Keys(entries)); !slices.Equal(names, kind.files) {
			t.Errorf("%s has the files\n%s\nnot\n%s", a.Name, strings.Join(names, "\n"), strings.Join(kind.files, "\n"))
		}
		for name, e := range entries {
			want := entry{mode: 0o644, owner: "root", time: r.date}
			if strings.HasSuffix(strings.TrimSuffix(name, ".exe"), "/bin/fly-aws") || !strings.Contains(name, "/") && strings.HasPrefix(name, "fly-aws") {
				want.mode = 0o755
			}
			if e.mode != want.mode || e.owner != want.owner || !e.time.Equal(want.time) {
				t.Errorf("%s: %s has %v %s %v, not %v %s %v", a.Name, name, e.mode, e.owner, e.time, want.mode, want.owner, want.time)
			}
		}
	}
	want := make(map[string]int)
	for _, target := range r.targets() {
		formats := []string{"tar.gz"}
		switch goos, _, _ := strings.Cut(target, "/"); goos {
		case "windows":
			formats = []string{"zip"}
		case "linux":
			formats = append(formats, "deb", "rpm", "apk")
		}
		for _, format := range formats {
			want[format+" "+target] = 1
		}
	}
	if !maps.Equal(got, want) {
		t.Errorf("there are %v, not %v", got, want)
	}
}

// targets are the systems of the release: all, unless FLY_AWS_TARGETS names fewer.
func (r release) targets() []string {
	if few := os.Getenv("FLY_AWS_TARGETS"); few != "" {
		return strings.Fields(few)
	}
	return []string{"linux/amd64", "linux/arm64", "darwin/amd64", "darwin/arm64", "windows/amd64", "windows/arm64"}
}

// TestReleasedNotices: the licenses of everything in each program are beside it, and where
// its source code is, which the MPL asks for.
func TestReleasedNotices(t *testing.T) {
	t.Parallel()
	r := released(t)
	notices := file(t, "build/THIRD_PARTY_NOTICES.txt")
	if strings.Count(notices, ": NOTICE") < 3 || !strings.Contains(notices, "= Go: LICENSE\n") {
		t.Error("THIRD_PARTY_NOTICES.txt lacks the NOTICE files, or Go's license")
	}
	if regexp.MustCompile(`(?m)^=+ .*\.go$`).MatchString(notices) {
		t.Error("THIRD_PARTY_NOTICES.txt has source code in it")
	}
	seen := 0
	for _, a := range r.artifacts {
		if a.Type != "Binary" {
			continue
		}
		seen++
		info, err := buildinfo.ReadFile(r.path(a))
		if err != nil {
			t.Fatal(err)
		}
		for _, module := range info.Deps {
			if !strings.Contains(notices, "\n"+module.Path+" "+module.Version+"\n") {
				t.Errorf("%s/%s has %s %s, which THIRD_PARTY_NOTICES.txt does not list", a.GOOS, a.GOARCH, module.Path, module.Version)
			}
			if !regexp.MustCompile(`(?mi)^=+ ` + regexp.QuoteMeta(module.Path) + `(/\S+)?: (LICENSE|COPYING)`).MatchString(notices) {
				t.Errorf("%s/%s has %s, whose license is not in THIRD_PARTY_NOTICES.txt", a.GOOS, a.GOARCH, module.Path)
			}
		}
	}
	if seen != len(r.targets()) {
		t.Errorf("there are %d programs for %q", seen, r.targets())
	}
}

// TestReleasedCask: Homebrew installs every man page and completion script of an archive.
func TestReleasedCask(t *testing.T) {
	t.Parallel()
	r := released(t)
	text, err := os.ReadFile(filepath.Join(r.dir, "homebrew", "Casks", "fly-aws.rb"))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{`binary "fly-aws"`, `bash_completion "completions/fly-aws.bash"`, `zsh_completion "completions/_fly-aws"`, `fish_completion "completions/fly-aws.fish"`}
	for _, page := range manPages(t) {
		want = append(want, fmt.Sprintf("manpage %q", "man/"+page))
	}
	var got []string
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); regexp.MustCompile(`^(binary|manpage|\w+_completion) `).MatchString(line) {
			got = append(got, line)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("the cask installs\n%s\nnot\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func readTarGz(path string) (map[string]entry, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readGzip(f)
}

func readGzip(r io.Reader) (map[string]entry, error) {
	unpacked, err := gzip.NewReader(r)
	if err != nil {
		return nil, err
	}
	return readTar(unpacked)
}

func readTar(r io.Reader) (map[string]entry, error) {
	entries := make(map[string]entry)
	files := tar.NewReader(r)
	for {
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			return entries, nil
		}
		if err != nil {
			return nil, err
		}
		owner := h.Uname
		if h.Uname != h.Gname || h.Uid != h.Gid || h.Uid != 0 {
			owner = fmt.Sprintf("%s(%d):%s(%d)", h.Uname, h.Uid, h.Gname, h.Gid)
		}
		if h.Typeflag != tar.TypeDir {
			entries[h.Name] = entry{os.FileMode(h.Mode), owner, h.ModTime}
		}
	}
}

// readZip reads an archive of Windows, in which files have no owner.
func readZip(path string) (map[string]entry, error) {
	r, err := zip.OpenReader(path)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	entries := make(map[string]entry)
	for _, f := range r.File {
		entries[f.Name] = entry{f.Mode(), "root", f.Modified}
	}
	return entries, nil
}

func readDeb(path string) (map[string]entry, error) {
	data, err := exec.Command("dpkg-deb", "--fsys-tarfile", path).Output()
	if err != nil {
		return nil, err
	}
	entries, err := readTar(bytes.NewReader(data))
	return rooted(entries), err
}

// readAPK reads a package of Alpine's: a signature, control files and the files, each a
// part of one tar file.
func readAPK(path string) (map[string]entry, error) {
	entries, err := readTarGz(path)
	maps.DeleteFunc(entries, func(name string, _ entry) bool { return strings.HasPrefix(name, ".") })
	return rooted(entries), err
}

// rooted has absolute names in place of relative ones.
func rooted(entries map[string]entry) map[string]entry {
	all := make(map[string]entry)
	for name, e := range entries {
		all["/"+strings.TrimPrefix(name, "./")] = e
	}
	return all
}

func readRPM(path string) (map[string]entry, error) {
	const format = "[%{FILENAMES}\t%{FILEMODES:octal}\t%{FILEUSERNAME}:%{FILEGROUPNAME}\t%{FILEMTIMES}\n]"
	list, err := exec.Command("rpm", "--query", "--nosignature", "--package", "--queryformat", format, path).Output()
	if err != nil {
		return nil, err
	}
	entries := make(map[string]entry)
	for line := range strings.Lines(string(list)) {
		fields := strings.Split(strings.TrimSpace(line), "\t")
		mode, err := strconv.ParseUint(fields[1], 8, 32)
		if err != nil {
			return nil, err
		}
		at, err := strconv.ParseInt(fields[3], 10, 64)
		if err != nil {
			return nil, err
		}
		if mode&0o170000 == 0o100000 { // a regular file, in the bits of stat
			entries[fields[0]] = entry{os.FileMode(mode & 0o7777), strings.TrimSuffix(fields[2], ":root"), time.Unix(at, 0)}
		}
	}
	return entries, nil
}
