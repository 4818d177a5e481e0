package operator_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/fly-aws/fly-aws/internal/operator"
	"github.com/fly-aws/fly-aws/setup"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

// TestForm: IAM takes the policies, and their Sids are unique.
func TestForm(t *testing.T) {
	t.Parallel()
	for _, j := range jobs {
		p := j.policy(t)
		if _, err := trustpolicy.ParseIdentityPolicy([]byte(p.Indent())); err != nil {
			t.Errorf("%s: %v", j.name, err)
		}
		if size := p.Size(); size > operator.MaxSize {
			t.Errorf("%s: it has %d characters", j.name, size)
		}
		seen := map[string]bool{}
		for _, s := range p.Statement {
			if seen[s.Sid] {
				t.Errorf("%s: two statements are %s", j.name, s.Sid)
			}
			seen[s.Sid] = true
		}
	}
}

// TestResources: each statement is about the roles that it is for.
func TestResources(t *testing.T) {
	t.Parallel()
	const roles = "arn:aws:iam::123456789012:role"
	for name, test := range map[string]struct {
		job     operator.Job
		request setup.Request
		sid     string
		want    []string
	}{
		"any app":         {operator.JobSetup, setup.Request{Org: "acme"}, "CreateRoles", []string{"/fly-acme-*"}},
		"an app":          {operator.JobSetup, flags("web"), "CreateRoles", []string{"/fly-acme-web"}},
		"a role":          {operator.JobDestroy, setup.Request{Org: "acme", Roles: []setup.RoleRequest{{Name: "shared"}}}, "RemoveRoles", []string{"/shared"}},
		"a plan":          {operator.JobPlan, file(team), "ReadRoles", []string{"/fly-acme-web", "/fly-acme-plain", "/fly/fly-acme-api", "/the-backend", "/fly-acme-tenants", "/theirs", "/fly-acme-api"}},
		"a file":          {operator.JobSetup, file(team), "ReadRoles", []string{"/fly-acme-*", "/the-backend", "/theirs", "/fly/fly-acme-*"}},
		"not watched":     {operator.JobSetup, file(team), "RemoveRoles", []string{"/fly-acme-*", "/the-backend", "/fly/fly-acme-*"}},
		"a part":          {operator.JobSetup, part(team, "api"), "ReadRoles", []string{"/fly/fly-acme-api", "/fly-acme-api"}},
		"an audit":        {operator.JobAudit, part(team, "api"), "ReadRoles", []string{"/fly-acme-*", "/fly/fly-acme-*"}},
		"many":            {operator.JobSetup, file(many(60)), "CreateRoles", []string{"/fly-acme-*"}},
		"many, destroyed": {operator.JobDestroy, file(many(60)), "RemoveRoles", []string{"/fly-acme-*"}},
		"many, one bound": {operator.JobSetup, file(mixed), "CreateRoles2", []string{"/fly-acme-bound"}},
		"many, planned":   {operator.JobPlan, file(many(130)), "ReadRoles", []string{"/fly-acme-*"}},
		"no variable":     {operator.JobPlan, inPath("/${aws:username}/"), "ReadRoles", []string{"/${$}{aws:username}/r", "/r"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := (job{job: test.job, request: test.request}).policy(t)
			i := slices.IndexFunc(p.Statement, func(s operator.Statement) bool { return s.Sid == test.sid })
			if i < 0 {
				t.Fatalf("there is no statement %s in %s", test.sid, p.Indent())
			}
			var got []string
			for _, arn := range p.Statement[i].Resource {
				got = append(got, strings.TrimPrefix(arn, roles))
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("%s is about %q, want %q", test.sid, got, test.want)
			}
		})
	}
}

func inPath(path string) setup.Request {
	return setup.Request{Org: "acme", Roles: []setup.RoleRequest{{Name: "r", Path: path}}}
}

// TestTooLarge: roles with different boundaries cannot share a pattern.
func TestTooLarge(t *testing.T) {
	t.Parallel()
	_, err := operator.New(operator.JobSetup, facts, file(many(60)+"[apps.bound]\npermissions_boundary = \"ReadOnlyAccess\"\n"))
	var tooLarge *operator.SizeError
	if !errors.As(err, &tooLarge) || tooLarge.Size <= operator.MaxSize {
		t.Errorf("got %v", err)
	}
}

func TestPartition(t *testing.T) {
	t.Parallel()
	p, err := operator.New(operator.JobSetup, setup.Facts{Partition: "aws-us-gov", Account: account}, file(team))
	if err != nil {
		t.Fatal(err)
	}
	// The ARNs that the file gives are the exception.
	own := strings.NewReplacer("arn:aws:iam::aws:policy/ReadOnlyAccess", "", "arn:aws:iam::aws:policy/AmazonSQSFullAccess", "", "arn:aws:iam::aws:policy/SecurityAudit", "")
	if text := own.Replace(p.String()); strings.Contains(text, "arn:aws:") {
		t.Errorf("got %s", text)
	}
}
