// Package audit answers for a whole AWS account which Fly apps can assume which roles, what
// these may do, and what about that is wrong.
package audit

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/fly-aws/fly-aws/internal/flyname"
	"github.com/fly-aws/fly-aws/internal/lint"
	"github.com/fly-aws/fly-aws/internal/permission"
	"github.com/fly-aws/fly-aws/setup"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

// An Inventory is what an account holds that concerns Fly.
type Inventory struct {
	Partition, Account string
	// Caller is the ARN of the identity that read it; "" for a file.
	Caller string
	// Seen is how many roles the account has, as far as they were seen.
	Seen int
	// Roles are those that trust a Fly provider, or may, and those with tags of fly-aws.
	Roles []Role
	// Providers are those of Fly's issuers; ProvidersKnown is false if they were not read.
	Providers      []setup.Provider
	ProvidersKnown bool
	// Documents are those of managed policies, by ARN.
	Documents map[string]setup.Document
	// Gaps say what was not seen.
	Gaps []Gap
}

// A Role is a role with its policies.
type Role struct {
	setup.Role
	Policies []setup.RolePolicy
}

// A Gap is something that was not seen, so that the answer may miss findings.
type Gap struct {
	Code GapCode `json:"code"`
	// Reason says why, as a clause; it is safe to show.
	Reason string `json:"reason,omitempty"`
	// Names are the policies whose documents are unknown.
	Names []string `json:"names,omitempty"`
}

// GapCode names a kind of Gap.
type GapCode string

// The kinds.
const (
	GapRoles     GapCode = "roles"     // some roles of the account
	GapProviders GapCode = "providers" // the account's OIDC providers
	GapPolicies  GapCode = "policies"  // the documents of the managed policies Names
	GapFly       GapCode = "fly"       // the apps on Fly, and their secrets
	GapDrift     GapCode = "drift"     // whether the account is as the request file says
)

// IsPartial says whether roles were not seen, so that their findings are missing.
func (g Gap) IsPartial() bool { return g.Code == GapRoles }

// An App is an app of a Fly organization.
type App struct {
	Org  string `json:"org"`
	Name string `json:"name"`
	// Absent says that Fly does not have the app; it is false where Fly was not asked.
	Absent bool `json:"absent,omitempty"`
	// StaticKeys are its secrets that hold AWS keys.
	StaticKeys []string `json:"static_keys,omitempty"`
}

// An Input is what an audit looks at.
type Input struct {
	Inventory
	// Apps are the apps on Fly, of the organizations FlyOrgs.
	Apps    []App
	FlyOrgs []string
	// Declared are apps that a request file names, with its organization.
	Declared []App
	// Drift is a plan of the request file; nil for none.
	Drift *setup.Plan
	Now   time.Time
}

// A Report is the answer.
type Report struct {
	Inventory
	// Apps are those that Fly has and those that a policy or the request file names, sorted.
	Apps []App
	// Roles are the inventory's, the worst first.
	Roles []RoleReport
	// Cells are who has access, in the order of Roles and Apps. An app and a role have two if
	// some machines have access for certain and others under conditions.
	Cells []Cell
	// Findings are the worst first.
	Findings []Finding
	Now      time.Time
}

// A RoleReport is what an audit says about a role.
type RoleReport struct {
	Role
	// Trust has the findings about its trust policy, and whom it lets in.
	Trust lint.Policy
	// EveryApp are the organizations all of whose apps may assume it.
	EveryApp []string
	// Power is what it may do at most, Abilities the same by service.
	Power     Power
	Breadths  []permission.Finding
	Abilities []permission.Ability
	// Unread are the policies whose documents are unknown, as in setup.RolePolicy.
	Unread []setup.RolePolicy
	// Denies says that one of its policies denies something, which Abilities do not show.
	Denies bool
}

// A Power is what a role may do at most, in steps.
type Power string

