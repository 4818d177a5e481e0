package setup

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/fly-aws/fly-aws/internal/flyname"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

// A SizeError says that a role's trust policy would be larger than its quota.
type SizeError struct {
	Role string
	// Size and Quota are in characters without white space.
	Size, Quota int
	// Apps is how many apps our statement in it names.
	Apps int
}

func (e *SizeError) Error() string {
	return fmt.Sprintf("the trust policy of role %s would have %d characters for %d apps; the quota is %d", e.Role, e.Size, e.Apps, e.Quota)
}

// Diff makes the plan that brings the state to what spec wants. It fails with a
// *SizeError when a trust policy would not fit, or an *InvalidError when a role
// would have too many tags; everything else that stands in the way is a conflict
// in the plan.
func Diff(spec Spec, state State) (*Plan, error) {
	if spec.TrustPolicyQuota == 0 {
		spec.TrustPolicyQuota = trustpolicy.DefaultSizeQuota
	}
	spec.Grants = effectiveGrants(spec, state)
	plan := &Plan{
		Schema:    PlanSchema,
		Partition: spec.Partition,
		Account:   spec.Account,
		Org:       spec.Org,
		Issuer:    spec.Issuer,
		Audience:  spec.Audience,
		Grants:    spec.Grants,
	}
	adopted := map[string]bool{} // roles taken over by this plan, by lower-case name
	for _, want := range spec.Resources {
		if want.Role != nil {
			role, err := spec.granted(*want.Role)
			if err != nil {
				return nil, err
			}
			want = Resource{Role: role}
		}
		var change Change
		have, exists := state[want.ID()]
		switch {
		case !exists:
			change = Change{Action: ActionCreate, After: &want, Reasons: []Reason{absent(want)}}
		case want.Provider != nil:
			change = diffProvider(*have.Provider, *want.Provider)
		case want.Role != nil:
			change = diffRole(spec, *have.Role, *want.Role)
			adopted[strings.ToLower(want.Role.Name)] = change.Action == ActionAdopt
		case want.Policy != nil:
			change = diffPolicy(*have.Policy, *want.Policy, adopted[strings.ToLower(want.Policy.Role)])
		case want.Env != nil:
			change = diffEnv(*have.Env, *want.Env)
		}
		if err := checkLimits(spec, change); err != nil {
			return nil, err
		}
		if exists && change.Before == nil {
			change.Before = &have
		}
		if change.Action == ActionKeep {
			change.Before = nil // After says it all
		}
		plan.Changes = append(plan.Changes, change)
	}
	return plan, nil
}

// effectiveGrants completes the grants that were asked for by what is there and
// was not mentioned: the limit of an app to certain machines, and the other apps
// of a shared role.
func effectiveGrants(spec Spec, state State) []Grant {
	var out []Grant
	kept := map[string]bool{}
	for _, g := range spec.Grants {
		found := foundGrants(spec, state, g.Role)
		switch {
		case slices.Contains(g.Machines, AllMachines):
			g.Machines = nil
		case len(g.Machines) == 0:
			g.Machines = found[g.App]
		}
		out = append(out, g)
	}
	for _, g := range spec.Grants {
		if spec.wanted(g.Role).Tags[TagApp] != "" || kept[g.Role] {
			continue
		}
		kept[g.Role] = true
		found := foundGrants(spec, state, g.Role)
		for _, app := range slices.Sorted(maps.Keys(found)) {
			asked := func(g Grant) bool { return g.App == app }
			if !slices.ContainsFunc(grantsOf(out, g.Role), asked) {
				out = append(out, Grant{App: app, Machines: found[app], Role: g.Role, RoleARN: g.RoleARN, Kept: true})
			}
		}
	}
	return out
}

// wanted returns the wanted role of that name.
func (s Spec) wanted(role string) Role {
	for _, r := range s.Resources {
		if r.Role != nil && strings.EqualFold(r.Role.Name, role) {
			return *r.Role
		}
	}
	return Role{}
}

// granted returns role with a trust policy of our statement for all its grants.
func (s Spec) granted(role Role) (*Role, error) {
	statement, err := statementFor(s.Partition, s.Account, s.Org, s.Audience, grantsOf(s.Grants, role.Name))
	if err != nil {
		return nil, err
	}
	role.Trust = trustpolicy.New(statement)
	return &role, nil
}

// statementFor makes our statement for the grants of a role.
func statementFor(partition, account, org, audience string, grants []Grant) (trustpolicy.Statement, error) {
	var apps, subjects []string
	for _, g := range grants {
		apps = append(apps, g.App)
		subjects = append(subjects, g.subjects(org)...)
	}
	statement, err := trustpolicy.Build(trustpolicy.AppAccess{Partition: partition, Account: account, Org: org, Apps: apps, Audience: audience})
	if err != nil {
		return statement, err
	}
	return withSubjects(statement, sorted(subjects)), nil
}

