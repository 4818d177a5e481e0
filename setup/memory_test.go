package setup_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fly-aws/fly-aws/setup"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

// memory is an account and a folder in memory, as strict as the real ones: it refuses a
// write if the resource is not as the change expects. The adapters have their own tests
// against the wire.
type memory struct {
	mu sync.Mutex
	// things holds the resources by ID, as AWS would return them.
	things map[string]setup.Resource
	writes []string
	reads  int
	// fail, if set, is asked before each write. after says that the write takes effect
	// although it fails.
	fail func(id string) (err error, after bool)
	// checked, if set, is called by Check.
	checked func([]setup.Change) error
	// quota is the result of TrustPolicyQuota.
	quota int
	// documents are those of managed policies, by ARN.
	documents map[string]setup.Document
	// late, if set, says whether a read misses a resource.
	late func(id string, read int) bool
	// onFacts, if set, is called by Facts.
	onFacts func(setup.Request)
	slept   time.Duration
}

func newMemory(things ...setup.Resource) *memory {
	m := &memory{things: map[string]setup.Resource{}}
	for _, r := range things {
		m.things[r.ID()] = clone(r)
	}
	return m
}

func (m *memory) world() setup.World { return setup.World{AWS: m, Files: m, Clock: m} }

func (m *memory) Now() time.Time { return time.Time{} }

func (m *memory) Sleep(_ context.Context, d time.Duration) { m.slept += d }

func (m *memory) Facts(_ context.Context, req setup.Request) (setup.Facts, error) {
	if m.onFacts != nil {
		m.onFacts(req)
	}
	return facts(), nil
}

func (m *memory) TrustPolicyQuota(context.Context) (int, error) { return m.quota, nil }

func (m *memory) Check(_ context.Context, changes []setup.Change) error {
	if m.checked == nil {
		return nil
	}
	return m.checked(changes)
}

func (m *memory) PolicyDocument(_ context.Context, arn string) (setup.Document, error) {
	return m.documents[arn], nil
}

func (m *memory) Roles(_ context.Context, _ setup.Facts, org string, want []setup.Role) ([]setup.Resource, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []setup.Resource
	for _, r := range m.things {
		switch {
		case r.Provider != nil:
			out = append(out, clone(r))
		case r.Role == nil:
		case r.Role.Tags[setup.TagOrg] == org, strings.Contains(r.Role.Trust.String(), "oidc.fly.io/"+org),
			slices.ContainsFunc(want, func(w setup.Role) bool { return strings.EqualFold(w.Name, r.Role.Name) }):
			out = append(out, m.role(r, want)...)
		}
	}
	return out, nil
}

func (m *memory) Read(_ context.Context, want []setup.Resource) ([]setup.Resource, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reads++
	var roles []setup.Role
	for _, r := range want {
		if r.Role != nil {
			roles = append(roles, *r.Role)
		}
	}
	var out []setup.Resource
	for _, r := range want {
		found, ok := m.things[r.ID()]
		switch {
		case !ok || m.late != nil && m.late(r.ID(), m.reads):
		case found.Role != nil:
			some := m.role(found, roles)
			some[0].Role.InstanceProfiles = nil // only Roles knows them
			out = append(out, some...)
		default:
			out = append(out, clone(found))
		}
	}
	return out, nil
}

// role returns a role and its policies, with no more than AWS returns for many at once.
func (m *memory) role(r setup.Resource, want []setup.Role) []setup.Resource {
	role := clone(r)
	if !slices.ContainsFunc(want, func(w setup.Role) bool { return w.MaxSession != 0 && strings.EqualFold(w.Name, r.Role.Name) }) {
		role.Role.MaxSession, role.Role.Description = 0, ""
	}
	out := []setup.Resource{role}
	for _, p := range m.things {
		if p.Policy != nil && strings.EqualFold(p.Policy.Role, r.Role.Name) {
			out = append(out, clone(p))
		}
	}
	return out
}

var errBroken = errors.New("the connection broke")

func (m *memory) Write(ctx context.Context, c setup.Change) (setup.Receipt, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if ctx.Err() != nil {
		return setup.Receipt{}, ctx.Err()
	}
	id := c.Resource().ID()
	m.writes = append(m.writes, id)
	receipt := setup.Receipt{RequestIDs: []string{"request of " + id}}
	var broken error
	if m.fail != nil {
		var after bool
		if broken, after = m.fail(id); broken != nil && !after {
			return setup.Receipt{}, broken
		}
	}
	var now *setup.Resource
	if r, ok := m.things[id]; ok {
		now = &r
	}
	if done, err := c.Compare(now); done || err != nil {
		return setup.Receipt{}, errors.Join(broken, err)
	}
	if err := m.put(c); err != nil {
		return setup.Receipt{}, err
	}
	return receipt, broken
}

