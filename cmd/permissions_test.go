package cmd_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/fly-aws/fly-aws/cmd"
)

// TestPermissionsPage: docs/permissions.md shows what policy operator prints for the file
// there. With -update, the page is updated.
func TestPermissionsPage(t *testing.T) {
	t.Parallel()
	const path = "../docs/permissions.md"
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	file := regexp.MustCompile("(?s)<!-- fly-aws.toml -->\n```toml\n(.*?)```").FindSubmatch(page)
	if file == nil {
		t.Fatal("the page has no file between its marks")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "fly-aws.toml"), file[1], 0o600); err != nil {
		t.Fatal(err)
	}
	shown := regexp.MustCompile(`(?s)<!-- fly-aws (policy operator[^>]*) -->\n.*?<!-- /`)
	if n := len(shown.FindAll(page, -1)); n != 2 {
		t.Errorf("the page shows %d policies", n)
	}
	want := shown.ReplaceAllFunc(page, func(block []byte) []byte {
		args := strings.Fields(string(shown.FindSubmatch(block)[1]))
		var out, errOut bytes.Buffer
		exit := cmd.Main(context.Background(), cmd.System{
			Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errOut, Dir: dir,
			Getenv: func(string) string { return "" },
			Now:    time.Now, Sleep: func(context.Context, time.Duration) {},
		}, args)
		if exit != 0 || errOut.Len() > 0 {
			t.Fatalf("%v exits %d:\n%s", args, exit, &errOut)
		}
		return []byte("<!-- fly-aws " + strings.Join(args, " ") + " -->\n```json\n" + out.String() + "```\n<!-- /")
	})
	if *update {
		if err := os.WriteFile(path, want, 0o600); err != nil {
			t.Fatal(err)
		}
	} else if !bytes.Equal(page, want) {
		t.Errorf("docs/permissions.md does not show what fly-aws policy operator prints; run go test ./cmd -update\n%s", want)
	}
}
