package setup

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

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
// *SizeError when a trust policy would not fit; everything else that stands in
// the way is a conflict in the plan.
func Diff(spec Spec, state State) (*Plan, error) {
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
		if err := checkSize(spec, change); err != nil {
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

func absent(want Resource) Reason {
	if want.Policy != nil && want.Policy.ARN != "" {
		return Reason{Code: ReasonNotAttached, Want: want.Policy.ARN}
	}
	return Reason{Code: ReasonAbsent}
}

func checkSize(spec Spec, c Change) error {
	role := c.After.Role
	if role == nil || c.Action == ActionKeep || c.Action == ActionConflict {
		return nil
	}
	size := role.Trust.Size()
	if size <= spec.TrustPolicyQuota {
		return nil
	}
	ours, _ := role.Trust.Statement(trustpolicy.Sid(spec.Org))
	return &SizeError{Role: role.Name, Size: size, Quota: spec.TrustPolicyQuota, Apps: len(subjects(ours))}
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
		found, ok := have.Tags[key]
		if ok && found == tags[key] {
			continue
		}
		after.Tags[key] = tags[key]
		reason := Reason{Code: ReasonTag, Want: key + "=" + tags[key]}
		if ok {
			reason.Have = key + "=" + found
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

// mergeTrust puts our statement into what is there; other statements stay. A
// shared role keeps the apps that other runs gave it.
func mergeTrust(spec Spec, have *trustpolicy.Policy, want Role) (*trustpolicy.Policy, []Reason) {
	sid := trustpolicy.Sid(spec.Org)
	statement, _ := want.Trust.Statement(sid)
	found, ok := have.Statement(sid)
	if !ok {
		return have.Merge(statement), []Reason{{Code: ReasonStatementMissing, Want: sid}}
	}
	if found.Equal(statement) {
		return have, nil
	}
	if want.Tags[TagApp] != "" {
		return have.Merge(statement), []Reason{{Code: ReasonStatementEdited, Want: sid}}
	}

	// What else the statement may hold is what an earlier run for other apps of
	// the org wrote, in the same form; anything else in it was edited.
	before, asked := subjects(found), subjects(statement)
	after := sorted(append(keptSubjects(spec.Org, before, asked), asked...))
	if sameForm := withSubjects(found, after).Equal(withSubjects(statement, after)); !sameForm || len(missing(after, before)) > 0 {
		return have.Merge(withSubjects(statement, after)), []Reason{{Code: ReasonStatementEdited, Want: sid}}
	}
	var reasons []Reason
	for _, subject := range missing(before, after) {
		reasons = append(reasons, Reason{Code: ReasonSubjectMissing, Want: subject})
	}
	if reasons == nil {
		return have, nil
	}
	return have.Merge(withSubjects(statement, after)), reasons
}

// subjects returns the values that a statement of ours asks of sub.
func subjects(s trustpolicy.Statement) []string {
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

// keptSubjects returns those subjects that name an app of the org that the asked
// ones do not, and all of its machines or one.
func keptSubjects(org string, values, asked []string) []string {
	named := map[string]bool{}
	for _, subject := range asked {
		named[appOf(subject)] = true
	}
	var kept []string
	for _, value := range values {
		parts := strings.Split(value, ":")
		if len(parts) == 3 && parts[0] == org && !named[parts[1]] && trustpolicy.CheckApp(parts[1]) == nil &&
			(parts[2] == "*" || trustpolicy.CheckMachine(parts[2]) == nil) {
			kept = append(kept, value)
		}
	}
	return kept
}

// appOf returns the middle part of a subject <org>:<app>:<machine>.
func appOf(subject string) string {
	if parts := strings.Split(subject, ":"); len(parts) == 3 {
		return parts[1]
	}
	return ""
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
	if want.ARN != "" || sameDocument(have.Document, want.Document) {
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
