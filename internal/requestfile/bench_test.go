package requestfile_test

import (
	"fmt"
	"testing"

	"github.com/fly-aws/fly-aws/internal/requestfile"
	"github.com/fly-aws/fly-aws/setup"
)

// BenchmarkParse reads a file with 300 apps.
func BenchmarkParse(b *testing.B) {
	req := setup.Request{Org: "acme", Account: "123456789012", File: "p", Region: "eu-central-1"}
	for i := range 300 {
		app := fmt.Sprintf("app-%d", i)
		req.Roles = append(req.Roles, setup.RoleRequest{
			Apps: []setup.App{{Name: app, Config: app + "/fly.toml"}}, Policies: []string{"AmazonSQSFullAccess"},
			Presets: []setup.Preset{{Name: "s3-write", Answer: "b-" + app}},
		})
	}
	text := requestfile.New(req)
	for b.Loop() {
		if _, err := requestfile.Parse("fly-aws.toml", text, files); err != nil {
			b.Fatal(err)
		}
	}
}