// The powers, from the most to the least.
const (
	PowerAdministrator Power = "administrator" // everything, or all of IAM
	PowerBroad         Power = "broad"         // almost everything, or any other role
	PowerUnknown       Power = "unknown"       // a policy could not be read
	PowerWrite         Power = "write"
	PowerRead          Power = "read"
	PowerNone          Power = "none" // it has no permissions
)

var powers = []Power{PowerAdministrator, PowerBroad, PowerUnknown, PowerWrite, PowerRead, PowerNone}

// A Cell says that machines of an app may assume a role.
type Cell struct {
	App    App
	Role   string
	Access Access
	// Machines are those with access, as names and patterns with * and ?; all if empty.
	Machines []string
	// Except are those of Machines without this access.
	Except []string
}

// An Access is how many of an app's machines may assume a role, not counting Cell.Except.
type Access string

// The accesses.
const (
	AccessAll   Access = "all"       // every machine
	AccessSome  Access = "some"      // machines that the policy names
	AccessMaybe Access = "undecided" // it depends on conditions that are not known here
)

// Audit makes the report.
func Audit(in Input) Report {
	r := Report{Inventory: in.Inventory, Now: in.Now}
	r.Gaps = slices.Clone(r.Gaps)
	var unread []string
	for _, role := range in.Roles {
		rr := reportOf(in, role)
		r.Roles = append(r.Roles, rr)
		for _, p := range rr.Unread {
			unread = append(unread, cmp.Or(p.ARN, p.Name))
		}
	}
	if slices.Sort(unread); len(unread) > 0 {
		r.Gaps = append(r.Gaps, Gap{Code: GapPolicies, Names: slices.Compact(unread)})
	}
	r.Apps = in.apps()
	slices.SortStableFunc(r.Roles, worstFirst)
	for _, role := range r.Roles {
		for _, app := range r.Apps {
			r.Cells = append(r.Cells, in.cells(role.Role, app)...)
		}
	}
	r.Findings = r.findings(in)
	return r
}

// reportOf looks at a role by itself.
func reportOf(in Input, role Role) RoleReport {
	expected := trustpolicy.Expected{AppAccess: trustpolicy.AppAccess{Partition: in.Partition, Account: in.Account}}
	if orgs := role.Trust.Orgs(); len(orgs) == 1 {
		if p := in.provider(orgs[0]); p != nil {
			expected.Registered = append([]string{}, p.Audiences...)
		}
	}
	rr := RoleReport{Role: role, Trust: lint.Live(role.Name, role.Trust, expected)}
	for _, a := range rr.Trust.Admissions {
		if org, every := EveryApp(a); every {
			rr.EveryApp = append(rr.EveryApp, org)
		}
	}
	var policies []permission.Policy
	for _, p := range role.Policies {
		document := p.Document
		if p.ARN != "" {
			document = in.Documents[p.ARN]
			rr.Breadths = append(rr.Breadths, permission.ManagedFindings(p.ARN)...)
		}
		parsed, err := permission.Parse([]byte(document.String()))
		if document.IsZero() || err != nil {
			if len(permission.ManagedFindings(p.ARN)) == 0 {
				rr.Unread = append(rr.Unread, p)
			}
			continue
		}
		policies = append(policies, parsed)
		rr.Denies = rr.Denies || parsed.HasDeny()
		if p.ARN == "" || len(permission.ManagedFindings(p.ARN)) == 0 {
			rr.Breadths = append(rr.Breadths, parsed.Findings()...)
		}
	}
	rr.Abilities = permission.Abilities(policies)
	rr.Power = rr.power()
	return rr
}

func (rr RoleReport) power() Power {
	has := func(breadths ...permission.Breadth) bool {
		return slices.ContainsFunc(rr.Breadths, func(f permission.Finding) bool { return slices.Contains(breadths, f.Breadth) })
	}
	above := func(level permission.Level) bool {
		return slices.ContainsFunc(rr.Abilities, func(a permission.Ability) bool { return a.Level != level })
	}
	switch {
	case has(permission.Administrator, permission.IAM):
		return PowerAdministrator
	case has(permission.PowerUser, permission.AssumeAnyRole):
		return PowerBroad
	case len(rr.Unread) > 0:
		return PowerUnknown
	case len(rr.Abilities) == 0:
		return PowerNone
	case above(permission.Read):
		return PowerWrite
	}
	return PowerRead
}

