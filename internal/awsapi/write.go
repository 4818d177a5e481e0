package awsapi

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/fly-aws/fly-aws/setup"
)

// Check implements setup.Account. IAM has no dry run, so this checks only the form
// of the changes.
func (a *Account) Check(_ context.Context, changes []setup.Change) error {
	for _, c := range changes {
		if err := checkChange(c); err != nil {
			return err
		}
	}
	return nil
}

// checkChange checks the form of a change.
func checkChange(c setup.Change) error {
	r := c.Resource()
	kind := func(r *setup.Resource) [3]bool {
		return [3]bool{r.Provider != nil, r.Role != nil, r.Policy != nil}
	}
	whole := false
	switch c.Action {
	case setup.ActionCreate:
		whole = c.After != nil && c.Before == nil
	case setup.ActionUpdate, setup.ActionAdopt:
		whole = c.After != nil && c.Before != nil && kind(c.Before) == kind(c.After)
	case setup.ActionDelete:
		whole = c.After == nil && c.Before != nil
	}
	switch {
	case r.Provider == nil && r.Role == nil && r.Policy == nil:
		return fmt.Errorf("%q is not a resource in an AWS account", r.ID())
	case !whole:
		return fmt.Errorf("a change %q of %q cannot be written", c.Action, r.ID())
	case lacksTrust(c.Before) || lacksTrust(c.After):
		return fmt.Errorf("%q has no trust policy", r.ID())
	}
	return nil
}

// lacksTrust reports whether r is a role without a trust policy.
func lacksTrust(r *setup.Resource) bool {
	return r != nil && r.Role != nil && r.Role.Trust == nil
}

// Write implements setup.Account. It reads the resource right before the write, and
// does not write parts of a role that already are as wanted. It does not read what
// is only added (an attachment, an audience) or cannot exist yet (a policy of a new
// role).
//
// IAM has no conditional writes, so a change that someone else makes between that
// read and the write, one call later, is lost.
//
// When ctx ends, a write in progress finishes, within callTimeout: if it were cut
// off, its outcome would be unknown. A read is cut off, and no other call, attempt
// or pause starts. Then the error is that of ctx, unless nothing was left to do.
//
// The receipt has the calls that AWS accepted, also if a later one failed. It lacks a
// call whose response was lost.
func (a *Account) Write(ctx context.Context, c setup.Change) (setup.Receipt, error) {
	var receipt setup.Receipt
	err := a.writeChange(context.WithValue(ctx, receiptKey{}, &receipt), c)
	return receipt, err
}

// writeChange is Write; the receipt is in ctx.
func (a *Account) writeChange(ctx context.Context, c setup.Change) error {
	if err := checkChange(c); err != nil {
		return err
	}
	a.takePrefetched() // out of date
	isNew := c.After != nil && c.After.Policy != nil && a.has(a.created, c.After.Policy.Role)
	err := a.write(ctx, c, isNew)
	for _, pause := range a.consistencyPauses {
		// Each write checks what it is about to replace.
		if !a.isTemporary(c, err, isNew) {
			break
		}
		if err := wait(ctx, pause); err != nil {
			return err
		}
		err = a.write(ctx, c, isNew)
	}
	if p := c.Resource().Policy; err == nil && p != nil && c.Action == setup.ActionDelete {
		a.mark(a.emptied, p.Role)
	}
	switch {
	case hasCode(err, codeNotFound) && c.Action == setup.ActionDelete:
		return nil
	case hasCode(err, codeNotFound) && c.Before != nil:
		return &setup.StaleError{Resource: c.Resource(), Reason: setup.Reason{Code: setup.ReasonGone}}
	}
	return err
}

// write makes one attempt.
func (a *Account) write(ctx context.Context, c setup.Change, isNew bool) error {
	switch r := c.Resource(); {
	case r.Provider != nil && c.Action == setup.ActionCreate:
		return a.createProvider(ctx, c)
	case r.Provider != nil && c.Action == setup.ActionDelete:
		return a.deleteProvider(ctx, c)
	case r.Provider != nil:
		return a.addAudiences(ctx, c.Before.Provider, c.After.Provider)
	case r.Role != nil && c.Action == setup.ActionCreate:
		return a.createRole(ctx, c)
	case r.Role != nil && c.Action == setup.ActionDelete:
		return a.deleteRole(ctx, c)
	case r.Role != nil:
		return a.updateRole(ctx, c)
	case r.Policy.ARN != "" && c.Action == setup.ActionDelete:
		_, err := call(ctx, a, a.iam.DetachRolePolicy, &iam.DetachRolePolicyInput{RoleName: &r.Policy.Role, PolicyArn: &r.Policy.ARN})
		return err
	case r.Policy.ARN != "":
		_, err := call(ctx, a, a.iam.AttachRolePolicy, &iam.AttachRolePolicyInput{RoleName: &r.Policy.Role, PolicyArn: &r.Policy.ARN})
		return err
	}
	return a.writeInline(ctx, c, isNew)
}

