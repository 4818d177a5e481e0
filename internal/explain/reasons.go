package explain

import (
	"slices"
	"sort"
	"strings"

	"github.com/fly-aws/fly-aws/internal/flyname"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

// specificity ranks a code: those in first are the most specific, in their order, those in
// last the least, and all others are in between.
func specificity(code ReasonCode) int {
	first := []ReasonCode{
		ReasonTokenForm, ReasonClaimsPersonal, ReasonProviderPersonal, reason(trustpolicy.FindingAliasPersonal),
		ReasonProviderAbsent, ReasonClaimsDisagree, ReasonSignature, ReasonClaimMissing, ReasonExpired, ReasonNotYetValid,
		ReasonAudienceUnlisted, ReasonManyAudiences, ReasonRoleARN, ReasonPolicySyntax, ReasonDenied, reason(trustpolicy.FindingProviderForm),
		reason(trustpolicy.FindingProviderHost), reason(trustpolicy.FindingSubjectUnderAudience),
		reason(trustpolicy.FindingWildcardLiteral), reason(trustpolicy.FindingSubjectParts), reason(trustpolicy.FindingSubjectOrg),
		reason(trustpolicy.FindingClaimUnseen), reason(trustpolicy.FindingKeyPrefix), reason(trustpolicy.FindingAudienceWrong),
		ReasonCaseDiffers, ReasonOrgDiffers, ReasonOwnMachineID, reason(trustpolicy.FindingMachineID),
		reason(trustpolicy.FindingProcessGroup), ReasonMachineDiffers, ReasonAppSuffix,
	}
	last := []ReasonCode{
		ReasonAppDiffers, ReasonAudienceDiffers, ReasonKeyMissing, ReasonConditionFailed, ReasonPrincipalDiffers,
		ReasonPrincipalUnknown, ReasonDenyUnknown, ReasonConditionUnknown, ReasonTokenRule, ReasonPolicyUnknown,
	}
	if i := slices.Index(first, code); i >= 0 {
		return len(first) - i
	}
	return -1 - slices.Index(last, code) // 0 for a code in neither
}

func reason(code trustpolicy.FindingCode) ReasonCode { return ReasonCode(code) }

// mentionsIssuer says whether a principal or key is, or is meant to be, about the token's
// issuer.
func (e *explainer) mentionsIssuer(name string) bool {
	name = strings.ToLower(name)
	return e.path != "" && strings.Contains(name, strings.ToLower(e.path)) ||
		e.org != "" && strings.Contains(name, flyname.IssuerHost)
}

// isForToken says whether a statement is meant for such tokens: it is about Fly, and not
// only about other organizations.
func (e *explainer) isForToken(s trustpolicy.Statement) bool {
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
	for _, name := range names {
		if !e.mentionsIssuer(name) {
			continue
		}
		slug := name[strings.LastIndexByte(name, '/')+1:]
		isARN := strings.Contains(name, ":oidc-provider/"+flyname.IssuerHost+"/")
		isKey := strings.HasPrefix(name, flyname.IssuerHost+"/")
		if !isARN && !isKey || flyname.CheckOrg(slug) != nil || slug == e.org {
			return true
		}
	}
	return false
}

// expected is what is known about the statement that should allow the token.
func (e *explainer) expected() trustpolicy.AppAccess {
	expected := trustpolicy.AppAccess{Partition: e.Partition, Account: e.Account, Audience: e.audience}
	if flyname.CheckOrg(e.org) == nil {
		expected.Org = e.org
	}
	if flyname.CheckApp(e.subject.App) == nil && !e.claimsDisagree() {
		expected.Apps = []string{e.subject.App}
	}
	if e.isForeignAudience(e.audience) {
		expected.Audience = "" // the token's mistake is not the expected audience
	}
	return expected
}

// isForeignAudience says whether an audience is for Fly, not for AWS.
func (e *explainer) isForeignAudience(audience string) bool {
	return audience == e.org || strings.HasPrefix(audience, "https://fly.io/") || strings.HasPrefix(audience, "urn:fly:")
}

// errorsIn returns Lint's errors about one statement of a policy.
func (e *explainer) errorsIn(p *trustpolicy.Policy, statement int) []trustpolicy.Finding {
	return slices.DeleteFunc(p.Lint(trustpolicy.Expected{AppAccess: e.expected()}), func(f trustpolicy.Finding) bool {
		return f.Statement != statement || f.Severity != trustpolicy.SeverityError
	})
}

// lintWarnings returns Lint's findings about the statements that allow the token, without
// those about other apps, which are in Beyond.
func (e *explainer) lintWarnings() (out []RefusalReason) {
	assume, _ := e.decide(e.Policy, e.audience)
	alike := map[trustpolicy.FindingCode]int{}
	for _, f := range e.Policy.Lint(trustpolicy.Expected{AppAccess: e.expected()}) {
		if f.Statement < 0 || f.Code == trustpolicy.FindingAppUnexpected || alike[f.Code] == maxAlike {
			continue
		}
		if s := assume.Statements[f.Statement]; s.Effect == trustpolicy.Allow && s.Match == trustpolicy.Matches {
			out = append(out, findingReason(f))
			alike[f.Code]++
		}
	}
	return out
}

func findingReason(f trustpolicy.Finding) RefusalReason {
	return RefusalReason{
		Code: reason(f.Code), Statement: f.Statement, Sid: f.Sid,
		Operator: f.Operator, Key: f.Key, Have: f.Have, Want: f.Want,
	}
}

// intended returns the subjects of the conditions that do not match because the token is
// from another organization, app or machine.
func (e *explainer) intended() (out []string) {
	for _, r := range e.out.Reasons {
		switch r.Code {
		case ReasonAppDiffers, ReasonAppSuffix, ReasonOrgDiffers, ReasonMachineDiffers:
		default:
			continue
		}
		for _, c := range e.Policy.Statements[r.Statement].Conditions {
			if c.Operator != r.Operator || c.Key != r.Key {
				continue
			}
			for _, v := range c.Values {
				if _, ok := flyname.ParseSubject(v); ok && !slices.Contains(out, v) {
					out = append(out, v)
				}
			}
		}
	}
	return out
}

// policyReasons adds the reasons for a decision.
func (e *explainer) policyReasons(d trustpolicy.Evaluation) {
	found, allowed := false, false
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
		if s.Effect != trustpolicy.Allow || !e.isForToken(s) {
			continue
		}
		found = true
		e.statementReasons(s, result, e.errorsIn(e.Policy, i))
	}
	if !found {
		e.because(ReasonNoStatement, e.arn, "")
	}
}

