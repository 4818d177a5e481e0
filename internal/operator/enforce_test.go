package operator_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/fly-aws/fly-aws/internal/awsapi"
	"github.com/fly-aws/fly-aws/internal/operator"
	"github.com/fly-aws/fly-aws/internal/requestfile"
	"github.com/fly-aws/fly-aws/internal/sandbox"
	"github.com/fly-aws/fly-aws/setup"
)

const (
	account = "123456789012"
	audit   = "arn:aws:iam::aws:policy/SecurityAudit"
	surplus = "surplus" // the name of an inline policy
)

var facts = setup.Facts{Partition: "aws", Account: account}

// A job is what someone does with the policy for it.
type job struct {
	name string
	job  operator.Job
	// request is what the policy is for.
	request setup.Request
	// quota is the account's for trust policies, 0 for the default.
	quota int
	// before makes the account as it is before, with all permissions.
	before func(*bench)
	// do does the job. Its error says what could not be done.
	do func(*bench) error
}

const production = `
version = 1
name = "production"
org = "acme"
account = "123456789012"
[defaults]
region = "eu-central-1"
`

// team is a file with roles of several kinds.
const team = production + `
[apps.web]
policies = ["AmazonS3ReadOnlyAccess"]
allow.s3-read = ["uploads"]
[apps.plain]
[apps.api]
path = "/fly/"
permissions_boundary = "arn:aws:iam::aws:policy/ReadOnlyAccess"
max_session = "2h"
tags = { team = "platform" }
policies = ["arn:aws:iam::aws:policy/AmazonSQSFullAccess"]
allow.s3-write = ["logs"]
[roles.backend]
name = "the-backend"
apps = ["worker", "mailer"]
policies = ["AmazonS3ReadOnlyAccess", "arn:aws:iam::aws:policy/SecurityAudit"]
[roles.tenants]
apps = ["tenant-*"]
[roles.watched]
name = "theirs"
managed = false
`

// teamBefore is the file at an earlier time.
const teamBefore = production + `
[apps.web]
allow.s3-read = ["uploads"]
[apps.plain]
conditions = { IpAddress = { "aws:SourceIp" = ["192.0.2.0/24"] } }
[apps.api]
path = "/fly/"
permissions_boundary = "PowerUserAccess"
[roles.backend]
name = "the-backend"
apps = ["worker"]
[apps.old]
policies = ["AmazonS3ReadOnlyAccess"]
allow.s3-read = ["uploads"]
[apps.older]
`

// mixed is a file with a boundary for one of many roles.
var mixed = many(16) + "[apps.bound]\npermissions_boundary = \"ReadOnlyAccess\"\n"

