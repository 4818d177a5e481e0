package cmd_test

import (
	"bytes"
	"context"
	"os"
	"regexp"
	"testing"
	"time"

	"github.com/fly-aws/fly-aws/cmd"
)

// TestReadmeShowsTheDemo: the picture in the README is what the demo prints, but
// for how long each step took. With -update it is written there.
func TestReadmeShowsTheDemo(t *testing.T) {
	t.Parallel()
	var out, errOut bytes.Buffer
	exit := cmd.Main(context.Background(), cmd.System{
		Stdin: bytes.NewReader(nil), Stdout: &out, Stderr: &errOut,
		Getenv: func(string) string { return "" },
		Now:    time.Now, Sleep: func(context.Context, time.Duration) {},
	}, []string{"demo"})
	if exit != 0 || errOut.Len() > 0 {
		t.Fatalf("the demo exits %d:\n%s", exit, &errOut)
	}
	picture := regexp.MustCompile(`\([0-9.]+m?s\)`).ReplaceAll(out.Bytes(), []byte("(1ms)"))
	const begin, end = "<!-- demo -->\n", "<!-- /demo -->"
	block := []byte(begin + "```text\n" + string(picture) + "```\n" + end)

	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := regexp.MustCompile(`(?s)` + begin + `.*?` + end)
	if *update {
		if err := os.WriteFile("../README.md", shown.ReplaceAllLiteral(readme, block), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got := shown.Find(readme); !bytes.Equal(got, block) {
		t.Errorf("README.md does not show what the demo prints; run go test ./cmd -update\n%s", block)
	}
}
