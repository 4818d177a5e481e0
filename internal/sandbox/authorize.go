package sandbox

import (
	"net/http"
	"strings"
	"time"

	"github.com/fly-aws/fly-aws/internal/permission"
	"github.com/fly-aws/fly-aws/trustpolicy"
)

// A target is what a call is about, as policies see it.
type target struct {
	arn   string // "*" for an action without resources
	shown string // how IAM's AccessDenied names it, which is often not the ARN
	tags  []tag  // what it has; nil for a new resource
	role  *role  // nil for a new role and for other resources
}

// authorize returns the refusal of a call to IAM that the caller's policies do not allow,
// nil if they do. The caller holds w.mu.
func (r *request) authorize() *apiError {
	on := r.target()
	if err := r.require(r.action, on); err != nil {
		return err
	}
	kind, create := strings.CutPrefix(r.action, "Create")
	switch {
	case create && len(r.requestTags()) > 0:
		// Tags given at creation need the permission to tag as well, for roles and
		// providers (id_tags_roles.html, id_tags_idps_oidc.html) as for the rest. For it
		// the resource has them already: aws:ResourceTag is there "in requests that create
		// a resource with an attached tag" (reference_policies_condition-keys.html).
		on.tags = r.requestTags()
		return r.require("Tag"+kind, on)
	case r.action == "AddRoleToInstanceProfile":
		return r.require("PassRole", r.roleTarget())
	}
	return nil
}

// require returns the refusal of one action of IAM, nil if it is allowed. Undecided counts
// as denied.
func (r *request) require(action string, on target) *apiError {
	keys := r.conditionKeys(action, on)
	action = "iam:" + action
	decision, by := r.world.decide(r.caller, permission.Request{Action: action, Resource: on.arn, Context: keys})
	if decision == trustpolicy.Allowed {
		return nil
	}
	return r.unauthorized(action, on, decision, by)
}

// decide evaluates the caller's policies. by is the type of those that decide.
func (w *World) decide(c caller, q permission.Request) (decision trustpolicy.Decision, by policyType) {
	if c.user != nil {
		return permission.Evaluate(c.user.policies, q), identityBased
	}
	ro := c.session.role
	if w.roles[strings.ToLower(ro.name)] != ro { // deleted
		return trustpolicy.ImplicitlyDenied, identityBased
	}
	var policies []permission.Policy
	for _, doc := range ro.inline {
		policies = append(policies, parsePermissions(doc))
	}
	for _, arn := range ro.attached {
		policies = append(policies, parsePermissions(w.policy(arn).document))
	}
	decision = permission.Evaluate(policies, q)
	if decision == trustpolicy.Allowed && ro.boundary != "" { // which must allow it too (access_policies_boundaries.html)
		boundary := parsePermissions(w.policy(ro.boundary).document)
		return permission.Evaluate([]permission.Policy{boundary}, q), boundaryType
	}
	return decision, identityBased
}

// denied is IAM's error for a caller whose policies do not allow the action. The caller
// holds w.mu.
func (r *request) denied() *apiError {
	if r.action == "AssumeRoleWithWebIdentity" {
		return notAuthorized()
	}
	return r.unauthorized(r.service+":"+r.action, r.target(), trustpolicy.ImplicitlyDenied, identityBased)
}

// unauthorized is AccessDenied in the words of
// https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html.
func (r *request) unauthorized(action string, on target, decision trustpolicy.Decision, by policyType) *apiError {
	why := "because no " + string(by) + " allows the " + action + " action"
	if decision == trustpolicy.ExplicitlyDenied {
		why = "with an explicit deny in " + by.article() + " " + string(by)
	}
	return refuse(http.StatusForbidden, "AccessDenied", "User: %s is not authorized to perform: %s on resource: %s %s",
		r.caller.arn, action, on.shown, why)
}

// policyType is a type of policy, as AccessDenied names it.
type policyType string

const (
	identityBased policyType = "identity-based policy"
	boundaryType  policyType = "permissions boundary"
)

func (t policyType) article() string {
	if t == identityBased {
		return "an"
	}
	return "a"
}

// target returns what a call to IAM is about. The resources are those of the Service
// Authorization Reference
// (https://docs.aws.amazon.com/service-authorization/latest/reference/list_iam.html), which
// has none for ListRoles, ListPolicies and ListOpenIDConnectProviders, nor for actions
// about the account. A resource that does not exist has the ARN it would have without a
// path. The caller holds w.mu.
func (r *request) target() target {
	w, form := r.world, r.form
	path := func(prefix string) string { // of a new resource, or a list
		if p := form.Get(prefix); p != "" {
			return p
		}
		return "/"
	}
	switch {
	case form.Has("InstanceProfileName"):
		name := form.Get("InstanceProfileName")
		if p := w.profiles[strings.ToLower(name)]; p != nil && r.action != "CreateInstanceProfile" {
			return target{arn: p.arn, shown: "instance profile " + name, tags: p.tags}
		}
		return named(w.arn("instance-profile" + path("Path") + name))
	case r.action == "ListInstanceProfiles":
		return named(w.arn("instance-profile" + path("PathPrefix")))
	case r.action == "ListRoles":
		return target{arn: "*", shown: w.arn("role" + path("PathPrefix"))}
	case r.action == "ListPolicies":
		return target{arn: "*", shown: "policy path " + path("PathPrefix")}
	case r.action == "ListOpenIDConnectProviders":
		return target{arn: "*", shown: w.arn("oidc-provider/*")}
	case r.action == "CreateRole":
		return named(w.arn("role" + path("Path") + form.Get("RoleName")))
	case form.Has("RoleName"):
		return r.roleTarget()
	case form.Has("OpenIDConnectProviderArn"):
		on := named(form.Get("OpenIDConnectProviderArn"))
		if p := w.providers[on.arn]; p != nil {
			on.tags = p.tags
		}
		return on
	case form.Has("Url"):
		return named(w.arn("oidc-provider/" + strings.TrimPrefix(form.Get("Url"), "https://")))
	case form.Has("PolicyArn"):
		on := target{arn: form.Get("PolicyArn"), shown: "policy " + form.Get("PolicyArn")}
		if p := w.policy(on.arn); p != nil {
			on.tags = p.tags
		}
		return on
	case form.Has("PolicyName"):
		return target{arn: w.arn("policy" + path("Path") + form.Get("PolicyName")), shown: "policy " + form.Get("PolicyName")}
	}
	return named("*")
}

