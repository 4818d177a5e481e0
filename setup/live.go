package setup

import (
	"slices"
	"strings"

	"github.com/fly-aws/fly-aws/internal/flyname"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

// A Mismatch is a resource that is not as planned.
type Mismatch struct {
	Resource Resource
	// Absent says that it does not exist, Remains that it still does after its
	// deletion. If neither is set, it differs.
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

// A Check is one request evaluated against a role's live trust policy by IAM's
// documented rules, without asking AWS.
type Check struct {
	App string
	// Role is the role's name.
	Role    string
	Subject string
	// Want and Got are decisions.
	Want, Got trustpolicy.Decision
	// Evaluation has the result of every statement and condition.
	Evaluation trustpolicy.Evaluation
}

// Passed says whether the trust policy decides as wanted.
func (c Check) Passed() bool { return c.Want == c.Got || c.Want.Denied() && c.Got.Denied() }

// Names of a machine and another app in checks. The other app's name begins with the
// app's, to catch a wildcard without a colon before it, such as acme:web*; the app's begins
// with that of a third.
const (
	someMachine = "any-machine"
	neighbor    = "-neighbor"
)

// checks evaluates the trust policies in state for every grant of the plan. A machine of
// the app must be allowed, or denied if the app loses the role. A machine of another app
// of the organization must be denied, and so must another machine of the app if the
// grant names machines, and apps that the role excepts. Roles that are not in state are
// skipped.
func (p *Plan) checks(state State) []Check {
	granted := map[string]bool{}
	for _, g := range p.Grants {
		granted[g.App] = true
	}
	excepted := map[string][]string{} // by role
	if p.Request != nil {
		for _, role := range p.Request.Roles {
			excepted[p.Request.RoleName(role)] = role.Except
		}
	}
	out := []Check{}
	for _, g := range p.Grants {
		live := state.find(Resource{Role: &Role{Name: g.Role}})
		if live == nil || live.Role.Trust == nil {
			continue
		}
		tryIn := func(org, app, machine string, want trustpolicy.Decision) {
			subject := flyname.Subject{Org: org, App: app, Machine: machine}.String()
			evaluation := live.Role.Trust.Evaluate(trustpolicy.AssumeRequest{
				Action:    trustpolicy.AssumeAction,
				Federated: trustpolicy.ProviderARN(p.Partition, p.Account, org),
				Context:   trustpolicy.WebIdentityContext(flyname.IssuerPath(org), p.Audience, subject),
			})
			out = append(out, Check{App: g.App, Role: g.Role, Subject: subject, Want: want, Got: evaluation.Decision, Evaluation: evaluation})
		}
		try := func(app, machine string, want trustpolicy.Decision) { tryIn(p.Org, app, machine, want) }
		app, machine := g.App, someMachine
		other := app + neighbor
		if g.isPattern() {
			prefix := strings.TrimSuffix(app, "*")
			app, other = prefix+"any", "no-"+prefix+"any"
		}
		if len(g.Machines) > 0 {
			machine = g.Machines[0]
		}
		if g.Removed {
			try(app, machine, trustpolicy.ImplicitlyDenied)
			continue
		}
		try(app, machine, trustpolicy.Allowed)
		if len(g.Machines) > 0 {
			other := someMachine
			for slices.Contains(g.Machines, other) {
				other += neighbor
			}
			try(app, other, trustpolicy.ImplicitlyDenied)
		}
		for granted[other] {
			other += neighbor
		}
		try(other, machine, trustpolicy.ImplicitlyDenied)
		if shorter := app[:len(app)-1]; !g.isPattern() && flyname.CheckApp(shorter) == nil && !granted[shorter] {
			try(shorter, machine, trustpolicy.ImplicitlyDenied)
		}
		for _, org := range live.Role.Trust.Orgs() {
			if org != p.Org {
				tryIn(org, app, machine, trustpolicy.ImplicitlyDenied)
			}
		}
		for _, app := range excepted[g.Role] {
			try(app, machine, trustpolicy.ImplicitlyDenied)
		}
	}
	return out
}

// An Openness is whom a role's live trust policy lets in beyond the grants of the plan.
type Openness struct {
	// Role is the role's name.
	Role string
	// Beyond is empty if the role lets nobody else in.
	Beyond []trustpolicy.Admission
}

// openness returns whom the roles with grants let in beyond these. Roles that are not in
// state are skipped.
func (p *Plan) openness(state State) []Openness {
	granted := map[string][]string{}
	var roles []string
	for _, g := range p.Grants {
		if g.Removed {
			continue
		}
		if granted[g.Role] == nil {
			roles = append(roles, g.Role)
		}
		granted[g.Role] = append(granted[g.Role], g.subjects(p.Org)...)
	}
	out := []Openness{}
	for _, name := range roles {
		if live := state.find(Resource{Role: &Role{Name: name}}); live != nil && live.Role.Trust != nil {
			out = append(out, Openness{name, live.Role.Trust.Admissions(map[string][]string{flyname.IssuerPath(p.Org): granted[name]})})
		}
	}
	return out
}