// foundGrants returns, by app, the machines that our statement in a role of ours
// names; none for all. Subjects of any other form were not written by us.
func foundGrants(spec Spec, state State, role string) map[string][]string {
	have, ok := state[Resource{Role: &Role{Name: role}}.ID()]
	if !ok || have.Role.Tags[TagOrg] != spec.Org {
		return nil
	}
	statement, _ := have.Role.Trust.Statement(trustpolicy.Sid(spec.Org))
	found, all := map[string][]string{}, map[string]bool{}
	for _, subject := range Subjects(statement) {
		parts := strings.Split(subject, ":")
		if len(parts) != 3 || parts[0] != spec.Org || flyname.CheckApp(parts[1]) != nil {
			continue
		}
		switch app, machine := parts[1], parts[2]; {
		case machine == "*":
			all[app] = true
		case flyname.CheckMachine(machine) == nil:
			found[app] = sorted(append(found[app], machine))
		}
	}
	for app := range all {
		found[app] = nil
	}
	return found
}

func absent(want Resource) Reason {
	if want.Policy != nil && want.Policy.ARN != "" {
		return Reason{Code: ReasonNotAttached, Want: want.Policy.ARN}
	}
	return Reason{Code: ReasonAbsent}
}

// checkLimits holds a role that is to be written to IAM's limits.
func checkLimits(spec Spec, c Change) error {
	role := c.After.Role
	if role == nil || c.Action == ActionKeep || c.Action == ActionConflict {
		return nil
	}
	if len(role.Tags) > maxTags {
		return &InvalidError{Field: FieldTag, Value: role.Name, Reason: fmt.Sprintf("the role would have %d tags with those it has; IAM takes %d", len(role.Tags), maxTags)}
	}
	if size := role.Trust.Size(); size > spec.TrustPolicyQuota {
		return &SizeError{Role: role.Name, Size: size, Quota: spec.TrustPolicyQuota, Apps: len(grantsOf(spec.Grants, role.Name))}
	}
	return nil
}

// diffProvider adds missing audiences; whose provider it is does not matter,
// since nothing of it is taken away.
func diffProvider(have, want Provider) Change {
	after := have
	after.Audiences = slices.Clone(have.Audiences)
	var reasons []Reason
	for _, audience := range want.Audiences {
		if !slices.Contains(have.Audiences, audience) {
			after.Audiences = append(after.Audiences, audience)
			reasons = append(reasons, Reason{Code: ReasonAudienceMissing, Want: audience})
		}
	}
	return updated(Resource{Provider: &after}, reasons)
}

// updated is the change to after for the reasons, or to keep it if there are none.
func updated(after Resource, reasons []Reason) Change {
	if len(reasons) == 0 {
		return Change{Action: ActionKeep, After: &after}
	}
	return Change{Action: ActionUpdate, After: &after, Reasons: reasons}
}

func diffRole(spec Spec, have, want Role) Change {
	conflict := func(code ReasonCode, found, wanted string) Change {
		return Change{Action: ActionConflict, After: &Resource{Role: &want}, Reasons: []Reason{{Code: code, Have: found, Want: wanted}}}
	}
	switch {
	case have.Name != want.Name:
		return conflict(ReasonNameCase, have.Name, want.Name)
	case have.Path != want.Path:
		return conflict(ReasonOtherPath, have.Path, want.Path)
	}

	tags := maps.Clone(want.Tags)
	owner, ours := have.Tags[TagOrg]
	app, wantApp := have.Tags[TagApp], want.Tags[TagApp]
	switch {
	case ours && owner != spec.Org:
		return conflict(ReasonOtherOrg, owner, spec.Org)
	case ours && app != wantApp && (wantApp != "" || !spec.Adopt):
		// Taking the role of another app would end that app's access: both write
		// the statement of the same Sid. Sharing it, when asked for, keeps both.
		return conflict(ReasonOtherApp, app, wantApp)
	case !ours && !spec.Adopt:
		return conflict(ReasonForeignRole, "", TagOrg+"="+spec.Org)
	case !ours:
		tags[TagAdopted] = "true"
	case app != "" && wantApp == "":
		tags[TagApp] = "" // shared from now on
	}
	if audience := sharedAudience(spec, have, want); audience != "" {
		return conflict(ReasonSharedAudience, audience, spec.Audience)
	}

	after := have
	after.Tags = maps.Clone(have.Tags)
	if after.Tags == nil {
		after.Tags = map[string]string{}
	}
	var reasons []Reason
	if !ours {
		reasons = append(reasons, Reason{Code: ReasonForeignRole, Want: TagOrg + "=" + spec.Org})
	}
	trust, reason := mergeTrust(spec, have.Trust, want)
	after.Trust = trust
	reasons = append(reasons, reason...)
	if want.MaxSession != 0 && have.MaxSession != want.MaxSession {
		after.MaxSession = want.MaxSession
		reasons = append(reasons, Reason{Code: ReasonMaxSession, Have: seconds(have.MaxSession), Want: seconds(want.MaxSession)})
	}
	if want.Boundary != "" && have.Boundary != want.Boundary {
		after.Boundary = want.Boundary
		reasons = append(reasons, Reason{Code: ReasonBoundary, Have: have.Boundary, Want: want.Boundary})
	}
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		name, found, ok := tag(have.Tags, key)
		if ok && found == tags[key] {
			continue
		}
		after.Tags[name] = tags[key]
		reason := Reason{Code: ReasonTag, Want: name + "=" + tags[key]}
		if ok {
			reason.Have = name + "=" + found
		}
		reasons = append(reasons, reason)
	}
	change := updated(Resource{Role: &after}, reasons)
	if !ours {
		change.Action = ActionAdopt
	}
	return change
}

