package sandbox

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"unicode/utf8"
)

// Quotas of a role's permissions,
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html.
const (
	maxAttached   = 10
	maxInlineSize = 10240 // total of a role's inline policies
)

// policyARN returns the required parameter PolicyArn.
func (r *request) policyARN() string {
	arn := r.required("PolicyArn", 20, 2048)
	if fields := strings.SplitN(arn, ":", 6); len(fields) != 6 || fields[0] != "arn" || fields[2] != "iam" {
		r.notAllowed(validationError("Invalid ARN:  Could not be parsed!"))
	}
	return arn
}

func attachRolePolicy(r *request) ([]element, *apiError) {
	arn := r.policyARN()
	ro, err := r.roleToChange()
	if err != nil {
		return nil, err
	}
	p := r.world.policy(arn)
	switch {
	case p == nil:
		return nil, noSuchEntity("Policy %s does not exist or is not attachable.", arn)
	case !p.attachable():
		return nil, refuse(400, "PolicyNotAttachable", "Cannot attach a Service Role Policy to a Customer Role.")
	case slices.Contains(ro.attached, arn):
		return nil, nil
	case len(ro.attached) >= maxAttached:
		return nil, limitExceeded("Cannot exceed quota for PoliciesPerRole: %d", maxAttached)
	}
	ro.attached = append(ro.attached, arn)
	return nil, nil
}

func detachRolePolicy(r *request) ([]element, *apiError) {
	arn := r.policyARN()
	ro, err := r.roleToChange()
	if err != nil {
		return nil, err
	}
	i := slices.Index(ro.attached, arn)
	if i < 0 {
		return nil, noSuchEntity("Policy %s was not found.", arn)
	}
	ro.attached = slices.Delete(ro.attached, i, i+1)
	return nil, nil
}

func listAttachedRolePolicies(r *request) ([]element, *apiError) {
	prefix := r.pathPrefix()
	ro, err := r.role()
	if err != nil {
		return nil, err
	}
	var arns []string
	for _, arn := range ro.attached {
		if strings.HasPrefix(r.world.policy(arn).path, prefix) {
			arns = append(arns, arn)
		}
	}
	arns, more, err := page(r, arns, func(arn string) string { return arn })
	if err != nil {
		return nil, err
	}
	return append([]element{attachedList("AttachedPolicies", arns)}, more...), nil
}

func attachedList(name string, arns []string) element {
	return members(name, arns, func(arn string) element {
		return elem("", text("PolicyName", arn[strings.LastIndexByte(arn, '/')+1:]), text("PolicyArn", arn))
	})
}

func putRolePolicy(r *request) ([]element, *apiError) {
	name := r.name("PolicyName", 128)
	doc := r.policyDocument("PolicyDocument")
	ro, err := r.roleToChange()
	if err != nil {
		return nil, err
	}
	if err := r.world.checkPermissions(doc); err != nil {
		return nil, err
	}
	size := compactSize(doc)
	for other, have := range ro.inline {
		if other != name {
			size += compactSize(have)
		}
	}
	if size > maxInlineSize {
		return nil, limitExceeded("Maximum policy size of %d bytes exceeded for role %s", maxInlineSize, ro.name)
	}
	ro.inline[name] = doc
	return nil, nil
}

// compactSize is the number of characters in a JSON document without insignificant
// white space, as IAM counts it.
func compactSize(doc string) int {
	var b bytes.Buffer
	if json.Compact(&b, []byte(doc)) != nil {
		return utf8.RuneCountInString(doc)
	}
	return utf8.RuneCount(b.Bytes())
}

// inlinePolicy returns the role and the name of its inline policy that PolicyName
// names.
func (r *request) inlinePolicy(find func() (*role, *apiError)) (ro *role, name string, refusal *apiError) {
	name = r.name("PolicyName", 128)
	if ro, refusal = find(); refusal != nil {
		return nil, "", refusal
	}
	if _, ok := ro.inline[name]; !ok {
		return nil, "", noSuchEntity("The role policy with name %s cannot be found.", name)
	}
	return ro, name, nil
}

func getRolePolicy(r *request) ([]element, *apiError) {
	ro, name, err := r.inlinePolicy(r.role)
	if err != nil {
		return nil, err
	}
	return []element{text("RoleName", ro.name), text("PolicyName", name), document("PolicyDocument", ro.inline[name])}, nil
}

func deleteRolePolicy(r *request) ([]element, *apiError) {
	ro, name, err := r.inlinePolicy(r.roleToChange)
	if err != nil {
		return nil, err
	}
	delete(ro.inline, name)
	return nil, nil
}

func listRolePolicies(r *request) ([]element, *apiError) {
	ro, err := r.role()
	if err != nil {
		return nil, err
	}
	names, more, err := page(r, sortedNames(ro.inline), func(name string) string { return name })
	if err != nil {
		return nil, err
	}
	return append([]element{texts("PolicyNames", names)}, more...), nil
}

func sortedNames(inline map[string]string) []string {
	names := make([]string, 0, len(inline))
	for name := range inline {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
