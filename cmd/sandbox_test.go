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

// TestSandboxPage: docs/sandbox.md has every flag of the sandbox, and every variable that it
// sets or unsets.
func TestSandboxPage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/sandbox.md")
	if err != nil {
		t.Fatal(err)
	}
	ended, end := context.WithCancel(context.Background())
	end() // so that it prints the exports and does not wait
	output := func(args ...string) []byte {
		var out, errOut bytes.Buffer
		exit := cmd.Main(ended, cmd.System{
			Stdin: bytes.NewReader(nil), Stdout: &out, Stderr: &errOut,
			Getenv: func(string) string { return "" },
			Now:    time.Now, Sleep: func(context.Context, time.Duration) {},
			Size: func() (columns, rows int) { return 80, 24 },
		}, args)
		if exit != 0 {
			t.Fatalf("%v exits %d:\n%s", args, exit, &errOut)
		}
		return out.Bytes()
	}
	for _, of := range []struct{ pattern, text string }{
		{`(?m)^ +(?:-\w, )?(--[a-z-]+)`, string(output("sandbox", "--help"))},
		{`(?m)^(?:export|unset) (\w+)`, string(output("sandbox"))},
	} {
		names := regexp.MustCompile(of.pattern).FindAllStringSubmatch(of.text, -1)
		if len(names) < 5 {
			t.Fatalf("only %d names in\n%s", len(names), of.text)
		}
		for _, name := range names {
			if name[1] != "--help" && !bytes.Contains(page, []byte("`"+name[1]+"`")) {
				t.Errorf("docs/sandbox.md lacks %s", name[1])
			}
		}
	}
}
