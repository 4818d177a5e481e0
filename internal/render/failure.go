package render

import (
	"github.com/fly-aws/fly-aws/internal/text"
	"github.com/fly-aws/fly-aws/setup"
)

// Conflict names the resources that conflict with a plan.
func Conflict(e *setup.ConflictError) string {
	var names []string
	for _, c := range e.Conflicts {
		names = append(names, resourceName(c.Resource()))
	}
	return "conflict: " + shortList(names) + "; nothing was written"
}

// ConflictNext returns the ways to resolve a plan's conflicts.
func ConflictNext(e *setup.ConflictError) []string {
	var hints []string
	for _, c := range e.Conflicts {
		if len(c.Reasons) > 0 && c.Reasons[0].Code == setup.ReasonManaged {
			hints = append(hints, managedNext(c.Reasons[0].Have))
			continue
		}
		for _, r := range c.Reasons {
			hints = append(hints, conflictNext(c, r))
		}
	}
	return hints
}

// managedNext says how to change what something else manages.
func managedNext(by string) string {
	if by == setup.ManagerTerraform {
		return "change it in Terraform: fly-aws export terraform writes what you asked for; fly-aws only reads it"
	}
	return "change it there, or remove the tag " + setup.TagManagedBy
}

func conflictNext(c setup.Change, r setup.Reason) string {
	switch r.Code {
	case setup.ReasonForeignRole:
		return "take the role over with --adopt: fly-aws adds its own statement beside what is there; or choose another name with --role"
	case setup.ReasonTagsAlone:
		return "someone removed the statement; take the role over again with --adopt"
	case setup.ReasonUnreadTrust:
		return "look at it: aws iam get-role --role-name " + text.ShellWord(c.Resource().Role.Name) + "; or choose another name with --role"
	case setup.ReasonOtherFile:
		return "change the role in that file, or take it over with --adopt"
	case setup.ReasonLastStatement:
		return "delete the role by hand, or give its trust policy another statement"
	case setup.ReasonSharedAudience:
		return "pass --audience " + text.ShellWord(r.Have) + ", or choose another role with --role"
	case setup.ReasonOtherApp:
		return "choose another name with --role, or let the apps share one role with --adopt"
	case setup.ReasonOtherOrg:
		return "choose another name with --role"
	case setup.ReasonOtherPath:
		return "pass --path " + text.ShellWord(r.Have) + ", or choose another name with --role"
	case setup.ReasonNameCase:
		return "pass --role " + text.ShellWord(r.Have) + ", or choose another name"
	case setup.ReasonDocument:
		return "the role already has an inline policy " + c.Resource().Policy.Name + ": rename your file, after which the policy is named"
	}
	return "look at the resource in the AWS console"
}

// Stale says what changed after a plan was made.
func Stale(e *setup.StaleError) string {
	return resourceName(e.Resource) + " changed after the plan was made: " + staleReason(e.Reason)
}

func staleReason(r setup.Reason) string {
	have, want := text.Name(r.Have), text.Name(r.Want)
	switch r.Code {
	case setup.ReasonGone:
		return "it no longer exists"
	case setup.ReasonExists:
		return "it exists now"
	case setup.ReasonManaged:
		return "it is managed by " + have + " now"
	case setup.ReasonTrust:
		return "its trust policy is different now"
	case setup.ReasonAudiences:
		if have == "" {
			return "it no longer has the audience " + want
		}
		return "it has the audience " + have + " now"
	case setup.ReasonURL:
		return "its URL is different now"
	case setup.ReasonFileEdited:
		return "the file was edited"
	case setup.ReasonNewlyTrusts:
		return "the role " + have + " trusts it now"
	case setup.ReasonMaxSession:
		return "its maximum session duration is " + orNone(have) + " now, not " + orNone(want)
	case setup.ReasonBoundary:
		return "its permissions boundary is " + orNone(have) + " now, not " + orNone(want)
	case setup.ReasonTag:
		if have == "" {
			return "it no longer has the tag " + want
		}
		return "it has the tag " + have + " now"
	case setup.ReasonDocument:
		return "its policy document is different now"
	case setup.ReasonValue:
		return "its value is " + have + " now"
	}
	return conflictReason(r, have, want)
}

// TokenMismatch says what about a machine's token does not match a plan, one line per
// claim.
func TokenMismatch(e *setup.TokenMismatchError) string {
	message := "a token of the machine " + text.Name(e.Machine) + " of " + text.Name(e.App) + " does not match the plan"
	for _, d := range e.Differences {
		have := text.Name(d.Have)
		if have == "" {
			have = "empty"
		}
		message += "\nits " + d.Claim + " is " + have + ", not " + text.Name(d.Want)
	}
	return message
}

// TokenMismatchNext is the next thing to do if the organization differs; otherwise "".
func TokenMismatchNext(e *setup.TokenMismatchError) string {
	switch {
	case e.TokenOrg == "" || e.TokenOrg == e.Org:
		return ""
	case e.Confirmed:
		return "Fly's API says that the app belongs to " + e.Org + "; if it moved there: fly apps restart " + text.ShellWord(e.App)
	}
	return "the organization in its tokens is " + e.TokenOrg + ": pass --org " + text.ShellWord(e.TokenOrg)
}
