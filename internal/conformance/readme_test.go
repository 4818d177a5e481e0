package conformance

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The README names every command, and no command or flag that there is not. Every flag is in
// docs/reference.md, which is written from the commands.
func TestReadmeNamesCommandsAndFlags(t *testing.T) {
	t.Parallel()
	need(t, "git")
	w := newWorld(t, "acme", "http://127.0.0.1:1", nil)
	readme := readme(t)
	flag := regexp.MustCompile(`--[a-z][a-z-]*[a-z]`)

	flags := []string{"--version"}
	var commands []string
	for _, name := range w.commands() {
		commands = append(commands, name)
		for _, sub := range append([]string{""}, w.commands(name)...) {
			help := append(strings.Fields(name+" "+sub), "--help")
			flags = append(flags, flag.FindAllString(w.flyAWS(0, help...).stdout, -1)...)
		}
		if name != "help" && name != "completion" && !strings.Contains(readme, "| `fly-aws "+name) {
			t.Errorf("README.md has no row for the command %s", name)
		}
	}
	for _, row := range regexp.MustCompile("\\| `fly-aws ([a-z-]+)").FindAllStringSubmatch(readme, -1) {
		if !slices.Contains(commands, row[1]) {
			t.Errorf("README.md has a row for %s, which is not a command", row[1])
		}
	}
	dockerfile := regexp.MustCompile("(?s)```dockerfile\n.*?```") // has flags of docker's
	for _, name := range flag.FindAllString(dockerfile.ReplaceAllString(readme, ""), -1) {
		if !slices.Contains(flags, name) {
			t.Errorf("README.md mentions %s, which no command has", name)
		}
	}
}

// commands lists the commands below one.
func (w *world) commands(below ...string) []string {
	help := w.flyAWS(0, append(below, "--help")...).stdout
	var names []string
	for _, line := range regexp.MustCompile(`(?m)^ {2}([a-z-]+) {2,}[A-Z]`).FindAllStringSubmatch(help, -1) {
		names = append(names, line[1])
	}
	return names
}

// docs/how-it-works.md shows the trust policy that the program makes.
func TestPageShowsTheTrustPolicy(t *testing.T) {
	t.Parallel()
	need(t, "git")
	w := newWorld(t, "acme", "http://127.0.0.1:1", nil)
	policy := w.flyAWS(0, "policy", "trust", "--account", account, "--org", "acme", "--app", "web").stdout
	if !strings.Contains(file(t, "docs/how-it-works.md"), "```json\n"+policy+"```\n") {
		t.Errorf("docs/how-it-works.md does not show what fly-aws policy trust prints:\n%s", policy)
	}
}

// README.md and docs/machine.md copy the program from the image that releases push, and from
// where it is there.
func TestDocsCopyFromTheImage(t *testing.T) {
	t.Parallel()
	image := regexp.MustCompile(`images: \[(\S+)\]`).FindStringSubmatch(file(t, "goreleaser.yaml"))
	if image == nil {
		t.Fatal("goreleaser.yaml has no image")
	}
	line := "\nCOPY --from=" + image[1] + " " + entrypoint(t) + " /usr/local/bin/\n"
	for _, name := range []string{"README.md", "docs/machine.md"} {
		if !strings.Contains(file(t, name), line) {
			t.Errorf("%s has no line %q", name, line)
		}
	}
}

// entrypoint returns the path in the image of its program.
func entrypoint(t *testing.T) string {
	t.Helper()
	found := regexp.MustCompile(`(?m)^ENTRYPOINT \["([^"]+)"\]$`).FindStringSubmatch(file(t, "Dockerfile"))
	if found == nil {
		t.Fatal("the Dockerfile has no ENTRYPOINT of one word")
	}
	return found[1]
}

func readme(t *testing.T) string {
	t.Helper()
	return file(t, "README.md")
}

// file returns a file of the repository.
func file(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
