package sandbox

import (
	_ "embed"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Quotas of customer-managed policies.
const (
	maxPolicies   = 1500
	maxPolicySize = 6144
)

// policy is a managed policy, the account's or AWS's.
type policy struct {
	name, path, id, arn string
	version             string
	document            string // "" when the sandbox does not have it
	description         string
	created, updated    time.Time
	tags                []tag
	aws                 bool
}

// attachable reports whether the policy can be attached to a role of the account.
func (p *policy) attachable() bool { return !strings.HasPrefix(p.path, "/aws-service-role/") }

//go:embed managed_policies.tsv
var managedPolicies string

// awsPolicies holds the AWS-managed policies by path and name. A line of the
// table is path, name, default version, creation, last update, for the short ones
// the document, and the description, "" where it is not known. The description is
// GetPolicy's without trailing blanks, from AWS's Managed Policy Reference Guide
// and the records of github.com/cloudy-native/aws-managed-policies and
// github.com/udondan/iam-floyd. The rest is as AWS published it in May 2026, except
// that the IDs are made up, and that the documents of ReadOnlyAccess and SecurityAudit
// have only a few of their actions.
// https://docs.aws.amazon.com/aws-managed-policy/latest/reference/policy-list.html
var awsPolicies = sync.OnceValue(func() map[string]*policy {
	out := make(map[string]*policy)
	for line := range strings.Lines(managedPolicies) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		p := &policy{path: f[0], name: f[1], version: f[2], document: f[5], description: f[6], aws: true}
		p.created, _ = time.Parse(time.RFC3339, f[3])
		p.updated, _ = time.Parse(time.RFC3339, f[4])
		p.id = "ANPA" + digest(p.name)[:17]
		out[p.path+p.name] = p
	}
	return out
})

// policy returns the managed policy with that ARN, nil if there is none.
func (w *World) policy(arn string) *policy {
	if resource, ok := strings.CutPrefix(arn, "arn:"+w.partition()+":iam::aws:policy"); ok {
		if p := awsPolicies()[resource]; p != nil {
			return p.in(w.partition())
		}
		return nil
	}
	return w.policies[arn]
}

// in returns the AWS policy in a partition.
func (p *policy) in(partition string) *policy {
	q := *p
	q.arn = "arn:" + partition + ":iam::aws:policy" + p.path + p.name
	q.document = strings.ReplaceAll(p.document, `"arn:aws:`, `"arn:`+partition+`:`)
	return &q
}

func createPolicy(r *request) ([]element, *apiError) {
	w := r.world
	p := &policy{
		name:        r.name("PolicyName", 128),
		path:        r.path(),
		version:     "v1",
		document:    r.policyDocument("PolicyDocument"),
		description: r.description(),
		created:     r.now,
		updated:     r.now,
		tags:        r.tags(false),
	}
	if err := r.invalid(); err != nil {
		return nil, err
	}
	if err := w.checkPermissions(p.document); err != nil {
		return nil, err
	}
	if compactSize(p.document) > maxPolicySize {
		return nil, limitExceeded("Cannot exceed quota for PolicySize: %d", maxPolicySize)
	}
	for _, other := range w.policies {
		if strings.EqualFold(other.name, p.name) {
			return nil, alreadyExists("A policy called %s already exists. Duplicate names are not allowed.", p.name)
		}
	}
	if len(w.policies) >= maxPolicies {
		return nil, limitExceeded("Cannot exceed quota for PoliciesPerAccount: %d", maxPolicies)
	}
	p.id = w.newID("ANPA")
	p.arn = w.arn("policy" + p.path + p.name)
	w.policies[p.arn] = p
	return []element{elem("Policy", w.policyElements(p, true)...)}, nil
}

// policyElements is a managed policy as the API returns it. ListPolicies leaves out
// the description and the tags.
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListPolicies.html
func (w *World) policyElements(p *policy, whole bool) []element {
	attached, bounded := w.usage(p.arn)
	out := []element{
		text("PolicyName", p.name),
		text("PolicyId", p.id),
		text("Arn", p.arn),
		text("Path", p.path),
		text("DefaultVersionId", p.version),
		number("AttachmentCount", len(attached)),
		number("PermissionsBoundaryUsageCount", len(bounded)),
		boolean("IsAttachable", true),
		date("CreateDate", p.created),
		date("UpdateDate", p.updated),
	}
	if whole && p.description != "" {
		out = append(out, text("Description", p.description))
	}
	if whole && len(p.tags) > 0 {
		out = append(out, tagList(p.tags))
	}
	return out
}

// usage returns the roles that have the policy attached and those that have it as
// their boundary.
func (w *World) usage(arn string) (attached, bounded []*role) {
	for _, ro := range w.roles {
		if slices.Contains(ro.attached, arn) {
			attached = append(attached, ro)
		}
		if ro.boundary == arn {
			bounded = append(bounded, ro)
		}
	}
	return attached, bounded
}

