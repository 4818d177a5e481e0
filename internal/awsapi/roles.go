package awsapi

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"golang.org/x/sync/errgroup"
)

// fleetFrom is the number of roles at which they are read in pages instead of one
// by one.
const fleetFrom = 11

// A roleKey is a role's name in lower case: IAM's role names are unique ignoring
// case.
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html
type roleKey string

func keyOf(name string) roleKey { return roleKey(strings.ToLower(name)) }

// A need is what to read of one role.
type need struct {
	name     string
	role     bool // the role itself
	whole    bool // also its description and maximum session duration
	attached bool // which managed policies are attached
	inlines  bool // all inline policies
	profiles bool // the instance profiles with the role
	inline   []string
}

type needs map[roleKey]*need

// of returns the need of the role, adding one if there is none.
func (n needs) of(name string) *need {
	key := keyOf(name)
	if n[key] == nil {
		n[key] = &need{name: name}
	}
	return n[key]
}

// A roleView is what is known about one role. A part that was not read is unknown;
// for a role that does not exist, every part is known and empty.
type roleView struct {
	mu sync.Mutex

	roleKnown, whole bool
	role             *iamtypes.Role // nil: does not exist

	attachedKnown bool
	attached      []string // ARNs

	// inline holds the documents of inline policies, as IAM encodes them; ""
	// for one that does not exist. With inlineKnown it holds all of them.
	inlineKnown bool
	inline      map[string]string

	profilesKnown bool
	profiles      []string // names
}

// setAbsent makes the view that of a role that does not exist.
func (v *roleView) setAbsent() {
	v.roleKnown, v.whole, v.role = true, true, nil
	v.attachedKnown, v.attached = true, nil
	v.inlineKnown, v.inline = true, nil
	v.profilesKnown, v.profiles = true, nil
}

type views map[roleKey]*roleView

// of returns the view of the role, adding an empty one if there is none.
func (v views) of(key roleKey) *roleView {
	if v[key] == nil {
		v[key] = &roleView{}
	}
	return v[key]
}

// policies returns the ARNs of the asked roles' managed policies, attached or as a
// boundary.
func (v views) policies(asked needs) []string {
	var arns []string
	for key, view := range v {
		if asked[key] == nil {
			continue
		}
		arns = append(arns, view.attached...)
		if view.role != nil && view.role.PermissionsBoundary != nil {
			arns = append(arns, aws.ToString(view.role.PermissionsBoundary.PermissionsBoundaryArn))
		}
	}
	slices.Sort(arns)
	return slices.Compact(arns)
}

// A prefetch is what Facts read.
type prefetch struct {
	roles views
	// org is the organization of which roles has every role; "" if it has none.
	org string
}

// takePrefetched returns what Facts read, once.
func (a *Account) takePrefetched() prefetch {
	a.mu.Lock()
	defer a.mu.Unlock()
	p := a.prefetched
	a.prefetched = prefetch{}
	return p
}

// load reads into v what n needs and is unknown in v.
func (a *Account) load(ctx context.Context, n needs, v views) error {
	unknown := 0
	for key, need := range n {
		view := v.of(key)
		if need.role && !view.roleKnown || need.attached && !view.attachedKnown || need.inlines && !view.inlineKnown {
			unknown++
		}
	}
	if unknown >= fleetFrom {
		if err := a.loadFleet(ctx, n, v); err != nil && !isDenied(err) {
			return err
		}
	}
	return a.loadEach(ctx, n, v)
}

// loadEach is load without pages of roles.
func (a *Account) loadEach(ctx context.Context, n needs, v views) error {
	g, gctx := errgroup.WithContext(ctx)
	for key, need := range n {
		view := v.of(key)
		role := need.role && !view.roleKnown || need.whole && !view.whole
		attached := need.attached && !view.attachedKnown
		inlines := need.inlines && !view.inlineKnown
		profiles := need.profiles && !view.profilesKnown
		inline := need.inline
		if need.inlines || view.inlineKnown {
			inline = nil
		}
		// From here on, goroutines write to the view.
		if role {
			g.Go(func() error { return a.loadRole(gctx, need.name, view) })
		}
		if attached {
			g.Go(func() error { return a.loadAttached(gctx, need.name, view) })
		}
		if inlines {
			g.Go(func() error { return a.loadInlines(gctx, need.name, view) })
		}
		if profiles {
			g.Go(func() error { return a.loadProfiles(gctx, need.name, view) })
		}
		for _, policy := range inline {
			g.Go(func() error { return a.loadInline(gctx, need.name, policy, view) })
		}
	}
	return g.Wait()
}

// loadRole reads one role.
func (a *Account) loadRole(ctx context.Context, name string, v *roleView) error {
	out, err := call(ctx, a, a.iam.GetRole, &iam.GetRoleInput{RoleName: &name})
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case hasCode(err, codeNotFound):
		v.setAbsent()
	case err != nil:
		return err
	case out.Role == nil:
		return &CallError{Operation: "GetRole", Message: "the response has no role"}
	default:
		v.roleKnown, v.whole, v.role = true, true, out.Role
	}
	return nil
}

