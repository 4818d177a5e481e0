package setup

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/fly-aws/fly-aws/internal/flyname"
)

// PlanSchema is the version of a plan's JSON form.
const PlanSchema = "fly-aws.plan/2"

// A Plan is the set of changes that a request needs. It is plain data without unknowns:
// it holds every ARN, document and value, so it can be shown, saved, compared and applied
// later.
type Plan struct {
	Schema    string `json:"schema"`
	Partition string `json:"partition"`
	Account   string `json:"account"`
	Org       string `json:"org"`
	Issuer    string `json:"issuer"`
	Audience  string `json:"audience"`
	// Request or Scope is what the plan was made for, Facts and Found what it was made
	// from. ReadPlan makes the plan from them again.
	Request *Request   `json:"request,omitempty"`
	Scope   *Scope     `json:"scope,omitempty"`
	Facts   Facts      `json:"facts"`
	Found   []Resource `json:"found"`
	// Grants says which app may assume which role.
	Grants []Grant `json:"grants"`
	// Changes holds one entry per resource, in dependency order: provider, roles,
	// policies, fly.toml entries. Deletes come after them, in reverse order.
	Changes []Change `json:"changes"`
	// Extras are what is on the request's roles, and roles of its file, that the request
	// does not ask for.
	Extras []Extra `json:"extras"`
	// Warnings are the warnings from when the plan was made.
	Warnings []Warning `json:"warnings,omitempty"`

	// Caller is the ARN of the AWS identity; empty in a plan read from a file until
	// World.CheckAccount fills it in.
	Caller string `json:"-"`
	// OrgAlias is the organization's slug in Fly's tools; empty if that is Org or
	// unknown.
	OrgAlias string `json:"-"`
	// CallRegion is the region that the user gave for AWS calls; empty if none was given.
	CallRegion string `json:"-"`
	// Proofs are the machines whose tokens match the plan.
	Proofs []Proof `json:"-"`

	// state is what the plan was made from; nil if it was read from a file.
	state State
}

// A Proof is a machine whose token has the claims that the plan is for.
type Proof struct {
	App, Machine string
}

// A Grant says that machines of an app may assume a role.
type Grant struct {
	// App is the app, or a pattern as in App.Name.
	App string `json:"app"`
	// Machines are the machine names; empty for all of the app's.
	Machines []string `json:"machines,omitempty"`
	// Role is the role's name, RoleARN its ARN.
	Role    string `json:"role"`
	RoleARN string `json:"role_arn"`
	// Kept says that the app can already assume the role and the request does not name it.
	Kept bool `json:"kept,omitempty"`
	// Removed says that the app loses access to the role.
	Removed bool `json:"removed,omitempty"`

	// narrowed are machines that our statement is limited to by hand.
	narrowed []string
}

// isPattern says whether the grant is for every app whose name begins with App.
func (g Grant) isPattern() bool { return strings.HasSuffix(g.App, "*") }

// subjects returns the sub patterns of the grant.
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
	// ActionKeep: the resource is as desired.
	ActionKeep Action = "keep"
	// ActionCreate: the resource does not exist.
	ActionCreate Action = "create"
	// ActionUpdate: the resource is ours and differs.
	ActionUpdate Action = "update"
	// ActionAdopt: a role that is not ours gets our statement and tags.
	ActionAdopt Action = "adopt"
	// ActionDelete: the resource is ours and is deleted.
	ActionDelete Action = "delete"
	// ActionConflict: the resource is not ours to change. A plan with a conflict
	// cannot be applied.
	ActionConflict Action = "conflict"
)

// A Change brings one resource from Before to After.
type Change struct {
	Action Action `json:"action"`
	// Before is the resource as it was found; nil if it does not exist.
	Before *Resource `json:"before,omitempty"`
	// After is the whole resource as it will be, including what does not change. For a
	// conflict it is what was requested; for a delete it is nil.
	After *Resource `json:"after,omitempty"`
	// Reasons are the differences between Before and After in display order, or the
	// causes of a conflict.
	Reasons []Reason `json:"reasons,omitempty"`
}

// Resource returns After, or Before for a delete.
func (c Change) Resource() Resource {
	switch {
	case c.After != nil:
		return *c.After
	case c.Before != nil:
		return *c.Before
	}
	return Resource{}
}