var jobs = []job{
	{
		name: "setup of an app", job: operator.JobSetup, request: flags("web"),
		do: func(b *bench) error { return b.apply(b.with(flags("web"))) },
	},
	{
		name: "setup of an app again, and prune", job: operator.JobSetup, request: flags("web"),
		before: func(b *bench) {
			earlier := b.with(flags("web"))
			earlier.Audience = "other"
			b.admin(earlier)
			b.attach("fly-acme-web")
			b.inline("fly-acme-web")
			b.untag("fly-acme-web", setup.TagApp)
		},
		do: func(b *bench) error {
			req := b.with(flags("web"))
			req.Prune, req.Roles[0].MaxSession = true, 7200
			req.Roles[0].Tags = map[string]string{"team": "platform"}
			req.Roles[0].Presets = append(req.Roles[0].Presets, setup.Preset{Name: "s3-write", Answer: "uploads"})
			return b.apply(req)
		},
	},
	{
		name: "setup of any app", job: operator.JobSetup, request: setup.Request{Org: "acme"},
		do: func(b *bench) error { return errors.Join(b.apply(b.with(flags("web"))), b.apply(b.with(flags("api")))) },
	},
	{
		name: "setup with a role of someone", job: operator.JobSetup, request: adopting(flags("web")),
		before: func(b *bench) {
			b.foreign("fly-acme-web")
			b.provider()
		},
		do: func(b *bench) error { return b.apply(b.with(adopting(flags("web")))) },
	},
	{
		name: "apply", job: operator.JobSetup, request: file(team),
		do: func(b *bench) error { return b.apply(file(team)) },
	},
	{
		name: "apply after changes, and prune", job: operator.JobSetup, request: file(team),
		before: func(b *bench) {
			earlier := file(teamBefore)
			earlier.Audience = "other"
			b.admin(earlier)
			b.attach("fly-acme-web")
			b.inline("fly-acme-web")
			b.letIn("fly-acme-older")
			b.untag("fly-acme-plain", setup.TagFile) // as if made without a file
		},
		do: func(b *bench) error {
			req := file(team)
			req.Prune = true
			return b.apply(req)
		},
	},
	{
		name: "apply with the role of another file, and prune", job: operator.JobSetup, request: adopting(file(team)),
		before: func(b *bench) {
			earlier := file(team)
			earlier.File = "staging"
			b.admin(earlier)
			b.attach("fly-acme-web")
			b.inline("fly-acme-web")
			b.untagged("fly-acme-plain")
			b.provider()
		},
		do: func(b *bench) error {
			req := adopting(file(team))
			req.Prune = true
			return b.apply(req)
		},
	},
	{
		name: "apply for one app", job: operator.JobSetup, request: part(team, "api"),
		before: func(b *bench) { b.admin(file(teamBefore)) },
		do:     func(b *bench) error { return b.apply(part(team, "api")) },
	},
	{
		name: "apply with a large trust policy", job: operator.JobSetup, request: file(fleet), quota: 8192,
		do: func(b *bench) error { return b.apply(file(fleet)) },
	},
	{
		name: "apply of many roles", job: operator.JobSetup, request: file(many(60)),
		do: func(b *bench) error { return b.apply(file(many(60))) },
	},
	{
		name: "apply of many roles with a boundary", job: operator.JobSetup, request: file(mixed),
		do: func(b *bench) error { return b.apply(file(mixed)) },
	},
	{
		name: "plan of an app", job: operator.JobPlan, request: flags("web"),
		before: func(b *bench) { b.inline(b.foreign("fly-acme-web")) },
		do:     func(b *bench) error { return b.plan(b.with(flags("web"))) },
	},
	{
		name: "plan of an app with prune", job: operator.JobPlan, request: flags("web"),
		before: func(b *bench) { b.admin(b.with(flags("web"))); b.attach("fly-acme-web") },
		do: func(b *bench) error {
			req := b.with(flags("web"))
			req.Prune = true
			return b.plan(req)
		},
	},
	{
		name: "plan of a file", job: operator.JobPlan, request: file(team),
		before: func(b *bench) { b.admin(file(teamBefore)); b.attach("fly-acme-web") },
		do: func(b *bench) error {
			req := file(team)
			req.Prune = true
			return errors.Join(b.plan(req), b.plan(part(team, "web")))
		},
	},
	{
		name: "plan with a large trust policy", job: operator.JobPlan, request: file(fleet), quota: 8192,
		do: func(b *bench) error { return errors.Join(b.plan(file(fleet)), b.plan(part(fleet, "app-1"))) },
	},
	{
		name: "audit", job: operator.JobAudit, request: file(team),
		before: func(b *bench) { b.admin(file(teamBefore)); b.attach("fly-acme-old") },
		do: func(b *bench) error {
			ctx := context.Background()
			_, err := b.user.Roles(ctx, facts, "acme", nil) // as import
			_, other := b.user.Role(ctx, "fly-acme-old")    // as explain
			req := b.with(flags("old"))
			req.Prune = true
			inv, unread := b.user.Inventory(ctx)
			for _, gap := range inv.Gaps {
				unread = errors.Join(unread, errors.New(gap.Reason))
			}
			return errors.Join(err, other, b.plan(req), unread)
		},
	},
	{
		name: "destroy", job: operator.JobDestroy, request: setup.Request{Org: "acme"},
		before: func(b *bench) {
			b.admin(b.with(flags("web")), b.with(flags("api")))
			b.inline("fly-acme-api")
			b.letIn("fly-acme-api")
		},
		do: func(b *bench) error { return b.destroy(setup.Scope{Org: "acme"}) },
	},
	{
		name: "destroy of what a file made", job: operator.JobDestroy, request: file(team),
		before: func(b *bench) { b.admin(file(team)); b.letIn("the-backend") },
		do:     func(b *bench) error { return b.destroy(setup.Scope{Org: "acme", File: "production"}) },
	},
	{
		name: "destroy of an app of a file", job: operator.JobDestroy, request: part(team, "api"),
		before: func(b *bench) { b.admin(file(team)) },
		do: func(b *bench) error {
			return b.destroy(setup.Scope{Org: "acme", File: "production", Apps: []string{"api"}})
		},
	},
}

