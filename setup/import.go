package setup

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/fly-aws/fly-aws/internal/flyname"
	"github.com/fly-aws/fly-aws/internal/preset"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

// Import makes the request whose plan changes nothing, from what Account.Roles returned.
// Roles of ours have everything that is on them: a policy that a preset would make is that
// preset, and what a request cannot ask for is in Keep. Other roles that trust the
// organization's provider are unmanaged. Maximum session durations are left out, since
// Account.Roles does not return them.
//
// The roles are sorted by name. The inline policies have no Source.
func Import(org, file string, facts Facts, found []Resource) (Request, error) {
	req := Request{Org: org, Account: facts.Account, File: file}
	state := State{}
	for _, r := range found {
		state[r.ID()] = r
	}
	facts.Policies = map[string]string{}
	audiences := map[string]bool{}
	on := state.policies()
	for _, id := range slices.Sorted(maps.Keys(state)) {
		role := state[id].Role
		if role == nil || role.Trust == nil {
			continue
		}
		want := RoleRequest{Name: role.Name, Unmanaged: !isOurs(org, *role) || state[id].ManagedBy() != ""}
		if want.Unmanaged {
			want.Trust = role.Trust
		} else {
			want.describe(org, *role)
			audiences[audienceOf(org, *role)] = true
			if role.Boundary != "" {
				want.Boundary = facts.ref(role.Boundary)
			}
		}
		for _, p := range on[strings.ToLower(role.Name)] {
			want.addPolicy(facts, p)
		}
		if len(want.Apps) > 0 || want.Unmanaged {
			req.Roles = append(req.Roles, want)
		}
	}
	if len(req.Roles) == 0 {
		return req, nil
	}
	if len(audiences) == 1 && !audiences[req.audience()] {
		req.Audience = slices.Collect(maps.Keys(audiences))[0]
	}
	req.shareRegion()
	req.nameVariables()
	if err := req.Check(); err != nil {
		return req, err
	}
	plan, err := Resolve(req, facts, state)
	if err != nil {
		return req, err
	}
	for _, e := range plan.Extras {
		for i, role := range req.Roles {
			if strings.EqualFold(role.Name, e.Role) && e.Kind != ExtraRole {
				req.Roles[i].Keep = append(req.Roles[i].Keep, e.Keep())
			}
		}
	}
	return req, nil
}

// shareRegion makes the region of the roles' presets the request's, if it is only one.
func (req *Request) shareRegion() {
	var regions []string
	for _, role := range req.Roles {
		if role.Region != "" {
			regions = append(regions, role.Region)
		}
	}
	if regions = sorted(regions); len(regions) != 1 {
		return
	}
	req.Region = regions[0]
	for i := range req.Roles {
		req.Roles[i].Region = ""
	}
}

// nameVariables gives the further roles of an app variables, which IAM does not know: they
// are named after the roles. The role that has the app's default name, or else the first,
// keeps AWS_ROLE_ARN.
func (req *Request) nameVariables() {
	first := map[string]int{} // by app
	for i, role := range req.Roles {
		for _, app := range role.Apps {
			if _, ok := first[app.Name]; !role.Unmanaged && (!ok || role.Name == "fly-"+req.Org+"-"+app.Name) {
				first[app.Name] = i
			}
		}
	}
	taken := map[[2]string]bool{}
	for i, role := range req.Roles {
		for j, app := range role.Apps {
			if role.Unmanaged || app.IsPattern() || first[app.Name] == i {
				continue
			}
			name := variableFor(strings.TrimPrefix(role.Name, "fly-"+req.Org+"-"))
			for taken[[2]string{app.Name, name}] { // names that differ only in punctuation
				name = "_" + name
			}
			taken[[2]string{app.Name, name}] = true
			role.Apps[j].Env = name
		}
	}
}

