package audit

import (
	"cmp"
	"slices"
	"time"

	"github.com/fly-aws/fly-aws/internal/lint"
	"github.com/fly-aws/fly-aws/setup"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

// A Finding is something that is wrong in the account, or that somebody should look at.
type Finding struct {
	Code     FindingCode
	Severity trustpolicy.Severity
	// Role, App, Provider and Audience are what it is about; empty for none.
	Role     string
	App      App
	Provider string // ARN
	Audience string
	// Names are the secrets, or the policies' findings, that the code is about.
	Names []string
	// Days is how long ago a role was last used.
	Days int
	// Lint is the finding about the role's trust policy, for FindingTrust.
	Lint *lint.Finding
}

// FindingCode names a kind of Finding.
type FindingCode string

// The kinds.
const (
	// FindingTrust: Lint is about the trust policy of Role.
	FindingTrust FindingCode = "trust-policy"
	// FindingAnyone: anyone may assume Role.
	FindingAnyone FindingCode = "anyone"
	// FindingAdministrator: machines of Fly may assume Role, which may do everything or
	// almost everything; Names are permission's breadths.
	FindingAdministrator FindingCode = "administrator"
	// FindingEveryApp: every app of the organization App.Org may assume Role.
	FindingEveryApp FindingCode = "every-app"
	// FindingStaticKeys: App still has AWS keys as the secrets Names.
	FindingStaticKeys FindingCode = "static-keys"
	// FindingAppAbsent: the trust policy of Role names App, which Fly does not have.
	FindingAppAbsent FindingCode = "app-absent"
	// FindingUnreached: no app on Fly may assume Role.
	FindingUnreached FindingCode = "unreached"
	// FindingRoleUnused: Role was last used Days ago, more than 90.
	FindingRoleUnused FindingCode = "role-unused"
	// FindingProviderUnused: no role trusts Provider.
	FindingProviderUnused FindingCode = "provider-unused"
	// FindingAudienceUnused: every role that trusts Provider requires other audiences than
	// Audience.
	FindingAudienceUnused FindingCode = "audience-unused"
	// FindingDrift: the account is not as the request file says; Names are the changes.
	FindingDrift FindingCode = "drift"
)

// unusedAfter is how long a role is not used before that is a finding.
const unusedAfter = 90 * 24 * time.Hour

// findings collects what is wrong, the errors first.
func (r Report) findings(in Input) []Finding {
	var out []Finding
	add := func(severity trustpolicy.Severity, f Finding) {
		f.Severity = severity
		out = append(out, f)
	}
	reached := map[string]bool{}
	for _, c := range r.Cells {
		reached[c.Role] = true
	}
	for _, role := range r.Roles {
		open := len(role.EveryApp) > 0
		for _, a := range role.Trust.Admissions {
			open = open || a.Kind == trustpolicy.AdmitsSubject
			if a.Kind == trustpolicy.AdmitsAnyone && !a.Conditional {
				add(trustpolicy.SeverityError, Finding{Code: FindingAnyone, Role: role.Name})
			}
		}
		if open && (role.Power == PowerAdministrator || role.Power == PowerBroad) {
			var names []string
			for _, b := range role.Breadths {
				names = append(names, string(b.Breadth))
			}
			slices.Sort(names)
			add(trustpolicy.SeverityError, Finding{Code: FindingAdministrator, Role: role.Name, Names: slices.Compact(names)})
		}
		for _, org := range role.EveryApp {
			add(trustpolicy.SeverityWarning, Finding{Code: FindingEveryApp, Role: role.Name, App: App{Org: org}})
		}
		for _, f := range role.Trust.Findings {
			if f.Code != trustpolicy.FindingOrgWide && f.Code != trustpolicy.FindingPrincipalAny { // they are said above
				add(f.Severity, Finding{Code: FindingTrust, Role: role.Name, Lint: &f})
			}
		}
		if !role.LastUsed.IsZero() && r.Now.Sub(role.LastUsed) > unusedAfter {
			add(trustpolicy.SeverityWarning, Finding{Code: FindingRoleUnused, Role: role.Name, Days: int(r.Now.Sub(role.LastUsed).Hours() / 24)})
		}
		orgs := role.Role.Trust.Orgs()
		if len(orgs) > 0 && !reached[role.Name] && !slices.ContainsFunc(orgs, func(org string) bool { return !slices.Contains(in.FlyOrgs, org) }) {
			add(trustpolicy.SeverityWarning, Finding{Code: FindingUnreached, Role: role.Name})
		}
		for _, app := range r.Apps {
			if app.Absent && role.names(app) {
				add(trustpolicy.SeverityWarning, Finding{Code: FindingAppAbsent, Role: role.Name, App: app})
			}
		}
	}
	for _, app := range r.Apps {
		if len(app.StaticKeys) > 0 {
			add(trustpolicy.SeverityWarning, Finding{Code: FindingStaticKeys, App: app, Names: app.StaticKeys})
		}
	}
	for _, p := range r.Providers {
		used, audiences := r.uses(p)
		switch {
		case slices.ContainsFunc(r.Gaps, Gap.IsPartial):
		case !used:
			add(trustpolicy.SeverityWarning, Finding{Code: FindingProviderUnused, Provider: p.ARN})
		case audiences != nil:
			for _, audience := range p.Audiences {
				if !slices.ContainsFunc(audiences, func(pattern string) bool { return trustpolicy.Like(pattern, audience) }) {
					add(trustpolicy.SeverityWarning, Finding{Code: FindingAudienceUnused, Provider: p.ARN, Audience: audience})
				}
			}
		}
	}
	if in.Drift != nil {
		var names []string
		for _, c := range in.Drift.Pending() {
			names = append(names, c.Resource().ID())
		}
		for _, e := range in.Drift.Unasked() {
			names = append(names, e.Role+" "+e.Keep())
		}
		if len(names) > 0 {
			add(trustpolicy.SeverityWarning, Finding{Code: FindingDrift, Names: names})
		}
	}
	slices.SortStableFunc(out, func(a, b Finding) int {
		rank := func(f Finding) int {
			if f.Severity == trustpolicy.SeverityError {
				return 0
			}
			return 1
		}
		return cmp.Compare(rank(a), rank(b))
	})
	return out
}

// names says whether the trust policy names the app.
func (rr RoleReport) names(app App) bool {
	return slices.ContainsFunc(rr.Trust.Admissions, func(a trustpolicy.Admission) bool {
		org, s := subjectOf(a)
		return org == app.Org && s.App == app.Name
	})
}

// uses says whether a role trusts the provider, and with which audiences; nil for any.
func (r Report) uses(p setup.Provider) (used bool, audiences []string) {
	audiences = []string{}
	for _, role := range r.Roles {
		if role.Role.Trust == nil {
			return true, nil // it may
		}
		for _, s := range role.Role.Trust.Statements {
			if s.Effect != trustpolicy.Allow || s.Principal == nil || !slices.Contains(s.Principal.Federated, p.ARN) {
				continue
			}
			used = true
			wanted := s.Audiences(p.ARN)
			if wanted == nil {
				return true, nil
			}
			audiences = append(audiences, wanted...)
		}
	}
	return used, audiences
}
