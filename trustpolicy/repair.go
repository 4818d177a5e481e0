package trustpolicy

import (
	"slices"
	"strings"

	"github.com/fly-aws/fly-aws/internal/flyname"
)

// Repair returns a copy of p in which the finding is repaired, if the repair is certain:
// the wrong value can have only one intended meaning. Everything else stays as it is.
// expected is what was given to Lint; its organization and apps make more repairs certain.
//
// A repaired Allow statement still allows every token that it allowed, with two exceptions:
// a wrong audience is replaced, and a condition that accepted tokens without a claim now
// requires the claim, which all Fly tokens have.
//
// A repair removes one mistake. The statement may have others, and may now allow all
// tokens that its other values were meant for.
func (p *Policy) Repair(f Finding, expected AppAccess) (*Policy, bool) {
	if p == nil || f.Statement < 0 || f.Statement >= len(p.Statements) {
		return nil, false
	}
	q := p.Clone()
	if !q.Statements[f.Statement].repair(f, expected) {
		return nil, false
	}
	return q, true
}

// repair repairs the statement in place.
func (s *Statement) repair(f Finding, expected AppAccess) bool {
	switch f.Code {
	case FindingProviderForm, FindingProviderAccount, FindingProviderHost:
		return s.replaceProvider(f.Have, f.Want)
	case FindingProviderKind:
		return s.moveToFederated(f.Have)
	case FindingActionOther:
		return s.replaceAssumeRole(f.Have)
	}
	i := slices.IndexFunc(s.Conditions, func(c Condition) bool { return c.Operator == f.Operator && c.Key == f.Key })
	switch {
	case f.Code == FindingAliasPersonal && f.Key == "":
		return s.replaceProvider(f.Have, f.Want)
	case i < 0:
		return false
	}
	switch f.Code {
	case FindingAliasPersonal:
		if f.Have == f.Key {
			return s.renameKey(i, f.Want)
		}
		return s.replaceSubject(i, f.Have, f.Want)
	case FindingKeyPrefix:
		return s.renameKey(i, f.Want)
	case FindingSubjectUnderAudience:
		return s.moveToSubject(i, f.Want)
	case FindingClaimUnseen:
		return s.dropImplied(i)
	case FindingConditionOptional:
		return s.requireClaim(i)
	case FindingWildcardLiteral:
		return s.compareLike(i)
	case FindingAudienceWrong:
		return s.replaceValue(i, f.Have, f.Want)
	case FindingSubjectOrg, FindingSubjectParts, FindingSubjectApp:
		return s.isCertain(f.Have, f.Want, expected) && s.replaceSubject(i, f.Have, f.Want)
	}
	return false
}

// replaceProvider replaces a principal that was meant as the ARN.
func (s *Statement) replaceProvider(have, want string) bool {
	if s.Principal == nil || want == "" || slices.Contains(s.Principal.Federated, want) {
		return false
	}
	i := slices.Index(s.Principal.Federated, have)
	if i < 0 {
		return false
	}
	s.Principal.Federated[i] = want
	return true
}

// moveToFederated moves a provider from another kind of principal to Federated.
func (s *Statement) moveToFederated(name string) bool {
	if s.Principal == nil {
		return false
	}
	moved := false
	for _, e := range s.Principal.entries() {
		if i := slices.Index(*e.list, name); i >= 0 && e.key != "Federated" {
			moved = true
			*e.list = slices.DeleteFunc(*e.list, func(n string) bool { return n == name })
			if len(*e.list) == 0 {
				*e.list = nil
			}
		}
	}
	if moved && !slices.Contains(s.Principal.Federated, name) {
		s.Principal.Federated = append(s.Principal.Federated, name)
	}
	return moved
}

// replaceAssumeRole replaces sts:AssumeRole, which does not accept a token.
func (s *Statement) replaceAssumeRole(have string) bool {
	if s.Principal == nil || len(s.Principal.Federated) == 0 || len(s.Principal.names()) > len(s.Principal.Federated) ||
		lower(have) != "sts:assumerole" {
		return false
	}
	i := slices.Index(s.Action, have)
	switch {
	case i < 0:
		return false
	case slices.ContainsFunc(s.Action, func(a string) bool { return lower(a) == lower(AssumeAction) }):
		s.Action = slices.Delete(s.Action, i, i+1)
	default:
		s.Action[i] = AssumeAction
	}
	return true
}

// only says whether the statement has one principal.
func (s *Statement) only() bool { return s.Principal != nil && len(s.Principal.names()) == 1 }

// requires says whether a condition does not match a request without its key.
func (op operator) requires() bool {
	return !op.negated && !op.ifExists && op.quantifier != allValues && op.family != familyNull
}

// renameKey gives a condition the key of the statement's provider. Nobody loses access,
// because requests do not have the old key.
func (s *Statement) renameKey(i int, key string) bool {
	op, _ := parseOperator(s.Conditions[i].Operator)
	if key == "" || !s.only() || !mentionsFly(s.Conditions[i].Key) || !op.requires() || s.has(s.Conditions[i].Operator, key) {
		return false
	}
	s.Conditions[i].Key = key
	return true
}

// moveToSubject makes a condition on aud whose values are all subjects one on sub.
func (s *Statement) moveToSubject(i int, key string) bool {
	for _, v := range s.Conditions[i].Values {
		if subject, ok := flyname.ParseSubject(v); !ok || subject.Org != s.org() {
			return false
		}
	}
	if !s.renameKey(i, key) {
		return false
	}
	wild := slices.ContainsFunc(s.Conditions[i].Values, func(v string) bool { return strings.ContainsAny(v, "*?") })
	op, _ := parseOperator(s.Conditions[i].Operator)
	return !wild || op.family == familyStringLike || s.compareLike(i)
}

