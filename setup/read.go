package setup

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/fly-aws/fly-aws/internal/flyname"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

// MarshalIndent returns the plan's JSON form, with a final newline. ReadPlan
// reads it back.
func (p *Plan) MarshalIndent() ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(p); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

// ReadPlan reads a plan's JSON form strictly: a plan of another version, with an
// unknown field or that does not hold together is refused.
func ReadPlan(data []byte) (*Plan, error) {
	var head struct {
		Schema string `json:"schema"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, fmt.Errorf("it is not a plan: %w", err)
	}
	if head.Schema != PlanSchema {
		return nil, fmt.Errorf("its schema is %q; this version reads %q", head.Schema, PlanSchema)
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	var p Plan
	if err := dec.Decode(&p); err != nil {
		return nil, fmt.Errorf("it is not a plan: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("it is not a plan: something follows the document")
	}
	if err := p.check(); err != nil {
		return nil, err
	}
	return &p, nil
}

// check says whether the plan is one that Diff could have made: it may have been
// edited, and what apply shows of it must be all that it does.
func (p *Plan) check() error {
	if err := flyname.CheckOrg(p.Org); err != nil {
		return err
	}
	if p.Issuer != flyname.Issuer(p.Org) {
		return fmt.Errorf("its issuer %q is not that of the organisation %q", p.Issuer, p.Org)
	}
	if reason := AccountProblem(p.Account); reason != "" {
		return fmt.Errorf("its account %q: %s", p.Account, reason)
	}
	if err := checkAudience(p.Audience); err != nil {
		return err
	}
	roles, roleARNs := map[string]bool{}, map[string]string{}
	for _, c := range p.Changes {
		if c.After != nil && c.After.Role != nil {
			roles[c.After.Role.Name], roleARNs[c.After.Role.Name] = true, c.After.Role.ARN
		}
	}
	if len(roles) == 0 {
		return errors.New("it has no role")
	}
	for _, g := range p.Grants {
		if !roles[g.Role] || g.RoleARN != roleARNs[g.Role] {
			return fmt.Errorf("it grants the role %q, which it does not have", g.Role)
		}
		for _, m := range g.Machines {
			if err := flyname.CheckMachine(m); err != nil {
				return err
			}
		}
	}
	for _, w := range p.Warnings {
		if err := w.check(); err != nil {
			return err
		}
	}
	seen := map[string]bool{}
	for i, c := range p.Changes {
		if err := p.checkChange(c, roles); err != nil {
			return fmt.Errorf("its change %d: %w", i+1, err)
		}
		id := c.After.ID()
		if seen[id] {
			return fmt.Errorf("its change %d: %s is there twice", i+1, id)
		}
		seen[id] = true
	}
	return nil
}

func (p *Plan) checkChange(c Change, roles map[string]bool) error {
	if c.After == nil {
		return errors.New("it has no after")
	}
	if err := p.checkResource(*c.After, roles); err != nil {
		return err
	}
	if env := c.After.Env; env != nil {
		if err := p.checkEnv(*env, c.Action); err != nil {
			return err
		}
	}
	if c.Before != nil {
		if err := p.checkResource(*c.Before, roles); err != nil {
			return err
		}
		if c.Before.ID() != c.After.ID() {
			return errors.New("before and after are different resources")
		}
	}
	switch c.Action {
	case ActionKeep:
	case ActionConflict:
		return errors.New("it is a conflict, which cannot be applied")
	case ActionCreate:
		if c.Before != nil {
			return errors.New("what is created has no before")
		}
	case ActionUpdate, ActionAdopt:
		if c.Before == nil {
			return fmt.Errorf("what is to %s has a before", c.Action)
		}
		if c.Action == ActionAdopt && c.After.Role == nil {
			return errors.New("only a role is adopted")
		}
	default:
		return fmt.Errorf("%q is no action", c.Action)
	}
	if c.After.Role != nil {
		return p.checkTrust(c)
	}
	return nil
}

// checkTrust says whether a role's trust policy is what was there before, with
// our statement for the plan's grants in it.
func (p *Plan) checkTrust(c Change) error {
	role := c.After.Role
	want, err := statementFor(p.Partition, p.Account, p.Org, p.Audience, grantsOf(p.Grants, role.Name))
	if err != nil {
		return fmt.Errorf("the role %q: %w", role.Name, err)
	}
	expected := trustpolicy.New(want)
	switch {
	case c.Before != nil:
		expected = c.Before.Role.Trust.Merge(want)
	case c.Action == ActionKeep:
		expected = role.Trust.Merge(want)
	}
	if !role.Trust.Equal(expected) {
		return fmt.Errorf("the trust policy of the role %q is not what was there and the statement for its grants", role.Name)
	}
	return nil
}

// checkResource says whether the resource is whole and belongs to the plan.
func (p *Plan) checkResource(r Resource, roles map[string]bool) error {
	n := 0
	for _, set := range []bool{r.Provider != nil, r.Role != nil, r.Policy != nil, r.Env != nil} {
		if set {
			n++
		}
	}
	if n != 1 {
		return fmt.Errorf("a resource has exactly one of provider, role, policy and env, not %d", n)
	}
	switch {
	case r.Provider != nil:
		if want := trustpolicy.ProviderARN(p.Partition, p.Account, p.Org); r.Provider.ARN != want || r.Provider.URL != p.Issuer {
			return fmt.Errorf("the provider is %q for %q, not %q", r.Provider.ARN, r.Provider.URL, want)
		}
	case r.Role != nil:
		if want := roleARN(p.Partition, p.Account, *r.Role); r.Role.ARN != want {
			return fmt.Errorf("the role's ARN is %q, not %q", r.Role.ARN, want)
		}
		if r.Role.Trust == nil {
			return errors.New("the role has no trust policy")
		}
	case r.Policy != nil:
		return p.checkPolicy(*r.Policy, roles)
	}
	return nil
}

func (p *Plan) checkPolicy(policy Policy, roles map[string]bool) error {
	if !roles[policy.Role] {
		return fmt.Errorf("it is for the role %q, which the plan does not have", policy.Role)
	}
	if policy.ARN != "" {
		if policy.Name != "" || policy.Document != nil || !strings.HasPrefix(policy.ARN, "arn:"+p.Partition+":iam::") {
			return fmt.Errorf("%q is not one managed policy of the partition %s", policy.ARN, p.Partition)
		}
		return nil
	}
	if reason := NameProblem(policy.Name, maxPolicyName); reason != "" {
		return fmt.Errorf("the inline policy %q: %s", policy.Name, reason)
	}
	if _, err := trustpolicy.CheckIdentityPolicy(policy.Document); err != nil {
		return fmt.Errorf("the inline policy %q: %w", policy.Name, err)
	}
	return nil
}

func (p *Plan) checkEnv(env Env, action Action) error {
	if env.Config == "" {
		return errors.New("a fly.toml entry has a file")
	}
	switch env.Key {
	case EnvRegion:
		if action != ActionKeep && !RegionLike(env.Value) {
			return fmt.Errorf("%s is %q, which is no region", env.Key, env.Value)
		}
		return nil
	case EnvRoleARN:
		for _, g := range p.Grants {
			if g.App == env.App && g.RoleARN == env.Value {
				return nil
			}
		}
		return fmt.Errorf("%s is %q, which no grant gives to the app %q", env.Key, env.Value, env.App)
	}
	return fmt.Errorf("%q is not a variable that fly-aws writes", env.Key)
}