// EveryApp says whether an admission is of every app of an organization.
func EveryApp(a trustpolicy.Admission) (org string, every bool) {
	org, s := subjectOf(a)
	return org, a.Kind == trustpolicy.AdmitsSubject && (a.Name == "*" || a.Name == org+":*" || s.App == "*")
}

// subjectOf returns the organization whose provider vouches for the machines that are let
// in, and the pattern for their subjects, which is zero if it does not have three parts.
func subjectOf(a trustpolicy.Admission) (org string, pattern flyname.Subject) {
	_, org, _ = strings.Cut(a.Issuer, "/")
	if a.Kind == trustpolicy.AdmitsSubject {
		pattern, _ = flyname.ParseSubject(a.Name)
	}
	return org, pattern
}

// worstFirst compares roles: how open they are, what they may do, and their names.
func worstFirst(a, b RoleReport) int {
	openness := func(rr RoleReport) int {
		switch {
		case slices.ContainsFunc(rr.Trust.Admissions, func(a trustpolicy.Admission) bool { return a.Kind == trustpolicy.AdmitsAnyone && !a.Conditional }):
			return 0
		case len(rr.EveryApp) > 0:
			return 1
		case slices.ContainsFunc(rr.Trust.Findings, func(f lint.Finding) bool { return f.Severity == trustpolicy.SeverityError }):
			return 2
		}
		return 3
	}
	power := func(rr RoleReport) int { return slices.Index(powers, rr.Power) }
	return cmp.Or(
		cmp.Compare(min(openness(a), 2), min(openness(b), 2)),
		cmp.Compare(power(a), power(b)),
		cmp.Compare(openness(a), openness(b)),
		cmp.Compare(a.Name, b.Name),
	)
}

// provider returns the provider of an organization, nil if there is none or providers are
// not known.
func (in Inventory) provider(org string) *setup.Provider {
	arn := trustpolicy.ProviderARN(in.Partition, in.Account, org)
	for i, p := range in.Providers {
		if p.ARN == arn {
			return &in.Providers[i]
		}
	}
	return nil
}

// apps returns the apps on Fly, and those that policies and the request file name.
func (in Input) apps() []App {
	known := map[[2]string]App{}
	for _, app := range in.Apps {
		known[[2]string{app.Org, app.Name}] = app
	}
	name := func(org, app string) {
		key := [2]string{org, app}
		if _, ok := known[key]; !ok && flyname.CheckOrg(org) == nil && flyname.CheckApp(app) == nil {
			known[key] = App{Org: org, Name: app, Absent: slices.Contains(in.FlyOrgs, org)}
		}
	}
	for _, app := range in.Declared {
		name(app.Org, app.Name)
	}
	for _, role := range in.Roles {
		for _, a := range role.Trust.Admissions(nil) {
			if org, s := subjectOf(a); s.App != "" {
				name(org, s.App)
			}
		}
	}
	out := make([]App, 0, len(known))
	for _, app := range known {
		out = append(out, app)
	}
	slices.SortFunc(out, func(a, b App) int { return cmp.Or(cmp.Compare(a.Org, b.Org), cmp.Compare(a.Name, b.Name)) })
	return out
}

