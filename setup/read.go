package setup

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

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

// check says whether the plan holds together: it may have been edited.
func (p *Plan) check() error {
	if err := trustpolicy.CheckOrg(p.Org); err != nil {
		return err
	}
	if p.Issuer != trustpolicy.Issuer(p.Org) {
		return fmt.Errorf("its issuer %q is not that of the organisation %q", p.Issuer, p.Org)
	}
	seen := map[string]bool{}
	for i, c := range p.Changes {
		if err := p.checkChange(c); err != nil {
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

func (p *Plan) checkChange(c Change) error {
	if c.After == nil {
		return errors.New("it has no after")
	}
	if err := c.After.check(p); err != nil {
		return err
	}
	if c.Before != nil {
		if err := c.Before.check(p); err != nil {
			return err
		}
		if c.Before.ID() != c.After.ID() && c.Action != ActionConflict {
			return errors.New("before and after are different resources")
		}
	}
	switch c.Action {
	case ActionKeep, ActionConflict:
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
	return nil
}

// check says whether the resource is whole and belongs to the plan's account.
func (r Resource) check(p *Plan) error {
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
		if want := trustpolicy.ProviderARN(p.Partition, p.Account, p.Org); r.Provider.ARN != want {
			return fmt.Errorf("the provider's ARN is %q, not %q", r.Provider.ARN, want)
		}
	case r.Role != nil:
		want := fmt.Sprintf("arn:%s:iam::%s:role%s%s", p.Partition, p.Account, r.Role.Path, r.Role.Name)
		if r.Role.ARN != want {
			return fmt.Errorf("the role's ARN is %q, not %q", r.Role.ARN, want)
		}
		if r.Role.Trust == nil {
			return errors.New("the role has no trust policy")
		}
	case r.Policy != nil:
		if (r.Policy.ARN == "") == (r.Policy.Name == "") {
			return errors.New("a policy has an ARN or a name")
		}
		if r.Policy.ARN != "" && !strings.HasPrefix(r.Policy.ARN, "arn:"+p.Partition+":iam::") {
			return fmt.Errorf("the policy's ARN %q is of another partition", r.Policy.ARN)
		}
	case r.Env != nil:
		if r.Env.Config == "" || r.Env.Key == "" {
			return errors.New("a fly.toml entry has a file and a key")
		}
	}
	return nil
}
