package explain

import (
	"slices"
	"strings"

	"github.com/fly-aws/fly-aws/internal/flyname"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

// providerResource stands between the account and the path in a provider's ARN.
const providerResource = ":oidc-provider/"

// maxHolders is how many requests are tried on a policy and on what becomes of it. A
// policy within the default quota needs fewer; one that needs more is not edited.
const maxHolders = 1024

// A holder is a request that the present policy does not refuse.
type holder struct {
	request trustpolicy.AssumeRequest
	verdict trustpolicy.Decision
}

// guard returns a test of whether a policy shuts out anybody whom the present one
// lets in. The present one is tried once, when the test is first used.
func (e *explainer) guard() func(*trustpolicy.Policy) bool {
	var holders []holder
	tried, all := false, false
	return func(p *trustpolicy.Policy) bool {
		if !tried {
			holders, all = e.holders()
			tried = true
		}
		return !all || slices.ContainsFunc(holders, func(h holder) bool {
			verdict := p.Evaluate(h.request).Decision
			return verdict != trustpolicy.Allowed && verdict != h.verdict
		})
	}
}

// holders tries every provider that the policy trusts with every subject and
// audience that it names, and with a subject that it does not name. It says whether
// those were all.
func (e *explainer) holders() (out []holder, all bool) {
	var providers, subjects []string
	audiences := []string{e.wanted, flyname.AudienceAWS}
	for _, s := range e.Policy.Statements {
		if s.Effect != trustpolicy.Allow {
			continue
		}
		if s.Principal != nil {
			providers = append(providers, s.Principal.Federated...)
		}
		for _, c := range s.Conditions {
			switch strings.ToLower(c.Key[strings.LastIndexByte(c.Key, ':')+1:]) {
			case "sub":
				subjects = append(subjects, c.Values...)
			case "aud":
				for _, v := range c.Values {
					audiences = append(audiences, literal(v))
				}
			}
		}
	}
	slices.Sort(audiences)
	audiences = slices.Compact(audiences)
	tried := map[[3]string]bool{}
	for _, arn := range providers {
		_, path, ok := strings.Cut(arn, providerResource)
		org, isFly := strings.CutPrefix(path, flyname.IssuerHost+"/")
		_, account, _ := accountOf(arn)
		if !ok || !issues(path) || path == e.path && e.Account != "" && account != e.Account {
			continue // no token comes from there
		}
		for _, v := range append([]string{"*"}, subjects...) {
			subject, ok := literal(v), true
			if isFly {
				subject, ok = machineOf(org, v)
			}
			for _, audience := range audiences {
				id := [3]string{arn, subject, audience}
				// What the policy says by mistake of the token's own audience is no access.
				mistake := path == e.path && audience != e.wanted && (e.mistaken(audience) || strings.EqualFold(audience, e.wanted))
				if !ok || mistake || tried[id] {
					continue
				}
				if len(tried) == maxHolders {
					return nil, false
				}
				tried[id] = true
				other := *e
				other.path, other.arn, other.Claims.Subject = path, arn, subject
				request := other.request(trustpolicy.AssumeAction, e.Policy, audience)
				if verdict := e.Policy.Evaluate(request).Decision; !verdict.Denied() {
					out = append(out, holder{request, verdict})
				}
			}
		}
	}
	return out, true
}

// issues says whether there can be tokens from an issuer without its scheme: of
// Fly's, only from an organisation's.
func issues(path string) bool {
	if org, isFly := strings.CutPrefix(path, flyname.IssuerHost+"/"); isFly {
		return flyname.CheckOrg(org) == nil
	}
	return !strings.Contains(strings.ToLower(path), flyname.IssuerHost)
}

// literal returns a text that a pattern matches.
func literal(pattern string) string {
	return strings.NewReplacer("*", "x", "?", "x").Replace(pattern)
}

// machineOf returns a subject of the organisation that a pattern matches, if that may
// be.
func machineOf(org, pattern string) (string, bool) {
	parts := strings.Split(pattern, ":")
	if strings.ContainsAny(parts[0], "*?") {
		parts[0] = org
	}
	for strings.HasSuffix(pattern, "*") && len(parts) < 3 {
		parts = append(parts, "x")
	}
	subject := literal(strings.Join(parts, ":"))
	slug, _, ok := subjectParts(subject)
	return subject, ok && slug == org
}

// newOrg says whether the policy trusts organisations, and not the token's.
func (e *explainer) newOrg() bool {
	others := false
	for _, s := range policyStatements(e.Policy) {
		if s.Effect != trustpolicy.Allow || s.Principal == nil {
			continue
		}
		for _, name := range slices.Concat(s.Principal.Federated, s.Principal.AWS, s.Principal.Service) {
			_, path, _ := strings.Cut(name, providerResource)
			org, isFly := strings.CutPrefix(path, flyname.IssuerHost+"/")
			switch {
			case !isFly || flyname.CheckOrg(org) != nil:
			case org == e.org:
				return false
			default:
				others = true
			}
		}
	}
	return others
}

// leaves returns the errors of Lint's in the statements of a policy that let the
// token in.
func (e *explainer) leaves(p *trustpolicy.Policy) (out []Reason) {
	assume, _ := e.decide(p, e.wanted)
	alike := map[trustpolicy.FindingCode]int{}
	expected := trustpolicy.AppAccess{Partition: e.Partition, Account: e.Account, Audience: e.wanted}
	if _, app, _ := subjectParts(e.Claims.Subject); flyname.CheckApp(app) == nil {
		expected.Apps = []string{app}
	}
	for _, f := range p.Lint(expected) {
		if f.Severity != trustpolicy.SeverityError || f.Statement < 0 || alike[f.Code] == maxAlike {
			continue
		}
		if s := assume.Statements[f.Statement]; s.Effect == trustpolicy.Allow && s.Match == trustpolicy.Matches {
			out = append(out, Reason{
				Code: reason(f.Code), Statement: f.Statement, Sid: f.Sid,
				Operator: f.Operator, Key: f.Key, Have: f.Have, Want: f.Want,
			})
			alike[f.Code]++
		}
	}
	return out
}

// meantFor returns the subjects of the conditions that refuse the token for being of
// another organisation, app or machine.
func (e *explainer) meantFor() (out []string) {
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
				if _, _, ok := subjectParts(v); ok && !slices.Contains(out, v) {
					out = append(out, v)
				}
			}
		}
	}
	return out
}
