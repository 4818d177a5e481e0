package sandbox

import (
	"strings"
	"time"

	"github.com/fly-aws/fly-aws/trustpolicy"
)

// maxRoles is the quota of roles of an account.
const maxRoles = 1000

// role is an IAM role.
type role struct {
	name, path, id, arn string
	description         string
	created             time.Time
	maxSession          int    // seconds
	document            string // the trust policy as sent
	trust               *trustpolicy.Policy
	trustChanged        time.Time
	boundary            string // ARN of the permissions boundary; "" is none
	tags                []tag
	lastUsed            time.Time         // zero: never
	attached            []string          // ARNs of managed policies
	inline              map[string]string // documents by policy name
}

// addServiceLinkedRoles adds the service-linked roles of a new account.
func (w *World) addServiceLinkedRoles() {
	for _, service := range []string{"Support", "TrustedAdvisor"} {
		host := strings.ToLower(service) + ".amazonaws.com"
		ro := &role{
			name:       "AWSServiceRoleFor" + service,
			path:       "/aws-service-role/" + host + "/",
			id:         w.newID("AROA"),
			created:    w.now(),
			maxSession: 3600,
			document:   `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"` + host + `"},"Action":"sts:AssumeRole"}]}`,
			attached:   []string{"arn:" + w.partition() + ":iam::aws:policy/aws-service-role/AWS" + service + "ServiceRolePolicy"},
		}
		ro.arn = w.arn("role" + ro.path + ro.name)
		w.roles[strings.ToLower(ro.name)] = ro
	}
}

// role returns the role that RoleName names, after all parameters were read.
func (r *request) role() (*role, *apiError) {
	name := r.roleName()
	if err := r.invalid(); err != nil {
		return nil, err
	}
	ro := r.world.roles[strings.ToLower(name)]
	if ro == nil {
		return nil, noSuchEntity("The role with name %s cannot be found.", name)
	}
	return ro, nil
}

// roleToChange is role for actions that change it: it refuses service-linked roles.
func (r *request) roleToChange() (*role, *apiError) {
	ro, err := r.role()
	if err == nil && strings.HasPrefix(ro.path, "/aws-service-role/") {
		return nil, refuse(400, "UnmodifiableEntity", "Cannot perform the operation on the protected role '%s' - this role is only modifiable by AWS", ro.name)
	}
	return ro, err
}

func createRole(r *request) ([]element, *apiError) {
	w := r.world
	name := r.roleName()
	path := r.path()
	doc := r.policyDocument("AssumeRolePolicyDocument")
	ro := &role{
		name:        name,
		path:        path,
		description: r.description(),
		created:     r.now,
		maxSession:  r.integer("MaxSessionDuration", 3600, 43200, 3600),
		boundary:    r.optional("PermissionsBoundary", 20, 2048),
		tags:        r.tags(true),
		inline:      map[string]string{},
	}
	if err := r.invalid(); err != nil {
		return nil, err
	}
	if strings.HasPrefix(path, "/aws-service-role/") {
		return nil, invalidInput("The path %s is reserved for service-linked roles.", path)
	}
	if err := w.setTrust(ro, doc, r.now); err != nil {
		return nil, err
	}
	if w.roles[strings.ToLower(name)] != nil {
		return nil, alreadyExists("Role with name %s already exists.", name)
	}
	if len(w.roles) >= maxRoles {
		return nil, limitExceeded("Cannot exceed quota for RolesPerAccount: %d", maxRoles)
	}
	if ro.boundary != "" {
		if err := w.checkBoundary(ro.boundary); err != nil {
			return nil, err
		}
	}
	ro.id = w.newID("AROA")
	ro.arn = w.arn("role" + path + name)
	w.roles[strings.ToLower(name)] = ro
	return []element{elem("Role", ro.elements(true)...)}, nil
}

// setTrust sets the role's trust policy, if IAM would accept it.
func (w *World) setTrust(ro *role, doc string, now time.Time) *apiError {
	trust, err := w.checkTrust(doc)
	if err != nil {
		return err
	}
	ro.document, ro.trust, ro.trustChanged = doc, trust, now
	return nil
}

// elements is the role as the API returns it. ListRoles leaves out the boundary
// and the tags: https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListRoles.html.
func (ro *role) elements(whole bool) []element {
	out := []element{
		text("Path", ro.path),
		text("RoleName", ro.name),
		text("RoleId", ro.id),
		text("Arn", ro.arn),
		date("CreateDate", ro.created),
		document("AssumeRolePolicyDocument", ro.document),
		number("MaxSessionDuration", ro.maxSession),
	}
	if ro.description != "" {
		out = append(out, text("Description", ro.description))
	}
	if whole {
		out = append(out, ro.boundaryAndTags()...)
	}
	return out
}

