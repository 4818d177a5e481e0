package setup

import (
	"cmp"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/fly-aws/fly-aws/internal/flyname"
	"github.com/fly-aws/fly-aws/internal/permission"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

// An Extra is what exists on a role and nobody asked for, or a whole role that its file
// no longer names.
type Extra struct {
	Kind ExtraKind `json:"kind"`
	// Role is the role's name.
	Role string `json:"role"`
	// Name is the managed policy's ARN, the inline policy's name, the statement's Sid or
	// its place in the trust policy ("#2"), or what our statement has too much: a subject,
	// an action, an audience, or a principal such as "AWS arn:aws:iam::123456789012:root".
	// It is empty for a whole role.
	Name string `json:"name,omitempty"`
	// Means says what it allows, as far as that can be told.
	Means []Meaning `json:"means,omitempty"`
	// Rules are the IDs of the lint rules that the statement breaks, such as "FLY027".
	Rules []string `json:"rules,omitempty"`
	// Watched says that the role is adopted, unmanaged or managed by something else, so that
	// this is a warning.
	Watched bool `json:"watched,omitempty"`
	// Pruned says that the plan removes it.
	Pruned bool `json:"pruned,omitempty"`
	// Stays says why Request.Prune does not remove it.
	Stays StayReason `json:"stays,omitempty"`
}

// ExtraKind names a kind of Extra.
type ExtraKind string

// The kinds.
const (
	ExtraPolicy    ExtraKind = "policy"        // an attached managed policy
	ExtraInline    ExtraKind = "inline-policy" // an inline policy
	ExtraStatement ExtraKind = "statement"     // another statement of the trust policy that allows access
	ExtraSubject   ExtraKind = "subject"       // in our statement, as are the next three
	ExtraAction    ExtraKind = "action"
	ExtraAudience  ExtraKind = "audience"
	ExtraPrincipal ExtraKind = "principal"
	ExtraRole      ExtraKind = "role" // a role that the file made and no longer names
)

// StayReason says why an extra is not pruned.
type StayReason string

// The reasons.
const (
	StaysDeny      StayReason = "deny"       // the policy contains a Deny, so it narrows
	StaysUnread    StayReason = "unread"     // the policy may contain a Deny: it could not be read
	StaysWatched   StayReason = "watched"    // the role is adopted or unmanaged
	StaysOtherFile StayReason = "other-file" // the file did not make the role
	StaysPartial   StayReason = "partial"    // the request is only a part of its file
	StaysManaged   StayReason = "managed"    // something else than fly-aws manages the role
	StaysInUse     StayReason = "in-use"     // the role is in an instance profile and has no other statement
)

// Keep returns the entry of RoleRequest.Keep that silences the extra.
func (e Extra) Keep() string {
	kind, name := e.Kind, e.Name
	switch e.Kind {
	case ExtraPolicy:
		name = path.Base(name)
	case ExtraInline:
		kind = ExtraPolicy
	}
	return string(kind) + ":" + name
}

// isKept says whether an entry of keep names the extra.
func (e Extra) isKept(keep []string) bool {
	return slices.Contains(keep, e.Keep()) || e.Kind == ExtraPolicy && slices.Contains(keep, string(ExtraPolicy)+":"+e.Name)
}

// A Meaning is one thing that an extra allows.
type Meaning struct {
	Code MeaningCode `json:"code"`
	// Value is what the code is about; see there.
	Value string `json:"value,omitempty"`
	// Example is a subject that matches the pattern Value.
	Example string `json:"example,omitempty"`
	// Conditional says that it has conditions, which may narrow it.
	Conditional bool `json:"conditional,omitempty"`
}

// MeaningCode names a kind of Meaning.
type MeaningCode string

// The meanings.
const (
	MeansEveryApp    MeaningCode = "every-app"    // every app of the organization Value may assume the role
	MeansSubject     MeaningCode = "subject"      // machines whose subject matches Value may assume it
	MeansPrincipal   MeaningCode = "principal"    // the principal Value may assume it, as "AWS <arn>"
	MeansAnyone      MeaningCode = "anyone"       // anyone may assume it
	MeansAction      MeaningCode = "action"       // the action Value is allowed
	MeansAudience    MeaningCode = "audience"     // tokens with the audience Value are accepted
	MeansAnyAudience MeaningCode = "any-audience" // tokens with any audience are accepted
	// MeansBreadth: the policy is broad in the way that Value, a permission.Breadth, says.
	MeansBreadth MeaningCode = "breadth"
)

// subjectMeaning says what a sub pattern allows.
func subjectMeaning(org, pattern string) Meaning {
	if s, ok := flyname.ParseSubject(pattern); pattern == org+":*" || pattern == "*" || ok && s.App == "*" {
		return Meaning{Code: MeansEveryApp, Value: org}
	}
	return Meaning{Code: MeansSubject, Value: pattern}
}

// admissionMeaning says what an admission allows.
func admissionMeaning(a trustpolicy.Admission) Meaning {
	m := Meaning{Code: MeansAnyone}
	switch a.Kind {
	case trustpolicy.AdmitsPrincipal:
		m = Meaning{Code: MeansPrincipal, Value: a.Name}
	case trustpolicy.AdmitsSubject:
		_, org, _ := strings.Cut(a.Issuer, "/")
		m = subjectMeaning(org, a.Name)
		m.Example = a.Example
	}
	m.Conditional = a.Conditional
	return m
}

// statementName names a statement for people and for Keep.
func statementName(i int, sid string) string {
	return cmp.Or(sid, "#"+strconv.Itoa(i+1))
}

// otherStatements returns the statements of a trust policy, other than those with the
// places in ours, that allow access.
func otherStatements(facts Facts, org string, trust *trustpolicy.Policy, ours ...int) []Extra {
	if trust == nil {
		return nil
	}
	var out []Extra
	admissions := trust.Admissions(nil)
	findings := trust.Lint(trustpolicy.Expected{AppAccess: trustpolicy.AppAccess{Partition: facts.Partition, Account: facts.Account, Org: org}})
	for i, s := range trust.Statements {
		if s.Effect != trustpolicy.Allow || slices.Contains(ours, i) {
			continue
		}
		e := Extra{Kind: ExtraStatement, Name: statementName(i, s.Sid)}
		for _, a := range admissions {
			if a.Statement == i {
				e.Means = append(e.Means, admissionMeaning(a))
			}
		}
		for _, f := range findings {
			if f.Statement == i {
				e.Rules = append(e.Rules, f.Rule().ID)
			}
		}
		e.Rules = sorted(e.Rules)
		out = append(out, e)
	}
	return out
}

// policyExtra describes a policy that nobody asked for. Stays is set if it contains a
// Deny, or may.
func policyExtra(facts Facts, p RolePolicy) Extra {
	e := Extra{Kind: ExtraInline, Name: p.Name}
	document := p.Document
	findings := permission.ManagedFindings(p.ARN)
	if p.ARN != "" {
		e.Kind, e.Name = ExtraPolicy, p.ARN
		document = facts.Documents[p.ARN]
	}
	parsed, err := permission.Parse([]byte(document.String()))
	switch {
	case document.IsZero() || err != nil:
		e.Stays = StaysUnread
	case parsed.HasDeny():
		e.Stays = StaysDeny
	}
	if len(findings) == 0 && e.Stays != StaysUnread {
		findings = parsed.Findings()
	}
	for _, f := range findings {
		e.Means = append(e.Means, Meaning{Code: MeansBreadth, Value: string(f.Breadth), Conditional: f.Narrowed})
	}
	return e
}