// A Reason is one difference between current and desired state. Have and Want are values
// of the resource; empty for none.
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
	ReasonStatementUnwanted ReasonCode = "statement-unwanted" // our statement is removed; Have is its Sid
	ReasonStatementEdited   ReasonCode = "statement-edited"   // our statement differs in more than its subjects; Want is its Sid
	ReasonSubjectMissing    ReasonCode = "subject-missing"    // Want is a subject to add to our statement
	ReasonSubjectUnwanted   ReasonCode = "subject-unwanted"   // Have is a subject to remove from our statement
	ReasonMaxSession        ReasonCode = "max-session"        // Have and Want in seconds: "3600s"
	ReasonBoundary          ReasonCode = "permissions-boundary"
	ReasonTag               ReasonCode = "tag"          // Have and Want as key=value
	ReasonNotAttached       ReasonCode = "not-attached" // Want is the managed policy's ARN
	ReasonDocument          ReasonCode = "document"     // the inline policy's document differs
	ReasonValue             ReasonCode = "value"        // Have and Want are values of the variable

	// These are about our statement too. Have and Want are conditions as in Narrowing,
	// actions, audiences or principals.
	ReasonConditionUnwanted ReasonCode = "condition-unwanted"
	ReasonConditionMissing  ReasonCode = "condition-missing"
	ReasonActionUnwanted    ReasonCode = "action-unwanted"
	ReasonActionMissing     ReasonCode = "action-missing"
	ReasonPrincipalUnwanted ReasonCode = "principal-unwanted"
	ReasonPrincipalMissing  ReasonCode = "principal-missing"
	ReasonEffect            ReasonCode = "effect" // Have and Want are effects

	// These make a conflict.
	ReasonForeignRole    ReasonCode = "foreign-role"    // a role of that name is not ours; also why a role is adopted
	ReasonSharedAudience ReasonCode = "shared-audience" // other apps share the role with the audience Have
	ReasonOtherOrg       ReasonCode = "other-org"       // the role is marked for another org: Have
	ReasonOtherApp       ReasonCode = "other-app"       // the role is marked for another app: Have
	ReasonOtherPath      ReasonCode = "other-path"      // the role exists under another path: Have
	ReasonNameCase       ReasonCode = "name-case"       // the role's name is spelled in another case: Have
	ReasonTagsAlone      ReasonCode = "tags-alone"      // the role has our tags without our statement: Want
	ReasonOtherFile      ReasonCode = "other-file"      // the role was made by another file: Have
	ReasonUnreadTrust    ReasonCode = "unread-trust"    // the role's trust policy could not be parsed
	ReasonManaged        ReasonCode = "managed"         // it is not ours: Have manages it; also why a change is stale
	ReasonLastStatement  ReasonCode = "last-statement"  // our statement Have is the trust policy's only one

	// These make a change stale, as do most of the above.
	ReasonGone        ReasonCode = "gone"         // it no longer exists
	ReasonExists      ReasonCode = "exists"       // it now exists
	ReasonTrust       ReasonCode = "trust-policy" // its trust policy differs
	ReasonAudiences   ReasonCode = "audiences"    // Have is an audience that it has, Want one that it lacks
	ReasonURL         ReasonCode = "url"          // its URL differs
	ReasonFileEdited  ReasonCode = "file-edited"  // the file was edited, anywhere in it
	ReasonNewlyTrusts ReasonCode = "newly-trusts" // the role Have now trusts the provider
	ReasonNewExtra    ReasonCode = "new-extra"    // Have, as in Extra.Keep, was added to the role
)

// Pending returns the changes to be written, in order.
func (p *Plan) Pending() []Change {
	var out []Change
	for _, c := range p.Changes {
		if c.Action != ActionKeep && c.Action != ActionConflict {
			out = append(out, c)
		}
	}
	return out
}

// Unasked returns the extras of ours that the plan does not remove.
func (p *Plan) Unasked() []Extra {
	return slices.DeleteFunc(slices.Clone(p.Extras), func(e Extra) bool { return e.Watched || e.Pruned })
}

// Watched returns the extras of adopted and unmanaged roles.
func (p *Plan) Watched() []Extra {
	return slices.DeleteFunc(slices.Clone(p.Extras), func(e Extra) bool { return !e.Watched })
}

// Conflicts returns the conflicts, in order.
func (p *Plan) Conflicts() []Change {
	var out []Change
	for _, c := range p.Changes {
		if c.Action == ActionConflict {
			out = append(out, c)
		}
	}
	return out
}

// Managed returns the resources that the plan keeps and that something else manages, as in
// TagManagedBy.
func (p *Plan) Managed() []Resource {
	var out []Resource
	for _, c := range p.Changes {
		by := c.Resource().ManagedBy()
		if c.Action == ActionKeep && by != "" && (p.Request == nil || by != p.Request.Manager) {
			out = append(out, c.Resource())
		}
	}
	return out
}

// found fills in Found from the state: the account's resources, and of config files the
// entries that the plan depends on, or that are set by hand.
func (p *Plan) found() {
	variables := map[string]bool{EnvRegion: true}
	if p.Request != nil {
		for _, role := range p.Request.Roles {
			for _, app := range role.Apps {
				if SyntaxOf(app.Config) != SyntaxTOML {
					variables[app.Variable()] = true
				}
			}
		}
	}
	for _, c := range p.Changes {
		if env := c.Resource().Env; env != nil {
			variables[env.Key] = true
		}
	}
	p.Found = []Resource{}
	for _, id := range slices.Sorted(maps.Keys(p.state)) {
		if r := p.state[id]; r.Env == nil || variables[r.Env.Key] {
			p.Found = append(p.Found, r)
		}
	}
}

// Digest identifies the plan: "sha256:" and the hash of its JSON form in hexadecimal.
func (p *Plan) Digest() (string, error) {
	data, err := p.MarshalIndent()
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("sha256:%x", sha256.Sum256(data)), nil
}
