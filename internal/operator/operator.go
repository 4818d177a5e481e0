package operator

import (
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/fly-aws/fly-aws/setup"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

// A Job is what someone runs fly-aws for.
type Job string

// The jobs.
const (
	JobSetup   Job = "setup"   // setup and apply, with --prune
	JobPlan    Job = "plan"    // plan; it only reads
	JobAudit   Job = "audit"   // audit, import, explain and any plan of the organization; it only reads
	JobDestroy Job = "destroy" // destroy
)

// Jobs returns all jobs.
func Jobs() []Job { return []Job{JobSetup, JobPlan, JobAudit, JobDestroy} }

// New returns the policy for a job on what a request names, in the partition and the account
// of facts. The request must have passed Check, but it may have no roles: then it is about
// every role with a default name.
//
// A request from a file is what may be done: the policies that it names may be attached, and
// its boundaries must be set. One without a file says only which roles it is about, and they
// may get any policy. Adopt allows to take over the request's roles that nobody has tagged.
//
// If the policy is too large with the name of each role, it has a pattern for the default
// names, and a role may get the policies of others; which boundary a role must have stays.
// The error is a *SizeError.
func New(job Job, facts setup.Facts, req setup.Request) (*Policy, error) {
	g := generator{facts: facts, req: req, provider: List{trustpolicy.ProviderARN(facts.Partition, facts.Account, req.Org)}}
	g.needsQuota = slices.ContainsFunc(req.Roles, g.isLarge)
	if len(req.Roles) == 0 {
		g.req.Roles = []setup.RoleRequest{g.pattern("")}
	}
	p := g.policy(job)
	if p.Size() > MaxSize {
		g.compact = true
		p = g.policy(job)
	}
	if size := p.Size(); size > MaxSize {
		return nil, &SizeError{Size: size}
	}
	return p, nil
}

// A generator makes the policy for one request.
type generator struct {
	facts      setup.Facts
	req        setup.Request
	provider   List
	needsQuota bool
	compact    bool // patterns, and fewer statements
	statements []Statement
}

// policy makes the policy for a job.
func (g *generator) policy(job Job) *Policy {
	g.statements = nil
	everything := g.req.File != "" && !g.req.Partial
	of := g.req.Roles // the roles that the job may be about
	if job == JobAudit || everything && job != JobPlan {
		of = g.widen(append([]setup.RoleRequest{g.pattern("")}, of...))
	} else if g.compact {
		of = g.widen(of)
	}
	if job == JobAudit { // of every organization's provider
		g.allow("ReadAccount", List{"*"}, nil, "iam:ListOpenIDConnectProviders")
		g.allow("Provider", List{strings.TrimSuffix(g.provider[0], g.req.Org) + "*"}, nil, "iam:GetOpenIDConnectProvider")
	} else {
		g.allow("Provider", g.provider, nil, "iam:GetOpenIDConnectProvider")
	}
	g.allow("ReadRoles", g.readable(of), nil, "iam:GetRole", "iam:ListAttachedRolePolicies", "iam:ListRolePolicies", "iam:GetRolePolicy")
	if job != JobDestroy {
		iam := "arn:" + g.facts.Partition + ":iam::"
		g.allow("ReadPolicies", List{iam + "aws:policy/*", iam + g.facts.Account + ":policy/*"}, nil, "iam:GetPolicy", "iam:GetPolicyVersion")
	}
	if everything || job == JobAudit || job == JobDestroy {
		g.allow("ReadAccount", List{"*"}, nil, "iam:GetAccountAuthorizationDetails")
	}
	if g.needsQuota && (job == JobSetup || job == JobPlan) {
		g.allow("ReadAccount", List{"*"}, nil, "iam:GetAccountSummary")
	}
	switch job {
	case JobSetup:
		g.change()
		if everything { // it may have made roles that it no longer names
			g.remove(of)
		}
	case JobDestroy:
		g.remove(of)
		g.allow("DeleteProvider", g.provider, equals("aws:ResourceTag/"+setup.TagOrg, g.req.Org), "iam:DeleteOpenIDConnectProvider")
	}
	return &Policy{Version: trustpolicy.Version2012, Statement: g.statements}
}

// change allows to create and change the provider and the request's roles.
func (g *generator) change() {
	org, fromFile := g.req.Org, g.req.File != ""
	requested := equals("aws:RequestTag/"+setup.TagOrg, org)
	ours := equals("iam:ResourceTag/"+setup.TagOrg, org)
	// What is created has its tags when IAM asks for the permission to tag it: aws:ResourceTag
	// is present "in requests that create a resource with an attached tag"
	// (reference_policies_condition-keys.html). iam:ResourceTag need not be.
	oursOrNew := equals("aws:ResourceTag/"+setup.TagOrg, org)
	roles := managed(g.req.Roles)
	boundary := func(r setup.RoleRequest) string { return r.Boundary }
	wide, policies := roles, func(r setup.RoleRequest) string {
		return strings.Join(append([]string{r.Boundary}, r.Policies...), "\n")
	}
	if g.compact {
		wide, policies = g.widen(roles), boundary
		if len(by(roles, boundary)) == 1 { // else a pattern would need several
			roles = wide
		}
	}
	all, byBoundary := g.arns(wide), by(roles, boundary)

	g.allow("CreateProvider", g.provider, requested, "iam:CreateOpenIDConnectProvider")
	g.allow("ChangeProvider", g.provider, oursOrNew, "iam:TagOpenIDConnectProvider")
	if g.req.Adopt {
		g.allow("Provider", g.provider, nil, "iam:AddClientIDToOpenIDConnectProvider")
	} else {
		g.allow("ChangeProvider", g.provider, oursOrNew, "iam:AddClientIDToOpenIDConnectProvider")
	}
	for _, of := range byBoundary {
		g.allow("CreateRoles", g.arns(of), g.bounded(of[0], requested), "iam:CreateRole")
	}
	g.allow("TagRoles", all, oursOrNew.and("StringEqualsIfExists", "aws:RequestTag/"+setup.TagOrg, org), "iam:TagRole")
	if g.req.Adopt {
		g.allow("AdoptRoles", all, requested.and("Null", "aws:ResourceTag/"+setup.TagOrg, "true"), "iam:TagRole")
	}
	g.allow("ChangeRoles", all, ours, "iam:UpdateAssumeRolePolicy")
	if !fromFile { // else only roles that the file made are pruned: see remove
		g.allow("ChangeRoles", all, ours, "iam:DetachRolePolicy", "iam:DeleteRolePolicy")
	}
	g.allow("ChangeSessions", g.arns(those(wide, func(r setup.RoleRequest) bool { return !fromFile || r.MaxSession != 0 })), ours, "iam:UpdateRole")
	for _, of := range byBoundary {
		when := g.bounded(of[0], ours)
		if of[0].Boundary != "" {
			g.allow("BoundRoles", g.arns(of), when, "iam:PutRolePermissionsBoundary")
		}
		inline := those(of, func(r setup.RoleRequest) bool { return !fromFile || len(r.Inline)+len(r.Presets) > 0 })
		g.allow("WritePolicies", g.arns(inline), when, "iam:PutRolePolicy")
	}
	if !fromFile {
		g.allow("AttachPolicies", all, ours, "iam:AttachRolePolicy")
		return
	}
	for _, of := range by(those(roles, func(r setup.RoleRequest) bool { return len(r.Policies) > 0 }), policies) {
		var arns List
		for _, r := range of {
			for _, ref := range r.Policies {
				arns = append(arns, g.facts.PolicyARNs(ref)...)
			}
		}
		g.allow("AttachPolicies", g.arns(of), g.bounded(of[0], ours).and("ArnEquals", "iam:PolicyARN", distinct(arns)...), "iam:AttachRolePolicy")
	}
}

// remove allows to remove roles, or what is ours of them; of a file only those it made.
func (g *generator) remove(roles []setup.RoleRequest) {
	when := equals("iam:ResourceTag/"+setup.TagOrg, g.req.Org)
	if g.req.File != "" {
		when = when.and("StringEquals", "iam:ResourceTag/"+setup.TagFile, g.req.File)
	}
	g.allow("RemoveRoles", g.arns(managed(roles)), when,
		"iam:DetachRolePolicy", "iam:DeleteRolePolicy", "iam:DeleteRole", "iam:UpdateAssumeRolePolicy", "iam:UntagRole")
}

// allow adds actions to the statement with these resources and conditions, or a new one.
// Without resources there is nothing to allow.
func (g *generator) allow(sid string, resources List, when Condition, actions ...string) {
	if len(resources) == 0 {
		return
	}
	names := 0
	for i, s := range g.statements {
		if slices.Equal(s.Resource, resources) && reflect.DeepEqual(s.Condition, when) {
			g.statements[i].Action = slices.Concat(s.Action, actions)
			return
		}
		if strings.TrimRight(s.Sid, "0123456789") == sid {
			names++
		}
	}
	if names > 0 {
		sid += strconv.Itoa(names + 1)
	}
	g.statements = append(g.statements, Statement{Sid: sid, Effect: "Allow", Action: actions, Resource: resources, Condition: when})
}

// by groups roles by a key, in their order.
func by(roles []setup.RoleRequest, key func(setup.RoleRequest) string) [][]setup.RoleRequest {
	var groups [][]setup.RoleRequest
	place := map[string]int{}
	for _, r := range roles {
		i, ok := place[key(r)]
		if !ok {
			i = len(groups)
			place[key(r)], groups = i, append(groups, nil)
		}
		groups[i] = append(groups[i], r)
	}
	return groups
}

// those returns the roles that want is true for.
func those(roles []setup.RoleRequest, want func(setup.RoleRequest) bool) []setup.RoleRequest {
	return slices.DeleteFunc(slices.Clone(roles), func(r setup.RoleRequest) bool { return !want(r) })
}

// managed returns the roles that are not only watched.
func managed(roles []setup.RoleRequest) []setup.RoleRequest {
	return those(roles, func(r setup.RoleRequest) bool { return !r.Unmanaged })
}

// arns returns the ARNs of the roles.
func (g *generator) arns(roles []setup.RoleRequest) List {
	var out List
	for _, r := range roles {
		out = append(out, g.arn(r.Path, g.req.RoleName(r)))
	}
	return distinct(out)
}

func (g *generator) arn(path, name string) string {
	// A dollar sign in a path must not begin a policy variable
	// (reference_policies_variables.html).
	return setup.RoleARN(g.facts.Partition, g.facts.Account, strings.ReplaceAll(path, "$", "${$}"), name)
}

// readable is arns for calls that read: a role that does not exist has no path yet.
func (g *generator) readable(roles []setup.RoleRequest) List {
	out := g.arns(roles)
	for _, r := range roles {
		out = append(out, g.arn("", g.req.RoleName(r)))
	}
	return distinct(out)
}

// pattern stands for the roles with default names in a path.
func (g *generator) pattern(path string) setup.RoleRequest {
	return setup.RoleRequest{Name: "fly-" + g.req.Org + "-*", Path: path}
}

// widen replaces roles with default names by patterns, one for each path, which have the
// policies and settings of all of their roles.
func (g *generator) widen(roles []setup.RoleRequest) []setup.RoleRequest {
	var wide []setup.RoleRequest
	for _, of := range by(roles, func(r setup.RoleRequest) string { return strings.TrimSuffix(r.Path, "/") }) {
		p, found := g.pattern(of[0].Path), false
		var others []setup.RoleRequest
		for _, r := range of {
			if r.Unmanaged || !strings.HasPrefix(g.req.RoleName(r), strings.TrimSuffix(p.Name, "*")) {
				others = append(others, r)
				continue
			}
			found = true
			p.Boundary, p.MaxSession = r.Boundary, max(p.MaxSession, r.MaxSession)
			p.Policies = append(p.Policies, r.Policies...)
			p.Inline, p.Presets = append(p.Inline, r.Inline...), append(p.Presets, r.Presets...)
		}
		if found {
			wide = append(wide, p)
		}
		wide = append(wide, others...)
	}
	return wide
}

// bounded adds that the role has its boundary, if it is to have one.
func (g *generator) bounded(role setup.RoleRequest, when Condition) Condition {
	if role.Boundary == "" {
		return when
	}
	return when.and("StringEquals", "iam:PermissionsBoundary", g.facts.PolicyARNs(role.Boundary)...)
}

// isLarge says whether the role's trust policy has more characters than the default quota,
// so that the account's own has to be read.
func (g *generator) isLarge(role setup.RoleRequest) bool {
	access := trustpolicy.AppAccess{Partition: g.facts.Partition, Account: g.facts.Account, Org: g.req.Org, Audience: g.req.Audience}
	for _, app := range role.Apps {
		access.Apps = append(access.Apps, app.Name)
	}
	s, err := trustpolicy.Build(access)
	return err == nil && trustpolicy.New(s).Size() > trustpolicy.DefaultSizeQuota
}

// equals is the condition that a key has a value.
func equals(key, value string) Condition {
	return Condition{"StringEquals": {key: {value}}}
}

// and returns the condition with one more.
func (c Condition) and(operator, key string, values ...string) Condition {
	out := Condition{}
	for op, keys := range c {
		out[op] = maps.Clone(keys)
	}
	if out[operator] == nil {
		out[operator] = map[string]List{}
	}
	out[operator][key] = values
	return out
}

// distinct returns the ARNs that are not the same as an earlier one and that no pattern
// among them matches.
func distinct(arns List) List {
	var out List
	for i, arn := range arns {
		covered := slices.Contains(arns[:i], arn) || slices.ContainsFunc(arns, func(p string) bool {
			prefix, isPattern := strings.CutSuffix(p, "*")
			return isPattern && p != arn && strings.HasPrefix(arn, prefix)
		})
		if !covered {
			out = append(out, arn)
		}
	}
	return out
}
