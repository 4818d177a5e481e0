package setup

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fly-aws/fly-aws/internal/flyname"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

// A Narrowing is how our statement on a role allows less than the request asks for,
// because someone edited it. It stays unless Request.Adopt is set.
type Narrowing struct {
	Kind NarrowingKind `json:"kind"`
	// Value is the condition, as "IpAddress aws:SourceIp 192.0.2.0/24", or the subject;
	// empty for the other kinds.
	Value string `json:"value,omitempty"`
}

// NarrowingKind names a kind of Narrowing.
type NarrowingKind string

// The kinds.
const (
	NarrowedDeny      NarrowingKind = "deny"      // the statement's effect is Deny
	NarrowedAction    NarrowingKind = "action"    // it lacks sts:AssumeRoleWithWebIdentity
	NarrowedCondition NarrowingKind = "condition" // it has another condition: Value
	NarrowedMachine   NarrowingKind = "machine"   // it allows one machine of an app: Value is the subject
	NarrowedUnknown   NarrowingKind = "unknown"   // it has a form that fly-aws does not take apart
)

// An access is a statement of ours taken apart: what it allows, and what narrows it.
type access struct {
	statement trustpolicy.Statement
	// known says that the statement has the form that the other fields describe.
	known bool
	// audience and subject are the places of the conditions in the statement, -1 for none.
	audience, subject int
	// others are the places of the other conditions.
	others []int
}

// allowedBy is what our statement for an organization allows: nothing if it is a Deny.
func allowedBy(org string, s trustpolicy.Statement) access {
	if s.Effect == trustpolicy.Deny {
		return access{statement: s, audience: -1, subject: -1}
	}
	return takeApart(org, s)
}

// takeApart takes our statement for an organization apart.
func takeApart(org string, s trustpolicy.Statement) access {
	a := access{statement: s, known: s.Principal != nil && len(s.Action) > 0, audience: -1, subject: -1}
	path := flyname.IssuerPath(org)
	for i, c := range s.Conditions {
		exact := strings.EqualFold(c.Operator, "StringEquals")
		like := strings.EqualFold(c.Operator, "StringLike")
		switch {
		case strings.EqualFold(c.Key, path+":aud") && a.audience < 0 && (exact && !hasWildcard(c.Values) || like):
			a.audience = i
		case strings.EqualFold(c.Key, path+":sub") && a.subject < 0 && (exact && !hasWildcard(c.Values) || like):
			a.subject = i
		case strings.EqualFold(c.Key, path+":sub") && strings.EqualFold(c.Operator, "StringNotLike"):
			a.others = append(a.others, i)
		case strings.EqualFold(c.Key, path+":aud"), strings.EqualFold(c.Key, path+":sub"):
			a.known = false
		default:
			a.others = append(a.others, i)
		}
	}
	return a
}

func hasWildcard(values []string) bool {
	return slices.ContainsFunc(values, func(v string) bool { return strings.ContainsAny(v, "*?$") })
}

// subjects returns the sub patterns that the statement allows; nil for all.
func (a access) subjects() []string {
	if a.subject < 0 {
		return nil
	}
	return a.statement.Conditions[a.subject].Values
}

func (a access) audiences() []string {
	if a.audience < 0 {
		return nil
	}
	return a.statement.Conditions[a.audience].Values
}

// isExact says whether the subjects stand under StringEquals, which fly-aws does not
// write.
func (a access) isExact() bool {
	return a.subject >= 0 && strings.EqualFold(a.statement.Conditions[a.subject].Operator, "StringEquals")
}

// machines returns the machines that the statement names, by app or pattern; none for
// all machines. Subjects of another form are left out.
func (a access) machines(org string) map[string][]string {
	found, all := map[string][]string{}, map[string]bool{}
	for _, text := range a.subjects() {
		subject, ok := ourSubject(org, text)
		switch {
		case !ok:
		case subject.Machine == flyname.AnyMachine:
			all[subject.App] = true
		default:
			found[subject.App] = sorted(append(found[subject.App], subject.Machine))
		}
	}
	for app := range all {
		found[app] = nil
	}
	return found
}