// cells evaluates the role's trust policy for the machines of the app that it names, and for
// all others.
func (in Input) cells(role Role, app App) []Cell {
	if role.Trust == nil || app.Absent {
		return nil
	}
	provider := in.provider(app.Org)
	if in.ProvidersKnown && provider == nil {
		return nil // STS has nobody to verify a token with
	}
	audiences := []string{flyname.AudienceAWS}
	if provider != nil {
		audiences = provider.Audiences
	}
	// access is AccessAll if a machine may assume the role, and "" if it may not.
	access := func(machine string) (best Access) {
		for _, audience := range audiences {
			switch role.Trust.Evaluate(trustpolicy.AssumeRequest{
				Action: trustpolicy.AssumeAction, Federated: trustpolicy.ProviderARN(in.Partition, in.Account, app.Org),
				Context: trustpolicy.WebIdentityContext(flyname.IssuerPath(app.Org), audience, flyname.Subject{Org: app.Org, App: app.Name, Machine: machine}.String()),
			}).Decision {
			case trustpolicy.Allowed:
				return AccessAll
			case trustpolicy.Undecided:
				best = AccessMaybe
			}
		}
		return best
	}
	others := access(someMachine)
	named := map[Access][]string{}
	for _, machine := range machinesOf(role, app) {
		a := access(example(machine))
		named[a] = append(named[a], machine)
	}
	var out []Cell
	add := func(access Access, less []string) {
		c := Cell{App: app, Role: role.Name, Access: access}
		switch {
		case access == others:
		case len(named[access]) == 0:
			return
		case access == AccessAll:
			c.Access = AccessSome
			fallthrough
		default:
			c.Machines = widest(named[access])
		}
		c.Except = widest(slices.DeleteFunc(less, func(machine string) bool {
			within := c.Machines == nil || slices.ContainsFunc(c.Machines, func(m string) bool { return trustpolicy.Includes(m, machine) })
			overlaps := slices.ContainsFunc(named[access], func(m string) bool {
				patterns := strings.ContainsAny(m, "*?") && strings.ContainsAny(machine, "*?") && !trustpolicy.Includes(m, machine)
				return patterns || trustpolicy.Includes(machine, m)
			})
			return !within || overlaps // rather too much access than too little
		}))
		out = append(out, c)
	}
	add(AccessAll, slices.Concat(named[AccessMaybe], named[""]))
	add(AccessMaybe, slices.Clone(named[""]))
	return out
}

// someMachine is a name that no policy has, for the machines that are not named. It is so
// long that no pattern of question marks matches it.
const someMachine = "~~~~~~~~~"

// example is a name for which a pattern stands.
func example(pattern string) string {
	return strings.NewReplacer("*", someMachine, "?", someMachine[:1]).Replace(pattern)
}

// machinesOf returns the machines of the app that a trust policy names, as names and
// patterns: what is left of each value after a beginning that matches the app.
func machinesOf(role Role, app App) []string {
	var out []string
	prefix := flyname.Subject{Org: app.Org, App: app.Name}.String()
	for _, s := range role.Trust.Statements {
		for _, c := range s.Conditions {
			for _, v := range c.Values {
				for i := range len(v) {
					head, machine := v[:i+1], v[i+1:]
					if !strings.ContainsAny(v[i:i+1], ":*?") || !trustpolicy.Like(strings.ToLower(head), prefix) {
						continue
					}
					if strings.HasSuffix(head, "*") {
						machine = "*" + machine // it may go on in the machine's name
					}
					machine = asterisks.ReplaceAllString(machine, "*")
					// Under operators that ignore case, the name is usually in lower case.
					for _, m := range []string{machine, strings.ToLower(machine)} {
						if strings.Trim(m, "*") != "" && flyname.CheckMachine(example(m)) == nil {
							out = append(out, m)
						}
					}
				}
			}
		}
	}
	slices.Sort(out)
	out = slices.Compact(out)
	const most = 8 // more patterns for one app would take long
	for _, p := range out[:min(len(out), most)] {
		for _, q := range out[:min(len(out), most)] {
			if p != q && strings.HasSuffix(p, "*") && strings.HasPrefix(q, "*") {
				out = append(out, p+q[1:]) // what both match
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

var asterisks = regexp.MustCompile(`\*+`)

// widest leaves out the names and patterns that another pattern covers.
func widest(machines []string) []string {
	var out []string
	for _, m := range machines {
		if !slices.ContainsFunc(machines, func(wide string) bool { return wide != m && trustpolicy.Includes(wide, m) }) {
			out = append(out, m)
		}
	}
	slices.Sort(out)
	return out
}
