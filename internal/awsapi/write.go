package awsapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/fly-aws/fly-aws/setup"
)

// Write implements setup.Target. What a call would replace is read right before
// and has to be as c.Before says; what only adds is not. Nothing is ever taken
// away: no tag, no audience, no statement, no boundary.
//
// IAM has no conditional writes, so a change made by somebody else between that
// read and the write is lost; the time between them is one call's.
//
// When ctx ends, a writing call that is under way is finished, which takes at
// most callTimeout: cut off, nobody would know whether IAM has done it. A reading
// one is cut off, and no other call, attempt or pause begins. The error is ctx's
// then, unless nothing was left to do.
func (a *Account) Write(ctx context.Context, c setup.Change) error {
	if c.After == nil {
		return errors.New("a change without an outcome cannot be written")
	}
	a.mu.Lock()
	a.prefetched = nil // no longer as it was
	a.mu.Unlock()
	var write func() error
	create := c.Action == setup.ActionCreate
	switch after := c.After; {
	case !create && (c.Before == nil || c.Action != setup.ActionUpdate && c.Action != setup.ActionAdopt):
		return fmt.Errorf("a change %q of %q cannot be written", c.Action, after.ID())
	case lacksTrust(c.Before) || lacksTrust(after):
		return fmt.Errorf("%q has no trust policy", after.ID())
	case after.Provider != nil && create:
		write = func() error { return a.createProvider(ctx, after.Provider) }
	case after.Provider != nil && c.Before.Provider != nil:
		write = func() error { return a.addAudiences(ctx, c.Before.Provider, after.Provider) }
	case after.Role != nil && create:
		write = func() error { return a.createRole(ctx, after.Role) }
	case after.Role != nil && c.Before.Role != nil:
		write = func() error { return a.updateRole(ctx, c.Before.Role, after.Role) }
	case after.Policy != nil && after.Policy.ARN != "":
		write = func() error { return a.attach(ctx, after.Policy) }
	case after.Policy != nil && (create || c.Before.Policy != nil):
		var before *setup.Policy
		if !create {
			before = c.Before.Policy
		}
		write = func() error { return a.putInline(ctx, before, after.Policy) }
	default:
		return fmt.Errorf("%q is not a resource of an AWS account", after.ID())
	}
	fresh := c.After.Policy != nil && a.isCreated(c.After.Policy.Role)
	err := write()
	for _, pause := range a.settle {
		// A role that was made a moment ago is not known everywhere yet, and
		// IAM refuses a change beside another one's; neither is a failure yet.
		// Each write checks anew what it is about to replace.
		unsettled := hasCode(err, codeConcurrently) || fresh && hasCode(err, codeNotFound)
		if !unsettled {
			break
		}
		if err := wait(ctx, pause); err != nil {
			return err
		}
		err = write()
	}
	if hasCode(err, codeNotFound) && c.Before != nil {
		return stale(c.After, "it does not exist any more")
	}
	return err
}

// lacksTrust says whether r is a role without a trust policy, as a plan that was
// edited can hold.
func lacksTrust(r *setup.Resource) bool {
	return r != nil && r.Role != nil && r.Role.Trust == nil
}

// isCreated says whether this Account made the role.
func (a *Account) isCreated(role string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.created[keyOf(role)]
}

func stale(r *setup.Resource, reason string) error {
	return &setup.StaleError{ID: r.ID(), Reason: reason}
}

// createProvider makes the OIDC provider with its tags. It sends no thumbprint:
// IAM trusts the issuer's certificate by its authority.
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateOpenIDConnectProvider.html
func (a *Account) createProvider(ctx context.Context, p *setup.Provider) error {
	_, err := call(ctx, a, a.iam.CreateOpenIDConnectProvider, &iam.CreateOpenIDConnectProviderInput{
		Url:          &p.URL,
		ClientIDList: p.Audiences,
		Tags:         tagList(p.Tags),
	})
	if !hasCode(err, codeExists) {
		return err
	}
	// Ours, if the answer to an earlier attempt was lost.
	live, err := a.provider(ctx, p.ARN)
	if err != nil {
		return err
	}
	if live != nil && len(without(p.Audiences, live.Audiences)) == 0 && hasTags(live.Tags, p.Tags) { // keys of a provider's tags have a case
		return nil
	}
	return stale(&setup.Resource{Provider: p}, "it was created meanwhile, with other audiences or tags")
}

