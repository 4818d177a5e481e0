package setup

import (
	"strings"

	"github.com/fly-aws/fly-aws/internal/flyname"
)

// PlanSchema is the version of a plan's JSON form.
const PlanSchema = "fly-aws.plan/1"

// A Plan is what has to change so that the world is as it was asked for. It is
// plain data without unknowns: every ARN, document and value is in it, so it can
// be shown, saved, compared and applied later.
type Plan struct {
	Schema    string `json:"schema"`
	Partition string `json:"partition"`
	Account   string `json:"account"`
	Org       string `json:"org"`
	Issuer    string `json:"issuer"`
	Audience  string `json:"audience"`
	// Grants says which app may assume which role.
	Grants []Grant `json:"grants"`
	// Changes holds one entry per resource, in the order of their dependencies:
	// provider, roles, policies, fly.toml entries; deletes after them, in the reverse
	// order.
	Changes []Change `json:"changes"`
	// Warnings are what was around when the plan was made that it does not change.
	Warnings []Warning `json:"warnings,omitempty"`

	// Caller is the ARN of the identity that the plan was made with; empty in a plan
	// read from a file until World.CheckAccount fills it in.
	Caller string `json:"-"`
	// OrgAlias is what Fly's tools call the organization; empty when that is Org or
	// not known.
	OrgAlias string `json:"-"`
	// Proofs are the machines whose tokens were compared with the plan.
	Proofs []Proof `json:"-"`

	// state is what the plan was made from; nil when it was read from a file.
	state State
}

// A Proof is a machine whose token has the claims that the plan is for.
type Proof struct {
	App, Machine string
}

// A Grant says that machines of an app may assume a role.
type Grant struct {
	App string `json:"app"`
	// Machines are the machine names; empty for all of the app's.
	Machines []string `json:"machines,omitempty"`
	// Role is the role's name, RoleARN its ARN.
	Role    string `json:"role"`
	RoleARN string `json:"role_arn"`
	// Kept says that the app may assume the role already and was not asked about.
	Kept bool `json:"kept,omitempty"`
	// Removed says that the app loses the role.
	Removed bool `json:"removed,omitempty"`
}

// subjects returns what a trust policy accepts for the grant.
func (g Grant) subjects(org string) []string {
	if len(g.Machines) == 0 {
		return []string{flyname.Subject{Org: org, App: g.App, Machine: flyname.AnyMachine}.String()}
	}
	var out []string
	for _, m := range g.Machines {
		out = append(out, flyname.Subject{Org: org, App: g.App, Machine: m}.String())
	}
	return out
}

// grantsOf returns the grants of a role.
func grantsOf(grants []Grant, role string) []Grant {
	var out []Grant
	for _, g := range grants {
		if strings.EqualFold(g.Role, role) {
			out = append(out, g)
		}
	}
	return out
}

// Action says what a Change does.
type Action string

// The actions.
const (
	// ActionKeep: the resource is as it is to be.
	ActionKeep Action = "keep"
	// ActionCreate: the resource does not exist.
	ActionCreate Action = "create"
	// ActionUpdate: the resource is ours and differs.
	ActionUpdate Action = "update"
	// ActionAdopt: a role that is not ours gets our statement and tags beside what it has.
	ActionAdopt Action = "adopt"
	// ActionDelete: the resource is ours and goes.
	ActionDelete Action = "delete"
	// ActionConflict: the resource is not ours to change. A plan with a conflict
	// cannot be applied.
	ActionConflict Action = "conflict"
)

// A Change brings one resource from Before to After.
type Change struct {
	Action Action `json:"action"`
	// Before is the resource as it was found; nil when it does not exist.
	Before *Resource `json:"before,omitempty"`
	// After is the resource as it will be, whole: what was there and is left alone is
	// in it too. For a conflict it is what was asked for; nil for a delete.
	After *Resource `json:"after,omitempty"`
	// Reasons are the differences between Before and After, in the order in which they
	// are shown; of a conflict, what is in the way.
	Reasons []Reason `json:"reasons,omitempty"`
}

