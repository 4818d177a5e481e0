package explain

import (
	"slices"
	"sort"
	"strings"

	"github.com/fly-aws/fly-aws/internal/flyname"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

// telling ranks a code: those of first are the most telling, in their order, those
// of last the least, and all others stand between them.
func telling(code ReasonCode) int {
	first := []ReasonCode{
		ReasonTokenForm, ReasonClaimsPersonal, ReasonProviderPersonal, reason(trustpolicy.FindingAliasPersonal),
		ReasonProviderAbsent, ReasonClaimsDisagree, ReasonSignature, ReasonClaimMissing, ReasonExpired, ReasonNotYetValid,
		ReasonAudienceUnlisted, ReasonManyAudiences, ReasonRoleARN, ReasonPolicySyntax, ReasonDenied, reason(trustpolicy.FindingProviderForm),
		reason(trustpolicy.FindingWildcardLiteral), reason(trustpolicy.FindingSubjectParts), reason(trustpolicy.FindingSubjectOrg),
		reason(trustpolicy.FindingClaimUnseen), reason(trustpolicy.FindingKeyPrefix), reason(trustpolicy.FindingAudienceWrong),
		ReasonCaseDiffers, ReasonOrgDiffers, ReasonMachineDiffers, ReasonAppSuffix,
	}
	last := []ReasonCode{
		ReasonAppDiffers, ReasonAudienceDiffers, ReasonKeyMissing, ReasonConditionFailed, ReasonPrincipalDiffers,
		ReasonPrincipalUnknown, ReasonConditionUnknown, ReasonTokenRule, ReasonPolicyUnknown,
	}
	if i := slices.Index(first, code); i >= 0 {
		return len(first) - i
	}
	return -1 - slices.Index(last, code) // 0 for a code in neither
}

func reason(code trustpolicy.FindingCode) ReasonCode { return ReasonCode(code) }

// subjectParts takes a machine's subject apart.
func subjectParts(subject string) (org, app string, ok bool) {
	parts := strings.Split(subject, ":")
	if len(parts) != 3 || slices.Contains(parts, "") {
		return "", "", false
	}
	return parts[0], parts[1], true
}

// ours says whether a principal or key is about the token's issuer, or meant to be.
func (e *explainer) ours(name string) bool {
	name = strings.ToLower(name)
	return e.path != "" && strings.Contains(name, strings.ToLower(e.path)) ||
		e.org != "" && strings.Contains(name, flyname.IssuerHost)
}

// aimed says whether a statement is meant to let the token in: it is about Fly, and
// not about other organisations alone.
func (e *explainer) aimed(s trustpolicy.Statement) bool {
	var names []string
	for _, who := range []*trustpolicy.Principal{s.Principal, s.NotPrincipal} {
		if who != nil {
			if who.Any {
				return true
			}
			names = slices.Concat(names, who.Federated, who.AWS, who.Service)
		}
	}
	if slices.Contains(names, "*") {
		return true
	}
	for _, c := range s.Conditions {
		if i := strings.LastIndexByte(c.Key, ':'); i > 0 {
			names = append(names, c.Key[:i])
		}
	}
	names = slices.DeleteFunc(names, func(name string) bool { return !e.ours(name) })
	for _, name := range names {
		slug := name[strings.LastIndexByte(name, '/')+1:]
		isARN := strings.Contains(name, ":oidc-provider/"+flyname.IssuerHost+"/")
		isKey := strings.HasPrefix(name, flyname.IssuerHost+"/")
		if !isARN && !isKey || flyname.CheckOrg(slug) != nil || slug == e.org {
			return true
		}
	}
	return false
}

// policyReasons says why a decision is what it is.
func (e *explainer) policyReasons(d trustpolicy.Evaluation) {
	grant := trustpolicy.AppAccess{Partition: e.Partition, Account: e.Account}
	findings := e.Policy.Lint(grant)
	aimed, allowed := false, false
	for i, result := range d.Statements {
		s := e.Policy.Statements[i]
		switch {
		case s.Effect != trustpolicy.Allow:
			switch result.Match {
			case trustpolicy.Matches:
				e.denies(result)
			case trustpolicy.MatchUndecided:
				if d.Decision == trustpolicy.Undecided {
					e.statementReasons(s, result, nil)
				}
			}
		case result.Match == trustpolicy.Matches:
			allowed = true
		}
	}
	if allowed {
		return
	}
	for i, result := range d.Statements {
		s := e.Policy.Statements[i]
		if s.Effect != trustpolicy.Allow || !e.aimed(s) {
			continue
		}
		aimed = true
		e.statementReasons(s, result, slices.DeleteFunc(slices.Clone(findings), func(f trustpolicy.Finding) bool {
			return f.Statement != i || f.Severity != trustpolicy.SeverityError
		}))
	}
	if !aimed {
		e.because(ReasonNoStatement, e.arn, "")
	}
}

// maxAlike is how many values of a condition are called wrong one by one.
const maxAlike = 3

// statementReasons says of each test of a statement that did not hold why.
// findings are the errors of Lint's about the statement.
func (e *explainer) statementReasons(s trustpolicy.Statement, result trustpolicy.StatementResult, findings []trustpolicy.Finding) {
	base := Reason{Statement: result.Index, Sid: result.Sid}
	with := func(code ReasonCode, have, want string) {
		r := base
		r.Code, r.Have, r.Want = code, have, want
		e.add(r)
	}
	// found adds the findings of the codes, about a condition or none, and returns
	// the values that they are about.
	found := func(c trustpolicy.Comparison, codes ...trustpolicy.FindingCode) (values []string) {
		var list []trustpolicy.Finding
		for _, f := range findings {
			if f.Operator == c.Operator && f.Key == c.Key && slices.Contains(codes, f.Code) {
				list = append(list, f)
				values = append(values, f.Have)
			}
		}
		// Of many values alike those tell most that have the token's app in them.
		_, app, _ := subjectParts(e.Claims.Subject)
		sort.SliceStable(list, func(i, j int) bool {
			return strings.Contains(list[i].Have, app) && !strings.Contains(list[j].Have, app)
		})
		for _, f := range list[:min(len(list), maxAlike)] {
			r := base
			r.Code, r.Operator, r.Key, r.Have, r.Want = reason(f.Code), f.Operator, f.Key, f.Have, f.Want
			e.add(r)
		}
		return values
	}
	switch c := result.Principal; {
	case c.Match == trustpolicy.Matches:
	case len(found(trustpolicy.Comparison{}, trustpolicy.FindingProviderForm, trustpolicy.FindingProviderKind, trustpolicy.FindingProviderAccount,
		trustpolicy.FindingAliasPersonal, trustpolicy.FindingPrincipalAny, trustpolicy.FindingNotPrincipal)) > 0:
	case c.Match == trustpolicy.MatchUndecided:
		with(ReasonPrincipalUnknown, e.arn, join(c.Wanted))
	case c.Reason == trustpolicy.ReasonCaseDiffers:
		with(ReasonCaseDiffers, e.arn, join(c.Wanted))
	default:
		with(ReasonPrincipalDiffers, e.arn, join(c.Wanted))
	}
	if c := result.Action; c.Match != trustpolicy.Matches &&
		len(found(trustpolicy.Comparison{}, trustpolicy.FindingActionMissing, trustpolicy.FindingNotAction)) == 0 {
		with(reason(trustpolicy.FindingActionMissing), join(c.Wanted), trustpolicy.AssumeAction)
	}
	for i, c := range result.Conditions {
		if c.Match == trustpolicy.Matches {
			continue
		}
		base.Operator, base.Key = c.Operator, c.Key
		if c.Match == trustpolicy.MatchUndecided {
			with(ReasonConditionUnknown, c.Reason, join(c.Wanted))
			continue
		}
		covered := found(c, trustpolicy.FindingKeyPrefix, trustpolicy.FindingAliasPersonal, trustpolicy.FindingClaimUnseen,
			trustpolicy.FindingOperatorType, trustpolicy.FindingWildcardLiteral, trustpolicy.FindingAudienceWrong,
			trustpolicy.FindingSubjectOrg, trustpolicy.FindingSubjectParts, trustpolicy.FindingSubjectApp)
		if slices.Contains(covered, c.Key) || slices.Contains(covered, c.Operator) {
			continue // it is not about a value
		}
		var rest []string // values that are right in themselves
		for j, v := range s.Conditions[i].Values {
			if !slices.Contains(covered, v) && j < len(c.Wanted) {
				rest = append(rest, c.Wanted[j])
			}
		}
		if len(rest) > 0 || len(covered) == 0 {
			code, closest := e.difference(c, rest)
			with(code, join(c.Presented), closest)
		}
	}
}

// difference tells what is different between a presented value and those that
// are wanted, and which of these is the closest; all of them where none is.
func (e *explainer) difference(c trustpolicy.Comparison, wanted []string) (code ReasonCode, closest string) {
	all := join(wanted)
	isVariable := func(w string) bool { return strings.Contains(w, "${") }
	switch {
	case c.Presented == nil && (c.Reason == trustpolicy.ReasonMissingKey || c.Reason == trustpolicy.ReasonOtherProvider):
		return ReasonKeyMissing, all
	case c.Reason == trustpolicy.ReasonCaseDiffers && len(c.Presented) == 1:
		for _, w := range wanted {
			if strings.EqualFold(w, c.Presented[0]) {
				all = w
			}
		}
		return ReasonCaseDiffers, all
	case e.Policy.Version != trustpolicy.Version2012 && slices.ContainsFunc(wanted, isVariable):
		return ReasonVariableText, wanted[slices.IndexFunc(wanted, isVariable)]
	case c.Reason != trustpolicy.ReasonNoMatch || len(c.Presented) != 1:
		return ReasonConditionFailed, all
	case strings.EqualFold(c.Key, e.path+":aud"):
		return ReasonAudienceDiffers, all
	case !strings.EqualFold(c.Key, e.path+":sub"):
		return ReasonConditionFailed, all
	}
	org, app, ok := subjectParts(c.Presented[0])
	if !ok {
		return ReasonConditionFailed, all
	}
	code, closest = ReasonAppDiffers, all
	for _, w := range wanted {
		wantOrg, wantApp, ok := subjectParts(w)
		found := ReasonAppDiffers
		switch {
		case !ok:
		case wantOrg != org && !strings.ContainsAny(wantOrg, "*?"):
			found = ReasonOrgDiffers
		case wantApp == app:
			found = ReasonMachineDiffers
		case strings.HasPrefix(app, wantApp) || strings.HasPrefix(wantApp, app):
			found = ReasonAppSuffix
		}
		if telling(found) > telling(code) {
			code, closest = found, w
		}
	}
	return code, closest
}