// addAudiences adds to the provider those audiences that it lacks.
func (a *Account) addAudiences(ctx context.Context, before, after *setup.Provider) error {
	for _, audience := range without(after.Audiences, before.Audiences) {
		_, err := call(ctx, a, a.iam.AddClientIDToOpenIDConnectProvider, &iam.AddClientIDToOpenIDConnectProviderInput{
			OpenIDConnectProviderArn: &after.ARN, ClientID: &audience,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// createRole makes the role with everything that marks and limits it, in one
// call.
func (a *Account) createRole(ctx context.Context, r *setup.Role) error {
	in := &iam.CreateRoleInput{
		RoleName:                 &r.Name,
		AssumeRolePolicyDocument: aws.String(r.Trust.String()),
		Tags:                     tagList(r.Tags),
	}
	if r.Path != "" {
		in.Path = &r.Path
	}
	if r.Description != "" {
		in.Description = &r.Description
	}
	if r.MaxSession != 0 {
		in.MaxSessionDuration = &r.MaxSession
	}
	if r.Boundary != "" {
		in.PermissionsBoundary = &r.Boundary
	}
	_, err := call(ctx, a, a.iam.CreateRole, in)
	switch {
	case hasCode(err, codeExists):
		if err := a.sameRole(ctx, r); err != nil {
			return err
		}
	case err != nil:
		return err
	}
	a.mu.Lock()
	a.created[keyOf(r.Name)] = true
	a.mu.Unlock()
	return nil
}

// sameRole says how the role that exists differs from the one that was to be
// made. It does not if it is ours and only the answer was lost.
func (a *Account) sameRole(ctx context.Context, want *setup.Role) error {
	id := &setup.Resource{Role: want}
	live, err := a.liveRole(ctx, want.Name)
	for _, pause := range a.settle {
		// IAM says that it exists, so it will be seen.
		if !hasCode(err, codeNotFound) {
			break
		}
		if err := wait(ctx, pause); err != nil {
			return err
		}
		live, err = a.liveRole(ctx, want.Name)
	}
	switch {
	case hasCode(err, codeNotFound):
		return stale(id, "it was created and deleted meanwhile")
	case err != nil:
		return err
	case live.Name != want.Name:
		return stale(id, fmt.Sprintf("it was created meanwhile with the name %q", live.Name))
	case live.Path != want.Path && want.Path != "":
		return stale(id, fmt.Sprintf("it was created meanwhile under the path %q", live.Path))
	case !hasTags(foldKeys(live.Tags), foldKeys(want.Tags)):
		return stale(id, "it was created meanwhile with other tags")
	case !live.Trust.Equal(want.Trust):
		return stale(id, "it was created meanwhile with another trust policy")
	case want.Boundary != "" && live.Boundary != want.Boundary:
		return stale(id, "it was created meanwhile with another permissions boundary")
	case want.MaxSession != 0 && live.MaxSession != want.MaxSession:
		return stale(id, "it was created meanwhile with another maximum session duration")
	}
	return nil
}

// liveRole reads a role as it is now.
func (a *Account) liveRole(ctx context.Context, name string) (*setup.Role, error) {
	out, err := call(ctx, a, a.iam.GetRole, &iam.GetRoleInput{RoleName: &name})
	if err != nil {
		return nil, err
	}
	if out.Role == nil {
		return nil, &CallError{Operation: "GetRole", Message: "the answer has no role"}
	}
	return roleFrom(out.Role)
}

// updateRole writes what differs between before and after. A part that is
// already as it shall be is left out; one that is neither as before nor as after
// makes the change stale, before anything is written. Tags go first: a role that
// carries them is known as ours, so a run that is cut short can be taken up.
func (a *Account) updateRole(ctx context.Context, before, after *setup.Role) error {
	id := &setup.Resource{Role: after}
	live, err := a.liveRole(ctx, after.Name)
	if err != nil {
		return err
	}
	tags := map[string]string{}
	beforeTags, liveTags := foldKeys(before.Tags), foldKeys(live.Tags)
	for _, key := range slices.Sorted(maps.Keys(after.Tags)) {
		value, folded := after.Tags[key], strings.ToLower(key)
		was, had := beforeTags[folded]
		is, has := liveTags[folded]
		switch {
		case had && was == value || has && is == value:
		case has != had || is != was:
			return stale(id, fmt.Sprintf("its tag %q was changed", key))
		default:
			tags[key] = value
		}
	}
	trust := !after.Trust.Equal(before.Trust) && !after.Trust.Equal(live.Trust)
	if trust && !live.Trust.Equal(before.Trust) {
		return stale(id, "its trust policy was changed")
	}
	boundary := after.Boundary != "" && after.Boundary != before.Boundary && after.Boundary != live.Boundary
	if boundary && live.Boundary != before.Boundary {
		return stale(id, fmt.Sprintf("its permissions boundary is now %q", live.Boundary))
	}
	session := after.MaxSession != 0 && after.MaxSession != before.MaxSession && after.MaxSession != live.MaxSession
	if session && before.MaxSession != 0 && live.MaxSession != before.MaxSession {
		return stale(id, fmt.Sprintf("its maximum session duration is now %d seconds", live.MaxSession))
	}

	if len(tags) > 0 {
		if _, err := call(ctx, a, a.iam.TagRole, &iam.TagRoleInput{RoleName: &after.Name, Tags: tagList(tags)}); err != nil {
			return err
		}
	}
	if trust {
		if _, err := call(ctx, a, a.iam.UpdateAssumeRolePolicy, &iam.UpdateAssumeRolePolicyInput{
			RoleName: &after.Name, PolicyDocument: aws.String(after.Trust.String()),
		}); err != nil {
			return err
		}
	}
	if boundary {
		if _, err := call(ctx, a, a.iam.PutRolePermissionsBoundary, &iam.PutRolePermissionsBoundaryInput{
			RoleName: &after.Name, PermissionsBoundary: &after.Boundary,
		}); err != nil {
			return err
		}
	}
	if session {
		in := &iam.UpdateRoleInput{RoleName: &after.Name, MaxSessionDuration: &after.MaxSession}
		// Servers that stand in for IAM empty a description that is not sent.
		if live.Description != "" {
			in.Description = &live.Description
		}
		if _, err := call(ctx, a, a.iam.UpdateRole, in); err != nil {
			return err
		}
	}
	return nil
}

// attach attaches a managed policy, which is no error when it is attached.
func (a *Account) attach(ctx context.Context, p *setup.Policy) error {
	_, err := call(ctx, a, a.iam.AttachRolePolicy, &iam.AttachRolePolicyInput{RoleName: &p.Role, PolicyArn: &p.ARN})
	return err
}

// putInline writes an inline policy if the one in its place is as it was before;
// before is nil when there was none.
func (a *Account) putInline(ctx context.Context, before, after *setup.Policy) error {
	id := &setup.Resource{Policy: after}
	// Nobody else has had the time to put a policy in a role that was just made.
	if before != nil || !a.isCreated(after.Role) {
		encoded, ok, err := a.inlineDocument(ctx, after.Role, after.Name)
		if err != nil {
			return err
		}
		var live json.RawMessage
		if ok {
			if live, err = jsonDocument(encoded); err != nil {
				return fmt.Errorf("inline policy %q of role %q: %w", after.Name, after.Role, err)
			}
		}
		switch {
		case ok && setup.SameDocument(live, after.Document):
			return nil
		case ok && before == nil:
			return stale(id, "it was created meanwhile with another document")
		case ok && !setup.SameDocument(live, before.Document):
			return stale(id, "its document was changed")
		case !ok && before != nil:
			return stale(id, "it does not exist any more")
		}
	}
	_, err := call(ctx, a, a.iam.PutRolePolicy, &iam.PutRolePolicyInput{
		RoleName: &after.Role, PolicyName: &after.Name, PolicyDocument: aws.String(string(after.Document)),
	})
	return err
}

// without gives those of all that are not in some.
func without(all, some []string) []string {
	var out []string
	for _, s := range all {
		if !slices.Contains(some, s) {
			out = append(out, s)
		}
	}
	return out
}

// hasTags says whether every one of want is in live.
func hasTags(live, want map[string]string) bool {
	for key, value := range want {
		if is, ok := live[key]; !ok || is != value {
			return false
		}
	}
	return true
}

// foldKeys gives a role's tags with keys in lower case: IAM keeps the case of a
// role's tag keys, but does not tell them apart by it.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html
func foldKeys(tags map[string]string) map[string]string {
	folded := make(map[string]string, len(tags))
	for key, value := range tags {
		folded[strings.ToLower(key)] = value
	}
	return folded
}

// tagList gives the tags sorted by key, so that the same change is the same
// request.
func tagList(tags map[string]string) []iamtypes.Tag {
	var list []iamtypes.Tag
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		list = append(list, iamtypes.Tag{Key: aws.String(key), Value: aws.String(tags[key])})
	}
	return list
}
