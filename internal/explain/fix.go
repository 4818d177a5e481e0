package explain

import (
	"slices"
	"strings"
	"time"

	"github.com/fly-aws/fly-aws/internal/flyname"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

// explainFix adds the fix to the explanation.
func (e *explainer) explainFix() {
	if e.out.Verdict == Accepted {
		// What would explain a refusal is only a warning here.
		e.out.Warnings, e.out.Reasons = slices.Concat(e.out.Reasons, e.lintWarnings()), nil
		e.out.Beyond = e.beyond()
		return
	}
	e.out.Fix = e.fix()
	if f := e.out.Fix; f == nil || f.Kind != FixRepairStatement && (f.Kind != FixSetup || f.Setup.AllMachines) {
		e.out.Intended = e.intended()
	}
	if e.out.Fix != nil {
		if c, ok := e.after(*e.out.Fix); ok {
			then := newExplainer(c)
			then.answer()
			e.out.Complete = then.out.Verdict == Accepted
		}
	}
	if e.Policy != nil && e.allows(e.Policy, e.audience) {
		e.out.Warnings = e.lintWarnings()
	}
}

// beyond returns whom the policy lets in besides machines of the token's app.
func (e *explainer) beyond() []trustpolicy.Admission {
	app := flyname.Subject{Org: e.subject.Org, App: e.subject.App, Machine: flyname.AnyMachine}
	return e.Policy.Admissions(map[string][]string{flyname.IssuerPath(e.org): {app.String()}})
}

// fix returns the fix for the first step that failed. A token that its issuer did not
// sign comes before everything else.
func (e *explainer) fix() *Fix {
	freshToken := &Fix{Kind: FixRequestToken}
	switch {
	case e.isAlias():
		return &Fix{Kind: FixRawSlug}
	case e.hasFailed(StepToken) && e.TokenRule != "empty":
		e.out.Obstacle = ObstacleToken // a fresh one would fare no better
		return nil
	case e.hasFailed(StepToken), e.hasFailed(StepSignature), e.hasFailed(StepClaims), e.hasReason(ReasonTokenRule):
		return freshToken
	case e.org == "":
		e.out.Obstacle = ObstacleIssuer
		return nil
	case e.claimsDisagree():
		return nil
	case e.hasFailed(StepProvider):
		return e.accountFix()
	case e.hasFailed(StepExpiry):
		return freshToken
	case e.hasFailed(StepAudience) && (e.isForeignAudience(e.audience) || e.isListed(flyname.AudienceAWS)), e.hasReason(ReasonManyAudiences):
		return &Fix{Kind: FixRequestAudience, Audience: flyname.AudienceAWS}
	case e.hasFailed(StepAudience):
		return e.accountFix()
	case e.hasFailed(StepRole):
		return &Fix{Kind: FixRoleARN, RoleARN: e.RoleARN}
	}
	return e.accountFix()
}

func (e *explainer) hasFailed(code StepCode) bool {
	return slices.ContainsFunc(e.out.Steps, func(s Step) bool { return s.Code == code && s.Result == StepFailed })
}

func (e *explainer) hasReason(codes ...ReasonCode) bool {
	return slices.ContainsFunc(e.out.Reasons, func(r RefusalReason) bool { return slices.Contains(codes, r.Code) })
}

// accountFix returns what to do in the role's account.
func (e *explainer) accountFix() *Fix {
	noProvider := e.hasFailed(StepProvider)
	incomplete := noProvider || e.hasFailed(StepAudience)
	if e.Policy == nil {
		switch {
		case e.PolicyError != nil:
			e.out.Obstacle = ObstacleSyntax
		case incomplete:
			return e.ownRole()
		}
		return nil
	}
	if audience, ok := e.otherAudience(); ok {
		if !noProvider {
			return &Fix{Kind: FixRequestAudience, Audience: audience}
		}
		e.audience = audience
	} else if e.isForeignAudience(e.audience) {
		e.audience = flyname.AudienceAWS
	}
	assume, tag := e.decide(e.Policy, e.audience)
	switch {
	case assume.Decision == trustpolicy.ExplicitlyDenied, tag.Decision == trustpolicy.ExplicitlyDenied:
		e.out.Obstacle = ObstacleDenied
		return nil
	case assume.Decision == trustpolicy.Undecided, tag.Decision == trustpolicy.Undecided:
		return nil // an unknown policy cannot be repaired
	case assume.Decision == trustpolicy.Allowed && tag.Decision == trustpolicy.Allowed && e.hasCondition():
		return e.ownRole() // setup creates the provider too
	case assume.Decision == trustpolicy.Allowed && tag.Decision == trustpolicy.Allowed:
		return e.setup()
	case assume.Decision == trustpolicy.Allowed:
		return e.allowTags()
	}
	if e.isOwn() && !e.hasCondition() {
		return e.setup()
	}
	if !incomplete {
		if f := e.repair(assume); f != nil {
			return f
		}
	}
	switch {
	case e.isForOthers():
		f := e.ownRole()
		if f != nil {
			f.NewOrg = e.trustsOtherOrgs()
		}
		return f
	case e.hasCondition():
		e.out.Obstacle = ObstacleCondition
		return nil
	}
	return e.setup()
}

// isForOthers says whether the role is for apps or organizations other than the token's.
func (e *explainer) isForOthers() bool {
	return e.Managed != nil && !e.isOwn() || e.trustsOtherOrgs() || e.namesOthers() || e.trustsOnlyOthers()
}

// trustsOnlyOthers says whether the policy is for the workloads of other issuers, perhaps
// of a misspelled one, and no statement is meant for such tokens.
func (e *explainer) trustsOnlyOthers() bool {
	others := false
	for _, s := range e.Policy.Statements {
		if s.Effect == trustpolicy.Allow {
			if e.isForToken(s) {
				return false
			}
			others = others || s.Principal != nil && len(s.Principal.Federated) > 0
		}
	}
	return others
}

// namesOthers says whether the statements for such tokens name subjects, but none that is
// meant for the token's app, well-formed or not.
func (e *explainer) namesOthers() bool {
	others := false
	for _, s := range e.Policy.Statements {
		if s.Effect != trustpolicy.Allow || !e.isForToken(s) {
			continue
		}
		for _, c := range s.Conditions {
			isSubject := func(v string) bool {
				return strings.HasSuffix(strings.ToLower(c.Key), ":sub") || strings.HasPrefix(v, e.org+":") // under aud by mistake
			}
			for _, v := range c.Values {
				switch {
				case !isSubject(v):
				case e.isForApp(v):
					return false
				default:
					others = true
				}
			}
		}
	}
	return others
}

// isForApp says whether a subject in a policy is meant for the token's app: it names the
// app, is a pattern that matches the token, or has a variable that may be the app.
func (e *explainer) isForApp(v string) bool {
	if strings.Contains(v, "${") || slices.Contains(strings.Split(strings.ToLower(v), ":"), e.subject.App) {
		return true
	}
	pattern := trustpolicy.New(trustpolicy.Statement{
		Effect: trustpolicy.Allow, Principal: &trustpolicy.Principal{Federated: []string{e.arn}}, Action: []string{"*"},
		Conditions: []trustpolicy.Condition{{Operator: "StringLike", Key: e.path + ":sub", Values: []string{v}}},
	})
	return e.allows(pattern, e.audience)
}

// trustsOtherOrgs says whether the policy trusts Fly organizations, but not the token's.
func (e *explainer) trustsOtherOrgs() bool {
	others := false
	for _, s := range e.Policy.Statements {
		if s.Effect != trustpolicy.Allow || s.Principal == nil {
			continue
		}
		for _, name := range slices.Concat(s.Principal.Federated, s.Principal.AWS, s.Principal.Service) {
			_, issuer, _ := strings.Cut(name, ":oidc-provider/")
			org, isFly := flyname.IssuerOrg("https://" + issuer)
			switch {
			case !isFly || org == flyname.Personal:
			case org == e.org:
				return false
			default:
				others = true
			}
		}
	}
	return others
}

// otherAudience returns an audience with which the policy would allow the token, if it
// does not with the token's own. The provider must list it, as far as known.
func (e *explainer) otherAudience() (string, bool) {
	if e.allows(e.Policy, e.audience) {
		return "", false
	}
	audiences := []string{flyname.AudienceAWS}
	for _, s := range e.Policy.Statements {
		for _, c := range s.Conditions {
			if strings.EqualFold(c.Key, e.path+":aud") {
				audiences = append(audiences, c.Values[:min(len(c.Values), maxAlike)]...)
			}
		}
	}
	for _, audience := range audiences {
		_, isSubject := flyname.ParseSubject(audience)
		if audience == e.audience || isSubject || flyname.CheckAudience(audience) != nil || e.isForeignAudience(audience) ||
			e.Provider.Audiences != nil && !e.isListed(audience) {
			continue
		}
		if e.allows(e.Policy, audience) {
			return audience, true
		}
	}
	return "", false
}

// isOwn says whether fly-aws set the role up for the token's app, alone or shared.
func (e *explainer) isOwn() bool {
	switch {
	case e.Managed == nil || e.Managed.Org != e.org:
		return false
	case e.Managed.App != "":
		return e.Managed.App == e.subject.App
	}
	s, ok := e.Policy.Statement(trustpolicy.Sid(e.org))
	return ok && slices.ContainsFunc(s.Conditions, func(c trustpolicy.Condition) bool {
		return slices.ContainsFunc(c.Values, func(v string) bool {
			subject, ok := flyname.ParseSubject(v)
			return ok && subject.Org == e.org && subject.App == e.subject.App
		})
	})
}

// setup returns the fix that runs fly-aws setup for the role: again for a role that it set
// up, with --adopt for another. If the role is unknown, the fix is to add our statement.
func (e *explainer) setup() *Fix {
	ours, err := e.statement()
	if err != nil {
		return nil
	}
	s := &Setup{Org: e.org, App: e.subject.App, Path: e.rolePath()}
	if e.audience != flyname.AudienceAWS {
		s.Audience = e.audience
	}
	_, taken := e.Policy.Statement(ours.Sid)
	switch {
	case e.isOwn():
		s.Role, s.Adopt = e.Role, !taken // to setup, a role without our statement is another's
		s.AllMachines = e.hasReason(ReasonMachineDiffers, ReasonOwnMachineID, reason(trustpolicy.FindingMachineID), reason(trustpolicy.FindingProcessGroup))
		return &Fix{Kind: FixSetup, Setup: s}
	case e.Managed != nil || taken:
		return e.ownRole() // setup would rewrite the access of others
	case e.Role == "" && e.allows(e.Policy, e.audience):
		return e.ownRole()
	case e.Role == "":
		return e.addStatement(ours)
	}
	s.Role, s.Adopt = e.Role, true
	return &Fix{Kind: FixAdopt, Setup: s}
}

// rolePath returns the path of the role; "" for the default or if unknown.
func (e *explainer) rolePath() string {
	_, name, _ := strings.Cut(e.RoleARN, ":role")
	path := name[:strings.LastIndexByte(name, '/')+1]
	if path == "/" {
		return ""
	}
	return path
}

// ownRole returns the fix that creates a role for the token's app.
func (e *explainer) ownRole() *Fix {
	if e.Policy != nil && e.isOwn() {
		e.out.Obstacle = ObstacleCondition // this is that role, and setup would remove the condition
		return nil
	}
	if flyname.CheckOrg(e.org) != nil || flyname.CheckApp(e.subject.App) != nil {
		return nil
	}
	return &Fix{Kind: FixOwnRole, Setup: &Setup{Org: e.org, App: e.subject.App}}
}

// statement returns our statement for the token's app.
func (e *explainer) statement() (trustpolicy.Statement, error) {
	return trustpolicy.Build(trustpolicy.AppAccess{
		Partition: e.Partition, Account: e.Account, Org: e.org, Apps: []string{e.subject.App}, Audience: e.audience,
	})
}

func (e *explainer) addStatement(s trustpolicy.Statement) *Fix {
	return &Fix{Kind: FixAddStatement, Index: len(e.Policy.Statements), After: &s}
}

// allowTags returns the fix that allows a token's session tags or source identity, if its
// app may assume the role.
func (e *explainer) allowTags() *Fix {
	if e.hasCondition() {
		e.out.Obstacle = ObstacleCondition
		return nil
	}
	s, err := e.statement()
	if err != nil {
		return nil
	}
	s.Sid, s.Action = "", []string{e.lacks}
	return e.addStatement(s)
}

// maxRepairs limits how many rules a repairable statement may break.
const maxRepairs = 8

// repair returns the fix for the first statement that, once it follows Lint's rules,
// allows the token and no other app.
func (e *explainer) repair(d trustpolicy.Evaluation) *Fix {
	if e.Policy.Size() > trustpolicy.MaxSizeQuota {
		return nil // no role has this policy
	}
	for i, result := range d.Statements {
		if result.Effect != trustpolicy.Allow || !e.isForToken(e.Policy.Statements[i]) {
			continue
		}
		p := e.Policy
		for range maxRepairs {
			var ok bool
			if p, ok = e.repairOne(p, i); !ok {
				break
			}
			after := p.Statements[i]
			if e.allows(p, e.audience) && after.OnlyApp(e.org, e.subject.App) {
				return &Fix{Kind: FixRepairStatement, Index: i, Before: &e.Policy.Statements[i], After: &after}
			}
		}
	}
	return nil
}

// repairOne repairs one Lint error in an element of a statement that does not match.
func (e *explainer) repairOne(p *trustpolicy.Policy, i int) (*trustpolicy.Policy, bool) {
	assume, _ := e.decide(p, e.audience)
	result := assume.Statements[i]
	for _, f := range e.errorsIn(p, i) {
		matches := result.Principal.Match == trustpolicy.Matches && result.Action.Match == trustpolicy.Matches
		if f.Key != "" {
			matches = slices.ContainsFunc(result.Conditions, func(c trustpolicy.Comparison) bool {
				return c.Operator == f.Operator && c.Key == f.Key && c.Match == trustpolicy.Matches
			})
		}
		if matches {
			continue
		}
		if repaired, ok := p.Repair(f, e.expected()); ok {
			return repaired, true
		}
	}
	return nil, false
}

// after returns the case after a fix, if that is known.
func (e *explainer) after(f Fix) (Case, bool) {
	c := e.Case
	switch f.Kind {
	case FixSetup, FixAdopt:
		c.Provider = Provider{Presence: Present, Audiences: []string{e.audience}}
		if s, err := e.statement(); err == nil && !e.allows(c.Policy, e.audience) {
			c.Policy = c.Policy.Merge(s)
		}
	case FixRepairStatement:
		c.Policy = c.Policy.Clone()
		c.Policy.Statements[f.Index] = *f.After
	case FixAddStatement:
		c.Policy = c.Policy.Clone()
		c.Policy.Statements = append(c.Policy.Statements, *f.After)
	case FixRequestAudience:
		c.Claims.Audience = []string{f.Audience}
		c.mint()
	case FixRequestToken:
		if len(present(c.Claims.Audience)) == 0 {
			c.Claims.Audience = []string{flyname.AudienceAWS}
		}
		c.mint()
	case FixRoleARN:
		c.WantedRole = f.RoleARN
	default:
		return Case{}, false
	}
	return c, true
}

// mint replaces the token with a new one.
func (c *Case) mint() {
	c.Claims.Expiry, c.Claims.NotBefore = time.Time{}, time.Time{}
	c.Signature, c.TokenError, c.TokenRule = Verified, nil, ""
}
