package setup

import (
	"strings"

	"github.com/fly-aws/fly-aws/internal/flyname"
)

// PlanSchema is the version of a plan's JSON form.
const PlanSchema = "fly-aws.plan/1"

// A Plan is what has to change so that the world is as a Spec wants it. It is
// plain data without unknowns: every ARN, document and value is in it, so it can
// be shown, saved, compared and applied later.
type Plan struct {
	Schema    string `json:"schema"`
	Partition string `json:"partition"`
	Account   string `json:"account"`
	Org       string `json:"org"`
	Issuer    string `json:"issuer"`
	Audience  string `json:"audience"`
	// Grants says which app reaches which role, for proof after the plan is applied.
	Grants []Grant `json:"grants"`
	// Changes holds one entry a resource, in the order of their dependencies:
	// provider, roles, policies, fly.toml entries.
	Changes []Change `json:"changes"`
	// Warnings are what was around when the plan was made that it does not change.
	Warnings []Warning `json:"warnings,omitempty"`
}

// A Grant says that machines of an app may assume a role.
type Grant struct {
	App string `json:"app"`
	// Machines are the machine names; empty for all of the app's.
	Machines []string `json:"machines,omitempty"`
	// Role is the role's name, RoleARN its ARN.
	Role    string `json:"role"`
	RoleARN string `json:"role_arn"`
	// Kept says that an earlier run gave the role to the app, and that this one
	// does not mention it.
	Kept bool `json:"kept,omitempty"`
}

// subjects returns what a trust policy has to accept for the grant.
func (g Grant) subjects(org string) []string {
	if len(g.Machines) == 0 {
		return []string{flyname.Subject{Org: org, App: g.App, Machine: "*"}.String()}
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
	// ActionKeep: the resource is as it shall be.
	ActionKeep Action = "keep"
	// ActionCreate: the resource does not exist.
	ActionCreate Action = "create"
	// ActionUpdate: the resource is ours and differs.
	ActionUpdate Action = "update"
	// ActionAdopt: a role that is not ours gets our statement and tags beside what it has.
	ActionAdopt Action = "adopt"
	// ActionConflict: the resource is not ours to change. A plan with a conflict
	// cannot be applied.
	ActionConflict Action = "conflict"
)

// A Change brings one resource from Before to After.
type Change struct {
	Action Action `json:"action"`
	// Before is the resource as it was found; nil when it does not exist.
	Before *Resource `json:"before,omitempty"`
	// After is the resource as it will be, whole: what was there and is left alone
	// is in it too. For a conflict it is what was wanted.
	After *Resource `json:"after"`
	// Reasons say why it is not kept, most telling first.
	Reasons []Reason `json:"reasons,omitempty"`
}

// A Reason is one difference between what is and what shall be. It has no
// words; Have and Want are values of the resource.
type Reason struct {
	Code ReasonCode `json:"code"`
	Have string     `json:"have,omitempty"`
	Want string     `json:"want,omitempty"`
}

// ReasonCode names a kind of difference.
type ReasonCode string

// The reasons.
const (
	ReasonAbsent           ReasonCode = "absent"            // it does not exist
	ReasonAudienceMissing  ReasonCode = "audience-missing"  // Want is the audience
	ReasonStatementMissing ReasonCode = "statement-missing" // the trust policy lacks our statement; Want is its Sid
	ReasonStatementEdited  ReasonCode = "statement-edited"  // our statement differs in more than its subjects; Want is its Sid
	ReasonSubjectMissing   ReasonCode = "subject-missing"   // Want is a subject that our statement has to gain
	ReasonSubjectUnwanted  ReasonCode = "subject-unwanted"  // Have is a subject that our statement has to lose
	ReasonMaxSession       ReasonCode = "max-session"       // Have and Want in seconds
	ReasonBoundary         ReasonCode = "permissions-boundary"
	ReasonTag              ReasonCode = "tag"             // Have and Want as key=value
	ReasonNotAttached      ReasonCode = "not-attached"    // Want is the managed policy's ARN
	ReasonDocument         ReasonCode = "document"        // the inline policy's document differs
	ReasonValue            ReasonCode = "value"           // Have and Want are values of the variable
	ReasonForeignRole      ReasonCode = "foreign-role"    // a role of that name is not ours
	ReasonSharedAudience   ReasonCode = "shared-audience" // other apps share the role with the audience Have
	ReasonOtherOrg         ReasonCode = "other-org"       // the role is marked for another org: Have
	ReasonOtherApp         ReasonCode = "other-app"       // the role is marked for another app: Have
	ReasonOtherPath        ReasonCode = "other-path"      // the role exists under another path: Have
	ReasonNameCase         ReasonCode = "name-case"       // the role exists with its name in another case: Have
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