// hasCondition says whether a statement for such tokens requires more than our statement,
// which would bypass it.
func (e *explainer) hasCondition() bool {
	return slices.ContainsFunc(e.Policy.Statements, func(s trustpolicy.Statement) bool {
		return s.Effect == trustpolicy.Allow && e.isForToken(s) && e.asksForMore(s)
	})
}

// asksForMore says whether a statement has a condition other than those on audience and
// subject: on an AWS key, on another claim, on another issuer's key, or one that excludes
// subjects.
func (e *explainer) asksForMore(s trustpolicy.Statement) bool {
	return slices.ContainsFunc(s.Conditions, func(c trustpolicy.Condition) bool {
		i := strings.LastIndexByte(c.Key, ':')
		claim := strings.ToLower(c.Key[i+1:])
		switch {
		case i < 0 || !e.mentionsIssuer(c.Key[:i]):
			return true
		case claim == "iss":
			return !slices.Contains(c.Values, e.Claims.Issuer)
		case claim == "org_name":
			return !slices.Contains(c.Values, e.org)
		case claim == "app_name":
			return !slices.Contains(c.Values, e.subject.App)
		case claim != "aud" && claim != "sub":
			return true
		}
		return strings.Contains(strings.ToLower(c.Operator), "not") ||
			slices.ContainsFunc(c.Values, func(v string) bool { return strings.Contains(v, "${") })
	})
}

// maxAlike limits how many similar values of a condition are reported one by one.
const maxAlike = 3