// isTemporary reports whether a refusal can be due to IAM's eventual consistency: a new
// role is not known everywhere yet, a role still seems to have policies that were
// just deleted, or another change is in progress.
func (a *Account) isTemporary(c setup.Change, err error, isNew bool) bool {
	role := c.Resource().Role
	return hasCode(err, codeConcurrently) || isNew && hasCode(err, codeNotFound) ||
		hasCode(err, codeConflict) && role != nil && a.has(a.emptied, role.Name)
}

// has reports whether the role is in the set.
func (a *Account) has(set map[roleKey]bool, role string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return set[keyOf(role)]
}

// mark adds the role to the set.
func (a *Account) mark(set map[roleKey]bool, role string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	set[keyOf(role)] = true
}

// createProvider creates the OIDC provider with its tags. It sends no thumbprint:
// IAM trusts the issuer's certificate authority.
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateOpenIDConnectProvider.html
func (a *Account) createProvider(ctx context.Context, c setup.Change) error {
	p := c.After.Provider
	_, err := call(ctx, a, a.iam.CreateOpenIDConnectProvider, &iam.CreateOpenIDConnectProviderInput{
		Url:          &p.URL,
		ClientIDList: p.Audiences,
		Tags:         tagList(p.Tags),
	})
	if !hasCode(err, codeExists) {
		return err
	}
	// Ours, if the response to an earlier attempt was lost.
	live, err := a.provider(ctx, p.ARN)
	switch {
	case err != nil:
		return err
	case live == nil:
		return &setup.StaleError{Resource: *c.After, Reason: setup.Reason{Code: setup.ReasonGone}}
	}
	_, err = c.Compare(&setup.Resource{Provider: live})
	return err
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

func (a *Account) deleteProvider(ctx context.Context, c setup.Change) error {
	live, err := a.provider(ctx, c.Before.Provider.ARN)
	if err != nil || live == nil {
		return err
	}
	if done, err := c.Compare(&setup.Resource{Provider: live}); done || err != nil {
		return err
	}
	_, err = call(ctx, a, a.iam.DeleteOpenIDConnectProvider, &iam.DeleteOpenIDConnectProviderInput{OpenIDConnectProviderArn: &live.ARN})
	return err
}

// createRole creates the role with its tags and boundary in one call.
func (a *Account) createRole(ctx context.Context, c setup.Change) error {
	r := c.After.Role
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
	if hasCode(err, codeExists) {
		err = a.checkCreated(ctx, c)
	}
	if err != nil {
		return err
	}
	a.mark(a.created, r.Name)
	return nil
}

// checkCreated compares the existing role with the one to create. They are equal if
// the response to an earlier attempt was lost.
func (a *Account) checkCreated(ctx context.Context, c setup.Change) error {
	live, err := a.liveRole(ctx, c.After.Role.Name)
	for _, pause := range a.consistencyPauses {
		// It exists, but IAM does not return it yet.
		if !hasCode(err, codeNotFound) {
			break
		}
		if err := wait(ctx, pause); err != nil {
			return err
		}
		live, err = a.liveRole(ctx, c.After.Role.Name)
	}
	switch {
	case hasCode(err, codeNotFound):
		return &setup.StaleError{Resource: *c.After, Reason: setup.Reason{Code: setup.ReasonGone}}
	case err != nil:
		return err
	}
	_, err = c.Compare(&setup.Resource{Role: live})
	return err
}

// Role reads a role without its policies; nil if it does not exist.
//
// The errors are those of Read.
func (a *Account) Role(ctx context.Context, name string) (*setup.Role, error) {
	if err := a.signIn(ctx); err != nil {
		return nil, err
	}
	role, err := a.liveRole(ctx, name)
	if hasCode(err, codeNotFound) {
		return nil, nil
	}
	return role, err
}

// RoleCreated returns when a role was created.
func (a *Account) RoleCreated(ctx context.Context, name string) (time.Time, error) {
	if err := a.signIn(ctx); err != nil {
		return time.Time{}, err
	}
	out, err := call(ctx, a, a.iam.GetRole, &iam.GetRoleInput{RoleName: &name})
	if err != nil {
		return time.Time{}, err
	}
	if out.Role == nil || out.Role.CreateDate == nil {
		return time.Time{}, &CallError{Operation: "GetRole", Message: "the response has no creation date"}
	}
	return *out.Role.CreateDate, nil
}

// liveRole reads a role as it is now.
func (a *Account) liveRole(ctx context.Context, name string) (*setup.Role, error) {
	out, err := call(ctx, a, a.iam.GetRole, &iam.GetRoleInput{RoleName: &name})
	if err != nil {
		return nil, err
	}
	if out.Role == nil {
		return nil, &CallError{Operation: "GetRole", Message: "the response has no role"}
	}
	return roleFrom(out.Role)
}

// deleteRole deletes a role. IAM refuses it while the role has policies or is in an
// instance profile (DeleteConflict).
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteRole.html
func (a *Account) deleteRole(ctx context.Context, c setup.Change) error {
	live, err := a.liveRole(ctx, c.Before.Role.Name)
	if err != nil {
		return err
	}
	if _, err := c.Compare(&setup.Resource{Role: live}); err != nil {
		return err
	}
	_, err = call(ctx, a, a.iam.DeleteRole, &iam.DeleteRoleInput{RoleName: &live.Name})
	return err
}

// updateRole writes what differs between the role and c.After. New tags go first
// and removed ones last: our tags mark a role as ours, so that the next run can
// continue after an interrupted one.
func (a *Account) updateRole(ctx context.Context, c setup.Change) error {
	after := c.After.Role
	live, err := a.liveRole(ctx, after.Name)
	if err != nil {
		return err
	}
	if done, err := c.Compare(&setup.Resource{Role: live}); done || err != nil {
		return err
	}
	add, remove := retag(*c.Before.Role, *live, *after)
	if len(add) > 0 {
		if _, err := call(ctx, a, a.iam.TagRole, &iam.TagRoleInput{RoleName: &after.Name, Tags: tagList(add)}); err != nil {
			return err
		}
	}
	if !after.Trust.Equal(live.Trust) {
		if _, err := call(ctx, a, a.iam.UpdateAssumeRolePolicy, &iam.UpdateAssumeRolePolicyInput{
			RoleName: &after.Name, PolicyDocument: aws.String(after.Trust.String()),
		}); err != nil {
			return err
		}
	}
	if after.Boundary != "" && after.Boundary != live.Boundary {
		if _, err := call(ctx, a, a.iam.PutRolePermissionsBoundary, &iam.PutRolePermissionsBoundaryInput{
			RoleName: &after.Name, PermissionsBoundary: &after.Boundary,
		}); err != nil {
			return err
		}
	}
	if after.MaxSession != 0 && after.MaxSession != live.MaxSession {
		in := &iam.UpdateRoleInput{RoleName: &after.Name, MaxSessionDuration: &after.MaxSession}
		// IAM's documentation does not say what happens to a description that is
		// not sent; moto clears it.
		if live.Description != "" {
			in.Description = &live.Description
		}
		if _, err := call(ctx, a, a.iam.UpdateRole, in); err != nil {
			return err
		}
	}
	if len(remove) > 0 {
		if _, err := call(ctx, a, a.iam.UntagRole, &iam.UntagRoleInput{RoleName: &after.Name, TagKeys: remove}); err != nil {
			return err
		}
	}
	return nil
}

// retag returns the tags to set and the keys to remove so that the live role has
// the tags of after. Tags that are in neither before nor after are someone else's.
func retag(before, live, after setup.Role) (add map[string]string, remove []string) {
	add = map[string]string{}
	was, is, will := foldKeys(before.Tags), foldKeys(live.Tags), foldKeys(after.Tags)
	for key, value := range after.Tags {
		if have, ok := is[strings.ToLower(key)]; !ok || have != value {
			add[key] = value
		}
	}
	for key := range live.Tags {
		_, had := was[strings.ToLower(key)]
		if _, stays := will[strings.ToLower(key)]; had && !stays {
			remove = append(remove, key)
		}
	}
	slices.Sort(remove)
	return add, remove
}

// writeInline writes or deletes an inline policy. In a role that was just created
// it cannot exist yet and is not read.
func (a *Account) writeInline(ctx context.Context, c setup.Change, isNew bool) error {
	p := c.Resource().Policy
	if !isNew || c.Before != nil {
		var now *setup.Resource
		encoded, ok, err := a.inlineDocument(ctx, p.Role, p.Name)
		if err != nil {
			return err
		}
		if ok {
			doc, err := inlineDocumentFrom(p.Role, p.Name, encoded)
			if err != nil {
				return err
			}
			now = &setup.Resource{Policy: &setup.RolePolicy{Role: p.Role, Name: p.Name, Document: doc}}
		}
		if done, err := c.Compare(now); done || err != nil {
			return err
		}
	}
	if c.Action == setup.ActionDelete {
		_, err := call(ctx, a, a.iam.DeleteRolePolicy, &iam.DeleteRolePolicyInput{RoleName: &p.Role, PolicyName: &p.Name})
		return err
	}
	_, err := call(ctx, a, a.iam.PutRolePolicy, &iam.PutRolePolicyInput{
		RoleName: &p.Role, PolicyName: &p.Name, PolicyDocument: aws.String(p.Document.String()),
	})
	return err
}

// without returns all except some.
func without(all, some []string) []string {
	var out []string
	for _, s := range all {
		if !slices.Contains(some, s) {
			out = append(out, s)
		}
	}
	return out
}

// foldKeys returns a role's tags with lower-case keys: IAM keeps the case of a
// role's tag keys but ignores it in comparisons.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html
func foldKeys(tags map[string]string) map[string]string {
	folded := make(map[string]string, len(tags))
	for key, value := range tags {
		folded[strings.ToLower(key)] = value
	}
	return folded
}

// tagList returns the tags sorted by key, so that the same change is the same
// request.
func tagList(tags map[string]string) []iamtypes.Tag {
	var list []iamtypes.Tag
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		list = append(list, iamtypes.Tag{Key: aws.String(key), Value: aws.String(tags[key])})
	}
	return list
}
