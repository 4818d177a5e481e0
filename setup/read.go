package setup

import (
	"bytes"
	stdjson "encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/fly-aws/fly-aws/internal/flyname"
	"github.com/fly-aws/fly-aws/internal/text"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

// MarshalIndent returns the plan's JSON form, with a final newline. ReadPlan
// reads it back.
func (p *Plan) MarshalIndent() ([]byte, error) {
	var buf bytes.Buffer
	enc := stdjson.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(p); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

// ReadPlan reads a plan's JSON form. The file may have been edited, and a plan must show
// everything it does, so ReadPlan is strict: it refuses another schema version, names that
// are unknown, duplicate or in another case, and any plan other than the one that follows
// from its request and from what was found.
func ReadPlan(data []byte) (*Plan, error) {
	var head struct {
		Schema string `json:"schema"`
	}
	if err := stdjson.Unmarshal(data, &head); err != nil {
		return nil, fmt.Errorf("not a plan: %w", err)
	}
	if head.Schema != PlanSchema {
		return nil, fmt.Errorf("its schema is %s; this version reads %q", text.Quote(head.Schema), PlanSchema)
	}
	var p Plan
	if err := json.Unmarshal(data, &p, json.RejectUnknownMembers(true)); err != nil {
		return nil, fmt.Errorf("not a plan: %s", text.Line(err.Error()))
	}
	again, err := p.again()
	if err != nil {
		return nil, err
	}
	// Fly and the config files are not asked again for their warnings.
	from := len(again.Warnings)
	if len(p.Warnings) < from {
		return nil, errEdited
	}
	for _, w := range p.Warnings[from:] {
		if err := w.check(); err != nil {
			return nil, err
		}
		again.Warnings = append(again.Warnings, w)
	}
	same, err := again.equal(&p)
	switch {
	case err != nil:
		return nil, err
	case !same:
		return nil, errEdited
	}
	again.state = nil
	return again, nil
}

var errEdited = errors.New("it is not the plan for its request; it was edited, or made by another version")

// again makes the plan again from its request and from what was found.
func (p *Plan) again() (*Plan, error) {
	switch {
	case !trustpolicy.IsPartition(p.Facts.Partition):
		return nil, fmt.Errorf("its partition %s is not one of AWS's", text.Quote(p.Facts.Partition))
	case AccountProblem(p.Facts.Account) != "":
		return nil, fmt.Errorf("its account %s: %s", text.Quote(p.Facts.Account), AccountProblem(p.Facts.Account))
	case (p.Request == nil) == (p.Scope == nil):
		return nil, errors.New("it has neither a request nor a scope, or both")
	}
	state := State{}
	for _, r := range p.Found {
		if err := p.Facts.checkFound(r); err != nil {
			return nil, err
		}
		if _, twice := state[r.ID()]; twice {
			return nil, fmt.Errorf("%s appears twice in what was found", text.Quote(r.ID()))
		}
		state[r.ID()] = r
	}
	for ref, arn := range p.Facts.Policies {
		if reason := p.Facts.policyProblem(arn); reason != "" {
			return nil, fmt.Errorf("the policy %s is %s: %s", text.Quote(ref), text.Quote(arn), reason)
		}
	}
	if p.Scope != nil {
		if err := errors.Join(flyname.CheckOrg(p.Scope.Org), p.Scope.check()); err != nil {
			return nil, err
		}
		return resolveDestroy(*p.Scope, p.Facts, state), nil
	}
	if err := errors.Join(flyname.CheckOrg(p.Request.Org), p.Request.Check()); err != nil {
		return nil, err
	}
	return Resolve(*p.Request, p.Facts, state)
}

// equal says whether two plans have the same JSON form.
func (p *Plan) equal(q *Plan) (bool, error) {
	a, err := p.MarshalIndent()
	if err != nil {
		return false, err
	}
	b, err := q.MarshalIndent()
	return bytes.Equal(a, b), err
}

// checkFound requires a resource of the account, in the form in which it is read.
func (f Facts) checkFound(r Resource) error {
	n := 0
	for _, set := range []bool{r.Provider != nil, r.Role != nil, r.Policy != nil, r.Env != nil} {
		if set {
			n++
		}
	}
	switch {
	case n != 1:
		return fmt.Errorf("a resource has exactly one of provider, role, policy and env, not %d", n)
	case r.Provider != nil && !strings.HasPrefix(r.Provider.ARN, trustpolicy.ProviderARN(f.Partition, f.Account, "")):
		return fmt.Errorf("the provider %s is not one of Fly's in the account", text.Quote(r.Provider.ARN))
	case r.Role != nil && NameProblem(r.Role.Name, maxRoleName) != "":
		return fmt.Errorf("the role %s: %s", text.Quote(r.Role.Name), NameProblem(r.Role.Name, maxRoleName))
	case r.Role != nil && r.Role.ARN != RoleARN(f.Partition, f.Account, r.Role.Path, r.Role.Name):
		return fmt.Errorf("the role's ARN is %s, not %q", text.Quote(r.Role.ARN), RoleARN(f.Partition, f.Account, r.Role.Path, r.Role.Name))
	case r.Policy != nil && (r.Policy.ARN == "") == (r.Policy.Name == ""):
		return fmt.Errorf("%s is both a managed and an inline policy, or neither", text.Quote(r.ID()))
	case r.Env != nil && r.Env.Config == "":
		return errors.New("a fly.toml entry needs a config file")
	}
	return nil
}

// policyProblem says why the account cannot use arn as a managed policy, or "".
func (f Facts) policyProblem(arn string) string {
	rest, ok := strings.CutPrefix(arn, "arn:"+f.Partition+":iam::")
	owner, resource, _ := strings.Cut(rest, ":")
	path, isPolicy := strings.CutPrefix(resource, "policy/")
	i := strings.LastIndexByte(path, '/') + 1
	switch {
	case !ok || !isPolicy || owner != "aws" && owner != f.Account:
		return "it is not a managed policy of this account"
	case pathProblem("/"+path[:i]) != "":
		return pathProblem("/" + path[:i])
	}
	return NameProblem(path[i:], maxPolicyName)
}
