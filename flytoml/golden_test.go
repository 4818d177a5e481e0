package flytoml

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "update the golden files")

// TestGolden edits whole configs as the setup command does: the role's ARN and the
// region.
func TestGolden(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.toml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, pair := range [][2]string{
				{"AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/fly-acme-shop"},
				{"AWS_REGION", "eu-central-1"},
			} {
				if text, err = setIn(text, pair[0], pair[1]); err != nil {
					t.Fatal(err)
				}
			}
			golden := file + ".golden"
			if *update {
				if err := os.WriteFile(golden, text, 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(text, want) {
				t.Errorf("got\n%s\nwant\n%s", text, want)
			}
		})
	}
}
