package permission

import (
	"slices"
	"strings"

	"github.com/fly-aws/fly-aws/trustpolicy"
)

// A Breadth is a way to grant far more than an app needs.
type Breadth string

// The breadths, widest first.
const (
	// Administrator: every action on every resource, as in AdministratorAccess.
	Administrator Breadth = "administrator"
	// PowerUser: everything but a list of actions or resources, as in PowerUserAccess.
	PowerUser Breadth = "power-user"
	// IAM: every action of IAM on every role, as in IAMFullAccess. A role with it can
	// attach any policy to itself. With NotAction it may be all but some of these actions.
	IAM Breadth = "iam"
	// AssumeAnyRole: sts:AssumeRole on every role, which gives what any role has whose
	// trust policy lets the account in.
	AssumeAnyRole Breadth = "assume-any-role"
)

// A Finding says that a policy grants too much.
type Finding struct {
	Breadth Breadth
	// Narrowed says that part of it may not be allowed after all, by a condition, an
	// exception or a denial in the same policy.
	Narrowed bool
}

// Findings returns at most one finding for each Breadth, widest first; nil if there is
// none. Administrator stands for the others unless it alone is narrowed.
//
// It looks at one statement at a time. A pattern that names an account, such as
// arn:aws:iam::123456789012:role/*, is not every role.
func (p Policy) Findings() []Finding {
	hasDeny := p.HasDeny()
	var out []Finding
	for _, b := range []Breadth{Administrator, PowerUser, IAM, AssumeAnyRole} {
		found, narrowed := false, true
		for _, a := range p.Allows() {
			if granted, excepted := a.grants(b); granted {
				found = true
				narrowed = narrowed && (excepted || a.Conditional || hasDeny)
			}
		}
		implied := len(out) > 0 && out[0].Breadth == Administrator && (narrowed || !out[0].Narrowed)
		if found && !implied {
			out = append(out, Finding{b, narrowed})
		}
	}
	return out
}

// ManagedFindings is Findings for the widest of AWS's managed policies,
// arn:<partition>:iam::aws:policy/<name>: AdministratorAccess, PowerUserAccess and
// IAMFullAccess. It is nil for other policies, which may be wide too
// (https://docs.aws.amazon.com/aws-managed-policy/latest/reference/).
func ManagedFindings(arn string) []Finding {
	partition, name, ok := strings.Cut(arn, ":iam::aws:policy/")
	if !ok || !strings.HasPrefix(partition, "arn:") {
		return nil
	}
	switch name {
	case "AdministratorAccess":
		return []Finding{{Breadth: Administrator}}
	case "PowerUserAccess": // its list leaves out IAM, Organizations and Account Management, not STS
		return []Finding{{Breadth: PowerUser}, {Breadth: AssumeAnyRole}}
	case "IAMFullAccess":
		return []Finding{{Breadth: IAM}}
	}
	return nil
}

// anything stands for any text where a pattern is compared: only wildcards match it. The
// character is none that a policy can have (CreatePolicy, PolicyDocument), and there are
// more of them than anyone writes question marks.
var anything = strings.Repeat("\U0010ffff", 64)

// Actions in lower case, and resources without their partition.
var (
	everyAction    = anything + ":" + anything
	everyIAMAction = "iam:" + anything
	everyResource  = strings.Repeat(":"+anything, 4)
	everyRole      = ":iam::" + anything + ":role/" + anything
)

// grants says whether the statement grants b, and whether it lists exceptions that may
// matter for b.
func (a Access) grants(b Breadth) (granted, excepted bool) {
	switch b {
	case Administrator:
		return matchAction(a.Actions, everyAction) && matchResource(a.Resources, everyResource), false
	case PowerUser:
		return a.allows(everyAction, everyResource), false
	case IAM:
		return a.allows(everyIAMAction, everyRole), len(a.NotResources) > 0 || slices.ContainsFunc(a.NotActions, namesIAM)
	case AssumeAnyRole:
		return a.allows("sts:assumerole", everyRole), len(a.NotResources) > 0
	}
	return false, false
}

// namesIAM says whether an action is one of IAM's, or a pattern that matches some.
func namesIAM(action string) bool {
	service, _, _ := strings.Cut(strings.ToLower(action), ":")
	return trustpolicy.Like(service, "iam")
}

// allows says whether the statement covers the action and the resource. NotAction and
// NotResource cover what they do not list
// (reference_policies_elements_notaction.html, reference_policies_elements_notresource.html).
func (a Access) allows(action, resource string) bool {
	return (matchAction(a.Actions, action) || a.NotActions != nil && !matchAction(a.NotActions, action)) &&
		(matchResource(a.Resources, resource) || a.NotResources != nil && !matchResource(a.NotResources, resource))
}

func matchAction(patterns []string, action string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return trustpolicy.Like(strings.ToLower(p), action) })
}

// matchResource compares patterns with an ARN in the partition that each of them names,
// since a policy meets the ARNs of one partition alone. A wildcard there matches itself.
func matchResource(patterns []string, resource string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		partition := "aws"
		if fields := strings.SplitN(p, ":", 3); len(fields) == 3 {
			partition = fields[1]
		}
		return trustpolicy.Like(p, "arn:"+partition+resource)
	})
}
