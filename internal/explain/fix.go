package explain

import (
	"slices"
	"strings"

	"github.com/fly-aws/fly-aws/internal/flyname"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

// fix finds the least that makes the request accepted.
func (e *explainer) fix() {
	if e.out.Verdict == Accepted {
		// What would explain a refusal is only strange then.
		e.out.Warnings, e.out.Reasons = slices.Concat(e.out.Reasons, e.leaves(e.Policy)), nil
		return
	}
	policy, fixed := e.policyFix()
	if p := e.Provider; p.Presence == Present && p.Audiences != nil && !slices.Contains(p.Audiences, e.wanted) && !e.hopeless {
		fix := Fix{Kind: FixAddAudience, Audience: e.wanted}
		if e.Account != "" {
			fix.ProviderARN = e.arn
		}
		e.fixes = append(e.fixes, fix)
	}
	isNew := e.newOrg()
	for i, f := range e.fixes {
		if f.Kind == FixCreateProvider {
			e.fixes[i].Audience, e.fixes[i].NewOrg = e.wanted, isNew
		}
	}
	if slices.ContainsFunc(e.fixes, func(f Fix) bool { return f.Kind == FixRequestAudience }) {
		// A token for another audience is a fresh one.
		e.fixes = slices.DeleteFunc(e.fixes, func(f Fix) bool { return f.Kind == FixRequestToken })
	}
	if fixed {
		policy.Role = e.Role
		if isNew {
			policy.NewOrg, policy.Issuer = true, e.Claims.Issuer
		}
		policy.Warnings = e.leaves(policy.Policy)
		e.fixes = append(e.fixes, policy)
	}
	e.out.Fixes = e.fixes
	fits := !fixed && !e.hopeless && e.Policy != nil && e.accepts(e.Policy)
	e.out.Complete = len(e.fixes) > 0 && !e.hopeless && (fixed || fits)
	if fits {
		e.out.Warnings = e.leaves(e.Policy)
	}
	if e.guarded && !e.hopeless && !e.out.Complete {
		e.out.Obstacle = ObstacleOnPurpose
	}
	e.out.MeantFor = e.meantFor()
}

// policyFix decides for which audience the token has to be, and returns the least
// change of the policy that accepts it then.
func (e *explainer) policyFix() (Fix, bool) {
	switch {
	case e.hopeless, e.Policy == nil && e.PolicyError == nil:
		return Fix{}, false
	case e.Policy == nil:
		if e.mistaken(e.wanted) {
			e.requestAudience()
		}
		ours, err := e.build()
		if err != nil {
			return Fix{}, false
		}
		fix := Fix{Kind: FixReplacePolicy, Policy: trustpolicy.New(ours)}
		return fix, e.accepts(fix.Policy)
	case e.accepts(e.Policy):
		return Fix{}, false
	}
	if before := e.wanted; before != flyname.AudienceAWS {
		e.wanted = flyname.AudienceAWS
		switch fits := e.accepts(e.Policy); {
		case fits:
			e.requestAudience()
			return Fix{}, false
		case e.mistaken(before):
			e.requestAudience()
		default:
			e.wanted = before
		}
	}
	assume, _ := e.decide(e.Policy, e.wanted)
	if assume.Decision == trustpolicy.Undecided || e.Policy.Size() > trustpolicy.MaxSizeQuota {
		return Fix{}, false // what is not known cannot be fixed, nor what no role can have
	}
	return e.best(e.candidates(assume))
}

// build returns our own statement for the token's app.
func (e *explainer) build() (trustpolicy.Statement, error) {
	_, app, _ := subjectParts(e.Claims.Subject)
	s, err := trustpolicy.Build(trustpolicy.AppAccess{
		Partition: e.Partition, Account: e.Account, Org: e.org, Apps: []string{app}, Audience: e.wanted,
	})
	if err == nil && len(e.Claims.Tags) > 0 {
		s.Action = append(s.Action, trustpolicy.TagSessionAction)
	}
	return s, err
}

// pattern is what a policy should say of the token's subject: every machine of the
// app.
func (e *explainer) pattern() (string, bool) {
	org, app, ok := subjectParts(e.Claims.Subject)
	ok = ok && org == e.org && flyname.CheckOrg(org) == nil && flyname.CheckApp(app) == nil
	return flyname.Subject{Org: org, App: app, Machine: "*"}.String(), ok
}

// maxEdits is how many statements are tried to be fixed. A policy within IAM's
// quota has about as many.
const maxEdits = 16

// candidates returns changed policies, the smaller changes first. That they accept
// the request is not certain.
//
// A statement that fails on something else than the token, such as an address, is
// left as it is, and none is added that would let the request past it.
func (e *explainer) candidates(d trustpolicy.Evaluation) []Fix {
	pattern, ok := e.pattern()
	if !ok {
		return nil
	}
	base, overrides := e.Policy, false
	for i, result := range d.Statements {
		if result.Effect == trustpolicy.Deny && result.Match == trustpolicy.Matches {
			base = base.Clone()
			except(&base.Statements[i], e.path+":sub", pattern)
			overrides = true
		}
	}
	edited := func(p *trustpolicy.Policy) Fix {
		return Fix{Kind: FixEditStatement, Before: e.Policy, Policy: p, OverridesDeny: overrides}
	}
	var out []Fix
	if overrides {
		out = append(out, edited(base))
	}
	if len(e.Claims.Tags) > 0 {
		p := base.Clone()
		for i, result := range d.Statements {
			if s := &p.Statements[i]; result.Effect == trustpolicy.Allow && result.Match == trustpolicy.Matches && s.NotAction == nil {
				s.Action = append(s.Action, trustpolicy.TagSessionAction)
			}
		}
		out = append(out, edited(p))
	}
	kept := false // somebody's restriction
	for _, narrow := range []bool{false, true} {
		edits := 0
		for i, result := range d.Statements {
			if edits == maxEdits {
				break
			}
			if result.Effect != trustpolicy.Allow || result.Match == trustpolicy.Matches || !e.aimed(e.Policy.Statements[i]) {
				continue
			}
			p := base.Clone()
			r := repair{explainer: e, statement: &p.Statements[i], pattern: pattern, narrow: narrow}
			edits++
			if r.run(result) {
				out = append(out, edited(p))
			}
			kept = kept || r.restricted
		}
	}
	if kept {
		e.guarded = true
		return out
	}
	ours, err := e.build()
	if err != nil {
		return out
	}
	if _, taken := base.Statement(ours.Sid); taken {
		ours.Sid = "" // it is what gives other apps their access
	}
	return append(out, Fix{Kind: FixAddStatement, Before: e.Policy, Policy: base.Merge(ours), OverridesDeny: overrides})
}

// except makes an exception of subjects from a statement that denies.
func except(s *trustpolicy.Statement, key, pattern string) {
	for i, c := range s.Conditions {
		if strings.EqualFold(c.Operator, "StringNotLike") && strings.EqualFold(c.Key, key) {
			s.Conditions[i].Values = slices.Concat(c.Values, []string{pattern})
			return
		}
	}
	s.Conditions = append(s.Conditions, trustpolicy.Condition{Operator: "StringNotLike", Key: key, Values: []string{pattern}})
}

// best returns the first of the fixes that is accepted and lets nothing else in,
// else the first that lets in only what the policy names itself, else the first.
// An edit that shuts somebody out is none of them.
func (e *explainer) best(fixes []Fix) (Fix, bool) {
	found, cost := Fix{}, 3
	before := map[string]bool{} // subjects, and whether the present policy accepts them
	shutsOut := e.guard()
	for _, f := range fixes {
		if cost == 0 {
			break
		}
		if !e.accepts(f.Policy) || f.Kind == FixEditStatement && shutsOut(f.Policy) {
			continue
		}
		var undeclared bool
		f.AlsoAccepts, undeclared = e.alsoAccepts(f.Policy, before)
		c := 0
		switch {
		case undeclared:
			c = 2
		case f.TooBroad():
			c = 1
		}
		// That the policy names other apps itself is no reason for a statement more.
		if c == 1 && f.Kind == FixEditStatement {
			c = 0
		}
		if c < cost {
			found, cost = f, c
		}
	}
	return found, cost < 3
}

const (
	// maxExamples is how many subjects a Fix names.
	maxExamples = 8
	// maxProbes is how many subjects are tried: more than a policy within IAM's
	// quota can name.
	maxProbes = 1024
)

// alsoAccepts tries subjects of other apps on a policy and returns those that it
// accepts and the present one does not. declared are those that a value of the
// policy names; undeclared says that there are others. before keeps what the present
// policy makes of a subject.
func (e *explainer) alsoAccepts(p *trustpolicy.Policy, before map[string]bool) (subjects []string, undeclared bool) {
	type probe struct {
		subject  string
		declared bool
	}
	var probes []probe
	org, app, _ := subjectParts(e.Claims.Subject)
	machine := e.Claims.Subject[strings.LastIndexByte(e.Claims.Subject, ':')+1:]
	for _, neighbour := range []string{app + "-staging", app + "x", "another-app"} {
		if neighbour != app {
			probes = append(probes, probe{flyname.Subject{Org: org, App: neighbour, Machine: machine}.String(), false})
		}
	}
	for _, s := range p.Statements {
		for _, c := range s.Conditions {
			if !strings.EqualFold(c.Key, e.path+":sub") || s.Effect != trustpolicy.Allow {
				continue
			}
			for _, v := range c.Values {
				subject, ok := machineOf(org, v)
				_, probeApp, _ := subjectParts(subject)
				if _, named, _ := subjectParts(v); ok && probeApp != app {
					probes = append(probes, probe{subject, named == probeApp})
				}
			}
		}
	}
	neighbour := *e
	for _, pr := range probes[:min(len(probes), maxProbes)] {
		if undeclared && len(subjects) == maxExamples {
			break
		}
		neighbour.Claims.Subject = pr.subject
		if slices.Contains(subjects, pr.subject) {
			continue
		}
		had, known := before[pr.subject]
		if !known {
			had = neighbour.accepts(e.Policy)
			before[pr.subject] = had
		}
		if !had && neighbour.accepts(p) {
			undeclared = undeclared || !pr.declared
			if len(subjects) < maxExamples {
				subjects = append(subjects, pr.subject)
			}
		}
	}
	return subjects, undeclared
}
