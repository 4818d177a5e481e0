package setup_test

import (
	"bytes"
	"context"
	"testing"

	"github.com/fly-aws/fly-aws/setup"
)

// FuzzReadPlan: a plan file may have been edited by anybody. What is read prints
// as something that reads the same, and applying it does not panic.
func FuzzReadPlan(f *testing.F) {
	for _, req := range []setup.Request{request("web"), shared(request("web", "api"), "fly")} {
		for _, m := range []*memory{newMemory(), newMemory(foreignRole("fly-acme-web"))} {
			p, err := tryPlan(m, req)
			if err != nil {
				f.Fatal(err)
			}
			data, err := p.MarshalIndent()
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	f.Add([]byte(`{"schema":"fly-aws.plan/1","org":"acme","issuer":"https://oidc.fly.io/acme","changes":[{"action":"keep","after":{"env":{"config":"x","key":"K"}}}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := setup.ReadPlan(data)
		if err != nil {
			return
		}
		once, err := p.MarshalIndent()
		if err != nil {
			t.Fatalf("a plan that was read does not print: %v", err)
		}
		q, err := setup.ReadPlan(once)
		if err != nil {
			t.Fatalf("what was printed does not read: %v\n%s", err, once)
		}
		if twice, err := q.MarshalIndent(); err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("it prints differently the second time: %v\n%s\n%s", err, once, twice)
		}
		m := newMemory()
		_, _ = setup.Apply(context.Background(), m.targets(), p, nil)
		_, _, _ = setup.Verify(context.Background(), m.targets(), p)
	})
}
