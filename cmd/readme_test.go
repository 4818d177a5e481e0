package cmd_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"regexp"
	"testing"
	"time"

	"github.com/fly-aws/fly-aws/cmd"
	"github.com/fly-aws/fly-aws/internal/preset"
)

// TestPageShowsTheDemo: docs/start.md shows what the demo prints, except for how long
// each step took. With -update, the page is updated.
func TestPageShowsTheDemo(t *testing.T) {
	t.Parallel()
	var out, errOut bytes.Buffer
	exit := cmd.Main(context.Background(), cmd.System{
		Stdin: bytes.NewReader(nil), Stdout: &out, Stderr: &errOut,
		Getenv: func(string) string { return "" },
		Now:    time.Now, Sleep: func(context.Context, time.Duration) {},
		Size: func() (columns, rows int) { return 80, 24 },
	}, []string{"demo"})
	if exit != 0 || errOut.Len() > 0 {
		t.Fatalf("the demo exits %d:\n%s", exit, &errOut)
	}
	picture := regexp.MustCompile(`\([0-9.]+m?s\)`).ReplaceAll(out.Bytes(), []byte("(1ms)"))
	const begin, end = "<!-- demo -->\n", "<!-- /demo -->"
	block := []byte(begin + "```text\n" + string(picture) + "```\n" + end)

	page, err := os.ReadFile("../docs/start.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := regexp.MustCompile(`(?s)` + begin + `.*?` + end)
	if *update {
		if err := os.WriteFile("../docs/start.md", shown.ReplaceAllLiteral(page, block), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got := shown.Find(page); !bytes.Equal(got, block) {
		t.Errorf("docs/start.md does not show what the demo prints; run go test ./cmd -update\n%s", block)
	}
}

// TestPageNamesPresets: the table in docs/start.md has every preset.
func TestPageNamesPresets(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/start.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range preset.All() {
		if !bytes.Contains(page, []byte("\n| `"+p.Name+"=")) {
			t.Errorf("the table of presets in docs/start.md lacks %s", p.Name)
		}
	}
}

// TestReadmeMachine runs the README's example of commands in a machine.
func TestReadmeMachine(t *testing.T) {
	t.Parallel()
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("there is no sh to run the example in")
	}
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	example := regexp.MustCompile("(?s)<!-- machine -->\n```sh\n(.*?)```\n<!-- /machine -->").FindSubmatch(readme)
	if example == nil {
		t.Fatal("README.md has no example between its marks")
	}
	p := newProgram(t, nil)
	c := exec.CommandContext(context.Background(), sh, "-c", string(example[1]))
	c.Dir, c.Env = p.dir, append(os.Environ(), "LANG=C.UTF-8")
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"✓ signature", "✓ AWS accepts the token", "✓ accepted", "✓ who am I"} {
		if !bytes.Contains(out, []byte(want)) {
			t.Errorf("it does not show %q:\n%s", want, out)
		}
	}
}
