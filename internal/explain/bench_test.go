package explain

import (
	"fmt"
	"strings"
	"testing"

	"github.com/fly-aws/fly-aws/trustpolicy"
)

// BenchmarkExplain has a policy of the usual size, and one of the maximum size with a
// mistake in each statement.
func BenchmarkExplain(b *testing.B) {
	var many []string
	for i := range 28 {
		many = append(many, statement("Allow", fmt.Sprintf(`"StringEquals":{"oidc.fly.io/acme:aud":"sts.amazonaws.com","oidc.fly.io/acme:sub":["acme:a%d:*","acme:*b:*"]}`, i)))
	}
	for name, statements := range map[string]string{
		"one statement": statement("Allow", aud+`,"StringLike":{"oidc.fly.io/acme:sub":"acme:db:*"}`),
		"full size":     strings.Join(many, ","),
	} {
		b.Run(name, func(b *testing.B) {
			c := machine(policyOf(b, "2012-10-17", statements))
			if size := c.Policy.Size(); size > trustpolicy.MaxSizeQuota {
				b.Fatalf("%d characters", size)
			}
			for b.Loop() {
				Explain(c)
			}
		})
	}
}