// ourSubject parses a subject in the form that fly-aws writes.
func ourSubject(org, text string) (flyname.Subject, bool) {
	s, ok := flyname.ParseSubject(text)
	ok = ok && s.Org == org && flyname.CheckAppPattern(s.App) == nil &&
		(s.Machine == flyname.AnyMachine || flyname.CheckMachine(s.Machine) == nil)
	return s, ok
}

// A wish is what our statement on a role should be.
type wish struct {
	org string
	// built is the statement as it would be on a new role.
	built trustpolicy.Statement
	// asked are the grants of the request; kept are those of other apps that stay.
	asked, kept []Grant
	// adopt lifts what narrows the statement.
	adopt bool
	// extra reports what widens it, and says whether to remove that.
	extra func(kind ExtraKind, name string, means ...Meaning) (remove bool)
}

// merge returns our statement with what the request asks for, and what narrows it. What
// narrows and widens it stays, unless the wish lifts or removes it.
func (w wish) merge(have trustpolicy.Statement) (after trustpolicy.Statement, narrowed []Narrowing) {
	narrow := func(n Narrowing) (stays bool) {
		if !w.adopt {
			narrowed = append(narrowed, n)
		}
		return !w.adopt
	}
	a := takeApart(w.org, have)
	switch {
	case !a.known && narrow(Narrowing{Kind: NarrowedUnknown}):
		return have, narrowed
	case !a.known:
		return w.built, nil
	case have.Effect == trustpolicy.Deny && narrow(Narrowing{Kind: NarrowedDeny}):
		return have, narrowed
	case have.Effect == trustpolicy.Deny: // whom it denied is not to be allowed
		return w.built, nil
	}
	after = have
	after.Principal = w.principal(*have.Principal)
	after.Action = w.actions(have.Action, narrow)
	after.Conditions = slices.Clone(have.Conditions)
	if want := w.audiences(a); want != nil {
		after.Conditions = setCondition(after.Conditions, a.audience, *want)
	}
	if want := w.subjects(a, narrow); want != nil {
		after.Conditions = setCondition(after.Conditions, a.subject, *want)
	}
	after.Conditions = w.others(a, after.Conditions, narrow)
	return after, narrowed
}

// setCondition replaces the condition at i unless it has the same values, or adds the
// condition if i is negative.
func setCondition(list []trustpolicy.Condition, i int, c trustpolicy.Condition) []trustpolicy.Condition {
	if i < 0 {
		return append(list, c)
	}
	if !sameValues(list[i].Values, c.Values) {
		list[i] = c
	}
	return list
}

func sameValues(a, b []string) bool { return slices.Equal(sorted(a), sorted(b)) }

// principal returns the statement's principal with the organization's provider.
func (w wish) principal(have trustpolicy.Principal) *trustpolicy.Principal {
	provider := w.built.Principal.Federated[0]
	remove := func(kind string) func(string) bool {
		return func(name string) bool {
			return name != provider && w.extra(ExtraPrincipal, kind+" "+name, Meaning{Code: MeansPrincipal, Value: kind + " " + name})
		}
	}
	after := trustpolicy.Principal{
		Any:           have.Any && !w.extra(ExtraPrincipal, "*", Meaning{Code: MeansAnyone}),
		AWS:           slices.DeleteFunc(slices.Clone(have.AWS), remove("AWS")),
		Federated:     slices.DeleteFunc(slices.Clone(have.Federated), remove("Federated")),
		Service:       slices.DeleteFunc(slices.Clone(have.Service), remove("Service")),
		CanonicalUser: slices.DeleteFunc(slices.Clone(have.CanonicalUser), remove("CanonicalUser")),
	}
	if !after.Any && !slices.Contains(after.Federated, provider) {
		after.Federated = append(after.Federated, provider)
	}
	return &after
}

// principals lists a principal's entries as "AWS <arn>".
func principals(p trustpolicy.Principal) []string {
	var out []string
	if p.Any {
		out = append(out, "*")
	}
	for _, kind := range []struct {
		name string
		list []string
	}{{"AWS", p.AWS}, {"Federated", p.Federated}, {"Service", p.Service}, {"CanonicalUser", p.CanonicalUser}} {
		for _, v := range kind.list {
			out = append(out, kind.name+" "+v)
		}
	}
	return out
}

