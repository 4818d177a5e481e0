package render

import (
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/fly-aws/fly-aws/internal/permission"
	"github.com/fly-aws/fly-aws/internal/text"
	"github.com/fly-aws/fly-aws/setup"
)

// Extras shows what is on the plan's roles and nobody asked for, other than what the plan
// removes: first what is ours, then what is on adopted and unmanaged roles.
func Extras(w io.Writer, plan *setup.Plan, style Style) {
	p := printer{w, style}
	if ours := plan.Unasked(); len(ours) > 0 {
		p.line("")
		p.line("Not asked for:")
		p.extras(ours)
		p.line("  %s %s", p.arrow(), extrasNext(plan, ours))
	}
	if watched := plan.Watched(); len(watched) > 0 {
		p.line("")
		p.line("Not asked for, on roles that fly-aws adopted or only watches:")
		p.extras(watched)
	}
	p.kept(plan)
	p.managed(plan)
}

// managed shows what the plan keeps and something else manages.
func (p printer) managed(plan *setup.Plan) {
	by := map[string][]string{}
	for _, r := range plan.Managed() {
		by[r.ManagedBy()] = append(by[r.ManagedBy()], resourceName(r))
	}
	for _, manager := range slices.Sorted(maps.Keys(by)) {
		p.line("")
		p.line("Managed by %s, so that fly-aws does not change %s: %s", text.Name(manager), verb(len(by[manager]), "it", "them"), shortList(by[manager]))
	}
}

// kept shows the apps that keep a role although the run does not name them.
func (p printer) kept(plan *setup.Plan) {
	apps, names := byRole(plan, func(g setup.Grant) bool { return g.Kept })
	if len(names) > 0 {
		p.line("")
	}
	for _, name := range names {
		p.line("%s %s role %s, though this run does not name %s", shortList(apps[name]), verb(len(apps[name]), "keeps", "keep"), text.Name(name),
			verb(len(apps[name]), "it", "them"))
	}
}

// byRole returns the apps of some grants of a plan by role, and the roles in order.
func byRole(plan *setup.Plan, some func(setup.Grant) bool) (apps map[string][]string, roles []string) {
	apps = map[string][]string{}
	for _, g := range plan.Grants {
		if !some(g) {
			continue
		}
		if len(apps[g.Role]) == 0 {
			roles = append(roles, g.Role)
		}
		apps[g.Role] = append(apps[g.Role], g.App)
	}
	return apps, roles
}

func (p printer) extras(extras []setup.Extra) {
	for _, e := range extras {
		line := extraName(e)
		if means := meanings(e.Means); means != "" {
			line += ": " + means
		}
		if len(e.Rules) > 0 {
			line += " (" + text.Clean(strings.Join(e.Rules, ", ")) + ")"
		}
		p.line("  %s %s", p.paint(yellow, "!"), line)
		if why := stays(e.Stays); why != "" {
			p.line("      --prune leaves it: %s", why)
		}
	}
}

// extrasNext says what to do about extras of ours.
func extrasNext(plan *setup.Plan, extras []setup.Extra) string {
	prunable := false
	for _, e := range extras {
		prunable = prunable || e.Stays == ""
	}
	switch {
	case !prunable:
		return "remove them by hand, or ask for them"
	case plan.Request != nil && plan.Request.File != "":
		return "remove them with --prune, or add them to the file: under keep to leave them alone"
	}
	return "remove them with --prune, or ask for them"
}

// extraName names an extra and where it is.
func extraName(e setup.Extra) string {
	role, name := text.Name(e.Role), text.Clean(e.Name)
	switch e.Kind {
	case setup.ExtraPolicy:
		return "policy " + text.Clean(policyName(e.Name)) + " on role " + role
	case setup.ExtraInline:
		return "inline policy " + name + " in role " + role
	case setup.ExtraStatement:
		return "statement " + name + " in the trust policy of role " + role
	case setup.ExtraRole:
		return "role " + role + ", which the file made and no longer names"
	}
	return string(e.Kind) + " " + name + " in the statement of fly-aws on role " + role
}

// meanings says what an extra or a policy allows.
func meanings(list []setup.Meaning) string {
	var parts []string
	for _, m := range list {
		part := meaning(m)
		if m.Conditional {
			part += ", under conditions"
		}
		parts = append(parts, part)
	}
	const most = 3
	if more := len(parts) - most; more > 0 {
		parts = append(parts[:most], Count(more, "more"))
		parts[most] = strings.TrimSuffix(parts[most], "s")
	}
	return strings.Join(parts, "; ")
}

