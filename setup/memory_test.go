package setup_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"

	"github.com/fly-aws/fly-aws/setup"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

// memory is a target that keeps resources in memory, as strict as the real ones:
// it refuses a write when the world is not as the change found it. The wire is
// tested in the packages that speak it.
type memory struct {
	mu sync.Mutex
	// things by ID. A role's and a provider's parts are what AWS would return.
	things map[string]setup.Resource
	writes []string
	// fail, if set, is asked before each write; after says that the write has its
	// effect all the same.
	fail func(id string) (err error, after bool)
}

func newMemory(things ...setup.Resource) *memory {
	m := &memory{things: map[string]setup.Resource{}}
	for _, r := range things {
		m.things[r.ID()] = clone(r)
	}
	return m
}

func (m *memory) targets() setup.Targets {
	return setup.Targets{setup.PlaceAWS: m, setup.PlaceFolder: m}
}

func (m *memory) Read(_ context.Context, want []setup.Resource) ([]setup.Resource, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []setup.Resource
	for _, r := range want {
		if found, ok := m.things[r.ID()]; ok {
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
	id := c.After.ID()
	m.writes = append(m.writes, id)
	if m.fail != nil {
		if err, after := m.fail(id); err != nil {
			if after {
				m.put(c)
			}
			return err
		}
	}
	if _, exists := m.things[id]; exists != (c.Before != nil) {
		return &setup.StaleError{ID: id, Reason: fmt.Sprintf("exists is %v", exists)}
	}
	if p := c.After.Policy; p != nil {
		if _, ok := m.things[setup.Resource{Role: &setup.Role{Name: p.Role}}.ID()]; !ok {
			return fmt.Errorf("NoSuchEntity: %s", p.Role)
		}
	}
	m.put(c)
	return nil
}

func (m *memory) put(c setup.Change) { m.things[c.After.ID()] = clone(*c.After) }

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

// request is a request for apps with one role each and a config file.
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

// shared makes the apps of req use one role.
func shared(req setup.Request, name string) setup.Request {
	for i := range req.Apps {
		req.Apps[i].Role.Name, req.Apps[i].Role.Shared = name, true
	}
	return req
}

// foreignRole is a role that somebody else made, for EC2.
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
