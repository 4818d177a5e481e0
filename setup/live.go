package setup

import (
	"slices"

	"github.com/fly-aws/fly-aws/internal/flyname"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

// A Mismatch is a resource that is not as its plan says.
type Mismatch struct {
	Resource Resource
	// Absent says that it does not exist, Remains that it does although it was deleted;
	// otherwise it differs.
	Absent, Remains bool
}

// mismatches are the resources that are not as planned.
func (p *Plan) mismatches(state State) []Mismatch {
	var out []Mismatch
	for _, c := range p.Changes {
		now := state.find(c.Resource())
		if done, err := c.Compare(now); !done || err != nil {
			out = append(out, Mismatch{Resource: c.Resource(), Absent: now == nil, Remains: now != nil && c.After == nil})
		}
	}
	return out
}

// A Check is one request decided by a role's live trust policy, as IAM documents its
// rules. AWS itself is not asked.
type Check struct {
	App string
	// Role is the role's name.
	Role    string
	Subject string
	// Want and Got are decisions.
	Want, Got trustpolicy.Decision
	// Evaluation says of every statement and condition how it was decided.
	Evaluation trustpolicy.Evaluation
}

// Passed says whether the trust policy decides as it is to.
func (c Check) Passed() bool { return c.Want == c.Got || c.Want.Denied() && c.Got.Denied() }

// Names that stand for a machine and for another app in checks. The other app's name
// begins with the app's, so that a wildcard without a colon before it, such as
// acme:web*, is caught.
const (
	someMachine = "any-machine"
	neighbor    = "-neighbor"
)

// checks tries, for every grant of the plan, a machine of the app, which the role's trust
// policy in state has to accept, or to refuse where the app loses the role; a machine of
// another app of the organization, which it has to refuse; and where the grant names
// machines, another machine of the app. Roles that state lacks are left out.
func (p *Plan) checks(state State) []Check {
	granted := map[string]bool{}
	for _, g := range p.Grants {
		granted[g.App] = true
	}
	out := []Check{}
	for _, g := range p.Grants {
		live := state.find(Resource{Role: &Role{Name: g.Role}})
		if live == nil || live.Role.Trust == nil {
			continue
		}
		try := func(app, machine string, want trustpolicy.Decision) {
			subject := flyname.Subject{Org: p.Org, App: app, Machine: machine}.String()
			evaluation := live.Role.Trust.Evaluate(trustpolicy.AssumeRequest{
				Action:    trustpolicy.AssumeAction,
				Federated: trustpolicy.ProviderARN(p.Partition, p.Account, p.Org),
				Context:   trustpolicy.WebIdentityContext(flyname.IssuerPath(p.Org), p.Audience, subject),
			})
			out = append(out, Check{App: g.App, Role: g.Role, Subject: subject, Want: want, Got: evaluation.Decision, Evaluation: evaluation})
		}
		machine := someMachine
		if len(g.Machines) > 0 {
			machine = g.Machines[0]
		}
		if g.Removed {
			try(g.App, machine, trustpolicy.ImplicitlyDenied)
			continue
		}
		try(g.App, machine, trustpolicy.Allowed)
		if len(g.Machines) > 0 {
			other := someMachine
			for slices.Contains(g.Machines, other) {
				other += neighbor
			}
			try(g.App, other, trustpolicy.ImplicitlyDenied)
		}
		other := g.App + neighbor
		for granted[other] {
			other += neighbor
		}
		try(other, machine, trustpolicy.ImplicitlyDenied)
	}
	return out
}
