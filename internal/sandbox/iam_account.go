package sandbox

import (
	"slices"
)

func listAccountAliases(r *request) ([]element, *apiError) {
	var aliases []string
	if r.world.Alias != "" {
		aliases = []string{r.world.Alias}
	}
	aliases, more, err := page(r, aliases, func(s string) string { return s })
	if err != nil {
		return nil, err
	}
	return append([]element{texts("AccountAliases", aliases)}, more...), nil
}

func getAccountSummary(r *request) ([]element, *apiError) {
	w := r.world
	summary := []struct {
		key   string
		value int
	}{
		{"AccessKeysPerUserQuota", 2},
		{"AccountMFAEnabled", 1},
		{"AssumeRolePolicySizeQuota", w.trustPolicyQuota()},
		{"AttachedPoliciesPerRoleQuota", maxAttached},
		{"InstanceProfiles", len(w.profiles)},
		{"InstanceProfilesQuota", maxProfiles},
		{"Policies", len(w.policies)},
		{"PoliciesQuota", maxPolicies},
		{"PolicySizeQuota", maxPolicySize},
		{"Providers", len(w.providers)},
		{"RolePolicySizeQuota", maxInlineSize},
		{"Roles", len(w.roles)},
		{"RolesQuota", maxRoles},
		{"Users", len(w.users)},
		{"UsersQuota", 5000},
		{"VersionsPerPolicyQuota", 5},
	}
	list := elem("SummaryMap")
	for _, s := range summary {
		list.children = append(list.children, elem("entry", text("key", s.key), number("value", s.value)))
	}
	return []element{list}, nil
}

// getAccountAuthorizationDetails returns roles and customer-managed policies.
// A role's description and maximum session duration are not among its details:
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_RoleDetail.html.
func getAccountAuthorizationDetails(r *request) ([]element, *apiError) {
	w := r.world
	filter := r.list("Filter")
	for _, f := range filter {
		switch f {
		case "Role", "LocalManagedPolicy", "User", "Group":
		case "AWSManagedPolicy":
			r.notAllowed(notInSandbox("the documents of AWS-managed policies"))
		default:
			r.problem("filter", "Member must satisfy constraint: [Member must satisfy enum value set: [User, Role, Group, LocalManagedPolicy, AWSManagedPolicy]]")
		}
	}
	wanted := func(kind string) bool { return len(filter) == 0 || slices.Contains(filter, kind) }

	// One list of both kinds, so that a page can end between or within them.
	type entry struct {
		key    string
		role   *role
		policy *policy
	}
	var entries []entry
	if wanted("Role") {
		for _, ro := range w.roles {
			entries = append(entries, entry{key: "role " + ro.name, role: ro})
		}
	}
	if wanted("LocalManagedPolicy") {
		for arn, p := range w.policies {
			entries = append(entries, entry{key: "policy " + arn, policy: p})
		}
	}
	entries, more, err := page(r, entries, func(e entry) string { return e.key })
	if err != nil {
		return nil, err
	}
	var roles []*role
	var policies []*policy
	for _, e := range entries {
		if e.role != nil {
			roles = append(roles, e.role)
		} else {
			policies = append(policies, e.policy)
		}
	}
	return append([]element{
		elem("UserDetailList"),
		elem("GroupDetailList"),
		members("RoleDetailList", roles, w.roleDetail),
		members("Policies", policies, func(p *policy) element {
			versions := elem("PolicyVersionList", elem("member", versionElements(p)...))
			return elem("", append(w.policyElements(p, false), versions)...)
		}),
	}, more...), nil
}

func (w *World) roleDetail(ro *role) element {
	details := []element{
		text("Path", ro.path),
		text("RoleName", ro.name),
		text("RoleId", ro.id),
		text("Arn", ro.arn),
		date("CreateDate", ro.created),
		document("AssumeRolePolicyDocument", ro.document),
		profileList("InstanceProfileList", w.profilesOf(ro)),
		members("RolePolicyList", sortedNames(ro.inline), func(name string) element {
			return elem("", text("PolicyName", name), document("PolicyDocument", ro.inline[name]))
		}),
		attachedList("AttachedManagedPolicies", ro.attached),
		ro.use(w),
	}
	return elem("", append(details, ro.boundaryAndTags()...)...)
}