func seconds(n int32) string { return strconv.Itoa(int(n)) + "s" }

// tag looks a tag up as IAM does on roles, ignoring the case of its key
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html), and returns the
// key as it is spelt there, or else as given.
func tag(tags map[string]string, key string) (name, value string, ok bool) {
	if value, ok := tags[key]; ok {
		return key, value, true
	}
	for name, value := range tags {
		if strings.EqualFold(name, key) {
			return name, value, true
		}
	}
	return key, "", false
}

// sharedAudience returns the audience with which other apps use the shared role,
// when it is another than is asked for now: to change it would end their access.
func sharedAudience(spec Spec, have, want Role) string {
	others := slices.ContainsFunc(grantsOf(spec.Grants, want.Name), func(g Grant) bool { return g.Kept })
	if !others {
		return ""
	}
	statement, _ := have.Trust.Statement(trustpolicy.Sid(spec.Org))
	for _, c := range statement.Conditions {
		if c.Operator == "StringEquals" && strings.HasSuffix(c.Key, ":aud") && len(c.Values) == 1 && c.Values[0] != spec.Audience {
			return c.Values[0]
		}
	}
	return ""
}

// mergeTrust puts our statement into what is there; other statements stay.
func mergeTrust(spec Spec, have *trustpolicy.Policy, want Role) (*trustpolicy.Policy, []Reason) {
	sid := trustpolicy.Sid(spec.Org)
	statement, _ := want.Trust.Statement(sid)
	found, ok := have.Statement(sid)
	switch {
	case !ok:
		return have.Merge(statement), []Reason{{Code: ReasonStatementMissing, Want: sid}}
	case found.Equal(statement):
		return have, nil
	}
	before, after := Subjects(found), Subjects(statement)
	var reasons []Reason
	if !withSubjects(found, after).Equal(statement) {
		reasons = append(reasons, Reason{Code: ReasonStatementEdited, Want: sid})
	}
	for _, subject := range missing(after, before) {
		reasons = append(reasons, Reason{Code: ReasonSubjectUnwanted, Have: subject})
	}
	for _, subject := range missing(before, after) {
		reasons = append(reasons, Reason{Code: ReasonSubjectMissing, Want: subject})
	}
	return have.Merge(statement), reasons
}

// Subjects returns the values that a statement of ours asks of the claim sub:
// those under StringLike.
func Subjects(s trustpolicy.Statement) []string {
	if i := subjectCondition(s); i >= 0 {
		return s.Conditions[i].Values
	}
	return nil
}

// withSubjects returns s with other values for sub.
func withSubjects(s trustpolicy.Statement, values []string) trustpolicy.Statement {
	if i := subjectCondition(s); i >= 0 {
		s.Conditions = slices.Clone(s.Conditions)
		s.Conditions[i].Values = values
	}
	return s
}

func subjectCondition(s trustpolicy.Statement) int {
	return slices.IndexFunc(s.Conditions, func(c trustpolicy.Condition) bool {
		return c.Operator == "StringLike" && strings.HasSuffix(c.Key, ":sub")
	})
}

// missing returns the values of want that have lacks.
func missing(have, want []string) []string {
	var out []string
	for _, v := range want {
		if !slices.Contains(have, v) {
			out = append(out, v)
		}
	}
	return out
}

func diffPolicy(have, want Policy, adopting bool) Change {
	if want.ARN != "" || SameDocument(have.Document, want.Document) {
		return Change{Action: ActionKeep, After: &Resource{Policy: &have}}
	}
	reasons := []Reason{{Code: ReasonDocument}}
	if adopting {
		// It is not known whose the document of that name is.
		return Change{Action: ActionConflict, After: &Resource{Policy: &want}, Reasons: reasons}
	}
	return updated(Resource{Policy: &want}, reasons)
}

func diffEnv(have, want Env) Change {
	if have.Value == want.Value || want.IfAbsent {
		have.IfAbsent = want.IfAbsent
		return Change{Action: ActionKeep, After: &Resource{Env: &have}}
	}
	return updated(Resource{Env: &want}, []Reason{{Code: ReasonValue, Have: have.Value, Want: want.Value}})
}