// variableFor returns the name of a variable for the ARN of a role.
func variableFor(role string) string {
	name := strings.Map(func(r rune) rune {
		if letterOrDigit(r) {
			return r
		}
		return '_'
	}, strings.ToUpper(role))
	if name == "" || name[0] >= '0' && name[0] <= '9' {
		name = "ROLE_" + name
	}
	return name + "_" + EnvRoleARN
}

// describe fills in the settings of a role of ours.
func (want *RoleRequest) describe(org string, role Role) {
	statement, _ := ourStatement(org, role)
	a := takeApart(org, statement)
	machines := a.machines(org)
	for _, name := range slices.Sorted(maps.Keys(machines)) {
		want.Apps = append(want.Apps, App{Name: name, Machines: machines[name]})
	}
	if role.Path != "/" {
		want.Path = role.Path
	}
	want.SessionTags = statement.Covers(trustpolicy.TagSessionAction)
	for key, value := range role.Tags {
		if !isOurTag(key) {
			if want.Tags == nil {
				want.Tags = map[string]string{}
			}
			want.Tags[key] = value
		}
	}
	for _, i := range a.others {
		c := statement.Conditions[i]
		if except, ok := exceptions(org, c); ok {
			want.Except = except
		} else if conditionProblem(c) == "" {
			want.Conditions = append(want.Conditions, c)
		}
	}
}

// exceptions returns the apps that a condition of ours excepts.
func exceptions(org string, c trustpolicy.Condition) ([]string, bool) {
	if !strings.EqualFold(c.Operator, "StringNotLike") || !strings.EqualFold(c.Key, flyname.IssuerPath(org)+":sub") {
		return nil, false
	}
	var out []string
	for _, v := range c.Values {
		s, ok := ourSubject(org, v)
		if !ok || s.Machine != flyname.AnyMachine {
			return nil, false
		}
		out = append(out, s.App)
	}
	return out, true
}

// addPolicy asks for a policy that a role has.
func (want *RoleRequest) addPolicy(facts Facts, p RolePolicy) {
	if p.ARN != "" {
		want.Policies = append(want.Policies, facts.ref(p.ARN))
		return
	}
	if made, where, ok := presetOf(facts, p); ok && (where == "" || want.Region == "" || want.Region == where) {
		want.Presets = append(want.Presets, made)
		if where != "" {
			want.Region = where
		}
		return
	}
	want.Inline = append(want.Inline, InlinePolicy{Name: p.Name, Document: p.Document})
}

// ref returns how a request names a managed policy, and notes its ARN: by its name if it is
// AWS's and directly below the root, so that the name says which, or else by the ARN.
func (f Facts) ref(arn string) string {
	name, ok := strings.CutPrefix(arn, "arn:"+f.Partition+":iam::aws:policy/")
	if !ok || strings.Contains(name, "/") {
		name = arn
	}
	f.Policies[name] = arn
	return name
}

// arnRegion matches an ARN with a region.
var arnRegion = regexp.MustCompile(`arn:[a-z-]+:[a-z0-9-]+:([a-z0-9-]+):`)

// presetOf returns the preset and its answer that make an inline policy, with the region
// that the answer needs.
func presetOf(facts Facts, p RolePolicy) (Preset, string, bool) {
	where := ""
	if found := arnRegion.FindStringSubmatch(p.Document.String()); found != nil {
		where = found[1]
	}
	for _, candidate := range preset.All() {
		rest, ok := strings.CutPrefix(p.Name, candidate.Name+"-")
		if !ok {
			continue
		}
		for _, answer := range []string{strings.NewReplacer("+", "/", ",", ":").Replace(rest), rest} {
			made := Preset{Name: candidate.Name, Answer: answer}
			policy, err := made.policy(preset.Scope{Partition: facts.Partition, Account: facts.Account, Region: where})
			if err == nil && policy.Name == p.Name && policy.Document.Equal(p.Document) {
				if !candidate.NeedsRegion(answer) {
					where = ""
				}
				return made, where, true
			}
		}
	}
	return Preset{}, "", false
}
