package setup

import (
	"context"
	"slices"

	"github.com/fly-aws/fly-aws/internal/flyname"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

// A Finding is a resource that is not as its plan says.
type Finding struct {
	ID string `json:"id"`
	// Absent says that it does not exist; otherwise it differs.
	Absent bool `json:"absent"`
}

// A Proof is one request tried on a role's live trust policy.
type Proof struct {
	App     string `json:"app"`
	Role    string `json:"role"`
	Subject string `json:"subject"`
	// Want and Got are the verdicts.
	Want trustpolicy.Decision `json:"want"`
	Got  trustpolicy.Decision `json:"got"`
	// Decision says of every statement and condition how it went.
	Decision trustpolicy.Evaluation `json:"-"`
}

// Held says whether the trust policy decides as it shall.
func (p Proof) Held() bool { return p.Want == p.Got || p.Want.Denied() && p.Got.Denied() }

// Verify reads every resource of the plan again and returns those that are not
// as planned, and what the roles' live trust policies make of a machine of each
// app and of one of another app.
func Verify(ctx context.Context, targets Targets, plan *Plan) ([]Finding, []Proof, error) {
	state, err := Observe(ctx, targets, plan.resources())
	if err != nil {
		return nil, nil, err
	}
	var findings []Finding
	for _, r := range plan.resources() {
		now, exists := state[r.ID()]
		if !exists || !satisfies(now, r) {
			findings = append(findings, Finding{ID: r.ID(), Absent: !exists})
		}
	}
	return findings, Prove(plan, state), nil
}

// Names of the machine and the neighbour that proofs are made with. The
// neighbour's name begins with the app's, so that a wildcard without a colon
// before it, such as acme:web*, is caught.
const (
	proofMachine   = "any-machine"
	proofNeighbour = "-neighbour"
)

// Prove tries, for every grant of the plan, a machine of the app, which the
// role's trust policy in state has to accept, and a machine of another app of
// the same organisation, which it has to refuse; where the grant names machines,
// another machine of the app too. Roles that state lacks are left out.
func Prove(plan *Plan, state State) []Proof {
	granted := map[string]bool{}
	for _, g := range plan.Grants {
		granted[g.App] = true
	}
	var proofs []Proof
	for _, g := range plan.Grants {
		live, ok := state[Resource{Role: &Role{Name: g.Role}}.ID()]
		if !ok {
			continue
		}
		try := func(app, machine string, want trustpolicy.Decision) {
			subject := flyname.Subject{Org: plan.Org, App: app, Machine: machine}.String()
			decision := live.Role.Trust.Evaluate(trustpolicy.AssumeRequest{
				Action:    trustpolicy.AssumeAction,
				Federated: trustpolicy.ProviderARN(plan.Partition, plan.Account, plan.Org),
				Context:   trustpolicy.WebIdentityContext(flyname.IssuerPath(plan.Org), plan.Audience, subject),
			})
			proofs = append(proofs, Proof{App: g.App, Role: g.Role, Subject: subject, Want: want, Got: decision.Decision, Decision: decision})
		}
		machine := proofMachine
		if len(g.Machines) > 0 {
			machine = g.Machines[0]
		}
		try(g.App, machine, trustpolicy.Allowed)
		if len(g.Machines) > 0 {
			other := proofMachine
			for slices.Contains(g.Machines, other) {
				other += proofNeighbour
			}
			try(g.App, other, trustpolicy.ImplicitlyDenied)
		}
		neighbour := g.App + proofNeighbour
		for granted[neighbour] {
			neighbour += proofNeighbour
		}
		try(neighbour, machine, trustpolicy.ImplicitlyDenied)
	}
	return proofs
}
