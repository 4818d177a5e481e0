package setup_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
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

func (m *memory) Roles(_ context.Context, _ setup.Facts, scope setup.Scope) ([]setup.Resource, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []setup.Resource
	tagged := map[string]bool{}
	for _, r := range m.things {
		ours := r.Role != nil && r.Role.Tags[setup.TagOrg] == scope.Org
		if ours {
			tagged[strings.ToLower(r.Role.Name)] = true
		}
		if ours || r.Provider != nil || r.Role != nil && strings.Contains(r.Role.Trust.String(), "oidc.fly.io/"+scope.Org) {
			out = append(out, clone(r))
		}
	}
	for _, r := range m.things {
		if r.Policy != nil && tagged[strings.ToLower(r.Policy.Role)] {
			out = append(out, clone(r))
		}
	}
	return out, nil
}

func (m *memory) Read(_ context.Context, want []setup.Resource) ([]setup.Resource, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reads++
	var out []setup.Resource
	for _, r := range want {
		if found, ok := m.things[r.ID()]; ok && (m.late == nil || !m.late(r.ID(), m.reads)) {
			out = append(out, clone(found))
		}
	}
	return out, nil
}

var errBroken = errors.New("the connection broke")

func (m *memory) Write(ctx context.Context, c setup.Change) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	id := c.Resource().ID()
	m.writes = append(m.writes, id)
	var broken error
	if m.fail != nil {
		var after bool
		if broken, after = m.fail(id); broken != nil && !after {
			return broken
		}
	}
	var now *setup.Resource
	if r, ok := m.things[id]; ok {
		now = &r
	}
	if done, err := c.Compare(now); done || err != nil {
		return errors.Join(broken, err)
	}
	if err := m.put(c); err != nil {
		return err
	}
	return broken
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
		if r.Role != nil && r.Role.MaxSession == 0 {
			r.Role.MaxSession = 3600 // IAM's default
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
		req.Apps = append(req.Apps, setup.App{
			Name:   app,
			Config: app + "/fly.toml",
			Role:   setup.RoleRequest{Policies: []string{"AmazonS3ReadOnlyAccess"}},
		})
	}
	return req
}

// shared returns req with one role for all apps.
func shared(req setup.Request, name string) setup.Request {
	for i := range req.Apps {
		req.Apps[i].Role.Name, req.Apps[i].Role.Shared = name, true
	}
	return req
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
	change(&r)
	m.things[id] = r
}

func sortedKeys[V any](m map[string]V) []string {
	var out []string
	for k := range maps.Keys(m) {
		out = append(out, k)
	}
	return out
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