func (ro *role) boundaryAndTags() []element {
	var out []element
	if ro.boundary != "" {
		out = append(out, elem("PermissionsBoundary",
			text("PermissionsBoundaryType", "PermissionsBoundaryPolicy"),
			text("PermissionsBoundaryArn", ro.boundary)))
	}
	if len(ro.tags) > 0 {
		out = append(out, tagList(ro.tags))
	}
	return out
}

// use is when the role was last assumed.
func (ro *role) use(w *World) element {
	if ro.lastUsed.IsZero() {
		return elem("RoleLastUsed")
	}
	return elem("RoleLastUsed", date("LastUsedDate", ro.lastUsed), text("Region", w.region()))
}

func getRole(r *request) ([]element, *apiError) {
	ro, err := r.role()
	if err != nil {
		return nil, err
	}
	return []element{elem("Role", append(ro.elements(true), ro.use(r.world))...)}, nil
}

func listRoles(r *request) ([]element, *apiError) {
	prefix := r.pathPrefix()
	var roles []*role
	for _, ro := range r.world.roles {
		if strings.HasPrefix(ro.path, prefix) {
			roles = append(roles, ro)
		}
	}
	roles, more, err := page(r, roles, func(ro *role) string { return ro.name })
	if err != nil {
		return nil, err
	}
	list := members("Roles", roles, func(ro *role) element { return elem("", ro.elements(false)...) })
	return append([]element{list}, more...), nil
}

func updateRole(r *request) ([]element, *apiError) {
	description := r.description()
	maxSession := r.integer("MaxSessionDuration", 3600, 43200, 0)
	ro, err := r.roleToChange()
	if err != nil {
		return nil, err
	}
	if r.form.Has("Description") {
		ro.description = description
	}
	if maxSession != 0 {
		ro.maxSession = maxSession
	}
	return []element{}, nil
}

func updateAssumeRolePolicy(r *request) ([]element, *apiError) {
	doc := r.policyDocument("PolicyDocument")
	ro, err := r.roleToChange()
	if err != nil {
		return nil, err
	}
	return nil, r.world.setTrust(ro, doc, r.now)
}

func deleteRole(r *request) ([]element, *apiError) {
	ro, err := r.roleToChange()
	switch {
	case err != nil:
		return nil, err
	case len(ro.attached) > 0:
		return nil, deleteConflict("Cannot delete entity, must detach all policies first.")
	case len(ro.inline) > 0:
		return nil, deleteConflict("Cannot delete entity, must delete policies first.")
	case len(r.world.profilesOf(ro)) > 0:
		return nil, deleteConflict("Cannot delete entity, must remove roles from instance profile first.")
	}
	delete(r.world.roles, strings.ToLower(ro.name))
	return nil, nil
}

func tagRole(r *request) ([]element, *apiError) {
	tags := r.tags(true)
	ro, err := r.roleToChange()
	if err != nil {
		return nil, err
	}
	return nil, setTags(&ro.tags, tags, true)
}

func untagRole(r *request) ([]element, *apiError) {
	keys := r.tagKeys()
	ro, err := r.roleToChange()
	if err != nil {
		return nil, err
	}
	ro.tags = withoutTags(ro.tags, keys, true)
	return nil, nil
}

func listRoleTags(r *request) ([]element, *apiError) {
	ro, err := r.role()
	if err != nil {
		return nil, err
	}
	return tagPage(r, ro.tags)
}

func putBoundary(r *request) ([]element, *apiError) {
	arn := r.required("PermissionsBoundary", 20, 2048)
	ro, err := r.roleToChange()
	if err != nil {
		return nil, err
	}
	if err := r.world.checkBoundary(arn); err != nil {
		return nil, err
	}
	ro.boundary = arn
	return nil, nil
}

func deleteBoundary(r *request) ([]element, *apiError) {
	ro, err := r.roleToChange()
	if err != nil {
		return nil, err
	}
	if ro.boundary == "" {
		return nil, noSuchEntity("Role %s does not have a permissions boundary.", ro.name)
	}
	ro.boundary = ""
	return nil, nil
}

// checkBoundary checks that a managed policy can be a permissions boundary.
func (w *World) checkBoundary(arn string) *apiError {
	p := w.policy(arn)
	switch {
	case p == nil:
		return noSuchEntity("Scope ARN: %s does not exist or is not attachable.", arn)
	case !p.attachable():
		return refuse(400, "PolicyNotAttachable", "Cannot attach a Service Role Policy to a Customer Role.")
	}
	return nil
}