// has says whether there is a condition on a key under an operator. A second one would be
// the same member of the document.
func (s *Statement) has(op, key string) bool {
	return slices.ContainsFunc(s.Conditions, func(c Condition) bool {
		return lower(c.Operator) == lower(op) && lower(c.Key) == lower(key)
	})
}

// setOperator changes the operator of a condition, spelled as elsewhere in the statement.
func (s *Statement) setOperator(i int, name string) bool {
	if s.has(name, s.Conditions[i].Key) {
		return false
	}
	for _, c := range s.Conditions {
		if lower(c.Operator) == lower(name) {
			name = c.Operator
		}
	}
	s.Conditions[i].Operator = name
	return true
}

// dropImplied drops a condition on a claim that IAM has no key for, if provider and
// subject already require the same.
func (s *Statement) dropImplied(i int) bool {
	c := s.Conditions[i]
	op, _ := parseOperator(c.Operator)
	prefix, claim := splitKey(c.Key)
	org := orgIn(prefix)
	if !s.only() || !op.requires() || op.family != familyString && op.family != familyStringLike ||
		org != s.org() || flyname.CheckOrg(org) != nil {
		return false
	}
	implied := false
	switch lower(claim) {
	case "iss":
		implied = slices.Contains(c.Values, flyname.Issuer(org))
	case "org_name":
		implied = slices.Contains(c.Values, org)
	case "app_name":
		implied = slices.ContainsFunc(c.Values, func(app string) bool { return s.OnlyApp(org, app) })
	}
	if implied {
		s.Conditions = slices.Delete(s.Conditions, i, i+1)
	}
	return implied
}

// OnlyApp says whether the statement applies only to machines of the app, that is, whether
// it requires sub to begin with "<org>:<app>:".
func (s Statement) OnlyApp(org, app string) bool {
	if flyname.CheckOrg(org) != nil || flyname.CheckApp(app) != nil {
		return false
	}
	prefix, key := flyname.Subject{Org: org, App: app}.String(), lower(flyname.IssuerPath(org)+":sub")
	return slices.ContainsFunc(s.Conditions, func(c Condition) bool {
		op, ok := parseOperator(c.Operator)
		return ok && op.requires() && (op.family == familyString || op.family == familyStringLike) &&
			lower(c.Key) == key && len(c.Values) > 0 &&
			!slices.ContainsFunc(c.Values, func(v string) bool { return !strings.HasPrefix(v, prefix) })
	})
}

// requireClaim makes a condition on a claim that all Fly tokens have require it.
func (s *Statement) requireClaim(i int) bool {
	op, _ := parseOperator(s.Conditions[i].Operator)
	if op.negated || !s.only() || len(s.Conditions[i].Values) == 0 {
		return false
	}
	names := map[family]string{
		familyString: "StringEquals", familyStringIgnoreCase: "StringEqualsIgnoreCase", familyStringLike: "StringLike",
	}
	return s.setOperator(i, names[op.family])
}

// compareLike replaces StringEquals, under which the wildcards of a subject are literal,
// with StringLike. The patterns that take effect must be for machines of an app.
func (s *Statement) compareLike(i int) bool {
	c := s.Conditions[i]
	op, _ := parseOperator(c.Operator)
	_, claim := splitKey(c.Key)
	if op.family != familyString || op.negated || lower(claim) != "sub" || slices.ContainsFunc(c.Values, isUnclearPattern) {
		return false
	}
	name := "StringLike"
	if op.ifExists {
		name += "IfExists"
	}
	switch op.quantifier {
	case anyValue:
		name = "ForAnyValue:" + name
	case allValues:
		name = "ForAllValues:" + name
	}
	return s.setOperator(i, name)
}

// isUnclearPattern says whether a subject has wildcards outside of the machine's name.
func isUnclearPattern(v string) bool {
	subject, ok := flyname.ParseSubject(v)
	return strings.ContainsAny(v, "*?") && (!ok || flyname.CheckOrg(subject.Org) != nil || flyname.CheckApp(subject.App) != nil)
}

// replaceSubject replaces a subject that matches no token. A pattern needs StringLike.
func (s *Statement) replaceSubject(i int, have, want string) bool {
	if !s.replaceValue(i, have, want) {
		return false
	}
	op, _ := parseOperator(s.Conditions[i].Operator)
	return !strings.ContainsAny(want, "*?") || op.family == familyStringLike || s.compareLike(i)
}

func (s *Statement) replaceValue(i int, have, want string) bool {
	values := s.Conditions[i].Values
	at := slices.Index(values, have)
	switch {
	case at < 0 || want == "":
		return false
	case slices.Contains(values, want):
		s.Conditions[i].Values = slices.DeleteFunc(values, func(v string) bool { return v == have })
	default:
		values[at] = want
	}
	return true
}

// isCertain says whether want is the only possible meaning of a subject that matches no
// token.
func (s *Statement) isCertain(have, want string, expected AppAccess) bool {
	subject, ok := flyname.ParseSubject(want)
	parts := strings.Split(have, ":")
	if !ok || len(parts) > 3 || !slices.Contains(lowerAll(slices.Clone(parts)), subject.App) {
		return false
	}
	return lower(parts[0]) == subject.Org || parts[0] == "app" && len(parts) == 2 || slices.Contains(expected.Apps, subject.App)
}

// Indent returns the statement as JSON, indented by two spaces per level.
func (s Statement) Indent() string {
	w := &printer{indent: true}
	w.statement(statement{Statement: s})
	return string(w.b)
}
