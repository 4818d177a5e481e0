package conformance

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// implied are permissions that calls need besides their own: creating a provider
// with tags needs the permission to tag, which roles need anyway.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags_oidc.html
var implied = []string{"iam:TagOpenIDConnectProvider"}

// The documented policy has exactly the actions that commands call.
func TestPermissionsNameEveryCall(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "permissions.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "```json\n")
	text, _, _ := strings.Cut(rest, "```")
	var policy struct {
		Statement []struct{ Action any }
	}
	if err := json.Unmarshal([]byte(text), &policy); err != nil {
		t.Fatalf("the policy in docs/permissions.md: %v", err)
	}
	var granted []string
	for _, s := range policy.Statement {
		granted = append(granted, texts(s.Action)...)
	}
	slices.Sort(granted)

	called := slices.Clone(implied)
	files, err := filepath.Glob(filepath.Join("..", "awsapi", "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	input := regexp.MustCompile(`\biam\.(\w+)Input\{`)
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range input.FindAllStringSubmatch(string(src), -1) {
			called = append(called, "iam:"+m[1])
		}
	}
	slices.Sort(called)
	if called = slices.Compact(called); !slices.Equal(granted, called) {
		t.Errorf("docs/permissions.md grants\n%q\nand the code needs\n%q", granted, called)
	}
}