// managedPolicy returns the policy that PolicyArn names.
func (r *request) managedPolicy() (*policy, *apiError) {
	arn := r.policyARN()
	if err := r.invalid(); err != nil {
		return nil, err
	}
	p := r.world.policy(arn)
	if p == nil {
		return nil, noSuchEntity("Policy %s was not found.", arn)
	}
	return p, nil
}

func getPolicy(r *request) ([]element, *apiError) {
	p, err := r.managedPolicy()
	if err != nil {
		return nil, err
	}
	return []element{elem("Policy", r.world.policyElements(p, true)...)}, nil
}

func getPolicyVersion(r *request) ([]element, *apiError) {
	version := r.required("VersionId", 1, 128)
	p, err := r.managedPolicy()
	switch {
	case err != nil:
		return nil, err
	case version != p.version:
		return nil, noSuchEntity("Policy %s version %s does not exist or is not attachable.", p.arn, version)
	case p.document == "": // so that clients go on as if the policy had been deleted
		return nil, noSuchEntity("The sandbox does not have the document of %s.", p.arn)
	}
	return []element{elem("PolicyVersion", versionElements(p)...)}, nil
}

func versionElements(p *policy) []element {
	return []element{
		document("Document", p.document),
		text("VersionId", p.version),
		boolean("IsDefaultVersion", true),
		date("CreateDate", p.updated),
	}
}

// notInSandbox is the error for something that AWS has and the sandbox lacks. Its
// code is not AWS's, so that it is not mistaken for an AWS error.
func notInSandbox(what string) *apiError {
	return refuse(http.StatusNotImplemented, "NotInSandbox", "The sandbox does not have %s.", what)
}

func listPolicies(r *request) ([]element, *apiError) {
	w := r.world
	scope := r.enum("Scope", "All", "AWS", "Local")
	usage := r.enum("PolicyUsageFilter", "PermissionsPolicy", "PermissionsBoundary")
	onlyAttached := r.form.Get("OnlyAttached") == "true"
	prefix := r.pathPrefix()
	var found []*policy
	consider := func(p *policy) {
		if !strings.HasPrefix(p.path, prefix) {
			return
		}
		attached, bounded := w.usage(p.arn)
		switch {
		case usage == "PermissionsPolicy" && len(attached) == 0,
			usage == "PermissionsBoundary" && len(bounded) == 0,
			onlyAttached && len(attached)+len(bounded) == 0:
			return
		}
		found = append(found, p)
	}
	if scope != "AWS" {
		for _, p := range w.policies {
			consider(p)
		}
	}
	if scope != "Local" {
		for _, p := range awsPolicies() {
			consider(p.in(w.partition()))
		}
	}
	found, more, err := page(r, found, func(p *policy) string { return p.arn })
	if err != nil {
		return nil, err
	}
	list := members("Policies", found, func(p *policy) element { return elem("", w.policyElements(p, false)...) })
	return append([]element{list}, more...), nil
}

func listEntitiesForPolicy(r *request) ([]element, *apiError) {
	kind := r.enum("EntityFilter", "User", "Role", "Group", "LocalManagedPolicy", "AWSManagedPolicy")
	usage := r.enum("PolicyUsageFilter", "PermissionsPolicy", "PermissionsBoundary")
	prefix := r.pathPrefix()
	p, err := r.managedPolicy()
	if err != nil {
		return nil, err
	}
	attached, bounded := r.world.usage(p.arn)
	var roles []*role
	if usage != "PermissionsBoundary" {
		roles = append(roles, attached...)
	}
	if usage != "PermissionsPolicy" {
		for _, ro := range bounded {
			if !slices.Contains(roles, ro) {
				roles = append(roles, ro)
			}
		}
	}
	roles = slices.DeleteFunc(roles, func(ro *role) bool {
		return kind != "" && kind != "Role" || !strings.HasPrefix(ro.path, prefix)
	})
	roles, more, err := page(r, roles, func(ro *role) string { return ro.name })
	if err != nil {
		return nil, err
	}
	list := members("PolicyRoles", roles, func(ro *role) element {
		return elem("", text("RoleName", ro.name), text("RoleId", ro.id))
	})
	return append([]element{elem("PolicyGroups"), elem("PolicyUsers"), list}, more...), nil
}

func deletePolicy(r *request) ([]element, *apiError) {
	p, err := r.managedPolicy()
	if err != nil {
		return nil, err
	}
	if p.aws {
		return nil, refuse(http.StatusForbidden, "AccessDenied", "User: %s is not authorized to perform: iam:DeletePolicy on resource: policy %s", r.caller.arn, p.arn)
	}
	if attached, bounded := r.world.usage(p.arn); len(attached)+len(bounded) > 0 {
		return nil, deleteConflict("Cannot delete a policy attached to entities.")
	}
	delete(r.world.policies, p.arn)
	return nil, nil
}
