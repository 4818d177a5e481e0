package sandbox

import (
	"slices"
	"strings"
	"time"
)

// Quotas of instance profiles,
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html.
const (
	maxProfiles        = 1000
	maxRolesPerProfile = 1
)

// instanceProfile is what gives EC2 instances a role.
type instanceProfile struct {
	name, path, id, arn string
	created             time.Time
	tags                []tag
	role                *role // nil: none
}

// profile returns the instance profile that InstanceProfileName names, after all
// parameters were read.
func (r *request) profile() (*instanceProfile, *apiError) {
	name := r.profileName()
	if err := r.invalid(); err != nil {
		return nil, err
	}
	p := r.world.profiles[strings.ToLower(name)]
	if p == nil {
		return nil, noSuchEntity("Instance Profile %s cannot be found.", name)
	}
	return p, nil
}

func (r *request) profileName() string { return r.name("InstanceProfileName", 128) }

// profilesOf returns the instance profiles with the role, sorted by name.
func (w *World) profilesOf(ro *role) []*instanceProfile {
	var found []*instanceProfile
	for _, p := range w.profiles {
		if p.role == ro {
			found = append(found, p)
		}
	}
	slices.SortFunc(found, func(p, q *instanceProfile) int { return strings.Compare(p.name, q.name) })
	return found
}

// elements is the instance profile as the API returns it. The lists leave out the tags:
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListInstanceProfiles.html.
func (p *instanceProfile) elements(whole bool) []element {
	roles := elem("Roles")
	if p.role != nil {
		roles.children = append(roles.children, elem("member", p.role.elements(false)...))
	}
	out := []element{
		text("Path", p.path),
		text("InstanceProfileName", p.name),
		text("InstanceProfileId", p.id),
		text("Arn", p.arn),
		date("CreateDate", p.created),
		roles,
	}
	if whole && len(p.tags) > 0 {
		out = append(out, tagList(p.tags))
	}
	return out
}

func profileList(name string, profiles []*instanceProfile) element {
	return members(name, profiles, func(p *instanceProfile) element { return elem("", p.elements(false)...) })
}

func createInstanceProfile(r *request) ([]element, *apiError) {
	w := r.world
	p := &instanceProfile{name: r.profileName(), path: r.path(), created: r.now, tags: r.tags(false)}
	switch err := r.invalid(); {
	case err != nil:
		return nil, err
	case w.profiles[strings.ToLower(p.name)] != nil:
		return nil, alreadyExists("Instance Profile %s already exists.", p.name)
	case len(w.profiles) >= maxProfiles:
		return nil, limitExceeded("Cannot exceed quota for InstanceProfilesPerAccount: %d", maxProfiles)
	}
	p.id = w.newID("AIPA")
	p.arn = w.arn("instance-profile" + p.path + p.name)
	w.profiles[strings.ToLower(p.name)] = p
	return []element{elem("InstanceProfile", p.elements(true)...)}, nil
}

func getInstanceProfile(r *request) ([]element, *apiError) {
	p, err := r.profile()
	if err != nil {
		return nil, err
	}
	return []element{elem("InstanceProfile", p.elements(true)...)}, nil
}

func listInstanceProfiles(r *request) ([]element, *apiError) {
	prefix := r.pathPrefix()
	var found []*instanceProfile
	for _, p := range r.world.profiles {
		if strings.HasPrefix(p.path, prefix) {
			found = append(found, p)
		}
	}
	return profilePage(r, found)
}

func listInstanceProfilesForRole(r *request) ([]element, *apiError) {
	ro, err := r.role()
	if err != nil {
		return nil, err
	}
	return profilePage(r, r.world.profilesOf(ro))
}

// profilePage is the response of the actions that list instance profiles.
func profilePage(r *request, profiles []*instanceProfile) ([]element, *apiError) {
	profiles, more, err := page(r, profiles, func(p *instanceProfile) string { return p.name })
	if err != nil {
		return nil, err
	}
	return append([]element{profileList("InstanceProfiles", profiles)}, more...), nil
}

func addRoleToInstanceProfile(r *request) ([]element, *apiError) {
	r.profileName()
	ro, err := r.roleToChange()
	if err != nil {
		return nil, err
	}
	p, err := r.profile()
	switch {
	case err != nil:
		return nil, err
	case p.role != nil:
		return nil, limitExceeded("Cannot exceed quota for InstanceSessionsPerInstanceProfile: %d", maxRolesPerProfile)
	}
	p.role = ro
	return nil, nil
}

func removeRoleFromInstanceProfile(r *request) ([]element, *apiError) {
	r.profileName()
	ro, err := r.roleToChange()
	if err != nil {
		return nil, err
	}
	p, err := r.profile()
	switch {
	case err != nil:
		return nil, err
	case p.role != ro:
		return nil, noSuchEntity("Role %s in Instance Profile %s cannot be found.", ro.name, p.name)
	}
	p.role = nil
	return nil, nil
}

func deleteInstanceProfile(r *request) ([]element, *apiError) {
	p, err := r.profile()
	switch {
	case err != nil:
		return nil, err
	case p.role != nil:
		return nil, deleteConflict("Cannot delete entity, must remove roles from instance profile first.")
	}
	delete(r.world.profiles, strings.ToLower(p.name))
	return nil, nil
}
