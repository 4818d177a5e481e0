package setup

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/fly-aws/fly-aws/internal/text"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

// A difference is one attribute in which two resources differ. Code and key say which.
type difference struct {
	Reason
	key string
}

func (d difference) sameAttribute(e difference) bool { return d.Code == e.Code && d.key == e.key }

// compare returns the attributes in which two resources with the same ID differ. A
// MaxSession of 0 in want matches any.
func compare(have, want Resource) []difference {
	switch {
	case want.Provider != nil:
		return compareProviders(*have.Provider, *want.Provider)
	case want.Role != nil:
		return compareRoles(*have.Role, *want.Role)
	case want.Policy != nil:
		if !have.Policy.Document.Equal(want.Policy.Document) {
			return []difference{{Reason: Reason{Code: ReasonDocument}}}
		}
	case want.Env != nil:
		if have.Env.Value != want.Env.Value && !want.Env.IfAbsent {
			return []difference{{Reason: Reason{Code: ReasonValue, Have: have.Env.Value, Want: want.Env.Value}}}
		}
	}
	return nil
}

func compareProviders(have, want Provider) []difference {
	var out []difference
	if have.URL != want.URL {
		out = append(out, difference{Reason: Reason{Code: ReasonURL, Have: have.URL, Want: want.URL}})
	}
	for _, audience := range missing(have.Audiences, want.Audiences) {
		out = append(out, difference{Reason{Code: ReasonAudiences, Want: audience}, audience})
	}
	for _, audience := range missing(want.Audiences, have.Audiences) {
		out = append(out, difference{Reason{Code: ReasonAudiences, Have: audience}, audience})
	}
	return append(out, compareTags(have.Tags, want.Tags, func(key string) string { return key })...)
}

func compareRoles(have, want Role) []difference {
	var out []difference
	differs := func(code ReasonCode, have, want string) {
		out = append(out, difference{Reason: Reason{Code: code, Have: have, Want: want}})
	}
	if have.Name != want.Name {
		differs(ReasonNameCase, have.Name, want.Name)
	}
	if have.Path != want.Path {
		differs(ReasonOtherPath, have.Path, want.Path)
	}
	if !have.Trust.Equal(want.Trust) {
		differs(ReasonTrust, "", "")
	}
	if want.MaxSession != 0 && have.MaxSession != want.MaxSession {
		differs(ReasonMaxSession, seconds(have.MaxSession), seconds(want.MaxSession))
	}
	if have.Boundary != want.Boundary {
		differs(ReasonBoundary, have.Boundary, want.Boundary)
	}
	return append(out, compareTags(have.Tags, want.Tags, strings.ToLower)...)
}

// seconds formats a maximum session duration for a Reason, "" for an unknown one.
func seconds(n int32) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(int(n)) + "s"
}

// compareTags compares tags, with keys that fold maps to the same string being equal.
// IAM ignores the case of a role's tag keys, but not of a provider's
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html).
func compareTags(have, want map[string]string, fold func(string) string) []difference {
	type pair struct{ key, value string }
	folded := func(tags map[string]string) map[string]pair {
		out := map[string]pair{}
		for key, value := range tags {
			out[fold(key)] = pair{key, value}
		}
		return out
	}
	shown := func(p pair, ok bool) string {
		if !ok {
			return ""
		}
		return p.key + "=" + p.value
	}
	a, b := folded(have), folded(want)
	keys := maps.Clone(a)
	maps.Copy(keys, b)
	var out []difference
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		x, inHave := a[key]
		y, inWant := b[key]
		if inHave != inWant || x.value != y.value {
			out = append(out, difference{Reason{Code: ReasonTag, Have: shown(x, inHave), Want: shown(y, inWant)}, key})
		}
	}
	return out
}

// empty returns a resource of the same kind and ID as r without attributes.
func empty(r Resource) Resource {
	switch {
	case r.Provider != nil:
		return Resource{Provider: &Provider{}}
	case r.Role != nil:
		return Resource{Role: &Role{}}
	case r.Policy != nil:
		return Resource{Policy: &RolePolicy{}}
	}
	return Resource{Env: &Env{}}
}

// A StaleError says that a resource is no longer as a plan found it.
type StaleError struct {
	Resource Resource
	// Reason is what differs: Have is found now, Want was expected.
	Reason Reason
}

func (e *StaleError) Error() string {
	s := fmt.Sprintf("%s changed after the plan was made: %s", text.Name(e.Resource.ID()), e.Reason.Code)
	if e.Reason.Have != "" {
		s += ", it is now " + text.Quote(e.Reason.Have)
	}
	return s
}

// Compare says whether the change is done, given the resource as it is now; nil if it
// does not exist. The error is a *StaleError if the resource is neither as c.Before nor
// as c.After, nor in between, as an interrupted write leaves it.
//
// Attributes that c does not touch may have been added since: a tag, an audience, a
// permissions boundary.
func (c Change) Compare(now *Resource) (done bool, err error) {
	stale := func(r Reason) error { return &StaleError{Resource: c.Resource(), Reason: r} }
	if now == nil {
		switch {
		case c.After == nil:
			return true, nil
		case c.Before != nil || c.Action == ActionKeep:
			return false, stale(Reason{Code: ReasonGone})
		}
		return false, nil
	}
	if by := now.ManagedBy(); by != "" && by != c.manager() {
		return false, stale(Reason{Code: ReasonManaged, Have: by})
	}
	if c.After == nil {
		if left := compare(*now, *c.Before); len(left) > 0 {
			return false, stale(left[0].Reason)
		}
		return false, nil
	}
	left := slices.DeleteFunc(compare(*now, *c.After), func(d difference) bool {
		return d.Want == "" && d.Have != "" && !c.touches(d)
	})
	switch {
	case len(left) == 0:
		return true, nil
	case c.Before == nil && c.Action == ActionCreate:
		return false, stale(Reason{Code: ReasonExists, Have: left[0].Have, Want: left[0].Want})
	case c.Before == nil:
		return false, stale(left[0].Reason)
	}
	ahead := compare(*now, *c.After)
	for _, d := range compare(*now, *c.Before) {
		added := d.Code == ReasonAudiences && d.Want == "" // by anyone
		if !added && slices.ContainsFunc(ahead, d.sameAttribute) {
			return false, stale(d.Reason)
		}
	}
	return false, nil
}

