package explain

import (
	"slices"
	"strings"

	"github.com/fly-aws/fly-aws/internal/flyname"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

// A repair edits one statement so that it lets the token in.
type repair struct {
	*explainer
	statement *trustpolicy.Statement
	// pattern is the subject that the statement has to have.
	pattern string
	// narrow drops subjects that had no effect as they were written, instead of
	// making them effective.
	narrow bool
	// dead says that the statement applied to no token of any app, so that nobody
	// loses access when it asks for more.
	dead bool
	// restricted says that the statement asks for something that no edit should undo.
	restricted bool
}

// run repairs what did not hold and says whether that was possible.
func (r *repair) run(result trustpolicy.StatementResult) bool {
	if result.Principal.Match != trustpolicy.Matches && !r.principal() {
		return false
	}
	if result.Action.Match != trustpolicy.Matches && !r.action() {
		return false
	}
	if len(r.Claims.Tags) > 0 && r.statement.NotAction == nil && !slices.ContainsFunc(r.statement.Action, func(a string) bool {
		return strings.EqualFold(a, trustpolicy.TagSessionAction)
	}) {
		r.statement.Action = append(r.statement.Action, trustpolicy.TagSessionAction)
	}
	var conditions []trustpolicy.Condition
	for i, c := range r.statement.Conditions {
		if result.Conditions[i].Match == trustpolicy.Matches {
			conditions = append(conditions, c)
			continue
		}
		fixed, keep := r.condition(c, result.Conditions[i])
		if keep {
			conditions = append(conditions, fixed)
		}
	}
	if r.restricted {
		return false
	}
	r.statement.Conditions = conditions
	if r.dead {
		r.require("aud", "StringEquals", r.wanted)
		r.require("sub", "StringLike", r.pattern)
	} else if !r.has("sub") {
		return false // it lets in a whole organisation, which our own statement need not
	}
	return r.unique()
}

// principal puts the token's provider into the place of what was meant to be it.
func (r *repair) principal() bool {
	p := r.statement.Principal
	if p == nil || p.Any || r.Account == "" {
		return false
	}
	meant := r.ours
	if slices.ContainsFunc(p.Federated, func(name string) bool { return meant(name) && r.misspelt(name) }) {
		meant = func(name string) bool { return r.ours(name) && r.misspelt(name) }
	}
	found := slices.ContainsFunc(p.Federated, meant)
	p.Federated = slices.DeleteFunc(p.Federated, meant)
	for _, list := range []*[]string{&p.AWS, &p.Service, &p.CanonicalUser} {
		if slices.ContainsFunc(*list, r.ours) {
			found = true
			*list = slices.DeleteFunc(*list, r.ours)
		}
		if len(*list) == 0 {
			*list = nil
		}
	}
	p.Federated = append(p.Federated, r.arn)
	r.dead = r.dead || len(p.Federated) == 1 && len(p.AWS)+len(p.Service)+len(p.CanonicalUser) == 0
	return found
}

// misspelt says whether a principal is no provider of another organisation's.
func (r *repair) misspelt(name string) bool {
	_, path, ok := strings.Cut(name, providerResource)
	org, isFly := strings.CutPrefix(path, flyname.IssuerHost+"/")
	return !ok || !isFly || org == r.org || flyname.CheckOrg(org) != nil
}

// sharedWith says whether a path is that of another provider of the statement.
func (r *repair) sharedWith(path string) bool {
	return r.statement.Principal != nil && !strings.EqualFold(path, r.path) &&
		slices.ContainsFunc(r.statement.Principal.Federated, func(name string) bool {
			_, other, ok := strings.Cut(name, providerResource)
			return ok && strings.EqualFold(other, path) && issues(other)
		})
}

// action lets the statement allow what a token needs.
func (r *repair) action() bool {
	s := r.statement
	if s.NotAction != nil {
		return false
	}
	i := slices.IndexFunc(s.Action, func(a string) bool { return strings.EqualFold(a, "sts:AssumeRole") })
	if i >= 0 && (s.Principal == nil || len(s.Principal.AWS)+len(s.Principal.Service) == 0) {
		s.Action[i] = trustpolicy.AssumeAction // the other one is of no use to a provider
		return true
	}
	s.Action = append(s.Action, trustpolicy.AssumeAction)
	return true
}

// condition repairs one that did not hold, and says whether it stays.
func (r *repair) condition(c trustpolicy.Condition, check trustpolicy.Comparison) (trustpolicy.Condition, bool) {
	i := strings.LastIndexByte(c.Key, ':')
	if i > 0 && r.sharedWith(c.Key[:i]) {
		return c, true // it is the other one's access, so that this edit comes to nothing
	}
	if i < 0 || !r.ours(c.Key[:i]) || check.Reason == trustpolicy.ReasonMatched {
		r.restricted = true // an address, a date, or a subject that is kept out on purpose
		return c, true
	}
	// Wherever the key was another, the request never had it.
	r.dead = r.dead || !strings.EqualFold(c.Key[:i], r.path)
	values := check.Wanted // with variables expanded
	if slices.ContainsFunc(c.Values, func(v string) bool { return strings.Contains(v, "${") }) {
		r.restricted = true
		return c, true
	}
	switch claim := strings.ToLower(c.Key[i+1:]); claim {
	case "aud":
		c.Key = r.path + ":aud"
		if !slices.Contains(values, r.wanted) {
			values = slices.DeleteFunc(slices.Clone(values), func(v string) bool {
				return strings.ContainsAny(v, "*?") || r.mistaken(v) || strings.EqualFold(v, r.wanted)
			})
			values = append(values, r.wanted)
		}
		if !strings.EqualFold(c.Operator, "StringLike") {
			c.Operator = "StringEquals"
		}
		c.Values = values
		return c, true
	case "sub":
		c.Key = r.path + ":sub"
		c.Values = r.subjects(c.Operator, values)
		if len(c.Values) > 1 || !strings.EqualFold(c.Operator, "StringEquals") || strings.Contains(r.pattern, "*") {
			c.Operator = "StringLike"
		}
		return c, true
	}
	r.dead = true // the key is never there
	return c, false
}

// subjects returns the values of a condition on sub with the pattern among them,
// and without those that can match no token of the provider.
func (r *repair) subjects(operator string, values []string) []string {
	like := strings.HasSuffix(strings.TrimSuffix(strings.ToLower(operator), "ifexists"), "like")
	app, isMachine := strings.CutSuffix(r.pattern, "*")
	var kept []string
	for _, v := range values {
		parts := strings.Split(v, ":")
		wild := strings.ContainsAny(v, "*?")
		switch {
		case isMachine && strings.HasPrefix(v, app): // it says no more than the pattern
			if !slices.Contains(kept, r.pattern) {
				kept = append(kept, r.pattern)
			}
		case wild && !like && r.narrow:
		case len(parts) == 3 && parts[0] == r.org && parts[1] != "" && parts[2] != "",
			wild && strings.HasSuffix(v, "*") && len(parts) <= 3 && (parts[0] == r.org || strings.ContainsAny(parts[0], "*?")):
			kept = append(kept, v)
		}
	}
	probe := trustpolicy.New(trustpolicy.Statement{
		Effect:     trustpolicy.Allow,
		Principal:  &trustpolicy.Principal{Federated: []string{r.arn}},
		Action:     []string{"*"},
		Conditions: []trustpolicy.Condition{{Operator: "StringLike", Key: r.path + ":sub", Values: kept}},
	})
	if len(kept) > 0 && r.accepts(probe) {
		return kept
	}
	return append(kept, r.pattern)
}

func (r *repair) has(claim string) bool {
	return slices.ContainsFunc(r.statement.Conditions, func(c trustpolicy.Condition) bool {
		return strings.EqualFold(c.Key, r.path+":"+claim)
	})
}

// require adds a condition on a claim unless there is one.
func (r *repair) require(claim, operator, value string) {
	if !r.has(claim) {
		r.statement.Conditions = append(r.statement.Conditions, trustpolicy.Condition{
			Operator: operator, Key: r.path + ":" + claim, Values: []string{value},
		})
	}
}

// unique says whether no two conditions share operator and key, as they must not.
func (r *repair) unique() bool {
	seen := map[string]bool{}
	for _, c := range r.statement.Conditions {
		id := strings.ToLower(c.Operator + " " + c.Key)
		if seen[id] {
			return false
		}
		seen[id] = true
	}
	return true
}
