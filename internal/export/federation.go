// Package export writes what a plan leaves in an AWS account as code: Terraform or
// CloudFormation.
package export

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/fly-aws/fly-aws/setup"
)

// Mark is in the first line of every exported file. A file with another first line was not
// made by an export.
const Mark = "Made by fly-aws export"

// ErrNothing says that a plan leaves nothing of fly-aws's in the account, so that there is
// nothing to export: all its roles are only watched.
var ErrNothing = errors.New("nothing to export: every role of the request is only watched")

// A federation is what a plan leaves in the account.
type federation struct {
	plan     *setup.Plan
	provider provider
	roles    []role
	// deleted are the policies and roles that the plan deletes.
	deleted []setup.Resource
}

type provider struct {
	setup.Provider
	exists bool
}

type role struct {
	setup.Role
	// key is a short name of the role, different from those of the others.
	key              string
	exists           bool
	attached, inline []policy
}

type policy struct {
	setup.RolePolicy
	exists bool
}

// newFederation takes a plan apart. If manager is not empty, provider and roles are handed
// over to it. The error is ErrNothing, or a *setup.ConflictError.
func newFederation(plan *setup.Plan, manager string) (*federation, error) {
	if conflicts := plan.Conflicts(); len(conflicts) > 0 {
		return nil, &setup.ConflictError{Conflicts: conflicts}
	}
	f := &federation{plan: plan}
	places := map[string]int{} // of the roles, by name
	for _, c := range plan.Changes {
		exists := c.Action != setup.ActionCreate
		r := c.Resource()
		switch {
		case r.Env != nil:
		case c.After == nil:
			f.deleted = append(f.deleted, r)
		case r.Provider != nil:
			f.provider = provider{*r.Provider, exists}
			f.provider.Tags = handedOver(r.Provider.Tags, manager)
		case r.Role != nil && c.Action == setup.ActionUpdate && !f.names(r.Role.Name):
			f.deleted = append(f.deleted, r) // a role that loses only what is ours
		case r.Role != nil:
			places[r.Role.Name] = len(f.roles)
			f.roles = append(f.roles, role{Role: *r.Role, exists: exists})
			f.roles[len(f.roles)-1].Tags = handedOver(r.Role.Tags, manager)
		case r.Policy.ARN != "":
			on := &f.roles[places[r.Policy.Role]]
			on.attached = append(on.attached, policy{*r.Policy, exists})
		default:
			on := &f.roles[places[r.Policy.Role]]
			on.inline = append(on.inline, policy{*r.Policy, exists})
		}
	}
	if f.provider.ARN == "" {
		return nil, ErrNothing
	}
	f.nameRoles()
	return f, nil
}

// names says whether the plan's request names the role.
func (f *federation) names(role string) bool {
	return slices.Contains(f.plan.Request.RoleNames(), role)
}

// handedOver returns the tags with the one that says who manages the resource.
func handedOver(tags map[string]string, manager string) map[string]string {
	if manager == "" {
		return tags
	}
	out := map[string]string{setup.TagManagedBy: manager}
	for key, value := range tags {
		if !strings.EqualFold(key, setup.TagManagedBy) {
			out[key] = value
		}
	}
	return out
}

// nameRoles gives the roles their keys: the app's name for a role of the default name,
// unless another role has that name, and the role's name otherwise.
func (f *federation) nameRoles() {
	taken := map[string]int{}
	short := func(r role) string {
		return cmp.Or(strings.TrimPrefix(r.Name, "fly-"+f.plan.Org+"-"), r.Name)
	}
	for _, r := range f.roles {
		taken[short(r)]++
	}
	for i, r := range f.roles {
		f.roles[i].key = r.Name
		if taken[short(r)] == 1 {
			f.roles[i].key = short(r)
		}
	}
}

// sharedTags returns the tags that the provider and all roles have.
func (f *federation) sharedTags() map[string]string {
	shared := maps.Clone(f.provider.Tags)
	for _, r := range f.roles {
		maps.DeleteFunc(shared, func(key, value string) bool { return r.Tags[key] != value })
	}
	return shared
}

// ownTags returns the tags that are not among those that all have.
func ownTags(tags, shared map[string]string) map[string]string {
	own := maps.Clone(tags)
	maps.DeleteFunc(own, func(key, value string) bool { return shared[key] == value && value != "" })
	return own
}

// boundary returns the permissions boundary of all roles; ok is false if they differ.
func (f *federation) boundary() (arn string, ok bool) {
	for i, r := range f.roles {
		if i > 0 && r.Boundary != arn {
			return "", false
		}
		arn = r.Boundary
	}
	return arn, true
}

// An entry is a variable of an app's fly.toml.
type entry struct {
	app, variable string
	// role is the key of the role whose ARN is the value; value is the value if it is "".
	role, value string
}

// entries returns what belongs into the [env] of each app's fly.toml, in the order of the
// request.
func (f *federation) entries() []entry {
	req := f.plan.Request
	keys := map[string]string{}
	for _, r := range f.roles {
		keys[r.Name] = r.key
	}
	var out []entry
	for _, want := range req.Roles {
		key, exported := keys[req.RoleName(want)]
		if !exported {
			continue
		}
		for _, app := range want.Apps {
			out = append(out, entry{app: app.Name, variable: app.Variable(), role: key})
			if region := cmp.Or(app.Region, req.Region); region != "" && !app.IsPattern() {
				out = append(out, entry{app: app.Name, variable: setup.EnvRegion, value: region})
			}
		}
	}
	slices.SortStableFunc(out, func(a, b entry) int {
		return cmp.Or(strings.Compare(a.app, b.app), strings.Compare(a.variable, b.variable))
	})
	return slices.CompactFunc(out, func(a, b entry) bool { return a.app == b.app && a.variable == b.variable })
}