// Resource returns After, or Before of a delete.
func (c Change) Resource() Resource {
	switch {
	case c.After != nil:
		return *c.After
	case c.Before != nil:
		return *c.Before
	}
	return Resource{}
}

// A Reason is one difference between what is and what is to be. Have and Want are
// values of the resource; an empty one stands for nothing.
type Reason struct {
	Code ReasonCode `json:"code"`
	Have string     `json:"have,omitempty"`
	Want string     `json:"want,omitempty"`
}

// ReasonCode names a kind of difference.
type ReasonCode string

// The reasons.
const (
	ReasonAbsent            ReasonCode = "absent"             // it does not exist
	ReasonAudienceMissing   ReasonCode = "audience-missing"   // Want is the audience
	ReasonStatementMissing  ReasonCode = "statement-missing"  // the trust policy lacks our statement; Want is its Sid
	ReasonStatementUnwanted ReasonCode = "statement-unwanted" // our statement goes; Have is its Sid
	ReasonStatementEdited   ReasonCode = "statement-edited"   // our statement differs in more than its subjects; Want is its Sid
	ReasonSubjectMissing    ReasonCode = "subject-missing"    // Want is a subject that our statement has to gain
	ReasonSubjectUnwanted   ReasonCode = "subject-unwanted"   // Have is a subject that our statement has to lose
	ReasonMaxSession        ReasonCode = "max-session"        // Have and Want in seconds: "3600s"
	ReasonBoundary          ReasonCode = "permissions-boundary"
	ReasonTag               ReasonCode = "tag"          // Have and Want as key=value
	ReasonNotAttached       ReasonCode = "not-attached" // Want is the managed policy's ARN
	ReasonDocument          ReasonCode = "document"     // the inline policy's document differs
	ReasonValue             ReasonCode = "value"        // Have and Want are values of the variable

	// These make a conflict.
	ReasonForeignRole    ReasonCode = "foreign-role"    // a role of that name is not ours; also why a role is adopted
	ReasonSharedAudience ReasonCode = "shared-audience" // other apps share the role with the audience Have
	ReasonOtherOrg       ReasonCode = "other-org"       // the role is marked for another org: Have
	ReasonOtherApp       ReasonCode = "other-app"       // the role is marked for another app: Have
	ReasonOtherPath      ReasonCode = "other-path"      // the role exists under another path: Have
	ReasonNameCase       ReasonCode = "name-case"       // the role exists with its name in another case: Have
	ReasonLastStatement  ReasonCode = "last-statement"  // without our statement Have its trust policy would have none

	// These make a change stale, as do most of the above.
	ReasonGone        ReasonCode = "gone"         // it does not exist any more
	ReasonExists      ReasonCode = "exists"       // it exists by now
	ReasonTrust       ReasonCode = "trust-policy" // its trust policy is another
	ReasonAudiences   ReasonCode = "audiences"    // Have is an audience that it has, Want one that it lacks
	ReasonURL         ReasonCode = "url"          // its URL is another
	ReasonFileEdited  ReasonCode = "file-edited"  // the file was edited, in whatever place
	ReasonNewlyTrusts ReasonCode = "newly-trusts" // the role Have trusts the provider by now
)

// Pending returns the changes that are to be written, in order.
func (p *Plan) Pending() []Change {
	var out []Change
	for _, c := range p.Changes {
		if c.Action != ActionKeep && c.Action != ActionConflict {
			out = append(out, c)
		}
	}
	return out
}

// Conflicts returns the changes that stand in the plan's way.
func (p *Plan) Conflicts() []Change {
	var out []Change
	for _, c := range p.Changes {
		if c.Action == ActionConflict {
			out = append(out, c)
		}
	}
	return out
}
