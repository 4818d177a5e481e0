package requestfile_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fly-aws/fly-aws/internal/requestfile"
)

// files are the files that the request files of these tests name.
func files(path string) ([]byte, error) {
	policy := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:{partition}:s3:::reports-{account}/${aws:username}/*"}}`
	switch {
	case strings.HasPrefix(path, "trust/"), strings.HasSuffix(path, "trust.json"):
		return []byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"{account}"},"Action":"sts:AssumeRole"}]}`), nil
	case strings.HasSuffix(path, "region.json"):
		return []byte(strings.ReplaceAll(policy, "{account}", "{region}-{app}")), nil
	case strings.HasSuffix(path, "bad.json"):
		return []byte(`{`), nil
	case strings.HasPrefix(path, "policies/"):
		return []byte(policy), nil
	}
	return nil, fs.ErrNotExist
}

func parse(t *testing.T, text string) *requestfile.File {
	t.Helper()
	f, err := requestfile.Parse("fly-aws.toml", []byte(text), files)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return f
}

func TestProblems(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob("testdata/problems/*.toml")
	if err != nil || len(paths) == 0 {
		t.Fatal(paths, err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".toml"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			// The problems stand at the end of the file, as comments.
			body, want, _ := strings.Cut(string(text), "#! ")
			_, err = requestfile.Parse("fly-aws.toml", []byte(body), files)
			if err == nil {
				t.Fatal("no problem was found")
			}
			got := strings.ReplaceAll(err.Error(), "\n", "\n#! ") + "\n"
			if *update {
				if err := os.WriteFile(path, []byte(body+"#! "+got), 0o600); err != nil {
					t.Fatal(err)
				}
			} else if got != want {
				t.Errorf("the problems are\n#! %s", got)
			}
			var p *requestfile.Problem
			if !errors.As(err, &p) || p.File != "fly-aws.toml" {
				t.Errorf("no *Problem: %v", err)
			}
		})
	}
}