// fleet is a file with a role that many apps share.
var fleet = func() string {
	var apps []string
	for i := range 150 {
		apps = append(apps, strconv.Quote(fmt.Sprintf("app-%d", i)))
	}
	return production + "[roles.fleet]\napps = [" + strings.Join(apps, ", ") + "]\n" +
		"allow.s3-read = [\"uploads\"]\npolicies = [\"SecurityAudit\"]\n"
}()

// many is a file with a role for each app.
func many(n int) string {
	var text strings.Builder
	text.WriteString(production)
	for i := range n {
		fmt.Fprintf(&text, "[apps.app-%d]\npolicies = [%q]\nallow.s3-read = [\"bucket-%d\"]\n", i, []string{"SecurityAudit", "ReadOnlyAccess"}[i%2], i)
	}
	return text.String()
}

// TestEnough: the policy for a job is enough for it.
func TestEnough(t *testing.T) {
	t.Parallel()
	for _, j := range jobs {
		t.Run(j.name, func(t *testing.T) {
			t.Parallel()
			if err := j.run(t, j.policy(t)); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestNothingTooMuch: without one of a statement's actions some job of the kind fails, and
// the error says which action it is.
func TestNothingTooMuch(t *testing.T) {
	t.Parallel()
	type part struct {
		kind        string
		sid, action string
	}
	with := map[part][]job{}
	for _, j := range jobs {
		for _, s := range j.policy(t).Statement {
			for _, action := range s.Action {
				p := part{string(j.job) + " by flags", s.Sid, action}
				if j.request.File != "" {
					p.kind = string(j.job) + " of a file"
				}
				with[p] = append(with[p], j)
			}
		}
	}
	for p, jobs := range with {
		t.Run(p.kind+"/"+p.sid+"/"+p.action, func(t *testing.T) {
			t.Parallel()
			var all []error
			for _, j := range jobs {
				err := j.run(t, without(j.policy(t), p.sid, p.action))
				if err != nil && strings.Contains(err.Error(), p.action) {
					return
				}
				all = append(all, err)
			}
			t.Errorf("it is not missed: %v", errors.Join(all...))
		})
	}
}

// TestPoliciesByARN: for managed policies that are given by ARN it is enough without the
// statement that lets read policies, as docs/permissions.md says.
func TestPoliciesByARN(t *testing.T) {
	t.Parallel()
	req := file(production + "[apps.web]\npermissions_boundary = \"arn:aws:iam::aws:policy/ReadOnlyAccess\"\npolicies = [\"" + audit + "\"]\n")
	j := job{job: operator.JobSetup, request: req, do: func(b *bench) error { return b.apply(req) }}
	less := without(without(j.policy(t), "ReadPolicies", "iam:GetPolicy"), "ReadPolicies", "iam:GetPolicyVersion")
	if err := j.run(t, less); err != nil {
		t.Error(err)
	}
}

// without removes an action from a statement.
func without(p *operator.Policy, sid, action string) *operator.Policy {
	for i, s := range p.Statement {
		if s.Sid != sid {
			continue
		}
		p.Statement[i].Action = slices.DeleteFunc(s.Action, func(a string) bool { return a == action })
		if len(p.Statement[i].Action) == 0 {
			p.Statement = slices.Delete(p.Statement, i, i+1)
			break
		}
	}
	return p
}

// A bench is an account and a user of it who has a policy.
type bench struct {
	t     *testing.T
	world *sandbox.World
	iam   *iam.Client
	// root and user do fly-aws's work, with all permissions and with those of the policy.
	root, user *awsapi.Account
	// client makes calls with the policy.
	client *iam.Client
}

func (j job) policy(t *testing.T) *operator.Policy {
	t.Helper()
	p, err := operator.New(j.job, facts, j.request)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// run does the job with a policy.
func (j job) run(t *testing.T, policy *operator.Policy) error {
	t.Helper()
	b := newBench(t, j.quota, policy)
	if j.before != nil {
		j.before(b)
	}
	return j.do(b)
}

func newBench(t *testing.T, quota int, policy *operator.Policy) *bench {
	t.Helper()
	b := &bench{t: t, world: &sandbox.World{TrustPolicyQuota: quota}}
	server, err := b.world.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	id, secret, err := b.world.AddUser("operator", policy.String())
	if err != nil {
		t.Fatal(err)
	}
	open := func(id, secret string) *awsapi.Account {
		a, err := awsapi.Open(context.Background(), awsapi.Options{
			Endpoint: server.AWSEndpoint, AccessKeyID: id, SecretAccessKey: secret,
			Pause: func(int) time.Duration { return 0 },
		})
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	b.root, b.user = open(sandbox.AccessKeyID, sandbox.SecretAccessKey), open(id, secret)
	client := func(id, secret string) *iam.Client {
		return iam.New(iam.Options{
			Region: "us-east-1", BaseEndpoint: &server.AWSEndpoint,
			Credentials: credentials.NewStaticCredentialsProvider(id, secret, ""),
		})
	}
	b.iam, b.client = client(sandbox.AccessKeyID, sandbox.SecretAccessKey), client(id, secret)
	return b
}

// flags is a request from flags for an app, without what the app may do.
func flags(app string) setup.Request {
	return setup.Request{Org: "acme", Roles: []setup.RoleRequest{{Apps: []setup.App{{Name: app}}}}}
}

func adopting(req setup.Request) setup.Request {
	req.Adopt = true
	return req
}

// with adds what the app may do.
func (b *bench) with(req setup.Request) setup.Request {
	req.Region = "eu-central-1"
	req.Roles[0].Policies = []string{"AmazonS3ReadOnlyAccess"}
	req.Roles[0].Presets = []setup.Preset{{Name: "s3-read", Answer: "uploads"}}
	return req
}

// file is the request of a file.
func file(text string) setup.Request { return parse(text).Request() }

// part is the request of a file for an app.
func part(text, app string) setup.Request {
	f, err := parse(text).Narrow([]string{app})
	if err != nil {
		panic(err)
	}
	return f.Request()
}

func parse(text string) *requestfile.File {
	f, err := requestfile.Parse("fly-aws.toml", []byte(text), nil)
	if err != nil {
		panic(err)
	}
	return f
}

// plan makes a plan. The error also says what could not be read for it.
func (b *bench) plan(req setup.Request) error {
	_, err := b.planned(b.user, req)
	return err
}

func (b *bench) planned(as *awsapi.Account, req setup.Request) (*setup.Plan, error) {
	plan, err := setup.World{AWS: as, Clock: clock{}}.Plan(context.Background(), req)
	if err != nil {
		return nil, err
	}
	for _, e := range plan.Extras {
		// It stays, and so the job is not done: no error says so, since for whoever does
		// not prune it is none.
		if e.Stays == setup.StaysUnread {
			return plan, fmt.Errorf("%s cannot be read: no iam:GetPolicy or iam:GetPolicyVersion", e.Name)
		}
	}
	return plan, nil
}

// apply plans and applies.
func (b *bench) apply(req setup.Request) error { return b.applyAs(b.user, req) }

func (b *bench) applyAs(as *awsapi.Account, req setup.Request) error {
	plan, err := b.planned(as, req)
	if err != nil {
		return err
	}
	return carryOut(as, plan)
}

func carryOut(as *awsapi.Account, plan *setup.Plan) error {
	if conflicts := plan.Conflicts(); len(conflicts) > 0 {
		return &setup.ConflictError{Conflicts: conflicts}
	}
	report, err := setup.World{AWS: as, Clock: clock{}}.Apply(context.Background(), plan, nil)
	errs := []error{err}
	if report != nil {
		for _, r := range report.Results {
			errs = append(errs, r.Err)
		}
	}
	return errors.Join(errs...)
}

func (b *bench) destroy(scope setup.Scope) error {
	plan, err := setup.World{AWS: b.user, Clock: clock{}}.PlanDestroy(context.Background(), scope)
	if err != nil {
		return err
	}
	return carryOut(b.user, plan)
}

// admin applies requests with all permissions.
func (b *bench) admin(reqs ...setup.Request) {
	for _, req := range reqs {
		b.ok(b.applyAs(b.root, req))
	}
}

func (b *bench) ok(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// attach, inline and the following change the account without fly-aws.
func (b *bench) attach(role string) {
	_, err := b.iam.AttachRolePolicy(context.Background(), &iam.AttachRolePolicyInput{RoleName: &role, PolicyArn: aws.String(audit)})
	b.ok(err)
}

func (b *bench) inline(role string) {
	_, err := b.iam.PutRolePolicy(context.Background(), &iam.PutRolePolicyInput{
		RoleName: &role, PolicyName: aws.String(surplus),
		PolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:ListAllMyBuckets","Resource":"*"}}`),
	})
	b.ok(err)
}

func (b *bench) untag(role, key string) {
	_, err := b.iam.UntagRole(context.Background(), &iam.UntagRoleInput{RoleName: &role, TagKeys: []string{key}})
	b.ok(err)
}

// untagged makes a role as if it were not ours.
func (b *bench) untagged(role string) {
	for _, key := range []string{setup.TagOrg, setup.TagApp, setup.TagFile} {
		b.untag(role, key)
	}
}

const ec2 = `{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}`

// foreign makes a role of someone's and returns its name.
func (b *bench) foreign(name string, tags ...types.Tag) string {
	_, err := b.iam.CreateRole(context.Background(), &iam.CreateRoleInput{
		RoleName: &name, AssumeRolePolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":` + ec2 + `}`), Tags: tags,
	})
	b.ok(err)
	return name
}

// letIn adds another statement to the trust policy of a role of ours.
func (b *bench) letIn(name string) {
	role, err := b.root.Role(context.Background(), name)
	b.ok(err)
	text := strings.TrimSuffix(role.Trust.String(), "]}") + "," + ec2 + "]}"
	_, err = b.iam.UpdateAssumeRolePolicy(context.Background(), &iam.UpdateAssumeRolePolicyInput{RoleName: &name, PolicyDocument: &text})
	b.ok(err)
}

// provider makes the organization's provider again, without tags and with another audience.
func (b *bench) provider() {
	_, _ = b.iam.DeleteOpenIDConnectProvider(context.Background(), &iam.DeleteOpenIDConnectProviderInput{
		OpenIDConnectProviderArn: aws.String("arn:aws:iam::" + account + ":oidc-provider/oidc.fly.io/acme"),
	}) // which may not exist
	_, err := b.iam.CreateOpenIDConnectProvider(context.Background(), &iam.CreateOpenIDConnectProviderInput{
		Url: aws.String("https://oidc.fly.io/acme"), ClientIDList: []string{"other"},
	})
	b.ok(err)
}

// A clock does not wait.
type clock struct{}

func (clock) Now() time.Time                             { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }
func (clock) Sleep(ctx context.Context, d time.Duration) {}