// statementReasons adds the reasons why elements of a statement do not match. findings are
// Lint's errors about the statement.
func (e *explainer) statementReasons(s trustpolicy.Statement, result trustpolicy.StatementResult, findings []trustpolicy.Finding) {
	base := RefusalReason{Statement: result.Index, Sid: result.Sid}
	with := func(code ReasonCode, have, want string) {
		r := base
		r.Code, r.Have, r.Want = code, have, want
		e.add(r)
	}
	// found adds the findings with the codes and returns the values that they are about.
	found := func(c trustpolicy.Comparison, codes ...trustpolicy.FindingCode) (values []string) {
		var list []trustpolicy.Finding
		for _, f := range findings {
			if f.Operator == c.Operator && f.Key == c.Key && slices.Contains(codes, f.Code) {
				list = append(list, f)
				values = append(values, f.Have)
			}
		}
		// Of many similar values, those with the token's app come first.
		app := e.subject.App
		sort.SliceStable(list, func(i, j int) bool {
			return strings.Contains(list[i].Have, app) && !strings.Contains(list[j].Have, app)
		})
		for _, f := range list[:min(len(list), maxAlike)] {
			e.add(findingReason(f))
		}
		return values
	}
	switch c := result.Principal; {
	case c.Match == trustpolicy.Matches:
	case len(found(trustpolicy.Comparison{}, trustpolicy.FindingProviderForm, trustpolicy.FindingProviderHost, trustpolicy.FindingProviderKind, trustpolicy.FindingProviderAccount,
		trustpolicy.FindingAliasPersonal, trustpolicy.FindingPrincipalAny, trustpolicy.FindingNotPrincipal)) > 0:
	case c.Match == trustpolicy.MatchUndecided && s.Effect == trustpolicy.Deny:
		with(ReasonDenyUnknown, e.arn, join(c.Wanted))
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
			trustpolicy.FindingOperatorType, trustpolicy.FindingWildcardLiteral, trustpolicy.FindingAudienceWrong, trustpolicy.FindingSubjectUnderAudience,
			trustpolicy.FindingSubjectOrg, trustpolicy.FindingSubjectParts, trustpolicy.FindingSubjectApp)
		if slices.Contains(covered, c.Key) || slices.Contains(covered, c.Operator) {
			continue // not about a value
		}
		var rest []string // values without a finding
		for j, v := range s.Conditions[i].Values {
			if !slices.Contains(covered, v) && j < len(c.Wanted) {
				rest = append(rest, c.Wanted[j])
			}
		}
		if len(rest) > 0 || len(covered) == 0 {
			code, closest := e.difference(c, rest)
			switch code {
			case reason(trustpolicy.FindingMachineID), reason(trustpolicy.FindingProcessGroup):
				with(code, closest, "") // about the policy's value
			default:
				with(code, join(c.Presented), closest)
			}
		}
	}
}

// difference says how a presented value differs from the wanted ones, and returns the
// closest of them, or all if none is close.
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
	case c.Reason != trustpolicy.ReasonNoMatch || len(c.Presented) != 1, strings.Contains(c.Operator, "Null"):
		return ReasonConditionFailed, all
	case strings.EqualFold(c.Key, e.path+":aud"):
		return ReasonAudienceDiffers, all
	case !strings.EqualFold(c.Key, e.path+":sub"):
		return ReasonConditionFailed, all
	}
	have, ok := flyname.ParseSubject(c.Presented[0])
	if !ok {
		return ReasonConditionFailed, all
	}
	code, closest = ReasonAppDiffers, all
	for _, w := range wanted {
		want, ok := flyname.ParseSubject(w)
		found := ReasonAppDiffers
		switch {
		case !ok:
		case want.Org != have.Org && !strings.ContainsAny(want.Org, "*?"):
			found = ReasonOrgDiffers
		case want.App == have.App, strings.Contains(c.Operator, "Like") && trustpolicy.Like(want.App, have.App):
			found = ReasonMachineDiffers
		case strings.HasPrefix(have.App, want.App) || strings.HasPrefix(want.App, have.App):
			found = ReasonAppSuffix
		}
		if specificity(found) > specificity(code) {
			code, closest = found, w
		}
	}
	if code == ReasonMachineDiffers {
		code = e.machineDifference(closest)
	}
	return code, closest
}

// machineDifference says whether the last part of a subject in the policy is not a
// machine's name at all.
func (e *explainer) machineDifference(wanted string) ReasonCode {
	if s, _ := flyname.ParseSubject(wanted); e.MachineID != "" && s.Machine == e.MachineID {
		return ReasonOwnMachineID
	}
	for _, f := range e.Policy.Lint(trustpolicy.Expected{AppAccess: e.expected()}) {
		isPattern := strings.ContainsAny(wanted, "*?")
		if f.Have == wanted && (f.Code == trustpolicy.FindingMachineID || f.Code == trustpolicy.FindingProcessGroup && !isPattern) {
			return reason(f.Code)
		}
	}
	return ReasonMachineDiffers
}