// put makes the change, unless IAM would refuse it.
func (m *memory) put(c setup.Change) error {
	r := c.Resource()
	if p := r.Policy; p != nil {
		if _, ok := m.things[setup.Resource{Role: &setup.Role{Name: p.Role}}.ID()]; !ok {
			return fmt.Errorf("NoSuchEntity: %s", p.Role)
		}
	}
	if c.After != nil {
		r = clone(r)
		if r.Role != nil {
			was := setup.Role{MaxSession: 3600, Description: r.Role.Description} // IAM's default
			if now, ok := m.things[r.ID()]; ok {
				was = *now.Role
			}
			r.Role.MaxSession, r.Role.Description = cmp.Or(r.Role.MaxSession, was.MaxSession), was.Description
			r.Role.InstanceProfiles = was.InstanceProfiles
		}
		m.things[r.ID()] = r
		return nil
	}
	for _, other := range m.things {
		if r.Role != nil && other.Policy != nil && strings.EqualFold(other.Policy.Role, r.Role.Name) {
			return errors.New("DeleteConflict: " + other.ID())
		}
	}
	delete(m.things, r.ID())
	return nil
}

func clone(r setup.Resource) setup.Resource {
	text, err := json.Marshal(r)
	if err != nil {
		panic(err)
	}
	var out setup.Resource
	if err := json.Unmarshal(text, &out); err != nil {
		panic(err)
	}
	return out
}

const (
	account = "123456789012"
	org     = "acme"
)

func facts() setup.Facts {
	arn := func(name string) string { return "arn:aws:iam::aws:policy/" + name }
	return setup.Facts{Partition: "aws", Account: account, Caller: "arn:aws:iam::" + account + ":user/me", Policies: map[string]string{
		"AmazonS3ReadOnlyAccess": arn("AmazonS3ReadOnlyAccess"),
		"AmazonSQSFullAccess":    arn("AmazonSQSFullAccess"),
		"PowerUserAccess":        arn("PowerUserAccess"),
	}}
}

// request returns a request for apps that each have a role and a config file.
func request(apps ...string) setup.Request {
	req := setup.Request{Org: org}
	for _, app := range apps {
		req.Roles = append(req.Roles, setup.RoleRequest{
			Apps:     []setup.App{{Name: app, Config: app + "/fly.toml"}},
			Policies: []string{"AmazonS3ReadOnlyAccess"},
		})
	}
	return req
}

// shared returns req with one role for all apps.
func shared(req setup.Request, name string) setup.Request {
	role := req.Roles[0]
	role.Name = name
	req.Roles = setup.RolesFor(eachApp(req), role)
	return req
}

// fromFile returns the request as of a file of that name.
func fromFile(req setup.Request, name string) setup.Request {
	req.File = name
	return req
}

// ours returns a trust policy with our statement for all machines of the apps.
func ours(apps ...string) *trustpolicy.Policy {
	s, err := trustpolicy.Build(trustpolicy.AppAccess{Partition: "aws", Account: account, Org: org, Apps: apps})
	if err != nil {
		panic(err)
	}
	return trustpolicy.New(s)
}

// withApps changes each app of the request, and returns it.
func withApps(req setup.Request, change func(*setup.App)) setup.Request {
	for _, role := range req.Roles {
		for i := range role.Apps {
			change(&role.Apps[i])
		}
	}
	return req
}

// inRegion sets the region of each app of the request.
func inRegion(req setup.Request) setup.Request {
	return withApps(req, func(app *setup.App) { app.Region = "eu-central-1" })
}

// eachApp returns the request's apps.
func eachApp(req setup.Request) []setup.App {
	var apps []setup.App
	for _, role := range req.Roles {
		apps = append(apps, role.Apps...)
	}
	return apps
}

// foreignRole returns a role that someone else made, for EC2.
func foreignRole(name string) setup.Resource {
	trust, err := trustpolicy.Parse([]byte(ec2Trust))
	if err != nil {
		panic(err)
	}
	return setup.Resource{Role: &setup.Role{
		ARN: "arn:aws:iam::" + account + ":role/" + name, Name: name, Path: "/", Description: "by hand",
		Trust: trust, Tags: map[string]string{"team": "ops"},
	}}
}

const ec2Trust = `{"Version":"2012-10-17","Statement":[{"Sid":"Servers","Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`

// edit changes a resource in memory behind the plan's back.
func (m *memory) edit(id string, change func(*setup.Resource)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, ok := m.things[id]
	if !ok {
		panic("no " + id + " among " + strings.Join(sortedKeys(m.things), ", "))
	}
	r = clone(r)
	change(&r)
	m.things[id] = r
}

func sortedKeys[V any](m map[string]V) []string {
	return slices.Sorted(maps.Keys(m))
}

// inline returns an inline policy made from the text of a file.
func inline(name, text string) setup.InlinePolicy {
	p, err := setup.NewInlinePolicy(name, name+".json", []byte(text))
	if err != nil {
		panic(err)
	}
	return p
}

const getObject = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"}}`

// document returns a document as IAM returns it.
func document(text string) setup.Document {
	d, err := setup.FoundDocument([]byte(text))
	if err != nil {
		panic(err)
	}
	return d
}