// loadAttached reads the ARNs of a role's attached managed policies.
func (a *Account) loadAttached(ctx context.Context, name string, v *roleView) error {
	var arns []string
	err := pages("ListAttachedRolePolicies", func(marker *string) (bool, *string, error) {
		out, err := call(ctx, a, a.iam.ListAttachedRolePolicies, &iam.ListAttachedRolePoliciesInput{
			RoleName: &name, Marker: marker,
		})
		if err != nil {
			return false, nil, err
		}
		arns = append(arns, policyARNsOf(out.AttachedPolicies)...)
		return out.IsTruncated, out.Marker, nil
	})
	if err != nil && !hasCode(err, codeNotFound) {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.attachedKnown, v.attached = true, arns
	return nil
}

// loadInlines reads all inline policies of a role.
func (a *Account) loadInlines(ctx context.Context, role string, v *roleView) error {
	g, gctx := errgroup.WithContext(ctx)
	err := pages("ListRolePolicies", func(marker *string) (bool, *string, error) {
		out, err := call(ctx, a, a.iam.ListRolePolicies, &iam.ListRolePoliciesInput{RoleName: &role, Marker: marker})
		if err != nil {
			return false, nil, err
		}
		for _, policy := range out.PolicyNames {
			g.Go(func() error { return a.loadInline(gctx, role, policy, v) })
		}
		return out.IsTruncated, out.Marker, nil
	})
	if waitErr := g.Wait(); err == nil {
		err = waitErr
	}
	if err != nil && !hasCode(err, codeNotFound) {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.inlineKnown = true
	return nil
}

// loadProfiles reads the names of the instance profiles with a role.
func (a *Account) loadProfiles(ctx context.Context, role string, v *roleView) error {
	var names []string
	err := pages("ListInstanceProfilesForRole", func(marker *string) (bool, *string, error) {
		out, err := call(ctx, a, a.iam.ListInstanceProfilesForRole, &iam.ListInstanceProfilesForRoleInput{RoleName: &role, Marker: marker})
		if err != nil {
			return false, nil, err
		}
		names = append(names, instanceProfileNames(out.InstanceProfiles)...)
		return out.IsTruncated, out.Marker, nil
	})
	if err != nil && !hasCode(err, codeNotFound) {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.profilesKnown, v.profiles = true, names
	return nil
}

func instanceProfileNames(profiles []iamtypes.InstanceProfile) []string {
	var names []string
	for _, p := range profiles {
		names = append(names, aws.ToString(p.InstanceProfileName))
	}
	return names
}

// loadInline reads one inline policy of a role.
func (a *Account) loadInline(ctx context.Context, role, policy string, v *roleView) error {
	document, _, err := a.inlineDocument(ctx, role, policy)
	if err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.inline == nil {
		v.inline = map[string]string{}
	}
	v.inline[policy] = document
	return nil
}

// inlineDocument reads an inline policy's document, encoded.
func (a *Account) inlineDocument(ctx context.Context, role, policy string) (document string, ok bool, err error) {
	out, err := call(ctx, a, a.iam.GetRolePolicy, &iam.GetRolePolicyInput{RoleName: &role, PolicyName: &policy})
	if hasCode(err, codeNotFound) {
		return "", false, nil
	}
	if err != nil {
		return "", false, err
	}
	return aws.ToString(out.PolicyDocument), true, nil
}

// loadFleet reads the account's roles in pages until all needed ones are found. It
// does not get descriptions and maximum session durations.
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_RoleDetail.html
func (a *Account) loadFleet(ctx context.Context, n needs, v views) error {
	missing := len(n)
	err := pages("GetAccountAuthorizationDetails", func(marker *string) (bool, *string, error) {
		out, err := call(ctx, a, a.iam.GetAccountAuthorizationDetails, &iam.GetAccountAuthorizationDetailsInput{
			Filter:   []iamtypes.EntityType{iamtypes.EntityTypeRole},
			MaxItems: aws.Int32(pageSize),
			Marker:   marker,
		})
		if err != nil {
			return false, nil, err
		}
		for _, d := range out.RoleDetailList {
			key := keyOf(aws.ToString(d.RoleName))
			if _, ok := n[key]; ok {
				v.of(key).setDetail(d)
				missing--
			}
		}
		return out.IsTruncated && missing > 0, out.Marker, nil
	})
	if err != nil {
		return err
	}
	for key := range n {
		if view := v.of(key); !view.roleKnown {
			view.setAbsent()
		}
	}
	return nil
}

// setDetail sets the view from the account's details.
func (v *roleView) setDetail(d iamtypes.RoleDetail) {
	v.roleKnown, v.whole = true, false
	v.role = &iamtypes.Role{
		Arn:                      d.Arn,
		RoleName:                 d.RoleName,
		Path:                     d.Path,
		AssumeRolePolicyDocument: d.AssumeRolePolicyDocument,
		PermissionsBoundary:      d.PermissionsBoundary,
		RoleLastUsed:             d.RoleLastUsed,
		Tags:                     d.Tags,
	}
	v.attachedKnown, v.attached = true, policyARNsOf(d.AttachedManagedPolicies)
	v.inlineKnown, v.inline = true, make(map[string]string, len(d.RolePolicyList))
	for _, p := range d.RolePolicyList {
		v.inline[aws.ToString(p.PolicyName)] = aws.ToString(p.PolicyDocument)
	}
	v.profilesKnown, v.profiles = true, instanceProfileNames(d.InstanceProfileList)
}

func policyARNsOf(attached []iamtypes.AttachedPolicy) []string {
	arns := make([]string, 0, len(attached))
	for _, p := range attached {
		arns = append(arns, aws.ToString(p.PolicyArn))
	}
	return arns
}
