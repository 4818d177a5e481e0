package conformance

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// docs/security.md names the calls of IAM that change something: those of the code.
func TestSecurityNamesEveryWrite(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "security.md"))
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile(`<!-- writes -->(.*)<!-- /writes -->`).FindSubmatch(page)
	if block == nil {
		t.Fatal("docs/security.md has no list of writes")
	}
	named := regexp.MustCompile(`iam:\w+`).FindAllString(string(block[1]), -1)
	written := slices.DeleteFunc(calledActions(t), func(action string) bool {
		return strings.HasPrefix(action, "iam:Get") || strings.HasPrefix(action, "iam:List")
	})
	if !slices.Equal(named, written) {
		t.Errorf("docs/security.md names\n%q\nand the code has\n%q", named, written)
	}
}

// The user agent of the calls to AWS names fly-aws, as the pages say.
func TestUserAgent(t *testing.T) {
	t.Parallel()
	need(t, "git")
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var agents []string
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		agents = append(agents, r.UserAgent())
		http.Error(rw, "no", http.StatusForbidden)
	}))
	defer server.Close()
	w := newWorld(t, "acme", server.URL, []string{
		"AWS_ENDPOINT_URL=" + server.URL, "AWS_ACCESS_KEY_ID=testing", "AWS_SECRET_ACCESS_KEY=testing", "AWS_REGION=us-east-1",
	})
	w.exec(w.env, path, "plan", "--org", "acme", "--app", "web")
	if len(agents) == 0 {
		t.Fatal("it made no call")
	}
	for _, agent := range agents {
		if !regexp.MustCompile(` fly-aws/\S+`).MatchString(agent) {
			t.Errorf("user agent %q", agent)
		}
	}
}