func meaning(m setup.Meaning) string {
	value := text.Clean(m.Value)
	switch m.Code {
	case setup.MeansEveryApp:
		return "lets every app of " + value + " assume it"
	case setup.MeansSubject:
		return "lets " + value + " assume it"
	case setup.MeansPrincipal:
		_, name, _ := strings.Cut(value, " ") // without its kind
		return "lets " + name + " assume it"
	case setup.MeansAnyone:
		return "lets anyone assume it"
	case setup.MeansAction:
		return "allows " + value
	case setup.MeansAudience:
		return "accepts tokens for " + value
	case setup.MeansAnyAudience:
		return "accepts tokens for any audience"
	case setup.MeansBreadth:
		return breadth(permission.Breadth(m.Value))
	}
	return text.Name(string(m.Code))
}

func breadth(b permission.Breadth) string {
	switch b {
	case permission.Administrator:
		return "administrator access"
	case permission.PowerUser:
		return "almost every action on everything"
	case permission.IAM:
		return "all of IAM, so it can give itself any permission"
	case permission.AssumeAnyRole:
		return "can assume every role that trusts this account"
	}
	return text.Name(string(b))
}

// stays says why --prune leaves an extra, "" if it does not.
func stays(r setup.StayReason) string {
	switch r {
	case setup.StaysDeny:
		return "it contains a Deny, which narrows access"
	case setup.StaysUnread:
		return "it could not be read, and may contain a Deny"
	case setup.StaysOtherFile:
		return "this file did not make the role"
	case setup.StaysPartial:
		return "--app shows only a part of the file"
	case setup.StaysManaged:
		return "something else manages the role, according to its tag " + setup.TagManagedBy
	case setup.StaysInUse:
		return "others use the role"
	}
	return ""
}

// narrowing says how our statement allows less than asked.
func narrowing(n setup.Narrowing) string {
	value := text.Clean(n.Value)
	switch n.Kind {
	case setup.NarrowedDeny:
		return "its effect is Deny"
	case setup.NarrowedAction:
		return "it does not allow sts:AssumeRoleWithWebIdentity"
	case setup.NarrowedCondition:
		return "it also requires " + value
	case setup.NarrowedMachine:
		return "it allows only the machine " + value
	case setup.NarrowedUnknown:
		return "it was rewritten in a form that fly-aws does not change"
	}
	return text.Name(string(n.Kind))
}

// recently is how long ago a use of a role is worth pointing out before it goes.
const recently = 24 * time.Hour

// Losses shows who loses access at once by a plan of deletes, and which of the roles were
// used within a day of now.
func Losses(w io.Writer, plan *setup.Plan, now time.Time, style Style) {
	p := printer{w, style}
	still := map[string][]string{}
	for _, w := range plan.Warnings {
		if w.Code == setup.WarningStillAllowed {
			still[w.Role] = append(still[w.Role], w.Apps...)
		}
	}
	apps, names := byRole(plan, func(g setup.Grant) bool { return g.Removed && !slices.Contains(still[g.Role], g.App) })
	for _, name := range names {
		p.line("%s %s %s access through role %s at once", p.paint(yellow, "!"), shortList(apps[name]), verb(len(apps[name]), "loses", "lose"), text.Name(name))
	}
	for _, c := range plan.Changes {
		role := c.Before
		if role == nil || role.Role == nil || role.Role.LastUsed.IsZero() || now.Sub(role.Role.LastUsed) > recently {
			continue
		}
		p.line("%s role %s was used %s ago", p.paint(yellow, "!"), text.Name(role.Role.Name), Duration(max(now.Sub(role.Role.LastUsed), 0).Truncate(time.Minute)))
	}
	for _, c := range plan.Changes {
		if c.Action == setup.ActionDelete && c.Before.Env != nil {
			p.line("%s stays in %s if it is there; remove it by hand if nothing needs it", setup.EnvRegion, text.Clean(c.Before.Env.Config))
			break
		}
	}
	if len(names) > 0 {
		p.line("")
	}
}

func verb(n int, one, several string) string {
	if n == 1 {
		return one
	}
	return several
}