// actions returns the statement's actions with those that are asked for.
// sts:TagSession stays where it is: it only admits tokens with session tags. So does
// what stands there instead of our action, as a statement needs an action.
func (w wish) actions(have []string, narrow func(Narrowing) bool) []string {
	if !(trustpolicy.Statement{Action: have}).Covers(trustpolicy.AssumeAction) && narrow(Narrowing{Kind: NarrowedAction}) {
		return have
	}
	after := slices.DeleteFunc(slices.Clone(have), func(action string) bool {
		return !strings.EqualFold(action, trustpolicy.AssumeAction) && !strings.EqualFold(action, trustpolicy.TagSessionAction) &&
			w.extra(ExtraAction, action, Meaning{Code: MeansAction, Value: action})
	})
	for _, action := range w.built.Action {
		if !(trustpolicy.Statement{Action: after}).Covers(action) {
			after = append(after, action)
		}
	}
	return after
}

// audiences returns the condition on the audience; nil to leave it as it is.
func (w wish) audiences(a access) *trustpolicy.Condition {
	want := w.built.Conditions[0]
	have := a.audiences()
	if a.audience < 0 {
		if w.extra(ExtraAudience, "*", Meaning{Code: MeansAnyAudience}) {
			return &want
		}
		return nil
	}
	if !slices.Contains(have, want.Values[0]) {
		return &want
	}
	kept := slices.DeleteFunc(slices.Clone(have), func(v string) bool {
		return v != want.Values[0] && w.extra(ExtraAudience, v, Meaning{Code: MeansAudience, Value: v})
	})
	want.Operator, want.Values = a.statement.Conditions[a.audience].Operator, kept
	return &want
}

// subjects returns the condition on the subject; nil to leave it as it is.
func (w wish) subjects(a access, narrow func(Narrowing) bool) *trustpolicy.Condition {
	want := w.built.Conditions[1]
	if a.subject < 0 {
		if w.extra(ExtraSubject, "*", Meaning{Code: MeansEveryApp, Value: w.org}) {
			return &want
		}
		return nil
	}
	values := slices.Clone(want.Values)
	for _, v := range missing(want.Values, a.subjects()) {
		s, ok := ourSubject(w.org, v)
		if ok && w.grants(s.App) { // a machine that the request no longer names
			continue
		}
		if !w.extra(ExtraSubject, v, subjectMeaning(w.org, v)) {
			values = append(values, v)
		}
	}
	for _, g := range w.asked {
		for _, m := range g.narrowed {
			narrow(Narrowing{Kind: NarrowedMachine, Value: flyname.Subject{Org: w.org, App: g.App, Machine: m}.String()})
		}
	}
	want.Values = sorted(values)
	return &want
}

// grants says whether the wish has a grant of that app.
func (w wish) grants(app string) bool {
	return slices.ContainsFunc(slices.Concat(w.asked, w.kept), func(g Grant) bool { return g.App == app })
}

// others returns the conditions with those that are declared, and without undeclared
// ones if they are lifted. have are the conditions with those on audience and subject.
func (w wish) others(a access, have []trustpolicy.Condition, narrow func(Narrowing) bool) []trustpolicy.Condition {
	declared := w.built.Conditions[2:]
	lifted := map[int]bool{}
	for _, i := range a.others {
		c := have[i]
		at := slices.IndexFunc(declared, func(d trustpolicy.Condition) bool { return sameCondition(c, d) })
		switch {
		case at < 0:
			lifted[i] = !narrow(Narrowing{Kind: NarrowedCondition, Value: conditionText(c)})
		case !sameValues(c.Values, declared[at].Values):
			have[i].Values = declared[at].Values
		}
	}
	var out []trustpolicy.Condition
	for i, c := range have {
		if !lifted[i] {
			out = append(out, c)
		}
	}
	for _, d := range declared {
		if !slices.ContainsFunc(have, func(c trustpolicy.Condition) bool { return sameCondition(c, d) }) {
			out = append(out, d)
		}
	}
	return out
}

func sameCondition(c, d trustpolicy.Condition) bool {
	return strings.EqualFold(c.Operator, d.Operator) && strings.EqualFold(c.Key, d.Key)
}

// conditionText is a condition on one line.
func conditionText(c trustpolicy.Condition) string {
	return fmt.Sprintf("%s %s %s", c.Operator, c.Key, strings.Join(c.Values, ", "))
}
