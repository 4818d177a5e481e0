package requestfile_test

import (
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/fly-aws/fly-aws/internal/requestfile"
	"github.com/fly-aws/fly-aws/setup"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

// factsFor are the facts for a request: its policies are AWS's, unless it has their ARNs.
func factsFor(req setup.Request) setup.Facts {
	facts := setup.Facts{Partition: "aws", Account: req.Account, Policies: map[string]string{}}
	for _, ref := range req.PolicyRefs() {
		facts.Policies[ref] = ref
		if !strings.HasPrefix(ref, "arn:") {
			facts.Policies[ref] = "arn:aws:iam::aws:policy/" + ref
		}
	}
	return facts
}

// TestImport: what is in an account becomes a file, and a plan of the file has nothing to
// do and no extras.
func TestImport(t *testing.T) {
	t.Parallel()
	imported := 0
	for seed := range uint64(1000) {
		rnd := rand.New(rand.NewPCG(seed, 3))
		req, _ := randomRequest(rnd)
		for i := range req.Roles {
			req.Roles[i].MaxSession = 0 // Account.Roles does not return it
			for j := range req.Roles[i].Policies {
				req.Roles[i].Policies[j] = strings.ReplaceAll(req.Roles[i].Policies[j], `"`, "")
			}
			for j := range req.Roles[i].Apps {
				req.Roles[i].Apps[j].Config = ""
			}
		}
		if req.Check() != nil {
			continue
		}
		plan, err := setup.Resolve(req, factsFor(req), setup.State{})
		if err != nil {
			continue
		}
		state := setup.State{}
		for _, c := range plan.Changes {
			if c.After != nil && c.After.Env == nil {
				state[c.After.ID()] = edited(rnd, *c.After)
			}
		}
		if rnd.IntN(2) == 0 {
			theirs := setup.Role{Name: "theirs", Path: "/", ARN: "arn:aws:iam::123456789012:role/theirs", Trust: trustpolicy.New(trustpolicy.Statement{
				Effect: trustpolicy.Allow, Action: []string{trustpolicy.AssumeAction},
				Principal: &trustpolicy.Principal{Federated: []string{trustpolicy.ProviderARN("aws", req.Account, req.Org)}},
			})}
			state[setup.Resource{Role: &theirs}.ID()] = setup.Resource{Role: &theirs}
		}
		facts := setup.Facts{Partition: "aws", Account: req.Account}
		want, err := setup.Import(req.Org, req.File, facts, slices.Collect(maps.Values(state)))
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if len(want.Roles) == 0 {
			continue
		}
		imported++
		files := map[string]string{}
		for i, role := range want.Roles {
			for j, p := range role.Inline {
				path := requestfile.PolicyPath(role.Name, p.Name)
				want.Roles[i].Inline[j].Source, files[path] = path, p.Document.String()
			}
			if role.Trust != nil {
				files[requestfile.TrustPath(role.Name)] = role.Trust.Indent()
			}
		}
		text := requestfile.New(want)
		f, err := requestfile.Parse("fly-aws.toml", text, func(path string) ([]byte, error) {
			if doc, ok := files[path]; ok {
				return []byte(doc), nil
			}
			return nil, os.ErrNotExist
		})
		if err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, text)
		}
		again, err := setup.Resolve(f.Request(), factsFor(f.Request()), state)
		if err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, text)
		}
		if len(again.Pending())+len(again.Conflicts())+len(again.Extras) > 0 {
			t.Fatalf("seed %d: there is %+v, %+v, %+v\n%s", seed, again.Pending(), again.Conflicts(), again.Extras, text)
		}
	}
	if imported < 50 {
		t.Errorf("only %d accounts had anything", imported)
	}
}

// edited is a resource after somebody may have added to it.
func edited(rnd *rand.Rand, r setup.Resource) setup.Resource {
	if r.Role == nil || rnd.IntN(2) == 0 {
		return r
	}
	role := *r.Role
	more := trustpolicy.Statement{Sid: "More", Effect: trustpolicy.Allow, Action: []string{"sts:AssumeRole"}, Principal: &trustpolicy.Principal{AWS: []string{"210987654321"}}}
	role.Trust = role.Trust.Merge(more)
	return setup.Resource{Role: &role}
}