func named(arn string) target { return target{arn: arn, shown: arn} }

// roleTarget is the role that RoleName names.
func (r *request) roleTarget() target {
	name := r.form.Get("RoleName")
	on := target{arn: r.world.arn("role/" + name), shown: "role " + name}
	if ro := r.world.roles[strings.ToLower(name)]; ro != nil {
		on.arn, on.tags, on.role = ro.arn, ro.tags, ro
	}
	return on
}

// conditionKeys returns the condition keys of an action, as the Service Authorization
// Reference lists them, and the global ones that the sandbox knows
// (reference_policies_condition-keys.html). Keys of IAM that the action does not have are
// absent.
func (r *request) conditionKeys(action string, on target) map[string][]string {
	keys := r.globalKeys()
	for _, absent := range []string{
		"aws:RequestTag/", "aws:TagKeys", "aws:ResourceTag/",
		"iam:ResourceTag/", "iam:PolicyARN", "iam:PermissionsBoundary", "iam:PassedToService",
	} {
		keys[absent] = []string{}
	}
	r.principalKeys(keys)

	for _, t := range r.requestTags() {
		keys["aws:RequestTag/"+t.key] = []string{t.value}
		keys["aws:TagKeys"] = append(keys["aws:TagKeys"], t.key)
	}
	keys["aws:TagKeys"] = append(keys["aws:TagKeys"], r.list("TagKeys")...)
	for _, t := range on.tags {
		keys["aws:ResourceTag/"+t.key] = []string{t.value}
		if on.role != nil { // of users and roles only
			keys["iam:ResourceTag/"+t.key] = []string{t.value}
		}
	}
	switch action {
	case "AttachRolePolicy", "DetachRolePolicy":
		keys["iam:PolicyARN"] = []string{r.form.Get("PolicyArn")}
	case "PassRole":
		keys["iam:PassedToService"] = []string{"ec2.amazonaws.com"}
	}
	if boundary := r.boundaryOf(action, on.role); boundary != "" {
		keys["iam:PermissionsBoundary"] = []string{boundary}
	}
	return keys
}

// boundaryOf returns iam:PermissionsBoundary: the boundary that a call sets, otherwise the
// one that the role has.
func (r *request) boundaryOf(action string, ro *role) string {
	switch action {
	case "CreateRole", "PutRolePermissionsBoundary":
		return r.form.Get("PermissionsBoundary")
	case "AttachRolePolicy", "DetachRolePolicy", "PutRolePolicy", "DeleteRolePolicy", "DeleteRolePermissionsBoundary",
		"GetRole", "UpdateRole", "UpdateAssumeRolePolicy", "DeleteRole":
		if ro != nil {
			return ro.boundary
		}
	}
	return ""
}

// principalKeys adds the condition keys about the caller.
func (r *request) principalKeys(keys map[string][]string) {
	keys["aws:PrincipalAccount"] = []string{r.world.account()}
	keys["aws:userid"] = []string{r.caller.userID}
	if u := r.caller.user; u != nil {
		keys["aws:PrincipalArn"] = []string{u.arn}
		keys["aws:username"] = []string{u.name}
		keys["aws:PrincipalTag/"] = []string{}  // no user has tags
		keys["aws:TokenIssueTime"] = []string{} // of temporary credentials only
		return
	}
	keys["aws:PrincipalArn"] = []string{r.caller.session.role.arn} // of the role, not of the session
	keys["aws:username"] = []string{}
	keys["aws:TokenIssueTime"] = []string{r.caller.session.issued.UTC().Format(time.RFC3339)}
}

// globalKeys returns the condition keys of every request.
func (r *request) globalKeys() map[string][]string {
	host, _, _ := strings.Cut(r.http.RemoteAddr, ":")
	return map[string][]string{
		"aws:SecureTransport": {"true"}, // AWS's endpoints use TLS
		"aws:SourceIp":        {host},
		"aws:CurrentTime":     {r.now.Format(time.RFC3339)},
	}
}

// requestTags returns the tags in the call, which its handler checks.
func (r *request) requestTags() []tag { return (&request{form: r.form}).tags(false) }
