package conformance

import (
	"os"
	"path/filepath"
	"testing"
)

// nodeClients returns a folder in which scripts of Node.js find the clients that .ci/run
// installs, and the scripts in testdata. Without FLY_AWS_NODE_CLIENTS, the node_modules
// folder that has the clients, the test is skipped.
func nodeClients(t *testing.T) string {
	t.Helper()
	clients := os.Getenv("FLY_AWS_NODE_CLIENTS")
	if clients == "" {
		t.Skip("FLY_AWS_NODE_CLIENTS does not name a node_modules folder")
	}
	need(t, "node")
	dir := t.TempDir()
	if err := os.Symlink(clients, filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	scripts, err := filepath.Glob(filepath.Join("testdata", "*.mjs"))
	if err != nil || len(scripts) == 0 {
		t.Fatalf("testdata has no scripts: %v", err)
	}
	for _, script := range scripts {
		text, err := os.ReadFile(script)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(script)), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