// manager returns what managed the resource when the plan was made, as Resource.ManagedBy.
func (c Change) manager() string {
	switch {
	case c.Before != nil:
		return c.Before.ManagedBy()
	case c.Action == ActionKeep:
		return c.After.ManagedBy()
	}
	return ""
}

// touches says whether the change changes the attribute.
func (c Change) touches(d difference) bool {
	before := c.Before
	if before == nil {
		none := empty(*c.After)
		before = &none
	}
	return slices.ContainsFunc(compare(*before, *c.After), d.sameAttribute)
}

// differences derives the reasons for a change from its Before and After alone.
func (c Change) differences(org string) []Reason {
	switch {
	case c.Action == ActionDelete, c.Action == ActionKeep:
		return nil
	case c.Before == nil && c.After.Policy != nil && c.After.Policy.ARN != "":
		return []Reason{{Code: ReasonNotAttached, Want: c.After.Policy.ARN}}
	case c.Before == nil:
		return []Reason{{Code: ReasonAbsent}}
	}
	var out []Reason
	if c.Action == ActionAdopt {
		out = append(out, Reason{Code: ReasonForeignRole, Want: TagOrg + "=" + org})
	}
	for _, d := range compare(*c.Before, *c.After) {
		switch {
		case d.Code == ReasonTrust:
			out = append(out, trustReasons(org, c.Before.Role.Trust, c.After.Role.Trust)...)
		case d.Code == ReasonAudiences && d.Have == "":
			out = append(out, Reason{Code: ReasonAudienceMissing, Want: d.Want})
		default:
			out = append(out, d.Reason)
		}
	}
	return out
}

// trustReasons compares two trust policies: our statement part by part, and the others
// as a whole.
func trustReasons(org string, have, want *trustpolicy.Policy) []Reason {
	sid := trustpolicy.Sid(org)
	before, found := have.Statement(sid)
	after, stays := want.Statement(sid)
	var out []Reason
	switch {
	case !found && stays:
		out = append(out, Reason{Code: ReasonStatementMissing, Want: sid})
	case found && !stays:
		out = append(out, Reason{Code: ReasonStatementUnwanted, Have: sid})
	case found:
		out = statementReasons(org, before, after)
	}
	for i, s := range have.Statements {
		if s.Sid != sid && !slices.ContainsFunc(want.Statements, s.Equal) {
			out = append(out, Reason{Code: ReasonStatementUnwanted, Have: statementName(i, s.Sid)})
		}
	}
	return out
}

// statementReasons compares our statement part by part.
func statementReasons(org string, before, after trustpolicy.Statement) []Reason {
	if before.Equal(after) {
		return nil
	}
	a, b := takeApart(org, before), takeApart(org, after)
	if !a.known || !b.known {
		return []Reason{{Code: ReasonStatementEdited, Want: after.Sid}}
	}
	var out []Reason
	differ := func(have, want []string, unwanted, absent ReasonCode) {
		for _, v := range missing(want, have) {
			out = append(out, Reason{Code: unwanted, Have: v})
		}
		for _, v := range missing(have, want) {
			out = append(out, Reason{Code: absent, Want: v})
		}
	}
	if before.Effect != after.Effect { // whom it denied says nothing about who loses access
		out = append(out, Reason{Code: ReasonEffect, Have: string(before.Effect), Want: string(after.Effect)})
		differ(nil, b.subjects(), ReasonSubjectUnwanted, ReasonSubjectMissing)
		return out
	}
	differ(principals(*before.Principal), principals(*after.Principal), ReasonPrincipalUnwanted, ReasonPrincipalMissing)
	differ(before.Action, after.Action, ReasonActionUnwanted, ReasonActionMissing)
	differ(conditionTexts(a), conditionTexts(b), ReasonConditionUnwanted, ReasonConditionMissing)
	differ(a.subjects(), b.subjects(), ReasonSubjectUnwanted, ReasonSubjectMissing)
	if len(out) == 0 {
		out = append(out, Reason{Code: ReasonStatementEdited, Want: after.Sid})
	}
	return out
}

// conditionTexts returns the conditions of a statement other than the one on the subject.
func conditionTexts(a access) []string {
	var out []string
	for i, c := range a.statement.Conditions {
		if i != a.subject {
			out = append(out, conditionText(c))
		}
	}
	return out
}

// Subjects returns the sub patterns of our statement in a trust policy.
func Subjects(org string, trust *trustpolicy.Policy) []string {
	statement, _ := trust.Statement(trustpolicy.Sid(org))
	return takeApart(org, statement).subjects()
}

// Requirements returns the conditions of our statement in a trust policy other than those
// on the audience and the subject, as in Narrowing.
func Requirements(org string, trust *trustpolicy.Policy) []string {
	statement, _ := trust.Statement(trustpolicy.Sid(org))
	var out []string
	for _, i := range takeApart(org, statement).others {
		out = append(out, conditionText(statement.Conditions[i]))
	}
	return out
}

// missing returns the values of want that are not in have.
func missing(have, want []string) []string {
	var out []string
	for _, v := range want {
		if !slices.Contains(have, v) {
			out = append(out, v)
		}
	}
	return out
}
